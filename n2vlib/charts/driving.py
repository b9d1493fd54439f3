"""A game of driving, turn by turn: roads, cars, messages, and where a listener believes the other car is."""

from typing import Any

import altair as alt
import pandas as pd

from n2vlib.charts import parts as part
from n2vlib.display.style import CHART_WIDTH, COLORS, OTHER, rounded
from n2vlib.tables import need

SIZE = 8
LINES = (8, 9)  # rows below the map, for what each car says
OF_CAR = (COLORS[5], COLORS[4])
# Drawn, since the site's style sheet decides the color of text.
DIGITS = (
    "M-0.18,-0.18L0.06,-0.4L0.06,0.45",
    "M-0.24,-0.2C-0.2,-0.5,0.28,-0.5,0.24,-0.15C0.2,0.1,-0.1,0.2,-0.26,0.45L0.28,0.45",
)
ANGLES = {"north": 0, "east": 90, "south": 180, "west": 270}
NOBODY = "nobody"


@part.drawn
def driving_game(
    cells: pd.DataFrame,
    goals: pd.DataFrame,
    cars: pd.DataFrame,
    messages: pd.DataFrame,
    beliefs: pd.DataFrame,
    title: str,
    note: str = "",
    described: str = "",
    turn: int = 0,
) -> part.Chart:
    """A slider for the turn (the arrow keys move it), and a choice of whose belief is shown. Tables: `agents.story`.

    described   the game in sentences, for readers who do not see the chart
    turn        that is shown first, and in print
    """
    need(cells, ["row", "column"])
    need(cars, ["turn", "car", "part", "row", "column", "heading"])
    need(messages, ["turn", "car", "text"])
    need(beliefs, ["turn", "listener", "about", "row", "column", "probability"])
    last = max([*cars["turn"], *messages["turn"]])
    slider = alt.binding_range(min=0, max=last, step=1, name="Turn ")
    shown = alt.param(name="turn", value=min(turn, last), bind=slider)
    listeners = [f"car {k}, about car {3 - k}" for k in (1, 2)]
    whose = alt.binding_select(options=[*listeners, NOBODY], name="Belief of ")
    believer = alt.param(name="believer", value=listeners[0], bind=whose)
    data = beliefs.assign(name=[listeners[k - 1] for k in beliefs["listener"]])
    most = max([*beliefs["probability"], 0.01])
    layers = [
        alt.Chart(cells).mark_rect(color=OTHER, opacity=0.16).encode(**_place()),
        *(_belief(rounded(data.loc[data["about"] == k]), k, most) for k in (1, 2)),
        *(layer for k in (1, 2) for layer in _goal(goals.loc[goals["car"] == k], k)),
        *(layer for k in (1, 2) for layer in _car(cars.loc[cars["car"] == k], k)),
        *(_words(messages.loc[messages["car"] == k], k) for k in (1, 2)),
        _corner(),
    ]
    layers[0] = layers[0].add_params(shown, believer)
    chart = alt.layer(*layers).properties(width=CHART_WIDTH - 120, height=CHART_WIDTH - 120)
    chart = part.titled(chart, title, note, fit="square")
    return chart.properties(description=f"{chart.description} {described}".strip())


def _place(row: str = "row") -> dict[str, Any]:
    return {
        "x": alt.X("column:O", axis=None, scale=alt.Scale(domain=list(range(SIZE)), paddingInner=0.04)),
        "y": alt.Y(f"{row}:O", axis=None, scale=alt.Scale(domain=[*range(SIZE), *LINES], paddingInner=0.04)),
    }


def _now(chart: Any) -> Any:
    return chart.transform_filter("datum.turn == turn")


def _belief(data: pd.DataFrame, about: int, most: float) -> Any:
    opacity = alt.Opacity("probability:Q", scale=alt.Scale(domain=[0, most], range=[0, 0.8]), legend=None)
    tip = [alt.Tooltip("probability:Q", title=f"car {about} is here", format=".2f")]
    chart = alt.Chart(data).mark_rect(color=OF_CAR[about - 1]).encode(**_place(), opacity=opacity, tooltip=tip)
    return _now(chart).transform_filter("datum.name == believer")


def _goal(data: pd.DataFrame, car: int) -> list[Any]:
    """A frame in the color of the car, broken for the second, so that both are seen where they are one."""
    broken: dict[str, Any] = {} if car == 1 else {"strokeDash": [7, 6]}
    frame = alt.Chart(data).mark_rect(fillOpacity=0, stroke=OF_CAR[car - 1], strokeWidth=2.5, **broken)
    name = alt.Chart(data).mark_text(text=f"goal {car}", fontWeight=600, dy=-8 if car == 1 else 9)
    return [each.encode(**_place(), tooltip=alt.value(f"the goal of car {car}")) for each in (frame, name)]


def _car(data: pd.DataFrame, car: int) -> list[Any]:
    head, behind = (data.loc[data["part"] == name] for name in ("head", "behind"))
    head = head.assign(angle=[ANGLES[name] for name in head["heading"]])
    color = {"fill": OF_CAR[car - 1], "stroke": "white", "strokeWidth": 1.5, "opacity": 1}
    tip = [alt.Tooltip("car:N"), alt.Tooltip("heading:N")]
    rear = alt.Chart(behind).mark_point(shape="square", size=260, **color).encode(**_place(), tooltip=tip)
    angle = alt.Angle("angle:Q", scale=None)
    front = alt.Chart(head).mark_point(shape="triangle", size=620, **color).encode(**_place(), angle=angle, tooltip=tip)
    digit: dict[str, Any] = {
        "shape": DIGITS[car - 1],
        "filled": False,
        "stroke": "white",
        "strokeWidth": 1.8,
        "opacity": 1,
    }
    number = alt.Chart(head).mark_point(size=190, **digit).encode(**_place(), tooltip=tip)
    return [_now(rear), _now(front), _now(number)]


def _words(data: pd.DataFrame, car: int) -> Any:
    lines = data.assign(row=LINES[car - 1], column=0, line=[f"{car}: {text}" for text in data["text"]])
    style: dict[str, Any] = {"align": "left", "fontSize": 13, "dx": -14, "dy": (4, -16)[car - 1]}
    mark = alt.Chart(lines).mark_text(fontWeight=600, limit=alt.ExprRef("width - 20"), **style)
    return _now(mark.encode(**_place(), text="line:N", tooltip=["line:N"]))


def _corner() -> Any:
    """The turn, in a corner where no map has road."""
    mark = alt.Chart(pd.DataFrame({"row": [0], "column": [0]})).mark_text(align="left", dx=-14, fontSize=13)
    return mark.encode(**_place(), text=alt.value(alt.ExprRef("'turn ' + turn")))
