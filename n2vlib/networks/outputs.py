"""Outputs of a network by name: a module's, one of several that it returns, or those of an attention's heads.

    features.11                     a module's output
    backbone["out"]   encoder[0]    one of the outputs of a module that returns a dict, a tuple or a list
    blocks.3.attn.heads             what the output projection is given: filter k is channel k % d of head k // d
    blocks.3.attn.heads[2]          the d channels of one head
    blocks.3.attn.heads.norm        one filter for each head: the length of its vector

Heads are read before the output projection, whatever it is called; PROJECTION.heads names it where no known name does.
"""

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from n2vlib.errors import BadInput, near

HEADS, NORM = ".heads", ".heads.norm"
_PROJECTIONS = ("out_proj", "proj", "o_proj", "proj_out", "c_proj", "to_out", "output.dense", "projection", "dense")
_COUNTS = ("num_heads", "n_heads", "num_attention_heads", "n_head", "heads")
_KEYS = re.compile(r"\[([^\[\]]*)\]")
Receive = Callable[[object], object]


class Output(NamedTuple):
    """Where an output is met in a forward pass.

    module   the module that puts it out; of heads, the attention of torch or the output projection
    keys     which of several outputs
    heads    their number; 0 where heads are not asked for, or their number is unknown
    name     as it was asked for
    kind     "" for a module's output, HEADS or NORM
    """

    module: nn.Module
    keys: tuple[str, ...] = ()
    kind: str = ""
    heads: int = 0
    name: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it is all that a module puts out."""
        return not self.kind and not self.keys

    @contextmanager
    def hooked(self, receive: Receive) -> Iterator[None]:
        """A `with` block in which `receive` is called with the output, each time that a pass makes it."""

        def received(output: object) -> None:
            receive(self._taken(output))

        with ExitStack() as stack:
            if not self.kind:
                stack.enter_context(self.module.register_forward_hook(lambda _m, _a, output: received(output)))
            elif isinstance(self.module, nn.MultiheadAttention):
                stack.enter_context(_Before(self.module, received))
            else:
                stack.enter_context(self.module.register_forward_pre_hook(lambda _m, args: received(args[0])))
            yield

    def _taken(self, output: object) -> object:
        if self.kind and isinstance(output, Tensor):
            return self._of_heads(output)
        for key in self.keys:
            output = self._item(output, key)
        return output

    def _of_heads(self, output: Tensor) -> Tensor:
        """All channels of the heads, (..., channel), those of one of them, or each head's length (..., head)."""
        if not self.keys and self.kind == HEADS:
            return output
        apart = output.unflatten(-1, (self.heads, -1))
        if self.kind == NORM:
            return apart.square().sum(-1).sqrt()
        (key,) = self.keys
        if not key.isdecimal() or int(key) >= self.heads:
            raise BadInput(f"layer {self.name}: heads are numbered from 0 to {self.heads - 1}")
        return apart[..., int(key), :]

    def _item(self, output: object, key: str) -> object:
        """One of several outputs; BadInput that lists them."""
        several = dict(enumerate(output)) if isinstance(output, list | tuple) else output
        if not isinstance(several, dict):
            raise BadInput(f"layer {self.name}: a {type(output).__name__} is no dict or tuple; leave [{key}] out")
        known = {str(own): value for own, value in several.items()}
        if key not in known:
            there = ", ".join(f"[{own}]" for own in known) or "none"
            raise BadInput(f"layer {self.name}: no [{key}]; there are {there}")
        return known[key]


def find(network: nn.Module, name: str) -> Output:
    """The output of that name; BadInput, with near matches, where there is none."""
    modules = dict(network.named_modules(remove_duplicate=False))
    base, keys = (name, ()) if name in modules else split(name)
    if base in modules:
        return Output(_readable(modules[base], name), keys, name=name)
    attention, kind = next(((base.removesuffix(end), end) for end in (NORM, HEADS) if base.endswith(end)), (base, ""))
    if not kind or attention not in modules:
        raise BadInput(f"layer {name}: the network has no such module; {near(name, list(modules)[1:])}")
    found = heads_of(network, attention)
    if found is None:
        what = f"{type(modules[attention]).__name__} has no output projection of a known name"
        raise BadInput(f"layer {name}: {what} ({', '.join(_PROJECTIONS)}); write PROJECTION{HEADS} with its own name")
    if (keys or kind == NORM) and not found.heads:
        raise BadInput(f"layer {name}: the number of heads is unknown; set num_heads on the module {attention}")
    return found._replace(kind=kind, keys=keys, name=name)


def split(name: str) -> tuple[str, tuple[str, ...]]:
    """A name without its keys, and the keys: encoder["out"][0] is encoder with the keys out and 0."""
    base = re.sub(r"(\[[^\[\]]*\])+$", "", name)
    return base, tuple(key.strip().strip("\"'") for key in _KEYS.findall(name[len(base) :]))


def ending(name: str) -> tuple[str, str]:
    """The module's name in an output's name, and what follows it, in one spelling: a.heads["2"] is a, .heads[2]."""
    base, keys = split(name)
    kind = next((kind for kind in (NORM, HEADS) if base.endswith(kind)), "")
    return base.removesuffix(kind), kind + "".join(f"[{key}]" for key in keys)


def attentions(network: nn.Module) -> Iterator[tuple[str, Output]]:
    """The attentions whose heads can be read, by the names of their modules."""
    for name, module in network.named_modules():
        counted = any(isinstance(getattr(module, count, None), int) for count in _COUNTS)
        found = heads_of(network, name) if counted and not isinstance(module, nn.Linear) else None
        if found and found.heads:
            yield name, found


def items(output: object) -> list[tuple[str, Tensor]]:
    """The tensors of an output by their keys; the key of a tensor alone is ""."""
    if isinstance(output, Tensor):
        return [("", output)]
    several = (
        output.items() if isinstance(output, dict) else enumerate(output if isinstance(output, list | tuple) else [])
    )
    return [(str(key), value) for key, value in several if isinstance(value, Tensor)]


def heads_of(network: nn.Module, name: str) -> Output | None:
    """The heads of the attention of that name, or those before the output projection of that name."""
    module = network.get_submodule(name)
    if isinstance(module, nn.MultiheadAttention):
        return Output(module, kind=HEADS, heads=module.num_heads)
    parts = dict(module.named_modules())
    linear = [part for part in (module, *map(parts.get, _PROJECTIONS)) if isinstance(part, nn.Linear)]
    if not linear:
        return None
    above = [".".join(name.split(".")[:i]) for i in range(name.count(".") + 1, 0, -1)]
    holders = [*module.modules(), *(network.get_submodule(each) for each in above)]
    counts: list[object] = [vars(holder).get(count) for holder in holders for count in _COUNTS]
    width = linear[0].in_features
    return Output(
        linear[0], kind=HEADS, heads=next((n for n in counts if isinstance(n, int) and n > 0 and not width % n), 0)
    )


def _readable(module: nn.Module, name: str) -> nn.Module:
    if isinstance(module, torch.jit.ScriptModule):
        raise BadInput(f"layer {name}: scripted or traced modules cannot be read; use the module it was made of")
    return module


class _Before(TorchFunctionMode):
    """Passes on what an attention of torch computes before its output projection, which it never calls as a module."""

    def __init__(self, attention: nn.MultiheadAttention, receive: Receive):
        super().__init__()
        self.attention, self.receive = attention, receive

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if func is not F.multi_head_attention_forward:
            return func(*args, **(kwargs or {}))
        given = inspect.signature(func).bind(*args, **(kwargs or {}))
        weight, bias = given.arguments["out_proj_weight"], given.arguments["out_proj_bias"]
        if getattr(weight, "_n2v_instead_of", weight) is not self.attention.out_proj.weight:
            return func(*args, **(kwargs or {}))
        identity = torch.eye(len(weight)).to(weight)
        identity._n2v_instead_of = self.attention.out_proj.weight  # pyright: ignore  # for another of these modes
        given.arguments |= {"out_proj_weight": identity, "out_proj_bias": None}
        heads, *others = func(*given.args, **given.kwargs)
        self.receive(heads)
        return F.linear(heads, weight, bias), *others
