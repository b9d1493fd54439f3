"""Our small text-image model: both sides become vectors of length 1, and their product says how well they fit.

image   means and maxima of the stages of a frozen network of the zoo, standardised, then a perceptron
text    the sum of the vectors of its words, then a perceptron: a bag of words, which knows no order
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.words.phrases import words_of
from n2vlib.zoo.architectures.parts import pooled
from n2vlib.zoo.architectures.resnet import SmallResNet


def stages(network: SmallResNet, images: Tensor) -> Tensor:
    """Means and maxima of the filters of the stem and of the three layers: (image, feature).

    images   preprocessed, float32 (image, 3, height, width)
    """
    found, grid = [], images
    for part in (network.stem, network.layer1, network.layer2, network.layer3):
        grid = part(grid)
        found.append(pooled(grid))
    return torch.cat(found, dim=1)


class Towers(nn.Module):
    """The two sides of the model, without the frozen network.

    mean, deviation   of the features over the training images      scale   log of the factor of the products
    """

    def __init__(self, features: int, words: int, hidden: int, size: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.image = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Linear(hidden, size))
        self.words = nn.EmbeddingBag(words + 1, size, mode="sum", padding_idx=words)
        self.text = nn.Sequential(nn.ReLU(), nn.Linear(size, size))
        self.scale = nn.Parameter(torch.tensor(2.0))

    def of_images(self, features: Tensor) -> Tensor:
        """Unit vectors, (image, size), of (image, feature)."""
        standard = (features - self.get_buffer("mean")) / self.get_buffer("deviation")
        return F.normalize(self.image(standard), dim=1)

    def of_texts(self, words: Tensor) -> Tensor:
        """Unit vectors, (text, size), of positions of words (text, word), filled up with the number of words."""
        bag = self.words(words)
        return F.normalize(bag + self.text(bag), dim=1)


def positions(texts: Sequence[str], words: Sequence[str]) -> Tensor:
    """Where the words of texts stand in the vocabulary, (text, word); rows are filled up with its length.

    Words that are not in it are left out.
    """
    at = {each: i for i, each in enumerate(words)}
    rows = [[at[each] for each in words_of(text) if each in at] for text in texts]
    most = max((len(row) for row in rows), default=0)
    return torch.tensor([row + [len(words)] * (max(most, 1) - len(row)) for row in rows]).reshape(len(rows), -1)
