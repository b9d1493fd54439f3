"""One black-and-white PNG for each image and concept."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from n2vlib.errors import BadInput
from n2vlib.probe.sources.annotated import Annotated, Note, Region
from n2vlib.probe.sources.folder import pictures, stem
from n2vlib.probe.sources.masks_png import PNG, concept_mask

Layout = Callable[[str, set[str]], tuple[str, str, str] | None]


def read(images: Path, labels: Path, *, category: str = "object", concept: str | None = None) -> Iterator[Annotated]:
    """One black-and-white PNG for each image and concept, in one of three layouts.

    category   of all concepts
    concept    the only one there is: masks are IMAGE.png
    The layouts: CONCEPT/IMAGE.png, IMAGE/CONCEPT.png, IMAGE_CONCEPT.png, the first that fits all masks; a folder
    CATEGORY/ around these names the category. An image without a mask is unlabelled.
    """
    found = pictures(images, without=labels)
    layouts = [partial(_of_one_concept, concept)] if concept else LAYOUTS
    masks = _by_image(pictures(labels, PNG), {stem(name): name for name in found}, labels, layouts)
    for name in found:
        own = [(labels / file, kind or category, shown) for file, kind, shown in masks.get(name, ())]
        yield Annotated(name, images / name, partial(_regions, own), labels=tuple(file for file, _, _ in own))


def _regions(masks: list[tuple[Path, str, str]]) -> Iterator[Region | Note]:
    for file, category, concept in masks:
        mask, doubt = concept_mask(file)
        if doubt:
            yield Note(doubt)
        if mask.any():  # black: the concept is not there
            yield Region(category, concept, mask)


def _by_image(
    masks: list[str], images: dict[str, str], labels: Path, layouts: Sequence[Layout]
) -> dict[str, list[tuple[str, str, str]]]:
    """Image -> its masks: file, category ("" where no folder says it), concept."""
    stems = set(images)
    for layout in layouts:
        placed = [(mask, layout(mask, stems)) for mask in masks]
        if all(place for _, place in placed):
            found = defaultdict(list)
            for mask, place in placed:
                if place:
                    found[images[place[0]]].append((mask, *place[1:]))
            return found
    lost = min(masks, key=lambda mask: sum(bool(layout(mask, stems)) for layout in layouts))
    raise BadInput(
        f"{labels / lost}: no image fits this mask; masks are CONCEPT/IMAGE.png, IMAGE/CONCEPT.png, IMAGE_CONCEPT.png "
        "or, with the option concept, IMAGE.png"
    )


def _of_one_concept(concept: str, mask: str, stems: set[str]) -> tuple[str, str, str] | None:
    """(image, category, concept) of IMAGE.png."""
    return (stem(mask), "", concept) if stem(mask) in stems else None


def _concept_first(mask: str, stems: set[str]) -> tuple[str, str, str] | None:
    """(image, category, concept) of CONCEPT/IMAGE.png or CATEGORY/CONCEPT/IMAGE.png."""
    parts = PurePosixPath(stem(mask)).parts
    for folders in (1, 2):
        if "/".join(parts[folders:]) in stems:
            return "/".join(parts[folders:]), parts[0] if folders == 2 else "", parts[folders - 1]
    return None


def _image_first(mask: str, stems: set[str]) -> tuple[str, str, str] | None:
    """(image, category, concept) of IMAGE/CONCEPT.png or CATEGORY/IMAGE/CONCEPT.png."""
    parts = PurePosixPath(stem(mask)).parts
    for folders in (0, 1):
        if "/".join(parts[folders:-1]) in stems:
            return "/".join(parts[folders:-1]), parts[0] if folders else "", parts[-1]
    return None


def _joined(mask: str, stems: set[str]) -> tuple[str, str, str] | None:
    """(image, category, concept) of IMAGE_CONCEPT.png or CATEGORY/IMAGE_CONCEPT.png: the longest image that fits."""
    whole = stem(mask)
    for text, category in ((whole, ""), (whole.partition("/")[2], whole.partition("/")[0])):
        cuts = [at for at, letter in enumerate(text) if letter == "_" and text[:at] in stems and text[at + 1 :]]
        if cuts:
            return text[: cuts[-1]], category, text[cuts[-1] + 1 :]
    return None


LAYOUTS = (_concept_first, _image_first, _joined)
