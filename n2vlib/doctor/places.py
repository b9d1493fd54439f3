"""Data, store, the zoo's weights and compiled kernels: present, missing or damaged. Nothing is changed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from n2vlib import kernels
from n2vlib.doctor.finding import MISSING, OK, PROBLEM, Finding, size
from n2vlib.errors import BadInput
from n2vlib.files.output import refused
from n2vlib.files.sealed import RECORD, intact
from n2vlib.paths import data_root, store_root
from n2vlib.probe import as_drawn, world_folder
from n2vlib.progress import bar
from n2vlib.zoo import shipped

_NOT_ENTRIES = (".lock", ".work", ".damaged")


def found() -> Iterator[Finding]:
    """The folders that the library keeps, and what is in them."""
    yield from _folder("store", store_root(), "N2V_STORE")
    yield from _folder("data", data_root(), "N2V_DATA")
    yield from _worlds()
    yield from _zoo()
    yield _kernels()


def _folder(what: str, root: Path, variable: str) -> Iterator[Finding]:
    there = next(place for place in (root, *root.parents) if place.exists())
    free = f"{root} ({variable}), {size(shutil.disk_usage(there).free)} free"
    why = refused(there)
    yield Finding(PROBLEM, what, f"{free}; nothing can be written ({why})") if why else Finding(OK, what, free)
    for kind in sorted(path for path in root.glob("*") if path.is_dir()):
        entries = [path for path in kind.iterdir() if path.is_dir() and path.suffix not in _NOT_ENTRIES]
        sealed = [path for path in entries if (path / RECORD).exists() or what == "store"]
        if not sealed:
            continue
        damaged = [path.name for path in bar(sealed, f"checking {kind.name}") if not intact(path, {})]
        held = size(sum(file.stat().st_size for path in sealed for file in path.iterdir()))
        aside = len([*kind.glob("*.damaged")])
        more = f"; {aside} damaged ones set aside earlier (*.damaged, may be deleted)" if aside else ""
        said = f"{len(sealed)} entries, {held}{more}"
        yield (
            Finding(OK, f"{what}/{kind.name}", said) if not damaged else _damaged(f"{what}/{kind.name}", said, damaged)
        )


def _damaged(what: str, said: str, names: list[str]) -> Finding:
    """Damaged entries are no loss, since they are measured again, but a disk may be failing."""
    listed = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
    return Finding(PROBLEM, what, f"{said}; {len(names)} damaged, made again when they are needed: {listed}")


def _worlds() -> Iterator[Finding]:
    for name, n_images in {"world": 4000, "world-800": 800}.items():
        folder = world_folder(n_images)
        if not folder.exists():
            yield Finding(MISSING, name, "not drawn yet; it is drawn when it is first asked for")
            continue
        probe = as_drawn(folder, name)
        damaged = "damaged; it is drawn again when it is asked for"
        yield Finding(OK, name, f"{len(probe):,} images") if probe else Finding(PROBLEM, name, damaged)


def _zoo() -> Iterator[Finding]:
    faults = []
    for name in bar(shipped.names(), "checking the zoo"):
        try:
            shipped.load(name)
        except BadInput as error:
            faults.append(str(error))
    yield from (Finding(PROBLEM, "zoo", fault) for fault in faults)
    yield Finding(OK, "zoo", f"{len(shipped.names()) - len(faults)} networks, their weights intact")


def _kernels() -> Finding:
    said, beside = os.environ.get("NUMBA_CACHE_DIR"), Path(kernels.__file__).parent / "__pycache__"
    place = Path(said) if said else beside  # `kernels` has set it where nothing can be written beside the source
    compiled = len([*place.rglob("*.nbi")])
    return Finding(OK, "kernels", f"{compiled} compiled, in {place}; the others compile when they are first called")
