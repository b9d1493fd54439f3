"""How often each filter's mask covers pixels of each atom, a group of pixels that show the same concepts.

And the search for the formulas that fit them best.
"""

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def count(images, masks, atom_of, shown, group, found):
    """Pixels of every filter's mask by atom, added to `found`.

    images    int64, positions of the images
    masks     ptr, filters, run_ptr, runs (see permuted.Masks)
    atom_of   (image, pixel): the atom of each pixel
    shown     int64, (image,): the image whose annotations each image is counted against
    group     int64, (image,): the group that an image's counts belong to
    found     int64, (group, filter, atom)
    """
    ptr, filters, run_ptr, runs = masks
    for i in images:
        atoms, here = atom_of[shown[i]], found[group[i]]
        for mask in range(ptr[i], ptr[i + 1]):
            counts = here[filters[mask]]
            for run in range(run_ptr[mask], run_ptr[mask + 1]):
                for pixel in range(runs[run, 0], runs[run, 1]):
                    counts[atoms[pixel]] += 1


@numba.njit(cache=True, nogil=True)
def beam(fired, sizes, ptr, concepts, first, held, beside, length, width, released):
    """The best formulas of one unit, round by round: those before, and each joined with one more concept.

    fired      int64, (atom,): pixels of the atom on which the unit fires      sizes   all of its pixels
    ptr, concepts   the concepts of atom a are concepts[ptr[a]:ptr[a + 1]]
    first, held     the atoms of concept c are held[first[c]:first[c + 1]]
    beside     bool, (concept,): which may stand first      length   rounds      width   formulas kept after each
    released   whether formulas that hold for the same atoms have places of their own (see compositional.beam.search)
    Returns    made int64, (formula, 3): the number of the formula joined (-1: none), the operator (0 OR, 1 AND, 2 AND
               NOT), the concept; IoU, (formula,); the best after each round, (round,), and all that are kept in the
               end, (width,): numbers of `made`, -1 for none
    Of equally good ones older formulas come first, then by the formula joined, the concept and the operator. Pixels are
    counted in float64, which is exact far beyond them.
    """
    n, n_atoms, area, n_made, since, n_kept = len(beside), len(sizes), 0, 0, 0, 0
    made, iou, best = np.zeros((width * length, 3), np.int64), np.zeros(width * length), np.zeros(length, np.int64)
    alone, both, scores = np.zeros((2, n + 1)), np.zeros((2, n + 1)), np.zeros(3 * n * width)
    order, kept = np.zeros(3 * n * width, np.int64), np.zeros((2, width), np.int64)
    truth = np.zeros((2, width, n_atoms), np.uint8)  # of the formulas kept, in this round and the next
    for a in range(n_atoms):
        area += fired[a]
        _add(fired, sizes, ptr, concepts, a, alone)
    for turn in range(length):
        old, new, n_new, n_now, left = turn % 2, (turn + 1) % 2, 0, 0, 0  # this round and the next
        least = iou[kept[old, width - 1]] if n_kept == width else 0.0
        for row in range(max(n_kept, 1)):
            # What stood in the beam a round ago was joined with every concept then; in a place that is still free, the
            # released program sets it again.
            if turn and (row >= n_kept or kept[old, row] < since and not (released and n_kept < width)):
                continue
            for i in range(n + 1):
                both[0, i] = both[1, i] = 0
            for a in range(n_atoms):
                if turn and truth[old, row, a]:
                    _add(fired, sizes, ptr, concepts, a, both)
            for i in range(3 * n):
                inside, shared, size = _joined(both, alone, i // 3, i % 3)
                if (beside[i // 3] and i % 3 == 0) if not turn else (released or not inside):
                    union = size + area - shared
                    score = shared / (union + 1e-10 if released else max(union, 1.0))
                    if score > least:
                        scores[3 * n * row + i], order[n_new] = score, 3 * n * row + i
                        n_new += 1
        for i in range(n_new // 2, 0, -1):
            _sink(order, scores, i - 1, n_new)
        since = n_made
        while n_now < width and (left < n_kept or n_new):
            if left < n_kept and (not n_new or iou[kept[old, left]] >= scores[order[0]]):
                kept[new, n_now] = kept[old, left]
                for a in range(n_atoms):
                    truth[new, n_now, a] = truth[old, left, a]
                n_now, left = n_now + 1, left + 1
                continue
            row, c, operator, score = order[0] // (3 * n), order[0] // 3 % n, order[0] % 3, scores[order[0]]
            n_new -= 1
            order[0] = order[n_new]
            _sink(order, scores, 0, n_new)
            for a in range(n_atoms):
                truth[new, n_now, a] = truth[old, row, a] if turn and operator != 1 else 0
            for i in range(first[c], first[c + 1]):
                truth[new, n_now, held[i]] = 1 if operator == 0 else truth[old, row, held[i]] if operator == 1 else 0
            if released or not _stands(truth[new], n_now, iou, kept[new], score):
                made[n_made, 0], made[n_made, 1], made[n_made, 2] = kept[old, row] if turn else -1, operator, c
                iou[n_made], kept[new, n_now] = score, n_made
                n_made, n_now = n_made + 1, n_now + 1
        n_kept, best[turn] = n_now, kept[new, 0] if n_now else -1
    for row in range(n_kept, width):
        kept[length % 2, row] = -1
    return made, iou, best, kept[length % 2]


@numba.njit(cache=True, nogil=True)
def _joined(both, alone, c, operator):
    """A formula joined with a concept: whether a shorter formula says the same; pixels that fire, and all.

    both   pixels of the formula with each concept, and in the last place alone      alone   of each concept
    """
    n = both.shape[1] - 1
    if operator == 2:
        return both[1, c] == 0, both[0, n] - both[0, c], both[1, n] - both[1, c]
    inside = both[1, c] == both[1, n] or both[1, c] == alone[1, c]
    if operator == 1:
        return inside, both[0, c], both[1, c]
    return inside, both[0, n] + alone[0, c] - both[0, c], both[1, n] + alone[1, c] - both[1, c]


@numba.njit(cache=True, nogil=True)
def _stands(truth, n_now, iou, kept, score):
    """Whether one of the first n_now formulas holds for the same atoms as the one after them, of this IoU."""
    for i in range(n_now):
        same, a = iou[kept[i]] == score, 0
        while same and a < truth.shape[1]:
            same, a = truth[i, a] == truth[n_now, a], a + 1
        if same:
            return True
    return False


@numba.njit(cache=True, nogil=True)
def _add(fired, sizes, ptr, concepts, a, both):
    """Add an atom's pixels to those of its concepts, and to the last place: those on which the unit fires, and all."""
    for i in range(ptr[a], ptr[a + 1] + 1):
        c = concepts[i] if i < ptr[a + 1] else both.shape[1] - 1
        both[0, c] += fired[a]
        both[1, c] += sizes[a]


@numba.njit(cache=True, nogil=True)
def _sink(order, scores, i, size):
    """Let the i-th of a heap sink to its place: the highest score is first, of equal ones that of the lowest number."""
    while 2 * i + 1 < size:
        child = 2 * i + 1
        for j in (child, child + 1):
            if j < size and (
                scores[order[j]] > scores[order[child]]
                or scores[order[j]] == scores[order[child]]
                and order[j] < order[child]
            ):
                child = j
        one, other = order[i], order[child]
        if scores[one] > scores[other] or scores[one] == scores[other] and one < other:
            return
        order[i], order[child] = other, one
        i = child
