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
# # Verdict: Network Dissection
#
# *Network Dissection, sections 3 and 4.* The chapters measured what filters detect. This one takes what the paper says
# about it, sentence by sentence: each sentence becomes a number with a criterion, is measured, and holds or does not.
#
# *Question.* Which of these sentences are true of other networks and other images than the paper's?

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
NETWORKS: list = "zoo/architectures"  # compared with NETWORK; keys: network, layer, ...
CONDITIONS: list = "zoo/conditions"  # repeats, without dropout, with batch norm
SNAPSHOTS: list = "zoo/start-and-end"  # one network early and late in its training
TO_SCENES: list = "zoo/to-scenes"  # trained on objects; before and after scenes
TO_OBJECTS: list = "zoo/to-objects"  # trained on scenes; before and after objects
WIDTHS: list = "zoo/width"  # one architecture and task, the narrow one first
ALPHAS: list = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]  # of the full rotation: 0 none, 1 all
ROTATIONS: int = 5  # how many rotations are drawn
TAUS: list = [0.005, 0.04]  # shares of all places; smallest and largest are compared
IOU_THRESHOLD: float = 0.04  # dissection IoU above which a filter is a detector
C: float = 0.001  # weight of the support vector machine's errors against its weights

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## Where everything is
#
# Every figure, table and sentence of the paper with something to compute, and the section of this book that computes
# it. The list is a file; each of its rows names a chapter and a heading, to which the table links. *Runs* means here,
# on the images and networks that come with this book.

# %%
from n2vlib import charts, claims
from n2vlib.claims import coverage

covered = coverage.shown("netdissect", "book/verdict/netdissect")
title = f"{covered['runs'].sum()} of {len(covered)} run"
shown = covered.drop(columns=["runs", "link"])
charts.table(shown, title, links={"section": covered["link"].to_list()})

# %% [markdown]
# ## What it takes to hold
#
# > The claims stand in sections 3 and 4: labels belong to the filters of a layer and not to any direction; depth,
# > architecture, training task and training conditions decide how many detectors there are and of which kind; the
# > labels change with a new task and with the threshold {cite}`zhou2019interpreting`.
#
# The rule is that of the [verdict on Net2Vec](net2vec), equation {eq}`eq-holds`: a claim is one number and a criterion,
# and it holds if the whole 95% interval of the number lies beyond the criterion. It does not hold if the whole interval
# lies on the other side, and is undecided otherwise.
#
# The criteria give the words of the paper a number, and were written down before this chapter first ran: *most* is more
# than 50 percent, *about half* more than 25, *about the same* within 25 percent, *almost none* less than 5, *almost
# uncorrelated* a correlation below 0.3, *as accurate* within one point, and *more* is more than 0.
#
# Most numbers here are counts of unique detectors. Two counts are compared by how many percent *fewer* the one is that
# the claim calls the lower: 100 if it is zero, below 0 if it is in fact the higher.
#
# Where do the intervals come from? Training could have ended with other filters. So a fifth of the filters of each
# layer is left out, again and again, and the spread of the number gives its interval. Layers of different networks
# are taken to be independent. For accuracies of classifiers the images are drawn again, for correlations the objects
# or networks.
#
# The rotations are few and random; others would have given other numbers. The claims about them take the mean over
# rotations, and a second interval around it, by Student's t from the number that each rotation gives. The two sources
# of chance are independent, so the squares of the two half-widths add up. Directions of a rotated layer are not left
# out: they are what a rotation draws.
#
# These intervals do not cover **another training** of the same network, nor other images. For the first we have
# repeats, networks trained again from other random weights; their range stands in the note of every claim about
# training conditions.

# %%
listed = claims.table("netdissect")
columns = ["id", "claim", "number", "holds if", "published", "section"]
charts.table(claims.in_words(listed)[columns], "The claims", digits=2)

# %% [markdown]
# *Side* says whether the number must be above or below the criterion.
#
# ## Measured by the chapters' own calls
#
# The layers are the same as in the chapters, so they are found in the store. The names of the groups are those by which
# the claims find their layers. Of each layer we keep one table: the best concept of every filter.

# %%
from n2vlib.analysis import detectors
from n2vlib.claims import dissected

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
own = {"network": NETWORK, "weights": WEIGHTS, "preprocessing": PREPROCESSING}
options = {"tau": TAU, "device": DEVICE, "store": store}
rows = {
    dissected.ENDS: [{**own, "layer": LAYERS[-1]}, *NETWORKS],
    dissected.TRAININGS: CONDITIONS,
    dissected.ALONG: SNAPSHOTS,
    dissected.WIDTHS: WIDTHS,
    dissected.TO_SCENES: TO_SCENES,
    dissected.TO_OBJECTS: TO_OBJECTS,
}

# %%
networks, _ = detectors.read(probe, rows[dissected.ENDS], seed=SEED, **options)
layers = {}
for group, some in rows.items():
    layers[group] = detectors.read(probe, some, seed=SEED, **options)[1]
each = [{**own, "layer": layer} for layer in LAYERS]
own_layers = detectors.read(probe, each, seed=SEED, **options, with_layer=True)[1]
layers[dissected.OWN] = own_layers

# %% [markdown]
# Two more groups come from the last layer: rotated at random, as in the [chapter on
# rotations](../netdissect/axis-aligned), and with filters that fire more often, as in the [chapter on
# thresholds](../netdissect/threshold).

# %%
from n2vlib.analysis import rotation

network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
name = LAYERS[-1]
plain = n2vlib.read_layers(network, [name], probe, **options)[name]
turns = [rotation.random_rotation(plain.n_filters, SEED + i) for i in range(ROTATIONS)]
steps = rotation.copies(ALPHAS, ROTATIONS)
matrices = {label: rotation.power(turns[i], alpha) for label, alpha, i in steps}
rotated = rotation.rotated(network, name, matrices)
turned = n2vlib.read_layers(rotated, list(matrices), probe, **options)

# %%
full = {f"rotation {i}": turned[f"rotation {i}, alpha 1"] for i in range(ROTATIONS)}
layers[dissected.ROTATIONS] = {"as trained": plain, **full}
loose = {**options, "tau_max": max([TAU, 0.04, *TAUS])}
deepest = n2vlib.read_layers(network, [name], probe, **loose)[name]
ends = {f"tau {tau:g}": deepest.at(tau) for tau in (min(TAUS), max(TAUS))}
layers[dissected.TAUS] = ends

# %% [markdown]
# Three claims need more than detectors: the similarity of concepts, the accuracy of small classifiers (*heads*) on the
# layer as trained and rotated, and the accuracy of linear classifiers of scenes on every network.

# %%
from dataclasses import replace

from n2vlib.analysis import concept_similarity

here = dissected.of_layers(layers, probe, IOU_THRESHOLD, networks)
here = replace(
    here,
    near=concept_similarity.nearness(concept_similarity.described(probe, seed=SEED)),
    right=dissected.heads(plain, full, probe, epochs=EPOCHS, seed=SEED),
    accuracy=dissected.scene_accuracy(layers[dissected.ENDS], probe, C),
)

# %% [markdown]
# Now every claim is checked.

# %%
import pandas as pd

found = claims.check(here)
measured = found[found["holds"] != claims.NOT_MEASURED]
answers = [claims.YES, claims.UNDECIDED, claims.NO, claims.NOT_MEASURED]
rows = []
for answer in answers:
    ids = list(found.loc[found["holds"] == answer, "id"])
    rows.append((answer, len(ids), ", ".join(ids)))
table = pd.DataFrame(rows, columns=["holds", "claims", "which"])
charts.table(table, f"{len(measured)} of {len(found)} measured")

# %% [markdown]
# ## By hand, one claim
#
# The claim is that a full rotation costs most unique detectors. The dissection IoU of a layer is a table with a row
# for each filter and a column for each concept. We take the best concept of each row, keep those above the IoU
# threshold, and count how many different ones there are, for the layer as trained and after each rotation.

# %%
import numpy as np

from n2vlib.methods import dissection


def unique_detectors(iou):
    """How many concepts a table of dissection IoU, (filter, concept), detects."""
    return len(set(iou.argmax(1)[iou.max(1) > IOU_THRESHOLD]))


# %%
iou = [dissection.dissection_iou(layer, probe) for layer in (plain, *full.values())]
before = unique_detectors(iou[0])
after = np.mean([unique_detectors(each) for each in iou[1:]])
effect = 100 * (1 - after / before) if before else np.nan
row = found[found["id"] == "rotation-fewer"].iloc[0]
assert np.isclose(effect, row["value"], equal_nan=True)

# %% [markdown]
# Then the interval. One draw leaves out a random fifth of the filters of the layer as trained and computes the number
# again; the library makes 200 draws. A layer that has lost $d$ of its $n$ filters differs less from the whole layer
# than a newly trained layer would. So the standard deviation of the draws is multiplied by $\sqrt{(n - d)/d}$, which
# is 2 for a fifth. 1.96 times the product is the half-width over filters. The half-width over rotations comes from the
# number that each of them gives.

# %%
from n2vlib import tables

rng = np.random.default_rng(SEED)
kept = rng.permutation(len(iou[0]))[len(iou[0]) // 5 :]
less = unique_detectors(iou[0][kept])
rows = [("all", before, after), ("without a fifth of the filters", less, after)]
left = map(unique_detectors, iou[1:])
rows += [(label, before, each) for label, each in zip(full, left, strict=True)]
columns = ["filters and rotations", "unique detectors, as trained", "rotated"]
by_hand = pd.DataFrame(rows, columns=columns)
ratio = by_hand["rotated"] / by_hand[columns[1]].replace(0, np.nan)
by_hand["fewer, %"] = 100 * (1 - ratio)
half = tables.half_width(by_hand["fewer, %"].iloc[2:].to_numpy())
words = f"{half:.1f}" if np.isfinite(half) else "unknown"
print(f"Half-width over the {ROTATIONS} rotations: {words}")

# %%
title = f"Interval {row['low']:.0f} to {row['high']:.0f},"
title += f" criterion {row['criterion']:.0f}: {row['holds']}"
if row["holds"] == claims.NOT_MEASURED:
    title = f"{row['holds'].capitalize()}: the layer has too few detectors"
charts.table(by_hand, title, digits=1)

# %% [markdown]
# ## Claims that a count is lower than another
#
# Each row is a claim. The filled mark is this run with its interval, the hollow mark the paper's number, or one
# computed from the counts that the authors released. The upright tick is the criterion. A circle means that the claim
# holds. A cross means that the whole interval is on the wrong side of the criterion, a diamond that the interval
# contains it. If the hollow mark is far from the filled one, the claim can still hold: no criterion asks for the
# published number.


# %%
def forest(unit, axis):
    rows = measured[measured["unit"] == unit]
    if rows.empty:
        return "No claim of this kind was measured."
    hold = (rows["holds"] == claims.YES).sum()
    return charts.forest(rows, f"{hold} of {len(rows)} claims hold: {axis}", axis)


forest("fewer", "percent fewer unique detectors")

# %% [markdown]
# ## Claims that are shares
#
# First shares of filters, then differences of two shares or accuracies in percentage points. A difference of zero means
# that both networks or layers are alike in this respect.

# %%
forest("percent", "percent")

# %%
forest("points", "difference, percentage points")

# %% [markdown]
# ## Claims about single kinds of detectors, and about correlations
#
# First differences of the number of unique detectors of one category, then correlations. For
# `how-many-how-good` the number is the size of the correlation, whatever its sign, and should be small.

# %%
forest("concepts", "difference of unique detectors")

# %%
forest("number", "correlation")

# %% [markdown]
# ## Every claim
#
# The same in numbers. In the second table *over* says what was drawn again for the interval, and *note* which layers or
# counts decided.

# %%
columns = ["id", "holds", "claim", "this run", "holds if", "published"]
title = "Every claim of the paper, with its 95% interval"
charts.table(claims.in_words(found)[columns], title, digits=2)

# %%
title = "What was drawn again for the interval, and what decided"
charts.table(found[["id", "section", "over", "note"]], title)

# %% [markdown]
# ## Do the names behind the claims come again?
#
# Every claim counts names, and a name can be an accident of the images, as the chapter on
# [how sure a name is](../netdissect/how-sure) shows. The table takes the last layer of each group of layers and asks
# how often both halves of the images choose the name of a detector. Where that is seldom, a claim that rests on the
# group rests on names that other images would not give; the title says so.

# %%
from n2vlib.significance import names

last = {group: list(some.values())[-1] for group, some in layers.items() if some}
again = names.come_again(last, probe, IOU_THRESHOLD, seed=SEED)
again = again.assign(again=100 * again["again"]).rename(columns={"label": "group"})
weak = ", ".join(again.loc[again["again"] < 50, "group"]) or "no group"
title = f"Names that mostly do not come again: {weak}"
again = again.rename(columns={"again": "names that come again, %"})
charts.table(again, title, digits=0)

# %% [markdown]
# ## What does not hold, and why
#
# The claims that are refuted or undecided here. *Doubt* is the explanation that we would examine first; none of these
# explanations was tested.

# %%
failing = measured[measured["holds"] != claims.YES]
failing = claims.in_words(failing.sort_values("holds", kind="stable"))
columns = ["id", "holds", "claim", "this run", "holds if", "doubt"]
charts.table(failing[columns], "Not so here")

# %% [markdown]
# **Could another training change the answer?** For counts of two trained networks the repeats tell how large a
# difference the random seed alone makes. A difference between two other networks that is not larger than the one
# between the two most different repeats may be chance too. It is given in percent of the higher count (the claim
# `repeats` above divides the same difference by the mean).

# %%
from n2vlib.claims.detectors import unique
from n2vlib.claims.training import under

repeats = under(here, "repeat")
sizes = {k: unique(rows) for k, rows in repeats.items()}
sizes_of = list(sizes.values())
chance, title = np.nan, "Too few repeats to compare"
if len(sizes) > 1 and max(sizes_of):
    chance = 100 * (1 - min(sizes_of) / max(sizes_of))
    title = f"The lowest has {chance:.0f}% fewer than the highest"
table = pd.DataFrame({"repeat": list(sizes), "unique detectors": sizes_of})
charts.table(table, title)

# %% [markdown]
# Which claims compare two trained networks and stay within this range? For counts of one category, the range is that of
# the repeats in this category.

# %%
two = ["resnet-alexnet", "vgg-googlenet", "scenes-objects", "supervised-most"]
two += ["batch-norm", "to-scenes", "to-objects", "wider"]
small = measured["id"].isin(two) & (measured["value"].abs() <= chance)
within = list(measured.loc[small, "id"])
without_dropout = under(here, "no dropout").values()
for id_, kind in (("no-dropout-textures", "texture"), ("no-dropout-objects", "object")):
    numbers = [unique(rows, kind) for rows in without_dropout]
    usual = [unique(rows, kind) for rows in repeats.values()]
    if len(usual) > 1 and any(min(usual) <= n <= max(usual) for n in numbers):
        within.append(id_)
print("Within the range of the repeats, whatever their interval says:", end=" ")
print(", ".join(within) or "none")

# %% [markdown]
# The claim `wider` compares the wide networks with one training of the narrow one. Here is the comparison with the
# repeat that has the most unique detectors.

# %%
wide = list(here.layers(dissected.WIDTHS).values())[1:]
fewest = min((unique(rows) for rows in wide), default=0)
most = max(sizes.values(), default=0)
if fewest and most:
    print(f"{most} unique detectors, against {fewest} in the wide network", end=" ")
    print("that has least:", end=" ")
    print(f"{100 * (1 - most / fewest):.0f}% fewer")

# %% [markdown]
# **Do networks with few detectors decide?** The claim about textures takes the mean of the shares of the networks, so a
# network with few detectors weighs as much as one with many. Here is the share among all detectors together, for the
# supervised and the self-supervised networks of the first network's architecture.

# %%
same = networks[networks["architecture"] == networks["architecture"].iloc[0]]
rows = []
trained = same[same["training"] != "random"].groupby("training", sort=False)["label"]
for training, labels in trained:
    best = pd.concat([here.layers(dissected.ENDS)[label] for label in labels])
    detect = best[best["detector"]]
    textures = (detect["category"] == "texture").mean()
    rows.append((training, len(labels), len(detect), textures))
columns = ["training", "networks", "detectors", "share for textures"]
charts.table(pd.DataFrame(rows, columns=columns), digits=2)

# %% [markdown]
# **Does the IoU threshold decide?** Counts of detectors depend on it, so claims that compare two counts could change
# with it. The same claims at half and at twice the threshold; the last column says whether the answer changes.

# %%
counted = measured[measured["unit"].isin(["fewer", "concepts"])].set_index("id")
values, answers = {}, {}
for iou_threshold in (IOU_THRESHOLD / 2, IOU_THRESHOLD, 2 * IOU_THRESHOLD):
    at = dissected.of_layers(layers, probe, iou_threshold, networks)
    at = claims.check(at, list(counted.index)).set_index("id")
    values[f"at {iou_threshold:g}"], answers[iou_threshold] = at["value"], at["holds"]
differs = pd.DataFrame(answers).nunique(axis=1) > 1

# %%
units = {"fewer": "% fewer", "number": "correlation", "concepts": "unique detectors"}
by_threshold = pd.DataFrame(values).assign(
    criterion=counted["criterion"], unit=counted["unit"].replace(units),
    answer=differs.map({True: "changes", False: "stays"}),
)  # fmt: skip
title = f"{differs.sum()} of {len(differs)} claims about counts have another answer"
title += " at half or twice the IoU threshold"
charts.table(by_threshold.reset_index(), title, digits=1, rows=20)

# %% [markdown]
# ## Would a randomly initialised network pass?
#
# We check the claims about one network on the same architecture with random weights. A claim that holds for both is a
# property of such layers, or of the method, and no evidence of what training does. The random network is rotated once,
# so its intervals do not cover other rotations.

# %%
from n2vlib.networks.load import randomly_initialised

untrained_network = randomly_initialised(network, SEED)
untrained = n2vlib.read_layers(untrained_network, LAYERS, probe, **options)
below = n2vlib.read_layers(untrained_network, [name], probe, **loose)[name]
copies = {"untrained": np.eye(plain.n_filters), "turned": turns[0]}
rotated = rotation.rotated(untrained_network, name, copies)
copies = n2vlib.read_layers(rotated, list(copies), probe, **options)

# %%
groups = {dissected.OWN: untrained}
groups[dissected.ENDS] = {untrained_network.name: untrained[name]}
groups[dissected.ROTATIONS] = copies
ends = {f"tau {tau:g}": below.at(tau) for tau in (min(TAUS), max(TAUS))}
groups[dissected.TAUS] = ends
training, turned = {"epochs": EPOCHS, "seed": SEED}, {"turned": copies["turned"]}
right = dissected.heads(copies["untrained"], turned, probe, **training)
blank = dissected.of_layers(groups, probe, IOU_THRESHOLD, pd.DataFrame())
blank = replace(blank, right=right)
of_one_network = claims.table("netdissect").query("decided_by == 'network'")["id"]
blank = claims.check(blank, list(of_one_network)).set_index("id")

# %%
beside = found[found["id"].isin(blank.index)]
beside = beside[["id", "claim", "value", "criterion", "holds"]]
random = blank.loc[beside["id"], ["value", "holds"]]
random = random.set_axis(["random", "random holds"], axis=1)
beside = beside.join(random, on="id")
holding = beside[beside["holds"] == claims.YES]
both = (holding["random holds"] == claims.YES).sum()
title = f"{network.name}, trained and random: of {len(holding)} claims that hold,"
title += f" {both} hold with random weights too"
charts.table(beside.drop(columns="claim"), title, digits=2)

# %% [markdown]
# A claim that cannot be measured on the random network has nothing to count there: too few of its filters are
# detectors.
#
# ## What we see
#
# The answers by section of the paper. The caption compares those claims for which a number was published.

# %%
title = claims.beside_published(measured)
charts.table(claims.by_section(measured), title, rows=20)

# %% [markdown]
# ## Where we differ
#
# - **Words became numbers**, as in the verdict on Net2Vec; with the numbers of the table another criterion can be
#   applied.
# - **Published numbers.** Most of the paper's figures have no numbers. The hollow marks about architectures, training
#   tasks, batch norm and width are computed from the counts that the authors released with the conference paper. These
#   count a filter in every category in which it detects something, so they are a little higher than by the paper's own
#   rule. Differences and ratios are ours.
# - **The published share of textures** is that of the AlexNets of this release; it has ten self-supervised networks.
# - **Textures.** The share is a mean over networks. The shares among all detectors together are in a table above.
# - **One number twice.** `low-layers` and `high-layers` are about the same shares: where no material is detected, the
#   second is one minus the first. The paper says that these kinds lead; we measure that their share is larger.
# - **One architecture where the claim is about the training task.** Networks are compared with those of the same
#   architecture, and architectures with those trained for the same task. The paper's figures mix both.
# - **Independent layers.** A layer and the same layer after a second training are not independent. Where they rise and
#   fall together, the intervals of differences are too wide.
# - **One space is rotated.** The intervals of the claims about rotations cover other rotations of this space and other
#   filters of the layer as trained, not the space that another training would have made.
# - **No claim** is made of section 3.1, which asks people, of 3.5, which shows one network, and of 3.10, which shows
#   pictures.
#
# ## Exercises
#
# 1. Which claims change their answer when *most* is two thirds?
# 2. Take `small-alexnet-scenes` as `NETWORK`. Does the rotation cost more?
# 3. Add a fourth repeat to `CONDITIONS`. Does the range of the repeats grow?

# %% tags=["solution", "hide-input"]
bar = measured[measured["criterion"] == 50]
now = np.where(bar["high"] <= 200 / 3, claims.NO, claims.UNDECIDED)
now = np.where(bar["low"] > 200 / 3, claims.YES, now)
of_claims = " and ".join(bar["id"]) or "no claim"
print(f"1. With a criterion of two thirds, of {of_claims},", end=" ")
print(f"these change: {', '.join(bar.loc[now != bar['holds'], 'id']) or 'none'}")

# %% [markdown]
# ## Take-away
#
# - A sentence about networks is tested on networks; the fewer there are, the more of its answer is chance.
# - An interval covers only what was drawn again for it. Ours cover the filters, and the rotations where there are any;
#   for another training there are repeats.
# - A difference of two counts should be checked at more than one IoU threshold.

# %%
n2vlib.provenance(
    probe=probe, network=network, layers=layers[dissected.ENDS], seed=SEED
)
