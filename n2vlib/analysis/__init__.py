"""What follows from scores and weights: the questions of the papers, one file each. Tables in, tables out.

annotations          how often, how large, and how often together the concepts of a probe set are
saturation           how many filters are enough (Net2Vec 4.1, Figure 3)
failures             where the combination loses against the single filter (Net2Vec 4.1)
sharing              how many concepts each filter serves, and chance (Net2Vec 4.2)
comparison           several networks measured in the same way (Net2Vec 4.3, Figure 6)
per_image            the IoU of each image (Net2Vec 5.1)
top_images           the images with the strongest response (Net2Vec 5.1, Figure 1)
correlation          weights of a combination against the filters' own scores (Net2Vec 5.2)
embeddings           nearest concepts, and the distance between two spaces (Net2Vec 5.3)
rsa                  distances between spaces beside chance (Net2Vec 5.3, Figure 10)
stability            directions and neighbours learned again: other images, start, loss, task
grouping             clusters of concepts, and concepts on a plane (Net2Vec 5.3)
expressions          sums and differences of concept vectors (Net2Vec 5.3, Table 3)
mask_bias            masks of learned weights with a bias
released             rules of the released Net2Vec program that differ from ours
uncertainty          bootstrap over images

rating               do labels describe top patches? (Network Dissection TPAMI 3.1)
rotation             a layer rotated in the space of its filters (TPAMI 3.2)
directions           a layer's filters beside a dictionary, components and random directions of the same space
detectors            detectors of layers and networks side by side (TPAMI 3.3, 3.4)
history              a layer's filters while the network learns (TPAMI 3.6, 3.7)
concept_similarity   in which respect two concepts are similar (TPAMI 3.7)
discrimination       a linear classifier on a layer's features (TPAMI 3.9, 3.10)

runs                 networks, layers, probe sets or seeds to be compared
between_runs         which detectors appeared and went, which concepts gained, distances

evaluation           a network's own predictions with filters or directions removed
ablation             how much filters matter for each class (Bau et al. 2020, Figure 2)
concept_ablation     a concept removed from a layer, in several ways
"""

from n2vlib.lazy import submodules

__getattr__ = submodules(__name__)
