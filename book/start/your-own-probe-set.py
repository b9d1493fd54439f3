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
# # Your own probe set
#
# You have images, and masks that someone drew on them. The book measures networks on a *probe set*: images of one size
# with label maps, in the format of Broden, the papers' data set. One command makes the second from the first.
#
# *Question.* What do you have to say about your masks? And how do you notice that they were read wrongly?

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
IMAGE_FOLDER: str = None  # your images; null: forty scenes that are drawn here
LABELS: str = None  # your annotations, a folder or a file, as the format wants them
FORMAT: str = "index-png"  # of your annotations; the table at the end lists the formats
OPTIONS: dict = {}  # of the format
SIZE: int = 112  # of the probe set's images, in pixels

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# This chapter makes its probe set and therefore ignores PROBE. To run it on your data, set IMAGE_FOLDER, and say with
# LABELS, FORMAT and OPTIONS where the masks are and how they are stored. Everything below then shows your images.
#
# ## A folder as one may find it
#
# We draw forty scenes. A scene is a list of outlines from back to front, each with the name of its concept. The
# outlines are in shares of the picture, so that it can be painted at any size.

# %%
import numpy as np


def ellipse(x, y, radius):
    turn = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    outline = np.column_stack([x + radius * np.cos(turn), y + radius * np.sin(turn)])
    return outline.tolist()


def box(x, y, width, height):
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


# %%
def scene(rng):
    """What a picture shows, from back to front: (concept, outline)."""
    left, right, x, y = rng.uniform([0.5, 0.5, 0.1, 0.3], [0.7, 0.7, 0.5, 0.45])
    w, h = rng.uniform(0.2, 0.35, 2)
    sky = [(0, 0), (1, 0), (1, right), (0, left)]
    shapes = [("sky", sky), ("grass", [(0, left), (1, right), (1, 1), (0, 1)])]
    if rng.random() < 0.7:
        shapes += [("sun", ellipse(*rng.uniform(0.1, [0.9, 0.2]), 0.07))]
    if rng.random() < 0.7:
        roof = [(x - 0.04, y), (x + w / 2, y - 0.18), (x + w + 0.04, y)]
        shapes += [("house", box(x, y, w, h)), ("roof", roof)]
        shapes += [("door", box(x + w / 3, y + h / 2, w / 4, h / 2))]
    if rng.random() < 0.7:
        tree = rng.uniform(0.6, 0.9)
        shapes += [("trunk", box(tree - 0.02, 0.5, 0.04, 0.3))]
        shapes += [("crown", ellipse(tree, 0.42, rng.uniform(0.08, 0.16)))]
    return shapes


# %% [markdown]
# The masks are index maps, the most common format: a PNG for each image, in which the number of a pixel says what is
# there. A file tells the numbers' names. Ours has a third column, with the category of each concept.

# %%
from PIL import Image, ImageDraw

paint = {
    "sky": (120, 180, 240), "grass": (70, 150, 60), "sun": (250, 210, 60),
    "house": (200, 190, 180), "roof": (170, 60, 40), "door": (90, 60, 40),
    "trunk": (110, 75, 45), "crown": (40, 105, 45),
}  # fmt: skip
numbers = {concept: number for number, concept in enumerate(paint, start=1)}
category = {"roof": "part", "door": "part", "trunk": "part", "crown": "part"}


def drawn(shapes, size):
    """The picture, and its index map."""
    image, indices = Image.new("RGB", size), Image.new("L", size)
    for concept, outline in shapes:
        corners = [(x * size[0], y * size[1]) for x, y in outline]
        ImageDraw.Draw(image).polygon(corners, fill=paint[concept])
        ImageDraw.Draw(indices).polygon(corners, fill=numbers[concept])
    return image, indices


# %% [markdown]
# Real folders are not tidy. Ours has images of forty different sizes and shapes, some of them grey, and nobody has
# annotated the last one.

# %%
import tempfile
from pathlib import Path

folder = Path(tempfile.mkdtemp()) / "mine"
for name in ("images", "labels"):
    (folder / name).mkdir(parents=True)
rng = np.random.default_rng(SEED)
scenes = [scene(rng) for _ in range(40)]
sizes = rng.integers(80, 260, (40, 2)).tolist()
for i, (shapes, size) in enumerate(zip(scenes, sizes, strict=True)):
    image, indices = drawn(shapes, size)
    image = image.convert("L") if i % 8 == 5 else image
    image.save(folder / f"images/{i:02}.png")
    if i < 39:
        indices.save(folder / f"labels/{i:02}.png")
rows = [f"{n},{name},{category.get(name, 'object')}" for name, n in numbers.items()]
(folder / "names.csv").write_text("\n".join(["number,name,category", *rows]) + "\n")
print(*(folder / "names.csv").read_text().splitlines()[:4], sep="\n")

# %%
from n2vlib.display import gallery

files = sorted((folder / "images").iterdir())[4:8]
pictures = [np.asarray(Image.open(file).convert("RGB")) for file in files]
captions = [f"{file.name} · {image.shape[1]} x {image.shape[0]}" for file, image in zip(files, pictures, strict=True)]
gallery.show(pictures, captions, columns=4)

# %% [markdown]
# ## One command
#
# `probe make` reads the images and the masks, brings them to one size, numbers the concepts, divides the images into
# training and validation images by their names, writes the folder and checks it. From Python:

# %%
from n2vlib.paths import resolve
from n2vlib.probe.sources import formats
from n2vlib.probe.sources.make import make

images, labels, given = folder / "images", folder / "labels", {"names": str(folder / "names.csv")}
if IMAGE_FOLDER:
    images, labels, given = resolve(IMAGE_FOLDER), LABELS and resolve(LABELS), OPTIONS
options = formats.options_from(FORMAT, {name: str(value) for name, value in given.items()})
made = make(folder / "probe", images, labels, format=FORMAT, size=SIZE, **options)
print("\n".join(made.notes))
for problem in made.problems[:5]:
    print(f"{problem.severity}: {problem}")

# %%
from n2vlib import charts
from n2vlib.analysis import annotations
from n2vlib.probe_page import examples
probe = n2vlib.load_probe(made.root)
sizes = annotations.sizes(probe)
print(sizes.to_string())
print(annotations.together(probe).to_string())
print(probe)
from n2vlib.methods import single_filter, dissection, segmentation
from n2vlib.significance import names
import time
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
t=time.process_time()
tau = min(10 * TAU, 0.5)
layer = n2vlib.read_layers(network, LAYERS[-1:], probe, tau=tau, device=DEVICE)[LAYERS[-1]]
print("read", time.process_time()-t)
alone = single_filter.align(layer, probe)
print(alone.scores.to_string())
print("single", time.process_time()-t)
d = dissection.filters(layer, probe)
print(d.nlargest(10,"dissection_iou").to_string())
print("diss", time.process_time()-t)
n = names.how_sure(layer, probe, seed=SEED)
print(n.nlargest(10,"dissection_iou").to_string(), n.sure.sum())
print("sure", time.process_time()-t)
