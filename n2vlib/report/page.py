"""The report of one or several layers: one HTML file, or a folder with a page, the parts of its contents and pictures.

A folder opens at once whatever its size, since a browser reads a part when it is wanted. It works from disk: a page
there cannot read files, but it can load scripts, so each part is a script that hands over its value.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from n2vlib.files.output import write_file
from n2vlib.files.partial import atomic
from n2vlib.networks.load import Network
from n2vlib.pages.document import as_json, asset, with_views
from n2vlib.pages.pictures import encoded
from n2vlib.paths import resolve
from n2vlib.report import parts
from n2vlib.report.parts import Sheet
from n2vlib.store import digest
from n2vlib.zoo import shipped

SCRIPTS = ("parts.js", "filters.js", "charts.js", "lists.js", "details.js", "find.js", "main.js")
VIEWS = {"filters": "Filters", "concepts": "Concepts", "about": "How it was measured"}
SEVERAL = {"layers": "All layers"}
FOLDERS = "data", "pictures"


def file_name(network: Network, layer: str, more: int = 0) -> str:
    """The file name of a report: NETWORK-LAYER.html, with six letters behind a network that is not of the zoo.

    The letters are a hash of its file and its fingerprint: functions of one name in two files, or one network with two
    sets of weights, have two reports. Units from a file have six more, of their own hash.
    more   how many other layers are in it
    """
    where, _, name = network.name.rpartition(":")
    identity = [str(resolve(where)) if where.endswith(".py") else where, network.fingerprint]
    own = "" if network.name in shipped.names() else f"-{digest(identity)[:6]}"
    units = f"-{digest(network.layer(layer))[:6]}" if ":" in layer else ""
    others = f"-and-{more}-more" if more else ""
    return re.sub(r"[^\w.-]+", "-", f"{name}{own}-{network.called(layer)}{units}{others}.html")


def html(sheets: Sequence[Sheet], pictures: Mapping[int, bytes]) -> str:
    """The report as one page. It holds all parts as JSON; its policy allows only our script and style, and no network.

    pictures   {image: WebP}
    """
    data = {"contents": parts.index(sheets, folder=False)}
    data |= {name: value for at, sheet in enumerate(sheets) for name, value in parts.of_layer(at, sheet)}
    return _page(sheets, data | {"pictures": encoded(dict(pictures))})


def write_folder(folder: Path, sheets: Sequence[Sheet], pictures: Mapping[int, bytes]) -> Path:
    """The report as a folder, which appears complete or not at all; returns its page, index.html."""
    with atomic(folder) as work:
        for name in FOLDERS:
            (work / name).mkdir(parents=True)
        for at, sheet in enumerate(sheets):
            for name, value in parts.of_layer(at, sheet):
                text = f"part({json.dumps(name)}, {as_json(value)});\n"
                (work / "data" / f"{name}.js").write_text(text, encoding="utf-8")
        for image, data in pictures.items():
            (work / "pictures" / f"{image}.webp").write_bytes(data)
        write_file(work / "index.html", _page(sheets, {"contents": parts.index(sheets, folder=True)}))
        if folder.exists():
            folder.replace(work.with_name("before"))  # deleted with all that is left there
    return folder / "index.html"


def _page(sheets: Sequence[Sheet], data: Mapping[str, object]) -> str:
    one, script = len(sheets) == 1, "".join(asset(f"report/{name}") for name in SCRIPTS)
    title = sheets[0].label if one else f"{len(sheets)} layers on {sheets[0].about['probe']}"
    beside = "pictures" not in data
    return with_views(title, VIEWS if one else SEVERAL, asset("report/report.css"), script, data, beside=beside)
