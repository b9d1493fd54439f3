"""Which attributes of a creature the translation of a message keeps (of birds: Andreas et al. 2017, section 8)."""

import numpy as np
import pandas as pd
import torch

from n2vlib.agents.play import play
from n2vlib.agents.society import Society
from n2vlib.agents.translating import STATES, stream, translator
from n2vlib.games.creatures import NAMED, Creatures
from n2vlib.games.reference import ReferenceGame
from n2vlib.methods.translation import Meaning, distances

COARSE = ("size", "body")  # a creature's size and main color


@torch.no_grad()
def kept(society: Society, creatures: Creatures, n: int = STATES, seed: int = 0) -> pd.DataFrame:
    """For n messages of every team and each attribute: seed, message, attribute, coarse, value, kept, by_chance.

    A message's translation of an attribute is the nearest of the phrases for it ("small creature" or "large creature");
    `value` is which. It is `kept` (0 or 1) where the creature that is meant has this value; by_chance: the share of the
    other messages whose translation would have been right of this creature.
    """
    assert isinstance(society.game, ReferenceGame)
    rows = []
    for team in range(len(society.teams)):
        draws = stream(seed, team)
        state = society.game.new(n, draws, "test")
        messages = play(society.game, society.robots(team), state, draws).messages[0][:, 0]
        meant = state.things.gather(1, state.target[:, None])[:, 0].numpy()
        way = translator(society, team, "belief", draws)
        source = Meaning(way.code_log_p(messages))
        far = distances(source, way.of_words, "belief").round(decimals=10).numpy()
        first = 0
        for name, attribute in NAMED.items():
            value = far[:, first : first + len(attribute.values)].argmin(1)
            first += len(attribute.values)
            has = creatures.values(name)[meant]
            right = (value == has) * 1.0
            chance = (np.bincount(value, minlength=len(attribute.values))[has] - right) / (n - 1)
            keys = {"seed": team, "message": range(n), "attribute": name, "coarse": name in COARSE}
            rows.append(pd.DataFrame({**keys, "value": value, "kept": right, "by_chance": chance}))
    return pd.concat(rows, ignore_index=True)
