"""What translations of agents' messages are good for: the claims of Translating Neuralese, and the tables they need.

A claim is decided over teams and games. A team's mean has the chance of its games in it, so the interval is that of
Student's t over the few teams' means; but a few means can lie close together by luck, so it is never narrower than a
bootstrap over games. A two-level bootstrap would be too narrow: of three teams, it draws too few different ones.
"""

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from n2vlib.claims.claim import Effect, Measures
from n2vlib.errors import BadInput
from n2vlib.tables import bootstrap_mean

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


def by_team(table: pd.DataFrame, column: str, **which: str) -> pd.DataFrame:
    """A column of the rows with these values, (team, episode). BadInput where there is none."""
    rows = table
    for name, value in which.items():
        rows = rows.loc[rows[name] == value] if name in rows else rows.head(0)
    if rows.empty:
        raise BadInput(f"nothing was measured with {', '.join(f'{k} {v}' for k, v in which.items())}")
    return rows.pivot(index="seed", columns="episode", values=column).astype(float)


def over_teams(values: pd.DataFrame, scale: float = 1.0, note: str = "") -> Effect:
    """The mean over teams and games, with an interval for both.

    values   (team, episode); NaN where a team did not play this one
    """
    numbers = scale * values.to_numpy(float)
    means = pd.DataFrame(numbers).mean(axis=1).dropna().to_numpy()
    games = pd.DataFrame(numbers).mean(axis=0).dropna().to_numpy()
    value, teams = float(means.mean()), len(means)
    low, high = bootstrap_mean(games - games.mean() + value)
    note = note or f"{teams} teams, {len(games)} games each"
    if teams < 2:
        return Effect(value, low, high, GAMES, note)
    half = stdtrit(teams - 1, 0.975) * means.std(ddof=1) / np.sqrt(teams)
    return Effect(value, min(low, value - half), max(high, value + half), TEAMS, note)


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
    if len(native) == 1:  # people are of no team
        native = pd.concat([native] * len(here)).set_axis(here.index)
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
    rows = t.planted.groupby(["translation", "seed", "message"], as_index=False)["right"].mean()
    belief, direct = (_right(rows, each) for each in (BELIEF, DIRECT))
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


def _right(rows: pd.DataFrame, translation: str) -> pd.DataFrame:
    rows = rows.loc[rows["translation"] == translation]
    return rows.pivot(index="seed", columns="message", values="right").astype(float)


def _of_codes(effect: Effect) -> Effect:
    """With the words for planted codes in place of teams and games."""
    note = effect.note.replace("teams", "codes").replace("games", "messages")
    return effect._replace(over=effect.over.replace("teams", "codes").replace("games", "messages"), note=note)


_SIDES = {"agent": (PERSON, AGENT), "person": (AGENT, PERSON)}  # who hears: speaker and listener

MEASURES: Measures = {
    "colors-agents": partial(level, game="colors", translation=NONE, speaker=AGENT, listener=AGENT),
    "creatures-agents": partial(level, game="creatures", translation=NONE, speaker=AGENT, listener=AGENT),
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
}
for _to, (_speaker, _listener) in _SIDES.items():
    _sides = {"speaker": _speaker, "listener": _listener}
    for _game in ("colors", "creatures", "driving"):
        MEASURES |= {
            f"{_game}-to-{_to}": partial(gain, game=_game, other=DIRECT, **_sides),
            f"{_game}-to-{_to}-random": partial(gain, game=_game, other=RANDOM, **_sides),
        }
    MEASURES |= {
        f"driving-belief-to-{_to}": partial(level, game="driving", translation=BELIEF, **_sides),
        f"driving-direct-to-{_to}": partial(level, game="driving", translation=DIRECT, **_sides),
    }
