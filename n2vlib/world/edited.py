"""Scenes of the drawn world drawn again with one thing more, or without the things of one kind.

    drawing = edited.Drawing(seed=0, index=12)
    drawing.scene                                              # `world.scene(0, 12)`
    more = drawing.with_thing("car", place=(25, 50), size=56)
    less = drawing.without("car")
    more.scene, more.mask                                      # pixels with their labels, and where the thing is

Nothing else is drawn anew. An added thing casts no shadow, as a pasted picture casts none, so every pixel outside its
mask stays the same. A removed thing takes its shadow, its light and what stands on it away, and what it hid appears.
"""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from itertools import count, islice
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from n2vlib.errors import BadInput, near
from n2vlib.world import Painting, Scene, painting
from n2vlib.world.canvas import SAMPLES, SIZE, Canvas, _spread
from n2vlib.world.catalog import CONCEPTS
from n2vlib.world.palette import Light
from n2vlib.world.stage import Placed
from n2vlib.world.things import KINDS, THINGS, draw

# Mu and Andreas pasted pictures 73 to 448 pixels large, their top left corner at -150 to 100, on images of 224.
_OF = SIZE / 224
SIZES = tuple(side * _OF for side in (73, 112, 168, 224, 336, 448))
PLACES = tuple((x * _OF, y * _OF) for y in range(-150, 101, 50) for x in range(-150, 101, 50))
CENTRED = tuple((p, s) for s in SIZES for p in PLACES if all(0 < at + s / 2 < SIZE for at in p))  # middle in the image

_NAMES = {number: name for number, name, _ in CONCEPTS}
_VARIANTS = {_NAMES[THINGS[variants[0]].number]: variants for variants in KINDS.values()}
THINGS_DRAWN = tuple(_VARIANTS)  # names of the concepts of which there are things
_NUMBERS = {name: THINGS[variants[0]].number for name, variants in _VARIANTS.items()}


@dataclass(frozen=True)
class Edited:
    """A scene after an edit.

    mask   bool, (112, 112): where an added thing is seen, or where the removed ones were
    """

    scene: Scene
    mask: NDArray[np.bool_]


class Drawing:
    """Image `index` of the world `seed`, painted once, to be drawn again with edits.

    scene   as `world.scene` draws it
    """

    def __init__(self, seed: int, index: int):
        self._painting: Painting = painting(seed, index, _Canvas)
        self._look, self.scene = f"{seed}/{index}", self._painting.shown()

    @property
    def shows(self) -> list[str]:
        """Names of the things that are seen and can be removed."""
        return [name for name, number in _NUMBERS.items() if number in self.scene.objects]

    def with_thing(self, kind: str, place: tuple[float, float], size: float) -> Edited:
        """The scene with a thing painted last, in front of all others; in a scene it looks the same in every place.

        kind          one of THINGS_DRAWN
        place, size   (left, top) and side of a square, in image pixels, of which the image has 112: the thing is as
                      large as fits, in its middle
        Raises BadInput for an unknown kind, or a size of 0 or less.
        """
        canvas, added = self._painted(kind, place, size)
        mask = canvas.seen_at({*added.shapes})
        if not mask.any():  # it lies outside the image
            return Edited(replace(self.scene, boxes=[*self.scene.boxes, (added.object, added.box)]), mask)
        return self._edited(canvas, [*self._painting.placed, added], mask)

    def labels_with(
        self, kind: str, place: tuple[float, float], size: float
    ) -> tuple[dict[str, NDArray[np.uint16]], NDArray[np.bool_]]:
        """The label maps and the mask of `with_thing`, without its pixels: {category: uint16, (56, 56)}."""
        canvas, added = self._painted(kind, place, size)
        return canvas.label_maps(), canvas.seen_at({*added.shapes})

    def _painted(self, kind: str, place: tuple[float, float], size: float) -> "tuple[_Canvas, Placed]":
        _number(kind)
        if size <= 0:
            raise BadInput(f"size = {size}: must be above 0")
        rng, canvas = Random(f"{self._look}/{kind}"), self._canvas.again()
        thing = THINGS[rng.choice(_VARIANTS[kind])]
        width, height = size * min(1, thing.aspect), size * min(1, 1 / thing.aspect)
        left, top = place[0] + (size - width) / 2, place[1] + (size - height) / 2
        first = canvas.n_shapes
        draw(canvas, rng, thing, (left, top, width, height))
        box = (left, top, left + width, top + height)
        return canvas, Placed(thing.number, box, range(first, canvas.n_shapes))

    def without(self, kind: str) -> Edited:
        """The scene without the things of this kind, their shadows and lights, and what stands on them.

        kind    one of `shows`; BadInput for any other
        """
        number = _number(kind)
        if kind not in self.shows:
            raise BadInput(f"{kind}: is not seen in image {self._look}; there are {', '.join(self.shows) or 'none'}")
        gone = [each for each in self._painting.placed if number in (each.object, each.on)]
        hidden = {shape for each in gone for shape in each.shapes}
        left = [each for each in self._painting.placed if each not in gone]
        return self._edited(self._canvas.again(hidden), left, self._canvas.seen_at(hidden))

    @property
    def _canvas(self) -> "_Canvas":
        canvas = self._painting.canvas
        assert isinstance(canvas, _Canvas)
        return canvas

    def _edited(self, canvas: Canvas, placed: list[Placed], mask: NDArray[np.bool_]) -> Edited:
        return Edited(replace(self._painting, canvas=canvas, placed=placed).shown(), mask)


def drawings(seed: int, n_scenes: int) -> list[Drawing]:
    """The first so many images of the world `seed` that show a scene."""
    every = (Drawing(seed, index) for index in count())
    return [*islice((each for each in every if each.scene.scene), n_scenes)]


def _number(kind: str) -> int:
    if kind not in _NUMBERS:
        raise BadInput(f"{kind}: the drawn world has no such thing; {near(kind, list(THINGS_DRAWN))}")
    return _NUMBERS[kind]


class _Canvas(Canvas):
    """A canvas that can be painted again, without some of its shapes."""

    def __init__(self, light: Light):
        super().__init__(light)
        self._pen = _Pen(self._ids, self)
        self._shadow_pen, self._glow_pen = _Pen(self._shadow, self), _Pen(self._glow, self)
        self._lights: dict[str, Any] = {}  # what shadows and lamps do to each sample

    def again(self, hidden: Set[int] = frozenset()) -> "_Canvas":
        """A copy without some shapes. The others keep their numbers, on which their patterns depend."""
        twin = _Canvas(self.light)
        for name in ("_surfaces", "_marks", "_shading", "_ramp", "_offset"):
            setattr(twin, name, list(getattr(self, name)))
        # A shape has its number when it is drawn. A shadow is cast before the first shape of its thing is drawn; a
        # light shines after the last one.
        for pen, own, later in (("_pen", "_ids", 0), ("_shadow_pen", "_shadow", 1), ("_glow_pen", "_glow", 0)):
            if hidden:
                getattr(self, pen).repeat(getattr(twin, pen), {shape - later for shape in hidden})
            else:
                getattr(twin, own).paste(getattr(self, own))
        if not hidden:  # an added thing has no shadow and no lamp
            twin._lights = self._lights
        return twin

    def _ground_light(self, ids: NDArray[np.intp]) -> NDArray[np.float32]:
        lights = self._lights
        if "shadows" not in lights:
            lights["shadows"] = 1 - _spread(self._shadow, 1.6)
        return np.where(np.array([mark.ground for mark in self._marks])[ids], lights["shadows"], np.float32(1))

    def _lamps(self) -> NDArray[np.float32] | None:
        if "lamps" not in self._lights:
            self._lights["lamps"] = super()._lamps()
        return self._lights["lamps"]

    def seen_at(self, shapes: Set[int]) -> NDArray[np.bool_]:
        """Where at least a sample of a pixel shows one of these shapes: bool, (112, 112)."""
        chosen = np.zeros(self.n_shapes, np.bool_)
        chosen[list(shapes)] = True
        seen = chosen[np.asarray(self._ids)].reshape(SIZE, SAMPLES, SIZE, SAMPLES)
        return np.any(seen, axis=(1, 3))


class _Pen(ImageDraw.ImageDraw):
    """A pen that remembers what it drew, and which shape was the newest then."""

    def __init__(self, image: Image.Image, canvas: Canvas):
        super().__init__(image)
        self._canvas, self._drawn = canvas, []

    def polygon(self, *arguments, **options) -> None:  # type: ignore[override]
        self._draw("polygon", arguments, options)

    def ellipse(self, *arguments, **options) -> None:  # type: ignore[override]
        self._draw("ellipse", arguments, options)

    def repeat(self, other: ImageDraw.ImageDraw, without: Set[int]) -> None:
        """Draw the same with another pen, but for what was drawn when one of these shapes was the newest."""
        for newest, what, arguments, options in self._drawn:
            if newest not in without:
                getattr(other, what)(*arguments, **options)

    def _draw(self, what: str, arguments: Sequence, options: dict) -> None:
        self._drawn.append((self._canvas.n_shapes - 1, what, arguments, options))
        getattr(ImageDraw.ImageDraw, what)(self, *arguments, **options)
