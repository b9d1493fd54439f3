"""How well predicted effects agree with true ones over many scenes.

table   one row for each pair of a scene and a thing: scene, truth, and a column for each method (NaN: no prediction)
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

DRAWS = 1000


def correlations(
    table: pd.DataFrame, methods: Sequence[str], *, given: str | None = None, truth: str = "truth", seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Spearman's correlation of each method with the truth, and the same on resampled scenes, (draw, method).

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
    return pd.DataFrame(rows, columns=["method", "pairs", "r", "low", "high"]), pd.DataFrame(draws)


def orders(
    table: pd.DataFrame, methods: Sequence[str], *, truth: str = "truth", seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of two things in one scene, how often a method says rightly which matters more: as `correlations`; chance 1/2.

    r is that share. A tie of the method counts as half.
    """
    counted = [_ordered(table, method, truth) for method in methods]
    scenes = table["scene"].to_numpy()
    numbers, at = np.unique(scenes, return_inverse=True)
    times = _times(len(numbers), seed)
    rows, draws = [], {}
    for method, (right, pairs) in zip(methods, counted, strict=True):
        sums = np.array([np.bincount(at, each, len(numbers)) for each in (right, pairs)])
        drawn = times @ sums.T
        draws[method] = np.divide(drawn[:, 0], drawn[:, 1], out=np.full(len(drawn), np.nan), where=drawn[:, 1] > 0)
        whole = sums[0].sum() / sums[1].sum() if sums[1].any() else np.nan
        rows.append((method, int(sums[1].sum()), whole, *_quantiles(draws[method])))
    return pd.DataFrame(rows, columns=["method", "pairs", "r", "low", "high"]), pd.DataFrame(draws)


def differences(draws: pd.DataFrame, found: pd.DataFrame, of: str) -> pd.DataFrame:
    """How much better `of` does than each other method: against, difference, low, high (95%, paired over scenes)."""
    r = found.set_index("method")["r"]
    rows = [(other, r[of] - r[other], *_quantiles((draws[of] - draws[other]).to_numpy())) for other in r.index.drop(of)]
    return pd.DataFrame(rows, columns=["against", "difference", "low", "high"])


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
