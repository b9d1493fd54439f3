"""Sentences about drawn scenes, a network that says whether one follows from another, and formulas for its units.

language    sentences, what they say about a scene, and whether one follows from another
pairs       pairs of sentences with their labels: ours, drawn at random, or a folder of the user's
model       the network of Mu and Andreas (2020, section 3), small
training    training it, as it ships or on the user's pairs
concepts    the concepts of a pair (words, parts of speech, overlap, neighbours) and what a search needs
units       how often units fire, kinds of formulas, words that give the class away
edits       pairs with one word replaced, so that a formula begins or ceases to hold
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
