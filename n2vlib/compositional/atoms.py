"""Pixels grouped by the set of concepts that they show: an atom.

A formula holds for all pixels of an atom or for none. So everything a search needs to know is how many pixels each atom
has, and how many of them each unit fires on: millions of pixels become about a thousand numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from n2vlib.compositional.formula import Formula
from n2vlib.errors import BadInput, near
from n2vlib.files.npy import growing
from n2vlib.kernels import atoms as kernel
from n2vlib.kernels.permuted import Masks
from n2vlib.probe import ProbeSet
from n2vlib.probe.labels import LabelMaps
from n2vlib.store import Store, load_array, save_arrays
from n2vlib.workers.threads import each_of, in_order, shares

MODULES = ["n2vlib.compositional.atoms"]
LEFT_OUT = ("material",)  # as in the paper


@dataclass(frozen=True, eq=False)
class Counts:
    """What a search sees: units, concepts and atoms.

    fired      int64, (unit, atom): pixels (or sentences) of the atom on which the unit fires
    sizes      int64, (atom,): all of its pixels
    members    bool, sparse, (concept, atom): which concepts an atom shows
    concepts   one row for each concept: name, category; no name stands twice
    beside     bool, (unit, concept): the concept is in an image in which the unit fires; None where that is not asked
    """

    fired: NDArray[np.int64]
    sizes: NDArray[np.int64]
    members: csr_array
    concepts: pd.DataFrame
    beside: NDArray[np.bool_] | None = None

    @cached_property
    def areas(self) -> NDArray[np.int64]:
        """Pixels on which each unit fires, (unit,)."""
        return self.fired.sum(1)

    @cached_property
    def names(self) -> list[str]:
        """The names of the concepts, in order."""
        return self.concepts["name"].tolist()

    @cached_property
    def by_atom(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(ptr, concepts): the concepts of atom a are concepts[ptr[a]:ptr[a + 1]], ascending."""
        turned = self.members.tocsc()
        turned.sort_indices()
        return turned.indptr.astype(np.int64), turned.indices.astype(np.int64)

    def truth(self, formula: Formula) -> NDArray[np.bool_]:
        """The atoms for which a formula holds, (atom,)."""
        return truth(formula, self.members, self.names)

    def iou(self, unit: int, formula: Formula) -> float:
        """IoU of a unit with a formula over all pixels; 0 where both are empty."""
        return float(iou_on(self.fired[unit], self.sizes, self.truth(formula)))


def truth(formula: Formula, members: csr_array, names: list[str]) -> NDArray[np.bool_]:
    """The atoms for which a formula holds, (atom,); BadInput for a concept that is not among the names."""
    place = {name: at for at, name in enumerate(names)}
    if unknown := [name for name in formula.concepts if name not in place]:
        raise BadInput(f"formula {formula}: no concept {unknown[0]!r}; {near(unknown[0], names)}")
    _, n_atoms = np.asarray(members.shape)
    values = {name: np.zeros(n_atoms, bool) for name in formula.concepts}
    for name, held in values.items():
        held[atoms_of(members, place[name])] = True
    return formula.truth(values)


def atoms_of(members: csr_array, concept: int) -> NDArray[np.integer]:
    """The numbers of the atoms that show a concept."""
    return members.indices[members.indptr[concept] : members.indptr[concept + 1]]


def iou_on(fired: NDArray[np.int64], sizes: NDArray[np.int64], truth: NDArray[np.bool_]) -> NDArray[np.float64]:
    """IoU of units with masks given by their atoms.

    fired   (..., atom)      truth   (..., atom)      Returns (...)
    """
    shared = (fired * truth).sum(-1)
    union = fired.sum(-1) + (sizes * truth).sum(-1) - shared
    return np.divide(shared, union, out=np.zeros(np.shape(union)), where=union > 0)


@dataclass(frozen=True, eq=False)
class Atoms:
    """The atoms of a probe set.

    n_atoms    their number
    of         (image, pixel): the atom of each pixel of the label maps, memory mapped
    members    bool, sparse, (concept, atom)
    concepts   index concept number; name (with the number where several have it), category
    shows      bool, (image, concept)
    """

    n_atoms: int
    of: NDArray[np.integer] = field(repr=False)
    members: csr_array = field(repr=False)
    concepts: pd.DataFrame = field(repr=False)
    shows: NDArray[np.bool_] = field(repr=False)

    def truth(self, formula: Formula) -> NDArray[np.bool_]:
        """The atoms for which a formula holds, (atom,)."""
        return truth(formula, self.members, self.concepts["name"].tolist())

    def mask(self, formula: Formula, image: int) -> NDArray[np.bool_]:
        """Where a formula holds in an image, as it is counted: bool, (pixel,)."""
        return self.truth(formula)[self.of[image]]

    def sizes(self, group: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Pixels of each atom: (atom,), or (group, atom) with the group of each image."""
        groups = np.zeros(len(self.of), np.int64) if group is None else group
        found = np.zeros((groups.max(initial=0) + 1, self.n_atoms), np.int64)
        for image, own in enumerate(groups):
            found[own] += np.bincount(self.of[image], minlength=self.n_atoms)
        return found[0] if group is None else found

    def fired(
        self, masks: Masks, n_units: int, shown: NDArray[np.int64] | None = None, group: NDArray[np.int64] | None = None
    ) -> NDArray[np.int64]:
        """Pixels of each atom on which each unit fires: (unit, atom), or (group, unit, atom).

        masks   of every unit in every image, at the size of the label maps
        shown   (image,): the image whose annotations each image is given, its own by default (a permutation: chance)
        group   (image,): images are counted by group
        """
        n = len(self.of)
        shown = np.arange(n) if shown is None else shown
        groups = np.zeros(n, np.int64) if group is None else group
        shape = groups.max(initial=0) + 1, n_units, self.n_atoms
        runs = masks.ptr, masks.filters, masks.run_ptr, masks.runs

        def part(images: slice) -> NDArray[np.int64]:
            found = np.zeros(shape, np.int64)
            kernel.count(np.arange(n)[images], runs, self.of, shown, groups, found)
            return found

        found = sum(each_of(part, shares(n)), np.zeros(shape, np.int64))
        return found[0] if group is None else found


def atoms(probe: ProbeSet, store: Store, *, left_out: Sequence[str] = LEFT_OUT) -> Atoms:
    """The atoms of a probe set, kept in the store.

    left_out   categories that are not read
    A concept's mask is the union over its label maps; labels of the whole image cover all of it.
    """
    labels = probe.labels_as([name for name in probe.categories if name not in left_out], False)
    if not len(labels.concepts) or not len(labels.pair_concept):
        raise BadInput(f"probe set {probe.name}: no image has a label of a category other than {', '.join(left_out)}")

    def make(folder: Path) -> None:
        found = _grouped(labels, folder, np.uint16) or _grouped(labels, folder, np.uint32)
        save_arrays(folder, **(found or {}))

    inputs = {"probe": probe.fingerprint, "left_out": sorted(left_out)}
    folder = store.entry("atoms", inputs, MODULES, make)
    concept, atom = load_array(folder, "members")
    of = load_array(folder, "of")
    held = np.unique(labels.pair_concept)
    shape = len(held), int(load_array(folder, "n_atoms"))
    members = csr_array((np.ones(len(atom), bool), (np.searchsorted(held, concept), atom)), shape=shape)
    shows = np.zeros((len(of), len(held)), bool)
    shows[np.repeat(np.arange(len(of)), np.diff(labels.pair_ptr)), np.searchsorted(held, labels.pair_concept)] = True
    return Atoms(shape[1], of, members, _concepts(probe, held, left_out), shows)


def _concepts(probe: ProbeSet, numbers: NDArray[np.int32], left_out: Sequence[str]) -> pd.DataFrame:
    """name (with its number where another concept has the same) and category of the concepts that count."""
    category = probe.primary([name for name in probe.categories if name not in left_out]).reindex(numbers)
    name = probe.concepts["name"].reindex(numbers)
    twice = name.duplicated(keep=False)
    return pd.DataFrame({"name": name.where(~twice, name + " " + name.index.astype(str)), "category": category})


def _grouped(labels: LabelMaps, folder: Path, dtype: type[np.unsignedinteger]) -> dict[str, NDArray[np.int64]] | None:
    """Write the atom of each pixel, (image, pixel), to `of.npy`, image by image; None where the dtype is too small.

    Returns   n_atoms, and members: which concept is in which atom, numbers and atoms, (2, member)
    A set of concepts is told from others by the exclusive or of random numbers, one for each concept, so that a pixel's
    is found without comparing sets. Two of a million sets share 64 bits by chance once in 37 million probe sets.
    """
    marks = np.zeros(int(labels.concepts.max(initial=0)) + 1, np.uint64)
    drawn = np.random.default_rng(0).integers(1, 2**64, len(labels.concepts), np.uint64)
    marks[labels.concepts] = drawn
    atom_of_mark: dict[int, int] = {}
    members, images = [], range(len(labels.map_ptr) - 1)
    with growing(folder, "of", dtype, (labels.maps.shape[1],)) as append:
        for mark, found in in_order(partial(_marked, labels, marks), images, "sets of concepts"):
            for each in found:
                if each not in atom_of_mark:
                    atom_of_mark[each] = len(atom_of_mark)
                    members += [(number, atom_of_mark[each]) for number in found[each]]
            if len(atom_of_mark) > np.iinfo(dtype).max + 1:
                return None
            values = np.array([*found], np.uint64)
            atoms_here = np.array([atom_of_mark[each] for each in found], dtype)
            order = values.argsort()
            append(atoms_here[order][np.searchsorted(values[order], mark)][None])
    return {"n_atoms": np.array(len(atom_of_mark)), "members": np.array(members, np.int64).reshape(-1, 2).T}


def _marked(
    labels: LabelMaps, marks: NDArray[np.uint64], image: int
) -> tuple[NDArray[np.uint64], dict[int, list[int]]]:
    """The mark of each pixel's set of concepts, (pixel,), and the concepts of each mark."""
    first, last = labels.pair_ptr[image : image + 2]
    local, number = labels.pair_local[first:last], labels.pair_concept[first:last]
    maps = np.asarray(labels.maps[labels.map_ptr[image] : labels.map_ptr[image + 1]])
    whole = number[local == 0]
    table, named = np.zeros(256, np.uint64), np.zeros(256, np.int64)
    table[local[local > 0]], named[local[local > 0]] = marks[number[local > 0]], number[local > 0]
    start = np.bitwise_xor.reduce(marks[whole], initial=np.uint64(0))
    mark = np.bitwise_xor.reduce(table[maps], axis=0, initial=start)
    changes = np.flatnonzero(np.concatenate([[True], mark[1:] != mark[:-1]]))  # neighbours mostly agree
    values, at = np.unique(mark[changes], return_index=True)
    sets = named[maps[:, changes[at]]]
    return mark, {
        int(value): [*map(int, whole), *(int(each) for each in row if each)]
        for value, row in zip(values, sets.T, strict=True)
    }
