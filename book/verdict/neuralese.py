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
# # Verdict: neuralese
#
# *Translating Neuralese* {cite}`andreas2017translating`. The chapters trained agents in three games, translated what
# they say, and let them play with people. Here each statement of the paper becomes a number with a criterion, is
# measured over several teams, and holds or does not.
#
# *Question.* Does a translation by belief say what a message means?

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
COLORS: str = "survey"  # names of a survey, or a folder with the paper's corpus
PEOPLE: str = "scripted"  # who drives: scripted, or a folder such as $N2V_NEURALESE
GAMES: int = 512  # played by each team in each condition
STATES: int = 256  # in which a belief is asked for
TRANSLATORS: int = 8  # of each team and translation, each with its own states and codes
CHANNEL_NOISE: list = [10, 30, 60, 100]  # of planted codes, in % of a message's length
CODE_BOOKS: int = 5  # planted codes, drawn anew

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# No image of a probe set is read here, so the parameters of probe set and network are not used.
#
# ## Where everything is
#
# What the paper computes or says, and the section of this book that computes it.

# %%
import pandas as pd

from n2vlib import charts, claims
from n2vlib.claims import coverage

covered = coverage.shown("neuralese", "book/verdict/neuralese")
title = f"{covered['runs'].sum()} of {len(covered)} run"
shown = covered.drop(columns=["runs", "link"])
charts.table(shown, title, links={"section": covered["link"].to_list()}, rows=20)

# %% [markdown]
# Birds need the features and captions of the paper. The released program has the captions' words, but not the file of
# captions. If you have both, the chapter [two creatures](../neuralese/two-creatures) plays the game on them
# (`FEATURES` and `CAPTIONS`).
#
# ## What it takes to hold
#
# > A message means what its listener comes to believe. So it is translated by the phrase that leads to the same
# > belief. Such translations are better than those by how often message and phrase are used in the same state, in
# > every game and direction, and agents translated in this way can be understood better than people
# > {cite}`andreas2017translating`.
#
# The rule is that of the [verdict on Net2Vec](net2vec), equation {eq}`eq-holds`: a claim is one number and a criterion,
# and holds if the whole 95% interval of the number lies beyond the criterion. All criteria were written down before a
# number was seen. Three things changed after that. People now describe in both turns, as in the released program; words
# are learned from new games at every step; and each team has eight translators, each with states and codes of its own,
# since with one, answers changed from draw to draw. *Better*, *more* and *lower* mean a difference beyond 0; *nearly
# without a mistake* at most 5 points below the printed number; *about as many* less than 5 points apart; *no better than
# chance* less than 5 points above it.
#
# The intervals are over teams and games, equation {eq}`eq-teams`: Student's t over the means of three teams, and never
# narrower than over games. The paper has one team in each game and no intervals.

# %%
listed = claims.table("neuralese")
columns = ["id", "claim", "number", "holds if", "published", "section"]
charts.table(claims.in_words(listed)[columns], "The claims", digits=2, rows=20)

# %% [markdown]
# ## Measured by the chapters' own calls
#
# Agents of the zoo, three teams in each game, play with people in [colors](../neuralese/two-colors),
# [creatures](../neuralese/two-creatures) and [driving](../neuralese/crossing-a-road). If `COLORS` is not the survey,
# its agents are trained first, which takes minutes, once.

# %%
from n2vlib.agents import creatures, training
from n2vlib.claims import translated
from n2vlib.games import colors, driving, logs, scripted

store, written = n2vlib.Store(STORE), scripted.default()
drawn, seen = creatures.seen(store=store)
agents = {  # by their names in the zoo: their game, and who is replayed
    "small-color-agents": (colors.named(COLORS, SEED), None),
    "small-creature-agents": (seen, None),
    "small-driving-agents": (driving.DrivingGame(), written),
}
everybody = {
    game.name: (training.of_game(name, game, store, people), people)
    for name, (game, people) in agents.items()
}

# %%
learned, tested = logs.of(PEOPLE)
drivers, _ = everybody["driving"]
if PEOPLE != scripted.NAME:
    drivers = training.with_people(drivers, learned, store, SEED)
everybody["driving"] = drivers, tested
measured = translated.measured(everybody, GAMES, STATES, SEED, store, TRANSLATORS)

# %% [markdown]
# Which attributes of a creature the translation of a message keeps. *Coarse* are size and the color of the body.

# %%
from n2vlib.agents import attributes

kept = attributes.kept(everybody["creatures"][0], drawn, STATES, SEED)

# %% [markdown]
# And a planted code, whose meaning is known ([does it hold?](../neuralese/does-it-hold)):

# %%
from n2vlib.agents import planted

noises = [each / 100 for each in CHANNEL_NOISE]
language = planted.LANGUAGES["all of it"]
messages = planted.recovered(language, noises, range(CODE_BOOKS))

# %% [markdown]
# Now every claim is checked.

# %%
here = claims.Translated(measured.played, measured.believed, kept, messages)
result = claims.check(here)
answers = [claims.YES, claims.UNDECIDED, claims.NO, claims.NOT_MEASURED]
rows = [
    (each, ", ".join(result.loc[result["holds"] == each, "id"])) for each in answers
]
counted = result["holds"].value_counts().reindex(answers, fill_value=0)
table = pd.DataFrame(rows, columns=["holds", "which"])
table.insert(1, "claims", counted.to_numpy())
charts.table(table, f"{(result['holds'] != claims.NOT_MEASURED).sum()} measured")

# %% [markdown]
# ## By hand, one claim
#
# Does belief beat direct translation where an agent hears a person in colors? We take the mean difference of each
# team, and the mean of these.

# %%
import numpy as np

which = "game == 'colors' and speaker == 'H' and listener == 'R'"
rows = measured.played.query(which)
won = rows.pivot(index=["seed", "episode"], columns="translation", values="won")
teams = 100 * (
    won["belief"].groupby("seed").mean() - won["direct"].groupby("seed").mean()
)
row = result.set_index("id").loc["colors-to-agent"]
assert np.isclose(teams.mean(), row["value"])
print(f"teams {', '.join(f'{each:.1f}' for each in teams)}: {teams.mean():.1f} points")
print(f"({row['low']:.1f} to {row['high']:.1f}), holds: {row['holds']}")

# %% [markdown]
# ## Published beside ours
#
# The chart has tables 1 and 3 of the paper, with birds beside our creatures. R is an agent, H a person: written down,
# recorded or scripted where it speaks, a model where it listens; *H to R*: an agent hears a person. Chance is one half
# in every row. For colors and creatures the share is of games won; for driving it is of right beliefs, since its games
# are in table 2.

# %%
from n2vlib import published
from n2vlib.agents import evaluation

stated = pd.concat(published.table(f"neuralese_table{k}") for k in (1, 3))
named = stated["game"].str.removesuffix(" reference game")
stated["game"] = named.replace("birds", "creatures")
stated["listener"] = stated["listener"].str.strip("*")
ours = []
for game in everybody:
    rows, value = measured.played, "won"
    if game == "driving":  # Table 3
        rows, value = measured.believed, "right"
    found = evaluation.summary(rows[rows["game"] == game], value, SEED)
    ours.append(found.rename(columns={value: "this run"}).assign(game=game))

# %%
keys = ["game", "speaker", "listener", "translation"]
both = stated.rename(columns={"value": "published"}).merge(pd.concat(ours), on=keys)
both["row"] = both["game"] + ", " + both["speaker"] + " to " + both["listener"]
both["row"] += (", " + both["translation"]).where(both["translation"] != "none", "")
r = both["published"].corr(both["this run"])
title = f"Ours and the paper's correlate by {r:.2f} over {len(both)} conditions"

# %%
run = both.assign(source="this run", share=both["this run"])
run[["low", "high"]] = run[["low", "high"]].clip(0, 1)
paper = both.assign(source="published", share=both["published"])
paper["low"] = paper["high"] = paper["share"]
note = "Bars: 95% intervals over teams and games. Dashed: chance."
columns, axis = ("row", "share", "source"), "share won, or right beliefs"
charts.in_rows(pd.concat([run, paper]), *columns, title, axis, at=0.5, note=note)

# %% [markdown]
# Table 2 has the driving games that an agent plays beside a person who is replayed, with their mean reward and the
# share that were completed; *low* and *high* are the interval of our reward. The paper writes *R / H* for this, which
# is *H to R* above: the agent hears the person.

# %%
driven = published.table("neuralese_table2")
driven[["speaker", "listener"]] = driven["pair"].str.split(" / ", expand=True)
mixed = driven["speaker"] != driven["listener"]
driven.loc[mixed, ["speaker", "listener"]] = ["H", "R"]  # one direction is played
rows = measured.played[measured.played["game"] == "driving"]
reward, won = (evaluation.summary(rows, each, SEED) for each in ("reward", "won"))
keys = ["speaker", "listener", "translation"]
table = driven.merge(reward, on=keys, suffixes=("", " here")).merge(won[[*keys, "won"]])
columns = ["pair", "translation", "reward", "reward here", "low", "high"]
names = {"reward": "reward, published", "completion_rate": "completed, published"}
names |= {"won": "completed here"}
columns += ["completion_rate", "won"]
charts.table(table[columns].rename(columns=names), "Table 2 beside ours", digits=2)

# %% [markdown]
# ## Every claim
#
# The filled mark is this run with its interval, the hollow mark the paper's number, the upright tick the criterion. A
# claim's name begins with the table or section of the paper.


# %%
from n2vlib.claims.claim import UNITS


def forest(unit):
    rows = result[(result["unit"] == unit) & (result["holds"] != claims.NOT_MEASURED)]
    if rows.empty:
        return "No claim of this kind was measured."
    hold = (rows["holds"] == claims.YES).sum()
    axis = UNITS[unit]
    return charts.forest(rows, f"{hold} of {len(rows)} claims hold: {axis}", axis)


forest("points")

# %%
forest("percent")

# %%
forest("reward")

# %%
columns = ["id", "holds", "claim", "this run", "holds if", "published"]
title = "Every claim, with its 95% interval"
charts.table(claims.in_words(result)[columns], title, digits=2, rows=20)

# %%
failing = result[result["holds"].isin([claims.NO, claims.UNDECIDED])]
failing = claims.in_words(failing.sort_values("holds", kind="stable"))
columns = ["id", "holds", "claim", "this run", "doubt"]
charts.table(failing[columns], "Not so here, and what we would examine first", rows=20)

# %% [markdown]
# ## What translations of creatures keep
#
# The paper's translations of birds name size and color. For each attribute, the share of messages whose nearest phrase
# is true of the creature that is meant, and the share that would be true by chance:

# %%
shares = kept.groupby(["attribute", "coarse"], sort=False)[["kept", "by_chance"]].mean()
shares = shares.reset_index().assign(beyond=lambda t: t["kept"] - t["by_chance"])
most = shares.loc[shares["beyond"].idxmax(), "attribute"]
title = f"Kept most beyond chance: {most}"
charts.table(shares.rename(columns={"by_chance": "by chance"}), title, digits=2)

# %% [markdown]
# ## What we see

# %%
pairs = result["id"].str.contains("-to-") & (result["unit"] == "points")
asked = result["number"].str.extract("(belief minus (?:direct|random))")[0]
asked = asked.where(pairs).fillna("agents by belief, minus people among themselves")
asked = asked[pairs | result["id"].str.contains("-native")].rename("above 0?")
wins = pd.crosstab(asked, result["holds"]).reindex(columns=answers, fill_value=0)
wins = wins.rename_axis(columns=None).reset_index()
charts.table(wins, "In how many settings: three games, and their directions")

# %%
at = messages.groupby("translation")["right"].mean()
print(f"Of planted messages belief translates {at['belief']:.0%} right, direct")
print(f"translation {at['direct']:.0%}; with the code book, {at[planted.BEST]:.0%}.")

# %% [markdown]
# A translation that wins a game need not be right. The planted code asks for more, and there direct translation can
# fall for a word that is used for everything. Where each meaning has one plain word it has no such fault ([does it
# hold?](../neuralese/does-it-hold) compares languages). So which of the two is better also says something about the
# lexicon. And words that win need not be names: [two colors](../neuralese/two-colors) counts how often they are.
#
# ## What we do not know
#
# - **People.** A person here is a description drawn by a rule from a lexicon, a script that drives, or a network that
#   imitates. Only the recorded drivers that `PEOPLE` may name are people, and they cannot hear.
# - **Birds.** Creatures stand in for them. The paper's numbers stand beside ours for orientation.
# - **More teams.** Three make wide intervals over teams and games. With more, some of what is undecided may be decided.
# - **Other baselines.** The paper sets belief against direct and random translation. Direct translation divided by how
#   often a word is used is as simple; [does it hold?](../neuralese/does-it-hold) puts it beside them.
# - **Other agents.** Ours have 64 units in place of 256, and learn from many games at once. Nothing here says whether
#   messages of larger agents are harder to translate.
#
# ## Summary
#
# - Every statement of the paper is a number with a criterion, over teams and games.
# - What holds for one team may be undecided over three.
# - Read the numbers, not only the answers: a claim that holds by a little still holds.

# %%
n2vlib.provenance(seed=SEED)
