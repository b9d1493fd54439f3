"""Causal effects of units on classes, for a chapter: learned on some pictures, measured on others, kept in the store.

    causal.effects(generator, segmenter, found, others, ["tree"], store)

Units are ranked by the share that was learned for them (`effect.learned`; also with the inserted term read as in the
released program), by their IoU with the class, and at random.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.errors import BadInput, near
from n2vlib.generator.dissect import Dissection
from n2vlib.generator.effect import effect, learned, pairs_of
from n2vlib.generator.sources import Generator, Segmenter, identity
from n2vlib.progress import bar
from n2vlib.store import Store

MODULES = ["n2vlib.generator.causal"]
LEARNED, LEARNED_SO, BY_IOU = "learned", "learned as released", "IoU"
RANDOM, NOTHING = "random units", "no edit"
REMOVAL, INSERTION, AS_RELEASED = "removal", "insertion", "insertion as released"
_COLUMNS = {REMOVAL: "removal", INSERTION: "appears", AS_RELEASED: "released"}  # of `effect`
BEST = 20  # units that are set, as in the released program; a quarter of them where there are fewer than 80
DRAWS = 1_000  # bootstrap samples of the pairs


def need_classes(segmenter: Segmenter, names: Sequence[str]) -> None:
    """BadInput where the segmenter has no such class."""
    for name in names:
        if name not in segmenter.classes[1:]:
            hint = near(name, segmenter.classes[1:])
            raise BadInput(f"CLASSES {name!r}: {segmenter.name} has no such class; {hint}")


def many(n_units: int) -> int:
    """How many units of a layer are set."""
    return min(BEST, n_units // 4)


def effects(
    generator: Generator,
    segmenter: Segmenter,
    found: Dissection,
    others: Dissection,
    names: Sequence[str],
    store: Store,
    *,
    steps: int = 30,
    seed: int = 0,
) -> pd.DataFrame:
    """The effect of the first units of each ranking on classes, with 95% intervals over pairs (bootstrap).

    found     pictures on which the rankings are made      others   pictures on which their effects are measured
    Returns   class, way, measure (removal; insertion, read where the edit was made; insertion as the released program
              reads it), value, low, high, pairs; the last way edits no unit: what is read there anyway
    """
    same = identity(generator, segmenter) | {"found": found.key, "others": others.key, "steps": steps, "seed": seed}
    rows: list[dict] = []
    for name in bar(names, "learning causal effects", len(names)):

        def make(folder: Path, name: str = name) -> None:
            orders = _orders(generator, segmenter, found, name, steps, seed)
            table = compared(generator, segmenter, others, name, orders)
            (folder / "effects.json").write_text(json.dumps(table.to_dict("records")), encoding="utf-8")

        folder = store.entry("generator-causal", same | {"class": name}, MODULES, make)
        rows += json.loads((folder / "effects.json").read_text(encoding="utf-8"))
    return pd.DataFrame(rows, columns=["class", "way", "measure", "value", "low", "high", "pairs"])


def _orders(
    generator: Generator, segmenter: Segmenter, found: Dissection, name: str, steps: int, seed: int
) -> dict[str, NDArray[np.int64]]:
    """The first units of each ranking."""
    of, pairs, options = (generator, segmenter, found, name), pairs_of(found, name), {"steps": steps, "seed": seed}
    alpha, so = (learned(*of, pairs, released=released, **options) for released in (False, True))
    iou = found.table.query("word == @name and kind == 'class'").sort_values("unit")["IoU"].to_numpy()
    ranks = {LEARNED: alpha, LEARNED_SO: so, BY_IOU: iou}
    ranks = {way: np.argsort(-by, kind="stable") for way, by in ranks.items()}
    ranks[RANDOM] = np.random.default_rng(seed).permutation(len(alpha))
    return {way: order[: many(len(alpha))] for way, order in ranks.items()} | {NOTHING: np.zeros(0, np.int64)}


def compared(
    generator: Generator, segmenter: Segmenter, found: Dissection, name: str, sets: dict[str, NDArray[np.int64]]
) -> pd.DataFrame:
    """The effect of sets of units on a class, in pictures that none of them was chosen on; columns as of `effects`."""
    pairs, rows = pairs_of(found, name, seed=1), []
    drawn = np.random.default_rng(0).integers(0, len(pairs), (DRAWS, len(pairs)))
    for way, units in sets.items():
        table = effect(generator, segmenter, found, name, units, pairs)
        for measure, column in _COLUMNS.items():
            values = table[column].to_numpy()
            low, high = np.quantile(values[drawn].mean(1), [0.025, 0.975]).tolist()
            rows.append((name, way, measure, float(values.mean()), low, high, len(pairs)))
    return pd.DataFrame(rows, columns=["class", "way", "measure", "value", "low", "high", "pairs"])
