"""COCO's annotations: instances, stuff and whatever else has the same JSON.

Fields, from COCO's data format: images[] with id, file_name, height, width; categories[] with id, name; annotations[]
with image_id, category_id, segmentation, iscrowd, bbox (x, y, width, height). segmentation is a list of polygons
[x1, y1, x2, y2, ...], whose union is meant, or run-lengths {size: [h, w], counts}, column by column, 0 first: a list of
numbers, or compressed as a text. Only run-lengths have holes. Compressed ones are read by faster-coco-eval, which
refuses damaged ones (pycocotools 2.0.11 returns what lies in memory).
"""

from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.files.parsed import json_value, member, number
from n2vlib.probe.sources.annotated import Annotated, Note, Region
from n2vlib.probe.sources.folder import inside
from n2vlib.probe.sources.polygons import polygons, reaches_outside, rectangle
from n2vlib.probe.sources.sizes import checked

Names = dict[int, str]  # id of a category -> its name
CLIPPED = "polygons reach outside the image: clipped"


def read(
    images: Path, labels: Path, *, category: str = "object", crowds: bool = True, boxes: bool = False
) -> Iterator[Annotated]:
    """COCO's JSON of instances or stuff; an image without annotations is unlabelled.

    category   of all concepts
    crowds     take regions of crowds (iscrowd) too; else their pixels are unlabelled
    boxes      take the box of an annotation that has no mask as its mask
    """
    content = json_value(labels)
    names = category_names(content, labels)
    held = defaultdict(list)
    for n, annotation in enumerate(member(content, "annotations", list, f"{labels}")):
        image = identifier(annotation, "image_id", f"{labels}, annotations[{n}]")
        if crowds or not annotation.get("iscrowd"):
            held[image].append((n, annotation))
    listed = member(content, "images", list, f"{labels}")
    del content
    for n, image in enumerate(listed):
        where = f"{labels}, images[{n}]"
        name = member(image, "file_name", str, where)
        own = held.pop(identifier(image, "id", where), [])
        size = checked(image.get("height"), image.get("width"), where) if own else (1, 1)
        yield Annotated(name, inside(images, name, where), partial(_regions, own, size, names, category, boxes, labels))
    if held:
        raise BadInput(f"{labels}: annotations are of the image {[*held][0]}, which is not among its images")


def identifier(value: Any, key: str, where: str) -> int | str:
    """An id of an image: a number, or a text as some programs write it."""
    texts = isinstance(value, dict) and isinstance(value.get(key), str)
    return member(value, key, str if texts else int, where)


def category_names(content: Any, labels: Path) -> Names:
    """The id and the name of each category."""
    found = {}
    for n, each in enumerate(member(content, "categories", list, f"{labels}")):
        where = f"{labels}, categories[{n}]"
        found[member(each, "id", int, where)] = member(each, "name", str, where)
    return found


def _regions(
    annotations: list[tuple[int, dict]],
    size: tuple[int, int],
    names: Names,
    category: str,
    boxes: bool,
    file: Path,
) -> Iterator[Region | Note]:
    for n, annotation in annotations:
        where = f"{file}, annotations[{n}]"
        kind = annotation.get("category_id")
        if kind not in names:
            raise BadInput(f"{where}: category_id {kind!r:.80} is not among the categories")
        found = annotation.get("segmentation")
        if not found:
            if not boxes:
                raise BadInput(f"{where}: has no mask; the option boxes takes boxes as masks")
            yield Region(category, names[kind], _box(annotation, size, where))
        elif isinstance(found, dict):
            yield Region(category, names[kind], run_lengths(found, size, where))
        else:
            rings = [_ring(ring, where) for ring in (found if isinstance(found, list) else [None])]
            if any(reaches_outside(ring, size) for ring in rings):
                yield Note(CLIPPED)
            yield Region(category, names[kind], polygons(rings, size))


def _box(annotation: dict, size: tuple[int, int], where: str) -> NDArray[np.bool_]:
    sides = member(annotation, "bbox", list, where)
    if len(sides) != 4:
        raise BadInput(f"{where}: bbox must be x, y, width, height")
    x, y, width, height = (number(side, where) for side in sides)
    return rectangle(x, y, width, height, size)


def _ring(ring: Any, where: str) -> NDArray[np.float64]:
    if not isinstance(ring, list) or len(ring) % 2:
        raise BadInput(f"{where}: segmentation must be run-lengths, or a list of polygons [x1, y1, x2, y2, ...]")
    return np.array([number(value, where) for value in ring], np.float64).reshape(-1, 2)


def run_lengths(found: dict, size: tuple[int, int], where: str) -> NDArray[np.bool_]:
    """The mask of COCO's run-lengths: bool, (h, w) = size. BadInput where they are not of this size, or damaged."""
    stated, counts = found.get("size"), found.get("counts")
    if not isinstance(stated, list) or stated != [*size]:
        raise BadInput(f"{where}: run-lengths of size {stated!r:.40}, the image has height, width {[*size]}")
    if isinstance(counts, str):
        return _decompressed(counts, size, where)
    counts = counts if isinstance(counts, list) else []
    if not all(type(count) is int and count >= 0 for count in counts) or sum(counts) != size[0] * size[1]:
        raise BadInput(f"{where}: counts must be whole numbers that add up to {size[0]} x {size[1]} pixels")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size[::-1]).T


def _decompressed(counts: str, size: tuple[int, int], where: str) -> NDArray[np.bool_]:
    try:
        from faster_coco_eval.core import mask  # pyright: ignore[reportMissingImports] (an extra)
    except ImportError:
        raise BadInput(f'{where}: compressed run-lengths need the extra masks: pip install "n2vlib[masks]"') from None
    try:
        return mask.decode({"size": [*size], "counts": counts.encode()}).astype(np.bool_)
    except (ValueError, RuntimeError) as error:
        raise BadInput(f"{where}: counts cannot be read as run-lengths: {error}") from None
