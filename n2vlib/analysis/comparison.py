"""Several networks, one layer of each, measured in the same way: means and gains as in Net2Vec's Figure 6.

    measured = [comparison.measure(probe, row, tau=0.005, epochs=30) for row in networks]
    means, draws = comparison.means(measured, probe)

Means are over the concepts that every network has a number for, so that no network is measured on easier ones. All
networks are resampled by the same draws of images, so ratios and differences are resampled directly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from itertools import product
from typing import Any

import pandas as pd

from n2vlib import tables
from n2vlib.activations.layer import Layer, read_layers
from n2vlib.analysis import uncertainty
from n2vlib.errors import BadInput
from n2vlib.methods import classification, segmentation, single_filter
from n2vlib.methods.alignment import Alignment
from n2vlib.networks.load import Network, load_network
from n2vlib.probe import ProbeSet
from n2vlib.store import Store
from n2vlib.vocabulary import METHODS, TASKS
from n2vlib.zoo import shipped

# The scores of a zoo card that are shown, and the card's field with the chance level of each.
_BY_CHANCE = {
    "scene_accuracy": "commonest_scene",
    "object_average_precision": "object_share",
    "rotation_accuracy": "chance",
    "order_accuracy": "chance",
    "cell_accuracy": "commonest_class",
    "variance_explained": "",
}


@dataclass(frozen=True)
class Measured:
    """One layer of one network, measured for both tasks by both methods.

    label        its name in charts
    training     supervised, self-supervised or random
    task         its training task and its score on it, in words; "" where unknown
    alignments   segmentation and classification, single filter and combination
    """

    label: str
    training: str
    task: str
    network: Network
    layer: Layer
    alignments: list[Alignment]

    @property
    def scores(self) -> pd.DataFrame:
        """The scores of all four alignments, concatenated."""
        return pd.concat([found.scores for found in self.alignments], ignore_index=True)

    @cached_property
    def wide(self) -> dict[str, pd.DataFrame]:
        """By task, the validation scores of the concepts that both methods have a number for: `tables.side_by_side`."""
        scores = self.scores
        return {task: tables.side_by_side(scores, self.layer.name, task) for task in TASKS}

    def resampled(self, probe: ProbeSet, draws: int, seed: int) -> pd.DataFrame:
        """`uncertainty.resample` of all four alignments, kept, so that all categories use the same draws."""
        key = probe.fingerprint, draws, seed
        if key not in self._draws:
            self._draws[key] = uncertainty.resample(self.alignments, probe, draws=draws, seed=seed)
        return self._draws[key]

    @cached_property
    def _draws(self) -> dict[tuple[str, int, int], pd.DataFrame]:
        return {}

    @property
    def grid(self) -> str:
        """Height and width of the layer's map, in places."""
        return " x ".join(map(str, self.layer.grid))


def measure(
    probe: ProbeSet,
    row: Mapping[str, Any],
    *,
    tau: float,
    epochs: int,
    seed: int = 0,
    device: str = "auto",
    store: Store | None = None,
) -> Measured:
    """Measure one network.

    row   network and layer; optionally label, training, weights and preprocessing
    """
    network = load_network(row["network"], row.get("weights"), row.get("preprocessing"), seed)
    layer = read_layers(network, [row["layer"]], probe, tau=tau, device=device, store=store)[row["layer"]]
    found = list(aligned(layer, probe, epochs, seed).values())
    training, task = _of_the_zoo(row["network"])
    label = row.get("label") or network.name.rpartition(":")[2]
    return Measured(label, row.get("training") or training, task, network, layer, found)


def aligned(layer: Layer, probe: ProbeSet, epochs: int, seed: int) -> dict[tuple[str, str], Alignment]:
    """Both tasks, both methods: {(task, method): Alignment}."""
    found = (
        single_filter.align(layer, probe),
        segmentation.align(layer, probe, epochs=epochs, seed=seed),
        classification.align(layer, probe, epochs=epochs, seed=seed, n_filters=1),
        classification.align(layer, probe, epochs=epochs, seed=seed),
    )
    return dict(zip(product(TASKS, METHODS), found, strict=True))


def _of_the_zoo(name: str) -> tuple[str, str]:
    """Kind of training of a network, and for a zoo network its task with its score on unseen images."""
    if name not in shipped.names():
        return "supervised", ""
    recipe = shipped.recipe(name)
    if recipe.task is None:
        return recipe.training, ""
    report = shipped.card(name)["accuracy"]
    scores = [f"{measure.replace('_', ' ')} {report[measure]:.2f}" for measure in _BY_CHANCE if measure in report]
    chance = [report.get(_BY_CHANCE[measure]) for measure in _BY_CHANCE if measure in report]
    beside = [f"{words} (by chance {at:.2f})" if at else words for words, at in zip(scores, chance, strict=True)]
    return recipe.training, f"{recipe.task}: {', '.join(beside)}"


def family(network: Network) -> str:
    """A network's architecture: alexnet, vgg, googlenet or resnet by its recipe, the name of its class without one."""
    if network.name in shipped.names():
        return shipped.recipe(network.name).family
    return type(network.module).__name__.lower()


def described(measured: Sequence[Measured]) -> pd.DataFrame:
    """One row per network: label, training, task, layer, grid, filters."""
    rows = [
        {"label": one.label, "training": one.training, "task": one.task, "layer": one.layer.name, "grid": one.grid,
         "filters": one.layer.n_filters}
        for one in measured
    ]  # fmt: skip
    return pd.DataFrame(rows)


def by_layer(measured: Sequence[Measured]) -> list[Measured]:
    """The same measurements labelled by network, layer and grid, for several layers of one network."""
    return [replace(one, label=f"{one.grid}: {one.label} {one.layer.name}") for one in measured]


def concepts(measured: Sequence[Measured], task: str, category: str | None = None) -> pd.Index:
    """Numbers of the concepts that every network has a number for, by both methods, on validation images."""
    return reduce(pd.Index.intersection, [_values(one, task, category).index for one in measured])


def means(
    measured: Sequence[Measured], probe: ProbeSet, *, category: str | None = None, seed: int = 0, draws: int = 200
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean over concepts of each network's scores on validation images, and the same means for every draw.

    category   only concepts of this category
    Returns    label, training, layer, grid, task, method, mean, low, high, concepts (one row per network, task and
               method); and a table with one row per draw, columns (label, task, method)
    """
    labels = [one.label for one in measured]
    if len(set(labels)) < len(labels):
        again = next(label for label in labels if labels.count(label) > 1)
        raise BadInput(f"networks: the label {again!r} is given twice; give each entry its own `label`")
    rows, drawn = [], {}
    shared = {task: concepts(measured, task, category) for task in TASKS}
    for one in measured:
        resampled = one.resampled(probe, draws, seed)
        for task, method in product(TASKS, METHODS):
            values = _values(one, task, category).loc[shared[task], method]
            again = tables.draws_of(resampled, one.layer.name, task, method)[shared[task]].mean(axis=1)
            low, high = again.quantile([0.025, 0.975])
            drawn[one.label, task, method] = again
            rows.append(
                {"label": one.label, "training": one.training, "layer": one.layer.name, "grid": one.grid, "task": task,
                 "method": method, "mean": values.mean(), "low": low, "high": high, "concepts": len(values)}
            )  # fmt: skip
    return pd.DataFrame(rows), pd.DataFrame(drawn).rename_axis(columns=["label", "task", "method"]).sort_index(axis=1)


def _values(one: Measured, task: str, category: str | None) -> pd.DataFrame:
    """(concept, method): validation scores of the concepts that both methods have a number for."""
    wide = one.wide[task]
    wide = wide if category is None else wide[wide["category"] == category]
    return wide.set_index("concept").loc[:, list(METHODS)]


def gains(means: pd.DataFrame, draws: pd.DataFrame) -> pd.DataFrame:
    """The combination's mean set IoU as a multiple of the single filter's, networks in the order of `means`.

    Returns   label, training, single filter, combination, gain, low and high; NaN as a multiple of 0
    """
    segmented = means.loc[means["task"] == "segmentation"]
    wide = segmented.pivot(index=["label", "training"], columns="method", values="mean").rename_axis(columns=None)
    wide = wide.loc[:, ["single filter", "combination"]].reset_index().set_index("label", drop=False)
    wide = wide.loc[segmented["label"].unique()].reset_index(drop=True)
    one, many = (pd.DataFrame({label: draws[label, "segmentation", m] for label in wide["label"]}) for m in METHODS)
    bounds = uncertainty.interval(many / one.where(one > 0)).reset_index(drop=True)
    gain = wide["combination"] / wide["single filter"].where(wide["single filter"] > 0)
    return wide.assign(gain=gain, low=bounds["low"].where(gain.notna()), high=bounds["high"].where(gain.notna()))


def difference(means: pd.DataFrame, draws: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """First network minus second: task, method, difference of the means, low, high."""
    rows = []
    for task, method in product(TASKS, METHODS):
        value = means[(means["task"] == task) & (means["method"] == method)].set_index("label")["mean"]
        low, high = (draws[first, task, method] - draws[second, task, method]).quantile([0.025, 0.975])
        row = {"task": task, "method": method, "difference": value[first] - value[second]}
        rows.append({**row, "low": low, "high": high})
    return pd.DataFrame(rows)
