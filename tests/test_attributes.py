"""What translations keep of a creature: beside a loop, for agents whose every message is known."""

from types import SimpleNamespace

import numpy as np
import torch

from n2vlib.agents import attributes
from n2vlib.games import creatures
from n2vlib.games.creatures import LEXICON, NAMED


def test_a_message_that_says_every_attribute_keeps_all_of_them(monkeypatch):
    table = creatures.attributes(60)
    found = creatures.Creatures(table, creatures.describe(table), np.zeros((60, 1, 1, 3), np.uint8))
    n = 40
    names = torch.zeros(60, len(LEXICON))  # the phrases that are true of each creature
    first = np.cumsum([0, *(len(each.values) for each in NAMED.values())])
    for row in range(60):
        for k, name in enumerate(NAMED):
            names[row, first[k] + found.values(name)[row]] = 1.0

    def fake_play(game, robots, state, draws):
        meant = state.things.gather(1, state.target[:, None])[:, 0]
        return SimpleNamespace(messages=(names[meant][:, None], None))

    def translator(society, team, method, draws):
        return SimpleNamespace(code_log_p=lambda messages: messages[:, :, None].repeat(1, 1, 2), of_words=None)

    def distances(source, candidates, method):
        return -source.log_p[:, :, 0].double()

    for name, fake in (("play", fake_play), ("translator", translator), ("distances", distances)):
        monkeypatch.setattr(attributes, name, fake)
    features = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)
    game = creatures.game(found, features, "test")
    society = SimpleNamespace(game=game, teams=[None, None], robots=lambda team: None)
    rows = attributes.kept(society, found, n)
    assert len(rows) == 2 * n * len(NAMED) and (rows["kept"] == 1).all()
    assert set(rows.loc[rows["coarse"], "attribute"]) == set(attributes.COARSE)
    size = rows[(rows["attribute"] == "size") & (rows["seed"] == 0)]
    count = size["value"].value_counts()
    assert np.allclose(size["by_chance"], [(count[value] - 1) / (n - 1) for value in size["value"]])
