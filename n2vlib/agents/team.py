"""Two agents that talk through a noisy channel (Andreas et al. 2017, section 6): recurrent networks with values of
actions."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.games.game import Game

NO_ACTION = -1e9  # value of an action that a player does not have


class Step(NamedTuple):
    """What agents make of a turn: memory (n, 2, hidden), messages as they arrive (n, 2, size), values (n, 2,
    actions)."""

    memory: Tensor
    messages: Tensor
    values: Tensor


class Agent(nn.Module):
    """A GRU over a hidden layer of what is seen and heard; from its state, the message, and a value of every action."""

    def __init__(self, features: int, actions: int, hidden: int, size: int) -> None:
        super().__init__()
        self.features = nn.Linear(features + size, hidden)
        self.memory = nn.GRUCell(hidden, hidden)
        self.message = nn.Linear(hidden, size)
        self.values = nn.Linear(hidden, actions)

    def forward(self, seen: Tensor, heard: Tensor, memory: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, features), (n, size), (n, hidden) -> memory, message of length 1 before noise, values (n, actions)."""
        memory = self.memory(torch.tanh(self.features(torch.cat([seen, heard], 1))), memory)
        return memory, F.normalize(self.message(memory), dim=1), self.values(memory)


class Team(nn.Module):
    """The two agents of a game; in a symmetric game they are one network.

    hidden   units of every layer;  size: numbers in a message;  noise: standard deviation that the channel adds
    """

    def __init__(self, game: Game, hidden: int, size: int, noise: float) -> None:
        super().__init__()
        count = game.actions[:1] if game.symmetric else game.actions
        self.agents = nn.ModuleList(Agent(game.features, actions, hidden, size) for actions in count)
        self.actions, self.hidden, self.size, self.noise = game.actions, hidden, size, noise

    def begin(self, n: int) -> tuple[Tensor, Tensor]:
        """Memory and messages before the first turn: zeros."""
        return torch.zeros(n, 2, self.hidden), torch.zeros(n, 2, self.size)

    def forward(self, seen: Tensor, messages: Tensor, memory: Tensor, draws: torch.Generator) -> Step:
        """One turn of both agents; each hears the other's message. seen: (n, 2, features)."""
        heard = messages.flip(1)
        if len(self.agents) == 1:
            flat = self.agents[0](seen.flatten(0, 1), heard.flatten(0, 1), memory.flatten(0, 1))
            memory, sent, values = (each.unflatten(0, (-1, 2)) for each in flat)
        else:
            both = [agent(seen[:, i], heard[:, i], memory[:, i]) for i, agent in enumerate(self.agents)]
            most = max(self.actions)
            values = [F.pad(each[2], (0, most - each[2].shape[1]), value=NO_ACTION) for each in both]
            memory, sent = (torch.stack([each[k] for each in both], 1) for k in (0, 1))
            values = torch.stack(values, 1)
        return Step(memory, self.channel(sent, draws), values)

    def channel(self, sent: Tensor, draws: torch.Generator) -> Tensor:
        """What arrives: the message plus noise, in training and in play."""
        return sent + self.noise * torch.randn(sent.shape, generator=draws)


@dataclass(frozen=True)
class Robot:
    """One agent of a team as a player of `play.play`; explore: share of actions drawn at random."""

    team: Team
    agent: int
    explore: float = 0.0

    @property
    def width(self) -> int:
        """Numbers in a message."""
        return self.team.size

    def begin(self, n: int) -> Tensor:
        """Memory before the first turn, (n, hidden)."""
        return torch.zeros(n, self.team.hidden)

    def act(self, seen: Tensor, heard: Tensor, memory: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """(n, features), (n, width), memory -> memory, actions (n,), messages as they arrive (n, width)."""
        agent = self.team.agents[self.agent % len(self.team.agents)]
        memory, sent, values = agent(seen, heard, memory)
        best = values.argmax(1)
        if self.explore:
            random = torch.randint(values.shape[1], best.shape, generator=draws)
            best = torch.where(torch.rand(best.shape, generator=draws) < self.explore, random, best)
        return memory, best, self.team.channel(sent, draws)
