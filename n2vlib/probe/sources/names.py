"""The names of indices in a file: CSV, text, JSON or YAML."""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from n2vlib.errors import BadInput
from n2vlib.files.userfiles import csv_rows, plain, yaml_mapping

VOID = frozenset({"void", "ignore", "ignored", "unlabeled", "unlabelled", "ignore_label", "_ignore_"})
BACKGROUND = frozenset({"background", "_background_"})
_NUMBER = frozenset({"number", "index", "id", "value", "label_id", "class_id", "pixel"})
NAME = frozenset({"name", "label", "class", "concept", "class_name"})
LARGEST = 2**24  # bytes

Named = dict[int, tuple[str, str]]  # index -> (category, name)


def read_names(path: Path, category: str, first: int | None = None) -> Named:
    """Index -> (category, name).

    path       .csv with columns number and name, and category if you like; .txt with a number and a name, or only a
               name, in each line; .json or .yaml with a mapping of numbers to names, or of names to numbers
    category   where the file has none
    first      the index of the first line, where lines have names only; 0 where that name is background or void
    """
    if not path.is_file():
        raise BadInput(f"names {path}: no such file")
    readers = {".csv": _from_csv, ".json": _from_json, ".yaml": _from_yaml, ".yml": _from_yaml}
    return named_once(path, readers.get(path.suffix.lower(), _from_text)(path, first), category)


def named_once(
    path: Path, rows: Iterable[tuple[int, str, str]], category: str, shown: Callable[[int], str] = str
) -> Named:
    """The rows (number, name, category or "") as a mapping; BadInput where one contradicts another.

    shown   a number in errors
    """
    found: Named = {}
    holders: dict[tuple[str, str], int] = {}
    for number, name, own in rows:
        key = (own or category, name)
        if not name or number < 0:
            raise BadInput(f"{path}: {shown(number)} {name!r}: must be a number from 0 on and a name")
        if number in found and found[number] != key:
            raise BadInput(f"{path}: {shown(number)} has two names, {found[number][1]!r} and {name!r}")
        if holders.setdefault(key, number) != number and name not in VOID:
            both = f"{shown(holders[key])} and {shown(number)}"
            raise BadInput(f"{path}: {name!r} names both {both}; give each a name of its own")
        found[number] = key
    if not found:
        raise BadInput(f"{path}: has no name")
    return found


def is_void(name: str) -> bool:
    """Whether a name says that its pixels were not annotated."""
    return name.lower() in VOID


def _from_csv(path: Path, first: int | None) -> Iterator[tuple[int, str, str]]:
    rows = [[cell.strip() for cell in cells] for _, cells in csv_rows(path, path)]
    header = [cell.lower() for cell in rows[0]] if rows else []
    number = next((i for i, cell in enumerate(header) if cell in _NUMBER), None)
    name = next((i for i, cell in enumerate(header) if cell in NAME and i != number), None)
    if number is None or name is None:
        yield from _from_lines(path, [" ".join(row) for row in rows], first)
        return
    own = header.index("category") if "category" in header else None
    for row in rows[1:]:
        if len(row) != len(header):
            raise BadInput(f"{path}: {','.join(row)!r} has {len(row)} cells, the header {len(header)}")
        yield _number(path, row[number]), row[name], row[own] if own is not None else ""


def _from_text(path: Path, first: int | None) -> Iterator[tuple[int, str, str]]:
    return _from_lines(path, lines_of(path), first)


def lines_of(path: Path) -> list[str]:
    """The lines of a text file that are not blank, without the white space around them."""
    return [line for each in _text(path).splitlines() if (line := each.strip())]


def _from_lines(path: Path, lines: list[str], first: int | None) -> Iterator[tuple[int, str, str]]:
    numbered = [re.fullmatch(r"(\d+)\s*[\s:,;=]\s*(.+)", line) for line in lines]
    if all(numbered):
        yield from ((int(found[1]), found[2].strip(), "") for found in numbered if found)
        return
    if first is None and lines[0].lower() not in VOID | BACKGROUND:
        raise BadInput(
            f"{path}: has names without numbers; say with the option first whether {lines[0]!r} is index 0 or 1, or "
            "write the number before each name"
        )
    yield from ((number, line, "") for number, line in enumerate(lines, start=first or 0))


def _from_json(path: Path, first: int | None) -> Iterator[tuple[int, str, str]]:
    try:
        return _from_mapping(path, json.loads(_text(path)), first)
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}: cannot be read as JSON: {error}") from None


def _from_yaml(path: Path, first: int | None) -> Iterator[tuple[int, str, str]]:
    return _from_mapping(path, yaml_mapping(path), first)


def _from_mapping(path: Path, found: object, first: int | None) -> Iterator[tuple[int, str, str]]:
    if isinstance(found, list):
        return _from_lines(path, [str(name) for name in found], first)
    if not isinstance(found, dict):
        raise BadInput(f"{path}: must map numbers to names")
    return (
        (_number(path, value), str(key), "") if isinstance(value, int) else (_number(path, key), str(value), "")
        for key, value in found.items()
    )


def _number(path: Path, text: object) -> int:
    if not re.fullmatch(r"\d{1,6}", str(text)):
        raise BadInput(f"{path}: {str(text)[:40]!r} is no index")
    return int(str(text))


def _text(path: Path) -> str:
    if plain(path, path).stat().st_size > LARGEST:
        raise BadInput(f"{path}: is larger than {LARGEST:,} bytes")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"{path}: is no UTF-8: {error}") from None
