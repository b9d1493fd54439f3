"""Which measures notice bad annotations? The two tests of NeuronEval, on masks.

A measure of how well a filter matches a concept should fall when half of the concept's images lose their annotation
("missing"), and when about as many other images get one that they should not have ("extra"). What it does not notice it
cannot tell apart.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import sparse

from n2vlib.masks.counts import Counts
from n2vlib.masks.iou import iou_of_counts
from n2vlib.significance import chance
from n2vlib.significance.family import Family

FALL = 0.001  # a score has fallen where it lost more than this share of itself
Numbers = NDArray[np.float64]


def average_precision(values: NDArray, held: NDArray[np.bool_]) -> Numbers:
    """Area under precision over recall of one filter for every concept, (concept,); equal values are one step.

    values   (image,), what ranks the images      held   (image, concept)
    """
    order = np.argsort(-values, kind="stable")
    ranked, positives = values[order], held[order].cumsum(0)
    last = np.searchsorted(-ranked, -ranked, side="right") - 1  # of the images with the same value
    precision = positives[last] / (1 + last[:, None])
    return _ratio((precision * held[order]).sum(0), positives[-1].astype(float))


def _ratio(above: Numbers, below: Numbers) -> Numbers:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


# Of pixels: i intersection, p predicted, a annotated, all four over n pixels.
MEASURES: Mapping[str, Callable[[Numbers, Numbers, Numbers, float], Numbers]] = {
    "IoU": lambda i, p, a, n: _ratio(i, p + a - i),
    "F1": lambda i, p, a, n: _ratio(2 * i, p + a),
    "cosine": lambda i, p, a, n: _ratio(i, np.sqrt(p * a)),
    "correlation": lambda i, p, a, n: _ratio(n * i - p * a, np.sqrt(p * a * (n - p) * (n - a))),
    "precision": lambda i, p, a, n: _ratio(i, p),
    "recall": lambda i, p, a, n: _ratio(i, a),
    "balanced accuracy": lambda i, p, a, n: (_ratio(i, a) + _ratio(n - p - a + i, n - a)) / 2,
}


def scores(family: Family, held: NDArray[np.bool_], intersection: Numbers, annotated: Numbers) -> dict[str, Numbers]:
    """Every measure of every filter and candidate, (filter, candidate).

    held   which images count as showing which candidate, (image, candidate)
    Besides MEASURES, over all images: "dissection IoU", over images that show the category (Network Dissection), and
    "set IoU", over images that show the concept (Net2Vec equation 1; on the same masks).
    """
    area = _areas(family)
    n = float(len(family.probe) * family.labels[0].shape[1])
    predicted = np.repeat(np.asarray(area.sum(0))[:, None], held.shape[1], axis=1)
    found = {name: measure(intersection, predicted, annotated, n) for name, measure in MEASURES.items()}
    category = family.candidates["category"].to_numpy()
    shows = np.stack([held[:, category == name].any(1) for name in category], axis=1)
    for name, where in (("dissection IoU", shows), ("set IoU", held)):
        found[name] = iou_of_counts(intersection, area.T @ where.astype(float), annotated)
    ranks = family.layer.highest
    found["average precision"] = np.stack([average_precision(ranks[:, k], held) for k in range(ranks.shape[1])])
    return found


def names_by_measure(family: Family) -> pd.DataFrame:
    """The best concept of every filter by each measure: index filter, a column for each, concept numbers."""
    order = np.arange(len(family.probe))[None]
    whole, numbers = family.count(order), family.candidates.index.to_numpy()
    found = scores(family, _held(family), *_both(whole))
    return pd.DataFrame({name: numbers[value.argmax(1)] for name, value in found.items()}).rename_axis("filter")


def sanity(family: Family, *, seed: int = 0) -> pd.DataFrame:
    """Both tests, for the best concept of every filter by dissection IoU, if at most half of the images show it.

    Returns   measure; missing, extra: mean share of the score that is left; notices_missing, notices_extra: share of
              the names whose score falls; all NaN where there is no such name
    """
    held, order = _held(family), np.arange(len(family.probe))
    rng, pair_concept = np.random.default_rng(seed), family.labels[3]
    image = np.repeat(order, np.diff(family.labels[2]))
    own = _both(family.count(order[None]))
    true = scores(family, held, *own)
    kept = rng.random(len(pair_concept)) < 0.5
    fewer = family.with_pairs(kept)
    missing = scores(family, _held(fewer), *_both(fewer.count(order[None])))
    dealt = chance.permutation(np.zeros(len(order), np.int64), 0, seed)
    asked = np.flatnonzero(family.concepts["asked"])
    column = np.full(len(family.concepts), -1)
    column[asked] = np.arange(len(asked))
    new = (column[pair_concept] >= 0) & ~held[dealt[image], column[pair_concept]]
    more, added = family.with_pairs(new), held.copy()
    added[dealt[image[new]], column[pair_concept[new]]] = True
    new_ones = _both(more.count(dealt[None]))
    extra = scores(family, added, own[0] + new_ones[0], own[1] + new_ones[1])
    best = true["dissection IoU"].argmax(1)
    filters = np.flatnonzero((true["dissection IoU"].max(1) > 0) & (held.mean(0)[best] <= 0.5))
    rows = []
    for name, value in true.items():
        before = value[filters, best[filters]]
        damaged = {"missing": missing[name], "extra": extra[name]}
        left = pd.DataFrame({how: _ratio(after[filters, best[filters]], before) for how, after in damaged.items()})
        rows.append({"measure": name, **left.mean(), **left.lt(1 - FALL).mean().add_prefix("notices_")})
    return pd.DataFrame(rows)


def _held(family: Family) -> NDArray[np.bool_]:
    """Which images show which candidate, (image, candidate)."""
    _, _, pair_ptr, pair_concept, _ = family.labels
    found = np.zeros((len(pair_ptr) - 1, len(family.concepts)), np.bool_)
    found[np.repeat(np.arange(len(found)), np.diff(pair_ptr)), pair_concept] = True
    return found[:, family.concepts["asked"]]


def _both(counts: Counts) -> tuple[Numbers, Numbers]:
    """Intersection and annotated of a single permutation."""
    return counts.intersection[0].astype(float), counts.annotated[0].astype(float)


def _areas(family: Family) -> sparse.csr_array:
    """Pixels of every mask, (image, filter)."""
    ptr, filters, areas, *_ = family.masks
    return sparse.csr_array((areas.astype(float), filters, ptr), shape=(len(ptr) - 1, family.layer.n_filters))
