"""The network of Mu and Andreas (2020, section 3): does the hypothesis follow from the premise?

One LSTM reads both sentences. Its last states s1 and s2 give the features (s1, s2, s1 - s2, s1 * s2), which go through
batch norm and a hidden layer of ReLU units to one score for each class. The hidden layer's units are what is explained.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.sentences.language import CLASSES

PADDING, UNKNOWN = "", "UNK"
_AT_ONCE = 500  # pairs


class EntailmentNetwork(nn.Module):
    """words, embedding, hidden, units: numbers of words known, of the LSTM's inputs and outputs, and of hidden units.

    dropout   share of the hidden layer's inputs and outputs that is dropped in training
    """

    def __init__(self, words: int, embedding: int, hidden: int, units: int, dropout: float = 0.0):
        super().__init__()
        self.embedding = nn.Embedding(words, embedding, padding_idx=0)
        self.encoder = nn.LSTM(embedding, hidden, batch_first=True)
        self.norm = nn.BatchNorm1d(4 * hidden)
        self.hidden = nn.Linear(4 * hidden, units)
        self.head = nn.Linear(units, len(CLASSES))
        self.dropout = dropout

    def units(self, premises: Tensor, hypotheses: Tensor) -> Tensor:
        """Activations of the hidden units, float32 (pair, unit), of int64 (pair, word), 0 behind the last word."""
        one, other = self._encoded(premises), self._encoded(hypotheses)
        features = self.norm(torch.cat([one, other, one - other, one * other], 1))
        return self.hidden(F.dropout(features, self.dropout, self.training)).relu()

    def forward(self, premises: Tensor, hypotheses: Tensor) -> Tensor:
        """One score for each of CLASSES, float32 (pair, class)."""
        return self.head(F.dropout(self.units(premises, hypotheses), self.dropout, self.training))

    def _encoded(self, sentences: Tensor) -> Tensor:
        """The LSTM's state after each sentence's last word, (sentence, hidden)."""
        states, _ = self.encoder(self.embedding(sentences))
        last = (sentences != 0).sum(1).clamp(min=1) - 1
        return states[torch.arange(len(states)), last]


@dataclass(frozen=True, eq=False)
class Reader:
    """A trained network with its words.

    module   in evaluation mode      words   in the order of the embedding, PADDING and UNKNOWN first
    """

    module: EntailmentNetwork
    words: Sequence[str]
    name: str = "sentence pairs"

    @property
    def fingerprint(self) -> str:
        """sha256 of the words and the weights."""
        total = hashlib.sha256(" ".join(self.words).encode())
        for values in self.module.state_dict().values():
            total.update(values.numpy().tobytes())
        return total.hexdigest()

    def indices(self, sentences: Iterable[str]) -> Tensor:
        """The words of each sentence as int64 (sentence, word); a word that is not known is UNKNOWN."""
        return indices(sentences, self.words)

    def read(self, pairs: pd.DataFrame) -> "Reading":
        """What the network computes for pairs (premise, hypothesis)."""
        premises, hypotheses = (self.indices(pairs[name]).split(_AT_ONCE) for name in ("premise", "hypothesis"))
        with torch.inference_mode():
            parts = [self.module.units(*batch) for batch in zip(premises, hypotheses, strict=True)]
            units = torch.cat(parts)
            scores = self.module.head(units)
        return Reading(units.numpy(), scores.softmax(1).numpy())

    @property
    def weights(self) -> pd.DataFrame:
        """What a unit adds to the score of each class: (unit, class)."""
        return pd.DataFrame(self.module.head.weight.detach().numpy().T, columns=list(CLASSES)).rename_axis("unit")

    @property
    def vectors(self) -> pd.DataFrame:
        """The network's own word vectors, (word, dimension), without padding and unknown words."""
        return pd.DataFrame(self.module.embedding.weight.detach().numpy()[2:], index=list(self.words[2:]))


@dataclass(frozen=True, eq=False)
class Reading:
    """units: activations, float32 (pair, unit); probabilities: float32 (pair, class), classes as in CLASSES."""

    units: NDArray[np.float32]
    probabilities: NDArray[np.float32]

    @property
    def fires(self) -> NDArray[np.bool_]:
        """The masks of the units, (pair, unit): where the activation is above 0 (section 3)."""
        return self.units > 0

    @property
    def answers(self) -> NDArray[np.object_]:
        """The class with the highest probability, (pair,)."""
        return np.array(CLASSES, object)[self.probabilities.argmax(1)]


def indices(sentences: Iterable[str], words: Sequence[str]) -> Tensor:
    """The words of each sentence as int64 (sentence, word), 0 behind the last one."""
    at = {word: index for index, word in enumerate(words)}
    unknown = at[UNKNOWN]
    found = [torch.tensor([at.get(word, unknown) for word in sentence.split()]) for sentence in sentences]
    return nn.utils.rnn.pad_sequence(found, batch_first=True)
