"""What the sampled processes of a run have kept (sampled/sitecustomize.py)."""

import json
from pathlib import Path


def read(folder: Path) -> dict[int, dict]:
    """The book of every process, by its number."""
    return {int(file.stem): json.loads(file.read_text()) for file in folder.glob("*.json")}


def chapter_of(pid: int, books: dict[int, dict]) -> str:
    """The chapter that the nearest ancestor with chapters executed when this process was started; "" outside all.

    An ancestor that computes little is seen to execute a chapter only after it has started the kernel.
    """
    started, above = books[pid]["start"], books[pid]["parent"]
    while above in books:
        begun = [chapter for since, chapter in books[above]["chapters"] if since <= started + 2]
        if begun:
            return begun[-1]
        above = books[above]["parent"]
    return ""
