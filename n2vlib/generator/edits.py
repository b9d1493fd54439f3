"""Set units of a generator to other values while it draws (GAN dissection, Bau et al. 2019).

x' = x (1 - a) + v a,      a in 0 .. 1 for each unit and cell: 0 leaves it as it is, 1 sets it to v
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from n2vlib.generator.sources import BATCH, Generator


@dataclass(frozen=True)
class Edit:
    """What is done to a layer's units.

    alpha   how far each unit is set, in 0 .. 1: (unit,), (unit, h, w) or (image, unit, h, w)
    value   what it is set to, of the same shapes
    """

    alpha: Tensor
    value: Tensor

    def of(self, images: slice) -> "Edit":
        """The same for some of the images."""
        return Edit(*(each[images] if each.ndim == 4 else each for each in (self.alpha, self.value)))


def edited(activations: Tensor, edit: Edit) -> Tensor:
    """x (1 - a) + v a, for activations (image, unit, h, w)."""
    alpha, value = (_on_grid(each) for each in (edit.alpha, edit.value))
    return activations * (1 - alpha) + value * alpha


def _on_grid(each: Tensor) -> Tensor:
    return each[:, None, None] if each.ndim == 1 else each


def of_units(n_units: int, units: NDArray | list[int], value: NDArray | Tensor | float = 0.0) -> Edit:
    """An edit that sets some units everywhere: to 0 (cut), or each to its own value (raised).

    value   of every unit of the layer, (unit,), or one number for all
    """
    alpha = torch.zeros(n_units)
    alpha[torch.as_tensor(np.asarray(units, np.int64))] = 1
    return Edit(alpha, torch.as_tensor(value, dtype=torch.float32).expand(n_units))


def at_cells(edit: Edit, cells: NDArray[np.bool_]) -> Edit:
    """The same edit of units, at some cells only: bool, (h, w) or (image, h, w)."""
    where = torch.from_numpy(np.ascontiguousarray(cells)).float()
    where = where[:, None] if where.ndim == 3 else where
    return Edit(edit.alpha[:, None, None] * where, edit.value[:, None, None].expand(-1, *where.shape[-2:]))


@contextmanager
def editing(module: nn.Module, layer: str, edit: Edit) -> Iterator[None]:
    """Inside the block the layer's output is edited."""
    hook = module.get_submodule(layer).register_forward_hook(lambda *seen: edited(seen[2], edit))  # type: ignore[arg-type]
    try:
        yield
    finally:
        hook.remove()


def draw(generator: Generator, codes: Tensor, layer: str | None = None, edit: Edit | None = None) -> Tensor:
    """Pixels in -1 .. 1, (image, 3, height, width), with the layer's units edited where an edit is given."""
    made = []
    for start in range(0, len(codes), BATCH):
        these = slice(start, start + BATCH)
        if layer is None or edit is None:
            made.append(generator.module(codes[these]))
        else:
            with editing(generator.module, layer, edit.of(these)):
                made.append(generator.module(codes[these]))
    return torch.cat(made)


@torch.inference_mode()
def activations(generator: Generator, codes: Tensor, layer: str) -> tuple[Tensor, Tensor]:
    """What a layer computes, (image, unit, h, w), and the pixels drawn with it."""
    seen, made = [], []
    part = generator.module.get_submodule(layer)
    hook = part.register_forward_hook(lambda _module, _given, out: seen.append(out.clone()))
    try:
        for start in range(0, len(codes), BATCH):
            made.append(generator.module(codes[start : start + BATCH]))
    finally:
        hook.remove()
    return torch.cat(seen).clone(), torch.cat(made).clone()
