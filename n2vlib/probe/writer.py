"""Writes the images of a Broden folder one by one, then its tables; a run with a journal continues an earlier one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from n2vlib.errors import BadInput, printable
from n2vlib.probe.broden_tables import Tally, write_tables
from n2vlib.probe.journal import Journal
from n2vlib.probe.layout import LARGEST_LABEL, LARGEST_MAP, MOST_LABELS, decoded, encoded, is_category, split_of


@dataclass
class Labelled:
    """One image and its labels, as the writer takes it.

    name    'source/base.png' or 'source/base.jpg'; the suffix chooses the image's format
    image   uint8, (ih, iw, 3)
    maps    category -> layers, dominant first; each uint8 or uint16, (sh, sw), label numbers, 0 = unlabelled
    whole   category -> label numbers of the whole image (0 is dropped)
    """

    name: str
    image: NDArray[np.uint8]
    maps: Mapping[str, Sequence[NDArray[np.integer]]] = field(default_factory=dict)
    whole: Mapping[str, Sequence[int]] = field(default_factory=dict)


class Writer:
    """What has been written so far: the rows of index.csv, and how often and how large each label is.

    root         the folder to write; label maps wait in `maps` beside it for the numbers that `finish` gives them
    names        label number -> concept name; `number` adds to them
    label_size   (sh, sw) of every label map; half the image where None
    journal      where each image is noted when it is written; the images that it holds already are not to be added
    """

    def __init__(
        self,
        root: Path,
        names: Mapping[int, str],
        *,
        split: Callable[[str], str] = split_of,
        jpeg_quality: int = 90,
        label_size: tuple[int, int] | None = None,
        journal: Journal | None = None,
    ):
        self.root, self.maps, self.journal = root, root.parent / "maps", journal
        self.split, self.jpeg_quality, self.label_size = split, jpeg_quality, label_size
        self.rows: list[dict] = []
        self.files: set[str] = set()
        self.tally = Tally()
        self.names: dict[int, str] = {}
        self.numbers: dict[str, int] = {}
        self.known = np.zeros(LARGEST_LABEL + 1, dtype=bool)
        self.known[0] = True
        self._learn(names)
        for row, shares, learned in journal.entries if journal else ():
            self._learn(learned)
            self._enter(row, shares)
            self.files |= {row["image"], *_map_files(row)}

    def number(self, concept: str) -> int:
        """The label number of a concept; the next one where the name is new."""
        if concept not in self.numbers:
            self._learn({max(self.names, default=0) + 1: concept})
        return self.numbers[concept]

    def add(self, scene: Labelled, **more: str | list[str]) -> None:
        """Write one image and its label maps.

        more   stays in its row, in `rows` and in the journal
        """
        row = {**self._row(scene), **more}
        self._save(self.root / "images", scene.name, scene.image)
        cells: dict[str, list[str | int]] = {}
        for category, layers in scene.maps.items():
            cells[category] = [*self._save_maps(scene.name, category, layers)]
        for category, numbers in scene.whole.items():
            cells.setdefault(category, []).extend(int(number) for number in numbers if number)
        shares = {c: _shares(scene.maps.get(c, ()), scene.whole.get(c, ())) for c in cells}
        self._enter({**row, "cells": cells}, shares)
        if self.journal:
            self.journal.note(self.rows[-1], shares, self.names)

    def finish(self, renumber: bool) -> None:
        """Put the label maps in their place, with Broden's numbers if asked for, and write the tables."""
        new = self.tally.by_frequency() if renumber else {number: number for number in self.names}
        table = np.zeros(LARGEST_LABEL + 1, dtype=np.uint16)
        table[list(new)] = list(new.values())
        for file in (file for row in self.rows for file in _map_files(row)):
            target = self.root / "images" / file
            if not renumber:
                (self.maps / file).replace(target)
                continue
            with Image.open(self.maps / file) as stored:
                layer = decoded(np.asarray(stored))
            Image.fromarray(encoded(table[layer])).save(target, compress_level=1)
        names = {new[number]: name for number, name in self.names.items() if number in new}
        write_tables(self.root, [_with_numbers(row, new) for row in self.rows], self.tally.renumbered(new), names)

    def _learn(self, names: Mapping[int, str]) -> None:
        for number, name in names.items():
            if not 1 <= number <= LARGEST_LABEL:
                raise BadInput(f"label number {number}: must lie between 1 and {LARGEST_LABEL}")
            if not _is_plain(name):
                raise BadInput(f"label number {number}: {name!r} is no name")
            self.known[number] = True
            self.names[number] = name
            self.numbers[name] = number

    def _enter(self, row: dict, shares: Mapping[str, Mapping[int, float]]) -> None:
        self.rows.append(row)
        self.tally.add(shares)

    def _row(self, scene: Labelled) -> dict:
        ih, iw = scene.image.shape[:2]
        size = self.label_size or (ih // 2, iw // 2)
        self._check(scene, size)
        if (split := self.split(scene.name)) not in ("train", "val"):
            raise BadInput(f"image {scene.name}: split {split!r} must be train or val")
        return {"image": scene.name, "split": split, "ih": ih, "iw": iw, "sh": size[0], "sw": size[1]}

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
            raise refuse(f"is {scene.image.shape[:2]}; its label maps, {size}, must have 1 to {LARGEST_MAP:,} pixels")
        for category in {*scene.maps, *scene.whole}:
            self._check_category(scene, category, size, refuse)
        shown = {int(number) for layers in scene.maps.values() for layer in layers for number in np.unique(layer)} - {0}
        if len(shown.difference(*scene.whole.values())) > MOST_LABELS:
            raise refuse(f"{len(shown)} labels in its maps; at most {MOST_LABELS} are possible")

    def _check_category(
        self, scene: Labelled, category: str, size: tuple[int, int], refuse: Callable[[str], BadInput]
    ) -> None:
        if not is_category(category):
            raise refuse(f"category {category!r} must be a plain word that can name a file and a column")
        if not {0, *self.names}.issuperset(scene.whole.get(category, ())):
            raise refuse(f"{category} {list(scene.whole[category])}: a number without a name")
        for layer in scene.maps.get(category, ()):
            if layer.shape != size or layer.dtype not in (np.uint8, np.uint16):
                wanted = f"uint16 {size}" + (": half the image" if self.label_size is None else "")
                raise refuse(f"a {category} map is {layer.dtype} {layer.shape}, must be {wanted}")
            if not self.known[layer].all():
                raise refuse(f"{category}: label {layer[~self.known[layer]][0]} without a name")

    def _save_maps(self, image: str, category: str, layers: Sequence[NDArray[np.integer]]) -> Iterable[str]:
        stem = PurePosixPath(image).with_suffix("")
        layers = [layer for layer in layers if layer.any()]
        for n, layer in enumerate(layers, start=1):
            layer_number = f"_{n}" if len(layers) > 1 else ""
            file = f"{stem}_{category}{layer_number}.png"
            self._save(self.maps, file, encoded(layer))
            yield file

    def _save(self, folder: Path, file: str, pixels: NDArray[np.uint8]) -> None:
        if file in self.files:
            raise BadInput(f"image {file}: this file is already written; give every image a name of its own")
        self.files.add(file)
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        # PNG at level 1: written in half the time, and 6% larger.
        Image.fromarray(pixels).save(path, quality=self.jpeg_quality, compress_level=1)


def _map_files(row: dict) -> Iterable[str]:
    return (item for items in row["cells"].values() for item in items if isinstance(item, str))


def _with_numbers(row: dict, new: Mapping[int, int]) -> dict:
    """A row whose whole-image labels have new numbers."""
    cells = {c: [new[item] if isinstance(item, int) else item for item in items] for c, items in row["cells"].items()}
    return {**row, "cells": cells}


def _shares(layers: Sequence[NDArray[np.integer]], whole: Sequence[int]) -> dict[int, float]:
    """Label number -> its share of the image: the union over a category's layers."""
    shares = {int(number): 1.0 for number in whole if number}
    for number in set(np.unique(np.stack(layers)).tolist() if layers else ()) - {0} - set(shares):
        shares[number] = float(np.any([layer == number for layer in layers], axis=0).mean())
    return shares


def _is_plain(name: str) -> bool:
    """Whether a name can be written to a table and read back unchanged: the reader strips cells."""
    return name == printable(name.strip()) != ""
