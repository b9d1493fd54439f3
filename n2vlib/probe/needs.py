"""Check that a probe set has what a chapter needs, before anything is measured; say in one line what is missing."""

import numpy as np
import pandas as pd

from n2vlib.errors import BadInput
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import presence

PIXEL_MAPS, WITHOUT = "pixel maps", "images without it"
SPLITS = {"training images": "train", "validation images": "val"}


def need(probe: ProbeSet, *wanted: str, concepts: int = 1) -> pd.Index:
    """The numbers of the concepts that have everything wanted; BadInput where these are fewer than `concepts`.

    wanted     of "pixel maps", "training images", "validation images", and "images without it" in the same splits
    concepts   how many concepts must have all of that
    """
    asked = [what for what in SPLITS if what in wanted]
    there = {PIXEL_MAPS: bool(probe.concepts["segmentable"].any())}
    there |= {what: bool((probe.split == SPLITS[what]).any()) for what in asked}
    for what in wanted:
        if not there.get(what, True):
            raise BadInput(f"this chapter needs {what}; the probe set {probe.name} has none")
    fit = (probe.concepts["segmentable"] if PIXEL_MAPS in wanted else probe.concepts["segmentable"].notna()).to_numpy()
    for held in (presence(probe, SPLITS[what]).to_numpy() for what in asked):
        fit = fit & held.any(axis=0) & ~(held.all(axis=0) & (WITHOUT in wanted))
    if np.sum(fit) < concepts:
        some = ("a concept" if concepts == 1 else f"{concepts} concepts") + f" with {_listed(wanted)}" * bool(wanted)
        found = f"{np.sum(fit)} of {len(fit)} fit"
        raise BadInput(f"this chapter needs {some}; of the concepts of the probe set {probe.name} {found}")
    return probe.concepts.index[fit]


def _listed(words: tuple[str, ...]) -> str:
    return " and ".join(", ".join(words).rsplit(", ", 1))
