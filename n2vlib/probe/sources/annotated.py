"""What every source of masks hands to the writer: an image, and the regions that people marked in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Region(NamedTuple):
    """One concept's pixels in one image.

    category   a word such as "object" or "part"; a category of the probe set
    concept    its name, unique in the set together with the category
    mask       bool, (h, w), at the annotation's own size
    """

    category: str
    concept: str
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Annotated:
    """One image and its annotations; `regions` reads them when it is called, so that one image is held at a time.

    name    the image's path below the folder of images, with "/"
    file    the image itself
    whole   (category, concept) of the whole image
    """

    name: str
    file: Path
    regions: Callable[[], Iterator[Region]]
    whole: tuple[tuple[str, str], ...] = ()
