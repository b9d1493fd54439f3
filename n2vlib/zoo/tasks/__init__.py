"""The training tasks of the zoo's networks: one file per task, each with the four functions of `Task`.

A task is named as its file, with spaces.

Supervised: scenes and objects, scenes, marked scenes, objects, captions. Self-supervised, from the images: rotation,
colorization, patch order, denoising.
"""

from collections.abc import Iterable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, cast

import numpy as np
from torch import Tensor

from n2vlib.zoo.data import Drawn
from n2vlib.zoo.tasks.labels import Labels


class Task(Protocol):
    """A training task; the format of its targets is known to its own `loss` and `score` only."""

    def outputs(self, drawn: Drawn) -> dict[str, list[str]]:
        """Names of the outputs, by kind; a network has one output for each name."""
        ...

    def batch(self, images: Tensor, labels: Labels, rng: np.random.Generator) -> tuple[Tensor, Any]:
        """The network's input and its target.

        images   preprocessed and augmented, float32, (image, 3, side, side)
        """
        ...

    def loss(self, output: Tensor, target: Any) -> Tensor:
        """What training minimises."""
        ...

    def score(self, answers: Iterable[tuple[Tensor, Any]]) -> dict[str, float]:
        """Scores at the task, from (output, target) of all batches, with those of chance beside them."""
        ...


TASKS: dict[str, Task] = {
    file.name.replace("_", " "): cast(Task, import_module(f"{__name__}.{file.name}"))
    for file in iter_modules(__path__)
    if file.name != "labels"
}

__all__ = ["TASKS", "Labels", "Task"]
