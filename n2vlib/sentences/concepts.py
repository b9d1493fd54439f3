"""The concepts of a pair of sentences (Mu and Andreas 2020, section 3), and what a search for formulas needs of them.

pre:dog, hyp:dog     the premise, the hypothesis has this word; hyp:NN: a word of this part of speech
overlap-25%          more than a quarter of the words of both sentences are in both
NEIGHBORS(hyp:dog)   the hypothesis has the word or one of its nearest, by word vectors

Pairs that have the same concepts are one atom, as pixels are in pictures, so that one search serves both.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from n2vlib.compositional.atoms import Counts
from n2vlib.compositional.formula import Formula
from n2vlib.sentences.pairs import SIDES

LEFT_OUT = {"a", "an", "the", "of", ".", ",", "UNK"}  # as in the authors' program
WORDS, NEAREST = 2000, 5  # words that are concepts, the most frequent; neighbors of a word (section 3)
LEVELS, RELEASED_LEVELS = (0, 25, 50, 75), (25, 50, 75)
Words = tuple[list[str], list[str], list[str], list[str]]  # of premise and hypothesis, and their tags
CATEGORIES = ("word", "part of speech", "overlap", "neighbors")


@dataclass(frozen=True, eq=False)
class Concepts:
    """The concepts of some pairs, by atom.

    of        int64, (pair,): the atom of each pair
    sizes     int64, (atom,): its pairs
    members   bool, sparse, (concept, atom)
    table     one row for each concept: name, category (of CATEGORIES)
    known     the words that are concepts
    near      the concepts of which each NEIGHBORS is the union
    released  overlap as in the authors' program
    """

    of: NDArray[np.int64] = field(repr=False)
    sizes: NDArray[np.int64] = field(repr=False)
    members: csr_array = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    known: set[str] = field(repr=False)
    near: Mapping[str, list[str]] = field(repr=False)
    released: bool = False

    def counts(self, fires: NDArray[np.bool_]) -> Counts:
        """What a search needs, of the masks of some units, (pair, unit)."""
        at = csr_array((np.ones(len(self.of), np.int64), (self.of, np.arange(len(self.of)))))
        return Counts((at @ fires.astype(np.int64)).T.copy(), self.sizes, self.members, self.table)

    def describe(self, pairs: Iterable[Words]) -> list[set[str]]:
        """The names of the concepts of other pairs, neighbors aside."""
        return [described(*pair, self.known, self.released) for pair in pairs]

    def holds(self, formula: Formula, found: Sequence[set[str]]) -> NDArray[np.bool_]:
        """Whether a formula holds for each of some pairs, (pair,), by what `describe` says of them."""
        asked = {name: {*self.near.get(name, [name])} for name in formula.concepts}
        return formula.truth({name: np.array([not any_of.isdisjoint(each) for each in found], bool)
                              for name, any_of in asked.items()})  # fmt: skip


def concepts(
    pairs: pd.DataFrame,
    *,
    words: int = WORDS,
    vectors: pd.DataFrame | None = None,
    nearest: int = NEAREST,
    released: bool = False,
) -> Concepts:
    """The concepts that some of the pairs have.

    pairs      premise, hypothesis, and premise_tags and hypothesis_tags, if parts of speech are to be concepts
    words      how many words are concepts, the most frequent of both sides together
    vectors    (word, dimension), for NEIGHBORS; None: without
    nearest    neighbors of a word, by cosine, of all words that have a vector
    released   overlap as in the authors' program, see `overlap`
    """
    known = common_words(pairs, words)
    found = [described(*each, known, released) for each in split(pairs)]
    names = sorted({name for each in found for name in each})
    at = {name: i for i, name in enumerate(names)}
    held = np.zeros((len(found), len(names)), bool)
    for pair, each in enumerate(found):
        held[pair, [at[name] for name in each]] = True
    _, first, of = np.unique(np.packbits(held, axis=1), axis=0, return_index=True, return_inverse=True)
    of = of.reshape(-1).astype(np.int64)
    shown = held[first].T
    members, table = csr_array(shown), pd.DataFrame({"name": names, "category": [*map(category, names)]})
    near = {} if vectors is None else _near(names, vectors, nearest)
    if near:
        joined = np.array([shown[[at[each] for each in any_of]].any(0) for any_of in near.values()])
        members = csr_array(np.concatenate([shown, joined]))
        table = pd.concat([table, pd.DataFrame({"name": [*near], "category": "neighbors"})], ignore_index=True)
    return Concepts(of, np.bincount(of), members, table, known, near, released)


def described(
    premise: Sequence[str],
    hypothesis: Sequence[str],
    premise_tags: Iterable[str],
    hypothesis_tags: Iterable[str],
    known: set[str],
    released: bool = False,
) -> set[str]:
    """The names of a pair's concepts, neighbors aside.

    premise, hypothesis   words      known   the words that are concepts      released   see `overlap`
    """
    found = {f"pre:{word}" for word in known.intersection(premise)}
    found |= {f"hyp:{word}" for word in known.intersection(hypothesis)}
    for side, tags in (("pre", premise_tags), ("hyp", hypothesis_tags)):
        found |= {f"{side}:{tag}" for tag in tags if tag.isupper()}  # tags of punctuation have no letter
    share = 100 * overlap(premise, hypothesis, released)
    return found | {f"overlap-{level}%" for level in (RELEASED_LEVELS if released else LEVELS) if share > level}


def overlap(premise: Sequence[str], hypothesis: Sequence[str], released: bool = False) -> float:
    """Share of the different words of both sentences that are in both (IoU, section 3).

    released   the authors' program divides by the words that are in one of them only; without the padding symbols that
               it counts, too
    """
    one, other = set(premise), set(hypothesis)
    shared = len(one & other)
    return shared / (len(one ^ other) + 1e-5) if released else shared / max(1, len(one | other))


def common_words(pairs: pd.DataFrame, most: int = WORDS) -> set[str]:
    """The most frequent words of premises and hypotheses together, without LEFT_OUT; ties in alphabetical order."""
    counts = Counter(word for side in SIDES for text in pairs[side] for word in text.split())
    ordered = sorted(set(counts) - LEFT_OUT, key=lambda word: (-counts[word], word))
    return set(ordered[:most])


def category(name: str) -> str:
    """The category of a concept."""
    if name.startswith("NEIGHBORS("):
        return "neighbors"
    if name.startswith("overlap-"):
        return "overlap"
    return "part of speech" if name.partition(":")[2].isupper() else "word"


def word_of(name: str) -> str:
    """The word of a concept, also of its neighbors; "" of overlap and of parts of speech."""
    plain = name.removeprefix("NEIGHBORS(").removesuffix(")") if category(name) == "neighbors" else name
    return plain.partition(":")[2] if category(plain) == "word" else ""


def neighbors(vectors: pd.DataFrame, words: Sequence[str], nearest: int = NEAREST) -> dict[str, list[str]]:
    """{word: the nearest words by cosine, the nearest first}, for those of the words that have a vector."""
    unit = vectors.to_numpy(np.float64)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    at, names = {word: i for i, word in enumerate(vectors.index)}, list(vectors.index)
    found = {}
    for word in words:
        if word in at:
            near = np.argsort(-(unit @ unit[at[word]]), kind="stable")[: nearest + 1]
            found[word] = [names[i] for i in near if i != at[word]][:nearest]
    return found


def _near(names: list[str], vectors: pd.DataFrame, nearest: int) -> dict[str, list[str]]:
    """The concepts of which NEIGHBORS of a word is the union: the word, and those near it on its side."""
    words = sorted({word for name in names if (word := word_of(name))})
    near, there, found = neighbors(vectors, words, nearest), set(names), {}
    for name in names:
        side = name.partition(":")[0]
        others = [f"{side}:{other}" for other in near.get(word_of(name), []) if f"{side}:{other}" in there]
        if others:
            found[f"NEIGHBORS({name})"] = [name, *others]
    return found


def split(pairs: pd.DataFrame) -> Iterator[Words]:
    """The words of premise and hypothesis and their tags, of each pair; no tags where there are none."""
    columns = [f"{side}{what}" for what in ("", "_tags") for side in SIDES]
    texts = [pairs[name] if name in pairs else [""] * len(pairs) for name in columns]
    for one, other, tags, other_tags in zip(*texts, strict=True):
        yield one.split(), other.split(), tags.split(), other_tags.split()
