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
# *Net2Vec, section 5.1.* Filters are usually introduced by the images that activate them most, which shows them at
# their best. Set IoU, the number used so far, hides something else: it pools all images of a concept into one ratio.
# This chapter looks at the images in between, one by one.
#
# *Question.* How does a filter, or a combination of filters, do on an ordinary image of its concept?

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
# ## The paper's claim
#
# > Individual IoU varies a great deal among the images of one concept. Under the best single filter it is exactly zero
# > for many of them, because nothing in the image exceeds the filter's threshold; a combination leaves fewer images at
# > zero. So an account of a filter should show images from all over the distribution, for instance one at each tenth
# > of its non-zero part. Images of maximal activation mislead: for some concepts those of the best filter do not even
# > look alike {cite}`fong2018net2vec`.
#
# Individual IoU is intersection over union of the predicted mask $M$ and the annotated mask $L_c$ in a single image:
#
# $$
# \mathrm{IoU}_{\mathrm{ind}}(x, c; M) = \frac{|M(x) \cap L_c(x)|}{|M(x) \cup L_c(x)|}
# $$ (eq-individual-iou)

# %%
import pandas as pd

from n2vlib import charts, tables
from n2vlib.analysis import per_image, top_images
from n2vlib.display import style
from n2vlib.methods import segmentation, single_filter

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps", "training images", "validation images")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
store = n2vlib.Store(STORE)
layers = n2vlib.read_layers(network, LAYERS, probe, tau=TAU, device=DEVICE, store=store)
layer = layers[LAYERS[-1]]

# %%
alone = {name: single_filter.align(each, probe) for name, each in layers.items()}
recipe = {"epochs": EPOCHS, "seed": SEED}
together = {key: segmentation.align(layers[key], probe, **recipe) for key in layers}

# %%
pairs = []
for name, each in layers.items():
    pairs += [per_image.with_silence(ways[name], each) for ways in (alone, together)]
pairs = pd.concat(pairs)
here = pairs.query("layer == @layer.name")
two = per_image.two_concepts(here)
print(f"Of {layer.name}, the concepts {' and '.join(probe.concepts.loc[two, 'name'])}.")

# %% [markdown]
# The paper looks at two concepts. We select ours by a rule. Of the objects that both methods overlap in at least ten
# validation images, we take the one with the highest set IoU under its best filter, and the most ordinary one: its
# share of zeros is the closest to that of all images of all concepts.
#
# ## By hand, one image
#
# The first concept, and the first of its validation images in which the best filter fires but misses. Two counts
# decide what kind of zero an image is: pixels of the mask, and pixels it shares with the annotation.

# %%
concept, found = two[0], alone[layer.name]
mine = here.query("concept == @concept and method == 'single filter'")
missed = mine.query("individual_iou == 0 and not silent")
image = int((missed if len(missed) else mine)["image"].iloc[0])
mask = per_image.masks(found, layer, probe, concept, [image])[0]
annotated = probe.annotated(concept, image)

# %%
by_hand = (mask & annotated).sum() / (mask | annotated).sum()
assert by_hand == mine.set_index("image").loc[image, "individual_iou"]
k = int(found.weights.loc[concept].to_numpy().argmax())
fires = layer.highest[mine["image"], k] > layer.thresholds[k]
assert (fires == ~mine["silent"]).all()
assert not mine.loc[mine["silent"], "predicted"].any()
on_it = f"{(mask & annotated).sum()} of them on the concept, IoU {by_hand:.3f}"
print(f"image {image}: {mask.sum()} pixels predicted, {on_it}")

# %% [markdown]
# The other kind is an image in which no place exceeds the threshold. Then there is no mask that could be right or
# wrong. We call such an image *silent*. For a single filter, this follows from its largest activation. A combination
# is silent where its mask is empty, although some filters may have fired.
#
# ## The distribution for two concepts
#
# The paper's Figure 7. Exact zeros stand apart from the rest, split by their reason; the dashed line is the mean of
# the rest.

# %%
by_concept = per_image.summary(here, ["concept", "method"])
keys = ["concept", "method"]
shown = here.query("concept in @two").merge(by_concept[[*keys, "mean"]], on=keys)
shown["panel"] = shown["name"] + ", " + shown["method"]
order = shown.assign(place=shown["concept"].map(two.index))
order = order.sort_values(["place", "method"], ascending=[True, False])
bins = per_image.in_bins(order, ["panel", "mean"])
zeros = by_concept.query("concept == @two[-1]").set_index("method")["zero"]
name = probe.concepts.loc[two[-1], "name"]
title = (
    f"{name}: zero in {zeros['single filter']:.0%} of the images for the best filter,"
)
title += f" in {zeros['combination']:.0%} for the combination"
charts.individual_iou(bins, title)

# %% [markdown]
# The paper prints mean and standard deviation of the non-zero part into its figure. Ours, with a 95% interval of the
# mean, by a bootstrap over the concept's validation images:

# %%
table = by_concept.query("concept in @two")
table = table.assign(name=table["concept"].map(probe.concepts["name"]))
positive = here.query("individual_iou > 0")
values = [
    positive.query("concept == @row.concept and method == @row.method")
    for row in table.itertuples()
]
intervals = [
    tables.bootstrap_mean(v["individual_iou"].to_numpy(), SEED) for v in values
]
table[["low", "high"]] = intervals
columns = ["name", "method", "images", "zero", "silent", "mean", "low", "high", "std"]
title = "zero, silent: shares of the images; mean, std: of the rest"
charts.table(table[columns], title)

# %% [markdown]
# The two means are not over the same images. A method that fails on hard images has a better mean over the rest. That
# is why the share of zeros belongs beside it.
#
# ## Why so many zeros?
#
# The paper's reason is the threshold. Over all concepts and layers: how often is individual IoU exactly zero, and how
# often because nothing exceeded the threshold?

# %%
reasons = per_image.summary(pairs, ["layer", "method"])
last = reasons.query("layer == @layer.name").set_index("method")
because = last["silent"] / last["zero"]
pairs["zero"] = pairs["individual_iou"] == 0
stacked = []
for event, words in {"zero": "zero", "silent": "nothing fires"}.items():
    share = per_image.shares(pairs, event, ["layer", "method"], probe, seed=SEED)
    stacked.append(share.assign(series=share["method"] + ", " + words))
stacked = pd.concat(stacked)

# %%
because = style.formatted(because["single filter"], ".0%")
title = f"In {layer.name}, {because} of the best filters' zeros"
title += " are images in which nothing fires"
note = "Of all pairs of a concept and an image that contains it;"
note += " 95% over resampled images."
axis = "share of validation images"
charts.by_layer(stacked, "share", title, axis, "series", fmt=".0%", note=note)

# %%
charts.table(
    reasons.assign(silent_zeros=reasons["silent"] / reasons["zero"]),
    "silent_zeros: share of the zeros in which nothing fires",
    rows=20,
)

# %% [markdown]
# Part of this is arithmetic. A filter that fires at a share $\tau$ of all places, and fires in patches, can only reach
# a limited share of the images. It matters whether these are images of the concept. Does the best filter at least fire
# more often there than elsewhere?

# %%
everywhere = (layer.highest > layer.thresholds).mean(axis=0)
silent = here.query("method == 'single filter'").groupby("concept")["silent"].mean()
single = pd.DataFrame({"with_it": 1 - silent})
single["all"] = everywhere[found.weights.loc[single.index].to_numpy().argmax(axis=1)]
fires, often = single.mean(), (single["with_it"] > single["all"]).mean()
print(f"{layer.name}, mean of {len(single)} concepts: the best filter fires", end=" ")
print(f"in {fires['with_it']:.0%} of the concept's validation images")
print(
    f"and in {fires['all']:.0%} of all images. For {often:.0%} of the concepts", end=" "
)
print("the first share is the larger one.")

# %% [markdown]
# So a best filter is silent in most pictures for two different reasons: the concept may look different from what the
# filter responds to, and the threshold is strict for every filter.
#
# ## An example at each decile
#
# The paper's Figure 8. The images with non-zero individual IoU, in ascending order; shown is the one at each tenth of
# the list, so the last is the best of all. First the best filter of the first concept, then the combination. Solid:
# the annotation. Dashed: the mask.

# %%
from n2vlib.display import gallery

methods = {"single filter": alone[layer.name], "combination": together[layer.name]}


# %%
def deciles(concept, method):
    """Ten pictures from low to high IoU, with masks."""
    rows = per_image.at_deciles(here.query("concept == @concept and method == @method"))
    truth = [probe.annotated(concept, i) for i in rows["image"]]
    captions = [
        f"{row.decile:.0%} · IoU {row.individual_iou:.2f} · image {row.image}"
        for row in rows.itertuples()
    ]
    pictures = [probe.image(i) for i in rows["image"]]
    masks = per_image.masks(methods[method], layer, probe, concept, rows["image"])
    heading = f"{probe.concepts.loc[concept, 'name']}, {method}"
    return gallery.show(pictures, captions, truth, masks, columns=5, heading=heading)


# %%
gallery.stack(*(deciles(two[0], method) for method in ("single filter", "combination")))

# %% [markdown]
# The second concept:

# %%
gallery.stack(*(deciles(two[-1], method) for method in methods))

# %% [markdown]
# Look at the middle of each strip rather than at its end. Half of the images with any overlap at all are no better
# than that.
#
# ## The top images
#
# For comparison, the usual choice: the five validation images with the strongest response, whether they contain the
# concept or not. The strength of a single filter is its largest activation. That of a combination is the largest value
# of the weighted sum $\sum_k w_k \mathbb{1}[A_k > T_k]$ anywhere in the image.

# %%
import numpy as np

from n2vlib.probe.occurrences import judged, presence

validation, holds = np.flatnonzero(probe.split == "val"), presence(probe)
strength = {
    method: top_images.strengths(found, layer, validation)
    for method, found in methods.items()
}


# %%
def in_words(concept, i):
    """Where the annotation does not show the concept: whether it could have."""
    if holds.loc[i, concept]:
        return ""
    return "absent, " if judged(probe, concept)[i] else "not annotated, "


# %%
def strongest(concept, method):
    """The five strongest images, with masks; the annotation only where there is one."""
    images = top_images.strongest(strength[method][concept], 5)
    there = holds.loc[images, concept]
    truth = [probe.annotated(concept, i) if there[i] else None for i in images]
    captions = [
        f"rank {n} · {in_words(concept, i)}image {i}" for n, i in enumerate(images, 1)
    ]
    masks = per_image.masks(methods[method], layer, probe, concept, images)
    pictures = [probe.image(i) for i in images]
    heading = f"{probe.concepts.loc[concept, 'name']}, {method}"
    return gallery.show(pictures, captions, truth, masks, columns=5, heading=heading)


gallery.stack(*(strongest(concept, method) for concept in two for method in methods))

# %% [markdown]
# ## When they are not coherent
#
# A row of top images is *coherent* if its images have something in common. This need not be an annotated concept, but
# that is what can be measured: the share of the ten strongest validation images that contain the concept. The last
# column is chance, the share of all validation images that do.

# %%
count = min(10, len(validation))
coherent = pd.DataFrame(
    {method: top_images.coherence(strength[method], holds, count) for method in methods}
).dropna()
coherent["chance"] = holds.loc[validation, coherent.index].mean()
coherent["category"] = probe.concepts["category"]
by_kind = coherent.groupby("category", sort=False).mean()
title = f"{layer.name}: share of the {count} strongest images that contain the concept,"
charts.table(by_kind.reset_index(), f"{title} mean over concepts")

# %%
rows = []
for method in methods:
    share = coherent[method]
    by_chance = (share <= coherent["chance"]).mean()
    rows.append([method, 100 * (share < 0.5).mean(), 100 * by_chance])
columns = ["method", "in fewer than half", "no more often than by chance"]
caption = f"Percent of concepts, by how many of the {count} strongest images"
caption += " contain them"
charts.table(pd.DataFrame(rows, columns=columns), caption, digits=0)

# %% [markdown]
# A filter whose strongest images lack the concept can still be its best filter: it was selected on images that contain
# the concept, and no other image was considered. That is the price of equation {eq}`eq-set-iou`, and a reason to be
# careful with the sentence "filter $k$ detects $c$".
#
# Do coherent rows go with good scores? If top images were sufficient, coherence and set IoU would rank the
# concepts alike.

# %%
ranks = {}
for method, found in methods.items():
    set_iou = tables.by_concept(found.scores).reindex(coherent.index)
    ranks[method] = tables.rank_correlation(coherent[method], set_iou)
table = pd.Series(ranks, name="rank correlation", dtype=float).rename_axis("method")
table = table.reset_index()
charts.table(table, "Coherence and set IoU over concepts", digits=2)

# %% [markdown]
# ## What we see

# %%
columns = ["method", "zero", "silent", "mean", "std"]
caption = f"{layer.name}, individual IoU."
caption += " zero, silent: shares of the images; mean, std: of the rest"
charts.table(last.loc[list(methods)].reset_index()[columns], caption, digits=2)

# %% [markdown]
# ## Where we differ
#
# - **Masks.** The figures of the paper upsample the activation first and threshold afterwards; its scores threshold
#   first. Here the masks shown are those that are scored. [The introduction](introduction) measures the difference.
# - **Which images.** Everything on this page is computed on validation images. The paper does not say which it used.
# - **The strongest images of a combination** are not defined in the paper. The released code multiplies unit vectors
#   with activations; we use the weighted sum of what fired, to which equation {eq}`eq-combination` applies the
#   sigmoid.
# - **Coherence** is our measure. It counts one annotated concept, and a row can be coherent in another respect.
#
# ## Exercises
#
# 1. Which concept has the largest gap between the individual IoU of its strongest image and its median non-zero one?
# 2. Raise `TAU` to 0.02. How many of the silent images get a mask, and is the mask right?
# 3. Take the five images with the largest individual IoU instead of the strongest. Which of the two sets would you put
#    on a slide, and what would you have to say with it?

# %% tags=["solution", "hide-input"]
ious = here.query("method == 'combination'").set_index(["concept", "image"])
ious, strong = ious["individual_iou"], strength["combination"]
rows = [(c, top_images.strongest(strong[c], 1)[0]) for c in coherent.index]
best = {c: ious.get((c, i), np.nan) for c, i in rows}
middle = ious[ious > 0].groupby("concept").median()
gap = (pd.Series(best, dtype=float) - middle).dropna().sort_values(ascending=False)
for c in gap.index[:1]:
    print(
        f"{probe.concepts.loc[c, 'name']}: {best[c]:.2f} in the strongest image,",
        end=" ",
    )
    print(f"{middle[c]:.2f} in the median one.")
if gap.empty:
    print("No concept is in its own strongest image.")

# %% [markdown]
# ## Take-away
#
# - For most images of a concept its best filter has an IoU of zero, and in most of these no place exceeds the
#   threshold.
# - Examples at fixed steps of the distribution cost as little as top images, and they do not show the best cases only.
# - Strong is not right: the strongest images of a filter need not contain the concept it is best for.
#
# A combination reaches more images. How does it divide the work among its filters? That is [the next
# chapter](unifying).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
