"""A page on which people rate labels: one file, works offline, keeps answers in the browser, saves them as CSV.

    rating_page.write("build/rating/page.html", questions, patches)
    rating_page.write("build/rating/formulas.html", questions, patches, wording=rating_page.FORMULAS)

It shows what Figure 4 of Network Dissection (TPAMI) shows: fifteen images with the highlighted patches of one filter,
and a label to accept or not; or a formula to judge (Mu and Andreas 4). The page holds the questions, and not which
labels are right. `analysis.rating` draws the questions and reads the file that the page saves. page.html, page.css,
files/cells.js and page.js become one file here.
"""

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from n2vlib.analysis import rating
from n2vlib.compositional.formula import Formula, parse
from n2vlib.display import gallery
from n2vlib.errors import BadInput
from n2vlib.files import cells
from n2vlib.files.output import file_to_write, write_file
from n2vlib.pages.document import asset, document
from n2vlib.tables import need

SIDE = 240  # pixels of a picture's longer side, at most
QUALITY = 70  # of WebP: the edge of a patch stays sharp, and 900 drawn pictures take five megabytes
_ASKED = ["network", "layer", "filter", "label", "category"]


def word(label: str) -> str:
    """A label as raters read it: without Broden's endings (-c a color, -s a scene) and underscores."""
    return re.sub(r"-[cs]$", "", label).replace("_", " ")


def formula_in_words(label: str) -> str:
    """A formula as raters read it: `(water OR blue-c) AND NOT street-s` is "(water or blue) and not street"."""
    return _in_words(parse(label))


def _in_words(formula: Formula) -> str:
    if formula.concept:
        return word(formula.concept)
    left, right = formula.parts
    # AND and AND NOT need no brackets between them: all must hold, or must not.
    together = left.concept or (left.operator == "OR") == (formula.operator == "OR")
    first = _in_words(left) if together else f"({_in_words(left)})"
    return f"{first} {formula.operator.lower()} {_in_words(right) if right.concept else f'({_in_words(right)})'}"


@dataclass(frozen=True)
class Wording:
    """What a page asks about each label, and the answers to choose from.

    title      of the page
    heading    of its first view      intro   the paragraphs below
    question   the text before and after a label
    answers    {answer, as it is saved: (its key, the text on its button)}
    words      a label as raters read it
    """

    title: str
    heading: str
    intro: tuple[str, ...]
    question: tuple[str, str]
    answers: dict[str, tuple[str, str]]
    words: Callable[[str], str]


_SHOWN = (
    "You will see fifteen images at a time. In each, the patch where one filter of a network fires is bright; the rest "
    "is dimmed."
)
LABELS = Wording(
    title="Rate the labels of filters",
    heading="Does the word describe the patches?",
    intro=(
        f"{_SHOWN} Above them is a word. Answer yes if the word describes most of the patches, no if it does not. It "
        "must fit the patches; fitting something else in the images is not enough. Some words fit, others do not.",
    ),
    question=("Does ", " describe most of the patches?"),
    answers={"yes": ("y", "yes"), "no": ("n", "no"), rating.SKIP: ("s", "skip")},
    words=word,
)
FORMULAS = Wording(
    title="Rate the formulas of filters",
    heading="One meaning, or several?",
    intro=(
        f"{_SHOWN} Above them is a formula for the patches. Do its parts belong together?",
        "One kind: they are alike in meaning and in looks, such as three kinds of towers; or there is one part only.",
        "Looks only: they look alike, and mean different things.",
        "Narrowed: one thing, of which the formula leaves something out.",
        "Unrelated: they have nothing to do with each other.",
    ),
    question=("", ": do the parts belong together?"),
    answers={
        "lexical and perceptual": ("1", "one kind"),
        "perceptual only": ("2", "looks only"),
        "specialization": ("3", "narrowed"),
        "polysemantic": ("4", "unrelated"),
        rating.SKIP: ("s", "skip"),
    },
    words=formula_in_words,
)


def write(
    path: str | Path,
    questions: pd.DataFrame,
    patches: Iterable[tuple[Iterable[NDArray[np.uint8]], Iterable[NDArray[np.bool_]]]],
    *,
    wording: Wording = LABELS,
) -> Path:
    """Write the page; it appears complete or not at all. Returns its path.

    questions   network, layer, filter, label, category; one row each, in the order they are asked. Nothing else of the
                table gets into the page.
    patches     for each question its images, uint8 (height, width, 3), and the filter's masks in them, bool (h, w)
    wording     what is asked, LABELS or FORMULAS; labels of FORMULAS are formulas as text
    """
    need(questions, _ASKED)
    file_to_write(path)
    pictures = [[_webp(*each) for each in zip(*both, strict=True)] for both in patches]
    if len(pictures) != len(questions) or not pictures:
        raise BadInput(f"rating page: patches for {len(pictures)} of {len(questions)} questions; give them for each")
    return write_file(path, _page(questions, pictures, wording))


def _page(questions: pd.DataFrame, pictures: list[list[str]], wording: Wording) -> str:
    asked: Any = questions.loc[:, _ASKED].to_dict("records")
    # The browser stores answers under this name, so that pages do not mix up their answers.
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:12]
    shown = [
        {**each, "word": wording.words(each["label"]), "pictures": mine}
        for each, mine in zip(asked, pictures, strict=True)
    ]
    style, script = (asset(f"rating_page/page.{kind}") for kind in ("css", "js"))
    data = {"data": {"digest": digest, "questions": shown}}
    return document(asset("rating_page/page.html"), style, cells.script() + script, data, _texts(wording))


def _texts(wording: Wording) -> dict[str, str]:
    """The parts of the page that say what is asked, as HTML."""
    before, after = map(escape, wording.question)
    intro = "\n".join(f"  <p>{escape(paragraph)}</p>" for paragraph in wording.intro)
    buttons = [
        f'    <button class="{"" if answer == rating.SKIP else "main"}" data-answer="{escape(answer)}"'
        f' data-key="{escape(key)}"><kbd>{escape(key.upper())}</kbd> {escape(text)}</button>'
        for answer, (key, text) in wording.answers.items()
    ]
    head = {"title": escape(wording.title), "heading": escape(wording.heading), "intro": intro}
    return head | {"before": before, "after": after, "answers": "\n".join(buttons)}


def _webp(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> str:
    """One picture in the gallery's style, base64."""
    picture = gallery.compose(image, predicted=mask)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=QUALITY, method=1)  # method 4 takes three times as long to save a fifth
    return base64.b64encode(out.getvalue()).decode()
