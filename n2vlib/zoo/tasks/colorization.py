"""Predict the color of each cell of a grey image (after Zhang et al., 2016), as one of 25 chroma classes.

The network takes the image in color and removes the color itself (`SmallAlexNetGrey`), so that it always sees grey.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from n2vlib.zoo.architectures.alexnet import LUMA
from n2vlib.zoo.data import Drawn
from n2vlib.zoo.tasks.labels import Labels

# Edges of the classes of red minus luma and blue minus luma, in units of the network's input; the middle one is grey.
EDGES = (-0.5, -0.15, 0.15, 0.5)
_CELL = 8  # pixels of the image to a cell of conv5
_PER_AXIS = len(EDGES) + 1


def outputs(drawn: Drawn) -> dict[str, list[str]]:
    return {"chroma": [f"red {red:+d}, blue {blue:+d}" for red in range(-2, 3) for blue in range(-2, 3)]}


def batch(images: Tensor, labels: Labels, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The images as they are; the target is each cell's class, int64 (image, h, w)."""
    luma = (images * images.new_tensor(LUMA).view(1, 3, 1, 1)).sum(1, keepdim=True)
    chroma = F.avg_pool2d(images[:, [0, 2]] - luma, _CELL).contiguous()
    red, blue = torch.bucketize(chroma, images.new_tensor(EDGES)).unbind(1)
    return images, red * _PER_AXIS + blue


def loss(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target)


def score(answers: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Share of the cells whose class is predicted; that of always predicting the commonest class."""
    right, seen = 0, torch.zeros(_PER_AXIS**2, dtype=torch.int64)
    for output, chroma in answers:
        right += int((output.argmax(1) == chroma).sum())
        seen += chroma.flatten().bincount(minlength=len(seen))
    return {"cell_accuracy": right / int(seen.sum()), "commonest_class": float(seen.max() / seen.sum())}
