"""Drawn creatures: pictures show the attributes planted in them, phrases name them, features carry them."""

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from n2vlib.agents import creatures as seen_creatures
from n2vlib.agents import readout, society
from n2vlib.errors import BadInput
from n2vlib.games import creatures
from n2vlib.games.creatures import ATTRIBUTES, COLORS, LEXICON, NAMED
from n2vlib.sources import sources_of
from n2vlib.store import Store
from n2vlib.world.palette import SHADES
from n2vlib.zoo.others import GameAgents

TABLE = creatures.attributes(3_000, 1)


@pytest.mark.parametrize("color", COLORS)
def test_a_creature_shows_the_color_of_its_parts(color):
    """Of all colors' nearest shade, the planted one has the most pixels that another creature does not have."""
    other = "blue" if color != "blue" else "red"
    painted = creatures.picture(3, size="large", body=color, belly=color, wing=color).astype(float)
    without = creatures.picture(3, size="large", body=other, belly=other, wing=other)
    new = painted[np.abs(painted - without).sum(2) > 90]
    far = {name: np.min([np.abs(new - shade).sum(1) for shade in SHADES[name]], axis=0) for name in COLORS}
    nearest = np.array(list(far))[np.argmin(list(far.values()), axis=0)]
    names, counts = np.unique(nearest, return_counts=True)
    assert names[counts.argmax()] == color
    assert len(new) > 150


@pytest.mark.parametrize("name", ["pattern", "crest", "tail", "beak", "legs"])
def test_an_attribute_changes_its_part_and_nothing_else(name):
    first, *others = ATTRIBUTES[name].values
    one = creatures.picture(5, size="large", wing="red", body="blue", belly="white")
    for value in others:
        changes = {name: value}
        other = creatures.picture(5, size="large", wing="red", body="blue", belly="white", **changes)
        share = (np.abs(one.astype(int) - other).sum(2) > 60).mean()
        assert 0.001 < share < 0.1, f"{first} and {value} differ on {share:.1%} of the picture"


def test_a_large_creature_covers_more_and_grounds_differ():
    def covered(size):
        pairs = [(creatures.picture(k, size=size, body="red"), creatures.picture(k, size=size)) for k in range(6)]
        return np.mean([(np.abs(one.astype(int) - other).sum(2) > 60).mean() for one, other in pairs])

    assert covered("large") > 2 * covered("small")
    means = [creatures.picture(0, background=each)[:, :4].mean((0, 1)) for each in ATTRIBUTES["background"].values]
    assert all(np.abs(one - other).max() > 3 for k, one in enumerate(means) for other in means[:k])


def test_pictures_depend_on_seed_and_place_only():
    few = creatures.pictures(TABLE[:5], 7)
    assert np.array_equal(few, creatures.pictures(TABLE[:9], 7)[:5])
    assert not np.array_equal(few[0], creatures.pictures(TABLE[:1], 8)[0])


def phrases(table, slip):
    bags = creatures.describe(table, 3, slip)
    assert np.allclose(bags.sum(1), 1)
    return [[LEXICON[k] for k in np.flatnonzero(bag)] for bag in bags]


def true(row):
    return {f"{each.values[row[k]]} {each.noun}" for k, each in enumerate(NAMED.values())}


def test_without_slips_every_phrase_is_true_and_names_another_attribute():
    told = phrases(TABLE, 0.0)
    assert {len(each) for each in told} == {2, 3, 4}
    assert all(set(each) <= true(row) for each, row in zip(told, TABLE, strict=True))


def test_a_slip_names_another_value_of_its_attribute():
    told = phrases(TABLE, 0.1)
    wrong = [phrase for each, row in zip(told, TABLE, strict=True) for phrase in each if phrase not in true(row)]
    assert len(wrong) / sum(map(len, told)) == pytest.approx(0.1, abs=0.012)
    attribute_of = {f"{v} {each.noun}": name for name, each in NAMED.items() for v in each.values}
    assert all(len({attribute_of[phrase] for phrase in each}) == len(each) for each in told)
    small = [each for each, row in zip(phrases(TABLE, 1.0), TABLE, strict=True) if row[0] == 0]
    assert not any("small creature" in each for each in small)


def test_attributes_are_named_as_often_as_drawing_them_one_by_one_names_them():
    draws, counts = random.Random(0), dict.fromkeys(NAMED, 0)
    for _ in range(8_000):
        left = {name: each.weight for name, each in NAMED.items()}
        for _ in range(draws.randint(2, 4)):
            name = draws.choices(list(left), list(left.values()))[0]
            counts[name] += 1
            del left[name]
    told = phrases(TABLE, 0.0)
    for name, each in NAMED.items():
        ours = np.mean([bool({f"{value} {each.noun}" for value in each.values} & set(said)) for said in told])
        if name not in ("wing", "pattern"):
            assert ours == pytest.approx(counts[name] / 8_000, abs=0.025)
    assert not any("meadow" in phrase or "shore" in phrase for phrase in LEXICON)
    assert len(set(LEXICON)) == len(LEXICON) <= 50


def test_features_are_standardised_before_and_after_a_projection():
    values = np.random.default_rng(0).normal(3, [1, 10, 100, 0], (40, 4))
    for size, columns in ((4, 4), (2, 2)):
        made = creatures.projected(torch.tensor(values), size, 1).numpy()
        assert made.shape == (40, columns)
        assert np.allclose(made.mean(0), 0, atol=1e-5)
        assert np.allclose(made.std(0), [1, 1, 1, 0] if size == 4 else 1, atol=1e-4)
    alone = (values[:, 0] - values[:, 0].mean()) / values[:, 0].std()
    assert np.allclose(creatures.projected(torch.tensor(values), 4)[:, 0], alone, atol=1e-5)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    return seen_creatures.seen(300, 2, Store(str(tmp_path_factory.mktemp("store"))))


def test_a_linear_probe_reads_attributes_from_what_the_network_sees(few):
    things, learn = few.game.things.numpy().astype(float), 220
    for name, least in {"size": 0.9, "background": 0.6, "body": 0.25}.items():
        target = np.eye(len(ATTRIBUTES[name].values))[few.creatures.values(name)]
        inputs = np.column_stack([things, np.ones(len(things))])
        solved = np.linalg.solve(inputs[:learn].T @ inputs[:learn] + 10 * np.eye(65), inputs[:learn].T @ target[:learn])
        right = (inputs[learn:] @ solved).argmax(1) == few.creatures.values(name)[learn:]
        assert right.mean() > least, name


def test_the_game_has_folds_and_descriptions_of_every_creature(few, tmp_path):
    game = few.game
    assert [len(game.folds[fold]) for fold in ("train", "validation", "test")] == [180, 60, 60]
    assert sorted(torch.cat(list(game.folds.values())).tolist()) == list(range(300))
    assert few.creatures.phrases(7) == [game.lexicon[k] for k in game.names[7].nonzero()[:, 0].tolist()]
    again = seen_creatures.seen(60, 2, Store(str(tmp_path)))
    assert torch.equal(again.game.things, seen_creatures.drawn(60, 2, Store(str(tmp_path))).things)
    assert again.game.origin != game.origin


def test_all_code_that_runs_while_creatures_are_drawn_is_in_the_games_key(tmp_path, monkeypatch):
    ran: set[str] = set()
    creatures._thing.cache_clear()
    sys.setprofile(lambda frame, *_: ran.add(frame.f_code.co_filename))
    creatures.pictures(TABLE[:20])
    sys.setprofile(None)
    ours = {Path(file) for file in ran if "n2vlib" in file}
    assert {path.stem for path in ours} >= {"creatures", "canvas", "palette"}
    assert ours <= {Path(creatures.__file__), *sources_of(seen_creatures.PAINTERS)}
    store = Store(str(tmp_path))
    before = seen_creatures.drawn(60, 2, store).origin
    monkeypatch.setattr(seen_creatures, "PAINTERS", ["n2vlib.errors"])
    assert seen_creatures.drawn(60, 2, store).origin != before


def test_a_reader_learns_the_contrast_of_two_creatures():
    draws = np.random.default_rng(0)
    values, pair = draws.integers(0, 3, 50), draws.integers(0, 50, (400, 2))
    apart = readout.contrast(values, 3, pair)
    for row, (one, other) in zip(apart, pair, strict=True):
        assert row.tolist() == [int(values[one] == k) - int(values[other] == k) for k in range(3)]
    planted = apart @ draws.normal(size=(3, 5)) + draws.normal(scale=0.01, size=(400, 5))
    for inputs, least, most in ((planted, 0.99, 1.0), (draws.normal(size=(400, 5)), 0.35, 0.65)):
        found = readout.read(inputs[:300], apart[:300], inputs[300:])
        right = (found * apart[300:]).sum(1)[apart[300:].any(1)] > 0
        assert least <= right.mean() <= most


def test_a_readout_has_a_row_for_each_attribute_and_source(few):
    row = GameAgents("some", "creatures", rounds=1, hidden=8, size=4, belief=8, seeds=(0, 1))
    everybody = society.blank(row, few.game, few.game.lexicon)
    found = readout.readout(everybody, few.creatures, 300)
    assert len(found) == 2 * len(ATTRIBUTES) * len(readout.SOURCES)
    assert found["right"].between(0, 1).all()
    size = found.query("attribute == 'size'").groupby("source")["right"].mean()
    assert size["features"] > 0.95
    named = found.query("source == 'descriptions'").groupby("attribute")["right"].mean()
    assert named["size"] > 0.6 > named["background"]


def test_files_are_named_both_or_neither(tmp_path):
    for given in ((None, "captions.tsv"), ("features.csv", None)):
        with pytest.raises(BadInput, match=r"^(FEATURES|CAPTIONS): is not given, but (CAPTIONS|FEATURES) is"):
            seen_creatures.named(*given, 60, Store(str(tmp_path)))
    assert seen_creatures.named(None, None, 60, Store(str(tmp_path)))[0] is not None


def test_too_few_creatures_are_refused():
    with pytest.raises(BadInput, match="CREATURES: 49; draw 50 at least"):
        creatures.attributes(49)
