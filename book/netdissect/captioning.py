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
# # Training on captions
#
# *Network Dissection, section 3.5.* Supervision need not be a class for each image. A network can also be trained to
# describe images in sentences, together with a second network that writes the words. No annotation says which word
# belongs to which pixels.
#
# *Question.* Do filters learn to detect the concepts that the words name?

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
NETWORKS: list = "zoo/captions"  # the first was trained on captions, others compared
IOU_THRESHOLD: float = 0.04  # dissection IoU above which a filter is a detector

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper claims
#
# > A ResNet-18 trained from scratch under a captioning LSTM, on COCO with five captions for each image, has filters for
# > objects that the captions name {cite}`zhou2019interpreting`.
#
# Our images come with captions that were generated from what was drawn: first the scene, then the objects in the order
# of the dictionary. A small ResNet computes features of the image. They are the initial state of a small LSTM, which
# predicts one word at a time: at each step its input is the word that it predicted last.
#
# ## The captions
#
# The captions that the network predicts for the first eight images of the probe set:

# %%
import numpy as np
import torch

from n2vlib import charts
from n2vlib.analysis import detectors, history
from n2vlib.display import gallery
from n2vlib.zoo import shipped
from n2vlib.zoo.tasks import captions

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
n2vlib.need(probe, "validation images")
captioner = n2vlib.load_network(NETWORKS[0]["network"])
words = shipped.card(NETWORKS[0]["network"])["outputs"]["words"]


# %%
def described(images):
    """The predicted captions of images, as lists of words."""
    with torch.inference_mode():
        predicted = captions.predicted_words(
            captioner.module(captioner.preprocessing(images))
        )
    return [[words[i] for i in row if i > 0] for row in predicted.tolist()]


# %%
images = np.stack([probe.image(i) for i in range(8)])
gallery.show(images, [" ".join(caption) for caption in described(images)], columns=4)

# %% [markdown]
# The first word is the scene. *Nowhere* stands for an image without a scene, such as a pattern; the network can also
# predict it wrongly. The dictionary has no words for patterns, so for an image that shows nothing else *nowhere* is the
# whole caption.
#
# How good are the captions? *Word accuracy* compares them word by word in their order, so one word too many shifts all
# that follow. *Word precision* and *word recall* take a caption as a set of words. *Commonest words* is the word
# accuracy of predicting the same caption, made of the most frequent words, for every image.

# %%
scores = history.scores(NETWORKS[:1])
title = "On drawn images that it was not trained on"
charts.table(scores[["score", "value"]], title, digits=3)

# %% [markdown]
# ## What its filters detect
#
# > Figure 16 shows detectors of the captioning network {cite}`zhou2019interpreting`.
#
# We dissect the last convolutional layer of the captioning network and of a ResNet of the same architecture that was
# trained on labels of scenes and objects. Each bar is the number of unique detectors, by category. If labels of whole
# images were needed for detectors of objects to appear, the first bar would lack them.

# %%
options = {"tau": TAU, "seed": SEED, "device": DEVICE, "store": store}
networks, ends = detectors.read(probe, NETWORKS, **options)
found = detectors.detectors(ends, probe, IOU_THRESHOLD)
counted = detectors.unique(found, probe)
sums = counted.groupby("label", sort=False)["unique_detectors"].sum()
of_networks = ", ".join(f"{label} {number}" for label, number in sums.items())
charts.unique_by(counted, "label", f"Unique detectors: {of_networks}")

# %% [markdown]
# By hand, for the captioning network: the best concept of each filter, those above the IoU threshold, and how many
# different ones they are.

# %%
from n2vlib.methods import dissection

label = networks["label"].iloc[0]
iou = dissection.dissection_iou(ends[label], probe)
concepts = iou.argmax(1)[iou.max(1) > IOU_THRESHOLD]
assert len(set(concepts)) == sums[label]
print(f"{len(concepts)} of {len(iou)} filters are detectors,", end=" ")
print(f"of {len(set(concepts))} concepts")

# %% [markdown]
# Which of these concepts have a word in the dictionary? Here are the best detectors among them, each on the image that
# activates it most, with its mask as a dashed line. Does the mask cover what the word names, or only its surroundings?

# %%
from n2vlib.analysis import top_images

nameable = {word.removesuffix("-s") for word in words}
mine = found[label][found[label]["name"].str.removesuffix("-s").isin(nameable)]
mine = mine.sort_values("dissection_iou", ascending=False, kind="stable")
best = mine.drop_duplicates("concept").head(8)
shown, titles = [], []
for row in best.itertuples():
    shown.append(top_images.top_mask(ends[label], probe, row.filter))
    titles.append(gallery.caption(f"{row.filter}: {row.name}", row.dissection_iou))
pictures, masks = [probe.image(i) for i, _ in shown], [mask for _, mask in shown]
nothing = "no filter detects a concept that the network has a word for"
gallery.show(pictures, titles, predicted=masks, nothing=nothing)

# %% [markdown]
# ## Words and filters
#
# A word can be predicted without a detector of its own, because the LSTM sees all filters at once. Are words with a
# better detector predicted better? For each object with a word we compare two numbers: the best dissection IoU of any
# filter with the object, and the share of the images showing the object whose caption contains the word.

# %%
import pandas as pd

from n2vlib.probe.occurrences import presence

some = np.flatnonzero(probe.split == "val")[:400]
batches = (np.stack([probe.image(i) for i in part]) for part in np.array_split(some, 8))
predicted = [set(caption) for batch in batches for caption in described(batch)]
shows = presence(probe).loc[some]

# %%
objects = probe.concepts.query("category == 'object' and name in @words")
rows = []
for concept, name in objects["name"].items():
    there = shows[concept].to_numpy()
    if there.sum() >= 5:
        used = np.array([name in each for each in predicted])
        best = iou[:, probe.concepts.index.get_loc(concept)].max()
        rows.append((name, best, used[there].mean(), used[~there].mean(), there.sum()))
columns = ["word", "best dissection IoU", "used where shown"]
columns += ["used elsewhere", "images"]
by_word = pd.DataFrame(rows, columns=columns)
by_word = by_word.sort_values("used where shown", ascending=False)
charts.table(by_word, "Use of each word, on validation images", digits=2)

# %% [markdown]
# *Used where shown* is the recall of the word. *Used elsewhere* is the share of the other images whose captions contain
# it, which is wrong there. If good detectors made good words, the first two columns of numbers would fall together.
#
# The rank correlation puts this into one number. Words that are never predicted are all tied at zero, whatever their
# detectors, so we also leave them out. And we ask how many of the words that are predicted for most of their images
# have a matching filter at all.

# %%
from n2vlib import tables

is_used = by_word[["used where shown", "used elsewhere"]].max(axis=1) > 0
is_good = by_word["used where shown"] > 0.5
matched = by_word["best dissection IoU"] > IOU_THRESHOLD
groups = {"all words": is_used | ~is_used}
groups |= {"predicted at least once": is_used, "never predicted": ~is_used}
groups["predicted for more than half of their images"] = is_good
groups["for half of them or fewer"] = ~is_good
rows = []

# %%
for group, rows_in in groups.items():
    inside = by_word[rows_in]
    r = inside["best dissection IoU"], inside["used where shown"]
    r = tables.rank_correlation(*r) if len(inside) > 2 else np.nan
    rows.append((group, len(inside), int(matched[rows_in].sum()), r))
columns = ["words", "how many", "with a filter above the IoU threshold"]
table = pd.DataFrame(rows, columns=[*columns, "rank correlation"])
charts.table(table, "Detectors and the prediction of words (Spearman)", digits=2)

# %% [markdown]
# The third column counts words whose concept some filter matches above the IoU threshold. The difference between the
# second and the third column are words without such a filter.
#
# ## Where we differ
#
# - **The captions** follow one grammar: a scene and a list. COCO's were written by people, five for each image.
# - **No teacher forcing.** In training, too, the input of our LSTM is its own last word and not the right one.
# - **The order of the objects** is fixed, so that each image has one right caption. An object at the end of the
#   dictionary comes last, after all mistakes before it.
#
# ## Exercises
#
# 1. Which words does the network never predict? Are their objects rare, or small?
# 2. Compare the labels of the filters of both networks: which concepts are lost by training on captions?
# 3. Dissect `layer2` (`conv3_x`) instead.

# %% tags=["solution", "hide-input"]
silent = by_word[~is_used]
silent = ", ".join(f"{row.word} ({row.images} images)" for row in silent.itertuples())
print("Never predicted:", silent or "none")

# %% [markdown]
# ## Take-away
#
# - Detectors appear without a class label for any image; the chart compares them with those of a network trained on
#   labels.
# - A word can be predicted rightly without a filter of its own. The last table counts such words.
#
# Networks so far differed in their training task. The [next chapter](training-conditions) keeps the task and changes
# the training.

# %%
n2vlib.provenance(probe=probe, layers=ends, seed=SEED)
