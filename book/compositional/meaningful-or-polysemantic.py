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
# # Meaningful or polysemantic?
#
# *Section 4* {cite}`mu2020compositional`. *Skyscraper OR lighthouse OR water tower* is one idea in three words.
# *Bakery OR bank vault OR shopfront* may be three ideas in one neuron, which is then *polysemantic*. The authors read
# the formulas of a sample of neurons and sorted them by hand.
#
# *Questions.* Are the parts of an OR of one kind, more often than in formulas that chance finds? And where the formula
# of a unit is known because we made the unit from it, does the search find it again?
#
# Nobody has rated the formulas of our filters. This chapter writes a page on which you can, and measures what needs no
# rater.

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
BEAM: int = 5  # formulas that are kept after each round of the search
PERMUTATIONS: int = 2  # times that the annotations are dealt to other images
RATINGS: str = None  # a CSV of answers saved by the rating page; null: nobody has rated
RATED: int = 16  # filters on the rating page; the paper: 128
WORDNET: str = None  # folder of your copy of WordNet; null: our tree of hypernyms

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# ## What the paper counts
#
# > Most neurons with formulas of ten concepts are judged meaningful: the parts are alike in meaning and in looks, or in
# > looks only, or the formula narrows one concept (*specialization*). The others are polysemantic
# > {cite}`mu2020compositional`.

# %%
import pandas as pd

from n2vlib import charts, published

types = published.table("compexp_neuron_types")
types["computed"] = 100 * types["count"] / types["of"]
printed = {"percent_as_printed": "printed, %", "computed": "computed, %"}
charts.table(types.rename(columns=printed), "Judged by the authors", digits=1)

# %%
from scipy.stats import binomtest

types = types.set_index("group")
n_judged = int(types["count"]["sampled neurons"])
n_meaningful = int(types["count"]["meaningful"])
kinds = types[types["of"] == n_meaningful]
assert kinds["count"].sum() == n_meaningful
others = 100 * (1 - n_meaningful / n_judged)
assert round(others) == types["percent_as_printed"]["polysemantic"]
ci = binomtest(n_meaningful, n_judged).proportion_ci(method="wilson")
off = (types["computed"] - types["percent_as_printed"]).abs()
print(f"{n_meaningful} of {n_judged} are {n_meaningful / n_judged:.1%};", end=" ")
print(f"95% interval for all neurons {ci.low:.0%} to {ci.high:.0%}.")
print(f"Largest gap, printed to computed: {off.idxmax()}, {off.max():.1f} points.")

# %% [markdown]
# The interval covers only the choice of neurons; other raters would widen it. What the same raters would have said
# about formulas that mean nothing is not reported.
#
# ## How near two concepts are
#
# To judge formulas without a rater, we need a measure of how alike two concepts are. First the layers and the tree of
# hypernyms that it is read from:

# %%
from n2vlib.compositional import beam, explain, similarity, trust

probe = n2vlib.load_probe(PROBE)
n2vlib.need(probe, "pixel maps", concepts=3)
hypernyms = similarity.hypernyms(probe, WORDNET)
network = n2vlib.load_network(NETWORK, WEIGHTS, PREPROCESSING, SEED)
store = n2vlib.Store(STORE)
options = {"tau": TAU, "device": DEVICE, "store": store}
layers = n2vlib.read_layers(network, LAYERS, probe, **options)

# %%
LENGTHS = (3, 10)  # longest formulas allowed; the paper's raters saw ten

measured = {name: explain.Filters(layer, probe) for name, layer in layers.items()}
every = {name: each.counts() for name, each in measured.items()}
last = LAYERS[-1]
concepts = every[last].concepts
similar = similarity.of_concepts(hypernyms, concepts)

# %% [markdown]
# The field's usual measure of how alike two words are in a tree of hypernyms is that of Wu and Palmer
# {cite}`wu1994verb`. The depth of a concept is the number of nodes on its path from the root, both ends counted. With
# $c$ the lowest node above both $a$ and $b$,
#
# $$
# s(a, b) = \frac{2\, \mathrm{depth}(c)}{\mathrm{depth}(a) + \mathrm{depth}(b)} .
# $$ (eq-wu-palmer)
#
# It is 1 for a concept with itself. We call two concepts *kin* if $s > 1/2$, so that they share more than half of
# their two paths, and *strangers* otherwise. The tree is ours, written for the drawn world; `WORDNET` names a copy of
# WordNet instead. By hand, for the nearest pair of concepts, two pairs in between and the farthest:

# %%
import numpy as np

above = hypernyms > 0
number = pd.Series(concepts.index, index=concepts["name"])


def by_hand(one, other):
    """Wu and Palmer's similarity of two concepts, by name."""
    a, b = above.loc[number[one]], above.loc[number[other]]
    return 2 * (a & b).sum() / (a.sum() + b.sum())


# %%
upper = similar.where(np.triu(np.ones(similar.shape, bool), 1)).stack().dropna()
order = upper.sort_values(ascending=False, kind="stable").index
pairs = [order[0], order[len(order) // 4], order[len(order) // 2], order[-1]]
rows = [(one, other, by_hand(one, other)) for one, other in pairs]
assert all(np.isclose(value, similar.loc[a, b]) for a, b, value in rows)
share = (upper > similarity.KIN).mean()
title = f"Similarity of two concepts; of all {len(upper):,} pairs, {share:.0%} are kin"
charts.table(pd.DataFrame(rows, columns=["one", "other", "similarity"]), title)

# %% [markdown]
# ## The parts of an OR
#
# Which concepts of a formula are compared? Those of which the formula asks for one *or* the other. In *(car OR bus)
# AND NOT road* these are *car* and *bus*; the road only says which cars. The search finds formulas of up to three and
# ten concepts for the filters of every layer. As a comparison by chance, the same search runs after the annotations
# were dealt to other images; what it finds then means nothing.


# %%
def of_layers(search):
    """What a search finds for the filters of each layer, in one table."""
    tables = {name: search(name) for name in LAYERS}
    return pd.concat(tables, names=["layer"]).reset_index("layer")


longest = LENGTHS[-1]
found = of_layers(lambda name: beam.search(every[name], longest, beam=BEAM))
options = {"beam": BEAM, "permutations": PERMUTATIONS, "seed": SEED}
dealt = of_layers(lambda name: trust.by_chance(measured[name], longest, **options))

# %%
category = concepts.set_index("name")["category"][similar.index].to_numpy()
of_one = similar.where(category[:, None] == category)
KNOWN = {"all": similar, "one category": of_one}


def judged(table, pairs):
    """Formulas of both lengths, with what the tree says of the pairs that count."""
    both = table[table["allowed"].isin(LENGTHS)]
    return similarity.of_formulas(both, KNOWN[pairs])


# %%
ours = {pairs: judged(found, pairs) for pairs in KNOWN}
chance = {pairs: judged(dealt, pairs) for pairs in KNOWN}
rows = []
for n in LENGTHS:
    every_pair, narrow, random = (
        table[table["allowed"] == n] for table in (*ours.values(), chance["all"])
    )
    total = max(every_pair["pairs"].sum(), 1)
    shares = [(every_pair["pairs"] > 0).mean(), (random["pairs"] > 0).mean()]
    shares += [every_pair["judged"].sum() / total, narrow["judged"].sum() / total]
    rows.append((n, len(every_pair), *(round(100 * share) for share in shares)))
columns = ["length", "filters", "with OR, %", "with OR by chance, %"]
columns += ["pairs in the tree, %", "of one category, %"]
charts.table(pd.DataFrame(rows, columns=columns), "What can be judged, all layers")

# %% [markdown]
# A formula without an OR has no parts to compare; its meaning is one concept, narrowed. And a tree of kinds cannot say
# whether a *wheel* and a *car* belong together. One is a part of the other, not a kind of it, so the two have only the
# root in common, like any two concepts of different categories. So everything below is measured twice, over all pairs
# and over pairs of one category.
#
# ## Kin or strangers?
#
# We call a formula kin if the mean similarity of its pairs is above one half. The first table has the mean similarity
# itself, which does not depend on that threshold. *By chance* is the mean over the dealt annotations for each filter.
# Intervals are bootstraps over filters; the difference is over the filters where both can be judged.

# %%
from itertools import product

from n2vlib import tables

FEWEST = 10  # filters; a bootstrap over fewer says little


def interval(values):
    """Mean and 95% interval over filters, as text."""
    if len(values) < FEWEST:
        return f"fewer than {FEWEST} filters"
    low, high = tables.bootstrap_mean(values.to_numpy(), SEED)
    return f"{values.mean():.2f} ({low:.2f} to {high:.2f})"


# %%
def by_filter(table, n):
    """Mean similarity and share of kin of each filter that can be judged."""
    some = table[table["allowed"] == n].dropna(subset="kin")
    return some.groupby(["layer", "unit"])[["similarity", "kin"]].mean()


# %%
def beside(column):
    """A column for filters and by chance, by length and pairs."""
    rows = []
    for n, pairs in product(LENGTHS, KNOWN):
        one, other = (by_filter(each[pairs], n)[column] for each in (ours, chance))
        more = (one - other).dropna()
        rows.append(
            (n, pairs, len(one), interval(one), interval(other), interval(more))
        )
    columns = ["length", "pairs", "filters", column, "by chance", "difference"]
    return pd.DataFrame(rows, columns=columns)


# %%
charts.table(beside("similarity"), "Mean similarity of a formula's pairs, all layers")

# %%
charts.table(beside("kin"), "Share of formulas whose OR joins kin, all layers")

# %%
DEALT = "chance: annotations of other images"
series = {"filters": ours["all"], DEALT: chance["all"]}
rows = []
for label, table in series.items():
    for name, each in by_filter(table, longest).groupby("layer"):
        if len(each) < FEWEST:
            continue
        low, high = tables.bootstrap_mean(each["kin"].to_numpy(), SEED)
        rows.append((name, label, each["kin"].mean(), low, high))
shares = pd.DataFrame(rows, columns=["layer", "series", "share", "low", "high"])
shares = shares.sort_values("layer", key=lambda names: names.map(LAYERS.index))
title = f"Formulas of up to {longest} concepts whose OR joins kin, all pairs"
charts.by_layer(shares, "share", title, "share of kin", "series", ".0%")

# %% [markdown]
# ## A page for raters
#
# The rating page of [Network Dissection](../netdissect/human) takes formulas, too: fifteen images with the filter's
# mask, the formula in words, and the paper's four answers. `RATED` filters of the last layer are on it. A quarter of
# them carry the formula that chance found for them, which the page does not reveal. If raters call these meaningful as
# well, the word means little.

# %%
from n2vlib import rating_page
from n2vlib.analysis import rating

layer = layers[last]
enough = (layer.highest > layer.thresholds).sum(axis=0) >= rating.PATCHES


def of_last(table):
    """The longest formulas of the filters with fifteen images to show, by filter."""
    mine = table[(table["layer"] == last) & (table["allowed"] == longest)]
    mine = mine[enough[mine["unit"].to_numpy()]].dropna(subset="formula")
    return mine.set_index("unit")["formula"].map(str)


# %%
own, control = of_last(found), of_last(dealt[dealt["permutation"] == 0])
own, control = own.align(control, join="inner")
about = {"network": layer.network, "layer": last, "filter": own.index, "category": ""}
named, wrong = (
    pd.DataFrame({**about, "label": labels.to_numpy(), "asked": asked})
    for labels, asked in ((own, "own formula"), (control, "formula by chance"))
)
questions = rating.draw_questions(named, RATED, SEED, wrong)


# %%
def shown(question):
    """Images and masks of one question."""
    way = {"convention": explain.COMPEXP}
    images, masks = rating.patches(layer, probe, question.filter, **way)
    return [probe.image(int(image)) for image in images], masks


file = f"build/rating/{probe.name}-{network.name.rpartition(':')[2]}-formulas.html"
pictures = (shown(each) for each in questions.itertuples())
wording = rating_page.FORMULAS
written = rating_page.write(file, questions, pictures, wording=wording)
print(f"{file}: {len(questions)} questions, {written.stat().st_size / 1e6:.1f} MB")

# %% [markdown]
# The longest question of the page, with five of its fifteen images:

# %%
from n2vlib.display import gallery

question = max(questions.itertuples(), key=lambda each: len(each.label))
images, masks = shown(question)
said = rating_page.formula_in_words(question.label)
captions = [f"filter {question.filter}"] * 5
shape = {"columns": 5, "heading": f"{said}: do the parts belong together?"}
gallery.show(images[:5], captions, predicted=masks[:5], **shape)

# %% [markdown]
# Run this chapter on your machine, open that file, answer with the keys 1 to 4 (`s` skips), save the answers as CSV, and
# run the chapter again:
#
#     python -m n2vlib run meaningful-or-polysemantic -p RATINGS=ratings-Ann.csv
#
# Without a file, a program answers, so that you can see how answers are read. It knows the tree and looks at no image:
# strangers are *polysemantic*, kin and single concepts *lexical and perceptual*, formulas without OR *specialization*.

# %%
from n2vlib.compositional.formula import parse
from n2vlib.files import cells


def by_program(label):
    """What the tree says of a formula, in the words of the page."""
    formula = parse(label)
    one = similarity.of_formulas(pd.DataFrame({"formula": [formula]}), similar)
    if not one["pairs"][0]:
        return rating.MEANINGFUL[0 if formula.length == 1 else 2]
    if not one["judged"][0]:
        return rating.SKIP
    return rating.MEANINGFUL[0] if one["kin"][0] else "polysemantic"


# %%
saved = RATINGS
if RATINGS is None:
    given = [by_program(label) for label in questions["label"]]
    answers = questions.assign(rater=rating.AUTOMATIC, answer=given)[rating.COLUMNS]
    saved = written.with_suffix(".csv")
    lines = cells.as_csv([rating.COLUMNS, *answers.to_numpy().tolist()])
    saved.write_text(lines, encoding="utf-8")
answers = rating.read(saved, questions, rating.JUDGEMENTS)

# %%
votes = rating.shares(answers, SEED, rating.MEANINGFUL).query("category == 'all'")
stated = types.loc["meaningful", "percent_as_printed"] / 100
paper = {"asked": "published, people, other data", "filters": n_judged}
paper |= {"share": stated, "low": ci.low, "high": ci.high}
both = pd.concat([votes, pd.DataFrame([paper])])
who = ", ".join(sorted(set(answers["rater"])))
title = f"Share of meaningful; rater: {who}"
charts.table(both[["asked", "filters", "share", "low", "high"]], title, digits=2)

# %%
if RATINGS is None:
    print("RATINGS is null: nobody has rated these formulas. A program answered, which")
    print("looks at the tree only. Its share is no share of what people would accept.")
counted = answers.groupby("asked")["answer"].value_counts().unstack(fill_value=0)
charts.table(counted.reset_index(), f"Answers; rater: {who}")

# %% [markdown]
# ## Planted filters
#
# What would these numbers be if we knew the truth? We make units from formulas: one concept, an OR of kin, an OR of
# strangers, an AND NOT, each drawn so that every part of it matters (at least a fifth of the mask). Then a share of a
# unit's pixels is moved to where the formula does not hold,
#
# - *pixel by pixel*, at random,
# - or *by surroundings*: all pixels that show the same concepts together, as with a filter that misses a thing wherever
#   it is blue, and fires on something else wherever that is green.
#
# Moving the share $r$ of its pixels one by one leaves an IoU of $(1 - r) / (1 + r)$ with the formula:

# %%
from n2vlib.compositional import planted

EACH, MOVED = 20, (0.0, 0.1, 0.2, 0.4, 0.6)  # units of a kind; share of pixels moved

counts = every[last]
truth = planted.formulas(counts, similar, EACH, SEED)
formulas = list(truth["formula"])
r = MOVED[2]
units = planted.units(counts, formulas, r, seed=SEED)
iou = np.array([units.iou(unit, formula) for unit, formula in enumerate(formulas)])
assert (np.abs(iou - (1 - r) / (1 + r)) <= 1 / units.areas).all()  # whole pixels
print(f"{len(truth)} units, of which {r:.0%} is moved: mean IoU {iou.mean():.3f}.")

# %% [markdown]
# Is the planted formula found again? *Found exactly*: the search may use three concepts, as for a filter, and its
# formula has the planted mask, however it is written. *Of its length*: the same with no more concepts than were
# planted. *Its concepts are there*: the formula has all planted concepts, or the planted mask.

# %%
again = pd.concat(
    planted.recovered(counts, truth, moved, by=by, beam=BEAM, seed=SEED)
    for by in planted.BY
    for moved in MOVED
)
without = again[again["moved"] == 0]
missed = list(without.loc[~without["exactly"], "formula"])
print(f"Without noise {without['exactly'].mean():.0%} are found again.", *missed)

# %% [markdown]
# Without noise all should be found. If one is not, the beam was too narrow, since its formula fits perfectly; an exact
# search shows that:

# %%
from n2vlib.compositional import exact

assert (without["planted_iou"] == 1).all()
if missed:
    unreached = planted.units(counts, missed, 0.0)
    assert (exact.search(unreached)["iou"] == 1).all()

# %%
PANELS = {
    ("pixel", "exactly"): "pixel by pixel: found exactly",
    ("atom", "exactly"): "by surroundings: found exactly",
    ("atom", "own_length"): "by surroundings: of its length",
    ("atom", "there"): "by surroundings: its concepts are there",
}
shares = again.groupby(["by", "moved", "kind"], sort=False)[
    ["exactly", "own_length", "there"]
].mean()
rows = [
    shares.loc[by, column].rename("share").reset_index().assign(panel=panel)
    for (by, column), panel in PANELS.items()
]

# %%
axes = ("share of the unit's pixels moved", "share of units")
title = "Planted formulas found again, by kind and noise"
note = f"{EACH} units of each kind, at most; formulas of up to three concepts."
lines = pd.concat(rows)
shape = {"by": "panel", "series": "kind", "columns": 2, "note": note}
charts.small_lines(lines, "moved", "share", title=title, axes=axes, **shape)

# %% [markdown]
# And what does the tree say of the formulas that were found, where we know what was planted? A measure of kinship is
# useful only if it is still right for formulas that are no longer exact.

# %%
verdict = similarity.of_formulas(
    again[["kind", "moved", "by", "formula"]].assign(formula=again["found"]), similar
)
verdict = verdict.assign(**{"with OR, %": 100 * (verdict["pairs"] > 0)})
verdict["of these kin, %"] = 100 * verdict["kin"]
noisy = verdict[(verdict["by"] == "atom") & verdict["moved"].isin(MOVED[::2])]
columns = ["with OR, %", "of these kin, %"]
groups = noisy.groupby(["kind", "moved"], sort=False)[columns].mean().reset_index()
groups = groups.rename(columns={"kind": "planted", "moved": "share moved"})
title = "What the tree says of formulas found under noise by surroundings"
charts.table(groups, title, digits=1, rows=len(groups))

# %% [markdown]
# ## What we see

# %%
with_or = {
    label: 100 * (table.loc[table["allowed"] == longest, "pairs"] > 0).mean()
    for label, table in series.items()
}
print(
    f"Up to {longest} concepts: {with_or['filters']:.0f}% of the formulas have an OR;"
)
print(f"by chance, {with_or[DEALT]:.0f}% do.")

# %%
rows = []
for pairs in KNOWN:
    one, other = (by_filter(each[pairs], longest)["kin"] for each in (ours, chance))
    more = (one - other).dropna()
    low, high = tables.bootstrap_mean(more.to_numpy(), SEED)
    sure = "above chance" if low > 0 else "below chance" if high < 0 else "as by chance"
    rows.append((pairs, interval(more), sure if len(more) >= FEWEST else "not decided"))
columns = ["pairs", "share of kin, minus chance", "so"]
charts.table(pd.DataFrame(rows, columns=columns), "Are the parts of an OR of one kind?")

# %%
found = shares.xs(MOVED[2], level="moved")[["exactly", "there"]].groupby("by").mean()
found = found.rename({"pixel": "pixel by pixel", "atom": "by surroundings"})
found.columns = ["found exactly", "all planted concepts in the formula"]
title = f"Planted formulas, of whose pixels {MOVED[2]:.0%} were moved"
charts.table(found.rename_axis("moved").reset_index(), title, digits=2)

# %%
noise = again[(again["moved"] > 0) & ~again["exactly"]]
better = (noise["found_iou"] > noise["planted_iou"]).mean()
if len(noise):
    print(f"Of {len(noise)} that were not found, {better:.0%} were beaten by one that")
    print("fits the noisy unit better; for the others the beam was too narrow.")

# %% [markdown]
# Noise that is spread over all pixels matters little, since the IoU pools many of them. Noise that goes with something
# in the picture is another matter: a formula that also describes the noise fits better than the truth, and the search
# takes it. So a part of a formula that makes no sense is weak evidence for a second meaning of the neuron: it may only
# describe the noise.
#
# ## Where this can mislead
#
# - **A tree of kinds is one idea of belonging together.** Grass and green, a wheel and a car, a bed and a bedroom are
#   strangers in it. The table with pairs of one category leaves these out, and with them many formulas.
# - **The threshold is ours.** The mean similarities beside the shares do not depend on it.
# - **Planted units are cleaner than filters.** They fire on all of their formula; a real filter fires on `TAU` of all
#   places, which may be a small part of it.
#
# ## Exercises
#
# 1. Rate the page. Which formulas by chance did you call meaningful?
# 2. Set `BEAM=1`. Which kind of planted formula suffers most?
# 3. Is the share of kin larger in an untrained network, `NETWORK=small-alexnet-random`?
#
# ## Summary
#
# - The paper's shares are judgements by people, without a control; this chapter writes a page that has one.
# - Wu and Palmer's similarity in a tree of hypernyms says of an OR whether it joins kin or strangers; the share means
#   something only beside what chance finds.
# - Planted formulas are found again under much random noise, and seldom exactly where the noise has a pattern.
#
# Is the network right where a filter fires? That is the [next chapter](when-it-fires).

# %%
n2vlib.provenance(probe=probe, network=network, layers=layers, seed=SEED)
