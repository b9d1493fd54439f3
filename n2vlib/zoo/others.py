"""The recipes of what the zoo ships beside networks that answer images: one row each, and the module that trains it."""

from dataclasses import dataclass
from typing import ClassVar


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


@dataclass(frozen=True)
class GameAgents:
    """Teams of agents that play a game together, and the models of messages and people beside them (n2vlib.agents).

    game             colors, creatures or driving
    rounds           of playing and learning;  games: played in each;  steps: of Adam after them
    history          turns of the pieces that are learned from;  good: share of them from games with a gain
    copy             rounds between two copies of the target network;  rate: of Adam
    hidden, size     units of an agent's layers, and numbers in a message;  noise: that the channel adds
    belief           units of the models of messages;  meaning: steps of training them
    imitation        steps of training the model of people;  seeds: one team of each
    """

    trained_by: ClassVar[str] = "n2vlib.agents.training"
    name: str
    game: str
    rounds: int
    games: int = 64
    steps: int = 4
    history: int = 3
    good: float = 0.1
    copy: int = 25
    rate: float = 3e-3
    hidden: int = 64
    size: int = 64
    noise: float = 0.3
    belief: int = 128
    meaning: int = 1_500
    imitation: int = 2_000
    seeds: tuple[int, ...] = (0, 1, 2)


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

AGENTS = {
    recipe.name: recipe
    for recipe in (
        GameAgents("small-color-agents", "colors", rounds=500),
        GameAgents("small-creature-agents", "creatures", rounds=700, imitation=4_000),
        GameAgents("small-driving-agents", "driving", rounds=1_600, history=10, good=0.0),
    )
}

# What the zoo ships beside networks that answer images, by name.
OTHERS = DICTIONARIES | SENTENCES | DESCRIBERS | GENERATORS | SEGMENTERS | TEXT_IMAGE | AGENTS
