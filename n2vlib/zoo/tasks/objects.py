"""Predict which objects an image shows."""

from collections.abc import Iterable

import numpy as np
import torch
from sklearn.metrics import average_precision_score, balanced_accuracy_score
from torch import Tensor
from torch.nn import functional as F

from n2vlib.zoo.data import Drawn
from n2vlib.zoo.tasks.labels import Labels

_MEASURED = 5  # images an object must be in to be counted


def outputs(drawn: Drawn) -> dict[str, list[str]]:
    return {"objects": drawn.object_names}


def batch(images: Tensor, labels: Labels, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    return images, labels.objects


def loss(output: Tensor, target: Tensor) -> Tensor:
    """Ten times the mean logistic loss; both (image, object)."""
    return 10 * F.binary_cross_entropy_with_logits(output, target)


def score(answers: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Means over objects with 5 images or more of average precision (chance: their share) and balanced accuracy."""
    output, objects = (torch.cat(parts).numpy() for parts in zip(*answers, strict=True))
    present = objects > 0.5
    pairs = [(present[:, k], output[:, k]) for k in range(present.shape[1]) if present[:, k].sum() >= _MEASURED]
    return {
        "object_average_precision": float(np.mean([average_precision_score(*pair) for pair in pairs])),
        "object_share": float(np.mean([true.mean() for true, _ in pairs])),
        "object_balanced_accuracy": float(np.mean([balanced_accuracy_score(true, given > 0) for true, given in pairs])),
        "objects_measured": len(pairs),
    }
