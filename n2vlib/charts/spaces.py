"""Charts of concept spaces: concepts on a plane, and distances between spaces."""

import altair as alt
import numpy as np
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import CHART_WIDTH, INK, categories
from n2vlib.tables import need

_MOST_NUMBERS = 14  # columns of a heat map with room for numbers


@part.drawn
def concept_map(points: pd.DataFrame, title: str, note: str = "") -> part.Chart:
    """Concepts on a plane, each with its name; a category can be picked and a concept searched for.

    points   name, category, x, y (`grouping.plane`); further columns are shown in the tooltip
    """
    need(points, ["name", "category", "x", "y"])
    data = part.rows(points.assign(label=points["name"].where(_free(points), "")))
    more = [c for c in data if c not in ("name", "label", "category", "x", "y", "images", "concept")]
    scale = alt.Scale(zero=False, nice=False, padding=24)
    bare = alt.Axis(labels=False, grid=False, domain=False, title=None)
    dots = alt.Chart(data).mark_circle(size=56)
    dots = dots.encode(
        x=alt.X("x:Q", scale=scale, axis=bare),
        y=alt.Y("y:Q", scale=scale, axis=bare),
        color=part.category(categories(data["category"])),
        opacity=part.lit(0.9),
        tooltip=part.about(data, more),
    ).add_params(part.pick(), part.find())
    # A label that would overlap another one is left out until its concept is searched for.
    names = dots.mark_text(dy=-8, fontSize=9, clip=True).encode(
        text="label:N",
        tooltip=alt.value(None),
        opacity=alt.when(part.chosen()).then(alt.value(0.85)).otherwise(alt.value(0.08)),
    )
    chart = alt.layer(dots, names, part.names_of_found(dots)).properties(width=520, height=520)
    before = f"{note} " if note else ""
    return part.titled(
        chart, title, f"{before}{len(data)} concepts; the axes have no meaning. {part.LOOK_CLOSER}", fit="square"
    )


def _free(points: pd.DataFrame) -> list[bool]:
    """Which names fit, taken in order, on a map of 440 pixels."""
    place = points[["x", "y"]].to_numpy(float)
    place = 440 * (place - place.min(0)) / np.maximum(np.ptp(place, axis=0), 1e-9)
    kept: list[tuple[float, float, float]] = []
    free = []
    for (x, y), name in zip(place, points["name"].astype(str), strict=True):
        half = 2.6 * len(name)
        free.append(all(abs(x - x2) > half + half2 or abs(y - y2) > 11 for x2, y2, half2 in kept))
        kept += [(x, y, half)] if free[-1] else []
    return free


@part.drawn
def distance_map(table: pd.DataFrame, title: str, words: str = "difference", note: str = "") -> part.Chart:
    """Every space against every other; fuller cells are farther apart (Net2Vec, Figure 10).

    table   `embeddings.distances`: one, other and typical, called `words` in the legend
    """
    need(table, ["one", "other", "typical"])
    shown = list(dict.fromkeys(table["one"]))
    data = table.loc[table["one"] != table["other"]]
    return _cells(data, ("other", shown), ("one", shown), title, words, note)


@part.drawn
def distance_by_category(table: pd.DataFrame, title: str, words: str = "difference", note: str = "") -> part.Chart:
    """Chosen pairs of spaces against the categories (Net2Vec, Figure 10 right).

    table   `embeddings.distances_by_category`
    """
    need(table, ["one", "other", "category", "typical"])
    data = table.assign(pair=table["one"] + " / " + table["other"])
    pairs = list(dict.fromkeys(data["pair"]))
    return _cells(data, ("category", categories(data["category"])), ("pair", pairs), title, words, note)


def _cells(
    data: pd.DataFrame, across: tuple[str, list[str]], down: tuple[str, list[str]], title: str, words: str, note: str
) -> part.Chart:
    data = part.rows(data, 3)
    angle = -35 if len(across[1]) <= _MOST_NUMBERS else -90
    slanted = alt.Axis(labelAngle=angle, labelLimit=150, labelOverlap="greedy")
    base = alt.Chart(data).encode(
        x=alt.X(f"{across[0]}:N", sort=across[1], title=None, axis=slanted),
        y=alt.Y(f"{down[0]}:N", sort=down[1], title=None, axis=alt.Axis(labelLimit=220)),
    )
    # One color of varying opacity is legible on a white and on a dark page.
    low, high = float(min(data["typical"])), float(max(data["typical"]))
    fade = alt.Scale(domain=[low, high if high > low else low + 1], range=[0.08, 0.9])
    tip = [alt.Tooltip(f"{c}:N") for c in (down[0], across[0])]
    tip += [part.number(data, c, ".3~g") for c in data if c not in ("pair", "one", "other", "category")]
    key = alt.Legend(title=words, symbolFillColor=INK, symbolStrokeWidth=0)
    cells = base.mark_rect(color=INK).encode(opacity=alt.Opacity("typical:Q", scale=fade, legend=key), tooltip=tip)
    layers: list[alt.Chart] = [cells]
    if len(across[1]) <= _MOST_NUMBERS:
        dark = alt.when(alt.datum["typical"] > (low + high) / 2).then(alt.value("#FFFFFF")).otherwise(alt.value(INK))
        number = base.mark_text(fontSize=10)
        layers.append(number.encode(text=alt.Text("typical:Q", format=".2f"), color=dark, tooltip=tip))
    step = 34 if len(down[1]) <= _MOST_NUMBERS else 20
    chart = alt.layer(*layers).properties(width=CHART_WIDTH, height=step * len(down[1]))
    return part.titled(chart, title, note)
