"""Architectures of the zoo: plain convolutions and ReLUs when measured, batch norm only while they are trained; and a
vision transformer, which has neither.

Each class takes outputs, sizes and, unless it has no batch norm, batch_norm. It ends in a part named head with a bias
per output, and is made for 112 x 112 images. One file per family.
"""

from n2vlib.zoo.architectures.alexnet import SmallAlexNet, SmallAlexNetCells, SmallAlexNetGrey, SmallAlexNetTiles
from n2vlib.zoo.architectures.captions import SmallResNetCaptions
from n2vlib.zoo.architectures.googlenet import SmallGoogLeNet
from n2vlib.zoo.architectures.parts import folded_state
from n2vlib.zoo.architectures.resnet import SmallResNet
from n2vlib.zoo.architectures.vgg import SmallVGG
from n2vlib.zoo.architectures.vit import SmallViT

__all__ = [
    "SmallAlexNet", "SmallAlexNetCells", "SmallAlexNetGrey", "SmallAlexNetTiles", "SmallGoogLeNet",
    "SmallResNet", "SmallResNetCaptions", "SmallVGG", "SmallViT", "folded_state",
]  # fmt: skip
