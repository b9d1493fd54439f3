"""Masks of weights with the threshold of each concept moved to the best value on training images.

analysis.mask_bias does this for sums of fired filters that are positive; here any threshold can be the best, whatever
the weights and the activations, and memory does not grow with the number of images.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.baselines.aligned import aligned, label_arrays
from n2vlib.baselines.cells import Cells, fired
from n2vlib.kernels import thresholds
from n2vlib.masks.iou import iou_of_counts, taps_of
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import image_of_pair, positions
from n2vlib.store import load_array, save_arrays
from n2vlib.workers.threads import in_order

MODULES = ["n2vlib.baselines.threshold"]
BINS = 1024  # thresholds tried for each concept, evenly between the lowest and the highest sum in its training images
IMAGES_AT_ONCE = 256


def named(method: str) -> str:
    """The name in scores of a method whose threshold was moved."""
    return f"{method}, best threshold"


def at_best_threshold(found: Alignment, layer: Layer, probe: ProbeSet) -> Alignment:
    """The same weights with M = [S(sum_k w_k 1[A_k > T_k]) > t], t of each concept the best on training images.

    found   of segmentation.align(layer, probe)      The bias of the result is -t.
    """
    weights = found.weights.to_numpy(np.float32)
    usable = np.isin(probe.concepts.index.to_numpy(), found.weights.index.to_numpy())
    align_corners = bool(found.settings["align_corners"])

    def make(folder: Path) -> None:
        best = search(weights[None], fired(layer), layer, probe, usable, align_corners)
        save_arrays(
            folder, thresholds=best.thresholds[0], intersection=best.intersection[0], predicted=best.predicted[0]
        )

    inputs = {
        "layer": layer.fingerprint, "probe": probe.fingerprint, "align_corners": align_corners,
        "weights": hashlib.sha256(np.ascontiguousarray(weights).data).hexdigest(),
        "concepts": found.weights.index.tolist(),
    }  # fmt: skip
    folder = layer.store.entry("best-threshold", inputs, MODULES, make)
    counts = np.array(load_array(folder, "intersection")), np.array(load_array(folder, "predicted"))
    first = found.scores.iloc[0]
    return aligned(
        layer, probe, named(first["method"]), counts, usable, weights, -np.asarray(load_array(folder, "thresholds")),
        n_filters=int(first["n_filters"]), seed=int(first["seed"]),
        settings=found.settings | {"threshold": "training images"},
    )  # fmt: skip


@dataclass(frozen=True)
class Found:
    """thresholds   float32, (solver, usable concept)      intersection, predicted   int64, (solver, pair)"""

    thresholds: NDArray[np.float32]
    intersection: NDArray[np.int64]
    predicted: NDArray[np.int64]


def search(
    weights: NDArray[np.float32], cells: Cells, layer: Layer, probe: ProbeSet, usable: NDArray[np.bool_],
    align_corners: bool,
) -> Found:  # fmt: skip
    """The threshold of the largest set IoU on training images for each solver and concept, and the masks' pixels.

    weights   (solver, usable concept, filter)      cells   `cells.fired` or `cells.raw`
    BINS thresholds are tried, the lowest below every sum seen, which is the mask of everything; the lowest of equally
    good ones.
    """
    return _Search(weights, cells, layer, probe, usable, align_corners).found()


class _Search:
    def __init__(self, weights, cells: Cells, layer: Layer, probe: ProbeSet, usable, align_corners: bool):
        self.weights, self.cells, self.layer, self.probe = weights, cells, layer, probe
        self.labels = label_arrays(probe)
        row = np.full(len(usable), -1)
        row[usable] = np.arange(usable.sum())
        self.row = row[self.labels[3]]  # of each pair among the usable concepts
        self.labels = (*self.labels[:3], self.row, self.labels[4])
        self.image = image_of_pair(probe)
        down, across = taps_of(layer.grid, probe.label_size, align_corners)
        self.down, self.across = down.shares(), across.shares()

    def found(self) -> Found:
        low, step = self._range()
        thresholds_ = self._best(low, step)
        counts = np.zeros((2, len(self.weights), len(self.row)), np.int64)

        def count(images: NDArray[np.int64]) -> None:
            for solver, (sums, at) in enumerate(self._sums(images)):
                shared = sums, at, self.image, self.labels, self.down, self.across
                thresholds.above(*shared, thresholds_[solver], counts[0, solver], counts[1, solver])

        for _ in in_order(count, self._blocks("all"), "counting pixels"):
            pass
        return Found(thresholds_, counts[0], counts[1])

    def _range(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Lowest sum in the training images and the distance of thresholds: float32, (solver, concept)."""
        shape = self.weights.shape[:2]
        low, high = np.full(shape, np.inf, np.float32), np.full(shape, -np.inf, np.float32)

        def ends(images: NDArray[np.int64]) -> list[tuple]:
            return [(self.row[at], sums.min((1, 2)), sums.max((1, 2))) for sums, at in self._sums(images)]

        for found in in_order(ends, self._blocks("train"), "ranges of sums"):
            for solver, (rows, lowest, highest) in enumerate(found):
                np.minimum.at(low[solver], rows, lowest)
                np.maximum.at(high[solver], rows, highest)
        step = (high - low) / BINS
        return low, np.where(step > 0, step, np.float32(1))

    def _best(self, low: NDArray[np.float32], step: NDArray[np.float32]) -> NDArray[np.float32]:
        counts = np.zeros((*self.weights.shape[:2], 2, BINS), np.int64)

        def tally(images: NDArray[np.int64]) -> NDArray[np.int32]:
            part = np.zeros(counts.shape, np.int32)
            for solver, (sums, at) in enumerate(self._sums(images)):
                shared = sums, at, self.image, self.labels, self.down, self.across
                thresholds.histogram(*shared, low[solver], step[solver], part[solver])
            return part

        for part in in_order(tally, self._blocks("train"), "thresholds"):
            counts += part
        above = counts[..., ::-1].cumsum(-1)[..., ::-1]  # pixels in bin b and beyond
        annotated = above[:, :, 1, :1]
        best = iou_of_counts(above[:, :, 1], above.sum(2), annotated).argmax(-1)
        return (low + np.where(best > 0, best, -1) * step).astype(np.float32)

    def _sums(self, images: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
        """For each solver: sums on the grid, (pair, h, w), and which pairs, of some images."""
        pairs = [self._pairs(image) for image in images]
        at, starts = np.concatenate(pairs), np.cumsum([0, *map(len, pairs)])
        sums = np.empty((len(self.weights), len(at), *self.layer.grid), np.float32)
        for image, first, last in zip(images, starts, starts[1:], strict=False):
            rows = self.row[at[first:last]]
            if len(rows):
                found = self.weights[:, rows] @ self.cells(int(image))
                sums[:, first:last] = found.reshape(len(sums), len(rows), *self.layer.grid)
        for each in sums:
            yield each, at

    def _pairs(self, image: int) -> NDArray[np.int64]:
        start, stop = self.labels[2][image : image + 2]
        return start + np.flatnonzero(self.row[start:stop] >= 0)

    def _blocks(self, split: str) -> list[NDArray[np.int64]]:
        images = positions(self.probe, split)
        return [images[start : start + IMAGES_AT_ONCE] for start in range(0, len(images), IMAGES_AT_ONCE)]
