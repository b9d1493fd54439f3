"""Net2Vec's Table 1 between starts of the learned weights, which its interval over concepts leaves out."""

import pandas as pd

from n2vlib import tables
from n2vlib.activations.layer import Layer
from n2vlib.methods import segmentation, single_filter
from n2vlib.probe import ProbeSet


def at_least_as_good(layer: Layer, probe: ProbeSet, *, epochs: int, seeds: range) -> pd.DataFrame:
    """Percent of concepts that the combination segments at least as well as the best filter, for weights learned from
    each seed: start, percent, low and high (95% interval over concepts)."""
    alone, rows = single_filter.align(layer, probe).scores, []
    for seed in seeds:
        together = segmentation.align(layer, probe, epochs=epochs, seed=seed).scores
        row = tables.at_least_as_good(pd.concat([alone, together])).iloc[0]
        rows.append({"start": seed, **row[["percent", "low", "high"]]})
    return pd.DataFrame(rows)
