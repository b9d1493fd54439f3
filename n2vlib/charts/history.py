"""Detectors and scores of networks in the order of training (Network Dissection, Figures 18 and 20)."""

from typing import Any

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import CHART_WIDTH, categories
from n2vlib.tables import need


@part.drawn
def along_training(counts: pd.DataFrame, scores: pd.DataFrame, title: str, note: str = "") -> part.Chart:
    """Unique detectors by category above, scores below, against the number of steps (the axis is not to scale).

    counts   steps, category, unique_detectors: one row for each, zeros included
    scores   steps, score, value; if empty, the upper chart alone
    """
    need(counts, ["steps", "category", "unique_detectors"])
    need(scores, ["steps", "score", "value"])
    shown = categories(counts["category"])
    data = part.rows(counts.loc[:, ["steps", "category", "unique_detectors"]])
    color = part.category(shown)
    upper: Any = _lines(data, "unique_detectors", "unique detectors", color, "category")
    upper = upper.encode(opacity=alt.when(part.pick()).then(alt.value(1)).otherwise(alt.value(0.12)))
    upper = upper.add_params(part.pick()).properties(width=CHART_WIDTH, height=230)
    if scores.empty:
        return part.titled(upper, title, note)
    below = part.rows(scores.loc[:, ["steps", "score", "value"]])
    lines = part.series_channels(below, "score")["color"]
    lower = _lines(below, "value", "score", lines, "score").properties(width=CHART_WIDTH, height=120)
    both = alt.vconcat(upper, lower).resolve_scale(color="independent")
    return part.titled(both, title, note)


def _lines(data: pd.DataFrame, value: str, words: str, color: Any, series: str) -> Any:
    across = alt.X("steps:O", title="training steps", axis=alt.Axis(labelAngle=0), scale=alt.Scale(padding=0.3))
    up = alt.Y(f"{value}:Q", title=words, scale=alt.Scale(domainMin=0), axis=alt.Axis(tickCount=5))
    tip = ["steps:O", f"{series}:N", part.number(data, value)]
    return alt.Chart(data).mark_line(point=alt.OverlayMarkDef(size=45)).encode(x=across, y=up, color=color, tooltip=tip)
