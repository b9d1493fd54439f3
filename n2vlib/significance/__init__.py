"""How sure is an explanation? Filters and the masks they are said to match, on other images and against chance.

family     the masks of a layer's filters, and the masks that they are compared with
held_out   chosen on one half of the images, scored on the other
chance     annotations dealt to other images: what IoU, and what names, chance gives
names      the name of every filter, with both answers
starts     Net2Vec's Table 1 between starts of the learned weights
sanity     which measures notice annotations that are missing, or too many
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
