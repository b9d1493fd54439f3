"""Filters shared by concepts (Net2Vec 4.2), single images (5.1), and weights beside scores (5.2)."""

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from n2vlib.claims.claim import Effect, Measures, left_out, of_concepts, of_draws
from n2vlib.claims.measured import MANY, ONE, Measured
from n2vlib.vocabulary import TASKS

CONCEPTS_OF_THE_PAPER = {"segmentation": 682, "classification": 1189}
BUSY = {"segmentation": 20, "classification": 30}  # concepts in the paper; scaled to our concepts and filters
FILTERS_OF_CONV1 = 64
LEVEL = 0.01  # of significance


def shared(m: Measured, task: str) -> Effect:
    """Percent of the chosen filters of the deepest layer that are the best one of two concepts or more."""
    chosen, filters = _chosen(m, task, m.layers[-1])
    note = f"{len(np.unique(chosen))} filters for {len(chosen)} concepts in {m.layers[-1]}"

    def several(best: NDArray) -> float:
        served = np.bincount(best, minlength=filters)
        return 100 * (served > 1).sum() / (served > 0).sum()

    return left_out(several, chosen, note)


def busy(m: Measured, task: str) -> Effect:
    """Percent of the first layer's filters that serve many concepts: at least the paper's multiple of the mean.

    The criterion is chance: each concept draws its filter at random.
    """
    chosen, filters = _chosen(m, task, m.layers[0])
    multiple = BUSY[task] * FILTERS_OF_CONV1 / CONCEPTS_OF_THE_PAPER[task]

    def least_of(concepts: int) -> int:
        return int(np.ceil(multiple * concepts / filters))

    least = least_of(len(chosen))
    chance = 100 * float(stats.binom.sf(least - 1, len(chosen), 1 / filters))
    note = f"{least} concepts or more, of {filters} filters in {m.layers[0]}"

    def share(best: NDArray) -> float:
        return 100 * float((np.bincount(best, minlength=filters) >= least_of(len(best))).mean())

    return left_out(share, chosen, note, chance)


def never(m: Measured, task: str, first: bool) -> Effect | None:
    """Percent of filters that are the best one of no concept, in the first layer or on average over the others.

    For the others the criterion is chance: (1 - 1/K)^C if each of C concepts drew one of K filters at random.
    """
    layers = m.layers[:1] if first else m.layers[1:]
    if not layers:
        return None
    found = [_chosen(m, task, layer) for layer in layers]
    chance = 100 * float(np.mean([(1 - 1 / filters) ** len(best) for best, filters in found]))
    together = np.stack([best for best, _ in found], axis=1)  # of the same concepts in every layer

    def share(best: NDArray) -> float:
        parts = zip(best.T, found, strict=True)
        return 100 * float(np.mean([(np.bincount(one, minlength=filters) == 0).mean() for one, (_, filters) in parts]))

    note = f"by chance {chance:.0f}%" if first else f"mean of {len(layers)} layers"
    return left_out(share, together, note, np.nan if first else chance)


def zeros(m: Measured) -> Effect | None:
    """Percent of a concept's images where the best filter's individual IoU is 0, mean over concepts."""
    return of_draws(100 * m.images[ONE]["zero"].mean(axis=1), "mean over concepts") if m.images else None


def silent(m: Measured) -> Effect | None:
    """Percent of the images with IoU 0 in which the filter exceeds its threshold nowhere."""
    if not m.images:
        return None
    found = m.images[ONE]
    return of_draws(100 * found["silent"].mean(axis=1) / found["zero"].mean(axis=1))


def fewer_zeros(m: Measured) -> Effect | None:
    """Percent of images with IoU 0, best filter minus combination, mean over concepts."""
    return of_draws(100 * (m.images[ONE]["zero"] - m.images[MANY]["zero"]).mean(axis=1)) if m.images else None


def higher_rest(m: Measured) -> Effect | None:
    """Mean of the non-zero individual IoU, combination minus best filter, over concepts that both overlap at all."""
    if not m.images:
        return None
    return of_draws(100 * (m.images[MANY]["nonzero"] - m.images[ONE]["nonzero"]).mean(axis=1))


def incoherent(m: Measured) -> Effect | None:
    """Percent of concepts for which fewer than half of the best filter's ten top images contain the concept."""
    if ONE not in m.coherence:
        return None
    return of_concepts(lambda share: 100 * (share < 0.5).mean(), m.coherence[ONE])


def correlated(m: Measured, at: int) -> Effect | None:
    """Percent of concepts with a significant correlation of max(w, 0) and the filters' set IoU in one layer."""
    if at >= len(m.layers):
        return None
    found = _significant(m)[[m.layers[at]]].dropna()
    return of_concepts(lambda is_so: 100 * is_so.mean(), found, f"{m.layers[at]}, {len(found)} concepts")


def correlated_with_depth(m: Measured) -> Effect | None:
    """The percentage of `correlated` in the deepest layer minus that in the first."""
    if len(m.layers) < 2:
        return None
    found = _significant(m)[[m.layers[0], m.layers[-1]]].dropna().to_numpy()
    return of_concepts(lambda rise: 100 * rise.mean(), found[:, 1] - found[:, 0], f"{m.layers[0]} to {m.layers[-1]}")


def _chosen(m: Measured, task: str, layer: str) -> tuple[NDArray[np.int64], int]:
    """The best filter of each concept, and how many filters the layer has."""
    rows = m.chosen.loc[(m.chosen["task"] == task) & (m.chosen["layer"] == layer)]
    return rows["filter"].to_numpy(np.int64), int(rows["n_filters"].iloc[0])


def _significant(m: Measured) -> pd.DataFrame:
    """1 where p < 0.01, else 0, (concept, layer)."""
    wide = m.correlations.pivot(index="concept", columns="layer", values="p")
    return (wide < LEVEL).astype(float).where(wide.notna())


MEASURES: Measures = {
    **{f"shared-{task}": partial(shared, task=task) for task in TASKS},
    **{f"busy-{task}": partial(busy, task=task) for task in TASKS},
    **{f"never-{task}": partial(never, task=task, first=False) for task in TASKS},
    "never-first": partial(never, task="segmentation", first=True),
    "zeros": zeros,
    "silent": silent,
    "fewer-zeros": fewer_zeros,
    "higher-rest": higher_rest,
    "incoherent": incoherent,
    **{f"correlated-{i + 1}": partial(correlated, at=i) for i in range(5)},
    "correlated-depth": correlated_with_depth,
}
