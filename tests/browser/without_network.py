"""A page of a browser that reaches nothing but this machine, and what went wrong on it."""

import os

import pytest
from playwright.sync_api import Browser, Page

from n2vlib.paths import resolve

OFF = "--proxy-server=http://127.0.0.1:9"  # nothing listens there, and Chromium asks this machine itself without it
WIDTHS = {"laptop": (1366, 768), "phone": (390, 844)}
PATIENCE = 120_000  # ms: a long page is drawn without a GPU, perhaps on two busy cores
BUILT = resolve(os.environ.get("N2V_BUILT") or "build/ci")


def missing(what: str) -> None:
    """Fail where the browser test is required, skip it otherwise."""
    (pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip)(what)


class Offline:
    """A page with the network off, and all that went wrong on it."""

    def __init__(self, browser: Browser, width: str):
        context = browser.new_context()
        context.set_default_timeout(PATIENCE)
        self.wrong: list[str] = []
        self.page: Page = context.new_page()
        self.resize(width)
        self.page.on("console", lambda said: said.type == "error" and self.wrong.append(f"console: {said.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        self.page.on("requestfailed", lambda request: self.wrong.append(f"not loaded: {request.url}"))

    def resize(self, width: str) -> None:
        across, down = WIDTHS[width]
        self.page.set_viewport_size({"width": across, "height": down})
