"""What the executed copy of a chapter depends on, as two digests.

For its outputs: its code, its parameters and the files they name, every module of ours that it imports (charts
included, imports followed) with the data files beside them, the kernel, and the versions of torch, numpy and altair.
For its text: the notebook and its pair.
"""

import ast
import hashlib
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from nbformat import NotebookNode

from n2vlib import MODULES
from n2vlib.errors import BadInput
from n2vlib.parameters import LISTS
from n2vlib.paths import ROOT, resolve
from n2vlib.sources import imported_modules, module_file, sources_digest, sources_of
from n2vlib.store import digest

_DATA = (".csv", ".json", ".safetensors", ".html", ".css", ".js")
FORMATS = Path(__file__).parents[1] / "probe" / "sources" / "formats"
_PUBLIC = [file for place in MODULES.values() if (file := module_file(f"n2vlib.{place}"))]
COVERAGE = ROOT / "book" / "coverage.csv"  # data that is beside the chapters, because people edit it there


class Key(NamedTuple):
    """Two copies with the same `code` have the same outputs; with the same `text` too, they are the same."""

    code: str
    text: str


def chapter_key(notebook: Path, parameters: Mapping[str, Any], kernel: str | None) -> Key:
    """The digests for one chapter's notebook, run with these parameters in this kernel."""
    source, pair = notebook.read_text(encoding="utf-8"), notebook.with_suffix(".py")
    modules = _modules_of(source)
    folders = {path.parent for path in sources_of(modules)}
    data = [
        file for folder in folders for file in (*folder.glob("*.*"), *folder.glob("files/*")) if file.suffix in _DATA
    ]
    data += sorted(LISTS.glob("*.yml"))
    data += [*sources_of(modules), *_PUBLIC] if "n2vlib.display.reference" in modules else []  # it shows docstrings
    data += sorted(FORMATS.glob("*.py")) if "n2vlib.probe.sources.formats" in modules else []  # it lists this folder
    data += [COVERAGE] if "n2vlib.claims.coverage" in modules and COVERAGE.is_file() else []
    versions = {package: _version(package) for package in ("torch", "numpy", "altair")}
    ours = [sources_digest(modules), _digest_of(data), _digest_of(_files_named_in(parameters))]
    # A copy was made from a pair that agreed.
    text = digest([source, _digest_of([pair] if pair.is_file() else [])])
    whole = _notebook(source)
    code = [[cell.source, cell.metadata] for cell in _code_cells(whole)]
    return Key(digest([code, whole.metadata, dict(parameters), kernel, versions, ours]), text)


_version = cache(version)


@cache
def _notebook(source: str) -> NotebookNode:
    return nbformat.reads(source, as_version=4)


def _code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@cache
def _modules_of(source: str) -> list[str]:
    """The modules of ours that a notebook imports."""
    cells = [cell.source for cell in _code_cells(_notebook(source))]
    try:
        return imported_modules("\n".join(cells))
    except SyntaxError:  # a magic, a shell command
        from IPython.core.inputtransformer2 import TransformerManager

        return imported_modules("\n".join(map(TransformerManager().transform_cell, cells)))


def _texts(value: Any) -> Iterable[str]:
    """All texts in a parameter's value, which may be a list of mappings."""
    if isinstance(value, Mapping | list):
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(part)
    elif isinstance(value, str) and value:
        yield value


def _files_named_in(parameters: Mapping[str, Any]) -> list[Path]:
    """The files that parameters name: Python files with the neighbouring files they import, tables of probe sets, units
    of LAYER:FILE, and the whole package of package.module:function."""
    found: list[Path] = []
    for text in _texts(parameters):
        if module := re.fullmatch(r"([^\W\d]\w*)(\.\w+)*:\w+", text):
            found += _package(module[1])
        for name in {text.partition("[::")[0], text.rpartition(":")[0] or text, text.partition(":")[2] or text}:
            with suppress(BadInput):  # a text that cannot be a path, such as a long expression
                path = resolve(name)
                found += _with_imports(path) if path.is_file() else _tables_in(path)
    return found


def _tables_in(folder: Path) -> list[Path]:
    """The tables of a probe set, or the two files of a SAELens folder."""
    return [file for name in ("*.csv", "cfg.json", "sae_weights.safetensors") for file in sorted(folder.glob(name))]


@cache
def _package(name: str) -> list[Path]:
    """The Python files of an installed package or module, without importing it; none where it does not exist."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return []
    if spec is None or not spec.has_location or spec.origin is None:
        return []
    folders = [Path(place) for place in spec.submodule_search_locations or ()]
    return sorted({Path(spec.origin)} | {file for folder in folders for file in folder.rglob("*.py")})


def _with_imports(file: Path) -> list[Path]:
    """A file and, for a Python file, the neighbouring files that it imports, imports followed."""
    waiting, seen = [file], set()
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            for name in _imported(one, one.stat().st_mtime_ns) if one.suffix == ".py" else ():
                module, package = file.parent / f"{name}.py", file.parent / name
                waiting += [module] if module.is_file() else sorted(package.rglob("*.py"))
    return sorted(seen)


@cache
def _imported(file: Path, mtime: int) -> set[str]:
    """The top-level names of all modules that a Python file imports; none if it is no valid Python."""
    try:
        nodes = list(ast.walk(ast.parse(file.read_bytes())))
    except (SyntaxError, ValueError):
        return set()
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names if name}


def _digest_of(files: Iterable[Path]) -> str:
    return digest(sorted((file.name, _sha256(file, file.stat().st_mtime_ns)) for file in set(files)))


@cache
def _sha256(file: Path, mtime: int) -> str:
    """Computed again only when the file has changed: most chapters need the same networks."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
