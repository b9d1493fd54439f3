"""The small language in which things are drawn, and its reader.

A thing is a header line and indented shape lines::

    car 1.45 2.15 a=red,blue~metal top=10,90,20
      blob a 2 70 3 54 12 46 ...
      A: disc black @wheel~metal 22 84 9

Header: name (an object of the catalogue), height in metres, width divided by height, then paint slots
(letter=paints~materials to choose from, separated by commas) and optionally top=left,right,y, where small things stand.
Shape line: kind, fill, options, numbers. Numbers are hundredths of the thing's box, x to the right, y down.

    box x0 y0 x1 y1 [radius]      rectangle, corners rounded by radius (hundredths of the width)
    poly x y x y ...              polygon                  blob x y x y ...   smooth closed curve
    oval x y rx ry                ellipse                  disc x y r         circle, r in hundredths of the width
    ring x y r width              rim of a circle          limb width x y x y ...  round stroke (width of the width)
    grid x0 y0 x1 y1 columns rows gap                      rows of boxes, gap in hundredths of a cell

Fill: a slot or a paint, followed by + or - for lighter or darker shades of it (the color label stays), and by
~material. Options: @part, !flat (no shading), !glow (shines at night), %pattern (stripes, spots, checks).
A line that starts with a capital and a colon belongs to one variant of the thing.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

from n2vlib.world.catalog import MATERIAL, OBJECT, PART
from n2vlib.world.palette import GROUPS

Points = tuple[tuple[float, float], ...]
Piece = tuple[str, Points, tuple[float, ...]]


@dataclass(frozen=True)
class Shape:
    """One shape line. points: hundredths of the box; numbers: what is not a point (radii, stroke widths)."""

    kind: str
    fill: str
    steps: int
    material: str
    part: int
    pattern: str
    flat: bool
    glow: bool
    variant: str
    points: Points
    numbers: tuple[float, ...]


@dataclass(frozen=True)
class Thing:
    """One kind of thing. slots: letter -> (paints, materials)."""

    name: str
    number: int
    height: float
    aspect: float
    slots: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
    top: tuple[float, float, float] | None
    shapes: tuple[Shape, ...]
    variants: str


def smooth(points: Points, cuts: int = 4) -> Points:
    """A closed Catmull-Rom curve through `points`, `cuts` pieces between neighbours."""
    out, n = [], len(points)
    for i in range(n):
        a, b, c, d = (points[(i + k) % n] for k in (-1, 0, 1, 2))
        for step in range(cuts):
            t = step / cuts
            out.append(tuple(_catmull(a[axis], b[axis], c[axis], d[axis], t) for axis in (0, 1)))
    return tuple(out)


def _catmull(a: float, b: float, c: float, d: float, t: float) -> float:
    return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def _box(x0: float, y0: float, x1: float, y1: float, radius: float, aspect: float) -> Points:
    """Corners of a rectangle; rounded corners get three points each. The radius is measured across the width."""
    if not radius:
        return ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
    rx = min(radius, (x1 - x0) / 2)
    ry = min(radius * aspect, (y1 - y0) / 2)
    near, far = 0.29, 1.0
    corners = ((x0, y0, 1, 1), (x1, y0, -1, 1), (x1, y1, -1, -1), (x0, y1, 1, -1))
    out: list[tuple[float, float]] = []
    for k, (x, y, sx, sy) in enumerate(corners):
        arc = [(x, y + sy * ry * far), (x + sx * rx * near, y + sy * ry * near), (x + sx * rx * far, y)]
        out += arc if k % 2 == 0 else arc[::-1]
    return tuple(out)


def _stroke(width: float, points: Points, aspect: float) -> list[Points]:
    """Quadrilaterals along a line of points, `width` across; x and y hundredths differ by the aspect."""
    out = []
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        dx, dy = (x1 - x0) * aspect, y1 - y0
        length = math.sqrt(dx * dx + dy * dy) or 1.0
        nx, ny = -dy / length * width / 2, dx / length * width / 2 * aspect
        out.append(((x0 + nx, y0 + ny), (x1 + nx, y1 + ny), (x1 - nx, y1 - ny), (x0 - nx, y0 - ny)))
    return out


def _pairs(numbers: tuple[float, ...]) -> Points:
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _geometry(kind: str, n: tuple[float, ...], aspect: float) -> list[Piece]:
    """(kind the canvas knows, points, other numbers) of the pieces of one shape line."""
    if kind == "box":
        return [("poly", _box(n[0], n[1], n[2], n[3], n[4] if len(n) > 4 else 0, aspect), ())]
    if kind == "poly":
        return [("poly", _pairs(n), ())]
    if kind == "blob":
        return [("blob", smooth(_pairs(n)), ())]
    if kind == "oval":
        return [("oval", ((n[0], n[1]),), n[2:])]
    if kind == "disc":
        return [("oval", ((n[0], n[1]),), (n[2], n[2] * aspect))]
    if kind == "ring":
        return [("ring", ((n[0], n[1]),), n[2:])]
    if kind == "limb":
        points, half = _pairs(n[1:]), n[0] / 2
        ends = [("oval", (point,), (half, half * aspect)) for point in points]
        strokes = [("poly", quad, ()) for quad in _stroke(n[0], points, aspect)]
        return [ends[0], *(piece for pair in zip(strokes, ends[1:], strict=True) for piece in pair)]
    assert kind == "grid", kind
    return _grid(*n)


def _grid(x0: float, y0: float, x1: float, y1: float, columns: float, rows: float, gap: float) -> list[Piece]:
    w, h = (x1 - x0) / columns, (y1 - y0) / rows
    dx, dy = w * gap / 200, h * gap / 200
    cells = [(x0 + w * i, y0 + h * j) for j in range(int(rows)) for i in range(int(columns))]
    return [("poly", _box(x + dx, y + dy, x + w - dx, y + h - dy, 0, 1), ()) for x, y in cells]


def _shapes(line: str, aspect: float) -> list[Shape]:
    words = line.split()
    variant = words.pop(0)[0] if words[0].endswith(":") else ""
    kind, fill = words[0], words[1]
    fill, _, material = fill.partition("~")
    options = {w[0]: w[1:] for w in words[2:] if w[0] in "@%"}
    flags = [w[1:] for w in words[2:] if w[0] == "!"]
    numbers = tuple(float(w) for w in words[2:] if w[0] not in "@%!")
    assert material in MATERIAL or not material, line
    common = {
        "fill": fill.rstrip("+-"),
        "steps": fill.count("+") - (len(fill) - len(fill.rstrip("-"))),
        "material": material,
        "part": PART[options["@"]] if "@" in options else 0,
        "pattern": options.get("%", ""),
        "flat": "flat" in flags,
        "glow": "glow" in flags,
        "variant": variant,
    }
    return [Shape(kind=k, points=p, numbers=n, **common) for k, p, n in _geometry(kind, numbers, aspect)]


def _slot(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    paints, _, materials = text.partition("~")
    names = tuple(name for group in paints.split(",") for name in GROUPS.get(group, (group,)))
    return names, tuple(materials.split(",")) if materials else ("",)


def _top(text: str) -> tuple[float, float, float] | None:
    if not text:
        return None
    left, right, y = (float(v) for v in text.split(","))
    return left, right, y


@lru_cache
def read_things(text: str) -> dict[str, Thing]:
    """Things by name, from a text in the language above."""
    things: dict[str, Thing] = {}
    for block in text.strip().split("\n\n"):
        header, *lines = block.strip().split("\n")
        name, height, aspect, *rest = header.split()
        given = dict(word.split("=") for word in rest)
        top = _top(given.pop("top", ""))
        shapes = tuple(s for line in lines for s in _shapes(line.strip(), float(aspect)))
        variants = "".join(sorted({s.variant for s in shapes} - {""}))
        slots = {letter: _slot(value) for letter, value in given.items()}
        size = float(height), float(aspect)
        things[name] = Thing(name, OBJECT[name.split("/")[0]], *size, slots, top, shapes, variants)
    return things
