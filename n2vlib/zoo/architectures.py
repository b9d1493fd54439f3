"""Architectures of the zoo: plain convolutions and ReLUs when measured, batch norm only while they are trained."""

import torch
from torch import Tensor, nn

# 12 scenes and 67 objects of the drawn world.
OUTPUTS = 79


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


ARCHITECTURES: dict[str, type[nn.Module]] = {"small-alexnet": SmallAlexNet}


def folded_state(module: nn.Module) -> dict[str, Tensor]:
    """State dict of the same network without batch norm, which is folded into the convolutions before it.

    w' = w * g / sqrt(v + eps) and b' = (b - m) * g / sqrt(v + eps) + beta, per filter.
    """
    state = {}
    for name, part in module.named_modules():
        if isinstance(part, nn.Sequential) and len(part) == 2 and isinstance(part[1], nn.BatchNorm2d):
            norm = part[1].state_dict()
            scale = norm["weight"] / (norm["running_var"] + part[1].eps).sqrt()
            state[f"{name}.weight"] = part[0].state_dict()["weight"] * scale.view(-1, 1, 1, 1)
            state[f"{name}.bias"] = norm["bias"] - norm["running_mean"] * scale
    plain = {name: values for name, values in module.state_dict().items() if not _folded_away(name, state)}
    return {name: values.detach().float().cpu().contiguous() for name, values in {**state, **plain}.items()}


def _folded_away(name: str, state: dict[str, Tensor]) -> bool:
    return name.rsplit(".", 2)[0] + ".weight" in state and name.rsplit(".", 2)[1] in ("0", "1")


def _convolution(inputs: int, filters: int, kernel: int, stride: int, batch_norm: bool) -> nn.Module:
    convolution = nn.Conv2d(inputs, filters, kernel, stride, kernel // 2, bias=not batch_norm)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters)) if batch_norm else convolution
