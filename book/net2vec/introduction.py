# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # What does a filter look for?
#
# *Net2Vec, abstract and introduction.* Take one filter of a trained network, run it on every image you have, and keep
# the few images that activate it most. Crop them to the places where the filter was active. The crops often show one
# kind of thing, say wheels or grass, and suggest that the filter detects that thing. This book asks how far that
# holds.
#
# *Question.* What do the images that activate a filter most tell us about the filter, and what do they leave out?

# %% tags=["parameters", "hide-input"]
PROBE: str = "world"  # probe set: world, world-800, or a folder in Broden's format
NETWORK: str = "small-alexnet"  # name, package.module:function or path/file.py:function
WEIGHTS: str = None  # torchvision weights enum, or a file of weights
PREPROCESSING: dict = None  # size, mean, std, range of input; null: the network's own
LAYERS: list = ["conv1", "conv2", "conv3", "conv4", "conv5"]  # papers' or module names
TAU: float = 0.005  # share of all places where a filter fires
EPOCHS: int = 30  # passes over the training images, where weights are learned
SEED: int = 0  # of everything drawn at random
DEVICE: str = "auto"  # auto, cpu, cuda, cuda:1 or mps
STORE: str = None  # folder of stored measurements; null: $N2V_STORE, else build/store

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper shows
#
# > The first figure of the paper takes a few filters of AlexNet's last convolutional layer. For each filter it shows
# > the images of the probe set that activate it most strongly, with their rank, darkened everywhere but where the
# > filter is active {cite}`fong2018net2vec`.
#
# A filter's *activation* on an image is a small map $A_k(x)$, one number for each place of a coarse grid. The largest
# number in the map decides the image's rank. For the mask, the figure upsamples the map to the size of the picture, by
# bilinear interpolation $S$, and thresholds it at the filter's threshold $T_k$. The scores of the paper use the
# opposite order: threshold first, upsample, and threshold again at one half.
#
# $$
# M_k^{\mathrm{figure}}(x) = \mathbb{1}\big[\, S(A_k(x)) > T_k \,\big]
# \qquad
# M_k^{\mathrm{score}}(x) = \mathbb{1}\big[\, S(\mathbb{1}[A_k(x) > T_k]) > \tfrac12 \,\big]
# $$ (eq-two-masks)
#
# The threshold is chosen so that the filter exceeds it, or *fires*, at a share $\tau$ of all places in all images. All
# later chapters use the second mask. This one uses the first and measures how far the two differ.
#
# ## Which filters?
#
# With hundreds of filters one can illustrate nearly any claim, so we select by a rule. In the deepest layer, each
# concept (*wheel*, *red*) has one best filter, whose mask agrees best with the concept on training images; a [later
# chapter](single-filters) explains the measure. We take the best such pair of each category, then the second best of
# each, no filter twice, until there are four.

# %%
from n2vlib import charts
from n2vlib.analysis import sharing, top_images
from n2vlib.methods import single_filter

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps", "training images")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
store = n2vlib.Store(STORE)
layers = n2vlib.read_layers(network, LAYERS, probe, tau=TAU, device=DEVICE, store=store)
layer = layers[LAYERS[-1]]
found = single_filter.align(layer, probe)
shown = sharing.best_of_categories(found, 4)

# %% [markdown]
# ## By hand, one filter
#
# The first of these filters. The library stores the largest activation of every filter in every image, so the image of
# rank one is known. We run the network on it again and make the figure's mask ourselves.

# %%
import numpy as np

from n2vlib.masks.iou import upsample

k = int(shown["filter"].iloc[0])
first = int(np.argmax(layer.highest[:, k]))
activation = layer.maps([first], k)[0]
upsampled = upsample(activation, probe.label_size, align_corners=True)
mask = upsampled > layer.thresholds[k]

# %%
from n2vlib.display import gallery

captions = ["the image", f"activation of filter {k}"]
captions += [f"upsampled, then thresholded: {mask.mean():.1%} of the pixels"]
heat, predicted = [None, activation, None], [None, None, mask]
pictures = [probe.image(first)] * 3
gallery.show(pictures, captions, heat=heat, predicted=predicted, columns=3)

# %% [markdown]
# Is this the activation that the library stored, and do as many places of the map exceed the threshold? Another batch
# size can change an activation by a millionth, so one place may differ.

# %%
places = activation > layer.thresholds[k]
assert np.isclose(activation.max(), layer.highest[first, k], rtol=1e-3)
assert abs(int(places.sum()) - int(layer.fired_in(first)[k].sum())) <= 1
print(f"image {first}: {places.sum()} of {places.size} places exceed the threshold")

# %% [markdown]
# ## The images that activate a filter most
#
# The four filters, one row each, with the images of rank one to four among *all* images of the probe set. No concept
# is used to find them. Before reading on, name for each row what the filter looks for.

# %%
ranked = top_images.top_images(layer, shown["filter"], 4)
maps = layer.maps(list(ranked["image"]))[range(len(ranked)), ranked["filter"]]
thresholds = layer.thresholds[ranked["filter"]][:, None, None]
masks = upsample(maps, probe.label_size, align_corners=True) > thresholds

# %%
captions = [
    f"filter {row.filter}, rank {row.rank} · image {row.image}"
    for row in ranked.itertuples()
]
pictures = [probe.image(i) for i in ranked["image"]]
gallery.show(pictures, captions, predicted=masks, columns=4)

# %% [markdown]
# Compare your names with the concepts for which the filters were selected, in the same order.

# %%
columns = ["filter", "name", "category", "set_iou"]
caption = f"The filters shown, of {layer.name},"
caption += " and the set IoU that selected them (training images)"
charts.table(shown[columns], caption)

# %% [markdown]
# Where the two differ, who is right? The concept is only the best of the annotated ones. And the images cannot decide,
# because they do not show what the filter does not respond to.
#
# ## Two masks
#
# How different would the figure look with the masks of the scores, thresholded first and upsampled afterwards? On the
# images shown:

# %%
import pandas as pd

from n2vlib.masks.iou import individual_iou, single_filter_mask

scored = single_filter_mask(maps > thresholds, probe.label_size, align_corners=True)
agreement = individual_iou(masks, scored)
areas = {"upsampled first (figure)": masks, "thresholded first (scores)": scored}
areas = {way: 100 * each.mean() for way, each in areas.items()}
areas = pd.Series(areas, name="% of the pixels").rename_axis("mask").reset_index()
caption = f"IoU of the two masks: {agreement.mean():.2f} on average,"
caption += f" {agreement.min():.2f} in the worst image"
charts.table(areas, caption, digits=1)

# %% [markdown]
# Upsampled first, the edge of the mask lies where the interpolated activation crosses the threshold: close to a place
# that only just fires, further out around a high peak. Thresholded first, a place fires or not, and the size of its
# activation is lost.
#
# ## Down the ranks
#
# Four images are the top of a very long list. What comes further down? The chart shows, for the first $n$ images of
# the list, how many contain the filter's concept. The four filters above were selected for high scores, so the chart
# adds the mean over the best filters of *all* concepts and, in grey, chance: the share of all images that contain a
# concept.

# %%
from n2vlib.probe.occurrences import presence

everywhere, holds = np.arange(len(probe)), presence(probe)
strength = top_images.strengths(found, layer, everywhere)
depths = (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 20000)
depths = [n for n in depths if n <= len(probe)] or [len(probe)]
shares = pd.DataFrame({n: top_images.coherence(strength, holds, n) for n in depths})

# %%
often = holds.mean()
names = [
    f"filter {row.filter}: {row.name} (in {often[row.concept]:.0%})"
    for row in shown.itertuples()
]
curves = shares.loc[shown["concept"]].set_axis(names)
curves.loc["mean of all"] = shares.mean()
curves.loc["chance"] = holds[shares.index].mean().mean()
table = curves.rename_axis(index="series", columns="images").stack()
table = table.rename("share").reset_index()
ten = depths[min(1, len(depths) - 1)]
title = f"Of the {ten} strongest images, {shares[ten].mean():.0%} contain the concept"
title += f" on average; by chance {curves.iloc[-1, 0]:.0%}"
axes = ("strongest images looked at", "share that contain the concept")
charts.lines(table, "images", "share", title, axes, series="series", log=True)

# %% [markdown]
# Read each curve against its own concept; the legend says how many of all images contain it. If nearly all do, as for
# a color, the curve is high whatever the filter does. If few do, the curve must fall once these images are used up,
# even for a perfect filter. What matters is the height before that point, and how long it is kept. A filter can also
# be the *best* for a concept and start low, because set IoU uses only images that contain the concept.
#
# ## What the top images leave out
#
# The figure shows a handful of images for each filter. In how many does it fire at all?

# %%
fires = pd.DataFrame({"share": (layer.highest > layer.thresholds).mean(axis=0)})
median = fires["share"].median()
title = f"Half of the filters of {layer.name} fire somewhere in {median:.0%}"
title += " of the images or more"
axis = "share of images in which a filter fires somewhere"
charts.histogram(fires, "share", title, axis=axis, fmt=".0%")

# %%
pointers, code = layer.fired
filters = code // (layer.grid[0] * layer.grid[1])
inside = []
for k in shown["filter"]:
    images = ranked.query("filter == @k")["image"]
    inside.append(sum(layer.fired_in(i)[k].sum() for i in images))
total = np.bincount(filters, minlength=layer.n_filters)[shown["filter"]]
print("The four images shown for each filter contain", end=" ")
print(f"{sum(inside) / sum(total):.1%} of the places where it fires.")

# %% [markdown]
# Every filter fires at the same share of places, by the definition of its threshold. Some filters fire in few images,
# some in many. Either way, top images show a small and untypical part of what the filter does. To describe the rest we
# need two things that they do not provide: concepts with segmentation masks, and a measure of how well filter and
# concept agree.
#
# ## Three claims
#
# The paper builds both, and its abstract draws three conclusions from them.
#
# > *Several filters for a concept.* Most concepts need more than one filter to be encoded.
# >
# > *Several concepts for a filter.* Filters are often not specific: one filter takes part in encoding several
# > concepts.
# >
# > *Embeddings say more.* The vector of weights that a concept has over all filters describes how the network
# > represents it better than the response of any single filter does {cite}`fong2018net2vec`.
#
# Each of them could be false. The table says what would refute it.
#
# | Claim | It would be false if | Measured in |
# |---|---|---|
# | several filters for a concept | a weighted sum of filters did no better, on new images, than the best one | [together or alone](sufficient/together-or-alone), [how many filters](sufficient/how-many-filters) |
# | several concepts for a filter | each filter were the best for one concept, or were shared no more than at random | [shared](shared) |
# | embeddings say more | the weights followed from the single filters' scores, or their neighbours made no sense | [non-maximal](non-maximal), [unifying](unifying), [neighbours](embeddings/neighbours) |
#
# A second question runs through the book: do the methods measure what they claim to? A chapter with [known
# truth](known-truth) plants encodings and checks whether the methods find them. The last chapter, the
# [verdict](../verdict/net2vec), answers each claim of the paper on this run, beside the published number.
#
# The second claim can be checked in part right away, because the best filters are known.

# %%
several = sharing.concepts_served(sharing.strongest_filters(found))["concepts"]
if len(several):
    print(f"{layer.name}: {(several > 1).sum()} of {len(several)} filters", end=" ")
    print("are the best one for two or more concepts,")
    print(f"{(several == 0).sum()} for none;", end=" ")
    print(f"the most for one filter is {several.max()} concepts.")
else:
    print("No concept with pixel maps has validation images,", end=" ")
    print("so no best filter is counted.")

# %% [markdown]
# ## Where we differ
#
# - **Selection.** The paper does not say how its filters were picked; we state our rule. It uses concepts, so the four
#   rows are more coherent than those of four random filters (exercise 2).
# - **Corners.** The figure was made with upsampling that aligns the corners of both grids; we do the same.
# - **Rank** counts images, by their largest activation. Two places of one image never both appear.
#
# ## Exercises
#
# 1. Rank the images by a filter's mean activation instead of its maximum (`layer.pooled`). How many of the first ten
#    stay? Which ranking do you expect to prefer large things?
# 2. Replace `shown` by four random filters. Can you still name what each row has in common?
# 3. Run the chapter with `NETWORK=small-alexnet-random`. Do the rows of an untrained network look coherent?

# %% tags=["solution", "hide-input"]
mean, top = np.array(layer.pooled), np.array(layer.highest)
first = [np.argsort(-each, axis=0)[:10] for each in (mean, top)]
kept = [
    len(np.intersect1d(*pair)) for pair in zip(*(each.T for each in first), strict=True)
]
print(f"Of the ten images with the largest maximum, {np.mean(kept):.1f}", end=" ")
print("are also among the ten with the largest mean (over filters).")

# %% [markdown]
# ## Take-away
#
# - Top images suggest a name for a filter. They are a small part of where it fires, and the part that looks best.
# - The order of upsampling and thresholding changes the mask.
# - To decide what a filter encodes, one needs segmented concepts, scores, and images that were not selected for strong
#   activations.
#
# The concepts and their masks are next: [what the network is shown](probe-set).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
