"""Masks in any of the formats -> a probe set in Broden's format, image by image."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from n2vlib.errors import BadInput
from n2vlib.files.partial import unfinished
from n2vlib.paths import resolve
from n2vlib.probe.broden import make_way, refuse_filled
from n2vlib.probe.check import check
from n2vlib.probe.layout import is_category
from n2vlib.probe.problems import Problem
from n2vlib.probe.sources.annotated import Annotated
from n2vlib.probe.sources.colors import CATEGORY
from n2vlib.probe.sources.continued import continued, forget, key_of, state_of, written_name
from n2vlib.probe.sources.convert import Converted, convert, layers, one_line
from n2vlib.probe.sources.formats import needs_labels, options_from, reader
from n2vlib.probe.sources.frame import Fit, Frame
from n2vlib.probe.writer import Labelled, Writer
from n2vlib.workers.threads import in_order

Side = int | tuple[int, int]
LARGEST_SIDE = 4096  # of a probe set's images


@dataclass(frozen=True)
class Made:
    """What `make` wrote, and what it has to say.

    root       the folder
    images     how many
    notes      lines: sizes, unlabelled images, what was clipped, stretched or is missing
    problems   of `probe check` on it
    """

    root: Path
    images: int
    notes: tuple[str, ...]
    problems: tuple[Problem, ...]


def make(
    out: str | Path,
    images: str | Path,
    labels: str | Path | None = None,
    *,
    format: str,
    size: Side = 224,
    label_size: Side | None = None,
    fit: Fit = "stretch",
    colors: bool = False,
    **options: Any,
) -> Made:
    """Write the folder `out` in Broden's format, and check it.

    images, labels   folder of images; file or folder of their annotations, as the format wants it
    format           a name in `formats.FORMATS`; `options` are its own
    size             of every image, (height, width) or one number for both
    label_size       of every label map; half of `size` where None
    fit              "stretch" images of other shapes, or "pad" them: black and unlabelled beside the image
    colors           add one of eleven color names for every pixel, as category "color"

    A label map's pixel has the labels at its centre in the mask. Several labels of one category at a pixel go to
    several maps. Pixels in no region have label 0: void, ignored, not annotated and padding alike. Background is a
    concept where the annotations name it. A run that was interrupted continues when it is called with the same
    arguments. Raises BadInput, and writes nothing at `out`, for anything that does not fit.
    """
    root, folder = resolve(out, Path.cwd()), resolve(images, Path.cwd())
    annotations = None if labels is None else resolve(labels, Path.cwd())
    frame = _frame(size, label_size, fit)
    options = options_from(format, options)
    if annotations is None and needs_labels(format):
        raise BadInput(f"format {format}: needs labels, the file or folder of its annotations")
    refuse_filled(root)
    found = _listed(reader(format)(folder, annotations, **options), folder)
    key = key_of(found, annotations, [str(folder), format, str(frame), colors], options, reader(format).__module__)
    with unfinished(root, key) as part:
        writer = continued(part, found, frame.label_size)
        _write(writer, found, frame, colors)
        notes = tuple(_notes(writer, frame, colors))
        if not writer.tally.images:
            forget(part)
            raise BadInput(f"{folder}: no image has a label: {'; '.join(notes[2:]) or 'nothing is annotated'}")
        writer.finish(renumber=True)
        make_way(root)
    return Made(root, len(found), notes, tuple(check(root)))


def _frame(size: Side, label_size: Side | None, fit: str) -> Frame:
    if fit not in ("stretch", "pad"):
        raise BadInput(f"fit {fit!r}: must be 'stretch' or 'pad'")
    whole = _sides(size, "size")
    return Frame(whole, (whole[0] // 2, whole[1] // 2) if label_size is None else _sides(label_size, "label_size"), fit)


def _sides(size: Side, name: str) -> tuple[int, int]:
    sides = (size, size) if isinstance(size, int) else tuple(size)
    if len(sides) != 2 or not all(isinstance(side, int) and 2 <= side <= LARGEST_SIDE for side in sides):
        raise BadInput(f"{name} {size}: must be one or two whole numbers, 2 to {LARGEST_SIDE:,}")
    return sides


def _listed(annotated: Iterator[Annotated], folder: Path) -> list[Annotated]:
    """All images, their regions not read yet; each inside the folder and with a name of its own."""
    found, root, stems = [], folder.resolve(), dict[PurePosixPath, str]()
    for each in annotated:
        if not each.file.resolve().is_relative_to(root):
            raise BadInput(f"image {each.name}: lies outside {folder}; copy it in")
        stem = PurePosixPath(each.name).with_suffix("")
        if stem in stems:
            what = "is listed twice" if stems[stem] == each.name else f"differs from {stems[stem]} in its suffix only"
            raise BadInput(f"image {each.name}: {what}; give every image a name of its own")
        stems[stem] = each.name
        found.append(each)
    if not found:
        raise BadInput(f"{folder}: the annotations name no image")
    return found


def _write(writer: Writer, found: Sequence[Annotated], frame: Frame, colors: bool) -> None:
    done = {row["image"] for row in writer.rows}
    todo = [each for each in found if written_name(each.name) not in done]
    converted = in_order(partial(convert, frame=frame, colors=colors), todo, "images and their masks")
    try:
        for each, ready in zip(todo, converted, strict=True):
            writer.add(_labelled(each, ready, writer), state=state_of(each), notes=ready.notes)
    except BadInput as error:
        kept = f" ({len(writer.rows)} of {len(found)} images are done and kept: the same call continues after them)"
        raise BadInput(f"{error}{kept if writer.rows else ''}") from None


def _labelled(annotated: Annotated, converted: Converted, writer: Writer) -> Labelled:
    categories = dict.fromkeys(category for category, _ in converted.masks)
    for category, concept in (*converted.masks, *annotated.whole):
        if not is_category(category) or not concept:
            raise BadInput(f"image {annotated.name}: {category!r} and {concept!r} must be a plain word and a name")
    maps = {
        category: layers([(writer.number(n), mask) for (c, n), mask in converted.masks.items() if c == category])
        for category in categories
    }
    whole: dict[str, list[int]] = {}
    for category, concept in dict.fromkeys((category, one_line(concept)) for category, concept in annotated.whole):
        whole.setdefault(category, []).append(writer.number(concept))
    return Labelled(written_name(annotated.name), converted.image, maps, whole)


def _notes(writer: Writer, frame: Frame, colors: bool) -> Iterator[str]:
    """What users are told at the end, a line each."""
    how = "stretched" if frame.fit == "stretch" else "scaled and padded with black"
    (ih, iw), (sh, sw) = frame.size, frame.label_size
    yield f"{len(writer.rows)} images, {how} to {ih} x {iw} (height x width); label maps {sh} x {sw}"
    added = {CATEGORY} if colors else set()
    unlabelled = [row["image"] for row in writer.rows if not any(row["cells"][c] for c in {*row["cells"]} - added)]
    if unlabelled:
        yield f"no label: the image stays in the set, unlabelled ({_of(unlabelled, writer)})"
    for note in dict.fromkeys(note for row in writer.rows for note in row["notes"]):
        yield f"{note} ({_of([row['image'] for row in writer.rows if note in row['notes']], writer)})"
    mapped = {c for row in writer.rows for c, items in row["cells"].items() if any(isinstance(i, str) for i in items)}
    for category in sorted({category for category, _ in writer.tally.images} - mapped):
        yield f"category {category} has no masks: classification works, segmentation and dissection need masks"


def _of(images: Sequence[str], writer: Writer) -> str:
    return f"{len(images)} of {len(writer.rows)} images, first {images[0]}"
