"""Pictures edited so that a formula holds in them: which thing to add or take away (Mu and Andreas, figure 8).

    chosen = edits.things_for(effects, classes, formulas, edits.looks())   # for each class a filter and a thing
    made = edits.added(drawings, answers, chosen, each=2, seed=0)          # pictures with a thing more

`moved` says what the edits do to answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.compositional.atoms import Counts
from n2vlib.compositional.formula import Formula, parse
from n2vlib.errors import BadInput
from n2vlib.probe import ProbeSet
from n2vlib.progress import bar
from n2vlib.world import CONCEPTS, Scene
from n2vlib.world.edited import CENTRED, PLACES, SIZES, THINGS_DRAWN, Drawing, Edited

HOLDS = 0.5  # of a thing's pixels: then a formula holds for the thing
_COLUMNS = ("original", "thing", "left", "top", "size")  # of edits, where there are none
_NUMBERS = {name: number for number, name, _ in CONCEPTS}
_NAMES = {number: name for number, name, _ in CONCEPTS}


@dataclass(frozen=True)
class Edits:
    """Pictures and what was made of them.

    originals, images   uint8, (height, width, 3) each
    table               one row for each of `images`: original (its position in `originals`), thing, class_from (the
                        class of the original), and for drawn ones area (share of the image that shows the thing, or
                        showed it) and, where it was added, left, top, size
    gained              (edit, class): how much larger the share of the picture is on which the class's formula holds
    """

    originals: Sequence[NDArray[np.uint8]]
    images: Sequence[NDArray[np.uint8]]
    table: pd.DataFrame
    gained: pd.DataFrame


def need_drawn(probe: ProbeSet, instead: str = "") -> None:
    """BadInput where the probe set's concepts are not those of the drawn world; `instead` adds what else helps."""
    if not set(probe.concepts["name"].items()) <= set(_NAMES.items()):
        what = "this chapter draws scenes again, so it needs the drawn world"
        raise BadInput(f"{what}; the probe set {probe.name} is another one: set PROBE=world{instead}")


def without(counts: Counts, category: str) -> Counts:
    """What a search sees if concepts of a category are none: no formula names them."""
    kept = (counts.concepts["category"] != category).to_numpy()
    beside = None if counts.beside is None else counts.beside[:, kept]
    return replace(counts, members=counts.members[np.flatnonzero(kept)], concepts=counts.concepts[kept], beside=beside)


def looks(seed: int = 0, n: int = 2) -> pd.DataFrame:
    """What things look like, each drawn n times: thing, share (of its label pixels), and a column for each concept.

    A concept's column says whether it is there: color, object, part or material.
    """
    numbers, shares, things = [], [], []
    for drawing, thing in product([Drawing(seed, index) for index in range(n)], THINGS_DRAWN):
        labels, mask = drawing.labels_with(thing, (0, 0), 112)
        seen = mask[1::2, 1::2] & (labels["object"] == _NUMBERS[thing])  # labels of odd pixels
        maps = [each[seen] for each in labels.values() if each.any()]
        kinds, sizes = np.unique(np.stack(maps), axis=1, return_counts=True)
        numbers += [set(each.tolist()) for each in kinds.T]
        shares += (sizes / sizes.sum() / n).tolist()
        things += [thing] * len(sizes)
    there = {name: [number in each for each in numbers] for name, number in _NUMBERS.items()}
    return pd.DataFrame({"thing": things, "share": shares} | there)


def things_for(
    effects: NDArray[np.float64],
    classes: Sequence[str],
    formulas: Mapping[int, Formula],
    looks: pd.DataFrame,
    *,
    most: int = 5,
) -> pd.DataFrame:
    """For each class the filter with the largest effect whose formula holds for a thing, and the thing that fits best.

    effects    (filter, class): how much each filter supports each class; the `most` largest above 0 count
    formulas   {filter: its formula}      looks   of `looks`
    Returns    class, filter, rank (1: the largest effect of all), effect, formula (text), thing, holds (the share of
               the thing's pixels for which the formula holds, at least HOLDS)
    """
    names = looks["thing"].unique().tolist()
    shares = looks["share"].to_numpy() * (looks["thing"].to_numpy() == np.array(names)[:, None])
    fits = {k: shares @ _truth(formula, looks) for k, formula in formulas.items()}
    rows = []
    for c, name in enumerate(classes):
        order = [k for k in np.argsort(-effects[:, c], kind="stable")[:most].tolist() if effects[k, c] > 0]
        for rank, k in enumerate(order, start=1):
            if k in fits and fits[k].max() >= HOLDS:
                best = int(fits[k].argmax())
                rows.append((name, k, rank, effects[k, c], str(formulas[k]), names[best], fits[k][best]))
                break
    return pd.DataFrame(rows, columns=["class", "filter", "rank", "effect", "formula", "thing", "holds"])


def _truth(formula: Formula, looks: pd.DataFrame) -> NDArray[np.bool_]:
    return formula.truth({name: looks[name].to_numpy() for name in formula.concepts})


def holds(formula: Formula, scene: Scene) -> NDArray[np.bool_]:
    """Where a formula holds in a drawn image: bool, (56, 56). Scenes and textures are there everywhere."""
    maps = [labels for layers in scene.maps.values() for labels in layers]
    whole = {number for numbers in scene.whole.values() for number in numbers}
    values = {}
    for name in formula.concepts:
        number = _NUMBERS[name]
        values[name] = np.any([labels == number for labels in maps], axis=0) | (number in whole)
    return formula.truth(values)


def added(drawings: Sequence[Drawing], answers: Sequence[str], chosen: pd.DataFrame, *, each: int, seed: int) -> Edits:
    """Every scene with every thing that it does not show, in `each` places and sizes drawn at random for the scene.

    answers   the class of each scene      chosen   of `things_for`
    The places and sizes are those of the authors' released pictures whose middle lies in the image.
    Raises BadInput where no thing is chosen, or no edit makes a formula hold in a picture of another class.
    """
    if chosen.empty:
        raise BadInput("no formula of a filter that supports a class holds for a thing: choose a later layer (LAYERS)")
    rng, rows = np.random.default_rng(seed), []
    for original, drawing in enumerate(bar(drawings, "adding things")):
        spots = [CENTRED[at] for at in rng.choice(len(CENTRED), min(each, len(CENTRED)), replace=False)]
        absent = [thing for thing in chosen["thing"].unique() if thing not in drawing.shows]
        for thing, (place, size) in product(absent, spots):
            edit = drawing.with_thing(thing, place, size)
            spot = {"left": place[0], "top": place[1], "size": size}
            rows.append((edit, {"original": original, "thing": thing} | spot))
    made = _edits(drawings, answers, _formulas(chosen), rows)
    others = made.table["class_from"].to_numpy()[:, None] != made.gained.columns.to_numpy()
    if not ((made.gained > 0) & others).any(axis=None):
        raise BadInput(
            f"none of {len(rows)} edits makes a formula hold in a picture of another class: take more scenes"
        )
    return made


def everywhere(
    drawings: Sequence[Drawing], answers: Sequence[str], chosen: pd.DataFrame, classes: Sequence[str]
) -> Edits:
    """One scene with a thing in all sizes and at all places of the released pictures, the sizes in order.

    classes   the first is taken for which a scene of another class does not show its thing; without one there are no
              edits. Other arguments as of `added`
    """
    things, formulas = dict(zip(chosen["class"], chosen["thing"], strict=True)), _formulas(chosen)
    for name, (drawing, answer) in product(classes, zip(drawings, answers, strict=False)):
        if name in things and answer != name and (thing := things[name]) not in drawing.shows:
            rows = []
            for size, place in product(SIZES, PLACES):
                spot = {"left": place[0], "top": place[1], "size": size}
                rows.append((drawing.with_thing(thing, place, size), {"original": 0, "thing": thing} | spot))
            return _edits([drawing], [answer], {name: formulas[name]}, rows)
    return _edits([], [], {}, [])


def removed(drawings: Sequence[Drawing], answers: Sequence[str], chosen: pd.DataFrame) -> Edits:
    """Every scene without each kind of thing that it shows; arguments as of `added`."""
    shown = [(n, drawing, thing) for n, drawing in enumerate(drawings) for thing in drawing.shows]
    rows = [(drawing.without(thing), {"original": n, "thing": thing}) for n, drawing, thing in bar(shown, "removing")]
    return _edits(drawings, answers, _formulas(chosen), rows)


def _formulas(chosen: pd.DataFrame) -> dict[str, Formula]:
    return {name: parse(text) for name, text in zip(chosen["class"], chosen["formula"], strict=True)}


def _edits(
    drawings: Sequence[Drawing],
    answers: Sequence[str],
    formulas: Mapping[str, Formula],
    rows: list[tuple[Edited, dict[str, Any]]],
) -> Edits:
    before = [{name: holds(each, drawing.scene).mean() for name, each in formulas.items()} for drawing in drawings]
    table = pd.DataFrame([row for _, row in rows], columns=[*(rows[0][1] if rows else _COLUMNS)])
    table = table.assign(class_from=[answers[row["original"]] for _, row in rows])
    table = table.assign(area=[edit.mask.mean() for edit, _ in rows])
    gained = [
        [holds(each, edit.scene).mean() - before[row["original"]][name] for name, each in formulas.items()]
        for edit, row in rows
    ]
    images = [edit.scene.image for edit, _ in rows]
    originals = [drawing.scene.image for drawing in drawings]
    return Edits(originals, images, table, pd.DataFrame(gained, columns=list(formulas)))
