"""Placing things in a picture: size and haze from depth, shadows, boxes, small things on tables."""

from random import Random
from typing import NamedTuple

from n2vlib.world.canvas import SIZE, Canvas
from n2vlib.world.things import KINDS, THINGS, draw

Box = tuple[float, float, float, float]


class Placed(NamedTuple):
    """A thing that was painted.

    object   its number      box      (left, top, right, bottom) in image pixels, before clipping
    shapes   the numbers of its shapes on the canvas
    on       the object number of what it stands on; 0 for the ground, a wall or the sky
    """

    object: int
    box: Box
    shapes: range
    on: int = 0


class Stage:
    """A ground seen by a camera.

    horizon   height of the camera's horizon, image pixels from the top
    unit      pixels per metre for a thing that stands at the bottom edge of the image
    haze      how much of a thing at the horizon is hidden by haze, 0..1
    placed    the things that were painted, in this order
    """

    def __init__(self, rng: Random, canvas: Canvas, horizon: float, unit: float, haze: float = 0.5):
        self.rng, self.canvas = rng, canvas
        self.horizon, self.unit, self.haze = horizon, unit, haze
        self.placed: list[Placed] = []
        self._taken: list[tuple[float, float, float]] = []

    def y_at(self, nearness: float) -> float:
        """Ground height in the image at nearness 0 (horizon) .. 1 (bottom edge)."""
        return self.horizon + nearness * (SIZE - self.horizon)

    def free_x(self, nearness: float, low: float = 0.0, high: float = SIZE) -> float:
        """A position along the ground, the least crowded of three drawn at random."""
        tries = [self.rng.uniform(low, high) for _ in range(3)]

        def room(x: float) -> float:
            return min((abs(x - taken) + 60 * abs(nearness - other) for taken, other, _ in self._taken), default=99.0)

        return max(tries, key=room)

    def stand(
        self, kind: str, nearness: float, x: float | None = None, size: float = 1.0, shadow: bool = True
    ) -> tuple[str, Box]:
        """Paint a thing standing (or floating) on the ground at `nearness`; returns its variant and box."""
        name = self.rng.choice(KINDS[kind]) if kind in KINDS else kind
        thing = THINGS[name]
        height = thing.height * self.unit * nearness * size * self.rng.uniform(0.88, 1.14)
        width = height * thing.aspect * self.rng.uniform(0.92, 1.1)
        margin = min(0.3 * width, 40.0)  # mostly inside the image
        x = self.free_x(nearness, margin, SIZE - margin) if x is None else x
        y = self.y_at(nearness)
        self._taken.append((x, nearness, width))
        if shadow and self.canvas.light.shadow:
            self._cast(x, y, width, height)
        tilting = kind in ("tree", "pine", "palm", "person", "umbrella", "streetlight", "flower", "cactus", "boat")
        lean = self.rng.uniform(-0.0011, 0.0011) * (60 if kind in ("palm", "flower") else 30) / 30 if tilting else 0.0
        box = (x - width / 2, y - height, width, height)
        self.paint(name, box, self.haze * max(0.0, 1 - nearness) ** 1.6, lean)
        return name, box

    def hang(self, kind: str, x: float, y: float, height: float, far: float = 0.0) -> Box:
        """Paint a thing of `height` pixels with its centre at (x, y): on a wall, or in the sky."""
        name = self.rng.choice(KINDS[kind]) if kind in KINDS else kind
        width = height * THINGS[name].aspect * self.rng.uniform(0.92, 1.1)
        box = (x - width / 2, y - height / 2, width, height)
        self.paint(name, box, far)
        return box

    def paint(self, name: str, box: Box, far: float = 0.0, lean: float = 0.0, on: int = 0) -> None:
        left, top, width, height = box
        if left > SIZE or left + width < 0 or top > SIZE or top + height < 0:
            return
        first = self.canvas.n_shapes
        draw(self.canvas, self.rng, THINGS[name], box, far, lean)
        shapes = range(first, self.canvas.n_shapes)
        self.placed.append(Placed(THINGS[name].number, (left, top, left + width, top + height), shapes, on))

    def load(self, name: str, box: Box, wanted: list[str]) -> None:
        """Stand small things on the top of a painted table or cabinet, side by side."""
        top = THINGS[name].top
        if top is None or not wanted:
            return
        left, right, y = (value / 100 for value in top)
        x0, x1 = box[0] + left * box[2], box[0] + right * box[2]
        per_metre = box[3] / THINGS[name].height
        for slot, kind in enumerate(wanted):
            variant = self.rng.choice(KINDS[kind]) if kind in KINDS else kind
            height = THINGS[variant].height * per_metre * self.rng.uniform(0.9, 1.25)
            width = height * THINGS[variant].aspect
            x = x0 + (x1 - x0) * (slot + self.rng.uniform(0.3, 0.7)) / len(wanted)
            place = (x - width / 2, box[1] + y * box[3] - height + 0.6, width, height)
            self.paint(variant, place, on=THINGS[name].number)

    def _cast(self, x: float, y: float, width: float, height: float) -> None:
        """A shadow under the thing, and a longer one away from the light."""
        light = self.canvas.light
        flat = max(1.2, 0.07 * width)
        reach = min(0.45 * height, 16.0)
        self.canvas.shadow(
            x + light.side * reach * 0.6, y - 0.3 * flat, width * 0.34 + reach * 0.55, flat * 1.3, light.shadow * 0.75
        )
        self.canvas.shadow(x, y - 0.2, width * 0.44, flat, light.shadow * 1.25)
