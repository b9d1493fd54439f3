"""The tables that claims about single images need: individual IoU, and the top images of each concept."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from n2vlib.activations.layer import Layer
from n2vlib.analysis import top_images, uncertainty
from n2vlib.methods.alignment import Alignment
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import positions, presence

STRONGEST = 10  # top images of a filter


def coherence(found: Alignment, layer: Layer, probe: ProbeSet) -> pd.Series:
    """Share of the ten top validation images that contain the concept, by concept."""
    images = positions(probe, "val")
    strength = top_images.strengths(found, layer, images)
    return top_images.coherence(strength, presence(probe), min(STRONGEST, len(images)))


def of_images(pairs: pd.DataFrame, probe: ProbeSet, draws: int = 200, seed: int = 0) -> pd.DataFrame:
    """Statistics of each concept's individual IoU, (row; what, concept).

    pairs   `per_image.with_silence`
    what    zero: share of images with IoU 0; silent: share with IoU 0 and no mask; nonzero: mean of the non-zero ones
    """
    times = uncertainty.image_draws(probe, "val", draws, seed)
    times = np.concatenate([(probe.split == "val").astype(np.int64)[None], times])
    iou, concepts = pairs["individual_iou"].to_numpy(), np.unique(pairs["concept"])
    zero = iou == 0

    def total(values: NDArray) -> NDArray[np.float64]:
        at = pairs["image"].to_numpy(), np.searchsorted(concepts, pairs["concept"].to_numpy())
        return times @ sparse.csr_array((values.astype(float), at), shape=(times.shape[1], len(concepts)))

    images, zeros = total(np.ones(len(iou))), total(zero)
    table = {
        "zero": _ratio(zeros, images),
        "silent": _ratio(total(zero & pairs["silent"].to_numpy()), images),
        "nonzero": _ratio(total(iou), images - zeros),
    }
    return pd.concat({what: pd.DataFrame(values, columns=concepts) for what, values in table.items()}, axis=1)


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0)
