"""The language of descriptions: phrases such as `the red roof of a house`, and where in an image they hold.

A phrase is one or several alternatives joined by `or`. An alternative names concepts: an object, a part, a material, a
color, a texture or a scene, or a group of such in our hypernym tree (`anything that is a vehicle`). All other words are
grammar, so a phrase that a decoder says badly still means something, and `anything` alone holds everywhere.

    language = phrases.language(probe)
    language.holds("a red car or a wheel of a bus", probe, 3)     # bool, (sh, sw)
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from n2vlib.probe import ProbeSet
from n2vlib.spaces.drawn import ancestors, tree

Concept = tuple[str, str]  # its category, and its name in words
Meaning = frozenset[Concept]  # the concepts of one alternative; none: anything
COLOR, OBJECT, PART = "color", "object", "part"
WRITING = (OBJECT, "writing")  # what `words.written` draws
CATEGORIES = (COLOR, "texture", "material", PART, OBJECT, "scene")
_ENDINGS = {COLOR: "-c", "scene": "-s"}  # of the names of colors and scenes, as Broden writes them
_MASS = set(["sky", "grass", "sand", "sea", "fur", "foliage", "hair", "writing"])  # nouns without an article
# What a describer can say of a meaning by the categories it names; {x} stands for the concept of category x.
_FORMS: dict[tuple[str, ...], tuple[str, ...]] = {
    (): ("anything", "anything at all", "many things"),
    (COLOR,): ("anything {color}", "anything that is {color}", "{color} things"),
    ("texture",): ("a {texture} pattern", "the {texture} pattern", "anything that is {texture}"),
    ("material",): ("anything made of {material}", "anything that is made of {material}", "things made of {material}"),
    ("scene",): ("a picture of a {scene}", "the picture of a {scene}", "anything in a {scene}"),
    (PART,): ("a {part}", "the {part}", "anything that is a {part}"),
    (OBJECT,): ("a {object}", "the {object}", "anything that is a {object}"),
    (COLOR, OBJECT): ("a {color} {object}", "the {color} {object}", "anything that is a {color} {object}"),
    (COLOR, PART): ("a {color} {part}", "the {color} {part}", "anything that is a {color} {part}"),
    (PART, OBJECT): ("a {part} of a {object}", "the {part} of a {object}", "anything that is a {part} of a {object}"),
    (COLOR, PART, OBJECT): (
        "a {color} {part} of a {object}",
        "the {color} {part} of a {object}",
        "anything that is a {color} {part} of a {object}",
    ),
}
_SORTED = [sorted(each) for each in _FORMS]
STYLES = 3  # ways to say the same, as of several annotators
_TAGS = dict.fromkeys(("a", "an", "the", "any"), "DT") | {"anything": "NN", "things": "NNS", "many": "JJ", "at": "IN"}
_TAGS |= {"that": "WDT", "is": "VBZ", "made": "VBN", "of": "IN", "in": "IN", "by": "IN", "or": "CC", "all": "DT"}
_TAGS |= {"pattern": "NN", "picture": "NN", "outdoors": "RB", "indoors": "RB"}
_UNSAID = {"dark or light", "sky and weather", "way"}  # groups of our tree that make no noun
_ADJECTIVES = {"legged", "warm", "cool", "light", "motor", "open", "grown", "worked", "living", "natural", "hoofed"}
_ADJECTIVES |= {"low", "woody", "built"}


def words_of(text: str) -> list[str]:
    """The words of a text: lower case letters and digits, everything else separates."""
    return re.findall(r"[a-z0-9]+", text.lower())


def plain(name: str, category: str) -> str:
    """A concept's name in words, without Broden's ending: `living room` of `living_room-s`."""
    return " ".join(words_of(name.removesuffix(_ENDINGS.get(category, "-"))))


@dataclass(frozen=True, eq=False)
class Language:
    """The concepts that phrases can name.

    members      {concept or group: the label numbers it stands for}
    kin          {concept: the groups it is in, the closest first}
    unlabelled   what our describer can name and this probe set does not label; it holds nowhere
    """

    members: Mapping[Concept, tuple[int, ...]] = field(repr=False)
    kin: Mapping[Concept, tuple[Concept, ...]] = field(repr=False)
    unlabelled: tuple[Concept, ...] = field(default=(), repr=False)

    @cached_property
    def names(self) -> dict[tuple[str, ...], Concept]:
        """{the words of a name: the concept}; where two categories have a name, the first of CATEGORIES is meant."""
        every = (*self.unlabelled, *self.members)
        return {tuple(name.split()): (of, name) for each in reversed(CATEGORIES) for of, name in every if of == each}

    @cached_property
    def longest(self) -> int:
        """Words of the longest name."""
        return max(map(len, self.names), default=0)

    @property
    def groups(self) -> list[Concept]:
        """The groups: several concepts of one category under one name of the hypernym tree."""
        return list(dict.fromkeys(group for groups in self.kin.values() for group in groups))

    def parse(self, phrase: str) -> frozenset[Meaning]:
        """What a phrase means: its alternatives, each the concepts it names."""
        return _parsed(self, phrase)

    def at(self, words: list[str], at: int) -> tuple[int, Concept | None]:
        """The longest name that begins there and its length; 1 and None for another word."""
        for length in range(self.longest, 0, -1):
            if (key := tuple(words[at : at + length])) in self.names:
                return len(key), self.names[key]
        return 1, None

    def well_formed(self, phrase: str) -> bool:
        """Whether each alternative of a phrase is said in one of STYLES ways: `a sofa` is, `a that sofa` is not."""
        return all(self._well_formed(each) for each in phrase.split(" or "))

    def _well_formed(self, alternative: str) -> bool:
        meanings = self.parse(alternative)
        categories = sorted(category for category, _ in next(iter(meanings)))
        known = len(meanings) == 1 and categories in _SORTED
        return known and any(alternative == text(meanings, style) for style in range(STYLES))

    def tags(self) -> dict[str, str]:
        """{word: its part of speech, as the Penn Treebank names them} of every word that descriptions use."""
        found = {}
        for category, name in (*self.unlabelled, *self.members):
            *first, last = name.split()
            adjective = category in (COLOR, "texture") and not first
            found |= dict.fromkeys(first, "NN") | {last: "JJ" if adjective else "NN"}
        return found | dict.fromkeys(_ADJECTIVES & set(found), "JJ") | _TAGS

    def holds(self, phrase: str, probe: ProbeSet, image: int) -> NDArray[np.bool_]:
        """Where a phrase holds in an image of a labelled probe set, by its label maps: bool, (sh, sw)."""
        found = np.zeros(probe.label_size, np.bool_)
        for meaning in self.parse(phrase):
            found |= self.mask(meaning, probe, image)
        return found

    def mask(self, meaning: Meaning, probe: ProbeSet, image: int) -> NDArray[np.bool_]:
        """Where all concepts of a meaning are.

        A color beside a noun is that of the thing: it holds on each connected region of the noun in which it is the
        commonest color. A color alone, or beside a material, holds pixel by pixel.
        """
        masks = [self.annotated(each, probe, image) for each in meaning if each[0] != COLOR]
        place = np.logical_and.reduce(masks) if masks else np.ones(probe.label_size, np.bool_)
        of_thing = any(category in (OBJECT, PART) for category, _ in meaning)
        for each in sorted(each for each in meaning if each[0] == COLOR):
            if not place.any():
                break
            place = self._colored(place, each, probe, image) if of_thing else place & self.annotated(each, probe, image)
        return place

    def annotated(self, concept: Concept, probe: ProbeSet, image: int) -> NDArray[np.bool_]:
        """Where a concept or any of a group is: bool, (sh, sw)."""
        held = labelled(probe, image)
        masks = [probe.annotated(number, image) for number in self.members.get(concept, ()) if number in held]
        return np.logical_or.reduce(masks) if masks else np.zeros(probe.label_size, np.bool_)

    def _colored(self, place: NDArray[np.bool_], color: Concept, probe: ProbeSet, image: int) -> NDArray[np.bool_]:
        regions, commonest = colors_of(place, probe, image)
        return np.isin(commonest, self.members.get(color, ()))[regions] & place


@lru_cache(maxsize=10_000)
def _parsed(language: Language, phrase: str) -> frozenset[Meaning]:
    words, at, found = words_of(phrase), 0, [set()]
    while at < len(words):
        length, concept = language.at(words, at)
        if concept:
            found[-1].add(concept)
        elif words[at] == "or":
            found.append(set())
        at += length
    return frozenset(frozenset(each) for each in found)


def colors_of(place: NDArray[np.bool_], probe: ProbeSet, image: int) -> tuple[NDArray, NDArray[np.int64]]:
    """The connected regions of a mask, numbered from 1, (sh, sw), and the commonest color of each, (region + 1,).

    A color is given as its label number; 0 for a region without any.
    """
    regions, n = ndimage.label(place)  # pyright: ignore[reportGeneralTypeIssues]
    numbers, masks = _painted(probe, image)
    shares = np.array([np.bincount(regions[mask], minlength=n + 1) for mask in masks])
    return regions, numbers[shares.argmax(0)]


@lru_cache(maxsize=2)
def _painted(probe: ProbeSet, image: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The colors in an image and where they are, (color,) and (color, sh, sw), after 0 for no color, which is nowhere.

    One image is asked for many phrases, so its masks are kept.
    """
    numbers = [number for number in labelled(probe, image) if number in _colors(probe)]
    masks = [np.zeros(probe.label_size, np.bool_), *(probe.annotated(number, image) for number in numbers)]
    return np.array([0, *numbers]), np.array(masks)


def labelled(probe: ProbeSet, image: int) -> list[int]:
    """The numbers of the labels in an image."""
    start, stop = probe.labels.pair_ptr[image : image + 2]
    return probe.labels.pair_concept[start:stop].tolist()


@lru_cache(maxsize=8)
def _colors(probe: ProbeSet) -> set[int]:
    return set(probe.concepts.index[(probe.concepts["category"] == COLOR).to_numpy()].tolist())


@lru_cache(maxsize=8)
def language(probe: ProbeSet) -> Language:
    """The language of a probe set's concepts, with groups for those that our hypernym tree has."""
    found = language_of(probe.concepts)
    here = {name for _, name in found.members}
    others = [each for each in (*drawn().unlabelled, *drawn().members) if each[1] not in here]
    return replace(found, unlabelled=tuple(others))


def language_of(concepts: pd.DataFrame) -> Language:
    """The same of a table of concepts: index label number; name, category. What is of another category is an object."""
    of_tree: dict[Concept, list[int]] = {}
    members: dict[Concept, list[int]] = {}
    lines: dict[Concept, list[Concept]] = {}
    for number, name, category in zip(concepts.index, concepts["name"], concepts["category"], strict=True):
        category = category if category in CATEGORIES else OBJECT
        if not (words := plain(name, category)):
            continue
        members.setdefault((category, words), []).append(int(number))
        line = [(category, " ".join(words_of(each))) for each in ancestors(name)[1:] if each not in _UNSAID]
        lines[category, words] = line
        for group in line:
            of_tree.setdefault(group, []).append(int(number))
    sizes = {category: sum(of == category for of, _ in lines) for category in CATEGORIES}
    several = {each for each, of in of_tree.items() if 1 < len(of) < sizes[each[0]] and each not in members}
    mixed = {name for _, name in of_tree if sum(other == name for _, other in of_tree) > 1}
    groups = {each: tuple(of_tree[each]) for each in of_tree if each in several and each[1] not in mixed}
    kin = {each: tuple(group for group in line if group in groups) for each, line in lines.items()}
    return Language({each: tuple(of) for each, of in members.items()} | groups, kin)


@cache
def drawn() -> Language:
    """The language of drawn scenes."""
    from n2vlib.world.catalog import CONCEPTS

    table = pd.DataFrame(CONCEPTS, columns=["number", "name", "category"]).set_index("number")
    return replace(language_of(table), unlabelled=(WRITING,))


def holds(phrase: str, probe: ProbeSet, image: int) -> NDArray[np.bool_]:
    """`Language.holds` in the probe set's own language: bool, (sh, sw)."""
    return language(probe).holds(phrase, probe, image)


def text(meanings: Iterable[Meaning], style: int = 0) -> str:
    """A description with these alternatives, in one of STYLES ways."""
    return " or ".join(_text(each, style) for each in sorted(meanings, key=sorted))


def _text(meaning: Meaning, style: int) -> str:
    names = {category: name for category, name in meaning}
    forms = _FORMS[tuple(category for category in CATEGORIES if category in names)]
    if len(names) == 1 and (group := next(iter(meaning)))[1] in _groups():
        forms = _group_forms(*group)
    return _articles(forms[style].format(**names), names)


@cache
def _groups() -> set[str]:
    return {" ".join(words_of(parent)) for parent in tree().values()}


def _group_forms(category: str, name: str) -> tuple[str, ...]:
    if category == COLOR:
        return "anything of a {color}", "anything that is of a {color}", "things of a {color}"
    if category == "texture":
        return "a {texture}", "the {texture}", "anything that is a {texture}"
    if category == "scene" and name in ("indoors", "outdoors", "by the water"):
        return "a picture {scene}", "the picture {scene}", "anything {scene}"
    return _FORMS[(category,)]


def _articles(text: str, names: Mapping[str, str]) -> str:
    """`a` before a vowel becomes `an`; nouns such as `grass` have none."""
    for name in names.values():
        if name in _MASS:
            text = re.sub(rf"\b(?:a|the) ((?:{names.get(COLOR, name)} )?{name})\b", r"\1", text)
    return re.sub(r"\ba (?=[aeiou])", "an ", text)
