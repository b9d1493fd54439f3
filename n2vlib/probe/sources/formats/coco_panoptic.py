"""COCO's panoptic annotations: a PNG for each image whose colors are the ids of segments.

Fields, from COCO's data format: images[] and categories[] as for instances; annotations[] with image_id, file_name (of
the PNG) and segments_info[] with id, category_id, iscrowd. An id is R + 256 G + 65536 B; 0 is void.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from n2vlib.errors import BadInput
from n2vlib.files.parsed import json_value, member
from n2vlib.probe.sources import index_map
from n2vlib.probe.sources.annotated import Annotated, Region
from n2vlib.probe.sources.folder import inside
from n2vlib.probe.sources.formats.coco import category_names, identifier

VOID = 0


def read(
    images: Path, labels: Path, *, masks: Path | None = None, category: str = "object", crowds: bool = True
) -> Iterator[Annotated]:
    """COCO's panoptic JSON and PNGs; void is unlabelled.

    masks      folder of the PNGs; the one of the JSON's name beside it where not given
    category   of all concepts
    crowds     take segments of crowds (iscrowd) too; else their pixels are unlabelled
    """
    content, folder = json_value(labels), masks or labels.with_suffix("")
    names = category_names(content, labels)
    files = {}
    for n, image in enumerate(member(content, "images", list, f"{labels}")):
        where = f"{labels}, images[{n}]"
        files[identifier(image, "id", where)] = member(image, "file_name", str, where)
    for n, annotation in enumerate(member(content, "annotations", list, f"{labels}")):
        where = f"{labels}, annotations[{n}]"
        image = identifier(annotation, "image_id", where)
        if image not in files:
            raise BadInput(f"{where}: image_id {image!r:.80} is not among the images")
        name, png = files.pop(image), inside(folder, member(annotation, "file_name", str, where), where)
        regions = partial(_regions, png, annotation, names, category, crowds, where)
        yield Annotated(name, inside(images, name, where), regions, labels=(png,))
    for name in files.values():
        yield Annotated(name, inside(images, name, f"{labels}, images"), lambda: iter(()))


def _regions(
    png: Path, annotation: dict, names: dict[int, str], category: str, crowds: bool, where: str
) -> Iterator[Region]:
    ids = index_map.colors(png).astype(np.uint32) @ np.array([1, 1 << 8, 1 << 16], np.uint32)
    segments = {}
    for segment in member(annotation, "segments_info", list, where):
        kind = member(segment, "category_id", int, where)
        if kind not in names:
            raise BadInput(f"{where}: category_id {kind} is not among the categories")
        kept = crowds or not segment.get("iscrowd")
        segments[member(segment, "id", int, where)] = names[kind] if kept else None
    for found in set(np.unique(ids).tolist()) - {VOID}:
        if found not in segments:
            raise BadInput(f"{png}: segment {found} is not in segments_info ({where})")
        if (name := segments[found]) is not None:
            yield Region(category, name, ids == found)
