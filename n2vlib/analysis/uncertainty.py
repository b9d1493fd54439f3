"""Bootstrap over images: the distribution of a score when the images are drawn again with replacement.

Every score of the book is a ratio of two sums over (concept, image) pairs: pixels of intersection over pixels of union,
or right predictions over all. So a draw of images only changes the weights of the sums, and all concepts are resampled
by the same draws, which makes differences between methods paired.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from n2vlib.activations.layer import Layer
from n2vlib.masks import counts
from n2vlib.masks.iou import iou_of_counts
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import positions
from n2vlib.store import load_array, save_arrays

MODULES = ["n2vlib.analysis.uncertainty"]
KEYS = ["layer", "task", "method", "n_filters", "concept"]
PARTS = ("intersection", "predicted", "annotated")
GROUPS = 40  # of images that are drawn together, since single images would need the counts of every filter


def image_draws(probe: ProbeSet, split: str, draws: int, seed: int) -> NDArray[np.int64]:
    """How often each image is drawn, (draw, image); a draw has as many images as the split, with replacement."""
    images = positions(probe, split)
    times = np.zeros((draws, len(probe.images)), np.int64)
    if len(images):
        share = np.full(len(images), 1 / len(images))
        times[:, images] = np.random.default_rng(seed).multinomial(len(images), share, draws)
    return times


def resample(
    alignments: Iterable[Alignment], probe: ProbeSet, split: str = "val", draws: int = 200, seed: int = 0
) -> pd.DataFrame:
    """The scores of several alignments when the images of a split are resampled.

    Returns   one row per draw, columns (layer, task, method, n_filters, concept); NaN where a draw has no image of the
              concept. The same draws for every alignment; columns sorted.
    """
    times = image_draws(probe, split, draws, seed)
    return pd.concat([_resampled(found, times, split) for found in alignments], axis=1).sort_index(axis=1)


def _resampled(found: Alignment, times: NDArray[np.int64], split: str) -> pd.DataFrame:
    pairs = found.pairs.loc[(found.pairs["split"] == split) | (split == "all")]
    concepts = found.weights.index
    row = np.searchsorted(np.asarray(concepts), pairs["concept"].to_numpy())
    above, below = _parts(pairs)
    shape = times.shape[1], len(concepts)
    places = pairs["image"].to_numpy(), row
    sums = [times @ sparse.csr_array((part.astype(np.float64), places), shape=shape) for part in (above, below)]
    values = np.divide(sums[0], sums[1], out=np.full(sums[0].shape, np.nan), where=sums[1] > 0)
    same = found.scores[KEYS[:-1]].iloc[0]
    columns = pd.MultiIndex.from_product([*([value] for value in same), concepts], names=KEYS)
    return pd.DataFrame(values, columns=columns).rename_axis("draw")


def _parts(pairs: pd.DataFrame) -> tuple[NDArray, NDArray]:
    """Numerator and denominator of the score, pair by pair."""
    if "right" in pairs:
        return pairs["right"].to_numpy(), np.ones(len(pairs))
    intersection, predicted, annotated = (pairs[c].to_numpy() for c in PARTS)
    return intersection, predicted + annotated - intersection


def interval(draws: pd.DataFrame | pd.Series, confidence: float = 0.95) -> pd.DataFrame:
    """Percentile interval of each column: low, high; draws without a number are left out of that column.

    draws   one row per draw
    """
    table = draws.to_frame() if isinstance(draws, pd.Series) else draws
    bounds = table.quantile([(1 - confidence) / 2, (1 + confidence) / 2]).T
    return bounds.set_axis(["low", "high"], axis=1)


def recentred_interval(value: float, draws: NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float]:
    """An interval for a count or an extreme, whose draws are biased: low and high.

    A draw of images is noisier than the images themselves. The spread of the draws about their own median is moved to
    the measured number.
    """
    low, middle, high = np.quantile(draws, [(1 - confidence) / 2, 0.5, (1 + confidence) / 2])
    return float(value - (middle - low)), float(value + (high - middle))


def best_filter_stability(layer: Layer, probe: ProbeSet, *, seed: int = 0, draws: int = 200) -> pd.DataFrame:
    """Stability of the choice of each concept's best filter (Net2Vec 3.1.1), by a bootstrap over training images.

    Returns   concept, name, category, filter (best on the training images as they are), share of the draws in which
              the same filter is best, runner_up (the filter most often best otherwise, -1 for none), low and high of
              the filter's set IoU on training images
    """
    best, won, values = _races(layer, probe, seed, draws)
    low, high = np.nanquantile(values, [0.025, 0.975], axis=0)
    table = probe.concepts.loc[best.index, ["name", "category"]].rename_axis("concept").reset_index()
    share = (won == best).sum() / (won >= 0).sum()
    others = (won[concept][(won[concept] != filter) & (won[concept] >= 0)] for concept, filter in best.items())
    runners = [int(np.bincount(each).argmax()) if len(each) else -1 for each in others]
    return table.assign(filter=best.to_numpy(), share=share.to_numpy(), runner_up=runners, low=low, high=high)


def best_filter_draws(layer: Layer, probe: ProbeSet, *, seed: int = 0, draws: int = 200) -> pd.DataFrame:
    """Which filter is best for each concept in each draw of the training images: (draw, concept), -1 without image."""
    return _races(layer, probe, seed, draws)[1]


def _races(layer: Layer, probe: ProbeSet, seed: int, draws: int) -> tuple[pd.Series, pd.DataFrame, NDArray[np.float64]]:
    """The best filter of each concept; the best one in each draw, and the set IoU there of the former: (draw, concept).

    Images are drawn in 40 fixed groups, each of every 40th image, so that the counts of all filters are read once.
    """
    parts = _grouped_counts(layer, probe)
    chosen = np.flatnonzero(probe.concepts["segmentable"].to_numpy() & (parts[2].sum(0) > 0))
    best = iou_of_counts(*(part[..., chosen].sum(0) for part in parts)).argmax(0)
    winners, values = np.full((draws, len(chosen)), -1), np.full((draws, len(chosen)), np.nan)
    times = np.random.default_rng(seed).multinomial(GROUPS, np.full(GROUPS, 1 / GROUPS), draws).astype(np.float64)
    for at, concept in enumerate(chosen):
        intersection, predicted, annotated = (times @ part[..., concept] for part in parts)  # whole numbers, exact
        iou, held = iou_of_counts(intersection, predicted, annotated[:, None]), annotated > 0
        # A rare concept can be missing from a draw.
        winners[held, at], values[held, at] = iou.argmax(1)[held], iou[held, best[at]]
    concepts = probe.concepts.index[chosen]
    return pd.Series(best, concepts), pd.DataFrame(winners, columns=concepts), values


def _grouped_counts(layer: Layer, probe: ProbeSet) -> list[NDArray[np.int64]]:
    """Pixels of intersection and predicted, (group, filter, concept), and annotated, (group, concept)."""

    def make(folder: Path) -> None:
        training = positions(probe, "train")
        found = [counts.set_counts(layer, probe, training[g::GROUPS], align_corners=True) for g in range(GROUPS)]
        save_arrays(folder, **{name: np.stack([getattr(one, name) for one in found]) for name in PARTS})

    inputs = {"layer": layer.fingerprint, "probe": probe.fingerprint}
    folder = layer.store.entry("grouped-counts", inputs, MODULES, make, layer.device)
    return [load_array(folder, name) for name in PARTS]
