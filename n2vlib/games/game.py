"""What a game is: two players, who each see something of a state, act, and hear what the other said (Andreas et al.
2017).

Every tensor has the games first, so that n games are played at once. A state is a named tuple of such tensors.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

FOLDS = ("train", "validation", "test")


class Turn(NamedTuple):
    """What came of one turn of n games: the new state, the reward that both players get (n,), and which games are
    over."""

    state: Any
    reward: Tensor
    over: Tensor


class Game(Protocol):
    """A game of two players.

    name        as it is printed;  features: numbers that a player sees in a turn
    actions     how many each of the two players has;  turns: after so many a game ends
    symmetric   whether both players have the same part, so that one network can play both
    origin      what the game is made of, for the store's keys; "": its numbers say it
    """

    @property
    def name(self) -> str: ...
    @property
    def features(self) -> int: ...
    @property
    def actions(self) -> tuple[int, int]: ...
    @property
    def turns(self) -> int: ...
    @property
    def symmetric(self) -> bool: ...
    @property
    def origin(self) -> str: ...

    def new(self, n: int, draws: torch.Generator, fold: str = "train") -> Any:
        """n games drawn at random, before their first turn; where there are folds, of one of FOLDS."""
        ...

    def observe(self, state: Any) -> Tensor:
        """What the players see, (n, 2, features), float32."""
        ...

    def step(self, state: Any, actions: Tensor) -> Turn:
        """One turn in which the players do `actions`, (n, 2), int64. Games that are over may be stepped and ignored."""
        ...

    def won(self, state: Any) -> Tensor:
        """Which games have reached their aim, (n,), bool."""
        ...

    def alternatives(self, state: Any, player: int, n: int, draws: torch.Generator) -> Tensor:
        """What `player` might see in place of what it sees, as far as the other player knows, (games, n, features)."""
        ...


State = TypeVar("State", bound=tuple)


def chosen(state: State, rows: Tensor) -> State:
    """Some of the games, in this order; rows: indices of any shape, or a mask."""
    return type(state)(*(each[rows] for each in state))


def at_turns(states: Sequence[State], games: Tensor, turns: Tensor) -> State:
    """These games at these turns, both (n,) or of one shape, of the states of every turn."""
    return type(states[0])(*(torch.stack(each, 1)[games, turns] for each in zip(*states, strict=True)))
