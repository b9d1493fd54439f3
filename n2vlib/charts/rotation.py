"""Unique detectors of rotated layers, stacked by category (Network Dissection TPAMI, Figures 6 and 8)."""

from typing import Any

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import CHART_WIDTH, INK, categories
from n2vlib.tables import need


@part.drawn
def unique_by_turn(counts: pd.DataFrame, x: str, title: str, axis: str, by: str | None = None) -> part.Chart:
    """One vertical bar for each value of `x`: mean unique detectors over the rotations, with the range of their sums.

    counts   x, rotation, category, unique_detectors: one row for each, zeros included, in the order to be shown
    by       small charts side by side, one for each value of this column
    """
    need(counts, [x, "rotation", "category", "unique_detectors", *([by] if by else [])])
    order, groups = list(counts[x].unique()), list(counts[by].unique()) if by else [None]
    within = [x] if by is None else [by, x]
    bars: Any = counts.groupby([*within, "category"], sort=False, as_index=False)["unique_detectors"].mean()
    sums: Any = counts.groupby([*within, "rotation"], sort=False, as_index=False)["unique_detectors"].sum()
    sums = sums.groupby(within, sort=False)["unique_detectors"].agg(["mean", "min", "max", "size"]).reset_index()
    top, shown = float(max(sums["max"])), categories(counts["category"])
    drawn: list[Any] = []
    for group in groups:
        mine = [data if group is None else data.loc[data[by] == group] for data in (bars, sums)]
        chart = _bars(part.rows(mine[0]), part.rows(mine[1]), x, axis, order, shown, top, len(groups))
        drawn.append(chart if group is None else chart.properties(title=alt.TitleParams(str(group), fontSize=12)))
    note = "Bars: mean over rotations; lines: their fewest and most." if int(max(sums["size"])) > 1 else ""
    drawn[0] = drawn[0].add_params(part.pick())  # once: the charts share it, and a second would be a duplicate
    return part.titled(drawn[0] if by is None else alt.hconcat(*drawn), title, note)


def _bars(
    data: pd.DataFrame, sums: pd.DataFrame, x: str, axis: str, order: list, shown: list[str], top: float, beside: int
) -> Any:
    data = data.assign(rank=data["category"].map(shown.index))
    labels = alt.Axis(labelAngle=0 if max(map(len, map(str, order))) * len(order) <= 40 / beside else -35, grid=False)
    across = alt.X(f"{part.field(x)}:O", sort=order, title=axis, axis=labels)
    words, scale = "unique detectors", alt.Scale(domain=[0, 1.08 * top])
    tip = [f"{part.field(x)}:O", "category:N", part.number(data, "unique_detectors", ".1f")]
    bars = alt.Chart(data).mark_bar(stroke="white", strokeWidth=0.6)
    bars = bars.encode(
        x=across,
        y=alt.Y("unique_detectors:Q", title=words, stack="zero", scale=scale, axis=alt.Axis(tickCount=6)),
        color=part.category(shown),
        order=alt.Order("rank:Q"),
        opacity=alt.when(part.pick()).then(alt.value(0.95)).otherwise(alt.value(0.15)),
        tooltip=tip,
    )
    spread = alt.Chart(sums.loc[sums["size"] > 1]).mark_rule(color=INK, strokeWidth=2.5)
    tip = [f"{part.field(x)}:O", part.number(sums, "mean", ".1f"), "min:Q", "max:Q"]
    spread = spread.encode(x=across, y=alt.Y("min:Q", title=words, scale=scale), y2="max:Q", tooltip=tip)
    up, text = alt.Y("max:Q", title=words, scale=scale), alt.Text("mean:Q", format=".3~g")
    sum_of = alt.Chart(sums).mark_text(dy=-7).encode(x=across, y=up, text=text)
    width = (CHART_WIDTH - 40) // beside - 50 * (beside > 1)
    return alt.layer(bars, spread, sum_of).properties(width=width, height=260)
