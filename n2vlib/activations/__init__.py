"""A layer's activations, read in one pass over the images and kept sparse.

layer       a layer in the store: thresholds T_k, where each filter fires, spatial means and maxima
streaming   the pass over the images
quantiles   T_k, exactly, from values that are counted and never sorted
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
