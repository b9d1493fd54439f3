"""Results appear whole or not at all: they are made in a partial folder beside their place, and renamed when done.

A partial folder holds a lock that the process making the result keeps for as long as it lives, however it ends. Where
the lock can be taken, the folder belongs to a dead run, and whoever comes next deletes it.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

_LOCK = "lock"


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A path to make `target` at, in a partial folder beside it; the caller renames the result to `target`.

    The partial folder is deleted at the end with all that is left in it; those of dead runs beside it, at the start.
    """
    sweep(target.parent)
    folder, lock = _own_folder(target)
    try:
        yield folder / target.name
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
    """A new partial folder with its lock taken: again, where another run swept it before the lock was."""
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
    """The lock goes last: where this run dies meanwhile, the next one still sees that the folder is a dead run's."""
    with suppress(OSError):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            elif path.name != _LOCK:
                path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
