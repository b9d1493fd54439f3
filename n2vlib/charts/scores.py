"""Charts of scores: by layer and category, concept by concept, and beside the published numbers."""

from typing import Any

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import INK, OTHER, categories
from n2vlib.tables import need
from n2vlib.vocabulary import SPLITS, Measure, measure_of

_IS_RANDOM = "datum.network == 'random'"


@part.drawn
def by_category(
    means: pd.DataFrame, title: str, error: str = "interval", random: pd.DataFrame | None = None, split: str = "val"
) -> part.Chart:
    """Mean score by layer, one small chart per category, both methods; tasks below each other (Figure 2).

    means    `tables.by_category`
    error    "interval" (95%, bootstrap over concepts) or "standard_error" (the paper's)
    random   the same table of a network with random weights, drawn grey and dashed
    """
    need(means, ["task", "layer", "category", "method", "mean", "standard_error", "n", "low", "high"])
    data = means.assign(network="trained")
    if random is not None:
        data = pd.concat([data, random.assign(network="random")])
    if error == "standard_error":
        data = data.assign(low=data["mean"] - data["standard_error"], high=data["mean"] + data["standard_error"])
    shown = categories(data["category"])
    measures = {task: measure_of(task, means.attrs.get("measure")) for task in means["task"].unique()}
    drawn = [
        _one_task(part.rows(data.loc[data["task"] == task]), measure, shown, split)
        for task, measure in measures.items()
    ]
    bars = "95% bootstrap interval" if error == "interval" else "standard error"
    note = f"Mean over the concepts of a category, {SPLITS[split]}. Bars: {bars}."
    note += " Grey and dashed: random weights." if random is not None else ""
    return part.titled(drawn[0] if len(drawn) == 1 else alt.vconcat(*drawn), title, note)


def _one_task(data: pd.DataFrame, measure: Measure, shown: list[str], split: str) -> alt.FacetChart:
    data = data.assign(series=data["network"] + " " + data["method"])
    base = alt.Chart().encode(
        x=part.layer_axis(list(data["layer"].unique())),
        color=alt.condition(_IS_RANDOM, alt.value(OTHER), part.category(shown, legend=False)),
        opacity=part.method(data),
        detail="series:N",
    )
    # Two lines, because a small chart is not as high as the title is long.
    axis = [measure.words + ",", SPLITS[split]]
    lowest = min(measure.lowest, float(data.loc[:, "low"].min()))
    scale = alt.Scale(domainMin=lowest, zero=False) if measure.lowest else alt.Scale(domainMin=0)
    mean = alt.Y("mean:Q", title=axis, scale=scale, axis=alt.Axis(tickCount=4))
    tip = ["category", "layer", "method", "network", *(part.number(data, c) for c in ("mean", "low", "high"))]
    dash = alt.condition(_IS_RANDOM, alt.value([4, 3]), alt.value([1, 0]))
    # A wide pale bar and a thin full one remain distinct where they overlap.
    wide = alt.condition("datum.method == 'single filter'", alt.value(5), alt.value(1.5))
    layered = alt.layer(
        base.mark_line(strokeWidth=2).encode(y=mean, strokeDash=dash),
        base.mark_rule().encode(y=alt.Y("low:Q", title=axis, scale=scale), y2="high:Q", strokeWidth=wide),
        base.mark_circle(size=44).encode(y=mean, tooltip=[*tip, alt.Tooltip("n:Q", title="concepts")]),
        data=data,
    ).properties(width=165, height=120)
    present = [c for c in shown if c in set(data["category"])]
    return layered.facet(facet=part.small("category", present), columns=3)


@part.drawn
def accuracy_scatter(wide: pd.DataFrame, title: str, x: str = "single filter", y: str = "combination") -> part.Chart:
    """`iou_scatter` for classification: balanced accuracy, from one half (chance)."""
    return iou_scatter(wide, title, x, y, lowest=0.5)


@part.drawn
def iou_scatter(
    wide: pd.DataFrame, title: str, x: str = "single filter", y: str = "combination", lowest: float = 0.0
) -> part.Chart:
    """One point per concept: a single filter across, the combination up; above the diagonal the combination wins.

    wide     `tables.side_by_side` of a segmentation
    lowest   where the axes begin, unless a value lies below
    """
    need(wide, ["name", "category", x, y])
    data = part.rows(wide.assign(gain=wide[y] - wide[x]))
    low = min(lowest, float(data[[x, y]].min().min())) if len(data) else lowest
    high = float(data[[x, y]].max().max()) if len(data) else 1.0
    scale = alt.Scale(domain=[low, high], nice=True, zero=False)
    across = alt.X(part.field(x) + ":Q", title=part.measured(wide, x), scale=scale, axis=alt.Axis(tickCount=6))
    up = alt.Y(part.field(y) + ":Q", title=part.measured(wide, y), scale=scale, axis=alt.Axis(tickCount=6))
    points = alt.Chart(data).mark_circle(size=70)
    points = points.encode(
        x=across,
        y=up,
        color=part.category(categories(data["category"])),
        opacity=part.lit(0.82),
        tooltip=part.about(data, [x, y, "gain"]),
    ).add_params(part.pick(), part.find())
    ends = part.rows(pd.DataFrame({x: [low, high], y: [low, high]}))
    diagonal = alt.Chart(ends).mark_line(color=OTHER, strokeDash=[4, 4], strokeWidth=1.5).encode(x=across, y=up)
    chart = alt.layer(diagonal, points, part.names_of_found(points)).properties(width=400, height=400)
    return part.titled(chart, title, f"One point per concept ({len(data)}). {part.LOOK_CLOSER}", fit="square")


@part.drawn
def published_beside_ours(beside: pd.DataFrame, title: str, axis: str) -> part.Chart:
    """Published numbers hollow, this run filled (with its interval if given), by layer; tasks side by side.

    beside   `tables.beside_published`: task, layer, published, this run (low, high)
    """
    need(beside, ["task", "layer", "published", "this run"])
    data = part.rows(beside)
    base = alt.Chart().encode(x=part.layer_axis(list(data["layer"].unique())))
    scale = alt.Scale(zero=False, nice=True, padding=8)
    parts: list[Any] = []
    if part.interval(data):
        bar = base.mark_rule(color=INK, strokeWidth=5, opacity=0.28, strokeCap="round")
        parts.append(bar.encode(y=alt.Y("low:Q", title=axis, scale=scale), y2="high:Q"))
    sources = ["published", "this run"]
    fill = alt.Scale(domain=sources, range=["transparent", INK])
    marks = base.transform_fold(["published", "this run"], as_=["source", "value"]).mark_point(
        size=95, strokeWidth=2, opacity=1
    )
    marks = marks.encode(
        y=alt.Y("value:Q", title=axis, scale=scale),
        stroke=alt.value(INK),
        fill=alt.Fill("source:N", scale=fill, legend=alt.Legend(title=None, symbolStrokeColor=INK)),
        tooltip=[part.number(data, column, ".3~g") for column in data],
    )
    layered = alt.layer(*parts, marks, data=data).properties(width=265, height=220)
    small = layered.facet(facet=part.small("task", list(data["task"].unique())), columns=2)
    note = "Hollow: published. Filled: this run" + (", with its 95% interval." if part.interval(data) else ".")
    return part.titled(small, title, note)
