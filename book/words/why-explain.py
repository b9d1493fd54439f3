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
# # What could an explanation say?
#
# *The opening of a talk on explanations in natural language, and its list of descriptions; and a summary of Net2Vec in
# questions and answers.* This part of the book is about words: sentences that say what a filter does
# {cite}`hernandez2022natural`, words that steer a drawing network, and reasons for a single answer
# {cite}`ribeiro2016why`.
#
# *Question.* What do activations, formulas, sentences and answers each say about the same network?

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
# ## Three pictures that are called explanations
#
# > The talk opens with what people offered as explanations at the time: a dialogue about a picture, the activations of
# > a layer side by side, and a sentence under an X-ray image.
#
# Each of them can be made for any network. First the activations in one image: of the filters that fire there, those
# that hardly any other image activates as much, each on its own scale from 0 to 1.

# %%
import numpy as np

from n2vlib.analysis import top_images
from n2vlib.display import gallery
from n2vlib.words import exemplars

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
n2vlib.need(probe, "pixel maps")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
options = {"tau": TAU, "tau_max": max(TAU, exemplars.READ), "device": DEVICE}
name = LAYERS[-1]
layer = n2vlib.read_layers(network, [name], probe, store=store, **options)[name]

# %%
fires = np.asarray(layer.highest) > layer.thresholds
image = int(fires.sum(axis=1).argmax())
weaker = (layer.highest < layer.highest[image]).mean(axis=0)  # share of the images
chosen = np.argsort(-np.where(fires[image], weaker, -1), kind="stable")[:8]
maps = np.concatenate([layer.maps([image], int(k)) for k in chosen]).astype(float)
maps /= np.maximum(maps.max(axis=(1, 2), keepdims=True), 1e-12)
captions = [f"filter {k}" for k in chosen]
gallery.heatmap([probe.image(image)] * len(chosen), maps, captions)

# %% [markdown]
# This shows *where*, and for one image only. It does not say what the filters have in common with their other images.
#
# ## The same filters in words
#
# A label is the concept that overlaps most with a filter ([framework](../netdissect/framework)), a formula joins several
# concepts ([from a word to a formula](../compositional/from-a-word-to-a-formula)). A description is a sentence that a
# network writes about the images in which the filter fires most ([a describer](a-describer)).

# %%
import pandas as pd

from n2vlib import charts
from n2vlib.compositional import explain
from n2vlib.methods import dissection
from n2vlib.words import describer

described = describer.described(layer, probe, store)
labels = dissection.filters(layer, probe).set_index("filter")["name"]
found = explain.filters(layer, probe).query("allowed == allowed.max()")
formulas = found.set_index("filter")["formula"]

# %%
said = pd.DataFrame(
    {
        "filter": chosen,
        "label": labels.loc[chosen].to_numpy(),
        "formula": formulas.loc[chosen].to_numpy(),
        "description": described["description"].loc[chosen].to_numpy(),
    }
)
charts.table(said, "What is said about these eight filters")

# %% [markdown]
# ## Descriptions of a whole layer
#
# > A slide of the talk lists many short descriptions of units. Beside them stand the maxims of Grice for what speakers
# > should say: what is true, no more words than needed, and what is to the point. The slide does not say where its
# > descriptions come from.
#
# Ours come from a describer that was trained on regions of drawn scenes. The most frequent ones of this layer:

# %%
counted = described["description"].value_counts()
listed = counted.head(16).rename_axis("description").reset_index(name="filters")
title = f"{len(counted)} different descriptions of {len(described)} filters"
charts.table(listed, title, rows=16)

# %% [markdown]
# Whether they are true, short and to the point is measured in [which explanation explains what?](which-explanation).
#
# ## An answer, and a reason for it
#
# The dialogue and the sentence under the X-ray image are about one picture, not about a filter. The network that was
# trained on [captions](../netdissect/captioning) writes such sentences for the images on which one filter fires most:

# %%
import torch

from n2vlib.zoo import shipped
from n2vlib.zoo.tasks import captions as task

captioner = n2vlib.load_network("small-resnet-captions")
known = shipped.card("small-resnet-captions")["outputs"]["words"]
top = top_images.top_images(layer, [int(chosen[0])], 4)["image"]
shown = [probe.image(i) for i in top]
pixels = torch.cat([captioner.preprocessing(each[None]) for each in shown])
with torch.inference_mode():
    written = task.predicted_words(captioner.module(pixels))
captions = [" ".join(known[i] for i in row if i > 0) for row in written.tolist()]
masks = [*top_images.masks(layer, probe, int(chosen[0]), top.tolist())]
gallery.show(shown, captions, predicted=masks)

# %% [markdown]
# The sentence says what is in the picture. It does not say why the network answers as it does: nothing in its training
# asked for reasons. A reason must be tested by changing the picture, and [why this answer?](why-this-answer) does that.
#
# ## Net2Vec in questions and answers
#
# A summary of Net2Vec {cite}`fong2018net2vec` in questions, and where this book measures the answers. The last three
# are directions that the summary names and the paper does not.

# %%
rows = [
    ("Is a concept in one filter?", "net2vec/sufficient/together-or-alone"),
    ("How many filters does it take?", "net2vec/sufficient/how-many-filters"),
    ("Does a filter serve one concept?", "net2vec/shared"),
    ("Are top images enough?", "net2vec/non-maximal"),
    ("Do concept vectors add like words?", "net2vec/embeddings/neighbours"),
    ("Do WordNet and Word2Vec agree?", "net2vec/embeddings/between-spaces"),
    ("What about videos?", "not here: one frame at a time"),
    ("What about fully connected layers?", "start/your-own-network"),
    ("What about concepts without labels?", "netdissect/dictionary"),
]
table = pd.DataFrame(rows, columns=["question", "measured in"])
there = [None if " " in page else f"../{page}.html" for _, page in rows]
charts.table(table, links={"measured in": there}, rows=len(rows))

# %% [markdown]
# ## Exercises
#
# 1. Show the same eight filters for another image. Which descriptions fit both?
# 2. Which words never occur in the descriptions, although the probe set has them as concepts?
#
# ## Summary
#
# - An activation map says where, for one image; a label, a formula and a sentence say what, for all of them.
# - A sentence about a picture is no reason for an answer.
# - Every one of them can be wrong, so each is measured in the chapters that follow.
#
# The [next chapter](what-lights-it-up) collects what a sentence about a filter can be based on.

# %%
n2vlib.provenance(probe=probe, network=network, layers={name: layer}, seed=SEED)
