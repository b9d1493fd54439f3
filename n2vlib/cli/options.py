"""What several commands share: the app, options and how their values are read."""

import sys
from typing import Annotated, Any

import typer
import yaml

from n2vlib.errors import BadInput, printable

app = typer.Typer(
    help="Net2Vec, the executable book.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

# Options of every command that loads a network.
NetworkName = Annotated[
    str, typer.Argument(help="Zoo or torchvision name, package.module:function, file.py:function, timm:NAME, hf:FOLDER")
]
Weights = Annotated[str | None, typer.Option(help="Weights enum or file")]
Shown = Annotated[str | None, typer.Option("--preprocessing", help="As YAML, where the network has none of its own")]
DeviceName = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps")]


def as_yaml(name: str, text: str | None) -> Any:
    """The value of an option, written as `name` and this text."""
    try:
        return yaml.safe_load(text or "null")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise BadInput(f"{name}{text}: is no YAML ({why}); a text may need quotes: '\"text\"'") from None


def networks_in(option: str, text: str) -> list[dict[str, Any]]:
    """The rows, as chapters have them, of "NETWORK=LAYER,LAYER", of one row as YAML ("{network: ..., layer: ...}"), or
    of the name of a list in params/networks."""
    from n2vlib.parameters import check_value, in_full
    from n2vlib.paths import from_here, layer_from_here

    if text.startswith("{"):
        rows = [as_yaml(f"{option} ", text)]
        check_value("RUNS", rows, list)
        places = {"network": from_here, "weights": from_here, "probe": from_here, "layer": layer_from_here}
        return [{key: places[key](value) if key in places and value else value for key, value in rows[0].items()}]
    name, equals, layers = text.rpartition("=")
    if not equals:
        check_value("RUNS", text, list)
        return in_full("RUNS", text)
    named = [layer.strip() for layer in layers.split(",") if layer.strip()]
    if not name or not named:
        raise BadInput(f"{option} {text}: write NETWORK=LAYER,LAYER or the name of a list in params/networks")
    return [{"network": from_here(name), "layer": layer_from_here(layer)} for layer in named]


def stop_on(lines: list[str]) -> None:
    if lines:
        print("\n".join(map(printable, lines)), file=sys.stderr)
        raise typer.Exit(1)
