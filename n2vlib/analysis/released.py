"""Rules of the released Net2Vec program that the library does not follow on purpose, to be compared with ours.

Other rules are a preset or an argument (`preset="released"`, `quantile="released"`, `align_corners`);
tests/released.py has all of them in one slow port. The rules here change what is counted, not the training: where an
annotation is looked up, how pixels of several layers are counted, how an accuracy is averaged.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.analysis.uncertainty import resample
from n2vlib.methods import segmentation
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import concept_positions, image_of_pair
from n2vlib.probe.pictures import read_map
from n2vlib.probe.reader import items_of
from n2vlib.vocabulary import OF_TASK

BATCH = 64  # images of a validation batch


def accuracy_by_batches(found: Alignment, probe: ProbeSet, split: str = "val", batch: int = BATCH) -> pd.Series:
    """The mean of the accuracies of batches, the short last one with the same weight: (concept,).

    found   of a classification. Its balanced sets are put in the program's order, images with the concept first, and
            split into batches; with a single batch this is our accuracy
    """
    means = {}
    for concept, rows in found.pairs.loc[found.pairs["split"] == split].groupby("concept"):
        contains = np.isin(rows["image"], probe.images_with(int(str(concept))))
        means[concept] = in_batches(rows["right"].to_numpy(), contains, batch)
    return pd.Series(means, dtype=float).rename_axis("concept")


def in_batches(right: NDArray[np.bool_], contains: NDArray[np.bool_], batch: int = BATCH) -> float:
    """Mean over batches of the share of right predictions, images with the concept first."""
    ordered = right[np.argsort(~contains, kind="stable")]
    return float(np.mean([ordered[start : start + batch].mean() for start in range(0, len(ordered), batch)]))


def areas(probe: ProbeSet) -> pd.DataFrame:
    """Area of each concept in each image by the program's rule, one row per (concept, image) pair.

    The program reads one category only, the concept's first one that annotates *anything* in the image. Their order was
    that of a Python 2 dictionary; here it is that of label.csv.
    Returns   concept, image, split, united (our pixels: any layer of any category), looked_up (pixels where a layer of
              that one category shows it), summed (the same, with pixels in two layers counted twice)
    """
    image = image_of_pair(probe)
    table = pd.DataFrame({"concept": probe.labels.pair_concept, "image": image, "split": probe.split[image]})
    united = np.asarray(probe.labels.pair_area, np.int64)
    found = np.stack([united, united], axis=1)
    categories = dict(zip(probe.concepts.index.tolist(), probe.concepts["categories"], strict=True))
    for i in _to_read(probe):
        layers = _layers(probe, i)
        for pair in range(*probe.labels.pair_ptr[i : i + 2]):
            concept = int(probe.labels.pair_concept[pair])
            first = next((layers[name] for name in categories[concept] if name in layers), [])
            shown = np.array([layer == concept for layer in first])
            found[pair] = shown.any(axis=0).sum(), shown.sum()
    return table.assign(united=united, looked_up=found[:, 0], summed=found[:, 1])


def alphas(probe: ProbeSet, pixels: NDArray[np.int64]) -> pd.Series:
    """`segmentation.alphas` (Net2Vec 3.1.2) by concept.

    pixels   of every row of `areas`: united is our rule, summed the program's
    """
    return pd.Series(segmentation.alphas(probe, pixels), probe.concepts.index)


def difference(one: Alignment, other: Alignment, probe: ProbeSet, draws: int = 200, seed: int = 0) -> dict[str, float]:
    """Mean scores on validation images of two ways to measure the same concepts, and their difference.

    Returns   one, other, difference (other - one), low and high (95%, the same resampled images for both), moved (share
              of concepts whose score differs by more than 0.01)
    """
    both = pd.concat([_scores(one), _scores(other)], axis=1).dropna()
    ours, theirs = both.to_numpy(float).T
    gap = theirs - ours
    again = [resample([found], probe, "val", draws, seed).mean(axis=1).to_numpy() for found in (one, other)]
    low, high = np.nanquantile(again[1] - again[0], [0.025, 0.975])
    means = {"one": float(ours.mean()), "other": float(theirs.mean()), "difference": float(gap.mean())}
    return means | {"low": float(low), "high": float(high), "moved": float((np.abs(gap) > 0.01).mean())}


def _scores(found: Alignment) -> pd.Series:
    rows = found.scores.loc[found.scores["split"] == "val"]
    return pd.Series(rows[OF_TASK[str(rows["task"].iloc[0])].column].to_numpy(), rows["concept"].to_numpy())


def _to_read(probe: ProbeSet) -> NDArray[np.int64]:
    """Images where the rules can differ: several items in one category, or a concept with several categories."""
    several = np.array([any(";" in cell for cell in row) for row in probe.cells])
    shared = (probe.concepts["categories"].map(len) > 1).to_numpy()
    several[image_of_pair(probe)[shared[concept_positions(probe)]]] = True
    return np.flatnonzero(several)


def _layers(probe: ProbeSet, i: int) -> dict[str, list[NDArray]]:
    """Label maps of each annotated category of image i; a label of the whole image fills its map."""
    layers: dict[str, list[NDArray]] = {}
    for category, cell in zip(probe.categories, probe.cells[i], strict=True):
        if cell:
            paths, numbers = items_of(cell)
            maps = [read_map(probe.root / "images" / path, probe.label_size) for path in paths]
            layers[category] = maps + [np.full(probe.label_size, number) for number in numbers]
    return layers
