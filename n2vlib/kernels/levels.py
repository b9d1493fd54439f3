"""Pixel counts of a combination's mask at several levels at once: how large the mask is when the cut moves."""

import numba
import numpy as np

from n2vlib.kernels.training import _combine, _target, _upsample


@numba.njit(cache=True, nogil=True)
def count_at_levels(weights, levels, images, local, fired, labels, down, across):
    """Per example and level: intersection and predicted area of the mask S(sum_k w_k fired_k) > level.

    levels   float32, ascending; the other arguments are those of `training.count_combination`
    Returns  int64, (example, level), twice
    """
    pointers, code, height, width = fired
    maps, map_ptr = labels
    cells, tall, wide = height * width, len(down[0]), len(across[0])
    combined, broad = np.zeros((height, width), np.float32), np.zeros((height, wide), np.float32)
    z, target = np.zeros((tall, wide), np.float32), np.zeros(tall * wide, np.uint8)
    shape = len(images), len(levels)
    intersection, predicted = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    for example in range(len(images)):
        i = images[example]
        _combine(weights, np.float32(0), code, pointers[i], pointers[i + 1], cells, combined.ravel())
        _upsample(combined, down, across, broad, z)
        _target(maps[map_ptr[i] : map_ptr[i + 1]], local[example], target)
        flat = z.ravel()
        for p in range(len(flat)):
            at = 0
            while at < len(levels) and flat[p] > levels[at]:
                predicted[example, at] += 1
                intersection[example, at] += target[p] != 0
                at += 1
    return intersection, predicted
