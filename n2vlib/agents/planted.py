"""A planted code: agents whose every message has a known meaning, so that a translation is right or wrong.

What the paper could not know. Things have one of a few meanings. A speaker sees a thing and sends the code of its
meaning, with the noise of the channel; people say a word. Both are drawn by a known rule, so log p(message | seen) is
exact and nothing is learned: what goes wrong here is the criterion's own doing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from n2vlib.agents.evaluation import interval
from n2vlib.agents.translating import CODES, STATES
from n2vlib.errors import BadInput
from n2vlib.methods.translation import METHODS, Meaning, distances

OTHER, OWN, SYNONYM, SHARED, VAGUE = range(5)
KINDS = ("a word of another meaning", "the word", "its synonym", "a word for two meanings", "the word for everything")
RIGHT = (OWN, SYNONYM)
BEST = "known code"  # the most probable meaning, for who has the code book
TRANSLATIONS = ("random", "direct", "belief", BEST)
TO = ("words", "codes")
DENSITIES = ("exact", "released")


@dataclass(frozen=True)
class Language:
    """How people speak of `meanings` things: each has a word of its own.

    vague      share of all that is said which is one word, used for everything
    synonyms   share of meanings with a second word, said half as often as the first
    shared     share of meanings with a second word that they share with another meaning, said 1.5 times as often
    slips      share of all that is said which is any word
    skew       how unequally often things occur: the r-th most frequent in proportion to r ** -skew
    """

    meanings: int = 30
    vague: float = 0.0
    synonyms: float = 0.0
    shared: float = 0.0
    slips: float = 0.05
    skew: float = 0.0


LANGUAGES = {
    "a word each": Language(),
    "a word for everything": Language(vague=0.6),
    "words for two meanings": Language(shared=1.0),
    "synonyms": Language(synonyms=1.0),
    "things of unequal frequency": Language(skew=1.0),
    "all of it": Language(vague=0.4, synonyms=0.5, shared=0.5, skew=1.0),
}


@dataclass(frozen=True)
class Planted:
    """A code book and a lexicon.

    book    (meaning, size): the code of each meaning, of length 1
    prior   (meaning,): how often it occurs;  words: (meaning, word): p(word | meaning)
    kinds   (meaning, word): what the word is for that meaning, an index of KINDS
    """

    book: Tensor
    prior: Tensor
    words: Tensor
    kinds: Tensor

    @classmethod
    def draw(cls, language: Language, size: int, draws: torch.Generator) -> "Planted":
        """A code book of messages of `size` numbers; words in random order, since ties take the earlier one."""
        k = language.meanings
        if k < 2 or language.vague + language.slips >= 1:
            raise BadInput(f"{language}: a language needs two meanings, and less than all of it vague or slips")
        book = F.normalize(torch.randn(k, size, generator=draws, dtype=torch.float64), dim=1)
        second = torch.randperm(k, generator=draws)
        own, kinds = torch.eye(k).double(), [torch.full((k, k), OTHER).fill_diagonal_(OWN)]
        columns = [own]  # of p(word | meaning), before vague words and slips
        if several := round(language.synonyms * k):
            columns.append(0.5 * own[:, second[:several]])
            kinds.append((columns[-1] > 0) * SYNONYM)
        if pairs := round(language.shared * k) // 2:
            columns.append(1.5 * (own[:, second[-pairs:]] + own[:, second[-2 * pairs : -pairs]]))
            kinds.append((columns[-1] > 0) * SHARED)
        plain = torch.cat(columns, 1)
        words = (1 - language.vague - language.slips) * plain / plain.sum(1, keepdim=True)
        if language.vague:
            words = F.pad(words, (0, 1), value=language.vague)
            kinds.append(torch.full((k, 1), VAGUE))
        words = words + language.slips / words.shape[1]
        order = torch.randperm(words.shape[1], generator=draws)
        prior = torch.arange(1, k + 1, dtype=torch.float64) ** -language.skew
        return cls(book, prior / prior.sum(), words[:, order], torch.cat(kinds, 1)[:, order])

    def meant(self, n: int, draws: torch.Generator) -> Tensor:
        """Meanings of n things that occur, (n,)."""
        return torch.multinomial(self.prior, n, replacement=True, generator=draws)

    def say(self, meanings: Tensor, noise: float, draws: torch.Generator) -> Tensor:
        """Codes of meanings as they arrive, (n, size)."""
        sent = self.book[meanings]
        return sent + noise * torch.randn(sent.shape, generator=draws, dtype=torch.float64)

    @property
    def own(self) -> Tensor:
        """The word that each meaning has for itself, (meaning,)."""
        return (self.kinds == OWN).long().argmax(1)

    def meaning_of_words(self, things: Tensor) -> Meaning:
        """Of every word, over the things of states (state, option)."""
        return Meaning(self.words.log().T[:, things])

    def log_codes(self, codes: Tensor, noise: float, density: str = "exact") -> Tensor:
        """log p(code | meaning), (n, meaning): `exact`, of the channel's noise; `released`, - squared distance."""
        squares = torch.cdist(codes, self.book, compute_mode="donot_use_mm_for_euclid_dist").square()
        if density == "released":
            return -squares
        constant = torch.tensor(2 * torch.pi * noise**2).log() * self.book.shape[1] / 2
        return -squares / (2 * noise**2) - constant


def recovered(
    language: Language,
    noises: Sequence[float],
    seeds: Sequence[int],
    translations: Sequence[str] = TRANSLATIONS,
    to: str = "words",
    messages: int = 100,
    states: int = STATES,
    codes: int = CODES,
    options: int = 1,
    size: int = 64,
    density: str = "exact",
    weights: str = "either",
) -> pd.DataFrame:
    """One row a message: seed (of the planted code), noise, translation, message, chosen (one of KINDS), right.

    to         words: messages are codes, candidates all words; right is a word of that meaning alone, or its synonym.
               codes: messages are words with one meaning, candidates `codes` codes, some of that meaning; right is one
    states     things that occur, each beside `options` others that the speaker may have meant, as far as is known
    density    of codes, as `Planted.log_codes`;  weights: of states, as `translation.distances`
    """
    if unknown := set(translations) - {*METHODS, BEST}:
        raise BadInput(f"translation {min(unknown)!r} is none of {', '.join((*METHODS, BEST))}")
    for name, value, known in (("to", to, TO), ("density", density, DENSITIES)):
        if value not in known:
            raise BadInput(f"{name} {value!r} is none of {', '.join(known)}")
    if not noises or min(noises) <= 0:
        raise BadInput(f"noises {list(noises)}: give one at least, all above 0, since log p of a code needs some noise")
    build, rows = {"words": _to_words, "codes": _to_codes}[to], []
    for seed, noise in product(seeds, noises):
        draws = torch.Generator().manual_seed(seed)
        planted = Planted.draw(language, size, draws)
        things = torch.stack([planted.meant(states, draws) for _ in range(1 + options)], 1)
        task = build(planted, _Sizes(messages, codes), things, noise, density, draws)
        for each in translations:
            if each == BEST:
                picked = task.best
            else:
                picked = distances(task.source, task.candidates, each, draws, weights).round(decimals=10).argmin(1)
            chosen = task.kinds.gather(1, picked[:, None])[:, 0]
            keys = {"seed": seed, "noise": noise, "translation": each, "message": range(messages)}
            columns = {"chosen": [KINDS[k] for k in chosen], "right": torch.isin(chosen, torch.tensor(RIGHT))}
            rows.append(pd.DataFrame(keys | columns))
    return pd.concat(rows, ignore_index=True)


def varied(
    what: str, values: Sequence[int], language: Language, noise: float, seeds: Sequence[int], **options: Any
) -> pd.DataFrame:
    """`recovered` with one number at each of `values`, in a column of its name: meanings (and with them candidate
    words), states, options, codes (candidates, for to="codes") or size."""
    if what not in (known := ("meanings", "states", "options", "codes", "size")):
        raise BadInput(f"what {what!r} is none of {', '.join(known)}")
    rows = []
    for value in values:
        if what == "meanings":
            found = recovered(replace(language, meanings=value), (noise,), seeds, **options)
        else:
            found = recovered(language, (noise,), seeds, **dict[str, Any](options, **{what: value}))
        rows.append(found.assign(**{what: value}))
    return pd.concat(rows, ignore_index=True)


class _Sizes(NamedTuple):
    messages: int
    codes: int


class _Task(NamedTuple):
    """Messages and candidates; kinds (message, candidate): an index of KINDS; best (message,): who knows the code."""

    source: Meaning
    candidates: Meaning
    kinds: Tensor
    best: Tensor


def _to_words(
    planted: Planted, sizes: _Sizes, things: Tensor, noise: float, density: str, draws: torch.Generator
) -> _Task:
    meanings = planted.meant(sizes.messages, draws)
    codes = planted.say(meanings, noise, draws)
    source = Meaning(planted.log_codes(codes, noise, density)[:, things])
    known = (planted.log_codes(codes, noise) + planted.prior.log()).argmax(1)
    return _Task(source, planted.meaning_of_words(things), planted.kinds[meanings], planted.own[known])


def _to_codes(
    planted: Planted, sizes: _Sizes, things: Tensor, noise: float, density: str, draws: torch.Generator
) -> _Task:
    whose = planted.meant(sizes.codes, draws)
    codes = planted.say(whose, noise, draws)
    meanings = whose[torch.randint(sizes.codes, (sizes.messages,), generator=draws)]
    source = Meaning(planted.meaning_of_words(things).log_p[planted.own[meanings]])
    candidates = Meaning(planted.log_codes(codes, noise, density)[:, things])
    kinds = torch.where(whose == meanings[:, None], OWN, OTHER)
    return _Task(source, candidates, kinds, planted.log_codes(codes, noise).log_softmax(1).T[meanings].argmax(1))


def summary(rows: pd.DataFrame, keys: Sequence[str] = ("noise", "translation"), value: str = "right") -> pd.DataFrame:
    """Share of messages translated right, with 95% intervals over codes and messages: keys, right, low, high."""
    names, found = list(keys), []
    for _, some in rows.groupby(names, sort=False):
        low, high = interval([each[value].to_numpy(float) for _, each in some.groupby("seed")])
        found.append(
            {name: some[name].iloc[0] for name in names} | {value: some[value].mean(), "low": low, "high": high}
        )
    return pd.DataFrame(found)
