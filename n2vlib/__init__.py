"""The executable book's library: how convolutional networks encode human concepts.

    import n2vlib

    probe = n2vlib.load_probe("world-800")
    network = n2vlib.load_network("small-alexnet")
    layers = n2vlib.read_layers(network, ["conv5"], probe, tau=0.005)
    found = n2vlib.methods.single_filter.align(layers["conv5"], probe)
    n2vlib.tables.by_category(found.scores)

Data flows one way: probe -> network layer -> activations -> thresholds -> methods -> tables -> charts -> chapters.
"""

# ruff: noqa: F401, I001 (type checkers read the imports; at run time PLACES and MODULES are followed)
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from n2vlib import (
        activations, agents, analysis, baselines, charts, claims, compare_page, compositional, display, doctor, exports,
        games, generator, kernels, local, masks, methods, networks, planted, probe, probe_page, published, rating_page,
        released_units, report, sentences, significance, spaces, tables, text_image, vectors, vocabulary, words, world,
        zoo,
    )  # fmt: skip
    from n2vlib.activations.layer import Layer, read_layers
    from n2vlib.display import gallery
    from n2vlib.errors import BadInput
    from n2vlib.made_by import provenance
    from n2vlib.masks.iou import individual_iou, set_iou, upsample
    from n2vlib.methods.alignment import Alignment
    from n2vlib.networks import hooks
    from n2vlib.networks.downstream import Downstream
    from n2vlib.networks.hooks import capture, run_layers
    from n2vlib.networks.load import Network, load_network, randomly_initialised
    from n2vlib.networks.preprocessing import Preprocessing
    from n2vlib.parameters import check_parameters
    from n2vlib.probe import ProbeSet, load_probe
    from n2vlib.probe.needs import need
    from n2vlib.store import Store

__version__ = "0.1.0"

# Where each name lies; it is imported when it is first asked for. Keys of chapters follow the names that they use.
PLACES = {
    "Alignment": "methods.alignment",
    "BadInput": "errors",
    "Downstream": "networks.downstream",
    "Layer": "activations.layer",
    "Network": "networks.load",
    "Preprocessing": "networks.preprocessing",
    "ProbeSet": "probe",
    "Store": "store",
    "capture": "networks.hooks",
    "check_parameters": "parameters",
    "individual_iou": "masks.iou",
    "load_network": "networks.load",
    "load_probe": "probe",
    "need": "probe.needs",
    "provenance": "made_by",
    "randomly_initialised": "networks.load",
    "read_layers": "activations.layer",
    "run_layers": "networks.hooks",
    "set_iou": "masks.iou",
    "upsample": "masks.iou",
}
MODULES = {
    "gallery": "display.gallery",
    "hooks": "networks.hooks",
} | {
    name: name
    for name in (
        "activations", "agents", "analysis", "baselines", "charts", "claims", "compare_page", "compositional",
        "display", "doctor", "exports", "games", "generator", "kernels", "local", "masks", "methods", "networks",
        "planted", "probe", "probe_page", "published", "rating_page", "released_units", "report", "sentences",
        "significance", "spaces", "tables", "text_image", "vectors", "vocabulary", "words", "world", "zoo",
    )
}  # fmt: skip
__all__ = sorted([*PLACES, *MODULES])  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name in PLACES:
        return getattr(import_module(f"n2vlib.{PLACES[name]}"), name)
    if name in MODULES:
        return import_module(f"n2vlib.{MODULES[name]}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
