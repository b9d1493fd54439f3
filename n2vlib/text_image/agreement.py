"""Do two explanations of a filter speak of the same thing?"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib import tables
from n2vlib.compositional.formula import Formula
from n2vlib.compositional.similarity import KIN, wu_palmer
from n2vlib.spaces import drawn
from n2vlib.words.phrases import Language

Concepts = tuple[frozenset[int], ...]  # the label numbers that each concept of an explanation stands for


class Kinship:
    """Whether two explanations speak of the same thing, or of kin in our hypernym tree."""

    def __init__(self, language: Language, concepts: pd.DataFrame):
        """concepts   the labels, index number; name (`atoms.Atoms.concepts`)"""
        self.language = language
        self.number = dict(zip(concepts["name"], concepts.index.tolist(), strict=True))
        near = wu_palmer(drawn.hypernyms(concepts))
        numbers = near.index.tolist()
        self.near = {(numbers[a], numbers[b]) for a, b in np.argwhere(near.to_numpy() > KIN)}

    def labels(self, phrase: str) -> Concepts:
        """The label numbers that each concept of a phrase stands for; concepts without a label are left out."""
        concepts = {concept for meaning in self.language.parse(phrase) for concept in meaning}
        members = (frozenset(self.language.members.get(each, ())) for each in sorted(concepts))
        return tuple(each for each in members if each)

    def of_formula(self, formula: Formula | None) -> Concepts:
        """The label number of each concept of a formula; none where there is no formula."""
        return () if formula is None else tuple(frozenset([self.number[name]]) for name in formula.concepts)

    def same(self, one: Concepts, other: Concepts) -> bool:
        """Whether a concept of one is, or is among, a concept of the other."""
        return any(a <= b or b <= a for a in one for b in other)

    def kin(self, one: Concepts, other: Concepts) -> bool:
        """Whether all of a concept of one is kin to all of a concept of the other (`similarity.KIN`), or the same."""
        pairs = [(a, b) for a in one for b in other]
        return self.same(one, other) or any(all((x, y) in self.near for x in a for y in b) for a, b in pairs)


def agreement(related: Kinship, explanations: Mapping[str, Sequence[Concepts]], seed: int = 0) -> pd.DataFrame:
    """How often two explanations of a filter agree: one row for each pair of kinds of explanation.

    explanations   {kind: for each filter the concepts}; a filter without concepts in one of a pair is left out of it
    Returns        one, other, filters, same and kin (shares of the filters), same_by_chance and kin_by_chance (of all
                   pairs of a filter's first explanation and another filter's second); more, low, high: kin above
                   chance, with its 95% bootstrap interval over filters. NaN where fewer than two filters have both
    """
    rows, kinds = [], list(explanations)
    for at, one in enumerate(kinds):
        for other in kinds[at + 1 :]:
            pairs = [(a, b) for a, b in zip(explanations[one], explanations[other], strict=True) if a and b]
            rows.append((one, other, len(pairs), *_agreement(related, pairs, seed)))
    columns = ["one", "other", "filters", "same", "kin", "same_by_chance", "kin_by_chance", "more", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def _agreement(related: Kinship, pairs: Sequence[tuple[Concepts, Concepts]], seed: int) -> tuple[float, ...]:
    n = len(pairs)
    if n < 2:
        return (float("nan"),) * 7
    same, kin = (_every(test, pairs) for test in (related.same, related.kin))
    own = np.eye(n, dtype=bool)
    more = kin[own] - (kin.sum(1) - kin[own]) / (n - 1)
    shares = [table[where].mean() for where in (own, ~own) for table in (same, kin)]
    return (*shares, more.mean(), *tables.bootstrap_mean(more, seed))


def _every(
    test: Callable[[Concepts, Concepts], bool], pairs: Sequence[tuple[Concepts, Concepts]]
) -> NDArray[np.float64]:
    """The test of every first with every second explanation, (first, second); equal ones are tried once."""
    firsts, seconds = (list(dict.fromkeys(side)) for side in zip(*pairs, strict=True))
    tried = np.array([[test(a, b) for b in seconds] for a in firsts], float)
    rows, columns = (
        [each.index(x) for x in side] for each, side in zip((firsts, seconds), zip(*pairs, strict=True), strict=True)
    )
    return tried[np.ix_(rows, columns)]
