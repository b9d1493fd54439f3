"""Read the tables of a Broden folder (rules in `layout`): the concepts, the images and their annotations."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from n2vlib.errors import BadInput
from n2vlib.files.userfiles import csv_rows
from n2vlib.probe.layout import INDEX_COLUMNS, LARGEST_LABEL, LARGEST_MAP, is_category
from n2vlib.probe.problems import Report

_WHOLE = re.compile(r"(\d{1,9})(?:\.0+)?", re.ASCII)


@dataclass(frozen=True)
class Table:
    """A CSV file as text: line numbers (the header is 1), and the columns by name."""

    file: str
    lines: list[int]
    columns: dict[str, list[str]]

    def rows(self, *names: str) -> Iterator[tuple]:
        """Line number and the named cells, row by row."""
        return zip(self.lines, *(self.columns[name] for name in names), strict=True)


@dataclass(frozen=True)
class Index:
    """index.csv: per image its line, path, split, and for every category its cell, unparsed."""

    lines: tuple[int, ...]
    images: tuple[str, ...]
    splits: tuple[str, ...]
    image_size: tuple[int, int]
    label_size: tuple[int, int]
    cells: dict[str, tuple[str, ...]]


def read_table(root: Path, file: str, wanted: Sequence[str], report: Report) -> Table | None:
    """One CSV file, UTF-8, lines ended by LF or CRLF; None (and an error reported) if it cannot be used."""
    try:
        inside = (root / file).resolve().is_relative_to(root.resolve())
        rows = [*csv_rows(root / file, file)] if inside else []
    except FileNotFoundError:
        report.error(file, None, "is missing; a Broden folder has index.csv, label.csv, category.csv, c_<category>.csv")
        return None
    except (BadInput, OSError, RuntimeError) as error:  # RuntimeError: a link to itself
        report.error(file, None, str(error).removeprefix(f"{file}: "))
        return None
    if not inside:
        report.error(file, None, "is a link out of the probe set; copy the file in")
        return None
    header = [name.strip() for name in rows[0][1]] if rows else []
    times = Counter(header)
    missing = [name for name in wanted if times[name] != 1]
    for name in missing:
        what = f"is missing; the header is {','.join(header[:20]) or 'empty'}" if not times[name] else "is there twice"
        report.error(file, 1, f"column '{name}' {what}")
    for line, row in rows[1:]:
        if len(row) != len(header):
            report.error(file, line, f"has {len(row)} fields, the header has {len(header)}")
    if missing:
        return None
    whole = [(line, row) for line, row in rows[1:] if len(row) == len(header)]
    columns = {name: [row[i].strip() for _, row in whole] for i, name in enumerate(header)}
    return Table(file, [line for line, _ in whole], columns)


def read_categories(root: Path, report: Report) -> tuple[str, ...]:
    """The categories in the order of category.csv."""
    table = read_table(root, "category.csv", ["name"], report)
    names: dict[str, None] = {}
    for line, name in table.rows("name") if table else ():
        if not is_category(name):  # it names a file and a column: 'c_<category>.csv'
            report.error("category.csv", line, f"'{name}' cannot be a category; use a plain word")
        elif name in names:
            report.error("category.csv", line, f"'{name}' is listed twice")
        else:
            names[name] = None
    return tuple(names)


def read_concepts(root: Path, categories: Sequence[str], report: Report) -> pd.DataFrame:
    """label.csv and the c_<category>.csv, one row per concept, sorted by number (0, unlabelled, is no concept).

    Columns name, category (primary), categories (tuple), coverages (tuple: images' worth of pixels in each of these),
    frequency (images), coverage (images' worth of pixels), line.
    """
    columns = ["number", "name", "category", "frequency", "coverage"]
    table = read_table(root, "label.csv", columns, report)
    rows = [row for row in table.rows(*columns) if whole(row[1]) != 0] if table else []
    concepts: dict[int, dict] = {}
    for line, number, name, category, frequency, coverage in rows:
        label, images, covered = whole(number), whole(frequency), _area(coverage)
        if label is None or images is None or covered is None:
            report.error(
                "label.csv", line, f"number '{number}', frequency '{frequency}', coverage '{coverage}': no number"
            )
            continue
        if not name:
            report.error("label.csv", line, f"number {label} has no name")
        if not 0 < label <= LARGEST_LABEL or label in concepts:
            report.error("label.csv", line, f"number {label} is listed twice or outside 1 to {LARGEST_LABEL}")
            continue
        named = [found for found in re.split(r"\(\d+\);?|;", category) if found]
        for unknown in sorted(set(named) - set(categories)) if categories else ():  # without any, that is the error
            report.error("label.csv", line, f"category '{unknown}' is not in category.csv")
        concepts[label] = {"name": name, "categories": named, "frequency": images, "coverage": covered, "line": line}
    _add_categories(concepts, {c: _coverages(root, c, concepts, report) for c in categories}, report)
    columns = ["name", "category", "categories", "coverages", "frequency", "coverage", "line"]
    return pd.DataFrame.from_dict(dict(sorted(concepts.items())), "index", columns=columns).rename_axis("number")


def _coverages(root: Path, category: str, concepts: dict[int, dict], report: Report) -> dict[int, float]:
    """Label number -> coverage in this category, from c_<category>.csv."""
    file = f"c_{category}.csv"
    table = read_table(root, file, ["number", "coverage"], report)
    found = {}
    for line, number, coverage in table.rows("number", "coverage") if table else ():
        label, covered = whole(number), _area(coverage)
        if label is None or covered is None:
            report.error(file, line, f"number '{number}', coverage '{coverage}': no number")
            continue
        if label and label not in concepts:
            report.error(file, line, f"label number {label} is not in label.csv")
        found[label] = covered
    return found


def _add_categories(concepts: dict[int, dict], coverages: dict[str, dict[int, float]], report: Report) -> None:
    for label, concept in concepts.items():
        listed = [category for category, labels in coverages.items() if label in labels]
        named = [name for name in concept["categories"] if name in coverages]
        concept["categories"] = tuple(dict.fromkeys(named + listed))
        if coverages and not concept["categories"]:
            report.error("label.csv", concept["line"], f"'{concept['name']}' ({label}) belongs to no category")
        concept["coverages"] = tuple(coverages[category].get(label, 0.0) for category in concept["categories"])
        concept["category"] = primary(dict(zip(concept["categories"], concept["coverages"], strict=True)), [*coverages])


def primary(covers: Mapping[str, float], categories: Sequence[str]) -> str:
    """The category among `categories` where a concept covers most, the last on a tie; "" where it is in none.

    covers   {category: images' worth of pixels} of the concept
    """
    # max() keeps the first of equals; reversed, that is the last category.
    ordered = [category for category in reversed(categories) if category in covers]
    return max(ordered, key=lambda category: covers[category], default="")


def read_index(root: Path, categories: Sequence[str], report: Report) -> Index | None:
    """index.csv. All images have one size, all label maps have one size, both as the rows state."""
    table = read_table(root, "index.csv", [*INDEX_COLUMNS, *categories], report)
    if table is None:
        return None
    if not table.lines:
        report.error("index.csv", None, "lists no image")
        return None
    first = None
    for line, image, split, *sizes in table.rows(*INDEX_COLUMNS):
        if not image:
            report.error("index.csv", line, "the image's path is empty")
        if split not in ("train", "val"):
            report.error("index.csv", line, f"split '{split}' must be train or val")
        numbers = [whole(size) or 0 for size in sizes]
        first = first or (sizes, numbers)
        if numbers != first[1] or not all(0 < number < 1_000_000 for number in numbers):
            stated = ",".join(first[0])
            report.error("index.csv", line, f"ih,iw,sh,sw '{','.join(sizes)}' must be numbers, {stated} in every row")
    ih, iw, sh, sw = first[1] if first else (0, 0, 0, 0)
    if not ih * iw * sh * sw:
        return None
    if sh * sw > LARGEST_MAP:
        report.error("index.csv", None, f"sh,sw {sh},{sw}: label maps have at most {LARGEST_MAP:,} pixels")
        return None
    cells = {category: tuple(table.columns[category]) for category in categories}
    images, splits = tuple(table.columns["image"]), tuple(table.columns["split"])
    return Index(tuple(table.lines), images, splits, (ih, iw), (sh, sw), cells)


def items_of(cell: str) -> tuple[list[str], list[int]]:
    """The label maps (paths below images/) and the whole-image label numbers in a cell; 0 stands for no label."""
    items = [item.strip() for item in cell.split(";")] if ";" in cell else [cell]
    numbers = [whole(item) for item in items]
    paths = [item for item, number in zip(items, numbers, strict=True) if item and number is None]
    return paths, [number for number in numbers if number]


def whole(text: str) -> int | None:
    """The whole number in a text, None for any other text (in a cell, a path).

    6.0 counts as 6: pandas writes it so where a column has empty cells.
    """
    found = _WHOLE.fullmatch(text)
    return int(found[1]) if found else None


def _area(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 <= found < math.inf else None


def has_zero(cell: str) -> bool:
    return any(whole(item.strip()) == 0 for item in cell.split(";"))


def check_numbers(index: Index, concepts: pd.DataFrame, report: Report) -> None:
    """Every label number in a cell must be in label.csv; 0 is reported as a warning."""
    known = set(concepts.index.tolist())
    for category, cells in index.cells.items():
        for line, cell in zip(index.lines, cells, strict=True):
            for number in sorted(set(items_of(cell)[1]) - known):
                report.error("index.csv", line, f"{category}: label number {number} is not in label.csv")
            if has_zero(cell):
                report.warning("index.csv", line, f"{category} 0 is no label; the image is taken as unlabelled")


def segmentable(index: Index) -> set[str]:
    """The categories that have a pixel map anywhere in the set."""
    return {category for category, cells in index.cells.items() if any(items_of(cell)[0] for cell in cells)}


def no_folder(root: Path) -> BadInput:
    """The error for a folder that does not exist, or is no Broden folder."""
    what = "has no index.csv" if root.is_dir() else "is no folder"
    return BadInput(
        f"probe set {root}: {what}; give 'world', 'world-<number of images>', or a folder in Broden's format"
    )
