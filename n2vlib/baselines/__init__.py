"""What a set IoU is worth: masks that need no network, one filter more, and other solvers. None of it is Net2Vec's.

    baselines.places.usual_place(layer, probe)      -> Alignment, as methods return it, under another `method` name

places      the mask that covers everything, and the usual place of a concept in the picture: no network
joined      the masks of two filters joined
linear      mean difference, ridge and logistic regression, on activations thresholded (fired) or as they are (raw)
threshold   any weights with the threshold of their mask moved to the best value on training images
timing      processor seconds of each solver
summary     all of them side by side, concepts with few training images marked
aligned     the concepts that all are measured on, and their tables
cells       a layer's activations cell by cell, and how much of each cell a concept covers
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
