"""Pixel counts behind every IoU, on the CPU: intersections of predicted masks with all concepts at once.

Only cells with a corner that fired are visited, and the labels under their pixels are counted in a histogram, so the
cost does not grow with the number of concepts.

Arrays of a probe set (see probe.labels), of a layer (see kernels.sparse) and of upsampling (see iou.Taps) are passed as
plain tuples:
    labels   maps, map_ptr, pair_ptr, pair_concept (position among the concepts), pair_local
    down, across   i0, i1, w0, w1, den, first
"""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _mask_of_fired(bits, height, width, down, across, layers, seen):
    """Threshold, then upsample: area of S(fired) > 1/2 in pixels; labels under it are added to `seen`.

    With unsigned ranges the compiler needs no check for negative indices.
    """
    y0, y1, v0, v1, y_den, y_first = down
    x0, x1, u0, u1, x_den, x_first = across
    wide, half, area = np.uint64(len(x0)), y_den * x_den, 0
    for cy in range(height):
        ny = min(cy + 1, height - 1)
        for cx in range(width):
            nx = min(cx + 1, width - 1)
            a, b = np.int64(bits[cy * width + cx]), np.int64(bits[cy * width + nx])
            c, d = np.int64(bits[ny * width + cx]), np.int64(bits[ny * width + nx])
            if a + b + c + d == 0:
                continue
            for y in range(np.uint64(y_first[cy]), np.uint64(y_first[cy + 1])):
                left, right = a * v0[y] + c * v1[y], b * v0[y] + d * v1[y]
                for x in range(np.uint64(x_first[cx]), np.uint64(x_first[cx + 1])):
                    if 2 * (left * u0[x] + right * u1[x]) > half:
                        area += 1
                        for m in range(np.uint64(len(layers))):
                            seen[layers[m, y * wide + x]] += 1
    return area


@numba.njit(cache=True, nogil=True)
def _mask_of_values(values, height, width, threshold, down, across, layers, seen):
    """Upsample, then threshold: area of S(A_k) > T_k; labels under it are added to `seen`.

    Weights are integers and T_k is scaled instead, so float64 is exact unless values differ greatly in size.
    """
    y0, y1, v0, v1, y_den, y_first = down
    x0, x1, u0, u1, x_den, x_first = across
    wide, area, scaled = np.uint64(len(x0)), 0, np.float64(threshold) * (y_den * x_den)
    for cy in range(height):
        ny = min(cy + 1, height - 1)
        for cx in range(width):
            nx = min(cx + 1, width - 1)
            a, b = np.float64(values[cy * width + cx]), np.float64(values[cy * width + nx])
            c, d = np.float64(values[ny * width + cx]), np.float64(values[ny * width + nx])
            if not (a > threshold or b > threshold or c > threshold or d > threshold):
                continue
            for y in range(np.uint64(y_first[cy]), np.uint64(y_first[cy + 1])):
                left, right = a * v0[y] + c * v1[y], b * v0[y] + d * v1[y]
                for x in range(np.uint64(x_first[cx]), np.uint64(x_first[cx + 1])):
                    if left * u0[x] + right * u1[x] > scaled:
                        area += 1
                        for m in range(np.uint64(len(layers))):
                            seen[layers[m, y * wide + x]] += 1
    return area


@numba.njit(cache=True, nogil=True)
def _next_filter(code, start, stop, cells):
    """End of the run of entries of one filter."""
    k = code[start] // cells
    while start < stop and code[start] // cells == k:
        start += 1
    return start


@numba.njit(cache=True, nogil=True)
def set_counts(images, pointers, code, grid, labels, down, across, n_filters, n_concepts):
    """Per filter and concept, over the images that contain the concept: intersection and predicted area.

    images   int64, positions of the images of one split
    Returns  int64, (filter, concept) twice
    """
    maps, map_ptr, pair_ptr, pair_concept, pair_local = labels
    height, width = grid
    cells = height * width
    intersection = np.zeros((n_filters, n_concepts), np.int64)
    predicted = np.zeros((n_filters, n_concepts), np.int64)
    bits, seen = np.zeros(cells, np.uint8), np.zeros(256, np.int64)
    for i in images:
        layers = maps[map_ptr[i] : map_ptr[i + 1]]
        start, last = pointers[i], pointers[i + 1]
        while start < last:
            stop = _next_filter(code, start, last, cells)
            k = code[start] // cells
            for e in range(start, stop):
                bits[code[e] - k * cells] = 1
            area = _mask_of_fired(bits, height, width, down, across, layers, seen)
            for p in range(pair_ptr[i], pair_ptr[i + 1] if area else pair_ptr[i]):
                c = pair_concept[p]
                predicted[k, c] += area
                intersection[k, c] += area if pair_local[p] == 0 else seen[pair_local[p]]
                seen[pair_local[p]] = 0
            for e in range(start, stop):
                bits[code[e] - k * cells] = 0
            start = stop
    return intersection, predicted


@numba.njit(cache=True, nogil=True)
def dissection_counts(
    images, entries, thresholds, grid, labels, down, across, category, n_categories, n_concepts, counted
):
    """Per filter: intersection with each concept, and predicted area over the images that count for a category.

    category   int64, (concept,): position of the concept's primary category
    counted    images with any label of the category (0), with one under the mask (1), or all (2): see conventions
    Returns    int64, (filter, concept) and (filter, category)
    """
    pointers, code, value = entries
    maps, map_ptr, pair_ptr, pair_concept, pair_local = labels
    height, width = grid
    cells, n_filters = height * width, len(thresholds)
    intersection = np.zeros((n_filters, n_concepts), np.int64)
    predicted = np.zeros((n_filters, n_categories), np.int64)
    values, seen = np.full(cells, -np.inf, np.float32), np.zeros(256, np.int64)
    present = np.zeros(n_categories, np.bool_)
    for i in images:
        layers = maps[map_ptr[i] : map_ptr[i + 1]]
        present[:] = counted == 2
        for p in range(pair_ptr[i], pair_ptr[i + 1] if counted == 0 else pair_ptr[i]):
            present[category[pair_concept[p]]] = True
        start, last = pointers[i], pointers[i + 1]
        while start < last:
            stop = _next_filter(code, start, last, cells)
            k = code[start] // cells
            for e in range(start, stop):
                values[code[e] - k * cells] = value[e]
            area = _mask_of_values(values, height, width, thresholds[k], down, across, layers, seen)
            if counted == 1:
                present[:] = False
            for p in range(pair_ptr[i], pair_ptr[i + 1] if area else pair_ptr[i]):
                under = area if pair_local[p] == 0 else seen[pair_local[p]]
                intersection[k, pair_concept[p]] += under
                present[category[pair_concept[p]]] |= counted == 1 and under > 0
                seen[pair_local[p]] = 0
            for c in range(n_categories):
                predicted[k, c] += area if present[c] else 0
            for e in range(start, stop):
                values[code[e] - k * cells] = -np.inf
            start = stop
    return intersection, predicted


@numba.njit(cache=True, nogil=True)
def pair_counts(images, filter_of, pointers, code, grid, labels, down, across, intersection, predicted):
    """Per (image, concept) pair, for the filter chosen for each concept: both counts, into the last two arguments.

    filter_of   int64, (concept,), -1 where none was chosen     intersection, predicted   int64, (pair,), zero
    """
    maps, map_ptr, pair_ptr, pair_concept, pair_local = labels
    height, width = grid
    cells = height * width
    bits, seen = np.zeros(cells, np.uint8), np.zeros(256, np.int64)
    for i in images:
        layers = maps[map_ptr[i] : map_ptr[i + 1]]
        for p in range(pair_ptr[i], pair_ptr[i + 1]):
            k = filter_of[pair_concept[p]]
            if k < 0:
                continue
            start = pointers[i] + np.searchsorted(code[pointers[i] : pointers[i + 1]], k * cells)
            stop = pointers[i] + np.searchsorted(code[pointers[i] : pointers[i + 1]], (k + 1) * cells)
            for e in range(start, stop):
                bits[code[e] - k * cells] = 1
            area = _mask_of_fired(bits, height, width, down, across, layers, seen)
            predicted[p] = area
            intersection[p] = area if pair_local[p] == 0 else seen[pair_local[p]]
            seen[:] = 0
            for e in range(start, stop):
                bits[code[e] - k * cells] = 0
