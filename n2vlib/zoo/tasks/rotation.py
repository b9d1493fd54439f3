"""Predict by how many quarter turns an image was rotated (Gidaris et al., 2018)."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from n2vlib.zoo.data import Drawn
from n2vlib.zoo.tasks.labels import Labels


def outputs(drawn: Drawn) -> dict[str, list[str]]:
    return {"counterclockwise turns": ["0", "90", "180", "270"]}


def batch(images: Tensor, labels: Labels, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Each image rotated by a random number of quarter turns, 0 to 3; the target is that number, int64 (image,)."""
    turns = torch.from_numpy(rng.integers(0, 4, len(images))).to(images.device)
    turned = torch.empty_like(images)
    for quarters in range(4):
        at = turns == quarters
        turned[at] = torch.rot90(images[at], quarters, (2, 3))
    return turned, turns


def loss(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target)


def score(answers: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    output, turns = (torch.cat(parts) for parts in zip(*answers, strict=True))
    return {"rotation_accuracy": float((output.argmax(1) == turns).float().mean()), "chance": 0.25}
