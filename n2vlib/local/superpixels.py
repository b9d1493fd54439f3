"""Superpixels of a picture, and pictures with some of them hidden (Ribeiro et al. 2016, section 3.1).

segments = superpixels.find(image, seed=0)               # (height, width), 0 to n - 1
fill = superpixels.mean_colors(image, segments)         # what a hidden superpixel shows
superpixels.hide(image, fill, segments, rows)            # (sample, height, width, 3)
"""

import numpy as np
from numpy.typing import NDArray
from skimage.segmentation import quickshift

from n2vlib.errors import BadInput

KERNEL = 3 / 112  # of the shorter side: about 20 superpixels; LIME takes 4 pixels whatever the size
MAX_DISTANCE, RATIO = 200, 0.2  # LIME's


def find(image: NDArray[np.uint8], *, seed: int, kernel: float = KERNEL) -> NDArray[np.int64]:
    """Superpixels by quickshift, as LIME makes them: int64, (height, width), 0 to n - 1 without a gap.

    image    uint8, (height, width, 3)
    kernel   a share of the shorter side; larger, fewer superpixels
    Quickshift breaks ties at random; the seed fixes them. Other methods of scikit-image count from 1 or leave numbers
    out, and then a column of LIME would do nothing: so the labels are numbered anew.
    Raises BadInput where there is one superpixel only, since nothing can be compared with it.
    """
    size = max(1, round(kernel * min(image.shape[:2])))
    found = quickshift(image, kernel_size=size, max_dist=MAX_DISTANCE, ratio=RATIO, rng=seed)
    segments = numbered(found)
    if not segments.any():
        height, width = segments.shape
        raise BadInput(f"picture of {height} x {width} pixels: it is one superpixel, so no part of it can be hidden")
    return segments


def numbered(labels: NDArray) -> NDArray[np.int64]:
    """The same labels as 0 to n - 1, in their order."""
    return np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int64)


def mean_colors(image: NDArray[np.uint8], segments: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Each superpixel in its mean color, rounded down as LIME does: uint8, (height, width, 3)."""
    at, sizes = segments.ravel(), np.bincount(segments.ravel())
    means = [np.bincount(at, channel.ravel()) / sizes for channel in np.moveaxis(image, -1, 0)]
    return np.stack(means, -1).astype(np.uint8)[segments]


def hide(
    image: NDArray[np.uint8], fill: NDArray[np.uint8], segments: NDArray[np.int64], rows: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """The picture with superpixels hidden: uint8, (sample, height, width, 3).

    fill   what hidden pixels show      rows   bool, (sample, superpixel): False hides
    """
    return np.where(rows[:, segments][..., None], image, fill)


def overlap(masks: NDArray[np.bool_], segments: NDArray[np.int64]) -> NDArray[np.float64]:
    """Which share of each superpixel lies in each mask: float64, (mask, superpixel).

    masks   bool, (mask, height, width) of any size, the whole picture
    """
    rows, columns = (np.arange(n) * m // n for n, m in zip(segments.shape, masks.shape[1:], strict=True))
    sizes, resized = np.bincount(segments.ravel()), masks[:, rows[:, None], columns]
    counts = [np.bincount(segments[mask], minlength=len(sizes)) for mask in resized]
    return np.reshape(counts, (len(masks), len(sizes))) / sizes
