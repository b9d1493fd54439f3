"""Chapters executed on photographs, and the tables that they show, for PHOTOGRAPHS.md."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
from bs4 import BeautifulSoup

from n2vlib.paths import ROOT

TARGET = Path(__file__).with_name("PHOTOGRAPHS.md")
# The line with which each part begins, and the script that writes it: photographs, detectors, sure, explained.
PARTS = {
    "first": "# Photographs\n",
    "second": "# Network Dissection\n",
    "third": "# How sure the names are\n",
    "fourth": "# Compositional explanations\n",
    "fifth": "# Sentences of people\n",  # written by hand, from runs of the chapter
}


def short(setting: str) -> str:
    return setting.removeprefix("photographs-")


def execute(setting: str, store: Path, out: Path, names: list[str]) -> dict[str, object]:
    """Execute chapters: how many could be, and which could not. What a failed chapter showed before is gone."""
    command = [sys.executable, "-m", "n2vlib", "book", *names, "--no-site"]
    command += ["--params", f"params/{setting}.yml", "--out", str(out)]
    environment = os.environ | {"N2V_STORE": str(store)}
    done = subprocess.run(command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE)
    print(done.stdout, flush=True)
    ran = re.findall(r"^(book/\S+) +(?:[\d.]+ s|unchanged)$", done.stdout, re.MULTILINE)
    failed = re.findall(r"^FAILED (.*)$", done.stdout, re.MULTILINE)
    if done.returncode and not failed:
        sys.exit(f"{setting}: `n2vlib book` ended with {done.returncode}; nothing is written")
    for notebook in [file for name in names for file in (out / "book").rglob(f"{Path(name).name}.ipynb")]:
        if notebook.relative_to(out).with_suffix("").as_posix() not in ran:
            notebook.unlink()
    return {"network": short(setting), "chapters executed": len(ran), "failed": "; ".join(failed) or "none"}


def table(out: Path, chapter: str, caption: str) -> pd.DataFrame | None:
    """The table whose caption holds these words, all its rows as text; None where the chapter was not executed."""
    notebook = out / "book" / f"{chapter}.ipynb"
    if not notebook.exists():
        return None
    cells = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    outputs = [output["data"] for cell in cells for output in cell.outputs if "data" in output]
    page = next((text for data in outputs if caption in (text := data.get("text/html", ""))), None)
    if page is None:
        sys.exit(f"{chapter}: no table with {caption!r} in its caption; the script must learn its new one")
    largest = max(BeautifulSoup(page, "html.parser").find_all("table"), key=lambda found: len(found.find_all("tr")))
    head, *rows = [[cell.text for cell in row.find_all(["th", "td"])] for row in largest.find_all("tr")]
    return pd.DataFrame(rows, columns=head)


def markdown(frame: pd.DataFrame, digits: int = 3) -> str:
    def cell(value: object) -> str:
        if isinstance(value, float):
            return "" if np.isnan(value) else f"{value:.{digits}f}"
        return str(value)

    lines = ["| " + " | ".join(map(str, frame.columns)) + " |", "|" + " --- |" * frame.shape[1]]
    lines += ["| " + " | ".join(cell(v) for v in row) + " |" for row in frame.itertuples(index=False)]
    return "\n".join(lines)


def write(part: str, text: str) -> None:
    """Write one part of PHOTOGRAPHS.md, below its first line, and keep the others."""
    old = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    lines = "|".join(map(re.escape, PARTS.values()))
    pieces = dict(re.findall(rf"^({lines})(.*?)(?=^(?:{lines})|\Z)", old, re.MULTILINE | re.DOTALL))
    pieces[PARTS[part]] = text
    kept = [f"{line}\n{pieces[line].strip()}\n" for line in PARTS.values() if line in pieces]
    TARGET.write_text("\n".join(kept), encoding="utf-8")
    print(text)
