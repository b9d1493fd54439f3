"""What the drawn world says about a batch of images; the self-supervised tasks do not look at it."""

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
        """Of all images of `drawn`."""
        return cls(torch.from_numpy(drawn.scene).to(device), torch.from_numpy(drawn.objects).float().to(device))

    def at(self, chosen: Tensor) -> "Labels":
        """Of the images at these places."""
        return Labels(self.scene[chosen], self.objects[chosen])
