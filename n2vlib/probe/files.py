"""The files that a Broden folder names: they must be inside it, and their content makes the set's fingerprint."""

import hashlib
import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from n2vlib.files.output import writing_into
from n2vlib.files.partial import atomic, sweep
from n2vlib.paths import data_root
from n2vlib.probe.layout import LARGEST_LABEL
from n2vlib.probe.problems import Report
from n2vlib.probe.reader import Index, items_of, whole
from n2vlib.workers.threads import in_order

CHUNK = 64  # files hashed by one task of the thread pool
LARGEST_FILE = 2**30  # bytes; each is read whole


@dataclass(frozen=True)
class Named:
    """A file named by index.csv: its line, its path below images/, and whether it is a label map."""

    line: int
    path: str
    is_map: bool


def named_files(index: Index) -> list[Named]:
    """Every image, then every label map, each file once."""
    found = {image: Named(line, image, False) for line, image in zip(index.lines, index.images, strict=True)}
    for cells in index.cells.values():
        for line, cell in zip(index.lines, cells, strict=True):
            if cell and whole(cell) is None:
                for path in items_of(cell)[0]:
                    found.setdefault(path, Named(line, path, True))
    return list(found.values())


def check_files(root: Path, files: list[Named], report: Report) -> dict[str, str]:
    """{path below images/: state} of the files that exist inside `root`; every other one is reported as an error."""
    inside = _Inside(root)
    found: dict[str, str] = {}
    missing: list[Named] = []
    for file in files:
        try:
            found[file.path] = _state(inside.stat(file.path))
        except PermissionError as error:
            report.error("index.csv", file.line, f"{file.path}: {error.strerror}")
        except (OSError, ValueError):  # ValueError: a NUL in the path
            missing.append(file)
    maps = [file for file in files if file.is_map]
    if found and maps and not any(file.path in found or _hint(file.path) for file in maps):
        report.error(
            "index.csv",
            maps[0].line,
            f"images only: none of the {len(maps)} label maps (PNG) it names is there. CLIP-dissect's download deletes "
            "them; unpack Broden again",
        )
        missing = [file for file in missing if not file.is_map]
    for file in missing:
        report.error("index.csv", file.line, f"{file.path}: no such file below {root.name}/images{_hint(file.path)}")
    return found


def _hint(path: str) -> str:
    """What may be wrong with a path or an item of a cell that names no file; "" where it looks like a path."""
    if "\\" in path:
        return "; write / between folders"
    if path.startswith("images/"):
        return "; paths start below images/, leave it out"
    try:
        float(path)
    except ValueError:
        return ""
    return f"; nor is it a label number, which are whole, 1 to {LARGEST_LABEL}"


class _Inside:
    """Finds files below images/ of a folder, and refuses those outside the folder, also through links or '..'."""

    def __init__(self, root: Path):
        self.root = root.resolve()
        self.images = self.root / "images"
        self.folders: dict[str, bool] = {}  # resolving is slow, so each folder is resolved once

    def stat(self, path: str) -> os.stat_result:
        """Raises PermissionError (outside, too large), another OSError or ValueError (not there, not a plain file)."""
        if path.startswith("/") or re.match(r"[A-Za-z]:", path):
            raise PermissionError(0, "is an absolute path, so outside the probe set; write what follows images/ in it")
        if "\\" in path or (os.name == "nt" and ":" in path):
            raise FileNotFoundError(path)  # Windows would take these for separators
        folder = path[: path.rfind("/") + 1]
        if folder not in self.folders:
            self.folders[folder] = (self.images / path).parent.resolve().is_relative_to(self.root)
        if not self.folders[folder]:
            raise PermissionError(0, "lies outside the probe set")
        full = os.path.join(self.images, path)  # noqa: PTH118 (pathlib takes 4 times as long, and sets have 200,000 files)
        found = os.lstat(full)
        if stat.S_ISLNK(found.st_mode):
            if not Path(full).resolve().is_relative_to(self.root):
                raise PermissionError(0, "is a link to a file outside the probe set")
            found = Path(full).stat()
        if not stat.S_ISREG(found.st_mode):
            raise FileNotFoundError(path)
        if found.st_size > LARGEST_FILE:
            raise PermissionError(0, f"has more than {LARGEST_FILE:,} bytes, too many for a picture")
        return found


def fingerprint(root: Path, tables: Iterable[str], files: dict[str, str]) -> str:
    """sha256 over the tables and the named files: names and content, not the folder's place.

    files   path below images/ -> state (`check_files`)
    Cached under data_root(), by the place, size and times of every file, since reading a large set takes minutes.
    """
    states = {f"images/{path}": state for path, state in files.items()}
    states |= {table: _state((root / table).stat()) for table in tables}
    names = sorted(states)
    state = hashlib.sha256(str(root.resolve()).encode())
    for name in names:
        state.update(f"\0{name}\0{states[name]}".encode())
    memo = data_root() / "fingerprints" / f"{state.hexdigest()[:32]}.txt"
    sweep(memo.parent)  # of runs that died while writing one
    if known := _remembered(memo):
        return known
    found = _hash_files(root, names)
    with writing_into(memo.parent, "N2V_DATA"), atomic(memo) as partial:
        partial.write_text(f"{found} {_proof(memo, found)}", encoding="ascii")
    return found


def _state(file: os.stat_result) -> str:
    """What changes when a file does; short, since a set may name 300,000."""
    return f"{file.st_size} {file.st_mtime_ns} {file.st_ctime_ns} {file.st_ino}"


def _remembered(memo: Path) -> str:
    """The fingerprint in a memo; "" where there is none, or it was changed."""
    try:
        found, proof = memo.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return ""
    return found if proof == _proof(memo, found) else ""


def _proof(memo: Path, found: str) -> str:
    return hashlib.sha256(f"{memo.name} {found}".encode()).hexdigest()


def _hash_files(root: Path, names: list[str]) -> str:
    def hashes(chunk: list[str]) -> list[bytes]:
        return [hashlib.sha256((root / name).read_bytes()).digest() for name in chunk]

    chunks = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
    whole = hashlib.sha256()
    for chunk, found in zip(chunks, in_order(hashes, chunks, "reading the probe set"), strict=True):
        for name, content in zip(chunk, found, strict=True):
            whole.update(name.encode() + b"\0" + content)
    return whole.hexdigest()
