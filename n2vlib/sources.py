"""A digest of the code that computes a number, for the keys of measurements and of chapters.

Only code that can change a number counts: the syntax tree of every module without docstrings, annotations and error
messages. Comments and layout are not in a tree.

Parsing all modules takes seconds, so what each source says is kept beside its compiled code, under its sha256.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import cache_from_source
from pathlib import Path
from typing import NamedTuple

from n2vlib.files.partial import atomic

_PACKAGE = "n2vlib"
_IGNORED = {"annotation", "returns", "type_comment", "type_ignores", "type_params", "kind", "ctx"}
_SAID = {ast.Raise: _IGNORED | {"cause"}, ast.Assert: _IGNORED | {"msg"}}  # and error messages


def sources_digest(modules: list[str]) -> str:
    """sha256 over the code of these modules of ours and of every module of ours that they import."""
    total = hashlib.sha256()
    for path, said in _followed(modules).items():
        total.update(path.name.encode() + b"\0" + bytes.fromhex(said.digest))
    return total.hexdigest()


def sources_of(modules: list[str]) -> list[Path]:
    """The source files of these modules of ours and, followed through their imports, of all they need."""
    return [*_followed(modules)]


class _Said(NamedTuple):
    """What a source says: a digest of its code, and the names of our modules that it imports."""

    digest: str
    imports: list[str]


def _followed(modules: list[str]) -> dict[Path, _Said]:
    """What these modules and all they need say, by file, files in order."""
    waiting, seen, found = list(modules), set(), {}
    while waiting:
        name = waiting.pop()
        path = module_file(name)
        if name in seen or path is None:
            continue
        seen.add(name)
        found[path] = _said(path, name, path.stat().st_mtime_ns)
        waiting += found[path].imports
    _notes().keep()
    return {path: found[path] for path in sorted(found, key=str)}


def code_of(source: str | bytes) -> str:
    """The code of a Python source as text: equal for two sources that differ in prose, annotations or layout only."""
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
    """Whether it is a string on its own: a docstring, wherever it is."""
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)


def imported_modules(source: str) -> list[str]:
    """Names of our modules that a piece of Python needs, imported anywhere in it but under `if TYPE_CHECKING:`."""
    key, known = _sha256(source), _notes().entries
    if key not in known:
        known[key] = _Said("", _imports_in(ast.parse(source), ""))
    return _Said(*known[key]).imports


def _imports_in(tree: ast.Module, package: str) -> list[str]:
    """package   the one the source lies in, to resolve relative imports"""
    found: set[str] = set()
    modules: dict[str, str] = {}  # a name in the source -> the module it stands for
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
            ours = [alias for alias in node.names if alias.name.split(".")[0] == _PACKAGE]
            modules |= {alias.asname or _PACKAGE: alias.name if alias.asname else _PACKAGE for alias in ours}
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, package)
            members = {alias.asname or alias.name: _place(f"{base}.{alias.name}") for alias in node.names}
            submodules = {name: member for name, member in members.items() if module_file(member)}
            # `from n2vlib.methods import segmentation` needs the submodule; the package is followed for its own names.
            found |= {*submodules.values()} | (set() if submodules == members else {base})
            modules |= submodules
    found = {name for name in found if name.split(".")[0] == _PACKAGE}
    return sorted(found | (_reached(tree, modules) - {*modules.values()}))


def _reached(tree: ast.Module, modules: Mapping[str, str]) -> set[str]:
    """The modules that a source reaches as attributes, such as `methods.segmentation`: packages import them when they
    are first asked for.

    modules   a name in the source -> the module it stands for
    """
    found = set()
    for node in ast.walk(tree):
        names = []
        while isinstance(node, ast.Attribute):
            names.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name) and names and node.id in modules:
            module = modules[node.id]
            while names and module_file(below := _place(f"{module}.{names.pop()}")):
                module = below
            found.add(module)
    return found


def _place(name: str) -> str:
    """The module that a name of the package stands for: n2vlib.read_layers is in n2vlib.activations.layer."""
    ours = import_module(_PACKAGE)  # by its text: what it exports is no part of the keys of measurements
    short = name.removeprefix(f"{_PACKAGE}.")
    return f"{_PACKAGE}.{(ours.PLACES | ours.MODULES).get(short, short)}"


def _executed(node: ast.AST) -> Iterator[ast.AST]:
    """All statements below a node, without those for type checkers only."""
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
def _said(path: Path, name: str, mtime: int) -> _Said:
    """What a module of ours says, by its dotted name; found again when the file has changed."""
    source = path.read_text(encoding="utf-8")
    key, known = _sha256(f"{name}\0{source}"), _notes().entries
    if key not in known:
        tree = ast.parse(source)
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        known[key] = _Said(_sha256(_code(tree)), _imports_in(tree, package))
    return _Said(*known[key])


class _Notes:
    """What sources said to earlier processes; nothing where the file is damaged or of another tree of modules."""

    def __init__(self) -> None:
        self.file = Path(cache_from_source(__file__)).with_suffix(".json")
        root = Path(__file__).parent
        names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.py"))
        exports = [(root / name).read_text(encoding="utf-8") for name in ("__init__.py", "sources.py")]  # see _place
        self.tree = _sha256(json.dumps([names, exports]))
        self.entries: dict[str, _Said] = {}
        with suppress(OSError, ValueError):
            seal, tree, text = self.file.read_text(encoding="utf-8").split("\n")
            self.entries = json.loads(text) if [seal, tree] == [_sha256(self.tree + text), self.tree] else {}
        self.kept = len(self.entries)

    def keep(self) -> None:
        """Write what is new, where Python may write compiled code."""
        if self.kept == len(self.entries) or sys.dont_write_bytecode:
            return
        text = json.dumps(self.entries)
        with suppress(OSError), atomic(self.file) as part:
            part.write_text("\n".join([_sha256(self.tree + text), self.tree, text]), encoding="utf-8")
        self.kept = len(self.entries)


_notes = cache(_Notes)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    base = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])
