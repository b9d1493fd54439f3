"""What a claim is, what was measured of it, and when it holds.

The claims are in `claims.csv`, each with the number that decides it, the criterion, and the paper's own number where it
prints one. The criteria were fixed before anything was measured (three corrections since: see the verdict chapter):
where the paper says *most* it is more than 50 percent, *many*, *often* and *about half* more than 25, *few* less than
25; "more" and "higher" are more than 0.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.analysis import uncertainty

if TYPE_CHECKING:
    from n2vlib.claims.measured import Measured

IMAGES, CONCEPTS = "images", "concepts"
YES, NO, UNDECIDED, NOT_MEASURED = "yes", "no", "undecided", "not measured"
UNITS = {
    "percent": "percent",
    "points": "difference, percentage points",
    "times": "multiples",
    "number": "probability, correlation, or difference of two",
}
_FILE = Path(__file__).with_name("claims.csv")


class Effect(NamedTuple):
    """One number that decides a claim.

    value, low, high   as measured, and its 95% interval
    over               what was drawn again for the interval: images or concepts
    note               which layer, category or concept decided, how many there were
    against            the criterion, where only the run can tell it (chance); NaN: as the claim says
    """

    value: float
    low: float
    high: float
    over: str
    note: str = ""
    against: float = np.nan


Measure: TypeAlias = Callable[["Measured"], Effect | None]
Measures: TypeAlias = Mapping[str, Measure]


def table() -> pd.DataFrame:
    """The claims: id, section, claim (in our words), number (the effect), unit, side, criterion, published, doubt.

    side       the claim holds where the effect is "above" or "below" the criterion
    criterion  missing where the run gives it: chance
    doubt      why a claim may fail away from the paper's data: the reason to look at first
    """
    return pd.read_csv(_FILE, dtype={"doubt": str}).assign(doubt=lambda rows: rows["doubt"].fillna(""))


def check(measures: Measures, measured: "Measured", only: Collection[str] | None = None) -> pd.DataFrame:
    """One row per claim, of those with an id in `only`: the columns of `table`, value, low, high, over, holds, note."""
    rows = []
    for claim in table().to_dict("records"):
        if only is not None and claim["id"] not in only:
            continue
        effect = measures[claim["id"]](measured)
        value, low, high, over, note, against = effect or Effect(np.nan, np.nan, np.nan, "")
        criterion = against if np.isfinite(against) else claim["criterion"]
        if claim["unit"] == "percent":
            low, high = np.clip([low, high], 0, 100)
        elif claim["unit"] == "times":
            low = max(low, value / 100)  # a ratio is positive
        found = {"criterion": criterion, "value": value, "low": low, "high": high, "over": over}
        rows.append(claim | found | {"holds": holds(effect, claim["side"], criterion), "note": note})
    return pd.DataFrame(rows)


def holds(effect: Effect | None, side: str, criterion: float) -> str:
    """yes, no, undecided (the interval straddles the criterion) or not measured."""
    if effect is None or not np.isfinite([effect.value, effect.low, effect.high]).all():
        return NOT_MEASURED
    low, high = (effect.low, effect.high) if side == "above" else (-effect.high, -effect.low)
    bar = criterion if side == "above" else -criterion
    return YES if low > bar else NO if high <= bar else UNDECIDED


def of_draws(values: Any, note: str = "", against: float = np.nan) -> Effect:
    """The effect of a number computed on every row of `Measured.scores`: the first row as measured, then the draws.

    A draw of images is noisier than the images themselves, so a number that counts or takes an extreme lies off centre
    among its draws. The interval is their spread about their own median, laid around the number.
    values   float, (row,)
    """
    numbers = np.asarray(values, float)
    return _around(numbers[0], numbers[1:], IMAGES, note, against)


def of_concepts(number: Callable[[NDArray], Any], values: Any, note: str = "", seed: int = 0) -> Effect:
    """The effect of a number of values, one or a row for each concept; the concepts are drawn again, 1,000 times."""
    table, rng = np.asarray(values, float), np.random.default_rng(seed)
    drawn = [number(table[rng.integers(0, len(table), len(table))]) for _ in range(1000 if len(table) else 0)]
    value = number(table) if len(table) else np.nan
    return _around(value, np.array(drawn, float), CONCEPTS, note or f"{len(table)} concepts")


def left_out(
    number: Callable[[NDArray], Any], values: Any, note: str = "", against: float = np.nan, seed: int = 0
) -> Effect:
    """The effect of a number that counts coincidences between concepts; a fifth of them is left out, 200 times.

    Drawing with replacement would let a concept coincide with itself; leaving out one at a time tells nothing about
    counts (the delete-d jackknife, Shao and Wu 1989). With d of n left out, the variance is (n - d) / d times that of
    the draws.
    """
    table, n, rng = np.asarray(values), len(values), np.random.default_rng(seed)
    left = max(1, n // 5)
    kept = [np.sort(rng.permutation(n)[left:]) for _ in range(200 if n > 1 else 0)]
    drawn = np.array([number(table[some]) for some in kept], float)
    error = np.sqrt((n - left) / left) * drawn.std() if kept else np.nan
    value = float(number(table))
    return Effect(value, value - 1.96 * error, value + 1.96 * error, CONCEPTS, note, against)


def _around(value: float, draws: NDArray[np.float64], over: str, note: str, against: float = np.nan) -> Effect:
    known = draws[np.isfinite(draws)]
    if not len(known):
        return Effect(float(value), np.nan, np.nan, over, note, against)
    return Effect(float(value), *uncertainty.around(value, known), over, note, against)
