"""The names of the package itself, in one place: `import n2vlib` alone, as commands do, needs no torch."""

from n2vlib.activations import Layer, read_layers
from n2vlib.alignment import Alignment
from n2vlib.errors import BadInput
from n2vlib.made_by import provenance
from n2vlib.networks import Network, load_network
from n2vlib.parameters import check_parameters
from n2vlib.probe import ProbeSet, load_probe
from n2vlib.probe.needs import need
from n2vlib.store import Store

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
