"""One annotated image, at the probe set's sizes: its pixels, and what each concept covers."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.probe.pictures import BROAD, image_and_doubt
from n2vlib.probe.sources.annotated import Annotated, Note, Region
from n2vlib.probe.sources.colors import CATEGORY, COLORS, color_names
from n2vlib.probe.sources.frame import Frame
from n2vlib.probe.sources.sizes import displayed_and_stored

Size = tuple[int, int]
AS_STORED = "masks are of their image as stored, without its EXIF orientation, so the image is taken as stored too"
RESIZED = "masks are not of their image's size, but of its shape: they are stretched to it"
VANISHED = (
    "regions lie between the centres of the label map's pixels and vanish (give a larger label size to keep them)"
)
OWN_COLORS = f"it is annotated in category {CATEGORY}, which is what colors=True (--colors) adds; leave one of them out"
EMPTY = "regions have no pixel"


@dataclass
class Converted:
    """An image and its regions as the writer needs them.

    image   uint8, (ih, iw, 3)
    masks   (category, concept) -> bool (sh, sw): the union of its regions, those in front first
    notes   what is said of it
    """

    image: NDArray[np.uint8]
    masks: dict[tuple[str, str], NDArray[np.bool_]]
    notes: list[str]


def convert(annotated: Annotated, frame: Frame, colors: bool) -> Converted:
    """Read an image and its regions, which may be of different sizes, and bring them to the frame's.

    colors   add the category "color": a name for each pixel
    """
    try:
        return _convert(annotated, frame, colors)
    except BadInput as error:
        named = annotated.name in str(error) or str(annotated.file) in str(error)
        raise error if named else BadInput(f"image {annotated.name}: {error}") from None


def _convert(annotated: Annotated, frame: Frame, colors: bool) -> Converted:
    if colors and any(category == CATEGORY for category, _ in annotated.whole):
        raise BadInput(OWN_COLORS)
    shown, stored = displayed_and_stored(annotated.file)
    size, regions, notes = None, annotated.regions(), dict[str, None]()
    masks: dict[tuple[str, str], NDArray[np.bool_]] = {}
    for region in regions:
        if isinstance(region, Note):
            notes[region.text] = None
            continue
        if colors and region.category == CATEGORY:
            raise BadInput(OWN_COLORS)
        size = _size_of(region, shown, stored, size)
        key, sampled = (region.category, one_line(region.concept)), frame.sample(region.mask, size)
        if sampled.any():
            masks[key] = masks[key] | sampled if key in masks else sampled
        notes |= _notes(region, sampled, size)
    pixels, doubt = image_and_doubt(annotated.file, size or shown, BROAD)
    if doubt:
        notes[AS_STORED if size == stored != shown else doubt] = None
    if colors:
        masks |= _colors(pixels, frame)
    return Converted(frame.image(pixels), masks, [*notes])


def one_line(concept: str) -> str:
    """A concept's name with single spaces in it and none around it: people type others by mistake."""
    return " ".join(concept.split())


def _size_of(region: Region, shown: Size, stored: Size, known: Size | None) -> Size:
    """The image's size, as shown or as stored, whichever the mask was drawn on.

    known   by the regions before, which are of the same picture
    """
    mask = region.mask
    if mask.dtype != np.bool_ or mask.ndim != 2:
        raise BadInput(f"the mask of {region.concept!r} is {mask.dtype} {mask.shape}, must be bool (h, w)")
    possible = [known] if known else [shown, stored]
    found = next((size for fits in (tuple.__eq__, _same_shape) for size in possible if fits(mask.shape, size)), None)
    if found is None:
        h, w = known or shown
        raise BadInput(
            f"the image is {h} x {w} (height x width), its mask of {region.concept!r} {mask.shape[0]} x "
            f"{mask.shape[1]}: another shape; annotate this image, or crop both alike"
        )
    return found


def _same_shape(mask: Size, size: Size) -> bool:
    """Whether a mask shows the same picture at another scale: equal but for rounding to whole pixels."""
    return abs(mask[0] - size[0] * mask[1] / size[1]) <= 1 or abs(mask[1] - size[1] * mask[0] / size[0]) <= 1


def _notes(region: Region, sampled: NDArray[np.bool_], size: tuple[int, int]) -> dict[str, None]:
    found = {RESIZED: region.mask.shape != size}
    if not sampled.any():
        found[VANISHED if region.mask.any() else EMPTY] = True
    return {text: None for text, holds in found.items() if holds}


def _colors(pixels: NDArray[np.uint8], frame: Frame) -> dict[tuple[str, str], NDArray[np.bool_]]:
    names = color_names(frame.sample(pixels, pixels.shape[:2]))
    inside = frame.sample(np.ones(pixels.shape[:2], np.bool_), pixels.shape[:2])
    return {(CATEGORY, f"{COLORS[i]}-c"): inside & (names == i) for i in np.unique(names[inside]).tolist()}


def layers(masks: list[tuple[int, NDArray[np.bool_]]]) -> list[NDArray[np.uint16]]:
    """As few label maps as keep every label at every pixel, the first label in the first map: uint16 (sh, sw).

    masks   label number and bool (sh, sw), those in front first
    """
    found: list[NDArray[np.uint16]] = []
    for number, mask in masks:
        left = mask.copy()
        for layer in found:
            free = left & (layer == 0)
            layer[free] = number
            left &= ~free
        if left.any():
            found.append(np.where(left, number, 0).astype(np.uint16))
    return found
