"""The formulas of a layer's filters."""

from collections.abc import Sequence
from functools import cached_property, lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.compositional import beam as beams
from n2vlib.compositional.atoms import LEFT_OUT, Atoms, Counts, atoms
from n2vlib.compositional.formula import Formula
from n2vlib.kernels.permuted import Masks
from n2vlib.masks import counts
from n2vlib.masks.conventions import EVERYWHERE, HALF_PIXEL, Convention
from n2vlib.probe import ProbeSet

COMPEXP = Convention("compexp", HALF_PIXEL, EVERYWHERE, left_out=LEFT_OUT)  # as in the authors' program


class Filters:
    """The masks of a layer's filters, and the atoms of the probe set's pixels under them.

    left_out   categories whose labels are no concepts of formulas
    """

    def __init__(self, layer: Layer, probe: ProbeSet, left_out: Sequence[str] = LEFT_OUT):
        self.layer, self.probe, self.left_out = layer, probe, tuple(left_out)
        self.atoms: Atoms = atoms(probe, layer.store, left_out=left_out)
        self._truth = lru_cache(maxsize=1024)(self.atoms.truth)  # of a formula that is asked for image after image

    @cached_property
    def masks(self) -> Masks:
        """S(A_k) > T_k of every filter in every image."""
        return counts.dissection_masks(self.layer, self.probe, COMPEXP)

    def counts(self, shown: NDArray[np.int64] | None = None) -> Counts:
        """What a search needs, over all images.

        shown   (image,): the image whose annotations each image is given, its own by default
        """
        found = self.atoms.fired(self.masks, self.layer.n_filters, shown)
        return self._counts(found, self.atoms.sizes())

    def halves(self, group: NDArray[np.int64]) -> list[Counts]:
        """The same for each group of images, numbered from 0: (image,)."""
        found = self.atoms.fired(self.masks, self.layer.n_filters, group=group)
        return [self._counts(*of) for of in zip(found, self.atoms.sizes(group), strict=True)]

    def _counts(self, fired: NDArray[np.int64], sizes: NDArray[np.int64]) -> Counts:
        return Counts(fired, sizes, self.atoms.members, self.atoms.concepts, self.beside)

    def mask(self, formula: Formula, image: int) -> NDArray[np.bool_]:
        """Where a formula holds in an image, as it is counted: bool, (sh, sw)."""
        return self._truth(formula)[self.atoms.of[image]].reshape(self.probe.label_size)

    @cached_property
    def beside(self) -> NDArray[np.bool_]:
        """Whether a concept is in an image in which the filter fires, (filter, concept)."""
        fires = np.asarray(self.layer.highest) > self.layer.thresholds
        return fires.T.astype(np.float32) @ self.atoms.shows.astype(np.float32) > 0


def filters(
    layer: Layer, probe: ProbeSet, *, length: int = beams.LENGTH, beam: int = beams.BEAM, released: bool = False
) -> pd.DataFrame:
    """The best formula of every filter of a layer (Mu and Andreas 2, equation 1).

    length     of the longest formula allowed, in concepts      beam, released   see `beam.search`
    Returns    network, layer, filter, allowed (1 to `length`), formula (text; "" where no concept overlaps), iou,
               length
    """
    found = beams.search(Filters(layer, probe).counts(), length, beam=beam, released=released)
    texts = ["" if formula is None else str(formula) for formula in found["formula"]]
    table = found.rename(columns={"unit": "filter"}).assign(formula=texts)
    table = table.assign(network=layer.network, layer=layer.name)
    return table.loc[:, ["network", "layer", "filter", "allowed", "formula", "iou", "length"]]
