"""Runs against each other: `compare`."""

from pathlib import Path
from typing import Annotated

import typer

from n2vlib.cli.options import DeviceName, app, networks_in
from n2vlib.paths import from_here, resolve


@app.command()
def compare(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Two or more: NETWORK=LAYER,LAYER, a list in params/networks, or {network: .., layer: .., probe: .., "
            "seed: ..}; the first is compared with the others"
        ),
    ],
    probe: Annotated[str, typer.Option(help="world, world-800, or a folder in Broden's format")] = "world",
    iou_threshold: Annotated[float, typer.Option(help="Dissection IoU above which a filter is a detector")] = 0.04,
    tau: Annotated[float, typer.Option(help="Share of all places where a filter fires")] = 0.005,
    epochs: Annotated[int, typer.Option(help="Passes over the training images, where weights are learned")] = 30,
    seed: Annotated[int, typer.Option(help="Of everything drawn at random")] = 0,
    device: DeviceName = "auto",
    out: Annotated[Path | None, typer.Option(help="The page [default: build/report/compare-NAMES.html]")] = None,
) -> None:
    """Write one page that works offline: which detectors appeared and went, which concepts gained, distances."""
    from n2vlib import compare_page, load_probe
    from n2vlib.analysis import runs as measured
    from n2vlib.files.output import file_to_write
    from n2vlib.parameters import check_value

    options = {"tau": tau, "epochs": epochs, "seed": seed, "device": device}
    for name, value in {**options, "iou_threshold": iou_threshold}.items():
        check_value(name.upper(), value, type(value))
    rows = [row for text in runs for row in networks_in("compare", text)]
    check_value("RUNS", rows, list)
    place = file_to_write(resolve(out, Path.cwd()) if out else Path("build/report") / compare_page.file_name(rows))
    print(
        compare_page.write(
            place, measured.read(rows, load_probe(from_here(probe)), **options), iou_threshold=iou_threshold
        )
    )
