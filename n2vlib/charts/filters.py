"""Charts of filters: how many concepts each serves, their weights against their scores, and scores by image."""

from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import CHART_WIDTH, INK, OF_OUTCOME, OTHER, categories
from n2vlib.tables import need
from n2vlib.vocabulary import OUTCOMES

_ZERO = (-0.065, -0.02)  # place of the bar of the exact zeros, left of the axis' zero
_PERCENT = alt.Axis(format="%", tickCount=4)


@part.drawn
def by_layer(
    values: pd.DataFrame, y: str, title: str, axis: str, series: str, fmt: str = ".3~g", note: str = ""
) -> part.Chart:
    """`y` in each layer, one line per `series`; with low and high, an interval at each point.

    Series are styled as in `charts.lines`: "random" and "chance" grey and dashed, "published" hollow.
    fmt   format of the numbers: ".3~g" three digits, ".0%" percent
    """
    need(values, ["layer", y, series])
    data = part.rows(values.loc[:, ["layer", y, series, *part.interval(values)]].dropna(subset=[y]))
    base = alt.Chart(data).encode(
        x=part.layer_axis(list(data["layer"].unique())), **part.series_channels(data, series), detail=f"{series}:N"
    )
    up = alt.Y(
        part.field(y) + ":Q",
        title=axis,
        axis=alt.Axis(format=fmt, tickCount=5),
        scale=alt.Scale(domainMin=0, nice=True),
    )
    fill = alt.condition(f"test(/^published/, datum['{series}'])", alt.value(0), alt.value(1))
    tip = [f"{part.field(series)}:N", "layer:N", *(_tip(c, fmt) for c in (y, *part.interval(data)))]
    parts: list[Any] = [
        base.mark_line(strokeWidth=2).encode(y=up, strokeDash=part.dashes(data, series)),
        base.mark_point(size=48, filled=True, strokeWidth=2, opacity=1).encode(y=up, fillOpacity=fill, tooltip=tip),
    ]
    if part.interval(data):
        bar = base.mark_rule(strokeWidth=5, opacity=0.3, strokeCap="round")
        parts.insert(1, bar.encode(y=alt.Y("low:Q", title=axis), y2="high:Q"))
    return part.titled(alt.layer(*parts).properties(width=CHART_WIDTH, height=240), title, note)


@part.drawn
def concepts_per_filter(shares: pd.DataFrame, title: str, chance: pd.DataFrame | None = None) -> part.Chart:
    """Share of filters by the number of concepts they are best for, a bar for each layer, tasks below each other.

    shares   `sharing.in_bins`      chance   `sharing.if_at_random`, drawn as grey marks (Net2Vec, Figure 5)
    """
    keys = ["task", "layer", "concepts"]
    need(shares, [*keys, "filters", "share"])
    data = shares
    if chance is not None:
        need(chance, [*keys, "share", "low", "high"])
        data = shares.merge(chance.rename(columns={"share": "chance"}), on=keys, how="left")
    data, layers = part.rows(data), list(shares["layer"].unique())
    across = alt.X("concepts:N", sort=None, title="concepts that a filter is best for", axis=alt.Axis(labelAngle=0))
    base = alt.Chart().encode(x=across, xOffset=alt.XOffset("layer:N", sort=layers, scale=alt.Scale(paddingInner=0.15)))
    fade = alt.Scale(
        type="ordinal", domain=layers, range=[round(float(x), 2) for x in np.linspace(0.9, 0.25, len(layers))[::-1]]
    )
    key = alt.Legend(title=None, symbolType="square", symbolFillColor=INK, symbolStrokeWidth=0)
    up = alt.Y("share:Q", title="share of the layer's filters", axis=_PERCENT)
    tip = ["task:N", "layer:N", "concepts:N", "filters:Q", _tip("share", ".1%")]
    parts: list[Any] = [
        base.mark_bar(color=INK).encode(y=up, opacity=alt.Opacity("layer:N", sort=layers, scale=fade, legend=key))
    ]
    if chance is not None:
        tip.append(_tip("chance", ".1%"))
        # Without a white casing the marks would not be visible on the bars.
        for color, width, size in (("white", 4.5, 75), (OTHER, 2, 26)):
            parts.append(base.mark_rule(color=color, strokeWidth=width).encode(y=alt.Y("low:Q"), y2="high:Q"))
            mean = base.mark_point(color=color, shape="diamond", size=size, filled=True, opacity=1)
            parts.append(mean.encode(y="chance:Q"))
    parts[0] = parts[0].encode(tooltip=tip)
    tasks = list(data["task"].unique())
    layered = alt.layer(*parts, data=data).properties(width=CHART_WIDTH, height=170)
    note = "One bar per layer, the deepest the darkest."
    if chance is not None:
        note += " Marks with a line: chance, each concept draws its filter at random; mean and 95% of the draws."
    return part.titled(layered.facet(facet=part.small("task", tasks), columns=1), title, note)


@part.drawn
def individual_iou(bins: pd.DataFrame, title: str, panel: str = "panel") -> part.Chart:
    """Distribution of individual IoU over the images, one small chart per `panel`; exact zeros apart, by their reason.

    bins   `per_image.in_bins` with the column `panel`, and mean (of the non-zero), drawn as a line (Net2Vec, Figure 7)
    """
    need(bins, [panel, "outcome", "low", "high", "images", "share", "mean"])
    data = bins.assign(zero=bins["high"] == 0).sort_values([panel, "low", "outcome"], kind="stable")
    data["top"] = data.groupby([panel, "low", "zero"])["share"].cumsum()
    data = data.assign(bottom=data["top"] - data["share"])
    data["left"] = data["low"].mask(data["zero"], _ZERO[0])
    data["right"] = data["high"].mask(data["zero"], _ZERO[1])
    data = part.rows(data.drop(columns=["zero"]))
    ticks = alt.Axis(
        values=[-0.042, 0.2, 0.4, 0.6, 0.8, 1], labelExpr="datum.value < 0 ? '0' : format(datum.value, '~g')"
    )
    across = alt.X("left:Q", title=None, axis=ticks, scale=alt.Scale(domain=[-0.08, 1], nice=False))
    fade = alt.Scale(type="ordinal", domain=list(OUTCOMES), range=list(OF_OUTCOME))
    key = alt.Legend(title=None, symbolType="square", symbolFillColor=INK, symbolStrokeWidth=0)
    tip = ["outcome:N", _tip("low", "~g"), _tip("high", "~g"), "images:Q", _tip("share", ".1%")]
    bars = alt.Chart().mark_bar(color=INK).encode(
        x=across, x2="right:Q", y=alt.Y("bottom:Q", title="share of the images", axis=_PERCENT), y2="top:Q",
        opacity=alt.Opacity("outcome:N", scale=fade, legend=key), tooltip=tip,
    )  # fmt: skip
    mean = alt.Chart().mark_rule(color=OTHER, strokeDash=[5, 4], strokeWidth=2).encode(x="mean(mean):Q")
    layered = alt.layer(bars, mean, data=data).properties(width=265, height=130)
    small = layered.facet(facet=part.small(panel, list(bins[panel].unique())), columns=2)
    return part.titled(small, title, "Across: individual IoU, exact zeros apart. Dashed: mean of the others.")


@part.drawn
def weights_scatter(points: pd.DataFrame, title: str, panel: str = "panel") -> part.Chart:
    """One point per filter: its own set IoU across, its weight in the combination up; one small chart per `panel`.

    points   panel, category, filter, set_iou, weight, best (bool: the filter chosen on training images, which gets a
             name; Net2Vec, Figure 9)
    """
    need(points, [panel, "category", "filter", "set_iou", "weight", "best"])
    data = part.rows(points.assign(label=("filter " + points["filter"].astype(str)).where(points["best"], "")))
    across = alt.X("set_iou:Q", title="set IoU of the filter alone, validation images", axis=alt.Axis(tickCount=3))
    up = alt.Y("weight:Q", title="weight in the combination", axis=alt.Axis(tickCount=5))
    color = part.category(categories(data["category"]))
    tip = ["filter:Q", _tip("weight", ".3f"), _tip("set_iou", ".3f")]
    dots = alt.Chart().mark_circle(size=44, opacity=0.75).encode(x=across, y=up, color=color, tooltip=tip)
    ring = alt.Chart().transform_filter("datum.best").mark_point(size=130, strokeWidth=2, color=INK)
    name = alt.Chart().mark_text(dx=-12, align="right", fontWeight=600).encode(x=across, y=up, text="label:N")
    zero = alt.Chart().mark_rule(color=OTHER, strokeDash=[4, 4], strokeWidth=1.5).encode(y=alt.datum(0))
    layered = alt.layer(zero, dots, ring.encode(x=across, y=up), name, data=data).properties(width=265, height=240)
    small = layered.facet(facet=part.small(panel, list(points[panel].unique())), columns=2)
    note = "One point per filter. Ringed: the best single filter, chosen on training images."
    return part.titled(small.resolve_scale(x="independent", y="independent"), title, note)


def _tip(column: str, fmt: str) -> alt.Tooltip:
    return alt.Tooltip(part.field(column) + ":Q", format=fmt)
