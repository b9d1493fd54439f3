"""SceneParse150, the benchmark of ADE20K with 150 classes: a PNG of class numbers for each image.

Layout, from the README of CSAILVision/sceneparsing: images/SPLIT/NAME.jpg and annotations/SPLIT/NAME.png, whose values
0 to 150 are the column Idx of objectInfo150.txt; 0 is "other objects", which are unlabelled pixels here. The column
Name holds synonyms, of which the first is the concept. sceneCategories.txt, where it is there, names the scene of each
image (`NAME scene`). Left out: instances, the split. Not tried on the original.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from n2vlib.errors import BadInput
from n2vlib.files.parsed import text
from n2vlib.probe.sources import index_map
from n2vlib.probe.sources.annotated import Annotated, Region
from n2vlib.probe.sources.folder import ending, inside, stem


def read(images: Path, labels: Path, *, names: Path | None = None) -> Iterator[Annotated]:
    """SceneParse150: the folders images and annotations. Not tried on the original.

    names   objectInfo150.txt; if not given, it is looked for in the folder annotations and in the one above
    """
    table = names or _beside(labels, "objectInfo150.txt")
    if table is None:
        raise BadInput(f"{labels}: objectInfo150.txt is neither here nor in the folder above; give it as names")
    classes = _classes(table)
    listed = _beside(labels, "sceneCategories.txt")
    scenes = _scenes(listed) if listed else {}
    for file in ending(labels, ".png"):
        name, path = f"{stem(file)}.jpg", labels / file
        scene = scenes.get(path.stem)
        whole = (("scene", scene),) if scene else ()
        yield Annotated(name, inside(images, name, f"{path}"), partial(_regions, path, classes), whole, (path,))


def _regions(file: Path, names: dict[int, tuple[str, str] | None]) -> Iterator[Region]:
    yield from index_map.by_value(index_map.read(file), names, file)


def _beside(labels: Path, name: str) -> Path | None:
    return next((folder / name for folder in (labels, labels.resolve().parent) if (folder / name).is_file()), None)


def _classes(table: Path) -> dict[int, tuple[str, str] | None]:
    """The classes of objectInfo150.txt; the first synonym, or all of them where two classes share the first."""
    found: dict[int, str] = {}
    for row, line in enumerate(text(table).splitlines()[1:], start=2):
        number, *_, name = (cell.strip() for cell in line.split("\t")) if line else ("", "")
        if not number.isdecimal() or not name:
            raise BadInput(f"{table}, row {row}: must begin with a number and end with a name, with tabs between")
        found[int(number)] = name
    firsts = Counter(name.split(",")[0] for name in found.values())
    short = {number: name.split(",")[0] for number, name in found.items()}
    names = {number: short[number] if firsts[short[number]] == 1 else name for number, name in found.items()}
    return {0: None} | {number: ("object", name) for number, name in names.items()}


def _scenes(path: Path) -> dict[str, str]:
    """Image -> scene, from the rows `NAME scene`."""
    rows = [line.split() for line in text(path).splitlines()]
    return {row[0]: row[1] for row in rows if len(row) == 2}
