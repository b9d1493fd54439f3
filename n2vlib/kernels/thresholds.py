"""Upsampled sums of many (image, concept) pairs: how their values are distributed, and what lies above a threshold.

sums     float32, (pair, h, w), of some pairs     at   int64, (pair,), which pairs of the probe set these are
labels   as in kernels.tally; image int64, (every pair,): the image of each pair
down, across   i0, i1, and the weights as float32 (masks.iou.Taps.shares)
"""

import numba
import numpy as np

from n2vlib.kernels.combination import _overlap, _upsample, target_of


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _bins_of(z, target, low, scale, n_bins, bins):
    """The place of every pixel in a row of the bins of others, then those of annotated ones."""
    last = np.float32(n_bins - 1)
    for pixel in range(len(z)):
        bins[pixel] = np.int32(min(max((z[pixel] - low) * scale, np.float32(0)), last))
        bins[pixel] += np.int32(target[pixel]) * n_bins


@numba.njit(cache=True, nogil=True)
def _tally(bins, own):
    for pixel in range(len(bins)):
        own[bins[pixel]] += 1


@numba.njit(cache=True, nogil=True)
def histogram(sums, at, image, labels, down, across, lows, steps, counts):
    """Add the pixels of the pairs to `counts`, int32, (concept, 2, bin): not annotated and annotated ones apart.

    lows, steps   float32, (concept,): bin b holds values from low + b step to the next, the first and last all beyond
    """
    maps, map_ptr, _, pair_concept, pair_local = labels
    height, width = sums.shape[1:]
    tall, wide, n_bins = len(down[0]), len(across[0]), np.int32(counts.shape[2])
    broad, z = np.zeros((height, wide), np.float32), np.zeros((tall, wide), np.float32)
    target, bins = np.zeros(tall * wide, np.uint8), np.zeros(tall * wide, np.int32)
    for n in range(len(at)):
        p = at[n]
        c, i = pair_concept[p], image[p]
        _upsample(sums[n], down, across, broad, z)
        target_of(maps[map_ptr[i] : map_ptr[i + 1]], pair_local[p], target)
        _bins_of(z.ravel(), target, lows[c], np.float32(1) / steps[c], n_bins, bins)
        _tally(bins, counts[c].ravel())


@numba.njit(cache=True, nogil=True)
def above(sums, at, image, labels, down, across, thresholds, intersection, predicted):
    """Pixels of the masks S(sums) > threshold, int64 (every pair,): all of them, and those annotated.

    thresholds   float32, (concept,)
    """
    maps, map_ptr, _, pair_concept, pair_local = labels
    height, width = sums.shape[1:]
    tall, wide = len(down[0]), len(across[0])
    broad, z = np.zeros((height, wide), np.float32), np.zeros((tall, wide), np.float32)
    target = np.zeros(tall * wide, np.uint8)
    for n in range(len(at)):
        p = at[n]
        i = image[p]
        _upsample(sums[n], down, across, broad, z)
        target_of(maps[map_ptr[i] : map_ptr[i + 1]], pair_local[p], target)
        intersection[p], predicted[p] = _overlap(z.ravel(), thresholds[pair_concept[p]], target)
