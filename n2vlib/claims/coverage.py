"""Which chapter runs which experiment: book/coverage.csv, for the list of experiments (published/experiments.csv).

A row with status `runs` names the chapter, a heading of it (the anchor) and the parameter file; `needs-original-data`
names the parameter file that would run it; `not-reproducible` gives the reason; `planned` is of another system.
"""

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pandas as pd

from n2vlib import published
from n2vlib.errors import BadInput
from n2vlib.paths import ROOT

COLUMNS = ["id", "status", "chapter", "anchor", "params", "reason"]
NEEDS = {  # columns that a row of this status must fill
    "runs": ["chapter", "anchor", "params"],
    "needs-original-data": ["params", "reason"],
    "not-reproducible": ["reason"],
    "planned": [],
}
STATUSES = tuple(NEEDS)
_FENCED = re.compile(r"^(```|~~~).*?^\1\s*$", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def read(root: Path = ROOT) -> pd.DataFrame:
    """book/coverage.csv, all columns as text, missing values empty."""
    file = root / "book" / "coverage.csv"
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    if list(table.columns) != COLUMNS:
        raise BadInput(f"book/coverage.csv: its columns are {', '.join(table.columns)}; expected {', '.join(COLUMNS)}")
    return table


def problems(coverage: pd.DataFrame, pages: Sequence[str], root: Path = ROOT) -> list[str]:
    """One line for each row that is wrong about the book, or incomplete.

    pages   the chapters of _toc.yml, as paths without suffix
    """
    found = [f"{name}: is there twice" for name in coverage["id"][coverage["id"].duplicated()]]
    anchors: dict[str, list[str]] = {}
    for row in coverage.to_dict("records"):
        found += [f"{row['id']}: {said}" for said in _wrong_with(row, pages, anchors, root)]
    return found


def _wrong_with(row: dict, pages: Sequence[str], anchors: dict[str, list[str]], root: Path) -> list[str]:
    if row["status"] not in NEEDS:
        return [f"status {row['status']!r} is none of {', '.join(STATUSES)}"]
    found = [f"status {row['status']} needs {column}" for column in NEEDS[row["status"]] if not row[column]]
    if row["params"] and not (root / row["params"]).is_file():
        found.append(f"no parameter file {row['params']}")
    chapter = row["chapter"]
    if chapter and chapter not in pages:
        return [*found, f"_toc.yml has no chapter {chapter}"]
    if row["anchor"]:
        if chapter not in anchors:
            anchors[chapter] = [slug(heading) for heading in headings(root / f"{chapter}.ipynb")]
        if (times := anchors[chapter].count(row["anchor"])) != 1:
            found.append(f"{chapter} has {times} headings with the anchor {row['anchor']!r}")
    return found


def headings(notebook: Path) -> list[str]:
    """The headings of a notebook's text, in order, as written."""
    cells = nbformat.read(notebook, as_version=4).cells
    texts = [_FENCED.sub("", cell.source) for cell in cells if cell.cell_type == "markdown"]
    return [heading for text in texts for heading in _HEADING.findall(text)]


def slug(heading: str) -> str:
    """The id that Sphinx gives the section under a heading: its words in lower case, joined by hyphens.

    As docutils' `make_id`: letters lose their accents, other characters than letters and digits become a hyphen, and
    hyphens at either end and digits at the start are removed.
    """
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)  # a link shows its text
    plain = unicodedata.normalize("NFKD", shown.lower()).encode("ascii", "ignore").decode()
    return re.sub(r"^[-0-9]+|-+$", "", re.sub(r"[^a-z0-9]+", "-", plain))


def joined(coverage: pd.DataFrame, system: str) -> pd.DataFrame:
    """The experiments of one system in the order of the list, with the chapters that run them.

    Returns   id, source, what_it_computes, published_headline_numbers, status, chapter, anchor, params, reason
    """
    listed = published.table("experiments")
    rows = listed.loc[listed["system"] == system, ["id", "source", "what_it_computes", "published_headline_numbers"]]
    return rows.merge(coverage, on="id", how="left", validate="one_to_one")


def shown(system: str, chapter: str, root: Path = ROOT) -> pd.DataFrame:
    """The experiments of one system as the page of `chapter` lists them.

    Returns   id, section (chapter and heading), what it computes, published, status (with parameter file and reason
              where they say more), runs (bool), link (the section's address, relative to the page)
    """
    table = joined(read(root), system).fillna("")
    names = {
        name: {slug(each): each for each in headings(root / f"{name}.ipynb")} for name in set(table["chapter"]) - {""}
    }
    section = [
        f"{name.rpartition('/')[2]}: {names[name][anchor]}" if name else ""
        for name, anchor in zip(table["chapter"], table["anchor"], strict=True)
    ]
    other = table["params"].replace("params/embedded.yml", "")
    status = table["status"] + other.radd(", ").where(other != "", "")
    status += table["reason"].radd(": ").where(table["reason"] != "", "")
    words = {"what_it_computes": "what it computes", "published_headline_numbers": "published"}
    found = table.rename(columns=words).assign(section=section, status=status, runs=table["status"] == "runs")
    found = found.assign(link=links(table, chapter))
    return found.loc[:, ["id", "section", "what it computes", "published", "status", "runs", "link"]]


def links(coverage: pd.DataFrame, chapter: str) -> list[str]:
    """The address of each row's section, relative to the page of `chapter`; empty where no chapter runs it."""
    up = "../" * chapter.count("/")
    return [
        f"{up}{row['chapter']}.html#{row['anchor']}" if row["chapter"] else "" for row in coverage.to_dict("records")
    ]
