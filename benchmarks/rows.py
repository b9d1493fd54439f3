"""A line of the results, and the clocks behind it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, order=True)
class Seconds:
    """Seconds on the wall, and seconds of all threads of this process on a CPU.

    On a machine that others use, waiting for them is in the first and not in the second.
    """

    wall: float = 0.0
    cpu: float = 0.0

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)

    def __mul__(self, factor: float) -> "Seconds":
        return Seconds(self.wall * factor, self.cpu * factor)


@dataclass(frozen=True)
class Row:
    """One line of the results.

    reference, sample   what was timed on the other side, and on what part of the work ("all" or a sample)
    theirs, ours        seconds of the reference (extrapolated from the sample to the whole) and of the library
    goal                least theirs / ours; with `at_most`, largest ours / theirs; None where none is set
    agreement, agrees   how far results differ on the sample, and whether that is within the stage's tolerance
    between             of runs in turn, lowest and highest ratio; the worse one has to meet the goal. Of 7 runs they
                        hold the median in 98 of 100 series
    """

    stage: str
    reference: str
    sample: str
    theirs: Seconds
    ours: Seconds
    goal: float | None
    agreement: str
    agrees: bool
    at_most: bool = False
    between: tuple[float, float] | None = None

    @property
    def ratio(self) -> float:
        """Of seconds on the wall."""
        return self._ratio(self.theirs.wall, self.ours.wall)

    @property
    def cpu_ratio(self) -> float:
        return self._ratio(self.theirs.cpu, self.ours.cpu)

    @property
    def met(self) -> bool:
        ends = self.between or (self.ratio, self.ratio)
        return self.goal is None or (max(ends) <= self.goal if self.at_most else min(ends) >= self.goal)

    def _ratio(self, theirs: float, ours: float) -> float:
        return ours / theirs if self.at_most else theirs / ours


def timed(function: Callable[[], T]) -> tuple[T, Seconds]:
    wall, cpu = time.perf_counter(), time.process_time()
    found = function()
    return found, Seconds(time.perf_counter() - wall, time.process_time() - cpu)


def timed_often(function: Callable[[], T], repeats: int) -> tuple[T, Seconds]:
    """The last result and the median run."""
    runs = [timed(function) for _ in range(repeats)]
    return runs[-1][0], median([seconds for _, seconds in runs])


def timed_in_turn(
    first: Callable[[], T], second: Callable[[], U], repeats: int
) -> tuple[T, U, list[Seconds], list[Seconds]]:
    """Both last results and all runs; in turn, so that a busy moment of the machine meets both."""
    runs = [(timed(first), timed(second)) for _ in range(repeats)]
    (one, _), (other, _) = runs[-1]
    return one, other, [run[0][1] for run in runs], [run[1][1] for run in runs]


def median(runs: list[Seconds]) -> Seconds:
    """The run in the middle by seconds on the wall."""
    return sorted(runs)[len(runs) // 2]
