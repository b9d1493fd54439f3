"""What translations of agents' messages are good for: the claims of Translating Neuralese, and the tables they need.

A claim is decided over teams and games, by the interval of `agents.evaluation`: a team's mean has the chance of its
games in it, so it is Student's t over the few teams' means; and as a few means can lie close together by luck, it is
never narrower than a bootstrap over games.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from n2vlib.agents import evaluation
from n2vlib.agents.society import Society
from n2vlib.agents.translating import TRANSLATORS
from n2vlib.claims.claim import Effect, Measure, Measures
from n2vlib.errors import BadInput
from n2vlib.games.recorded import Recorded
from n2vlib.store import Store

TEAMS, GAMES = "teams and games", "games of one team"
AGENT, PERSON = "R", "H"  # as in the paper's tables
NONE, RANDOM, DIRECT, BELIEF = "none", "random", "direct", "belief"


@dataclass(frozen=True)
class Translated:
    """What one run measured of translations; tables that were not measured are empty.

    played      one row for each game that was played: game, seed (of the team), speaker, listener, translation,
                episode, reward, won
    believed    one row for each state in which a belief was asked for: the same, with `right`
    kept        one row for each attribute of each message that was translated: seed, attribute, message, coarse, kept
                and by_chance (both 0 to 1)
    planted     one row for each message of a planted code: seed (of the code), noise, translation, message, right
    """

    played: pd.DataFrame = field(default_factory=pd.DataFrame)
    believed: pd.DataFrame = field(default_factory=pd.DataFrame)
    kept: pd.DataFrame = field(default_factory=pd.DataFrame)
    planted: pd.DataFrame = field(default_factory=pd.DataFrame)


def measured(
    societies: Mapping[str, tuple[Society, Recorded | None]],
    games: int,
    states: int,
    seed: int = 0,
    store: Store | None = None,
    count: int = TRANSLATORS,
) -> Translated:
    """`played` and `believed` of each game, by its name: who plays it, and where people are replayed their games.

    count   translators of each team and translation
    """
    kept = {"store": store, "count": count}
    played, believed = [], []
    for game, (society, recorded) in societies.items():
        played.append(evaluation.games(society, games, seed, recorded, **kept).assign(game=game))
        believed.append(evaluation.beliefs(society, states, seed, recorded, **kept).assign(game=game))
    return Translated(pd.concat(played, ignore_index=True), pd.concat(believed, ignore_index=True))


def by_team(table: pd.DataFrame, column: str, **which: str) -> pd.DataFrame:
    """A column of the rows with these values, (team, episode). BadInput where there is none."""
    rows = table
    for name, value in which.items():
        rows = rows.loc[rows[name] == value] if name in rows else rows.head(0)
    if rows.empty:
        raise BadInput(f"nothing was measured with {', '.join(f'{k} {v}' for k, v in which.items())}")
    return rows.pivot(index="seed", columns="episode", values=column).astype(float)


def over_teams(values: pd.DataFrame, scale: float = 1.0) -> Effect:
    """The mean over teams and games, with an interval for both.

    values   (team, episode)
    """
    numbers = scale * values.to_numpy(float)
    over = TEAMS if len(numbers) > 1 else GAMES
    note = f"{len(numbers)} teams, {numbers.shape[1]} games each"
    return Effect(float(numbers.mean()), *evaluation.interval(list(numbers)), over, note)


def apart(one: Effect, other: Effect) -> Effect:
    """The difference of two effects that were measured independently: squared widths add up on either side."""
    value = one.value - other.value
    low = value - np.hypot(one.value - one.low, other.high - other.value)
    high = value + np.hypot(one.high - one.value, other.value - other.low)
    return Effect(value, float(low), float(high), one.over, f"{one.note}; {other.note}")


def unsigned(effect: Effect) -> Effect:
    """How far an effect is from 0, on either side."""
    low, high = sorted([abs(effect.low), abs(effect.high)])
    return effect._replace(value=abs(effect.value), low=0.0 if effect.low < 0 < effect.high else low, high=high)


def level(t: Translated, game: str, translation: str, speaker: str, listener: str) -> Effect:
    """Share of games won, or in driving between agent and person of beliefs that are right, in percent."""
    return over_teams(_of(t, game, translation, speaker, listener), 100)


def gain(t: Translated, game: str, speaker: str, listener: str, other: str) -> Effect:
    """The same of translation by belief, minus that of another translation, in points."""
    belief, than = (_of(t, game, each, speaker, listener) for each in (BELIEF, other))
    return over_teams(belief - than, 100)


def beyond_native(t: Translated, game: str) -> Effect:
    """Games won by a person who hears an agent translated by belief, minus those by a person who hears a person."""
    here, native = _of(t, game, BELIEF, AGENT, PERSON), _of(t, game, NONE, PERSON, PERSON)
    return over_teams(here - native, 100)


def drives(t: Translated, column: str, other: str, scale: float = 1.0) -> Effect:
    """Of driving games that an agent plays with a person: belief minus another translation."""
    which = {"game": "driving", "speaker": PERSON, "listener": AGENT}
    belief, than = (by_team(t.played, column, translation=each, **which) for each in (BELIEF, other))
    return over_teams(belief - than, scale)


def completion(t: Translated) -> Effect:
    """How far apart the shares of completed driving games are, in points."""
    return unsigned(drives(t, "won", RANDOM, 100))


def lower_agents(t: Translated) -> Effect:
    """Games won by two agents, driving minus colors, in points."""
    driving, colors = (level(t, game, NONE, AGENT, AGENT) for game in ("driving", "colors"))
    return apart(driving, colors)


def lower_translated(t: Translated) -> Effect:
    """What translation by belief reaches in both directions, driving minus colors, in points."""
    sides = ((PERSON, AGENT), (AGENT, PERSON))
    both = [[_of(t, game, BELIEF, *side) for side in sides] for game in ("driving", "colors")]
    driving, colors = (over_teams(pd.concat(each, axis=1), 100) for each in both)
    return apart(driving, colors)


def coarse(t: Translated) -> Effect:
    """What translations keep of coarse attributes, beyond chance, in points."""
    return over_teams(_beyond_chance(t, True), 100)


def coarse_or_fine(t: Translated) -> Effect:
    """What is kept beyond chance, coarse minus fine attributes, in points; message by message."""
    return over_teams(_beyond_chance(t, True) - _beyond_chance(t, False), 100)


def planted(t: Translated) -> Effect:
    """Messages of a planted code translated right, belief minus direct, in points."""
    if t.planted.empty:
        raise BadInput("no planted code was measured")
    belief, direct = (_right(t.planted, each) for each in (BELIEF, DIRECT))
    return _of_codes(over_teams(belief - direct, 100))


def noisier(t: Translated) -> Effect:
    """Messages of a planted code translated right by belief, least minus most noise, in points."""
    if t.planted.empty:
        raise BadInput("no planted code was measured")
    ends = t.planted["noise"].min(), t.planted["noise"].max()
    least, most = (_right(t.planted.loc[t.planted["noise"] == each], BELIEF) for each in ends)
    return _of_codes(over_teams(least - most, 100))


def _of(t: Translated, game: str, translation: str, speaker: str, listener: str) -> pd.DataFrame:
    """What the paper's tables count: beliefs in driving where one side is translated, elsewhere games won."""
    which = {"game": game, "translation": translation, "speaker": speaker, "listener": listener}
    if game == "driving" and translation != NONE:
        return by_team(t.believed, "right", **which)
    return by_team(t.played, "won", **which)


def _beyond_chance(t: Translated, coarse: bool) -> pd.DataFrame:
    if t.kept.empty:
        raise BadInput("no attribute of a creature was measured")
    rows = t.kept.loc[t.kept["coarse"] == coarse]
    return rows.assign(beyond=rows["kept"] - rows["by_chance"]).pivot_table("beyond", "seed", "message")


def _right(planted: pd.DataFrame, translation: str) -> pd.DataFrame:
    """Share of noise levels at which each message is translated right, (code, message)."""
    rows = planted.loc[planted["translation"] == translation]
    return rows.assign(right=rows["right"].astype(float)).pivot_table("right", "seed", "message")


def _of_codes(effect: Effect) -> Effect:
    """With the words for planted codes in place of teams and games."""
    note = effect.note.replace("teams", "codes").replace("games", "messages")
    return effect._replace(over=effect.over.replace("teams", "codes").replace("games", "messages"), note=note)


def _by_direction() -> dict[str, Measure]:
    """The claims that are made of both directions, by id."""
    found: dict[str, Measure] = {}
    for to, speaker, listener in (("agent", PERSON, AGENT), ("person", AGENT, PERSON)):
        sides = {"speaker": speaker, "listener": listener}
        for game in ("colors", "creatures", "driving"):
            found[f"{game}-to-{to}"] = partial(gain, game=game, other=DIRECT, **sides)
            found[f"{game}-to-{to}-random"] = partial(gain, game=game, other=RANDOM, **sides)
        for translation in (BELIEF, DIRECT):
            name = f"driving-{translation}-to-{to}"
            found[name] = partial(level, game="driving", translation=translation, **sides)
    return found


_TOGETHER = {"translation": NONE, "speaker": AGENT, "listener": AGENT}
MEASURES: Measures = {
    "colors-agents": partial(level, game="colors", **_TOGETHER),
    "creatures-agents": partial(level, game="creatures", **_TOGETHER),
    "colors-native": partial(beyond_native, game="colors"),
    "creatures-native": partial(beyond_native, game="creatures"),
    "driving-reward": partial(drives, column="reward", other=RANDOM),
    "driving-reward-direct": partial(drives, column="reward", other=DIRECT),
    "driving-completion": completion,
    "driving-lower-agents": lower_agents,
    "driving-lower-translated": lower_translated,
    "coarse-kept": coarse,
    "coarse-more-than-fine": coarse_or_fine,
    "planted-belief": planted,
    "planted-noise": noisier,
    **_by_direction(),
}
