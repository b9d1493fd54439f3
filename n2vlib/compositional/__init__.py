"""Compositional explanations of neurons (Mu and Andreas, NeurIPS 2020): logical formulas instead of single concepts.

formula        a formula as a value: printed, parsed, compared, simplified, and turned into a mask
atoms          pixels grouped by the set of concepts that they show, and how often each unit fires on each group
beam           the search for a unit's formula, ours and as released
exact          the best formula of up to three concepts
explain        the formulas of a layer's filters
trust          whether formulas hold on other images, and against chance
classifier     what the network answers
contributions  which classes a filter speaks for
accuracy       whether the network is right where a unit fires
similarity     whether the parts of an OR are of one kind, by a tree of hypernyms
planted        units made from a formula, with noise: is it found again?
edits          pictures edited so that a formula holds in them
moved          whether answers move as formulas say
pasted         pictures that people have edited, from a folder
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
