"""Charts of section 4.1: concepts in every layer, means against the number of filters, and losing combinations."""

from typing import Any

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import CHART_WIDTH, INK, OTHER, categories, colors
from n2vlib.tables import need
from n2vlib.vocabulary import OF_TASK, SPLITS


@part.drawn
def every_layer(rows: pd.DataFrame, title: str, task: str, split: str = "val") -> part.Chart:
    """Single filter across, combination up, one small chart per layer: every concept of one task.

    rows   layer, name, category, "single filter", "combination" (tables.side_by_side of each layer)
    """
    x, y = "single filter", "combination"
    need(rows, ["layer", "name", "category", x, y])
    data = part.rows(rows.loc[:, ["layer", "name", "category", *(["images"] if "images" in rows else []), x, y]])
    low = min(OF_TASK[task].lowest, float(data[[x, y]].min().min())) if len(data) else OF_TASK[task].lowest
    high = float(data[[x, y]].max().max()) if len(data) else 1.0
    scale, axis = alt.Scale(domain=[low, high], nice=True, zero=False), alt.Axis(tickCount=4)
    across = alt.X(part.field(x) + ":Q", scale=scale, axis=axis, title=x)
    up = alt.Y(part.field(y) + ":Q", scale=scale, axis=axis, title=y)
    points = alt.Chart().mark_circle(size=34)
    points = points.encode(
        x=across, y=up, color=part.category(categories(data["category"])), opacity=part.lit(0.8),
        tooltip=[*part.about(data, [x, y]), "layer:N"],
    ).add_params(part.pick(), part.find())  # fmt: skip
    ends = part.rows(pd.DataFrame({x: [low, high], y: [low, high]}))
    diagonal = alt.Chart(ends).mark_line(color=OTHER, strokeDash=[4, 4], strokeWidth=1.5).encode(x=across, y=up)
    layered = alt.layer(diagonal, points, part.names_of_found(points), data=data).properties(width=165, height=165)
    small = layered.facet(facet=part.small("layer", list(data["layer"].unique())), columns=3)
    note = f"One point per concept and layer; {OF_TASK[task].words}, {SPLITS[split]}. {part.LOOK_CLOSER}"
    return part.titled(small, title, note)


@part.drawn
def by_size(means: pd.DataFrame, title: str, enough: pd.DataFrame | None = None, mark: str = "no_loss") -> part.Chart:
    """Mean score against the number of filters, one line per category, one small chart per layer (Figure 3).

    means    `saturation.means` of one task; with low and high, a band around each line
    enough   `saturation.enough` of the same runs: a ring at the number of filters in its column `mark`
    """
    need(means, ["task", "layer", "category", "n_filters", "mean"])
    kept = ["task", "layer", "category", "n_filters", "mean", *part.interval(means), "concepts"]
    data = part.rows(means.loc[:, [c for c in kept if c in means]]).assign(ring=False)
    if enough is not None:
        at = set(zip(enough["layer"], enough["category"], enough[mark], strict=True))
        data["ring"] = [key in at for key in zip(data["layer"], data["category"], data["n_filters"], strict=True)]
    layers, task = list(data["layer"].unique()), str(data["task"].iloc[0])
    low = min(OF_TASK[task].lowest, float(min(data["low" if part.interval(data) else "mean"])))
    wide = len(layers) == 1
    base = alt.Chart().encode(x=_sizes(data, wide), color=part.category(categories(data["category"])))
    words, scale = f"{OF_TASK[task].words}, {SPLITS['val']}", alt.Scale(domainMin=low, zero=False)
    up = alt.Y("mean:Q", title=words, scale=scale, axis=alt.Axis(tickCount=5))
    tip = ["category:N", "layer:N", "n_filters:Q", *(part.number(data, c) for c in ("mean", *part.interval(data)))]
    lines: list[Any] = [
        base.mark_line(strokeWidth=2).encode(y=up),
        base.mark_circle(size=30, opacity=1).encode(y=up, tooltip=tip),
        base.mark_point(size=150, strokeWidth=2.2, opacity=1).transform_filter("datum.ring").encode(y=up),
    ]
    if part.interval(data):
        lines.insert(
            0, base.mark_area(fillOpacity=0.11).encode(y=alt.Y("low:Q", title=words, scale=scale), y2="high:Q")
        )
    layered = alt.layer(*lines, data=data)
    note = "Bands: 95% bootstrap interval over images." if part.interval(data) else ""
    note += " Ring: more filters add nothing measurable." if enough is not None else ""
    if wide:
        return part.titled(layered.properties(width=CHART_WIDTH, height=300), title, note.strip())
    small = layered.properties(width=170, height=190).facet(facet=part.small("layer", layers), columns=3)
    return part.titled(small, title, note.strip())


@part.drawn
def by_rule(values: pd.DataFrame, title: str, task: str) -> part.Chart:
    """Mean over all concepts against the number of filters, one line per way of choosing a subset.

    values   n_filters, how, value
    """
    need(values, ["n_filters", "how", "value"])
    data = part.rows(values.loc[:, ["n_filters", "how", "value"]])
    low = min(OF_TASK[task].lowest, float(min(data["value"])))
    words = f"mean {OF_TASK[task].words}, {SPLITS['val']}"
    base = alt.Chart(data).encode(
        x=_sizes(data, wide=True),
        y=alt.Y("value:Q", title=words, scale=alt.Scale(domainMin=low, zero=False), axis=alt.Axis(tickCount=6)),
        **part.series_channels(data, "how"),
    )
    tip = ["how:N", alt.Tooltip("n_filters:Q", title="filters"), part.number(data, "value")]
    lines = alt.layer(base.mark_line(strokeWidth=2), base.mark_circle(size=46, opacity=1).encode(tooltip=tip))
    return part.titled(lines.properties(width=CHART_WIDTH, height=260), title)


def _sizes(data: pd.DataFrame, wide: bool) -> alt.X:
    """The number of filters on a logarithmic axis, with a tick at powers of two."""
    most = int(max(data["n_filters"]))
    ticks = [2**e for e in range(0, 14, 1 if wide else 2) if 2**e <= most]
    axis = alt.Axis(values=ticks, format="d", grid=True)
    return alt.X("n_filters:Q", scale=alt.Scale(type="log", base=2, nice=False, padding=6), title="filters", axis=axis)


@part.drawn
def concepts_in_plane(
    rows: pd.DataFrame,
    x: str,
    y: str,
    title: str,
    axes: tuple[str, str],
    log: tuple[bool, bool] = (True, True),
    at: dict[str, list[float]] | None = None,
) -> part.Chart:
    """Every concept at (x, y); filled if the combination loses, a ring if it does not.

    rows   name, category, loses, and the columns x and y      log   which axes are logarithmic
    at     {"x": values, "y": values} of dashed lines, for instance the paper's numbers
    """
    need(rows, ["name", "category", "loses", x, y])
    kept = [c for c in ("name", "category", "images", "loses") if c in rows]
    data = part.rows(rows.loc[:, [*kept, *dict.fromkeys([x, y])]].dropna())
    for column, logarithmic in zip((x, y), log, strict=True):
        data = data.loc[data[column] > 0] if logarithmic else data
    xs, ys = (_axis(data, column, logarithmic) for column, logarithmic in zip((x, y), log, strict=True))
    shown = categories(data["category"])
    points = alt.Chart(data).mark_point(size=62, strokeWidth=1.6)
    points = points.encode(
        x=alt.X(part.field(x) + ":Q", title=axes[0], **xs),
        y=alt.Y(part.field(y) + ":Q", title=axes[1], **ys),
        color=part.category(shown),
        fill=alt.Fill("category:N", scale=alt.Scale(domain=shown, range=colors(shown)), legend=None),
        fillOpacity=alt.condition("datum.loses", alt.value(1), alt.value(0)),
        opacity=part.lit(0.85),
        tooltip=part.about(data, [x, y]),
    ).add_params(part.pick(), part.find())
    rules = [_rule().encode(x=alt.XDatum(value, title=axes[0], **xs)) for value in (at or {}).get("x", [])]
    rules += [_rule().encode(y=alt.YDatum(value, title=axes[1], **ys)) for value in (at or {}).get("y", [])]
    chart = alt.layer(*rules, points, part.names_of_found(points)).properties(width=CHART_WIDTH, height=340)
    note = f"One point per concept; filled: the combination loses. {part.LOOK_CLOSER}"
    return part.titled(chart, title, note)


def _axis(data: pd.DataFrame, column: str, logarithmic: bool) -> dict[str, Any]:
    if not logarithmic or data.empty:
        return {"scale": alt.Scale(zero=False, nice=True), "axis": alt.Axis(tickCount=6)}
    return {"scale": alt.Scale(type="log", nice=False, padding=12), "axis": part.decades(data, column)}


def _rule() -> alt.Chart:
    """A dashed line, with its own data because it would otherwise be drawn for every point."""
    return alt.Chart(pd.DataFrame({"one": [1]})).mark_rule(color=INK, strokeDash=[5, 4], strokeWidth=1.3)
