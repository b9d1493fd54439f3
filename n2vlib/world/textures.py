"""Swatches: pictures filled by one texture, labelled for the whole image as in the Describable Textures data set.

Everything is drawn from integers and polygons, so colors are labelled by paint here too.
"""

import math
from collections.abc import Callable
from random import Random

from n2vlib.world.canvas import SIZE, Canvas, Mark, Surface
from n2vlib.world.palette import paint
from n2vlib.world.things import surface

Paints = list[Surface]
_NONE = Mark()
_ANYTHING = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "brown", "white", "black", "grey")


def swatch(rng: Random, canvas: Canvas, texture: str) -> None:
    """Fill the canvas with `texture` in two or three paints, turned and scaled at random."""
    names = rng.sample(_ANYTHING, 3)
    material = rng.choice(("", "", "", "fabric", "plaster"))
    paints = [
        surface(*paint(rng, name))._replace(pattern=material or "none", amount=0.25 if material else 0)
        for name in names
    ]
    canvas.polygon([(-3, -3), (115, -3), (115, 115), (-3, 115)], paints[0], _NONE, lean=2.0)
    turn = Turn(rng.choice((0.0, 0.0, math.pi / 4, rng.uniform(0, math.pi))))
    MAKERS[texture](rng, canvas, paints, turn)


class Turn:
    """A rotation about the middle of the image, its sine and cosine rounded to 1/4096."""

    def __init__(self, angle: float):
        self.c, self.s = round(math.cos(angle) * 4096) / 4096, round(math.sin(angle) * 4096) / 4096

    def __call__(self, *points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(56 + self.c * x - self.s * y, 56 + self.s * x + self.c * y) for x, y in points]


def _striped(rng: Random, canvas: Canvas, paints: Paints, turn: Turn) -> None:
    period, share = rng.uniform(6, 20), rng.uniform(0.3, 0.6)
    for k in range(int(-84 / period), int(84 / period) + 1):
        x = k * period
        canvas.polygon(
            turn((x, -84), (x + share * period, -84), (x + share * period, 84), (x, 84)),
            paints[1 + k % 2 * rng.choice((0, 0))],
            _NONE,
        )


def _dotted(rng: Random, canvas: Canvas, paints: Paints, turn: Turn) -> None:
    period = rng.uniform(8, 20)
    r, many = period * rng.uniform(0.2, 0.36), int(84 / period) + 1
    for i in range(-many, many + 1):
        for j in range(-many, many + 1):
            ((x, y),) = turn((period * (i + 0.5 * (j % 2)), period * j))
            if -r < x < SIZE + r and -r < y < SIZE + r:
                canvas.oval(x, y, r, r, paints[1], _NONE)


def _chequered(rng: Random, canvas: Canvas, paints: Paints, turn: Turn) -> None:
    side = rng.uniform(7, 20)
    many = int(84 / side) + 1
    for i in range(-many, many):
        for j in range(-many + (i + many) % 2, many, 2):
            x, y = side * i, side * j
            canvas.polygon(turn((x, y), (x + side, y), (x + side, y + side), (x, y + side)), paints[1], _NONE)


def _zigzagged(rng: Random, canvas: Canvas, paints: Paints, turn: Turn) -> None:
    period, step, rise = rng.uniform(10, 22), rng.uniform(6, 13), rng.uniform(5, 10)
    many = int(90 / step) + 1
    for k in range(int(-90 / period), int(90 / period) + 2):
        line = [(i * step, k * period + rise * (i % 2)) for i in range(-many, many + 1)]
        lower = [(x, y + period * 0.5) for x, y in reversed(line)]
        canvas.polygon(turn(*line, *lower), paints[1 + k % 2], _NONE)


def _woven(rng: Random, canvas: Canvas, paints: Paints, turn: Turn) -> None:
    side = rng.uniform(7, 14)
    many = int(84 / side) + 1
    for i in range(-many, many):
        for j in range(-many, many):
            x, y, across = side * i, side * j, (i + j) % 2
            dx, dy = (0.06, 0.16) if across else (0.16, 0.06)
            corners = (
                (x + dx * side, y + dy * side),
                (x + (1 - dx) * side, y + dy * side),
                (x + (1 - dx) * side, y + (1 - dy) * side),
                (x + dx * side, y + (1 - dy) * side),
            )
            canvas.polygon(turn(*corners), paints[1 + across], _NONE, round=1.0)


def _honeycombed(rng: Random, canvas: Canvas, paints: Paints, turn: Turn) -> None:
    r = rng.uniform(6, 12)
    dx, dy = r * 1.732, r * 1.5
    hexagon = [(0.0, -1.0), (0.866, -0.5), (0.866, 0.5), (0.0, 1.0), (-0.866, 0.5), (-0.866, -0.5)]
    many = int(84 / dy) + 2
    for i in range(-many, many):
        for j in range(-many, many):
            x, y, size = dx * (i + 0.5 * (j % 2)), dy * j, r * 0.84
            canvas.polygon(turn(*((x + size * a, y + size * b) for a, b in hexagon)), paints[1], _NONE, round=1.2)


def _cracked(rng: Random, canvas: Canvas, paints: Paints, turn: Turn) -> None:
    for _ in range(rng.randint(9, 16)):
        x, y, angle = rng.uniform(-70, 70), rng.uniform(-70, 70), rng.uniform(0, 6.28)
        width = rng.uniform(1.0, 2.6)
        for _ in range(rng.randint(5, 12)):
            length, angle = rng.uniform(5, 12), angle + rng.uniform(-0.7, 0.7)
            dx, dy = round(math.cos(angle) * 256) / 256, round(math.sin(angle) * 256) / 256
            to, thin = (x + dx * length, y + dy * length), width * 0.9
            sides = (
                (x - dy * width, y + dx * width),
                (to[0] - dy * thin, to[1] + dx * thin),
                (to[0] + dy * thin * 0.2, to[1] - dx * thin * 0.2),
                (x + dy * width * 0.2, y - dx * width * 0.2),
            )
            canvas.polygon(turn(*sides), paints[1], _NONE, lean=0)
            (x, y), width = to, thin


def _wavy_bands(rng: Random, canvas: Canvas, paints: Paints, turn: Turn, period: float, sway: float) -> None:
    knots = [rng.uniform(-sway, sway) for _ in range(12)]
    y = -90.0
    while y < 90:
        knots = [k + rng.uniform(-sway, sway) * 0.35 for k in knots]
        thick = period * rng.uniform(0.25, 0.6)
        upper = []
        for i in range(11):
            for part in range(4):
                t = part / 4
                s = t * t * (3 - 2 * t)
                upper.append((-90 + (i + t) * 16.4, y + knots[i] + (knots[i + 1] - knots[i]) * s))
        lower = [(px, py + thick) for px, py in reversed(upper)]
        canvas.polygon(turn(*upper, *lower), rng.choice(paints[1:]), _NONE, lean=0.5)
        y += period * rng.uniform(0.7, 1.3)


def _marbled(rng: Random, canvas: Canvas, paints: Paints, turn: Turn) -> None:
    _wavy_bands(rng, canvas, paints, turn, rng.uniform(8, 15), rng.uniform(9, 16))


def _scaly(rng: Random, canvas: Canvas, paints: Paints, turn: Turn) -> None:
    r = rng.uniform(6, 12)
    many = int(84 / r) + 2
    for j in range(-2 * many, 2 * many):
        for i in range(-many // 2 - 1, many // 2 + 2):
            x, y = 2 * r * (i + 0.5 * (j % 2)), -r * 0.62 * j
            if abs(x) < 68 and abs(y) < 70:
                canvas.oval(56 + x, 56 + y, r, r * 1.1, paints[0], _NONE, 0.4)
                canvas.oval(56 + x, 56 + y - r * 0.12, r * 0.86, r * 0.9, paints[1 + (i % 2) * (j % 2)], _NONE, 1.3)


def _bubbly(rng: Random, canvas: Canvas, paints: Paints, turn: Turn) -> None:
    for _ in range(rng.randint(45, 90)):
        x, y, r = (
            rng.uniform(-4, 116),
            rng.uniform(-4, 116),
            rng.choice((2.0, 3.0, 4.0, 6.0, 8.0, 11.0)) * rng.uniform(0.8, 1.2),
        )
        canvas.oval(x, y, r, r, paints[1], _NONE, 1.5)
        canvas.oval(x - r * 0.06, y - r * 0.06, r * 0.82, r * 0.82, paints[0], _NONE, 1.2)
        canvas.oval(x - 0.35 * r, y - 0.4 * r, r * 0.2, r * 0.2, paints[1], _NONE, 0)


def _crosshatched(rng: Random, canvas: Canvas, paints: Paints, turn: Turn) -> None:
    period, width, shear = rng.uniform(5, 11), rng.uniform(0.7, 1.8), rng.uniform(0.4, 1.0)
    for slope in (shear, -shear):
        for k in range(int(-180 / period), int(180 / period)):
            x = k * period + rng.uniform(-0.8, 0.8)
            canvas.polygon(
                turn(
                    (x - 90 * slope, -90),
                    (x - 90 * slope + width, -90),
                    (x + 90 * slope + width, 90),
                    (x + 90 * slope, 90),
                ),
                paints[1],
                _NONE,
            )


def _swirly(rng: Random, canvas: Canvas, paints: Paints, turn: Turn) -> None:
    for _ in range(rng.randint(5, 9)):
        cx, cy, start, hand = rng.uniform(-56, 56), rng.uniform(-56, 56), rng.randrange(24), rng.choice((-1, 1))
        reach, width = rng.uniform(14, 30), rng.uniform(1.4, 2.8)
        inner, outer = [], []
        for step in range(44):
            angle = (start + step) * math.pi / 12
            c, s = round(math.cos(angle) * 4096) / 4096, hand * round(math.sin(angle) * 4096) / 4096
            r, half = reach * step / 44, width * (0.3 + step / 44)
            inner.append((cx + c * (r - half), cy + s * (r - half)))
            outer.append((cx + c * (r + half), cy + s * (r + half)))
        for k in range(43):
            canvas.polygon(turn(inner[k], inner[k + 1], outer[k + 1], outer[k]), paints[1], _NONE, lean=0)


MAKERS: dict[str, Callable[[Random, Canvas, Paints, Turn], None]] = {
    "striped": _striped, "dotted": _dotted, "chequered": _chequered, "zigzagged": _zigzagged, "woven": _woven,
    "honeycombed": _honeycombed, "cracked": _cracked, "marbled": _marbled, "scaly": _scaly, "bubbly": _bubbly,
    "crosshatched": _crosshatched, "swirly": _swirly,
}  # fmt: skip
