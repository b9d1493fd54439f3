"""Counts of the leading and the last bits of many float32 numbers, from which `quantiles` finds order statistics.

A number's key is its bits, changed so that keys ascend as the numbers do: 0 to 2^32 - 1. -0.0 counts as 0.0.
"""

import numba
import numpy as np
from numpy.typing import NDArray

SIGN = 1 << 31
LOW = 15  # bits of a key that are counted last


@numba.njit(cache=True, nogil=True)
def key(bits):
    """The key of a number, from its bits."""
    plain = np.int64(bits)
    if plain > SIGN:
        return 2 * SIGN - 1 - plain
    return plain if plain == SIGN else plain + SIGN


def keys(numbers: NDArray[np.float32]) -> NDArray[np.int64]:
    """The keys of numbers."""
    bits = (numbers + np.float32(0)).view(np.uint32).astype(np.int64)
    return np.where(bits < SIGN, bits + SIGN, 2 * SIGN - 1 - bits)


def number(keys: NDArray[np.int64]) -> NDArray[np.float32]:
    """The numbers that belong to keys."""
    return np.where(keys < SIGN, 2 * SIGN - 1 - keys, keys - SIGN).astype(np.uint32).view(np.float32)


@numba.njit(cache=True, nogil=True)
def count_high(code, bits, cells, counts, top, over):
    """Count the keys whose high 17 bits are above their filter's top; the filter is code // cells.

    counts   uint32, (512, filter, 256): by sign and exponent, filter, and the first 8 bits of the fraction
    top      int64, (filter,): high bits of a key     over   int64, (filter,): how many keys are above it
    """
    for e in range(len(code)):
        k, high = code[e] // cells, key(bits[e]) >> LOW
        if high > top[k]:
            counts[high >> 8, k, high & 255] += 1
            over[k] += 1


@numba.njit(cache=True, nogil=True)
def rise(counts, top, over, least, n_above):
    """Raise each top to `least`, (filter,), and further while more than n_above keys are above it."""
    for k in range(len(top)):
        while top[k] < least[k] or over[k] > n_above:
            top[k] += 1
            over[k] -= counts[top[k] >> 8, k, top[k] & 255]


@numba.njit(cache=True, nogil=True)
def count_low(code, bits, cells, top, counts):
    """Count the low 15 bits of the keys whose high bits equal their filter's top, uint32, (filter, 2^15)."""
    for e in range(len(code)):
        k, its = code[e] // cells, key(bits[e])
        if its >> LOW == top[k]:
            counts[k, its & (1 << LOW) - 1] += 1


@numba.njit(cache=True, nogil=True)
def choose(counts, rank):
    """Per filter, the number with `rank` others above it, from its counts; 0 where there are fewer."""
    found = np.zeros(len(counts), np.int64)
    for k in range(len(counts)):
        left, low = rank[k], counts.shape[1] - 1
        while low > 0 and counts[k, low] <= left:
            left -= counts[k, low]
            low -= 1
        found[k] = low
    return found
