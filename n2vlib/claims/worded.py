"""What words say: the claims of the part about descriptions, and the tables that they need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pandas as pd

from n2vlib.claims.claim import FILTERS, IMAGES, Effect, Measures, of_concepts, ratio_of_means
from n2vlib.generator.control import CUT, RAISED
from n2vlib.local import agreement, compared
from n2vlib.words import shares

SCENES, CODES = "scenes", "words and codes"
Interval = tuple[float, float, float]  # value, low, high


@dataclass(frozen=True)
class Worded:
    """What one run measured of descriptions and single answers; tables that were not measured are empty.

    truths      `words.truth.of_descriptions`: iou and by_chance of every filter's description
    uses        `words.uses.measured`: filters cut and counted by their descriptions, as shares
    steered     `generator.control.overall` over all words: way, extra, low, high, as shares of the picture
    shares      `words.shares.table` of label, formula, description, and of formula and description together
    maxims      `words.grice.scores` of descriptions
    effects     what removing things does, and what methods predict: scene, truth, and a column for each method
    """

    truths: pd.DataFrame = field(default_factory=pd.DataFrame)
    uses: Mapping[str, Interval] = field(default_factory=dict)
    steered: pd.DataFrame = field(default_factory=pd.DataFrame)
    shares: pd.DataFrame = field(default_factory=pd.DataFrame)
    maxims: pd.DataFrame = field(default_factory=pd.DataFrame)
    effects: pd.DataFrame = field(default_factory=pd.DataFrame)


def above_chance(w: Worded) -> Effect | None:
    """Mean IoU of descriptions with their filters, over that with other filters."""
    if w.truths.empty:
        return None
    return of_concepts(ratio_of_means, w.truths[["iou", "by_chance"]], over=FILTERS)


def used(w: Worded, name: str, over: str) -> Effect | None:
    """One of the uses of descriptions, in points."""
    return _points(w.uses[name], over) if name in w.uses else None


def steered(w: Worded, way: str) -> Effect | None:
    """How much more of a word the edit of its own units moves, in the direction asked for, than that of others."""
    if w.steered.empty:
        return None
    row = w.steered.set_index("way").loc[way]
    return _points((row["extra"], row["low"], row["high"]), CODES)


def _points(of: Sequence[float], over: str) -> Effect:
    value, low, high = (100 * float(each) for each in of)
    return Effect(value, low, high, over)


def more(w: Worded, one: str, other: str, measure: str) -> Effect | None:
    """How much more one explanation accounts for than another, mean over filters."""
    if w.shares.empty:
        return None
    return Effect(*shares.more(w.shares, one, other, measure), FILTERS, f"{w.shares['filter'].nunique()} filters")


def relevant(w: Worded) -> Effect | None:
    """Mean gain in IoU of a description over its best shorter part."""
    if w.maxims.empty:
        return None
    return of_concepts(np.mean, w.maxims["gain"].dropna(), over=FILTERS)


def nearer(w: Worded, method: str, other: str) -> Effect | None:
    """Correlation of a method with the true effects, minus that of another method."""
    if w.effects.empty:
        return None
    found, draws = agreement.correlations(w.effects, [method, other])
    row = agreement.differences(draws, found, method).iloc[0]
    return Effect(row["difference"], row["low"], row["high"], SCENES, f"{found['pairs'].min()} things")


def near(w: Worded, method: str) -> Effect | None:
    """Correlation of a method with the true effects."""
    if w.effects.empty:
        return None
    found, _ = agreement.correlations(w.effects, [method])
    row = found.iloc[0]
    return Effect(row["r"], row["low"], row["high"], SCENES, f"{row['pairs']} things")


MEASURES: Measures = {
    "described-above-chance": above_chance,
    "described-longer": partial(used, name="us-longer", over="random orders"),
    "described-audit": partial(used, name="us-audit", over=FILTERS),
    "described-edit": partial(used, name="us-edit", over=IMAGES),
    "described-edit-order": partial(used, name="us-edit-order", over=IMAGES),
    "words-cut": partial(steered, way=CUT),
    "words-raised": partial(steered, way=RAISED),
    "forms-not-enough": partial(more, one="description", other="formula", measure="image"),
    "description-adds": partial(more, one="formula and description", other="formula", measure="mask"),
    "no-idle-words": relevant,
    "lime-above-area": partial(nearer, method=compared.LIME, other=compared.AREA),
    "direction-above-filter": partial(nearer, method=compared.REMOVED.format("classification"), other=compared.BEST),
    "filled-is-gone": partial(near, method=compared.FILLED),
}
