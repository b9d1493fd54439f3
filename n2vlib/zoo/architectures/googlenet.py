"""GoogLeNet, small: inception modules on a 14 x 14 and on a 7 x 7 grid."""

import torch
from torch import Tensor, nn

from n2vlib.zoo.architectures.parts import OUTPUTS, convolution, pooled


class Inception(nn.Module):
    """Four branches side by side: 1 x 1; 1 x 1 then 3 x 3; 1 x 1 then 5 x 5; 3 x 3 pooling then 1 x 1.

    filters   of the output; half of them come from the 3 x 3, a quarter from the 1 x 1, an eighth from each other
    The output is after the ReLU.
    """

    def __init__(self, inputs: int, filters: int, batch_norm: bool):
        super().__init__()
        half, quarter, eighth = filters // 2, filters // 4, filters // 8
        self.one = convolution(inputs, quarter, 1, 1, batch_norm)
        self.before_three = convolution(inputs, half, 1, 1, batch_norm)
        self.three = convolution(half, half, 3, 1, batch_norm)
        self.before_five = convolution(inputs, eighth, 1, 1, batch_norm)
        self.five = convolution(eighth, eighth, 5, 1, batch_norm)
        self.pool = nn.MaxPool2d(3, 1, 1)
        self.after_pool = convolution(inputs, eighth, 1, 1, batch_norm)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        three = self.three(self.relu(self.before_three(x)))
        five = self.five(self.relu(self.before_five(x)))
        return self.relu(torch.cat([self.one(x), three, five, self.after_pool(self.pool(x))], dim=1))


class SmallGoogLeNet(nn.Module):
    """GoogLeNet's stem and its fourth and fifth groups of inception modules, narrower and fewer.

    inception4a .. inception4c   on a 14 x 14 grid
    inception5a, inception5b     on a 7 x 7 grid
    head                         linear, on the average and the maximum of each filter over the grid
    widths                       filters of conv1, conv2, and of each inception module of the two groups
    """

    def __init__(
        self, outputs: int = OUTPUTS, widths: tuple[int, int, int, int] = (24, 64, 128, 128), batch_norm: bool = False
    ):
        super().__init__()
        one, two, four, five = widths
        self.stem = nn.Sequential(
            convolution(3, one, 7, 2, batch_norm),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
            convolution(one, two, 3, 1, batch_norm),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        self.inception4a = Inception(two, four, batch_norm)
        self.inception4b = Inception(four, four, batch_norm)
        self.inception4c = Inception(four, four, batch_norm)
        self.pool = nn.MaxPool2d(3, 2, 1)
        self.inception5a = Inception(four, five, batch_norm)
        self.inception5b = Inception(five, five, batch_norm)
        self.head = nn.Linear(2 * five, outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Scores (image, output) of preprocessed images, float32 (image, 3, height, width)."""
        fourth = self.inception4c(self.inception4b(self.inception4a(self.stem(images))))
        return self.head(pooled(self.inception5b(self.inception5a(self.pool(fourth)))))
