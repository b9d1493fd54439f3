"""Chance: the annotations are permuted among images, and every filter is named again.

A permutation keeps what a filter does, what an annotation looks like, and how often it occurs. It breaks only that both
belong to the same image. So the IoU that a filter reaches with its best concept after a permutation is what a name is
worth that says nothing.
"""

from functools import partial
from math import ceil
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from n2vlib.errors import BadInput, near
from n2vlib.probe import ProbeSet
from n2vlib.significance.family import Family
from n2vlib.store import in_chunks, load_array

MODULES = ["n2vlib.significance.chance"]
PERMUTATIONS, RATE = 200, 0.05
AT_ONCE, LARGEST = 20, 1 << 24  # permutations that one core counts together; and counts of all of them
AMONG = {
    "any": "all images",
    "category": "images that show the category",
    "source": "images of one source that show the category",
}


def sources(probe: ProbeSet) -> NDArray[np.int64]:
    """The source of every image, (image,): the folder below images/ in which it lies, as Broden names it."""
    folders = [name.partition("/")[0] if "/" in name else "" for name in probe.images]
    return np.unique(folders, return_inverse=True)[1].astype(np.int64)


def permutation(groups: NDArray[np.int64], number: int, *seed: int) -> NDArray[np.int64]:
    """One permutation, (image,): each image gets the annotations of an image of its own group, and none two.

    groups   (image,), negative for images that keep theirs
    """
    found, rng = np.arange(len(groups)), np.random.default_rng([*seed, number])
    for group in np.unique(groups[groups >= 0]):
        images = np.flatnonzero(groups == group)
        found[images] = rng.permutation(images)
    return found


def highest(
    family: Family, *, among: str = "category", permutations: int = PERMUTATIONS, seed: int = 0
) -> NDArray[np.float32]:
    """IoU of every filter with its best concept of each category, by chance: (permutation, filter, category).

    among   an image gets annotations of "any" image; of those that show the "category", which is stricter where few
            do; or of those among them from the same "source" (for a photograph resembles those of its own source)
    Categories are in the order of `family.categories`. About 20 seconds for 512 filters and 3,000 images on one core.
    """
    if among not in AMONG:
        raise BadInput(f"among = {among!r}: say how annotations are dealt; {near(among, list(AMONG))}")
    if permutations < 1:
        raise BadInput(f"permutations = {permutations}: give at least 1; p is never below 1 / (permutations + 1)")
    size = max(1, min(AT_ONCE, LARGEST // (family.layer.n_filters * len(family.concepts))))
    blocks = [range(start, min(start + size, permutations)) for start in range(0, permutations, size)]
    inputs = {**family.key, "among": among, "permutations": permutations, "seed": seed}

    def make(folder: Path) -> None:
        parts = _dealt_together(family, among)
        what = f"{family.layer.name}: annotations dealt {permutations} times, {size} at a time"
        in_chunks(folder, blocks, partial(_highest, parts, family.categories, seed), what, size=4)

    folder = family.layer.store.entry("chance", inputs, MODULES, make)
    return load_array(folder, "highest")


def _dealt_together(family: Family, among: str) -> list[tuple[Family, NDArray[np.int64]]]:
    """What is dealt at once: concepts, and the groups of images among which they are dealt."""
    family.masks  # noqa: B018 (made once, before the threads begin)
    if among == "any":
        return [(family, np.zeros(len(family.probe), np.int64))]
    own = sources(family.probe) if among == "source" else np.zeros(len(family.probe), np.int64)
    together: dict[bytes, list[str]] = {}  # categories that the same images show are dealt alike
    for category in family.categories:
        together.setdefault(family.of(category).holders().tobytes(), []).append(category)
    parts = [family.of(*categories) for categories in together.values()]
    return [(part, np.where(part.holders(), own, -1)) for part in parts]


def _highest(
    parts: list[tuple[Family, NDArray[np.int64]]], categories: list[str], seed: int, block: range
) -> dict[str, NDArray]:
    found = np.zeros((len(block), parts[0][0].layer.n_filters, len(categories)), np.float32)
    for part, groups in parts:
        iou = part.count(np.stack([permutation(groups, number, seed) for number in block])).iou
        for c, category in enumerate(categories):
            own = (part.candidates["category"] == category).to_numpy()
            if own.any():
                found[..., c] = iou[..., own].max(-1)
    return {"highest": found}


def p_values(value: NDArray[np.float64], by_chance: NDArray) -> NDArray[np.float64]:
    """Share of permutations in which chance reaches the value, the true annotations counted as one more: (filter,).

    value   (filter,)     by_chance   (permutation, filter)
    Where the value is itself a maximum over concepts, so must be `by_chance`: then p allows for the choice of the name.
    """
    return (1 + (by_chance >= np.float32(value)).sum(0)) / (len(by_chance) + 1)


def adjusted(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Benjamini-Hochberg: names with an adjusted p below 0.05 contain, on average, at most 5% that chance made."""
    return false_discovery_control(p) if len(p) else p


def needed(filters: int, permutations: int = PERMUTATIONS, rate: float = RATE) -> int:
    """How many filters must reach the smallest p, 1 / (permutations + 1), before any adjusted p is at most `rate`."""
    return ceil(filters / (permutations + 1) / rate)


def false_rates(by_chance: NDArray, categories: list[str], iou_threshold: float, rate: float = RATE) -> pd.DataFrame:
    """What a fixed threshold of the IoU lets through by chance, and the threshold that would hold a stated rate.

    by_chance   `highest`
    Returns     category ("any" for the best of all), false_rate (share of filters whose best concept of the category
                exceeds `iou_threshold` after a permutation), threshold (that a share `rate` of them exceeds)
    """
    best = {**{name: by_chance[..., c] for c, name in enumerate(categories)}, "any": by_chance.max(-1)}
    rows = [(name, (iou > iou_threshold).mean(), np.quantile(iou, 1 - rate)) for name, iou in best.items()]
    return pd.DataFrame(rows, columns=["category", "false_rate", "threshold"])
