"""The best formula of up to three concepts for one unit, by trying all of them.

Where concepts x < y < z hold is divided into seven parts, numbered by the bits of the concepts that hold: 1 is x alone,
3 is x and y without z. A formula of OR, AND and AND NOT holds nowhere outside them, so it is a set of parts, and its
pixels are a sum. How many pixels of a part there are follows from how many each one, two and three concepts share.
"""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def best(fired, sizes, ptr, concepts, n_concepts, forms, n_short):
    """(IoU, form, x, y, z) of the best formula: the shortest of equally good ones; y and z are -1 where not needed.

    fired      int64, (atom,): pixels of the atom on which the unit fires      sizes   all of its pixels
    ptr, concepts   the concepts of atom a are concepts[ptr[a]:ptr[a + 1]], ascending
    forms      int64, (form,): the parts where each formula holds, as bits. The first is x, those up to n_short are of
               x and y, all others of x, y and z
    A formula covers no more of the unit than its concepts do together, and gains no more than the parts that gain at
    all, which rules most of them out (branch and bound).
    """
    area = fired.sum()
    one, two = np.zeros((2, n_concepts), np.int64), np.zeros((2, n_concepts, n_concepts), np.int64)
    by_concept = np.zeros(n_concepts + 1, np.int64)
    for a in range(len(fired)):
        for i in range(ptr[a], ptr[a + 1]):
            x = concepts[i]
            by_concept[x + 1] += 1
            one[0, x] += fired[a]
            one[1, x] += sizes[a]
            for j in range(i + 1, ptr[a + 1]):
                two[0, x, concepts[j]] += fired[a]
                two[1, x, concepts[j]] += sizes[a]
    found, iou = (0, -1, -1, -1), 0.0
    for x in range(n_concepts):
        if one[0, x] > iou * (area + one[1, x] - one[0, x]):
            found, iou = (0, x, -1, -1), one[0, x] / (area + one[1, x] - one[0, x])
    parts = np.zeros((2, 8), np.int64)
    for x in range(n_concepts):
        for y in range(x + 1, n_concepts):
            if one[0, x] + one[0, y] <= iou * area:
                continue
            _divide(parts, one, two, x, y)
            for form in range(1, n_short):
                shared, size = _held(parts, forms[form])
                if shared > iou * (area + size - shared):
                    found, iou = (form, x, y, -1), shared / (area + size - shared)
    return _of_three(fired, sizes, ptr, concepts, forms, n_short, one, two, by_concept.cumsum(), area, found, iou)


@numba.njit(cache=True, nogil=True)
def _of_three(fired, sizes, ptr, concepts, forms, n_short, one, two, first, area, found, iou):
    n = one.shape[1]
    atoms, filled = np.empty(first[-1], np.int64), first[:-1].copy()
    for a in range(len(fired)):
        for i in range(ptr[a], ptr[a + 1]):
            atoms[filled[concepts[i]]] = a
            filled[concepts[i]] += 1
    most = np.zeros(n + 1, np.int64)  # the largest overlap of a concept from there on
    for x in range(n - 1, -1, -1):
        most[x] = max(most[x + 1], one[0, x])
    three, parts = np.zeros((2, n, n), np.int64), np.zeros((2, 8), np.int64)
    for x in range(n):
        if one[0, x] + 2 * most[x + 1] <= iou * area:
            continue
        three[:] = 0
        for at in range(first[x], first[x + 1]):
            a = atoms[at]
            for i in range(ptr[a], ptr[a + 1]):
                if concepts[i] > x:
                    for j in range(i + 1, ptr[a + 1]):
                        three[0, concepts[i], concepts[j]] += fired[a]
                        three[1, concepts[i], concepts[j]] += sizes[a]
        for y in range(x + 1, n):
            if one[0, x] + one[0, y] + most[y + 1] <= iou * area:
                continue
            for z in range(y + 1, n):
                if one[0, x] + one[0, y] + one[0, z] <= iou * area:
                    continue
                _divide_by_three(parts, one, two, three, x, y, z)
                if _at_most(parts, area, iou) < 0:
                    continue
                for form in range(n_short, len(forms)):
                    shared, size = _held(parts, forms[form])
                    if shared > iou * (area + size - shared):
                        found, iou = (form, x, y, z), shared / (area + size - shared)
    return iou, found


@numba.njit(cache=True, nogil=True)
def _divide(parts, one, two, x, y):
    """The pixels of each part of two concepts; fired ones and all."""
    for which in range(2):
        both = two[which, x, y]
        parts[which, 1], parts[which, 2], parts[which, 3] = one[which, x] - both, one[which, y] - both, both


@numba.njit(cache=True, nogil=True)
def _divide_by_three(parts, one, two, three, x, y, z):
    for which in range(2):
        all_three = three[which, y, z]
        xy, xz, yz = two[which, x, y], two[which, x, z], two[which, y, z]
        parts[which, 7] = all_three
        parts[which, 3], parts[which, 5], parts[which, 6] = xy - all_three, xz - all_three, yz - all_three
        parts[which, 1] = one[which, x] - xy - xz + all_three
        parts[which, 2] = one[which, y] - xy - yz + all_three
        parts[which, 4] = one[which, z] - xz - yz + all_three


@numba.njit(cache=True, nogil=True)
def _at_most(parts, area, iou):
    """How far a set of parts can be above this IoU, in pixels: below 0 where none is above it.

    The IoU of a set is above it where shared - iou (area + size - shared) is above 0: a sum over parts.
    """
    most, every = -iou * area, area
    for p in range(1, 8):
        most += max((1 + iou) * parts[0, p] - iou * parts[1, p], 0.0)
        every += parts[1, p]
    return most + 1e-9 * every  # what is rounded is far less


@numba.njit(cache=True, nogil=True)
def _held(parts, form):
    """Pixels where a formula holds: fired ones, and all."""
    shared, size = 0, 0
    for p in range(1, 8):
        if form >> p & 1:
            shared += parts[0, p]
            size += parts[1, p]
    return shared, size
