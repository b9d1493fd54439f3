"""PASCAL-Part: a .mat file for each image of VOC 2010, with a mask for each object and each of its parts.

Layout, from its part2ind.m and demo (Chen et al. 2014): `Annotations_Part/NAME.mat` with a structure anno of the fields
imname and objects; each object has class, class_ind, mask (h, w) and parts, each part part_name and mask; the image is
`JPEGImages/NAME.jpg`. Parts are numbered (`wheel_1`), and named by side and place: `lfuleg` is the left front upper
leg. Numbers are left out always. Not tried on the original.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from n2vlib.probe.sources import mat
from n2vlib.probe.sources.annotated import Annotated, Region
from n2vlib.probe.sources.folder import ending, inside, stem

_NUMBER = re.compile(r"_\d+$")
_PLACED = re.compile(
    r"(?:left|right|[lr])?[fb]?[lu]?(ear|eye|ebrow|wing|arm|hand|leg|foot|pa|ho|horn|wheel|mirror|liplate)"
)
_WORDS = {"ebrow": "eyebrow", "pa": "paw", "ho": "hoof", "liplate": "license plate"}


def read(images: Path, labels: Path, *, sides: bool = False) -> Iterator[Annotated]:
    """PASCAL-Part: the folders JPEGImages and Annotations_Part. Not tried on the original.

    sides   keep the file's names of parts apart, for instance lfuleg; else left, right, front, back, upper and lower
            ones are one concept, as in Broden: leg
    """
    for file in ending(labels, ".mat"):
        name, path = f"{stem(file)}.jpg", labels / file
        yield Annotated(name, inside(images, name, f"{path}"), partial(_regions, path, sides), labels=(path,))


def _regions(file: Path, sides: bool) -> Iterator[Region]:
    for thing in mat.structures(mat.structure(file, "anno"), "objects", file):
        yield Region("object", mat.text(thing, "class", file), mat.plane(thing, "mask", file) > 0)
        for part in mat.structures(thing, "parts", file):
            name = part_name(mat.text(part, "part_name", file), sides)
            yield Region("part", name, mat.plane(part, "mask", file) > 0)


def part_name(name: str, sides: bool) -> str:
    """The concept that a part's name means: `wheel_2` -> wheel, `lfuleg` -> leg or, with `sides`, lfuleg."""
    plain = _NUMBER.sub("", name)
    placed = None if sides else _PLACED.fullmatch(plain)
    return _WORDS.get(placed[1], placed[1]) if placed else plain
