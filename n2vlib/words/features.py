"""What a frozen network computes under a mask (MILAN, section 3.2 and appendix).

The mask is shrunk to the grid of each layer, bilinearly, and divided by its sum. Each map is averaged with these
weights, and the averages of all layers are joined. Images are not masked: only the pooling is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network, load_network
from n2vlib.words.exemplars import Exemplars

AT_ONCE = 16  # images


@dataclass(frozen=True, eq=False)
class Encoder:
    """A frozen network and the layers whose maps are pooled."""

    network: Network
    layers: tuple[str, ...]

    def maps(self, images: NDArray[np.uint8], order: torch.memory_format = torch.preserve_format) -> list[Tensor]:
        """The layers' maps of uint8 images (image, height, width, 3): float32, (image, filter, h, w) each.

        order   of the images in memory: with channels_last the network is faster and rounds otherwise; with the default
                as in the training of the shipped describer
        """
        names = [self.network.layer(name) for name in self.layers]
        module = self.network.module.cpu()  # it may have been read on a GPU before
        found = run_layers(module, names, self.network.preprocessing(images).to(memory_format=order))
        return [found[name].contiguous() for name in names]

    def of(self, exemplars: Exemplars) -> NDArray[np.float32]:
        """Features of every exemplar of every unit: float32, (unit, exemplar, feature). Each image is read once."""
        found: NDArray[np.float32] | None = None
        for shown, maps in self._batches(exemplars):
            for offset, picture in enumerate(shown):
                at = np.nonzero(exemplars.at == picture)
                masks = torch.from_numpy(exemplars.masks[at])
                pooled = pool([each[offset] for each in maps], masks).numpy()
                if found is None:
                    found = np.zeros((*exemplars.at.shape, pooled.shape[1]), np.float32)
                found[at] = pooled
        assert found is not None
        return found

    def _batches(self, exemplars: Exemplars) -> Iterator[tuple[NDArray[np.int64], list[Tensor]]]:
        used = np.unique(exemplars.at)
        for start in range(0, len(used), AT_ONCE):
            shown = used[start : start + AT_ONCE]
            yield shown, self.maps(exemplars.pictures[shown], torch.channels_last)


def encoder(network: str, layers: Sequence[str]) -> Encoder:
    """The encoder of a network of that name, as `load_network` takes it."""
    return Encoder(load_network(network), tuple(layers))


def pool(maps: Sequence[Tensor], masks: Tensor) -> Tensor:
    """Maps of one image averaged under each mask: float32, (mask, feature), the layers' features joined.

    maps    float32, (filter, h, w) each      masks   bool, (mask, height, width)
    A mask with nothing in it, also after it was shrunk, pools to zeros.
    """
    full, parts = masks[:, None].float(), []
    for each in maps:
        small = F.interpolate(full, each.shape[-2:], mode="bilinear", align_corners=False).flatten(1)
        weights = small / small.sum(1, keepdim=True).clamp(min=1e-6)
        parts.append(weights @ each.flatten(1).T)
    return torch.cat(parts, 1)
