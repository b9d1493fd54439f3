"""A layer's activations kept sparse: what may fire and its neighbours, everything else left out.

Per image, sorted entries (code, value) with code = filter * h * w + row * w + column. An entry is kept where some value
in its 3 x 3 neighbourhood exceeds the filter's bound: that is every corner of every cell in which an upsampled map can
exceed the threshold.
"""

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def _near(values, height, width, bound, keep):
    """Mark in `keep` the places whose 3 x 3 neighbourhood holds a value above `bound`; returns how many."""
    keep[:] = False
    for y in range(height):
        for x in range(width):
            if values[y * width + x] > bound:
                for v in range(max(y - 1, 0), min(y + 2, height)):
                    for u in range(max(x - 1, 0), min(x + 2, width)):
                        keep[v * width + u] = True
    return keep.sum()


@numba.njit(cache=True, nogil=True, parallel=True)
def _count(activations, highest, bounds):
    n_images, n_filters, height, width = activations.shape
    counts = np.zeros((n_images, n_filters), np.int64)
    for i in numba.prange(n_images):
        keep = np.zeros(height * width, np.bool_)
        for k in range(n_filters):
            if highest[i, k] > bounds[k]:
                counts[i, k] = _near(activations[i, k].ravel(), height, width, bounds[k], keep)
    return counts


@numba.njit(cache=True, nogil=True, parallel=True)
def _fill(activations, bounds, start, counts, code, value):
    n_images, n_filters, height, width = activations.shape
    cells = height * width
    for i in numba.prange(n_images):
        keep = np.zeros(cells, np.bool_)
        at = start[i]
        for k in range(n_filters):
            if counts[i, k] == 0:
                continue
            values = activations[i, k].ravel()
            _near(values, height, width, bounds[k], keep)
            for place in range(cells):
                if keep[place]:
                    code[at] = k * cells + place
                    value[at] = values[place]
                    at += 1


def extract(
    activations: NDArray[np.float32], highest: NDArray[np.float32], bounds: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.float32]]:
    """Sparse entries of a batch.

    activations float32, (image, filter, h, w); highest, (image, filter), its spatial maxima; bounds, (filter,)
    Returns     pointers int64, (image + 1,); codes uint32, (entry,); values float32, (entry,)
    """
    counts = _count(activations, highest, bounds)
    pointers = np.concatenate([[0], counts.sum(1).cumsum()]).astype(np.int64)
    code, value = np.empty(pointers[-1], np.uint32), np.empty(pointers[-1], np.float32)
    _fill(activations, bounds, pointers, counts, code, value)
    return pointers, code, value


@numba.njit(cache=True, nogil=True)
def _survivors(pointers, code, value, bounds, height, width):
    cells = height * width
    alive = np.zeros(len(code), np.bool_)
    scratch, keep = np.empty(cells, np.float32), np.zeros(cells, np.bool_)
    for i in range(len(pointers) - 1):
        start = pointers[i]
        while start < pointers[i + 1]:
            k, stop = code[start] // cells, start
            scratch[:] = -np.inf
            while stop < pointers[i + 1] and code[stop] // cells == k:
                scratch[code[stop] - k * cells] = value[stop]
                stop += 1
            _near(scratch, height, width, bounds[k], keep)
            for e in range(start, stop):
                alive[e] = keep[code[e] - k * cells]
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
    """Pointers of what is left."""
    kept = [np.count_nonzero(alive[a:b]) for a, b in zip(pointers[:-1], pointers[1:], strict=True)]
    return np.concatenate([[0], np.cumsum(kept, dtype=np.int64)])
