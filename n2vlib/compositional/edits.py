"""What a formula says to add to a picture or to take away, and whether answers move as it says (Mu and Andreas,
figure 8).

    pairs = edits.pairs(effects, names, formulas, edited.carriers())     # which thing should move which class
    added = edits.added(drawings, things, each=2, seed=0)                # pictures with a thing more
    before, after = (edits.probabilities(network, images) for images in (added.originals, added.images))
    moves = edits.moves(pairs, added.table, before, after)               # each edit, for each class

An edit with a thing is compared with edits of the same pictures, in the same places and sizes, with things that the
formula does not name: whatever is pasted over a picture moves its answer.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from n2vlib.compositional.formula import Formula
from n2vlib.device import choose_device
from n2vlib.errors import BadInput
from n2vlib.networks.downstream import scores
from n2vlib.networks.load import Network
from n2vlib.probe import ProbeSet
from n2vlib.progress import bar
from n2vlib.tables import stacked
from n2vlib.world import CONCEPTS
from n2vlib.world.edited import CENTRED, Drawing
from n2vlib.zoo import shipped

_BATCH, DRAWS = 32, 2000
_LEAST = 1e-12  # of a probability, in log-odds
MEASURES = {"as_said": "moves as the formula says", "switched": "switches", "moved": "log-odds"}


@dataclass(frozen=True)
class Edits:
    """Pictures and what was made of them.

    originals, images   uint8, (height, width, 3) each
    table               one row for each of `images`: original (its position in `originals`), thing, area (share of the
                        image that was changed), and for drawn ones left, top, size
    """

    originals: Sequence[NDArray[np.uint8]]
    images: Sequence[NDArray[np.uint8]]
    table: pd.DataFrame


def need_drawn(probe: ProbeSet) -> None:
    """BadInput where the probe set's concepts are not those of the drawn world."""
    drawn = {(number, name) for number, name, _ in CONCEPTS}
    if not set(probe.concepts["name"].items()) <= drawn:
        what = "this chapter draws scenes again, so it needs the drawn world"
        raise BadInput(f"{what}; the probe set {probe.name} is another one: set PROBE=world, or give PASTED")


def signs(formula: Formula) -> dict[str, int]:
    """Concepts whose presence can make a formula true but never false: 1; false but never true: -1; others left out."""
    names = sorted(set(formula.concepts))
    found, n = {}, len(names) - 1
    for name in names:
        others = np.array(list(product([False, True], repeat=n)), bool).reshape(2**n, n)
        values = dict(zip([each for each in names if each != name], others.T, strict=True))
        without, with_it = (formula.truth({**values, name: np.full(len(others), there)}) for there in (False, True))
        more, less = (with_it & ~without).any(), (without & ~with_it).any()
        if more != less:
            found[name] = 1 if more else -1
    return found


def pairs(
    effects: NDArray[np.float64],
    classes: Sequence[str],
    formulas: Mapping[int, Formula],
    carriers: Mapping[str, str],
) -> pd.DataFrame:
    """For each class the filter with the largest effect whose formula names a thing, and these things.

    effects    (filter, class): how much each filter supports each class; only filters above 0 are taken
    formulas   {filter: its formula}      carriers   {concept: thing to draw}
    Returns    class, filter, rank (1: the largest effect of all), effect, formula (text), thing, direction (1: adding
               the thing should raise the class, -1: lower it)
    """
    rows = []
    for c, name in enumerate(classes):
        for rank, k in enumerate(np.argsort(-effects[:, c], kind="stable").tolist(), start=1):
            things = _things(formulas[k], carriers) if k in formulas and effects[k, c] > 0 else {}
            rows += [(name, k, rank, effects[k, c], str(formulas[k]), *each) for each in things.items()]
            if things or effects[k, c] <= 0:
                break
    return pd.DataFrame(rows, columns=["class", "filter", "rank", "effect", "formula", "thing", "direction"])


def _things(formula: Formula, carriers: Mapping[str, str]) -> dict[str, int]:
    """The things that a formula names, with the direction that they are said to move it in."""
    found: dict[str, set[int]] = {}
    for name, sign in signs(formula).items():
        if name in carriers:
            found.setdefault(carriers[name], set()).add(sign)
    return {thing: min(both) for thing, both in found.items() if len(both) == 1}


def added(drawings: Sequence[Drawing], things: Sequence[str], *, each: int, seed: int) -> Edits:
    """Every scene with every thing that it does not show, in `each` places and sizes drawn at random for the scene.

    The places and sizes are those of the authors' released pictures whose middle lies in the image.
    """
    rng, images, rows = np.random.default_rng(seed), [], []
    for original, drawing in enumerate(bar(drawings, "adding things")):
        spots = [CENTRED[spot] for spot in rng.choice(len(CENTRED), min(each, len(CENTRED)), replace=False)]
        for thing, (place, size) in product([name for name in things if name not in drawing.shows], spots):
            edit = drawing.with_thing(thing, place, size)
            images.append(edit.scene.image)
            rows.append((original, thing, edit.mask.mean(), *place, size))
    table = pd.DataFrame(rows, columns=["original", "thing", "area", "left", "top", "size"])
    return Edits([drawing.scene.image for drawing in drawings], images, table)


def removed(drawings: Sequence[Drawing], answers: Sequence[str], pairs: pd.DataFrame, *, seed: int) -> Edits:
    """Every scene without each thing that should raise its class, and without as many of its other things, at random.

    answers   the class of each scene; those without such a thing are left out
    """
    rng, images, rows = np.random.default_rng(seed), [], []
    for original, (drawing, answer) in enumerate(zip(drawings, answers, strict=True)):
        said = set(pairs.loc[(pairs["class"] == answer) & (pairs["direction"] > 0), "thing"])
        own = [name for name in drawing.shows if name in said]
        others = [name for name in drawing.shows if name not in said]
        chosen = rng.choice(others, min(len(own), len(others)), replace=False).tolist() if others else []
        for thing in [*own, *chosen]:
            edit = drawing.without(thing)
            images.append(edit.scene.image)
            rows.append((original, thing, edit.mask.mean()))
    table = pd.DataFrame(rows, columns=["original", "thing", "area"])
    return Edits([drawing.scene.image for drawing in drawings], images, table)


def class_names(network: Network) -> tuple[list[str], slice]:
    """The classes that exclude each other, and their outputs: a zoo network's scenes, else all outputs by number."""
    known = shipped.card(network.name).get("outputs", {}) if network.name in shipped.names() else {}
    at = 0
    for kind, names in known.items():
        if kind == "scenes":
            return list(names), slice(at, at + len(names))
        at += len(names)
    few = network.preprocessing(np.zeros((1, *network.preprocessing.size, 3), np.uint8))
    with torch.inference_mode():
        n = scores(network.module.cpu()(few)).shape[1]
    return [f"output {i}" for i in range(n)], slice(0, n)


def probabilities(network: Network, images: Sequence[NDArray[np.uint8]], device: str = "auto") -> pd.DataFrame:
    """The softmax over a network's classes (`class_names`), (image, class).

    images   uint8, (height, width, 3) each, of any sizes
    """
    device, (names, outputs) = choose_device(device), class_names(network)
    module, found = network.module.to(device), [np.zeros((0, len(names)))]
    starts = range(0, len(images), _BATCH)
    for start in bar(starts, f"{network.name} answers", len(starts)):
        ready = [network.preprocessing(each[None]) for each in images[start : start + _BATCH]]
        with torch.inference_mode():
            seen = scores(module(torch.cat(ready).to(device)))[:, outputs]
        found.append(seen.double().softmax(1).cpu().numpy())
    return pd.DataFrame(np.concatenate(found), columns=names)


def moves(pairs: pd.DataFrame, table: pd.DataFrame, before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Each edit for each class of `pairs`: whether it moved the class's probability as a formula says.

    pairs    class, thing, direction: 1 where the edit should raise the class, -1 where it should lower it
    table    of `Edits`, with class_from: the class of the original
    before   probabilities of the originals, (original, class)      after   of the edits, (edit, class)
    Returns  edit, original, thing, class, direction; named (the thing is one of the class's); moved (change of the
             class's log-odds in that direction), as_said (moved > 0), switched (the answer becomes the class, or with
             direction -1 stops being it). Where a class should rise, pictures of other classes are taken, where it
             should fall, its own.
    Raises BadInput where the network has no such class.
    """
    parts = []
    first, last = before.idxmax(axis=1), after.idxmax(axis=1)
    kinds: Any = pairs.groupby(["class", "direction"], sort=False)
    for (name, direction), own in kinds:
        if name not in before:
            raise BadInput(f"class {name}: a network compared has no such class; compare networks of the same classes")
        rows = table.loc[(table["class_from"] != name) == (direction > 0)]
        was, answers = first.loc[rows["original"]] == name, last.loc[rows.index] == name
        now, then = _log_odds(after.loc[rows.index, name]), _log_odds(before.loc[rows["original"], name])
        moved = direction * (now - then)
        switched = answers.to_numpy() & ~was.to_numpy() if direction > 0 else was.to_numpy() & ~answers.to_numpy()
        columns = {"class": name, "direction": direction, "named": rows["thing"].isin(own["thing"]), "moved": moved}
        columns |= {"as_said": moved > 0, "switched": switched, "edit": rows.index}
        parts.append(rows.loc[:, ["original", "thing"]].assign(**columns))
    columns = ["edit", "original", "thing", "class", "direction", "named", "moved", "as_said", "switched"]
    return stacked(parts, columns).loc[:, columns]


def _log_odds(p: pd.Series) -> NDArray[np.float64]:
    clipped = p.to_numpy(float).clip(_LEAST, 1 - _LEAST)
    return np.log(clipped) - np.log1p(-clipped)


def beside(moves: pd.DataFrame, column: str) -> pd.DataFrame:
    """Means of a column over a picture's edits for a class: with things that the formula names, and with others.

    Returns  original, class, direction, named, others (missing where there is no such edit), difference
    """
    keys = ["original", "class", "direction"]
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


def summary(moves: pd.DataFrame, by: Sequence[str] = (), *, seed: int = 0) -> pd.DataFrame:
    """How often edits move answers as the formulas say, beside edits with other things.

    by       columns of `moves` whose values get rows of their own, such as class
    Returns  the columns of `by`, measure (MEASURES), pictures (with both kinds of edit for one class), named, others,
             difference, low, high
    Where a class has both kinds of edit in no picture, named and others are means over what there is.
    """
    groups: Any = moves.groupby(list(by), sort=False) if by else [((), moves)]
    rows = [(*values, *row) for values, mine in groups for row in _measured(mine, seed)]
    columns = [*by, "measure", "pictures", "named", "others", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _measured(moves: pd.DataFrame, seed: int) -> Iterable[tuple]:
    for column, words in MEASURES.items():
        cells = beside(moves, column)
        both = cells.dropna()
        sides = (both if len(both) else cells)[["named", "others"]].mean()
        yield words, both["original"].nunique(), *sides, *with_interval(both, "difference", seed=seed)


def together(by_network: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Do other networks switch where the first one does? Edits with things that a formula names, for their class.

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
