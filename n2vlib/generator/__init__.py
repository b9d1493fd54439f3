"""A generator of pictures, what its units draw, and what happens to the pictures when units are set to other values.

sources     generators and segmenters: the zoo's, or the user's functions
edits       x (1 - a) + v a in a layer, while a picture is drawn
dissect     units against what a segmenter sees (GAN dissection, Bau et al. 2019)
control     units whose description has a word are cut or raised, beside random ones
effect      the causal effect of units on a class, read where the edit was made
causal      the same for a chapter, kept in the store
scenes      drawn scenes that the zoo's generator learns to draw
models      the zoo's generator and segmenter
drawing     training of the generator
segmenting  training of the segmenter
shipping    what the two trainings share
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
