"""Exemplars of units: the images on which a unit is largest anywhere, and where it is above its 0.99 quantile there.

MILAN, section 3.1, with 15 images a unit. The quantile is the unit's own, over all places of all images.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.analysis.top_images import stored_maps
from n2vlib.errors import BadInput
from n2vlib.masks.iou import taps_of
from n2vlib.methods import dissection
from n2vlib.probe import ProbeSet

COUNT, TAU = 15, 0.01
READ = 0.04  # tau_max that serves the chapters on thresholds, too: a network is read once for both


@dataclass(frozen=True, eq=False)
class Exemplars:
    """What a describer sees of some units.

    pictures   uint8, (picture, height, width, 3): every image that is an exemplar, once
    at         int64, (unit, exemplar): positions in `pictures`, the strongest first
    masks      bool, (unit, exemplar, h, w), at the size of label maps
    units      int64, (unit,): their numbers      which   int64, (unit, exemplar): positions of the images in their set
    """

    pictures: NDArray[np.uint8] = field(repr=False)
    at: NDArray[np.int64] = field(repr=False)
    masks: NDArray[np.bool_] = field(repr=False)
    units: NDArray[np.int64] = field(repr=False)
    which: NDArray[np.int64] = field(repr=False)

    def __len__(self) -> int:
        return len(self.units)

    @property
    def images(self) -> NDArray[np.uint8]:
        """The images of every unit: uint8, (unit, exemplar, height, width, 3). Of many units this is large."""
        return self.pictures[self.at]

    def of(self, rows: Sequence[int] | NDArray[np.int64]) -> "Exemplars":
        """Some of the units, by their rows."""
        rows = np.asarray(rows, np.int64)
        used, at = np.unique(self.at[rows], return_inverse=True)
        return replace(
            self,
            pictures=self.pictures[used],
            at=at.reshape(self.at[rows].shape).astype(np.int64),
            masks=self.masks[rows],
            units=self.units[rows],
            which=self.which[rows],
        )


def of_layer(
    layer: Layer,
    probe: ProbeSet,
    units: Sequence[int] | None = None,
    count: int = COUNT,
    images: Sequence[int] | None = None,
) -> Exemplars:
    """Exemplars of a layer's filters from what is stored of it, without another pass over the images.

    layer   read with tau or tau_max of at least TAU, so that the 0.99 quantile is known
    units   the filters asked for, all by default      images   which may be exemplars, all by default
    Masks are upsampled, then cut at the quantile, with the layer's cells on the centres of their receptive fields.
    """
    chosen = np.arange(layer.n_filters) if units is None else np.asarray(units, np.int64)
    among = np.arange(len(probe)) if images is None else np.sort(np.asarray(images, np.int64))
    _need(len(among), count, chosen, layer.n_filters)
    at_quantile = layer.at(TAU)
    which = among[strongest(np.asarray(layer.highest)[np.ix_(among, chosen)], count)]
    pairs = zip(chosen.tolist(), which, strict=True)
    masks = [dissection.mask(at_quantile, probe, stored_maps(at_quantile, k, shown), k) for k, shown in pairs]
    used, at = np.unique(which, return_inverse=True)
    pictures = np.concatenate([*probe.batches(64, used.tolist())])
    return Exemplars(pictures, at.reshape(which.shape), np.array(masks), chosen, which)


def of_maps(
    images: NDArray[np.uint8],
    maps: NDArray[np.float32],
    tau: float = TAU,
    count: int = COUNT,
    size: tuple[int, int] | None = None,
) -> Exemplars:
    """Exemplars from activation maps at hand, such as those of a generator's units.

    images   uint8, (image, height, width, 3)      maps   float, (image, unit, h, w)
    tau      share of all places above a unit's threshold      size   of the masks; half the images' by default
    """
    n, n_units, h, w = maps.shape
    _need(n, count, np.arange(n_units), n_units)
    which = strongest(maps.max((2, 3)), count)
    values = np.moveaxis(maps, 1, 0).reshape(n_units, -1)
    kept = max(int(tau * values.shape[1]), 1)
    thresholds = -np.partition(-values, kept, axis=1)[:, kept] if kept < values.shape[1] else values.min(1)
    height, width = size or (images.shape[1] // 2, images.shape[2] // 2)
    down, across = (each.matrix() for each in taps_of((h, w), (height, width), align_corners=False))
    masks = np.empty((n_units, count, height, width), np.bool_)
    for unit, of in enumerate(which):
        masks[unit] = down @ maps[of, unit].astype(np.float64) @ across.T > thresholds[unit]
    used, at = np.unique(which, return_inverse=True)
    return Exemplars(images[used], at.reshape(which.shape), masks, np.arange(n_units), which)


def strongest(highest: NDArray[np.floating], count: int) -> NDArray[np.int64]:
    """The images of the largest maxima, (image, unit) to (unit, count); on a tie the earlier image first."""
    return np.argsort(-highest, axis=0, kind="stable")[:count].T.astype(np.int64)


def _need(images: int, count: int, units: NDArray[np.int64], n_units: int) -> None:
    if not 0 < count <= images:
        raise BadInput(
            f"exemplars: {count} images a unit, but the set has {images}; take a larger set or a smaller count"
        )
    if len(units) and not 0 <= units.min() <= units.max() < n_units:
        raise BadInput(f"units: {units.min()} to {units.max()}; this layer has 0 to {n_units - 1}")


def at_random(of: Exemplars, units: int, seed: int) -> Exemplars:
    """Units that nothing lights up: exemplars drawn at random from those of others, with masks of yet others."""
    draws, shape = np.random.default_rng(seed), (units, of.at.shape[1])
    rows, columns = (draws.integers(0, n, shape) for n in of.at.shape)
    other = draws.integers(0, of.at.shape[0], shape), draws.integers(0, of.at.shape[1], shape)
    at, which = of.at[rows, columns], of.which[rows, columns]
    return replace(of, at=at, which=which, masks=of.masks[other], units=np.arange(units))
