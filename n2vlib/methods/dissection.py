"""The concept that each filter detects (Network Dissection 2; TPAMI 2.2)."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.errors import BadInput
from n2vlib.masks import counts
from n2vlib.masks.conventions import Convention
from n2vlib.masks.conventions import convention as named
from n2vlib.masks.counts import Counts
from n2vlib.methods.alignment import Alignment, score_table
from n2vlib.probe import ProbeSet
from n2vlib.store import load_array, save_arrays

MODULES = ["n2vlib.methods.dissection"]


def align(layer: Layer, probe: ProbeSet, *, convention: str | Convention = "netdissect") -> Alignment:
    """The filter with the largest dissection IoU for every concept, over the whole probe set.

    convention   a name in masks.conventions, or your own; concepts of the categories it leaves out are left out
    `filters` gives one row for each filter instead.
    """
    way = named(convention)
    concepts, iou = _asked(layer, probe, way)
    best = iou.argmax(0)
    weights = np.zeros((iou.shape[1], layer.n_filters), np.float32)
    weights[np.arange(len(best)), best] = 1
    labels = {
        "probe": probe.name, "network": layer.network, "layer": layer.name, "task": "segmentation",
        "method": "dissection", "n_filters": 1, "seed": -1,
    }  # fmt: skip
    values = {"all": {"dissection_iou": iou.max(0), "filter": best}}
    return Alignment(
        score_table(concepts, labels, values, {"all": concepts["frequency"].to_numpy()}),
        pd.DataFrame(weights, index=concepts.index),
        pd.Series(0.0, index=concepts.index),
        pd.DataFrame(),
        {"tau": layer.tau, "quantile": layer.quantile, "convention": way.name},
    )


def filters(layer: Layer, probe: ProbeSet, *, convention: str | Convention = "netdissect") -> pd.DataFrame:
    """The best concept of every filter: columns network, layer, filter, concept, name, category, dissection_iou.

    A filter that overlaps with no concept has concept 0 (a number that no concept has), name "" and category "".
    """
    concepts, iou = _asked(layer, probe, named(convention))
    best, some = concepts.iloc[iou.argmax(1)], iou.max(1) > 0
    return pd.DataFrame(
        {
            "network": layer.network, "layer": layer.name, "filter": np.arange(layer.n_filters),
            "concept": np.where(some, best.index, 0), "name": best["name"].where(some, "").to_numpy(),
            "category": best["category"].where(some, "").to_numpy(),
            "dissection_iou": iou.max(1),
        }
    )  # fmt: skip


def _asked(layer: Layer, probe: ProbeSet, way: Convention) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """The concepts that the convention counts, and the IoU of every filter with each of them."""
    concepts = counts.dissection_concepts(probe, way)
    return concepts, count(layer, probe, convention=way).iou[:, probe.concepts.index.isin(concepts.index)]


def dissection_iou(
    layer: Layer, probe: ProbeSet, *, convention: str | Convention = "netdissect"
) -> NDArray[np.float64]:
    """Dissection IoU of every filter with every concept, (filter, concept)."""
    return count(layer, probe, convention=convention).iou


def count(layer: Layer, probe: ProbeSet, *, convention: str | Convention = "netdissect") -> Counts:
    """Pixel counts behind the dissection IoU: overlap, filter (where its area counts) and concept, over all images."""
    way = named(convention)
    counts.need_grid(layer, probe)
    if set(probe.concepts["category"]) <= set(way.left_out):
        left_out = ", ".join(way.left_out)
        raise BadInput(f"convention {way.name} leaves out {left_out}; the probe set {probe.name} has nothing else")

    def make(folder: Path) -> None:
        found = counts.dissection_counts(layer, probe, way)
        save_arrays(folder, intersection=found.intersection, predicted=found.predicted, annotated=found.annotated)

    windows = [asdict(window) for window in layer.windows or ()]
    inputs = {
        "layer": layer.fingerprint, "probe": probe.fingerprint, "convention": asdict(way), "windows": str(windows),
        "input": layer.input_size,
    }  # fmt: skip
    folder = layer.store.entry("dissection-counts", inputs, MODULES, make, layer.device)
    return Counts(*(load_array(folder, name) for name in ("intersection", "predicted", "annotated")))


def mask(
    layer: Layer,
    probe: ProbeSet,
    activations: NDArray,
    filter_k: int | NDArray,
    *,
    convention: str | Convention = "netdissect",
) -> NDArray[np.bool_]:
    """M_k(x) = S(A_k(x)) > T_k of one filter, the mask that is counted (TPAMI 2.2).

    activations   of that filter, float, (..., h, w), or of several: (filter, h, w), filter_k int64 (filter, 1, 1)
    Returns bool, (..., *label size)
    """
    way = named(convention)
    down, across = (taps.matrix() for taps in counts.dissection_taps(layer, probe, way))
    return down @ activations @ across.T > counts.dissection_thresholds(layer, probe, way)[filter_k]
