"""Pixels above each of several thresholds, counted in one pass over an upsampled map."""

import numba


@numba.njit(cache=True, nogil=True)
def count_above(z, layers, local, thresholds, intersection, predicted):
    """Count the pixels of z above each threshold: annotated ones into intersection, all into predicted.

    z        float32, (height, width)      thresholds   float32, ascending      both counts   int64, (threshold,)
    layers   uint8, (map, height * width): the image's label maps; local: the concept's index in them, 0 = everywhere
    """
    flat = z.ravel()
    for p in range(len(flat)):
        if flat[p] <= thresholds[0]:
            continue
        inside = local == 0
        for m in range(len(layers)):
            inside |= layers[m, p] == local
        for j in range(len(thresholds)):
            if flat[p] <= thresholds[j]:
                break
            predicted[j] += 1
            intersection[j] += inside
