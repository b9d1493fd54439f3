"""One game of driving as tables, for the viewer: where the cars are, what is uttered, and where a listener believes the
other car is."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from n2vlib.agents.play import Played
from n2vlib.agents.society import Society
from n2vlib.games.driving import AHEAD, DIRECTIONS, GOALS, IS_ROAD, ROADS, SIZE, Cars, DrivingGame
from n2vlib.games.recorded import SILENT
from n2vlib.methods.translation import Translator

COMPASS = {"n": "north", "e": "east", "s": "south", "w": "west"}


class Story(NamedTuple):
    """Cars are counted from 1, turns from 0; row 0 is in the north.

    cells     row, column: the road
    goals     car, row, column
    cars      turn, car, part (head, behind), row, column, heading; without cars that have arrived
    messages  turn, car, kind (R, H), text: words, or the translation of a code
    beliefs   turn, listener, about, row, column, probability: of each cell of the road, given the message of that turn
    """

    cells: pd.DataFrame
    goals: pd.DataFrame
    cars: pd.DataFrame
    messages: pd.DataFrame
    beliefs: pd.DataFrame


@torch.no_grad()
def of(
    society: Society, team: int, played: Played, k: int, way: Translator, kinds: tuple[str, str], top: int = 3
) -> Story:
    """Game k of those played.

    way    the translator of the team's codes;  kinds: of both players, R for an agent, H for a person
    top    entries of the lexicon that a translation shows
    """
    n, game = int(played.running[k].sum()), DrivingGame()
    states = [type(each)(*(part[k : k + 1] for part in each)) for each in played.states[: n + 1]]
    road = int(states[0].road)
    cells = pd.DataFrame(IS_ROAD[road].nonzero().tolist(), columns=["row", "column"])
    goals = [(car + 1, *cell) for car, cell in enumerate(states[0].goal[0].tolist())]
    cars, messages, beliefs = [], [], []
    places, seen = _anywhere(game, road)
    for car, kind in enumerate(kinds):
        uttered = played.messages[car][k, :n]
        silent = ~uttered.any(1)
        log_p = (society.codes[team] if kind == "R" else society.words).of(seen[car][None])(uttered)[:, 0]
        for t, state in enumerate(states):
            if state.head[0, car, 0] >= 0:
                cars += [(t, car + 1, *each) for each in _parts(state, car)]
            if t == n:
                break
            text = _text(society, uttered[t : t + 1], kind, way, top)
            messages.append((t, car + 1, kind, text))
            if not state.done[0, car] and not silent[t]:
                share = torch.zeros(len(cells)).index_add_(0, places, log_p[t].softmax(0))
                beliefs += [(t, 2 - car, car + 1, i, float(p)) for i, p in enumerate(share)]
    found = pd.DataFrame(beliefs, columns=["turn", "listener", "about", "cell", "probability"])
    found = found.join(cells, on="cell").drop(columns="cell")
    return Story(
        cells,
        pd.DataFrame(goals, columns=["car", "row", "column"]),
        pd.DataFrame(cars, columns=["turn", "car", "part", "row", "column", "heading"]),
        pd.DataFrame(messages, columns=["turn", "car", "kind", "text"]).sort_values(["turn", "car"], ignore_index=True),
        found,
    )


def place(seen: Tensor) -> str:
    """Where a driver is that sees this, (features,), in words; nothing is seen by one that has arrived."""
    if not seen.any():
        return "arrived"
    cell, direction = int(seen[len(ROADS) :][: SIZE * SIZE].argmax()), int(seen[-len(DIRECTIONS) :].argmax())
    return f"row {cell // SIZE}, column {cell % SIZE}, to the {COMPASS[DIRECTIONS[direction]]}"


def _anywhere(game: DrivingGame, road: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """A car on every cell of the road, in every direction, with every goal: the number of its cell, (option,), and what
    each player sees then, (option, features)."""
    cells, goals = IS_ROAD[road].nonzero(), GOALS[road]
    at = torch.cartesian_prod(torch.arange(len(cells)), torch.arange(len(DIRECTIONS)), torch.arange(len(goals)))
    n = len(at)
    state = Cars(
        torch.full((n,), road),
        cells[at[:, 0]][:, None].expand(-1, 2, -1),
        at[:, 1:2].expand(-1, 2),
        goals[at[:, 2]][:, None].expand(-1, 2, -1),
        torch.zeros(n, 2, dtype=torch.bool),
    )
    seen = game.observe(state)
    return at[:, 0], (seen[:, 0], seen[:, 1])


def _parts(state: Cars, car: int) -> list[tuple[str, int, int, str]]:
    """Head and the cell behind it, where that is on the map."""
    direction = int(state.direction[0, car])
    head = state.head[0, car]
    behind = head - AHEAD[direction]
    heading = COMPASS[DIRECTIONS[direction]]
    inside = bool(((behind >= 0) & (behind < SIZE)).all())
    cells = [("head", head), ("behind", behind)] if inside else [("head", head)]
    return [(part, int(cell[0]), int(cell[1]), heading) for part, cell in cells]


def _text(society: Society, message: Tensor, kind: str, way: Translator, top: int) -> str:
    """Words, or those that a code is translated into."""
    entries = way.nearest(message, top)[0] if kind == "R" else message[0].nonzero()[:, 0]
    return words(society.lexicon, entries.tolist())


def words(lexicon: Sequence[str], entries: Sequence[int]) -> str:
    """Entries of a lexicon as they are shown."""
    found = [lexicon[i] for i in entries] or [SILENT]
    return ", ".join("(silence)" if word == SILENT else word for word in found)


def described(story: Story) -> str:
    """The game in sentences, for readers who do not see the chart."""
    heads = story.cars.loc[story.cars["part"] == "head"]
    keys = ["turn", "car"]
    places = {
        (turn, car): f"is in row {row}, column {column}, heading {heading}"
        for turn, car, row, column, heading in heads[[*keys, "row", "column", "heading"]].itertuples(index=False)
    }
    texts = {(turn, car): text for turn, car, text in story.messages[[*keys, "text"]].itertuples(index=False)}
    lines = []
    for turn in sorted({turn for turn, _ in [*places, *texts]}):
        parts = [
            f"car {car} {places.get((turn, car), 'has arrived')}" + (f", says {text}" if text else "")
            for car in (1, 2)
            for text in [texts.get((turn, car), "")]
        ]
        lines.append(f"Turn {turn}: {'; '.join(parts)}.")
    return " ".join(lines)
