"""The IoU of each image: its distribution, why it is so often zero, and example images (Net2Vec 5.1).

`pairs` is the table of every method that makes masks, one row per (concept, image) with `individual_iou`. Here it has
one more column, `silent`: nothing exceeds the threshold, so there is no mask (`with_silence`).
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.analysis.uncertainty import image_draws
from n2vlib.masks.iou import iou_of_counts, predicted_mask, single_filter_mask
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet
from n2vlib.tables import need
from n2vlib.vocabulary import OUTCOMES

HIT, MISSED, SILENT = OUTCOMES


def with_silence(found: Alignment, layer: Layer, split: str = "val") -> pd.DataFrame:
    """The pairs of one split with `silent`, and name, category and method of the concept.

    silent   of a single filter: no place of the image exceeds its threshold (A_k <= T_k everywhere);
             of a combination: its mask is empty
    """
    pairs = found.pairs.loc[found.pairs["split"] == split].reset_index(drop=True)
    named = found.scores.loc[found.scores["split"] == split].set_index("concept")
    columns = named.loc[pairs["concept"], ["name", "category", "method"]].reset_index(drop=True)
    if "filter" in named:
        k = named["filter"].loc[pairs["concept"]].to_numpy(np.int64)
        silent = layer.highest[pairs["image"].to_numpy(), k] <= layer.thresholds[k]
    else:
        silent = pairs["predicted"].to_numpy() == 0
    return pd.concat([pairs, columns], axis=1).assign(layer=layer.name, silent=silent)


def summary(pairs: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """By the columns `by`: images, zero (share with IoU 0), silent (share with no mask), mean and std of the non-zero.

    std is the sample standard deviation, NaN for fewer than two values.
    """
    need(pairs, [*by, "individual_iou", "silent"])
    rows = pairs.assign(zero=pairs["individual_iou"] == 0, nonzero=pairs["individual_iou"].where(lambda iou: iou > 0))
    return rows.groupby(by, sort=False, as_index=False).agg(
        images=("zero", "size"), zero=("zero", "mean"), silent=("silent", "mean"), mean=("nonzero", "mean"),
        std=("nonzero", "std"),
    )  # fmt: skip


def shares(
    pairs: pd.DataFrame, column: str, by: list[str], probe: ProbeSet, draws: int = 200, seed: int = 0
) -> pd.DataFrame:
    """Share of the pairs where the bool `column` holds, by the columns `by`: share, low, high.

    low, high   95% bootstrap interval over validation images, the same draws for every group
    """
    times, out = image_draws(probe, "val", draws, seed), []
    for _, rows in pairs.groupby(by, sort=False):
        image, size = rows["image"].to_numpy(), len(probe)
        counts = np.bincount(image, rows[column], size), np.bincount(image, minlength=size)
        again, of = times @ counts[0], times @ counts[1]
        low, high = np.quantile(again[of > 0] / of[of > 0], [0.025, 0.975])
        out.append({**rows[by].iloc[0].to_dict(), "share": rows[column].mean(), "low": low, "high": high})
    return pd.DataFrame(out)


def in_bins(pairs: pd.DataFrame, by: list[str], width: float = 0.05) -> pd.DataFrame:
    """Images by individual IoU: the columns `by`, outcome, low and high of the bin, images and their share.

    Exact zeros have a bin of their own (low = high = 0), the others bins (low, high] of this width. Groups keep the
    order in which they first appear.
    """
    need(pairs, [*by, "individual_iou", "silent"])
    edge = np.ceil(pairs["individual_iou"].to_numpy() / width - 1e-9) * width
    outcome = np.where(pairs["individual_iou"] > 0, HIT, np.where(pairs["silent"], SILENT, MISSED))
    rows = pairs.assign(outcome=outcome, high=edge.round(6), low=np.maximum(edge - width, 0).round(6))
    rows["place"] = rows.groupby(by, sort=False).ngroup()
    keys = ["place", *by, "outcome", "low", "high"]
    counts = rows.groupby(keys, sort=False, as_index=False).agg(images=("individual_iou", "size"))
    counts["share"] = counts["images"] / counts.groupby("place")["images"].transform("sum")
    return counts.sort_values(["place", "low", "outcome"], ignore_index=True).drop(columns="place")


def at_deciles(pairs: pd.DataFrame, steps: int = 10) -> pd.DataFrame:
    """The image at each decile of the non-zero values of one concept: its row of `pairs`, with the column `decile`.

    The d-th of `steps` is the ceil(d n / steps)-th smallest of n values, so the last is the largest; ties by image.
    """
    rest = pairs.loc[pairs["individual_iou"] > 0].sort_values(["individual_iou", "image"])
    if rest.empty:
        return rest.assign(decile=pd.Series(dtype=float))
    decile = np.arange(1, steps + 1)
    at = np.ceil(decile * len(rest) / steps - 1e-9).astype(int) - 1
    return rest.iloc[at].assign(decile=decile / steps).reset_index(drop=True)


def two_concepts(pairs: pd.DataFrame, least: int = 10) -> list[int]:
    """Two example concepts, of those that overlap in `least` images under every method: the one that its best filter
    segments best (set IoU over the pairs given), and the one whose share of zeros under its best filter is the closest
    to that of all pairs.

    pairs   of several methods, with name and category. Objects if there are two, else any category, else the two
            concepts that overlap in most images
    """
    rows = pairs.assign(hit=pairs["individual_iou"] > 0)
    hits = rows.pivot_table(index=["category", "concept"], columns="method", values="hit", aggfunc="sum", fill_value=0)
    fewest = hits.min(axis=1).reset_index(name="hits").sort_values("concept", ignore_index=True)
    enough = fewest.loc[fewest["hits"] >= least]
    pools = [enough.loc[enough["category"] == "object"], enough, fewest.nlargest(2, "hits")]
    pool = next((pool for pool in pools if len(pool) > 1), fewest)["concept"]
    single = rows.loc[rows["method"] == "single filter"]
    sums = single.groupby("concept")[["intersection", "predicted", "annotated", "hit"]].agg("sum").loc[pool]
    iou = iou_of_counts(*(sums[column].to_numpy() for column in ("intersection", "predicted", "annotated")))
    best = int(pool.iloc[int(iou.argmax())])
    apart = (single.groupby("concept")["hit"].mean().loc[pool] - single["hit"].mean()).abs()
    others = apart.drop(best) if len(apart) > 1 else apart
    return list(dict.fromkeys([best, int(others.index[int(others.to_numpy().argmin())])]))


def masks(found: Alignment, layer: Layer, probe: ProbeSet, concept: int, images: Iterable[int]) -> NDArray[np.bool_]:
    """The predicted masks, (image, sh, sw), of a single filter or of a combination (Net2Vec 3.1)."""
    weights, bias = found.weights.loc[concept].to_numpy(np.float32), float(found.bias.loc[concept])
    if "filter" in found.scores:
        k = int(weights.argmax())
        made = [single_filter_mask(layer.fired_in(i)[k], probe.label_size, True) for i in images]
    else:
        made = [predicted_mask(layer.fired_in(i), weights, probe.label_size, True, bias) for i in images]
    return np.array(made, np.bool_).reshape(-1, *probe.label_size)
