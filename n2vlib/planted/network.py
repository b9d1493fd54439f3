"""A torch module that reads spelled-out photographs and encodes their concepts as planned."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.planted.photographs import GRID, SIDE
from n2vlib.planted.plan import VIEWS, Plan

PREPROCESSING = Preprocessing(
    (2 * SIDE, 2 * SIDE), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 255
)  # codes arrive as they were written


class Occupancy(nn.Module):
    """Share of each cell's pixels that show each view of each concept: (image, concept * view, GRID, GRID)."""

    cell: Tensor

    def __init__(self, n_concepts: int):
        super().__init__()
        self.n_symbols = n_concepts * VIEWS
        cell = torch.arange(2 * SIDE) * GRID // (2 * SIDE)
        self.register_buffer("cell", cell[:, None] * GRID + cell)

    def forward(self, photographs: Tensor) -> Tensor:
        """photographs   float, (image, 3, 2 * SIDE, 2 * SIDE), values 0 to 255"""
        place, view = photographs[:, 0].long(), photographs[:, 1].long()
        symbol = torch.where(place > 0, (place - 1) * VIEWS + view, self.n_symbols)
        at = (symbol * GRID**2 + self.cell).flatten(1)
        counts = torch.zeros(len(at), (self.n_symbols + 1) * GRID**2, device=at.device)
        counts.scatter_add_(1, at, torch.ones_like(at, dtype=counts.dtype))
        shares = counts / (SIDE // GRID) ** 2
        return shares.view(len(at), -1, GRID, GRID)[:, : self.n_symbols]


class Noisy(nn.Module):
    """gain relu(signal + sigma noise)."""

    def __init__(self, percent: int, gain: float):
        super().__init__()
        self.sigma, self.gain = percent / 100, gain

    def forward(self, signal: Tensor, noise: Tensor) -> Tensor:
        return self.gain * torch.relu(signal + self.sigma * noise)


class Planted(nn.Module):
    """A_k = gain relu(sum over concepts and views of occupancy * encoding + sigma * noise), a layer for each sigma.

    levels   names of the layers, "noise_20" for sigma = 0.2: noise in percent of what a full cell puts out
    The noise is normal, of deviation 1, independent for every image, filter and cell, and the same at every level.
    """

    def __init__(self, plan: Plan, noise: Sequence[int], seed: int, gain: float):
        super().__init__()
        self.seed, self.levels = seed, [f"noise_{percent}" for percent in noise]
        self.occupancy = Occupancy(len(plan.concepts))
        self.signal = nn.Conv2d(self.occupancy.n_symbols, plan.n_filters, 1, bias=False)
        with torch.no_grad():
            weights = torch.from_numpy(plan.encoding).flatten(0, 1).T
            self.signal.weight.copy_(weights[:, :, None, None])
        for level, percent in zip(self.levels, noise, strict=True):
            self.add_module(level, Noisy(percent, gain))

    def forward(self, photographs: Tensor) -> list[Tensor]:
        signal = self.signal(self.occupancy(photographs))
        noise = self._noise(photographs).to(signal.device)
        return [self.get_submodule(level)(signal, noise) for level in self.levels]

    def _noise(self, photographs: Tensor) -> Tensor:
        """Drawn anew for every image, by a generator that starts from the bytes of its number."""
        keys = photographs[:, 2, 0, :4].long().tolist()
        shape = (self.signal.out_channels, GRID, GRID)
        drawn = [np.random.default_rng([self.seed, *key]).standard_normal(shape, np.float32) for key in keys]
        return torch.from_numpy(np.stack(drawn))


def network(plan: Plan, noise: Sequence[int], seed: int = 0, gain: float = 1.0) -> Planted:
    """The planted network; give it to `load_network` with PREPROCESSING.

    noise   deviation of the noise at each level, in percent of a filter's output where its concept fills a cell
    gain    what every activation is multiplied by, noise included
    """
    return Planted(plan, noise, seed, gain)
