"""Labels of a batch of drawn images; the self-supervised tasks do not use them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from n2vlib.zoo.data import Drawn


@dataclass
class Labels:
    """scene int64 (image,), -1 where there is none; objects float32 (image, object)."""

    scene: Tensor
    objects: Tensor

    @classmethod
    def of(cls, drawn: Drawn, device: torch.device | str = "cpu") -> "Labels":
        """The labels of all images of `drawn`."""
        return cls(torch.from_numpy(drawn.scene).to(device), torch.from_numpy(drawn.objects).float().to(device))

    def at(self, chosen: Tensor) -> "Labels":
        """The labels of the images at these positions."""
        return Labels(self.scene[chosen], self.objects[chosen])
