"""Exact thresholds T_k in one pass: values are counted, never sorted, and none is held in memory."""

from collections.abc import Iterable
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray

from n2vlib.kernels import digits


def n_above(tau: float, n_values: int, quantile: str = "exact") -> int:
    """How many of M distinct values lie above T_k.

    exact      floor(tau M) with tau as the decimal that was written: 0.005 is 1/200, not its nearest binary fraction
    released   ceil(r (M - 1) / 999) with r = round(1000 tau): the released table of 1,000 quantiles interpolates
               between two values, as numpy.percentile does; the upper one and all larger values lie above
    """
    if quantile == "exact":
        return int(Fraction(str(tau)) * n_values)
    return ceil(Fraction(round(1000 * tau), 999) * (n_values - 1))


class RunningQuantile:
    """Per filter, the order statistic T_k: the (floor(tau M) + 1)-th largest of its M values.

    That is the j-th smallest with j = ceil((1 - tau) M) (Net2Vec 3.1.1: P(a_k > T_k) = tau): without ties exactly
    floor(tau M) values lie strictly above it. `bounds` is at most 0.4% below the T_k of the values seen so far, and it
    only rises. M is known beforehand, so values at or below `bounds` need not be kept, and no second pass over the
    images is needed. The kept values are read once more at the end, for the remaining bits of T_k.
    """

    def __init__(self, n_filters: int, n_above: int, bounds: NDArray[np.float32] | None = None, cells: int = 1):
        """n_above   floor(tau M)     bounds   float32, (filter,): those of an interrupted pass
        cells     a value's filter is its code // cells"""
        self.n_above, self.cells = n_above, np.uint32(cells)
        self.bounds = np.full(n_filters, -np.inf, np.float32)
        self._top, self._over = np.full(n_filters, -1, np.int64), np.zeros(n_filters, np.int64)
        # Activations have few different exponents, and memory that is never written takes no room.
        self._counts = np.zeros((512, n_filters, 256), np.uint32)
        if bounds is not None:
            self.rise(bounds)

    def rise(self, bounds: NDArray[np.float32]) -> None:
        """Raise the bounds to those of an earlier pass; call this before adding the values that it kept."""
        least = np.where(bounds > -np.inf, digits.keys(bounds) >> digits.LOW, -1)
        digits.rise(self._counts, self._top, self._over, least, self.n_above)
        self.bounds = np.maximum(bounds, self._raised(self._top << digits.LOW))

    def add(self, code: NDArray[np.uint32], value: NDArray[np.float32]) -> None:
        """Count values, both (value,); the bounds may rise."""
        digits.count_high(*_read_only(code, value), self.cells, self._counts, self._top, self._over)
        self.rise(self.bounds)

    def settle(self, kept: Iterable[tuple[NDArray[np.uint32], NDArray[np.float32]]]) -> NDArray[np.float32]:
        """T_k, float32, (filter,).

        kept   all (code, value) once more, except values at or below the bounds
        """
        counts = np.zeros((len(self._top), 1 << digits.LOW), np.uint32)
        for code, value in kept:
            digits.count_low(*_read_only(code, value), self.cells, self._top, counts)
        low = digits.choose(counts, self.n_above - self._over)
        # Where there are too few, T_k is the bound itself: values equal to it were not kept.
        return self._raised(self._top << digits.LOW | low)

    def _raised(self, keys: NDArray[np.int64]) -> NDArray[np.float32]:
        """The larger of the bounds and the numbers that belong to `keys`."""
        return np.maximum(self.bounds, np.where(self._top < 0, np.float32(-np.inf), digits.number(keys)))


def _read_only(code: NDArray[np.uint32], value: NDArray[np.float32]) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Codes and the bits of values, as if from a file: kernels are compiled for what may be written, too."""
    code, bits = code.view(), value.view(np.uint32)
    code.flags.writeable = bits.flags.writeable = False
    return code, bits
