"""CVAT: the XML file of "CVAT for images 1.1", with polygons, boxes, ellipses and brush masks.

Fields, from CVAT's documentation ("XML annotation format", version 1.1) and its exporter (formats/cvat.py): image with
name, width, height and, from projects, subset; in it, with label and z_order (more is in front):
    box       xtl, ytl, xbr, ybr; rotation: degrees clockwise about its centre
    ellipse   cx, cy, rx, ry; rotation, likewise
    polygon   points "x,y;x,y;..."
    mask      rle "0, 3, 2": lengths of runs of 0 and 1 in turn, 0 first, row by row in the box left, top, width, height
    tag       a label of the whole image
An image without shapes is in the set, unlabelled. Left out: attributes, groups, polylines, points, cuboids, skeletons.
Tried on masks that cvat-sdk encoded, not on an export.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element, fromstring, tostring

import numpy as np
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.files.parsed import number, xml_children
from n2vlib.probe.sources import shapes
from n2vlib.probe.sources.addresses import meant
from n2vlib.probe.sources.annotated import Annotated, Note, Region
from n2vlib.probe.sources.polygons import polygon, reaches_outside
from n2vlib.probe.sources.runlengths import alternating
from n2vlib.probe.sources.sizes import checked

_NO_AREA = {"polyline", "points", "cuboid", "skeleton"}


def read(images: Path, labels: Path, *, category: str = "object", tags: str | None = None) -> Iterator[Annotated]:
    """CVAT's XML file, "CVAT for images 1.1": annotations.xml, or the folder it is in. Not tried on a server's export.

    category   of the shapes' labels
    tags       category of the tags, as labels of the whole image; left out where not given
    """
    file = labels / "annotations.xml" if labels.is_dir() else labels
    for element in xml_children(file):
        if element.tag == "track":
            raise BadInput(f"{file}: is an export for video; choose 'CVAT for images 1.1' in CVAT")
        if element.tag != "image":
            continue
        stated = "/".join(part for part in (element.get("subset"), element.get("name")) if part)
        where = f"{file}, image {stated[:200]!r}"
        name = meant(images, stated, where)
        whole = tuple((tags, _label(tag, where)) for tag in element.iter("tag")) if tags else ()
        # As text, since all are held until they are read, and elements take ten times as much.
        drawn = tostring(element)
        yield Annotated(name, images / name, partial(_regions, drawn, where, category, tags is not None), whole)


def _regions(drawn: bytes, where: str, category: str, tags: bool) -> Iterator[Region | Note]:
    image = fromstring(drawn)
    if not tags and image.find("tag") is not None:
        yield Note("tags are left out; as labels of whole images they need a category, the option tags")
    size = checked(image.get("height"), image.get("width"), where)
    listed = [*enumerate(shape for shape in image if shape.tag != "tag")]
    for n, shape in sorted(listed, key=lambda each: (_number(each[1], "z_order", where, 0), each[0]), reverse=True):
        if shape.tag in _NO_AREA:
            yield Note("polylines, points, cuboids and skeletons are no masks: left out")
            continue
        at = f"{where}, shape {n + 1} ({shape.tag})"
        points = _outline(shape, at)
        if points and reaches_outside(points, size):
            yield Note("shapes reach outside the image: clipped")
        yield Region(category, _label(shape, at), polygon(points, size) if points else _filled(shape, size, at))


def _outline(shape: Element, where: str) -> list[tuple[float, float]]:
    """The corners of a box or polygon, x and y; none for other shapes."""
    if shape.tag == "polygon":
        return _points(shape, where)
    if shape.tag != "box":
        return []
    left, top, right, bottom = (_number(shape, name, where) for name in ("xtl", "ytl", "xbr", "ybr"))
    centre = (left + right) / 2, (top + bottom) / 2
    return shapes.rotated(
        shapes.corners(left, top, right - left, bottom - top), centre, _number(shape, "rotation", where, 0)
    )


def _points(shape: Element, where: str) -> list[tuple[float, float]]:
    pairs = [pair.split(",") for pair in shape.get("points", "").split(";")]
    if not all(len(pair) == 2 for pair in pairs):
        raise BadInput(f"{where}: points must be 'x,y;x,y;...'")
    return [(number(x, f"{where}, points"), number(y, f"{where}, points")) for x, y in pairs]


def _filled(shape: Element, size: tuple[int, int], where: str) -> NDArray[np.bool_]:
    turn = _number(shape, "rotation", where, 0)
    if shape.tag == "ellipse":
        cx, cy, rx, ry = (_number(shape, name, where) for name in ("cx", "cy", "rx", "ry"))
        return shapes.ellipse((cx, cy), (rx, ry), turn, size)
    if shape.tag != "mask":
        raise BadInput(f"{where}: shapes of this kind are not known")
    left, top, w, h = (_whole(shape, name, where) for name in ("left", "top", "width", "height"))
    if not (left >= 0 and top >= 0 and w > 0 and h > 0 and left + w <= size[1] and top + h <= size[0]):
        raise BadInput(f"{where}: left, top, width and height are not inside the image")
    mask = np.zeros(size, np.bool_)
    mask[top : top + h, left : left + w] = alternating(_lengths(shape, where), (h, w), f"{where}, rle")
    return mask


def _lengths(shape: Element, where: str) -> list[int]:
    try:
        return [int(length) for length in shape.get("rle", "").split(",")]
    except ValueError:
        raise BadInput(f"{where}: rle must be whole numbers with commas between") from None


def _label(shape: Element, where: str) -> str:
    if not (label := shape.get("label")):
        raise BadInput(f"{where}: has no label")
    return label


def _whole(shape: Element, name: str, where: str) -> int:
    if (found := _number(shape, name, where)) % 1:
        raise BadInput(f"{where}: {name} {found} must be a whole number")
    return int(found)


def _number(shape: Element, name: str, where: str, default: float | None = None) -> float:
    return number(shape.get(name, default), f"{where}, {name}")
