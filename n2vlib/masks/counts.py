"""Pixel counts of a layer's filters against a probe set's concepts, from whichever kernel fits the device."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.activations.quantiles import n_above
from n2vlib.device import counts_on
from n2vlib.errors import BadInput
from n2vlib.kernels import permuted, tally, tally_torch
from n2vlib.kernels.upsampled import upsampled_threshold
from n2vlib.masks.conventions import ANCHORED, ZERO_PADDED, Convention
from n2vlib.masks.iou import Taps, anchored, iou_of_counts, taps, taps_of, zero_padded
from n2vlib.networks.receptive_field import Windows
from n2vlib.probe import ProbeSet
from n2vlib.probe.labels import LabelMaps
from n2vlib.probe.occurrences import concept_positions, image_of_pair
from n2vlib.workers.threads import ahead, each_of, shares


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
        """IoU, (filter, concept); 0 where both masks are empty."""
        return iou_of_counts(self.intersection, self.predicted, self.annotated)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.intersection + other.intersection, self.predicted + other.predicted, self.annotated + other.annotated
        )


def need_grid(layer: Layer, probe: ProbeSet) -> None:
    """BadInput where a layer of 1 x 1 cells, such as a fully connected one, is to make masks of parts of images."""
    if layer.grid == (1, 1) and bool(probe.concepts["segmentable"].to_numpy().any()):
        what = "its grid is 1 x 1, as of a fully connected layer, so it has no masks"
        raise BadInput(f"layer {layer.name}: {what}; use it for classification, or take a layer with a larger grid")


def set_counts(layer: Layer, probe: ProbeSet, images: NDArray[np.int64], align_corners: bool) -> Counts:
    """Counts behind the set IoU of every filter and concept (Net2Vec 3.1.1), over images that contain the concept.

    images   positions of the images counted
    """
    pairs = concept_positions(probe)
    down, across = (each.exact() for each in taps_of(layer.grid, probe.label_size, align_corners))
    kernel = _on(layer.device, tally.set_counts, tally_torch.set_counts)
    labels, sizes = _labels(probe, pairs), (layer.n_filters, len(probe.concepts))
    found = kernel(images, *layer.fired, layer.grid, labels, down, across, *sizes)
    return Counts(found[0], found[1], _annotated(probe, images, pairs))


def dissection_counts(layer: Layer, probe: ProbeSet, way: Convention) -> Counts:
    """Counts behind the dissection IoU (Network Dissection 2): upsampling, then threshold, over all images."""
    labels, category = read_as(probe, way)
    images, pairs = np.arange(len(probe.images)), np.searchsorted(labels.concepts, labels.pair_concept)
    down, across = (each.exact(np.float64) for each in dissection_taps(layer, probe, way))
    thresholds = dissection_thresholds(layer, probe, way).astype(np.float64)
    kernel = _on(layer.device, tally.dissection_counts, tally_torch.dissection_counts)
    intersection, area = kernel(
        images, layer.entries, thresholds, layer.grid, arrays(labels, pairs), down, across,
        category, len(probe.categories), len(category), way.counts,
    )  # fmt: skip
    annotated = np.rint(np.bincount(pairs, labels.pair_area, minlength=len(category))).astype(np.int64)
    named = labels.concepts > 0
    return Counts(intersection[:, named], area[:, category[named]], annotated[named])


def dissection_masks(layer: Layer, probe: ProbeSet, way: Convention) -> permuted.Masks:
    """The masks that `dissection_counts` counts, of every filter in every image."""
    down, across = (each.exact(np.float64) for each in dissection_taps(layer, probe, way))
    return permuted.masks(
        layer.entries, dissection_thresholds(layer, probe, way).astype(float), layer.grid, down, across
    )


def dissection_concepts(probe: ProbeSet, way: Convention) -> pd.DataFrame:
    """The rows of probe.concepts that the convention counts; `category` is the primary one of those not left out."""
    found = probe.primary([name for name in probe.categories if name not in way.left_out])
    return probe.concepts.assign(category=found).loc[found != ""]


def read_as(probe: ProbeSet, way: Convention) -> tuple[LabelMaps, NDArray[np.int64]]:
    """The label maps that count, and the position of the category of each of their concepts."""
    kept = [name for name in probe.categories if name not in way.left_out]
    labels = probe.labels_as(kept, way.each_map)
    category = probe.primary(kept).reindex(labels.concepts, fill_value="").replace("", kept[-1])
    return labels, np.array([probe.categories.index(name) for name in category])


def dissection_taps(layer: Layer, probe: ProbeSet, way: Convention) -> tuple[Taps, Taps]:
    """Upsampling to the probe set's labels along the height and along the width."""
    return taps_as(way, layer.grid, probe.label_size, layer.input_size, layer.windows)


def taps_as(
    way: Convention, grid: Sequence[int], size: Sequence[int], input_size: Sequence[int], windows: Windows | None
) -> tuple[Taps, Taps]:
    """The same from a grid to any size; cells whose receptive fields are unknown are spaced evenly."""
    known, both = windows or (None, None), []
    for cells, pixels, shown, window in zip(grid, size, input_size, known, strict=True):
        if way.upsampling == ZERO_PADDED:
            both.append(zero_padded(cells, pixels, shown, window))
        elif way.upsampling == ANCHORED and window is not None:
            both.append(anchored(cells, pixels, shown, window))
        else:
            both.append(taps(cells, pixels, align_corners=False))
    return both[0], both[1]


def dissection_thresholds(layer: Layer, probe: ProbeSet, way: Convention) -> NDArray:
    """T_k at the layer's tau, (filter,): of the activations, or exactly of the upsampled ones (way.upsampled)."""
    if not way.upsampled:
        return layer.thresholds
    down, across = (each.exact(np.float64) for each in dissection_taps(layer, probe, way))
    bounds = layer.at(layer.tau_max).thresholds
    rank = n_above(layer.tau, layer.n_images * int(np.prod(probe.label_size)), layer.quantile)
    one = partial(upsampled_threshold, entries=layer.entries, grid=layer.grid, down=down, across=across, n_above=rank)
    found = np.array([*ahead(lambda k: one(k, bound=float(bounds[k])), range(layer.n_filters))])
    missing = np.isnan(found)
    # A filter that is zero almost everywhere has T_k = 0.
    if (bounds[missing] != 0).any() or (bounds < 0).any():
        raise BadInput(
            f"layer {layer.name}: T_k of upsampled activations at tau = {layer.tau} lies below the stored activations; "
            f"read the layer with tau_max larger than {layer.tau_max}, after a ReLU"
        )
    return np.where(missing, 0.0, found)


def pair_counts(
    layer: Layer, probe: ProbeSet, filter_of: NDArray[np.int64], align_corners: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Intersection and predicted area in every (image, concept) pair, for the filter chosen for each concept.

    filter_of   int64, (concept,), -1 for none
    """
    down, across = (each.exact() for each in taps_of(layer.grid, probe.label_size, align_corners))
    labels, images = _labels(probe, concept_positions(probe)), np.arange(len(probe.images))
    found = np.zeros((2, len(labels[-1])), np.int64)
    shared = filter_of, *layer.fired, layer.grid, labels, down, across, *found
    each_of(lambda of: tally.pair_counts(images[of], *shared), shares(len(images)))
    return found[0], found[1]


def _labels(probe: ProbeSet, pairs: NDArray[np.int64]) -> tuple:
    return arrays(probe.labels, pairs)


def arrays(labels: LabelMaps, pairs: NDArray[np.int64]) -> tuple:
    """Label maps as the kernels take them (see kernels.tally).

    pairs   int64, (pair,): position of the concept of each pair
    """
    return np.asarray(labels.maps), labels.map_ptr, labels.pair_ptr, pairs, labels.pair_local


def _on(device: str, on_cpu: Callable[..., tuple], in_torch: Callable[..., tuple]) -> Callable[..., Sequence[NDArray]]:
    """The kernel that counts on this device."""
    return partial(in_torch, device=device) if counts_on(device) else _summed(on_cpu)


def _summed(kernel: Callable[..., tuple]) -> Callable[..., list[NDArray[np.int64]]]:
    """The kernel with its first argument, the images, split among threads; the counts are added up."""

    def counts(images: NDArray[np.int64], *rest: object) -> list[NDArray[np.int64]]:
        parts = each_of(lambda of: kernel(np.ascontiguousarray(images[of]), *rest), shares(len(images)))
        return [np.sum(part, axis=0) for part in zip(*parts, strict=True)]

    return counts


def _annotated(probe: ProbeSet, images: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    chosen = np.isin(image_of_pair(probe), images)
    areas = np.bincount(pairs[chosen], probe.labels.pair_area[chosen], minlength=len(probe.concepts))
    return np.rint(areas).astype(np.int64)
