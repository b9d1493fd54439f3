"""Which classes a network's filters speak for (Mu and Andreas 6)."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.compositional.classifier import Answers, Classes, fires, head, pooled


def contributions(layer: Layer, known: Classes, answered: Answers) -> tuple[pd.DataFrame, str]:
    """What each filter contributes to the score of each class (Mu and Andreas 6): (filter, class), and in which sense.

    "weight": the head is linear. By how much the class's score is higher in images where the filter fires than in
    others because of this filter, less what the mean class gains: weight times the difference of the pooled activation.
    "correlation": no weight connects them. Pearson's correlation over images of the filter's mean activation with the
    class's score, less the mean score.
    Columns are concept numbers; where several outputs are one concept, the largest counts.
    """
    linear, fired = head(layer), fires(layer)[answered.inputs]
    if linear is None:
        x = np.asarray(layer.pooled, np.float64)[answered.inputs]
        y = answered.scores - answered.scores.mean(1, keepdims=True)
        values = _correlations(x, y)
    else:
        values = np.zeros((layer.n_filters, len(known.names)))
        for name, weights in linear.weights.items():
            values_of = pooled(layer)[name][answered.inputs].astype(float)
            rise = _mean_where(values_of, fired) - _mean_where(values_of, ~fired)
            own = weights[known.outputs].astype(float)
            values += rise[:, None] * (own - own.mean(0)).T
    largest = np.stack([values[:, known.concept == concept].max(1) for concept in known.known], 1)
    table = pd.DataFrame(largest, columns=known.known)
    return table.rename_axis(index="filter"), "correlation" if linear is None else "weight"


def _mean_where(values: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean of each column over its chosen rows, (row, column) to (column,); NaN where none is chosen."""
    n = chosen.sum(0)
    return np.divide((values * chosen).sum(0), n, out=np.full(len(n), np.nan), where=n > 0)


def _correlations(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation of every column of x with every column of y; NaN where one does not vary."""
    (x, size), (y, other) = ((each - each.mean(0), each.std(0)) for each in (x, y))
    below = size[:, None] * other
    return np.divide(x.T @ y / len(x), below, out=np.full(below.shape, np.nan), where=below > 1e-12)


def more_often(holds: NDArray[np.bool_], truth: NDArray[np.int64], known: NDArray[np.int64]) -> pd.DataFrame:
    """By how much more often formulas hold in the images of a class than in others: (formula, class), -1 to 1.

    holds   bool, (input, formula)      truth   (input,)      known   the classes, (class,)
    """
    mine = truth[:, None] == known
    inside, outside = (holds.T.astype(float) @ side / np.maximum(side.sum(0), 1) for side in (mine, ~mine))
    return pd.DataFrame(inside - outside, columns=known)
