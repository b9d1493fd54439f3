"""The background and the ground of a scene: sky, ridges, water, grounds."""

from random import Random

from n2vlib.world.canvas import SIZE, Canvas, Mark, Surface
from n2vlib.world.catalog import COLOR, MATERIAL, OBJECT
from n2vlib.world.palette import RGB, blend, lighter, paint
from n2vlib.world.things import surface

EDGE = 3.0  # shapes reach this far beyond the image, so that no border shows
Points = list[tuple[float, float]]


def band(y0: float, y1: float) -> Points:
    return [(-EDGE, y0), (SIZE + EDGE, y0), (SIZE + EDGE, y1), (-EDGE, y1)]


def sky(canvas: Canvas, rng: Random, horizon: float) -> None:
    """Sky from the top of the image to the horizon: two color gradients, one above the other."""
    light, mark = canvas.light, Mark(OBJECT["sky"])
    (high, top), (low, bottom) = light.sky_top, light.sky_low
    middle, y = blend(top, bottom, 0.55), horizon * rng.uniform(0.45, 0.65)
    canvas.field(band(-EDGE, horizon + EDGE), Surface(COLOR[high], top, middle, glow=True), mark, 0, y)
    canvas.field(band(y, horizon + 16), Surface(COLOR[low], middle, bottom, glow=True), mark, y, horizon + 1)
    if light.dark:
        for _ in range(26):
            x, up = rng.uniform(0, SIZE), rng.uniform(0, horizon)
            canvas.oval(x, up, 0.35, 0.35, Surface(COLOR["white"], (226, 228, 236), (0, 0, 0), glow=True), mark, 0)
    if light.name in ("golden", "dusk", "night", "dawn") and rng.random() < 0.7:
        disc = (250, 240, 214) if light.dark else (255, 236, 176)
        x, r = (rng.uniform(10, 50) if light.side > 0 else rng.uniform(62, 102)), rng.uniform(4, 8)
        up = horizon * rng.uniform(0.15, 0.5 if light.dark else 0.9)
        canvas.glow(x, up, 3.4 * r, 0.4)
        canvas.oval(x, up, r, r, Surface(COLOR["yellow"], disc, disc, glow=True), mark, 0)


def ridge(rng: Random, y: float, rise: float, steps: int) -> Points:
    """An uneven skyline around height y, closed at the bottom of the image."""
    knots = [y - rng.uniform(0, rise) for _ in range(steps + 1)]
    line: Points = []
    for i in range(steps):
        for part in range(5):
            t = part / 5
            s = t * t * (3 - 2 * t)
            line.append((-EDGE + (i + t) / steps * (SIZE + 2 * EDGE), knots[i] + (knots[i + 1] - knots[i]) * s))
    return [*line, (SIZE + EDGE, knots[-1]), (SIZE + EDGE, SIZE + EDGE), (-EDGE, SIZE + EDGE)]


def hills(canvas: Canvas, rng: Random, y: float, paints: tuple[str, ...], rows: int, name: str = "hill") -> None:
    """Rows of soft hills, the farther the hazier."""
    for row in range(rows):
        color, rgb = paint(rng, rng.choice(paints))
        far = 0.62 - 0.42 * (row + 1) / rows
        surface_ = Surface(
            COLOR[color], rgb, lighter(rgb, -2), MATERIAL["foliage"] if name == "hill" else 0, "foliage", 0.3
        )
        points = ridge(rng, y - (rows - 1 - row) * 4.5, 15 if rows > 1 else 11, rng.randint(3, 6))
        canvas.field(points, surface_, Mark(OBJECT[name], 0, far, False, 0.4), y - 22, y + 10)


def peaks(
    canvas: Canvas, rng: Random, y: float, snow: bool, paints: tuple[str, ...] = ("grey", "blue", "brown", "purple")
) -> None:
    """Two or three mountains, shaded on the side away from the light."""
    for order in range(rng.randint(2, 3)):
        color, rgb = paint(rng, rng.choice(paints))
        x, height = rng.uniform(0, SIZE), rng.uniform(22, 46) * (1 - 0.15 * order)
        reach = height * rng.uniform(0.9, 1.5)
        mark = Mark(OBJECT["mountain"], 0, 0.5 - 0.14 * order, False, 0.6)
        rock = Surface(COLOR[color], rgb, lighter(rgb, -1), MATERIAL["stone"], "stone", 0.6)
        canvas.polygon([(x - reach, y + 8), (x, y - height), (x + reach, y + 8)], rock, mark)
        dark = rock._replace(rgb=lighter(rgb, -2), second=lighter(rgb, -3))
        away = canvas.light.side
        fold = [
            (x, y - height),
            (x + away * reach * 0.22, y - height * 0.45),
            (x + away * reach * 0.06, y - height * 0.2),
        ]
        canvas.polygon([*fold, (x + away * reach * 0.3, y + 8), (x + away * reach, y + 8)], dark, mark)
        if snow:
            white = Surface(COLOR["white"], (244, 244, 246), (206, 216, 232))
            cap = [(x, y - height), (x + reach * 0.36, y - height * 0.62), (x + reach * 0.17, y - height * 0.68)]
            cap += [
                (x + reach * 0.04, y - height * 0.54),
                (x - reach * 0.12, y - height * 0.68),
                (x - reach * 0.38, y - height * 0.58),
            ]
            canvas.polygon(cap, white, mark)


def ground(
    canvas: Canvas,
    name: str,
    y0: float,
    y1: float,
    near: tuple[str, RGB],
    pattern: str,
    amount: float,
    material: str = "",
    depth: int = -3,
) -> None:
    """A ground from y0 (far) to y1 (near), paler with distance, its pattern growing towards the viewer.

    near: (color name, RGB) of its paint; depth: how many shades darker the pattern is.
    """
    color, rgb = near
    base, dark = blend(lighter(rgb, 1), canvas.light.haze, 0.2), lighter(rgb, depth)
    edges = [y0 + (y1 - y0) * share for share in (0.0, 0.2, 0.5, 1.0)]
    for k, deepen in enumerate((0.14, 0.2, 0.3)):
        top, bottom = edges[k], edges[k + 1]
        shade = Surface(COLOR[color], base, dark, MATERIAL.get(material, 0), pattern, amount)
        mark = Mark(OBJECT[name], 0, 0.0, True, (0.45, 0.8, 1.3)[k])
        low = y1 + EDGE if k == 2 else bottom + 1
        canvas.field(band(top, low), shade, mark, top, top + (bottom - top) / deepen)
        base = blend(base, dark, deepen)


def scatter(canvas: Canvas, rng: Random, name: str, y0: float, y1: float, colors: tuple[str, ...], n: int) -> None:
    """Pebbles, tufts and petals on a ground; they count as the ground."""
    for _ in range(n):
        color, rgb = paint(rng, rng.choice(colors))
        t = rng.random()
        y, size = y0 + (y1 - y0) * t, 0.5 + 1.1 * t
        x, mark = rng.uniform(0, SIZE), Mark(OBJECT[name], 0, 0.2 * (1 - t), True)
        if name == "grass":
            blade = [
                (x - size, y),
                (x - 0.3 * size, y - 2.4 * size),
                (x, y - 0.6 * size),
                (x + 0.7 * size, y - 2 * size),
                (x + size, y),
            ]
            canvas.polygon(blade, surface(color, rgb), mark)
        else:
            canvas.oval(x, y, 1.3 * size, 0.6 * size, surface(color, rgb), mark)


def sea(canvas: Canvas, rng: Random, y0: float, y1: float) -> None:
    """Water from the horizon y0 to y1, with bright wave lines."""
    color, rgb = rng.choice(
        (("blue", (58, 128, 176)), ("blue", (74, 158, 184)), ("green", (64, 146, 142)), ("blue", (48, 100, 154)))
    )
    ground(canvas, "sea", y0, y1, (color, rgb), "ripples", 0.22, depth=-2)
    shine = blend(canvas.light.sky_low[1], (255, 255, 255), 0.4)
    for _ in range(26):
        t = rng.random()
        x, y, w = rng.uniform(0, SIZE), y0 + (y1 - y0) * t * t, 2 + 8 * t * rng.random()
        wave = Surface(COLOR[color], blend(rgb, shine, 0.55), rgb)
        canvas.polygon(
            [(x - w, y), (x, y - 0.4 - 0.3 * t), (x + w, y), (x, y + 0.3)], wave, Mark(OBJECT["sea"], 0, 0.1)
        )


def curved_band(y: float, sway: float, thick: float) -> Points:
    """A band across the image whose upper edge swings by `sway` (a shoreline, a path's edge)."""
    shape = (0.0, 0.35, 0.8, 1.0, 0.8, 0.25, -0.2, -0.5, -0.45, -0.1)
    upper = [(-EDGE + i * (SIZE + 2 * EDGE) / 9, y + sway * s) for i, s in enumerate(shape)]
    return [*upper, *((x, v + thick) for x, v in reversed(upper))]


def path(canvas: Canvas, rng: Random, y0: float, name: str = "sidewalk") -> None:
    """A path that winds from y0 to the bottom of the image."""
    color, rgb = paint(rng, rng.choice(("tan", "grey", "cream", "pink")))
    bend, foot = rng.uniform(25, 87), rng.uniform(20, 92)
    left: Points = []
    right: Points = []
    for step in range(9):
        t = step / 8
        x, half = bend + (foot - bend) * t * t + 14 * t * (1 - t) * (1 if foot > bend else -1) * 2, 1.5 + 15 * t
        y = y0 + (SIZE + EDGE - y0) * t
        left.append((x - half, y))
        right.append((x + half, y))
    way = Surface(COLOR[color], rgb, lighter(rgb, -2), MATERIAL["stone"], "stone", 0.5)
    canvas.polygon([*left, *right[::-1]], way, Mark(OBJECT[name], 0, 0.05, True, 0.7), lean=0.4)
