"""Parts that several charts share: scales of color and opacity, the search box, tooltips, titles."""

import textwrap
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import altair as alt
import pandas as pd

from n2vlib.charts.theme import Chart, themed
from n2vlib.display.html_table import Shown
from n2vlib.display.style import FULL, INK, LIGHT, OTHER, categories, colors, methods, rounded
from n2vlib.vocabulary import SPLITS, measure_of

P = ParamSpec("P")
C = TypeVar("C", bound=Chart)
LOOK_CLOSER = "Click a category or a point, or search."

# A name in quotes matches exactly; a click on a point writes it so (n2v-charts.js).
_FOUND = "find == '' || indexof(lower('\"' + datum.name + '\"'), lower(find)) >= 0"


class NotDrawn(Shown):
    """One line of text in place of a chart that would have nothing to show."""

    def display(self) -> None:
        """Show the line, as a chart's `display` shows the chart."""
        from IPython.display import display

        display(self)


class _NothingToDraw(Exception):
    pass


def drawn(chart: Callable[P, C]) -> Callable[P, C]:
    """Decorates a function that makes a chart of a table: adds the theme, or returns one line if no row can be drawn.

        @charts.drawn
        def places(table: pd.DataFrame, title: str):
            data = charts.rows(table[["x", "y"]])
            return charts.titled(alt.Chart(data).mark_point().encode(x="x", y="y"), title)

    A chapter draws a chart of its own so; `charts.parts` has the scales and tooltips of the book's charts. In a file of
    `n2vlib.charts`, the function's name goes into `__all__`, and so to `charts`.
    """
    if chart.__module__.startswith("n2vlib.charts."):
        chart.__globals__.setdefault("__all__", []).append(chart.__name__)
    what = chart.__name__.replace("_", " ").replace("iou", "IoU")

    @wraps(chart)
    def made(*arguments: P.args, **options: P.kwargs) -> C:
        try:
            for table in arguments[:1]:
                if isinstance(table, pd.DataFrame):
                    rows(table)
            done = chart(*arguments, **options)
        except _NothingToDraw:
            return NotDrawn.of(f"No chart ({what}): no row has the numbers that it would draw.")  # type: ignore[return-value]
        if done is None:
            raise TypeError(f"{chart.__name__} returns nothing; it should return its chart")
        return themed(done)

    return made


def rows(table: pd.DataFrame, digits: int = 4) -> pd.DataFrame:
    """The rows that a chart draws, `rounded`; where there are none, `drawn` says so in place of the chart."""
    if table.empty:
        raise _NothingToDraw
    return rounded(table, digits)


def titled(chart: Any, title: str, note: str = "", fit: str = "wide") -> Any:
    """The chart with title and note in lines that fit a page, and the same words as its description.

    fit   "wide" for a chart that n2v-charts.js makes as wide as the page, "square" for one that it keeps square;
          facets need neither. Vega-Lite's own width "container" is drawn 200 pixels wide in JupyterLab.
    """
    text: dict[str, Any] = {"text": textwrap.wrap(title, 78) or [""]}
    if note:
        text["subtitle"] = textwrap.wrap(note, 96)
    described = f"{title.rstrip('.')}. {note}".strip()
    return chart.properties(title=alt.TitleParams(**text), description=described, usermeta={"n2v": fit})


def category(shown: Sequence[str], legend: bool = True) -> alt.Color:
    """The fixed colors of the categories shown."""
    scale = alt.Scale(domain=list(shown), range=colors(shown))
    return alt.Color("category:N", scale=scale, legend=alt.Legend(title=None, symbolOpacity=0.9) if legend else None)


def method(data: pd.DataFrame, title: str | None = None) -> alt.Opacity:
    """A single filter light, a combination full; `title` of the legend if another one stands beside it."""
    shown = methods(data["method"])
    fades = [LIGHT if name == "single filter" else FULL for name in shown]
    legend = alt.Legend(title=title, symbolType="circle", symbolFillColor=INK, symbolStrokeColor=INK)
    scale = alt.Scale(domain=shown, range=fades)
    return alt.Opacity("method:O", scale=scale, legend=legend if len(shown) > 1 else None)


def series_channels(data: pd.DataFrame, series: str) -> dict[str, Any]:
    """Color (or opacity, for methods) of the lines named by the column `series`."""
    if series == "category":
        return {"color": category(categories(data["category"]))}
    if series == "method":
        return {"opacity": method(data), "color": alt.value(INK)}
    names = list(data[series].unique())
    # Not in the order of the categories, so that the lines are not taken for categories.
    palette = [INK, *colors(("part", "color", "material", "object", "scene", "texture"))]
    shades = {name: OTHER if is_control(name) else palette[i % len(palette)] for i, name in enumerate(names)}
    # "chance, segmentation" belongs to "segmentation": its color, dashed.
    whose = {name: str(name).partition(", ")[2] for name in names if is_control(name)}
    shades |= {name: shades[other] for name, other in whose.items() if other in shades}
    scale = alt.Scale(domain=names, range=[shades[name] for name in names])
    return {"color": alt.Color(field(series) + ":N", scale=scale, legend=_line_key())}


def is_control(name: object) -> bool:
    """Random networks and chance are dashed, and grey unless they name their series."""
    return str(name).startswith(("random", "chance"))


def dashes(data: pd.DataFrame, series: str) -> alt.StrokeDash:
    """Long dashes for random networks, short ones for chance; the legend shows them."""
    names = list(data[series].unique())
    lines = [[6, 4] if str(name).startswith("random") else [2, 3] if is_control(name) else [1, 0] for name in names]
    return alt.StrokeDash(field(series) + ":N", scale=alt.Scale(domain=names, range=lines), legend=_line_key())


def _line_key() -> alt.Legend:
    return alt.Legend(title=None, symbolType="stroke", symbolSize=250, symbolOpacity=1)


def layer_axis(layers: Sequence[str]) -> alt.X:
    """The layers in order of depth; long module names are slanted."""
    short = max(map(len, layers), default=0) * len(layers) <= 28
    axis = alt.Axis(labelAngle=0 if short else -35, labelLimit=95, labelOverlap="greedy")
    return alt.X("layer:N", sort=list(layers), title=None, axis=axis)


def pick() -> alt.Parameter:
    """A click on a category in the legend dims the others."""
    return alt.selection_point(name="pick", fields=["category"], bind="legend")


def find() -> alt.Parameter:
    """The box to search a concept by name."""
    return alt.param(name="find", value="", bind=alt.binding(input="search", placeholder="concept", name="Find "))


def chosen(also: str = "") -> Any:
    """Predicate: the category is picked in the legend and the name matches the search."""
    return alt.LogicalAndPredicate(**{"and": [{"param": "pick"}, f"({_FOUND}){also}"]})


def lit(bright: float) -> Any:
    """Opacity: `bright` for chosen concepts, low for the others."""
    return alt.when(chosen()).then(alt.value(bright)).otherwise(alt.value(0.12))


def names_of_found(points: alt.Chart) -> alt.Chart:
    """The name above each concept that matches the search."""
    # Clipped, because long names would push the frame in; empty when not shown, because they would cover the points.
    marks = points.mark_text(dy=-11, fontWeight=600, clip=True)
    name = alt.when(chosen(also=" && find != ''")).then("name:N").otherwise(alt.value(""))
    return marks.encode(text=name, opacity=alt.value(1), tooltip=alt.value(None))


def about(data: pd.DataFrame, numbers: Sequence[str]) -> list[Any]:
    """Tooltip of a concept: name, category, images, then `numbers`."""
    tip: list[Any] = [alt.Tooltip("name:N", title="concept"), "category:N"]
    tip += [alt.Tooltip("images:Q", format=",")] if "images" in data else []
    return tip + [number(data, column) for column in numbers]


def number(data: pd.DataFrame, column: str, fmt: str = ".3f") -> alt.Tooltip:
    """A tooltip line, formatted if the column holds fractions."""
    if data[column].dtype.kind != "f":
        return alt.Tooltip(field(column))
    return alt.Tooltip(field(column), format=fmt)


def measured(wide: pd.DataFrame, method: str = "") -> list[str]:
    """Axis title of `tables.side_by_side`, in lines: method and layer; measure and images."""
    measure = measure_of(wide.attrs.get("task", "segmentation"), wide.attrs.get("measure")).words
    whose = ", ".join(word for word in (method, wide.attrs.get("layer", "")) if word)
    return [line for line in (whose, f"{measure}, {SPLITS[wide.attrs.get('split', 'val')]}") if line]


def decades(data: pd.DataFrame, column: str) -> alt.Axis:
    """Ticks 1, 2, 5, 10 ... of a logarithmic axis."""
    low, high = float(min(data[column])), float(max(data[column]))
    ticks = [m * 10.0**e for e in range(-3, 7) for m in (1, 2, 5)]
    ticks = [t for t in ticks if low * 0.99 <= t <= high * 1.01]
    return alt.Axis(values=ticks, format="~g", grid=True)


def field(name: str) -> str:
    """A column name escaped for Vega-Lite: dots, brackets and colons are part of the name, not syntax."""
    return "".join(f"\\{letter}" if letter in ".[]:" else letter for letter in name)


def interval(data: pd.DataFrame) -> list[str]:
    """The columns of an interval, low and high, if the table has them."""
    return ["low", "high"] if {"low", "high"} <= set(data) else []


def small(column: str, order: list[str]) -> alt.Facet:
    """One small chart per value of `column`, in this order, with the value above it."""
    return alt.Facet(field(column) + ":N", sort=order, title=None, header=alt.Header(title=None))
