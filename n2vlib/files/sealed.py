"""Folders of results whose damage is detected.

`seal` writes the sha256 of every file, and what the folder is, into `record.json`, which holds its own digest too;
`intact` compares. This finds a flipped bit, a lost file, and files or whole folders that changed places, whatever their
times. Each file is read once per process, and again only when its size, times or place have changed.
"""

import hashlib
import json
import os
import shutil
from pathlib import Path

RECORD = "record.json"
_read: dict[Path, tuple[tuple[int, ...], str]] = {}  # file -> its stat when it was read, and its sha256


def seal(folder: Path, content: dict) -> None:
    """Write `content` (JSON values) and the digests of all files into the folder; all of it is on disk afterwards."""
    files = {path.name: _sha256(path) for path in sorted(folder.iterdir()) if path.name != RECORD}
    whole = {**content, "files": files}
    text = json.dumps({"sha256": _digest(whole), **whole}, indent=1, sort_keys=True) + "\n"
    (folder / RECORD).write_text(text, encoding="utf-8")
    for path in folder.iterdir():
        sync(path)
    sync(folder)


def intact(folder: Path, what: dict) -> bool:
    """Whether a folder is unchanged since it was sealed, and its record contains `what`."""
    try:
        record = read_record(folder)
        files = record["files"]
        same = all(record.get(name) == value for name, value in what.items())
        return same and all(_sha256(folder / name) == wanted for name, wanted in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def read_record(folder: Path) -> dict:
    """The record of a sealed folder; ValueError where it was changed."""
    record = json.loads((folder / RECORD).read_bytes())
    if record.pop("sha256", None) != _digest(record):
        raise ValueError(f"{folder / RECORD}: damaged")
    return record


def set_aside(folder: Path) -> None:
    """Print that a folder is damaged and move it out of the way, to <folder>.damaged."""
    aside = folder.with_name(f"{folder.name}.damaged")
    shutil.rmtree(aside, ignore_errors=True)
    folder.rename(aside)
    print(f"damaged on disk, moved to {aside.name} and rebuilt: {folder.parent.name}/{folder.name}", flush=True)


def sync(path: Path) -> None:
    """Wait until a file, or a folder's list of files, is on disk: what is renamed into place must be there first."""
    if os.name == "nt" and path.is_dir():
        return  # Windows has no handles on folders
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    found = path.stat()
    state = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
    if _read.get(path, ((), ""))[0] != state:
        with path.open("rb") as file:
            _read[path] = state, hashlib.file_digest(file, "sha256").hexdigest()
    return _read[path][1]


def _digest(record: dict) -> str:
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
