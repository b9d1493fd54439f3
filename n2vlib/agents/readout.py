"""Which attributes tell two creatures apart: in what agents see, in their messages, in translations, for people."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from n2vlib.agents.play import play
from n2vlib.agents.society import Society
from n2vlib.agents.translating import stream, translator
from n2vlib.games.creatures import ATTRIBUTES, Creatures
from n2vlib.games.reference import ReferenceGame
from n2vlib.methods.translation import Translator

SOURCES = ("features", "messages", "translations", "descriptions")
RIDGE = 10.0  # penalty on squared weights


def readout(society: Society, creatures: Creatures, n: int, seed: int = 0) -> pd.DataFrame:
    """Of two creatures that differ in an attribute, how often a linear reader finds the one that is meant.

    Of each team, attribute and one of SOURCES: seed, attribute, source, right, games. Chance is one half. A reader
    learns from n games on training creatures, and is tested on those of n games on test creatures in which the two
    differ in the attribute.

    features      what the agent that speaks sees: the numbers of the creature that is meant, less those of the other
    messages      what it says in its first turn, as it arrives;  translations: the five phrases for it
    descriptions  what people said of the creature that is meant, as shares of phrases
    """
    assert isinstance(society.game, ReferenceGame)
    rows = []
    for team in range(len(society.teams)):
        draws = stream(seed, team)
        way = translator(society, team, "belief", draws)
        train, test = (_played(society, team, n, draws, fold, way) for fold in ("train", "test"))
        for k, name in enumerate(ATTRIBUTES):
            apart = [contrast(creatures.table[:, k], len(ATTRIBUTES[name].values), pair) for pair, _ in (train, test)]
            differ = apart[1].any(1)
            for source in SOURCES:
                found = read(train[1][source], apart[0], test[1][source])
                right = ((found * apart[1]).sum(1) > 0)[differ].mean()
                keys = {"seed": team, "attribute": name, "source": source}
                rows.append(keys | {"right": right, "games": int(differ.sum())})
    return pd.DataFrame(rows)


def _played(
    society: Society, team: int, n: int, draws: torch.Generator, fold: str, way: Translator
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]:
    """Of n games: creatures, the one that is meant first, (n, 2); and what a reader reads."""
    game = society.game
    assert isinstance(game, ReferenceGame)
    state = game.new(n, draws, fold)
    pair = torch.where(state.target[:, None] == 0, state.things, state.things.flip(1))
    said = play(game, society.robots(team), state, draws).messages[0][:, 0]
    seen = game.things[pair[:, 0]] - game.things[pair[:, 1]]
    found: Iterator[Tensor] = iter((seen, said, way.to_words(said), game.described(state)))
    return pair.numpy(), {source: each.double().numpy() for source, each in zip(SOURCES, found, strict=True)}


def contrast(values: NDArray[np.int64], count: int, pair: NDArray[np.int64]) -> NDArray[np.float64]:
    """(game, value): 1 for the value of the creature that is meant, -1 for that of the other; zeros if they are one."""
    columns = np.eye(count)[values]
    return columns[pair[:, 0]] - columns[pair[:, 1]]


def read(inputs: NDArray[np.float64], target: NDArray[np.float64], new: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ridge regression of target (game, value) on inputs (game, feature), which are standardised, for new inputs."""
    reader = make_pipeline(StandardScaler(), Ridge(RIDGE))
    return reader.fit(inputs, target - target.mean(0)).predict(new)
