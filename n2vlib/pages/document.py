"""One file of HTML: our style and script, values as JSON, and a security policy that lets nothing else run or load."""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from string import Template

from n2vlib.files import cells

SCRIPTS = ("dom.js", "pictures.js", "lists.js", "views.js")


def with_views(
    title: str,
    views: Mapping[str, str],
    style: str,
    script: str,
    data: Mapping[str, object],
    *,
    beside: bool = False,
) -> str:
    """A page with a bar of views above the one shown; what `pages` has for all of them comes before style and script.

    title    of the page, a link to its first view      views   {address: words} of the bar
    data     `contents`, `pictures` {image: WebP in base64} and others (JSON values), each an element of this name
    beside   whether scripts and pictures of its folder may be loaded
    """
    shared = "".join([cells.script(), *(asset(f"pages/{name}") for name in SCRIPTS)])
    links = "".join(f'<a href="#{escape(address)}">{escape(words)}</a>' for address, words in views.items())
    values = "\n".join(
        f'<script type="application/json" id="{name}">{as_json(value)}</script>' for name, value in data.items()
    )
    parts = {"title": escape(title), "home": escape(next(iter(views))), "links": links, "values": values}
    style = asset("pages/page.css") + style
    return document(asset("pages/page.html"), style, shared + script, {}, parts, beside=beside)


def document(
    template: str,
    style: str,
    script: str,
    data: Mapping[str, object],
    parts: Mapping[str, str] | None = None,
    *,
    beside: bool = False,
) -> str:
    """The template with $style, $script and $policy, a place for each of `data` (as JSON) and of `parts` (HTML)."""
    values = {name: as_json(value) for name, value in data.items()}
    # From disk a page has no origin of its own: what lies beside it is allowed by "file:", on a server by "'self'".
    folder = " 'self' file:" if beside else ""
    return Template(template).substitute(
        policy=f"default-src 'none'; base-uri 'none'; form-action 'none'; img-src blob: data:{folder}; "
        f"script-src {_hash(script)}{folder}; style-src {_hash(style)}",
        style=style, script=script, **values, **(parts or {}),
    )  # fmt: skip


def slugs(names: list[str], numbers: list[int]) -> list[str]:
    """A unique word for the address of each concept: its name, with the label number where that is taken."""
    found: dict[str, int] = {}
    for name, number in zip(names, numbers, strict=True):
        word = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
        while not word or word in found:
            word = f"{word}-{number}".strip("-")
        found[word] = number
    return list(found)


def as_json(value: object) -> str:
    """JSON in a script element: without "<" nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


def asset(name: str) -> str:
    """The text of a file below n2vlib."""
    return (files("n2vlib") / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """The source expression for an element's text in a security policy."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
