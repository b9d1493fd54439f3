"""Two or more runs against each other: networks, layers, probe sets or seeds.

    first, *others = runs.read(rows, probe, tau=0.005, epochs=30)

`between_runs` compares them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import pandas as pd

from n2vlib.analysis import comparison
from n2vlib.errors import BadInput
from n2vlib.probe import ProbeSet, load_probe
from n2vlib.store import Store

CONCEPT = ["name", "category"]


@dataclass(frozen=True)
class Run:
    """One layer of one network, measured on a probe set; `seed`: of the learned weights and of the draws."""

    measured: comparison.Measured
    probe: ProbeSet
    seed: int

    @property
    def label(self) -> str:
        return self.measured.label

    @property
    def concepts(self) -> pd.DataFrame:
        """name and category, by number."""
        return self.probe.concepts.loc[:, CONCEPT]

    @cached_property
    def kept(self) -> dict[tuple, pd.DataFrame]:
        """What was drawn for it already, by kind and options, since every pair with this run needs it."""
        return {}

    def named(self, concepts: pd.Index) -> pd.MultiIndex:
        """Name and category of these concepts, by which those of two probe sets are compared."""
        return pd.MultiIndex.from_frame(self.concepts.loc[concepts])


def read(
    rows: Sequence[Mapping[str, Any]],
    probe: ProbeSet,
    *,
    tau: float,
    epochs: int,
    seed: int = 0,
    device: str = "auto",
    store: Store | None = None,
) -> list[Run]:
    """Measure runs, or find them in the store.

    rows   network and layer; optionally label, weights, preprocessing, training; and probe and seed, where they are
           not those given here
    Raises BadInput where there are fewer than two, or two have one label.
    """
    if len(rows) < 2:
        raise BadInput(f"runs: {len(rows)} given; to compare, name two or more")
    probes, found = {"": probe}, []
    for row in rows:
        name, own = row.get("probe") or "", row.get("seed", seed)
        if name not in probes:
            probes[name] = load_probe(name)
        options = {"tau": tau, "epochs": epochs, "seed": own, "device": device, "store": store}
        found.append(Run(comparison.measure(probes[name], row, **options), probes[name], own))
    return _named(found, rows)


def _named(found: list[Run], rows: Sequence[Mapping[str, Any]]) -> list[Run]:
    """The runs with labels: what tells them apart is added to those that were not given one."""
    parts = {
        " {}": [run.measured.layer.name for run in found],
        ", on {}": [run.probe.name for run in found],
        ", seed {}": [run.seed for run in found],
    }
    differ = {words: values for words, values in parts.items() if len(set(values)) > 1}
    named = []
    for place, (run, row) in enumerate(zip(found, rows, strict=True)):
        more = "".join(words.format(values[place]) for words, values in differ.items())
        label = row.get("label") or f"{run.label}{more}"
        named.append(replace(run, measured=replace(run.measured, label=label)))
    labels = [run.label for run in named]
    if again := next((label for label in labels if labels.count(label) > 1), None):
        raise BadInput(f"runs: {again!r} is given twice; leave one out, or give each a `label` of its own")
    return named
