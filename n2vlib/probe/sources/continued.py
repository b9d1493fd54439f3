"""What an interrupted run has written, and whether the next run may continue it."""

import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from n2vlib.probe.journal import Journal
from n2vlib.probe.sources.annotated import Annotated
from n2vlib.probe.writer import Writer
from n2vlib.sources import sources_digest

_JOURNAL = "journal.jsonl"


def key_of(
    found: Sequence[Annotated], labels: Path | None, settings: list, options: Mapping[str, Any], module: str
) -> str:
    """What decides the result, but for each image and its own files of labels (`state_of`).

    settings   of the writer; options of the format, whose `read` is in `module`
    """
    own = {file for each in found for file in (each.file, *each.labels)}
    stated = {name: [str(value), _states(value, ())] for name, value in sorted(options.items())}
    code = sources_digest(["n2vlib.probe.sources.make", module])
    return json.dumps([code, *settings, str(labels), _states(labels, own), stated])


def state_of(annotated: Annotated) -> str:
    """Changes when an image or one of its files of labels does."""
    return " ".join(_state(file) for file in (annotated.file, *annotated.labels))


def written_name(name: str) -> str:
    """An image's name in the probe set: JPEG stays JPEG, all others become PNG."""
    path = PurePosixPath(name)
    return str(path.with_suffix(".jpg" if path.suffix.lower() in (".jpg", ".jpeg") else ".png"))


def continued(part: Path, found: Sequence[Annotated], label_size: tuple[int, int]) -> Writer:
    """A writer that knows what an earlier run has written into `part`, or starts over where an image has changed."""
    states = {written_name(each.name): state_of(each) for each in found}
    journal = Journal(part.with_name(_JOURNAL))
    changed = any(states.get(row["image"]) != row["state"] for row, _, _ in journal.entries)
    if changed or not part.exists():  # a run that died after it had finished leaves a journal only
        forget(part)
        journal = Journal(part.with_name(_JOURNAL))
    writer = Writer(part, {}, label_size=label_size, journal=journal)
    for file in _files(part / "images"):  # written by a run that died before it noted them
        if file.relative_to(part / "images").as_posix() not in writer.files:
            file.unlink()
    return writer


def forget(part: Path) -> None:
    """Delete what was written into `part` and beside it."""
    for folder in (part, part.with_name("maps")):
        shutil.rmtree(folder, ignore_errors=True)
    part.with_name(_JOURNAL).unlink(missing_ok=True)


def _states(path: Any, without: Collection[Path]) -> str:
    """Changes when a file does, or one below a folder; those in `without` do not count."""
    if not isinstance(path, Path) or not path.is_dir():
        return _state(path)
    states = sorted(f"{file} {_state(file)}" for file in _files(path) if file not in without)
    return hashlib.sha256("\n".join(states).encode(errors="surrogateescape")).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return (Path(below, name) for below, _, names in os.walk(folder) for name in names)


def _state(file: Any) -> str:
    """Changes when a file does; "" for what is none."""
    if not isinstance(file, Path) or not file.is_file():
        return ""
    stat = file.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"
