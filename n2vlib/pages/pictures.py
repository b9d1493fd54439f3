"""Thumbnails of few bytes, and masks as paths over them."""

import base64
import io
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from n2vlib.display.contours import contours
from n2vlib.probe import ProbeSet
from n2vlib.progress import bar

SIDE = 128  # pixels of a picture's longer side, at most
MOST_BYTES = 6_000  # of one picture
ALL_BYTES = 6_000_000  # of all pictures: in a page they take a third more
_SIDES, _QUALITIES = (SIDE, 96, 64, 48, 32, 16), (75, 55, 35, 20)


def thumbnails(probe: ProbeSet, images: Iterable[int], total: int = ALL_BYTES) -> dict[int, bytes]:
    """{image: WebP}, together at most `total` bytes: the more pictures, the fewer bytes each."""
    wanted = sorted(set(images))
    most = min(MOST_BYTES, total // max(len(wanted), 1))
    with ThreadPoolExecutor() as pool:
        done = pool.map(lambda i: thumbnail(probe.image(i), most), wanted)
        return dict(zip(wanted, bar(done, "pictures", len(wanted)), strict=True))


def encoded(pictures: dict[int, bytes]) -> dict[str, str]:
    """The pictures as values that JSON can hold."""
    return {str(image): base64.b64encode(data).decode() for image, data in pictures.items()}


def thumbnail(image: NDArray[np.uint8], most: int) -> bytes:
    """The image as WebP of at most `most` bytes: first it loses quality, then size.

    image   uint8 (height, width, 3)      Returns the smallest there is where none fits
    """
    whole, data = Image.fromarray(image), b""
    for side in _SIDES:
        small = whole.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        for quality in _QUALITIES:
            out = io.BytesIO()
            small.save(out, "WEBP", quality=quality, method=4)
            if len(data := out.getvalue()) <= most:
                return data
    return data


def path(mask: NDArray[np.bool_]) -> str:
    """The mask's edge as an SVG path in pixels of the mask, one loop after the other; "" for an empty mask.

    Only M, h, v and z, so that it is short; filled by the even-odd rule it is the mask.
    """
    return "".join(_loop(line.astype(np.int64)) for line in contours(mask, rounds=0))


def path_within(mask: NDArray[np.bool_], most: int) -> str:
    """`path` of at most `most` characters: of the mask if that is short enough, else of one with coarser pixels.

    Coarse pixels are 2 x 2, 4 x 4 ... pixels; those that hold most of the mask are in, as many as have its area.
    """
    side, drawn = 1, mask
    # Each corner takes two characters or more, and is counted faster than the path is made.
    while side < max(mask.shape) and (2 * _corners(drawn) > most or len(path(drawn)) > most):
        side *= 2
        drawn = _coarse(mask, side)
    return path(drawn)


def _corners(mask: NDArray[np.bool_]) -> int:
    """Corners of the mask's edge; where two pixels touch at a corner only, there are two."""
    padded = np.pad(mask, 1)
    one, right, below, across = padded[:-1, :-1], padded[:-1, 1:], padded[1:, :-1], padded[1:, 1:]
    touching = (one == across) & (right == below) & (one != right)
    return int((one ^ right ^ below ^ across).sum() + 2 * touching.sum())


def _coarse(mask: NDArray[np.bool_], side: int) -> NDArray[np.bool_]:
    """The mask in pixels of side x side, at least one of them; as large as the mask."""
    height, width = mask.shape
    rows, columns = np.arange(0, height, side), np.arange(0, width, side)
    inside = np.add.reduceat(np.add.reduceat(mask.astype(np.int64), rows, axis=0), columns, axis=1)
    count = max(1, round(int(mask.sum()) / side**2))
    kept = np.zeros(inside.size, bool)
    kept[np.argsort(-inside.ravel(), kind="stable")[:count]] = True
    return kept.reshape(inside.shape).repeat(side, axis=0).repeat(side, axis=1)[:height, :width]


def _loop(corners: NDArray[np.int64]) -> str:
    """M x y, then the steps along the edge, joined where the direction does not change."""
    steps = np.diff(np.concatenate([corners, corners[:1]]), axis=0)
    turns = np.flatnonzero((np.diff(steps, axis=0) != 0).any(axis=1)) + 1
    runs = np.add.reduceat(steps, np.concatenate([[0], turns]), axis=0)
    steps = "".join(f"h{dx}" if dx else f"v{dy}" for dx, dy in runs.tolist())
    return f"M{corners[0][0]} {corners[0][1]}{steps}z"
