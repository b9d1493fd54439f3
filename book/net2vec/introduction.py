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
# *Net2Vec, abstract and introduction.* Take one filter out of a trained network, show it every image you have, and keep
# the few that excite it most. Cut out the places where it was excited. What remains are small pictures of one thing:
# wheels, say, or grass. It is hard to look at such a page and not to think that the filter *is* the thing: a wheel
# filter, a grass filter. This book asks how far that thought carries.
#
# *Question.* What do the images that activate a filter most tell about the filter, and what do they leave out?

# %% tags=["parameters", "hide-input"]
PROBE: str = "world"  # probe set: world, world-800, or a folder in Broden's format
NETWORK: str = "small-alexnet"  # network: zoo or torchvision name, package.module:function, path/file.py:function
WEIGHTS: str = None  # torchvision weights enum, or a file of weights
PREPROCESSING: dict = None  # size, mean, std and range of the input; null where the network brings them
LAYERS: list = ["conv1", "conv2", "conv3", "conv4", "conv5"]  # layers, by the papers' names or dotted module names
TAU: float = 0.005  # share of all places where a filter fires
EPOCHS: int = 30  # passes over the training images, where weights are learned
SEED: int = 0  # of everything drawn at random
DEVICE: str = "auto"  # auto, cpu or cuda
STORE: str = None  # folder of stored measurements; null: $N2V_STORE, else build/store

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper shows
#
# > The first figure of the paper takes a few filters of AlexNet's last convolutional layer. For each it shows images
# > of the probe set that activate it most strongly, with their rank, and darkens all but the places where the filter
# > is active {cite}`fong2018net2vec`.
#
# A filter's *activation* on an image is a small map $A_k(x)$, one number for each place of a coarse grid. The image's
# rank is decided by the largest number in the map. For the mask, the figure enlarges the map to the size of the picture,
# by bilinear interpolation $S$, and cuts it at the filter's threshold $T_k$. The scores of the paper do it the other
# way round: cut first, enlarge afterwards, cut again at one half.
#
# $$
# M_k^{\mathrm{figure}}(x) = \mathbb{1}\big[\, S(A_k(x)) > T_k \,\big]
# \qquad
# M_k^{\mathrm{score}}(x) = \mathbb{1}\big[\, S(\mathbb{1}[A_k(x) > T_k]) > \tfrac12 \,\big]
# $$ (eq-two-masks)
#
# The threshold is chosen so that the filter exceeds it at a share $\tau$ of all places in all images. All later chapters
# use the second mask. This one uses the first, and measures how far the two are apart.
#
# ## Which filters?
#
# Someone has to choose. With hundreds of filters one can illustrate nearly any story, so here a rule chooses. In the
# deepest layer each concept has one filter whose mask agrees with it best on training images; how that is measured is
# the matter of a [later chapter](single-filters). We take the best such pair of each category, then the second best of
# each, no filter twice, until there are four.

# %%
from n2vlib import charts
from n2vlib.analysis import maximal, sharing
from n2vlib.methods import single_filter

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps", "training images")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
layers = n2vlib.read_layers(network, LAYERS, probe, tau=TAU, device=DEVICE, store=n2vlib.Store(STORE))
layer = layers[LAYERS[-1]]
found = single_filter.align(layer, probe)
shown = sharing.best_of_categories(found, 4)

# %% [markdown]
# ## By hand, one filter
#
# The first of them. The library has kept the largest activation of every filter in every image, so the image of rank
# one is known. We run the network once more on that image and make the figure's mask ourselves.

# %%
import numpy as np

from n2vlib.iou import upsample
from n2vlib.record import run_layers

k = int(shown["filter"].iloc[0])
first = int(np.argmax(layer.highest[:, k]))
pixels = network.preprocessing(probe.image(first)[None])
activation = run_layers(network.module.cpu(), [layer.module], pixels)[layer.module][0, k].numpy()
enlarged = upsample(activation, probe.label_size, align_corners=True)
mask = enlarged > layer.thresholds[k]

# %%
from n2vlib import gallery

words = ["the image", f"activation of filter {k}", "enlarged, then cut at its threshold"]
gallery.show([probe.image(first)] * 3, words, heat=[None, activation, None], predicted=[None, None, mask], columns=3)

# %% [markdown]
# Is that the activation the library has stored, and do as many places of the small map exceed the threshold? Arithmetic
# of another batch size can move an activation by a millionth, so one place may tip over.

# %%
places = activation > layer.thresholds[k]
assert np.isclose(activation.max(), layer.highest[first, k], rtol=1e-3)
assert abs(int(places.sum()) - int(layer.fired_in(first)[k].sum())) <= 1
print(f"image {first}: {places.sum()} of {places.size} places exceed the threshold, {mask.mean():.1%} of the pixels")

# %% [markdown]
# ## The images that activate a filter most
#
# All four filters, one row each, with the images of rank one to four among *all* images of the probe set: no concept is
# involved in finding them. Before reading on, say of each row what the filter looks for.

# %%
ranked = maximal.top_images(layer, shown["filter"], 4)
pixels = network.preprocessing(np.stack([probe.image(i) for i in ranked["image"]]))
maps = run_layers(network.module, [layer.module], pixels)[layer.module].numpy()[range(len(ranked)), ranked["filter"]]
cut = layer.thresholds[ranked["filter"]][:, None, None]
masks = upsample(maps, probe.label_size, align_corners=True) > cut

# %%
captions = [f"filter {row.filter}, rank {row.rank} · image {row.image}" for row in ranked.itertuples()]
gallery.show([probe.image(i) for i in ranked["image"]], captions, predicted=masks, columns=4)

# %% [markdown]
# Now compare what you said with the concepts for which the filters were chosen, in the same order.

# %%
columns = ["filter", "name", "category", "set_iou"]
charts.table(
    shown[columns], f"The filters shown, of {layer.name}, and the set IoU they were chosen by (training images)"
)

# %% [markdown]
# Where the two differ, who is right? The concept is only the best of those that somebody annotated. And the page
# itself cannot tell, because it has no place for what the filter does not answer to.
#
# ## Two masks
#
# How different would the figure look if it had cut first and enlarged afterwards, as the scores do? On the images
# shown:

# %%
from n2vlib.iou import individual_iou, single_filter_mask

scored = single_filter_mask(maps > cut, probe.label_size, align_corners=True)
agreement = individual_iou(masks, scored)
print(f"IoU of the two masks: {agreement.mean():.2f} on average, {agreement.min():.2f} in the worst image;")
print(f"area: {masks.mean():.1%} of the pixels as in the figure, {scored.mean():.1%} as in the scores.")

# %% [markdown]
# Enlarged first, the edge of the mask lies where the interpolated activation crosses the threshold: close by where a
# place only just fires, far out around a high peak. Cut first, a place has fired or not, and how high is forgotten.
#
# ## Down the ranks
#
# Four images are the top of a very long list. What comes further down? The chart follows the list: among the first $n$
# images, how many contain the filter's concept? The four filters above were chosen because they do well, so the mean
# over the best filters of *all* concepts stands beside them, and, in grey, the share of all images that contain a
# concept, which is what chance would give.

# %%
import pandas as pd

from n2vlib.probe.occurrences import presence

everywhere, holds = np.arange(len(probe)), presence(probe)
strength = maximal.strengths(found, layer, everywhere)
depths = [n for n in (5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 20000) if n <= len(probe)] or [len(probe)]
shares = pd.DataFrame({n: maximal.coherence(strength, holds, n) for n in depths})

# %%
often = holds.mean()
names = [f"filter {row.filter}: {row.name} (in {often[row.concept]:.0%})" for row in shown.itertuples()]
curves = shares.loc[shown["concept"]].set_axis(names)
curves.loc["mean of all"] = shares.mean()
curves.loc["chance"] = holds[shares.index].mean().mean()
table = curves.rename_axis(index="series", columns="images").stack().rename("share").reset_index()
ten = depths[min(1, len(depths) - 1)]
title = f"Of the {ten} strongest images, {shares[ten].mean():.0%} contain the concept on average; by chance {curves.iloc[-1, 0]:.0%}"
axes = ("strongest images looked at", "share that contain the concept")
charts.lines(table, "images", "share", title, axes, series="series", log=True)

# %% [markdown]
# Read each curve against its own concept; the legend says in how many of all images it is. If it is in nearly every image,
# like a color, its curve is high whatever the filter does. If it is rare, the curve must fall once its images are used up:
# a filter may be perfect and still fall. What tells is the height before that point, and how long it is kept. A filter
# can also be the *best* for a concept and start low, because set IoU asks only about images that contain the concept.
#
# ## What the page leaves out
#
# The figure shows a handful of images for each filter. In how many does it fire at all?

# %%
fires = pd.DataFrame({"share": (layer.highest > layer.thresholds).mean(axis=0)})
median = fires["share"].median()
charts.histogram(
    fires, "share", f"Half of the filters of {layer.name} fire somewhere in {median:.0%} of the images or more",
    axis="share of images in which a filter fires somewhere", fmt=".0%",
)  # fmt: skip

# %%
pointers, code = layer.fired
filters = code // (layer.grid[0] * layer.grid[1])
inside = [sum((layer.fired_in(i)[k]).sum() for i in ranked.query("filter == @k")["image"]) for k in shown["filter"]]
total = np.bincount(filters, minlength=layer.n_filters)[shown["filter"]]
print(f"The four images shown of each filter hold {sum(inside) / sum(total):.1%} of the places where it fires.")

# %% [markdown]
# Every filter fires at the same share of places, by the definition of its threshold. Some spend it on few images, some
# on many. Either way, what a page of top images shows is a small and very special part of what the filter does. An
# account of the filter has to say something about the rest, and that needs two things which the page does not have: a
# list of concepts with their outlines, and a number that says how well filter and concept agree.
#
# ## Three claims
#
# The paper builds both, and its abstract draws three conclusions from them.
#
# > *Several filters for a concept.* Most concepts need more than one filter to be encoded.
# >
# > *Several concepts for a filter.* Filters are often not specific: one filter takes part in encoding several concepts.
# >
# > *Embeddings say more.* The vector of weights that a concept has over all filters describes what the network makes of
# > it better than the response of any single filter does {cite}`fong2018net2vec`.
#
# Each of them could be false, and it is worth saying beforehand what that would look like.
#
# | Claim | It would be false if | Measured in |
# |---|---|---|
# | several filters for a concept | a weighted sum of filters did no better, on new images, than the best one | [together or alone](sufficient/together-or-alone), [how many filters](sufficient/how-many-filters) |
# | several concepts for a filter | each filter were the best for one concept, or shared no more than a lottery would have it | [shared](shared) |
# | embeddings say more | the weights followed from the single filters' scores, or their neighbours made no sense | [non-maximal](non-maximal), [unifying](unifying), [neighbours](embeddings/neighbours) |
#
# A second doubt runs through the book: do the methods measure what they say? A chapter with
# [known truth](known-truth) plants encodings and looks whether they are found. The last chapter, the
# [verdict](../verdict/net2vec), gives an answer to each claim of the paper, on this run, beside the published number.
#
# A first look at the second claim costs nothing, because the best filters are already there.

# %%
several = sharing.concepts_served(sharing.strongest_filters(found))["concepts"]
if len(several):
    print(f"{layer.name}: {(several > 1).sum()} of {len(several)} filters are the best one for two or more concepts,")
    print(f"{(several == 0).sum()} for none; one filter is the best for {several.max()} concepts.")
else:
    print("No concept with pixel maps has validation images, without which no best filter is counted.")

# %% [markdown]
# ## Where we differ
#
# - **Other filters.** The paper does not say how its filters were picked; we say how ours were. The rule needs concepts,
#   so the four rows are better behaved than four filters drawn by lot (exercise 2).
# - **Corners.** The figure was made when enlarging meant that the corners of both grids coincide; we do the same.
# - **Rank** counts images, by their largest activation. Two places of one image never both appear.
#
# ## Exercises
#
# 1. Rank the images by a filter's mean activation instead of its maximum (`layer.pooled`). How many of the first ten
#    stay? Which ranking do you expect to prefer large things?
# 2. Replace `shown` by four filters drawn by lot. Can you still name what each row has in common?
# 3. Run the chapter with `NETWORK=small-alexnet-random`. Do the rows of a network that nobody trained look coherent?

# %% tags=["solution", "hide-input"]
mean, top = np.array(layer.pooled), np.array(layer.highest)
tens = [set(np.argsort(-each[:, k])[:10]) for k in range(layer.n_filters) for each in (mean, top)]
kept = np.mean([len(a & b) for a, b in zip(tens[::2], tens[1::2], strict=True)])
print(
    f"Of the ten images with the largest maximum, {kept:.1f} are also among the ten with the largest mean (over filters)."
)

# %% [markdown]
# ## Take-away
#
# - Top images suggest a word for a filter. They are a small part of where it fires, and the part where it looks best.
# - How the mask is made matters: enlarge and cut, or cut and enlarge.
# - To decide what a filter encodes, one needs concepts with outlines, scores, and images that were not chosen for being
#   strong.
#
# The concepts and their outlines are next: [what the network is shown](probe-set).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
