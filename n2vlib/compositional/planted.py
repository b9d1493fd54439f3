"""Units whose formula is known, since they were made from it: does the search find it again?

A planted unit fires where its formula holds. Then a share of its pixels is moved to places where the formula does not
hold: one by one, or by surroundings, all pixels of an atom together, as with a filter that misses what it looks for
wherever it is blue.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.compositional import beam as beams
from n2vlib.compositional.atoms import Counts
from n2vlib.compositional.formula import Formula, concept, join
from n2vlib.compositional.similarity import KIN
from n2vlib.errors import BadInput

ONE, KINDRED, STRANGERS, WITHOUT = KINDS = ("one concept", "OR of kin", "OR of strangers", "AND NOT")
BY = ("pixel", "atom")
NEEDED = 0.2  # share of a mask that each part of a formula must account for, so that the part can be found
LENGTH = 3  # of the longest formula that the search may find; planted ones have one or two concepts
MOST = 10**9  # pixels that numpy draws from


def formulas(counts: Counts, similar: pd.DataFrame, each: int, seed: int) -> pd.DataFrame:
    """Formulas to plant, up to `each` of every kind, drawn from all that fit: kind, formula.

    similar   similarity of concepts, by name; only pairs in it are joined by OR, NaN for those that are not
    What one part of an OR adds to the other is at least a fifth of both together; what AND NOT takes away is between a
    fifth and four fifths of the concept. A kind without such formulas has no rows.
    """
    rng, rows = np.random.default_rng(seed), []
    for kind, said in _candidates(counts, similar).items():
        chosen = rng.permutation(len(said))[:each]
        rows += [(kind, said[i]) for i in sorted(chosen)]
    return pd.DataFrame(rows, columns=["kind", "formula"])


def _candidates(counts: Counts, similar: pd.DataFrame) -> dict[str, list[Formula]]:
    names = counts.names
    members = counts.members.astype(np.int64)
    shared = (members.multiply(counts.sizes) @ members.T).toarray()
    area = np.diag(shared)
    alone = area[:, None] - shared  # of the first without the second
    either = area[:, None] + area - shared
    near = similar.reindex(index=names, columns=names).to_numpy()
    needed = (np.minimum(alone, alone.T) >= NEEDED * either) & np.triu(np.ones(near.shape, bool), 1)
    less = (shared >= NEEDED * area[:, None]) & (alone >= NEEDED * area[:, None]) & (area > 0)[:, None]
    return {
        ONE: [concept(name) for name, pixels in zip(names, area, strict=True) if pixels],
        KINDRED: _joined(names, "OR", needed & (near > KIN)),
        STRANGERS: _joined(names, "OR", needed & (near <= KIN)),
        WITHOUT: _joined(names, "AND NOT", less),
    }


def _joined(names: list[str], operator: str, pairs: NDArray[np.bool_]) -> list[Formula]:
    return [join(concept(names[a]), operator, concept(names[b])) for a, b in np.argwhere(pairs)]


def units(counts: Counts, planted: Sequence[Formula], moved: float, *, by: str = "pixel", seed: int = 0) -> Counts:
    """Units that fire where formulas hold, after a share of their pixels was moved to where they do not.

    moved     share of a unit's pixels, 0 to 1
    by        "pixel": pixels are drawn one by one, so that the IoU of unit and formula is (1 - moved) / (1 + moved);
              "atom": the pixels of an atom are moved together, until about the share is reached
    Returns   counts with these units in place of the layer's; area and share moved are exact by pixel
    """
    if not 0 <= moved <= 1 or by not in BY:
        raise BadInput(f"moved = {moved}, by = {by!r}: a share from 0 to 1, by {' or '.join(BY)}")
    if by == "pixel" and counts.sizes.sum() >= MOST:
        raise BadInput(
            f"planted units: {counts.sizes.sum():,} pixels, at most {MOST:,}; take every second image, [::2]"
        )
    rng, fired = np.random.default_rng(seed), np.zeros((len(planted), len(counts.sizes)), np.int64)
    for row, formula in zip(fired, planted, strict=True):
        holds = counts.truth(formula)
        inside, outside = counts.sizes * holds, counts.sizes * ~holds
        wanted = min(round(moved * int(inside.sum())), int(outside.sum()))
        draw = _pixels if by == "pixel" else _atoms
        missed = draw(rng, inside, wanted)
        row += inside - missed + draw(rng, outside, min(int(missed.sum()), int(outside.sum())))
    return Counts(fired, counts.sizes, counts.members, counts.concepts)


def _pixels(rng: np.random.Generator, sizes: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
    return rng.multivariate_hypergeometric(sizes, wanted, method="marginals")


def _atoms(rng: np.random.Generator, sizes: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
    """Whole atoms in random order, as many as come nearest to the number of pixels wanted."""
    order = rng.permutation(np.flatnonzero(sizes))
    total = np.concatenate([[0], sizes[order].cumsum()])
    chosen = order[: int(np.abs(total - wanted).argmin())]
    found = np.zeros_like(sizes)
    found[chosen] = sizes[chosen]
    return found


def recovered(
    counts: Counts, truth: pd.DataFrame, moved: float, *, by: str = "pixel", beam: int = beams.BEAM, seed: int = 0
) -> pd.DataFrame:
    """Units made from formulas, and what the search finds for them.

    truth     kind, formula, as `formulas` gives them      moved, by   see `units`
    Returns   kind, formula, moved, by; planted_iou (of `formula`); found (the best of up to three concepts), found_iou;
              exactly (whether it has the planted mask), own_length (the same of what is found with as many concepts as
              were planted), there (whether all planted concepts are in `found`, or its mask is exact)
    """
    formulas = list(truth["formula"])
    fired = units(counts, formulas, moved, by=by, seed=seed)
    table = beams.search(fired, LENGTH, beam=beam)
    said = table.set_index(["unit", "allowed"])["formula"].to_dict()
    found = [said[unit, LENGTH] for unit in range(len(formulas))]
    short = [said[unit, each.length] for unit, each in enumerate(formulas)]
    exactly = found_again(counts, formulas, found)
    pairs = zip(formulas, found, strict=True)
    parts = [other is not None and set(one.concepts) <= set(other.concepts) for one, other in pairs]
    return truth.assign(
        moved=moved,
        by=by,
        planted_iou=[fired.iou(unit, each) for unit, each in enumerate(formulas)],
        found=found,
        found_iou=table.loc[table["allowed"] == LENGTH, "iou"].to_numpy(),
        exactly=exactly,
        own_length=found_again(counts, formulas, short),
        there=exactly | np.array(parts, bool),
    )


def found_again(counts: Counts, planted: Sequence[Formula], found: Sequence[Formula | None]) -> NDArray[np.bool_]:
    """Whether each found formula has the mask of the planted one, however it is written: bool, (unit,)."""
    seen = counts.sizes > 0
    return np.array(
        [
            other is not None and np.array_equal(counts.truth(one)[seen], counts.truth(other)[seen])
            for one, other in zip(planted, found, strict=True)
        ],
        bool,
    )
