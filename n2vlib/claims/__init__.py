"""Every claim of the two papers as an executable predicate.

    m = claims.measure(...)             the tables that a run measured, for Net2Vec
    m = claims.with_networks(m, ...)    and those of other networks
    d = dissected.of_layers(...)        the tables that a run measured, for Network Dissection
    found = claims.check(m)             one row per claim: effect, interval, criterion, published number, does it hold

The claims, their criteria and the published numbers stand in `claims.csv` (Net2Vec) and `netdissect.csv`; each is
measured by a function of the same section. Net2Vec: `sufficient` (4.1), `filters` (4.2, 5.1, 5.2), `networks` (4.3),
`spaces` (5.3). Network Dissection: `detecting` (3.2 to 3.4, 3.9, 4), `taught` (3.6 to 3.8).
"""

from collections.abc import Collection

import pandas as pd

from n2vlib.claims import claim, detecting, filters, networks, spaces, sufficient, taught
from n2vlib.claims.claim import NO, NOT_MEASURED, UNDECIDED, YES, table
from n2vlib.claims.dissected import Dissected
from n2vlib.claims.measured import HYPERNYMS, VECTORS, Measured, aligned, measure, with_networks

MEASURES: claim.Measures = {**sufficient.MEASURES, **filters.MEASURES, **networks.MEASURES, **spaces.MEASURES}
OF_DISSECTION: claim.Measures = {**detecting.MEASURES, **taught.MEASURES}

__all__ = [
    "HYPERNYMS", "MEASURES", "NO", "NOT_MEASURED", "OF_DISSECTION", "OF_ONE_LAYER", "OF_ONE_NETWORK", "UNDECIDED",
    "VECTORS", "YES", "Dissected", "Measured", "aligned", "check", "measure", "table", "with_networks",
]  # fmt: skip


# Claims that are decided by the deepest layer of one network.
OF_ONE_LAYER = (
    "failures-few", "failures-small", "failures-few-classification", "shared-segmentation", "shared-classification",
    "zeros", "silent", "fewer-zeros", "higher-rest", "incoherent", "kin", "kin-in-words", "context", "meaning",
)  # fmt: skip
# Claims on Network Dissection that are decided by the layers of one network.
OF_ONE_NETWORK = (
    "rotation-fewer", "rotation-head", "low-layers", "high-layers", "deeper-more", "how-many-how-good", "names-move",
)  # fmt: skip


def check(measured: Measured | Dissected, only: Collection[str] | None = None) -> pd.DataFrame:
    """One row per claim: the columns of `table`, then value, low, high, over (what was drawn again), holds and note.

    only   ids of the claims to check; all where None
    """
    if isinstance(measured, Dissected):
        return claim.check(OF_DISSECTION, measured, only, "netdissect")
    return claim.check(MEASURES, measured, only)
