"""A page of a browser that reaches nothing but this machine, and what went wrong on it."""

import os

import pytest
from playwright.sync_api import Browser, Page

from n2vlib.paths import resolve

LOCAL = ("file:", "data:", "blob:", "about:", "http://127.0.0.1", "ws://127.0.0.1")
WIDTHS = {"laptop": (1366, 768), "phone": (390, 844)}
PATIENCE = 120_000  # ms: a long page is drawn without a GPU, perhaps on two busy cores
BUILT = resolve(os.environ.get("N2V_BUILT") or "build/ci")


def missing(what: str) -> None:
    """Fail where the browser test is required, skip it otherwise."""
    (pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip)(what)


class Offline:
    """A page with the network off, and all that went wrong on it."""

    def __init__(self, browser: Browser, width: str):
        across, down = WIDTHS[width]
        context = browser.new_context(viewport={"width": across, "height": down})
        context.set_default_timeout(PATIENCE)
        self.wrong: list[str] = []
        self.page: Page = context.new_page()
        context.route("**/*", self._only_local)
        self.page.on("console", lambda said: said.type == "error" and self.wrong.append(f"console: {said.text}"))
        self.page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        self.page.on("requestfailed", lambda request: self.wrong.append(f"not loaded: {request.url}"))

    def _only_local(self, route) -> None:
        if route.request.url.startswith(LOCAL):
            route.continue_()
        else:
            self.wrong.append(f"asked the network for {route.request.url}")
            route.abort()
