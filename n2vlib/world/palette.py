"""Paints and light. A surface's color label is the name of its paint, independent of the light."""

from dataclasses import dataclass
from random import Random

RGB = tuple[float, float, float]

# Four or five related shades of each Broden color, chosen so that any two go together.
SHADES: dict[str, tuple[RGB, ...]] = {
    "black": ((44, 42, 50), (54, 52, 58), (36, 40, 50), (60, 54, 56)),
    "blue": ((58, 116, 176), (78, 148, 198), (44, 86, 148), (104, 166, 206), (62, 128, 150)),
    "brown": ((142, 94, 62), (120, 78, 56), (166, 116, 78), (104, 70, 54), (150, 106, 82)),
    "grey": ((146, 150, 154), (122, 128, 136), (168, 168, 166), (108, 114, 122), (156, 150, 146)),
    "green": ((92, 146, 82), (70, 124, 84), (122, 164, 84), (58, 106, 76), (104, 156, 112)),
    "orange": ((234, 142, 62), (224, 118, 58), (242, 164, 88), (214, 126, 72)),
    "pink": ((236, 160, 170), (228, 134, 152), (244, 186, 184), (220, 150, 166)),
    "purple": ((130, 98, 158), (152, 120, 176), (108, 82, 138), (144, 96, 142)),
    "red": ((206, 70, 62), (186, 56, 60), (220, 90, 74), (174, 60, 54)),
    "white": ((242, 238, 228), (234, 236, 234), (248, 244, 238), (230, 226, 216)),
    "yellow": ((244, 204, 92), (236, 190, 74), (248, 216, 124), (228, 184, 96)),
}
# Paints with a name of their own: (color they count as, shade).
SPECIAL: dict[str, tuple[tuple[str, RGB], ...]] = {
    "skin": (
        ("pink", (246, 206, 184)),
        ("orange", (228, 172, 132)),
        ("brown", (176, 120, 86)),
        ("brown", (130, 86, 64)),
    ),
    "glass": (("blue", (150, 196, 214)), ("blue", (130, 180, 206)), ("grey", (170, 194, 202))),
    "leaf": (
        ("green", (96, 150, 78)),
        ("green", (74, 130, 74)),
        ("green", (126, 166, 80)),
        ("green", (84, 142, 98)),
    ),
    "autumn": (("orange", (222, 138, 60)), ("yellow", (226, 180, 76)), ("red", (192, 84, 60))),
    "bark": (("brown", (124, 88, 66)), ("brown", (104, 76, 62)), ("brown", (138, 102, 78))),
    "oak": (("brown", (186, 136, 90)), ("brown", (160, 112, 74)), ("brown", (134, 90, 62)), ("brown", (202, 156, 110))),
    "steel": (("grey", (178, 184, 190)), ("grey", (154, 162, 170))),
    "cream": (("white", (244, 236, 216)), ("white", (250, 246, 234))),
    "tan": (("brown", (206, 164, 112)), ("brown", (190, 146, 98))),
}


# Names for lists of paints that many things share.
GROUPS: dict[str, tuple[str, ...]] = {
    "cloth": ("red", "blue", "green", "yellow", "white", "orange", "pink", "purple"),
    "hairs": ("black", "brown", "yellow", "orange", "grey"),
    "gloss": ("red", "blue", "yellow", "white", "green", "grey", "orange", "pink"),
    "coat": ("brown", "white", "black", "orange", "grey"),
    "bright": ("red", "orange", "yellow", "blue", "green", "purple", "pink"),
    "timber": ("oak", "white", "bark", "brown"),
}


@dataclass(frozen=True)
class Light:
    """The light of one picture.

    tint, haze   RGB factors in 0..1.4, and the RGB of distant air; sky_* RGB with the color they count as
    side         +1 light from the left, -1 from the right; power scales shading, shadow the ground shadows
    """

    name: str
    tint: RGB
    haze: RGB
    sky_top: tuple[str, RGB]
    sky_low: tuple[str, RGB]
    power: float
    shadow: float
    side: int = 1
    dark: bool = False


LIGHTS = (
    Light("day", (1.03, 1.01, 0.97), (206, 224, 232), ("blue", (84, 158, 212)), ("blue", (196, 226, 236)), 1.0, 0.44),
    Light("noon", (1.05, 1.03, 0.96), (214, 230, 230), ("blue", (104, 180, 214)), ("blue", (214, 236, 232)), 1.1, 0.5),
    Light(
        "overcast", (0.95, 0.97, 1.0), (206, 212, 216), ("grey", (164, 180, 194)), ("white", (228, 230, 228)), 0.6, 0.2
    ),
    Light(
        "golden", (1.1, 0.98, 0.82), (248, 216, 172), ("blue", (122, 172, 200)), ("yellow", (255, 220, 164)), 1.3, 0.5
    ),
    Light("dawn", (1.04, 0.95, 0.95), (246, 210, 206), ("blue", (126, 154, 204)), ("pink", (252, 200, 190)), 1.0, 0.36),
    Light(
        "dusk", (0.8, 0.66, 0.76), (226, 146, 132), ("purple", (92, 80, 148)), ("orange", (248, 156, 112)), 1.2, 0.34
    ),
    Light(
        "night", (0.47, 0.53, 0.74), (62, 78, 118), ("black", (20, 27, 56)), ("blue", (66, 84, 130)), 0.9, 0.25, 1, True
    ),
)
LIGHT_ODDS = (32, 18, 14, 13, 8, 8, 7)


def blend(one: RGB, two: RGB, share: float) -> RGB:
    """`one` with `share` (0..1) of `two` in it."""
    return tuple(a + (b - a) * share for a, b in zip(one, two, strict=True))  # type: ignore[return-value]


def lighter(rgb: RGB, steps: int) -> RGB:
    """`rgb` moved `steps` shades towards warm white, or towards cool dark where negative."""
    toward = (255.0, 250.0, 238.0) if steps > 0 else (34.0, 30.0, 58.0)
    return blend(rgb, toward, 1 - 0.8 ** abs(steps))


def paint(rng: Random, name: str) -> tuple[str, RGB]:
    """(color it counts as, RGB) of one shade of the paint `name`, varied a little."""
    color, rgb = rng.choice(SPECIAL[name]) if name in SPECIAL else (name, rng.choice(SHADES[name]))
    shift = rng.uniform(-9, 9)
    return color, tuple(min(255.0, max(0.0, v + shift + rng.uniform(-6, 6))) for v in rgb)  # type: ignore[return-value]
