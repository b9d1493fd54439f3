"""Agents: what a turn computes, what is learned from, and that they learn, beside loops over single games."""

import copy
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from n2vlib.agents import beliefs, evaluation, training, translating
from n2vlib.agents.learning import Replay, Schedule, learn, loss
from n2vlib.agents.play import play
from n2vlib.agents.society import blank, load
from n2vlib.agents.team import Robot, Team
from n2vlib.errors import BadInput
from n2vlib.games import scripted
from n2vlib.games.driving import DrivingGame
from n2vlib.games.game import chosen
from n2vlib.games.reference import ReferenceGame
from n2vlib.store import Store, digest
from n2vlib.workers.pool import _Workers, in_processes
from n2vlib.zoo import shipped
from n2vlib.zoo.others import AGENTS, OTHERS, GameAgents


def signs(n=8) -> ReferenceGame:
    """Things that are signs, one each."""
    rows = torch.arange(n)
    return ReferenceGame(
        "signs", torch.eye(n), ["a"], torch.ones(n, 1), dict.fromkeys(("train", "validation", "test"), rows)
    )


def draws(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("game", [signs(), DrivingGame()], ids=["reference", "driving"])
def test_a_turn_of_a_team_is_that_of_its_agents(game):
    torch.manual_seed(0)
    team = Team(game, hidden=5, size=3, noise=0.0)
    seen = game.observe(game.new(4, draws()))
    memory, messages = torch.randn(4, 2, 5), torch.randn(4, 2, 3)
    step = team(seen, messages, memory, draws())
    for i in (0, 1):
        agent = team.agents[i % len(team.agents)]
        for g in range(4):
            inside = torch.tanh(agent.features(torch.cat([seen[g, i], messages[g, 1 - i]])))
            own = agent.memory(inside[None], memory[g, i][None])[0]
            assert torch.allclose(step.memory[g, i], own, atol=1e-6)
            direction = agent.message(own)
            assert torch.allclose(step.messages[g, i], direction / direction.norm(), atol=1e-6)
            values = agent.values(own)
            assert torch.allclose(step.values[g, i, : len(values)], values, atol=1e-6)
            assert (step.values[g, i, len(values) :] < -1e8).all()


def test_the_channel_adds_noise_of_its_deviation():
    team = Team(signs(), 4, 50, noise=0.3)
    sent = torch.zeros(400, 2, 50)
    assert float(team.channel(sent, draws()).std()) == pytest.approx(0.3, abs=0.01)


def test_games_are_played_to_their_ends_and_not_beyond():
    game = DrivingGame()
    team = Team(game, 8, 4, 0.3)
    state = game.new(64, draws())
    played = play(game, (Robot(team, 0, 0.7), Robot(team, 1, 0.7)), state, draws(1))
    for g in range(64):
        now, total, over = chosen(state, torch.tensor([g])), 0.0, False
        for t in range(played.actions.shape[1]):
            assert bool(played.running[g, t]) == (not over)
            if over:
                assert played.rewards[g, t] == 0
                continue
            turn = game.step(now, played.actions[g, t][None])
            now, total, over = turn.state, total + float(turn.reward), bool(turn.over)
        assert total == pytest.approx(float(played.reward[g]), abs=1e-4)
        assert bool(game.won(now)) == bool(played.won[g])
        assert torch.equal(played.seen[g, -1], game.observe(now)[0])


def test_what_players_hear_is_translated_but_not_silence():
    game, heard = signs(), []

    class Ear:
        width = 2

        def begin(self, n):
            return torch.zeros(n, 1)

        def act(self, seen, message, memory, draws):
            heard.append(message)
            return memory, torch.full((len(seen),), 2), torch.ones(len(seen), 2)

    play(game, (Ear(), Ear()), game.new(3, draws()), draws(), (None, lambda messages: messages.repeat(1, 2) + 5))
    first, second = heard[1], heard[3]
    assert torch.equal(first, torch.zeros(3, 4)) and torch.equal(second, torch.full((3, 4), 6.0))


def remembered(game, games=40):
    torch.manual_seed(1)
    team, replay = Team(game, 6, 3, 0.0), Replay(game, 30)
    played = play(game, (Robot(team, 0, 1.0), Robot(team, 1, 1.0)), game.new(games, draws()), draws())
    replay.add(played)
    return team, replay, played


def test_the_last_games_are_remembered():
    game = DrivingGame()
    _, replay, played = remembered(game)
    assert replay.filled == 30
    kept = {round(float(x), 4) for x in replay.rows["rewards"].sum(1)}
    assert kept == {round(float(x), 4) for x in played.reward[-30:]}


@pytest.mark.parametrize("game", [signs(), DrivingGame()], ids=["reference", "driving"])
def test_a_piece_is_what_was_seen_heard_and_done_in_a_game(game):
    _, replay, played = remembered(game, 20)
    piece, starts = replay.draw(40, 3, 0.0, draws(2)), set()

    def is_piece(g, k, start):
        length = int(played.running[k].sum())
        heard = [each[k, start - 1] if start else torch.zeros(3) for each in played.messages]
        same = torch.equal(piece["memory"][g], torch.stack([each[k, start] for each in played.memories]))
        same &= torch.equal(piece["messages"][g], torch.stack(heard))
        for t in range(3):
            now = start + t
            same &= bool(piece["running"][g, t]) == (now < length)
            if same and now < length:
                same &= torch.equal(piece["seen"][g, t], played.seen[k, now])
                same &= torch.equal(piece["seen"][g, t + 1], played.seen[k, now + 1])
                same &= torch.equal(piece["actions"][g, t], played.actions[k, now])
                same &= bool(piece["rewards"][g, t] == played.rewards[k, now])
                same &= bool(piece["over"][g, t]) == (now == length - 1)
        return same

    for g in range(40):
        found = [(k, t) for k in range(20) for t in range(int(played.running[k].sum())) if is_piece(g, k, t)]
        assert found
        starts |= {t for _, t in found}
    assert 0 in starts and (game.turns == 3 or max(starts) > 3)


@torch.no_grad()
@pytest.mark.parametrize("game", [signs(), DrivingGame()], ids=["reference", "driving"])
def test_the_temporal_difference_is_that_of_a_loop(game):
    team, replay, _ = remembered(game)
    target = copy.deepcopy(team)
    for weights in target.parameters():
        weights.mul_(0.5)
    piece = replay.draw(16, 3, 0.0, draws(2))
    total, count = 0.0, 0
    for g in range(16):
        turns = []
        for network in (team, target):
            memory, messages, values = piece["memory"][g], piece["messages"][g], []
            for t in range(4):
                agents = [network.agents[i % len(network.agents)] for i in (0, 1)]
                outcome = [
                    agent(piece["seen"][g, t, i][None], messages[1 - i][None], memory[i][None])
                    for i, agent in enumerate(agents)
                ]
                memory, messages = torch.cat([x[0] for x in outcome]), torch.cat([x[1] for x in outcome])
                values.append([x[2][0] for x in outcome])
            turns.append(values)
        for t in range(3):
            if not piece["running"][g, t]:
                continue
            for i in (0, 1):
                later = 0.0 if piece["over"][g, t] else 0.9 * float(turns[1][t + 1][i].max())
                error = float(piece["rewards"][g, t]) + later - float(turns[0][t][i][piece["actions"][g, t, i]])
                total, count = total + error**2, count + 1
    assert float(loss(team, target, piece, 0.9, draws())) == pytest.approx(total / count, rel=1e-4)


def test_gradients_reach_the_speaker_through_its_message():
    game = signs()
    team, replay, _ = remembered(game)
    piece = replay.draw(64, 3, 0.0, draws(2))
    loss(team, team, piece, 0.9, draws()).backward()
    assert float(team.agents[0].message.weight.grad.abs().sum()) > 0


def test_a_team_learns_to_say_which_thing_is_meant():
    game = signs(4)
    torch.manual_seed(0)
    team = Team(game, 24, 8, 0.3)
    for _ in learn(game, team, Schedule(80, games=32, steps=2, batch=64, replay=1_000, rate=0.01), draws()):
        pass
    robots = Robot(team, 0), Robot(team, 1)
    state = game.new(1_000, draws(5))
    distinct = state.things[:, 0] != state.things[:, 1]
    hears = play(game, robots, state, draws(6)).won[distinct].float().mean()
    deaf = play(game, robots, state, draws(6), (None, torch.zeros_like)).won[distinct].float().mean()
    assert hears > 0.9 and deaf < 0.65


def test_exploration_falls_to_nothing():
    schedule = Schedule(rounds=100, games=1, steps=1)
    assert schedule.exploration(0) == 1 and schedule.exploration(10) == pytest.approx(0.5)
    assert schedule.exploration(60) == pytest.approx(0.04) and schedule.exploration(100) == 0


@torch.no_grad()
def test_models_of_messages_are_those_of_loops():
    torch.manual_seed(0)
    seen, codes, words = torch.randn(5, 3, 7), torch.randn(4, 6), torch.rand(4, 9)
    by_code, by_word = beliefs.CodeModel(7, 8, 6), beliefs.WordModel(7, 8, 9)
    log_codes, log_words = by_code.of(seen)(codes), by_word.of(seen)(words)
    for k in range(4):
        for s in range(5):
            for o in range(3):
                mean = by_code.mean(seen[s, o])
                assert float(log_codes[k, s, o]) == pytest.approx(-float(((mean - codes[k]) ** 2).sum()), abs=1e-4)
                log_p = F.log_softmax(by_word.scores(seen[s, o]), 0)
                assert float(log_words[k, s, o]) == pytest.approx(float((words[k] * log_p).sum()), abs=1e-4)
    assert torch.allclose(by_code(seen[:4, 0], codes), torch.stack([log_codes[k, k, 0] for k in range(4)]), atol=1e-4)
    assert torch.allclose(by_word(seen[:4, 0], words), torch.stack([log_words[k, k, 0] for k in range(4)]), atol=1e-4)


def test_a_model_of_messages_finds_what_was_planted():
    seen, model = torch.eye(6)[torch.arange(600) % 6], beliefs.WordModel(6, 16, 3)
    words = torch.eye(3)[torch.arange(600) % 3]
    torch.manual_seed(0)
    beliefs.fit(model, lambda step: (seen, words), 150, rate=0.03)
    assert model(seen, words).exp().min() > 0.9


def test_an_interval_holds_the_mean_of_teams_that_differ():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        teams = [rng.normal(rng.normal(0, 1), 2, 100) for _ in range(3)]
        low, high = evaluation.interval(teams, 0)
        inside += low <= 0 <= high
    assert inside >= 180
    low, high = evaluation.interval([np.arange(10.0)], 0)
    assert low < 4.5 < high


TINY = GameAgents(
    "tiny", "signs", rounds=3, games=8, steps=1, hidden=6, size=4, belief=5, meaning=3, imitation=3, seeds=(0, 4)
)


@pytest.fixture
def tiny(monkeypatch):
    monkeypatch.setitem(AGENTS, "tiny", TINY)
    monkeypatch.setitem(OTHERS, "tiny", TINY)


def test_teams_are_the_same_whichever_process_trains_them(tiny, monkeypatch):
    alone = training.fit(TINY, signs(), workers=1)
    with ProcessPoolExecutor(1, _Workers()) as pool:  # one for both teams: a process imports torch for seconds
        monkeypatch.setattr(training, "in_processes", lambda work, items, _: nullcontext(pool.map(work, items)))
        beside = training.fit(TINY, signs(), workers=2)
    one, other = alone.tensors(), beside.tensors()
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert (
        alone.card["curve"] == beside.card["curve"] and [row["round"] for row in alone.card["curve"]] == [1, 2, 3] * 2
    )


def test_a_society_is_kept_in_the_store_and_trained_once(tiny, tmp_path, monkeypatch):
    store = Store(str(tmp_path))
    monkeypatch.setattr(training, "in_processes", lambda work, items, workers: in_processes(work, items, 1))
    first = training.of_game("tiny", signs(), store)
    monkeypatch.setattr(training, "fit", None)
    again = training.of_game("tiny", signs(), store)
    assert all(torch.equal(again.tensors()[name], values) for name, values in first.tensors().items())
    assert again.card["accuracy"]["test"][1]["seed"] == 4 and again.lexicon == ("a",)
    rows = evaluation.games(again, 16)
    assert set(rows["translation"]) == {"none", "random", "direct", "belief"} and rows["seed"].nunique() == 2
    assert evaluation.summary(rows, "won")["high"].max() <= 1
    few, all_of_them = evaluation.beliefs(again, 16, translations=["belief"]), evaluation.beliefs(again, 16)
    assert all_of_them[all_of_them["translation"].isin(["none", "belief"])].reset_index(drop=True).equals(few)
    few = evaluation.games(again, 16, translations=["belief"])
    assert rows[rows["translation"].isin(["none", "belief"])].reset_index(drop=True).equals(few)


def test_translators_share_rows_and_each_has_its_own_states(tiny):
    society = training.fit(TINY, signs(), workers=1)
    both = translating.translators(society, 0, ["direct", "belief"], draws())
    ways = both["belief"].ways
    assert len(ways) == translating.TRANSLATORS and not torch.equal(ways[0].seen, ways[1].seen)
    assert torch.equal(ways[3].codes, both["direct"].ways[3].codes)
    codes = torch.randn(21, 4)
    shares = torch.cat([way.to_words(some) for way, some in zip(ways, codes.tensor_split(len(ways)), strict=True)])
    assert torch.equal(both["belief"].to_words(codes), shares)


def test_weights_of_another_game_are_refused(tiny, tmp_path):
    society = training.fit(TINY, signs(), workers=1)
    training.write(tmp_path, "tiny", society, dict(society.card), half=True)
    assert load("tiny", signs(), tmp_path).card["weights"] == sum(each.numel() for each in society.tensors().values())
    with pytest.raises(BadInput, match="tiny: the weights of 'words' are of another game than signs"):
        load("tiny", signs(9), tmp_path)


@torch.no_grad()
def test_what_was_seen_goes_with_what_was_then_said(tiny):
    society = blank(replace(TINY, noise=0.0), signs(), ("a",))
    seen, said = translating.sample(society, 0, 60, draws(), options=2)
    first, agent = seen[:, 0, -1] == 1, society.teams[0].agents[0]
    fresh = agent(seen[:, 0], torch.zeros(60, 4), torch.zeros(60, 6))[1]
    assert torch.allclose(said[first], fresh[first], atol=1e-6) and not torch.allclose(said[~first], fresh[~first])
    assert first.any() and torch.equal(seen[:, 1, :-1], seen[:, 0, :-1].unflatten(1, (2, 8)).flip(1).flatten(1))
    recorded = scripted.games(40, draws(), 0)
    society = replace(society, game=DrivingGame())
    seen, said = translating.sample_people(society, 300, draws(1), recorded)
    for k, name in enumerate(("north", "east", "south", "west")):
        rows = said[:, recorded.lexicon.index(f"going {name}")] == 1
        assert rows.any() and (seen[rows, 0, -4:].argmax(1) == k).all()
    assert not said[:, recorded.lexicon.index("_")].any()


@pytest.mark.parametrize("name", AGENTS)
def test_agents_of_the_zoo_are_those_of_its_games(name):
    card = shipped.card(name)
    game, recorded = training.of_the_zoo(AGENTS[name].game)
    assert card["game_sha256"] == training.game_key(game, recorded)
    assert digest(card["recipe"]) == digest(asdict(AGENTS[name]))
    assert card["recipe"]["seeds"] == [0, 1, 2] == [row["seed"] for row in card["accuracy"]["test"]]
    society = training.of_game(name, game, Store("nowhere"), recorded)
    assert {row["seed"] for row in card["curve"]} == {0, 1, 2}
    played = play(game, society.robots(1), game.new(500, draws(), "test"), draws())
    assert float(played.won.float().mean()) == pytest.approx(card["accuracy"]["test"][1]["won"], abs=0.05)


@torch.no_grad()
@pytest.mark.parametrize("name", ["small-color-agents", "small-creature-agents"])
def test_the_model_of_words_knows_every_turn_that_translators_ask_about(name):
    game, _ = training.of_the_zoo(AGENTS[name].game)
    assert isinstance(game, ReferenceGame)
    state = game.new(500, draws(), "test")
    words, scores = game.described(state), load(name, game).words
    unread = -float(np.log(len(game.lexicon)))
    for turn in (state, state._replace(first=~state.first)):
        assert float(scores(game.observe(turn)[:, 0], words).mean()) > unread + 0.3


def test_agents_take_less_than_two_megabytes():
    assert sum(shipped.FOLDER.joinpath(f"{name}.safetensors").stat().st_size for name in AGENTS) < 2_000_000
