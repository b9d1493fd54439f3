"""Beam search for the formula of each unit (Mu and Andreas 2.2, equations 1 and 2), of all units together.

Round by round, every formula of a unit's beam is joined with every concept by OR, AND and AND NOT, and the best are
kept; shorter formulas stay if they are better. Two searches:

search            no mask stands in the beam twice, so that no place is lost to `b OR a` beside `a OR b`
search, released  as the authors' program: a place for each way to write a formula
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.compositional.atoms import Counts
from n2vlib.compositional.formula import OPERATORS, Formula, concept, join
from n2vlib.errors import BadInput
from n2vlib.progress import bar

LENGTH, BEAM = 3, 5
CANDIDATES_AT_ONCE = 2**23  # scores held in memory
_TINY = 1e-10  # in the denominator of the released program


class Found(NamedTuple):
    """A formula, the atoms for which it holds, (atom,), and its IoU."""

    formula: Formula
    truth: NDArray[np.bool_]
    iou: float


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
    for allowed in range(2, length + 1):
        beams = _longer(counts, units, beams, beam, released)
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
    members = counts.members
    found = []
    for row in iou:
        order = np.argsort(-row, kind="stable")
        candidates = (Found(concept(counts.names[c]), _dense(members, c), float(row[c])) for c in order if row[c] > 0)
        found.append(_kept(candidates, beam, released))
    return found


def _longer(counts: Counts, units: range, beams: list[list[Found]], beam: int, released: bool) -> list[list[Found]]:
    """The beams after one more round."""
    owner = np.repeat(np.arange(len(beams)), [len(kept) for kept in beams])
    if not len(owner):
        return beams
    truth = np.stack([each.truth for kept in beams for each in kept])
    fired = counts.fired[units.start : units.stop]
    iou = _joined_iou(counts, fired, owner, truth, released)
    ends = np.searchsorted(owner, np.arange(len(beams) + 1))
    return [
        _best(counts, kept, iou[first:last], beam, released) if kept else kept
        for kept, first, last in zip(beams, ends, ends[1:], strict=False)
    ]


def _joined_iou(
    counts: Counts, fired: NDArray[np.int64], owner: NDArray[np.int64], truth: NDArray[np.bool_], released: bool
) -> NDArray[np.float64]:
    """IoU of every formula joined with every concept: (formula, concept, operator).

    owner   the unit of each formula, (formula,)      truth   its atoms, (formula, atom)
    What both cover is a sum over the atoms of the concept; the rest follows from the areas of both.
    """
    both = [(counts.members @ (weights * truth).T).T for weights in (fired[owner], counts.sizes[None])]
    alone = [(fired[owner] * truth).sum(1)[:, None], (truth @ counts.sizes)[:, None]]
    concepts = [(counts.members @ fired.T).T[owner], (counts.members @ counts.sizes)[None]]
    shared, sizes = (
        np.stack([one + other - common, common, one - common], -1)
        for one, other, common in zip(alone, concepts, both, strict=True)
    )
    iou = _iou(shared, sizes, fired.sum(1)[owner][:, None, None], released)
    if not released:  # one of the two: a shorter formula says it
        same = sizes == concepts[1][..., None]
        same[..., OPERATORS.index("AND NOT")] = False  # as large as what it leaves out, which says nothing
        iou[(sizes == alone[1][..., None]) | same] = 0
    return iou


def _iou(shared: NDArray, sizes: NDArray, areas: NDArray, released: bool) -> NDArray[np.float64]:
    union = sizes + areas - shared
    return (
        shared / (union + _TINY) if released else np.divide(shared, union, out=np.zeros(union.shape), where=union > 0)
    )


def _best(counts: Counts, kept: list[Found], iou: NDArray[np.float64], beam: int, released: bool) -> list[Found]:
    """The best of a unit's beam and of its formulas joined with concepts, (formula, concept, operator).

    Equal ones keep their order: older formulas come first.
    """
    scores = np.concatenate([[each.iou for each in kept], iou.ravel()])
    for wanted in (8 * beam, len(scores)):  # many of the best can be the same masks
        worst = np.partition(scores, -wanted)[-wanted] if wanted < len(scores) else 0
        some = np.flatnonzero((scores >= worst) & (scores > 0))
        order = some[np.argsort(-scores[some], kind="stable")]
        found = _kept((_candidate(counts, kept, iou.shape, at, float(scores[at])) for at in order), beam, released)
        if len(found) == beam:
            break
    return found


def _candidate(counts: Counts, kept: list[Found], shape: tuple[int, ...], at: int, iou: float) -> Found:
    if at < len(kept):
        return kept[at]
    place, c, operator = np.unravel_index(at - len(kept), shape)
    old, other = kept[int(place)], _dense(counts.members, int(c))
    truth = _OF[operator](old.truth, other)
    return Found(join(old.formula, OPERATORS[operator], concept(counts.names[int(c)])), truth, iou)


_OF = (np.logical_or, np.logical_and, lambda one, other: one & ~other)


def _kept(candidates: Iterator[Found], beam: int, released: bool) -> list[Found]:
    """The first of the candidates, without those that hold for the same atoms as an earlier one."""
    found: list[Found] = []
    seen: set[bytes] = set()
    for each in candidates:
        mark = b"" if released else np.packbits(each.truth).tobytes()
        if released or mark not in seen:
            seen.add(mark)
            found.append(each)
        if len(found) == beam:
            break
    return found


def _dense(members, row: int) -> NDArray[np.bool_]:
    """A row of the members, (atom,)."""
    truth = np.zeros(members.shape[1], bool)
    truth[members.indices[members.indptr[row] : members.indptr[row + 1]]] = True
    return truth
