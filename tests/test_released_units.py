"""Per-unit files of Network Dissection's releases. The originals are not here: every file is made by the test."""

import csv
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import pandas as pd
import pytest
from measured import measure
from patience import within

from n2vlib import charts, published, tables
from n2vlib import released_units as released
from n2vlib.errors import BadInput
from n2vlib.methods import dissection


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("world"))


def cell(label: str, intersect: int, truth: int = 100, activation: int = 100) -> list:
    return [label, truth, activation, intersect, intersect / (truth + activation - intersect)]


def planted() -> pd.DataFrame:
    """Four units. Of 200 - n pixels n are shared: 8 is just above the IoU threshold of 0.04, 7 just below."""
    blocks = [
        ("object", cell("dog", 50), cell("red", 20)),  # a detector of both, for its best label: dog
        ("object", cell("dog", 30), cell("red", 7)),
        ("color", cell("cat", 8), cell("red", 9)),  # red by the paper's rule, red and cat by the other
        ("object", cell("cat", 5), cell("blue", 4)),  # no detector
    ]
    rows = []
    for unit, (best, thing, color) in enumerate(blocks, start=1):
        own = thing if best == "object" else color
        rows.append([unit, best, own[0], own[-1], *thing, *color])
    parts = [f"{category}-{part}" for category in ("object", "color") for part in released.PARTS]
    return pd.DataFrame(rows, columns=[*released.OWN, *parts])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def saved(table: pd.DataFrame, folder) -> str:
    table.to_csv(folder / "units.csv", index=False)
    return str(folder / "units.csv")


def test_both_rules_count_what_was_planted(tmp_path):
    found = released.counts(released.read(saved(planted(), tmp_path))).set_index("category")
    assert found.loc["object"].tolist() == [2, 1, 3, 2]  # dog, dog; and by the other rule cat
    assert found.loc["color"].tolist() == [1, 1, 2, 1]
    assert found.loc["total"].tolist() == [3, 2, 3, 3]
    assert list(found.index) == ["color", "object", "total"]


def test_a_unit_at_the_iou_threshold_is_no_detector(tmp_path):
    units = released.read(saved(planted(), tmp_path))
    assert released.counts(units, iou_threshold=units["score"].max())["detectors"].sum() == 0


def test_units_count_from_zero_and_keep_their_own_best(tmp_path):
    units = released.read(saved(planted(), tmp_path))
    assert units["unit"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    third = units.query("unit == 2 and category == 'object'").iloc[0]
    assert (third["label"], third["best_category"], third["best_label"]) == ("cat", "color", "red")


@pytest.mark.parametrize("convention", ["netdissect", "netdissect-lite"])
def test_our_own_result_comes_back_as_it_was(world, tmp_path, convention):
    probe, layers = world
    layer = layers["3"]
    released.write(tmp_path / "new" / "units.csv", layer, probe, convention)
    units = released.read(tmp_path / "new" / "units.csv")
    counts, iou = dissection.count(layer, probe, convention=convention), dissection.dissection_iou(layer, probe)
    assert names_in(tmp_path / "new") == ["units.csv"] and units["score"].is_monotonic_decreasing
    assert set(units["unit"]) == set(range(len(iou)))
    # Fur is material and part: where material is not read it is a part.
    category = {("fur", "netdissect-lite"): "part"}
    row_of = {
        (category.get((row.name, convention), row.category), row.name): i
        for i, row in enumerate(probe.concepts.itertuples(index=False))
    }
    for row in units.itertuples():
        c = row_of[row.category, row.label]
        assert (row.truth, row.activation) == (counts.annotated[c], counts.predicted[row.unit, c])
        assert row.intersect == counts.intersection[row.unit, c] and row.iou == counts.iou[row.unit, c]


def test_the_paper_rule_counts_what_the_tables_do(world, tmp_path):
    probe, layers = world
    layer = layers["3"]
    released.write(tmp_path / "units.csv", layer, probe)
    for limit in (0.001, 0.01, 0.04):
        found = released.counts(released.read(tmp_path / "units.csv"), limit).set_index("category").drop("total")
        ours = tables.unique_detectors(tables.detectors(dissection.filters(layer, probe), limit)).set_index("category")
        kept = found.loc[found["detectors"] > 0, ["detectors", "unique_detectors"]]
        assert kept.to_dict("index") == ours[list(kept)].to_dict("index") and (len(ours) or limit > 0.01)


def test_the_order_of_columns_does_not_matter_and_categories_may_be_missing(world, tmp_path):
    probe, layers = world
    released.write(tmp_path / "whole.csv", layers["3"], probe)
    whole = pd.read_csv(tmp_path / "whole.csv")
    expected = released.counts(released.read(tmp_path / "whole.csv"), 0.01).set_index("category")
    turned = released.counts(released.read(saved(whole[whole.columns[::-1]], tmp_path)), 0.01).set_index("category")
    assert turned.equals(expected)
    dropped = [column for column in whole if column.startswith("color-")]
    fewer = released.counts(released.read(saved(whole.drop(columns=dropped), tmp_path)), 0.01).set_index("category")
    columns = ["detectors", "unique_detectors"]
    assert fewer[columns].equals(expected.loc[fewer.index, columns])
    others = [category for category in fewer.index if category not in ("color", "total")]
    assert others and fewer.loc[others].equals(expected.loc[others])


def test_names_like_formulas_are_escaped_and_read_back(world, tmp_path):
    probe, layers = world
    plain = probe.concepts["name"].tolist()
    hostile = [begin + name for begin, name in zip(cycle(["=", "+", "-", "@", "'", "'=", "\t", "\r", ""]), plain)]
    renamed = replace(probe, concepts=probe.concepts.assign(name=hostile))
    for name, each in (("plain.csv", probe), ("hostile.csv", renamed)):
        released.write(tmp_path / name, layers["3"], each)
    wanted, found = released.read(tmp_path / "plain.csv"), released.read(tmp_path / "hostile.csv")
    told = dict(zip(plain, hostile, strict=True)) | {"": ""}  # a filter without a name
    pd.testing.assert_frame_equal(found, wanted.assign(**{c: wanted[c].map(told) for c in ("label", "best_label")}))
    with (tmp_path / "hostile.csv").open(newline="") as file:
        assert not [cell for row in csv.reader(file) for cell in row if cell[:1] in set("=+-@\t\r")]


def test_rounded_numbers_are_read(tmp_path):
    table = planted().round(4)
    assert released.counts(released.read(saved(table, tmp_path)))["detectors"].iloc[-1] == 3


def test_a_category_without_a_label_is_left_out(tmp_path):
    """As released for units with no texture tallied: an activation of 0 beside an intersection that is not."""
    texture = ["", 24924928, 0, 1000, 1000 / (24924928 - 1000)]
    table = planted()
    table[[f"texture-{part}" for part in released.PARTS]] = [texture] * len(table)
    units = released.read(saved(table, tmp_path))
    assert set(units["category"]) == {"object", "color"}
    pd.testing.assert_frame_equal(units, released.read(saved(planted(), tmp_path)))


def changed(column: str, row: int, value: object) -> pd.DataFrame:
    table = planted().astype(object)
    table.loc[row, column] = value
    return table


@pytest.mark.parametrize(
    "table, message",
    [
        (planted().drop(columns="color-truth"), r"no column 'color-truth'"),
        (planted().drop(columns="score"), r"no column 'score'"),
        (planted()[list(released.OWN)], r"no category has columns"),
        (planted().head(0), r"no unit in it"),
        (changed("color-truth", 1, "many"), r"line 3, column color-truth: 'many'"),
        (changed("object-iou", 0, "nan"), r"line 2, column object-iou: 'nan'"),
        (changed("object-intersect", 0, -1), r"line 2, column object-intersect: '-1'"),
        (changed("color-iou", 2, 0.06), r"line 4, column color-iou: 0.06 is not intersect / union"),
        (changed("object-activation", 3, 2), r"line 5, column object-intersect: 5 pixels, more than"),
        (changed("unit", 2, 1), r"line 4, column unit: unit 1 was in line 2"),
        (changed("unit", 2, 0), r"line 4, column unit: units count from 1"),
        (changed("unit", 2, 2.5), r"line 4, column unit: units count from 1"),
        (changed("label", 1, "wolf"), r"line 3, column label: 'wolf', but object-label is 'dog'"),
        (changed("score", 1, 0.9), r"line 3, column score: 0.9, but object-iou"),
    ],
)
def test_what_is_wrong_is_named_with_its_line_and_column(table, message, tmp_path):
    with pytest.raises(BadInput, match=message):
        released.read(saved(table, tmp_path))


@pytest.mark.parametrize(
    "text, message",
    [
        (b"", "the file is empty"),
        (b"unit,category,label,score,unit\n", "column 'unit' is there twice"),
        (b"\xff\xfe\x00", "cannot be read as UTF-8 CSV"),
        (planted().to_csv(index=False).encode() + b"5,object\n", "line 6: 2 cells, the header has 14"),
    ],
)
def test_a_broken_file_is_refused(text, message, tmp_path):
    (tmp_path / "units.csv").write_bytes(text)
    with pytest.raises(BadInput, match=message):
        released.read(tmp_path / "units.csv")
    with pytest.raises(BadInput, match="no such file"):
        released.read(tmp_path / "none.csv")


def test_a_label_is_text_whatever_it_looks_like(tmp_path):
    table = planted().replace({"dog": "<b>nan</b>, =1", "blue": "NA"})
    units = released.read(saved(table, tmp_path))
    assert {"<b>nan</b>, =1", "NA"} <= set(units["label"])


def test_a_file_that_cannot_be_finished_leaves_nothing(world, tmp_path, monkeypatch):
    probe, layers = world
    (tmp_path / "units.csv").write_text("before")
    released.text(layers["3"], probe)  # measured now: the store writes too

    def full(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(BadInput, match="units.csv: .*disk full"):
        released.write(tmp_path / "units.csv", layers["3"], probe)
    assert names_in(tmp_path) == ["units.csv"] and (tmp_path / "units.csv").read_text() == "before"


def test_totals_mean_what_they_mean_in_the_published_table():
    table = published.table("netdissect_released_unique_detectors")
    names = ["units_over_0.04", "unique_concepts", "units_over_0.04_any_category", "unique_concepts_any_category"]
    for _, rows in table.groupby(["network", "dataset", "layer"]):
        total, each = rows.query("category == 'total'").iloc[0], rows.query("category != 'total'")
        assert total[names[0]] == each[names[0]].sum() == total[names[2]] <= each[names[2]].sum()
        assert total[names[1]] == each[names[1]].sum() and total[names[3]] == each[names[3]].sum()


def test_the_charts_of_detectors_are_drawn_in_silence(capfd):
    rows = [("a", "object", 3), ("a", "color", 1), ("a", "total", 4), ("b", "object", 1)]
    table = pd.DataFrame(rows, columns=["layer", "category", "unique_detectors"]).assign(rule=["x", "x", "x", "y"])
    for chart in (charts.unique_by(table, "layer", "t"), charts.unique_by(table, "layer", "t", by="rule")):
        assert chart._repr_mimebundle_() and '"total"' not in chart.to_json()
    points = table.assign(name="dog", detectors=[1, 2, 3, 4], dissection_iou=0.1)
    assert charts.iou_by_detectors(points, "t")._repr_mimebundle_()
    assert capfd.readouterr() == ("", "")


def test_many_columns_take_time_in_proportion(tmp_path):
    """60,000 columns, where each looked for among all others took minutes."""
    numbers = range(12_000)
    header = [*released.OWN, *(f"c{i}-{part}" for i in numbers for part in released.PARTS)]
    row = [1, "c7", "dog", 0.25, *(value for i in numbers for value in cell("dog", 40 * (i == 7)))]
    (tmp_path / "units.csv").write_text("\n".join(",".join(map(str, line)) for line in (header, row)))
    with within(60):
        found = released.counts(released.read(tmp_path / "units.csv")).set_index("category")
    assert found.loc[found["detectors"] > 0].index.tolist() == ["c7", "total"] and len(found) == 12_001
    (tmp_path / "units.csv").write_text(",".join([*header[:-1], "c0-nothing"]))
    with within(60), pytest.raises(BadInput, match="no column 'c11999-iou'"):
        released.read(tmp_path / "units.csv")
