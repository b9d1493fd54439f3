"""Sentences about scenes, what they say, and whether one follows from another.

A scene has one place, and of every kind of thing none, one, two or three, all of one color. A sentence names some of
this: `two red cars and a dog on the beach`. What it does not name may or may not be there. `one`, `two` and `three`
are exact, `a` means at least one, `some` at least two. A noun such as `animal` stands for all kinds below it in our
hypernym tree.

    relation(read("two red cars on the beach"), read("a vehicle is outdoors"))     # "entailment"

Every sentence is a list of claims of one form, "something of these kinds is in one of these states", or its negation.
So whether a scene with given properties can exist is decided exactly, by trying the kinds that can fulfil each claim.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from n2vlib.errors import BadInput
from n2vlib.spaces.drawn import ancestors, tree
from n2vlib.world.catalog import COLOR, OBJECT
from n2vlib.world.crowds import CROWDS, crowd_rows

CLASSES = ("entailment", "neutral", "contradiction")
COLORS = tuple(COLOR)
PLACES = {name: crowd for name, crowd in CROWDS.items() if "_" not in name}
_ALL_PLACES = ", ".join([*PLACES, "outdoors", "indoors"])
GROUPS = ("animal", "pet", "fowl", "plant", "tree", "building", "vehicle", "toy", "vessel")
SPACES = ("outdoors", "indoors")
MOST = 3  # things of one kind in a scene
_SAME_IN_PLURAL = ("sheep",)  # left out: its number could not be read
_PLURALS = {"person": "people"}
_ON = ("beach", "street", "farm")
_PLACE = "the place"
_EXACT = {"one": 1, "two": 2, "three": 3}
QUANTITIES = {"no": False, "a": False, "one": False, "some": True, "two": True, "three": True}  # plural


@cache
def kinds() -> tuple[str, ...]:
    """The kinds of things that sentences name: leaves of our hypernym tree that stand in the scenes of PLACES."""
    inner = set(tree().values())
    found = {row[0].partition("/")[0] for crowd in PLACES.values() for row in crowd_rows(crowd)}
    return tuple(name for name in OBJECT if name in found - inner and "_" not in name and name not in _SAME_IN_PLURAL)


@cache
def kinds_of(noun: str) -> tuple[str, ...]:
    """The kinds that a noun stands for; none for a word that is no noun."""
    return tuple(kind for kind in kinds() if noun in ancestors(kind)) if noun in (*kinds(), *GROUPS) else ()


def plural(kind: str) -> str:
    """The plural of a kind."""
    return _PLURALS.get(kind, f"{kind}es" if kind.endswith(("s", "sh", "ch", "x")) else f"{kind}s")


@cache
def nouns() -> dict[str, tuple[str, bool]]:
    """{word: its noun, and whether it is the plural}."""
    singular = {noun: (noun, False) for noun in (*kinds(), *GROUPS)}
    return singular | {plural(kind): (kind, True) for kind in kinds()}


@cache
def tags() -> dict[str, str]:
    """{word: its part of speech}, as the Penn Treebank names them."""
    found = {word: "NNS" if many else "NN" for word, (_, many) in nouns().items()}
    found |= dict.fromkeys(PLACES, "NN") | dict.fromkeys(COLORS, "JJ") | dict.fromkeys(_EXACT, "CD")
    found |= {
        "nobody": "NN",
        "somebody": "NN",
        "there": "EX",
        "is": "VBZ",
        "are": "VBP",
        "and": "CC",
        "on": "IN",
        "in": "IN",
    }
    return found | dict.fromkeys(("a", "an", "the", "no", "some"), "DT") | dict.fromkeys(SPACES, "RB")


@dataclass(frozen=True)
class Phrase:
    """`two red cars`: quantity (of QUANTITIES), color ("" for none), noun (a kind, or a group with `a` or `no`)."""

    quantity: str
    color: str
    noun: str


_PERSONS = {"nobody": Phrase("no", "", "person"), "somebody": Phrase("a", "", "person")}


@dataclass(frozen=True)
class Sentence:
    """phrases joined by "and"; place: of PLACES or SPACES, "" for none; verb: whether it is said with is or are."""

    phrases: tuple[Phrase, ...]
    place: str = ""
    verb: bool = False

    def __str__(self) -> str:
        words = [word for phrase in self.phrases for word in ("and", *_words(phrase))][1:]
        where = [_preposition(self.place), "the", self.place] if self.place in PLACES else self.place.split()
        if not self.verb:
            return " ".join([*words, *where])
        first, *more = self.phrases
        verb = "are" if QUANTITIES[first.quantity] or (more and where) else "is"
        return " ".join([*words, verb, *where] if where else ["there", verb, *words])


@lru_cache(maxsize=4096)  # a sentence is compared with many
def read(text: str) -> Sentence:
    """The sentence that a text says; BadInput for one that is not of the forms above."""
    words = text.split()
    verb = bool({"is", "are"}.intersection(words))
    words = [word for word in words if word not in ("there", "is", "are")]
    phrases, at = [], 0
    while not phrases or words[at : at + 1] == ["and"]:
        phrase, at = _phrase(words, at + bool(phrases), text)
        phrases.append(phrase)
    said = [word for word in words[at:] if word not in ("on", "in", "the")]
    if len(said) > 1 or said and said[0] not in (*PLACES, *SPACES):
        raise BadInput(f"sentence {text!r}: {said[0]!r} is no place; say one of {_ALL_PLACES}")
    return Sentence(tuple(phrases), said[0] if said else "", verb)


def relation(premise: Sentence, hypothesis: Sentence) -> str:
    """One of CLASSES: whether the hypothesis is true in all, some or none of the scenes in which the premise is.

    Raises BadInput for a premise that is true in no scene.
    """
    known, asked = claims(premise), claims(hypothesis)
    if not possible(known):
        raise BadInput(f"sentence {str(premise)!r}: contradicts itself, so everything and nothing follows")
    if not possible([*known, *asked]):
        return "contradiction"
    follows = all(not possible([*known, replace(claim, holds=not claim.holds)]) for claim in asked)
    return "entailment" if follows else "neutral"


@dataclass(frozen=True)
class Claim:
    """Something of one of these kinds is in one of these states, as bits; or nothing is."""

    kinds: tuple[str, ...]
    states: int
    holds: bool = True


def claims(sentence: Sentence) -> list[Claim]:
    """What a sentence claims."""
    found = [
        Claim(kinds_of(each.noun), _states(each.quantity, each.color), each.quantity != "no")
        for each in sentence.phrases
    ]
    return [*found, _placed(sentence.place)] if sentence.place else found


@cache
def _placed(place: str) -> Claim:
    """That the scene is such a place."""
    named = [name for name in PLACES if place in (name, *ancestors(f"{name}-s"))]
    return Claim((_PLACE,), sum(1 << [*PLACES].index(name) for name in named))


def possible(all_claims: Iterable[Claim]) -> bool:
    """Whether there is a scene in which all of these claims are true."""
    asked, allowed = [], {}
    for claim in all_claims:
        if claim.holds:
            asked.append(claim)
        else:  # a kind can always be missing, so that what must not be leaves something
            allowed |= {kind: allowed.get(kind, -1) & ~claim.states for kind in claim.kinds}
    return _fulfilled(sorted(asked, key=lambda claim: len(claim.kinds)), allowed)


def _fulfilled(asked: Sequence[Claim], allowed: dict[str, int]) -> bool:
    if not asked:
        return True
    for kind in asked[0].kinds:
        left = allowed.get(kind, -1) & asked[0].states
        if left and _fulfilled(asked[1:], allowed | {kind: left}):
            return True
    return False


@cache
def _states(quantity: str, color: str) -> int:
    """The states in which a kind is as many and of this color: bit (number - 1) * colors + color."""
    numbers = [_EXACT[quantity]] if quantity in _EXACT else range(2 if quantity == "some" else 1, MOST + 1)
    shades = [COLORS.index(color)] if color else range(len(COLORS))
    return sum(1 << (number - 1) * len(COLORS) + shade for number in numbers for shade in shades)


def _words(phrase: Phrase) -> list[str]:
    if phrase in _PERSONS.values():
        return [name for name, each in _PERSONS.items() if each == phrase]
    words = [phrase.color] if phrase.color else []
    words += [plural(phrase.noun) if QUANTITIES[phrase.quantity] else phrase.noun]
    article = "an" if words[0][0] in "aeiou" else "a"
    return [article if phrase.quantity == "a" else phrase.quantity, *words]


def _preposition(place: str) -> str:
    return "on" if place in _ON else "in"


def _phrase(words: list[str], at: int, text: str) -> tuple[Phrase, int]:
    """The phrase that begins at a word, and the position after it."""
    if words[at : at + 1] and words[at] in _PERSONS:
        return _PERSONS[words[at]], at + 1
    quantity = "a" if words[at : at + 1] == ["an"] else "".join(words[at : at + 1])
    color = words[at + 1] if words[at + 1 : at + 2] and words[at + 1] in COLORS else ""
    end = at + 2 + bool(color)
    noun, many = nouns().get("".join(words[end - 1 : end]), ("", False))
    if not noun or quantity not in QUANTITIES or many != QUANTITIES[quantity]:
        raise BadInput(f"sentence {text!r}: {' '.join(words[at:end])!r} is none of a quantity, a color and a noun")
    if noun in GROUPS and quantity not in ("a", "no"):
        raise BadInput(f"sentence {text!r}: {noun} stands with a or no only")
    return Phrase(quantity, color, noun), end
