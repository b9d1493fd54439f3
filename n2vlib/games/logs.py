"""Games of people who drive, as the authors released their logs (jacobandreas/neuralese, data/drive/server_logs).

Nothing of them ships: users name a folder of their own. It holds `driving.jsonl`, one game a line in order of time
(game, road, states, inputs), and `roads.json`, the maps that `road` counts. Every field is checked (log_fields), and so
is every turn: a state has to follow from the one before by the rules of `DrivingGame`.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from n2vlib.errors import BadInput
from n2vlib.games import log_fields, scripted
from n2vlib.games.driving import GONE, Cars, DrivingGame
from n2vlib.games.log_fields import Written
from n2vlib.games.recorded import SILENT, Recorded, ended
from n2vlib.paths import resolve

GAMES, MAPS = "driving.jsonl", "roads.json"
TEST = 100  # the last games, as in the release; there in the order of a folder's listing, which cannot be repeated
TOKENS, MORE_THAN = 3, 3  # an entry of the lexicon has at most so many tokens, and occurs more often than that
ALWAYS = (SILENT, "done")  # entries whatever people say
MOST_NUMBERS = 2**26  # of all messages, as shares of entries
_REMOVED = str.maketrans("", "", ".,?")


def of(people: str) -> tuple[Recorded, Recorded]:
    """The PEOPLE parameter, "scripted" or a folder: games to learn from, and to test on."""
    if people == scripted.NAME:
        return scripted.default("train"), scripted.default("test")
    return split(read(people))


def read(folder: str | Path) -> Recorded:
    """The games of a folder, in order of time. BadInput names the file, line, turn and field that is wrong."""
    place = resolve(folder)
    for name in (GAMES, MAPS):
        if not (place / name).is_file():
            wanted = f"name a folder with {GAMES} and {MAPS}, or write {scripted.NAME}"
            raise BadInput(f"PEOPLE: {place / name} is no file; {wanted}")
    games = list(log_fields.games(place / GAMES, log_fields.roads(place / MAPS)))
    entries = lexicon([each.message for game in games for two in game.inputs for each in two])
    turns = max(len(game.inputs) for game in games)
    if len(games) * turns * 2 * len(entries) > MOST_NUMBERS:
        size = f"{len(games):,} games of up to {turns} turns, {len(entries):,} entries"
        raise BadInput(f"{place / GAMES}: {size} are too many at once; split the file")
    running = torch.tensor([len(game.inputs) for game in games])[:, None] > torch.arange(turns)
    states, actions = _states(games, turns), torch.zeros(len(games), turns, 2, dtype=torch.int64)
    actions[running] = torch.tensor([[each.action for each in two] for game in games for two in game.inputs])
    _follow(games, states, actions, running)
    actions, messages = ended(actions, _entries(games, running, entries), running)
    return Recorded(states, actions, one_hot(messages, len(entries)).float(), running, entries, "people")


def split(recorded: Recorded) -> tuple[Recorded, Recorded]:
    """Games to learn from, and to test on: the last TEST, half of them where there are few."""
    n = len(recorded.actions)
    if n < 2:
        raise BadInput(f"PEOPLE: {GAMES} holds one game; two are needed, one to learn from and one to test on")
    tested = min(TEST, n // 2)
    return recorded.of(torch.arange(n - tested)), recorded.of(torch.arange(n - tested, n))


def tokens(message: str) -> tuple[str, ...]:
    """The words of a message, in lower case, without full stops, commas and question marks."""
    return tuple(message.lower().translate(_REMOVED).split())


def lexicon(messages: Sequence[str]) -> tuple[str, ...]:
    """SILENT, "done", and the whole messages that are short and frequent enough, the most frequent first.

    As in the release, less the empty message, which was an entry there besides SILENT.
    """
    counts = Counter(tokens(message) for message in messages)
    often = [each for each, n in counts.items() if each and n > MORE_THAN and len(each) <= TOKENS]
    if not often:
        raise BadInput(
            f"PEOPLE: no message of 1 to {TOKENS} words occurs more than {MORE_THAN} times in {GAMES}, so there is "
            "nothing to translate into; add games"
        )
    ordered = [" ".join(each) for each in sorted(often, key=lambda each: (-counts[each], each))]
    return (*ALWAYS, *(entry for entry in ordered if entry not in ALWAYS))


def _entries(games: Sequence[Written], running: Tensor, entries: Sequence[str]) -> Tensor:
    """Which entry each message is, (n, T, 2); SILENT where it is none."""
    place = {entry: i for i, entry in enumerate(entries)}
    rows = torch.zeros(*running.shape, 2, dtype=torch.int64)
    rows[running] = torch.tensor(
        [[place.get(" ".join(tokens(each.message)), 0) for each in two] for game in games for two in game.inputs]
    )
    return rows


def _states(games: Sequence[Written], turns: int) -> list[Cars]:
    """Before each turn and after the last, which repeats; a car is GONE from the turn after its arrival on."""
    last = torch.tensor([len(game.inputs) for game in games])[:, None]
    start = torch.cat([torch.zeros(1, 1, dtype=torch.int64), (last + 1).cumsum(0)[:-1]])
    row = start + torch.arange(turns + 1).clamp(max=last)  # of all states, one after the other
    before = (row - 1).clamp(min=start)
    cars = [two for game in games for two in game.cars]
    head, direction, goal, done = (
        torch.tensor([[part(car) for car in two] for two in cars])
        for part in (lambda car: car.pos, lambda car: car.dir, lambda car: car.goal, lambda car: car.done)
    )
    head = torch.where(done[before][..., None], GONE, head[row])
    road = torch.tensor([game.road for game in games])
    return [Cars(road, head[:, t], direction[row[:, t]], goal[row[:, t]], done[row[:, t]]) for t in range(turns + 1)]


def _follow(games: Sequence[Written], states: Sequence[Cars], actions: Tensor, running: Tensor) -> None:
    """BadInput for the first state that does not follow from the turn before, in the order of the file."""
    game, wrong = DrivingGame(), []
    for t in range(actions.shape[1]):
        turn, there = game.step(states[t], actions[:, t]), states[t + 1]
        for name, field in (("head", "pos"), ("direction", "dir"), ("done", "done")):
            by_rules = getattr(turn.state, name)
            differs = (by_rules != getattr(there, name)).flatten(2 if name == "head" else 1)
            differs = differs.any(2) if name == "head" else differs
            for n, car in (differs & running[:, t, None]).nonzero().tolist():
                wanted = f"{field} is {json.dumps(by_rules[n, car].tolist())}"
                wrong.append((n, t + 1, f", car {car}: by the rules {wanted} here; correct it, or delete the line"))
        if t + 1 < actions.shape[1]:
            over = (turn.over & running[:, t + 1]).nonzero()[:, 0].tolist()
            wrong += [(n, t + 1, ": the game was over before; delete this turn and those behind it") for n in over]
    if wrong:
        n, t, what = min(wrong)
        raise BadInput(f"{games[n].where}, turn {t}{what}")
