"""Files in the folders that users name: images and masks, found by their suffix; names from data stay inside."""

import os
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from n2vlib.errors import BadInput, printable

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"})


def pictures(root: Path, suffixes: frozenset[str] = PICTURES, without: Path | None = None) -> list[str]:
    """The images below a folder, sorted, as paths below it with "/"; hidden ones (".name") are left out.

    without   a folder that is left out, if it lies below
    Raises BadInput where the folder is none, or has no image.
    """
    if not root.is_dir():
        raise BadInput(f"{root}: is no folder")
    if without == root:
        raise BadInput(f"{root}: has both images and masks; put the masks into a folder of their own")
    found = sorted(_below(root, suffixes, without))
    if not found:
        raise BadInput(f"{root}: has no image file; these are read: {', '.join(sorted(suffixes))}")
    return found


def ending(root: Path, end: str) -> list[str]:
    """The files below a folder whose names end so, sorted, as paths below it with "/". BadInput where there is none."""
    if not root.is_dir():
        raise BadInput(f"{root}: is no folder")
    found = sorted(name for name in _below(root, frozenset({end[end.rindex(".") :]})) if name.endswith(end))
    if not found:
        raise BadInput(f"{root}: has no file whose name ends in {end}")
    return found


def _below(root: Path, suffixes: frozenset[str], without: Path | None = None) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") and Path(folder, name) != without]
        below = Path(folder).relative_to(root)
        for name in files:
            if Path(name).suffix.lower() in suffixes and not name.startswith("."):
                yield as_text((below / name).as_posix(), root)


def as_text(name: str, root: Path) -> str:
    """The name, where tables and journals can hold it. BadInput where it has control characters or is no Unicode."""
    if printable(name) != name:
        raise BadInput(f"{root}: {name} has characters that are no text; rename it")
    return name


def inside(root: Path, name: str, where: str) -> Path:
    """The file that a name from data means, which must exist below `root`, also after following links.

    where   the file, and the row or key, that holds the name; for errors
    """
    text = str(name)
    path = PurePosixPath(text)
    if printable(text) != text or path.is_absolute() or ".." in path.parts or re.match(r"[A-Za-z]:", text):
        raise BadInput(f"{where}: {text[:200]!r} is no path below {root}")
    if "\\" in text:
        raise BadInput(f"{where}: {text[:200]!r}: write / between folders")
    found = root / path
    if not found.is_file():
        raise BadInput(f"{where}: there is no file {text[:200]} in {root}")
    if not found.resolve().is_relative_to(root.resolve()):
        raise BadInput(f"{where}: {text[:200]} is a link out of {root}")
    return found


def stem(name: str) -> str:
    """A path without its suffix: 'a/b.jpg' -> 'a/b'."""
    return str(PurePosixPath(name).with_suffix(""))
