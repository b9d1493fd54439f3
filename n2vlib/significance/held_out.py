"""Held out: names chosen on one half of the images, and scored on the other half, which the choice has not seen."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.masks.iou import iou_of_counts
from n2vlib.significance.family import Family
from n2vlib.store import load_array, save_arrays

MODULES = ["n2vlib.significance.held_out"]
GROUPS, SPLITS = 40, 20  # groups of images that stay together; ways to divide them into halves
_PARTS = ("intersection", "predicted", "annotated")


def group_counts(family: Family) -> list[NDArray[np.int64]]:
    """Intersection and predicted, (group, filter, candidate), and annotated, (group, 1, candidate).

    A group is every 40th image. Counts of any set of groups are sums, so that one pass gives all halves and draws.
    """

    def make(folder: Path) -> None:
        image = np.arange(len(family.probe))
        found = family.count(np.where(image % GROUPS == np.arange(GROUPS)[:, None], image, -1))
        save_arrays(folder, **{name: getattr(found, name) for name in _PARTS})

    folder = family.layer.store.entry("counts-by-group", family.key, MODULES, make)
    return [load_array(folder, name) for name in _PARTS]


def halves(family: Family, *, splits: int = SPLITS, seed: int = 0) -> pd.DataFrame:
    """Every filter named on one half of the images, and that name scored on the other; both ways for every division.

    Returns   split, filter, concept (chosen on the one half), iou and margin there (its lead over the second concept),
              held_out (its IoU on the other half), again (whether the other half chooses the same concept)
    """
    parts, rng = group_counts(family), np.random.default_rng(seed)
    concepts, filters = family.candidates.index.to_numpy(), np.arange(family.layer.n_filters)
    tables = []
    for split in range(splits):
        order = rng.permutation(GROUPS)
        ious = [pooled_iou(parts, half) for half in (order[: GROUPS // 2], order[GROUPS // 2 :])]
        for here, there in (ious, ious[::-1]):
            best, columns = here.argmax(1), {"split": split, "filter": filters}
            columns |= {"concept": concepts[best], "iou": here.max(1), "margin": margin(here)}
            columns |= {"held_out": there[filters, best], "again": best == there.argmax(1)}
            tables.append(pd.DataFrame(columns))
    return pd.concat(tables, ignore_index=True)


def margin(iou: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lead of the best concept over the second, (filter,); of the only one over 0."""
    ordered = np.sort(iou, axis=1)
    return ordered[:, -1] - (ordered[:, -2] if iou.shape[1] > 1 else 0)


def intervals(
    family: Family, chosen: NDArray[np.int64], *, draws: int = 200, seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95% bootstrap interval over images of the IoU of each filter with a given candidate: low, high, (filter,).

    chosen   position among the candidates, (filter,)
    """
    parts, filters = group_counts(family), np.arange(family.layer.n_filters)
    own = [part[:, filters, chosen] for part in parts[:2]] + [parts[2][:, 0, chosen]]
    times = np.random.default_rng(seed).multinomial(GROUPS, np.full(GROUPS, 1 / GROUPS), draws)
    low, high = np.quantile(iou_of_counts(*(times @ part for part in own)), [0.025, 0.975], axis=0)
    return low, high


def pooled_iou(parts: list[NDArray[np.int64]], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """IoU on some groups of images together, (filter, candidate).

    parts   `group_counts`
    """
    return iou_of_counts(*(part[groups].sum(0) for part in parts))
