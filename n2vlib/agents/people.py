"""Models of people who play: a network that imitates games they played, and people replayed from their games.

The released program does the same (Andreas et al. 2017, section 7): a person who listens is a network trained on
demonstrations; a person who speaks says what is written down.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.games.game import Game
from n2vlib.games.recorded import Recorded
from n2vlib.games.reference import WAIT, Pair, ReferenceGame
from n2vlib.progress import bar

SCALE = 1.43  # of the first weights: uniform up to SCALE sqrt(3 / inputs), "unit scaling"
OF_WORDS = 4.0  # times that for what is heard


class Heard(NamedTuple):
    """What a person makes of a turn: memory (n, hidden), scores of actions (n, actions), and scores of what to say,
    (n, entries of the lexicon + 1): the last one is silence."""

    memory: Tensor
    actions: Tensor
    words: Tensor


class Part(nn.Module):
    """One part of a game: a GRU over a hidden layer of what is seen and heard, as agents have it."""

    def __init__(self, features: int, actions: int, lexicon: int, hidden: int) -> None:
        super().__init__()
        self.features = nn.Linear(features + lexicon, hidden)
        # Begins as in the released program, but with larger weights for words, whose shares are small beside what is
        # seen: otherwise a listener stays deaf for thousands of steps.
        bound = SCALE * (3 / (features + lexicon)) ** 0.5
        nn.init.uniform_(self.features.weight, -bound, bound)
        self.features.weight.data[:, features:] *= OF_WORDS
        self.memory = nn.GRUCell(hidden, hidden)
        self.actions = nn.Linear(hidden, actions)
        self.words = nn.Linear(hidden, lexicon + 1)

    def forward(self, seen: Tensor, heard: Tensor, memory: Tensor) -> Heard:
        """seen (n, features), heard (n, entry of the lexicon): shares of entries, memory (n, hidden)."""
        memory = self.memory(torch.tanh(self.features(torch.cat([seen, heard], 1))), memory)
        return Heard(memory, self.actions(memory), self.words(memory))


class Imitation(nn.Module):
    """People of a game, one network for each part; in a symmetric game they are one network.

    lexicon   number of entries;  hidden: units of every layer
    """

    def __init__(self, game: Game, lexicon: int, hidden: int = 64) -> None:
        super().__init__()
        count = game.actions[:1] if game.symmetric else game.actions
        self.parts = nn.ModuleList(Part(game.features, actions, lexicon, hidden) for actions in count)
        self.lexicon, self.hidden = lexicon, hidden

    def part(self, player: int) -> nn.Module:
        """The network of a player, 0 or 1."""
        return self.parts[player % len(self.parts)]


def loss(imitation: Imitation, game: Game, recorded: Recorded) -> Tensor:
    """Cross-entropy of actions plus cross-entropy of what is said, the mean over the players' turns."""
    n, turns = recorded.running.shape
    messages = recorded.messages
    said_or_silent = torch.cat([messages, 1 - messages.sum(3, keepdim=True)], 3)
    memory = [torch.zeros(n, imitation.hidden)] * 2
    total = torch.zeros(n)
    for t in range(turns):
        seen = game.observe(recorded.states[t])
        for player in range(2):
            heard = messages[:, t - 1, 1 - player] if t else torch.zeros_like(messages[:, 0, 0])
            memory[player], actions, words = imitation.part(player)(seen[:, player], heard, memory[player])
            for_action = F.cross_entropy(actions, recorded.actions[:, t, player], reduction="none")
            for_words = F.cross_entropy(words, said_or_silent[:, t, player], reduction="none")
            total = total + (for_action + for_words) * recorded.running[:, t]
    return total.sum() / (2 * recorded.running.sum())


def fit(
    imitation: Imitation,
    game: Game,
    batch: Callable[[int], Recorded],
    steps: int,
    rate: float = 1e-2,
) -> None:
    """Train in place by Adam on a one-cycle schedule; batch(step) gives games that people played."""
    optimizer = torch.optim.Adam(imitation.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1)
    for step in bar(range(steps), "how people play", steps):
        optimizer.zero_grad()
        loss(imitation, game, batch(step)).backward()
        optimizer.step()
        schedule.step()
    imitation.eval().requires_grad_(False)


def demonstrations(game: ReferenceGame, n: int, draws: torch.Generator, fold: str = "train") -> Recorded:
    """Reference games played right: the listener waits, then takes what is meant.

    The speaker says the description in both turns, as released, so that models of words learn what either turn looks
    like; translators are asked about both.
    """
    first = game.new(n, draws, fold)
    waits = torch.tensor([0, WAIT]).expand(n, 2)
    takes = torch.stack([torch.zeros_like(first.target), first.target], 1)
    second = game.step(first, waits).state
    states = [first, second, game.step(second, takes).state]
    messages = torch.zeros(n, 2, 2, len(game.lexicon))
    messages[:, :, 0] = game.described(first)[:, None]
    running = torch.ones(n, 2, dtype=torch.bool)
    return Recorded(states, torch.stack([waits, takes], 1), messages, running, game.lexicon, "scripted")


@dataclass(frozen=True)
class Listener:
    """An imitation as a player of `play.play`: it does, and says, what is most probable."""

    imitation: Imitation
    player: int

    @property
    def width(self) -> int:
        """Entries of the lexicon."""
        return self.imitation.lexicon

    def begin(self, n: int) -> Tensor:
        """Memory before the first turn, (n, hidden)."""
        return torch.zeros(n, self.imitation.hidden)

    def act(self, seen: Tensor, heard: Tensor, memory: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """(n, features), (n, width), memory -> memory, actions (n,), messages (n, width); zeros: it says nothing."""
        memory, actions, words = self.imitation.part(self.player)(seen, heard, memory)
        message = F.one_hot(words.argmax(1), self.width + 1)[:, :-1].float()
        return memory, actions.argmax(1), message


@dataclass(frozen=True)
class Replayed:
    """Somebody whose part of n games is written down; its memory is the number of the turn, (n,).

    messages   (n, T, entry of the lexicon);  actions: (n, T)
    After T turns it does action 0 ("stay") and repeats its last message.
    """

    messages: Tensor
    actions: Tensor

    @property
    def width(self) -> int:
        """Entries of the lexicon."""
        return self.messages.shape[2]

    def begin(self, n: int) -> Tensor:
        """Turn 0; n is the number of games that are written down."""
        assert n == len(self.messages), f"{len(self.messages)} games are written down, {n} are played"
        return torch.zeros(n, dtype=torch.int64)

    def act(self, seen: Tensor, heard: Tensor, memory: Tensor, draws: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """What it sees and hears changes nothing -> memory, actions (n,), messages (n, width)."""
        last = self.messages.shape[1] - 1
        rows, turn = torch.arange(len(memory)), memory.clamp(max=last)
        actions = torch.where(memory > last, 0, self.actions[rows, turn])
        return memory + 1, actions, self.messages[rows, turn]


def describing(game: ReferenceGame, state: Pair) -> Replayed:
    """The speaker of these reference games: says the description of the thing that is meant, from the first turn on."""
    return Replayed(game.described(state)[:, None], torch.zeros(len(state.target), 1, dtype=torch.int64))
