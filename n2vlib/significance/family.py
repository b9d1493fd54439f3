"""Hypotheses: the masks of a layer's filters, and the annotated masks that each of them may be said to match."""

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.kernels import permuted
from n2vlib.masks import counts
from n2vlib.masks.conventions import Convention
from n2vlib.masks.conventions import convention as named
from n2vlib.masks.counts import Counts
from n2vlib.probe import ProbeSet

MODULES = ["n2vlib.significance.family"]


@dataclass(frozen=True, eq=False)
class Family:
    """Every filter of a layer against every concept of a probe set, counted by a convention of Network Dissection.

    concepts   index concept; name, category (in which the convention counts it), asked (whether it can be a name)
    labels     where the concepts are, as kernels.tally takes them; a pair names its concept by its row in `concepts`
    areas      annotated pixels, (pair,)
    """

    layer: Layer
    probe: ProbeSet
    convention: Convention
    concepts: pd.DataFrame = field(repr=False)
    labels: tuple = field(repr=False)
    areas: NDArray = field(repr=False)

    @cached_property
    def masks(self) -> permuted.Masks:
        """The mask of every filter in every image."""
        return counts.dissection_masks(self.layer, self.probe, self.convention)

    @cached_property
    def candidates(self) -> pd.DataFrame:
        """The rows of `concepts` that can be a name: the last axis of every count."""
        return self.concepts.loc[self.concepts["asked"]]

    @property
    def categories(self) -> list[str]:
        """Those of the candidates, in the order of the probe set."""
        return [name for name in self.probe.categories if name in set(self.candidates["category"])]

    @property
    def key(self) -> dict:
        """What the counts depend on, for the store."""
        windows = str([asdict(window) for window in self.layer.windows or ()])
        own = {"layer": self.layer.fingerprint, "probe": self.probe.fingerprint, "input": self.layer.input_size}
        return {**own, "convention": asdict(self.convention), "windows": windows}

    def of(self, *categories: str) -> "Family":
        """The concepts of some categories alone, with the same masks."""
        kept = self.concepts["category"].isin(categories).to_numpy()
        found = self.with_pairs(kept[self.labels[3]])
        maps, map_ptr, pair_ptr, pair_concept, pair_local = found.labels
        rows = (kept.cumsum() - 1)[pair_concept]
        labels = maps, map_ptr, pair_ptr, rows, pair_local
        return self._sharing(replace(found, concepts=self.concepts.loc[kept], labels=labels))

    def with_pairs(self, kept: NDArray[np.bool_]) -> "Family":
        """Some of the (image, concept) pairs alone, with the same masks; the others count as not annotated.

        kept   (pair,)
        """
        maps, map_ptr, pair_ptr, pair_concept, pair_local = self.labels
        ptr = np.concatenate([[0], kept.cumsum()])[pair_ptr]
        labels = maps, map_ptr, ptr, pair_concept[kept], pair_local[kept]
        return self._sharing(replace(self, labels=labels, areas=self.areas[kept]))

    def _sharing(self, other: "Family") -> "Family":
        other.__dict__["masks"] = self.masks
        return other

    def holders(self) -> NDArray[np.bool_]:
        """Which images show a concept of the family, (image,)."""
        return np.diff(self.labels[2]) > 0

    def count(self, permutations: NDArray[np.int64]) -> Counts:
        """Pixel counts of each permutation: intersection and predicted, (permutation, filter, candidate); annotated,
        (permutation, 1, candidate).

        permutations   int64, (permutation, image): the image whose masks meet the annotations of each image; -1 leaves
                       the image out
        """
        codes = pd.Categorical(self.concepts["category"]).codes.astype(np.int64)
        way, n = self.convention.counts, self.layer.n_filters
        intersection, area = permuted.counts(np.ascontiguousarray(permutations), self.masks, self.labels, codes, n, way)
        pair_ptr, pair_concept = self.labels[2:4]
        image, asked = np.repeat(np.arange(permutations.shape[1]), np.diff(pair_ptr)), self.concepts["asked"].to_numpy()
        sums = [np.bincount(pair_concept, self.areas * kept[image], len(codes)) for kept in permutations >= 0]
        annotated = np.rint(sums).astype(np.int64)[:, None, asked]
        return Counts(intersection[..., asked], area[..., codes[asked]], annotated)


def family(layer: Layer, probe: ProbeSet, convention: str | Convention = "netdissect") -> Family:
    """All filters of a layer against all concepts that the convention counts."""
    way = named(convention)
    labels, category = counts.read_as(probe, way)
    pairs = np.searchsorted(labels.concepts, labels.pair_concept)
    asked = np.isin(labels.concepts, counts.dissection_concepts(probe, way).index)
    names = probe.concepts["name"].reindex(labels.concepts, fill_value="")
    concepts = pd.DataFrame({"name": names, "category": np.array(probe.categories)[category], "asked": asked})
    return Family(layer, probe, way, concepts.rename_axis("concept"), counts.arrays(labels, pairs), labels.pair_area)
