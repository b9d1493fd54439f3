"""Masks of learned weights with a bias; equation 2 has none, so there the mask is wherever the sum is positive."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.kernels.above import count_above
from n2vlib.masks.iou import iou_of_counts, taps_of
from n2vlib.methods.alignment import Alignment, pair_table, pooled_scores
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import concept_positions, image_of_pair

QUANTILES, PARTS = 8, (0.25, 0.5, 0.75)


def named(method: str) -> str:
    """The name in scores of a method with a bias."""
    return f"{method} with a bias"


def at_best_bias(found: Alignment, layer: Layer, probe: ProbeSet) -> Alignment:
    """The same weights with M = [S(sum_k w_k 1[A_k > T_k]) + b > 0], b of each concept chosen on training images.

    found   of segmentation.align(layer, probe), or of single_filter.align, whose own b is -1/2
    Candidates for -b: 0, and QUANTILES quantiles of the positive sums in the concept's training images, each times
    PARTS; the lowest of equally good ones. The method in scores is `named`; the weights are unchanged.
    """
    numbers = found.weights.index.to_numpy()
    rows, images = concept_positions(probe), image_of_pair(probe)
    place = np.searchsorted(numbers, probe.concepts.index.to_numpy()[rows])
    usable = np.isin(probe.concepts.index.to_numpy(), numbers)
    pairs = np.flatnonzero(usable[rows])
    sums = _sums(found, layer, place, images, pairs)
    training = probe.split[images[pairs]] == "train"
    thresholds = _candidates(sums, place[pairs], training, len(numbers))
    corners = bool(found.settings["align_corners"])
    intersection, predicted = _counts(sums, thresholds, place, images, pairs, layer, probe, corners)
    best = _best(intersection, predicted, probe.labels.pair_area[pairs], place[pairs], training, len(numbers))
    both = np.zeros((2, len(rows)), np.int64)
    both[:, pairs] = [counts[np.arange(len(pairs)), best[place[pairs]]] for counts in (intersection, predicted)]
    table = pair_table(probe, both[0], both[1], usable)
    first = found.scores.iloc[0]
    scores = pooled_scores(
        table, probe.concepts.loc[usable], **{k: first[k] for k in ("probe", "network", "layer", "task")},
        method=named(first["method"]), n_filters=int(first["n_filters"]), seed=int(first["seed"]),
    )  # fmt: skip
    bias = pd.Series(-thresholds[np.arange(len(numbers)), best].astype(float), index=found.weights.index)
    return Alignment(scores, found.weights, bias, table, found.settings | {"threshold": "training images"})


def _sums(found: Alignment, layer: Layer, place: NDArray, images: NDArray, pairs: NDArray) -> NDArray[np.float32]:
    """sum_k w_k 1[A_k > T_k] on the layer's grid, (pair, h, w), of the pairs given, which are sorted by image."""
    weights = found.weights.to_numpy(np.float32)
    sums = np.empty((len(pairs), *layer.grid), np.float32)
    of_pair = images[pairs]
    for image in np.unique(of_pair):
        at = slice(*np.searchsorted(of_pair, [image, image + 1]))
        fired = layer.fired_in(int(image)).reshape(layer.n_filters, -1).astype(np.float32)
        sums[at] = (weights[place[pairs[at]]] @ fired).reshape(-1, *layer.grid)
    return sums


def _candidates(sums: NDArray, place: NDArray, training: NDArray, n_concepts: int) -> NDArray[np.float32]:
    """Ascending thresholds of each concept, (concept, threshold), the first of them 0."""
    thresholds = np.zeros((n_concepts, 1 + QUANTILES * len(PARTS)), np.float32)
    for concept in range(n_concepts):
        seen = sums[training & (place == concept)]
        if (seen > 0).any():
            quantiles = np.quantile(seen[seen > 0], np.arange(1, QUANTILES + 1) / QUANTILES, method="lower")
            thresholds[concept, 1:] = np.sort(np.outer(quantiles, PARTS), axis=None)
    return thresholds


def _counts(
    sums: NDArray, thresholds: NDArray, place: NDArray, images: NDArray, pairs: NDArray, layer: Layer, probe: ProbeSet,
    align_corners: bool,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:  # fmt: skip
    """Pixels of the intersection and of the mask, (pair, threshold)."""
    taps = taps_of(layer.grid, probe.label_size, align_corners)
    down, across = (each.matrix().astype(np.float32) for each in taps)
    counted = np.zeros((2, len(pairs), thresholds.shape[1]), np.int64)
    maps, starts = np.asarray(probe.labels.maps), probe.labels.map_ptr
    for at, pair in enumerate(pairs):
        layers = maps[starts[images[pair]] : starts[images[pair] + 1]]
        z = np.ascontiguousarray(down @ sums[at] @ across.T)
        count_above(z, layers, probe.labels.pair_local[pair], thresholds[place[pair]], counted[0, at], counted[1, at])
    return counted[0], counted[1]


def _best(
    intersection: NDArray, predicted: NDArray, area: NDArray, place: NDArray, training: NDArray, n_concepts: int
) -> NDArray[np.int64]:
    """The threshold with the largest set IoU on each concept's training images, as a position, (concept,)."""
    totals = np.zeros((3, n_concepts, intersection.shape[1]), np.int64)
    annotated = np.broadcast_to(area[:, None], predicted.shape)
    for total, counts in zip(totals, (intersection, predicted, annotated), strict=True):
        np.add.at(total, place[training], counts[training])
    return iou_of_counts(*totals).argmax(1)
