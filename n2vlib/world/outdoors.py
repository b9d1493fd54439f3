"""The ground, water and background of the eight scenes under the sky."""

from collections.abc import Callable

from n2vlib.world.backdrops import band, curved_band, ground, hills, path, peaks, ridge, scatter, sea
from n2vlib.world.canvas import SIZE, Mark, Surface
from n2vlib.world.catalog import COLOR, OBJECT
from n2vlib.world.palette import lighter, paint
from n2vlib.world.stage import Stage


def _beach(stage: Stage) -> None:
    rng, canvas, shore = stage.rng, stage.canvas, stage.y_at(0.3)
    if rng.random() < 0.3:
        hills(canvas, rng, stage.horizon + 1, ("green", "blue", "purple"), 1)
    sea(canvas, rng, stage.horizon, shore + 8)
    sand = rng.choice(
        (
            ("yellow", (240, 212, 152)),
            ("yellow", (232, 202, 148)),
            ("white", (240, 228, 204)),
            ("brown", (214, 176, 124)),
        )
    )
    sway = rng.uniform(-5, 5)
    foam = Surface(COLOR["white"], (240, 246, 244), (0, 0, 0))
    canvas.polygon(curved_band(shore - 1.2, sway, 4), foam, Mark(OBJECT["sea"]))
    dry = Surface(COLOR[sand[0]], sand[1], lighter(sand[1], -2), 0, "sand", 0.45)
    canvas.polygon(
        curved_band(shore + 1, sway, 90), dry._replace(rgb=lighter(sand[1], -1)), Mark(OBJECT["sand"], 0, 0, True)
    )
    canvas.polygon(curved_band(shore + 5, sway, 90), dry, Mark(OBJECT["sand"], 0, 0, True), lean=0.6)
    scatter(canvas, rng, "sand", shore + 10, SIZE, ("tan", "cream", "pink"), 14)


def _street(stage: Stage) -> None:
    rng, canvas = stage.rng, stage.canvas
    curb, kerb = stage.y_at(0.34), stage.y_at(0.56)
    x = rng.uniform(-10, 6)
    while x < SIZE:
        if rng.random() < 0.5:
            wide = rng.uniform(16, 26)
            height = rng.uniform(46, 84)
            stage.paint(
                rng.choice(("skyscraper/glass", "skyscraper/stone")),
                (x, curb - height, wide, height),
                0.22 * stage.haze,
            )
        else:
            wide, height = rng.uniform(30, 44), rng.uniform(27, 38)
            stage.paint(rng.choice(("house/gable", "house/side")), (x, curb - height, wide, height), 0.12 * stage.haze)
        x += wide * rng.uniform(0.95, 1.25)
    if rng.random() < 0.3:
        ground(canvas, "grass", curb - 1, curb + 4, paint(rng, "green"), "blades", 0.4, "foliage")
    ground(
        canvas, "sidewalk", curb, kerb, paint(rng, rng.choice(("grey", "tan", "cream", "grey"))), "tile", 0.5, "stone"
    )
    canvas.polygon(
        band(kerb - 0.5, kerb + 1.5), Surface(COLOR["grey"], (176, 174, 170), (0, 0, 0)), Mark(OBJECT["sidewalk"])
    )
    ground(canvas, "road", kerb + 1.5, SIZE, paint(rng, rng.choice(("grey", "black", "grey"))), "asphalt", 0.3)
    lane, start = stage.y_at(0.8), rng.uniform(-20, 0)
    for k in range(6):
        a = start + 26 * k
        stripe = Surface(COLOR["white"], (232, 228, 214), (0, 0, 0))
        canvas.polygon(
            [(a, lane), (a + 13, lane), (a + 12, lane + 2.2), (a - 1.6, lane + 2.2)],
            stripe,
            Mark(OBJECT["road"], 0, 0, True),
        )


def _park(stage: Stage) -> None:
    rng, canvas = stage.rng, stage.canvas
    if rng.random() < 0.35:
        for _ in range(rng.randint(2, 4)):
            tall = rng.uniform(16, 34)
            stage.hang("skyscraper", rng.uniform(5, 107), stage.horizon + 3 - tall / 2, tall, 0.5 * stage.haze + 0.2)
    hills(canvas, rng, stage.horizon + 5, ("green", "leaf", "leaf"), rng.randint(1, 2))
    ground(
        canvas, "grass", stage.horizon + 3, SIZE, paint(rng, rng.choice(("green", "leaf"))), "blades", 0.5, "foliage"
    )
    if rng.random() < 0.6:
        path(canvas, rng, stage.horizon + 4)
    scatter(canvas, rng, "grass", stage.y_at(0.25), SIZE, ("green", "leaf"), 34)


def _forest(stage: Stage) -> None:
    rng, canvas = stage.rng, stage.canvas
    hills(canvas, rng, stage.horizon + 4, ("green", "leaf"), 2)
    for row in range(2):
        for _ in range(rng.randint(5, 9)):
            near = 0.1 + 0.1 * row + rng.uniform(0, 0.05)
            stage.stand(rng.choice(("pine", "pine", "tree/tall")), near, x=rng.uniform(-4, 116), size=1.9, shadow=False)
    cover = paint(rng, rng.choice(("green", "leaf", "bark", "tan")))
    ground(canvas, "grass", stage.y_at(0.17), SIZE, cover, "foliage", 0.45, "foliage", -2)
    if rng.random() < 0.35:
        path(canvas, rng, stage.y_at(0.18))
    scatter(canvas, rng, "grass", stage.y_at(0.3), SIZE, ("green", "leaf", "autumn"), 30)


def _farm(stage: Stage) -> None:
    rng, canvas = stage.rng, stage.canvas
    hills(canvas, rng, stage.horizon + 4, ("green", "leaf", "yellow"), rng.randint(1, 3))
    ground(
        canvas,
        "grass",
        stage.horizon + 3,
        SIZE,
        paint(rng, rng.choice(("green", "leaf", "yellow"))),
        "blades",
        0.5,
        "foliage",
    )
    if rng.random() < 0.55:  # a ploughed or a ripe field
        color, rgb = paint(rng, rng.choice(("yellow", "tan", "orange", "bark")))
        y0, y1, eye = stage.y_at(0.12), stage.y_at(rng.uniform(0.3, 0.42)), rng.uniform(10, 100)
        for row in range(-14, 15):
            shade = Surface(COLOR[color], lighter(rgb, row % 2), lighter(rgb, -1), 0, "blades", 0.5)
            a, b = row * 7, row * 7 + 7.3
            corners = [(eye + a * 0.5, y0), (eye + b * 0.5, y0), (eye + b * 1.3, y1), (eye + a * 1.3, y1)]
            canvas.polygon(corners, shade, Mark(OBJECT["grass"], 0, 0.15, True, 0.6), lean=0.2)
    if rng.random() < 0.3:
        path(canvas, rng, stage.horizon + 5, "road")
    scatter(canvas, rng, "grass", stage.y_at(0.45), SIZE, ("green", "leaf", "yellow"), 26)


def _mountain(stage: Stage) -> None:
    rng, canvas = stage.rng, stage.canvas
    peaks(canvas, rng, stage.horizon + 2, snow=True)
    snow = rng.choice((("white", (238, 242, 246)), ("white", (228, 236, 244)), ("blue", (200, 218, 236))))
    for row in range(2):
        shade = Surface(COLOR[snow[0]], lighter(snow[1], 1 - row), lighter(snow[1], -1))
        canvas.field(
            ridge(rng, stage.horizon + 8 + 5 * row, 9, 4),
            shade,
            Mark(OBJECT["hill"], 0, 0.3 - 0.2 * row, True),
            stage.horizon,
            stage.horizon + 30,
        )
    ground(canvas, "hill", stage.y_at(0.28), SIZE, snow, "sand", 0.16)
    scatter(canvas, rng, "hill", stage.y_at(0.4), SIZE, ("white", "grey", "blue"), 12)


def _harbor(stage: Stage) -> None:
    rng, canvas = stage.rng, stage.canvas
    hills(canvas, rng, stage.horizon + 2, ("green", "blue", "purple", "brown"), 1)
    for _ in range(rng.randint(0, 5)):
        kind, tall = rng.choice((("house", 13), ("house", 11), ("skyscraper", 22)))
        stage.hang(kind, rng.uniform(4, 108), stage.horizon + 1 - tall / 2, tall, 0.4 * stage.haze)
    sea(canvas, rng, stage.horizon, SIZE)
    quay = stage.y_at(rng.uniform(0.76, 0.84))
    color, rgb = paint(rng, rng.choice(("grey", "tan", "oak", "pink")))
    cover, material = ("planks", "wood") if color == "brown" else ("tile", "stone")
    ground(canvas, "sidewalk", quay, SIZE, (color, rgb), cover, 0.6, material)
    edge = Surface(COLOR[color], lighter(rgb, -2), rgb)
    canvas.polygon(band(quay - 1, quay + 1.6), edge, Mark(OBJECT["sidewalk"]))


def _desert(stage: Stage) -> None:
    rng, canvas = stage.rng, stage.canvas
    if rng.random() < 0.6:
        peaks(canvas, rng, stage.horizon, False, ("orange", "red", "brown", "purple"))
    sand = rng.choice(
        (
            ("yellow", (238, 196, 122)),
            ("orange", (228, 160, 98)),
            ("brown", (206, 158, 108)),
            ("yellow", (244, 214, 150)),
        )
    )
    for row in range(3):
        shade = Surface(COLOR[sand[0]], lighter(sand[1], 1), lighter(sand[1], -2), 0, "sand", 0.15)
        y = stage.horizon + 5 + 10 * row
        canvas.field(
            ridge(rng, y, 13, rng.randint(2, 4)), shade, Mark(OBJECT["sand"], 0, 0.3 - 0.14 * row, True), y - 10, y + 30
        )
    ground(canvas, "sand", stage.y_at(0.45), SIZE, sand, "sand", 0.3)
    scatter(canvas, rng, "sand", stage.y_at(0.4), SIZE, ("brown", "tan", "orange"), 16)


BACKDROPS: dict[str, Callable[[Stage], None]] = {
    "beach": _beach, "street": _street, "park": _park, "forest": _forest,
    "farm": _farm, "mountain_snowy": _mountain, "harbor": _harbor, "desert": _desert,
}  # fmt: skip
