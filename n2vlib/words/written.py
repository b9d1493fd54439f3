"""Drawn scenes with writing on some of them, labelled: a describer that has never seen writing cannot say it.

The set is the drawn world with one more object, `writing`. In its box there are no parts and materials, and letters and
their outlines are white or black.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2vlib.probe.broden import Labelled, write
from n2vlib.world import CONCEPTS, Scene, scene
from n2vlib.world.catalog import COLOR
from n2vlib.world.marks import mark

NAME = "writing"
NUMBER = max(number for number, _, _ in CONCEPTS) + 1
SHARE = 0.15  # of the images
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def draw(path: Path | str, n_images: int, seed: int) -> None:
    """Write the first `n_images` scenes of world `seed` to a new folder in Broden's format, some with writing."""
    write(path, _scenes(n_images, seed), {number: name for number, name, _ in CONCEPTS} | {NUMBER: NAME})


def _scenes(n_images: int, seed: int) -> Iterator[Labelled]:
    for index in range(n_images):
        drawn, rng = scene(seed, index), np.random.default_rng([seed, index])
        image, maps = labelled(drawn, rng) if rng.random() < SHARE else (drawn.image, drawn.maps)
        yield Labelled(f"world/{seed}_{index:06d}.png", image, maps, drawn.whole)


def labelled(drawn: Scene, rng: np.random.Generator) -> tuple[NDArray[np.uint8], dict[str, list[NDArray[np.uint16]]]]:
    """The scene's image with two to four letters on it, 2 or 3 pixels a cell, and its label maps."""
    text = "".join(rng.choice([*_LETTERS], int(rng.integers(2, 5))))
    image, box = mark(drawn.image, text, rng, int(rng.integers(2, 4)))
    seen, there = image[1::2, 1::2], box[1::2, 1::2]  # label maps have half the size
    maps = {
        category: [np.where(there, 0, each) for each in of]
        for category, of in drawn.maps.items()
        if category != "color"
    }
    nothing = [np.zeros_like(there, np.uint16)]
    maps["object"] = [np.where(there, NUMBER, maps.get("object", nothing)[0]).astype(np.uint16)]
    colors = drawn.maps.get("color", nothing)[0].copy()
    for name, value in (("white", 255), ("black", 0)):
        colors[there & (seen == value).all(2)] = COLOR[name]
    return image, {category: of for category, of in (maps | {"color": [colors]}).items() if of[0].any()}
