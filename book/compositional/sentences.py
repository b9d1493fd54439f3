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
# # Sentences
#
# *Sections 3 to 5, figures 3, 6, 7 and 9* {cite}`mu2020compositional`. Formulas are not bound to pictures. Mu and
# Andreas also explain the hidden units of a network that reads two sentences, a premise and a hypothesis, and says
# whether the second follows. There they found units whose formulas describe no meaning but a shortcut: *nobody* in the
# hypothesis counts as a sign of contradiction, whatever the premise says.
#
# *Questions.* Which formulas do such units have? Is the network wrong where units with simple formulas fire? And does
# the answer move as a formula says when one word is replaced?

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
SENTENCES: str = "drawn"  # drawn: ours; or a folder of your pairs, such as $N2V_SNLI
DRAWN_PAIRS: int = 3000  # of our sentences
WORD2VEC: str = None  # your word vectors, for neighbors, and to begin training on yours
SEARCHED: int = 128  # hidden units whose formulas are searched, drawn at random
LEAST: float = 0.05  # share of pairs on which a unit fires that is analysed
BEAM: int = 5  # formulas that are kept after each round of the search

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# No image is read here, so the parameters of probe set and network are not used.
#
# ## Sentences about scenes
#
# The paper's sentences are people's. Ours describe scenes of the drawn world: what is there, how many, in which color
# and where. A thing can also be called by its kind in our tree of hypernyms, a car *a vehicle*. A scene has at most
# three things of a kind, all of one color. *Two* is exactly two, *some* at least two, *a* at least one, and what a
# sentence does not name may be there or not. So it can be decided whether the hypothesis is true in every scene in
# which the premise is, in some, or in none:

# %%
import pandas as pd

from n2vlib import charts
from n2vlib.sentences.language import read, relation

premise = "two red cars and a dog on the street"
asked = ["a vehicle is outdoors", "there is a blue dog", "there are two blue cars"]
asked += ["two red cars and no dog are on the street"]
rows = [(premise, each, relation(read(premise), read(each))) for each in asked]
charts.table(pd.DataFrame(rows, columns=["premise", "hypothesis", "relation"]))

# %% [markdown]
# The last one shares nearly all its words with the premise and contradicts it. Our hypotheses imitate the habits of
# people who are asked to write one for each relation {cite}`gururangan2018annotation`: to contradict, they deny or
# exchange something, and for a neutral sentence they add something. We planted one cue that means nothing: a color
# that is exchanged becomes *purple* in half of the cases.
#
# ## The network
#
# As in the paper, the network is small. An LSTM reads both sentences; its last states $s_1$ and $s_2$ give the
# features $(s_1, s_2, s_1 - s_2, s_1 \odot s_2)$, which go through batch norm and one hidden layer of ReLU units to
# three scores. With `SENTENCES` naming a folder of your own pairs, a network of this form is trained on them first, a
# fifth of the premises held out (a minute or two for 10,000 pairs, once).

# %%
from n2vlib.sentences import pairs as sentence_pairs
from n2vlib.sentences import training

store = n2vlib.Store(STORE)
loaded = training.reader_of(SENTENCES, DRAWN_PAIRS, store, SEED, WORD2VEC)
reader, pairs, held_out = loaded
drawn = SENTENCES == training.DRAWN
reading = reader.read(pairs)
right = reading.answers == pairs["gold"].to_numpy()
of_class = pd.Series(right[held_out]).groupby(pairs.loc[held_out, "gold"].to_numpy())

# %%
commonest = pairs.loc[held_out, "gold"].value_counts(normalize=True).max()
rows = [("all pairs", right[held_out].mean()), *of_class.mean().items()]
rows += [("always the commonest class", commonest)]
if drawn:
    plain = sentence_pairs.drawn(1000, sentence_pairs.HELD_OUT_SEED, lures=False)
    rows += [("hypotheses without these habits", training.accuracy(reader, plain))]
columns = ["held-out pairs", "accuracy"]
charts.table(pd.DataFrame(rows, columns=columns), f"{len(reading.units[0])} units")

# %% [markdown]
# ## Concepts
#
# > A unit's mask is where its activation is above 0. Concepts are the words of premise and hypothesis, their parts of
# > speech, and how much the two overlap; NEIGHBORS joins a word and its five nearest by word vectors
# > {cite}`mu2020compositional`.
#
# A pair of sentences takes the place of a pixel. Pairs with the same concepts are one atom, and the search is the
# same. `overlap-50%` holds where more than half of the different words of both sentences are in both. (The released
# program divides by the words that are in only one of them, so its shares are larger: the second table compares the
# two.)

# %%
import numpy as np

from n2vlib.sentences import concepts, units
from n2vlib.spaces import word2vec

vectors = reader.vectors
if WORD2VEC is not None:
    vectors = word2vec.of_words(reader.words[2:], WORD2VEC)
held = concepts.concepts(pairs, vectors=vectors)
by_category = held.table.groupby("category", sort=False).size()
print(", ".join(f"{n:,} of category {name}" for name, n in by_category.items()))
print(f"{len(pairs):,} pairs, {len(held.sizes):,} atoms")

# %%
rows = []
for name, released in (("of all words of both", False), ("as released", True)):
    share = [
        100 * concepts.overlap(one, other, released)
        for one, other, *_ in concepts.split(pairs)
    ]
    rows.append((name, *(np.mean(np.array(share) > n) for n in concepts.LEVELS)))
columns = ["overlap", *(f"over {level}%" for level in concepts.LEVELS)]
charts.table(pd.DataFrame(rows, columns=columns), "Share of pairs")

# %% [markdown]
# ## Dead units
#
# The paper analyses units that fire on at least 500 of 10,000 pairs, a twentieth (`LEAST`), since many of its units are
# dead.

# %%
charts.table(units.activity(reading.fires, LEAST), f"Of {len(reading.units[0])} units")

# %%
rng = np.random.default_rng(SEED)
enough = units.analysed(reading.fires, LEAST)
chosen = np.sort(rng.permutation(enough)[:SEARCHED])
counts = held.counts(reading.fires[:, chosen])

# %% [markdown]
# ## By hand, one unit and one concept
#
# The unit that fits a single concept best, counted pair by pair:

# %%
from n2vlib.compositional import beam

LENGTH = 10  # longest formula; the paper's tables show 5

found = beam.search(counts, LENGTH, beam=BEAM).dropna(subset="formula")
one = found.loc[found["allowed"] == 1].nlargest(1, "iou").iloc[0]
unit, name = chosen[one["unit"]], str(one["formula"]).strip('"')
any_of = held.near.get(name, [name])
described = held.describe(concepts.split(pairs))
holds = np.array([any(part in each for part in any_of) for each in described])
fires = reading.units[:, unit] > 0
by_hand = (fires & holds).sum() / (fires | holds).sum()
assert np.isclose(by_hand, one["iou"])
print(f"Unit {unit} and {name}: IoU {by_hand:.3f}")

# %% [markdown]
# ## Formulas of units
#
# The units of our network that fit a formula of five concepts best, with their weights to each class, and units that
# the paper shows:

# %%
five = found.loc[found["allowed"] == 5].assign(unit=lambda t: chosen[t["unit"]])
shown = five.merge(reader.weights.reset_index(), on="unit").nlargest(12, "iou")
shown = shown.assign(formula=shown["formula"].map(str))
columns = ["unit", "formula", "iou", *reader.weights]
charts.table(shown[columns], "Formulas of up to five concepts")

# %%
from n2vlib import published

stated = published.table("compexp_nli_units")
charts.table(stated.drop(columns=["figure", "tag"]), "Published, figures 6 and 9")

# %% [markdown]
# ## How long, how good?
#
# The paper's curve for sentences still rises at thirty concepts. Grey: what the search finds where there is nothing to
# find, because the concepts of each pair were dealt to another pair.

# %%
few = rng.permutation(len(chosen))[:16]
dealt = held.counts(reading.fires[rng.permutation(len(pairs))][:, chosen[few]])
some = held.counts(reading.fires[:, chosen[few]])
longest = beam.search(some, 30, beam=BEAM)
curves = {
    "all units searched": found,
    f"{len(few)} of them": longest,
    "chance: concepts of other pairs": beam.search(dealt, LENGTH, beam=BEAM),
}

# %%
means = pd.concat(
    table.groupby("allowed", as_index=False)["iou"].mean().assign(series=name)
    for name, table in curves.items()
)
at = longest.groupby("allowed")["iou"].mean()
title = f"From 10 to 30 concepts IoU rises by {at[30] - at[10]:.3f}"
axes = ("longest formula allowed, concepts", "mean IoU over units")
charts.lines(means, "allowed", "iou", title, axes, series="series")

# %% [markdown]
# ## When the unit fires, is the network right?
#
# The paper finds that the better a formula of three fits, the less accurate the network is where the unit fires:
# simple rules would be shortcuts. But how often a unit fires is tied to both. So the second correlation holds the rate
# of firing constant, and the third also the accuracy that the classes of these pairs alone lead us to expect.

# %%
from n2vlib.compositional import accuracy

gold = pd.Categorical(pairs["gold"]).codes[held_out]
on = accuracy.by_unit(reading.fires[held_out][:, chosen], right[held_out], gold)
table = found.merge(on, on="unit")
given = {"alone": [], "rate held constant": ["rate"]}
given |= {"rate and classes held constant": ["rate", "expected"]}
rows = []
for allowed, group in table.groupby("allowed"):
    for name, others in given.items():
        constant = [group[each] for each in others]
        r = accuracy.correlation(group["iou"], group["accuracy"], constant, seed=SEED)
        rows.append({"allowed": allowed, "correlation": name} | r)
r_by_length = pd.DataFrame(rows)

# %%
claims = published.table("compexp_quantitative_claims").set_index("claim_id")["value"]
three = r_by_length.query("allowed == 3").drop(columns=["allowed", "n"])
stated = {"correlation": "published, sentences of people", "r": float(claims["ce_c6"])}
both = pd.concat([pd.DataFrame([stated]), three], ignore_index=True)
charts.table(both, "IoU of formulas of three with accuracy while the unit fires")

# %%
group = table.query("allowed == 3")
with_rate = {
    name: accuracy.correlation(group[name], group["rate"], draws=0)["r"]
    for name in ("iou", "accuracy")
}
print(f"With the rate of firing, IoU correlates by {with_rate['iou']:+.2f},")
print(f"accuracy by {with_rate['accuracy']:+.2f}.")

# %%
shown = table.query("allowed == 3")
shown = shown.assign(unit=chosen[shown["unit"]], formula=shown["formula"].map(str))
title = f"r = {three['r'].iloc[0]:.2f}, rate held constant {three['r'].iloc[1]:.2f}"
axes = ("IoU of a formula of three", "accuracy where the unit fires")
charts.scatter(shown, "iou", "accuracy", title, axes, tip=["unit", "formula", "rate"])

# %%
axes = ("longest formula allowed, concepts", "r of IoU and accuracy")
title = "Correlation by length of formulas"
charts.lines(r_by_length, "allowed", "r", title, axes, series="correlation")

# %% [markdown]
# ## Words that give the class away
#
# Which words of a hypothesis go with a class? We rank them by pointwise mutual information, with 100 added to each
# count. In people's sentences *sleeping* and *nobody* lead for contradiction, as the paper says.

# %%
words = units.class_words(pairs)
rows = [
    (name, *(f"{word} {value:+.2f}" for word, value in words[name].nlargest(4).items()))
    for name in words
]
charts.table(pd.DataFrame(rows, columns=["class", *range(1, 5)]))

# %% [markdown]
# Does the planted cue work? We replace every color in the hypotheses by the same one, and the table counts how often
# the network then finds a contradiction where there is none. (In your own sentences nothing is planted.)

# %%
from n2vlib.sentences import edits, language

unread = pairs.loc[held_out].reset_index(drop=True)
rows = []
for color in language.COLORS if drawn else ():
    again = edits.recolored(unread.head(600), color)
    consistent = again.loc[again["gold"] != "contradiction"]
    wrong = (reader.read(consistent).answers == "contradiction").mean()
    rows.append((color, len(consistent), wrong))
columns = ["color", "pairs", "contradiction found"]
table_of_colors = pd.DataFrame(rows, columns=columns)
charts.table(
    table_of_colors.sort_values("contradiction found", ascending=False),
    "Pairs without a contradiction",
)

# %% [markdown]
# ## Kinds of rules
#
# The paper shows a unit for gender, one for overlap, and some for verbs. How many are of such a simple kind? A formula
# of two concepts counts for a kind if both belong to it. By chance: the same concepts dealt to other formulas.

# %%
families = units.families(drawn)
two = found.loc[found["allowed"] == 2, "formula"]
kinds = units.kinds([each for each in two if each.length == 2], families, seed=SEED)
charts.table(kinds, "Formulas of two concepts, by kind")

# %% [markdown]
# ## Edited sentences
#
# The paper edits one word so that a unit fires or falls silent, and the answer moves. It shows four examples; here it
# is done for many units and pairs. An *edit* replaces one word so that the unit's formula of three begins or ceases to
# hold. Its *control* replaces the same word in a way that leaves the formula as true or false as it was (or another
# word of that sentence, where no replacement does so). The answer should move towards the class of the unit's largest
# weight, or away from it.

# %%
formulas = table.query("allowed == 3").set_index("unit")["formula"]
formulas.index = chosen[formulas.index]
edited = formulas.loc[rng.permutation(formulas.index)[: SEARCHED * 3 // 8]]
made = edits.edited(reader, unread, held, edited, drawn=drawn, seed=SEED)
effects = edits.effects(made)
charts.table(effects, f"{len(edited)} units")

# %% [markdown]
# Much of that is as it should be: when a word is replaced, the right answer often changes, too. For our sentences the
# right answer is known, so here are only the edits that leave it unchanged. Where the network's answer changes there,
# it is wrong before or after.

# %%
if drawn:
    stays = made["gold"] == made["gold_before"]
    shown = charts.table(edits.effects(made[stays]), "The right answer stays as it was")
else:
    shown = "For edited sentences of yours the right answer is not known."
shown

# %%
moved = made.assign(sign=np.where(made["direction"] == edits.DIRECTIONS[0], 1, -1))
by_unit = (moved["moved"] * moved["sign"]).groupby([moved["unit"], moved["edit"]])
gain = by_unit.mean().unstack().eval("edit - control").dropna().to_numpy()
draws = gain[rng.integers(0, len(gain), (2000, len(gain)))].mean(1)
low, high = np.quantile(draws, [0.025, 0.975])
print(
    f"Edits move the probability of the class by {gain.mean():+.3f} more than controls"
)
print(f"(95% interval over {len(gain)} units: {low:+.3f} to {high:+.3f}).")

# %% [markdown]
# The paper's figure 9 shows four edits, with the answers before and after. Below it are three of ours in which the
# answer became the unit's class.

# %%
stated = published.table("compexp_nli_examples").query("figure == 'Fig. 9'")
formula_of = published.table("compexp_nli_units").set_index("unit")["formula"]
stated = stated.assign(formula=stated["unit"].map(formula_of))
columns = ["unit", "formula", "edited_side", "pred_before", "pred_after"]
charts.table(stated[columns], "Published, figure 9")

# %%
won = made.query(
    "edit == 'edit' and answered != answered_before and answered == toward"
)
won = won.sort_values("moved", ascending=False).drop_duplicates("unit").head(3)
answers = won["answered_before"] + " → " + won["answered"]
formula = won["unit"].map("{}: ".format) + won["unit"].map(edited).map(str)
won = won.assign(formula=formula, answers=answers)
columns = ["formula", "replaced", "premise", "hypothesis", "answers", "gold"]
caption = "This run: unit and formula; sentences as edited; answers before and after;"
charts.table(won[columns], f"{caption} gold: the right one now")

# %% [markdown]
# ## What we see

# %%
every = units.activity(reading.fires, LEAST).set_index("fires")["units"]
dead = every.sum() - every["on enough"] - every["always"]
simple = kinds.loc[kinds["kind"] != "other", ["units", "by chance"]].sum()
print(
    f"{dead} of {every.sum()} units are dead or fire on too few pairs. Formulas of two"
)
print(
    f"that are of one kind: {simple['units']:.0f}, by chance {simple['by chance']:.1f}."
)

# %%
follows = effects.groupby("edit")["unit_follows"].mean()
alone, constant = three["r"].iloc[:2]
print(f"The unit does as its formula says after {follows['edit']:.0%} of the edits")
print(f"and {follows['control']:.0%} of the controls. IoU and accuracy correlate by")
print(f"{alone:+.2f}, and by {constant:+.2f} with the rate of firing held constant.")

# %% [markdown]
# The paper reads a negative correlation as a sign of shortcuts. But a unit that fires on many pairs has a mask that
# many formulas fit, and an accuracy close to that of all pairs; a rare unit can be far above it. So the correlation
# has to be read with the rate of firing held constant. What a formula says of a unit is seen best where it can be
# wrong: after edits, beside their controls. A unit that follows its formula does not do so always, since an IoU is
# seldom near 1.
#
# ## Exercises
#
# 1. Give your own word vectors, `WORD2VEC=path`. Which NEIGHBORS enter the formulas?
# 2. Read `overlap(..., released=True)` and give `concepts.concepts` the same switch. Do formulas name overlap more often?
# 3. Train on `pairs.drawn(..., lures=False)`. Is there still a unit for *nobody*?
#
# ## Summary
#
# - A search by atoms serves sentences as it serves pictures: a pair takes the place of a pixel.
# - Units of a network that reads sentences have formulas of words, and some are shortcuts.
# - How often a unit fires is tied to both IoU and accuracy: hold it constant before you compare them.
# - Edits test a formula: where we planted a cue, the network follows it against what the sentences say.

# %%
n2vlib.provenance(network=reader, seed=SEED)
