"""Figures say what made them: the cells their names come from, by their text, and the entries that these read."""

import importlib.util
import re
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from docutils import frontend, nodes, utils
from tiny_book import tiny_book, write_chapter

from n2vlib import charts, reads
from n2vlib.builder import book, figures, pairs
from n2vlib.builder.chart_mime import chart_html
from n2vlib.display import gallery, swatches
from n2vlib.display.style import MIME
from n2vlib.paths import ROOT
from n2vlib.store import Store

FIGURE = nbformat.v4.new_output("display_data", data={MIME: {}})


@pytest.mark.parametrize(
    ("source", "read", "set_"),
    [
        ("import a\nb = a.c(d)", {"d"}, {"b"}),  # a is the cell's own
        ("title = x\nshow(title)", {"x", "show"}, {"title"}),
        ("title = title + 'x'", {"title"}, {"title"}),
        ("rows = [f(row, k) for row in table]", {"f", "k", "table"}, {"rows"}),
        ("def g(x):\n    return x + y", {"y"}, {"g"}),
        ("table['a'].part[0] = 1", {"table"}, {"table"}),
        ("for i, j in pairs:\n    total += i", {"pairs", "total"}, {"i", "j", "total"}),
        ("with open(p) as file:\n    text = file.read()", {"open", "p"}, {"file", "text"}),
        ("if (n := len(v)) > 1:\n    w = n", {"len", "v"}, {"n", "w"}),
        ("%matplotlib inline", set(), set()),
    ],
)
def test_the_names_that_a_cell_reads_and_sets(source, read, set_):
    found = figures.names_of(source)
    assert (found.reads, found.sets) == (read, set_)


def cell(count, source, outputs=(), **metadata):
    made = nbformat.v4.new_code_cell(source, execution_count=count, outputs=list(outputs), metadata=metadata)
    return made


def test_a_figure_names_its_cells_parameters_and_entries_and_no_others():
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        cell(1, "TAU: float = 1.0\nSEED: int = 0\nPROBE: str = 'world'", tags=["parameters"]),
        cell(2, "TAU = 2.0", tags=["injected-parameters"]),
        nbformat.v4.new_markdown_cell("a, SEED"),
        cell(3, "import n2vlib\na = read(PROBE)"),
        cell(4, "b = read(SEED)", [FIGURE]),
        cell(5, "c = TAU * a"),
        cell(6, "a = 3"),
        cell(7, "show(c)", [FIGURE]),
        cell(8, "show(n2vlib)", [nbformat.v4.new_output("display_data", data={"text/html": "<p>n2v-gallery</p>"})]),
    ]
    figures.mark(notebook, {3: {"x/2", "x/1"}, 4: {"x/3"}, 6: {"x/4"}, 7: {"x/1"}})
    made = {
        each.execution_count: each.metadata[figures.KEPT] for each in notebook.cells if figures.KEPT in each.metadata
    }
    assert made == {
        4: {"cells": [4], "parameters": ["SEED"], "entries": ["x/3"]},
        7: {"cells": [3, 5, 7], "parameters": ["PROBE", "TAU"], "entries": ["x/1", "x/2"]},
    }


def test_only_what_a_cell_itself_asks_for_is_noted_so_that_a_second_run_notes_the_same(tmp_path, monkeypatch):
    class Shell:
        user_ns = {"In": ["", "first", "second"]}

    monkeypatch.setitem(reads.sys.modules, "IPython", type("IPython", (), {"get_ipython": lambda: Shell}))
    store, found = Store(str(tmp_path / "store")), []

    def make(work: Path) -> None:
        store.entry("inner", {}, ["n2vlib.reads"], lambda inner: (inner / "x").touch())
        (work / "x").touch()

    for run in ("one", "two"):
        monkeypatch.setenv(reads.VARIABLE, str(tmp_path / run))
        key = store.entry("outer", {}, ["n2vlib.reads"], make).name
        found.append(reads.noted(tmp_path / run))
    assert found == [{2: {f"outer/{key}"}}] * 2 and (tmp_path / "store" / "inner").exists()


READING = """from n2vlib.store import Store

folder = Store("{store}").entry("kind", dict(of=TAU), ["n2vlib.reads"], lambda work: (work / "x").touch())"""
SHOWING = """from n2vlib.display.html_table import Shown

Shown(f'<div class="n2v-gallery">{folder.name}</div>', "shown")"""


def test_an_executed_chapter_keeps_what_made_its_figures_when_its_text_changes(tmp_path):
    setting, reading = tiny_book(tmp_path, one="1"), READING.format(store=tmp_path / "store")
    write_chapter(tmp_path, "one", reading, "unrelated = 1", SHOWING)
    assert book.run(["book/one"], setting) == []
    cells = nbformat.read(setting.executed("book/one"), 4).cells
    (made,) = [each.metadata[figures.KEPT] for each in cells if figures.KEPT in each.metadata]
    (key,) = [path.name for path in (tmp_path / "store" / "kind").iterdir() if path.is_dir()]
    assert made == {"cells": [3, 5], "parameters": ["TAU"], "entries": [f"kind/{key}"]}
    before = setting.executed("book/one").read_bytes()
    text = tmp_path / "book" / "one.py"
    text.write_text(text.read_text().replace("A tiny chapter", "A new title"))
    pairs.write(tmp_path)
    assert book.update_text("book/one", book.parameters_of("book/one", setting.given("book/one"), tmp_path), setting)
    after = nbformat.read(setting.executed("book/one"), 4).cells
    assert [each.metadata.get(figures.KEPT) for each in after] == [each.metadata.get(figures.KEPT) for each in cells]
    assert setting.executed("book/one").read_bytes() != before


@pytest.fixture(scope="module")
def site():
    spec = importlib.util.spec_from_file_location("n2v_site", ROOT / "book/_ext/n2v_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FRAME = pd.DataFrame({"name": ["floor", "lamp"], "category": ["part", "object"], "IoU": [0.25, 0.5]})
BLACK = np.zeros((8, 8, 3), np.uint8)


@pytest.mark.parametrize(
    "html",
    [
        charts.table(FRAME, "floor and lamp", rows=1).html,
        swatches.table(FRAME, "floor and lamp").html,
        gallery.show([BLACK, BLACK], ["floor · part", "lamp · object"]).html,
        gallery.stack(gallery.show([BLACK], ["floor"]), gallery.concept_strip("lamp", [BLACK], ["object"])).html,
        chart_html({"title": {"text": "floor", "subtitle": "part, lamp"}}),
    ],
)
def test_words_stay_apart_where_the_sites_search_takes_the_tags_out(html, site):
    document = utils.new_document("page", frontend.get_default_settings())
    document += nodes.raw(text=html, format="html")
    site.with_words_apart(None, document)
    (node,) = document.findall(nodes.raw)
    assert node.astext().replace("\n", "") == html.replace("\n", "")
    text = re.sub("<(style|script).*?</\\1>|<[^<]+?>", "", node.astext(), flags=re.DOTALL)
    known = {"floor", "lamp", "part", "object", "name", "category", "iou", "and", "show", "all", "rows"}
    assert {"floor", "lamp"} < set(re.findall(r"[a-z]+", text.lower())) <= known


def test_the_page_links_each_figure_to_cells_that_are_there(site):
    document = utils.new_document("page", frontend.get_default_settings())
    made = {"cells": [2, 9], "parameters": ["TAU"], "entries": ["kind/<key>"]}
    for count, metadata in ((1, {"tags": ["parameters"]}), (2, {}), (3, {"n2v": made})):
        document += nodes.container(nb_element="cell_code", exec_count=count, cell_metadata=metadata)
    site.with_sources(None, document)
    assert [each["ids"] for each in document.findall(nodes.container)] == [["cell-1"], ["cell-2"], ["cell-3"]]
    (html,) = [each.astext() for each in document.findall(nodes.raw)]
    assert '<a href="#cell-2">[2]</a></p>' in html and '<a href="#cell-1">TAU</a>' in html
    assert "cell-9" not in html and "kind/&lt;key&gt;" in html
