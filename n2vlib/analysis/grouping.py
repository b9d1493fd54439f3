"""Concepts in groups and on a plane: k-means and t-SNE of scikit-learn, with fixed seeds (Net2Vec 5.3)."""

from collections.abc import Mapping
from itertools import product

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.manifold import TSNE
from sklearn.metrics import adjusted_rand_score

from n2vlib.analysis.embeddings import similarity

_DIGITS = 6  # of the cosines for t-SNE, so that the last bits do not change a picture


def clusters(space: pd.DataFrame, k: int, seed: int, starts: int = 10) -> pd.Series:
    """k-means on the unit rows, best of `starts`: (concept,), clusters numbered from 1, the largest first.

    Between unit vectors |a - b|^2 = 2 - 2 cos(a, b), so near means a large cosine.
    """
    model = KMeans(min(k, len(space)), random_state=seed)
    found = model.set_params(n_init=starts).fit_predict(space.to_numpy(float))
    order = pd.Series(found).value_counts(sort=False)
    first = {label: int(np.flatnonzero(found == label)[0]) for label in order.index}
    ranked = sorted(order.index, key=lambda label: (-order[label], first[label]))
    return pd.Series([ranked.index(label) + 1 for label in found], index=space.index, name="cluster")


def plane(space: pd.DataFrame, seed: int, perplexity: float = 15.0) -> pd.DataFrame:
    """Two-dimensional t-SNE of the distances 1 - cosine: x and y by concept, one decimal.

    perplexity   about how many neighbours count; lowered for few concepts
    """
    if len(space) < 4:
        flat = {"x": np.arange(len(space), dtype=float), "y": 0.0}
        return pd.DataFrame(flat, index=space.index)
    apart = np.clip(1 - similarity(space).round(_DIGITS).to_numpy(), 0, 2)
    np.fill_diagonal(apart, 0)
    model = TSNE(
        2, perplexity=min(perplexity, (len(space) - 1) / 3), metric="precomputed", init="random", method="exact",
        learning_rate="auto", random_state=seed,
    )  # fmt: skip
    at = model.fit_transform(apart)
    return pd.DataFrame(np.round(at.astype(float), 1), index=space.index, columns=["x", "y"])


def rand_index(found: pd.Series, groups: pd.Series) -> float:
    """Adjusted Rand index of clusters and given groups over the concepts that have both: 0 by chance, 1 if equal."""
    both = found.index.intersection(groups.dropna().index)
    return float(adjusted_rand_score(groups.loc[both], found.loc[both]))


def rand_index_if_shuffled(
    found: pd.Series, groups: pd.Series, seed: int, draws: int = 200, confidence: float = 0.95
) -> tuple[float, float]:
    """Range that contains a share `confidence` of the adjusted Rand indices when the groups are permuted."""
    both = found.index.intersection(groups.dropna().index)
    rng, ours, given = np.random.default_rng(seed), found.loc[both], groups.loc[both].to_numpy()
    values = [adjusted_rand_score(rng.permutation(given), ours) for _ in range(draws)]
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def agreement(found: Mapping[str, pd.Series], groupings: Mapping[str, pd.Series], seed: int) -> pd.DataFrame:
    """`rand_index` of each clustering with each grouping, and its range for shuffled groups.

    Returns   task (the clustering's name), grouping, adjusted Rand, shuffled low, shuffled high, concepts
    """
    rows = []
    for (task, labels), (what, groups) in product(found.items(), groupings.items()):
        both = labels.index.intersection(groups.dropna().index)
        if len(both) < 3:
            continue
        low, high = rand_index_if_shuffled(labels, groups, seed)
        values = {"adjusted Rand": rand_index(labels, groups), "shuffled low": low, "shuffled high": high}
        rows.append({"task": task, "grouping": what} | values | {"concepts": len(both)})
    return pd.DataFrame(rows)


def purity(found: pd.Series, groups: pd.Series, names: pd.Series | None = None) -> pd.DataFrame:
    """One row per cluster: cluster, concepts (how many), most are (of which group), share (of it), members (names)."""
    table = pd.DataFrame({"cluster": found, "group": groups.reindex(found.index)})
    rows = []
    for cluster, members in table.groupby("cluster"):
        counts = members["group"].value_counts()
        first = counts.index[0] if len(counts) else None
        share = counts.iloc[0] / len(members) if len(counts) else np.nan
        row = {"cluster": cluster, "concepts": len(members), "most are": first, "share": share}
        rows.append(row if names is None else row | {"members": ", ".join(names.loc[members.index].astype(str))})
    return pd.DataFrame(rows)
