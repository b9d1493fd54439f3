"""Rooms: wall, floor and the light from the window."""

from random import Random

from n2vlib.world.backdrops import EDGE, band
from n2vlib.world.canvas import SIZE, Canvas, Mark, Surface
from n2vlib.world.catalog import COLOR, MATERIAL, OBJECT
from n2vlib.world.palette import lighter, paint
from n2vlib.world.things import surface

WALLS = ("yellow", "blue", "green", "pink", "white", "white", "grey", "orange", "purple", "cream", "tan")


def room(canvas: Canvas, rng: Random, edge: float, walls: tuple[str, ...], floors: tuple[str, ...]) -> None:
    """A wall above `edge` and a floor below it. walls, floors: their possible coverings."""
    _wall(canvas, rng, edge, rng.choice(walls))
    _floor(canvas, rng, edge, rng.choice(floors))


def _wall(canvas: Canvas, rng: Random, edge: float, cover: str) -> None:
    color, rgb = paint(
        rng,
        rng.choice(
            ("red", "brown", "orange", "white", "grey")
            if cover == "brick"
            else ("oak", "white", "blue", "green")
            if cover == "wood"
            else WALLS
        ),
    )
    rgb = lighter(rgb, 0 if cover in ("brick", "wood") else 2)
    mark = Mark(OBJECT["wall"], 0, 0.0, True, 1.1)
    if cover == "paper":
        base = Surface(
            COLOR[color], rgb, lighter(rgb, rng.choice((-1, 2))), 0, rng.choice(("stripes", "spots", "checks")), 0.45
        )
    else:
        base = surface(color, rgb, cover)
    canvas.polygon(band(-EDGE, edge + 1), base, mark, lean=1.1)
    if cover == "plaster" and rng.random() < 0.35:
        low, shade = paint(rng, rng.choice(WALLS))
        canvas.polygon(band(edge - 26, edge + 1), surface(low, shade, rng.choice(("wood", "tile", "plaster"))), mark)
    if rng.random() < 0.6:
        _corner(canvas, rng, edge, base)
    canvas.polygon(band(edge - 2.5, edge + 0.5), surface("white", (236, 230, 220), "wood"), mark)


def _corner(canvas: Canvas, rng: Random, edge: float, base: Surface) -> None:
    """A side wall that runs towards the viewer, a little darker."""
    left = rng.random() < 0.5
    x, out = (rng.uniform(4, 16), -EDGE) if left else (SIZE - rng.uniform(4, 16), SIZE + EDGE)
    away = abs(x - out)
    side = base._replace(rgb=lighter(base.rgb, -1), second=lighter(base.second, -1))
    corners = [(x, -EDGE), (x, edge), (out, edge + away * 0.9), (out, -EDGE)]
    canvas.polygon(corners, side, Mark(OBJECT["wall"], 0, 0.0, True, 1.1))


def _floor(canvas: Canvas, rng: Random, edge: float, cover: str) -> None:
    paints = {
        "wood": ("oak", "tan", "bark"),
        "tile": ("white", "grey", "blue", "tan", "green"),
        "fabric": ("grey", "blue", "green", "pink", "tan", "red"),
    }
    color, rgb = paint(rng, rng.choice(paints[cover]))
    mark = Mark(OBJECT["floor"], 0, 0.0, True, 1.2)
    base = Surface(COLOR[color], lighter(rgb, 1), rgb, MATERIAL[cover], "fabric" if cover == "fabric" else "none", 0.3)
    canvas.field(band(edge, SIZE + EDGE), base, mark, edge, SIZE)
    eye = rng.uniform(30, 82)
    if cover == "wood":
        _boards(canvas, rng, edge, eye, color, rgb, mark)
    elif cover == "tile":
        _flags(canvas, edge, eye, color, rgb, mark)


def _boards(canvas: Canvas, rng: Random, edge: float, eye: float, color: str, rgb: tuple, mark: Mark) -> None:
    """Floor boards that run away from the viewer, each a shade of its own."""
    for board in range(-9, 15):
        shade = lighter(rgb, rng.choice((-1, 0, 0, 1)))
        top, foot = (eye + (board * 11 - 33 + off - eye * 0.3) * grow for grow, off in ((0.55, 0), (1.25, 0)))
        top2, foot2 = (eye + ((board + 1) * 11 - 33.8 - eye * 0.3) * grow for grow in (0.55, 1.25))
        made = Surface(COLOR[color], shade, lighter(shade, -1), MATERIAL["wood"], "planks", 0.4)
        canvas.polygon([(top, edge), (top2, edge), (foot2, SIZE + EDGE), (foot, SIZE + EDGE)], made, mark, lean=0.2)


def _flags(canvas: Canvas, edge: float, eye: float, color: str, rgb: tuple, mark: Mark) -> None:
    """Chequered floor tiles in perspective: every second one is painted over the base."""
    rows = [edge + (SIZE + EDGE - edge) * t for t in (0.0, 0.12, 0.27, 0.47, 0.72, 1.0)]
    made = Surface(COLOR[color], lighter(rgb, -1), lighter(rgb, -2), MATERIAL["tile"], "tile", 0.3)
    for row in range(5):
        for column in range(-8 + row % 2, 9, 2):
            near, far = (0.5 + 0.9 * (y - edge) / (SIZE - edge) for y in (rows[row + 1], rows[row]))
            a, b = column * 14, (column + 1) * 14
            corners = [
                (eye + a * far, rows[row]),
                (eye + b * far, rows[row]),
                (eye + b * near, rows[row + 1]),
                (eye + a * near, rows[row + 1]),
            ]
            canvas.polygon(corners, made, mark, lean=0.2)
