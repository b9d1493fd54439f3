"""What formulas say: the claims of Compositional Explanations of Neurons, and the tables that they need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.claims.claim import FILTERS, IMAGES, Effect, Measures, of_concepts, ratio_of_means
from n2vlib.compositional import accuracy, moved

UNITS = "units"
SHORT, USUAL, LONG, LONGEST = 1, 3, 10, 20  # lengths of formulas that claims compare


@dataclass(frozen=True)
class Explained:
    """What one run measured of the formulas of a layer's filters; tables that were not measured are empty.

    lengths     `beam.search`, a row for each unit and allowed length up to LONGEST
    halves      `trust.held_out`, up to LONG
    dealt       `trust.by_chance`, up to LONG
    explained   `accuracy.explained`, up to LONG: formulas with the accuracy where the filter fires
    sentences   the same of the units of a network that reads sentences, up to USUAL
    moves       {network: `moved.moves` of the same edits}, the network whose formulas were read first
    """

    lengths: pd.DataFrame = field(default_factory=pd.DataFrame)
    halves: pd.DataFrame = field(default_factory=pd.DataFrame)
    dealt: pd.DataFrame = field(default_factory=pd.DataFrame)
    explained: pd.DataFrame = field(default_factory=pd.DataFrame)
    sentences: pd.DataFrame = field(default_factory=pd.DataFrame)
    moves: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def longer_better(e: Explained) -> Effect | None:
    """Mean IoU with formulas of LONG over that with single concepts."""
    iou = by_length(e.lengths, "iou")
    return None if iou is None else of_concepts(ratio_of_means, iou[[LONG, SHORT]], over=FILTERS)


def hardly_longer(e: Explained) -> Effect | None:
    """By how many percent the mean IoU still rises from LONG to LONGEST."""
    iou = by_length(e.lengths, "iou")
    if iou is None or LONGEST not in iou:
        return None
    return of_concepts(lambda two: 100 * (ratio_of_means(two) - 1), iou[[LONGEST, LONG]], over=FILTERS)


def left_elsewhere(e: Explained) -> Effect | None:
    """How many percent of the gain from SHORT to LONG are left on the half that the search has not seen."""
    searched, other = by_length(e.halves, "iou"), by_length(e.halves, "held_out")
    if searched is None or other is None:
        return None
    gains = np.column_stack([other[LONG] - other[SHORT], searched[LONG] - searched[SHORT]])
    return of_concepts(lambda two: 100 * ratio_of_means(two), gains, over=FILTERS)


def above_chance(e: Explained) -> Effect | None:
    """The gain from SHORT to LONG on the half not searched, over what the search gains on annotations of others."""
    other, dealt = by_length(e.halves, "held_out"), by_length(e.dealt, "iou")
    if other is None or dealt is None:
        return None
    gains = pd.DataFrame({"other": other[LONG] - other[SHORT], "dealt": dealt[LONG] - dealt[SHORT]})
    return of_concepts(ratio_of_means, gains, over=FILTERS)


def iou_accuracy(e: Explained, given: Sequence[str] = ()) -> Effect | None:
    """Correlation over filters of the IoU of formulas of LONG with the accuracy where the filter fires.

    given   columns that are held constant
    """
    return _correlation(e.explained, LONG, given, FILTERS)


def in_sentences(e: Explained, given: Sequence[str] = ()) -> Effect | None:
    """The same for units of a network that reads sentences, with formulas of USUAL."""
    return _correlation(e.sentences, USUAL, given, UNITS)


def _correlation(table: pd.DataFrame, length: int, given: Sequence[str], over: str) -> Effect | None:
    if table.empty:
        return None
    rows = table.loc[table["allowed"] == length]
    r = accuracy.correlation(rows["iou"], rows["accuracy"], [rows[name] for name in given])
    return Effect(r["r"], r["low"], r["high"], over, f"{r['n']:.0f} {over}")


def higher_when_longer(e: Explained) -> Effect | None:
    """The same correlation with formulas of LONG, minus that with single concepts."""
    if e.explained.empty:
        return None
    iou, right = (e.explained.pivot_table(column, "unit", "allowed") for column in ("iou", "accuracy"))
    rows = pd.DataFrame({"long": iou[LONG], "short": iou[SHORT], "right": right[LONG]}).dropna()

    def difference(three: NDArray) -> float:
        r = np.corrcoef(three, rowvar=False)
        return r[0, 2] - r[1, 2]

    return of_concepts(difference, rows, over=FILTERS)


def edits_move(e: Explained) -> Effect | None:
    """Share of edits that move the class most of all: after those as the formula says, minus after others."""
    return _moved_most([*e.moves.values()][:1])


def edits_transfer(e: Explained) -> Effect | None:
    """The same for the other networks, mean over them."""
    return _moved_most([*e.moves.values()][1:])


def _moved_most(moves: Sequence[pd.DataFrame]) -> Effect | None:
    if not moves:
        return None
    pictures = pd.concat([moved.beside(each, "most") for each in moves])
    value, low, high = moved.with_interval(pictures, "difference")
    return Effect(100 * value, 100 * low, 100 * high, IMAGES, f"{pictures['original'].nunique()} pictures")


def by_length(table: pd.DataFrame, column: str) -> pd.DataFrame | None:
    """The mean of a column for each unit and allowed length, (unit, allowed); None of an empty table."""
    return None if table.empty else table.pivot_table(column, "unit", "allowed")


MEASURES: Measures = {
    "longer-better": longer_better,
    "hardly-longer": hardly_longer,
    "left-elsewhere": left_elsewhere,
    "above-chance": above_chance,
    "iou-accuracy": iou_accuracy,
    "iou-accuracy-rate": partial(iou_accuracy, given=["rate"]),
    "iou-accuracy-longer": higher_when_longer,
    "edits-move": edits_move,
    "edits-transfer": edits_transfer,
    "sentences-iou-accuracy": in_sentences,
    "sentences-iou-accuracy-rate": partial(in_sentences, given=["rate"]),
}
