"""Driving games many at once, beside a plain loop over single games: playing and learning, and translating.

    OMP_NUM_THREADS=1 python benchmarks/games.py

The loop plays one game after the other, as the released program does: cars and cells in plain Python
(tests/slow_driving.py), the same networks for one observation at a time, and learns from one piece of a game at a
time. Issue 18 asks for 20 times as many turns a second, in one run, and for a translation of all messages of a game in
less than 2 seconds."""

import sys
import time
from collections.abc import Callable

import torch
from torch import Tensor

from n2vlib.agents import training, translating
from n2vlib.agents.learning import Replay, loss
from n2vlib.agents.play import play
from n2vlib.agents.team import Robot, Team
from n2vlib.games.driving import ACTIONS, DIRECTIONS, SIZE, DrivingGame
from n2vlib.paths import ROOT
from n2vlib.store import Store
from n2vlib.zoo.others import AGENTS

sys.path.insert(0, str(ROOT / "tests"))
from slow_driving import SlowCar, slow_step

MANY, FEW = 512, 24
PIECES = 64


def seconds(work: Callable[[], object]) -> tuple[object, float]:
    """The result, and the seconds it took."""
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def observed(road: int, car: SlowCar) -> Tensor:
    """What a driver sees, a number at a time."""
    seen = torch.zeros(138)
    if not car.done:
        seen[road] = 1
        for offset, (r, c) in ((5, car.head), (5 + SIZE * SIZE, car.goal)):
            seen[offset + r * SIZE + c] = 1
        seen[134 + DIRECTIONS.index(car.direction)] = 1
    return seen


@torch.no_grad()
def slow_game(team: Team, game: DrivingGame, draws: torch.Generator) -> int:
    """One game in plain Python; its number of turns."""
    state = game.new(1, draws)
    road, agent = int(state.road[0]), team.agents[0]
    cars = [
        SlowCar(tuple(state.head[0, i].tolist()), DIRECTIONS[state.direction[0, i]], tuple(state.goal[0, i].tolist()))
        for i in (0, 1)
    ]
    memory, messages = torch.zeros(2, 1, team.hidden), torch.zeros(2, 1, team.size)
    for turn in range(game.turns):
        acts = [agent(observed(road, car)[None], messages[1 - i], memory[i]) for i, car in enumerate(cars)]
        memory = torch.stack([each[0] for each in acts])
        messages = torch.stack([team.channel(each[1], draws) for each in acts])
        _, over = slow_step(road, cars, [ACTIONS[int(each[2].argmax())] for each in acts])
        if over:
            return turn + 1
    return game.turns


def main() -> None:
    """Measure all, and print ratios."""
    game, draws = DrivingGame(), torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    team = Team(game, 64, 64, 0.3)
    robots = Robot(team, 0), Robot(team, 1)
    play(game, robots, game.new(MANY, draws), draws)
    played, fast = seconds(lambda: play(game, robots, game.new(MANY, draws), draws))
    turns, slow = seconds(lambda: sum(slow_game(team, game, draws) for _ in range(FEW)))
    many = int(played.running.sum()) / fast
    print(
        f"playing: {many:,.0f} turns a second at once, {turns / slow:,.0f} in a loop, {many / (turns / slow):.0f} times"
    )

    replay = Replay(game, MANY)
    replay.add(played)

    def learned(batch: int, times: int) -> None:
        for _ in range(times):
            loss(team, team, replay.draw(batch, 10, 0.0, draws), 0.9, draws).backward()

    _, fast = seconds(lambda: learned(256, 4))
    _, slow = seconds(lambda: learned(1, PIECES))
    many, few = 4 * 256 / fast, PIECES / slow
    print(f"learning: {many:,.0f} pieces a second at once, {few:,.0f} in a loop, {many / few:.0f} times")

    for name in AGENTS:
        kind, recorded = training.of_the_zoo(AGENTS[name].game)
        society = training.of_game(name, kind, Store(), recorded)
        for method in ("direct", "belief"):
            way, made = seconds(lambda m=method, s=society: translating.translator(s, 0, m, draws))
            sent = translating.sample(society, 0, 512, draws)[1]
            bags, used = seconds(lambda w=way, c=sent: w.to_words(c))
            _, back = seconds(lambda w=way, b=bags: w.to_codes(b))
            print(
                f"{kind.name}, {method}: translator {made:.2f} s, {len(sent)} messages {used:.2f} s, back {back:.2f} s"
            )


if __name__ == "__main__":
    main()
