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
# # Your own network
#
# This book measures networks, and they need not be ours. Any convolutional network that PyTorch can run will do, and
# no file of the book has to be edited for it.
#
# *Question.* What must you say about a network so that the book can measure it? And how would you notice that it
# measured the wrong thing?

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

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# All chapters take the same parameters. This one brings its own network and therefore ignores four of them: NETWORK,
# WEIGHTS, PREPROCESSING and LAYERS.
#
# ## A network whose answer we know
#
# An instrument is tried on something known before it is trusted. Nobody knows what the filters of a trained network
# look for, so we set some by hand. Each of seven filters weighs the red, green and blue of a small patch so that one
# color makes it loud and the others silence it. A second layer of sixteen filters is left at its random start: nobody
# chose what *they* like.

# %%
likes = {  # weight of red, green and blue, and a bias; the image's values are 0..1
    "red": (1.0, -0.5, -0.5, 0.0), "green": (-0.5, 1.0, -0.5, 0.0), "blue": (-0.5, -0.5, 1.0, 0.0),
    "yellow": (0.5, 0.5, -1.0, 0.0), "purple": (0.5, -1.0, 0.5, 0.0),
    "white": (1.0, 1.0, 1.0, -2.0), "black": (-1.0, -1.0, -1.0, 1.0),
}  # fmt: skip

# %%
import torch
from torch import nn


class ColorNet(nn.Module):
    """Filters that each like one color of a 4 x 4 patch, sixteen random filters that look at those, four scores."""

    def __init__(self, likes: dict):
        super().__init__()
        patch = nn.Conv2d(3, len(likes), kernel_size=4, stride=4)
        wanted = torch.tensor(list(likes.values()))
        patch.weight.data = (wanted[:, :3] / 16)[:, :, None, None].expand(-1, -1, 4, 4).clone()
        patch.bias.data = wanted[:, 3].clone()
        self.color = nn.Sequential(patch, nn.ReLU())
        self.mixed = nn.Sequential(nn.Conv2d(len(likes), 16, kernel_size=3, padding=1), nn.ReLU())
        self.head = nn.Linear(16, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.mixed(self.color(images)).mean((2, 3)))


# %% [markdown]
# ## What the book needs to know
#
# Two things, and a choice.
#
# - **A function** that takes nothing and returns the network as a torch module. It is called under the parameter
#   SEED, so random weights are the same in every run.
# - **Its preprocessing**: the *size* of its input, the *range* of the values its weights were made for (0 to 1, or 0
#   to 255), and the *mean* and *std* that are taken off and divided by, in that range. One number stands for all
#   three channels, which are always red, green, blue. The function may also return the pair (module, preprocessing).
# - **Layers**: the dotted name of any module whose output is a stack of maps. The table lists them.

# %%
from n2vlib import charts


def color_net() -> nn.Module:
    return ColorNet(likes)


preprocessing = {"size": 112, "mean": 0, "std": 1, "range": 1}
network = n2vlib.load_network(color_net, preprocessing=preprocessing, seed=SEED)
charts.table(network.layers()[["name", "module", "shape", "stride", "receptive_field"]])

# %% [markdown]
# *Shape* is filters, height and width of the maps; *stride* and *receptive field* are pixels of the input. The output
# of an `nn.Sequential` is that of its last part, here the ReLU, so `color` and `color.1` are the same layer. We read
# the two layers after their ReLU, as the papers do. The scores of `head` are no maps, and are missing from the list.
#
# ## Do the filters find what they were made for?
#
# The measurement is Network Dissection's {cite}`bau2017network`. A filter *fires* where its activation is above a
# threshold, set such that it fires at a share $\tau$ of all places. Where it fires is compared with every concept of
# the probe set, by intersection over union of pixels, and the best match is called what the filter finds. The chapter
# on [single filters](../net2vec/single-filters) has the details. We read the layers once, ready for two values of
# $\tau$: the papers' 0.005, and ten times as much. For a first look, 800 images spread over the probe set are enough.

# %%
everything, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
n2vlib.need(everything, "pixel maps", "training images", "validation images")
probe = everything.subset(range(0, len(everything), -(-len(everything) // 800)))
layers = n2vlib.read_layers(
    network, ["color", "mixed"], probe, tau=TAU, floor=min(10 * TAU, 0.5), device=DEVICE, store=store
)
rarely = layers["color"]
often = rarely.at(rarely.floor)

# %%
import pandas as pd

from n2vlib.methods import dissection

finds = {f"tau = {each.tau:g}": dissection.filters(each, probe) for each in (rarely, often)}
table = pd.DataFrame({"made for": list(likes)})
for tau, found in finds.items():
    table[f"finds, {tau}"], table[f"IoU, {tau}"] = found["name"], found["dissection_iou"]
charts.table(table, f"Seven filters set by hand, on {len(probe)} images of {everything.name}")

# %%
wanted = [f"{color}-c" for color in likes]
hits = {tau: int((found["name"] == wanted).sum()) for tau, found in finds.items()}
print("; ".join(f"{count} of {len(likes)} filters find their color at {tau}" for tau, count in hits.items()))

# %% [markdown]
# The filters did not change between the columns; only $\tau$ did. A filter that may fire at one place in two hundred
# marks the *reddest* places, and these may all belong to one kind of thing or surface. Allowed ten times as much, it
# has to go on to whatever is red. Keep this in mind for filters whose purpose nobody knows: what a filter *finds* is
# an answer to a question that has $\tau$ in it.
#
# A filter can also miss its color because a sum of channels is a crude eye. It cannot say *and*. Purple is red and
# blue, but a place that is very red can please a filter for purple more than a pale purple does.
#
# ## Look at it
#
# Never believe a table about masks before you have seen some. Here is the filter and concept with the highest set IoU
# on training images, in the validation images with the best agreement.

# %%
from n2vlib import gallery
from n2vlib.iou import single_filter_mask
from n2vlib.methods import single_filter

alone = single_filter.align(often, probe)
best = alone.scores.query("split == 'train'").nlargest(1, "set_iou").iloc[0]
images = alone.pairs.query("split == 'val' and concept == @best.concept").nlargest(4, "individual_iou")["image"]
masks = [single_filter_mask(often.fired_in(i)[best["filter"]], probe.label_size, align_corners=True) for i in images]

# %%
gallery.show(
    [probe.image(i) for i in images],
    [f"{best['name']}, filter made for {list(likes)[best['filter']]}"] * len(images),
    annotated=[probe.annotated(best["concept"], i) for i in images], predicted=masks, columns=4,
)  # fmt: skip

# %% [markdown]
# Solid: what is annotated. Dashed: where the filter fires.
#
# ## What about the filters nobody set?
#
# Each random filter mixes the seven colors around a place. None of them was made for anything. But mixing seven
# numbers into sixteen loses little, so what the first layer knew should still be there, spread over several filters.
# That is Net2Vec's idea {cite}`fong2018net2vec`: give every filter a weight, learn the weights for one concept, and
# see whether the weighted sum outlines what no single filter does.

# %%
from n2vlib import look, tables
from n2vlib.methods import segmentation

mixed = layers["mixed"]
found = [single_filter.align(mixed, probe), segmentation.align(mixed, probe, epochs=EPOCHS, seed=SEED)]
wide = tables.side_by_side(pd.concat([each.scores for each in found]), "mixed", "segmentation")
at_least = (wide["combination"] >= wide["single filter"]).mean()
charts.iou_scatter(wide, f"In random filters the combination is at least as good for {at_least:.0%} of the concepts")

# %%
rows = look.preferred(wide, "color").sort_values("combination", ascending=False)
columns = ["name", "images", "single filter", "combination"]
charts.table(rows[columns], "Random filters, set IoU on validation images", best=["single filter", "combination"])

# %% [markdown]
# The combination can be worse as well: it is learned on some images and scored on others. The chapter on
# [filters together](../net2vec/filter-combinations) looks into that.
#
# ## The other chapters, with your network
#
# A function that is to be found by its name lies in a file, or in a package that is installed:
# `path/to/file.py:function` or `package.module:function`. Files beside it can be imported from it. A file that is
# called like this is all it takes:

# %%
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp()) / "mine"
folder.mkdir()
(folder / "network.py").write_text("""
from torch import nn

print("network.py is being run")

def build():
    return nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU()), {"size": 112, "mean": 0.5, "std": 0.25, "range": 1}
""")
n2vlib.load_network(f"{folder}/network.py:build", seed=SEED).layers()["name"].tolist()

# %% [markdown]
# With this chapter's network in `mine/network.py`, the whole book is a matter of parameters. What layers are there?
#
# ```bash
# python -m n2vlib layers mine/network.py:color_net --preprocessing "{size: 112, mean: 0, std: 1, range: 1}"
# ```
#
# One chapter, with our command or with plain papermill. The one writes `NAME=value`, the other `NAME value`, and
# papermill takes lists and mappings with `-y`:
#
# ```bash
# python -m n2vlib run single-filters -p NETWORK=mine/network.py:color_net -p "LAYERS=[color, mixed]" \
#     -p "PREPROCESSING={size: 112, mean: 0, std: 1, range: 1}"
#
# papermill book/net2vec/single-filters.ipynb out.ipynb -p NETWORK mine/network.py:color_net \
#     -y "LAYERS: [color, mixed]" -y "PREPROCESSING: {size: 112, mean: 0, std: 1, range: 1}"
# ```
#
# For the whole book, copy `params/embedded.yml` to `params/mine.yml`, change the same three lines, and say `python -m
# n2vlib book --params params/mine.yml`. Networks of torchvision need no function: `NETWORK: resnet18` and `WEIGHTS:
# IMAGENET1K_V1`, for instance, and they bring their preprocessing with them. A file of weights (safetensors, or a
# state dict saved by torch) goes into WEIGHTS.
#
# ## Your own images
#
# PROBE takes a folder as well, in the format of Broden, the papers' probe set. The chapter on the [probe
# set](../net2vec/probe-set) describes it. Before you measure anything, have it checked. Every file is opened, and
# every problem is a line that names file and row:
#
# ```bash
# python -m n2vlib probe check path/to/folder
# ```
#
# The same from Python, on a folder that has hardly been begun:

# %%
from n2vlib.probe.check import check

(folder / "index.csv").write_text("image,split,ih,iw,sh,sw,color\nhouse.jpg,train,112,112,56,56,house_color.png\n")
for problem in check(folder):
    print(f"{problem.level}: {problem}")

# %% [markdown]
# ## What can go wrong
#
# Some mistakes stop at once and say what to do. The message is meant to be enough:


# %%
def refused(call) -> None:
    """Print the one line with which bad input is refused."""
    try:
        call()
    except n2vlib.BadInput as error:
        print(error)


refused(lambda: network.layer("colour"))
refused(lambda: n2vlib.load_network(color_net))

# %% [markdown]
# Others do not stop anything. They give numbers that look like numbers, and these are the ones to look out for.
#
# **The value range, and the order of colors.** Below, our network is told that its input goes from 0 to 255, which is
# not what its biases were set for; and then we pretend that it came from a library that stores blue first (the
# weights of the first layer are in the order blue, green, red). A quarter of the images is enough to
# see it.

# %%
few = probe.subset(range(0, len(probe), 4))


def answers(function, **changed) -> pd.Series:
    """What each filter of the first layer finds on a few images; a filter that never fires is called dead."""
    loaded = n2vlib.load_network(function, preprocessing=preprocessing | changed, seed=SEED)
    layer = n2vlib.read_layers(loaded, ["color"], few, tau=often.tau, device=DEVICE, store=store)["color"]
    return dissection.filters(layer, few)["name"].where(layer.realised > 0, "dead")


def blue_first() -> nn.Module:
    module = color_net()
    module.color[0].weight.data = module.color[0].weight.data.flip(1)
    return module


# %%
wrong = {
    "as it should be": answers(color_net),
    "range 255": answers(color_net, range=255),
    "blue first": answers(blue_first),
}
charts.table(pd.DataFrame({"made for": list(likes), **wrong}), f"What the filters find, tau = {often.tau:g}")

# %% [markdown]
# Nothing failed. A wrong range shows up where biases matter: the filter for black has nothing but its bias to make it
# loud, and in a range up to 255 a speck of light drowns that out. A *dead* filter has the threshold 0 and finds
# nothing. A few are normal in trained networks; if half a layer is dead, check range, mean and std first. (A filter
# can also be silent because too many of its highest activations are identical, on large areas of pure white for
# instance: nothing lies above a tie.) Swapped colors are worse, because most of a trained network hardly minds. If
# your network wants blue first, turn its first weights round in the function, as `blue_first` does.
#
# **A layer before its ReLU.** Thresholds are taken from the top, so where a filter fires is the same before and after
# the ReLU, as long as its threshold is positive. Its *average* is another matter, and
# [classification](../net2vec/classification) is made of averages.

# %%
before, after = n2vlib.read_layers(
    network, ["color.0", "color.1"], few, tau=often.tau, device=DEVICE, store=store
).values()
print(f"same threshold: {(before.thresholds == after.thresholds).sum()} of {len(likes)} filters")
print(f"mean activation: {before.pooled.mean():.2f} before the ReLU, {after.pooled.mean():.2f} after it")

# %% [markdown]
# **A fully connected layer.** Its outputs are read as maps with a single place, so its masks are whole images or
# nothing. That is fine for classification. An outline it cannot draw.

# %%
head = n2vlib.read_layers(network, ["head"], few, tau=TAU, device=DEVICE, store=store)["head"]
print(f"head: {head.n_filters} filters on a grid of {head.grid[0]} x {head.grid[1]}")

# %% [markdown]
# **Tokens.** A vision transformer's blocks put out a list of patches, not a grid, and are refused. Wrap the network
# in a module of yours that takes the class token off and folds the patches back to (image, filter, height, width).

# %%
tokens = n2vlib.load_network(nn.Sequential(nn.Conv2d(3, 8, 16, 16), nn.Flatten(2)), preprocessing=preprocessing)
refused(lambda: n2vlib.read_layers(tokens, ["1"], few, tau=TAU, store=store))

# %% [markdown]
# ## Whose code runs?
#
# A network is a program. When `network.py` was loaded above, its print statement ran, and so would anything else in
# that file, with all you are allowed to do on your machine. Read a network file before you use it, as you would read
# a script.
#
# Weights need no such trust. Files of weights are read as tensors only; a file with a whole pickled module in it,
# which could run code when opened, is refused:

# %%
torch.save(nn.Conv2d(3, 8, 5), folder / "whole.pth")
try:
    n2vlib.load_network(f"{folder}/network.py:build", weights=f"{folder}/whole.pth")
except n2vlib.BadInput as error:
    print(str(error).replace(str(folder), "mine"))

# %% [markdown]
# ## Exercises
#
# 1. Give the network a filter for orange. Can a sum of channels find it and leave red and yellow alone?
# 2. Which threshold would a filter need so that it fires as often as its color is annotated? Read the layer with a
#    larger `floor` and try `layer.at`.
# 3. Measure a network of torchvision with random weights, `load_network("squeezenet1_1", seed=SEED)`: which of its
#    layers would you read, and why not the convolutions themselves?

# %% tags=["solution", "hide-input"]
attempts = {"no blue": (1.0, 0.0, -1.0, 0.0), "some green": (1.0, 0.4, -1.4, 0.0), "dark too": (1.0, -0.2, -0.8, 0.0)}
tried = n2vlib.load_network(lambda: ColorNet(attempts), preprocessing=preprocessing, seed=SEED)
layer = n2vlib.read_layers(tried, ["color"], few, tau=often.tau, device=DEVICE, store=store)["color"]
iou = pd.DataFrame(dissection.dissection_iou(layer, few), index=list(attempts), columns=few.concepts["name"])
shown = [name for name in ("orange-c", "red-c", "yellow-c", "brown-c") if name in iou]
charts.table(iou[shown].rename_axis("attempt").reset_index(), f"Dissection IoU, tau = {often.tau:g}", best=shown)

# %% [markdown]
# ## Take-away
#
# - A function, its preprocessing, and the names of layers: that is all the book needs to measure a network.
# - Try a measurement on something whose answer you know. It told us here that what a filter *finds* depends on
#   $\tau$.
# - The mistakes that matter raise no error. Look for dead filters, and look at masks.
#
# And what is it all measured on? The next chapter opens the [probe set](../net2vec/probe-set).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
