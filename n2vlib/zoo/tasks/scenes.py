"""Predict the scene. Images without one (texture swatches) are ignored."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from n2vlib.zoo.data import Drawn
from n2vlib.zoo.tasks.labels import Labels


def outputs(drawn: Drawn) -> dict[str, list[str]]:
    return {"scenes": drawn.scenes}


def batch(images: Tensor, labels: Labels, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    return images, labels.scene


def loss(output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy over the images with a scene; output (image, scene), target int64 (image,), -1: none."""
    return F.cross_entropy(output, target, ignore_index=-1, reduction="sum") / (target >= 0).sum().clamp(min=1)


def score(answers: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Share of the images with a scene that are classified right; that of always predicting the commonest scene."""
    output, scene = (torch.cat(parts) for parts in zip(*answers, strict=True))
    known = scene[scene >= 0]
    right = output[scene >= 0].argmax(1) == known
    return {
        "scene_accuracy": float(right.double().mean()),
        "commonest_scene": float(known.bincount().max() / len(known)),
    }
