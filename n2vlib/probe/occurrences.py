"""Which images hold which concepts, as flat arrays over all (image, concept) pairs."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.probe import ProbeSet
from n2vlib.probe.reader import items_of


def positions(probe: ProbeSet, split: str) -> NDArray[np.int64]:
    """Positions of the images of a split: train, val, or all."""
    return np.flatnonzero((probe.split == split) | (split == "all"))


def concept_positions(probe: ProbeSet) -> NDArray[np.int64]:
    """Which row of `probe.concepts` each (image, concept) pair belongs to, (pair,)."""
    return np.searchsorted(probe.concepts.index.to_numpy(), probe.labels.pair_concept)


def image_of_pair(probe: ProbeSet) -> NDArray[np.int64]:
    """Position of the image of each (image, concept) pair, (pair,)."""
    return np.repeat(np.arange(len(probe.images)), np.diff(probe.labels.pair_ptr))


def presence(probe: ProbeSet, split: str = "all") -> pd.DataFrame:
    """Which images of a split hold which concepts: bool, (image, concept)."""
    held = np.zeros((len(probe), len(probe.concepts)), np.bool_)
    held[image_of_pair(probe), concept_positions(probe)] = True
    chosen = positions(probe, split)
    return pd.DataFrame(held[chosen], index=chosen, columns=probe.concepts.index)


def judged(probe: ProbeSet, concept: int) -> NDArray[np.bool_]:
    """Which images have labels of a category of the concept, (image,): only in these its absence is known."""
    columns = [probe.categories.index(name) for name in probe.concepts.loc[concept, "categories"]]
    return np.array([any(any(items_of(row[column])) for column in columns) for row in probe.cells])
