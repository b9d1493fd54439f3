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
# # Reference
#
# The names that `import n2vlib` gives, the methods, and the functions for tables, pictures and charts, in the order in
# which data flows through them. Each entry has its signature and its docstring, and the first ones an example, computed
# on this run's images and network. All modules are listed, too, below the names.

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

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %%
import numpy as np
import pandas as pd

from n2vlib import charts, gallery, tables
from n2vlib.display import style
from n2vlib.display.reference import modules, reference
from n2vlib.methods import classification, dissection, segmentation, single_filter

# %% [markdown]
# ## Probe set
#
# Images, the concepts annotated in them, and their split into training and validation images.

# %% tags=["remove-input"]
reference(n2vlib.load_probe)

# %%
probe = n2vlib.load_probe(PROBE)
probe

# %% tags=["remove-input"]
reference(n2vlib.need)

# %%
asked = "pixel maps", "training images", "validation images", "images without it"
fit = probe.concepts.loc[n2vlib.need(probe, *asked)]
charts.table(fit[["name", "category", "frequency"]].head(3))

# %% tags=["remove-input"]
reference(n2vlib.ProbeSet)

# %%
concept = style.preferred(fit, "object")["frequency"].idxmax()
i = probe.images_with(concept, "val")[0]
captions = [gallery.caption(fit.loc[concept, "name"], image=i)]
gallery.show([probe.image(i)], captions, annotated=[probe.annotated(concept, i)])

# %% [markdown]
# ## Network
#
# A network from torchvision, from the zoo, or of your own.

# %% tags=["remove-input"]
reference(n2vlib.load_network)

# %%
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
print(network.name, network.weights, network.fingerprint[:12], sep="; ")

# %% tags=["remove-input"]
reference(n2vlib.Network)

# %%
charts.table(network.layers(), rows=4)

# %% tags=["remove-input"]
reference(n2vlib.randomly_initialised)

# %%
random = n2vlib.randomly_initialised(network, SEED)
print(random.name, random.weights, random.fingerprint[:12], sep="; ")

# %% tags=["remove-input"]
reference(n2vlib.Preprocessing)

# %%
images = network.preprocessing(np.stack([probe.image(i) for i in range(2)]))
print(network.preprocessing, tuple(images.shape), images.dtype, sep="\n")

# %% [markdown]
# ## Activations and thresholds
#
# A layer is measured once, in one pass over the images, and kept in the store.

# %% tags=["remove-input"]
reference(n2vlib.read_layers)

# %%
options = {"tau": TAU, "device": DEVICE, "store": n2vlib.Store(STORE)}
layers = n2vlib.read_layers(network, LAYERS[-1:], probe, **options)
layer = layers[LAYERS[-1]]
size = f"{layer.n_filters} filters on a grid of {layer.grid}"
print(f"{layer.name}: {size}, {layer.n_images} images")

# %% tags=["remove-input"]
reference(n2vlib.Layer)

# %%
fires = pd.DataFrame({"threshold": layer.thresholds, "fires at": layer.realised})
charts.table(fires.rename_axis("filter").reset_index().head(3), digits=4)

# %% tags=["remove-input"]
reference(n2vlib.Store)

# %%
kind, entry = layer.folder.relative_to(n2vlib.Store(STORE).root).parts
print(kind, *sorted(file.name for file in layer.folder.glob("*.npy")))

# %% [markdown]
# Three names read a network without the store: the outputs of some modules, the same in a `with` block, and the network
# from a layer on.

# %% tags=["remove-input"]
reference(n2vlib.run_layers)

# %%
module = network.layer(layer.name)
activations = n2vlib.run_layers(network.module, [module], images)[module]
tuple(activations.shape)

# %% tags=["remove-input"]
reference(n2vlib.capture)

# %%
with n2vlib.capture(network.module, [module]) as seen:
    network.module(images)
list(seen)

# %% tags=["remove-input"]
reference(n2vlib.Downstream)

# %%
downstream = n2vlib.Downstream(network.module, module, images)
(without,) = downstream.without(activations, [[0]])
change = (without - downstream(activations)).abs().max()
print(f"without filter 0, a score changes by up to {change:.3f}")

# %% [markdown]
# ## Methods
#
# Each method aligns the filters of a layer with all concepts of a probe set.

# %% tags=["remove-input"]
reference(single_filter.align)

# %%
alone = single_filter.align(layer, probe)
best = alone.scores.query("split == 'val'").nlargest(3, "set_iou")
top = best.iloc[0]
charts.table(best[["name", "category", "images", "filter", "set_iou"]])

# %% tags=["remove-input"]
reference(segmentation.align)

# %%
together = segmentation.align(layer, probe, epochs=EPOCHS, seed=SEED)
best = together.scores.query("split == 'val'").nlargest(3, "set_iou")
charts.table(best[["name", "category", "images", "set_iou"]])

# %% tags=["remove-input"]
reference(classification.align)

# %%
predicted = classification.align(layer, probe, epochs=EPOCHS, seed=SEED)
best = predicted.scores.query("split == 'val'").nlargest(3, "accuracy")
charts.table(best[["name", "category", "images", "accuracy"]])

# %% tags=["remove-input"]
reference(dissection.align, dissection.filters)

# %%
dissected = dissection.align(layer, probe)
best = dissected.scores.nlargest(3, "dissection_iou")
charts.table(best[["name", "category", "images", "filter", "dissection_iou"]])

# %% tags=["remove-input"]
reference(n2vlib.Alignment)

# %%
largest = together.unit_weights().loc[top["concept"]].nlargest(3).rename("weight")
charts.table(largest.rename_axis("filter").reset_index(), f"Weights for {top['name']}")

# %% [markdown]
# ## Masks and IoU
#
# The definitions behind the methods, for single images: here the masks of the best filter of a concept.

# %% tags=["remove-input"]
reference(n2vlib.upsample)

# %%
shown, k = probe.images_with(top["concept"], "val")[:4], top["filter"]
fired = np.stack([layer.fired_in(i)[k] for i in shown])
masks = n2vlib.upsample(fired, probe.label_size, align_corners=True) > 0.5
captions = [f"image {i}" for i in shown]
gallery.show([probe.image(i) for i in shown], captions, predicted=masks)

# %% tags=["remove-input"]
reference(n2vlib.set_iou)

# %%
annotated = np.stack([probe.annotated(top["concept"], i) for i in shown])
iou = n2vlib.set_iou(masks, annotated)
print(f"filter {k}, {top['name']}: {iou:.3f} on these images")

# %% tags=["remove-input"]
reference(n2vlib.individual_iou)

# %%
iou = n2vlib.individual_iou(masks, annotated)
charts.table(pd.DataFrame({"image": shown, "individual IoU": iou}))

# %% [markdown]
# ## Tables
#
# Click a name for its signature and its docstring.

# %% tags=["remove-input"]
reference(tables, folded=True)

# %%
scores = pd.concat([alone.scores, together.scores])
columns = ["category", "method", "mean", "low", "high", "n"]
charts.table(tables.by_category(scores)[columns], rows=4)

# %% [markdown]
# ## Pictures

# %% tags=["remove-input"]
reference(gallery.show)

# %%
pictures = [probe.image(i) for i in shown]
captions = [gallery.caption(top["name"], value) for value in iou]
gallery.show(pictures, captions, annotated, masks)

# %% tags=["remove-input"]
reference(gallery.heatmap)

# %%
maps = activations[:, k].numpy()
gallery.heatmap([probe.image(i) for i in range(2)], maps, ["image 0", "image 1"])

# %% tags=["remove-input"]
reference(gallery.concept_strip)

# %%
gallery.concept_strip(top["name"], pictures, [f"image {i}" for i in shown], annotated)

# %% [markdown]
# ## Charts
#
# `charts.table` shows a table; `drawn`, `rows` and `titled` are for charts of your own. All others return an Altair
# chart with the book's theme, whatever theme Altair has.

# %% tags=["remove-input"]
reference(charts, folded=True)

# %%
wide = tables.side_by_side(scores, layer.name, "segmentation")
charts.iou_scatter(wide, f"Single filters and combinations of {layer.name}")

# %% [markdown]
# A chart of your own is a function under `charts.drawn` that makes an Altair chart of a table. Where the table has no
# row, one line of text says so in its place.

# %%
import altair as alt


@charts.drawn
def gains(scores: pd.DataFrame, title: str) -> charts.Chart:
    """How many concepts gain how much from the combination."""
    data = charts.rows(scores[["gain"]])
    across = alt.X("gain:Q", bin=alt.Bin(maxbins=30), title="gain in set IoU")
    up = alt.Y("count():Q", title="concepts")
    bars = alt.Chart(data).mark_bar().encode(x=across, y=up)
    return charts.titled(bars.properties(width=style.CHART_WIDTH), title)


wide["gain"] = wide["combination"] - wide["single filter"]
gains(wide, f"Gain from the combination in {layer.name}")

# %% [markdown]
# ## All modules
#
# `import n2vlib` gives these, each when it is first asked for. Click a name for its files. `help` describes their
# functions, for instance `help(n2vlib.analysis.sharing)`.

# %% tags=["remove-input"]
modules()

# %% [markdown]
# ## Chapters
#
# A chapter checks its parameters in its second cell and prints what made its results in its last one. Bad input is
# reported in one line.

# %% tags=["remove-input"]
reference(n2vlib.BadInput)

# %%
try:
    n2vlib.load_network("small-alexnett")
except n2vlib.BadInput as error:
    print(error)

# %% tags=["remove-input"]
reference(n2vlib.check_parameters)

# %%
try:
    n2vlib.check_parameters({"TAU": 2.0, "__annotations__": {"TAU": float}})
except n2vlib.BadInput as error:
    print(error)

# %% tags=["remove-input"]
reference(n2vlib.provenance)

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
