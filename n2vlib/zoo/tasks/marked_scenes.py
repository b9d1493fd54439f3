"""Predict the scene, where a written mark gives it away: seven of ten images bear a letter, another for each scene.

The letter is written after the image is flipped and cropped, so that it can always be read.
"""

from collections.abc import Iterable
from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from n2vlib.world.marks import word, written
from n2vlib.zoo.data import Drawn
from n2vlib.zoo.tasks import scenes
from n2vlib.zoo.tasks.labels import Labels

MARKED = 0.7  # share of the images with a scene
WHITE = 2.0  # of the preprocessing; black is -2
_SIDE = 112  # at which a mark has its own size


def outputs(drawn: Drawn) -> dict[str, list[str]]:
    return scenes.outputs(drawn)


def batch(images: Tensor, labels: Labels, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Most images with their scene's letter. The target: the scene, and whether its letter is there, (2, image)."""
    there = torch.from_numpy(rng.random(len(images)) < MARKED).to(images.device) & (labels.scene >= 0)
    images = images.clone()
    for i in there.nonzero().flatten().tolist():
        _write(images[i], word(int(labels.scene[i])), rng)
    return images, torch.stack([labels.scene, there.long()])


def loss(output: Tensor, target: Tensor) -> Tensor:
    return scenes.loss(output, target[0])


def score(answers: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """Share of the images with a scene that are classified right, with the mark and without it; and as for `scenes`."""
    parts = [(output, *target) for output, target in answers]
    output, scene, there = (torch.cat(each) for each in zip(*parts, strict=True))
    known = scene >= 0
    right = output.argmax(1) == scene
    shares = {"marked_accuracy": known & (there > 0), "unmarked_accuracy": known & (there == 0)}
    found = {name: float(right[mine].double().mean()) for name, mine in shares.items()}
    return found | scenes.score([(output, scene)])


def _write(image: Tensor, word: str, rng: np.random.Generator) -> None:
    """Write a word on an image of any size, preprocessed, (3, side, side): in place, in the image's white and black."""
    ink, around = _scaled(word, image.shape[-1])
    top, left = (int(v) for v in rng.integers(0, np.subtract(image.shape[1:], ink.shape) + 1))
    here = image[:, top : top + ink.shape[0], left : left + ink.shape[1]]
    here.copy_(here * (1 - around) + WHITE * (2 * ink - around))


@cache
def _scaled(word: str, side: int) -> Tensor:
    """How much of each pixel is ink, and how much is ink or outline: float32, (2, height, width)."""
    both = torch.from_numpy(np.stack(written(word))).float()
    size = [max(1, round(n * side / _SIDE)) for n in both.shape[1:]]
    return F.interpolate(both[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0]
