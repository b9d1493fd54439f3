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
# # A word for every filter
#
# *Network Dissection, section 2.* Net2Vec asks, for a concept, which filters know it. The paper it answers asks the
# other way round: take a filter, and say in one word what it detects. If many filters can be named, the network has
# found concepts that nobody told it about.
#
# *Question.* When does a filter deserve a name, and how much of the answer is in the way we measure?

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
CONVENTION: str = "netdissect"  # netdissect, netdissect-lite or dissect: whose way to measure
CUT: float = 0.04  # a filter whose dissection IoU with its best concept exceeds this is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper does
#
# > Show the network many images in which every pixel has names. For each filter $k$ take the threshold $T_k$ that it
# > exceeds at a share $\tau = 0.005$ of all places. Enlarge its activation map to the size of the annotation,
# > so that each cell lies on the centre of its receptive field, and cut it at $T_k$: that is the filter's mask
# > $M_k(x) = S(A_k(x)) \ge T_k$. Compare it with the annotated mask $L_c(x)$ of every concept
# > {cite}`zhou2019interpreting`:
#
# $$
# \mathrm{IoU}_{k,c} = \frac{\sum_x |M_k(x) \cap L_c(x)|}{\sum_x |M_k(x) \cup L_c(x)|}
# $$ (eq-dissection-iou)
#
# > The sums run over the images that have a label of the category of $c$. The filter's name is its best concept; it is a
# > *detector* if their IoU exceeds 0.04. A layer is scored by its *unique detectors*: the number of different concepts
# > that have one.
#
# The paper says *unit* for what we call *filter*. Set beside the set IoU of [Net2Vec](../net2vec/single-filters), three
# things are different: enlarge first, cut afterwards; all images together, no split for training and validation; and a
# filter that fires on cats *is* punished when it is asked about dogs, as both are objects. We keep the two numbers apart
# by name: this one is the *dissection IoU*.
#
# ## The labels
#
# The paper's probe set is Broden, merged from five data sets and a program that names colors. Its Table 1, and the same
# counts of the probe set in use here. *Samples*: images that have the concept, on average over the concepts of a
# category.

# %%
import pandas as pd

from n2vlib import charts, look, published

probe = n2vlib.load_probe(PROBE)
groups = probe.concepts.groupby("category")["frequency"]
ours = pd.DataFrame({"classes here": groups.size(), "samples here": groups.mean()})
theirs = published.table("netdissect_table1_broden").set_index("category")
both = theirs.rename(columns={"classes": "classes in Broden", "avg_samples_per_class": "samples in Broden"})
charts.table(both.join(ours).reset_index(), "What can be named", digits=0)

# %%
claims = published.table("netdissect_quantitative_claims").set_index("claim_id")["value"]
total = int(theirs["classes"].sum())
print(f"The paper counts {claims['nd_c1']:.0f} concepts in Broden; the rows of its own table add up to {total}.")
print(f"Here there are {len(probe.concepts)}, in {len(probe):,} images.")

# %% [markdown]
# The two totals of the paper differ because a word can stand in several categories, and is one concept all the same.
# A name that ends in *-s* is a scene, one in *-c* a color: *forest-s* is the scene, *red-c* the color.
#
# > Merging followed rules: synonyms become one concept; words of position (*left*, *front*) are cut off; 29 words that
# > are too general were struck out; a concept needs at least ten samples; colors are the eleven common names that a
# > program gives to every pixel {cite}`zhou2019interpreting`.
#
# Nothing of the kind had to be done for the drawn images, whose labels are made with the pixels. Your own probe set should
# pass `python -m n2vlib probe check`, which names concepts that are empty, rare or there twice.
#
# ## Where a cell looks
#
# An activation belongs to a place in the image: the centre of what the cell can see. The walk that finds it follows the
# functions the network calls, one image long. In pixels of the network's input:

# %%
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
options = {"tau": TAU, "device": DEVICE, "store": n2vlib.Store(STORE)}
loose = {**options, "floor": max(TAU, 0.04)}  # thresholds of upsampled maps need to see below them
layers = n2vlib.read_layers(network, LAYERS, probe, **(loose if CONVENTION == "dissect" else options))
print("\n".join(each.silence for each in layers.values() if each.silence) or "No filter is dead or tied.")
seen = {name: each.windows[1] for name, each in layers.items() if each.windows}
field = {name: None if w.further else w.size for name, w in seen.items()}  # behind a gate: the whole image
rows = [(name, w.offset + w.size // 2, w.step, field[name]) for name, w in seen.items()]
columns = ["layer", "centre of the first cell", "step", "receptive field"]
charts.table(pd.DataFrame(rows, columns=columns), "Along the width", digits=0)

# %% [markdown]
# Is that true? A gradient knows. What reaches a cell from the image must lie in its window, so we send the gradient of one
# cell in the middle back to the pixels, and look where it is not zero.

# %%
import numpy as np
import torch

from n2vlib.record import record

layer = layers[LAYERS[-1]]
middle = [n // 2 for n in layer.grid]
image = torch.rand(1, 3, *layer.input_size, requires_grad=True)
with record(network.module.cpu(), [layer.module]) as outputs:
    network.module(image)
outputs[layer.module][0, :, *middle].sum().backward()
reached = np.nonzero(image.grad[0].abs().sum(0).numpy())

# %%
for name, hit, window, cell in zip(("rows", "columns"), reached, layer.windows or (), middle, strict=False):
    first, last = window.offset + cell * window.step, window.offset + cell * window.step + window.size - 1
    assert window.further or (first <= hit.min() and hit.max() <= last)
    gate = " beside a gate, which lets it see further" if window.further else ""
    print(f"{name}: {hit.min()} to {hit.max()} change the cell; its window is {first:.0f} to {last:.0f}{gate}")

# %% [markdown]
# The gradient can reach less than the window (a ReLU that is off passes nothing on, padding is no pixel), never more.
#
# ## By hand, on one image
#
# The filter with the best name in the deepest layer, and of the images on which it fires most the first that has its concept.

# %%
from n2vlib.methods import dissection

found = dissection.filters(layer, probe, convention=CONVENTION)
best = found.nlargest(1, "dissection_iou").iloc[0]
loudest = np.argsort(-layer.highest[:, best["filter"]])
image = int(next(i for i in loudest if i in set(probe.images_with(int(best["concept"])))))

# %% [markdown]
# Its map, the positions of its cells on the label map, a straight line between neighbours, the edge's value beyond the
# outermost cells, and the cut:

# %%
from n2vlib.record import run_layers

pixels = network.preprocessing(probe.image(image)[None])
activation = run_layers(network.module.cpu(), [layer.module], pixels)[layer.module][0, best["filter"]].detach().numpy()


def places(axis):
    """Of the cells along one axis, in pixels of the label map."""
    ratio = round(layer.input_size[axis] / probe.label_size[axis])
    if not layer.windows:  # unknown: laid out evenly
        return (np.arange(layer.grid[axis]) + 0.5) * probe.label_size[axis] / layer.grid[axis] - 0.5
    window = layer.windows[axis]
    return (window.size // 2 + window.offset) // ratio + window.step / ratio * np.arange(layer.grid[axis])


def enlarge(lines, axis):
    return [np.interp(np.arange(probe.label_size[axis]), places(axis), line) for line in lines]


# %%
by_width = np.array(enlarge(activation, 1))
enlarged = np.array(enlarge(by_width.T, 0)).T
mask = enlarged > layer.thresholds[best["filter"]]

# %%
from n2vlib import gallery

annotated = probe.annotated(int(best["concept"]), image)
gallery.show(
    [probe.image(image)] * 3,
    ["the image", f"where filter {best['filter']} of {layer.name} fires", f"where people see: {best['name']}"],
    heat=[None, activation / activation.max(), None], predicted=[None, mask, None],
    annotated=[None, None, annotated], columns=3,
)  # fmt: skip

# %% [markdown]
# Does the library draw the same mask? Its upsampling is a matrix for each axis, in whole numbers.

# %%
again = dissection.mask(layer, probe, activation, best["filter"])
assert (again != mask).mean() < 0.002
print(f"{mask.sum()} pixels by hand, {again.sum()} from the library; {(mask & annotated).sum()} of them on the concept")

# %% [markdown]
# One image is not a score. Over all images, the three numbers of equation {eq}`eq-dissection-iou` for this filter:

# %%
counts = dissection.count(layer, probe, convention=CONVENTION)
at = int(best["filter"]), probe.concepts.index.get_loc(best["concept"])
both, fires, shows = counts.intersection[at], counts.predicted[at], counts.annotated[at[1]]
assert np.isclose(both / (fires + shows - both), best["dissection_iou"])
print(
    f"filter {at[0]} fires on {fires:,} pixels of images that show any {best['category']}; {best['name']} covers {shows:,};"
)
print(f"they share {both:,}: dissection IoU {best['dissection_iou']:.3f}")

# %% [markdown]
# ## Every filter of every layer
#
# The same for all filters, and how many of them are detectors.

# %%
from n2vlib import tables

named = pd.concat([dissection.filters(each, probe, convention=CONVENTION) for each in layers.values()])
detectors = tables.detectors(named, CUT)
shares = named.assign(detector=named["dissection_iou"] > CUT).groupby("layer", sort=False)["detector"]
columns = ["layer", "filter", "name", "category", "dissection_iou"]
charts.table(named.sort_values("dissection_iou", ascending=False)[columns], "Filters and their names, best first")

# %%
unique = detectors.groupby("layer")["concept"].nunique().reindex(list(layers), fill_value=0)
summary = pd.DataFrame({"filters": shares.size(), "detectors": shares.sum(), "unique detectors": unique})
charts.table(summary.reset_index(), f"Detectors: dissection IoU above {CUT}", digits=0)

# %% [markdown]
# ## Unique, by two rules
#
# *Number of different concepts* sounds like one rule. The released code has two. In the paper's, a filter has one name, its
# best, and that counts. In the script that made some of the released tables, a filter counts in *every* category in which its
# best concept exceeds the cut, so one filter can be a detector of red and of roses.

# %%
iou = pd.DataFrame(counts.iou, columns=pd.MultiIndex.from_frame(probe.concepts[["category", "name"]]))
winners = iou.T.groupby(level=0).max().T
paper = detectors.query("layer == @layer.name").groupby("category")["concept"].nunique()
script = {c: iou[c].idxmax(axis=1)[winners[c] > CUT].nunique() for c in winners}
rules = pd.DataFrame({"one name for a filter": paper, "one name in every category": script}).fillna(0)
charts.table(rules.rename_axis("category").reset_index(), f"Unique detectors of {layer.name}", digits=0)

# %%
said = rules.sum()
print(f"{layer.name}: {said.iloc[0]:.0f} unique detectors by the paper's rule, {said.iloc[1]:.0f} by the other.")

# %% [markdown]
# ## Does the cut matter?
#
# > The order of networks does not depend on the threshold of the IoU {cite}`zhou2019interpreting`.
#
# 0.04 is a convention. With layers in the place of networks: unique detectors at other cuts, and whether the layers keep
# their order.

# %%
cuts = [0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15]
by_cut = {
    cut: tables.detectors(named, cut).groupby("layer")["concept"].nunique().reindex(list(layers), fill_value=0)
    for cut in cuts
}
moved = pd.DataFrame(by_cut).rename_axis("layer").rename_axis(columns="cut")
lines = moved.stack().rename("unique detectors").reset_index()
agree = pd.Series({cut: tables.rank_correlation(moved[cut], moved[0.04]) for cut in cuts})
title = f"Unique detectors by cut; rank correlation with the order at 0.04: {look.said(agree.min())} or more"
charts.lines(lines, "cut", "unique detectors", title, ("cut on the dissection IoU", "unique detectors"), series="layer")

# %% [markdown]
# ## Three releases, three ways
#
# The authors published their method three times, and each time it measures a little differently. `netdissect` is the
# paper's. `netdissect-lite` puts the cells evenly on the map, asks for no materials, and lets a filter's area count only
# where its own mask covers something of the category. `dissect` {cite}`bau2020understanding` surrounds the grid with
# zeros, takes the threshold after enlarging, at $\tau = 0.01$, and counts on all images. We have all three, on the same
# labels, and the tests hold each to a slow port of its own.

# %%
from n2vlib.conventions import CONVENTIONS

deepest, each_way = n2vlib.read_layers(network, LAYERS[-1:], probe, **loose)[layer.name], {}
for name, way in CONVENTIONS.items():
    try:
        each_way[name] = dissection.filters(deepest.at(way.tau), probe, convention=name)
    except n2vlib.BadInput as error:  # this set, or this layer, cannot be measured in this way
        print(f"{name} is left out: {error}")

# %%
paper, rows = each_way["netdissect"], []
for name, filters in each_way.items():
    detector, same = filters["dissection_iou"] > CUT, filters["concept"] == paper["concept"]
    rows.append(
        (name, CONVENTIONS[name].tau, detector.sum(), filters[detector]["concept"].nunique(), round(100 * same.mean()))
    )
columns = ["convention", "tau", "detectors", "unique detectors", "same name as the paper's way, %"]
ways = pd.DataFrame(rows, columns=columns)
charts.table(ways, f"{layer.name}, {layer.n_filters} filters", digits=(3 if ways["tau"].min() < 0.01 else 2))

# %% [markdown]
# Two results are comparable if they were measured the same way. A count of detectors without the name of the release it
# was made with can be off by more than the difference it is meant to show.

# %%
third = each_way.get("dissect", paper)
apart = paper.assign(other=third["name"], iou=third["dissection_iou"])
apart = apart[apart["name"] != apart["other"]].nlargest(8, "dissection_iou")
shown = apart[["filter", "name", "dissection_iou", "other", "iou"]]
shown.columns = ["filter", "netdissect", "IoU", "dissect", "IoU there"]
charts.table(shown, "Filters with another name in another release, best first")

# %% [markdown]
# ## Where we differ
#
# - **Thresholds** are exact order statistics here; the releases estimate them with random sketches.
# - **Strictly above.** The paper writes $\ge T_k$, all released code tests $>$, and so do we. It matters where many
#   activations tie at the threshold.
# - **A label in several maps** counts once at each pixel. The first release counts it once in every map.
# - **Receptive fields** are found by following the network's own calls, so a network that is not in any list has them
#   too. Where a network hides them, the cells are laid out evenly.
# - The labels of `dissect` came from a segmentation network. Ours are those of the probe set.
#
# ## Exercises
#
# 1. Which names does the deepest layer lose when `CUT` is doubled? Are they colors or objects?
# 2. Run the chapter with `NETWORK=small-alexnet-random`. Which detectors does a network have that learned nothing?
# 3. How many filters would be detectors if names were dealt out at random?

# %% tags=["solution", "hide-input"]
doubled = tables.detectors(named, 2 * CUT).query("layer == @layer.name")["name"]
lost = set(detectors.query("layer == @layer.name")["name"]) - set(doubled)
print(f"At {2 * CUT}, {layer.name} loses {len(lost)} names: {', '.join(sorted(lost)) or 'none'}")

# %% [markdown]
# ## Take-away
#
# - A filter's name is the concept with the largest dissection IoU; above 0.04 it is called a detector.
# - Where the cells are put, which images count and how concepts are counted are conventions. They move the numbers, and
#   three releases of one method chose differently.
# - The order of layers is more robust than any count.
#
# Is the name the one that people would give? The [next chapter](human) lets them vote.

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
