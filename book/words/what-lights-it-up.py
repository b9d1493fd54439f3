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
# # What lights it up
#
# *MILAN, sections 2 and 3* {cite}`hernandez2022natural`. A label names a filter with one word of a list, a formula
# joins several. Hernandez et al. show people the images that a filter answers to most and ask what they have in
# common, train a network on the answers, and let it describe filters in sentences. This chapter is about the two ideas
# that come before any network: what is shown of a filter, and which of many true descriptions is chosen.
#
# *Questions.* Which images and which parts of them stand for a filter? Why is the likeliest description not the best?
# And what changes when descriptions are ranked by how much they tell?

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
DESCRIBER: str = "small-describer"  # of the zoo; own: one trained on PROBE
IMAGES: int = 250  # on which it is counted whether descriptions are true
BEAM: int = 50  # descriptions of each filter that are compared

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## Exemplars
#
# > A unit is shown by the 15 images on which it is largest anywhere, each with a mask of where it exceeds its own 0.99
# > quantile {cite}`hernandez2022natural`.
#
# With $A_k$ the map of filter $k$, $T_k$ its 0.99 quantile over all places of all images, and $S$ upsampling,
#
# $$
# \begin{aligned}
# E_k &= \{(x, M_k(x)) : \max A_k(x) \text{ is among the 15 largest}\}, \\
# M_k(x) &= [S(A_k(x)) > T_k].
# \end{aligned}
# $$ (eq-exemplars)
#
# So `TAU` is not used here: a filter fires at one place in a hundred, not in two hundred. If a layer has been
# dissected, nearly everything is there already: the maximum of every map is stored, and so is what lies around the
# places where a filter fires. No second pass over the images is needed.

# %%
import numpy as np
import pandas as pd

from n2vlib import charts, gallery
from n2vlib.methods import dissection
from n2vlib.words import decoding, exemplars, phrases, training, truth

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
store, name = n2vlib.Store(STORE), LAYERS[-1]
options = {"tau": exemplars.TAU, "device": DEVICE, "store": store}
most = exemplars.READ
layer = n2vlib.read_layers(network, [name], probe, tau_max=most, **options)[name]
shown = exemplars.of_layer(layer, probe)

# %%
n_images, share = len(shown.pictures), shown.masks.mean()
print(
    f"{len(shown)} filters of {name}: {n_images} of {len(probe)} images are exemplars,"
)
print(f"and the masks cover {share:.1%} of them.")

# %% [markdown]
# **By hand.** For one filter, from whole maps, computed anew:

# %%
k = int(np.argmax(layer.highest.max(axis=0) / layer.thresholds.clip(1e-6)))
by_hand = sorted(range(len(probe)), key=lambda x: -layer.highest[x, k])[:15]
assert by_hand == shown.which[k].tolist()
maps = layer.maps(by_hand, k).astype(np.float64)
assert np.array_equal(maps.max((1, 2)).argsort(kind="stable")[-1:], [0])
upsampled = dissection.mask(layer, probe, maps, k)
assert np.array_equal(upsampled, shown.masks[k])
print(
    f"Filter {k} fires at {layer.realised[k]:.2%} of all places; in its exemplars the"
)
print(f"mask covers between {upsampled.mean((1, 2)).min():.0%} and", end=" ")
print(f"{upsampled.mean((1, 2)).max():.0%} of the image.")

# %% [markdown]
# Six of the fifteen, for this filter and three others, drawn at random. What do they have in common?

# %%
rng = np.random.default_rng(SEED)
others = rng.permutation([j for j in range(len(shown)) if j != k])[:3]
strips = []
for j in [k, *others.tolist()]:
    few = shown.of([j])
    captions = [f"image {x}" for x in few.which[0, :6]]
    strip = few.images[0, :6], captions, None, few.masks[0, :6]
    strips.append(gallery.concept_strip(f"filter {j}", *strip))
gallery.stack(*strips)

# %% [markdown]
# ## What a description says
#
# People's descriptions cannot be checked to the pixel. Ours can: they are phrases about things, parts, colors,
# materials, textures and scenes, whose place in an image the label maps give. A color beside a noun is the color of
# the thing, the commonest in its region; a color alone holds pixel by pixel. Here is where some phrases hold:

# %%
language = phrases.language(probe)
wanted = ["the sky", "a red car", "a window of a house", "anything made of wood"]
wanted += ["anything that is a vehicle", "a cloud or grass"]
rows, seen = [], rng.permutation(len(probe))[:200].tolist()
for text in wanted:
    masks = {i: language.holds(text, probe, i) for i in seen}
    best = max(masks, key=lambda i: masks[i].sum())
    if masks[best].any():
        rows.append((text, probe.image(best), masks[best]))
texts, pictures, where = zip(*rows, strict=True) if rows else ((), (), ())
gallery.show(pictures, texts, where, columns=3, nothing="no phrase holds here")

# %% [markdown]
# ## The objective
#
# > A good description is one that has much pointwise mutual information with the exemplars: likely given them, and
# > unlikely in itself {cite}`hernandez2022natural`.
#
# $$
# d^* = \arg\max_d \; \log p(d \mid E) - \lambda \log p(d)
# $$ (eq-milan)
#
# With $\lambda = 1$ this is the mutual information $\log p(d, E) / (p(d)\,p(E))$. By Bayes' rule that is
# $\log p(E \mid d)$ up to a term without $d$: it chooses the description under which the exemplars are likeliest. With $\lambda = 0$ it is the likelihood. The
# paper takes 0.2. Both probabilities are learned: $p(d \mid E)$ by a decoder that sees the exemplars, $p(d)$ by a
# language model that sees descriptions only. (The talk has the same idea as a distance between two distributions of
# inputs, $p(x \mid d)$ and $p(x \mid E)$; MILAN is what was built.)
#
# **By hand.** Three descriptions of one unit, all true, with probabilities made up for it:

# %%
LAMBDAS = [0, 0.2, 0.5, 1]  # weights of the prior; the paper's is 0.2

toy = pd.DataFrame(
    [("anything", 0.5, 0.2), ("a car", 0.4, 0.02), ("a red car", 0.1, 0.001)],
    columns=["description", "given E", "in itself"],
)
for weight in LAMBDAS:
    score = np.log(toy["given E"]) - weight * np.log(toy["in itself"])
    toy[f"score, {weight:g}"] = score
best = {w: toy["description"][toy[f"score, {w:g}"].idxmax()] for w in LAMBDAS}
assert best == {0: "anything", 0.2: "a car", 0.5: "a red car", 1: "a red car"}
charts.table(toy, "log p(d|E) - weight log p(d); the largest of a column is chosen")

# %% [markdown]
# The likelihood favors what can be said of everything. The more the prior weighs, the more specific the choice; at 1 a
# description wins that is five times less likely, because it is two hundred times rarer. That is also the danger: an
# error of $p(d \mid E)$ in its tail counts in full.
#
# ## The same for a filter
#
# The describer of the [next chapter](a-describer) gives the `BEAM` likeliest descriptions of each filter; those are
# ranked again. For filter `k`, the likeliest ten:

# %%
from n2vlib.words import describer

found = training.of_name(DESCRIBER, probe, network, LAYERS, store, SEED)
table = describer.kept(layer, probe, store, found, beam=BEAM)
own = table.loc[table["unit"] == k].reset_index(drop=True)
score = own["likelihood"] - decoding.WEIGHT * own["prior"]
score = score.where(own["fluent"] | ~own["fluent"].any())
library = decoding.reranked(table, decoding.WEIGHT).loc[k, "description"]
assert own["description"][score.idxmax()] == library
ten = own.assign(score=score).drop(columns="unit").head(10)
charts.table(ten, f'Filter {k}: "{library}" is chosen', digits=2)

# %% [markdown]
# One rule is ours. Among fifty candidates of a small language there are many that nobody would say, such as *a that
# sofa*. The language model finds them unlikely, and the objective takes that for a merit. So we leave out candidates
# that fit none of the three ways in which our annotators say things, unless a filter has nothing else. Without that
# rule:

# %%
free = decoding.reranked(table.drop(columns="fluent"), decoding.WEIGHT)["description"]
odd = [text for text in free if not found.language.well_formed(text)]
print(f"{1 - table['fluent'].mean():.0%} of candidates are not English, and would be")
print(
    f"chosen for {len(odd)} of {len(free)} filters: {', '.join(sorted(set(odd))[:3])}."
)

# %% [markdown]
# ## What the plain likelihood says
#
# With $\lambda = 0$: the descriptions that most filters get, and how many filters get them.

# %%
chosen = {w: decoding.reranked(table, w)["description"] for w in LAMBDAS}
counts = {w: each.value_counts() for w, each in chosen.items()}
often = counts[0].head(6).rename_axis("description").reset_index(name="filters")
again = [counts[1].get(text, 0) for text in often["description"]]
charts.table(often.assign(**{"of these with weight 1": again}))

# %% [markdown]
# ## What reranking changes
#
# The first table has for each weight: the share of filters that get another description than with weight 0; how long
# descriptions are, and how many concepts they name; how many different ones there are; and how general they are, the
# share of all pixels on which they hold. The second asks whether they are true: the IoU of the filter's mask with the
# pixels on which the description holds, on images drawn from the whole probe set. Chance is the description of another
# filter.

# %%
images = rng.permutation(len(probe))[:IMAGES]
every = sorted(set().union(*chosen.values()))
units = chosen[0].index.to_numpy()
counted = truth.overlaps(
    layer, probe, units, every, lambda text, i: language.holds(text, probe, i), images
)
pixels = len(images) * np.prod(probe.label_size)
general = pd.Series(counted.held / pixels, every)

# %%
rows, true = [], {}
for weight, of in chosen.items():
    true[weight] = counted.of(of.tolist())
    concepts = [max(map(len, language.parse(text))) for text in of]
    row = {"weight": weight, "changed": (of != chosen[0]).mean()}
    row |= {"words": of.str.split().str.len().mean(), "concepts": np.mean(concepts)}
    row |= {"different": of.nunique(), "general": general[of].mean()}
    row |= true[weight][["iou", "precision", "recall", "by_chance"]].mean().to_dict()
    rows.append(row)
by_weight = pd.DataFrame(rows)
says = ["weight", "changed", "words", "concepts", "different", "general"]
charts.table(by_weight[says], f"What is said of {len(units)} filters of {name}")

# %%
is_true = ["weight", "iou", "precision", "recall", "by_chance"]
charts.table(by_weight[is_true], f"How true it is, on {len(images)} images")

# %%
long = by_weight.melt("weight", ["iou", "by_chance"], var_name="what")
names = {"iou": "description", "by_chance": "chance: of another filter"}
long["what"] = long["what"].map(names)
best = by_weight.loc[by_weight["iou"].idxmax(), "weight"]
title = f"Descriptions fit best with the weight {best:g}"
axes = ("weight of log p(d)", "mean IoU over filters")
charts.lines(long, "weight", "value", title, axes, series="what")

# %% [markdown]
# The difference in IoU from the plain likelihood, with an interval over filters:

# %%
from n2vlib import tables

rows = []
for weight in LAMBDAS[1:]:
    gain = (true[weight]["iou"] - true[0]["iou"]).to_numpy()
    low, high = tables.bootstrap_mean(gain, SEED)
    rows.append((weight, gain.mean(), low, high, (gain > 0).sum(), (gain < 0).sum()))
columns = ["weight", "difference", "low", "high", "filters better", "filters worse"]
gains = pd.DataFrame(rows, columns=columns)
charts.table(gains, "IoU with reranking minus IoU without", digits=4)

# %% [markdown]
# ## A unit that nothing lights up
#
# A describer always answers. As a control we make units whose exemplars are drawn at random from those of all filters,
# each with the mask of another. What does it say of them, and does the likelihood show that there is nothing to say?

# %%
nobody = exemplars.at_random(shown, min(24, len(shown)), SEED)
random = decoding.reranked(found.candidates(nobody, BEAM), decoding.WEIGHT)
filters = decoding.reranked(table, decoding.WEIGHT)
rows = [
    (what, each["likelihood"].median(), (each["likelihood"] - each["prior"]).median())
    for what, each in {"filters": filters, "random units": random}.items()
]
columns = ["of", "log p(d|E), median", "mutual information, median"]
charts.table(pd.DataFrame(rows, columns=columns), digits=2)

# %%
told = np.concatenate([filters["likelihood"], random["likelihood"]])
is_filter = np.arange(len(told)) < len(filters)
above = told[is_filter][:, None] > told[~is_filter]
print(
    f"A filter's description is likelier than a random unit's in {above.mean():.0%} of"
)
print("pairs. The commonest descriptions of random units:", end=" ")
print(", ".join(random["description"].value_counts().index[:4]) + ".")

# %% [markdown]
# ## What we see

# %%
paper = by_weight.set_index("weight").loc[decoding.WEIGHT]
verdict = gains.set_index("weight").loc[decoding.WEIGHT]
sure = verdict["low"] > 0 or verdict["high"] < 0
chance = "more than chance" if sure else "within what chance does"
ratio = paper["iou"] / max(paper["by_chance"], 1e-9)
print(f"The paper's weight changes {paper['changed']:.0%} of the descriptions. The IoU")
print(
    f"changes by {verdict['difference']:+.4f}, {chance}; it is {ratio:.0f} times",
    end="",
)
print(" that of another filter's description.")

# %% [markdown]
# The paper prefers reranked descriptions, since people did: they tell more. Truth to the pixel rewards something else.
# A description that names one more concept holds on fewer pixels, and where the concept is wrong, on the wrong ones.
# Both are in the tables: how many concepts are named, and what that costs.
#
# Exemplars are the extreme: fifteen images of thousands. What a filter does on all others is not in them, so a description
# can be true of the exemplars and say little of the filter. That is why truth is counted here on other images as well.
#
# ## Exercises
#
# 1. Show 50 exemplars instead of 15 (`exemplars.of_layer(..., count=50)`). Are descriptions more general?
# 2. Read `LAYERS=[conv1]`. Which of its descriptions are about color, and are they true?
# 3. Search with `BEAM=5`. From which weight on does the smaller beam change what is chosen?
#
# ## Summary
#
# - Exemplars come from what dissection has stored: the largest maxima, and masks at the 0.99 quantile.
# - The likeliest description tends to be the most general one; its prior tells how general.
# - Reranking by mutual information makes descriptions name more. Whether they stay true has to be counted.
# - A describer answers for units that nothing lights up, too; look at the likelihood before the words.

# %%
n2vlib.provenance(probe=probe, network=network, layers={name: layer}, seed=SEED)
