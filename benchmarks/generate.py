"""The set the benchmark runs on: images of wavy patches with labels of all six categories, written as Broden.

Its statistics follow Broden's: the four sources in their shares (scenes with objects and parts, objects with parts,
surfaces with materials, textures), label maps of half the image's size, concepts with frequencies that fall like
1 / rank. What the pictures show is of no matter, so this is not the drawn world of the book.
"""

import hashlib
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2vlib.paths import data_root
from n2vlib.probe.broden import Labelled, write
from n2vlib.progress import bar
from n2vlib.workers.pool import in_processes

IMAGE, LABELS = 227, 113
COUNTS = {"color": 11, "object": 130, "part": 60, "material": 20, "scene": 50, "texture": 29}  # 300 concepts
SOURCES = {"scenes": 0.35, "objects": 0.16, "surfaces": 0.40, "textures": 0.09}  # ADE20K, Pascal, OpenSurfaces, DTD
PATCHES = {"scenes": 14, "objects": 7, "surfaces": 6, "textures": 1}
PALETTE = np.random.default_rng(0).uniform(0, 255, (COUNTS["color"], 3))


class Words:
    """The concepts of a set, by category: `times` as many as COUNTS, but for the colors."""

    def __init__(self, times: int = 1):
        self.counts = {category: n if category == "color" else times * n for category, n in COUNTS.items()}
        self.first = dict(zip(self.counts, np.cumsum([1, *self.counts.values()])[:-1].tolist(), strict=True))

    def names(self) -> dict[int, str]:
        return {
            self.first[category] + i: f"{category} {i + 1}" for category, n in self.counts.items() for i in range(n)
        }

    def pick(self, rng: np.random.Generator, category: str, n: int) -> NDArray[np.int64]:
        """n concept numbers of a category, frequency falling as rank ** -0.9."""
        chance = np.arange(1, self.counts[category] + 1) ** -0.9
        return self.first[category] + rng.choice(self.counts[category], size=n, p=chance / chance.sum())


def folder(n_images: int, seed: int = 0, times: int = 1) -> Path:
    """The set of `n_images`, written on first use under data_root(); its name holds a digest of this file."""
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:8]
    root, words = data_root() / f"benchmark-{n_images}-{seed}-{times}-{digest}", Words(times)
    if not root.exists():
        with in_processes(partial(labelled, words, seed), range(n_images), chunk=20) as drawn:
            write(root, bar(drawn, "drawing the benchmark's images", n_images), words.names())
    return root


def labelled(words: Words, seed: int, index: int) -> Labelled:
    """Image `index` with its labels; it depends on (words, seed, index) only."""
    rng = np.random.default_rng([seed, index])
    source = str(rng.choice(list(SOURCES), p=list(SOURCES.values())))
    category = {"surfaces": "material", "textures": "texture"}.get(source, "object")
    patches = wavy_patches(rng, PATCHES[source], IMAGE)
    concepts = words.pick(rng, category, PATCHES[source])
    image = painted(rng, patches, concepts)
    small = patches[1::2, 1::2]
    maps, whole = {"color": [words.first["color"] + nearest_color(image[1::2, 1::2])]}, {}
    if source == "textures":
        whole["texture"] = [int(concepts[0])]
    else:
        unlabelled = rng.random(len(concepts)) < 0.15
        maps[category] = [np.where(unlabelled, 0, concepts)[small].astype(np.uint16)]
    if category == "object":
        maps["part"] = [part_map(words, rng) for _ in range(rng.integers(1, 3))]
    if source == "scenes":
        whole["scene"] = [int(words.pick(rng, "scene", 1)[0])]
    return Labelled(f"{source}/{index:06d}.jpg", image, maps, whole)


def wavy_patches(rng: np.random.Generator, n: int, size: int) -> NDArray[np.int64]:
    """(size, size), the number of the nearest of n random points, borders bent by waves."""
    points, (a, b, c, d) = rng.random((n, 2)), rng.uniform(1, 4, 4)
    y, x = np.mgrid[:size, :size] / size
    y, x = y + 0.04 * np.sin(2 * np.pi * a * x + b), x + 0.04 * np.sin(2 * np.pi * c * y + d)
    return np.stack([(y - v) ** 2 + (x - u) ** 2 for v, u in points]).argmin(0)


def painted(rng: np.random.Generator, patches: NDArray[np.int64], concepts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Each concept has a color and a stripe pattern of its own; noise and a change of brightness on top."""
    y, x = np.mgrid[: len(patches), : len(patches)]
    image = np.empty((*patches.shape, 3))
    for patch, concept in enumerate(concepts):
        look = np.random.default_rng([1, concept])
        angle, period, strength = look.uniform(0, np.pi), look.uniform(4, 40), look.uniform(0, 60)
        stripes = strength * np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period)
        inside = patches == patch
        image[inside] = look.uniform(0, 255, 3) + stripes[inside, None]
    image += rng.normal(0, 12, image.shape) + rng.uniform(-25, 25)
    return image.clip(0, 255).astype(np.uint8)


def part_map(words: Words, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Parts on about a third of the picture; two maps of one image may overlap, as ADE20K's levels do."""
    concepts = np.where(rng.random(20) < 0.3, words.pick(rng, "part", 20), 0)
    return concepts[wavy_patches(rng, 20, LABELS)].astype(np.uint16)


def nearest_color(image: NDArray[np.uint8]) -> NDArray[np.uint16]:
    distance = ((image[:, :, None].astype(np.float64) - PALETTE) ** 2).sum(-1)
    return distance.argmin(-1).astype(np.uint16)
