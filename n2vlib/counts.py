"""Pixel counts of a layer's filters against a probe set's concepts, from whichever kernel fits the device."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from n2vlib.activations import Layer
from n2vlib.iou import Taps, iou_of_counts, taps
from n2vlib.kernels import tally, tally_torch
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import concept_positions, image_of_pair


@dataclass(frozen=True)
class Counts:
    """Pixels of filters and concepts; the columns are the probe set's concepts in order.

    intersection, predicted   int64, (filter, concept)     annotated   int64, (concept,)
    """

    intersection: NDArray[np.int64]
    predicted: NDArray[np.int64]
    annotated: NDArray[np.int64]

    @property
    def iou(self) -> NDArray[np.float64]:
        """(filter, concept), 0 where both masks are empty."""
        return iou_of_counts(self.intersection, self.predicted, self.annotated)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.intersection + other.intersection, self.predicted + other.predicted, self.annotated + other.annotated
        )


def set_counts(layer: Layer, probe: ProbeSet, images: NDArray[np.int64], align_corners: bool) -> Counts:
    """Counts behind the set IoU of every filter and concept (Net2Vec 3.1.1), over images that contain the concept.

    images   positions of the images counted
    """
    pairs = concept_positions(probe)
    down, across = _taps(layer, probe, align_corners)
    kernel = tally_torch.set_counts if layer.device == "cuda" else tally.set_counts
    found = kernel(
        images, *layer.fired, layer.grid, _labels(probe, pairs), down, across, layer.n_filters, *_sizes(probe)
    )
    return Counts(found[0], found[1], _annotated(probe, images, pairs))


def dissection_counts(layer: Layer, probe: ProbeSet) -> Counts:
    """Counts behind the dissection IoU (Network Dissection 2): half-pixel upsampling, then threshold, over all images.

    A filter's predicted area counts on the images that hold any concept of the same primary category.
    """
    images, pairs = np.arange(len(probe.images)), concept_positions(probe)
    down, across = map(_as_float, _taps(layer, probe, align_corners=False))
    category = np.array([probe.categories.index(name) for name in probe.concepts["category"]])
    n_concepts, n_parts = _sizes(probe)
    kernel = tally_torch.dissection_counts if layer.device == "cuda" else tally.dissection_counts
    intersection, area = kernel(
        images, layer.entries, layer.thresholds, layer.grid, _labels(probe, pairs), down, across,
        category, len(probe.categories), n_concepts, n_parts,
    )  # fmt: skip
    return Counts(intersection, area[:, category], _annotated(probe, images, pairs))


def pair_counts(
    layer: Layer, probe: ProbeSet, filter_of: NDArray[np.int64], align_corners: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Intersection and predicted area in every (image, concept) pair, of the one filter chosen for each concept.

    filter_of   int64, (concept,), -1 for none
    """
    down, across = _taps(layer, probe, align_corners)
    return tally.pair_counts(
        filter_of, *layer.fired, layer.grid, _labels(probe, concept_positions(probe)), down, across
    )


def _labels(probe: ProbeSet, pairs: NDArray[np.int64]) -> tuple:
    labels = probe.labels
    return np.asarray(labels.maps), labels.map_ptr, labels.pair_ptr, pairs, labels.pair_local


def _taps(layer: Layer, probe: ProbeSet, align_corners: bool) -> tuple[tuple, tuple]:
    both = [taps(n, m, align_corners) for n, m in zip(layer.grid, probe.label_size, strict=True)]
    return _plain(both[0]), _plain(both[1])


def _plain(t: Taps) -> tuple:
    return t.i0, t.i1, t.w0, t.w1, t.den, t.first


def _as_float(taps: tuple) -> tuple:
    i0, i1, w0, w1, den, first = taps
    return i0, i1, w0.astype(np.float64), w1.astype(np.float64), den, first


def _sizes(probe: ProbeSet) -> tuple[int, int]:
    return len(probe.concepts), numba.get_num_threads()


def _annotated(probe: ProbeSet, images: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    chosen = np.isin(image_of_pair(probe), images)
    areas = np.bincount(pairs[chosen], probe.labels.pair_area[chosen], minlength=len(probe.concepts))
    return np.rint(areas).astype(np.int64)
