"""The threshold T_k, exactly, in one pass: values are counted and never sorted, and none is held in memory."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray

from n2vlib.kernels import digits


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
    floor(tau M) values lie strictly above it. `bounds` is at most 0.8% below T_k of what has been seen so far and only
    rises, so a value at or below it need not be kept: M is known beforehand, and no second pass over the images is ever
    needed. The kept values are read twice more in the end, for the rest of T_k's bits.
    """

    def __init__(self, n_filters: int, n_above: int, bounds: NDArray[np.float32] | None = None, cells: int = 1):
        """n_above   floor(tau M)     bounds   float32, (filter,): where an interrupted pass had come to
        cells     what a value's code is divided by to give its filter"""
        self.n_above, self.cells = n_above, np.uint32(cells)
        self.bounds = np.full(n_filters, -np.inf, np.float32)
        self._top, self._over = np.full(n_filters, -1, np.int64), np.zeros(n_filters, np.int64)
        # A layer meets few exponents, and memory that is never touched takes no room.
        self._counts = np.zeros((512, n_filters, 128), np.uint32)
        if bounds is not None:
            self.rise(bounds)

    def rise(self, bounds: NDArray[np.float32]) -> None:
        """Take in the bounds an earlier pass had come to, before the values that it kept."""
        least = np.where(bounds > -np.inf, digits.keys(bounds) >> 16, -1)
        digits.rise(self._counts, self._top, self._over, least, self.n_above)
        found = np.where(self._top < 0, -np.inf, digits.number(self._top << 16))
        self.bounds = np.maximum(np.maximum(self.bounds, bounds), found).astype(np.float32)

    def add(self, code: NDArray[np.uint32], value: NDArray[np.float32]) -> None:
        """Take in values, both (value,); the bounds may rise."""
        digits.count_high(code, value.view(np.uint32), self.cells, self._counts, self._top, self._over)
        self.rise(self.bounds)

    def settle(self, kept: Callable[[], Iterable[tuple[NDArray, NDArray]]]) -> NDArray[np.float32]:
        """T_k, float32, (filter,).

        kept   gives, each time it is called, all (code, value) again, but for values at or below the bounds
        """
        prefix, rank = self._top, self.n_above - self._over
        for shift in (8, 0):
            counts = np.zeros((len(prefix), 256), np.int64)
            for code, value in kept():
                digits.count_low(code, value.view(np.uint32), self.cells, prefix, shift, counts)
            above = counts[:, ::-1].cumsum(1)  # from the highest digit down
            behind = (above <= rank[:, None]).sum(1).clip(max=255)  # digits that are too high
            rank = rank - np.where(behind, above[np.arange(len(above)), behind - 1], 0)
            prefix = prefix << 8 | 255 - behind
        return np.maximum(self.bounds, np.where(self._top < 0, -np.inf, digits.number(prefix)))
