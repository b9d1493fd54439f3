"""A layer's report as one HTML file: our script and style, the values, and the pictures."""

import base64
import hashlib
import json
import re
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template

from n2vlib.activations.layer import Layer, read_layers
from n2vlib.files import cells
from n2vlib.files.output import file_to_write, write_file
from n2vlib.networks.load import Network
from n2vlib.parameters import check_value
from n2vlib.paths import resolve
from n2vlib.probe import ProbeSet
from n2vlib.report.about import about
from n2vlib.report.contents import contents
from n2vlib.report.measured import measure
from n2vlib.report.pictures import thumbnails
from n2vlib.store import Store, digest
from n2vlib.zoo import shipped

MODULES = ["n2vlib.report.contents", "n2vlib.report.pictures"]
SCRIPTS = ("dom.js", "pictures.js", "charts.js", "lists.js", "details.js", "main.js")


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
    style, script = _asset("report.css"), "".join([cells.script(), *map(_asset, SCRIPTS)])
    return Template(_asset("report.html")).substitute(
        title=escape(f"{made_by['layer']} of {made_by['network']}"),
        policy=f"default-src 'none'; img-src blob: data:; script-src {_hash(script)}; style-src {_hash(style)}",
        style=style, script=script, contents=_json({"about": made_by, **values}), pictures=_json(pictures),
    )  # fmt: skip


def _stored(layer: Layer, probe: ProbeSet, epochs: int, seed: int) -> tuple[dict, dict[str, str]]:
    """`contents` and the pictures, from the store where it has them."""

    def make(work: Path) -> None:
        values = contents(measure(layer, probe, epochs=epochs, seed=seed))
        pictures = thumbnails(probe, values["images"])
        (work / "pictures.json").write_text(_json(encoded(pictures)), encoding="utf-8")
        (work / "contents.json").write_text(_json(values), encoding="utf-8")

    inputs = {"layer": layer.fingerprint, "probe": probe.fingerprint, "epochs": epochs, "seed": seed}
    folder = layer.store.entry("report", inputs, MODULES, make, layer.device)
    values, pictures = (json.loads((folder / f"{name}.json").read_text("utf-8")) for name in ("contents", "pictures"))
    return values, pictures


def encoded(pictures: dict[int, bytes]) -> dict[str, str]:
    """The pictures as values that JSON can hold."""
    return {str(image): base64.b64encode(data).decode() for image, data in pictures.items()}


def _json(value: object) -> str:
    """JSON in a script element: without "<" nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def _asset(name: str) -> str:
    return (files("n2vlib.report") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The source expression for an element's text in a security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
