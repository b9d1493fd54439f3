"""Translations of a game when one choice of the criterion is another: beside a translator by hand, and loops."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from n2vlib.agents import translating, variants
from n2vlib.agents.society import Society, blank
from n2vlib.agents.variants import RELEASED, VARIANTS, Variant, compared
from n2vlib.errors import BadInput
from n2vlib.games.reference import ReferenceGame
from n2vlib.zoo.others import AGENTS

LEXICON = ("a", "b", "c", "d", "e", "f")


@pytest.fixture(scope="module")
def society() -> Society:
    """Two teams that have learned nothing; their messages and words differ all the same."""
    draws = torch.Generator().manual_seed(0)
    names = torch.eye(6)[torch.randint(6, (90,), generator=draws)]
    rows = {fold: torch.arange(90) for fold in ("train", "validation", "test")}
    game = ReferenceGame("colors", torch.rand(90, 3, generator=draws), LEXICON, names, rows)
    row = replace(AGENTS["small-color-agents"], seeds=(0, 1), hidden=8, size=4, belief=8)
    made = blank(row, game, LEXICON)
    for each in (made.words, *made.codes, *made.teams):
        each.requires_grad_(False)
    return made


@pytest.fixture(scope="module")
def rows(society) -> pd.DataFrame:
    return compared(society, 20, states=16, top=3)


def test_a_row_is_a_message_of_a_team_and_a_variant(rows):
    assert rows.groupby(["seed", "variant"]).size().tolist() == [20] * 2 * len(VARIANTS)
    assert rows.loc[rows["variant"] == RELEASED, "same"].all() and set(rows["word"]) <= set(LEXICON)
    first = rows.loc[rows["variant"] == RELEASED, "word"].tolist()
    for _, some in rows.groupby("variant"):
        assert some["same"].tolist() == [word == other for word, other in zip(some["word"], first, strict=True)]
    table = variants.summary(rows)
    assert table["variant"].tolist() == list(VARIANTS) and table["same"].between(table["low"], table["high"]).all()


def test_words_and_beliefs_are_those_of_a_translator_by_hand(society, rows):
    seen, codes = translating.sample(society, 1, 20, translating.stream(0, 1), "test")
    nearest = translating.translator(society, 1, "direct", translating.stream(100, 1), 16).nearest(codes, 3)
    some = rows.query("seed == 1 and variant == 'direct'")
    assert some["word"].tolist() == [LEXICON[k] for k in nearest[:, 0]]
    for message in range(20):
        bag = sum(torch.eye(6)[k] for k in nearest[message]) / 3
        true, other = (society.words(seen[message, k], bag).item() for k in (0, 1))
        assert some["right"].iloc[message] == (true > other)
        thing = [k for k in range(90) if torch.equal(society.game.things[k], seen[message, 0, :3])]
        name = int(society.game.names[thing[0]].argmax())
        assert some["named"].iloc[message] == (name in nearest[message].tolist())


def test_the_density_of_the_noise_is_normal(society):
    noise = society.teams[0].noise
    codes, seen = torch.randn(3, 4), torch.rand(5, 2, society.game.features)
    normal = variants._normal(society.codes[0].of(seen), noise)(codes)
    mean = society.codes[0].mean(seen)
    slow = torch.distributions.Normal(mean, noise).log_prob(codes[:, None, None]).sum(3)
    assert torch.allclose(normal, slow, atol=1e-3)


def test_nothing_is_left_changed_and_no_variant_is_refused(society):
    noise = society.teams[0].noise
    compared(society, 5, states=4, variants={"quiet": Variant(noisy=False)})
    assert society.teams[0].noise == noise > 0
    with pytest.raises(BadInput, match="no variant"):
        compared(society, 5, variants={})
