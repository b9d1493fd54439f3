"""The one filter that segments a concept best (Net2Vec 3.1.1)."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.masks import counts
from n2vlib.masks.counts import Counts
from n2vlib.methods.alignment import Alignment, pair_table, pooled_scores
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import positions
from n2vlib.store import load_array, save_arrays

MODULES = ["n2vlib.methods.single_filter"]


def align(layer: Layer, probe: ProbeSet, *, align_corners: bool = True) -> Alignment:
    """The best filter k* of every segmentable concept: largest set IoU on training images, reported on both splits.

    IoU_set(c; M_k) with M_k = S(1[A_k > T_k]) > 1/2, S bilinear (Net2Vec equation 1).
    align_corners   how S places the corners: True as released (torch before 0.4), False half-pixel centres
    A concept without training images has no filter and no score.
    """
    chosen = probe.concepts["segmentable"].to_numpy()
    best = np.full(len(chosen), -1)
    train = set_counts(layer, probe, "train", align_corners=align_corners)
    usable = chosen & (train.annotated > 0)
    best[usable] = train.iou[:, usable].argmax(0)
    intersection, predicted = counts.pair_counts(layer, probe, best, align_corners)
    pairs = pair_table(probe, intersection, predicted, usable)
    weights = np.zeros((len(chosen), layer.n_filters), np.float32)
    weights[usable, best[usable]] = 1
    concepts = probe.concepts.loc[usable]
    scores = pooled_scores(
        pairs, concepts, probe=probe.name, network=layer.network, layer=layer.name, task="segmentation",
        method="single filter", n_filters=1, seed=-1, filter=best[usable],
    )  # fmt: skip
    return Alignment(
        scores,
        pd.DataFrame(weights[usable], index=concepts.index),
        pd.Series(-0.5, index=concepts.index),
        pairs,
        {"tau": layer.tau, "quantile": layer.quantile, "align_corners": align_corners},
    )


def set_counts(layer: Layer, probe: ProbeSet, split: str, *, align_corners: bool = True) -> Counts:
    """Pixel counts of every filter with every concept over the images of a split that contain the concept."""
    counts.need_grid(layer, probe)
    inputs = {"layer": layer.fingerprint, "probe": probe.fingerprint, "split": split, "align_corners": align_corners}

    def make(folder: Path) -> None:
        found = counts.set_counts(layer, probe, positions(probe, split), align_corners)
        save_arrays(folder, intersection=found.intersection, predicted=found.predicted, annotated=found.annotated)

    folder = layer.store.entry("set-counts", inputs, MODULES, make, layer.device)
    return Counts(*(load_array(folder, name) for name in ("intersection", "predicted", "annotated")))


def set_iou(layer: Layer, probe: ProbeSet, split: str, *, align_corners: bool = True) -> NDArray[np.float64]:
    """Set IoU of every filter with every concept, (filter, concept)."""
    return set_counts(layer, probe, split, align_corners=align_corners).iou
