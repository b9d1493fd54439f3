"""Maps whose pixels are numbers: a PNG's stored values, never colors of a palette; a region for each number."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.probe.pictures import opened, raw_mode
from n2vlib.probe.sources.annotated import Region

_SPREAD = {"L;2": 85, "L;4": 17}  # Pillow spreads grey values of fewer bits over 0 to 255


def read(path: Path) -> NDArray[np.integer]:
    """The numbers in a PNG of one channel, grey or with a palette: (h, w), as they are stored. Else BadInput."""
    with opened(path, ("PNG",)) as file:
        raw, mode = raw_mode(file), file.mode
        if mode not in ("1", "L", "P") and not mode.startswith("I"):
            what = f"not colors (mode {mode}), which the format color-png reads"
            raise BadInput(f"{path}: must hold one number for each pixel (grey or a palette), {what}")
        values = np.asarray(file)
    return values.astype(np.uint8) if mode == "1" else values // _SPREAD.get(raw, 1)


def colors(path: Path) -> NDArray[np.uint8]:
    """The three channels of an RGB PNG, (h, w, 3), for formats that code numbers in them. Else BadInput."""
    with opened(path, ("PNG",)) as file:
        if file.mode != "RGB" or raw_mode(file) != "RGB":
            raise BadInput(f"{path}: must be an 8-bit RGB PNG, not mode {file.mode} ({raw_mode(file)})")
        return np.asarray(file)


def by_value(values: NDArray[np.integer], names: Mapping[int, tuple[str, str] | None], file: Path) -> Iterator[Region]:
    """A region for each number that occurs.

    values   (h, w)
    names    number -> (category, concept), or None for what is no concept (background, void)
    Raises BadInput, naming the file, for a number that is not in `names`.
    """
    for value in np.unique(values).tolist():
        if value not in names:
            n = int((values == value).sum())
            raise BadInput(f"{file}: {n} pixels have the value {value}, for which there is no name")
        if (name := names[value]) is not None:
            yield Region(*name, values == value)
