"""What every method returns: scores, and the weights behind them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.errors import BadInput
from n2vlib.masks.iou import iou_of_counts
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import concept_positions, image_of_pair
from n2vlib.store import digest

SPLITS = ("train", "val", "all")


@dataclass(frozen=True)
class Alignment:
    """How well a layer's filters encode each concept.

    scores    one row per (probe, network, layer, task, method, n_filters, seed, concept, split); `set_iou`,
              `dissection_iou` or `accuracy`, whichever the method gives, `filter` where one was chosen,
              `images` that contain the concept in that split
    weights   (concept, filter): the concept's embedding; a single filter is a one-hot embedding
    bias      (concept,), 0 where the method learns none
    pairs     one row per (concept, image). For masks: pixels of intersection, predicted, annotated, and
              `individual_iou`. For classification, over the balanced sets: `right`, whether the prediction was
    settings  the options of the method
    start     (concept, filter): the random weights at the start of training, None where nothing was learned
    """

    scores: pd.DataFrame
    weights: pd.DataFrame
    bias: pd.Series
    pairs: pd.DataFrame
    settings: dict
    start: pd.DataFrame | None = None

    def unit_weights(self) -> pd.DataFrame:
        """The embeddings scaled to length one; concepts without an embedding are left out."""
        return unit(self.weights)


def unit(vectors: pd.DataFrame) -> pd.DataFrame:
    """The rows scaled to length one; rows of zeros, and rows that are not finite, are left out."""
    length = np.sqrt((vectors.astype(float) ** 2).sum(axis=1, skipna=False))
    kept = (length > 0) & np.isfinite(length)
    return vectors.loc[kept].astype(float).div(length[kept], axis=0)


def largest_weights(weights: NDArray[np.float32], n_filters: int) -> NDArray[np.bool_]:
    """Each concept's `n_filters` filters of largest |w| (Net2Vec 3.2.2); the lower filter on a tie.

    weights   (concept, filter)      Returns bool, (concept, filter)
    """
    if not 0 < n_filters <= weights.shape[1]:
        raise BadInput(f"n_filters = {n_filters}: the layer has {weights.shape[1]}; give 1 to {weights.shape[1]}")
    chosen = np.zeros(weights.shape, np.bool_)
    largest = np.argsort(-np.abs(weights), axis=1, kind="stable")[:, :n_filters]
    np.put_along_axis(chosen, largest, True, axis=1)
    return chosen


def generator(layer: Layer, task: str, number: int, seed: int, n_filters: int | None) -> np.random.Generator:
    """The random generator of one concept, seeded by network, layer, task and subset size.

    So no two results are similar because they started alike, and adding a concept changes no other. The network is
    identified by its fingerprint: other weights, or an edited class of its own, give other draws.
    """
    own = int(digest([layer.network_fingerprint, layer.module, task])[:16], 16)
    return np.random.default_rng([seed, own, number, n_filters or 0])


def score_table(
    concepts: pd.DataFrame, labels: dict, values: dict[str, dict[str, NDArray]], images: dict[str, NDArray]
) -> pd.DataFrame:
    """The tidy scores of one method.

    concepts   rows of probe.concepts, in the order of every array below
    labels     constant columns: probe, network, layer, task, method, n_filters, seed
    values     {split: {column: (concept,)}}      images   {split: (concept,)}
    """
    base = pd.DataFrame({"concept": concepts.index, "name": concepts["name"], "category": concepts["category"]})
    parts = [base.assign(split=split, images=images[split], **columns) for split, columns in values.items()]
    table = pd.concat(parts, ignore_index=True)
    for position, (column, value) in enumerate(labels.items()):
        table.insert(position, column, value)
    return table


def pair_table(
    probe: ProbeSet, intersection: NDArray[np.int64], predicted: NDArray[np.int64], usable: NDArray[np.bool_]
) -> pd.DataFrame:
    """One row per (concept, image) pair of the usable concepts, with its pixel counts and individual IoU.

    intersection, predicted   int64, (pair,)     usable   bool, (concept,)
    """
    rows, images = concept_positions(probe), image_of_pair(probe)
    kept = usable[rows]
    annotated = np.asarray(probe.labels.pair_area, np.int64)
    return pd.DataFrame(
        {
            "concept": probe.labels.pair_concept[kept],
            "image": images[kept],
            "split": probe.split[images[kept]],
            "intersection": intersection[kept],
            "predicted": predicted[kept],
            "annotated": annotated[kept],
            "individual_iou": iou_of_counts(intersection, predicted, annotated)[kept],
        }
    )


def pooled_scores(pairs: pd.DataFrame, concepts: pd.DataFrame, **columns: object) -> pd.DataFrame:
    """Set IoU of each concept on train, val and all, by pooling the pixels of its pairs (Net2Vec equation 1).

    columns   constant columns of the table, and arrays over the concepts (filter)
    """
    constant = {name: value for name, value in columns.items() if not isinstance(value, np.ndarray)}
    arrays = {name: value for name, value in columns.items() if isinstance(value, np.ndarray)}
    row = np.searchsorted(concepts.index.to_numpy(), pairs["concept"].to_numpy())
    counted = pairs[["intersection", "predicted", "annotated"]].to_numpy(np.int64)
    values, images = {}, {}
    for split in SPLITS:
        chosen = np.ones(len(pairs), np.bool_) if split == "all" else (pairs["split"] == split).to_numpy()
        totals = np.zeros((len(concepts), 3), np.int64)
        np.add.at(totals, row[chosen], counted[chosen])
        images[split] = np.bincount(row[chosen], minlength=len(concepts))
        iou = iou_of_counts(totals[:, 0], totals[:, 1], totals[:, 2])
        values[split] = {"set_iou": np.where(images[split] > 0, iou, np.nan), **arrays}
    return score_table(concepts, constant, values, images)
