"""myst-nb plugin: in the site a chart becomes its title in HTML, an empty div and its specification.

n2v-charts.js draws the specification into the div. The title is text outside the drawing, so that it wraps on a phone
and the site's search finds it.
"""

import html
import json
from typing import Any

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer

from n2vlib.display.style import MIME


class VegaLite:
    """Entry point `myst_nb.mime_renderers`: renders Vega-Lite outputs as HTML, and no other outputs."""

    mime_priority_overrides = [("html", MIME, 1)]

    @staticmethod
    def handle_mime(renderer: NbElementRenderer, data: MimeData, inline: bool) -> list[nodes.Element] | None:
        if data.mime_type != MIME or inline:
            return None
        spec = data.content if isinstance(data.content, dict) else json.loads(data.content)
        return [nodes.raw(text=chart_html(spec), format="html", classes=["n2v-output"])]


def chart_html(spec: dict[str, Any]) -> str:
    """The figure that n2v-charts.js draws into; everything in the specification is escaped."""
    title = spec.get("title", {})
    drawn = {key: value for key, value in spec.items() if key != "title"}
    words = [("n2v-title", _line(title, "text")), ("n2v-note", _line(title, "subtitle"))]
    said = "".join(f'<p class="{name}">{html.escape(text)}</p>' for name, text in words if text)
    label = html.escape(str(spec.get("description", "chart")), quote=True)
    # "</" would end the script element, and "<!--" would change how the rest of it is read.
    text = json.dumps(drawn, sort_keys=True).replace("<", "\\u003c")
    return (
        f'<div class="n2v-figure">{said}<div class="n2v-chart" role="figure" aria-label="{label}"></div>'
        f'<script type="application/json" class="n2v-spec">{text}</script></div>'
    )


def _line(title: Any, part: str) -> str:
    """A title's text as one line; Vega-Lite has it as a string, a list of lines, or an object with either."""
    text = title.get(part, "") if isinstance(title, dict) else (title if part == "text" else "")
    return " ".join(text) if isinstance(text, list) else str(text or "")
