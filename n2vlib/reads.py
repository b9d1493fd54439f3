"""Which entries of the store each cell of a chapter reads, noted in the file that $N2V_READS names, if it names one.

Entries that are read only while another is computed are not noted, so that every run of a chapter notes the same.
"""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "N2V_READS"
_computing = 0


@contextmanager
def computing() -> Iterator[None]:
    """A `with` block that computes an entry: reads in it are not noted."""
    global _computing
    _computing += 1
    try:
        yield
    finally:
        _computing -= 1


def note(entries: list[str]) -> None:
    """Note entries, KIND/KEY, for the cell that runs."""
    file = os.environ.get(VARIABLE)
    if file and not _computing and (ipython := sys.modules.get("IPython")) and (shell := ipython.get_ipython()):
        with Path(file).open("a", encoding="ascii") as lines:
            # The list of inputs has the running cell already; whether `execution_count` counts it depends on IPython.
            lines.write(json.dumps([len(shell.user_ns["In"]) - 1, entries]) + "\n")


def noted(file: Path) -> dict[int, set[str]]:
    """{number of a cell: entries}; empty where no cell has read any."""
    found: dict[int, set[str]] = defaultdict(set)
    for line in file.read_text(encoding="ascii").splitlines() if file.exists() else ():
        cell, entries = json.loads(line)
        found[cell] |= {*entries}
    return dict(found)
