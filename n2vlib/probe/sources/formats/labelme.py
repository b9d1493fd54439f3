"""labelme: a JSON file for each image, with polygons and other shapes.

Fields, from labelme's _label_file.py and utils/shape.py (6.3): imagePath (from the JSON file's folder; Windows' paths
too), imageHeight and imageWidth (of the image as it is displayed), flags, and shapes[] with label, points and
shape_type: polygon (also where it is missing), rectangle (two opposite corners), oriented_rectangle (four corners),
circle (its centre and a point on it), mask (the first and the last pixel of its box, both in it, and a PNG in base64).
A later shape is in front. Left out: lines and points, group_id, the embedded image (imageData). labelme's own masks
differ at the outline (see `polygons`). Tried on files that labelme wrote.
"""

import base64
import io
import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from n2vlib.errors import BadInput
from n2vlib.files.parsed import json_value, member, number
from n2vlib.probe.sources import shapes
from n2vlib.probe.sources.addresses import meant, path_in
from n2vlib.probe.sources.annotated import Annotated, Note, Region
from n2vlib.probe.sources.folder import ending
from n2vlib.probe.sources.polygons import polygon, reaches_outside
from n2vlib.probe.sources.sizes import checked, displayed

_NO_AREA = {"line", "linestrip", "point", "points"}
_POINTS = {"rectangle": 2, "circle": 2, "mask": 2, "oriented_rectangle": 4}


def read(
    images: Path, labels: Path | None = None, *, category: str = "object", flags: str | None = None
) -> Iterator[Annotated]:
    """labelme's JSON files, in the folder of images or in one of their own.

    category   of the shapes' labels
    flags      category of the flags that are set, as labels of the whole image; left out where not given
    """
    labels = labels or images
    for file in ending(labels, ".json"):
        record, path = json_value(labels / file), labels / file
        stated = path_in(member(record, "imagePath", str, f"{path}"))
        name = meant(images, f"{Path(file).parent.as_posix()}/{stated}", f"{path}, imagePath")
        whole = tuple((flags, flag) for flag in _flags(record)) if flags else ()
        regions = partial(_regions, path, images / name, category, flags is not None)
        yield Annotated(name, images / name, regions, whole, (path,))


def _regions(file: Path, image: Path, category: str, flags: bool) -> Iterator[Region | Note]:
    record = json_value(file)
    if not flags and _flags(record):
        yield Note("flags are left out; as labels of whole images they need a category, the option flags")
    size = record.get("imageHeight"), record.get("imageWidth")
    size = displayed(image) if None in size else checked(*size, f"{file}, imageHeight and imageWidth")
    listed = [*enumerate(member(record, "shapes", list, f"{file}"))]
    for n, shape in reversed(listed):
        where = f"{file}, shapes[{n}]"
        label = member(shape, "label", str, where)
        points = _points(member(shape, "points", list, where), where)
        kind = str(shape.get("shape_type") or "polygon")
        if kind in _NO_AREA:
            yield Note("lines and points have no area: left out")
            continue
        if reaches_outside(points, size):
            yield Note("shapes reach outside the image: clipped")
        yield Region(category, label, _mask(shape, kind, points, size, where))


def _flags(record: dict) -> list[str]:
    """The flags of the image that are set."""
    flags = record.get("flags")
    return [name for name in flags if flags[name] is True] if isinstance(flags, dict) else []


def _points(listed: list, where: str) -> list[tuple[float, float]]:
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in listed):
        raise BadInput(f"{where}: points must be a list of [x, y]")
    return [(number(x, where), number(y, where)) for x, y in listed]


def _mask(shape: dict, kind: str, points: list, size: tuple[int, int], where: str) -> NDArray[np.bool_]:
    if kind != "polygon" and len(points) != _POINTS.get(kind, len(points)):
        raise BadInput(f"{where}: a {kind} must have {_POINTS[kind]} points, not {len(points)}")
    if kind in ("polygon", "oriented_rectangle"):
        return polygon(points, size)
    if kind not in _POINTS:
        raise BadInput(f"{where}: shape_type {kind!r} is not known")
    (x0, y0), (x1, y1) = points
    if kind == "rectangle":
        return polygon(shapes.corners(min(x0, x1), min(y0, y1), abs(x1 - x0), abs(y1 - y0)), size)
    if kind == "circle":
        radius = math.hypot(x1 - x0, y1 - y0)
        return shapes.ellipse((x0, y0), (radius, radius), 0, size)
    return _pasted(shape, (int(x0), int(y0)), (int(x1), int(y1)), size, where)


def _pasted(
    shape: dict, first: tuple[int, int], last: tuple[int, int], size: tuple[int, int], where: str
) -> NDArray[np.bool_]:
    """A mask in a box of the image, whose first and last pixel are both in it."""
    (x0, y0), (x1, y1) = first, last
    if not (0 <= x0 <= x1 < size[1] and 0 <= y0 <= y1 < size[0]):
        raise BadInput(f"{where}: the mask's box {x0}, {y0} to {x1}, {y1} is not inside the image")
    box = _png(member(shape, "mask", str, where), (y1 - y0 + 1, x1 - x0 + 1), where)
    mask = np.zeros(size, np.bool_)
    mask[y0 : y1 + 1, x0 : x1 + 1] = box
    return mask


def _png(text: str, size: tuple[int, int], where: str) -> NDArray[np.bool_]:
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=("PNG",)) as file:
            if (file.height, file.width) != size:
                raise BadInput(f"{where}: mask is {file.height} x {file.width}, its box {size[0]} x {size[1]}")
            return np.asarray(file.convert("L")) > 0
    except BadInput:
        raise
    except Exception as error:  # Pillow's decoders raise many kinds
        why = " ".join(str(error).split())
        raise BadInput(f"{where}: mask cannot be read as a PNG in base64: {why}") from None
