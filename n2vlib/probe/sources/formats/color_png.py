"""Masks whose colors mean classes, and a table of colors.

Tables, as published: CamVid's label_colors.txt (`64 128 64<tab>Animal` in each line); a CSV with the columns name, r, g
and b (class_dict.csv of CamVid's copies); the labelmap.txt that CVAT writes beside such masks (`Animal:64,128,64::`,
fields label, color_rgb, parts, actions). CamVid's masks end in _L.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.files.userfiles import csv_rows
from n2vlib.probe.pictures import image_and_doubt
from n2vlib.probe.sources.annotated import Annotated, Note, Region
from n2vlib.probe.sources.masks_png import by_name
from n2vlib.probe.sources.names import NAME, Named, is_void, lines_of, named_once
from n2vlib.probe.sources.sizes import displayed

_CHANNELS = ({"r", "red"}, {"g", "green"}, {"b", "blue"})
_COLOR = r"(\d{1,3})[\s,;]+(\d{1,3})[\s,;]+(\d{1,3})"
_LINES = re.compile(rf"{_COLOR}[\s:,;]+(?P<last>.+)|(?P<first>[^:]+?)[\s:,;]+{_COLOR}(:.*)?")  # CamVid's; CVAT's


def read(
    images: Path,
    labels: Path,
    *,
    names: Path | None = None,
    category: str = "object",
    void: str | None = None,
    suffix: str = "",
) -> Iterator[Annotated]:
    """PNGs named after their images; the color at a pixel (RGB) says what is there.

    names      file of colors and names: `64 128 64 Animal` in each line, a CSV with columns name, r, g and b (and
               category if you like), or CVAT's labelmap.txt
    category   of the concepts whose row in `names` has none
    void       colors of pixels that were not annotated, as 0,0,0 or 0,0,0;224,224,192; names such as void say so too
    suffix     what a mask's name has behind its image's, before .png: _L for CamVid
    Colors must be exact: one that is not in the file, as of a mask that was a JPEG or was smoothed, is an error.
    """
    if names is None:
        raise BadInput("format color-png: needs the option names, a file with the color and the name of every class")
    if not names.is_file():
        raise BadInput(f"names {names}: no such file")
    named = named_once(names, _rows(names), category, shown=_shown)
    yield from by_name(images, labels, suffix, partial(_regions, named=named, void=_void(void), names=names))


def _regions(mask: Path, named: Named, void: set[int], names: Path) -> Iterator[Region | Note]:
    pixels = image_and_doubt(mask, displayed(mask), ("PNG",))[0]
    codes = pixels.astype(np.int64) @ [1 << 16, 1 << 8, 1]
    found = np.unique(codes).tolist()
    if unknown := [code for code in found if code not in named and code not in void]:
        raise BadInput(f"{mask}: {_unknown(codes, unknown, named)}; add it to {names.name}, or give it as void")
    for code in found:
        if code in void:
            yield Note(f"void color {_shown(code)} is unlabelled")
        elif not is_void(named[code][1]):
            yield Region(*named[code], codes == code)


def _unknown(codes: NDArray[np.int64], unknown: list[int], named: Named) -> str:
    """Where the first color without a name is, and whether it looks as if colors had changed in the file."""
    row, column = np.argwhere(np.isin(codes, unknown))[0].tolist()
    color = int(codes[row, column])
    nearest = min(named, key=lambda code: _apart(code, color))
    more = f", as {len(unknown) - 1} other colors have none" if len(unknown) > 1 else ""
    changed = len(unknown) > len(named) or _apart(nearest, color) <= 16
    hint = f" (nearest: {_shown(nearest)} {named[nearest][1]!r}; was it a JPEG, or smoothed?)" if changed else ""
    return f"the color {_shown(color)} at row {row}, column {column} has no name{more}{hint}"


def _apart(one: int, other: int) -> int:
    """The largest difference of two colors in a channel."""
    return max(abs((one >> by & 255) - (other >> by & 255)) for by in (0, 8, 16))


def _shown(code: int) -> str:
    return f"{code >> 16},{code >> 8 & 255},{code & 255}"


def _void(text: str | None) -> set[int]:
    """The colors of the option void."""
    if text is None:
        return set()
    found = [re.fullmatch(_COLOR, part.strip()) for part in text.split(";")]
    if not all(found):
        raise BadInput(f"option void: {text!r} must be a color such as 0,0,0, or several with ; between them")
    return {_code("option void", each.groups()) for each in found if each}


def _code(where: str, channels: tuple[str, ...]) -> int:
    """A color as one number, red first."""
    if not all(re.fullmatch(r"\d{1,3}", text) and int(text) < 256 for text in channels):
        raise BadInput(f"{where}: {' '.join(channels)!r} is no color: three numbers from 0 to 255")
    red, green, blue = map(int, channels)
    return red << 16 | green << 8 | blue


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Color, name and category ("" for none) of every row of a table."""
    if path.suffix.lower() == ".csv":
        rows = [[cell.strip() for cell in cells] for _, cells in csv_rows(path, path)]
        header = [cell.lower() for cell in rows[0]] if rows else []
        at = [next((i for i, cell in enumerate(header) if cell in kind), -1) for kind in (*_CHANNELS, NAME)]
        if min(at) >= 0:
            own = header.index("category") if "category" in header else None
            for row in rows[1:]:
                if len(row) != len(header):
                    raise BadInput(f"{path}: {','.join(row)!r} has {len(row)} cells, the header {len(header)}")
                red, green, blue, name = (row[i] for i in at)
                yield _code(str(path), (red, green, blue)), name, row[own] if own is not None else ""
            return
    for line in lines_of(path):
        if line.startswith("#"):
            continue
        if not (found := _LINES.fullmatch(line)):
            raise BadInput(f"{path}: {line[:60]!r} must be a color and a name, such as 64 128 64 Animal")
        numbers = tuple(text for text in found.groups()[:3] + found.groups()[5:8] if text)
        yield _code(str(path), numbers), (found["last"] or found["first"]).strip(), ""
