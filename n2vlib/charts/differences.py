"""Differences between two ways to measure the same thing, one per row, with intervals."""

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import CHART_WIDTH, INK, OTHER
from n2vlib.tables import need


@part.drawn
def differences(table: pd.DataFrame, title: str, name: str, axis: str, note: str = "") -> part.Chart:
    """`difference` of every row with low and high, in the order of the table; a dashed line at 0.

    table   the column `name`, difference, low and high
    axis    title of the axis: what is measured, and which direction is more
    """
    need(table, [name, "difference", "low", "high"])
    data = part.rows(table.loc[:, [name, "difference", "low", "high"]])
    names = alt.Y(part.field(name) + ":N", sort=list(data[name]), title=None, axis=alt.Axis(labelLimit=260))
    base = alt.Chart(data).encode(y=names)
    ticks = alt.Axis(tickCount=5, labelOverlap="greedy", labelSeparation=8)
    across = alt.X("low:Q", title=axis, axis=ticks)
    tip = [part.field(name) + ":N", *(part.number(data, column, "+.4f") for column in ("difference", "low", "high"))]
    zero = alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(color=OTHER, strokeDash=[4, 4], strokeWidth=1.5)
    chart = alt.layer(
        zero.encode(x="x:Q"),
        base.mark_rule(color=INK, strokeWidth=2).encode(x=across, x2="high:Q"),
        base.mark_circle(color=INK, size=80, opacity=1).encode(
            x=alt.X("difference:Q", title=axis, axis=ticks), tooltip=tip
        ),
    ).properties(width=CHART_WIDTH - 200, height=alt.Step(28))
    return part.titled(chart, title, note)
