"""PNGs named after their images; the number at a pixel, of the palette or grey, says what is there."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from n2vlib.errors import BadInput
from n2vlib.probe.sources import index_map
from n2vlib.probe.sources.annotated import Annotated, Note, Region
from n2vlib.probe.sources.masks_png import by_name
from n2vlib.probe.sources.names import Named, is_void, read_names

VOID = 255


def read(
    images: Path,
    labels: Path,
    *,
    names: Path | None = None,
    category: str = "object",
    first: int | None = None,
    void: int | None = None,
    suffix: str = "",
) -> Iterator[Annotated]:
    """PNGs named after their images; the number at a pixel, of the palette or grey, says what is there.

    names      file of numbers and names (.csv, .txt, .json, .yaml); "label 7" where there is none
    category   of the concepts whose row in `names` has none
    first      the number of the first line, where `names` lists names only
    void       the number of pixels that were not annotated, 255 unless that has a name; names such as void and ignore
               say so too
    suffix     what a mask's name has behind its image's, before .png
    Number 0 is unlabelled unless it has a name. An image without a mask is unlabelled.
    """
    named = read_names(names, category, first) if names else None
    void = VOID if void is None and VOID not in (named or ()) else void
    yield from by_name(images, labels, suffix, partial(indexed, named=named, category=category, void=void))


def indexed(mask: Path, named: Named | None, category: str, void: int | None) -> Iterator[Region | Note]:
    """The regions of an index map, a concept each."""
    indices = index_map.read(mask)
    for index in np.unique(indices).tolist():
        if index == void or (index == 0 and 0 not in (named or ())):
            yield Note(f"{'void' if index == void else 'unnamed'} index {index} is unlabelled")
        elif named is None:
            yield Region(category, f"label {index}", indices == index)
        elif index not in named:
            raise BadInput(f"{mask}: index {index} has no name in the file of names; add it, or give it as void")
        elif not is_void(named[index][1]):
            yield Region(*named[index], indices == index)
