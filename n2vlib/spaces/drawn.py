"""Two spaces that need no download: our own hypernym tree, and the co-occurrence of concepts in a probe set.

The tree is ours, written for the drawn world in `drawn_tree.csv` (concept, parent); it is not WordNet. A part that two
kinds of things have (the wing of a bird, the wing of an airplane) is placed where it is drawn most.
"""

import csv
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.methods.alignment import unit
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import presence
from n2vlib.spaces.names import named

_FILE = Path(__file__).with_name("drawn_tree.csv")


@cache
def tree() -> dict[str, str]:
    """{concept or group: its parent}; the root, "entity", has no parent."""
    with _FILE.open(newline="", encoding="utf-8") as file:
        return {row["concept"]: row["parent"] for row in csv.DictReader(file)}


def ancestors(name: str) -> list[str]:
    """The concept itself, its parent, and so on up to the root; empty for a name the tree does not have."""
    parents, line = tree(), [name]
    if name not in parents:
        return []
    while line[-1] in parents:
        line.append(parents[line[-1]])
        if len(line) > len(parents):
            raise BadInput(f"{_FILE.name}: {name!r} is its own ancestor")
    return line


def hypernyms(concepts: pd.DataFrame) -> pd.DataFrame:
    """Unit indicators of each concept and its ancestors, as the paper has them of WordNet: (concept number, node).

    concepts   rows of probe.concepts; a name the tree does not have is left out
    """
    return indicators({number: ancestors(name) for number, name in named(concepts).items()})


def groups(concepts: pd.DataFrame) -> pd.Series:
    """The parent of every concept the tree has: (concept number,), e.g. "hoofed animal" for a horse."""
    return pd.Series({number: tree()[name] for number, name in named(concepts).items() if name in tree()}, dtype=object)


def indicators(lines: dict[int, list[str]]) -> pd.DataFrame:
    """Unit rows with the same number in the column of each node of a concept's line; empty lines are left out."""
    lines = {number: line for number, line in lines.items() if line}
    nodes = sorted({node for line in lines.values() for node in line})
    at = {node: i for i, node in enumerate(nodes)}
    rows = np.zeros((len(lines), len(nodes)))
    for row, line in zip(rows, lines.values(), strict=True):
        row[[at[node] for node in line]] = 1
    return unit(pd.DataFrame(rows, index=pd.Index(list(lines), name="number"), columns=nodes))


def shown_with(held: pd.DataFrame) -> pd.DataFrame:
    """How much more often an image holds concept b if it holds a: P(b | a) - P(b), (a, b); NaN for an a in no image."""
    together, images = _together(held)
    shown = np.diag(together)
    given = np.divide(together, shown[:, None], out=np.full(together.shape, np.nan), where=shown[:, None] > 0)
    return pd.DataFrame(given - shown / images, index=held.columns, columns=held.columns)


def typical_scenes(probe: ProbeSet, split: str = "train") -> pd.Series:
    """The scene that each concept is shown with most, beyond chance: (concept number,), the scenes themselves left out.

    Empty where the probe set labels no scenes.
    """
    names, kinds = named(probe.concepts), probe.concepts["category"].tolist()
    scenes = [number for number, kind in zip(names, kinds, strict=True) if kind == "scene"]
    others = [number for number in names if number not in scenes]
    shown = shown_with(presence(probe, split)).loc[others, scenes].dropna()
    where = shown.to_numpy().argmax(axis=1) if scenes else []
    return pd.Series([names[scenes[i]] for i in where], index=shown.index if scenes else [], dtype=object)


def co_occurrence(probe: ProbeSet, split: str = "train", dimensions: int = 50) -> pd.DataFrame:
    """Co-occurrence vectors of the labels: (concept number, dimension), unit rows.

    Positive pointwise mutual information of concepts over images, max(0, log P(a, b) / (P(a) P(b))), zero on the
    diagonal, reduced to its largest singular directions, scaled by the root of their values (Levy and Goldberg 2014).
    Neither a network nor an image is used. A concept without positive information is left out: one in no image, or one
    in every image, like a color that is everywhere.
    """
    held = presence(probe, split)
    information = positive_information(held)
    kept = information.sum(axis=1) > 0
    left, values, _ = np.linalg.svd(information[kept][:, kept], hermitian=True)
    size = min(dimensions, int((values > 1e-9 * values[:1]).sum())) if kept.any() else 0
    return unit(pd.DataFrame(left[:, :size] * np.sqrt(values[:size]), index=held.columns[kept]))


def positive_information(held: pd.DataFrame) -> NDArray[np.float64]:
    """max(0, log P(a, b) / (P(a) P(b))) over the images, zero on the diagonal: (concept, concept)."""
    together, images = _together(held)
    shown = np.diag(together)
    by_chance = np.outer(shown, shown) / images
    ratio = np.divide(together, by_chance, out=np.ones_like(together), where=(together > 0) & (by_chance > 0))
    information = np.maximum(np.log(ratio), 0)
    np.fill_diagonal(information, 0)
    return information


def _together(held: pd.DataFrame) -> tuple[NDArray[np.float64], int]:
    """How many images hold both of two concepts, (concept, concept), and how many images there are."""
    there = held.to_numpy(np.float64)
    return there.T @ there, max(len(there), 1)
