"""Is a name true? On images from which it was not made, and of units whose names are known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from n2vlib import tables
from n2vlib.compositional.atoms import Atoms
from n2vlib.errors import BadInput
from n2vlib.probe import ProbeSet
from n2vlib.text_image import naming
from n2vlib.text_image.naming import Fits
from n2vlib.words.behaviour import Behaviour, judged, of_phrases
from n2vlib.words.phrases import Language, plain
from n2vlib.words.phrases import language as language_of

LAMS = (1.0, 0.5, 0.2, 0.0)  # weights of what all units have in common, the first as published


def need(probe: ProbeSet, phrases: Sequence[str]) -> None:
    """BadInput where the labels of a probe set can say of fewer than two phrases where they hold."""
    language = language_of(probe)
    known = sum(
        judged(language, text) and any(each & language.members.keys() for each in language.parse(text))
        for text in phrases
    )
    if known < 2:
        raise BadInput(
            f"PHRASES: the labels of the probe set {probe.name} have the words of {known} of {len(phrases)} phrases; "
            "two are needed to say if names are true; give PHRASES=FILE with words of the labels among them"
        )


def truth(done: Behaviour, holds: NDArray[np.bool_]) -> pd.DataFrame:
    """Whether a name says where each unit fires, on the second half of the images: index filter.

    holds     (unit, atom): where the name of each unit holds
    Returns   pixels: share of the pixels on which it fires where the name holds; by_chance: the same of all pixels;
              times: how many times as many; auc: the AUC of the unit's mean activation, images in which the name holds
              somewhere against others, 1/2 by chance (as INVERT has it). NaN where it fires nowhere, or where there are
              no two kinds of images.
    """
    fired, sizes, held = done.fired[1], done.sizes[1], done.sides[1]
    fires = fired.sum(1)
    pixels = np.divide((fired * holds).sum(1), fires, out=np.full(len(fires), np.nan), where=fires > 0)
    chance = holds @ sizes / sizes.sum()
    times = np.divide(pixels, chance, out=np.full(len(fires), np.nan), where=chance > 0)
    shown = shows(done, holds)[held]
    columns = {"pixels": pixels, "by_chance": chance, "times": times, "auc": auc(done.activation[held], shown)}
    return pd.DataFrame(columns).rename_axis("filter")


def shows(done: Behaviour, holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each mask holds somewhere in each image, from (mask, atom): (image, mask)."""
    if done.by_image is None:
        raise BadInput("names: the same in every image; take the atoms of a probe set")
    return (done.by_image @ holds.T.astype(np.float32)) > 0


def auc(values: NDArray, there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """P(value of an image that is there > of one that is not), ties count half: two (image, unit) to (unit,)."""
    ranks = rankdata(values, axis=0)
    return _auc((ranks * there).sum(0), there.sum(0), len(there))


def every_auc(values: NDArray, there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The same of every unit and every mask: (image, unit), (image, mask) to (unit, mask)."""
    return _auc(rankdata(values, axis=0).T @ there.astype(float), there.sum(0), len(there))


def _auc(ranks: NDArray[np.float64], n: NDArray[np.int64], images: int) -> NDArray[np.float64]:
    """From the sum of the ranks of the images that are there, and their number (Mann and Whitney)."""
    pairs = np.broadcast_to(n * (images - n), ranks.shape).astype(float)
    return np.divide(ranks - n * (n + 1) / 2, pairs, out=np.full(ranks.shape, np.nan), where=pairs > 0)


def planted(done: Behaviour, members: NDArray[np.bool_], noise: float, seed: int = 0) -> NDArray[np.float64]:
    """Units whose mean activation is the share of an image that a concept covers, with noise: (image, concept).

    members   where each concept is, (concept, atom)      noise   its deviation, in deviations of the share
    """
    if done.by_image is None:
        raise BadInput("planted units: the same in every image; take the atoms of a probe set")
    area = done.by_image @ members.T.astype(float)
    return area + noise * area.std(0) * np.random.default_rng(seed).standard_normal(area.shape)


def by_weight(
    done: Behaviour, atoms: Atoms, language: Language, found: Fits, *, lams: Sequence[float] = LAMS, seed: int = 0
) -> pd.DataFrame:
    """How true the names of a layer's filters are, for several weights of what all units have in common.

    The names are made from the first half of the images and tried on the second.
    Returns   weight, names (different ones), nowhere (filters whose name holds on no pixel, or is not in the labels'
              language), auc with low and high (95% bootstrap over the other filters), dealt (the AUC with the names of
              other filters), times (median)
    """
    rows, sums = [], naming.own(done.activation, found, done.sides[0])
    for lam in lams:
        named = naming.named(sums, found.phrases, lam)["name"]
        holds = of_phrases(atoms, language, named.tolist())
        true = truth(done, holds)
        each = auc_of_others(done, holds)
        known = true["auc"].dropna().to_numpy()
        low, high = tables.bootstrap_mean(known, seed)
        mean = known.mean() if len(known) else np.nan
        nowhere = int(np.isnan(true["auc"].to_numpy()).sum())
        rows.append((lam, named.nunique(), nowhere, mean, low, high, each, true["times"].median()))
    columns = ["weight", "names", "nowhere", "auc", "low", "high", "dealt", "times"]
    return pd.DataFrame(rows, columns=columns)


def auc_of_others(done: Behaviour, holds: NDArray[np.bool_]) -> float:
    """The mean AUC of all pairs of a unit and the name of another; NaN where no name of another can be tried."""
    held = done.sides[1]
    every = every_auc(done.activation[held], shows(done, holds)[held])
    others = every[~np.eye(done.n_units, dtype=bool)]
    return float(np.nanmean(others)) if np.isfinite(others).any() else float("nan")


def right(
    done: Behaviour, atoms: Atoms, found: Fits, noise: float, *, lams: Sequence[float] = LAMS, seed: int = 0
) -> pd.DataFrame:
    """Units planted for the concepts of a probe set that are among the phrases: weight, concept, category, name, right.

    noise   see `planted`      right   whether the name is the concept's
    """
    words = [
        plain(str(name), kind) for name, kind in zip(atoms.concepts["name"], atoms.concepts["category"], strict=True)
    ]
    asked = np.flatnonzero([each in set(found.phrases) for each in words])
    units = planted(done, atoms.members[asked].toarray(), noise, seed)
    rows, sums = [], naming.own(units, found, done.sides[0]) if len(asked) else np.zeros((0, 0))
    for lam in lams if len(asked) else ():
        named = naming.named(sums, found.phrases, lam)["name"]
        concepts = [words[at] for at in asked]
        rows += zip([lam] * len(asked), concepts, atoms.concepts["category"].iloc[asked], named, strict=True)
    table = pd.DataFrame(rows, columns=["weight", "concept", "category", "name"])
    return table.assign(right=table["concept"] == table["name"])
