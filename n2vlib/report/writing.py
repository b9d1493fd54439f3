"""Measure layers, or find them in the store, and write their report."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from n2vlib import probe_page
from n2vlib.activations.layer import Layer, read_layers
from n2vlib.errors import BadInput
from n2vlib.files.output import file_to_write, folder_to_replace, write_file
from n2vlib.networks.load import Network
from n2vlib.pages.pictures import ALL_BYTES, MOST_BYTES, thumbnails
from n2vlib.parameters import check_value
from n2vlib.paths import resolve
from n2vlib.probe import ProbeSet
from n2vlib.report import page
from n2vlib.report.about import about
from n2vlib.report.contents import contents
from n2vlib.report.measured import measure
from n2vlib.report.parts import Sheet
from n2vlib.store import Store, digest, load_array, save_arrays
from n2vlib.words import describer, exemplars

CONTENTS, PICTURES = ["n2vlib.report.contents"], ["n2vlib.pages.pictures"]  # what computes them


@dataclass(frozen=True)
class Read:
    """Layers of one network that a report shows; `label`: the network's name there, where it is not its own."""

    network: Network
    layers: list[str]
    label: str | None = None


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
    """Measure a layer, or find it in the store, and write its page, one file; returns the file's path.

    out            the file, relative to the repository root; it appears complete or not at all
    layer          one of the network's, by the paper's name or the module's
    tau            share of places where a filter fires
    epochs, seed   of the learned weights
    Raises BadInput for an unknown layer, a value out of range, or a file that cannot be written, before it measures.
    """
    options = {"tau": tau, "epochs": epochs, "seed": seed, "device": device, "store": store}
    return write_layers(out, [Read(network, [layer])], probe, single_file=True, **options)


def write_layers(
    out: str | Path,
    reads: Iterable[Read],
    probe: ProbeSet,
    *,
    single_file: bool = False,
    say: Callable[[str], object] | None = None,
    tau: float = 0.005,
    epochs: int = 30,
    seed: int = 0,
    device: str = "auto",
    store: Store | None = None,
) -> Path:
    """`write` for several layers and networks on one page with a search; returns the page's path.

    out           a folder, of which a report that is already there is replaced; a file if `single_file`
    single_file   everything in one file; `say` is told its size before it is written
    """
    for name, value in {"TAU": tau, "EPOCHS": epochs, "SEED": seed, "DEVICE": device}.items():
        check_value(name, value, type(value))
    reads = list(reads)
    _refuse_twice(reads)
    place = target(out, single_file)
    store = store or Store()
    options = {"tau": tau, "tau_max": max(tau, exemplars.TAU), "device": device, "store": store}
    layers = [
        (each, layer) for each in reads for layer in read_layers(each.network, each.layers, probe, **options).values()
    ]
    beside = _probe_page(resolve(out).parent, probe, "" if single_file else "../")
    sheets = [_sheet(each, layer, probe, epochs, seed, beside) for each, layer in layers]
    images = sorted({image for sheet in sheets for image in sheet.values["images"]})
    if not single_file:
        return page.write_folder(place, sheets, stored_pictures(store, probe, images, MOST_BYTES * len(images)))
    text = page.html(sheets, stored_pictures(store, probe, images, ALL_BYTES))
    if say:
        say(f"{place}: one file of {len(text.encode()) / 1e6:.1f} MB")
    return write_file(place, text)


def target(out: str | Path, single_file: bool) -> Path:
    """The file or folder that a report is written to. Raises BadInput where it cannot be, before anything is read."""
    return file_to_write(out) if single_file else folder_to_replace(out, {"index.html", *page.FOLDERS})


def _refuse_twice(reads: Sequence[Read]) -> None:
    named = [(each.label or each.network.name, each.network.layer(layer)) for each in reads for layer in each.layers]
    for name, layer in named:
        if named.count((name, layer)) > 1:
            raise BadInput(
                f"layer {layer!r} of {name} is given twice; leave one out, or give networks labels of their own"
            )
    if not named:
        raise BadInput("report: there is no layer to show; name one or more")


def _probe_page(folder: Path, probe: ProbeSet, way: str) -> str:
    """The address of the probe set's page in this folder, `way` from the report; "" where it is not there."""
    return f"{way}{probe_page.file_name(probe)}" if probe_page.shown_in(folder, probe) else ""


def _sheet(read: Read, layer: Layer, probe: ProbeSet, epochs: int, seed: int, beside: str) -> Sheet:
    """What the page shows of a layer, its contents from the store where it has them.

    beside   address of the probe set's page, or ""
    """

    def make(work: Path) -> None:
        values = contents(measure(layer, probe, epochs=epochs, seed=seed))
        (work / "contents.json").write_text(json.dumps(values, allow_nan=False), encoding="utf-8")

    inputs = {"layer": layer.fingerprint, "probe": probe.fingerprint, "epochs": epochs, "seed": seed}
    inputs |= {"describer": describer.load().key}
    folder = layer.store.entry("report", inputs, CONTENTS, make, layer.device)
    values = json.loads((folder / "contents.json").read_text("utf-8"))
    made_by = about(read.network, layer, probe, epochs, seed) | {"probe_page": beside}
    return Sheet(made_by | ({"network": read.label} if read.label else {}), values)


def stored_pictures(store: Store, probe: ProbeSet, images: Sequence[int], total: int) -> dict[int, bytes]:
    """{image: WebP}, together at most `total` bytes, from the store where it has them."""

    def make(work: Path) -> None:
        made = thumbnails(probe, images, total)
        ends = np.cumsum([len(data) for data in made.values()], dtype=np.int64)
        save_arrays(work, ends=ends, webp=np.frombuffer(b"".join(made.values()), np.uint8))

    inputs = {"probe": probe.fingerprint, "images": digest(list(images)), "total": total}
    folder = store.entry("report-pictures", inputs, PICTURES, make)
    webp, ends = load_array(folder, "webp"), load_array(folder, "ends").tolist()
    starts = [0, *ends[:-1]]
    return {image: webp[a:b].tobytes() for image, a, b in zip(images, starts, ends, strict=True)}
