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
# # Which explanation explains what?
#
# A filter can now be given a label, a formula, a description and a [name in the open](names-in-the-open). A talk of
# Jacob Andreas passes from formulas to descriptions with the words that *logical forms are not enough*. How much of what
# a filter does is accounted for by each of them?
#
# *Questions.* For the same filters, on images that none of the explanations was made from: which explains more? Does a
# description say what a formula cannot? And is it true, brief and to the point, as Grice asks of a speaker
# {cite}`grice1975logic`?

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
# ## What the talk shows
#
# > Formulas of labels describe some neurons well. Others do something that no formula of the labels says, and people can
# > still describe it in a few words.
#
# The phrases that the talk prints, and how they are built:

# %%
import pandas as pd

from n2vlib import charts, published
from n2vlib.words import grice

printed = published.table("milan_slide_labels")
printed = printed.assign(
    words=[len(grice.words_of(text)) for text in printed["label"]],
    form=[grice.form(text) for text in printed["label"]],
)
charts.table(printed, "Phrases of the talk that are at hand")

# %% [markdown]
# None of them says *not*, and none is a whole sentence. A list (*animals and foods*) is the OR of a formula, a modifier
# its AND. What a formula over labels lacks are words for what the labels leave out, such as *sides* or *diagonals*.
#
# ## How to measure it
#
# An explanation $e$ says where it holds, $L_e(x) \in \{0, 1\}$ at every pixel of image $x$: a label and a formula by the
# label maps, a phrase by what its words mean there. From the explanation alone we simulate the filter: it fires with one
# probability where the explanation holds and with another elsewhere, that is, along a line,
#
# $$
# \hat M_k(x) = a\, L_e(x) + b .
# $$ (eq-simulated)
#
# Explanations are made on one half of the images, and $a$ and $b$ fitted there. On the other half:
#
# - *mask*: $R^2$ over all pixels, the share of the variance of "the filter fires" that the simulation accounts for;
# - *image*: $R^2$ over images of the filter's mean activation, simulated in the same way from the share of the image on
#   which the explanation holds; *r* is their correlation;
# - *precision*: of the pixels where the explanation holds, the share on which the filter fires; *recall*: of the pixels
#   on which it fires, the share where the explanation holds; *IoU* as ever.
#
# All are read off counts: how many pixels show each set of concepts, and on how many of these a filter fires.

# %%
import numpy as np

from n2vlib.compositional import explain
from n2vlib.words import behaviour, describer, exemplars, shares
from n2vlib.words.phrases import language as language_of

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
n2vlib.need(probe, "pixel maps")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
name, options = LAYERS[-1], {"tau": TAU, "device": DEVICE, "store": store}
most = max(TAU, exemplars.READ)
layer = n2vlib.read_layers(network, [name], probe, tau_max=most, **options)[name]

# %%
measured = explain.Filters(layer, probe, left_out=())
half = behaviour.halves(len(probe), SEED)
done = behaviour.behaviour(measured, half)
counts = measured.halves(half)[0]
language, made_on = language_of(probe), done.sides[0]
print(f"{layer.n_filters} filters, {len(probe)} images, {done.sizes.shape[1]} sets of")
print(
    "concepts that a pixel shows; materials count here, since descriptions name them."
)

# %% [markdown]
# ## The explanations
#
# The label is the concept of the largest IoU, the formula has up to three concepts, the description is that of our
# [describer](a-describer), from exemplars of the first half, the name that of [CLIP-Dissect](names-in-the-open) with the
# published weight. A color beside a noun is read pixel by pixel here, as in a formula.

# %%
from n2vlib.text_image import load, naming, phrases

said = {kind: behaviour.best(counts, n) for kind, n in (("label", 1), ("formula", 3))}
described = describer.described(layer, probe, store, images=made_on)["description"]
fits = naming.fits(load.load(TEXT_IMAGE), probe, phrases.read(PHRASES), store)
named = naming.names(done.activation, fits, made_on)["name"]
texts = {"description": list(described), "name": list(named)}
where = {kind: behaviour.of_formulas(counts, each) for kind, each in said.items()}
for kind, each in texts.items():
    where[kind] = behaviour.of_phrases(measured.atoms, language, each)
    nowhere = (~where[kind].any(axis=1)).sum()
    print(f"{kind}: {nowhere} of {len(each)} hold on no pixel of these images")

# %% [markdown]
# ## By hand, one filter
#
# The filter with the largest IoU, pixel by pixel, against the counts:

# %%
from n2vlib.analysis.top_images import stored_maps
from n2vlib.methods import dissection

found = shares.accounted(done, where["formula"])
k = int(found["iou"].idxmax())
maps = stored_maps(layer, k, np.arange(len(probe)))
fires = dissection.mask(layer, probe, maps, k, convention=explain.COMPEXP)
holds = np.array([measured.mask(said["formula"][k], i) for i in range(len(probe))])

# %%
fit_on, other = half == 0, half == 1
inside = fires[fit_on][holds[fit_on]].mean()
outside = fires[fit_on][~holds[fit_on]].mean()
simulated = np.where(holds[other], inside, outside)
error = ((fires[other] - simulated) ** 2).mean()
by_hand = 1 - error / fires[other].var()
iou = (fires & holds)[other].sum() / (fires | holds)[other].sum()
assert np.isclose(by_hand, found.loc[k, "mask"]) and np.isclose(
    iou, found.loc[k, "iou"]
)
print(f"Filter {k}, {said['formula'][k]}: it fires on {inside:.1%} of these pixels, on")
print(f"{outside:.2%} of others. IoU {iou:.2f}, share of variance {by_hand:.2f}.")

# %% [markdown]
# ## What each accounts for
#
# We set the explanations between floors and ceilings. Floors: the mask of *everything*, the *usual place* of the
# filter (the rate at which it fires at each pixel, whatever is there), and each kind of explanation *of another
# filter*. Ceilings, both fitted on the first half: all labels of a pixel *added up* with the weights that are best for
# the filter, and *all combinations*: for every set of labels that pixels show, the rate at which the filter fires
# there. The rates of rare sets are drawn towards the mean, since they would not hold on other images.

# %%
at_places = behaviour.places(measured, half)
table = shares.compared(done, at_places, counts.members, where, SEED)
means = table.groupby("explanation", sort=False)[list(shares.MEASURES)].mean()
alive = table["filter"].nunique()
title = f"{name}: means over {alive} filters, on the half that was not used"
charts.table(means.reset_index(), title, rows=20)

# %%
kinds = list(where)
own = table[table["explanation"].isin([*kinds, shares.LINEAR, shares.LOOKUP])]
of_mask = shares.means(own, "mask", SEED).rename(columns={"value": "difference"})
ceiling = means.loc[[shares.LINEAR, shares.LOOKUP], "mask"].max()
best = max(kinds, key=lambda kind: means.loc[kind, "mask"])
title = f"Where a filter fires: {best} accounts for {means.loc[best, 'mask']:.1%},"
title += f" all labels for {ceiling:.1%}"
axis = "share of the variance over pixels"
charts.differences(of_mask, title, "explanation", axis)

# %%
of_image = shares.means(own, "image", SEED).rename(columns={"value": "difference"})
most_of = max(kinds, key=lambda kind: means.loc[kind, "image"])
highest = means.loc[[shares.LINEAR, shares.LOOKUP], "image"].max()
title = f"How active it is: {most_of} accounts for {means.loc[most_of, 'image']:.0%},"
title += f" all labels for {highest:.0%}"
axis = "share of the variance over images"
charts.differences(of_image, title, "explanation", axis)

# %% [markdown]
# The intervals are a bootstrap over filters. What is above a ceiling cannot be said by any logic over these labels: a
# filter fires on a few of the pixels of its thing, and no label tells which. So where a formula is near its ceiling
# and the ceiling is low, it is not logic that is insufficient: the labels lack the words.
#
# ## Does a description add to a formula?
#
# Both together, with the weights that are best on the first half, against the formula alone:


# %%
another = np.roll(where["description"], 1, axis=0)
sets = {"formula": [where["formula"]]}
sets["formula and another's"] = [where["formula"], another]
for each in ("label", *texts):
    sets[f"formula and {each}"] = [where["formula"], where[each]]
sets["all four"] = list(where.values())
joint = shares.together(done, sets)
added = shares.gains(joint, "formula", ("mask", "image"), SEED)

# %%
gain = added.set_index("with")["difference"]
title = "A description adds {:.1%} of the variance over pixels to the formula,".format(
    gain["formula and description, mask"]
)
title += " {:.1%} over images".format(gain["formula and description, image"])
axis = "share of the variance, more than by the formula alone"
charts.differences(added, title, "with", axis)

# %% [markdown]
# Two masks have one more weight than one mask, so any second mask may gain a little. The description of *another*
# filter shows how much; the label, which is often a part of the formula, shows what a second look at the same words is
# worth.
#
# Which explanation is best, filter by filter?

# %%
rows = []
for measure in ("iou", "mask", "image"):
    wide = table.pivot(index="filter", columns="explanation", values=measure)[kinds]
    rows.append({"measure": measure} | wide.idxmax(axis=1).value_counts().to_dict())
wins = pd.DataFrame(rows).reindex(columns=["measure", *kinds]).fillna(0)
charts.table(wins, "Filters that each explanation accounts for best", digits=0)

# %% [markdown]
# ## True, brief, to the point
#
# Grice's maxims for descriptions, on the second half. *True*: the share of the pixels on which the filter fires where
# the description holds. *Times*: how many times the share of all pixels where it holds, since *anything* is always
# true. *Words* count brevity. *Gain* is relevance: how much larger its IoU is than that of its best shorter part,
# chosen on the first half, with one or more concepts left out (down to *anything*). A word that adds nothing to the
# point has a gain of 0 or less.

# %%
scored = {
    kind: grice.scores(done, measured.atoms, language, list(each))
    for kind, each in texts.items()
}
rows = []
for kind, each in scored.items():
    low, high = n2vlib.tables.bootstrap_mean(each["gain"].dropna().to_numpy(), SEED)
    row = {"of": kind, "words": each["words"].mean(), "true": each["true"].mean()}
    row |= {"times (median)": each["times"].median(), "gain": each["gain"].mean()}
    row |= {"low": low, "high": high, "gain above 0": (each["gain"] > 0).mean()}
    rows.append(row)
maxims = pd.DataFrame(rows)
charts.table(maxims, "Descriptions and names by Grice's maxims, means over filters")

# %%
of = scored["description"].sort_values("gain", ascending=False)
columns = ["description", "words", "true", "times", "iou", "shorter", "gain"]
few = pd.concat([of.head(5), of.dropna(subset=["gain"]).tail(5)])[columns]
charts.table(few.reset_index(), "The most and the least relevant descriptions")

# %%
judged = scored["description"].dropna(subset=["gain"])
spread = judged.assign(length=judged["words"].clip(upper=8))
by_length = spread.groupby("length")[["true", "iou", "gain"]].mean()
by_length.insert(0, "filters", spread.groupby("length").size())
charts.table(by_length.reset_index(), "Descriptions by their words (8: 8 or more)")

# %% [markdown]
# ## What we see


# %%
from n2vlib.display import style


def compare(one, other, measure):
    """The difference of two explanations with its interval, in words."""
    mean, low, high = shares.more(table, one, other, measure, SEED)
    more = "more" if low > 0 else "less" if high < 0 else "not clearly more or less"
    interval = f"{mean:+.3f}, {low:+.3f} to {high:+.3f}"
    return f"{one} accounts for {more} than {other} ({measure} {interval})"


for measure in ("mask", "image"):
    for one, other in (("formula", "label"), ("description", "formula")):
        print(compare(one, other, measure))
print(compare("name", "description", "image"))

# %%
parts = (means.loc[best, "mask"], ceiling), (means.loc[most_of, "image"], highest)
of_all = [part / whole if whole > 0 else np.nan for part, whole in parts]
in_masks, over_images = (style.formatted(each, ".0%") for each in of_all)
print(f"Of what all labels could account for, {best} reaches {in_masks} in the masks,")
print(f"{most_of} {over_images} over images.")
true = maxims.set_index("of")
relevant = true.loc["description", "gain above 0"]
words, of_pixels = true.loc["description", ["words", "true"]]
print(
    f"Descriptions have {words:.1f} words and are true of {of_pixels:.0%} of the pixels"
)
print(f"on which their filters fire; {relevant:.0%} are better than any part of them.")

# %% [markdown]
# A share is about these images and these label maps: what a description says beyond the labels cannot be scored here,
# and counts as nothing. The formula was searched by IoU on the first half; the describer has seen other scenes and no
# pixel of this layer's masks in training. So the comparison is of a search with a guess.
#
# ## Exercises
#
# 1. `LAYERS=[conv1]`: which explanation is best where filters see edges and colors?
# 2. Search formulas of ten concepts (`behaviour.best(counts, 10)`). How much of the ceiling do they reach?
# 3. Simulate the filter by its label and its usual place together. Is that more than either?
#
# ## Summary
#
# - An explanation is a prediction: fit it on some images, and ask what share of the behaviour it accounts for on others.
# - Without a ceiling a share says little: no formula over these labels could explain most of what is left.
# - Truth is cheap, since *anything* is true; relevance, the gain over the best shorter part, is what a word has to earn.

# %%
n2vlib.provenance(probe=probe, network=network, layers={name: layer}, seed=SEED)
