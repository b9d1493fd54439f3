"""The tables of the papers from the scores of many concepts: DataFrame in, DataFrame out.

`scores` is the tidy table every method returns, one row per (probe, network, layer, task, method, n_filters, seed,
concept, split), with set_iou or dissection_iou (segmentation) or accuracy (classification). A concept without
validation images has no number there (NaN); it is left out as in the papers, and counted as dropped.
"""

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from n2vlib.display.style import methods
from n2vlib.errors import BadInput, near
from n2vlib.vocabulary import MEASURES, OF_TASK

_KEYS = ["layer", "task", "method", "n_filters", "concept", "name", "category", "split"]
CONCEPT = ["concept", "name", "category"]


def one_value(scores: pd.DataFrame, split: str, measure: str | None = None) -> pd.DataFrame:
    """The scores of one split, with the measure of each task in one column, `value`.

    Of every method the run with the most filters is kept; several seeds are averaged.
    measure   its column, a row of `vocabulary.MEASURES`; None: the measure of each task
    Returns   layer, task, method, concept, name, category, images (where given), value; NaN kept
    """
    need(scores, _KEYS)
    for column in ("probe", "network"):
        if column in scores and len(set(scores[column])) > 1:
            raise BadInput(f"scores: several values of {column!r}; select one, e.g. scores[scores[{column!r}] == ...]")
    rows = scores.loc[scores["split"] == split]
    if rows.empty:
        raise BadInput(f"scores: no row with split {split!r}; {near(split, list(map(str, set(scores['split']))))}")
    most = rows.groupby(["layer", "task", "method"], sort=False)["n_filters"].transform("max")
    rows = rows.loc[rows["n_filters"] == most]
    rows = rows.assign(value=_value(rows, measure))
    by = ["layer", "task", "method", *CONCEPT]
    keep = {"value": ("value", "mean")} | ({"images": ("images", "max")} if "images" in rows else {})
    return rows.groupby(by, sort=False, as_index=False, dropna=False).agg(**keep)


def by_concept(scores: pd.DataFrame, column: str = "set_iou", split: str = "val") -> pd.Series:
    """One column of one method's scores in one split, by concept number."""
    return scores.loc[scores["split"] == split].set_index("concept")[column]


def side_by_side(
    scores: pd.DataFrame, layer: str, task: str, split: str = "val", measure: str | None = None
) -> pd.DataFrame:
    """One row per concept, one column per method, where every method has a number.

    Returns   concept, name, category, images (where given), then the methods; `.attrs["dropped"]` counts the
              concepts without a number, which are left out
    """
    rows = one_value(scores, split, measure)
    _known(rows, "layer", layer)
    _known(rows, "task", task)
    rows = rows.loc[(rows["layer"] == layer) & (rows["task"] == task)]
    wide = rows.pivot(index=CONCEPT, columns="method", values="value")
    whole = wide.dropna().rename_axis(columns=None).reset_index()
    first = list(CONCEPT)
    if "images" in rows:
        whole["images"] = whole["concept"].map(dict(rows.groupby("concept")["images"].max()))
        first.append("images")
    whole = whole.loc[:, first + methods(rows["method"])]
    whole.attrs = {"dropped": len(wide) - len(whole), "layer": layer, "task": task, "split": split, "measure": measure}
    return whole


def by_category(
    scores: pd.DataFrame,
    split: str = "val",
    seed: int = 0,
    measure: str | None = None,
    resampled: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Mean score by task, layer, category and method (Net2Vec, Figure 2).

    resampled   `uncertainty.resample` of the same alignments and split
    Returns     task, layer, category, method, mean, standard_error (over the n concepts of the category), n, dropped
                (concepts without a number), low and high (95% bootstrap interval of the mean: over images where
                `resampled` is given, else over concepts)
    """
    rows = one_value(scores, split, measure)
    keys = ["task", "layer", "category", "method"]
    out: list[dict[str, object]] = []
    for values, group in rows.groupby(keys, sort=False):
        task, layer, category, method = map(str, values)  # type: ignore[misc]
        row: dict[str, object] = {"task": task, "layer": layer, "category": category, "method": method}
        row |= _mean(group["value"].to_numpy(), seed)
        if resampled is not None:
            draws = draws_of(resampled, layer, task, method)
            row["low"], row["high"] = draws.reindex(columns=group["concept"]).mean(axis=1).quantile([0.025, 0.975])
        out.append(row)
    means = pd.DataFrame(out)
    means.attrs = {"measure": measure}
    return means


def draws_of(resampled: pd.DataFrame, layer: str, task: str, method: str) -> pd.DataFrame:
    """One method's part of `uncertainty.resample`, of its run with the most filters: (draw, concept)."""
    level = resampled.columns.get_level_values
    same = (level("layer") == layer) & (level("task") == task) & (level("method") == method)
    most = level("n_filters") == level("n_filters").to_numpy()[same].max()
    return resampled.loc[:, same & most].droplevel(["layer", "task", "method", "n_filters"], axis=1)


def at_least_as_good(scores: pd.DataFrame, split: str = "val", seed: int = 0) -> pd.DataFrame:
    """Percent of concepts for which the combination scores at least as well as the single filter (Net2Vec, Table 1).

    Returns   task, layer, percent, low and high (95% bootstrap interval over concepts; resampling images would break
              ties, which count here), concepts, dropped
    """
    out = []
    measured = one_value(scores, split).loc[:, ["task", "layer"]].drop_duplicates()
    for task, layer in measured.sort_values("task", ascending=False, kind="stable").itertuples(index=False):
        wide = side_by_side(scores, layer, task, split)
        need(wide, ["single filter", "combination"])
        as_good = (wide["combination"] >= wide["single filter"]).to_numpy(float)
        low, high = bootstrap_mean(as_good, seed)
        percent = {"percent": 100 * _mean_or_nan(as_good), "low": 100 * low, "high": 100 * high}
        counts = {"concepts": len(wide), "dropped": wide.attrs["dropped"]}
        out.append({"task": task, "layer": layer} | percent | counts)
    return pd.DataFrame(out)


def beside_published(
    ours: pd.DataFrame,
    published: pd.DataFrame,
    ours_column: str = "percent",
    published_column: str = "percent_concepts_equal_or_better",
    aliases: dict[str, str] | None = None,
) -> pd.DataFrame:
    """published | this run | difference: the rows of ours, then those that only the paper has.

    aliases   {paper's layer name: our module name}; a layer the paper does not have keeps its own name
    Returns   task, layer, published, this run, difference, and low and high where ours has them
    """
    keys = ["task", "layer"]
    need(ours, [*keys, ours_column])
    need(published, [*keys, published_column])
    paper_name = {module: name for name, module in (aliases or {}).items()}
    interval = [column for column in ("low", "high") if column in ours]
    mine = ours.loc[:, [*keys, ours_column, *interval]].rename(columns={ours_column: "this run"})
    mine = mine.assign(layer=mine["layer"].map(lambda name: paper_name.get(name, name)))
    theirs = published.loc[:, [*keys, published_column]].rename(columns={published_column: "published"})
    both = mine.merge(theirs, on=keys, how="outer", sort=False, validate="one_to_one")
    order = pd.concat([mine[keys], theirs[keys]]).drop_duplicates()
    both = order.merge(both, on=keys, how="left")
    both = both.assign(difference=both["this run"] - both["published"])
    return both.loc[:, [*keys, "published", "this run", "difference", *interval]]


def best_filters(
    scores: pd.DataFrame, layer: str, task: str = "segmentation", split: str = "val", method: str = "single filter"
) -> pd.DataFrame:
    """The one filter chosen for each concept, best score first: concept, name, category, filter, value."""
    rows = scores.loc[(scores["method"] == method) & (scores["task"] == task) & (scores["split"] == split)]
    _known(rows, "layer", layer)
    rows = rows.loc[(rows["layer"] == layer) & rows["filter"].notna()]
    rows = rows.assign(value=_value(rows), filter=rows["filter"].astype(int))
    keep = rows.loc[:, [*CONCEPT, "filter", "value"]]
    return keep.sort_values(["value", "concept"], ascending=[False, True]).reset_index(drop=True)


def concepts_per_filter(chosen: pd.DataFrame) -> pd.DataFrame:
    """For how many concepts each filter of `best_filters` is the best one: filter, concepts, names; most first."""
    groups = chosen.groupby("filter", as_index=False)
    counts = groups.agg(concepts=("concept", "nunique"), names=("name", ", ".join))
    return counts.sort_values(["concepts", "filter"], ascending=[False, True]).reset_index(drop=True)


def detectors(scores: pd.DataFrame, iou_threshold: float = 0.04) -> pd.DataFrame:
    """Filters whose best concept has a dissection IoU above `iou_threshold` (Network Dissection): one row per filter.

    scores    rows (layer, filter, concept) with dissection_iou; a filter counts once, for its best concept among
              the rows given, the lower concept number on a tie
    """
    need(scores, [*CONCEPT, "layer", "filter", "dissection_iou"])
    rows = scores.loc[scores["dissection_iou"] > iou_threshold].sort_values(
        ["dissection_iou", "concept"], ascending=[False, True]
    )
    first = rows.drop_duplicates([*_present(rows), "filter"])
    return first.assign(filter=first["filter"].astype(int)).reset_index(drop=True)


def unique_detectors(found: pd.DataFrame) -> pd.DataFrame:
    """Detectors and unique detectors (distinct concepts) of `detectors`, by layer and category."""
    by = [*_present(found), "category"]
    return found.groupby(by, sort=False, as_index=False).agg(
        detectors=("filter", "size"), unique_detectors=("concept", "nunique")
    )


def bootstrap_mean(values: np.ndarray, seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95% percentile bootstrap interval of the mean of `values`, drawn with replacement `draws` times.

    The same seed draws the same rows, so two methods measured on the same concepts are resampled together.
    """
    values = np.asarray(values, float)
    if not len(values):
        return np.nan, np.nan
    drawn = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), [0.025, 0.975])
    return float(low), float(high)


def half_width(values: np.ndarray, confidence: float = 0.95) -> float:
    """Half the interval of the mean over a few draws (rotations), by Student's t; NaN with fewer than two draws.

    values   (draw,), or (draw, image) where an interval over images stands beside it. The chance of single images in
             single draws, the residual of both means, belongs to that one and is taken off here (two-way analysis of
             variance), down to 0.
    """
    values = np.asarray(values, float)
    n = len(values)
    if n < 2:
        return np.nan
    means = values.reshape(n, -1).mean(axis=1)
    variance = means.var(ddof=1)
    if values.ndim > 1:
        images = values.shape[1]
        residual = values - means[:, None] - values.mean(axis=0) + values.mean()
        variance = max(0.0, variance - (residual**2).sum() / ((n - 1) * max(images - 1, 1) * images))
    return float(stdtrit(n - 1, (1 + confidence) / 2) * np.sqrt(variance / n))


def widened(value: float, low: float, high: float, half: float) -> tuple[float, float]:
    """An interval with a second, independent source of chance in it, whose own half-width is `half`.

    Squared half-widths add up on either side (MOVER: Zou and Donner 2008).
    """
    return value - float(np.hypot(value - low, half)), value + float(np.hypot(high - value, half))


def rank_correlation(x: pd.Series | np.ndarray, y: pd.Series | np.ndarray) -> float:
    """Spearman's rank correlation over the rows that both have; NaN if either is constant there."""
    return float(pd.DataFrame({"x": x, "y": y}).corr("spearman").loc["x", "y"])


def in_groups(values: pd.Series, names: list[str]) -> pd.Series:
    """The group of each value, groups of equal size, low to high; "all" where too many values are equal to split."""
    edges = values.quantile(np.linspace(0, 1, len(names) + 1))
    return pd.Series(pd.qcut(values, len(names), labels=names) if edges.is_unique else "all", values.index)


def stacked(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """The tables concatenated; an empty one with these columns if there are none."""
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def need(table: pd.DataFrame, columns: list[str]) -> None:
    """BadInput when a column is missing."""
    missing = [column for column in columns if column not in table]
    if missing:
        known = list(map(str, table.columns))
        raise BadInput(f"table: no column {missing[0]!r}; {near(missing[0], known)}")


def _mean(values: np.ndarray, seed: int) -> dict[str, float]:
    known = values[~np.isnan(values)]
    n = len(known)
    low, high = bootstrap_mean(known, seed)
    error = known.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    counts = {"n": n, "dropped": len(values) - n}
    return {"mean": _mean_or_nan(known), "standard_error": error, **counts, "low": low, "high": high}


def _mean_or_nan(known: np.ndarray) -> float:
    return float(known.mean()) if len(known) else np.nan


def _value(rows: pd.DataFrame, measure: str | None = None) -> pd.Series:
    """The measure of each row's task, or the one that is asked for."""
    if measure and measure not in MEASURES:
        raise BadInput(f"measure: n2vlib/vocabulary.py has no {measure!r}; {near(measure, list(MEASURES))}")
    value = pd.Series(np.nan, index=rows.index)
    for task in rows["task"].unique():
        column = measure or (OF_TASK[task].column if task in OF_TASK else str(task))
        need(rows, [column])
        value = value.mask(rows["task"] == task, rows[column].astype(float))
    return value


def _known(rows: pd.DataFrame, column: str, wanted: str) -> None:
    known = sorted(map(str, set(rows[column])))
    if wanted not in known:
        raise BadInput(f"scores: no row with {column} {wanted!r}; {near(wanted, known)}")


def _present(table: pd.DataFrame) -> list[str]:
    return [column for column in ("probe", "network", "layer") if column in table]
