"""Several measurements of one thing beside each other in a row: what is left, and what was lost."""

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.look import CHART_WIDTH, OTHER, rounded
from n2vlib.tables import need

_SHAPES = ("circle", "diamond", "square", "triangle-up")


def in_rows(
    table: pd.DataFrame, y: str, x: str, series: str, title: str, axis: str, at: float | None = None, note: str = ""
) -> part.Chart:
    """One row for each value of `y`, one mark for each `series`; with low and high, an interval at each.

    axis   what `x` is, in words      at   where a dashed line stands: chance, or nothing lost
    """
    need(table, [y, x, series])
    data = rounded(table.loc[:, [y, x, series, *part.interval(table)]].dropna(subset=[x]))
    names = list(data[series].unique())
    rows = alt.Y(part.field(y) + ":N", sort=list(data[y].unique()), title=None, axis=alt.Axis(labelLimit=230))
    side = alt.YOffset(part.field(series) + ":N", sort=names)  # intervals would hide each other on one line
    base = alt.Chart(data).encode(y=rows, **part.series_channels(data, series))
    ticks = alt.Axis(tickCount=6, labelOverlap="greedy")
    across = alt.X(part.field(x) + ":Q", title=axis, axis=ticks, scale=alt.Scale(zero=False, nice=True))
    shape = alt.Shape(
        part.field(series) + ":N", scale=alt.Scale(domain=names, range=_SHAPES[: len(names)]), legend=None
    )
    told = [f"{part.field(y)}:N", f"{part.field(series)}:N", *(part.number(data, c) for c in (x, *part.interval(data)))]
    marks = base.mark_point(size=70, filled=True, opacity=1).encode(x=across, shape=shape, tooltip=told)
    layers: list = [marks]
    if part.interval(data):
        bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=axis, axis=ticks), x2="high:Q", yOffset=side)
        layers = [bars, marks.encode(yOffset=side)]
    if at is not None:
        line = alt.Chart(pd.DataFrame({"x": [at]})).mark_rule(color=OTHER, strokeDash=[4, 4], strokeWidth=1.5)
        layers.insert(0, line.encode(x=alt.X("x:Q", title=axis, axis=ticks)))
    step = alt.Step(30 if part.interval(data) else 20, **{"for": "position"} if part.interval(data) else {})
    return part.titled(alt.layer(*layers).properties(width=CHART_WIDTH - 160, height=step), title, note)
