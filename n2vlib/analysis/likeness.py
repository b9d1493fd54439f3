"""In what two concepts are alike: color, texture, shape, or the company they keep (Network Dissection TPAMI 3.7).

The authors sorted the concepts of changed filters by eye. Here every concept gets a few numbers from the pixels that
people labelled with it, and two concepts are alike in a kind when they are nearer in it than most pairs are.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial.distance import pdist, squareform

from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import presence

KINDS = ("shape", "texture", "color", "company")
_SHAPE = 12  # cells of a mask's bounding box, each way
_PIXELS = 30  # a smaller mask tells nothing of a shape


def described(probe: ProbeSet, images: int = 20, seed: int = 0) -> dict[str, pd.DataFrame]:
    """Of every concept: one row of numbers by kind, index concept.

    A concept of whole images (a scene, a texture) has no shape: NaN.
    images   of each concept are looked at, drawn at random where there are more
    color    mean red, green and blue of its pixels, (3,)
    texture  mean and spread of the steps between neighbouring pixels, across and down, (4,)
    shape    mean of its masks in their bounding boxes, and the mean of the boxes' height / width (logarithm), (145,)
    company  which images it is in, divided by its length, (image,)
    """
    rng, found = np.random.default_rng(seed), {}
    for concept in probe.concepts.index:
        held = probe.images_with(concept)
        some = held if len(held) <= images else np.sort(rng.choice(held, images, replace=False))
        seen = [_of_image(probe.image(int(i)), probe.annotated(concept, int(i))) for i in some]
        seen = [each for each in seen if each is not None]
        if seen:
            found[concept] = [np.mean(parts, axis=0) for parts in zip(*seen, strict=True)]
    kinds = ("color", "texture", "shape")
    told = {kind: pd.DataFrame({c: parts[i] for c, parts in found.items()}).T for i, kind in enumerate(kinds)}
    told["shape"].loc[~probe.concepts["segmentable"].loc[list(found)].to_numpy()] = np.nan
    there = presence(probe).loc[:, list(found)].to_numpy(float).T
    told["company"] = pd.DataFrame(there / np.linalg.norm(there, axis=1, keepdims=True), index=list(found))
    return {kind: told[kind] for kind in KINDS}


def nearness(described: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Share of all pairs of concepts that are further apart than this one, by kind: (concept, concept), 1 is nearest.

    Euclidean distance of numbers that are brought to one scale (texture and color each divided by its spread); 0 where
    one of the two has no such numbers.
    """
    near = {}
    for kind, rows in described.items():
        values = rows.to_numpy(float)
        if kind in ("color", "texture"):
            values = values / np.maximum(values.std(0), 1e-12)
        pairs = pdist(values)
        apart = squareform(pairs)
        apart[np.isnan(values).any(1)] = np.nan  # of itself, too
        pairs = np.sort(pairs[~np.isnan(pairs)])
        further = np.where(np.isnan(apart), 0, len(pairs) - np.searchsorted(pairs, apart, side="right"))
        near[kind] = pd.DataFrame(further / max(len(pairs), 1), index=rows.index, columns=rows.index)
    return near


def kind_of(near: dict[str, pd.DataFrame], before: int, after: int, least: float = 0.9) -> str:
    """In which kind the two are nearest; "none" where no kind has them nearer than the share `least` of pairs.

    "not known" for a concept that `described` has no numbers of, because its masks are too small.
    """
    if not {before, after} <= set(near["color"].index):
        return "not known"
    shares = {kind: float(np.asarray(table.loc[before, after])) for kind, table in near.items()}
    best = max(shares, key=lambda kind: shares[kind])
    return best if shares[best] >= least else "none"


def alike(near: dict[str, pd.DataFrame], before: NDArray[np.int64], after: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the two concepts of each pair are alike in a kind; pairs with a concept not known are left out."""
    kinds = [kind_of(near, int(one), int(other)) for one, other in zip(before, after, strict=True)]
    return np.array([kind != "none" for kind in kinds if kind != "not known"], bool)


def dealt_anew(
    near: dict[str, pd.DataFrame], before: NDArray[np.int64], after: NDArray[np.int64], seed: int = 0, draws: int = 200
) -> float:
    """Share of `alike` pairs when the concepts after are dealt to those before anew: what luck gives.

    A pair of a concept with itself is left out, as no changed filter makes one. NaN where no pair is left.
    """
    if not len(after):
        return np.nan
    rng, found = np.random.default_rng(seed), []
    for _ in range(draws):
        dealt = rng.permutation(after)
        found.append(alike(near, before[before != dealt], dealt[before != dealt]))
    every = np.concatenate(found)
    return float(every.mean()) if len(every) else np.nan


def _of_image(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> tuple[NDArray, NDArray, NDArray] | None:
    """Color, texture and shape of one mask, (h, w), in one image, (height, width, 3)."""
    if mask.sum() < _PIXELS:
        return None
    pixels = np.asarray(Image.fromarray(image).resize(mask.shape[::-1], Image.Resampling.BOX), float) / 255
    grey = pixels.mean(2)
    across = np.abs(np.diff(grey, axis=1))[mask[:, 1:] & mask[:, :-1]]
    down = np.abs(np.diff(grey, axis=0))[mask[1:] & mask[:-1]]
    if not len(across) or not len(down):
        return None
    texture = np.array([across.mean(), across.std(), down.mean(), down.std()])
    return pixels[mask].mean(0), texture, _shape(mask)


def _shape(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    small = Image.fromarray(box.astype(np.uint8) * 255).resize((_SHAPE, _SHAPE), Image.Resampling.BOX)
    height, width = box.shape
    return np.append(np.asarray(small, float).ravel() / 255, np.log(height / width))
