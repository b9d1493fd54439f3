"""Drawn scenes with what can be said of them: images and facts, drawn once into the data folder."""

import json
from dataclasses import asdict
from functools import partial
from pathlib import Path

import filelock
import numpy as np
from numpy.typing import NDArray

from n2vlib.files.output import writing_into
from n2vlib.files.partial import atomic
from n2vlib.paths import data_root
from n2vlib.progress import bar
from n2vlib.sources import sources_digest
from n2vlib.text_image.facts import Facts, Thing, facts
from n2vlib.workers.pool import in_processes
from n2vlib.world import scene

_CHUNK = 50


def drawn(n_images: int, seed: int) -> tuple[NDArray[np.uint8], list[Facts]]:
    """The first scenes of a seed of the world: images uint8 (image, 112, 112, 3), memory mapped, and their facts."""
    root = data_root()
    digest = sources_digest(["n2vlib.world", "n2vlib.text_image.facts"])
    base = root / f"captioned-{n_images}-seed{seed}-{digest[:8]}"
    with writing_into(root, "N2V_DATA"), filelock.FileLock(f"{base}.lock"):
        if not base.with_suffix(".npy").exists():
            _draw_to(base, n_images, seed)
    said = json.loads(base.with_suffix(".json").read_text(encoding="utf-8"))
    return np.load(base.with_suffix(".npy"), mmap_mode="r", allow_pickle=False), [_facts(each) for each in said]


def _draw_to(base: Path, n_images: int, seed: int) -> None:
    starts, said, images = range(0, n_images, _CHUNK), [], []
    with in_processes(partial(_chunk, seed, n_images), starts) as chunks:
        for seen, found in bar(chunks, "drawing captioned scenes", len(starts)):
            images.append(seen)
            said += [asdict(each) for each in found]
    with atomic(base.with_suffix(".json")) as part:
        part.write_text(json.dumps(said), encoding="utf-8")
    with atomic(base.with_suffix(".npy")) as part, part.open("wb") as file:
        np.save(file, np.concatenate(images))


def _chunk(seed: int, n_images: int, start: int) -> tuple[NDArray[np.uint8], list[Facts]]:
    scenes = [scene(seed, index) for index in range(start, min(start + _CHUNK, n_images))]
    return np.stack([each.image for each in scenes]), [facts(each) for each in scenes]


def _facts(said: dict) -> Facts:
    things = tuple(Thing(**{**each, "parts": tuple(each["parts"])}) for each in said["things"])
    return Facts(said["place"], said["texture"], tuple(said["colors"]), things)
