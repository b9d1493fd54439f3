"""The executable book's library: how convolutional networks encode human concepts.

    probe = n2vlib.load_probe("world")
    network = n2vlib.load_network("small-alexnet")
    layers = n2vlib.read_layers(network, ["conv5"], probe, tau=0.005)
    found = methods.single_filter.align(layers["conv5"], probe)

Data flows one way: probe -> network layer -> activations -> thresholds -> methods -> tables -> charts -> chapters.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from n2vlib.activations import Layer, read_layers
    from n2vlib.alignment import Alignment
    from n2vlib.errors import BadInput
    from n2vlib.made_by import provenance
    from n2vlib.networks import Network, load_network
    from n2vlib.parameters import check_parameters
    from n2vlib.probe import ProbeSet, load_probe
    from n2vlib.probe.needs import need
    from n2vlib.store import Store

__version__ = "0.1.0"

__all__ = [
    "Alignment",
    "BadInput",
    "Layer",
    "Network",
    "ProbeSet",
    "Store",
    "check_parameters",
    "load_network",
    "load_probe",
    "need",
    "provenance",
    "read_layers",
]


def __getattr__(name: str) -> object:
    """The names above, imported with the first that is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from n2vlib import api

    return getattr(api, name)
