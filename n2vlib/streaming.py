"""One pass over the images: what several layers of a network put out, kept sparse, shard by shard."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.kernels import sparse
from n2vlib.probe import ProbeSet
from n2vlib.progress import bar
from n2vlib.record import run_layers
from n2vlib.store import read_part, save_arrays, save_part
from n2vlib.tail import Tail, n_above

if TYPE_CHECKING:
    from n2vlib.networks import Network

SHARD = 128  # images; what an interrupted run can lose
BATCH = {"cpu": 16, "cuda": 128}  # small batches are the fastest on a CPU


def stream(network: "Network", probe: ProbeSet, wanted: dict[str, Path], tau: float, level: str, device: str) -> None:
    """One pass over the images for all wanted modules; each writes to its own folder, shard by shard."""
    n_images = len(probe.images)
    passes = {module: _Pass(module, folder, n_images, tau, level) for module, folder in wanted.items()}
    n_shards = -(-n_images // SHARD)
    network.module.to(device)
    layers = ", ".join(wanted)
    for shard in bar(range(n_shards), f"reading {network.name} {layers}, {SHARD} images at a time", n_shards):
        todo = {module: layer for module, layer in passes.items() if not layer.resume(shard)}
        if not todo:
            continue
        positions = range(shard * SHARD, min((shard + 1) * SHARD, n_images))
        for images in probe.batches(BATCH[device], positions):
            ready = network.preprocessing(images).to(device, memory_format=torch.channels_last)
            for module, activations in run_layers(network.module, list(todo), ready).items():
                todo[module].add(activations)
        for layer in todo.values():
            layer.finish_shard(shard)
    for layer in passes.values():
        layer.finish(n_shards)


class _Pass:
    """One layer while it is streamed: its tail, and the entries of the shard in work."""

    def __init__(self, module: str, folder: Path, n_images: int, tau: float, level: str):
        self.module, self.folder, self.n_images, self.tau, self.level = module, folder, n_images, tau, level
        self.tail: Tail | None = None
        self.grid = (0, 0)
        self.batches: list[tuple] = []

    def resume(self, shard: int) -> bool:
        """Take in a finished shard of an earlier run; False where there is none."""
        kept = read_part(self.folder / f"shard-{shard}.npz")
        if kept is None:
            return False
        self._start(tuple(int(n) for n in kept["shape"]), kept["bounds"])
        self._tail.bounds = np.maximum(self._tail.bounds, kept["bounds"])
        self._tail.add(kept["code"] // np.uint32(self.grid[0] * self.grid[1]), kept["value"])
        return True

    def add(self, activations: torch.Tensor) -> None:
        """Take in a batch, float, (image, filter, h, w)."""
        if self.tail is None:
            self._start(tuple(activations.shape[1:]), None)
        dense = activations.float().contiguous()  # channels last would make the reductions slow
        pooled, highest = (reduced.cpu().numpy() for reduced in (dense.mean((2, 3)), dense.flatten(2).amax(2)))
        if not np.isfinite(pooled).all():
            raise BadInput(f"layer {self.module}: activations are not finite; check the weights and PREPROCESSING")
        entries = sparse.extract(dense.cpu().numpy(), highest, self._tail.bounds)
        self._tail.add(entries[1] // np.uint32(self.grid[0] * self.grid[1]), entries[2])
        self.batches.append((*entries, pooled, highest))

    def finish_shard(self, shard: int) -> None:
        bounds = self._tail.bounds
        pointers, code, value = sparse.prune(*_joined([batch[:3] for batch in self.batches]), bounds, self.grid)
        pooled, highest = (np.concatenate([batch[i] for batch in self.batches]) for i in (3, 4))
        arrays = {"pointers": pointers, "code": code, "value": value, "pooled": pooled, "highest": highest}
        arrays |= {"bounds": bounds, "shape": np.array([len(bounds), *self.grid])}
        save_part(self.folder / f"shard-{shard}.npz", arrays)
        self.batches = []

    def finish(self, n_shards: int) -> None:
        bounds, parts, pooled, highest = self._tail.settle(), [], [], []
        shards = [self.folder / f"shard-{shard}.npz" for shard in range(n_shards)]
        for path in shards:
            kept = read_part(path) or {}
            parts.append(sparse.prune(kept["pointers"], kept["code"], kept["value"], bounds, self.grid))
            pooled.append(kept["pooled"])
            highest.append(kept["highest"])
        pointers, code, value = _joined(parts)
        save_arrays(self.folder, pointers=pointers, code=code, value=value, bounds=bounds)
        save_arrays(self.folder, pooled=np.concatenate(pooled), highest=np.concatenate(highest))
        save_arrays(self.folder, shape=np.array([len(bounds), *self.grid]))
        for path in shards:
            path.unlink()

    @property
    def _tail(self) -> Tail:
        assert self.tail is not None
        return self.tail

    def _start(self, shape: tuple[int, ...], bounds: NDArray[np.float32] | None) -> None:
        if self.tail is None:
            self.grid = (shape[1], shape[2])
            self.tail = Tail(shape[0], n_above(self.tau, self.n_images * shape[1] * shape[2], self.level), bounds)


def _joined(parts: list[tuple]) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.float32]]:
    """Consecutive groups of images as one: pointers, codes, values."""
    lengths = np.concatenate([[0], *(np.diff(part[0]) for part in parts)])
    return lengths.cumsum(), np.concatenate([part[1] for part in parts]), np.concatenate([part[2] for part in parts])
