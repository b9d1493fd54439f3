"""Write files that users name: complete or not at all, and if they cannot be written, with an error of one line."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from n2vlib.errors import BadInput
from n2vlib.files.partial import atomic
from n2vlib.paths import resolve

_FULL = {errno.ENOSPC, errno.EROFS, getattr(errno, "EDQUOT", errno.ENOSPC)}
_REFUSED = {errno.EACCES, errno.EPERM}


def file_to_write(out: str | Path) -> Path:
    """The path of a file to write, relative to the repository root; it need not exist yet.

    Raises BadInput for a folder, a pipe or a device (a rename would replace it), and where nothing can be written.
    """
    file = resolve(out)
    if file.is_dir():
        raise BadInput(f"{out}: is a folder; name the file to write, for instance {Path(out) / 'report.html'}")
    if file.exists() and not file.is_file():
        raise BadInput(f"{out}: is a pipe or a device, no file; name another file")
    there = next(folder for folder in file.parents if folder.exists())
    if why := refused(there):
        raise BadInput(f"{out}: nothing can be written into {there} ({why}); name another file")
    return file


def new_folder(out: str | Path) -> Path:
    """The path of a folder to write, relative to the repository root; BadInput where it exists or cannot be made."""
    folder = resolve(out)
    if folder.exists():
        raise BadInput(f"{out}: exists already; name a new folder, or move this one away")
    return _in_a_place(out, folder)


def folder_to_replace(out: str | Path, known: set[str]) -> Path:
    """The path of a folder to write, or to replace where it holds nothing but what an earlier run left there.

    known   names of what such a run leaves there
    Raises BadInput for a file, a folder that holds anything else, and where nothing can be written.
    """
    folder = resolve(out)
    if folder.exists() and not folder.is_dir():
        raise BadInput(f"{out}: is a file; name a folder to write")
    other = sorted({each.name for each in folder.iterdir()} - known) if folder.exists() else []
    if other:
        raise BadInput(f"{out}: holds other files, for instance {other[0]!r}; name a new folder")
    return _in_a_place(out, folder)


def _in_a_place(out: str | Path, folder: Path) -> Path:
    there = next(place for place in folder.parents if place.exists())
    if why := refused(there):
        raise BadInput(f"{out}: nothing can be written into {there} ({why}); name another folder")
    return folder


def refused(folder: Path) -> str:
    """Why no file can be made in a folder, found by making one; "" where it can."""
    try:
        TemporaryFile(dir=folder).close()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def write_file(out: str | Path, text: str) -> Path:
    """Write a text, in UTF-8 with its line ends as they are, to `file_to_write(out)`; returns its path."""
    file = file_to_write(out)
    try:
        with atomic(file) as part:
            part.write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise BadInput(f"{out}: cannot be written ({error.strerror or error}); name another file") from None
    return file


@contextmanager
def writing_into(folder: Path, variable: str) -> Iterator[None]:
    """A `with` block that writes into a folder of ours, which is created if needed.

    Raises BadInput that names the folder, and the environment variable that sets it, where it is read-only or full.
    """
    made = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        made = True
        yield
    except OSError as error:
        inside = isinstance(error.filename, str | Path) and Path(error.filename).absolute().is_relative_to(folder)
        if made and error.errno not in _FULL and not (error.errno in _REFUSED and inside):
            raise
        hint = f"make room there, or let {variable} name another folder"
        raise BadInput(f"{folder}: nothing can be written there ({error.strerror or error}); {hint}") from error
