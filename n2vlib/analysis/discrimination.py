"""A linear classifier on a layer's features: its accuracy, and its prediction for one image (TPAMI 3.9, 3.10)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from n2vlib.activations.layer import Layer
from n2vlib.errors import BadInput
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import concept_positions, image_of_pair
from n2vlib.vocabulary import CATEGORIES

LEAST = 5  # images of a class in each split


@dataclass(frozen=True)
class LinearClassifier:
    """A linear classifier on one layer's standardised spatial means, and its predictions for the validation images.

    images, truth, predicted   int64, (image,): positions; the class and the predicted class, as concept numbers
    classes, weights           int64, (class,); float, (class, filter)
    features                   float, (image, filter), standardised, of these images
    """

    images: NDArray[np.int64]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    classes: NDArray[np.int64]
    weights: NDArray[np.float64]
    features: NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """Mean over the classes of the share of their images that are predicted right."""
        return float(np.mean([(self.predicted[self.truth == c] == c).mean() for c in np.unique(self.truth)]))

    def interval(self, seed: int = 0, draws: int = 500, confidence: float = 0.95) -> tuple[float, float]:
        """Bootstrap interval of `accuracy` over validation images."""
        rng, right = np.random.default_rng(seed), self.predicted == self.truth
        row, n = np.searchsorted(self.classes, self.truth), len(self.classes)
        times = rng.multinomial(len(right), np.full(len(right), 1 / len(right)), draws)
        of_class = np.eye(n)[row]
        with np.errstate(invalid="ignore"):  # a class that was not drawn has no share
            means = np.nanmean((times * right) @ of_class / (times @ of_class), axis=1)
        low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(low), float(high)

    def contributions(self, at: int) -> pd.Series:
        """w_n x_n of every filter n for the class predicted for validation image `at`, largest first, by filter."""
        weights = self.weights[np.searchsorted(self.classes, self.predicted[at])]
        return pd.Series(weights * self.features[at]).sort_values(ascending=False, kind="stable")


def tasks(probe: ProbeSet) -> dict[str, pd.Series]:
    """Classification tasks with one class per image: {task: class, a concept number, by position of the image}.

    scene, texture    the label of the category, of images that have exactly one
    largest object    the object that covers most pixels
    A category that the papers do not have is treated like objects if it has pixel maps, else like scenes.
    Classes with fewer than five images in either split are left out, and tasks with fewer than two classes; BadInput
    where no task is left.
    """
    segmentable = set(probe.concepts.loc[probe.concepts["segmentable"], "category"])
    own = [category for category in probe.categories if category not in CATEGORIES]
    whole = ["scene", "texture", *(category for category in own if category not in segmentable)]
    found = {category: whole_image(probe, category) for category in whole}
    for category in ("object", *(category for category in own if category in segmentable)):
        found[f"largest {category}"] = _frequent(_largest(probe, category), probe)
    asked = {name: answers for name, answers in found.items() if answers.nunique() >= 2}
    if not asked:
        raise BadInput(
            f"{probe.name}: no category has two concepts with {LEAST} images each in both splits: nothing to classify"
        )
    return asked


def whole_image(probe: ProbeSet, category: str) -> pd.Series:
    """The label of a category, of every image that has exactly one: class by position; frequent classes only."""
    images, mine = image_of_pair(probe), _of_category(probe, category)
    alone = mine[np.bincount(images[mine], minlength=len(probe))[images[mine]] == 1]
    return _frequent(pd.Series(probe.labels.pair_concept[alone], images[alone]), probe)


def _largest(probe: ProbeSet, category: str) -> pd.Series:
    """The concept of a category that covers most pixels, for every image that has one."""
    images, mine = image_of_pair(probe), _of_category(probe, category)
    mine = mine[np.lexsort((-probe.labels.pair_area[mine], images[mine]))]
    _, first = np.unique(images[mine], return_index=True)
    return pd.Series(probe.labels.pair_concept[mine[first]], images[mine[first]])


def _of_category(probe: ProbeSet, category: str) -> NDArray[np.int64]:
    """The (image, concept) pairs of one category."""
    return np.flatnonzero((probe.concepts["category"] == category).to_numpy()[concept_positions(probe)])


def linear_classifier(
    layer: Layer, probe: ProbeSet, answers: pd.Series, C: float = 0.001, filters: NDArray[np.int64] | None = None
) -> LinearClassifier:
    """A linear support vector machine on the spatial means, one class against the rest, trained on training images.

    answers   one of `tasks`      C   as in the paper. Its meaning depends on the scale of the features: ours have
              mean 0 and standard deviation 1 on the training images.
    filters   the filters it uses; None: all
    """
    if C <= 0:
        raise BadInput(f"C = {C}: the weight of the errors must be positive")
    images, truth = answers.index.to_numpy(), answers.to_numpy()
    train = probe.split[images] == "train"
    x = np.asarray(layer.pooled, np.float64)[images][:, slice(None) if filters is None else filters]
    x = np.asarray(StandardScaler().fit(x[train]).transform(x))
    dual: Any = True if C <= 0.01 else "auto"  # the faster solver for a C as small as the paper's
    machine: Any = LinearSVC(C=C, dual=dual, random_state=0)
    machine.fit(x[train], truth[train])
    weights = machine.coef_ if len(machine.classes_) > 2 else np.vstack([-machine.coef_, machine.coef_])
    predicted = machine.predict(x[~train])
    return LinearClassifier(images[~train], truth[~train], predicted, machine.classes_, weights, x[~train])


def _frequent(answers: pd.Series, probe: ProbeSet) -> pd.Series:
    """Only the answers that are frequent enough in both splits."""
    split = probe.split[answers.index.to_numpy()]
    common = [
        c for c in np.unique(answers) if min(((answers == c) & (split == s)).sum() for s in ("train", "val")) >= LEAST
    ]
    return answers.loc[answers.isin(common)]
