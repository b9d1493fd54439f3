"""Is the network right when a unit fires, and which classes does a unit speak for? (Mu and Andreas 5 and 6, Figure 7)

known = classes(network, probe)              # which output is which concept
answered = answers(layer, known)             # the images that show one class, and what the network says
fires(layer)[answered.inputs]                # (input, unit)
by_unit(fired, answered.right, answered.truth)
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from n2vlib.activations.layer import Layer
from n2vlib.analysis.correlation import p_values
from n2vlib.compositional import beam as beams
from n2vlib.compositional import trust
from n2vlib.compositional.explain import Filters
from n2vlib.device import kind_of
from n2vlib.errors import BadInput, near
from n2vlib.networks.behaviour import behaviours, fixed_images
from n2vlib.networks.downstream import scores
from n2vlib.networks.hooks import run_layers
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import presence
from n2vlib.progress import bar
from n2vlib.store import Store, load_array, save_arrays
from n2vlib.zoo import shipped

MODULES = ["n2vlib.compositional.accuracy"]
DRAWS = 1000
LENGTH = 10  # of the formulas in the paper's Figure 7
# What is correlated over units, and what is held constant: (of the formula, of the unit, given).
WAYS = {
    "IoU": ("iou", "accuracy", ()),
    "IoU on images not searched": ("held_out", "accuracy", ()),
    "firing rate held constant": ("iou", "accuracy", ("rate",)),
    "accuracy beyond the classes": ("iou", "beyond", ()),
}
_BATCH = {"cpu": 32, "gpu": 128}
_POOLED = (("mean",), ("max",), ("mean", "max"), ("max", "mean"))  # what a linear head may read of a layer
_ROUNDING = 1e-3  # of the largest score: two ways to the same scores


@dataclass(frozen=True)
class Classes:
    """Which concept each output of a network stands for.

    outputs   slice: the outputs of which the highest is the answer
    concept   int64, (output,): concept numbers of the probe set, -1 for a class that it does not have
    names     (output,)
    """

    outputs: slice
    concept: NDArray[np.int64]
    names: list[str]

    @property
    def known(self) -> NDArray[np.int64]:
        """The concepts among them, in the order of the outputs."""
        return np.array(list(dict.fromkeys(self.concept[self.concept >= 0].tolist())), np.int64)


@dataclass(frozen=True)
class Answers:
    """What a network answers for the images that show exactly one of its classes.

    inputs              int64, (input,): positions in the probe set
    truth, predicted    int64, (input,): concept numbers; predicted is -1 for a class that the probe set does not have
    scores              float32, (input, output), of `Classes.outputs`
    """

    inputs: NDArray[np.int64]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    scores: NDArray[np.float32]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the answer is the class that the image shows, (input,)."""
        return self.predicted == self.truth


@dataclass(frozen=True)
class Head:
    """A network's scores as a linear map of a layer's spatial means and maxima.

    weights   float32, {"mean", "max"}: (output, unit)      bias   float32, (output,)
    """

    weights: dict[str, NDArray[np.float32]]
    bias: NDArray[np.float32]

    def scores(self, pooled: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """(input, output), of what each input has in "mean" and "max", (input, unit)."""
        found = np.tile(self.bias, (len(next(iter(pooled.values()))), 1))
        for name, weights in self.weights.items():
            found += pooled[name] @ weights.T
        return found


def classes(network: str, probe: ProbeSet, named: Sequence[str] | None = None) -> Classes:
    """The classes of a network that answers with one of several.

    network  its name
    named    names of all of its outputs, as the probe set calls them; a name may stand several times. None: the scenes
             that the zoo knows of its network
    Raises BadInput where the names are not known, or where fewer than two are concepts of the probe set.
    """
    known = shipped.card(network).get("outputs", {}) if network in shipped.names() else {}
    if named is None and "scenes" not in known:
        raise BadInput(
            f"network {network}: no output is known to be a scene, so no answer is right or wrong; "
            "name its outputs (CLASSES), or take one that was trained on scenes, such as small-alexnet"
        )
    before = [*known] if named is None else []
    first = sum(len(known[kind]) for kind in before[: before.index("scenes")]) if before else 0
    names = list(known["scenes"] if named is None else named)
    number = {str(name): int(concept) for concept, name in probe.concepts["name"].items()}  # type: ignore[arg-type]
    concept = np.array([number.get(name, -1) for name in names], np.int64)
    found = Classes(slice(first, first + len(names)), concept, names)
    if len(found.known) < 2:
        hint = near(names[0], list(number)) if names else "CLASSES is empty"
        raise BadInput(
            f"network {network}: {len(found.known)} of its {len(names)} classes are concepts of the probe set "
            f"{probe.name}, two are needed; {hint}"
        )
    return found


def classifiers(rows: Sequence[Mapping[str, Any]], probe: ProbeSet) -> list[Mapping[str, Any]]:
    """Those of the rows, networks and layers, whose network answers with scenes of the probe set."""
    found = []
    for row in rows:
        with suppress(BadInput):
            classes(row["network"], probe)
            found.append(row)
    return found


def fires(layer: Layer) -> NDArray[np.bool_]:
    """Whether a filter fires anywhere in an image, M_n(x) = 1: (image, filter)."""
    return np.asarray(layer.highest) > layer.thresholds


def answers(layer: Layer, known: Classes) -> Answers:
    """The network's answers, on the images that show exactly one of the classes.

    The scores follow from the layer's stored means and maxima where the network's head reads nothing else (`head`);
    otherwise the network runs over all images once, and the store keeps its scores.
    Raises BadInput where such images show fewer than two classes.
    """
    network, probe = layer.source
    shown = presence(probe)[known.known].to_numpy()
    inputs = np.flatnonzero(shown.sum(1) == 1)
    truth = known.known[shown[inputs].argmax(1)]
    if len(np.unique(truth)) < 2:
        raise BadInput(
            f"probe set {probe.name}: {len(inputs)} images show exactly one class of {network.name}, and these fewer "
            "than two different ones: there is nothing to get right or wrong"
        )
    linear = head(layer)
    found = _run(layer) if linear is None else linear.scores(_pooled(layer))
    if found.shape[1] < known.outputs.stop:
        raise BadInput(
            f"network {network.name}: {len(known.names)} classes are named (CLASSES), it has {found.shape[1]} outputs"
        )
    own = found[inputs, known.outputs]
    return Answers(inputs, truth, known.concept[own.argmax(1)], own)


def head(layer: Layer) -> Head | None:
    """The linear map from a layer's spatial means, maxima, or both to the network's scores; None where it is none.

    It is looked for among the network's linear layers and 1 x 1 convolutions, and taken where it gives the scores of
    eight images.
    """
    network, probe = layer.source
    module = network.module.cpu()
    seen = run_layers(module, [layer.module, ""], network.preprocessing(fixed_images(probe)))
    maps, wanted = seen[layer.module], scores(seen[""])
    pooled = {"mean": maps.mean((2, 3)), "max": maps.amax((2, 3))}
    for part in module.modules():
        flat = _matrix(part)
        if flat is None or len(flat) != wanted.shape[1]:
            continue
        bias = flat.new_zeros(len(flat)) if part.bias is None else part.bias.detach().float()  # type: ignore[union-attr]
        for names in (each for each in _POOLED if len(each) * maps.shape[1] == flat.shape[1]):
            found = torch.cat([pooled[name] for name in names], 1) @ flat.T + bias
            if (found - wanted).abs().max() <= _ROUNDING * wanted.abs().max():
                return Head(dict(zip(names, map(_array, flat.chunk(len(names), 1)), strict=True)), _array(bias))
    return None


def _matrix(part: nn.Module) -> torch.Tensor | None:
    """The weights (output, input) of a linear layer or of a 1 x 1 convolution."""
    if isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1) and part.groups == 1 or isinstance(part, nn.Linear):
        return part.weight.detach().float().flatten(1)
    return None


def _array(values: torch.Tensor) -> NDArray[np.float32]:
    return values.cpu().numpy()


def _pooled(layer: Layer) -> dict[str, NDArray[np.float32]]:
    return {"mean": np.asarray(layer.pooled), "max": np.asarray(layer.highest)}


def _run(layer: Layer) -> NDArray[np.float32]:
    """The network's scores for every image, (image, output), kept in the store."""
    network, probe = layer.source
    inputs = {"layer": layer.fingerprint, "probe": probe.fingerprint}
    inputs["outputs"] = behaviours(network, {"": dict(inputs)}, probe, layer.device, layer.store)[""]

    def make(folder: Path) -> None:
        size, module = _BATCH[kind_of(layer.device)], network.module.to(layer.device)
        batches = bar(probe.batches(size), f"answers of {network.name}", -(-len(probe) // size))
        ready = (network.preprocessing(batch).to(layer.device) for batch in batches)
        save_arrays(folder, scores=np.concatenate([_array(scores(run_layers(module, [""], x)[""])) for x in ready]))

    store: Store = layer.store
    return load_array(store.entry("answers", inputs, MODULES, make, layer.device), "scores")


def by_unit(fired: NDArray[np.bool_], right: NDArray[np.bool_], truth: NDArray[np.int64]) -> pd.DataFrame:
    """How often the network is right on the inputs on which each unit fires (Mu and Andreas 5).

    fired    bool, (input, unit)      right   bool, (input,)      truth   (input,): the class of each input
    Returns  unit, inputs (on which it fires), rate (their share), accuracy (share that is right; NaN for a unit that
             never fires), expected (accuracy of the classes of these inputs, whatever fires), beyond (accuracy -
             expected)
    """
    of_class = pd.Series(right.astype(float)).groupby(np.asarray(truth)).transform("mean").to_numpy()
    times = fired.sum(0)
    sums = np.stack([right, of_class]).astype(float) @ fired
    accuracy, expected = np.divide(sums, times, out=np.full(sums.shape, np.nan), where=times > 0)
    columns = {"unit": np.arange(len(times)), "inputs": times, "rate": times / max(len(fired), 1)}
    return pd.DataFrame(columns | {"accuracy": accuracy, "expected": expected, "beyond": accuracy - expected})


def explained(
    measured: Filters,
    answered: Answers,
    length: int = LENGTH,
    *,
    beam: int = beams.BEAM,
    splits: int = 0,
    seed: int = 0,
) -> pd.DataFrame:
    """Every filter's formulas with the accuracy where it fires: one row for each filter and allowed length.

    splits    divisions of the images for the IoU on the half that was not searched (`trust.held_out`); 0: none
    Returns   the columns of `beam.search` and of `by_unit`, and held_out, the mean over the splits
    """
    found = beams.search(measured.counts(), length, beam=beam)
    if splits:
        halves = trust.held_out(measured, length, beam=beam, splits=splits, seed=seed)
        found = found.join(halves.pivot_table("held_out", ["unit", "allowed"]), on=["unit", "allowed"])
    fired = fires(measured.layer)[answered.inputs]
    return found.merge(by_unit(fired, answered.right, answered.truth), on="unit")


def correlations(table: pd.DataFrame, *, seed: int = 0, draws: int = DRAWS) -> pd.DataFrame:
    """How accuracy goes with IoU over units, by length and in each of `WAYS` (Mu and Andreas, Figure 7).

    table     `explained`; a way whose columns it lacks is left out
    Returns   way, allowed, and the columns of `correlation`
    """
    rows = []
    for way, (fit, right, given) in WAYS.items():
        if fit not in table:
            continue
        for allowed, each in table.groupby("allowed"):
            held = [each[name].to_numpy() for name in given]
            r = correlation(each[fit].to_numpy(), each[right].to_numpy(), held, seed=seed, draws=draws)
            rows.append({"way": way, "allowed": allowed, **r})
    return pd.DataFrame(rows)


def reliability(fired: NDArray[np.bool_], right: NDArray[np.bool_], seed: int = 0, splits: int = 20) -> float:
    """How far the accuracies of units are more than chance: 1 if another set of inputs would give the same, 0 if not.

    The correlation over units of two random halves of the inputs, mean over the splits, stepped up to all inputs
    (Spearman and Brown). No correlation with accuracy can be expected to exceed its square root. Splits in which no
    accuracy varies are left out; NaN where none is left.
    """
    rng, none, found = np.random.default_rng(seed), np.zeros(len(right), np.int64), []
    for _ in range(splits):
        half = rng.permutation(len(right)) % 2 == 0
        one, other = (by_unit(fired[side], right[side], none[side])["accuracy"].to_numpy() for side in (half, ~half))
        found.append(correlation(one, other, draws=0)["r"])
    known = [r for r in found if not np.isnan(r)]
    r = np.mean(known) if known else np.nan
    return float(2 * r / (1 + r)) if r > -1 else float("nan")


def correlation(
    x: NDArray | pd.Series,
    y: NDArray | pd.Series,
    given: Sequence[NDArray | pd.Series] = (),
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, float]:
    """Pearson's correlation over units, with others held constant where `given`.

    x, y, given   (unit,) each; units where one of them is NaN are left out
    Returns       r; p, two-sided, as if all were normal; low and high, the 95% bootstrap interval over units (NaN
                  without draws); n, the units. NaN where one does not vary
    """
    rows = np.column_stack([np.asarray(each, float) for each in (x, y, *given)])
    rows = rows[~np.isnan(rows).any(1)]
    n = len(rows)
    r = _partial(rows[None])[0] if n > 2 else np.nan
    drawn = np.random.default_rng(seed).integers(0, n, (draws, n)) if n > 2 else np.zeros((0, 0), int)
    many = np.concatenate([_partial(rows[part]) for part in np.array_split(drawn, 20)]) if len(drawn) else drawn.ravel()
    many = many[~np.isnan(many)] if len(many) else many
    low, high = np.quantile(many, [0.025, 0.975]) if len(many) else (np.nan, np.nan)
    p = p_values(np.array([r]), n - len(given))[0]
    return {"r": float(r), "p": float(p), "low": float(low), "high": float(high), "n": n}


def _partial(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlation of the first two columns, the others held constant: (..., unit, column) to (...)."""
    apart = rows - rows.mean(-2, keepdims=True)
    size = np.sqrt((apart**2).mean(-2, keepdims=True))
    scaled = np.divide(apart, size, out=np.zeros_like(apart), where=size > 1e-12)
    cov = np.swapaxes(scaled, -1, -2) @ scaled / rows.shape[-2]
    ours, others, across = cov[..., :2, :2], cov[..., 2:, 2:], cov[..., :2, 2:]
    left = ours - across @ np.linalg.pinv(others, hermitian=True) @ np.swapaxes(across, -1, -2)
    below = np.sqrt(np.clip(left[..., 0, 0] * left[..., 1, 1], 0, None))
    return np.divide(left[..., 0, 1], below, out=np.full(below.shape, np.nan), where=below > 1e-6)


def contributions(layer: Layer, known: Classes, answered: Answers) -> tuple[pd.DataFrame, str]:
    """What each filter contributes to the score of each class (Mu and Andreas 6): (filter, class), and in which sense.

    "weight": the head is linear. By how much the class's score is higher in images where the filter fires than in
    others because of this filter, less what the mean class gains: weight times the difference of the pooled activation.
    "correlation": no weight connects them. Pearson's correlation over images of the filter's mean activation with the
    class's score, less the mean score.
    Columns are concept numbers; where several outputs are one concept, the largest counts.
    """
    linear, fired = head(layer), fires(layer)[answered.inputs]
    if linear is None:
        x = np.asarray(layer.pooled, np.float64)[answered.inputs]
        y = answered.scores - answered.scores.mean(1, keepdims=True)
        values = _correlations(x, y)
    else:
        values = np.zeros((layer.n_filters, len(known.names)))
        for name, weights in linear.weights.items():
            pooled = _pooled(layer)[name][answered.inputs].astype(float)
            rise = _mean_where(pooled, fired) - _mean_where(pooled, ~fired)
            own = weights[known.outputs].astype(float)
            values += rise[:, None] * (own - own.mean(0)).T
    largest = np.stack([values[:, known.concept == concept].max(1) for concept in known.known], 1)
    table = pd.DataFrame(largest, columns=known.known)
    return table.rename_axis(index="filter"), "correlation" if linear is None else "weight"


def _mean_where(values: NDArray[np.float64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean of each column over its chosen rows, (row, column) to (column,); NaN where none is chosen."""
    n = chosen.sum(0)
    return np.divide((values * chosen).sum(0), n, out=np.full(len(n), np.nan), where=n > 0)


def _correlations(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pearson's correlation of every column of x with every column of y; NaN where one does not vary."""
    (x, size), (y, other) = ((each - each.mean(0), each.std(0)) for each in (x, y))
    below = size[:, None] * other
    return np.divide(x.T @ y / len(x), below, out=np.full(below.shape, np.nan), where=below > 1e-12)


def more_often(holds: NDArray[np.bool_], truth: NDArray[np.int64], known: NDArray[np.int64]) -> pd.DataFrame:
    """By how much more often formulas hold in the images of a class than in others: (formula, class), -1 to 1.

    holds   bool, (input, formula)      truth   (input,)      known   the classes, (class,)
    """
    mine = truth[:, None] == known
    inside, outside = (holds.T.astype(float) @ side / np.maximum(side.sum(0), 1) for side in (mine, ~mine))
    return pd.DataFrame(inside - outside, columns=known)
