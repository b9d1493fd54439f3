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
# # Copy and paste
#
# *Section 6, figure 8* {cite}`mu2020compositional`. If a filter supports a class, and its formula says what it fires
# on, then the formula says what to add to a picture to move the network's answer. Mu and Andreas paste an igloo into a
# corridor, and the network sees a clean room.
#
# *Questions.* Does adding what a formula names move the answer more often than adding something else? And does it also
# move other networks, as a bias of the data would, or only this one?

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
IMAGES: int = 200  # images of each split, for the effects of filters
NETWORKS: list = "zoo/families"  # asked the same; keys: network, layer, ...
SCENES: int = 32  # scenes that are drawn again with edits
EDITS: int = 2  # places and sizes of each thing in a scene
PASTED: str = None  # folder with pairs.csv and pictures of yours; null: drawn ones

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper shows
#
# > Take a filter with a large weight for a class, and read its formula. Edit a picture of another class so that the
# > formula holds in it. The prediction moves to that class, and often in other networks as well
# > {cite}`mu2020compositional`.
#
# Four edits, and the answers of four networks:

# %%
from n2vlib import charts, published

shown = ["input_scene", "edit", "target_scene"]
shown += ["predictions_before", "predictions_after"]
stated = published.table("compexp_figure8_vision_adversarial")
charts.table(stated[shown].replace("not stated in the text", "not stated"), "Figure 8")

# %% [markdown]
# Four examples do not say how often it works. The authors' release holds more: three of the scenes with the thing
# pasted at 36 places in six sizes, and the answers of one network. The answer is a *success* if it is the class
# intended, a *failure* if it is the original class or that of the pasted thing, and *partial* if it is another one:

# %%
released = published.table("compexp_released_pasted")
counted = released.query("by == 'scene'").drop(columns="by")
counted = counted.rename(columns={"value": "scene"})
share = (counted["success"] / counted["pictures"]).iloc[-1]
title = f"Answers to the released pictures: success in {share:.1%}"
charts.table(counted, title, digits=0)

# %% [markdown]
# Nothing says how often a picture moves to the class with *another* thing pasted into it.
#
# Our scenes are drawn, so an edit needs no scissors: the same scene is drawn again with one more thing, or without the
# things of one kind, and nothing else changes. So we can ask what a formula claims: how often does adding what it
# names move the answer as it says, compared with the same edit with things that it does not name?
#
# ## Which filter supports a class?

# %%
from n2vlib.analysis import ablation
from n2vlib.compositional import beam, classifier, edits, explain, moved, pasted

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
n2vlib.need(probe, "pixel maps", "training images", "validation images")
if not PASTED:
    edits.need_drawn(probe, ", or give PASTED")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
names, outputs = classifier.class_names(network)
given = pasted.read(PASTED, names) if PASTED else None

# %% [markdown]
# The paper takes the weight from a neuron to a class. Our networks have no such weight: their classes read two numbers
# of each filter, the mean and the maximum. So a filter's *effect* on a class is what the margin of the class loses if the
# filter is set to zero ([Ablation](../netdissect/ablation)), averaged over the training images in which the filter
# fires. Above zero, the filter supports the class.

# %%
name = LAYERS[-1]
options = {"tau": TAU, "device": DEVICE, "store": store}
layer = n2vlib.read_layers(network, [name], probe, **options)[name]
effects = ablation.supports(layer, probe, images=IMAGES, device=DEVICE)
classes = list(effects)

# %% [markdown]
# ## What its formula says to add
#
# The formulas have up to three concepts, as in the paper's figure. Scenes are left out as concepts: a label of the
# whole picture cannot be pasted, and it may be the class itself. Which thing makes a formula true? We draw every kind
# of thing and count on how many of its pixels the formula holds. Of the five filters with the largest effect on a
# class we take the first whose formula holds on at least half of some thing, and that thing.

# %%
import pandas as pd

counts = edits.without(explain.Filters(layer, probe).counts(), "scene")
found = beam.search(counts, 3, beam=BEAM).query("allowed == 3")
formulas = found.dropna(subset="formula").set_index("unit")["formula"].to_dict()
chosen = edits.things_for(effects.to_numpy(), classes, formulas, edits.looks(SEED))
title = "What should move each class; rank 1 is the filter of the largest effect"
charts.table(chosen, title, rows=20)

# %% [markdown]
# ## The edits
#
# The scenes are new: neither the probe set nor the training of the networks has them. Each of them is drawn again with
# each of the things that it does not show. Sizes and places are those of the released pictures (if their middle lies
# in the image), drawn at random once for each scene, so that all things share them. A thing is painted last, in front
# of everything, and casts no shadow, as a pasted picture casts none.

# %%
from n2vlib.world import edited

drawings = [] if PASTED else edited.drawings(1000 + SEED, SCENES)
originals = given.originals if PASTED else [each.scene.image for each in drawings]
before = moved.probabilities(network, originals, DEVICE, store)
answers = before.idxmax(axis=1).tolist()
made = given or edits.added(drawings, answers, chosen, each=EDITS, seed=SEED)
after = moved.probabilities(network, made.images, DEVICE, store)
print(f"{len(made.originals)} pictures, {len(made.images)} edits")

# %% [markdown]
# The label maps of a scene are drawn with it, so we can count where a formula holds before and after an edit. The
# formula *names* an edit if it holds on more of the picture afterwards. The other edits of the same picture are the
# comparison: in the same places and sizes, with things after which the formula holds on no more than before.
#
# Every class is tried on the pictures of all other classes. An edit moves the class *as said* if its probability
# rises, it moves it *most* if the probability of no other class grows by a larger factor, and it *switches* the answer
# if the answer becomes this class. Whatever hides a part of a picture takes probability from the picture's own class,
# and all others gain it. How far an edit moves class $c$ is therefore measured against these others:
#
# $$
# m = \log\frac{p'_c}{p_c} - \frac{1}{n} \sum_{d} \log\frac{p'_d}{p_d},
# $$ (eq-moved)
#
# with $p$ and $p'$ the probabilities before and after the edit, and $d$ the $n$ classes that are neither $c$ nor the
# picture's own.

# %%
moves = moved.moves(made, before, after)
summary = moved.summary(moves, seed=SEED)

# %% [markdown]
# ## By hand: one edit
#
# Of the edits that a formula names, the one that moves its class farthest:

# %%
import numpy as np
import torch

from n2vlib.networks.downstream import scores

row = moves.query("named").nlargest(1, "moved").iloc[0]
e, o, c = row["edit"], row["original"], row["class"]
shown = [made.originals[o], made.images[e]]
pixels = torch.cat([network.preprocessing(image[None]) for image in shown])
with torch.inference_mode():
    put_out = scores(network.module.cpu()(pixels))[:, outputs]
logs = put_out.double().log_softmax(1).numpy()
factors = dict(zip(names, logs[1] - logs[0], strict=True))
others = [factors[d] for d in names if d not in (c, made.table.loc[e, "class_from"])]
assert np.isclose(factors[c] - np.mean(others), row["moved"], atol=0.01)

# %%
from n2vlib.display import gallery

p, q = before.loc[o, c], after.loc[e, c]
captions = [f"{before.loc[o].idxmax()} · probability of {c} {p:.4f}"]
captions += [f"{after.loc[e].idxmax()} · with {row['thing']}: {q:.4f}"]
gallery.show(shown, captions, columns=2)

# %% [markdown]
# Nothing but the thing has changed: outside its mask, every pixel of the redrawn scene stays the same.

# %%
for edit, each in made.table.iloc[:20].iterrows() if drawings else ():
    spot = each["left"], each["top"]
    again = drawings[each["original"]].with_thing(each["thing"], spot, each["size"])
    same = (again.scene.image == made.originals[each["original"]]).all(-1)
    assert same[~again.mask].all() and (again.scene.image == made.images[edit]).all()

# %% [markdown]
# ## How often does the answer move?
#
# For each measure above: how often it holds for edits that the formula names, and for the other edits of the same
# pictures.

# %%
title = f"{network.name}: edits that a formula names, and others"
charts.table(summary, title)

# %%
of = summary.set_index("measure")
raised, most = of.loc[moved.MEASURES["as_said"]], of.loc[moved.MEASURES["most"]]
switched = of.loc[moved.MEASURES["switched"]]
if raised["pictures"]:
    print(f"{raised['named']:.0%} of the named edits raise their class; of the others")
    print(f"{raised['others']:.0%} do. They move it most of all classes in")
    print(f"{most['named']:.0%} and {most['others']:.0%}, and switch the answer in")
    print(f"{switched['named']:.1%} and {switched['others']:.1%}.")

# %% [markdown]
# Both columns are means within pictures and classes, and the interval of their difference is a bootstrap over whole
# pictures. A rise in probability is no evidence for a formula by itself: the column *others* shows how often it
# happens with anything else.
#
# Class by class, how far named edits move the class, minus how far other edits of the same picture do:

# %%
asked_for = {"by": ["class"], "measures": ["moved"], "seed": SEED}
odds = moved.summary(moves, **asked_for).dropna()
better, worse = (odds["low"] > 0).sum(), (odds["high"] < 0).sum()
title = f"Of {len(odds)} classes, {better} move more with what their formula names"
title += f" than with other things, {worse} less"
axis = "named minus others, log scale"
charts.differences(odds, title, "class", axis, "95% intervals over pictures.")

# %% [markdown]
# Is the thing that the formula names the best one for its class, among all that were added?

# %%
means = moves.groupby(["class", "thing"])["moved"].mean().unstack()
places = means.rank(axis=1, ascending=False)
rows = []
for _, (of_class, thing) in chosen[["class", "thing"]].iterrows() if drawings else ():
    others, place = means.loc[of_class].dropna(), places.loc[of_class, thing]
    rows.append((of_class, thing, place, len(others), others.idxmax()))
columns = ["class", "formula's thing", "place", "of", "thing that raises it most"]
best = pd.DataFrame(rows, columns=columns)
firsts = (best["place"] == 1).sum()
title = f"The formula's thing is the best one for {firsts} of {len(best)} classes"
charts.table(best, title, digits=0, rows=20)

# %% [markdown]
# ## How large, and where?
#
# First all edits, by the size of the thing:

# %%
size = made.table.get("size", pd.Series(dtype=float))
by_size = moves.assign(size=(2 * moves["edit"].map(size)).round())
by_size["edits"] = np.where(moves["named"], "named", "others")
by_size = by_size.groupby(["size", "edits"], as_index=False)["most"].mean()
axes = ("side of the thing's square, pixels of 224", "share that moves the class most")
title = "The class moves most of all classes, by the size of the thing"
charts.lines(by_size, "size", "most", title, axes, series="edits")

# %% [markdown]
# The released pictures show one thing in six sizes at 36 places. We do the same with the scene and the thing above,
# whose edit was chosen because it works, as the paper's were. At some of these places a small thing lies outside the
# image, and a large one covers the picture.

# %%
o = row["original"]
grid = edits.everywhere(drawings[o : o + 1], answers[o : o + 1], chosen, [row["class"]])
seen = moved.probabilities(network, grid.images, DEVICE)
sizes = (2 * grid.table["size"]).round().astype(int)
counted = pd.crosstab(sizes, moved.outcomes(grid, seen))
counted = counted.reindex(columns=["success", "partial", "failure"], fill_value=0)

# %%
theirs = released.query("by == 'size'").astype({"value": int})
theirs = theirs.set_index("value")["success"].rename("published: success of 108")
table = counted.join(theirs, how="left").rename_axis("size").reset_index()
title = f"{row['thing']} towards {row['class']}; 36 places, size in pixels of 224"
charts.table(table, title, digits=0)

# %% [markdown]
# For each size, the place where the class is most probable:

# %%
target = seen[list(grid.gained)].sum(axis=1)
best_of = target.groupby(sizes).idxmax().tolist()
captions = [f"{seen.loc[i].idxmax()} · {target[i]:.3f}" for i in best_of]
gallery.show([grid.images[i] for i in best_of], captions, columns=3)

# %% [markdown]
# ## Taking away
#
# The same question from the other side: each scene is drawn without one kind of thing, its shadows, and what stood on
# it. If that takes pixels from the formula of the scene's own class, the class should fall; how far is measured by its
# log-odds. The pictures show the three edits after which it falls farthest.

# %%
gone = edits.removed(drawings, answers, chosen)
left = moved.probabilities(network, gone.images, DEVICE)
falls = moved.moves(gone, before, left, direction=-1)
counted = f"{falls['named'].sum()} of {len(gone.images)} edits take away"
title = f"{counted} what the formula of the scene's class names"
charts.table(moved.summary(falls, seed=SEED), title)

# %%
shown, captions = [], []
for _, each in falls.query("named").nlargest(3, "moved").iterrows():
    i, j, c = each[["original", "edit", "class"]]
    shown += [gone.originals[i], gone.images[j]]
    captions += [f"{answers[i]} · {before.loc[i, c]:.4f}"]
    captions += [f"without {each['thing']} · {left.loc[j, c]:.4f}"]
gallery.show(shown, captions, columns=4)

# %% [markdown]
# ## Other networks: a bias of the data, or an artifact?
#
# We show the same pictures to networks that were trained on the same kind of data, and keep the formulas of the first
# network. If a thing supports a class because of the data, these networks should move as well.

# %%
by_network = {network.name: moves}
for each in NETWORKS:
    weights, shown_as = each.get("weights"), each.get("preprocessing")
    other = n2vlib.load_network(each["network"], weights, shown_as, SEED)
    shown = originals, made.images
    both = [moved.probabilities(other, x, DEVICE, store) for x in shown]
    by_network[each.get("label", other.name)] = moved.moves(made, *both)

# %%
measures = ["most", "switched"]
rows = []
for label, mine in by_network.items():
    found = moved.summary(mine, measures=measures, seed=SEED)
    rows.append(found.assign(network=label))
every = pd.concat(rows)[["network", *summary.columns.drop("pictures")]]
charts.table(every.sort_values("measure", kind="stable"), "The same edits", rows=20)

# %% [markdown]
# Where a named edit switches the first network's answer to the class, do others switch, too? *Too* is the share of these
# edits that switch them, *alone* the share of the named edits that do not switch the first one.

# %%
n = int((moves["named"] & moves["switched"]).sum())
title = f"{n} named edits switch {network.name}"
charts.table(moved.together(by_network), title)

# %% [markdown]
# An edit can move a network without switching its answer. So, class by class: how far named edits move each network,
# minus how far others do. Where all move with the first network, it is a bias of their common data; where it moves
# alone, an artifact of this network.

# %%
parts = []
for label, mine in by_network.items():
    found = moved.summary(mine, **asked_for).dropna()
    parts.append(found.assign(network=label))
odds_of = pd.concat(parts)
wide = odds_of.pivot(index="class", columns="network", values="difference")
low = odds_of.pivot(index="class", columns="network", values="low")
labels = list(by_network)
wide, above = wide.reindex(columns=labels), low.reindex(columns=labels) > 0

# %%
also = above.loc[above[labels[0]], labels[1:]].sum(axis=1)
title = f"{labels[0]} is moved as the formulas say in {len(also)} classes,"
title += f" all others with it in {(also == len(labels) - 1).sum()},"
title += f" no other in {(also == 0).sum()} (intervals above 0)"
things_of = moves[moves["named"]].groupby("class")["thing"].unique().map(", ".join)
table = wide.assign(thing=things_of).reset_index()
charts.table(table[["class", "thing", *labels]], title)

# %% [markdown]
# ## Pictures that you have edited
#
# `PASTED` names a folder with edited pictures and a list of them, `pairs.csv`. The tables above are then about these
# pictures, and nothing is drawn:
#
#     image,edited,thing,class_from,class_to
#     corridor.jpg,corridor-igloo.jpg,igloo,corridor,clean room
#     corridor.jpg,corridor-piano.jpg,piano,corridor,
#
# Each row is a picture and the same with a thing in it; `class_to` is the class that a formula points to, and stays
# empty for the things to compare with. Classes have the names that the network has for them; where it has none, they
# are written `output 413`.
#
# ## What we see

# %%
if raised["pictures"]:
    clear = "more often" if most["low"] > 0 else "not clearly more often"
    print(f"What a formula names moves the class most of all classes {clear}")
    print(f"than other things do (95% interval of the difference {most['low']:.2f} to")
    print(f"{most['high']:.2f}). The answer switches in {switched['named']:.1%}.")

# %% [markdown]
# Four pictures show that it can be done. Pictures with other things in the same places show how much of it the formula
# explains. And a formula is about where a filter fires most: that a filter supports a class, and fires on a thing, does
# not say that the thing is what the class is recognised by.
#
# ## Exercises
#
# 1. Take the filter with the second largest effect on each class. Are its things as good?
# 2. Paste a thing with its shadow. Does the answer move more?
# 3. Take two things away at once. How many until the answer switches?
#
# ## Summary
#
# - Anything that hides a part of a picture raises other classes; an edit is evidence only beside other edits.
# - Drawn scenes can be edited without a trace, so that the thing is all that has changed.
# - Several networks together tell a bias of their common data from an artifact of one.
#
# Formulas need no pictures: the [next chapter](sentences) reads them from a network that reads sentences.

# %%
n2vlib.provenance(probe=probe, network=network, layers={name: layer}, seed=SEED)
