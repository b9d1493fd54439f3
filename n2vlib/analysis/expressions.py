"""Sums and differences of concept vectors, "grass + blue-c - green-c" (Net2Vec 5.3, Table 3).

Expressions can be typed, or built from the labels: an object and the color, material or part that covers most of it.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.errors import BadInput, near
from n2vlib.probe import ProbeSet

Terms = list[tuple[int, int]]
MEASURES = ("released", "cosine")


def terms(expression: str, concepts: pd.DataFrame) -> Terms:
    """[(+1 or -1, concept number)] of an expression, its names separated by " + " and " - ".

    concepts   rows of probe.concepts; "blue" finds "blue-c" if no concept is called "blue"
    Raises BadInput with near matches for an unknown name.
    """
    parts = re.split(r"\s+([+-])\s+", expression.strip())
    signs = [1, *(1 if sign == "+" else -1 for sign in parts[1::2])]
    return [(sign, _number(name, concepts, expression)) for sign, name in zip(signs, parts[::2], strict=True)]


def known(names: Iterable[str], concepts: pd.DataFrame) -> list[int]:
    """The numbers of those names that the probe set has, in their order."""
    return [number for name in names for number in _called(name, concepts)[:1]]


def usable(expressions: Iterable[str], concepts: pd.DataFrame, space: pd.DataFrame) -> list[str]:
    """The expressions whose names are all concepts with a vector in the space."""
    names = {expression: re.split(r"\s+[+-]\s+", expression.strip()) for expression in expressions}
    numbers = {expression: known(some, concepts) for expression, some in names.items()}
    return [e for e in names if len(numbers[e]) == len(names[e]) and set(numbers[e]) <= set(space.index)]


def arithmetic(space: pd.DataFrame, added: Terms, n: int = 5, measure: str = "released") -> pd.DataFrame:
    """The concepts nearest to a signed sum of unit vectors; the terms themselves are left out.

    measure   "released": the dot product with the mean of the signed vectors, which is not scaled to length one, so
              that more terms give smaller numbers; "cosine": scaled. The order is the same.
    Returns   rank (from 1), neighbour, score
    """
    if measure not in MEASURES:
        raise BadInput(f"measure {measure!r}: choose from {MEASURES}")
    missing = [number for _, number in added if number not in space.index]
    if missing:
        raise BadInput(f"expression: concept {missing[0]} has no vector in this space")
    signs, numbers = np.array([sign for sign, _ in added]), [number for _, number in added]
    target = signs @ space.loc[numbers].to_numpy(float) / len(added)
    length = float(np.linalg.norm(target)) if measure == "cosine" else 1.0
    others = space.drop(index=numbers)
    scores = others.to_numpy(float) @ target / (length or 1.0)
    best = np.argsort(-scores, kind="stable")[:n]
    return pd.DataFrame({"rank": range(1, len(best) + 1), "neighbour": others.index[best], "score": scores[best]})


def beside_published(
    expressions: Iterable[str], space: pd.DataFrame, concepts: pd.DataFrame, paper: pd.DataFrame, n: int = 5
) -> pd.DataFrame:
    """The concepts nearest to each expression, the paper's beside ours (Net2Vec, Table 3).

    paper     expression, rank, neighbour
    Returns   expression, rank, published ("" where there is none), this run, score (as released), cosine
    """
    printed = {(row["expression"], row["rank"]): row["neighbour"] for row in paper.to_dict("records")}
    names = dict(zip(concepts.index.tolist(), map(str, concepts["name"]), strict=True))
    rows = []
    for text in expressions:
        added = terms(text, concepts)
        released, scaled = (arithmetic(space, added, n, measure).to_dict("records") for measure in MEASURES)
        for one, other in zip(released, scaled, strict=True):
            both = {"published": printed.get((text, one["rank"]), ""), "this run": names[one["neighbour"]]}
            rows.append(
                {"expression": text, "rank": one["rank"]} | both | {"score": one["score"], "cosine": other["score"]}
            )
    return pd.DataFrame(rows, columns=["expression", "rank", "published", "this run", "score", "cosine"])


def cover(probe: ProbeSet, concepts: Sequence[int], others: Sequence[int], images: int = 12) -> pd.DataFrame:
    """Share of a concept's pixels that are also labelled as another: (concept, other), over its training images.

    images   how many of them are used, the first in order
    """
    shares = pd.DataFrame(0.0, index=pd.Index(concepts, name="concept"), columns=pd.Index(others, name="other"))
    for concept in concepts:
        area, found = 0, dict.fromkeys(others, 0)
        for i in probe.images_with(int(concept), "train")[:images]:
            mask = probe.annotated(int(concept), int(i))
            area += int(mask.sum())
            for other in _in_image(probe, int(i)) & found.keys():
                found[other] += int((mask & probe.annotated(other, int(i))).sum())
        shares.loc[concept] = [found[other] / area if area and other != concept else 0.0 for other in others]
    return shares


def composed(shares: pd.DataFrame, concepts: pd.DataFrame) -> list[str]:
    """One expression for each pattern of Table 3 that the labels allow, with the labels' own objects.

    shares     `cover` of objects by colors, materials and parts
    Rule: object + another color - its color, object - its color, object - its material, object - its part, each with
    the object that its color (material, part) covers most; the other color is the most frequent one except its own.
    """
    names = concepts["name"]
    kind = concepts["category"].reindex(shares.columns)
    out, used = [], set()
    for category in ("color", "color", "material", "part"):
        own = shares.loc[[o for o in shares.index if o not in used], (kind == category).to_numpy()]
        if own.empty or not own.shape[1] or own.to_numpy().max() <= 0:
            continue
        concept = own.max(axis=1).idxmax()
        its = own.loc[concept].idxmax()
        used.add(concept)
        swap = category == "color" and not out
        counts = shares.loc[:, (kind == category).to_numpy()].idxmax(axis=1).value_counts().drop(its, errors="ignore")
        plus = f" + {names[counts.index[0]]}" if swap and len(counts) else ""
        out.append(f"{names[concept]}{plus} - {names[its]}")
    return out


def most_cover(shares: pd.DataFrame, concepts: pd.DataFrame, category: str, least: float = 0.3) -> pd.Series:
    """The concept of a category that covers most of each concept, if more than `least` of its pixels: (concept,)."""
    own = shares.loc[:, (concepts["category"].reindex(shares.columns) == category).to_numpy()]
    if own.empty:
        return pd.Series(dtype=int)
    at = own.to_numpy().argmax(axis=1)
    kept = own.to_numpy().max(axis=1) > least
    return pd.Series(own.columns.to_numpy()[at[kept]], index=own.index[kept])


def swaps(space: pd.DataFrame, color_of: pd.Series) -> pd.DataFrame:
    """Whether "object + another color - its color" leads to objects of the other color, for every object and color.

    color_of   (object,), the color of each object; pairs without both vectors in the space are left out
    Returns    concept, added (the color), before, after: how often an object of the added color is nearer than one of
               any other color, for the object alone and for the expression. One half is chance.
    """
    known = np.isin(color_of.index, space.index) & np.isin(color_of, space.index)
    color_of = color_of.loc[known]
    rows, colors = [], sorted(set(color_of))
    vectors = space.loc[color_of.index].to_numpy(float)
    for position, (concept, own) in enumerate(color_of.items()):
        rest = np.arange(len(color_of)) != position
        alone = vectors @ vectors[position]
        for added in colors:
            targets = (color_of == added).to_numpy()
            if added == own or not (targets & rest).any() or not (~targets & rest).any():
                continue
            moved = alone + vectors @ (space.loc[added] - space.loc[own]).to_numpy(float)
            before, after = (probability_above(s[targets & rest], s[~targets & rest]) for s in (alone, moved))
            rows.append({"concept": concept, "added": added, "before": before, "after": after})
    return pd.DataFrame(rows, columns=["concept", "added", "before", "after"])


def probability_above(some: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """P(a > b) + P(a = b) / 2 for a of `some` and b of `others`; NaN where one of them is empty."""
    if not len(some) or not len(others):
        return np.nan
    difference = some[:, None] - others[None]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


def _in_image(probe: ProbeSet, i: int) -> set[int]:
    start, stop = probe.labels.pair_ptr[i : i + 2]
    return set(probe.labels.pair_concept[start:stop].tolist())


def _called(name: str, concepts: pd.DataFrame) -> list[int]:
    """The concepts of that name, or else of that name with Broden's suffix for a color or a scene."""
    numbers: dict[str, list[int]] = {}
    for number, its in zip(concepts.index.tolist(), map(str, concepts["name"]), strict=True):
        numbers.setdefault(its, []).append(number)
    return numbers.get(name) or numbers.get(f"{name}-c", []) + numbers.get(f"{name}-s", [])


def _number(name: str, concepts: pd.DataFrame, expression: str) -> int:
    found = _called(name, concepts)
    if not found:
        names = [str(its) for its in concepts["name"]]
        raise BadInput(f"expression {expression!r}: no concept {name!r} here; {near(name, names)}")
    if len(found) > 1:
        raise BadInput(f"expression {expression!r}: several concepts are called {name!r}")
    return found[0]
