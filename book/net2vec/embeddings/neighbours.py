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
# # Neighbours
#
# *Net2Vec, section 5.3, Tables 2 and 3.* So far a concept's weights were used to make a mask or to predict its
# presence. They are also a vector in a space with one axis per filter. Two concepts that a layer represents with the
# same filters have similar vectors.
#
# *Question.* Which concepts are near each other? Are the neighbours the same whether the weights were learned for
# segmentation or for classification?

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
EXPRESSIONS: list = []  # like "grass + blue-c - green-c"; none: the paper's and others

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## The paper's claim
#
# > Scale every concept's weights to length one, and compare directions by their cosine. Next to a concept for which the
# > weights learned *segmentation* lie concepts of its kind: dog, cat, horse. Next to one for which they learned
# > *classification* lie its parts and its surroundings: muzzle, paw, tail. Sums and differences of the vectors make
# > sense too {cite}`fong2018net2vec`.
#
# With $\hat w_c = w_c / \lVert w_c \rVert$ the cosine of two concepts is
#
# $$
# \cos(a, b) = \hat w_a \cdot \hat w_b = \sum_k \hat w_{a,k} \, \hat w_{b,k}
# $$ (eq-cosine)
#
# The paper shows the neighbours of five concepts as an illustration. We measure all concepts and test the claim with
# numbers.

# %%
probe = n2vlib.load_probe(PROBE)
needed = "pixel maps", "training images", "validation images", "images without it"
n2vlib.need(probe, *needed, concepts=3)
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
store = n2vlib.Store(STORE)
layers = n2vlib.read_layers(
    network, LAYERS[-1:], probe, tau=TAU, device=DEVICE, store=store
)
layer = layers[LAYERS[-1]]

# %%
from n2vlib.analysis import embeddings
from n2vlib.methods import classification, segmentation

METHODS = {"segmentation": segmentation, "classification": classification}
recipe = {"epochs": EPOCHS, "seed": SEED}
found = {task: method.align(layer, probe, **recipe) for task, method in METHODS.items()}
space = {task: each.unit_weights() for task, each in found.items()}
sizes = {task: vectors.shape for task, vectors in space.items()}
print({task: f"{n} concepts, {k} filters" for task, (n, k) in sizes.items()})

# %% [markdown]
# ## By hand, one concept
#
# Equation {eq}`eq-cosine` for one concept and every other. We take the first of the paper's examples that this probe
# set has a vector for, or else the object in most images.

# %%
import numpy as np

from n2vlib import published
from n2vlib.analysis import expressions

paper = published.table("net2vec_table2_nearest")
names = probe.concepts["name"].astype(str).to_dict()
about = probe.concepts.loc[space["segmentation"].index]
about = about.assign(thing=about["category"].isin(["object", "part"]))
order = about.sort_values(["thing", "frequency"], ascending=False, kind="stable")
frequent = order.index

# %%
queries = paper["query_concept"].unique()
asked = {name: c for name in queries for c in expressions.known([name], probe.concepts)}
others = frequent.difference(asked.values(), sort=False)
asked |= {names[c]: c for c in others[: max(0, 5 - len(asked))]}
query = next(c for c in [*asked.values(), *frequent] if c in about.index)

# %%
w = found["segmentation"].weights


def cosine(one, other):
    return (one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum())


cosines = {c: cosine(w.loc[query], w.loc[c]) for c in w.index if c != query}
defined = [c for c in cosines if np.isfinite(cosines[c])]
nearest = sorted(defined, key=lambda c: -cosines[c])[:5]
near = {task: embeddings.neighbours(vectors, n=5) for task, vectors in space.items()}
assert near["segmentation"].query("concept == @query")["neighbour"].tolist() == nearest
print(f"{names[query]}: " + ", ".join(f"{names[c]} {cosines[c]:.2f}" for c in nearest))

# %% [markdown]
# ## Nearest concepts
#
# The paper's Table 2 beside ours, both tasks. Scenes label whole images and have no masks, so they have no neighbours
# on the left.

# %%
from n2vlib import charts

table = embeddings.beside_published(near, paper, asked, names)
title = (
    f"Five nearest concepts and their cosines, {layer.name}; published: AlexNet conv5"
)
charts.table(table, title, rows=len(table))

# %% [markdown]
# The table of every concept:

# %%
concepts = space["classification"].index.union(space["segmentation"].index)
everyone = {names[c]: c for c in concepts}
full = embeddings.beside_published(near, paper.head(0), everyone, names)
columns = ["concept", "rank", "segmentation, this run", "classification, this run"]
charts.table(full[columns], "Five nearest concepts of every concept", rows=5)

# %% [markdown]
# ## Alike in kind, or seen together?
#
# A few neighbours in a table can look convincing by chance. So we measure four relations between each concept and its
# five neighbours:
#
# - *same category*: both colors, both objects, both parts;
# - *same kind*: the cosine of the two in a tree of hypernyms, where a horse is a hoofed animal, a four-legged animal,
#   an animal (our own tree for the drawn world, not WordNet; the [next chapter](between-spaces) shows it);
# - *seen together*: by how much the neighbour's share of images rises when the image holds the concept, $P(b \mid a) -
#   P(b)$, from the labels of the training images;
# - *same pixels*: the share of the concept's pixels that are labelled as the neighbour as well, like *fur* on a dog or
#   *wheel* on a car.
#
# For a fair comparison both tasks choose among the same concepts, those that have both vectors. *Any two* is the mean
# over all pairs of concepts, the value for neighbours chosen at random.

# %%
from n2vlib import spaces
from n2vlib.probe.occurrences import presence
from n2vlib.spaces import drawn

others = spaces.others(probe)
shown = drawn.shown_with(presence(probe, "train"))
relations = {"same category": embeddings.same(probe.concepts["category"])}
relations["seen together"] = shown
if spaces.TREE in others:
    relations["same kind"] = embeddings.similarity(others[spaces.TREE])
segmentable = probe.concepts.loc[space["segmentation"].index]
cover = expressions.cover(probe, segmentable.index, segmentable.index)
relations["same pixels"] = cover

# %%
fair = embeddings.restricted(space)
fair = {task: embeddings.neighbours(vectors) for task, vectors in fair.items()}
kinship = embeddings.relatedness(fair, relations, SEED)
caption = f"Mean over the five neighbours of each concept, {layer.name};"
caption += " 95% interval of the difference over concepts"
charts.table(kinship, caption)

# %%
for row in kinship.itertuples():
    sure = "" if row.low * row.high > 0 else ", but the interval contains zero"
    larger = "segmentation" if row.difference > 0 else "classification"
    print(f"{row.relation}: larger for {larger}{sure}.")

# %% [markdown]
# The claim has two halves: *seen together* should be larger for classification, *same kind* for segmentation. The lines
# above say which half holds here.
#
# There is a simple reason for the first half: a network can classify an image by what else is in it. Every image with a
# chimney has a roof, so the same filters predict both. For the second half the labels matter. Where every pixel also
# has a color and many have a material, the concept that shares pixels with a dog need not be another animal. It can be
# the material that covers the dog. *Same pixels* tests that.
#
# Does it depend on the category? The released notebook counted the share of the five nearest concepts that are of the
# concept's own category (a number that is not in the paper):

# %%
import pandas as pd

categories = probe.concepts["category"]
theirs = published.table("net2vec_notebook_neighbours").query("network == 'AlexNet'")
theirs = theirs.rename(columns={"share": "published"})
of_own = {
    task: embeddings.own_category(rows, categories) for task, rows in near.items()
}
own = pd.concat(rows.assign(task=task) for task, rows in of_own.items())
own = own.merge(theirs, on=["task", "category"], how="left")
columns = ["task", "category", "concepts", "published", "this run", "any two"]
title = "Share of the five nearest that are of the concept's own category"
charts.table(own[columns], title, rows=len(own))

# %% [markdown]
# *Any two* is needed as a baseline: in a probe set where half of the concepts are objects, a random neighbour is an
# object half of the time.
#
# The categories of the neighbours of objects:

# %%
of_objects = pd.concat(rows.assign(task=task) for task, rows in near.items())
of_objects = of_objects[of_objects["concept"].map(categories) == "object"]
of_neighbour = of_objects["neighbour"].map(categories).rename("category")
kinds = pd.crosstab(of_objects["task"], of_neighbour, normalize="index")
title = "Categories of the five nearest concepts of objects, shares"
charts.table(kinds.reset_index().rename_axis(columns=None), title)

# %% [markdown]
# ## How much of a vector is its random start?
#
# Training starts from random weights and stops after a fixed number of epochs. Weights with no gradient keep their
# random initial values. These differ from concept to concept and carry no meaning, yet they count in a cosine. So we
# train once more from other random weights, and compare each concept's two vectors.

# %%
from n2vlib.analysis import rsa
from n2vlib.methods.alignment import Alignment

MADE = {"as learned": Alignment.unit_weights}
MADE["start subtracted"] = embeddings.without_start
recipe = {"epochs": EPOCHS, "seed": SEED + 1}
again = {task: method.align(layer, probe, **recipe) for task, method in METHODS.items()}
rows = [
    {"task": task, "vectors": what}
    | rsa.repeated(vectors(found[task]), vectors(again[task]))
    for task in METHODS
    for what, vectors in MADE.items()
]
title = "Trained twice: median cosine of a concept's two vectors;"
charts.table(pd.DataFrame(rows), f"{title} share of its five neighbours that stay")

# %% [markdown]
# *As learned*, a value near 1 means that the data determine the vector; near 0, that the random start does. Few images,
# few epochs and small steps lower the value, because most weights have then hardly moved.
#
# The start is known, so it can be subtracted. What remains is the change that training made. Compare the rows: how much
# of the difference between two runs was the start, and do the relations of the neighbours change?

# %%
segmented = space["segmentation"]
changes = embeddings.without_start(found["segmentation"])
both = {"start subtracted": changes, "as learned": segmented}
both = {how: embeddings.neighbours(vectors) for how, vectors in both.items()}
kinship = embeddings.relatedness(both, relations, SEED)
charts.table(kinship, "Segmentation, mean over the five neighbours")

# %%
w_fair = {task: embeddings.without_start(each) for task, each in found.items()}
w_fair = embeddings.restricted(w_fair)
near_fair = {task: embeddings.neighbours(vectors) for task, vectors in w_fair.items()}
kinship = embeddings.relatedness(near_fair, relations, SEED)
title = "Both tasks, start subtracted: mean over the five neighbours of each concept,"
charts.table(kinship, f"{title} {layer.name}")

# %% [markdown]
# The paper keeps the start in, and so do our versions of its tables, above and in the next section. The maps and
# clusters at the end subtract it.
#
# ## Would other images give the same directions?
#
# A start is not the only thing that could have been different. We change one thing at a time and learn again:
#
# - *other images*: one half of the training images, drawn at random, against the other half;
# - *other start*: all training images twice;
# - *other loss*: equation 4 against the loss with logarithms, which the paper's text names;
# - *other task*: segmentation against classification.
#
# Two results with the same seed would share their start and look more alike than they are. So both have a start of
# their own, in every comparison, and it is subtracted. The reference is the cosine with the direction of another concept,
# drawn at random (*two concepts*).

# %%
from n2vlib.analysis import stability

pairs = stability.again(layer, probe, epochs=EPOCHS, seed=SEED)
held = stability.by_concept(pairs, probe, seed=SEED)
title = "Cosines: medians. Nearest, again and chance: means over concepts"
charts.table(stability.summary(held, SEED), title)

# %% [markdown]
# *Nearest* is the share of concepts whose second direction is nearer to their first than that of any other concept.
# *Again* is the share of a concept's five nearest concepts that are among the five nearest when learned again, with the
# 95% bootstrap interval over concepts. *Chance* is that share for neighbours drawn at random. Concepts that were not
# learned both times, for instance because one half has no image of them, are left out.
#
# Half of the images also means half as many steps of training, so *other images* changes both. The chart shows all
# concepts of each comparison, and last the reference.

# %%
halved = held[held["comparison"] == stability.IMAGES]
apart = halved.assign(cosine=halved["two concepts"], comparison="two concepts")
drawn_as = pd.concat([held, apart], ignore_index=True)
words = [f"{halved[c].median():.2f}" for c in ("cosine", "two concepts")]
title = f"From other images the median cosine is {words[0]}, of two concepts {words[1]}"
chart = "Too few concepts were learned on both halves."
if len(halved):
    small = {"by": "comparison", "at": 0.0, "rows": "concepts"}
    chart = charts.histogram(drawn_as, "cosine", title, "cosine", **small)
chart

# %% [markdown]
# Which concepts depend on the images? The least stable come first. A concept with fewer than `stability.FEW` training
# images is marked: each half has about half of them, and its direction says as much about these few images as about
# the concept.

# %%
wide = held.pivot(index="concept", columns="comparison", values="cosine")
wide = wide.reindex(columns=list(pairs))
known = halved.set_index("concept")[["name", "images", "few", "again"]]
title = f"{known['few'].sum()} of {len(known)} are marked. Last columns: cosines"
known["few"] = known["few"].map({True: f"under {stability.FEW}", False: ""})
known = known.rename(columns={"few": "mark", "again": "neighbours again"})
least = known.join(wide).sort_values(stability.IMAGES, kind="stable")
charts.table(least.reset_index(drop=True), title, digits=2)

# %% [markdown]
# ## Arithmetic
#
# > Blue grass is sky: the nearest concept to grass plus blue minus green {cite}`fong2018net2vec`.
#
# Three details of the paper's Table 3 matter. The vector that is looked up is the *mean* of the signed unit vectors. It
# is not scaled back to length one, which is why the printed numbers are small: the mean of three vectors at right
# angles has length 0.58, and a concept equal to grass and orthogonal to the others scores a third. And the words of the
# expression are left out of the answer.
#
# `EXPRESSIONS` takes your own. Without any, we take the paper's, where this probe set has the words, and compose more
# by a rule: an object, minus the color (or material, or part) that covers most of it, and once plus another color.

# %%
objects = segmentable.index[segmentable["category"] == "object"]
surface = segmentable.index[segmentable["category"].isin(["color", "material", "part"])]
on_objects = cover.loc[objects, surface]
printed3 = published.table("net2vec_table3_arithmetic")
composed = expressions.composed(on_objects, probe.concepts)
known = expressions.usable(printed3["expression"].unique(), probe.concepts, segmented)
wanted = EXPRESSIONS or [*known, *composed]

# %%
sums = expressions.beside_published(wanted, segmented, probe.concepts, printed3)
title = f"Nearest to sums and differences of segmentation vectors, {layer.name};"
title += " score as released, cosine scaled back"
charts.table(sums, title, rows=len(sums))

# %% [markdown]
# Single examples prove little, but one pattern can be counted: take an object, add a color that is not its own,
# subtract its own. Do objects *of the added color* come nearer? For every object and every other color, we measure how
# often an object of that color is nearer than one of another color; one half is chance.

# %%
from n2vlib import tables

color_of = expressions.most_cover(on_objects, probe.concepts, "color")
rows = []
for what, vectors in {"as learned": segmented, "start subtracted": changes}.items():
    moved = expressions.swaps(vectors, color_of).groupby("concept")
    moved = moved[["before", "after"]].mean()
    low, high = tables.bootstrap_mean(moved["after"] - moved["before"], SEED)
    rows.append((what, len(moved), *moved.mean(), low, high))
columns = ["vectors", "objects", "before", "after", "low", "high"]
title = "Share of pairs where an object of the added color is nearer;"
title += " low and high: 95% interval of the difference, over objects"
charts.table(pd.DataFrame(rows, columns=columns), title, digits=2)

# %% [markdown]
# ## A map of the concepts
#
# The paper draws a hundred concepts with t-SNE, which keeps near neighbours near and does not preserve other distances.
# The input distance is one minus the cosine. The colors show our categories; t-SNE does not use them.

# %%
from n2vlib.analysis import grouping

learned = {task: embeddings.without_start(each) for task, each in found.items()}
same = relations["same category"]


# %%
def concept_map(task: str) -> charts.Chart:
    """At most a hundred concepts on a plane; how many are next to their category."""
    vectors = learned[task]
    alike = embeddings.of_neighbours(embeddings.neighbours(vectors, n=1), same).mean()
    at_random = embeddings.of_any(same.loc[vectors.index, vectors.index]).mean()
    some = vectors.sample(min(100, len(vectors)), random_state=SEED).sort_index()
    points = probe.concepts.loc[some.index, ["name", "category"]]
    title = f"{task.capitalize()}: the nearest concept is of the same category for"
    title += f" {alike:.0%}, at random {at_random:.0%}"
    points = points.join(grouping.plane(some, SEED))
    note = f"t-SNE of the vectors in {layer.name}."
    return charts.concept_map(points, title, note)


# %%
concept_map("segmentation")

# %%
concept_map("classification")

# %% [markdown]
# t-SNE also shows islands in noise. So we count clusters in the space itself, not on the map.
#
# ## Clusters
#
# K-means on the unit vectors, with as many clusters as make six concepts each on average (the paper gives neither the
# number nor the list).

# %%
clusters, listed = {}, {}
for task, vectors in learned.items():
    n = max(2, round(len(vectors) / 6))
    clusters[task] = grouping.clusters(vectors, n, SEED)
    listed[task] = grouping.purity(clusters[task], categories, probe.concepts["name"])
title = f"Clusters of segmentation vectors, {layer.name}"
charts.table(listed["segmentation"], title, rows=8)

# %%
title = f"Clusters of classification vectors, {layer.name}"
charts.table(listed["classification"], title, rows=8)

# %% [markdown]
# What do the clusters agree with? We compare them with three groupings made without the network: category, the parent
# in the tree, and the scene a concept is shown in most. The adjusted Rand index is 1 where clusters and groups are the
# same, and 0 on average where they are unrelated; the range is that of permuted groups.

# %%
groupings = {
    "category": categories,
    "parent in the tree": drawn.groups(probe.concepts),
    "scene it is seen in": drawn.typical_scenes(probe),
}
agreement = grouping.agreement(clusters, groupings, SEED)
title = (
    f"Agreement of the clusters in {layer.name} with groups made without the network"
)
charts.table(agreement, title)

# %% [markdown]
# ## Where we differ
#
# - **Which concepts are there to choose from.** With a thousand concepts the nearest one is nearer than with a hundred,
#   so our cosines and theirs are not comparable; whether neighbours are of a kind is.
# - **The drawn world is tidy.** A drawn wheel occurs only on vehicles, and there are twelve scenes. Context can hardly
#   be stronger than that.
# - **Our tree replaces WordNet.** We wrote it before we looked at the vectors, and it is a file you can change.
# - **t-SNE and k-means** are in the paper's supplement; it gives neither perplexity nor the number of clusters.
#
# ## Exercises
#
# 1. Take the mean of the vectors of two seeds before looking for neighbours. Does it help as much as subtracting the
#    start?
# 2. Repeat the chapter on the first layer (`-p LAYERS='[conv1]'`). Which concepts are near each other there?
# 3. Which concept is nearest to the *opposite* of a color?

# %% tags=["solution", "hide-input"]
from n2vlib.methods.alignment import unit

again_segmented = again["segmentation"].unit_weights().reindex(segmented.index)
mean = unit(segmented + again_segmented.fillna(0))
both = {"two seeds": mean, "one seed": segmented}
both = {how: embeddings.neighbours(vectors) for how, vectors in both.items()}
kinship = embeddings.relatedness(both, relations, SEED)
charts.table(kinship, "Segmentation: neighbours of the mean of two seeds, and of one")

# %% [markdown]
# ## Take-away
#
# - To test a claim about neighbours, measure a relation over all concepts, and compare it with random pairs.
# - Which concepts are near depends on what the weights were learned *for*: classification can use co-occurrence,
#   segmentation depends on what covers the concept's pixels.
# - Part of every vector is its random start. Train twice before interpreting a vector, or subtract the start.
# - A direction and its neighbours are worth as much as they stay the same from other images. Test it on two halves with
#   starts of their own, and look at rare concepts separately.
#
# This chapter used the space of one network. Do other networks, or a dictionary, place the same concepts near each
# other? See [distances between spaces](between-spaces).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layer, seed=SEED)
