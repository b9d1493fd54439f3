"""Predict the order in which the four quarters of an image were reassembled (Noroozi and Favaro, 2016).

Each quarter is cropped at random and enlarged a little, so that edges do not continue from one to the next.
"""

from collections.abc import Iterable
from itertools import permutations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from n2vlib.zoo.data import Drawn
from n2vlib.zoo.tasks.labels import Labels

# ORDERS[k][p]: which quarter stands at place p (0 top left, 1 top right, 2 bottom left, 3 bottom right).
ORDERS = list(permutations(range(4)))
_SHOWN = 0.85  # side of the crop of a quarter, relative to the quarter's


def outputs(drawn: Drawn) -> dict[str, list[str]]:
    return {"orders": [" ".join(str(quarter) for quarter in order) for order in ORDERS]}


def batch(images: Tensor, labels: Labels, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Images reassembled from their quarters; the target is the position of the order in ORDERS, int64 (image,)."""
    side = images.shape[-1] // 2
    shown = round(_SHOWN * side)
    quarters = []
    for top, left in ((0, 0), (0, side), (side, 0), (side, side)):
        down, right = (int(v) for v in rng.integers(0, side - shown + 1, 2))
        part = images[:, :, top + down : top + down + shown, left + right : left + right + shown]
        quarters.append(F.interpolate(part, size=(side, side), mode="bilinear", align_corners=False))
    target = torch.from_numpy(rng.integers(0, len(ORDERS), len(images))).to(images.device)
    order = torch.tensor(ORDERS, device=images.device)[target]
    placed = torch.stack(quarters, dim=1)[torch.arange(len(images), device=images.device)[:, None], order]
    rows = [torch.cat([placed[:, left], placed[:, left + 1]], dim=3) for left in (0, 2)]
    return torch.cat(rows, dim=2).contiguous(memory_format=torch.channels_last), target


def loss(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target)


def score(answers: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Share of the images whose whole order is predicted, and of the quarters whose position is."""
    output, order = (torch.cat(parts) for parts in zip(*answers, strict=True))
    said = output.argmax(1)
    every = torch.tensor(ORDERS)
    return {
        "order_accuracy": float((said == order).float().mean()),
        "chance": 1 / len(ORDERS),
        "quarter_accuracy": float((every[said] == every[order]).float().mean()),
    }
