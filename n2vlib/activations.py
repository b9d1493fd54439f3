"""Stream a layer once: thresholds T_k, what fired, spatial means and maxima."""

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from n2vlib.behaviour import behaviours
from n2vlib.errors import BadInput
from n2vlib.kernels import sparse
from n2vlib.probe import ProbeSet
from n2vlib.sealed import read_record
from n2vlib.store import Store, digest, load_array
from n2vlib.streaming import stream
from n2vlib.tail import Tail, n_above

if TYPE_CHECKING:
    from n2vlib.networks import Network  # what a network computes is in its fingerprint, not in our sources
    from n2vlib.receptive import Windows

MODULES = ["n2vlib.activations", "n2vlib.preprocessing"]


@dataclass(frozen=True)
class Layer:
    """One layer of one network on one probe set, read from the store.

    network        its name; network_fingerprint: of its weights and its code
    name, module   as asked for, and the dotted name of the module whose output was recorded
    shape          (filter, h, w)
    input_size     (height, width) of the network's input
    windows        where the cells look on it (receptive); None where the network's code hides it
    tau            share of places where a filter fires; `floor` the largest tau this layer can be asked for
    thresholds     T_k, float32, (filter,)
    """

    network: str
    network_fingerprint: str
    name: str
    module: str
    shape: tuple[int, int, int]
    input_size: tuple[int, int]
    windows: "Windows | None"
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
    def made(self) -> dict[str, str]:
        """What measured the layer, perhaps long ago: python, versions of packages, device."""
        return read_record(self.folder)["made"]

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
        tail = Tail(self.n_filters, n_above(self.tau, self.n_places, self.level), bounds, self.grid[0] * self.grid[1])
        tail.add(code, value)
        return tail.settle([(code, value)])

    @cached_property
    def fired(self) -> tuple[NDArray[np.int64], NDArray[np.uint32]]:
        """Where A_k > T_k: pointers int64, (image + 1,) and codes uint32 (filter * h * w + row * w + column)."""
        return sparse.above(*self.entries, self.thresholds, self.grid[0] * self.grid[1])

    @cached_property
    def realised(self) -> NDArray[np.float64]:
        """Share of places where each filter fires, (filter,); below tau where activations tie at T_k."""
        filters = self.fired[1] // np.uint32(self.grid[0] * self.grid[1])
        return np.bincount(filters, minlength=self.n_filters) / self.n_places

    @cached_property
    def state(self) -> NDArray[np.str_]:
        """Of every filter, (filter,): "dead" (it fires nowhere), "tied" (at fewer places than tau of them, because more
        share the value T_k: the zero of a ReLU, or a ceiling), or "" where it fires as tau says."""
        filters = self.fired[1] // np.uint32(self.grid[0] * self.grid[1])
        n_fired = np.bincount(filters, minlength=self.n_filters)
        short = n_fired < n_above(self.tau, self.n_places, self.level)
        return np.where(n_fired == 0, "dead", np.where(short, "tied", ""))

    @property
    def silence(self) -> str:
        """How many filters are dead or tied, in words; "" where none is."""
        dead, tied = (int((self.state == kind).sum()) for kind in ("dead", "tied"))
        if not dead + tied:
            return ""
        return f"{self.name}: of {self.n_filters} filters {dead} never fire, {tied} at fewer places than tau (ties)"

    def __post_init__(self) -> None:
        if not n_above(self.tau, self.n_places, self.level):
            raise BadInput(
                f"layer {self.name}: tau = {self.tau} of its {self.n_places} places is less than one, so no filter can "
                f"fire; take tau of at least {1 / self.n_places:.2g}, more images, or a layer with a larger grid"
            )

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
    network: "Network",
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
    known = {module: _known(network, module, probe) for module in modules.values()}
    outputs = behaviours(network, known, probe, device, store)
    of_floor = {"floor": str(effective_tau(floor, level))}
    inputs = [{**known[module], "outputs": outputs[module], **of_floor} for module in modules.values()]

    def make(missing: dict[int, Path]) -> None:
        wanted = {list(modules.values())[i]: folder for i, folder in missing.items()}
        stream(network, probe, wanted, floor, level, device)

    folders = store.entries("activations", inputs, MODULES, make, device)
    found = {}
    for (name, module), folder in zip(modules.items(), folders, strict=True):
        filters, height, width = (int(n) for n in load_array(folder, "shape"))
        shape = filters, height, width
        fingerprint = digest([folder.name, tau, level])
        n_images = len(probe.images)
        found[name] = Layer(
            network.name, network.fingerprint, name, module, shape, network.preprocessing.size, network.windows(module),
            n_images, tau, floor, level, fingerprint, folder, store, device,
        )  # fmt: skip
    return found


def _known(network: "Network", module: str, probe: ProbeSet) -> dict:
    """What a layer's outputs depend on, as far as it can be read."""
    return {
        "weights": network.fingerprint,
        "code": network.code,
        "preprocessing": network.preprocessing.record(),
        "module": module,
        "probe": probe.fingerprint,
    }


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
