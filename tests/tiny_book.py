"""A book of tiny chapters in a folder of its own, to test the runner on."""

from pathlib import Path

from n2vlib.builder import pairs
from n2vlib.builder.book import Setting

HEADER = """# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A tiny chapter

# %% tags=["parameters"]
TAU: float = 0.005  # share of places where a filter fires
PROBE: str = "world"  # probe set
{extra}
"""
CHECK = "import n2vlib.parameters\n\nn2vlib.parameters.check_parameters(globals())"


def write_chapter(root: Path, name: str, *cells: str, extra: str = "") -> None:
    """Write book/<name>.py and its notebook; `extra` holds more lines of the parameters cell."""
    text = HEADER.format(extra=extra) + "".join(f"\n# %%\n{cell}\n" for cell in cells)
    path = root / "book" / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    pairs.write(root)


def tiny_book(root: Path, **chapters: str) -> Setting:
    """A book with one chapter for each keyword, whose last cell is the value, and params/tiny.yml."""
    listed = "".join(f"  - file: book/{name}\n" for name in chapters)
    (root / "_toc.yml").write_text(f"format: jb-book\nroot: book/index\nchapters:\n{listed}", encoding="utf-8")
    (root / "book").mkdir()
    (root / "book" / "index.md").write_text("# Tiny\n", encoding="utf-8")
    (root / "params").mkdir()
    (root / "params" / "tiny.yml").write_text("TAU: 0.01\n", encoding="utf-8")
    for name, cell in chapters.items():
        write_chapter(root, name, cell)
    return Setting(root / "params" / "tiny.yml", root / "out", root=root)
