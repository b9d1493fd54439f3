"""A probe set's page as one HTML file: our script and style, the values, and the pictures."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2vlib.analysis import annotations
from n2vlib.errors import BadInput, near
from n2vlib.files.output import file_to_write, write_file
from n2vlib.pages.document import asset, with_views
from n2vlib.pages.pictures import encoded, thumbnails
from n2vlib.probe import ProbeSet
from n2vlib.probe.check import check_loaded
from n2vlib.probe.problems import refuse
from n2vlib.probe_page.contents import contents, problems

SCRIPTS = ("concepts.js", "together.js", "main.js")
VIEWS = {
    "concepts": "Concepts",
    "together": "Together",
    "unlabelled": "Unlabelled images",
    "problems": "Problems",
    "about": "About this set",
}
PICTURES = 8  # of a concept
ALL_PICTURES = 4_800  # of all: where concepts are many, each has fewer
ALL_BYTES = 9_000_000  # of all pictures: in the page they take a third more
OPENED = 5_000  # images: of a larger set, only the images shown are opened and checked


def write(out: str | Path, probe: ProbeSet, *, find: str = "", pictures: int = PICTURES, seed: int = 0) -> Path:
    """Write the page of a probe set; returns the file's path.

    out        the file, relative to the repository root; it appears complete or not at all
    find       only concepts with this text in their name have pictures, and the page opens on them; "" for all
    pictures   of each concept, at most; fewer where the set has many concepts, so that the page stays below 25 MB
    seed       of the choice among a concept's images
    Reads the tables, every label map (once: `probe.labels` keeps them), the images shown, and in sets of up to OPENED
    images all the others, to check them. Raises BadInput where `out` cannot be written, the set has an error, or no
    concept is found.
    """
    file_to_write(out)
    pictured = _named(probe, find)
    each = max(1, min(pictures, ALL_PICTURES // max(int(pictured.sum()), 1)))
    values = contents(probe, pictured, each, seed)
    opened = range(len(probe)) if len(probe) <= OPENED else values["images"]
    found = check_loaded(probe, opened)
    for problem in found:
        if problem.severity == "error":
            refuse(probe.root, problem)
    values |= {"problems": problems(found), "about": about(probe, each, len(opened), seed), "find": find}
    return write_file(out, html(values, encoded(thumbnails(probe, values["images"], ALL_BYTES))))


def _named(probe: ProbeSet, text: str) -> NDArray[np.bool_]:
    """Which concepts have the text in their name, upper or lower case."""
    names = probe.concepts["name"].tolist()
    found = np.array([text.lower() in name.lower() for name in names], bool)
    if text and not found.any():
        raise BadInput(f"find {text!r}: no concept of probe set {probe.name} has this in its name; {near(text, names)}")
    return found


def file_name(probe: ProbeSet) -> str:
    """The file name of a page: probe-NAME.html."""
    return re.sub(r"[^\w.-]+", "-", f"probe-{probe.name}.html")


def shown_in(folder: Path, probe: ProbeSet) -> bool:
    """Whether the folder has the page of this probe set, and not of another one of its name."""
    page = folder / file_name(probe)
    return page.is_file() and f"sha256 {probe.fingerprint[:12]}" in page.read_text(encoding="utf-8", errors="replace")


def html(values: dict, pictures: dict[str, str]) -> str:
    """The page. It holds its contents as JSON; its security policy allows only our script and style, and no network.

    values   `contents` with `problems`, `about` and `find`      pictures   {image: WebP in base64}
    """
    script = "".join(asset(f"probe_page/{name}") for name in SCRIPTS)
    title = f"Probe set {values['about']['probe']}"
    return with_views(title, VIEWS, asset("probe_page/probe.css"), script, {"contents": values, "pictures": pictures})


def about(probe: ProbeSet, pictures: int, opened: int, seed: int) -> dict:
    """probe (its name), train, val, least (`annotations.LEAST`), and `rows`: (what, value) of how the page was made."""
    train = int((probe.split == "train").sum())
    rest = "" if opened == len(probe) else "; `probe check` opens all"
    rows = {
        "images": f"{len(probe):,}, {_by(probe.image_size)} pixels (height x width)",
        "label maps": f"{_by(probe.label_size)} pixels",
        "pictures": f"at most {pictures} of a concept, by rising size of its mask: its images are ordered by that size "
        f"and divided into {pictures} equal runs, and one of each run is drawn at random (seed {seed})",
        "masks": "drawn on the label maps' pixels, with rounded corners; one with very many corners is drawn coarser",
        "checked": f"the tables, all label maps, and {opened:,} of {len(probe):,} images{rest}",
        "content": f"sha256 {probe.fingerprint[:12]}",
    }
    least = annotations.LEAST
    return {
        "probe": probe.name, "train": train, "val": len(probe) - train, "least": least,
        "rows": [list(row) for row in rows.items()],
    }  # fmt: skip


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
