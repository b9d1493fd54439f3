"""The mask of a combination in one image, pixel for pixel the one that `combination` counts."""

import numba
import numpy as np

from n2vlib.kernels.combination import _combine, _upsample


@numba.njit(cache=True, nogil=True)
def combined_mask(weights, code, grid, down, across):
    """S(sum_k w_k fired_k) > 0: bool, (height, width).

    weights   float32, (filter,)      code   uint32: where filters fire in the image (see kernels.sparse)
    grid      (h, w) of the layer     down, across   `Taps.shares()`
    """
    height, width = grid
    tall, wide = len(down[0]), len(across[0])
    combined, broad = np.zeros((height, width), np.float32), np.zeros((height, wide), np.float32)
    z = np.zeros((tall, wide), np.float32)
    _combine(weights, code, 0, len(code), height * width, combined.ravel())
    _upsample(combined, down, across, broad, z)
    return z > np.float32(0)
