"""A Chromium without a network. It is Debian's: Playwright's own download is not used.

N2V_BUILT        folder of the executed chapters and the site (default build/ci)
REQUIRE_BROWSER  1: a missing browser or site is a failure, not a skip
"""

from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright
from without_network import BUILT, OFF, Offline, missing

from n2vlib.builder.checks import browser as find_browser


@pytest.fixture(scope="session")
def chromium():
    path = find_browser()
    if path is None:
        missing("no Chromium on this machine")
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-dev-shm-usage", OFF]
        launched = playwright.chromium.launch(executable_path=path, args=arguments)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def built() -> Path:
    if not (BUILT / "site" / "index.html").exists():
        missing(f"no site in {BUILT}; run `python -m n2vlib test --only book`")
    return BUILT


@pytest.fixture(scope="session")
def only_tab(chromium):
    opened = Offline(chromium, "laptop")
    yield opened
    opened.page.context.close()


@pytest.fixture
def tab(only_tab):
    """A page that visits all others in turn: scripts that they share stay compiled."""
    only_tab.wrong.clear()
    return only_tab


@pytest.fixture
def visit(tab):
    """visit(file, view, width) opens a file at a view in that page; nothing may go wrong there, to the test's end."""

    def open_at(file: Path, view: str = "", width: str = "laptop") -> Page:
        whole()
        tab.resize(width)
        tab.page.goto("about:blank")  # or a view of the same file would not load it anew
        tab.page.goto(file.as_uri() + view)
        return tab.page

    def whole() -> None:
        assert tab.wrong == []
        assert not tab.page.evaluate("window.hacked")

    yield open_at
    whole()


@pytest.fixture
def offline(chromium):
    """Opens pages with the network off: offline("laptop") or offline("phone")."""
    opened: list[Offline] = []

    def open_page(width: str) -> Offline:
        opened.append(Offline(chromium, width))
        return opened[-1]

    yield open_page
    for each in opened:
        each.page.context.close()
