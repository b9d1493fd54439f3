"""Masks of two filters joined, S(1[A_j > T_j]) > 1/2 or S(1[A_k > T_k]) > 1/2, on the CPU.

Arguments are those of kernels.tally. Masks are kept as lists of pixels, since a filter fires at few places.
"""

import numba
import numpy as np

from n2vlib.kernels.combination import target_of


@numba.njit(cache=True, nogil=True)
def _pixels_of(k, first, last, code, grid, bits, down, across, pixels):
    """The pixels of S(1[A_k > T_k]) > 1/2, written into `pixels`; returns how many. code[first:last]: the image's."""
    height, width = grid
    y0, y1, v0, v1, y_den, y_first = down
    x0, x1, u0, u1, x_den, x_first = across
    cells, wide, half, n = height * width, len(x0), y_den * x_den, 0
    start = first + np.searchsorted(code[first:last], k * cells)
    stop = first + np.searchsorted(code[first:last], (k + 1) * cells)
    if start == stop:
        return n
    for e in range(start, stop):
        bits[code[e] - k * cells] = 1
    for cy in range(height):
        ny = min(cy + 1, height - 1)
        for cx in range(width):
            nx = min(cx + 1, width - 1)
            a, b = np.int64(bits[cy * width + cx]), np.int64(bits[cy * width + nx])
            c, d = np.int64(bits[ny * width + cx]), np.int64(bits[ny * width + nx])
            if a + b + c + d == 0:
                continue
            for y in range(y_first[cy], y_first[cy + 1]):
                left, right = a * v0[y] + c * v1[y], b * v0[y] + d * v1[y]
                for x in range(x_first[cx], x_first[cx + 1]):
                    if 2 * (left * u0[x] + right * u1[x]) > half:
                        pixels[n] = y * wide + x
                        n += 1
    for e in range(start, stop):
        bits[code[e] - k * cells] = 0
    return n


@numba.njit(cache=True, nogil=True)
def added_counts(images, first_of, pointers, code, grid, labels, down, across, n_filters, n_concepts):
    """What each filter adds to the mask of the filter already chosen for each concept, over images that contain it.

    first_of   int64, (concept,), -1 where none was chosen
    Returns    pixels of the intersection and of the mask that are not in the first filter's: int64, (concept, filter)
    """
    maps, map_ptr, pair_ptr, pair_concept, pair_local = labels
    n_pixels = len(down[0]) * len(across[0])
    intersection = np.zeros((n_concepts, n_filters), np.int64)
    predicted = np.zeros((n_concepts, n_filters), np.int64)
    bits = np.zeros(grid[0] * grid[1], np.uint8)
    every, ends = np.zeros((n_filters, n_pixels), np.int32), np.zeros(n_filters, np.int64)
    covered, target = np.zeros(n_pixels, np.bool_), np.zeros(n_pixels, np.uint8)
    for i in images:
        for k in range(n_filters):
            ends[k] = _pixels_of(k, pointers[i], pointers[i + 1], code, grid, bits, down, across, every[k])
        for p in range(pair_ptr[i], pair_ptr[i + 1]):
            c = pair_concept[p]
            first = first_of[c]
            if first < 0:
                continue
            target_of(maps[map_ptr[i] : map_ptr[i + 1]], pair_local[p], target)
            covered[every[first, : ends[first]]] = True
            for k in range(n_filters):
                for at in range(ends[k]):
                    pixel = every[k, at]
                    new = not covered[pixel]
                    predicted[c, k] += new
                    intersection[c, k] += new & target[pixel]
            covered[every[first, : ends[first]]] = False
    return intersection, predicted


@numba.njit(cache=True, nogil=True)
def pair_counts(images, filters_of, pointers, code, grid, labels, down, across, intersection, predicted):
    """Per (image, concept) pair, for the two filters of each concept joined: both counts, into the last two arguments.

    filters_of   int64, (concept, 2), -1 where none was chosen     intersection, predicted   int64, (pair,), zero
    """
    maps, map_ptr, pair_ptr, pair_concept, pair_local = labels
    n_pixels = len(down[0]) * len(across[0])
    bits, pixels = np.zeros(grid[0] * grid[1], np.uint8), np.zeros(n_pixels, np.int32)
    covered, target = np.zeros(n_pixels, np.bool_), np.zeros(n_pixels, np.uint8)
    for i in images:
        for p in range(pair_ptr[i], pair_ptr[i + 1]):
            if filters_of[pair_concept[p], 0] < 0:
                continue
            target_of(maps[map_ptr[i] : map_ptr[i + 1]], pair_local[p], target)
            covered[:] = False
            for k in filters_of[pair_concept[p]]:
                n = _pixels_of(k, pointers[i], pointers[i + 1], code, grid, bits, down, across, pixels)
                for at in range(n):
                    predicted[p] += not covered[pixels[at]]
                    intersection[p] += (not covered[pixels[at]]) & target[pixels[at]]
                    covered[pixels[at]] = True
