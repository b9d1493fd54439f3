"""Which attributes of a creature a linear classifier reads: from what is seen, from messages, from descriptions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from n2vlib.agents.play import play
from n2vlib.agents.society import Society
from n2vlib.games.creatures import ATTRIBUTES, Creatures
from n2vlib.games.reference import ReferenceGame

SOURCES = ("features", "messages", "descriptions")
RIDGE = 10.0  # penalty on squared weights of the classifier
_FOLDS = ("train", "test")


def readout(society: Society, creatures: Creatures, n: int, seed: int = 0) -> pd.DataFrame:
    """Of each team, attribute and one of SOURCES: seed, attribute, source, accuracy, chance.

    The classifiers learn from n games on training creatures and are tested on n games on test creatures; they read the
    attribute of the creature that is meant. chance: accuracy of the value that is most common in training.
    features      the numbers that the agents see of the creature
    messages      what the agent that speaks says in its first turn, as it arrives
    descriptions  what people said of the creature, as shares of phrases
    """
    game, rows = society.game, []
    assert isinstance(game, ReferenceGame)
    for team in range(len(society.teams)):
        draws, meant, read = torch.Generator().manual_seed(seed + 1_000 * team), {}, {}
        for fold in _FOLDS:
            state = game.new(n, draws, fold)
            meant[fold] = state.things.gather(1, state.target[:, None])[:, 0]
            said = play(game, society.robots(team), state, draws).messages[0][:, 0]
            found = game.things[meant[fold]], said, game.described(state)
            read[fold] = dict(zip(SOURCES, (each.double().numpy() for each in found), strict=True))
        for name in ATTRIBUTES:
            values = {fold: creatures.values(name)[meant[fold].numpy()] for fold in _FOLDS}
            chance = (values["test"] == np.bincount(values["train"]).argmax()).mean()
            for source in SOURCES:
                inputs = {fold: read[fold][source] for fold in _FOLDS}
                keys = {"seed": team, "attribute": name, "source": source}
                rows.append(keys | {"accuracy": accuracy(inputs, values), "chance": chance})
    return pd.DataFrame(rows)


def accuracy(inputs: Mapping[str, NDArray[np.float64]], values: Mapping[str, NDArray[np.int64]]) -> float:
    """Share of test rows whose value a linear classifier finds; both: "train" and "test" -> (row, feature) and (row,).

    Ridge regression on one column for each value, the inputs standardised by the training rows; the largest is taken.
    """
    mean, spread = inputs["train"].mean(0), inputs["train"].std(0) + 1e-9
    train, test = (np.column_stack([(inputs[fold] - mean) / spread, np.ones(len(inputs[fold]))]) for fold in _FOLDS)
    columns = np.eye(max(each.max() for each in values.values()) + 1)[values["train"]]
    weights = np.linalg.solve(train.T @ train + RIDGE * np.eye(train.shape[1]), train.T @ columns)
    return float(((test @ weights).argmax(1) == values["test"]).mean())
