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
# This book can measure any convolutional network that PyTorch can run, without editing any file of the book.
#
# *Question.* What must you say about a network so that the book can measure it? And how do you notice that the wrong
# thing was measured?

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

# %% [markdown]
# All chapters take the same parameters. This chapter brings its own network and therefore ignores four of them:
# NETWORK, WEIGHTS, PREPROCESSING and LAYERS.
#
# ## A network with known filters
#
# We first test the measurement on filters whose concepts are known. Nobody knows them for a trained network, so we set
# the weights by hand. Each of seven filters weighs the red, green and blue values of a small patch so that one color
# gives a high activation and the others a low one. A second layer of sixteen filters keeps its random initial weights.

# %%
# Weights of red, green and blue, and a bias; the image's values are 0..1.
color_weights = {
    "red": (1.0, -0.5, -0.5, 0.0), "green": (-0.5, 1.0, -0.5, 0.0),
    "blue": (-0.5, -0.5, 1.0, 0.0), "yellow": (0.5, 0.5, -1.0, 0.0),
    "purple": (0.5, -1.0, 0.5, 0.0), "white": (1.0, 1.0, 1.0, -2.0),
    "black": (-1.0, -1.0, -1.0, 1.0),
}  # fmt: skip

# %%
import torch
from torch import nn


def color_filters(color_weights: dict) -> nn.Conv2d:
    """Filters that each detect one color of a 4 x 4 patch."""
    patch = nn.Conv2d(3, len(color_weights), kernel_size=4, stride=4)
    wanted = torch.tensor(list(color_weights.values()))
    weight = (wanted[:, :3] / 16)[:, :, None, None].expand(-1, -1, 4, 4)
    patch.weight.data, patch.bias.data = weight.clone(), wanted[:, 3].clone()
    return patch


# %%
class ColorNet(nn.Module):
    """Filters made for colors, sixteen random filters on top, and four scores."""

    def __init__(self, color_weights: dict):
        super().__init__()
        n = len(color_weights)
        self.color = nn.Sequential(color_filters(color_weights), nn.ReLU())
        mixed = nn.Conv2d(n, 16, kernel_size=3, padding=1)
        self.mixed = nn.Sequential(mixed, nn.ReLU())
        self.head = nn.Linear(16, 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(self.mixed(self.color(images)).mean((2, 3)))


# %% [markdown]
# ## What the book needs to know
#
# - **A function** that takes no arguments and returns the network as a torch module. It is called under the parameter
#   SEED, so random weights are the same in every run.
# - **Its preprocessing**: the *size* of its input, the *range* of the values its weights were made for (0 to 1, or 0 to
#   255), and the *mean* and *std* that are subtracted and divided by, in that range. One number stands for all three
#   channels, which are always red, green, blue. The function may also return the pair (module, preprocessing).
# - **Layers**: the dotted name of any module whose output is a stack of maps. The table lists them.

# %%
from n2vlib import charts


def color_net() -> nn.Module:
    return ColorNet(color_weights)


preprocessing = {"size": 112, "mean": 0, "std": 1, "range": 1}
network = n2vlib.load_network(color_net, preprocessing=preprocessing, seed=SEED)
charts.table(network.layers()[["name", "module", "shape", "stride", "receptive_field"]])

# %% [markdown]
# *Shape* is filters, height and width of the maps; *stride* and *receptive field* are in pixels of the input. The
# output of an `nn.Sequential` is that of its last part, here the ReLU, so `color` and `color.1` are the same layer. We
# read the two layers after their ReLU, as the papers do. The list leaves out `head`, whose scores are not maps.
#
# ## Do the filters find the colors they were made for?
#
# The measurement is Network Dissection's {cite}`bau2017network`. A filter *fires* where its activation is above a
# threshold. The threshold is set so that the filter fires at a share $\tau$ of all places. The places where it fires
# are compared with the pixels of every concept of the probe set by intersection over union (IoU), and the concept with
# the highest IoU is the filter's label. The chapter on [single filters](../net2vec/single-filters) has the details. We
# read the layers once for two values of $\tau$: the papers' 0.005, and ten times as much. For this test, 800 images
# spread over the probe set are enough.

# %%
everything, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
n2vlib.need(everything, "pixel maps", "training images", "validation images")
probe = everything.subset(range(0, len(everything), -(-len(everything) // 800)))
options = {"device": DEVICE, "store": store}
options |= {"tau": TAU, "tau_max": min(10 * TAU, 0.5)}
layers = n2vlib.read_layers(network, ["color", "mixed"], probe, **options)
rarely = layers["color"]
often = rarely.at(rarely.tau_max)

# %%
import pandas as pd

from n2vlib.methods import dissection

finds = [(f"tau = {each.tau:g}", each) for each in (rarely, often)]
finds = {tau: dissection.filters(each, probe) for tau, each in finds}
table = pd.DataFrame({"made for": list(color_weights)})
for tau, found in finds.items():
    table[f"label, {tau}"] = found["name"]
    table[f"IoU, {tau}"] = found["dissection_iou"]
title = f"Seven filters set by hand, on {len(probe)} images of {everything.name}"
charts.table(table, title)

# %%
wanted = [f"{color}-c" for color in color_weights]
said = []
for tau, found in finds.items():
    right = f"{(found['name'] == wanted).sum()} of {len(color_weights)} filters"
    said.append(f"{right} have their color as label at {tau}")
print("; ".join(said))

# %% [markdown]
# The filters are the same in all columns; only $\tau$ differs. A filter that may fire at one place in two hundred
# marks the *reddest* places, and these may all belong to one kind of object or surface. With ten times as many places,
# it also fires on other red things. So a filter's label depends on $\tau$, and this also holds for filters whose
# purpose nobody knows.
#
# A filter can also miss its color because a weighted sum of channels cannot express *and*. Purple is red and blue, but
# a place that is very red can give the filter for purple a higher activation than a pale purple does.
#
# ## Look at the masks
#
# A table of IoU does not show what the masks look like. Here is the filter and concept with the highest set IoU on
# training images, in the validation images with the highest IoU.

# %%
import numpy as np

from n2vlib.display import gallery
from n2vlib.masks.iou import single_filter_mask
from n2vlib.methods import single_filter

alone = single_filter.align(often, probe)
best = alone.scores.query("split == 'train'").nlargest(1, "set_iou").iloc[0]
pairs = alone.pairs.query("split == 'val' and concept == @best.concept")
images = pairs.nlargest(4, "individual_iou")["image"]
fired = np.stack([often.fired_in(i)[best["filter"]] for i in images])
masks = single_filter_mask(fired, probe.label_size, align_corners=True)

# %%
made_for = list(color_weights)[best["filter"]]
captions = [f"{best['name']}, filter made for {made_for}"] * len(images)
truth = [probe.annotated(best["concept"], i) for i in images]
gallery.show([probe.image(i) for i in images], captions, truth, masks, columns=4)

# %% [markdown]
# Solid: the annotated mask. Dashed: where the filter fires.
#
# ## And the random filters?
#
# Each random filter mixes the seven colors around a place. None of them was made for a concept. But mixing seven
# numbers into sixteen loses little, so what the first layer represents should still be there, spread over several
# filters. Net2Vec {cite}`fong2018net2vec` tests this: give every filter a weight, learn the weights for one concept,
# and see whether the weighted sum segments the concept better than every single filter does.

# %%
from n2vlib import tables
from n2vlib.display import style
from n2vlib.methods import segmentation

mixed = layers["mixed"]
found = [single_filter.align(mixed, probe)]
found += [segmentation.align(mixed, probe, epochs=EPOCHS, seed=SEED)]
scores = pd.concat([each.scores for each in found])
wide = tables.side_by_side(scores, "mixed", "segmentation")
at_least = (wide["combination"] >= wide["single filter"]).mean()
title = "Random filters: the combination is at least as good"
charts.iou_scatter(wide, f"{title} for {at_least:.0%} of the concepts")

# %%
rows = style.preferred(wide, "color").sort_values("combination", ascending=False)
columns = ["name", "images", "single filter", "combination"]
title = "Random filters, set IoU on validation images"
charts.table(rows[columns], title, best=["single filter", "combination"])

# %% [markdown]
# The combination can also be worse: it is learned on some images and scored on others. The chapter on [filter
# combinations](../net2vec/filter-combinations) looks into that.
#
# ## The other chapters, with your network
#
# The parameter NETWORK names a function in a file or in an installed package: `path/to/file.py:function` or
# `package.module:function`. The file can import other files beside it. A minimal file and the call:

# %%
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp()) / "mine"
folder.mkdir()
(folder / "network.py").write_text("""
from torch import nn

print("network.py is being run")
preprocessing = {"size": 112, "mean": 0.5, "std": 0.25, "range": 1}

def build():
    return nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.ReLU()), preprocessing
""")
n2vlib.load_network(f"{folder}/network.py:build", seed=SEED).layers()["name"].tolist()

# %% [markdown]
# The examples below assume that this chapter's network is in `mine/network.py`. Its layers:
#
# ```bash
# python -m n2vlib layers mine/network.py:color_net --preprocessing "{size: 112, mean: 0, std: 1, range: 1}"
# ```
#
# One chapter, with our command or with plain papermill. Ours takes `NAME=value`, papermill `NAME value`, and lists and
# mappings with `-y`:
#
# ```bash
# python -m n2vlib run single-filters -p NETWORK=mine/network.py:color_net -p "LAYERS=[color, mixed]" \
#     -p "PREPROCESSING={size: 112, mean: 0, std: 1, range: 1}"
#
# papermill book/net2vec/single-filters.ipynb out.ipynb -p NETWORK mine/network.py:color_net \
#     -y "LAYERS: [color, mixed]" -y "PREPROCESSING: {size: 112, mean: 0, std: 1, range: 1}"
# ```
#
# For the whole book, copy `params/embedded.yml` to `params/mine.yml`, change the same three lines, and run `python -m
# n2vlib book --params params/mine.yml`. Networks of torchvision need no function: `NETWORK: resnet18` and `WEIGHTS:
# IMAGENET1K_V1`, for instance; they bring their preprocessing with them. WEIGHTS also takes a file (safetensors, or a
# state dict saved by torch).
#
# ## Your own images
#
# PROBE takes a folder as well, in the format of Broden, the papers' probe set. The chapter on the [probe
# set](../net2vec/probe-set) describes it. Check the folder before you measure anything. The command opens every file
# and prints one line for each problem, with file and row:
#
# ```bash
# python -m n2vlib probe check path/to/folder
# ```
#
# The same from Python, on an incomplete folder:

# %%
from n2vlib.probe.check import check

(folder / "index.csv").write_text(
    "image,split,ih,iw,sh,sw,color\n"
    "house.jpg,train,112,112,56,56,house_color.png\n"
)  # fmt: skip
for problem in check(folder):
    print(f"{problem.severity}: {problem}")

# %% [markdown]
# ## What can go wrong
#
# Some mistakes stop at once, with one line that says what to do:


# %%
def refused(call) -> None:
    """Print the error message of a call with bad input."""
    try:
        call()
    except n2vlib.BadInput as error:
        print(error)


refused(lambda: network.layer("colour"))
refused(lambda: n2vlib.load_network(color_net))

# %% [markdown]
# Other mistakes raise no error and give wrong numbers.
#
# **The value range, and the order of colors.** Below, we first declare an input range of 0 to 255, which is not what
# the biases were set for. Then we pretend that the network came from a library that stores blue first (the weights of
# the first layer are in the order blue, green, red). A quarter of the images is enough to show the effect.

# %%
few = probe.subset(range(0, len(probe), 4))
options = {"tau": often.tau, "device": DEVICE, "store": store}


def answers(function, **changed) -> pd.Series:
    """The label of each filter of the first layer; "dead" where it never fires."""
    given = preprocessing | changed
    loaded = n2vlib.load_network(function, preprocessing=given, seed=SEED)
    layer = n2vlib.read_layers(loaded, ["color"], few, **options)["color"]
    return dissection.filters(layer, few)["name"].where(layer.realised > 0, "dead")


# %%
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
table = pd.DataFrame({"made for": list(color_weights), **wrong})
charts.table(table, f"Labels of the filters, tau = {often.tau:g}")

# %% [markdown]
# No error was raised. A wrong range shows where biases matter: the filter for black gets a positive activation from its
# bias alone, and in a range up to 255 any light in the patch outweighs that. A *dead* filter has the threshold 0 and
# gets no label. A few are normal in trained networks; if half a layer is dead, check range, mean and std first. (A
# filter can also fire nowhere because too many of its highest activations are identical, on large areas of pure white
# for instance: no value lies above a tie.) Swapped colors are harder to notice, because most of a trained
# network responds almost as before. If your network expects blue first, flip its first weights in the function, as
# `blue_first` does.
#
# **A layer before its ReLU.** A filter fires at the same places before and after the ReLU, as long as its threshold is
# positive. Its *mean activation* differs, and [classification](../net2vec/classification) uses mean activations.

# %%
both = n2vlib.read_layers(network, ["color.0", "color.1"], few, **options)
before, after = both.values()
same = (before.thresholds == after.thresholds).sum()
print(f"same threshold: {same} of {len(color_weights)} filters")
means = [each.pooled.mean() for each in (before, after)]
print(f"mean activation: {means[0]:.2f} before the ReLU, {means[1]:.2f} after it")

# %% [markdown]
# **A fully connected layer.** Its outputs are read as maps with a single place, so each mask is the whole image or
# nothing. That works for classification. Segmentation is not possible with it.

# %%
# A place of its own for each image: two of them fire.
often_enough = {**options, "tau": max(TAU, 2 / len(few))}
head = n2vlib.read_layers(network, ["head"], few, **often_enough)["head"]
print(f"head: {head.n_filters} filters on a grid of {head.grid[0]} x {head.grid[1]}")

# %% [markdown]
# **Tokens.** A vision transformer's blocks return a list of patches. The library follows through the network's own
# functions which patch lies where, so the list is read as a grid, without class tokens. The chapter on a
# [transformer](../netdissect/transformer) measures a whole one.

# %%
torch.manual_seed(SEED)
tokens = nn.Sequential(nn.Conv2d(3, 8, 16, 16), nn.Flatten(2))
tokens = n2vlib.load_network(tokens, preprocessing=preprocessing)
grid = n2vlib.read_layers(tokens, ["1"], few, **often_enough)["1"].grid
print(f"{grid[0] * grid[1]} tokens of 16 x 16 pixels: a grid of {grid[0]} x {grid[1]}")

# %% [markdown]
# ## Whose code runs?
#
# A network file is a program. When `network.py` was loaded above, its print statement ran, and so would anything else
# in that file, with all your permissions on your machine. Read a network file before you use it.
#
# Weight files are safer. They are read as tensors only; a file with a whole pickled module, which could run code when
# opened, is refused:

# %%
torch.save(nn.Conv2d(3, 8, 5), folder / "whole.pth")
try:
    n2vlib.load_network(f"{folder}/network.py:build", weights=f"{folder}/whole.pth")
except n2vlib.BadInput as error:
    print(str(error).replace(str(folder), "mine"))

# %% [markdown]
# ## Exercises
#
# 1. Give the network a filter for orange. Can a sum of channels find orange without firing on red and yellow?
# 2. Which threshold would a filter need so that it fires as often as its color is annotated? Read the layer with a
#    larger `tau_max` and try `layer.at`.
# 3. Measure a network of torchvision with random weights, `load_network("squeezenet1_1", seed=SEED)`: which of its
#    layers would you read, and why not the convolutions themselves?

# %% tags=["solution", "hide-input"]
attempts = {"no blue": (1.0, 0.0, -1.0, 0.0), "some green": (1.0, 0.4, -1.4, 0.0)}
attempts["dark too"] = (1.0, -0.2, -0.8, 0.0)
made = {"preprocessing": preprocessing, "seed": SEED}
tried = n2vlib.load_network(lambda: ColorNet(attempts), **made)
layer = n2vlib.read_layers(tried, ["color"], few, **options)["color"]
iou = pd.DataFrame(dissection.dissection_iou(layer, few), index=list(attempts))
iou.columns = few.concepts["name"]
shown = [name for name in ("orange-c", "red-c", "yellow-c", "brown-c") if name in iou]
title = f"Dissection IoU, tau = {often.tau:g}"
charts.table(iou[shown].rename_axis("attempt").reset_index(), title, best=shown)

# %% [markdown]
# ## Take-away
#
# - The book needs a function, its preprocessing, and the names of layers.
# - Test a measurement on something known first. Here the test showed that a filter's label depends on $\tau$.
# - The mistakes that matter raise no error. Look for dead filters, and look at masks.
#
# The next chapter does the same with images: [your own probe set](your-own-probe-set).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
