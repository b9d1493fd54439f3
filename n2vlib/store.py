"""Measurements on disk, named by everything that made them.

An entry's key is the hash of its inputs (weights, layer, preprocessing, probe fingerprint, options) and of the code of
the modules that compute it, imports of ours followed (sources.py). Change one and the entry is computed anew; charts
and prose are not in it. An entry appears at once and whole: it is made in a working folder that is renamed when it is
complete, under a lock, so two runs at once make it once. A working folder left by an interrupted run is handed to the
next one. A damaged entry is said, set aside and made anew (sealed.py).
"""

imports of ours followed (sources.py). Change one and the entry is computed anew; charts
and prose are not in it. An entry appears at once and whole: it is made in a working folder that is renamed when it is complete,
under a lock, so two runs at once make it once. A working folder left by an interrupted run is handed to the next one.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from n2vlib.paths import store_root
from n2vlib.progress import bar
from n2vlib.sources import sources_digest


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
