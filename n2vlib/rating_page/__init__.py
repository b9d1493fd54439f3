"""A page on which people rate labels: one file, works offline, keeps answers in the browser, saves them as CSV.

    rating_page.write("build/rating/page.html", questions, patches)

It shows what Figure 4 of Network Dissection (TPAMI) shows: fifteen images with the highlighted patches of one filter,
and a label to accept or not. The page holds the questions, and not which labels are right. `analysis.rating` draws the
questions and reads the file that the page saves. page.html, page.css, files/cells.js and page.js become one file here.
"""

import base64
import hashlib
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from n2vlib.display import gallery
from n2vlib.errors import BadInput
from n2vlib.files import cells
from n2vlib.files.output import file_to_write, write_file
from n2vlib.pages.document import asset, document
from n2vlib.tables import need

SIDE = 240  # pixels of a picture's longer side, at most
QUALITY = 70  # of WebP: the edge of a patch stays sharp, and 900 drawn pictures take five megabytes
_ASKED = ["network", "layer", "filter", "label", "category"]


def write(
    path: str | Path,
    questions: pd.DataFrame,
    patches: Iterable[tuple[Iterable[NDArray[np.uint8]], Iterable[NDArray[np.bool_]]]],
) -> Path:
    """Write the page; it appears complete or not at all. Returns its path.

    questions   network, layer, filter, label, category; one row each, in the order they are asked. Nothing else of the
                table gets into the page.
    patches     for each question its images, uint8 (height, width, 3), and the filter's masks in them, bool (h, w)
    """
    need(questions, _ASKED)
    file_to_write(path)
    pictures = [[_webp(*each) for each in zip(*both, strict=True)] for both in patches]
    if len(pictures) != len(questions) or not pictures:
        raise BadInput(f"rating page: patches for {len(pictures)} of {len(questions)} questions; give them for each")
    return write_file(path, _page(questions, pictures))


def _page(questions: pd.DataFrame, pictures: list[list[str]]) -> str:
    asked: Any = questions.loc[:, _ASKED].to_dict("records")
    # The browser stores answers under this name, so that pages do not mix up their answers.
    digest = hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:12]
    shown = [
        {**each, "word": word(each["label"]), "pictures": mine} for each, mine in zip(asked, pictures, strict=True)
    ]
    style, script = (asset(f"rating_page/page.{kind}") for kind in ("css", "js"))
    data = {"data": {"digest": digest, "questions": shown}}
    return document(asset("rating_page/page.html"), style, cells.script() + script, data)


def word(label: str) -> str:
    """A label as raters read it: without Broden's endings (-c a color, -s a scene) and underscores."""
    return re.sub(r"-[cs]$", "", label).replace("_", " ")


def _webp(image: NDArray[np.uint8], mask: NDArray[np.bool_]) -> str:
    """One picture in the gallery's style, base64."""
    picture = gallery.compose(image, predicted=mask)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=QUALITY, method=1)  # method 4 takes three times as long to save a fifth
    return base64.b64encode(out.getvalue()).decode()
