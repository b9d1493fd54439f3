"""Networks as points between two measures."""

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.look import INK, rounded
from n2vlib.tables import need


def networks_in_plane(
    rows: pd.DataFrame, x: str, y: str, title: str, axes: tuple[str, str], panel: str = "panel"
) -> part.Chart:
    """One named point for each network, with `low` and `high` of y as a bar; one small chart for each `panel`."""
    need(rows, [panel, "label", x, y, "low", "high"])
    data = rounded(rows.loc[:, [panel, "label", x, y, "low", "high"]])
    across = alt.X(
        part.field(x) + ":Q", title=axes[0], scale=alt.Scale(zero=False, padding=24), axis=alt.Axis(tickCount=5)
    )
    up = alt.Scale(zero=False)
    base = alt.Chart().encode(x=across)
    told = [
        "label:N",
        part.number(data, x, ".3~g"),
        part.number(data, y),
        part.number(data, "low"),
        part.number(data, "high"),
    ]
    layered = alt.layer(
        base.mark_rule(color=INK, opacity=0.5).encode(y=alt.Y("low:Q", title=axes[1], scale=up), y2="high:Q"),
        base.mark_circle(color=INK, size=60, opacity=1).encode(
            y=alt.Y(part.field(y) + ":Q", title=axes[1]), tooltip=told
        ),
        base.mark_text(dy=-9, fontSize=10).encode(y=alt.Y(part.field(y) + ":Q", title=axes[1]), text="label:N"),
        data=data,
    ).properties(width=265, height=230)
    small = layered.facet(facet=part.small(panel, list(data[panel].unique())), columns=2)
    return part.titled(
        small.resolve_scale(y="independent"), title, "One point per network, with the interval over images."
    )
