"""Record what modules of a network put out, in one forward pass that stops at the deepest of them.

    with record(net, ["features.4", "features.11"]) as seen:
        net(images)
    seen["features.11"]              # float32, (image, filter, h, w)

Hooks live exactly as long as the `with` block. What is recorded is a copy (all but the last, after which nothing runs),
so a ReLU that works in place further on cannot change it. A module that is called several times in one pass is recorded
at its last call, and the pass stops only when every module asked for has been called for the last time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from n2vlib.errors import BadInput, near

# How often one pass calls each module: learned once per network and set of names, from a whole pass over one image.
_calls_of: WeakKeyDictionary[nn.Module, dict[tuple[str, ...], dict[str, int]]] = WeakKeyDictionary()


class _Stop(BaseException):
    """Leaves the forward pass; not an Exception, so that no `except Exception` inside a network keeps it."""


def run_layers(module: nn.Module, names: Sequence[str], images: Tensor) -> dict[str, Tensor]:
    """Outputs of the modules `names`, {name: float32 (image, filter, h, w)}, from one pass in inference mode.

    module   in eval mode, on the device of `images`
    names    dotted module names; "" is the network itself
    images   float32, (image, 3, height, width), preprocessed
    Outputs (image, filter) of fully connected modules are read as 1 x 1 grids. The pass stops at the deepest module.
    The first call for a network counts calls in a whole pass over one image; the number of calls must not depend on
    what the images show. Raises BadInput for an unknown name, a module the pass does not call, or another output.
    """
    key = tuple(dict.fromkeys(names))
    known = _calls_of.setdefault(module, {})
    if key not in known:
        known[key] = count_calls(module, key, images[:1])
    with torch.inference_mode(), record(module, key, known[key]) as seen:
        module(images)
    return {name: _as_grid(seen[name], name, len(images)) for name in names}


@contextmanager
def record(module: nn.Module, names: Sequence[str], calls: dict[str, int] | None = None) -> Iterator[dict[str, object]]:
    """A `with` block in which a pass through `module` fills {name: output}; the last call of a module wins.

    calls   how often the pass calls each module (`count_calls`): with it the pass stops after the last of those calls,
            and leaves the block at once; without it the pass runs to its end
    """
    seen: dict[str, object] = {}
    waiting = dict(calls) if calls is not None else None

    def hook_for(name: str):
        def hook(_module: nn.Module, _args: object, output: object) -> None:
            last = waiting is not None and _count_down(waiting, name)
            seen[name] = output if last else _copy(output)
            if last:
                raise _Stop

        return hook

    handles = [_submodule(module, name).register_forward_hook(hook_for(name)) for name in names]
    try:
        yield seen
    except _Stop:
        pass
    finally:
        for handle in handles:
            handle.remove()


def count_calls(module: nn.Module, names: Sequence[str], images: Tensor) -> dict[str, int]:
    """How often one whole pass over `images` calls each module of `names`.

    A network may fail behind the modules asked for (a classifier made for another image size): that is no obstacle.
    Raises BadInput where a module is never called, or where the pass fails before all of them were.
    """
    calls = dict.fromkeys(names, 0)

    def hook_for(name: str):
        def hook(_module: nn.Module, _args: object, _output: object) -> None:
            calls[name] += 1

        return hook

    handles = [_submodule(module, name).register_forward_hook(hook_for(name)) for name in names]
    try:
        with torch.inference_mode():
            module(images)
    except (RuntimeError, ValueError, TypeError, AssertionError) as failure:
        if not all(calls.values()):
            shape = "x".join(map(str, images.shape[1:]))
            raise BadInput(f"network: its pass over an input of {shape} fails ({failure}); check size") from failure
    finally:
        for handle in handles:
            handle.remove()
    for name, count in calls.items():
        if not count:
            raise BadInput(f"layer {name}: a pass through the network does not call it; choose another module")
    return calls


def _submodule(module: nn.Module, name: str) -> nn.Module:
    modules = dict(module.named_modules(remove_duplicate=False))
    if name not in modules:
        raise BadInput(f"layer {name}: the network has no such module; {near(name, list(modules)[1:])}")
    return modules[name]


def _count_down(waiting: dict[str, int], name: str) -> bool:
    """Note one call of `name`; True when every module has now been called for the last time."""
    waiting[name] -= 1
    return not any(left > 0 for left in waiting.values())


def _copy(output: object) -> object:
    return output.clone() if isinstance(output, Tensor) else output


def _as_grid(output: object, name: str, n_images: int) -> Tensor:
    """`output` as float32 (image, filter, h, w), or BadInput."""
    shape = tuple(output.shape) if isinstance(output, Tensor) else None
    if not isinstance(output, Tensor) or shape is None or len(shape) not in (2, 4) or shape[0] != n_images:
        what = f"of shape {shape}" if shape is not None else f"a {type(output).__name__}"
        raise BadInput(f"layer {name}: its output is {what}, not (image, filter, h, w); choose another module")
    return output.float() if len(shape) == 4 else output.float()[:, :, None, None]
