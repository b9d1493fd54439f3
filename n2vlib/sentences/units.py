"""Hidden units of the sentence network: how often they fire, the kinds of rules that describe them, and cue words."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.compositional.formula import Formula, concept, join
from n2vlib.errors import BadInput
from n2vlib.sentences import language
from n2vlib.sentences.concepts import category, word_of
from n2vlib.sentences.language import CLASSES, COLORS
from n2vlib.spaces.drawn import ancestors, tree

LEAST = 0.05  # share of pairs on which a unit that is analysed fires: 500 of 10,000 (section 3)
SMOOTHING = 100
DENIAL = ("no", "nobody", "none", "not", "n't", "nothing", "never", "without")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
GENDER = (
    "man", "men", "woman", "women", "boy", "boys", "girl", "girls", "he", "she", "him", "her", "his", "hers", "male",
    "female", "males", "females", "guy", "guys", "lady", "ladies", "gentleman", "gentlemen", "mother", "father", "son",
    "daughter", "brother", "sister", "brothers", "sisters",
)  # fmt: skip
_MIXED = "other"


def activity(fires: NDArray[np.bool_], least: float = LEAST) -> pd.DataFrame:
    """Units that never fire, on too few pairs, or on enough: activity, units, share.

    fires   (pair, unit)      least   share of pairs from which on a unit is analysed
    """
    rate = fires.mean(0)
    groups = {
        "never": rate == 0,
        f"on fewer than {least:.0%} of the pairs": (rate > 0) & (rate < least),
        "on enough": (rate >= least) & (rate < 1),
        "always": rate == 1,
    }
    rows = [(name, int(which.sum()), float(which.mean())) for name, which in groups.items()]
    return pd.DataFrame(rows, columns=["fires", "units", "share"])


def analysed(fires: NDArray[np.bool_], least: float = LEAST) -> NDArray[np.int64]:
    """The units that fire on at least this share of the pairs; BadInput where there are fewer than three."""
    found = np.flatnonzero(fires.mean(0) >= max(least, 1 / max(1, len(fires))))
    if len(found) < 3:
        raise BadInput(f"{len(found)} of {fires.shape[1]} units fire on {least:.0%} of {len(fires)} pairs; lower LEAST")
    return found


# -- kinds of rules


def families(drawn: bool) -> dict[str, set[str]]:
    """Words that are of one kind, by its name, small families first.

    drawn   with the nouns of our sentences under the nodes of our hypernym tree (of 2 to 20 kinds), and places
    """
    found = {"denial": set(DENIAL), "gender": set(GENDER), "number": {*NUMBERS, "some"}, "color": set(COLORS)}
    if drawn:
        found["place"] = {*language.PLACES, *language.SPACES}
        nodes = {node: [kind for kind in language.kinds() if node in ancestors(kind)] for node in {*tree().values()}}
        for node, kinds in sorted(nodes.items(), key=lambda each: (len(each[1]), each[0])):
            if 2 <= len(kinds) <= 20:
                words = {*kinds, *map(language.plural, kinds)}
                found[node] = words | {noun for noun in language.GROUPS if {*language.kinds_of(noun)} <= {*kinds}}
    return found


def kind(formula: Formula, known: Mapping[str, set[str]]) -> str:
    """The kind of rule that a formula is: overlap, part of speech, one of the families, or other.

    overlap, part of speech   where every concept is one, or the only other concepts are of the other of these two
    a family                  where every concept is a word of it, on either side
    """
    names = formula.concepts
    groups = {category(name) for name in names}
    if groups <= {"overlap", "part of speech"}:
        return "overlap" if "overlap" in groups else "part of speech"
    words = {word_of(name) for name in names}
    return next((name for name, family in known.items() if words <= family), _MIXED)


def kinds(formulas: list[Formula], known: Mapping[str, set[str]], draws: int = 20, seed: int = 0) -> pd.DataFrame:
    """How many formulas are of each kind, and how many would be if their concepts were dealt anew among them.

    Returns   kind, units, by chance (mean over draws), the most frequent first
    """
    rng, dealt = np.random.default_rng(seed), Counter()
    found = Counter(kind(each, known) for each in formulas)
    every = [name for each in formulas for name in each.concepts]
    for _ in range(draws):
        names = iter(rng.permutation(every).tolist())
        dealt.update(kind(_with(each, names), known) for each in formulas)
    rows = [(name, found[name], dealt[name] / draws) for name in {**found, **dealt}]
    table = pd.DataFrame(rows, columns=["kind", "units", "by chance"])
    return table.sort_values(["units", "by chance", "kind"], ascending=[False, False, True], ignore_index=True)


def _with(formula: Formula, names) -> Formula:
    """The formula with other concepts, from left to right."""
    if formula.concept:
        return concept(next(names))
    left, right = (_with(part, names) for part in formula.parts)
    return join(left, formula.operator, right)


# -- words that give the class away


def class_words(pairs: pd.DataFrame, smoothing: float = SMOOTHING) -> pd.DataFrame:
    """Pointwise mutual information of a word in the hypothesis with the class (section 3 of Gururangan et al. 2018).

    log P(word, class) / (P(word) P(class)) from the numbers of pairs whose hypothesis has the word, `smoothing` added
    to each. Returns (word,), one column for each of CLASSES.
    """
    counted = {name: Counter() for name in CLASSES}
    for text, gold in zip(pairs["hypothesis"], pairs["gold"], strict=True):
        counted[gold].update(set(text.split()))
    words = sorted(set().union(*counted.values()))
    table = pd.DataFrame({name: [counted[name][word] for word in words] for name in CLASSES}, index=words) + smoothing
    share = table / table.to_numpy().sum()
    by_chance = np.outer(share.sum(axis=1), share.sum(axis=0))
    return np.log(share / by_chance).rename_axis("word")
