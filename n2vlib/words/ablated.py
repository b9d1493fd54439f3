"""Filters cut out (set to zero) in an order, and what a network still answers (MILAN, sections 4 and 6).

    whole = ablated.of_layer(layer, known)
    whole.accuracy([[], [3], [3, 8]])                      # (set,)
    ablated.falls(whole, {"words": order}, ablated.steps(128), draws=50, seed=0)

The layer is the one that the network's linear head reads (`classifier.Head`): then a cut is one small product of
matrices, and thousands of cuts are answered without running the network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.compositional.classifier import Classes, Head, answers, head, pooled
from n2vlib.errors import BadInput
from n2vlib.words.audit import interval

RANDOM = "random"


@dataclass(frozen=True)
class Answering:
    """A network's answers to some images, with filters of one layer at zero.

    head      of the network on this layer      pooled   {"mean", "max"}: float32 (image, filter)
    outputs   of which the highest is the answer
    truth     int64, (image,): which of them is right
    """

    head: Head
    pooled: Mapping[str, NDArray[np.float32]]
    outputs: slice
    truth: NDArray[np.int64]

    @property
    def n_filters(self) -> int:
        return next(iter(self.head.weights.values())).shape[1]

    @cached_property
    def scores(self) -> NDArray[np.float32]:
        """Of the whole network, (image, output)."""
        return self.head.scores(dict(self.pooled))[:, self.outputs]

    def right(self, sets: Sequence[Sequence[int]]) -> NDArray[np.bool_]:
        """Whether the answer is right with the filters of each set at zero: (set, image)."""
        return np.stack([self._without(list(filters)).argmax(1) == self.truth for filters in sets])

    def accuracy(self, sets: Sequence[Sequence[int]]) -> NDArray[np.float64]:
        """Share of the images answered right with each set at zero: (set,)."""
        return self.right(sets).mean(1)

    def _without(self, filters: list[int]) -> NDArray[np.float32]:
        left = self.scores.copy()
        for name, weights in self.head.weights.items():
            left -= self.pooled[name][:, filters] @ weights[self.outputs, filters].T
        return left


def of_layer(layer: Layer, known: Classes) -> Answering:
    """What the layer's network answers to the images of its probe set that show exactly one of the classes.

    Raises BadInput where the network's scores are not linear in the means and maxima of this layer.
    """
    answered = answers(layer, known)
    truth = np.array([known.concept.tolist().index(concept) for concept in answered.truth.tolist()], np.int64)
    own = {name: values[answered.inputs] for name, values in pooled(layer).items()}
    return Answering(linear(head(layer), layer.name), own, known.outputs, truth)


def linear(found: Head | None, layer: str) -> Head:
    """The head, where there is one; else BadInput that names the layer."""
    if found is None:
        raise BadInput(f"layer {layer}: the network reads it through more than a linear head; take its last layer")
    return found


def steps(n_filters: int, most: float = 0.18, step: float = 0.02) -> list[int]:
    """How many filters are cut: none, then the paper's shares of them, 2 to 18 percent; each number once."""
    shares = np.arange(0, most + step / 2, step)
    return sorted({round(share * n_filters) for share in shares})


def ranked(values: pd.Series, seed: int) -> NDArray[np.int64]:
    """The filters (the index of values) in order, the highest value first; ties at random, not by number."""
    order = np.random.default_rng(seed).permutation(len(values))
    by_value = np.argsort(-values.to_numpy(float)[order], kind="stable")
    return values.index.to_numpy(np.int64)[order[by_value]]


def shuffles(filters: Sequence[int] | NDArray[np.int64], draws: int, seed: int) -> NDArray[np.int64]:
    """Random orders of the filters, (draw, filter)."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(np.asarray(filters, np.int64)) for _ in range(draws)])


def along(whole: Answering, orders: NDArray[np.int64], counts: Sequence[int]) -> NDArray[np.float64]:
    """Accuracy without the first n filters of each order, for every n of counts: (order, n)."""
    return whole.accuracy([order[:n] for order in orders for n in counts]).reshape(len(orders), len(counts))


def falls(
    whole: Answering, ways: Mapping[str, NDArray[np.int64]], counts: Sequence[int], *, draws: int, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How accuracy falls while filters are cut in given orders, and in random ones.

    ways     {name: an order of filters};  draws: random orders of all filters
    Returns  points: way, n, percent (of the filters), accuracy, low, high. Low and high are the 95% (Wilson) interval
             over images; of random orders, where 95% of them lie.
             table: way, accuracy (mean over the cuts), random (the same of random orders), difference, p: the share of
             random orders that are at least as far from their mean.
    """
    found = {way: along(whole, order[None], counts) for way, order in ways.items()}
    random = along(whole, shuffles(np.arange(whole.n_filters), draws, seed), counts)
    bands = {
        way: np.array([interval(each * len(whole.truth), len(whole.truth)) for each in found[way][0]]) for way in ways
    }
    bands[RANDOM] = np.quantile(random, [0.025, 0.975], axis=0).T
    points = [
        (way, n, 100 * n / whole.n_filters, accuracy, *band)
        for way, each in (found | {RANDOM: random}).items()
        for n, accuracy, band in zip(counts, each.mean(0), bands[way], strict=True)
    ]
    cuts, chance = np.array(counts) > 0, random[:, np.array(counts) > 0].mean(1)
    rows = [
        (way, each[:, cuts].mean(), chance.mean(), *_beside(each[:, cuts].mean(), chance))
        for way, each in found.items()
    ]
    columns = ["way", "n", "percent", "accuracy", "low", "high"]
    return pd.DataFrame(points, columns=columns), pd.DataFrame(
        rows, columns=["way", "accuracy", RANDOM, "difference", "p"]
    )


def _beside(value: float, chance: NDArray[np.float64]) -> tuple[float, float]:
    """Difference from the mean of random orders, and how often one of them is as far away."""
    far = np.abs(chance - chance.mean()) >= abs(value - chance.mean()) - 1e-12
    return value - chance.mean(), (1 + far.sum()) / (1 + len(chance))
