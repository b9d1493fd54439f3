"""Which networks have filters that are described by a word (MILAN, section 5)."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest, fisher_exact

from n2vlib.errors import BadInput
from n2vlib.words.phrases import Language, words_of

Holds = Callable[[str], bool]  # of a description


def labels(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What networks are called, rows of the NETWORKS parameter; BadInput unless they are two or more, all different."""
    found = [str(row.get("label", row["network"])) for row in rows]
    if len(found) < 2:
        raise BadInput("NETWORKS: one network; an audit compares two, one trained with the mark and one without")
    for label in found:
        if found.count(label) > 1:
            raise BadInput(f"NETWORKS: two are called {label!r}; give each a label of its own")
    return found


def says(words: Collection[str]) -> Holds:
    """Whether a description has one of the words.

    words   single words, lower case; BadInput for another, which no word of a description equals
    """
    for word in words:
        if words_of(word) != [word]:
            raise BadInput(f"word {word!r}: give single words of lower case letters and digits")
    return lambda text: not set(words).isdisjoint(words_of(text))


def of_category(category: str, language: Language) -> Holds:
    """Whether a description names a concept of a category, or a group of such, in any of its alternatives."""
    return lambda text: any(of == category for meaning in language.parse(text) for of, _ in meaning)


def names(descriptions: pd.Series, words: Collection[str]) -> pd.Series:
    """Whether a description has one of the words, by unit: bool; `says`."""
    return descriptions.map(says(words)).astype(bool)


def probability(candidates: pd.DataFrame, words: Collection[str]) -> pd.Series:
    """How probable it is that a description names one of the words: by unit, from 0 to 1.

    candidates   unit, description, likelihood (log p(d|E)): all that the describer may say; their probabilities are
                 divided by their sum
    """
    units, at = np.unique(candidates["unit"].to_numpy(np.int64), return_inverse=True)
    likelihood = candidates["likelihood"].to_numpy(float)
    highest = np.full(len(units), -np.inf)
    np.maximum.at(highest, at, likelihood)
    weight = np.exp(likelihood - highest[at])
    named = names(pd.Series(candidates["description"]), words).to_numpy()
    return pd.Series(np.bincount(at, weight * named) / np.bincount(at, weight), index=units)


def counted(described: Mapping[str, pd.Series], groups: Mapping[str, Holds]) -> pd.DataFrame:
    """How many filters of each network have a description of each group.

    described   {network: descriptions by unit}      groups   {group: whether a description is of it}, such as `says`
    Returns     group, network, named, filters, share, low, high (95% Wilson interval)
    """
    rows = []
    for group, holds in groups.items():
        for network, descriptions in described.items():
            named, of = sum(map(holds, descriptions)), len(descriptions)
            rows.append((group, network, named, of, named / of, *interval(named, of)))
    return pd.DataFrame(rows, columns=["group", "network", "named", "filters", "share", "low", "high"])


def differ(counts: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """Whether two networks of `counted` differ beyond chance: group, both shares, p (Fisher's exact test)."""
    rows = []
    for group, mine in counts.groupby("group", sort=False):
        two = mine.set_index("network").loc[[first, second]]
        table = [[named, of - named] for named, of in zip(two["named"], two["filters"], strict=True)]
        rows.append((group, *two["share"], fisher_exact(table)[1]))
    return pd.DataFrame(rows, columns=["group", first, second, "p"])


def interval(count: float, of: int) -> tuple[float, float]:
    """95% Wilson interval of a share."""
    found = binomtest(round(count), of).proportion_ci(method="wilson")
    return found.low, found.high
