"""The rule by which polygons become masks, against a loop over pixels, areas worked out by hand, and pycocotools."""

import numpy as np
import pytest

from n2vlib.errors import BadInput
from n2vlib.probe.sources.polygons import polygon, polygons, reaches_outside, rectangle


def by_loop(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Even-odd, pixel by pixel: crossings at or left of the centre, of edges that span the middle of its row."""
    mask = np.zeros(size, bool)
    edges = [sorted(edge, key=lambda point: point[1]) for edge in zip(points, np.roll(points, -1, axis=0), strict=True)]
    for r, c in np.ndindex(size):
        x, y = c + 0.5, r + 0.5
        spanning = [(a, b) for a, b in edges if a[1] <= y < b[1]]
        mask[r, c] = sum(a[0] + (y - a[1]) * (b[0] - a[0]) / (b[1] - a[1]) <= x for a, b in spanning) % 2
    return mask


def outlines(decimals: int, number: int) -> list[tuple[np.ndarray, tuple[int, int]]]:
    rng = np.random.default_rng(decimals)
    sizes = [(int(h), int(w)) for h, w in rng.integers(1, 30, (number, 2))]
    return [(rng.normal(12, 12, (rng.integers(3, 9), 2)).round(decimals), size) for size in sizes]


@pytest.mark.parametrize("decimals", [0, 1, 8])
def test_a_pixel_belongs_where_its_centre_lies_inside(decimals):
    for points, size in outlines(decimals, 25):
        assert (polygon(points, size) == by_loop(points, size)).all()


def test_a_box_of_whole_numbers_has_its_area_and_no_border():
    mask = polygon([(3, 2), (23, 2), (23, 12), (3, 12)], (30, 40))
    assert mask.sum() == 200
    assert mask[2:12, 3:23].all()
    assert (rectangle(3, 2, 20, 10, (30, 40)) == mask).all()


def test_outlines_that_share_an_edge_share_no_pixel_and_leave_none_out():
    corners = np.array([(0, 0), (20, 0), (20, 15), (0, 15)], float)
    for middle in np.random.default_rng(0).uniform(1, 14, (20, 2)):
        parts = [polygon([a, b, middle], (15, 20)) for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True)]
        assert (np.sum(parts, axis=0) == 1).all()


def test_parts_are_joined_holes_cut_out_and_what_surrounds_twice_is_outside():
    square, inner = [(0, 0), (6, 0), (6, 6), (0, 6)], [(2, 2), (4, 2), (4, 4), (2, 4)]
    assert polygons([square, inner], (6, 6)).sum() == 36
    assert polygons([square], (6, 6), holes=[inner]).sum() == 32
    assert polygon([*square, (0, 0), *inner, (2, 2)], (6, 6)).sum() == 32


def test_what_lies_outside_is_clipped():
    assert rectangle(-5, -5, 100, 100, (3, 4)).all()
    assert reaches_outside([(0, 0), (9, 0), (0, 3)], (3, 4))
    assert not reaches_outside([(0, 0), (4.5, 0), (0, 3.4)], (3, 4))


def test_an_outline_of_two_points_encloses_nothing():
    assert not polygon([(0, 0), (5, 5)], (6, 6)).any()
    assert not polygon([], (6, 6)).any()


@pytest.mark.parametrize("points", [[(0, 0), (1, np.nan), (2, 2)], [1, 2, 3, 4], [(0, 0, 0)] * 3, "abc"])
def test_anything_else_is_refused(points):
    with pytest.raises(BadInput, match="polygon"):
        polygon(points, (5, 5))


def distance(points: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """From pixels (row, column) to the nearest point of an outline."""
    centres = pixels[:, None, ::-1] + 0.5
    along = np.roll(points, -1, axis=0) - points
    part = ((centres - points) * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-12)
    return np.linalg.norm(centres - points - part.clip(0, 1)[..., None] * along, axis=-1).min(axis=1)


def test_pycocotools_differs_only_where_a_centre_is_a_fifth_of_a_pixel_from_the_outline():
    coco = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for i in range(60):
        points = rng.uniform(0, 60, (7, 2)).round(i % 3)
        points = points[np.argsort(np.arctan2(*(points - points.mean(axis=0)).T))]
        theirs = coco.decode(coco.frPyObjects([points.ravel().tolist()], 60, 60))[..., 0].astype(bool)
        differing = np.argwhere(polygon(points, (60, 60)) != theirs)
        assert len(differing) < 0.1 * max(theirs.sum(), 100)
        assert not len(differing) or distance(points, differing).max() < 0.2
