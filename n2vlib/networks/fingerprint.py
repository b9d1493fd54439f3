"""The identity of a network, as far as it can be read: a hash of its weights and its code.

What is in neither (a hook, a helper in another file, a patched function) shows in its outputs, see `behaviour`.
"""

import ast
import hashlib
import inspect
import json
import linecache
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor, nn

from n2vlib.sources import code_of


def fingerprint(module: nn.Module) -> str:
    """sha256 over a network's parameters and buffers (names, types, values) and its architecture.

    The architecture is the module's printed form and, for classes that are not torch's or torchvision's, their source
    and their plain attributes, so that a user's own forward pass counts.
    """
    total = hashlib.sha256(repr(module).encode())
    for name, values in sorted(module.state_dict().items()):
        if isinstance(values, Tensor):
            total.update(f"\0{name} {values.dtype} {tuple(values.shape)}\0".encode())
            total.update(values.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    for text in _own_code(module):
        total.update(b"\0" + text.encode())
    return total.hexdigest()


def code(module: nn.Module) -> str:
    """sha256 over the files that define a network's classes, and those they inherit from, outside torch.

    Separate from `fingerprint`, which seeds random initial weights and which an edited helper function does not change.
    """
    total, files = hashlib.sha256(), set()
    for kind in {kind for part in module.modules() for kind in type(part).__mro__}:
        if kind.__module__.split(".")[0] not in ("torch", "torchvision", "builtins", "__main__"):
            files.add(getattr(sys.modules.get(kind.__module__), "__file__", None))
    for text in sorted(_code_of(Path(file).read_bytes()) for file in files if file and file.endswith(".py")):
        total.update(b"\0" + text.encode())
    return total.hexdigest()


_code_of = lru_cache(64)(code_of)  # a file of networks is parsed once


def _own_code(module: nn.Module) -> Iterator[str]:
    seen: set[type] = set()
    for name, part in module.named_modules():
        kind = type(part)
        if kind.__module__.split(".")[0] in ("torch", "torchvision"):
            continue
        plain = {k: v for k, v in sorted(vars(part).items()) if not k.startswith("_") and k != "training"}
        yield name + json.dumps(plain, default=lambda v: getattr(v, "__qualname__", type(v).__name__), skipkeys=True)
        if kind not in seen:
            seen.add(kind)
            yield _source(kind)


def _source(kind: type) -> str:
    """Source of a class; for one typed at a prompt, which has none, its compiled methods."""
    try:
        file, module = inspect.getsourcefile(kind), sys.modules.get(kind.__module__)
        if file and module and not hasattr(kind, "__wrapped__"):
            linecache.checkcache(file)
            lines = linecache.getlines(file, module.__dict__)
            starts = _classes("".join(lines)).get(kind.__qualname__, ())
            if len(starts) == 1:  # what inspect.getsource finds, too, but it parses the file for each class
                return "".join(inspect.getblock(lines[starts[0] - 1 :]))
        return inspect.getsource(kind)
    except (OSError, TypeError):
        codes = [getattr(value, "__code__", None) for value in vars(kind).values()]
        return "".join(f"{c.co_code.hex()} {c.co_names} {_plain(c.co_consts)}" for c in codes if c)


@lru_cache(16)
def _classes(source: str) -> Mapping[str, Sequence[int]]:
    """{qualified name of a class: the first line of each of its definitions, decorators included}, lines from 1."""
    found: dict[str, list[int]] = {}

    def visit(node: ast.AST, above: str) -> None:
        for part in ast.iter_child_nodes(node):
            if isinstance(part, ast.ClassDef):
                found.setdefault(above + part.name, []).append(min([part, *part.decorator_list], key=_line).lineno)
                visit(part, f"{above}{part.name}.")
            elif isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef):
                visit(part, f"{above}{part.name}.<locals>.")
            elif not isinstance(part, ast.expr):  # a class is a statement
                visit(part, above)

    visit(ast.parse(source), "")
    return found


def _line(node: ast.AST) -> int:
    return getattr(node, "lineno", 0)


def _plain(constants: tuple) -> list:
    return [value for value in constants if isinstance(value, int | float | str | tuple | None)]
