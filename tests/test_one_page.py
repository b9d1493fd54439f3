"""A page of the site as one file: nothing is left to load, nothing in it ends an element early."""

from html.parser import HTMLParser

import nbformat
import pytest

from n2vlib.builder import one_page
from n2vlib.errors import BadInput

PAGE = """<!DOCTYPE html><html><head><title>A &lt;b&gt; page</title>
<link rel="stylesheet" href="../_static/a.css?v=1"></head><body><nav>frame</nav>
<article class="bd-article"><h1>Title<a class="headerlink" href="#title">#</a></h1>
<p><a href="other.html#x">another chapter</a>, <a href="https://example.org">the world</a>, <a href="#here">here</a></p>
<img src="../_images/p.png"><script class="n2v-spec" type="application/json">{"a": "\\u003c/script>"}</script>
</article></body></html>"""


@pytest.fixture
def page(tmp_path):
    for name, text in {
        "_static/a.css": '@import "b.css";@font-face{src:url(f.woff)}p{x:url(p.png)}i{x:url("data:image/png;,")}',
        "_static/b.css": "b{content:'</style>'}",
        "_static/vega-bundle.js": "window.bundle = '</script><!--';",
        "_static/n2v-charts.js": "window.charts = 1;",
        "_images/p.png": "picture",
        "book/page.html": PAGE,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / "book" / "page.html"


class Read(HTMLParser):
    """Addresses, scripts, styles and visible text of a page."""

    def __init__(self, text):
        super().__init__()
        self.inside, self.addresses, self.texts = "", [], {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.inside = tag
        self.addresses += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.texts.setdefault(self.inside, []).append(data)


def test_everything_that_a_page_loads_is_in_it(page):
    read = Read(one_page.in_one(page))
    assert read.addresses == ["https://example.org", "#here", "data:image/png;base64,cGljdHVyZQ=="]
    assert read.texts["title"] == ["A <b> page"] and "frame" not in str(read.texts)
    style = "".join(read.texts["style"])
    assert "b{content:'<\\/style>'}" in style and "font-face" not in style and style.count("url(") == 1
    scripts = "".join(read.texts["script"])
    assert "window.bundle = '<\\/script><\\!--';" in scripts and "window.charts" in scripts
    assert "another chapter" in "".join(read.texts["p"])


def test_what_is_no_executed_chapter_is_said(tmp_path):
    with pytest.raises(BadInput, match="no such notebook"):
        one_page.write(tmp_path / "a.html", tmp_path / "a.ipynb")
    cells = [nbformat.v4.new_markdown_cell("x"), nbformat.v4.new_code_cell("read()\nmore()", execution_count=3)]
    cells[1].outputs = [nbformat.v4.new_output("error", ename="BadInput", evalue="layer\n9")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.part.ipynb")
    said = r"run failed, cell \[3\] `read\(\)`: BadInput: layer 9; mend that and `run a` again, or export a.part.ipynb"
    with pytest.raises(BadInput, match=said):
        one_page.write(tmp_path / "a.html", tmp_path / "a.ipynb")
    (tmp_path / "a.ipynb").write_text("no notebook")
    with pytest.raises(BadInput, match="cannot be built"):
        one_page.write(tmp_path / "a.html", tmp_path / "a.ipynb")
    assert not (tmp_path / "a.html").exists()
