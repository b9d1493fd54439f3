"""Pixel counts of a combination's mask S(sum_k w_k fired_k), image by image."""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _combine(weights, code, start, stop, cells, combined):
    """The combined map sum_k w_k 1[A_k > T_k] on the layer's grid."""
    combined[:] = 0
    for e in range(start, stop):
        combined[code[e] % cells] += weights[code[e] // cells]


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _blend(row, upper, lower, a, b):
    for x in range(len(row)):
        row[x] = upper[x] * a + lower[x] * b


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _upsample(combined, down, across, broad, z):
    """Upsample the combined map: first along its rows, (h, width), then between rows, (height, width)."""
    y0, y1, v0, v1 = down
    x0, x1, u0, u1 = across
    height, width = combined.shape
    for cy in range(height):
        for x in range(len(x0)):
            broad[cy, x] = combined[cy, x0[x]] * u0[x] + combined[cy, x1[x]] * u1[x]
    for y in range(len(y0)):
        _blend(z[y], broad[y0[y]], broad[y1[y]], v0[y], v1[y])


@numba.njit(cache=True, nogil=True)
def _compare(target, layer, local):
    for p in range(len(target)):
        target[p] |= layer[p] == local


@numba.njit(cache=True, nogil=True)
def target_of(layers, local, target):
    """L of one image: where any of its maps shows the concept; everywhere for a whole-image label (local 0)."""
    target[:] = local == 0
    for m in range(len(layers) if local else 0):
        _compare(target, layers[m], local)


@numba.njit(cache=True, nogil=True)
def _overlap(z, threshold, target):
    """Number of annotated pixels where z > threshold, and of all such pixels."""
    intersection, predicted = np.uint32(0), np.uint32(0)
    for p in range(len(z)):
        above = np.uint32(z[p] > threshold)
        predicted += above
        intersection += above & target[p]
    return intersection, predicted


@numba.njit(cache=True, nogil=True)
def count_combination(weights, images, local, fired, labels, down, across):
    """Per example: intersection and predicted area of the combination's mask S(sum_k w_k fired_k) > 0."""
    pointers, code, height, width = fired
    maps, map_ptr = labels
    cells, tall, wide = height * width, len(down[0]), len(across[0])
    combined, broad = np.zeros((height, width), np.float32), np.zeros((height, wide), np.float32)
    z, target = np.zeros((tall, wide), np.float32), np.zeros(tall * wide, np.uint8)
    intersection, predicted = np.zeros(len(images), np.int64), np.zeros(len(images), np.int64)
    for example in range(len(images)):
        i = images[example]
        _combine(weights, code, pointers[i], pointers[i + 1], cells, combined.ravel())
        _upsample(combined, down, across, broad, z)
        target_of(maps[map_ptr[i] : map_ptr[i + 1]], local[example], target)
        intersection[example], predicted[example] = _overlap(z.ravel(), np.float32(0), target)
    return intersection, predicted


@numba.njit(cache=True, nogil=True)
def count_at_thresholds(weights, thresholds, images, local, fired, labels, down, across):
    """Per example and threshold: intersection and predicted area of the mask S(sum_k w_k fired_k) > threshold.

    thresholds   float32, ascending; the other arguments are those of `count_combination`
    Returns  int64, (example, threshold), twice
    """
    pointers, code, height, width = fired
    maps, map_ptr = labels
    cells, tall, wide = height * width, len(down[0]), len(across[0])
    combined, broad = np.zeros((height, width), np.float32), np.zeros((height, wide), np.float32)
    z, target = np.zeros((tall, wide), np.float32), np.zeros(tall * wide, np.uint8)
    shape = len(images), len(thresholds)
    intersection, predicted = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for example in range(len(images)):
        i = images[example]
        _combine(weights, code, pointers[i], pointers[i + 1], cells, combined.ravel())
        _upsample(combined, down, across, broad, z)
        target_of(maps[map_ptr[i] : map_ptr[i + 1]], local[example], target)
        for at in range(len(thresholds)):
            intersection[example, at], predicted[example, at] = _overlap(z.ravel(), thresholds[at], target)
    return intersection, predicted
