"""Charts keep the book's promises: colors that stay apart, the same bytes every time, numbers where they belong."""

import base64
import io
import itertools
import json
import re
from collections.abc import Callable
from functools import cache

import altair as alt
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from n2vlib import charts, tables
from n2vlib.builder.chart_mime import VegaLite, chart_html
from n2vlib.charts.parts import field
from n2vlib.display import chart_png, style
from n2vlib.paths import ROOT
from n2vlib.vocabulary import CATEGORIES, METHODS

LAYERS = ["conv1", "conv2"]
# Machado, Oliveira and Fernandes 2009, complete loss of one cone, for linear RGB.
BLINDNESS = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(color: str) -> np.ndarray:
    rgb = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB; a distance of 2 is just seen, 20 is another color."""
    x, y, z = np.cbrt(XYZ @ np.clip(rgb, 0, 1) / [0.9505, 1.0, 1.089])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(color: str, page: str) -> float:
    light, dark = sorted((float(XYZ[1] @ linear(c)) for c in (color, page)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_any_two_categories_stay_apart_for_every_reader(blindness):
    seen = [lab(np.array(BLINDNESS[blindness]) @ linear(color)) for color in style.COLORS]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 20


@pytest.mark.parametrize("color", [*style.COLORS, style.INK, style.OTHER])
def test_every_color_is_seen_on_a_white_and_on_a_dark_page(color):
    assert contrast(color, "#ffffff") > 2.4 and contrast(color, "#14181e") > 2.9


def scores(n: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    kinds = [("segmentation", "set_iou"), ("classification", "accuracy")]
    rows = [
        {"layer": layer, "task": task, "method": method, "concept": c, "category": CATEGORIES[c % 3], measure: v}
        for layer, (task, measure), method, c in itertools.product(LAYERS, kinds, METHODS, range(n))
        for v in [rng.uniform(0.5, 1) if task == "classification" else rng.uniform(0, 0.6)]
    ]
    same = {"n_filters": 1, "seed": 0, "split": "val", "images": 10, "filter": 0}
    return pd.DataFrame(rows).assign(name=lambda t: "concept " + t["concept"].astype(str), **same)


def concepts() -> pd.DataFrame:
    area = [0.001, 0.2, np.nan]
    return pd.DataFrame(
        {"name": list("abc"), "category": ["part", "object", "scene"], "images": [10, 400, 70], "area": area}
    )


CHARTS = [
    "by_category",
    "by_category, random",
    "iou_scatter",
    "accuracy_scatter",
    "concept_counts",
    "histogram",
    "histogram, by",
    "lines",
    "lines, band",
    "published_beside_ours",
    "scatter",
]


@cache
def every_chart() -> dict[str, charts.Chart]:
    s = scores()
    means, wide = tables.by_category(s), tables.side_by_side(s, "conv1", "segmentation")
    present = tables.side_by_side(s, "conv2", "classification")
    theirs = pd.DataFrame({"task": "segmentation", "layer": LAYERS, "percent_concepts_equal_or_better": [91.6, 86.8]})
    beside = tables.beside_published(tables.at_least_as_good(s), theirs)
    filters = pd.DataFrame({"layer": np.repeat(LAYERS, 20), "realised": np.linspace(0.0049, 0.005, 40)})
    taus = pd.DataFrame(
        {"tau": [0.005, 0.01] * 2, "iou": [0.1, 0.2, 0.3, 1 / 3], "series": ["ours"] * 2 + ["random"] * 2}
    )
    return {
        "by_category": charts.by_category(means, "t"),
        "by_category, random": charts.by_category(means, "t", error="standard_error", random=means),
        "iou_scatter": charts.iou_scatter(wide, "t"),
        "accuracy_scatter": charts.accuracy_scatter(present, "t"),
        "concept_counts": charts.concept_counts(concepts(), "t"),
        "histogram": charts.histogram(filters, "realised", "t", "share of places", at=0.005),
        "histogram, by": charts.histogram(filters, "realised", "t", "share of places", by="layer", at=0.005),
        "lines": charts.lines(taus, "tau", "iou", "t", ("tau", "set IoU"), series="series", log=True),
        "lines, band": charts.lines(
            means.assign(depth=means["layer"].map({"conv1": 1, "conv2": 2})), "depth", "mean", "t", ("depth", "IoU")
        ),
        "published_beside_ours": charts.published_beside_ours(beside, "t", "% of concepts"),
        "scatter": charts.scatter(
            filters.assign(iou=np.arange(40) / 90), "iou", "realised", "t", ("IoU", "share"), ["layer"], 0.005
        ),
    }


@cache
def spec_of(name: str) -> dict:
    return every_chart()[name].to_dict()


def numbers(part: object) -> list[float]:
    """Every float in the data of a specification."""
    if isinstance(part, dict):
        return [x for value in part.values() for x in numbers(value)]
    if isinstance(part, list):
        return [x for value in part for x in numbers(value)]
    return [part] if isinstance(part, float) else []


@pytest.mark.parametrize("name", CHARTS)
def test_a_cell_shows_a_chart_to_every_reader_and_is_silent(name, capfd):
    bundle = every_chart()[name]._repr_mimebundle_()
    shown = bundle[0] if isinstance(bundle, tuple) else bundle
    assert set(shown) == {style.MIME, "image/png", "text/plain"}  # JupyterLab would prefer text/html to the chart
    drawn = base64.b64decode(shown["image/png"])
    assert min(Image.open(io.BytesIO(drawn)).size) > 100 and len(drawn) < 60_000
    assert shown["text/plain"].startswith("<chart: t.") and "0x" not in shown["text/plain"]
    assert capfd.readouterr() == ("", "")


def test_a_chart_has_no_png_where_none_is_wanted(monkeypatch):
    monkeypatch.setenv("N2V_PNG", "0")
    bundle = every_chart()[CHARTS[0]]._repr_mimebundle_()
    shown = bundle[0] if isinstance(bundle, tuple) else bundle
    assert set(shown) == {style.MIME, "text/plain"}


def test_the_png_that_the_build_adds_is_the_one_that_a_cell_shows(monkeypatch):
    shown = every_chart()[CHARTS[0]]._repr_mimebundle_()
    monkeypatch.setenv("N2V_PNG", "0")
    without = every_chart()[CHARTS[0]]._repr_mimebundle_()
    outputs = [new_output("display_data", dict(without)), new_output("stream", text="a line")]
    notebook = new_notebook(cells=[new_code_cell(outputs=outputs), new_markdown_cell("words")])
    chart_png.add_to(notebook)
    assert notebook.cells[0].outputs[0].data["image/png"] == shown["image/png"] and "data" not in outputs[1]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_is_the_same_every_time_and_its_data_have_four_digits(name):
    spec = spec_of(name)
    assert json.dumps(spec) == json.dumps(every_chart()[name].to_dict())
    data = numbers(spec["datasets"])
    assert data and all(x == float(f"{x:.4g}") for x in data if np.isfinite(x))
    assert not any("row" in key or "index" in key for rows in spec["datasets"].values() for key in rows[0])


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_says_in_words_what_it_shows(name):
    spec = spec_of(name)
    assert spec["description"].startswith("t") and spec["title"]["text"] == ["t"]


def test_axes_start_where_the_measure_means_something():
    iou, accuracy = (spec_of(name)["layer"][1]["encoding"] for name in ("iou_scatter", "accuracy_scatter"))
    assert iou["x"]["scale"]["domain"][0] == 0 and accuracy["y"]["scale"]["domain"][0] == 0.5
    assert "set IoU, validation images" in iou["x"]["title"] and "balanced accuracy" in accuracy["x"]["title"][1]


def test_every_function_that_is_drawn_is_a_chart_of_the_package_and_the_only_one_of_its_name():
    sources = [file.read_text(encoding="utf-8") for file in (ROOT / "n2vlib" / "charts").glob("*.py")]
    defined = [name for source in sources for name in re.findall(r"^@part\.drawn\ndef (\w+)", source, re.MULTILINE)]
    assert sorted([*defined, "Chart", "drawn", "rows", "table", "titled"]) == charts.__all__


def cell(last: str) -> Callable[..., alt.Chart]:
    """A chart of their own, as a cell of a notebook defines it; `last` is its last line."""
    source = f"""
@charts.drawn
def own_iou(table, title):
    points = alt.Chart(charts.rows(table)).mark_point().encode(x="x:Q", y="x:Q")
    {last}
"""
    names = {"__name__": "__main__", "alt": alt, "charts": charts}
    exec(source, names)
    assert "__all__" not in names  # their namespace is as they left it
    return names["own_iou"]


@pytest.mark.parametrize("several", ["points", "alt.concat(points, points)", "points.repeat(row=['x'])"])
def test_a_chapter_draws_a_chart_of_its_own(several):
    own = cell(f"return charts.titled({several}, title, 'A note.')")
    shown = own(pd.DataFrame({"x": [1, 1 / 3]}), "Their title")._repr_mimebundle_()
    assert set(shown) == {style.MIME, "image/png", "text/plain"}
    assert shown["text/plain"] == "<chart: Their title. A note.>" and "0.3333}" in json.dumps(shown[style.MIME])
    assert shown[style.MIME]["config"]["background"] == "transparent"
    assert repr(own(pd.DataFrame({"x": []}), "t")) == "No chart (own IoU): no row has the numbers that it would draw."


def test_a_chart_that_is_not_returned_is_an_error_that_says_so():
    with pytest.raises(TypeError, match="own_iou returns nothing"):
        cell("charts.titled(points, title)")(pd.DataFrame({"x": [1]}), "t")


def test_axes_say_the_measure_that_was_asked_for():
    other = scores().query("task == 'segmentation'").rename(columns={"set_iou": "dissection_iou"})
    wide = tables.side_by_side(other, "conv1", "segmentation", measure="dissection_iou")
    means = tables.by_category(other, measure="dissection_iou")
    for chart in (charts.iou_scatter(wide, "t"), charts.by_category(means, "t")):
        text = json.dumps(chart.to_dict())
        assert "dissection IoU," in text and "set IoU" not in text


def test_an_accuracy_below_chance_is_still_on_the_chart():
    wide = tables.side_by_side(scores(), "conv1", "classification")
    wide.loc[0, "combination"] = 0.41
    encoding = charts.accuracy_scatter(wide, "t").to_dict()["layer"][1]["encoding"]
    assert encoding["y"]["scale"]["domain"][0] == 0.41


def test_colors_are_the_categorys_own_whichever_are_present():
    wide = tables.side_by_side(scores(), "conv1", "segmentation")
    only = wide[wide["category"] == "material"]
    scale = charts.iou_scatter(only, "t").to_dict()["layer"][1]["encoding"]["color"]["scale"]
    assert scale == {"domain": ["material"], "range": [style.COLORS[2]]}
    assert style.categories(["scene", "color", "weather"]) == ["color", "scene", "weather"]


def test_column_names_with_dots_are_names():
    assert field("iou[0.5]") == r"iou\[0\.5\]"
    wide = tables.side_by_side(scores(), "conv1", "segmentation").rename(columns={"combination": "F=0.5"})
    assert charts.iou_scatter(wide, "t", y="F=0.5")._repr_mimebundle_()


def test_the_site_gets_the_title_as_text_and_the_specification_as_data():
    nasty = "</script><b>x</b> & <!--"
    wide = tables.side_by_side(scores(), "conv1", "segmentation").assign(name=nasty)
    text = chart_html(charts.iou_scatter(wide, f"won by {nasty}").to_dict())
    head, data = text.split('<script type="application/json" class="n2v-spec">')
    assert "&lt;/script&gt;" in head and "<b>" not in head
    spec = json.loads(data.removesuffix("</script></div>"))
    assert "<" not in data.removesuffix("</script></div>")
    assert "title" not in spec and nasty in json.dumps(spec)


def test_the_plugin_takes_charts_and_nothing_else():
    class Data:
        mime_type, content = style.MIME, {"description": "d", "title": "short"}

    node = VegaLite.handle_mime(None, Data(), inline=False)[0]
    assert 'class="n2v-chart"' in node.astext() and "short" in node.astext()
    assert VegaLite.handle_mime(None, Data(), inline=True) is None
    Data.mime_type = "text/plain"
    assert VegaLite.handle_mime(None, Data(), inline=False) is None


def test_our_charts_take_more_rows_than_altairs_five_thousand_and_others_do_not():
    many = pd.DataFrame({"x": np.arange(6000.0), "y": 0.5, "category": "object"})
    assert charts.lines(many, "x", "y", "t", ("x", "y")).to_dict()
    with pytest.raises(alt.MaxRowsError):
        alt.Chart(many).mark_point().encode(x="x:Q").to_dict()


def test_a_table_shows_a_dozen_rows_then_the_rest_and_marks_the_best():
    wide = tables.side_by_side(scores(20), "conv1", "segmentation").assign(name="<i>")
    shown = charts.table(wide, caption="a < b", digits=2, best=["single filter", "combination"])
    html = shown._repr_html_()
    assert "<i>" not in html and "a &lt; b" in html
    assert "show all 20 rows" in html and html.count("<tbody>") == 2
    bold = html.split("</tbody>")[-2].count("font-weight:bold")
    assert bold == 12
    assert repr(shown).endswith("(8 more rows)") and "0x" not in repr(shown)


def test_the_first_rows_of_a_table_are_laid_out_as_all_of_them_need():
    words = ["short"] * 12 + ["a name of many words, far below the first dozen rows"]
    html = charts.table(pd.DataFrame({"name": words, "other": words, "x": 0.5}))._repr_html_()
    opened, first = (part.partition("<tbody>")[0] for part in html.split("<table")[1:])
    assert "n2v-stacks" in opened and opened == first
    assert html.count("min-width") == 2 * (13 + 12)


def test_a_table_writes_missing_numbers_as_a_dash_and_differences_with_their_sign():
    frame = pd.DataFrame({"published": [91.6, np.nan], "this run": [75.0, 1234.0], "difference": [-16.6, np.nan]})
    text = repr(charts.table(frame, digits=1))
    assert "−16.6" in text and "–" in text and "1234.0" in text


def test_columns_are_headed_in_words_and_layers_by_their_names():
    frame = pd.DataFrame({"unique_detectors": pd.array([1, pd.NA], "Int64"), "conv4_x": [2, 3], "IoU": [0.5, 0.1]})
    html = charts.table(frame).html
    assert re.findall(r"<th [^>]*>([^<]*)", html) == ["unique detectors", "conv4_x", "IoU"]
    assert re.findall(r"<td[^>]*>([^<]*)", html)[::3] == ["1", "–"]


def test_long_texts_may_wrap_and_numbers_not():
    rows = pd.DataFrame(
        {"id": ["failures-few-classification"], "claim": ["Most concepts need several filters"], "e": [0.5]}
    )
    cells = re.findall(r"<td[^>]*>", charts.table(rows).html)
    assert ["white-space:normal" in cell for cell in cells] == [True, True, False]


def test_a_row_of_words_can_stand_below_another_and_says_whose_cell_each_is():
    words = {"id": "a", "holds_if": "above 5", "claim": "Most <concepts> need several filters", "published": 0.5}
    html = charts.table(pd.DataFrame([words])).html
    names = re.findall('data-name="(.*?)"', html)
    assert names == ["id", "holds if", "claim", "published"] and "dataframe n2v-stacks" in html
    numbers = {"network": "small-alexnet-objects, conv5", "a": 1, "b": 2.0, "c": 3.0}
    assert "data-name" not in charts.table(pd.DataFrame([numbers])).html  # columns of numbers are compared downwards


def test_every_chart_is_looked_at():
    assert list(every_chart()) == CHARTS


def test_the_line_through_a_scatter_is_that_of_least_squares():
    rng = np.random.default_rng(0)
    points = pd.DataFrame({"iou": rng.random(30), "accuracy": rng.random(30), "filter": range(30)})
    spec = charts.scatter(points, "iou", "accuracy", "t", ("x", "y"), ["filter"], at=0.5).to_dict()
    ends = next(rows for rows in spec["datasets"].values() if len(rows) == 2)
    x, y = (points[name] - points[name].mean() for name in ("iou", "accuracy"))
    slope, middle = (x * y).sum() / (x * x).sum(), points.mean()
    for end in ends:
        on_line = middle["accuracy"] + slope * (end["iou"] - middle["iou"])
        assert end["accuracy"] == pytest.approx(on_line, rel=2e-3)
    alone = charts.scatter(points.assign(iou=0.5), "iou", "accuracy", "t", ("x", "y")).to_dict()
    assert len(alone["layer"]) == 1
