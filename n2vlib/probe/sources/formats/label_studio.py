"""Label Studio: its JSON export, with polygons, rectangles, ellipses and brush masks.

Fields, from its documentation ("Task format", the tags RectangleLabels, PolygonLabels, EllipseLabels, BrushLabels) and
label-studio-sdk 2.1: a list of tasks with data (the image's address) and annotations[].result[], each with type,
original_width, original_height, image_rotation and value, whose key named by the type holds the labels and the others:
    rectangle   x, y, width, height in percent of the image; rotation: degrees clockwise about the upper left corner
    ellipse     x, y (its centre), radiusX, radiusY in percent; rotation about the centre
    polygon     points [[x, y], ...] in percent
    brush       format "rle", rle: bytes (see `runlengths`)
    choices     labels of the whole image
Of several annotations of a task, the one marked as ground truth counts, else the first that was not skipped. A later
region is in front. A task that nobody annotated is left out; one annotated with nothing is unlabelled. Left out:
predictions, key points, vectors, bitmasks, text. Addresses are not fetched (see `addresses`). Tried on brush masks
that label-studio-sdk encoded and rectangles that it turned, not on an export.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.files.parsed import json_value, member, number
from n2vlib.probe.sources import shapes
from n2vlib.probe.sources.addresses import meant, path_in
from n2vlib.probe.sources.annotated import Annotated, Note, Region
from n2vlib.probe.sources.folder import PICTURES
from n2vlib.probe.sources.polygons import polygon, reaches_outside
from n2vlib.probe.sources.runlengths import packed
from n2vlib.probe.sources.sizes import checked

_SEVERAL = Note("several annotations of one image: the ground truth counts, else the first")
_CHOICES = Note("choices are left out; as labels of whole images they need a category, the option choices")
_GEOMETRY = {"rle", "points", "radiusX", "height"}  # a key point has x, y and width


def read(
    images: Path, labels: Path, *, category: str = "object", choices: str | None = None, data: str | None = None
) -> Iterator[Annotated]:
    """Label Studio's JSON export (not JSON-MIN). Not tried on a server's export.

    category   of the regions' labels
    choices    category of the choices, as labels of the whole image; left out where not given
    data       key of the image's address in a task's data, where that is not plain
    """
    tasks = json_value(labels)
    if not isinstance(tasks, list):
        raise BadInput(f"{labels}: must be a list of tasks; export as JSON in Label Studio")
    for n, task in enumerate(tasks):
        where = f"{labels}, task {n + 1}"
        found, several = _annotation(task, where)
        if found is None:
            continue
        results = member(found, "result", list, f"{where}, annotation")
        name = meant(images, _address(member(task, "data", dict, where), data, where), f"{where}, data")
        whole = tuple((choices, label) for one in results for label in _chosen(one)) if choices else ()
        notes = [_SEVERAL] * several + [_CHOICES] * (not choices and any(map(_chosen, results)))
        yield Annotated(name, images / name, partial(_regions, results, notes, category, where), whole)


def _annotation(task: Any, where: str) -> tuple[dict | None, bool]:
    """The annotation that counts, None where nobody annotated; and whether there are others."""
    key = "completions" if isinstance(task, dict) and "completions" in task else "annotations"
    if not isinstance(task, dict) or not isinstance(task.get(key), list):
        raise BadInput(f"{where}: has no list of annotations; export as JSON in Label Studio, not as JSON-MIN")
    made = [one for one in task[key] if isinstance(one, dict) and not one.get("was_cancelled")]
    made.sort(key=lambda one: not one.get("ground_truth"))  # stable: the first of equals
    return (made[0] if made else None), len(made) > 1


def _address(data: dict, key: str | None, where: str) -> str:
    """The address of a task's image: the key given, or `image`, or the only one that ends as an image does."""
    key = key or ("image" if "image" in data else None)
    if key:
        return member(data, key, str, f"{where}, data")
    texts = {name: each for name, each in data.items() if isinstance(each, str)}
    found = [name for name, each in texts.items() if PurePosixPath(path_in(each)).suffix.lower() in PICTURES]
    if len(found) != 1:
        keys = ", ".join(map(str, data))[:200]
        raise BadInput(f"{where}: which of the data's keys ({keys}) is the image's? give it as the option data")
    return texts[found[0]]


def _chosen(result: Any) -> list[str]:
    """The choices made for the whole image, not for a region."""
    value = result.get("value") if isinstance(result, dict) and result.get("type") == "choices" else None
    if not isinstance(value, dict) or _GEOMETRY & value.keys() or not isinstance(value.get("choices"), list):
        return []
    return [str(label) for label in value["choices"]]


def _regions(results: list, notes: list[Note], category: str, where: str) -> Iterator[Region | Note]:
    yield from notes
    labelled = {str(one.get("id")) for one in results if isinstance(one, dict) and one.get("type") == "labels"}
    for n, result in reversed([*enumerate(results)]):
        at = f"{where}, result {n + 1}"
        kind, value = member(result, "type", str, at), member(result, "value", dict, at)
        labels = value.get(kind)
        if kind == "choices":
            continue
        if not isinstance(labels, list) or not labels:
            if str(result.get("id")) not in labelled:
                yield Note("results without a label: left out")
        elif not _GEOMETRY & value.keys():
            yield Note(f"results of type {kind[:40]} are no masks: left out")
        else:
            size = _size(result, at)
            mask, outside = _mask(value, size, at)
            if outside:
                yield Note("shapes reach outside the image: clipped")
            yield from (Region(category, str(label), mask) for label in labels)


def _size(result: dict, where: str) -> tuple[int, int]:
    if result.get("image_rotation"):
        raise BadInput(f"{where}: was drawn on a turned image (image_rotation); turn it back in Label Studio")
    size = result.get("original_height"), result.get("original_width")
    return checked(*size, f"{where}, original_height and original_width")


def _mask(value: dict, size: tuple[int, int], where: str) -> tuple[NDArray[np.bool_], bool]:
    """The mask of a region, and whether it reaches outside the image."""
    if "rle" in value:
        return packed(member(value, "rle", list, where), size, f"{where}, rle"), False
    if "radiusX" in value:
        x, y, rx, ry = (_pixels(value, key, size, where) for key in ("x", "y", "radiusX", "radiusY"))
        return shapes.ellipse((x, y), (rx, ry), _degrees(value, where), size), False
    points = _points(value, size, where) if "points" in value else _rectangle(value, size, where)
    return polygon(points, size), reaches_outside(points, size)


def _points(value: dict, size: tuple[int, int], where: str) -> list[tuple[float, float]]:
    points = member(value, "points", list, where)
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in points):
        raise BadInput(f"{where}: points must be a list of [x, y]")
    pairs = [dict(zip("xy", pair, strict=True)) for pair in points]
    return [(_pixels(pair, "x", size, where), _pixels(pair, "y", size, where)) for pair in pairs]


def _rectangle(value: dict, size: tuple[int, int], where: str) -> list[tuple[float, float]]:
    """The corners, turned in pixels: in percent, a box of an image that is not square would be skewed."""
    x, y, w, h = (_pixels(value, key, size, where) for key in ("x", "y", "width", "height"))
    return shapes.rotated(shapes.corners(x, y, w, h), (x, y), _degrees(value, where))


def _pixels(value: dict, key: str, size: tuple[int, int], where: str) -> float:
    along = size[0] if key in ("y", "height", "radiusY") else size[1]
    return number(value.get(key), f"{where}, {key}") / 100 * along


def _degrees(value: dict, where: str) -> float:
    return number(value.get("rotation") or 0, f"{where}, rotation")
