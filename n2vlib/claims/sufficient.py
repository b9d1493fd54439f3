"""Are filters sufficient? The claims of Net2Vec 4.1: means, shares of concepts, depth, numbers of filters, failures."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from n2vlib.analysis.expressions import probability_above
from n2vlib.claims.claim import Effect, Measures, of_draws
from n2vlib.claims.measured import Measured
from n2vlib.vocabulary import OF_TASK, TASKS

FILTERS_OF_THE_PAPER = 256  # of AlexNet's conv5: the paper's F as a share of the layer's filters
FAINT = 0.005  # set IoU of a single filter below which ratios to it are ignored; the released notebooks' rule
NEARLY = 95.0  # percent of the best F's score above chance: near optimal
FEWEST = 5  # failures below which no claim about them is decided; our rule


def by_category(values: pd.DataFrame, m: Measured) -> pd.DataFrame:
    """Mean over the concepts of each category, (row, concept) to (row, category)."""
    category = m.category(values.columns).to_numpy()
    return pd.DataFrame({c: values.loc[:, category == c].mean(axis=1) for c in pd.unique(category)})


def ahead_everywhere(m: Measured, task: str) -> Effect:
    """The smallest difference of the two methods' means, over all layers and categories."""
    gains = {}
    for layer in m.layers:
        one, many = m.both(layer, task)
        gains[layer] = by_category(many - one, m)
    cells = pd.concat(gains, axis=1)
    layer, category = cells.iloc[0].idxmin()
    note = f"ahead in {(cells.iloc[0] > 0).sum()} of {cells.shape[1]} means; least for {category} in {layer}"
    return of_draws(100 * cells.min(axis=1), note)


def at_least_as_good(m: Measured, task: str, at: int) -> Effect | None:
    """Percent of the concepts of one layer for which the combination scores at least as well as the single filter."""
    if at >= len(m.layers):
        return None
    return of_draws(100 * _compared(m, m.layers[at], task), m.layers[at])


def losing(m: Measured) -> Effect:
    """Percent of concepts for which the combination is worse, mean over layers and tasks."""
    shares = [100 * _compared(m, layer, task) for layer in m.layers for task in TASKS]
    return of_draws(100 - pd.concat(shares, axis=1).mean(axis=1))


def several_filters(m: Measured) -> Effect:
    """Percent of concepts for which the combination is better than the single filter, mean over layers and tasks."""
    shares = [100 * _compared(m, layer, task, strictly=True) for layer in m.layers for task in TASKS]
    return of_draws(pd.concat(shares, axis=1).mean(axis=1), f"{len(m.layers)} layers, both tasks")


def color_gain(m: Measured) -> Effect | None:
    """The largest ratio of combination to single filter among the colors of all layers."""
    ratios = {}
    for layer in m.layers:
        one, many = m.both(layer, "segmentation")
        colors = one.columns[(m.category(one.columns) == "color") & (one.iloc[0] > FAINT).to_numpy()]
        ratios[layer] = many[colors] / one[colors].where(one[colors] > 0)
    cells = pd.concat(ratios, axis=1)
    if cells.empty:
        return None
    layer, concept = cells.iloc[0].idxmax()
    return of_draws(cells[(layer, concept)], f"{m.concepts.loc[concept, 'name']} in {layer}")


def with_depth(m: Measured, task: str, colors: bool) -> Effect | None:
    """Mean score of the combination in the deepest layer minus the first: colors, or all other categories."""
    if len(m.layers) < 2:
        return None
    first, last = (by_category(m.both(layer, task)[1], m) for layer in (m.layers[0], m.layers[-1]))
    rise = last - first
    rise = rise.loc[:, (rise.columns == "color") == colors]
    return of_draws(100 * rise.mean(axis=1), f"{m.layers[0]} to {m.layers[-1]}") if rise.shape[1] else None


def tasks_alike(m: Measured) -> Effect | None:
    """Correlation of the categories' means in the two tasks, minus each layer's own mean."""
    pairs = []
    for layer in m.layers:
        one, two = (by_category(m.both(layer, task)[1], m) for task in TASKS)
        shared = one.columns.intersection(two.columns)
        if len(shared) < 3:
            return None
        pairs.append([each[shared].sub(each[shared].mean(axis=1), axis=0).to_numpy() for each in (one, two)])
    x, y = (np.concatenate([pair[i] for pair in pairs], axis=1) for i in (0, 1))
    r = (x * y).sum(axis=1) / np.sqrt((x**2).sum(axis=1) * (y**2).sum(axis=1))
    return of_draws(r, f"{x.shape[1]} means of categories")


def peak(m: Measured, category: str) -> Effect | None:
    """The number of filters with the highest mean set IoU, in percent of the layer's filters."""
    curve = _curve(m, "segmentation", category)
    return None if curve is None else of_draws(100 * curve.idxmax(axis=1) / m.filters, f"of {m.filters} filters")


def colors_need_more(m: Measured) -> Effect | None:
    """Number of filters at the peak: colors over the geometric mean of the other categories."""
    curves = {c: _curve(m, "segmentation", c) for c in ("color", "material", "part", "object")}
    peaks = {c: np.log(curve.idxmax(axis=1).astype(float)) for c, curve in curves.items() if curve is not None}
    if "color" not in peaks or len(peaks) < 2:
        return None
    others = sum(value for c, value in peaks.items() if c != "color") / (len(peaks) - 1)
    return of_draws(np.exp(peaks["color"] - others))


def saturated(m: Measured, filters: int, category: str | None = None) -> Effect | None:
    """How near accuracy with this many of the paper's 256 filters is to that with the best F.

    For one category, percent of the best F's accuracy above chance; without one, percent of the categories that reach
    `NEARLY`. Between two measured sizes the curve is interpolated linearly in log F.
    """
    if "classification" not in m.fewer:
        return None
    shares, wanted = [], filters * m.filters / FILTERS_OF_THE_PAPER
    for c in [category] if category else m.category(m.fewer["classification"].columns.unique("concept")).unique():
        curve = _curve(m, "classification", c)
        if curve is None:
            continue
        above = curve - OF_TASK["classification"].chance
        there = [np.interp(np.log(wanted), np.log(list(above)), row) for row in above.to_numpy()]
        shares.append(100 * pd.Series(there, above.index) / above.max(axis=1))
    if not shares:
        return None
    table = pd.concat(shares, axis=1)
    found = table.iloc[:, 0] if category else 100 * (table >= NEARLY).mean(axis=1)
    return of_draws(found, f"{wanted:.3g} of {m.filters} filters")


def falls(m: Measured, category: str) -> Effect | None:
    """Mean set IoU at the peak minus that with all filters.

    The peak is found on every second concept and the fall measured on the others, both ways, because the maximum of a
    noisy curve is above its end even where the curve is flat.
    """
    if "segmentation" not in m.fewer:
        return None
    runs = m.fewer["segmentation"]
    concepts = runs.columns.unique("concept")
    concepts = concepts[(m.category(concepts) == category).to_numpy()]
    if len(concepts) < 2:
        return None
    halves = [_means(runs, concepts[i::2]) for i in (0, 1)]
    drops = [_at_peak_of(one, other) - other[max(other)] for one, other in (halves, halves[::-1])]
    return of_draws(100 * (drops[0] + drops[1]) / 2, f"{len(concepts)} concepts")


def failures(m: Measured, task: str, what: str) -> Effect | None:
    """Probability that a concept for which the combination loses has less of `what` than one for which it does not.

    With fewer than five such concepts the interval is 0 to 1.
    """
    one, many = m.both(m.layers[-1], task)
    amount = m.concepts.loc[one.columns, what].to_numpy(float)
    lost, known = (many < one).to_numpy(), (many.notna() & one.notna() & np.isfinite(amount)).to_numpy()
    found = [probability_above(amount[~row & ok], amount[row & ok]) for row, ok in zip(lost, known, strict=True)]
    count = (lost[0] & known[0]).sum()
    effect = of_draws(found, f"{count} of {known[0].sum()} concepts lose")
    return effect if count >= FEWEST else effect._replace(low=0.0, high=1.0, note=f"{effect.note}: too few to decide")


def _compared(m: Measured, layer: str, task: str, strictly: bool = False) -> pd.Series:
    """Share of the concepts for which the combination scores at least as well as the single filter, or better."""
    one, many = m.both(layer, task)
    return (many > one if strictly else many >= one).where(one.notna() & many.notna()).astype(float).mean(axis=1)


def _curve(m: Measured, task: str, category: str) -> pd.DataFrame | None:
    """Mean over the concepts of a category by number of filters, (row, n_filters); None where there is none."""
    if task not in m.fewer:
        return None
    runs = m.fewer[task]
    concepts = runs.columns.unique("concept")
    concepts = list(concepts[(m.category(concepts) == category).to_numpy()])
    return _means(runs, concepts).dropna(how="all") if concepts else None


def _means(runs: pd.DataFrame, concepts: Sequence[int]) -> pd.DataFrame:
    """Mean over these concepts, (row; n_filters, concept) to (row, n_filters)."""
    sizes, known = (runs.columns.get_level_values(level) for level in ("n_filters", "concept"))
    kept = known.isin(list(concepts))
    return pd.DataFrame({size: runs.loc[:, kept & (sizes == size)].mean(axis=1) for size in sorted(set(sizes[kept]))})


def _at_peak_of(one: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """Row by row the value of `other` at the column where `one` is largest."""
    at = other.columns.get_indexer(one.fillna(-1).idxmax(axis=1))
    return pd.Series(other.to_numpy()[np.arange(len(other)), at])


MEASURES: Measures = {
    **{f"means-{task}": partial(ahead_everywhere, task=task) for task in TASKS},
    **{f"table-1-{task}-{i + 1}": partial(at_least_as_good, task=task, at=i) for task in TASKS for i in range(5)},
    "several-filters": several_filters,
    "losing": losing,
    "fourfold": color_gain,
    **{f"depth-{task}": partial(with_depth, task=task, colors=False) for task in TASKS},
    **{f"depth-color-{task}": partial(with_depth, task=task, colors=True) for task in TASKS},
    "tasks-alike": tasks_alike,
    **{f"peak-{category}": partial(peak, category=category) for category in ("material", "part", "object")},
    "peak-color": colors_need_more,
    "saturation": partial(saturated, filters=50),
    "saturation-scene": partial(saturated, filters=15, category="scene"),
    "fall-material": partial(falls, category="material"),
    "fall-part": partial(falls, category="part"),
    "failures-few": partial(failures, task="segmentation", what="training"),
    "failures-small": partial(failures, task="segmentation", what="area"),
    "failures-few-classification": partial(failures, task="classification", what="training"),
}
