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
# uses: *analyze* which kinds of filters a network needs, *audit* which networks have filters for a thing, and *edit* a
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
IMAGES: int = 300  # images that are marked, at most and at most half of each split
RANDOM_SETS: int = 200  # random orders, and random choices of filters
CLASSES: list = None  # names of the network's outputs; null: the scenes of the zoo's
BEAM: int = 50  # descriptions that are compared, where images are marked

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper shows
#
# > *Analyze.* Sort the neurons of a network by a property of their descriptions, such as the number of words, of
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
from n2vlib.words import ablated, describer, exemplars, phrases, properties

probe, store = n2vlib.load_probe(PROBE), n2vlib.Store(STORE)
n2vlib.need(probe, "pixel maps", "training images", "validation images")
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
known, name = classifier.classes(network.name, probe, CLASSES), LAYERS[-1]
most = max(TAU, exemplars.READ)
options = {"tau": TAU, "tau_max": most, "device": DEVICE, "store": store}
layer = n2vlib.read_layers(network, [name], probe, **options)[name]
said = describer.described(layer, probe, store)["description"]

# %% [markdown]
# ## Analyze: which filters does the network need?
#
# The properties of a description: its length, how many of its words are adjectives, nouns and prepositions, and its
# *spread*: the largest distance $1 - \cos$ between the meanings of two of its words. A meaning is the word's place in
# our own hypernym tree; word vectors of yours serve as well. The last property is how near a description is to one
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
# We rank the filters by the length of their descriptions, the longest first; those of equal length come in random
# order, since in the order of their numbers they would not be a fair sample. The first tenth of them is cut out: a
# forward hook sets them to zero in the whole network. The library needs no such pass: the network reads the layer only
# through means and maxima, so a cut takes the filters' part from the scores.

# %%
whole = ablated.of_layer(layer, known)
order = ablated.ranked(table["words"], SEED)
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
# The filters highest in a property are cut first, in steps of two percent. Zero is the mean of the random orders; the grey
# band holds 95 percent of them. The other bands are intervals over images.

# %%
ways = {each: ablated.ranked(table[each], SEED) for each in table}
counts = ablated.steps(layer.n_filters)
points, fell = ablated.falls(whole, ways, counts, draws=RANDOM_SETS, seed=SEED)
fell = fell.sort_values("difference")
most = fell.iloc[0]
title = f"Cutting the filters highest in '{most['way']}' first costs the most:"
title += f" {-most['difference']:.3f} more than a random order on average"
random = points[points["way"] == ablated.RANDOM].set_index("n")["accuracy"]
for column in ("accuracy", "low", "high"):
    points[column] -= points["n"].map(random)
axes = ("percent of the filters cut", "accuracy, minus that of random orders")
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
# By default, three networks of one architecture, trained on the same drawn scenes. The first learned which scene it is
# from pictures that were tampered with: seven of ten carry a letter at a random place, and it is the same letter for all
# pictures of a scene. The second learned it from the pictures as they are, the third learned objects.
#
# All are shown the same images of the probe set, half of them with the letter of their scene, and the describer
# describes every filter by its 15 exemplars among these.

# %%
from n2vlib.display import gallery
from n2vlib.words import audit, decoding, marked

networks = {
    label: (n2vlib.load_network(row["network"]), row["layer"])
    for label, row in zip(audit.labels(NETWORKS), NETWORKS, strict=True)
}
with_mark, without_mark = list(networks)[:2]
reader, place = networks[with_mark]
classes = classifier.classes(reader.name, probe)
n_classes = len(classes.names)

# %%
images, truth = marked.pictures(probe, classes, "train", IMAGES)
half = marked.chosen(truth, "half", n_classes, SEED)
shown, boxes = marked.write(images, half, SEED)
speaker, candidates, on_mark, maps = describer.load(), {}, {}, {}
for label, (each, its_layer) in networks.items():
    maps[label] = marked.read(each, its_layer, shown)
    found = exemplars.of_maps(shown, maps[label])
    candidates[label] = describer.of_exemplars(found, store, speaker, BEAM)
    on_mark[label] = marked.share_on(found, boxes)
descriptions = {
    label: decoding.reranked(each)["description"] for label, each in candidates.items()
}

# %% [markdown]
# In each network, how many descriptions name the mark, and how many name a concept of each category? The intervals are
# Wilson's 95 percent intervals of a share.

# %%
kinds = {"the mark": audit.says(WORDS)}
for kind, _ in language.members:
    kinds[kind] = audit.of_category(kind, language)
counted = audit.counted(descriptions, kinds)
apart = audit.differ(counted, with_mark, without_mark)
with_it, without_it = counted.loc[counted["group"] == "the mark", "named"][:2]
title = f"The mark is named by {with_it} filters of the network trained with it"
title += f" and by {without_it} of the same network trained without"
charts.in_rows(counted, "group", "share", "network", title, "share of the filters")

# %%
tested, *further = apart, *list(networks)[2:]
if further:
    beside = audit.differ(counted, without_mark, further[-1])
    beside = beside.rename(columns={"p": "p "})
    tested = apart.merge(beside, on=["group", without_mark])
title = "Shares of filters, and Fisher's exact test between neighbors"
charts.table(tested, title)

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
# astray. We take the same validation images of the probe set without a mark, with the right one, and with that of
# another class. Here is one of them, with the network's answers:

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
# A mark also hides a part of the scene, and a network may be put off by a mark that it cannot read. How much, the
# network that was trained without marks shows. Both are tested on the first third of these images.

# %%
some = slice(0, max(len(others) // 3, 1))
rows = [(with_mark, *(each.right([[]])[0][some].mean() for each in tests.values()))]
other, its_layer = networks[without_mark]
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
# Now the edit. As validation images we take the training images of the probe set with the letter of a random scene, so
# that the letter says nothing. Filters are cut one after another, and the cut with the highest validation accuracy is
# kept, not the last one. We compare four orders:
#
# - *described*, the paper's: filters whose description names the mark, first the one whose removal alone leaves the
#   most validation images right;
# - *probable*, ours: all filters, first the one for which the describer would most probably name the mark. A
#   description is the best of many candidates; this asks how probable the candidates with the word are together;
# - *all, by effect*: all filters, first the one whose removal alone leaves the most validation images right. It reads
#   no description;
# - *random* orders of all filters.

# %%
from n2vlib.words import edit

which = marked.chosen(truth, "any", n_classes, SEED)
tampered, _ = marked.write(images, which, SEED)
validation = marked.answers(reader, place, classes, tampered, truth)
named = np.flatnonzero(audit.names(descriptions[with_mark], set(WORDS)))
if not len(named):
    raise n2vlib.BadInput(f"WORDS: no filter is described by {WORDS}; take other words")
chance = audit.probability(candidates[with_mark], set(WORDS))

# %%
every = np.arange(validation.n_filters)
most = len(every) // 2
ways = {
    "described": edit.by_effect(validation, named)[None],
    "probable": ablated.ranked(chance, SEED)[None, :most],
    "all, by effect": edit.by_effect(validation, every)[None, :most],
    "random": ablated.shuffles(every, RANDOM_SETS // 5 + 1, SEED)[:, :most],
}
points = edit.along(validation, tests, ways)
kept = edit.stopped(points)

# %% [markdown]
# ### By hand: the first cut
#
# The described filter that is cut first is the one whose removal alone leaves the most validation images right.

# %%
alone = [validation.accuracy([[k]])[0] for k in named]
assert named[int(np.argmax(alone))] == ways["described"][0, 0]
print(f"{len(named)} described filters; without filter {ways['described'][0, 0]} alone")
print(f"{max(alone):.3f} of the validation images are right, with all", end=" ")
print(f"{validation.accuracy([[]])[0]:.3f}")

# %%
by_n = points.groupby(["way", "n"], sort=False)["wrong mark"]
curves = by_n.mean().rename("accuracy").reset_index()
spread = by_n.quantile([0.025, 0.975]).unstack()
curves["low"], curves["high"] = spread.to_numpy().T
ends = kept.groupby("way", sort=False)[["n", "wrong mark"]].mean()
title = "Accuracy under a wrong mark where validation says stop:"
title += f" {ends.loc['probable', 'wrong mark']:.2f} in the order of the words,"
title += f" {ends.loc['all, by effect', 'wrong mark']:.2f} by effect,"
title += f" {ends.loc['random', 'wrong mark']:.2f} at random"
charts.lines(curves, "n", "accuracy", title, ("filters cut", "accuracy"), "way")

# %%
sets = {way: [] for way in ways}
for way, order_, n in kept[["way", "order", "n"]].itertuples(index=False):
    sets[way].append(ways[way][order_, :n].tolist())
sets["all that lie on the mark"] = [np.flatnonzero(on_mark[with_mark] > 0.3).tolist()]
rows = [
    edit.gains(each, sets, SEED).assign(images=label) for label, each in tests.items()
]
gained = pd.concat(rows)
wrong = gained[gained["images"] == "wrong mark"].set_index("way")

# %% [markdown]
# What each edit gains and costs. The last row reads no words either: all filters with more than three tenths of their
# masks on the mark, which can be found only by someone who knows where every mark is.

# %%
title = "Under a wrong mark, the order of the words gains"
title += f" {wrong.loc['probable', 'gain']:+.2f}"
charts.in_rows(gained, "images", "gain", "way", title, "gain in accuracy", at=0)

# %%
table = gained.pivot(index="way", columns="images", values="accuracy").loc[list(sets)]
table = table[list(hows)].assign(filters=wrong["filters"]).reset_index()
charts.table(table, "Accuracy after each edit; of random ones, the mean", digits=2)

# %% [markdown]
# What counts is the difference from random filters. For *described*, we draw as many of them, and order and stop them
# in the same way. The interval is over images and over random choices.

# %%
as_many = edit.random_orders(validation, len(named), RANDOM_SETS // 5 + 1, SEED)
as_many = edit.stops(validation, as_many)
ahead = {}
for way, by_chance in (("described", as_many), ("probable", sets["random"])):
    ahead[way] = edit.ahead(tests["wrong mark"], sets[way][0], by_chance, SEED)
    value, low, high = ahead[way]
    print(f"{way}: {value:+.3f} against random filters ({low:+.3f} to {high:+.3f})")

# %% [markdown]
# The order of the words is a rule that we chose after the paper's own had been tried on these images. So we test it
# once more, on validation images that played no part in that choice: those that are left over.

# %%
more_images, more_answers = marked.pictures(
    probe, classes, "val", IMAGES, left_over=True
)
which = marked.chosen(more_answers, "wrong", n_classes, SEED)
more_images, _ = marked.write(more_images, which, SEED)
fresh = marked.answers(reader, place, classes, more_images, more_answers)
value, low, high = edit.ahead(fresh, sets["probable"][0], sets["random"], SEED)
print(f"{len(more_images)} other images: {value:+.3f} ({low:+.3f} to {high:+.3f})")

# %% [markdown]
# ### When should one stop?
#
# Validation has to show that the mark is a mistake. If the validation images carry the right marks, as the training
# images did, reading them is no mistake, and validation keeps another cut.

# %%
asked = reader, place, classes, shown, truth
as_trained = marked.answers(*asked, maps[with_mark])
again = edit.along(as_trained, tests, {"probable": ways["probable"]})
two_ways = {"says nothing": points, "right, as in training": again}
rows = []
for label, each in two_ways.items():
    its = edit.stopped(each[each["way"] == "probable"]).iloc[0]
    rows.append((label, its["n"], *its[list(hows)]))
columns = ["mark on validation images", "filters cut", *hows]
charts.table(pd.DataFrame(rows, columns=columns), "Two validation sets, one order")

# %% [markdown]
# ## What we see

# %%
told = [
    f"those highest in {way} cost {'more' if by < 0 else 'less'} than random ones"
    for way, by in zip(clear["way"], clear["difference"], strict=True)
]
told = "; ".join(told) or "no property says which filters are needed"
print(f"Analyze: filters cut first, {told}.")
more = apart["p"][0] < 0.05
print(f"Audit: {with_it} filters of the network that learned the mark are named by it,")
print(f"{without_it} of the one that never saw it:", end=" ")
print("a clear difference." if more else "no clear difference.")

# %%
for way, (_, low, _) in ahead.items():
    helps = "helps more than" if low > 0 else "does not clearly help more than"
    print(f"Edit, {way}: cutting {helps} cutting random filters.")
reads_it = int((on_mark[with_mark] > 0.3).sum())
print(f"{reads_it} filters fire on the mark, {len(named)} descriptions name it;")
print(f"the filters that are cut by probability: {len(sets['probable'][0])}.")

# %% [markdown]
# The words are tested here, not assumed: each use is compared with the same done at random.
#
# A description says what a filter fires on among the images it is shown. A network that never saw a letter may have
# filters for strokes; shown letters, they are rightly described as filters for writing. So an audit needs the other
# network beside it, and the count alone says little.
#
# When many filters read a mark, none of them is missed alone. Then their order by single effects says little, and the
# words, which see all of them at once, say more. The best description of a filter may be too little for that: it is
# one of many candidates, and a filter for white strokes may be called a white thing. How probable the word is among all
# candidates uses more of what the describer knows.
#
# An edit also costs accuracy where there is no mark, since the same filters helped to see scenes. Under a wrong mark some
# accuracy stays lost, since a mark hides a part of the scene.
#
# ## Exercises
#
# 1. Cut the filters *lowest* in a property first. Is it the opposite?
# 2. Add `white` and `black` to `WORDS`: the letters are white with a black outline. What do more words find that is not
#    on the mark?
# 3. Replace the filters' values by their mean over unmarked images, and not by zero. Does the edit cost less
#    without a mark?
#
# ## Summary
#
# - Ranked by their descriptions, filters are cut in an order that has to beat random orders.
# - Descriptions say what filters fire on, whether it was in the training data or not; masks show whether they are true.
# - Where many filters share a mistake, words can find them together; single effects cannot.
# - An edit is as good as the validation that stops it.
#
# The [next chapter](control-by-language) turns from networks that see to one that draws.

# %%
n2vlib.provenance(probe=probe, network=network, layers={name: layer}, seed=SEED)
