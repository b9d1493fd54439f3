"""The tables that the claims of Network Dissection need, made from layers.

here = dissected.of_layers({"networks": {"mine": layer, ...}, ...}, probe, iou_threshold=0.04, networks=table)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.analysis import discrimination, history, rotation
from n2vlib.probe import ProbeSet

OWN, ENDS, ROTATIONS, TRAININGS, ALONG = "own layers", "networks", "rotations", "trainings", "along"
TO_SCENES, TO_OBJECTS, WIDTHS, TAUS = "to scenes", "to objects", "widths", "taus"


@dataclass(frozen=True)
class Dissected:
    """What one run measured, by group; groups that were not measured are missing.

    names      {group: `history.names`}, a row for every filter of every layer; the labels of the groups, in order:
               "own layers"   of one network, low to high
               "networks"     last layers, its own first
               "rotations"    its last layer as trained, then after each of several full rotations
               "trainings"    labels that start with "repeat", and "no dropout" and "batch norm"
               "along"        one network while it was trained, first to last
               "to scenes", "to objects"   a network before and after training on these
               "widths"       of one architecture, the narrow one first
               "taus"         its last layer at two shares of places where it fires
    networks   of the group "networks": label, training, task, architecture
    near       `concept_similarity.nearness` of the concepts
    right      whether a head predicts each validation image's scene, (rotation, image, 2): as trained, rotated
    accuracy   of a classifier of scenes on the layers of "networks", by label
    """

    names: Mapping[str, pd.DataFrame]
    networks: pd.DataFrame = field(default_factory=pd.DataFrame)
    near: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    right: NDArray[np.bool_] | None = None
    accuracy: pd.Series = field(default_factory=lambda: pd.Series(dtype=float))

    def layers(self, group: str) -> dict[str, pd.DataFrame]:
        """The tables of one group by label, in its order; empty where it was not measured."""
        if group not in self.names:
            return {}
        return {str(label): rows for label, rows in self.names[group].groupby("label", sort=False)}


def of_layers(
    layers: Mapping[str, Mapping[str, Layer]], probe: ProbeSet, iou_threshold: float, networks: pd.DataFrame
) -> Dissected:
    """The best concept of every filter of every layer, by group; groups without a layer are left out."""
    return Dissected(
        {group: history.names(some, probe, iou_threshold) for group, some in layers.items() if some}, networks
    )


def scene_accuracy(ends: Mapping[str, Layer], probe: ProbeSet, C: float) -> pd.Series:
    """Mean accuracy over classes of a linear classifier of scenes, by label; empty with fewer than two scenes."""
    answers = discrimination.whole_image(probe, "scene")
    if answers.nunique() < 2:
        return pd.Series(dtype=float)
    found = {label: discrimination.linear_classifier(layer, probe, answers, C) for label, layer in ends.items()}
    return pd.Series({label: classifier.accuracy for label, classifier in found.items()})


def heads(
    plain: Layer, rotated: Mapping[str, Layer], probe: ProbeSet, *, epochs: int, seed: int
) -> NDArray[np.bool_] | None:
    """`Dissected.right`: a head of two layers for each rotation, and one on the unrotated layer from the same start."""
    answers = discrimination.whole_image(probe, "scene")
    if answers.nunique() < 2:
        return None
    images, classes = answers.index.to_numpy(), answers.to_numpy()
    train = probe.split[images] == "train"
    pairs = [(plain, layer) for layer in rotated.values()]
    right = [
        [rotation.deep_head(each.pooled[images], classes, train, epochs=epochs, seed=seed + i) for each in pair]
        for i, pair in enumerate(pairs)
    ]
    return np.array(right).swapaxes(1, 2)
