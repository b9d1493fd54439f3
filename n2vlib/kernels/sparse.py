"""A layer's activations kept sparse: those that may fire, and their neighbours.

Per image, sorted entries (code, value) with code = filter * h * w + row * w + column. An entry is kept where some value
in its 3 x 3 neighbourhood exceeds the filter's bound: these are all corners of all cells in which an upsampled map can
exceed the threshold.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from n2vlib.workers.threads import each_of, shares


@numba.njit(cache=True, nogil=True)
def _take(values, bounds, total, most, above):
    """For one place: add to the sums, raise the maxima, mark values above their bound; all (filter,)."""
    for k in range(values.size):
        total[k] += values[k]
        most[k] = max(most[k], values[k])
        above[k] = values[k] > bounds[k]


@numba.njit(cache=True, nogil=True)
def _or(one, two, three, either):
    for j in range(either.size):
        either[j] = one[j] | two[j] | three[j]


@numba.njit(cache=True, nogil=True)
def _add(row, counts):
    for k in range(counts.size):
        counts[k] += row[k]


@numba.njit(cache=True, nogil=True)
def _mark(activations, bounds, keep, pooled, highest, counts):
    """Fill all but the first two; `keep`, uint8, (image, h, w * filter), marks places near a value above its bound.

    Filters are the last axis, so that every inner loop runs over neighbours in memory.
    """
    n_images, height, width, n = activations.shape
    for i in range(n_images):
        above = np.zeros((height + 2, (width + 2) * n), np.uint8)
        wide = np.empty((height + 2, width * n), np.uint8)
        total, most = np.zeros(n), np.full(n, np.float32(-np.inf))
        for y in range(height):
            for x in range(width):
                _take(activations[i, y, x], bounds, total, most, above[y + 1, (x + 1) * n : (x + 2) * n])
        for k in range(n):
            pooled[i, k], highest[i, k] = total[k] / (height * width), most[k]
        for y in range(height + 2):
            _or(above[y, : width * n], above[y, n : (width + 1) * n], above[y, 2 * n :], wide[y])
        for y in range(height):
            _or(wide[y], wide[y + 1], wide[y + 2], keep[i, y])
            for x in range(width):
                _add(keep[i, y, x * n : (x + 1) * n], counts[i])


@numba.njit(cache=True, nogil=True)
def _fill(activations, keep, start, code, value):
    """Write the kept entries; start   int64, (image, filter): where those of a filter begin"""
    n_images, height, width, n = activations.shape
    for i in range(n_images):
        at = start[i].copy()
        for y in range(height):
            for x in range(width):
                values, kept = activations[i, y, x], keep[i, y, x * n : (x + 1) * n]
                for k in range(n):
                    if kept[k]:
                        code[at[k]] = (k * height + y) * width + x
                        value[at[k]] = values[k]
                        at[k] += 1


class Extracted(NamedTuple):
    """Sparse entries, means and maxima of a batch.

    pointers int64, (image + 1,); code uint32 and value float32, (entry,); pooled and highest, the spatial means and
    maxima, float32, (image, filter)
    """

    pointers: NDArray[np.int64]
    code: NDArray[np.uint32]
    value: NDArray[np.float32]
    pooled: NDArray[np.float32]
    highest: NDArray[np.float32]


def extract(activations: NDArray[np.float32], bounds: NDArray[np.float32]) -> Extracted:
    """Sparse entries, means and maxima of a batch.

    activations   float32, (image, h, w, filter), in this order in memory; bounds, (filter,)
    """
    n_images, height, width, n_filters = activations.shape
    keep = np.empty((n_images, height, width * n_filters), np.uint8)
    pooled, highest = (np.empty((n_images, n_filters), np.float32) for _ in range(2))
    counts = np.zeros((n_images, n_filters), np.int32)
    images = shares(n_images)
    each_of(lambda of: _mark(activations[of], bounds, keep[of], pooled[of], highest[of], counts[of]), images)
    ends = counts.ravel().cumsum(dtype=np.int64)
    pointers = np.concatenate([[0], ends[n_filters - 1 :: n_filters]])
    code, value = np.empty(ends[-1], np.uint32), np.empty(ends[-1], np.float32)
    start = ends.reshape(counts.shape) - counts
    each_of(lambda of: _fill(activations[of], keep[of], start[of], code, value), images)
    return Extracted(pointers, code, value, pooled, highest)


@numba.njit(cache=True, nogil=True)
def _survivors(pointers, code, value, bounds, height, width):
    cells = height * width
    alive = np.zeros(len(code), np.bool_)
    near = np.zeros((height, width), np.bool_)
    for i in range(len(pointers) - 1):
        start = pointers[i]
        while start < pointers[i + 1]:
            k, stop = np.int64(code[start]) // cells, start
            while stop < pointers[i + 1] and code[stop] < (k + 1) * cells:
                if value[stop] > bounds[k]:
                    y, x = divmod(np.int64(code[stop]) - k * cells, width)
                    near[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = True
                stop += 1
            for e in range(start, stop):  # includes all near places: they were kept for a lower bound
                y, x = divmod(np.int64(code[e]) - k * cells, width)
                alive[e] = near[y, x]
                near[y, x] = False
            start = stop
    return alive


def prune(
    pointers: NDArray[np.int64],
    code: NDArray[np.uint32],
    value: NDArray[np.float32],
    bounds: NDArray[np.float32],
    grid: tuple[int, int],
) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.float32]]:
    """The entries that are still near a value above `bounds`, after the bounds have risen."""
    alive = _survivors(pointers, code, value, bounds, *grid)
    return _pointers(pointers, alive), code[alive], value[alive]


@numba.njit(cache=True, nogil=True)
def _above(code, value, bounds, cells):
    alive = np.empty(len(code), np.bool_)
    for e in range(len(code)):
        alive[e] = value[e] > bounds[code[e] // cells]
    return alive


def above(
    pointers: NDArray[np.int64], code: NDArray[np.uint32], value: NDArray[np.float32], bounds: NDArray, cells: int
) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
    """Pointers and codes of the entries whose value is above their filter's bound."""
    alive = _above(code, value, bounds, np.uint32(cells))
    return _pointers(pointers, alive), code[alive]


def _pointers(pointers: NDArray[np.int64], alive: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pointers of the entries that are left."""
    kept = [np.count_nonzero(alive[a:b]) for a, b in zip(pointers[:-1], pointers[1:], strict=True)]
    return np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
