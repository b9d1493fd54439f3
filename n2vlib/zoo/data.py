"""Training images for the zoo: drawn scenes with their labels, one array in one file."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from n2vlib.files.output import writing_into
from n2vlib.files.partial import atomic
from n2vlib.paths import data_root
from n2vlib.progress import bar
from n2vlib.sources import sources_digest
from n2vlib.workers.pool import in_processes

TRAIN_SEED, HELD_OUT_SEED = 1, 2  # the probe set is drawn from seed 0
_CHUNK = 100


@dataclass
class Drawn:
    """Images and their labels.

    images    uint8, (image, 112, 112, 3)
    scene     int64, (image,), position in `scenes`; -1 where the image shows no scene (texture swatches)
    objects   bool, (image, object)
    """

    images: np.ndarray
    scene: np.ndarray
    objects: np.ndarray
    scenes: list[str]
    object_names: list[str]


def drawn(n_images: int, seed: int) -> Drawn:
    """The first `n_images` scenes of that seed: drawn on first use into data_root(), read from there afterwards."""
    from n2vlib.world import CONCEPTS

    root = data_root()
    base = root / f"zoo-{n_images}-seed{seed}-{world_digest()[:8]}"
    with writing_into(root, "N2V_DATA"), filelock.FileLock(f"{base}.lock"):
        if not base.with_suffix(".npy").exists():
            _draw_to(base, n_images, seed)
    images = np.load(base.with_suffix(".npy"), mmap_mode="r", allow_pickle=False)
    with np.load(base.with_suffix(".npz"), allow_pickle=False) as labels:
        return Drawn(images, labels["scene"], labels["objects"], *_names(CONCEPTS))


def gather(scenes: Iterable[Any], concepts: list[tuple[int, str, str]]) -> Drawn:
    """Scenes of the drawn world, collected in memory.

    scenes     each with image, scene (concept number; 0 or None: none) and objects (concept numbers)
    concepts   (number, name, category), all of them
    """
    numbers = {kind: [n for n, _, category in concepts if category == kind] for kind in ("scene", "object")}
    made = list(scenes)
    place = {number: at for at, number in enumerate(numbers["scene"])}
    objects = np.array([[number in one.objects for number in numbers["object"]] for one in made], bool)
    scene = np.array([place[one.scene] if one.scene else -1 for one in made], np.int64)
    return Drawn(np.stack([one.image for one in made]), scene, objects, *_names(concepts))


def world_digest() -> str:
    """sha256 over the sources that draw the world."""
    return sources_digest(["n2vlib.world"])


def _draw_to(base: Path, n_images: int, seed: int) -> None:
    """Draw on all cores; the image file gets its final name last, when all is written."""
    starts, labels = range(0, n_images, _CHUNK), []
    with atomic(base.with_suffix(".npy")) as part:
        images = np.lib.format.open_memmap(part, mode="w+", dtype=np.uint8, shape=(n_images, 112, 112, 3))
        with in_processes(partial(_draw_chunk, seed, n_images), starts) as chunks:
            for start, chunk in zip(starts, bar(chunks, "drawing training images", len(starts)), strict=True):
                images[start : start + len(chunk.images)] = chunk.images
                labels.append((chunk.scene, chunk.objects))
        images.flush()
        scene, objects = (np.concatenate(parts) for parts in zip(*labels, strict=True))
        with atomic(base.with_suffix(".npz")) as labels_part:
            np.savez_compressed(labels_part, scene=scene, objects=objects)


def _draw_chunk(seed: int, n_images: int, start: int) -> Drawn:
    from n2vlib.world import CONCEPTS, scene

    return gather((scene(seed, index) for index in range(start, min(start + _CHUNK, n_images))), CONCEPTS)


def _names(concepts: list[tuple[int, str, str]]) -> tuple[list[str], list[str]]:
    names = {kind: [name for _, name, category in concepts if category == kind] for kind in ("scene", "object")}
    return names["scene"], names["object"]
