"""Translators of a team's messages: what they are made from, and many at once (Andreas et al. 2017, section 5)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from n2vlib.agents.play import Played, play
from n2vlib.agents.society import Society
from n2vlib.errors import BadInput
from n2vlib.games.game import at_turns
from n2vlib.games.recorded import Recorded
from n2vlib.games.reference import ReferenceGame
from n2vlib.methods.translation import Translator

STATES, CODES = 256, 50
TRANSLATORS = 8  # of each team and method, since what a translation is worth depends on its states and codes
SHOWN = 10  # in driving one of the ten nearest codes is heard, drawn at random, as in the released program


def stream(seed: int, team: int) -> torch.Generator:
    """Random numbers of a team's evaluation, which are none of those it was trained with."""
    return torch.Generator().manual_seed(10_000_000 + 1_000 * team + seed)


def sample(
    society: Society, team: int, n: int, draws: torch.Generator, fold: str = "validation", options: int = 1
) -> tuple[Tensor, Tensor]:
    """Turns of games of two agents, one of each game: what the first player saw and what it might have seen instead
    (n, 1 + options, features), true one first; and what it then said (n, size)."""
    played = play(society.game, society.robots(team), society.game.new(n, draws, fold), draws)
    return _at_a_turn(society, played, draws, options)


def _at_a_turn(society: Society, played: Played, draws: torch.Generator, options: int) -> tuple[Tensor, Tensor]:
    n = len(played.won)
    turn = (torch.rand(n, generator=draws) * played.running.sum(1)).long()
    rows = torch.arange(n)
    state = at_turns(played.states, rows, turn)
    other = society.game.alternatives(state, 0, options, draws)
    seen = torch.cat([played.seen[rows, turn, 0][:, None], other], 1)
    return seen, played.messages[0][rows, turn]


def sample_people(
    society: Society, n: int, draws: torch.Generator, recorded: Recorded | None = None, options: int = 1
) -> tuple[Tensor, Tensor]:
    """The same of people: n messages with something of the lexicon in them, and what was seen, (n, 1 + options,
    features).

    recorded   their games; None: how they describe things of a reference game's test fold
    """
    game = society.game
    if recorded is None:
        assert isinstance(game, ReferenceGame)
        state = game.new(n, draws, "test")
        seen, messages = game.observe(state)[:, 0], game.described(state)
    else:
        talks = recorded.talks[:, :, 0].nonzero()
        if not len(talks):
            raise BadInput(
                f"PEOPLE: in {len(recorded.actions)} games to test on, player 0 says nothing of the lexicon; add games"
            )
        drawn = talks[torch.randint(len(talks), (n,), generator=draws)]
        state = at_turns(recorded.states, drawn[:, 0], drawn[:, 1])
        seen, messages = game.observe(state)[:, 0], recorded.messages[drawn[:, 0], drawn[:, 1], 0]
    return torch.cat([seen[:, None], game.alternatives(state, 0, options, draws)], 1), messages


def translator(
    society: Society,
    team: int,
    method: str,
    draws: torch.Generator,
    states: int = STATES,
    codes: int = CODES,
    options: int = 1,
) -> Translator:
    """A translator of one team's messages: over `states` states, among `codes` messages and the whole lexicon."""
    seen, messages = sample(society, team, max(states, codes), draws, options=options)
    return _translator(society, team, seen[:states], messages[:codes], method, draws)


def _translator(
    society: Society, team: int, seen: Tensor, codes: Tensor, method: str, draws: torch.Generator
) -> Translator:
    log_p = society.codes[team].of(seen), society.words.of(seen)
    return Translator(seen, codes, len(society.lexicon), *log_p, method, draws)


@dataclass(frozen=True)
class Translators:
    """Several translators; each translates its share of the rows, the first ones the first."""

    ways: Sequence[Translator]

    def to_words(self, codes: Tensor, top: int = 5) -> Tensor:
        """As of `Translator`."""
        return torch.cat([way.to_words(each, top) for way, each in self._shares(codes)])

    def to_codes(self, bags: Tensor, top: int = 1) -> Tensor:
        """As of `Translator`."""
        return torch.cat([way.to_codes(each, top) for way, each in self._shares(bags)])

    def _shares(self, rows: Tensor) -> Iterator[tuple[Translator, Tensor]]:
        return zip(self.ways, rows.tensor_split(len(self.ways)), strict=True)


def translators(
    society: Society,
    team: int,
    methods: Sequence[str],
    draws: torch.Generator,
    codes: int = CODES,
    options: int = 1,
    count: int = TRANSLATORS,
) -> dict[str, Translators]:
    """`count` translators of each method, all methods with the same states and codes."""
    size = max(STATES, codes)
    seen, messages = sample(society, team, count * size, draws, options=options)
    parts = list(zip(seen.split(size), messages.split(size), strict=True))
    return {
        method: Translators(
            [_translator(society, team, x[:STATES], z[:codes], method, draws.clone_state()) for x, z in parts]
        )
        for method in methods
    }
