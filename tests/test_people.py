"""Models of people: imitation learns what they do and say, and people are replayed as written down."""

import pytest
import torch
from torch.nn import functional as F

from n2vlib.agents import people
from n2vlib.agents.play import play
from n2vlib.games.driving import DrivingGame
from n2vlib.games.reference import WAIT, ReferenceGame


@pytest.fixture
def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="module")
def game() -> ReferenceGame:
    """Four colors; of each its name, and the last has two names."""
    things = torch.tensor([[0.0, 1, 1], [0.3, 1, 1], [0.6, 1, 1], [0.6, 0, 0]]).repeat(10, 1)
    names = torch.eye(5)[[0, 1, 2, 3]]
    names[3, 3:] = 0.5
    rows = torch.arange(40)
    folds = {"train": rows[:24], "validation": rows[24:32], "test": rows[32:]}
    return ReferenceGame("four", things, ["red", "green", "blue", "dark", "black"], names.repeat(10, 1), folds)


@pytest.fixture(scope="module")
def imitation(game) -> people.Imitation:
    torch.manual_seed(0)
    imitation, draws = people.Imitation(game, 5), torch.Generator().manual_seed(0)
    people.fit(imitation, game, lambda step: people.demonstrations(game, 64, draws), 300)
    return imitation


def test_a_demonstration_describes_what_is_meant_and_ends_right(game, draws):
    shown = people.demonstrations(game, 20, draws, "validation")
    for i in range(20):
        things, target = shown.states[0].things[i], int(shown.states[0].target[i])
        assert set(things.tolist()) <= set(game.folds["validation"].tolist())
        for turn in (0, 1):
            assert shown.messages[i, turn, 0].equal(game.names[things[target]])
        assert shown.actions[i].tolist() == [[0, WAIT], [0, target]]
    assert not shown.messages[:, :, 1].any()
    assert game.won(shown.states[-1]).all() and shown.running.all()


@torch.no_grad()
def test_the_loss_is_that_of_a_loop_over_games_and_turns(draws):
    game = DrivingGame()
    imitation, n, turns = people.Imitation(game, 3, hidden=8), 4, 3
    states = [game.new(n, draws)]
    actions = torch.randint(4, (n, turns, 2), generator=draws)
    for t in range(turns):
        states.append(game.step(states[-1], actions[:, t]).state)
    messages = F.one_hot(torch.randint(4, (n, turns, 2), generator=draws), 4)[..., :3].float()  # the fourth is silence
    messages[0, 1, 0] = torch.tensor([0.5, 0.5, 0])
    running = torch.arange(turns) < torch.tensor([3, 1, 2, 3])[:, None]
    recorded = people.Recorded(states, actions, messages, running, ["a", "b", "c"], "scripted")

    total, count = 0.0, 0
    for i in range(n):
        for player in range(2):
            memory = torch.zeros(1, 8)
            for t in range(int(running[i].sum())):
                heard = messages[i, t - 1, 1 - player] if t else torch.zeros(3)
                seen = game.observe(states[t])[i, player]
                memory, scores, words = imitation.part(player)(seen[None], heard[None], memory)
                total -= float(scores[0].log_softmax(0)[actions[i, t, player]])
                chances, shares = words[0].log_softmax(0), messages[i, t, player].tolist()
                for entry, share in enumerate([*shares, 1 - sum(shares)]):
                    total -= share * float(chances[entry])
                count += 1
    assert float(people.loss(imitation, game, recorded)) == pytest.approx(total / count, rel=1e-5)
    assert imitation.part(0) is imitation.part(1)  # both cars have the same part


def test_who_imitates_listens_to_the_words(game, imitation, draws):
    state = game.new(400, draws, "test")
    differ = (game.things[state.things[:, 0]] != game.things[state.things[:, 1]]).any(1)
    players = people.describing(game, state), people.Listener(imitation, 1)
    played = play(game, players, state, draws)
    assert played.won[differ].float().mean() > 0.97
    assert (played.running.sum(1) == 2).all()  # it waits once, and chooses
    deaf = play(game, players, state, draws, (None, torch.zeros_like)).won[differ].float().mean()
    assert abs(deaf - 0.5) < 0.15


def test_who_imitates_speaks_as_people_do(game, imitation, draws):
    state = game.new(200, draws, "test")
    speaker, seen = people.Listener(imitation, 0), game.observe(state)[:, 0]
    memory, actions, messages = speaker.act(seen, torch.zeros(200, 5), speaker.begin(200), draws)
    assert not actions.any()
    right = (messages * game.described(state)).sum(1) > 0
    assert right.float().mean() > 0.97
    later = speaker.act(
        game.observe(game.step(state, torch.tensor([[0, WAIT]] * 200)).state)[:, 0], messages, memory, draws
    )
    again = (later[2] * game.described(state)).sum(1) > 0  # and the same in turn two
    assert again.float().mean() > 0.97


def test_who_is_replayed_repeats_the_last_message(game, draws):
    messages, actions = torch.rand(3, 2, 5), torch.tensor([[1, 2], [3, 1], [2, 2]])
    replayed = people.Replayed(messages, actions)
    memory, found = replayed.begin(3), []
    for _ in range(4):
        memory, *each = replayed.act(torch.zeros(3, 1), torch.zeros(3, 1), memory, draws)
        found.append(each)
    assert torch.stack([each[0] for each in found], 1).tolist() == [[1, 2, 0, 0], [3, 1, 0, 0], [2, 2, 0, 0]]
    assert torch.stack([each[1] for each in found], 1).equal(messages[:, [0, 1, 1, 1]])
    assert memory.tolist() == [4, 4, 4]


def test_two_cars_are_replayed_in_play(draws):
    game = DrivingGame()
    state = game.new(6, draws)
    robots = people.Imitation(game, 2, 8)
    players = people.Replayed(torch.ones(6, 1, 2), torch.ones(6, 1, dtype=torch.int64)), people.Listener(robots, 1)
    played = play(game, players, state, draws)
    assert (played.actions[:, 0, 0] == 1).all() and not played.actions[:, 1:, 0].any()
    assert played.messages[0].eq(1).all()
