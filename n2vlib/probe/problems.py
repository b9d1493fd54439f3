"""What can be wrong with a probe set: told one by one to whoever asked, a list or an error."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from n2vlib.errors import BadInput


@dataclass(frozen=True)
class Problem:
    """level 'error' or 'warning'; file relative to the probe set; row as an editor counts lines, the header is 1."""

    level: str
    file: str
    row: int | None
    message: str

    def __str__(self) -> str:
        where = self.file if self.row is None else f"{self.file} row {self.row}"
        return f"{where}: {self.message}"


class Report:
    """Takes problems in. `tell` decides what happens to each: `list.append`, or raise."""

    def __init__(self, tell: Callable[[Problem], object]):
        self._tell = tell

    def error(self, file: str, row: int | None, message: str) -> None:
        self._tell(Problem("error", file, row, message))

    def warning(self, file: str, row: int | None, message: str) -> None:
        self._tell(Problem("warning", file, row, message))


def raising(root: object) -> Report:
    """A report that raises BadInput at the first error and lets warnings pass."""

    def tell(problem: Problem) -> None:
        if problem.level == "error":
            refuse(root, problem)

    return Report(tell)


def refuse(root: object, problem: Problem) -> NoReturn:
    raise BadInput(f"probe set {root}: {problem}")
