"""List everything that is wrong with a probe set on disk, with rows; `load_probe` stops at the first error."""

from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from n2vlib.errors import BadInput
from n2vlib.paths import resolve
from n2vlib.probe import ProbeSet
from n2vlib.probe.files import Named, check_files, named_files
from n2vlib.probe.layout import MOST_LABELS
from n2vlib.probe.pictures import image_and_doubt, read_map
from n2vlib.probe.problems import Problem, Report
from n2vlib.probe.reader import Index, check_numbers, items_of, read_categories, read_concepts, read_index
from n2vlib.workers.threads import in_order

FILES_AT_ONCE = 16  # decoded by one task of the thread pool


def check(path: str | Path) -> list[Problem]:
    """The problems of a folder in Broden's format, errors first. Every image and label map is decoded.

    Errors    missing or unreadable file, path outside the folder, unknown label number, wrong map size, missing column
    Warnings  no validation image (of the set, of a concept), concept without an image, label 0, duplicate names, and
              images whose file does not settle their orientation (EXIF) or colors (CMYK)
    """
    root = resolve(path)
    if not root.is_dir():
        return [Problem("error", str(root), None, "no such folder")]
    problems: list[Problem] = []
    report = Report(problems.append)
    concepts, index = _tables(root, report)
    if index:
        files = named_files(index)
        there = check_files(root, files, report)
        shown = _decode(root, index, [file for file in files if file.path in there], set(concepts.index), report)
        _images_of_concepts(index, concepts, shown, report)
    return sorted(problems, key=lambda problem: problem.severity)


def check_loaded(probe: ProbeSet, opened: Iterable[int]) -> list[Problem]:
    """The problems of a set that could be loaded, as `check`, for the cost of its tables.

    opened   positions of the images that are decoded; label maps are not decoded again, `probe.labels` has read them
    """
    problems: list[Problem] = []
    report = Report(problems.append)
    concepts, index = _tables(probe.root, report)
    if index:
        lines = dict(zip(index.images, index.lines, strict=True))
        images = [Named(lines[name], name, False) for name in (probe.images[i] for i in opened)]
        _decode(probe.root, index, images, set(concepts.index), report)
        splits = np.repeat(probe.split, np.diff(probe.labels.pair_ptr))
        holding, validating = (
            Counter(probe.labels.pair_concept[of].tolist()) for of in (splits != "", splits == "val")
        )
        _seldom(concepts, holding, validating, bool((probe.split == "val").any()), report)
    return sorted(problems, key=lambda problem: problem.severity)


def _tables(root: Path, report: Report) -> tuple[pd.DataFrame, Index | None]:
    """The concepts and the index, with all that is wrong in the tables reported."""
    categories = read_categories(root, report)
    concepts = read_concepts(root, categories, report)
    index = read_index(root, categories, report)
    _duplicates(concepts, index, report)
    if index:
        check_numbers(index, concepts, report)
    return concepts, index


def _duplicates(concepts: pd.DataFrame, index: Index | None, report: Report) -> None:
    named = Counter(concepts["name"])
    for number, name, line in zip(concepts.index, concepts["name"], concepts["line"], strict=True):
        if named[name] > 1:
            report.warning("label.csv", int(line), f"'{name}' ({number}): several concepts have this name")
    times = Counter(index.images if index else ())
    for line, image in zip(index.lines, index.images, strict=True) if index else ():
        if times[image] > 1:
            report.warning("index.csv", line, f"image {image} is listed {times[image]} times")


def _decode(root: Path, index: Index, files: list[Named], known: set[int], report: Report) -> dict[str, set[int]]:
    """Decode every file; return the label numbers of each map that could be read."""
    chunks = [files[start : start + FILES_AT_ONCE] for start in range(0, len(files), FILES_AT_ONCE)]
    inspect = partial(_inspect, root=root, index=index)
    shown: dict[str, set[int]] = {}
    for chunk, results in zip(chunks, in_order(inspect, chunks, f"files, {FILES_AT_ONCE} at a time"), strict=True):
        for file, (found, wrong, doubt) in zip(chunk, results, strict=True):
            if wrong:
                report.error("index.csv", file.line, wrong)
                continue
            if doubt:
                report.warning("index.csv", file.line, f"images/{file.path}: {doubt}")
            shown[file.path] = found
            for number in sorted(found - known - {0}):
                report.error("index.csv", file.line, f"images/{file.path}: label number {number} is not in label.csv")
    return shown


def _inspect(files: Iterable[Named], root: Path, index: Index) -> list[tuple[set[int], str, str]]:
    """For each file its label numbers (none for an image), what is wrong with it, and what is ambiguous in it."""
    found: list[tuple[set[int], str, str]] = []
    for file in files:
        path = root / "images" / file.path
        try:
            if file.is_map:
                labels = read_map(path, index.label_size).ravel()
                found.append((set(np.flatnonzero(np.bincount(labels)).tolist()), "", ""))
            else:
                found.append((set(), "", image_and_doubt(path, index.image_size)[1]))
        except BadInput as error:
            found.append((set(), str(error).replace(f"{root / 'images'}", "images", 1), ""))
    return found


def _images_of_concepts(index: Index, concepts: pd.DataFrame, shown: dict[str, set[int]], report: Report) -> None:
    """Warn of concepts without an image, or without a validation image."""
    holding: Counter[int] = Counter()
    validating: Counter[int] = Counter()
    # Without a readable category.csv no column of the index is a category.
    rows = list(zip(*index.cells.values(), strict=True)) or [()] * len(index.lines)
    for line, split, row in zip(index.lines, index.splits, rows, strict=True):
        mapped = {number for cell in row for path in items_of(cell)[0] for number in shown.get(path, ()) if number}
        if len(mapped) > MOST_LABELS:
            report.error(
                "index.csv", line, f"{len(mapped)} labels in the maps of one image; {MOST_LABELS} are possible"
            )
        held = mapped.union(*(items_of(cell)[1] for cell in row))
        holding.update(held)
        validating.update(held if split == "val" else ())
    _seldom(concepts, holding, validating, "val" in index.splits, report)


def _seldom(
    concepts: pd.DataFrame, holding: Counter[int], validating: Counter[int], validation: bool, report: Report
) -> None:
    """Warn of concepts without an image, or without a validation image; of the set, if it has none at all.

    holding, validating   images, and validation images, that hold each concept      validation   whether there are any
    """
    if not validation:
        report.warning("index.csv", None, "no validation image: no row has split val")
    for number, name, line in zip(concepts.index, concepts["name"], concepts["line"], strict=True):
        if not holding[number]:
            report.warning("label.csv", int(line), f"'{name}' ({number}): no image holds this concept")
        elif not validating[number] and validation:
            report.warning("label.csv", int(line), f"'{name}' ({number}): no validation image among {holding[number]}")
