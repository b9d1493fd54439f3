"""Beam search over descriptions of many units at once, and reranking (MILAN, section 3.2, equation 3).

    score(d) = log p(d | E) - weight * log p(d)

The search keeps the `beam` likeliest beginnings of each unit, by summed log-probability, without a bonus for length.
A description that has ended stays in the beam as it is. With the weight 1 the score is the pointwise mutual information
of description and exemplars; with 0 it is the likelihood.
"""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from n2vlib.words.model import LONGEST, PAD, START, STOP, Decoder, LanguageModel, likelihood, numbers

BEAM, WEIGHT = 50, 0.2  # as in the paper
UNITS_AT_ONCE, TEXTS_AT_ONCE = 64, 2048


@torch.inference_mode()
def candidates(
    decoder: Decoder, model: LanguageModel, words: list[str], features: NDArray[np.float32], beam: int = BEAM
) -> pd.DataFrame:
    """The `beam` likeliest descriptions of every unit, with the prior of each: unit (its row), description, likelihood,
    prior; the likeliest of a unit first.

    features   (unit, exemplar, feature)
    """
    found = []
    for start in range(0, len(features), UNITS_AT_ONCE):
        said, scores = _search(decoder, torch.from_numpy(features[start : start + UNITS_AT_ONCE]), beam)
        texts = [[_text(row, words) for row in unit] for unit in said.tolist()]
        units = np.repeat(np.arange(start, start + len(texts)), scores.shape[1])
        flat = [text for unit in texts for text in unit]
        found.append(pd.DataFrame({"unit": units, "description": flat, "likelihood": scores.flatten().tolist()}))
    table = (
        pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=["unit", "description", "likelihood"])
    )
    table = table[table["likelihood"] > -np.inf].reset_index(drop=True)  # a beam may have room for more than there is
    once = list(dict.fromkeys(table["description"]))
    priors = dict(zip(once, prior(model, words, once).tolist(), strict=True))
    return table.assign(prior=[priors[text] for text in table["description"]])


def _text(row: list[int], words: list[str]) -> str:
    ended = row.index(STOP) if STOP in row else len(row)
    return " ".join(words[number] for number in row[:ended])


def _search(decoder: Decoder, features: Tensor, beam: int) -> tuple[Tensor, Tensor]:
    """The words of the likeliest descriptions, int64 (unit, beam, position), and their log-probabilities."""
    n, (shown, keys) = len(features), decoder.read(features)
    state, scores = decoder.start(shown), torch.zeros(n, 1)
    said, last = torch.empty(n, 1, 0, dtype=torch.int64), torch.full((n, 1), START)
    for _ in range(LONGEST):
        kept = last.shape[1]
        going = (last.flatten() != STOP).nonzero()[:, 0]  # what has ended stays as it is, unread
        of = going // kept
        following, state, _ = decoder.step(last.flatten()[going], state, shown[of], keys[of])
        following[:, [PAD, START]] = -torch.inf
        log_p = torch.full((n * kept, following.shape[1]), -torch.inf)
        log_p[:, STOP] = 0
        log_p[going] = following
        total = scores[..., None] + log_p.view(n, kept, -1)
        n_words = total.shape[2]
        scores, at = total.flatten(1).topk(min(beam, total[0].numel()), dim=1)
        source, last = at // n_words, at % n_words
        rows = (source + torch.arange(n)[:, None] * kept)[last != STOP]
        state = state.at(torch.searchsorted(going, rows))
        said = torch.cat([said.gather(1, source[..., None].expand(-1, -1, said.shape[2])), last[..., None]], 2)
        if (last == STOP).all():
            break
    return said, scores


@torch.inference_mode()
def prior(model: LanguageModel, words: list[str], texts: list[str]) -> NDArray[np.float64]:
    """log p(d) of descriptions: float64, (text,)."""
    found = []
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        rows = numbers(texts[start : start + TEXTS_AT_ONCE], words)
        found.append(likelihood(model(rows[:, :-1]), rows[:, 1:]).numpy())
    return np.concatenate(found).astype(np.float64) if found else np.zeros(0)


def reranked(table: pd.DataFrame, weight: float = WEIGHT) -> pd.DataFrame:
    """The best candidate of every unit: index unit; description, likelihood, prior, score. On a tie the likelier.

    Where the table says which candidates are `fluent` and a unit has some, the best of these: a model of language finds
    `a that sofa` unlikely, and the score takes that for a merit. The paper has no such rule.
    """
    if "fluent" in table:
        table = table.loc[table["fluent"] | ~table.groupby("unit")["fluent"].transform("any")]
    scored = table.assign(score=table["likelihood"] - weight * table["prior"])
    best = scored.sort_values("score", ascending=False, kind="stable").drop_duplicates("unit")
    return best.sort_values("unit").set_index("unit").loc[:, ["description", "likelihood", "prior", "score"]]
