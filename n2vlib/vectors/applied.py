"""Concept vectors on images, one after the other: masks by the rule that the method is scored with, and scores."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from n2vlib.activations.streaming import BATCH
from n2vlib.device import choose_device, kind_of
from n2vlib.errors import BadInput
from n2vlib.kernels import sparse
from n2vlib.kernels.combined import combined_mask
from n2vlib.masks.conventions import convention
from n2vlib.masks.counts import taps_as
from n2vlib.masks.iou import Taps, single_filter_mask, taps_of
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network
from n2vlib.vectors.saved import DISSECTION, Vectors, check_same

_taps_of = lru_cache(64)(taps_of)


@dataclass(frozen=True)
class Applied:
    """One image, seen by vectors.

    size     (height, width) of the image
    code     where filters fire, uint32 (see kernels.sparse)      grid   (h, w) of the layer here
    pooled   spatial means, float32, (filter,)
    maps     of dissection: the activation map of each concept's filter, float32, (concept, h, w); else None
    taps     of dissection: from the grid and a mask's size to its upsampling
    """

    vectors: Vectors
    size: tuple[int, int]
    grid: tuple[int, int]
    code: NDArray[np.uint32]
    pooled: NDArray[np.float32]
    maps: NDArray[np.float32] | None = None
    taps: Callable[..., tuple[Taps, Taps]] | None = None

    def mask(self, row: int, size: tuple[int, int] | None = None) -> NDArray[np.bool_]:
        """The mask of a concept, by its row: bool, of the probe set's label size, or of another (height, width).

        A combination: S(sum_k w_k 1[A_k > T_k]) > 0. A single filter: S(1[A_k > T_k]) > 1/2. Dissection:
        S(A_k) > T_k, by the convention that it was scored with. S is bilinear, to that size directly, as in training.
        Raises BadInput for vectors of a classifier, which has no masks.
        """
        about = self.vectors.about
        if about.task != "segmentation":
            raise BadInput(f"{about.task}: such vectors give scores, no masks; save those of segmentation")
        size = size or about.label_size
        if self.maps is not None and self.taps is not None:
            down, across = (taps.matrix() for taps in self.taps(self.grid, size))
            return down @ self.maps[row] @ across.T > self.vectors.thresholds[self.vectors.filters[row]]
        weights, align = self.vectors.weights[row], bool(about.settings["align_corners"])
        if about.method == "single filter":
            return single_filter_mask(self._fired(self.vectors.filters[row]), size, align)
        down, across = (taps.shares() for taps in _taps_of(self.grid, size, align))
        return combined_mask(weights, self.code, self.grid, down, across)

    @property
    def scores(self) -> NDArray[np.floating]:
        """f(x) = b + sum_k w_k mean_ij A_kij(x) of every concept, float32, (concept,): it is there where f(x) > 0.

        Raises BadInput for vectors of segmentation.
        """
        if self.vectors.about.task != "classification":
            raise BadInput(
                f"{self.vectors.about.task}: such vectors give masks, no scores; save those of classification"
            )
        features = (self.pooled - self.vectors.centre) / self.vectors.scale
        return self.vectors.weights @ features + self.vectors.bias

    def _fired(self, filter_k: int) -> NDArray[np.bool_]:
        cells = self.grid[0] * self.grid[1]
        fired = np.zeros(cells, np.bool_)
        fired[self.code[self.code // np.uint32(cells) == filter_k] % np.uint32(cells)] = True
        return fired.reshape(self.grid)


def applied(
    vectors: Vectors,
    network: Network,
    images: Iterable[NDArray[np.uint8]],
    *,
    layer: str | None = None,
    device: str = "auto",
    anyway: bool = False,
) -> Iterator[Applied]:
    """Run the network on images of any size, each one read when it is needed.

    images   uint8, (height, width, 3); the whole image is resized to the network's input
    layer    another layer than the vectors' own
    anyway   apply vectors of another network, layer or preprocessing, if it has as many filters
    On another device, or with another version of torch, a few pixels of a mask can differ by rounding.
    Raises BadInput that names both, where the network is another one, before any image is read.
    """
    device = choose_device(device)
    if not anyway and (difference := check_same(vectors, network, layer, device)):
        raise BadInput(f"{difference}; give the vectors' own, or say anyway=True (--anyway) to apply them all the same")
    return _stream(vectors, network, iter(images), network.layer(layer or vectors.layer), device)


def _stream(
    vectors: Vectors, network: Network, images: Iterator[NDArray[np.uint8]], module: str, device: str
) -> Iterator[Applied]:
    network.module.to(device)
    taps = _upsampling(vectors, network, module) if vectors.about.method == DISSECTION else None
    while True:
        sizes, ready = [], []
        for image in islice(images, BATCH[kind_of(device)]):
            sizes.append(image.shape[:2])
            ready.append(network.preprocessing(image[None]))
        if not ready:
            return
        # One image alone is computed by other kernels, whose rounding changed 165 of 6,823 masks (small-alexnet).
        ready = ready * 2 if len(ready) == 1 else ready
        shown = torch.cat(ready).to(device, memory_format=torch.channels_last)
        yield from _read(vectors, run_layers(network.module, [module], shown)[module], sizes, taps)


def _upsampling(vectors: Vectors, network: Network, module: str) -> Callable[..., tuple[Taps, Taps]]:
    """From the layer's grid and a mask's size to upsampling by the convention that dissection was scored with."""
    way, shown = convention(vectors.about.settings["convention"]), network.preprocessing.size
    return lru_cache(64)(partial(taps_as, way, input_size=shown, windows=network.windows(module)))


def _read(
    vectors: Vectors,
    maps: torch.Tensor,
    sizes: list[tuple[int, int]],
    taps: Callable[..., tuple[Taps, Taps]] | None,
) -> Iterator[Applied]:
    """The images of a batch, from their activation maps, as when a layer is read from a probe set."""
    filters, *grid = maps.shape[1:]
    if filters != len(vectors.thresholds):
        raise BadInput(f"the vectors weigh {len(vectors.thresholds)} filters, the layer has {filters}")
    dense = maps.float().contiguous(memory_format=torch.channels_last).cpu().permute(0, 2, 3, 1).contiguous().numpy()
    found = sparse.extract(dense, vectors.thresholds)
    if not np.isfinite(found.pooled).all():
        raise BadInput(f"layer {vectors.about.layer}: activations are not finite; check the weights and PREPROCESSING")
    pointers, code = sparse.above(*found[:3], vectors.thresholds, grid[0] * grid[1])
    for i, size in enumerate(sizes):
        own = dense[i, :, :, vectors.filters] if taps else None
        fired = code[pointers[i] : pointers[i + 1]]
        yield Applied(vectors, size, (grid[0], grid[1]), fired, found.pooled[i], own, taps)
