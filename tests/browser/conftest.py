"""A Chromium without a network. It is Debian's: Playwright's own download is not used.

N2V_BUILT        folder of the executed chapters and the site (default build/ci)
REQUIRE_BROWSER  1: a missing browser or site is a failure, not a skip
"""

from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright
from without_network import BUILT, WIDTHS, Offline, missing

from n2vlib.builder.checks import browser as find_browser


@pytest.fixture(scope="session")
def chromium():
    path = find_browser()
    if path is None:
        missing("no Chromium on this machine")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def built() -> Path:
    if not (BUILT / "site" / "index.html").exists():
        missing(f"no site in {BUILT}; run `python -m n2vlib test --only book`")
    return BUILT


@pytest.fixture(scope="session")
def tab(chromium):
    """A page for each width that visits all others in turn: tab("phone"). Scripts that they share stay compiled."""
    tabs = {width: Offline(chromium, width) for width in WIDTHS}

    def cleared(width: str) -> Offline:
        tabs[width].wrong.clear()
        return tabs[width]

    yield cleared
    for each in tabs.values():
        each.page.context.close()


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
