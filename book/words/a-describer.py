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
# # A describer
#
# *MILAN, sections 3 and 4* {cite}`hernandez2022natural`. A *describer* is a network that looks at the exemplars of a
# filter and says what they have in common. The paper's was trained on what people wrote about 20,000 units. Ours is
# small and was trained on regions of drawn scenes, where it is known what a description should say. So we can ask what
# cannot be asked of people's words: is it true?
#
# *Questions.* Does the describer put words together that it never heard together? Is what it says of filters true,
# beside labels and formulas of the same filters? And does it describe filters of other networks than the one that it
# sees with?

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
DESCRIBER: str = "small-describer"  # of the zoo; own: one trained on PROBE
NETWORKS: list = "zoo/described"  # whose filters are described, too
IMAGES: int = 200  # on which it is counted whether descriptions are true
FILTERS: int = 24  # of each of NETWORKS
BEAM: int = 50  # descriptions of each filter that are compared

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## The network
#
# > A frozen network sees every exemplar; the maps of several layers are pooled with the mask. A decoder attends over
# > the exemplars and writes a description word by word; a language model is trained on the descriptions alone
# > {cite}`hernandez2022natural`.
#
# The mask $M$ is shrunk to the grid of each layer $l$ and divided by its sum; the image itself is not masked:
#
# $$
# v_i = \big[ \textstyle\sum_p \tilde M_{l}(p)\, A_{l}(p) \big]_{l}, \qquad
# \tilde M_{l} = M_{l} / \textstyle\sum_p M_{l}(p)
# $$ (eq-pooled-by-mask)
#
# The decoder is an LSTM that begins from the mean of the $v_i$. Before each word it weighs the exemplars by additive
# attention, and a sigmoid gate decides how much of the weighted mean it reads. The loss is the negative log-likelihood
# of the words plus $\frac{1}{15}\sum_i (1 - \sum_t \alpha_{ti})^2$, so that no exemplar is left out. Ours has a linear
# layer and a ReLU between $v_i$ and the rest, which keeps it small.

# %%
import numpy as np
import pandas as pd

from n2vlib import charts, gallery
from n2vlib.words import exemplars, held_out, phrases, regions, training, truth

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
store, name = n2vlib.Store(STORE), LAYERS[-1]
found = training.of_name(DESCRIBER, probe, network, LAYERS, store, SEED)
options = {"tau": exemplars.TAU, "device": DEVICE, "store": store}
most = exemplars.READ
layer = n2vlib.read_layers(network, [name], probe, tau_max=most, **options)[name]
shown = exemplars.of_layer(layer, probe)

# %%
size = sum(each.numel() for each in found.decoder.parameters())
eyes, layers_seen = found.encoder.network.name, ", ".join(found.encoder.layers)
print(f"{found.name} sees {eyes}, {layers_seen}:")
n_features, n_words = len(found.decoder.mean), len(found.words)
print(f"{n_features} features; {size:,} weights, {n_words} words.")

# %% [markdown]
# **By hand**, the features of one exemplar: each map of the first layer averaged under the shrunk mask.

# %%
import torch

k = int(np.argmax(layer.highest.max(axis=0) / layer.thresholds.clip(1e-6)))
one = shown.of([k])
maps = found.encoder.maps(one.images[0, :1])[0][0]
mask = torch.from_numpy(one.masks[0, :1]).float()[None]
resized = torch.nn.functional.interpolate(mask, maps.shape[1:], mode="bilinear")[0, 0]
by_hand = (maps * resized).sum((1, 2)) / resized.sum()
pooled = found.features(one)[0]
assert np.allclose(pooled[0, : len(by_hand)], by_hand, atol=1e-4)

# %% [markdown]
# And the log-likelihood of a description: the sum over its words, each given the words before, and the stop at the end.

# %%
from n2vlib.words.model import START, STOP

text = found.describe(one, beam=BEAM)["description"].iloc[0]
keys = found.decoder.read(torch.from_numpy(pooled)[None])
state, log_p, last = found.decoder.start(keys[0]), 0.0, START
with torch.inference_mode():
    for word in [*map(found.words.index, text.split()), STOP]:
        step, state, attention = found.decoder.step(torch.tensor([last]), state, *keys)
        log_p, last = log_p + float(step[0, word]), word
assert np.isclose(log_p, found.likelihood(one, [text])[0], atol=1e-3)
print(f'Filter {k}: "{text}", log p(d|E) = {log_p:.2f}')

# %% [markdown]
# ## What it learned from
#
# A training unit is made of 15 regions of one meaning in different images: an object, a part of one, a material, a
# color, a texture, a scene, a colored thing, a colored part of a thing; or what several share, *anything that is a
# vehicle*. Each region is seen as a filter of a coarse grid would fire on it, too large here and too small there, and
# up to a third of them are of something else. Three annotators describe it in their own way. The describer learns from
# an endless stream of such units; images that are kept back decide when to stop.
#
# The paper's program stops in the same way. But what it saves as its best weights are references to those still being
# trained, so in the end it has the last ones. We keep a copy.

# %%
curve = pd.DataFrame(found.card["curve"])
names = {"train": "a batch of training", "held_out": "held-out images"}
names["language_model"] = "language model, held-out images"
long = curve.melt("step", list(names), var_name="what", value_name="loss")
long["what"] = long["what"].map(names)
kept = curve.loc[curve["held_out"].idxmin(), "step"]
later = curve["held_out"].iloc[-1] - curve["held_out"].min()
title = f"The weights of step {kept} are kept; the last are worse by {later:.3f}"
axes = ("step, one batch each", "negative log-likelihood of a word")
charts.lines(long, "step", "loss", title, axes, series="what")

# %% [markdown]
# ## Words that were never heard together
#
# One in five combinations of color, part and thing was left out of training entirely: *the red roof of a house* may
# never have been said, though red roofs, roofs of houses and red houses were. A describer that only remembered phrases
# could not produce such a combination. The table is measured on held-out images: *exact* is the share of descriptions
# that mean what the unit shows, and *plain* the same for the likeliest description, without reranking; *true* is the
# share of the concepts in a description that are true of the unit, and *named* the share of the unit's concepts that
# it names; *in the beam* is how often an exact description is among those that are compared. As a floor, all units get
# the commonest description of training.

# %%
names = {"seen": "all kinds of units"}
names |= {"their_like": "color, part and thing: heard together"}
names |= {"held_out": "color, part and thing: never heard together"}
names |= {"floor": "the same description for all"}
columns = {"exact_plain": "plain", "words": "true", "in_beam": "in the beam"}
rates = pd.DataFrame(found.card["accuracy"]).T
accuracy = rates.rename(index=names, columns=columns).rename_axis("units")
each = f"{held_out.MEASURED} units each, of held-out images"
charts.table(accuracy.reset_index(), each)

# %%
if "held_out" in rates.index:
    never = rates.loc["held_out"].map("{:.0%}".format)
    like = rates.loc["their_like"].map("{:.0%}".format)
    print(f"Never heard together: {never['exact']} exact; heard: {like['exact']}.")
    print(f"But {never['words']} of what is said of the first is true.")
    print(f"Exact without reranking: {never['exact_plain']} and {like['exact_plain']}.")

# %% [markdown]
# An exact description that is in the beam but not chosen lost to a shorter one, which is true and names one concept
# less: the decoder has also learned the habits of its annotators. This is what the prior is for. Like the decoder, the
# language model finds a combination that it never read unlikely, and this is subtracted.
#
# ## Planted units
#
# How much noise does a description survive? We make units of regions of this probe set and replace a share of their 15
# exemplars by regions of anything.

# %%
rng = np.random.default_rng(SEED)
few = probe.subset(np.sort(rng.permutation(len(probe))[: min(IMAGES, 120)]))
bank = regions.Bank.of(few, found.encoder, SEED, copies=1)
shares, beam = (0, 0.2, 0.4, 0.6, 0.8), min(BEAM, 10)
planted = held_out.by_share(found, bank, shares, 80, beam, SEED + 1)
seen = "about four fifths" if DESCRIBER == training.OWN else "none"
print(f"Of the images of these regions, {seen} were seen in training.")

# %%
if len(planted):
    long = planted.melt("share", ["exact", "words", "named"], var_name="what")
    long["what"] = long["what"].replace("words", "true")
    left = planted["exact"] >= planted["exact"].iloc[0] / 2
    half = planted.loc[left, "share"].max()
    title = f"Half of the exact descriptions are left at a share of {half:.0%}"
    axes = ("share of exemplars that show something else", "share right")
    shown_here = charts.lines(long, "share", "value", title, axes, series="what")
else:
    shown_here = "Nothing is labelled in enough regions to plant units."
shown_here

# %% [markdown]
# ## Filters, beside their labels and formulas
#
# What is said of a filter is true if it holds where the filter fires. For every filter of the last layer: its
# description; its label, the concept of largest IoU (Network Dissection); its formula of up to three concepts
# (Compositional Explanations); and, as the most that our phrases can reach, the phrase that fits best, found by a
# search through the labels. All are scored on the same images with the same masks, at the 0.99 quantile.
#
# This is no fair race: labels and formulas were chosen by this very IoU, with all pixels of all images at hand. The
# describer has seen fifteen images of each filter and no label.

# %%
from n2vlib.compositional import beam as beams
from n2vlib.compositional import explain
from n2vlib.methods import dissection
from n2vlib.words import describer

texts = describer.described(layer, probe, store, found, beam=BEAM)["description"]
units, images = texts.index.to_numpy(), rng.permutation(len(probe))[:IMAGES]
labels = dissection.filters(layer, probe).set_index("filter")
filters = explain.Filters(layer, probe)
searched = beams.search(filters.counts(), 3)
formulas = searched.loc[searched["allowed"] == 3].set_index("unit")["formula"]
named = (labels["concept"] > 0) & formulas.notna()
units = units[named.loc[units].to_numpy()]
print(f"{len(units)} of {len(texts)} filters have a label and a formula.")

# %%
said = {"description": texts[units].tolist(), "formula of three": formulas[units]}
said["label"] = labels["concept"][units].tolist()
way = {
    "description": lambda text, i: phrases.holds(text, probe, i),
    "label": lambda number, i: probe.annotated(number, i),
    "formula of three": filters.mask,
}
pairs = [(what, each) for what in way for each in said[what]]
overlaps = truth.overlaps(
    layer, probe, units, pairs, lambda p, i: way[p[0]](p[1], i), images
)
counted = {what: overlaps.of([(what, each) for each in said[what]]) for what in way}
best = truth.best(layer, probe, units, regions.in_images(probe, images))
counted["phrase that fits best"] = best

# %%
from n2vlib import tables

rows = []
for what, table in counted.items():
    low, high = tables.bootstrap_mean(table["iou"].to_numpy(), SEED)
    row = {"what is said": what, "IoU": table["iou"].mean(), "low": low, "high": high}
    row |= {
        each: table[each].mean() for each in table if each in ("precision", "recall")
    }
    rows.append(
        row | {"IoU by chance": table.get("by_chance", pd.Series([np.nan])).mean()}
    )
compared = pd.DataFrame(rows)
charts.table(compared, f"{len(units)} filters of {name}, {len(images)} images")

# %%
fits = counted["description"]["iou"].to_numpy()
beside = counted["label"]["iou"].to_numpy()
points = pd.DataFrame({"label": beside, "description": fits, "filter": units})
points["says"] = [f"{texts[j]} / {labels.loc[j, 'name']}" for j in units]
share = (fits >= beside - 1e-9).mean()
title = f"The description fits at least as well as the label for {share:.0%} of filters"
axes = ("IoU of the label", "IoU of the description")
charts.scatter(points, "label", "description", title, axes, tip=["filter", "says"])

# %% [markdown]
# The descriptions themselves, those that fit best and those that fit worst (the talk shows such a list). Below the
# table are exemplars of four of these filters, from the best fit to the worst. Where a description is wrong, is it
# wrong about the exemplars, or are the exemplars unlike the rest of what the filter does?

# %%
columns = {"filter": units, "description": texts[units].to_numpy(), "IoU": fits}
columns |= {"label": labels.loc[units, "name"].to_numpy(), "label's IoU": beside}
columns["best phrase"] = best["description"].to_numpy()
listed = pd.DataFrame(columns).sort_values("IoU", ascending=False)
ends = pd.concat([listed.head(8), listed.tail(6)]) if len(listed) > 14 else listed
charts.table(ends, "Descriptions, the eight that fit best and the six that fit worst")

# %%
strips = []
for j in listed["filter"].iloc[[0, 1, len(listed) // 2, -1]]:
    few_of = shown.of([int(np.flatnonzero(shown.units == j)[0])])
    captions = [f"image {x}" for x in few_of.which[0, :6]]
    strip = few_of.images[0, :6], captions, None, few_of.masks[0, :6]
    strips.append(gallery.concept_strip(f'filter {j}: "{texts[j]}"', *strip))
gallery.stack(*strips)

# %% [markdown]
# ## On their exemplars
#
# The same descriptions, counted on the exemplars only, where each filter is largest:

# %%
language, rows = phrases.language(probe), []
for j in units:
    at = int(np.flatnonzero(shown.units == j)[0])
    holds = np.array([language.holds(texts[j], probe, int(i)) for i in shown.which[at]])
    rows.append((shown.masks[at] & holds).sum() / max(shown.masks[at].sum(), 1))
on_exemplars, on_all = np.mean(rows), counted["description"]["precision"].mean()
print(f"Where filters fire, descriptions hold on {on_exemplars:.0%} of the pixels of")
print(f"their exemplars and on {on_all:.0%} of those of all images.")

# %% [markdown]
# ## Other networks
#
# > Trained on units of one network, the describer carries over to other trainings and architectures, with some loss
# > {cite}`hernandez2022natural`.
#
# The describer keeps its own eyes, the network it was trained with; what changes is whose filters are described. BLEU
# {cite}`papineni2002bleu`, as in nltk, measures how many runs of one and two words a description shares with a
# reference. The references are three ways to say the phrase that fits the filter best. Exemplars and truth are from
# about `IMAGES` images, the same for every network.

# %%
from n2vlib.analysis import detectors
from n2vlib.words import generalisation

every = max(len(probe) // max(IMAGES, 15), 1)
spread = probe.subset(np.arange(0, len(probe), every))
label = network.name.rpartition(":")[2]
same = found.encoder.network.fingerprint == network.fingerprint
own = {"network": NETWORK, "layer": name, "label": label + ", its eyes" * same}
own |= {"weights": WEIGHTS, "preprocessing": PREPROCESSING}
_, ends = detectors.read(spread, [own, *NETWORKS], seed=SEED, **options)
given = {"filters": FILTERS, "beam": BEAM, "seed": SEED}
carried = generalisation.across(ends, spread, found, store, **given)
charts.table(carried, f"{FILTERS} filters of each network, {len(spread)} images")

# %%
reached = carried.set_index("network").eval("iou / best")
first, rest = reached.iloc[0], reached.iloc[1:]
print(f"Descriptions reach {first:.0%} of what the best phrase reaches in", end=" ")
print(f"{reached.index[0]}", end="")
if len(rest):
    print(f"; in others {rest.min():.0%} ({rest.idxmin()}) to {rest.max():.0%}", end="")
print(".")

# %% [markdown]
# ## What we see

# %%
iou = compared.set_index("what is said")["IoU"]
chance = compared.set_index("what is said")["IoU by chance"]["description"]
ours, best_iou = iou["description"], iou["phrase that fits best"]
way = (ours - chance) / max(best_iou - chance, 1e-9)
nearer = "more" if ours > iou["label"] else "less"
print(
    f"From chance to the best phrase, the describer goes {way:.0%} of the way; it fits"
)
print(f"{nearer} than the label, which was chosen by what is counted here.")
low, high = carried["bleu"].min(), carried["bleu_by_chance"].max()
print(f"BLEU is {low:.2f} or more with the right phrase, and up to {high:.2f} with")
print("that of another filter.")

# %% [markdown]
# The describer has seen no label of a filter's images, only fifteen pictures. Where there are labels, a label or a
# formula is found by counting; a description is for where there are none. Word overlap is a poor judge of it: all
# descriptions share their grammar, so BLEU is also high for another filter's phrase. A phrase is seldom true by
# chance.
#
# What is weak: whoever has never heard a combination says it less often, so some of what looks like grammar is memory
# (the table above says how much). *Anything* is said of filters whose exemplars differ, which is true and tells
# nothing. And the describer knows the words of drawn scenes only. With `DESCRIBER=own` it is trained on the labelled
# regions of your probe set instead, with your network's features (some minutes, once), and kept in the store.
#
# ## Exercises
#
# 1. `NETWORK=small-resnet` with `LAYERS=[conv2_x, conv3_x, conv4_x]` and `DESCRIBER=own`: do other eyes see more?
# 2. Read `regions.fired`. Train on masks that are exact (`return regions`). What happens to planted units, and to filters?
# 3. Which descriptions are true of the exemplars and false elsewhere? Look for a rule.
#
# ## Summary
#
# - Features under masks, attention over exemplars, a decoder and a language model: a describer fits in a megabyte.
# - Keep a copy of the best weights, and hold out combinations of words, not only images.
# - Count truth on images drawn at random, not on exemplars alone, beside the label, the formula, and another filter's
#   description.

# %%
layers = {name: layer} | ends
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
