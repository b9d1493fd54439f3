"""Formulas of filters on real photographs: writes the fourth part of PHOTOGRAPHS.md, numbers and single words only.

    N2V_PHOTOGRAPHS=path/to/photographs python benchmarks/explained.py

The last layer of each of the four networks: how far formulas of up to ten concepts fit, what is left of that on other
photographs, what chance finds, how often the beam misses the best formula of three, and whether the network is right
where a filter fires. N2V_STORE is that of photographs.py. Ten minutes on two cores where the layers have to be read.
"""

import os
import sys
import tempfile
from pathlib import Path

import executed
import numpy as np
import pandas as pd
from executed import markdown, short
from photographs import SETTINGS
from sure import last_layer

from n2vlib.activations.layer import Layer
from n2vlib.compositional import accuracy, beam, classifier, exact, explain, trust
from n2vlib.networks.downstream import scores
from n2vlib.networks.hooks import run_layers
from n2vlib.store import Store

LENGTHS, SHOWN = (1, 3, 10), 3
# ImageNet's classes that are a concept of the photographs, by their line in imagenet_1000_labels.txt, from 0 on. In the
# order of that list the kinds of birds, dogs and cats stand together.
KINDS = {
    "bird": [*range(7, 25), *range(80, 101), *range(127, 147)],
    "dog": [*range(151, 269)],
    "cat": [*range(281, 286)],
}
NAMED = {
    "cow": ["ox"],
    "sheep": ["ram", "bighorn"],
    "airplane": ["airliner", "warplane"],
    "bicycle": ["bicycle-built-for-two", "mountain bike"],
    "boat": ["canoe", "catamaran", "fireboat", "gondola", "lifeboat", "schooner", "speedboat", "trimaran", "yawl"],
    "car": ["beach wagon", "cab", "convertible", "jeep", "limousine", "minivan", "Model T", "racer", "sports car"],
    "chair": ["barber chair", "folding chair", "rocking chair"],
    "flower": ["daisy", "yellow lady's slipper"],
    "book": ["comic book", "book jacket"],
}


def lengths(filters: explain.Filters, found: pd.DataFrame) -> dict[str, object]:
    """Means over the filters that fire: IoU by length; the gain over one concept as reported, on the other half, and by
    chance; how often the formula comes again."""
    alive = np.flatnonzero(filters.counts().areas)
    halves = trust.held_out(filters, LENGTHS[-1])
    dealt = trust.by_chance(filters, LENGTHS[-1])
    means = {"IoU": found, "searched": halves, "other half": halves, "chance": dealt}
    means = {what: table.loc[table["unit"].isin(alive)].groupby("allowed") for what, table in means.items()}
    by = {what: table[_column(what)].mean() for what, table in means.items()}
    row: dict[str, object] = {"filters": len(found["unit"].unique()), "fire": len(alive)}
    row["in 5 photographs, %"] = f"{concentrated(filters.layer):.0f}"
    row |= {f"IoU, {n}": by["IoU"][n] for n in LENGTHS} | {"other half, 1": by["other half"][1]}
    for n in LENGTHS[1:]:
        row |= {f"gain, {n}, {what}": by[what][n] - by[what][1] for what in ("searched", "other half", "chance")}
    return row | {f"again, {n}, %": f"{100 * means['searched']['again'].mean()[n]:.0f}" for n in LENGTHS}


def concentrated(layer: Layer, few: int = 5) -> float:
    """Percent of the places where a filter fires that lie in its `few` photographs with most; median over filters."""
    places = layer.grid[0] * layer.grid[1]
    pointers, code = layer.fired
    image = np.repeat(np.arange(layer.n_images), np.diff(pointers))
    found = np.zeros((layer.n_filters, layer.n_images))
    np.add.at(found, (code // np.uint32(places), image), 1)
    most = np.sort(found[found.any(1)], 1)[:, ::-1]
    return float(100 * np.median(most[:, :few].sum(1) / most.sum(1)))


def _column(what: str) -> str:
    return "held_out" if what == "other half" else "iou"


def missed(filters: explain.Filters, found: pd.DataFrame) -> dict[str, object]:
    """Where the beam of five is not the best formula of three."""
    alive = filters.counts().areas > 0
    best = exact.search(filters.counts()).set_index("unit")["iou"][alive]
    behind = best - found.loc[found["allowed"] == SHOWN].set_index("unit")["iou"][best.index]
    worse = behind > 1e-9
    row = {
        "filters that fire": len(best),
        "not the best, %": 100 * worse.mean(),
        "of the mean IoU, %": 100 * behind.mean() / best.mean(),
    }
    return row | {"most missed, % of the best": 100 * (behind / best).max()}


def answers(layer: Layer, filters: explain.Filters) -> dict[str, object] | None:
    """Accuracy where filters fire against the IoU of their formulas of ten; None for a network of other answers."""
    listed = (Path(os.environ["N2V_PHOTOGRAPHS"]) / "weights" / "imagenet_1000_labels.txt").read_text().splitlines()
    first = [line.partition(",")[0] for line in listed]
    names = [""] * len(listed)
    for concept, lines in KINDS.items():
        for line in lines:
            names[line] = concept
    for concept, own in NAMED.items():
        for name in own:
            names[first.index(name)] = concept
    network, probe = layer.source
    ready = network.preprocessing(probe.image(0)[None])
    outputs = scores(run_layers(network.module.cpu(), [""], ready)[""]).shape[1]
    if outputs not in (len(names), len(names) + 1):
        return None
    names = [""] * (outputs - len(names)) + names  # MobileNets begin with "background"
    known = classifier.classes(network.name, probe, names)
    answered = classifier.answers(layer, known)
    fired = classifier.fires(layer)[answered.inputs]
    table = accuracy.explained(filters, answered, splits=1)
    row = {"photographs": str(len(fired)), "accuracy": answered.right.mean()}
    row["filters"] = str(int(table.loc[table["allowed"] == 1, "accuracy"].count()))
    row["reliability"] = accuracy.reliability(fired, answered.right)
    for way, r in accuracy.correlations(table.loc[table["allowed"] == LENGTHS[-1]]).set_index("way").iterrows():
        row[f"r, {way}"] = f"{r['r']:.2f} ({r['low']:.2f} to {r['high']:.2f})"
    return row


def examples(layer: Layer, found: pd.DataFrame) -> pd.DataFrame:
    """The formulas of three with the largest IoU, and the single concept beside them."""
    wide = found.dropna(subset="formula").pivot(index="unit", columns="allowed", values=["formula", "iou"])
    best = wide.loc[wide["iou", SHOWN].astype(float).nlargest(SHOWN).index]
    columns = {"filter": best.index, "concept": best["formula", 1].map(str), "IoU": best["iou", 1].astype(float)}
    columns |= {"formula of three": best["formula", SHOWN].map(str), "IoU of three": best["iou", SHOWN].astype(float)}
    return pd.DataFrame(columns)


def measured(setting: str, store: Store) -> list[pd.DataFrame]:
    layer, probe = last_layer(setting, store)
    filters = explain.Filters(layer, probe)
    found = beam.search(filters.counts(), LENGTHS[-1])
    rows = [lengths(filters, found), missed(filters, found), answers(layer, filters)]
    tables = [pd.DataFrame([] if row is None else [row]) for row in rows] + [examples(layer, found)]
    for table in tables:
        table.insert(0, "layer", f"{short(setting)} {layer.name}")
    print(f"{setting}: measured", flush=True)
    return tables


def main() -> None:
    if "N2V_PHOTOGRAPHS" not in os.environ:
        sys.exit("N2V_PHOTOGRAPHS: name the folder that holds probe/ and networks.py")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(str(Path(os.environ.get("N2V_STORE", f"{folder}/store"))))
        every = [measured(setting, store) for setting in SETTINGS]
    by_length, beams, accuracies, shown = (pd.concat(tables, ignore_index=True) for tables in zip(*every, strict=True))
    iou = [c for c in by_length if c.startswith(("layer", "filters", "fire", "in 5", "IoU", "other half, 1", "again"))]
    gains = [c for c in by_length if c.startswith(("layer", "gain"))]
    text = f"""
The last layer of each network, all photographs (DeepLab: every fourth), tau 0.005, beam of 5. Made by
`python benchmarks/explained.py`. Concepts are all labels but materials.

## How long, how good

Mean IoU over the filters that fire, by the longest formula allowed; beside the single concept its IoU on the half that
was not searched. *Again*: in how many percent of filters the two halves of the photographs have the same formula (three
divisions). In the MobileNets most filters are tied at the ceiling of their ReLU6 and fire nowhere (above). *In 5
photographs*: how much of what a filter fires on lies in the five photographs with most, median over filters. Where that
is much, a formula describes these five.

{markdown(by_length[iou])}

What more concepts add to the mean IoU of one: on the half that was searched, on the other half, and by chance, on
annotations of other photographs (ten permutations).

{markdown(by_length[gains])}

## Is it the best formula of three?

{markdown(beams, 1)}

## Where the filter fires, is the network right?

Of the networks trained on ImageNet, on photographs that show exactly one of {len(KINDS) + len(NAMED)} things that both
name: {", ".join([*KINDS, *NAMED])}.
r over the filters that fire there, IoU of formulas of up to ten; 95% bootstrap interval over filters. The paper has
0.31 for another network on other photographs.

{markdown(accuracies)}

## The best formulas of three

{markdown(shown)}
"""
    executed.write("fourth", text)


if __name__ == "__main__":
    main()
