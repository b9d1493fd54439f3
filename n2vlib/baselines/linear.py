"""Weights from other solvers than the paper's, on thresholded or raw activations, all with the best threshold.

mean difference   mean activation over a concept's cells minus that over the other cells of its images
ridge             least squares on the share of each cell that the concept covers; filters scaled to deviation 1, with a
                  penalty of PENALTY times the number of cells
logistic          scikit-learn's LogisticRegression (C = 1, filters scaled) on a seeded sample of about SAMPLE cells

All see the training images that hold the concept and no others, as the paper's training does. Mean difference and
ridge need only sums over all of their cells, which one pass adds up.
"""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.baselines.aligned import aligned, label_arrays, trainable
from n2vlib.baselines.cells import FEATURES, Annotation, Cells, fired, raw
from n2vlib.baselines.threshold import search
from n2vlib.errors import BadInput
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import image_of_pair
from n2vlib.store import load_array, save_arrays
from n2vlib.workers.threads import in_order

MODULES = ["n2vlib.baselines.linear"]
SOLVERS = ("mean difference", "ridge", "logistic")
PENALTY = 0.01
SAMPLE, SAMPLED_IMAGES = 4096, 256  # cells and images of each concept
MOST_BYTES = 2**28  # of the sums of squares that are added up in one pass


def named(solver: str, features: str) -> str:
    """The name in scores of a solver on fired or raw activations."""
    return f"{solver}, {features}"


def align(
    layer: Layer, probe: ProbeSet, *, features: str = "fired", align_corners: bool = True, seed: int = 0
) -> dict[str, Alignment]:
    """{solver: Alignment} of all SOLVERS, method `named`, with the threshold of each concept best on training images.

    features   "fired": 1[A_k > T_k]; "raw": A_k, which takes a pass through the network
    seed       of the cells that logistic regression sees
    The mask is S(sum_k w_k f_k) > t; weights are for the features as they are, the bias is -t. Where a concept covers
    all of its images or none of a filter varies, weights are zero and the mask is everything.
    """
    if features not in FEATURES:
        raise BadInput(f"features {features!r}: choose from {FEATURES}")
    usable = trainable(probe)

    def make(folder: Path) -> None:
        with nullcontext(fired(layer)) if features == "fired" else raw(layer, folder) as cells:
            fit = _Fit(layer, probe, cells, usable, align_corners, seed)
            weights = np.stack([*fit.from_sums(), fit.logistic()])
            best = search(weights, cells, layer, probe, usable, align_corners)
        counts = {"intersection": best.intersection, "predicted": best.predicted}
        save_arrays(folder, weights=weights, thresholds=best.thresholds, **counts)

    options = {"features": features, "align_corners": align_corners, "seed": seed}
    inputs = {"layer": layer.fingerprint, "probe": probe.fingerprint, **options}
    folder = layer.store.entry("linear", inputs, MODULES, make, layer.device if features == "raw" else "cpu")
    weights, thresholds, *counts = (
        load_array(folder, name) for name in ("weights", "thresholds", "intersection", "predicted")
    )
    return {
        solver: aligned(
            layer, probe, named(solver, features), (np.array(counts[0][at]), np.array(counts[1][at])), usable,
            weights[at], -thresholds[at], n_filters=layer.n_filters, seed=seed if solver == "logistic" else -1,
            settings=options,
        )
        for at, solver in enumerate(SOLVERS)
    }  # fmt: skip


@dataclass(frozen=True)
class Sums:
    """Sums over the cells of one concept's training images; x: activations, y: share that the concept covers.

    n   cells      y   sum of y      x, xy   (filter,)      xx   (filter, filter)
    """

    n: float
    y: float
    x: NDArray[np.float64]
    xy: NDArray[np.float64]
    xx: NDArray[np.float64]


def mean_difference(sums: Sums) -> NDArray[np.float64]:
    """Mean of x weighted by y minus mean of x weighted by 1 - y; zero where either has no weight."""
    if not 0 < sums.y < sums.n:
        return np.zeros_like(sums.x)
    return sums.xy / sums.y - (sums.x - sums.xy) / (sums.n - sums.y)


def ridge(sums: Sums, penalty: float = PENALTY) -> NDArray:
    """The w that minimises sum (y - b - x w)^2 + penalty n sum (sd_k w_k)^2, with b free; 0 for a constant filter."""
    mean, share = sums.x / sums.n, sums.y / sums.n
    covariance = sums.xx / sums.n - np.outer(mean, mean)
    deviation = np.sqrt(np.maximum(np.diag(covariance), 0))
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 1e-6 * np.sqrt(np.diag(sums.xx)))
    correlation = covariance * np.outer(scale, scale) + penalty * np.eye(len(mean))
    return scale * np.linalg.solve(correlation, scale * (sums.xy / sums.n - mean * share))


def logistic(x: NDArray[np.float32], y: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logistic regression of shares: every cell counts y times as the concept and 1 - y times as the rest.

    x   (cell, filter)      y   (cell,)      Returns (filter,), zero where a class is empty
    """
    from sklearn.linear_model import LogisticRegression

    deviation = x.std(0)
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=deviation > 0)
    weight, target = np.concatenate([y, 1 - y]), np.repeat([1, 0], len(y))
    kept = weight > 0
    if len(set(target[kept])) < 2:
        return np.zeros(x.shape[1])
    scaled = np.concatenate([(x - x.mean(0)) * scale] * 2)[kept]
    machine = LogisticRegression(C=1.0, max_iter=1000, tol=1e-3).fit(scaled, target[kept], weight[kept])
    return machine.coef_[0] * scale


class _Fit:
    """The weights of all concepts on one kind of activations."""

    def __init__(
        self, layer: Layer, probe: ProbeSet, cells: Cells, usable: NDArray[np.bool_], align_corners: bool, seed: int
    ):
        self.layer, self.cells, self.seed = layer, cells, seed
        self.numbers = probe.concepts.index[usable].to_numpy()
        self.annotation = Annotation(layer, probe, align_corners)
        # (image, concept) pairs of training images and usable concepts, by image
        _, _, _, concept, _ = label_arrays(probe)
        image = image_of_pair(probe)
        self.pairs = np.flatnonzero(usable[concept] & (probe.split[image] == "train"))
        self.image, self.row = image[self.pairs], (usable.cumsum() - 1)[concept[self.pairs]]

    def from_sums(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Mean difference and ridge: float32, (concept, filter) each."""
        found = np.zeros((2, len(self.numbers), self.layer.n_filters), np.float32)
        for row, sums in self._sums():
            found[:, row] = mean_difference(sums), ridge(sums)
        return found[0], found[1]

    def _sums(self) -> Iterator[tuple[int, Sums]]:
        """The sums of every concept; several passes where those of all concepts would not fit into MOST_BYTES."""
        k, counted = self.layer.n_filters, self.annotation.counted
        # A shift of the activations changes no weight, and small numbers are added up more exactly.
        centre = self._centre()[:, None]
        at_once = max(1, MOST_BYTES // (8 * k * k))

        def of_image(pairs: NDArray[np.int64]) -> tuple:
            image = int(self.image[pairs[0]])
            x = (self.cells(image) - centre)[:, counted]
            y = self.annotation.shares(image, self.pairs[pairs])[:, counted]
            return self.row[pairs], y.sum(1), x.sum(1), y @ x.T, x @ x.T

        block = max(1, min(64, MOST_BYTES // (16 * k * k)))  # images whose squares are added up together
        for first in range(0, len(self.numbers), at_once):
            rows = range(first, min(first + at_once, len(self.numbers)))
            mine = np.flatnonzero((self.row >= rows.start) & (self.row < rows.stop))
            images = np.split(mine, np.flatnonzero(np.diff(self.image[mine])) + 1) if len(mine) else []
            n, y, x = np.zeros(len(rows)), np.zeros(len(rows)), np.zeros((len(rows), k))
            xy, xx = np.zeros((len(rows), k)), np.zeros((len(rows), k * k))
            held, squares = np.zeros((len(rows), block), np.float32), np.zeros((block, k * k), np.float32)
            for i, (own, *parts, square) in enumerate(in_order(of_image, images, "sums over cells")):
                n[own - first] += counted.sum()
                for total, part in zip((y, x, xy), parts, strict=True):
                    total[own - first] += part
                held[own - first, i % block], squares[i % block] = 1, square.ravel()
                if i % block == block - 1 or i == len(images) - 1:
                    xx += held @ squares
                    held[:] = 0
            yield from ((row, Sums(n[i], y[i], x[i], xy[i], xx[i].reshape(k, k))) for i, row in enumerate(rows))

    def _centre(self) -> NDArray:
        """Mean activation of each filter in the first training images."""
        images = np.unique(self.image)[:16]
        return np.stack([self.cells(int(image)).mean(1) for image in images]).mean(0) if len(images) else np.zeros(1)

    def logistic(self) -> NDArray[np.float32]:
        """float32, (concept, filter)."""
        rows = range(len(self.numbers))
        fitted = [*in_order(lambda row: logistic(*self.sample(row)), rows, "logistic regression")]
        return np.array(fitted, np.float32).reshape(len(rows), -1)

    def sample(self, row: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Activations and shares of some cells of a concept: (cell, filter) and (cell,)."""
        rng = np.random.default_rng([self.seed, int(self.numbers[row])])
        mine = np.flatnonzero(self.row == row)
        mine = np.sort(rng.permutation(mine)[:SAMPLED_IMAGES])
        cells = np.flatnonzero(self.annotation.counted)
        each = min(len(cells), -(-SAMPLE // len(mine)))
        x, y = [], []
        for pair in mine:
            image, chosen = int(self.image[pair]), rng.permutation(cells)[:each]
            x.append(self.cells(image)[:, chosen].T)
            y.append(self.annotation.share(image, int(self.pairs[pair]))[chosen])
        return np.concatenate(x), np.concatenate(y)
