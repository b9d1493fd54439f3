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
# # How many filters?
#
# *Net2Vec, section 4.1, Figure 3.* One filter is not enough, all of them do better. Somewhere in between more filters
# stop helping. Where that is says more about a layer than either end: whether a concept is encoded in a few filters or
# spread over all of them.
#
# *Question.* How many filters does a category need, and does it do harm to have more?

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
# ## The paper's claim
#
# > Few filters suffice. Segmentation of materials and parts is best with 8 filters of 256, that of objects with 16;
# > more filters make it worse. Colors need 128. Classification is as good with about 50 filters as with all of them,
# > and with 15 for scenes {cite}`fong2018net2vec`.
#
# Three words in this need a rule before they can be tested: *best*, *suffice* and *worse*. A curve over a few noisy
# means has its highest point somewhere; the paper names that point. Our rules, stated before looking:
#
# - **peak**: the $F$ with the highest mean score of the category on validation images. The interval beside it is the
#   middle 95% of the peaks over resampled validation images.
# - **enough**: the smallest $F$ whose difference from the peak could be zero: the 95% interval of (mean at the peak
#   minus mean at $F$), over the same resamples for both, reaches down to zero.
# - **nearly**: the smallest $F$ that gets 95% of what the peak is above chance. This is a fraction, not a test.
# - **worse**: the mean with all filters is below the peak's, and the interval of the difference is above zero.
#
# *Enough* depends on the number of images: with very many, every difference is significant, and *enough* moves to the
# peak. *Nearly* does not. *Worse* favours the paper, because the peak was selected for being highest on the same
# images; we come back to that.

# %%
from n2vlib import charts, published
from n2vlib.analysis import saturation

probe = n2vlib.load_probe(PROBE)
n2vlib.need(
    probe, "pixel maps", "training images", "validation images", "images without it"
)
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
options = {"tau": TAU, "device": DEVICE, "store": n2vlib.Store(STORE)}
layers = n2vlib.read_layers(network, LAYERS[-3:], probe, **options)
layer = layers[LAYERS[-1]]
print(", ".join(f"{asked}: {each.n_filters} filters" for asked, each in layers.items()))

# %% [markdown]
# ## Segmentation against the number of filters
#
# The left half of Figure 3, on the last layer: the mean by category of all segmentable concepts, each trained on the
# $F$ filters of its largest weights, as in the chapter on [subsets](../filter-subsets). The last point is the full
# solution.

# %%
import pandas as pd

from n2vlib.analysis import uncertainty
from n2vlib.methods import classification, segmentation

recipe = {"epochs": EPOCHS, "seed": SEED}
seg_runs = saturation.runs(
    segmentation.align, layer, probe, SUBSETS_SEGMENTATION, **recipe
)
seg_runs = list(seg_runs.values())
seg_scores = pd.concat([run.scores for run in seg_runs])
seg_draws = uncertainty.resample(seg_runs, probe, seed=SEED)
seg_means = saturation.means(seg_scores, seg_draws)

# %% [markdown]
# ### By hand: one peak and one "enough"
#
# The rules are short enough to write down, here for one category:

# %%
import numpy as np

categories = dict(zip(seg_scores["concept"], seg_scores["category"], strict=True))
drawn = saturation.category_means(seg_draws, categories)
enough = saturation.enough(seg_means, drawn)

one = enough.iloc[0]

# %%
curve = seg_means[seg_means["category"] == one["category"]]
curve = curve.set_index("n_filters")["mean"].sort_index()
peak = curve.idxmax()
again = drawn[("segmentation", layer.name, one["category"])]
falls = {size: (again[peak] - again[size]).dropna() for size in curve.index}
low = {size: np.quantile(fall, 0.025) for size, fall in falls.items()}
by_hand = min(size for size in curve.index if low[size] <= 0)
assert (peak, by_hand) == (one["peak"], one["no_loss"])
table = pd.DataFrame({"mean": curve, "peak - mean, lower end": pd.Series(low)})
table = table.rename_axis("n_filters").reset_index()
title = f"{one['category']}: the peak is at {peak} filters, {by_hand} are enough"
charts.table(table, title, digits=4)

# %%
words = enough[["category", "no_loss"]].itertuples(index=False)
words = "; ".join(f"{category} {size}" for category, size in words)
title = f"Enough filters of {layer.n_filters} in {layer.name}: {words}"
charts.by_size(seg_means, title, enough)

# %% [markdown]
# The horizontal axis is logarithmic, so equal steps are doublings. A straight line means that each doubling of the
# filters adds the same, as for a concept spread thinly over many filters; a curve that turns flat early indicates a
# few. A band is narrow where a category has many images, however different its concepts are. Where the curve is flat,
# the ring (*enough*) can lie far to the left of the peak.
#
# The left end is not the best single filter of [Table 1](together-or-alone). It is one filter, selected as part of a
# combination and with a threshold at zero, as the chapter on [subsets](../filter-subsets) explains.
#
# ## Where it saturates, beside the paper
#
# The published numbers of filters are peaks in a layer of 256. A layer of another width may need another number, so
# both are given as a percentage of the layer as well.

# %%
PUBLISHED_WIDTH = 256  # filters in the last layer of the paper's network
theirs = published.table("net2vec_saturation_F").rename(columns={"F": "published"})
theirs = theirs[["task", "category", "published"]]
COLUMNS = ["layer", "category", "published", "peak", "peak's interval"]
COLUMNS += ["enough", "nearly", "published %", "peak %"]


def beside(enough, width):
    """Published and our numbers of filters; both peaks as percent of their layers."""
    both = enough.merge(theirs, on=["task", "category"], how="left")
    ends = zip(both["peak_low"], both["peak_high"], strict=True)
    both["peak's interval"] = [f"{a} to {b}" for a, b in ends]
    both["published %"] = 100 * both["published"] / PUBLISHED_WIDTH
    both["peak %"] = 100 * both["peak"] / width
    return both.rename(columns={"no_loss": "enough"})[COLUMNS]


# %%
caption = f"Segmentation: filters of {layer.n_filters}; the paper: of {PUBLISHED_WIDTH}"
charts.table(beside(enough, layer.n_filters), caption, digits=1)

# %% [markdown]
# If a concept needed a fixed number of filters, whatever the layer, the absolute numbers should agree; if it needed a
# fixed part of the layer, the percentages. Two networks cannot decide that, but they can contradict one of the two.
# And a peak at the full width is no peak: there is nothing to the right of it to compare with.
#
# ## Does more do harm?
#
# For materials and parts, the paper's curves fall after the peak. A combination of all filters can set any weight to
# zero, so it *could* do what the few filters do. If it does worse, training did not find that solution, or found one
# that is better on the training images and does not generalise. The second is overfitting, and it can be detected: on
# training images the curve should not fall.

# %%
on_training = uncertainty.resample(seg_runs, probe, split="train", seed=SEED)
trained = saturation.means(seg_scores, split="train")
trained_fall = saturation.category_means(on_training, categories)
trained_fall = saturation.enough(trained, trained_fall).set_index("category")
kept = ["peak", "fall", "low", "high"]
trained_fall = trained_fall[kept].add_suffix(" (training)")
falls = enough.set_index("category")[kept].join(trained_fall)
too = ["falls, on training images too", "falls, not on training images"]
by_training = np.where(falls["low (training)"] > 0, *too)
verdict = np.where(falls["low"] > 0, by_training, "no significant fall")
caption = f"Mean set IoU at the peak minus with all {layer.n_filters} filters;"
caption += " 95% intervals"
charts.table(falls.assign(verdict=verdict).reset_index(), caption, digits=4)

# %% [markdown]
# The peak was selected for its height, so the fall is a little too large and its interval a little too far from zero:
# on other images, another $F$ would have been selected. The remedy is to select on some images and to measure on
# others. Every second validation image selects the peak, the rest measure the fall.

# %%
from n2vlib.masks.iou import iou_of_counts

validation = np.flatnonzero(probe.split == "val")
counted = ["intersection", "predicted", "annotated"]


def half_means(part):
    """Mean set IoU by category and number of filters, over half of the images."""
    rows = {}
    for run in seg_runs:
        mine = run.pairs[run.pairs["image"].isin(validation[part::2])]
        mine = mine.groupby("concept")[counted].sum()
        iou = pd.Series(iou_of_counts(*mine.to_numpy().T), mine.index)
        rows[run.scores["n_filters"].iloc[0]] = iou.groupby(categories).mean()
    return pd.DataFrame(rows)


# %%
selected, measured = half_means(0), half_means(1)
selected = selected.loc[selected.index.intersection(measured.index)]
best = selected.idxmax(axis=1)
fall = selected.max(axis=1) - selected[layer.n_filters]
honest = pd.DataFrame({"peak on one half": best, "fall on that half": fall})
other = [measured.loc[c, n] - measured.loc[c, layer.n_filters] for c, n in best.items()]
honest["fall on the other"] = other
title = "Peak selected on every second validation image, fall measured on the rest"
charts.table(honest.rename_axis("category").reset_index(), title, digits=4)

# %% [markdown]
# ## Classification against the number of filters
#
# The right half of Figure 3: balanced accuracy of classification, in the last three layers, as in the paper. Here the
# first point is the single filter of Table 1.

# %%
cls_runs = []
for each in layers.values():
    of_layer = saturation.runs(
        classification.align, each, probe, SUBSETS_CLASSIFICATION, **recipe
    )
    cls_runs += of_layer.values()
cls_scores = pd.concat([run.scores for run in cls_runs])
cls_draws = uncertainty.resample(cls_runs, probe, seed=SEED)
cls_means = saturation.means(cls_scores, cls_draws)
kinds = dict(zip(cls_scores["concept"], cls_scores["category"], strict=True))
cls_enough = saturation.enough(cls_means, saturation.category_means(cls_draws, kinds))

# %%
in_last = cls_enough[cls_enough["layer"] == layer.name]
middle = int(in_last["nearly"].median())
title = f"In {layer.name}, half of the categories are nearly as good"
title += f" with {middle} filters or fewer"
charts.by_size(cls_means, title, cls_enough)

# %%
most = theirs.query("category == 'most categories'")["published"].item()
title = f"Classification: filters of {layer.n_filters};"
title += f" the paper: most categories by {most} of {PUBLISHED_WIDTH}"
charts.table(beside(in_last, layer.n_filters), title, digits=1)

# %% [markdown]
# ## How much of it is the learning rate?
#
# A run with few filters is trained with the rate that suits all of them, and the chapter on
# [classification](../classification) found that a single filter may not get far enough in time. A curve that rises up
# to 50 filters would then not show that 50 filters are needed, but that 5 are badly trained. Averages scaled to the
# same standard deviation contain the same information and make one rate suit all. (The kept filters are then selected
# anew, by the weights of the standardised solution: $|w_k|$ can only be compared between filters where the averages
# have one scale.)

# %%
recipe["features"] = "standardised"
fair = saturation.runs(
    classification.align, layer, probe, SUBSETS_CLASSIFICATION, **recipe
)
fair_draws = uncertainty.resample(fair.values(), probe, seed=SEED)
fair_means = pd.concat([run.scores for run in fair.values()])
fair_means = saturation.means(fair_means, fair_draws)
fair_enough = saturation.category_means(fair_draws, kinds)
fair_enough = saturation.enough(fair_means, fair_enough)

# %%
rules = {"peak_mean": "best mean", "nearly": "nearly", "no_loss": "enough"}
how, fair_how = (
    table.set_index("category")[list(rules)].rename(columns=rules)
    for table in (in_last, fair_enough)
)
how = how.join(fair_how.add_suffix(", standardised"))
title = (
    f"{layer.name}: filters that are enough, as released and on standardised averages"
)
charts.table(how.reset_index(), title)

# %%
released, scaled = how["nearly"], how["nearly, standardised"]
print(f"Nearly as good as the best, median over {len(how)} categories:", end=" ")
print(f"{released.median():.3g} filters as released,")
print(f"{scaled.median():.3g} on standardised averages;", end=" ")
print(f"fewer on these in {(scaled < released).sum()} categories.")

# %% [markdown]
# ## What a mean hides
#
# A category's mean is an average over concepts with different peaks. How many filters does each concept need?

# %%
values = (
    seg_scores.query("split == 'val'")
    .pivot(index="concept", columns="n_filters", values="set_iou")
    .dropna()
)
share = values.ge(0.95 * values.max(axis=1), axis=0)
need = share.idxmax(axis=1)
table = pd.crosstab(need.index.map(categories).to_numpy(), need.to_numpy())
table.columns = [f"F = {size}" for size in table]
title = f"Concepts by the smallest F with 95% of their best set IoU, {layer.name}"
charts.table(table.rename_axis("category").reset_index(), title)

# %% [markdown]
# Read these counts with care: a single concept has few validation images, and its peak is largely chance. But a wide
# spread within a category is a reason not to speak of *the* number of filters that parts need.
#
# ## Where we differ
#
# - **Fewer sizes** than the paper where the book is built; a peak between two sizes is not seen. The parameters
#   `SUBSETS_SEGMENTATION` and `SUBSETS_CLASSIFICATION` take the published lists.
# - **Narrower layers.** A peak at the full width cannot be distinguished from a peak beyond it.
# - **The rules are ours.** The paper reads its numbers off the curves.
# - **One start for each size.** The spread over seeds is not in the bands; exercise 1 measures it for one size.
#
# ## Exercises
#
# 1. Train with the peak's number of filters and another seed. Is the change of the mean larger than the band?
# 2. *Nearly* asks for 95%. How do the numbers move with 90% and with 99%?
# 3. Plot the means against the *share of the layer's filters* for three layers of different width. Do the curves
#    coincide?

# %% tags=["solution", "hide-input"]
for share in (0.9, 0.95, 0.99):
    other = saturation.enough(seg_means, drawn, share=share)[["category", "nearly"]]
    words = [f"{category} {size}" for category, size in other.itertuples(index=False)]
    print(f"{share:.0%}: " + ", ".join(words))

# %% [markdown]
# ## Take-away
#
# - "How many filters" has an answer only together with a rule; three rules give three numbers, and they differ most
#   where the curve is flat.
# - A fall after the peak has two other possible causes: that the peak was selected for its height, and overfitting.
# - A number of filters read off a curve should survive another training recipe.
#
# On average more filters do not hurt much. For some concepts they do: the [failure cases](failure-cases).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
