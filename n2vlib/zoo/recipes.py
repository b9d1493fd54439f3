"""The recipes of the zoo's networks: one row per network.

A row with no task is a randomly initialised network: a seed, not a file.
"""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.zoo.architectures.alexnet import SmallAlexNet, SmallAlexNetCells, SmallAlexNetGrey, SmallAlexNetTiles
from n2vlib.zoo.architectures.captions import SmallResNetCaptions
from n2vlib.zoo.architectures.googlenet import SmallGoogLeNet
from n2vlib.zoo.architectures.resnet import SmallResNet
from n2vlib.zoo.architectures.vgg import SmallVGG
from n2vlib.zoo.architectures.vit import SmallViT

# All networks of the zoo see drawn images at their own size; values about -2..2.
PREPROCESSING = Preprocessing((112, 112), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 1)

ARCHITECTURES: dict[str, type[nn.Module]] = {
    "small-alexnet": SmallAlexNet,
    "small-alexnet-cells": SmallAlexNetCells,
    "small-alexnet-grey": SmallAlexNetGrey,
    "small-alexnet-tiles": SmallAlexNetTiles,
    "small-vgg": SmallVGG,
    "small-googlenet": SmallGoogLeNet,
    "small-resnet": SmallResNet,
    "small-resnet-captions": SmallResNetCaptions,
    "small-vit": SmallViT,
}

SUPERVISED = ("scenes and objects", "scenes", "objects", "captions", "marked scenes")


@dataclass(frozen=True)
class Recipe:
    """One network of the zoo.

    task           name of a file in `tasks`, with spaces; None: random weights
    architecture   name in `ARCHITECTURES`;  options: its keywords
    seed           of the weights, the order of the images and their augmentation
    images         number of drawn training images (world seed 1; held-out images are world seed 2)
    epochs         passes over them;  small_epochs: how many of these, the first, at small_side pixels: faster
    rate           highest learning rate of the one-cycle schedule
    batch_norm     in training, folded away afterwards;  dropout: share of the head's inputs dropped in training
    start          network of the zoo whose weights, except the head's, training starts from: fine-tuning
    snapshots      numbers of steps after which the weights are shipped too, as name@step
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
    batch_norm: bool = True
    dropout: float = 0.0
    start: str | None = None
    snapshots: tuple[int, ...] = ()

    @property
    def files(self) -> list[str]:
        """Names of the resulting networks, in the order of training: snapshots, then the network itself."""
        return [*(f"{self.name}@{step}" for step in self.snapshots), self.name]

    @property
    def family(self) -> str:
        """alexnet, vgg, googlenet, resnet or vit, whatever its size and its input."""
        return self.architecture.removeprefix("small-").partition("-")[0]

    @property
    def training(self) -> str:
        """Whether people's labels were used: supervised, self-supervised, or random where nothing was learned."""
        if self.task is None:
            return "random"
        return "supervised" if self.task in SUPERVISED else "self-supervised"


# They take five minutes on one core (small-vgg ten), and three and a half; the last epochs are at full size.
_SHORT: dict[str, Any] = {"images": 6_000, "epochs": 8, "small_epochs": 6, "small_side": 64, "batch": 64}
_SHORTER = {**_SHORT, "epochs": 6, "small_epochs": 5}
# As the AlexNet of Network Dissection's section 3.6 was trained: with dropout, without batch norm.
_PLAIN = {**_SHORTER, "batch_norm": False, "dropout": 0.3, "rate": 2e-3}
_TUNED = {**_SHORT, "epochs": 4, "small_epochs": 3, "batch_norm": False, "rate": 1e-3, "snapshots": (20, 93)}

_BOTH = "scenes and objects"

RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("small-alexnet", _BOTH, "small-alexnet"),
        Recipe("small-alexnet-random", None, "small-alexnet"),
        Recipe("small-alexnet-scenes", "scenes", "small-alexnet", **_SHORT),
        Recipe("small-alexnet-objects", "objects", "small-alexnet", **_SHORT),
        Recipe("small-vgg", _BOTH, "small-vgg", **_SHORT),
        Recipe("small-googlenet", _BOTH, "small-googlenet", **_SHORTER),
        Recipe("small-resnet", _BOTH, "small-resnet", **_SHORTER),
        Recipe("small-vit", _BOTH, "small-vit", **{**_SHORTER, "batch_norm": False, "rate": 2e-3}),
        Recipe("small-alexnet-rotation", "rotation", "small-alexnet", **_SHORTER),
        Recipe("small-alexnet-colorization", "colorization", "small-alexnet-grey", **_SHORTER),
        Recipe("small-alexnet-patch-order", "patch order", "small-alexnet-tiles", **_SHORTER),
        Recipe("small-alexnet-denoising", "denoising", "small-alexnet-cells", **_SHORTER),
        Recipe("small-resnet-captions", "captions", "small-resnet-captions", **_SHORT),
        Recipe("small-alexnet-repeat-1", _BOTH, "small-alexnet", seed=1, snapshots=(10, 30, 93, 186, 372), **_PLAIN),
        Recipe("small-alexnet-repeat-2", _BOTH, "small-alexnet", seed=2, **_PLAIN),
        Recipe("small-alexnet-repeat-3", _BOTH, "small-alexnet", seed=3, **_PLAIN),
        Recipe("small-alexnet-no-dropout", _BOTH, "small-alexnet", seed=1, **{**_PLAIN, "dropout": 0.0}),
        Recipe("small-alexnet-batch-norm", _BOTH, "small-alexnet", seed=1, **{**_PLAIN, "batch_norm": True}),
        Recipe("small-alexnet-wide", _BOTH, "small-alexnet", {"widths": (24, 64, 128, 128, 384)}, seed=1, **_PLAIN),
        Recipe("small-alexnet-wide-all", _BOTH, "small-alexnet", {"widths": (36, 96, 192, 192, 384)}, seed=1, **_PLAIN),
        Recipe("small-alexnet-scenes-to-objects", "objects", "small-alexnet", start="small-alexnet-scenes", **_TUNED),
        Recipe("small-alexnet-objects-to-scenes", "scenes", "small-alexnet", start="small-alexnet-objects", **_TUNED),
        Recipe("small-alexnet-marked", "marked scenes", "small-alexnet", **_SHORTER),
    )
}
