"""A chapter as one page: it draws its charts and formulas from its own file alone, at both widths."""

import pytest

from n2vlib.builder import one_page

CHAPTER = "book/net2vec/single-filters.html"


@pytest.fixture(scope="module")
def alone(built, tmp_path_factory):
    """The page of the site in a folder with nothing else."""
    file = tmp_path_factory.mktemp("alone") / "page.html"
    file.write_text(one_page.in_one(built / "site" / CHAPTER), encoding="utf-8")
    return file


@pytest.mark.parametrize("width", ["laptop", "phone"])
def test_a_page_alone_draws_everything_and_asks_for_nothing(visit, alone, width):
    page = visit(alone, width=width)
    page.wait_for_function("document.querySelector('.n2v-chart[data-drawn=true] svg')")
    page.wait_for_function("document.querySelector('mjx-container svg')")
    assert page.locator(".n2v-chart:not([data-drawn=true])").count() == 0
    assert page.locator(".n2v-gallery img").first.evaluate("image => image.naturalWidth") > 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "Licences" in page.locator("summary").last.inner_text()
