"""Tables as files: CSV, whose texts no spreadsheet takes for formulas (`files.cells`), or Parquet with plain texts."""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from n2vlib.errors import BadInput
from n2vlib.files.cells import as_csv
from n2vlib.files.output import file_to_write, new_folder
from n2vlib.files.partial import atomic

FORMATS = ("csv", "parquet")


def write_table(out: str | Path, table: pd.DataFrame) -> Path:
    """Write a table without its index to a file whose name ends in .csv or .parquet; returns its path.

    Texts in CSV are read back with `files.cells.original`; missing values are empty cells. Parquet needs pyarrow.
    """
    file = file_to_write(out)
    kind = _checked(file.suffix.removeprefix("."), f"{out}: the file's name")
    with atomic(file) as part:
        _write(part, table, kind)
    return file


def write_tables(out: str | Path, tables: Mapping[str, pd.DataFrame], kind: str, about: Mapping[str, Any]) -> Path:
    """Write several tables into a new folder, NAME.csv or NAME.parquet, and `about` beside them as about.json."""
    folder = check(out, kind)
    with atomic(folder) as work:
        work.mkdir()
        for name, table in tables.items():
            _write(work / f"{name}.{kind}", table, kind)
        (work / "about.json").write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")
    return folder


def check(out: str | Path, kind: str) -> Path:
    """The path of the folder to write; BadInput, before anything is measured, where `write_tables` would fail."""
    _checked(kind, f"format {kind!r}")
    return new_folder(out)


def _checked(kind: str, what: str) -> str:
    if kind not in FORMATS:
        raise BadInput(f"{what}: must be {' or '.join(FORMATS)}")
    if kind == "parquet" and find_spec("pyarrow") is None:
        raise BadInput('Parquet needs pyarrow; install it with pip install "n2vlib[parquet]", or write csv')
    return kind


def _write(file: Path, table: pd.DataFrame, kind: str) -> None:
    named = table.set_axis([str(column) for column in table.columns], axis=1)
    if kind == "parquet":
        named.to_parquet(file, index=False)
        return
    plain = named.astype(object).where(named.notna(), None)
    with file.open("w", encoding="utf-8", newline="") as text:
        text.write(as_csv([named.columns]))
        text.writelines(as_csv([row]) for row in plain.itertuples(index=False, name=None))
