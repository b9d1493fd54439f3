"""What a listener comes to believe: how probable a message is for each thing the speaker may have seen.

Two models, learned from what speakers saw and said (the translator of Andreas et al. 2017, section 5): of agents'
messages, which are numbers, and of people's, which are entries of a lexicon. Both give log p(message | seen), and
`methods.translation` makes beliefs of it.
"""

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from n2vlib.methods.translation import LogP
from n2vlib.progress import bar

CHECK = 25  # steps between two looks at games that are held out


class CodeModel(nn.Module):
    """log p(z | seen) = -|| mean(seen) - z ||^2, as the released program has it: no variance, not normalised."""

    def __init__(self, features: int, hidden: int, size: int) -> None:
        super().__init__()
        self.mean = nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), nn.Linear(hidden, size))

    def forward(self, seen: Tensor, messages: Tensor) -> Tensor:
        """(..., features) and (..., size), row by row -> (...)."""
        return -(self.mean(seen) - messages).square().sum(-1)

    def of(self, seen: Tensor) -> LogP:
        """log p of k messages (k, size) for each thing seen (state, option, features): (k, state, option)."""
        mean = self.mean(seen)
        squares = mean.square().sum(2)

        def log_p(messages: Tensor) -> Tensor:
            crossed = torch.einsum("km,som->kso", messages, mean)
            return 2 * crossed - squares - messages.square().sum(1)[:, None, None]

        return log_p


class WordModel(nn.Module):
    """log p(words | seen): each word's log-probability, weighted by its share of the message."""

    def __init__(self, features: int, hidden: int, lexicon: int) -> None:
        super().__init__()
        self.scores = nn.Sequential(nn.Linear(features, hidden), nn.Tanh(), nn.Linear(hidden, lexicon))

    def forward(self, seen: Tensor, messages: Tensor) -> Tensor:
        """(..., features) and messages as shares of words (..., lexicon), row by row -> (...)."""
        return (self.scores(seen).log_softmax(-1) * messages).sum(-1)

    def of(self, seen: Tensor) -> LogP:
        """log p of k messages (k, lexicon) for each thing seen (state, option, features): (k, state, option)."""
        entries = self.scores(seen).log_softmax(-1)
        return lambda messages: torch.einsum("kl,sol->kso", messages, entries)


def fit(
    model: CodeModel | WordModel,
    batch: Callable[[int], tuple[Tensor, Tensor]],
    steps: int,
    rate: float = 3e-3,
    held_out: tuple[Tensor, Tensor] | None = None,
) -> None:
    """Train in place by Adam on a one-cycle schedule; batch(step) gives what was seen (n, features), and the messages.

    held_out   the same of games that are not learned from: the weights that suit them best are kept. Where a thing has
               been described once, a model soon knows its description by heart
    """
    optimizer = torch.optim.Adam(model.parameters(), rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps + 1)
    best, kept = -math.inf, None
    for step in bar(range(steps), "what messages mean", steps):
        optimizer.zero_grad()
        (-model(*batch(step)).mean()).backward()
        optimizer.step()
        schedule.step()
        if held_out is not None and (step % CHECK == CHECK - 1 or step == steps - 1):
            with torch.no_grad():
                score = float(model(*held_out).mean())
            if score > best:
                best, kept = score, copy.deepcopy(model.state_dict())
    if kept is not None:
        model.load_state_dict(kept)
    model.eval().requires_grad_(False)
