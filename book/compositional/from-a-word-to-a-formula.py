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
# # From a word to a formula
#
# *Section 2, figures 1 and 2, of Compositional Explanations of Neurons* {cite}`mu2020compositional`. Network Dissection
# gives a filter the one concept that fits best. A filter that fires on water, but not in blue pictures, gets the name
# *water*, and the rest of what it does goes unsaid. Mu and Andreas search for a logical formula instead:
# *(water OR river) AND NOT blue*.
#
# *Question.* What does the search do, step by step, and does the released program do what the paper says?

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

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper defines
#
# > A neuron is explained by the formula whose mask has the largest IoU with the neuron's mask, over all images. Formulas
# > are built from concepts by OR, AND and AND NOT {cite}`mu2020compositional`.
#
# With $M_k(x)$ the mask of filter $k$, as in Network Dissection, and $C(x)$ the mask of a formula,
#
# $$
# \mathrm{IoU}(k, C) = \frac{\sum_x |M_k(x) \cap C(x)|}{\sum_x |M_k(x) \cup C(x)|} .
# $$ (eq-formula-iou)
#
# Two things differ from Network Dissection's score: all images count, even those without a label of the category, and
# the cells of the layer are spaced evenly over the image when its map is upsampled. As in the paper, materials are not
# used as concepts.

# %%
from n2vlib.compositional import explain

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
store = n2vlib.Store(STORE)
options = {"tau": TAU, "device": DEVICE, "store": store}
layer = n2vlib.read_layers(network, LAYERS[-1:], probe, **options)[LAYERS[-1]]
measured = explain.Filters(layer, probe)
counts = measured.counts()

# %% [markdown]
# ## Atoms: why this is fast
#
# A formula has the same value at all pixels that show the same concepts. So the pixels of the whole probe set can be
# sorted into *atoms*, one for each set of concepts that occurs. All the search needs to know is how many pixels an
# atom has, and on how many of them a filter fires.

# %%
n_pixels = counts.sizes.sum()
print(f"{n_pixels:,} pixels, {len(counts.names)} concepts: {len(counts.sizes):,} atoms")

# %% [markdown]
# ## By hand, one filter
#
# We search in plain Python for the formula of one filter, chosen because it gains in both later rounds. First round:
# the IoU of every concept; the best are kept.

# %%
import numpy as np

from n2vlib.compositional import beam

found = beam.search(counts, 3, beam=BEAM)
named = found.dropna(subset="formula")
wide = named.pivot(index="unit", columns="allowed", values="iou")
k = int(wide.diff(axis=1)[[2, 3]].min(axis=1).idxmax())
fired, sizes, members = counts.fired[k], counts.sizes, counts.members.toarray()


def iou_of(truth):
    """IoU of filter k with the mask of some atoms."""
    shared = fired[truth].sum()
    return shared / (fired.sum() + sizes[truth].sum() - shared)


# %%
import pandas as pd

from n2vlib import charts

single = {name: row for name, row in zip(counts.names, members, strict=True)}
first = sorted(single, key=lambda name: -iou_of(single[name]))[:BEAM]
scores = [(name, iou_of(single[name])) for name in first]
charts.table(pd.DataFrame(scores, columns=["concept", "IoU"]), f"Filter {k}, round 1")

# %% [markdown]
# Second round: each of these is joined with every concept in three ways, and the best of all, old and new, are kept. A
# formula whose mask is already there is dropped; otherwise *a OR b* and *b OR a* would take two places. The third
# round does the same again.

# %%
from n2vlib.compositional.formula import OPERATORS, concept, join, joined


def longer(kept):
    """The best formulas among those kept and all that are one concept longer."""
    tried = dict(kept)
    for formula, truth in kept.items():
        for name, other in single.items():
            for operator in OPERATORS:
                longer_one = join(formula, operator, concept(name))
                tried.setdefault(longer_one, joined(operator, truth, other))
    return best_of(tried)


# %%
def best_of(tried):
    """The best formulas, without those whose mask is there already."""
    best, seen = {}, set()
    for formula in sorted(tried, key=lambda each: -iou_of(tried[each])):
        if tried[formula].tobytes() not in seen and len(best) < BEAM:
            seen.add(tried[formula].tobytes())
            best[formula] = tried[formula]
    return best


# %%
second = longer({concept(name): single[name] for name in first})
third = longer(second)
rounds = [("2", second), ("3", third)]
rows = [(n, str(each), iou_of(kept[each])) for n, kept in rounds for each in kept]
columns = ["round", "formula", "IoU"]
charts.table(pd.DataFrame(rows, columns=columns), f"Filter {k}, what is kept")

# %%
by_hand = max(iou_of(truth) for truth in third.values())
assert np.isclose(by_hand, wide.loc[k, 3])
said = found.loc[(found["unit"] == k) & (found["allowed"] == 3), "formula"].iloc[0]
print(f"The library: {said}, {wide.loc[k, 3]:.3f}")

# %% [markdown]
# ## What it looks like
#
# The four images on which the filter's activation is highest. The filter's mask is dashed, the formula's solid.

# %%
from n2vlib.analysis import top_images
from n2vlib.display import gallery
from n2vlib.methods import dissection

top = top_images.top_images(layer, [k], 4)["image"].to_list()
maps = top_images.stored_maps(layer, k, top)
masks = dissection.mask(layer, probe, maps, k, convention=explain.COMPEXP)
gallery.show(
    [probe.image(i) for i in top],
    [f"image {i}" for i in top],
    predicted=list(masks),
    annotated=[measured.mask(said, i) for i in top],
    columns=4,
)

# %% [markdown]
# ## Every filter of the layer
#
# The same search for all filters, with one concept and with up to three:

# %%
three = found.loc[found["allowed"] == 3].set_index("unit")
one = found.loc[found["allowed"] == 1].set_index("unit")
columns = {"filter": three.index, "concept": one["formula"], "IoU": one["iou"]}
columns |= {"formula of three": three["formula"], "IoU of three": three["iou"]}
table = pd.DataFrame(columns).astype({"concept": str, "formula of three": str})
table = table.sort_values("IoU of three", ascending=False)
charts.table(table, f"{layer.name}: the best of one and of three concepts")

# %% [markdown]
# ## Paper and program
#
# The released program differs from this search in three ways. It starts only from concepts that occur in an image in
# which the filter fires. Formulas are compared as objects, so *a OR b* and *b OR a* are two, and take two places in
# the beam. And the printed length counts NOT as one more concept. With `released=True` our search returns what that
# program returns, formula for formula; a test compares it with a slow port.

# %%
released = beam.search(counts, 3, beam=BEAM, released=True)
same = released.loc[released["allowed"] == 3].set_index("unit")
behind = (three["iou"] - same["iou"]).clip(lower=0)
differ = behind > 1e-9
print(
    f"The released search finds a worse formula for {differ.sum()} of {len(same)}",
    end=" ",
)
print(f"filters; the largest loss of IoU is {behind.max():.4f}.")

# %% [markdown]
# ## What we see

# %%
gain = three["iou"].mean() / one["iou"].mean() - 1
print(f"Mean IoU: {one['iou'].mean():.3f} with one concept, {three['iou'].mean():.3f}")
print(f"with three, {gain:.0%} more.")

# %% [markdown]
# Allowing longer formulas can only raise the IoU, since the shorter ones are among those tried. A larger IoU does not
# mean that the formula holds on other images, or that chance would not find one as good. The [next
# chapter](how-long-how-good) asks both.
#
# ## Exercises
#
# 1. Search with `BEAM=1`. For how many filters is the formula of three worse?
# 2. Which operator do the formulas of three use most, and is it the same in every layer?
# 3. Read the formulas of an untrained network, `NETWORK=small-alexnet-random`. How much do three concepts gain there?
#
# ## Summary
#
# - A formula joins concepts by OR, AND and AND NOT; a filter's formula is the one with the largest IoU over all
#   images.
# - Pixels that show the same concepts are one atom, so a search over a layer takes about a second.
# - The released program gives several places of its beam to equal formulas.
#
# How long should formulas be? That is the [next chapter](how-long-how-good).

# %%
layers = {LAYERS[-1]: layer}
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
