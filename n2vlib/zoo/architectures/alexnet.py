"""AlexNet's body, small: one answer per image, one per cell of conv5 (in color or grey), or one per order of tiles."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.zoo.architectures.parts import OUTPUTS
from n2vlib.zoo.architectures.parts import convolution as _convolution

LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in the brightness of a color (ITU-R BT.601)


# The text of this class is part of the fingerprint of the networks shipped with it: leave it as it is.
class SmallAlexNet(nn.Module):
    """AlexNet's five convolutions, one to two thirds as wide, for 112 x 112 images; conv3 to conv5 on 14 x 14 grids.

    features   convolutions, ReLUs and poolings at AlexNet's own indices: conv5 after its ReLU is features.11
    head       linear, on the average and the maximum of each filter over the grid
    widths     filters of conv1 .. conv5
    batch_norm each convolution is followed by batch norm (training); `folded` removes it
    """

    def __init__(
        self,
        outputs: int = OUTPUTS,
        widths: tuple[int, int, int, int, int] = (24, 64, 128, 128, 128),
        batch_norm: bool = False,
    ):
        super().__init__()
        one, two, three, four, five = widths
        self.features = nn.Sequential(
            _convolution(3, one, 7, 2, batch_norm),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
            _convolution(one, two, 5, 1, batch_norm),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
            _convolution(two, three, 3, 1, batch_norm),
            nn.ReLU(),
            _convolution(three, four, 3, 1, batch_norm),
            nn.ReLU(),
            _convolution(four, five, 3, 1, batch_norm),
            nn.ReLU(),
        )
        self.head = nn.Linear(2 * five, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (image, output) of preprocessed images, float32 (image, 3, height, width)."""
        grid = self.features(images)
        return self.head(torch.cat([grid.mean((2, 3)), grid.amax((2, 3))], dim=1))


class SmallAlexNetCells(SmallAlexNet):
    """The same body with an answer for every cell of conv5: head is a 1 x 1 convolution."""

    def __init__(
        self,
        outputs: int = OUTPUTS,
        widths: tuple[int, int, int, int, int] = (24, 64, 128, 128, 128),
        batch_norm: bool = False,
    ):
        super().__init__(outputs, widths, batch_norm)
        self.head = nn.Conv2d(widths[-1], outputs, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (image, output, h, w) on conv5's grid, of preprocessed images (image, 3, height, width)."""
        return self.head(self.features(images))


class SmallAlexNetGrey(SmallAlexNetCells):
    """The same, color-blind: all it is told of a pixel is its luma."""

    def forward(self, images: Tensor) -> Tensor:
        """Scores (image, output, h, w) on conv5's grid, of preprocessed images (image, 3, height, width)."""
        red, green, blue = images.split(1, dim=1)
        luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
        return super().forward(luma.expand(-1, 3, -1, -1))


class SmallAlexNetTiles(SmallAlexNet):
    """The same body with a head that knows which quarter of the grid a filter was active in.

    head       linear, on the average and the maximum of each filter over each quarter
    """

    def __init__(
        self,
        outputs: int = OUTPUTS,
        widths: tuple[int, int, int, int, int] = (24, 64, 128, 128, 128),
        batch_norm: bool = False,
    ):
        super().__init__(outputs, widths, batch_norm)
        self.head = nn.Linear(8 * widths[-1], outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (image, output) of preprocessed images, float32 (image, 3, height, width)."""
        grid = self.features(images)
        quarters = torch.cat([F.adaptive_avg_pool2d(grid, 2), F.adaptive_max_pool2d(grid, 2)], dim=1)
        return self.head(quarters.flatten(1))
