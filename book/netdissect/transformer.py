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
# # A transformer instead of convolutions
#
# *Not in the papers.* Both papers measure convolutional networks. A vision transformer cuts the image into patches,
# makes a vector (a *token*) of each, and lets the tokens exchange what they hold by attention
# {cite}`dosovitskiy2021image`. It has no filters that slide over an image. It does have channels, and each channel has
# a value at every token, so both papers' questions can be asked of it.
#
# *Question.* What do single units of a transformer detect, compared with the filters of a convolutional network that
# was trained on the same images, for the same task and as long?

# %% tags=["parameters", "hide-input"]
PROBE: str = "world[::8]"  # probe set: world, world-800, or a folder in Broden's format
NETWORK: str = "small-alexnet-repeat-1"  # the convolutional network, by name or path
WEIGHTS: str = None  # torchvision weights enum, or a file of weights
PREPROCESSING: dict = None  # size, mean, std, range of input; null: the network's own
LAYERS: list = ["conv3", "conv4", "conv5"]  # papers' or module names
TAU: float = 0.005  # share of all places where a filter fires
EPOCHS: int = 30  # passes over the training images, where weights are learned
SEED: int = 0  # of everything drawn at random
DEVICE: str = "auto"  # auto, cpu, cuda, cuda:1 or mps
STORE: str = None  # folder of stored measurements; null: $N2V_STORE, else build/store
NETWORKS: list = "zoo/transformer"  # its layers; label: kind, block
IOU_THRESHOLD: float = 0.04  # dissection IoU above which a unit is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## Three places to look
#
# A block of a transformer has no single output that corresponds to the map of a convolution. We read three:
#
# - **The residual stream**: the vector that each block adds to and passes on. Nothing is applied to its channels one
#   by one, so a channel is an axis of a space and need not be more than that.
# - **The hidden units of the MLP**, after their non-linearity. Each is computed at each token alone, as a filter of a
#   1 x 1 convolution is, and there are several times as many as channels of the stream.
# - **The heads**: what each head of the attention has collected from other tokens, before the heads are mixed. A unit
#   is one channel of one head.
#
# We say *unit* for a channel of any of them, as Network Dissection does. `NETWORK` is the convolutional network;
# `NETWORKS` lists the layers of the transformer, the residual stream first.

# %%
from n2vlib import charts, tables
from n2vlib.analysis import detectors
from n2vlib.display import style

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
needed = "pixel maps", "training images", "validation images", "images without it"
fit = n2vlib.need(probe, *needed)
own = {"network": NETWORK, "weights": WEIGHTS, "preprocessing": PREPROCESSING}
rows = [{**own, "layer": layer, "label": f"{NETWORK}, {layer}"} for layer in LAYERS]
options = {"tau": TAU, "seed": SEED, "device": DEVICE, "store": store}
listed, layers = detectors.read(probe, [*rows, *NETWORKS], **options)

# %%
parts = listed["label"].str.partition(", ")
listed = listed.assign(kind=parts[0], block=parts[2])
grids = [" x ".join(map(str, layers[label].grid)) for label in listed["label"]]
shown = listed[["kind", "block", "layer", "filters"]].assign(grid=grids)
charts.table(shown.rename(columns={"filters": "units"}), rows=20)

# %% [markdown]
# In the default run both networks learned from the same drawn images, in as many steps, with the same learning rate and
# without batch norm; only the convolutional one had dropout. These are their scores on drawn images that neither has
# seen in training.

# %%
import pandas as pd

from n2vlib.zoo import shipped

used = dict.fromkeys(row["network"] for row in [*rows, *NETWORKS])
cards = {name: shipped.card(name) for name in used if name in shipped.names()}
rows_of_cards = [
    {"network": name, "weights": each.get("weights"), **each.get("accuracy", {})}
    for name, each in cards.items()
]
charts.table(pd.DataFrame(rows_of_cards), digits=3)

# %% [markdown]
# ## By hand: from tokens to a grid
#
# A layer of a transformer outputs a list of tokens, not a map. Most tokens stand for a patch of the image, and these
# form a grid. Others have no place in the image: the *class token*, from which the scores are computed, and
# *registers*, which were added so that the network has somewhere to keep what belongs to no place
# {cite}`darcet2024vision`. A list with the wrong tokens left out can still be a grid of the right size, so the library
# does not guess: it follows the patches through the network, as it follows rows and columns of a convolutional one.
#
# Here we look at the tokens themselves, and find each cell of the library's grid among them.

# %%
import numpy as np
import torch

from n2vlib.networks.hooks import capture

first = NETWORKS[0]
transformer = n2vlib.load_network(
    first["network"], first.get("weights"), first.get("preprocessing"), SEED
)
layer = layers[listed["label"].iloc[len(rows)]]
ready = transformer.preprocessing(probe.image(0)[None])
with capture(transformer.module.cpu(), [layer.module]) as outputs:
    transformer.module(ready)
tokens = outputs[layer.module][0].reshape(-1, layer.n_filters)

# %%
cells = torch.from_numpy(layer.maps([0])[0]).flatten(1).T
exact = {"compute_mode": "donot_use_mm_for_euclid_dist"}
distance, places = torch.cdist(cells, tokens, **exact).min(1)
near = distance.max() < 1e-3 * tokens.abs().max()
assert near, f"NETWORKS: name a transformer; cells of {layer.name} are no tokens"
others = sorted(set(range(len(tokens))) - set(places.tolist()))
rows_of_cells = f"{layer.grid[0]} x {layer.grid[1]} cells"
print(f"{len(tokens)} tokens: {rows_of_cells}, the first of them token {places[0]};")
print(f"{len(others)} tokens are no cells: {', '.join(map(str, others)) or 'none'}")

# %% [markdown]
# ## What a token knows of its patch
#
# A token starts as its patch and then takes in what attention collects from everywhere. Is it still about its patch
# at the end? If not, a mask drawn at its place would mean little. We grey out one patch in the middle of an image and
# ask which tokens change, for eight images. *Its own* is the share of the change, in squared length, that is in the
# token of that patch, *neighbours* the share in the eight cells around it, *no place* the share in the tokens that
# are no cells.

# %%
streams = [
    label for label in layers if label.startswith(listed["kind"].iloc[len(rows)])
]
modules = [layers[label].module for label in streams]


def all_tokens(images):
    """The residual stream after each block: {module: (image, token, unit)}."""
    with capture(transformer.module, modules) as outputs, torch.inference_mode():
        transformer.module(transformer.preprocessing(images))
    return {m: outputs[m].reshape(len(images), -1, layer.n_filters) for m in modules}


# %%
eight = np.stack([probe.image(i) for i in range(8)])
steps = [n // grid for n, grid in zip(eight.shape[1:3], layer.grid, strict=True)]
middle = [grid // 2 for grid in layer.grid]
patch = [slice(at * n, (at + 1) * n) for at, n in zip(middle, steps, strict=True)]
greyed = eight.copy()
greyed[:, patch[0], patch[1]] = 128
before, after = all_tokens(eight), all_tokens(greyed)

# %%
where = places.reshape(layer.grid)
around = where[tuple(slice(at - 1, at + 2) for at in middle)].flatten().tolist()
me = int(where[tuple(middle)])
rows_of_change = []
for label, module in zip(streams, modules, strict=True):
    change = ((after[module] - before[module]) ** 2).sum(2)
    share = 100 * (change / change.sum(1, keepdim=True)).mean(0)
    close = share[around].sum() - share[me]
    rows_of_change.append((label, *map(float, (share[me], close, share[others].sum()))))
columns = ["layer", "its own, %", "neighbours, %", "no place, %"]
locality = pd.DataFrame(rows_of_change, columns=columns)
charts.table(locality, "Where the change from one grey patch is", digits=1)

# %% [markdown]
# In the default run nearly all of the change stays where it began, in every block. So a map of a unit says something
# about the places that it is drawn on. In a transformer of more blocks this is worth checking again.
#
# ## What the tokens without a place do
#
# The scores are computed from the class token alone, after the last block. So nothing reads the other tokens of that
# block; they could be anything. The cell puts zeros in their place and compares the scores.

# %%
fixed = transformer.module.get_submodule(modules[-1])


def only_others(_module, _given, output):
    """The tokens that are cells at zero."""
    kept = torch.zeros(len(tokens), 1)
    kept[others] = 1
    return output * kept.reshape(output.shape[1:-1] + (1,))


# %%
with torch.inference_mode():
    scores = transformer.module(ready)
    hook = fixed.register_forward_hook(only_others)
    without = transformer.module(ready)
    hook.remove()
moved = float((scores - without).abs().max())
print(f"Without the cells of {modules[-1]}, scores change by {moved:.2g} at most;")
print(f"the largest score is {float(scores.abs().max()):.2g}.")

# %% [markdown]
# If nothing changes, a unit of the last block can detect a concept and yet have no influence on the answer of the
# network at that place. Its cells were never trained: whatever they hold comes from weights that training chose for
# the class token. The last cells that the network uses are those of the block before. The class token and the
# registers themselves have units with the same names, but no place, hence no mask; they are left out of every table
# below.
#
# ## What a grid of tokens can outline
#
# A mask can only be as fine as the grid. How well could a perfect unit do, which is active exactly in the cells that
# its concept fills more than half? The table gives its set IoU on up to twenty validation images of every concept, for
# the grid of the layers above and for others. Patches of 16 pixels, as in the published network, would give the third
# grid for these images; for images of 224 pixels they give the second.

# %%
from torch.nn.functional import adaptive_avg_pool2d

from n2vlib.masks.iou import single_filter_mask

several = {c: probe.images_with(int(c), "val")[:20] for c in fit}


def reach(masks, grid):
    """Set IoU of the cells of a grid that are more than half full."""
    full = adaptive_avg_pool2d(torch.from_numpy(masks).float(), grid).numpy() > 0.5
    predicted = single_filter_mask(full, masks.shape[1:], align_corners=False)
    return (predicted & masks).sum() / (predicted | masks).sum()


# %%
truth = {
    c: np.stack([probe.annotated(int(c), int(i)) for i in images])
    for c, images in several.items() if len(images)
}  # fmt: skip
sides = [28, 14, 7, 4]
limits = {
    f"{n} x {n}": [reach(masks, (n, n)) for masks in truth.values()] for n in sides
}
limits = pd.DataFrame(limits).groupby(
    probe.concepts.loc[list(truth), "category"].to_numpy()
)
limits = limits.mean().rename_axis("category").reset_index()
charts.table(limits, "Mean set IoU of a perfect unit, by grid", digits=2)

# %% [markdown]
# The grid limits small things most, in either network. The layers compared below have equal grids where it matters, so
# the grid explains no difference between them; between a network with patches of 16 pixels and one with a finer grid
# it would.
#
# ## Which concepts single units detect
#
# Now Network Dissection's question, for every layer: which units have a label, and how many concepts are among the
# labels? Each bar is a layer.

# %%
found = detectors.detectors(layers, probe, IOU_THRESHOLD)
counted = detectors.unique(found, probe)
totals = counted.groupby("label", sort=False)["unique_detectors"].sum()
charts.unique_by(counted, "label", f"Most in {totals.idxmax()}: {totals.max()}")

# %% [markdown]
# A layer with more units has more chances. *Share* is the share of the units that are detectors, with a bootstrap
# interval over units.

# %%
shares = detectors.shares(found, layers, SEED).rename(columns={"filters": "units"})
columns = ["label", "units", "detectors", "share", "low", "high"]
charts.table(shares[columns], "Share of detectors among all units", rows=20)

# %% [markdown]
# How many concepts would each layer detect if all had as few units as the narrowest? We choose that many units of each
# layer at random, five hundred times; *from* and *to* hold the middle 95 percent of the counts.

# %%
n = min(each.n_filters for each in layers.values())
rng, drawn = np.random.default_rng(SEED), {}
for label, each in found.items():
    concept_of = np.zeros(layers[label].n_filters, int)
    concept_of[each["filter"]] = each["concept"]
    choices = [rng.permutation(concept_of)[:n] for _ in range(500)]
    drawn[label] = [len(set(choice[choice > 0])) for choice in choices]
of_n = pd.DataFrame(drawn).describe([0.025, 0.975]).loc[["mean", "2.5%", "97.5%"]]

# %%
of_n = of_n.set_axis([f"among {n}", "from", "to"]).T
unique = shares[["label", "units", "unique_detectors"]]
unique = unique.merge(of_n, left_on="label", right_index=True)
charts.table(unique, "Unique detectors of all units and of as many", digits=1, rows=20)

# %% [markdown]
# The two tables belong together: many units of which few are detectors can detect more concepts than few units of
# which many are. And a label can be cheap: look at the colors of the heads' bars. How large an area does a unit mark?
# The next table gives the mean number of cells that a unit fires in, over the images in which it fires at all, and the
# share of the unique detectors that are for scenes and textures, which label whole images.

# %%
rows_of_size = []
for label, each in layers.items():
    pointers, code = each.fired
    image = np.repeat(np.arange(each.n_images), np.diff(pointers))
    unit = code // (each.grid[0] * each.grid[1])
    regions = len(np.unique(image * each.n_filters + unit))
    own = counted.query("label == @label").set_index("category")["unique_detectors"]
    whole = own.reindex(["scene", "texture"], fill_value=0).sum() / (
        own.sum() or np.nan
    )
    rows_of_size.append((label, len(code) / regions, 100 * whole))
columns = ["layer", "cells per image", "scenes and textures, %"]
sizes = pd.DataFrame(rows_of_size, columns=columns)
charts.table(sizes, "How much a unit marks when it fires", digits=1, rows=20)

# %% [markdown]
# A head averages over many tokens, so what it hands to one token resembles what it hands to the next: its units can
# mark large parts of an image and match labels of whole images. The table shows where this happens; a count of
# detectors does not.
#
# By category, all layers of a kind together:

# %%
kinds = listed.set_index("label")["kind"]
labelled = pd.concat([each.assign(kind=kinds[label]) for label, each in found.items()])
labelled = labelled.drop_duplicates(["kind", "concept"])
by_kind = labelled.groupby(["kind", "category"]).size().unstack(fill_value=0)
by_kind = by_kind[style.categories(by_kind.columns)]
by_kind = by_kind.reindex(kinds.unique(), fill_value=0).rename_axis("kind")
by_kind["all"] = by_kind.sum(axis=1)
title = "Concepts with a detector in any layer of the kind"
charts.table(by_kind.reset_index(), title)

# %% [markdown]
# For each kind we take the layer with most unique detectors and show its best detector of an object or a part, on the
# three images where it is highest, whether they show the concept or not:

# %%
from n2vlib.analysis import top_images
from n2vlib.display import gallery

of_kind = totals.groupby(kinds, sort=False).idxmax()
pictures = []
for label in of_kind:
    best = style.preferred(found[label], "object", "part").head(1)
    for k, name, iou in best[["filter", "name", "dissection_iou"]].to_numpy():
        highest = layers[label].highest[:, k].argsort()[::-1][:3].tolist()
        masks = top_images.masks(layers[label], probe, k, highest)
        words = gallery.caption(f"{label}, unit {k}: {name}", iou)
        for image, mask in zip(highest, masks, strict=True):
            pictures.append((probe.image(image), words, mask))

# %%
images, captions, masks = zip(*pictures, strict=True) if pictures else [()] * 3
shown = {"columns": 3, "nothing": "no detectors"}
gallery.show(images, captions, predicted=masks, **shown)

# %% [markdown]
# ## One unit or all together
#
# Net2Vec's question: how much better than its best unit is the combination of all units of a layer? A layer can hold a
# concept in a direction that no unit lies on. We take the last layer of the convolutional network, and from the
# transformer the layers in the pictures above. Intervals are over validation images; all layers see the same
# resamples.

# %%
from n2vlib.analysis import comparison

own_labels = list(listed["label"][: len(LAYERS)])
last = own_labels[-1]
compared = [last, *(label for label in of_kind if label not in own_labels)]
row_of = dict(zip(listed["label"], [*rows, *NETWORKS], strict=True))
asked = [{**row_of[label], "label": label} for label in compared]
recipe = {**options, "epochs": EPOCHS}
measured = [comparison.measure(probe, row, **recipe) for row in asked]
means, draws = comparison.means(measured, probe, seed=SEED)

# %%
wide = means.pivot(index=["task", "label"], columns="method", values="mean")
ahead = (wide["combination"] > wide["single filter"]).sum()
charts.by_network(means, f"The combination is ahead in {ahead} of {len(wide)} means")

# %%
gains = comparison.gains(means, draws).drop(columns="training")
gains = gains.rename(columns={"gain": "times"})
title = "Mean set IoU: the combination in multiples of the best unit"
charts.table(gains, title)

# %% [markdown]
# Is the difference from the convolutional network more than chance? Below is each of these layers of the transformer
# minus the last layer of that network, then the means by category:

# %%
pairs = [
    comparison.difference(means, draws, label, last).assign(layer=label)
    for label in compared[1:]
]
columns = ["layer", "task", "method", "difference", "low", "high"]
differences = tables.stacked(pairs, columns)[columns]
charts.table(differences, f"Minus {last}: means over concepts", rows=20)

# %%
by_category = {}
for kind in style.categories(set(probe.concepts.loc[list(truth), "category"])):
    of, _ = comparison.means(measured, probe, category=kind, seed=SEED)
    of = of.query("task == 'segmentation'")
    of = of.pivot(index="label", columns="method", values="mean")
    by_category[f"{kind}, one"] = of["single filter"]
    by_category[f"{kind}, all"] = of["combination"]
table = pd.DataFrame(by_category).loc[compared].rename_axis("layer").reset_index()
charts.table(table, "Mean set IoU of the best unit and of all units, by category")

# %% [markdown]
# ## What we see
#
# The main numbers of each kind, from the layers compared last:

# %%
ours = shares.set_index("label").loc[compared, ["units", "share"]]
ours["cells per image"] = sizes.set_index("layer")["cells per image"]
ours = ours.join(gains.set_index("label")[["single filter", "combination"]])
ours = ours.rename(columns={"single filter": "best unit"})
charts.table(ours.rename_axis("layer").reset_index(), digits=3)

# %% [markdown]
# In the default run the two networks are about equally good at their task, and the best unit for a concept is about as
# good in the residual stream and in the MLP as in the convolutional network. The rest differs. A filter of the
# convolutional network has a label more often than not; a channel of the residual stream usually has none, and neither
# does a hidden unit of the MLP. Yet all units together outline concepts better in the transformer, even in the
# residual stream, which has fewer units than the last convolution has filters. So this transformer does not know less
# about where the concepts are. It keeps less of it in single units, and more in directions across them. Classification
# asks whether a concept is in the image at all, from the mean over all cells; there the combination is a little better
# in the convolutional network. A likely reason, which we have not tested: the transformer answers it in its class
# token, which is not in that mean. The heads are different: most of their units have a label, and they outline worst,
# because they mark large parts of an image.
#
# For the residual stream one would expect this: nothing is applied to its channels one by one, so training has no
# reason to line up concepts with them. Units of the MLP do pass a non-linearity one at a time, as filters do, and are
# still mostly without a label, so that cannot be all of it.
#
# ## Where we differ
#
# - **Size and data.** Published transformers have more blocks and learn from millions of photographs; ours was trained
#   for minutes on drawings. Both networks are one training run each.
# - **The high side only.** A channel of the residual stream can be negative, and low values may mean something too.
#   The papers' threshold looks at high values, which is natural after a ReLU and a choice here.
# - **Numbers of units.** The MLP has more units than the other layers, which also gives its combination more weights.
#   The residual stream does not have this advantage.
# - **The last block.** Its cells are read by nothing. What they hold is a by-product of weights that serve the class
#   token. Networks that average over all tokens do not have this peculiarity.
#
# ## Exercises
#
# 1. Is it the number of units? Compare with `NETWORK=small-alexnet-wide`, whose conv5 has as many filters as an MLP has
#    hidden units, from the same training.
# 2. Measure one unit per head, the length of what it hands over: `blocks.2.attn.heads.norm` in `NETWORKS`.
# 3. Raise `IOU_THRESHOLD` to 0.1. Which kind of layer keeps the largest part of its detectors?

# %% tags=["solution", "hide-input"]
strict = detectors.detectors(layers, probe, 0.1)
left = [(label, len(found[label]), len(strict[label])) for label in compared]
left = pd.DataFrame(left, columns=["layer", f"above {IOU_THRESHOLD}", "above 0.1"])
charts.table(left, "Detectors by IoU threshold")

# %% [markdown]
# ## Take-away
#
# - Tokens form a grid, so both papers' methods apply to a transformer once the tokens without a place are left out.
# - Say which layer of a block is meant: residual stream, MLP and heads give different answers.
# - Few labels on single units do not mean that a network lacks the concepts. Ask the combination too.
#
# The [next chapter](captioning) goes on with networks: with one that learned to say what it sees.

# %%
n2vlib.provenance(probe=probe, layers=layers, seed=SEED)
