"""Networks in the order of one measure, placed by another, to see whether the two rise together."""

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import INK
from n2vlib.tables import need


@part.drawn
def networks_in_order(
    rows: pd.DataFrame, order: str, measure: str, title: str, axis: str, panel: str = "panel"
) -> part.Chart:
    """One row per network, sorted by `order` (in brackets), highest first, a point at its `measure`; charts by `panel`.

    rows   label, panel, the columns `order` and `measure`, and low and high of the measure
    """
    need(rows, ["label", panel, order, measure, "low", "high"])
    data = part.rows(rows.sort_values(order, ascending=False, kind="stable"))
    data["network"] = [f"{label} ({number})" for label, number in zip(data["label"], data[order], strict=True)]
    base = alt.Chart().encode(
        y=alt.Y("network:N", sort=list(dict.fromkeys(data["network"])), title=None, axis=alt.Axis(labelLimit=260))
    )
    tip = ["network:N", *(part.number(data, column) for column in (measure, "low", "high"))]
    scale = alt.Scale(zero=False)
    layered = alt.layer(
        base.mark_rule(color=INK, strokeWidth=2).encode(x=alt.X("low:Q", title=axis, scale=scale), x2="high:Q"),
        base.mark_circle(color=INK, size=70, opacity=1).encode(
            x=alt.X(part.field(measure) + ":Q", title=axis, scale=scale, axis=alt.Axis(tickCount=5)), tooltip=tip
        ),
        data=data.loc[:, ["network", panel, measure, "low", "high"]],
    ).properties(width=230, height=alt.Step(26))
    small = layered.facet(facet=part.small(panel, list(data[panel].unique())), columns=2)
    note = f"In brackets: {order}; most on top. Bars: 95% interval."
    return part.titled(small.resolve_scale(x="independent"), title, note)
