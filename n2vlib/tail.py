"""The threshold T_k, exactly, in one pass: only values that can still be among the largest are remembered."""

from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray


def n_above(tau: float, n_values: int, level: str = "exact") -> int:
    """How many of M values lie above T_k, where no two are equal.

    exact      floor(tau M), decided on the decimal that was written: 0.005 is 1/200, not its nearest binary fraction
    released   ceil(r (M - 1) / 999) with r = round(1000 tau): the released table of 1,000 quantiles interpolates
               between two values, as numpy.percentile does, so that all from the upper one on lie above
    """
    if level == "exact":
        return int(Fraction(str(tau)) * n_values)
    return ceil(Fraction(round(1000 * tau), 999) * (n_values - 1))


class Tail:
    """Per filter, the order statistic T_k: the (floor(tau M) + 1)-th largest of its M values.

    That is the j-th smallest with j = ceil((1 - tau) M) (Net2Vec 3.1.1: P(a_k > T_k) = tau): without ties exactly
    floor(tau M) values lie strictly above it. `bounds` is T_k of what has been seen so far and only rises, so a value
    at or below it can be forgotten at once: M is known beforehand, and no second pass is ever needed.
    """

    def __init__(self, n_filters: int, n_above: int, bounds: NDArray[np.float32] | None = None):
        """n_above   floor(tau M)     bounds   float32, (filter,): where an interrupted pass had come to"""
        self.n_above = n_above
        self.bounds = np.full(n_filters, -np.inf, np.float32) if bounds is None else bounds.copy()
        self._filters: list[NDArray] = [np.empty(0, np.int64)]
        self._values: list[NDArray[np.float32]] = [np.empty(0, np.float32)]
        self._waiting = 0

    def add(self, filters: NDArray, values: NDArray[np.float32]) -> bool:
        """Take in values of filters, both (value,). True where the bounds may have risen."""
        above = values > self.bounds[filters]
        self._filters.append(filters[above])
        self._values.append(values[above])
        self._waiting += int(above.sum())
        if self._waiting < len(self.bounds) * (self.n_above + 1) / 2:
            return False
        self.settle()
        return True

    def settle(self) -> NDArray[np.float32]:
        """Raise the bounds to T_k of everything seen; returns them, (filter,)."""
        filters, values = np.concatenate(self._filters), np.concatenate(self._values)
        # Of 16-bit numbers numpy makes a radix sort, ten times as fast.
        order = np.argsort(filters.astype(np.uint16) if len(self.bounds) < 2**16 else filters, kind="stable")
        filters, values = filters[order], values[order]
        starts = np.searchsorted(filters, np.arange(len(self.bounds) + 1))
        for k, (a, b) in enumerate(zip(starts[:-1], starts[1:], strict=True)):
            if b - a > self.n_above:
                rank = b - a - self.n_above - 1
                self.bounds[k] = max(self.bounds[k], np.partition(values[a:b], rank)[rank])
        above = values > self.bounds[filters]
        self._filters, self._values, self._waiting = [filters[above]], [values[above]], 0
        return self.bounds
