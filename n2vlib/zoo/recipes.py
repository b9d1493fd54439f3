"""The recipes of the zoo's networks: one row per network.

A row with no task is a randomly initialised network: a seed, not a file.
"""

from dataclasses import dataclass, field
from typing import Any, ClassVar

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


@dataclass(frozen=True)
class Dictionary:
    """A dictionary of a layer of the zoo: a sparse autoencoder trained on what the layer computes for drawn images.

    network, layer   whose filters it reads;  units: how many;  k: how many of them are above 0 at a place, at most
    images           number of drawn training images, the first of world seed 1;  places: drawn from each
    epochs           passes over these places;  batch, rate: of Adam;  seed: of everything drawn at random
    """

    trained_by: ClassVar[str] = "n2vlib.zoo.dictionaries"
    name: str
    network: str
    layer: str
    units: int
    k: int
    images: int = 6_000
    places: int = 32
    epochs: int = 10
    batch: int = 1024
    rate: float = 2e-3
    seed: int = 0


@dataclass(frozen=True)
class SentencePairs:
    """A network that says of two sentences whether the second follows from the first (n2vlib.sentences).

    pairs            number of drawn training pairs, the first of seed 1
    embedding        size of a word's vector;  hidden: of the LSTM's state;  units: of the hidden layer
    epochs           passes over the pairs;  batch;  rate: highest learning rate of the one-cycle schedule, of Adam
    dropout          share of the hidden layer's inputs and outputs that is dropped in training
    seed             of the weights and the order of the pairs
    """

    trained_by: ClassVar[str] = "n2vlib.sentences.training"
    name: str
    pairs: int
    embedding: int
    hidden: int
    units: int
    epochs: int
    batch: int
    rate: float
    dropout: float
    seed: int = 0


@dataclass(frozen=True)
class Describer:
    """A describer of units (n2vlib.words): it learns descriptions of regions of drawn images.

    network, layers  the frozen network whose pooled maps it sees
    images           number of drawn training images, the first of world seed 1
    steps            of Adam, each on `batch` units drawn anew;  rate: highest learning rate of the one-cycle schedule
    check            steps between two looks at held-out images; the best weights are kept
    patience         looks without an improvement after which training stops
    seed             of the weights and of everything drawn at random
    """

    trained_by: ClassVar[str] = "n2vlib.words.training"
    name: str
    network: str
    layers: tuple[str, ...]
    images: int
    steps: int
    batch: int
    rate: float
    check: int = 100
    patience: int = 6
    seed: int = 0


@dataclass(frozen=True)
class SceneGenerator:
    """A decoder that draws scenes of some kinds from codes (n2vlib.generator): half of a variational autoencoder.

    scenes           kinds of scenes, without -s;  images: how many of them, the first of world seed 1
    code             numbers in a code;  widths: units of the layers on grids of 7, 14 and 28
    steps, batch, rate   of Adam on a one-cycle schedule
    prior            weight of the codes' distance from a standard normal
    features         weight of what the first layers of small-alexnet see
    seed             of the weights and the order of the images
    """

    trained_by: ClassVar[str] = "n2vlib.generator.drawing"
    name: str
    scenes: tuple[str, ...]
    images: int
    code: int
    widths: tuple[int, int, int]
    steps: int
    batch: int
    rate: float
    prior: float
    features: float
    seed: int = 0


@dataclass(frozen=True)
class SceneSegmenter:
    """A network that says what every place of such a picture shows (n2vlib.generator).

    scenes, images   as of `SceneGenerator`;  least: share of pixels that an object needs to become a class
    steps, batch, rate   of AdamW on a one-cycle schedule;  seed: of the weights and the order of the images
    """

    trained_by: ClassVar[str] = "n2vlib.generator.segmenting"
    name: str
    scenes: tuple[str, ...]
    images: int
    least: float
    steps: int
    batch: int
    rate: float
    seed: int = 0


@dataclass(frozen=True)
class TextImagePairs:
    """A model of how well a text fits an image (n2vlib.text_image), on a frozen network of the zoo.

    network   whose means and maxima it reads;  images: drawn training images, the first of world seed 1
    hidden    units of the image's side;  size: of the vectors
    epochs    passes over the images, each with new captions;  batch;  rate: highest of the one-cycle schedule, of AdamW
    dropout   share of the image's features that are dropped in training;  seed: of weights, order and captions
    """

    trained_by: ClassVar[str] = "n2vlib.text_image.training"
    name: str
    network: str
    images: int
    hidden: int
    size: int
    epochs: int
    batch: int
    rate: float
    dropout: float
    seed: int = 0


# They take five minutes on one core (small-vgg ten), and three and a half; the last epochs are at full size.
_SHORT: dict[str, Any] = {"images": 6_000, "epochs": 8, "small_epochs": 6, "small_side": 64, "batch": 64}
_SHORTER = {**_SHORT, "epochs": 6, "small_epochs": 5}
# As the AlexNet of Network Dissection's section 3.6 was trained: with dropout, without batch norm.
_PLAIN = {**_SHORTER, "batch_norm": False, "dropout": 0.3, "rate": 2e-3}
_TUNED = {**_SHORT, "epochs": 4, "small_epochs": 3, "batch_norm": False, "rate": 1e-3, "snapshots": (20, 93)}

_BOTH = "scenes and objects"

DICTIONARIES = {
    recipe.name: recipe
    for recipe in (Dictionary("small-alexnet-dictionary", "small-alexnet", "conv5", units=256, k=8),)
}

SENTENCES = {
    recipe.name: recipe
    for recipe in (
        SentencePairs(
            "small-sentence-pairs", pairs=40_000, embedding=48, hidden=96, units=256, epochs=15, batch=128, rate=4e-3,
            dropout=0.1,
        ),
    )
}  # fmt: skip

DESCRIBERS = {
    recipe.name: recipe
    for recipe in (
        Describer(
            "small-describer", "small-alexnet", ("conv1", "conv2", "conv3", "conv4", "conv5"), images=3_000,
            steps=1_200, batch=128, rate=4e-3,
        ),
    )
}  # fmt: skip

_OUTDOORS = ("beach", "forest", "harbor", "park")  # few kinds, so that a small decoder learns to draw them

GENERATORS = {
    recipe.name: recipe
    for recipe in (
        SceneGenerator(
            "small-generator", _OUTDOORS, 5_000, code=64, widths=(96, 64, 48), steps=1_250, batch=24, rate=3e-3,
            prior=1e-3, features=0.15,
        ),
    )
}  # fmt: skip

SEGMENTERS = {
    recipe.name: recipe
    for recipe in (SceneSegmenter("small-segmenter", _OUTDOORS, 5_000, least=0.01, steps=1_300, batch=32, rate=4e-3),)
}

TEXT_IMAGE = {
    recipe.name: recipe
    for recipe in (
        TextImagePairs(
            "small-text-image", "small-resnet", images=8_000, hidden=256, size=128, epochs=60, batch=256, rate=2e-3,
            dropout=0.2,
        ),
    )
}  # fmt: skip

# What the zoo ships beside networks that answer images, by name.
OTHERS = DICTIONARIES | SENTENCES | DESCRIBERS | GENERATORS | SEGMENTERS | TEXT_IMAGE

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
