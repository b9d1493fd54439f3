"""The claims of a paper: the measured effect of each, its interval, the criterion, and the published number."""

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import CHART_WIDTH, COLORS, INK, OTHER
from n2vlib.tables import need

SHAPES = {"yes": "circle", "undecided": "diamond", "no": "cross"}
_SHADES = {"yes": INK, "undecided": OTHER, "no": COLORS[5]}
_FIELDS = ["id", "section", "claim", "number", "value", "low", "high", "criterion", "published", "holds", "note"]


@part.drawn
def forest(found: pd.DataFrame, title: str, axis: str, log: bool = False) -> part.Chart:
    """One row per claim: the effect with its interval, the criterion as a tick, the published number hollow.

    found   measured rows of `claims.check`, all with the same unit
    axis    that unit, in words;  log: for ratios
    """
    need(found, _FIELDS)
    data = part.rows(found.loc[:, _FIELDS].assign(name=found["section"] + "  " + found["id"].str.replace("-", " ")))
    rows = alt.Y("name:N", sort=list(data["name"]), title=None, axis=alt.Axis(labelLimit=235, grid=True))
    base = alt.Chart(data).encode(y=rows)
    kind = alt.Scale(type="log", nice=False, padding=12) if log else alt.Scale(zero=False, padding=12)
    across = {"title": axis, "scale": kind, "axis": alt.Axis(tickCount=6, grid=True)}
    tip = [alt.Tooltip(c, format=".3~g") if data[c].dtype.kind == "f" else alt.Tooltip(c) for c in _FIELDS]
    shown = [verdict for verdict in SHAPES if verdict in set(data["holds"])]
    shape = alt.Shape(
        "holds:N",
        scale=alt.Scale(domain=shown, range=[SHAPES[v] for v in shown]),
        legend=alt.Legend(title="holds", symbolOpacity=1),
    )
    shades = alt.Scale(domain=shown, range=[_SHADES[v] for v in shown])
    color = alt.Color("holds:N", scale=shades, legend=alt.Legend(title="holds", symbolOpacity=1))
    chart = alt.layer(
        base.mark_rule(strokeWidth=5, opacity=0.28, strokeCap="round").encode(
            x=alt.X("low:Q", **across), x2="high:Q", color=color
        ),
        base.mark_tick(color=OTHER, thickness=2.5, size=15).encode(x=alt.X("criterion:Q", **across)),
        base.mark_point(color=INK, size=70, strokeWidth=1.8, opacity=1).encode(x=alt.X("published:Q", **across)),
        base.mark_point(size=85, filled=True, opacity=1).encode(
            x=alt.X("value:Q", **across), shape=shape, color=color, tooltip=tip
        ),
    ).properties(width=CHART_WIDTH, height=alt.Step(21))
    note = "Filled: this run, with its 95% interval. Hollow: published. Upright tick: the criterion."
    return part.titled(chart, title, note)
