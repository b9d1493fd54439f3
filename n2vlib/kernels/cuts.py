"""Pixels above each of several cuts, counted in one walk over an enlarged map."""

import numba


@numba.njit(cache=True, nogil=True)
def count_above(z, layers, local, cuts, intersection, predicted):
    """Add to intersection and predicted, int64 (cut,), the pixels of z above each cut, annotated ones and all.

    z        float32, (height, width)      cuts   float32, ascending
    layers   uint8, (map, height * width): the image's label maps; local: the concept's index in them, 0 = everywhere
    """
    flat = z.ravel()
    for p in range(len(flat)):
        if flat[p] <= cuts[0]:
            continue
        inside = local == 0
        for m in range(len(layers)):
            inside |= layers[m, p] == local
        for j in range(len(cuts)):
            if flat[p] <= cuts[j]:
                break
            predicted[j] += 1
            intersection[j] += inside
