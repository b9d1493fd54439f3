"""Masks in any of the formats -> a probe set in Broden's format, image by image."""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from n2vlib.errors import BadInput
from n2vlib.files.partial import unfinished
from n2vlib.paths import resolve
from n2vlib.probe.broden import make_way, refuse_filled
from n2vlib.probe.check import check
from n2vlib.probe.journal import Journal
from n2vlib.probe.layout import is_category
from n2vlib.probe.problems import Problem
from n2vlib.probe.sources.annotated import Annotated
from n2vlib.probe.sources.colors import CATEGORY
from n2vlib.probe.sources.convert import Converted, convert, layers
from n2vlib.probe.sources.formats import check_options, reader
from n2vlib.probe.sources.frame import Fit, Frame
from n2vlib.probe.writer import Labelled, Writer
from n2vlib.sources import sources_digest
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
    check_options(format, options)
    refuse_filled(root)
    found = _listed(reader(format)(folder, annotations, **options), folder)
    key = _key((folder, annotations), found, format, frame, colors, options)
    with unfinished(root, key) as part:
        writer = _writer(part, frame, found)
        _write(writer, found, frame, colors)
        notes = tuple(_notes(writer, frame))
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


def _key(
    paths: tuple[Path, Path | None],
    found: Sequence[Annotated],
    format: str,
    frame: Frame,
    colors: bool,
    options: dict[str, Any],
) -> str:
    """What decides the result; images and the files of `Annotated.labels` are stated by each image's row."""
    code = sources_digest([__name__, reader(format).__module__])
    stated = {name: [str(value), _states(value, ())] for name, value in options.items()}
    own = {file for each in found for file in (each.file, *each.labels)}
    what = [code, *map(str, paths), _states(paths[1], own), format, str(frame), colors, stated]
    return json.dumps(what, sort_keys=True)


def _states(path: Any, without: Collection[Path]) -> str:
    """Changes when a file does, or one below a folder; those in `without` do not count."""
    if not isinstance(path, Path) or not path.is_dir():
        return _state(path)
    below = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
    states = sorted(f"{file} {_state(file)}" for file in below if file not in without)
    return hashlib.sha256("\n".join(states).encode()).hexdigest()


def _state(file: Any) -> str:
    """Changes when a file does; "" for what is none."""
    if not isinstance(file, Path) or not file.is_file():
        return ""
    stat = file.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _state_of(annotated: Annotated) -> str:
    return " ".join(_state(file) for file in (annotated.file, *annotated.labels))


def _writer(part: Path, frame: Frame, found: Sequence[Annotated]) -> Writer:
    """A writer that knows what an earlier run has written, or nothing where that has changed since."""
    path = part.parent / "journal.jsonl"
    states = {_written_name(each.name): _state_of(each) for each in found}
    if not part.exists():  # of a run that had finished
        path.unlink(missing_ok=True)
    journal = Journal(path)
    if any(states.get(row["image"]) != row["state"] for row, _, _ in journal.entries):
        path.unlink()
        journal = Journal(path)
    return Writer(part, {}, label_size=frame.label_size, journal=journal)


def _written_name(name: str) -> str:
    """JPEG stays JPEG, all other images become PNG."""
    path = PurePosixPath(name)
    return str(path.with_suffix(".jpg" if path.suffix.lower() in (".jpg", ".jpeg") else ".png"))


def _write(writer: Writer, found: Sequence[Annotated], frame: Frame, colors: bool) -> None:
    done = {row["image"] for row in writer.rows}
    todo = [each for each in found if _written_name(each.name) not in done]
    converted = in_order(partial(convert, frame=frame, colors=colors), todo, "images and their masks")
    for each, ready in zip(todo, converted, strict=True):
        for category in {category for category, _ in [*ready.masks, *each.whole]}:
            if not is_category(category):
                raise BadInput(f"category {category!r} must be a plain word that can name a file and a column")
        writer.add(_labelled(each, ready, writer), state=_state_of(each), notes=ready.notes)


def _labelled(annotated: Annotated, converted: Converted, writer: Writer) -> Labelled:
    categories = dict.fromkeys(category for category, _ in converted.masks)
    maps = {
        category: layers([(writer.number(n), mask) for (c, n), mask in converted.masks.items() if c == category])
        for category in categories
    }
    whole: dict[str, list[int]] = {}
    for category, concept in dict.fromkeys(annotated.whole):
        whole.setdefault(category, []).append(writer.number(concept))
    return Labelled(_written_name(annotated.name), converted.image, maps, whole)


def _notes(writer: Writer, frame: Frame) -> Iterator[str]:
    """What users are told at the end, a line each."""
    how = "stretched" if frame.fit == "stretch" else "scaled and padded with black"
    (ih, iw), (sh, sw) = frame.size, frame.label_size
    yield f"{len(writer.rows)} images, {how} to {ih} x {iw} (height x width); label maps {sh} x {sw}"
    unlabelled = [row["image"] for row in writer.rows if not any(row["cells"][c] for c in {*row["cells"]} - {CATEGORY})]
    if unlabelled:
        yield f"no label: the image stays in the set, unlabelled ({_of(unlabelled, writer)})"
    for note in dict.fromkeys(note for row in writer.rows for note in row["notes"]):
        yield f"{note} ({_of([row['image'] for row in writer.rows if note in row['notes']], writer)})"
    mapped = {c for row in writer.rows for c, items in row["cells"].items() if any(isinstance(i, str) for i in items)}
    for category in sorted({category for category, _ in writer.tally.images} - mapped):
        yield f"category {category} has no masks: classification works, segmentation and dissection need masks"


def _of(images: Sequence[str], writer: Writer) -> str:
    return f"{len(images)} of {len(writer.rows)} images, first {images[0]}"
