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
# *Net2Vec, section 3.2.2.* A weight for every filter does not answer how many filters encode a concept. Most of the
# weights are small but not zero, and many small ones may matter together. The paper takes the question literally: keep
# a few filters, drop the others, and train again.
#
# *Question.* Which filters should one keep, and is retraining necessary?

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
SUBSETS_SEGMENTATION: list = [1, 2, 4, 8, 16, 32, 64]  # numbers of filters kept
SUBSETS_CLASSIFICATION: list = [1, 2, 3, 5, 10, 15, 20, 30, 50, 80, 100]  # filters kept

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper does
#
# > Learn the weights of a concept over all filters of a layer. Keep the $F$ filters for which $|w_k|$ is largest, fix
# > all other weights at zero, and learn the remaining ones again from a new start {cite}`fong2018net2vec`.
#
# With $K_F(c)$ for the $F$ filters kept for concept $c$, the mask of equation {eq}`eq-combination` becomes
#
# $$
# M(x; w) = \sigma\Big( S\Big( \sum_{k \in K_F(c)} w_k \, \mathbb{1}[A_k(x) > T_k] \Big) \Big),
# \qquad |w^{\text{all}}_k| \ge |w^{\text{all}}_l| \ \text{ for } k \in K_F(c),\ l \notin K_F(c),
# $$ (eq-subset)
#
# and the sum of equation {eq}`eq-classification` loses the same terms. These are not necessarily the best $F$ filters.
# To find those, one would have to try all subsets: 128 filters have $10^{12}$ subsets of eight. Ranking by weight
# needs one sort.
#
# The table shows the sizes that the paper tried, on a last layer of 256 filters. Ours may be narrower, so the list
# ends at its width, which stands for the full solution.

# %%
import pandas as pd

from n2vlib import charts, published, tables
from n2vlib.analysis import saturation

probe = n2vlib.load_probe(PROBE)
n2vlib.need(
    probe, "pixel maps", "training images", "validation images", "images without it"
)
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
store = n2vlib.Store(STORE)
options = {"tau": TAU, "device": DEVICE, "store": store}
layers = n2vlib.read_layers(network, LAYERS[-1:], probe, **options)
layer = layers[LAYERS[-1]]

# %%
tried = published.table("net2vec_filter_subsets").groupby("task", sort=False)["F"]
given = {"classification": SUBSETS_CLASSIFICATION, "segmentation": SUBSETS_SEGMENTATION}
sizes = {task: saturation.subset_sizes(given[task], layer.n_filters) for task in given}
rows = [
    (task, ", ".join(map(str, theirs)), ", ".join(map(str, sizes[task])) + " (all)")
    for task, theirs in tried
]
title = f"Numbers of filters kept; {layer.name} has {layer.n_filters}"
charts.table(pd.DataFrame(rows, columns=["task", "published", "this run"]), title)

# %% [markdown]
# ## By hand: segmentation with a few filters
#
# One concept that is small and quick to learn: of those with at most a hundred training images that cover less than a
# tenth of them, the one that the full solution segments best. If a probe set has none, the rarest concept.

# %%
import numpy as np

from n2vlib.methods import segmentation

everything = segmentation.align(layer, probe, epochs=EPOCHS, seed=SEED)
known = everything.scores.query("split == 'train'").set_index("concept")
alpha = segmentation.alphas(probe)[probe.concepts.index.get_indexer(known.index)]
small = (1 - alpha) < 0.1
rare = known[small & (known["images"] <= 100)]
concept = int(rare["set_iou"].idxmax()) if len(rare) else int(known["images"].idxmin())

# %%
name, training = (
    probe.concepts.loc[concept, "name"],
    probe.images_with(concept, "train"),
)
widths = sizes["segmentation"]
few = max([size for size in widths if size <= 8] or widths[:1])
full = everything.weights.loc[concept].to_numpy()
kept = np.sort(np.argsort(-np.abs(full), kind="stable")[:few])
caption = f"{name}, {len(training)} training images:"
caption += f" the {few} largest of its {len(full)} weights"
charts.table(pd.DataFrame({"filter": kept, "weight": full[kept]}), caption, digits=2)

# %% [markdown]
# Negative weights are kept as well as positive ones; the rule uses only the magnitude. A filter that fires *beside*
# the concept is as useful as one that fires on it.
#
# Now equation {eq}`eq-subset` in torch. Only the maps of the kept filters are read, and only their weights exist. The
# initial weights are drawn again, from the range that belongs to all filters of the layer; we take the library's own
# draw, so that both start at the same point.

# %%
import torch

from n2vlib.masks.iou import taps

axes = zip(layer.grid, probe.label_size, strict=True)
enlarge = [taps(n, m, align_corners=True).matrix() for n, m in axes]
down, across = (torch.tensor(each).float() for each in enlarge)
annotated = np.stack([probe.annotated(concept, i) for i in training])
annotated = torch.tensor(annotated).float()
fired = torch.tensor(np.stack([layer.fired_in(i)[kept] for i in training])).float()
alpha = 1 - annotated.mean()


# %%
def loss(weights, fired, annotated):
    m = torch.sigmoid(down @ torch.einsum("ikhw,k->ihw", fired, weights) @ across.T)
    found, wrong = alpha * m * annotated, (1 - alpha) * (1 - m) * (1 - annotated)
    return -(found + wrong).sum() / len(fired)


# %%
recipe = {"epochs": EPOCHS, "seed": SEED}
kept_only = few if few < layer.n_filters else None
options = segmentation.Options(**recipe, n_filters=kept_only)
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
segmentations = saturation.runs(
    segmentation.align, layer, probe, SUBSETS_SEGMENTATION, **recipe
)
library = segmentations[few].weights.loc[concept].to_numpy()
moved = np.abs(library[kept] - first[kept]).max()
assert np.flatnonzero(library).tolist() == [k for k in kept if library[k] != 0]
assert np.abs(library[kept] - weights.detach().numpy()).max() < 1e-2 * moved
print(f"weights moved by up to {moved:.3f};", end=" ")
print("by hand and library differ by less than a hundredth of that")

# %% [markdown]
# What do more filters add? One validation image of the concept (a training image, if there is no other), the one that
# the full solution segments best, with the masks of more and more filters.

# %%
from n2vlib.display import gallery
from n2vlib.masks.iou import individual_iou, predicted_mask

pairs = everything.pairs.query("concept == @concept")
pairs = pairs[pairs["split"] == "val"] if (pairs["split"] == "val").any() else pairs
image = int(pairs.loc[pairs["individual_iou"].idxmax(), "image"])
steps = sorted({*widths[:1], *widths[2:-1:2], layer.n_filters})
learned = [segmentations[size].weights.loc[concept].to_numpy() for size in steps]
fired, truth = layer.fired_in(image), probe.annotated(concept, image)
masks = [predicted_mask(fired, w, truth.shape, align_corners=True) for w in learned]
truths = [truth] * len(steps)
ious = individual_iou(np.stack(masks), np.stack(truths))
captions = [f"F = {n}, IoU {iou:.2f}" for n, iou in zip(steps, ious, strict=True)]
pictures = [probe.image(image)] * len(steps)
gallery.show(pictures, captions, truths, masks, columns=5)

# %% [markdown]
# One image need not follow the mean: compare the first IoU and the last.
#
# ## By hand: classification with a few filters
#
# The same for the question whether a concept is in the picture, as in the chapter on [classification](classification):
# one weight for each filter's average, and a bias, which is always kept.

# %%
from torch.nn.functional import binary_cross_entropy_with_logits

from n2vlib.methods import classification

classifications = saturation.runs(
    classification.align, layer, probe, SUBSETS_CLASSIFICATION, **recipe
)
widths = sizes["classification"]
few = max([size for size in widths if size <= 10] or widths[:1])
full = classifications[layer.n_filters].weights
concept = concept if concept in full.index else int(full.index[0])
largest_first = np.argsort(-np.abs(full.loc[concept].to_numpy()), kind="stable")
kept = np.sort(largest_first[:few])
truth = np.isin(np.arange(len(probe)), probe.images_with(concept))
in_training = probe.split == "train"

# %%
kept_only = few if few < layer.n_filters else None
options = classification.Options(**recipe, n_filters=kept_only)
start = classification.start(layer, truth, in_training, concept, options)
first, first_bias, samples, begins = start
first = first[kept]
weights = torch.tensor(first, requires_grad=True)
bias = torch.tensor(first_bias, requires_grad=True)
pooled = torch.tensor(np.array(layer.pooled)[:, kept])
target = torch.tensor(truth).float()
optimiser = torch.optim.SGD([weights, bias], lr=0.1, momentum=0.9)
decay = torch.optim.lr_scheduler.StepLR(optimiser, step_size=-(-EPOCHS // 2), gamma=0.1)

# %%
for epoch in np.split(samples, begins[1:-1]):
    for batch in np.split(epoch, range(64, len(epoch), 64)):
        optimiser.zero_grad()
        answer = bias + pooled[batch] @ weights
        binary_cross_entropy_with_logits(answer, target[batch]).backward()
        optimiser.step()
    decay.step()
library = classifications[few].weights.loc[concept].to_numpy()[kept]
moved = np.abs(library - first).max()
assert np.abs(library - weights.detach().numpy()).max() < 1e-2 * moved
name = probe.concepts.loc[concept, "name"]
print(f"{name}, {few} filters: weights moved by up to {moved:.3f};")
print("by hand and library differ by less than a hundredth of that")

# %% [markdown]
# ## Every concept: segmentation against F
#
# Two curves for the mean over all concepts: the kept filters retrained, as in the paper; and the kept filters with the
# weights they had in the full solution, all other weights set to zero. If the weights of a concept were independent of
# each other, retraining would change nothing. And it need not be an improvement: the objective of equation
# {eq}`eq-loss` has flat regions, and a new start can end in one.

# %%
from n2vlib.analysis import failures


def truncate(weights, size):
    """The full solution with only the `size` largest |w| of each concept."""
    rank = weights.abs().rank(axis=1, ascending=False, method="first")
    return weights.where(rank <= size, 0.0)


def mean_iou(weights):
    counted = failures.at_thresholds(layer, probe, weights, [0.0])
    return counted.query("split == 'val'")["set_iou"].mean()


# %%
again = {n: tables.by_concept(f.scores).mean() for n, f in segmentations.items()}
unchanged = {size: mean_iou(truncate(everything.weights, size)) for size in again}
curves = pd.DataFrame({"retrained": again, "truncated": unchanged})
curves = curves.rename_axis("n_filters").reset_index()
best = curves.set_index("n_filters").idxmax()
title = f"{layer.name}: highest at {best['retrained']} filters when retrained,"
title += f" at {best['truncated']} when only truncated"
charts.by_rule(curves.melt("n_filters", var_name="how"), title, task="segmentation")

# %%
left = curves.iloc[: max(1, len(curves) // 2)]
gap = (left["retrained"] - left["truncated"]).mean()
reached = curves["retrained"] >= 0.9 * curves["retrained"].max()
where = curves.loc[reached.idxmax(), "n_filters"]
print(f"{where} retrained filters reach nine tenths of the highest mean.", end=" ")
print(f"With {left['n_filters'].max()} filters or fewer,")
print(f"retraining changes the mean set IoU by {gap:+.2g} on average.")

# %% [markdown]
# Means over all concepts hide that categories differ; that is a [chapter of its own](sufficient/how-many-filters).
#
# ## One filter is not the single filter
#
# The curve starts with one filter. It should equal what the chapter on [single filters](single-filters) measured, but
# it does not, for two reasons. The filter with the largest weight is selected as part of a combination: it helps the
# others most, and need not be the best alone. And its mask has another threshold. A single filter's mask ends where
# the upsampled map falls below one half. The combination has no bias, and a sum of one term is above zero *wherever
# the upsampled map is*.

# %%
from n2vlib.methods import single_filter

alone, one = single_filter.align(layer, probe), segmentations[min(segmentations)]
shared = alone.weights.index.intersection(one.weights.index)
largest = everything.weights.loc[shared].abs().idxmax(axis=1)
same = (largest == alone.weights.loc[shared].idxmax(axis=1)).mean()
wide, narrow = failures.smallest_mask(layer, probe)
print("The filter of largest weight is the best single filter", end=" ")
print(f"for {same:.0%} of the concepts.")
areas = pd.DataFrame({"mask of one fired place": ["S > 0", "S > 1/2"]})
areas["% of the image"] = [100 * wide, 100 * narrow]
title = f"{layer.grid[0]} x {layer.grid[1]} grid:"
title += f" {wide / max(narrow, 1e-9):.1f} times the area where S > 0"
charts.table(areas, title, digits=1)

# %%
ious = pd.DataFrame({"F = 1": tables.by_concept(one.scores)})
ious["best single filter"] = tables.by_concept(alone.scores)
ious = ious.dropna().join(probe.concepts["category"])
ious = ious.groupby("category", sort=False).mean()
wins = (ious["F = 1"] > ious["best single filter"]).sum()
ahead = f"F = 1 is ahead in {wins} of {len(ious)} categories"
caption = f"Mean set IoU of one filter, {layer.name}; {ahead}"
charts.table(ious.reset_index(), caption, best=["F = 1", "best single filter"])

# %% [markdown]
# A mask that is too wide costs little where the concept is wide. Remember this table where a curve against $F$ starts
# high.
#
# ## Every concept: classification against F
#
# For classification the first point of the curve *is* the paper's single filter. The other curves are the same two,
# and a third: the filters retrained on averages scaled to the same standard deviation, because the chapter on
# [classification](classification) found that one learning rate does not suit filters of different scale.

# %%
averages = np.array(layer.pooled)
bias = classifications[layer.n_filters].bias


def accuracy(weights, c):
    """Balanced validation accuracy of these weights and the full solution's bias."""
    truth = np.isin(np.arange(len(probe)), probe.images_with(c))
    right = (averages @ weights + bias[c] > 0) == truth
    return classification.balanced_accuracy(right, truth, ~in_training, SEED, c)


# %%
def mean_accuracy(runs):
    scores = {size: found.scores for size, found in runs.items()}
    return {n: tables.by_concept(each, "accuracy").mean() for n, each in scores.items()}


# %%
again, unchanged = mean_accuracy(classifications), {}
for size in again:
    cut = truncate(full, size)
    unchanged[size] = np.nanmean([accuracy(w.to_numpy(), c) for c, w in cut.iterrows()])
recipe["features"] = "standardised"
scaled = saturation.runs(
    classification.align, layer, probe, SUBSETS_CLASSIFICATION, **recipe
)

# %%
accuracies = pd.DataFrame({"retrained": again, "truncated": unchanged})
accuracies["retrained, standardised"] = mean_accuracy(scaled)
accuracies = accuracies.rename_axis("n_filters").reset_index()
top = accuracies.loc[accuracies["retrained"].idxmax(), "n_filters"]
title = f"{layer.name}: the mean over {len(full)} concepts is highest at"
title += f" {top} of {layer.n_filters} filters"
long = accuracies.melt("n_filters", var_name="how")
charts.by_rule(long, title, task="classification")

# %%
gain = accuracies["retrained"] - accuracies["truncated"]
title = "Mean balanced accuracy; gain: retrained minus truncated"
charts.table(accuracies.assign(gain=gain), title, digits=2)

# %% [markdown]
# The two retrained curves use the same layer and the same task. So any distance between them is due to training and to
# which filters were kept, and says nothing about what the filters encode. The truncated solution has a disadvantage of
# its own here: the bias was learned to balance the whole sum, and the remaining sum may never outweigh it. The same
# prediction for every image scores one half.
#
# ## Where we differ
#
# - **The lists** are shorter than the paper's where the book is built, to save time, and end at the width of the
#   layer. `SUBSETS_SEGMENTATION` and `SUBSETS_CLASSIFICATION` take the published ones.
# - **One layer.** The paper counts filters for classification in the last three layers; so does the chapter on [how
#   many filters](sufficient/how-many-filters). Here the last one is enough.
# - **The start.** The paper does not say how the subset starts. The released code draws new weights from the range of
#   the full layer, $\pm 1/\sqrt{K}$ and not $\pm 1/\sqrt{F}$; so do we, with a separate seed for each $F$.
#
# ## Exercises
#
# 1. Is a large weight a good reason to keep a filter? Set the weights of all but $F$ *random* filters to zero and
#    compare with the curve above.
# 2. The rule uses $|w_k|$. In a sum, the effect of a filter is $|w_k|$ times how often it fires on the concept's
#    images. Keep the $F$ filters for which that product is largest.
# 3. How many of the filters kept for $F = 8$ are shared by two concepts of your choice?

# %% tags=["solution", "hide-input"]
rng = np.random.default_rng(SEED)
w = everything.weights
noise = pd.DataFrame(rng.random(w.shape), w.index, w.columns).rank(axis=1)
random_ones = {n: mean_iou(w.where(noise <= n, 0.0)) for n in sizes["segmentation"]}
table = curves.assign(random=curves["n_filters"].map(random_ones))
title = "Mean set IoU: the largest weights, and as many at random"
charts.table(table, title, best=["retrained", "truncated", "random"])

# %% [markdown]
# ## Take-away
#
# - The $F$ largest weights are a rule for selecting filters, cheap and not optimal; the kept weights are then
#   retrained.
# - One filter found this way is not the best single filter: it is selected as part of a combination, and without a
#   bias its mask is wider.
# - Before paying for a second training, compare with truncating the first solution.
# - With few filters the training recipe moves the curve; one curve alone does not show what the filters encode.
#
# Now the main question of the paper: is one filter [sufficient](sufficient/together-or-alone)?

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
