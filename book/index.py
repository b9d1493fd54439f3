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
# Networks that are trained on image labels also learn concepts that no label names, such as wheels or fur. Is a concept
# encoded in one filter, or in many? Network Dissection {cite}`bau2017network` compares each filter with annotated
# images. Net2Vec {cite}`fong2018net2vec` learns a combination of the filters for each concept and compares it with the
# best single filter. *Compositional Explanations of Neurons* {cite}`mu2020compositional` gives a filter a logical formula
# of concepts; later work describes it in a sentence {cite}`hernandez2022natural`. *Translating Neuralese*
# {cite}`andreas2017translating` asks what two networks say to each other. This book repeats the papers in short code that
# runs while you read. The verdicts on [Net2Vec](verdict/net2vec), [Network Dissection](verdict/netdissect),
# [Compositional Explanations](verdict/compositional), [words](verdict/words) and [neuralese](verdict/neuralese) check every
# claim. The main results:

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
IOU_THRESHOLD: float = 0.04  # dissection IoU above which a filter is a detector
GAMES: int = 512  # that each team of agents plays with each translation
TRANSLATORS: int = 8  # of each team and translation

# %% tags=["remove-input"]
import n2vlib

n2vlib.check_parameters(globals())

# %% tags=["hide-input"]
import pandas as pd

from n2vlib import charts, tables
from n2vlib.analysis import detectors, sharing
from n2vlib.methods import segmentation, single_filter
from n2vlib.networks.load import randomly_initialised

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
n2vlib.need(probe, "pixel maps", "training images", "validation images")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
options = {"tau": TAU, "device": DEVICE, "store": store}
layers = n2vlib.read_layers(network, LAYERS, probe, **options)
layer = layers[LAYERS[-1]]
untrained = randomly_initialised(network, SEED)
untrained = n2vlib.read_layers(untrained, LAYERS[-1:], probe, **options)[LAYERS[-1]]

# %% tags=["hide-input"]
alone = single_filter.align(layer, probe)
together = segmentation.align(layer, probe, epochs=EPOCHS, seed=SEED)
random = segmentation.align(untrained, probe, epochs=EPOCHS, seed=SEED)
scores = pd.concat([alone.scores, together.scores])
wide = tables.side_by_side(scores, layer.name, "segmentation")
better = (wide["combination"] > wide["single filter"]).mean()
one, many = wide["single filter"].mean(), wide["combination"].mean()
of_random = tables.by_concept(random.scores)[wide["concept"]].mean()

# %% tags=["hide-input"]
served = sharing.concepts_served(sharing.strongest_filters(alone))["concepts"]
shared, serving = (served > 1).sum(), (served > 0).sum()
found = detectors.detectors(layers, probe, IOU_THRESHOLD)
unique = detectors.unique(found, probe)
labels = found[layer.name]["concept"]
best = f"The best filter of each of {len(wide)} concepts: mean set IoU {one:.2f}"
gain = f"{many:.2f}, and better for {better:.0%} of the concepts"
untrained_too = f"All filters of a randomly initialised network: {of_random:.2f}"
several = f"{shared} of the {serving} best filters are the best of two or more"
labelled = (
    f"{len(labels)} of {layer.n_filters} filters detect {labels.nunique()} concepts"
)

# %% tags=["hide-input"]
from n2vlib.compositional import explain, trust

formulas = trust.formulas(explain.Filters(layer, probe), 3, seed=SEED)
fit = formulas[["one_iou", "formula_iou", "held_out_iou"]].mean()
longer = f"Mean IoU {fit['one_iou']:.3f} with one concept,"
longer += f" {fit['formula_iou']:.3f} with three;"
longer += f" {fit['held_out_iou']:.3f} on images not searched"

# %% tags=["hide-input"]
from n2vlib import zoo
from n2vlib.agents import evaluation, training
from n2vlib.games import colors

said = zoo.card("small-describer")["accuracy"]["seen"]
true = f"{said['words']:.0%} of what our describer says of new units is true,"
true += f" and {said['exact']:.0%} of its descriptions are exact"
society = training.of_game("small-color-agents", colors.named("survey", SEED), store)
games = evaluation.games(society, GAMES, SEED, store=store, count=TRANSLATORS)
won = evaluation.summary(games, "won").groupby("translation")["won"].mean()
guessed = f"Translated by belief, {won['belief']:.0%} of games about colors are won;"
guessed += f" directly {won['direct']:.0%}, at random {won['random']:.0%}"

# %% tags=["hide-input"]
rows = [
    ("Can one filter segment a concept?", best),
    ("Do all filters together do better?", f"All {layer.n_filters} filters: {gain}"),
    ("Is training needed for that?", untrained_too),
    ("Does a filter serve one concept only?", several),
    ("Can a filter be labelled?", labelled),
    ("Does a formula say more than a label?", longer),
    ("Can a unit be described in words?", true),
    ("Can agents be translated for people?", guessed),
]

# %% tags=["hide-input"]
pages = ["net2vec/single-filters", "net2vec/filter-combinations"]
pages += ["net2vec/sufficient/together-or-alone", "net2vec/shared"]
pages += ["netdissect/framework", "compositional/how-long-how-good"]
pages += ["words/a-describer", "neuralese/two-colors"]
summary = pd.DataFrame(rows, columns=["question", f"{network.name}, {layer.name}"])
summary["chapter"] = [page.rpartition("/")[2].replace("-", " ") for page in pages]
charts.table(summary, links={"chapter": [f"{page}.html" for page in pages]})

# %% tags=["hide-input"]
from n2vlib.display import gallery, style
from n2vlib.masks.iou import predicted_mask, single_filter_mask

shown = style.preferred(wide, "object", "part")
gains = (shown["combination"] - shown["single filter"]).to_numpy()
winner = int(shown["concept"].iloc[gains.argmax()])

# %% tags=["hide-input"]
pairs = together.pairs.query("concept == @winner and split == 'val'")
image = int(pairs.nlargest(1, "individual_iou")["image"].iloc[0])
fired, best = layer.fired_in(image), alone.weights.loc[winner].to_numpy().argmax()
weights = together.weights.loc[winner].to_numpy()
masks = [
    single_filter_mask(fired[best], probe.label_size, align_corners=True),
    predicted_mask(fired, weights, probe.label_size, align_corners=True),
]
captions = [
    f"{probe.concepts.loc[winner, 'name']}, annotated",
    f"its best filter: filter {best}",
    f"all {layer.n_filters} filters",
]
annotated = [probe.annotated(winner, image)] * 3
gallery.show([probe.image(image)] * 3, captions, annotated, [None, *masks], columns=3)

# %% tags=["hide-input"]
title = (
    f"In {layer.name} all filters together are better for {better:.0%} of the concepts"
)
charts.iou_scatter(wide, title)

# %% tags=["hide-input"]
totals = unique.groupby("label", sort=False)["unique_detectors"].sum()
of_layers = ", ".join(f"{name} {n}" for name, n in totals.items())
charts.unique_by(unique, "label", f"Unique detectors by layer: {of_layers}")

# %% [markdown]
# The first picture shows the object or part that gains most from the combination, the second all concepts ([filter
# combinations](net2vec/filter-combinations)), the third the concepts that single filters detect in each layer
# ([layers](netdissect/layers)).
#
# ## What is measured
#
# Most numbers about Net2Vec and Network Dissection compare an annotated mask with the places where filters fire, and
# later parts build on these. The annotated mask of a concept was drawn by a person, or by the program that drew the
# image. Below are four images and the same four with the mask of one object. We show the objects with the most visible
# parts.

# %% tags=["hide-input"]
parts = probe.concepts.query("category == 'part' and segmentable")
objects = probe.concepts.query("category == 'object' and segmentable")


def parts_on(thing, i):
    """Parts mostly on this object in image i; -1: it is too small or too large."""
    mask = probe.annotated(thing, i)
    masks = [probe.annotated(part, i) for part in parts.index]
    if not 0.05 < mask.mean() < 0.25:
        return -1
    return sum((part & mask).sum() > part.sum() / 2 for part in masks)


# %% tags=["hide-input"]
images = {thing: probe.images_with(thing)[:50] for thing in objects.index}
several = {
    thing: {int(i): parts_on(thing, i) for i in images[thing]} for thing in images
}
richest = {thing: max(seen, key=seen.get) for thing, seen in several.items() if seen}
shown = sorted(richest, key=lambda thing: -several[thing][richest[thing]])[:4]
pictures = [probe.image(richest[thing]) for thing in shown]
masks = [probe.annotated(thing, richest[thing]) for thing in shown]
captions = [f"image {richest[thing]}" for thing in shown]
captions += list(objects.loc[shown, "name"])
gallery.show(pictures * 2, captions, annotated=[None] * len(shown) + masks, columns=4)

# %% [markdown]
# ## How to read it
#
# The chapters follow the papers, section by section. Each chapter states what the paper claims, in our words, and its
# equation; computes the equation in a few lines of code on one image; and asserts that the library gives the same
# result. Then come all images and all concepts, what can be seen, and where we differ from the paper. What a paper says
# stands in a blockquote:
#
# > Concepts are in general spread over several filters, and filters take part in several concepts
# > {cite}`fong2018net2vec`.
#
# Everything outside such a quote is ours, errors included. The numbers in an output are computed by the cell above it,
# on the images and the network named in the last cell of the page.
#
# By default, a program draws the images, and the network is a small one trained on such images, so the book runs on a
# laptop and downloads neither data nor weights. This shows the methods at work; it cannot reproduce the papers'
# numbers. Those stand beside ours wherever the papers print any, and the chapters run unchanged on photographs and on
# networks of your choice.
#
# ## The chapters
#
# **Start**
#
# - [Your own network](start/your-own-network): from a network in PyTorch to its concepts.
# - [Your own probe set](start/your-own-probe-set): from images with masks to a network measured on them.
# - [Compare runs](start/compare-runs): what two networks, layers, probe sets or seeds have in common, and where they
#   differ.
#
# **Net2Vec**, in the order of the paper
#
# - [Introduction](net2vec/introduction): the top images of a filter, and what they leave out.
# - [Probe set](net2vec/probe-set): images, concepts, masks.
# - [Single filters](net2vec/single-filters): the best single filter of each concept.
# - [Filter combinations](net2vec/filter-combinations): weights over all filters, learned for each concept.
# - [Classification](net2vec/classification): predicting whether a concept is in the image.
# - [Paper and code](net2vec/paper-and-code): where the two disagree, and how much it matters.
# - [Filter subsets](net2vec/filter-subsets): the filters with the largest weights, trained again without the others.
# - [What the recipe costs](net2vec/what-the-recipe-costs): what a mask scores without a network, and what each part of
#   the method adds.
# - Are single filters sufficient? [Together or alone](net2vec/sufficient/together-or-alone), [how many
#   filters](net2vec/sufficient/how-many-filters), and [failure cases](net2vec/sufficient/failure-cases).
# - [Shared filters](net2vec/shared): how many concepts one filter serves.
# - [Architectures](net2vec/architectures): other architectures and training tasks, with and without labels.
# - [Non-maximal images](net2vec/non-maximal): what a filter does on ordinary images of its concept.
# - [Unifying](net2vec/unifying): do filters with a high set IoU also get large weights?
# - Embeddings: [neighbours](net2vec/embeddings/neighbours), arithmetic and maps; [distances between
#   spaces](net2vec/embeddings/between-spaces) of different networks.
# - [Known truth](net2vec/known-truth): the method on networks whose encoding we planted.
#
# **Network Dissection**, in the order of the paper
#
# - [Framework](netdissect/framework): how a filter gets a label, and when it is a detector.
# - [Human evaluation](netdissect/human): do people agree with the labels?
# - [How sure is a name?](netdissect/how-sure): names on other images and against chance.
# - [Axis-aligned filters](netdissect/axis-aligned): are there fewer detectors after a rotation of the feature space?
# - [Dictionary](netdissect/dictionary): do the units of a sparse autoencoder detect more than filters?
# - [Layers](netdissect/layers): detectors by layer.
# - [Networks](netdissect/networks): detectors by architecture and training task.
# - [Transformer](netdissect/transformer): units of a vision transformer beside a convolutional network's filters.
# - [Captioning](netdissect/captioning): a network trained to describe images in words.
# - [Training conditions](netdissect/training-conditions): repeats, dropout, batch norm, and detectors during training.
# - [Transfer](netdissect/transfer): which filters keep their label when a network is trained on a second task.
# - [Width](netdissect/width): more filters in the last layer.
# - [Discrimination](netdissect/discrimination): do networks with more detectors have better features?
# - [Threshold](netdissect/threshold): how the labels depend on the measure.
# - [Ablation](netdissect/ablation): what a network loses without a filter (from later work of the authors).
#
# **Compositional explanations**, formulas instead of single concepts
#
# - [From a word to a formula](compositional/from-a-word-to-a-formula): the search, step by step.
# - [How long, how good?](compositional/how-long-how-good): what longer formulas gain, and how much of it is real.
# - [Is it the best formula?](compositional/is-it-the-best-formula): the beam search against all formulas.
# - [Meaningful or polysemantic?](compositional/meaningful-or-polysemantic): are the parts of an OR of one kind?
# - [When the filter fires](compositional/when-it-fires): is the network right where a formula fits well?
# - [Copy and paste](compositional/copy-and-paste): scenes drawn again with what a formula names, and how the answers
#   move.
# - [Sentences](compositional/sentences): formulas for a network that says whether one sentence follows from another.
#
# **Words**, descriptions of filters and explanations of single answers
#
# - [What could an explanation say?](words/why-explain): activations, labels, formulas and sentences about one network.
# - [What lights it up](words/what-lights-it-up): exemplars of a filter, and which of many true descriptions is chosen.
# - [A describer](words/a-describer): a network that describes filters, and how much of what it says is true.
# - [What the words are good for](words/what-the-words-are-good-for): filters ranked, counted and cut by their
#   descriptions.
# - [Control by language](words/control-by-language): a network that draws, steered by the words that describe its
#   units.
# - [Why this answer?](words/why-this-answer): LIME, repeatable and with intervals, beside what really happens.
# - [Names in the open](words/names-in-the-open): filters named with your own phrases by a model of texts and images.
# - [Which explanation explains what?](words/which-explanation): how much of a filter a label, a formula and a
#   description account for.
#
# **Neuralese**, what agents say to each other, and its translation
#
# - [What does a message mean?](neuralese/what-does-a-message-mean): what a listener believes, and the distance between
#   two messages.
# - [Two colors](neuralese/two-colors): agents and people tell each other which of two colors is meant.
# - [Two creatures](neuralese/two-creatures): the same with drawn creatures, and which of their attributes a
#   translation keeps.
# - [Crossing a road](neuralese/crossing-a-road): two drivers who do not see each other, and one game turn by turn.
# - [Does it hold?](neuralese/does-it-hold): the paper's claims over teams and games, and a code whose meaning is known.
#
# **Verdict**: every experiment and every claim, with its result on this run, for [Net2Vec](verdict/net2vec), for
# [Network Dissection](verdict/netdissect), for [Compositional Explanations](verdict/compositional), for
# [words](verdict/words) and for [neuralese](verdict/neuralese).
#
# **Reference**: every public name of the library, with short examples: [reference](reference).
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
# `make book` installs into `.venv`, draws the images, executes every chapter and builds these pages. `make test` does
# the same with fewer images and runs every test. `make lab` opens the chapters as notebooks.
#
# Each chapter declares its parameters in its first code cell. Papermill sets them from a file and from the command
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
# The papers sometimes use different words for the same thing. The book uses these:
#
# | Word | Symbol | Meaning |
# |---|---|---|
# | probe set | $X$ | the annotated images on which a network is measured |
# | drawn world | | the default probe set: images drawn by our program, with labels for every pixel |
# | zoo | | the small networks that come with the book |
# | concept, category | $c$ | *dog* is a concept, *object* its category |
# | annotated mask | $L_c$ | the pixels of an image that are labelled with the concept |
# | split | $s$ | training images, from which something is chosen or learned, or validation images |
# | filter | $k$ | one channel of a layer's output; Network Dissection says *unit* |
# | activations | $A_k$ | the filter's output for an image, on the layer's own grid of places |
# | threshold | $T_k$ | the filter's activations exceed it at a share $\tau$ of all places of all images |
# | fires | $\mathbb{1}[A_k > T_k]$ | a filter fires at the places where its activation exceeds its threshold |
# | predicted mask | $M$ | where one filter fires, or where a weighted sum of filters is large, at the annotated mask's size |
# | IoU | | intersection over union of two masks |
# | set IoU | $\mathrm{IoU}_{\mathrm{set}}$ | Net2Vec's IoU: pixels are pooled over a split's images of the concept |
# | individual IoU | $\mathrm{IoU}_{\mathrm{ind}}$ | IoU in a single image |
# | dissection IoU | $\mathrm{IoU}_{k,c}$ | Network Dissection's IoU: pooled over all images labelled in the category |
# | label of a filter | | the concept with which its dissection IoU is highest |
# | exemplars | | the images in which a filter fires most, with the places where it does |
# | description | | a sentence that a network wrote about a filter's exemplars |
# | cut, raised | | a filter that is set to zero, or to a high value |
# | formula | | concepts joined by OR, AND and AND NOT; its length is the number of its concepts |
# | formula IoU | | IoU of a filter with a formula over the pixels of all images, also those not labelled in a category |
# | agent, code | $z$ | a network that plays a game with another one, and a message that it sends |
# | belief | $b$ | what a listener thinks probable after a message; a translation leads to the same belief |
# | detector | | a filter whose highest dissection IoU exceeds 0.04 |
# | unique detectors | | the number of different concepts that have a detector |
# | single filter | | the best filter of a concept; for segmentation, the one with the highest set IoU on training images |
# | combination, embedding | $w, b$ | the learned weights of all filters for one concept, and a bias |
# | architecture | | the layers of a network, without its weights |
# | randomly initialised network | | the same architecture with random weights, not trained |
# | training task | | what a network was trained to predict, for instance scenes or objects |
# | pretext task | | a training task without human labels; the network is then *self-supervised* |
# | linear probe | | a linear classifier trained on the features of a layer |
#
# Set IoU and dissection IoU pool different images, and dissection IoU upsamples the activations before the threshold
# and set IoU after it. The book never compares one with the other.
#
# ## References
#
# ```{bibliography}
# ```

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
