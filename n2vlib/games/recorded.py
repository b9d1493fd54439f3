"""Games that people played, or a script: what they saw, did, and said."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from n2vlib.games.game import chosen

SILENT = "_"  # entry of a lexicon that stands for silence, where it has one


def ended(actions: Tensor, messages: Tensor, running: Tensor) -> tuple[Tensor, Tensor]:
    """Actions (n, T, 2) and messages (n, T, ...) with the rows behind the end of each game as `Recorded` has them."""
    rows = torch.arange(len(running))[:, None]
    turns = torch.arange(running.shape[1]).clamp(max=running.sum(1, keepdim=True) - 1)
    return actions * running[..., None], messages[rows, turns]


@dataclass(frozen=True)
class Recorded:
    """n games of up to T turns; rows after the end of a game repeat its last state and are not `running`. Nobody moves
    there, and the last message repeats, as in the released program.

    states     before each turn and after the last, T + 1 of them
    actions    (n, T, 2)
    messages   (n, T, 2, entry of the lexicon): shares of entries, rows with sum 1; zeros where nothing of the lexicon
               was said (where the lexicon has SILENT, this entry instead, so that silence has a meaning, too). A
               message of turn t is said by who sees the state of turn t, and heard in turn t + 1
    running    (n, T)
    lexicon    what the entries read;  source: "people" or "scripted", as pages say it
    """

    states: Sequence[Any]
    actions: Tensor
    messages: Tensor
    running: Tensor
    lexicon: Sequence[str]
    source: str

    @property
    def talks(self) -> Tensor:
        """In which turns a player said something of the lexicon, (n, T, 2)."""
        words = torch.tensor([entry != SILENT for entry in self.lexicon], dtype=torch.bool)
        return self.running[..., None] & (self.messages[..., words].sum(3) > 0)

    def of(self, rows: Tensor) -> "Recorded":
        """Some of the games, in this order."""
        states = [chosen(each, rows) for each in self.states]
        parts = {"actions": self.actions[rows], "messages": self.messages[rows], "running": self.running[rows]}
        return replace(self, states=states, **parts)
