"""The code that made a number, as one digest: what keys of measurements and of chapters follow.

Only code that can change a number counts: of every module, its syntax tree without docstrings, annotations and the
messages of errors. Comments and layout are not in a tree.
"""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_PACKAGE = "n2vlib"
_IGNORED = {"annotation", "returns", "type_comment", "type_ignores", "type_params", "kind", "ctx"}
_SAID = {ast.Raise: _IGNORED | {"cause"}, ast.Assert: _IGNORED | {"msg"}}  # and what an error is called with


def sources_digest(modules: list[str]) -> str:
    """sha256 over the code of these modules of ours and of every module of ours that they import."""
    total = hashlib.sha256()
    for path in sources_of(modules):
        total.update(path.name.encode() + b"\0" + _digest_of(path, path.stat().st_mtime_ns))
    return total.hexdigest()


def sources_of(modules: list[str]) -> list[Path]:
    """The source files of these modules of ours and, followed through their imports, of all they need."""
    waiting, seen = list(modules), {}
    while waiting:
        name = waiting.pop()
        path = module_file(name)
        if name in seen or path is None:
            continue
        seen[name] = path
        waiting += _imports_of(path, name, path.stat().st_mtime_ns)
    return sorted(set(seen.values()))


def code_of(source: str | bytes) -> str:
    """What a Python source computes, as text: equal for two sources that differ in prose, annotations or layout."""
    return _code(ast.parse(source))


def _code(node: object) -> str:
    """A part of a syntax tree, the same in every version of Python: absent and empty fields are left out."""
    if isinstance(node, list):
        return f"[{','.join(_code(part) for part in node if not _is_prose(part))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    said = _SAID.get(type(node), _IGNORED)
    fields = [(name, value) for name, value in ast.iter_fields(node) if name not in said and value not in (None, [])]
    if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
        fields = [("exc", node.exc.func)]
    return f"{type(node).__name__}({','.join(f'{name}={_code(value)}' for name, value in fields)})"


def _is_prose(part: object) -> bool:
    """A text that stands alone: a docstring, wherever it is."""
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)


def imported_modules(source: str) -> list[str]:
    """Names of our modules imported by a piece of Python, anywhere in it but under `if TYPE_CHECKING:`."""
    return _imports_in(ast.parse(source), "")


def _imports_in(tree: ast.Module, package: str) -> list[str]:
    """package   the one the source lies in, to resolve relative imports"""
    found: set[str] = set()
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            members = {f"{base}.{alias.name}" for alias in node.names}
            submodules = {name for name in members if module_file(name)}
            # `from n2vlib.methods import segmentation` needs the submodule; the package is followed for its own names.
            found |= submodules | (set() if submodules == members else {base})
    return sorted(name for name in found if name.split(".")[0] == _PACKAGE)


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All statements below a node; what only a type checker reads computes nothing."""
    for part in ("body", "handlers", "orelse", "finalbody", "cases"):
        for one in getattr(node, part, ()):
            yield one
            if not (isinstance(one, ast.If) and isinstance(one.test, ast.Name) and one.test.id == "TYPE_CHECKING"):
                yield from _executed(one)


@cache
def module_file(name: str) -> Path | None:
    """Source file of a module of ours, None where there is no such module. Nothing is imported to find it."""
    package, *below = name.split(".")
    if package != _PACKAGE:
        return None
    place = Path(__file__).parent.joinpath(*below)
    return next((file for file in (place / "__init__.py", place.with_suffix(".py")) if file.is_file()), None)


@cache
def _digest_of(path: Path, mtime: int) -> bytes:
    """sha256 of a source's code, taken anew when the file has changed."""
    return hashlib.sha256(_code(_tree(path, mtime)).encode()).digest()


@cache
def _imports_of(path: Path, name: str, mtime: int) -> list[str]:
    """The names of our modules that a module of ours imports, by its dotted name."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return _imports_in(_tree(path, mtime), package)


@cache
def _tree(path: Path, mtime: int) -> ast.Module:
    return ast.parse(path.read_bytes())


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    base = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])
