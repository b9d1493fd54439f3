"""Train everybody of a game: as it ships with the zoo (`python -m n2vlib zoo NAME`), or for a game of the user's."""

import hashlib
import pickle
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from n2vlib.agents import beliefs, people
from n2vlib.agents.learning import Schedule, learn
from n2vlib.agents.play import play
from n2vlib.agents.society import Society, blank, load, read
from n2vlib.games.driving import DrivingGame
from n2vlib.games.game import Game
from n2vlib.games.recorded import Recorded
from n2vlib.games.reference import ReferenceGame
from n2vlib.progress import bar
from n2vlib.store import Store, digest
from n2vlib.workers.pool import in_processes
from n2vlib.zoo import shipped
from n2vlib.zoo.others import AGENTS, GameAgents

MODULES = ["n2vlib.agents.training"]
POINTS = 40  # of a learning curve
TESTED = 2_000  # games, of which the card tells reward and share won
MEANT = 2_000  # games that models of agents' messages learn from; or that are held out from a model of words
BATCH = 256
OF_PEOPLE = {"steps": 1_500, "belief": 128}  # of the model of recorded people's messages


def train(name: str, device: str = "cpu", out: Path | None = None) -> dict[str, Any]:
    """Train the agents `name` of the zoo, write <name>.safetensors and <name>.json into `out`, return the JSON.

    device   not read: such small networks learn on the CPU      out   folder; None: where the zoo ships from
    """
    row = AGENTS[name]
    game, recorded = of_the_zoo(row.game)
    society = fit(row, game, recorded)
    return write(out or shipped.FOLDER, name, society, dict(society.card), half=True)


def of_the_zoo(name: str) -> tuple[Game, Recorded | None]:
    """A game as it is by default, and who plays it where people are not described by the game itself."""
    if name == "driving":
        from n2vlib.games import scripted

        return DrivingGame(), scripted.default()
    if name == "colors":
        from n2vlib.games import colors

        return colors.survey(), None
    from n2vlib.agents import creatures

    return creatures.drawn(), None


def write(folder: Path, name: str, society: Society, card: dict[str, Any], half: bool = False) -> dict[str, Any]:
    """Write weights and card; half: float16, as the zoo ships them."""
    from safetensors.torch import save

    state = society.tensors()
    weights = save({key: (each.half() if half else each).contiguous() for key, each in state.items()})
    card |= {
        "name": name,
        "lexicon": list(society.lexicon),
        "weights": sum(each.numel() for each in state.values()),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "torch": str(torch.__version__),
    }
    shipped.write(folder, name, weights, card)
    return card


def of_game(name: str, game: Game, store: Store, recorded: Recorded | None = None) -> Society:
    """Everybody who plays a game: what the zoo ships as `name` where it was trained so for this very game, otherwise
    trained now (minutes) and kept in the store.

    recorded   games of people, where these are not described by the game itself
    """
    row, wanted = AGENTS[name], game_key(game, recorded)
    card = shipped.card(name) if (shipped.FOLDER / f"{name}.json").exists() else {}
    if card.get("game_sha256") == wanted and digest(card.get("recipe")) == digest(asdict(row)):
        return load(name, game)

    def make(folder: Path) -> None:
        society = fit(row, game, recorded)
        write(folder, "agents", society, dict(society.card))

    return read(store.entry("agents", {"recipe": asdict(row), "game": wanted}, MODULES, make), row, game)


def with_people(society: Society, recorded: Recorded, store: Store, seed: int = 0) -> Society:
    """The same agents among people whose games were recorded: the model of their messages is trained on their games.

    It is kept in the store, and never part of what ships.
    """
    from safetensors.torch import load as loaded
    from safetensors.torch import save_file

    inputs = {"game": game_key(society.game, recorded), **OF_PEOPLE, "seed": seed}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        words = beliefs.WordModel(society.game.features, OF_PEOPLE["belief"], len(recorded.lexicon))

    def make(folder: Path) -> None:
        draws = torch.Generator().manual_seed(seed)
        _fit_words(words, society.game, recorded, OF_PEOPLE["steps"], draws)
        save_file(words.state_dict(), folder / "words.safetensors")

    folder = store.entry("agents", inputs, MODULES, make)
    words.load_state_dict(loaded((folder / "words.safetensors").read_bytes()))
    return replace(society, words=words.eval().requires_grad_(False), lexicon=tuple(recorded.lexicon))


def game_key(game: Game, recorded: Recorded | None = None) -> str:
    """A digest of all that a game, and people who played it, are made of."""
    parts: list[Any] = [game.name, game.turns, game.origin]
    if isinstance(game, ReferenceGame):
        parts += [list(game.lexicon), "" if game.origin else _bytes(game.things), _bytes(game.names)]
        parts += [_bytes(each) for each in game.folds.values()]
    if recorded is not None:
        parts += [
            list(recorded.lexicon),
            *(_bytes(each) for each in (recorded.actions, recorded.messages, recorded.running)),
        ]
        parts += [_bytes(each) for each in recorded.states[0]]
    return digest(parts)


def key(society: Society, recorded: Recorded | None = None) -> str:
    """A digest of all that a society's games depend on."""
    weights = {name: _bytes(values) for name, values in society.tensors().items()}
    noises = [team.noise for team in society.teams]
    return digest([game_key(society.game, recorded), list(society.lexicon), noises, weights])


def _bytes(values: Tensor) -> str:
    return hashlib.sha256(values.contiguous().numpy().tobytes()).hexdigest()


def fit(row: GameAgents, game: Game, recorded: Recorded | None = None, workers: int | None = None) -> Society:
    """Teams of every seed, the models of what they say, of what people say, and of people who play.

    workers   processes, one for a team at a time; None: as many as there are cores
    """
    started = time.monotonic()
    if recorded is not None:
        lexicon = recorded.lexicon
    else:
        assert isinstance(game, ReferenceGame)
        lexicon = game.lexicon
    society = blank(row, game, lexicon)
    curve, scores = [], []
    # As bytes: processes would share tensors through memory that containers have little of.
    work = partial(_trained, row, pickle.dumps(game), len(lexicon))
    with in_processes(work, range(len(row.seeds)), workers) as teams:
        for k, found in enumerate(bar(teams, f"teams that play {game.name}", len(row.seeds))):
            team, codes, points, score = pickle.loads(found)
            society.teams[k].load_state_dict(team)
            society.codes[k].load_state_dict(codes)
            curve += points
            scores.append(score)
    _fit_people(row, society, recorded)
    card = {
        "recipe": asdict(row),
        "game_sha256": game_key(game, recorded),
        "seconds": round(time.monotonic() - started),
        "device": "cpu",
        "accuracy": {"test": scores},
        "curve": curve,
    }
    return replace(society, card=card)


def _fit_people(row: GameAgents, society: Society, recorded: Recorded | None) -> None:
    """The model of people's messages, and in a reference game the model of people who play."""
    game, draws = society.game, torch.Generator().manual_seed(row.seeds[0])
    if recorded is None:
        assert isinstance(game, ReferenceGame) and society.people is not None
        people.fit(society.people, game, lambda _: people.demonstrations(game, BATCH, draws), row.imitation)
    _fit_words(society.words, game, recorded, row.meaning, draws)


def _trained(row: GameAgents, game: bytes, lexicon: int, k: int) -> bytes:
    """One team: its weights, those of the model of its messages, its learning curve, and how it plays in the end."""
    torch.set_num_threads(1)  # tensors are too small for two
    society, draws = blank(row, pickle.loads(game), [""] * lexicon), torch.Generator().manual_seed(row.seeds[k])
    curve = _learned(row, society, k, draws)
    _fit_codes(row, society, k, draws)
    tested = play(society.game, society.robots(k), society.game.new(TESTED, draws, "test"), draws)
    score = {"seed": row.seeds[k], "reward": float(tested.reward.mean()), "won": float(tested.won.float().mean())}
    return pickle.dumps((society.teams[k].state_dict(), society.codes[k].state_dict(), curve, score))


def _learned(row: GameAgents, society: Society, k: int, draws: torch.Generator) -> list[dict[str, float]]:
    """Train a team; its learning curve, means over the rounds up to each point."""
    schedule = Schedule(
        row.rounds, row.games, row.steps, history=row.history, good=row.good, copy=row.copy, rate=row.rate
    )
    rounds = learn(society.game, society.teams[k], schedule, draws)
    rows = list(bar(rounds, f"{society.game.name}, seed {row.seeds[k]}", row.rounds))
    society.teams[k].eval().requires_grad_(False)
    every, curve = max(1, row.rounds // POINTS), []
    for start in range(0, len(rows), every):
        some = rows[start : start + every]
        means = {name: round(sum(each[name] for each in some) / len(some), 4) for name in ("reward", "won")}
        curve.append({"seed": row.seeds[k], "round": start + len(some), **means})
    return curve


def _fit_codes(row: GameAgents, society: Society, k: int, draws: torch.Generator) -> None:
    game = society.game
    played = play(game, society.robots(k), game.new(MEANT, draws), draws)
    seats = (0, 1) if game.symmetric else (0,)
    seen = torch.cat([played.seen[:, :-1, i][played.running] for i in seats])
    heard = torch.cat([played.messages[i][played.running] for i in seats])
    beliefs.fit(society.codes[k], _batches(seen, heard, draws), row.meaning)


def _fit_words(
    model: beliefs.WordModel, game: Game, recorded: Recorded | None, steps: int, draws: torch.Generator
) -> None:
    """From what people said in recorded games, as released; in games of reference, from new ones at every step."""
    if recorded is not None:
        # Nothing is held out: drivers are mostly silent, and to predict silence well is not to know what words mean.
        beliefs.fit(model, _batches(*spoken_by_people(game, recorded), draws), steps)
        return
    assert isinstance(game, ReferenceGame)
    held_out = spoken_by_people(game, people.demonstrations(game, MEANT, draws, "validation"))
    beliefs.fit(model, partial(_described, game, draws), steps, held_out=held_out)


def _described(game: ReferenceGame, draws: torch.Generator, step: int) -> tuple[Tensor, Tensor]:
    return spoken_by_people(game, people.demonstrations(game, BATCH, draws))


def spoken_by_people(game: Game, recorded: Recorded, players: Sequence[int] = (0, 1)) -> tuple[Tensor, Tensor]:
    """What people saw when they said something of the lexicon (k, features), and what they said (k, entry)."""
    seen = torch.stack([game.observe(each) for each in recorded.states[:-1]], 1)
    talks = recorded.running[..., None] & (recorded.messages.sum(3) > 0)
    rows = [(seen[:, :, i][talks[..., i]], recorded.messages[:, :, i][talks[..., i]]) for i in players]
    return torch.cat([each[0] for each in rows]), torch.cat([each[1] for each in rows])


def _batches(seen: Tensor, messages: Tensor, draws: torch.Generator) -> Any:
    def batch(step: int) -> tuple[Tensor, Tensor]:
        rows = torch.randint(len(seen), (BATCH,), generator=draws)
        return seen[rows], messages[rows]

    return batch
