"""The first result on real photographs and real ImageNet networks: writes PHOTOGRAPHS.md, numbers and words only.

    N2V_PHOTOGRAPHS=path/to/photographs python benchmarks/photographs.py

The folder holds a probe set in Broden's format (probe/) and networks.py. Everything is measured anew, in a store of its
own: an empty folder named by N2V_STORE, which chapters can use afterwards, or one that is thrown away.
"""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from n2vlib.activations import Layer, read_layers
from n2vlib.methods import classification, dissection, segmentation, single_filter
from n2vlib.networks import load_network
from n2vlib.paths import ROOT
from n2vlib.probe import ProbeSet, load_probe
from n2vlib.store import Store

SETTINGS = ("photographs-squeezenet", "photographs-mobilenet")
TARGET = Path(__file__).with_name("PHOTOGRAPHS.md")
CATEGORIES = ["color", "object", "part", "material", "material, whole images", "scene", "texture"]


def measure(setting: str, store: Store) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of every method in every layer, and one row a layer with seconds, memory and detectors."""
    values = yaml.safe_load((ROOT / "params" / f"{setting}.yml").read_text(encoding="utf-8"))
    probe = load_probe(values["PROBE"])
    network = load_network(os.path.expandvars(values["NETWORK"]), values["WEIGHTS"], values["PREPROCESSING"])
    name = values["NETWORK"].rpartition(":")[2]
    n_pairs = len(probe.labels.pair_concept)  # decoded before the clock starts
    started = time.perf_counter()
    layers = read_layers(network, values["LAYERS"], probe, tau=values["TAU"], store=store)
    reading = time.perf_counter() - started
    print(f"{name}: {n_pairs} (image, concept) pairs, read in {reading:.0f} s", flush=True)
    scores, rows = [], []
    for layer in layers.values():
        table, row = _one(layer, probe, values["EPOCHS"], values["SEED"])
        scores.append(table.assign(network=name))
        rows.append({"network": name, **row, "reading, all layers": reading})
    return pd.concat(scores), pd.DataFrame(rows)


def _one(layer: Layer, probe: ProbeSet, epochs: int, seed: int) -> tuple[pd.DataFrame, dict]:
    calls = {
        "single": lambda: single_filter.align(layer, probe),
        "combination": lambda: segmentation.align(layer, probe, epochs=epochs, seed=seed),
        "classification": lambda: classification.align(layer, probe, epochs=epochs, seed=seed),
        "classification, F = 1": lambda: classification.align(layer, probe, epochs=epochs, seed=seed, n_filters=1),
    }
    parts, seconds = [], {}
    for name, call in calls.items():
        started = time.perf_counter()
        parts.append(call().scores)
        seconds[name] = time.perf_counter() - started
    started = time.perf_counter()
    detected = dissection.filters(layer, probe).query("dissection_iou > 0.04")
    seconds["dissection"] = time.perf_counter() - started
    about = {"layer": layer.name, "filters": layer.n_filters, "grid": "x".join(map(str, layer.grid))}
    about["% tied"] = float(100 * (layer.realised < 0.9 * layer.tau).mean())
    found = {"detectors": len(detected), "unique": detected["name"].nunique()}
    return pd.concat(parts), {**about, **found, **seconds}


def _kinds(scores: pd.DataFrame, probe: ProbeSet) -> pd.DataFrame:
    """The category, with materials that only ever label whole images apart."""
    areas = probe.labels.pair_area == np.prod(probe.label_size)
    partial = set(probe.labels.pair_concept[~areas].tolist())
    whole = (scores["category"] == "material") & ~scores["concept"].isin(partial)
    return scores.assign(category=scores["category"].mask(whole, "material, whole images"))


def _means(scores: pd.DataFrame) -> pd.DataFrame:
    scores = scores.query("split == 'val'").assign(value=lambda rows: rows["set_iou"].fillna(rows["accuracy"]))
    wide = scores.pivot_table(
        index=["network", "layer", "category"], columns=["task", "method"], values="value", aggfunc="mean", sort=False
    )
    wide.columns = [f"{task}, {method}" for task, method in wide.columns]
    n = scores.groupby(["network", "layer", "category"])["concept"].nunique()
    order = {name: place for place, name in enumerate(CATEGORIES)}
    return (
        wide.assign(concepts=n)
        .reset_index()
        .sort_values(
            ["network", "layer", "category"], key=lambda c: c.map(order) if c.name == "category" else c, kind="stable"
        )
    )


def _shares(scores: pd.DataFrame) -> pd.DataFrame:
    rows = scores.query("split == 'val'").assign(value=lambda r: r["set_iou"].fillna(r["accuracy"]))
    wide = rows.pivot_table(index=["network", "layer", "task", "concept"], columns="method", values="value", sort=False)
    wide = wide.dropna()
    better = (wide["combination"] >= wide["single filter"]).groupby(level=[0, 1, 2], sort=False)
    return (100 * better.mean()).unstack("task").reset_index()


def _markdown(frame: pd.DataFrame, digits: int = 3) -> str:
    def cell(value: object) -> str:
        if isinstance(value, float):
            return "" if np.isnan(value) else f"{value:.{digits}f}"
        return str(value)

    lines = ["| " + " | ".join(map(str, frame.columns)) + " |", "|" + " --- |" * frame.shape[1]]
    lines += ["| " + " | ".join(cell(v) for v in row) + " |" for row in frame.itertuples(index=False)]
    return "\n".join(lines)


def main() -> None:
    if "N2V_PHOTOGRAPHS" not in os.environ:
        sys.exit("N2V_PHOTOGRAPHS: name the folder that holds probe/ and networks.py")
    probe = load_probe("${N2V_PHOTOGRAPHS}/probe")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(os.environ.get("N2V_STORE", folder))
        measured = [measure(setting, store) for setting in SETTINGS]
    scores, rows = (pd.concat(parts, ignore_index=True) for parts in zip(*measured, strict=True))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = f"""# Photographs

{len(probe.images):,} photographs ({(probe.split == "train").sum():,} for training), {len(probe.concepts)} concepts, two
networks trained on ImageNet, five layers each. Made by `python benchmarks/photographs.py`. Validation images only; set
IoU for segmentation, balanced accuracy for classification. Tau 0.005, 30 epochs, preset `paper`, seed 0. Five materials
label whole images only: they have no outline to learn, so no combination, and stand apart.

## Mean score by category

{_markdown(_means(_kinds(scores, probe)))}

## Percent of concepts where the combination is at least as good as the single filter

{_markdown(_shares(scores), 1)}

## Filters, seconds, memory

Detectors: filters whose best concept has a dissection IoU above 0.04; unique: distinct concepts among them. Tied:
filters that fire at less than nine tenths of tau, as many activations are equal at the top. Conv_1 ends in a ReLU6,
and the threshold of nearly all its filters is that ceiling: nothing lies above it. Seconds of one process on
{cores} core(s); reading is one pass for all five layers. Largest memory of the whole run: {memory:.1f} GiB.

{_markdown(rows, 1)}
"""
    TARGET.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
