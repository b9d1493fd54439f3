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
# # Filters together
#
# *Net2Vec, section 3.1.2.* The best single filter overlaps with most concepts and segments few of them well. The layer
# may not represent the others. Or we asked the wrong question: nothing forces a network to encode a concept in a
# single filter.
#
# *Question.* Can a weighted sum of filters segment a concept that no single filter segments?

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
# ## What the paper does
#
# > Give each filter a weight, sum the maps of what fired, upsample the sum, and turn it into a probability. The
# > weights are learned, one vector for each concept, on the training images that contain it {cite}`fong2018net2vec`:
#
# $$
# M(x; w) = \sigma\Big( S\Big( \sum_k w_k \, \mathbb{1}[A_k(x) > T_k] \Big) \Big)
# $$ (eq-combination)
#
# > The loss rewards a high probability on the concept and a low one elsewhere. Because a concept is usually small, its
# > pixels have the weight $\alpha$ and all others $1 - \alpha$, where $\alpha$ is one minus the concept's share of its
# > images:
#
# $$
# \mathcal{L}(w) = -\frac{1}{N_{s,c}} \sum_{x \in X_{s,c}}
#   \big[\, \alpha \, M(x; w) \, L_c(x) + (1 - \alpha)\,(1 - M(x; w))\,(1 - L_c(x)) \,\big]
# $$ (eq-loss)
#
# The text of the paper calls this a binary cross entropy; the equation and the released code have no logarithm. This
# makes a difference. With a logarithm, a badly wrong pixel has a large gradient. Without it, the gradient is almost
# zero, because the sigmoid is flat there: the loss ignores the pixels that are furthest off. We use the equation and
# measure the difference below.
#
# A single filter is the special case of a one-hot weight vector and a bias of minus one half. Equation
# {eq}`eq-combination` has no bias, so a combination cannot exactly reproduce a single filter: its mask is wherever the
# sum is positive, which for one filter alone is wider than the filter's own mask. Many filters have to make up for
# that first ([known truth](known-truth) measures how much). We compare the set IoU of equation {eq}`eq-set-iou` on
# validation images.

# %%
probe = n2vlib.load_probe(PROBE)
fit = n2vlib.need(probe, "pixel maps", "training images", "validation images")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
store = n2vlib.Store(STORE)
layers = n2vlib.read_layers(network, LAYERS, probe, tau=TAU, device=DEVICE, store=store)
layer = layers[LAYERS[-1]]

# %% [markdown]
# ## By hand, one concept
#
# We take the concept with the most training images among objects and parts that cover less than a tenth of their
# images: enough images to learn from, and a mask that is small.

# %%
import numpy as np

from n2vlib.display import style

segmentable = probe.concepts.loc[fit]
small = segmentable[segmentable["coverage"] / segmentable["frequency"] < 0.1]
eligible = style.preferred(small if len(small) else segmentable, "object", "part")
concept = int(eligible["frequency"].idxmax())
training = probe.images_with(concept, "train")
annotated = np.stack([probe.annotated(concept, i) for i in training])
alpha = 1 - annotated.mean()
name = probe.concepts.loc[concept, "name"]
print(f"{name}: {len(training)} training images, alpha = {alpha:.3f}")

# %% [markdown]
# Equations {eq}`eq-combination` and {eq}`eq-loss` in torch, gradient by autograd. $S$ is linear, so we sum over
# filters first and upsample one map instead of one for each filter. This is the main reason why a thousand concepts
# can be learned in reasonable time.

# %%
import torch

from n2vlib.masks.iou import taps

sizes = zip(layer.grid, probe.label_size, strict=True)
enlarge = [taps(n, m, align_corners=True).matrix() for n, m in sizes]
down, across = (torch.tensor(each).float() for each in enlarge)


def loss(weights, fired, annotated):
    combined = torch.einsum("ikhw,k->ihw", fired, weights)
    m = torch.sigmoid(down @ combined @ across.T)
    found, wrong = alpha * m * annotated, (1 - alpha) * (1 - m) * (1 - annotated)
    return -(found + wrong).sum() / len(fired)


# %% [markdown]
# One pass over a few batches from the library's own starting point, and then the library's first epoch for the same
# concept. The library's gradients are written by hand, without autograd. Do the weights agree?

# %%
from n2vlib.methods import segmentation

options = segmentation.Options(epochs=1, seed=SEED)
start, order = segmentation.start(layer, len(training), concept, options)
weights = torch.tensor(start, requires_grad=True)
rate = options.rate * 113 * 113 / np.prod(probe.label_size)
optimiser = torch.optim.SGD([weights], lr=float(rate), momentum=options.momentum)
for batch in np.split(order[0], range(64, len(training), 64)):
    fired = torch.tensor(np.stack([layer.fired_in(training[i]) for i in batch])).float()
    optimiser.zero_grad()
    loss(weights, fired, torch.tensor(annotated[batch]).float()).backward()
    optimiser.step()

# %%
library = segmentation.align(layer, probe, epochs=1, seed=SEED)
library = library.weights.loc[concept].to_numpy()
moved = np.abs(library - start).max()
assert np.abs(library - weights.detach().numpy()).max() < 1e-3 * moved
print(f"weights moved by up to {moved:.3f};", end=" ")
print("by hand and library differ by less than a thousandth of that")

# %% [markdown]
# ## On every concept
#
# All segmentable concepts of all layers, beside the single filters of the [previous chapter](single-filters).

# %%
import pandas as pd

from n2vlib import charts, tables
from n2vlib.methods import single_filter

recipe = {"epochs": EPOCHS, "seed": SEED}
together = {key: segmentation.align(layers[key], probe, **recipe) for key in layers}
alone = {name: single_filter.align(each, probe) for name, each in layers.items()}
scores = pd.concat([found.scores for found in (*together.values(), *alone.values())])
wide = tables.side_by_side(scores, layer.name, "segmentation")

# %%
at_least = (wide["combination"] >= wide["single filter"]).mean()
better = f"at least as good for {at_least:.0%} of {len(wide)} concepts"
title = f"In {layer.name} the combination is {better}"
charts.iou_scatter(wide, title)

# %% [markdown]
# Each point is a concept; above the diagonal the combination is better. Click a category in the legend, or search for
# a concept. A concept far above the diagonal is *in* the layer, but spread over several filters.

# %%
gain = wide.assign(gain=wide["combination"] - wide["single filter"])
gain = gain.sort_values("gain", ascending=False)
columns = ["name", "category", "images", "single filter", "combination", "gain"]
caption = f"Largest gains first, {layer.name}, validation images"
charts.table(gain[columns], caption, best=["single filter", "combination"])

# %% [markdown]
# How high is that? Below both methods lie masks that need no network, *everything* and the *usual place* of a concept
# in the picture, and two filters joined. Above lie the same weights with the threshold of each concept moved to its
# best value on training images. (What is not a single filter or a combination is not in the paper; all of it is in
# [what the recipe costs](what-the-recipe-costs).)

# %%
from n2vlib.baselines import summary, threshold

floors = summary.untrained(layer, probe)
moved = threshold.at_best_threshold(together[layer.name], layer, probe)
rows = [*floors, alone[layer.name], together[layer.name], moved]
caption = f"{layer.name}: mean set IoU, validation images, floors and a ceiling"
charts.table(summary.beside(rows, probe), caption)

# %% [markdown]
# ## How certain are the gains?
#
# Two sources of chance. The *images*: which gains would remain on other images of the same kind? The *seed*: training
# starts from random weights and visits the images in a random order; what would another start have learned?

# %%
from n2vlib.analysis import uncertainty

pair = (together[layer.name], alone[layer.name])
again = uncertainty.resample(pair, probe, seed=SEED)
many = tables.draws_of(again, layer.name, "segmentation", "combination")
one = tables.draws_of(again, layer.name, "segmentation", "single filter")
gains = uncertainty.interval((many - one)[gain["concept"]])
above, below = 100 * (gains["low"] > 0).mean(), 100 * (gains["high"] < 0).mean()
kinds = ["above zero", "below zero", "contains zero"]
rows = pd.DataFrame({"95% interval of the gain": kinds})
rows["% of the concepts"] = [above, below, 100 - above - below]
charts.table(rows, f"{layer.name}, validation images resampled", digits=0)

# %%
recipes = [{"epochs": EPOCHS, "seed": SEED + n} for n in (1, 2)]
others = [segmentation.align(layer, probe, **each) for each in recipes]
by_seed = pd.DataFrame([tables.by_concept(each.scores) for each in (pair[0], *others)])
unit = pair[0].unit_weights()
cosine = [(unit * each.unit_weights()).sum(axis=1).median() for each in others]
low, high = min(cosine), max(cosine)
spread = {
    "standard deviation of set IoU, median": by_seed.std().median(),
    "standard deviation of mean set IoU": by_seed.mean(axis=1).std(),
    "cosine of the weights of two seeds, median": f"{low:.2f} to {high:.2f}",
}
title = f"{layer.name}, three seeds; medians over concepts"
charts.table(pd.DataFrame([spread]), title, digits=4)

# %% [markdown]
# If the seeds agree on the score, what can be segmented is a property of the layer. Whether the *weights* agree is
# another question. It decides how far a single weight, or the direction of the weight vector, can be interpreted.
#
# ## What it looks like
#
# The concept with the largest gain, on the three validation images where the combination does best. Top: the best
# single filter. Bottom: the combination. Solid: the annotation. Dashed: the mask.

# %%
from n2vlib.display import gallery
from n2vlib.masks.iou import predicted_mask, single_filter_mask

largest = int(gain.iloc[0]["concept"])
pairs = together[layer.name].pairs.query("concept == @largest and split == 'val'")
images = [int(i) for i in pairs.nlargest(3, "individual_iou")["image"]]
one_hot = alone[layer.name].weights.loc[largest]
learned = together[layer.name].weights.loc[largest].to_numpy()
size = probe.label_size
k, maps = one_hot.idxmax(), [layer.fired_in(i) for i in images]
ones = [single_filter_mask(fired[k], size, align_corners=True) for fired in maps]
sums = [predicted_mask(fired, learned, size, align_corners=True) for fired in maps]

# %%
from n2vlib.masks.iou import individual_iou

truth = [probe.annotated(largest, i) for i in images] * 2
masks, name = ones + sums, gain.iloc[0]["name"]
ious = individual_iou(np.stack(masks), np.stack(truth)).tolist()
kinds = [f"filter {k}"] * 3 + ["combination"] * 3
captions = [f"{name}, {of}: IoU {iou:.2f}" for of, iou in zip(kinds, ious, strict=True)]
pictures = [probe.image(i) for i in images * 2]
gallery.show(pictures, captions, predicted=masks, annotated=truth, columns=3)

# %% [markdown]
# ## How many filters carry it?
#
# The weights of that concept, largest first. If one weight were much larger than the others, the concept would be
# encoded in one filter after all, and the combination would only refine it.

# %%
share = np.sort(np.abs(learned))[::-1].cumsum() / np.abs(learned).sum()
curve = pd.DataFrame({"filters": np.arange(1, len(share) + 1), "share": share})
curve["concept"] = name
half = int((share >= 0.5).argmax()) + 1
title = f"{half} of {len(share)} filters hold half of the weight"
axes = ("filters, largest weight first", "share of all weight")
charts.lines(curve, "filters", "share", title, axes, series="concept")

# %% [markdown]
# ## Where it loses
#
# A learned combination can do worse than the best single filter, on validation images and even on training images.
# There are two explanations. *Overfitting*: few images, many weights. *Too much area*: $\alpha$ is close to one for
# small concepts, so a missed pixel of the concept costs far more than a false positive, and the mask grows.
# Overfitting shows on validation images only, a mask that is too large shows on both splits.

# %%
trained = tables.side_by_side(scores, layer.name, "segmentation", split="train")
trained = trained.set_index("concept")
losing = wide[wide["combination"] < wide["single filter"]]
worse = (trained["combination"] < trained["single filter"]).astype(float)
totals = together[layer.name].pairs.query("split == 'val'").groupby("concept")
totals = totals[["predicted", "annotated"]].sum()
times = totals["predicted"] / totals["annotated"]


# %%
groups = {"all": wide["concept"], "lose on validation images": losing["concept"]}
rows = []
for which, mine in groups.items():
    loses, area = 100 * worse.reindex(mine).mean(), times.reindex(mine).median()
    rows.append((which, len(mine), loses, area))
columns = ["concepts", "number", "% that lose on training images"]
columns += ["median predicted / annotated area"]
title = f"{layer.name}; areas on validation images"
charts.table(pd.DataFrame(rows, columns=columns), title, digits=1)

# %% [markdown]
# ## With the logarithm
#
# The loss named in the paper's text, everything else equal:

# %%
logged = segmentation.align(layer, probe, epochs=EPOCHS, seed=SEED, loss="log")
logged = logged.scores.query("split == 'val'")
both = wide[["concept", "combination"]].merge(logged[["concept", "set_iou"]])
both = both.set_index("concept").set_axis(["equation 4", "log-loss"], axis=1)
better = (both["equation 4"] > both["log-loss"]).mean()
caption = f"{layer.name}: equation 4 is better for {better:.0%} of the concepts"
means = both.mean().rename("mean set IoU").rename_axis("loss")
charts.table(means.reset_index(), caption)

# %% [markdown]
# ## Where we differ
#
# - **Batches.** The paper says 64 images; the released code defaults to 16, in the order of the index, never shuffled.
#   We take 64 and shuffle; `preset="released"` does what the code does.
# - **Learning rate.** The loss *sums* over pixels. A rate of 0.0001 that suits maps of 113 x 113 is too small for
#   smaller ones, so the rate is scaled by the number of pixels. `preset="released"` leaves it alone.
# - **Left out** are concepts that only label whole images. Their $\alpha$ is zero, and so is the gradient.
# - The released code looks up a concept in the first map of an image; we take the union of all its maps.
#
# ## Exercises
#
# 1. Count how many of the largest weights of a concept belong to filters that are the best single filter of no
#    concept.
# 2. Does longer training bring the weights of two seeds closer together? Compare their cosine after 5 and 30 epochs.
# 3. Set every negative weight to zero and score again. What were the negative weights for?

# %% tags=["solution", "hide-input"]
kept = together[layer.name].weights.loc[largest].clip(lower=0).to_numpy()
masks = [predicted_mask(fired, kept, size, align_corners=True) for fired in maps]
positive = individual_iou(np.array(masks), np.array(truth[: len(images)]))
print(
    f"{name}, mean IoU of the images shown: {np.mean(ious[3:]):.2f} with all weights,"
)
print(f"{positive.mean():.2f} without the negative ones.")

# %% [markdown]
# ## Take-away
#
# - A concept's weights over all filters are learned from what fired; a single filter is the special case of one
#   weight.
# - The combination is scored by the same set IoU, on images it has not learned from.
# - Where it loses, look at the area of its masks before blaming the number of images.
#
# Segmentation is demanding. Does the same layer at least encode *whether* a concept is in the picture? That is
# [classification](classification).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
