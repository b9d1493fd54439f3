"""The book on real photographs and four trained networks: writes PHOTOGRAPHS.md's first part, numbers and words only.

    N2V_PHOTOGRAPHS=path/to/photographs python benchmarks/photographs.py

The folder holds a probe set in Broden's format (probe/) and networks.py. First the methods are measured on every
network, then every chapter on Net2Vec is executed on it, and the verdict's table of claims is read from its executed
notebook. N2V_STORE and N2V_OUT name folders for measurements and executed chapters that are kept: run again, the script
goes on where it stopped, and the seconds are still those of the making. Takes two hours on two cores. The executed
chapters show photographs: keep them to yourself.

    python benchmarks/photographs.py floors photographs-squeezenet

measures only the floors and ceilings of the settings named, and writes only that section.
"""

import os
import resource
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import executed
import numpy as np
import pandas as pd
import yaml
from executed import markdown, short

from n2vlib import claims
from n2vlib.activations.layer import Layer, read_layers
from n2vlib.baselines import linear, summary, threshold
from n2vlib.builder import book
from n2vlib.methods import classification, dissection, segmentation, single_filter
from n2vlib.networks.load import load_network
from n2vlib.paths import ROOT
from n2vlib.probe import ProbeSet, load_probe
from n2vlib.store import Store

SETTINGS = ("photographs-squeezenet", "photographs-mobilenet", "photographs-mobilenet-v1", "photographs-deeplab")
FLOORS = "## Floors and ceilings"
CATEGORIES = ["color", "object", "part", "material", "material, whole images", "scene", "texture"]


class Timed(Store):
    """A store that knows how long its last entry of each kind took to make, whenever that was."""

    def entry(
        self, kind: str, inputs: dict, modules: list[str], make: Callable[[Path], None], device: str = "cpu"
    ) -> Path:
        folder = super().entry(kind, inputs, modules, make, device)
        self.__dict__[kind] = _took(folder)
        return folder


def _took(folder: Path) -> float:
    """Seconds from the lock of an entry to its last file."""
    return folder.stat().st_mtime - folder.with_name(f"{folder.name}.lock").stat().st_mtime


def measure(setting: str, store: Store) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Scores of every method in every layer, and one row a layer with seconds."""
    values = yaml.safe_load((ROOT / "params" / f"{setting}.yml").read_text(encoding="utf-8"))
    probe = load_probe(values["PROBE"])
    network = load_network(os.path.expandvars(values["NETWORK"]), values["WEIGHTS"], values["PREPROCESSING"])
    name = values["NETWORK"].rpartition(":")[2]
    layers = read_layers(network, values["LAYERS"], probe, tau=values["TAU"], store=store)
    reading = max(_took(layer.folder) for layer in layers.values())
    scores, rows = [], []
    for layer in layers.values():
        table, row = _one(layer, probe, values["EPOCHS"], values["SEED"])
        scores.append(table.assign(network=name))
        rows.append({"network": name, "photographs": len(probe), **row, "reading, all layers": reading})
        print(f"{name}, {layer.name}: measured", flush=True)
    return pd.concat(scores), pd.DataFrame(rows)


def _apart(setting: str, store: Path, out: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`measure` in a process of its own; its largest memory is kept in `out`, with that of an interrupted run."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = pool.submit(measure, setting, Timed(str(store))).result()
        peak = pool.submit(resource.getrusage, resource.RUSAGE_SELF).result().ru_maxrss / 2**20
    memory = max(peak, _memory(out))
    out.mkdir(parents=True, exist_ok=True)
    (out / "memory.txt").write_text(f"{memory}\n")
    return found


def _memory(out: Path) -> float:
    """GiB at most."""
    kept = out / "memory.txt"
    return float(kept.read_text()) if kept.exists() else 0.0


def _one(layer: Layer, probe: ProbeSet, epochs: int, seed: int) -> tuple[pd.DataFrame, dict]:
    options = {"epochs": epochs, "seed": seed}
    calls = {
        "single": (lambda: single_filter.align(layer, probe), "set-counts"),
        "combination": (lambda: segmentation.align(layer, probe, **options), "segmentation"),
        "classification": (lambda: classification.align(layer, probe, **options), "classification"),
        "classification, F = 1": (lambda: classification.align(layer, probe, n_filters=1, **options), "classification"),
    }
    parts, seconds = [], {}
    for name, (call, kind) in calls.items():
        parts.append(call().scores)
        seconds[name] = vars(layer.store)[kind]
    dissection.filters(layer, probe)
    seconds["dissection"] = vars(layer.store)["dissection-counts"]
    about = {"layer": layer.name, "filters": layer.n_filters, "grid": "x".join(map(str, layer.grid))}
    about["% tied"] = float(100 * (layer.realised < 0.9 * layer.tau).mean())
    return pd.concat(parts), {**about, **seconds}


def floors(setting: str, store: Store) -> pd.DataFrame:
    """Mean validation set IoU by category of the deepest layer: the paper's methods between floors and ceilings."""
    values = yaml.safe_load((ROOT / "params" / f"{setting}.yml").read_text(encoding="utf-8"))
    probe = load_probe(values["PROBE"])
    network = load_network(os.path.expandvars(values["NETWORK"]), values["WEIGHTS"], values["PREPROCESSING"])
    name = values["LAYERS"][-1]
    layer = read_layers(network, [name], probe, tau=values["TAU"], store=store)[name]
    trained = segmentation.align(layer, probe, epochs=values["EPOCHS"], seed=values["SEED"])
    # Materials that label whole images have no combination: all methods are compared on the concepts that have one.
    found = [
        *summary.untrained(layer, probe), single_filter.align(layer, probe), trained,
        threshold.at_best_threshold(trained, layer, probe),
        *linear.align(layer, probe, features="fired").values(), *linear.align(layer, probe, features="raw").values(),
    ]  # fmt: skip
    shared = trained.weights.index
    kept = [replace(each, scores=each.scores[each.scores["concept"].isin(shared)]) for each in found]
    table = summary.beside(kept, probe).set_index("category")
    n, few = (table.pop(column).astype(str) for column in table.columns[:2])
    table.index = table.index + ": " + n + " concepts, " + few + " with few images"
    rows = table.T.rename_axis("method").reset_index()
    rows.insert(0, "layer", f"{short(setting)}, {name}")
    return rows


def floors_section(tables: list[pd.DataFrame]) -> str:
    listed, every = summary.FLOORS.replace("; ", "\n- "), "\n\n".join(map(markdown, tables))
    return f"""{FLOORS}

The paper's two methods in the deepest layer, beside masks that need no network and beside other solvers and thresholds,
none of which is Net2Vec's. Mean set IoU of validation images, over the concepts that have a combination; few images:
fewer than {summary.FEW} training images.

- {listed}
- best threshold, and every solver: the mask begins at the value of the largest set IoU on training images
- fired: thresholded activations; raw: activations as they are, so that these solvers see more than the paper's does

{every}
"""


def only_floors(settings: list[str], store: Store) -> None:
    """Measure and write this section alone; the rest of the first part stays as it is."""
    section = floors_section([floors(setting, store) for setting in settings])
    first, _, _ = executed.TARGET.read_text(encoding="utf-8").partition(executed.PARTS["second"])
    before, _, rest = first.removeprefix(executed.PARTS["first"]).partition(FLOORS)
    after = rest[rest.index("\n## ") + 1 :] if "\n## " in rest else ""
    executed.write("first", "\n\n".join(part.strip() for part in (before, after, section) if part.strip()))


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


def claims_of(out: Path) -> pd.DataFrame:
    """The table "Every claim of the paper" of the executed verdict; empty where it was not executed."""
    found = executed.table(out, "verdict/net2vec", "Every claim of the paper")
    return pd.DataFrame(columns=["holds", "this run"]) if found is None else found.set_index("id")


def _holding(found: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What each network says to each claim, and how often each answer was given."""
    listed = claims.table().set_index("id")
    answers = pd.DataFrame({name: each["holds"] for name, each in found.items()})
    values = pd.DataFrame({name: each["this run"] for name, each in found.items()})
    said = answers.where(answers == claims.NOT_MEASURED, answers + ", " + values)
    about = listed.loc[said.index, ["section", "claim", "criterion", "published"]]
    counts = answers.apply(pd.Series.value_counts).reindex(
        [claims.YES, claims.UNDECIDED, claims.NO, claims.NOT_MEASURED]
    )
    return about.join(said).reset_index(), counts.fillna(0).astype(int).rename_axis("answer").reset_index()


def main() -> None:
    if "N2V_PHOTOGRAPHS" not in os.environ:
        sys.exit("N2V_PHOTOGRAPHS: name the folder that holds probe/ and networks.py")
    if sys.argv[1:2] == ["floors"]:
        with tempfile.TemporaryDirectory() as folder:
            only_floors(sys.argv[2:] or list(SETTINGS), Store(os.environ.get("N2V_STORE", f"{folder}/store")))
        return
    probe = load_probe("${N2V_PHOTOGRAPHS}/probe")
    with tempfile.TemporaryDirectory() as folder:
        store = Timed(os.environ.get("N2V_STORE", f"{folder}/store"))
        outs = {setting: Path(os.environ.get("N2V_OUT", f"{folder}/book")) / setting for setting in SETTINGS}
        measured = [_apart(setting, store.root, out) for setting, out in outs.items()]
        memory = max(_memory(out) for out in outs.values())
        names = [name for name in book.chapters() if not {"netdissect", "compositional"} & set(name.split("/"))]
        ran = pd.DataFrame([executed.execute(setting, store.root, out, names) for setting, out in outs.items()])
        found = {short(setting): claims_of(out) for setting, out in outs.items()}
        beside = floors_section([floors(setting, store) for setting in SETTINGS])
    scores, rows = (pd.concat(parts, ignore_index=True) for parts in zip(*measured, strict=True))
    answers, counts = _holding(found)
    images = f"{len(probe.images):,} photographs ({(probe.split == 'train').sum():,} for training)"
    text = f"""
{images}, {len(probe.concepts)} concepts; three networks
trained on ImageNet and one (DeepLab, on every fourth photograph) on Cityscapes, five layers each. Made by
`python benchmarks/photographs.py`. Validation images only; set IoU for segmentation, balanced accuracy for
classification. Tau 0.005, 30 epochs, preset `paper`, seed 0. Five materials label whole images only: they have no
outline to learn, so no combination, and stand apart.

## Which of the paper's claims hold

From the verdict chapter of each network: what it says, and the effect. Criterion and published number in the same unit.
Claims about several networks compare the trained ones that `params/<setting>/net2vec.yml` names. Not measured: what
needs a kind of network or concept that is not here, such as self-supervised networks.

{markdown(counts)}

{markdown(answers)}

{markdown(ran)}

## Mean score by category

{markdown(_means(_kinds(scores, probe)))}

## Percent of concepts where the combination is at least as good as the single filter

{markdown(_shares(scores), 1)}

## Filters, seconds, memory

Tied: filters that fire at less than nine tenths of tau, as many activations are equal at the top. Layers of the
MobileNets end in a ReLU6, and where the threshold of a filter is that ceiling nothing lies above it. Seconds that the
store's entries took to make; reading is one pass for all five layers. Largest memory of a process that measured one
network in an empty store: {memory:.1f} GiB.

{markdown(rows, 1)}

{beside}"""
    executed.write("first", text)


if __name__ == "__main__":
    main()
