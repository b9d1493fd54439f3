"""What a run has finished, image by image, so that a stopped one continues."""

import json
from pathlib import Path


class Log:
    """A file with a line for each finished image; an unfinished last line is of a run that was killed."""

    def __init__(self, file: Path, states: dict[str, list[int]]):
        """states   {image: what changes when its file does}; an image that has changed since is not finished"""
        self.file, self.states = file, states
        self.at: dict[str, int] = {}  # where the line of a finished image begins
        self._end = 0
        with file.open("a+b") as lines:
            lines.seek(0)
            for line in lines:
                if (found := _read(line)) is None:
                    break
                if states.get(found[0]) == found[1]:
                    self.at[found[0]] = self._end
                self._end += len(line)
            lines.truncate(self._end)

    def add(self, name: str, rows: list[tuple]) -> None:
        """Keep the rows of an image."""
        line = json.dumps([name, self.states[name], rows]).encode() + b"\n"
        with self.file.open("ab") as lines:
            lines.write(line)
        self.at[name], self._end = self._end, self._end + len(line)

    def rows(self, name: str) -> list[list]:
        """The rows of a finished image."""
        with self.file.open("rb") as lines:
            lines.seek(self.at[name])
            return json.loads(lines.readline())[2]


def _read(line: bytes) -> tuple[str, list[int]] | None:
    """The image of a line and its state; None for a line that is not whole."""
    try:
        name, state, _ = json.loads(line)
    except ValueError:
        return None
    return (name, state) if line.endswith(b"\n") else None
