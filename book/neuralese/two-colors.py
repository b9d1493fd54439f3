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
# # Two colors
#
# *Section 7, table 1a, figure 7* {cite}`andreas2017translating`. [The last chapter](what-does-a-message-mean) said
# what a translation is. Here one is put to work. Two colors lie on a table, one is meant, and a speaker has to tell a
# listener which. Agents learn to do this with messages of their own, people do it with words, and then an agent and a
# person play together, with a translator between them.
#
# *Questions.* Does a mixed team win more often with the translation by belief than with the direct one? Does it matter
# who speaks? And what do the agents say: do they name colors, as people do?

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
COLORS: str = "survey"  # colors and their names: survey, or the paper's corpus (folder)
GAMES: int = 512  # that each team plays with each translation
TRANSLATORS: int = 8  # of each team and translation, each with its own states and codes

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# No image is read here, so the parameters of probe set and network are not used. With another `SEED`, other games are
# played, and messages are translated with other examples. The drawn colors stay as they are: the agents learned them.
#
# ## The game
#
# > Both players see two things, and only the speaker knows which one is meant. The speaker sends a message, the listener
# > takes one of the two, and both win if it is the right one {cite}`andreas2017translating`.
#
# Such a game, of one speaker and one listener, is a *reference game*. As in the released program, a color is three
# numbers: hue, saturation and value, in 0 to 1. The speaker sees the color that is meant and the other one, in this
# order. The listener sees nothing in the first turn and the two colors, left and right, in the second. It may take
# one, or wait, which costs .1; a right choice gains 1; choosing in the first turn ends the game without a gain. Both
# colors are drawn with replacement, so that now and then they are equal.
#
# ## Colors and their names
#
# The paper's colors are the answers of a survey, in which people named random colors on their screens
# {cite}`munroe2010color,mcmahan2015bayesian`. These answers are not in any package, but the list of names that came of
# the survey is: matplotlib keeps 949, each with one color. It does not say how far a name reaches. So we draw colors
# by a rule of our own, and **what it draws is no distribution of people**. The *rivals* of a name are the names that
# share no word with it. For the name $n$ with the color $c_n$ (red, green and blue in 0 to 1),
#
# $$
# \begin{aligned}
# c &= c_n + \frac{r_n}{\sqrt 3}\,\varepsilon, \qquad \varepsilon \sim \mathcal N(0, I), \\
# r_n &= \min_{m\ \text{rival of}\ n} \lVert c_n - c_m \rVert,
# \end{aligned}
# $$ (eq-color-spread)
#
# clipped to what a screen shows, with $r_n \ge 0.02$. So the colors of a name are, in root mean square, as far from
# $c_n$ as its nearest rival, and names overlap. Every name gets ten colors, eight of them for training; a color $c$
# is then called $n$ with a probability proportional to the density of $n$ at $c$. With `COLORS` naming the folder of
# the paper's corpus, its answers are read instead, and everybody is trained on them (minutes, once).
#
# The *lexicon* consists of the words that occur in at least five names (a hyphen counts as a space), without one that
# dictionaries mark as vulgar. A description is a bag of the name's words: which ones, without their order. The most
# frequent words, with colors that they describe:

# %%
import numpy as np
import pandas as pd
import torch

from n2vlib import charts
from n2vlib.display import swatches
from n2vlib.games import colors

game = colors.named(COLORS, SEED)
draws = torch.Generator().manual_seed(SEED)

# %%
frequent = (game.names > 0).sum(0).argsort(descending=True)[:12].tolist()
rows = []
for k in frequent:
    its = (game.names[:, k] > 0).nonzero()[:, 0]
    some = its[torch.randperm(len(its), generator=draws)[:18]]
    rows.append((game.lexicon[k], [colors.hexadecimal(game.things[i]) for i in some]))
counted = f"{len(game.things):,} colors, {len(game.lexicon)} words"
swatches.table(pd.DataFrame(rows, columns=["word", "colors drawn for it"]), counted)

# %% [markdown]
# ## Agents
#
# An agent is a recurrent network: a hidden layer over what it sees and hears, a GRU, and from its state a message and
# the value of each action. The message is a vector of 64 numbers with length 1, and the channel adds noise of standard
# deviation .3 to each number, in training and in play. They learn by deep Q-learning with replay, and the gradient
# flows from the listener through the message into the speaker. There are three teams, which differ only in their seed:

# %%
from n2vlib.agents import evaluation, people, training, translating
from n2vlib.agents.play import play

store = n2vlib.Store(STORE)
society = training.of_game("small-color-agents", game, store)
curve = pd.DataFrame(society.card["curve"])
curve = curve.assign(team=curve["seed"].map("team {}".format))
tested = pd.DataFrame(society.card["accuracy"]["test"])["won"]
title = f"At the end the teams win {tested.min():.1%} to {tested.max():.1%}"
title += " of games of new colors"
axes = ("rounds of play and learning", "share of games won while learning")
charts.lines(curve, "round", "won", title, axes, series="team")

# %% [markdown]
# While they learn, agents try random actions, fewer and fewer of them. The curves include these trials; the numbers in
# the title do not, and are for new colors.
#
# ## People
#
# Nobody plays here. As in the released program, a *person* who speaks is what is written down, the name of the color
# that is meant. A person who listens is a network of the same form as an agent, which has seen games in which
# everybody does the right thing, and imitates them. Some games of two such people, won and lost:

# %%
state = game.new(GAMES, draws, "test")
person = people.Listener(society.people, 1)
talk = play(game, (people.describing(game, state), person), state, draws)
said = game.described(state)


def named(bag):
    return " ".join(game.lexicon[k] for k in bag.nonzero()[:, 0])


def shown(things):
    return [colors.hexadecimal(game.things[i]) for i in things]


# %%
meant = state.things.gather(1, state.target[:, None])[:, 0]
other = state.things.gather(1, 1 - state.target[:, None])[:, 0]
lost = (~talk.won).nonzero()[:3, 0].tolist()
picked = [*talk.won.nonzero()[:5, 0].tolist(), *lost]
rows = []
for i in picked:
    outcome = "won" if talk.won[i] else "lost"
    rows.append((shown(meant[[i]]), shown(other[[i]]), named(said[i]), outcome))
columns = ["meant", "other", "description, in the lexicon", "game"]
share = f"Of {GAMES} games of two people, {talk.won.float().mean():.1%} are won"
swatches.table(pd.DataFrame(rows, columns=columns), share)

# %% [markdown]
# ## By hand, one mixed game
#
# An agent speaks, a person listens. The message is translated into the five words whose beliefs are nearest, as a bag
# in which each has the share 1/5. We go turn by turn and compare with `play`, which plays all games at once:

# %%
translator = translating.translator(society, 0, "belief", draws)
speaker = society.robots(0)[0]


def silence(words):
    return torch.zeros(len(words), speaker.width)


hears = (silence, translator.to_words)
played = play(game, (speaker, person), state, draws, hears)
code = played.messages[0][:1, 0]  # of the first game, in its first turn

# %%
network = society.people.part(1)
bag = torch.zeros(1, len(game.lexicon)).scatter_(1, translator.nearest(code, 5), 0.2)
blank = torch.zeros_like(bag)
first = type(state)(*(each[:1] for each in state))
memory = torch.zeros(1, society.people.hidden)
memory, action, _ = network(game.observe(first)[:, 1], blank, memory)
second = game.step(first, torch.tensor([[0, int(action.argmax())]])).state
memory, action, _ = network(game.observe(second)[:, 1], bag, memory)
taken = int(action.argmax())
assert (taken == int(state.target[0])) == bool(played.won[0])
print(f"The agent's message becomes: {named(bag[0])}.")
print(f"Taken: color {taken + 1}; meant: color {int(state.target[0]) + 1}.")

# %% [markdown]
# ## Mixed teams
#
# This is the paper's table 1a. R is an agent, H a person: the written name where it speaks, the network where it
# listens. *None*: both have one language, so nothing is translated. *Random*: the words, or the code, are drawn at
# random; that is chance, one half. All conditions of a team play the same games. The paper prints no intervals.

# %%
from n2vlib import published

rows = evaluation.games(society, GAMES, SEED, store=store, count=TRANSLATORS)
ours = evaluation.summary(rows, "won", SEED)
printed = published.table("neuralese_table1").query("table == '1a'")
printed = printed.replace({"H*": "H"}).rename(columns={"value": "published"})
keys = ["speaker", "listener", "translation"]
both = printed[[*keys, "published"]].merge(ours.rename(columns={"won": "this run"}))
both = both.assign(difference=both["this run"] - both["published"])
both = both.assign(
    teams=both["speaker"] + " to " + both["listener"] + ", " + both["translation"]
)
shares = ["published", "this run", "difference", "low", "high"]
caption = f"Shares won in {GAMES} games of each of {len(tested)} teams"
charts.table(both[["teams", *shares]], caption, digits=2)

# %%
run = both.assign(source="this run", value=both["this run"])
paper = both.assign(source="published", value=both["published"])
paper = paper.assign(low=paper["value"], high=paper["value"])
mean = both.groupby("translation")["this run"].mean()
title = f"Belief wins {mean['belief']:.0%}, direct {mean['direct']:.0%}"
title += " in the mean of both directions"
note = "Bars: 95% intervals over teams and games. Dashed: chance."
rows_of_both = pd.concat([run, paper])
columns = ("teams", "value", "source")
charts.in_rows(rows_of_both, *columns, title, "share of games won", at=0.5, note=note)

# %% [markdown]
# The paper claims two things about this table: belief beats the direct translation in both directions, and agents
# translated by belief are understood better than people are. Game by game, in the same games:

# %%
way = rows["speaker"] + " to " + rows["listener"] + ", " + rows["translation"]
wide = rows.assign(way=way).pivot(
    index=["seed", "episode"], columns="way", values="won"
)
wide = wide.astype(float)
pairs = [("R to H, belief", "R to H, direct"), ("H to R, belief", "H to R, direct")]
pairs += [("R to H, belief", "H to H, none")]
apart = []
for one, two in pairs:
    gap = wide[one] - wide[two]
    teams = [each.to_numpy() for _, each in gap.groupby("seed")]
    low, high = evaluation.interval(teams, SEED)
    apart.append((f"{one} − {two}", gap.mean(), low, high))
ends = ["difference", "low", "high"]
claims = pd.DataFrame(apart, columns=["compared", *ends])

# %%
sure = int((claims["low"].iloc[:2] > 0).sum())
title = f"Belief beats direct with its whole interval in {sure} of 2 directions"
note = "Bars: 95% intervals over teams and games."
charts.differences(claims, title, "compared", "difference in games won", note)

# %% [markdown]
# ## What the agents say
#
# The paper's figure 7 shows phrases for four groups of messages; they read like names of colors:

# %%
phrases = published.table("neuralese_translations").query("game == 'colors'")
printed = phrases.groupby("group")["phrase"].agg(", ".join).reset_index()
charts.table(printed, "Published, figure 7")

# %% [markdown]
# Do our agents name the color that is meant? Then their message must not change with the other color. Messages before
# the noise have length 1, so the cosine says how alike two of them are. We change what the speaker sees:


# %%
def sent(team, state):
    """Messages of the first turn before the noise."""
    agents, seen = society.teams[team], game.observe(state)[:, 0]
    n = len(seen)
    nothing = torch.zeros(n, agents.size), torch.zeros(n, agents.hidden)
    return agents.agents[0](seen, *nothing)[1].detach()


def replaced(column):
    things = state.things.scatter(1, column[:, None], fresh.things[:, :1])
    return state._replace(things=things)


# %%
fresh = game.new(GAMES, draws, "test")
changed = {
    "both colors are others": fresh,
    "the other color is another": replaced(1 - state.target),
    "the color meant is another": replaced(state.target),
    "the other one is meant": state._replace(target=1 - state.target),
}
rows = []
for change, instead in changed.items():
    cosines = []
    for k in range(len(society.teams)):
        cosines.append(float((sent(k, state) * sent(k, instead)).sum(1).mean()))
    rows.append((change, *cosines))
alike = pd.DataFrame(rows, columns=["change", *curve["team"].unique()])
charts.table(alike, "Mean cosine of a message and the message after the change")

# %%
swapped, kept = (alike.iloc[row, 1:].mean() for row in (3, 1))
kind = "about the opposite" if swapped < -0.5 else "not the opposite"
spectra = []
for k in range(len(society.teams)):
    around = sent(k, state) - sent(k, state).mean(0)
    spectra.append(torch.linalg.svdvals(around).square())
main = [float(each[:2].sum() / each.sum()) for each in spectra]
print(f"If the other color is meant, {kind} is sent (cosine {swapped:+.2f});")
print(f"beside another color, the cosine is {kept:+.2f}. Two directions have")
print(f"at least {min(main):.1%} of the variance of a team's messages.")

# %% [markdown]
# If messages named the color that is meant, the second row would be 1, and the last one as low as for other colors. A
# cosine near -1 in the last row means a comparison: the message says on which side the one color lies, seen from the
# other. On which side of what? We take the direction in which a team's messages vary most, and correlate the place of
# a message on it with how much more hue, saturation and value the color meant has than the other one. (The sign of a
# direction is free; it is chosen so that the largest correlation is positive.)

# %%
sample = game.new(2000, draws, "test")
seen = game.observe(sample)[:, 0]
more = seen[:, :3] - seen[:, 3:6]
scores, rows = [], []
for k in range(len(society.teams)):
    around = sent(k, sample) - sent(k, sample).mean(0)
    scores.append(around @ torch.linalg.svd(around, full_matrices=False)[2][0])
    r = np.array([np.corrcoef(scores[k], each)[0, 1] for each in more.T])
    rows.append((f"team {k}", *r * np.sign(r[abs(r).argmax()])))

# %%
columns = ["main direction of", "hue", "saturation", "value"]
caption = "Correlation of messages with differences of the two colors"
charts.table(pd.DataFrame(rows, columns=columns), caption, digits=2)

# %% [markdown]
# Six places on the main direction of the first team, each with six games whose messages lie there, and the translations
# of these messages' mean:

# %%
order = scores[0].argsort()
ways = {"belief": translator}
ways["direct"] = translating.translator(society, 0, "direct", draws)
front = sample.things.gather(1, sample.target[:, None])[:, 0]
back = sample.things.gather(1, 1 - sample.target[:, None])[:, 0]

# %%
rows = []
for at in torch.linspace(0, len(order) - 6, 6).long().tolist():
    games = order[at : at + 6]
    row = {"meant": shown(front[games]), "other": shown(back[games])}
    code = sent(0, sample)[games].mean(0, keepdim=True)
    for name, each in ways.items():
        row[name] = ", ".join(game.lexicon[k] for k in each.nearest(code, 4)[0])
    rows.append(row)
caption = "A row is a message; the first color of meant lay beside the first of other"
swatches.table(pd.DataFrame(rows), caption)

# %% [markdown]
# A word that leads to the right choice need not describe the color. How often is one of the five words in the name of
# the color that is meant, and how often is the game won?

# %%
rows = []
for method in ("random", "direct", "belief"):
    hits, different = [], []
    for k in range(len(society.teams)):
        each = translating.translator(society, k, method, draws)
        codes = society.teams[k].channel(sent(k, sample), draws)
        entries = each.nearest(codes, 5)
        hits.append((game.described(sample).gather(1, entries) > 0).any(1).float())
        different.append(len(entries[:, 0].unique()))
    inside = float(torch.stack(hits).mean())
    won = both.set_index("teams").loc[f"R to H, {method}", "this run"]
    rows.append((method, inside, np.mean(different), won))

# %%
columns = ["translation", "in the name", "nearest words", "games won"]
words = pd.DataFrame(rows, columns=columns)
caption = "Nearest words: how many different ones there are, mean over teams"
charts.table(words, caption, digits=2)

# %% [markdown]
# ## What differs from the paper
#
# - The names are real, the colors around them are drawn {eq}`eq-color-spread`. Every name is as frequent as any other;
#   in the survey a few names have most of the answers.
# - The model of people learns from colors that lie around their names as we drew them. How often two people win
#   depends on how far these colors spread, so our number and the paper's do not measure the same thing.
# - Agents and models have 64 units in place of 256, and many games are played between two steps of learning in place of
#   one.
# - Nothing else was changed on purpose: turns, rewards, noise, the sample of 256 states and 50 codes, five words, one
#   code, greedy play.
#
# ## What we see

# %%
shares = both.set_index("teams")["this run"]
short = words[["translation", "in the name"]].copy()
for way, who in (("R to H", "an agent speaks"), ("H to R", "a person speaks")):
    short[who] = [shares[f"{way}, {method}"] for method in short["translation"]]
caption = "Games won; and how often one of the five words is in the name"
charts.table(short.iloc[:, [0, 2, 3, 1]], caption, digits=2)

# %% [markdown]
# A translation by belief lets a listener do the right thing, and that is all it promises. If agents compare and people
# name, the words that come out are those that make a listener choose as the comparison would; as descriptions, they
# can be wrong. Direct translation prefers frequent words, and these are in many names, whatever is meant.
#
# What is weak: our people are a lexicon and a network that we trained on our own colors; no person has heard these
# words. There are three teams only, so the intervals, which are over teams and games ([how](does-it-hold)), are wide.
# The paper has one team, and no intervals.
#
# ## Exercises
#
# 1. Give the listener one word, `translator.to_words(codes, top=1)`, or twenty. Where is the best number, and why?
# 2. The agents' noise is .3 on each of 64 numbers, together longer than the message. What would they say without it?
# 3. Run the chapter with `COLORS` naming the paper's corpus. How often do two people win?
#
# ## Summary
#
# - A mixed team with a translator is measured by the games that it wins; a random translation wins half of them.
# - Which translation is better is decided game by game, by a difference with an interval over teams and games.
# - Whether agents name colors or compare them shows when the other color is exchanged, not in the translations.
# - Words that lead to the right choice need not describe the color. Judge a translation by what it is for.

# %%
n2vlib.provenance(seed=SEED)
