"""Neighbours of concepts, and distances between spaces of concepts: the claims of Net2Vec 5.3."""

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.analysis import embeddings, rsa
from n2vlib.claims.claim import Effect, Measures, left_out, of_concepts
from n2vlib.claims.measured import HYPERNYMS, ONE, VECTORS, Measured
from n2vlib.claims.networks import SELF_SUPERVISED, SUPERVISED

SEGMENTATION, CLASSIFICATION = "segmentation", "classification"
NEAREST = 5  # neighbours, as in the paper's Table 2


def kin(m: Measured) -> Effect | None:
    """Percent of the five nearest concepts that are of the same category: segmentation minus classification."""
    return _difference(m, embeddings.same(m.category(m.concepts.index)), SEGMENTATION, 100)


def kin_in_words(m: Measured) -> Effect | None:
    """Mean hypernym cosine of the five nearest concepts: segmentation minus classification."""
    return _difference(m, embeddings.similarity(m.words[HYPERNYMS]), SEGMENTATION) if HYPERNYMS in m.words else None


def context(m: Measured) -> Effect | None:
    """Co-occurrence, above chance, of a concept with its five nearest: classification minus segmentation."""
    return _difference(m, m.together, CLASSIFICATION, 100) if len(m.together) else None


def meaning(m: Measured) -> Effect | None:
    """Correlation of the cosines of all pairs with their hypernym cosines: embeddings minus best filters."""
    if HYPERNYMS not in m.words or (m.network, ONE) not in m.spaces:
        return None
    parts = {
        "many": m.spaces[(m.network, SEGMENTATION)],
        "one": m.spaces[(m.network, ONE)],
        "words": m.words[HYPERNYMS],
    }
    many, one, words = embeddings.restricted(parts).values()
    if len(words) <= NEAREST:
        return None

    def ahead(kept: NDArray) -> float:
        a, b = (rsa.correlation(each.iloc[kept], words.iloc[kept]) for each in (many, one))
        return a - b  # NaN where all best filters differ, since then all their cosines are 0

    return left_out(ahead, np.arange(len(many)), f"{len(many)} concepts")


def nearer(m: Measured, words: str) -> Effect | None:
    """Percent by which classification spaces are nearer to words than segmentation spaces, mean of networks."""
    if words not in m.words or not m.trained():
        return None
    far, near = (_to_words(m, kind, words, m.trained()) for kind in (SEGMENTATION, CLASSIFICATION))
    return of_concepts(lambda both: 100 * (1 - both[:, 1].sum() / both[:, 0].sum()), np.stack([far, near], axis=1))


def self_supervised_apart(m: Measured) -> Effect | None:
    """Distance of a classification space to those of all other networks: self-supervised over supervised networks."""
    names = [name for name in m.trained() if (name, CLASSIFICATION) in m.spaces]
    own, supervised = ([n for n in names if m.training[n] == kind] for kind in (SELF_SUPERVISED, SUPERVISED))
    if not own or len(supervised) < 2:
        return None
    spaces = embeddings.restricted({name: m.spaces[(name, CLASSIFICATION)] for name in names})

    def apart(name: str) -> NDArray[np.float64]:
        others = [embeddings.distance_by_concept(spaces[name], spaces[other]) for other in names if other != name]
        return np.mean(others, axis=0)

    means = [sum(apart(name) for name in some) / len(some) for some in (own, supervised)]
    note = f"{len(own)} self-supervised, {len(supervised)} supervised networks"
    return of_concepts(lambda both: both[:, 0].sum() / both[:, 1].sum(), np.stack(means, axis=1), note)


def materials_apart(m: Measured, words: str) -> Effect | None:
    """Distance of the self-supervised classification spaces to words: materials over the largest other category."""
    names = [name for name in m.trained() if m.training[name] == SELF_SUPERVISED]
    return _category_over(m, "material", names, CLASSIFICATION, words, "max")


def colors_alike(m: Measured, words: str) -> Effect | None:
    """Distance of all networks' spaces to words: colors over the mean of the other categories."""
    return _category_over(m, "color", m.trained(), CLASSIFICATION, words, "mean")


def _difference(m: Measured, relation: pd.DataFrame, first: str, scale: float = 1) -> Effect | None:
    """Mean relation of concepts to their nearest: task `first` minus the other, over the concepts of both spaces."""
    tasks = (SEGMENTATION, CLASSIFICATION) if first == SEGMENTATION else (CLASSIFICATION, SEGMENTATION)
    if any((m.network, task) not in m.spaces for task in tasks):
        return None
    spaces = embeddings.restricted({task: m.spaces[(m.network, task)] for task in tasks})
    found = [embeddings.of_neighbours(embeddings.neighbours(space, NEAREST), relation) for space in spaces.values()]
    apart = (scale * (found[0] - found[1])).dropna()
    means = ", ".join(f"{task} {scale * values.mean():.3g}" for task, values in zip(tasks, found, strict=True))
    return of_concepts(np.mean, apart, means)


def _to_words(m: Measured, kind: str, words: str, networks: list[str]) -> pd.Series:
    """D_c to a space of words, mean of the networks, over the concepts that all of them have for both tasks."""
    used = {key: space for key, space in m.spaces.items() if key[0] in networks and key[1] != ONE}
    shared = embeddings.restricted({**{"/".join(key): space for key, space in used.items()}, "": m.words[words]})
    own = [embeddings.distance_by_concept(shared[f"{name}/{kind}"], shared[""]) for name in networks]
    return pd.concat(own, axis=1).mean(axis=1)


def _category_over(m: Measured, category: str, networks: list[str], kind: str, words: str, how: str) -> Effect | None:
    if words not in m.words or not networks:
        return None
    apart = _to_words(m, kind, words, networks)
    of_category = m.category(apart.index).to_numpy()
    shown = [c for c in ("color", "material", "part", "object") if c in of_category]
    if category not in shown or len(shown) < 3:
        return None
    place = np.array([shown.index(c) if c in shown else len(shown) for c in of_category])

    def ratio(rows: NDArray) -> float:
        means = [rows[rows[:, 1] == i, 0].mean() if (rows[:, 1] == i).any() else np.nan for i in range(len(shown))]
        own = means.pop(shown.index(category))
        return float(own / (max(means) if how == "max" else np.mean(means)))

    rows = np.stack([apart.to_numpy(), place], axis=1)
    return of_concepts(ratio, rows[place < len(shown)])


MEASURES: Measures = {
    "kin": kin,
    "kin-in-words": kin_in_words,
    "context": context,
    "meaning": meaning,
    "nearer-hypernyms": partial(nearer, words=HYPERNYMS),
    "nearer-vectors": partial(nearer, words=VECTORS),
    "self-supervised-apart": self_supervised_apart,
    "materials-hypernyms": partial(materials_apart, words=HYPERNYMS),
    "materials-vectors": partial(materials_apart, words=VECTORS),
    "colors-hypernyms": partial(colors_alike, words=HYPERNYMS),
}
