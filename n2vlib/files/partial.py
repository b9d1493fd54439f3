"""Results appear complete or not at all: they are made in a partial folder beside their place, and renamed when done.

A partial folder contains a lock, which the process that makes the result holds as long as it lives, however it ends.
Where the lock can be taken, the folder belongs to a dead run, and the next run deletes it.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

_LOCK = "lock"


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
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _LOCK:
                path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
