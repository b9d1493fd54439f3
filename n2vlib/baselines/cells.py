"""A layer's cells: their activations, and how much of each a concept covers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.activations.streaming import BATCH
from n2vlib.baselines.aligned import label_arrays
from n2vlib.device import kind_of
from n2vlib.masks.iou import taps_of
from n2vlib.networks.hooks import run_layers
from n2vlib.probe import ProbeSet
from n2vlib.progress import bar

FEATURES = ("fired", "raw")
Cells = Callable[[int], NDArray[np.float32]]  # position of an image -> (filter, cell)


def fired(layer: Layer) -> Cells:
    """1[A_k > T_k] of an image."""
    return lambda image: layer.fired_in(image).reshape(layer.n_filters, -1).astype(np.float32)


@contextmanager
def raw(layer: Layer, folder: Path) -> Iterator[Cells]:
    """A `with` block in which A_k of every image can be read: one pass through the network fills a file in `folder`.

    The file has 4 bytes for each image, filter and cell, and is deleted at the end of the block.
    """
    network, probe = layer.source
    path, size = folder / "raw.tmp", int(np.prod(layer.shape))
    batch = BATCH[kind_of(layer.device)]
    batches = bar(probe.batches(batch), f"reading {layer.name}, {batch} images at a time", -(-len(probe) // batch))
    network.module.to(layer.device)
    try:
        with path.open("wb") as file:
            for images in batches:
                ready = network.preprocessing(images).to(layer.device, memory_format=torch.channels_last)
                found = run_layers(network.module, [layer.module], ready)[layer.module]
                file.write(found.float().cpu().permute(0, 2, 3, 1).contiguous().numpy().data)
        yield lambda image: np.fromfile(path, np.float32, size, offset=4 * size * image).reshape(-1, layer.n_filters).T
    finally:
        path.unlink(missing_ok=True)


class Annotation:
    """The share of every cell's pixels that show a concept; a pixel is of the cell nearest to it in the mask.

    counted   bool, (cell,): cells with a pixel; all of them unless the grid is finer than the label maps
    """

    def __init__(self, layer: Layer, probe: ProbeSet, align_corners: bool):
        nearest = [np.where(2 * t.w1 > t.den, t.i1, t.i0) for t in taps_of(layer.grid, probe.label_size, align_corners)]
        self._cell = (nearest[0][:, None] * layer.grid[1] + nearest[1]).ravel()
        self._pixels = np.bincount(self._cell, minlength=layer.grid[0] * layer.grid[1])
        self.counted = self._pixels > 0
        self._maps, self._map_ptr, _, _, self._local = label_arrays(probe)

    def share(self, image: int, pair: int) -> NDArray[np.float32]:
        """(cell,) of one pair, for which `shares` would count every label of the image."""
        start, stop = self._map_ptr[image : image + 2]
        shown = (self._maps[start:stop] == self._local[pair]).any(0) | (self._local[pair] == 0)
        counts = np.bincount(self._cell[shown], minlength=len(self._pixels))
        return (counts / np.maximum(self._pixels, 1)).astype(np.float32)

    def shares(self, image: int, pairs: NDArray[np.int64]) -> NDArray[np.float32]:
        """(pair, cell) of some pairs of one image; zero in cells without a pixel."""
        n, local = len(self._pixels), self._local[pairs].astype(np.int64)
        counts = np.zeros((int(local.max(initial=0)) + 1) * n, np.int64)
        for layer in self._maps[self._map_ptr[image] : self._map_ptr[image + 1]]:
            counts += np.bincount(layer.astype(np.int64) * n + self._cell, minlength=len(counts))[: len(counts)]
        counts = counts.reshape(-1, n)
        counts[0] = self._pixels  # a label of the whole image
        return (counts[local] / np.maximum(self._pixels, 1)).astype(np.float32)
