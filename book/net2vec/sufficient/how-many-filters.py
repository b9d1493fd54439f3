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
# *Net2Vec, section 4.1, Figure 3.* One is not enough, all of them do better. Somewhere in between more filters stop
# helping, and where that is says more about a layer than either end: whether a concept is written with a few filters
# or spread over the whole.
#
# *Question.* How many filters does a category need, and does it do harm to have more?

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
# ## The paper's claim
#
# > Few filters suffice. Outlines of materials and parts are best with 8 filters of 256, those of objects with 16; more
# > filters make them worse. Colors want 128. Presence is told as well with about 50 filters as with all of them, and
# > scenes with 15 {cite}`fong2018net2vec`.
#
# Three words in this need a rule before they can be tested: *best*, *suffice* and *worse*. A curve over a few
# noisy means has its highest point somewhere; the paper names that point. Ours, stated before looking:
#
# - **peak**: the $F$ with the highest mean score of the category, validation images. The interval beside it says where
#   the peak lies when the validation images are drawn again: the middle 95 of 100 draws.
# - **enough**: the smallest $F$ whose difference from the peak could be nothing, because the 95% interval of (mean at
#   the peak minus mean at $F$), over the same draws of images for both, reaches down to zero.
# - **nearly**: the smallest $F$ that gets 95% of what the peak is above chance. No statistics, just a fraction.
# - **worse**: the mean with all filters is below the peak's, and the interval of the difference is above zero.
#
# *Enough* depends on the number of images: with very many, every difference can be seen, and enough moves to the peak.
# *Nearly* does not. *Worse* favours the paper, because the peak was chosen for being highest on the same images; we
# come back to that.

# %%
from n2vlib import charts, published
from n2vlib.analysis import saturation

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps", "training images", "validation images", "images without it")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
layers = n2vlib.read_layers(network, LAYERS[-3:], probe, tau=TAU, device=DEVICE, store=n2vlib.Store(STORE))
layer = layers[LAYERS[-1]]
for asked, each in layers.items():
    print(f"{asked}: {each.n_filters} filters")

# %% [markdown]
# ## Outlines against the number of filters
#
# The left half of Figure 3, on the last layer: every segmentable concept learned on the $F$ filters of its largest
# weights, as in the chapter on [subsets](../filter-subsets), and the means by category. The last point is the full
# solution.

# %%
import pandas as pd

from n2vlib.analysis import uncertainty
from n2vlib.methods import classification, segmentation

taught = {"epochs": EPOCHS, "seed": SEED}
outlines = list(saturation.runs(segmentation.align, layer, probe, SUBSETS_SEGMENTATION, **taught).values())
outline_scores = pd.concat([run.scores for run in outlines])
outline_draws = uncertainty.resample(outlines, probe, seed=SEED)
outline_means = saturation.means(outline_scores, outline_draws)

# %% [markdown]
# ### By hand: one peak and one "enough"
#
# The rules are short enough to write down. For one category, in two lines each:

# %%
import numpy as np

categories = dict(zip(outline_scores["concept"], outline_scores["category"], strict=True))
drawn = saturation.category_means(outline_draws, categories)
enough = saturation.enough(outline_means, drawn)

one = enough.iloc[0]
curve = outline_means[outline_means["category"] == one["category"]].set_index("n_filters")["mean"].sort_index()
peak = curve.idxmax()
again = drawn[("segmentation", layer.name, one["category"])]
low = {size: np.quantile((again[peak] - again[size]).dropna(), 0.025) for size in curve.index}
by_hand = min(size for size in curve.index if low[size] <= 0)
assert (peak, by_hand) == (one["peak"], one["no_loss"])
print(f"{one['category']}: highest at {peak}; {by_hand} could be as good; with fewer, the loss is at least")
losses = ", ".join(f"{loss:.4f} at {size}" for size, loss in low.items() if size < by_hand)
print(losses or "nothing: it is the smallest tried")

# %%
words = "; ".join(f"{row['category']} {row['no_loss']}" for row in enough.to_dict("records"))
charts.by_size(outline_means, f"Enough filters of {layer.n_filters} in {layer.name}: {words}", enough)

# %% [markdown]
# The axis across is logarithmic, so equal steps are doublings. A straight line says that each doubling of the filters
# buys the same, which is the picture of a concept spread thinly over many; a curve that turns flat early, of one held by
# a few. A band is narrow where a category has many images, however different its concepts are. Where the curve is flat,
# the ring may lie far to the left of the peak: that is what *could be as good* means.
#
# The left end is not the best single filter of [Table 1](together-or-alone). It is one filter chosen in company and cut
# at zero, as the chapter on [subsets](../filter-subsets) explains.
#
# ## Where it saturates, beside the paper
#
# The published numbers of filters are peaks in a layer of 256. A layer of another width may need another number, so
# both are given as a share of the layer as well.

# %%
PUBLISHED_WIDTH = 256  # filters in the last layer of the paper's network
theirs = published.table("net2vec_saturation_F").rename(columns={"F": "published"})
theirs = theirs[["task", "category", "published"]]


def beside(enough, width):
    """Published F | our peak with its interval | enough | nearly, and both peaks as percent of the layer."""
    both = enough.merge(theirs, on=["task", "category"], how="left")
    both["peak's interval"] = [f"{a} to {b}" for a, b in zip(both["peak_low"], both["peak_high"], strict=True)]
    both["published %"], both["peak %"] = 100 * both["published"] / PUBLISHED_WIDTH, 100 * both["peak"] / width
    shown = ["layer", "category", "published", "peak", "peak's interval", "enough", "nearly", "published %", "peak %"]
    return both.rename(columns={"no_loss": "enough"})[shown]


caption = f"Outlines: filters of {layer.n_filters}; the paper: of {PUBLISHED_WIDTH}"
charts.table(beside(enough, layer.n_filters), caption, digits=1)

# %% [markdown]
# If a concept's outline needed a fixed number of filters, whatever the layer, the absolute numbers should agree; if it
# needed a fixed part of the layer, the percentages. Two networks cannot decide that, but they can contradict one of the
# two. And a peak that lies at the full width is no peak: there is nothing to the right of it to compare with.
#
# ## Does more do harm?
#
# For materials and parts, the paper's curves fall after the peak. A combination of all filters can set any weight to
# zero, so it *could* do what the few filters do. If it does worse, learning did not find that solution, or found a
# better one for the training images that does not carry over. The second is overfitting, and it leaves a trace: on
# training images the curve should not fall.

# %%
on_training = uncertainty.resample(outlines, probe, split="train", seed=SEED)
trained = saturation.means(outline_scores, split="train")
trained_fall = saturation.enough(trained, saturation.category_means(on_training, categories)).set_index("category")
columns = ["peak", "fall", "low", "high"]
falls = enough.set_index("category")[columns].join(trained_fall[columns].add_suffix(" (training)"))
charts.table(
    falls.reset_index(), f"Mean set IoU at the peak minus with all {layer.n_filters} filters; 95% intervals", digits=4
)

# %%
for category, row in falls.iterrows():
    if row["low"] > 0:
        why = "on training images too: not overfitting" if row["low (training)"] > 0 else "not on training images"
        print(f"{category}: falls after {row['peak']:.0f} filters; {why}")
held = falls.index[falls["low"] <= 0]
print(f"No fall that the images could tell from nothing: {', '.join(held) or 'in no category'}.")

# %% [markdown]
# The peak was picked for its height, so the fall is a little too steep and its interval a little too sure of itself: on
# other images, another $F$ would have been picked. The remedy is to pick on some images and to measure on others. We
# split the draws' images instead of drawing them: every second validation image picks the peak, the rest measure the
# fall.

# %%
from n2vlib.iou import iou_of_counts

validation = np.flatnonzero(probe.split == "val")
counted = ["intersection", "predicted", "annotated"]


def half_means(part):
    """Mean set IoU by category and number of filters, over every second validation image."""
    rows = {}
    for run in outlines:
        mine = run.pairs[run.pairs["image"].isin(validation[part::2])].groupby("concept")[counted].sum()
        iou = pd.Series(iou_of_counts(*mine.to_numpy().T), mine.index)
        rows[run.scores["n_filters"].iloc[0]] = iou.groupby(categories).mean()
    return pd.DataFrame(rows)


# %%
picked, measured = half_means(0), half_means(1)
picked = picked.loc[picked.index.intersection(measured.index)]
best = picked.idxmax(axis=1)
honest = pd.DataFrame({"peak on one half": best, "fall on that half": picked.max(axis=1) - picked[layer.n_filters]})
honest["fall on the other"] = [measured.loc[c, size] - measured.loc[c, layer.n_filters] for c, size in best.items()]
title = "Picked on every second validation image, measured on the rest"
charts.table(honest.rename_axis("category").reset_index(), title, digits=4)

# %% [markdown]
# ## Presence against the number of filters
#
# The right half of Figure 3: balanced accuracy, in the last three layers, as in the paper. Here the first point is the
# single filter of Table 1.

# %%
answers = [
    run
    for each in layers.values()
    for run in saturation.runs(classification.align, each, probe, SUBSETS_CLASSIFICATION, **taught).values()
]
answer_scores = pd.concat([run.scores for run in answers])
answer_draws = uncertainty.resample(answers, probe, seed=SEED)
answer_means = saturation.means(answer_scores, answer_draws)
kinds = dict(zip(answer_scores["concept"], answer_scores["category"], strict=True))
answers_enough = saturation.enough(answer_means, saturation.category_means(answer_draws, kinds))

# %%
in_last = answers_enough[answers_enough["layer"] == layer.name]
middle = int(in_last["nearly"].median())
title = f"In {layer.name}, half of the categories are nearly as good with {middle} filters or fewer"
charts.by_size(answer_means, title, answers_enough)

# %%
shown = beside(in_last, layer.n_filters)
most = theirs.query("category == 'most categories'")["published"].item()
charts.table(
    shown,
    f"Presence: filters of {layer.n_filters}; the paper: most categories by {most} of {PUBLISHED_WIDTH}",
    digits=1,
)

# %% [markdown]
# ## How much of it is the learning rate?
#
# A run with few filters is taught with the rate that suits all of them, and the chapter on
# [classification](../classification) found that a single filter may simply not get there in time. Then a curve that
# rises up to 50 filters would not say that 50 filters are needed, but that 5 are badly taught. Averages scaled to the
# same deviation leave the filters what they are and make one rate fit all. (The filters kept are then chosen anew, by the
# weights of the standardised solution: $|w_k|$ can only be compared between filters where the averages have one scale.)

# %%
fair = saturation.runs(classification.align, layer, probe, SUBSETS_CLASSIFICATION, features="standardised", **taught)
fair_draws = uncertainty.resample(fair.values(), probe, seed=SEED)
fair_means = saturation.means(pd.concat([run.scores for run in fair.values()]), fair_draws)
fair_enough = saturation.enough(fair_means, saturation.category_means(fair_draws, kinds))
columns = {"peak_mean": "best mean", "nearly": "nearly", "no_loss": "enough"}
rules = [table.set_index("category")[list(columns)].rename(columns=columns) for table in (in_last, fair_enough)]
how = rules[0].join(rules[1].add_suffix(", standardised"))
charts.table(how.reset_index(), f"{layer.name}: filters that are enough, as released and on standardised averages")

# %%
released, scaled = how["nearly"], how["nearly, standardised"]
print(
    f"Nearly as good as the best: {released.median():.3g} filters as released, {scaled.median():.3g} on standardised averages"
)
print(f"(median over {len(how)} categories); fewer on standardised averages in {(scaled < released).sum()} of them.")

# %% [markdown]
# ## What a mean hides
#
# A category's mean is an average over concepts with peaks of their own. How many filters does each concept want?

# %%
values = outline_scores.query("split == 'val'").pivot(index="concept", columns="n_filters", values="set_iou").dropna()
share = values.ge(0.95 * values.max(axis=1), axis=0)
need = share.idxmax(axis=1)
table = pd.crosstab(need.index.map(categories).to_numpy(), need.to_numpy())
table.columns = [f"F = {size}" for size in table]
charts.table(
    table.rename_axis("category").reset_index(),
    f"Concepts by the smallest F with 95% of their best set IoU, {layer.name}",
)

# %% [markdown]
# Read these counts with care. A single concept has few validation images and its peak is largely luck. But a wide
# spread within a category is a reason not to speak of *the* number of filters that parts need.
#
# ## Where we differ
#
# - **Fewer sizes** than the paper where the book is built; a peak between two sizes is not seen. The parameters
#   `SUBSETS_SEGMENTATION` and `SUBSETS_CLASSIFICATION` take the published lists.
# - **Narrower layers.** A peak at the full width cannot be told from a peak beyond it.
# - **The rules are ours.** The paper reads its numbers off the curves.
# - **One start for each size.** The spread over seeds is not in the bands; the exercise measures it for one size.
#
# ## Exercises
#
# 1. Learn the peak's number of filters again with another seed. Is the change of the mean larger than the band?
# 2. *Nearly* asks for 95%. How do the numbers move with 90% and with 99%?
# 3. Plot the means against the *share of the layer's filters* for three layers of different width. Do they fall
#    together?

# %% tags=["solution", "hide-input"]
for share in (0.9, 0.95, 0.99):
    other = saturation.enough(outline_means, drawn, share=share).set_index("category")["nearly"]
    print(f"{share:.0%}: " + ", ".join(f"{category} {size}" for category, size in other.items()))

# %% [markdown]
# ## Take-away
#
# - "How many filters" has an answer only together with a rule; three rules give three numbers, and they differ most where
#   the curve is flat.
# - A fall after the peak must survive two doubts: that the peak was picked for its height, and that it is overfitting.
# - A number of filters read off a curve should survive another way of teaching.
#
# On average more filters do not hurt much. For some concepts they do: the [failure cases](failure-cases).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
