"""A concept removed from a layer: its best filter, its detectors, or the direction that Net2Vec learned for it.

What is removed is an orthonormal basis B, (direction, filter); a filter is the unit vector of its axis. Activations
become A - B'B A at every place, and so do their spatial means.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from n2vlib import tables
from n2vlib.analysis.evaluation import LEAST, Evaluation, Part, balanced, without_directions
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import presence

WAYS = (
    "nothing", "best filter", "direction, segmentation", "direction, classification", "random direction",
    "detectors", "random filters, as many",
)  # fmt: skip


def concepts(
    evaluation: Evaluation,
    named: pd.DataFrame,
    weights: pd.DataFrame,
    probe: ProbeSet,
    *,
    iou_threshold: float,
    most: int,
) -> pd.DataFrame:
    """Objects that have detectors, those in most of the evaluation's validation images first.

    named     `dissection.filters`      weights   of Net2Vec, (concept, filter): concepts without them are left out
    Returns   concept, name, detectors (a list of filters), images; where the network predicts objects, only those.
              Concepts that fewer than five images of either split show, or do not show, are left out.
    """
    found = named.loc[(named["dissection_iou"] > iou_threshold) & (named["category"] == "object")]
    table = found.groupby(["concept", "name"], as_index=False).agg(detectors=("filter", list))
    held = [presence(probe).loc[part.images, table["concept"]] for part in evaluation.parts.values()]
    images = [each.sum().to_numpy() for each in held]
    fewest = np.min([np.minimum(n, len(each) - n) for n, each in zip(images, held, strict=True)], axis=0)
    own = evaluation.classes.loc[evaluation.classes["kind"] == "object", "concept"]
    kept = table["concept"].isin(weights.index).to_numpy() & (fewest >= LEAST)
    if len(own):
        kept &= table["concept"].isin(own).to_numpy()
    table = table.assign(images=images[-1])[kept]
    return table.sort_values(["images", "concept"], ascending=[False, True]).head(most).reset_index(drop=True)


def bases(
    chosen: pd.DataFrame, single: pd.Series, segmentation: pd.DataFrame, classification: pd.DataFrame, *, seed: int
) -> dict[tuple[int, str], NDArray[np.float64]]:
    """{(concept, way): orthonormal rows, (direction, filter)} for every way in WAYS.

    chosen   `concepts`
    single   the best filter of each concept, index concept; on training images, like the weights
    segmentation, classification   weights, (concept, filter)
    """
    n = segmentation.shape[1]
    rng, axes, found = np.random.default_rng(seed), np.eye(n), {}
    for concept, detectors in zip(chosen["concept"], chosen["detectors"], strict=True):
        rows = [
            axes[:0], axes[[int(single.loc[concept])]], _unit(segmentation.loc[concept]),
            _unit(classification.loc[concept]), _unit(rng.standard_normal(n)), axes[detectors],
            axes[rng.choice(n, len(detectors), replace=False)],
        ]  # fmt: skip
        found |= {(concept, way): basis for way, basis in zip(WAYS, rows, strict=True)}
    return found


def _unit(weights: pd.Series | NDArray) -> NDArray[np.float64]:
    row = np.asarray(weights, np.float64)[None]
    return row / np.linalg.norm(row)


def lost(
    evaluation: Evaluation, chosen: pd.DataFrame, ways: Mapping[tuple[int, str], NDArray], probe: ProbeSet
) -> pd.DataFrame:
    """What is lost with each basis of `bases`, on validation images: one row per concept and way.

    Returns  concept, name, way
             directions     number of directions removed
             removed        share of the squared activations removed
             probe_accuracy balanced accuracy of a linear probe of the concept, trained anew on what is left;
                            probe_accuracy_lost: its loss against the probe with nothing removed
             own            balanced accuracy lost by the network's own class of that concept
             others         mean loss of the other classes of its kind; of all classes where there is no such class
             shown, absent  lost share of right predictions, on images with and without the concept, if the network
                            predicts one class per image
    """
    part, held = evaluation.parts["val"], presence(probe)
    means = {split: each.activations.mean((2, 3)).double().numpy() for split, each in evaluation.parts.items()}
    margins = without_directions(evaluation, "val", list(ways.values()))
    accuracy, right, products = balanced(margins, part), _right(evaluation, margins), gram_matrix(part)
    rows, before, first = [], 0, 0.0
    for i, ((concept, way), basis) in enumerate(ways.items()):
        before = i if way == "nothing" else before
        own, others = _losses(evaluation, accuracy[before] - accuracy[i], concept)
        truth = {split: held.loc[each.images, concept].to_numpy() for split, each in evaluation.parts.items()}
        left = {split: each - each @ basis.T @ basis for split, each in means.items()}
        gone = [pd.Series((right[before] - right[i])[truth["val"] == side]).mean() for side in (True, False)]
        removed = np.trace(basis @ products @ basis.T) / np.trace(products)
        probed = linear_probe_accuracy(left, truth)
        first = probed if way == "nothing" else first
        rows.append((concept, way, len(basis), removed, probed, first - probed, own, others, *gone))
    numbers = ["directions", "removed", "probe_accuracy", "probe_accuracy_lost", "own", "others", "shown", "absent"]
    table = pd.DataFrame(rows, columns=["concept", "way", *numbers])
    table = table.astype({"concept": int} | dict.fromkeys(numbers, float))
    return chosen.loc[:, ["concept", "name"]].merge(table, on="concept")


def gram_matrix(part: Part) -> NDArray[np.float64]:
    """Sum of A A' over all places, (filter, filter): B's share of the squared activations is tr(B S B') / tr(S)."""
    total = np.zeros((part.activations.shape[1],) * 2)
    for batch in part.activations.split(64):
        rows = batch.transpose(0, 1).flatten(1)
        total += (rows @ rows.T).double().numpy()
    return total


def linear_probe_accuracy(features: Mapping[str, NDArray], truth: Mapping[str, NDArray[np.bool_]]) -> float:
    """Balanced accuracy of a linear probe, a logistic regression on training images, on validation images.

    features   float, (image, filter), by split      truth   bool, (image,): which show the concept
    """
    machine = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=500))
    found = machine.fit(features["train"], truth["train"]).predict(features["val"])
    return float(balanced_accuracy_score(truth["val"], found))


def _right(evaluation: Evaluation, margins: NDArray[np.float32]) -> NDArray[np.float64]:
    """1 where an image's class is predicted, among exclusive classes; NaN where it has none: (change, image)."""
    mine = evaluation.classes["kind"].isin(list(evaluation.exclusive)).to_numpy()
    own = evaluation.parts["val"].own[:, mine]
    right = ((margins[:, :, mine] > 0) & own).any(2).astype(float)
    right[:, ~own.any(1)] = np.nan
    return right


def _losses(evaluation: Evaluation, loss: NDArray[np.float64], concept: int) -> tuple[float, float]:
    """The loss of the network's own class of the concept, and the mean loss of the others of its kind."""
    own = (evaluation.classes["concept"] == concept).to_numpy()
    if not own.any():
        return np.nan, float(loss.mean())
    others = ~own & (evaluation.classes["kind"] == evaluation.classes.loc[own, "kind"].iloc[0]).to_numpy()
    return float(loss[own][0]), float(loss[others].mean()) if others.any() else np.nan


def by_way(lost: pd.DataFrame, measures: Mapping[str, str], seed: int = 0) -> pd.DataFrame:
    """Mean of each measure over concepts, with its 95% bootstrap interval over them; ways in their order.

    measures   {column of `lost`: its name in the table}
    Returns    way, measure, mean, low, high
    """
    rows = []
    for column, words in measures.items():
        for way, mine in lost.dropna(subset=[column]).groupby("way", sort=False):
            low, high = tables.bootstrap_mean(mine[column].to_numpy(), seed)
            rows.append((way, words, mine[column].mean(), low, high))
    return pd.DataFrame(rows, columns=["way", "measure", "mean", "low", "high"])
