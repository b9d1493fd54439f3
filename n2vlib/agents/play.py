"""Play n games at once: two players of any kind, and what each hears of what the other said."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from n2vlib.games.game import Game


class Player(Protocol):
    """Somebody who plays: an agent (`team.Robot`), a model of people (`people`), or a game that was recorded.

    width   numbers in a message: of an agent its size, of people the entries of the lexicon
    """

    @property
    def width(self) -> int: ...

    def begin(self, n: int) -> Any:
        """Memory before the first turn."""
        ...

    def act(self, seen: Tensor, heard: Tensor, memory: Any, draws: torch.Generator) -> tuple[Any, Tensor, Tensor]:
        """From what it sees (n, features) and hears (n, ...): memory, actions (n,), messages (n, width)."""
        ...


@dataclass(frozen=True)
class Played:
    """n games of up to T turns; after a game is over its rows repeat and `running` is False.

    states     of each turn, before it: T + 1 of them;  seen: (n, T + 1, 2, features)
    actions    (n, T, 2);  rewards: (n, T), 0 after the end
    messages   of each player, as they leave it, (n, T, width of the player): said in turn t, heard in turn t + 1
    memories   of each player, (n, T + 1, ...), before each turn
    running    (n, T): whether the turn was played;  won: (n,)
    """

    states: Sequence[Any]
    seen: Tensor
    actions: Tensor
    rewards: Tensor
    messages: tuple[Tensor, Tensor]
    memories: tuple[Tensor, Tensor]
    running: Tensor
    won: Tensor

    @property
    def reward(self) -> Tensor:
        """Sum over the turns of each game, (n,)."""
        return self.rewards.sum(1)


Hearing = Callable[[Tensor], Tensor]


@torch.no_grad()
def play(
    game: Game,
    players: tuple[Player, Player],
    state: Any,
    draws: torch.Generator,
    heard: tuple[Hearing | None, Hearing | None] = (None, None),
) -> Played:
    """Play from `state` (of `game.new`) until every game is over, or the game's number of turns.

    heard   what each player hears of a message of the other, (n, width of the other) -> (n, ...): a translation;
            None: the message itself. Before the first turn, everybody hears zeros.
    """
    n = len(state[0])
    memories = [player.begin(n) for player in players]
    quiet = [torch.zeros(n, player.width) for player in players]
    messages, running = quiet, torch.ones(n, dtype=torch.bool)
    states, seen, kept = [state], [game.observe(state)], [tuple(memories)]
    turns = []
    for t in range(game.turns):
        acts = []
        for i, player in enumerate(players):
            translate, other = heard[i], messages[1 - i]
            if translate is not None:
                # A translation of silence is silence.
                other = translate(other) if t else torch.zeros_like(translate(other[:1])).expand(n, -1)
            acts.append(player.act(seen[-1][:, i], other, memories[i], draws))
        actions = torch.stack([each[1] for each in acts], 1)
        memories, messages = [each[0] for each in acts], [each[2] for each in acts]
        then, reward, over = game.step(state, actions)
        # A game that is over stays as it ended.
        state = type(state)(*(torch.where(_like(running, new), new, old) for new, old in zip(then, state, strict=True)))
        turns.append((actions, torch.where(running, reward, 0.0), running, messages))
        running = running & ~over
        states.append(state)
        seen.append(game.observe(state))
        kept.append(tuple(memories))
        if not running.any():
            break
    actions, rewards, ran, said_in = zip(*turns, strict=True)
    return Played(
        states,
        torch.stack(seen, 1),
        torch.stack(actions, 1),
        torch.stack(rewards, 1),
        (torch.stack([each[0] for each in said_in], 1), torch.stack([each[1] for each in said_in], 1)),
        (torch.stack([each[0] for each in kept], 1), torch.stack([each[1] for each in kept], 1)),
        torch.stack(ran, 1),
        game.won(state),
    )


def _like(mask: Tensor, values: Tensor) -> Tensor:
    return mask.reshape(-1, *[1] * (values.dim() - 1))
