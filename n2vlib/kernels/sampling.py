"""Balanced samples of images, drawn anew in every epoch."""

import numba


@numba.njit(cache=True, nogil=True)
def draw_balanced(rng, small, large, plan):
    """Fill each row of plan, (epoch, 2 * small), with all of `small` and as many of `large`, shuffled.

    rng     a numpy Generator     large   is reordered: its first places hold the last draw
    Without replacement within an epoch: the first places of a Fisher-Yates shuffle, and a whole one over the row.
    """
    n = len(small)
    for epoch in range(len(plan)):
        row = plan[epoch]
        for j in range(n):
            other = j + int(rng.random() * (len(large) - j))
            large[j], large[other] = large[other], large[j]
            row[j], row[n + j] = small[j], large[j]
        for j in range(len(row) - 1, 0, -1):
            other = int(rng.random() * (j + 1))
            row[j], row[other] = row[other], row[j]
