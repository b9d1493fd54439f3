"""Regions of labelled images that play units: what a describer learns from, since what they show is known.

A region is where a meaning holds: an object, a part of one, a material, a color, ... It is seen as a filter of a coarse
grid would fire on it: a blurred, noisy part of it, upsampled and cut at a level. A unit is fifteen such regions of one
meaning in different images, a share of them replaced by others; its descriptions are what several annotators might say.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from n2vlib.errors import BadInput
from n2vlib.probe import ProbeSet
from n2vlib.progress import bar
from n2vlib.store import digest
from n2vlib.words import phrases
from n2vlib.words.features import Encoder, pool
from n2vlib.words.phrases import COLOR, OBJECT, PART, Language, Meaning

SMALLEST = 10  # pixels of a region on a label map of 56 x 56
COPIES = 2  # of a region, each with a mask of its own
GRIDS = (7, 14, 14, 28)  # cells along each side of the grids of such filters
HELD_OUT = 5  # of so many combinations of color, part and object, one is not trained on


def held_out(meaning: Meaning) -> bool:
    """Whether a combination of color, part and object is kept from training; False for any other meaning."""
    if {category for category, _ in meaning} != {COLOR, PART, OBJECT}:
        return False
    return int(digest(sorted(meaning))[:8], 16) % HELD_OUT == 0


def in_image(probe: ProbeSet, image: int) -> dict[Meaning, NDArray[np.bool_]]:
    """What an image shows, and where: every concept, colored things, parts of things, and colored parts of things."""
    language, least = phrases.language(probe), SMALLEST * probe.label_size[0] * probe.label_size[1] / 56**2
    held, of = set(phrases.labelled(probe, image)), defaultdict(dict)
    for (category, name), numbers in language.members.items():
        if len(numbers) == 1 and numbers[0] in held:
            of[category][name] = probe.annotated(numbers[0], image)
    found = {frozenset([(category, name)]): mask for category, names in of.items() for name, mask in names.items()}
    parts = {frozenset([(PART, part), (OBJECT, thing)]): mask & place
             for part, mask in of[PART].items() for thing, place in of[OBJECT].items()}  # fmt: skip
    found = {meaning: mask for meaning, mask in (found | parts).items() if mask.sum() >= least}
    for meaning, mask in [*found.items()]:
        if {OBJECT, PART} & {category for category, _ in meaning}:
            found |= _colored(language, meaning, mask, probe, image, least)
    return found


def in_images(probe: ProbeSet, images: Iterable[int]) -> dict[int, dict[Meaning, NDArray[np.bool_]]]:
    """`in_image` of several images."""
    return {int(image): in_image(probe, int(image)) for image in images}


def _colored(
    language: Language, meaning: Meaning, mask: NDArray[np.bool_], probe: ProbeSet, image: int, least: float
) -> dict[Meaning, NDArray[np.bool_]]:
    """The regions of a thing by their commonest color."""
    regions, commonest = phrases.colors_of(mask, probe, image)
    names = {numbers[0]: each for each, numbers in language.members.items() if each[0] == COLOR and len(numbers) == 1}
    masks = {number: (commonest == number)[regions] & mask for number in {*commonest[1:]} - {0}}
    return {meaning | {names[int(number)]}: of for number, of in masks.items() if of.sum() >= least}


def fired(regions: NDArray[np.bool_], draws: np.random.Generator) -> NDArray[np.bool_]:
    """Regions as a filter of a coarse grid would fire on them: bool, (region, height, width) to the same.

    Cells hold the region's share of them, spread to their neighbors, times a smooth random field, plus noise; the map
    is upsampled and cut at a level between a third and four fifths of its largest value.
    """
    n, height, width = regions.shape
    out, grids = np.empty_like(regions), draws.choice(GRIDS, n)
    for cells in np.unique(grids):
        rows = np.flatnonzero(grids == cells)
        share = F.adaptive_avg_pool2d(torch.from_numpy(regions[rows])[:, None].float(), int(cells))
        spread = _uniform(draws, len(rows), 0, 0.6)
        share = (1 - spread) * share + spread * F.avg_pool2d(share, 3, 1, 1)
        share = share * (0.3 + 0.7 * _smooth(draws, len(rows), int(cells), 4))
        share = share / share.amax((2, 3), keepdim=True).clamp(min=1e-6)
        share = share + _uniform(draws, len(rows), 0, 0.25) * (_smooth(draws, len(rows), int(cells), int(cells)) - 0.5)
        full = F.interpolate(share, (height, width), mode="bilinear", align_corners=False)
        level = _uniform(draws, len(rows), 0.3, 0.8) * full.amax((2, 3), keepdim=True)
        out[rows] = (full > level)[:, 0].numpy()
    return out


def _uniform(draws: np.random.Generator, n: int, low: float, high: float) -> Tensor:
    return torch.from_numpy(draws.uniform(low, high, (n, 1, 1, 1)).astype(np.float32))


def _smooth(draws: np.random.Generator, n: int, cells: int, knots: int) -> Tensor:
    """Random fields of values from 0 to 1, (n, 1, cells, cells), interpolated between knots."""
    field = torch.from_numpy(draws.random((n, 1, knots, knots), np.float32))
    return F.interpolate(field, (cells, cells), mode="bilinear", align_corners=True)


@dataclass(frozen=True, eq=False)
class Bank:
    """Features of many regions, by what they show.

    features   float16, (region, feature)
    rows       {meaning: its regions}
    """

    features: NDArray[np.float16] = field(repr=False)
    rows: dict[Meaning, NDArray[np.int64]] = field(repr=False)
    language: Language = field(repr=False)

    @classmethod
    def of(cls, probe: ProbeSet, encoder: Encoder, seed: int, copies: int = COPIES) -> "Bank":
        """The regions of all images of a labelled probe set, each `copies` times with masks drawn anew."""
        draws, parts, meanings = np.random.default_rng(seed), [], []
        for image, maps in bar(_maps(probe, encoder), f"regions of {probe.name}", len(probe)):
            shown = in_image(probe, image)
            if not shown:
                continue
            meanings += [*shown] * copies
            masks = np.concatenate([fired(np.array([*shown.values()]), draws) for _ in range(copies)])
            parts.append(pool(maps, torch.from_numpy(masks)).numpy().astype(np.float16))
        rows = defaultdict(list)
        for row, meaning in enumerate(meanings):
            rows[meaning].append(row)
        found = {meaning: np.array(rows[meaning]) for meaning in sorted(rows, key=sorted)}
        features = np.concatenate(parts) if parts else np.zeros((0, 0), np.float16)
        return cls(features, found, phrases.language(probe))


def _maps(probe: ProbeSet, encoder: Encoder) -> Iterator[tuple[int, list[Tensor]]]:
    image = 0
    for images in probe.batches(16):
        maps = encoder.maps(images)
        for at in range(len(images)):
            yield image, [each[at] for each in maps]
            image += 1


# How often a unit is of each kind.
KINDS = {
    (OBJECT,): 0.12,
    (PART,): 0.08,
    ("material",): 0.07,
    (COLOR,): 0.08,
    ("texture",): 0.06,
    ("scene",): 0.06,
    (COLOR, OBJECT): 0.13,
    (COLOR, PART): 0.05,
    (OBJECT, PART): 0.09,
    (COLOR, OBJECT, PART): 0.12,
    "group": 0.08,
    "writing": 0.03,
    "or": 0.04,
    "anything": 0.02,
}
_WRITING = frozenset([phrases.WRITING])
STRAY = 0.3  # of a unit's regions, at most this share is of something else
FEWEST = 8  # regions that a meaning needs to be a unit


@dataclass(frozen=True, eq=False)
class Unit:
    """A unit made of regions: what it shows, and its regions in the bank, (exemplar,)."""

    meanings: tuple[Meaning, ...]
    rows: NDArray[np.int64]

    def described(self, draws: np.random.Generator) -> str:
        """What one annotator says."""
        return phrases.text(self.meanings, int(draws.integers(phrases.STYLES)))


class Units:
    """Units drawn from a bank, as many as are asked for.

    held_out   None: combinations that are held out are left out; True: only these; False: all other combinations of
               the same kind only
    """

    def __init__(self, bank: Bank, held: bool | None = None, count: int = 15):
        self.bank, self.count = bank, count
        usable = [meaning for meaning, rows in bank.rows.items() if len(rows) >= FEWEST]
        if held is None:
            usable = [meaning for meaning in usable if not held_out(meaning)]
        else:
            triples = [each for each in usable if len(each) == 3]
            usable = [each for each in triples if held_out(each) == held]
        self.by_kind: dict[object, list[Meaning]] = defaultdict(list)
        for meaning in usable:
            self.by_kind[tuple(sorted(category for category, _ in meaning))].append(meaning)
        self.groups = {group: of for group in bank.language.groups if len(of := self._members(group)) > 1}
        kinds = {
            kind: share for kind, share in KINDS.items() if self.by_kind.get(kind) or (held is None and self._has(kind))
        }
        if not usable:
            raise BadInput(f"regions: nothing is labelled in {FEWEST} regions; take a probe set with more images")
        self.kinds, self.shares = [*kinds], np.array([*kinds.values()]) / sum(kinds.values()) * (1 + 1e-9)

    def _has(self, kind: object) -> bool:
        """Whether there are regions for a kind that is none of categories."""
        objects = self.by_kind[(OBJECT,)]
        there = {"anything": True, "group": bool(self.groups), "or": len(objects) > 1, "writing": _WRITING in objects}
        return bool(kind in there and there[str(kind)])

    def _members(self, group: phrases.Concept) -> list[Meaning]:
        kin, of = self.bank.language.kin, self.by_kind.get((group[0],), ())
        return [meaning for meaning in of if group in kin[next(iter(meaning))]]

    def draw(self, draws: np.random.Generator, stray: float = STRAY, least: float = 0.0) -> Unit:
        """One unit. stray, least   the largest and the smallest share of its regions that are of something else"""
        kind = self.kinds[int(np.searchsorted(self.shares.cumsum(), draws.random()))]
        meanings, shown = self._meanings(kind, draws)
        of = [self.bank.rows[shown[i]] for i in draws.integers(len(shown), size=self.count)]
        rows = np.array([each[int(at * len(each))] for each, at in zip(of, draws.random(self.count), strict=True)])
        strays = draws.random(self.count) < draws.uniform(least, stray)
        rows[strays] = draws.integers(len(self.bank.features), size=int(strays.sum()))
        return Unit(meanings, rows)

    def _meanings(self, kind: object, draws: np.random.Generator) -> tuple[tuple[Meaning, ...], Sequence[Meaning]]:
        """What a unit of a kind is said to show, and the meanings that its regions have."""
        if kind == "anything":
            return (frozenset(),), [*self.bank.rows]
        if kind == "writing":
            return (_WRITING,), (_WRITING,)
        if kind == "group":
            group = [*self.groups][draws.integers(len(self.groups))]
            members = self.groups[group]
            chosen = draws.permutation(len(members))[: draws.integers(2, 6)]
            return (frozenset([group]),), [members[i] for i in chosen]
        if kind == "or":
            one, other = draws.permutation(len(self.by_kind[(OBJECT,)]))[:2]
            both = tuple(self.by_kind[(OBJECT,)][i] for i in (one, other))
            return both, both
        of = self.by_kind[kind]
        meaning = of[draws.integers(len(of))]
        return (meaning,), (meaning,)
