"""Predict the scene and the objects together: the sum of both losses."""

from collections.abc import Iterable

import numpy as np
from torch import Tensor

from n2vlib.zoo.data import Drawn
from n2vlib.zoo.tasks import objects, scenes
from n2vlib.zoo.tasks.labels import Labels


def outputs(drawn: Drawn) -> dict[str, list[str]]:
    return {**scenes.outputs(drawn), **objects.outputs(drawn)}


def batch(images: Tensor, labels: Labels, rng: np.random.Generator) -> tuple[Tensor, Labels]:
    return images, labels


def loss(output: Tensor, target: Labels) -> Tensor:
    """output (image, scene + object): the scenes come first."""
    of_scenes, of_objects = _parted(output, target)
    return scenes.loss(of_scenes, target.scene) + objects.loss(of_objects, target.objects)


def score(answers: Iterable[tuple[Tensor, Labels]]) -> dict[str, float]:
    parted = [(*_parted(output, target), target) for output, target in answers]
    of_scenes = scenes.score((output, target.scene) for output, _, target in parted)
    return of_scenes | objects.score((output, target.objects) for _, output, target in parted)


def _parted(output: Tensor, target: Labels) -> tuple[Tensor, Tensor]:
    n_scenes = output.shape[1] - target.objects.shape[1]
    return output[:, :n_scenes], output[:, n_scenes:]
