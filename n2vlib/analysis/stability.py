"""Whether a concept has the same direction when it is learned again, and the same nearest concepts.

    pairs = stability.again(layer, probe, epochs=30, seed=0)
    found = stability.by_concept(pairs, probe)

Every direction is learned from a random start of its own, and its start is subtracted: two results that share a start
look more alike than what was learned. Directions are compared with those of other concepts, too: that is chance.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from hashlib import sha256

import numpy as np
import pandas as pd

from n2vlib.activations.layer import Layer
from n2vlib.analysis.embeddings import neighbours, without_start
from n2vlib.baselines.aligned import training_images
from n2vlib.baselines.summary import FEW
from n2vlib.methods import classification, segmentation
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import positions
from n2vlib.tables import bootstrap_mean, stacked

IMAGES, START, LOSS, TASK = "other images", "other start", "other loss", "other task"
COLUMNS = ["comparison", "concept", "name", "category", "images", "few", "cosine", "two concepts", "nearest", "again"]

Pairs = Mapping[str, tuple[pd.DataFrame, pd.DataFrame]]


def halves(probe: ProbeSet, seed: int) -> list[ProbeSet]:
    """The same set twice; each trains on one half of the training images, drawn at random, and validates on all others.

    Images and labels are those of `probe`, so a layer that was read for it serves both.
    """
    drawn = np.random.default_rng(seed).permutation(positions(probe, "train"))
    return [_trained_on(probe, np.sort(half)) for half in (drawn[::2], drawn[1::2])]


def _trained_on(probe: ProbeSet, images: np.ndarray) -> ProbeSet:
    split = np.where(np.isin(np.arange(len(probe)), images), "train", "val")
    own = sha256(f"{probe.fingerprint} trained on ".encode() + images.astype("<i8").tobytes()).hexdigest()
    half = replace(probe, split=split, fingerprint=own)
    half.__dict__["labels"] = probe.labels  # cached: under a new fingerprint they would be decoded again
    return half


def again(layer: Layer, probe: ProbeSet, *, epochs: int, seed: int) -> dict[str, tuple[pd.DataFrame, pd.DataFrame]]:
    """Two spaces of unit rows, (concept, filter), for each thing that is changed; all from starts of their own.

    other images   segmentation on each of two `halves` of the training images
    other start    segmentation on all of them, twice
    other loss     segmentation, equation 4 and with logarithms
    other task     segmentation and classification
    """
    learn = partial(segmentation.align, layer, epochs=epochs)
    first, second = learn(probe, seed=seed), learn(probe, seed=seed + 1)
    one, other = (learn(half, seed=seed + 2 + i) for i, half in enumerate(halves(probe, seed)))
    pairs = {
        IMAGES: (one, other),
        START: (first, second),
        LOSS: (second, learn(probe, loss="log", seed=seed)),
        TASK: (first, classification.align(layer, probe, epochs=epochs, seed=seed)),
    }
    return {what: (without_start(a), without_start(b)) for what, (a, b) in pairs.items()}


def by_concept(pairs: Pairs, probe: ProbeSet, n: int = 5, seed: int = 0) -> pd.DataFrame:
    """One row for each pair of spaces and concept that is in both; pairs with fewer than three such are left out.

    Returns   comparison (the key of the pair), concept, name, category, images (training images), few (under 30),
              cosine (of its two directions), two concepts (of its first direction and the second one of another
              concept, each drawn once), nearest (whether of all second ones its own is nearest to its first), again
              (share of its `n` nearest concepts in the first space that come again in the second) and chance (of again)
    """
    images = training_images(probe)
    parts = []
    for what, spaces in pairs.items():
        common = spaces[0].index.intersection(spaces[1].index).sort_values()
        if len(common) < 3:
            continue
        one, other = (space.loc[common] for space in spaces)
        cosines = one.to_numpy(float) @ other.to_numpy(float).T
        order = np.random.default_rng(seed).permutation(len(common))
        drawn = np.empty_like(order)
        drawn[order] = np.roll(order, 1)  # no concept is drawn for itself
        here = np.arange(len(common))
        row = {
            "comparison": what, "concept": common, "name": probe.concepts["name"].loc[common].to_numpy(),
            "category": probe.concepts["category"].loc[common].to_numpy(), "images": images.loc[common].to_numpy(),
            "few": images.loc[common].to_numpy() < FEW, "cosine": np.diag(cosines),
            "two concepts": cosines[here, drawn], "nearest": cosines.argmax(1) == here,
            "again": _come_again(one, other, n).loc[common].to_numpy(),
        }  # fmt: skip
        parts.append(pd.DataFrame(row).assign(chance=min(n, len(common) - 1) / (len(common) - 1)))
    return stacked(parts, [*COLUMNS, "chance"])


def _come_again(one: pd.DataFrame, other: pd.DataFrame, n: int) -> pd.Series:
    """Share of each concept's nearest concepts that are the same in both spaces, whatever their order."""
    keys = ["concept", "neighbour"]
    first, second = (neighbours(space, n)[keys] for space in (one, other))
    both = first.merge(second.assign(again=1.0), on=keys, how="left").fillna({"again": 0.0})
    return pd.Series(both.groupby("concept")["again"].mean())


def summary(found: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """`by_concept` in one row for each comparison, and for concepts of few training images and of more.

    Returns   comparison, training images, concepts, cosine and two concepts (medians), nearest, again with low and high
              (its 95% bootstrap interval over concepts) and chance (means)
    """
    rows = []
    for what, rest in found.groupby("comparison", sort=False):
        for words, few in ((f"{FEW} or more", False), (f"under {FEW}", True)):
            part = rest.loc[rest["few"] == few]
            if part.empty:
                continue
            low, high = bootstrap_mean(part["again"].to_numpy(), seed)
            row = {"comparison": what, "training images": words, "concepts": len(part)}
            row |= part[["cosine", "two concepts"]].median().to_dict()
            row |= {"nearest": part["nearest"].mean(), "again": part["again"].mean(), "low": low, "high": high}
            rows.append(row | {"chance": part["chance"].mean()})
    columns = ["comparison", "training images", "concepts", "cosine", "two concepts", "nearest", "again"]
    return pd.DataFrame(rows, columns=[*columns, "low", "high", "chance"])
