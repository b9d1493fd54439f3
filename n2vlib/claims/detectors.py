"""What filters detect: the claims of Network Dissection 3.2 to 3.4, 3.9 and 4 (TPAMI), rotations to thresholds."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from n2vlib.analysis import detectors, history
from n2vlib.claims.claim import IMAGES, NETWORKS, Effect, Measures, of_concepts, of_filters, of_rotations
from n2vlib.claims.dissected import ENDS, OWN, ROTATIONS, TAUS, Dissected
from n2vlib.display import style
from n2vlib.tables import rank_correlation

LOW, HIGH = ("color", "texture"), ("part", "object", "scene")
FEWEST = 3  # networks that a correlation needs


def unique(layer: Any, *categories: str) -> int:
    """Number of concepts that a layer's filters detect, of some categories or of all.

    layer   concept, category, detector: a table or record array, (filter,)
    """
    mine = layer["detector"].astype(bool)
    if categories:
        mine = mine & np.isin(np.asarray(layer["category"], str), categories)
    return len(np.unique(layer["concept"][mine]))


def mean_unique(layers: Any, *categories: str) -> float:
    """Mean of `unique` over several layers."""
    return float(np.mean([unique(each, *categories) for each in layers]))


def share(layer: Any, *categories: str) -> float:
    """Percent of a layer's unique detectors that are of some categories; NaN where it has none."""
    found = unique(layer)
    return 100 * unique(layer, *categories) / found if found else np.nan


def fewer(less: float, more: float) -> float:
    """Percent by which one number is lower than another; NaN where that is 0."""
    return 100 * (1 - less / more) if more else np.nan


def rotated(d: Dissected) -> Effect | None:
    """Percent fewer unique detectors after a full rotation, mean of the rotations.

    The interval leaves out filters of the layer as trained and takes the rotations as draws. Their directions are not
    left out too: they are what a rotation draws. Of a single rotation directions are left out instead.
    """
    layers = list(d.layers(ROTATIONS).values())
    if len(layers) < 2:
        return None
    plain, turned = layers[0], layers[1:]
    left = np.array([unique(each) for each in turned])
    note = f"{unique(plain)} as trained, {left.min()} to {left.max()} in {len(left)} rotations"
    if len(turned) == 1:
        return of_filters(lambda one, other: fewer(unique(other), unique(one)), layers, note)
    effect = of_filters(lambda one: fewer(left.mean(), unique(one)), [plain], note)
    return of_rotations(effect, np.array([fewer(each, unique(plain)) for each in left]))


def rotated_head(d: Dissected) -> Effect | None:
    """Accuracy of heads on a rotated layer minus that on the layer as trained, in percentage points.

    The interval draws images again and takes the rotations, each with a random start of its own, as draws.
    """
    if d.right is None:
        return None
    plain, turned = 100 * d.right.mean(axis=(0, 1))
    note = f"{plain:.1f}% as trained, {turned:.1f}% turned, {d.right.shape[1]} images"
    gaps = 100 * (d.right[..., 1].astype(float) - d.right[..., 0])
    return of_rotations(of_concepts(np.mean, gaps.mean(axis=0), note, over=IMAGES), gaps)


def by_depth(d: Dissected, categories: tuple[str, ...], rising: bool) -> Effect | None:
    """Share of some categories among the unique detectors, last layer minus first, in percentage points.

    rising   False: first layer minus last
    """
    layers = list(d.layers(OWN).items())
    if len(layers) < 2:
        return None
    (first, low), (last, high) = layers[0], layers[-1]
    before, after = (style.formatted(share(layer, *categories) / 100, ".0%") for layer in (low, high))
    note = f"{before} in {first}, {after} in {last}"
    sign = 1 if rising else -1
    return of_filters(
        lambda one, other: sign * (share(other, *categories) - share(one, *categories)), [low, high], note
    )


def deeper_more(d: Dissected) -> Effect | None:
    """Percent fewer unique detectors in the first layer than in the last."""
    layers = d.layers(OWN)
    return compared(layers, list(layers)[0], list(layers)[-1]) if len(layers) > 1 else None


def how_many_how_good(d: Dissected) -> Effect | None:
    """|r| of number and mean IoU of an object's detectors, in the network with the most object detectors."""
    found = {label: rows.loc[rows["detector"]] for label, rows in d.layers(ENDS).items()}
    objects = {label: detectors.by_concept(rows, "object") for label, rows in found.items()}
    if not objects:
        return None
    richest = max(objects, key=lambda label: objects[label]["detectors"].sum())
    r, low, high = detectors.correlation(objects[richest])
    nearest = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
    note = f"r = {style.formatted(r)} over {len(objects[richest])} objects of {richest}"
    return Effect(abs(r), nearest, max(abs(low), abs(high)), "concepts", note)


def compared(layers: dict[str, pd.DataFrame], less: str | None, more: str | None) -> Effect | None:
    """Percent fewer unique detectors in one labelled layer than in another; None where one of them is missing."""
    if less is None or more is None:
        return None
    note = f"{unique(layers[less])} in {less}, {unique(layers[more])} in {more}"
    return of_filters(lambda one, other: fewer(unique(one), unique(other)), [layers[less], layers[more]], note)


def architectures(d: Dissected, less: str, more: str) -> Effect | None:
    """Percent fewer unique detectors in one architecture than in another, both trained on the run's own task."""
    return compared(d.layers(ENDS), _of_architecture(d, less), _of_architecture(d, more))


def per_filter(d: Dissected, architecture: str) -> Effect | None:
    """Unique detectors per hundred filters: one architecture minus the best other one trained on the same task."""
    first, layers = _of_architecture(d, architecture), d.layers(ENDS)
    same = _same_task(d)
    if first is None or len(same) < 2:
        return None
    others = [label for label in same["label"] if label != first]

    def rate(layer: Any) -> float:
        return 100 * unique(layer) / len(layer)

    best = max(others, key=lambda label: rate(layers[label]))
    note = f"{rate(layers[first]):.0f} in {first}, {rate(layers[best]):.0f} in {best}"
    tables = [layers[label] for label in (first, *others)]
    return of_filters(lambda mine, *rest: rate(mine) - max(rate(each) for each in rest), tables, note)


def training_tasks(d: Dissected, less: str, more: str) -> Effect | None:
    """Percent fewer unique detectors after training on one task than on another, in the own network's architecture."""
    mine = _same_architecture(d)
    tasks = {} if mine.empty else dict(zip(mine["task"], mine["label"], strict=True))
    return compared(d.layers(ENDS), tasks.get(less), tasks.get(more))


def supervised_most(d: Dissected) -> Effect | None:
    """Percent fewer unique detectors in the best self-supervised network of an architecture than in the supervised."""
    selves, layers = _with_training(d, "self-supervised"), d.layers(ENDS)
    if not selves or d.networks["training"].iloc[0] != "supervised":
        return None
    best, own = max(selves, key=lambda label: unique(layers[label])), d.networks["label"].iloc[0]
    tables = [layers[label] for label in (own, *selves)]
    note = f"{unique(layers[best])} in {best}, {unique(layers[own])} in {own}; {len(selves)} networks"
    return of_filters(lambda mine, *others: fewer(max(unique(each) for each in others), unique(mine)), tables, note)


def textures(d: Dissected) -> Effect | None:
    """Share of textures among the detectors, self-supervised minus supervised networks of one architecture.

    In percentage points; networks without a detector do not count.
    """
    kinds, layers = [_with_training(d, kind) for kind in ("supervised", "self-supervised")], d.layers(ENDS)
    if not all(kinds):
        return None
    n = len(kinds[0])

    def difference(*tables: Any) -> float:
        found = pd.Series([_of_detectors(each, "texture") for each in tables])  # a Series, because its mean skips NaN
        return float(found[n:].mean() - found[:n].mean())

    tables = [layers[label] for kind in kinds for label in kind]
    return of_filters(difference, tables, f"{len(kinds[1])} self-supervised, {n} supervised networks")


def colors(d: Dissected, task: str) -> Effect | None:
    """Percent of the detectors that are for colors, in the network trained on this task."""
    trained = d.networks.loc[d.networks["task"] == task] if len(d.networks) else d.networks
    if trained.empty:
        return None
    rows = d.layers(ENDS)[trained["label"].iloc[0]]
    return of_filters(lambda layer: _of_detectors(layer, "color"), [rows], f"{rows['detector'].sum()} detectors")


def accurate(d: Dissected) -> Effect | None:
    """Rank correlation of unique object detectors and accuracy on scenes; the networks are resampled."""
    layers = d.layers(ENDS)
    if len(d.accuracy) < FEWEST:
        return None
    pairs = [(unique(layers[str(label)], "object"), value) for label, value in d.accuracy.items()]
    return of_concepts(lambda rows: rank_correlation(rows[:, 0], rows[:, 1]), pairs, over=NETWORKS)


def renamed(d: Dissected) -> Effect | None:
    """Percent of the filters that detect at both thresholds whose concept changes."""
    labels = list(d.layers(TAUS))
    if len(labels) < 2:
        return None
    both = history.changes(d.names[TAUS], *labels[:2]).query("detector_before and detector_after")
    if both.empty:
        return None
    note = f"{len(both)} detectors, {labels[0]} and {labels[1]}"
    return of_filters(lambda rows: 100 * (1 - rows["kept"].mean()), [both.loc[:, ["kept"]]], note)


def _of_detectors(layer: Any, category: str) -> float:
    """Percent of a layer's detectors that are of one category; NaN without detectors."""
    mine = layer["category"][layer["detector"].astype(bool)]
    return 100 * float(np.mean(np.asarray(mine, str) == category)) if len(mine) else np.nan


def _same_task(d: Dissected) -> pd.DataFrame:
    """The networks with the own network's task and kind of training."""
    if d.networks.empty:
        return d.networks
    own = d.networks.iloc[0]
    return d.networks.loc[(d.networks["task"] == own["task"]) & (d.networks["training"] == own["training"])]


def _of_architecture(d: Dissected, architecture: str) -> str | None:
    """The first network of an architecture among those trained on the own network's task."""
    same = _same_task(d)
    there = same.loc[same["architecture"] == architecture] if len(same) else same
    return None if there.empty else str(there["label"].iloc[0])


def _same_architecture(d: Dissected) -> pd.DataFrame:
    """The networks of the own network's architecture."""
    if d.networks.empty:
        return d.networks
    return d.networks.loc[d.networks["architecture"] == d.networks["architecture"].iloc[0]]


def _with_training(d: Dissected, training: str) -> list[str]:
    """The networks of the own network's architecture with this kind of training."""
    mine = _same_architecture(d)
    return [] if mine.empty else list(mine.loc[mine["training"] == training, "label"])


MEASURES: Measures = {
    "rotation-fewer": rotated,
    "rotation-head": rotated_head,
    "low-layers": partial(by_depth, categories=LOW, rising=False),
    "high-layers": partial(by_depth, categories=HIGH, rising=True),
    "deeper-more": deeper_more,
    "how-many-how-good": how_many_how_good,
    "resnet-alexnet": partial(architectures, less="alexnet", more="resnet"),
    "vgg-googlenet": partial(architectures, less="googlenet", more="vgg"),
    "vgg-per-filter": partial(per_filter, architecture="vgg"),
    "scenes-objects": partial(training_tasks, less="objects", more="scenes"),
    "supervised-most": supervised_most,
    "self-supervised-textures": textures,
    "colorization-colors": partial(colors, task="colorization"),
    "objects-and-accuracy": accurate,
    "names-move": renamed,
}
