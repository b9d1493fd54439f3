"""How a layer's filters change while their network is trained, or trained on something else.

Network Dissection (TPAMI), sections 3.6 and 3.7. Every table has its networks in the order of training; the card of a
zoo network has its number of steps and its score on unseen images.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from n2vlib import tables
from n2vlib.activations.layer import Layer
from n2vlib.errors import BadInput
from n2vlib.methods import dissection
from n2vlib.probe import ProbeSet
from n2vlib.zoo import shipped

_BOARD = [
    *("scene accuracy", "commonest scene", "object average precision", "object share", "object balanced accuracy"),
    "objects measured",
]


def steps(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Number of training steps of each network: label, steps.

    rows   network; optionally label and steps, which a zoo network has in its card
    Raises BadInput where neither gives the steps.
    """
    found = []
    for row in rows:
        number = row["steps"] if "steps" in row else _card(row).get("steps")
        if number is None:
            raise BadInput(f"{row['network']}: its number of training steps is not known; give the entry `steps`")
        found.append((_label(row), number))
    return pd.DataFrame(found, columns=["label", "steps"])


def scores(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Scores of the networks of the zoo on unseen images: label, steps, score (in words), value.

    Other networks have no card and are left out.
    """
    found = []
    for row in rows:
        known = _card(row)
        scores = known.get("accuracy", {}).items()
        found += [(_label(row), row.get("steps", known.get("steps")), name.replace("_", " "), v) for name, v in scores]
    return pd.DataFrame(found, columns=["label", "steps", "score", "value"])


def scoreboard(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """`scores` as one row per network, index label: each score before its chance level, the number of objects last."""
    found = scores(rows)
    wide = found.pivot(index="label", columns="score", values="value").rename_axis(columns=None)
    wide = wide.loc[found["label"].unique(), [column for column in _BOARD if column in wide]]
    return wide.astype({"objects measured": "Int64"} if "objects measured" in wide else {})


def _card(row: Mapping[str, Any]) -> dict[str, Any]:
    return shipped.card(row["network"]) if row["network"] in shipped.names() else {}


def _label(row: Mapping[str, Any]) -> str:
    return row.get("label") or row["network"].rpartition(":")[2]


def names(layers: Mapping[str, Layer], probe: ProbeSet, iou_threshold: float) -> pd.DataFrame:
    """The best concept of every filter in every network.

    Returns   label, network, filter, concept, name, category, dissection_iou, detector (above iou_threshold)
    """
    best = [
        dissection.filters(layer, probe).assign(label=label, network=layer.network) for label, layer in layers.items()
    ]
    rows = pd.concat(best, ignore_index=True)
    rows["detector"] = rows["dissection_iou"] > iou_threshold
    return rows.loc[:, ["label", "network", "filter", *tables.CONCEPT, "dissection_iou", "detector"]]


def changes(names: pd.DataFrame, before: str, after: str) -> pd.DataFrame:
    """Every filter's best concept in two networks side by side, of `names`.

    Returns   filter; concept, name, category, dissection_iou and detector as *_before and *_after; and kept, whether
              both are the same concept (section 3.7 counts these among all filters). A filter that overlaps with no
              concept keeps none.
    """
    first, last = (
        names[names["label"] == label].drop(columns=["label", "network"], errors="ignore") for label in (before, after)
    )
    both = first.merge(last, on="filter", suffixes=("_before", "_after"))
    same = both["concept_before"] == both["concept_after"]
    return both.assign(kept=same & (both["dissection_iou_before"] > 0) & (both["dissection_iou_after"] > 0))


def kept(changed: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Share of the filters that keep their concept: among all, and among those that detect before and after.

    low, high   95% bootstrap interval over filters
    Returns     filters (which), kept, of, share, low, high
    """
    both = changed["detector_before"] & changed["detector_after"]
    rows = []
    same = changed["kept"].to_numpy(bool)
    for which, mine in (("all", same), ("detectors before and after", same[both.to_numpy(bool)])):
        share = mine.mean() if len(mine) else np.nan
        rows.append((which, mine.sum(), len(mine), share, *tables.bootstrap_mean(mine, seed)))
    return pd.DataFrame(rows, columns=["filters", "kept", "of", "share", "low", "high"])


def concepts_detected(names: pd.DataFrame) -> pd.Series:
    """How many different concepts each filter detects along the way, most first: index filter."""
    counts: Any = names[names["detector"]].groupby("filter")["concept"].nunique()
    return counts.sort_values(ascending=False, kind="stable")
