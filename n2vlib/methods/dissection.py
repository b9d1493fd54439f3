"""The concept that a filter detects (Network Dissection 2; TPAMI 2.2)."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib import counts
from n2vlib.activations import Layer
from n2vlib.alignment import Alignment, score_table
from n2vlib.counts import Counts
from n2vlib.probe import ProbeSet
from n2vlib.store import load_array, save_arrays

MODULES = ["n2vlib.methods.dissection"]


def align(layer: Layer, probe: ProbeSet) -> Alignment:
    """For every concept the filter with the largest dissection IoU, over the whole probe set.

    S(A_k) > T_k with half-pixel centres, then IoU over all images; a filter's area counts on images that hold any
    concept of the same category (Network Dissection 2). `filters` turns the table round: one row for each filter.
    """
    iou = dissection_iou(layer, probe)
    best = iou.argmax(0)
    weights = np.zeros((iou.shape[1], layer.n_filters), np.float32)
    weights[np.arange(len(best)), best] = 1
    labels = {
        "probe": probe.name, "network": layer.network, "layer": layer.name, "task": "segmentation",
        "method": "dissection", "n_filters": 1, "seed": -1,
    }  # fmt: skip
    values = {"all": {"dissection_iou": iou.max(0), "filter": best}}
    images = {"all": probe.concepts["frequency"].to_numpy()}
    index = probe.concepts.index
    return Alignment(
        score_table(probe.concepts, labels, values, images),
        pd.DataFrame(weights, index=index),
        pd.Series(0.0, index=index),
        pd.DataFrame(),
        {"tau": layer.tau, "level": layer.level, "convention": "half-pixel"},
    )


def filters(layer: Layer, probe: ProbeSet) -> pd.DataFrame:
    """The best concept of every filter: columns network, layer, filter, concept, name, category, dissection_iou."""
    iou = dissection_iou(layer, probe)
    best = probe.concepts.iloc[iou.argmax(1)]
    return pd.DataFrame(
        {
            "network": layer.network, "layer": layer.name, "filter": np.arange(layer.n_filters),
            "concept": best.index, "name": best["name"].to_numpy(), "category": best["category"].to_numpy(),
            "dissection_iou": iou.max(1),
        }
    )  # fmt: skip


def dissection_iou(layer: Layer, probe: ProbeSet) -> NDArray[np.float64]:
    """Dissection IoU of every filter with every concept, (filter, concept)."""

    def make(folder: Path) -> None:
        found = counts.dissection_counts(layer, probe)
        save_arrays(folder, intersection=found.intersection, predicted=found.predicted, annotated=found.annotated)

    inputs = {"layer": layer.fingerprint, "probe": probe.fingerprint}
    folder = layer.store.entry("dissection-counts", inputs, MODULES, make)
    return Counts(*(load_array(folder, name) for name in ("intersection", "predicted", "annotated"))).iou
