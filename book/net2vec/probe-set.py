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
# # What the network is shown
#
# *Net2Vec, section 3.* To ask whether a network represents dogs, we need images in which someone has marked the dogs.
# Every number in this book compares a network with such annotations, so we look at them first: which images, which
# concepts, and how finely the concepts are annotated.
#
# *Question.* What is a concept, for the purpose of measuring?

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
# ## The paper's data
#
# > The paper uses Broden, the data set that Network Dissection {cite}`bau2017network` merged from several others. A
# > concept belongs to one of six categories. Colors, materials, parts and objects are annotated pixel by pixel;
# > textures and scenes are labels of the whole image. Segmentation uses the concepts with pixel masks. Classification,
# > which only asks whether a concept is present, uses all of them except the few that no validation image contains
# > {cite}`fong2018net2vec`.
#
# We call such a collection a *probe set* and write $X$ for its images. For an image $x \in X$ and a concept $c$, the
# *annotated mask* $L_c(x)$ is one at the pixels that show the concept and zero elsewhere. $X_{s,c}$ are the images of
# a split $s$, `train` or `val`, that contain $c$ at all. The chapters that follow need no other notation for data.
#
# By default, this book uses no photographs. Its probe set is drawn by a program, which therefore knows the label of
# every pixel, and is stored in Broden's format. Any other folder in that format works as well; this page then shows
# its pictures and counts its concepts.
#
# ## Sixteen pictures
#
# One image for each scene, then textures, which are swatches with nothing else in them. Each picture is the median one
# of its kind, by the number of concepts annotated in it.

# %%
import numpy as np
import pandas as pd

probe = n2vlib.load_probe(PROBE)
labels = probe.labels
images = np.repeat(np.arange(len(probe)), np.diff(labels.pair_ptr))
area = labels.pair_area / np.prod(probe.label_size)  # share of the image
# Annotated pixel by pixel, not a label of the whole image:
pixelwise = labels.pair_local > 0
pairs = {"image": images, "concept": labels.pair_concept}
pairs = pd.DataFrame({**pairs, "area": area, "pixelwise": pixelwise})
pairs = pairs.join(probe.concepts[["name", "category"]], on="concept")

# %% [markdown]
# `pairs` has one row for each image and each concept in it. Most properties of a probe set can be computed from this
# table.

# %%
from n2vlib import charts
from n2vlib.display import gallery

present = probe.concepts[probe.concepts.index.isin(pairs["concept"])]
scenes, textures = (present.query("category == @kind") for kind in ("scene", "texture"))
kinds = pd.concat([scenes.head(12), textures, present]).head(16)
marked = pairs["image"].value_counts()
middle = []
for concept in kinds.index:
    found = sorted(probe.images_with(concept), key=lambda i: (marked[i], i))
    middle.append(int(found[len(found) // 2]))
gallery.show([probe.image(i) for i in middle], kinds["name"].tolist(), columns=4)

# %% [markdown]
# The ending `-s` marks a scene and `-c` a color, as in Broden, so that the scene *street-s* and a street in the
# picture have different names.
#
# ## One pixel, all its labels
#
# We take the image with labels of the most categories and, among those, with the most concepts. In it we pick a pixel:
# of those that belong to the most concepts, one whose smallest concept is as large as possible.

# %%
richness = pairs.groupby("image")
richness = richness.agg(
    categories=("category", "nunique"), concepts=("concept", "size")
)
image = int(richness.sort_values(["categories", "concepts"], kind="stable").index[-1])
held = pairs.query("image == @image")
masks = np.stack([probe.annotated(concept, image) for concept in held["concept"]])
most = masks.sum(axis=0) == masks.sum(axis=0).max()
smallest = np.where(masks, held["area"].to_numpy()[:, None, None], 1).min(axis=0)
pixel = np.unravel_index((smallest * most).argmax(), probe.label_size)

# %% [markdown]
# All labels of this pixel, each concept with its full mask:

# %%
here = held.assign(mask=list(masks))[masks[:, *pixel]]
here = here.sort_values("area", ascending=False, kind="stable")
captions = [f"image {image}"]
for _, each in here.iterrows():
    share = f"{each['area']:.1%} of the image"
    captions.append(f"{each['name']} · {each['category']}, {share}")
pictures = [probe.image(image)] * len(captions)
gallery.show(pictures, captions, annotated=[None, *here["mask"]], columns=3)

# %% [markdown]
# So the categories overlap: a pixel has a color *and* a material, and it belongs to a part *and* to the object that
# contains the part. The mask of a scene or a texture is the whole picture. Such concepts can be classified, but not
# segmented.
#
# ## By hand, from the file
#
# The annotations are plain files. The row of `index.csv` for that image:

# %%
index = pd.read_csv(probe.root / "index.csv", dtype=str, keep_default_na=False)
file = probe.images[image]
row = index.set_index("image").loc[file]
row_of = row.rename_axis("column").reset_index(name="cell")
charts.table(row_of, f"index.csv, image {file}", rows=20)

# %% [markdown]
# The image is `ih` x `iw` pixels large, its label maps `sh` x `sw`, about half. Each category has a cell. A number in
# it is a label of the whole image. A file name is a map: a picture whose colors encode numbers, because there are more
# labels than a byte can hold. With red $R$ and green $G$ of each pixel, and several maps where a pixel has several
# labels,
#
# $$
# L_c(x) = \bigcup_{\text{maps of } x} \big[\, R + 256\, G = c \,\big].
# $$ (eq-label)
#
# Zero means that the pixel is not labelled. Pillow is enough to read that. At the pixel chosen above the maps must
# hold the numbers of the concepts shown there, and the masks must agree with the library's everywhere.

# %%
from PIL import Image


def numbers(file):
    pixels = np.asarray(Image.open(probe.root / "images" / file)).astype(int)
    return pixels[..., 0] + 256 * pixels[..., 1]


items = [item for cell in row[list(probe.categories)] for item in cell.split(";")]
maps = [numbers(item) for item in items if item.endswith(".png")]

# %%
pixelwise = here.query("pixelwise")
for concept, annotated in zip(pixelwise["concept"], pixelwise["mask"], strict=True):
    assert (np.any([each == concept for each in maps], axis=0) == annotated).all()
of_maps = ", ".join(str(each[pixel]) for each in maps)
caption = f"At the chosen pixel the maps hold {of_maps}"
charts.table(pixelwise[["concept", "name", "category"]], caption)

# %% [markdown]
# The conversion to a wider integer before the multiplication is necessary. In a byte, 256 times anything is zero, and
# a program that forgets this silently gives every label above 255 the number of another concept.
#
# ## How many, and how many does the paper have?
#
# A concept can belong to two categories (hair is a part of a person and a material), and is then counted in both rows.

# %% tags=["hide-input"]
from n2vlib import published
from n2vlib.display import style

names = {"concepts_total": "concepts"}
names |= {kind: kind for kind in style.CATEGORIES}
names |= {
    "concepts_segmentation": "with pixel masks",
    "concepts_image_level": "with validation images",
    "images_more_than": "images (published: more than)",
}


# %% tags=["hide-input"]
validated = set(pairs.loc[probe.split[pairs["image"]] == "val", "concept"])
ours = probe.concepts["categories"].explode().value_counts().to_dict() | {
    "concepts_total": len(probe.concepts),
    "concepts_segmentation": int(probe.concepts["segmentable"].sum()),
    "concepts_image_level": len(validated),
    "images_more_than": len(probe),
}

# %%
paper = published.table("net2vec_dataset_counts").set_index("quantity")["value"]
rows = [(word, int(paper[key]), int(ours.get(key, 0))) for key, word in names.items()]
table = pd.DataFrame(rows, columns=["", "published", "this probe set"])
charts.table(table, "Net2Vec, Data, and this probe set")

# %% [markdown]
# *With pixel masks* counts the concepts we call *segmentable*: those whose main category is annotated pixel by pixel
# in this probe set. The chapters on masks use these; the chapter on classification uses all.
#
# ## How often, and how large?
#
# Two properties of a concept influence its score most, and both are known before any network is run: the number of
# images that contain it, and the share of those images that it covers.

# %%
sizes = pairs.groupby("concept").agg(images=("image", "size"), area=("area", "mean"))
concepts = probe.concepts[["name", "category"]].join(sizes).dropna()
concepts = concepts.astype({"images": int})
seldom = (concepts["images"] < len(probe) / 10).mean()
title = f"{seldom:.0%} of the concepts are in fewer than one image in ten"
charts.concept_counts(concepts, title)

# %% [markdown]
# Top right are the frequent and large concepts: colors, and what fills the background. Textures and scenes line the
# upper edge, because they label whole images. Most objects and parts lie to the left and below: few pictures contain
# them, and they cover little of these. These are the concepts that recognition is about.

# %%
summary = concepts.groupby("category").agg(
    concepts=("name", "size"), images=("images", "median"), area=("area", "median")
)
summary["labelled"] = pairs.groupby("category")["image"].nunique() / len(probe)
summary = summary.loc[style.categories(summary.index)].astype({"images": int})
columns = ["category", "concepts", "median images", "median area", "labelled images"]
summary = summary.reset_index().set_axis(columns, axis=1)
charts.table(summary)

# %% [markdown]
# The last column, the share of images in which anything of the category is labelled, matters because Broden is merged
# from data sets with different labels: an image of one source has its parts annotated, an image of another only its
# materials. Where a category is missing from an image, its concepts may still be present; they are only unlabelled.
#
# ## Rare and tiny
#
# One could drop the concepts that almost no image contains, and those that are a few pixels large. The paper keeps
# them, and needs them for its explanation of failures:
#
# > Where a combination of filters loses against a single filter, most concepts have few training images; nearly all of
# > the others are small, about a hundredth of the image or less {cite}`fong2018net2vec`.
#
# So a probe set needs both kinds, or the explanation cannot be tested. We call a concept *rare* with at most 20
# training images, and *tiny* if it covers less than one percent of the images that contain it.

# %%
training = pairs[probe.split[pairs["image"]] == "train"].groupby("concept").size()
concepts["training"] = training.reindex(concepts.index, fill_value=0)
segmented = concepts.index.isin(pairs.query("pixelwise")["concept"])
few = concepts["training"] <= 20
rare = concepts[segmented & few].sort_values("training", kind="stable")
tiny = concepts[segmented & ~few & (concepts["area"] < 0.01)]
tiny = tiny.sort_values("area", kind="stable")

# %% [markdown]
# The rarest three and the tiniest three, each on the image where its area is the median:

# %%
shown = pd.concat([rare.head(3), tiny.head(3)])
sizes = pairs[pairs["pixelwise"] & pairs["concept"].isin(shown.index)]
sizes = sizes.sort_values("area", kind="stable")
of_concept = sizes.groupby("concept")["area"]
examples = sizes[of_concept.cumcount() == of_concept.transform("size") // 2]
examples = examples.set_index("concept").loc[shown.index]
examples["training"] = shown["training"]

# %%
captions = []
for _, e in examples.iterrows():
    size = f"{e['area']:.2%} of this image"
    captions.append(f"{e['name']} · {size}; training images: {e['training']}")
pictures = [probe.image(i) for i in examples["image"]]
masks = [probe.annotated(*pair) for pair in examples["image"].items()]
heading = f"Of the concepts with pixel masks, {len(rare)} are rare,"
heading += f" and {len(tiny)} are tiny without being rare"
gallery.show(pictures, captions, annotated=masks, columns=3, heading=heading)

# %% [markdown]
# Compare the tiny ones with the grid of a deep layer. With thirteen by thirteen places, one place stands for more than
# half a percent of the picture. Anything smaller has no place of its own.
#
# ## Training and validation images
#
# Broden's split uses no random number. It is a function of an image's *name*: its md5 digest, the first eight bytes
# read as a fraction between zero and one, and `train` where that is at most 0.7. For the image above:

# %%
from hashlib import md5


def fraction(name):
    digest = md5(name.encode(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


print(f"{file}: fraction {fraction(file):.4f}, split {probe.split[image]}")

# %% [markdown]
# This needs no seed, is the same for every image size, and added images do not move the old ones. Does it hold for all
# images of this probe set? A folder from elsewhere may come with its own split, which the library respects.

# %%
from n2vlib.probe.layout import split_of

splits = ["train" if fraction(name) <= 0.7 else "val" for name in probe.images]
by_rule = np.array(splits)
assert all(by_rule == [split_of(name) for name in probe.images])
share = (probe.split == "train").mean()
follow = (by_rule == probe.split).mean()
print(f"{follow:.1%} of the images are where the rule puts them;", end=" ")
print(f"{share:.1%} are training images")

# %% [markdown]
# The disadvantage is that nothing is balanced. A concept in $n$ images has all of them in the training split with
# probability $0.7^n$, if 0.7 is the share of training images. Summed over the concepts, that predicts how many have no
# validation image and cannot be scored:

# %%
expected = (share ** concepts["images"]).sum()
found = len(probe.concepts) - len(validated)
theirs = int(paper["scenes_excluded_no_validation_examples"])
print(f"without validation images: expected {expected:.1f}, found {found};", end=" ")
print(f"in the paper {theirs}, all of them scenes")

# %% [markdown]
# ## Where the original is
#
# Broden was an archive of about a gigabyte on a server at MIT. Users reported it as refused in January 2019 and as
# unreachable in May 2022; it still answered others later that year, and a project of 2025 calls it offline. It cannot
# be downloaded here, and this book never tries. If you have a copy, in any of its three sizes, all chapters run on it.
#
# ## Your own folder
#
# A probe set is a folder with `index.csv` as above, `label.csv` (number and name of each concept), `category.csv`, one
# `c_<category>.csv` for each category, and `images/`. Check it first, then name it as `PROBE`:
#
# ```bash
# python -m n2vlib probe check path/to/folder
# python -m n2vlib run probe-set -p PROBE=path/to/folder
# papermill book/net2vec/probe-set.ipynb out.ipynb -p PROBE path/to/folder
# ```
#
# The check names file and row of every problem. If your masks are arrays, the library writes the folder: it needs an
# image, a map for each category, and the names of the numbers. Here is the smallest probe set possible, a dark square
# with its upper left corner annotated:

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

from n2vlib.probe.broden import Labelled, write
from n2vlib.probe.check import check

corner = np.zeros((8, 8), dtype=np.uint16)
corner[:4, :4] = 1
blank = np.zeros((16, 16, 3), dtype=np.uint8)
square = Labelled("mine/square.png", blank, maps={"object": [corner]})
with TemporaryDirectory() as folder:
    write(Path(folder) / "mine", [square], names={1: "corner"})
    for problem in check(Path(folder) / "mine"):
        print(f"{problem.severity}: {problem}")

# %% [markdown]
# Warnings are no obstacle: the set can be read, but a concept without validation images gets no score.
#
# ## Where we differ
#
# - **Drawn, not photographed.** A drawn dog looks like all other drawn dogs. That is easier for a network, so compare
#   the order of our numbers with the paper's, not their size.
# - **Colors.** In Broden the color of a pixel is looked up from its value, so a white wall in the shade is grey. In
#   the drawn world it is the color of the paint, before light and shadow.
# - **Completeness.** The drawn world has all labels of each of its scenes. In Broden most images lack most categories.
# - **Several maps, several categories.** We take the union of all maps of an image. The released code takes the first
#   map in which it finds the concept.
# - **Scene zero.** Some rows of Broden name the scene 0, a leftover from dropping rare scenes. We read it as
#   *unlabelled*.
#
# ## Exercises
#
# 1. A filter that seems to detect one concept may detect another that co-occurs with it. Which two objects share most
#    of their images?
# 2. How many images does a concept need so that it lacks validation images with a probability below one in a hundred?
# 3. Draw a world of your own (`python -m n2vlib probe draw my-world --images 500 --seed 7`), check it and run this
#    chapter on it. Which numbers change, and which cannot?

# %% tags=["solution", "hide-input"]
objects = style.preferred(pairs, "object")
together = pd.crosstab(objects["image"], objects["name"])
both = together.T @ together
either = np.add.outer(np.diag(both), np.diag(both)) - both
each_once = np.tri(len(both), k=-1, dtype=bool)
overlap = (both / either).rename_axis(columns="other").where(each_once).stack()
most = overlap.dropna().nlargest(3).items()
words = [f"{one} and {other}: {value:.0%}" for (one, other), value in most]
print("1.", "; ".join(words) or "no two")
if 0 < share < 1:
    print("2.", f"{np.ceil(np.log(0.01) / np.log(share)):.0f} images")
else:
    print("2. none: there is one split only")

# %% [markdown]
# ## Take-away
#
# - A concept is a set of masks: pixel masks for some categories, whole images for others.
# - Most objects and parts are in few images and cover little of them; some are rare or tiny on purpose.
# - The split depends on the name of the image, so rare concepts can end up without validation images.
#
# Now to the other side of the comparison: what does a single filter segment? That is the [next
# chapter](single-filters).

# %%
n2vlib.provenance(probe=probe, seed=SEED)
