"""How often each pixel shows each concept, and fixed masks against the annotations.

labels   a tuple as in kernels.tally: maps, map_ptr, pair_ptr, pair_concept (position among the concepts), pair_local
"""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _rows_of(i, labels, rows):
    """rows[local] = the concept's position, -1 for a local index that the image does not use."""
    _, _, pair_ptr, pair_concept, pair_local = labels
    rows[:] = -1
    for p in range(pair_ptr[i], pair_ptr[i + 1]):
        if pair_local[p]:
            rows[pair_local[p]] = pair_concept[p]


@numba.njit(cache=True, nogil=True)
def times_annotated(images, labels, times):
    """Add to `times`, int64 (concept, pixel), how many of the images show the concept at the pixel."""
    maps, map_ptr, pair_ptr, pair_concept, pair_local = labels
    rows = np.zeros(256, np.int64)
    for i in images:
        _rows_of(i, labels, rows)
        for m in range(map_ptr[i], map_ptr[i + 1]):
            for pixel in range(maps.shape[1]):
                row = rows[maps[m, pixel]]
                if row >= 0:
                    times[row, pixel] += 1
        for p in range(pair_ptr[i], pair_ptr[i + 1]):
            if pair_local[p] == 0:
                for pixel in range(times.shape[1]):
                    times[pair_concept[p], pixel] += 1


@numba.njit(cache=True, nogil=True)
def overlaps(images, labels, masks, intersection):
    """Annotated pixels under the mask of each pair's concept, into `intersection`, int64 (pair,), which is zero.

    masks   bool, (concept, pixel)
    """
    maps, map_ptr, pair_ptr, pair_concept, pair_local = labels
    rows, seen = np.zeros(256, np.int64), np.zeros(256, np.int64)
    for i in images:
        _rows_of(i, labels, rows)
        seen[:] = 0
        for m in range(map_ptr[i], map_ptr[i + 1]):
            for pixel in range(maps.shape[1]):
                local = maps[m, pixel]
                if rows[local] >= 0:
                    seen[local] += masks[rows[local], pixel]
        for p in range(pair_ptr[i], pair_ptr[i + 1]):
            whole = pair_local[p] == 0
            intersection[p] = masks[pair_concept[p]].sum() if whole else seen[pair_local[p]]
