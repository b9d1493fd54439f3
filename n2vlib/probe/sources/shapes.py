"""Turned boxes and ellipses as masks, by the rule of polygons: a pixel belongs where its centre lies inside."""

import math

import numpy as np
from numpy.typing import NDArray

Points = list[tuple[float, float]]


def rotated(points: Points, centre: tuple[float, float], degrees: float) -> Points:
    """Points x, y turned about a centre, clockwise as seen on the screen, where y points down."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    cx, cy = centre
    return [(cx + (x - cx) * cos - (y - cy) * sin, cy + (x - cx) * sin + (y - cy) * cos) for x, y in points]


def corners(x: float, y: float, width: float, height: float) -> Points:
    """The corners of an upright box, clockwise from x, y, its upper left one."""
    return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]


def ellipse(
    centre: tuple[float, float], radii: tuple[float, float], degrees: float, size: tuple[int, int]
) -> NDArray[np.bool_]:
    """The mask of an ellipse: bool, (h, w) = size; what lies outside is clipped.

    centre, radii   x, y in pixels
    degrees         how far it is turned about its centre, clockwise
    """
    mask = np.zeros(size, np.bool_)
    (cx, cy), (rx, ry) = centre, radii
    if not (rx > 0 and ry > 0):
        return mask
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    window = _window(cy, math.hypot(rx * sin, ry * cos), size[0]), _window(cx, math.hypot(rx * cos, ry * sin), size[1])
    y, x = np.arange(size[0])[window[0], None] + 0.5 - cy, np.arange(size[1])[None, window[1]] + 0.5 - cx
    mask[window] = ((x * cos + y * sin) / rx) ** 2 + ((y * cos - x * sin) / ry) ** 2 <= 1
    return mask


def _window(middle: float, reach: float, n: int) -> slice:
    """The pixels of one axis within reach."""
    return slice(*(int(min(max(edge, 0), n)) for edge in (math.floor(middle - reach), math.ceil(middle + reach))))
