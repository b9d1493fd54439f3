"""What the filters of a layer do on two halves of the images, and where explanations hold, by sets of concepts.

A label, a formula and a phrase hold for all pixels that show the same concepts, an atom (`compositional.atoms`), or for
none. So the pixels of each atom, and on how many of them each filter fires, are all that is looked at.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from n2vlib.compositional import beam
from n2vlib.compositional.atoms import Atoms, Counts
from n2vlib.compositional.explain import Filters
from n2vlib.compositional.formula import Formula
from n2vlib.errors import BadInput
from n2vlib.words.phrases import Language, Meaning, words_of


@dataclass(frozen=True, eq=False)
class Behaviour:
    """What the filters of a layer do on two halves of the images: 0, where explanations are made, and 1.

    fired        int64, (half, unit, cell): pixels of a cell on which a unit fires; a cell is an atom, or a place
    sizes        int64, (half, cell): all its pixels
    by_image     sparse, (image, cell): how much of an image is of the cell, 0 to 1; None: the same in every image
    activation   (image, unit): mean over the image      half   (image,)
    """

    fired: NDArray[np.int64]
    sizes: NDArray[np.int64]
    by_image: csr_array | None
    activation: NDArray[np.floating]
    half: NDArray[np.int64]

    @property
    def n_units(self) -> int:
        return self.fired.shape[1]

    @cached_property
    def sides(self) -> list[NDArray[np.int64]]:
        """The images of each half."""
        return [np.flatnonzero(self.half == side) for side in (0, 1)]


def halves(n_images: int, seed: int) -> NDArray[np.int64]:
    """Which half each image is in, drawn at random: (image,)."""
    if n_images < 4:
        raise BadInput(
            f"{n_images} images: an explanation is made on one half and measured on the other; four at least"
        )
    return np.random.default_rng(seed).permutation(n_images) % 2


def behaviour(measured: Filters, half: NDArray[np.int64]) -> Behaviour:
    """What the filters do on atoms."""
    counts = measured.halves(half)
    fired, sizes = (np.stack([getattr(each, name) for each in counts]) for name in ("fired", "sizes"))
    return Behaviour(fired, sizes, areas(measured.atoms), np.asarray(measured.layer.pooled, float), half)


def places(measured: Filters, half: NDArray[np.int64]) -> Behaviour:
    """What the filters do at each place of the label maps, whatever is there."""
    masks, n_pixels = measured.masks, int(np.prod(measured.probe.label_size))
    image = np.repeat(np.arange(len(half)), np.diff(masks.ptr))
    row = half[image] * measured.layer.n_filters + masks.filters
    fired = np.zeros((2 * measured.layer.n_filters, n_pixels + 1), np.int64)
    run_row = np.repeat(row, np.diff(masks.run_ptr))
    for end, step in ((0, 1), (1, -1)):  # a run begins, and ends before its last number
        np.add.at(fired, (run_row, masks.runs[:, end].astype(np.int64)), step)
    fired = fired.cumsum(1)[:, :-1].reshape(2, -1, n_pixels)
    sizes = np.repeat(np.bincount(half, minlength=2)[:, None], n_pixels, axis=1)
    return Behaviour(fired, sizes, None, np.asarray(measured.layer.pooled, float), half)


def areas(atoms: Atoms) -> csr_array:
    """How much of each image is of each atom: sparse, (image, atom), rows sum to 1."""
    rows = [np.unique(of, return_counts=True) for of in atoms.of]
    ptr = np.concatenate([[0], np.cumsum([len(found) for found, _ in rows])])
    data = np.concatenate([pixels for _, pixels in rows]) / atoms.of.shape[1]
    return csr_array((data, np.concatenate([found for found, _ in rows]), ptr), shape=(len(rows), atoms.n_atoms))


def of_formulas(counts: Counts, formulas: Sequence[Formula | None]) -> NDArray[np.bool_]:
    """Where the formula of each unit holds, (unit, atom); nowhere for None."""
    nowhere = np.zeros(len(counts.sizes), bool)
    return np.array([nowhere if each is None else counts.truth(each) for each in formulas])


def of_phrases(atoms: Atoms, language: Language, phrases: Sequence[str]) -> NDArray[np.bool_]:
    """Where the phrase of each unit holds, (unit, atom); nowhere where it has a word that the language does not know.

    A color beside a noun is read pixel by pixel, as in a formula: where both are.
    """
    known = {text: _holds(atoms, language, text) for text in dict.fromkeys(phrases)}
    return np.array([known[text] for text in phrases])


def judged(language: Language, phrase: str) -> bool:
    """Whether all words of a phrase are known, so that label maps can say where it holds."""
    words = words_of(phrase)
    return bool(words) and known_words(language).issuperset(words)


@lru_cache(maxsize=8)
def known_words(language: Language) -> frozenset[str]:
    """All words of a language."""
    return frozenset(language.tags())


def _holds(atoms: Atoms, language: Language, phrase: str) -> NDArray[np.bool_]:
    if not judged(language, phrase):
        return np.zeros(atoms.n_atoms, bool)
    return of_meanings(atoms, language, language.parse(phrase))


def of_meanings(atoms: Atoms, language: Language, meanings: Iterable[Meaning]) -> NDArray[np.bool_]:
    """Where all concepts of one of several meanings are, (atom,); a concept that no label shows is nowhere."""
    found = np.zeros(atoms.n_atoms, bool)
    for meaning in meanings:
        every = np.ones(atoms.n_atoms, bool)
        for concept in meaning:
            rows = np.flatnonzero(atoms.concepts.index.isin(language.members.get(concept, ())))
            every &= atoms.members[rows].sum(0) > 0
        found |= every
    return found


def best(counts: Counts, length: int, width: int = beam.BEAM) -> list[Formula | None]:
    """The formula of each unit, of up to `length` concepts."""
    found = beam.search(counts, length, beam=width)
    return found.loc[found["allowed"] == length].sort_values("unit")["formula"].tolist()
