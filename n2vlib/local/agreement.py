"""How well predicted effects agree with true ones over many scenes.

table   one row for each pair of a scene and a thing: scene, truth, and a column for each method (NaN: no prediction)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DRAWS = 1000


@dataclass(frozen=True, eq=False)
class Draws:
    """Correlations on resampled scenes, (draw, method), and what they are of: see `correlations`."""

    r: pd.DataFrame
    table: pd.DataFrame
    given: str | None
    truth: str
    seed: int


def correlations(
    table: pd.DataFrame, methods: Sequence[str], *, given: str | None = None, truth: str = "truth", seed: int = 0
) -> tuple[pd.DataFrame, Draws]:
    """Spearman's correlation of each method with the truth, and the same on resampled scenes.

    given     a column that is held constant, by its ranks; None: none
    Returns   method, pairs, r, low, high (95%, bootstrap over scenes)
    The same seed draws the same scenes for all methods, so that differences are paired.
    """
    numbers, at = np.unique(table["scene"], return_inverse=True)
    times = np.concatenate([np.ones((1, len(at))), _times(len(numbers), seed)[:, at]])
    rows, draws = [], {}
    for method in methods:
        values = table[[method, truth, *([given] if given else [])]].to_numpy(float)
        known = np.isfinite(values).all(1)
        whole, *drawn = _spearman(values[known], times[:, known])
        draws[method] = np.array(drawn)
        rows.append((method, int(known.sum()), whole, *_quantiles(draws[method])))
    found = pd.DataFrame(rows, columns=["method", "pairs", "r", "low", "high"])
    return found, Draws(pd.DataFrame(draws), table, given, truth, seed)


def orders(table: pd.DataFrame, methods: Sequence[str], *, truth: str = "truth", seed: int = 0) -> pd.DataFrame:
    """Of two things in one scene, how often a method says rightly which matters more: as `correlations`; chance 1/2.

    r is that share. A tie of the method counts as half.
    """
    counted = [_ordered(table, method, truth) for method in methods]
    scenes = table["scene"].to_numpy()
    numbers, at = np.unique(scenes, return_inverse=True)
    times = _times(len(numbers), seed)
    rows = []
    for method, (right, pairs) in zip(methods, counted, strict=True):
        sums = np.array([np.bincount(at, each, len(numbers)) for each in (right, pairs)])
        drawn = times @ sums.T
        shares = np.divide(drawn[:, 0], drawn[:, 1], out=np.full(len(drawn), np.nan), where=drawn[:, 1] > 0)
        whole = sums[0].sum() / sums[1].sum() if sums[1].any() else np.nan
        rows.append((method, int(sums[1].sum()), whole, *_quantiles(shares)))
    return pd.DataFrame(rows, columns=["method", "pairs", "r", "low", "high"])


def differences(draws: Draws, found: pd.DataFrame, of: str) -> pd.DataFrame:
    """How much better `of` does than each other method found: against, difference, low, high (95%, paired over scenes).

    Two methods are compared on the pairs of which both say something.
    """
    rows = []
    for other in found["method"]:
        if other != of:
            r, drawn = _on_both(draws, of, other)
            rows.append((other, r[of] - r[other], *_quantiles((drawn[of] - drawn[other]).to_numpy())))
    return pd.DataFrame(rows, columns=["against", "difference", "low", "high"])


def _on_both(draws: Draws, of: str, other: str) -> tuple[dict[str, float], pd.DataFrame]:
    """Correlations of two methods on the pairs that both have, whole and drawn."""
    known = np.isfinite(draws.table[[of, other]].to_numpy(float)).all(1)
    given, truth, seed = draws.given, draws.truth, draws.seed
    found, again = correlations(draws.table.loc[known], [of, other], given=given, truth=truth, seed=seed)
    return dict(zip(found["method"], found["r"], strict=True)), again.r


def _times(n: int, seed: int) -> NDArray[np.float64]:
    """How often each of n scenes is in each draw with replacement: (draw, scene); float, whose products are fast."""
    drawn = np.random.default_rng(seed).integers(0, max(n, 1), (DRAWS, n))
    return np.reshape([np.bincount(each, minlength=n) for each in drawn], (DRAWS, n)).astype(float)


def _spearman(values: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """The correlation of ranks of the first two columns, a third one held constant: (draw,).

    values   (row, column)      times   (draw, row): how often each row is there
    NaN where a draw has fewer than 4 rows, or a column that does not vary.
    """
    n = times.sum(1)
    ranks = np.stack([_ranks(column, times) for column in values.T], 1)
    apart = ranks - np.einsum("dci,di->dc", ranks, times)[..., None] / np.maximum(n, 1)[:, None, None]
    products = np.einsum("dai,dbi,di->dab", apart, apart, times, optimize=True)
    sizes = np.sqrt(np.einsum("daa->da", products))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = products / (sizes[:, :, None] * sizes[:, None])
        found = r[:, 0, 1]
        if r.shape[1] > 2:
            found = (found - r[:, 0, 2] * r[:, 1, 2]) / np.sqrt((1 - r[:, 0, 2] ** 2) * (1 - r[:, 1, 2] ** 2))
    return np.where((n >= 4) & np.isfinite(found), found, np.nan)


def _ranks(values: NDArray[np.float64], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean ranks of values that are there so many times: (draw, row)."""
    kinds, at = np.unique(values, return_inverse=True)
    counts = times @ (at[:, None] == np.arange(len(kinds))).astype(float)
    return (counts.cumsum(1) - counts + (counts + 1) / 2)[:, at]


def _ordered(table: pd.DataFrame, method: str, truth: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """For each row the comparisons with later rows of its scene that are right, and their number."""
    values, true, scenes = (table[name].to_numpy() for name in (method, truth, "scene"))
    same = (scenes[:, None] == scenes) & np.triu(np.ones((len(table),) * 2, bool), 1)
    ahead, really = np.sign(values[:, None] - values), np.sign(true[:, None] - true)
    compared = same & np.isfinite(ahead) & (really != 0)
    right = np.where(compared, (np.nan_to_num(ahead) * really + 1) / 2, 0)
    return right.sum(1), compared.sum(1).astype(float)


def _quantiles(drawn: NDArray[np.float64]) -> tuple[float, float]:
    known = drawn[np.isfinite(drawn)]
    low, high = np.quantile(known, [0.025, 0.975]) if len(known) else (np.nan, np.nan)
    return float(low), float(high)
