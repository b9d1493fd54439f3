"""Claims, the effects measured for them, and when they hold.

The claims are in one CSV file per paper, each with the number that decides it, the criterion, and the published number
where there is one. The criteria were fixed before anything was measured (corrections since: see the verdict chapters):
*most* means more than 50 percent, *many*, *often* and *about half* more than 25, *few* less than 25; "more" and
"higher" mean more than 0.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib import tables
from n2vlib.analysis import uncertainty
from n2vlib.errors import BadInput

IMAGES, CONCEPTS, FILTERS, NETWORKS = "images", "concepts", "filters", "networks"
YES, NO, UNDECIDED, NOT_MEASURED = "yes", "no", "undecided", "not measured"
UNITS = {
    "percent": "percent",
    "points": "difference, percentage points",
    "times": "multiples",
    "number": "probability, correlation, or difference of two",
    "fewer": "percent fewer unique detectors",
    "concepts": "difference of unique detectors",
    "reward": "difference of mean rewards",
}
_SHORT = {"percent": "%", "points": " points", "times": " times", "fewer": "% fewer"}
_LIMITS = {"percent": (0.0, 100.0), "fewer": (-np.inf, 100.0)}
_FILES = {
    "net2vec": "claims.csv",
    "netdissect": "netdissect.csv",
    "compositional": "compositional.csv",
    "words": "words.csv",
    "neuralese": "neuralese.csv",
}


class Effect(NamedTuple):
    """One number that decides a claim.

    value, low, high   the measured number and its 95% interval
    over               what the interval is over: images, concepts, filters, networks or teams; with rotations or not
    note               which layer, category or concept decided, how many there were
    against            the criterion, where it depends on the run (chance); NaN: that of the claim
    """

    value: float
    low: float
    high: float
    over: str
    note: str = ""
    against: float = np.nan


Measure: TypeAlias = Callable[[Any], Effect | None]
Measures: TypeAlias = Mapping[str, Measure]


def table(paper: str = "net2vec") -> pd.DataFrame:
    """The claims of a paper: id, section, claim (in our words), number (the effect), unit, side,
    criterion, published, doubt, decided_by.

    paper      net2vec, netdissect, compositional, words or neuralese
    side       the claim holds where the effect is "above" or "below" the criterion
    criterion  missing where it depends on the run (chance)
    decided_by "layer": the deepest layer of one network decides; "network": its layers do; else several networks
    doubt      the most likely reason why a claim may fail on other data than the paper's
    """
    file = Path(__file__).with_name(_FILES[paper])
    texts = ["section", "doubt", "decided_by"]
    found = pd.read_csv(file, dtype=dict.fromkeys(texts, str))
    return found.fillna(dict.fromkeys(texts, ""))


def check(
    measures: Measures, measured: Any, only: Collection[str] | None = None, paper: str = "net2vec"
) -> pd.DataFrame:
    """One row per claim with an id in `only`: the columns of `table`, value, low, high, over, holds, note.

    measured   the tables of a run, as the functions of `measures` take them
    """
    rows, listed = [], table(paper)
    asked = listed if only is None else listed.loc[listed["id"].isin(list(only))]
    if without := sorted({*asked["id"]} - {*measures}):
        raise BadInput(
            f"{_FILES[paper]}: no function for {', '.join(without)}; name it in MEASURES of its section's file"
        )
    for claim in asked.to_dict("records"):
        try:
            effect, why = measures[claim["id"]](measured), ""
        except BadInput as error:  # the run has too little for it
            effect, why = None, str(error)
        value, low, high, over, note, against = effect or Effect(np.nan, np.nan, np.nan, "", why)
        criterion = against if np.isfinite(against) else claim["criterion"]
        if claim["unit"] in _LIMITS:
            low, high = np.clip([low, high], *_LIMITS[claim["unit"]])
        elif claim["unit"] == "times":
            low = max(low, value / 100)  # a ratio is positive
        found = {"criterion": criterion, "value": value, "low": low, "high": high, "over": over}
        rows.append(claim | found | {"holds": holds(effect, claim["side"], criterion), "note": note})
    return pd.DataFrame(rows, columns=[*listed, "value", "low", "high", "over", "holds", "note"])


def holds(effect: Effect | None, side: str, criterion: float) -> str:
    """yes, no, undecided (the interval straddles the criterion) or not measured."""
    if effect is None or not np.isfinite([effect.value, effect.low, effect.high]).all():
        return NOT_MEASURED
    low, high = (effect.low, effect.high) if side == "above" else (-effect.high, -effect.low)
    bar = criterion if side == "above" else -criterion
    return YES if low > bar else NO if high <= bar else UNDECIDED


def of_draws(values: Any, note: str = "") -> Effect:
    """The effect of a number computed on every row of `Measured.scores`: the first row as measured, then the draws.

    values   float, (row,); the interval is `uncertainty.recentred_interval`
    """
    numbers = np.asarray(values, float)
    return _recentred(numbers[0], numbers[1:], IMAGES, note)


def of_concepts(
    number: Callable[[NDArray], Any], values: Any, note: str = "", seed: int = 0, over: str = CONCEPTS
) -> Effect:
    """The effect of a number of values, one or a row for each concept; the concepts are resampled 1,000 times.

    over   what the values belong to, if not to concepts
    """
    table = np.asarray(values, float)
    value = number(table) if len(table) else np.nan
    return _recentred(value, np.array([*_resampled(number, table, seed)], float), over, note or f"{len(table)} {over}")


def ratio_of_means(two: NDArray) -> float:
    """Mean of the first column over that of the second, of (row, 2); NaN where that is 0."""
    above, below = two.mean(axis=0)
    return above / below if below else np.nan


def _resampled(number: Callable[[NDArray], Any], table: NDArray, seed: int) -> Iterator[Any]:
    """The number of 1,000 tables of as many rows, drawn with replacement; nothing of a table without rows."""
    rng, n = np.random.default_rng(seed), len(table)
    step = max(1, 2**20 // max(1, n))  # tables at a time
    for at in range(0, 1000 if n else 0, step):
        drawn = table[rng.integers(0, n, (min(step, 1000 - at), n))]
        yield from drawn.mean(axis=1) if number is np.mean and table.ndim == 1 else map(number, drawn)


def left_out(
    number: Callable[[NDArray], Any], values: Any, note: str = "", against: float = np.nan, seed: int = 0
) -> Effect:
    """The effect of a number that counts coincidences between concepts; a fifth of them is left out, 200 times.

    Drawing with replacement would let a concept coincide with itself, and leaving out one at a time does not work for
    counts; hence the delete-d jackknife (Shao and Wu 1989). With d of n left out, the variance is (n - d) / d times
    that of the draws.
    """
    return _left_out(number, [np.asarray(values)], CONCEPTS, note, against, seed)


def of_filters(number: Callable[..., Any], layers: Sequence[pd.DataFrame], note: str = "", seed: int = 0) -> Effect:
    """The effect of a number of one or several layers: a fifth of the filters of each is left out, 200 times.

    Layers are taken to be independent, so that the variances of their contributions add up.
    number   takes the tables as record arrays, (filter,), one for each of `layers`
    """
    return _left_out(number, [layer.to_records(index=False) for layer in layers], FILTERS, note, np.nan, seed)


def of_rotations(effect: Effect, values: NDArray[np.float64]) -> Effect:
    """The effect with the chance of the rotations in its interval, by Student's t; itself with fewer than two.

    values   what each rotation gives, (rotation,) or (rotation, image): see `tables.half_width`; `effect` has their
             mean, and an interval over filters or images
    """
    if len(values) < 2:
        return effect
    low, high = tables.widened(effect.value, effect.low, effect.high, tables.half_width(values))
    return effect._replace(low=low, high=high, over=f"{effect.over} and rotations")


def _left_out(
    number: Callable[..., Any], tables: Sequence[NDArray], over: str, note: str, against: float, seed: int
) -> Effect:
    rng, drawn = np.random.default_rng(seed), []
    n = min(len(table) for table in tables)
    left = max(1, n // 5)
    for _ in range(200 if n > 1 else 0):
        kept = (rng.permutation(len(table))[max(1, len(table) // 5) :] for table in tables)
        drawn.append(number(*(table[np.sort(rows)] for table, rows in zip(tables, kept, strict=True))))
    known = np.array(drawn, float)[np.isfinite(drawn)]
    error = np.sqrt((n - left) / left) * known.std() if len(known) else np.nan
    value = float(number(*tables))
    return Effect(value, value - 1.96 * error, value + 1.96 * error, over, note, against)


def _recentred(value: float, draws: NDArray[np.float64], over: str, note: str) -> Effect:
    known = draws[np.isfinite(draws)]
    low, high = uncertainty.recentred_interval(value, known) if len(known) else (np.nan, np.nan)
    return Effect(float(value), low, high, over, note)


def by_section(found: pd.DataFrame) -> pd.DataFrame:
    """How many claims hold in each section of the paper, in the order of `found`: section, yes, undecided, no, which
    not (ids)."""
    table = pd.crosstab(found["section"], found["holds"]).rename_axis(columns=None)
    table = table.reindex(index=found["section"].unique(), columns=[YES, UNDECIDED, NO], fill_value=0)
    failing = found.loc[found["holds"] == NO].groupby("section")["id"].agg(", ".join)
    return table.assign(**{"which not": failing.reindex(table.index, fill_value="")}).reset_index()


def beside_published(found: pd.DataFrame) -> str:
    """In words: for how many measured claims a number was published, and how many of these are like ours."""
    printed = found.dropna(subset="published")
    same = ((printed["value"] > printed["criterion"]) == (printed["published"] > printed["criterion"])).sum()
    inside = printed["published"].between(printed["low"], printed["high"]).sum()
    what = f"{len(printed)} claims have a published number: {same} are on the same side of the criterion as ours"
    return f"{what}, {inside} are in our interval"


def in_words(found: pd.DataFrame) -> pd.DataFrame:
    """Claims as a page shows them: fewer columns than those of `table` or `check`, with numbers and units in one.

    Returns   the columns of `found`, and "holds if" (side and criterion) and, of checked claims, "this run": the value
              with its interval and unit
    """
    out, units = found.copy(), [_SHORT.get(unit, "") for unit in found["unit"]]
    out["holds if"] = [
        f"{side} {number:g}" if number == number else "beyond chance"
        for side, number in zip(found["side"], found["criterion"], strict=True)
    ]
    if "value" in found:
        numbers = zip(*(found[column] for column in ("value", "low", "high")), units, strict=True)
        out["this run"] = [
            f"{v:.2f}{unit} ({low:.2f} to {high:.2f})" if v == v else "-" for v, low, high, unit in numbers
        ]
    return out
