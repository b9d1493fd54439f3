"""Recorded games of people: every field and every turn is checked. Small made-up logs; the real ones where they are."""

import json
import os
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import torch
from test_real_sentences import FEWEST, TEXT, copied, words

from n2vlib.errors import BadInput
from n2vlib.games import logs
from n2vlib.games.driving import ROADS
from n2vlib.games.recorded import SILENT
from n2vlib.paths import ROOT

PHOTOGRAPHS = os.environ.get("N2V_PHOTOGRAPHS")
REAL = Path(os.environ.get("N2V_NEURALESE") or (f"{PHOTOGRAPHS}/neuralese" if PHOTOGRAPHS else "none"))
AHEAD, TURN = [(-1, 0), (0, 1), (1, 0), (0, -1)], [0, 0, -1, 1]


def car(row, column, direction, goal, done=False):
    return {"pos": [row, column], "dir": direction, "goal": list(goal), "done": done}


def driven(one, actions):
    """The states of a car, moved by a slow loop of its own."""
    states = [one]
    for action in actions:
        now = states[-1]
        if now["done"]:
            states.append(now | {"pos": [-1, -1], "dir": (now["dir"] + TURN[action]) % 4})
            continue
        direction = (now["dir"] + TURN[action]) % 4
        moves = AHEAD[direction] if action else (0, 0)
        row, column = (min(7, max(0, now["pos"][k] + moves[k])) for k in (0, 1))
        states.append(car(row, column, direction, now["goal"], [row, column] == now["goal"]))
    return states


def game(number=0, messages=("North", "")):
    """One car goes up to its goal in five turns, the other waits, then goes down to its own."""
    first, second = [1, 1, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]
    one, other = driven(car(6, 4, 0, (0, 4)), first), driven(car(1, 3, 2, (7, 3)), second)
    second.append(1)
    other = driven(other[0], second)
    one, first = driven(one[0], [*first, 0]), [*first, 0]
    inputs = [
        [{"action": a, "message": messages[0]}, {"action": b, "message": messages[1]}]
        for a, b in zip(first, second, strict=True)
    ]
    return {"game": number, "road": 0, "states": [list(two) for two in zip(one, other, strict=True)], "inputs": inputs}


def maps(*roads):
    return [[[float(cell != "#") for cell in row] for row in ROADS[road]] for road in roads]


def write(folder, games, roads=(0, 4)):
    (folder / "roads.json").write_text(json.dumps(maps(*roads)))
    (folder / "driving.jsonl").write_text("\n".join(json.dumps(each) for each in games) + "\n")
    return folder


def test_games_are_read_with_states_actions_and_messages(tmp_path):
    second = game(1, ("you, first?", "a long message of many words"))
    second["inputs"][2] = None
    second["inputs"][3][1] = None
    second["inputs"][4][0]["message"] = None
    wanted = game(0)
    # What was null did nothing: the cars stand still in these turns.
    actions = [[0 if one is None else one["action"] for one in two or (None, None)] for two in second["inputs"]]
    second["states"] = [
        list(two)
        for two in zip(*(driven(second["states"][0][k], [each[k] for each in actions]) for k in (0, 1)), strict=True)
    ]
    read = logs.read(write(tmp_path, [wanted, second]))
    assert read.lexicon == (SILENT, "done", "north", "you first")
    assert read.source == "people" and read.running.tolist() == [[True] * 7] * 2
    assert read.actions[0].tolist() == [[one["action"] for one in two] for two in wanted["inputs"]]
    assert read.actions[1].tolist() == actions
    heads = torch.stack([each.head for each in read.states], 1)[0].tolist()
    assert heads == [[one["pos"] for one in two] for two in wanted["states"]]
    assert read.states[-1].done.tolist()[0] == [True, True]
    entry = read.messages.argmax(3)
    assert entry[0].tolist() == [[2, 0]] * 7
    assert entry[1, :, 0].tolist() == [3, 3, 0, 3, 0, 3, 3] and not entry[1, :, 1].any()
    assert torch.equal(read.talks, (entry != 0) & read.running[..., None])


def test_rows_behind_the_end_of_a_game_repeat_its_last_state_and_message(tmp_path):
    short = game(1, ("south", "south"))
    short["states"], short["inputs"] = short["states"][:4], short["inputs"][:3]
    read = logs.read(write(tmp_path, [game(0), short]))
    assert read.running[1].tolist() == [True] * 3 + [False] * 4
    for t in range(3, 8):
        assert all(torch.equal(a[1], b[1]) for a, b in zip(read.states[t], read.states[3], strict=True))
    assert not read.actions[1, 3:].any()
    assert read.messages[1].argmax(2).unique().tolist() == [read.lexicon.index("south")]


def test_maps_may_be_in_any_order(tmp_path):
    one = game(0)
    one["road"] = 1
    assert logs.read(write(tmp_path, [one], roads=(4, 0))).states[0].road.tolist() == [0]


def test_the_lexicon_holds_whole_short_messages_that_are_frequent():
    messages = ["Go north."] * 4 + ["go north now please"] * 9 + ["wait"] * 3 + [""] * 99 + ["North?", "north"] * 3
    assert logs.lexicon(messages) == (SILENT, "done", "north", "go north")
    assert logs.lexicon(["done"] * 5 + ["ok"] * 4) == (SILENT, "done", "ok")
    with pytest.raises(BadInput, match="nothing to translate into"):
        logs.lexicon(["hello"] * 3 + [""] * 50)


def test_the_last_games_are_for_the_test(tmp_path):
    learn, test = logs.split(logs.read(write(tmp_path, [game(k) for k in range(5)])))
    assert (len(learn.actions), len(test.actions)) == (3, 2)
    one = logs.read(write(tmp_path, [game(0)]))
    with pytest.raises(BadInput, match="two are needed"):
        logs.split(one)


def changed(path, value):
    """A function that sets one place of a game; a path such as states/3/1/dir."""

    def change(one):
        *way, last = [int(part) if part.isdigit() else part for part in path.split("/")]
        place = one
        for part in way:
            place = place[part]
        place[last] = value

    return change


WRONG = {
    "a number as text": (changed("game", "5"), "game is '5'"),
    "true is no number": (changed("road", True), "road is True"),
    "an unknown road": (changed("road", 2), "road is 2; write a whole number from 0 to 1"),
    "no states": (changed("states", None), "states is None; write a list"),
    "a state too few": (lambda one: one["states"].pop(), "7 states for 7 inputs"),
    "no turn": (lambda one: one.update(states=one["states"][:1], inputs=[]), "0 inputs"),
    "three cars": (lambda one: one["states"][2].append(one["states"][2][0]), "turn 2: cars is"),
    "no car": (changed("states/2/0", 7), "turn 2, car 0: car is 7"),
    "off the map": (changed("states/2/0/pos", [9, 0]), r"turn 2, car 0: pos is \[9, 0\]"),
    "half a cell": (changed("states/2/0/pos", [1.5, 0]), "row and column"),
    "gone while driving": (changed("states/2/0/pos", [-1, -1]), "row and column"),
    "no direction": (changed("states/3/1/dir", 4), "turn 3, car 1: dir is 4; write a whole number from 0 to 3"),
    "a goal beside the road": (changed("states/0/0/goal", [0, 0]), "a goal of this road"),
    "another goal": (changed("states/4/1/goal", [4, 7]), "turn 4, car 1: goal is .* keeps its goals"),
    "done before it began": (
        lambda one: one["states"][0][0].update(done=True, pos=[0, 4]),
        "turn 0: done is true; a game begins",
    ),
    "done is a number": (changed("states/4/0/done", 1), "done is 1; write true or false"),
    "arrived elsewhere": (changed("states/2/0/done", True), "the goal, or"),
    "an action too many": (changed("inputs/1/0/action", 4), "turn 1, player 0: action is 4"),
    "no action": (lambda one: one["inputs"][1][0].pop("action"), "action is None"),
    "no text": (changed("inputs/1/1/message", 5), "turn 1, player 1: message is 5"),
    "an endless text": (changed("inputs/1/1/message", "a" * 3000), "message is 'aaa"),
    "half a character": (changed("inputs/1/1/message", "\ud800"), "turn 1, player 1: message is .* control characters"),
    "one input": (lambda one: one["inputs"][1].pop(), "turn 1: inputs is"),
    "an action that was not done": (
        changed("inputs/1/0/action", 0),
        r"turn 2, car 0: by the rules pos is \[5, 4\] here",
    ),
    "a turn that was not made": (changed("states/1/0/dir", 1), "turn 1, car 0: by the rules dir is 0 here"),
    "arrived and not": (changed("states/6/0/done", False), "turn 6, car 0: by the rules done is true here"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_field_is_named_in_one_line(name, tmp_path):
    change, message = WRONG[name]
    one = game(1)
    change(one)
    with pytest.raises(BadInput, match=message) as error:
        logs.read(write(tmp_path, [game(0), one]))
    assert "driving.jsonl, line 2" in str(error.value) and "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_turns_after_the_end_are_refused(tmp_path):
    one = game()
    one["inputs"].append(one["inputs"][-1])
    one["states"].append([each | {"pos": [-1, -1]} for each in one["states"][-1]])
    with pytest.raises(BadInput, match="turn 7: the game was over before"):
        logs.read(write(tmp_path, [one]))


def test_the_first_wrong_turn_of_the_file_is_named(tmp_path):
    games = [game(k) for k in range(3)]
    changed("inputs/1/0/action", 0)(games[2])
    changed("inputs/4/0/action", 0)(games[1])
    with pytest.raises(BadInput, match=r"line 2 \(game 1\), turn 5"):
        logs.read(write(tmp_path, games))


FILES = {
    "empty": (b"", "holds no game"),
    "no JSON": (b"{", "line 1: cannot be read as JSON"),
    "no object": (b"[1, 2]", "line 1: expected an object"),
    "deep": (b"[" * 200_000, "line 1: cannot be read as JSON"),
    "many digits": (b'{"game": ' + b"9" * 5000 + b"}", "line 1: cannot be read as JSON"),
    "no number": (b'{"game": NaN}', "game is nan"),
    "no text": (b"\xff\xfe\x00", "cannot be read as text"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_refused(name, tmp_path):
    content, message = FILES[name]
    write(tmp_path, [game()])
    (tmp_path / "driving.jsonl").write_bytes(content)
    with pytest.raises(BadInput, match=message) as error:
        logs.read(tmp_path)
    assert "driving.jsonl" in str(error.value)


def test_a_game_twice_a_missing_file_and_a_huge_one_are_refused(tmp_path, monkeypatch):
    with pytest.raises(BadInput, match="game 0 is there twice"):
        logs.read(write(tmp_path, [game(), game()]))
    monkeypatch.setattr(logs.log_fields, "LARGEST", 100)
    with pytest.raises(BadInput, match="larger than 100 bytes"):
        logs.read(tmp_path)
    (tmp_path / "roads.json").unlink()
    with pytest.raises(BadInput, match="roads.json is no file; name a folder"):
        logs.read(tmp_path)
    with pytest.raises(BadInput, match="driving.jsonl is no file"):
        logs.of(str(tmp_path / "elsewhere"))


@pytest.mark.parametrize(
    "value, message",
    [
        ([], "a list of 1 to 5 maps"),
        ([[[1] * 8] * 8], "map 0: is none of the game's 5 roads"),
        ([[[1] * 8] * 7], "map 0: expected 8 rows"),
        ([[[2] * 8] * 8], "map 0: expected 8 rows"),
        ([[["1"] * 8] * 8], "map 0: expected 8 rows"),
        ([5], "map 0: expected 8 rows"),
    ],
)
def test_maps_have_to_be_the_games(value, message, tmp_path):
    write(tmp_path, [game()])
    (tmp_path / "roads.json").write_text(json.dumps(value))
    with pytest.raises(BadInput, match=message):
        logs.read(tmp_path)


@pytest.mark.skipif(not (REAL / "driving.jsonl").is_file(), reason="the released games are not at hand")
def test_the_released_games():
    lines = [json.loads(line) for line in (REAL / "driving.jsonl").read_text(encoding="utf-8").splitlines()]
    messages = [one["message"] for each in lines for two in each["inputs"] for one in two]
    counts = Counter(logs.tokens(message) for message in messages)
    assert (counts[()], sum(n > 3 and len(each) <= 3 for each, n in counts.items())) == (3_797, 81)
    read = logs.read(REAL)
    assert len(read.lexicon) == 82 and "" not in read.lexicon
    assert read.actions.shape[:1] == (382,) and int(read.running.sum()) == 2_981
    learn, test = logs.split(read)
    assert (len(learn.actions), len(test.actions)) == (282, 100)


@pytest.mark.skipif(not (REAL / "driving.jsonl").is_file(), reason="the released games are not at hand")
def test_no_message_of_people_is_in_the_repository():
    lines = (json.loads(line) for line in (REAL / "driving.jsonl").read_text(encoding="utf-8").splitlines())
    texts = {tuple(words(one["message"])) for each in lines for two in each["inputs"] for one in two}
    long = {each for each in texts if len(each) >= FEWEST}
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    files = [ROOT / name for name in listed.stdout.splitlines() if Path(name).suffix in TEXT]
    everything = "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files if file.is_file())
    assert len(long) > 50 and copied(long, everything) == []
