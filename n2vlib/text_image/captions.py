"""What can be said of a drawn scene: `two red cars and a wood bench on the street`, `something blue and striped`.

A caption says some of what an image shows, chosen at random, with the words of the labels or with wider ones from our
hypernym tree (`a vehicle`, `outdoors`). So a model of captions learns words that no label has.
"""

from collections.abc import Iterable
from functools import cache
from random import Random

from n2vlib.sentences.language import plural
from n2vlib.spaces.drawn import ancestors
from n2vlib.text_image.facts import Facts, Thing
from n2vlib.words.phrases import plain, words_of
from n2vlib.world import CONCEPTS

NUMBERS = {1: "a", 2: "two", 3: "three"}
MANY = "many"
ONE, WIDER = 0.3, 0.25  # shares of captions of one word, and of nouns that are replaced by a hypernym
TOO_WIDE = ("entity", "property", "piece", "place", "physical thing")  # say nothing of an image
_STUFF = ["sky", "wall", "floor", "grass", "road", "sidewalk", "sea", "sand", "mountain", "hill", "cloud"]
_SAME_IN_PLURAL = ("sheep", "furniture")
_CHANCE = {"number": 0.5, "color": 0.6, "material": 0.3, "part": 0.2, "place": 0.6, "stuff": 0.3}


def caption(shown: Facts, rng: Random, one: float = ONE) -> str:
    """One caption of an image, drawn at random: lower case words, without hyphens.

    one   share of captions that are one word for one thing, so that single words are learned, too
    """
    return " ".join(words_of(_one(shown, rng) if rng.random() < one else _whole(shown, rng)))


def _whole(shown: Facts, rng: Random) -> str:
    if shown.texture:
        colors = [each for each in shown.colors if rng.random() < _CHANCE["color"]]
        wider = _wider(shown.texture, rng)
        return " ".join([*_and(colors), wider, *["texture"] * ("texture" not in wider)])
    stuff = [each for each in shown.things if each.kind in _STUFF and rng.random() < _CHANCE["stuff"]]
    things = [each for each in shown.things if each.kind not in _STUFF]
    chosen = rng.sample(things, min(len(things), rng.choice((1, 1, 2, 3)))) + stuff[:1]
    words = _and([_phrase(each, rng) for each in chosen])
    where = [_where(shown.place, rng)] if shown.place and (not words or rng.random() < _CHANCE["place"]) else []
    return " ".join([*words, *where]) or "nothing"


def _one(shown: Facts, rng: Random) -> str:
    """One word for something that an image shows, or for a hypernym of it: every kind of word is as likely."""
    kinds = [
        [shown.texture] if shown.texture else [shown.place],
        [*shown.colors, *(each.color for each in shown.things)],
        [each.kind for each in shown.things],
        [part for each in shown.things for part in each.parts],
        [each.material for each in shown.things],
    ]
    there = [list(filter(None, words)) for words in kinds if any(words)]
    return _wider(rng.choice(rng.choice(there)), rng) if there else "nothing"


def _phrase(thing: Thing, rng: Random) -> str:
    stuff, noun = thing.kind in _STUFF, _wider(thing.kind, rng)
    many = not stuff and thing.number > 1
    adjectives = [
        getattr(thing, name) for name in ("color", "material") if getattr(thing, name) and rng.random() < _CHANCE[name]
    ]
    words = [*adjectives, in_plural(noun) if many else noun]
    said = many and rng.random() < _CHANCE["number"]
    number = NUMBERS.get(thing.number, MANY) if said else "some" if many else ""
    number = number or ("" if stuff else _article(words[0]))
    part = rng.choice(thing.parts) if thing.parts and rng.random() < _CHANCE["part"] else ""
    return " ".join([*filter(None, [number]), *words, *(["with", _article(part), part] if part else [])])


def in_plural(noun: str) -> str:
    """The plural of a noun, that of the last word where it has several."""
    *first, last = noun.split()
    return " ".join([*first, last if last in _SAME_IN_PLURAL else plural(last)])


def _article(first: str) -> str:
    return "an" if first[0] in "aeiou" else "a"


def _and(phrases: list[str]) -> list[str]:
    return [each for phrase in phrases for each in ("and", phrase)][1:]


def _where(place: str, rng: Random) -> str:
    wider = _wider(place, rng)
    return wider if wider in ("outdoors", "indoors") or wider.startswith("by ") else f"in the {wider}"


@cache
def _above(noun: str) -> tuple[str, ...]:
    """The groups of the tree that something belongs to, those that say nothing left out."""
    names = [name for _, name, category in CONCEPTS if plain(name, category) == noun]
    return tuple(each for each in ancestors(names[0])[1:] if each not in TOO_WIDE) if names else ()


def _wider(noun: str, rng: Random) -> str:
    return rng.choice(_above(noun)) if _above(noun) and rng.random() < WIDER else noun


def vocabulary(captions: Iterable[str]) -> list[str]:
    """All words of captions, in alphabetical order."""
    return sorted({each for text in captions for each in text.split()})
