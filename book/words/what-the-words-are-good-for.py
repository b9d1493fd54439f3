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
# # What the words are good for
#
# *MILAN, sections 4 to 6* {cite}`hernandez2022natural`. The [last chapter](a-describer) has a description for every
# filter. A description is a label in a larger vocabulary, so it is good for more than reading. The paper has three
# uses: *analyse* which kinds of filters a network needs, *audit* which networks have filters for a thing, and *edit* a
# network that has learned what it should not.
#
# *Questions.* Do the words say which filters matter? Do they say what was in the training data? Can they find the
# filters behind a mistake, better than chance and better than a search that reads no words?

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
NETWORKS: list = "zoo/audited"  # trained with a mark, the same without it, and others
WORDS: list = ["writing"]  # words of a description that name the mark
IMAGES: int = 400  # images of each split that are marked, at most
RANDOM_SETS: int = 200  # random orders, and random choices of filters

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper shows
#
# > *Analyse.* Sort the neurons of a network by a property of their descriptions, such as the number of words, of
# > adjectives or of nouns, or how far apart the meanings of the words are. Set them to zero in that order, up to 18 percent
# > of them, and compare the accuracy with that of random orders. *Audit.* Count the neurons whose descriptions have a
# > word, in networks trained on different data. *Edit.* Train a network on images where a text gives the class away.
# > Cut out the neurons whose descriptions mention text, one after another, as long as the accuracy on validation images
# > does not fall. The network then rests less on the text {cite}`hernandez2022natural`.
#
# We use the describer of the last chapter, on drawn scenes, where it is known what is in an image and what is written
# on it.

# %%
import numpy as np
import pandas as pd

from n2vlib import charts
from n2vlib.compositional import classifier
from n2vlib.words import cut, describer, phrases, properties

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
n2vlib.need(probe, "pixel maps", "training images", "validation images")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
known, name = classifier.classes(network.name, probe), LAYERS[-1]
options = {"tau": TAU, "tau_max": 0.01, "device": DEVICE, "store": store}
layer = n2vlib.read_layers(network, [name], probe, **options)[name]
said = describer.described(layer, probe, store)["description"]

# %% [markdown]
# ## Analyse: which filters does the network need?
#
# The properties of a description: its length, how many of its words are adjectives, nouns and prepositions, and its
# *spread*: the largest distance $1 - \cos$ between the meanings of two of its words. A meaning is the word's place in our
# own hypernym tree; a user's word vectors serve as well. The last property is how near a description is to one
# word, the thing that most descriptions name.

# %%
language, space = phrases.language(probe), properties.drawn_space()
table = properties.properties(said, language.tags(), space)
mentioned = said.map(lambda text: properties.named_in(phrases.words_of(text), space))
thing = mentioned.explode().value_counts().index[0]
table[f"near {thing}"] = properties.similarity(said, thing, space)

# %%
rows = []
for property_, values in table.items():
    for end, k in (("highest", values.idxmax()), ("lowest", values.idxmin())):
        rows.append((property_, end, values[k], k, said[k]))
columns = ["property", "", "value", "filter", "description"]
title = f"Properties of {len(said)} descriptions, {network.name}, {layer.name}"
charts.table(pd.DataFrame(rows, columns=columns), title, digits=2, rows=14)

# %% [markdown]
# ### By hand: one ranking and one cut
#
# The filters with the longest descriptions first; those of equal length in random order, since by number they would
# not be a fair sample. The first tenth of them is cut out: a forward hook sets them to zero in the whole network. The
# library needs no pass. The network reads the layer through its means and maxima,
# so that a cut takes their part from the scores.

# %%
whole = cut.of_layer(layer, known)
order = cut.ranked(table["words"], SEED)
lengths = [len(said[k].split()) for k in order]
assert lengths == sorted(lengths, reverse=True)
first = [int(k) for k in order[: layer.n_filters // 10]]

# %%
import torch

some = classifier.answers(layer, known).inputs[:60]
images = np.stack([probe.image(int(i)) for i in some])
module = network.module.cpu()
gone = torch.tensor(first)
hook = module.get_submodule(layer.module).register_forward_hook(
    lambda _module, _given, output: output.index_fill(1, gone, 0)
)
with torch.inference_mode():
    scores = module(network.preprocessing(images))[:, known.outputs]
hook.remove()

# %%
by_hand = scores.argmax(1).numpy() == whole.truth[:60]
by_library = whole.right([first])[0]
assert (by_hand == by_library[:60]).mean() > 0.98  # rounding may turn a tie
print(
    f"{len(first)} filters cut, with {lengths[0]} to {lengths[len(first) - 1]} words:"
)
print(f"by hand {by_hand.mean():.3f} of {len(some)} images are right, in the library")
print(f"{by_library[:60].mean():.3f}; of all {len(whole.truth)} images", end=" ")
print(f"{by_library.mean():.3f}, before {whole.accuracy([[]])[0]:.3f}")

# %% [markdown]
# ### In the order of every property
#
# The filters highest in a property are cut first, in steps of two percent. The dashed line is the mean of the random orders,
# the band around it holds 95 percent of them.

# %%
ways = {each: cut.ranked(table[each], SEED) for each in table}
counts = cut.steps(layer.n_filters)
points, fell = cut.falls(whole, ways, counts, draws=RANDOM_SETS, seed=SEED)
fell = fell.sort_values("difference")
most = fell.iloc[0]
title = f"Cutting the filters highest in '{most['way']}' first costs the most:"
title += f" {-most['difference']:.3f} more than a random order on average"
axes = ("percent of the filters cut", "accuracy")
charts.lines(points, "percent", "accuracy", title, axes, series="way")

# %% [markdown]
# Each order is compared with the random ones by its mean accuracy over all cuts. $p$ is the share of random orders that are
# at least as far from their own mean; several orders are tested, so the smallest $p$ has to be below 0.05 divided by
# their number.

# %%
level = 0.05 / len(fell)
clear = fell[fell["p"] < level]
title = f"{len(clear)} of {len(fell)} properties differ from random orders"
charts.table(fell, f"{title} (p below {level:.4f})")

# %% [markdown]
# ## Audit: what was in the training data?
#
# Three networks of one architecture, trained on the same drawn images. The first one learned scenes on images that were
# tampered with: seven of ten carry a letter at a random place, and it is the same letter for all images of a scene. The
# second learned scenes from the images as they are, the third objects.
#
# All are shown the same images of the probe set, half of them with the letter of their scene, and the describer says
# what it says of the 15 exemplars of each filter among these.

# %%
from n2vlib.display import gallery
from n2vlib.words import audit, exemplars, marked

networks = {}
for row in NETWORKS:
    other = n2vlib.load_network(row["network"])
    networks[row.get("label", other.name)] = other, row["layer"]
with_mark, without_mark = list(networks)[:2]
reader, place = networks[with_mark]
classes = classifier.classes(reader.name, probe)
n_classes = len(classes.names)

# %%
images, truth = marked.pictures(probe, classes, "train", IMAGES)
half = marked.chosen(truth, "half", n_classes, SEED)
shown, boxes = marked.write(images, half, SEED)
speaker, descriptions, on_mark, maps = describer.load(), {}, {}, {}
for label, (each, its_layer) in networks.items():
    maps[label] = marked.read(each, its_layer, shown)
    found = exemplars.of_maps(shown, maps[label])
    descriptions[label] = marked.described(found, store, speaker)["description"]
    on_mark[label] = marked.share_on(found, boxes)

# %% [markdown]
# How many filters of each network are described by the mark, and how many by words of other kinds? The intervals are
# Wilson's 95 percent intervals of a share.

# %%
kinds = {"the mark": set(WORDS)}
for kind, concept in language.members:
    kinds.setdefault(kind, set()).update(concept.split())
counted = audit.counted(descriptions, kinds)
apart = audit.differ(counted, with_mark, without_mark)
with_it, without_it = counted.loc[counted["group"] == "the mark", "named"][:2]
title = f"The mark is named by {with_it} filters of the network trained with it"
title += f" and by {without_it} of the same network trained without"
charts.in_rows(counted, "group", "share", "network", title, "share of the filters")

# %%
last = list(networks)[-1]
beside = audit.differ(counted, without_mark, last).rename(columns={"p": "p "})
title = "Shares of filters, and Fisher's exact test between neighbours"
charts.table(apart.merge(beside, on=["group", without_mark]), title)

# %% [markdown]
# Here a description can be checked to the pixel: the share of a filter's exemplar masks that lies on the box of the
# mark. Filters that are described by it should lie on it, the others should not.

# %%
rows = []
for label, texts in descriptions.items():
    named = audit.names(texts, set(WORDS)).to_numpy()
    for kind, mine in (("described by the mark", named), ("others", ~named)):
        on = on_mark[label][mine]
        mean = on.mean() if len(on) else np.nan
        rows.append((label, kind, len(on), mean, int((on > 0.5).sum())))
columns = ["network", "filters", "number", "share of masks on the mark"]
columns += ["more than half on it"]
charts.table(pd.DataFrame(rows, columns=columns), "Is it true?", digits=2)

# %% [markdown]
# ## Edit: cutting out a mistake
#
# The first network has learned to read the mark. That is right as long as the mark is; with a wrong one it is led
# astray. The same validation images of the probe set, without a mark, with the right one, and with that of another
# class:

# %%
others, right_answers = marked.pictures(probe, classes, "val", IMAGES)
hows = {"no mark": "none", "right mark": "right", "wrong mark": "wrong"}
written, tests = {}, {}
for label, how in hows.items():
    which = marked.chosen(right_answers, how, n_classes, SEED)
    written[label], _ = marked.write(others, which, SEED)
    asked = reader, place, classes, written[label], right_answers
    tests[label] = marked.answers(*asked)

# %%
i = int(np.argmin(tests["wrong mark"].right([[]])[0]))
said_of = {label: each.scores[i].argmax() for label, each in tests.items()}
captions = [f"{label}: {classes.names[k]}" for label, k in said_of.items()]
gallery.show([each[i] for each in written.values()], captions, columns=3)

# %% [markdown]
# A mark also hides a part of the scene, and a network may be put off by a mark that it cannot read. That is what the
# network that was trained without marks shows, on the first half of these images.

# %%
rows = [(with_mark, *(each.accuracy([[]])[0] for each in tests.values()))]
other, its_layer = networks[without_mark]
some = slice(0, IMAGES // 2)
found = []
for label in hows:
    asked = other, its_layer, classes, written[label][some], right_answers[some]
    found.append(marked.answers(*asked).accuracy([[]])[0])
fooled = pd.DataFrame([*rows, (without_mark, *found)], columns=["network", *hows])
fooled["right minus wrong"] = fooled["right mark"] - fooled["wrong mark"]
title = (
    f"A wrong mark in place of the right one: {-fooled['right minus wrong'][0]:+.2f}"
)
title += f" where it was learned, {-fooled['right minus wrong'][1]:+.2f} where not"
charts.table(fooled, title)

# %% [markdown]
# Now the edit. The candidates are the filters whose description names the mark. Validation images are the training images
# of the probe set with the mark of a class drawn at random, so that it says nothing. The candidates are ordered by
# validation accuracy without each of them alone, the best first, and cut one after another. The cut with the
# highest validation accuracy is kept. For comparison, as many random filters, ordered and stopped in the same way, and
# *all* filters by their effect, which reads no description.

# %%
from n2vlib.words import edit

which = marked.chosen(truth, "any", n_classes, SEED)
tampered, _ = marked.write(images, which, SEED)
validation = marked.answers(reader, place, classes, tampered, truth)
named = audit.names(descriptions[with_mark], set(WORDS))
candidates = np.flatnonzero(named)
if not len(candidates):
    say = f"No description has the words {WORDS}: the filters"
    print(say, "whose exemplars lie on the mark take their place.")
    candidates = np.flatnonzero(on_mark[with_mark] > 0.5)

# %%
size, every = len(candidates), np.arange(validation.n_filters)
ways = {
    "described": edit.by_effect(validation, candidates)[None],
    "all, by effect": edit.by_effect(validation, every)[None, : max(size, 50)],
    "random": edit.random_orders(validation, size, RANDOM_SETS // 5 + 1, SEED),
}
points = edit.along(validation, tests, ways)
kept = edit.stopped(points)

# %% [markdown]
# ### By hand: the first cut
#
# The candidate that is cut first is the one without which alone the most validation images are right.

# %%
alone = [validation.accuracy([[k]])[0] for k in candidates]
assert candidates[int(np.argmax(alone))] == ways["described"][0, 0]
print(f"{size} candidates; without filter {ways['described'][0, 0]} alone")
print(f"{max(alone):.3f} of the validation images are right, with all", end=" ")
print(f"{validation.accuracy([[]])[0]:.3f}")

# %%
mean = points.groupby(["way", "n"], sort=False)["wrong mark"]
curves = mean.mean().rename("accuracy").reset_index()
if size > 1:
    band = mean.quantile([0.025, 0.975]).unstack().to_numpy()
    curves["low"], curves["high"] = band[:, 0], band[:, 1]
stops = kept.groupby("way")["n"].mean()
title = f"With a wrong mark: validation stops after {stops['described']:.0f} of"
title += f" {size} described filters"
charts.lines(curves, "n", "accuracy", title, ("filters cut", "accuracy"), "way")

# %%
sets = {way: [] for way in ways}
for way, order_, n in kept[["way", "order", "n"]].itertuples(index=False):
    sets[way].append(ways[way][order_, :n].tolist())
sets["described, all of them"] = [candidates.tolist()]
rows = [
    edit.gains(each, sets, SEED).assign(images=label) for label, each in tests.items()
]
gained = pd.concat(rows)
wrong = gained[gained["images"] == "wrong mark"].set_index("way")
value, low, high = edit.ahead(
    tests["wrong mark"], sets["described"][0], sets["random"], SEED
)

# %%
title = (
    f"Described filters cut: {wrong.loc['described', 'gain']:+.3f} under a wrong mark,"
)
title += f" random ones {wrong.loc['random', 'gain']:+.3f}"
charts.in_rows(gained, "images", "gain", "way", title, "gain in accuracy", at=0)

# %% [markdown]
# What is decisive is the difference to random filters, which were ordered and stopped by the same validation: what it gains
# is due to the words. The interval is over images and over random choices.

# %%
print(
    f"Under a wrong mark, the described filters gain {value:+.3f} more than random ones"
)
print(f"({low:+.3f} to {high:+.3f}, 95% interval).")

# %% [markdown]
# ### When should one stop?
#
# Validation has to show that the mark is a mistake. If the validation images carry the right marks, as the training images
# did, reading them is no mistake, and the cut that validation keeps is another one.

# %%
asked = reader, place, classes, shown, truth
as_trained = marked.answers(*asked, maps[with_mark])
order_ = edit.by_effect(as_trained, candidates)[None]
with_marks = edit.along(as_trained, tests, {"described": order_})
two_ways = {"says nothing": points, "right, as in training": with_marks}
rows = []
for label, each in two_ways.items():
    its = edit.stopped(each[each["way"] == "described"]).iloc[0]
    rows.append((label, its["n"], *its[list(hows)]))
columns = ["mark on validation images", "filters cut", *hows]
charts.table(pd.DataFrame(rows, columns=columns), "Two validation sets, one edit")

# %% [markdown]
# ## What we see

# %%
if len(clear):
    cheaper = clear["way"].where(clear["difference"] > 0).dropna().tolist()
    dearer = clear["way"].where(clear["difference"] < 0).dropna().tolist()
    print(
        "Analyse: cutting first the filters highest in", ", ".join(dearer) or "nothing"
    )
    print(
        "costs more than a random order, in", ", ".join(cheaper) or "nothing", "less."
    )
else:
    print("Analyse: no property of the descriptions says which filters are needed.")
differing = apart.loc[apart["p"] < 0.05 / len(apart), "group"].tolist()
print("Audit: the two networks differ in words of these kinds:", end=" ")
print(", ".join(differing) or "none", end=". ")
print(
    f"The mark is named by {with_it} filters of the network that was trained with it,"
)
print(f"and by {without_it} of the other.")
better = "helps more than" if low > 0 else "does not clearly help more than"
print(f"Edit: cutting what is described by the mark {better} cutting random filters.")

# %% [markdown]
# The words are tested here, not assumed: each use is compared with the same done at random. For an edit, a
# search over all filters by their effect needs no words, only validation images that show the mistake. What the words
# add is a reason: they say what was cut, and whether a network has learned the mark can be asked before a wrong mark
# is ever seen.
#
# ## Exercises
#
# 1. Cut the filters *lowest* in a property first. Is it the opposite?
# 2. Take other words for `WORDS`, such as `white` and `black`. How many filters do they find that do not lie on the
#    mark?
# 3. Replace the filters' values by their mean over unmarked images, and not by zero. Does the edit cost less
#    without a mark?
#
# ## Summary
#
# - Ranked by their descriptions, filters are cut in an order that has to beat random orders.
# - Descriptions on marked images say which network was trained with the mark; masks show whether it is true.
# - An edit is as good as the validation that stops it, and cannot bring back what the mark hides.
#
# The [next chapter](control-by-language) turns from networks that see to one that draws.

# %%
n2vlib.provenance(probe=probe, network=network, layers={name: layer}, seed=SEED)
