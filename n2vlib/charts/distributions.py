"""Charts of counts and sizes, and of one number against another."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import CHART_WIDTH, INK, OTHER, categories
from n2vlib.tables import need


@part.drawn
def concept_counts(concepts: pd.DataFrame, title: str) -> part.Chart:
    """Images and mean area of every concept, both on a log scale.

    concepts   name, category, images, area (mean share of an image that contains the concept; missing or 1 for a
               concept that labels whole images)
    """
    need(concepts, ["name", "category", "images", "area"])
    data = concepts[["name", "category", "images"]].assign(percent=100 * concepts["area"].fillna(1.0))
    data = part.rows(data.loc[(data["images"] > 0) & (data["percent"] > 0)])
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
    return part.titled(chart, title, f"One point per concept; both axes are logarithmic. {part.LOOK_CLOSER}")


@part.drawn
def histogram(
    values: pd.DataFrame,
    column: str,
    title: str,
    axis: str,
    by: str | None = None,
    at: float | None = None,
    fmt: str = ".3~g",
    rows: str = "filters",
) -> part.Chart:
    """Histogram of `column` over filters (rows); one small chart per value of `by`; a dashed line `at` a value.

    rows  what the rows are, if not filters
    fmt   format of the values: ".3~g" three digits, ".2%" percent
    """
    need(values, [column] if by is None else [column, by])
    data = part.rows(values.loc[:, [column] if by is None else [column, by]].dropna())
    name, bins = part.field(column) + ":Q", alt.Bin(maxbins=30)
    ticks = alt.Axis(format=fmt, tickCount=3 if by else 6, labelFlush=True, labelOverlap="greedy", labelSeparation=10)
    bars = alt.Chart().mark_bar(color=INK, opacity=0.6, binSpacing=1)
    bars = bars.encode(
        x=alt.X(name, bin=bins, title=None if by else axis, axis=ticks),
        y=alt.Y("count():Q", title=rows, axis=alt.Axis(tickCount=3 if by else 6)),
        tooltip=[alt.Tooltip(name, bin=bins, title=axis, format=fmt), alt.Tooltip("count():Q", title=rows)],
    )
    parts: list[Any] = [bars]
    if at is not None:
        parts.append(alt.Chart().mark_rule(color=OTHER, strokeDash=[5, 4], strokeWidth=2).encode(x=alt.datum(at)))
    layered = alt.layer(*parts, data=data)
    if by is None:
        return part.titled(layered.properties(width=CHART_WIDTH, height=200), title)
    small = layered.properties(width=165, height=90).facet(facet=part.small(by, list(data[by].unique())), columns=3)
    return part.titled(small, title, f"Across: {axis}.")


@part.drawn
def lines(
    values: pd.DataFrame, x: str, y: str, title: str, axes: tuple[str, str], series: str = "category", log: bool = False
) -> part.Chart:
    """`y` against `x` (tau, epoch, number of filters), one line per `series`; with low and high, a band around it.

    The series "category" has its fixed colors, "method" is light and full. Values that start with "random" or "chance"
    are dashed (and grey, unless they name their series: "chance, segmentation"), those with "published" hollow.
    """
    need(values, [x, y, series])
    data = part.rows(values.loc[:, [x, y, series, *part.interval(values)]])
    scale = alt.Scale(type="log", nice=False, padding=8) if log else alt.Scale(zero=False, nice=False, padding=8)
    steps = sorted(data[x].unique())
    ticks = alt.Axis(values=steps, format=".4~g") if len(steps) <= 9 else alt.Axis(tickCount=7)
    base = alt.Chart(data).encode(
        x=alt.X(part.field(x) + ":Q", scale=scale, title=axes[0], axis=ticks), **part.series_channels(data, series)
    )
    up = alt.Y(part.field(y) + ":Q", title=axes[1], axis=alt.Axis(tickCount=6))
    fill = alt.condition(f"test(/^published/, datum['{series}'])", alt.value(0), alt.value(1))
    tip = [f"{part.field(series)}:N", part.number(data, x, ".4~g"), part.number(data, y, ".3~g")]
    parts: list[Any] = [
        base.mark_line(strokeWidth=2).encode(y=up, strokeDash=part.dashes(data, series)),
        base.mark_point(size=42, filled=True, strokeWidth=2, opacity=1).encode(y=up, fillOpacity=fill, tooltip=tip),
    ]
    if part.interval(data):
        parts.insert(0, base.mark_area(fillOpacity=0.15).encode(y=alt.Y("low:Q", title=axes[1]), y2="high:Q"))
    return part.titled(alt.layer(*parts).properties(width=CHART_WIDTH, height=260), title)


@part.drawn
def scatter(
    values: pd.DataFrame,
    x: str,
    y: str,
    title: str,
    axes: tuple[str, str],
    tip: Sequence[str] = (),
    at: float | None = None,
    note: str = "",
) -> part.Chart:
    """One point for each row, `x` across and `y` up, with the line of least squares; a dashed line `at` a value of y.

    tip   further columns that a point tells, such as its filter and formula
    """
    need(values, [x, y, *tip])
    data = part.rows(values.loc[:, [x, y, *tip]].dropna(subset=[x, y]))
    scale = alt.Scale(zero=False, nice=True, padding=8)
    across = alt.X(part.field(x) + ":Q", scale=scale, title=axes[0], axis=alt.Axis(tickCount=6))
    up = alt.Y(part.field(y) + ":Q", scale=scale, title=axes[1], axis=alt.Axis(tickCount=6))
    told = [alt.Tooltip(part.field(name)) for name in tip] + [part.number(data, name, ".3~g") for name in (x, y)]
    base = alt.Chart(data).encode(x=across, y=up)
    parts: list[Any] = [base.mark_circle(size=44, opacity=0.6, color=INK).encode(tooltip=told)]
    if len(set(data[x])) > 1:
        parts.append(alt.Chart(_least_squares(data, x, y)).mark_line(color=INK, strokeWidth=2).encode(x=across, y=up))
    if at is not None:
        rule = alt.Chart(data.head(1)).mark_rule(color=OTHER, strokeDash=[5, 4], strokeWidth=2)
        parts.append(rule.encode(y=alt.datum(at)))
    return part.titled(alt.layer(*parts).properties(width=CHART_WIDTH, height=300), title, note)


def _least_squares(data: pd.DataFrame, x: str, y: str) -> pd.DataFrame:
    """The ends of the line that is closest to the points in y."""
    slope, start = np.polyfit(data[x].astype(float), data[y].astype(float), 1)
    ends = np.array([min(data[x]), max(data[x])], float)
    return part.rows(pd.DataFrame({x: ends, y: start + slope * ends}))
