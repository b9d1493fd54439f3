"""One of Broden's eleven color names for every pixel.

The name is that of the nearest exemplar in CIELAB, in steps of 8 for each of red, green and blue. The exemplars are
ours: Broden's own table, learned from image searches, is not free to copy. Of the 558 names in xkcd's color survey that
end in one of the eleven words, 85% get that word; most of the others are pale or dark ("pale blue" is white).
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

CATEGORY = "color"
COLORS = ("black", "blue", "brown", "green", "grey", "orange", "pink", "purple", "red", "white", "yellow")
_EXEMPLARS = {
    "black": "000000 1c1c1c 2b2a30 201a1a 10141c",
    "blue": "0000ff 0000a0 00005a 1e5aa0 2f75c0 4a90d9 78b4e6 add8f0 00a0d8 406080 008ca0 5078ff 20d0e0",
    "brown": "8b4513 5a3218 3c2414 785038 a0703c c49a6c 966a50 7a5c20 b07850 6a4a40",
    "green": "00ff00 008000 004000 228b22 5a9650 88b868 a8e090 6b8e23 2e6b50 00c878 a0ff40 506428 90d8b0 556b2f",
    "grey": "4c4c4c 606060 808080 a0a0a0 c0c0c0 d4d4d4 707880 a8a098 b4bcc4",
    "orange": "ffa500 ff7f00 ff6414 e87828 f0a050 d2691e ffb870 cc6a10",
    "pink": "ffc0cb ff69b4 ff1493 f0a0b0 e88098 ff90c0 d86090 ffd0d8 c85080 f0b4b0 ff40c0",
    "purple": "800080 4b0082 9060c0 b080d0 6a3d9a c8a0e8 8a2be2 5a2850 a040a0 d060e0 9a7090",
    "red": "ff0000 c00000 800000 d03c3c b03038 e05040 600010 f02040",
    "white": "ffffff f0f0f0 faf5e6 e8eaea eee8dc",
    "yellow": "ffff00 ffd700 e6c832 f0dc78 fff0a0 d4aa00 c8b432 ffff90",
}
# From linear sRGB to the three responses that CIELAB compares with those of white (D65).
_RESPONSES = np.array([[0.4339, 0.2127, 0.0178], [0.3762, 0.7152, 0.1095], [0.1899, 0.0722, 0.8727]])


def color_names(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The position in COLORS of each pixel's name: uint8 (..., 3) -> uint8 (...)."""
    red, green, blue = np.moveaxis(pixels >> 3, -1, 0)
    return _table()[red, green, blue]


@cache
def _table() -> NDArray[np.uint8]:
    """For red, green and blue in steps of 8 the position in COLORS: uint8 (32, 32, 32)."""
    rgb = [[*bytes.fromhex(text)] for name in COLORS for text in _EXEMPLARS[name].split()]
    name = np.repeat(np.arange(len(COLORS)), [len(_EXEMPLARS[name].split()) for name in COLORS])
    middles = np.stack(np.meshgrid(*[np.arange(32) * 8 + 4] * 3, indexing="ij"), axis=-1)
    _, nearest = KDTree(_lab(np.array(rgb))).query(_lab(middles))
    return name[nearest].astype(np.uint8)


def _lab(rgb: NDArray[np.integer]) -> NDArray[np.float64]:
    """CIELAB of sRGB, 0 to 255: (..., 3) -> (..., 3)."""
    part = rgb / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    ratio = linear @ _RESPONSES
    x, y, z = np.moveaxis(np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)
