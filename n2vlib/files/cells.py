"""CSV cells whose text a spreadsheet would take for a formula; cells.js has the same rule.

A text that begins with one of `= + - @`, their wide forms, a tab, a line break or an apostrophe gets an apostrophe in
front, and reading removes it. Numbers stay numbers. A cell that begins with an apostrophe and another one of these is
such a text; any other cell is read unchanged.
"""

import re
from collections.abc import Iterable
from pathlib import Path

_BEGINS = re.compile(r"[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n']")


def harmless(text: str) -> str:
    """The text as it is written into a cell."""
    return f"'{text}" if _BEGINS.match(text) else text


def original(cell: str) -> str:
    """The text that a cell stands for."""
    return cell[1:] if cell[:1] == "'" and _BEGINS.match(cell, 1) else cell


def as_csv(rows: Iterable[Iterable[object]]) -> str:
    """Rows of texts and numbers as CSV; None and NaN are empty."""
    return "".join(",".join(map(_cell, row)) + "\n" for row in rows)


def _cell(value: object) -> str:
    text = harmless(value) if isinstance(value, str) else "" if value is None or value != value else str(value)
    return '"' + text.replace('"', '""') + '"' if re.search(r'[",\r\n]|^\s|\s\Z', text) else text


def script() -> str:
    """The same rule in JavaScript, to be put before a page's script."""
    return Path(__file__).with_suffix(".js").read_text(encoding="utf-8")
