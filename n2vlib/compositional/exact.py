"""The best formula of up to three concepts, of all there are: what a beam may miss.

A beam only ever joins a formula with one more concept, on its right. All trees of three concepts are tried here, such
as `a AND NOT (b AND NOT c)`, which no beam reaches.
"""

from collections.abc import Iterator
from itertools import permutations

import numpy as np
import pandas as pd

from n2vlib.compositional.atoms import Counts
from n2vlib.compositional.formula import OPERATORS, Formula, concept, join
from n2vlib.kernels import triples
from n2vlib.workers.threads import in_order

_PLACES = ("x", "y", "z")


def search(counts: Counts) -> pd.DataFrame:
    """The best formula of every unit: unit, formula, iou, length; formula None where no concept overlaps."""
    short, long = forms()
    parts = np.array([sum(1 << part for part in held) for held in [*short, *long]], np.int64)
    shared = counts.sizes, *counts.by_atom, len(counts.names), parts, len(short)
    found = in_order(lambda unit: triples.best(counts.fired[unit], *shared), range(len(counts.fired)), "all formulas")
    templates, rows = [*short.values(), *long.values()], []
    for unit, (iou, (form, *places)) in enumerate(found):
        said = _filled(templates[form], [counts.names[place] if place >= 0 else "" for place in places])
        rows.append((unit, said if iou else None, iou, said.length if iou else 0))
    return pd.DataFrame(rows, columns=["unit", "formula", "iou", "length"])


_Forms = dict[frozenset[int], Formula]  # the parts where a formula holds (see kernels.triples), and the formula


def forms() -> tuple[_Forms, _Forms]:
    """All formulas of x and of x and y, x alone first; and all of x, y and z."""
    x, y, z = ({frozenset(p for p in range(1, 8) if p >> bit & 1): concept(_PLACES[bit])} for bit in range(3))
    of_two = {frozenset(p for p in held if p < 4): said for held, said in _pairs(x, y).items()}
    ways = [(_pairs(one, other), last) for one, other, last in permutations((x, y, z))]
    long: _Forms = {}
    for pairs, last in ways:
        long |= dict(_joined(last, pairs))
    for pairs, last in ways:  # as a beam writes them, where it can
        long |= dict(_joined(pairs, last))
    return {frozenset({1, 3}): concept("x")} | of_two, long


def _pairs(one: _Forms, other: _Forms) -> _Forms:
    return {**dict(_joined(other, one)), **dict(_joined(one, other))}


def _joined(lefts: _Forms, rights: _Forms) -> Iterator[tuple[frozenset[int], Formula]]:
    for (left, said), (right, other) in ((a, b) for a in lefts.items() for b in rights.items()):
        for operator, held in zip(OPERATORS, (left | right, left & right, left - right), strict=True):
            yield held, join(said, operator, other)


def _filled(template: Formula, names: list[str]) -> Formula:
    if template.concept:
        return concept(names[_PLACES.index(template.concept)])
    left, right = (_filled(part, names) for part in template.parts)
    return join(left, template.operator, right)
