"""Measurements on disk, named by everything that made them.

An entry's key is the hash of its inputs (weights, layer, preprocessing, probe fingerprint, options) and of the sources
of the modules that compute it, imports of ours followed. Change one and the entry is computed anew; charts and prose
are not in it. An entry appears at once and whole: it is made in a working folder that is renamed when it is complete,
under a lock, so two runs at once make it once. A working folder left by an interrupted run is handed to the next one.
"""

import ast
import hashlib
import importlib.util
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from n2vlib.paths import store_root
from n2vlib.progress import bar

_PACKAGE = "n2vlib"


class Store:
    """A folder of entries, one folder each, with a `record.json` that says what made it."""

    def __init__(self, store: str | None = None):
        """store   the STORE parameter: a folder, or None for $N2V_STORE or build/store."""
        self.root = store_root(store)

    def entry(self, kind: str, inputs: dict, modules: list[str], make: Callable[[Path], None]) -> Path:
        """The folder of the entry (kind, inputs, modules), made by `make(working folder)` where it is not there yet.

        inputs    JSON values that name everything the result depends on
        modules   dotted names of our modules that compute it
        """
        return self.entries(kind, [inputs], modules, lambda missing: make(missing[0]))[0]

    def entries(
        self, kind: str, inputs: list[dict], modules: list[str], make: Callable[[dict[int, Path]], None]
    ) -> list[Path]:
        """The folders of several entries that one pass computes together.

        make   called once with {position in inputs: working folder} of those that are missing
        """
        sources = sources_digest(modules)
        records = [{"kind": kind, "inputs": each, "sources": sources} for each in inputs]
        folders = [self.root / kind / digest(record)[:24] for record in records]
        (self.root / kind).mkdir(parents=True, exist_ok=True)
        with ExitStack() as locks:
            # Locks are taken in one order by every run, so that two runs cannot wait for each other.
            for folder in sorted({folder for folder in folders if not folder.exists()}):
                locks.enter_context(filelock.FileLock(f"{folder}.lock"))
            missing = {i: _working_folder(folder) for i, folder in enumerate(folders) if not folder.exists()}
            if missing:
                make(missing)
            for i, work in missing.items():
                (work / "record.json").write_text(json.dumps(records[i], indent=1, sort_keys=True) + "\n")
                work.rename(folders[i])
        return folders


def _working_folder(folder: Path) -> Path:
    work = folder.with_name(folder.name + ".work")
    work.mkdir(exist_ok=True)
    return work


def save_arrays(folder: Path, **arrays: np.ndarray) -> None:
    """Write each array as `<name>.npy`; a file appears under its name only when it is whole."""
    for name, array in arrays.items():
        part = folder / f"{name}.part"
        with part.open("wb") as file:
            np.save(file, array, allow_pickle=False)
        part.replace(folder / f"{name}.npy")


def in_chunks(
    work: Path, items: Sequence, compute: Callable[[Any], dict[str, np.ndarray]], what: str, size: int = 32
) -> None:
    """Compute every item on all cores and save the results joined along their first axis, in the order of the items.

    compute   item -> arrays; it should release the GIL
    what      names the work in the progress bar
    Each chunk of items is saved as it is done, so an interrupted run goes on with the next.
    """
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    paths = [work / f"chunk-{i}.npz" for i in range(len(chunks))]
    waiting = [(path, chunk) for path, chunk in zip(paths, chunks, strict=True) if not path.exists()]
    with ThreadPoolExecutor(_cores()) as pool:
        for path, chunk in bar(waiting, what, len(waiting)):
            _save_npz(path, _joined(list(pool.map(compute, chunk))))
    parts = []
    for path in paths:
        with np.load(path, allow_pickle=False) as kept:
            parts.append(dict(kept))
    save_arrays(work, **_joined(parts))
    for path in paths:
        path.unlink()


def _cores() -> int | None:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())}


def _save_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def load_array(folder: Path, name: str) -> np.ndarray:
    """The array `<name>.npy`, memory mapped and read-only."""
    path = folder / f"{name}.npy"
    size = path.stat().st_size  # numpy cannot map a file without data
    array = np.load(path, allow_pickle=False, mmap_mode="r" if size > 128 else None)
    return np.asarray(array)


def digest(value: object) -> str:
    """sha256 of a JSON value, the same whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def sources_digest(modules: list[str]) -> str:
    """sha256 over the sources of these modules of ours and of every module of ours that they import."""
    total = hashlib.sha256()
    for path in sources_of(modules):
        total.update(path.name.encode() + b"\0" + _read(path, "", path.stat().st_mtime_ns)[0])
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
        waiting += _read(path, name, path.stat().st_mtime_ns)[1]
    return sorted(set(seen.values()))


def imported_modules(source: str, package: str = "") -> list[str]:
    """Names of our modules imported by a piece of Python, anywhere in it but under `if TYPE_CHECKING:`.

    package   the package the source lies in, to resolve relative imports
    """
    found: set[str] = set()
    for node in _executed(ast.parse(source)):
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
    """A node and all below it; what only a type checker reads computes nothing."""
    yield node
    typing_only = isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    for child in () if typing_only else ast.iter_child_nodes(node):
        yield from _executed(child)


@cache
def module_file(name: str) -> Path | None:
    """Source file of a module of ours, None where there is no such module."""
    if name.split(".")[0] != _PACKAGE:
        return None
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin else None


@cache
def _read(path: Path, name: str, mtime: int) -> tuple[bytes, list[str]]:
    """sha256 of a source and the names of our modules it imports, read anew when the file has changed.

    name   dotted name of the module, to resolve its relative imports; "" where they are not wanted
    """
    source = path.read_bytes()
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return hashlib.sha256(source).digest(), imported_modules(source.decode(), package) if name else []


def _absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    base = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])
