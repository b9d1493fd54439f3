"""Chapters are pairs, both committed: the percent text `x.py` is the source, `x.ipynb` its notebook without outputs.

The landing page lists them; `_toc.yml` is written from it (`toc`).
"""

from collections.abc import Collection
from pathlib import Path

import jupytext
import nbformat
from nbformat import NotebookNode

from n2vlib.builder import toc
from n2vlib.builder.toc import WRITE
from n2vlib.paths import ROOT


def texts(root: Path = ROOT) -> list[Path]:
    """The percent texts of all chapters under book/ (not the Sphinx extensions)."""
    return sorted(path for path in (root / "book").rglob("*.py") if not _inside_hidden(path, root))


def disagreements(root: Path = ROOT, only: Collection[str] | None = None) -> list[str]:
    """One line for each pair that disagrees, each notebook without text or with outputs, and each chapter in no list.

    only   chapters whose pairs are read [default: all]
    """
    found = []
    for text in texts(root):
        if only is not None and text.relative_to(root).with_suffix("").as_posix() not in only:
            continue
        paired, name = text.with_suffix(".ipynb"), text.relative_to(root).as_posix()
        if not paired.exists():
            found.append(f"{name}: has no notebook; {WRITE}")
            continue
        notebook = nbformat.read(paired, as_version=4)
        source = jupytext.read(text)
        if "kernelspec" not in source.metadata:
            found.append(f"{name}: has no kernelspec; begin it with the comment that other chapters begin with")
        where = _first_difference(source, notebook)
        found += [f"{name}: the notebook differs at {where}; {WRITE}"] if where else []
        for i, cell in enumerate(notebook.cells):
            if cell.get("outputs") or cell.get("execution_count"):
                found.append(f"{paired.relative_to(root).as_posix()}: cell {i} holds outputs; {WRITE}")
    for paired in sorted((root / "book").rglob("*.ipynb")):
        if not _inside_hidden(paired, root) and not paired.with_suffix(".py").exists():
            found.append(
                f"{paired.relative_to(root).as_posix()}: has no percent text; run `jupytext --to py:percent` on it"
            )
    return found + (_unlisted(root) if only is None else [])


def _unlisted(root: Path) -> list[str]:
    """What the landing page and the table of contents do not say alike, and the chapters that neither names."""
    known = toc.listed(root)
    if not known:
        return []
    names = [text.relative_to(root).with_suffix("").as_posix() for text in texts(root)]
    found = [
        f"{name}.py: book/index.py does not list it under The chapters"
        for name in names
        if name != "book/index" and f"file: {name}\n" not in known
    ]
    agrees = (root / toc.NAME).exists() and (root / toc.NAME).read_text(encoding="utf-8") == known
    return found if agrees else [*found, f"{toc.NAME}: book/index.py lists other chapters; {WRITE}"]


def write(root: Path = ROOT) -> list[Path]:
    """Rebuild the notebook of every percent text, and the table of contents, where they disagree; returns the files.

    Cells have their number as id, so that the same text gives the same notebook on every machine.
    """
    sources = {}
    for text in texts(root):
        notebook = jupytext.read(text)
        for i, cell in enumerate(notebook.cells):
            cell["id"] = f"cell-{i:02}"
        sources[text.with_suffix(".ipynb")] = nbformat.writes(notebook) + "\n"
    if known := toc.listed(root):
        sources[root / toc.NAME] = known
    written = []
    for path, source in sources.items():
        if not path.exists() or path.read_text(encoding="utf-8") != source:
            path.write_text(source, encoding="utf-8", newline="\n")
            written.append(path)
    return written


def _inside_hidden(path: Path, root: Path) -> bool:
    return any(part[0] in "._" for part in path.relative_to(root).parts)


def _first_difference(text: NotebookNode, paired: NotebookNode) -> str:
    if text.metadata.get("kernelspec") != paired.metadata.get("kernelspec"):
        return "its kernelspec"
    ours, theirs = [_content(cell) for cell in text.cells], [_content(cell) for cell in paired.cells]
    if ours == theirs:
        return ""
    same = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))
    return f"cell {same}"


def _content(cell: NotebookNode) -> tuple:
    kept = {key: cell.metadata[key] for key in ("tags", "mystnb") if key in cell.metadata}
    return cell.cell_type, cell.source, kept
