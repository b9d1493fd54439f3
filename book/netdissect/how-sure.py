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
# # How sure is a name?
#
# *In neither paper.* Network Dissection names a filter after the concept with the largest IoU and calls it a detector
# above 0.04. The name and its score come from the same images, and nothing says what IoU would be reached by a filter
# that has nothing to do with any concept. This chapter asks two questions about every filter of one layer.
#
# *Questions.* Would other images give the same name? Would a filter get as good a name by chance?

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
REPEATS: list = "zoo/repeats"  # networks that differ only in the seed of their training
PERMUTATIONS: int = 200  # times that the annotations are dealt to other images
STARTS: int = 3  # seeds of the learned weights for Net2Vec's Table 1
IOU_THRESHOLD: float = 0.04  # a filter with a larger dissection IoU is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %%
from n2vlib.methods import dissection

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
n2vlib.need(probe, "pixel maps", "training images", "validation images")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
options = {"tau": TAU, "device": DEVICE, "store": store}
layers = n2vlib.read_layers(network, LAYERS[-1:], probe, **options)
layer = layers[LAYERS[-1]]
found = dissection.filters(layer, probe)
print(layer.silence or "No filter is dead or tied.")

# %% [markdown]
# ## Held out: the name on other images
#
# We divide the images into two halves, name every filter on one half, and look at the other half, which the choice has
# not seen. Two things can happen. The IoU can fall, because the best of many concepts was partly best by luck. And the
# other half can prefer another concept.
#
# By hand, for the filter with the best name: `masked` holds the masks of all filters and concepts, and `count` counts
# their pixels on any set of images. An entry of $-1$ leaves an image out.

# %%
import numpy as np

from n2vlib.significance import chance, family, held_out, sanity
from n2vlib.significance import names as naming
from n2vlib.significance import starts as learned_from

masked = family.family(layer, probe)
images = np.arange(len(probe))
order = np.random.default_rng(SEED).permutation(len(probe))
first = np.isin(images, order[: len(probe) // 2])
halves = np.stack([np.where(first, images, -1), np.where(first, -1, images)])
best = found.nlargest(1, "dissection_iou").iloc[0]
k, names = int(best["filter"]), masked.candidates["name"]
one, other = masked.count(halves).iou[:, k]

# %%
import pandas as pd

from n2vlib import charts, tables

columns = {"best on": ["one half", "the other half"]}
columns["concept"] = [names.iloc[half.argmax()] for half in (one, other)]
columns["IoU there"] = [one.max(), other.max()]
columns["IoU on the other"] = [other[one.argmax()], one[other.argmax()]]
charts.table(pd.DataFrame(columns), f"Filter {k}, named on each half")

# %% [markdown]
# One division is one draw. `held_out.halves` makes twenty, each read in both directions, for all filters. *Margin* is
# the lead of the best concept over the second on the half that chooses. If names with a small margin do not come again,
# the margin is a warning that costs nothing.

# %%
both = held_out.halves(masked, seed=SEED)
groups = tables.in_groups(both["margin"], ["smallest", "small", "large", "largest"])
by_margin = both.assign(margin=groups).groupby("margin", observed=True)
shares = by_margin.agg(
    again=("again", "mean"), chosen_on=("iou", "mean"), held_out=("held_out", "mean")
)
shares["again"] = (100 * shares["again"]).round().astype(int)
shares = shares.reset_index()
shares.columns = ["margin", "same name in the other half, %", "IoU", "held-out IoU"]
overall = round(100 * both["again"].mean())
title = f"Four groups of equal size: {overall}% of all names come again"
charts.table(shares, title)

# %% [markdown]
# The difference of the last two columns is what choosing on the same images adds to an IoU.
#
# ## Chance: annotations dealt to other images
#
# The IoU of a filter with no meaning is not zero. It fires somewhere, some concept covers that place in some images, and
# the name is the *best* of all concepts. To see how high this goes, we permute: every image gets the annotations of
# another image, drawn at random. What a filter does, what annotations look like and how often they occur stay the same.
# Only the connection between the filter and the content of the image is lost.
#
# By hand, one permutation for the same filter and its name. `masks` are its masks in the images where it fires.

# %%
from n2vlib.analysis.top_images import stored_maps

concept = int(best["concept"])
order = chance.permutation(np.zeros(len(probe), int), 0, SEED)
fires = np.flatnonzero(layer.highest[:, k] > layer.thresholds[k])
masks = {
    i: dissection.mask(layer, probe, stored_maps(layer, k, [i])[0], k) for i in fires
}

# %%
# order[j] is the image that gets the annotations of image j.
shows_category = masked.of(best["category"]).holders()
area = sum(
    masks[order[j]].sum() for j in np.flatnonzero(shows_category) if order[j] in masks
)
annotated = {j: probe.annotated(concept, j) for j in probe.images_with(concept)}
overlap = sum(
    (masks[order[j]] & annotated[j]).sum() for j in annotated if order[j] in masks
)
by_hand = overlap / (area + sum(mask.sum() for mask in annotated.values()) - overlap)
place = names.index.get_loc(concept)
assert np.isclose(by_hand, masked.count(order[None]).iou[0, k, place])
iou = best["dissection_iou"]
print(f"{best['name']}: IoU {by_hand:.3f} after the permutation, {iou:.3f} before")

# %% [markdown]
# The name was chosen as the best, so chance may choose as well: after each permutation every filter is named again,
# and what counts is its largest IoU over all concepts. The share of permutations in which that reaches the true IoU is
# the filter's *p*.
#
# It matters among which images the annotations are dealt. Among *all images*, a kitchen's annotation may land on a
# meadow. A filter that only tells indoors from outdoors then looks meaningful for *stove*. Permuting only among the
# images that show the *category* is stricter where a category is in few images. If a probe set names its sources (the
# first folder of each image), annotations can also stay within a source, because photographs of one source look alike.

# %%
n_sources = len(set(chance.sources(probe)))
among = [name for name in chance.AMONG if name != "source" or n_sources > 1]
by_chance = {
    name: chance.highest(masked, among=name, permutations=PERMUTATIONS, seed=SEED)
    for name in among
}

# %%
ious = {"true annotations": found["dissection_iou"].to_numpy()}
for name, highest in by_chance.items():
    ious[f"dealt to {chance.AMONG[name]}"] = highest[0].max(-1)
values = pd.concat([pd.DataFrame({"iou": iou, "of": of}) for of, iou in ious.items()])
title = f"{layer.n_filters} filters, true annotations beside one permutation"
axis = "dissection IoU of a filter with its best concept"
charts.histogram(values, "iou", title, axis, by="of", at=IOU_THRESHOLD)

# %% [markdown]
# ## Is 0.04 liberal or conservative?
#
# The dashed line is the paper's threshold. *Passed by chance* is the share of filters whose best concept of a category
# exceeds it after a permutation: the rate of false detectors in a layer without meaning. *5% threshold* is the IoU that 5
# percent of filters exceed by chance. Where it is above 0.04, the paper's threshold is liberal for this probe set and
# this layer; where it is below, conservative. *Any* is the rule as the paper applies it: the best of all categories.

# %%
beside = {}
for name, highest in by_chance.items():
    rates = chance.false_rates(highest, masked.categories, IOU_THRESHOLD)
    rates = rates.set_index("category")
    beside[f"passed by chance, %: {chance.AMONG[name]}"] = 100 * rates["false_rate"]
    beside[f"5% threshold: {chance.AMONG[name]}"] = rates["threshold"]
wide = pd.DataFrame(beside)
wide = wide[sorted(wide, reverse=True)]
charts.table(wide.reset_index(), f"By chance, at an IoU threshold of {IOU_THRESHOLD}")

# %% [markdown]
# A concept that covers much of an image overlaps with everything, and a concept in few images gives noisy IoUs. So one
# threshold is not equally strict everywhere, and ten detectors of one category can mean less than ten of another.
#
# ## Every filter, with both answers
#
# `names.how_sure` puts both tests beside every name. *Again* is the share of the twenty divisions in which both halves
# choose this name. *Chance* is the mean IoU of the best concept over the permutations, among images that show the
# category; *p* is the share of permutations that reach the true IoU. With hundreds of filters some *p* are small by
# chance, so *q* is *p* adjusted by the rule of {cite:t}`benjamini1995controlling`: among names with *q* up to 0.05, at
# most 5 percent are expected to be due to chance. A name is *sure* if it came again in most divisions and its *q* is
# at most 0.05. The interval is for the IoU of this name, from a bootstrap over images.
#
# The smallest possible *p* is 1 / (permutations + 1). So where only a few filters of a large layer have such a small
# *p*, none of their names can be sure, however good they are. The printed lines say how many are needed.

# %%
named = naming.how_sure(layer, probe, permutations=PERMUTATIONS, seed=SEED)
needed = chance.needed(len(named), PERMUTATIONS)
least = named["p"].min()
reach = (named["p"] == least).sum()
print(f"Needed for one sure name: {needed} with the smallest p.")
print(f"Smallest here: p = {least:.4f}, of {reach} filters.")

# %%
ends = zip(named["low"], named["high"], strict=True)
shown = named.assign(interval=[f"{low:.2f}–{high:.2f}" for low, high in ends])
shown["sure"] = named["sure"].map({True: "yes", False: "no"})
shown = shown.rename(columns={"name": "label", "dissection_iou": "IoU"})
columns = ["filter", "label", "sure", "IoU", "interval"]
columns += ["margin", "again", "chance", "q"]
title = f"{layer.name}: {named['sure'].sum()} of {len(named)} names are sure"
charts.table(shown.sort_values("IoU", ascending=False)[columns], title)

# %% [markdown]
# How many of the detectors of each category come again, how many are above chance, and how many are both? The last two
# columns count different concepts, as unique detectors do.

# %%
survivors = naming.survivors(named, IOU_THRESHOLD)
survivors.columns = [each.replace("_", " ") for each in survivors.columns]
total = survivors[["detectors", "sure"]].sum()
title = f"{total['sure']} of {total['detectors']} detectors stand both tests"
charts.table(survivors, title)

# %% [markdown]
# Some names below 0.04 are sure, too. They are no detectors by the paper's rule, but chance does not explain them:

# %%
below = named[named["sure"] & (named["dissection_iou"] <= IOU_THRESHOLD)]
columns = ["filter", "name", "category", "dissection_iou", "chance", "again"]
charts.table(
    below.nlargest(8, "dissection_iou")[columns], "Sure, and below the threshold"
)

# %% [markdown]
# ## Between seeds of a training
#
# Other images are one source of doubt; another training is a second one. Filters of two trainings have no counterpart,
# but the *concepts* that a layer detects can come again. Each cell is the percentage of the row's concepts that the
# column's network detects, too.

# %%
from n2vlib.analysis import detectors

repeats = detectors.read(probe, REPEATS, **options, seed=SEED)[1] if REPEATS else {}
trainings = {label: dissection.filters(each, probe) for label, each in repeats.items()}
found_again = naming.between_trainings(trainings, IOU_THRESHOLD)
again = 100 * found_again["again"]
percent = found_again.assign(again=again).rename(columns={"one": "detected by"})
percent = percent.pivot(index="detected by", columns="other", values="again")
average = "" if again.isna().all() else f": {again.mean():.0f}% on average"
title = f"Concepts that another seed detects, too{average}"
charts.table(percent.reset_index(), title, digits=0)

# %% [markdown]
# ## Between starts of the learned weights
#
# Net2Vec's Table 1 gives the share of concepts for which the combination segments at least as well as the best filter.
# The weights of a combination start at random, and an interval over concepts does not see the start. So we learn them
# again from other seeds. *Between starts* is the range over the starts, beside the 95 percent interval over concepts.

# %%
seeds = range(SEED, SEED + STARTS)
starts = learned_from.at_least_as_good(layer, probe, epochs=EPOCHS, seeds=seeds)
lowest, highest = starts["percent"].min(), starts["percent"].max()
title = f"Table 1, {layer.name}: {lowest:.1f} to {highest:.1f}% between starts"
charts.table(starts, title, digits=1)

# %% [markdown]
# ## Which measures notice bad annotations?
#
# {cite:t}`oikarinen2025evaluating` propose two tests for any measure of how well an explanation fits. Remove half of a
# concept's annotations: the score should fall. Add about as many annotations where the concept is not: the score should
# fall again. A measure that does not notice rewards names that are too narrow or too broad. We apply the tests to the
# names of this layer, and to all measures on the same masks. *Left* is the mean share of the score that remains, and
# *notices* the percentage of names whose score falls.

# %%
damaged = sanity.sanity(masked, seed=SEED)
percent = ["notices_missing", "notices_extra"]
table = damaged.assign(**{name: 100 * damaged[name] for name in percent})
table.columns = ["measure", "left, half missing", "left, twice as many",
                 "notices missing, %", "notices extra, %"]  # fmt: skip
charts.table(
    table,
    f"{layer.name}: names of concepts that at most half of the images show",
    digits=2,
)

# %% [markdown]
# The dissection IoU notices both. Net2Vec's set IoU counts only images that show the concept. When half of these lose
# their annotation, they are not counted any more, and the score stays as it is: it cannot notice what is missing. This is
# the price for comparing filters with combinations on the images of a concept alone. Balanced accuracy on pixels, recall
# and precision are each blind in one direction.
#
# How much does a name depend on the measure? F1 always chooses the concept that the IoU over all images chooses, because
# one is a function of the other.

# %%
numbers = sanity.names_by_measure(masked)
same = 100 * numbers.eq(numbers["dissection IoU"], axis=0).mean()
same = same.drop("dissection IoU").rename("same name, %").rename_axis("measure")
same = same.sort_values(ascending=False).reset_index()
charts.table(same, "Filters with the name that the dissection IoU gives", digits=0)

# %% [markdown]
# ## Where we differ
#
# - The papers test neither. Permutation tests and held-out halves are standard; nothing here is tuned.
# - *p* cannot be below 1 / (permutations + 1). To compare names that chance never reaches, look at the effect, IoU minus chance.
# - Halves have half the images, so a name can be more stable on all images than *again* says.
# - A permutation keeps annotations whole. It does not ask whether a filter follows the concept's *outline* or only its usual
#   place in the image.
#
# ## Exercises
#
# 1. Run the chapter with `NETWORK=small-alexnet-random`. Which names of an untrained network are sure, and of which
#    category are they?
# 2. Run it with `LAYERS=[conv1]`. Is 0.04 more liberal there?
# 3. How many names are above chance if *p* is not adjusted?

# %% tags=["solution", "hide-input"]
plain = (named["p"] <= 0.05).sum()
print(
    f"{plain} names have p up to 0.05; {(named['q'] <= 0.05).sum()} have q up to 0.05"
)

# %% [markdown]
# ## Take-away
#
# - A name needs two numbers beside its IoU: whether other images give it again, and what chance reaches.
# - One threshold of the IoU is not equally strict in every category: what chance reaches differs.
# - Names with a small margin over the second concept come again less often.
# - Set IoU cannot notice missing annotations; dissection IoU can.
#
# So far we labelled single filters. Are they the right thing to label? The [next chapter](axis-aligned) rotates the
# space that they span.

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
