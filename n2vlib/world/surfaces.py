"""Patterns of materials and grounds: repeating tiles of 64 x 64 that say where a surface has its second shade.

Tiles are built from integers and random.Random only, so they are the same everywhere.
"""

from collections.abc import Callable
from random import Random

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

SIDE = 64


def _sheet() -> tuple[Image.Image, ImageDraw.ImageDraw]:
    sheet = Image.new("L", (SIDE, SIDE), 0)
    return sheet, ImageDraw.Draw(sheet)


def _wrapped(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], ink: int, oval: bool = False) -> None:
    """A rectangle or oval that continues on the opposite side of the tile."""
    draw = pen.ellipse if oval else pen.rectangle
    for dx in (-SIDE, 0, SIDE):
        for dy in (-SIDE, 0, SIDE):
            draw((box[0] + dx, box[1] + dy, box[2] + dx, box[3] + dy), fill=ink)


def _bricks(rng: Random) -> Image.Image:
    sheet, pen = _sheet()
    pen.rectangle((0, 0, SIDE, SIDE), fill=255)
    for row in range(8):
        for col in range(4):
            x, y = col * 16 + 8 * (row % 2), row * 8
            _wrapped(pen, (x, y, x + 14, y + 6), rng.choice((0, 0, 18, 40, 62)))
    return sheet


def _tiles(rng: Random) -> Image.Image:
    sheet, pen = _sheet()
    pen.rectangle((0, 0, SIDE, SIDE), fill=230)
    for row in range(4):
        for col in range(4):
            x, y = col * 16, row * 16
            _wrapped(pen, (x, y, x + 14, y + 14), rng.choice((0, 0, 12, 28)))
            _wrapped(pen, (x + 1, y + 1, x + 13, y + 2), 60)
    return sheet


def _strokes(rng: Random, n: int, width: int, height: int, inks: tuple[int, ...]) -> Image.Image:
    sheet, pen = _sheet()
    for _ in range(n):
        x, y, ink = rng.randrange(SIDE), rng.randrange(SIDE), rng.choice(inks)
        _wrapped(pen, (x, y, x + rng.randint(1, width), y + rng.randint(0, height)), ink)
    return sheet


def _wood(rng: Random) -> Image.Image:
    sheet = _strokes(rng, 90, 34, 0, (40, 80, 120))
    pen = ImageDraw.Draw(sheet)
    for _ in range(3):
        x, y = rng.randrange(SIDE), rng.randrange(SIDE)
        for k, ink in ((5, 90), (4, 20), (3, 110), (1, 160)):
            _wrapped(pen, (x - 2 * k, y - k, x + 2 * k, y + k), ink, oval=True)
    return sheet


def _planks(rng: Random) -> Image.Image:
    sheet = _wood(rng).rotate(90)
    pen = ImageDraw.Draw(sheet)
    for x in range(0, SIDE, 16):
        pen.rectangle((x, 0, x, SIDE), fill=230)
    return sheet


def _dabs(rng: Random, n: int, rx: int, ry: int, inks: tuple[int, ...]) -> Image.Image:
    sheet, pen = _sheet()
    for _ in range(n):
        x, y = rng.randrange(SIDE), rng.randrange(SIDE)
        _wrapped(pen, (x, y, x + rng.randint(2, rx), y + rng.randint(2, ry)), rng.choice(inks), oval=True)
    return sheet


def _stone(rng: Random) -> Image.Image:
    sheet = _dabs(rng, 60, 16, 9, (0, 30, 70, 110))
    pen = ImageDraw.Draw(sheet)
    for _ in range(5):
        x, y = rng.randrange(SIDE), rng.randrange(SIDE)
        for _ in range(6):
            to = x + rng.randint(-7, 7), y + rng.randint(1, 7)
            pen.line((x, y, *to), fill=230)
            x, y = to
    return sheet


def _diagonal(rng: Random, period: int, width: int) -> Image.Image:
    rows = [[255 if (x + y) % period < width else 0 for x in range(SIDE)] for y in range(SIDE)]
    return Image.fromarray(np.array(rows, dtype=np.uint8))


def _gleam(rng: Random) -> Image.Image:
    sheet, pen = _sheet()
    for x, width, ink in ((6, 9, 150), (19, 3, 110), (40, 14, 130)):
        pen.polygon([(x + 32, 0), (x + 32 + width, 0), (x + width - 32, 64), (x - 32, 64)], fill=ink)
        pen.polygon([(x + 96, 0), (x + 96 + width, 0), (x + width + 32, 64), (x + 32, 64)], fill=ink)
    return sheet


def _weave(rng: Random) -> Image.Image:
    rows = [
        [(110 if (x // 2 + y // 2) % 2 else 0) + (60 if x % 4 == 0 else 0) for x in range(SIDE)] for y in range(SIDE)
    ]
    return Image.fromarray(np.array(rows, dtype=np.uint8))


def _speckle(rng: Random, low: int, high: int, blur: int) -> Image.Image:
    sheet = Image.new("L", (SIDE, SIDE))
    sheet.putdata([rng.randint(low, high) for _ in range(SIDE * SIDE)])
    near = [ImageChops.offset(sheet, dx, dy) for dx in range(blur + 1) for dy in range(blur + 1)]
    total = np.sum([np.asarray(n, dtype=np.int32) for n in near], axis=0) // len(near)
    return Image.fromarray(total.astype(np.uint8))


def _ripples(rng: Random) -> Image.Image:
    sheet, pen = _sheet()
    for _ in range(26):
        x, y, w = rng.randrange(SIDE), rng.randrange(SIDE), rng.randint(6, 20)
        _wrapped(pen, (x, y, x + w, y), rng.choice((120, 200, 255)))
        _wrapped(pen, (x + 2, y + 1, x + w - 2, y + 1), 90)
    return sheet


def _stripes(rng: Random) -> Image.Image:
    sheet, pen = _sheet()
    for x in range(0, SIDE, 16):
        pen.rectangle((x, 0, x + 7, SIDE), fill=255)
    return sheet


def _spots(rng: Random) -> Image.Image:
    sheet, pen = _sheet()
    for x, y in ((8, 8), (40, 8), (24, 24), (56, 24), (8, 40), (40, 40), (24, 56), (56, 56)):
        _wrapped(pen, (x - 4, y - 4, x + 4, y + 4), 255, oval=True)
    return sheet


def _checks(rng: Random) -> Image.Image:
    rows = [[127 * ((x // 8) % 2) + 127 * ((y // 8) % 2) for x in range(SIDE)] for y in range(SIDE)]
    return Image.fromarray(np.array(rows, dtype=np.uint8))


_MAKERS: dict[str, Callable[[Random], Image.Image]] = {
    "none": lambda rng: _sheet()[0],
    "brick": _bricks,
    "tile": _tiles,
    "wood": _wood,
    "planks": _planks,
    "foliage": lambda rng: _dabs(rng, 260, 6, 5, (0, 0, 60, 140, 220)),
    "blades": lambda rng: _strokes(rng, 260, 1, 5, (60, 120, 200, 0)),
    "stone": _stone,
    "metal": lambda rng: _strokes(rng, 60, 40, 0, (20, 50, 80)).filter(ImageFilter.BoxBlur(1)),
    "glass": _gleam,
    "fabric": _weave,
    "fur": lambda rng: _strokes(rng, 300, 1, 4, (0, 70, 140, 200)),
    "plaster": lambda rng: _speckle(rng, 0, 255, 2),
    "sand": lambda rng: _speckle(rng, 0, 255, 1),
    "ripples": _ripples,
    "asphalt": lambda rng: _speckle(rng, 0, 255, 0),
    "stripes": _stripes,
    "spots": _spots,
    "checks": _checks,
    "twill": lambda rng: _diagonal(rng, 8, 4),
}
PATTERN = {name: index for index, name in enumerate(_MAKERS)}
TILES = np.stack([np.asarray(make(Random(name)), dtype=np.uint8) for name, make in _MAKERS.items()])
# How strongly each material shows its second shade, and how many steps of `palette.lighter` away that shade is.
LOOKS: dict[str, tuple[float, int]] = {
    "brick": (0.75, 2),
    "tile": (0.6, -1),
    "wood": (0.6, -2),
    "foliage": (0.7, 2),
    "stone": (0.6, -1),
    "metal": (0.8, 2),
    "glass": (0.8, 3),
    "fabric": (0.5, -1),
    "fur": (0.55, -1),
    "plaster": (0.35, -1),
}
