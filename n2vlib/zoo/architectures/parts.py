"""What the architectures share: convolutions that may carry a batch norm, the head, and folding the norm away."""

import torch
from torch import Tensor, nn

# 12 scenes and 67 objects of the drawn world.
OUTPUTS = 79


def convolution(inputs: int, filters: int, kernel: int, stride: int, batch_norm: bool) -> nn.Module:
    """A convolution that keeps the grid (divided by the stride), followed by batch norm where it is asked for."""
    convolution = nn.Conv2d(inputs, filters, kernel, stride, kernel // 2, bias=not batch_norm)
    return nn.Sequential(convolution, nn.BatchNorm2d(filters)) if batch_norm else convolution


def pooled(grid: Tensor) -> Tensor:
    """Average and maximum of each filter over the grid: (image, filter, h, w) -> (image, 2 * filter)."""
    return torch.cat([grid.mean((2, 3)), grid.amax((2, 3))], dim=1)


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
