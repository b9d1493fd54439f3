"""Receptive fields of every torchvision classification network, held to gradients: writes RECEPTIVE_FIELDS.md.

    python benchmarks/receptive_fields.py [NETWORK ...]      with names, only prints

For every layer that puts out a grid, two neighbouring cells in the middle of a long strip, along both axes: the pixels
that the gradient of a cell reaches (tests/reach.py) must be those of its window, and from cell to cell they must move
by its stride. Behind a gate that is asked of the direct path, with what was pooled to one cell cut off; with the gate
the gradient must reach the whole strip. Takes minutes on one core.
"""

import sys
from dataclasses import dataclass
from datetime import date
from math import ceil
from pathlib import Path

import pandas as pd
import torch
import torchvision
from executed import markdown
from torch import nn
from torch.overrides import TorchFunctionMode

from n2vlib.errors import BadInput
from n2vlib.networks.load import Network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.paths import ROOT

sys.path.insert(0, str(ROOT / "tests"))
from reach import differences

MADE_FOR = 224  # pixels, where a network takes images of this size only


@dataclass
class Found:
    """What was compared of one network. `followed`: layers whose cells have a place; `gated`: those behind a gate."""

    network: str
    input: str
    layers: int
    followed: int
    gated: int
    cells: int
    wrong: int


class shapes_only(TorchFunctionMode):
    """Parameters made in this block are on torch's meta device: nothing is drawn. (RegNet reckons with tensors.)"""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return func(*args, **((kwargs or {}) | ({"device": "meta"} if func is torch.empty else {})))


def on(module: nn.Module, name: str, size: tuple[int, int]) -> Network:
    return Network(name, module, Preprocessing(size, (0, 0, 0), (1, 1, 1)), "none", fingerprint="none")


def long_enough(module: nn.Module, name: str, across: int) -> int:
    """Pixels of a strip on which the windows of two cells in the middle lie inside, at every layer."""
    found = on(module, name, (512, across))._grids.values()
    placed = [(each.shape, each.windows) for each in found if each.windows]
    step = max((each[0].step for shape, each in placed if shape[1] > 1), default=1)
    size = max((each[0].size for shape, each in placed if shape[1] > 1), default=1)
    return 32 * ceil((size + 4 * step) / 32)


def compare(name: str) -> tuple[Found, list[str]]:
    with shapes_only():
        module = torchvision.models.get_model(name, weights=None).to("meta")
    across = 96 if name.startswith("inception") else 32
    try:
        sizes = [(long_enough(module, name, across), across)]
        sizes.append(sizes[0][::-1])
    except (BadInput, AssertionError):
        sizes = [(MADE_FOR, MADE_FOR)]
    cells, wrong, layers = 0, [], {}
    for size in sizes:
        layers = on(module, name, size)._grids
        more, differing = differences(module, layers, size)
        cells, wrong = cells + more, wrong + [f"{name}.{each}" for each in differing]
    followed = [each.windows for each in layers.values() if each.windows]
    gated = sum(windows[0].further for windows in followed)
    shown = " x ".join(map(str, sizes[0]))
    return Found(name, shown, len(layers), len(followed), gated, cells, len(wrong)), wrong


def main(names: list[str]) -> None:
    rows, wrong = [], []
    for name in names or torchvision.models.list_models(module=torchvision.models):
        found, differing = compare(name)
        rows.append(found)
        wrong += differing
        print(found, *differing[:5], sep="\n  ", flush=True)
    table = pd.DataFrame(rows)
    if not names:
        out = Path(__file__).with_name("RECEPTIVE_FIELDS.md")
        out.write_text(page(table, wrong), encoding="utf-8")
    if wrong:
        raise SystemExit(f"{len(wrong)} cells see something else")


def page(table: pd.DataFrame, wrong: list[str]) -> str:
    total = table[["layers", "followed", "gated", "cells", "wrong"]].sum()
    return f"""# Receptive fields of torchvision's classification networks

Written by `python benchmarks/receptive_fields.py`: {len(table)} networks, {total["layers"]:,} layers that put out a
grid. Of {total["followed"]:,} the walk knows where their cells lie ({total["gated"]:,} of them behind a gate);
{total["cells"]:,} cells were held to gradients along both axes, {total["wrong"]} differ.

A layer that puts out what one before it did (here activations and norms pass everything on) was compared once. Layers
not followed (behind ConvNeXt's permuted norm, windows of attention, tokens) have no stride and no receptive field, and
are laid out evenly.

- torch {torch.__version__}, torchvision {torchvision.__version__}; {date.today()}

{markdown(table)}
{"".join(f"- {each}" + chr(10) for each in wrong)}"""


if __name__ == "__main__":
    main(sys.argv[1:])
