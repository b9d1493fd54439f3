"""What the page shows, as JSON values: concepts by their position in probe.concepts, images by theirs in the set."""

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.analysis import annotations
from n2vlib.display import style
from n2vlib.display.style import short
from n2vlib.pages.document import slugs
from n2vlib.probe import ProbeSet
from n2vlib.probe.problems import Problem
from n2vlib.probe_page import examples

MOST_PAIRS = 100  # of concepts, in each of the two lists
RANKED = 10  # concepts beside a concept
MOST_PROBLEMS = 500  # listed; the others are counted
UNLABELLED = 24  # images without a label that are shown


def contents(probe: ProbeSet, pictured: NDArray[np.bool_], pictures: int, seed: int) -> dict:
    """Everything but problems and pictures; `images` lists the pictures that are needed.

    pictured   which concepts have pictures      pictures   of each, at most      seed   of the choice among its images
    """
    names = style.categories(probe.concepts["category"])
    found, bare = examples.spread(probe, pictures, seed), annotations.unlabelled(probe)
    shown = [images if wanted else images[:0] for images, wanted in zip(found, pictured, strict=True)]
    some = _some(bare, seed)
    needed = sorted({*np.concatenate([np.array(some, np.int64), *shown]).tolist()})
    return {
        "grid": list(probe.label_size),
        "categories": list(map(list, zip(names, style.colors(names), strict=True))),
        "by_category": by_category(probe),
        "concepts": concepts(probe),
        "classes": list(annotations.EDGES),
        "examples": examples.drawn(probe, shown),
        **together(probe),
        "unlabelled": {"count": len(bare), "shown": some},
        "files": {str(image): probe.images[image] for image in needed},
        "images": needed,
    }


def concepts(probe: ProbeSet) -> dict[str, list]:
    """One list each: number, name, slug, category, also (its other categories), the columns of `annotations.sizes`,
    and classes (images by `annotations.size_classes`)."""
    table = annotations.sizes(probe)
    also = zip(probe.concepts["category"], probe.concepts["categories"], strict=True)
    return {
        "number": table.index.tolist(),
        "name": table["name"].tolist(),
        "slug": slugs(table["name"].tolist(), table.index.tolist()),
        "category": table["category"].tolist(),
        "also": [[name for name in names if name != primary] for primary, names in also],
        **{column: table[column].tolist() for column in ("train", "val", "whole")},
        **{column: short(table[column]) for column in ("share", *annotations.QUANTILES)},
        "classes": annotations.size_classes(probe).tolist(),
    }


def by_category(probe: ProbeSet) -> list[list]:
    """[category, its concepts, training images, validation images with labels of it], low to high."""
    there, of = annotations.labelled(probe), Counter(chain.from_iterable(probe.concepts["categories"]))
    train, columns = probe.split == "train", [*probe.categories]
    images = {name: there[:, columns.index(name)] for name in style.categories(columns)}
    return [[name, of[name], int((here & train).sum()), int((here & ~train).sum())] for name, here in images.items()]


def together(probe: ProbeSet) -> dict[str, list]:
    """Pairs [one, other, images, expected, lift]: `strongest` and `weakest`; and `beside`, for each concept [other,
    images, lift], those with the highest lift.

    strongest   most often together, compared with chance, of pairs that share `annotations.LEAST` images
    weakest     most seldom, of pairs that would share so many by chance
    """
    pairs = annotations.together(probe)
    shared = pairs.loc[(pairs["images"] >= annotations.LEAST) & (pairs["lift"] > 1)]
    apart = pairs.loc[(pairs["expected"] >= annotations.LEAST) & (pairs["lift"] < 1)]
    apart = apart.sort_values(["lift", "expected"], ascending=[True, False], kind="stable")
    columns = ["one", "other", "images", "expected", "lift"]
    at = {int(number): place for place, number in enumerate(probe.concepts.index)}
    beside: list[list] = [[] for _ in at]
    for one, other, *rest in _rows(shared, at, ["one", "other", "images", "lift"]):
        for a, b in ((one, other), (other, one)):
            if len(beside[a]) < RANKED:
                beside[a].append([b, *rest])
    found = {"strongest": shared.head(MOST_PAIRS), "weakest": apart.head(MOST_PAIRS)}
    return {name: _rows(rows, at, columns) for name, rows in found.items()} | {"beside": beside}


def problems(found: Sequence[Problem]) -> dict:
    """count, and [severity, file and row, message] of the first of them: `shown`."""
    rows = [
        [each.severity, each.file + (f", row {each.row}" if each.row else ""), each.message]
        for each in found[:MOST_PROBLEMS]
    ]
    return {"count": len(found), "shown": rows}


def _rows(pairs: pd.DataFrame, at: dict[int, int], columns: list[str]) -> list[list]:
    """The rows as lists, label numbers replaced by positions; counts stay whole."""
    pairs = pairs.assign(one=pairs["one"].map(at.get), other=pairs["other"].map(at.get))
    values = [short(pairs[c]) if c in ("expected", "lift") else pairs[c].tolist() for c in columns]
    return [list(row) for row in zip(*values, strict=True)]


def _some(images: NDArray[np.int64], seed: int) -> list[int]:
    """At most UNLABELLED of the images, drawn at random."""
    if len(images) <= UNLABELLED:
        return images.tolist()
    return np.sort(np.random.default_rng(seed).choice(images, UNLABELLED, replace=False)).tolist()
