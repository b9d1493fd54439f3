"""A chapter's notebook is paired with its percent text, without outputs; differences are named."""

import nbformat
import pytest
from tiny_book import tiny_book

from n2vlib.builder import book, pairs
from n2vlib.paths import ROOT

COLUMNS, LINES = 88, 15  # of a code cell, so that it fits its page without a scroll bar


@pytest.fixture
def root(tmp_path):
    tiny_book(tmp_path, one="x = 1")
    return tmp_path


def test_a_written_pair_agrees_and_is_written_once(root):
    assert pairs.disagreements(root) == []
    assert pairs.write(root) == []


def test_an_edited_text_is_named_with_the_cell_and_the_command(root):
    text = root / "book" / "one.py"
    text.write_text(text.read_text().replace("x = 1", "x = 2"))
    (line,) = pairs.disagreements(root)
    assert line.startswith("book/one.py: the notebook differs at cell 2") and pairs.WRITE in line
    assert pairs.write(root) == [root / "book" / "one.ipynb"]
    assert pairs.disagreements(root) == []


def test_other_tags_are_a_difference(root):
    text = root / "book" / "one.py"
    text.write_text(text.read_text().replace('tags=["parameters"]', 'tags=["hide-input"]'))
    assert "cell 1" in pairs.disagreements(root)[0]


def test_outputs_are_found(root):
    twin = root / "book" / "one.ipynb"
    notebook = nbformat.read(twin, as_version=4)
    notebook.cells[2].outputs = [nbformat.v4.new_output("stream", text="1")]
    nbformat.write(notebook, twin)
    assert pairs.disagreements(root) == [f"book/one.ipynb: cell 2 holds outputs; {pairs.WRITE}"]


def test_a_text_without_notebook_and_a_notebook_without_text_are_found(root):
    (root / "book" / "one.py").rename(root / "book" / "two.py")
    assert [line.split(":")[0] for line in pairs.disagreements(root)] == ["book/two.py", "book/one.ipynb"]


def test_a_text_that_does_not_say_its_kernel_is_found(root):
    text = root / "book" / "one.py"
    text.write_text(text.read_text()[text.read_text().index("# %%") :])
    pairs.write(root)
    (line,) = pairs.disagreements(root)
    assert line.startswith("book/one.py: has no kernelspec; begin it with")


def test_the_same_text_gives_the_same_notebook_whatever_was_there(root):
    twin = root / "book" / "one.ipynb"
    before = twin.read_bytes()
    twin.unlink()
    pairs.write(root)
    assert twin.read_bytes() == before


LISTED = """# %% [markdown]
# # A tiny book
#
# [One](one) is not a list.
#
# ## The chapters
#
# **Start**
#
# - [One](one), and words about it.
#
# **Later**, in the order of the paper
#
# - [Two](part/two), and [a
#   third](part/three): more words.
#
# ## How to run it
#
# See [one](one).
"""
TABLE = """# Written from the list of chapters in book/index.py; run `python -m n2vlib pairs --write`
format: jb-book
root: book/index
parts:
  - caption: Start
    chapters:
      - file: book/one
  - caption: Later
    chapters:
      - file: book/part/two
      - file: book/part/three
"""


def test_the_table_of_contents_is_written_from_the_landing_page(root):
    text = (root / "book" / "one.py").read_text()
    (root / "book" / "index.py").write_text(text[: text.index("# %%")] + LISTED)
    (root / "book" / "draft.py").write_text(text)
    assert {path.name for path in pairs.write(root)} == {"index.ipynb", "draft.ipynb", "_toc.yml"}
    assert (root / "_toc.yml").read_text() == TABLE and pairs.write(root) == []
    assert pairs.disagreements(root) == ["book/draft.py: book/index.py does not list it under The chapters"]
    (root / "_toc.yml").write_text(TABLE.replace("three", "3"))
    assert pairs.disagreements(root)[1] == f"_toc.yml: book/index.py lists other chapters; {pairs.WRITE}"
    assert pairs.disagreements(root, only=["book/one"]) == []


@pytest.mark.parametrize("chapter", book.chapters())
def test_a_code_cell_fits_its_page(chapter):
    wide, long = [], []
    for cell in nbformat.read(ROOT / f"{chapter}.ipynb", as_version=4).cells:
        if cell.cell_type != "code":
            continue
        lines = cell.source.splitlines()
        wide += [f"{len(line)} columns: {line}" for line in lines if len(line) > COLUMNS]
        if len(lines) > LINES and "parameters" not in cell.metadata.get("tags", []):
            long.append(f"{len(lines)} lines, from: {lines[0]}")
    said = [f"{chapter}.py: a line has at most {COLUMNS} columns", *wide] if wide else []
    said += [f"{chapter}.py: a cell of code has at most {LINES} lines", *long] if long else []
    assert not said, "\n".join(said)
