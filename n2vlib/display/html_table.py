"""A table of numbers as HTML: few digits, the best in bold, the first dozen rows open."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Self

import pandas as pd

_SIGNED = {"difference", "gain"}
_LONG, _LONGEST = 16, 60  # characters; a column with longer texts may wrap, at spaces and hyphens


@dataclass(frozen=True)
class Shown:
    """Output of a notebook cell: HTML in a browser, aligned text in a terminal."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text

    @classmethod
    def of(cls, line: str) -> Self:
        """One line of text, in place of a figure that cannot be drawn."""
        return cls(f'<p class="n2v-nothing">{escape(line)}</p>', line)


def table(
    frame: pd.DataFrame,
    caption: str = "",
    digits: int = 3,
    best: Sequence[str] = (),
    rows: int = 12,
    links: Mapping[str, Sequence[str]] | None = None,
) -> Shown:
    """The rows of `frame` without its index, floats with `digits` decimals, missing numbers as a dash.

    best      columns compared within each row; the largest is in bold
    rows      how many are shown before "show all"
    links     {column: address for each row}, empty where the cell is no link
    """
    head = _table(frame, rows, digits, best, links or {})
    if len(frame) <= rows:
        body = head
    else:
        # The opened list comes first in the source so that the style sheet can hide the short one behind it.
        every = _table(frame, len(frame), digits, best, links or {})
        full = f"<details><summary>show all {len(frame)} rows</summary>{every}</details>"
        body = f'<div style="display:flex;flex-direction:column-reverse;align-items:flex-start">{full}{head}</div>'
    caption = f"{caption} (no row)".strip() if frame.empty else caption
    below = f'<figcaption style="text-align:left;margin:.5em 0 0">{escape(caption)}</figcaption>' if caption else ""
    text = _formatted(frame.head(rows), digits).to_string(index=False)
    more = f"\n({len(frame) - rows} more rows)" if len(frame) > rows else ""
    html = f'<figure class="n2v-table" style="margin:0 0 1em;overflow-x:auto">{body}{below}</figure>'
    return Shown(html, text + more)


def _table(frame: pd.DataFrame, rows: int, digits: int, best: Sequence[str], links: Mapping[str, Sequence[str]]) -> str:
    """One <table> of the first rows, laid out as all of them need: nothing moves where the rest is opened.

    The class "dataframe" gives it the site's and JupyterLab's own table style.
    """
    cells = _formatted(frame, digits)
    numeric = {column for column in frame if frame[column].dtype.kind in "iuf"}
    longest = {
        c: max((len(text) for text in cells[c] if re.search("[ -]", text)), default=0) for c in set(frame) - numeric
    }
    least = {c: 10 if n > _LONGEST else _word(cells[c]) for c, n in longest.items() if n > _LONG}  # em
    heads = "".join(f"<th{_style(column in numeric)}>{escape(_words(column))}</th>" for column in frame)
    # Rows of a table of words stand below each other on a phone: each cell then shows its column's name.
    stacks = bool(least) and len(frame.columns) > 2 and 2 * len(numeric) < len(frame.columns)
    names = {c: f' data-name="{escape(_words(c))}"' if stacks else "" for c in frame}
    lines = []
    for row in range(min(rows, len(frame))):
        top = _best(frame.iloc[row], best)
        texts = {c: _linked(escape(cells.iloc[row][c]), links[c][row] if c in links else "") for c in frame}
        tds = (f"<td{names[c]}{_style(c in numeric, c in top, least.get(c, 0))}>{texts[c]}</td>" for c in frame)
        lines.append(f"<tr>{''.join(tds)}</tr>")
    kind = "dataframe n2v-stacks" if stacks else "dataframe"
    return f'<table class="{kind}"><thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table>'


def _word(texts: Iterable[str]) -> int:
    """Width in em, between 5 and 10, in which the longest word of a column is not broken."""
    longest = max((len(word) for text in texts for word in re.split("[ -]", text)), default=0)
    return min(max(5, round(0.6 * longest + 1.9)), 10)


def _words(column: object) -> str:
    """A column's name as words: "unique detectors" for unique_detectors; conv4_x, a layer's name, stays."""
    name = str(column)
    return name.replace("_", " ") if re.fullmatch(r"[a-z]+(_[a-z]+)+", name) else name


def _linked(text: str, address: str) -> str:
    return f'<a href="{escape(address)}">{text}</a>' if address else text


def _style(right: bool, bold: bool = False, wraps: int = 0) -> str:
    more = f";white-space:normal;overflow-wrap:anywhere;min-width:{wraps}em" if wraps else ""
    more = ";font-weight:bold" if bold else more
    return f' style="text-align:{"right" if right else "left"}{more}"'


def _best(row: pd.Series, columns: Sequence[str]) -> set[str]:
    known = row.loc[list(columns)].dropna()
    return set(known.index[known == known.max()]) if len(known) > 1 else set()


def _formatted(frame: pd.DataFrame, digits: int) -> pd.DataFrame:
    return pd.DataFrame({c: [_cell(value, str(c), digits) for value in frame[c]] for c in frame}, dtype=object)


def _cell(value: object, column: str, digits: int) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, float):
        sign = "+" if column in _SIGNED else ""
        return f"{round(value, digits) + 0.0:{sign}.{digits}f}".replace("-", "−")  # + 0.0: no minus before a zero
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
