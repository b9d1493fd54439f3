"""Charts of section 4.1: rings and filled points lie where the tables say, and the same table gives the same chart."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest

from n2vlib import charts
from n2vlib.display import style
from n2vlib.errors import BadInput

SIZES = [1, 2, 4, 8]


def means(task: str = "segmentation") -> pd.DataFrame:
    curve = {"part": [0.1, 0.2, 0.3, 1 / 3], "object": [0.2, 0.25, 0.2, 0.1]}
    rows = [
        (task, layer, c, F, v)
        for layer in ("a.1", "a.2")
        for c, vs in curve.items()
        for F, v in zip(SIZES, vs, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["task", "layer", "category", "n_filters", "mean"])
    return table.assign(low=table["mean"] - 0.01, high=table["mean"] + 0.01, concepts=5)


ENOUGH = pd.DataFrame(
    [("a.1", "part", 4), ("a.1", "object", 2), ("a.2", "part", 8), ("a.2", "object", 1)],
    columns=["layer", "category", "no_loss"],
)


def concepts() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "name": list("abcd"), "category": ["part", "part", "object", "object"], "training": [5, 50, 200, 0],
            "gain": [-0.1, 0.1, 0.2, 1 / 3], "loses": [True, False, False, False], "images": 3,
            "single filter": [0.2, 0.1, 0.1, 0.1], "combination": [0.1, 0.2, 0.3, 0.4], "layer": ["a", "a", "b", "b"],
        }
    )  # fmt: skip


CHARTS = ["by_size", "by_size, one layer", "by_rule", "every_layer", "concepts_in_plane"]


@cache
def every_chart() -> dict[str, charts.Chart]:
    plane = charts.concepts_in_plane(
        concepts(), "training", "gain", "t", ("images", "gain"), (True, False), {"x": [10], "y": [0]}
    )
    how = means().query("layer == 'a.1'").assign(how=lambda t: t["category"], value=lambda t: t["mean"])
    return {
        "by_size": charts.by_size(means(), "t", ENOUGH),
        "by_size, one layer": charts.by_size(means().query("layer == 'a.1'"), "t", ENOUGH),
        "by_rule": charts.by_rule(how, "t", "segmentation"),
        "every_layer": charts.every_layer(concepts(), "t", "segmentation"),
        "concepts_in_plane": plane,
    }


def rows_of(name: str, column: str) -> pd.DataFrame:
    """The data of a chart that have this column."""
    found = [rows for rows in every_chart()[name].to_dict()["datasets"].values() if column in rows[0]]
    return pd.DataFrame(found[0])


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_drawn_says_what_it_shows_and_is_the_same_every_time(name, capfd):
    chart = every_chart()[name]
    shown = chart._repr_mimebundle_()
    shown = shown[0] if isinstance(shown, tuple) else shown
    assert set(shown) == {style.MIME, "image/png", "text/plain"} and capfd.readouterr() == ("", "")
    spec = chart.to_dict()
    assert json.dumps(spec) == json.dumps(chart.to_dict()) and spec["description"].startswith("t")
    for rows in spec["datasets"].values():
        for value in (v for row in rows for v in row.values() if isinstance(v, float) and np.isfinite(v)):
            assert value == float(f"{value:.4g}")


@pytest.mark.parametrize("name", ["by_size", "by_size, one layer"])
def test_the_ring_is_where_more_filters_add_nothing(name):
    data = rows_of(name, "ring")
    ringed = data[data["ring"]]
    expected = ENOUGH[ENOUGH["layer"].isin(data["layer"])]
    assert set(zip(ringed["layer"], ringed["category"], ringed["n_filters"], strict=True)) == set(
        expected.itertuples(index=False, name=None)
    )


def test_a_concept_without_training_images_has_no_place_on_a_logarithmic_axis():
    data = rows_of("concepts_in_plane", "loses")
    assert list(data["name"]) == ["a", "b", "c"]
    assert list(data["loses"]) == [True, False, False]


def test_every_layer_has_a_small_chart_with_all_its_concepts():
    spec = every_chart()["every_layer"].to_dict()
    assert spec["facet"]["sort"] == ["a", "b"]
    assert len(rows_of("every_layer", "name")) == len(concepts())


def test_a_missing_column_is_one_line():
    with pytest.raises(BadInput, match="no column 'n_filters'"):
        charts.by_size(means().drop(columns="n_filters"), "t")


def test_every_chart_is_looked_at():
    assert list(every_chart()) == CHARTS
