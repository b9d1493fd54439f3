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
# The right answer $y(x)$ is the scene that an image is labelled with, $\hat y(x)$ the one for which the network's score
# is highest. Images with exactly one of the network's scenes count. The networks of our zoo were trained on other drawn images.

# %%
import pandas as pd

from n2vlib import charts
from n2vlib.compositional import accuracy, beam, explain

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps")
network, store = (
    n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED),
    n2vlib.Store(STORE),
)
known, name = accuracy.classes(network, probe, CLASSES), LAYERS[-1]
options = {"tau": TAU, "device": DEVICE, "store": store}
layer = n2vlib.read_layers(network, [name], probe, **options)[name]
answered = accuracy.answers(layer, known)

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

fired = accuracy.fires(layer)[answered.inputs]
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
LENGTHS = range(1, 11)

measured = explain.Filters(layer, probe)
found = beam.search(measured.counts(), LENGTHS[-1], beam=BEAM)
iou = found.pivot(index="unit", columns="allowed", values="iou")
formulas = found.loc[found["allowed"] == LENGTHS[-1]].set_index("unit")["formula"]
points = by_filter.assign(iou=iou[10], formula=formulas.map(str))
now = accuracy.correlation(points["iou"], points["accuracy"], seed=SEED)


# %%
def said(r):
    """A correlation with its interval and p."""
    p = "" if np.isnan(r["p"]) else f", p = {r['p']:.2g}"
    return f"{r['r']:.2f} ({r['low']:.2f} to {r['high']:.2f}{p})"


title = f"{name}, {now['n']} filters: r = {said(now)}"
axes = "IoU of the formula of up to 10 concepts", "accuracy where the filter fires"
tip = ["unit", "formula", "inputs"]
note = "Dashed: accuracy over all images. Line: least squares."
charts.scatter(points, "iou", "accuracy", title, axes, tip, overall, note)

# %%
from n2vlib import published

stated = published.table("compexp_quantitative_claims").set_index("claim_id")["value"]
rows = [("r, formulas of up to 10", f"{float(stated['ce_c4']):.2f}", said(now))]
rows.append(("p", f"below {stated['ce_c5']}", f"{now['p']:.2g}"))
columns = ["accuracy and IoU over filters", "published", "this run"]
charts.table(pd.DataFrame(rows, columns=columns))

# %% [markdown]
# The paper's network is a ResNet-18 with 512 filters in that layer, its images are photographs. The interval is a
# bootstrap over filters.
#
# How large can $r$ be at all? A network that is nearly always right leaves few mistakes to differ in, and the accuracy
# of each filter is a share of a limited number of images. We divide the images at random in two halves, measure the
# accuracies on each, and correlate them over filters.

# %%
reliable = accuracy.reliability(fired, answered.right, SEED)
ceiling = np.sqrt(max(reliable, 0))
print(
    f"{(~answered.right).sum()} of {len(fired)} answers are wrong. Two sets of as many"
)
print(
    f"images agree about the filters with r = {reliable:.2f}, so even a perfect measure"
)
print(f"could not reach more than about {ceiling:.2f}.")

# %% [markdown]
# ## By length of the formula
#
# > For images the correlation rises with the length allowed {cite}`mu2020compositional`.

# %%
from n2vlib.compositional import trust

halves = trust.held_out(measured, LENGTHS[-1], beam=BEAM, splits=1, seed=SEED)
elsewhere = halves.groupby(["unit", "allowed"])["held_out"].mean().unstack()
rate = points["rate"]
ways = {
    "IoU": (iou, "accuracy", []),
    "IoU on images that the search has not seen": (elsewhere, "accuracy", []),
    "with the firing rate held constant": (iou, "accuracy", [rate]),
    "accuracy beyond that of the classes": (iou, "beyond", []),
}

# %%
rows = []
for way, (scores, right, given) in ways.items():
    for n in LENGTHS:
        r = accuracy.correlation(scores[n], points[right], given, seed=SEED)
        rows.append({"way": way, "allowed": n, **r})
by_length = pd.DataFrame(rows)
shown = by_length.drop(columns=["low", "high"]).dropna(subset=["r"])
axes = "longest formula allowed, concepts", "correlation with accuracy"
charts.lines(shown, "allowed", "r", f"{name}: r by length", axes, series="way")

# %% [markdown]
# The paper's curve has no numbers that could be put beside it.
#
# ## What else could it be?
#
# The paper's correlation compares filters that differ in more than their IoU. Three controls, none of which it has:
#
# - **Luck of the search.** A formula of ten concepts fits some images by luck. Its IoU on the half of the images that the
#   search has not seen does not.
# - **How often a filter fires.** In a filter that fires in many images a formula can fit a large mask, and its accuracy
#   is close to the overall one. We hold the share of images in which it fires constant (partial correlation).
# - **Which classes it fires in.** Where a filter fires mostly in beaches, and beaches are easy, its accuracy is high
#   whatever it has learned. So we take from the accuracy of the filter what is expected from the classes of its
#   images alone.

# %%
rows = []
for way, each in by_length.groupby("way", sort=False):
    one, ten = (each.loc[each["allowed"] == n].iloc[0] for n in (1, 10))
    rows.append((way, one["r"], ten["r"], ten["low"], ten["high"], f"{ten['p']:.2g}"))
columns = ["correlated with accuracy", "r, one concept", "r, ten", "low", "high", "p"]
charts.table(pd.DataFrame(rows, columns=columns), f"{name}: r over filters", digits=2)

# %% [markdown]
# And beside chance: a filter that fires in images drawn at random would have the overall accuracy.

# %%
alive = points.dropna(subset=["accuracy"])
above, beyond = (alive["accuracy"] > overall).mean(), (alive["beyond"] > 0).mean()
groups = n2vlib.tables.in_groups(alive["iou"], ["low", "middle", "high"])
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
# The head of our networks reads two numbers of each filter, its mean and its maximum over the image, so that there are
# two weights. We take both times what the filter adds where it fires, that is the difference between images in which it
# fires and others. What it adds to all classes alike changes no answer and is left out.
#
# Where no weight leads from the layer to the classes, because more layers lie between, we show another measure of the
# released program: the correlation of the filter's mean with the score of the class.

# %%
adds, sense = accuracy.contributions(layer, known, answered)
print(f"Contributions by {sense}.")
atoms_in = measured.atoms.sizes(np.arange(len(probe)))[answered.inputs] > 0
three = found.loc[found["allowed"] == 3].set_index("unit")
named = three.dropna(subset="formula")
truth = np.stack([measured.counts().truth(each) for each in named["formula"]], axis=1)
holds = atoms_in.astype(np.float32) @ truth > 0
more = accuracy.more_often(holds, answered.truth, known.known).set_axis(named.index)

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
# *More often* is the difference of two shares: of the images of the class that show the formula somewhere, and of other
# images. If formulas say what filters do for the answer, the first filter of a class should have a formula that is
# commoner there.

# %%
best = kept.idxmax()
fits = np.mean([more.loc[unit, c] > 0 for c, unit in best.items()])
by_chance = (more.loc[kept.index] > 0).to_numpy().mean()
pairs = accuracy.correlation(
    kept.to_numpy().ravel(), more.loc[kept.index].to_numpy().ravel(), draws=0
)
print(f"The formula is commoner in the class for {fits:.0%} of these filters, for")
print(
    f"{by_chance:.0%} of all pairs of a filter and a class. Over all pairs contribution"
)
print(f"and *more often* correlate with r = {pairs['r']:.2f}.")

# %% [markdown]
# ## What we see

# %%
last = by_length.loc[by_length["allowed"] == 10].set_index("way")
stand = [way for way, r in last.iterrows() if r["low"] > 0 or r["high"] < 0]
print(f"At ten concepts {len(stand)} of {len(last)} correlations are apart from zero:")
print("; ".join(f"{way} ({last.loc[way, 'r']:.2f})" for way in stand) or "none")

# %% [markdown]
# A correlation over filters says nothing of causes. Whether the network needs a filter is asked by removing it, in
# [Ablation](../netdissect/ablation); whether a formula says what to change in an image, in the next chapter.
#
# ## Exercises
#
# 1. Take `NETWORK=small-resnet` with `LAYERS=[conv4_x]`, which is wrong more often. Does the sign of $r$ stay?
# 2. `LAYERS=[conv3]`: is there a correlation in a layer whose filters are far from the answer?
# 3. Leave out the filters that fire in fewer than 100 images. What happens to the reliability, and to $r$?
#
# ## Summary
#
# - Accuracy where a filter fires is a number with few mistakes in it; look at its reliability first.
# - Part of its correlation with IoU can come from how often filters fire, and from the classes they fire in.
# - A weight of the last layer is a contribution only together with how much the filter adds.

# %%
n2vlib.provenance(probe=probe, network=network, layers={name: layer}, seed=SEED)
