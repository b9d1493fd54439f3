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
# # Shared filters
#
# *Net2Vec, section 4.2.* If a concept takes many filters, there are not enough filters for each concept to have its
# own, so filters have to be shared. But sharing can mean two things. A filter may respond to something that several
# concepts have in common, as sheep, cow and horse have legs and a back. Or it may respond to no concept in particular,
# and be the best for a concept because some filter has to be.
#
# *Question.* For how many concepts is a filter the best one, and is that more than a random assignment would give?

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
# > Filters are shared. One filter of the last layer segments sheep, horse and cow; another one fires on wheels and on
# > vehicles. Counting, for each filter, the concepts it is best for, about 15 % of the filters of the first layer
# > serve 20 concepts or more in segmentation, 30 or more in classification. In most layers many filters are never
# > chosen at all {cite}`fong2018net2vec`.
#
# *Best* means something else in each task. For segmentation it is the filter with the largest set IoU on training
# images; for classification the filter with the largest weight in the combination:
#
# $$
# k^*_{\mathrm{seg}}(c) = \operatorname*{argmax}_k \, \mathrm{IoU}_{\mathrm{set}}(c; M_k, \mathrm{train})
# \qquad
# k^*_{\mathrm{class}}(c) = \operatorname*{argmax}_k \, |w_{c,k}|
# $$ (eq-best-filters)
#
# If a single filter is written as a one-hot vector of weights, the first is a special case of the second, and the
# library needs only one function for both.

# %%
import numpy as np
import pandas as pd

from n2vlib import charts, tables
from n2vlib.analysis import sharing
from n2vlib.display import style
from n2vlib.methods import classification, single_filter

probe = n2vlib.load_probe(PROBE)
n2vlib.need(
    probe, "pixel maps", "training images", "validation images", "images without it"
)
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
store = n2vlib.Store(STORE)
layers = n2vlib.read_layers(network, LAYERS, probe, tau=TAU, device=DEVICE, store=store)

# %%
segmented = {name: single_filter.align(layer, probe) for name, layer in layers.items()}
recipe = {"epochs": EPOCHS, "seed": SEED}
linear = {key: classification.align(layers[key], probe, **recipe) for key in layers}

# %%
found = (*segmented.values(), *linear.values())
chosen = pd.concat([sharing.strongest_filters(each) for each in found])
layer, deepest = layers[LAYERS[-1]], chosen.query("layer == @LAYERS[-1]")
four = deepest.query("task == 'segmentation'")[["name", "category", "filter"]].head(4)
charts.table(four, f"{layer.name}, segmentation")

# %% [markdown]
# ## By hand, one filter
#
# The filter that is best for most concepts in the deepest layer. We go through the concepts one by one, find the best
# filter of each, and count how often it is this one.

# %%
served = sharing.concepts_served(chosen)
here = served.query("task == 'segmentation' and layer == @layer.name")
busiest = here.nlargest(1, "concepts").iloc[0]
k, train = int(busiest["filter"]), single_filter.set_iou(layer, probe, "train")
concepts = deepest.query("task == 'segmentation'").set_index("concept")["name"]
places = probe.concepts.index.get_indexer(concepts.index)
names = concepts[train[:, places].argmax(axis=0) == k]
assert len(names) == busiest["concepts"]
print(
    f"{layer.name}, filter {k}: best for {len(names)} of {len(places)} concepts:",
    end=" ",
)
print(", ".join(names))

# %% [markdown]
# Do these concepts have something in common? Keep the list in mind.
#
# ## One filter, several concepts
#
# The paper's Figure 4 is a filter of this kind: three animals, one filter. Ours is selected by a rule. Among the
# objects (among all concepts, if no two objects share a filter) we look for three of one category that share their
# best filter, and take the group whose lowest set IoU is highest, on training images. Shown are the validation images
# of each concept with the highest individual IoU for that filter.

# %%
scores = pd.concat([found.scores for found in segmented.values()])
best = tables.best_filters(scores, layer.name, split="train")
objects = style.preferred(best, "object")
group = sharing.most_shared(objects if objects["filter"].duplicated().any() else best)
title = f"{layer.name}: one filter, and its set IoU on training images"
charts.table(group.rename(columns={"value": "set_iou"}), title)

# %%
from n2vlib.display import gallery
from n2vlib.masks.iou import single_filter_mask
from n2vlib.probe.occurrences import presence

pairs = segmented[layer.name].pairs.query("split == 'val'")
shared, size = int(group["filter"].iloc[0]), probe.label_size
shown = [pairs.query("concept == @c") for c in group["concept"]]
shown = pd.concat([rows.nlargest(4, "individual_iou") for rows in shown])
fired = [layer.fired_in(i)[shared] for i in shown["image"]]
masks = [single_filter_mask(each, size, align_corners=True) for each in fired]
truth = [probe.annotated(c, i) for c, i in shown[["concept", "image"]].to_numpy()]

# %%
name_of = probe.concepts["name"]
captions = [
    gallery.caption(name_of[row.concept], row.individual_iou, row.image)
    for row in shown.itertuples()
]
pictures = [probe.image(i) for i in shown["image"]]
heading = f"filter {shared} of {layer.name}"
gallery.show(pictures, captions, truth, masks, columns=4, heading=heading)

# %% [markdown]
# These pictures were selected for their IoU; the chapter on [non-maximal examples](non-maximal) shows the others. What
# do the concepts have in common? One explanation must be ruled out first: co-occurrence. Concepts that appear
# together, as a cow and the fence around it, can share a filter without having anything in common: the filter responds
# to one of them and overlaps with the other. So we split the validation images of each concept by whether another one
# of the group is in them, and pool each part.

# %%
co_occurs = presence(probe)[group["concept"]].sum(axis=1) > 1
split = pairs.loc[pairs["concept"].isin(group["concept"])]
split = split.assign(co_occurs=co_occurs.loc[split["image"]].to_numpy())
groups = split.groupby(["concept", "co_occurs"])
sums = groups[["intersection", "predicted", "annotated"]].sum()
union = sums["predicted"] + sums["annotated"] - sums["intersection"]
sums = sums.assign(set_iou=sums["intersection"] / union, images=groups.size())
sums = sums.reset_index()
others = np.where(sums["co_occurs"], "with others", "alone")
shown_alone = sums.assign(name=sums["concept"].map(name_of), others=others)

# %%
caption = (
    f"Filter {shared}: set IoU where a concept is alone, and with others of the group"
)
if not co_occurs.to_numpy()[probe.split == "val"].any():
    caption += "; no validation image contains two of them"
charts.table(shown_alone[["name", "others", "images", "set_iou"]], caption)

# %% [markdown]
# If the filter still finds a concept that is alone, co-occurrence is not the reason. There is a second simple
# explanation: position. A filter that fires mostly along one edge of the picture agrees with whatever lies there.

# %%
pointers, code = layer.fired
row = code // layer.grid[1] % layer.grid[0]
mine = code // (layer.grid[0] * layer.grid[1]) == shared
thirds = np.bincount(row[mine] * 3 // layer.grid[0], minlength=3) / mine.sum()
table = pd.DataFrame({"third of the map": ["upper", "middle", "lower"]})
table["%"] = 100 * thirds
charts.table(table, f"Where filter {shared} fires: percent of its places", digits=0)

# %% [markdown]
# Only if neither co-occurrence nor position explains it is the sharing about the concepts themselves. A rule selected
# this group, so it may be one that a person would not have picked for a figure.
#
# The paper's other example goes from a part to the whole: a filter that is best for *wheel* also responds to vehicles.
# We take the part that is segmented best (without parts, the concept that is segmented best) and ask which other
# concepts its filter agrees with, now on validation images. *Rank* is the rank of this filter among all filters of the
# layer for that concept.

# %%
iou = single_filter.set_iou(layer, probe, "val").T
iou = pd.DataFrame(iou, index=probe.concepts.index)
part = style.preferred(best, "part").iloc[0]
rank = iou.rank(axis=1, ascending=False, method="min")[part["filter"]].astype(int)
others = probe.concepts.assign(set_iou=iou[part["filter"]], rank=rank)
others = others.query("segmentable").nlargest(8, "set_iou")
caption = f"{layer.name}, filter {part['filter']}, the best for {part['name']}:"
caption += " concepts it agrees with most"
charts.table(others[["name", "category", "set_iou", "rank"]], caption)

# %% [markdown]
# A part lies on its whole, so a filter that segments a part overlaps with the whole as well; that alone is no sharing.
# It is sharing if the filter ranks high for the whole too, or for wholes of different kinds.
#
# ## All filters, all layers
#
# Figure 5 of the paper, with its bins: for how many concepts is each filter the best one? Zero means never chosen. The
# diamonds with upright lines show chance: every concept gets a filter at random, all filters equally likely.

# %%
shares, at_random = sharing.in_bins(served), sharing.if_at_random(chosen, seed=SEED)
summary = sharing.summary(served)
keys = ["task", "layer"]
ends = sharing.if_at_random(chosen, seed=SEED, confidence=0.9).query("concepts == '0'")
never = summary.set_index(keys)["never"]
more = int((never > ends.set_index(keys)["high"]).sum())
title = f"In {more} of {len(summary)} cases, more filters are never chosen"
title += " than in 95% of random assignments"
charts.concepts_per_filter(shares, title, at_random)

# %% [markdown]
# This chance level is substantial. With $C$ concepts and $K$ filters, a filter is never chosen with probability $(1 -
# 1/K)^C$, so a wide layer has many such filters simply because it has more filters than concepts. Only what exceeds
# chance says something about the network.

# %%
title = "Filters and concepts; never: share of filters that are best for no concept"
charts.table(summary, title, rows=20)

# %% [markdown]
# The bar labelled 0 deserves care. A script in the released repository labels its axis like the paper's but uses other
# bins: its first bar holds all filters that serve 0 to 10 concepts. How different would the figure look?

# %%
counts = served.assign(none=served["concepts"] == 0, few=served["concepts"] <= 10)
zero = 100 * counts.groupby("task", sort=False)[["none", "few"]].mean()
zero.columns = ["no concept", "0 to 10 concepts (the script's first bar)"]
title = "Percent of all filters that serve so many concepts"
charts.table(zero.reset_index(), title, digits=0)

# %%
both = summary.melt(["task", "layer"], ["never", "never_at_random"], value_name="share")
prefix = both["variable"].map({"never": "", "never_at_random": "chance, "})
both["series"] = prefix + both["task"]
low, high = summary["never"].min(), summary["never"].max()
title = f"Between {low:.0%} and {high:.0%} of the filters are never chosen"
axis = "share of filters never chosen"
charts.by_layer(both, "share", title, axis, "series", fmt=".0%")

# %% [markdown]
# ## The first layer, beside the published number
#
# The paper gives two numbers for the first layer: the mean number of concepts per filter, and the share of filters
# that serve many. The mean is arithmetic, so it can be checked without data: which numbers of filters reproduce both
# printed means from the printed numbers of concepts?

# %%
from n2vlib import published

counts = published.table("net2vec_dataset_counts").set_index("quantity")["value"]
counts = counts.astype(float)
concepts = {"segmentation": counts["concepts_segmentation"]}
concepts["classification"] = counts["concepts_image_level"]
printed = {task: counts[f"conv1_concepts_per_filter_{task}"] for task in concepts}


# %%
def mean_over(n):
    """Concepts per filter of a layer with n filters, rounded as printed."""
    return {task: round(concepts[task] / n, 1) for task in concepts}


widths = " or ".join(str(n) for n in range(1, 1025) if mean_over(n) == printed)
means = " and ".join(f"{value} ({task})" for task, value in printed.items())
print(f"concepts per filter, as printed: {means}; that means {widths} filters")

# %% [markdown]
# The AlexNet of Krizhevsky {cite}`krizhevsky2012imagenet` has 96 filters in its first layer, torchvision's has 64. The
# printed means show which of the two was used for this figure.
#
# The share of filters that serve many concepts is harder to compare, because with fewer concepts no filter can serve
# 20 or 30 of them. So beside the printed limit we use a relative one: the same multiple of our mean as the printed
# limit is of the printed mean.

# %%
claims = published.table("net2vec_quantitative_claims").set_index("claim_id")
claims = claims["value"].astype(float)
limits = {"segmentation": claims["n2v_c10"], "classification": claims["n2v_c11"]}
first = served.query("layer == @LAYERS[0]")
ours = first.groupby("task")["concepts"].mean()
relative = {task: limits[task] / printed[task] * ours[task] for task in limits}
busy, again = sharing.busy(first, limits), sharing.busy(first, relative)
busy = busy.merge(again, on=["task", "layer"], suffixes=("", "_relative"))
busy["published"] = claims["n2v_c9"] / 100
charts.table(busy, f"{LAYERS[0]}: share of filters that serve at least so many")

# %% [markdown]
# ## Are concepts that share a filter alike?
#
# Sheep, horse and cow are all animals. Is that typical? Of all pairs of concepts that have the same best filter, how
# many are of one category, and how many would be if sharing were unrelated to category?

# %%
alike = sharing.same_category(chosen)
title = "Pairs of concepts with one best filter: share within a category;"
charts.table(alike, f"{title} any_two: of all pairs", rows=20)

# %% [markdown]
# Where *same* is no larger than *any_two*, concepts of one category share filters no more than concepts of different
# categories do, and a picture like Figure 4 is an example, not the rule. A category is a coarse measure of similarity,
# but it was not chosen after seeing the result.
#
# ## How sure is a best filter?
#
# A best filter is selected from all filters of a layer on a limited number of images. If several filters are close,
# other images would have selected another one, and a count of best filters is partly a count of chance. So we repeat
# the selection 200 times on resampled training images and see how often the same filter is selected.

# %%
from n2vlib.analysis import uncertainty

table = []
for name, each in layers.items():
    stability = uncertainty.best_filter_stability(each, probe, seed=SEED)
    table.append(stability.assign(layer=name))
table = pd.concat(table)

# %%
sure = table.groupby("layer", sort=False)["share"].agg(
    concepts="size", median="median",
    nearly_always=lambda share: (share >= 0.95).mean(),
    under_half=lambda share: (share < 0.5).mean(),
)  # fmt: skip
title = "Share of resamples in which the same filter is best: median,"
charts.table(sure.reset_index(), f"{title} and share of concepts at both ends")

# %% [markdown]
# The same resamples give an interval for the share of filters that are *never* chosen:

# %%
counted = chosen.query("task == 'segmentation'").groupby("layer")["concept"].agg(list)
never, rows = summary.query("task == 'segmentation'").set_index("layer")["never"], []
for name, each in layers.items():
    best_ones = uncertainty.best_filter_draws(each, probe, seed=SEED)[counted[name]]
    left_out = 1 - best_ones.where(best_ones >= 0).nunique(axis=1) / each.n_filters
    low, high = uncertainty.recentred_interval(never[name], left_out.to_numpy())
    rows.append({"layer": name, "never": never[name], "low": low, "high": high})
title = "Segmentation: share of filters never chosen,"
charts.table(pd.DataFrame(rows), f"{title} with 95% over resampled training images")

# %% [markdown]
# Best filters by chance are spread evenly over all filters, so they pull the histogram towards chance. If we keep only
# the concepts whose filter is best in at least half of the resamples, are even fewer filters in use, relative to a
# random assignment of as many concepts?

# %%
steady = table.loc[table["share"] >= 0.5, ["layer", "concept"]]
kept = chosen.query("task == 'segmentation'").merge(steady, on=["layer", "concept"])
compared = {"all": summary.query("task == 'segmentation'")}
compared["steady"] = sharing.summary(sharing.concepts_served(kept))
frame = pd.concat(one.assign(kept=which) for which, one in compared.items())
frame["in_use"] = (1 - frame["never"]) / (1 - frame["never_at_random"])
columns = ["kept", "layer", "concepts", "never", "never_at_random", "in_use", "most"]
shown = frame[columns]
in_use = frame.groupby("kept")["in_use"].mean()
caption = "Segmentation; in_use: filters that are best for a concept, in multiples"
caption += f" of chance (mean over layers: {in_use['all']:.2f} with all concepts,"
caption += f" {in_use['steady']:.2f} with the steady ones)"
charts.table(shown, caption, rows=20)

# %% [markdown]
# For classification the question is another one. The weights start at random, and where training is slow the largest
# weight may be the one that was largest at the start: then the *best filter* is random by construction. The chapter on
# [classification](classification) shows how slow it can be. How many best filters had the largest weight before
# training? And how often do both tasks agree on the best filter?

# %%
classified = chosen.query("task == 'classification'")
largest = {name: found.start.abs().idxmax(axis=1) for name, found in linear.items()}
at_start = [
    row.filter == largest[row.layer][row.concept] for row in classified.itertuples()
]
classified = classified.assign(at_start=at_start)
segmented_too = chosen.query("task == 'segmentation'")
keys = ["layer", "concept"]
in_both = classified.merge(segmented_too, on=keys, suffixes=("", "_seg"))
agree = in_both["filter"] == in_both["filter_seg"]
agree = agree.groupby(in_both["layer"], sort=False).mean()

# %%
start = classified.groupby("layer", sort=False)
start = start.agg(
    largest_at_start=("at_start", "mean"), at_random=("n_filters", "first")
)
start = start.assign(at_random=1 / start["at_random"], same_in_both_tasks=agree)
title = "Classification: share of concepts whose best filter had the largest weight"
title += " at the start, and is best in both tasks"
charts.table(start.reset_index(), title)

# %% [markdown]
# The column *at_random* is the chance level of both other columns. A number well above it under *largest_at_start*
# says that part of the classification histogram shows the random start and not the network.
#
# ## What we see

# %%
rows = []
for task, mine in summary.groupby("task", sort=False):
    widest = mine.loc[mine["most"].idxmax()]
    beyond = 100 * (mine["never"] - mine["never_at_random"])
    never = f"{mine['never'].min():.0%} to {mine['never'].max():.0%}"
    most = f"{widest['most']} ({widest['layer']})"
    points = f"{round(beyond.min()):+d} to {round(beyond.max()):+d}"
    rows.append([task, most, never, points])
columns = ["task", "most concepts for one filter", "filters never chosen"]
columns += ["beyond chance, percentage points"]
charts.table(pd.DataFrame(rows, columns=columns), "Over all layers")

# %% [markdown]
# ## Where we differ
#
# - **The number of concepts decides the histogram.** The default run has about a sixth of the paper's concepts and
#   layers half as wide or less: fewer concepts for each filter, so more filters must stay unchosen. That is why the
#   chance level and the relative limit are here; the paper has neither.
# - **Bins.** We use the text's bins. A script in the released repository counts filters that serve 0 to 10 concepts in
#   the bar that its axis labels 0.
# - **Which concepts count.** All that have a best filter and at least one validation image; the paper, too, leaves out
#   eight scenes without validation images.
# - **Classification weights** are learned from raw averages, as released. Two filters with the same information at
#   different scales get weights of different size, so *largest weight* is not *largest influence*.
#
# ## Exercises
#
# 1. A filter that is a close second is not counted. For how many concepts is each filter among the best three?
# 2. Weight each concept by its validation set IoU instead of counting it. Do the same filters serve the most?
# 3. Run the chapter with `NETWORK=small-alexnet-random`. Do filters of an untrained network share more or less?

# %% tags=["solution", "hide-input"]
three = np.argsort(-train[:, places], axis=0, kind="stable")[:3]
among = np.bincount(three.ravel(), minlength=layer.n_filters)
by_chance = (1 - 3 / layer.n_filters) ** len(places)
print(f"{layer.name}: {(among == 0).mean():.0%} of the filters are among", end=" ")
print(f"the best three of no concept; by chance {by_chance:.0%}.")
print(f"One filter is among the best three of {among.max()} concepts.")

# %% [markdown]
# ## Take-away
#
# - Filters are shared, and the count of concepts for each filter says how unevenly.
# - A histogram of best filters needs the chance level beside it, and a check of how stable the selection is.
# - That concepts share a filter does not say why. Similar concepts are one reason; too few filters is another.
#
# So far all of this is one network. The next chapter asks how much of it depends on [architecture, data and
# task](architectures).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
