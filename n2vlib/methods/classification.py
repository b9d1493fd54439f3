"""Weights that predict whether an image contains a concept (Net2Vec 3.2)."""

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.errors import BadInput
from n2vlib.kernels import sampling, training
from n2vlib.methods.alignment import Alignment, generator, largest_weights, score_table
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import presence
from n2vlib.store import in_chunks, load_array, save_arrays

MODULES = ["n2vlib.methods.classification"]
FEATURES = ("raw", "standardised")


@dataclass(frozen=True)
class Options:
    n_filters: int | None = None
    features: str = "raw"
    epochs: int = 30
    rate: float = 0.1
    momentum: float = 0.9
    batch: int = 64
    seed: int = 0


def align(
    layer: Layer,
    probe: ProbeSet,
    *,
    n_filters: int | None = None,
    features: str = "raw",
    epochs: int = 30,
    rate: float = 0.1,
    momentum: float = 0.9,
    batch: int = 64,
    seed: int = 0,
) -> Alignment:
    """Learn f(x) = b + sum_k w_k mean_ij A_kij(x) > 0 for every concept (Net2Vec equation 5).

    n_filters   None: all filters. F: the F filters with the largest |w| of the full solution, learned anew (3.2.2);
                F = 1 is the paper's single filter.
    features    "raw": pooled activations as they are, as released; "standardised": each filter scaled to mean 0 and
                deviation 1 on the training images, so that one learning rate fits all filters
    The rate is divided by ten half-way (released: at epoch 15 of 30). Every epoch visits all images of the smaller
    class and as many of the larger, drawn anew. Accuracy is that of the last epoch, over one whole balanced set of
    each split; NaN without validation images. Concepts in every training image, or in none, are left out.
    """
    if features not in FEATURES:
        raise BadInput(f"features {features!r}: choose from {FEATURES}")
    options = Options(n_filters, features, epochs, rate, momentum, batch, seed)
    chosen = None
    if n_filters is not None:
        full = align(layer, probe, **{**asdict(options), "n_filters": None}).weights
        chosen = largest_weights(full.to_numpy(), n_filters)
    trainer = _Trainer(layer, probe, options, chosen)
    folder = layer.store.entry(
        "classification",
        {"layer": layer.fingerprint, "probe": probe.fingerprint, **asdict(options)},
        MODULES,
        trainer.train_all,
    )  # on the CPU, wherever the layer was read
    return _read(folder, layer, probe, options, trainer)


class _Trainer:
    """Data and options shared by the training of all concepts."""

    def __init__(self, layer: Layer, probe: ProbeSet, options: Options, chosen: NDArray[np.bool_] | None):
        self.layer, self.probe, self.options, self.chosen = layer, probe, options, chosen
        self.present = presence(probe).to_numpy()
        self.in_training = probe.split == "train"
        share = self.present[self.in_training].mean(0)
        self.concepts = np.flatnonzero((share > 0) & (share < 1))
        pooled = np.array(layer.pooled, np.float32)
        if options.features == "standardised":
            mean, deviation = pooled[self.in_training].mean(0), pooled[self.in_training].std(0)
            pooled = (pooled - mean) / np.where(deviation > 0, deviation, 1)
        self.features = np.ascontiguousarray(pooled, np.float32)

    def train_all(self, work: Path) -> None:
        """Every concept, saved in the working folder; arrays of length 0 where there is none to learn."""
        in_chunks(work, range(len(self.concepts)), self.train, "learning to recognise concepts", 256)
        if not len(self.concepts):
            number, right = np.zeros(0, np.int64), np.zeros(0, np.bool_)
            weights = np.zeros((0, self.layer.n_filters), np.float32)
            save_arrays(work, weights=weights, bias=weights[:, 0], image=number, concept=number, right=right)

    def train(self, at: int) -> dict[str, NDArray]:
        """Weights and bias of the at-th concept, and which predictions on both balanced sets are right."""
        concept, options = self.concepts[at], self.options
        number, truth = int(self.probe.concepts.index[concept]), self.present[:, concept]
        n_filters, chosen = self.layer.n_filters, np.arange(self.layer.n_filters)
        chosen = chosen if self.chosen is None else np.flatnonzero(self.chosen[at])
        first, bias, samples, epoch_ptr = start(self.layer, truth, self.in_training, number, options)
        everything = len(chosen) == n_filters
        features = self.features if everything else np.ascontiguousarray(self.features[:, chosen])
        weights = first[chosen]
        rates = np.where(np.arange(options.epochs) < -(-options.epochs // 2), options.rate, options.rate / 10)
        bias = training.train_classification(
            features, weights, bias, samples, truth[samples].astype(np.float32), epoch_ptr, options.batch,
            rates.astype(np.float32), np.float32(options.momentum),
        )  # fmt: skip
        everywhere = np.zeros((1, n_filters), np.float32)
        everywhere[0, chosen] = weights
        right = (features @ weights + bias > 0) == truth
        parts = self.in_training, ~self.in_training
        image = np.concatenate([balanced_set(truth, part, options.seed, number) for part in parts])
        return {
            "weights": everywhere, "bias": np.array([bias]), "image": image.astype(np.int32), "right": right[image],
            "concept": np.full(len(image), number, np.int32),
        }  # fmt: skip


def start(
    layer: Layer, truth: NDArray[np.bool_], usable: NDArray[np.bool_], number: int, options: Options
) -> tuple[NDArray[np.float32], np.float32, NDArray[np.int32], NDArray[np.int64]]:
    """First weights of all filters, U(-1/sqrt(K), 1/sqrt(K)), the first bias, U(0, 1), and the `sample_plan`.

    truth, usable   bool, (image,): whether it contains concept `number`, and whether it may be used in training
    """
    rng = generator(layer, "classification", number, options.seed, options.n_filters)
    weights = _first_weights(layer, rng)
    return weights, np.float32(rng.uniform()), *sample_plan(truth, usable, options.epochs, rng)


def _first_weights(layer: Layer, rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.uniform(-1, 1, layer.n_filters).astype(np.float32) / np.float32(np.sqrt(layer.n_filters))


def sample_plan(
    truth: NDArray[np.bool_], usable: NDArray[np.bool_], epochs: int, rng: np.random.Generator
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The images that each epoch visits, one epoch after the other, and where each epoch begins, (epoch + 1,).

    All images of the smaller class and as many of the larger, drawn without replacement, shuffled (Net2Vec 3.2.1:
    positives and negatives with equal probability).
    """
    small, large = _classes(truth, usable)
    plan = np.empty((epochs, 2 * len(small)), np.int32)
    sampling.draw_balanced(rng, small, large, plan)
    return plan.ravel(), np.arange(epochs + 1, dtype=np.int64) * plan.shape[1]


def balanced_accuracy(
    right: NDArray[np.bool_], truth: NDArray[np.bool_], usable: NDArray[np.bool_], seed: int, number: int
) -> float:
    """Share of right predictions on one balanced set, the same for every method; NaN where a class is missing."""
    chosen = balanced_set(truth, usable, seed, number)
    return float(right[chosen].sum() / len(chosen)) if len(chosen) else float("nan")


def balanced_set(truth: NDArray[np.bool_], usable: NDArray[np.bool_], seed: int, number: int) -> NDArray[np.int64]:
    """The images that concept `number` is scored on: the smaller class and as many of the larger, drawn once."""
    small, large = _classes(truth, usable)
    rng = np.random.default_rng([seed, number, 1])
    return np.concatenate([small, rng.choice(large, len(small), replace=False, shuffle=False)])


def _classes(truth: NDArray[np.bool_], usable: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Positions of the smaller and of the larger class among the usable images."""
    return sorted((np.flatnonzero(truth & usable), np.flatnonzero(~truth & usable)), key=len)


def _read(folder: Path, layer: Layer, probe: ProbeSet, options: Options, trainer: _Trainer) -> Alignment:
    concepts = probe.concepts.iloc[trainer.concepts]
    weights, single = np.array(load_array(folder, "weights")), options.n_filters == 1
    columns = {"concept": np.int64, "image": np.int64, "right": np.bool_}
    pairs = pd.DataFrame({name: load_array(folder, name).astype(kind) for name, kind in columns.items()})
    pairs.insert(2, "split", probe.split[pairs["image"]])
    labels = {
        "probe": probe.name, "network": layer.network, "layer": layer.name, "task": "classification",
        "method": "single filter" if single else "combination", "n_filters": options.n_filters or layer.n_filters,
        "seed": options.seed,
    }  # fmt: skip
    accuracy = pairs.pivot_table(index="concept", columns="split", values="right").reindex(concepts.index)
    chosen = {"filter": np.abs(weights).argmax(1)} if single else {}
    splits = {"train": trainer.in_training, "val": ~trainer.in_training}
    values = {
        split: {"accuracy": accuracy.reindex(columns=[split])[split].to_numpy(float), **chosen} for split in splits
    }
    images = {split: trainer.present[part].sum(0)[trainer.concepts] for split, part in splits.items()}
    index, kept = concepts.index, True if trainer.chosen is None else trainer.chosen
    drawn = (generator(layer, "classification", int(c), options.seed, options.n_filters) for c in index)
    begun = np.array([_first_weights(layer, rng) for rng in drawn]).reshape(weights.shape)
    return Alignment(
        score_table(concepts, labels, values, images),
        pd.DataFrame(weights, index=index),
        pd.Series(np.array(load_array(folder, "bias")), index=index),
        pairs,
        asdict(options),
        pd.DataFrame(begun * kept, index=index),
    )
