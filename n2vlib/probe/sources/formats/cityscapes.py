"""Cityscapes: PNGs of class ids beside the street scenes.

Layout, from the README of cityscapesScripts: leftImg8bit/SPLIT/CITY/CITY_SEQ_FRAME_leftImg8bit.png and
gtFine/SPLIT/CITY/CITY_SEQ_FRAME_gtFine_labelIds.png (or gtCoarse); the ids are those of its labels.py, here from
torchvision, which has the same table. Ids 0 to 6 (category void: unlabeled, ego vehicle, rectification border, out of
roi, static, dynamic, ground) are unlabelled pixels. Left out: instances, polygons, the split; and the images of
test, whose labels are not public: all their pixels are void. Tried on files that cityscapesScripts wrote, not on the
original.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from n2vlib.probe.sources import index_map
from n2vlib.probe.sources.annotated import Annotated, Region
from n2vlib.probe.sources.folder import ending, inside

_LABELS = re.compile(r"_[^_]+_labelIds\.png$")


def read(images: Path, labels: Path) -> Iterator[Annotated]:
    """Cityscapes: the folders leftImg8bit and gtFine, or gtCoarse; void is unlabelled. Not tried on the original."""
    for file in ending(labels, "_labelIds.png"):
        name, path = _LABELS.sub("_leftImg8bit.png", file), labels / file
        if not file.startswith("test/"):
            yield Annotated(name, inside(images, name, f"{path}"), partial(_regions, path), labels=(path,))


def _regions(file: Path) -> Iterator[Region]:
    yield from index_map.by_value(index_map.read(file), _names(), file)


def _names() -> dict[int, tuple[str, str] | None]:
    from torchvision.datasets import Cityscapes  # takes seconds: only where it is used

    return {each.id: None if each.category == "void" else ("object", each.name) for each in Cityscapes.classes}
