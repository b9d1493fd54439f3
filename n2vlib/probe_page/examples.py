"""The images that the page shows of each concept, with its masks: from the smallest masks to the largest."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from n2vlib.display.style import short
from n2vlib.pages.pictures import path_within
from n2vlib.probe import ProbeSet
from n2vlib.progress import bar

ALL_PATHS = 5_000_000  # characters of all masks
MOST_PATH = 6_000  # of one mask


def spread(probe: ProbeSet, count: int, seed: int) -> list[NDArray[np.int64]]:
    """For each concept, positions of at most `count` of its images, by rising area of its mask.

    The images are ordered by area (then position) and divided into `count` runs of equal length; one image of each run
    is drawn at random. What is drawn for one concept does not depend on the others.
    """
    labels = probe.labels
    area = labels.pair_area[np.argsort(labels.pair_concept, kind="stable")]  # in the order of `holders`
    found = []
    for number, (start, stop) in zip(labels.concepts.tolist(), pairwise(labels.holder_ptr.tolist()), strict=True):
        rng = np.random.default_rng([seed, number])
        held = labels.holders[start:stop][np.argsort(area[start:stop], kind="stable")]
        runs = np.array_split(held, min(count, len(held))) if len(held) else []
        found.append(np.array([rng.choice(run) for run in runs], np.int64))
    return found


def drawn(probe: ProbeSet, chosen: list[NDArray[np.int64]]) -> list[list[list]]:
    """For each concept its examples, [image, share of the image, mask]; the mask a path in pixels of the label map,
    None where it is the whole image. A mask of too many corners is drawn coarser (`path_within`).
    """
    most = min(MOST_PATH, ALL_PATHS // max(sum(map(len, chosen)), 1))
    pairs = zip(probe.concepts.index, chosen, strict=True)
    return [_of_concept(probe, int(number), images, most) for number, images in bar(pairs, "masks", len(chosen))]


def _of_concept(probe: ProbeSet, number: int, images: NDArray[np.int64], most: int) -> list[list]:
    masks = [probe.annotated(number, int(image)) for image in images]
    shares = short([mask.mean() for mask in masks])
    paths = (None if mask.all() else path_within(mask, most) for mask in masks)
    return [list(row) for row in zip(images.tolist(), shares, paths, strict=True)]
