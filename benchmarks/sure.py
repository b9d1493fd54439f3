"""How sure the names of filters are on real photographs: writes the third part of PHOTOGRAPHS.md.

    N2V_PHOTOGRAPHS=path/to/photographs python benchmarks/sure.py

The last layer of each of the four networks: its names on held-out photographs, and against chance, with annotations
permuted in three ways. Also what a permutation costs beside a count. N2V_STORE is that of photographs.py. Ten minutes
on two cores where the layers have to be read.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import executed
import numpy as np
import pandas as pd
import yaml
from executed import markdown, short
from photographs import SETTINGS

from n2vlib import load_network, load_probe, read_layers
from n2vlib.activations.layer import Layer
from n2vlib.masks import counts
from n2vlib.paths import ROOT
from n2vlib.probe import ProbeSet
from n2vlib.significance import chance, names
from n2vlib.significance.family import family
from n2vlib.store import Store

IOU_THRESHOLD, PERMUTATIONS, TIMED = 0.04, 200, 20


def last_layer(setting: str, store: Store, part: str = "") -> tuple[Layer, ProbeSet]:
    """The last layer of a setting, on all its photographs or a part of them such as [::4]."""
    values = yaml.safe_load((ROOT / "params" / f"{setting}.yml").read_text(encoding="utf-8"))
    probe = load_probe(values["PROBE"] + part)
    network = load_network(os.path.expandvars(values["NETWORK"]), values["WEIGHTS"], values["PREPROCESSING"])
    layers = read_layers(network, values["LAYERS"][-1:], probe, tau=values["TAU"], store=store)
    return layers[values["LAYERS"][-1]], probe


def measured(setting: str, store: Store) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """Detectors by category that stand each test; what chance reaches in each category; names needed for one to be
    sure."""
    layer, probe = last_layer(setting, store)
    everything, standing, rates = family(layer, probe), [], []
    for among in chance.AMONG:
        found = names.how_sure(layer, probe, among=among, permutations=PERMUTATIONS)
        table = names.survivors(found, IOU_THRESHOLD).set_index("category")
        wanted = ["above_chance", "sure"] if standing else ["detectors", "again", "above_chance", "sure"]
        words = {name: f"{name.replace('_', ' ')}, {among}" for name in ("above_chance", "sure")}
        standing.append(table.reindex(columns=wanted).rename(columns=words))
        by_chance = chance.highest(everything, among=among, permutations=PERMUTATIONS)
        rate = chance.false_rates(by_chance, everything.categories, IOU_THRESHOLD).set_index("category")
        rates.append(pd.DataFrame({f"passed by chance, %, {among}": 100 * rate["false_rate"]}))
        rates.append(pd.DataFrame({f"5% threshold, {among}": rate["threshold"]}))
    print(f"{setting}: measured", flush=True)
    both = [pd.concat(tables, axis=1).reset_index() for tables in (standing, rates)]
    for table in both:
        table.insert(0, "layer", f"{short(setting)} {layer.name}")
    return both[0], both[1], f"{chance.needed(layer.n_filters, PERMUTATIONS)} in {short(setting)}"


def cost(setting: str, store: Store) -> str:
    """Seconds of one core for a permutation and for a count of the same layer, in turn; the fastest of three."""
    layer, probe = last_layer(setting, store)
    everything = family(layer, probe)
    permutations = np.stack([chance.permutation(np.zeros(len(probe), int), number, 0) for number in range(TIMED)])
    os.environ["OMP_NUM_THREADS"] = "1"
    tries: dict[str, list[float]] = {"masks": [], "permuted": [], "count": []}
    for _ in range(3):
        tries["masks"].append(_seconds(lambda: counts.dissection_masks(layer, probe, everything.convention)))
        tries["permuted"].append(_seconds(lambda: everything.count(permutations)) / TIMED)
        tries["count"].append(_seconds(lambda: counts.dissection_counts(layer, probe, everything.convention)))
    masks, permuted, one = (min(tries[name]) for name in ("masks", "permuted", "count"))
    shape = f"{layer.n_filters} filters, {len(everything.candidates)} concepts, {len(probe):,} photographs"
    times = f"{one:.2f} s for a count, {permuted:.3f} s for a permutation ({one / permuted:.1f} times faster)"
    return (
        f"{short(setting)} {layer.name}, {shape}, one core: {times} after {masks:.2f} s for the masks; "
        f"{PERMUTATIONS} permutations take {masks + PERMUTATIONS * permuted:.0f} s."
    )


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    if "N2V_PHOTOGRAPHS" not in os.environ:
        sys.exit("N2V_PHOTOGRAPHS: name the folder that holds probe/ and networks.py")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(str(Path(os.environ.get("N2V_STORE", f"{folder}/store"))))
        both = [measured(setting, store) for setting in SETTINGS]
        took = cost(SETTINGS[0], store)
    standing, rates, needed = zip(*both, strict=True)
    standing, rates = (pd.concat(tables, ignore_index=True) for tables in (standing, rates))
    text = f"""
The last layer of each network, all photographs, tau 0.005. Made by `python benchmarks/sure.py`. {took}

## Which names survive

Detectors (dissection IoU above {IOU_THRESHOLD:g}) by category. *Again*: in most of 20 divisions of the photographs both
halves choose the same name. *Above chance*: by {PERMUTATIONS} permutations of the annotations, adjusted p at most 0.05.
*Sure*: both. Annotations are permuted among *any* photographs, among those that show the *category*, or among those of
them that have the same *source*. The smallest p is 1 in {PERMUTATIONS + 1}, so no adjusted p is at most 0.05 unless
enough filters of the layer reach it: {", ".join(needed)}. With fewer names, the columns of *above chance* say nothing.

{markdown(standing)}

## Is 0.04 liberal or conservative?

Share of filters whose best concept of a category exceeds {IOU_THRESHOLD:g} after a permutation, and the IoU that 5
percent of filters exceed. Where the first is above 5 percent, the paper's threshold is liberal.

{markdown(rates)}
"""
    executed.write("third", text)


if __name__ == "__main__":
    main()
