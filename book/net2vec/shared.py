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
# *Net2Vec, section 4.2.* If it takes many filters to make one concept, there are not enough filters for each concept to
# have its own. So filters have to be shared. But sharing can mean two things. A filter may answer to something that
# several concepts have in common, as legs and a back are common to sheep, cow and horse. Or it may be nobody's filter in
# particular, and be the best for a concept because some filter has to be.
#
# *Question.* For how many concepts is a filter the best one, and is that more than a lottery would give?

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
# > Filters are shared. One filter of the last layer outlines sheep, horse and cow; another one fires on wheels and on
# > vehicles. Counting, for each filter, the concepts it is best for, about 15 % of the filters of the first layer serve
# > 20 concepts or more in segmentation, 30 or more in classification. In most layers many filters are never chosen at
# > all {cite}`fong2018net2vec`.
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
# If a single filter is written as a vector of weights with a single one in it, the first is a special case of the
# second, and the library needs only one function for both.

# %%
import numpy as np
import pandas as pd

from n2vlib import charts, look, tables
from n2vlib.analysis import sharing
from n2vlib.methods import classification, single_filter

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps", "training images", "validation images", "images without it")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
layers = n2vlib.read_layers(network, LAYERS, probe, tau=TAU, device=DEVICE, store=n2vlib.Store(STORE))
outlined = {name: single_filter.align(layer, probe) for name, layer in layers.items()}
recognised = {name: classification.align(layer, probe, epochs=EPOCHS, seed=SEED) for name, layer in layers.items()}

# %%
chosen = pd.concat([sharing.strongest_filters(found) for found in (*outlined.values(), *recognised.values())])
layer, deepest = layers[LAYERS[-1]], chosen.query("layer == @LAYERS[-1]")
charts.table(
    deepest.query("task == 'segmentation'")[["name", "category", "filter"]].head(4), f"{layer.name}, segmentation"
)

# %% [markdown]
# ## By hand, one filter
#
# The filter that is best for most concepts in the deepest layer. We go through the concepts one by one, look for the
# largest number of each, and count how often it is this filter's.

# %%
served = sharing.concepts_served(chosen)
busiest = served.query("task == 'segmentation' and layer == @layer.name").nlargest(1, "concepts").iloc[0]
k, train = int(busiest["filter"]), single_filter.set_iou(layer, probe, "train")
concepts = deepest.query("task == 'segmentation'")
places = [probe.concepts.index.get_loc(c) for c in concepts["concept"]]
names = [name for name, at in zip(concepts["name"], places, strict=True) if train[:, at].argmax() == k]
assert len(names) == busiest["concepts"]
print(f"{layer.name}, filter {k}: best for {len(names)} of {len(places)} concepts: {', '.join(names)}")

# %% [markdown]
# Is there a word for what these have in common? Keep the list in mind.
#
# ## One filter, several concepts
#
# The paper's Figure 4 is a filter of this kind: three animals, one filter. Ours is chosen by a rule. Among the objects
# (among all concepts, if no two objects share a filter) we look for three of one category that share their best filter,
# and take the group whose worst member is outlined best, on training images. Shown are the validation images of each
# concept with the highest individual IoU for that filter.

# %%
scores = pd.concat([found.scores for found in outlined.values()])
best = tables.best_filters(scores, layer.name, split="train")
objects = look.preferred(best, "object")
group = sharing.most_shared(objects if objects["filter"].duplicated().any() else best)
charts.table(
    group.rename(columns={"value": "set_iou"}), f"{layer.name}: one filter, and its set IoU on training images"
)

# %%
from n2vlib import gallery
from n2vlib.iou import single_filter_mask
from n2vlib.probe.occurrences import presence

pairs, shared = outlined[layer.name].pairs.query("split == 'val'"), int(group["filter"].iloc[0])
shown = pd.concat([pairs.query("concept == @c").nlargest(4, "individual_iou") for c in group["concept"]])
masks = [single_filter_mask(layer.fired_in(i)[shared], probe.label_size, align_corners=True) for i in shown["image"]]
truth = [probe.annotated(c, i) for c, i in zip(shown["concept"], shown["image"], strict=True)]

# %%
word = probe.concepts["name"]
captions = [gallery.caption(word[row.concept], row.individual_iou, row.image) for row in shown.itertuples()]
pictures = [probe.image(i) for i in shown["image"]]
gallery.show(
    pictures, captions, annotated=truth, predicted=masks, columns=4, heading=f"filter {shared} of {layer.name}"
)

# %% [markdown]
# The pictures are the filter's best, chosen for their IoU; the chapter on [non-maximal examples](non-maximal) shows the
# others. What do the concepts have in common? There is a cheap explanation to rule out. Concepts that come together, as a cow and the fence around it,
# can share a filter without having anything in common: the filter answers to one of them and lies on the other. So we
# split the validation images of each concept by whether another one of the group is in them, and pool each part.

# %%
company = presence(probe)[group["concept"]].sum(axis=1) > 1
split = pairs.loc[pairs["concept"].isin(group["concept"])].assign(
    company=lambda rows: company.loc[rows["image"]].to_numpy()
)
sums = split.groupby(["concept", "company"])[["intersection", "predicted", "annotated"]].sum()
ious = sums["intersection"] / (sums["predicted"] + sums["annotated"] - sums["intersection"])
sums = sums.assign(set_iou=ious, images=split.groupby(["concept", "company"]).size()).reset_index()
shown_alone = sums.assign(name=sums["concept"].map(word), others=np.where(sums["company"], "with others", "alone"))
charts.table(
    shown_alone[["name", "others", "images", "set_iou"]],
    f"Filter {shared}: set IoU where a concept is alone, and with others of the group",
)
if not company.to_numpy()[probe.split == "val"].any():
    print("No validation image holds two of them.")

# %% [markdown]
# If the filter still finds a concept that is alone, company is not the reason. There is a second cheap explanation:
# place. A filter that fires mostly along one edge of the picture agrees with whatever lies there.

# %%
pointers, code = layer.fired
row = code // layer.grid[1] % layer.grid[0]
mine = code // (layer.grid[0] * layer.grid[1]) == shared
thirds = np.bincount(row[mine] * 3 // layer.grid[0], minlength=3) / mine.sum()
print(
    f"Filter {shared} fires in the upper third of the map for {thirds[0]:.0%} of its places, in the middle third for {thirds[1]:.0%},"
)
print(f"in the lower third for {thirds[2]:.0%}.")

# %% [markdown]
# Only if neither company nor place will do is it something about the concepts themselves. A rule chose this group, so it
# may well be one that a person would not have picked for a figure.
#
# The paper's other example goes from a part to the whole: a filter that is best for *wheel* also answers to vehicles. We
# take the part that is outlined best (without parts, the concept that is outlined best) and ask which other concepts
# its filter agrees with, now on validation images. *Rank* says how many filters of the layer are better for that
# concept, counting this one.

# %%
iou = pd.DataFrame(single_filter.set_iou(layer, probe, "val").T, index=probe.concepts.index)
part = look.preferred(best, "part").iloc[0]
rank = iou.rank(axis=1, ascending=False, method="min")[part["filter"]].astype(int)
others = probe.concepts.assign(set_iou=iou[part["filter"]], rank=rank).query("segmentable").nlargest(8, "set_iou")
caption = f"{layer.name}, filter {part['filter']}, the best for {part['name']}: concepts it agrees with most"
charts.table(others[["name", "category", "set_iou", "rank"]], caption)

# %% [markdown]
# A part lies on its whole, so a filter that outlines a part overlaps the whole as well; that alone is no sharing. It
# becomes sharing where the filter ranks high for the whole too, or for wholes of different kinds.
#
# ## All filters, all layers
#
# Figure 5 of the paper, with its bins: for how many concepts is each filter the best one? Zero means never chosen. The
# diamonds with upright lines are a lottery in which every concept draws its filter by lot, all filters alike.

# %%
shares, lottery = sharing.in_bins(served), sharing.if_at_random(chosen, seed=SEED)
summary = sharing.summary(served)
ends = sharing.if_at_random(chosen, seed=SEED, level=0.9).query("concepts == '0'").set_index(["task", "layer"])["high"]
more = int((summary.set_index(["task", "layer"])["never"] > ends).sum())
title = f"More filters are never chosen than 95% of lotteries leave in {more} of {len(summary)} cases"
charts.concepts_per_filter(shares, title, lottery)

# %% [markdown]
# The lottery is not a straw man. With $C$ concepts and $K$ filters, a filter is left out by all with probability
# $(1 - 1/K)^C$, and a wide layer has many such filters for no other reason than that there are more filters than
# concepts. Only what exceeds the lottery says something about the network.

# %%
charts.table(summary, "Filters and concepts; never: share of filters that are best for no concept", rows=20)

# %% [markdown]
# The bar labelled 0 deserves care. A script in the released repository labels its axis like the paper's and counts other
# bins: its first bar holds all filters that serve 0 to 10 concepts. How different would the figure look?

# %%
zero = served.groupby("task", sort=False)["concepts"].agg(
    labelled=lambda counts: (counts == 0).mean(), counted=lambda counts: (counts <= 10).mean()
)
for task, row in zero.iterrows():
    print(
        f"{task}: {row['labelled']:.0%} of all filters serve no concept; the script's first bar would hold {row['counted']:.0%}"
    )

# %%
both = summary.melt(["task", "layer"], ["never", "never_at_random"], value_name="share")
both["series"] = both["variable"].map({"never": "", "never_at_random": "chance, "}) + both["task"]
low, high = summary["never"].min(), summary["never"].max()
title = f"Between {low:.0%} and {high:.0%} of the filters are never chosen"
charts.by_layer(both, "share", title, "share of filters never chosen", "series", fmt=".0%")

# %% [markdown]
# ## The first layer, beside the published number
#
# The paper gives two numbers for the first layer: the mean number of concepts for each filter, and the share of filters
# that serve many. The mean is arithmetic, so it can be checked without data: which numbers of filters make both printed
# means come out of the printed numbers of concepts?

# %%
from n2vlib import published

counts = published.table("net2vec_dataset_counts").set_index("quantity")["value"].astype(float)
concepts = {"segmentation": counts["concepts_segmentation"], "classification": counts["concepts_image_level"]}
printed = {task: counts[f"conv1_concepts_per_filter_{task}"] for task in concepts}
widths = [n for n in range(1, 1025) if all(round(concepts[task] / n, 1) == printed[task] for task in concepts)]
means = " and ".join(f"{mean} ({task})" for task, mean in printed.items())
print(f"concepts per filter, as printed: {means}; that means {' or '.join(map(str, widths))} filters")

# %% [markdown]
# The AlexNet of Krizhevsky {cite}`krizhevsky2012imagenet` has 96 filters in its first layer, torchvision's has 64. The
# printed means settle which of the two was used for this figure.
#
# The share of busy filters is harder to compare, because with fewer concepts no filter can serve 20 or 30 of them. So
# beside the printed cut we use a relative one: as many times the mean as the printed cut is of the printed mean.

# %%
claims = published.table("net2vec_quantitative_claims").set_index("claim_id")["value"].astype(float)
cuts = {"segmentation": claims["n2v_c10"], "classification": claims["n2v_c11"]}
first = served.query("layer == @LAYERS[0]")
ours = first.groupby("task")["concepts"].mean()
relative = {task: cuts[task] / printed[task] * ours[task] for task in cuts}
busy = sharing.busy(first, cuts).merge(sharing.busy(first, relative), on=["task", "layer"], suffixes=("", "_relative"))
charts.table(
    busy.assign(published=claims["n2v_c9"] / 100), f"{LAYERS[0]}: share of filters that serve at least so many"
)

# %% [markdown]
# ## Are those who share alike?
#
# Sheep, horse and cow are all animals. Is that typical? Of all pairs of concepts that have the same best filter, how
# many are of one category, and how many would be if sharing had nothing to do with kind?

# %%
alike = sharing.alike(chosen)
charts.table(alike, "Pairs of concepts with one best filter: share within a category; any_two: of all pairs", rows=20)

# %% [markdown]
# Where *same* is no larger than *any_two*, concepts of one category share filters no more than concepts of different
# categories do, and a picture like Figure 4 is an example, not the rule. A category is a coarse measure of likeness. But
# it is one that nobody chose after looking at the result.
#
# ## How sure is a best filter?
#
# A best filter is the winner of a race between all filters of a layer, on a limited number of images. When the race is
# close, other images would have had another winner, and a count of winners counts luck. So we run the race again, on
# training images drawn with replacement, 200 times, and see how often the same filter wins.

# %%
from n2vlib.analysis import uncertainty

races = {name: uncertainty.best_filter_stability(each, probe, seed=SEED) for name, each in layers.items()}
table = pd.concat(race.assign(layer=name) for name, race in races.items())
sure = table.groupby("layer", sort=False)["share"].agg(
    concepts="size",
    median="median",
    nearly_always=lambda share: (share >= 0.95).mean(),
    under_half=lambda share: (share < 0.5).mean(),
)
charts.table(
    sure.reset_index(), "Share of draws in which the same filter wins: median, and share of concepts at both ends"
)

# %% [markdown]
# The same draws say how sure the share of filters that are *never* chosen is: in each, other filters are left out.

# %%
counted = chosen.query("task == 'segmentation'").groupby("layer")["concept"].agg(list)
never, rows = summary.query("task == 'segmentation'").set_index("layer")["never"], []
for name, each in layers.items():
    won = uncertainty.best_filter_draws(each, probe, seed=SEED)[counted[name]]
    left_out = 1 - won.where(won >= 0).nunique(axis=1) / each.n_filters
    low, high = uncertainty.around(never[name], left_out.to_numpy())
    rows.append({"layer": name, "never": never[name], "low": low, "high": high})
charts.table(pd.DataFrame(rows), "Segmentation: share of filters never chosen, with 95% over draws of training images")

# %% [markdown]
# Winners by luck are spread over the filters like lots, so they pull the histogram towards the lottery. If we keep only
# the concepts whose filter wins at least half of the draws, are even fewer filters in use, compared with a lottery of as
# many concepts?

# %%
steady = table.loc[table["share"] >= 0.5, ["layer", "concept"]]
kept = chosen.query("task == 'segmentation'").merge(steady, on=["layer", "concept"])
compared = {"all": summary.query("task == 'segmentation'"), "steady": sharing.summary(sharing.concepts_served(kept))}
frame = pd.concat(
    one.assign(kept=name, in_use=(1 - one["never"]) / (1 - one["never_at_random"])) for name, one in compared.items()
)
shown = frame[["kept", "layer", "concepts", "never", "never_at_random", "in_use", "most"]]
charts.table(shown, "Segmentation; in_use: filters that are best for a concept, in multiples of the lottery's", rows=20)

# %%
in_use = frame.groupby("kept")["in_use"].mean()
print(
    f"Filters in use, mean over layers: {in_use['all']:.2f} of the lottery's with all concepts, {in_use['steady']:.2f} with the steady ones."
)

# %% [markdown]
# For classification the question is another one. The weights begin at random, and where learning is slow the largest
# weight may be the one that was largest at the start: then *best filter* is a lottery by construction. The chapter on
# [classification](classification) shows how slow it can be. How many best filters were the largest before anything was
# learned? And how often do both tasks agree on the best filter?

# %%
classified = chosen.query("task == 'classification'")
largest = {name: found.start.abs().idxmax(axis=1) for name, found in recognised.items()}
classified = classified.assign(
    at_start=[row.filter == largest[row.layer][row.concept] for row in classified.itertuples()]
)
in_both = classified.merge(chosen.query("task == 'segmentation'"), on=["layer", "concept"], suffixes=("", "_seg"))
agree = (in_both["filter"] == in_both["filter_seg"]).groupby(in_both["layer"], sort=False).mean()
start = classified.groupby("layer", sort=False).agg(
    largest_at_start=("at_start", "mean"), one_in_filters=("n_filters", lambda n: 1 / n.iloc[0])
)
charts.table(
    start.assign(same_in_both_tasks=agree).reset_index(), "Classification: share of concepts whose best filter ..."
)

# %% [markdown]
# The column *one_in_filters* is what a lottery gives for both. A number well above it under *largest_at_start* says that
# part of the classification histogram shows the random start and not the network.
#
# ## What we see

# %%
for task, rows in summary.groupby("task", sort=False):
    widest, beyond = rows.loc[rows["most"].idxmax()], rows["never"] - rows["never_at_random"]
    print(f"{task}: one filter of {widest['layer']} is the best for {widest['most']} concepts; never chosen are")
    print(
        f"  {rows['never'].min():.0%} to {rows['never'].max():.0%} of the filters, {100 * beyond.min():+.0f} to {100 * beyond.max():+.0f} percentage points more than by lot."
    )

# %% [markdown]
# ## Where we differ
#
# - **The number of concepts decides the histogram.** The default run has about a sixth of the paper's concepts and layers
#   half as wide or less: fewer concepts for each filter, so more filters must stay unchosen. That is why the lottery and
#   the relative cut are here; the paper has neither.
# - **Bins.** The text's bins are used. A script in the released repository counts filters that serve 0 to 10 concepts in
#   the bar that its axis labels 0.
# - **Which concepts count.** All that have a best filter and at least one validation image; the paper leaves out eight
#   scenes without validation images, too.
# - **Classification weights** are learned from raw averages, as released. A loud filter and a quiet one with the same
#   message get weights of different size, so *largest weight* is not *largest influence*.
#
# ## Exercises
#
# 1. A filter that is second best by a hair is not counted. For how many concepts is each filter among the best three?
# 2. Weigh each concept by its validation set IoU instead of counting it. Do the busy filters stay busy?
# 3. Run the chapter with `NETWORK=small-alexnet-random`. Do filters that nobody trained share more or less?

# %% tags=["solution", "hide-input"]
three = np.argsort(-train[:, places], axis=0, kind="stable")[:3]
among = np.bincount(three.ravel(), minlength=layer.n_filters)
print(
    f"{layer.name}: {(among == 0).mean():.0%} of the filters are among the best three of no concept; by lot it would be"
)
print(f"{(1 - 3 / layer.n_filters) ** len(places):.0%}. The busiest is among the best three of {among.max()} concepts.")

# %% [markdown]
# ## Take-away
#
# - Filters are shared, and the count of concepts for each filter says how unevenly.
# - A histogram of winners needs a lottery beside it, and a check of how often the race is close.
# - That concepts share a filter does not say why. Alike concepts are one reason; too few filters is another.
#
# So far all of this is one network. The next chapter asks how much of it belongs to
# [architecture, data and task](architectures).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
