"""`_toc.yml` is written from the list of chapters on the landing page, so that a chapter is listed once, with a line of
words."""

import re
from pathlib import Path

from n2vlib.paths import ROOT

NAME = "_toc.yml"
WRITE = "run `python -m n2vlib pairs --write`"
_WRITTEN = f"# Written from the list of chapters in book/index.py; {WRITE}"
_LIST = re.compile(r"^# ## The chapters\n(.*?)(?=^# ## )", re.MULTILINE | re.DOTALL)
_PART_OR_CHAPTER = re.compile(r"\*\*(.+?)\*\*|\]\(([\w/-]+)\)")


def listed(root: Path = ROOT) -> str:
    """The table of contents that `book/index.py` gives: its words in bold are parts, its links the chapters of each.

    Empty where the landing page has no such list.
    """
    page = root / "book" / "index.py"
    found = _LIST.search(page.read_text(encoding="utf-8")) if page.exists() else None
    if found is None:
        return ""
    lines = [_WRITTEN, "format: jb-book", "root: book/index", "parts:"]
    for part, chapter in _PART_OR_CHAPTER.findall(found[1]):
        lines += [f"  - caption: {part}", "    chapters:"] if part else [f"      - file: book/{chapter}"]
    return "\n".join(lines) + "\n"
