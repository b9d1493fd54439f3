"""Drivers by a script, where no games of people are at hand: they drive by the shortest way, talk, and slip.

What they say are phrases of ours, not of the released logs. Everything trained on their games is called *scripted*.
"""

from functools import cache

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from n2vlib.games.driving import AHEAD, IS_ROAD, ROADS, SIZE, TURN, Cars, DrivingGame
from n2vlib.games.recorded import SILENT, Recorded, ended

NAME = "scripted"
PHRASES = (
    SILENT, "done", "going north", "going east", "going south", "going west", "turning left", "turning right",
    "north side", "east side", "south side", "west side", "near goal", "at crossing", "crossing", "waiting",
    "you first",
)  # fmt: skip
SLIPS = {"silence": 0.1, "wrong phrase": 0.05, "wrong move": 0.02}  # shares of a car's turns
GAMES = {"train": 400, "test": 100}
PATIENCE = 3  # turns that a car waits at most
_OFF_ROAD, _MOVES = 20.0, (1, 2, 3)
# Rows of PHRASES; of those in several directions, the first.
_DONE, _GOING, _TURNING, _SIDE, _NEAR, _AT, _IN, _WAITS, _YIELDS = 1, 2, 6, 8, 12, 13, 14, 15, 16


def default(fold: str = "train") -> Recorded:
    """The games that models of scripted drivers learn from, or are tested on; the same on every machine."""
    return games(GAMES[fold], torch.Generator().manual_seed([*GAMES].index(fold)))


def games(n: int, draws: torch.Generator, slips: float = 1.0) -> Recorded:
    """n games of two such drivers, who do not see each other.

    slips   times SLIPS: 0 for drivers without a slip
    """
    game = DrivingGame()
    state = game.new(n, draws)
    heard, waited = torch.zeros(n, 2, dtype=torch.int64), torch.zeros(n, 2, dtype=torch.int64)
    running, states, turns = torch.ones(n, dtype=torch.bool), [state], []
    for _ in range(game.turns):
        actions, waits = _drive(state, heard, waited)
        phrases = _talk(state, actions, waits, heard, draws)
        slip = torch.rand(n, 2, generator=draws)
        phrases, actions = _slipped(slip / max(slips, 1e-9), phrases, actions, state.done, draws)
        then, _, over = game.step(state, actions)
        turns.append((actions, phrases, running))
        state = Cars(*(_of_running(running, *both) for both in zip(then, state, strict=True)))
        heard, waited = phrases.flip(1), (waited + 1) * waits
        running = running & ~over
        states.append(state)
    actions, phrases, ran = (torch.stack(each, 1) for each in zip(*turns, strict=True))
    actions, phrases = ended(actions, phrases, ran)
    return Recorded(states, actions, one_hot(phrases, len(PHRASES)).float(), ran, PHRASES, NAME)


def _of_running(running: Tensor, new: Tensor, old: Tensor) -> Tensor:
    return torch.where(running.reshape(-1, *[1] * (new.dim() - 1)), new, old)


def _drive(state: Cars, heard: Tensor, waited: Tensor) -> tuple[Tensor, Tensor]:
    """What both do, (n, 2), and who of them waits: before a crossing, or a lane to be crossed, by what was heard."""
    best = _at(shortest()[1], state)
    enters = _enters(state, best) & ~_inside(state)
    northward = state.direction % 2 == 0  # goes first where both are there
    busy = (heard == _IN) | (((heard == _AT) | (heard == _WAITS)) & ~northward)
    lanes = ~crossings()[state.road].flatten(1).any(1)[:, None]  # the road without a crossing
    busy = torch.where(lanes, (heard == _TURNING) | (heard == _TURNING + 1), busy & enters)
    waits = busy & (waited < PATIENCE) & ~state.done
    return torch.where(waits | state.done, 0, best), waits


def _talk(state: Cars, actions: Tensor, waits: Tensor, heard: Tensor, draws: torch.Generator) -> Tensor:
    """A phrase that is true of the speaker, (n, 2)."""
    n = len(state.road)
    phrases = _GOING + state.direction
    row, column = state.head.unbind(2)
    side = torch.where(row < 3, 0, torch.where(row > 4, 2, torch.where(column > 4, 1, torch.where(column < 3, 3, -1))))
    often = [torch.rand(n, 2, generator=draws) for _ in range(3)]
    phrases = torch.where((side >= 0) & (often[0] < 0.5), _SIDE + side, phrases)
    phrases = torch.where((actions > 1) & (often[1] < 0.7), _TURNING - 2 + actions, phrases)
    phrases = torch.where((_at(shortest()[0], state) <= 2) & (often[2] < 0.7), _NEAR, phrases)
    inside = _inside(state)
    phrases = torch.where(_enters(state, _at(shortest()[1], state), 2) & ~inside, _AT, phrases)
    phrases = torch.where(inside, _IN, phrases)
    phrases = torch.where(waits, torch.where(heard == _IN, _WAITS, _YIELDS), phrases)
    return torch.where(state.done, torch.where(state.head[..., 0] < 0, 0, _DONE), phrases)


def _slipped(
    slip: Tensor, phrases: Tensor, actions: Tensor, done: Tensor, draws: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Some turns in which a driver says nothing, or anything, or does anything; slip: (n, 2), smaller is a slip."""
    others = [torch.randint(high, slip.shape, generator=draws) for high in (len(PHRASES) - 2, 4)]
    silent, wrong = SLIPS["silence"], SLIPS["silence"] + SLIPS["wrong phrase"]
    phrases = torch.where(slip < silent, 0, torch.where((slip < wrong) & ~done, 2 + others[0], phrases))
    moved = (slip >= wrong) & (slip < wrong + SLIPS["wrong move"]) & ~done
    return phrases, torch.where(moved, others[1], actions)


# -- the way


@cache
def shortest() -> tuple[Tensor, Tensor]:
    """Of each road, goal cell, row, column and direction: turns to the goal, and the first action of a shortest way.

    A cell off the road counts as many, so that a car that slipped comes back to the road.
    """
    row, column, direction = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), torch.arange(4), indexing="ij")
    after = [_next(row, column, direction, torch.full_like(row, action)) for action in _MOVES]
    goals = torch.arange(SIZE * SIZE)[:, None, None, None]
    there = (goals == row * SIZE + column)[None].expand(len(ROADS), -1, -1, -1, -1)
    cost = torch.where(IS_ROAD, 1.0, _OFF_ROAD)
    left = torch.where(there, 0.0, 1e6)
    while True:
        ways = torch.stack([cost[:, r, c][:, None] + left[:, :, r, c, d] for r, c, d in after])
        better = torch.where(there, 0.0, ways.amin(0))
        if torch.equal(better, left):
            return left, 1 + ways.argmin(0)
        left = better


def _next(row: Tensor, column: Tensor, direction: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Where a car that moves comes to: row, column, direction."""
    direction = (direction + TURN[action]) % 4
    ahead = AHEAD[direction]
    return (row + ahead[..., 0]).clamp(0, SIZE - 1), (column + ahead[..., 1]).clamp(0, SIZE - 1), direction


def _at(table: Tensor, state: Cars) -> Tensor:
    """The entries of a table of `shortest` for both cars, (n, 2)."""
    row, column = state.head.clamp(0).unbind(2)
    goal = state.goal[..., 0] * SIZE + state.goal[..., 1]
    return table[state.road[:, None].expand(-1, 2), goal, row, column, state.direction]


@cache
def crossings() -> Tensor:
    """Cells where two roads cross, (road, row, column)."""
    crossed = torch.zeros_like(IS_ROAD)
    crossed[:4, 3:5] = (IS_ROAD[:4, 2] | IS_ROAD[:4, 5])[:, None]
    return crossed & IS_ROAD


def _inside(state: Cars) -> Tensor:
    row, column = state.head.clamp(0).unbind(2)
    return crossings()[state.road[:, None], row, column] & ~state.done


def _enters(state: Cars, action: Tensor, moves: int = 1) -> Tensor:
    """Whose way leads into a crossing in so many moves, (n, 2)."""
    found = torch.zeros_like(state.done)
    for _ in range(moves):
        row, column = state.head.clamp(0).unbind(2)
        row, column, direction = _next(row, column, state.direction, action)
        state = state._replace(head=torch.stack([row, column], 2), direction=direction)
        found, action = found | _inside(state), _at(shortest()[1], state)
    return found
