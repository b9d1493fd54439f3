"""Unique detectors by category: a stacked bar for each network, layer or setting (Network Dissection, Figures 6-20)."""

from typing import Any

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import CHART_WIDTH, categories
from n2vlib.tables import need


@part.drawn
def unique_by(
    table: pd.DataFrame,
    x: str,
    title: str,
    value: str = "unique_detectors",
    axis: str = "unique detectors",
    by: str | None = None,
) -> part.Chart:
    """One bar for each value of the column `x`, in the table's order, stacked by category, with its sum beside it.

    table   x, category and `value`, one row per bar and category; rows of category "total" are left out
    axis    title of the axis of `value`
    by      one small chart for each value of this column, below each other, each with its own axis
    """
    need(table, [x, "category", value, *([by] if by else [])])
    rows = table.loc[table["category"] != "total", [*([by] if by else []), x, "category", value]]
    data = part.rows(rows)
    shown = categories(data["category"])
    data["rank"] = data["category"].map(shown.index)
    groups = list(data[by].unique()) if by else [None]
    wide = max(map(len, data[x].astype(str)), default=0)
    charts: list[Any] = [
        _bars(data if group is None else data.loc[data[by] == group], x, value, axis, shown, wide) for group in groups
    ]
    charts[0] = charts[0].add_params(part.pick())  # once: the charts share the legend
    if by is None:
        return part.titled(charts[0], title)
    named = [
        chart.properties(title=alt.TitleParams(str(name), fontSize=12))
        for chart, name in zip(charts, groups, strict=True)
    ]
    return part.titled(alt.vconcat(*named), title)


def _bars(data: pd.DataFrame, x: str, value: str, axis: str, shown: list[str], wide: int) -> Any:
    order = list(data[x].unique())
    base = alt.Chart(data).encode(
        y=alt.Y(part.field(x) + ":N", sort=order, title=None, axis=alt.Axis(labelLimit=260, grid=False)),
    )
    name = part.field(value)
    across = {"title": axis, "axis": alt.Axis(format="d", tickCount=6, grid=True, tickMinStep=1)}
    tip = [
        alt.Tooltip(f"{part.field(x)}:N"), alt.Tooltip("category:N"), alt.Tooltip(f"{name}:Q", title=axis, format="d"),
    ]  # fmt: skip
    bars = base.mark_bar(stroke="white", strokeWidth=0.6).encode(
        x=alt.X(f"{name}:Q", stack="zero", **across),
        color=part.category(shown),
        order=alt.Order("rank:Q"),
        opacity=alt.when(part.pick()).then(alt.value(0.95)).otherwise(alt.value(0.15)),
        tooltip=tip,
    )
    sums = base.mark_text(align="left", dx=5).encode(
        x=alt.X(f"sum({name}):Q", **across), text=alt.Text(f"sum({name}):Q", format="d")
    )
    width = CHART_WIDTH - min(260, 7 * wide)
    return alt.layer(bars, sums).properties(width=width, height=alt.Step(22))


@part.drawn
def iou_by_detectors(table: pd.DataFrame, title: str, note: str = "") -> part.Chart:
    """Mean dissection IoU of a concept's detectors against their number, one point per concept (Figure 10).

    table   name, category, detectors, dissection_iou
    """
    need(table, ["name", "category", "detectors", "dissection_iou"])
    data = part.rows(table.loc[:, ["name", "category", "detectors", "dissection_iou"]])
    across = alt.X("detectors:Q", title="detectors of the concept", scale=alt.Scale(domainMin=0, nice=True))
    up = alt.Y(
        "dissection_iou:Q", title="mean dissection IoU of its detectors", scale=alt.Scale(zero=False, padding=12)
    )
    points = alt.Chart(data).mark_circle(size=75)
    points = points.encode(
        x=across.axis(tickMinStep=1, tickCount=8), y=up.axis(tickCount=6),
        color=part.category(categories(data["category"])), opacity=part.lit(0.8),
        tooltip=part.about(data, ["detectors", "dissection_iou"]),
    ).add_params(part.pick(), part.find())  # fmt: skip
    chart = alt.layer(points, part.names_of_found(points)).properties(width=CHART_WIDTH, height=280)
    return part.titled(chart, title, f"One point per concept. {note} {part.LOOK_CLOSER}".replace("  ", " "))
