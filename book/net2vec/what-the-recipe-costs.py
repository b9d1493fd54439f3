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
# # What the recipe costs
#
# *Beside Net2Vec, sections 3.1 and 4.1.* The paper compares a single filter with a learned combination. Between the
# two, several things change at once: the number of filters, how their weights are found, and where the mask begins.
# This chapter changes them one at a time, and puts masks below them that need no network at all.
#
# *Question.* How much of a set IoU is due to the network, how much to the threshold, how much to the solver?
#
# Nothing that is added here is Net2Vec's. Methods of the paper keep their names from the other chapters: *single
# filter* and *combination*.

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
# ## What the paper compares
#
# > The best single filter of a concept against weights over all filters, trained by gradient descent for the concept;
# > both masks are scored by set IoU on the images that hold the concept {cite}`fong2018net2vec`.
#
# Set IoU looks only at images that hold the concept. There, a mask can score without looking at the picture: if a
# concept fills a third of its images, the mask of all pixels scores a third. So a set IoU needs a floor beside it, and
# the gain of one method over another should say which part of the method made it.
#
# One layer is enough for this, the deepest.

# %%
probe = n2vlib.load_probe(PROBE)
fit = n2vlib.need(probe, "pixel maps", "training images", "validation images")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
store = n2vlib.Store(STORE)
options = {"tau": TAU, "device": DEVICE, "store": store}
layers = n2vlib.read_layers(network, LAYERS[-1:], probe, **options)
layer = layers[LAYERS[-1]]

# %% [markdown]
# ## By hand: the usual place
#
# The sky is at the top, whatever the picture. The *usual place* of a concept is one mask for all images: the annotated
# masks of its training images are averaged, and the mean is thresholded at the value with the largest set IoU on these
# images. By hand for the object or part with the most training images:

# %%
import numpy as np

from n2vlib.display import style

eligible = style.preferred(probe.concepts.loc[fit], "object", "part")
concept = int(eligible["frequency"].idxmax())
training = probe.images_with(concept, "train")
annotated = np.stack([probe.annotated(concept, image) for image in training])
mean = annotated.mean(0)
scores_at = {
    level: n2vlib.set_iou(np.broadcast_to(mean >= level, annotated.shape), annotated)
    for level in np.quantile(mean, np.linspace(0, 1, 25))
}
best_level = max(scores_at, key=scores_at.get)

# %%
from n2vlib.baselines import places

means, masks = places.mean_masks(store, probe)
row = probe.concepts.index.get_loc(concept)
assert np.allclose(means[row], mean)
by_library = n2vlib.set_iou(np.broadcast_to(masks[row], annotated.shape), annotated)
assert by_library >= scores_at[best_level]
name = probe.concepts.loc[concept, "name"]
print(f"{name}, set IoU on training images: {scores_at[best_level]:.3f} at the best")
print(f"of {len(scores_at)} levels by hand, {by_library:.3f} at the best of all levels")

# %% [markdown]
# Three validation images of the concept, the usual place dashed, the annotation solid:

# %%
from n2vlib.display import gallery

three = [int(image) for image in probe.images_with(concept, "val")[:3]]
gallery.show(
    [probe.image(image) for image in three],
    [f"{name}, image {image}" for image in three],
    predicted=[masks[row]] * 3,
    annotated=[probe.annotated(concept, image) for image in three],
    columns=3,
)

# %% [markdown]
# ## Floors: no network, and one filter more
#
# Besides the usual place, *everything* is the mask of all pixels. *Two filters* joins the mask of the best filter with
# that of a second one, which adds most to it on training images: if the combination only needed one filter more, it
# would not be much better.

# %%
from n2vlib import charts
from n2vlib.analysis import uncertainty
from n2vlib.baselines import summary
from n2vlib.methods import segmentation, single_filter

one = single_filter.align(layer, probe)
many = segmentation.align(layer, probe, epochs=EPOCHS, seed=SEED)
floors = [*summary.untrained(layer, probe), one, many]
drawn = uncertainty.resample(floors, probe, seed=SEED)
table = summary.beside(floors, probe, drawn)
caption = f"{layer.name}: mean set IoU, validation images, 95% interval over images"
charts.table(table, caption)

# %%
import pandas as pd

from n2vlib import tables

scores = pd.concat([found.scores for found in floors])
wide = tables.side_by_side(scores, layer.name, "segmentation")
methods = ["single filter", "combination"]
ahead = wide[methods].gt(wide["usual place"], axis=0).mean()
said = " and ".join(f"the {method} for {share:.0%}" for method, share in ahead.items())
title = f"Ahead of the usual place, which sees no picture: {said}"
charts.iou_scatter(wide, title, x="usual place")

# %% [markdown]
# A point below the diagonal is a concept whose learned mask is worse than a mask that never looks at the picture. Such
# a set IoU says nothing about the network, however far it is above that of a single filter.
#
# Which concepts are they? A star marks those with too few training images to trust any number.

# %%
below = wide.assign(gain=wide["combination"] - wide["usual place"]).sort_values("gain")
methods = ["everything", "usual place", "combination"]
columns = ["name", "category", "images", *methods, "gain"]
charts.table(
    summary.marked(below, probe)[columns],
    f"Combination minus usual place; * fewer than {summary.FEW} training images",
)

# %% [markdown]
# ## The threshold
#
# Equation {eq}`eq-combination` has no bias: the mask begins where the sum is positive. We keep the learned weights and
# set the threshold $t_c$ of each concept to its best value on training images:
#
# $$
# M = [S(\textstyle\sum_k w_k 1[A_k > T_k]) > t_c]
# $$
#
# Every method from here on has its threshold chosen in this way, so the threshold is not what distinguishes them.

# %%
from n2vlib.baselines import threshold

moved = threshold.at_best_threshold(many, layer, probe)

# %% [markdown]
# ## The solver
#
# Training is one way to find weights. Here are three others, on the same fired filters and the same training images:
# the *mean difference*, each filter's mean over the cells of a concept minus its mean over the other cells; *ridge*
# regression on the share of each cell that the concept covers; and *logistic* regression on a sample of cells.

# %%
from n2vlib.baselines import linear

fired = linear.align(layer, probe, features="fired", seed=SEED)

# %% [markdown]
# ## What thresholding the filters costs
#
# A filter that fires is one bit per cell. We run the same three solvers on raw activations $A_k$ instead of
# $1[A_k > T_k]$. The table has all methods so far:

# %%
raw = linear.align(layer, probe, features="raw", seed=SEED)
solved = [moved, *fired.values(), *raw.values()]
drawn = drawn.join(uncertainty.resample(solved, probe, seed=SEED))
spread = summary.beside([*floors, *solved], probe).set_index("category")
spread = spread.T.iloc[2:].rename_axis("method").reset_index()
charts.table(spread, f"{layer.name}: mean set IoU, validation images", rows=20)

# %% [markdown]
# ## Step by step
#
# We go from the single filter to ridge regression on raw activations, one change at a time, over the concepts that all
# methods have a number for. Intervals are of the difference, and all methods are resampled by the same draws of
# images.

# %%
order = {
    "the best single filter": one,
    "one filter more, joined": floors[2],
    "all filters, the paper's training": many,
    "its threshold moved": moved,
    "another solver: ridge": fired["ridge"],
    "activations not thresholded": raw["ridge"],
}
steps = summary.steps(list(order.values()), drawn).assign(step=list(order))
charts.table(steps[["step", "method", "mean", "difference", "low", "high"]])

# %%
added = steps.iloc[1:]
largest = added.loc[added["difference"].idxmax()]
title = f"Most is gained here: {largest['step']}, {largest['difference']:+.3f}"
note = "Each row against the one above it. Bars: 95% intervals over images."
charts.differences(added, title, "step", "difference of mean set IoU", note)

# %% [markdown]
# The step to all filters changes two things at once that cannot be taken apart further: more filters need weights. The
# steps after it use the same filters. Their order matters a little: the solver's step is measured with thresholds
# already moved, the last one with ridge regression.
#
# Is the solver's step the same for every solver, and also with raw activations?

# %%
others = [summary.steps([moved, each], drawn).iloc[1:] for each in solved[1:]]
charts.table(pd.concat(others), "Against the paper's training with its threshold moved")

# %% [markdown]
# ## What it costs in time
#
# Processor seconds for the weights of one concept, from stored masks of fired filters. Training and logistic
# regression: the mean of a few concepts. Mean difference and ridge: all concepts in one pass, divided by their number.
# The search for the threshold is left out; it is the same for all. Raw activations cost one more pass through the
# network for all concepts together. These are the only numbers of the chapter that change from run to run.

# %% tags=["nbval-ignore-output"]
from n2vlib.baselines import timing

took = timing.seconds(layer, probe, epochs=EPOCHS, seed=SEED)
charts.table(took, f"{layer.name}, seconds for one concept")

# %% [markdown]
# ## What we see

# %%
at = steps.set_index("step")
whole = at["mean"].iloc[-1] - at["mean"].iloc[0]
parts = 100 * at["difference"].iloc[1:].astype(float) / whole
parts = parts.rename("% of the whole way").reset_index()
caption = f"From {at['mean'].iloc[0]:.3f} to {at['mean'].iloc[-1]:.3f}"
charts.table(parts, caption, digits=0)

# %% [markdown]
# ## Where we differ
#
# - **From the paper**, in everything on this page that is not called single filter or combination.
# - **The usual place and everything** see no picture. They can only be high because set IoU counts images that hold the
#   concept; over all images they would be low.
# - **Ridge and mean difference** use every cell of the training images, **logistic regression** a seeded sample of
#   about four thousand cells of each concept. The penalty of ridge is fixed and not tuned.
# - **The threshold** is the best of about a thousand between the lowest and the highest sum in the training images.
# - **Two filters** are joined after upsampling, so their mask is the union of two masks of single filters.
#
# ## Exercises
#
# 1. For which categories is the usual place strongest? Compare with how much of an image their concepts cover.
# 2. Run the chapter with `NETWORK=small-alexnet-random`. Which steps remain?
# 3. Is a concept that gains by raw activations one whose filters fire at few of its places?

# %% tags=["solution", "hide-input"]
covered = wide["concept"].map(probe.concepts["coverage"] / probe.concepts["frequency"])
relation = tables.rank_correlation(covered, wide["usual place"])
print(
    f"Area of a concept in its images and its usual place: {style.formatted(relation)}"
)

# %% [markdown]
# ## Take-away
#
# - A set IoU means something only beside what a mask without a network scores on the same images.
# - What a combination gains over a single filter is the work of a threshold, a solver and the features, not only of the
#   number of filters.
# - How far each of them carries is a property of the network and the probe set; the table above says it for this run.

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
