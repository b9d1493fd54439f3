"""The reference game: of two things, one is meant, and only the speaker knows which (Andreas et al. 2017, section
7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from n2vlib.errors import BadInput
from n2vlib.games.game import FOLDS, Turn

WAIT = 2  # the listener's third action; 0 and 1 choose a thing
WAITING = -0.1  # reward of a turn in which the listener waits
RIGHT = 1.0


class Pair(NamedTuple):
    """n games: rows of the two things that lie there (n, 2), which of them is meant (n,), and whether it is turn one
    (n,); chosen: what the listener has taken (n,), -1 before that."""

    things: Tensor
    target: Tensor
    first: Tensor
    chosen: Tensor


@dataclass(frozen=True)
class ReferenceGame:
    """Two things are drawn with replacement, as in the released program, so that they may be equal.

    The speaker sees [the thing that is meant, the other, whether it is the first turn]; the listener sees nothing in
    the first turn, and then [left, right, 0]. Choosing in the first turn ends the game without a reward.

    things      (thing, feature): what is seen of each
    lexicon     words or phrases;  names: (thing, entry of the lexicon), how each thing was described, rows with sum 1
    folds       rows of things for training, validation and test
    origin      how the things came about, where their numbers may differ in the last digits from machine to machine; it
                stands for them in the store's keys
    """

    name: str
    things: Tensor
    lexicon: Sequence[str]
    names: Tensor
    folds: Mapping[str, Tensor]
    origin: str = ""
    actions: tuple[int, int] = (1, 3)
    turns: int = 3
    symmetric: bool = False

    def __post_init__(self) -> None:
        if not len(self.lexicon):
            raise BadInput(f"{self.name}: the lexicon is empty; give words that people use")
        for fold in FOLDS:
            if len(self.folds[fold]) < 2:
                raise BadInput(f"{self.name}: {len(self.folds[fold])} things for {fold}; give two at least")
            things = self.things[self.folds[fold]]
            if not (things != things[0]).any():
                raise BadInput(f"{self.name}: all things for {fold} are alike; give some that differ")

    @property
    def features(self) -> int:
        """Numbers that a player sees in a turn."""
        return 2 * self.things.shape[1] + 1

    def new(self, n: int, draws: torch.Generator, fold: str = "train") -> Pair:
        """n games of things of a fold, before their first turn."""
        rows = self.folds[fold]
        drawn = rows[torch.randint(len(rows), (n, 2), generator=draws)]
        target = torch.randint(2, (n,), generator=draws)
        return Pair(drawn, target, torch.ones(n, dtype=torch.bool), torch.full((n,), -1))

    def observe(self, state: Pair) -> Tensor:
        """What speaker and listener see, (n, 2, features)."""
        blank = state.first.float()[:, None, None]
        seen = self.things[state.things]  # left, right
        listener = (1 - blank) * seen
        speaker = torch.where(state.target[:, None, None] == 0, seen, seen.flip(1))
        both = torch.stack([speaker.flatten(1), listener.flatten(1)], 1)
        return torch.cat([both, blank.expand(-1, 2, 1)], 2)

    def step(self, state: Pair, actions: Tensor) -> Turn:
        """What the speaker does (it has one action) is not read."""
        taken = actions[:, 1]
        over = taken != WAIT
        right = over & ~state.first & (taken == state.target)
        reward = torch.where(right, RIGHT, torch.where(over, 0.0, WAITING))
        now = torch.where(over & ~state.first, taken, state.chosen)
        return Turn(Pair(state.things, state.target, torch.zeros_like(state.first), now), reward, over)

    def won(self, state: Pair) -> Tensor:
        """Which listeners took the thing that was meant, (n,)."""
        return state.chosen == state.target

    def described(self, state: Pair) -> Tensor:
        """How people described the thing that is meant, (n, entry of the lexicon)."""
        return self.names[state.things.gather(1, state.target[:, None])[:, 0]]

    def alternatives(self, state: Pair, player: int, n: int, draws: torch.Generator) -> Tensor:
        """First the same two things with the other one meant (for the listener: exchanged); then other pairs at
        random."""
        swapped = state._replace(**({"target": 1 - state.target} if player == 0 else {"things": state.things.flip(1)}))
        rest = []
        for _ in range(n - 1):
            drawn = torch.randint(len(self.things), tuple(state.things.shape), generator=draws)
            rest.append(self.observe(state._replace(things=drawn))[:, player])
        return torch.stack([self.observe(swapped)[:, player], *rest], 1)
