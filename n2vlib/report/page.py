"""A layer's report as one HTML file: our script and style, the values, and the pictures."""

import json
import re
from pathlib import Path

from n2vlib.activations.layer import Layer, read_layers
from n2vlib.files.output import file_to_write, write_file
from n2vlib.networks.load import Network
from n2vlib.pages.document import as_json, asset, with_views
from n2vlib.pages.pictures import encoded, thumbnails
from n2vlib.parameters import check_value
from n2vlib.paths import resolve
from n2vlib.probe import ProbeSet
from n2vlib.report.about import about
from n2vlib.report.contents import contents
from n2vlib.report.measured import measure
from n2vlib.store import Store, digest
from n2vlib.zoo import shipped

MODULES = ["n2vlib.report.contents", "n2vlib.pages.pictures"]
SCRIPTS = ("filters.js", "charts.js", "lists.js", "details.js", "main.js")
VIEWS = {"filters": "Filters", "concepts": "Concepts", "about": "How it was measured"}


def write(
    out: str | Path,
    network: Network,
    layer: str,
    probe: ProbeSet,
    *,
    tau: float = 0.005,
    epochs: int = 30,
    seed: int = 0,
    device: str = "auto",
    store: Store | None = None,
) -> Path:
    """Measure a layer, or find it in the store, and write its page; returns the file's path.

    out            the file, relative to the repository root; it appears complete or not at all
    layer          one of the network's, by the paper's name or the module's
    tau            share of places where a filter fires
    epochs, seed   of the learned weights
    Raises BadInput for an unknown layer, a value out of range, or a file that cannot be written, before it measures.
    """
    for name, value in {"TAU": tau, "EPOCHS": epochs, "SEED": seed, "DEVICE": device}.items():
        check_value(name, value, type(value))
    file_to_write(out)
    read = read_layers(network, [layer], probe, tau=tau, device=device, store=store)[layer]
    text = html(about(network, read, probe, epochs, seed), *_stored(read, probe, epochs, seed))
    return write_file(out, text)


def file_name(network: Network, layer: str) -> str:
    """The file name of a report: NETWORK-LAYER.html, with six letters behind a network that is not of the zoo.

    The letters are a hash of its file and its fingerprint: functions of one name in two files, or one network with two
    sets of weights, have two reports. Units from a file have six more, of their own hash.
    """
    where, _, name = network.name.rpartition(":")
    identity = [str(resolve(where)) if where.endswith(".py") else where, network.fingerprint]
    own = "" if network.name in shipped.names() else f"-{digest(identity)[:6]}"
    units = f"-{digest(network.layer(layer))[:6]}" if ":" in layer else ""
    return re.sub(r"[^\w.-]+", "-", f"{name}{own}-{network.called(layer)}{units}.html")


def html(made_by: dict, values: dict, pictures: dict[str, str]) -> str:
    """The page. It holds its contents as JSON; its security policy allows only our script and style, and no network.

    made_by   `about`      values   `contents`      pictures   {image: WebP in base64}
    """
    script = "".join(asset(f"report/{name}") for name in SCRIPTS)
    data = {"contents": {"about": made_by, **values}, "pictures": pictures}
    return with_views(f"{made_by['layer']} of {made_by['network']}", VIEWS, asset("report/report.css"), script, data)


def _stored(layer: Layer, probe: ProbeSet, epochs: int, seed: int) -> tuple[dict, dict[str, str]]:
    """`contents` and the pictures, from the store where it has them."""

    def make(work: Path) -> None:
        values = contents(measure(layer, probe, epochs=epochs, seed=seed))
        pictures = thumbnails(probe, values["images"])
        (work / "pictures.json").write_text(as_json(encoded(pictures)), encoding="utf-8")
        (work / "contents.json").write_text(as_json(values), encoding="utf-8")

    inputs = {"layer": layer.fingerprint, "probe": probe.fingerprint, "epochs": epochs, "seed": seed}
    folder = layer.store.entry("report", inputs, MODULES, make, layer.device)
    values, pictures = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("contents", "pictures"))
    return values, pictures
