"""Random initial weights for an architecture: given by a seed, not by a file."""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor


def random_state(like: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """A state dict of the same names and shapes: He-uniform weights, variance 2 / fan-in, rounded to float16.

    Biases are 0; batch norms have their initial values. Raw 64-bit output of PCG64, scaled by one float64
    multiplication: the same bits on every machine and with every version of numpy and torch.
    """
    stream = np.random.PCG64(seed)
    return {name: _drawn(name, values, stream) for name, values in like.items()}


def _drawn(name: str, like: Tensor, stream: np.random.PCG64) -> Tensor:
    if not like.is_floating_point():
        return torch.zeros_like(like)
    if like.ndim < 2:  # one number a filter: biases 0, scales and variances of a batch norm 1
        value = 1.0 if name.endswith(("weight", "running_var")) else 0.0
        return torch.full(like.shape, value, dtype=torch.float16)
    bound = math.sqrt(6 / (like.numel() / like.shape[0]))
    unit = (stream.random_raw(like.numel()) >> np.uint64(11)) * 2.0**-53
    return torch.from_numpy(((2 * unit - 1) * bound).astype(np.float16)).reshape(like.shape)
