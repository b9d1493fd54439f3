"""Pairs of sentences, premise and hypothesis, with the class of each: ours, or a folder of the user's.

Our premises describe scenes as the drawn world has them: things that stand in such a place. Whether the hypothesis
follows is decided by `language.relation`. Hypotheses are made as people make them for each class, and so with their
habits: for a contradiction they deny or exchange something, for a neutral sentence they add something. These habits
are cues, which give the class away without the premise. One is planted: a color that is exchanged becomes LURE more
often than by chance.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

import pandas as pd

from n2vlib.errors import BadInput
from n2vlib.files.userfiles import csv_rows
from n2vlib.paths import resolve
from n2vlib.sentences import language
from n2vlib.sentences.language import CLASSES, COLORS, GROUPS, PLACES, Phrase, Sentence
from n2vlib.spaces.drawn import ancestors
from n2vlib.world.crowds import crowd_rows

TRAIN_SEED, HELD_OUT_SEED = 1, 2
LURE, LURED = "purple", 0.5  # a color, and the share of exchanged colors that become it
SIDES = ("premise", "hypothesis")
UNLABELLED = ("UNK", "-", "")
FILE = "dev.csv"


def drawn(n_pairs: int, seed: int, lures: bool = True) -> pd.DataFrame:
    """Pairs drawn at random, the same on every machine: premise, hypothesis, gold (of CLASSES, about equally often),
    and premise_tags, hypothesis_tags, the part of speech of each word.

    lures   hypotheses with the habits described above; False: each way to make one serves every class alike
    """
    rng = Random(f"pairs {seed}")
    found = pd.DataFrame([_pair(rng, lures) for _ in range(n_pairs)], columns=["premise", "hypothesis", "gold"])
    tags = language.tags()
    said = {f"{side}_tags": [" ".join(tags[word] for word in text.split()) for text in found[side]] for side in SIDES}
    return found.assign(**said)


def _pair(rng: Random, lures: bool) -> tuple[str, str, str]:
    wanted = rng.choice(CLASSES)
    while True:
        premise = _premise(rng)
        for _ in range(8):
            hypothesis = _hypothesis(rng, premise, wanted if lures else "")
            if language.relation(premise, hypothesis) == wanted:
                return str(premise), str(hypothesis), wanted


@cache
def _inhabitants(place: str) -> tuple[str, ...]:
    found = dict.fromkeys(row[0].partition("/")[0] for row in crowd_rows(PLACES[place]))
    return tuple(kind for kind in found if kind in language.kinds())


def _premise(rng: Random) -> Sentence:
    place = rng.choice([*PLACES])
    there = rng.sample(_inhabitants(place), rng.choice((1, 2, 2, 3)))
    phrases = [_described(rng, kind) for kind in there]
    if rng.random() < 0.1:
        phrases[-1] = Phrase("no", "", there[-1])
    return Sentence(tuple(phrases), place if rng.random() < 0.85 else "")


def _described(rng: Random, kind: str) -> Phrase:
    number = rng.choice((1, 1, 2, 3))
    quantity = rng.choice((("a", "one"), ("two", "some"), ("three", "some"))[number - 1])
    phrase = Phrase(quantity, rng.choice(COLORS) if rng.random() < 0.5 else "", kind)
    return _wider(rng, phrase, "") if quantity == "a" and rng.random() < 0.15 else phrase


def _hypothesis(rng: Random, premise: Sentence, wanted: str) -> Sentence:
    """A part of the premise, changed at one place; now and then at two."""
    kept = rng.sample(premise.phrases, rng.randint(1, min(2, len(premise.phrases))))
    made = Sentence(tuple(kept), premise.place if rng.random() < 0.6 else "", verb=True)
    for _ in range(1 + (rng.random() < 0.25)):
        made = _changed(rng, made, wanted)
    return made


def _changed(rng: Random, sentence: Sentence, wanted: str) -> Sentence:
    """One change, of those that people make for a class, or, in one of eight cases, of all."""
    ways = _WAYS[wanted] if wanted and rng.random() > 0.125 else [way for of in _WAYS.values() for way in of]
    way = rng.choice(ways)
    if way in _OF_SENTENCES:
        return way(rng, sentence, wanted)
    at = rng.randrange(len(sentence.phrases))
    phrases = [way(rng, each, wanted) if i == at else each for i, each in enumerate(sentence.phrases)]
    return replace(sentence, phrases=tuple(phrases))


# -- ways to change a phrase


def _same(rng: Random, phrase: Phrase, wanted: str) -> Phrase:
    return phrase


def _without_color(rng: Random, phrase: Phrase, wanted: str) -> Phrase:
    return replace(phrase, color="")


def _wider(rng: Random, phrase: Phrase, wanted: str) -> Phrase:
    """A dog -> an animal."""
    wider = [name for name in GROUPS if name in ancestors(phrase.noun)[1:]]
    if not wider:
        return phrase
    return Phrase("no" if phrase.quantity == "no" else "a", phrase.color, rng.choice(wider))


def _vaguer(rng: Random, phrase: Phrase, wanted: str) -> Phrase:
    """Three dogs -> some dogs, or a dog."""
    return phrase if phrase.quantity == "no" else replace(phrase, quantity=_vaguer_than(rng, phrase.quantity))


def _vaguer_than(rng: Random, quantity: str) -> str:
    return rng.choice(("a", "some")) if language.QUANTITIES[quantity] else "a"


def _other_color(rng: Random, phrase: Phrase, wanted: str) -> Phrase:
    if not phrase.color:
        return phrase
    if wanted == "contradiction" and rng.random() < LURED and phrase.color != LURE:
        return replace(phrase, color=LURE)
    return replace(phrase, color=rng.choice([color for color in COLORS if color != phrase.color]))


def _with_color(rng: Random, phrase: Phrase, wanted: str) -> Phrase:
    if phrase.color or phrase.quantity == "no":
        return phrase
    usual = [color for color in COLORS if color != LURE]  # so that it gives nothing but contradictions away
    return replace(phrase, color=rng.choice(usual if wanted else COLORS))


def _other_number(rng: Random, phrase: Phrase, wanted: str) -> Phrase:
    numbers = ("one", "two", "three")
    if phrase.noun in GROUPS or phrase.quantity == "no":
        return phrase
    return replace(phrase, quantity=rng.choice([name for name in numbers if name != phrase.quantity]))


def _denied(rng: Random, phrase: Phrase, wanted: str) -> Phrase:
    return Phrase("a" if phrase.quantity == "no" else "no", "", phrase.noun)


def _narrower(rng: Random, phrase: Phrase, wanted: str) -> Phrase:
    """An animal -> a dog; a dog -> a cat."""
    if phrase.noun in GROUPS:
        return replace(phrase, noun=rng.choice(language.kinds_of(phrase.noun)))
    return replace(phrase, noun=rng.choice(language.kinds()))


# -- ways to change a sentence


def _other_place(rng: Random, sentence: Sentence, wanted: str) -> Sentence:
    return replace(sentence, place=rng.choice([name for name in PLACES if name != sentence.place]))


def _wider_place(rng: Random, sentence: Sentence, wanted: str) -> Sentence:
    line = ancestors(f"{sentence.place}-s")
    return replace(sentence, place=next((name for name in language.SPACES if name in line), sentence.place))


def _with_thing(rng: Random, sentence: Sentence, wanted: str) -> Sentence:
    new = _described(rng, rng.choice(_inhabitants(sentence.place if sentence.place in PLACES else "park")))
    if wanted and new.color == LURE:
        new = replace(new, color="")
    return replace(sentence, phrases=(*sentence.phrases[:1], new))


def _without_people(rng: Random, sentence: Sentence, wanted: str) -> Sentence:
    return replace(sentence, phrases=(Phrase("no", "", "person"),))


_OF_SENTENCES = {_other_place, _wider_place, _with_thing, _without_people}
_WAYS: dict[str, list[Callable]] = {
    "entailment": [_same, _without_color, _wider, _wider, _vaguer, _vaguer, _wider_place],
    "neutral": [_with_color, _with_color, _with_thing, _with_thing, _narrower],
    "contradiction": [_other_color, _other_color, _other_number, _denied, _without_people, _other_place],
}


# -- the user's pairs


def load(folder: str | Path) -> pd.DataFrame:
    """The pairs of a folder's dev.csv, in lower case: premise, hypothesis, gold, and the tags where it has them.

    The file has the columns premise, hypothesis (words separated by spaces) and gold (of CLASSES; pairs with UNK or -
    are left out), and if it likes premise_tags and hypothesis_tags, one part of speech for each word. Other columns are
    not read. BadInput names the file and the row that is wrong.
    """
    path = resolve(folder) / FILE
    if not path.is_file():
        raise BadInput(f"SENTENCES: {path} is no file; name a folder with a {FILE}, or write drawn")
    rows = csv_rows(path, path)
    _, header = next(rows, (1, []))
    if missing := [name for name in ("premise", "hypothesis", "gold") if name not in header]:
        raise BadInput(f"SENTENCES: {path} has no column {missing[0]}; its columns are {', '.join(header) or 'none'}")
    used = ["premise", "hypothesis", "gold", *(_TAGS if set(_TAGS) <= set(header) else ())]
    places = [header.index(name) for name in used]
    found = []
    for line, row in rows:
        if len(row) != len(header):
            raise BadInput(f"SENTENCES: {path}, line {line}: {len(row)} cells, the first line has {len(header)}")
        found.append(_checked({name: row[at] for name, at in zip(used, places, strict=True)}, f"{path}, line {line}"))
    labelled = pd.DataFrame([row for row in found if row["gold"] not in UNLABELLED], columns=used)
    if labelled.empty:
        raise BadInput(f"SENTENCES: {path} has no pair with a label; gold must be one of {', '.join(CLASSES)}")
    return labelled


_TAGS = tuple(f"{side}_tags" for side in SIDES)


def _checked(row: dict[str, str], where: str) -> dict[str, str]:
    if row["gold"] not in (*CLASSES, *UNLABELLED):
        raise BadInput(f"SENTENCES: {where}: gold is {row['gold']!r:.60}; write one of {', '.join(CLASSES)}, or UNK")
    for name in SIDES:
        row[name] = row[name].lower()
        words, tags = row[name].split(), row.get(f"{name}_tags")
        row |= {} if tags is None else {f"{name}_tags": tags.upper()}
        if not words:
            raise BadInput(f"SENTENCES: {where}: the {name} is empty; fill it in, or delete the row")
        if tags is not None and len(tags.split()) != len(words):
            raise BadInput(f"SENTENCES: {where}: {len(words)} words in the {name}, {len(tags.split())} tags")
    return row
