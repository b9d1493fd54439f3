"""What a parameter file asks for: its networks, probe sets and files, here or missing, and what reading them costs."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from n2vlib.builder.book import Setting, chapters, find_chapter, values_of
from n2vlib.doctor import costs, machine
from n2vlib.doctor.finding import MISSING, OK, PROBLEM, Finding, duration, size
from n2vlib.errors import BadInput
from n2vlib.networks.factories import weights_missing
from n2vlib.networks.load import Network, load_network
from n2vlib.parameters import in_full
from n2vlib.paths import resolve, store_root

FILES = ("WORDNET", "WORD2VEC", "UNITS", "RATINGS", "SENTENCES")


@dataclass(frozen=True)
class Reading:
    """One pass over a probe set: a network and those of its layers that chapters ask for."""

    network: str
    weights: str | None
    preprocessing: Any
    probe: str
    tau: float
    device: str
    layers: tuple[str, ...]


def found(params: Path, chapter: str | None) -> Iterator[Finding]:
    """Everything that the chapters, or one, need with these parameters.

    Raises BadInput where the file or a value in it is wrong.
    """
    setting = Setting(params, Path("build"))
    asked = [find_chapter(chapter)] if chapter else chapters()
    values = [values_of(each, setting.given(each)) for each in asked]
    yield Finding(OK, "chapters", f"{len(asked)}")
    for name in FILES:
        for file in sorted({each[name] for each in values if each.get(name) and each[name] != "drawn"}):
            there = resolve(file).exists()
            yield Finding(OK if there else PROBLEM, name, file if there else f"{file}: no such file or folder")
    samples: dict[str, costs.Sample] = {}
    for probe in sorted({each["PROBE"] for each in values}):
        try:
            samples[probe] = costs.sample(probe)
            yield Finding(OK, f"probe set {probe}", samples[probe].text)
        except BadInput as error:
            yield Finding(PROBLEM, f"probe set {probe}", str(error))
    total = costs.Cost()
    for reading in readings(values):
        finding, cost = _read(reading, samples.get(reading.probe))
        total += cost
        yield finding
    if not samples:
        return
    decoding = sum((each.labels for each in samples.values()), costs.Cost())
    yield from _all(total + decoding, values[0].get("STORE"))


def readings(values: list[dict[str, Any]]) -> list[Reading]:
    """The passes over images that chapters with these parameters make, each once."""
    layers: dict[tuple, dict[str, None]] = {}
    how: dict[tuple, tuple[Any, float, str]] = {}
    for each in values:
        for row in _rows(each):
            key = row["network"], row.get("weights"), repr(row.get("preprocessing")), each["PROBE"]
            how[key] = row.get("preprocessing"), each["TAU"], each["DEVICE"]
            layers.setdefault(key, {}).update(dict.fromkeys(row["layers"]))
    found = []
    for (network, weights, _, probe), names in layers.items():
        preprocessing, tau, device = how[network, weights, _, probe]
        found.append(Reading(network, weights, preprocessing, probe, tau, device, tuple(names)))
    return found


def _rows(values: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The networks of a chapter: NETWORK with LAYERS, SECOND, and the entries of its lists of networks."""
    own = {"weights": values["WEIGHTS"], "preprocessing": values["PREPROCESSING"], "layers": values["LAYERS"]}
    yield {"network": values["NETWORK"], **own}
    if values.get("SECOND"):
        yield {"network": values["SECOND"], "layers": values["LAYERS"][-1:]}
    for name, value in values.items():
        for row in in_full(name, value) if isinstance(in_full(name, value), list) else []:
            if isinstance(row, dict) and {"network", "layer"} <= set(row):
                yield {**row, "layers": [row["layer"]]}


def _read(reading: Reading, sample: "costs.Sample | None") -> tuple[Finding, "costs.Cost"]:
    """Whether a network is here, and what reading its layers costs."""
    what = f"{reading.network} {reading.weights or ''}".strip()
    try:
        missing = weights_missing(reading.network, reading.weights)
        network = load_network(reading.network, None if missing else reading.weights, reading.preprocessing)
        cost = _cost(network, reading, sample) if sample else costs.Cost()
    except BadInput as error:
        return Finding(PROBLEM, what, str(error)), costs.Cost()
    layers = f"{len(reading.layers)} layer{'' if len(reading.layers) == 1 else 's'}"
    said = f"{layers}: {cost}" if sample else f"{layers}; its probe set is missing"
    if missing:
        return Finding(MISSING, what, f"{said}; its weights are fetched when it is first loaded, to {missing}"), cost
    return Finding(OK, what, said), cost


def _cost(network: Network, reading: Reading, sample: "costs.Sample") -> "costs.Cost":
    modules = [network.layer(name) for name in reading.layers]
    return costs.of_reading(network, modules, sample, reading.tau, reading.device)


def _all(total: "costs.Cost", store: str | None) -> Iterator[Finding]:
    """The sum, against what this machine has."""
    place = next(folder for folder in (store_root(store), *store_root(store).parents) if folder.exists())
    free, memory = shutil.disk_usage(place).free, machine.memory()
    enough = total.disk[1] <= free
    yield Finding(OK if enough else PROBLEM, "disk", f"{costs.span(total.disk, size)} in all, {size(free)} free")
    fits = memory is None or total.memory[1] <= memory
    here = size(memory) if memory else "unknown"
    yield Finding(OK if fits else PROBLEM, "memory", f"{costs.span(total.memory, size)}, this machine has {here}")
    yield Finding(OK, "time", f"{costs.span(total.seconds, duration)} to read all networks, with nothing in the store")
    yield Finding(MISSING, "how estimated", costs.HOW)
