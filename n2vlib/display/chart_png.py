"""Charts as PNG, for GitHub and print. Vega starts in half a second, once in a process; N2V_PNG=0 leaves the PNG out.

The build of the book draws them after the chapter's kernel has ended, so that Vega starts once for many chapters.
"""

import base64
import io
import os
from typing import TYPE_CHECKING, Any

import vl_convert
from PIL import Image

from n2vlib.display.style import MIME

if TYPE_CHECKING:
    from nbformat import NotebookNode  # of the extra "book"

VARIABLE = "N2V_PNG"
_TYPE = "image/png"


def wanted() -> bool:
    return os.environ.get(VARIABLE) != "0"


def add(output: dict[str, Any]) -> None:
    """Add the PNG to what a cell puts out, {mime type: content}, if that is a chart without one."""
    if MIME in output and _TYPE not in output:
        output[_TYPE] = base64.b64encode(png(output[MIME])).decode()


def add_to(notebook: "NotebookNode") -> None:
    """Add the PNG to every chart that a notebook's cells put out."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            add(output.get("data", {}))


def png(spec: dict[str, Any], scale: float = 1.5) -> bytes:
    """A chart's specification drawn on white; 64 colors keep it between 10 and 40 KB."""
    drawn = vl_convert.vegalite_to_png({**spec, "background": "white"}, scale=scale)
    picture = Image.open(io.BytesIO(drawn)).convert("RGB")
    out = io.BytesIO()
    picture.quantize(64, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(out, "PNG")
    return out.getvalue()
