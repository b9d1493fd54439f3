"""The last cell of a chapter: what made its results. No times and no paths, so that two runs print the same."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from n2vlib.store import made_with

PACKAGES = ("n2vlib", "torch", "numpy", "pandas", "altair")


def provenance(
    *, probe: Any = None, network: Any = None, layers: Any = None, seed: int | None = None, device: str | None = None
) -> None:
    """Print versions, device, seed and fingerprints (the first 12 digits).

    For a layer that was measured earlier by other versions or on another device, these are printed too.

    probe     a ProbeSet
    network   a Network, or its name
    layers    what `read_layers` returned, or one of its layers, or several networks' layers by label
    device    where the chapter computed; taken from the layers if not given
    """
    rows = [("python", platform.python_version()), *((package, version(package)) for package in PACKAGES)]
    many = dict(layers) if isinstance(layers, Mapping) else {} if layers is None else {layers.name: layers}
    rows += [("device", device or next((layer.device for layer in many.values()), "cpu"))]
    rows += [("seed", str(seed))] if seed is not None else []
    rows += [("probe set", _described(probe))] if probe is not None else []
    rows += [("network", _described(network))] if network is not None else []
    rows += [(_called(name, layer.name), layer.fingerprint[:12] + _elsewhere(layer)) for name, layer in many.items()]
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:<{width}}  {value}" for name, value in rows))


def _elsewhere(layer: Any) -> str:
    """The versions and device that measured a layer, where they differ from those in use here."""
    here, made = made_with(layer.device), layer.made
    other = [f"{what} {by}" for what, by in made.items() if by != here.get(what)]
    return f"  measured with {', '.join(other)}" if other else ""


def _called(label: str, layer: str) -> str:
    return f"layer {layer}" if label == layer else f"layer {layer} of {label.removesuffix(f' {layer}')}"


def _described(thing: Any) -> str:
    return thing if isinstance(thing, str) else f"{thing.name}  {thing.fingerprint[:12]}"
