"""The masks of two filters joined: is a combination more than one filter more?"""

from pathlib import Path

import numpy as np

from n2vlib.activations.layer import Layer
from n2vlib.baselines.aligned import aligned, label_arrays, trainable
from n2vlib.kernels import joined
from n2vlib.masks.iou import iou_of_counts, taps_of
from n2vlib.methods import single_filter
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import positions
from n2vlib.store import load_array, save_arrays
from n2vlib.workers.threads import each_of, shares

MODULES = ["n2vlib.baselines.joined"]
TWO_FILTERS = "two filters"


def two_filters(layer: Layer, probe: ProbeSet, *, align_corners: bool = True) -> Alignment:
    """Pixels in the mask of the best filter or in that of a second one, which adds most to it on training images.

    The first filter is that of methods.single_filter, the second the one with the largest set IoU of both masks joined.
    Where none adds anything, the first is alone. Weights are 1 for both, which is not how the masks are joined: a pixel
    between two cells is in neither mask if each filter fires in one of them.
    """
    usable = trainable(probe)

    def make(folder: Path) -> None:
        found = single_filter.set_counts(layer, probe, "train", align_corners=align_corners)
        first = np.where(usable, found.iou.argmax(0), -1)
        down, across = (each.exact() for each in taps_of(layer.grid, probe.label_size, align_corners))
        labels, training = label_arrays(probe), positions(probe, "train")
        shared = *layer.fired, layer.grid, labels, down, across
        sizes = layer.n_filters, len(first)
        parts = each_of(
            lambda of: joined.added_counts(training[of], first, *shared, *sizes), shares(len(training))
        )  # fmt: skip
        more, area = (sum(part) for part in zip(*parts, strict=True))
        rows = np.arange(len(first))
        own = [counts[first, rows][:, None] for counts in (found.intersection, found.predicted)]
        iou = iou_of_counts(own[0] + more, own[1] + area, found.annotated[:, None])
        iou[rows, first] = iou_of_counts(own[0][:, 0], own[1][:, 0], found.annotated)
        second = np.where(iou.max(1) > iou[rows, first], iou.argmax(1), first)
        filters = np.stack([first, np.where(usable, second, -1)], axis=1)
        images, counts = np.arange(len(probe.images)), np.zeros((2, len(labels[3])), np.int64)
        each_of(lambda of: joined.pair_counts(images[of], filters, *shared, *counts), shares(len(images)))
        save_arrays(folder, filters=filters, intersection=counts[0], predicted=counts[1])

    inputs = {"layer": layer.fingerprint, "probe": probe.fingerprint, "align_corners": align_corners}
    folder = layer.store.entry("two-filters", inputs, MODULES, make)
    filters = np.asarray(load_array(folder, "filters"))[usable]
    weights = np.zeros((len(filters), layer.n_filters))
    np.put_along_axis(weights, filters, 1, axis=1)
    counts = np.array(load_array(folder, "intersection")), np.array(load_array(folder, "predicted"))
    return aligned(
        layer, probe, TWO_FILTERS, counts, usable, weights, -0.5, n_filters=2,
        settings={"align_corners": align_corners},
    )  # fmt: skip
