"""VGG, small: blocks of 3 x 3 convolutions, a pooling after each block but the last."""

from torch import Tensor, nn

from n2vlib.zoo.architectures.parts import OUTPUTS, convolution, pooled

_DEPTHS = (2, 2, 3, 3)  # VGG-16's first four blocks


class SmallVGG(nn.Module):
    """conv1_1 to conv4_3 of VGG-16, one fifth to one quarter as wide; conv4_3 on a 14 x 14 grid.

    features   convolutions, ReLUs and poolings at VGG-16's own indices: conv4_3 after its ReLU is features.22
    head       linear, on the average and the maximum of each filter over the grid
    widths     filters of the four blocks
    batch_norm each convolution is followed by batch norm (training)
    """

    def __init__(
        self, outputs: int = OUTPUTS, widths: tuple[int, int, int, int] = (12, 24, 48, 128), batch_norm: bool = False
    ):
        super().__init__()
        parts, before = [], 3
        for width, depth in zip(widths, _DEPTHS, strict=True):
            parts += [nn.MaxPool2d(2)] if parts else []
            for _ in range(depth):
                parts += [convolution(before, width, 3, 1, batch_norm), nn.ReLU()]
                before = width
        self.features = nn.Sequential(*parts)
        self.head = nn.Linear(2 * before, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (image, output) of preprocessed images, float32 (image, 3, height, width)."""
        return self.head(pooled(self.features(images)))
