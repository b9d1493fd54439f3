"""Folders below N2V_DATA that hold what was decoded once: sealed, made anew where damaged, by one process at a time."""

import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from n2vlib.output import writing_into
from n2vlib.paths import data_root
from n2vlib.sealed import intact, seal, set_aside, sync


def kept(kind: str, name: str, what: dict, write: Callable[[Path], None]) -> Path:
    """The folder <kind>/<name>, sealed with `what`; filled by `write` where it is not there or damaged."""
    folder = data_root() / kind / name
    if not intact(folder, what):
        with writing_into(folder.parent, "N2V_DATA"), FileLock(folder.with_suffix(".lock")):
            if not intact(folder, what):
                _make(folder, what, write)
    return folder


def _make(folder: Path, what: dict, write: Callable[[Path], None]) -> None:
    work = folder.with_suffix(".partial")
    shutil.rmtree(work, ignore_errors=True)  # of a run that was killed; we hold the lock
    work.mkdir()
    try:
        write(work)
        seal(work, what)
        if folder.exists():
            set_aside(folder)
        work.rename(folder)
        sync(folder.parent)
    finally:
        shutil.rmtree(work, ignore_errors=True)
