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
# # Taught by sentences
#
# *Network Dissection, section 3.5.* Labels need not be a class per image. A network can be taught to describe an image in
# words, with a second network that speaks. Nobody tells it which word belongs to which pixels.
#
# *Question.* Do filters learn the concepts of the words?

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
NETWORKS: list = [{"network": "small-resnet-captions", "layer": "conv4_x"}, {"network": "small-resnet", "layer": "conv4_x"}]  # the first one says captions, the others are set beside it  # fmt: skip
CUT: float = 0.04  # dissection IoU above which a filter is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper claims
#
# > A ResNet-18 trained from scratch under a captioning LSTM, on COCO with five captions per image, has filters for objects that the
# > captions name {cite}`zhou2019interpreting`.
#
# Our images come with captions that were generated from what was drawn: the scene, then the objects in the order of the
# dictionary. A small ResNet starts a small LSTM, which says a word, hears it, and says the next.
#
# ## What it says

# %%
import pandas as pd
import torch

from n2vlib import charts, gallery, look, tables
from n2vlib.analysis import detecting, history
from n2vlib.zoo import shipped
from n2vlib.zoo.tasks import captions

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
n2vlib.need(probe, "validation images")
speaker = n2vlib.load_network(NETWORKS[0]["network"])
words = shipped.record(NETWORKS[0]["network"])["outputs"]["words"]


def described(images):
    """The captions of images, as lists of words."""
    with torch.inference_mode():
        said = captions.spoken(speaker.module(speaker.preprocessing(images)))
    return [[words[i] for i in row if i > 0] for row in said.tolist()]


# %%
import numpy as np

images = np.stack([probe.image(i) for i in range(8)])
gallery.show(images, [" ".join(caption) for caption in described(images)], columns=4)

# %% [markdown]
# The first word is the scene, and *nowhere* is its word for an image without a scene, such as patterns; it can also say
# that wrongly. The dictionary has no words for patterns: of an image that shows nothing else, *nowhere* is all there is
# to say.

# %%
scores = history.told(NETWORKS[:1])
charts.table(scores[["score", "value"]], "On drawn images that it was not trained on", digits=3)

# %% [markdown]
# *Word accuracy* is by place: one word too many shifts all that follow. *Precision* and *recall* take a caption as a set of
# words. *Commonest words* is the word accuracy of saying the same thing of every image.
#
# ## What its filters detect
#
# > Figure 16: detectors of the captioning network {cite}`zhou2019interpreting`.

# %%
networks, ends = detecting.read(probe, NETWORKS, tau=TAU, seed=SEED, device=DEVICE, store=store)
found = detecting.detectors(ends, probe, CUT)
counted = detecting.unique(found, probe)
sums = counted.groupby("label", sort=False)["unique_detectors"].sum()
title = "Unique detectors: " + ", ".join(f"{label} {number}" for label, number in sums.items())
charts.unique_by(counted, "label", title)

# %% [markdown]
# By hand, for the network that speaks:

# %%
from n2vlib.methods import dissection

label = networks["label"].iloc[0]
iou = dissection.dissection_iou(ends[label], probe)
concepts = iou.argmax(1)[iou.max(1) > CUT]
assert len(set(concepts)) == sums[label]
print(f"{len(concepts)} of {len(iou)} filters are detectors, of {len(set(concepts))} concepts")

# %% [markdown]
# Its best detectors of things that it can name, each on the image where it is highest:

# %%
from n2vlib.analysis import maximal

nameable = {word.removesuffix("-s") for word in words}
mine = found[label][found[label]["name"].str.removesuffix("-s").isin(nameable)]
best = mine.sort_values("dissection_iou", ascending=False, kind="stable").drop_duplicates("concept").head(8)
pictures = []
for row in best.itertuples():
    image, mask = maximal.top_mask(speaker, ends[label], probe, row.filter)
    pictures.append((probe.image(image), gallery.caption(f"{row.filter}: {row.name}", row.dissection_iou), mask))
if pictures:
    shown, titles, masks = (list(each) for each in zip(*pictures, strict=True))
    picture = gallery.show(shown, titles, predicted=masks, columns=4)
else:
    picture = "No filter detects a concept that the network has a word for."
picture

# %% [markdown]
# ## Words and filters
#
# A word that is said rightly needs no detector of its own: the LSTM hears all filters at once. Do words with a better
# detector come out better? For each object with a word: the best dissection IoU of any filter, and how often the word is said of
# the images that show the object.

# %%
from n2vlib.probe.occurrences import presence

some = np.flatnonzero(probe.split == "val")[:400]
said = [set(caption) for at in np.array_split(some, 8) for caption in described(np.stack([probe.image(i) for i in at]))]
shows = presence(probe).loc[some]
rows = []
for place, (concept, row) in enumerate(probe.concepts.iterrows()):
    there = shows[concept].to_numpy()
    if row["category"] == "object" and row["name"] in words and there.sum() >= 5:
        spoken = np.array([row["name"] in each for each in said])
        rows.append((row["name"], iou[:, place].max(), spoken[there].mean(), spoken[~there].mean(), there.sum()))
columns = ["word", "best dissection IoU", "said where it is", "said where it is not", "images"]
by_word = pd.DataFrame(rows, columns=columns).sort_values("said where it is", ascending=False)

# %%
if len(by_word) > 2:
    r = look.said(tables.rank_correlation(by_word["best dissection IoU"], by_word["said where it is"]))
    told = charts.table(by_word, f"Spearman's rank correlation over {len(by_word)} words: {r}", digits=2, rows=12)
else:
    told = "Fewer than three words of the network are concepts of this probe set in enough images."
told

# %% [markdown]
# Words that are never said are tied in that rank at zero, whatever their detectors. Without them, and of the words that
# are told best:

# %%
spoken = by_word[by_word[["said where it is", "said where it is not"]].max(axis=1) > 0]
r = spoken[["best dissection IoU", "said where it is"]].corr(method="spearman", min_periods=3).iloc[0, 1]
print(f"{len(by_word) - len(spoken)} of {len(by_word)} words are never said;", end=" ")
print(f"rank correlation over the other {len(spoken)}: {look.said(r)}")
told = by_word[by_word["said where it is"] > 0.5]
print(f"{len(told)} words are said of more than half of their images;", end=" ")
print(f"{(told['best dissection IoU'] > CUT).sum()} of them are matched by a filter above the cut,", end=" ")
print(f"of the {len(by_word) - len(told)} others {(by_word['best dissection IoU'].drop(told.index) > CUT).sum()}")

# %% [markdown]
# ## Where we differ
#
# - **The captions** follow one grammar: a scene and a list. COCO's were written by people, five for each image.
# - **No teacher at the elbow.** In training, too, our LSTM hears its own last word and not the right one.
# - **The objects' order** is fixed, so that a caption is one right answer. An object at the end of the dictionary is said
#   last, after all mistakes before it.
#
# ## Exercises
#
# 1. Which words does the network never say? Are they rare, or small?
# 2. Compare the filters' names of the two networks: what does teaching by sentences lose?
# 3. Ask `layer2` (`conv3_x`) instead.

# %% tags=["solution", "hide-input"]
silent = by_word.drop(spoken.index)
print("Never said:", ", ".join(f"{row.word} ({row.images} images)" for row in silent.itertuples()) or "none")

# %% [markdown]
# ## Take-away
#
# - Detectors appear without a class label for any image; the chart sets them beside those of a network with labels.
# - A word can be said rightly without a filter of its own, and in the default run most are. The lines above count them,
#   without the words that are never said.
#
# Networks so far differed in their tasks. The [next chapter](training-conditions) keeps the task and changes the training.

# %%
n2vlib.provenance(probe=probe, layers=ends, seed=SEED)
