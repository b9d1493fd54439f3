"""Raters' votes on the labels of filters, by layer and category (Network Dissection TPAMI, Table 3)."""

from typing import Any

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import categories
from n2vlib.tables import need


@part.drawn
def votes(table: pd.DataFrame, title: str, note: str = "") -> part.Chart:
    """Share of yes over the layers, a small chart for each category ("all" first), a line for each series.

    table   layer, category, series, share, filters (the area of a point); missing shares are left out
    Series are styled as in `charts.by_layer`.
    """
    need(table, ["layer", "category", "series", "share", "filters"])
    data = part.rows(table.loc[:, ["layer", "category", "series", "share", "filters"]].dropna(subset=["share"]))
    shown = [name for name in ("all",) if name in set(data["category"])]
    shown += categories(set(data["category"]) - {"all"})
    base = alt.Chart().encode(
        x=part.layer_axis(list(table["layer"].unique())),
        y=alt.Y(
            "share:Q", title="share of yes", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=4)
        ),
        **part.series_channels(data, "series"),
        detail="series:N",
    )
    tip = ["category:N", "layer:N", "series:N", alt.Tooltip("share:Q", format=".0%"), "filters:Q"]
    area = alt.Size("filters:Q", scale=alt.Scale(type="sqrt", range=[12, 130]), legend=None)
    marks: list[Any] = [
        base.mark_line(strokeWidth=2).encode(strokeDash=part.dashes(data, "series")),
        base.mark_circle(opacity=1).encode(size=area, tooltip=tip),
    ]
    small = alt.layer(*marks, data=data).properties(width=165, height=110)
    return part.titled(small.facet(facet=part.small("category", shown), columns=3), title, note)
