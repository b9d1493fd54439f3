"""Editing a network: filters whose description names a mark are cut out until validation says stop (MILAN, section 6).

order = edit.by_effect(validation, candidates)
points = edit.along(validation, {"wrong mark": test}, {"described": order[None]})
edit.stopped(points)                                 # the cut at which validation accuracy is highest
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.tables import bootstrap_mean
from n2vlib.words import ablated
from n2vlib.words.ablated import Answering

VALIDATION = "validation"


def by_effect(validation: Answering, filters: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """The filters, first the one without which alone most validation images are answered right; ties as given."""
    if not len(filters):
        raise BadInput("filters: no description names the word; give another word, or more filters")
    return np.asarray(filters, np.int64)[np.argsort(-validation.accuracy([[k] for k in filters]), kind="stable")]


def random_orders(validation: Answering, size: int, draws: int, seed: int) -> NDArray[np.int64]:
    """As many filters at random, each choice in the order of `by_effect`: (draw, size)."""
    shuffled = ablated.shuffles(np.arange(validation.n_filters), draws, seed)[:, :size]
    return np.stack([by_effect(validation, each) for each in shuffled])


def along(validation: Answering, tests: Mapping[str, Answering], ways: Mapping[str, NDArray[np.int64]]) -> pd.DataFrame:
    """Accuracies while filters are cut one after another.

    ways      {name: orders (order, filter)}
    Returns   way, order, n (filters cut, from 0), validation, and a column for each of tests
    """
    parts = []
    for way, orders in ways.items():
        counts = range(orders.shape[1] + 1)
        found = {
            name: ablated.along(each, orders, counts) for name, each in ({VALIDATION: validation} | {**tests}).items()
        }
        places = [(way, order, n) for order in range(len(orders)) for n in counts]
        table = pd.DataFrame(places, columns=["way", "order", "n"])
        parts.append(table.assign(**{name: values.ravel() for name, values in found.items()}))
    return pd.concat(parts, ignore_index=True)


def stopped(points: pd.DataFrame) -> pd.DataFrame:
    """Where validation says stop: of each way and order the cut with the highest validation accuracy, the first such.

    The best cut is kept, not the last one tried; cutting nothing is one of them.
    """
    best = points.groupby(["way", "order"], sort=False)[VALIDATION].idxmax()
    return points.loc[best].reset_index(drop=True)


def stops(validation: Answering, orders: NDArray[np.int64]) -> list[list[int]]:
    """Of each order the filters that are cut where validation says stop."""
    kept = stopped(along(validation, {}, {"": orders}))
    return [orders[order, :n].tolist() for order, n in kept[["order", "n"]].to_numpy()]


def gains(test: Answering, sets: Mapping[str, Sequence[Sequence[int]]], seed: int) -> pd.DataFrame:
    """What cuts gain on test images, beside the network with all its filters.

    sets      {way: one set of filters, or several whose gains are averaged}
    Returns   way, filters (set to zero, mean), accuracy, gain, low, high (95% bootstrap interval over images)
    """
    before, rows = test.right([[]])[0], []
    for way, each in sets.items():
        gained = test.right(each).mean(0) - before
        size = float(np.mean([len(filters) for filters in each]))
        rows.append((way, size, before.mean() + gained.mean(), gained.mean(), *bootstrap_mean(gained, seed)))
    return pd.DataFrame(rows, columns=["way", "filters", "accuracy", "gain", "low", "high"])


def ahead(
    test: Answering, one: Sequence[int], others: Sequence[Sequence[int]], seed: int
) -> tuple[float, float, float]:
    """By how much accuracy is higher without one set of filters than without others, on average.

    Returns   the difference, and its 95% bootstrap interval: over images, and over the other sets
    """
    rng = np.random.default_rng(seed)
    each = test.right([one])[0] - test.right(others).astype(float)  # (other, image)
    draws = [each[rng.integers(0, len(each), len(each))].mean(0) for _ in range(200)]
    means = np.concatenate([mean[rng.integers(0, each.shape[1], (10, each.shape[1]))].mean(1) for mean in draws])
    low, high = np.quantile(means, [0.025, 0.975])
    return float(each.mean()), float(low), float(high)
