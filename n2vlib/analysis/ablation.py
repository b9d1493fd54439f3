"""How much single filters matter for each class, and many of them together (Bau et al. 2020, Figure 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib import tables
from n2vlib.activations.layer import Layer
from n2vlib.analysis.evaluation import LEAST, Evaluation, balanced, mean_over, read, without
from n2vlib.device import choose_device
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import presence
from n2vlib.store import load_array, save_arrays

MODULES = ["n2vlib.analysis.ablation"]


@dataclass(frozen=True)
class Damage:
    """What removing each filter alone costs each class, both (filter, class); negative where the class gains.

    accuracy   the loss of balanced accuracy
    margin     by how much the mean of `Evaluation.margins` of the class's own images falls towards that of the others
    """

    accuracy: NDArray[np.float64]
    margin: NDArray[np.float64]

    def order(self, class_c: int) -> NDArray[np.int64]:
        """The filters, the most damaging first: by accuracy, then by margin."""
        return np.lexsort((-self.margin[:, class_c], -self.accuracy[:, class_c]))


def damage(evaluation: Evaluation, split: str) -> Damage:
    """The damage of every filter, on the images of a split."""
    part = evaluation.parts[split]
    margins = without(evaluation, split, [[], *([k] for k in range(part.activations.shape[1]))])
    accuracy = balanced(margins, part)
    apart = mean_over(margins, part.own) - mean_over(margins, part.other)
    return Damage(accuracy[0] - accuracy[1:], apart[0] - apart[1:])


def support(evaluation: Evaluation, split: str, fires: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How much of the margin of each class is due to each filter where it fires: (filter, class).

    fires   (image, filter), of the images of the split
    The mean, over these images, of what the margin loses if the filter is set to zero: above 0, the filter supports the
    class. -inf for filters that fire in fewer than LEAST images.
    """
    whole, *gone = without(evaluation, split, [[], *([k] for k in range(fires.shape[1]))])
    lost = [(whole - left)[own] for left, own in zip(gone, fires.T, strict=True)]
    never = np.full(whole.shape[1], -np.inf)
    return np.stack([each.mean(0, dtype=float) if len(each) >= LEAST else never for each in lost])


def supports(layer: Layer, probe: ProbeSet, *, images: int, device: str = "auto") -> pd.DataFrame:
    """`support` on training images for every class of which one is the answer, kept in the store: (filter, class name).

    images   at most so many of each split      Raises BadInput as `evaluation.read` does
    """
    network, _ = layer.source
    inputs = {"layer": layer.fingerprint, "probe": probe.fingerprint, "images": images, "network": network.name}
    inputs |= {"weights": network.fingerprint, "code": network.code, "preprocessing": network.preprocessing.as_json()}

    def make(folder: Path) -> None:
        asked = read(network, layer.name, probe, images=images, device=device)
        fires = np.asarray(layer.highest[asked.parts["train"].images]) > layer.thresholds
        exclusive = asked.classes["kind"].isin(list(asked.exclusive)).to_numpy()
        names = asked.classes.loc[exclusive, "name"].to_numpy(str)
        save_arrays(folder, support=support(asked, "train", fires)[:, exclusive], names=names)

    folder = layer.store.entry("support", inputs, MODULES, make, choose_device(device))
    return pd.DataFrame(np.asarray(load_array(folder, "support")), columns=load_array(folder, "names").tolist())


def shown(evaluation: Evaluation, probe: ProbeSet) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Share of a class's validation images that show a concept, and of the other images: both (class, concept)."""
    part, held = evaluation.parts["val"], presence(probe)
    there = held.loc[part.images].to_numpy(float)
    own, other = ((images.T @ there) / images.sum(0)[:, None] for images in (part.own, part.other))
    return pd.DataFrame(own, columns=held.columns), pd.DataFrame(other, columns=held.columns)


def important_for(hurt: Damage, among: int = 4) -> NDArray[np.int64]:
    """For how many classes each filter is `among` the most damaging, (filter,)."""
    n_filters, n_classes = hurt.margin.shape
    first = [hurt.order(c)[:among] for c in range(n_classes)]
    return np.bincount(np.concatenate(first), minlength=n_filters)


def frequent(evaluation: Evaluation, most: int) -> list[int]:
    """The `most` frequent classes of each kind on validation images, the most frequent first."""
    order = pd.Series(evaluation.parts["val"].own.sum(0)).sort_values(ascending=False, kind="stable").index
    return [int(c) for _, mine in evaluation.classes.loc[order].groupby("kind", sort=False) for c in mine.index[:most]]


def many(n_filters: int) -> int:
    """The paper's 20, or half of the filters where there are fewer than 40."""
    return min(20, n_filters // 2)


def sizes(n_filters: int) -> list[int]:
    """Numbers of filters to remove: 1, 2, 4, 8, `many` and its doubles up to half of them, and all but `many`."""
    first = [n for n in (1, 2, 4, 8) if n < many(n_filters)]
    doubles = [many(n_filters) * 2**i for i in range(n_filters.bit_length())]
    return [*first, *(n for n in doubles if n < n_filters / 2), n_filters - many(n_filters)]


def removed(
    evaluation: Evaluation, hurt: Damage, classes: Sequence[int], numbers: Sequence[int], *, seed: int, draws: int = 3
) -> pd.DataFrame:
    """Validation accuracy of classes without their n most damaging filters, the n least damaging, and n at random.

    hurt     `damage` on training images, so that no filter is chosen on the images it is measured on
    draws    random orders of the filters, the same for all classes; their accuracies are averaged
    Returns  class, name, kind, way, n, accuracy, before, others and others_before (mean over the kind's other classes)
    """
    rng, n_filters = np.random.default_rng(seed), len(hurt.margin)
    orders = {("most damaging", c): [hurt.order(c)] for c in classes}
    orders |= {("least damaging", c): [hurt.order(c)[::-1]] for c in classes}
    orders["random", -1] = [rng.permutation(n_filters) for _ in range(draws)]
    keys = [(key, n) for key in orders for n in numbers]
    sets = [each[:n].tolist() for key, n in keys for each in orders[key]]
    part = evaluation.parts["val"]
    before, *after = balanced(without(evaluation, "val", [[], *sets]), part)
    rows, left = [], iter(after)
    for (way, c), n in keys:
        accuracy = np.mean([next(left) for _ in orders[way, c]], axis=0)
        rows += [_row(evaluation, way, n, one, accuracy, before) for one in (classes if c < 0 else [c])]
    columns = ["class", "name", "kind", "way", "n", "accuracy", "before", "others", "others_before"]
    return pd.DataFrame(rows, columns=columns)


def kept_and_gone(rows: pd.DataFrame, n: int, n_filters: int) -> pd.DataFrame:
    """Accuracy of each class with all filters, without its n most damaging, and with only these.

    rows     of `removed`, for n and n_filters - n
    Returns  name, filters, accuracy
    """
    columns = {"all filters": ("most damaging", n, "before"), f"without its {n}": ("most damaging", n, "accuracy")}
    columns[f"its {n} alone"] = "least damaging", n_filters - n, "accuracy"
    parts = []
    for words, (way, gone, column) in columns.items():
        mine = rows.loc[(rows["way"] == way) & (rows["n"] == gone), ["name", column]]
        parts.append(mine.set_axis(["name", "accuracy"], axis=1).assign(filters=words))
    return pd.concat(parts, ignore_index=True)


def curve(rows: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Mean accuracy over classes by way and n, with its 95% bootstrap interval over them.

    rows     of `removed`, of classes of one kind
    Returns  way, n, accuracy, low, high
    """
    points = []
    for (way, n), mine in rows.groupby(["way", "n"], sort=False)["accuracy"]:  # type: ignore[misc]
        values = mine.to_numpy(float)
        points.append((way, n, values.mean(), *tables.bootstrap_mean(values, seed)))
    return pd.DataFrame(points, columns=["way", "n", "accuracy", "low", "high"])


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over the classes of a kind: kind, way, n, before, accuracy, lost, share_lost (lost / (before - 0.5)),
    others_lost."""
    columns = ["before", "accuracy", "others_before", "others"]
    groups = rows.groupby(["kind", "way", "n"], sort=False, as_index=False)
    mean: pd.DataFrame = groups.agg(**{column: (column, "mean") for column in columns})  # type: ignore[assignment]
    lost = mean["before"] - mean["accuracy"]
    shares = {"lost": lost, "share_lost": lost / (mean["before"] - 0.5)}
    return mean.drop(columns=columns[2:]).assign(**shares, others_lost=mean["others_before"] - mean["others"])


def _row(evaluation: Evaluation, way: str, n: int, c: int, accuracy: NDArray, before: NDArray) -> tuple:
    name, kind = evaluation.classes["name"].iloc[c], evaluation.classes["kind"].iloc[c]
    others = np.flatnonzero((evaluation.classes["kind"] == kind) & (evaluation.classes.index != c))
    mean = (accuracy[others].mean(), before[others].mean()) if len(others) else (np.nan, np.nan)
    return c, name, kind, way, n, accuracy[c], before[c], *mean
