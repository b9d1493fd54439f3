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
# # Not only the best images
#
# *Net2Vec, section 5.1.* Filters are usually introduced by the images they like most. That is a polite way to introduce
# anybody. Set IoU, the number used so far, hides in another way: it pools all images of a concept into one ratio. This
# chapter looks at the images in between, one by one.
#
# *Question.* How does a filter, or a combination of filters, do on an ordinary image of its concept?

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
# ## The paper's claim
#
# > Individual IoU varies a great deal among the images of one concept. Under the best single filter it is exactly zero
# > for many of them, because nothing in the image passes the filter's threshold; a combination leaves fewer images
# > empty-handed. So an account of a filter should show images from all over the distribution, for instance one at each
# > tenth of its non-zero part. Images of maximal activation mislead: for some concepts those of the best filter do not
# > even look alike {cite}`fong2018net2vec`.
#
# Individual IoU is intersection over union of the predicted mask $M$ and the annotated mask $L_c$ in a single image:
#
# $$
# \mathrm{IoU}_{\mathrm{ind}}(x, c; M) = \frac{|M(x) \cap L_c(x)|}{|M(x) \cup L_c(x)|}
# $$ (eq-individual-iou)

# %%
import pandas as pd

from n2vlib import charts, look, tables
from n2vlib.analysis import individual, maximal
from n2vlib.methods import segmentation, single_filter

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps", "training images", "validation images")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
layers = n2vlib.read_layers(network, LAYERS, probe, tau=TAU, device=DEVICE, store=n2vlib.Store(STORE))
layer = layers[LAYERS[-1]]
alone = {name: single_filter.align(each, probe) for name, each in layers.items()}
together = {name: segmentation.align(each, probe, epochs=EPOCHS, seed=SEED) for name, each in layers.items()}

# %%
pairs = pd.concat(individual.with_silence(found[name], layers[name]) for name in layers for found in (alone, together))
here = pairs.query("layer == @layer.name")
two = individual.two_concepts(here)
print(f"Of {layer.name}, the concepts {' and '.join(probe.concepts.loc[two, 'name'])}.")

# %% [markdown]
# The paper looks at two concepts. Ours follow a rule. Of the objects that both methods overlap in at least ten
# validation images, we take the one with the highest set IoU under its best filter, and the one that is most ordinary:
# its share of zeros is the closest to that of all images of all concepts.
#
# ## By hand, one image
#
# The first concept, and the first of its validation images in which the best filter fires but misses. Two counts decide
# what kind of zero an image is: pixels of the mask, and pixels it shares with the annotation.

# %%
concept, found = two[0], alone[layer.name]
mine = here.query("concept == @concept and method == 'single filter'")
missed = mine.query("individual_iou == 0 and not silent")
image = int((missed if len(missed) else mine)["image"].iloc[0])
mask = individual.masks(found, layer, probe, concept, [image])[0]
annotated = probe.annotated(concept, image)

# %%
by_hand = (mask & annotated).sum() / (mask | annotated).sum()
assert by_hand == mine.set_index("image").loc[image, "individual_iou"]
k = int(found.weights.loc[concept].to_numpy().argmax())
fires = layer.highest[mine["image"], k] > layer.thresholds[k]
assert (fires == ~mine["silent"]).all() and not mine.loc[mine["silent"], "predicted"].any()
print(
    f"image {image}: {mask.sum()} pixels predicted, {(mask & annotated).sum()} of them on the concept, IoU {by_hand:.3f}"
)

# %% [markdown]
# The other kind is an image in which no place passes the threshold. Then there is no mask that could be right or wrong.
# We call such an image *silent*. For a single filter, silence can be read from its largest activation. A combination is
# silent where its mask is empty, although some filters may have fired.
#
# ## The distribution for two concepts
#
# The paper's Figure 7. Exact zeros stand apart from the rest, split by their reason; the dashed line is the mean of the
# rest.

# %%
told = individual.summary(here, ["concept", "method"])
shown = here.query("concept in @two").merge(told[["concept", "method", "mean"]], on=["concept", "method"])
shown["panel"] = shown["name"] + ", " + shown["method"]
order = shown.assign(place=shown["concept"].map(two.index)).sort_values(["place", "method"], ascending=[True, False])
bins = individual.in_bins(order, ["panel", "mean"])
zeros = told.query("concept == @two[-1]").set_index("method")["zero"]
name = probe.concepts.loc[two[-1], "name"]
title = f"{name}: zero in {zeros['single filter']:.0%} of the images for the best filter, in {zeros['combination']:.0%} for the combination"
charts.individual_iou(bins, title)

# %% [markdown]
# The paper prints mean and deviation of the non-zero part into its figure. Ours, with a 95% interval of the mean, by a
# bootstrap over the concept's validation images:

# %%
table = told.query("concept in @two").assign(name=lambda rows: rows["concept"].map(probe.concepts["name"]))
values = [
    here.query("concept == @row.concept and method == @row.method and individual_iou > 0")["individual_iou"]
    for row in table.itertuples()
]
table[["low", "high"]] = [tables.bootstrap_mean(each.to_numpy(), SEED) for each in values]
charts.table(
    table[["name", "method", "images", "zero", "silent", "mean", "low", "high", "std"]],
    "zero, silent: shares of the images; mean, std: of the rest",
)

# %% [markdown]
# Two means are compared here that do not run over the same images. A method that gives up on hard images has a better
# mean over the rest. That is why the share of zeros belongs beside it.
#
# ## Why so many zeros?
#
# The paper's reason is the threshold. Over all concepts and layers: how often is individual IoU exactly zero, and how
# often because nothing passed?

# %%
reasons = individual.summary(pairs, ["layer", "method"])
last = reasons.query("layer == @layer.name").set_index("method")
because = last["silent"] / last["zero"]
zero = individual.shares(pairs.assign(zero=pairs["individual_iou"] == 0), "zero", ["layer", "method"], probe, seed=SEED)
silent = individual.shares(pairs, "silent", ["layer", "method"], probe, seed=SEED)
stacked = pd.concat(
    [zero.assign(series=zero["method"] + ", zero"), silent.assign(series=silent["method"] + ", nothing fires")]
)

# %%
title = f"In {layer.name}, {look.said(because['single filter'], '.0%')} of the best filters' zeros are images in which nothing fires"
note = "Of all pairs of a concept and an image that contains it; 95% over images drawn again."
charts.by_layer(stacked, "share", title, "share of validation images", "series", fmt=".0%", note=note)

# %%
charts.table(
    reasons.assign(because=reasons["silent"] / reasons["zero"]),
    "because: share of the zeros in which nothing fires",
    rows=20,
)

# %% [markdown]
# There is arithmetic behind this. A filter that fires at a share $\tau$ of all places, and fires in patches, can only
# reach a limited share of the images. It matters whether it spends its places on images of the concept. Does the best
# filter at least fire more often there than elsewhere?

# %%
everywhere = (layer.highest > layer.thresholds).mean(axis=0)
single = (
    here.query("method == 'single filter'").groupby("concept").agg(with_it=("silent", lambda silent: 1 - silent.mean()))
)
single["all"] = everywhere[found.weights.loc[single.index].to_numpy().argmax(axis=1)]
print(
    f"{layer.name}: the best filter fires in {single['with_it'].mean():.0%} of the concept's validation images and in"
)
print(
    f"{single['all'].mean():.0%} of all images, on average over {len(single)} concepts; it fires more often with the concept for {(single['with_it'] > single['all']).mean():.0%}."
)

# %% [markdown]
# So a best filter is silent in most pictures for two reasons that should be kept apart: the concept may look different
# from what the filter wants, and the threshold is strict for everybody.
#
# ## An example at each decile
#
# The paper's Figure 8. The images with non-zero individual IoU, in ascending order; shown is the one at each tenth of
# the list, so the last is the best of all. First the best filter of the first concept, then the combination. Solid: the
# annotation. Dashed: the mask.

# %%
from n2vlib import gallery


def deciles(concept, method):
    """Ten pictures from bad to good, with masks."""
    found = {"single filter": alone, "combination": together}[method][layer.name]
    rows = individual.at_deciles(here.query("concept == @concept and method == @method"))
    truth = [probe.annotated(concept, i) for i in rows["image"]]
    captions = [f"{row.decile:.0%} · IoU {row.individual_iou:.2f} · image {row.image}" for row in rows.itertuples()]
    pictures, masks = (
        [probe.image(i) for i in rows["image"]],
        individual.masks(found, layer, probe, concept, rows["image"]),
    )
    return gallery.show(
        pictures, captions, truth, masks, columns=5, heading=f"{probe.concepts.loc[concept, 'name']}, {method}"
    )


# %%
gallery.stack(*(deciles(two[0], method) for method in ("single filter", "combination")))

# %% [markdown]
# And the second concept:

# %%
gallery.stack(*(deciles(two[-1], method) for method in ("single filter", "combination")))

# %% [markdown]
# Look at the middle of each strip rather than at its end. That is what the method does on half of the images on which
# it does anything at all.
#
# ## The maximal examples
#
# Beside them, what one would usually be shown: the five validation images that answer most strongly, whether they
# contain the concept or not. The strength of a single filter is its largest activation. That of a combination is the
# largest value of the weighted sum $\sum_k w_k \mathbb{1}[A_k > T_k]$ anywhere in the image.

# %%
import numpy as np

from n2vlib.probe.occurrences import judged, presence

validation, holds = np.flatnonzero(probe.split == "val"), presence(probe)
methods = {"single filter": alone[layer.name], "combination": together[layer.name]}
strength = {method: maximal.strengths(found, layer, validation) for method, found in methods.items()}


# %%
def strongest(concept, method):
    """The five strongest images, with masks; the annotation only where there is one."""
    images = maximal.strongest(strength[method][concept], 5)
    truth = [probe.annotated(concept, i) if holds.loc[i, concept] else None for i in images]
    missing = {True: "not there, ", False: "not annotated, "}  # without labels of its category nobody knows
    known = {i: "" if holds.loc[i, concept] else missing[bool(judged(probe, concept)[i])] for i in images}
    captions = [f"rank {n} · {known[i]}image {i}" for n, i in enumerate(images, 1)]
    masks = individual.masks(methods[method], layer, probe, concept, images)
    name = probe.concepts.loc[concept, "name"]
    return gallery.show(
        [probe.image(i) for i in images], captions, truth, masks, columns=5, heading=f"{name}, {method}"
    )


gallery.stack(*(strongest(concept, method) for concept in two for method in methods))

# %% [markdown]
# ## When they are not coherent
#
# A row of maximal images is *coherent* if its images have something in common. What they have in common need not have a
# name, but here is a number for the name we have: the share of the ten strongest validation images that contain the
# concept. The last column is what images drawn by lot would give.

# %%
count = min(10, len(validation))
coherent = pd.DataFrame({method: maximal.coherence(strength[method], holds, count) for method in methods}).dropna()
coherent["chance"] = holds.loc[validation, coherent.index].mean()
coherent["category"] = probe.concepts["category"]
by_kind = coherent.groupby("category", sort=False).mean()
charts.table(
    by_kind.reset_index(),
    f"{layer.name}: share of the {count} strongest images that contain the concept, mean over concepts",
)

# %%
for method in methods:
    below, least = (coherent[method] < 0.5).mean(), (coherent[method] <= coherent["chance"]).mean()
    print(f"{method}: fewer than half of the strongest images contain the concept for {below:.0%} of the concepts,")
    print(f"  no more than by lot for {least:.0%}.")

# %% [markdown]
# A filter whose strongest images lack the concept can still be its best filter: it was chosen on images that contain the
# concept, and no other image had a say. That is the price of equation {eq}`eq-set-iou`, and a reason to be careful with
# the sentence "filter $k$ detects $c$".
#
# Do coherent rows go with good scores? If maximal images told the whole story, the order of the concepts by one would be
# their order by the other.

# %%
scores = pd.concat([found.scores for found in methods.values()])
set_iou = scores.query("split == 'val'").pivot(index="concept", columns="method", values="set_iou").loc[coherent.index]
for method in methods:
    print(
        f"{method}: rank correlation of coherence and set IoU over concepts {look.said(tables.rank_correlation(coherent[method], set_iou[method]))}"
    )

# %% [markdown]
# ## What we see

# %%
for method in methods:
    row = last.loc[method]
    print(
        f"{method}, {layer.name}: zero in {row['zero']:.0%} of the images of a concept, nothing fires in {row['silent']:.0%};"
    )
    print(
        f"  where it overlaps, individual IoU is {look.said(row['mean'])} on average, with a deviation of {look.said(row['std'])}."
    )

# %% [markdown]
# ## Where we differ
#
# - **Masks.** The figures of the paper enlarge the activation first and cut afterwards; its scores cut first. Here the
#   masks shown are those that are scored. [The introduction](introduction) measures the difference.
# - **Which images.** Everything on this page is computed on validation images. The paper does not say which it used.
# - **Maximal for a combination** is not defined in the paper. The released code multiplies unit vectors with
#   activations; we take the sum that equation {eq}`eq-combination` squashes, of what fired.
# - **Coherence** is our number. It counts a name, and a row can be coherent under another name.
#
# ## Exercises
#
# 1. Which single concept profits most from looking at ordinary images: the largest gap between the individual IoU of its
#    strongest image and its median non-zero one?
# 2. Raise `TAU` to 0.02. How many of the silent images begin to speak, and do they say the right thing?
# 3. Take the five images with the largest individual IoU instead of the strongest. Which of the two sets would you put
#    on a slide, and what would you have to say with it?

# %% tags=["solution", "hide-input"]
ious = here.query("method == 'combination'").set_index(["concept", "image"])["individual_iou"]
rows = [(c, maximal.strongest(strength["combination"][c], 1)[0]) for c in coherent.index]
best = {c: ious.get((c, i), np.nan) for c, i in rows}
middle = ious[ious > 0].groupby("concept").median()
gap = (pd.Series(best, dtype=float) - middle).dropna().sort_values(ascending=False)
for c in gap.index[:1]:
    print(f"{probe.concepts.loc[c, 'name']}: {best[c]:.2f} in the strongest image, {middle[c]:.2f} in the median one.")
if gap.empty:
    print("No concept is in its own strongest image.")

# %% [markdown]
# ## Take-away
#
# - Most images of a concept get nothing at all from its best filter, and in most of these no place passes the threshold.
# - Examples at fixed steps of the distribution cost as little as maximal ones, and they cannot flatter.
# - Strong is not right: the strongest images of a filter need not contain the concept it is best for.
#
# A combination reaches more images. How does it divide the work among its filters? That is
# [the next chapter](unifying).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
