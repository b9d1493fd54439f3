"""One page on a layer: `report`."""

from pathlib import Path
from typing import Annotated

import typer

from n2vlib.cli.options import DeviceName, NetworkName, Shown, Weights, app, as_yaml
from n2vlib.files.output import file_to_write
from n2vlib.paths import from_here, layer_from_here, resolve


@app.command()
def report(
    network: NetworkName,
    layer: Annotated[str, typer.Argument(help="A layer of it, as `layers` lists them; LAYER:FILE for units in a file")],
    probe: Annotated[str, typer.Option(help="world, world-800, or a folder in Broden's format")] = "world",
    weights: Weights = None,
    preprocessing: Shown = None,
    tau: Annotated[float, typer.Option(help="Share of all places where a filter fires")] = 0.005,
    epochs: Annotated[int, typer.Option(help="Passes over the training images, where weights are learned")] = 30,
    seed: Annotated[int, typer.Option(help="Of everything drawn at random")] = 0,
    device: DeviceName = "auto",
    out: Annotated[
        Path | None,
        typer.Option(
            help="The page [default: build/report/NETWORK-LAYER.html, with letters for a network not of the zoo]"
        ),
    ] = None,
) -> None:
    """Write one page that works offline: every filter of a layer, and the concepts it detects."""
    from n2vlib import load_network, load_probe
    from n2vlib import report as pages
    from n2vlib.parameters import check_value

    options = {"tau": tau, "epochs": epochs, "seed": seed, "device": device}
    for name, value in options.items():
        check_value(name.upper(), value, type(value))
    loaded = load_network(
        from_here(network), weights and from_here(weights), as_yaml("--preprocessing ", preprocessing), seed
    )
    layer = layer_from_here(layer)
    file = file_to_write(resolve(out, Path.cwd()) if out else Path("build/report") / pages.file_name(loaded, layer))
    print(pages.write(file, loaded, layer, load_probe(from_here(probe)), **options))
