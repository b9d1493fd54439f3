"""The results of all methods on one layer, from the store where it has them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.baselines import summary
from n2vlib.compositional import trust
from n2vlib.compositional.explain import Filters
from n2vlib.methods import classification, dissection, segmentation, single_filter
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import presence
from n2vlib.significance import names
from n2vlib.words import describer, exemplars

CONVENTION = "netdissect"
IOU_THRESHOLD = 0.04  # of detectors: dissection IoU above it (Network Dissection 2)


@dataclass(frozen=True)
class Measured:
    """A layer and its scores on the concepts of a probe set; concepts are given by their position in probe.concepts.

    named        `significance.names.how_sure`: the best concept of every filter, and how sure it is
    formulas     `compositional.trust.formulas`: the formula of every filter, and how it does on other images
    described    the description of every filter by the describer of the zoo, (filter,); "" where there is none
    iou          dissection IoU, (filter, concept)
    set_iou      {"train", "val": (filter, concept)}; NaN where the split has no image of a segmentable concept
    holds        bool, (image, concept)
    alone        the best filter of each concept
    floors       {method: Alignment} of `baselines.summary.untrained`: everything, usual place, two filters
    learned      {"segmentation", "classification": Alignment}, without one for which no concept can be learned
    """

    layer: Layer
    probe: ProbeSet
    named: pd.DataFrame
    formulas: pd.DataFrame
    described: NDArray[np.object_]
    iou: NDArray[np.float64]
    set_iou: dict[str, NDArray[np.float64]]
    holds: NDArray[np.bool_]
    alone: Alignment
    floors: dict[str, Alignment]
    learned: dict[str, Alignment]

    @property
    def places(self) -> dict[int, int]:
        """{label number of a concept: its position}."""
        return {int(number): place for place, number in enumerate(self.probe.concepts.index)}

    @property
    def named_place(self) -> NDArray[np.int64]:
        """The position of the concept that each filter is named after, (filter,)."""
        return np.searchsorted(self.probe.concepts.index.to_numpy(), self.named["concept"].to_numpy())


def measure(layer: Layer, probe: ProbeSet, *, epochs: int, seed: int) -> Measured:
    """All results that the page shows; `epochs` and `seed` are those of the learned weights."""
    return Measured(
        layer, probe,
        names.how_sure(layer, probe, convention=CONVENTION, seed=seed),
        trust.formulas(Filters(layer, probe), seed=seed),
        _described(layer, probe),
        dissection.dissection_iou(layer, probe, convention=CONVENTION),
        {split: _set_iou(layer, probe, split) for split in ("train", "val")},
        presence(probe).to_numpy(),
        single_filter.align(layer, probe),
        {str(each.scores["method"].iloc[0]): each for each in summary.untrained(layer, probe) if len(each.scores)},
        _learn(layer, probe, epochs, seed),
    )  # fmt: skip


def _described(layer: Layer, probe: ProbeSet) -> NDArray[np.object_]:
    """The describer's texts; none of filters that never fire, or where there are fewer images than exemplars."""
    if len(probe) < exemplars.COUNT:
        return np.full(layer.n_filters, "", object)
    texts = describer.described(layer, probe, layer.store)["description"].to_numpy(object)
    return np.where(layer.state == "dead", "", texts)


def _set_iou(layer: Layer, probe: ProbeSet, split: str) -> NDArray[np.float64]:
    found = single_filter.set_counts(layer, probe, split)
    asked = (found.annotated > 0) & probe.concepts["segmentable"].to_numpy()
    return np.where(asked, found.iou, np.nan)


def _learn(layer: Layer, probe: ProbeSet, epochs: int, seed: int) -> dict[str, Alignment]:
    """Both learned methods; one without anything to learn from is left out."""
    share = presence(probe, "train").to_numpy().mean(0) if (probe.split == "train").any() else np.zeros(1)
    segmentable = probe.concepts["segmentable"].to_numpy() & (segmentation.alphas(probe) > 0)
    found = {}
    if segmentable.any():
        found["segmentation"] = segmentation.align(layer, probe, epochs=epochs, seed=seed)
    if ((share > 0) & (share < 1)).any():
        found["classification"] = classification.align(layer, probe, epochs=epochs, seed=seed)
    return found
