"""The zoo's generator and segmenter of drawn scenes: convolutions and ReLUs, batch norm only while they are trained."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.zoo.architectures.parts import convolution


def _step(inputs: int, units: int, batch_norm: bool, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(convolution(inputs, units, kernel, stride, batch_norm), nn.ReLU())


class Decoder(nn.Module):
    """Pictures of 56 x 56 pixels from codes: a dense layer, then convolutions on grids of 7, 14, 28 and 56.

    code     numbers in a code      widths   units of the grids 7, 14 and 28, whose layers are grid7, grid14 and grid28
    """

    def __init__(self, code: int, widths: tuple[int, int, int], batch_norm: bool = False):
        super().__init__()
        one, two, three = widths
        self.dense = nn.Linear(code, 49 * one)
        self.grid7 = _step(one, one, batch_norm)
        self.grid14 = _step(one, two, batch_norm)
        self.grid28 = _step(two, three, batch_norm)
        self.out = nn.Conv2d(three, 3, 3, padding=1)

    def forward(self, codes: Tensor) -> Tensor:
        """Pixels in -1 .. 1, (image, 3, 56, 56), of codes (image, code)."""
        grid = self.grid7(F.relu(self.dense(codes).view(len(codes), -1, 7, 7)))
        for layer in (self.grid14, self.grid28, self.out):
            grid = layer(F.interpolate(grid, scale_factor=2))
        return torch.tanh(grid)


class Encoder(nn.Module):
    """Mean and log variance of the codes of pictures of 56 x 56 pixels; it serves to train a `Decoder`."""

    def __init__(self, code: int):
        super().__init__()
        steps = [_step(3, 32, True, 5, 2), _step(32, 64, True, 5, 2), _step(64, 64, True, 5, 2)]
        self.layers = nn.Sequential(*steps, nn.Flatten(), nn.Linear(64 * 49, 2 * code))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Both (image, code), of pixels in -1 .. 1, (image, 3, 56, 56)."""
        mean, log_variance = self.layers(pixels).chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 2)


class Segmenter(nn.Module):
    """Scores of classes at every second pixel: a small U-Net, which goes down to an eighth of the side and up again.

    classes   their number, with the first, which stands for nothing of the others
    """

    def __init__(self, classes: int, widths: tuple[int, int, int] = (32, 64, 96), batch_norm: bool = False):
        super().__init__()
        one, two, three = widths
        self.down2 = _step(3, one, batch_norm, 5, 2)
        self.down4 = _step(one, two, batch_norm, 3, 2)
        self.down8 = _step(two, three, batch_norm, 3, 2)
        self.bottom = _step(three, three, batch_norm)
        self.up4 = _step(three + two, two, batch_norm)
        self.up2 = _step(two + one, one, batch_norm)
        self.out = nn.Conv2d(one, classes, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Scores (image, class, height / 2, width / 2) of pixels in -1 .. 1, (image, 3, height, width)."""
        two = self.down2(pixels)
        four = self.down4(two)
        grid = self.bottom(self.down8(four))
        grid = self.up4(torch.cat([_as_large(grid, four), four], 1))
        return self.out(self.up2(torch.cat([_as_large(grid, two), two], 1)))


def _as_large(grid: Tensor, other: Tensor) -> Tensor:
    return F.interpolate(grid, size=other.shape[-2:], mode="nearest")
