"""Accuracy that is left or lost when filters are set to zero: against their number, and in rows."""

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import CHART_WIDTH, OTHER
from n2vlib.tables import need
from n2vlib.vocabulary import SPLITS

_SHAPES = ("circle", "diamond", "square", "triangle-up")


@part.drawn
def in_rows(
    table: pd.DataFrame, y: str, x: str, series: str, title: str, axis: str, at: float | None = None, note: str = ""
) -> part.Chart:
    """One row for each value of `y`, one mark for each `series`; with low and high, an interval at each.

    axis   title of the x axis      at   position of a dashed line: chance, or no loss
    """
    need(table, [y, x, series])
    data = part.rows(table.loc[:, [y, x, series, *part.interval(table)]].dropna(subset=[x]))
    names = list(data[series].unique())
    rows = alt.Y(part.field(y) + ":N", sort=list(data[y].unique()), title=None, axis=alt.Axis(labelLimit=230))
    side = alt.YOffset(part.field(series) + ":N", sort=names)  # intervals would hide each other on one line
    base = alt.Chart(data).encode(y=rows, **part.series_channels(data, series))
    ticks = alt.Axis(tickCount=6, labelOverlap="greedy")
    across = alt.X(part.field(x) + ":Q", title=axis, axis=ticks, scale=alt.Scale(zero=False, nice=True))
    shape = alt.Shape(
        part.field(series) + ":N", scale=alt.Scale(domain=names, range=_SHAPES[: len(names)]), legend=None
    )
    tip = [f"{part.field(y)}:N", f"{part.field(series)}:N", *(part.number(data, c) for c in (x, *part.interval(data)))]
    marks = base.mark_point(size=70, filled=True, opacity=1).encode(x=across, shape=shape, tooltip=tip)
    layers: list = [marks]
    if part.interval(data):
        bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=axis, axis=ticks), x2="high:Q", yOffset=side)
        layers = [bars, marks.encode(yOffset=side)]
    if at is not None:
        line = alt.Chart(pd.DataFrame({"x": [at]})).mark_rule(color=OTHER, strokeDash=[4, 4], strokeWidth=1.5)
        layers.insert(0, line.encode(x=alt.X("x:Q", title=axis, axis=ticks)))
    step = alt.Step(30 if part.interval(data) else 20, **{"for": "position"} if part.interval(data) else {})
    return part.titled(alt.layer(*layers).properties(width=CHART_WIDTH - 160, height=step), title, note)


@part.drawn
def accuracy_by_removed(points: pd.DataFrame, title: str, note: str = "") -> part.Chart:
    """Balanced accuracy against the number of filters set to zero, one line for each way to choose them; chance dashed.

    points   way, n, accuracy, low, high
    """
    need(points, ["way", "n", "accuracy", "low", "high"])
    data = part.rows(points.loc[:, ["way", "n", "accuracy", "low", "high"]])
    ticks = alt.Axis(values=sorted(data["n"].unique()), format="d")
    log = alt.Scale(type="log", base=2, nice=False, padding=8)
    words, scale = f"balanced accuracy, {SPLITS['val']}", alt.Scale(domain=[min(0.5, *data["low"]), 1], nice=True)
    base = alt.Chart(data).encode(
        x=alt.X("n:Q", title="filters set to zero", axis=ticks, scale=log), **part.series_channels(data, "way")
    )
    up = alt.Y("accuracy:Q", title=words, scale=scale, axis=alt.Axis(tickCount=6))
    tip = ["way:N", "n:Q", *(part.number(data, column) for column in ("accuracy", "low", "high"))]
    chance = alt.Chart(pd.DataFrame({"y": [0.5]})).mark_rule(color=OTHER, strokeDash=[2, 3])
    chart = alt.layer(
        chance.encode(y=alt.Y("y:Q", title=words, scale=scale)),
        base.mark_rule(strokeWidth=5, opacity=0.3, strokeCap="round").encode(
            y=alt.Y("low:Q", title=words), y2="high:Q"
        ),
        base.mark_line(strokeWidth=2).encode(y=up, strokeDash=part.dashes(data, "way")),
        base.mark_point(size=42, filled=True, opacity=1).encode(y=up, tooltip=tip),
    )
    return part.titled(chart.properties(width=CHART_WIDTH, height=260), title, note)
