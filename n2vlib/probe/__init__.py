"""The probe set: images, the concepts annotated in them, and the split into training and validation images.

`load_probe` takes the drawn world by name or a folder in Broden's format (rules in `layout`).

sources         probe sets from other formats
needs           what a chapter needs of a probe set
check           everything that is wrong with a folder
problems        its problems one by one, collected or raised
layout          the rules of Broden on disk: names, order, split, label maps
reader          reads the tables of a folder
broden          writes a folder
broden_tables   its tables, from what its images show
writer          writes its images one by one, then its tables
journal         the images that an interrupted run has written
files           the files that a folder names, and the set's fingerprint
pictures        images and label maps, decoded
labels          every label map, decoded once and kept on disk
kept            folders of decoded data
occurrences     which images hold which concepts
"""

import importlib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from filelock import FileLock
from numpy.typing import ArrayLike, NDArray

from n2vlib.errors import BadInput, near
from n2vlib.files.npy import growing
from n2vlib.files.output import writing_into
from n2vlib.files.partial import atomic, sweep
from n2vlib.files.sealed import set_aside
from n2vlib.paths import data_root, resolve
from n2vlib.probe.files import check_files, fingerprint, named_files
from n2vlib.probe.kept import kept
from n2vlib.probe.labels import IMAGES_AT_ONCE, Cells, LabelMaps, label_maps
from n2vlib.probe.pictures import read_image
from n2vlib.probe.problems import raising
from n2vlib.probe.reader import (
    check_numbers,
    no_folder,
    primary,
    read_categories,
    read_concepts,
    read_index,
    segmentable,
)
from n2vlib.sources import sources_digest
from n2vlib.workers.threads import ahead, in_order

WORLD_IMAGES = 4000
_DRAWN = "drawn.txt"
MOST_PIXELS = 2**30  # bytes of decoded images that are kept on disk
FORMAT = 1  # part of the name of their folder: raise it when decoding changes


@dataclass(frozen=True, eq=False)
class ProbeSet:
    """Images with annotated concepts, read from a folder on demand. Picklable; a copy reopens its files.

    root         the folder
    images       paths below root/images, in the order of index.csv; "image i" is a position in it
    split        (image,) of 'train' and 'val'
    image_size   (ih, iw); label_size (sh, sw), the size of every label map
    categories   in the order of category.csv
    concepts     one row per concept, index "number" (ascending; 0, unlabelled, is not in it). Columns name, category
                 (the primary one: where it covers most), categories (tuple), coverages (tuple: images' worth of pixels
                 in each), frequency (images) and coverage (all of it) as label.csv states them, segmentable (the
                 primary category has pixel maps in this set)
    fingerprint  sha256 of the tables and every file they name
    """

    root: Path
    name: str
    images: tuple[str, ...]
    split: NDArray[np.str_]
    image_size: tuple[int, int]
    label_size: tuple[int, int]
    categories: tuple[str, ...]
    concepts: pd.DataFrame = field(repr=False)
    fingerprint: str
    cells: tuple[tuple[str, ...], ...] = field(repr=False)  # per image, the cells of index.csv, one per category

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"ProbeSet({self.name!r}, {len(self)} images, {len(self.concepts)} concepts, {self.fingerprint[:8]})"

    def __getstate__(self) -> dict:
        # Without the memory maps, which are reopened after unpickling.
        return {name: value for name, value in self.__dict__.items() if name not in ("labels", "pixels")}

    @cached_property
    def labels(self) -> LabelMaps:
        """All label maps, decoded on first use and then kept on disk."""
        numbers = self.concepts.index.to_numpy(np.int32)
        return label_maps(self.fingerprint, Cells(self.root, self.cells, self.label_size, numbers))

    def primary(self, categories: Sequence[str]) -> pd.Series:
        """For each concept, the category among `categories` where it covers most; "" where it is in none of them."""
        pairs = zip(self.concepts["categories"], self.concepts["coverages"], strict=True)
        found = [primary(dict(zip(*pair, strict=True)), categories) for pair in pairs]
        return pd.Series(found, index=self.concepts.index, dtype=object)

    def labels_as(self, categories: Sequence[str], each_map: bool) -> LabelMaps:
        """The labels as a released program reads them: of some categories only, each map counted by itself.

        each_map   what two maps show counts twice, and label 0 of a whole image is a concept (see labels.Cells)
        """
        if not each_map and tuple(categories) == self.categories:
            return self.labels
        columns = [self.categories.index(category) for category in categories]
        numbers = np.concatenate([[0] * each_map, self.concepts.index.to_numpy()]).astype(np.int32)
        own = sha256(f"{self.fingerprint} {list(categories)} {each_map}".encode()).hexdigest()
        cells = tuple(tuple(row[column] for column in columns) for row in self.cells)
        return label_maps(own, Cells(self.root, cells, self.label_size, numbers, each_map))

    def image(self, i: int) -> NDArray[np.uint8]:
        """Image i as it is stored: uint8, (ih, iw, 3)."""
        return read_image(self.root / "images" / self.images[i], self.image_size)

    def batches(self, size: int, positions: Sequence[int] | None = None) -> Iterator[NDArray[np.uint8]]:
        """Images uint8 (image, ih, iw, 3), at most `size` at a time; decoded earlier, or ahead in other threads.

        positions   the images wanted, in this order; all where None
        """
        wanted = np.arange(len(self)) if positions is None else np.asarray(positions)
        batches = (wanted[start : start + size] for start in range(0, len(wanted), size))
        if (pixels := self.pixels) is not None:
            yield from (pixels[batch] for batch in batches)
            return
        # A task is a few images: every core has one, and few decoded images wait, whatever the batch size.
        tasks = [[batch[at : at + IMAGES_AT_ONCE] for at in range(0, len(batch), IMAGES_AT_ONCE)] for batch in batches]
        parts = ahead(self._decoded, [*chain.from_iterable(tasks)])
        for batch in tasks:
            yield np.concatenate([next(parts) for _ in batch])

    @cached_property
    def pixels(self) -> NDArray[np.uint8] | None:
        """All images, uint8 (image, ih, iw, 3), decoded on first use and then kept on disk, memory mapped; None where
        they would take more than MOST_PIXELS bytes."""
        if len(self) * math.prod(self.image_size) * 3 > MOST_PIXELS:
            return None
        folder = kept("images", f"{self.fingerprint[:16]}-{FORMAT}", {"images of": self.fingerprint}, self._decode_into)
        return np.asarray(np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False))

    def _decode_into(self, folder: Path) -> None:
        blocks = [range(at, min(at + IMAGES_AT_ONCE, len(self))) for at in range(0, len(self), IMAGES_AT_ONCE)]
        with growing(folder, "pixels", np.uint8, (*self.image_size, 3)) as append:
            for part in in_order(self._decoded, blocks, f"decoding {self.name}, {IMAGES_AT_ONCE} images at a time"):
                append(part)

    def _decoded(self, positions: Iterable[int]) -> NDArray[np.uint8]:
        return np.stack([self.image(int(i)) for i in positions])

    def annotated(self, concept: str | int | np.integer, i: int) -> NDArray[np.bool_]:
        """The mask of a concept in image i: bool, (sh, sw). The union over all maps, or True everywhere."""
        return self.labels.annotated(self.concept(concept), i).reshape(self.label_size)

    def images_with(self, concept: str | int | np.integer, split: str | None = None) -> NDArray[np.int64]:
        """Positions of the images that hold the concept, ascending; of one split ('train', 'val') or of both."""
        if split not in (None, "train", "val"):
            raise BadInput(f"split {split!r}: must be 'train', 'val' or None for both")
        found = self.labels.images_with(self.concept(concept))
        return found if split is None else found[self.split[found] == split]

    def concept(self, name_or_number: str | int | np.integer) -> int:
        """The label number of a concept. BadInput if there is none, or several of that name."""
        if not isinstance(name_or_number, str):
            if name_or_number in self.concepts.index:
                return int(name_or_number)
            raise BadInput(f"concept {name_or_number}: probe set {self.name} has no such label number")
        found = self.concepts.index.to_numpy()[self.concepts["name"].to_numpy() == name_or_number]
        if len(found) == 1:
            return int(found[0])
        if len(found):
            raise BadInput(f"concept {name_or_number!r}: several have this name, give a number: {found.tolist()}")
        hint = near(name_or_number, self.concepts["name"].tolist())
        raise BadInput(f"concept {name_or_number!r}: not in probe set {self.name}; {hint}")

    def subset(self, positions: ArrayLike) -> "ProbeSet":
        """The same concepts, fewer images, in the order of `positions`, each at most once."""
        chosen = np.asarray(positions)
        inside = chosen.ndim == 1 and chosen.size and np.issubdtype(chosen.dtype, np.integer)
        if not inside or chosen.min() < 0 or chosen.max() >= len(self) or len(np.unique(chosen)) < len(chosen):
            raise BadInput(f"positions: must be distinct image positions, 0 to {len(self) - 1}, at least one")
        own = sha256(self.fingerprint.encode() + chosen.astype("<i8").tobytes()).hexdigest()
        images, cells = tuple(self.images[i] for i in chosen), tuple(self.cells[i] for i in chosen)
        name = f"{self.name}[{len(chosen)}]"
        return replace(self, name=name, images=images, cells=cells, split=self.split[chosen], fingerprint=own)


def load_probe(probe: str | Path) -> ProbeSet:
    """The probe set of the PROBE parameter. Raises BadInput at its first error; `n2vlib.probe.check` lists all of them.

    probe   'world': the drawn world, 4,000 images, drawn on first use; 'world-800': its first 800 images; or a folder
            in Broden's format, relative to the repository root. With '[::4]' appended, every fourth image of that
    """
    sparse = re.fullmatch(r"(.+)\[::([1-9][0-9]*)\]", str(probe))
    if sparse:
        whole = load_probe(sparse[1])
        return whole.subset(np.arange(0, len(whole.images), int(sparse[2])))
    drawn = re.fullmatch(r"world(?:-([1-9][0-9]{0,6}))?", str(probe))
    if drawn:
        return _world(int(drawn[1] or WORLD_IMAGES), str(probe))
    root = resolve(probe)
    return _load(root, root.name)


def _load(root: Path, name: str) -> ProbeSet:
    if not (root / "index.csv").exists():
        raise no_folder(root)
    report = raising(root)
    categories = read_categories(root, report)
    concepts = read_concepts(root, categories, report)
    index = read_index(root, categories, report)
    if index is None:
        raise no_folder(root)
    check_numbers(index, concepts, report)
    files = check_files(root, named_files(index), report)
    tables = ["index.csv", "label.csv", "category.csv", *(f"c_{category}.csv" for category in categories)]
    pixels = sorted(segmentable(index))
    return ProbeSet(
        root=root,
        name=name,
        images=index.images,
        split=np.array(index.splits),
        image_size=index.image_size,
        label_size=index.label_size,
        categories=categories,
        concepts=concepts.drop(columns="line").assign(segmentable=concepts["category"].isin(pixels)),
        fingerprint=fingerprint(root, tables, files),
        cells=tuple(zip(*index.cells.values(), strict=True)) or ((),) * len(index.images),
    )


def world_folder(n_images: int) -> Path:
    """Where the drawn world of so many images is, or will be; its name holds a digest of the code that draws it."""
    return data_root() / f"world-{n_images}-{sources_digest(['n2vlib.world'])[:8]}"


def _world(n_images: int, name: str) -> ProbeSet:
    """The drawn world, drawn if its folder is missing or was changed.

    A file in the folder holds the fingerprint after drawing.
    """
    folder = world_folder(n_images)
    sweep(data_root(), folder)  # of runs that died while drawing
    if (probe := as_drawn(folder, name)) is None:
        with writing_into(folder.parent, "N2V_DATA"), FileLock(f"{folder}.lock"):
            if (probe := as_drawn(folder, name)) is None:
                if folder.exists():
                    set_aside(folder)
                # Imported by name: measurements are keyed by the code this module imports, and must not depend on the
                # drawing code, but only on what is drawn, through the fingerprint.
                importlib.import_module("n2vlib.world").draw(folder, n_images)
                probe = _load(folder, name)
    if not (folder / _DRAWN).exists():
        with suppress(OSError), atomic(folder / _DRAWN) as partial:  # read-only: then it is not written down
            partial.write_text(probe.fingerprint, encoding="ascii")
    return probe


def as_drawn(folder: Path, name: str) -> ProbeSet | None:
    """The set in a folder; None where there is none, or it was changed since it was drawn."""
    if not folder.exists():
        return None
    try:
        probe = _load(folder, name)
        drawn = (folder / _DRAWN).read_text(encoding="ascii") if (folder / _DRAWN).exists() else probe.fingerprint
    except (BadInput, OSError, ValueError):
        return None
    return probe if drawn == probe.fingerprint else None
