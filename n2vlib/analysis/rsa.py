"""Distances between spaces of concepts, by chance and by category (Net2Vec 5.3, Figure 10).

The distance D itself is `embeddings.distance`. The tables here set it beside the D of unrelated spaces, and beside the
correlation of the cosines, which ignores their size.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.analysis.embeddings import Spaces, distance, distance_by_concept, neighbours, restricted, similarity
from n2vlib.tables import bootstrap_mean

_NONE = 1e-24  # a variance of cosines that is due to rounding


def compare(one: pd.DataFrame, other: pd.DataFrame) -> dict[str, float]:
    """Measures of two spaces over the concepts that both have.

    Returns   concepts, distance (D), typical (difference in the cosine of a pair), correlation, shuffled (D if
              unrelated), below (1 - D / shuffled)
    """
    one, other = restricted({"one": one, "other": other}).values()
    squared, shuffled = distance(one, other), if_shuffled(one, other)
    return {
        "concepts": len(one),
        "distance": squared,
        "typical": typical(squared, len(one)),
        "correlation": correlation(one, other),
        "shuffled": shuffled,
        "below": 1 - squared / shuffled if shuffled > 0 else float("nan"),
    }


def intervals(one: pd.DataFrame, other: pd.DataFrame, *, seed: int = 0, draws: int = 200) -> dict[str, float]:
    """95% bootstrap intervals over concepts of two measures of `compare`.

    A concept that is drawn twice is not paired with itself: its cosine is 1 in every space.
    Returns   typical_low, typical_high, correlation_low, correlation_high
    """
    one, other = restricted({"one": one, "other": other}).values()
    a, b = (similarity(space).to_numpy() for space in (one, other))
    n, rng = len(a), np.random.default_rng(seed)
    times = np.stack([np.bincount(rng.integers(0, n, n), minlength=n) for _ in range(draws)]).astype(float)
    apart = ~np.eye(n, dtype=bool)

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Over the pairs of each draw; a pair of concepts is there as often as the product of both says."""
        return ((times @ np.where(apart, values, 0)) * times).sum(1) / pairs

    with np.errstate(invalid="ignore"):  # 0 / 0 where a draw has one concept only
        pairs = ((times @ apart) * times).sum(1)
        far = np.sqrt(mean((a - b) ** 2))
        # Of the same values less a constant, since sums of large squares would round away small variances.
        x, y = (each - each[apart].mean() if n > 1 else each for each in (a, b))
        (mean_x, mean_y), (var_x, var_y) = (mean(x), mean(y)), (mean(x**2), mean(y**2))
        var_x, var_y = var_x - mean_x**2, var_y - mean_y**2
        vary = (var_x > _NONE) & (var_y > _NONE)
        alike = np.where(vary, (mean(x * y) - mean_x * mean_y) / np.sqrt(np.where(vary, var_x * var_y, 1)), np.nan)
    low, high = np.nanquantile(np.stack([far, alike], 1), [0.025, 0.975], axis=0)
    return {
        "typical_low": float(low[0]), "typical_high": float(high[0]),
        "correlation_low": float(low[1]), "correlation_high": float(high[1]),
    }  # fmt: skip


def repeated(one: pd.DataFrame, other: pd.DataFrame, n: int = 5) -> dict[str, float]:
    """Agreement of the same space learned twice, on the same axes.

    Returns   itself (median over concepts of the cosine of their two vectors), neighbours (share of the `n` nearest
              concepts that are the same)
    """
    one, other = restricted({"one": one, "other": other}).values()
    itself = (one.to_numpy(float) * other.to_numpy(float)).sum(axis=1)
    found = [neighbours(space, n)[["concept", "neighbour"]] for space in (one, other)]
    return {"itself": float(np.median(itself)), "neighbours": len(found[0].merge(found[1])) / max(len(found[0]), 1)}


def if_shuffled(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """Mean D over all permutations of the concepts of one space: the D of unrelated spaces with these cosines.

    D = sum a^2 + sum b^2 - 2 sum a b over the pairs of concepts. Permuting changes the last sum only, whose mean is
    pairs * mean a * mean b.
    """
    a, b = (pairs(space) for space in restricted({"one": one, "other": other}).values())
    return float((a**2).sum() + (b**2).sum() - 2 * len(a) * a.mean() * b.mean())


def correlation(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """Pearson correlation of the cosines of all pairs of concepts, which ignores the size of the cosines."""
    a, b = (pairs(space) for space in restricted({"one": one, "other": other}).values())
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else float("nan")


def typical(squared: float, concepts: int) -> float:
    """Typical difference in the cosine of a pair: the root of D / (C (C - 1)), so that C does not matter."""
    return float(np.sqrt(squared / (concepts * (concepts - 1))))


def typical_cosine(space: pd.DataFrame) -> float:
    """Root mean square of the cosines of all pairs: their size, whatever their sign."""
    return float(np.sqrt((pairs(space) ** 2).mean()))


def pairs(space: pd.DataFrame) -> NDArray[np.float64]:
    """The cosines of all ordered pairs of different concepts."""
    cosines = similarity(space).to_numpy()
    return cosines[~np.eye(len(cosines), dtype=bool)]


def distances(spaces: Spaces) -> pd.DataFrame:
    """D of every two spaces over the concepts common to all of them (Net2Vec, Figure 10 left).

    Returns   one, other (both orders, and each with itself) and the columns of `compare`
    """
    shared = restricted(spaces)
    return pd.DataFrame({"one": i, "other": j} | compare(shared[i], shared[j]) for i in shared for j in shared)


def distances_by_category(spaces: Spaces, chosen: Sequence[tuple[str, str]], categories: pd.Series) -> pd.DataFrame:
    """Mean D_c by category for chosen pairs of spaces (Net2Vec, Figure 10 right), over concepts common to all spaces.

    Returns   one, other, category, mean (of D_c), typical (of the pairs with a concept of the category), concepts
    """
    shared, rows = restricted(spaces), []
    for one, other in chosen:
        by_concept = distance_by_concept(shared[one], shared[other])
        for category, values in by_concept.groupby(categories.reindex(by_concept.index), sort=False):
            mean = float(values.mean())
            root = float(np.sqrt(mean / (len(by_concept) - 1)))
            named = {"one": one, "other": other, "category": str(category)}
            rows.append(named | {"mean": mean, "typical": root, "concepts": len(values)})
    return pd.DataFrame(rows)


def nearer(first: pd.DataFrame, second: pd.DataFrame, others: Spaces, seed: int = 0) -> pd.DataFrame:
    """Which of two spaces is nearer to each of some others, over the concepts common to all of them.

    Returns   to, gap (mean over concepts of D_c of the first minus D_c of the second: positive where the second is
              nearer) with low and high, its 95% bootstrap interval over concepts, correlation first and second
    """
    shared = restricted({"": first, " ": second, **others})
    rows = []
    for name in others:
        first, second, other = shared[""], shared[" "], shared[name]
        gap = (distance_by_concept(first, other) - distance_by_concept(second, other)).to_numpy()
        low, high = bootstrap_mean(gap, seed)
        r = {"correlation, first": correlation(first, other), "correlation, second": correlation(second, other)}
        rows.append({"to": name, "gap": gap.mean(), "low": low, "high": high} | r)
    return pd.DataFrame(rows)
