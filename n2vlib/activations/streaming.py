"""One pass over the images: the outputs of several layers, kept sparse, shard by shard."""

import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from n2vlib.activations.quantiles import RunningQuantile, n_above
from n2vlib.device import kind_of
from n2vlib.errors import BadInput
from n2vlib.files.npy import growing
from n2vlib.kernels import sparse
from n2vlib.networks.hooks import run_layers
from n2vlib.probe import ProbeSet
from n2vlib.progress import bar
from n2vlib.store import read_part, save_arrays, save_part
from n2vlib.workers.heap import give_back_freed_memory

if TYPE_CHECKING:
    from n2vlib.networks.load import Network

SHARD = 128  # images; an interrupted run loses no more than these
BATCH = {"cpu": 16, "gpu": 128}  # small batches are the fastest on a CPU
Entries = tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.float32]]  # pointers, codes, values


def stream(
    network: "Network", probe: ProbeSet, wanted: dict[str, Path], tau: float, quantile: str, device: str
) -> None:
    """One pass over the images for all wanted modules; each writes to its own folder, shard by shard."""
    n_images = len(probe.images)
    passes = [_Pass(module, folder, n_images, tau, quantile) for module, folder in wanted.items()]
    n_shards = -(-n_images // SHARD)
    network.module.to(device)
    layers = ", ".join(wanted)
    for shard in bar(range(n_shards), f"reading {network.name} {layers}, {SHARD} images at a time", n_shards):
        todo = [layer for layer in passes if not layer.resume(shard)]
        if not todo:
            continue
        positions = range(shard * SHARD, min((shard + 1) * SHARD, n_images))
        for images in probe.batches(BATCH[kind_of(device)], positions):
            ready = network.preprocessing(images).to(device, memory_format=torch.channels_last)
            outputs = run_layers(network.module, [layer.module for layer in todo], ready)
            for layer in todo:
                layer.add(outputs.pop(layer.module), shard)
        for layer in todo:
            layer.finish_shard(shard)
        give_back_freed_memory()
    for layer in passes:
        layer.finish(n_shards)
        give_back_freed_memory()


class _Pass:
    """A layer while it is streamed: its quantiles, and the current shard, whose entries go to disk batch by batch."""

    def __init__(self, module: str, folder: Path, n_images: int, tau: float, quantile: str):
        self.module, self.folder, self.n_images, self.tau, self.quantile = module, folder, n_images, tau, quantile
        self.running: RunningQuantile | None = None
        self.grid = (0, 0)
        self.batches: list[dict[str, NDArray]] = []

    def resume(self, shard: int) -> bool:
        """Add a finished shard of an earlier run; False where there is none."""
        kept = read_part(self._part(shard))
        if kept is None or _crc(self._part(shard)) != kept["crc"]:
            return False
        running = self._started(tuple(int(n) for n in kept["shape"]))
        running.rise(kept["bounds"])
        for _, code, value in _entries(self._part(shard), kept):
            running.add(code, value)
        return True

    def add(self, activations: torch.Tensor, shard: int) -> None:
        """Add a batch of a shard, float, (image, filter, h, w)."""
        running = self._started(tuple(activations.shape[1:]))
        dense = activations.float().contiguous(memory_format=torch.channels_last).cpu().permute(0, 2, 3, 1)
        found = sparse.extract(dense.contiguous().numpy(), running.bounds)
        if not np.isfinite(found.pooled).all():
            raise BadInput(f"layer {self.module}: activations are not finite; check the weights and PREPROCESSING")
        running.add(found.code, found.value)
        with self._part(shard).with_suffix(".raw").open("ab" if self.batches else "wb") as file:
            file.write(found.code.data)
            file.write(found.value.data)
        counts, n_images = np.diff(found.pointers), np.array([len(found.pooled)])
        self.batches.append({"counts": counts, "batch": n_images, "pooled": found.pooled, "highest": found.highest})

    def finish_shard(self, shard: int) -> None:
        assert self.running is not None
        part = self._part(shard)
        arrays = {name: np.concatenate([batch[name] for batch in self.batches]) for name in self.batches[0]}
        arrays |= {"bounds": self.running.bounds, "shape": np.array([len(self.running.bounds), *self.grid])}
        save_part(part, {**arrays, "crc": np.array(_crc(part))})
        self.batches = []

    def finish(self, n_shards: int) -> None:
        """Find the thresholds, and write the entries near a value above them, batch by batch."""
        assert self.running is not None
        shards = [self._part(shard) for shard in range(n_shards)]
        bounds = self.running.settle(entries[1:] for entries in chain.from_iterable(map(_entries, shards)))
        counts = [np.zeros(1, np.int64)]
        array, row = partial(growing, self.folder), (len(bounds),)
        with ExitStack() as files:
            code, value = (files.enter_context(array(*each)) for each in (("code", np.uint32), ("value", np.float32)))
            means = {name: files.enter_context(array(name, np.float32, row)) for name in ("pooled", "highest")}
            for shard in shards:
                kept = read_part(shard) or {}
                for entries in _entries(shard, kept):
                    pruned = sparse.prune(*entries, bounds, self.grid)
                    counts.append(np.diff(pruned[0]))
                    code(pruned[1])
                    value(pruned[2])
                for name, append in means.items():
                    append(kept[name])
        save_arrays(self.folder, pointers=np.concatenate(counts).cumsum(), bounds=bounds)
        save_arrays(self.folder, shape=np.array([len(bounds), *self.grid]))
        for shard in shards:
            shard.unlink()
            shard.with_suffix(".raw").unlink()

    def _part(self, shard: int) -> Path:
        """The file of a shard; its entries lie beside it, in a file with the suffix .raw."""
        return self.folder / f"shard-{shard}.npz"

    def _started(self, shape: tuple[int, ...]) -> RunningQuantile:
        if self.running is None:
            self.grid = (shape[1], shape[2])
            above = n_above(self.tau, self.n_images * shape[1] * shape[2], self.quantile)
            self.running = RunningQuantile(shape[0], above, cells=shape[1] * shape[2])
        return self.running


def _entries(part: Path, kept: dict[str, NDArray] | None = None) -> Iterator[Entries]:
    """The entries of a shard's batches: all codes of a batch, then all its values.

    kept   the contents of `part`, if they have been read already
    """
    kept = kept or read_part(part) or {}
    with part.with_suffix(".raw").open("rb") as file:
        for counts in np.split(kept["counts"], kept["batch"].cumsum()[:-1]):
            pointers = np.concatenate([[0], counts.cumsum()])
            yield pointers, np.fromfile(file, np.uint32, pointers[-1]), np.fromfile(file, np.float32, pointers[-1])


def _crc(part: Path) -> int:
    """Checksum of a shard's entries; -1 where they cannot be read."""
    try:
        with part.with_suffix(".raw").open("rb") as file:
            found = 0
            while block := file.read(1 << 20):
                found = zlib.crc32(block, found)
            return found
    except OSError:
        return -1
