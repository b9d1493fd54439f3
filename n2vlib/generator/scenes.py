"""Drawn scenes of some kinds with their label maps, as the generator and the segmenter of the zoo learn from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from itertools import count, islice
from random import Random

import filelock
import numpy as np
from numpy.typing import NDArray

from n2vlib.files.output import writing_into
from n2vlib.files.partial import atomic
from n2vlib.paths import data_root
from n2vlib.progress import bar
from n2vlib.sources import sources_digest
from n2vlib.workers.pool import in_processes
from n2vlib.world import SWATCHES, scene
from n2vlib.world.catalog import CONCEPTS, SCENE

SIDE = 56  # pixels: half a drawn image, as large as its label maps
NAMES = {number: name for number, name, _ in CONCEPTS}
_MAPS = ("object", "color")


@dataclass(frozen=True)
class Scenes:
    """Drawn scenes.

    images   uint8, (image, 56, 56, 3): means over 2 x 2 pixels
    object, color    uint16, (image, 56, 56): concept numbers, 0 where there is none
    scene    int64, (image,): concept numbers
    """

    images: NDArray[np.uint8]
    object: NDArray[np.uint16]
    color: NDArray[np.uint16]
    scene: NDArray[np.int64]


def drawn(kinds: Sequence[str], n_images: int, seed: int) -> Scenes:
    """The first so many images of the world `seed` that show scenes of these kinds, without their -s.

    Drawn on first use, then read from data_root().
    """
    root = data_root()
    code = sources_digest(["n2vlib.world", "n2vlib.generator.scenes"])
    which = sha256(f"{sorted(kinds)} {n_images} {seed} {code}".encode()).hexdigest()[:12]
    path = root / f"labelled-scenes-{which}.npz"
    with writing_into(root, "N2V_DATA"), filelock.FileLock(f"{path}.lock"):
        if not path.exists():
            made = _draw(kinds, n_images, seed)
            with atomic(path) as part, part.open("wb") as file:
                np.savez(file, **made)  # type: ignore[arg-type]
    with np.load(path, allow_pickle=False) as kept:
        return Scenes(**kept)


def _draw(kinds: Sequence[str], n_images: int, seed: int) -> dict[str, NDArray]:
    indices = [*islice((index for index in count() if _kind(seed, index) in kinds), n_images)]
    with in_processes(partial(_one, seed), indices, None if n_images > 200 else 1, chunk=50) as scenes:
        made = [*bar(scenes, "drawing scenes with labels", n_images)]
    return {name: np.stack([each[name] for each in made]) for name in made[0]}


def _kind(seed: int, index: int) -> str | None:
    """What `world.painting` will draw, known before it is drawn; None: a swatch."""
    rng = Random(f"{seed}/{index}")
    return None if rng.random() < SWATCHES else rng.choice(list(SCENE))


def _one(seed: int, index: int) -> dict[str, NDArray]:
    found = scene(seed, index)
    if found.scene != SCENE[_kind(seed, index) or ""]:
        raise RuntimeError(f"scene {index} of seed {seed} is of another kind: _kind no longer follows world.painting")
    maps = {name: found.maps[name][0] for name in _MAPS}
    return {"images": halved(found.image), "scene": np.array(found.scene, np.int64)} | maps


def halved(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Means over 2 x 2 pixels: uint8, (..., height, width, 3)."""
    *before, height, width, _ = images.shape
    blocks = images.reshape(*before, height // 2, 2, width // 2, 2, 3).astype(np.uint16)
    return ((blocks.sum((-4, -2)) + 2) >> 2).astype(np.uint8)
