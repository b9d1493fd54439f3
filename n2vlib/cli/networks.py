"""Networks: `layers`, `zoo`."""

from importlib import import_module
from typing import Annotated

import typer
import yaml

from n2vlib.cli.options import DeviceName, NetworkName, Shown, Weights, app, as_yaml
from n2vlib.paths import from_here


@app.command()
def layers(
    network: NetworkName,
    weights: Weights = None,
    preprocessing: Shown = None,
    units: Annotated[str | None, typer.Option(help="A file of units: only the layers that it can be read from")] = None,
) -> None:
    """Name, shape, stride and receptive field of every layer of a network."""
    from n2vlib.networks.load import load_network
    from n2vlib.networks.units import load as load_units

    loaded = load_network(
        from_here(network), weights and from_here(weights), as_yaml("--preprocessing ", preprocessing)
    )
    table = loaded.layers()
    if units:
        made = load_units(from_here(units)).units
        table = table[[shape[0] == made.weight.shape[1] for shape in table["shape"]]]
        print(f"{made.extra_repr()}: read from {made.weight.shape[1]} filters, as NAME:{units}")
    print(table.to_string(index=False) if len(table) else "no layer has that many filters")
    if loaded.unfinished:
        print(f"layers after these are not listed: {loaded.unfinished}")
    if loaded.permuted:
        print(f"permuted to (filters, h, w), since their output has another order: {_some(loaded.permuted)}")
    if others := loaded.other_tokens:
        numbers = " or ".join(map(str, sorted(set(others.values()))))
        print(f"class tokens and registers, in no cell of a grid, are not read: {numbers} tokens of {_some([*others])}")


def _some(names: list[str], most: int = 6) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


@app.command()
def zoo(
    names: Annotated[list[str] | None, typer.Argument(help="What to train, by name [default: all]")] = None,
    device: DeviceName = "auto",
) -> None:
    """Train the zoo's networks again, and what it ships beside them: dictionaries of layers, readers of sentences."""
    from n2vlib.zoo.others import OTHERS
    from n2vlib.zoo.recipes import RECIPES

    for name in names or [*(recipe.name for recipe in RECIPES.values() if recipe.task), *OTHERS]:
        trained_by = OTHERS[name].trained_by if name in OTHERS else "n2vlib.zoo"
        print(yaml.safe_dump(import_module(trained_by).train(name, device), sort_keys=False))
