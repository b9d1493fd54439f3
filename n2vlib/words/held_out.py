"""How often descriptions of held-out units are right: units made of regions, so that what they show is known.

exact    share of descriptions that mean what the unit shows; exact_plain: the same without reranking, of the likeliest
words    share of a description's concepts that are true of the unit: it shows them, or something of their group
named    share of the unit's concepts that the description names
in_beam  share of units with an exact description among those that are compared
"""

from typing import Any

import numpy as np
import pandas as pd

from n2vlib.errors import BadInput
from n2vlib.words import decoding, phrases
from n2vlib.words.decoding import BEAM
from n2vlib.words.describer import Describer
from n2vlib.words.phrases import Language, Meaning
from n2vlib.words.regions import Bank, Unit, Units

MEASURED = 400  # units of each kind
STRAY = 0.1  # of their regions, at most this share is of something else


def measured(found: Describer, learn: Bank, other: Bank, seed: int) -> dict[str, Any]:
    """The rates for units of held-out images, of all kinds that training has seen (`seen`); for combinations of color,
    part and object that it has not (`held_out`) and that it has (`their_like`); and of the commonest description of
    training for all (`floor`). What the images have no regions for is left out.
    """
    rows = {}
    for name, held in (("seen", None), ("their_like", False), ("held_out", True)):
        try:
            source = Units(other, held)
        except BadInput:
            continue
        draws = np.random.default_rng(seed + 2)
        units = [source.draw(draws, STRAY) for _ in range(MEASURED)]
        rows[name] = right(found, other, units)
        if name == "seen":
            rows["floor"] = commonest(learn, units, other.language, seed)
    return rows


def right(found: Describer, bank: Bank, units: list[Unit], beam: int = BEAM) -> dict[str, float]:
    """The rates for units made of regions of a bank."""
    shown = bank.features[np.array([unit.rows for unit in units])].astype(np.float32)
    table = decoding.candidates(found.decoder, found.model, found.words, shown, beam)
    plain, ranked = (decoding.reranked(table, weight)["description"].tolist() for weight in (0, decoding.WEIGHT))
    hits = [bank.language.parse(text) == set(units[unit].meanings) for unit, text in table.iloc[:, :2].to_numpy()]
    there = pd.Series(hits).groupby(table["unit"].to_numpy()).any().mean()
    rates = scores(ranked, units, bank.language)
    return rates | {"exact_plain": scores(plain, units, bank.language)["exact"], "in_beam": round(float(there), 4)}


def commonest(learn: Bank, units: list[Unit], language: Language, seed: int) -> dict[str, float]:
    """The rates of one description for all units: the commonest of training."""
    draws, source = np.random.default_rng(seed), Units(learn)
    texts = pd.Series([phrases.text(source.draw(draws).meanings) for _ in range(4 * MEASURED)])
    return scores([str(texts.mode().iloc[0])] * len(units), units, language)


def scores(texts: list[str], units: list[Unit], language: Language) -> dict[str, float]:
    """exact, words and named of a description for each unit."""
    pairs = zip(texts, units, strict=True)
    rows = [_right(language.parse(text), frozenset(unit.meanings), language) for text, unit in pairs]
    return {name: round(float(value), 4) for name, value in pd.DataFrame(rows).mean().items()}


def _right(said: frozenset[Meaning], shown: frozenset[Meaning], language: Language) -> dict[str, float]:
    concepts, wanted = frozenset().union(*said), frozenset().union(*shown)
    true = wanted | {group for each in wanted for group in language.kin.get(each, ())}
    words = len(concepts & true) / len(concepts) if concepts else np.nan
    named = len(concepts & wanted) / len(wanted) if wanted else np.nan
    return {"exact": float(said == shown), "words": words, "named": named}
