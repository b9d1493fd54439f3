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
# # What each layer detects
#
# *Network Dissection, section 3.3.* The [previous chapter](axis-aligned) compared the filters of one layer with random
# directions of the same space. If filters have labels, the concepts that a layer detects can be counted, and layers can
# be compared by this count. This chapter follows a network from its first layer to its last. The [next one](networks)
# compares the last layers of different networks.
#
# *Question.* How do the number and the kind of detected concepts change with depth?

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
BY_LAYER: list = "zoo/layers"  # of other networks, low to high: network, layer, ...
IOU_THRESHOLD: float = 0.04  # dissection IoU above which a filter is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper claims
#
# > Figure 13 counts the unique detectors of several layers of AlexNet, VGG-16, GoogLeNet and ResNet-152, all trained on
# > Places365. Colors and textures lead in the low layers; parts, objects and scenes lead in the high ones, where there
# > are also more detectors in all {cite}`zhou2019interpreting`.
#
# A *detector* is a filter whose best concept has a dissection IoU above 0.04 (see [the method](framework)). The *unique
# detectors* of a layer are the different concepts among its detectors: ten filters for one concept count once.
#
# Categories have an order. Colors and textures can be recognised in a small patch of the image, while parts, objects
# and scenes need a larger one. A low layer sees only small patches, so it is plausible that it detects the first kind.
#
# ## By hand: the detectors of one layer
#
# First we read all layers of this chapter: those of `NETWORK` in `LAYERS`, and those of other networks in `BY_LAYER`. A
# layer goes by the name of its network and its own name.

# %%
from n2vlib.analysis import detectors

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
own = {"network": NETWORK, "weights": WEIGHTS, "preprocessing": PREPROCESSING}
rows = [*({**own, "layer": layer} for layer in LAYERS), *BY_LAYER]
options = {"tau": TAU, "seed": SEED, "device": DEVICE, "store": store}
listed, layers = detectors.read(probe, rows, **options, with_layer=True)

# %% [markdown]
# The dissection IoU of a layer is a table with a row for each filter and a column for each concept. The largest number
# of a row decides the label of the filter: it is the concept of that column. If the number is above the IoU threshold,
# the filter is a detector. Here is the count for the last layer in `LAYERS`.

# %%
from n2vlib.methods import dissection

last = listed["label"].iloc[len(LAYERS) - 1]
iou = dissection.dissection_iou(layers[last], probe)
is_detector = iou.max(1) > IOU_THRESHOLD
concepts = set(iou.argmax(1)[is_detector])

# %% [markdown]
# The library does the same for all layers and counts by category. The assertion compares both counts.

# %%
from n2vlib import charts

found = detectors.detectors(layers, probe, IOU_THRESHOLD)
counted = detectors.unique(found, probe)
mine = counted.query("label == @last").drop(columns="label")
assert mine["detectors"].sum() == is_detector.sum()
assert mine["unique_detectors"].sum() == len(concepts)
title = f"{last}: {is_detector.sum()} of {len(iou)} filters are detectors,"
title += f" of {len(concepts)} concepts"
charts.table(mine, f"{title}; the largest IoU is {iou.max():.2f}")

# %% [markdown]
# ## From layer to layer
#
# Each bar is a layer, and its length is the number of unique detectors. The layers of a network stand below each other
# from low to high. The colors of a bar are the categories in their order, from colors and textures at the left end to
# objects and scenes at the right end.

# %%
totals = counted.groupby("label", sort=False)["unique_detectors"].sum()
title = f"{totals.idxmax()} detects the most concepts: {totals.max()}"
charts.unique_by(counted, "label", title)

# %% [markdown]
# The bars differ in length, which makes it hard to compare their composition by eye. The table gives it in numbers: the
# share of the unique detectors of a layer that are for a color or a texture, and the share for a part, an object or a
# scene. What is missing to one are materials and categories that the papers do not have. The paper's claim is that the
# first share falls and the second rises from one layer of a network to the next.

# %%
wide = detectors.wide(counted)
kinds = ["color", "texture"], ["part", "object", "scene"]
low, high = (wide.reindex(columns=kind, fill_value=0).sum(axis=1) for kind in kinds)
shares = wide.sum(axis=1).rename("unique detectors").to_frame()
shares["color or texture"] = low / shares["unique detectors"]
shares["part, object or scene"] = high / shares["unique detectors"]
charts.table(shares.rename_axis("layer").reset_index(), digits=2, rows=20)

# %% [markdown]
# ## Detectors per filter
#
# High layers usually have more filters than low ones, and with more filters a layer has more chances to detect
# something. Therefore the paper also divides the unique detectors by the number of filters (*unique per filter*). The
# *share* is the part of the filters that are detectors.

# %%
per_filter = detectors.shares(found, layers, SEED)
title = "Share of detectors among all filters,"
title += " with its 95% bootstrap interval over filters"
charts.table(per_filter, title, rows=20)

# %% [markdown]
# The interval comes from drawing the filters of the layer again, with replacement. It shows how much the share depends
# on the particular filters that training ended with, as if they were independent of each other. It does not cover the
# choice of the images, nor another training run; [repeated training runs](training-conditions) are compared later.
#
# ## The released results of a ResNet-50
#
# The weights of the paper's networks are not part of this project, but result files for single filters have been
# released. One network among them, a ResNet-50 trained on ImageNet, was dissected at four depths, from `layer1` to
# `layer4`. We count its unique detectors by the same rule, on Broden with 1,197 concepts.

# %%
import pandas as pd

from n2vlib import published

released = published.table("netdissect_released_unique_detectors")
resnet = released[(released["network"] == "ResNet-50") & (released["layer"] != "fc")]
by_kind = resnet.pivot(index="layer", columns="category", values="unique_concepts")
first_kind = (by_kind["color"] + by_kind["texture"]) / by_kind["total"]
theirs = {"unique detectors": by_kind["total"], "color or texture": first_kind}
theirs = pd.DataFrame(theirs).reset_index()
charts.table(theirs, "Published: ResNet-50, trained on ImageNet", digits=2)

# %% [markdown]
# Read the last column from top to bottom and compare it with the column of the same name above.
#
# ## What we see
#
# For each network: the share of colors and textures among the unique detectors of its first and its last layer given
# here, and whether the share falls at every step between them.

# %%
network = shares.index.str.rpartition(" ").get_level_values(0)
grouped = shares["color or texture"].groupby(network, sort=False)
seen = pd.DataFrame({"first layer": grouped.first(), "last layer": grouped.last()})
lower = (seen["last layer"] < seen["first layer"]).sum()
half = (seen["first layer"] > 0.5).sum()
falls = grouped.apply(lambda share: (share.diff().dropna() <= 0).all())
seen["never rises"] = falls.map({True: "yes", False: "no"})
title = f"Lower in the last layer than in the first in {lower} of {len(seen)} networks"
title += f"; more than half of the first layer in {half}"
charts.table(seen.rename_axis("network").reset_index(), title, digits=2)

# %% [markdown]
# In the paper the share of colors and textures falls from layer to layer, and these categories lead in the low layers.
# Where they do not lead here, one reason may be that drawings differ from photographs: a drawn object has a plain
# surface of its own color, so a filter of a low layer that responds to this color also finds the object.
#
# ## Where we differ
#
# - **Networks.** Ours are small and were trained for minutes on drawn images; the paper's learned from millions of
#   photographs. Its networks also have up to 152 layers.
# - **Few layers.** We read three to five layers of each network. The lowest of them is not the first convolution
#   everywhere, so "low" does not mean the same depth in each.
# - **Few concepts.** The drawn probe set has far fewer concepts than Broden. A layer that detects nearly all concepts
#   of a category cannot detect more of it, however good its filters are.
#
# ## Exercises
#
# 1. Raise `IOU_THRESHOLD` to 0.1. Which layers lose most of their detectors?
# 2. Give every layer of one network in `BY_LAYER`. At which depth does the count of objects rise most?
# 3. Which concepts does the first layer detect and the last one not?

# %% tags=["solution", "hide-input"]
names = [set(found[label]["name"]) for label in (listed["label"].iloc[0], last)]
only_first = ", ".join(sorted(names[0] - names[1])) or "none"
print("Detected in the first layer and not in the last:", only_first)

# %% [markdown]
# ## Take-away
#
# - Detectors count filters, unique detectors count concepts. Quote which of them, and above which IoU threshold.
# - Compare layers by the composition of their detectors too: their numbers also depend on the number of filters.
#
# The same count serves to compare networks. The [next chapter](networks) does so for different architectures and
# training tasks.

# %%
n2vlib.provenance(probe=probe, layers=layers, seed=SEED)
