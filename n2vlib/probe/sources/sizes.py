"""Sizes of images: as data state them, bounded, or as a file's header and orientation give them."""

from pathlib import Path
from typing import Any

from PIL import Image

from n2vlib.errors import BadInput
from n2vlib.files.parsed import number
from n2vlib.probe.pictures import BROAD, opened, orientation_of

MOST_PIXELS = Image.MAX_IMAGE_PIXELS or 2**27  # what Pillow takes for safe


def checked(height: Any, width: Any, where: str) -> tuple[int, int]:
    """(h, w) as data state them. BadInput where they are no whole numbers from 1, or too many pixels."""
    h, w = number(height, where), number(width, where)
    if h % 1 or w % 1 or h < 1 or w < 1 or h * w > MOST_PIXELS:
        raise BadInput(f"{where}: {h:g} and {w:g} must be whole numbers from 1, and at most {MOST_PIXELS:,} pixels")
    return int(h), int(w)


def displayed(image: Path) -> tuple[int, int]:
    """(h, w) of an image file as it is displayed, from its header and EXIF orientation."""
    return displayed_and_stored(image)[0]


def displayed_and_stored(image: Path) -> tuple[tuple[int, int], tuple[int, int]]:
    """(h, w) of an image file as it is displayed, and as it is stored."""
    with opened(image, BROAD) as file:
        stored = (file.height, file.width)
        return ((file.width, file.height) if orientation_of(file) >= 5 else stored), stored
