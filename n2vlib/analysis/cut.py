"""The mask of learned weights with another cut: equation 2 has no bias, so a mask is wherever the sum is positive."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations import Layer
from n2vlib.alignment import Alignment, pair_table, pooled_scores
from n2vlib.iou import iou_of_counts, taps
from n2vlib.kernels.cuts import count_above
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import concept_positions, image_of_pair

LEVELS, PARTS = 8, (0.25, 0.5, 0.75)


def named(method: str) -> str:
    """What scores call a method once it has a cut."""
    return f"{method} with a cut"


def at_best_cut(found: Alignment, layer: Layer, probe: ProbeSet) -> Alignment:
    """The same weights with M = [S(sum_k w_k 1[A_k > T_k]) + b > 0], b of each concept chosen on training images.

    found   of segmentation.align(layer, probe), or of single_filter.align: there b is -1/2 otherwise
    Cuts tried beside 0: LEVELS quantiles of the positive sums in the concept's training images, and of each the PARTS.
    Of equally good ones the lowest is taken. Scores' method is `named`; the weights stay as they are.
    """
    numbers = found.weights.index.to_numpy()
    rows, images = concept_positions(probe), image_of_pair(probe)
    place = np.searchsorted(numbers, probe.concepts.index.to_numpy()[rows])
    usable = np.isin(probe.concepts.index.to_numpy(), numbers)
    pairs = np.flatnonzero(usable[rows])
    sums = _sums(found, layer, place, images, pairs)
    training = probe.split[images[pairs]] == "train"
    cuts = _candidates(sums, place[pairs], training, len(numbers))
    intersection, predicted = _counts(
        sums, cuts, place, images, pairs, layer, probe, bool(found.record["align_corners"])
    )
    best = _best(intersection, predicted, probe.labels.pair_area[pairs], place[pairs], training, len(numbers))
    both = np.zeros((2, len(rows)), np.int64)
    both[:, pairs] = [counts[np.arange(len(pairs)), best[place[pairs]]] for counts in (intersection, predicted)]
    table = pair_table(probe, both[0], both[1], usable)
    first = found.scores.iloc[0]
    scores = pooled_scores(
        table, probe.concepts.loc[usable], **{k: first[k] for k in ("probe", "network", "layer", "task")},
        method=named(first["method"]), n_filters=int(first["n_filters"]), seed=int(first["seed"]),
    )  # fmt: skip
    bias = pd.Series(-cuts[np.arange(len(numbers)), best].astype(float), index=found.weights.index)
    return Alignment(scores, found.weights, bias, table, found.record | {"cut": "training images"})


def _sums(found: Alignment, layer: Layer, place: NDArray, images: NDArray, pairs: NDArray) -> NDArray[np.float32]:
    """sum_k w_k 1[A_k > T_k] on the layer's grid, (pair, h, w), of the pairs given; they are in order of images."""
    weights = found.weights.to_numpy(np.float32)
    sums = np.empty((len(pairs), *layer.grid), np.float32)
    for image, at in _by_image(images, pairs):
        fired = layer.fired_in(image).reshape(layer.n_filters, -1).astype(np.float32)
        sums[at] = (weights[place[pairs[at]]] @ fired).reshape(-1, *layer.grid)
    return sums


def _candidates(sums: NDArray, place: NDArray, training: NDArray, n_concepts: int) -> NDArray[np.float32]:
    """Ascending cuts of each concept, (concept, cut), the first of them 0."""
    cuts = np.zeros((n_concepts, 1 + LEVELS * len(PARTS)), np.float32)
    for concept in range(n_concepts):
        seen = sums[training & (place == concept)]
        if (seen > 0).any():
            levels = np.quantile(seen[seen > 0], np.arange(1, LEVELS + 1) / LEVELS, method="lower")
            cuts[concept, 1:] = np.sort(np.outer(levels, PARTS), axis=None)
    return cuts


def _counts(
    sums: NDArray, cuts: NDArray, place: NDArray, images: NDArray, pairs: NDArray, layer: Layer, probe: ProbeSet,
    align_corners: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
    """Pixels of intersection and of the mask, (pair, cut)."""
    down, across = (
        taps(n, m, align_corners).matrix().astype(np.float32) for n, m in zip(layer.grid, probe.label_size, strict=True)
    )
    counted = np.zeros((2, len(pairs), cuts.shape[1]), np.int64)
    maps, starts = np.asarray(probe.labels.maps), probe.labels.map_ptr
    for at, pair in enumerate(pairs):
        layers = maps[starts[images[pair]] : starts[images[pair] + 1]]
        z = np.ascontiguousarray(down @ sums[at] @ across.T)
        count_above(z, layers, probe.labels.pair_local[pair], cuts[place[pair]], counted[0, at], counted[1, at])
    return counted[0], counted[1]


def _best(
    intersection: NDArray, predicted: NDArray, area: NDArray, place: NDArray, training: NDArray, n_concepts: int
) -> NDArray[np.int64]:
    """Which cut gives each concept the largest set IoU on its training images, (concept,)."""
    totals = np.zeros((3, n_concepts, intersection.shape[1]), np.int64)
    for total, counts in zip(
        totals, (intersection, predicted, np.broadcast_to(area[:, None], predicted.shape)), strict=True
    ):
        np.add.at(total, place[training], counts[training])
    return iou_of_counts(*totals).argmax(1)


def _by_image(images: NDArray, pairs: NDArray) -> Iterator[tuple[int, slice]]:
    """Each image with pairs and where in `pairs` they are."""
    of_pair = images[pairs]
    starts = np.flatnonzero(np.append(True, of_pair[1:] != of_pair[:-1])) if len(pairs) else np.empty(0, int)
    for start, stop in zip(starts, [*starts[1:], len(pairs)], strict=True):
        yield int(of_pair[start]), slice(int(start), int(stop))
