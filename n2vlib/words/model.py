"""The describer's two networks: a decoder that attends over exemplars, and a language model (MILAN, section 3.2).

As in the paper: additive attention over the exemplars' features, a sigmoid gate on what is attended, an LSTM cell, and
initial states from the mean feature; and an LSTM that knows only descriptions. Ours are small, so features are first
projected, and the language model has one layer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.errors import BadInput, near
from n2vlib.words.phrases import words_of

PAD, START, STOP = 0, 1, 2
SPECIAL = ("<pad>", "<start>", "<stop>")
LONGEST = 20  # words of a description that is decoded


@dataclass(frozen=True)
class Sizes:
    """features: of an exemplar; projected; embedding: of a word; hidden: of the LSTM; attention; language: the hidden
    size of the language model; dropout: share of the projected features and of the hidden state that training drops."""

    features: int
    projected: int = 160
    embedding: int = 48
    hidden: int = 160
    attention: int = 64
    language: int = 96
    dropout: float = 0.2


class State(tuple[Tensor, Tensor]):
    """h and c of an LSTM: float32, (row, hidden) each."""

    def at(self, rows: Tensor) -> "State":
        """Those of some rows."""
        return State((self[0][rows], self[1][rows]))


class Decoder(nn.Module):
    """Log-probabilities of the next word, given the exemplars and the words so far."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, n_words: int, sizes: Sizes):
        super().__init__()
        self.register_buffer("mean", torch.zeros(sizes.features))
        self.register_buffer("deviation", torch.ones(sizes.features))
        self.project = nn.Linear(sizes.features, sizes.projected)
        self.key = nn.Linear(sizes.projected, sizes.attention)
        self.query = nn.Linear(sizes.hidden, sizes.attention, bias=False)
        self.weigh = nn.Linear(sizes.attention, 1, bias=False)
        self.gate = nn.Linear(sizes.hidden, sizes.projected)
        self.start_h = nn.Linear(sizes.projected, sizes.hidden)
        self.start_c = nn.Linear(sizes.projected, sizes.hidden)
        self.embedding = nn.Embedding(n_words, sizes.embedding, padding_idx=PAD)
        self.cell = nn.LSTMCell(sizes.embedding + sizes.projected, sizes.hidden)
        self.out = nn.Linear(sizes.hidden, n_words)
        self.dropout = nn.Dropout(sizes.dropout)

    def read(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """What every step attends to: projected features and their keys, of (unit, exemplar, feature)."""
        shown = self.dropout(F.relu(self.project((features - self.mean) / self.deviation)))
        return shown, self.key(shown)

    def start(self, shown: Tensor) -> State:
        """h and c before the first word, from the mean of the exemplars."""
        mean = shown.mean(1)
        return State((self.start_h(mean).tanh(), self.start_c(mean).tanh()))

    def step(self, words: Tensor, state: State, shown: Tensor, keys: Tensor) -> tuple[Tensor, State, Tensor]:
        """log p(next word), the next state, and the attention: (row, word), (row, hidden) twice, (row, exemplar).

        words   int64, (row,): the last ones      shown, keys   of `read`, a row each
        """
        h, c = state
        weights = self.weigh((self.query(h)[:, None] + keys).tanh())[..., 0].softmax(1)
        attended = torch.bmm(weights[:, None], shown)[:, 0] * self.gate(h).sigmoid()
        h, c = self.cell(torch.cat([self.embedding(words), attended], 1), (h, c))
        return F.log_softmax(self.out(self.dropout(h)), 1), State((h, c)), weights

    def forward(self, features: Tensor, words: Tensor) -> tuple[Tensor, Tensor]:
        """log p of each next word, (unit, position, word), and the attention, (unit, position, exemplar).

        words   int64, (unit, position): from START to the last before STOP; then PAD
        """
        shown, keys = self.read(features)
        state, said, attended = self.start(shown), [], []
        for now in words.T:
            log_p, state, weights = self.step(now, state, shown, keys)
            said.append(log_p)
            attended.append(weights)
        return torch.stack(said, 1), torch.stack(attended, 1)


class LanguageModel(nn.Module):
    """log p of each next word of a description: int64, (text, position), to float32, (text, position, word)."""

    def __init__(self, n_words: int, sizes: Sizes):
        super().__init__()
        self.embedding = nn.Embedding(n_words, sizes.embedding, padding_idx=PAD)
        self.lstm = nn.LSTM(sizes.embedding, sizes.language, batch_first=True)
        self.out = nn.Linear(sizes.language, n_words)

    def forward(self, words: Tensor) -> Tensor:
        return F.log_softmax(self.out(self.lstm(self.embedding(words))[0]), 2)


def vocabulary(texts: Iterable[str]) -> list[str]:
    """SPECIAL and every word of the texts, sorted."""
    return [*SPECIAL, *sorted({word for text in texts for word in words_of(text)})]


def numbers(texts: Sequence[str], words: Sequence[str]) -> Tensor:
    """Texts as int64, (text, position): START, the words, STOP, then PAD. BadInput for an unknown word."""
    known = {word: number for number, word in enumerate(words)}
    rows = []
    for text in texts:
        if unknown := [word for word in words_of(text) if word not in known]:
            raise BadInput(
                f"description {text!r}: the describer has no word {unknown[0]!r}; {near(unknown[0], [*words[3:]])}"
            )
        rows.append([START, *(known[word] for word in words_of(text)), STOP])
    longest = max(map(len, rows), default=2)
    return torch.tensor([row + [PAD] * (longest - len(row)) for row in rows]).reshape(-1, longest)


def likelihood(log_p: Tensor, following: Tensor) -> Tensor:
    """log p of whole descriptions, STOP included: (text, position, word) and (text, position) to (text,).

    following   the words to be predicted, from the first to STOP, then PAD
    """
    each = log_p.gather(2, following[..., None])[..., 0]
    return (each * (following != PAD)).sum(1)
