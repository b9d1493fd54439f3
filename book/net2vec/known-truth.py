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
# # Known truth
#
# *Not in the paper.* Every chapter so far has inferred the encoding of a network from scores and weights. How a
# trained network really encodes its concepts is unknown, so nothing could contradict the inference.
#
# *Question.* If we plant a known encoding in a network, does the method recover it?

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
IMAGES: int = 800  # images of the probe set whose labels are used
NOISE: list = [0, 10, 20, 40]  # standard deviation, in % of the output of a full cell
PLANTED_FILTERS: list = [1, 2, 4, 8]  # filters that a concept is spread over; divide 8
SHARED_BY: list = [2, 4]  # how many concepts share a filter
TAUS: list = [0.001, 0.002, 0.005, 0.01, 0.02]  # further shares, for the bound of tau

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What is inferred
#
# > A concept needs several filters, because a learned combination segments it better than its best single filter. It
# > needs as many as there are when the score stops rising with their number. A filter is shared where it is the best
# > one for several concepts {cite}`fong2018net2vec`.
#
# Each is an inference from a score to an encoding. For a trained network it cannot be checked. For a planted encoding
# it can: sufficiency, number and sharing are known before anything is measured.
#
# ## Images that spell out their labels
#
# A planted filter must respond to its concept without having learned to. So we take the label maps of the probe set,
# drop its photographs, and write new images that *are* the labels: red is the number of the concept at this pixel,
# green its view, blue the number of the image. A pixel of a label map covers two by two pixels of the image, so four
# categories fit beside each other and a wheel can lie on its car. The folder is in Broden's format, and the rest of
# the library treats it like any other.
#
# A *view* stands for the variation within a concept, such as one dog and another. Every image shows each of its
# concepts in one of eight views, all equally often. Concepts must have enough training images, be larger than two
# cells of the network's grid, and cover at most $2\tau$ of all places. These concepts are assigned to the encodings in
# turn, so that each encoding has frequent and rare ones.

# %%
import numpy as np

from n2vlib import charts, planted, tables

probe = n2vlib.load_probe(PROBE)
source = planted.every_nth(probe, IMAGES)
fit, spread = planted.eligible(source, TAU), sorted({1, *PLANTED_FILTERS})
plan = planted.assign(fit, spread=spread, shared=SHARED_BY, turn=SEED)
spelled = planted.spell(source, plan, SEED)
title = f"{len(plan.concepts)} concepts in {plan.n_filters} filters,"
title += f" {plan.idle} of them idle"
charts.table(plan.summary(), title, rows=20)

# %% [markdown]
# *Spread over m*: each of $m$ filters responds to its own part of the views, and only together do they cover the
# concept. *Copied in m*: each of $m$ filters responds to all views, and one would suffice. *Shared by g*: one filter
# responds to $g$ concepts. *Absent*: no filter responds. *Idle* filters respond to nothing.
#
# ## A network whose encoding we know
#
# One layer, as simple as possible. The share of a cell that a concept occupies is multiplied by a planted matrix $E$
# of zeros and ones, noise is added, a ReLU follows:
#
# $$
# A_k = \max\Big(0,\ \sum_{c,v} \mathrm{occupancy}_{c,v}\, E_{cv,k} + \sigma\, \varepsilon_k \Big),
# \qquad \varepsilon_k \sim \mathcal{N}(0, 1)
# $$ (eq-planted)
#
# The noise is independent for every image, filter and cell, with a seed that depends on the image's number. The
# network has one layer for each $\sigma$, with the same $\varepsilon$ in all, so the layers differ only in the level
# of the noise.

# %%
module = planted.network(plan, NOISE, SEED)
network = n2vlib.load_network(module, None, planted.PREPROCESSING, SEED)
store = n2vlib.Store(STORE)
options = {"tau": TAU, "device": DEVICE, "store": store}
loose = max(TAU, *TAUS)
layers = n2vlib.read_layers(network, module.levels, spelled, **options, tau_max=loose)
levels = list(layers.values())

# %% [markdown]
# By hand, for a concept that has a filter of its own: its occupancy is the mean of its annotated mask over each cell.

# %%
from n2vlib.networks.hooks import run_layers

alone = plan.concepts[plan.concepts["kind"] == "one filter"]
concept = int(alone["images"].idxmax())
images = [int(i) for i in spelled.images_with(concept, "val")]
image = max(images, key=lambda i: spelled.annotated(concept, i).sum())
own = int(plan.answers[plan.concepts.index.get_loc(concept)].argmax())
annotated = spelled.annotated(concept, image)
cell = planted.SIDE // planted.GRID
occupancy = annotated.reshape(planted.GRID, cell, planted.GRID, cell).mean((1, 3))

given = network.preprocessing(spelled.image(image)[None])
passed = run_layers(module.cpu(), ["signal", *module.levels], given)
assert np.array_equal(passed["signal"][0, own].numpy(), occupancy)

# %%
from n2vlib.display import gallery

codes = spelled.image(image).reshape(planted.SIDE, 2, planted.SIDE, 2, 3).max((1, 3))
# Codes are small numbers: scaled up, or they would all look black.
picture = codes * np.array([67, 32, 1], np.uint8)
maps = [
    passed[level][0, own].numpy() for level in (module.levels[0], module.levels[-1])
]
noises = [f"A of filter {own}, noise {noise}%" for noise in (NOISE[0], NOISE[-1])]
captions = [f"{alone.loc[concept, 'name']}, image", "occupancy", *noises]
outlines, heat = [annotated, None, None, None], [None, occupancy, *maps]
gallery.show([picture] * 4, captions, annotated=outlines, heat=heat)

# %% [markdown]
# ## The score of a perfect filter
#
# Even a perfect filter does not reach an IoU of one: its grid is coarse, and the released upsampling stretches it so
# that the outermost cells are centred on the outermost pixels. First a filter that fires exactly where its concept
# fills more than half of a cell; then the same filters with a threshold at $\tau$, without and with noise.

# %%
import pandas as pd

from n2vlib.methods import segmentation, single_filter

mine = plan.concepts.index[plan.concepts["plant"].isin(["one filter", "copied"])]
half_pixel, corners = (planted.ceiling(spelled, align_corners=a) for a in (False, True))
steps = {
    "cells more than half full, half-pixel centres": half_pixel[mine].mean(),
    "the same, corners aligned as released": corners[mine].mean(),
}


# %%
singles = {layer.name: single_filter.align(layer, spelled) for layer in levels}
for name, found in singles.items():
    iou = tables.by_concept(found.scores.query("concept in @mine")).mean()
    steps[f"best single filter at tau, noise {planted.noise_of(name)}%"] = iou
table = pd.Series(steps, name="set IoU").rename_axis("filter").reset_index()
charts.table(table, "Mean over the concepts with a filter of their own")

# %% [markdown]
# Noise can *help*. Without it most values tie: a filter whose concept fills more cells than $\tau$ allows has a
# threshold equal to the full cell, and nothing is strictly above it; one whose concept fills fewer has a threshold of
# zero and fires in every cell that the concept touches. A little noise breaks the ties.
#
# ## Sufficient?
#
# The best single filter and the learned combination; and both once more with a bias, for a reason that the next
# section gives.

# %%
from n2vlib.analysis import mask_bias

recipe = {"epochs": EPOCHS, "seed": SEED}
together = {
    layer.name: segmentation.align(layer, spelled, **recipe) for layer in levels
}
plain = [run for level in module.levels for run in (singles[level], together[level])]
runs = plain.copy()
for run in plain:
    layer = layers[run.scores["layer"].iloc[0]]
    runs.append(mask_bias.at_best_bias(run, layer, spelled))

# %%
found = planted.means(runs, spelled, plan)
lone = found[found["kind"] == "one filter"].groupby("method")["mean"].mean()
one, many = (mask_bias.named(method) for method in ("single filter", "combination"))
ratio = lone["combination"] / lone["single filter"], lone[many] / lone[one]
title = f"A concept in one filter: the combination gets {ratio[0]:.0%}"
title += f" of its filter's IoU; both with a bias, {ratio[1]:.0%}"
axes = ("noise, % of a full cell", "set IoU, validation images")
note = "Bars: 95%, over images."
charts.small_lines(
    found, "noise", "mean", "kind", "method", title, axes, columns=4, note=note
)

# %% [markdown]
# And the paper's own measure, the share of concepts for which the combination scores at least what the best single
# filter does. For one filter the right answer is a tie at best; for spread concepts, all; for absent ones there is
# none.

# %%
scores = planted.by_kind(pd.concat([run.scores for run in runs]), plan)
keys = ["layer", "category", "concept"]
wide = scores.query("split == 'val'").pivot(
    index=keys, columns="method", values="set_iou"
)
as_good = wide["combination"] >= wide["single filter"]
better = pd.DataFrame({"combination": 100.0 * as_good})
better["with a bias"] = 100.0 * (wide[many] >= wide[one])

# %%
by_noise = better.groupby(["category", "layer"], sort=False).mean().unstack("layer")
by_noise = by_noise.loc[plan.kinds]
shown = by_noise["combination"]
shown = shown.rename(columns=lambda level: f"noise {planted.noise_of(level)}%")
shown["both with a bias"] = by_noise["with a bias"].mean(axis=1)
caption = "Percent of concepts for which the combination"
caption += " is at least as good as their best filter"
shown = shown.rename_axis(index="kind", columns=None).reset_index()
charts.table(shown, caption, digits=0)

# %% [markdown]
# ## Why the combination falls short
#
# Its masks are too large, and equation {eq}`eq-combination` shows why: it has no bias. A single filter's mask is where
# the upsampled map exceeds one half. A combination's is where the sum exceeds *zero*, so a cell that fires adds nearly
# a whole cell more on every side, and any positive weight, however small, counts as much as a large one. There are
# many small weights: training starts from random ones, and the weight of a filter that rarely fires on the concept's
# images hardly moves. How close are the weights of the idle filters to where they started?

# %%
middle = levels[len(levels) // 2]
learned = together[middle.name].weights.to_numpy()
idle = ~plan.answers.any(0)
start = together[middle.name].start.to_numpy()
same_sign = (np.sign(learned) == np.sign(start))[:, idle].mean()
times = {}
for run in runs:
    if run.scores["layer"].iloc[0] == middle.name:
        area = run.pairs[["predicted", "annotated"]].sum()
        times[run.scores["method"].iloc[0]] = area["predicted"] / area["annotated"]
times = pd.Series(times, name="predicted / annotated area").rename_axis("method")

# %%
caption = f"Noise {planted.noise_of(middle.name)}%. Of the weights on idle filters"
caption += f" {same_sign:.0%} kept the sign of their start;"
caption += f" {(learned[:, idle] > 0).mean():.0%} are positive, and so part of the mask"
charts.table(times.reset_index(), caption, digits=1)

# %% [markdown]
# So weights and mask are two different problems. The colored lines leave the weights alone and change the bias: for
# each concept, the value that gives the largest set IoU on its training images, scored on validation images like
# everything else. Single filters get a bias too, because a lower threshold fills the holes that noise makes. If this
# is fair, the two colored lines should lie together where one filter is all there is, differ for spread concepts until
# the noise dominates, and differ for copies as the noise grows: several noisy filters are better than one.
#
# ## How many filters?
#
# The paper's curve: the $F$ filters of largest weight, trained again. For a concept spread over $m$ filters it should
# rise until $F = m$.

# %%
from n2vlib.analysis import saturation

sizes = saturation.subset_sizes([1, 2, 4, 8, 16, 32], plan.n_filters)
subsets = [
    segmentation.align(layer, spelled, **recipe, n_filters=F)
    for layer in levels
    for F in sizes[:-1]
]
subsets += [together[layer.name] for layer in levels]
curves = planted.means(subsets, spelled, plan)
curves = curves[curves["kind"].isin(plan.concepts.query("sharing == 1")["kind"])]

# %%
peaks = planted.number_of_filters(subsets, spelled, plan)
spread = peaks.query("plant == 'spread' and counted == @planted.CURVE")
hits = (spread["recovered"] == spread["planted"]).mean()
title = f"Spread concepts: {hits:.0%} of the curves"
title += " have their peak exactly at the planted number"
curves = curves.assign(level=[f"noise {n}%" for n in curves["noise"]])
of_filters = ("filters", axes[1])
charts.small_lines(
    curves, "n_filters", "mean", "kind", "level", title, of_filters,
    log=(True, False), columns=4,
)  # fmt: skip

# %% [markdown]
# A second estimate needs no retraining: the effective number of weights, $(\sum_k w_k^2)^2 / \sum_k w_k^4$, which is
# $m$ when $m$ weights are equal and all others zero. The two estimates answer two questions. How many filters are
# *needed*? The peak of the curve. How many *carry* the concept? The weights.

# %%
off = peaks.assign(factor=peaks["recovered"] / peaks["planted"]).query("planted > 1")
off = off.groupby(["plant", "counted"])["factor"].median()
curve, weight = planted.CURVE, planted.WEIGHTS
title = f"Copied in m: {off['copied', curve]:.2g} × m needed by the curve,"
title += f" {off['copied', weight]:.2g} × m carry it by the weights"
panel, level = peaks["plant"] + ", " + peaks["counted"], peaks["noise"]
peaks = peaks.assign(panel=panel, level=[f"noise {n}%" for n in level])
points = peaks[["planted", "recovered", "panel", "level"]]
note = "Dashed: recovered is planted. The title's numbers are medians over m and noise."
charts.small_lines(
    points, "planted", "recovered", "panel", "level",
    title, ("filters planted", "filters recovered"), columns=2,
    note=note,
    log=(True, True), diagonal=True,
)  # fmt: skip

# %% [markdown]
# ## Shared?
#
# The paper counts for how many concepts each filter is the best one. Beside it, the number of concepts it really
# responds to:

# %%
counted = []
for level, run in singles.items():
    best = planted.sharing(tables.by_concept(run.scores, "filter"), plan)
    counted.append(best.assign(noise=planted.noise_of(level)))
counted = pd.concat(counted)

# %%
table = counted.assign(never=counted["found"] == 0).groupby("kind").agg(
    filters=("filter", "nunique"), planted=("planted", "mean"), found=("found", "mean"),
    right=("right", "mean"), never=("never", "mean"),
)  # fmt: skip
order = [kind for kind in [*plan.kinds, "idle"] if kind in table.index]
title = "Concepts per filter, mean over levels of noise;"
title += " never: share of filters that are best for no concept"
charts.table(table.loc[order].reset_index(), title, digits=2, rows=20)

# %% [markdown]
# The total of the column *found* is fixed by arithmetic: every concept has one best filter, so the mean over all
# filters is concepts divided by filters, whatever the network does. Among copies, and among the filters of a spread
# concept, only one is the best; the others count as unused. A filter that is really shared can be counted right and
# still score low: one $\tau$ has to serve all its concepts.
#
# ## What tau allows
#
# A mask that covers a share $\tau$ of all places cannot have an IoU above $\tau / p$ with a concept that covers $p >
# \tau$. Below $\tau$ there is no such bound, because firing on images without the concept is not counted. The same
# planted filters at several $\tau$, at the first level of noise:

# %%
noisy = [layer for layer in levels if planted.noise_of(layer.name) > 0]
low_noise = (noisy or levels)[0]
points = []
for tau in sorted({TAU, *TAUS}):
    scores_at = single_filter.align(low_noise.at(tau), spelled).scores
    rows = scores_at.query("split == 'val' and concept in @mine")
    share = plan.concepts.loc[rows["concept"], "share"].to_numpy()
    points.append(rows.assign(tau=tau, ratio=share / tau))
points = pd.concat(points)
reached = points.assign(share=points["set_iou"] / np.minimum(1, 1 / points["ratio"]))
above = reached[reached["ratio"] > 1]["share"].mean()
title = (
    f"Concepts larger than tau: a perfect filter gets {above:.0%} of what tau allows"
)
charts.tau_bound(points, title)

# %% [markdown]
# ## Nothing to find
#
# Three controls. *Shuffled labels*: every image gets the labels of another one of its split, so the concepts are as
# frequent, as large and as often together as before, but unrelated to what the network sees. *A random network*: the
# same architecture with untrained weights. And *everything*: the score of a mask that covers the whole image, which
# any mask approaches as it grows.

# %%
from n2vlib.methods import classification
from n2vlib.networks.load import randomly_initialised

trained = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
control = planted.every_nth(probe, IMAGES // 2)
networks = {"planted": (spelled, middle)}
random = randomly_initialised(trained, SEED)
for name, given in {"trained": trained, "random weights": random}.items():
    read = n2vlib.read_layers(given, LAYERS[-1:], control, **options)
    networks[name] = (control, read[LAYERS[-1]])

# %%
rows = []
for name, (images, layer) in networks.items():
    shuffled = planted.shuffled(images, SEED)
    for which, labels in {"its own": images, "shuffled": shuffled}.items():
        row = {"network": name, "labels": which}
        rows.append(row | planted.control(layer, labels, **recipe))
nothing = pd.DataFrame(rows)
caption = "Means over concepts, validation images."
caption += f" Planted: noise {planted.noise_of(middle.name)}%; trained: {LAYERS[-1]}."
caption += " % as good: concepts for which the combination is at least as good"
caption += " as the single filter; both with a bias: each with a bias"
charts.table(nothing, caption)

# %% [markdown]
# An IoU is no evidence by itself. Where there is nothing to find, a single filter covers a share of about $\tau$ and
# scores almost zero, while a combination of many filters covers much, and large masks score about as much as
# *everything*. So this is where the combination wins, for most concepts and by a large factor. The paper's count of
# wins is high for a network that encodes nothing and low for one with a filter for every concept. It shows that single
# filters are poor, not that combinations are good. The difference to shuffled labels shows that.
#
# > The published shares for segmentation fall from the first layer to the last (Table 1) {cite}`fong2018net2vec`.
#
# Read as a count of concepts that need several filters, that is odd: deeper layers would spread less. Read as here, it
# is what one expects of layers whose single filters get better.
#
# ## The other task
#
# Does classification recover what is planted? There are two obstacles. Raw pooled activations are small where a
# concept is small, and a learning rate that suits large ones hardly moves the weights; standardised ones do not have
# that problem. And concepts co-occur: those that no filter responds to are predicted from the others in the image.

# %%
classified = []
for layer in levels:
    for features in classification.FEATURES:
        run = classification.align(layer, spelled, **recipe, features=features)
        rows = planted.by_kind(run.scores, plan).query("split == 'val'")
        classified.append(rows.assign(features=features))
classified = pd.concat(classified)
is_absent = classified["category"] == "absent"
classified["concepts"] = np.where(is_absent, "absent", "planted")
accuracy = classified.groupby(["features", "concepts", "layer"], sort=False)["accuracy"]
accuracy = accuracy.mean().unstack("layer")
accuracy.columns = [f"noise {planted.noise_of(level)}%" for level in accuracy.columns]
title = "Mean balanced accuracy, validation images; 0.5 is chance"
charts.table(accuracy.reset_index(), title)

# %% [markdown]
# ## What we see
#
# Planted and recovered, in two tables.

# %%
plants = plan.concepts.drop_duplicates("kind").set_index("kind")["plant"]
plants = plants.loc[better.index.get_level_values("category")].to_numpy()
wins = better.groupby(plants).mean()
wins.columns = ["as published", "both with a bias"]
truths = {"one filter": "no", "spread": "yes"}
truths |= {"copied": "only against noise", "absent": "undefined"}
needed = pd.DataFrame({"planted": truths}).join(wins)
by_chance = nothing.set_index(["network", "labels"]).loc[("planted", "shuffled")]
by_chance = by_chance[["% as good", "%, both with a bias"]]
needed.loc["shuffled labels"] = ["undefined", *by_chance]
needed = needed.rename_axis("several filters needed?").reset_index()
title = "Percent of concepts for which the combination is at least as good"
charts.table(needed, title, digits=0)

# %%
shared = table[table.index.str.startswith("shared")][["planted", "found"]].mean()
both = {}
for plant in ("spread", "copied"):
    both[plant] = f"{off[plant, curve]:.2g} × m by the curve,"
    both[plant] += f" {off[plant, weight]:.2g} × m by the weights"
never = f"{(counted['found'] == 0).mean():.0%} are never chosen"
per_filter = [f"{shared[each]:.1f}" for each in ("planted", "found")]
verdict = [
    ("filters of a concept spread over m", "m", both["spread"]),
    ("filters of a concept copied in m", "1 is enough, m carry it", both["copied"]),
    ("concepts per shared filter", *per_filter),
    ("filters that respond to nothing", f"{idle.mean():.0%}", never),
]
charts.table(pd.DataFrame(verdict, columns=["inferred", "planted", "recovered"]))

# %% [markdown]
# ## Where it over- and underestimates
#
# - **A win is no sign of an encoding.** As published, the count of concepts for which the combination is at least as
#   good is high where there is nothing to find: absent concepts, shuffled labels, random weights. Read it beside these
#   controls.
# - **Combinations are underrated.** Without a bias, masks grow by most of a cell and by every leftover weight. That
#   hides what small concepts with few images gain, and it makes the curve over $F$ *fall* after its peak. The paper
#   reports such a fall for parts and materials; it can mean that leftover weights cost something, not that more
#   filters confuse.
# - **$\tau$ is a budget.** A filter fires in a share $\tau$ of all places, whether its concept needs more or less. For
#   a concept larger than $\tau$ no single filter can look sufficient. Spread over $m$ filters a concept has $m\,\tau$
#   to spend; a filter shared by $g$ concepts has about $\tau / g$ for each. Part of any gain of a combination is this
#   budget, not the encoding.
# - **Copies look like one filter in the curve and like many in the weights**, and with noise one copy is no longer
#   enough. "Needs several filters" can mean that the concept is divided or that every one of its filters is noisy.
#   Scores alone cannot distinguish the two.
# - **Sharing is counted by best filters.** A filter that carries a concept and is never the best counts as unused, and
#   a concept that no filter carries is assigned to whichever filter co-occurs with it.
# - **A bias on both sides makes the comparison fair** between one filter and many, and what is left of a gain is the
#   encoding. It does not make the count meaningful where there is nothing to find.
# - **Thresholds discard magnitude.** Ties at $T_k$ empty a mask; noise can raise a score.
# - **Few training images** leave weights near where they were drawn. That is the first place to look when a rare
#   concept fails.
#
# What is planted here is simple on purpose: zeros and ones, independent noise, views of equal size. A real network can
# be harder in ways we have not planted. It can hardly be easier.
#
# ## Exercises
#
# 1. Plant with another seed: which entries of the table change their meaning, and which only their digits?
# 2. Train ten times as long (`-p EPOCHS=300`). How much of the difference between the combination without and with a
#    bias disappears?
# 3. Multiply every activation by 100. Thresholds and masks stay the same; does the accuracy on raw activations?

# %% tags=["solution", "hide-input"]
scaled = planted.network(plan, NOISE[:1], SEED, gain=100.0)
scaled_network = n2vlib.load_network(scaled, None, planted.PREPROCESSING, SEED)
layer = n2vlib.read_layers(scaled_network, scaled.levels, spelled, **options)
rows = []
ways = {"as planted": levels[0], "times 100": layer[scaled.levels[0]]}
for which, one in ways.items():
    raw = classification.align(one, spelled, **recipe).scores
    raw = tables.by_concept(raw, "accuracy").mean()
    iou = tables.by_concept(single_filter.align(one, spelled).scores).mean()
    rows.append([which, iou, raw])
columns = ["activations", "set IoU", "accuracy on raw activations"]
charts.table(pd.DataFrame(rows, columns=columns))

# %% [markdown]
# ## Take-away
#
# - The peak over $F$ recovers how many filters a concept is spread over; the level of the scores recovers much less.
# - Before comparing a combination with a single filter, give both a bias.
# - Scores need their controls beside them: shuffled labels, a random network, and the mask that covers everything.

# %%
n2vlib.provenance(probe=spelled, network=network, layers=layers, seed=SEED)
