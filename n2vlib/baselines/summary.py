"""All baselines side by side: what each step adds, and which concepts have too few training images to trust."""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from n2vlib import tables
from n2vlib.activations.layer import Layer
from n2vlib.analysis.uncertainty import interval
from n2vlib.baselines import joined, places
from n2vlib.baselines.aligned import training_images
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet

FEW = 30  # training images: with fewer a concept is marked
FLOORS = (
    "everything: all pixels; usual place: the mean annotation of training images above its best threshold; "
    "two filters: the masks of the best filter and of the one that adds most on training images, joined"
)


def untrained(layer: Layer, probe: ProbeSet, *, align_corners: bool = True) -> list[Alignment]:
    """What no weight is learned for: everything, the usual place, two filters joined."""
    two = joined.two_filters(layer, probe, align_corners=align_corners)
    return [places.everything(layer, probe), places.usual_place(layer, probe), two]


def few(probe: ProbeSet) -> pd.Series:
    """Whether a concept has fewer than FEW training images, bool, by its number."""
    return training_images(probe) < FEW


def marked(table: pd.DataFrame, probe: ProbeSet) -> pd.DataFrame:
    """The table, with a star after the `name` of every `concept` that has few training images."""
    star = np.where(few(probe)[table["concept"]], " *", "")
    return table.assign(name=table["name"] + star)


def beside(found: Iterable[Alignment], probe: ProbeSet, resampled: pd.DataFrame | None = None) -> pd.DataFrame:
    """Mean validation set IoU by category: category, concepts, few (of them), and one column per method, in order.

    resampled   `uncertainty.resample` of them: the columns are words then, the mean with its 95% interval over images
    """
    found = list(found)
    means = tables.by_category(pd.concat([each.scores for each in found]), resampled=resampled)
    if resampled is not None:
        means["mean"] = [f"{m:.3f} ({a:.3f} to {b:.3f})" for m, a, b in means[["mean", "low", "high"]].to_numpy()]
    wide = means.pivot(index="category", columns="method", values="mean").reindex(means["category"].unique())
    held = pd.concat([each.scores for each in found]).query("split == 'val' and set_iou.notna()")
    known = held.drop_duplicates("concept").set_index("concept")["category"]
    counts = pd.DataFrame({"concepts": known, "few": few(probe)[known.index].astype(int)}).assign(category=known)
    counted = counts.groupby("category").agg(concepts=("concepts", "size"), few=("few", "sum"))
    order = list(dict.fromkeys(str(each.scores["method"].iloc[0]) for each in found))
    return counted.join(wide[order]).reindex(wide.index).reset_index().rename(columns={"few": f"under {FEW} images"})


def steps(found: Sequence[Alignment], resampled: pd.DataFrame) -> pd.DataFrame:
    """Mean set IoU on validation images of each method, and its difference to the one before, in the order given.

    resampled   `uncertainty.resample` of the same alignments on validation images
    Returns     method, mean, difference, low, high (95% interval of the difference over images; of the first method,
                which has no difference, NaN); over the concepts that all have a number for
    """
    values = {}
    for each in found:
        first = each.scores.iloc[0]
        own = each.scores.query("split == 'val'").set_index("concept")["set_iou"]
        draws = tables.draws_of(resampled, first["layer"], first["task"], first["method"])
        values[first["method"]] = own.dropna(), draws
    shared = sorted(set.intersection(*(set(own.index) for own, _ in values.values())))
    rows: list[dict[str, object]] = []
    before = None
    for method, (own, draws) in values.items():
        mean, again = own[shared].mean(), draws[shared].mean(axis=1)
        row = {"method": method, "mean": mean}
        if before is not None:
            low, high = interval(again - before[1]).iloc[0]
            row |= {"difference": mean - before[0], "low": low, "high": high}
        rows.append(row)
        before = mean, again
    return pd.DataFrame(rows, columns=["method", "mean", "difference", "low", "high"])
