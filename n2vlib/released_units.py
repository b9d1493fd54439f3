"""The per-unit result files of Network Dissection's releases (`<layer>-result.csv`), read, counted and written.

One row per unit. `unit` counts from 1; `category`, `label` and `score` give the unit's best concept; then for every
category X the best concept within it: `X-label, X-truth, X-activation, X-intersect, X-iou`, where truth, activation and
intersect are pixels and iou = intersect / (truth + activation - intersect). Columns may come in any order and with any
categories. Unit is the authors' word for filter; the tables here count it from 0, as the book does its filters.

The original files are not part of this project. The reader was written from their description and is tested on files
that we write; labels from a file are only ever text.
"""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from n2vlib.activations.layer import Layer
from n2vlib.display.style import categories
from n2vlib.errors import BadInput, near
from n2vlib.files.cells import as_csv, original
from n2vlib.files.output import file_to_write, write_file
from n2vlib.files.userfiles import csv_rows
from n2vlib.masks.conventions import convention as named
from n2vlib.masks.counts import dissection_concepts
from n2vlib.methods import dissection
from n2vlib.paths import resolve
from n2vlib.probe import ProbeSet

OWN = ("unit", "category", "label", "score")
PARTS = ("label", "truth", "activation", "intersect", "iou")
ORDER = ("object", "color", "material", "scene", "texture", "part")  # of the columns, as released
_ROUNDING = 5.1e-5  # numbers in a file may be rounded to four decimals
_PER_UNIT = ["unit", "best_category", "best_label", "score"]


def read(path: str | Path) -> pd.DataFrame:
    """The rows of a file, one for each unit and category, units in the file's order.

    A category whose label is empty is left out: the release writes one, with inconsistent numbers, where no concept of
    the category was counted for a unit.
    Returns   unit (from 0), category, label, truth, activation, intersect, iou; and, the same in all rows of a unit,
              best_category, best_label and score, as the file gives them
    """
    rows, line_of = [], {}
    for line, cells, found in _lines(path):
        where = f"{path}, line {line}"
        unit = _number(cells, "unit", where)
        if unit != int(unit) or unit < 1:
            raise BadInput(f"{where}, column unit: units count from 1, got {cells['unit']!r}")
        if (number := int(unit)) in line_of:
            raise BadInput(f"{where}, column unit: unit {number} was in line {line_of[number]} already")
        line_of[number] = line
        score = _number(cells, "score", where)
        own = {"best_category": cells["category"], "best_label": cells["label"], "score": score}
        for category in found:
            if not cells[f"{category}-label"] and category != cells["category"]:
                continue
            values = _of_category(cells, category, where)
            if category == cells["category"]:
                _agrees(values, own, where)
            rows.append({"unit": number - 1, "category": category, **values, **own})
    return pd.DataFrame(rows)


def counts(units: pd.DataFrame, iou_threshold: float = 0.04) -> pd.DataFrame:
    """Detectors and unique detectors by category, low to high, and in total, by both rules.

    units     of `read`
    Returns   category ("total" last), detectors and unique_detectors by the paper's rule: a unit counts for its single
              best label. detectors_any_category and unique_detectors_any_category by that of the released MATLAB: a
              unit counts in every category whose own IoU exceeds it. In total a unit is one detector by either
              rule; unique detectors add up over the categories.
    """
    own = units.loc[units["score"] > iou_threshold, _PER_UNIT].drop_duplicates("unit")
    own = own.rename(columns={"best_category": "category", "best_label": "label"})
    either = units.loc[units["iou"] > iou_threshold]
    order, columns = categories({*units["category"], *units["best_category"]}), ["detectors", "unique_detectors"]
    rules = {"": own, "_any_category": either}
    each = {name: found.groupby("category")["label"].agg(["size", "nunique"]) for name, found in rules.items()}
    table = pd.concat(
        [each[name].reindex(order, fill_value=0).set_axis(columns, axis=1).add_suffix(name) for name in rules], axis=1
    )
    table.loc["total"] = table.sum()
    for name, found in rules.items():
        table.loc["total", f"detectors{name}"] = found["unit"].nunique()
    return table.rename_axis("category").reset_index()


def write(path: str | Path, layer: Layer, probe: ProbeSet, convention: str = "netdissect") -> None:
    """Our result for a layer as such a file, best score first. The file appears complete or not at all."""
    file_to_write(path)
    write_file(path, text(layer, probe, convention))


def text(layer: Layer, probe: ProbeSet, convention: str = "netdissect") -> str:
    """The text of that file. Names that a spreadsheet would take for formulas are escaped, and read back unchanged."""
    table = _table(layer, probe, convention)
    return as_csv([list(table), *table.itertuples(index=False)])


def _table(layer: Layer, probe: ProbeSet, convention: str) -> pd.DataFrame:
    """One row per filter, in the released columns."""
    found = dissection.count(layer, probe, convention=convention)
    best = dissection.filters(layer, probe, convention=convention)
    names, iou = probe.concepts["name"].to_numpy(), found.iou
    category_of = dissection_concepts(probe, named(convention))["category"].reindex(probe.concepts.index)
    table: dict[str, object] = {
        "unit": best["filter"] + 1, "category": best["category"], "label": best["name"],
        "score": best["dissection_iou"],
    }  # fmt: skip
    every, present = range(layer.n_filters), set(category_of.dropna())
    for category in [*(c for c in ORDER if c in present), *sorted(present - set(ORDER))]:
        places = (category_of == category).to_numpy().nonzero()[0]
        at = places[iou[:, places].argmax(1)]
        table |= {
            f"{category}-label": names[at],
            f"{category}-truth": found.annotated[at],
            f"{category}-activation": found.predicted[every, at],
            f"{category}-intersect": found.intersection[every, at],
            f"{category}-iou": iou[every, at],
        }
    return pd.DataFrame(table).sort_values("score", ascending=False, kind="stable")


def _lines(name: str | Path) -> Iterator[tuple[int, dict[str, str], list[str]]]:
    """Line number, {column: text} and the file's categories, of every line after the header."""
    try:
        rows = csv_rows(resolve(name), name)
        header = next(rows, (1, []))[1]
    except FileNotFoundError:
        raise BadInput(f"{name}: there is no such file") from None
    found, empty = _categories(header, name), True
    for line, cells in rows:
        if len(cells) != len(header):
            raise BadInput(f"{name}, line {line}: {len(cells)} cells, the header has {len(header)}")
        empty = False
        yield line, dict(zip(header, map(original, cells), strict=True)), found
    if empty:
        raise BadInput(f"{name}: there is no unit in it, only a header")


def _categories(header: list[str], name: str | Path) -> list[str]:
    """The categories that a header has columns for; BadInput where a column is missing or there twice."""
    if not header:
        raise BadInput(f"{name}: the file is empty")
    column, times = Counter(header).most_common(1)[0]
    if times > 1:
        raise BadInput(f"{name}: column {column!r} is there twice")
    split = [column.rpartition("-") for column in header]
    found = list(dict.fromkeys(category for category, dash, part in split if dash and part in PARTS))
    wanted = [*OWN, *(f"{category}-{part}" for category in found for part in PARTS)]
    there = set(header)
    for column in wanted:
        if column not in there:
            raise BadInput(f"{name}: no column {column!r}; {near(column, header)}")
    if not found:
        raise BadInput(f"{name}: no category has columns; wanted is for instance 'object-label' to 'object-iou'")
    return found


def _of_category(cells: dict[str, str], category: str, where: str) -> dict[str, str | float]:
    """label, truth, activation, intersect and iou of one unit in one category, the last checked against the others."""
    truth, activation, both, iou = (_number(cells, f"{category}-{part}", where) for part in PARTS[1:])
    union = truth + activation - both
    expected = both / union if union > 0 else 0.0
    if both > min(truth, activation):
        what = f"{both:g} pixels, more than truth {truth:g} or activation {activation:g}"
        raise BadInput(f"{where}, column {category}-intersect: {what}")
    if abs(iou - expected) > _ROUNDING:
        what = f"{both:g} / ({truth:g} + {activation:g} - {both:g})"
        raise BadInput(f"{where}, column {category}-iou: {iou:g} is not intersect / union, {what} = {expected:.4g}")
    label = cells[f"{category}-label"]
    return {"label": label, "truth": truth, "activation": activation, "intersect": both, "iou": iou}


def _agrees(values: dict[str, str | float], own: dict[str, str | float], where: str) -> None:
    """BadInput where the unit's own best disagrees with its category's columns."""
    category = own["best_category"]
    if values["label"] != own["best_label"]:
        what = f"{own['best_label']!r}, but {category}-label is {values['label']!r}"
        raise BadInput(f"{where}, column label: {what}")
    if abs(float(values["iou"]) - float(own["score"])) > 2 * _ROUNDING:
        raise BadInput(f"{where}, column score: {own['score']:g}, but {category}-iou is {values['iou']:g}")


def _number(cells: dict[str, str], column: str, where: str) -> float:
    try:
        value = float(cells[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise BadInput(f"{where}, column {column}: {cells[column]!r} is no number, or is below zero")
    return value
