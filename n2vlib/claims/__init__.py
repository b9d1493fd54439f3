"""Every claim of the papers as an executable predicate.

    m = claims.measure(...)             the tables that a run measured, for Net2Vec
    m = claims.with_networks(m, ...)    and those of other networks
    d = dissected.of_layers(...)        the tables that a run measured, for Network Dissection
    e = Explained(...)                  the tables that a run measured, for Compositional Explanations
    w = Worded(...)                     the tables that a run measured, for descriptions and single answers
    t = Translated(...)                 the tables that a run measured, for agents' messages
    found = claims.check(m)             one row per claim: effect, interval, criterion, published number, does it hold

claim        a claim, its effect, interval and criterion, and when it holds
measured     the tables that the claims of Net2Vec need
dissected    the tables that the claims of Network Dissection need
images       individual IoU and top images of each concept, for `measured`
sufficient   are filters sufficient? (Net2Vec 4.1)
filters      shared filters, single images, weights (Net2Vec 4.2, 5.1, 5.2)
networks     architectures, training sets and training tasks (Net2Vec 4.3)
spaces       neighbours of concepts, distances between spaces (Net2Vec 5.3)
detectors    what filters detect (Network Dissection 3.2 to 3.4, 3.9, 4)
training     what training changes (Network Dissection 3.6 to 3.8)
formulas     what formulas say, and the tables that these claims need (Compositional Explanations 4 and 5)
worded       what words say, and the tables that these claims need (MILAN, control by language, LIME)
translated   what translations of agents' messages are good for, and the tables that these claims need (Neuralese)
coverage     which chapter runs which experiment

The claims, their criteria and the published numbers are in `claims.csv` (Net2Vec), `netdissect.csv`,
`compositional.csv`, `words.csv` and `neuralese.csv`.
"""

from collections.abc import Collection
from typing import TypeAlias

import pandas as pd

from n2vlib.analysis.comparison import aligned
from n2vlib.claims import (
    claim,
    detectors,
    filters,
    formulas,
    networks,
    spaces,
    sufficient,
    training,
    translated,
    worded,
)
from n2vlib.claims.claim import NO, NOT_MEASURED, UNDECIDED, YES, beside_published, by_section, in_words, table
from n2vlib.claims.dissected import Dissected
from n2vlib.claims.formulas import Explained
from n2vlib.claims.measured import HYPERNYMS, VECTORS, Measured, measure, with_networks
from n2vlib.claims.translated import Translated
from n2vlib.claims.worded import Worded

MEASURES: claim.Measures = {**sufficient.MEASURES, **filters.MEASURES, **networks.MEASURES, **spaces.MEASURES}
OF_DISSECTION: claim.Measures = {**detectors.MEASURES, **training.MEASURES}

__all__ = [
    "HYPERNYMS", "MEASURES", "NO", "NOT_MEASURED", "OF_DISSECTION", "UNDECIDED", "VECTORS", "YES", "Dissected",
    "Explained", "Measured", "Translated", "Worded", "aligned", "beside_published", "by_section", "check", "in_words",
    "measure", "table", "with_networks",
]  # fmt: skip


_PAPERS = {
    Measured: (MEASURES, "net2vec"),
    Dissected: (OF_DISSECTION, "netdissect"),
    Explained: (formulas.MEASURES, "compositional"),
    Worded: (worded.MEASURES, "words"),
    Translated: (translated.MEASURES, "neuralese"),
}


Run: TypeAlias = Measured | Dissected | Explained | Worded | Translated


def check(measured: Run, only: Collection[str] | None = None) -> pd.DataFrame:
    """One row per claim: the columns of `table`, then value, low, high, over (what was resampled), holds and note.

    only   ids of the claims to check; all where None
    """
    measures, paper = _PAPERS[type(measured)]
    return claim.check(measures, measured, only, paper)
