"""A network made ready to be read: without its wrappers, and shown images in its own precision."""

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.optim.swa_utils import AveragedModel

from n2vlib.errors import BadInput

_WRAPPERS = (nn.DataParallel, nn.parallel.DistributedDataParallel, AveragedModel)


def readable(module: nn.Module, name: str) -> nn.Module:
    """The module without the wrappers of torch.compile, DataParallel or weight averaging, around it or its parts;
    BadInput for one that hooks cannot read."""
    if isinstance(module, torch.jit.ScriptModule):
        raise BadInput(f"NETWORK {name}: a scripted or traced network cannot be read; give the module it was made of")
    wrapped = module._modules.get("_orig_mod") or (module.module if isinstance(module, _WRAPPERS) else None)
    if wrapped is not None:
        return readable(wrapped, name)
    for own, part in module._modules.items():
        if part is not None and not isinstance(part, torch.jit.ScriptModule):
            module._modules[own] = readable(part, name)
    lazy = [own for own, value in module.named_parameters(recurse=False) if is_lazy(value)]
    if lazy:
        what = f"{type(module).__name__} has no {lazy[0]} yet"
        raise BadInput(f"NETWORK {name}: {what}; run it on one image in your function before returning it")
    return module


def shown_in_its_type(module: nn.Module) -> None:
    """Convert the inputs of a network in half or double precision to its own type."""
    kind = next((p.dtype for p in module.parameters() if p.is_floating_point()), torch.float32)
    if kind != torch.float32 and _in_its_type not in module._forward_pre_hooks.values():
        module.register_forward_pre_hook(_in_its_type)


def _in_its_type(module: nn.Module, given: tuple) -> tuple:
    kind = next(p.dtype for p in module.parameters() if p.is_floating_point())
    floats = (isinstance(value, Tensor) and value.is_floating_point() for value in given)
    return tuple(value.to(kind) if is_float else value for value, is_float in zip(given, floats, strict=True))
