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
# # When the filter fires, is the network right?
#
# *Sections 5 and 6, figure 7* {cite}`mu2020compositional`. A filter whose formula fits well has learned something that
# we have a name for. Does that help the network? Mu and Andreas look at the images in which a filter fires and ask how
# often the network is right there. In their image classifier it is right more often where the IoU is higher.
#
# *Questions.* Is it so here, and for formulas of every length? Is it the IoU, or something else that goes with it? And
# which classes does a filter speak for?

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
NETWORKS: list = "zoo/scenes"  # compared with NETWORK; keys: network, layer, ...
BEAM: int = 5  # formulas that are kept after each round of the search
CLASSES: list = None  # names of the network's outputs; null: the scenes of the zoo's

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper defines
#
# > The accuracy of a neuron is that of the network over the inputs on which the neuron is active, $M_n(x) = 1$. For an
# > image this means that the filter exceeds its threshold anywhere {cite}`mu2020compositional`.
#
# $$
# \mathrm{acc}(n) = \frac{\sum_x [M_n(x) = 1]\,[\hat y(x) = y(x)]}{\sum_x [M_n(x) = 1]}
# $$ (eq-accuracy-where-it-fires)
#
# The right answer $y(x)$ is the scene that an image is labelled with, $\hat y(x)$ the one for which the network's
# score is highest. Only images labelled with exactly one of the network's scenes count. The networks of our zoo were
# trained on other drawn images. For a network of your own, `CLASSES` gives every output the name that the probe set
# uses for it. Outputs of one kind share a name (many dogs, one `dog`), and an output without a counterpart in the
# probe set gets any other name, such as `-`.

# %%
import pandas as pd

from n2vlib import charts
from n2vlib.compositional import accuracy, classifier, contributions, explain

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
store = n2vlib.Store(STORE)
known, name = classifier.classes(network.name, probe, CLASSES), LAYERS[-1]
options = {"tau": TAU, "device": DEVICE, "store": store}
layer = n2vlib.read_layers(network, [name], probe, **options)[name]
answered = classifier.answers(layer, known)

# %%
overall = answered.right.mean()
commonest = pd.Series(answered.truth).value_counts(normalize=True).iloc[0]
row = {"images": len(answered.inputs), "classes": len(known.known)}
row |= {"accuracy": overall, "always the commonest class": commonest}
charts.table(pd.DataFrame([row]), f"{network.name}: answers")

# %% [markdown]
# ## By hand, one filter
#
# The filter that fires in most images: in which images, and in how many of these is the answer right?

# %%
import numpy as np

fired = classifier.fires(layer)[answered.inputs]
by_filter = accuracy.by_unit(fired, answered.right, answered.truth)
k = int(fired.sum(axis=0).argmax())
its_maximum = np.asarray(layer.highest)[:, k]
its_images = [i for i in answered.inputs if its_maximum[i] > layer.thresholds[k]]
right = dict(zip(answered.inputs, answered.right, strict=True))
by_hand = sum(right[i] for i in its_images) / len(its_images)
assert np.isclose(by_hand, by_filter.loc[k, "accuracy"])
print(f"Filter {k} fires in {len(its_images)} of {len(fired)} images. Of these")
print(f"{by_hand:.1%} are answered right; of all images {overall:.1%}.")

# %% [markdown]
# ## Accuracy against IoU
#
# The formulas are those of the [second chapter](how-long-how-good), of up to ten concepts, as in the paper's figure.

# %%
measured = explain.Filters(layer, probe)
table = accuracy.explained(measured, answered, beam=BEAM, splits=1, seed=SEED)
longest = table.loc[table["allowed"] == accuracy.LENGTH]
at_ten = accuracy.correlations(longest, seed=SEED).set_index("way")
points = longest.assign(formula=longest["formula"].map(str))
assert np.allclose(points["accuracy"], by_filter["accuracy"], equal_nan=True)
now = at_ten.loc["IoU"]


# %%
from n2vlib.display import style


def with_interval(r):
    """A correlation with its interval."""
    numbers = (style.formatted(round(r[x], 2) + 0.0) for x in ("r", "low", "high"))
    return "{} ({} to {})".format(*numbers)


p = style.formatted(now["p"], ".2g")
title = f"{name}, {now['n']:.0f} filters: r = {with_interval(now)}, p = {p}"
axes = "IoU of the formula of up to 10 concepts", "accuracy where the filter fires"
tip = ["unit", "formula", "inputs"]
note = "Dashed: accuracy over all images. Line: least squares."
charts.scatter(points, "iou", "accuracy", title, axes, tip, overall, note)

# %%
from n2vlib import published

stated = published.table("compexp_quantitative_claims").set_index("claim_id")["value"]
rows = [
    ("r, formulas of up to 10", f"{float(stated['ce_c4']):.2f}", with_interval(now))
]
rows.append(("p", f"below {stated['ce_c5']}", p))
columns = ["accuracy and IoU over filters", "published", "this run"]
charts.table(pd.DataFrame(rows, columns=columns), "The paper's numbers and ours")

# %% [markdown]
# The paper's network is a ResNet-18 with 512 filters in that layer, and its images are photographs. The interval is a
# bootstrap over filters.
#
# How large can $r$ be at all? A network that is nearly always right leaves few mistakes to differ in, and the accuracy
# of each filter is a share of a limited number of images. We divide the images at random into two halves, measure the
# accuracies on each, and correlate them over filters.

# %%
reliable = accuracy.reliability(fired, answered.right, SEED)
ceiling = style.formatted(
    np.sqrt(max(reliable, 0)) if reliable == reliable else reliable
)
agree = style.formatted(reliable)
print(
    f"{(~answered.right).sum()} of {len(fired)} answers are wrong. Two sets of as many"
)
print(f"images agree about the filters with r = {agree}, so even a perfect measure")
print(f"could not reach more than about {ceiling}.")

# %% [markdown]
# ## By length of the formula
#
# > For images the correlation rises with the length allowed {cite}`mu2020compositional`.
#
# One network is one case. So here are others that were trained on the same scenes. The paper shows its curve without
# numbers, so none can be put beside ours.

# %%
from n2vlib.analysis import detectors

options["seed"] = SEED
rows = classifier.classifiers(NETWORKS, probe)
_, ends = detectors.read(probe, rows, **options) if rows else (None, {})
answers, explained = {network.name: answered}, {network.name: table}
for label, end in ends.items():
    answers[label] = classifier.answers(end, classifier.classes(end.network, probe))
    filters = explain.Filters(end, probe)
    explained[label] = accuracy.explained(filters, answers[label], beam=BEAM)

# %%
found = {
    label: accuracy.correlations(each, draws=0) for label, each in explained.items()
}
found = pd.concat(each.assign(network=label) for label, each in found.items())
lengths = found.loc[found["way"] == "IoU", ["network", "allowed", "r"]]
by_end = lengths.pivot(index="network", columns="allowed", values="r")
rises = (by_end[accuracy.LENGTH] > by_end[1]).sum()
title = f"r is larger at ten concepts than at one in {rises} of {len(by_end)} networks"
axes = "longest formula allowed, concepts", "correlation of IoU with accuracy"
shown = lengths.dropna(subset=["r"])
charts.lines(shown, "allowed", "r", title, axes, series="network")

# %%
means = {n: style.formatted(by_end[n].mean()) for n in (1, 2, 3, accuracy.LENGTH)}
listed = ", ".join(f"{r} at {n}" for n, r in means.items())
print(f"Mean r over networks by length: {listed}.")

# %% [markdown]
# ## What else could it be?
#
# The paper's correlation compares filters that differ in more than their IoU. We add three controls, none of which it
# has:
#
# - **Luck of the search.** A formula of ten concepts fits some images by luck. So we also take its IoU on the half of
#   the images that the search has not seen.
# - **How often a filter fires.** A filter that fires in many images gives the formula a large mask to fit, and its
#   accuracy is close to the overall one. We hold the share of images in which it fires constant (partial correlation).
# - **Which classes it fires in.** If a filter fires mostly in beach scenes, and these are easy, its accuracy is high
#   whatever it has learned. So we subtract from the filter's accuracy what the classes of its images alone lead us to
#   expect.

# %%
own = found.query("network == @network.name and allowed == 1").set_index("way")
columns = {"r, one concept": own["r"], "r, ten": at_ten["r"]}
columns |= {"low": at_ten["low"], "high": at_ten["high"]}
columns |= {"p": at_ten["p"].map(lambda p: style.formatted(p, ".2g"))}
controls = pd.DataFrame(columns).loc[at_ten.index].reset_index()
charts.table(controls, f"{network.name}: r over filters", digits=2)

# %% [markdown]
# The same in the other networks, without the search on halves:

# %%
ways = [way for way in accuracy.WAYS if accuracy.WAYS[way][0] == "iou"]
last = {network.name: at_ten}
for label in ends:
    its_ten = explained[label].query("allowed == @accuracy.LENGTH")
    last[label] = accuracy.correlations(its_ten, seed=SEED).set_index("way")
rows = []
for label, each in answers.items():
    row = {"network": label, "accuracy": each.right.mean()}
    rows.append(row | {way: with_interval(last[label].loc[way]) for way in ways})
charts.table(pd.DataFrame(rows), "r at ten concepts and 95% interval over filters")

# %% [markdown]
# And beside chance: a filter that fired in random images would have the overall accuracy.

# %%
from n2vlib import tables

alive = points.dropna(subset=["accuracy"])
above, beyond = (alive["accuracy"] > overall).mean(), (alive["beyond"] > 0).mean()
groups = tables.in_groups(alive["iou"], ["low", "middle", "high"])
means = alive.groupby(groups, observed=True)[["iou", "rate", "accuracy", "expected"]]
means = means.mean().rename_axis("IoU of the formula").reset_index()
print(
    f"{above:.0%} of filters fire where the network is right more often than overall,"
)
print(f"{beyond:.0%} where it is right more often than the classes of the images say.")
charts.table(means, f"{name}: thirds of filters by IoU; overall {overall:.3f}")

# %% [markdown]
# ## What a filter contributes to a class
#
# > The weight between a neuron of the last layer and a class says what the neuron contributes to the class
# > {cite}`mu2020compositional`.
#
# The head of our networks reads two numbers of each filter, its mean and its maximum over the image, so there are two
# weights. We multiply each by what the filter adds where it fires, that is, by the difference between images in which
# it fires and others, and add them up. What it adds to all classes alike changes no answer and is left out.
#
# Where no weight leads from the layer to the classes, because more layers lie between, we show another measure from
# the released program: the correlation of the filter's mean with the score of the class, less the mean of all scores.

# %%
adds, sense = contributions.contributions(layer, known, answered)
print(f"Contributions by {sense}.")
atoms_in = measured.atoms.sizes(np.arange(len(probe)))[answered.inputs] > 0
three = table.loc[table["allowed"] == 3].set_index("unit")
named = three.dropna(subset="formula")
counts = measured.counts()
truth = np.stack([counts.truth(each) for each in named["formula"]], axis=1)
holds = atoms_in.astype(np.float32) @ truth > 0
more = contributions.more_often(holds, answered.truth, known.known).set_axis(
    named.index
)

# %%
kept = adds.loc[named.index].dropna()
rows = []
for c, scene in probe.concepts.loc[known.known, "name"].items():
    for unit in (kept[c].idxmax(), kept[c].idxmin()):
        row = named.loc[unit]
        about = unit, str(row["formula"]), row["iou"], kept.loc[unit, c]
        rows.append((scene, *about, more.loc[unit, c]))
columns = ["class", "filter", "formula of three", "IoU", "contribution", "more often"]
caption = "For each class the filter that adds most, and the one that takes most"
charts.table(pd.DataFrame(rows, columns=columns), caption, rows=24)

# %% [markdown]
# *More often* is the share of the images of the class in which the formula holds somewhere, minus the same share of
# other images. If formulas say what filters do for the answer, the filter that adds most to a class should have a
# formula that is commoner there. Scenes are concepts, too, so a formula can name the class itself.

# %%
best = kept.idxmax()
fits = np.mean([more.loc[unit, c] > 0 for c, unit in best.items()])
every = more.loc[kept.index]
by_chance = (every > 0).to_numpy().mean()
print(
    f"The formula is commoner in the class for {fits:.0%} of the filters that add most"
)
print(f"to a class, for {by_chance:.0%} of all pairs of a filter and a class.")

# %%
names_class = [set(each.concepts) & set(known.names) for each in named["formula"]]
names_class = pd.Series(names_class, named.index).loc[kept.index].astype(bool)
which = {"all formulas": kept.index, "without": kept.index[~names_class]}
r_of = {}
for words, units in which.items():
    x, y = (each.loc[units].to_numpy().ravel() for each in (kept, every))
    r_of[words] = style.formatted(accuracy.correlation(x, y, draws=0)["r"])
print("Over all pairs, contribution and 'more often' correlate with")
print(
    f"r = {r_of['all formulas']}; without the {names_class.sum()} formulas that name a"
)
print(f"class with r = {r_of['without']}.")

# %% [markdown]
# ## What we see

# %%
for way in ways:
    above = sum(each.loc[way, "low"] > 0 for each in last.values())
    below = sum(each.loc[way, "high"] < 0 for each in last.values())
    print(f"{way}: r above zero in {above} of {len(last)} networks, below in {below}.")

# %% [markdown]
# A correlation over filters says nothing about causes. To see whether the network needs a filter, remove it
# ([Ablation](../netdissect/ablation)); whether a formula says what to change in an image is asked in the [next
# chapter](copy-and-paste).
#
# ## Exercises
#
# 1. Take `NETWORK=small-resnet` with `LAYERS=[conv4_x]`, which is wrong more often. Does the sign of $r$ stay?
# 2. `LAYERS=[conv3]`: is there a correlation in a layer whose filters are far from the answer?
# 3. Leave out the filters that fire in fewer than 100 images. What happens to the reliability, and to $r$?
#
# ## Summary
#
# - Accuracy where a filter fires rests on few mistakes; look at its reliability first.
# - Its correlation with IoU can come from how often filters fire, and from the classes that they fire in.
# - A weight of the last layer is a contribution only together with how much the filter adds.

# %%
n2vlib.provenance(probe=probe, network=network, layers={name: layer} | ends, seed=SEED)
