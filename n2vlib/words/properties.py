"""Properties of descriptions by which filters can be ranked (MILAN, section 4)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.errors import BadInput, near
from n2vlib.spaces.drawn import ancestors, indicators, tree
from n2vlib.words.phrases import words_of

PARTS_OF_SPEECH = {"adjectives": "JJ", "nouns": "NN", "prepositions": "IN"}  # how their tags begin (Penn Treebank)


def properties(descriptions: pd.Series, tags: Mapping[str, str], space: pd.DataFrame) -> pd.DataFrame:
    """What each description is like, one row for each unit.

    descriptions   text by unit
    tags           {word: its part of speech}; a word without one is counted as a word only
    space          unit vectors of names (name, dimension), as of `drawn_space`
    Returns        words; adjectives, nouns, prepositions; spread, the largest distance (1 - cosine) between two names
                   in it, 0 where it has fewer than two
    """
    words = descriptions.map(words_of)
    found = {"words": words.map(len)}
    for name, start in PARTS_OF_SPEECH.items():
        found[name] = words.map(lambda each, start=start: sum(tags.get(w, "").startswith(start) for w in each))
    found["spread"] = words.map(lambda each: _spread(space.loc[named_in(each, space)].to_numpy()))
    return pd.DataFrame(found)


def similarity(descriptions: pd.Series, word: str, space: pd.DataFrame) -> pd.Series:
    """Cosine of a word's vector with the mean vector of the names in each description; 0 where it has none."""
    if word not in space.index:
        raise BadInput(f"word {word!r}: it has no vector; {near(word, [str(name) for name in space.index])}")
    wanted = space.loc[word].to_numpy()
    return descriptions.map(lambda text: _cosine(space.loc[named_in(words_of(text), space)].to_numpy(), wanted))


def drawn_space() -> pd.DataFrame:
    """Vectors of the names in our hypernym tree, without Broden's endings: unit indicators of a name's ancestors."""
    names = list(dict.fromkeys([*tree(), *tree().values()]))
    lines = indicators({i: ancestors(name) or [name] for i, name in enumerate(names)})
    plain = [" ".join(words_of(name.removesuffix("-c").removesuffix("-s"))) for name in names]
    found = lines.set_axis(pd.Index(plain, name="name"))
    return found.loc[~found.index.duplicated()]


def named_in(words: list[str], space: pd.DataFrame) -> list[str]:
    """The names of a space that stand in a text, longer ones before shorter ones that they contain."""
    text, found = f" {' '.join(words)} ", []
    for name in sorted(map(str, space.index), key=len, reverse=True):
        if f" {name} " in text:
            found.append(name)
            text = text.replace(f" {name} ", " | ")
    return found


def _spread(vectors: NDArray[np.float64]) -> float:
    return float(max(0.0, (1 - vectors @ vectors.T).max())) if len(vectors) > 1 else 0.0


def _cosine(vectors: NDArray[np.float64], wanted: NDArray[np.float64]) -> float:
    mean = vectors.sum(0)
    length = np.linalg.norm(mean) * np.linalg.norm(wanted)
    return float(mean @ wanted / length) if length else 0.0
