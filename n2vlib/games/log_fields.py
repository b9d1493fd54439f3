"""The fields of a file of recorded games, each checked; an error names file, line, game, turn and field."""

import json
from collections.abc import Iterator
from pathlib import Path
from reprlib import repr as short
from typing import Any, NamedTuple, NoReturn
from unicodedata import category

import torch

from n2vlib.errors import BadInput
from n2vlib.files.parsed import json_value, text
from n2vlib.files.userfiles import plain
from n2vlib.games.driving import ACTIONS, DIRECTIONS, GOALS, GONE, IS_ROAD, SIZE

LARGEST = 2**26  # bytes of a file
MOST_TURNS = 500  # of a game
LONGEST = 2_000  # characters of a message


class Car(NamedTuple):
    """A car as it is written: row and column, direction, goal, whether it has arrived."""

    pos: list[int]
    dir: int
    goal: list[int]
    done: bool


class Input(NamedTuple):
    """What a player does and says in a turn."""

    action: int
    message: str


class Written(NamedTuple):
    """A game as it is written: where that is, its road, both cars before each turn and at the end, both inputs."""

    where: str
    road: int
    cars: list[tuple[Car, Car]]
    inputs: list[tuple[Input, Input]]


def roads(path: Path) -> list[int]:
    """Which of the game's roads each map of a file is."""
    maps = json_value(_small(path))
    if not isinstance(maps, list) or not 0 < len(maps) <= len(IS_ROAD):
        raise BadInput(f"{path}: expected a list of 1 to {len(IS_ROAD)} maps")
    return [_road(each, f"{path}, map {k}") for k, each in enumerate(maps)]


def _road(value: Any, where: str) -> int:
    rows = value if isinstance(value, list) else []
    cells = [cell for row in rows for cell in (row if isinstance(row, list) else [None])]
    square = len(rows) == SIZE and all(isinstance(row, list) and len(row) == SIZE for row in rows)
    if not square or any(type(cell) not in (int, float) or cell not in (0, 1) for cell in cells):
        raise BadInput(
            f"{where}: expected {SIZE} rows of {SIZE} cells, 1 where there is road and 0 where there is none"
        )
    same = (IS_ROAD.flatten(1) == torch.tensor(cells).bool()).all(1).nonzero()
    if not len(same):
        raise BadInput(f"{where}: is none of the game's {len(IS_ROAD)} roads; give the maps as released")
    return int(same[0, 0])


def _small(path: Path) -> Path:
    if plain(path, path).stat().st_size > LARGEST:
        raise BadInput(f"{path}: is larger than {LARGEST:,} bytes; split it")
    return path


def games(path: Path, known: list[int]) -> Iterator[Written]:
    """The games of a file, one a line.

    known   which of the game's roads each map is
    """
    numbers: set[int] = set()
    for line, content in enumerate(text(_small(path)).split("\n"), start=1):
        if content.strip():
            where = f"{path}, line {line}"
            yield _game(_parsed(content, where), where, known, numbers)
    if not numbers:
        raise BadInput(f"{path}: holds no game; give one a line")


def _parsed(content: str, where: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else f"{error}"
        raise BadInput(f"{where}: cannot be read as JSON ({why}); mend the line, or delete it") from None
    if not isinstance(value, dict):
        raise BadInput(f"{where}: expected an object with game, road, states, inputs")
    return value


def _game(row: dict[str, Any], where: str, known: list[int], numbers: set[int]) -> Written:
    number = _whole(row, "game", range(10**9), where)
    if number in numbers:
        raise BadInput(f"{where}: game {number} is there twice; delete one")
    numbers.add(number)
    where = f"{where} (game {number})"
    road = known[_whole(row, "road", range(len(known)), where)]
    states, inputs = (_listed(row, name, where) for name in ("states", "inputs"))
    if not 0 < len(inputs) <= MOST_TURNS:
        raise BadInput(f"{where}: {len(inputs)} inputs; a game has 1 to {MOST_TURNS} turns")
    if len(states) != len(inputs) + 1:
        counted = f"{len(states)} states for {len(inputs)} inputs"
        raise BadInput(f"{where}: {counted}; write one state before each turn, and one after the last")
    cars = [_cars(each, f"{where}, turn {t}", road) for t, each in enumerate(states)]
    if any(car.done for car in cars[0]):
        raise BadInput(f"{where}, turn 0: done is true; a game begins with both cars on their way")
    for t, two in enumerate(cars):
        for k, car in enumerate(two):
            if car.goal != (first := cars[0][k].goal):
                at = f"{where}, turn {t}, car {k}"
                raise BadInput(f"{at}: goal is {car.goal}, before it was {first}; a game keeps its goals")
    return Written(where, road, cars, [_inputs(each, f"{where}, turn {t}") for t, each in enumerate(inputs)])


def _cars(value: Any, where: str, road: int) -> tuple[Car, Car]:
    one, other = _two(value, where, "cars")
    return _car(one, f"{where}, car 0", road), _car(other, f"{where}, car 1", road)


def _car(value: Any, where: str, road: int) -> Car:
    row = value if isinstance(value, dict) else refused(where, "car", value, "an object with pos, dir, goal, done")
    if not isinstance(done := row.get("done"), bool):
        refused(where, "done", done, "true or false")
    car = Car(
        _cell(row, "pos", where, gone=done),
        _whole(row, "dir", range(len(DIRECTIONS)), where),
        _cell(row, "goal", where),
        done,
    )
    if car.goal not in (allowed := GOALS[road].tolist()):
        refused(where, "goal", car.goal, f"a goal of this road, one of {allowed}")
    if done and car.pos not in (car.goal, [GONE, GONE]):
        refused(where, "pos", car.pos, f"the goal, or [{GONE}, {GONE}], where done is true")
    return car


def _inputs(value: Any, where: str) -> tuple[Input, Input]:
    """Of both players; null stands for "does nothing and says nothing", of both or of one."""
    one, other = (None, None) if value is None else _two(value, where, "inputs")
    return _input(one, f"{where}, player 0"), _input(other, f"{where}, player 1")


def _input(value: Any, where: str) -> Input:
    if value is None:
        return Input(0, "")
    row = value if isinstance(value, dict) else refused(where, "input", value, "an object with action, message")
    message = "" if row.get("message") is None else row["message"]
    if not isinstance(message, str) or len(message) > LONGEST:
        refused(where, "message", message, f"text of at most {LONGEST:,} characters, or null")
    if any(category(each) in ("Cc", "Cs") for each in "".join(message.split())):
        refused(where, "message", message, "text without control characters and halves of characters")
    return Input(_whole(row, "action", range(len(ACTIONS)), where), message)


def _cell(row: dict[str, Any], name: str, where: str, gone: bool = False) -> list[int]:
    cell = row.get(name)
    if not isinstance(cell, list) or len(cell) != 2 or any(type(each) is not int for each in cell):
        refused(where, name, cell, f"row and column, each from 0 to {SIZE - 1}")
    if any(each not in range(SIZE) for each in cell) and not (gone and cell == [GONE, GONE]):
        refused(where, name, cell, f"row and column, each from 0 to {SIZE - 1}")
    return cell


def _whole(row: dict[str, Any], name: str, allowed: range, where: str) -> int:
    value = row.get(name)
    if type(value) is not int or value not in allowed:
        refused(where, name, value, f"a whole number from 0 to {allowed[-1]:,}")
    return value


def _listed(row: dict[str, Any], name: str, where: str) -> list[Any]:
    value = row.get(name)
    return value if isinstance(value, list) else refused(where, name, value, "a list, one entry for each turn")


def _two(value: Any, where: str, what: str) -> list[Any]:
    return value if isinstance(value, list) and len(value) == 2 else refused(where, what, value, "a list of two")


def refused(where: str, name: str, value: Any, expected: str) -> NoReturn:
    """Raise BadInput for a field; hostile values are shown in part."""
    raise BadInput(f"{where}: {name} is {short(value)[:60]}; write {expected}")
