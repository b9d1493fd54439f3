"""The name of every filter, and how sure it is."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.core.groupby import DataFrameGroupBy

from n2vlib.activations.layer import Layer
from n2vlib.masks.conventions import Convention
from n2vlib.methods import dissection
from n2vlib.probe import ProbeSet
from n2vlib.significance import chance, held_out
from n2vlib.significance.family import Family, family

MOST = 0.5  # a name came again if more than this share of the divisions choose it in both halves


def how_sure(
    layer: Layer,
    probe: ProbeSet,
    *,
    convention: str | Convention = "netdissect",
    among: str = "category",
    permutations: int = chance.PERMUTATIONS,
    seed: int = 0,
) -> pd.DataFrame:
    """`dissection.filters` with the answers of both tests, a row per filter:

    margin      IoU of the name minus that of the second concept
    low, high   95% bootstrap interval over images of the IoU of this name; it does not allow for its choice
    again       share of 20 divisions of the images in which both halves choose this name
    held_out    mean IoU, on the half that did not choose it, of whichever name the other half chose
    chance      mean IoU of the best concept when the annotations are dealt to other images (`chance.highest`)
    effect      dissection_iou - chance
    p           share of permutations whose best concept, whichever it is, reaches the IoU; at least 1 / (permutations
                + 1)
    q           p adjusted over the filters of the layer (Benjamini-Hochberg)
    sure        both: it came again in most divisions, and q is at most 0.05
    """
    everything = family(layer, probe, convention)
    rows = dissection.filters(layer, probe, convention=convention)
    name, iou = np.asarray(rows["concept"]), np.asarray(rows["dissection_iou"])
    whole = held_out.pooled_iou(held_out.group_counts(everything), np.arange(held_out.GROUPS))
    both = _both_halves(everything, name, seed)
    # A filter that overlaps with no concept has none: any candidate gives it an IoU of 0.
    chosen = np.where(name > 0, np.searchsorted(everything.candidates.index, name), 0)
    low, high = held_out.intervals(everything, chosen, seed=seed)
    by_chance = chance.highest(everything, among=among, permutations=permutations, seed=seed).max(-1)
    p = chance.p_values(iou, by_chance)
    found = rows.assign(
        margin=held_out.margin(whole), low=low, high=high, again=both["again"].mean(),
        held_out=both["held_out"].mean(), chance=by_chance.mean(0), effect=iou - by_chance.mean(0), p=p,
        q=chance.adjusted(p),
    )  # fmt: skip
    return found.assign(sure=(found["again"] > MOST) & (found["q"] <= chance.RATE))


def _both_halves(everything: Family, name: NDArray[np.int64], seed: int) -> DataFrameGroupBy:
    """`held_out.halves` by filter, where `again` asks that both halves choose the filter's `name`."""
    both = held_out.halves(everything, seed=seed)
    return both.assign(again=both["again"] & (both["concept"] == name[both["filter"]])).groupby("filter")


def come_again(layers: Mapping[str, Layer], probe: ProbeSet, iou_threshold: float, *, seed: int = 0) -> pd.DataFrame:
    """How far the detectors of several layers come again on other images; a few seconds for each layer.

    Returns   label, detectors, again (mean over these of the share of divisions in which both halves choose the name;
              NaN of none)
    """
    rows = []
    for label, layer in layers.items():
        found = dissection.filters(layer, probe)
        both = _both_halves(family(layer, probe), np.asarray(found["concept"]), seed)
        detector = np.asarray(found["dissection_iou"] > iou_threshold)
        again = pd.Series(both["again"].mean())[detector].mean()
        rows.append((label, int(detector.sum()), again))
    return pd.DataFrame(rows, columns=["label", "detectors", "again"])


def survivors(named: pd.DataFrame, iou_threshold: float) -> pd.DataFrame:
    """Detectors by category, and how many of them stand each test: detectors, again, above_chance, sure, concepts,
    concepts_sure (different concepts among them).

    named   rows of `how_sure`
    """
    rows = named.loc[named["dissection_iou"] > iou_threshold]
    rows = rows.assign(again=rows["again"] > MOST, above_chance=rows["q"] <= chance.RATE)
    groups = rows.groupby("category", sort=False)
    counts = groups.agg(
        detectors=("filter", "size"), again=("again", "sum"), above_chance=("above_chance", "sum"),
        sure=("sure", "sum"), concepts=("concept", "nunique"),
    )  # fmt: skip
    unique = rows.loc[rows["sure"]].groupby("category")["concept"].nunique()
    return counts.assign(concepts_sure=unique.reindex(counts.index, fill_value=0)).reset_index()


def between_trainings(trainings: Mapping[str, pd.DataFrame], iou_threshold: float) -> pd.DataFrame:
    """Which concepts come again between trainings that differ in their seed alone.

    Filters have no counterpart in another training; the concepts that a layer detects do.
    trainings   {label: `dissection.filters` of the same layer}
    Returns     one, other, concepts (that the one detects), again (share of them that the other detects too)
    """
    detected = {
        label: set(rows.loc[rows["dissection_iou"] > iou_threshold, "concept"]) for label, rows in trainings.items()
    }
    rows = [
        (one, other, len(mine), len(mine & theirs) / len(mine) if mine else np.nan)
        for one, mine in detected.items()
        for other, theirs in detected.items()
        if one != other
    ]
    return pd.DataFrame(rows, columns=["one", "other", "concepts", "again"])
