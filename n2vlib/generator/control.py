"""Control by language: units whose description has a word are cut or raised, and the picture is measured.

The talk that shows it has no released program, so this is our reading of it: a word is a whole word of the description;
cut units are 0 and raised ones are at a high quantile of their own; both everywhere, or at chosen cells. As many random
units, each with about the mean activation of one of the word's, say what any edit of that size would do. Units get
their words from some pictures and are edited in others: what a unit was chosen for is no effect of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from n2vlib.errors import BadInput
from n2vlib.generator.dissect import Dissection, Pictures, dissect, seen, stand_in
from n2vlib.generator.edits import Edit, at_cells, draw, of_units
from n2vlib.generator.scenes import SIDE
from n2vlib.generator.shipping import as_images
from n2vlib.generator.sources import Generator, Segmenter, identity
from n2vlib.progress import bar
from n2vlib.store import Store, load_array, save_arrays
from n2vlib.words import decoding, exemplars
from n2vlib.words import describer as describers
from n2vlib.words.phrases import words_of

MODULES = ["n2vlib.generator.control"]
LABELS = "labels"
CUT, RAISED = "cut", "raised"
QUANTILE = 0.99  # of a unit's activations: what it is raised to
SETS = 3  # of random units for each word
DRAWS = 1_000  # bootstrap samples of the codes
_NEAREST = 8  # among so many units of nearest mean activation a random one is drawn


def units_of(word: str, descriptions: pd.Series) -> list[int]:
    """Units whose description has the word, or all words of it in their order; letters' case does not matter."""
    wanted, texts = words_of(word), descriptions.fillna("").astype(str)
    having = [unit for unit, text in texts.items() if f" {' '.join(wanted)} " in f" {' '.join(words_of(text))} "]
    return having if wanted else []  # type: ignore[return-value]


def described(found: Dissection, store: Store, describer: str = LABELS) -> pd.DataFrame:
    """A description of every unit: index unit; description, likelihood, prior, score.

    describer   name of one of the zoo's (`n2vlib.words`), which sees the pictures on which a unit is largest and where
                it is above its own quantile there, its candidates kept in the store; LABELS: put together from the
                dissection's labels
    """
    if describer == LABELS:
        return stand_in(found)
    large = F.interpolate(found.pictures.pixels, size=(2 * SIDE, 2 * SIDE), mode="bilinear", align_corners=False)
    shown = exemplars.of_maps(as_images(large), found.maps.numpy(), size=(SIDE, SIDE))
    return decoding.reranked(describers.of_exemplars(shown, store, describers.load(describer)))


def controlled(found: Dissection, descriptions: pd.Series, most: float = 0.25) -> dict[str, list[int]]:
    """The units of every word that can be measured and that at least one description, and few of all, have.

    descriptions   index unit      most   share of the units; a word that more of them have controls nothing by itself
    Raises BadInput where no word is left.
    """
    limit = max(1, int(most * len(descriptions)))
    every = {word: units_of(word, descriptions) for word in found.pictures.words}
    chosen = {word: units for word, units in every.items() if 0 < len(units) <= limit}
    if not chosen:
        what = "no description has a class of the segmenter or a color in it that at most a quarter of the units share"
        raise BadInput(f"{what}: take more PICTURES, another layer (UNITS_OF), or DESCRIBER={LABELS}")
    return chosen


def truth(found: Dissection, units: Mapping[str, Sequence[int]]) -> pd.DataFrame:
    """Whether the units of a word draw it: word, units, covers, share, true.

    covers   mean share of these units' masks that shows the word      share   of all pictures, what chance covers
    true     share of the units that cover it at least half as often again as chance
    """
    rows = []
    for word, its_units in units.items():
        table = found.table.query("word == @word and unit in @its_units")
        share = float(table["share"].iloc[0])
        rows.append((word, len(its_units), table["covers"].mean(), share, (table["covers"] >= 1.5 * share).mean()))
    return pd.DataFrame(rows, columns=["word", "units", "covers", "share", "true"])


def matched(means: NDArray, units: Sequence[int], rng: np.random.Generator, among: int = _NEAREST) -> list[int]:
    """As many other units at random, each one of the `among` that are nearest in mean activation to one of these.

    means   mean activation of every unit of the layer, (unit,)
    """
    free = [unit for unit in range(len(means)) if unit not in set(units)]
    chosen: list[int] = []
    for unit in rng.permutation(np.asarray(units)):
        if not free:
            break
        near = sorted(free, key=lambda other: (abs(means[other] - means[unit]), other))[:among]
        chosen.append(int(rng.choice(near)))
        free.remove(chosen[-1])
    return chosen


def raised_to(found: Dissection) -> NDArray[np.float32]:
    """The value that each unit is raised to, (unit,): the quantile of its own activations on the layer's own grid.

    Not the level at which its masks begin: that is the 1 - tau quantile of maps interpolated to the segmenter's grid.
    """
    each = found.maps.transpose(0, 1).flatten(1).numpy()
    return np.quantile(each, QUANTILE, axis=1).astype(np.float32)


def edit_for(found: Dissection, units: Sequence[int], way: str, cells: NDArray[np.bool_] | None = None) -> Edit:
    """Units cut or raised, everywhere or at cells (h, w) or (image, h, w) of the layer's grid."""
    value = raised_to(found) if way == RAISED else 0.0
    edit = of_units(found.maps.shape[1], list(units), value)
    return edit if cells is None else at_cells(edit, cells)


@torch.inference_mode()
def redrawn(generator: Generator, segmenter: Segmenter, others: Dissection, edit: Edit) -> Pictures:
    """The pictures of a dissection drawn again with an edit."""
    return seen(segmenter, draw(generator, others.codes, others.layer, edit))


@torch.inference_mode()
def redrawn_one(generator: Generator, others: Dissection, edit: Edit, image: int) -> NDArray[np.uint8]:
    """One picture drawn again with an edit of units everywhere, uint8 (height, width, 3)."""
    return as_images(draw(generator, others.codes[[image]], others.layer, edit))[0]


@dataclass(frozen=True)
class Controlled:
    """Shares of pictures that show each word, before and after its units, or others, are edited.

    before   float64, (word, image)
    after    float64, (word, way, set, image): set 0 are the word's own units, the others random ones
    units    the word's units      random   {word: sets of other units}
    others   the pictures before, of new codes
    """

    words: list[str]
    ways: tuple[str, str]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    units: Mapping[str, Sequence[int]]
    random: Mapping[str, Sequence[Sequence[int]]]
    others: Dissection

    def at(self, word: str, way: str) -> tuple[int, int]:
        """Positions of a word and a way."""
        return self.words.index(word), self.ways.index(way)

    def of(self, words: Sequence[str]) -> "Controlled":
        """The same of some words."""
        at = [self.words.index(word) for word in words]
        return replace(self, words=[*words], before=self.before[at], after=self.after[at])


def control(
    generator: Generator,
    segmenter: Segmenter,
    found: Dissection,
    units: Mapping[str, Sequence[int]],
    *,
    images: int,
    store: Store,
    seed: int = 0,
    sets: int = SETS,
) -> Controlled:
    """Cut and raise the units of every word, and as many random ones, in so many `images` of new codes.

    found   where units got their words and their values, of codes of `seed`; those that are edited are of seed + 1
    units   of `controlled`      sets   of random units for each word
    Kept in the store: it draws 2 (1 + sets) times as many pictures for each word.
    """
    words, ways = [*units], (CUT, RAISED)
    rng, means = np.random.default_rng(seed), found.maps.mean((0, 2, 3)).numpy()
    random = {word: [matched(means, units[word], rng) for _ in range(sets)] for word in words}
    others = dissect(generator, segmenter, found.layer, images, seed + 1, found.tau)
    before = np.stack([others.pictures.share(word) for word in words]) if words else np.zeros((0, images))
    inputs = identity(generator, segmenter) | {"found": found.key, "others": others.key}
    inputs |= {"units": dict(units), "random": random}

    def make(folder: Path) -> None:
        edits = [(w, v, each) for w in words for v in ways for each in (units[w], *random[w])]
        shares = [
            redrawn(generator, segmenter, others, edit_for(found, each, way)).share(word)
            for word, way, each in bar(edits, "drawing with edited units", len(edits))
        ]
        save_arrays(folder, after=np.array(shares).reshape(len(words), 2, 1 + sets, -1))

    folder = store.entry("generator-control", inputs, MODULES, make)
    return Controlled(words, ways, before, load_array(folder, "after"), units, random, others)


def changes(done: Controlled, *, seed: int = 0, draws: int = DRAWS) -> pd.DataFrame:
    """How much more of each word the pictures show after an edit than before, as a share of the picture.

    Returns  word, way, units, before; own and random (means over pictures, and over the random sets); extra, low and
             high: own minus random with its 95% interval over codes and random sets, bootstrap; ratio: after / before
             of own; works: less if cut or more if raised, both than before and, surely, than with random units
    """
    rng, rows = np.random.default_rng(seed), []
    n, sets = done.before.shape[1], done.after.shape[2] - 1
    codes, others = rng.integers(0, n, (draws, n)), rng.integers(0, sets, (draws, sets))
    for w, word in enumerate(done.words):
        for v, way in enumerate(done.ways):
            own, *rest = done.after[w, v] - done.before[w]
            random, before = np.stack(rest), done.before[w].mean()
            drawn = own[codes].mean(1) - random[others[:, :, None], codes[:, None]].mean((1, 2))
            low, high = np.quantile(drawn, [0.025, 0.975])
            row = {"word": word, "way": way, "units": len(done.units[word]), "before": before}
            row |= {"own": own.mean(), "random": random.mean(), "extra": own.mean() - random.mean()}
            row |= {"low": low, "high": high, "ratio": done.after[w, v, 0].mean() / before if before else np.nan}
            works = max(high, own.mean()) < 0 if way == CUT else min(low, own.mean()) > 0
            rows.append(row | {"works": bool(works)})
    columns = ["word", "way", "units", "before", "own", "random", "extra", "low", "high", "ratio", "works"]
    return pd.DataFrame(rows, columns=columns)


def overall(done: Controlled, *, seed: int = 0, draws: int = DRAWS) -> pd.DataFrame:
    """The mean over words of `changes` in the direction asked for: less if cut, more if raised, shares of a picture.

    Returns  way, own, random, extra, low, high: the interval draws words and codes (bootstrap); works: both own and
             the interval are above 0
    """
    rng, rows = np.random.default_rng(seed), []
    n_words, n = done.before.shape
    for v, way in enumerate(done.ways):
        moved = (done.after[:, v] - done.before[:, None]) * (-1 if way == CUT else 1)
        own, random = moved[:, 0], moved[:, 1:].mean(1)
        apart = own - random
        drawn = [
            apart[rng.integers(0, n_words, n_words)[:, None], rng.integers(0, n, n)].mean()
            for _ in range(draws if n_words else 0)
        ]
        low, high = np.quantile(drawn, [0.025, 0.975]) if drawn else (np.nan, np.nan)
        means = [_mean(each) for each in (own, random, apart)]
        rows.append((way, *means, low, high, bool(low > 0 and means[0] > 0)))
    return pd.DataFrame(rows, columns=["way", "own", "random", "extra", "low", "high", "works"])


def _mean(values: NDArray) -> float:
    return float(values.mean()) if values.size else float("nan")
