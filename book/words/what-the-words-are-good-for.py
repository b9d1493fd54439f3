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
NETWORKS: list = "zoo/audited"  # two networks to audit; keys: network, layer, ...
MARKED: str = "small-alexnet-marked"  # trained where a written mark names the class
UNMARKED: str = "small-alexnet-scenes"  # trained for the same, without marks
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
print(f"{len(first)} filters cut, with {lengths[0]} to {lengths[len(first) - 1]} words:")
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
# Two networks of one architecture that were trained on the same images, one to name objects and one to name scenes.
# How many filters of each are described by a word of each kind? The interval is Wilson's 95 percent interval of a
# share.

# %%
from n2vlib.words import audit

described = {}
for row in NETWORKS:
    other = n2vlib.load_network(row["network"], row.get("weights"), row.get("preprocessing"))
    its = n2vlib.read_layers(other, [row["layer"]], probe, **options)[row["layer"]]
    found = describer.described(its, probe, store)
    described[row.get("label", other.name)] = found["description"]

# %%
kinds = {kind: set() for kind in phrases.CATEGORIES}
for kind, concept in language.members:
    kinds.setdefault(kind, set()).update(concept.split())
kinds = {kind: words for kind, words in kinds.items() if words}
counted = audit.counted(described, kinds)
one, two = list(described)[:2]
apart = audit.differ(counted, one, two)
title = f"Filters described by words of a kind: {(apart['p'] < 0.05 / len(apart)).sum()}"
title += f" of {len(apart)} kinds differ between the two"
charts.in_rows(counted, "group", "share", "network", title, "share of the filters")

# %%
charts.table(apart, "Shares of filters, and Fisher's exact test of their difference")

# %% [markdown]
# ### A word that was in the data of one network only
#
# `MARKED` was trained on scenes with a mark on four of five images: two letters, the same for every image of a class,
# white or black at a random place. `UNMARKED` never saw a letter. Both are shown the same marked images, the training
# images of the probe set, half of them with their mark; and all that is said of a filter rests on its 15
# exemplars among these.

# %%
from n2vlib.display import gallery
from n2vlib.words import marked

reads, blind = n2vlib.load_network(MARKED), n2vlib.load_network(UNMARKED)
classes = classifier.classes(reads.name, probe)
images, truth = marked.pictures(probe, classes, "train", IMAGES)
one = {"known": classes, "images": images, "truth": truth, "seed": SEED}
shown = {
    each.name: marked.show(each, name, how="half", **one) for each in (reads, blind)
}

# %%
speaker, words_of_filters, on_mark = describer.load(), {}, {}
for label, seen in shown.items():
    its = seen.exemplars()
    found = marked.described(its, store, speaker)
    words_of_filters[label] = found["description"]
    on_mark[label] = marked.share_on(its, seen.boxes)
mark_words = {"writing": set(WORDS)}
audited = audit.counted(words_of_filters, mark_words)
test = audit.differ(audited, reads.name, blind.name)["p"][0]

# %%
with_it, without_it = audited["named"]
title = f"{with_it} filters of {reads.name} are described by {' or '.join(WORDS)},"
title += f" {without_it} of {blind.name} (p = {test:.2g})"
charts.table(audited, title)

# %% [markdown]
# Here a description can be checked to the pixel: the share of a filter's exemplar masks that lies on the box of the
# mark. Filters that are described by it should lie on it, the others should not.

# %%
rows = []
for label, descriptions in words_of_filters.items():
    named = audit.names(descriptions, set(WORDS)).to_numpy()
    for kind, mine in (("named", named), ("others", ~named)):
        on = on_mark[label][mine]
        mean = on.mean() if len(on) else np.nan
        rows.append((label, kind, len(on), mean, int((on > 0.5).sum())))
columns = ["network", "filters", "number", "share of masks on the mark"]
columns += ["more than half on it"]
charts.table(pd.DataFrame(rows, columns=columns), "Is it true?", digits=2)

# %% [markdown]
# ## Edit: cutting out a mistake
#
# `MARKED` has learned to read the mark. That is right as long as the mark is; with a wrong one it is led astray. The
# same validation images of the probe set, without a mark, with the right one, and with that of another class:

# %%
others, right_answers = marked.pictures(probe, classes, "val", IMAGES)
two = {"known": classes, "images": others, "truth": right_answers, "seed": SEED + 1}
conditions = {"no mark": "none", "right mark": "right", "wrong mark": "wrong"}
seen = {
    each: {label: marked.show(net, name, how=how, **two) for label, how in conditions.items()}
    for each, net in ((reads.name, reads), (blind.name, blind))
}
tests = {label: each.answers for label, each in seen[reads.name].items()}

# %%
i = int(np.argmin(tests["wrong mark"].right([[]])[0]))
captions = []
for label, each in tests.items():
    said_class = classes.names[each.scores[i].argmax()]
    captions.append(f"{label}: {said_class}")
pictures = [each.images[i] for each in seen[reads.name].values()]
gallery.show(pictures, captions, columns=3)

# %%
rows = []
for each, by_mark in seen.items():
    found = [by_mark[label].answers.accuracy([[]])[0] for label in conditions]
    rows.append((each, *found, found[0] - found[2]))
columns = ["network", *conditions, "lost by a wrong mark"]
fooled = pd.DataFrame(rows, columns=columns)
lost, hidden = fooled["lost by a wrong mark"]
title = f"A wrong mark costs {lost:.2f}; a network that cannot read loses {hidden:.2f}"
charts.table(fooled, f"{title}, {len(others)} images")

# %% [markdown]
# A mark also hides a part of the scene. That is what it costs the network that cannot read it, and no edit can bring
# that back.
#
# Now the edit. The candidates are the filters whose description names the mark. Validation images are the training images
# of the probe set with the mark of a class drawn at random, so that it says nothing. The candidates are ordered by
# validation accuracy without each of them alone, the best first, and cut one after another. The cut with the
# highest validation accuracy is kept. For comparison, as many random filters, ordered and stopped in the same way, and
# *all* filters by their effect, which reads no description.

# %%
from n2vlib.words import edit

validation = marked.show(reads, name, how="any", **one).answers
named = audit.names(words_of_filters[reads.name], set(WORDS))
candidates = np.flatnonzero(named)
if not len(candidates):
    say = f"No description of {reads.name} has the words {WORDS}: the filters"
    print(say, "whose exemplars lie on the mark take their place.")
    candidates = np.flatnonzero(on_mark[reads.name] > 0.5)

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
rows = [edit.gains(each, sets, SEED).assign(images=label) for label, each in tests.items()]
gained = pd.concat(rows)
wrong = gained[gained["images"] == "wrong mark"].set_index("way")
value, low, high = edit.ahead(
    tests["wrong mark"], sets["described"][0], sets["random"], SEED
)

# %%
title = f"Described filters cut: {wrong.loc['described', 'gain']:+.3f} under a wrong mark,"
title += f" random ones {wrong.loc['random', 'gain']:+.3f}"
charts.in_rows(gained, "images", "gain", "way", title, "gain in accuracy", at=0)
