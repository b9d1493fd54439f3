"""Users' files, read so that none can hang or exhaust memory: plain files only, within limits."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import yaml

from n2vlib.errors import BadInput

LONGEST_LINE = 2**24  # characters
LARGEST_YAML = 2**17  # bytes
MOST_VALUES = 100_000  # in a YAML file; every reference to a value counts, since each is visited


def plain(path: Path, name: str | Path) -> Path:
    """The path. BadInput if it is a folder, pipe or device: opening a pipe would wait for ever."""
    if path.exists() and not path.is_file():
        raise BadInput(f"{name}: is no plain file")
    return path


def csv_rows(path: Path, name: str | Path) -> Iterator[tuple[int, list[str]]]:
    """Line number (the header is 1) and cells of every row, blank ones left out; UTF-8, lines ended by LF or CRLF.

    name   of the file, in errors
    Raises FileNotFoundError, or BadInput where the file cannot be read.
    """
    try:
        with plain(path, name).open(newline="", encoding="utf-8-sig") as text:
            reader = csv.reader(_lines(text), strict=True)
            for cells in reader:
                if cells:
                    yield reader.line_num, cells
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"{name}: cannot be read as UTF-8 CSV: {error}") from None


def _lines(text: TextIO) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise csv.Error(f"a line has {LONGEST_LINE:,} characters or more")
        yield line


def yaml_mapping(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, {} for an empty one."""
    try:
        with plain(path, path).open("rb") as file:
            text = file.read(LARGEST_YAML + 1)
        if len(text) > LARGEST_YAML:
            raise BadInput(f"{path}: is larger than {LARGEST_YAML:,} bytes")
        values = yaml.safe_load(text.decode("utf-8-sig")) or {}
    except BadInput:
        raise
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except RecursionError:
        raise BadInput(f"{path}: values are nested too deeply") from None
    except Exception as error:  # PyYAML does not wrap its constructors' errors: `!!int ''` is an IndexError
        raise BadInput(f"{path}: cannot be read as UTF-8 YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise BadInput(f"{path}: expected lines `NAME: value`")
    _check_values(values, path)
    return values


def _check_values(values: dict, path: Path) -> None:
    """BadInput where there are too many values, references to one another or to themselves included."""
    waiting, looked_at = [values], 0
    while waiting:
        one = waiting.pop()
        waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list | tuple | set) else ()
        looked_at += 1
        if looked_at + len(waiting) > MOST_VALUES:
            raise BadInput(f"{path}: holds more than {MOST_VALUES:,} values")
