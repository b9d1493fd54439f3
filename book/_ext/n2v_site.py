"""Sphinx extension: takes Thebe out, puts under each figure what made it, and lets the search read what cells show.

Jupyter Book 1 always loads Thebe, whose script lies on another server. What made a figure is in the metadata of its
cell (n2vlib/builder/figures.py): cells, which get addresses here, parameters, and entries of the store.
"""

import re
from html import escape

from docutils import nodes
from sphinx.search.en import SearchEnglish


def with_sources(app, doctree):
    """Give every code cell an id, and append to each cell with a figure how it was made."""
    cells = [
        node
        for node in doctree.findall(nodes.container)
        if node.get("nb_element") == "cell_code"
    ]
    known, given = set(), ""
    for cell in cells:
        if cell.get("exec_count"):
            cell["ids"].append(f"cell-{cell['exec_count']}")
            known.add(cell["exec_count"])
            tags = cell["cell_metadata"].get("tags", [])
            if "parameters" in tags or "injected-parameters" in tags:
                given = cell["ids"][-1]
    for cell in cells:
        if made := cell["cell_metadata"].get("n2v"):
            cell += nodes.raw(text=_details(made, known, given), format="html")


def _details(made, known, given):
    cells = ", ".join(_link(f"cell-{n}", f"[{n}]") for n in made["cells"] if n in known)
    parts = [f"<p>Code: {cells}</p>"]
    if made["parameters"]:
        names = ", ".join(made["parameters"])
        parts.append(f"<p>Parameters: {_link(given, names)}</p>")
    if made["entries"]:
        entries = " ".join(f"<code>{escape(entry)}</code>" for entry in made["entries"])
        parts.append(f"<p>In the store: {entries}</p>")
    summary = "<summary>How this was made</summary>"
    return f'<details class="n2v-made">{summary}{"".join(parts)}</details>'


def _link(address, text):
    return (
        f'<a href="#{escape(address)}">{escape(text)}</a>' if address else escape(text)
    )


def spaced(html):
    """HTML with a line break after what ends a line; Sphinx's index takes the tags out, and words would run together."""
    ends = r"</(?:t[dhr]|table|p|pre|div|summary|figcaption)>|<br>"
    return re.sub(ends, r"\g<0>\n", html)


def with_words_apart(app, doctree):
    for node in doctree.findall(nodes.raw):
        if "html" in node.get("format", ""):
            node[:] = [nodes.Text(spaced(node.astext()))]


class Words(SearchEnglish):
    """Words without numbers and keys of the store, which nobody looks for."""

    def word_filter(self, word):
        kept = not re.fullmatch(r"[\d_]+|(?=.*\d)[0-9a-f]{11,24}", word)
        return kept and super().word_filter(word)


def setup(app):
    app.add_search_language(Words)
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            handler = listener.handler
            if (
                handler.__module__.startswith("sphinx_thebe")
                and handler.__name__ != "st_static_path"
            ):
                app.disconnect(listener.id)
    app.registry.css_files[:] = [
        css for css in app.registry.css_files if "thebe" not in css[0]
    ]
    app.connect("doctree-read", with_sources)
    app.connect("doctree-read", with_words_apart)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
