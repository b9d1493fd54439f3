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
# # What does a message mean?
#
# *Sections 2 to 5* {cite}`andreas2017translating`. So far this book asked what is inside a network. This part asks
# what two networks tell each other. Agents that have to act together can be given a channel, and no language. They
# learn to use it, since it pays, and what they then send are vectors to which nobody has assigned a meaning:
# *neuralese*. Can a person read it, answer in it, and play along?
#
# A translator usually learns from pairs of sentences. Here there are none: nobody ever said the same thing in both
# languages. What both sides share is the game. The paper's idea is that a message means what its listener comes to
# believe, and that a message is translated by the phrase that leads a listener to the same belief.
#
# *Questions.* When do two messages mean the same? Why is it not enough that they are used in the same situations? And
# how much depends on details that the paper leaves open?

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
GAMES: int = 300  # messages of each team that are translated
STATES: int = 256  # situations over which beliefs are compared

# %%
import n2vlib

n2vlib.check_parameters(globals())

# %% [markdown]
# No image is read here, so the parameters of probe set and network are not used.
#
# *Words of this part.* An agent's message is a vector, called a *code*. A person's message is made of *words*, or
# short phrases, out of a fixed list, the *lexicon*; several of them without order are a *bag*. In tables, R is an
# agent (the paper's robot) and H a person. *R to H*: an agent speaks, a person listens. A *team* is two agents that
# learned together.
#
# ## A game of three colors
#
# Two colors lie on a table, and one of them is meant. The *speaker* knows which one and sends a message. The *listener*
# sees both colors, hears the message, and has to take the right one. We begin with three colors, and with one message
# $z$ of an agent. How probable is it that the speaker sends $z$ when a color is meant? A slide of the paper's talk has
# three numbers for such a message:

# %%
import numpy as np
import pandas as pd

from n2vlib import charts, published

printed = published.table("experiments").set_index("id").loc["ne_11"]
z = np.array(printed["published_headline_numbers"].split(", "), float)
print(f"{printed['what_it_computes']}: {z.tolist()}")

# %% [markdown]
# The slide's numbers do not add up to 1, and it shows no more of them. We take them as $p(z \mid \text{color})$ for
# red, orange and blue. The words are ours: *red* is precise, *warm* is said in proportion to $z$, so it is the right
# translation by construction, and *thing* is what people say when nothing better comes to mind.

# %%
colors = ["red", "orange", "blue"]
words = pd.DataFrame({"red": [0.5, 0.05, 0.001], "warm": 0.75 * z}, index=colors)
words["thing"] = 1 - words.sum(axis=1)
shown = words.assign(z=z).rename_axis("meant").reset_index()
charts.table(shown, "p(word | color) of people, and p(z | color) of the agent")

# %% [markdown]
# ## What a listener believes
#
# > A listener who hears a message asks, for each thing the speaker may have meant, how probable the message would be
# > {cite}`andreas2017translating`.
#
# In a state $s$ of the game there are options: what is meant, and what else lies there. If all are equally likely
# before a message, the belief after message $m$ is
#
# $$
# b_m^s(x) = \frac{p(m \mid x)}{\sum_{x' \in s} p(m \mid x')} .
# $$ (eq-message-belief)
#
# This is the meaning of a message: one distribution for each state. A state is a pair here, with what is meant in
# front.

# %%
states = [(saw, other) for saw in range(3) for other in range(3) if other != saw]


def belief(p, state):
    return p[list(state)] / p[list(state)].sum()


meant = [f"{colors[saw]}, not {colors[other]}" for saw, other in states]
said = {"z": z} | {word: words[word].to_numpy() for word in words}
rows = {m: [belief(p, state)[0] for state in states] for m, p in said.items()}
charts.table(pd.DataFrame({"meant": meant} | rows), "Belief in what is meant")

# %% [markdown]
# After $z$ and after *warm* a listener believes the same in every state, although $z$ is sent more often. How often a
# message is used cancels in {eq}`eq-message-belief`.
#
# ## The distance of two messages, by hand
#
# > The translation of $z$ is the phrase whose beliefs diverge least from those of $z$, in the mean over states.
#
# $$
# \begin{aligned}
# d(z, a) &= \sum_s w_s \, \mathrm{KL}\left(b_a^s \,\|\, b_z^s\right), \\
# w_s &\propto p(z \mid x_s) + p(a \mid x_s),
# \end{aligned}
# $$ (eq-message-distance)
#
# with $x_s$ what is meant in state $s$. The weights are those of the released program.

# %%
from n2vlib.methods import translation


def distance(z, a):
    weights = np.array([z[saw] + a[saw] for saw, _ in states])
    beliefs = [(belief(a, state), belief(z, state)) for state in states]
    divergence = [(one * np.log(one / other)).sum() for one, other in beliefs]
    return weights @ divergence / weights.sum()


by_hand = pd.Series({word: distance(z, p.to_numpy()) for word, p in words.items()})

# %%
import torch


def meaning(rows):
    log_p = torch.tensor(np.log(np.atleast_2d(rows)))
    return translation.Meaning(log_p[:, torch.tensor(states)])  # message, state, option


of_words = meaning(words.T.to_numpy())
found = translation.distances(meaning(z), of_words, "belief")[0]
assert np.allclose(by_hand, found)
nearest = by_hand.idxmin()
print(f"The library agrees; nearest to z is {nearest!r}, at {abs(by_hand.min()):.3f}.")

# %% [markdown]
# ## The direct translation
#
# A machine translator would ask which word people use where the agent uses $z$. The paper's baseline is
# $\max_a\, p(z \mid a)\, p(a)$, called *direct*, and the released program takes the word
#
# $$
# \arg\max_a \sum_s p(z \mid x_s)\, p(a \mid x_s) .
# $$ (eq-message-direct)
#
# No $p(a)$ is to be seen, but it is there. The sum is $p(z \mid a)\, p(a)$, with
# $p(z \mid a) = \sum_s p(z \mid x_s)\, p(x_s \mid a)$ and $p(a)$ the mean of $p(a \mid x_s)$ over states, up to the
# number of states:

# %%
saw = [state[0] for state in states]
p_z, p_a = z[saw], words.to_numpy()[saw]  # of each state
used = p_a.mean(axis=0)  # p(a)
given = p_z @ (p_a / p_a.sum(axis=0))  # p(z | a)
assert np.allclose(given * used, p_z @ p_a / len(states))
direct = translation.distances(meaning(z), of_words, "direct")[0]
assert np.allclose(direct.neg().exp(), p_z @ p_a)

# %%
error = (of_words.beliefs - meaning(z).beliefs).abs().amax((1, 2))
columns = {"word": list(words), "distance of beliefs": by_hand.to_numpy()}
columns |= {"p(z|a)": given, "p(a)": used, "p(z|a) p(a)": given * used}
table = pd.DataFrame(columns | {"largest error": error})
likely = table["word"][table["p(z|a) p(a)"].idxmax()]
alone = table["word"][table["p(z|a)"].idxmax()]
title = f"Belief translates z by {nearest!r}, direct translation by {likely!r},"
charts.table(table, f"{title} p(z|a) alone by {alone!r}")

# %% [markdown]
# *thing* wins because it is frequent, not because it says what $z$ says. The last column is the largest difference
# between a belief after the word and after $z$: a listener who hears *thing* takes the wrong color. Without $p(a)$,
# direct translation has the opposite fault. It takes the word with the fewest uses, however vague $z$ itself is, here
# one that is too precise. (The library calls this `pmi`, pointwise mutual information; the released program has it,
# too.)
#
# ## Where belief is blind
#
# The same cancelling that helps here can hurt. Let *ruddy* be a word for what *warm* means that hardly anybody uses:

# %%
rare = pd.DataFrame({"ruddy": 0.01 * words["warm"]}).T
both = translation.distances(
    meaning(z), meaning(pd.concat([rare, words.T]).to_numpy()), "belief"
)
names = [*rare.index, *words]
print({name: round(float(each), 3) for name, each in zip(names, both[0], strict=True)})

# %% [markdown]
# By their beliefs *ruddy* and *warm* are the same word, and the one that comes first in the lexicon is taken. A person
# who has never heard *ruddy* gets no belief from it. And where no word is near, the nearest is taken all the same.
#
# ## Paper, talk and program
#
# The formula leaves choices open. The first table has the settings in the slides of the talk, the second what the
# released program chooses.

# %%
stated = published.table("hyperparameters").query("system == 'neuralese'")
columns = ["parameter", "value", "condition"]
charts.table(stated[columns], "As the slides of the talk have it")

# %%
rows = [
    ("weights of states", "p(z|x) + p(a|x), normalised, in place of an expectation"),
    ("side of the divergence", "the candidate's belief first; the other is an option"),
    ("log p(code | seen)", "-||mean(seen) - code||^2: no variance, no constant"),
    ("options in a state", "what is meant and one alternative"),
    ("words that are heard", "a bag of the 5 nearest, equal weights"),
    ("codes that are heard", "the nearest; in driving one of 10, at random"),
    ("prior p(a)", "none that is written; it is in the sum, see above"),
    ("noise", "also when agents are tested; none on translated codes"),
]
charts.table(pd.DataFrame(rows, columns=["choice", "released program"]))

# %% [markdown]
# The third choice affects the first. $p(a \mid x)$ is a probability, and the program's $p(z \mid x)$ a density in
# units of its own. Their sum {eq}`eq-message-distance` therefore depends on these units: it weighs states by the
# message alone, or by the word alone, where one of the two is much larger.
#
# ## Does it matter? Real agents
#
# Three teams of agents learned to play with colors that lie around those of a survey, and people use the survey's
# names for them ([two colors](two-colors) says how). Models of both languages say how probable a message is for what
# was seen. The table shows eight messages of the first team; of each pair of squares the left color is meant. As
# released, a state has one alternative, that the other color is meant; with *four alternatives*, there are three pairs
# of other colors besides.

# %%
from n2vlib.agents import training, translating, variants
from n2vlib.display import swatches
from n2vlib.games import colors as color_games

store = n2vlib.Store(STORE)
game = color_games.named(COLORS, SEED)
society = training.of_game("small-color-agents", game, store)
won = pd.DataFrame(society.card["accuracy"]["test"])
print(f"{len(society.teams)} teams, {len(society.lexicon)} words; games won by each:")
print(", ".join(f"{each:.1%}" for each in won["won"]))

# %%
draws = torch.Generator().manual_seed(SEED)
seen, codes = translating.sample(society, 0, 8, draws, "test")
width = game.things.shape[1]
pair = seen[:, 0, : 2 * width].unflatten(1, (2, width))
hexadecimal = color_games.hexadecimal
shown = {"meant, other": [[hexadecimal(each) for each in two] for two in pair]}
ways = {"belief": 1, "belief, four alternatives": 4, "direct": 1}
for name, options in ways.items():
    one = [society, 0, name.split(",")[0], draws, STATES]
    entries = translating.translator(*one, options=options).nearest(codes, 3)
    shown[name] = [", ".join(society.lexicon[k] for k in row) for row in entries]
swatches.table(pd.DataFrame(shown), "Eight messages, and the three nearest words")

# %% [markdown]
# Now we change one choice at a time. *Same word* is the share of messages whose nearest word stays what it was. For
# comparison, *other states* only draws the situations anew: that much changes by chance. *Right*: whether the model of
# people's words, given the five nearest words (or the nearest alone), finds what was meant more probable than the
# alternative. *In the name*: whether one of the five words is in the name of the color that is meant.

# %%
compared = variants.compared(society, GAMES, SEED, STATES)
summed = variants.summary(compared)
columns = {"same": "same word", "right": "right, 5 words"}
columns |= {"right_of_one": "right, 1 word", "named": "in the name"}
table = summed.rename(columns=columns).drop(columns=["low", "high"])
title = f"Shares of {GAMES} messages of each of {len(society.teams)} teams"
charts.table(table, title, digits=2, rows=len(table))

# %%
changed = summed.iloc[1:-1].copy()
changed[["low", "high"]] = changed[["low", "high"]].clip(0, 1)
is_direct = changed["variant"].str.startswith("direct")
changed["criterion"] = is_direct.map({True: "direct", False: "belief"})
by_belief = changed[~is_direct]
chance = float(by_belief["same"].iloc[0])
few = (by_belief["same"].iloc[1:] < chance - 0.05).sum()
title = f"{few} of {len(by_belief) - 1} choices change more words than other states do"
axis = "share with the same word"
note = "Nearest word as released. More: by 5 points. Dashed: other states. "
note += "Bars: 95% intervals over teams and messages."
columns = ("variant", "same", "criterion")
charts.in_rows(changed, *columns, title, axis, at=chance, note=note)

# %% [markdown]
# ## A translator in the loop
#
# In the next chapters a person and an agent play with a translator between them. Two kinds of models stand for each of
# them, and they are easily confused. A *policy* hears messages and acts; a person's policy is a network that imitates
# games of people. A *model of messages* says $p(\text{message} \mid \text{seen})$; beliefs are computed from it, and
# it translates. The last column has the model that is used where no one acts and we only ask for a listener's belief.
# *Written*: what people wrote down.

# %%
rows = [
    ("R to R", "agent", "its code", "agent", "of codes"),
    ("H to H", "written", "the same", "imitation", "of words"),
    ("R to H", "agent", "5 words", "imitation", "of words"),
    ("H to R", "written", "1 code", "agent", "of codes"),
]
columns = ["", "speaks", "is heard", "acts", "believes"]
charts.table(pd.DataFrame(rows, columns=columns), "Who is used where")

# %% [markdown]
# A translation always needs both models of messages, over the same states: those of the agents' own games. In driving,
# people's games are replayed, so only *H to R* is played there ([crossing a road](crossing-a-road)).
#
# ## What we see

# %%
frequent = game.names.mean(0).topk(5).indices  # the same five words for every color
always = (game.names[game.folds["test"]][:, frequent] > 0).any(1).float().mean()
without = "direct, less how often a word is used"
rows = [variants.RELEASED, "four alternatives", "direct", without, "random words"]
short = summed.set_index("variant").loc[rows, ["right", "named"]]
short.loc["five most frequent words, always"] = np.nan, float(always)
short = short.rename(columns={"right": "right belief", "named": "in the name"})
charts.table(short.reset_index(), "Shares of messages, by their five words", digits=2)

# %%
same, right = by_belief["same"].iloc[1:], by_belief["right"].iloc[1:]
print(f"With other choices {same.min():.0%} to {same.max():.0%} of nearest words stay,")
print(
    f"and belief is right for {right.min():.0%} to {right.max():.0%} of the messages."
)

# %% [markdown]
# Two questions have to be kept apart. *Does the translation work in the game?* There the listener has to tell two
# colors apart, and beliefs are taken over these two. A word is right if it fits the one better than the other, and
# many words can do that. *Does the translation say what a person would say?* The criterion with one alternative does
# not ask for that, and outside of the game its words can look absurd. With other colors among the alternatives,
# beliefs ask for more. Compare direct translation with the last row: it prefers frequent words, and these are in many
# names.
#
# What is weak here: the listener's belief is judged by the very model of words that translates, so a fault of this
# model shows in neither. Our people are such a model, of names in a lexicon; nobody was asked. There are only three
# teams, and intervals, over teams and messages, are wide ([how they are made](does-it-hold)). And whether a
# translation is *right* cannot be known from agents that we trained; [does it hold](does-it-hold) plants codes whose
# meaning is known.
#
# ## Exercises
#
# 1. Change $p(\textit{thing} \mid \text{blue})$ so that direct translation is right. What has to be true of *thing*?
# 2. Multiply `z` by 1000, as if its density had another unit. Which distances change, and why not the beliefs?
# 3. Give states unequal frequency, by listing a pair twice in `states`. Whose translation changes first?
#
# ## Summary
#
# - A message means a belief for every state; how often it is used cancels.
# - Belief translation takes the word with the nearest beliefs, direct translation the word used in the same states; a
#   frequent vague word can win the latter, and a rare synonym the former.
# - Direct translation has the prior $p(a)$ inside. Without it, as `pmi`, it prefers words that are too precise.
# - The program adds a density to a probability, so its weights depend on a unit.
# - A translation that works in the game need not be the name that a person would give.

# %%
n2vlib.provenance(seed=SEED)
