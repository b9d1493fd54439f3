"""A concept taken out of a layer: its best filter, its detectors, or the direction that Net2Vec learned for it.

Every way is an orthonormal basis B, (direction, filter): a filter is the axis it stands on. What is left of the
activations is A - B'B A at every place, and the same of their spatial means.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from n2vlib import tables
from n2vlib.analysis.exam import LEAST, Exam, Part, balanced, without_directions
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import presence

WAYS = (
    "nothing", "best filter", "direction, outline", "direction, presence", "random direction",
    "detectors", "random filters, as many",
)  # fmt: skip


def concepts(
    exam: Exam, named: pd.DataFrame, weights: pd.DataFrame, probe: ProbeSet, *, cut: float, most: int
) -> pd.DataFrame:
    """Objects that have detectors, those on most of the exam's validation images first.

    named     `dissection.filters`      weights   of Net2Vec, (concept, filter): concepts without them are left out
    Returns   concept, name, detectors (a list of filters), images; where the network tells objects, only those it
              tells. Concepts that fewer than five images of either split show, or do not show, are left out.
    """
    found = named.loc[(named["dissection_iou"] > cut) & (named["category"] == "object")]
    table = found.groupby(["concept", "name"], as_index=False).agg(detectors=("filter", list))
    held = [presence(probe).loc[part.images, table["concept"]] for part in exam.parts.values()]
    images = [each.sum().to_numpy() for each in held]
    fewest = np.min([np.minimum(n, len(each) - n) for n, each in zip(images, held, strict=True)], axis=0)
    told = exam.classes.loc[exam.classes["kind"] == "object", "concept"]
    kept = table["concept"].isin(weights.index).to_numpy() & (fewest >= LEAST)
    if len(told):
        kept &= table["concept"].isin(told).to_numpy()
    table = table.assign(images=images[-1])[kept]
    return table.sort_values(["images", "concept"], ascending=[False, True]).head(most).reset_index(drop=True)


def bases(
    chosen: pd.DataFrame,
    single: pd.Series,
    outline: pd.DataFrame,
    answer: pd.DataFrame,
    *,
    seed: int,
) -> dict[tuple[int, str], NDArray[np.float64]]:
    """{(concept, way): orthonormal rows, (direction, filter)} for every way in WAYS.

    chosen            `concepts`
    single            the best filter of each concept, index concept; of training images, as the weights are
    outline, answer   segmentation and classification weights, (concept, filter)
    """
    n = outline.shape[1]
    rng, axes, found = np.random.default_rng(seed), np.eye(n), {}
    for concept, detectors in zip(chosen["concept"], chosen["detectors"], strict=True):
        rows = [
            axes[:0], axes[[int(single.loc[concept])]], _unit(outline.loc[concept]), _unit(answer.loc[concept]),
            _unit(rng.standard_normal(n)), axes[detectors],
            axes[rng.choice(n, len(detectors), replace=False)],
        ]  # fmt: skip
        found |= {(concept, way): basis for way, basis in zip(WAYS, rows, strict=True)}
    return found


def _unit(weights: pd.Series | NDArray) -> NDArray[np.float64]:
    row = np.asarray(weights, np.float64)[None]
    return row / np.linalg.norm(row)


def lost(exam: Exam, chosen: pd.DataFrame, ways: Mapping[tuple[int, str], NDArray], probe: ProbeSet) -> pd.DataFrame:
    """What goes with each basis of `bases`, on validation images: one row per concept and way.

    Returns  concept, name, way
             directions     how many
             removed        share of the squared activations
             reading        balanced accuracy of a linear reading of the concept, learned anew on what is left;
                            reading_lost: what that is less than with nothing taken out
             own            balanced accuracy lost by the network's own class of that concept
             others         the same of the other classes of its kind, their mean; of all where there is no such class
             shown, absent  lost share of right answers, on images with and without the concept, where the network
                            gives one answer to an image
    """
    part, means, held = exam.parts["val"], _means(exam), presence(probe)
    leads = without_directions(exam, "val", list(ways.values()))
    accuracy, right, products = balanced(leads, part), _right(exam, leads), squares(part)
    rows, before, first = [], 0, 0.0
    for i, ((concept, way), basis) in enumerate(ways.items()):
        before = i if way == "nothing" else before
        own, others = _losses(exam, accuracy[before] - accuracy[i], concept)
        truth = {split: held.loc[each.images, concept].to_numpy() for split, each in exam.parts.items()}
        left = {split: each - each @ basis.T @ basis for split, each in means.items()}
        gone = [pd.Series((right[before] - right[i])[truth["val"] == side]).mean() for side in (True, False)]
        removed = np.trace(basis @ products @ basis.T) / np.trace(products)
        read = reading(left, truth)
        first = read if way == "nothing" else first
        rows.append((concept, way, len(basis), removed, read, first - read, own, others, *gone))
    columns = ["concept", "way", "directions", "removed", "reading", "reading_lost", "own", "others", "shown", "absent"]
    table = pd.DataFrame(rows, columns=columns).astype({"concept": int} | dict.fromkeys(columns[2:], float))
    return chosen.loc[:, ["concept", "name"]].merge(table, on="concept")


def _means(exam: Exam) -> dict[str, NDArray[np.float64]]:
    """Spatial means by split, (image, filter)."""
    return {split: part.activations.mean((2, 3)).double().numpy() for split, part in exam.parts.items()}


def squares(part: Part) -> NDArray[np.float64]:
    """Sum of A A' over all places, (filter, filter): B's share of the squared activations is tr(B S B') / tr(S)."""
    total = np.zeros((part.activations.shape[1],) * 2)
    for batch in part.activations.split(64):
        rows = batch.transpose(0, 1).flatten(1)
        total += (rows @ rows.T).double().numpy()
    return total


def reading(features: Mapping[str, NDArray], truth: Mapping[str, NDArray[np.bool_]]) -> float:
    """Balanced accuracy on validation images of a logistic regression, learned on training images.

    features   float, (image, filter), by split      truth   bool, (image,): which show the concept
    """
    machine = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=500))
    told = machine.fit(features["train"], truth["train"]).predict(features["val"])
    return float(np.mean([(told == truth["val"])[truth["val"] == side].mean() for side in (False, True)]))


def _right(exam: Exam, leads: NDArray[np.float32]) -> NDArray[np.float64]:
    """1 where an image is given its class, of those that exclude each other; NaN where it has none: (change, image)"""
    mine = exam.classes["kind"].isin(list(exam.rivals)).to_numpy()
    own = exam.parts["val"].own[:, mine]
    right = ((leads[:, :, mine] > 0) & own).any(2).astype(float)
    right[:, ~own.any(1)] = np.nan
    return right


def _losses(exam: Exam, loss: NDArray[np.float64], concept: int) -> tuple[float, float]:
    """Of the network's own class of the concept, and the mean of the others of its kind."""
    own = (exam.classes["concept"] == concept).to_numpy()
    if not own.any():
        return np.nan, float(loss.mean())
    others = ~own & (exam.classes["kind"] == exam.classes.loc[own, "kind"].iloc[0]).to_numpy()
    return float(loss[own][0]), float(loss[others].mean()) if others.any() else np.nan


def by_way(lost: pd.DataFrame, measures: Mapping[str, str], seed: int = 0) -> pd.DataFrame:
    """Mean of each measure over concepts, with its 95% bootstrap interval over them; ways in their order.

    measures   {column of `lost`: what the table calls it}
    Returns    way, measure, mean, low, high
    """
    rows = []
    for column, words in measures.items():
        for way, mine in lost.dropna(subset=[column]).groupby("way", sort=False):
            low, high = tables.bootstrap_mean(mine[column].to_numpy(), seed)
            rows.append((way, words, mine[column].mean(), low, high))
    return pd.DataFrame(rows, columns=["way", "measure", "mean", "low", "high"])
