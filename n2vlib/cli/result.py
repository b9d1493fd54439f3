"""What people do with results: `export`, `apply`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from n2vlib.cli.options import DeviceName, NetworkName, Shown, Weights, app, as_yaml, stop_on
from n2vlib.errors import BadInput
from n2vlib.files.output import file_to_write
from n2vlib.paths import from_here, layer_from_here, resolve

export_app = typer.Typer(help="Write results for other programs.", no_args_is_help=True)
app.add_typer(export_app, name="export")

LayerName = Annotated[str, typer.Argument(help="A layer of it, as `layers` lists them")]
ProbeName = Annotated[str, typer.Option(help="world, world-800, or a folder in Broden's format")]
Tau = Annotated[float, typer.Option(help="Share of all places where a filter fires")]
Epochs = Annotated[int, typer.Option(help="Passes over the training images, where weights are learned")]
Seed = Annotated[int, typer.Option(help="Of everything drawn at random")]
METHODS = ("segmentation", "single_filter", "dissection", "classification")


@export_app.command("vectors")
def export_vectors(
    network: NetworkName,
    layer: LayerName,
    out: Annotated[Path, typer.Option(help="The file, .safetensors")],
    method: Annotated[str, typer.Option(help=" or ".join(METHODS))] = "segmentation",
    probe: ProbeName = "world",
    weights: Weights = None,
    preprocessing: Shown = None,
    tau: Tau = 0.005,
    epochs: Epochs = 30,
    seed: Seed = 0,
    device: DeviceName = "auto",
) -> None:
    """The concept vectors of a layer, learned or from the store, as a file that `apply` takes."""
    from n2vlib.vectors import save

    if method not in METHODS:
        raise BadInput(f"--method {method}: choose from {', '.join(METHODS)}")
    file = file_to_write(resolve(out, Path.cwd()))
    read, images = _layer(
        network, layer, probe, weights, preprocessing, TAU=tau, EPOCHS=epochs, SEED=seed, DEVICE=device
    )
    print(save(file, _learned(method, read, images, epochs, seed), read, images))


@export_app.command("tables")
def export_tables(
    network: NetworkName,
    layer: LayerName,
    out: Annotated[Path, typer.Option(help="A new folder")],
    kind: Annotated[str, typer.Option("--format", help="csv, or parquet (the extra of that name)")] = "csv",
    probe: ProbeName = "world",
    weights: Weights = None,
    preprocessing: Shown = None,
    tau: Tau = 0.005,
    epochs: Epochs = 30,
    seed: Seed = 0,
    device: DeviceName = "auto",
) -> None:
    """All tables of a layer: concepts, filters, scores, pairs of concept and image, weights."""
    from n2vlib.exports import layer as of_layer
    from n2vlib.exports import tables
    from n2vlib.report.about import about

    folder = tables.check(resolve(out, Path.cwd()), kind)
    read, images = _layer(
        network, layer, probe, weights, preprocessing, TAU=tau, EPOCHS=epochs, SEED=seed, DEVICE=device
    )
    found = of_layer.tables_of(read, images, epochs=epochs, seed=seed)
    print(tables.write_tables(folder, found, kind, about(read.source[0], read, images, epochs, seed)))


def _layer(network: str, layer: str, probe: str, weights: str | None, preprocessing: str | None, **options: Any) -> Any:
    """The layer and the probe set that a command names; its other options are checked as parameters are."""
    from n2vlib import load_network, load_probe, read_layers
    from n2vlib.parameters import check_value

    for name, value in options.items():
        check_value(name, value, type(value))
    shown = as_yaml("--preprocessing ", preprocessing)
    loaded = load_network(from_here(network), weights and from_here(weights), shown, options["SEED"])
    images = load_probe(from_here(probe))
    name = layer_from_here(layer)
    return read_layers(loaded, [name], images, tau=options["TAU"], device=options["DEVICE"])[name], images


def _learned(method: str, layer: Any, probe: Any, epochs: int, seed: int) -> Any:
    from n2vlib.methods import classification, dissection, segmentation, single_filter

    if filters := {"single_filter": single_filter, "dissection": dissection}.get(method):
        return filters.align(layer, probe)
    learning = segmentation if method == "segmentation" else classification
    return learning.align(layer, probe, epochs=epochs, seed=seed)


@export_app.command("page")
def export_page(
    executed: Annotated[Path, typer.Argument(help="An executed chapter: what `run` prints, or papermill's copy")],
    out: Annotated[Path, typer.Option(help="The file, .html")],
) -> None:
    """An executed chapter as one page that works offline."""
    from n2vlib.builder import one_page

    print(one_page.write(resolve(out, Path.cwd()), resolve(executed, Path.cwd())))


@export_app.command("words")
def export_words(
    vectors: Annotated[Path, typer.Argument(help="A file of `export vectors`")],
    out: Annotated[Path, typer.Option(help="The file, .txt")],
) -> None:
    """Concept vectors as a text file of the word2vec program, which gensim reads."""
    from n2vlib.vectors import load, word2vec

    print(word2vec.write(resolve(out, Path.cwd()), load(resolve(vectors, Path.cwd()))))


@app.command()
def apply(
    vectors: Annotated[Path, typer.Argument(help="A file of `export vectors`")],
    images: Annotated[list[Path], typer.Argument(help="Images (JPEG, PNG, WebP, BMP, TIFF), or folders of them")],
    out: Annotated[Path, typer.Option(help="A new folder: scores.csv, and masks as PNG")],
    network: Annotated[
        str | None, typer.Option(help="As in other commands [default: the vectors' own, if it is of the zoo]")
    ] = None,
    weights: Weights = None,
    preprocessing: Annotated[str | None, typer.Option(help="As YAML [default: the vectors' own]")] = None,
    layer: Annotated[
        str | None, typer.Option(help="Another layer than the vectors' own, or where their units are: LAYER:FILE")
    ] = None,
    concept: Annotated[list[str] | None, typer.Option(help="Only this concept (repeatable)")] = None,
    size: Annotated[str, typer.Option(help="Of masks: labels (the probe set's label maps) or image")] = "labels",
    anyway: Annotated[bool, typer.Option("--anyway", help="Apply vectors of another network or layer")] = False,
    skip_damaged: Annotated[
        bool, typer.Option("--skip-damaged", help="Leave out images that cannot be read, and name them")
    ] = False,
    device: DeviceName = "auto",
) -> None:
    """Masks or scores of saved concept vectors on images of yours."""
    from n2vlib import load_network
    from n2vlib import vectors as saved
    from n2vlib.vectors.folder import left_out
    from n2vlib.zoo import shipped

    found = saved.load(resolve(vectors, Path.cwd()))
    found = found.only(concept) if concept else found
    # A file of data must not choose which program runs: only networks of the zoo are loaded by the name in it.
    if network is None and found.about.network not in shipped.names():
        raise BadInput(f"{vectors}: is of network {found.about.network}, not of the zoo; name it with --network")
    shown = as_yaml("--preprocessing ", preprocessing) if preprocessing else found.about.preprocessing
    loaded = load_network(from_here(network or found.about.network), weights and from_here(weights), shown)
    files = [resolve(image, Path.cwd()) for image in images]
    done = saved.apply(
        resolve(out, Path.cwd()), found, loaded, files, size=size, layer=layer and layer_from_here(layer),
        device=device, anyway=anyway, skip_damaged=skip_damaged,
    )  # fmt: skip
    print(done)
    stop_on([f"left out, could not be read: {name}" for name in left_out(done)])
