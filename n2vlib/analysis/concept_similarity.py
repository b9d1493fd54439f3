"""Similarity of two concepts in color, texture, shape or co-occurrence (Network Dissection TPAMI 3.7).

The authors sorted the concepts of changed filters by eye. Here every concept gets a few numbers from the pixels
annotated with it, and two concepts are similar in one of these kinds if they are nearer in it than most pairs.
"""

from collections import defaultdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.distance import pdist, squareform

from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import presence

KINDS = ("shape", "texture", "color", "co-occurrence")
_SHAPE = 12  # cells of a mask's bounding box, each way
LEAST = 0.9  # two concepts are similar if they are nearer than this share of all pairs
_PIXELS = 30  # smaller masks are left out


def described(probe: ProbeSet, images: int = 20, seed: int = 0) -> dict[str, pd.DataFrame]:
    """By kind, a table with one row of numbers for every concept, index concept.

    A concept of whole images (a scene, a texture) has no shape: NaN.
    images   number of images used for each concept, drawn at random if it has more
    color    mean red, green and blue of its pixels, (3,)
    texture  mean and spread of the steps between neighbouring pixels, across and down, (4,)
    shape    mean of its masks in their bounding boxes, and the mean of the boxes' height / width (logarithm), (145,)
    co-occurrence  which images it is in, as a vector of length one, (image,)
    """
    rng, asked = np.random.default_rng(seed), defaultdict(list)
    for concept in probe.concepts.index:
        held = probe.images_with(concept)
        for i in held if len(held) <= images else rng.choice(held, images, replace=False):
            asked[int(i)].append(concept)
    seen: dict[int, list] = {concept: [] for concept in probe.concepts.index}
    for i in sorted(asked):  # each image is read once, for all of its concepts
        masks = {concept: probe.annotated(concept, i) for concept in asked[i]}
        for concept, numbers in _of_image(probe.image(i), masks).items():
            seen[concept].append(numbers)
    found = {c: [np.mean(parts, axis=0) for parts in zip(*each, strict=True)] for c, each in seen.items() if each}
    kinds = ("color", "texture", "shape")
    rows = {kind: pd.DataFrame({c: parts[i] for c, parts in found.items()}).T for i, kind in enumerate(kinds)}
    rows["shape"].loc[~probe.concepts["segmentable"].loc[list(found)].to_numpy()] = np.nan
    there = presence(probe).loc[:, list(found)].to_numpy(float).T
    rows["co-occurrence"] = pd.DataFrame(there / np.linalg.norm(there, axis=1, keepdims=True), index=list(found))
    return {kind: rows[kind] for kind in KINDS}


def nearness(described: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Share of all pairs of concepts that are further apart than this one, by kind: (concept, concept), 1 is nearest.

    By Euclidean distance; the numbers of texture and color are divided by their standard deviation. 0 where one of the
    two has no numbers.
    """
    near = {}
    for kind, rows in described.items():
        values = rows.to_numpy(float)
        if kind in ("color", "texture"):
            values = values / np.maximum(values.std(0), 1e-12)
        pairs = pdist(values)
        apart = squareform(pairs)
        apart[np.isnan(values).any(1)] = np.nan  # its distance to itself, too
        pairs = np.sort(pairs[~np.isnan(pairs)])
        further = np.where(np.isnan(apart), 0, len(pairs) - np.searchsorted(pairs, apart, side="right"))
        near[kind] = pd.DataFrame(further / max(len(pairs), 1), index=rows.index, columns=rows.index)
    return near


def kind_of(near: dict[str, pd.DataFrame], before: int, after: int, least: float = LEAST) -> str:
    """The kind in which the two are nearest; "none" if in no kind they are nearer than a share `least` of pairs.

    "not known" for a concept without numbers in `described`, because its masks are too small.
    """
    if not {before, after} <= set(near["color"].index):
        return "not known"
    shares = {kind: float(np.asarray(table.loc[before, after])) for kind, table in near.items()}
    best = max(shares, key=lambda kind: shares[kind])
    return best if shares[best] >= least else "none"


def similar(near: dict[str, pd.DataFrame], before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the two concepts of each pair are similar in some kind; pairs with a concept not known are left out."""
    places = near["color"].index.get_indexer(before), near["color"].index.get_indexer(after)
    known = (places[0] >= 0) & (places[1] >= 0)
    nearest = np.maximum.reduce([table.to_numpy()[places[0][known], places[1][known]] for table in near.values()])
    return nearest >= LEAST


def if_permuted(
    near: dict[str, pd.DataFrame], before: NDArray[np.int64], after: NDArray[np.int64], seed: int = 0, draws: int = 200
) -> float:
    """Share of `similar` pairs when the concepts after are permuted: chance.

    Pairs of a concept with itself are left out, since a changed filter has none. NaN where no pair is left.
    """
    if not len(after):
        return np.nan
    rng, found = np.random.default_rng(seed), []
    for _ in range(draws):
        permuted = rng.permutation(after)
        found.append(similar(near, before[before != permuted], permuted[before != permuted]))
    every = np.concatenate(found)
    return float(every.mean()) if len(every) else np.nan


def _of_image(
    image: NDArray[np.uint8], masks: dict[int, NDArray[np.bool_]]
) -> dict[int, tuple[NDArray, NDArray, NDArray]]:
    """Color, texture and shape in one image, (height, width, 3), under each of its masks, (h, w), by concept.

    Without concepts whose mask is too small.
    """
    size = next(iter(masks.values())).shape[::-1]
    pixels = np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BOX), float) / 255
    grey, found = pixels.mean(2), {}
    steps = np.abs(np.diff(grey, axis=1)), np.abs(np.diff(grey, axis=0))
    for concept, mask in masks.items():
        if mask.sum() < _PIXELS:
            continue
        across, down = steps[0][mask[:, 1:] & mask[:, :-1]], steps[1][mask[1:] & mask[:-1]]
        if len(across) and len(down):
            texture = np.array([across.mean(), across.std(), down.mean(), down.std()])
            found[concept] = pixels[mask].mean(0), texture, _shape(mask)
    return found


def _shape(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = Image.fromarray(box.astype(np.uint8) * 255).resize((_SHAPE, _SHAPE), Image.Resampling.BOX)
    height, width = box.shape
    return np.append(np.asarray(small, float).ravel() / 255, np.log(height / width))
