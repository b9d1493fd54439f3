"""Beam search for the formula of each unit (Mu and Andreas 2.2, equations 1 and 2), of all units together.

Round by round, every formula of a unit's beam is joined with every concept by OR, AND and AND NOT, and the best are
kept; shorter formulas stay if they are better. Two searches:

search            no mask stands in the beam twice, so that no place is lost to `b OR a` beside `a OR b`
search, released  as the authors' program: a place for each way to write a formula
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.compositional.atoms import Counts, atoms_of
from n2vlib.compositional.formula import OPERATORS, Formula, concept, join
from n2vlib.errors import BadInput
from n2vlib.kernels import atoms as kernel
from n2vlib.progress import bar

LENGTH, BEAM = 3, 5
CANDIDATES_AT_ONCE = 2**23  # scores held in memory
_TINY = 1e-10  # in the denominator of the released program


class Found(NamedTuple):
    """A formula, the atoms for which it holds, (atom,), and its IoU."""

    formula: Formula
    truth: NDArray[np.bool_]
    iou: float


_Candidate = tuple[float, Found | None, int, int]  # IoU; a formula, and the concept and operator to join it with, or -1


def search(counts: Counts, length: int = LENGTH, *, beam: int = BEAM, released: bool = False) -> pd.DataFrame:
    """The best formula of every unit for each length allowed, from 1 to `length`.

    beam       formulas kept after each round
    released   count for count as the authors' program: the first concepts are those that share an image with the unit
               (`counts.beside`), and formulas that differ only in order keep places of their own
    Returns    unit, allowed (the length allowed), formula, iou, length; formula None where no concept overlaps
    """
    if length < 1 or beam < 1:
        raise BadInput(f"length = {length}, beam = {beam}: both must be at least 1")
    tables = [_of_block(counts, block, length, beam, released) for block in _blocks(counts, beam)]
    return pd.concat(tables, ignore_index=True)


def _blocks(counts: Counts, beam: int) -> Iterator[range]:
    units, each = len(counts.fired), beam * len(counts.names) * len(OPERATORS)
    size = max(1, min(CANDIDATES_AT_ONCE // each, 2**27 // (8 * beam * len(counts.sizes))))
    return bar((range(at, min(at + size, units)) for at in range(0, units, size)), "formulas", -(-units // size))


def _of_block(counts: Counts, units: range, length: int, beam: int, released: bool) -> pd.DataFrame:
    beams = _first(counts, units, beam, released)
    rows = [_row(unit, 1, kept) for unit, kept in zip(units, beams, strict=True)]
    done: list[list[Found]] = [[] for _ in beams]
    for allowed in range(2, length + 1):
        beams, done = _longer(counts, units, beams, done, beam, released), beams
        rows += [_row(unit, allowed, kept) for unit, kept in zip(units, beams, strict=True)]
    return pd.DataFrame(rows, columns=["unit", "allowed", "formula", "iou", "length"]).sort_values(["unit", "allowed"])


def _row(unit: int, allowed: int, kept: Sequence[Found]) -> tuple:
    best = kept[0] if kept else None
    return unit, allowed, best and best.formula, best.iou if best else 0.0, best.formula.length if best else 0


def _first(counts: Counts, units: range, beam: int, released: bool) -> list[list[Found]]:
    """The best single concepts of each unit."""
    fired = counts.fired[units.start : units.stop]
    shared, sizes = (counts.members @ fired.T).T, counts.members @ counts.sizes
    iou = _iou(shared, sizes, fired.sum(1)[:, None], released)
    if released and counts.beside is not None:
        iou = np.where(counts.beside[units.start : units.stop], iou, 0)
    found = []
    for row in iou:
        order = np.argsort(-row, kind="stable")
        candidates = ((float(row[c]), None, c, 0) for c in order if row[c] > 0)
        found.append(_kept(counts, candidates, beam, released))
    return found


def _longer(
    counts: Counts, units: range, beams: list[list[Found]], done: list[list[Found]], beam: int, released: bool
) -> list[list[Found]]:
    """The beams after one more round.

    done   the beams of the round before. What stood there was joined with every concept then, and what was not kept
           then is no better now. (In a place that is still free, the released program sets it again.)
    """
    new = [
        [each for each in kept if (released and len(kept) < beam) or not any(each is one for one in old)]
        for kept, old in zip(beams, done, strict=True)
    ]
    owner = np.repeat(np.arange(len(beams)), [len(each) for each in new])
    if not len(owner):
        return beams
    truth = np.stack([each.truth for some in new for each in some])
    iou = _joined_iou(counts, counts.fired[units.start : units.stop], owner, truth, released)
    ends = np.searchsorted(owner, np.arange(len(beams) + 1))
    return [
        _best(counts, kept, some, iou[first:last], beam, released) if some else kept
        for kept, some, first, last in zip(beams, new, ends, ends[1:], strict=False)
    ]


def _joined_iou(
    counts: Counts, fired: NDArray[np.int64], owner: NDArray[np.int64], truth: NDArray[np.bool_], released: bool
) -> NDArray[np.float64]:
    """IoU of every formula joined with every concept: (formula, operator, concept).

    owner   the unit of each formula, (formula,)      truth   its atoms, (formula, atom)
    What both cover is a sum over the atoms of the formula; the rest follows from the areas of both. Pixels are counted
    in float64, which is exact far beyond them and divides faster.
    """
    found = np.zeros((2, len(owner), len(counts.names) + 1))
    kernel.joined(fired, counts.sizes, *counts.by_atom, owner, truth, found)
    areas, iou = fired.sum(1)[owner, None], np.empty((len(owner), len(OPERATORS), len(counts.names)))
    both, ones = found[..., :-1], found[..., -1:]  # on which the unit fires, and all
    others = (counts.members @ fired.T).T[owner], (counts.members @ counts.sizes)[None]
    either = [one + other - common for one, other, common in zip(ones, others, both, strict=True)]
    without = [one - common for one, common in zip(ones, both, strict=True)]
    for place, (shared, size) in enumerate((either, both, without)):
        iou[:, place] = _iou(shared, size, areas, released)
    if not released:  # one of the two, or nothing: a shorter formula says it
        inside = (both[1] == ones[1]) | (both[1] == others[1])
        iou[:, :2] *= ~inside[:, None]
        iou[:, 2] *= both[1] > 0
    return iou


def _iou(shared: NDArray, sizes: NDArray, areas: NDArray, released: bool) -> NDArray[np.float64]:
    union = sizes + areas - shared
    return shared / (union + _TINY if released else np.maximum(union, 1))


def _best(
    counts: Counts, kept: list[Found], new: list[Found], iou: NDArray[np.float64], beam: int, released: bool
) -> list[Found]:
    """The best of a unit's beam and of its new formulas joined with concepts, (formula, operator, concept).

    Equal ones keep their order: older formulas come first, then concept by concept.
    """
    every, least = iou.ravel(), kept[-1].iou if len(kept) == beam else 0.0
    better = np.flatnonzero(every > least)
    scores, found = every[better], kept
    for wanted in (8 * beam, len(scores)):  # many of the best can be the same masks
        some = scores >= np.partition(scores, -wanted)[-wanted] if wanted < len(scores) else slice(None)
        place, operator, c = np.unravel_index(better[some], iou.shape)
        order = np.lexsort((operator, c, place, -scores[some]))
        joined = zip(*(each[order].tolist() for each in (scores[some], place, c, operator)), strict=True)
        candidates: list[_Candidate] = [(each.iou, each, -1, 0) for each in kept]
        candidates += [(score, new[old], c, operator) for score, old, c, operator in joined]
        found = _kept(counts, sorted(candidates, key=lambda each: -each[0]), beam, released)
        if len(found) == beam:
            break
    return found


def _kept(counts: Counts, candidates: Iterable[_Candidate], beam: int, released: bool) -> list[Found]:
    """The first of the candidates, without those that hold for the same atoms as an earlier one."""
    found: list[Found] = []
    for iou, old, c, operator in candidates:
        if old and c < 0:
            found.append(old)
        else:
            truth = _joined(counts, old, c, operator)
            if released or not any(each.iou == iou and (each.truth == truth).all() for each in found):
                name = concept(counts.names[c])
                found.append(Found(join(old.formula, OPERATORS[operator], name) if old else name, truth, iou))
        if len(found) == beam:
            break
    return found


def _joined(counts: Counts, old: Found | None, c: int, operator: int) -> NDArray[np.bool_]:
    """The atoms of a formula joined with a concept, or of the concept alone, (atom,)."""
    held = atoms_of(counts.members, c)
    if old is None or OPERATORS[operator] == "AND":
        truth = np.zeros(len(counts.sizes), bool)
        truth[held] = True if old is None else old.truth[held]
    else:
        truth = old.truth.copy()
        truth[held] = OPERATORS[operator] == "OR"
    return truth
