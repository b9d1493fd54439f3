"""Pairs with one word replaced, so that a unit's formula begins or ceases to hold (Mu and Andreas 2020, section 5).

If the formula describes the unit, and the unit's largest weight is that of a class, then the answer should move towards
this class where the formula begins to hold, and away from it where it ceases to. Each edit has a control: the same word
of the same pair replaced so that the formula says what it said, or another word of that sentence where no word does.
"""

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.compositional.formula import Formula
from n2vlib.errors import BadInput
from n2vlib.sentences import language
from n2vlib.sentences.concepts import LEFT_OUT, Concepts, Words, split, word_of
from n2vlib.sentences.language import CLASSES
from n2vlib.sentences.model import Reader
from n2vlib.sentences.pairs import SIDES

EACH, TRIED, RANDOM_WORDS = 10, 4, 3  # edits of a unit and direction; pairs tried for each; random words at a place
_NEVER = {".", ",", "UNK"}  # are neither replaced nor put in a word's place
DIRECTIONS = ("begins to hold", "ceases to hold")


class _Tried(NamedTuple):
    """A pair with one word replaced: side: word -> new word."""

    pair: Words
    replaced: str


class Edit(NamedTuple):
    """A pair with one word replaced; gold: its class, "" where it is not known."""

    premise: str
    hypothesis: str
    gold: str
    replaced: str  # side: word -> new word


def edited(
    reader: Reader,
    pairs: pd.DataFrame,
    concepts: Concepts,
    formulas: pd.Series,
    *,
    drawn: bool,
    each: int = EACH,
    seed: int = 0,
) -> pd.DataFrame:
    """Edits and their controls, one row for each of them.

    pairs      those that are edited: a random sample of them for each unit
    concepts   of these or other pairs: they say which words are concepts
    formulas   (unit,), Formula
    drawn      whether the pairs are ours: then only edits that are sentences are tried, and their class is known
    each       edits of a unit in each direction, at most

    Returns    unit, direction (of DIRECTIONS), edit (or control), pair (number of the edit), premise, hypothesis (as
               edited), replaced (side: word -> word), toward (the class of the unit's largest weight), moved (change of
               its probability), answered_before, answered, gold_before, gold ("" where unknown), fired_before, fired
    """
    rows, edit = [], _Editor(pairs, concepts, drawn).edit
    everything = list(split(pairs))
    found = concepts.describe(everything)
    for unit, formula in formulas.items():
        rng = Random(f"{seed} {unit}")
        truth = concepts.holds(formula, found)
        for direction, held in zip(DIRECTIONS, (False, True), strict=True):
            candidates = np.flatnonzero(truth == held).tolist()
            chosen = rng.sample(candidates, min(len(candidates), TRIED * each))
            made = 0
            for pair in chosen:
                if made < each and (both := edit(rng, everything[pair], formula, held)):
                    rows += [(unit, direction, what, pair, *edit) for what, edit in both.items()]
                    made += 1
    columns = ["unit", "direction", "edit", "original", "premise", "hypothesis", "gold", "replaced"]
    return _answered(reader, pairs, pd.DataFrame(rows, columns=columns))


class _Editor:
    """Replaces words by words of the same part of speech, or by any, where no parts of speech are given."""

    def __init__(self, pairs: pd.DataFrame, concepts: Concepts, drawn: bool):
        self.concepts, self.drawn = concepts, drawn
        self.words: dict[str, set[str]] = {}
        for premise, hypothesis, tags, other_tags in split(pairs):
            for said, of in ((premise, tags), (hypothesis, other_tags)):
                for word, tag in zip(said, of or [""] * len(said), strict=True):
                    if word in concepts.known or word in LEFT_OUT - _NEVER:
                        self.words.setdefault(tag, set()).add(word)

    def edit(self, rng: Random, pair: Words, formula: Formula, before: bool) -> dict[str, Edit] | None:
        """An edit after which the formula says the other of `before`, and its control; None where none is found."""
        names = {each for name in formula.concepts for each in self.concepts.near.get(name, [name])}
        places = [(side, at) for side in (0, 1) for at, word in enumerate(pair[side]) if word not in _NEVER]
        rng.shuffle(places)

        def tried(side: int, at: int) -> dict[bool, list[_Tried]]:
            """What is tried at a place, after which the formula says something else, and after which it does not."""
            wanted = sorted(
                word_of(name) for name in names if name.startswith(("pre:", "hyp:")[side]) and word_of(name)
            )
            made = list(self._tried(rng, pair, side, at, wanted))
            after = self.concepts.holds(formula, self.concepts.describe(each.pair for each in made))
            return {other: [each for each, holds in zip(made, after, strict=True) if (holds != before) == other]
                    for other in (True, False)}  # fmt: skip

        for place in places:
            found = tried(*place)
            if found[True]:
                others = (tried(*other)[False] for other in places if other[0] == place[0] and other != place)
                same = found[False] or next(filter(None, others), [])
                return self._with_gold(rng.choice(found[True]), rng.choice(same)) if same else None
        return None

    def _tried(self, rng: Random, pair: Words, side: int, at: int, wanted: list[str]) -> Iterator[_Tried]:
        """The pair with the word at a place replaced by each word that is wanted, and by RANDOM_WORDS others.

        Of our sentences, only what is a sentence again counts.
        """
        word, tag = pair[side][at], pair[2 + side][at] if pair[2 + side] else ""
        allowed, others = self.words.get(tag, set()) - {word}, 0
        unwanted = sorted(allowed.difference(wanted))
        for new in [*(each for each in wanted if each in allowed), *rng.sample(unwanted, len(unwanted))]:
            said = [*pair[side][:at], new, *pair[side][at + 1 :]]
            if self.drawn and not (said := _sentence(said, pair[side])):
                continue
            after = (said, pair[1], *pair[2:]) if side == 0 else (pair[0], said, *pair[2:])
            yield _Tried(after, f"{SIDES[side]}: {word} -> {new}")
            others += new not in wanted
            if others == RANDOM_WORDS:
                return

    def _with_gold(self, edit: _Tried, control: _Tried) -> dict[str, Edit] | None:
        """Both with their class, where it is known; None where a premise contradicts itself."""
        found = {}
        for name, (pair, replaced) in (("edit", edit), ("control", control)):
            premise, hypothesis = " ".join(pair[0]), " ".join(pair[1])
            try:
                gold = language.relation(language.read(premise), language.read(hypothesis)) if self.drawn else ""
            except BadInput:
                return None
            found[name] = Edit(premise, hypothesis, gold, replaced)
        return found


def _sentence(words: list[str], before: list[str]) -> list[str]:
    """The words as one of our sentences, with the right articles; [] where they are no other one of this length."""
    try:
        found = str(language.read(" ".join(words))).split()
    except BadInput:
        return []
    # "no person" is said in one word, and "a" and "an" are one
    return found if len(found) == len(before) and found != before else []


def _answered(reader: Reader, pairs: pd.DataFrame, made: pd.DataFrame) -> pd.DataFrame:
    """The edits with what the network computes before and after."""
    if made.empty:
        raise BadInput("no pair has an edit of one word that changes what a formula says; give more pairs")
    original = pairs.iloc[made["original"]]
    before, after, rows = reader.read(original), reader.read(made), np.arange(len(made))
    units, toward = made["unit"].to_numpy(int), reader.weights.to_numpy().argmax(1)[made["unit"].to_numpy(int)]
    moved = _at(after.probabilities, rows, toward) - _at(before.probabilities, rows, toward)
    return made.assign(
        pair=made.groupby(["unit", "direction", "edit"]).cumcount(),
        toward=np.array(CLASSES)[toward],
        moved=moved.astype(float),
        answered_before=before.answers,
        answered=after.answers,
        gold_before=original["gold"].to_numpy(),
        fired_before=_at(before.fires, rows, units),
        fired=_at(after.fires, rows, units),
    )


def recolored(pairs: pd.DataFrame, color: str) -> pd.DataFrame:
    """Pairs of ours with each color of the hypothesis replaced by this one, and their class: premise, hypothesis, gold.

    Pairs whose hypothesis names no other color are left out.
    """
    rows = []
    for premise, text in zip(pairs["premise"], pairs["hypothesis"], strict=True):
        before = language.read(text)
        phrases = tuple(replace(each, color=each.color and color) for each in before.phrases)
        if phrases != before.phrases:
            after = replace(before, phrases=phrases)
            rows.append((premise, str(after), language.relation(language.read(premise), after)))
    return pd.DataFrame(rows, columns=["premise", "hypothesis", "gold"])


def _at(values: NDArray, rows: NDArray, columns: NDArray) -> NDArray:
    return values[rows, columns]


def effects(made: pd.DataFrame) -> pd.DataFrame:
    """What edits and controls do, by direction: the share of edits after which the unit did as the formula says, the
    mean change of the probability in the predicted direction, and the share of answers that moved as predicted.

    Returns   direction, edit, edits, unit_follows, moved, answers_move
    """
    sign = np.where(made["direction"] == DIRECTIONS[0], 1, -1)
    follows = (made["fired"] != made["fired_before"]) & (made["fired"] == (sign > 0))
    to, was = made["answered"] == made["toward"], made["answered_before"] == made["toward"]
    table = made.assign(unit_follows=follows, moved=sign * made["moved"], answers_move=(to != was) & (to == (sign > 0)))
    columns = ["unit_follows", "moved", "answers_move"]
    by = table.groupby(["direction", "edit"])[columns]
    found = pd.DataFrame(by.mean())
    found.insert(0, "edits", by.size())
    order = [(direction, edit) for direction in DIRECTIONS for edit in ("edit", "control")]
    return found.loc[[key for key in order if key in found.index]].reset_index()
