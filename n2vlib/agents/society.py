"""All that is trained for a game: teams of several seeds, models of their messages and of people's, a model of
people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from n2vlib.agents.beliefs import CodeModel, WordModel
from n2vlib.agents.people import Imitation
from n2vlib.agents.team import Robot, Team
from n2vlib.errors import BadInput
from n2vlib.games.game import Game
from n2vlib.games.reference import ReferenceGame
from n2vlib.zoo import shipped
from n2vlib.zoo.others import AGENTS, GameAgents


@dataclass(frozen=True)
class Society:
    """Who plays a game.

    teams    one of each seed;  codes: the model of each team's messages, as its first player says them
    words    the model of people's messages, shares of entries of `lexicon`
    people   a model of people who play; None where people are only replayed from their games
    card     how all was trained: recipe, curve (rows of seed, round, reward, won), seconds
    """

    game: Game
    teams: Sequence[Team]
    codes: Sequence[CodeModel]
    words: WordModel
    people: Imitation | None
    lexicon: Sequence[str]
    card: Mapping[str, Any]

    def robots(self, team: int) -> tuple[Robot, Robot]:
        """Both players of a team, who do what they value most."""
        return Robot(self.teams[team], 0), Robot(self.teams[team], 1)

    def tensors(self) -> dict[str, Tensor]:
        """All weights by name, as they are written."""
        parts: dict[str, nn.Module] = {"words": self.words}
        parts |= {f"team{k}": each for k, each in enumerate(self.teams)}
        parts |= {f"codes{k}": each for k, each in enumerate(self.codes)}
        if self.people is not None:
            parts["people"] = self.people
        return {f"{part}.{name}": values for part, each in parts.items() for name, values in each.state_dict().items()}


def blank(row: GameAgents, game: Game, lexicon: Sequence[str]) -> Society:
    """A society with new weights; people are modelled where the game is one of reference."""
    teams, codes = [], []
    with torch.random.fork_rng(devices=[]):
        for seed in row.seeds:
            torch.manual_seed(seed)
            teams.append(Team(game, row.hidden, row.size, row.noise))
            codes.append(CodeModel(game.features, row.belief, row.size))
        words = WordModel(game.features, row.belief, len(lexicon))
        people = Imitation(game, len(lexicon), row.hidden) if isinstance(game, ReferenceGame) else None
    return Society(game, teams, codes, words, people, tuple(lexicon), {})


def filled(society: Society, state: Mapping[str, Tensor], card: Mapping[str, Any]) -> Society:
    """With these weights, ready to play; BadInput where they are of another game."""
    parts = {"words": society.words, "people": society.people}
    parts |= {f"team{k}": each for k, each in enumerate(society.teams)}
    parts |= {f"codes{k}": each for k, each in enumerate(society.codes)}
    for part, module in parts.items():
        if module is not None:
            own = {
                name.removeprefix(f"{part}."): each.float()
                for name, each in state.items()
                if name.startswith(f"{part}.")
            }
            try:
                module.load_state_dict(own)
            except RuntimeError:
                raise BadInput(
                    f"{card.get('name', 'agents')}: the weights of {part!r} are of another game than "
                    f"{society.game.name}, or of another lexicon than its {len(society.lexicon)} entries; train again"
                ) from None
            module.eval().requires_grad_(False)
    return replace(society, card=card)


def load(name: str, game: Game, folder: Path = shipped.FOLDER) -> Society:
    """What the zoo ships for a game that is drawn as by default; BadInput where a file is missing or damaged."""
    state, card = shipped.verified(name, folder), shipped.card(name, folder)
    if not isinstance(lexicon := card.get("lexicon"), list):
        raise BadInput(
            f"zoo: {folder / name}.json is damaged (no lexicon); get it again, or run python -m n2vlib zoo {name}"
        )
    return filled(blank(AGENTS[name], game, lexicon), state, card)


def read(folder: Path, row: GameAgents, game: Game) -> Society:
    """What `training.write` wrote into a folder of the store."""
    from safetensors.torch import load as loaded

    card = json.loads((folder / "agents.json").read_text(encoding="utf-8"))
    return filled(blank(row, game, card["lexicon"]), loaded((folder / "agents.safetensors").read_bytes()), card)
