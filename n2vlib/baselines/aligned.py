"""What all baselines share: the concepts they are measured on, and their tables."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.masks.counts import arrays
from n2vlib.methods.alignment import Alignment, pair_table, pooled_scores
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import concept_positions, image_of_pair


def trainable(probe: ProbeSet) -> NDArray[np.bool_]:
    """Segmentable concepts with training images, as methods.single_filter takes them: bool, (concept,)."""
    return probe.concepts["segmentable"].to_numpy() & (training_images(probe).to_numpy() > 0)


def training_images(probe: ProbeSet) -> pd.Series:
    """How many training images hold each concept, int, by its number."""
    held = concept_positions(probe)[probe.split[image_of_pair(probe)] == "train"]
    return pd.Series(np.bincount(held, minlength=len(probe.concepts)), index=probe.concepts.index)


def label_arrays(probe: ProbeSet) -> tuple:
    """As kernels take them: maps, map_ptr, pair_ptr, and of each pair the concept's position and local index."""
    return arrays(probe.labels, concept_positions(probe))


def aligned(
    layer: Layer,
    probe: ProbeSet,
    method: str,
    counts: tuple[NDArray[np.int64], NDArray[np.int64]],
    usable: NDArray[np.bool_],
    weights: NDArray,
    bias: NDArray | float,
    *,
    n_filters: int,
    seed: int = -1,
    settings: dict | None = None,
) -> Alignment:
    """The tables of a method from its pixel counts.

    counts    intersection and predicted, (pair,)     usable   bool, (concept,)
    weights   (usable concept, filter)                bias     (usable concept,)
    """
    pairs, concepts = pair_table(probe, *counts, usable), probe.concepts.loc[usable]
    scores = pooled_scores(
        pairs, concepts, probe=probe.name, network=layer.network, layer=layer.name, task="segmentation",
        method=method, n_filters=n_filters, seed=seed,
    )  # fmt: skip
    by_number = pd.DataFrame(np.asarray(weights, np.float32), index=concepts.index)
    biases = pd.Series(np.broadcast_to(bias, len(concepts)).astype(float), index=concepts.index)
    return Alignment(
        scores, by_number, biases, pairs, {"tau": layer.tau, "quantile": layer.quantile} | (settings or {})
    )
