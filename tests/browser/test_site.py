"""Every page of the built site, opened from disk with the network off, at laptop and at phone width.

N2V_SCREENSHOTS    a folder: also keep a picture of every page, to look at
"""

import os
import re
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import TimeoutError, expect
from without_network import BUILT, WIDTHS

from n2vlib import PLACES
from n2vlib.builder.book import pages
from n2vlib.claims import coverage
from n2vlib.paths import ROOT

SCREENSHOTS = os.environ.get("N2V_SCREENSHOTS")
PAGES = [*(pages() if (BUILT / "site").exists() else []), "index", "search", "genindex"]

SCROLL = """async () => {
  for (let y = 0; y < document.documentElement.scrollHeight; y += innerHeight) {
    scrollTo(0, y);
    await new Promise(done => setTimeout(done, 30));
  }
  scrollTo(0, 0);
}"""
# Drawn, and as wide as the page now allows; what lies in a closed <details> is drawn when that opens.
DRAWN = """() => [...document.querySelectorAll('.n2v-chart')].every(
  c => c.dataset.drawn && (!c.clientWidth || Math.abs(c.clientWidth - c.dataset.width) <= 4))"""
UNDRAWN = """() => [...document.querySelectorAll('.n2v-chart')].filter(
  c => c.dataset.drawn !== 'true' || c.querySelector('svg').viewBox.baseVal.width < 100).length"""
# Formulas are typeset where each .math element holds a container of MathJax's, without an error in it.
TYPESET = "() => [...document.querySelectorAll('.math')].every(m => m.querySelector('mjx-container'))"
RAW = r"""() => {
  const raw = [];
  const walk = document.createTreeWalker(document.querySelector('article') || document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode())
    if (/\$[^$\s][^$\n]*\$|\$\$|\\\(|\\begin\{/.test(node.data))
      if (!node.parentElement.closest('pre, code, script, style')) raw.push(node.data.trim());
  return raw.concat([...document.querySelectorAll('mjx-merror')].map(e => e.textContent));
}"""
BROKEN_IMAGES = "() => [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.src.slice(0, 80))"
OVERFLOW = "document.documentElement.scrollWidth - innerWidth"
SIDEWAYS = """() => [...document.querySelectorAll('figure.n2v-table:has(table.n2v-stacks)')].filter(
  table => table.scrollWidth > table.clientWidth).length"""
LINKED = "() => [...document.querySelectorAll('article a[href]')].map(a => a.href.split('#')[0])"
HEADINGS = "() => [...document.querySelectorAll('article h2')].map(h => h.firstChild.data)"


@pytest.mark.parametrize("address", ["https://example.org/x.png", "http://192.0.2.1/x.png"])
def test_a_page_that_asks_the_network_is_told_of(address, offline):
    opened = offline("laptop")
    opened.page.set_content(f"<img src='{address}'>")
    opened.page.wait_for_load_state("networkidle")
    assert f"not loaded: {address}" in opened.wrong


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_whole_without_a_network_at_both_widths(name, built, tab):
    """Every other page is opened on a phone and then widened, the others the other way round."""
    first, second = list(WIDTHS)[:: 1 if PAGES.index(name) % 2 else -1]
    page = tab.page
    tab.resize(first)
    page.goto((built / "site" / f"{name}.html").as_uri())
    page.wait_for_load_state("networkidle")
    page.evaluate(SCROLL)
    if page.locator(".math").count():
        page.wait_for_function(TYPESET)
    for width in (first, second):
        tab.resize(width)
        page.wait_for_function(DRAWN)
        with suppress(TimeoutError):  # a chart that is drawn anew keeps its old width for a moment
            page.wait_for_function(f"{OVERFLOW} <= 1", timeout=3000)
        if SCREENSHOTS:
            page.screenshot(path=Path(SCREENSHOTS) / f"{name.replace('/', '-')}.{width}.png", full_page=True)
        assert tab.wrong == []
        assert page.evaluate(UNDRAWN) == 0, f"charts that were not drawn on a {width}"
        assert page.evaluate(RAW) == [], "formulas that were not typeset"
        assert page.evaluate(BROKEN_IMAGES) == [], "pictures that did not load"
        assert page.evaluate(OVERFLOW) <= 1, f"pixels that stick out to the right on a {width}"
        assert page.evaluate(SIDEWAYS) == 0, f"tables of words that are read by scrolling sideways on a {width}"


@pytest.mark.parametrize("width", ["laptop", "phone"])
def test_the_landing_page_leads_to_every_part_of_the_book(width, built, visit):
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    page = visit(built / "site" / f"{toc['root']}.html", width=width)
    linked = set(page.evaluate(LINKED))
    for part in toc["parts"]:
        addresses = {(built / "site" / f"{entry['file']}.html").as_uri() for entry in part["chapters"]}
        assert addresses & linked, part["caption"]
    assert {"The chapters", "How to run it"} <= set(page.evaluate(HEADINGS))
    assert page.evaluate(OVERFLOW) <= 1


@pytest.mark.parametrize("width", ["laptop", "phone"])
def test_the_reference_names_everything_and_opens_what_is_folded(width, built, visit):
    page = visit(built / "site" / "book" / "reference.html", width=width)
    headings = re.findall(r"^# ## (.*)$", (ROOT / "book" / "reference.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings and page.evaluate(HEADINGS) == headings
    assert page.evaluate("names => names.filter(n => !document.getElementById('n2vlib.' + n))", [*PLACES]) == []
    lines = page.locator("[id='n2vlib.charts.lines']")
    assert not lines.locator("pre").first.is_visible()
    lines.locator("summary").click()
    assert lines.locator("pre").first.is_visible()
    page.evaluate("() => document.querySelectorAll('details').forEach(each => each.open = true)")
    assert page.evaluate(OVERFLOW) <= 1


def test_the_search_finds_words_of_tables_and_knows_no_numbers(built, tab):
    terms = (built / "site" / "searchindex.js").read_text(encoding="utf-8").partition('"terms": {')[2]
    assert '"kite": ' in terms and not re.search(r'"\d+": ', terms)
    tab.page.goto((built / "site" / "search.html").as_uri() + "?q=kite")
    # Without excerpts: from disk no page may read another, which the browser says on the console.
    expect(tab.page.locator("#search-results li").first).to_be_visible()


@pytest.mark.parametrize("paper", sorted(path.stem for path in (ROOT / "book" / "verdict").glob("*.py")))
def test_the_claims_of_a_verdict_stand_in_tables_that_stack(paper, built):
    text = (built / "site" / "book" / "verdict" / f"{paper}.html").read_text(encoding="utf-8")
    assert len(re.findall(r'<table class="[^"]*n2v-stacks', text)) >= 3


def test_the_site_holds_no_address_it_would_load_from(built):
    loads = ("unpkg.com", "cdn.jsdelivr.net", "fonts.googleapis", "cdnjs.cloudflare")
    found = [
        (path.relative_to(built).as_posix(), host)
        for path in (built / "site").rglob("*.html")
        for host in loads
        if host in path.read_text(encoding="utf-8")
    ]
    assert found == []


def test_every_experiment_that_the_list_places_in_a_chapter_has_its_section_there(built):
    rows = [row for row in coverage.read().to_dict("records") if row["anchor"]]
    texts = {row["chapter"]: (built / "site" / f"{row['chapter']}.html").read_text(encoding="utf-8") for row in rows}
    missing = [row["id"] for row in rows if f'<section id="{row["anchor"]}"' not in texts[row["chapter"]]]
    assert rows and missing == []


def test_the_verdicts_links_lead_to_sections_of_other_pages(built):
    page = built / "site" / "book" / "verdict" / "net2vec.html"
    links = set(re.findall(r'href="([^"#]+\.html)#([^"]+)"', page.read_text(encoding="utf-8")))
    rows = [row for row in coverage.read().to_dict("records") if row["anchor"] and row["id"].startswith("n2v_")]
    listed = {(f"../../{row['chapter']}.html", row["anchor"]) for row in rows}
    assert listed and listed <= links
    assert all((page.parent / address).resolve().is_file() for address, _ in listed)


def test_the_licences_of_mathjax_and_vega_go_with_them(built):
    static = built / "site" / "_static"
    assert "Apache License" in (static / "mathjax" / "LICENSE.txt").read_text(encoding="utf-8")
    assert "University of Washington" in (static / "vega-bundle.LICENSES.txt").read_text(encoding="utf-8")
