"""Every claim of the Net2Vec paper as an executable predicate.

    m = claims.measure(...)             the tables that a run measured
    m = claims.with_networks(m, ...)    and those of other networks
    found = claims.check(m)             one row per claim: effect, interval, criterion, published number, does it hold

The claims, their criteria and the published numbers stand in `claims.csv`; each is measured by a function of the same
section: `sufficient` (4.1), `filters` (4.2, 5.1, 5.2), `networks` (4.3), `spaces` (5.3).
"""

from collections.abc import Collection

import pandas as pd

from n2vlib.claims import claim, filters, networks, spaces, sufficient
from n2vlib.claims.claim import NO, NOT_MEASURED, UNDECIDED, YES, table
from n2vlib.claims.measured import HYPERNYMS, VECTORS, Measured, aligned, measure, with_networks

MEASURES: claim.Measures = {**sufficient.MEASURES, **filters.MEASURES, **networks.MEASURES, **spaces.MEASURES}

__all__ = [
    "HYPERNYMS", "MEASURES", "NO", "NOT_MEASURED", "OF_ONE_LAYER", "UNDECIDED", "VECTORS", "YES", "Measured", "aligned",
    "check", "measure", "table", "with_networks",
]  # fmt: skip


# Claims that are decided by the deepest layer of one network.
OF_ONE_LAYER = (
    "failures-few", "failures-small", "failures-few-classification", "shared-segmentation", "shared-classification",
    "zeros", "silent", "fewer-zeros", "higher-rest", "incoherent", "kin", "kin-in-words", "context", "meaning",
)  # fmt: skip


def check(measured: Measured, only: Collection[str] | None = None) -> pd.DataFrame:
    """One row per claim: the columns of `table`, then value, low, high, over (what was drawn again), holds and note.

    only   ids of the claims to check; all where None
    """
    return claim.check(MEASURES, measured, only)
