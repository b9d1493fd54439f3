"""The book's charts: DataFrame -> Altair chart. Chapters give data and a computed title; the look is decided here.

Color is the category, light or full is the method, hollow is a published number, grey and dashed is a random network
or chance. `title` states what is seen; every chart describes itself in words for those who cannot see it.
Numbers are rounded to four digits, so that a chart is the same on every run.
"""

from typing import Any, TypeAlias

import altair as alt
import pandas as pd

from n2vlib import altair_look  # noqa: F401  (importing it sets Altair's theme and renderer)
from n2vlib import chart_parts as part
from n2vlib.html_table import table
from n2vlib.look import CHART_WIDTH, INK, MEASURES, OTHER, SPLITS, categories, methods, rounded
from n2vlib.tables import CONCEPT, MEASURE, need

__all__ = [
    "accuracy_scatter",
    "by_category",
    "concept_counts",
    "concepts_bar",
    "histogram",
    "iou_scatter",
    "lines",
    "published_beside_ours",
    "sorted_iou",
    "table",
]

Chart: TypeAlias = alt.Chart | alt.LayerChart | alt.FacetChart | alt.VConcatChart
_LOOK_CLOSER = "Click a category or a point, or search."
_IS_RANDOM = "datum.network == 'random'"


def by_category(
    means: pd.DataFrame, title: str, error: str = "interval", random: pd.DataFrame | None = None, split: str = "val"
) -> Chart:
    """Mean score over the layers, one small chart per category, both methods; tasks below each other (Figure 2).

    means    `tables.by_category`
    error    "interval" (95%, bootstrap over concepts) or "standard_error" (the paper's)
    random   the same table of a network with random weights, drawn grey and dashed
    """
    need(means, ["task", "layer", "category", "method", "mean", "standard_error", "n", "low", "high"])
    data = means.assign(network="trained")
    if random is not None:
        data = pd.concat([data, random.assign(network="random")])
    if error == "standard_error":
        data = data.assign(low=data["mean"] - data["standard_error"], high=data["mean"] + data["standard_error"])
    shown = categories(data["category"])
    drawn = [_one_task(rounded(data.loc[data["task"] == task]), task, shown, split) for task in means["task"].unique()]
    bars = "95% bootstrap interval" if error == "interval" else "standard error"
    note = f"Mean over the concepts of a category, {SPLITS[split]}. Bars: {bars}."
    note += " Grey and dashed: random weights." if random is not None else ""
    return part.titled(drawn[0] if len(drawn) == 1 else alt.vconcat(*drawn), title, note)


def _one_task(data: pd.DataFrame, task: str, shown: list[str], split: str) -> alt.FacetChart:
    data = data.assign(series=data["network"] + " " + data["method"])
    base = alt.Chart().encode(
        x=part.layer_axis(list(data["layer"].unique())),
        color=alt.condition(_IS_RANDOM, alt.value(OTHER), part.category(shown, legend=False)),
        opacity=part.method(data),
        detail="series:N",
    )
    # Two lines: the height of a small chart is shorter than the words.
    axis = [MEASURES[MEASURE[task]] + ",", SPLITS[split]]
    chance = min(0.5, float(data.loc[:, "low"].min()))
    scale = alt.Scale(domainMin=chance, zero=False) if task == "classification" else alt.Scale(domainMin=0)
    mean = alt.Y("mean:Q", title=axis, scale=scale, axis=alt.Axis(tickCount=4))
    told = ["category", "layer", "method", "network", *(part.number(data, c) for c in ("mean", "low", "high"))]
    dash = alt.condition(_IS_RANDOM, alt.value([4, 3]), alt.value([1, 0]))
    # A wide pale bar and a thin full one can be told apart where they overlap.
    wide = alt.condition("datum.method == 'single filter'", alt.value(5), alt.value(1.5))
    layered = alt.layer(
        base.mark_line(strokeWidth=2).encode(y=mean, strokeDash=dash),
        base.mark_rule().encode(y=alt.Y("low:Q", title=axis, scale=scale), y2="high:Q", strokeWidth=wide),
        base.mark_circle(size=44).encode(y=mean, tooltip=[*told, alt.Tooltip("n:Q", title="concepts")]),
        data=data,
    ).properties(width=165, height=120)
    present = [c for c in shown if c in set(data["category"])]
    return layered.facet(facet=_small("category", present), columns=3)


def iou_scatter(wide: pd.DataFrame, title: str, x: str = "single filter", y: str = "combination") -> Chart:
    """One point per concept: a single filter across, the combination up; above the diagonal the combination wins.

    wide   `tables.side_by_side` of a segmentation
    """
    return _scatter(wide, title, x, y, lowest=0.0)


def accuracy_scatter(wide: pd.DataFrame, title: str, x: str = "single filter", y: str = "combination") -> Chart:
    """`iou_scatter` for classification: balanced accuracy, from one half (chance)."""
    return _scatter(wide, title, x, y, lowest=0.5)


def _scatter(wide: pd.DataFrame, title: str, x: str, y: str, lowest: float) -> Chart:
    need(wide, ["name", "category", x, y])
    data = rounded(wide.assign(gain=wide[y] - wide[x]))
    low = min(lowest, float(data[[x, y]].min().min())) if len(data) else lowest
    high = float(data[[x, y]].max().max()) if len(data) else 1.0
    scale = alt.Scale(domain=[low, high], nice=True, zero=False)
    across = alt.X(part.field(x) + ":Q", title=part.measured(wide, x), scale=scale, axis=alt.Axis(tickCount=6))
    up = alt.Y(part.field(y) + ":Q", title=part.measured(wide, y), scale=scale, axis=alt.Axis(tickCount=6))
    points = alt.Chart(data).mark_circle(size=70)
    points = points.encode(
        x=across,
        y=up,
        color=part.category(categories(data["category"])),
        opacity=part.lit(0.82),
        tooltip=part.about(data, [x, y, "gain"]),
    ).add_params(part.pick(), part.find())
    ends = rounded(pd.DataFrame({x: [low, high], y: [low, high]}))
    diagonal = alt.Chart(ends).mark_line(color=OTHER, strokeDash=[4, 4], strokeWidth=1.5).encode(x=across, y=up)
    chart = alt.layer(diagonal, points, part.names_of_found(points)).properties(width=400, height=400)
    return part.titled(chart, title, f"One point per concept ({len(data)}). {_LOOK_CLOSER}", fit="square")


def concepts_bar(wide: pd.DataFrame, title: str, top: int = 15, by: str = "combination") -> Chart:
    """The `top` concepts by the column `by`, each method a bar. wide: `tables.side_by_side`."""
    need(wide, ["name", "category", by])
    best = wide.nlargest(top, by)
    long = _long(best)
    order = list(best["name"].unique())
    shown = methods(long["method"])
    chart = alt.Chart(long).mark_bar(cornerRadiusEnd=2)
    chart = chart.encode(
        y=alt.Y("name:N", sort=order, title=None),
        yOffset=alt.YOffset("method:N", sort=shown[::-1]),
        x=alt.X("value:Q", title=part.measured(wide), axis=alt.Axis(grid=True, domain=False, tickCount=6)),
        color=part.category(categories(long["category"])),
        opacity=part.method(long),
        tooltip=part.about(long, ["method", "value"]),
    ).properties(width=CHART_WIDTH, height=alt.Step(11 if len(shown) > 1 else 20))
    return part.titled(chart, title, f"The {len(best)} best of {len(wide)} concepts.")


def concept_counts(concepts: pd.DataFrame, title: str) -> Chart:
    """Images and mean area of every concept, both on a log scale.

    concepts   name, category, images, area (mean share of an image that contains the concept; missing or 1 for a
               concept that is said of whole images)
    """
    need(concepts, ["name", "category", "images", "area"])
    data = concepts[["name", "category", "images"]].assign(percent=100 * concepts["area"].fillna(1.0))
    data = rounded(data.loc[(data["images"] > 0) & (data["percent"] > 0)])
    log = alt.Scale(type="log", nice=False, padding=12)
    points = alt.Chart(data).mark_circle(size=70)
    points = points.encode(
        x=alt.X("images:Q", scale=log, title="images that contain the concept", axis=part.decades(data, "images")),
        y=alt.Y("percent:Q", scale=log, title="mean area, % of the image", axis=part.decades(data, "percent")),
        color=part.category(categories(data["category"])),
        opacity=part.lit(0.8),
        tooltip=[*part.about(data, []), alt.Tooltip("percent:Q", format=".3~g", title="area, %")],
    ).add_params(part.pick(), part.find())
    chart = alt.layer(points, part.names_of_found(points)).properties(width=CHART_WIDTH, height=340)
    return part.titled(chart, title, f"One point per concept; both axes are logarithmic. {_LOOK_CLOSER}")


def sorted_iou(wide: pd.DataFrame, title: str, by: str = "combination") -> Chart:
    """All concepts in the order of `by`, best first, every method a point. wide: `tables.side_by_side`."""
    need(wide, ["name", "category", by])
    ranked = wide.sort_values(by, ascending=False, kind="stable").assign(rank=range(1, len(wide) + 1))
    long = _long(ranked)
    across = alt.Scale(domain=[0, len(wide) + 1], nice=False)
    points = alt.Chart(long).mark_circle(size=42)
    points = points.encode(
        x=alt.X("rank:Q", title=f"concepts, best {by} first", scale=across),
        y=alt.Y("value:Q", title=part.measured(wide)),
        color=part.category(categories(long["category"])),
        opacity=alt.when(part.chosen()).then(part.method(long)).otherwise(alt.value(0.06)),
        tooltip=part.about(long, ["method", "value", "rank"]),
    ).add_params(part.pick(), part.find())
    stems = alt.Chart(long).mark_rule(color=OTHER, opacity=0.3)
    stems = stems.encode(x="rank:Q", y=alt.Y("min(value):Q", title=part.measured(wide)), y2="max(value):Q")
    chart = alt.layer(stems, points).properties(width=CHART_WIDTH, height=280)
    return part.titled(chart, title, f"Every concept once. {_LOOK_CLOSER}")


def histogram(
    values: pd.DataFrame,
    column: str,
    title: str,
    axis: str,
    by: str | None = None,
    at: float | None = None,
    fmt: str = ".3~g",
) -> Chart:
    """How many filters (rows) have which value of `column`; small charts along `by`; a dashed line `at` a value.

    fmt   of the values: ".3~g" three digits, ".2%" percent
    """
    need(values, [column] if by is None else [column, by])
    data = rounded(values.loc[:, [column] if by is None else [column, by]].dropna())
    name, bins = part.field(column) + ":Q", alt.Bin(maxbins=30)
    ticks = alt.Axis(format=fmt, tickCount=3 if by else 6, labelFlush=True, labelOverlap="greedy", labelSeparation=10)
    bars = alt.Chart().mark_bar(color=INK, opacity=0.6, binSpacing=1)
    bars = bars.encode(
        x=alt.X(name, bin=bins, title=None if by else axis, axis=ticks),
        y=alt.Y("count():Q", title="filters", axis=alt.Axis(tickCount=3 if by else 6)),
        tooltip=[alt.Tooltip(name, bin=bins, title=axis, format=fmt), alt.Tooltip("count():Q", title="filters")],
    )
    parts: list[Any] = [bars]
    if at is not None:
        parts.append(alt.Chart().mark_rule(color=OTHER, strokeDash=[5, 4], strokeWidth=2).encode(x=alt.datum(at)))
    layered = alt.layer(*parts, data=data)
    if by is None:
        return part.titled(layered.properties(width=CHART_WIDTH, height=200), title)
    small = layered.properties(width=165, height=90).facet(facet=_small(by, list(data[by].unique())), columns=3)
    return part.titled(small, title, f"Across: {axis}.")


def lines(
    values: pd.DataFrame, x: str, y: str, title: str, axes: tuple[str, str], series: str = "category", log: bool = False
) -> Chart:
    """`y` against `x` (tau, epoch, number of filters), one line per `series`; with low and high, a band around it.

    A series called "category" has its fixed colors, "method" is light and full; a series value that starts with
    "random" or "chance" is grey and dashed, with "published" hollow.
    """
    need(values, [x, y, series])
    data = rounded(values.loc[:, [x, y, series, *_interval(values)]])
    scale = alt.Scale(type="log", nice=False, padding=8) if log else alt.Scale(zero=False, nice=False, padding=8)
    steps = sorted(data[x].unique())
    ticks = alt.Axis(values=steps, format="~g") if len(steps) <= 9 else alt.Axis(tickCount=7)
    base = alt.Chart(data).encode(
        x=alt.X(part.field(x) + ":Q", scale=scale, title=axes[0], axis=ticks), **part.series_channels(data, series)
    )
    up = alt.Y(part.field(y) + ":Q", title=axes[1], axis=alt.Axis(tickCount=6))
    dash = alt.condition(f"test(/^(random|chance)/, datum['{series}'])", alt.value([5, 4]), alt.value([1, 0]))
    fill = alt.condition(f"test(/^published/, datum['{series}'])", alt.value(0), alt.value(1))
    told = [f"{part.field(series)}:N", part.number(data, x, ".4~g"), part.number(data, y, ".3~g")]
    parts: list[Any] = [
        base.mark_line(strokeWidth=2).encode(y=up, strokeDash=dash),
        base.mark_point(size=42, filled=True, strokeWidth=2, opacity=1).encode(y=up, fillOpacity=fill, tooltip=told),
    ]
    if _interval(data):
        parts.insert(0, base.mark_area(fillOpacity=0.15).encode(y=alt.Y("low:Q", title=axes[1]), y2="high:Q"))
    return part.titled(alt.layer(*parts).properties(width=CHART_WIDTH, height=260), title)


def published_beside_ours(beside: pd.DataFrame, title: str, axis: str) -> Chart:
    """Published numbers hollow, this run filled (with its interval where given), layer by layer; tasks side by side.

    beside   `tables.beside_published`: task, layer, published, this run (low, high)
    """
    need(beside, ["task", "layer", "published", "this run"])
    data = rounded(beside)
    base = alt.Chart().encode(x=part.layer_axis(list(data["layer"].unique())))
    scale = alt.Scale(zero=False, nice=True, padding=8)
    parts: list[Any] = []
    if _interval(data):
        bar = base.mark_rule(color=INK, strokeWidth=5, opacity=0.28, strokeCap="round")
        parts.append(bar.encode(y=alt.Y("low:Q", title=axis, scale=scale), y2="high:Q"))
    sources = ["published", "this run"]
    fill = alt.Scale(domain=sources, range=["transparent", INK])
    marks = base.transform_fold(["published", "this run"], as_=["source", "value"]).mark_point(
        size=95, strokeWidth=2, opacity=1
    )
    marks = marks.encode(
        y=alt.Y("value:Q", title=axis, scale=scale),
        stroke=alt.value(INK),
        fill=alt.Fill("source:N", scale=fill, legend=alt.Legend(title=None, symbolStrokeColor=INK)),
        tooltip=[part.number(data, column, ".3~g") for column in data],
    )
    layered = alt.layer(*parts, marks, data=data).properties(width=265, height=220)
    small = layered.facet(facet=_small("task", list(data["task"].unique())), columns=2)
    note = "Hollow: published. Filled: this run" + (", with its 95% interval." if _interval(data) else ".")
    return part.titled(small, title, note)


def _long(wide: pd.DataFrame) -> pd.DataFrame:
    """One row per concept and method, of a table with one column per method."""
    kept = [c for c in ("rank", "name", "category", "images") if c in wide]
    shown = methods(wide.columns.difference([*CONCEPT, *kept]))
    return rounded(wide.melt(id_vars=kept, value_vars=shown, var_name="method"))


def _interval(data: pd.DataFrame) -> list[str]:
    return ["low", "high"] if {"low", "high"} <= set(data) else []


def _small(column: str, order: list[str]) -> alt.Facet:
    """One small chart per value of `column`, in this order; its name above it."""
    return alt.Facet(part.field(column) + ":N", sort=order, title=None, header=alt.Header(title=None))
