"""Polygons become masks by one rule: a pixel belongs where its centre lies inside.

Coordinates are continuous, as COCO's, labelme's and CVAT's are: the pixel in row r and column c covers x from c to
c + 1 and y from r to r + 1, so its centre is (c + 0.5, r + 0.5). A centre on the outline belongs to a left or an upper
edge and not to a right or a lower one, so polygons that share an edge share no pixel, and the polygon (0, 0), (20, 0),
(20, 10), (0, 10) has 200 pixels. Inside is even-odd: where an outline crosses itself, what it surrounds twice is
outside. What lies outside the image is clipped. pycocotools differs at pixels whose centre is less than a fifth of a
pixel from a side; other tools' rules differ more, for objects 8 pixels across by half their area
(`benchmarks/POLYGONS.md`).
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from n2vlib.errors import BadInput

CROSSINGS_AT_ONCE = 2**22  # of edges and rows, held in memory


def polygon(points: ArrayLike, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of one closed outline: bool, (h, w) = size.

    points   (point, 2), x and y in pixels; the last is joined to the first. Fewer than three enclose nothing
    Raises BadInput for anything else, and for coordinates that are not finite.
    """
    return polygons([points], size)


def polygons(parts: Iterable[ArrayLike], size: tuple[int, int], holes: Iterable[ArrayLike] = ()) -> NDArray[np.bool_]:
    """The union of several parts, as COCO means the parts of one object, without the union of `holes`."""
    mask = np.zeros(size, np.bool_)
    for outline in parts:
        mask |= _inside(_points(outline), size)
    for hole in holes:
        mask &= ~_inside(_points(hole), size)
    return mask


def rectangle(x: float, y: float, width: float, height: float, size: tuple[int, int]) -> NDArray[np.bool_]:
    """The mask of a box by the same rule: bool, (h, w) = size; x, y is its upper left corner."""
    return polygon([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], size)


def reaches_outside(points: ArrayLike, size: tuple[int, int]) -> bool:
    """Whether a part of an outline lies outside the image, by more than rounding to whole pixels explains."""
    found = _points(points)
    return bool((found < -1).any() or (found > np.array(size[::-1]) + 1).any())


def _points(outline: ArrayLike) -> NDArray[np.float64]:
    try:
        found = np.asarray(outline, np.float64)
    except (TypeError, ValueError):
        raise BadInput("a polygon must be a list of points x, y") from None
    if found.size and (found.ndim != 2 or found.shape[1] != 2 or not np.isfinite(found).all()):
        raise BadInput(f"a polygon must be a list of points x, y, all finite; this one has shape {found.shape}")
    return found.reshape(-1, 2)


def _inside(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.bool_]:
    """A row is inside from an odd crossing of the outline to the next: each crossing flips all pixels right of it."""
    mask = np.zeros(size, np.bool_)
    (left, top), (right, bottom) = _window(points, size)
    h, w = bottom - top, right - left + 1
    flips = np.zeros(h * w, np.bool_)
    ends = np.roll(points, -1, axis=0)
    step = max(1, CROSSINGS_AT_ONCE // max(h, 1))
    for at in range(0, len(points), step):
        row, column = _crossings(points[at : at + step], ends[at : at + step], size)
        flips ^= np.bincount((row - top) * w + column.clip(left, right) - left, minlength=len(flips)) % 2 == 1
    mask[top:bottom, left:right] = np.logical_xor.accumulate(flips.reshape(h, w), axis=1)[:, :-1]
    return mask


def _window(points: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.int64]:
    """The first column and row in which a pixel can belong, and those behind the last: (2, 2), within the image."""
    ends = [np.floor(points.min(axis=0)), np.ceil(points.max(axis=0))] if len(points) else np.zeros((2, 2))
    return np.clip(ends, 0, size[::-1]).astype(np.int64)


def _crossings(
    starts: NDArray[np.float64], ends: NDArray[np.float64], size: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where edges cross the middle of rows: the row, and the first column whose centre is not left of the crossing."""
    upper = np.where((starts[:, 1] <= ends[:, 1])[:, None], starts, ends)
    lower = np.where((starts[:, 1] <= ends[:, 1])[:, None], ends, starts)
    # An edge crosses the rows whose middle is from its upper end on and above its lower end.
    first, last = (np.ceil(np.clip(end[:, 1], 0, size[0]) - 0.5).astype(np.int64) for end in (upper, lower))
    edge = np.repeat(np.arange(len(starts)), last - first)
    row = np.arange(len(edge)) - np.repeat(np.cumsum(last - first) - last, last - first)
    (x0, y0), (x1, y1) = upper[edge].T, lower[edge].T
    x = x0 + (row + 0.5 - y0) * (x1 - x0) / (y1 - y0)
    return row, np.ceil(np.clip(x, 0, size[1] + 1) - 0.5).clip(0, size[1]).astype(np.int64)
