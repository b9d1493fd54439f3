"""Beam search for the formula of each unit (Mu and Andreas 2.2, equations 1 and 2), of all units together.

Round by round, every formula of a unit's beam is joined with every concept by OR, AND and AND NOT, and the best are
kept; shorter formulas stay if they are better. Two searches:

search            no mask stands in the beam twice, so that no place is lost to `b OR a` beside `a OR b`
search, released  as the authors' program: a place for each way to write a formula
"""

from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.compositional.atoms import Counts
from n2vlib.compositional.formula import OPERATORS, Formula, concept, join
from n2vlib.errors import BadInput
from n2vlib.kernels import atoms as kernel
from n2vlib.workers.threads import in_order

LENGTH, BEAM = 3, 5


class Rounds(NamedTuple):
    """Formulas made for one unit, each of one before it and a concept, as `kernels.atoms.beam` numbers them.

    made   int64, (formula, 3): the formula joined (-1: none), the operator (its place in OPERATORS), the concept
    iou    (formula,)      best   int64, (round,): the best after each; -1: none      kept   (beam,): in the end
    """

    made: NDArray[np.int64]
    iou: NDArray[np.float64]
    best: NDArray[np.int64]
    kept: NDArray[np.int64]


def search(counts: Counts, length: int = LENGTH, *, beam: int = BEAM, released: bool = False) -> pd.DataFrame:
    """The best formula of every unit for each length allowed, from 1 to `length`.

    beam       formulas kept after each round
    released   count for count as the authors' program: the first concepts are those that share an image with the unit
               (`counts.beside`), and formulas that differ only in order keep places of their own
    Returns    unit, allowed (the length allowed), formula, iou, length; formula None where no concept overlaps
    """
    if length < 1 or beam < 1:
        raise BadInput(f"length = {length}, beam = {beam}: both must be at least 1")
    names = [concept(name) for name in counts.names]
    found = in_order(lambda unit: rounds(counts, unit, length, beam, released), range(len(counts.fired)), "formulas")
    rows = [row for unit, each in enumerate(found) for row in _rows(unit, each, names)]
    return pd.DataFrame(rows, columns=["unit", "allowed", "formula", "iou", "length"])


def rounds(counts: Counts, unit: int, length: int, beam: int, released: bool = False) -> Rounds:
    """What the search makes and keeps for a unit, round by round; arguments as of `search`."""
    first = np.ones(len(counts.names), bool) if counts.beside is None or not released else counts.beside[unit]
    at, atoms = (each.astype(np.int64) for each in (counts.members.indptr, counts.members.indices))
    given = counts.sizes, *counts.by_atom, at, atoms, first, length, beam, released
    return Rounds(*kernel.beam(counts.fired[unit], *given))


def _rows(unit: int, found: Rounds, names: list[Formula]) -> list[tuple]:
    """The rows of `search` for a unit."""

    @cache
    def formula_of(number: int) -> tuple[Formula, int]:
        """A formula and its length."""
        before, operator, c = found.made[number].tolist()
        if before < 0:
            return names[c], 1
        left, length = formula_of(before)
        return join(left, OPERATORS[operator], names[c]), length + 1

    rows = []
    for allowed, number in enumerate(found.best.tolist(), start=1):
        formula, length = formula_of(number) if number >= 0 else (None, 0)
        rows.append((unit, allowed, formula, float(found.iou[number]) if formula else 0.0, length))
    return rows
