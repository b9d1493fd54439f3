"""Tokens whose cells the network's code hides: the network says itself which of them are the grid.

    network.n2v_tokens = {"before": 5, "grid": [14, 14]}       a class token and four registers, then 14 x 14 cells

The attribute holds for all tokens (image, token, channel) of the module that has it and of the modules in it, where the
forward pass does not show which token is which cell; a module inside may say otherwise. `after`, 0 unless given, is the
number of tokens behind the cells.
"""

from collections.abc import Mapping

from torch import nn

from n2vlib.errors import BadInput
from n2vlib.networks.axes import CELLS, Part
from n2vlib.networks.layout import Layout, layout_of

NAME = "n2v_tokens"
EXAMPLE = f'network.{NAME} = {{"before": 1, "grid": [14, 14]}}'


def declared(network: nn.Module, name: str, shape: tuple[int, ...], images: int) -> Layout | None:
    """The layout of tokens by what the network says of them; None where it says nothing.

    name   of the layer      shape   of its output for so many images
    Raises BadInput where it says something else than the output's number of tokens.
    """
    said = _nearest(network, name)
    if said is None or len(shape) != 3 or shape[0] != images:
        return None
    try:
        before, after = int(said["before"]), int(said.get("after", 0))
        height, width = map(int, said["grid"])
    except (KeyError, TypeError, ValueError, AttributeError):
        raise BadInput(f"layer {name}: {NAME} is {said!r}; write, for instance, {EXAMPLE}") from None
    if min(before, after) < 0 or min(height, width) < 1 or before + height * width + after != shape[1]:
        held = f"{before} + {height} x {width} + {after} tokens"
        raise BadInput(f"layer {name}: {NAME} says {held}, and the layer has {shape[1]}")
    cells = (-1,) * before + tuple(range(height * width)) + (-1,) * after
    tokens = Part(CELLS, len(cells), width, height * width, cells)
    axes = ((Part("n", images, 1, images),), (tokens,), (Part("c", shape[2], 1, shape[2]),))
    return layout_of(axes, images)


def _nearest(network: nn.Module, name: str) -> Mapping | None:
    """What the module of that name, or the nearest one around it, says of its tokens."""
    said, module = getattr(network, NAME, None), network
    for part in name.partition("[")[0].split("."):
        module = module._modules.get(part)
        if module is None:
            break
        said = getattr(module, NAME, said)
    return said
