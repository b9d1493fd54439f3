"""The driving game, with the maps, moves and rewards of the released program (Andreas et al. 2017, section 7).

Two cars, each on its way to a goal; a driver sees the map and its own car, not the other's. A car covers two cells, its
head and the one behind it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from n2vlib.games.game import Turn

SIZE = 8
DIRECTIONS = ("n", "e", "s", "w")
ACTIONS = ("stay", "forward", "left", "right")
ROADS = (  # '.' road, '#' none, '*' a goal, a letter: where a car may start, and where it is headed
    ("###.*###", "###s.###", "###..###", "*.....w.", ".e.....*", "###..###", "###.n###", "###*.###"),
    ("####*###", "####.###", "####.###", "*.....w.", ".e.....*", "####.###", "####n###", "####.###"),
    ("###.*###", "###s.###", "###..###", "*....###", ".e...###", "###..###", "###.n###", "###*.###"),
    ("##.*####", "##s.####", "##..####", "*.....w.", ".e.....*", "####..##", "####.n##", "####*.##"),
    ("##***###", "##...###", "##...###", "##...###", "##...###", "##...###", "##nnn###", "##...###"),
)
CRASH, TIME, OFF_ROAD, ARRIVED, NEARER = -2.0, -0.01, -0.5, 1.0, 0.1
GONE = -1  # where a car is that has arrived

AHEAD = torch.tensor([[-1, 0], [0, 1], [1, 0], [0, -1]])
TURN = torch.tensor([0, 0, -1, 1])
IS_ROAD = torch.tensor([[[cell != "#" for cell in line] for line in road] for road in ROADS])


def _cells(marks: str) -> list[list[tuple[int, int, str]]]:
    """Of each road, the cells with one of these marks: row, column and mark."""
    return [
        [(r, c, mark) for r, line in enumerate(road) for c, mark in enumerate(line) if mark in marks] for road in ROADS
    ]


STARTS = [torch.tensor([[r, c, DIRECTIONS.index(mark)] for r, c, mark in each]) for each in _cells("nesw")]
GOALS = [torch.tensor([[r, c] for r, c, _ in each]) for each in _cells("*")]


class Cars(NamedTuple):
    """n games: the road (n,); of each car head (n, 2, 2) as row and column, direction (n, 2), goal (n, 2, 2), and
    whether it has arrived (n, 2)."""

    road: Tensor
    head: Tensor
    direction: Tensor
    goal: Tensor
    done: Tensor


@dataclass(frozen=True)
class DrivingGame:
    """Both drivers get one reward: -2 at a crash, -.01 a turn, -.5 for every covered cell off the road, +1 for an
    arrival, +.1 for every cell that a car is nearer to its goal. A game ends at a crash, or when both have arrived."""

    name: str = "driving"
    features: int = len(ROADS) + 2 * SIZE * SIZE + 1 + len(DIRECTIONS)
    actions: tuple[int, int] = (len(ACTIONS), len(ACTIONS))
    turns: int = 20
    symmetric: bool = True

    @property
    def origin(self) -> str:
        """Maps and rewards, for the store's keys."""
        return repr((ROADS, CRASH, TIME, OFF_ROAD, ARRIVED, NEARER))

    def new(self, n: int, draws: torch.Generator, fold: str = "train") -> Cars:
        """n games on roads drawn at random; two different starts, and goals that may be the same. There are no
        folds."""
        road = torch.randint(len(ROADS), (n,), generator=draws)
        return self.on(road, draws)

    def on(self, road: Tensor, draws: torch.Generator) -> Cars:
        """New games on these roads, (n,)."""
        n = len(road)
        count = torch.tensor([len(each) for each in STARTS])[road]
        one = (torch.rand(n, generator=draws) * count).long()
        other = (torch.rand(n, generator=draws) * (count - 1)).long()
        start = _PADDED_STARTS[road[:, None], torch.stack([one, other + (other >= one)], 1)]
        goals = torch.tensor([len(each) for each in GOALS])[road]
        goal = (torch.rand(n, 2, generator=draws) * goals[:, None]).long()
        done = torch.zeros(n, 2, dtype=torch.bool)
        return Cars(road, start[..., :2], start[..., 2], _PADDED_GOALS[road[:, None], goal], done)

    def observe(self, state: Cars) -> Tensor:
        """The road, the own head and goal as cells, whether arrived, the direction; nothing once a car has arrived."""
        n = len(state.road)
        cells = [
            one_hot((each.clamp(0) * torch.tensor([SIZE, 1])).sum(2), SIZE * SIZE) for each in (state.head, state.goal)
        ]
        road = one_hot(state.road, len(ROADS))[:, None].expand(-1, 2, -1)
        parts = [road, *cells, torch.zeros(n, 2, 1), one_hot(state.direction, len(DIRECTIONS))]
        return torch.cat(parts, 2).float() * ~state.done[..., None]

    def step(self, state: Cars, actions: Tensor) -> Turn:
        """Both cars move at once; a turn moves the car by a cell, in its new direction; no car leaves the map."""
        direction = (state.direction + TURN[actions]) % 4
        moves = (actions > 0)[..., None] * AHEAD[direction]
        head = (state.head + moves).clamp(0, SIZE - 1)
        head = torch.where(state.done[..., None], GONE, head)
        covered = self.covered(head, direction, state.done)  # (n, 2, SIZE, SIZE)
        both = covered.sum(1)
        crash = (both > 1).flatten(1).any(1)
        off = ((both > 0) & ~IS_ROAD[state.road]).flatten(1).sum(1)
        arrives = (head == state.goal).all(2) & ~state.done
        distance = [(state.goal - each).abs().sum(2) for each in (state.head, head)]
        nearer = ((distance[0] - distance[1]) * ~(arrives | state.done)).sum(1)
        done = state.done | arrives
        reward = TIME + CRASH * crash + OFF_ROAD * off + ARRIVED * arrives.sum(1) + NEARER * nearer
        return Turn(Cars(state.road, head, direction, state.goal, done), reward, crash | done.all(1))

    def covered(self, head: Tensor, direction: Tensor, done: Tensor) -> Tensor:
        """How often each car covers each cell, (n, 2, SIZE, SIZE): its head, and the cell behind it if it is on the
        map."""
        behind = head - AHEAD[direction]
        inside = ((behind >= 0) & (behind < SIZE)).all(2) & ~done
        there = torch.zeros(*head.shape[:2], SIZE * SIZE, dtype=torch.int64)
        for cell, counts in ((head, ~done), (behind, inside)):
            index = (cell.clamp(0, SIZE - 1) * torch.tensor([SIZE, 1])).sum(2, keepdim=True)
            there.scatter_add_(2, index, counts.long()[..., None])
        return there.unflatten(2, (SIZE, SIZE))

    def won(self, state: Cars) -> Tensor:
        """Which games have both cars at their goals, (n,). A crash may happen in the turn of an arrival."""
        return state.done.all(1)

    def alternatives(self, state: Cars, player: int, n: int, draws: torch.Generator) -> Tensor:
        """The player's car anywhere on the road, with the direction and goal of a new game."""
        options = []
        for _ in range(n):
            fresh = self.on(state.road, draws)
            cells = torch.multinomial(IS_ROAD[state.road].flatten(1).float(), 1, generator=draws)[:, 0]
            head = torch.stack([cells // SIZE, cells % SIZE], 1)
            options.append(self.observe(fresh._replace(head=head[:, None].expand(-1, 2, -1)))[:, player])
        return torch.stack(options, 1)


def _padded(rows: list[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


_PADDED_STARTS, _PADDED_GOALS = _padded(STARTS), _padded(GOALS)
