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
# # Filters and a learned dictionary
#
# *In neither paper.* A layer's filters have labels, and random directions of the same space have fewer. Are filters
# then the best directions there are? A *dictionary* is a set of directions, learned so that a few of them at a time
# suffice to write down what the layer computes. It needs no labels. In language models such directions are often
# easier to name than single neurons {cite}`huben2024sparse`.
#
# *Question.* Do the units of a learned dictionary detect more concepts than the filters of the layer, and more than
# equally many random directions?

# %% tags=["parameters", "hide-input"]
PROBE: str = "world[::8]"  # probe set: world, world-800, or a folder in Broden's format
NETWORK: str = "small-alexnet"  # name, package.module:function or path/file.py:function
WEIGHTS: str = None  # torchvision weights enum, or a file of weights
PREPROCESSING: dict = None  # size, mean, std, range of input; null: the network's own
LAYERS: list = ["conv1", "conv2", "conv3", "conv4", "conv5"]  # papers' or module names
TAU: float = 0.005  # share of all places where a filter fires
EPOCHS: int = 30  # passes over the training images, where weights are learned
SEED: int = 0  # of everything drawn at random
DEVICE: str = "auto"  # auto, cpu, cuda, cuda:1 or mps
STORE: str = None  # folder of stored measurements; null: $N2V_STORE, else build/store
DICTIONARY: str = None  # file of units; null: the zoo's, or one learned here
RANDOM_SETS: int = 2  # how many sets of random directions are drawn
IOU_THRESHOLD: float = 0.04  # a unit with a larger dissection IoU is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## A dictionary
#
# Let $a$ be the activations of all $K$ filters of a layer at one place of its map. A sparse autoencoder has $M$ units,
# more than there are filters, and keeps the $k$ largest of them {cite}`gao2025scaling`:
#
# $$
# z = \mathrm{topk}\left(W (a - c) + b\right), \qquad \hat a = D^\top z + c
# $$ (eq-dictionary)
#
# $W$ and $D$ have a row for each unit. Units below 0 are set to 0, too. Training makes $\hat a$ close to $a$ and sees
# neither annotations nor the network's task. A unit is a linear map of the filters with a simple function behind it,
# so it has a map, a threshold $T$ and a label like any filter.
#
# The library reads such units wherever it reads a layer: `conv5:dictionary.safetensors` names the units in this file,
# applied to conv5. `networks.units` states the format. The zoo has a dictionary of small-alexnet's conv5
# (`small-alexnet-dictionary`); for any other layer, a small one is learned here from training images.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

from n2vlib.analysis import directions
from n2vlib.networks import units

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "training images", "validation images")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
name, folder = LAYERS[-1], TemporaryDirectory()
place = Path(folder.name)
seen = directions.samples(network, name, probe, seed=SEED)
learned = DICTIONARY or directions.dictionary(place, network, name, seen, seed=SEED)
found = units.load(learned)
print(f"{name} has {seen.shape[1]} filters, the dictionary {found.units}.")

# %% [markdown]
# ## What it is compared with
#
# A dictionary has more units than the layer has filters, and its units are sparse. Either alone could bring detectors.
# So we give the same number of units and the same function to directions that were not learned:
#
# - *random* directions, drawn uniformly;
# - principal *components* of the layer, and their opposites, because a unit above 0 has one sign;
# - *places*: what the filters compute at places of training images, drawn at random. They are as typical for
#   the layer as the data, and nothing is learned.
#
# All are centred on the layer's mean. `units.save` writes each as a file in one line.

# %%
import numpy as np

n, n_filters = found.units.weight.shape
draws = np.random.default_rng(SEED)
at = draws.choice(len(seen), n, replace=n > len(seen))
sets = {
    f"random {i}": directions.at_random(n, n_filters, seed=SEED + i)
    for i in range(1, RANDOM_SETS + 1)
}
sets |= {"components": directions.components(seen)[:n]}
sets |= {"places": seen[at] - seen.mean(0)}
k = found.units.k or min(directions.K, n)
top = {"centre": seen.mean(0), "activation": "topk", "k": k}
files = {"dictionary": learned} | directions.write(place, sets, **top)

# %% [markdown]
# For a later question, we also give some of them a plain ReLU in place of the $k$ largest. A single pass over the
# images reads them all.

# %%
weight, bias = found.units.weight, found.units.bias
plain = {"dictionary, ReLU": weight}
plain |= {f"{each}, ReLU": sets[each] for each in list(sets)[:1] + list(sets)[-2:]}
relu = {}
for label, rows in plain.items():
    own = {"bias": bias} if rows is weight else {"centre": seen.mean(0)}
    relu |= directions.write(place, {label: rows}, activation="relu", **own)
options = {"tau": TAU, "device": DEVICE, "store": n2vlib.Store(STORE)}
layers = directions.read(network, name, files | relu, probe, **options)
for layer in layers.values():
    print(layer.silence or f"{layer.name}: nothing is dead or tied.")

# %% [markdown]
# A unit that is above 0 at fewer places than $\tau$ has the threshold 0 and fires wherever it is above 0. It is *tied*:
# its masks are smaller than those of others.
#
# ## By hand, on one image
#
# We take the unit with the best label and the image where it is highest, and compute its map from the activations of
# the filters: equation {eq}`eq-dictionary`, one place after the other.

# %%
from n2vlib.methods import dissection

own = layers["dictionary"]
best = dissection.filters(own, probe).nlargest(1, "dissection_iou").iloc[0]
unit, image = int(best["filter"]), int(own.highest[:, int(best["filter"])].argmax())
maps = layers["filters"].maps([image])[0]
by_hand = np.zeros(own.grid)
for y, x in np.ndindex(own.grid):
    values = weight.numpy() @ maps[:, y, x] + bias.numpy()  # c is in the bias by now
    among = not found.units.k or values[unit] >= np.sort(values)[-found.units.k]
    by_hand[y, x] = max(values[unit], 0) if among else 0
if found.units.activation in ("topk", "relu"):
    assert np.allclose(by_hand, own.maps([image], unit)[0], atol=1e-3 * by_hand.max())

# %%
from n2vlib.analysis import top_images
from n2vlib.display import gallery

mask = top_images.masks(own, probe, unit, [image])[0]
annotated = probe.annotated(int(best["concept"]), image)
captions = [f"unit {unit} of the dictionary"]
captions += [f"its mask, and annotated: {best['name']}"]
gallery.show(
    [probe.image(image)] * 2, captions,
    heat=[by_hand, None], predicted=[None, mask], annotated=[None, annotated],
    columns=2,
)  # fmt: skip

# %% [markdown]
# How much of the layer is in the dictionary? We decode what it makes of validation images.

# %%
checked = np.flatnonzero(probe.split == "val")[:40]
true, codes = layers["filters"].maps(checked), own.maps(checked)
if found.decoder is not None:
    again = np.einsum("iuhw,uf->ifhw", codes, found.decoder.numpy())
    again += found.base.numpy()[:, None, None]
    spread = (true - true.mean((0, 2, 3), keepdims=True)) ** 2
    explained = 1 - ((true - again) ** 2).sum() / spread.sum()
    print(f"{explained:.0%} of the variance on {len(checked)} validation images")
print(
    f"Above 0 at a place, on average: {(codes > 0).sum(1).mean():.1f} units,", end=" "
)
print(f"{(true > 0).sum(1).mean():.1f} of {n_filters} filters")

# %% [markdown]
# ## How many concepts are detected?
#
# A unit is a detector if the dissection IoU with its best concept exceeds the threshold. Several units can detect one
# concept, so we count concepts. The table gives three numbers that guard against chance and size:
#
# - *low* and *high*: 95% interval, from the spread over resampled images (bootstrap). It does not cover other
#   dictionaries or directions, and it does not subtract the luck in the choice of names; the next number does.
# - *held out*: units are named on one half of the images, and count if they are detectors of this concept on the other
#   half. Mean over twenty divisions.
# - *equally many*: concepts among as many units as the layer has filters, on average over all choices.

# %%
from n2vlib import charts

main = {label: layers[label] for label in ["filters", *files]}
table, resampled = directions.compared(
    main, probe, iou_threshold=IOU_THRESHOLD, seed=SEED
)
shown = table.rename(columns=lambda column: column.replace("_", " "))
more = directions.differences(table, resampled, "dictionary").set_index("against")
title = f"{name}: concepts with a detector (IoU above {IOU_THRESHOLD})"
charts.table(shown, title, digits=1)

# %%
least, most = more["difference"].min(), more["difference"].max()
title = f"The dictionary detects {least} to {most} more concepts than other units"
axis = "more concepts than these"
charts.differences(more.reset_index(), title, "against", axis)

# %% [markdown]
# Which kinds of concept are they?

# %%
from n2vlib.analysis import detectors

detected = detectors.detectors(layers, probe, IOU_THRESHOLD)
counted = detectors.unique({label: detected[label] for label in main}, probe)
title = f"Concepts with a detector, by category: {name} and other units of it"
charts.unique_by(counted, "label", title, axis="concepts with a detector")

# %% [markdown]
# ## Does the sparsity decide?
#
# Instead of the $k$ largest, a ReLU lets about half of all directions through at every place. The table has the same
# weights with both functions:

# %%
import pandas as pd

rows = []
for label in plain:
    with_k, without = detected[label.removesuffix(", ReLU")], detected[label]
    numbers = [len(with_k), len(without)]
    numbers += [with_k["concept"].nunique(), without["concept"].nunique()]
    rows.append((label.removesuffix(", ReLU"), *numbers))
columns = ["units", f"detectors, top {k}", "detectors, ReLU"]
columns += [f"concepts, top {k}", "concepts, ReLU"]
charts.table(pd.DataFrame(rows, columns=columns), f"{n} units each, both functions")

# %% [markdown]
# A unit fires at a share $\tau$ of all places in both cases, where it is highest, and there it is often among the $k$
# largest anyway. If a row changes little, the function is not what finds concepts.
#
# ## Does the IoU threshold decide?
#
# A low threshold asks for little, and the count may saturate. At higher ones only good labels count.

# %%
rows = []
for times in (0.5, 1, 2, 3, 4, 5):
    at_least = detectors.detectors(main, probe, times * IOU_THRESHOLD)
    counts = {label: rows_["concept"].nunique() for label, rows_ in at_least.items()}
    rows.append({"IoU threshold": times * IOU_THRESHOLD, **counts})
charts.table(pd.DataFrame(rows), "Concepts with a detector, by IoU threshold", digits=2)

# %% [markdown]
# ## A concept with a unit of its own
#
# The concepts with pixel masks for which the dictionary's best unit is farthest ahead of the best filter: first the
# filter, then the unit, each on the two images where it is highest. This is a selection: it shows what is gained, not
# how often; the tables above count that.

# %%
kinds = {"filters": "filter", "dictionary": "unit"}
both = {label: layers[label] for label in kinds}
iou = {label: dissection.dissection_iou(layer, probe) for label, layer in both.items()}
ahead = pd.Series(iou["dictionary"].max(0) - iou["filters"].max(0))
ahead.index = probe.concepts.index
ahead = ahead[probe.concepts["segmentable"]].nlargest(3)

# %%
strips = []
for concept in ahead[ahead > 0].index:
    column = probe.concepts.index.get_loc(concept)
    for label, layer in both.items():
        unit = int(iou[label][:, column].argmax())
        words = f"{probe.concepts.loc[concept, 'name']}, {kinds[label]} {unit}"
        caption = gallery.caption(words, float(iou[label][unit, column]))
        images = [int(i) for i in layer.highest[:, unit].argsort()[::-1][:2]]
        masks = top_images.masks(layer, probe, unit, images)
        for i, mask in zip(images, masks, strict=True):
            truth = probe.annotated(concept, i)
            strips.append((probe.image(i), caption, truth, mask))
strips = zip(*strips, strict=True) if strips else [()] * 4
nothing = "for no concept the dictionary is ahead of the best filter"
gallery.show(*strips, columns=4, nothing=nothing)

# %% [markdown]
# ## What we see
#
# If the dictionary is ahead of random directions of the same number and function, neither number nor sparsity explains
# it: the directions themselves do. *Places* show how much of this is due to learning. They are directions in which the
# data lie, so they are ahead of uniform ones; what the dictionary has above them is what training added. And if it is
# ahead of the filters also among equally many units, more concepts than filters have a direction of their own in this
# layer, which is Net2Vec's point from the other side: there, a concept's direction is learned from its annotations;
# here, from nothing but the layer.
#
# Two cautions. The names are the concepts of this probe set: a unit without a name may follow something that nobody
# annotated. And the dictionary was learned from images drawn like those of the probe set (others, drawn from another
# seed); on images of another kind it need not do as well.
#
# ## Where we differ
#
# - **From dictionaries of language models.** Those have tens of thousands of units. With a few hundred units in a small
#   layer, concepts compete for units.
# - **Principal components** are ordered by variance. Most of those after the first are never among the $k$ largest,
#   and count as dead. With a ReLU none is dead, and the table shows them, too.
# - **NMF** (non-negative matrix factorisation) is no linear map: its codes come from an optimisation at every place.
#   Its directions can be read with `units.save(file, nmf.components_, activation="relu")`.
#
# ## Exercises
#
# 1. Read a dictionary of an untrained network: `NETWORK=small-alexnet-random`. It is then learned here. Does it detect
#    more concepts than the filters of that network?
# 2. Take a lower layer: `LAYERS=[conv3]`. What do its units detect?
# 3. Write Net2Vec's own directions as units, `units.save(file, aligned.weights)`, and dissect them. For which share of
#    the concepts does the unit learned for a concept get this concept's name?
# 4. Which concepts do filters detect and the dictionary does not?

# %% tags=["solution", "hide-input"]
of_filters = set(detected["filters"]["concept"])
of_units = set(detected["dictionary"]["concept"])
lost = probe.concepts.loc[sorted(of_filters - of_units), "name"]
print(f"{len(of_filters & of_units)} concepts are detected by both;", end=" ")
print(f"by filters alone: {', '.join(lost) or 'none'}.")

# %% [markdown]
# ## Take-away
#
# - Any linear map of a layer's filters, in a file, is a layer: `LAYER:FILE`.
# - Compare a dictionary with equally many other directions under the same function, on other images, and among equally
#   many units. A count alone says little.
# - Directions in which the data lie find more concepts than uniform ones, before anything is learned.
#
# Back to filters as they are: which layers have most detectors? That is the [next chapter](layers).

# %%
by_name = {layer.name: layer for layer in layers.values()}
n2vlib.provenance(probe=probe, network=network, layers=by_name, seed=SEED)
