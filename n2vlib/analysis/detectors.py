"""Detectors of several layers or networks side by side (Network Dissection, TPAMI 3.3 and 3.4).

    networks, layers = detectors.read(probe, rows, tau=0.005)
    found = detectors.detectors(layers, probe, iou_threshold=0.04)
    detectors.unique(found, probe)

Layers are named by labels, and every table keeps their order.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import pandas as pd

from n2vlib import tables
from n2vlib.activations.layer import Layer, read_layers
from n2vlib.analysis.comparison import family
from n2vlib.analysis.correlation import pearson
from n2vlib.display.style import categories
from n2vlib.errors import BadInput
from n2vlib.methods import dissection
from n2vlib.networks.load import load_network
from n2vlib.probe import ProbeSet
from n2vlib.store import Store
from n2vlib.zoo import shipped


def read(
    probe: ProbeSet,
    rows: Sequence[Mapping[str, Any]],
    *,
    tau: float,
    seed: int = 0,
    device: str = "auto",
    store: Store | None = None,
    with_layer: bool = False,
) -> tuple[pd.DataFrame, dict[str, Layer]]:
    """One layer of each network, and a table of them.

    rows         network and layer; optionally label, training, weights and preprocessing
    with_layer   add the layer's name to the label, for several layers of one network
    Returns      label, training, task, architecture, layer, filters; and {label: layer}
    """
    table, layers = [], {}
    by_network = groupby(rows, key=lambda row: (row["network"], row.get("weights"), row.get("preprocessing")))
    for (name, weights, preprocessing), some in by_network:  # one pass reads all layers of neighbouring rows
        network, mine = load_network(name, weights, preprocessing, seed), list(some)
        read = read_layers(network, [row["layer"] for row in mine], probe, tau=tau, device=device, store=store)
        for row in mine:
            label = row.get("label") or network.name.rpartition(":")[2]
            label = f"{label} {row['layer']}" if with_layer else label
            if label in layers:
                raise BadInput(f"networks: the label {label!r} is given twice; give each entry its own `label`")
            layers[label] = read[row["layer"]]
            known = shipped.recipe(network.name) if network.name in shipped.names() else None
            training = row.get("training") or (known.training if known else "supervised")
            task = (known.task or "nothing") if known else ""
            table.append((label, training, task, family(network), row["layer"], layers[label].n_filters))
    columns = ["label", "training", "task", "architecture", "layer", "filters"]
    return pd.DataFrame(table, columns=columns), layers


def detectors(layers: Mapping[str, Layer], probe: ProbeSet, iou_threshold: float) -> dict[str, pd.DataFrame]:
    """`tables.detectors` of each layer."""
    return {label: tables.detectors(dissection.filters(layer, probe), iou_threshold) for label, layer in layers.items()}


def unique(found: Mapping[str, pd.DataFrame], probe: ProbeSet) -> pd.DataFrame:
    """Detectors and unique detectors by label and category; 0 where there are none.

    Returns   label, category, detectors, unique_detectors
    """
    parts = [tables.unique_detectors(each).assign(label=label) for label, each in found.items()]
    every = pd.MultiIndex.from_product([found, categories(probe.concepts["category"])], names=["label", "category"])
    counted = pd.concat(parts).set_index(["label", "category"])[["detectors", "unique_detectors"]]
    return counted.reindex(every, fill_value=0).reset_index()


def wide(counted: pd.DataFrame, value: str = "unique_detectors") -> pd.DataFrame:
    """One row per label of `unique`, one column per category."""
    table = counted.pivot(index="label", columns="category", values=value).rename_axis(columns=None)
    return table.loc[list(dict.fromkeys(counted["label"])), categories(table.columns)]


def shares(found: Mapping[str, pd.DataFrame], layers: Mapping[str, Layer], seed: int = 0) -> pd.DataFrame:
    """Share of detectors among all filters of a layer; the interval is a bootstrap over its filters.

    The interval shows how much the share depends on the filters of this training run, taken as independent draws. It
    does not cover other images or other training runs.
    Returns   label, filters, detectors, unique_detectors, unique_per_filter, share, low, high
    """
    rows = []
    for label, each in found.items():
        is_detector = np.zeros(layers[label].n_filters)
        is_detector[each["filter"].to_numpy(int)] = 1
        low, high = tables.bootstrap_mean(is_detector, seed)
        n, concepts = len(is_detector), each["concept"].nunique()
        rows.append((label, n, len(each), concepts, concepts / n, is_detector.mean(), low, high))
    columns = ["label", "filters", "detectors", "unique_detectors", "unique_per_filter", "share", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def by_concept(found: pd.DataFrame, category: str | None = None) -> pd.DataFrame:
    """Number and mean dissection IoU of each concept's detectors in one layer, most detectors first.

    Returns   concept, name, category, detectors, dissection_iou
    """
    rows = found if category is None else found.loc[found["category"] == category]
    groups = rows.groupby(tables.CONCEPT, as_index=False, sort=True)
    table = groups.agg(detectors=("filter", "size"), dissection_iou=("dissection_iou", "mean"))
    return table.sort_values(["detectors", "concept"], ascending=[False, True]).reset_index(drop=True)


def correlation(table: pd.DataFrame, seed: int = 0, draws: int = 2000) -> tuple[float, float, float]:
    """Pearson's r of number and mean IoU in `by_concept`, and its 95% bootstrap interval over concepts.

    NaN with fewer than three concepts, or if all have the same number.
    """
    x, y = (table[column].to_numpy(float) for column in ("detectors", "dissection_iou"))
    if len(x) < 3:
        return np.nan, np.nan, np.nan
    drawn = np.random.default_rng(seed).integers(0, len(x), (draws, len(x)))
    low, high = pd.Series(pearson(x[drawn], y[drawn])).quantile([0.025, 0.975])  # without resamples that are constant
    return float(pearson(x[None], y[None])[0]), float(low), float(high)
