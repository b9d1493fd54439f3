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
# # Net2Vec, the executable book
#
# A convolutional network has never been told what a wheel is. It is shown pictures, it is told what they are pictures
# of, and somewhere between its first layer and its last it learns to recognize things that nobody named. Where are
# they? In one filter that answers to wheels, as it is tempting to say, or in many filters that only together amount to
# one? Two papers made a measurement of that question. Network Dissection {cite}`bau2017network` compares each filter
# with annotated pictures, concept by concept. Net2Vec {cite}`fong2018net2vec` learns for each concept how to combine
# the filters, and compares the combination with the best single one. This book does both again, in code short enough to
# read and fast enough to run while reading.

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

# %% tags=["remove-input"]
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What a network is asked
#
# Above, four images. Below, the same four with one concept outlined, as a person marked it, or as the program knows it
# that drew the image. Every number in this book compares such an outline with the places where filters fire. We show
# the objects on which most different parts can be seen, because parts are where it gets interesting: does a network
# that knows a car know a wheel?

# %% tags=["hide-input"]
from n2vlib import gallery

probe = n2vlib.load_probe(PROBE)
parts, objects = (probe.concepts.query("category == @kind and segmentable") for kind in ("part", "object"))


def parts_on(thing, i):
    """How many parts lie mostly on this object in image i; -1 where it covers too little or too much to look at."""
    mask = probe.annotated(thing, i)
    masks = [probe.annotated(part, i) for part in parts.index]
    return sum((part & mask).sum() > part.sum() / 2 for part in masks) if 0.05 < mask.mean() < 0.25 else -1


several = {thing: {int(i): parts_on(thing, i) for i in probe.images_with(thing)[:50]} for thing in objects.index}
best = {thing: max(seen, key=seen.__getitem__) for thing, seen in several.items() if seen}
shown = sorted(best, key=lambda thing: -several[thing][best[thing]])[:4]
pictures = [probe.image(best[thing]) for thing in shown]
outlines = [probe.annotated(thing, best[thing]) for thing in shown]
captions = [f"image {best[thing]}" for thing in shown] + list(objects.loc[shown, "name"])
gallery.show(pictures * 2, captions, annotated=[None] * len(shown) + outlines, columns=4)

# %% [markdown]
# ## How to read it
#
# The chapters follow the papers, section by section, and each goes the same way: what the paper claims, in our words;
# its equation; the equation in a few lines of code on one image; a line that asserts that the library computes the
# same; then all images and all concepts, what can be seen, and where we differ from the paper. What a paper says stands
# in a blockquote:
#
# > Concepts are in general spread over several filters, and filters take part in several concepts
# > {cite}`fong2018net2vec`.
#
# Everything outside such a quote is ours, errors included. Numbers in the outputs are computed by the cell above them,
# on the images and the network named in the last cell of the page.
#
# As shipped, the images are drawn by a program and the network is a small one that we trained on such images, so that
# the book runs on a laptop and downloads neither data nor weights. It shows the methods at work; it cannot show the
# papers' numbers. Those stand beside ours wherever the papers print any, and the chapters run unchanged on photographs
# and on networks of your choice.
#
# ## What is here
#
# Start
#
# - [Your own network](start/your-own-network): the shortest way from a network in PyTorch to its concepts.
#
# Net2Vec, in the order of the paper
#
# - [What does a filter look for?](net2vec/introduction) The images that activate it most, and why they deceive.
# - [What the network is shown](net2vec/probe-set): images, concepts, masks.
# - [One filter, one concept?](net2vec/single-filters) The best single filter of each concept.
# - [Filters together](net2vec/filter-combinations): weights over all filters, learned for each concept.
# - [Is it there?](net2vec/classification) Not where, but whether.
# - [Where paper and code disagree](net2vec/paper-and-code), and how much it matters.
# - [A few of the filters](net2vec/filter-subsets): the largest weights alone, learned anew.
# - Sufficient? [Together, or alone](net2vec/sufficient/together-or-alone),
#   [how many filters](net2vec/sufficient/how-many-filters), and the [failure cases](net2vec/sufficient/failure-cases).
# - [Shared filters](net2vec/shared): how many concepts one filter serves.
# - [Other networks, other teachers](net2vec/architectures): architectures, and training without labels.
# - [Not only the best images](net2vec/non-maximal): what a filter does on the other images of its concept.
# - [Do weights and single filters agree?](net2vec/unifying)
# - Embeddings: [neighbours](net2vec/embeddings/neighbours), arithmetic and maps;
#   [between spaces](net2vec/embeddings/between-spaces), how far two networks are apart.
# - [Known truth](net2vec/known-truth): the method tried on networks whose encoding we planted.
#
# And the [verdict](verdict/net2vec): every claim of the paper beside this run.
#
# ## How to run it
#
# In a clone of the repository, with Python 3.11 to 3.13 and make:
#
# ```bash
# make book
# make test
# ```
#
# The first installs into `.venv`, draws the images, executes every chapter and builds these pages. The second does the
# same with fewer images and runs every test. `make lab` opens the chapters as notebooks.
#
# Each chapter declares its parameters in its first code cell, and papermill sets them, from a file and from the command
# line. Our own command does the same, and checks names and values before anything runs:
#
# ```bash
# papermill book/net2vec/single-filters.ipynb out.ipynb \
#     -f params/embedded.yml -p TAU 0.01
# python -m n2vlib run single-filters -p TAU=0.01
# ```
#
# ## Words
#
# The two papers do not always use the same word for the same thing. We keep one each.
#
# | Word | Symbol | Meaning |
# |---|---|---|
# | probe set | $X$ | the images, with what is annotated in them |
# | concept, category | $c$ | *dog* is a concept, *object* its category |
# | annotated mask | $L_c$ | the pixels of an image that show the concept |
# | split | $s$ | training images, from which something is chosen or learned, or validation images |
# | filter | $k$ | one channel of a layer's output; Network Dissection says *unit* |
# | activations | $A_k$ | the filter's answer to an image, on the layer's own grid |
# | threshold | $T_k$ | of one filter, such that its activations exceed it at a share $\tau$ of all places |
# | fired | $\mathbb{1}[A_k > T_k]$ | the places of the grid where that is so |
# | predicted mask | $M$ | what fired, of one filter or a weighted sum, enlarged to the annotated mask and cut |
# | IoU | | intersection over union of two masks: common pixels by pixels of either |
# | set IoU | $\mathrm{IoU}_{\mathrm{set}}$ | IoU of both masks, pooled over a split's images of the concept |
# | individual IoU | $\mathrm{IoU}_{\mathrm{ind}}$ | IoU of both masks in a single image |
# | dissection IoU | $\mathrm{IoU}_{k,c}$ | pooled over all images with labels of the category; enlarged first |
# | detector | | a filter whose dissection IoU with some concept exceeds 0.04 |
# | embedding | $w, b$ | the weights of all filters for one concept, and a bias |
#
# Set IoU is Net2Vec's number, dissection IoU is Network Dissection's. They differ in what is pooled and in what is cut,
# so the one is never compared with the other.
#
# ## References
#
# ```{bibliography}
# ```

# %%
n2vlib.provenance(probe=probe, seed=SEED)
