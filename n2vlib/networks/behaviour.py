"""A layer's outputs for a few fixed images: networks whose outputs differ never share measurements.

Weights and code distinguish most networks, but not all: a helper function, a hook or a replaced forward is in neither.
So the outputs are stored, and compared whenever measurements are requested. They are compared, not hashed, because
floats differ slightly between devices, numbers of threads and versions.
"""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.files.sealed import read_record
from n2vlib.networks.hooks import run_layers
from n2vlib.probe import ProbeSet
from n2vlib.store import Store, load_array, save_arrays

if TYPE_CHECKING:
    from n2vlib.networks.load import Network

MODULES = ["n2vlib.networks.behaviour"]
SHOWN = 8  # images of the probe set: a network may fail on others (planted/network.py does)
PLACES = 256  # compared per map, drawn at random where it has more, beside its mean and its maximum
TOLERANCE, ROUNDING = 1e-3, 1e-6  # relative to a filter's largest output, to the layer's


def behaviours(
    network: "Network", inputs: dict[str, dict], probe: ProbeSet, device: str, store: Store
) -> dict[str, str]:
    """{module: sha256} that distinguishes the layers' outputs from all others stored for the same inputs.

    inputs   {module: what its outputs are known to depend on (weights, preprocessing, probe set)}
    Raises BadInput where the outputs are not finite, or differ between two passes over one image.
    """
    images = fixed_images(probe)
    now = _outputs(network, list(inputs), images, device)
    again = cache(partial(_in_other_batches, network, list(inputs), images, device))
    return {name: _known(name, now[name], again, inputs[name], device, store) for name in inputs}


def fixed_images(probe: ProbeSet) -> NDArray[np.uint8]:
    """SHOWN images of the probe set, evenly spaced, or all of a smaller set: uint8, (at most SHOWN, ih, iw, 3)."""
    chosen = np.unique(np.linspace(0, len(probe) - 1, SHOWN).astype(int))
    return np.stack([probe.image(int(i)) for i in chosen])


def close(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    """Whether two outputs (image, filter, value) differ by no more than rounding on another device would."""
    if one.shape != other.shape:
        return False
    largest = np.abs(one).max((0, 2))
    within = np.maximum(TOLERANCE * largest, ROUNDING * largest.max(initial=0))
    return bool((np.abs(one - other).max((0, 2)) <= within).all())


def _known(
    name: str,
    now: NDArray[np.float32],
    again: Callable[[], list[tuple[slice, dict[str, NDArray[np.float32]]]]],
    inputs: dict,
    device: str,
    store: Store,
) -> str:
    """sha256 of the stored outputs that these are close to; where there are none, these are stored."""
    if not np.isfinite(now).all():
        raise BadInput(f"layer {name}: activations are not finite; check the weights and PREPROCESSING")

    def make(folder: Path) -> None:
        _check_repeats(name, now, again())
        save_arrays(folder, outputs=now)

    variant = 0
    while True:
        folder = store.entry("outputs", {**inputs, "variant": variant}, MODULES, make, device)
        if close(load_array(folder, "outputs"), now):
            return read_record(folder)["files"]["outputs.npy"]
        variant += 1


def _in_other_batches(
    network: "Network", names: list[str], images: NDArray[np.uint8], device: str
) -> list[tuple[slice, dict[str, NDArray[np.float32]]]]:
    """The outputs of all layers for the images from the last to the first, in two batches: which images, and theirs."""
    images = images[::-1].copy()
    parts = (part for part in (slice(3), slice(3, None)) if len(images[part]))
    return [(part, _outputs(network, names, images[part], device)) for part in parts]


def _check_repeats(
    name: str, now: NDArray[np.float32], again: list[tuple[slice, dict[str, NDArray[np.float32]]]]
) -> None:
    """Compare with other batches: outputs must not depend on the rest of the batch, or on chance."""
    if not all(close(now[::-1][part], outputs[name]) for part, outputs in again):
        raise BadInput(
            f"layer {name}: one image gives other activations in another pass; take dropout, noise and statistics of "
            "the batch out of the network's forward"
        )


def _outputs(
    network: "Network", names: list[str], images: NDArray[np.uint8], device: str
) -> dict[str, NDArray[np.float32]]:
    """Every filter's mean, maximum and values at fixed places: {module: float32, (image, filter, value)}."""
    ready = network.preprocessing(images).to(device, memory_format=torch.channels_last)
    return {name: _summary(maps) for name, maps in run_layers(network.module.to(device), names, ready).items()}


def _summary(maps: torch.Tensor) -> NDArray[np.float32]:
    flat = maps.float().flatten(2).cpu().numpy()
    n = flat.shape[2]
    places = np.random.default_rng(n).choice(n, PLACES, replace=False) if n > PLACES else np.arange(n)
    return np.concatenate([flat.mean(2)[..., None], flat.max(2)[..., None], flat[..., places]], 2)
