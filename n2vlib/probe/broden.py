"""Write a probe set as a Broden folder; `layout` has the rules of the format, `reader` reads it."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from n2vlib.errors import BadInput
from n2vlib.files.partial import atomic
from n2vlib.probe.layout import split_of
from n2vlib.probe.writer import Labelled, Writer

__all__ = ["Labelled", "refuse_filled", "write"]


def write(
    root: Path | str,
    scenes: Iterable[Labelled],
    names: Mapping[int, str],
    *,
    split: Callable[[str], str] = split_of,
    renumber: bool = False,
    jpeg_quality: int = 90,
    label_size: tuple[int, int] | None = None,
) -> None:
    """Write a Broden folder; it appears under `root` when it is complete, or not at all.

    scenes       streamed: one is held at a time; all of one size
    names        label number (1 to 65535) -> concept name; numbers that no image has are left out
    renumber     number the concepts from 1 by falling frequency, then coverage, as Broden does; else as given
    label_size   (sh, sw) of every label map; half the image where None
    Rows are in Broden's order (`place_of`). Raises BadInput for a scene that does not fit, or if `root` holds files.
    """
    root = Path(root)
    with atomic(root) as partial:
        refuse_filled(root)
        writer = Writer(partial, names, split=split, jpeg_quality=jpeg_quality, label_size=label_size)
        for scene in scenes:
            writer.add(scene)
        if not writer.rows:
            raise BadInput(f"{root}: there is no image to write")
        writer.finish(renumber)
        make_way(root)


def refuse_filled(root: Path) -> None:
    """BadInput where `root` is a file, or a folder with something in it."""
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise BadInput(f"{root}: already there; delete it or choose another folder")


def make_way(root: Path) -> None:
    """Delete `root` if it is an empty folder, before another is renamed to it; BadInput where it is filled by now."""
    refuse_filled(root)
    if root.exists():
        root.rmdir()  # a rename onto a folder is an error on Windows
