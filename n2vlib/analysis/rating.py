"""Does a filter's label describe its top patches? Questions for raters, their answers, and the table (TPAMI 3.1).

    named = rating.named(layers, probe)
    questions = rating.draw_questions(named, each=12, seed=0)       # for people; rating_page makes a page of them
    answers = rating.read("ratings-ann.csv", questions)      # the file that the page saved
    rating.shares(answers)

A question is a row: network, layer, filter, label and category (as shown), concept, asked, dissection_iou. `asked` says
whether the label is the filter's own or, as a control that raters do not know about, that of another filter. A label
may also be a formula, to be judged as meaningful or not (Mu and Andreas 4): the answers are then JUDGEMENTS.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib import tables
from n2vlib.activations.layer import Layer
from n2vlib.analysis.top_images import stored_maps, top_images
from n2vlib.display.style import categories
from n2vlib.errors import BadInput
from n2vlib.files.cells import original
from n2vlib.files.userfiles import csv_rows
from n2vlib.masks.conventions import Convention
from n2vlib.methods import dissection
from n2vlib.paths import resolve
from n2vlib.probe import ProbeSet

PATCHES = 15  # images in a question (Figure 4)
OWN, PLANTED = "own label", "random label"
AUTOMATIC = "automatic, not a person"
SKIP = "skip"
ANSWERS = ("yes", "no", SKIP)
# Of formulas, as Mu and Andreas (section 4) divide them: three kinds of meaningful ones, and those that are not.
MEANINGFUL = ("lexical and perceptual", "perceptual only", "specialization")
JUDGEMENTS = (*MEANINGFUL, "polysemantic", SKIP)
UNIT = ["network", "layer", "filter"]
COLUMNS = [*UNIT, "label", "category", "rater", "answer"]  # of a file of ratings
_SHOWN = [*UNIT, "label", "category"]
_LABEL = ["concept", "label", "category"]


def named(layers: Mapping[str, Layer], probe: ProbeSet) -> pd.DataFrame:
    """One question for every filter with a label that fires in fifteen images or more: does the label describe them?

    Layers keep their order and are identified by their names, which must differ.
    """
    tables_of = []
    for layer in layers.values():
        enough = (layer.highest > layer.thresholds).sum(axis=0) >= PATCHES
        found = dissection.filters(layer, probe)
        tables_of.append(found.loc[enough & (found["concept"] > 0)].rename(columns={"name": "label"}))
    return pd.concat(tables_of, ignore_index=True).assign(asked=OWN)


def random_labels(named: pd.DataFrame, seed: int) -> pd.DataFrame:
    """The same filters, each with the label of another one, drawn from the filters of its layer with another label.

    If a layer has a single label, the label comes from another layer. By chance such a label may be right.
    """
    rng, labels = np.random.default_rng(seed), named["label"].to_numpy()
    layer, drawn = named["layer"].to_numpy(), []
    for at, label in enumerate(labels):
        others = labels != label
        sources = np.flatnonzero(others & (layer == layer[at]))
        sources = sources if len(sources) else np.flatnonzero(others)
        if not len(sources):
            raise BadInput(f"ratings: all filters are labelled {label!r}, so there is no wrong label; add layers")
        drawn.append(rng.choice(sources))
    wrong = named[_LABEL].iloc[drawn].set_index(named.index)
    return named.assign(**{column: wrong[column] for column in _LABEL}, asked=PLANTED)


def draw_questions(named: pd.DataFrame, each: int, seed: int, control: pd.DataFrame | None = None) -> pd.DataFrame:
    """Questions for people: `each` filters of every layer, a quarter of them with another one's label; shuffled.

    control   the wrong questions about the same filters, rows as in `named`; by default those of `random_labels`
    Each filter has one question, so that two labels for the same patches do not reveal the control.
    """
    if named.empty:
        raise BadInput(f"ratings: no filter fires in {PATCHES} images; take more images or a larger tau")
    wrong = random_labels(named, seed) if control is None else control
    rng, parts = np.random.default_rng(seed), []
    for _, group in named.groupby("layer", sort=False):
        drawn = rng.permutation(group.index)[:each]
        quarter = round(len(drawn) / 4)
        parts += [wrong.loc[drawn[:quarter]], group.loc[drawn[quarter:]]]
    questions = pd.concat(parts)
    return questions.iloc[rng.permutation(len(questions))].reset_index(drop=True)


def patches(
    layer: Layer, probe: ProbeSet, filter_k: int, *, convention: str | Convention = "netdissect"
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The fifteen images where a filter is highest, highest first, and its mask in each, as in dissection IoU.

    convention   of the masks (`masks.conventions`)
    Returns   images int64, (image,); masks bool, (image, *label size)
    """
    images = top_images(layer, [filter_k], PATCHES)["image"].to_numpy()
    maps = stored_maps(layer, filter_k, images)
    return images, dissection.mask(layer, probe, maps, filter_k, convention=convention)


def automatic(
    questions: pd.DataFrame, layers: Mapping[str, Layer], probe: ProbeSet, overlap: float = 0.5
) -> pd.DataFrame:
    """Answers computed from the top patches and the annotation, not by a person.

    Yes if at least half of the fifteen patches show the label: patch and annotated mask share at least `overlap` of the
    smaller of the two in that image; 0 requires one pixel.
    Returns   the questions with rater and answer
    """
    by_name = {layer.name: layer for layer in layers.values()}
    asked: dict[tuple[str, int], list[int]] = {}  # both labels of a filter have the same patches
    for at, key in enumerate(zip(questions["layer"], questions["filter"], strict=True)):
        asked.setdefault(key, []).append(at)
    concepts, given = questions["concept"].tolist(), ["no"] * len(questions)
    for (name, k), places in asked.items():
        images, masks = patches(by_name[name], probe, k)
        for at in places:
            annotated = np.array([probe.annotated(concepts[at], int(image)) for image in images])
            if shows(masks, annotated, overlap).mean() >= 0.5:
                given[at] = "yes"
    return questions.assign(rater=AUTOMATIC, answer=given)


def shows(masks: NDArray[np.bool_], annotated: NDArray[np.bool_], overlap: float) -> NDArray[np.bool_]:
    """Whether each patch shows the concept, (image,); both masks bool, (image, h, w)."""
    both, one, other = ((m).sum(axis=(1, 2)) for m in (masks & annotated, masks, annotated))
    return (both > 0) & (both >= overlap * np.minimum(one, other))


def shares(answers: pd.DataFrame, seed: int = 0, yes: Collection[str] = ("yes",)) -> pd.DataFrame:
    """Share of yes by layer, kind of label and category, "all" first, as in the paper's Table 3.

    yes   the answers that count as yes; MEANINGFUL for formulas
    A filter counts once, with the share of its raters who answered yes; skipped questions do not count. The interval
    is a bootstrap over filters.
    Returns   layer, asked, category, filters, votes, share, low, high, and agreement: how often two raters of a filter
              give the same answer, NaN where no filter has two
    """
    given = answers.loc[answers["answer"] != SKIP]
    votes = given.assign(yes=given["answer"].isin(yes)).groupby([*_SHOWN, "asked"], sort=False)["yes"]
    each = votes.agg(yes="sum", votes="size").reset_index()
    for_it, n = each["yes"], each["votes"]
    pairs = (n * (n - 1)).where(n > 1)
    alike = for_it * (for_it - 1) + (n - for_it) * (n - for_it - 1)
    each = each.assign(share=for_it / n, agreement=alike / pairs)
    rows = []
    for (layer, asked), group in each.groupby(["layer", "asked"], sort=False):  # type: ignore[misc]
        for category in ["all", *categories(group["category"])]:
            mine = group if category == "all" else group.loc[group["category"] == category]
            low, high = tables.bootstrap_mean(mine["share"].to_numpy(), seed)
            counted = len(mine), int(mine["votes"].sum()), mine["share"].mean(), low, high, mine["agreement"].mean()
            rows.append((layer, asked, category, *counted))
    columns = ["layer", "asked", "category", "filters", "votes", "share", "low", "high", "agreement"]
    return pd.DataFrame(rows, columns=columns)


def read(path: str | Path, questions: pd.DataFrame, answers: Sequence[str] = ANSWERS) -> pd.DataFrame:
    """The answers in a file of ratings, each checked against the questions of the page it was made with.

    path      CSV, one row per answer, columns network, layer, filter, label, category, rater, answer; the files of
              several raters may be concatenated under one header
    answers   that the page offered: ANSWERS, or JUDGEMENTS for formulas
    Returns   the rows of `questions` that were answered, with rater and answer, in the file's order
    """
    place = {key: at for at, key in enumerate(zip(*(questions[column].map(str) for column in _SHOWN), strict=True))}
    rows, line_of = [], {}
    for line, cells in _lines(path):
        where = f"{path}, line {line}"
        rater, answer = cells["rater"].strip(), cells["answer"]
        if answer not in answers:
            raise BadInput(f"{where}, column answer: {answer!r}; it must be {', '.join(answers)}")
        if not rater:
            raise BadInput(f"{where}, column rater: it is empty; write who gave the answer")
        key = tuple(cells[column] for column in _SHOWN)
        if key not in place:
            asked = f"{cells['layer']}, filter {cells['filter']}, {cells['label']!r}"
            raise BadInput(f"{where}: {asked} is no question of this page; give the parameters the page was made with")
        if (key, rater) in line_of:
            raise BadInput(f"{where}: {rater} answered this in line {line_of[key, rater]} already; keep one of them")
        line_of[key, rater] = line
        rows.append((place[key], rater, answer))
    at, raters, given = zip(*rows, strict=True)
    return questions.iloc[list(at)].assign(rater=raters, answer=given).reset_index(drop=True)


def _lines(path: str | Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and {column: text} of every row after the header; at least one."""
    try:
        rows = csv_rows(resolve(path), path)
        line, header = next(rows, (1, []))
    except FileNotFoundError:
        raise BadInput(f"{path}: there is no such file; save one from the rating page") from None
    if missing := [column for column in COLUMNS if header.count(column) != 1]:
        raise BadInput(f"{path}, line {line}: column {missing[0]!r} must be there once; wanted: {','.join(COLUMNS)}")
    empty = True
    for line, cells in rows:
        if len(cells) != len(header):
            raise BadInput(f"{path}, line {line}: {len(cells)} fields, the header has {len(header)}")
        empty = False
        yield line, dict(zip(header, map(original, cells), strict=True))
    if empty:
        raise BadInput(f"{path}: it has a header and no answers; save it again after rating")
