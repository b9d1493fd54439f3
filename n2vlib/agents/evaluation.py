"""Mixed teams with a translator between them, and whether the right belief arrives (Andreas et al. 2017, sections 7
and 8).

R is an agent and H a person, or a model of one. All conditions of a team play the same games, and all translations have
the same states and codes, so that they can be compared game by game and none depends on which others are asked for.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from n2vlib import tables
from n2vlib.agents import people
from n2vlib.agents.play import Hearing, Played, play
from n2vlib.agents.society import Society
from n2vlib.agents.training import key
from n2vlib.agents.translating import (
    CODES,
    SHOWN,
    STATES,
    TRANSLATORS,
    Translators,
    sample,
    sample_people,
    stream,
    translators,
)
from n2vlib.games.recorded import Recorded
from n2vlib.games.reference import ReferenceGame
from n2vlib.store import Store

MODULES = ["n2vlib.agents.evaluation"]
TRANSLATIONS = ("random", "direct", "belief")


def games(
    society: Society,
    n: int = 512,
    seed: int = 0,
    recorded: Recorded | None = None,
    translations: Sequence[str] = TRANSLATIONS,
    store: Store | None = None,
    count: int = TRANSLATORS,
) -> pd.DataFrame:
    """Every game of every team: seed, speaker, listener, translation, episode, reward, won; kept in `store`, if given.

    Two agents, two people, and mixed teams with each translation. In a reference game people speak by the recorded
    descriptions and listen as the model of people does; in driving, people's games are replayed beside an agent that
    hears them, so that only one direction is played: both seats of each game, n games of `recorded` at most.

    count   translators of each team and translation
    """
    make = partial(_games, society, n, seed, recorded, translations, count)
    inputs = {"games": n, "seed": seed, "translations": [*translations], "count": count}
    return _kept(store, "neuralese-games", society, recorded, inputs, make)


def _kept(
    store: Store | None,
    kind: str,
    society: Society,
    recorded: Recorded | None,
    inputs: dict,
    make: Callable[[], pd.DataFrame],
) -> pd.DataFrame:
    return make() if store is None else store.table(kind, inputs | {"agents": key(society, recorded)}, MODULES, make)


def _games(
    society: Society, n: int, seed: int, recorded: Recorded | None, translations: Sequence[str], count: int
) -> pd.DataFrame:
    rows: list[pd.DataFrame] = []
    for team in range(len(society.teams)):
        draws = stream(seed, team)
        if recorded is None:
            conditions = _reference(society, team, n, draws, translations, count)
        else:
            conditions = _driving(society, team, n, draws, recorded, translations, count)
        for (speaker, listener, translation), played in conditions:
            keys = {"seed": team, "speaker": speaker, "listener": listener, "translation": translation}
            rewards = torch.cat([each.reward for each in played])
            won = torch.cat([each.won for each in played])
            rows.append(pd.DataFrame({**keys, "episode": range(len(won)), "reward": rewards, "won": won}))
    return pd.concat(rows, ignore_index=True)


Condition = tuple[tuple[str, str, str], Sequence[Played]]  # speaker, listener, translation; and the games


def _reference(
    society: Society, team: int, n: int, draws: torch.Generator, translations: Sequence[str], count: int
) -> Iterator[Condition]:
    game, (speaker, listener) = society.game, society.robots(team)
    assert isinstance(game, ReferenceGame) and society.people is not None
    state = game.new(n, draws, "test")
    person, describer = people.Listener(society.people, 1), people.describing(game, state)
    yield ("R", "R", "none"), [play(game, (speaker, listener), state, draws)]
    yield ("H", "H", "none"), [play(game, (describer, person), state, draws)]
    silence = _silence(society.teams[team].size)
    for method, way in translators(society, team, translations, draws, count=count).items():
        own = draws.clone_state()
        yield ("R", "H", method), [play(game, (speaker, person), state, own, (silence, way.to_words))]
        yield ("H", "R", method), [play(game, (describer, listener), state, own, (None, way.to_codes))]


def _driving(
    society: Society,
    team: int,
    n: int,
    draws: torch.Generator,
    recorded: Recorded,
    translations: Sequence[str],
    count: int,
) -> Iterator[Condition]:
    game, robots = society.game, society.robots(team)
    few = recorded.of(torch.arange(min(n, len(recorded.actions))))
    person = (
        people.Replayed(few.messages[:, :, 0], few.actions[:, :, 0]),
        people.Replayed(few.messages[:, :, 1], few.actions[:, :, 1]),
    )
    yield ("R", "R", "none"), [play(game, robots, few.states[0], draws)]
    yield ("H", "H", "none"), [play(game, person, few.states[0], draws)]
    for method, way in translators(society, team, translations, draws, count=count).items():
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
    store: Store | None = None,
    count: int = TRANSLATORS,
) -> pd.DataFrame:
    """Whether a listener who believes what a message says chooses what its speaker saw, for n states of every team:
    seed, speaker, listener, translation, episode, right.

    A listener R reads with the model of agents' messages, H with that of people's. Chance is 1 / (1 + options).
    codes: the messages of agents among which people's are translated; count: as for `games`. Kept in `store`, if given.
    """
    make = partial(_beliefs, society, n, seed, recorded, translations, options, codes, count)
    inputs = {"states": n, "seed": seed, "translations": [*translations], "options": options, "codes": codes}
    inputs |= {"count": count}
    return _kept(store, "neuralese-beliefs", society, recorded, inputs, make)


def _beliefs(
    society: Society,
    n: int,
    seed: int,
    recorded: Recorded | None,
    translations: Sequence[str],
    options: int,
    codes: int,
    count: int,
) -> pd.DataFrame:
    rows = []
    for team in range(len(society.teams)):
        draws = stream(seed, team)
        seen_r, sent = sample(society, team, n, draws, "test", options)
        seen_h, words = sample_people(society, n, draws, recorded, options)
        agent, person = society.codes[team], society.words
        ways = [("R", "R", "none", agent, sent, seen_r), ("H", "H", "none", person, words, seen_h)]
        for method, way in translators(society, team, translations, draws, codes, options, count).items():
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
