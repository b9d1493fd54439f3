"""Order statistics of upsampled activations, on the CPU, from a layer's sparse entries."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _above(values, height, width, bound, down, across, found, at):
    """Write the upsampled values of one map above the bound to `found`, from `at` on; returns the new end.

    If `found` is empty, they are only counted.
    """
    y0, y1, v0, v1, y_den, y_first = down
    x0, x1, u0, u1, x_den, x_first = across
    scale = y_den * x_den
    for cy in range(height):
        ny = min(cy + 1, height - 1)
        for cx in range(width):
            nx = min(cx + 1, width - 1)
            a, b, c, d = values[cy, cx], values[cy, nx], values[ny, cx], values[ny, nx]
            if not (a > bound or b > bound or c > bound or d > bound):
                continue
            for y in range(y_first[cy], y_first[cy + 1]):
                left, right = a * v0[y] + c * v1[y], b * v0[y] + d * v1[y]
                for x in range(x_first[cx], x_first[cx + 1]):
                    value = (left * u0[x] + right * u1[x]) / scale
                    if value > bound:
                        if len(found):
                            found[at] = value
                        at += 1
    return at


@numba.njit(cache=True, nogil=True)
def _collect(k, entries, bound, grid, down, across, found):
    """`_above` over the maps of filter k in all images; returns how many there are."""
    pointers, code, value = entries
    height, width = grid
    cells, at, values = height * width, np.int64(0), np.full((height, width), -np.inf)
    flat = values.ravel()
    for i in range(len(pointers) - 1):
        mine = code[pointers[i] : pointers[i + 1]]
        start = pointers[i] + np.searchsorted(mine, k * cells)
        stop = pointers[i] + np.searchsorted(mine, (k + 1) * cells)
        for e in range(start, stop):
            flat[code[e] - k * cells] = value[e]
        if stop > start:
            at = _above(values, height, width, bound, down, across, found, at)
        for e in range(start, stop):
            flat[code[e] - k * cells] = -np.inf
    return at


@numba.njit(cache=True, nogil=True)
def upsampled_threshold(k, entries, bound, grid, down, across, n_above):
    """The (n_above + 1)-th largest upsampled value of filter k; NaN where it is not above the bound.

    entries   pointers, codes, values: all places with a value above the bound in their 3 x 3 neighbourhood
    """
    n = _collect(k, entries, bound, grid, down, across, np.empty(0))
    if n <= n_above:
        return np.nan
    values = np.empty(n)
    _collect(k, entries, bound, grid, down, across, values)
    return np.partition(values, n - n_above - 1)[n - n_above - 1]
