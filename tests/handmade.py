"""A hand-made world of red and blue squares and discs, and stripes: every answer is known.

It is drawn on the label maps' own grid and then doubled, so that annotated masks and pictures agree to the pixel.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2vlib.probe.broden import Labelled, write

NAMES = {
    1: "red-c",
    2: "blue-c",
    3: "grey-c",
    4: "square",
    5: "disc",
    6: "red square",  # a second object layer: lies on squares
    8: "rim",  # of a square; in category part and, with the same map or another, in material
    9: "striped",
    10: "day-s",
    11: "night-s",
    300: "gloss",  # beyond one byte
}
NUMBERS = {name: number for number, name in NAMES.items()}
PIXEL_CATEGORIES = {"color", "object", "part", "material"}
COLORS = {"red-c": (220, 30, 30), "blue-c": (30, 60, 220)}
STRIPES_EVERY = 6  # every sixth image is a swatch of stripes


@dataclass
class HandMade:
    """What was written. masks[image name][label number] is bool (sh, sw); a whole-image label is True everywhere."""

    root: Path
    size: int
    images: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    masks: dict[str, dict[int, NDArray[np.bool_]]] = field(default_factory=dict)


def build(root: Path, n_images: int = 24, size: int = 48, seed: int = 2) -> HandMade:
    """Write `n_images` images of `size` x `size` (even, 32 or more) as a Broden folder; the split is the md5 rule's.

    From 24 images on, the default seed has every concept in both splits.
    """
    world = HandMade(root, size)

    def remembered() -> Iterator[Labelled]:
        for i in range(n_images):
            scene, masks = draw(i, size, seed)
            world.images[scene.name], world.masks[scene.name] = scene.image, masks
            yield scene

    write(root, remembered(), NAMES)
    return world


def draw(i: int, size: int, seed: int) -> tuple[Labelled, dict[int, NDArray[np.bool_]]]:
    """Image i and the mask of each concept in it."""
    rng = np.random.default_rng([seed, i])
    side = size // 2
    day = bool(rng.integers(2))
    pixels = np.full((side, side, 3), 200 if day else 60, dtype=np.uint8)
    if i % STRIPES_EVERY == STRIPES_EVERY - 1:
        pixels[:, ::4] = 120
        masks = {NUMBERS["grey-c"]: np.ones((side, side), dtype=bool), NUMBERS["striped"]: np.ones((side, side), bool)}
    else:
        masks = _shapes(rng, pixels)
        masks[NUMBERS["day-s" if day else "night-s"]] = np.ones((side, side), dtype=bool)
    image = pixels.repeat(2, axis=0).repeat(2, axis=1)
    return Labelled(f"shapes/{i:03d}.png", image, _maps(masks, side), _whole(masks)), masks


def _shapes(rng: np.random.Generator, pixels: NDArray[np.uint8]) -> dict[int, NDArray[np.bool_]]:
    """Paint one shape in each half of the picture, or in one half only; return the masks."""
    side = len(pixels)
    masks = {number: np.zeros((side, side), dtype=bool) for number in (1, 2, 4, 5, 6, 8, 300)}
    halves = [0, side // 2] if rng.integers(3) else [0]
    for left in halves:
        color, kind = ("red-c", "blue-c")[rng.integers(2)], ("square", "disc")[rng.integers(2)]
        radius = int(rng.integers(side // 8, side // 4 - 1))
        row, column = int(rng.integers(radius, side - radius)), left + side // 4
        rows, columns = np.ogrid[:side, :side]
        off_row, off_column = abs(rows - row), abs(columns - column)
        square = (off_row <= radius) & (off_column <= radius)
        shape = square if kind == "square" else off_row**2 + off_column**2 <= radius**2
        pixels[shape] = COLORS[color]
        masks[NUMBERS[color]] |= shape
        masks[NUMBERS[kind]] |= shape
        if kind == "square":
            masks[NUMBERS["rim"]] |= square & ((off_row == radius) | (off_column == radius))
            masks[NUMBERS["red square"]] |= square & (color == "red-c")
        else:
            masks[NUMBERS["gloss"]] |= (off_row <= 1) & (off_column <= 1)
    masks[NUMBERS["grey-c"]] = ~(masks[NUMBERS["red-c"]] | masks[NUMBERS["blue-c"]])
    return {number: mask for number, mask in masks.items() if mask.any()}


def _maps(masks: dict[int, NDArray[np.bool_]], side: int) -> dict[str, list[NDArray[np.uint16]]]:
    layers = {"color": [(1, 2, 3)], "object": [(4, 5), (6,)], "part": [(8,)], "material": [(8, 300)]}
    maps: dict[str, list[NDArray[np.uint16]]] = {}
    for category, stack in layers.items():
        for numbers in stack:
            layer = np.zeros((side, side), dtype=np.uint16)
            for number in set(numbers) & set(masks):
                layer[masks[number]] = number
            if layer.any():
                maps.setdefault(category, []).append(layer)
    return maps


def _whole(masks: dict[int, NDArray[np.bool_]]) -> dict[str, list[int]]:
    whole = {"texture": [9], "scene": [10, 11]}
    present = {category: [number for number in numbers if number in masks] for category, numbers in whole.items()}
    return {category: numbers for category, numbers in present.items() if numbers}
