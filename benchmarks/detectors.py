"""Network Dissection on real photographs: writes the second part of PHOTOGRAPHS.md, numbers and words only.

    N2V_PHOTOGRAPHS=path/to/photographs python benchmarks/detectors.py

Executes on SqueezeNet the chapters that train no network, and reads from them what concerns it alone. The others are
read once each, for all thresholds. N2V_STORE and N2V_OUT are those of photographs.py. Takes an hour and a half on two
cores. The executed chapters show photographs: keep them to yourself.
"""

import os
import sys
import tempfile
from pathlib import Path

import executed
import pandas as pd
import yaml
from executed import markdown, short
from photographs import SETTINGS

from n2vlib import claims, load_network, load_probe, read_layers
from n2vlib.activations.layer import Layer
from n2vlib.analysis import detectors
from n2vlib.paths import ROOT
from n2vlib.probe import ProbeSet
from n2vlib.store import Store

FIRST = SETTINGS[0]
CHAPTERS = ["framework", "human", "axis-aligned", "layers", "networks", "discrimination", "threshold", "ablation"]
CHAPTERS += ["verdict/netdissect"]
TAUS = (0.0025, 0.005, 0.01, 0.02, 0.04)  # Figure 28
IOU_THRESHOLD = 0.04


def read(setting: str, store: Store) -> tuple[ProbeSet, dict[str, Layer]]:
    """Every layer of a setting's network, by network and layer, for every tau."""
    values = yaml.safe_load((ROOT / "params" / f"{setting}.yml").read_text(encoding="utf-8"))
    probe = load_probe(values["PROBE"])
    network = load_network(os.path.expandvars(values["NETWORK"]), values["WEIGHTS"], values["PREPROCESSING"])
    layers = read_layers(network, values["LAYERS"], probe, tau=values["TAU"], tau_max=max(TAUS), store=store)
    return probe, {f"{short(setting)} {name}": layer for name, layer in layers.items()}


def counted(layers: dict[str, Layer], probe: ProbeSet) -> pd.DataFrame:
    """Unique detectors by category, and all: one row a layer."""
    found = detectors.detectors(layers, probe, IOU_THRESHOLD)
    unique = detectors.wide(detectors.unique(found, probe))
    totals = {"unique": unique.sum(axis=1), "detectors": [len(each) for each in found.values()]}
    filters = [layer.n_filters for layer in layers.values()]
    return unique.assign(**totals, filters=filters).rename_axis("layer").reset_index()


def by_tau(layers: dict[str, Layer], probe: ProbeSet) -> pd.DataFrame:
    """The same of the last layer, one row for each tau."""
    name, last = list(layers.items())[-1]
    found = counted({f"{tau:g}": last.at(tau) for tau in TAUS}, probe).rename(columns={"layer": "tau"})
    found.insert(0, "layer", name)
    return found.drop(columns="filters")


def of_first(out: Path) -> dict[str, pd.DataFrame]:
    """Tables of the executed chapters on the first network, by name."""
    captions = {
        "rotation": ("netdissect/axis-aligned", ": mean and range over"),
        "kinds": ("netdissect/axis-aligned", "Unique detectors by category, mean over rotations"),
        "classes": ("netdissect/ablation", "Means over classes; the share is"),
        "read": ("netdissect/ablation", "Means over the objects; share of squares"),
        "answered": ("netdissect/ablation", "Means over the objects, validation images"),
        "claims": ("verdict/netdissect", "Every claim of the paper"),
    }
    found = {name: executed.table(out, *where) for name, where in captions.items()}
    if gone := sorted({captions[name][0] for name, each in found.items() if each is None}):
        sys.exit(f"{', '.join(gone)}: not executed, nothing is written")
    return {name: each for name, each in found.items() if each is not None}


def main() -> None:
    if "N2V_PHOTOGRAPHS" not in os.environ:
        sys.exit("N2V_PHOTOGRAPHS: name the folder that holds probe/ and networks.py")
    with tempfile.TemporaryDirectory() as folder:
        store = Path(os.environ.get("N2V_STORE", f"{folder}/store"))
        out = Path(os.environ.get("N2V_OUT", f"{folder}/book")) / FIRST
        ran = executed.execute(FIRST, store, out, CHAPTERS)
        every = [read(setting, Store(str(store))) for setting in SETTINGS]
        layers = pd.concat([counted(layers, probe) for probe, layers in every], ignore_index=True)
        taus = pd.concat([by_tau(layers, probe) for probe, layers in every], ignore_index=True)
        first = of_first(out)
    asked = first["claims"].loc[first["claims"]["holds"] != claims.NOT_MEASURED]
    answers = ", ".join(f"{n} {answer}" for answer, n in asked["holds"].value_counts().items())
    text = f"""
The same photographs and networks. Made by `python benchmarks/detectors.py`, which executes on SqueezeNet the
{ran["chapters executed"]} chapters that train no network (failed: {ran["failed"]}). A detector is a filter whose best
concept has a dissection IoU above {IOU_THRESHOLD:g} over the whole probe set; unique detectors count concepts. Cells
are anchored on receptive fields. Where nearly all filters of a layer are tied (above), hardly one can be a detector.

## Unique detectors by category, layer by layer

Tau 0.005.

{markdown(layers)}

## Unique detectors of the last layer by tau

{markdown(taus)}

## SqueezeNet's last layer, turned

Unique detectors before and after random rotations (section 3.2), and which kinds survive.

{markdown(first["rotation"])}

{markdown(first["kinds"])}

## SqueezeNet's last layer, ablated

What the network's own classes lose without the filters that are most damaging to each, without as many others, and with
nothing but these.

{markdown(first["classes"])}

A concept's detectors against its Net2Vec direction: what a new linear reading loses when either is taken out, and what
the network's classes lose.

{markdown(first["read"])}

{markdown(first["answered"])}

## The paper's claims on SqueezeNet

From the verdict: {answers}. Claims that need networks which are not here (other teachers, widths, conditions)
are left out.

{markdown(asked[["id", "holds", "claim", "this run", "low", "high", "criterion", "published", "unit"]])}
"""
    executed.write("second", text)


if __name__ == "__main__":
    main()
