"""Counts of filters' masks against annotations that are permuted among images, many permutations in one pass.

A filter's mask is the same in every permutation, so it is made once, as runs of pixels. The labels of an image are
added up along its pixels once for all permutations. How often each label occurs under a run is then the difference of
two rows, for all labels at once, so that no permutation looks at a pixel.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from n2vlib.workers.threads import each_of, shares

WIDE = 16  # labels are counted in blocks of so many, which fill the processor's vectors


class Masks(NamedTuple):
    """The masks of all filters in all images, as runs of pixels; images and filters without a mask are left out.

    ptr          int64, (image + 1,): the masks of image i are ptr[i] .. ptr[i + 1]
    filters      int64, (mask,)        areas   int64, (mask,), pixels
    run_ptr      int64, (mask + 1,)    runs    uint32, (run, 2): first pixel, and the one after the last
    """

    ptr: NDArray[np.int64]
    filters: NDArray[np.int64]
    areas: NDArray[np.int64]
    run_ptr: NDArray[np.int64]
    runs: NDArray[np.uint32]


def masks(entries: tuple, thresholds: NDArray[np.float64], grid: tuple[int, int], down: tuple, across: tuple) -> Masks:
    """S(A_k) > T_k of all filters in all images.

    entries   of a layer (see kernels.sparse)     down, across   as `Taps.exact` gives them, float64
    """
    n_images = len(entries[0]) - 1
    parts = each_of(
        lambda of: _masks(np.arange(of.start, of.stop), entries, thresholds, grid, down, across), shares(n_images)
    )
    found, runs = (np.concatenate(part) for part in zip(*parts, strict=True))
    image, filters, areas, n_runs = np.ascontiguousarray(found.T)
    ptr = np.searchsorted(image, np.arange(n_images + 1))
    return Masks(ptr, filters, areas, np.concatenate([[0], n_runs.cumsum()]), runs)


@numba.njit(cache=True, nogil=True)
def _masks(images, entries, thresholds, grid, down, across):
    """Image, filter, area and number of runs of each mask, int64, (mask, 4); and the runs."""
    pointers, code, value = entries
    height, width = grid
    cells, most = height * width, len(down[0]) * (len(across[0]) // 2 + 1)  # runs of one mask
    values = np.full(cells, -np.inf)
    found, n = np.empty((1024, 4), np.int64), 0
    runs, n_runs = np.empty((most, 2), np.uint32), np.int64(0)  # no literal, for which `_runs_of` is compiled twice
    for i in images:
        start = pointers[i]
        while start < pointers[i + 1]:
            k, stop = np.int64(code[start]) // cells, start
            while stop < pointers[i + 1] and np.int64(code[stop]) // cells == k:
                values[np.int64(code[stop]) - k * cells] = value[stop]
                stop += 1
            if n == len(found):
                found = _longer(found, len(found))
            if n_runs + most > len(runs):
                runs = _longer(runs, len(runs) + most)
            before, area = n_runs, 0
            # Entries are sorted: only pixels between their first and their last row of cells can be in the mask.
            first, last = (np.int64(code[start]) - k * cells) // width, (np.int64(code[stop - 1]) - k * cells) // width
            n_runs = _runs_of(values, max(first - 1, 0), last + 1, thresholds[k], width, down, across, runs, n_runs)
            for r in range(before, n_runs):
                area += runs[r, 1] - runs[r, 0]
            if area:
                found[n, 0], found[n, 1], found[n, 2], found[n, 3] = i, k, area, n_runs - before
                n += 1
            for e in range(start, stop):
                values[np.int64(code[e]) - k * cells] = -np.inf
            start = stop
    return found[:n].copy(), runs[:n_runs].copy()


@numba.njit(cache=True, nogil=True)
def _longer(table, more):
    """The table with so many more rows."""
    longer = np.empty((len(table) + more, table.shape[1]), table.dtype)
    for i in range(len(table)):
        for j in range(table.shape[1]):
            longer[i, j] = table[i, j]
    return longer


@numba.njit(cache=True, nogil=True)
def _runs_of(values, first, last, threshold, width, down, across, runs, n):
    """Add the runs of one mask, between two rows of cells, to `runs`, of which there are n; the new number.

    Weights are integers, so T_k is scaled instead.
    """
    y0, y1, v0, v1, y_den, y_first = down
    x0, x1, u0, u1, x_den, x_first = across
    scaled = threshold * (y_den * x_den)
    for y in range(y_first[first], y_first[last]):
        base, top, low, started = y * len(x0), y0[y] * width, y1[y] * width, -1  # started: of the run that is open
        for cx in range(width):
            nx = min(cx + 1, width - 1)
            a, b, c, d = values[top + cx], values[top + nx], values[low + cx], values[low + nx]
            live = a > threshold or b > threshold or c > threshold or d > threshold
            left, right = a * v0[y] + c * v1[y], b * v0[y] + d * v1[y]
            for x in range(x_first[cx], x_first[cx + 1] if live or started >= 0 else x_first[cx]):
                inside = live and left * u0[x] + right * u1[x] > scaled
                if inside and started < 0:
                    started = base + x
                elif started >= 0 and not inside:
                    runs[n, 0], runs[n, 1] = started, base + x
                    n, started = n + 1, -1
        if started >= 0:
            runs[n, 0], runs[n, 1] = started, base + len(x0)
            n += 1
    return n


def counts(
    permutations: NDArray[np.int64],
    masks: Masks,
    labels: tuple,
    category: NDArray[np.int64],
    n_filters: int,
    counts_on: int,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Per permutation and filter: intersection with each concept, and predicted area by category.

    permutations   int64, (permutation, image): the image whose masks meet the labels of each image; -1 for none
    labels     see kernels.tally
    category   int64, (concept,): position of the concept's category     counts_on   `Convention.counts`
    Returns    (permutation, filter, concept) and (permutation, filter, category), as `tally.dissection_counts`
    """
    maps, map_ptr = labels[:2]
    most = maps.shape[1] * int(np.diff(map_ptr).max(initial=1))  # that one label can have in an image
    small = np.uint16 if most < 1 << 16 else np.uint32
    large = np.int32 if most * permutations.shape[1] < 1 << 31 else np.int64
    intersection = np.zeros((len(permutations), n_filters, len(category)), large)
    predicted = np.zeros((len(permutations), n_filters, int(category.max(initial=0)) + 1), large)
    _counts(permutations, tuple(masks), labels, category, counts_on, np.zeros(0, small), intersection, predicted)
    return intersection, predicted


@numba.njit(cache=True, nogil=True)
def _counts(permutations, masks, labels, category, counted, kind, intersection, predicted):
    """`kind` is of the type that holds how often a label can occur in an image; the last two are zero."""
    ptr, filters, areas, run_ptr, runs = masks
    maps, map_ptr, pair_ptr, pair_concept, pair_local = labels
    column, present = np.zeros(256, np.int64), np.zeros(predicted.shape[2], np.bool_)
    touched = present.copy()
    drawn, whole = np.zeros(256, np.int64), np.zeros(len(category), np.int64)  # concepts with pixels, and without
    for j in range(permutations.shape[1]):
        n_drawn, n_whole = 0, 0
        column[:] = -1
        for p in range(pair_ptr[j], pair_ptr[j + 1]):
            if pair_local[p]:
                column[pair_local[p]], drawn[n_drawn] = n_drawn, pair_concept[p]
                n_drawn += 1
            else:
                whole[n_whole] = pair_concept[p]
                n_whole += 1
        wide = -(-n_drawn // WIDE) * WIDE
        before, under = np.zeros((maps.shape[1] + 1, wide), kind.dtype), np.zeros(wide, kind.dtype)
        if wide:
            _add_up(maps[map_ptr[j] : map_ptr[j + 1]], column, before)
        present[:] = counted == 2
        for c in drawn[: n_drawn if counted == 0 else 0]:
            present[category[c]] = True
        for c in whole[: n_whole if counted < 2 else 0]:
            present[category[c]] = True
        for d in range(len(permutations)):
            i = permutations[d, j]
            for m in range(ptr[i] if i >= 0 else 0, ptr[i + 1] if i >= 0 else 0):
                under[:] = 0
                _add_runs(before, runs, run_ptr[m], run_ptr[m + 1] if wide else run_ptr[m], under)
                found, area = intersection[d, filters[m]], predicted[d, filters[m]]
                for c in range(n_drawn):
                    found[drawn[c]] += under[c]
                for c in range(n_whole):
                    found[whole[c]] += areas[m]
                for c in range(len(present)):
                    area[c] += areas[m] if present[c] else 0
                if counted == 1:
                    _add_touched(under[:n_drawn], category[drawn[:n_drawn]], present, touched, areas[m], area)


@numba.njit(cache=True, nogil=True)
def _add_touched(under, category, present, touched, pixels, area):
    """Add the mask's pixels to the area of categories that it touches and that were not present before."""
    for c in range(len(present)):
        touched[c] = present[c]
    for c in range(len(under)):
        if under[c] and not touched[category[c]]:
            touched[category[c]] = True
            area[category[c]] += pixels


@numba.njit(cache=True, nogil=True)
def _add_up(maps, column, before):
    """How often each label occurs before each pixel, into `before`, (pixel + 1, label)."""
    for x in range(maps.shape[1]):
        for c in range(before.shape[1]):
            before[x + 1, c] = before[x, c]
        for m in range(len(maps)):
            at = column[maps[m, x]]
            if at >= 0:
                before[x + 1, at] += 1


@numba.njit(cache=True, nogil=True)
def _add_runs(before, runs, first, last, under):
    """Add the labels under some runs to `under`, (label,)."""
    for r in range(first, last):
        start, stop = runs[r, 0], runs[r, 1]
        for c in range(before.shape[1]):
            under[c] += before[stop, c] - before[start, c]
