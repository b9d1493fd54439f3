"""Capture the outputs of a network's modules in one forward pass, which stops at the deepest of them.

    with capture(net, ["features.4", "features.11"]) as seen:
        net(images)
    seen["features.11"]              # float32, (image, filter, h, w)

Hooks are removed at the end of the `with` block. Outputs are copied (all but the last, after which nothing runs), so a
later in-place ReLU cannot change them. A module that is called several times in one pass is captured at its last call,
and the pass stops only after the last call of every requested module.
"""

import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from functools import partial
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from n2vlib.errors import BadInput, one_line
from n2vlib.networks.declared import EXAMPLE, declared
from n2vlib.networks.following import Mark, following, mark_of
from n2vlib.networks.layout import Layout
from n2vlib.networks.outputs import find
from n2vlib.workers.heap import keep_freed_memory

keep_freed_memory()  # arrays have the same sizes in every batch


class Seen(NamedTuple):
    """What a whole pass shows of a module: the number of calls, and the shape and layout of its last output."""

    calls: int = 0
    shape: tuple[int, ...] | None = None  # for one image; None where the output is no tensor
    layout: Layout | None = None  # None where it is unknown


_HINT = "it must take one batch of images and nothing else; check size in PREPROCESSING"
# A pattern of torch's error message -> what to do.
_HINTS = {
    r"to have \d+ channels?, but got \d+": "mean and std in PREPROCESSING: one number for each channel, [0.5] for grey",
    "Half|BFloat16": "this device cannot compute it in half precision; let your function return network.float()",
}

# Learned once per network, set of names and size of images, from a whole pass over one image.
_seen_of: WeakKeyDictionary[nn.Module, dict[tuple, dict[str, Seen]]] = WeakKeyDictionary()


class Derived(NamedTuple):
    """A layer that is a map of another module's grid: float32, (image, filter, h, w) to (image, unit, h, w)."""

    module: str
    map: nn.Module
    name: str  # of the map, for people
    added: Callable[[], Tensor]  # what a unit of 1 adds to the grid, float32 (unit, filter); BadInput where unknown


_derived_of: WeakKeyDictionary[nn.Module, dict[str, Derived]] = WeakKeyDictionary()


class _Stop(BaseException):
    """Leaves the forward pass; not an Exception, so that no `except Exception` inside a network catches it."""


def derived(module: nn.Module) -> dict[str, Derived]:
    """The derived layers of a network, which `run_layers` takes by their names; `units` adds to them."""
    return _derived_of.setdefault(module, {})


def run_layers(module: nn.Module, names: Sequence[str], images: Tensor) -> dict[str, Tensor]:
    """Outputs of the modules `names`, {name: float32 (image, filter, h, w)}, from one pass in inference mode.

    module   in eval mode, on the device of `images`
    names    of outputs (`outputs`): dotted module names, heads, one of several; of derived layers; "" is the network
    images   float32, (image, channel, height, width), preprocessed
    Outputs (image, filter) of fully connected modules are read as 1 x 1 grids. Outputs in another order, such as
    (image, h, w, filter), tokens or windows, are brought to that one (`layout`); class tokens and registers are left
    out. The pass stops at the deepest module. The first call for a network and image size runs a whole pass over one
    image, shown twice; the number of calls, and the grids, must not depend on the images'
    content. Raises BadInput for an unknown name, a module that is not called, another kind of output, a grid that
    changes, or any error of the network.
    """
    maps = derived(module)
    wanted = tuple(dict.fromkeys(maps[name].module if name in maps else name for name in names))
    known, key = _seen_of.setdefault(module, {}), (wanted, images.shape[1:])
    if key not in known:
        known[key] = learn(module, wanted, images[:1])
    seen = known[key]
    with passing(images), capture(module, wanted, {name: seen[name].calls for name in wanted}) as outputs:
        module(images)
    for name in wanted:
        if name not in outputs:
            raise BadInput(f"layer {name}: the network calls it for some images only; choose another module")
    grids = {name: _as_grid(outputs[name], name, len(images), seen[name]) for name in wanted}
    return {name: _mapped(grids, maps[name]) if name in maps else grids[name] for name in names}


def _mapped(grids: dict[str, Tensor], layer: Derived) -> Tensor:
    grid = grids[layer.module]
    with torch.inference_mode():
        return layer.map.to(grid.device)(grid)


@contextmanager
def passing(images: Tensor) -> Iterator[None]:
    """A `with` block for a pass in inference mode; an error of the network becomes BadInput of one line.

    Compiled modules run uncompiled, since hooks added after compilation would not be called; and attention runs
    without torch's fast path, which calls none of the modules inside.
    """
    compiled = "torch._dynamo" in sys.modules
    fast = torch.backends.mha.get_fastpath_enabled()
    try:
        torch.backends.mha.set_fastpath_enabled(False)
        with torch.inference_mode(), torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            yield
    except BadInput:
        raise
    except Exception as failure:  # it is the user's code
        shape = "x".join(map(str, images.shape[1:]))
        hint = next((hint for sign, hint in _HINTS.items() if re.search(sign, str(failure))), _HINT)
        raise BadInput(f"network: its pass over an input of {shape} fails ({one_line(failure)}); {hint}") from failure
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def capture(
    module: nn.Module, names: Sequence[str], calls: dict[str, int] | None = None
) -> Iterator[dict[str, object]]:
    """A `with` block in which a pass through `module` fills {name: output}; the last call of a module wins.

    calls   how often the pass calls each module (`learn`): with it the pass stops after the last of those calls,
            and leaves the block at once; without it the pass runs to its end
    """
    seen: dict[str, object] = {}
    waiting: dict[str, float] = {**calls} if calls else dict.fromkeys(names, math.inf)

    def receive(name: str, output: object) -> None:
        waiting[name] -= 1
        last = not any(left > 0 for left in waiting.values())
        seen[name] = output.clone() if isinstance(output, Tensor) and not last else output
        if last:
            raise _Stop

    with ExitStack() as hooks, suppress(_Stop):
        for name in names:
            hooks.enter_context(find(module, name).hooked(partial(receive, name)))
        yield seen


def learn(module: nn.Module, names: Sequence[str], images: Tensor) -> dict[str, Seen]:
    """How often one whole pass calls each module of `names`, and the layout of its output.

    The network may fail after the requested modules (a classifier for another image size).
    Raises BadInput where a module is never called, or where the pass fails before all of them were.
    """
    found: dict[str, list[tuple[tuple[int, ...], Mark] | None]] = {name: [] for name in names}
    pair = torch.cat([images[:1], images[:1]])

    def receive(name: str, output: object) -> None:
        found[name].append((tuple(output.shape), mark_of(output)) if isinstance(output, Tensor) else None)

    try:
        with passing(pair), following(pair), ExitStack() as hooks:
            for name in names:
                hooks.enter_context(find(module, name).hooked(partial(receive, name)))
            module(pair)
    except BadInput:
        if not all(found.values()):
            raise
    for name, outputs in found.items():
        if not outputs:
            raise BadInput(f"layer {name}: a pass through the network does not call it; {_instead(module, name)}")
    return {name: Seen(len(outputs), *_described(module, name, outputs[-1])) for name, outputs in found.items()}


def _described(
    module: nn.Module, name: str, output: tuple[tuple[int, ...], Mark] | None
) -> tuple[tuple[int, ...] | None, Layout | None]:
    """Shape for one image, and layout, of a layer's output for two."""
    if output is None:
        return None, None
    shape, mark = output
    layout = mark.layout(2) or declared(module, name, shape, 2)
    return (layout.shape_of(1) if layout else shape)[1:], layout


def _instead(module: nn.Module, name: str) -> str:
    """What to take for a module that is not called."""
    above, _, own = name.rpartition(".")
    if own == "out_proj" and isinstance(module.get_submodule(above), nn.MultiheadAttention):
        return f"torch's attention uses only its weights; take {above}[0], its output, or {above}.heads, its input"
    return "choose another module"


def _as_grid(output: object, name: str, n_images: int, seen: Seen) -> Tensor:
    """`output` as float32 (image, filter, h, w), or BadInput."""
    shape, layout = tuple(output.shape) if isinstance(output, Tensor) else None, seen.layout
    could = shape is not None and (layout or (len(shape) in (2, 3, 4) and shape[0] == n_images))
    if not isinstance(output, Tensor) or shape is None or not could:
        what = f"of shape {shape}" if shape is not None else f"a {type(output).__name__}"
        raise BadInput(f"layer {name}: its output is {what}, not (image, filter, h, w); choose another module")
    expected = layout.shape_of(n_images) if layout else (n_images, *(seen.shape or ()))
    if shape != expected:
        now, usual = (" x ".join(map(str, each[1:])) for each in (shape, expected))
        what = f"{now} for some images and {usual} for others"
        raise BadInput(f"layer {name}: its output is {what}; choose a layer whose grid does not change between batches")
    if output.is_complex():
        raise BadInput(f"layer {name}: its output is complex; choose a module with a real output")
    plain = output.dequantize() if output.is_quantized else output.float()
    if layout:
        return layout.read(plain)
    if len(shape) == 2:
        return plain[:, :, None, None]
    raise BadInput(f"layer {name}: {_no_grid(shape)}")


def _no_grid(shape: tuple[int, ...]) -> str:
    """Why an output of this shape is not read, and what to do."""
    if len(shape) == 3:
        what = f"which entries of its output {shape} are cells of the image's grid is unknown"
        return f"{what}; choose another module, or let the network say it: {EXAMPLE}"
    what = f"which axes of its output {shape} are height and width is unknown"
    return f"{what}; choose another module, such as a convolution beside it"


def as_put_out(activations: Tensor, layout: Layout | None, like: Tensor, others: Tensor | None = None) -> Tensor:
    """Activations (image, filter, h, w) in the layout of their module's own output.

    like     a tensor of that output's shape and type, except for the number of images
    others   its tokens that are no cells (`other_tokens`)
    """
    if layout is None:
        return activations.reshape(len(activations), *like.shape[1:]).to(like.dtype)
    return layout.write(activations, others).to(like.dtype)


def other_tokens(module: nn.Module, name: str, seen: Seen, images: Tensor) -> Tensor | None:
    """The class tokens and registers among a layer's tokens, float32 (image, ...); None where it has none."""
    if not seen.layout or not seen.layout.n_others:
        return None
    with passing(images), capture(module, [name], {name: seen.calls}) as outputs:
        module(images)
    return seen.layout.others(outputs[name]).float()  # pyright: ignore[reportArgumentType]
