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
# # What the network needs
#
# *What the authors did next.* A name says what a filter looks like. Whether the network uses it is another question,
# and it has a direct test: take the filter away and see which answers change {cite}`bau2020understanding`. We repeat
# that, and then ask it of Net2Vec's directions too.
#
# *Question.* If filters or a direction stand for a concept, what is lost without them?

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
IMAGES: int = 1000  # images of each split at most, evenly spread
CUT: float = 0.04  # a filter whose dissection IoU with its best concept exceeds this is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## The paper's claim
#
# > Set filter $k$ of the last convolution to zero everywhere and leave the rest of the network as it is, without training it
# > again. For every class, measure how well the network still tells the class's images from all others:
#
# $$
# A'_j = \begin{cases} 0 & j = k \\ A_j & \text{otherwise} \end{cases}
# $$ (eq-ablated)
#
# > The measure is balanced accuracy, the mean of two shares: of the class's images that are found, and of the others that
# > are left alone.
#
# > The filters whose loss hurts a class most, on training images, are its important ones. Without the 20 most
# > important of 512 filters a class is told hardly better than by chance, while the accuracy over all classes
# > stays nearly as it was. With the other 492 taken away instead, the class is still told {cite}`bau2020understanding`.
#
# In the paper's numbers, for the class *ski resort* of VGG-16 trained on Places365 and for all its classes:

# %%
import pandas as pd

from n2vlib import charts, look, published, tables

stated = published.table("bau2020_ablation").set_index("claim_id")["value"]
rows = [
    ("whole network", stated["ab_class_whole"], stated["ab_all_whole"]),
    ("without the 4 most important", stated["ab_class_4"], stated["ab_all_4"]),
    ("without the 20 most important", stated["ab_class_20"], stated["ab_all_20"]),
    ("without the 492 least important", stated["ab_class_492"], stated["ab_all_492"]),
]
columns = ["published", "ski resort, balanced accuracy, %", "all 365 classes, accuracy, %"]
charts.table(pd.DataFrame(rows, columns=columns), digits=1)

# %% [markdown]
# ## The classes, and who is right
#
# The classes are the network's own. Where its outputs have names that the probe set knows, the labels say what is
# right: a scene is told by the highest score among all scenes, an object by a score above zero. A network whose outputs
# have no such names is asked about itself: a class is then an output, and its images are those on which the whole
# network gives that answer. What is lost there is agreement with itself, which says nothing of truth.

# %%
from n2vlib.analysis import exam

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
network, name = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED), LAYERS[-1]
asked = exam.read(network, name, probe, images=IMAGES, device=DEVICE)
train, val = asked.parts["train"], asked.parts["val"]
whole = exam.balanced(exam.without(asked, "val", [[]]), val)[0]
kinds = asked.classes.assign(accuracy=whole).groupby("kind", sort=False)["accuracy"]
columns = ["kind of class", "classes", "mean balanced accuracy", "lowest", "highest"]
charts.table(
    kinds.agg(["size", "mean", "min", "max"]).reset_index().set_axis(columns, axis=1),
    f"{network.name}, {len(train.images)} training and {len(val.images)} validation images",
)

# %% [markdown]
# Only classes with at least five images, and five others, in each split are asked. Chance is 0.5 for every class.
#
# To ask a thousand times without running the whole network a thousand times, the activations of the layer are read
# once, and only what comes after the layer runs again. That is right only if every path of the network leads through
# the layer; the library checks it.
#
# ## By hand: one filter, one class
#
# Every filter of the layer is set to zero in turn, on training images. Take the pair with the largest loss.

# %%
import numpy as np

from n2vlib.analysis import ablation

hurt = ablation.damage(asked, "train")
k, c = (int(i) for i in np.unravel_index(hurt.accuracy.argmax(), hurt.accuracy.shape))
print(f"filter {k}, class {asked.classes['name'][c]}: {hurt.accuracy[k, c]:.3f} lost on training images")


# %% [markdown]
# Now with the whole network, on a few validation images of that class. A hook writes over what the layer puts out:

# %%
import torch

from n2vlib.rest import scores


def silence(module, given, output):
    """The layer's output with filter k at zero; its filters lie on the second axis, in some networks on the last."""
    axis = output.shape.index(len(hurt.accuracy), 1)
    return output.index_fill(axis, torch.tensor([k]), 0)


some = np.flatnonzero(val.own[:, c])[:20]
pixels = network.preprocessing(np.stack([probe.image(int(i)) for i in val.images[some]]))
module = network.module.cpu()
hook = module.get_submodule(network.layer(name)).register_forward_hook(silence)
with torch.inference_mode():
    by_hand = asked.leads(scores(module(pixels)))[:, c].numpy()
hook.remove()

# %%
module.to(asked.device)
before, after = exam.without(asked, "val", [[], [k]])[:, some, c]
assert np.allclose(by_hand, after, atol=1e-3 * np.abs(after).max())
print(f"of {len(some)} images of the class, {(before > 0).sum()} are told by the whole network,")
print(f"{(by_hand > 0).sum()} without filter {k} by hand, {(after > 0).sum()} in the library")

# %% [markdown]
# ## Which filter matters most, and what is it called?
#
# For the classes with most images: the filter whose loss hurts most on training images, what its loss costs on
# validation images, and its name. The two shares say how often the concept of that name is in images of the class, and
# how often in others.

# %%
from n2vlib.methods import dissection

options = {"tau": TAU, "device": DEVICE, "store": store}
layer = n2vlib.read_layers(network, [name], probe, **options)[name]
named = dissection.filters(layer, probe)
frequent = ablation.frequent(asked, 12)
worst = [int(hurt.order(c)[0]) for c in frequent]
alone = exam.balanced(exam.without(asked, "val", [[k] for k in worst]), val)
in_class, elsewhere = ablation.shown(asked, probe)

# %%
rows = [
    (asked.classes["name"][c], k, hurt.accuracy[k, c], whole[c] - one[c], filter_k["name"], filter_k["dissection_iou"],
     in_class.loc[c, filter_k["concept"]], elsewhere.loc[c, filter_k["concept"]])
    for c, k, one in zip(frequent, worst, alone, strict=True) for filter_k in [named.loc[k]]
]  # fmt: skip
columns = ["class", "filter", "lost, train", "lost, val", "its name", "IoU", "in class", "in others"]
charts.table(pd.DataFrame(rows, columns=columns), "The most damaging filter of each class", digits=2, rows=24)

# %%
more = (in_class - elsewhere).loc[:, named["concept"]].to_numpy() > 0
of_worst = np.mean([more[c, hurt.order(c)[0]] for c in range(len(more))])
unmoved = (hurt.accuracy == 0).all(axis=0)
print("Named after something that is commoner in the class than in others:")
print(f"the most damaging filter, of {of_worst:.0%} of the classes; all filters, over all classes, {more.mean():.0%}.")
print(f"Classes of which no single filter changes an answer on training images: {unmoved.sum()} of {len(unmoved)}.")

# %% [markdown]
# A class that is told with certainty survives any single loss. Filters that cost equally much, often nothing, are
# therefore ordered by how much their loss narrows the *lead*: the score of the class less the highest other one (for
# objects, which have no rivals, the score itself), on images of the class less on the other images. The paper orders by
# accuracy alone.
#
# ## Many filters at once
#
# Now the $n$ most damaging filters of a class go together, against the $n$ least damaging and $n$ at random. They are
# chosen on training images, and what is left is measured on validation images.

# %%
kind = next(iter(asked.rivals), asked.classes["kind"][0])
its = [c for c in frequent if asked.classes["kind"][c] == kind]
n_many, every = ablation.many(layer.n_filters), ablation.sizes(layer.n_filters)
few = sorted({4, n_many, layer.n_filters - n_many})
curves = ablation.removed(asked, hurt, its, every, seed=SEED)
if rest := [c for c in frequent if c not in its]:
    curves = pd.concat([curves, ablation.removed(asked, hurt, rest, few, seed=SEED)])
means = ablation.summary(curves).set_index(["kind", "way", "n"])

# %%
mine = curves[(curves["kind"] == kind) & (curves["n"] < layer.n_filters / 2)]
meanwhile = mine[mine["way"] == "most damaging"].assign(
    way="the other classes meanwhile", accuracy=lambda t: t["others"]
)
points = ablation.curve(pd.concat([mine, meanwhile.dropna(subset=["accuracy"])]), SEED)
gone, chance = means.loc[(kind, "most damaging", n_many)], means.loc[(kind, "random", n_many)]

# %%
title = f"{kind.capitalize()}: without its {n_many} most damaging of {layer.n_filters} filters a class loses "
title += f"{gone['lost']:.2f}, without {n_many} at random {chance['lost']:.2f}"
charts.accuracy_by_removed(
    points, title, "Mean over the classes and its 95% bootstrap interval over them; dashed: chance."
)

# %% [markdown]
# *The other classes meanwhile*: the mean of the other classes of the same kind, while the filters most damaging to one
# are gone. If that line stays up while the class falls, the filters are its own. In numbers, for every kind of class:

# %%
changes = [("most damaging", 4), ("most damaging", n_many), ("random", n_many)]
changes += [("least damaging", layer.n_filters - n_many), ("random", layer.n_filters - n_many)]
rows = [
    (each, f"{n} {way}", *means.loc[(each, way, n), ["before", "accuracy", "share_lost", "others_lost"]])
    for each in dict.fromkeys(curves["kind"]) for way, n in changes if (each, way, n) in means.index
]  # fmt: skip
columns = ["kind", "set to zero", "whole network", "without them", "share lost", "lost by the others"]
n_each = ", ".join(f"{n} {each}" for each, n in curves.groupby("kind", sort=False)["class"].nunique().items())
caption = "Means over classes; the share is of what lies above chance (0.5). Of each kind the classes with most images "
charts.table(pd.DataFrame(rows, columns=columns), caption + f"({n_each}); the first table has all classes")

# %% [markdown]
# The last two rows of a kind leave equally many filters: once those that were most damaging, once any. If they are
# alike, a class needs the rest of the layer as much as its own filters. The most damaging can even be the worse ones to
# keep: their loss is felt beside all the others, and says nothing of what they tell by themselves.

# %%
for each in dict.fromkeys(curves["kind"]):
    own, any_ = (means.loc[(each, way, layer.n_filters - n_many), "accuracy"] for way in ("least damaging", "random"))
    worse = "worse than" if own < any_ else "better than" if own > any_ else "as good as"
    print(f"{each}: with its {n_many} most damaging filters alone {own:.3f}, {worse} with any {n_many} ({any_:.3f})")

# %% [markdown]
# And a mean can hide two kinds of classes: those that lose little or nothing without theirs, and those that fall to
# chance.

# %%
mine = curves[(curves["way"] == "most damaging") & (curves["n"] == n_many)]
left = ((mine["accuracy"] - 0.5) / (mine["before"] - 0.5).clip(lower=1e-9)).groupby(mine["kind"], sort=False)
for each, share in left:
    print(
        f"{each}: without their {n_many} filters {(share > 0.9).sum()} of {len(share)} classes keep more than", end=" "
    )
    print(f"nine tenths of what lies above chance, {(share < 0.1).sum()} less than one tenth")

# %% [markdown]
# Class by class, on validation images: with all filters, without those most damaging, and with these alone.

# %%
left = ablation.kept_and_gone(curves[curves["kind"] == kind], n_many, layer.n_filters)
enough = (left.loc[left["filters"] == f"its {n_many} alone", "accuracy"] > 0.75).mean()
title = f"With its {n_many} filters alone, {enough:.0%} of the classes keep more than half of what lies above chance"
charts.in_rows(left, "name", "accuracy", "filters", title, "balanced accuracy", at=0.5, note="Dashed: chance.")

# %% [markdown]
# Beside the paper's means over 365 classes, where *alone* means that the other 492 of 512 filters are gone:

# %%
kept = means.loc[(kind, "least damaging", layer.n_filters - n_many)]
rows = [
    ("a class without its most damaging filters, balanced accuracy, %", stated["ab_mean_20"], 100 * gone["accuracy"]),
    ("lost with these filters alone, points", stated["ab_mean_492_loss"], 100 * kept["lost"]),
    ("these filters, % of the layer", 100 * 20 / stated["ab_units"], 100 * n_many / layer.n_filters),
]
charts.table(pd.DataFrame(rows, columns=["mean over classes", "published", "this run"]), digits=1)

# %% [markdown]
# ## Do the filters that matter have names?
#
# > Filters that are among the four most important for many classes match concepts better than those that
# > are important to one class or none {cite}`bau2020understanding`.

# %%
times = pd.Series(ablation.important_for(hurt), name="classes")
iou = named["dissection_iou"]
bins = pd.cut(times, [-1, 0, 1, 3, np.inf], labels=["none", "1", "2 or 3", "4 and more"])
by_bin = iou.groupby(bins, observed=True).agg(["size", "mean", lambda each: (each > CUT).mean()]).reset_index()
by_bin.columns = ["among the 4 most damaging for so many classes", "filters", "mean IoU", "share that are detectors"]
rank = look.said(tables.rank_correlation(times, iou))
charts.table(by_bin, f"{layer.n_filters} filters, {len(asked.classes)} classes; rank correlation {rank}")

# %%
beside = pd.DataFrame({"classes": times, "IoU": iou, "detector": (iou > CUT).astype(float)}).corr(method="spearman")
print(f"Rank correlation of the number of classes with the IoU {look.said(beside.loc['classes', 'IoU'])},", end=" ")
print(f"with being a detector {look.said(beside.loc['classes', 'detector'])}: the mean can rise without the share.")

# %% [markdown]
# ## A concept's detectors against its direction
#
# Net2Vec says that a concept is a direction: weights over all filters. What goes if the direction $w$ is taken out, at
# every place?
#
# $$
# A' = A - \frac{A \cdot w}{\lVert w \rVert^2}\, w
# $$ (eq-taken-out)
#
# A filter set to zero is the same with $w$ on its axis, so all ways can be compared. For some objects that have
# detectors: their best filter by set IoU, chosen on training images; the direction that Net2Vec learned for their
# *outline* (segmentation) and for their *presence* (classification); a direction at random; all their detectors; and as
# many filters at random.

# %%
from n2vlib.analysis import concept_ablation
from n2vlib.methods import classification, segmentation, single_filter

taught = {"epochs": EPOCHS, "seed": SEED}
outline = segmentation.align(layer, probe, **taught).weights
answer = classification.align(layer, probe, **taught).weights.reindex(outline.index).dropna()
single = single_filter.align(layer, probe).scores.query("split == 'train'").set_index("concept")["filter"]
chosen = concept_ablation.concepts(asked, named, answer, probe, cut=CUT, most=8)
ways = concept_ablation.bases(chosen, single, outline, answer, seed=SEED)
lost = concept_ablation.lost(asked, chosen, ways, probe)
words = [f"{name} ({len(each)})" for name, each in zip(chosen["name"], chosen["detectors"], strict=True)]
print("objects, with their number of detectors:", ", ".join(words) or "none; no object has a detector in this layer")

# %% [markdown]
# These are the objects with a detector that are on most images. Two things are measured. The *reading*: is the concept
# still there for someone who learns a new linear classifier on what is left (logistic regression on spatial means)? And
# the network's own answers: what do its class of that name and its other classes lose? Last, the answers of those
# classes that exclude each other (scenes), on images that show the concept and on images that do not.

# %%
mean = lost.groupby("way", sort=False).agg(
    directions=("directions", "mean"), share=("removed", "mean"), reading=("reading", "mean"),
    loses=("reading_lost", "mean"), most=("reading_lost", "max"),
)  # fmt: skip
mean.columns = ["directions", "share of squares", "reading", "it loses", "at most"]
mean["directions"] = [f"{n:.3g}" for n in mean["directions"]]
caption = "Means over the objects; share of squares: of the squared activations; reading: balanced accuracy"
charts.table(mean.rename_axis("taken out").reset_index(), caption)

# %%
answers = lost.groupby("way", sort=False)[["own", "others", "shown", "absent"]].mean()
answers.columns = ["its own class loses", "other classes lose", "answers lost, with the concept", "without it"]
charts.table(answers.rename_axis("taken out").reset_index(), "Means over the objects, validation images")

# %%
measures = {"own": "its own class", "others": "others"}
by_way = concept_ablation.by_way(lost[lost["way"] != "nothing"], measures, SEED)
cost = lost.groupby("way")["own"].mean().reindex(concept_ablation.WAYS)
title = f"Lost by an object's own class: without its detectors {cost['detectors']:.3f}, without the direction of its "
title += f"outline {cost['direction, outline']:.3f}, of its presence {cost['direction, presence']:.3f}"
if cost.isna().any():
    title = "What the network's classes lose; none of them has the name of one of these objects"
note = "Mean over the objects and its 95% bootstrap interval over them."
axis = "balanced accuracy lost"
charts.in_rows(by_way, "way", "mean", "measure", title, axis, at=0.0, note=note) if len(chosen) else None

# %% [markdown]
# A loss in the network's answers and none in the reading means: what the network used is gone, and what it knew is
# still there, in other filters. A reading that was learned anew finds them; the network's last layer was not trained
# again.
#
# Equal damage would have to be compared at an equal amount taken out, and there is no fair one. Several detectors are
# several directions, $w$ is one. The share of squared activations says how much each way removes, and the random
# controls what so much costs by itself.
#
# Why can a direction that finds a concept cost so little? A weight vector says what to look at in order to *read* a
# concept. It need not be what changes in the layer when the concept is there: weights also serve to cancel what
# disturbs the reading. And Net2Vec learns the outline on *what fired*, $\mathbb 1[A_k > T_k]$, while here it is taken
# out of the activations themselves.
#
# ## Where this can mislead
#
# - A layer in which a filter is zero, or a projection negative, is one that the network has never seen. What it then says is an
#   effect of the loss and of the strangeness together. The random controls share the strangeness, not the choice.
# - Filters taken away one by one miss what two do together: if either is enough, neither seems to matter.
# - Detectors are named on all images, so also on those where their loss is measured; everything else is chosen or
#   learned on training images.
# - Importance is chosen on a sample of training images, and classes with few images have few answers to lose.
# - The probe set may be far from what the network was trained on. For a network asked about its own answers, nothing here
#   is about being right.
#
# ## Where we differ
#
# - Twenty filters are a larger share of a layer that is smaller than VGG-16's conv5_3; the table above says how much.
# - Between that layer and its scores VGG-16 has three more layers; the zoo's networks have one, which sees the mean and the
#   maximum of every filter. With most of a layer gone the balance between classes moves too, and nothing corrects it.
# - Ties broken by the lead, and the comparison with Net2Vec's directions, are ours.
#
# ## Exercises
#
# 1. `LAYERS=[conv4]`: are its filters as much one class's own as those of conv5?
# 2. Which two classes share most of their most damaging filters? Do they look alike?
# 3. Take out another direction: the mean of the spatial means over images with the concept, less that over images without it.

# %% tags=["solution", "hide-input"]
from n2vlib.probe.occurrences import presence

held = presence(probe).loc[train.images]
means = train.activations.mean((2, 3)).double().numpy()
for concept, name in zip(chosen["concept"], chosen["name"], strict=True):
    there = held[concept].to_numpy()
    between = (means[there].mean(0) - means[~there].mean(0))[None]
    after = exam.without_directions(asked, "val", [between / np.linalg.norm(between)])
    own = (asked.classes["concept"] == concept).to_numpy()
    fell = (whole - exam.balanced(after, val)[0])[own]
    print(f"{name}: " + (f"its class loses {fell[0]:+.3f}" if own.any() else "the network has no class of this name"))

# %% [markdown]
# ## Take-away
#
# - A name says what a filter looks like; taking it away says what it is used for. Both can be measured on the same images.
# - Whether a class hangs on a few filters is seen against as many at random, and in what the other classes keep.
# - What the network uses, what can be read from the layer, and what outlines the concept are three things.
#
# The [verdict](../verdict/netdissect) puts all claims side by side.

# %%
n2vlib.provenance(probe=probe, network=network, layers={name: layer}, seed=SEED)
