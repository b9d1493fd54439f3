"""Write a probe set as a Broden folder; `layout` has the rules of the format, `reader` reads it."""

import csv
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from n2vlib.errors import BadInput
from n2vlib.files.partial import atomic
from n2vlib.probe.layout import (
    CATEGORY_ORDER,
    INDEX_COLUMNS,
    LARGEST_LABEL,
    LARGEST_MAP,
    MOST_LABELS,
    decoded,
    encoded,
    is_category,
    place_of,
    split_of,
)


@dataclass
class Labelled:
    """One image and its labels, as the writer takes it.

    name    'source/base.png' or 'source/base.jpg'; the suffix chooses the image's format
    image   uint8, (ih, iw, 3)
    maps    category -> layers, dominant first; each uint8 or uint16, (ih // 2, iw // 2), label numbers, 0 = unlabelled
    whole   category -> label numbers of the whole image (0 is dropped)
    """

    name: str
    image: NDArray[np.uint8]
    maps: Mapping[str, Sequence[NDArray[np.integer]]] = field(default_factory=dict)
    whole: Mapping[str, Sequence[int]] = field(default_factory=dict)


def write(
    root: Path | str,
    scenes: Iterable[Labelled],
    names: Mapping[int, str],
    *,
    split: Callable[[str], str] = split_of,
    renumber: bool = False,
    jpeg_quality: int = 90,
) -> None:
    """Write a Broden folder; it appears under `root` when it is complete, or not at all.

    scenes     streamed: one is held at a time; all of one size
    names      label number (1 to 65535) -> concept name; numbers that no image has are left out
    renumber   number the concepts from 1 by falling frequency, then coverage, as Broden does; else as given
    Rows are in Broden's order (`place_of`). Raises BadInput for a scene that does not fit, or if `root` holds files.
    """
    root = Path(root)
    with atomic(root) as partial:
        _refuse_filled(root)
        (partial / "images").mkdir(parents=True)
        written = _Written(partial, names, split, jpeg_quality)
        for scene in scenes:
            written.add(scene)
        if not written.rows:
            raise BadInput(f"{root}: there is no image to write")
        if renumber:
            written.renumber()
        written.write_tables()
        _refuse_filled(root)  # by another run meanwhile
        if root.exists():
            root.rmdir()  # empty; a rename onto a folder is an error on Windows


def _refuse_filled(root: Path) -> None:
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise BadInput(f"{root}: already there; delete it or choose another folder")


class _Written:
    """What has been written so far: the rows of index.csv, and how often and how large each label is."""

    def __init__(self, root: Path, names: Mapping[int, str], split: Callable[[str], str], jpeg_quality: int):
        self.root, self.names, self.split, self.jpeg_quality = root, dict(names), split, jpeg_quality
        self.rows: list[dict] = []
        self.files: set[str] = set()
        self.images: Counter[tuple[str, int]] = Counter()  # (category, label) -> images that show it
        self.coverage: defaultdict[tuple[str, int], float] = defaultdict(
            float
        )  # (category, label) -> sum of its shares of those images
        self.known = np.zeros(LARGEST_LABEL + 1, dtype=bool)
        for number in self.names:
            if not 1 <= number <= LARGEST_LABEL:
                raise BadInput(f"label number {number}: must lie between 1 and {LARGEST_LABEL}")
            if not _is_plain(self.names[number]):
                raise BadInput(f"label number {number}: {self.names[number]!r} is no name")
            self.known[number] = True
        self.known[0] = True

    def add(self, scene: Labelled) -> None:
        ih, iw = scene.image.shape[:2]
        size = (ih // 2, iw // 2)
        self._check(scene, size)
        if (split := self.split(scene.name)) not in ("train", "val"):
            raise BadInput(f"image {scene.name}: split {split!r} must be train or val")
        self._save(scene.name, scene.image)
        cells: dict[str, list[str | int]] = {}
        for category, layers in scene.maps.items():
            cells[category] = [*self._save_maps(scene.name, category, layers)]
        for category, numbers in scene.whole.items():
            cells.setdefault(category, []).extend(int(number) for number in numbers if number)
        shown: set[int] = set()
        for category in cells:
            shown |= self._count(category, scene.maps.get(category, ()), scene.whole.get(category, ()))
        if len(shown.difference(*scene.whole.values())) > MOST_LABELS:
            raise BadInput(f"image {scene.name}: {len(shown)} labels in its maps; at most {MOST_LABELS} are possible")
        row = {"image": scene.name, "split": split, "ih": ih, "iw": iw, "sh": size[0], "sw": size[1]}
        self.rows.append({**row, "cells": cells})

    def _check(self, scene: Labelled, size: tuple[int, int]) -> None:
        def refuse(what: str) -> BadInput:
            return BadInput(f"image {scene.name}: {what}")

        name = PurePosixPath(scene.name)
        if name.is_absolute() or ".." in name.parts or name.suffix not in (".png", ".jpg"):
            raise refuse("the name must be relative, without '..', and end in .png or .jpg")
        if not _is_plain(scene.name) or set(scene.name) & set(";\\") or scene.name[1:2] == ":":
            raise refuse(r"the name must be printable, without ';', '\\', drive letter or space around it")
        if scene.image.dtype != np.uint8 or scene.image.ndim != 3 or scene.image.shape[2] != 3:
            raise refuse(f"must be uint8 (height, width, 3), not {scene.image.dtype} {scene.image.shape}")
        if self.rows and (self.rows[0]["ih"], self.rows[0]["iw"]) != scene.image.shape[:2]:
            raise refuse(f"is {scene.image.shape[:2]}, the first one {(self.rows[0]['ih'], self.rows[0]['iw'])}")
        if not 0 < size[0] * size[1] <= LARGEST_MAP:
            raise refuse(
                f"is {scene.image.shape[:2]}; its label maps, half of it, must have 1 to {LARGEST_MAP:,} pixels"
            )
        for category in {*scene.maps, *scene.whole}:
            if not is_category(category):
                raise refuse(f"category {category!r} must be a plain word that can name a file and a column")
            if not {0, *self.names}.issuperset(scene.whole.get(category, ())):
                raise refuse(f"{category} {list(scene.whole[category])}: a number without a name")
            for layer in scene.maps.get(category, ()):
                if layer.shape != size or layer.dtype not in (np.uint8, np.uint16):
                    raise refuse(
                        f"a {category} map is {layer.dtype} {layer.shape}, must be uint16 {size}: half the image"
                    )
                if not self.known[layer].all():
                    raise refuse(f"{category}: label {layer[~self.known[layer]][0]} without a name")

    def _save_maps(self, image: str, category: str, layers: Sequence[NDArray[np.integer]]) -> Iterable[str]:
        stem = PurePosixPath(image).with_suffix("")
        layers = [layer for layer in layers if layer.any()]
        for n, layer in enumerate(layers, start=1):
            layer_number = f"_{n}" if len(layers) > 1 else ""
            file = f"{stem}_{category}{layer_number}.png"
            self._save(file, encoded(layer))
            yield file

    def _save(self, file: str, pixels: NDArray[np.uint8]) -> None:
        if file in self.files:
            raise BadInput(f"image {file}: this file is already written; give every image a name of its own")
        self.files.add(file)
        path = self.root / "images" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        # PNG at level 1: written in half the time, and 6% larger.
        Image.fromarray(pixels).save(path, quality=self.jpeg_quality, compress_level=1)

    def _count(self, category: str, layers: Sequence[NDArray[np.integer]], whole: Sequence[int]) -> set[int]:
        """Count each label once per image; its share of the image is the union over the category's layers.

        Returns the labels in the maps.
        """
        shares = {int(number): 1.0 for number in whole if number}
        for number in set(np.unique(np.stack(layers)).tolist() if layers else ()) - {0} - set(shares):
            shares[number] = float(np.any([layer == number for layer in layers], axis=0).mean())
        for number, share in shares.items():
            self.images[category, number] += 1
            self.coverage[category, number] += share
        return set(shares) - set(whole)

    def totals(self) -> dict[int, tuple[int, float]]:
        """Label number -> (frequency, coverage), summed over its categories."""
        numbers = sorted({number for _, number in self.images})
        return {
            number: (
                sum(n for (_, label), n in self.images.items() if label == number),
                sum(share for (_, label), share in self.coverage.items() if label == number),
            )
            for number in numbers
        }

    def renumber(self) -> None:
        """Renumber the labels by falling frequency, then coverage, in the tables and in every map."""
        totals = self.totals()
        order = sorted(totals, key=lambda number: (-totals[number][0], -totals[number][1], number))
        new = {number: position for position, number in enumerate(order, start=1)}
        table = np.zeros(LARGEST_LABEL + 1, dtype=np.uint16)
        table[list(new)] = list(new.values())
        for row in self.rows:
            for items in row["cells"].values():
                items[:] = [new[item] if isinstance(item, int) else item for item in items]
                for path in (self.root / "images" / item for item in items if isinstance(item, str)):
                    with Image.open(path) as file:
                        layer = decoded(np.asarray(file))
                    Image.fromarray(encoded(table[layer])).save(path, compress_level=1)
        self.names = {new[number]: self.names[number] for number in order}
        self.images = Counter({(category, new[number]): n for (category, number), n in self.images.items()})
        shares = {(category, new[number]): share for (category, number), share in self.coverage.items()}
        self.coverage = defaultdict(float, shares)

    def write_tables(self) -> None:
        """index.csv, label.csv, category.csv and the c_<category>.csv."""
        labels_of: dict[str, list[int]] = {}
        for category, number in sorted(self.images):
            labels_of.setdefault(category, []).append(number)
        categories = sorted(labels_of, key=lambda category: (min(labels_of[category]), _rank(category)))
        self._write_index(categories)
        self._write_labels(categories)
        rows = []
        for category in categories:
            self._write_category(category, labels_of[category])
            labels = labels_of[category]
            total = sum(self.images[category, number] for number in labels)
            rows.append([category, min(labels), max(labels), len(labels), total])
        _write_csv(self.root / "category.csv", ["name", "first", "last", "count", "frequency"], rows)

    def _write_index(self, categories: list[str]) -> None:
        def cell(row: dict, category: str) -> str:
            return ";".join(str(item) for item in row["cells"].get(category, ()))

        rows = [
            [*(row[column] for column in INDEX_COLUMNS), *(cell(row, category) for category in categories)]
            for row in sorted(self.rows, key=lambda row: place_of(row["image"]))
        ]
        _write_csv(self.root / "index.csv", [*INDEX_COLUMNS, *categories], rows)

    def _write_labels(self, categories: list[str]) -> None:
        rows = []
        for number, (frequency, coverage) in self.totals().items():
            counts = [(category, self.images[category, number]) for category in categories]
            present = sorted((each for each in counts if each[1]), key=lambda each: -each[1])
            text = ";".join(f"{category}({n})" for category, n in present)
            rows.append([number, self.names[number], text, frequency, f"{coverage:f}", ""])
        _write_csv(self.root / "label.csv", ["number", "name", "category", "frequency", "coverage", "syns"], rows)

    def _write_category(self, category: str, labels: list[int]) -> None:
        sizes = {number: (self.images[category, number], self.coverage[category, number]) for number in labels}
        order = sorted(labels, key=lambda number: (-sizes[number][0], -sizes[number][1], number))
        rows = [
            [code, number, self.names[number], sizes[number][0], f"{sizes[number][1]:f}"]
            for code, number in enumerate(order, start=1)
        ]
        _write_csv(self.root / f"c_{category}.csv", ["code", "number", "name", "frequency", "coverage"], rows)


def _is_plain(name: str) -> bool:
    """Whether a name can be written to a table and read back unchanged: the reader strips cells."""
    return bool(name) and name.isprintable() and name == name.strip()


def _rank(category: str) -> tuple[int, str]:
    return (CATEGORY_ORDER.index(category) if category in CATEGORY_ORDER else len(CATEGORY_ORDER), category)


def _write_csv(path: Path, header: list[str], rows: Iterable[Iterable[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
