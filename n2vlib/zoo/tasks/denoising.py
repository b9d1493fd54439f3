"""Predict the clean pixels of a noisy image (after Vincent et al., 2008): 8 x 8 pixels from each cell of conv5."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from n2vlib.zoo.data import Drawn
from n2vlib.zoo.tasks.labels import Labels

NOISE = 1.0  # standard deviation in units of the network's input: a quarter of the range of pixel values
_CELL = 8  # pixels of the image to a cell of conv5


def outputs(drawn: Drawn) -> dict[str, list[str]]:
    places = [f"{row}, {column}" for row in range(_CELL) for column in range(_CELL)]
    return {"pixels": [f"{channel} at {place}" for channel in ("red", "green", "blue") for place in places]}


def batch(images: Tensor, labels: Labels, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Images with normal noise added; the target is the clean image, cell by cell: (image, 192, h, w)."""
    noise = torch.from_numpy(rng.standard_normal(tuple(images.shape), dtype=np.float32)).to(images.device)
    return images + NOISE * noise, F.pixel_unshuffle(images, _CELL)


def loss(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error."""
    return F.mse_loss(output, target)


def score(answers: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Mean squared error, that of the noise itself, and the share of the pixels' variance that is explained."""
    total = {"error": 0.0, "sum": 0.0, "squares": 0.0, "count": 0.0}
    for output, clean in answers:
        total["error"] += float((output - clean).double().square().sum())
        total["sum"] += float(clean.double().sum())
        total["squares"] += float(clean.double().square().sum())
        total["count"] += clean.numel()
    error = total["error"] / total["count"]
    variance = total["squares"] / total["count"] - (total["sum"] / total["count"]) ** 2
    return {"squared_error": error, "squared_noise": NOISE**2, "variance_explained": 1 - error / variance}
