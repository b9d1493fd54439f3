"""Disk, memory and time of reading a network on a probe set, from one timed batch on this machine."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from n2vlib.activations.streaming import BATCH
from n2vlib.device import choose_device, kind_of
from n2vlib.doctor.finding import duration, size
from n2vlib.errors import BadInput
from n2vlib.kernels import sparse
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network
from n2vlib.paths import resolve
from n2vlib.probe import MOST_PIXELS, WORLD_IMAGES, world_folder
from n2vlib.probe.pictures import read_image, read_map
from n2vlib.probe.problems import raising
from n2vlib.probe.reader import items_of, read_categories, read_index

HOW = (
    "one batch of every network timed here, times the number of images; from that to three times it. Not in it: "
    "learning and counting (seconds to minutes a layer, `benchmarks/RESULTS.md`), and what a chapter does beyond that"
)
MORE = 3.0  # how much more than a timed batch the whole can cost: a busy machine, cold files, layers with many filters
REPEATS = 3
SHOWN = 16  # images that are decoded and timed
Range = tuple[float, float]


@dataclass(frozen=True)
class Cost:
    """Ranges, low to high; a sum adds disk and seconds, and takes the larger memory."""

    disk: Range = (0.0, 0.0)
    seconds: Range = (0.0, 0.0)
    memory: Range = (0.0, 0.0)

    def __add__(self, other: "Cost") -> "Cost":
        disk, seconds = _sum(self.disk, other.disk), _sum(self.seconds, other.seconds)
        return Cost(disk, seconds, max(self.memory, other.memory))

    def __str__(self) -> str:
        return f"{span(self.seconds, duration)}, {span(self.disk, size)} on disk"


def _sum(one: Range, other: Range) -> Range:
    return one[0] + other[0], one[1] + other[1]


def span(values: Range, written: Callable[[float], str]) -> str:
    """A range in words."""
    low, high = map(written, values)
    return low if low == high else f"{low} to {high}"


@dataclass(frozen=True)
class Sample:
    """A few images of a probe set, and what decoding all of it costs.

    images   uint8, (at most SHOWN, height, width, 3)
    """

    text: str
    n_images: int
    images: NDArray[np.uint8]
    labels: Cost


def sample(probe: str) -> Sample:
    """A sample of the PROBE parameter, read from its tables without the rest of it. BadInput where it is missing."""
    sparsely = re.fullmatch(r"(.+)\[::([1-9][0-9]*)\]", probe)
    name, step = (sparsely[1], int(sparsely[2])) if sparsely else (probe, 1)
    drawn = re.fullmatch(r"world(?:-([1-9][0-9]{0,6}))?", name)
    folder = world_folder(int(drawn[1] or WORLD_IMAGES)) if drawn else resolve(name)
    if drawn and not folder.exists():
        return _undrawn(int(drawn[1] or WORLD_IMAGES), step)
    if not (folder / "index.csv").exists():
        unset = re.search(r"\$\{?(\w+)", str(folder))
        hint = f"set {unset[1]} to the folder of your copy" if unset else "give a folder in Broden's format"
        raise BadInput(f"{name}: holds no index.csv; {hint}")
    return _read(folder, step)


def _undrawn(n_images: int, step: int) -> Sample:
    noise = np.random.default_rng(0).integers(0, 256, (SHOWN, 112, 112, 3), np.uint8)
    drawing = n_images * 0.008  # s; 27 to 36 s for 4,000 images (benchmarks/RESULTS.md, "drawing the images")
    disk = n_images * 112 * 112 * 3.0  # decoded; as much again for the files and the label maps
    text = f"{n_images:,} images, not drawn yet; drawn when first asked for"
    return Sample(text, -(-n_images // step), noise, Cost((disk, 2 * disk), (drawing, MORE * drawing)))


def _read(folder: Path, step: int) -> Sample:
    report = raising(folder)
    categories = read_categories(folder, report)
    index = read_index(folder, categories, report)
    if index is None:
        raise BadInput(f"{folder}: its index.csv lists no image")
    n = -(-len(index.images) // step)
    at = np.unique(np.linspace(0, len(index.images) - 1, SHOWN).astype(int))
    start = time.perf_counter()
    images = np.stack([read_image(folder / "images" / index.images[i], index.image_size) for i in at])
    maps = [{path for cells in index.cells.values() if cells[i] for path in items_of(cells[i])[0]} for i in at]
    for path in (path for each in maps for path in each):
        read_map(folder / "images" / path, index.label_size)
    seconds = (time.perf_counter() - start) / len(at) * n
    pixels = n * float(np.prod(index.image_size)) * 3
    disk = n * float(np.mean([len(each) for each in maps]) * np.prod(index.label_size))
    disk += pixels if pixels <= MOST_PIXELS else 0
    text = f"{n:,} images of {index.image_size[0]} x {index.image_size[1]}"
    return Sample(text, n, images, Cost((disk / 2, disk), (seconds, MORE * seconds)))


def of_reading(network: Network, modules: list[str], shown: Sample, tau: float, device: str) -> Cost:
    """What reading these layers of a network costs: one batch is run several times, and the shortest counts."""
    device = choose_device(device)
    images = np.resize(shown.images, (BATCH[kind_of(device)], *shown.images.shape[1:]))
    maps = _outputs(network, modules, images, device)
    bounds = [_quantile(each, tau) for each in maps]
    kept = sum(len(sparse.extract(*each).code) for each in zip(maps, bounds, strict=True))
    once, share = np.inf, shown.n_images / len(images)
    for _ in range(REPEATS):
        start = time.perf_counter()
        for each in zip(_outputs(network, modules, images, device), bounds, strict=True):
            sparse.extract(*each)
        once = min(once, time.perf_counter() - start)
    disk, lasting = 8.0 * kept * share, once * share  # a code and a value for each entry
    parameters = sum(each.numel() * each.element_size() for each in network.module.parameters())
    memory = 5e8 + 3 * parameters + 16.0 * sum(each.size for each in maps)  # torch and numba; a batch, and as sorted
    return Cost((disk, MORE * disk), (lasting, MORE * lasting), (memory, 2 * memory))


def _outputs(network: Network, modules: list[str], images: NDArray[np.uint8], device: str) -> list[NDArray[np.float32]]:
    """The layers' activations, (image, h, w, filter), as they are when a layer is read."""
    shown = network.preprocessing(images).to(device, memory_format=torch.channels_last)
    found = run_layers(network.module.to(device), modules, shown)
    return [maps.permute(0, 2, 3, 1).float().cpu().contiguous().numpy() for maps in found.values()]


def _quantile(activations: NDArray[np.float32], tau: float) -> NDArray[np.float32]:
    """About T_k, from one batch."""
    return np.quantile(activations.reshape(-1, activations.shape[-1]), 1 - tau, axis=0).astype(np.float32)
