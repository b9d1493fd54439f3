"""What the zoo's networks are and how each is made: one row per network.

A row with no task is a random twin: a seed, not a file.
"""

from dataclasses import dataclass, field
from typing import Any

from n2vlib.preprocessing import Preprocessing

# All networks of the zoo see drawn images at their own size; values about -2..2.
PREPROCESSING = Preprocessing((112, 112), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 1)


@dataclass(frozen=True)
class Recipe:
    """One network of the zoo.

    task           what it is trained for; None: random weights
    architecture   name in `architectures.ARCHITECTURES`;  options: its keywords
    seed           of the weights, the order of the images and their augmentation
    images         number of drawn training images (world seed 1; held-out images are world seed 2)
    epochs         passes over them;  small_epochs: how many of these at 80 x 80 pixels, where a step costs half
    rate           highest learning rate of the one-cycle schedule
    """

    name: str
    task: str | None
    architecture: str
    options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    images: int = 16_000
    epochs: int = 8
    small_epochs: int = 5
    rate: float = 4e-3
    batch: int = 128


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("small-alexnet", "scenes and objects", "small-alexnet"),
        Recipe("small-alexnet-random", None, "small-alexnet"),
    )
}
