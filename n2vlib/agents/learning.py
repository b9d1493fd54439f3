"""Deep Q-learning of a team from games that it plays (Andreas et al. 2017, section 6), many games at once."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from n2vlib.agents.play import Played, play
from n2vlib.agents.team import Robot, Team
from n2vlib.games.game import Game, chosen


@dataclass(frozen=True)
class Schedule:
    """How a team learns.

    rounds     of playing and learning;  games: played in a round;  steps: of Adam after it
    batch      pieces of games in a step;  history: turns in a piece
    replay     games that are remembered;  good: share of pieces drawn from games with a reward above 0
    rate       of Adam;  discount: of later rewards;  copy: rounds between two copies of the target network
    explored   share of the rounds in which exploration falls from 1 to .1; it then falls to 0 at the end
    """

    rounds: int
    games: int
    steps: int
    batch: int = 256
    history: int = 3
    replay: int = 5_000
    good: float = 0.1
    rate: float = 3e-3
    discount: float = 0.9
    copy: int = 20
    explored: float = 0.2

    def exploration(self, done: int) -> float:
        """Share of random actions in a round."""
        share = done / self.rounds
        return max(1 - share / self.explored, 0.1 * (1 - share))


class Replay:
    """The last games, a ring of rows; what was seen is computed again when it is drawn."""

    def __init__(self, game: Game, size: int) -> None:
        self.game, self.size, self.filled, self.next = game, size, 0, 0
        self.rows: dict[str, Any] = {}

    def add(self, played: Played) -> None:
        """Remember games, the last ones where there is no room for all; the oldest are forgotten."""
        n, length, turns = len(played.won), played.actions.shape[1], self.game.turns
        parts = {f"state{k}": torch.stack(each, 1) for k, each in enumerate(zip(*played.states, strict=True))}
        parts |= {"memory": torch.stack(played.memories, 2), "messages": torch.stack(played.messages, 2)}
        parts |= {"actions": played.actions, "rewards": played.rewards, "running": played.running}
        n = min(n, self.size)
        at = torch.arange(self.next, self.next + n) % self.size
        for name, values in ((name, each[-n:]) for name, each in parts.items()):
            room = turns + (values.shape[1] > length)
            if name not in self.rows:
                self.rows[name] = torch.zeros(self.size, room, *values.shape[2:], dtype=values.dtype)
            self.rows[name][at, : values.shape[1]] = values
            self.rows[name][at, values.shape[1] :] = values[:, -1:] if name.startswith("state") else 0
        self.kind = type(played.states[0])
        self.next, self.filled = (self.next + n) % self.size, min(self.filled + n, self.size)

    def draw(self, batch: int, history: int, good: float, draws: torch.Generator) -> dict[str, Tensor]:
        """Pieces of `history` turns: seen (batch, history + 1, 2, features), and what was done, gained and said.

        As released, the last turn of a game that is longer than a piece is in none.
        """
        games = torch.randint(self.filled, (batch,), generator=draws)
        gained = (self.rows["rewards"][: self.filled] > 0).any(1).nonzero()[:, 0]
        if (few := round(good * batch)) and len(gained):
            games[:few] = gained[torch.randint(len(gained), (few,), generator=draws)]
        lengths = self.rows["running"][games].sum(1)
        start = (torch.rand(batch, generator=draws) * (lengths - history).clamp(1)).long()
        turns = start[:, None] + torch.arange(history + 1)
        last = self.game.turns - 1
        state = self.kind(*(self.rows[name][games[:, None], turns.clamp(max=last + 1)] for name in self._states()))
        flat = chosen(state, torch.ones(batch, history + 1, dtype=torch.bool))
        seen = self.game.observe(flat).unflatten(0, (batch, history + 1))
        within = turns[:, :-1].clamp(max=last)
        picked = {name: self.rows[name][games[:, None], within] for name in ("actions", "rewards", "running")}
        picked["running"] &= turns[:, :-1] <= last
        before = self.rows["messages"][games, (start - 1).clamp(0)] * (start > 0)[:, None, None]
        over = turns[:, :-1] >= lengths[:, None] - 1  # the last turn of a game, also by its number of turns
        return picked | {"seen": seen, "memory": self.rows["memory"][games, start], "messages": before, "over": over}

    def _states(self) -> list[str]:
        return [name for name in self.rows if name.startswith("state")]


def loss(team: Team, target: Team, piece: dict[str, Tensor], discount: float, draws: torch.Generator) -> Tensor:
    """Mean squared temporal difference of both agents; gradients flow back through the messages.

    The value of the next turn is the target network's, its largest (a copy, no double Q-learning). It reads the piece
    from the memory before its first turn; the released program's begins one turn later, with the memory that was kept
    there."""
    history = piece["actions"].shape[1]
    with torch.no_grad():
        later = _unroll(target, piece, history + 1, draws)[:, 1:].amax(3)
    values = _unroll(team, piece, history, draws).gather(3, piece["actions"][..., None])[..., 0]
    goal = piece["rewards"][..., None] + discount * later * ~piece["over"][..., None]
    running = piece["running"][..., None].expand_as(values)
    return ((goal - values).square() * running).sum() / running.sum()


def _unroll(team: Team, piece: dict[str, Tensor], turns: int, draws: torch.Generator) -> Tensor:
    """Values of all actions, (batch, turns, 2, actions)."""
    memory, messages, values = piece["memory"], piece["messages"], []
    for t in range(turns):
        memory, messages, each = team(piece["seen"][:, t], messages, memory, draws)
        values.append(each)
    return torch.stack(values, 1)


def learn(game: Game, team: Team, schedule: Schedule, draws: torch.Generator) -> Iterator[dict[str, float]]:
    """Train the team in place; yields after each round the round, the mean reward, and the share of games won."""
    target, replay = copy.deepcopy(team), Replay(game, schedule.replay)
    optimizer = torch.optim.Adam(team.parameters(), schedule.rate)
    for done in range(schedule.rounds):
        explore = schedule.exploration(done)
        robots = Robot(team, 0, explore), Robot(team, 1, explore)
        played = play(game, robots, game.new(schedule.games, draws), draws)
        replay.add(played)
        for _ in range(schedule.steps):
            piece = replay.draw(schedule.batch, schedule.history, schedule.good, draws)
            optimizer.zero_grad()
            loss(team, target, piece, schedule.discount, draws).backward()
            optimizer.step()
        if (done + 1) % schedule.copy == 0:
            target.load_state_dict(team.state_dict())
        yield {"round": done + 1, "reward": float(played.reward.mean()), "won": float(played.won.float().mean())}
