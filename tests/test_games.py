"""Games of n states at once, beside loops over single games and cells."""

import random

import pytest
import torch
from slow_driving import SlowCar, slow_step

from n2vlib.errors import BadInput
from n2vlib.games.driving import ACTIONS, DIRECTIONS, GOALS, ROADS, STARTS, DrivingGame
from n2vlib.games.game import FOLDS, chosen
from n2vlib.games.reference import ReferenceGame


def test_driving_is_the_slow_loop():
    game, draws, coin = DrivingGame(), torch.Generator().manual_seed(3), random.Random(3)
    state = game.new(300, draws)
    slow = [
        [SlowCar(tuple(state.head[g, i].tolist()), DIRECTIONS[state.direction[g, i]], tuple(state.goal[g, i].tolist()))
         for i in (0, 1)]
        for g in range(300)
    ]  # fmt: skip
    over, arrived, crashed = set(), 0, 0
    for _ in range(game.turns):
        # Mostly forward, so that cars arrive, and meet.
        actions = torch.tensor([[coin.choice([0, 1, 1, 1, 1, 2, 3]) for _ in (0, 1)] for _ in range(300)])
        turn = game.step(state, actions)
        for g in set(range(300)) - over:
            reward, ended = slow_step(int(state.road[g]), slow[g], [ACTIONS[a] for a in actions[g]])
            assert float(turn.reward[g]) == pytest.approx(reward, abs=1e-5) and bool(turn.over[g]) == ended
            assert [car.done for car in slow[g]] == turn.state.done[g].tolist()
            arrived, crashed = arrived + sum(car.done for car in slow[g]), crashed + (ended and reward < -1)
            over |= {g} if ended else set()
        state = turn.state
    assert arrived > 20 and crashed > 20


def test_a_driver_sees_its_own_car_only():
    game, draws = DrivingGame(), torch.Generator().manual_seed(0)
    state = game.new(50, draws)
    seen = game.observe(state)
    assert seen.shape == (50, 2, game.features) == (50, 2, 138)
    for g in range(50):
        for i in (0, 1):
            road, head, goal, done, direction = seen[g, i].split([5, 64, 64, 1, 4])
            assert road.argmax() == state.road[g] and direction.argmax() == state.direction[g, i] and done == 0
            assert head.reshape(8, 8).nonzero().tolist() == [state.head[g, i].tolist()]
            assert goal.reshape(8, 8).nonzero().tolist() == [state.goal[g, i].tolist()]
    gone = state._replace(done=torch.ones_like(state.done))
    assert game.observe(gone).abs().sum() == 0


def test_starts_are_two_and_uniform():
    game, draws = DrivingGame(), torch.Generator().manual_seed(1)
    state = game.new(20_000, draws)
    assert not (state.head[:, 0] == state.head[:, 1]).all(1).any()
    for road, starts in enumerate(STARTS):
        of_road = state.head[state.road == road, 1]
        shares = [(of_road == start[:2]).all(1).float().mean() for start in starts]
        assert torch.stack(shares).sum() == pytest.approx(1) and torch.stack(shares).std() < 0.02
        assert {tuple(x) for x in state.goal[state.road == road].flatten(0, 1).tolist()} == {
            tuple(x) for x in GOALS[road].tolist()
        }


def test_what_else_a_driver_might_see_is_on_the_road():
    game, draws = DrivingGame(), torch.Generator().manual_seed(2)
    state = game.new(200, draws)
    options = game.alternatives(state, 0, 3, draws)
    assert options.shape == (200, 3, 138)
    cells = options[..., 5:69].argmax(2)
    for g in range(200):
        assert (options[g, :, :5].argmax(1) == state.road[g]).all()
        assert all(ROADS[state.road[g]][c // 8][c % 8] != "#" for c in cells[g].tolist())
    assert len(cells.unique()) > 30


def pairs(folds=None):
    names = torch.eye(3)[torch.arange(6) % 3]
    rows = folds or {"train": torch.arange(4), "validation": torch.arange(4, 6), "test": torch.arange(4, 6)}
    return ReferenceGame("things", torch.arange(12.0).reshape(6, 2), ["a", "b", "c"], names, rows)


def test_a_reference_game_turn_by_turn():
    game, draws = pairs(), torch.Generator().manual_seed(0)
    state = game.new(100, draws)
    assert game.features == 5 and set(state.things.flatten().tolist()) == {0, 1, 2, 3}
    seen = game.observe(state)
    waits = torch.tensor([[0, 2]]).expand(100, 2)
    later, reward, over = game.step(state, waits)
    assert not over.any() and torch.allclose(reward, torch.tensor(-0.1))
    then = game.observe(later)
    for g in range(100):
        left, right = (game.things[row] for row in state.things[g])
        meant, other = (left, right) if state.target[g] == 0 else (right, left)
        assert torch.equal(seen[g, 0], torch.cat([meant, other, torch.ones(1)]))
        assert torch.equal(seen[g, 1], torch.tensor([0.0, 0, 0, 0, 1]))
        assert torch.equal(then[g, 1], torch.cat([left, right, torch.zeros(1)]))
        assert torch.equal(then[g, 0], torch.cat([meant, other, torch.zeros(1)]))
        assert game.described(state)[g].argmax() == state.things[g, state.target[g]] % 3
    for action in (0, 1):
        turn = game.step(later, torch.tensor([[0, action]]).expand(100, 2))
        assert turn.over.all() and torch.equal(turn.reward, (state.target == action).float())
        assert torch.equal(game.won(turn.state), state.target == action)


def test_who_chooses_in_the_first_turn_gains_nothing():
    game = pairs()
    state = game.new(50, torch.Generator().manual_seed(0))
    turn = game.step(state, torch.stack([torch.zeros(50).long(), state.target], 1))
    assert turn.over.all() and not turn.reward.any() and not game.won(turn.state).any()


def test_the_other_thing_might_have_been_meant():
    game, draws = pairs(), torch.Generator().manual_seed(0)
    state = game.new(20, draws)
    options = game.alternatives(state, 0, 2, draws)
    swapped = game.observe(state._replace(target=1 - state.target))[:, 0]
    assert options.shape == (20, 2, 5) and torch.equal(options[:, 0], swapped)
    assert torch.equal(chosen(state, torch.tensor([3, 1])).target, state.target[[3, 1]])


def test_a_game_without_words_or_things_is_refused():
    with pytest.raises(BadInput, match="things: the lexicon is empty"):
        ReferenceGame("things", torch.ones(4, 2), [], torch.ones(4, 0), dict.fromkeys(FOLDS, torch.arange(4)))
    with pytest.raises(BadInput, match="things: 1 things for test"):
        pairs(folds={"train": torch.arange(4), "validation": torch.arange(2), "test": torch.arange(1)})
    with pytest.raises(BadInput, match="things: all things for train are alike; give some that differ"):
        ReferenceGame("things", torch.ones(4, 2), ["a"], torch.ones(4, 1), dict.fromkeys(FOLDS, torch.arange(4)))
