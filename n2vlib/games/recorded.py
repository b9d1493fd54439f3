"""Games that people played, or a script: what they saw, did, and said."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from n2vlib.games.game import chosen


@dataclass(frozen=True)
class Recorded:
    """n games of up to T turns; rows after the end of a game repeat its last state and are not `running`.

    states     before each turn and after the last, T + 1 of them
    actions    (n, T, 2)
    messages   (n, T, 2, entry of the lexicon): shares of entries, rows with sum 1; zeros where nothing of the lexicon
               was said. A message of turn t is said by who sees the state of turn t, and heard in turn t + 1
    running    (n, T)
    lexicon    what the entries read;  source: "people" or "scripted", as pages say it
    """

    states: Sequence[Any]
    actions: Tensor
    messages: Tensor
    running: Tensor
    lexicon: Sequence[str]
    source: str

    def of(self, rows: Tensor) -> "Recorded":
        """Some of the games, in this order."""
        states = [chosen(each, rows) for each in self.states]
        parts = {"actions": self.actions[rows], "messages": self.messages[rows], "running": self.running[rows]}
        return replace(self, states=states, **parts)
