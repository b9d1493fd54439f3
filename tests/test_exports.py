"""Exports: tables that other programs read back, texts that no spreadsheet takes for a formula."""

import csv
import json
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from measured import measure

from n2vlib.errors import BadInput
from n2vlib.exports import layer, tables
from n2vlib.files import cells

TABLE = pd.DataFrame(
    {
        "=name": ["=1+1", "grass, wet", None, "-é\n"],
        "number": [0.1, np.nan, 1e-300, -3.0],
        "count": pd.array([1, None, 3, 4], "Int64"),
        "there": [True, False, True, False],
    }
)


def test_a_csv_is_read_back_and_holds_no_formula(tmp_path):
    file = tables.write_table(tmp_path / "t.csv", TABLE)
    with file.open(encoding="utf-8", newline="") as text:
        header, *rows = csv.reader(text, strict=True)
    assert [cells.original(name) for name in header] == list(TABLE) and header[0] == "'=name"
    assert [row[0] for row in rows] == ["'=1+1", "grass, wet", "", "'-é\n"]
    assert [float(row[1] or "nan") for row in rows] == pytest.approx(
        TABLE["number"].tolist(), rel=0, abs=0, nan_ok=True
    )
    assert [row[2] for row in rows] == ["1", "", "3", "4"] and [row[3] for row in rows] == ["True", "False"] * 2


def test_a_parquet_file_is_read_back_with_its_types(tmp_path):
    pytest.importorskip("pyarrow")
    pd.testing.assert_frame_equal(pd.read_parquet(tables.write_table(tmp_path / "t.parquet", TABLE)), TABLE)


def test_what_cannot_be_written_is_said_before_anything_is(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="must be csv or parquet"):
        tables.write_table(tmp_path / "t.xlsx", TABLE)
    monkeypatch.setattr(tables, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"n2vlib\[parquet\]"):
        tables.check(tmp_path / "t", "parquet")
    with pytest.raises(BadInput, match="exists already"):
        tables.check(tmp_path, "csv")
    assert not [*tmp_path.iterdir()]


def test_the_tables_of_a_layer_fit_together(tmp_path):
    probe, layers = measure(tmp_path, layers=["3"])
    found = layer.tables_of(layers["3"], probe, epochs=2, seed=0)
    kind = "parquet" if find_spec("pyarrow") else "csv"
    folder = tables.write_tables(tmp_path / "out", found, kind, {"layer": "3"})
    assert {path.stem for path in folder.glob(f"*.{kind}")} == set(found)
    assert json.loads((folder / "about.json").read_text()) == {"layer": "3"}
    read = {name: (pd.read_parquet if kind == "parquet" else pd.read_csv)(folder / f"{name}.{kind}") for name in found}
    pairs, known = read["pairs"], set(read["concepts"]["concept"])
    assert set(read["scores"]["concept"]) <= known and set(pairs["image"]) <= set(read["images"]["image"])
    # Scores pool the pairs: a slow sum for one concept.
    own = pairs.query("method == 'segmentation' and concept == 3 and split == 'val'")
    union = (own["predicted"] + own["annotated"] - own["intersection"]).sum()
    scores = read["scores"].query(
        "method == 'combination' and task == 'segmentation' and concept == 3 and split == 'val'"
    )
    assert scores["set_iou"].item() == pytest.approx(own["intersection"].sum() / union)
    assert len(read["filters"]) == 6 and read["weights_segmentation"].shape[1] == 6 + 2
