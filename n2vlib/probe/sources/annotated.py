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
    concept    its name; the same name in two categories is the same concept, as in Broden
    mask       bool, (h, w), at the annotation's own size: the image's, as it is displayed or as it is stored, or of the
               same shape. Pixels in no region are unlabelled (void, ignored or not annotated)
    """

    category: str
    concept: str
    mask: NDArray[np.bool_]


class Note(NamedTuple):
    """What users are told: the same text is said once, with the number of images and the first one's name."""

    text: str


@dataclass(frozen=True)
class Annotated:
    """One image and its annotations; `regions` reads them when it is called, so that one image is held at a time.

    name      the image's path below the folder of images, with "/"
    file      the image itself
    regions   its regions, those in front first, and notes; called once, perhaps in another thread. Raises BadInput
    whole     (category, concept) of the whole image
    labels    files with annotations of this image only: a run that continues starts over if one of them has changed
    """

    name: str
    file: Path
    regions: Callable[[], Iterator[Region | Note]]
    whole: tuple[tuple[str, str], ...] = ()
    labels: tuple[Path, ...] = ()
