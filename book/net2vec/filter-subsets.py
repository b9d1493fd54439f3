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
# # A few of the filters
#
# *Net2Vec, section 3.2.2.* A weight for every filter is not an answer to the question how many filters hold a
# concept. Most of the weights are small, but small is not zero, and the many small ones may matter together. The
# paper takes the question literally: keep a few filters, forget the others, and learn again.
#
# *Question.* Which filters should one keep, and is it necessary to learn again?

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
SUBSETS_SEGMENTATION: list = [1, 2, 4, 8, 16, 32, 64]  # numbers of filters kept for outlines
SUBSETS_CLASSIFICATION: list = [1, 2, 3, 5, 10, 15, 20, 30, 50, 80, 100]  # numbers of filters kept to tell presence

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper does
#
# > Learn the weights of a concept over all filters of a layer. Keep the $F$ filters for which $|w_k|$ is largest, set
# > all other weights to zero for good, and learn the remaining ones again from a new start
# > {cite}`fong2018net2vec`.
#
# Written as an equation, with $K_F(c)$ for the $F$ filters kept for concept $c$, the outline of equation
# {eq}`eq-combination` becomes
#
# $$
# M(x; w) = \sigma\Big( S\Big( \sum_{k \in K_F(c)} w_k \, \mathbb{1}[A_k(x) > T_k] \Big) \Big),
# \qquad |w^{\text{all}}_k| \ge |w^{\text{all}}_l| \ \text{ for } k \in K_F(c),\ l \notin K_F(c),
# $$ (eq-subset)
#
# and the sum of equation {eq}`eq-classification` loses the same terms. Nobody claims that these are the best $F$
# filters there are. To find those, one would have to try them all: of 128 filters there are $10^{12}$ ways to pick
# eight. The largest weights are a rule that costs one sort, and that is its merit.
#
# These are the sizes the paper tried, on a last layer of 256 filters. Ours may be narrower, so the list is cut to its
# width, and the width itself stands for the full solution.

# %%
from n2vlib import charts, published
from n2vlib.analysis import saturation

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps", "training images", "validation images", "images without it")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
layers = n2vlib.read_layers(network, LAYERS[-1:], probe, tau=TAU, device=DEVICE, store=n2vlib.Store(STORE))
layer = layers[LAYERS[-1]]
tried = published.table("net2vec_filter_subsets").groupby("task", sort=False)["F"]
given = {"classification": SUBSETS_CLASSIFICATION, "segmentation": SUBSETS_SEGMENTATION}
sizes = {task: saturation.cut_to_width(given[task], layer.n_filters) for task in given}
for task, theirs in tried:
    print(f"{task}, published: {', '.join(map(str, theirs))}")
    print(f"{task}, this run:  {', '.join(map(str, sizes[task]))} (all)")

# %% [markdown]
# ## By hand: an outline from a few filters
#
# One concept, small enough to be an outline and rare enough to be learned while you wait: of those with at most a
# hundred training images that cover less than a tenth of them, the one that the full solution outlines best. Where a
# probe set has none, the rarest will do.

# %%
import numpy as np

from n2vlib.methods import segmentation

everything = segmentation.align(layer, probe, epochs=EPOCHS, seed=SEED)
known = everything.scores.query("split == 'train'").set_index("concept")
small = (1 - segmentation.alphas(probe)[probe.concepts.index.get_indexer(known.index)]) < 0.1
rare = known[small & (known["images"] <= 100)]
concept = int(rare["set_iou"].idxmax()) if len(rare) else int(known["images"].idxmin())
name, training = probe.concepts.loc[concept, "name"], probe.images_with(concept, "train")
few = max([size for size in sizes["segmentation"] if size <= 8] or sizes["segmentation"][:1])
full = everything.weights.loc[concept].to_numpy()
kept = np.sort(np.argsort(-np.abs(full), kind="stable")[:few])
print(f"{name}, {len(training)} training images; the {few} largest of its {len(full)} weights:")
print(", ".join(f"filter {k}: {full[k]:+.2f}" for k in kept))

# %% [markdown]
# Negative weights are kept as well as positive ones; the rule looks at the size alone. A filter that fires *beside*
# the concept is worth as much as one that fires on it.
#
# Now equation {eq}`eq-subset` in torch. Only the maps of the filters kept are read, and only their weights exist. The
# start is drawn anew, from the range that belongs to all filters of the layer; we take the library's own draw, so that
# both begin at the same point.

# %%
import torch

from n2vlib.iou import taps

axes = zip(layer.grid, probe.label_size, strict=True)
down, across = (torch.tensor(taps(n, m, align_corners=True).matrix()).float() for n, m in axes)
annotated = torch.tensor(np.stack([probe.annotated(concept, i) for i in training])).float()
fired = torch.tensor(np.stack([layer.fired_in(i)[kept] for i in training])).float()
alpha = 1 - annotated.mean()


def loss(weights, fired, annotated):
    m = torch.sigmoid(down @ torch.einsum("ikhw,k->ihw", fired, weights) @ across.T)
    return -(alpha * m * annotated + (1 - alpha) * (1 - m) * (1 - annotated)).sum() / len(fired)


# %%
options = segmentation.Options(epochs=EPOCHS, seed=SEED, n_filters=few if few < layer.n_filters else None)
first, order = segmentation.start(layer, len(training), concept, options)
weights = torch.tensor(first[kept], requires_grad=True)
rate = options.rate * segmentation.MAP_OF_THE_PAPER / np.prod(probe.label_size)
optimiser = torch.optim.SGD([weights], lr=float(rate), momentum=options.momentum)
for epoch in order:
    for batch in np.split(epoch, range(64, len(epoch), 64)):
        optimiser.zero_grad()
        loss(weights, fired[batch], annotated[batch]).backward()
        optimiser.step()

# %%
taught = {"epochs": EPOCHS, "seed": SEED}
outlines = saturation.runs(segmentation.align, layer, probe, SUBSETS_SEGMENTATION, **taught)
library = outlines[few].weights.loc[concept].to_numpy()
moved = np.abs(library[kept] - first[kept]).max()
assert np.flatnonzero(library).tolist() == [k for k in kept if library[k] != 0]
assert np.abs(library[kept] - weights.detach().numpy()).max() < 1e-2 * moved
print(f"weights moved by up to {moved:.3f}; by hand and library differ by less than a hundredth of that")

# %% [markdown]
# What do more filters add? One validation image of the concept (a training image, where there is no other), the one
# that the full solution outlines best, and the mask from more and more filters.

# %%
from n2vlib import gallery
from n2vlib.iou import individual_iou, predicted_mask

pairs = everything.pairs.query("concept == @concept")
pairs = pairs[pairs["split"] == "val"] if (pairs["split"] == "val").any() else pairs
image = int(pairs.loc[pairs["individual_iou"].idxmax(), "image"])
steps = sorted({*sizes["segmentation"][:1], *sizes["segmentation"][2:-1:2], layer.n_filters})
learned = [outlines[size].weights.loc[concept].to_numpy() for size in steps]
masks = [predicted_mask(layer.fired_in(image), w, probe.label_size, align_corners=True) for w in learned]
truth = probe.annotated(concept, image)
captions = [
    f"F = {size}, IoU {individual_iou(m[None], truth[None])[0]:.2f}" for size, m in zip(steps, masks, strict=True)
]
gallery.show([probe.image(image)] * len(steps), captions, predicted=masks, annotated=[truth] * len(steps), columns=5)

# %% [markdown]
# One image need not follow the mean: compare the first IoU and the last.
#
# ## By hand: presence from a few filters
#
# The same for the question whether a concept is in the picture at all, as in the chapter on
# [classification](classification): one weight for each filter's average, and a bias, which is never left out.

# %%
from torch.nn.functional import binary_cross_entropy_with_logits

from n2vlib.methods import classification

answers = saturation.runs(classification.align, layer, probe, SUBSETS_CLASSIFICATION, **taught)
few = max([size for size in sizes["classification"] if size <= 10] or sizes["classification"][:1])
full = answers[layer.n_filters].weights
concept = concept if concept in full.index else int(full.index[0])
kept = np.sort(np.argsort(-np.abs(full.loc[concept].to_numpy()), kind="stable")[:few])
truth, in_training = np.isin(np.arange(len(probe)), probe.images_with(concept)), probe.split == "train"

# %%
options = classification.Options(epochs=EPOCHS, seed=SEED, n_filters=few if few < layer.n_filters else None)
first, first_bias, samples, begins = classification.start(layer, truth, in_training, concept, options)
first = first[kept]
weights, bias = torch.tensor(first, requires_grad=True), torch.tensor(first_bias, requires_grad=True)
pooled, target = torch.tensor(np.array(layer.pooled)[:, kept]), torch.tensor(truth).float()
optimiser = torch.optim.SGD([weights, bias], lr=0.1, momentum=0.9)
decay = torch.optim.lr_scheduler.StepLR(optimiser, step_size=-(-EPOCHS // 2), gamma=0.1)

# %%
for epoch in np.split(samples, begins[1:-1]):
    for batch in np.split(epoch, range(64, len(epoch), 64)):
        optimiser.zero_grad()
        binary_cross_entropy_with_logits(bias + pooled[batch] @ weights, target[batch]).backward()
        optimiser.step()
    decay.step()
library = answers[few].weights.loc[concept].to_numpy()[kept]
moved = np.abs(library - first).max()
assert np.abs(library - weights.detach().numpy()).max() < 1e-2 * moved
print(f"{probe.concepts.loc[concept, 'name']}, {few} filters: weights moved by up to {moved:.3f};")
print("by hand and library differ by less than a hundredth of that")

# %% [markdown]
# ## Every concept: outlines against F
#
# From one concept to all of them. Two curves: the filters kept and learned again, as in the paper; and the filters
# kept with the weights they had in the full solution, the others simply struck out. If the weights of a concept were
# independent of each other, learning again would change nothing. And it need not change things for the better: the
# reward of equation {eq}`eq-loss` has flat places, and a new start can end in one.

# %%
import pandas as pd

from n2vlib.analysis import failures


def struck_out(weights, size):
    """The full solution with all but the `size` largest |w| of each concept set to zero."""
    rank = weights.abs().rank(axis=1, ascending=False, method="first")
    return weights.where(rank <= size, 0.0)


def mean_iou(weights):
    counted = failures.at_levels(layer, probe, weights, [0.0])
    return counted.query("split == 'val'")["set_iou"].mean()


# %%
again = {size: found.scores.query("split == 'val'")["set_iou"].mean() for size, found in outlines.items()}
cut = {size: mean_iou(struck_out(everything.weights, size)) for size in again}
curves = pd.DataFrame({"learned again": again, "struck out": cut}).rename_axis("n_filters").reset_index()
best = {how: curves.loc[curves[how].idxmax(), "n_filters"] for how in ("learned again", "struck out")}
charts.by_rule(
    curves.melt("n_filters", var_name="how"),
    f"{layer.name}: highest at {best['learned again']} filters learned again, at {best['struck out']} with the others struck out",
    task="segmentation",
)

# %%
left = curves.iloc[: max(1, len(curves) // 2)]
gap = (left["learned again"] - left["struck out"]).mean()
where = curves.loc[(curves["learned again"] >= 0.9 * curves["learned again"].max()).idxmax(), "n_filters"]
print(f"Nine tenths of the highest mean are reached with {where} filters that are learned again.")
print(
    f"With {left['n_filters'].max()} filters or fewer, learning again changes the mean set IoU by {gap:+.2g} on average."
)

# %% [markdown]
# Means over all concepts hide that categories differ; that is a [chapter of its own](sufficient/how-many-filters).
#
# ## One filter is not the single filter
#
# At the left end of the curve there is one filter. So it should be what the chapter on
# [single filters](single-filters) measured? It is not, for two reasons. The filter with the largest weight is chosen
# in company: it is the one that helps the others most, which need not be the one that does best alone. And its mask is
# cut elsewhere. A single filter's mask ends where the enlarged map falls below one half. The combination has no bias,
# and a sum of one term is above zero *wherever the enlarged map reaches*.

# %%
from n2vlib.methods import single_filter

alone, one = single_filter.align(layer, probe), outlines[min(outlines)]
shared = alone.weights.index.intersection(one.weights.index)
largest, best_alone = everything.weights.loc[shared].abs().idxmax(axis=1), alone.weights.loc[shared].idxmax(axis=1)
wide, narrow = failures.smallest_mask(layer, probe)
print(
    f"The filter of largest weight is the best single filter for {(largest == best_alone).mean():.0%} of the concepts."
)
print(f"One fired place of the {layer.grid[0]} x {layer.grid[1]} grid: {wide:.1%} of the image where S > 0,")
print(f"{narrow:.1%} where S > 1/2; {wide / max(narrow, 1e-9):.1f} times the area.")

# %%
ious = pd.DataFrame({"F = 1": one.scores.query("split == 'val'").set_index("concept")["set_iou"]})
ious["best single filter"] = alone.scores.query("split == 'val'").set_index("concept")["set_iou"]
ious = ious.dropna().join(probe.concepts["category"]).groupby("category", sort=False).mean()
charts.table(ious.reset_index(), f"Mean set IoU of one filter, {layer.name}", best=["F = 1", "best single filter"])

# %% [markdown]
# A mask that is too wide is forgiven where the concept is wide. Remember this table when a curve against $F$ starts high.

# %%
ahead = (ious["F = 1"] > ious["best single filter"]).sum()
print(f"F = 1, learned and cut at zero, is ahead of the best single filter in {ahead} of {len(ious)} categories.")

# %% [markdown]
# ## Every concept: presence against F
#
# For classification the first point of the curve *is* the paper's single filter. The other curves are the same two,
# and a third: the filters learned again from averages that have been scaled to the same deviation, because the
# chapter on [classification](classification) found that one learning rate does not suit filters of different loudness.

# %%
averages = np.array(layer.pooled)
bias = answers[layer.n_filters].bias


def accuracy(weights, c):
    """Balanced accuracy on validation images of the full solution's bias with these weights."""
    truth = np.isin(np.arange(len(probe)), probe.images_with(c))
    right = (averages @ weights + bias[c] > 0) == truth
    return classification.balanced_accuracy(right, truth, ~in_training, SEED, c)


# %%
again = {size: found.scores.query("split == 'val'")["accuracy"].mean() for size, found in answers.items()}
cut = {size: np.nanmean([accuracy(w.to_numpy(), c) for c, w in struck_out(full, size).iterrows()]) for size in again}
scaled = saturation.runs(classification.align, layer, probe, SUBSETS_CLASSIFICATION, features="standardised", **taught)
scaled = {size: found.scores.query("split == 'val'")["accuracy"].mean() for size, found in scaled.items()}

# %%
presence = pd.DataFrame({"learned again": again, "struck out": cut, "learned again, standardised": scaled})
presence = presence.rename_axis("n_filters").reset_index()
top = presence.loc[presence["learned again"].idxmax(), "n_filters"]
charts.by_rule(
    presence.melt("n_filters", var_name="how"),
    f"{layer.name}: the mean over {len(full)} concepts is highest at {top} of {layer.n_filters} filters",
    task="classification",
)

# %%
by_size = presence.set_index("n_filters")
start, gain = by_size.iloc[0], by_size["learned again"] - by_size["struck out"]
print(
    f"With F = {start.name}: {start['learned again']:.2f} as released, {start['learned again, standardised']:.2f} standardised."
)
print(
    f"Learning again gains most at F = {gain.idxmax()}: {gain.max():+.2f}; least at F = {gain.idxmin()}: {gain.min():+.2f}."
)

# %% [markdown]
# The filters and the question are the same on both learned curves. So any distance between them is a matter of teaching,
# and of which filters were kept, and says nothing about what the filters know. Striking out has a handicap of its own here: the bias was learned to balance the whole sum, and what is
# left of the sum may never outweigh it. The same answer for every image is worth one half.
#
# ## Where we differ
#
# - **The lists** are shorter than the paper's where the book is built, to save time, and end at the width of the
#   layer. `SUBSETS_SEGMENTATION` and `SUBSETS_CLASSIFICATION` take the published ones.
# - **One layer.** The paper counts filters for classification in the last three layers; so does the chapter on
#   [how many filters](sufficient/how-many-filters). Here the last one is enough.
# - **The start.** The paper does not say how the subset starts. The released code draws new weights from the range of
#   the full layer, $\pm 1/\sqrt{K}$ and not $\pm 1/\sqrt{F}$; so do we, with a seed of its own for each $F$.
#
# ## Exercises
#
# 1. Is a large weight a good reason to keep a filter? Strike out all but $F$ filters *drawn at random* and compare with
#    the curve above.
# 2. The rule looks at $|w_k|$. In a sum, a filter matters by $|w_k|$ times how often it fires on the concept's images.
#    Keep the $F$ filters for which that product is largest.
# 3. How many of the filters kept for $F = 8$ are shared by two concepts of your choice?

# %% tags=["solution", "hide-input"]
rng = np.random.default_rng(SEED)
noise = pd.DataFrame(rng.random(everything.weights.shape), everything.weights.index, everything.weights.columns)
random_ones = {
    size: mean_iou(everything.weights.where(noise.rank(axis=1) <= size, 0.0)) for size in sizes["segmentation"]
}
table = curves.assign(random=curves["n_filters"].map(random_ones))
charts.table(
    table, "Mean set IoU: the largest weights, and as many at random", best=["learned again", "struck out", "random"]
)

# %% [markdown]
# ## Take-away
#
# - The $F$ largest weights are a rule for choosing filters, cheap and not optimal; the weights are then learned anew.
# - One filter learned this way is not the best single filter: it is chosen in company, and without a bias its mask is
#   wider.
# - Before paying for a second learning, compare with the first one struck out.
# - With few filters the way of teaching moves the curve; one curve alone is not what the filters know.
#
# Now the question of the paper can be asked in full: is one filter [sufficient](sufficient/together-or-alone)?

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
