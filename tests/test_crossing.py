"""The viewer of a game of driving: its tables against the game itself, and the chart that shows them."""

import json

import pandas as pd
import pytest
import torch

from n2vlib import charts
from n2vlib.agents import evaluation, people, society, story, translating
from n2vlib.agents.play import play
from n2vlib.charts import driving
from n2vlib.games import scripted
from n2vlib.games.driving import ROADS, DrivingGame
from n2vlib.zoo.others import AGENTS


@pytest.fixture(scope="module")
def shown():
    """A scripted game that is replayed beside an agent that has learned nothing; and all that it was made from."""
    game, recorded = DrivingGame(), scripted.games(30, torch.Generator().manual_seed(0))
    everybody = society.blank(AGENTS["small-driving-agents"], game, recorded.lexicon)
    draws = torch.Generator().manual_seed(1)
    with torch.no_grad():
        way = translating.translator(everybody, 0, "belief", draws, 20, 8)
    person = people.Replayed(recorded.messages[:, :, 1], recorded.actions[:, :, 1])
    heard = (lambda words: way.to_codes(words, 3), None)
    played = play(game, (everybody.robots(0)[0], person), recorded.states[0], draws, heard)
    k = int(played.running.sum(1).argmax())
    return everybody, recorded, played, k, way, story.of(everybody, 0, played, k, way, ("R", "H"))


def test_a_story_has_the_cars_where_the_game_has_them(shown):
    _, _, played, k, _, found = shown
    road = int(played.states[0].road[k])
    assert {(r, c) for r, c in found.cells.itertuples(index=False)} == {
        (r, c) for r in range(8) for c in range(8) if ROADS[road][r][c] != "#"
    }
    heads = found.cars.query("part == 'head'").set_index(["turn", "car"])
    for t in range(int(played.running[k].sum()) + 1):
        state = played.states[t]
        for car in (0, 1):
            if state.head[k, car, 0] >= 0:
                place = heads.loc[(t, car + 1)]
                assert [place["row"], place["column"]] == state.head[k, car].tolist()
                assert place["heading"][0] == "nesw"[int(state.direction[k, car])]
            else:
                assert (t, car + 1) not in heads.index
    both = found.cars.pivot(index=["turn", "car"], columns="part", values=["row", "column"]).dropna()
    apart = (both["row", "head"] - both["row", "behind"]).abs() + (
        both["column", "head"] - both["column", "behind"]
    ).abs()
    assert (apart == 1).all()


def test_messages_are_words_or_their_translation(shown):
    everybody, recorded, played, k, way, found = shown
    texts = found.messages.set_index(["turn", "car"])["text"]
    for t in range(int(played.running[k].sum())):
        entry = recorded.lexicon[int(recorded.messages[k, t, 1].argmax())]
        assert texts[t, 2] == entry.replace("_", "(silence)")
        nearest = way.nearest(played.messages[0][k, t][None], 3)[0].tolist()
        assert texts[t, 1] == ", ".join(everybody.lexicon[i].replace("_", "(silence)") for i in nearest)


def test_a_belief_is_bayes_rule_over_all_places_directions_and_goals(shown):
    everybody, _, played, k, _, found = shown
    sums = found.beliefs.groupby(["turn", "listener"])["probability"].sum()
    assert sums.tolist() == pytest.approx([1.0] * len(sums), abs=1e-5)
    assert (found.beliefs["listener"] + found.beliefs["about"] == 3).all()
    state, game = played.states[0], DrivingGame()
    weights = {}
    for row, column in found.cells.itertuples(index=False):
        for direction in range(4):
            for goal in [(r, c) for r in range(8) for c in range(8) if ROADS[int(state.road[k])][r][c] == "*"]:
                one = type(state)(*(part[k : k + 1].clone() for part in state))
                one.head[0, 1], one.direction[0, 1], one.goal[0, 1] = (
                    torch.tensor([row, column]),
                    direction,
                    torch.tensor(goal),
                )
                seen = game.observe(one)[0, 1]
                p = everybody.words(seen, played.messages[1][k, 0]).exp().item()
                weights[row, column] = weights.get((row, column), 0) + p
    first = found.beliefs.query("turn == 0 and about == 2").set_index(["row", "column"])["probability"]
    total = sum(weights.values())
    assert first.to_dict() == pytest.approx({cell: p / total for cell, p in weights.items()}, abs=1e-5)


def test_a_story_is_told_in_words(shown):
    found = shown[-1]
    words = story.described(found)
    first = found.cars.query("turn == 0 and car == 1 and part == 'head'").iloc[0]
    assert words.startswith(f"Turn 0: car 1 is in row {first['row']}, column {first['column']}, heading")
    assert words.count("Turn ") == found.cars["turn"].nunique()


def viewed(found, **options):
    return charts.driving_game(*found, "title", "note", **options).to_dict()


def test_the_viewer_has_a_slider_for_every_turn_and_a_choice_of_beliefs(shown):
    found = shown[-1]
    spec = viewed(found, described="In words.", turn=2)
    given = {each["name"]: each for each in spec["params"]}
    last = int(found.cars["turn"].max())
    assert given["turn"]["bind"] == {"input": "range", "min": 0, "max": last, "step": 1, "name": "Turn "}
    assert given["turn"]["value"] == 2
    assert given["believer"]["bind"]["options"] == ["car 1, about car 2", "car 2, about car 1", driving.NOBODY]
    assert spec["description"] == "title. note In words." and spec["usermeta"] == {"n2v": "square"}
    assert viewed(found, turn=99)["params"] == viewed(found, turn=last)["params"]


def test_text_from_data_stays_text(shown):
    found = shown[-1]
    hostile = "<img src=x onerror=alert(1)> {{datum}} constructor"
    spec = viewed(found._replace(messages=found.messages.assign(text=hostile)))
    kept = [row["line"] for rows in spec["datasets"].values() for row in rows if "line" in row]
    assert set(kept) == {f"{car}: {hostile}" for car in (1, 2)}
    outside = json.dumps({key: value for key, value in spec.items() if key != "datasets"})
    assert "onerror" not in outside


def test_a_game_without_beliefs_is_drawn(shown):
    found = shown[-1]
    none = pd.DataFrame(columns=found.beliefs.columns)
    assert viewed(found._replace(beliefs=none))["params"]


def test_differences_are_taken_episode_by_episode():
    rows = pd.DataFrame(
        [
            {
                "seed": seed,
                "episode": k,
                "speaker": "H",
                "listener": "R",
                "translation": name,
                "reward": 10.0 * k + gain,
            }
            for seed in (0, 1, 2)
            for k in range(30)
            for name, gain in (("belief", 1.0), ("random", 0.25))
        ]
    ).sample(frac=1, random_state=0)
    found = evaluation.differences(rows, "reward", [("belief", "random"), ("belief", "direct")])
    assert found["translations"].tolist() == ["belief - random"]
    assert found[["difference", "low", "high"]].iloc[0].tolist() == pytest.approx([0.75] * 3)


def test_where_a_driver_is_is_read_from_what_it_sees(shown):
    played, k = shown[2], shown[3]
    row, column = played.states[0].head[k, 0].tolist()
    heading = story.COMPASS["nesw"[int(played.states[0].direction[k, 0])]]
    assert story.place(played.seen[k, 0, 0]) == f"row {row}, column {column}, to the {heading}"
    assert story.place(0 * played.seen[k, 0, 0]) == "arrived"
