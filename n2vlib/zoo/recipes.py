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

    task           name in `tasks.TASKS`; None: random weights
    architecture   name in `architectures.ARCHITECTURES`;  options: its keywords
    seed           of the weights, the order of the images and their augmentation
    images         number of drawn training images (world seed 1; held-out images are world seed 2)
    epochs         passes over them;  small_epochs: how many of these, the first, at small_side pixels: faster
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
    small_side: int = 80
    rate: float = 4e-3
    batch: int = 128

    @property
    def training(self) -> str:
        """Whether people's labels were used: supervised, self-supervised, or random where nothing was learned."""
        if self.task is None:
            return "random"
        return "supervised" if "scenes" in self.task or "objects" in self.task else "self-supervised"


# Five minutes of one core (small-vgg ten), and three and a half; the last epochs are at full size.
_SHORT: dict[str, Any] = {"images": 6_000, "epochs": 8, "small_epochs": 6, "small_side": 64, "batch": 64}
_SHORTER = {**_SHORT, "epochs": 6, "small_epochs": 5}

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("small-alexnet", "scenes and objects", "small-alexnet"),
        Recipe("small-alexnet-random", None, "small-alexnet"),
        Recipe("small-alexnet-scenes", "scenes", "small-alexnet", **_SHORT),
        Recipe("small-alexnet-objects", "objects", "small-alexnet", **_SHORT),
        Recipe("small-vgg", "scenes and objects", "small-vgg", **_SHORT),
        Recipe("small-googlenet", "scenes and objects", "small-googlenet", **_SHORTER),
        Recipe("small-resnet", "scenes and objects", "small-resnet", **_SHORTER),
        Recipe("small-alexnet-rotation", "rotation", "small-alexnet", **_SHORTER),
        Recipe("small-alexnet-colorization", "colorization", "small-alexnet-grey", **_SHORTER),
        Recipe("small-alexnet-patch-order", "patch order", "small-alexnet-tiles", **_SHORTER),
        Recipe("small-alexnet-denoising", "denoising", "small-alexnet-cells", **_SHORTER),
    )
}
