"""The mask of one concept in a PNG, and which masks belong to which images."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from n2vlib.errors import BadInput
from n2vlib.probe.pictures import opened
from n2vlib.probe.sources.annotated import Annotated, Note, Region
from n2vlib.probe.sources.folder import pictures, stem

HALF = 128
PNG = frozenset({".png"})


def concept_mask(path: Path) -> tuple[NDArray[np.bool_], str]:
    """The mask of one concept in a PNG, bool (h, w), and what is ambiguous in it ("" for nothing).

    With two values in it, 0 and another, the other belongs. With more, up to 255, those from 128 on belong: the edge is
    smoothed. BadInput for an index map, for colors and for a transparent file.
    """
    with opened(path, ("PNG",)) as file:
        _refuse_turned(path, file)
        mode = file.mode
        pixels = np.asarray(file)
    grey = _grey(path, mode, pixels)
    values = np.unique(grey)
    if len(values) <= 2 and (values[0] == 0 or len(values) == 1):
        return grey > 0, ""
    if mode == "P" or values[-1] != 255 or values[0] != 0:
        shown = ", ".join(str(value) for value in values[:6].tolist())
        raise BadInput(f"{path}: is not the mask of one concept: it has the values {shown}, not 0 and one other")
    return grey >= HALF, f"masks have values between 0 and 255: from {HALF} on, a pixel belongs"


def _grey(path: Path, mode: str, pixels: NDArray) -> NDArray:
    if mode in ("LA", "RGBA"):
        if (pixels[..., -1] < 255).any():
            raise BadInput(f"{path}: is transparent in places (mode {mode}); save the mask as black and white")
        pixels = pixels[..., :-1]
    if pixels.ndim == 3:
        if (pixels != pixels[..., :1]).any():
            raise BadInput(f"{path}: has colors (mode {mode}); the mask of one concept is black and white")
        pixels = pixels[..., 0]
    return pixels


def _refuse_turned(path: Path, file: Image.Image) -> None:
    if file.getexif().get(0x0112, 1) != 1:
        raise BadInput(f"{path}: has an EXIF orientation; save the mask as it is displayed")


def by_name(
    images: Path, labels: Path, suffix: str, regions: Callable[[Path], Iterator[Region | Note]]
) -> Iterator[Annotated]:
    """Every image with the regions of its mask (`paired`); one without a mask is unlabelled."""
    found = pictures(images, without=labels)
    masks = paired(found, pictures(labels, PNG), suffix, labels)
    for name in found:
        if mask := masks.get(name):
            yield Annotated(name, images / name, partial(regions, labels / mask), labels=(labels / mask,))
        else:
            yield Annotated(name, images / name, lambda: iter(()))


def paired(images: Sequence[str], masks: Sequence[str], suffix: str, labels: Path) -> Mapping[str, str]:
    """Image -> its mask, of the same path but for `suffix` and the file's ending; images may lack one.

    BadInput for a mask without its image, and where none fits.
    """
    by_stem = {stem(name) + suffix: name for name in images}
    found = {by_stem[stem(mask)]: mask for mask in masks if stem(mask) in by_stem}
    lost = [mask for mask in masks if stem(mask) not in by_stem]
    if not found:
        raise BadInput(f"{labels}: no mask has the name of an image{_hint(images, masks)}")
    if lost:
        raise BadInput(f"{labels / lost[0]}: {len(lost)} masks, this one first, have no image of their name")
    return found


def _hint(images: Sequence[str], masks: Sequence[str]) -> str:
    ends = {
        stem(mask).removeprefix(stem(image)) for image in images[:1] for mask in masks if mask.startswith(stem(image))
    }
    if len(ends) == 1:
        return f"; they end in {[*ends][0]!r}: give the option suffix"
    return f", as {masks[0]!r} should have for {images[0]!r}"
