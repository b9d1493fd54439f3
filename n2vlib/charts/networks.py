"""Networks side by side (Net2Vec, Figure 6): one row per network, a single filter light and a combination full."""

from typing import Any

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import COLORS, INK, OTHER, rounded
from n2vlib.tables import need
from n2vlib.vocabulary import OF_TASK, SPLITS

# Not the colors of categories: supervised ink, self-supervised a green, random grey; no chart here shows categories.
_TRAININGS = {"supervised": INK, "self-supervised": COLORS[2], "random": OTHER}
_DASH = alt.condition("datum.training == 'random'", alt.value([4, 3]), alt.value([1, 0]))


@part.drawn
def by_network(means: pd.DataFrame, title: str) -> part.Chart:
    """Mean scores of both methods, networks and tasks below each other; color is the training.

    means   `comparison.means`: label, training, task, method, mean, low, high, in the order to be shown
    """
    need(means, ["label", "training", "layer", "grid", "task", "method", "mean", "low", "high"])
    data = part.rows(means)
    charts: list[Any] = [_of_task(data, str(task)) for task in data["task"].unique()]
    drawn = charts[0] if len(charts) == 1 else alt.vconcat(*charts)
    counts = data.drop_duplicates("task")
    counted = ", ".join(f"{n} for {task}" for n, task in zip(counts["concepts"], counts["task"], strict=True))
    note = f"Mean over concepts, {SPLITS['val']}; {counted}. Bars: 95% bootstrap interval over images."
    return part.titled(drawn, title, note)


def _of_task(data: pd.DataFrame, task: str) -> Any:
    rows = data.loc[data["task"] == task]
    order = list(rows["label"].unique())
    lowest = min(OF_TASK[task].lowest, float(min(rows["low"])))
    words, domain = f"{OF_TASK[task].words}, {SPLITS['val']}", alt.Scale(domainMin=lowest, zero=False)
    across, low, least = (
        alt.X(f"{field}:Q", title=words, scale=domain, axis=alt.Axis(tickCount=6))
        for field in ("mean", "low", "min(mean)")
    )
    base = alt.Chart(rows).encode(
        y=alt.Y("label:N", sort=order, title=None, axis=alt.Axis(labelLimit=260, grid=False)),
        color=_color(rows),
    )
    tip = ["label", "training", "layer", "grid", "method", *(part.number(rows, c) for c in ("mean", "low", "high"))]
    return alt.layer(
        base.mark_rule(strokeWidth=1.2, opacity=0.6).encode(x=least, x2="max(mean):Q", strokeDash=_DASH),
        base.mark_rule(strokeWidth=6, strokeCap="round").encode(x=low, x2="high:Q", opacity=alt.value(0.28)),
        base.mark_circle(size=90).encode(x=across, opacity=part.method(rows, "method"), tooltip=tip),
    ).properties(height=alt.Step(24), width=400)


def _scale(rows: pd.DataFrame) -> alt.Scale:
    shown = [name for name in _TRAININGS if name in set(rows["training"])]
    return alt.Scale(domain=shown, range=[_TRAININGS[name] for name in shown])


def _color(rows: pd.DataFrame) -> alt.Color:
    legend = alt.Legend(title="training", symbolType="circle", symbolOpacity=0.9)
    return alt.Color("training:N", scale=_scale(rows), legend=legend if len(set(rows["training"])) > 1 else None)


@part.drawn
def gains_by_network(gains: pd.DataFrame, published: pd.DataFrame, title: str) -> part.Chart:
    """The combination's mean as a multiple of the single filter's, by network, beside the published ranges.

    gains       `comparison.gains`: label, training, gain, low, high
    published   training, low, high: the range the paper states for networks of that training
    """
    need(gains, ["label", "training", "gain", "low", "high"])
    data = part.rows(gains)
    ranges = rounded(data[["label", "training"]].merge(published[["training", "low", "high"]], on="training"))
    order = list(data["label"])
    fill = _color(data)
    edge = alt.Stroke("training:N", scale=_scale(data), legend=None)
    y = alt.Y("label:N", sort=order, title=None, axis=alt.Axis(labelLimit=260, grid=False))
    words = "times the single filter"
    scale = alt.Scale(domainMin=min(1.0, float(min(data["low"]))), zero=False)
    low, across = (alt.X(f"{name}:Q", title=words, scale=scale) for name in ("low", "gain"))
    tip = ["label", "training", *(part.number(data, column, ".2f") for column in ("gain", "low", "high"))]
    theirs = [alt.Tooltip(f"{end}:Q", title=f"published, {end}") for end in ("low", "high")]
    frame = alt.Chart(ranges).mark_bar(height=15, fillOpacity=0, strokeWidth=1.5, strokeDash=[3, 2], cornerRadius=3)
    bar, point = alt.Chart(data).mark_rule(strokeWidth=6, strokeCap="round", opacity=0.3), alt.Chart(data)
    layered = alt.layer(
        frame.encode(y=y, x=low, x2="high:Q", stroke=edge, tooltip=theirs),
        bar.encode(y=y, x=low, x2="high:Q", color=fill),
        point.mark_circle(size=90, opacity=1).encode(y=y, x=across, color=fill, tooltip=tip),
    ).properties(height=alt.Step(24), width=400)
    note = "Dashed frame: the range published for networks of that training. Bars: 95% bootstrap interval over images."
    return part.titled(layered, title, note)
