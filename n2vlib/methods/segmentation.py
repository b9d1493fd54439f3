"""Weights over all filters that together segment a concept (Net2Vec 3.1.2)."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.device import counts_on
from n2vlib.errors import BadInput
from n2vlib.kernels import combination, training, training_torch
from n2vlib.masks.counts import need_grid
from n2vlib.masks.iou import taps_of
from n2vlib.methods.alignment import Alignment, generator, largest_weights, pair_table, pooled_scores
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import concept_positions, image_of_pair
from n2vlib.store import in_chunks, load_array, save_arrays

MODULES = ["n2vlib.methods.segmentation"]
LOSSES = ("equation 4", "log")
MAP_OF_THE_PAPER = 113 * 113  # pixels; the learning rate is stated for maps of this size, since the loss sums pixels


@dataclass(frozen=True)
class Preset:
    """How training visits images: batch size, whether they are shuffled, whether the rate is scaled to the map."""

    batch: int
    shuffled: bool
    scaled: bool


PRESETS = {
    "paper": Preset(batch=64, shuffled=True, scaled=True),
    "released": Preset(batch=16, shuffled=False, scaled=False),  # the code's defaults; images in index order
}


@dataclass(frozen=True)
class Options:
    preset: str = "paper"
    loss: str = "equation 4"
    epochs: int = 30
    rate: float = 1e-4
    momentum: float = 0.9
    align_corners: bool = True
    seed: int = 0
    n_filters: int | None = None


def align(
    layer: Layer,
    probe: ProbeSet,
    *,
    n_filters: int | None = None,
    preset: str = "paper",
    loss: str = "equation 4",
    epochs: int = 30,
    rate: float = 1e-4,
    momentum: float = 0.9,
    align_corners: bool = True,
    seed: int = 0,
) -> Alignment:
    """Learn M(x; w) = sigma(S(sum_k w_k 1[A_k(x) > T_k])) for every segmentable concept (Net2Vec equations 2 to 4).

    n_filters   None: all filters. F: the F filters with the largest |w| of the full solution, learned anew (3.2.2)
    preset   "paper": batches of 64, shuffled; "released": batches of 16 in image order, rate not scaled to the map
    loss     "equation 4": -(alpha L M + (1 - alpha)(1 - L)(1 - M)), as released and as printed; "log": with logarithms
             of M and 1 - M, the text's "binary cross entropy". Summed over pixels, averaged over the batch.
    rate     learning rate for maps of 113 x 113
    Left out: concepts without training images, and those that only label whole images (alpha = 0, no gradient).
    """
    options = Options(preset, loss, epochs, rate, momentum, align_corners, seed, n_filters)
    if preset not in PRESETS or loss not in LOSSES:
        raise BadInput(f"preset {preset!r}, loss {loss!r}: choose from {sorted(PRESETS)} and {LOSSES}")
    need_grid(layer, probe)
    chosen = None
    if n_filters is not None:
        full = align(layer, probe, **{**asdict(options), "n_filters": None}).weights
        chosen = largest_weights(full.to_numpy(), n_filters)
    trainer = _Trainer(layer, probe, options, chosen)
    folder = layer.store.entry(
        "segmentation",
        {"layer": layer.fingerprint, "probe": probe.fingerprint, **asdict(options)},
        MODULES,
        trainer.train_all,
        layer.device,
    )
    return _read(folder, layer, probe, options, trainer)


def alphas(probe: ProbeSet, pixels: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
    """alpha_c = 1 - mean share of c's pixels over its training images, (concept,); NaN where it has none.

    pixels   of each (image, concept) pair, where another rule counts them
    """
    pairs, in_training = concept_positions(probe), probe.split[image_of_pair(probe)] == "train"
    share = (probe.labels.pair_area if pixels is None else pixels) / np.prod(probe.label_size)
    images = np.bincount(pairs[in_training], minlength=len(probe.concepts))
    total = np.bincount(pairs[in_training], share[in_training], minlength=len(probe.concepts))
    return 1 - np.divide(total, images, out=np.full(len(images), np.nan), where=images > 0)


class _Trainer:
    """Data and options shared by the training of all concepts."""

    def __init__(self, layer: Layer, probe: ProbeSet, options: Options, chosen: NDArray[np.bool_] | None):
        self.layer, self.probe, self.options = layer, probe, options
        self.preset = PRESETS[options.preset]
        self.alpha = alphas(probe)
        self.concepts = np.flatnonzero(probe.concepts["segmentable"] & (self.alpha > 0))
        self.chosen = chosen  # bool, (concept, filter), or None: all filters
        pairs = concept_positions(probe)
        self._by_concept = np.argsort(pairs, kind="stable")
        self._start = np.searchsorted(pairs[self._by_concept], np.arange(len(probe.concepts) + 1))
        self._image = image_of_pair(probe)

    def pairs_of(self, concept: int) -> NDArray[np.int64]:
        """The (image, concept) pairs of one concept, images ascending."""
        return self._by_concept[self._start[concept] : self._start[concept + 1]]

    def train_all(self, work: Path) -> None:
        """Every concept, saved in the working folder; arrays of length 0 where there is none to learn."""
        in_chunks(work, self.concepts.tolist(), self.train, "learning to segment concepts")
        if not len(self.concepts):
            none = np.zeros(0, np.int64)
            weights = np.zeros((0, self.layer.n_filters), np.float32)
            save_arrays(work, weights=weights, intersection=none, predicted=none, pairs=none)

    def train(self, concept: int) -> dict[str, NDArray]:
        """Weights, and pixel counts in all of the concept's images, training and validation."""
        options, pairs, labels = self.options, self.pairs_of(concept), self.probe.labels
        training_pairs = pairs[self.probe.split[self._image[pairs]] == "train"]
        number = int(self.probe.concepts.index[concept])
        weights, plan = start(self.layer, len(training_pairs), number, options)
        learn, count = training.train_segmentation, combination.count_combination
        if counts_on(device := self.layer.device):
            learn = partial(training_torch.train_segmentation, device=device)
            count = partial(training_torch.count_combination, device=device)
        taps = taps_of(self.layer.grid, self.probe.label_size, options.align_corners)
        down, across = (each.shares() for each in taps)
        shared = self._fired(concept, weights), (np.asarray(labels.maps), labels.map_ptr), down, across
        learn(
            weights, self._image[training_pairs], labels.pair_local[training_pairs], plan, self.preset.batch,
            np.float32(self.alpha[concept]), np.float32(self.rate), np.float32(options.momentum),
            options.loss == "log", *shared,
        )  # fmt: skip
        intersection, predicted = count(weights, self._image[pairs], labels.pair_local[pairs], *shared)
        return {"weights": weights[None], "intersection": intersection, "predicted": predicted, "pairs": pairs}

    @property
    def rate(self) -> float:
        scale = MAP_OF_THE_PAPER / np.prod(self.probe.label_size) if self.preset.scaled else 1
        return self.options.rate * float(scale)

    def _fired(self, concept: int, weights: NDArray[np.float32]) -> tuple:
        """Where filters fire: all, or those chosen for the concept; the other weights start and stay at zero."""
        pointers, code = self.layer.fired
        if self.chosen is not None:
            chosen = self.chosen[np.searchsorted(self.concepts, concept)]
            weights[~chosen] = 0
            images, cells = self._image[self.pairs_of(concept)], int(np.prod(self.layer.grid))
            pointers, code = training.fired_of(chosen, images, pointers, code, cells)
        return pointers, code, *self.layer.grid


def start(
    layer: Layer, n_examples: int, number: int, options: Options
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """First weights of all filters, U(-1/sqrt(K), 1/sqrt(K)), and the order of examples, (epoch, example)."""
    rng, bound = generator(layer, "segmentation", number, options.seed, options.n_filters), layer.n_filters**-0.5
    weights = rng.uniform(-bound, bound, layer.n_filters).astype(np.float32)
    plan = np.tile(np.arange(n_examples, dtype=np.int32), (options.epochs, 1))
    return weights, rng.permuted(plan, axis=1) if PRESETS[options.preset].shuffled else plan


def _read(folder: Path, layer: Layer, probe: ProbeSet, options: Options, trainer: _Trainer) -> Alignment:
    counts = np.zeros((2, len(probe.labels.pair_concept)), np.int64)
    places = load_array(folder, "pairs")
    counts[:, places] = load_array(folder, "intersection"), load_array(folder, "predicted")
    usable = np.zeros(len(probe.concepts), np.bool_)
    usable[trainer.concepts] = True
    concepts, pairs = probe.concepts.loc[usable], pair_table(probe, counts[0], counts[1], usable)
    scores = pooled_scores(
        pairs, concepts, probe=probe.name, network=layer.network, layer=layer.name, task="segmentation",
        method="combination", n_filters=options.n_filters or layer.n_filters, seed=options.seed,
    )  # fmt: skip
    weights = pd.DataFrame(np.array(load_array(folder, "weights")), index=concepts.index)
    begun = np.array([start(layer, 0, int(number), options)[0] for number in concepts.index]).reshape(weights.shape)
    first = pd.DataFrame(begun * (True if trainer.chosen is None else trainer.chosen), index=concepts.index)
    settings = {"tau": layer.tau, "quantile": layer.quantile, **asdict(options), "rate": trainer.rate}
    return Alignment(scores, weights, pd.Series(0.0, index=concepts.index), pairs, settings, first)
