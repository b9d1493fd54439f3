"""The best filter of each concept, how many concepts each filter serves, and chance (Net2Vec 4.2).

chosen = sharing.strongest_filters(found)       one row per concept: its best filter
served = sharing.concepts_served(chosen)        one row per filter: for how many concepts it is the best
shares = sharing.in_bins(served)                one row per bin of the paper's Figure 5
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.methods.alignment import Alignment
from n2vlib.tables import CONCEPT, need, stacked

BINS = ("0", "1", "2-5", "6-10", "11-20", "21-30", ">30")  # concepts, as on the axis of Figure 5
_LAST = (0, 1, 5, 10, 20, 30)  # the largest number in each bin but the last
_WHERE = ["task", "layer", "n_filters"]


def strongest_filters(found: Alignment) -> pd.DataFrame:
    """The filter with the largest |w_k| of every concept that has validation images (Net2Vec 4.2).

    found     of one layer. Of one-hot embeddings it is the best single filter (argmax of the training set IoU); of
              classification weights over all filters it is the paper's best filter for that task
    Returns   task, layer, n_filters (of the layer), concept, name, category, filter
    """
    rows = found.scores.loc[(found.scores["split"] == "val") & (found.scores["images"] > 0)]
    weights = np.abs(found.weights.loc[rows["concept"]].to_numpy())
    strongest = weights.argmax(axis=1) if len(rows) else np.empty(0, np.int64)
    chosen = rows.loc[:, ["task", "layer", *CONCEPT]].assign(filter=strongest)
    chosen.insert(2, "n_filters", weights.shape[1])
    return chosen.reset_index(drop=True)


def concepts_served(chosen: pd.DataFrame) -> pd.DataFrame:
    """For how many concepts each filter is the best one, filters that are never chosen included.

    chosen    `strongest_filters`, of any number of layers and tasks
    Returns   task, layer, filter, concepts
    """
    parts = []
    for (task, layer, n_filters), filters in _groups(chosen):
        counts = np.bincount(filters, minlength=n_filters)
        parts.append(pd.DataFrame({"task": task, "layer": layer, "filter": range(n_filters), "concepts": counts}))
    return stacked(parts, ["task", "layer", "filter", "concepts"])


def in_bins(served: pd.DataFrame) -> pd.DataFrame:
    """Share of filters in each bin of Figure 5: task, layer, concepts (the bin), filters, share."""
    need(served, ["task", "layer", "concepts"])
    parts = []
    for (task, layer), rows in served.groupby(["task", "layer"], sort=False):  # type: ignore[misc]
        filters = _histogram(rows["concepts"].to_numpy()[None])[0]
        bins = {"concepts": BINS, "filters": filters, "share": filters / len(rows)}
        parts.append(pd.DataFrame({"task": task, "layer": layer, **bins}))
    return stacked(parts, ["task", "layer", "concepts", "filters", "share"])


def if_at_random(chosen: pd.DataFrame, draws: int = 1000, seed: int = 0, confidence: float = 0.95) -> pd.DataFrame:
    """`in_bins` if each concept drew its filter at random: mean share over `draws`; low and high: `confidence`."""
    parts = []
    for (task, layer, n_filters), filters in _groups(chosen):
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(len(filters), np.full(n_filters, 1 / n_filters), size=draws)
        shares = _histogram(drawn) / n_filters
        low, high = np.quantile(shares, [(1 - confidence) / 2, (1 + confidence) / 2], axis=0)
        bins = {"concepts": BINS, "share": shares.mean(axis=0), "low": low, "high": high}
        parts.append(pd.DataFrame({"task": task, "layer": layer, **bins}))
    return stacked(parts, ["task", "layer", "concepts", "share", "low", "high"])


def summary(served: pd.DataFrame) -> pd.DataFrame:
    """By task and layer: filters, concepts, concepts_per_filter, never (share of filters not chosen), most (concepts).

    never_at_random   expected share never chosen if each of C concepts drew one of K filters at random: (1 - 1/K)^C
    """
    found = served.groupby(["task", "layer"], sort=False, as_index=False).agg(
        filters=("concepts", "size"),
        concepts=("concepts", "sum"),
        concepts_per_filter=("concepts", "mean"),
        never=("concepts", lambda counts: (counts == 0).mean()),
        most=("concepts", "max"),
    )
    return found.assign(never_at_random=(1 - 1 / found["filters"]) ** found["concepts"])


def busy(served: pd.DataFrame, least: dict[str, float]) -> pd.DataFrame:
    """Share of filters that serve at least `least[task]` concepts: task, layer, at_least, share."""
    need(served, ["task", "layer", "concepts"])
    if not set(served["task"]) <= set(least):
        raise BadInput(f"least: one for each task of {sorted(set(served['task']))}, not {sorted(least)}")
    at_least = np.array([least[task] for task in served["task"]])
    rows = served.assign(at_least=at_least, share=served["concepts"].to_numpy() >= at_least)
    return rows.groupby(["task", "layer", "at_least"], sort=False).agg(share=("share", "mean")).reset_index()


def same_category(chosen: pd.DataFrame) -> pd.DataFrame:
    """How often concepts that share their best filter are of one category, compared with any two concepts.

    Returns   task, layer, pairs (of concepts with the same best filter), same (share of them within a category),
              any_two (that share among all pairs of concepts); NaN where no two concepts share a filter
    """
    out = []
    for (task, layer, _), rows in chosen.groupby(_WHERE, sort=False):  # type: ignore[misc]
        pairs, every = _pairs(rows, ["filter"]), len(rows) * (len(rows) - 1) // 2
        same = _pairs(rows, ["filter", "category"]) / pairs if pairs else np.nan
        any_two = _pairs(rows, ["category"]) / every if every else np.nan
        out.append({"task": task, "layer": layer, "pairs": pairs, "same": same, "any_two": any_two})
    return pd.DataFrame(out, columns=["task", "layer", "pairs", "same", "any_two"])


def most_shared(best: pd.DataFrame, concepts: int = 3) -> pd.DataFrame:
    """The concepts of one category that share their best filter and are segmented best by it (Net2Vec, Figure 4).

    best      concept, name, category, filter, value (the filter's set IoU), as `tables.best_filters` returns them
    concepts  how many of the group are kept, best first; a smaller group is taken only if there is none of that size
    Of the largest groups, the one whose worst member has the largest value.
    """
    need(best, [*CONCEPT, "filter", "value"])
    kept = best.sort_values(["value", "concept"], ascending=[False, True])
    kept = kept.groupby(["category", "filter"], sort=False).head(concepts)
    groups = kept.groupby(["category", "filter"], sort=False, as_index=False)
    sized = groups.agg(size=("value", "size"), worst=("value", "min"))
    if sized.empty:
        raise BadInput("best: no concept has a best filter here")
    first = sized.sort_values(["size", "worst"], ascending=[False, False], kind="stable").iloc[0]
    same = (kept["category"] == first["category"]) & (kept["filter"] == first["filter"])
    return kept.loc[same].reset_index(drop=True)


def best_of_categories(found: Alignment, count: int) -> pd.DataFrame:
    """`count` pairs of a filter and the concept it segments best on training images: the best pair of each category in
    turn, then the second best of each; no filter and no concept twice.

    found     of the method that chooses one filter for each concept
    Returns   concept, name, category, filter, set_iou
    """
    rows = found.scores.loc[found.scores["split"] == "train", [*CONCEPT, "filter", "set_iou"]]
    rows = rows.sort_values(["set_iou", "concept"], ascending=[False, True]).drop_duplicates("filter")
    rows = rows.assign(place=rows.groupby("category").cumcount())
    in_turn = rows.sort_values(["place", "set_iou"], ascending=[True, False], kind="stable")
    return in_turn.drop(columns="place").head(count).reset_index(drop=True)


def _groups(chosen: pd.DataFrame) -> Iterator[tuple[tuple, NDArray[np.int64]]]:
    """The best filters of each (task, layer, number of filters of the layer)."""
    need(chosen, [*_WHERE, "filter"])
    for where, rows in chosen.groupby(_WHERE, sort=False):
        yield tuple(where), rows["filter"].to_numpy(np.int64)  # type: ignore[arg-type]


def _histogram(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many filters of each row fall into each bin: (row, filter) to (row, bin)."""
    bins = np.searchsorted(_LAST, counts, side="left")
    return np.stack([(bins == i).sum(axis=1) for i in range(len(BINS))], axis=1)


def _pairs(rows: pd.DataFrame, by: list[str]) -> int:
    """Pairs of rows that agree in all the columns `by`."""
    sizes = rows.value_counts(by, sort=False).to_numpy()
    return int((sizes * (sizes - 1) // 2).sum())
