"""A probe set in numbers: how often its concepts occur, how large they are, and which occur together."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import concept_positions, image_of_pair
from n2vlib.probe.reader import items_of

EDGES = (0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)  # of classes of size, as shares of an image
LEAST = 5  # images: pairs of concepts that neither share so many, nor would by chance, are left out
BLOCK = 1024  # concepts that are compared with all others at a time
PAIR = ["one", "other", "images", "judged", "expected"]
QUANTILES = {"smallest": 0.0, "low": 0.1, "median": 0.5, "high": 0.9, "largest": 1.0}


def sizes(probe: ProbeSet) -> pd.DataFrame:
    """One row for each concept, index its number: how often and how large.

    name, category   as in probe.concepts
    train, val       images of the split that hold it; whole: those of them that it labels as a whole
    share            mean share of such an image that it covers; NaN where no image holds it
    smallest, low, median, high, largest    quantiles 0, 0.1, 0.5, 0.9 and 1 of that share
    """
    of, share = concept_positions(probe), _shares(probe)
    training = probe.split[image_of_pair(probe)] == "train"
    n = len(probe.concepts)
    found = probe.concepts[["name", "category"]].assign(
        train=np.bincount(of[training], minlength=n),
        val=np.bincount(of[~training], minlength=n),
        whole=np.bincount(of[probe.labels.pair_local == 0], minlength=n),
    )
    by_concept = pd.DataFrame({"share": share, "of": of}).groupby("of")["share"]
    columns = {"share": by_concept.mean()} | {name: by_concept.quantile(q) for name, q in QUANTILES.items()}
    return found.assign(**pd.DataFrame(columns, index=range(n)).set_axis(found.index))


def size_classes(probe: ProbeSet, edges: Sequence[float] = EDGES) -> NDArray[np.int64]:
    """Images of each concept by the share of the image that it covers: int (concept, class).

    Class i is above edges[i], and at most edges[i + 1].
    """
    of, classes = concept_positions(probe), np.searchsorted(edges, _shares(probe), side="left") - 1
    shape = (len(probe.concepts), len(edges) - 1)
    return np.bincount(np.ravel_multi_index((of, classes), shape), minlength=shape[0] * shape[1]).reshape(shape)


def together(probe: ProbeSet, least: int = LEAST) -> pd.DataFrame:
    """Pairs of concepts, one row each: how many images show both, and how many would by chance.

    one, other    label numbers, one < other
    images        that hold both
    judged        images with labels of a category of both: only in these, that one is missing is known
    expected      among the judged images, (those with one) x (those with the other) / judged
    lift          images / expected: 1 where the two are independent
    Rows where both `images` and `expected` are below `least` are left out; the others by falling lift.
    """
    of, (judged, group) = concept_positions(probe), _judged(probe)
    entries = np.ones(len(of)), (image_of_pair(probe), of)
    held = sparse.csc_array(entries, shape=(len(probe), len(probe.concepts)))
    frequent = np.flatnonzero(held.sum(0) >= least)  # rarer ones neither share so many images nor would by chance
    blocks = [frequent[at : at + BLOCK] for at in range(0, len(frequent), BLOCK)]
    parts = [_pairs(held, judged, group, block, frequent, least) for block in blocks]
    found = pd.concat(parts or [pd.DataFrame(columns=PAIR, dtype=float)])
    number = probe.concepts.index.to_numpy()
    found = found.assign(one=number[found["one"].astype(int)], other=number[found["other"].astype(int)])
    found = found.astype({"images": int, "judged": int}).assign(lift=found["images"] / found["expected"])
    return found.sort_values(["lift", "images"], ascending=False, kind="stable", ignore_index=True)


def _pairs(
    held: sparse.csc_array,
    judged: NDArray[np.float64],
    group: NDArray[np.int64],
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    least: int,
) -> pd.DataFrame:
    """The pairs of two sets of concepts, one below the other: PAIR, concepts by their position.

    held   0 or 1, (image, concept)      judged, group   `_judged`
    """
    both = (held[:, rows].T @ held[:, columns]).toarray()
    known = (judged.T @ judged)[group[rows]][:, group[columns]]  # images judged for both
    one = (held[:, rows].T @ judged)[:, group[columns]]  # with the one, judged for the other
    other = (held[:, columns].T @ judged)[:, group[rows]].T
    expected = np.divide(one * other, known, out=np.zeros_like(both), where=known > 0)
    at = np.nonzero((np.maximum(both, expected) >= least) & (expected > 0) & (rows[:, None] < columns))
    found = rows[at[0]], columns[at[1]], both[at], known[at], expected[at]
    return pd.DataFrame(dict(zip(PAIR, found, strict=True)))


def labelled(probe: ProbeSet) -> NDArray[np.bool_]:
    """Which images have labels of which categories, (image, category); a map counts also where it is empty."""
    return np.array([[bool(cell) and any(items_of(cell)) for cell in row] for row in probe.cells], np.bool_)


def unlabelled(probe: ProbeSet) -> NDArray[np.int64]:
    """Positions of the images without any label."""
    return np.flatnonzero(np.diff(probe.labels.pair_ptr) == 0)


def _shares(probe: ProbeSet) -> NDArray[np.float64]:
    """The share of its image that each (image, concept) pair covers."""
    return probe.labels.pair_area / np.prod(probe.label_size)


def _judged(probe: ProbeSet) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Which images are judged for a group of concepts, 0 or 1 (image, group); and the group of each concept."""
    kinds, of = np.unique([";".join(names) for names in probe.concepts["categories"]], return_inverse=True)
    there = labelled(probe)
    judged = [there[:, [probe.categories.index(name) for name in kind.split(";")]].any(1) for kind in kinds]
    return np.array(judged, float).T.reshape(len(probe), len(kinds)), of
