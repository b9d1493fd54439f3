"""Do the weights of a combination follow the filters' own scores? (Net2Vec 5.2)

found = correlation.of_weights(together.weights, iou)     one row per concept: Pearson's r, and p
correlation.significant(found)                            percent of concepts, corrected and not
"""

import warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from n2vlib.errors import BadInput
from n2vlib.methods.alignment import Alignment

CORRECTIONS = ("as published", "Benjamini-Hochberg", "Bonferroni")


def of_weights(weights: pd.DataFrame, iou: pd.DataFrame) -> pd.DataFrame:
    """Pearson correlation over filters of max(w_k, 0) with the filters' set IoU, for every concept (Net2Vec 5.2).

    weights, iou   (concept, filter), the same concepts and filters
    Returns        index concept: r, p (two-sided, as if both were normal); NaN where one side does not vary
    """
    if not weights.index.equals(iou.index) or weights.shape != iou.shape:
        raise BadInput(f"weights {weights.shape}, iou {iou.shape}: not the same concepts and filters")
    r = pearson(np.maximum(weights.to_numpy(np.float64), 0), iou.to_numpy(np.float64))
    return pd.DataFrame({"r": r, "p": p_values(r, weights.shape[1])}, index=weights.index)


def pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson correlation of each row of x with that of y, (row, n) twice to (row,); NaN where a row is constant."""
    if x.shape[1] < 2:
        return np.full(len(x), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        return np.asarray(stats.pearsonr(x, y, axis=1)[0])


def p_values(r: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Two-sided p of Pearson's r over n independent normal pairs: Student's t with n - 2 degrees of freedom."""
    if n < 3:
        return np.full(len(r), np.nan)
    with np.errstate(divide="ignore"):
        t = np.abs(r) * np.sqrt((n - 2) / (1 - r**2))
    return 2 * stats.t.sf(t, n - 2)


def r_needed(n: int, alpha: float) -> float:
    """The |r| over n pairs that has p = alpha (`p_values`)."""
    t = float(stats.t.isf(alpha / 2, n - 2))
    return t / np.sqrt(n - 2 + t**2)


def significant(found: pd.DataFrame, alpha: float = 0.01) -> dict[str, NDArray[np.bool_]]:
    """Which concepts of one layer have p < alpha, uncorrected and corrected for the number of concepts tested.

    found     `of_weights`
    Returns   {correction: bool, (concept,)}, false where r is not defined. Benjamini-Hochberg keeps the share of false
              discoveries below `alpha`, Bonferroni the probability of any
    """
    p = found["p"].to_numpy()
    known = ~np.isnan(p)
    adjusted = {name: np.ones(len(p)) for name in CORRECTIONS}
    adjusted["as published"][known] = p[known]
    adjusted["Bonferroni"][known] = np.minimum(p[known] * known.sum(), 1)
    if known.any():
        adjusted["Benjamini-Hochberg"][known] = stats.false_discovery_control(p[known], method="bh")
    return {name: values < alpha for name, values in adjusted.items()}


def other_filters(iou: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Control: the values of every concept, permuted over the filters."""
    return pd.DataFrame(np.random.default_rng(seed).permuted(iou.to_numpy(), axis=1), iou.index, iou.columns)


def other_concepts(iou: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Control: the values of every filter, permuted over the concepts; no concept keeps its own."""
    order = np.random.default_rng(seed).permutation(len(iou))
    given = np.empty_like(order)
    given[order] = np.roll(order, 1)
    return iou.iloc[given].set_axis(iou.index)


def contributions(alone: Alignment, together: Alignment) -> pd.DataFrame:
    """How much a concept's best filter contributes, in two measures (Net2Vec 5.2); one row per concept of both methods.

    Returns   concept, name, category, images, filter (k*, best on training images),
              of_weight   |w_k*| / ||w||_1 in the combination
              largest     max_k |w_k| / ||w||_1
              of_iou      IoU_set(k*) / IoU_set(combination), validation images; NaN where the combination has 0
    """
    keep = ["concept", "name", "category", "images", "filter", "set_iou"]
    single = alone.scores.loc[alone.scores["split"] == "val", keep]
    combined = together.scores.loc[together.scores["split"] == "val", ["concept", "set_iou"]]
    both = single.merge(combined, on="concept", suffixes=("", "_combination")).query("images > 0")
    shares = np.abs(together.weights.loc[both["concept"]].to_numpy(np.float64))
    total = shares.sum(axis=1, keepdims=True)
    shares = np.divide(shares, total, out=np.zeros_like(shares), where=total > 0)
    of_weight = np.take_along_axis(shares, both["filter"].to_numpy(np.int64)[:, None], axis=1)[:, 0]
    of_iou = both["set_iou"] / both["set_iou_combination"].where(both["set_iou_combination"] > 0)
    shown = both.loc[:, keep[:-1]].assign(of_weight=of_weight, largest=shares.max(axis=1), of_iou=of_iou)
    return shown.reset_index(drop=True)
