"""What is drawn in the fixtures of this folder, so that tests know the answer: one image of 24 x 16 pixels."""

import numpy as np

SIZE = (16, 24)  # height, width
_ROWS, _COLUMNS = np.indices(SIZE)
MASK = (_ROWS * 7 + _COLUMNS * 3) % 5 < 2  # no symmetry: a transposed or shifted mask differs
MASK[:3], MASK[:, :4], MASK[-2:] = False, False, False
BOX = (4, 3, 23, 13)  # of MASK: first column, first row, last column, last row, all in it
POLYGON = [(2.0, 1.0), (20.5, 3.0), (12.0, 14.0), (3.0, 9.5)]
CORNERS = [(8.0, 2.0), (18.392304845413264, 8.0), (15.392304845413264, 13.196152422706632), (5.0, 7.196152422706632)]
CIRCLE = [(11.0, 8.0), (15.0, 11.0)]  # centre, and a point on it: the radius is 5


def inside(points: list[tuple[float, float]]) -> np.ndarray:
    """The pixels whose centres lie inside a convex polygon, corners clockwise on the screen: left of no edge."""
    mask = np.ones(SIZE, bool)
    for (x0, y0), (x1, y1) in zip(points, points[1:] + points[:1], strict=True):
        mask &= (x1 - x0) * (_ROWS + 0.5 - y0) - (y1 - y0) * (_COLUMNS + 0.5 - x0) > 0
    return mask
