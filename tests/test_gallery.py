"""Pictures with masks: lines lie on the mask's edge, names are escaped, bytes are the same every time."""

import base64
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from PIL import Image

from n2vlib.display import gallery
from n2vlib.display.contours import contours, dashes
from n2vlib.errors import BadInput


def area(line: np.ndarray) -> float:
    x, y = line.T
    return float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)) / 2)


def image(seed: int = 0, side: int = 112) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 200, (side, side, 3), dtype=np.uint8)


@settings(max_examples=60, deadline=None)
@given(arrays(bool, (7, 9)))
def test_the_traced_edge_encloses_exactly_the_mask(mask):
    assert sum(area(line) for line in contours(mask, rounds=0)) == mask.sum()


@settings(max_examples=40, deadline=None)
@given(arrays(bool, (7, 9)))
def test_the_rounded_edge_stays_within_half_a_pixel(mask):
    for sharp, round_ in zip(contours(mask, rounds=0), contours(mask), strict=True):
        gaps = np.linalg.norm(round_[:, None] - sharp[None], axis=-1).min(axis=1)
        assert gaps.max() <= np.sqrt(0.5)  # from the nearest corner, half a step along and at most half aside


def test_a_ring_is_an_outer_line_and_a_hole():
    ring = np.ones((3, 3), bool)
    ring[1, 1] = False
    assert sorted(area(line) for line in contours(ring, rounds=0)) == [-1.0, 9.0]
    assert contours(np.zeros((4, 4), bool)) == []


def test_pieces_that_touch_at_a_corner_are_two():
    assert len(contours(np.eye(2, dtype=bool))) == 2


def test_dashes_cover_their_share_of_the_line():
    square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], float)
    cut = dashes(square, on=3, off=2)
    length = sum(np.hypot(*np.diff(stroke, axis=0).T).sum() for stroke in cut)
    assert len(cut) == 8 and length == pytest.approx(0.6 * 40)


def test_outside_the_mask_is_dimmed_and_inside_is_untouched():
    mask = np.zeros((56, 56), bool)
    mask[14:42, 14:42] = True
    grey = np.full((112, 112, 3), 160, np.uint8)
    drawn = np.asarray(gallery.compose(grey, annotated=mask))
    assert drawn.shape == (224, 224, 3)
    assert (drawn[100:124, 100:124] == 160).all()
    assert (drawn[:40] < 100).all()


def test_the_two_masks_have_two_line_styles():
    mask = np.zeros((56, 56), bool)
    mask[14:42, 14:42] = True
    grey = np.full((112, 112, 3), 90, np.uint8)
    edge = slice(60, 164), slice(54, 59)  # along the left side, corners left out
    annotated = np.asarray(gallery.compose(grey, annotated=mask))[edge].max(axis=1)
    predicted = np.asarray(gallery.compose(grey, predicted=mask))[edge].max(axis=1)
    assert (annotated.min(axis=1) > 200).all()  # white all along
    orange = (predicted[:, 0] > 200) & (predicted[:, 2] < 120)
    assert 0.4 < orange.mean() < 0.8  # dashes


def test_a_heat_map_is_brightest_where_the_filter_is():
    heat = np.zeros((7, 7), np.float32)
    heat[1, 5] = 1.0
    drawn = np.asarray(gallery.compose(np.full((112, 112, 3), 120, np.uint8), heat=heat), float).sum(axis=-1)
    y, x = np.unravel_index(drawn.argmax(), drawn.shape)
    assert (int(y) // 32, int(x) // 32) == (1, 5)


def test_a_mask_of_nothing_and_of_everything_can_be_drawn():
    for mask in (np.zeros((5, 5), bool), np.ones((5, 5), bool)):
        assert gallery.compose(image(), annotated=mask, predicted=mask).size == (224, 224)


def grid() -> gallery.Shown:
    masks = np.zeros((2, 56, 56), bool)
    masks[:, 10:30, 20:40] = True
    words = [gallery.caption("dog <b>", 0.4166, 17), gallery.caption('"sofa"')]
    return gallery.show([image(0), image(1)], words, annotated=masks, predicted=[masks[0], None])


def test_captions_are_text_and_pictures_say_what_they_show():
    html = grid()._repr_html_()
    assert "<b>dog &lt;b&gt;</b>" in html and "IoU 0.42 · image 17" in html
    assert 'alt="dog &lt;b&gt;, IoU 0.42, image 17; annotated mask on 12.8% of the image; predicted' in html
    assert "&quot;sofa&quot;" in html and html.count("<img ") == 2


def test_the_same_arrays_give_the_same_bytes_and_a_short_plain_text():
    assert grid().html == grid().html
    assert repr(grid()) == '<2 pictures: dog <b> · IoU 0.42 · image 17; "sofa">'


def test_pictures_are_small_png_inside_the_page():
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', grid().html)
    sizes = [Image.open(io.BytesIO(base64.b64decode(text))).size for text in found]
    assert sizes == [(224, 224)] * 2 and all(len(text) < 100_000 for text in found)
    assert "http" not in grid().html


def test_strips_and_heat_maps_are_grids_too():
    strip = gallery.concept_strip("lamp & shade", [image()], ["lamp"])
    heat = gallery.heatmap([image()], [np.eye(4)], ["filter 3"])
    both = gallery.stack(strip, heat)
    assert "lamp &amp; shade" in both.html and "0 to 1" in both.html
    assert repr(both) == "<1 picture: lamp>\n<1 picture: filter 3>"


def test_one_mask_per_image_or_a_clear_error():
    with pytest.raises(BadInput, match="annotated: 1 of them for 2 images"):
        gallery.show([image(), image(1)], ["a", "b"], annotated=[np.eye(3, dtype=bool)])
