"""The images that an interrupted run has written, a line each, so that the next run continues after them."""

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

Shares = Mapping[str, Mapping[int, float]]


class Journal:
    """A file with one line of JSON for each image, written when its files are.

    entries   those of earlier runs: the row of index.csv, category -> label -> share, and the names that were new
    """

    def __init__(self, path: Path):
        self.path = path
        self.entries: list[tuple[dict, Shares, dict[int, str]]] = []
        self.noted = 0  # names
        length = 0
        for line in path.read_bytes().splitlines(keepends=True) if path.exists() else ():
            with suppress(ValueError):  # of a run that was killed while it wrote this line
                self.entries.append(_entry(line))
                length += len(line)
                continue
            break
        self.noted = sum(len(names) for _, _, names in self.entries)
        if path.exists():
            with path.open("r+b") as file:
                file.truncate(length)

    def note(self, row: dict, shares: Shares, names: Mapping[int, str]) -> None:
        """Note an image; of `names`, which only grow, those that are new are kept."""
        new = dict([*names.items()][self.noted :])
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([row, shares, new]) + "\n")
        self.noted += len(new)


def _entry(line: bytes) -> tuple[dict, Shares, dict[int, str]]:
    """ValueError for a line that is not whole."""
    if not line.endswith(b"\n"):
        raise ValueError
    row, shares, names = json.loads(line)
    by_number = {
        category: {int(number): share for number, share in found.items()} for category, found in shares.items()
    }
    return row, by_number, {int(number): name for number, name in names.items()}
