"""Which concept is planted in which filters, and how."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import concept_positions, image_of_pair

VIEWS = 8  # of a concept: every image shows one of them
MOST_CONCEPTS = 255  # their codes are a byte, 0 for none
_KINDS = {
    "one filter": "one filter",
    "spread": "spread over {}",
    "copied": "copied in {}",
    "shared": "shared by {}",
    "absent": "absent",
}
PLANTS = tuple(_KINDS)


@dataclass(frozen=True, eq=False)
class Plan:
    """What is planted.

    concepts   one row per concept, index "number", ascending; the columns of `eligible`, plant (one of PLANTS), kind
               (the plant and its number, "spread over 4"), planted (filters that respond to the concept), sharing
               (concepts that those filters respond to)
    encoding   float32, (concept, view, filter): the filter's output where a cell is full of the concept
    """

    concepts: pd.DataFrame
    encoding: NDArray[np.float32] = field(repr=False)

    @property
    def n_filters(self) -> int:
        return self.encoding.shape[2]

    @property
    def idle(self) -> int:
        """Filters that respond to nothing."""
        return int(np.sum(~np.any(self.answers, axis=0)))

    def summary(self) -> pd.DataFrame:
        """One row per kind of encoding: kind, concepts, filters, names (of its three most frequent concepts)."""
        kinds, images = self.concepts["kind"].to_numpy(), self.concepts["images"].to_numpy()
        rows = []
        for kind in self.kinds:
            mine = np.flatnonzero(kinds == kind)
            names = self.concepts["name"].iloc[mine[np.argsort(-images[mine], kind="stable")][:3]]
            filters = int(np.any(self.answers[mine], axis=0).sum())
            rows.append({"kind": kind, "concepts": len(mine), "filters": filters, "names": ", ".join(names)})
        return pd.DataFrame(rows)

    def planted_as(self, kind: str) -> tuple[str, int]:
        """The plant of a kind, and how many filters respond to each of its concepts."""
        row = self.concepts["kind"].tolist().index(kind)
        return str(self.concepts["plant"].iloc[row]), int(self.concepts["planted"].iloc[row])

    @property
    def kinds(self) -> list[str]:
        """The kinds of encoding, the simplest first."""
        columns = (self.concepts[name].tolist() for name in ("plant", "planted", "sharing", "kind"))
        return [
            kind for *_, kind in sorted({(PLANTS.index(plant), *rest) for plant, *rest in zip(*columns, strict=True)})
        ]

    @property
    def answers(self) -> NDArray[np.bool_]:
        """Which filter responds to which concept, in some of its views: bool, (concept, filter)."""
        return np.any(self.encoding > 0, axis=1)


def eligible(
    probe: ProbeSet, tau: float, *, images: int = 15, cells: float = 2, grid: int = 14, widest: float = 2
) -> pd.DataFrame:
    """Segmentable concepts that a network with a grid of `grid` x `grid` could show, the most frequent first.

    images   training images at least       cells    mean size at least, in cells of the grid
    widest   share of all places at most, in multiples of tau
    Returns  index number; name, category, images, share (of all pixels of the set), area (mean share of its images)
    """
    rows, training = concept_positions(probe), probe.split[image_of_pair(probe)] == "train"
    every, train = (np.bincount(rows[kept], minlength=len(probe.concepts)) for kept in (rows >= 0, training))
    pixels = np.bincount(rows, probe.labels.pair_area, len(probe.concepts)) / np.prod(probe.label_size)
    share, area = pixels / len(probe), pixels / np.maximum(every, 1)
    kept = probe.concepts["segmentable"].to_numpy(bool) & (train >= images) & (every > train)
    kept &= (area >= cells / grid**2) & (share <= widest * tau)
    found = probe.concepts[["name", "category"]].assign(images=every, share=share, area=area)
    order = np.argsort(-every[kept], kind="stable")[:MOST_CONCEPTS]
    return found.loc[kept].iloc[order]


def assign(
    concepts: pd.DataFrame,
    *,
    spread: Sequence[int] = (1, 2, 4, 8),
    shared: Sequence[int] = (2, 4),
    idle: int = 16,
    turn: int = 0,
) -> Plan:
    """Assign the concepts to the plants in rounds, so that every plant has frequent and rare ones.

    spread   for each m > 1 a concept whose m filters respond to VIEWS / m of its views each ("spread"), and one whose m
             filters respond to all of them ("copied"); for 1, a concept with a filter of its own
    shared   for each g, g concepts that share one filter
    idle     filters that respond to nothing
    turn     where the first round begins: another turn gives most concepts another plant
    Every round also leaves one concept without a filter ("absent"). Raises BadInput where not even one round is full.
    """
    if any(VIEWS % m for m in spread) or min([*spread, *shared], default=0) < 1:
        raise BadInput(f"spread {[*spread]}, shared {[*shared]}: numbers of filters must divide {VIEWS}")
    round_ = [("one filter" if m == 1 else kind, m, 1) for m in spread for kind in ("spread", "copied")[: 1 + (m > 1)]]
    round_ += [("shared", 1, g) for g in shared] + [("absent", 0, 1)]
    waiting, assigned, at = list(range(len(concepts))), [], turn
    while waiting and round_[at % len(round_)][2] <= len(waiting):
        plant, m, g = round_[at % len(round_)]
        assigned.append((plant, m, waiting[:g]))
        waiting, at = waiting[g:], at + 1
    if len(assigned) < len(round_):
        raise BadInput(
            f"{len(concepts)} concepts can be planted (with pixel maps, 15 training images or more, of a size that tau "
            f"allows): too few for {len(round_)} kinds of encoding; give more images, or a set of more concepts"
        )
    return _plan(concepts, assigned, idle)


def _plan(concepts: pd.DataFrame, assigned: list[tuple[str, int, list[int]]], idle: int) -> Plan:
    planted = sum(len(rows) for *_, rows in assigned)  # concepts are assigned without gaps: these are the first rows
    encoding = np.zeros((planted, VIEWS, sum(m for _, m, _ in assigned) + idle), np.float32)
    described: list[tuple[str, str, int, int]] = [("", "", 0, 0)] * planted
    first = 0
    for plant, m, rows in assigned:
        for view in range(VIEWS if m else 0):
            answering = slice(first, first + m) if plant == "copied" else first + view % m
            encoding[rows, view, answering] = 1
        kind = _KINDS[plant].format(len(rows) if plant == "shared" else m)
        for row in rows:
            described[row] = (plant, kind, m, len(rows) if m else 0)
        first += m
    columns = pd.DataFrame(described, concepts.index[:planted], columns=["plant", "kind", "planted", "sharing"])
    order = np.argsort(concepts.index[:planted], kind="stable")  # as in every method's tables
    return Plan(concepts.iloc[order].join(columns), encoding[order])
