"""Scenes drawn again with a thing more or less: the thing is where the mask says, and nothing else changes."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from n2vlib import world
from n2vlib.errors import BadInput
from n2vlib.world import edited
from n2vlib.world.canvas import GRID, SIZE, Canvas
from n2vlib.world.catalog import CONCEPTS, OBJECT
from n2vlib.world.stage import Stage
from n2vlib.world.things import KINDS, THINGS

NUMBER = {name: number for number, name, category in CONCEPTS if category == "object"}
CATEGORIES = ("color", "object", "part", "material")


def labels(scene: world.Scene, category: str) -> np.ndarray:
    return scene.maps[category][0] if category in scene.maps else np.zeros((56, 56), np.uint16)


def same(one: world.Scene, other: world.Scene) -> bool:
    maps = all(np.array_equal(labels(one, c), labels(other, c)) for c in CATEGORIES)
    rest = one.objects == other.objects and one.boxes == other.boxes and one.whole == other.whole
    return np.array_equal(one.image, other.image) and maps and rest and one.scene == other.scene


def test_without_an_edit_a_drawing_is_the_scene():
    assert all(same(edited.Drawing(0, i).scene, world.scene(0, i)) for i in range(12))


@pytest.mark.parametrize("kind", ["car", "person", "fence", "traffic light", "lamp"])
def test_an_added_thing_changes_pixels_and_labels_where_its_mask_is_and_nowhere_else(kind):
    drawing, seen = edited.Drawing(0, 12), 0
    for place, size in (((25, 50), 36.5), ((-25, 0), 84), ((-75, -75), 224), ((50, -25), 112)):
        edit = drawing.with_thing(kind, place, size)
        outside = ~edit.mask
        assert np.array_equal(edit.scene.image[outside], drawing.scene.image[outside])
        read = edit.mask[1::2, 1::2]  # a label is read at the last sample of every second pixel
        for category in CATEGORIES:
            changed = labels(edit.scene, category) != labels(drawing.scene, category)
            assert not (changed & ~read).any()
        is_thing = labels(edit.scene, "object") == NUMBER[kind]
        fresh = is_thing & (labels(drawing.scene, "object") != NUMBER[kind])
        assert (is_thing & read).sum() >= 0.8 * read.sum() and not (fresh & ~read).any()
        parts = {shape.part for name in KINDS[kind.replace(" ", "_")] for shape in THINGS[name].shapes} | {0}
        assert set(np.unique(labels(edit.scene, "part")[is_thing & read])) <= parts
        assert NUMBER[kind] in edit.scene.objects and edit.scene.boxes[:-1] == drawing.scene.boxes
        seen += edit.mask.sum()
    assert seen > 1000


def test_the_mask_of_an_added_thing_is_what_is_painted_last():
    drawing = edited.Drawing(0, 12)
    edit = drawing.with_thing("horse", (20, 30), 60)
    changed = (edit.scene.image != drawing.scene.image).any(-1)
    assert not (changed & ~edit.mask).any() and changed.sum() > 0.9 * edit.mask.sum()
    left, top, right, bottom = edit.scene.boxes[-1][1]
    rows, columns = np.nonzero(edit.mask)
    assert left - 4 <= columns.min() and columns.max() <= right + 4  # a curve swings a little out of its box
    assert top - 4 <= rows.min() and rows.max() <= bottom + 4
    assert max(right - left, bottom - top) == pytest.approx(60)
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((50, 60))  # the middle of the square


def test_a_thing_outside_the_image_changes_nothing():
    drawing = edited.Drawing(0, 12)
    edit = drawing.with_thing("car", (-75, -75), 36.5)
    assert not edit.mask.any() and np.array_equal(edit.scene.image, drawing.scene.image)


def test_a_thing_looks_the_same_in_every_place_of_a_scene():
    """A move by whole pixels moves its labels."""
    drawing = edited.Drawing(0, 12)
    assert "dog" not in drawing.shows
    here, there = (drawing.with_thing("dog", place, 56).scene for place in ((0, 50), (50, 0)))
    one, two = (labels(scene, "object") == NUMBER["dog"] for scene in (here, there))
    assert one.sum() > 100 and np.array_equal(one[25:53, :28], two[:28, 25:53])
    for category in ("color", "part"):
        assert np.array_equal(labels(here, category)[one], labels(there, category)[two])


class Hiding(Canvas):
    """A canvas on which things of one number are painted in vain: the slow way to leave them out."""

    hidden, all_hidden, last = 0, False, 0

    def _on(self, mark, paint):
        kept = self._pen
        if mark.object == self.hidden or self.all_hidden:
            self._pen = ImageDraw.Draw(Image.new("I", (GRID, GRID)))
        paint()
        self._pen = kept

    def polygon(self, points, surface, mark, **options):
        self._on(mark, lambda: Canvas.polygon(self, points, surface, mark, **options))

    def oval(self, x, y, rx, ry, surface, mark, round=1.0):
        self._on(mark, lambda: Canvas.oval(self, x, y, rx, ry, surface, mark, round))

    def ring(self, x, y, r, width, surface, mark):
        self._on(mark, lambda: Canvas.ring(self, x, y, r, width, surface, mark))

    def field(self, points, surface, mark, y0, y1):
        self._on(mark, lambda: Canvas.field(self, points, surface, mark, y0, y1))

    def glow(self, x, y, r, strength):
        if self.last != self.hidden:
            super().glow(x, y, r, strength)


@pytest.fixture
def hiding(monkeypatch):
    """Composing on a `Hiding` canvas casts no shadow of a hidden thing, and hides what is put on it."""
    stand, load = Stage.stand, Stage.load

    def number_of(kind):
        return THINGS[KINDS.get(kind, (kind,))[0]].number

    def standing(self, kind, nearness, x=None, size=1.0, shadow=True):
        self.canvas.last = number_of(kind)
        hidden = number_of(kind) == getattr(self.canvas, "hidden", None)
        return stand(self, kind, nearness, x, size, shadow and not hidden)

    def loading(self, name, box, wanted):
        self.canvas.all_hidden = number_of(name) == getattr(self.canvas, "hidden", None)
        load(self, name, box, wanted)
        self.canvas.all_hidden = False

    monkeypatch.setattr(Stage, "stand", standing)
    monkeypatch.setattr(Stage, "load", loading)
    return Hiding


def test_what_is_left_of_a_scene_is_what_is_painted_if_things_of_the_kind_are_painted_in_vain(hiding, monkeypatch):
    kinds = set()
    for index in range(30):
        drawing = edited.Drawing(3, index)
        for kind in drawing.shows:
            edit = drawing.without(kind)
            monkeypatch.setattr(Hiding, "hidden", NUMBER[kind])
            slow = world.painting(3, index, Hiding).shown()
            assert np.array_equal(edit.scene.image, slow.image), (index, kind)
            assert all(np.array_equal(labels(edit.scene, c), labels(slow, c)) for c in CATEGORIES)
            assert edit.scene.objects == slow.objects and NUMBER[kind] not in slow.objects
            read = edit.mask[1::2, 1::2]
            assert not ((labels(drawing.scene, "object") == NUMBER[kind]) & ~read).any()
            kinds.add(kind)
        monkeypatch.setattr(Hiding, "hidden", 0)
    assert {"table", "lamp", "streetlight", "person", "tree"} & kinds and len(kinds) > 20


def test_removing_a_thing_changes_pixels_only_where_it_was_or_its_shadow_fell():
    """Its shadow reaches half its width, and at most 16 pixels of its height, beyond its box; blurred by a few more."""
    for index in (12, 14, 20):
        drawing = edited.Drawing(0, index)
        for kind in drawing.shows:
            edit = drawing.without(kind)
            near = edit.mask.copy()
            for number, (left, top, right, bottom) in drawing.scene.boxes:
                if number == NUMBER[kind]:
                    wide = 0.6 * (right - left) + 24
                    rows, columns = np.mgrid[:SIZE, :SIZE]
                    across = (columns > left - wide) & (columns < right + wide)
                    near |= across & (rows > top - 34) & (rows < bottom + 12)
            changed = (edit.scene.image != drawing.scene.image).any(-1)
            assert not (changed & ~near).any(), (index, kind)


def test_what_stands_on_a_removed_table_goes_with_it_and_a_removed_cup_leaves_the_table():
    indices = [i for i in range(60) if {"table", "cup"} <= set(edited.Drawing(0, i).shows)]
    drawing = edited.Drawing(0, indices[0])
    assert OBJECT["table"] in drawing.without("cup").scene.objects
    on_it = [each for each in drawing._painting.placed if each.on == OBJECT["table"]]
    boxes = drawing.without("table").scene.boxes
    assert on_it and not any((each.object, each.box) in boxes for each in on_it)


def test_sizes_and_places_are_those_of_the_released_pictures():
    assert len(edited.PLACES) == 36 and np.allclose(np.array(edited.SIZES) * 2, [73, 112, 168, 224, 336, 448])
    assert {x for x, _ in edited.PLACES} == {-75, -50, -25, 0, 25, 50} == {y for _, y in edited.PLACES}
    middles = [(x + s / 2, y + s / 2) for (x, y), s in edited.CENTRED]
    assert all(0 < at < SIZE for middle in middles for at in middle)
    assert all(place in edited.PLACES and size in edited.SIZES for place, size in edited.CENTRED)


def test_the_first_scenes_are_those_that_are_no_texture():
    found = edited.drawings(3, 12)
    shown = [scene for i in range(40) if (scene := world.scene(3, i)).scene][:12]
    assert all(same(drawing.scene, scene) for drawing, scene in zip(found, shown, strict=True))


def test_wrong_edits_are_refused_in_one_line():
    drawing = edited.Drawing(0, 12)
    for call, says in (
        (lambda: drawing.with_thing("cra", (0, 0), 50), r"^cra: .*no such thing; near matches: .*car"),
        (lambda: drawing.with_thing("sky", (0, 0), 50), "no such thing"),
        (lambda: drawing.with_thing("car", (0, 0), 0), "above 0"),
        (lambda: drawing.without("camel"), "camel: is not seen in image 0/12; there are bus"),
    ):
        with pytest.raises(BadInput, match=says) as caught:
            call()
        assert "\n" not in str(caught.value)
