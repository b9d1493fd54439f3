"""Pictures that people have edited: a folder with pairs.csv and the pictures that it names.

    image,edited,thing,class_from,class_to
    corridor.jpg,corridor-igloo.jpg,igloo,corridor,clean room
    corridor.jpg,corridor-piano.jpg,piano,corridor,

Each row is a picture and the same with a thing added. class_from is the class of the picture, class_to the class that
a formula says the thing moves it to; empty, the thing is one that no formula names. Classes are named as the network's
are: scenes of the zoo's networks by name, of all others `output 413`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.compositional.edits import Edits
from n2vlib.errors import BadInput, near
from n2vlib.files.userfiles import csv_rows
from n2vlib.paths import resolve
from n2vlib.probe.sources.folder import inside
from n2vlib.vectors.pictures import problems, read_displayed

PAIRS = "pairs.csv"
COLUMNS = ["image", "edited", "thing", "class_from", "class_to"]


def read(folder: str | Path, classes: Sequence[str]) -> Edits:
    """The edits of a folder; a formula gains 1 where the row names its class as class_to, else 0.

    folder    relative to the repository root      classes   names of the network's classes
    Raises BadInput at the first fault: no file, columns or row; a field that is empty or no class; a picture that is
    missing, outside the folder or cannot be read.
    """
    root = resolve(folder)
    rows = _rows(root)
    for line, row in rows.items():
        _check(row, classes, f"{PAIRS}, line {line}")
    files = {name: inside(root, name, f"{PAIRS}, line {line}") for name, line in _named(rows).items()}
    if faults := problems([*files.values()]):
        raise BadInput(next(iter(faults.values())))
    given = pd.DataFrame([*rows.values()])
    images = given["image"].unique().tolist()
    table = given.loc[:, ["thing", "class_from"]].assign(original=given["image"].map(images.index))
    tested = [name for name in given["class_to"].unique() if name]
    if not tested:
        raise BadInput(f"{PAIRS}: class_to is empty in every line; name the class that an edit should move to")
    gained = pd.DataFrame({name: (given["class_to"] == name).astype(float) for name in tested})
    originals, edited = (_Pictures([files[name] for name in names]) for names in (images, given["edited"]))
    return Edits(originals, edited, table, gained)


class _Pictures(Sequence):
    """Pictures that are read when they are asked for: all of them may not fit into memory."""

    def __init__(self, files: list[Path]):
        self.files = files

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, at: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, at: slice) -> "list[NDArray[np.uint8]]": ...
    def __getitem__(self, at: int | slice) -> "NDArray[np.uint8] | list[NDArray[np.uint8]]":
        if isinstance(at, slice):
            return [read_displayed(file) for file in self.files[at]]
        return read_displayed(self.files[at])


def _rows(root: Path) -> dict[int, dict[str, str]]:
    """The rows of pairs.csv by line number, without spaces around their fields."""
    if not root.is_dir():
        raise BadInput(f"PASTED {root}: is no folder; it must hold {PAIRS} and the pictures that it names")
    try:
        rows = [*csv_rows(root / PAIRS, root / PAIRS)]
    except FileNotFoundError:
        raise BadInput(f"PASTED {root}: has no {PAIRS}, whose columns are {','.join(COLUMNS)}") from None
    header = [name.strip() for name in rows[0][1]] if rows else []
    if sorted(header) != sorted(COLUMNS):
        raise BadInput(f"{PAIRS}, line 1: the columns are {','.join(header) or 'none'}; write {','.join(COLUMNS)}")
    for line, cells in rows[1:]:
        if len(cells) != len(header):
            raise BadInput(f"{PAIRS}, line {line}: has {len(cells)} fields, the header has {len(header)}")
    if len(rows) < 2:
        raise BadInput(f"{PAIRS}: lists no edit")
    return {line: dict(zip(header, map(str.strip, cells), strict=True)) for line, cells in rows[1:]}


def _check(row: dict[str, str], classes: Sequence[str], where: str) -> None:
    for column in ("image", "edited", "thing", "class_from"):
        if not row[column]:
            raise BadInput(f"{where}: {column} is empty")
    for column in ("class_from", "class_to"):
        if (name := row[column]) and name not in classes:
            raise BadInput(f"{where}: {column} {name!r} is no class of the network; {near(name, list(classes))}")
    if row["class_from"] == row["class_to"]:
        raise BadInput(f"{where}: class_from and class_to are both {row['class_to']!r}; leave class_to empty")
    if row["image"] == row["edited"]:
        raise BadInput(f"{where}: image and edited are both {row['image']!r}")


def _named(rows: dict[int, dict[str, str]]) -> dict[str, int]:
    """{picture: the line that names it first}."""
    found: dict[str, int] = {}
    for line, row in rows.items():
        for name in (row["image"], row["edited"]):
            found.setdefault(name, line)
    return found
