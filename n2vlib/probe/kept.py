"""Folders of decoded data below N2V_DATA: sealed, and rebuilt where damaged, by one process at a time."""

from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from n2vlib.files.output import writing_into
from n2vlib.files.partial import atomic, sweep
from n2vlib.files.sealed import intact, seal, set_aside, sync
from n2vlib.paths import data_root


def kept(kind: str, name: str, what: dict, write: Callable[[Path], None]) -> Path:
    """The folder <kind>/<name>, sealed with `what`; filled by `write` where it is missing or damaged."""
    folder = data_root() / kind / name
    sweep(folder.parent)  # of runs that were killed
    if not intact(folder, what):
        with writing_into(folder.parent, "N2V_DATA"), FileLock(folder.with_suffix(".lock")):
            if not intact(folder, what):
                with atomic(folder) as work:
                    work.mkdir()
                    write(work)
                    seal(work, what)
                    if folder.exists():
                        set_aside(folder)
                sync(folder.parent)
    return folder
