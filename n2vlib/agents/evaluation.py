"""Mixed teams with a translator between them, and whether the right belief arrives (Andreas et al. 2017, sections 7
and 8).

R is an agent and H a person, or a model of one. All conditions of a team play the same games, and all translations have
the same states and codes, so that they can be compared game by game and none depends on which others are asked for.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from n2vlib import tables
from n2vlib.agents import people
from n2vlib.agents.play import Hearing, Played, play
from n2vlib.agents.society import Society
from n2vlib.errors import BadInput
from n2vlib.games.game import at_turns
from n2vlib.games.recorded import Recorded
from n2vlib.games.reference import ReferenceGame
from n2vlib.methods.translation import Translator

TRANSLATIONS = ("random", "direct", "belief")
STATES, CODES = 256, 50
TRANSLATORS = (
    8  # of each team and method: what a translation is worth depends on the states and codes it was drawn with
)
SHOWN = 10  # in driving one of the ten nearest codes is heard, drawn at random, as in the released program


def stream(seed: int, team: int) -> torch.Generator:
    """Random numbers of a team's evaluation, which are none of those it was trained with."""
    return torch.Generator().manual_seed(10_000_000 + 1_000 * team + seed)


def sample(
    society: Society, team: int, n: int, draws: torch.Generator, fold: str = "validation", options: int = 1
) -> tuple[Tensor, Tensor]:
    """Turns of games of two agents, one of each game: what the first player saw and what it might have seen instead
    (n, 1 + options, features), true one first; and what it then said (n, size)."""
    played = play(society.game, society.robots(team), society.game.new(n, draws, fold), draws)
    return _at_a_turn(society, played, draws, options)


def _at_a_turn(society: Society, played: Played, draws: torch.Generator, options: int) -> tuple[Tensor, Tensor]:
    n = len(played.won)
    turn = (torch.rand(n, generator=draws) * played.running.sum(1)).long()
    rows = torch.arange(n)
    state = at_turns(played.states, rows, turn)
    other = society.game.alternatives(state, 0, options, draws)
    seen = torch.cat([played.seen[rows, turn, 0][:, None], other], 1)
    return seen, played.messages[0][rows, turn]


def sample_people(
    society: Society, n: int, draws: torch.Generator, recorded: Recorded | None = None, options: int = 1
) -> tuple[Tensor, Tensor]:
    """The same of people: n messages with something of the lexicon in them, and what was seen, (n, 1 + options,
    features).

    recorded   their games; None: how they describe things of a reference game's test fold
    """
    game = society.game
    if recorded is None:
        assert isinstance(game, ReferenceGame)
        state = game.new(n, draws, "test")
        seen, messages = game.observe(state)[:, 0], game.described(state)
    else:
        talks = recorded.talks[:, :, 0].nonzero()
        if not len(talks):
            raise BadInput(
                f"PEOPLE: in {len(recorded.actions)} games to test on, player 0 says nothing of the lexicon; add games"
            )
        drawn = talks[torch.randint(len(talks), (n,), generator=draws)]
        state = at_turns(recorded.states, drawn[:, 0], drawn[:, 1])
        seen, messages = game.observe(state)[:, 0], recorded.messages[drawn[:, 0], drawn[:, 1], 0]
    return torch.cat([seen[:, None], game.alternatives(state, 0, options, draws)], 1), messages


def translator(
    society: Society,
    team: int,
    method: str,
    draws: torch.Generator,
    states: int = STATES,
    codes: int = CODES,
    options: int = 1,
) -> Translator:
    """A translator of one team's messages: over `states` states, among `codes` messages and the whole lexicon."""
    seen, messages = sample(society, team, max(states, codes), draws, options=options)
    return Translator(
        seen[:states],
        messages[:codes],
        len(society.lexicon),
        society.codes[team].log_p,
        society.words.log_p,
        method,
        draws,
    )


@dataclass(frozen=True)
class Translators:
    """Several translators; each translates its share of the rows, the first ones the first."""

    ways: Sequence[Translator]

    def to_words(self, codes: Tensor, top: int = 5) -> Tensor:
        """As of `Translator`."""
        return torch.cat([way.to_words(each, top) for way, each in self._shares(codes)])

    def to_codes(self, bags: Tensor, top: int = 1) -> Tensor:
        """As of `Translator`."""
        return torch.cat([way.to_codes(each, top) for way, each in self._shares(bags)])

    def _shares(self, rows: Tensor) -> Iterator[tuple[Translator, Tensor]]:
        return zip(self.ways, rows.tensor_split(len(self.ways)), strict=True)


def translators(
    society: Society,
    team: int,
    methods: Sequence[str],
    draws: torch.Generator,
    codes: int = CODES,
    options: int = 1,
) -> dict[str, Translators]:
    """TRANSLATORS of each method, all methods with the same states and codes."""
    size = max(STATES, codes)
    seen, messages = sample(society, team, TRANSLATORS * size, draws, options=options)
    parts = list(zip(seen.split(size), messages.split(size), strict=True))
    lexicon, log_p = len(society.lexicon), (society.codes[team].log_p, society.words.log_p)
    return {
        method: Translators(
            [
                Translator(some[:STATES], sent[:codes], lexicon, *log_p, method, draws.clone_state())
                for some, sent in parts
            ]
        )
        for method in methods
    }


def games(
    society: Society,
    n: int = 512,
    seed: int = 0,
    recorded: Recorded | None = None,
    translations: Sequence[str] = TRANSLATIONS,
) -> pd.DataFrame:
    """Every game of every team: seed, speaker, listener, translation, episode, reward, won.

    Two agents, two people, and mixed teams with each translation. In a reference game people speak by the recorded
    descriptions and listen as the model of people does; in driving, people's games are replayed beside an agent that
    hears them, so that only one direction is played: both seats of each game, n games of `recorded` at most.
    """
    rows: list[pd.DataFrame] = []
    for team in range(len(society.teams)):
        draws = stream(seed, team)
        if recorded is None:
            conditions = _reference(society, team, n, draws, translations)
        else:
            conditions = _driving(society, team, n, draws, recorded, translations)
        for (speaker, listener, translation), played in conditions:
            keys = {"seed": team, "speaker": speaker, "listener": listener, "translation": translation}
            rewards = torch.cat([each.reward for each in played])
            won = torch.cat([each.won for each in played])
            rows.append(pd.DataFrame({**keys, "episode": range(len(won)), "reward": rewards, "won": won}))
    return pd.concat(rows, ignore_index=True)


Condition = tuple[tuple[str, str, str], Sequence[Played]]  # speaker, listener, translation; and the games


def _reference(
    society: Society, team: int, n: int, draws: torch.Generator, translations: Sequence[str]
) -> Iterator[Condition]:
    game, (speaker, listener) = society.game, society.robots(team)
    assert isinstance(game, ReferenceGame) and society.people is not None
    state = game.new(n, draws, "test")
    person, describer = people.Listener(society.people, 1), people.describing(game, state)
    yield ("R", "R", "none"), [play(game, (speaker, listener), state, draws)]
    yield ("H", "H", "none"), [play(game, (describer, person), state, draws)]
    silence = _silence(society.teams[team].size)
    for method, way in translators(society, team, translations, draws).items():
        own = draws.clone_state()
        yield ("R", "H", method), [play(game, (speaker, person), state, own, (silence, way.to_words))]
        yield ("H", "R", method), [play(game, (describer, listener), state, own, (None, way.to_codes))]


def _driving(
    society: Society, team: int, n: int, draws: torch.Generator, recorded: Recorded, translations: Sequence[str]
) -> Iterator[Condition]:
    game, robots = society.game, society.robots(team)
    few = recorded.of(torch.arange(min(n, len(recorded.actions))))
    person = (
        people.Replayed(few.messages[:, :, 0], few.actions[:, :, 0]),
        people.Replayed(few.messages[:, :, 1], few.actions[:, :, 1]),
    )
    yield ("R", "R", "none"), [play(game, robots, few.states[0], draws)]
    yield ("H", "H", "none"), [play(game, person, few.states[0], draws)]
    for method, way in translators(society, team, translations, draws).items():
        own = draws.clone_state()

        def hear(bags: Tensor, way: Translators = way) -> Tensor:
            return way.to_codes(bags, top=SHOWN)

        first = play(game, (robots[0], person[1]), few.states[0], own, (hear, None))
        second = play(game, (person[0], robots[1]), few.states[0], own, (None, hear))
        yield ("H", "R", method), [first, second]


def _silence(size: int) -> Hearing:
    return lambda words: torch.zeros(len(words), size)


def beliefs(
    society: Society,
    n: int = STATES,
    seed: int = 0,
    recorded: Recorded | None = None,
    translations: Sequence[str] = TRANSLATIONS,
    options: int = 1,
    codes: int = CODES,
) -> pd.DataFrame:
    """Whether a listener who believes what a message says chooses what its speaker saw, for n states of every team:
    seed, speaker, listener, translation, episode, right.

    A listener R reads with the model of agents' messages, H with that of people's. Chance is 1 / (1 + options).
    codes: the messages of agents among which people's are translated.
    """
    rows = []
    for team in range(len(society.teams)):
        draws = stream(seed, team)
        seen_r, sent = sample(society, team, n, draws, "test", options)
        seen_h, words = sample_people(society, n, draws, recorded, options)
        agent, person = society.codes[team], society.words
        ways = [("R", "R", "none", agent, sent, seen_r), ("H", "H", "none", person, words, seen_h)]
        for method, way in translators(society, team, translations, draws, codes, options).items():
            top = 1 if recorded is None else SHOWN
            ways.append(("R", "H", method, person, way.to_words(sent), seen_r))
            ways.append(("H", "R", method, agent, way.to_codes(words, top=top), seen_h))
        for speaker, listener, translation, reads, messages, seen in ways:
            with torch.no_grad():
                found = reads(seen, messages[:, None])  # one message for each state, (state, option)
            keys = {"seed": team, "speaker": speaker, "listener": listener, "translation": translation}
            # A tie is no answer: the true option has to be strictly more probable.
            right = (found[:, :1] > found[:, 1:]).all(1)
            rows.append(pd.DataFrame({**keys, "episode": range(len(seen)), "right": right}))
    return pd.concat(rows, ignore_index=True)


def summary(rows: pd.DataFrame, value: str, seed: int = 0) -> pd.DataFrame:
    """Means of `value` by speaker, listener and translation, with 95% intervals over teams and episodes: value, low,
    high, teams, episodes."""
    keys, found = ["speaker", "listener", "translation"], []
    for _, some in rows.groupby(keys, sort=False):
        low, high = interval([each[value].to_numpy(float) for _, each in some.groupby("seed")], seed)
        if some[value].dtype == bool:  # a share
            low, high = max(low, 0.0), min(high, 1.0)
        sizes = {"teams": some["seed"].nunique(), "episodes": len(some)}
        found.append(
            {key: some[key].iloc[0] for key in keys} | {value: some[value].mean(), "low": low, "high": high} | sizes
        )
    return pd.DataFrame(found)


def differences(rows: pd.DataFrame, value: str, pairs: Sequence[tuple[str, str]], seed: int = 0) -> pd.DataFrame:
    """Of `value` between translations that were given the same episodes, one by one: speaker, listener, translations,
    difference, low, high (95%, as in `interval`)."""
    keys, found = ["speaker", "listener"], []
    for _, some in rows.groupby(keys, sort=False):
        wide = some.pivot(index=["seed", "episode"], columns="translation", values=value).astype(float)
        for one, other in pairs:
            if {one, other} <= set(wide):
                gain = (wide[one] - wide[other]).unstack("episode").to_numpy()
                low, high = interval(list(gain), seed)
                row = {key: some[key].iloc[0] for key in keys} | {"translations": f"{one} - {other}"}
                found.append(row | {"difference": float(gain.mean()), "low": low, "high": high})
    return pd.DataFrame(found)


def interval(by_team: Sequence[np.ndarray], seed: int = 0) -> tuple[float, float]:
    """95% interval of a mean over teams and episodes: by Student's t over the teams' means, and never narrower than the
    bootstrap over episodes. (To draw three teams again covers too little: they are too few.)

    by_team   values of each team's episodes, as many of each team; the episodes with one number are drawn together,
              since teams may have played the same ones
    """
    values = np.array(by_team, float)
    low, high = tables.bootstrap_mean(values.mean(axis=0), seed)
    mean, half = float(values.mean()), float(np.nan_to_num(tables.half_width(values.mean(axis=1))))
    return min(low, mean - half), max(high, mean + half)
