"""What becomes of the translations of a game if one thing in the criterion is done otherwise."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from n2vlib.agents.evaluation import interval
from n2vlib.agents.society import Society
from n2vlib.agents.translating import CODES, STATES, sample, stream
from n2vlib.errors import BadInput
from n2vlib.games.reference import ReferenceGame
from n2vlib.methods.translation import LogP, Translator


@dataclass(frozen=True)
class Variant:
    """How to translate an agent's message into words.

    method, weights   as in `translation.distances`
    density   of codes: `released`, or `normal`, that of the channel's noise
    options   what the speaker may have seen beside what it saw;  noisy: whether messages arrive with noise
    redraw    other states, drawn again
    """

    method: str = "belief"
    weights: str = "either"
    density: str = "released"
    options: int = 1
    noisy: bool = True
    redraw: bool = False


RELEASED = "as released"
EXACT = "donot_use_mm_for_euclid_dist"  # neighbours may be nearer than a product of matrices is exact
VARIANTS: Mapping[str, Variant] = {
    RELEASED: Variant(),
    "other states": Variant(redraw=True),
    "divergence from the other side": Variant(method="forward"),
    "states weighted by the message": Variant(weights="source"),
    "states weighted by the word": Variant(weights="candidate"),
    "states weighted by both": Variant(weights="both"),
    "all states alike": Variant(weights="equal"),
    "density of the channel's noise": Variant(density="normal"),
    "four alternatives": Variant(options=4),
    "no noise in messages": Variant(noisy=False),
    "direct": Variant(method="direct"),
    "direct, less how often a word is used": Variant(method="pmi"),
    "random words": Variant(method="random"),
}


@torch.no_grad()
def compared(
    society: Society,
    messages: int,
    seed: int = 0,
    states: int = STATES,
    variants: Mapping[str, Variant] = VARIANTS,
    top: int = 5,
) -> pd.DataFrame:
    """One row a message of every team and variant: seed (of the team), variant, message, word (the nearest entry of the
    lexicon), same (as of the first variant), right, right_of_one, and, in a reference game, named.

    right   whether the model of people's words, hearing the `top` nearest words, finds what the speaker saw more
            probable than the alternative; right_of_one: hearing the nearest only
    named   whether one of the `top` nearest words is in the name that people gave to what was meant
    """
    if len(variants) < 1:
        raise BadInput("no variant to compare; give one at least")
    rows = []
    for team in range(len(society.teams)):
        words = {name: _words(society, team, each, messages, seed, states, top) for name, each in variants.items()}
        first, seen = next(iter(words.values()))
        for name, (nearest, _) in words.items():
            keys = {"seed": team, "variant": name, "message": range(messages)}
            values = {
                "word": [society.lexicon[k] for k in nearest[:, 0].tolist()],
                "same": (nearest[:, 0] == first[:, 0]).numpy(),
                "right": _right(society, nearest, seen),
                "right_of_one": _right(society, nearest[:, :1], seen),
            }
            if isinstance(society.game, ReferenceGame):
                values["named"] = _named(society.game, nearest, seen)
            rows.append(pd.DataFrame(keys | values))
    return pd.concat(rows, ignore_index=True)


def summary(rows: pd.DataFrame) -> pd.DataFrame:
    """By variant: same with its 95% interval over teams and messages, and the shares of the other columns."""
    found, columns = [], [each for each in ("same", "right", "right_of_one", "named") if each in rows]
    for name, some in rows.groupby("variant", sort=False):
        low, high = interval([each["same"].to_numpy(float) for _, each in some.groupby("seed")])
        shares = {value: some[value].mean() for value in columns}
        found.append({"variant": name} | shares | {"low": low, "high": high})
    return pd.DataFrame(found)


def _words(
    society: Society, team: int, variant: Variant, messages: int, seed: int, states: int, top: int
) -> tuple[Tensor, Tensor]:
    """Nearest words of messages of the test fold (message, top), and what was seen, with its alternative."""
    one = _alone(society, team, variant.noisy)
    seen, codes = sample(one, 0, messages, stream(seed, team), "test")
    draws = stream(seed + (200 if variant.redraw else 100), team)
    known, candidates = sample(one, 0, max(states, CODES), draws, options=variant.options)
    log_p, of_words = society.codes[team].of(known[:states]), society.words.of(known[:states])
    if variant.density == "normal":
        log_p = _normal(log_p, society.teams[team].noise)
    pair, lexicon = (log_p, of_words), len(society.lexicon)
    translator = Translator(known[:states], candidates[:CODES], lexicon, *pair, variant.method, draws, variant.weights)
    return translator.nearest(codes, top), seen


def _alone(society: Society, team: int, noisy: bool) -> Society:
    """A society of one team, its channel without noise if asked for."""
    agents = copy.copy(society.teams[team])
    agents.noise = agents.noise if noisy else 0.0
    return replace(society, teams=[agents], codes=[society.codes[team]])


def _normal(log_p: LogP, noise: float) -> LogP:
    """A normal density with the channel's deviation, in place of minus the squared distance."""

    def normal(messages: Tensor) -> Tensor:
        constant = np.log(2 * np.pi * noise**2) * messages.shape[1] / 2
        return log_p(messages) / (2 * noise**2) - constant

    return normal


def _right(society: Society, entries: Tensor, seen: Tensor) -> np.ndarray:
    bags = torch.zeros(len(entries), len(society.lexicon)).scatter_(1, entries, 1 / entries.shape[1])
    log_p = society.words(seen, bags[:, None].expand(-1, seen.shape[1], -1))
    return (log_p[:, :1] > log_p[:, 1:]).all(1).numpy()


def _named(game: ReferenceGame, entries: Tensor, seen: Tensor) -> np.ndarray:
    meant = torch.cdist(seen[:, 0, : game.things.shape[1]], game.things, compute_mode=EXACT).argmin(1)
    return (game.names[meant].gather(1, entries) > 0).any(1).numpy()
