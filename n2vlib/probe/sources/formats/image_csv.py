"""Labels of whole images in a CSV file."""

from collections.abc import Callable, Iterator
from pathlib import Path

from n2vlib.errors import BadInput
from n2vlib.files.userfiles import csv_rows
from n2vlib.probe.sources.annotated import Annotated
from n2vlib.probe.sources.folder import inside

IMAGE = ("image", "file", "file_name", "filename", "path", "name", "image_id")
LABEL = ("label", "labels", "class", "concept", "category")
HOLDS = {"1": True, "1.0": True, "0": False, "0.0": False, "-1": False, "-1.0": False, "": False}

Row = tuple[str, list[str]]  # where it is, its cells
Labels = Callable[[Row], list[str]]


def read(images: Path, labels: Path, *, category: str = "class") -> Iterator[Annotated]:
    """Labels of whole images in a CSV file with a header. There are no masks.

    category   of the concepts
    A column `image` names the image. A column `label` has its labels, with ";" between several, and an image may have
    several rows; or each other column is a concept, and 1 says that the image has it, 0 or -1 that it does not.
    """
    rows = [(f"{labels}, row {line}", [cell.strip() for cell in cells]) for line, cells in _rows(labels)]
    header = [cell.lower() for cell in rows[0][1]]
    image = next((header.index(name) for name in IMAGE if name in header), None)
    if image is None:
        raise BadInput(f"{labels}: no column names the image; call it image")
    label = next((header.index(name) for name in LABEL if name in header), None)
    found: dict[str, dict[str, None]] = {}
    of_row = _listed(label) if label is not None else _marked(rows[0][1], image)
    for where, cells in rows[1:]:
        if len(cells) != len(header):
            raise BadInput(f"{where}: has {len(cells)} cells, the header {len(header)}")
        inside(images, cells[image], where)
        found.setdefault(cells[image], {}).update(dict.fromkeys(of_row((where, cells))))
    for name, own in found.items():
        whole = tuple((category, concept) for concept in own)
        yield Annotated(name, images / name, lambda: iter(()), whole=whole)


def _rows(labels: Path) -> list[tuple[int, list[str]]]:
    try:
        found = [*csv_rows(labels, labels)]
    except FileNotFoundError:
        raise BadInput(f"{labels}: no such file") from None
    if not found:
        raise BadInput(f"{labels}: is empty")
    return found


def _listed(column: int) -> Labels:
    return lambda row: [label for label in map(str.strip, row[1][column].split(";")) if label]


def _marked(header: list[str], image: int) -> Labels:
    def labels(row: Row) -> list[str]:
        where, cells = row
        for name, cell in zip(header, cells, strict=True):
            if cell not in HOLDS and name != header[image]:
                raise BadInput(f"{where}: {name} is {cell!r:.40}; without a column label, cells must be 1, 0 or -1")
        return [name for i, (name, cell) in enumerate(zip(header, cells, strict=True)) if i != image and HOLDS[cell]]

    return labels
