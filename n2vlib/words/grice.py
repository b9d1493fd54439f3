"""Is a description true, as short as it can be, and is every word to the point? After Grice's maxims (1975).

quality    truth: the share of the pixels on which a filter fires where the description holds; and how many times as
           many as of all pixels, since `anything` is always true
quantity   brevity: its words
relation   relevance: by how much its IoU with the filter exceeds that of its best shorter part. The part is chosen on
           the first half of the images, and both are measured on the second: a word that only fits the images looked
           at gains nothing. `anything` has no shorter part and adds nothing: its gain is 0
"""

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.compositional.atoms import Atoms, iou_on
from n2vlib.words.behaviour import Behaviour, judged, of_meanings
from n2vlib.words.phrases import Language, Meaning, words_of

Said = frozenset[Meaning]
ANYTHING: Said = frozenset([frozenset()])
MOST = 64  # shorter parts of a description that are tried
FORMS = {"of": "a part of something", "and": "a list", "or": "a list", "that": "a clause"}


def scores(done: Behaviour, atoms: Atoms, language: Language, descriptions: Sequence[str]) -> pd.DataFrame:
    """The three scores of the description of each unit, index filter.

    Returns   description, words; true, times (on the second half; NaN where the unit does not fire); iou, shorter_iou,
              gain (on the second half), shorter (what the best shorter part says: its concepts); NaN, and "" for
              descriptions with words that the language does not know
    """
    rows = [_row(done, atoms, language, unit, text) for unit, text in enumerate(descriptions)]
    return pd.DataFrame(rows).rename_axis("filter")


def _row(done: Behaviour, atoms: Atoms, language: Language, unit: int, text: str) -> dict[str, object]:
    row: dict[str, object] = {"description": text, "words": len(words_of(text))}
    if not judged(language, text):
        return row | dict.fromkeys(("true", "times", "iou", "shorter_iou", "gain"), np.nan) | {"shorter": ""}
    meanings = language.parse(text)
    whole = of_meanings(atoms, language, meanings)
    parts = shorter(meanings)
    masks = np.array([of_meanings(atoms, language, each) for each in parts]).reshape(-1, atoms.n_atoms)
    best = int(_iou(done, unit, 0, masks).argmax()) if parts else -1
    iou, less = (float(_iou(done, unit, 1, mask)) for mask in (whole, masks[best] if parts else whole))
    return row | truth(done, unit, whole) | {
        "iou": iou, "shorter_iou": less, "gain": iou - less, "shorter": spelled(parts[best]) if len(parts) else "",
    }  # fmt: skip


def truth(done: Behaviour, unit: int, holds: NDArray[np.bool_]) -> dict[str, float]:
    """true and times of a unit and a mask of atoms, on the second half."""
    fired, sizes = done.fired[1][unit], done.sizes[1]
    everywhere, fires = holds @ sizes / sizes.sum(), fired.sum()
    true = float(holds @ fired / fires) if fires else np.nan
    return {"true": true, "times": float(true / everywhere) if everywhere else np.nan}


def _iou(done: Behaviour, unit: int, side: int, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    return iou_on(done.fired[side][unit], done.sizes[side], masks)


def shorter(meanings: Said) -> list[Said]:
    """What a description says if concepts are left out of it: the fewest first, `anything` last; at most MOST.

    A concept is left out of an alternative, and an alternative without a concept is left out as a whole.
    """
    found: dict[Said, None] = {}
    waiting = [meanings]
    while waiting and len(found) < MOST:
        waiting = list(dict.fromkeys(chain.from_iterable(_with_one_less(each) for each in waiting)))
        found |= dict.fromkeys(waiting)
    found.pop(meanings, None)
    return list(found)[:MOST]


def _with_one_less(meanings: Said) -> list[Said]:
    """What remains if one concept is left out; `anything` of one concept alone, nothing of `anything`."""
    if meanings == ANYTHING:
        return []
    left = []
    for meaning in sorted(meanings, key=sorted):
        for concept in sorted(meaning):
            rest = meaning - {concept}
            others = meanings - {meaning}
            left.append((others | {rest} if rest else others) or ANYTHING)
    return left


def spelled(meanings: Said) -> str:
    """The concepts of meanings, in words: `red car or bus`."""
    return " or ".join(
        " ".join(name for _, name in sorted(each)) or "anything" for each in sorted(meanings, key=sorted)
    )


def form(phrase: str) -> str:
    """How a phrase is built: one word, a modifier and a noun, a part of something, a list, or a clause."""
    words = words_of(phrase)
    found = [FORMS[word] for word in words if word in FORMS]
    return found[0] if found else "one word" if len(words) == 1 else "a modifier and a noun"
