"""The rules of Broden on disk: names, order, split, and label maps as pictures.

A folder in this format holds `index.csv` (one row per image), `label.csv` (one per concept), `category.csv`,
`c_<category>.csv` (the concepts of one category) and `images/`. A cell of `index.csv` lists label maps (PNG files, the
dominant layer first) or label numbers that hold for the whole image, separated by `;`. Paths start below `images/`.
Format: Network Dissection (Bau et al. 2017).
"""

import hashlib
import re

import numpy as np
from numpy.typing import NDArray

INDEX_COLUMNS = ("image", "split", "ih", "iw", "sh", "sw")
CATEGORY_ORDER = ("color", "object", "part", "material", "scene", "texture")
TRAIN_SHARE = 0.7
LARGEST_LABEL = 65535  # R + 256 G
MOST_LABELS = 255  # distinct labels in the maps of one image
LARGEST_MAP = 2**24  # pixels; larger areas are not exact in float32, which the kernels for GPUs add up


def place_of(name: str) -> float:
    """An image's position in Broden's order, in [0, 1): the first eight bytes of the md5 of its name, as a fraction.

    name   as in index.csv, for example 'ade20k/ADE_train_00003891.jpg'
    """
    first = hashlib.md5(name.encode(), usedforsecurity=False).digest()[:8]
    return int.from_bytes(first, "big") / 2**64


def split_of(name: str) -> str:
    """'train' or 'val': 70% of images train, decided by the image's name alone, so the same at every size."""
    return "train" if place_of(name) <= TRAIN_SHARE else "val"


def is_category(name: str) -> bool:
    """Whether `name` can name a category: it becomes part of a file name, so no separators or dots."""
    return re.fullmatch(r"\w([\w -]*\w)?", name) is not None and name not in INDEX_COLUMNS


def encoded(layer: NDArray[np.integer]) -> NDArray[np.uint8]:
    """A label map as the pixels of a PNG: label = R + 256 G, so (sh, sw) -> uint8 (sh, sw, 3)."""
    pixels = np.zeros((*layer.shape, 3), dtype=np.uint8)
    pixels[..., 0] = layer & 255
    pixels[..., 1] = layer >> 8
    return pixels


def decoded(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """The label map in the pixels of a PNG: uint8 (sh, sw, 3) -> uint16 (sh, sw)."""
    # Widened before the shift: uint8 times 256 is 0 in numpy 2.
    return pixels[..., 0].astype(np.uint16) | (pixels[..., 1].astype(np.uint16) << np.uint16(8))
