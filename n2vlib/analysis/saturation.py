"""How many filters are enough: means against F, and the F above which more filters add nothing (Net2Vec, Figure 3).

A run is one method on the F filters of largest weight (`align(..., n_filters=F)`); the full solution has all filters of
the layer. Every run is measured on the same concepts and images, so all differences here are paired.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet
from n2vlib.tables import need
from n2vlib.vocabulary import OF_TASK

_BY = ["task", "layer", "category", "n_filters"]


def subset_sizes(sizes: Iterable[int], width: int) -> list[int]:
    """The numbers of filters below the width of a layer, ascending, and then the width itself."""
    return [*sorted({int(size) for size in sizes if size < width}), width]


def runs(
    align: Callable[..., Alignment], layer: Layer, probe: ProbeSet, sizes: Iterable[int], **options: Any
) -> dict[int, Alignment]:
    """A method on each number of filters below the layer's width, and on all filters: {number of filters: Alignment}.

    align   of a method that takes n_filters; the full solution has n_filters=None
    """
    known = subset_sizes(sizes, layer.n_filters)
    return {size: align(layer, probe, n_filters=size if size < layer.n_filters else None, **options) for size in known}


def means(scores: pd.DataFrame, resampled: pd.DataFrame | None = None, split: str = "val") -> pd.DataFrame:
    """Mean score of each category by number of filters; concepts without a number on this split are left out.

    scores      of runs with several n_filters; for segmentation without the best single filter, which is chosen in
                another way
    resampled   `uncertainty.resample` of the same runs
    Returns     task, layer, category, n_filters, mean, standard_error (over the concepts), concepts, and with
                `resampled` low and high (95%, over images)
    """
    need(scores, [*_BY, "split", "concept"])
    rows = scores.loc[scores["split"] == split]
    rows = pd.concat(
        [part.assign(value=part[OF_TASK[str(task)].column]) for task, part in rows.groupby("task", sort=False)]
    )
    groups = rows.dropna(subset="value").groupby(_BY, sort=False)["value"]
    out = groups.agg(mean="mean", standard_error="sem", concepts="size").reset_index()
    if resampled is not None:
        drawn = category_means(resampled, dict(zip(rows["concept"], rows["category"], strict=True)))
        interval = pd.DataFrame({"low": drawn.quantile(0.025), "high": drawn.quantile(0.975)})
        out = out.merge(interval.reset_index(), on=_BY, how="left")
    return out


def category_means(resampled: pd.DataFrame, categories: dict[int, str]) -> pd.DataFrame:
    """Mean over the concepts of a category in each draw of images: draw by (task, layer, category, n_filters).

    resampled   `uncertainty.resample`      categories   {concept number: category}
    """
    runs = pd.DataFrame(list(resampled.columns), columns=list(resampled.columns.names))
    runs["category"] = [categories[c] for c in runs["concept"]]
    same = runs.groupby(_BY, sort=False).indices
    drawn = {key: resampled.iloc[:, columns].mean(axis=1) for key, columns in same.items()}
    return pd.DataFrame(drawn).rename_axis(columns=_BY).sort_index(axis=1)


def enough(found: pd.DataFrame, drawn: pd.DataFrame, share: float = 0.95, confidence: float = 0.95) -> pd.DataFrame:
    """How many filters each category needs, by three rules, and how far its mean falls after the peak.

    found   `means`      drawn   `category_means` of the same runs
    Returns one row per task, layer and category:
        peak, peak_mean       F of the highest mean, the smaller on a tie, and that mean
        peak_low, peak_high   interval of the F at which the draws of images have their own peak
        no_loss               smallest F for which the interval of (mean at the peak - mean at F) reaches down to 0
        nearly                smallest F whose mean above chance is `share` of the peak's or more
        fall, low, high       mean at the peak - mean with all filters, and its interval over images
    """
    need(found, [*_BY, "mean"])
    out = []
    for key in found[_BY[:3]].drop_duplicates().itertuples(index=False, name=None):
        mine = (found[_BY[:3]] == list(key)).all(axis=1)
        rows = found.loc[mine].sort_values("n_filters")
        sizes, mean = rows["n_filters"].to_numpy(int), rows["mean"].to_numpy(float)
        draws = np.stack([drawn[(*key, size)].to_numpy(float) for size in sizes], axis=1)
        goal = OF_TASK[key[0]].chance + share * (mean.max() - OF_TASK[key[0]].chance)
        out.append(dict(zip(_BY[:3], key, strict=True)) | _rules(sizes, mean, draws, goal, confidence))
    return pd.DataFrame(out)


def _rules(sizes: NDArray, mean: NDArray, draws: NDArray, goal: float, confidence: float) -> dict[str, float]:
    """The rules of `enough` for one category; draws   (draw, size)."""
    peak, tails = int(mean.argmax()), [(1 - confidence) / 2, (1 + confidence) / 2]
    draws = draws[~np.isnan(draws).any(axis=1)]
    low, high = np.quantile(draws[:, [peak]] - draws, tails, axis=0)
    own_low, own_high = np.quantile(sizes[draws.argmax(axis=1)], tails, method="nearest")
    return {
        "peak": int(sizes[peak]), "peak_mean": float(mean[peak]), "peak_low": int(own_low), "peak_high": int(own_high),
        "no_loss": int(sizes[(low <= 0).argmax()]), "nearly": int(sizes[(mean >= goal).argmax()]),
        "fall": float(mean[peak] - mean[-1]), "low": float(low[-1]), "high": float(high[-1]),
    }  # fmt: skip
