"""Scripted drivers: their way against a slow search, their games by the rules, and what their words are good for."""

from collections import deque

import pytest
import torch

from n2vlib.games import scripted
from n2vlib.games.driving import GOALS, ROADS, SIZE, DrivingGame
from n2vlib.games.recorded import SILENT

AHEAD = [(-1, 0), (0, 1), (1, 0), (0, -1)]


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


def turns_on_the_road(road, start, goal):
    """Turns to the goal on road cells only, by search in breadth; None where there is no way."""
    waiting, seen = deque([(start, 0)]), {start}
    while waiting:
        (row, column, direction), n = waiting.popleft()
        if (row, column) == goal:
            return n
        for turn in (0, -1, 1):
            way = (direction + turn) % 4
            after = min(7, max(0, row + AHEAD[way][0])), min(7, max(0, column + AHEAD[way][1])), way
            if after not in seen and ROADS[road][after[0]][after[1]] != "#":
                seen.add(after)
                waiting.append((after, n + 1))
    return None


@pytest.mark.parametrize("road", range(len(ROADS)))
def test_the_way_is_the_shortest_on_the_road(road):
    left, actions = scripted.shortest()
    for goal_row, goal_column in GOALS[road].tolist():
        for row in range(SIZE):
            for column in range(SIZE):
                if ROADS[road][row][column] != "#":
                    found = left[road, goal_row * SIZE + goal_column, row, column].tolist()
                    slow = [turns_on_the_road(road, (row, column, d), (goal_row, goal_column)) for d in range(4)]
                    assert all(a == b for a, b in zip(found, slow, strict=True) if b is not None)
    assert actions.min() == 1 and actions.max() == 3


def test_games_follow_from_their_actions():
    found, game = scripted.games(60, draws()), DrivingGame()
    state = found.states[0]
    for t in range(game.turns):
        running = found.running[:, t]
        state = game.step(found.states[t], found.actions[:, t]).state
        for now, then in zip(state, found.states[t + 1], strict=True):
            assert torch.equal(now[running], then[running])
    assert found.source == "scripted" and found.lexicon[0] == SILENT
    assert torch.equal(found.messages.sum(3), torch.ones(60, 20, 2))
    assert not found.actions[~found.running].any()


def test_the_same_games_on_every_run_and_others_for_the_test():
    again = [scripted.default("train").actions, scripted.default("train").actions]
    assert torch.equal(*again)
    assert not torch.equal(again[0][:100], scripted.default("test").actions)


def test_drivers_who_do_not_slip_seldom_crash_and_slips_cost():
    won = [float(scripted.games(400, draws(), slips).states[-1].done.all(1).float().mean()) for slips in (0, 1, 4)]
    assert won[0] > 0.9 and won[0] > won[1] > won[2]


def test_what_is_heard_prevents_crashes(monkeypatch):
    heard = float(scripted.games(400, draws(), 0).states[-1].done.all(1).float().mean())
    drive = scripted._drive
    monkeypatch.setattr(scripted, "_drive", lambda state, said_to, *rest: drive(state, 0 * said_to, *rest))
    deaf = float(scripted.games(400, draws(), 0).states[-1].done.all(1).float().mean())
    assert heard > deaf + 0.05


def test_without_slips_what_is_spoken_is_true():
    found = scripted.games(200, draws(), 0)
    words = found.messages.argmax(3)
    direction = torch.stack([each.direction for each in found.states[:-1]], 1)
    row = torch.stack([each.head for each in found.states[:-1]], 1)[..., 0]
    running = found.running[..., None].expand_as(words)
    for k, name in enumerate(("going north", "going east", "going south", "going west")):
        here = (words == found.lexicon.index(name)) & running
        assert here.any() and (direction[here] == k).all()
    assert (row[(words == found.lexicon.index("north side")) & running] < 3).all()
    waiting = (words == found.lexicon.index("you first")) & running
    assert waiting.any() and not found.actions[waiting].any()
