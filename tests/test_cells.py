"""Tables for spreadsheets: no text is taken for a formula, every text is read back, numbers stay numbers."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2vlib.files import cells

BEGINS = "=+-@\t\r\n'＝＋－＠"
TEXTS = [
    *BEGINS,
    *(a + b for a in BEGINS for b in (*BEGINS, "a")),
    "",
    "a=1",
    "1+1",
    " =1",
    "grass",
    "''",
    "'a'",
    "a\rb",
]


@settings(max_examples=60, deadline=None)
@given(st.text() | st.text(alphabet=BEGINS + 'a,"', max_size=4))
def test_any_text_is_read_back_and_none_begins_like_a_formula(text):
    cell = cells.harmless(text)
    assert cells.original(cell) == text and cell[:1] not in set(BEGINS) - {"'"}
    assert cell == text or text[0] in BEGINS


@pytest.mark.parametrize("text", ["'tis", "'", "a'=1", "grass", ""])
def test_a_cell_that_another_program_wrote_is_what_it_says(text):
    assert cells.original(text) == text


def test_a_table_is_read_back_by_other_readers():
    rows = [[text, -0.5 * i, -i] for i, text in enumerate(TEXTS)]
    written = cells.as_csv([["=text", "number", "count"], *rows, ["none", None, float("nan")]])
    header, *found = csv.reader(io.StringIO(written, newline=""), strict=True)
    assert header == ["'=text", "number", "count"] and found.pop() == ["none", "", ""]
    assert [[cells.original(text), float(number), int(count)] for text, number, count in found] == rows
    table = pd.read_csv(io.StringIO(written, newline=""), keep_default_na=False, na_values={"number": "", "count": ""})
    assert table["number"].dtype == float and table["number"].tolist()[:-1] == [row[1] for row in rows]
