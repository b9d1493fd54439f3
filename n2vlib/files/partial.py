"""Results appear complete or not at all: they are made in a partial folder beside their place, and renamed when done.

A partial folder contains a lock, which the process that makes the result holds as long as it lives, however it ends.
Where the lock can be taken, the folder belongs to a dead run, and the next run deletes it, or continues it if its work
takes long (`unfinished`).
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

from n2vlib.errors import BadInput

_LOCK = "lock"
_KEY = "key.txt"


@contextmanager
def atomic(target: Path) -> Iterator[Path]:
    """A `with` block that gives a path to write `target` at, a file or a folder; it is renamed if no error is raised.

    The path has the name of `target` and lies in a partial folder beside it, which is deleted at the end with all that
    is left in it. Partial folders of dead runs are deleted at the start.
    """
    sweep(target.parent)
    folder, lock = _own_folder(target)
    part = folder / target.name
    try:
        yield part
        if part.exists():
            part.replace(target)
    finally:
        lock.release()
        _delete(folder)


@contextmanager
def unfinished(target: Path, key: str) -> Iterator[Path]:
    """Like `atomic`, but what an interrupted run has written stays, and the next run with the same key finds it.

    key   a line that says what decides the result; what runs with other keys have left is deleted
    The folder is .<name>.unfinished, beside the target. Raises BadInput while another run works in it.
    """
    folder = target.with_name(f".{target.name}.unfinished")
    folder.mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(folder / _LOCK)
        lock.acquire(timeout=0)
    except Timeout:
        raise BadInput(f"{target}: another run is writing it") from None
    try:
        if not (folder / _KEY).is_file() or (folder / _KEY).read_text(encoding="utf-8") != key:
            _empty(folder)
            (folder / _KEY).write_text(key, encoding="utf-8")
        part = folder / target.name
        yield part
        if part.exists():
            part.replace(target)
            _empty(folder)
    finally:
        lock.release()
        if {path.name for path in folder.iterdir()} <= {_LOCK, _KEY}:
            _delete(folder)


def sweep(*folders: Path) -> None:
    """Delete the partial folders of dead runs in these folders; those of living runs stay."""
    for partial in (found for folder in set(folders) for found in folder.glob(".*.partial")):
        with suppress(OSError):
            partial.rmdir()  # of a run that died before it took its lock; a living one makes another
        if (partial / _LOCK).is_file():
            with suppress(Timeout, OSError), FileLock(partial / _LOCK, timeout=0):
                _delete(partial)


def _own_folder(target: Path) -> tuple[Path, FileLock]:
    """A new partial folder with its lock taken; tried again where another run deletes it before that."""
    while True:
        folder = target.with_name(f".{target.name}.{uuid4().hex[:8]}.partial")
        folder.mkdir(parents=True)
        lock = FileLock(folder / _LOCK)
        with suppress(FileNotFoundError):
            lock.acquire()
            if (folder / _LOCK).exists():
                return folder, lock
        lock.release()


def _delete(folder: Path) -> None:
    """Delete a partial folder, its lock last, so that if this run dies meanwhile, the next one still deletes it."""
    _empty(folder)
    shutil.rmtree(folder, ignore_errors=True)


def _empty(folder: Path) -> None:
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _LOCK:
                path.unlink(missing_ok=True)
