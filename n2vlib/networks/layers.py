"""The layers of a network, found in one pass: name, shape, stride and receptive field."""

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from typing import NamedTuple

import pandas as pd
import torch
from torch import nn

from n2vlib.errors import BadInput
from n2vlib.networks.declared import declared
from n2vlib.networks.following import Mark, following, mark_of
from n2vlib.networks.hooks import passing
from n2vlib.networks.outputs import HEADS, Output, attentions, items
from n2vlib.networks.receptive_field import Windows, walk, windows_of


class Grid(NamedTuple):
    """A layer's output for one image.

    shape      (filter, h, w)      permuted   from another order, tokens or windows
    n_others   tokens that are no cells and are left out: class tokens and registers
    """

    shape: tuple[int, int, int]
    windows: Windows | None
    permuted: bool
    n_others: int = 0


def grids_of(network: nn.Module, shape: tuple[int, int, int]) -> tuple[dict[str, Grid], str]:
    """{name: grid} of the outputs that are one, in the order they are made; why the pass ended early.

    shape   of an input image: (channel, height, width)
    """
    unfinished = ""
    found: dict[str, tuple[tuple[int, ...], Windows | None, Mark]] = {}

    def receive(name: str, output: object) -> None:
        for key, value in items(output):
            found[f"{name}[{key}]" if key else name] = tuple(value.shape), windows_of(value), mark_of(value)

    device = next((p.device for p in network.parameters()), torch.device("cpu"))
    images = torch.zeros(2, *shape, device=device)
    try:
        with passing(images), walk(images), following(images), ExitStack() as hooks:
            for name, output in _outputs(network):
                hooks.enter_context(output.hooked(partial(receive, name)))
            network(images)
    except BadInput as failure:
        if not found:
            raise
        unfinished = str(failure)
    grids = {}
    for name, (size, windows, mark) in found.items():
        if layout := mark.layout(len(images)) or declared(network, name, size, len(images)):
            grids[name] = Grid(layout.grid, windows if layout.stands else None, not layout.stands, layout.n_others)
    return grids, unfinished


def table(network: nn.Module, aliases: dict[str, str], grids: dict[str, Grid]) -> pd.DataFrame:
    """One row for each grid: name, alias, module, shape, stride, receptive_field (`Network.layers`)."""
    kinds = {name: type(module).__name__ for name, module in network.named_modules()}
    alias_of = {dotted: alias for alias, dotted in aliases.items()}
    rows = []
    for name, grid in grids.items():
        module = name.partition("[")[0] if name not in kinds else name
        own = {"name": name, "alias": alias_of.get(name, ""), "module": kinds.get(module, "heads"), "shape": grid.shape}
        rows.append(own | _pixels(grid.windows))
    return pd.DataFrame(rows).astype({"stride": "Int64", "receptive_field": "Int64"})


def _outputs(network: nn.Module) -> Iterator[tuple[str, Output]]:
    for name, part in network.named_modules():
        if name and not isinstance(part, torch.jit.ScriptModule):
            yield name, Output(part)
    for name, heads in attentions(network):
        yield name + HEADS, heads


def _pixels(windows: Windows | None) -> dict[str, int | None]:
    """Stride and receptive field of the longer axis, in input pixels; no field where a cell sees beyond its window."""
    if windows is None:
        return {"stride": None, "receptive_field": None}
    field = None if any(w.further for w in windows) else int(max(w.size for w in windows))
    return {"stride": int(max(w.step for w in windows)), "receptive_field": field}
