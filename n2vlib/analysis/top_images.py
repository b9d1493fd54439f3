"""Top images: those with the strongest response of a filter or a combination, and whether they contain the concept.

They are what is usually shown of a filter (Net2Vec, Figure 1), and can mislead (Net2Vec 5.1).
"""

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from n2vlib import tables
from n2vlib.activations.layer import Layer
from n2vlib.errors import BadInput
from n2vlib.methods import dissection
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet

_VALUES_AT_ONCE = 2**23


def top_images(layer: Layer, filters: Iterable[int], count: int) -> pd.DataFrame:
    """The images that activate each filter most, rank 1 first: filter, rank, image, activation (the image's largest).

    On a tie the earlier image comes first.
    """
    parts = []
    for k in filters:
        highest = np.asarray(layer.highest[:, k])
        images = np.argsort(-highest, kind="stable")[:count]
        rows = {"filter": k, "rank": np.arange(1, len(images) + 1), "image": images, "activation": highest[images]}
        parts.append(pd.DataFrame(rows))
    return tables.stacked(parts, ["filter", "rank", "image", "activation"])


def stored_maps(layer: Layer, filter_k: int, images: NDArray[np.int64]) -> NDArray[np.float64]:
    """A_k of these images, (image, h, w), from the layer's stored entries; others get some value below T_k.

    Upsampled and thresholded at T_k, the masks are those of the full maps, since every corner of a cell that can exceed
    T_k is stored.
    """
    pointers, code, value = layer.entries
    cells, threshold = layer.grid[0] * layer.grid[1], float(layer.thresholds[filter_k])
    maps = np.full((len(images), cells), threshold - abs(threshold) - 1)
    for row, image in enumerate(images):
        start, stop = pointers[image : image + 2]
        low, high = start + np.searchsorted(code[start:stop], [filter_k * cells, (filter_k + 1) * cells])
        maps[row, code[low:high] - np.uint32(filter_k * cells)] = value[low:high]
    return maps.reshape(-1, *layer.grid)


def masks(layer: Layer, probe: ProbeSet, filter_k: int, images: Sequence[int]) -> list[NDArray[np.bool_]]:
    """One filter's mask on some images, as in the dissection IoU: upsampled, then above T_k."""
    return list(dissection.mask(layer, probe, layer.maps(images, filter_k).astype(np.float64), filter_k))


def top_mask(layer: Layer, probe: ProbeSet, filter_k: int) -> tuple[int, NDArray[np.bool_]]:
    """The image on which a filter is highest, and the filter's mask there."""
    image = int(top_images(layer, [filter_k], 1)["image"].iloc[0])
    return image, masks(layer, probe, filter_k, [image])[0]


def strengths(found: Alignment, layer: Layer, images: NDArray[np.int64]) -> pd.DataFrame:
    """Response of each image for each concept: index the positions `images`, one column per concept.

    A single filter: its highest activation. A combination: the largest value of sum_k w_k 1[A_k > T_k] at any place,
    the map that equation 2 upsamples and passes through the sigmoid.
    """
    if "filter" in found.scores:
        chosen = found.scores.drop_duplicates("concept").set_index("concept")["filter"]
        values = layer.highest[images][:, chosen.loc[found.weights.index].to_numpy(np.int64)]
    else:
        values = _largest_sums(layer, found.weights.to_numpy(np.float32), images)
    return pd.DataFrame(values, index=images, columns=found.weights.index)


def strongest(strength: pd.Series, count: int) -> NDArray[np.int64]:
    """The `count` images with the largest strength, strongest first; on a tie the earlier image."""
    return strength.sort_values(ascending=False, kind="stable").index.to_numpy()[:count]


def coherence(strength: pd.DataFrame, holds: pd.DataFrame, count: int) -> pd.Series:
    """Share of the `count` strongest images that contain the concept, by concept.

    strength   `strengths`      holds   bool, (image, concept), `occurrences.presence`
    """
    if not 0 < count <= len(strength):
        raise BadInput(f"count = {count}: there are {len(strength)} images to choose from")
    shares = {c: holds[c].loc[strongest(values, count)].mean() for c, values in strength.items()}
    return pd.Series(shares, name="share", dtype=float).rename_axis("concept")


def _largest_sums(layer: Layer, weights: NDArray[np.float32], images: NDArray[np.int64]) -> NDArray[np.float32]:
    """max over places of sum_k w_k 1[A_k > T_k]: weights (concept, filter) to (image, concept)."""
    pointers, code = layer.fired
    places, largest = layer.grid[0] * layer.grid[1], np.empty((len(images), len(weights)), np.float32)
    step = max(1, _VALUES_AT_ONCE // (places * len(weights)))
    for start in range(0, len(images), step):
        some = images[start : start + step]
        here = [code[pointers[i] : pointers[i + 1]].astype(np.int64) for i in some]
        image, entries = np.repeat(np.arange(len(some)), [len(part) for part in here]), np.concatenate(here)
        at = image * places + entries % places, entries // places
        fired = sparse.csr_matrix((np.ones(len(entries), np.float32), at), (len(some) * places, layer.n_filters))
        largest[start : start + step] = (fired @ weights.T).reshape(len(some), places, -1).max(axis=1)
    return largest
