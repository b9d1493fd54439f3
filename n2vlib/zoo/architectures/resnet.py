"""ResNet, small: basic blocks, each added to what went in."""

from torch import Tensor, nn

from n2vlib.zoo.architectures.parts import OUTPUTS, convolution, pooled


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions added to what went in; a 1 x 1 convolution brings that to the same shape where needed.

    The output is after the ReLU.
    """

    def __init__(self, inputs: int, filters: int, stride: int, batch_norm: bool):
        super().__init__()
        self.conv1 = convolution(inputs, filters, 3, stride, batch_norm)
        self.conv2 = convolution(filters, filters, 3, 1, batch_norm)
        same = inputs == filters and stride == 1
        self.shortcut = nn.Identity() if same else convolution(inputs, filters, 1, stride, batch_norm)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.conv2(self.relu(self.conv1(x))) + self.shortcut(x))


class SmallResNet(nn.Module):
    """A ResNet of five basic blocks: layer1 (two) on 28 x 28, layer2 (two) and layer3 (one) on 14 x 14 grids.

    head       linear, on the average and the maximum of each filter over the grid
    widths     filters of the stem and of the three layers
    """

    def __init__(
        self, outputs: int = OUTPUTS, widths: tuple[int, int, int, int] = (24, 32, 64, 128), batch_norm: bool = False
    ):
        super().__init__()
        stem, one, two, three = widths
        self.stem = nn.Sequential(convolution(3, stem, 7, 2, batch_norm), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
        self.layer1 = nn.Sequential(BasicBlock(stem, one, 1, batch_norm), BasicBlock(one, one, 1, batch_norm))
        self.layer2 = nn.Sequential(BasicBlock(one, two, 2, batch_norm), BasicBlock(two, two, 1, batch_norm))
        self.layer3 = nn.Sequential(BasicBlock(two, three, 1, batch_norm))
        self.head = nn.Linear(2 * three, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (image, output) of preprocessed images, float32 (image, 3, height, width)."""
        return self.head(pooled(self.layer3(self.layer2(self.layer1(self.stem(images))))))
