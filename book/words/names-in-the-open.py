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
# # Names in the open
#
# *CLIP-Dissect, section 3* {cite}`oikarinen2023clip`. A label, a formula and the descriptions of a [trained
# describer](a-describer) all use the words of somebody's annotations. A model that scores how well any text fits any
# image lifts this limit: give it a list of phrases, and it names a filter after the phrase that fits the images on which
# the filter is high. No label is needed, and the words are yours.
#
# *Questions.* Are such names true? Do they agree with the label, the formula and the description of the same filter?
# And where the right name is known, is it found?

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
PHRASES: str = None  # text file, one phrase a line; null: labels and groups of ours
TEXT_IMAGE: str = "small-text-image"  # or open_clip:ARCHITECTURE@FILE, file.py:function

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper does
#
# > Show the probing images to the network and to CLIP. A neuron gets the concept whose fit with the images, as CLIP
# > scores it, goes best with the neuron's activations {cite}`oikarinen2023clip`.
#
# Here a filter has only one number for each image, its mean activation. So a name in the open is a name of *images*:
# nothing in it says where in an image the filter fires.
#
# ## A model and a list of phrases
#
# CLIP's weights are not ours to ship. Our zoo has a small model of the same kind: a frozen network of the zoo with a
# perceptron on one side, a bag of words on the other, trained so that drawn scenes and their captions find each other.
# The captions say a part of what a scene shows, often with a wider word (*a vehicle*, *outdoors*) that is no label.

# %%
import pandas as pd

from n2vlib import charts
from n2vlib.text_image import load, naming, phrases, truth

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
n2vlib.need(probe, "pixel maps")
model, listed = load.load(TEXT_IMAGE), phrases.read(PHRASES)
truth.need(probe, listed)
fits = naming.fits(model, probe, listed, store)
print(f"{model.name}: {len(fits.phrases)} phrases, {len(probe)} images. {fits.silence}")

# %% [markdown]
# How good is a model of half a megabyte? On pairs of a scene and a caption that it was not trained on, recall@$k$ is the
# share of captions whose own image is among the $k$ that fit best. The floors are guessing, and guessing among the
# images of the right place:

# %%
from n2vlib.zoo import shipped
from n2vlib.zoo.others import TEXT_IMAGE as OURS

rows = []
if TEXT_IMAGE in OURS:
    card = shipped.card(TEXT_IMAGE)
    for at, value in card["accuracy"].items():
        floors = [card["floor"][f"{of}, {at}"] for of in ("chance", "place known")]
        rows.append((at, value, *floors))
columns = ["held-out pairs", "model", "chance", "place known"]
charts.table(pd.DataFrame(rows, columns=columns), "From the model's card")

# %% [markdown]
# And on this probe set: does a phrase fit the images in which it holds better than the others? The AUC is the share of
# pairs, one image with it and one without, that are in the right order; 1/2 is chance. What a phrase says of the label
# maps is read from its words, as in [A describer](a-describer).

# %%
import numpy as np

from n2vlib.compositional import explain
from n2vlib.words import behaviour, describer, exemplars
from n2vlib.words.phrases import language as language_of

network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
name, options = LAYERS[-1], {"tau": TAU, "device": DEVICE, "store": store}
most = max(TAU, exemplars.READ)
layer = n2vlib.read_layers(network, [name], probe, tau_max=most, **options)[name]
measured = explain.Filters(layer, probe, left_out=())
half = behaviour.halves(len(probe), SEED)
done = behaviour.behaviour(measured, half)

# %%
language = language_of(probe)
holds = behaviour.of_phrases(measured.atoms, language, fits.phrases)
fit_auc = truth.auc(fits.values, truth.shows(done, holds))
kind_of = {words: kind for kind, words in reversed(language.members)}
kinds = [kind_of.get(phrase, "other") for phrase in fits.phrases]
table = pd.DataFrame({"category": kinds, "AUC": fit_auc}).dropna()
table = table.groupby("category")["AUC"].agg(["size", "mean", "min"]).reset_index()
title = f"{len(probe)} images: mean AUC of phrases {np.nanmean(fit_auc):.2f}"
charts.table(table.rename(columns={"size": "phrases", "min": "worst"}), title)

# %% [markdown]
# ## The score
#
# The fit $f(x, c)$ of image $x$ and phrase $c$, a cosine, is made a probability over the phrases,
# $P_c(x) = \mathrm{softmax}_c\,(10\, f(x, c))$. Let $x_1, x_2, \ldots$ be the 100 images on which filter $k$ is highest.
# *SoftWPMI* is
#
# $$
# s(k, c) = g(k, c) - \lambda \log \frac{1}{K} \sum_{j} e^{g(j, c)}, \qquad
# g(k, c) = \sum_r \log\bigl(1 + p_r\,(P_c(x_r) - 1)\bigr),
# $$ (eq-softwpmi)
#
# where $p_r$, falling from .998 to .97, says how surely the image of rank $r$ belongs to the filter's examples. What
# is subtracted is what the phrase has in common with all $K$ filters, so a phrase that fits everywhere names nothing;
# $\lambda = 1$ in the paper.
#
# ## By hand, one filter
#
# The filter and the phrase with the highest score, on the half of the images from which names are made:

# %%
from n2vlib.text_image import softwpmi

seen, cosines = done.activation[half == 0], fits.values[half == 0].astype(float)
scores = softwpmi.scores(seen, cosines)
k, c = np.unravel_index(scores.argmax(), scores.shape)
powers = np.exp(10 * cosines)
p_c = powers[:, c] / powers.sum(axis=1)
n = min(100, len(seen))
p = 0.998 - 0.028 * np.arange(n) / n

# %%
sums = []
for filter_k in range(layer.n_filters):
    highest = np.argsort(-seen[:, filter_k], kind="stable")[:n]
    sums.append(np.log(1 + p * (p_c[highest] - 1)).sum())
by_hand = sums[k] - np.log(np.mean(np.exp(sums)))
assert np.isclose(by_hand, scores[k, c])
shared, top = sums[k] - by_hand, np.log(len(sums))
print(
    f"Filter {k}, {fits.phrases[c]!r}: {sums[k]:.2f} for its own images, {shared:.2f}"
)
print(f"for those of all filters, so {by_hand:.2f}. The largest score there can be is")
print(f"{top:.2f}, the logarithm of the number of filters: no other fits the phrase.")

# %% [markdown]
# ## The names
#
# Names are made from one half of the images, drawn at random, and tried on the other. So are the label (the concept of
# the largest IoU), the formula of up to three concepts and the description beside them.

# %%
named = naming.names(done.activation, fits, done.sides[0])
counts = measured.halves(half)[0]
formulas = {n: behaviour.best(counts, n) for n in (1, 3)}
made_on = done.sides[0]
described = describer.described(layer, probe, store, images=made_on)["description"]
beside = pd.DataFrame({"name": named["name"], "ahead": named["ahead"]})
for column, each in (("label", formulas[1]), ("formula", formulas[3])):
    beside[column] = ["" if formula is None else str(formula) for formula in each]
beside["description"] = described.to_numpy()
charts.table(beside.reset_index(), "Four explanations of each filter", digits=2)

# %%
from n2vlib.display import gallery

first = named.nlargest(4, "ahead").index
order = softwpmi.top(done.activation[done.sides[0]], 3)[first]
shown = [int(done.sides[0][i]) for i in order.ravel()]
captions = [f"filter {k} · {named.loc[k, 'name']}" for k in np.repeat(first, 3)]
heading = (
    "The names that are farthest ahead of the next, and their three highest images"
)
gallery.show([probe.image(i) for i in shown], captions, columns=3, heading=heading)

# %% [markdown]
# ## Are they true of other images?
#
# On the half that was not used: the AUC says whether the filter's mean is higher in images in which its name holds
# somewhere. *Dealt* is the same with the names of other filters. *Times* is how many times as often the name holds on
# the pixels on which the filter fires as on all pixels (the median): a name of the image can be right while the pixels
# are of something else. *Nowhere* counts names that hold on no pixel of these images or use words that no label has.

# %%
by_weight = truth.by_weight(done, measured.atoms, language, fits, seed=SEED)
published = by_weight.iloc[0]
title = f"{name}: names by the weight of what filters have in common"
charts.table(by_weight, title)

# %%
gains = by_weight.assign(difference=by_weight["auc"] - by_weight["dealt"])
gains = gains.assign(
    low=gains["low"] - gains["dealt"], high=gains["high"] - gains["dealt"]
)
gains["weight"] = [f"weight {weight:g}" for weight in gains["weight"]]
best = gains.loc[gains["difference"].fillna(-1).idxmax(), "weight"]
title = f"Names say most about other images at {best}; published is weight 1"
axis = "AUC of the name above that of other filters' names"
charts.differences(gains.dropna(), title, "weight", axis)

# %% [markdown]
# The interval is a bootstrap over filters. A weight of 1 asks for a phrase that fits *this* filter's images and no
# other's. Where many filters answer to the same scene, that rewards a phrase which is odd over one that is true. With
# more phrases there are more odd ones. Our list can be made longer by every thing in every color, whether there is
# such a thing or not:

# %%
colored = naming.fits(model, probe, phrases.ours(colored=True), store)
longer = truth.by_weight(done, measured.atoms, language, colored, seed=SEED)
charts.table(longer, f"The same with {len(colored.phrases)} phrases of ours")

# %% [markdown]
# ## Where the right name is known
#
# We plant a unit for each label that is a phrase of the list. Its activation is the share of the image that the label
# covers, plus noise that varies as much as that share. Its right name is the label.

# %%
planted = truth.right(done, measured.atoms, fits, noise=1.0, seed=SEED)
rate = planted.groupby(["category", "weight"])["right"].mean().unstack()
rate = rate[sorted(rate.columns, reverse=True)]
total = planted.groupby("weight")["right"].mean()
units = len(planted) // max(total.size, 1)
title = f"{units} planted units: share named right, by weight"
charts.table(rate.rename(columns="weight {:g}".format).reset_index(), title, digits=2)

# %%
wrong = planted.query("weight == 1 and not right").head(8)
for row in wrong.to_dict("records"):
    print(f"{row['concept']} ({row['category']}) is called {row['name']!r}")

# %% [markdown]
# Two things go wrong. A name of images cannot tell a thing from what is always with it, and no list of phrases and no
# larger model changes that; a label and a formula look at pixels and can. And a thing that is in many images shares its
# highest ones with other units: the common term takes off what they share, and leaves what is odd about them.
#
# ## Beside label, formula and description
#
# Two explanations are *the same* if a concept of one is, or is among, a concept of the other (*vehicle* and *car*), and
# *kin* if they are that, or near in our tree of hypernyms (*car* and *bus*; colors are kin of colors), as in
# [Meaningful or polysemantic](../compositional/meaningful-or-polysemantic). By chance is the same with the second
# explanation of another filter.

# %%
from n2vlib.text_image import agreement

related = agreement.Kinship(language, measured.atoms.concepts)
explanations = {
    "label": [related.of_formula(each) for each in formulas[1]],
    "formula": [related.of_formula(each) for each in formulas[3]],
    "description": [related.labels(text) for text in described],
    "name": [related.labels(text) for text in named["name"]],
}
agreed = agreement.agreement(related, explanations, SEED)
shown = agreed[["one", "other", "filters", "same", "same_by_chance", "kin"]]
charts.table(shown.join(agreed["kin_by_chance"]), "Agreement of explanations", digits=2)

# %%
pairs = agreed.assign(pair=agreed["one"] + " and " + agreed["other"])
pairs = pairs.rename(columns={"more": "difference"}).dropna()
of_names = pairs.query("other == 'name'")
above = (of_names["low"] > 0).sum()
title = f"Names agree with {above} of {len(of_names)} other explanations above chance"
axis = "share of filters that are the same or kin, above chance"
charts.differences(pairs, title, "pair", axis)

# %% [markdown]
# ## Your model, your phrases
#
# `PHRASES` is a text file with one phrase a line. `TEXT_IMAGE` takes `open_clip:ViT-B-32@FILE`, where FILE has your
# weights (safetensors, or a torch file of tensors only; install the extra `clip`), or `path/file.py:function`. That
# function returns a pair of functions: one from images (uint8, image × height × width × 3) to vectors, one from a list
# of texts to vectors of the same length. Nothing is downloaded. Phrases with words that the labels lack get a name and
# a score, but no truth: no label map says where they hold.
#
# ## What we see

# %%
clear = "above" if published["low"] > published["dealt"] else "not clearly above"
true, other = (f"{published[column]:.2f}" for column in ("auc", "dealt"))
print(f"As published, names have AUC {true} on other images, those of other filters")
print(f"{other}: {clear} chance.")
finest, worst = total.idxmax(), total.idxmin()
print(f"Of planted units {total.max():.0%} are named right at weight {finest:g},")
print(f"{total.min():.0%} at weight {worst:g}.")
closest = pairs.loc[pairs["difference"].idxmax()] if len(pairs) else None
if closest is not None:
    print(f"Of all explanations, {closest['pair']} agree most above chance.")

# %% [markdown]
# Which weight is best depends on which units there are: among planted units no two mean the same, and the common term
# compares each with the others; in a real layer most filters share their images. The score cannot say which case it is.
# The names are as good as the model. Ours has seen 8,000 drawn scenes; on photographs take a model that has seen
# photographs.
#
# ## Exercises
#
# 1. Write a list of ten phrases for places only, and another for things. How do the names change?
# 2. `LAYERS=[conv1]`: can an image-level name be right about a filter of edges?
# 3. Take the maximum of a filter in place of its mean (`layer.highest`). Which names become truer, and of what?
#
# ## Summary
#
# - A list of phrases and a text-image model name filters without labels; labels are still needed to say whether the
#   names are true.
# - The names are of images: what always comes with a thing can take its name.
# - The weight of the common term decides between odd names and true ones, and the published 1 is one choice.
#
# Label, formula, description and name: the [next chapter](which-explanation) asks how much of a filter each explains.

# %%
n2vlib.provenance(probe=probe, network=network, layers={name: layer}, seed=SEED)
