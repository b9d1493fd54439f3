"""One page on layers of networks: `report`."""

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from n2vlib.cli.options import DeviceName, NetworkName, Shown, Weights, app, as_yaml, networks_in
from n2vlib.paths import from_here, layer_from_here, resolve

if TYPE_CHECKING:
    from n2vlib.report import Read


@app.command()
def report(
    network: NetworkName,
    layers: Annotated[
        list[str], typer.Argument(help="Layers of it, as `layers` lists them; LAYER:FILE for units in a file")
    ],
    also: Annotated[
        list[str] | None,
        typer.Option(help="Other networks: NETWORK=LAYER,LAYER or a list in params/networks; may be repeated"),
    ] = None,
    single_file: Annotated[
        bool | None,
        typer.Option(
            "--single-file/--folder", help="One file, or a page with its pictures beside it [default: by layers]"
        ),
    ] = None,
    probe: Annotated[str, typer.Option(help="world, world-800, or a folder in Broden's format")] = "world",
    weights: Weights = None,
    preprocessing: Shown = None,
    tau: Annotated[float, typer.Option(help="Share of all places where a filter fires")] = 0.005,
    epochs: Annotated[int, typer.Option(help="Passes over the training images, where weights are learned")] = 30,
    seed: Annotated[int, typer.Option(help="Of everything drawn at random")] = 0,
    device: DeviceName = "auto",
    out: Annotated[
        Path | None,
        typer.Option(help="The page or folder [default: in build/report, called after the network and the layer]"),
    ] = None,
) -> None:
    """Write a page that works offline: every filter of a layer, and the concepts it detects.

    Several layers have one page with a search, by default in a folder with pictures and data.
    """
    from n2vlib import load_probe
    from n2vlib import report as pages
    from n2vlib.parameters import check_value

    options = {"tau": tau, "epochs": epochs, "seed": seed, "device": device}
    for name, value in options.items():
        check_value(name.upper(), value, type(value))
    shown = as_yaml("--preprocessing ", preprocessing)
    first = {"network": from_here(network), "weights": weights and from_here(weights), "preprocessing": shown}
    rows = [{**first, "layer": layer_from_here(layer)} for layer in layers]
    others = [row for text in also or [] for row in networks_in("--also", text)]
    if others:
        check_value("NETWORKS", others, list)  # one probe set and one seed for the whole page
    rows += others
    reads = list(_loaded(rows, seed))
    whole = len(rows) == 1 if single_file is None else single_file
    name = Path(pages.file_name(reads[0].network, rows[0]["layer"], len(rows) - 1))
    default = Path("build/report") / (name if whole else name.with_suffix(""))
    place = pages.target(resolve(out, Path.cwd()) if out else default, whole)
    say = None if single_file is None else typer.echo
    print(pages.write_layers(place, reads, load_probe(from_here(probe)), single_file=whole, say=say, **options))


def _loaded(rows: Iterable[dict[str, Any]], seed: int) -> "Iterable[Read]":
    """The networks of these rows, one for neighbouring rows of one network."""
    from n2vlib import load_network
    from n2vlib.report import Read

    def same(row: dict[str, Any]) -> tuple[Any, ...]:
        return tuple(row.get(key) for key in ("network", "weights", "preprocessing", "label"))

    for (network, weights, preprocessing, label), some in groupby(rows, key=same):
        yield Read(load_network(network, weights, preprocessing, seed), [row["layer"] for row in some], label)
