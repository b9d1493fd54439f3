"""Measurements on disk, keyed by everything that they depend on.

An entry's key is the hash of its inputs (weights, layer, preprocessing, probe fingerprint, options) and of the code of
the modules that compute it, imports of ours followed (sources.py). Change one and the entry is computed again; charts
and prose are not in it. An entry appears only when complete: it is made in a working folder that is then renamed, under
a lock, so that two simultaneous runs make it once. The next run continues in the working folder of an interrupted one.
A damaged entry is reported, set aside and computed again (sealed.py).
"""

import gzip
import hashlib
import json
import platform
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, nullcontext
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import filelock
import numpy as np

from n2vlib.files.output import writing_into
from n2vlib.files.partial import atomic, sweep
from n2vlib.files.sealed import intact, seal, set_aside, sync
from n2vlib.paths import store_root
from n2vlib.progress import bar
from n2vlib.reads import computing, note
from n2vlib.sources import sources_digest
from n2vlib.workers.threads import cores

if TYPE_CHECKING:
    import pandas as pd  # the runner of chapters needs this module without pandas

COMPUTING = ("n2vlib", "torch", "numpy", "numba")


class Store:
    """A folder of entries, each a folder with a `record.json` that says what made it."""

    def __init__(self, store: str | None = None):
        """store   the STORE parameter: a folder, or None for $N2V_STORE or build/store."""
        self.root = store_root(store)

    def entry(
        self, kind: str, inputs: dict, modules: list[str], make: Callable[[Path], None], device: str = "cpu"
    ) -> Path:
        """The folder of the entry (kind, inputs, modules), made by `make(working folder)` if it does not exist yet.

        inputs    JSON values that name everything the result depends on
        modules   dotted names of our modules that compute it
        device    where it is computed: cpu or cuda; recorded, not in the key
        """
        return self.entries(kind, [inputs], modules, lambda missing: make(missing[0]), device)[0]

    def table(
        self, kind: str, inputs: dict, modules: list[str], make: Callable[[], "pd.DataFrame"], device: str = "cpu"
    ) -> "pd.DataFrame":
        """A table that `make()` computes if the store does not have it; its columns are numbers or texts, its index is
        not kept."""
        import pandas as pd

        def write(folder: Path) -> None:
            (folder / "table.json").write_text(json.dumps(make().to_dict("list")), encoding="utf-8")

        folder = self.entry(kind, inputs, modules, write, device)
        return pd.DataFrame(json.loads((folder / "table.json").read_text(encoding="utf-8")))

    def entries(
        self,
        kind: str,
        inputs: list[dict],
        modules: list[str],
        make: Callable[[dict[int, Path]], None],
        device: str = "cpu",
    ) -> list[Path]:
        """The folders of several entries that one pass computes together; equal inputs have one.

        make   called once with {position in inputs: working folder} of those that are missing or damaged
        """
        sources = sources_digest(modules)
        named = [{"kind": kind, "inputs": each, "sources": sources} for each in inputs]
        what = {self.root / kind / digest(each)[:24]: json.loads(json.dumps(each)) for each in named}
        folders = [self.root / kind / digest(each)[:24] for each in named]
        with writing_into(self.root / kind, "N2V_STORE"), ExitStack() as locks:
            # Locks are taken in one order by every run, so that two runs cannot wait for each other.
            for folder in sorted(folder for folder in what if not intact(folder, what[folder])):
                locks.enter_context(filelock.FileLock(f"{folder}.lock"))
            missing = {folder: _working_folder(folder) for folder in what if not intact(folder, what[folder])}
            for folder in missing:
                if folder.exists():
                    set_aside(folder)
            if missing:
                with computing():
                    make({folders.index(folder): work for folder, work in missing.items()})
            for folder, work in missing.items():
                sweep(work)  # of a run that was killed
                seal(work, {**what[folder], "made": made_with(device)})
                work.rename(folder)
                sync(folder.parent)
        note([f"{kind}/{folder.name}" for folder in folders])
        return folders


def made_with(device: str) -> dict[str, str]:
    """What measurements here are made with: versions of packages, and the device (cpu or cuda) with its name."""
    return {"python": platform.python_version(), **_versions(), "device": f"{device} ({_machine(device)})"}


@cache
def _versions() -> dict[str, str]:
    return {package: version(package) for package in COMPUTING}  # each searches the folders of all packages


def _machine(device: str) -> str:
    if device.startswith("cuda"):
        import torch  # the runner of chapters needs this module without torch

        if torch.cuda.is_available():
            return torch.cuda.get_device_name(device)
    return platform.machine()


def _working_folder(folder: Path) -> Path:
    work = folder.with_name(folder.name + ".work")
    work.mkdir(exist_ok=True)
    return work


def save_arrays(folder: Path, **arrays: np.ndarray) -> None:
    """Write each array as `<name>.npy`; a file appears under its name only when it is complete.

    Tables of counts, mostly zeros, are compressed to a twentieth: `<name>.npy.gz`.
    """
    for name, array in arrays.items():
        counts = array.ndim > 1 and array.dtype.kind in "iu" and array.itemsize > 2
        with atomic(folder / f"{name}.npy{'.gz' * counts}") as part, part.open("wb") as file:
            packed = gzip.GzipFile("", "wb", 1, file, mtime=0) if counts else nullcontext(file)
            with packed as target:
                np.save(target, array, allow_pickle=False)


def in_chunks(
    work: Path, items: Sequence, compute: Callable[[Any], dict[str, np.ndarray]], what: str, size: int = 32
) -> None:
    """Compute every item on all cores and save the results joined along their first axis, in the order of the items.

    compute   item -> arrays; it should release the GIL
    what      names the work in the progress bar
    Each chunk of items is saved when it is done, so an interrupted run continues with the next.
    """
    chunks = [items[start : start + size] for start in range(0, len(items), size)]
    paths = [work / f"chunk-{i}.npz" for i in range(len(chunks))]
    waiting = [(path, chunk) for path, chunk in zip(paths, chunks, strict=True) if read_part(path) is None]
    with ThreadPoolExecutor(cores()) as pool:
        for path, chunk in bar(waiting, what, len(waiting)):
            save_part(path, _joined(list(pool.map(compute, chunk))))
    save_arrays(work, **_joined([read_part(path) or {} for path in paths]))
    for path in paths:
        path.unlink()


def _joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else ())}


def save_part(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Keep part of a result, <name>.npz in a working folder, for a run that continues after an interruption."""
    with atomic(path) as part:
        np.savez(part, **arrays, part_of=_place(path))  # type: ignore[arg-type]
        sync(part)


def read_part(path: Path) -> dict[str, np.ndarray] | None:
    """What `save_part` kept there; None where there is nothing, or it is damaged or in the wrong place."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            arrays = dict(kept)  # the zip's checksums are compared as it is read
        return arrays if np.array_equal(arrays.pop("part_of"), _place(path)) else None
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, BadZipFile, zlib.error):
        return None


def _place(path: Path) -> np.ndarray:
    return np.array(f"{path.parent.name}/{path.name}")


def load_array(folder: Path, name: str) -> np.ndarray:
    """The array that `save_arrays` wrote under this name, read-only; memory mapped where it is not compressed."""
    path = folder / f"{name}.npy"
    if path.exists():
        size = path.stat().st_size  # numpy cannot map a file without data
        array = np.asarray(np.load(path, allow_pickle=False, mmap_mode="r" if size > 128 else None))
    else:
        with gzip.open(path.with_name(f"{name}.npy.gz")) as file:
            array = np.load(file, allow_pickle=False)
    array.flags.writeable = False  # also without data, or kernels would be compiled once more for it
    return array


def digest(value: object) -> str:
    """sha256 of a JSON value, the same whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
