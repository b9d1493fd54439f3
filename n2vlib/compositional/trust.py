"""Do formulas hold on other images, and would chance find as good ones? The two tests that names stand, for formulas.

A longer formula has more ways to fit, so its IoU grows even where it means nothing. What is left of the growth on
images that the search has not seen, and what the same search finds on annotations of other images, say how much of it
is real.
"""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd

from n2vlib.compositional import beam as beams
from n2vlib.compositional.explain import Filters
from n2vlib.compositional.formula import parse
from n2vlib.errors import BadInput
from n2vlib.progress import bar
from n2vlib.significance.chance import permutation
from n2vlib.store import load_array, save_arrays

MODULES = ["n2vlib.compositional.trust"]
SPLITS, PERMUTATIONS = 3, 10
COLUMNS = {
    "formulas-held-out": ["split", "unit", "allowed", "formula", "iou", "held_out", "again"],
    "formulas-by-chance": ["permutation", "unit", "allowed", "formula", "iou"],
}


def formulas(
    measured: Filters, length: int = beams.LENGTH, *, beam: int = beams.BEAM, splits: int = 1, seed: int = 0
) -> pd.DataFrame:
    """Every filter's formula beside its best single concept, and how such formulas do on other images.

    Returns   index filter; formula (text; "" where no concept overlaps) and formula_iou; one_iou, of the best single
              concept; held_out_iou: the mean, on one half of the images, of the formulas searched on the other (NaN
              where there is one image)
    """
    found = beams.search(measured.counts(), length, beam=beam).set_index("unit").rename_axis("filter")
    one, longest = found.loc[found["allowed"] == 1], found.loc[found["allowed"] == length]
    texts = ["" if formula is None else str(formula) for formula in longest["formula"]]
    table = pd.DataFrame({"formula": texts, "formula_iou": longest["iou"], "one_iou": one["iou"]})
    table["held_out_iou"] = np.nan
    if len(measured.probe) > 1:
        halves = held_out(measured, length, beam=beam, splits=splits, seed=seed).query("allowed == @length")
        table["held_out_iou"] = halves.groupby("unit")["held_out"].mean()
    return table


def held_out(
    measured: Filters, length: int, *, beam: int = beams.BEAM, splits: int = SPLITS, seed: int = 0
) -> pd.DataFrame:
    """Every filter's formulas searched on one half of the images and scored on the other, both ways for every split.

    Returns   split, unit, allowed, formula (None where no concept overlaps), iou (on the half searched), held_out (of
              the same formula on the other half), again (whether the other half's search finds a formula with the same
              mask), one row for each allowed length; kept in the store
    """
    if len(measured.probe) < 2:
        raise BadInput(f"probe set {measured.probe.name}: held-out formulas need two images, one for each half")
    inputs = {"length": length, "beam": beam, "splits": splits, "seed": seed}
    return _kept(measured, "formulas-held-out", inputs, partial(_held_out, measured, **inputs))


def by_chance(
    measured: Filters, length: int, *, beam: int = beams.BEAM, permutations: int = PERMUTATIONS, seed: int = 0
) -> pd.DataFrame:
    """The same search after the annotations were dealt to other images, kept in the store.

    Returns   permutation, unit, allowed, formula, iou
    """
    inputs = {"length": length, "beam": beam, "permutations": permutations, "seed": seed}
    return _kept(measured, "formulas-by-chance", inputs, partial(_by_chance, measured, **inputs))


def _held_out(measured: Filters, length: int, beam: int, splits: int, seed: int) -> pd.DataFrame:
    rng, tables = np.random.default_rng(seed), []
    for split in bar(range(splits), "formulas, held out", splits):
        halves = measured.halves(rng.permutation(len(measured.probe)) % 2)
        found = [beams.search(half, length, beam=beam) for half in halves]
        for here, there, other in ((0, 1, found[1]), (1, 0, found[0])):
            score = cache(halves[there].iou)  # many a formula stays the best at several lengths
            pairs = zip(found[here]["unit"], found[here]["formula"], strict=True)
            scored = [score(unit, each) if each is not None else 0.0 for unit, each in pairs]
            again = [one == two for one, two in zip(found[here]["formula"], other["formula"], strict=True)]
            tables.append(found[here].assign(split=split, held_out=scored, again=again))
    return pd.concat(tables, ignore_index=True).loc[:, COLUMNS["formulas-held-out"]]


def _by_chance(measured: Filters, length: int, beam: int, permutations: int, seed: int) -> pd.DataFrame:
    everywhere, tables = np.zeros(len(measured.probe), np.int64), []
    for number in bar(range(permutations), "formulas by chance", permutations):
        dealt = measured.counts(permutation(everywhere, number, seed))
        found = beams.search(dealt, length, beam=beam)
        tables.append(found.assign(permutation=number))
    return pd.concat(tables, ignore_index=True).loc[:, COLUMNS["formulas-by-chance"]]


def _kept(measured: Filters, what: str, inputs: dict, search: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """The table of a search, from the store where it has it; formulas are kept there as texts."""

    def make(folder: Path) -> None:
        table = search()
        texts = np.array(["" if each is None else str(each) for each in table["formula"]])
        save_arrays(folder, formula=texts, **{name: table[name].to_numpy() for name in table if name != "formula"})

    of = {"layer": measured.layer.fingerprint, "probe": measured.probe.fingerprint, "left_out": measured.left_out}
    folder = measured.layer.store.entry(what, of | inputs, MODULES, make)
    found = pd.DataFrame({name: np.asarray(load_array(folder, name)) for name in COLUMNS[what]})
    known = {text: parse(text) if text else None for text in found["formula"].unique()}
    return found.assign(formula=[known[text] for text in found["formula"]])
