"""A layer's filters beside other units of the same layer: a dictionary, principal components, random directions.

    seen = directions.samples(network, "conv5", probe)
    sets = {"components": directions.components(seen), "random": directions.at_random(256, seen.shape[1], seed=0)}
    files = directions.write(folder, sets, centre=seen.mean(0), activation="topk", k=8)
    layers = directions.read(network, "conv5", files, probe, tau=0.005)

Sets differ in size, and more units detect more concepts; so tables also say what equally many units would detect.
"""

from collections.abc import Mapping
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer, read_layers
from n2vlib.activations.streaming import BATCH
from n2vlib.masks.iou import iou_of_counts
from n2vlib.methods import dissection
from n2vlib.networks import units
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network
from n2vlib.probe import ProbeSet
from n2vlib.significance import held_out
from n2vlib.significance.family import family
from n2vlib.zoo import dictionaries
from n2vlib.zoo.others import DICTIONARIES, Dictionary

IMAGES, PLACES = 150, 200  # training images that are looked at, and places of each
# Half of a 95% interval in standard deviations. Of resampled images fewer are different, and more names are there by
# luck: quantiles of such counts lie too high, so only their spread is used.
WIDTH = 1.96
DRAWS, AT_ONCE = 100, 20  # resamples of the images; and how many are counted together
K = 8


def samples(network: Network, name: str, probe: ProbeSet, *, seed: int = 0) -> NDArray[np.float32]:
    """What a layer's filters compute at random places of training images: (sample, filter)."""
    draws, train = np.random.default_rng(seed), np.flatnonzero(probe.split == "train")
    chosen = train[np.linspace(0, len(train) - 1, min(IMAGES, len(train))).astype(int)].tolist()
    module, found = network.layer(name), []
    for images in probe.batches(BATCH["cpu"], chosen):
        maps = run_layers(network.module.cpu(), [module], network.preprocessing(images))[module].flatten(2).numpy()
        found += [of[:, draws.permutation(of.shape[1])[:PLACES]].T for of in maps]
    return np.concatenate(found)


def at_random(n: int, filters: int, *, seed: int) -> NDArray[np.float64]:
    """n directions of length one, uniformly drawn: (unit, filter)."""
    drawn = np.random.default_rng(seed).standard_normal((n, filters))
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def components(seen: NDArray[np.float32]) -> NDArray[np.float64]:
    """Principal components and their opposites, since a unit above 0 has one sign: (2 * filter, filter), of length one,
    those of the largest variance first.

    seen   (sample, filter)
    """
    axes = np.linalg.eigh(np.cov(seen.T.astype(np.float64)))[1].T[::-1]
    return np.stack([axes, -axes], 1).reshape(-1, axes.shape[1])


def dictionary(folder: Path, network: Network, name: str, seen: NDArray[np.float32], *, seed: int = 0) -> str:
    """The zoo's dictionary of this layer; where it has none, the file of one learned from the samples, with twice as
    many units as filters.

    seen   (sample, filter)
    """
    for known, row in DICTIONARIES.items():
        if row.network == network.name and network.layer(row.layer) == network.layer(name):
            return known
    n = 2 * seen.shape[1]
    row = Dictionary("dictionary", network.name, name, n, k=min(K, n), seed=seed)
    found: dict[str, Any] = dictionaries.fit(row, torch.from_numpy(np.asarray(seen, np.float32)))
    return str(units.save(folder / "dictionary.safetensors", **found, activation="topk", k=row.k))


def write(folder: Path, sets: Mapping[str, NDArray], **options: Any) -> dict[str, str]:
    """A file of units for each set of directions, (unit, filter): {name: file}.

    options   of `units.save`, the same for all
    """
    return {name: str(units.save(folder / f"{name}.safetensors", rows, **options)) for name, rows in sets.items()}


def read(network: Network, name: str, files: Mapping[str, str], probe: ProbeSet, **options: Any) -> dict[str, Layer]:
    """A layer, as "filters", and its units in files, by their labels, in one pass; options of `read_layers`."""
    asked = {"filters": name} | {label: f"{name}:{file}" for label, file in files.items()}
    found = read_layers(network, list(asked.values()), probe, **options)
    return {label: found[each] for label, each in asked.items()}


def among(concepts: pd.Series, n_units: int, n: int) -> float:
    """How many concepts n of the units detect, on average over all choices of n.

    concepts   of the detectors among the n_units
    """
    total = comb(n_units, n)
    return float(sum(1 - comb(n_units - count, n) / total for count in concepts.value_counts()))


def compared(
    layers: Mapping[str, Layer], probe: ProbeSet, *, iou_threshold: float, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """How many concepts each layer detects, a row per label; and the same numbers on resampled images, (draw, label).

    Returns   label, units, detectors, concepts (that some unit detects), low and high (95%, from the spread over
              resampled images), held_out (concepts of units that are named on half of the images and detectors on the
              other half; mean over divisions), equally_many (concepts among as many units as the smallest layer has)
    """
    rows, draws, fewest = [], {}, min(layer.n_filters for layer in layers.values())
    for label, layer in layers.items():
        everything = family(layer, probe)
        found = dissection.filters(layer, probe)
        found = found.loc[found["dissection_iou"] > iou_threshold, "concept"]
        both = held_out.halves(everything, seed=seed)
        both["half"] = both.index // layer.n_filters
        again = both[both["held_out"] > iou_threshold].groupby("half")["concept"]
        draws[label] = _resampled(held_out.group_counts(everything), iou_threshold, seed)
        half = WIDTH * draws[label].std()
        rows.append(
            (label, layer.n_filters, len(found), found.nunique(), found.nunique() - half, found.nunique() + half,
             again.nunique().sum() / (2 * held_out.SPLITS), among(found, layer.n_filters, fewest))
        )  # fmt: skip
    columns = ["label", "units", "detectors", "concepts", "low", "high", "held_out", "equally_many"]
    return pd.DataFrame(rows, columns=columns), pd.DataFrame(draws)


def _resampled(parts: list[NDArray[np.int64]], iou_threshold: float, seed: int) -> NDArray[np.int64]:
    """Concepts detected on images drawn with replacement, in the groups of `held_out.group_counts`: (draw,).

    The same seed draws the same images for every layer, so that differences are paired.
    """
    groups, counts = held_out.GROUPS, [part.astype(np.float64) for part in parts]
    times = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), DRAWS)
    found = []
    for some in np.split(times, DRAWS // AT_ONCE):
        ious = iou_of_counts(*(np.tensordot(some, part, 1) for part in counts))
        found += [len(np.unique(iou.argmax(1)[iou.max(1) > iou_threshold])) for iou in ious]
    return np.array(found)


def differences(table: pd.DataFrame, draws: pd.DataFrame, of: str) -> pd.DataFrame:
    """How many more concepts `of` detects than each other label: against, difference, low, high (95%, over images)."""
    concepts = table.set_index("label")["concepts"]
    rows = []
    for other in concepts.index.drop(of):
        more, half = concepts[of] - concepts[other], WIDTH * (draws[of] - draws[other]).std(ddof=0)
        rows.append((other, more, more - half, more + half))
    return pd.DataFrame(rows, columns=["against", "difference", "low", "high"])
