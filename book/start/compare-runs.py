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
# # Compare runs
#
# A network was trained further, a layer was replaced, a loss was changed, more images were annotated: in each case
# there are two measurements, and the question is what has changed. The chapters on [networks](../netdissect/networks),
# [layers](../netdissect/layers), [transfer](../netdissect/transfer) and [spaces](../net2vec/embeddings/between-spaces)
# each answer it for one kind of change. This chapter does so for any two runs: networks, layers, probe sets or seeds.
#
# *Question.* Which concepts have a detector in one run and none in the other, which are represented better, and which
# of these differences are more than noise?

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
RUNS: list = "zoo/runs"  # compared with NETWORK; keys: network, layer, probe, seed, ...
REPEATS: list = "zoo/repeats"  # networks that differ only in their seed
IOU_THRESHOLD: float = 0.04  # dissection IoU above which a filter is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## The runs
#
# The first run is the last of `LAYERS` of `NETWORK`. It is compared with every run in `RUNS`: a list, or the name of
# one in `params/networks`. A run is a network and a layer. It can also have a probe set (`probe`) and a seed of its
# own; a `label` names it in the tables.

# %%
from n2vlib import charts
from n2vlib.analysis import between_runs, comparison, runs

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
needed = "pixel maps", "training images", "validation images", "images without it"
n2vlib.need(probe, *needed, concepts=3)
own = {"network": NETWORK, "layer": LAYERS[-1], "weights": WEIGHTS}
own["preprocessing"] = PREPROCESSING
options = {"tau": TAU, "epochs": EPOCHS, "seed": SEED, "device": DEVICE, "store": store}
first, *others = runs.read([own, *RUNS], probe, **options)
every = [first, *others]
charts.table(comparison.described([run.measured for run in every]))

# %% [markdown]
# ## Which detectors appeared, which went
#
# A concept *appeared* if a filter of the other run is a detector of it and none of the first run is; it *went* if it
# is the other way round. Filters of two networks have no counterparts: filter 7 of one has nothing to do with filter
# 7 of the other. What two layers can have in common are the concepts. By hand, for the first of the others:

# %%
from n2vlib.methods import dissection


def detected(run):
    """The names of the concepts that have a detector."""
    best = dissection.filters(run.measured.layer, run.probe)
    return set(best["name"][best["dissection_iou"] > IOU_THRESHOLD])


other = others[0]
before, after = detected(first), detected(other)
print(f"{other.label}: {len(after - before)} appeared, {len(before - after)} went,")
print(f"{len(before & after)} stayed")

# %%
pairs = {run.label: (first, run) for run in others}
changed = {
    label: between_runs.changes(*pair, IOU_THRESHOLD) for label, pair in pairs.items()
}
shown = changed[other.label].query("change != 'stayed'")
assert (shown["change"] == "appeared").sum() == len(after - before)
columns = ["name", "category", "change", "iou_before", "iou_after", "again"]
title = f"{first.label}, then {other.label}: highest dissection IoU of any filter"
charts.table(shown[columns], title)

# %% [markdown]
# A concept can appear because its best filter rose from 0.039 to 0.041. On other images this change might not be
# there. The last column draws the images again, 200 times, and gives the share of the draws in which the concept has
# a detector before and after as it has in the table. Where it is low, the change hangs on a few images.
#
# ## Is that more than another training would change?
#
# The draws are about images. Another source of chance is larger: the seed of the training. `REPEATS` are networks of
# one recipe that differ in nothing else. How many concepts appear and go between two of them?

# %%
import pandas as pd

from n2vlib.analysis import detectors

known = {key: options[key] for key in ("tau", "seed", "device", "store")}
layers = detectors.read(probe, REPEATS, **known)[1]
named = detectors.detectors(layers, probe, IOU_THRESHOLD)
sets = {label: set(found["name"]) for label, found in named.items()}
by_seed = [len(a ^ b) for a in sets.values() for b in sets.values() if a is not b]

# %%
kinds = {
    label: table["change"].value_counts().reindex(between_runs.KINDS, fill_value=0)
    for label, table in changed.items()
}
kinds = pd.DataFrame(kinds).T.rename_axis("run").reset_index()
kinds["changes"] = kinds["appeared"] + kinds["went"]
often = [
    (table["again"] >= 0.95) & (table["change"] != "stayed")
    for table in changed.values()
]
kinds["in 95% of draws"] = [rows.sum() for rows in often]
title = "Concepts with a detector, against the first run"
if by_seed:
    title += f"; two repeats differ in {min(by_seed)} to {max(by_seed)}"
charts.table(kinds, title)

# %% [markdown]
# Only a number of changes above the range of the repeats (in the caption, where there are any) says something about the
# networks. The repeats share one training set and one recipe, so their range is a lower bound of what chance does.
#
# ## What gained
#
# A detector is all or nothing, and one filter. The learned combinations say how well a layer represents a concept as a
# whole. Their set IoU and accuracy on validation images are compared concept by concept. The images are resampled 200
# times, the same ones for both runs, so that an image that is hard for both adds no noise.

# %%
means = {label: between_runs.mean_gains(*pair) for label, pair in pairs.items()}
means = pd.concat(means, names=["run"]).reset_index("run")
combined = means.query("method == 'combination'")
columns = ["run", "task", "concepts", "difference", "low", "high", "gained", "lost"]
title = "Mean over concepts, other run minus first, 95% bootstrap interval over images"
charts.table(combined[columns], title)

# %% [markdown]
# *Gained* and *lost* count the concepts whose own interval lies above or below zero. Of the concepts without a true
# difference, about one in forty would be counted in each. The concepts behind the mean of the first of the others:

# %%
gained = between_runs.gains(first, other)
shown = gained.query("task == 'segmentation' and method == 'combination'")
ends = pd.concat([shown.head(8), shown.tail(8)]).drop_duplicates("name")
least, most = shown["name"].iloc[[-1, 0]] if len(shown) else ("none", "none")
title = f"{other.label}: most gained {most}, most lost {least}"
axis = "set IoU on validation images, difference"
charts.differences(ends, title, "name", axis, f"Against {first.label}.")

# %% [markdown]
# ## How far apart the spaces are
#
# The learned weights of all concepts make a space. Two spaces are compared through the cosines between their concepts:
# the correlation over all pairs, and how much a cosine typically differs. The intervals of the correlation draw the
# concepts again; a concept that is drawn twice is not paired with itself. As a reference, the first layer is learned
# once more from another random start: a distance as small as that one is no more than the noise of learning.

# %%
again = {**own, "seed": SEED + 1, "label": "other start"}
same = runs.read([own, again], probe, **options)
apart = {"first, other start": between_runs.distances(*same)}
apart |= {label: between_runs.distances(*pair) for label, pair in pairs.items()}
apart = pd.concat(apart, names=["run"]).reset_index("run")
columns = ["run", "task", "concepts", "correlation", "correlation_low"]
columns += ["correlation_high", "typical"]
charts.table(apart[columns], "Against the first run", digits=2, rows=20)

# %% [markdown]
# ## What we see

# %%
line = kinds.set_index("run").drop(columns="in 95% of draws")
segmented = combined.query("task == 'segmentation'").set_index("run")
line["set IoU, difference"] = segmented["difference"]
spaces = apart.query("task == 'segmentation'").set_index("run")
line["correlation of spaces"] = spaces["correlation"]
charts.table(line.reset_index(), "Each run against the first", digits=3)

# %% [markdown]
# ## The same as a page
#
# One command writes all of it for your runs, as a page that works offline, with every concept:
#
# ```bash
# python -m n2vlib compare small-alexnet=conv4,conv5 small-vgg=conv4_3
# python -m n2vlib compare zoo/repeats
# python -m n2vlib compare mine.py:before=features.12 mine.py:after=features.12 --probe path/to/probe
# python -m n2vlib compare "{network: small-vgg, layer: conv4_3}" \
#     "{network: small-vgg, layer: conv4_3, probe: path/to/probe, label: other images}"
# ```
#
# Two probe sets share the concepts of the same name and category. Their images differ, so each run is resampled by
# its own draws. To look at the filters of several runs, put their layers into one report: `python -m n2vlib report
# small-alexnet conv4 conv5 --also small-vgg=conv4_3`; its search finds the filters of all layers that know a concept.
#
# ## Exercises
#
# 1. Compare two layers of one network. Which concepts appear only in the later one?
# 2. Raise `IOU_THRESHOLD` to 0.08. Do fewer concepts change, or only others?
# 3. Which concept that appeared has also gained in set IoU, and which has lost?

# %% tags=["solution", "hide-input"]
appeared = changed[other.label].query("change == 'appeared'")["name"]
both = gained.query("task == 'segmentation' and method == 'combination'")
both = both[both["name"].isin(appeared)]
caption = "Concepts that appeared: change of set IoU, all filters together"
charts.table(both[["name", "difference", "low", "high"]], caption)

# %% [markdown]
# ## Take-away
#
# - Compare concepts, not filters: filters of two networks have no counterparts.
# - A detector that appeared is a difference of the networks only if more appeared than between two trainings of one
#   recipe.
# - Scores are compared on the same images; spaces by their cosines, beside the same space learned twice.
#
# The next chapter begins with the first paper: [introduction](../net2vec/introduction).

# %%
n2vlib.provenance(
    probe=probe, layers={run.label: run.measured.layer for run in every}, seed=SEED
)
