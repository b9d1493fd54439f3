"""One style for the whole book: what colors and words mean, and how numbers are rounded. Needs pandas only."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from n2vlib.vocabulary import CATEGORIES, METHODS

# Of CATEGORIES. Any two differ under the three common kinds of color blindness (tests/test_charts.py),
# and all of them are visible on a white and on a dark page.
COLORS = ("#EA8A08", "#25ABF8", "#108757", "#BD76AB", "#4F57DF", "#C63608")
OTHER = "#7B8494"  # categories that the papers do not have, random networks, chance, axes and diagonals
INK = "#5F6F88"  # what belongs to no category

LIGHT, FULL = 0.42, 1.0  # opacity of a single filter and of a combination

OF_OUTCOME = (0.62, 1.0, 0.3)  # opacity of each of OUTCOMES

MIME = "application/vnd.vegalite.v5+json"  # the newest that JupyterLab 4 draws without an extension
DIGITS = 3  # of every number on a page
CHART_WIDTH = 600  # pixels, in JupyterLab and in the PNG; in the site charts follow the page


def categories(present: Iterable[str]) -> list[str]:
    """The categories present, low to high; unknown ones last, by name."""
    found = set(present)
    return [c for c in CATEGORIES if c in found] + sorted(found - set(CATEGORIES))


def preferred(rows: pd.DataFrame, *wanted: str) -> pd.DataFrame:
    """The rows of the wanted categories; all rows if there are none."""
    mine = rows.loc[rows["category"].isin(wanted)]
    return rows if mine.empty else mine


def formatted(value: float, fmt: str = ".2f") -> str:
    """A number for a sentence; "not defined" where it is not finite (too few concepts, all equal)."""
    return format(value, fmt) if np.isfinite(value) else "not defined"


def colors(shown: Iterable[str]) -> list[str]:
    """The fixed color of each category, grey for one the papers do not have."""
    fixed: dict[str, str] = dict(zip(CATEGORIES, COLORS, strict=True))
    return [fixed.get(category, OTHER) for category in shown]


def methods(present: Iterable[str]) -> list[str]:
    """The methods present, single filter first."""
    found = set(present)
    return [m for m in METHODS if m in found] + sorted(found - set(METHODS))


def rounded(table: pd.DataFrame, digits: int = 4) -> pd.DataFrame:
    """Every float to `digits` significant digits, so that a chart is the same on every run; a new index from 0."""
    out = table.reset_index(drop=True)
    for column in out.columns[[kind.kind == "f" for kind in out.dtypes]]:
        out[column] = [significant(value, digits) for value in out[column]]
    return out


def significant(value: float, digits: int = 4) -> float:
    """`value` to `digits` significant digits."""
    return float(f"{value:.{digits}g}") if np.isfinite(value) else float(value)


def short(values: ArrayLike) -> list[float | None]:
    """Numbers for a page, to DIGITS significant digits; None for NaN."""
    return [significant(v, DIGITS) if np.isfinite(v) else None for v in np.asarray(values, float).tolist()]
