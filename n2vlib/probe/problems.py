"""Problems of a probe set, reported one by one: collected in a list, or raised as an error."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from n2vlib.errors import BadInput


@dataclass(frozen=True)
class Problem:
    """A problem: severity 'error' or 'warning', file relative to the probe set, row a line number (the header is 1)."""

    severity: str
    file: str
    row: int | None
    message: str

    def __str__(self) -> str:
        where = self.file if self.row is None else f"{self.file} row {self.row}"
        return f"{where}: {self.message}"


class Report:
    """Takes problems in. `handle` decides what happens to each: `list.append`, or raise."""

    def __init__(self, handle: Callable[[Problem], object]):
        self._handle = handle

    def error(self, file: str, row: int | None, message: str) -> None:
        self._handle(Problem("error", file, row, message))

    def warning(self, file: str, row: int | None, message: str) -> None:
        self._handle(Problem("warning", file, row, message))


def raising(root: object) -> Report:
    """A report that raises BadInput at the first error and lets warnings pass."""

    def handle(problem: Problem) -> None:
        if problem.severity == "error":
            refuse(root, problem)

    return Report(handle)


def refuse(root: object, problem: Problem) -> NoReturn:
    raise BadInput(f"probe set {root}: {problem}")
