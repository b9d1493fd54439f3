"""Ways to align concepts with filters: one file each, with the same call.

found = single_filter.align(layer, probe)       -> Alignment(scores, weights, bias, pairs, settings)

single_filter     the best filter of each concept, by set IoU (Net2Vec 3.1.1)
segmentation      weights over all filters, learned to segment the concept (Net2Vec 3.1.2)
classification    weights over all or a few filters, learned to predict whether it is there (Net2Vec 3.2)
dissection        the best concept of each filter, by dissection IoU (Network Dissection 2)
alignment         the tables that every method returns

And one of another kind:

translation       messages translated by the beliefs that they lead to (Translating neuralese 3 to 5)
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
