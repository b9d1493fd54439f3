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
# with label maps, in the format of Broden, the papers' data set. One command turns your images and masks into a probe
# set.
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
# This chapter makes its own probe set and therefore ignores PROBE. To run it on your data, set IMAGE_FOLDER, and say
# with LABELS, FORMAT and OPTIONS where the masks are and how they are stored.
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
def house(x, y, w, h):
    roof = [(x - 0.04, y), (x + w / 2, y - 0.18), (x + w + 0.04, y)]
    door = box(x + w / 3, y + h / 2, w / 4, h / 2)
    return [("house", box(x, y, w, h)), ("roof", roof), ("door", door)]


def tree(x, radius):
    trunk = box(x - 0.02, 0.5, 0.04, 0.3)
    return [("trunk", trunk), ("crown", ellipse(x, 0.42, radius))]


# %%
def scene(rng):
    """What a picture shows, from back to front: (concept, outline)."""
    left, right = rng.uniform(0.5, 0.7, 2)
    sky = [(0, 0), (1, 0), (1, right), (0, left)]
    shapes = [("sky", sky), ("grass", [(0, left), (1, right), (1, 1), (0, 1)])]
    if rng.random() < 0.7:
        shapes += [("sun", ellipse(*rng.uniform(0.1, [0.9, 0.2]), 0.07))]
    if rng.random() < 0.7:
        shapes += house(*rng.uniform([0.1, 0.3, 0.2, 0.2], [0.5, 0.45, 0.35, 0.35]))
    if rng.random() < 0.7:
        shapes += tree(*rng.uniform([0.6, 0.08], [0.9, 0.16]))
    return shapes


# %% [markdown]
# The masks are index maps, the most common format: a PNG for each image, in which the number of a pixel says what is
# there. A separate file gives the name for each number. Ours has a third column, with the category of each concept.

# %%
from PIL import Image, ImageDraw

paint = {
    "sky": (120, 180, 240), "grass": (70, 150, 60), "sun": (250, 210, 60),
    "house": (200, 190, 180), "roof": (170, 60, 40), "door": (90, 60, 40),
    "trunk": (110, 75, 45), "crown": (40, 105, 45),
}  # fmt: skip
numbers = {concept: number for number, concept in enumerate(paint, start=1)}
category = {"roof": "part", "door": "part", "trunk": "part", "crown": "part"}


# %%
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

# %%
rng = np.random.default_rng(SEED)
scenes = [scene(rng) for _ in range(40)]
painted = rng.integers(80, 260, (40, 2)).tolist()
for i, (shapes, size) in enumerate(zip(scenes, painted, strict=True)):
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
captions = [
    f"{file.name} · {image.shape[1]} x {image.shape[0]}"
    for file, image in zip(files, pictures, strict=True)
]
gallery.show(pictures, captions, columns=4)

# %% [markdown]
# ## One command
#
# `probe make` reads the images and the masks, brings them to one size, numbers the concepts, divides the images into
# training and validation images by their names, writes the folder and checks it. From Python:

# %%
from n2vlib.probe.sources.make import make

files = {"images": folder / "images", "labels": folder / "labels"}
told = {"format": "index-png", "names": folder / "names.csv"}
made = make(folder / "scenes", **files, **told, size=SIZE)
print("\n".join(made.notes))
print(f"check: {len(made.problems)} problems")

# %% [markdown]
# A line is printed for whatever you might not have meant: how images were brought to one size, images without a mask,
# pixels that have no name. What does not fit is an error, and nothing is written. Here the last image gets a mask of
# another shape:

# %%
late = folder / "labels/39.png"
Image.new("L", (50, 90), 1).save(late)
try:
    make(folder / "never", **files, **told, size=SIZE)
except n2vlib.BadInput as error:
    print(str(error).replace(str(folder), "mine"))
assert not (folder / "never").exists()
late.unlink()

# %% [markdown]
# What happens to a mask can be written in one line. A label map has its own size, half of the image's unless you say
# otherwise, and each of its pixels takes the label that the mask has at the pixel's centre:
#
# $$
# L(r, c) = M\Big(\Big\lfloor \big(r + \tfrac12\big) \frac{h}{s} \Big\rfloor,
# \Big\lfloor \big(c + \tfrac12\big) \frac{w}{s} \Big\rfloor\Big),
# $$ (eq-sampled)
#
# for a mask $M$ of $h \times w$ pixels and a label map $L$ of $s \times s$. No label is ever mixed from two others.


# %%
def sampled(mask, size):
    rows, columns = (
        ((np.arange(s) + 0.5) * m / s).astype(int)
        for s, m in zip(size, mask.shape, strict=True)
    )
    return mask[rows[:, None], columns]


# %%
scenes_set = n2vlib.load_probe(made.root)
by_hand = np.asarray(Image.open(folder / "labels/12.png"))
by_hand = sampled(by_hand, scenes_set.label_size)
i = scenes_set.images.index("12.png")
for number, concept in scenes_set.concepts["name"].items():
    mask = scenes_set.annotated(number, i)
    assert (mask == (by_hand == numbers[concept])).all()
print(f"{len(scenes_set.concepts)} masks are as the library reads them")

# %% [markdown]
# ## Your set, or this one
#
# If you gave a folder of your own, it is now made into a probe set, and the rest of the chapter looks at that one.

# %%
from n2vlib.paths import resolve
from n2vlib.probe.sources import formats

if IMAGE_FOLDER:
    words = {name: str(value) for name, value in OPTIONS.items()}
    told = {"format": FORMAT, **formats.options_from(FORMAT, words)}
    files = {"images": resolve(IMAGE_FOLDER), "labels": LABELS and resolve(LABELS)}
    made = make(folder / "yours", **files, **told, size=SIZE)
    print("\n".join([*made.notes, *map(str, made.problems[:5])]))
probe = n2vlib.load_probe(made.root)
n2vlib.need(probe, "pixel maps", "training images", "validation images")
print(probe.name, len(probe), "images,", len(probe.concepts), "concepts")

# %% [markdown]
# ## How often, and how large
#
# The split into training and validation images depends on the images' names alone. With few images it can be uneven, so
# look at both columns.

# %%
from n2vlib import charts
from n2vlib.analysis import annotations

sizes = annotations.sizes(probe)
columns = ["name", "category", "train", "val", "share", "smallest", "largest"]
charts.table(sizes[columns], "Images with each concept, and the share that it covers")

# %% [markdown]
# A small concept has few pixels in a label map. If it is too small for a pixel's centre to hit it, it vanishes, and
# `make` says so; a larger `label_size` keeps it.
#
# Which concepts occur together? *Lift* is how many images show both, divided by how many would if one said nothing
# about the other. A filter that seems to detect one concept of such a pair may detect the other.

# %%
named = probe.concepts["name"]
pairs = annotations.together(probe, least=5)
pairs = pairs.assign(one=named[pairs["one"]].array, other=named[pairs["other"]].array)
charts.table(pairs[["one", "other", "images", "expected", "lift"]], digits=2, rows=6)

# %% [markdown]
# ## Look at the masks
#
# No check can know whether the masks are right. You can see it in a few seconds. For the largest, the median and the
# smallest concept, four images, from its smallest masks to its largest:

# %%
from n2vlib.probe_page import examples

by_size = sizes["share"].dropna().sort_values(ascending=False).index
spread = dict(zip(sizes.index, examples.spread(probe, 4, SEED), strict=True))


def strip(concept):
    masks = [probe.annotated(concept, i) for i in spread[concept]]
    words = [f"{named[concept]} · {mask.mean():.1%} of the image" for mask in masks]
    return gallery.show([probe.image(i) for i in spread[concept]], words, masks)


gallery.stack(*[strip(by_size[at]) for at in (0, len(by_size) // 2, -1)])

# %% [markdown]
# `probe show` does this for all concepts, in one page that works offline: images with masks, sizes, what occurs
# together, images without labels, and what the check says.

# %%
from n2vlib import probe_page

page = probe_page.write(folder / "page.html", probe, seed=SEED)
print(f"{page.name}: {page.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# Why look? Because some mistakes raise no error. Below, a file lists the names only, and we say that the first line
# is number 0, but our masks begin with 1. Every number gets its neighbour's name. All files can be read, so the check
# has nothing to say.

# %%
(folder / "names.txt").write_text("\n".join([*paint, "cloud"]))
wrong = {"format": "index-png", "names": folder / "names.txt", "first": 0}
wrong = make(folder / "wrong", folder / "images", folder / "labels", **wrong, size=SIZE)
print(f"check: {len(wrong.problems)} problems")

# %%
wrong = n2vlib.load_probe(wrong.root)
shown = ["grass", "house", "cloud"]
seen = [int(wrong.images_with(concept)[0]) for concept in shown]
masks = [wrong.annotated(*pair) for pair in zip(shown, seen, strict=True)]
gallery.show([wrong.image(i) for i in seen], shown, masks, columns=3)

# %% [markdown]
# ## The same scenes as COCO
#
# Other tools save outlines. COCO's JSON lists images, categories, and an outline in pixels for each thing in an image.
# We write our scenes once more, in that format.

# %%
import json

kinds = [{"id": number, "name": concept} for concept, number in numbers.items()]
listed, marked = [], []
for i, (shapes, (w, h)) in enumerate(zip(scenes, painted, strict=True)):
    listed += [{"id": i, "file_name": f"{i:02}.png", "width": w, "height": h}]
    for concept, outline in shapes if i < 39 else []:
        ring = np.multiply(outline, (w, h)).ravel().tolist()
        thing = {"image_id": i, "category_id": numbers[concept]}
        marked += [{**thing, "segmentation": [ring]}]

# %%
content = {"images": listed, "categories": kinds, "annotations": marked}
(folder / "coco.json").write_text(json.dumps(content))
coco = make(
    folder / "coco", folder / "images", folder / "coco.json", format="coco", size=SIZE
)
print("\n".join(coco.notes))

# %% [markdown]
# Are these the same masks? For each concept, the IoU of all its pixels in the two probe sets:

# %%
import pandas as pd


def pixels(probe, concept):
    """All masks of a concept, bool (image, height, width)."""
    return np.stack([probe.annotated(concept, i) for i in range(len(probe))])


# %%
outlines, rows = n2vlib.load_probe(coco.root), []
assert outlines.images == scenes_set.images
for concept in numbers:
    one, other = pixels(scenes_set, concept), pixels(outlines, concept)
    iou = (one & other).sum() / (one | other).sum()
    rows.append((concept, one.sum(), other.sum(), iou))
columns = ["concept", "pixels, index maps", "pixels, outlines", "IoU"]
charts.table(pd.DataFrame(rows, columns=columns))

# %%
i = int(outlines.images_with("roof")[0])
masks = [each.annotated("sky", i) for each in (scenes_set, outlines)]
words = ["sky · index map", "sky · outline"]
gallery.show([scenes_set.image(i)] * 2, words, masks)

# %% [markdown]
# They are not, for two reasons. An outline goes on behind what hides it, so a pixel of the roof is sky too, and the
# probe set keeps both labels; an index map has only what is in front. And programs disagree about the edge. Pillow,
# which painted our index maps, also takes pixels that an outline only touches. `probe make` takes a pixel if its centre
# lies inside the outline. For thin things, the edge is a large part of the area.
#
# ## A network on it
#
# The folder is now a probe set like any other. A small set has few places, so we let filters fire at ten times the
# share of places that TAU says.

# %%
from n2vlib.methods import single_filter

network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
options = {"tau": min(10 * TAU, 0.5), "device": DEVICE, "store": n2vlib.Store(STORE)}
layers = n2vlib.read_layers(network, LAYERS[-1:], probe, **options)
layer = layers[LAYERS[-1]]
alone = single_filter.align(layer, probe)
val = alone.scores.query("split == 'val'").sort_values("set_iou", ascending=False)
title = f"The best filter of {layer.name} for each concept, on validation images"
charts.table(val[["name", "category", "images", "filter", "set_iou"]], title)

# %%
from n2vlib.masks.iou import single_filter_mask

best = val.iloc[0]
pairs = alone.pairs.query("split == 'val' and concept == @best.concept")
rows = pairs.nlargest(4, "individual_iou")["image"].tolist()
fired = np.stack([layer.fired_in(i)[int(best["filter"])] for i in rows])
predicted = single_filter_mask(fired, probe.label_size, align_corners=True)
truth = [probe.annotated(int(best["concept"]), i) for i in rows]
captions = [f"{best['name']} · filter {best['filter']}"] * len(rows)
gallery.show([probe.image(i) for i in rows], captions, truth, predicted)

# %% [markdown]
# The pictures show the best of these filters. Does it fire on the concept, or at its edge, or beside it as well? A
# number does not say. And is the concept a good name for the filter? A name is only the best one among the concepts
# that are annotated, and in a set of your own these are few.
#
# The other way round, each filter gets the concept with which its dissection IoU is highest. With few images this name
# may be chance. Two tests help: does it come again on the other half of the images, and is it above what annotations
# dealt to other images give? The chapter [how sure is a name?](../netdissect/how-sure) explains both.

# %%
from n2vlib.significance import names

found = names.how_sure(layer, probe, seed=SEED)
top = found.nlargest(8, "dissection_iou")
title = f"{found['sure'].sum()} of {layer.n_filters} filters have a name that is sure"
charts.table(
    top[["filter", "name", "dissection_iou", "again", "chance", "sure"]], title
)

# %% [markdown]
# A name that is sure is sure for images like these, and for these concepts. Drawn scenes resemble each other far more
# than photographs do.
#
# ## Which formats
#
# Every format is one file in `n2vlib/probe/sources/formats/`. The table is made from these files.

# %%
rows = []
for name in formats.FORMATS:
    what = formats.reader(name).__doc__.splitlines()[0].replace("`", "")
    rows.append((name, what, ", ".join(formats.options_of(name)) or "–"))
table = pd.DataFrame(rows, columns=["format", "what it is", "options"])
charts.table(table, rows=len(table))

# %% [markdown]
# ## Your data
#
# From the command line (`probe formats` explains the options):
#
# ```bash
# python -m n2vlib probe make my-set --images photos --labels masks \
#     --format index-png --names names.csv
# python -m n2vlib probe show my-set
# python -m n2vlib run single-filters -p PROBE=my-set
# ```
#
# An interrupted `probe make` goes on where it was when you repeat the command. This chapter on your data, with the
# options in the format's own words:
#
# ```bash
# python -m n2vlib run your-own-probe-set -p IMAGE_FOLDER=photos -p LABELS=masks \
#     -p "OPTIONS={names: /home/me/names.csv}"
# ```
#
# ## Exercises
#
# 1. Make the probe set again with label maps of half the size. Which concepts change most?
# 2. `make(..., colors=True)` adds a color name for every pixel. Do filters of the first layer detect them?
# 3. Pad instead of stretching (`fit="pad"`). What becomes of a filter that fires at edges?

# %% tags=["solution", "hide-input"]
coarse = make(folder / "coarse", **files, **told, size=SIZE, label_size=SIZE // 4)
coarse = annotations.sizes(n2vlib.load_probe(coarse.root)).set_index("name")["share"]
change = (coarse / sizes.set_index("name")["share"] - 1).rename(
    "change of the mean share"
)
charts.table(change.reset_index(), "1. A label map of half the size")

# %% [markdown]
# ## Take-away
#
# - One command makes a probe set of images and masks of any size; it says what it did to them.
# - Look at the masks before you trust a number: a shifted list of names raises no error.
# - A small set can be measured too, if every name is tested on other images and against chance.
#
# The next chapter sets two measurements against each other: [compare runs](compare-runs).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
