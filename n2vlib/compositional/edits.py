"""Do answers move as formulas say, if a picture is edited so that a formula holds in it (Mu and Andreas, figure 8)?

    chosen = edits.things_for(effects, classes, formulas, edits.looks())   # for each class a filter and a thing
    made = edits.added(drawings, answers, chosen, each=2, seed=0)          # pictures with a thing more
    before, after = (edits.probabilities(network, images) for images in (made.originals, made.images))
    moves = edits.moves(made, before, after)                               # each edit, for each class

Whatever is pasted over a picture moves its answer. So edits after which a formula holds on more of the picture are
compared with edits of the same picture, in the same places and sizes, after which it does not.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from n2vlib.compositional.atoms import Counts
from n2vlib.compositional.formula import Formula, parse
from n2vlib.device import choose_device
from n2vlib.errors import BadInput
from n2vlib.networks.downstream import scores
from n2vlib.networks.load import Network
from n2vlib.probe import ProbeSet
from n2vlib.progress import bar
from n2vlib.store import Store, load_array, save_arrays
from n2vlib.tables import stacked
from n2vlib.world import CONCEPTS, Scene
from n2vlib.world.edited import CENTRED, PLACES, SIZES, THINGS_DRAWN, Drawing, Edited
from n2vlib.zoo import shipped

MODULES = ["n2vlib.compositional.edits"]
HOLDS = 0.5  # of a thing's pixels: then a formula holds for the thing
MEASURES = {
    "as_said": "moves as said", "most": "moves most of all classes", "switched": "switches the answer",
    "moved": "moves by, log scale", "area": "covers, share of the picture",
}  # fmt: skip
DRAWS = 2000
_BATCH = 32
_COLUMNS = ("original", "thing", "left", "top", "size")  # of edits, where there are none
_LEAST = 1e-12  # of a probability, in log-odds
_TINY = 1e-300  # of a probability, in logarithms
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


def need_drawn(probe: ProbeSet) -> None:
    """BadInput where the probe set's concepts are not those of the drawn world."""
    if not set(probe.concepts["name"].items()) <= set(_NAMES.items()):
        what = "this chapter draws scenes again, so it needs the drawn world"
        raise BadInput(f"{what}; the probe set {probe.name} is another one: set PROBE=world, or give PASTED")


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
        edit = drawing.with_thing(thing, (0, 0), 112)
        seen = edit.mask[1::2, 1::2] & (edit.scene.maps["object"][0] == _NUMBERS[thing])  # labels of odd pixels
        maps = [labels[seen] for (labels,) in edit.scene.maps.values()]
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


def outcomes(made: Edits, after: pd.DataFrame) -> pd.Series:
    """What became of the answer to each edit towards the class of `made.gained`, in the release's words.

    success: it is the class; failure: it is that of the original; partial: it is another one
    """
    last = after.idxmax(axis=1) if len(after) else pd.Series(dtype=str)
    success = [answer in made.gained for answer in last]
    return pd.Series(
        np.where(success, "success", np.where(last == made.table["class_from"], "failure", "partial")), dtype=str
    )


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


def class_names(network: Network) -> tuple[list[str], slice]:
    """The classes that exclude each other, and their outputs: a zoo network's scenes, else all outputs by number.

    BadInput for a network of the zoo that classifies no scenes.
    """
    known = shipped.card(network.name).get("outputs", {}) if network.name in shipped.names() else {}
    at = 0
    for kind, names in known.items():
        if kind == "scenes":
            return list(names), slice(at, at + len(names))
        at += len(names)
    if known:
        raise BadInput(f"{network.name}: its outputs are {', '.join(known)}; take a network that classifies scenes")
    few = network.preprocessing(np.zeros((1, *network.preprocessing.size, 3), np.uint8))
    with torch.inference_mode():
        n = scores(network.module.cpu()(few)).shape[1]
    return [f"output {i}" for i in range(n)], slice(0, n)


def probabilities(
    network: Network, images: Sequence[NDArray[np.uint8]], device: str = "auto", store: Store | None = None
) -> pd.DataFrame:
    """The softmax over a network's classes (`class_names`), (image, class).

    images   uint8, (height, width, 3) each, of any sizes      store   where they are kept; None: nowhere
    """
    device = choose_device(device)
    if store is None:
        return _probabilities(network, images, device)

    def make(folder: Path) -> None:
        save_arrays(folder, probabilities=_probabilities(network, images, device).to_numpy())

    inputs = {"weights": network.fingerprint, "code": network.code, "preprocessing": network.preprocessing.as_json()}
    folder = store.entry("answers-to-edits", inputs | {"images": _digest(images)}, MODULES, make, device)
    return pd.DataFrame(np.asarray(load_array(folder, "probabilities")), columns=class_names(network)[0])


def _digest(images: Sequence[NDArray[np.uint8]]) -> str:
    found = sha256()
    for image in images:
        found.update(f"{image.shape}".encode() + image.tobytes())
    return found.hexdigest()


def _probabilities(network: Network, images: Sequence[NDArray[np.uint8]], device: str) -> pd.DataFrame:
    names, outputs = class_names(network)
    module, found = network.module.to(device), [np.zeros((0, len(names)))]
    starts = range(0, len(images), _BATCH)
    for start in bar(starts, f"{network.name} answers", len(starts)):
        ready = [network.preprocessing(each[None]) for each in images[start : start + _BATCH]]
        with torch.inference_mode():
            seen = scores(module(torch.cat(ready).to(device)))[:, outputs]
        found.append(seen.double().softmax(1).cpu().numpy())
    return pd.DataFrame(np.concatenate(found), columns=names)


def moves(made: Edits, before: pd.DataFrame, after: pd.DataFrame, *, direction: int = 1) -> pd.DataFrame:
    """Each edit for each class of `made.gained`: whether it moved the class's probability as its formula says.

    before      probabilities of the originals, (original, class)      after   of the edits, (edit, class)
    direction   1: edits of other classes' pictures should raise a class where its formula gained; -1: edits of its own
                pictures should lower it where its formula lost
    Returns     edit, original, thing, class; area, where it is known; named (the formula gained, or lost); as_said (the
                probability rose, or fell); switched (the answer becomes the class, or stops being it); moved; and
                where classes should rise, most (its probability grows by the largest factor of all but the original's)
    moved is the change of the class's log probability minus the mean change of the other classes', the original's left
    out: what an edit takes from the original's class, by hiding it, goes to all others. Where the original's class
    should fall, it is the fall of its log-odds.
    Raises BadInput where the network has no such class.
    """
    parts = []
    first, last, grown = before.idxmax(axis=1), after.idxmax(axis=1), _grown(made, before, after)
    for name in map(str, made.gained):
        if name not in before:
            raise BadInput(f"class {name}: a network compared has no such class; compare networks of the same classes")
        rows = made.table.loc[(made.table["class_from"] != name) == (direction > 0)]
        was, now = (first.loc[rows["original"]] == name).to_numpy(), (last.loc[rows.index] == name).to_numpy()
        p, q = before.loc[rows["original"], name].to_numpy(), after.loc[rows.index, name].to_numpy()
        columns = {"edit": rows.index, "class": name, "named": direction * made.gained.loc[rows.index, name] > 0}
        columns |= {"as_said": direction * (q - p) > 0, "switched": now & ~was if direction > 0 else was & ~now}
        if direction > 0:
            mine = grown.loc[rows.index]
            others = mine.drop(columns=name).mean(axis=1).fillna(0)
            columns |= {"moved": mine[name] - others, "most": mine.idxmax(axis=1) == name}
        else:
            columns |= {"moved": _log_odds(p) - _log_odds(q)}
        parts.append(rows.loc[:, [*rows.columns.intersection(["original", "thing", "area"])]].assign(**columns))
    columns = ["edit", "original", "thing", "class", "named", "as_said", "switched", "moved"]
    return stacked(parts, [*columns, "most"] if direction > 0 else columns).reset_index(drop=True)


def _grown(made: Edits, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Changes of log probability, (edit, class); missing for the original's class."""
    changes = np.log(after.clip(lower=_TINY)) - np.log(before.loc[made.table["original"]].clip(lower=_TINY)).to_numpy()
    return changes.mask(made.table["class_from"].to_numpy()[:, None] == changes.columns.to_numpy())


def _log_odds(p: NDArray[np.float64]) -> NDArray[np.float64]:
    clipped = p.clip(_LEAST, 1 - _LEAST)
    return np.log(clipped) - np.log1p(-clipped)


def beside(moves: pd.DataFrame, column: str) -> pd.DataFrame:
    """Means of a column over a picture's edits for a class: those that the class's formula names, and others.

    Returns  original, class, named, others (missing where there is no such edit), difference
    """
    keys = ["original", "class"]
    given = moves.assign(value=moves[column].astype(float), side=np.where(moves["named"], "named", "others"))
    means = given.pivot_table(index=keys, columns="side", values="value", aggfunc="mean")
    both = means.reindex(columns=["named", "others"]).reset_index().rename_axis(columns=None)
    return both.assign(difference=both["named"] - both["others"])


def with_interval(
    values: pd.DataFrame, column: str, *, seed: int = 0, draws: int = DRAWS
) -> tuple[float, float, float]:
    """Mean of a column of `beside` and its 95% bootstrap interval; whole pictures are drawn, with all their rows."""
    known = values.dropna(subset=[column]).groupby("original")[column].agg(["sum", "size"]).to_numpy(float)
    if not len(known):
        return np.nan, np.nan, np.nan
    drawn = np.random.default_rng(seed).integers(0, len(known), (DRAWS, len(known)))
    sums, sizes = known[drawn].sum(1).T
    low, high = np.quantile(sums / sizes, [0.025, 0.975])
    return float(known[:, 0].sum() / known[:, 1].sum()), float(low), float(high)


def summary(
    moves: pd.DataFrame, by: Sequence[str] = (), *, measures: Sequence[str] = tuple(MEASURES), seed: int = 0
) -> pd.DataFrame:
    """How often named edits move answers as the formulas say, beside other edits of the same pictures.

    by         columns of `moves` whose values get rows of their own, such as class
    measures   of MEASURES; those that `moves` lacks are left out
    Returns    the columns of `by`, measure (MEASURES), pictures (with both kinds of edit for one class), named, others,
               difference, low, high
    Where a class has both kinds of edit in no picture, named and others are means over what there is.
    """
    groups: Any = moves.groupby(list(by), sort=False) if by else [((), moves)]
    rows = [(*values, *row) for values, mine in groups for row in _measured(mine, measures, seed)]
    columns = [*by, "measure", "pictures", "named", "others", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _measured(moves: pd.DataFrame, measures: Sequence[str], seed: int) -> Iterable[tuple]:
    for column in (column for column in measures if column in moves):
        cells = beside(moves, column)
        both = cells.dropna()
        sides = (both if len(both) else cells)[["named", "others"]].mean()
        yield MEASURES[column], both["original"].nunique(), *sides, *with_interval(both, "difference", seed=seed)


def together(by_network: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Do other networks switch where the first one does? Of named edits, for the class of the formula.

    by_network   {network: `moves`, the same edits for all}; the first is the one whose formulas were read
    Returns      network, switched (share of all these edits), too (share of those that switch the first network),
                 alone (share of those that do not); missing where there are none
    """
    (_, first), *others = by_network.items()
    keep = first["named"].to_numpy()
    leads = first["switched"].to_numpy()[keep]
    rows = []
    for name, mine in others:
        own = mine["switched"].to_numpy()[keep]
        rows.append((name, _share(own), _share(own[leads]), _share(own[~leads])))
    return pd.DataFrame(rows, columns=["network", "switched", "too", "alone"])


def _share(which: NDArray) -> float:
    return float(which.mean()) if len(which) else np.nan
