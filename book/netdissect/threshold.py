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
# # What the measure decides
#
# *Network Dissection, section 4.* A count of detectors is a fact about a network, seen through four choices: how often a
# filter fires, what counts as overlap, which words there are, and which images. The paper changes the first of them and
# talks about the others. Here three are changed, all but what counts as overlap. The images change only in part: the same
# ones are counted by another rule, and their labels are dealt anew.
#
# *Question.* Which of a network's names would survive another measure?

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
TAUS: list = [0.0025, 0.005, 0.01, 0.02, 0.04]  # shares of all places tried
CUT: float = 0.04  # a filter whose dissection IoU with its best concept exceeds this is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## The paper's claim
#
# > With a small $\tau$ only the strongest activations count, with a large one the mask spreads. Over a range from 0.0025
# > to 0.04 the number of detectors changes and so does their mixture: a filter that is a painting detector at one $\tau$
# > can be called brown at a looser one {cite}`zhou2019interpreting`.
#
# The whole range needs one reading of the layer, as what fires at a small share fires at a large one too. Only the
# thresholds move.

# %%
import pandas as pd

from n2vlib import charts
from n2vlib.methods import dissection

probe = n2vlib.load_probe(PROBE)
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
options = {"floor": max([TAU, 0.04, *TAUS]), "device": DEVICE, "store": n2vlib.Store(STORE)}
layers = n2vlib.read_layers(network, LAYERS[-1:], probe, tau=TAU, **options)
print("\n".join(each.silence for each in layers.values() if each.silence) or "No filter is dead or tied.")
layer = layers[LAYERS[-1]]

# %% [markdown]
# ## By hand: one filter, two thresholds
#
# The filter of the last layer with the best name, at the smallest and at the largest $\tau$.

# %%
import numpy as np

from n2vlib.record import run_layers

best = dissection.filters(layer, probe).nlargest(1, "dissection_iou").iloc[0]
k, concept = int(best["filter"]), int(best["concept"])
image = int(probe.images_with(concept)[layer.highest[probe.images_with(concept), k].argmax()])
pixels = network.preprocessing(probe.image(image)[None])
activation = run_layers(network.module.cpu(), [layer.module], pixels)[layer.module][0, k].numpy()
cuts = {tau: layer.at(tau).thresholds[k] for tau in (min(TAUS), max(TAUS))}
places = {tau: int((activation > cut).sum()) for tau, cut in cuts.items()}
for tau, n in places.items():
    assert n == layer.at(tau).fired_in(image)[k].sum()
    print(f"tau = {tau:g}: T = {cuts[tau]:.3f}; {n} of {activation.size} places of this image exceed it")

# %%
from n2vlib import gallery

masks = [dissection.mask(layer.at(tau), probe, activation, k) for tau in cuts]
gallery.show(
    [probe.image(image)] * 3,
    [*(f"filter {k}, tau = {tau:g}" for tau in cuts), f"where people see: {best['name']}"],
    heat=[activation / activation.max()] * 2 + [None], predicted=[*masks, None],
    annotated=[None, None, probe.annotated(concept, image)], columns=3,
)  # fmt: skip

# %% [markdown]
# ## How many names, and of which kind
#
# Every filter of the last layer, named at every $\tau$. Figure 28 of the paper, for our network.

# %%
named = pd.concat([dissection.filters(layer.at(tau), probe).assign(tau=f"{tau:g}") for tau in TAUS])
found = named[named["dissection_iou"] > CUT]
by_tau = found.groupby(["tau", "category"], sort=False).agg(
    detectors=("filter", "size"), unique_detectors=("concept", "nunique")
)
total = by_tau["unique_detectors"].groupby("tau", sort=False).sum()
title = f"{layer.name}: {total.iloc[0]} unique detectors at tau = {TAUS[0]:g}, {total.max()} at {total.idxmax()}"
charts.unique_by(by_tau.reset_index(), "tau", title)

# %%
detectors = by_tau["detectors"].unstack("category").reindex([f"{tau:g}" for tau in TAUS]).fillna(0).astype(int)
charts.table(
    detectors.assign(all=detectors.sum(axis=1)).reset_index(), "Filters that are detectors, by category", digits=0
)

# %% [markdown]
# A larger mask overlaps more and also covers more that is not the concept, so an IoU can rise and fall again. That is
# arithmetic, not knowledge: what is worth noting is which categories grow, and which fall.

# %%
change = detectors.loc[f"{max(TAUS):g}"] - detectors.loc[f"{min(TAUS):g}"]
print(f"From tau = {min(TAUS):g} to {max(TAUS):g}, change in detectors:", end=" ")
print(", ".join(f"{category} {by:+d}" for category, by in change.sort_values(ascending=False, kind="stable").items()))
print("Most detectors at tau =", ", ".join(f"{tau} ({category})" for category, tau in detectors.idxmax().items()))

# %% [markdown]
# ## Who keeps a name?
#
# A filter that has the same name at every $\tau$ can be called by it without a footnote.

# %%
plain = dissection.filters(layer, probe)
reference = plain[plain["dissection_iou"] > CUT]
wide = named.pivot(index="filter", columns="tau", values="name")[[f"{tau:g}" for tau in TAUS]]
sure = wide.loc[reference["filter"]]
kept = sure.eq(reference.set_index("filter")["name"], axis=0)
print(f"Of {len(sure)} detectors at tau = {TAU:g}, {kept.all(axis=1).sum()} keep their name at every tau;")
print("at", ", ".join(f"{tau}: {share:.0%}" for tau, share in kept.mean().items()))

# %% [markdown]
# ## Two filters, all their names
#
# Figure 29: for two filters, the dissection IoU of every concept that is the best one at some $\tau$. We take the
# detector that changes its name most often, and the best of those that never do.

# %%
between = [min(float(f"{tau:.2g}"), max(TAUS)) for tau in np.geomspace(min(TAUS), max(TAUS), 9)]
taus = sorted({*TAUS, *between})
counted = {tau: dissection.dissection_iou(layer.at(tau), probe) for tau in taus}
changes = sure.nunique(axis=1).sort_values(ascending=False, kind="stable")
steady = reference[reference["filter"].isin(changes.index[changes == 1])].nlargest(1, "dissection_iou")["filter"]
two = list(dict.fromkeys([int(changes.index[0]), *steady.astype(int)]))
rows = [
    {"filter": f"filter {k}", "tau": tau, "concept": probe.concepts["name"].iloc[c], "IoU": counted[tau][k, c]}
    for k in two
    for c in sorted({int(iou[k].argmax()) for iou in counted.values()})
    for tau in taus
]
histories = pd.DataFrame(rows)

# %%
for k, each in histories.groupby("filter", sort=False):
    best_of = each.loc[each.groupby("tau")["IoU"].idxmax(), "concept"]
    title = f"{k}: {' then '.join(dict.fromkeys(best_of))}"
    charts.lines(each, "tau", "IoU", title, ("tau", "dissection IoU"), series="concept", log=True).display()

# %% [markdown]
# ## A word that is missing
#
# > A filter can only be given a name that is in the probe set {cite}`zhou2019interpreting`.
#
# We strike out, for every detector, its own concept, and name it again from what is left. A filter whose word is missing
# need not become nameless: if its next best concept passes the cut, it gets that word.

# %%
counts = dissection.count(layer, probe)
iou, columns = counts.iou, probe.concepts.index.get_indexer(reference["concept"])
without = iou[reference["filter"]].copy()
without[np.arange(len(without)), columns] = -1
second = without.max(axis=1)
print(
    f"Without its own word, {(second > CUT).mean():.0%} of the {len(reference)} detectors are detectors of something else."
)
next_best = reference.assign(instead=probe.concepts["name"].to_numpy()[without.argmax(axis=1)], IoU=second)
shown = next_best.nlargest(8, "dissection_iou")[["filter", "name", "dissection_iou", "instead", "IoU"]]
charts.table(shown, "The best detectors, and what they would be called without their word")

# %% [markdown]
# ## Names by chance
#
# A filter is compared with every concept and keeps the best. With enough words, something will fit. How good is the best
# fit where there is nothing to find? The labels are dealt to other images at random: masks, sizes and counts stay as they
# are, and only the connection with the pictures is cut.

# %%
from n2vlib import planted

dealt = planted.shuffled(probe, SEED)
chance = dissection.filters(layer, dealt)
lucky = chance[chance["dissection_iou"] > CUT]
print(f"With labels dealt at random, {len(lucky)} of {layer.n_filters} filters are detectors,")
print(
    f"of {', '.join(sorted(set(lucky['name']))) or 'nothing'}; the median best IoU is {chance['dissection_iou'].median():.3f},"
)
print(f"with the true labels {plain['dissection_iou'].median():.3f}.")

# %% [markdown]
# The best IoU of every filter, by both sets of labels. Each chart has its own scale; the dashed line is the cut in both.

# %%
for labels, each in {"dealt at random": chance, "true": plain}.items():
    above = (each["dissection_iou"] > CUT).mean()
    title = f"Labels {labels}: best IoU of every filter, {above:.0%} above the cut"
    charts.histogram(each, "dissection_iou", title, "dissection IoU", at=CUT).display()

# %% [markdown]
# ## Whose images count
#
# By equation {eq}`eq-dissection-iou`, a filter that fires where no texture is labelled is not punished for it when it is
# asked about textures. Few images carry texture labels, so the union is small. Counted on all images alike:

# %%
from n2vlib.conventions import ANCHORED, EVERYWHERE, Convention

everywhere = dissection.filters(layer, probe, convention=Convention("all images", ANCHORED, EVERYWHERE))
rules = pd.DataFrame(
    {
        "images with the category": reference.groupby("category").size(),
        "all images": everywhere[everywhere["dissection_iou"] > CUT].groupby("category").size(),
    }
)
charts.table(rules.fillna(0).rename_axis("category").reset_index(), f"Detectors of {layer.name}", digits=0)

# %% [markdown]
# ## What a common word gains
#
# Every filter fires on the same share of all pixels. A concept that covers about as much can be matched whole; a rare or
# tiny one cannot. Does the size of a concept predict the best IoU that any filter reaches?

# %%
from n2vlib import look, tables

pixelwise = probe.concepts["segmentable"]
covered = probe.concepts.loc[pixelwise, "coverage"] / len(probe)
reached = pd.Series(iou.max(axis=0), probe.concepts.index)[pixelwise]
rank = look.said(tables.rank_correlation(covered, reached))
third = tables.in_groups(covered, ["smallest third", "middle third", "largest third"])
sizes = reached.groupby(third, observed=True).agg(["mean", "max", "size"])
sizes.columns = ["mean of the best IoU", "largest", "concepts"]
charts.table(sizes.rename_axis("share of all pixels").reset_index(), f"{layer.name}; rank correlation {rank}")

# %%
means, less = sizes["mean of the best IoU"], look.said((covered < TAU).mean(), ".0%")
if len(means) > 1:
    print(
        f"Reached best: the {means.idxmax()}, {means.max():.3f} on average; worst: the {means.idxmin()}, {means.min():.3f}"
    )
else:
    print("The concepts with pixel maps are too few, or too alike in size, for thirds.")
print(f"{less} of the concepts cover less than {TAU:g} of all pixels, the share on which a filter fires.")

# %% [markdown]
# A rank correlation sees a steady rise or fall. Where the middle third is reached best, it hides both. Around a concept
# smaller than the mask something else is always covered, and one larger than the mask can only be met in part.
#
# ## Where we differ
#
# The paper lists possible biases in words. The examples above are ours: what can be shown with labels that are known to be
# right. What cannot be shown here is the bias of labels that are wrong, because a program wrote these. Thresholds are exact at
# every $\tau$, while the released code reads them from a table of a thousand quantiles.
#
# ## Exercises
#
# 1. At which `CUT` do labels dealt at random leave no detector? How many true ones are left then?
# 2. Which filters of `conv1` keep their names at every $\tau$?
# 3. Strike out a whole category. Where do its detectors go?

# %% tags=["solution", "hide-input"]
highest = chance["dissection_iou"].max()
left = plain.query("dissection_iou > @highest")
print(f"Above {highest:.3f} no filter gets a name by chance; {len(left)} of {layer.n_filters} have a true one.")

# %% [markdown]
# ## Take-away
#
# - How many detectors there are at one cut, and of what, depends on the share of places where a filter fires.
# - In the default run a filter whose word is missing often gets another one; otherwise it counts as no detector.
# - A cut means something beside what chance gives: labels dealt at random are the cheapest control there is.
#
# The paper ends here. The [next chapter](ablation) does what its authors did afterwards.

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
