"""Stream a layer once: thresholds T_k, what fired, spatial means and maxima."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.kernels import sparse
from n2vlib.networks import Network
from n2vlib.probe import ProbeSet
from n2vlib.progress import bar
from n2vlib.record import run_layers
from n2vlib.store import Store, digest, load_array, save_arrays
from n2vlib.tail import Tail, n_above

MODULES = ["n2vlib.activations"]
SHARD = 128  # images; what an interrupted run can lose
BATCH = {"cpu": 16, "cuda": 128}  # small batches are the fastest on a CPU (SEMANTICS 8, 29)


@dataclass(frozen=True)
class Layer:
    """One layer of one network on one probe set, read from the store.

    name, module   as asked for, and the dotted name of the module whose output was recorded
    shape          (filter, h, w)
    tau            share of places where a filter fires; `floor` the largest tau this layer can be asked for
    thresholds     T_k, float32, (filter,)
    """

    network: str
    name: str
    module: str
    shape: tuple[int, int, int]
    n_images: int
    tau: float
    floor: float
    level: str
    fingerprint: str
    folder: Path
    store: Store
    device: str

    @property
    def n_filters(self) -> int:
        return self.shape[0]

    @property
    def grid(self) -> tuple[int, int]:
        return self.shape[1:]

    @property
    def pooled(self) -> NDArray[np.float32]:
        """Spatial mean of every activation map, (image, filter)."""
        return load_array(self.folder, "pooled")

    @property
    def highest(self) -> NDArray[np.float32]:
        """Spatial maximum of every activation map, (image, filter)."""
        return load_array(self.folder, "highest")

    @cached_property
    def entries(self) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.float32]]:
        """Everything that may fire and its neighbours: pointers, codes, values (see kernels.sparse)."""
        pointers, code, value = (load_array(self.folder, name) for name in ("pointers", "code", "value"))
        return pointers, code, value

    @cached_property
    def thresholds(self) -> NDArray[np.float32]:
        bounds = np.array(load_array(self.folder, "bounds"))
        if self.tau == self.floor:
            return bounds
        _, code, value = self.entries
        tail = Tail(self.n_filters, n_above(effective_tau(self.tau, self.level), self.n_places), bounds)
        tail.add(code // np.uint32(self.grid[0] * self.grid[1]), value)
        return tail.settle()

    @cached_property
    def fired(self) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Where A_k > T_k: pointers int64, (image + 1,) and codes uint32 (filter * h * w + row * w + column)."""
        pointers, code, value = self.entries
        above = value > self.thresholds[code // np.uint32(self.grid[0] * self.grid[1])]
        pointers, code, _ = sparse.select(pointers, code, value, above)
        return pointers, code

    @cached_property
    def realised(self) -> NDArray[np.float64]:
        """Share of places where each filter fires, (filter,); below tau where activations tie at T_k."""
        filters = self.fired[1] // np.uint32(self.grid[0] * self.grid[1])
        return np.bincount(filters, minlength=self.n_filters) / self.n_places

    @property
    def n_places(self) -> int:
        return self.n_images * self.grid[0] * self.grid[1]

    def fired_in(self, image: int) -> NDArray[np.bool_]:
        """1[A_k > T_k] of one image, bool, (filter, h, w)."""
        dense = np.zeros(self.shape, np.bool_)
        pointers, code = self.fired
        dense.ravel()[code[pointers[image] : pointers[image + 1]]] = True
        return dense

    def at(self, tau: float) -> "Layer":
        """The same layer with other thresholds, for any tau up to the largest it was read for."""
        if not 0 < tau <= self.floor:
            raise BadInput(f"tau = {tau}: this layer was read for tau up to {self.floor}; read it with floor={tau}")
        return replace(self, tau=tau, fingerprint=digest([self.folder.name, tau, self.level]))


def read_layers(
    network: Network,
    layers: list[str],
    probe: ProbeSet,
    *,
    tau: float,
    floor: float | None = None,
    level: str = "exact",
    device: str = "auto",
    store: Store | None = None,
) -> dict[str, Layer]:
    """Several layers of a network on a probe set, in one pass over the images; read from the store where it has them.

    layers   names from the papers (conv5) or dotted module names
    tau      share of places where a filter fires (Net2Vec 3.1.1: 0.005)
    floor    largest tau that will be asked of these layers with `Layer.at`; tau where None
    level    "exact": tau as given; "released": as the released code reads its table of 1,000 quantiles, so that
             0.005 becomes 5/999
    Returns  {name as asked: Layer}
    """
    if level not in ("exact", "released"):
        raise BadInput(f"level = {level!r}: say 'exact' or 'released'")
    store, floor, device = store or Store(), floor or tau, choose_device(device)
    modules = {name: network.layer(name) for name in layers}
    inputs = [
        {
            "weights": network.fingerprint,
            "preprocessing": network.preprocessing.record(),
            "module": module,
            "probe": probe.fingerprint,
            "floor": str(effective_tau(floor, level)),
        }
        for module in modules.values()
    ]

    def make(missing: dict[int, Path]) -> None:
        wanted = {list(modules.values())[i]: folder for i, folder in missing.items()}
        _stream(network, probe, wanted, effective_tau(floor, level), device)

    folders = store.entries("activations", inputs, MODULES, make)
    found = {}
    for (name, module), folder in zip(modules.items(), folders, strict=True):
        filters, height, width = (int(n) for n in load_array(folder, "shape"))
        shape = filters, height, width
        fingerprint = digest([folder.name, tau, level])
        n_images = len(probe.images)
        found[name] = Layer(
            network.name, name, module, shape, n_images, tau, floor, level, fingerprint, folder, store, device
        )
    return found


def effective_tau(tau: float, level: str) -> Fraction:
    """tau as it is counted: exact, or the nearest column of the released table (level 1 - 5/999 for 0.005)."""
    return Fraction(str(tau)) if level == "exact" else Fraction(round(1000 * tau), 999)


def choose_device(device: str) -> str:
    """auto, cpu or cuda, to cpu or cuda."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise BadInput("DEVICE = 'cuda': torch sees no CUDA device here; say 'auto' or 'cpu'")
    return device


class _Pass:
    """One layer while it is streamed: its tail, and the entries of the shard in work."""

    def __init__(self, module: str, folder: Path, n_images: int, tau: Fraction):
        self.module, self.folder, self.n_images, self.tau = module, folder, n_images, tau
        self.tail: Tail | None = None
        self.grid = (0, 0)
        self.batches: list[tuple] = []

    def resume(self, shard: int) -> bool:
        """Take in a finished shard of an earlier run; False where there is none."""
        if not (self.folder / f"shard-{shard}.npz").exists():
            return False
        with np.load(self.folder / f"shard-{shard}.npz", allow_pickle=False) as kept:
            self._start(tuple(int(n) for n in kept["shape"]), kept["bounds"])
            self._tail.bounds = np.maximum(self._tail.bounds, kept["bounds"])
            self._tail.add(kept["code"] // np.uint32(self.grid[0] * self.grid[1]), kept["value"])
        return True

    def add(self, activations: torch.Tensor) -> None:
        """Take in a batch, float, (image, filter, h, w)."""
        if self.tail is None:
            self._start(tuple(activations.shape[1:]), None)
        pooled, highest = activations.mean((2, 3)).cpu().numpy(), activations.amax((2, 3)).cpu().numpy()
        if not np.isfinite(pooled).all():
            raise BadInput(f"layer {self.module}: activations are not finite; check the weights and PREPROCESSING")
        dense = activations.float().cpu().contiguous().numpy()
        entries = sparse.extract(dense, highest, self._tail.bounds)
        self._tail.add(entries[1] // np.uint32(self.grid[0] * self.grid[1]), entries[2])
        self.batches.append((*entries, pooled, highest))

    def finish_shard(self, shard: int) -> None:
        bounds = self._tail.settle()
        pointers, code, value = sparse.prune(*_joined([batch[:3] for batch in self.batches]), bounds, self.grid)
        pooled, highest = (np.concatenate([batch[i] for batch in self.batches]) for i in (3, 4))
        shape = np.array([len(bounds), *self.grid])
        part = self.folder / f"shard-{shard}.part"
        with part.open("wb") as file:
            np.savez(
                file,
                pointers=pointers,
                code=code,
                value=value,
                pooled=pooled,
                highest=highest,
                bounds=bounds,
                shape=shape,
            )
        part.rename(self.folder / f"shard-{shard}.npz")
        self.batches = []

    def finish(self, n_shards: int) -> None:
        bounds, parts, pooled, highest = self._tail.settle(), [], [], []
        shards = [self.folder / f"shard-{shard}.npz" for shard in range(n_shards)]
        for path in shards:
            with np.load(path, allow_pickle=False) as kept:
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
            self.tail = Tail(shape[0], n_above(self.tau, self.n_images * shape[1] * shape[2]), bounds)


def _stream(network: Network, probe: ProbeSet, wanted: dict[str, Path], tau: Fraction, device: str) -> None:
    """One pass over the images for all wanted modules; each writes to its own folder, shard by shard."""
    n_images = len(probe.images)
    passes = {module: _Pass(module, folder, n_images, tau) for module, folder in wanted.items()}
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


def _joined(parts: list[tuple]) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.float32]]:
    """Consecutive groups of images as one: pointers, codes, values."""
    lengths = np.concatenate([[0], *(np.diff(part[0]) for part in parts)])
    return lengths.cumsum(), np.concatenate([part[1] for part in parts]), np.concatenate([part[2] for part in parts])
