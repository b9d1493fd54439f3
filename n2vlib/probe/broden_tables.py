"""The tables of a Broden folder, from what its images show."""

import csv
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from n2vlib.probe.layout import CATEGORY_ORDER, INDEX_COLUMNS, place_of


class Tally:
    """How many images show each label, and how much of them: by (category, label number)."""

    def __init__(self) -> None:
        self.images: Counter[tuple[str, int]] = Counter()
        self.coverage: defaultdict[tuple[str, int], float] = defaultdict(float)  # sum of its shares of those images

    def add(self, shares: Mapping[str, Mapping[int, float]]) -> None:
        """Count one image: category -> label number -> its share of the image's pixels."""
        for category, labels in shares.items():
            for number, share in labels.items():
                self.images[category, number] += 1
                self.coverage[category, number] += share

    def totals(self) -> dict[int, tuple[int, float]]:
        """Label number -> (frequency, coverage), summed over its categories, by ascending number."""
        frequency: Counter[int] = Counter()
        coverage: defaultdict[int, float] = defaultdict(float)
        for (category, number), images in sorted(self.images.items()):
            frequency[number] += images
            coverage[number] += self.coverage[category, number]
        return {number: (frequency[number], coverage[number]) for number in sorted(frequency)}

    def by_frequency(self) -> dict[int, int]:
        """Label number -> its new number: from 1 by falling frequency, then coverage, as Broden numbers."""
        totals = self.totals()
        order = sorted(totals, key=lambda number: (-totals[number][0], -totals[number][1], number))
        return {number: position for position, number in enumerate(order, start=1)}

    def renumbered(self, new: Mapping[int, int]) -> "Tally":
        """The same counts under new label numbers."""
        found = Tally()
        found.images = Counter({(category, new[number]): n for (category, number), n in self.images.items()})
        for (category, number), share in self.coverage.items():
            found.coverage[category, new[number]] = share
        return found


def write_tables(root: Path, rows: Sequence[dict], tally: Tally, names: Mapping[int, str]) -> None:
    """Write index.csv, label.csv, category.csv and the c_<category>.csv into `root`.

    rows   per image the columns of index.csv, and "cells": category -> label maps (paths) and label numbers
    """
    labels_of: dict[str, list[int]] = {}
    for category, number in sorted(tally.images):
        labels_of.setdefault(category, []).append(number)
    categories = sorted(labels_of, key=lambda category: (min(labels_of[category]), _rank(category)))
    _write_index(root, rows, categories)
    _write_labels(root, tally, names, categories)
    table = []
    for category in categories:
        labels = labels_of[category]
        _write_category(root, category, labels, tally, names)
        total = sum(tally.images[category, number] for number in labels)
        table.append([category, min(labels), max(labels), len(labels), total])
    _write_csv(root / "category.csv", ["name", "first", "last", "count", "frequency"], table)


def _write_index(root: Path, rows: Sequence[dict], categories: list[str]) -> None:
    def cell(row: dict, category: str) -> str:
        return ";".join(str(item) for item in row["cells"].get(category, ()))

    table = [
        [*(row[column] for column in INDEX_COLUMNS), *(cell(row, category) for category in categories)]
        for row in sorted(rows, key=lambda row: place_of(row["image"]))
    ]
    _write_csv(root / "index.csv", [*INDEX_COLUMNS, *categories], table)


def _write_labels(root: Path, tally: Tally, names: Mapping[int, str], categories: list[str]) -> None:
    rows = []
    for number, (frequency, coverage) in tally.totals().items():
        counts = [(category, tally.images[category, number]) for category in categories]
        present = sorted((each for each in counts if each[1]), key=lambda each: -each[1])
        text = ";".join(f"{category}({n})" for category, n in present)
        rows.append([number, names[number], text, frequency, f"{coverage:f}", ""])
    _write_csv(root / "label.csv", ["number", "name", "category", "frequency", "coverage", "syns"], rows)


def _write_category(root: Path, category: str, labels: list[int], tally: Tally, names: Mapping[int, str]) -> None:
    sizes = {number: (tally.images[category, number], tally.coverage[category, number]) for number in labels}
    order = sorted(labels, key=lambda number: (-sizes[number][0], -sizes[number][1], number))
    rows = [
        [code, number, names[number], sizes[number][0], f"{sizes[number][1]:f}"]
        for code, number in enumerate(order, start=1)
    ]
    _write_csv(root / f"c_{category}.csv", ["code", "number", "name", "frequency", "coverage"], rows)


def _rank(category: str) -> tuple[int, str]:
    return (CATEGORY_ORDER.index(category) if category in CATEGORY_ORDER else len(CATEGORY_ORDER), category)


def _write_csv(path: Path, header: list[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
