"""Charts of what was recovered from planted encodings: many small line charts, and the bound that tau sets."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import CHART_WIDTH, COLORS, FULL, INK, LIGHT, OTHER, colors
from n2vlib.tables import CONCEPT, need
from n2vlib.vocabulary import METHODS

_SINGLE = METHODS[0]


@part.drawn
def small_lines(
    values: pd.DataFrame,
    x: str,
    y: str,
    by: str,
    series: str,
    title: str,
    axes: tuple[str, str],
    log: tuple[bool, bool] = (False, False),
    diagonal: bool = False,
    columns: int = 3,
    note: str = "",
) -> part.Chart:
    """`y` against `x`, one small chart per value of `by`, one line per value of `series`, in the order of the rows.

    values     with low and high, an interval at each point; a series "method" is drawn light for the single filter
    log        which axes are logarithmic, base 2 (for values above 0)
    diagonal   a dashed line where y equals x
    """
    need(values, [x, y, by, series])
    data = part.rows(values.loc[:, [*dict.fromkeys([x, y, by, series]), *part.interval(values)]])
    ticks = sorted(data[x].unique())
    across = alt.X(
        part.field(x) + ":Q", title=axes[0], axis=alt.Axis(values=ticks, format=".4~g", labelOverlap="greedy"),
        scale=alt.Scale(type="log", base=2, nice=False, padding=6) if log[0] else alt.Scale(nice=False, padding=6),
    )  # fmt: skip
    up = alt.Y(part.field(y) + ":Q", title=axes[1], **_upward(data, y, log[1]))
    base = alt.Chart().encode(x=across, **_series(data, series))
    tip = [f"{part.field(by)}:N", f"{part.field(series)}:N", part.number(data, x, ".4~g")]
    tip += [part.number(data, column, ".3~g") for column in (y, *part.interval(data))]
    lines: list[Any] = [
        base.mark_line(strokeWidth=2).encode(y=up),
        base.mark_circle(size=34).encode(y=up, tooltip=tip),
    ]
    if part.interval(data):
        lines.insert(1, base.mark_rule(strokeWidth=4, strokeCap="round").encode(y=alt.Y("low:Q"), y2="high:Q"))
    if diagonal:
        planted = alt.Chart().mark_line(color=OTHER, strokeDash=[4, 4], strokeWidth=1.5)
        lines.insert(0, planted.encode(x=across, y=alt.Y(part.field(x) + ":Q", title=axes[1])))
    width = {2: 262, 3: 165, 4: 118, 5: 90}[columns]
    layered = alt.layer(*lines, data=data).properties(width=width, height=120)
    return part.titled(layered.facet(facet=part.small(by, list(data[by].unique())), columns=columns), title, note)


@part.drawn
def tau_bound(points: pd.DataFrame, title: str) -> part.Chart:
    """Set IoU against the size of a concept in multiples of tau, below the line min(1, tau / p).

    points   concept, name, category, tau, ratio (share of all places that the concept covers, over tau), set_iou
    """
    need(points, [*CONCEPT, "tau", "ratio", "set_iou"])
    data = part.rows(points.loc[:, [*CONCEPT, "tau", "ratio", "set_iou"]])
    ends = np.geomspace(float(min(points["ratio"])) / 1.3, float(max(points["ratio"])) * 1.3, 60)
    line = part.rows(pd.DataFrame({"ratio": ends, "set_iou": np.minimum(1, 1 / ends)}))
    scale = alt.Scale(type="log", nice=False, domain=[float(min(line["ratio"])), float(max(line["ratio"]))])
    across = alt.X("ratio:Q", scale=scale, title="share of places that the concept covers, in taus",
                   axis=part.decades(data, "ratio"))  # fmt: skip
    up = alt.Y("set_iou:Q", title="set IoU, validation images", scale=alt.Scale(domain=[0, 1]))
    taus = sorted(data["tau"].unique())
    shades = alt.Scale(
        type="ordinal", domain=taus, range=[round(float(f), 2) for f in np.linspace(0.25, 0.95, len(taus))]
    )
    key = alt.Legend(title="tau", symbolFillColor=INK, symbolStrokeWidth=0, format=".4~g")
    marks = alt.Chart(data).mark_circle(size=52, color=INK).encode(
        x=across, y=up, opacity=alt.Opacity("tau:O", scale=shades, legend=key),
        tooltip=part.about(data, ["tau", "ratio", "set_iou"]),
    )  # fmt: skip
    bound = alt.Chart(line).mark_line(color=OTHER, strokeDash=[5, 4], strokeWidth=2).encode(x=across, y=up)
    chart = alt.layer(bound, marks).properties(width=CHART_WIDTH, height=300)
    return part.titled(chart, title, "One point per concept and tau. Dashed: the highest IoU of a mask with share tau.")


def _upward(data: pd.DataFrame, y: str, log: bool) -> dict[str, Any]:
    if not log:
        top = max(float(max(data[column])) for column in (y, *part.interval(data)))  # bars do not widen a domain
        return {"scale": alt.Scale(domain=[0, 1.03 * top], nice=False), "axis": alt.Axis(tickCount=4)}
    ticks = [2**e for e in range(0, 14) if 2**e <= 1.1 * float(max(data[y]))]
    return {
        "scale": alt.Scale(type="log", base=2, nice=False, padding=6),
        "axis": alt.Axis(values=ticks, format="d", labelOverlap="greedy"),
    }


def _series(data: pd.DataFrame, series: str) -> dict[str, Any]:
    """Color and opacity. Methods: single filters light, combinations full, the papers' in ink. Others: fading out."""
    names = list(data[series].unique())
    if series == "method":
        shades = [INK if name in METHODS else colors(["part"])[0] for name in names]
        fades = [LIGHT if str(name).startswith(_SINGLE) else FULL for name in names]
    else:
        shades = [COLORS[4]] * len(names)
        fades = [round(float(fade), 2) for fade in np.linspace(FULL, 0.35, len(names))]
    legend = alt.Legend(title=None, symbolType="circle", labelLimit=240)
    shade, fade = (alt.Scale(type="ordinal", domain=names, range=values) for values in (shades, fades))
    return {
        "color": alt.Color(part.field(series) + ":N", scale=shade, legend=legend),
        "opacity": alt.Opacity(part.field(series) + ":N", scale=fade, legend=legend),
    }
