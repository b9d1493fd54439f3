"""One pass over the images: what several layers of a network put out, kept sparse, batch by batch."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.kernels import sparse
from n2vlib.npy import growing
from n2vlib.probe import ProbeSet
from n2vlib.progress import bar
from n2vlib.record import run_layers
from n2vlib.store import read_part, save_arrays, save_part
from n2vlib.tail import Tail, n_above

if TYPE_CHECKING:
    from n2vlib.networks import Network

BATCH = {"cpu": 16, "cuda": 128}  # images; small batches are the fastest on a CPU. An interrupted run can lose one
ARRAYS = {"code": np.uint32, "value": np.float32}  # one an entry
MEANS = ("pooled", "highest")  # float32, (image, filter)


def stream(network: "Network", probe: ProbeSet, wanted: dict[str, Path], tau: float, level: str, device: str) -> None:
    """One pass over the images for all wanted modules; each writes to its own folder, batch by batch."""
    n_images, size = len(probe.images), BATCH[device]
    passes = [_Pass(module, folder, n_images, tau, level) for module, folder in wanted.items()]
    batches = [range(start, min(start + size, n_images)) for start in range(0, n_images, size)]
    todo = {batch: [layer for layer in passes if not layer.resume(batch)] for batch in batches}
    todo = {batch: layers for batch, layers in todo.items() if layers}
    images = probe.batches(size, [i for batch in todo for i in batch])
    network.module.to(device)
    what = f"reading {network.name} {', '.join(wanted)}, {size} images at a time"
    for batch, layers in bar(todo.items(), what, len(todo)):
        ready = network.preprocessing(next(images)).to(device, memory_format=torch.channels_last)
        outputs = run_layers(network.module, [layer.module for layer in layers], ready)
        for layer in layers:
            layer.add(batch, outputs.pop(layer.module))
    for layer in passes:
        layer.finish(batches)


class _Pass:
    """One layer while it is streamed: its tail; what it kept of each batch lies in a part of its own."""

    def __init__(self, module: str, folder: Path, n_images: int, tau: float, level: str):
        self.module, self.folder, self.n_images, self.tau, self.level = module, folder, n_images, tau, level
        self.tail: Tail | None = None
        self.grid = (0, 0)

    def resume(self, batch: range) -> bool:
        """Take in a finished batch of an earlier run; False where there is none."""
        kept = read_part(self._part(batch))
        if kept is None:
            return False
        tail = self._started(tuple(int(n) for n in kept["shape"]))
        tail.rise(kept["bounds"])
        tail.add(kept["code"], kept["value"])
        return True

    def add(self, batch: range, activations: torch.Tensor) -> None:
        """Take in a batch, float, (image, filter, h, w)."""
        tail = self._started(tuple(activations.shape[1:]))
        dense = activations.float().contiguous(memory_format=torch.channels_last).cpu().permute(0, 2, 3, 1)
        found = sparse.extract(dense.contiguous().numpy(), tail.bounds)
        if not np.isfinite(found.pooled).all():
            raise BadInput(f"layer {self.module}: activations are not finite; check the weights and PREPROCESSING")
        tail.add(found.code, found.value)
        arrays = found._asdict()
        arrays |= {"bounds": tail.bounds, "shape": np.array([len(tail.bounds), *self.grid])}
        save_part(self._part(batch), arrays)

    def finish(self, batches: list[range]) -> None:
        """Find the thresholds, and write what is near a value above them; parts are read one at a time."""
        assert self.tail is not None
        parts = [self._part(batch) for batch in batches]
        bounds = self.tail.settle(_entries(path) for path in parts)
        n_filters, pointers = len(bounds), [np.zeros(1, np.int64)]
        with ExitStack() as files:
            write = {name: files.enter_context(growing(self.folder / f"{name}.npy", ARRAYS[name])) for name in ARRAYS}
            rows = partial(growing, dtype=np.float32, row=(n_filters,))
            write |= {name: files.enter_context(rows(self.folder / f"{name}.npy")) for name in MEANS}
            for path in parts:
                kept = read_part(path) or {}
                own, *entries = sparse.prune(kept["pointers"], kept["code"], kept["value"], bounds, self.grid)
                for name, part in zip(write, (*entries, kept["pooled"], kept["highest"]), strict=True):
                    write[name](part)
                pointers.append(pointers[-1][-1] + own[1:])
        save_arrays(self.folder, pointers=np.concatenate(pointers), bounds=bounds)
        save_arrays(self.folder, shape=np.array([n_filters, *self.grid]))
        for path in self.folder.glob("batch-*.npz"):
            path.unlink()

    def _part(self, batch: range) -> Path:
        return self.folder / f"batch-{batch.start}-{batch.stop}.npz"

    def _started(self, shape: tuple[int, ...]) -> Tail:
        if self.tail is None:
            self.grid = (shape[1], shape[2])
            above = n_above(self.tau, self.n_images * shape[1] * shape[2], self.level)
            self.tail = Tail(shape[0], above, cells=shape[1] * shape[2])
        return self.tail


def _entries(path: Path) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
    kept = read_part(path) or {}
    return kept["code"], kept["value"]
