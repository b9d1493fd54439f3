"""Which networks have filters that are described by a word (MILAN, section 5)."""

from collections.abc import Collection, Mapping

import numpy as np
import pandas as pd
from scipy.stats import binomtest, fisher_exact

from n2vlib.errors import BadInput
from n2vlib.words.phrases import words_of


def names(descriptions: pd.Series, words: Collection[str]) -> pd.Series:
    """Whether a description has one of the words, by unit: bool.

    words   single words, lower case; BadInput for another, which no word of a description equals
    """
    for word in words:
        if words_of(word) != [word]:
            raise BadInput(f"word {word!r}: give single words of lower case letters and digits")
    return descriptions.map(lambda text: bool(set(words) & set(words_of(text)))).astype(bool)


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


def counted(described: Mapping[str, pd.Series], words: Mapping[str, Collection[str]]) -> pd.DataFrame:
    """How many filters of each network are described by the words of each group.

    described   {network: descriptions by unit}      words   {group: its words}
    Returns     group, network, named, filters, share, low, high (95% Wilson interval)
    """
    rows = []
    for group, each in words.items():
        for network, descriptions in described.items():
            named, of = int(names(descriptions, each).sum()), len(descriptions)
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
