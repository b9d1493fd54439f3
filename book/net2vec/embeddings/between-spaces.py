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
# # Distances between spaces
#
# *Net2Vec, section 5.3, Figure 10.* Every network has a concept space of its own, and the axes of two spaces do not
# correspond: filter 7 of one network has nothing to do with filter 7 of another. Word vectors and dictionaries give
# spaces too. To compare two spaces we need a measure that does not depend on the axes.
#
# *Question.* Do networks trained on different tasks place the same concepts near each other? Does a dictionary?

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
NETWORKS: list = "zoo/architectures"  # compared with NETWORK; keys: network, layer, ...
WORDNET: str = None  # folder of your copy of WordNet; null: left out
WORD2VEC: str = None  # your file of word vectors, text or binary; null: left out

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## The paper's claim
#
# > Describe a space by the cosines between all its concepts, and the distance of two spaces by how much these cosines
# > differ. Across 24 spaces, the classification spaces of self-supervised networks differ most from the others, and
# > classification is nearer to WordNet and Word2Vec than segmentation is {cite}`fong2018net2vec`.
#
# With $W$ the matrix of unit vectors, one row per concept:
#
# $$
# d(W) = W W^\top, \qquad
# D_{i,j} = \lVert d(W^i) - d(W^j) \rVert_F^2, \qquad
# D_{i,j,c} = \lVert d(W^i)_c - d(W^j)_c \rVert^2
# $$ (eq-distance)
#
# $D_{i,j,c}$ is one concept's share of it: the row of the difference that belongs to $c$. Comparing the matrices of
# similarities instead of the vectors is known as representational similarity analysis (RSA).
#
# We change one thing before two spaces are compared. Training starts from random weights, and weights with no gradient
# keep their initial values, so two spaces differ also where neither has learned anything. The start is known, so we
# subtract it ($w_c$ less its first value) and scale the result to length one. The section on noise measures how much
# that matters.

# %%
from n2vlib.analysis import embeddings
from n2vlib.methods import classification, segmentation

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps", "training images", "images without it", concepts=3)
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
store = n2vlib.Store(STORE)
METHODS = {"S": segmentation, "C": classification}

# %%


def spaces_of(network, name, label, seed=SEED):
    """The segmentation (S) and the classification (C) space of one layer."""
    layers = n2vlib.read_layers(
        network, [name], probe, tau=TAU, device=DEVICE, store=store
    )
    spaces = {}
    for task, method in METHODS.items():
        found = method.align(layers[name], probe, epochs=EPOCHS, seed=seed)
        spaces[f"{label} {task}"] = embeddings.without_start(found)
    return spaces


# %% [markdown]
# ## By hand, two spaces
#
# The two spaces of one network. They contain different concepts (scenes have no masks), so we compare the concepts that
# both have.

# %%
import numpy as np

first = spaces_of(network, LAYERS[-1], "own")
s, c = first.values()
both = [concept for concept in s.index if concept in c.index]
vectors = [space.loc[both].to_numpy() for space in (s, c)]
d_s, d_c = (each @ each.T for each in vectors)
by_hand = ((d_s - d_c) ** 2).sum()
assert np.isclose(by_hand, embeddings.distance(s, c))
pair = np.sqrt(by_hand / (len(both) * (len(both) - 1)))
print(f"D = {by_hand:.0f} over {len(both)} concepts:", end=" ")
print(f"the cosine of a pair typically differs by {pair:.3f}")

# %% [markdown]
# $D$ grows with the number of pairs. The root of its mean over pairs does not: it says by how much the cosine of two
# concepts typically differs between the spaces. We chart that, and give $D$ in the tooltip.
#
# ## Which spaces, which concepts
#
# `NETWORKS` names further networks, each with the layer to take. We add spaces that were made without a network:
#
# - *our tree*: the vector of a concept marks the concept and all its hypernyms, as the paper does with WordNet. The
#   tree is ours, written for the drawn world;
# - *co-occurrence*: which concepts the labels show in the same images (positive pointwise mutual information over the
#   training images, reduced to 50 dimensions);
# - WordNet and Word2Vec, where `WORDNET` and `WORD2VEC` name your copies.

# %%
import pandas as pd

from n2vlib import charts, spaces

# %%
inside = dict(first)
for row in NETWORKS:
    given = row["network"], row.get("weights"), row.get("preprocessing")
    other = n2vlib.load_network(*given, SEED)
    label = row.get("label") or other.name.rpartition(":")[2].removeprefix("small-")
    inside |= spaces_of(other, row["layer"], label)
outside = spaces.others(probe, WORDNET, WORD2VEC)
by_task = sorted(inside, key=lambda name: name[-1] == "C")
everything = {name: inside[name] for name in by_task} | outside
shared = embeddings.common(everything)
sizes = [(name, len(space)) for name, space in everything.items()]
title = f"Concepts with a vector; {len(shared)} are in every space."
title += f" own: {network.name}, {LAYERS[-1]}"
charts.table(pd.DataFrame(sizes, columns=["space", "concepts"]), title)

# %% [markdown]
# The rule is the paper's: a concept is kept if *every* space has it. The paper kept 501 of 682, because both
# dictionaries must know the name. These are dropped here:

# %%
names, categories = probe.concepts["name"].astype(str), probe.concepts["category"]
dropped = s.index.difference(shared)
listed = ", ".join(names[dropped][:12]) or "none"
print(f"{len(dropped)} of {len(s)} segmented concepts are dropped: {listed}")
of_kind = categories[shared].value_counts().items()
print("kept: " + ", ".join(f"{n} of category {category}" for category, n in of_kind))

# %% [markdown]
# ## Every space against every other
#
# The paper's Figure 10, left. The fuller a cell, the larger the distance.

# %%
from n2vlib.analysis import rsa

distances = rsa.distances(everything)
apart = distances.query("one != other").sort_values("typical")
ends = [f"{row['one']} and {row['other']}" for _, row in apart.iloc[[0, -1]].iterrows()]
note = f"Typical difference of the cosine of a pair, {len(shared)} concepts."
note += " S segmentation, C classification."
title = f"Nearest: {ends[0]}; farthest: {ends[1]}"
charts.distance_map(distances, title, words="difference", note=note)

# %% [markdown]
# Is one network far from all others? For each, the mean distance to the other networks, by task:

# %%
inner = distances["one"].isin(inside) & distances["other"].isin(inside)
networks = distances[inner].query("one != other")
networks = networks.assign(task=networks["one"].str[-1])
networks = networks[networks["task"] == networks["other"].str[-1]]
alone = networks.groupby(["task", "one"], as_index=False)[["typical", "correlation"]]
alone = alone.mean().sort_values(["task", "typical"], ascending=[True, False])
charts.table(alone, "Mean over the other networks", rows=30)

# %% [markdown]
# ## How much of the distance is noise?
#
# As a noise floor we take the distance of a space to *itself*, learned once more from other random weights. As an upper
# reference we take the distance of unrelated spaces: permute the concepts of one of them. The mean over all
# permutations has a closed form, because only the cross term changes:
#
# $$
# \mathbb{E}\, D = \sum_{a \neq b} d^i_{ab}{}^2 + \sum_{a \neq b} d^j_{ab}{}^2 - 2\, C (C - 1)\, \overline{d^i}\; \overline{d^j}
# $$ (eq-shuffled)

# %%
again = spaces_of(network, LAYERS[-1], "own", seed=SEED + 1)
layers = n2vlib.read_layers(
    network, LAYERS[-1:], probe, tau=TAU, device=DEVICE, store=store
)
layer, raw = layers[LAYERS[-1]], []
for seed in (SEED, SEED + 1):
    found = segmentation.align(layer, probe, epochs=EPOCHS, seed=seed)
    raw.append(found.unit_weights())
rows = [{"space": key} | rsa.compare(space, again[key]) for key, space in first.items()]
rows.append({"space": "own S, start not subtracted"} | rsa.compare(*raw))
same = "a space and the same space learned from other random weights"
charts.table(pd.DataFrame(rows), f"{network.name}, {LAYERS[-1]}: {same}")

# %% [markdown]
# If the noise floor is close to the distances above, the map shows noise. The column *below* is the share by which the
# distance is below that of permuted concepts: one for the same space, zero for unrelated ones.
#
# ## Large cosines, or the same pairs?
#
# $D$ has a weakness. A space whose cosines are all near zero is at a moderate distance from everything. A space of
# large cosines is far from everything, also from spaces in which the same pairs have the largest cosines. So $D$ mixes
# two things: *how large* cosines are, and *which* pairs have the large ones. The correlation of the cosines over all
# pairs measures only the second.

# %%
size = {key: rsa.typical_cosine(space.loc[shared]) for key, space in everything.items()}
compared = distances[distances["one"].isin(inside) & distances["other"].isin(outside)]
compared.insert(2, "typical cosine", compared["one"].map(size))
columns = ["one", "other", "typical cosine"]
columns += ["distance", "typical", "correlation", "below"]
title = "Networks against the spaces made without a network"
charts.table(compared[columns], title, rows=12)

# %% [markdown]
# ## Is classification nearer to a dictionary?
#
# The paper's second claim, for this network and for each of the outside spaces: $D_{i,j,c}$ of segmentation less that
# of classification, averaged over concepts, with a bootstrap interval over concepts. Positive means that classification
# is nearer. The last columns show the correlations.

# %%
nearer = rsa.nearer(s.loc[s.index.intersection(shared)], c, outside, SEED)
named = nearer.rename(
    columns={
        "gap": "D of S less D of C",
        "correlation, first": "correlation, S",
        "correlation, second": "correlation, C",
    }
)
title = f"{network.name}, {LAYERS[-1]}: mean over concepts,"
charts.table(named, f"{title} 95% bootstrap interval over concepts")

# %%
for to, gap, low, high, r_s, r_c in nearer.itertuples(index=False):
    sure = "" if low * high > 0 else " (the interval contains zero)"
    agrees = "agrees" if (r_c > r_s) == (gap > 0) else "disagrees"
    task = "classification" if gap > 0 else "segmentation"
    print(f"{to}: {task} is nearer by D{sure}; the correlation {agrees}.")

# %% [markdown]
# Where $D$ and the correlation disagree, the claim is about the size of cosines. Where they agree for co-occurrence and
# not for the tree, *nearer to a dictionary* may mean *nearer to co-occurrence*: words that occur in the same texts name
# things that occur in the same pictures, and Word2Vec is made from co-occurrence alone. Where all agree, compare the
# sizes: does the correlation rise more with co-occurrence than with the tree?
#
# ## Category by category
#
# The paper's Figure 10, right: the mean of $D_{i,j,c}$ over the concepts of a category. The pairs are as in the paper:
# this network's two spaces, and the classification space of the trained network that is farthest from the others, each
# against the spaces made without a network.

# %%
trained = alone[(alone["task"] == "C") & ~alone["one"].isin(list(first))]
trained = trained[~trained["one"].str.contains("random")]
chosen = [*first, *trained.sort_values("typical")["one"].tail(1)]
pairs = [(name, other) for other in outside for name in chosen] + [tuple(first)]
by_category = rsa.distances_by_category(everything, pairs, categories)
most = by_category.loc[by_category["typical"].idxmax()]
title = f"Largest: {most['category']}, {most['one']} against {most['other']}"
note = "Rows: pairs of spaces."
charts.distance_by_category(by_category, title, words="difference", note=note)

# %% [markdown]
# The released notebook printed such means for its own networks. As typical differences of a cosine they can be compared
# with ours, although they come from other concepts.

# %%
from n2vlib import published

theirs = published.table("net2vec_notebook_distances")
theirs = theirs.assign(typical=np.sqrt(theirs["mean"] / (theirs["concepts"] - 1)))
keys = ["one", "other", "concepts"]
wide = theirs.pivot_table("typical", keys, "category", sort=False).reset_index()
title = "Published outputs: typical difference of a cosine, by category"
charts.table(wide, title, rows=len(wide))

# %% [markdown]
# ## Where we differ
#
# - **Outside spaces.** Without your copies there is no WordNet and no Word2Vec here. Our tree is smaller and flatter;
#   its concepts share more ancestors, so its cosines are larger.
# - **Number of spaces.** The paper compares eleven networks; `NETWORKS` holds the ones that come with this book.
# - **A concept's own row.** The diagonal of $d(W)$ is one in every space and adds nothing, so $C(C-1)$ pairs count.
# - **Released cells** used different sets of concepts for different pairs. Here one rule holds for the whole map.
#
# ## Exercises
#
# 1. Which concept differs most between the two spaces of this network? Are its neighbours of its kind or of its
#    surroundings?
# 2. Change a branch of `n2vlib/spaces/drawn_tree.csv`. Which row of the map moves, and by how much of the noise floor?
# 3. Add a layer of the same network to `NETWORKS`. Are two layers nearer than two networks?

# %% tags=["solution", "hide-input"]
most_different = embeddings.distance_by_concept(s, c).nlargest(5).index
table = pd.DataFrame({"concept": names[most_different]})
for task, space in (("segmentation", s), ("classification", c)):
    near = embeddings.neighbours(space, n=3).groupby("concept")["neighbour"]
    table[task] = near.agg(lambda few: ", ".join(names[few])).reindex(most_different)
charts.table(table, "Where the two tasks differ most: nearest concepts")

# %% [markdown]
# ## Take-away
#
# - Spaces without common axes are compared through their cosines, over the concepts that all of them have.
# - A distance needs two references: the same space learned twice, and permuted concepts.
# - $D$ mixes how large cosines are with which pairs have them. Check the correlation before you conclude that a space
#   is nearer.
#
# All this describes networks whose encoding nobody knows. The next chapter applies the measurements to networks whose
# encoding we planted: [known truth](../known-truth).

# %%
n2vlib.provenance(probe=probe, network=network, seed=SEED)
