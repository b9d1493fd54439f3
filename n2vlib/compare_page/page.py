"""The comparison of runs as one HTML file."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from n2vlib.analysis import between_runs
from n2vlib.analysis.runs import Run
from n2vlib.compare_page.contents import contents
from n2vlib.files.output import file_to_write, write_file
from n2vlib.pages.document import asset, with_views
from n2vlib.store import digest

SCRIPTS = ("pairs.js", "main.js")
VIEWS = {"runs": "Runs", "about": "How they were compared"}


def write(
    out: str | Path, found: Sequence[Run], *, iou_threshold: float = 0.04, draws: int = between_runs.DRAWS
) -> Path:
    """Write the page of `runs.read`: each of the other runs against the first; returns the file's path.

    out             the file, relative to the repository root; it appears complete or not at all
    iou_threshold   dissection IoU above which a filter is a detector
    draws           of the bootstrap intervals
    """
    file_to_write(out)
    return write_file(out, html(contents(found, iou_threshold, draws)))


def file_name(rows: Sequence[Mapping[str, Any]]) -> str:
    """The file name of a page: compare-NAMES.html, with six letters that stand for all that was asked for."""
    names = "-".join(dict.fromkeys(str(row["network"]).rpartition(":")[2].rpartition("/")[2] for row in rows))
    return re.sub(r"[^\w.-]+", "-", f"compare-{names[:60]}-{digest(list(rows))[:6]}.html")


def html(values: dict) -> str:
    """The page of these `contents`; its policy allows only our script and style, and no network."""
    first, *others = (run["label"] for run in values["runs"])
    title = f"{first} against {others[0] if len(others) == 1 else f'{len(others)} others'}"
    script = "".join(asset(f"compare_page/{name}") for name in SCRIPTS)
    return with_views(title, VIEWS, asset("compare_page/compare.css"), script, {"contents": values})
