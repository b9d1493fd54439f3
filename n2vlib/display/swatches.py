"""Tables with colors in their cells, as HTML; nothing but the colors themselves is drawn."""

from collections.abc import Sequence
from html import escape

import pandas as pd

from n2vlib.display.html_table import Shown

_SQUARE = "display:inline-block;width:1.15em;height:1.15em;margin:0 2px 0 0;border-radius:3px;vertical-align:middle"
_LEFT = ' style="text-align:left"'
_WRAPS = ' style="text-align:left;white-space:normal;min-width:9em"'
_LONG = 16  # characters of a text that may wrap


def table(frame: pd.DataFrame, caption: str = "") -> Shown:
    """The rows of `frame` without its index; a list of colors "#rrggbb" in a cell becomes a row of squares."""
    heads = "".join(f"<th{_LEFT}>{escape(str(column))}</th>" for column in frame)
    rows = [[frame.iloc[row][column] for column in frame] for row in range(len(frame))]
    body = "".join(f"<tr>{''.join(map(_td, row))}</tr>" for row in rows)
    below = f'<figcaption style="text-align:left;margin:.5em 0 0">{escape(caption)}</figcaption>' if caption else ""
    inside = f'<table class="dataframe"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>'
    html = f'<figure class="n2v-table" style="margin:0 0 1em;overflow-x:auto">{inside}{below}</figure>'
    texts = pd.DataFrame({column: [_text(each) for each in frame[column]] for column in frame}, dtype=object)
    return Shown(html, texts.to_string(index=False))


def _td(value: object) -> str:
    if not isinstance(value, list | tuple):
        return f"<td{_WRAPS if len(str(value)) > _LONG else _LEFT}>{escape(str(value))}</td>"
    squares = "".join(f'<span style="{_SQUARE};background:{escape(each)}"></span>' for each in value)
    whole = f'role="img" aria-label="{escape(_text(value))}" style="white-space:nowrap;print-color-adjust:exact"'
    return f"<td{_LEFT}><span {whole}>{squares}</span></td>"


def _text(value: object) -> str:
    return _listed(value) if isinstance(value, list | tuple) else str(value)


def _listed(colors: Sequence[str]) -> str:
    """What is read where colors are not seen."""
    shown = " ".join(colors[:4])
    return f"{shown} and {len(colors) - 4} more" if len(colors) > 4 else shown
