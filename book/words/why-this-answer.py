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
# # Why this answer?
#
# *Sections 3 and 4* {cite}`ribeiro2016why`. Filters, formulas and descriptions say what a network has learned in
# general. LIME asks about one answer to one picture: hide parts of the picture at random, ask the network again, and
# fit a linear model of how the answer depends on the parts.
#
# *Questions.* Does the same picture get the same explanation, and how sure is each part of it? Which few pictures
# should one look at? And is it true: if a thing were not there, would the answer change as its explanation says?

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
IMAGE: str = None  # a picture of yours to explain; null: a drawn scene
SAMPLES: int = 400  # times that parts of this picture are hidden
SAMPLES_EACH: int = 60  # times that parts of each scene are hidden
SCENES: int = 40  # scenes that are explained and drawn again
IOU_THRESHOLD: float = 0.04  # dissection IoU above which a filter is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper shows
#
# > An answer is explained by a simple model $g$ that agrees with the network $f$ near the picture $x$. A picture is cut
# > into superpixels, and $g$ is linear in $z \in \{0, 1\}^n$, which says which of them are seen {cite}`ribeiro2016why`.
#
# $$
# \min_{g}\ \sum_{z} \pi(z)\,\bigl(f(z) - g(z)\bigr)^2 + \Omega(g),
# \qquad \pi(z) = \sqrt{\exp(-d(z)^2 / w^2)}
# $$ (eq-lime)
#
# In the authors' code $d$ is the cosine distance of $z$ to the row of ones and $w = 0.25$; each superpixel is seen with
# probability 1/2; a hidden one shows its own mean color; $\Omega$ is the penalty of ridge regression; and $f$ is the
# probability of one class. The paper's picture has three explanations, for the three most probable classes (0.32, 0.24
# and 0.21). Its network and photograph are not ours, so here is the same for a picture of ours.
#
# The authors' package has not changed since 2021. We use captum, which is maintained, but its `Lime` is another method
# unless told otherwise: it weighs samples by the cosine of *pixels*, hides parts with zeros, fits by Lasso, which sets
# every weight below about 0.04 to zero, and draws from the global random numbers. So we give it the authors' choices,
# and one seed for superpixels and samples.
#
# ## One picture
#
# Without a file in `IMAGE` we take, of the scenes below, the one whose answer the network is least sure of: where it is
# sure, there is little to explain.

# %%
import numpy as np

from n2vlib import charts
from n2vlib.compositional import edits
from n2vlib.local import lime, picture, removals, superpixels
from n2vlib.world import edited

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
n2vlib.need(probe, "pixel maps", "training images", "validation images")
edits.need_drawn(probe)
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
own = picture.read(IMAGE, network) if IMAGE else None

# %%
drawings = edited.drawings(3000 + SEED, SCENES)
found = removals.removed(drawings)
options = {"device": DEVICE, "store": store}
asked = removals.asked(network, found, **options)
seen = [picture.as_seen(each, network) for each in found.originals]
least = int(asked.before.argmin())
image = seen[least] if own is None else own

# %%
drawn = lime.sample(network, image, samples=SAMPLES, seed=SEED, **options)
answers = drawn.outputs[0].argsort()[::-1][:3].tolist()
explained = {c: lime.explain(drawn, c) for c in answers}
flat = superpixels.mean_colors(image, drawn.segments)
shown, captions = [image, flat], ["the picture"]
captions += [f"{drawn.rows.shape[1]} superpixels · in their mean colors"]
five = [None, None]
for c, each in explained.items():
    best = [s for s in each.weights.argsort()[-5:] if each.weights[s] > 0]
    five.append(np.isin(drawn.segments, best))
    shown.append(image)
    captions.append(f"{asked.names[c]} · probability {drawn.outputs[0, c]:.2f}")

# %% [markdown]
# For each of the three most probable classes, the superpixels that speak most for it, at most five:

# %%
from n2vlib.display import gallery

gallery.show(shown, captions, predicted=five, columns=3)

# %% [markdown]
# ## By hand
#
# The whole method, on the samples drawn above. The linear model's fit is its $R^2$ on the weighted samples:

# %%
from sklearn.linear_model import Ridge

c = answers[0]
z, f = drawn.rows.astype(float), drawn.outputs[:, c]
distance = 1 - z.sum(1) / np.sqrt(z.sum(1).clip(1) * z.shape[1])
pi = np.sqrt(np.exp(-(distance**2) / 0.25**2))
g = Ridge(alpha=1).fit(z, f, sample_weight=pi)
assert np.allclose(g.coef_, explained[c].weights, atol=1e-5)
assert np.isclose(g.score(z, f, sample_weight=pi), explained[c].fit, atol=1e-4)
print(f"{asked.names[c]}: with everything hidden, the linear model expects a")
print(f"probability of {g.intercept_:.2f}; its R squared is {explained[c].fit:.2f}.")

# %% [markdown]
# "Everything hidden" is a picture too, one of patches in mean colors, and the network has an answer to it that may well
# be the same. LIME's weights say what details add to that.
#
# ## How sure is each superpixel?
#
# Users ask why the same picture is explained differently each time. The reason is that samples are drawn. The authors'
# `random_seed` was for the superpixels only, and no longer reaches scikit-image, where the argument has another name
# today. Here one seed fixes everything, and every call starts with it:

# %%
few = {"samples": SAMPLES_EACH, "seed": SEED, "device": DEVICE}
twice = [lime.explain(lime.sample(network, image, **few), c) for _ in range(2)]
assert (twice[0].segments == twice[1].segments).all()
assert np.allclose(twice[0].weights, twice[1].weights, atol=1e-6)

# %% [markdown]
# A fixed seed makes an explanation repeatable, not right. Other samples would give other weights, and an interval says
# how different they might be: a 95% interval for what very many samples would say, computed from residuals that may
# differ in size. For a toy model whose true weights are known, the intervals contain them in 95% of the draws (one of
# our tests).

# %%
import pandas as pd

each = explained[c]
columns = {"difference": each.weights, "low": each.low, "high": each.high}
sure = (each.low > 0) | (each.high < 0)
names = np.arange(len(sure)).astype(str)
if own is None:
    masks = removals.shown_in(drawings[least].scene)
    most = superpixels.overlap(np.stack([*masks.values()]), drawn.segments).argmax(0)
    names = [f"{[*masks][m]} · {s}" for m, s in zip(most, names, strict=True)]

# %%
table = pd.DataFrame(columns).assign(superpixel=names)
table = table.sort_values("difference", ascending=False)
title = f"{sure.sum()} of {len(sure)} intervals leave out 0, for {asked.names[c]}"
axis = "weight: probability gained if it is seen"
note = "95% intervals. In a drawn scene, with what they mostly show."
charts.differences(table, title, "superpixel", axis, note)

# %% [markdown]
# Do these intervals keep their word? We cut the samples into five parts, make an explanation from each, and compare
# them two by two. We also compare what users see: the five best superpixels.

# %%
from itertools import combinations

fifths = [lime.explain(drawn.part(slice(k, None, 5)), c) for k in range(5)]
gaps, shared = [], []
for a, b in combinations(fifths, 2):
    width = np.hypot(a.high - a.low, b.high - b.low) / 2
    gaps.append(np.abs((a.low + a.high) - (b.low + b.high)) / 2 < width)
    shared.append(len({*a.weights.argsort()[-5:]} & {*b.weights.argsort()[-5:]}))
agree, common = np.mean(gaps), np.mean(shared)
print(f"Two draws of {SAMPLES // 5} samples differ by no more than their intervals")
print(f"allow in {agree:.0%} (expected: 95%). They share {common:.1f} of their five")
print("best superpixels.")

# %% [markdown]
# The seed also decides the superpixels, since quickshift breaks ties at random. So explanations with different seeds
# can only be compared as maps, with each weight shared out over the pixels of its superpixel:

# %%
maps = []
for seed in range(SEED, SEED + 3):
    other = lime.sample(network, image, samples=SAMPLES_EACH, seed=seed, **options)
    maps.append(lime.explain(other, c).map)
r = np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in combinations(maps, 2)])
print(f"Maps of three seeds, {SAMPLES_EACH} samples each, correlate with r = {r:.2f}.")

# %% [markdown]
# ## Which pictures should one look at?
#
# > One explanation says little about a network. So pick a few rows of a matrix $W$ (explanations by features) that
# > together cover the features that matter {cite}`ribeiro2016why`.
#
# $$
# I_j = \sqrt{\textstyle\sum_i |W_{ij}|}, \qquad
# c(V) = \sum_j \mathbb{1}[\exists i \in V: W_{ij} \neq 0]\; I_j
# $$ (eq-pick)
#
# The coverage $c$ is submodular, so picking one row after another, each time the one that adds most, reaches at least
# $1 - 1/e$ of the best. The paper's example has five rows; it says that rows 2 and 5 are picked and cover all columns
# but the first, and that row 3 adds nothing after row 2:

# %%
from n2vlib.local import pick

toy = pick.toy()
rows, _ = pick.greedy(toy, 2)
assert sorted(i + 1 for i in rows) == [2, 5]
assert np.flatnonzero(~(toy[rows] != 0).any(0)).tolist() == [0]
assert pick.coverage(toy, [1, 2]) == pick.coverage(toy, [1])
last = sorted(i + 1 for i in pick.greedy(toy, 2, last=True)[0])
print(f"Picked: rows {sorted(i + 1 for i in rows)}. By the authors' code: rows {last}.")
shown = pd.DataFrame(toy, columns=[f"column {j}" for j in range(1, 6)])
shown.insert(0, "row", range(1, 6))
charts.table(shown, "The toy matrix; rows 1 and 4 are ours")

# %% [markdown]
# The text says what rows 2, 3 and 5 hold; rows 1 and 4 are in the figure only, and ours are one way to fill them. If
# rows 2 and 3 hold the same, it takes a rule for ties to get the printed answer: the paper's algorithm finds row 2
# first, the authors' code keeps the last of equals.
#
# For pictures the paper leaves a step open: columns must mean the same in every row, and superpixel 3 of one picture has
# nothing to do with superpixel 3 of another. Where pictures are labelled, columns can be **concepts**: the weight of a
# superpixel is shared out over its pixels, and each concept gets what falls into its mask. Like the paper, which
# explains by a few features, we keep the three concepts of the largest weight in each picture.

# %%
each = {"samples": SAMPLES_EACH, "seed": SEED} | options
hidden = lime.of_images(network, seen, **each)
both = [*zip(hidden, asked.classes.tolist(), strict=True)]
by_class = [lime.explain(one, c) for one, c in both]
masks = [removals.shown_in(each.scene) for each in drawings]
W = pick.by_concept(by_class, masks, most=3)
budget = min(5, len(W) - 1)
chosen, covered = pick.greedy(W.to_numpy(), budget)
first = W.to_numpy()[:20]
_, best = pick.best(first, min(budget, 3))
few = pick.greedy(first, min(budget, 3))[1][-1]
random = pick.at_random(W.to_numpy(), budget, seed=SEED)

# %%
total = pick.importance(W.to_numpy()).sum()
named = [W.columns[W.loc[i].to_numpy() != 0] for i in chosen]
captions = [
    f"{asked.names[asked.classes[i]]} · {', '.join(names)} · {c / total:.0%} covered"
    for i, names, c in zip(chosen, named, covered, strict=True)
]
gallery.show([found.originals[i] for i in chosen], captions, columns=3)

# %%
low, middle, high = np.quantile(random, [0.025, 0.5, 0.975]) / total
print(f"{budget} of {len(W)} scenes cover {covered[-1] / total:.0%} of the importance")
print(f"of {W.shape[1]} concepts; as many at random {middle:.0%} (95% of the draws:")
print(f"{low:.0%} to {high:.0%}). Of the best 3 of {len(first)} scenes, by trying")
print(f"all, the greedy pick reaches {few / best:.1%}; promised: {pick.GUARANTEE:.0%}.")

# %% [markdown]
# ### Classes that cancel
#
# With several classes explained, the authors' code adds their weights *before* it takes the absolute value. What speaks
# for one class speaks against another, and probabilities sum to one: so if all classes are explained, nothing is left.

# %%
kept = {}
for n in (1, 2, len(asked.names)):
    signed, absolute = 0, 0
    for one in hidden[:5]:
        top = one.outputs[0].argsort()[::-1][:n]
        weights = np.stack([lime.explain(one, int(k)).weights for k in top])
        signed += np.abs(weights.sum(0)).sum()
        absolute += np.abs(weights).sum()
    kept[n] = signed / absolute
listed = ", ".join(f"{share:.0%} with {n}" for n, share in kept.items())
print(f"Left of the weights after adding them over classes: {listed}.")

# %% [markdown]
# ## What really happens
#
# LIME cannot take a thing out of a picture; it paints over it, in mean colors, which is a picture that no network was
# trained on. Our scenes are drawn, so each of them can be drawn *again without the thing*: with what stood behind it,
# and without its shadow. How far the log-odds of the network's answer then fall is the true effect of the thing.

# %%
truth, share = asked.effects, (asked.effects > 0).mean()
print(
    f"{len(truth)} things in {SCENES} scenes; {share:.0%} of them support the answer."
)

# %% [markdown]
# The three largest effects. The last column is what LIME would show with a perfect outline of the thing:

# %%
from n2vlib.local import effects

filled, table = removals.filled(found), found.table
by_fill = effects.of_filling(network, found, asked, **options)
shown, captions = [], []
for i in np.abs(truth).argsort()[::-1][:3]:
    scene, thing = table.loc[i, ["scene", "thing"]]
    shown += [found.originals[scene], found.images[i], filled[i]]
    captions.append(asked.names[asked.classes[scene]])
    captions.append(f"without {thing} · log-odds fall by {truth[i]:.1f}")
    captions.append(f"{thing} in its mean color · by {by_fill[i]:.1f}")
gallery.show(shown, captions, columns=3)

# %% [markdown]
# Is a thing in its mean color as good as gone?

# %%
behind = np.abs(found.images.astype(int) - filled)[found.masks].mean()
was = np.abs(found.images.astype(int) - found.originals[table["scene"]])[found.masks]
error, typical = np.median(np.abs(by_fill - truth)), np.median(np.abs(truth))
print(f"The fill differs from what is behind by {behind:.0f} of 255 grey levels, the")
print(
    f"thing itself by {was.mean():.0f}. In the log-odds, filling is off by {error:.1f}"
)
print(f"(median; true effects: {typical:.1f}).")

# %% [markdown]
# ## Who knows it without drawing again?
#
# Which methods predict the true effect from the picture and the network alone? We compare:
#
# - **LIME**, its weights shared out over pixels and summed over the thing. It explains a probability, which hardly moves
#   where the network is sure; so also LIME on **log-odds**, with the same samples.
# - **Filters** at zero: the concept's best single filter; all that Network Dissection labels with it; all whose
#   [formula](../compositional/from-a-word-to-a-formula) names it.
# - **Directions**: the concept's weights in Net2Vec, learned for segmentation or for classification, taken out of the
#   activations at every place; and the **derivative** of the log-odds along them, which asks how much more of it would
#   help, however much there is.
# - As a floor: the thing's **area**, random weights of superpixels, a random filter, a random direction.

# %%
from n2vlib.local import agreement, compared

name = LAYERS[-1]
layer = n2vlib.read_layers(network, [name], probe, tau=TAU, **options)[name]
known = {"epochs": EPOCHS, "iou_threshold": IOU_THRESHOLD, "seed": SEED} | options
table = compared.table(layer, found, asked, hidden, **known)

# %% [markdown]
# One of them by hand: LIME's weights of one thing.

# %%
i = table["area"].argmax()
scene, mask = table.loc[i, "scene"], found.masks[i]
segments, weights = by_class[scene].segments, by_class[scene].weights
if mask.shape == segments.shape:
    sizes = np.bincount(segments.ravel())
    by_hand = sum(weights[s] / sizes[s] for s in segments[mask])
    assert np.isclose(by_hand, table.loc[i, "LIME"])

# %% [markdown]
# Spearman's correlation with the true effect over all things of all scenes; the intervals draw whole scenes again:

# %%
methods = list(compared.METHODS)
r, draws = agreement.correlations(table, methods, seed=SEED)
at = r.set_index("method")["r"]
title = f"LIME {at['LIME']:.2f}, on log-odds {at['LIME, log-odds']:.2f}"
title += f", area {at['area']:.2f}"
axis = "correlation with the true effect"
note = "Spearman, over things; 95% intervals over scenes."
charts.differences(r.rename(columns={"r": "difference"}), title, "method", axis, note)

# %% [markdown]
# Two checks. Large things may matter more: what is left of the correlation with the area held constant? And of two
# things in one scene, how often does a method rightly say which matters more (chance: 0.5)? There, the scale of its
# numbers does not matter.

# %%
others = [each for each in methods if each != "area"]
given, _ = agreement.correlations(table, others, given="area", seed=SEED)
order = agreement.orders(table, methods, seed=SEED)
beside = {"method": methods, "things": r["pairs"], "r": r["r"]}
beside["area constant"] = given.set_index("method")["r"].reindex(methods).to_numpy()
beside["right order"] = order["r"]
half = ((order["high"] - order["low"]) / 2).max()
title = f"Methods beside the truth; right order to within {half:.2f} (95%)"
charts.table(pd.DataFrame(beside), title, rows=20)

# %% [markdown]
# Not every thing has filters that are labelled with it. On those that have:

# %%
few = table.dropna(subset=[compared.LABELLED])
on_few, _ = agreement.correlations(few, methods[:-3], seed=SEED)
title = f"The {len(few)} things with labelled filters"
charts.table(on_few, title)

# %% [markdown]
# ## Where LIME and the concept directions agree
#
# LIME sees the picture and knows no concepts; the direction of a concept was learned on other images and knows nothing
# of outlines here. Where both say that a thing supports the answer, or both that it does not, are they right more often?

# %%
one, two = compared.LIME_LOGS, "direction removed, classification"
signs = table.dropna(subset=[two])
same = np.sign(signs[one]) == np.sign(signs[two])
rows = []
for words, which in {"both agree": same, "they differ": ~same}.items():
    mine = signs[which]
    right = [(np.sign(mine[m]) == np.sign(mine["truth"])).mean() for m in (one, two)]
    rows.append((words, len(mine), *right))
columns = ["", "things", f"right: {one}", f"right: {two}"]
mutual, _ = agreement.correlations(signs, [one], truth=two, seed=SEED)
mutual = mutual.loc[0]
title = f"The two correlate with r = {mutual['r']:.2f}"
title += f" ({mutual['low']:.2f} to {mutual['high']:.2f})"
charts.table(pd.DataFrame(rows, columns=columns), title)

# %% [markdown]
# Read this beside the share of things that really support the answer, above: a method that says so of every thing is
# right that often.

# %%
of = table.groupby("thing").agg(
    things=("truth", "size"),
    truth=("truth", "mean"),
    lime=(one, "mean"),
    way=(two, "mean"),
)
often = of.sort_values(["things", "truth"], ascending=False).head(12).reset_index()
often = often.rename(columns={"things": "scenes", "lime": one, "way": two})
charts.table(often, "Mean effect of the things that are in most scenes")

# %% [markdown]
# ## What we see

# %%
from n2vlib.display import style


def against(of, other):
    """In words: how much better one method is than another, by a paired interval."""
    pair = r[r["method"].isin([of, other])]
    row = agreement.differences(draws, pair, of).iloc[0]
    clear = "not clearly better"
    if row["low"] > 0 or row["high"] < 0:
        clear = "better" if row["low"] > 0 else "worse"
    numbers = (style.formatted(row[x], "+.2f") for x in ("difference", "low", "high"))
    return "{} ({}, 95% {} to {})".format(clear, *numbers)


# %%
print(f"Against the thing's area, LIME as released is {against('LIME', 'area')},")
print(f"on log-odds {against('LIME, log-odds', 'area')}. Against the best filter,")
for way in ("classification", "segmentation"):
    of = f"direction removed, {way}"
    print(f"{of} is {against(of, 'best filter at zero')}.")
whole = at[(r.set_index("method")["pairs"] == len(table))]
best = style.formatted(whole.max())
print(f"Of the methods for all things, {whole.idxmax()} is closest (r = {best}).")

# %% [markdown]
# A fixed seed answers the users' complaint, and intervals say what it hides. But an explanation that is repeatable and
# precise can still miss what would happen without the thing: LIME is exact about pictures with painted patches. How far
# these are from real removals can only be said where scenes can be drawn again.
#
# ## Exercises
#
# 1. Hide superpixels in grey, as in the paper's text, or blurred. Does LIME come closer to the truth?
# 2. Use the objects' true masks as superpixels. What is left to gain?
# 3. Explain the second most probable class, and take away what speaks for it.
#
# ## Summary
#
# - One seed for superpixels and samples makes LIME repeatable; intervals say which superpixels matter at all.
# - With concepts as columns, the submodular pick works for pictures.
# - The true effect of a thing is known where the scene can be drawn without it, and every explanation can be held to it.

# %%
n2vlib.provenance(probe=probe, network=network, layers={name: layer}, seed=SEED)
