"""Painting with labels. Every shape fills its pixels of one canvas of shape numbers, so later shapes hide
earlier ones in the picture and in all four label maps alike; light is computed at the end, for all pixels at
once, from the table of shapes.

Shapes are given in image pixels (0..112, y down) and rounded to a grid of SAMPLES per pixel before Pillow fills
them. Label maps are read from that canvas at the centre of each label pixel: no arithmetic on colors is involved.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import floor, gcd
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from n2vlib.world.palette import RGB, Light
from n2vlib.world.surfaces import PATTERN, SIDE, TILES

SIZE = 112
LABELS = 56
SAMPLES = 2
GRID = SIZE * SAMPLES
_X, _Y = (axis.ravel() for axis in np.meshgrid(*[np.arange(GRID, dtype=np.int32)] * 2))
_XF, _YF = _X.astype(np.float32), _Y.astype(np.float32)
_FLAT_TILES = TILES.ravel()


class Surface(NamedTuple):
    """The surface of a shape. color and material are concept numbers (0: none); amount 0..1 is how much of the
    second shade its pattern shows; glow surfaces keep their brightness at night."""

    color: int
    rgb: RGB
    second: RGB
    material: int = 0
    pattern: str = "none"
    amount: float = 0.0
    glow: bool = False


class Mark(NamedTuple):
    """What the shapes being painted belong to: numbers of object and part, distance 0 (near) to 1 (in the haze),
    whether ground shadows fall on them, and how large their pattern is drawn (1: as in the tile)."""

    object: int = 0
    part: int = 0
    far: float = 0.0
    ground: bool = False
    scale: float = 1.0


Coefficients = tuple[float, float, float, float, float]
GridBox = tuple[int, int, int, int]
FLAT: Coefficients = (0.0, 0.0, 0.0, 0.0, 0.0)


@lru_cache(maxsize=1 << 17)
def _ambiguous(across: int, down: int, start: int) -> bool:
    """Whether Pillow could fill along this edge differently on another machine.

    The edge runs from x = start, `across` samples sideways and `down` samples down. Pillow finds where it crosses row n
    as float32(n * slope) + start; a processor that multiplies and adds in one step rounds once instead of twice. This
    can only matter where the crossing is a whole or a half sample, at every `step`-th row.
    """
    step = abs(down) // gcd(2 * across, down)
    slope = np.float32(across) / np.float32(down)
    for rows in range(step, abs(down) + 1, step):
        n = rows if down > 0 else -rows
        twice = np.float32(n) * slope + np.float32(start)
        if twice != np.float32(n * float(slope) + start):  # exact in float64, then rounded once
            return True
    return False


def _snapped(points: Sequence[tuple[float, float]]) -> list[tuple[int, int]]:
    """`points` (image pixels) on the sample grid; a corner of an ambiguous edge moves by one sample.

    The few edges still ambiguous after 20 moves are long and start outside the image.
    """
    grid = [(floor(x * SAMPLES + 0.5), floor(y * SAMPLES + 0.5)) for x, y in points]
    for _ in range(20):
        pairs = zip(grid, grid[1:] + grid[:1], strict=True)
        bad = [k for k, ((x0, y0), (x1, y1)) in enumerate(pairs) if y0 != y1 and _ambiguous(x1 - x0, y1 - y0, x0)]
        if not bad:
            break
        k = (bad[0] + 1) % len(grid)
        grid[k] = (grid[k][0] + 1, grid[k][1])
    return grid


class Canvas:
    """One picture being painted."""

    def __init__(self, light: Light):
        self.light = light
        self._ids = Image.new("I", (GRID, GRID), 0)
        self._pen = ImageDraw.Draw(self._ids)
        self._shadow = Image.new("L", (SIZE, SIZE), 0)
        self._shadow_pen = ImageDraw.Draw(self._shadow)
        self._glow = Image.new("L", (SIZE, SIZE), 0)
        self._glow_pen = ImageDraw.Draw(self._glow)
        self._surfaces: list[Surface] = [Surface(0, (0, 0, 0), (0, 0, 0))]
        self._marks: list[Mark] = [Mark()]
        self._shading: list[Coefficients] = [FLAT]
        self._ramp: list[tuple[float, float]] = [(0.0, 0.0)]
        self._offset: list[tuple[int, int]] = [(0, 0)]

    def _new(self, surface: Surface, mark: Mark, shading: Coefficients, ramp: tuple[float, float]) -> int:
        number = len(self._surfaces)
        self._surfaces.append(surface)
        self._marks.append(mark)
        self._shading.append(shading)
        self._ramp.append(ramp)
        self._offset.append(((number * 37) % SIDE, (number * 23) % SIDE))
        return number

    def _leaning(self, box: GridBox, strength: float) -> Coefficients:
        """Shading of a flat face: brighter towards the light and the top of its bounding box."""
        x0, y0, x1, y1 = box
        across = -self.light.side * 0.09 * self.light.power * strength * 2 / max(x1 - x0, 4)
        down = -0.08 * strength * 2 / max(y1 - y0, 4)
        return (-across * (x0 + x1) / 2 - down * (y0 + y1) / 2, across, down, 0.0, 0.0)

    def _round(self, box: GridBox, strength: float) -> Coefficients:
        """Shading of a ball: brightest at a place up towards the light, falling off with squared distance."""
        x0, y0, x1, y1 = box
        rx, ry = max(x1 - x0, 3) / 2, max(y1 - y0, 3) / 2
        x, y = (x0 + x1) / 2 - self.light.side * 0.4 * rx, (y0 + y1) / 2 - 0.5 * ry
        fall = 0.13 * self.light.power * strength
        a, b = fall / (rx * rx), fall / (ry * ry)
        return (0.17 * strength - a * x * x - b * y * y, 2 * a * x, 2 * b * y, -a, -b)

    def polygon(
        self,
        points: Sequence[tuple[float, float]],
        surface: Surface,
        mark: Mark,
        *,
        round: float = 0.0,
        lean: float = 1.0,
    ) -> None:
        """Fill a polygon given by (x, y) corners; shaded as a ball where `round` > 0, else as a flat face."""
        grid = _snapped(points)
        xs, ys = [x for x, _ in grid], [y for _, y in grid]
        box = min(xs), min(ys), max(xs), max(ys)
        shading = self._round(box, round) if round else self._leaning(box, lean)
        self._pen.polygon(grid, fill=self._new(surface, mark, shading, (0.0, 0.0)))

    def oval(self, x: float, y: float, rx: float, ry: float, surface: Surface, mark: Mark, round: float = 1.0) -> None:
        """Fill an axis-parallel ellipse with centre (x, y) and radii rx, ry."""
        left, top = floor((x - rx) * SAMPLES + 0.5), floor((y - ry) * SAMPLES + 0.5)
        right = max(left + 1, floor((x + rx) * SAMPLES - 0.5))
        bottom = max(top + 1, floor((y + ry) * SAMPLES - 0.5))
        shading = self._round((left, top, right, bottom), round)
        self._pen.ellipse((left, top, right, bottom), fill=self._new(surface, mark, shading, (0.0, 0.0)))

    def ring(self, x: float, y: float, r: float, width: float, surface: Surface, mark: Mark) -> None:
        """The rim, `width` wide, of a circle with centre (x, y) and outer radius r."""
        left, top, right, bottom = (floor(v * SAMPLES + 0.5) for v in (x - r, y - r, x + r, y + r))
        box = left, top, right, bottom
        number = self._new(surface, mark, self._leaning(box, 1.0), (0.0, 0.0))
        self._pen.ellipse(box, outline=number, width=max(1, int(width * SAMPLES + 0.5)))

    def field(self, points: Sequence[tuple[float, float]], surface: Surface, mark: Mark, y0: float, y1: float) -> None:
        """Fill a polygon whose paint runs from its first shade at height y0 to its second at y1 (sky, sea, ground)."""
        grid = _snapped(points)
        slope = 1 / ((y1 - y0) * SAMPLES)
        self._pen.polygon(grid, fill=self._new(surface, mark, FLAT, (-y0 * SAMPLES * slope, slope)))

    def shadow(self, x: float, y: float, rx: float, ry: float, depth: float) -> None:
        """Darken the ground around (x, y) by `depth` (0..1); soft at the edge."""
        box = (int(x - rx + 0.5), int(y - ry + 0.5), int(x + rx + 0.5), int(y + ry + 0.5))
        self._shadow_pen.ellipse(box, fill=int(255 * min(1.0, depth)))

    def glow(self, x: float, y: float, r: float, strength: float) -> None:
        """Brighten everything within r of (x, y) with lamp light."""
        for share in (1.0, 0.66, 0.36):
            reach = r * share
            left, top, right, bottom = (int(v + 0.5) for v in (x - reach, y - reach, x + reach, y + reach))
            self._glow_pen.ellipse((left, top, right, bottom), fill=int(255 * strength * (1.15 - share)))

    @property
    def n_shapes(self) -> int:
        return len(self._surfaces)

    def label_maps(self) -> dict[str, np.ndarray]:
        """uint16 (56, 56) of concept numbers for color, object, part and material."""
        step, half = GRID // LABELS, GRID // LABELS // 2
        ids = np.asarray(self._ids)[half::step, half::step]
        columns = {
            "color": [s.color for s in self._surfaces],
            "object": [m.object for m in self._marks],
            "part": [m.part for m in self._marks],
            "material": [s.material for s in self._surfaces],
        }
        return {category: np.array(numbers, dtype=np.uint16)[ids] for category, numbers in columns.items()}

    def _lit(self) -> np.ndarray:
        """float32 (shape, 6): first and second shade of every shape under this light, haze included."""
        shades = np.array([(*s.rgb, *s.second) for s in self._surfaces], dtype=np.float32).reshape(-1, 2, 3)
        far = np.array([m.far for m in self._marks], dtype=np.float32)[:, None, None]
        glow = np.array([s.glow for s in self._surfaces])[:, None, None]
        lit = shades if not self.light.dark and self.light.name != "dusk" else np.where(glow, shades * 1.05, shades)
        tint = np.array(self.light.tint, dtype=np.float32)
        lit = np.where(glow, lit, lit * tint)
        lit = lit + (np.array(self.light.haze, dtype=np.float32) - lit) * far
        return lit.reshape(-1, 6)

    def _mix(self, ids: np.ndarray) -> np.ndarray:
        """float32 (pixel,): how much of the second shade each pixel shows, from the pattern and the ramp."""
        step = _gather([max(8, min(127, int(32 / max(m.scale, 0.2)))) for m in self._marks], ids, np.int32)
        first = [PATTERN[s.pattern] * SIDE * SIDE for s in self._surfaces]
        column = (_X * step >> 5) + _gather([x for x, _ in self._offset], ids, np.int32) & (SIDE - 1)
        row = (_Y * step >> 5) + _gather([y for _, y in self._offset], ids, np.int32) & (SIDE - 1)
        place = _gather(first, ids, np.int32) + row * SIDE + column
        mix = np.take(_FLAT_TILES, place, mode="clip") * _gather([s.amount / 255 for s in self._surfaces], ids)
        ramp = _gather([slope for _, slope in self._ramp], ids) * _YF
        ramp += _gather([start for start, _ in self._ramp], ids)
        mix += np.clip(ramp, 0, 1, out=ramp)
        return np.minimum(mix, 1, out=mix)

    def _shade(self, ids: np.ndarray) -> np.ndarray:
        """float32 (pixel,): how much lighter (> 0) or darker each pixel is made by the form of its shape."""
        constant, x, y, xx, yy = (_gather(column, ids) for column in zip(*self._shading, strict=True))
        xx *= _XF
        xx += x
        xx *= _XF
        yy *= _YF
        yy += y
        yy *= _YF
        constant += xx
        constant += yy
        return np.clip(constant, -0.34, 0.3, out=constant)

    def image(self, film: np.ndarray, exposure: float) -> np.ndarray:
        """uint8 (112, 112, 3). film float32 (GRID * GRID,) multiplies the brightness: paper grain and lens."""
        ids = np.asarray(self._ids).ravel().astype(np.intp)
        mix, shade, lit = self._mix(ids), self._shade(ids), self._lit()
        bright = self._ground_light(ids)
        bright *= film
        bright *= np.float32(exposure)
        lamps = self._lamps()
        channels = []
        for channel, (warmth, lamp) in enumerate(((1.08, 78), (1.0, 58), (0.82, 26))):
            value = _gather(lit[:, 3 + channel] - lit[:, channel], ids) * mix
            value += _gather(lit[:, channel], ids)
            value *= (shade * np.float32(warmth) + 1) * bright
            if lamps is not None:
                value += lamps * np.float32(lamp)
            value += np.float32(0.5)
            pixels = np.clip(value, 0, 255, out=value).astype(np.uint8).reshape(GRID, GRID)
            channels.append(Image.fromarray(pixels).reduce(SAMPLES))
        return np.asarray(Image.merge("RGB", channels))

    def _ground_light(self, ids: np.ndarray) -> np.ndarray:
        ground = _gather([-float(m.ground) for m in self._marks], ids)
        ground *= _spread(self._shadow, 1.6)
        ground += 1
        return ground

    def _lamps(self) -> np.ndarray | None:
        return None if self._glow.getextrema() == (0, 0) else _spread(self._glow, 6)


def _gather(values: Sequence[float] | np.ndarray, ids: np.ndarray, kind: type = np.float32) -> np.ndarray:
    """(pixel,): the value of each pixel's shape."""
    return np.take(np.asarray(values, dtype=kind), ids, mode="clip")


def _spread(small: Image.Image, radius: float) -> np.ndarray:
    """float32 (pixel,) in 0..1: a blurred field of image pixels on the sample grid."""
    soft = small.filter(ImageFilter.GaussianBlur(radius)).resize((GRID, GRID), Image.Resampling.BILINEAR)
    return np.asarray(soft).ravel() * np.float32(1 / 255)
