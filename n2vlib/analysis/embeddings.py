"""Concept vectors as a space: nearest concepts, and distances between two spaces (Net2Vec 5.3).

A space is a table (concept number, dimension) whose rows have length one. `Alignment.unit_weights()` is one; each file
of `n2vlib.spaces` makes another. Two spaces may have different dimensions: they are compared by the cosines between
their concepts.

    found = embeddings.neighbours(space, n=5)
    embeddings.distance(segmentation_space, classification_space)
"""

from collections.abc import Mapping
from functools import reduce

import numpy as np
import pandas as pd

from n2vlib.errors import BadInput
from n2vlib.methods.alignment import Alignment, unit
from n2vlib.tables import bootstrap_mean

Spaces = Mapping[str, pd.DataFrame]


def without_start(found: Alignment) -> pd.DataFrame:
    """Unit vectors of what was learned: the final weights minus the random initial ones.

    Directions without a gradient keep their random initial weights, which make two concepts differ at random.
    """
    if found.start is None:
        raise BadInput("without_start: nothing was learned here, so there is no start to take away")
    return unit(found.weights - found.start)


def similarity(space: pd.DataFrame) -> pd.DataFrame:
    """d(W) = W W^T, the cosine of every two concepts of a space of unit rows: (concept, concept)."""
    rows = space.to_numpy(float)
    return pd.DataFrame(rows @ rows.T, index=space.index, columns=space.index)


def neighbours(space: pd.DataFrame, n: int = 5) -> pd.DataFrame:
    """The `n` nearest concepts of every concept, by cosine, itself left out; the lower number first on a tie.

    Returns   concept, rank (from 1), neighbour, cosine
    """
    cosines = np.array(similarity(space))
    np.fill_diagonal(cosines, -np.inf)
    n = min(n, len(space) - 1)
    nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :n]
    return pd.DataFrame(
        {
            "concept": np.repeat(space.index.to_numpy(), n),
            "rank": np.tile(np.arange(1, n + 1), len(space)),
            "neighbour": space.index.to_numpy()[nearest].ravel(),
            "cosine": np.take_along_axis(cosines, nearest, axis=1).ravel(),
        }
    )


def of_neighbours(found: pd.DataFrame, relation: pd.DataFrame) -> pd.Series:
    """Mean relation of each concept to its neighbours, where both are in the relation.

    found      `neighbours`      relation   (concept, concept), a number for each pair: same category, co-occurrence
    Returns    (concept,); NaN where no neighbour is in the relation
    """
    queries, others = found["concept"].to_numpy(), found["neighbour"].to_numpy()
    values = relation.reindex(index=np.unique(queries), columns=np.unique(others))
    at = np.searchsorted(values.index.to_numpy(), queries), np.searchsorted(values.columns.to_numpy(), others)
    table = pd.DataFrame({"concept": queries, "value": values.to_numpy(float)[at]})
    return pd.Series(table.groupby("concept")["value"].mean())


def of_any(relation: pd.DataFrame) -> pd.Series:
    """Mean relation of each concept to all others: chance, with neighbours drawn at random."""
    values = np.array(relation, float)
    np.fill_diagonal(values, np.nan)
    return pd.Series(np.nanmean(values, axis=1), index=relation.index)


def same(groups: pd.Series) -> pd.DataFrame:
    """1 where two concepts are of one group, else 0: (concept, concept). groups: (concept,), a category or a parent."""
    values = groups.to_numpy()
    return pd.DataFrame((values[:, None] == values[None]).astype(float), index=groups.index, columns=groups.index)


def own_category(found: pd.DataFrame, categories: pd.Series) -> pd.DataFrame:
    """Share of the neighbours in the concept's own category: category, this run, any two, concepts."""
    known = np.unique(found["concept"].to_numpy())
    relation = same(categories.loc[known])
    shares = pd.DataFrame({"this run": of_neighbours(found, relation), "any two": of_any(relation)})
    groups = shares.assign(concepts=1).groupby(categories.loc[known].rename("category"))
    return groups.agg({"this run": "mean", "any two": "mean", "concepts": "sum"}).reset_index()


def relatedness(found: Mapping[str, pd.DataFrame], relations: Spaces, seed: int = 0) -> pd.DataFrame:
    """How the neighbours in each of two spaces relate to their concept, and any two concepts to each other.

    found       {name: `neighbours`}, two of them over the same concepts
    relations   {words: (concept, concept)}: 1 for the same category, cosines in another space, co-occurrence
    Returns     relation, one column for each space, any two, difference (first minus second) with low and high, its 95%
                bootstrap interval over concepts, and concepts (how many are in the relation)
    """
    (first, one), (second, other) = found.items()
    rows = []
    for words, relation in relations.items():
        both = pd.DataFrame({first: of_neighbours(one, relation), second: of_neighbours(other, relation)}).dropna()
        known = relation.index.intersection(both.index)
        gap = (both[first] - both[second]).to_numpy()
        low, high = bootstrap_mean(gap, seed)
        chance = of_any(relation.loc[known, known]).mean()
        means = {first: both[first].mean(), second: both[second].mean(), "any two": chance, "difference": gap.mean()}
        rows.append({"relation": words} | means | {"low": low, "high": high, "concepts": len(both)})
    return pd.DataFrame(rows)


def beside_published(
    found: Mapping[str, pd.DataFrame], paper: pd.DataFrame, queries: Mapping[str, int], names: Mapping[int, str]
) -> pd.DataFrame:
    """The neighbours of chosen concepts, the paper's and ours side by side, each as "name cosine" (Net2Vec, Table 2).

    found     {task: `neighbours`}      paper   query_concept, task, rank, neighbour, cosine
    queries   {the paper's name of a concept, or ours if the paper does not have it: its number}
    Returns   concept, rank, and for each task "<task>, published" and "<task>, this run"; empty where there is none
    """
    printed = {
        (row["query_concept"], row["task"], row["rank"]): f"{row['neighbour']} {row['cosine']:.2f}"
        for row in paper.to_dict("records")
    }
    ours = {
        (row["concept"], task, row["rank"]): f"{names[row['neighbour']]} {row['cosine']:.2f}"
        for task, rows in found.items()
        for row in rows.loc[rows["concept"].isin(list(queries.values()))].to_dict("records")
    }
    ranks = range(1, 1 + max((rank for _, _, rank in ours), default=0))
    return pd.DataFrame(
        {"concept": names[number], "rank": rank}
        | {f"{task}, published": printed.get((name, task, rank), "") for task in found}
        | {f"{task}, this run": ours.get((number, task, rank), "") for task in found}
        for name, number in queries.items()
        for rank in ranks
    )


def common(spaces: Spaces) -> pd.Index:
    """The concepts that every space has, ascending (Net2Vec's rule for Figure 10). BadInput if fewer than three."""
    index = reduce(pd.Index.intersection, [space.index for space in spaces.values()])
    if len(index) < 3:
        sizes = ", ".join(f"{name}: {len(space)}" for name, space in spaces.items())
        raise BadInput(f"spaces: fewer than three concepts are in all of them ({sizes})")
    return index.sort_values()


def restricted(spaces: Spaces) -> dict[str, pd.DataFrame]:
    """Every space restricted to the concepts that all of them have."""
    shared = common(spaces)
    return {name: space.loc[shared] for name, space in spaces.items()}


def distance(one: pd.DataFrame, other: pd.DataFrame) -> float:
    """D = ||d(W_i) - d(W_j)||_F^2 over the concepts that both have."""
    return float(distance_by_concept(one, other).sum())


def distance_by_concept(one: pd.DataFrame, other: pd.DataFrame) -> pd.Series:
    """D_c = ||d(W_i)_c - d(W_j)_c||^2, one row of the difference for each concept that both have; their sum is D."""
    first, second = restricted({"one": one, "other": other}).values()
    return ((similarity(first) - similarity(second)) ** 2).sum(axis=1)
