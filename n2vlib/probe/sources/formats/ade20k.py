"""ADE20K in full: PNGs of objects and of parts beside each image, with the names of their classes.

Layout, from the dataset's page, README and loaders (loadAde20K.m, utils_ade20k.py): beside NAME.jpg, NAME_seg.png holds
the objects and NAME_parts_N.png the parts of level N, both as class = 256 floor(R / 10) + G, 0 unlabelled; B holds
instances. The release of 2021 has NAME.json: annotation.object[] with name_ndx (the class) and name, annotation.scene[]
from the general to the particular. That of 2016 has NAME_atr.txt: rows `instance # level # crop # name # raw name #
attributes`, where instance is a rank among the values of B, and folders <letter>/<scene>; and index_ade20k.mat, whose
field objectnames lists the classes. Left out: instances, attributes, polygons, what is hidden behind others. Not tried
on the original.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.files.parsed import json_value, member, text
from n2vlib.probe.sources import mat
from n2vlib.probe.sources.annotated import Annotated, Note, Region
from n2vlib.probe.sources.folder import ending, inside
from n2vlib.probe.sources.index_map import by_value, colors

LARGEST_INDEX = 2**32  # bytes: a table of all classes and images is in it
_END = "_seg.png"


def read(
    images: Path, labels: Path | None = None, *, index: Path | None = None, synonyms: bool = False
) -> Iterator[Annotated]:
    """ADE20K in full, objects and parts; images and labels are in the same folder. Not tried on the original.

    index      index_ade20k.mat of the release of 2016, for the names of classes; without it they come from _atr.txt
    synonyms   name classes by all their synonyms, "car, auto, automobile"; else by the first, as in Broden, so that
               classes with the same first one are one concept
    """
    labels = labels or images
    listed = dict(_index(index)) if index else None
    seen: dict[int, str] = {}
    for file in ending(labels, _END):
        stem, path = file.removesuffix(_END), labels / file
        files = [*_levels(path), *(each for each in (_json(path), _text(path)) if each.exists())]
        name = f"{stem}.jpg"
        regions = partial(_regions, path, listed, seen, synonyms)
        yield Annotated(name, inside(images, name, f"{path}"), regions, _scene(labels, file), tuple(files))


def _regions(
    objects: Path, listed: dict[int, str] | None, seen: dict[int, str], synonyms: bool
) -> Iterator[Region | Note]:
    known = _in_json(_json(objects)) if _json(objects).exists() else listed
    for level, file in enumerate(_levels(objects)):
        pixels = colors(file)
        classes = _classes(pixels, file)
        names = known if known is not None else _ranked(pixels[..., 2], classes, _text(objects), level, seen)
        shown = _shown(names, "part" if level else "object", synonyms)
        if nameless := set(np.unique(classes).tolist()) - {*shown}:
            yield Note("classes that have no name are unlabelled")
        yield from by_value(classes, shown | dict.fromkeys(nameless), file)


def _levels(objects: Path) -> list[Path]:
    """The map of objects, of their parts, of parts of these, and so on."""
    levels = [objects]
    while (parts := _beside(objects, f"_parts_{len(levels)}.png")).exists():
        levels.append(parts)
    return levels


def _json(objects: Path) -> Path:
    return _beside(objects, ".json")


def _text(objects: Path) -> Path:
    return _beside(objects, "_atr.txt")


def _beside(objects: Path, end: str) -> Path:
    return objects.with_name(objects.name.removesuffix(_END) + end)


def _classes(pixels: NDArray[np.uint8], file: Path) -> NDArray[np.uint16]:
    if (pixels[..., 0] % 10).any():
        raise BadInput(f"{file}: red must be a multiple of 10 everywhere (class = 256 R / 10 + G)")
    return pixels[..., 0].astype(np.uint16) // 10 * 256 + pixels[..., 1]


def _shown(names: dict[int, str], category: str, synonyms: bool) -> dict[int, tuple[str, str] | None]:
    shown = {number: name if synonyms else name.split(",")[0].strip() for number, name in names.items()}
    return {number: (category, name) for number, name in shown.items()} | {0: None}


def _in_json(record: Path) -> dict[int, str]:
    objects = member(_annotation(record), "object", list, f"{record}, annotation")
    where = f"{record}, annotation.object"
    return {member(one, "name_ndx", int, where): member(one, "name", str, where) for one in objects}


def _annotation(record: Path) -> dict:
    # Some of these files are not in UTF-8; Latin-1 reads every byte.
    return member(json_value(record, "latin-1"), "annotation", dict, f"{record}")


def _scene(labels: Path, file: str) -> tuple[tuple[str, str], ...]:
    """The scene of an image; "~" begins those that were not labelled."""
    record = _json(labels / file)
    folders = Path(file).parts[-3:-1]
    listed = _annotation(record).get("scene") if record.exists() else None
    if not record.exists() and len(folders) == 2 and folders[0] == folders[1][0]:
        listed = [folders[1]]
    scene = str(listed[-1]) if isinstance(listed, list) and listed else ""
    return (("scene", scene),) if scene and not scene.startswith("~") else ()


def _index(path: Path) -> Iterator[tuple[int, str]]:
    names = mat.structure(path, "index", LARGEST_INDEX).get("objectnames", np.zeros(0))
    for number, name in enumerate(names.ravel(), start=1):
        yield number, mat.text({"objectnames": name}, "objectnames", path)


def _ranked(
    instances: NDArray[np.uint8], classes: NDArray[np.uint16], rows: Path, level: int, seen: dict[int, str]
) -> dict[int, str]:
    """The names in _atr.txt of one level: a class is that of the pixels of its instance.

    seen   class -> name in all images so far, to which these are added; BadInput where they differ
    """
    values, names = [value for value in np.unique(instances).tolist() if value], {}
    for row, (instance, its_level, name) in enumerate(_rows(rows), start=1):
        if its_level == level and 0 < instance <= len(values):  # one that is hidden has no pixel
            for number in np.unique(classes[instances == values[instance - 1]]).tolist():
                names[number] = name
                if (other := seen.setdefault(number, name)) != name:
                    what = f"class {number} is {other!r} elsewhere and {name!r} here"
                    raise BadInput(f"{rows}, row {row}: {what}; give index_ade20k.mat as the option index")
    return names


def _rows(path: Path) -> Iterator[tuple[int, int, str]]:
    for row, line in enumerate(text(path, "latin-1").splitlines(), start=1):
        cells = [cell.strip() for cell in line.split("#")]
        if len(cells) != 6 or not cells[0].isdecimal() or not cells[1].isdecimal():
            raise BadInput(f"{path}, row {row}: must be instance # level # crop # name # raw name # attributes")
        yield int(cells[0]), int(cells[1]), cells[3]
