"""Names for the filters of a layer, and whether they hold on images from which they were not made."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from n2vlib.compositional.similarity import KIN, wu_palmer
from n2vlib.errors import BadInput
from n2vlib.probe import ProbeSet
from n2vlib.progress import bar
from n2vlib.spaces import drawn
from n2vlib.store import Store, load_array, save_arrays
from n2vlib.text_image import softwpmi
from n2vlib.text_image.load import BATCH, TextImage
from n2vlib.words.behaviour import Behaviour
from n2vlib.words.phrases import Language

MODULES = ["n2vlib.text_image.naming", "n2vlib.text_image.model"]


@dataclass(frozen=True, eq=False)
class Fits:
    """How well phrases fit the images of a probe set.

    phrases   those with words that the model knows      left_out   (phrase, its first unknown word) of the others
    values    cosines, float32, (image, phrase)
    """

    phrases: list[str] = field(repr=False)
    left_out: list[tuple[str, str]]
    values: NDArray[np.float32] = field(repr=False)

    @property
    def silence(self) -> str:
        """Which phrases are left out, in one line; "" where none is."""
        if not self.left_out:
            return ""
        phrase, word = self.left_out[0]
        many = f"{len(self.left_out)} of {len(self.left_out) + len(self.phrases)} phrases are left out"
        return f"PHRASES: {many}, since the model does not know a word of them; the first is {phrase!r}, for {word!r}"


def fits(model: TextImage, probe: ProbeSet, phrases: Sequence[str], store: Store) -> Fits:
    """Cosines of the vectors of images and phrases; those of the images are kept in the store.

    Raises BadInput where the model knows fewer than two of the phrases.
    """
    unknown = {text: model.unknown(text) for text in phrases}
    kept = [text for text in phrases if not unknown[text]]
    left_out = [(text, words[0]) for text, words in unknown.items() if words]
    if len(kept) < 2:
        what = f"; the first is {left_out[0][0]!r}, for {left_out[0][1]!r}" if left_out else ""
        raise BadInput(f"PHRASES: {model.name} knows all words of {len(kept)} of them, two are needed{what}")

    def make(folder: Path) -> None:
        batches = bar(probe.batches(BATCH), f"images for {model.name}", -(-len(probe) // BATCH))
        save_arrays(folder, vectors=model.of_images(batches))

    folder = store.entry("text-image", {"model": model.fingerprint, "probe": probe.fingerprint}, MODULES, make)
    images, texts = load_array(folder, "vectors"), model.of_texts(kept)
    if images.shape[1] != texts.shape[1]:
        sizes = f"{images.shape[1]} numbers for an image, {texts.shape[1]} for a text"
        raise BadInput(f"TEXT_IMAGE {model.name}: {sizes}; both sides must have one size")
    return Fits(kept, left_out, images @ texts.T)


def names(
    activations: NDArray, found: Fits, images: NDArray[np.int64] | None = None, count: int = softwpmi.COUNT
) -> pd.DataFrame:
    """The phrase of the highest SoftWPMI for each unit.

    activations   one number of each unit for each image, (image, unit)
    images        the images that are looked at; None: all
    Returns       index filter; name, score, second (the next phrase), ahead (by how much)
    """
    chosen = np.arange(len(activations)) if images is None else images
    scores = softwpmi.scores(activations[chosen], found.values[chosen], count=count)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :2]
    first, second = (np.take_along_axis(scores, order[:, [at]], 1)[:, 0] for at in (0, 1))
    words = np.array(found.phrases, object)[order]
    table = {"name": words[:, 0], "score": first, "second": words[:, 1], "ahead": first - second}
    return pd.DataFrame(table).rename_axis("filter")


def truth(done: Behaviour, holds: NDArray[np.bool_]) -> pd.DataFrame:
    """Whether a name says where each unit fires, on the second half of the images: index filter.

    holds     (unit, atom): where the name of each unit holds
    Returns   pixels: share of the pixels on which it fires where the name holds; by_chance: the same of all pixels;
              times: how many times as many; auc: the AUC of the unit's mean activation, images in which the name holds
              somewhere against others, 1/2 by chance (as INVERT has it). NaN where it fires nowhere, or where there are
              no two kinds of images.
    """
    fired, sizes, held = done.fired[1], done.sizes[1], done.sides[1]
    fires = fired.sum(1)
    pixels = np.divide((fired * holds).sum(1), fires, out=np.full(len(fires), np.nan), where=fires > 0)
    chance = holds @ sizes / sizes.sum()
    times = np.divide(pixels, chance, out=np.full(len(fires), np.nan), where=chance > 0)
    shown = shows(done, holds)[held]
    columns = {"pixels": pixels, "by_chance": chance, "times": times, "auc": auc(done.activation[held], shown)}
    return pd.DataFrame(columns).rename_axis("filter")


def shows(done: Behaviour, holds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether each mask holds somewhere in each image, from (mask, atom): (image, mask)."""
    if done.by_image is None:
        raise BadInput("names: the same in every image; take the atoms of a probe set")
    return (done.by_image @ holds.T.astype(np.float32)) > 0


def auc(values: NDArray, there: NDArray[np.bool_]) -> NDArray[np.float64]:
    """P(value of an image that is there > of one that is not), ties count half: two (image, unit) to (unit,)."""
    ranks, n = rankdata(values, axis=0), there.sum(0).astype(float)
    pairs = n * (len(there) - n)
    above = (ranks * there).sum(0) - n * (n + 1) / 2
    return np.divide(above, pairs, out=np.full(len(n), np.nan), where=pairs > 0)


class Kinship:
    """Whether two explanations speak of the same thing, or of kin in our hypernym tree."""

    def __init__(self, language: Language, concepts: pd.DataFrame):
        """concepts   rows of probe.concepts"""
        self.language = language
        near = wu_palmer(drawn.hypernyms(concepts))
        self.near = {(a, b) for a, row in near.iterrows() for b, value in row.items() if value > KIN}

    def labels(self, phrase: str) -> list[frozenset[int]]:
        """The label numbers that each concept of a phrase stands for."""
        said = {concept for meaning in self.language.parse(phrase) for concept in meaning}
        return [frozenset(self.language.members[each]) for each in sorted(said)]

    def same(self, one: Sequence[frozenset[int]], other: Sequence[frozenset[int]]) -> bool:
        """Whether a concept of one is, or is among, a concept of the other."""
        return any(a <= b or b <= a for a in one for b in other)

    def kin(self, one: Sequence[frozenset[int]], other: Sequence[frozenset[int]]) -> bool:
        """Whether all of a concept of one is kin to all of a concept of the other (`similarity.KIN`), or the same."""
        pairs = [(a, b) for a in one for b in other]
        return self.same(one, other) or any(all((x, y) in self.near for x in a for y in b) for a, b in pairs)


def agreement(
    related: Kinship, explanations: dict[str, list[list[frozenset[int]]]], seed: int = 0, deals: int = 10
) -> pd.DataFrame:
    """How often two explanations of a filter agree: one row for each pair of kinds of explanation.

    explanations   {kind: for each filter the label numbers of its concepts}; filters with an empty one are left out
    Returns        one, other, filters, same, kin: shares; same_by_chance, kin_by_chance: after the second was dealt to
                   other filters, mean over `deals`
    """
    rng, rows, kinds = np.random.default_rng(seed), [], list(explanations)
    for at, one in enumerate(kinds):
        for other in kinds[at + 1 :]:
            pairs = [(a, b) for a, b in zip(explanations[one], explanations[other], strict=True) if a and b]
            orders = [np.arange(len(pairs)), *(rng.permutation(len(pairs)) for _ in range(deals))]
            means = [
                np.mean([[test(pairs[i][0], pairs[j][1]) for i, j in enumerate(order)] for order in orders], axis=1)
                for test in (related.same, related.kin)
            ]
            (same, *same_dealt), (kin, *kin_dealt) = means
            rows.append((one, other, len(pairs), same, kin, np.mean(same_dealt), np.mean(kin_dealt)))
    columns = ["one", "other", "filters", "same", "kin", "same_by_chance", "kin_by_chance"]
    return pd.DataFrame(rows, columns=columns)


def planted(done: Behaviour, members: NDArray[np.bool_], noise: float, seed: int = 0) -> NDArray[np.float64]:
    """Units whose mean activation is the share of an image that a concept covers, with noise: (image, concept).

    members   where each concept is, (concept, atom)      noise   its deviation, in deviations of the share
    """
    if done.by_image is None:
        raise BadInput("planted units: the same in every image; take the atoms of a probe set")
    area = done.by_image @ members.T.astype(float)
    return area + noise * area.std(0) * np.random.default_rng(seed).standard_normal(area.shape)
