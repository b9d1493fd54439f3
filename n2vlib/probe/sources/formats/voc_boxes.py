"""Pascal VOC's XML boxes, which labelImg and others write too, as masks.

Fields, from the VOC development kit: filename; object[] with name, difficult, bndbox with xmin, ymin, xmax, ymax;
part[] in an object with name and bndbox. VOC counts pixels from 1, and the last one belongs to the box.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from xml.etree.ElementTree import Element

from n2vlib.errors import BadInput
from n2vlib.files.parsed import number, xml_children
from n2vlib.probe.sources.annotated import Annotated, Note, Region
from n2vlib.probe.sources.folder import ending, inside
from n2vlib.probe.sources.polygons import reaches_outside, rectangle
from n2vlib.probe.sources.sizes import displayed

NOTE = "boxes are taken as masks: background inside a box counts as its concept"


def read(
    images: Path, labels: Path, *, difficult: bool = True, from_zero: bool = False, category: str = "object"
) -> Iterator[Annotated]:
    """Pascal VOC's XML files (folder Annotations): boxes taken as masks; parts of objects are of category part.

    difficult   take objects marked as difficult too; else their pixels are unlabelled
    from_zero   coordinates count from 0 and the last one does not belong to the box, as some programs write them
    category    of the objects
    """
    for file in ending(labels, ".xml"):
        children = [*xml_children(labels / file)]
        name = next((child.text or "" for child in children if child.tag == "filename"), "").strip()
        objects = [child for child in children if child.tag == "object"]
        image = inside(images, name, f"{labels / file}, filename")
        regions = partial(_regions, objects, image, labels / file, (difficult, from_zero), category)
        yield Annotated(name, image, regions, labels=(labels / file,))


def _regions(
    objects: list[Element], image: Path, file: Path, how: tuple[bool, bool], category: str
) -> Iterator[Region | Note]:
    size = displayed(image)
    for each in objects:
        if (each.findtext("difficult") or "0").strip() == "1" and not how[0]:
            continue
        yield Note(NOTE)
        for kind, element in ((category, each), *(("part", part) for part in each.findall("part"))):
            yield from _region(kind, element, size, file, how[1])


def _region(
    category: str, element: Element, size: tuple[int, int], file: Path, from_zero: bool
) -> Iterator[Region | Note]:
    name, box = (element.findtext("name") or "").strip(), element.find("bndbox")
    if not name or box is None:
        raise BadInput(f"{file}: an object has no name or no bndbox")
    x0, y0, x1, y1 = (number((box.findtext(key) or "").strip(), f"{file}, {key}") for key in _SIDES)
    if x1 < x0 or y1 < y0:
        raise BadInput(f"{file}: the box of {name!r} ends before it begins")
    if not from_zero:
        x0, y0 = x0 - 1, y0 - 1
    if reaches_outside([(x0, y0), (x1, y1)], size):
        yield Note("boxes reach outside the image: clipped")
    yield Region(category, name, rectangle(x0, y0, x1 - x0, y1 - y0, size))


_SIDES = ("xmin", "ymin", "xmax", "ymax")
