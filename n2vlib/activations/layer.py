"""A layer in the store: thresholds T_k, where each filter fires, spatial means and maxima."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from n2vlib.activations.quantiles import RunningQuantile, n_above
from n2vlib.activations.streaming import BATCH, stream
from n2vlib.device import choose_device
from n2vlib.errors import BadInput
from n2vlib.files.sealed import read_record
from n2vlib.kernels import sparse
from n2vlib.networks.behaviour import behaviours
from n2vlib.networks.hooks import run_layers
from n2vlib.probe import ProbeSet
from n2vlib.store import Store, digest, load_array

if TYPE_CHECKING:
    from n2vlib.networks.load import Network  # the network's fingerprint says what it computes, not our sources
    from n2vlib.networks.receptive_field import Windows

MODULES = ["n2vlib.activations.layer", "n2vlib.networks.preprocessing"]


@dataclass(frozen=True)
class Layer:
    """One layer of one network on one probe set, read from the store.

    network        its name; network_fingerprint: of its weights and its code
    name, module   `Network.called`: the name asked for, of a file of units its last part; and `Network.layer`: the
                   dotted name of the module whose output was captured, and the hash of the units
    shape          (filter, h, w)
    input_size     (height, width) of the network's input
    windows        receptive fields of the cells on the input; None where the network's code hides them
    tau            share of places where a filter fires; tau_max: the largest tau that `at` takes
    thresholds     T_k, float32, (filter,)
    source         the network and the probe set, for `maps`
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
    tau_max: float
    quantile: str
    fingerprint: str
    folder: Path
    store: Store
    device: str
    source: "tuple[Network, ProbeSet]" = field(repr=False, compare=False)

    @property
    def n_filters(self) -> int:
        return self.shape[0]

    @property
    def grid(self) -> tuple[int, int]:
        return self.shape[1:]

    @property
    def made(self) -> dict[str, str]:
        """Versions of Python and of packages, and the device, with which the layer was measured."""
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
        """Activations that may fire, and their neighbours: pointers, codes, values (see kernels.sparse)."""
        pointers, code, value = (load_array(self.folder, name) for name in ("pointers", "code", "value"))
        return pointers, code, value

    @cached_property
    def thresholds(self) -> NDArray[np.float32]:
        bounds = np.array(load_array(self.folder, "bounds"))
        if self.tau == self.tau_max:
            return bounds
        _, code, value = self.entries
        running = RunningQuantile(
            self.n_filters, n_above(self.tau, self.n_places, self.quantile), bounds, self.grid[0] * self.grid[1]
        )
        running.add(code, value)
        return running.settle([(code, value)])

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
        """State of every filter, (filter,): "dead" (fires nowhere), "tied" (fires at fewer places than tau, because
        several activations equal T_k: the zero of a ReLU, or a ceiling), or "" (fires at a share tau of places)."""
        filters = self.fired[1] // np.uint32(self.grid[0] * self.grid[1])
        n_fired = np.bincount(filters, minlength=self.n_filters)
        short = n_fired < n_above(self.tau, self.n_places, self.quantile)
        return np.where(n_fired == 0, "dead", np.where(short, "tied", ""))

    @property
    def silence(self) -> str:
        """How many filters, or units of a file, are dead or tied, as a sentence; "" where there are none."""
        dead, tied = (int((self.state == kind).sum()) for kind in ("dead", "tied"))
        if not dead + tied:
            return ""
        what = "units" if ":" in self.module else "filters"
        return f"{self.name}: of {self.n_filters} {what} {dead} never fire, {tied} at fewer places than tau (ties)"

    def __post_init__(self) -> None:
        if not n_above(self.tau, self.n_places, self.quantile):
            raise BadInput(
                f"layer {self.name}: tau = {self.tau} of its {self.n_places} places is less than one, so no filter can "
                f"fire; take tau of at least {1 / self.n_places:.2g}, more images, or a layer with a larger grid"
            )

    @property
    def n_places(self) -> int:
        return self.n_images * self.grid[0] * self.grid[1]

    def maps(self, images: Sequence[int], filters: Any = slice(None)) -> NDArray[np.float32]:
        """The activation maps of some images, whole and computed anew on the CPU: float32, (image, filter, h, w).

        images   positions in the probe set      filters   which ones; a single number leaves out their axis
        """
        network, probe = self.source
        batches = network.preprocessing(np.stack([probe.image(int(i)) for i in images])).split(BATCH["cpu"])
        found = [run_layers(network.module.cpu(), [self.module], batch)[self.module][:, filters] for batch in batches]
        return torch.cat(found).numpy()

    def fired_in(self, image: int) -> NDArray[np.bool_]:
        """1[A_k > T_k] of one image, bool, (filter, h, w)."""
        dense = np.zeros(self.shape, np.bool_)
        pointers, code = self.fired
        dense.ravel()[code[pointers[image] : pointers[image + 1]]] = True
        return dense

    def at(self, tau: float) -> "Layer":
        """The same layer with the thresholds of another tau, up to `tau_max`."""
        if not 0 < tau <= self.tau_max:
            raise BadInput(f"tau = {tau}: this layer was read for tau up to {self.tau_max}; read it with tau_max={tau}")
        return replace(self, tau=tau, fingerprint=digest([self.folder.name, tau, self.quantile]))


def read_layers(
    network: "Network",
    layers: list[str],
    probe: ProbeSet,
    *,
    tau: float,
    tau_max: float | None = None,
    quantile: str = "exact",
    device: str = "auto",
    store: Store | None = None,
) -> dict[str, Layer]:
    """Several layers of a network on a probe set, in one pass over the images, or from the store if it has them.

    layers   names from the papers (conv5) or dotted module names; LAYER:FILE for units in a file (`networks.units`)
    tau      share of places where a filter fires (Net2Vec 3.1.1: 0.005)
    tau_max  largest tau that `Layer.at` will take; tau where None
    quantile "exact": tau as given; "released": the nearest entry of the released code's table of 1,000 quantiles, so
             that 0.005 becomes 5/999
    Returns  {name as asked: Layer}
    """
    if quantile not in ("exact", "released"):
        raise BadInput(f"quantile = {quantile!r}: say 'exact' or 'released'")
    store, tau_max, device = store or Store(), tau_max or tau, choose_device(device)
    modules = {name: network.layer(name) for name in layers}
    called = {name: network.called(name) for name in layers}
    if len({*called.values()}) < len({*layers}):
        raise BadInput(f"layers: two files would have one name ({', '.join(called.values())}); rename one of them")
    known = {module: _known(network, module, probe) for module in modules.values()}
    outputs = behaviours(network, known, probe, device, store)
    of_tau_max = {"tau_max": str(effective_tau(tau_max, quantile))}
    inputs = [{**known[module], "outputs": outputs[module], **of_tau_max} for module in modules.values()]

    def make(missing: dict[int, Path]) -> None:
        wanted = {list(modules.values())[i]: folder for i, folder in missing.items()}
        stream(network, probe, wanted, tau_max, quantile, device)

    folders = store.entries("activations", inputs, MODULES, make, device)
    found = {}
    for (name, module), folder in zip(modules.items(), folders, strict=True):
        filters, height, width = (int(n) for n in load_array(folder, "shape"))
        shape = filters, height, width
        fingerprint = digest([folder.name, tau, quantile])
        n_images = len(probe.images)
        found[name] = Layer(
            network.name, network.fingerprint, called[name], module, shape, network.preprocessing.size,
            network.windows(module), n_images, tau, tau_max, quantile, fingerprint, folder, store, device,
            (network, probe),
        )  # fmt: skip
    return found


def _known(network: "Network", module: str, probe: ProbeSet) -> dict:
    """What a layer's outputs depend on, as far as it is known without running the network."""
    return {
        "weights": network.fingerprint,
        "code": network.code,
        "preprocessing": network.preprocessing.as_json(),
        "module": module,
        "probe": probe.fingerprint,
    }


def effective_tau(tau: float, quantile: str) -> Fraction:
    """tau as it is used: exact, or the nearest column of the released table (quantile 1 - 5/999 for 0.005)."""
    return Fraction(str(tau)) if quantile == "exact" else Fraction(round(1000 * tau), 999)
