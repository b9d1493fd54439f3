"""Every label map of a probe set, decoded once and kept on disk, memory mapped.

An image shows few of the concepts, so its maps are stored as bytes: local indices, with a table of their label numbers.
The same pass stores which image holds which concept, on how many pixels, by image and by concept.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.files.npy import growing
from n2vlib.probe.kept import kept
from n2vlib.probe.layout import LARGEST_LABEL, MOST_LABELS
from n2vlib.probe.pictures import read_map
from n2vlib.probe.reader import has_zero, items_of
from n2vlib.workers.threads import in_order

FORMAT = 3  # part of the cache's folder name: raise it when what is written below changes
IMAGES_AT_ONCE = 16  # decoded by one task of the thread pool


@dataclass(frozen=True, eq=False)
class LabelMaps:
    """The annotations of all images, as arrays. A pair is an (image, concept) where the image holds the concept.

    maps          uint8 (map, sh * sw): local index of the label, 0 = unlabelled; every other value belongs to one pair.
                  Where several maps of an image have the same label at a pixel, only the first keeps it, so that
                  counting over maps counts a pixel once; maps that become empty are left out
    map_ptr       int64 (image + 1,): the maps of image i are maps[map_ptr[i]:map_ptr[i + 1]]
    pair_ptr      int64 (image + 1,): the pairs of image i, in ascending label number
    pair_concept  int32 (pair,): label number
    pair_local    uint8 (pair,): local index in the image's maps; 0 = the label holds for the whole image
    pair_area     int32 (pair,): annotated pixels, the union over the image's maps; sh * sw for a whole-image label
    concepts      int32 (concept,): all label numbers of the set, ascending
    holder_ptr    int64 (concept + 1,): the images holding concepts[c] are holders[holder_ptr[c]:holder_ptr[c + 1]]
    holders       int64 (pair,): image positions, ascending for each concept
    """

    maps: NDArray[np.uint8]
    map_ptr: NDArray[np.int64]
    pair_ptr: NDArray[np.int64]
    pair_concept: NDArray[np.int32]
    pair_local: NDArray[np.uint8]
    pair_area: NDArray[np.int32]
    concepts: NDArray[np.int32]
    holder_ptr: NDArray[np.int64]
    holders: NDArray[np.int64]

    def annotated(self, number: int, image: int) -> NDArray[np.bool_]:
        """Where the concept is in the image: bool, (sh * sw,), the union over the image's maps."""
        start, stop = self.pair_ptr[image : image + 2]
        pair = start + np.searchsorted(self.pair_concept[start:stop], number)
        if pair == stop or self.pair_concept[pair] != number:
            return np.zeros(self.maps.shape[1], dtype=bool)
        if self.pair_local[pair] == 0:
            return np.ones(self.maps.shape[1], dtype=bool)
        layers = self.maps[self.map_ptr[image] : self.map_ptr[image + 1]]
        return (layers == self.pair_local[pair]).any(axis=0)

    def images_with(self, number: int) -> NDArray[np.int64]:
        """Positions of the images that hold the concept, ascending; none for an unknown number."""
        c = int(np.searchsorted(self.concepts, number))
        if c == len(self.concepts) or self.concepts[c] != number:
            return np.zeros(0, dtype=np.int64)
        return np.array(self.holders[self.holder_ptr[c] : self.holder_ptr[c + 1]])


@dataclass(frozen=True)
class Cells:
    """What to decode: the folder, per image the cells of index.csv, the maps' size, the known label numbers.

    each_map   keep every map unchanged, so that counting over maps counts a pixel once for each of them. A whole-image
               label that is listed twice, or is in a map too, becomes a full map each time. 0 in its place is label 0
               of the whole image
    """

    root: Path
    cells: Sequence[tuple[str, ...]]
    size: tuple[int, int]
    concepts: NDArray[np.int32]
    each_map: bool = False


def label_maps(fingerprint: str, cells: Cells) -> LabelMaps:
    """The label maps of a probe set: from the cache, or decoded into it. Two processes at once decode once."""
    name = f"{fingerprint[:16]}-{FORMAT}"
    folder = kept("labels", name, {"labels of": fingerprint}, lambda work: _decode(work, cells))
    arrays = {field.name: _load(folder / f"{field.name}.npy") for field in fields(LabelMaps)}
    return LabelMaps(**arrays)


def _load(path: Path) -> np.ndarray:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    # Pointers are looked up one by one, which a memory map makes slow; only the maps are large.
    return array if path.stem == "maps" else np.array(array)


class _Image(NamedTuple):
    """The labels of one image: maps uint8 (map, sh * sw); the others (pair,) as in LabelMaps."""

    maps: NDArray[np.uint8]
    concept: NDArray[np.int32]
    local: NDArray[np.uint8]
    area: NDArray[np.int32]


def _decode(folder: Path, cells: Cells) -> None:
    """Write the arrays of LabelMaps, those of each block of images after the block before."""
    known = np.zeros(LARGEST_LABEL + 1, dtype=bool)
    known[0] = known[cells.concepts] = True
    blocks = [cells.cells[start : start + IMAGES_AT_ONCE] for start in range(0, len(cells.cells), IMAGES_AT_ONCE)]
    what = f"label maps, {IMAGES_AT_ONCE} images at a time"
    rows = {"maps": (np.uint8, (cells.size[0] * cells.size[1],)), "pair_concept": (np.int32, ())}
    rows |= {"pair_local": (np.uint8, ()), "pair_area": (np.int32, ())}
    n_maps, n_pairs = [np.zeros(1, np.int64)], [np.zeros(1, np.int64)]
    with ExitStack() as files:
        append = [files.enter_context(growing(folder, name, *row)) for name, row in rows.items()]
        for block in in_order(lambda block: [_decode_image(row, cells, known) for row in block], blocks, what):
            n_maps.append(np.array([len(image.maps) for image in block]))
            n_pairs.append(np.array([len(image.concept) for image in block]))
            for add, parts in zip(append, zip(*block, strict=True), strict=True):
                add(np.concatenate(parts))
    pointers = {"map_ptr": np.concatenate(n_maps).cumsum(), "pair_ptr": np.concatenate(n_pairs).cumsum()}
    pair_concept = np.load(folder / "pair_concept.npy", allow_pickle=False)
    by_concept = _holders(pair_concept, pointers["pair_ptr"], cells.concepts)
    for name, array in {**pointers, "concepts": cells.concepts, **by_concept}.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)


def _holders(
    pair_concept: NDArray[np.int32], pair_ptr: NDArray[np.int64], concepts: NDArray[np.int32]
) -> dict[str, NDArray[np.int64]]:
    """The same pairs by concept: holder_ptr and holders."""
    pair_image = np.repeat(np.arange(len(pair_ptr) - 1, dtype=np.int64), np.diff(pair_ptr))
    held = np.bincount(np.searchsorted(concepts, pair_concept), minlength=len(concepts))
    by_concept = np.argsort(pair_concept, kind="stable")  # stable: images stay ascending
    return {"holder_ptr": np.concatenate([[0], held.cumsum()]), "holders": pair_image[by_concept]}


def _decode_image(row: Sequence[str], cells: Cells, known: NDArray[np.bool_]) -> _Image:
    """row   the image's cells, one per category"""
    items, n_pixels = [items_of(cell) for cell in row if cell], cells.size[0] * cells.size[1]
    listed = [number for _, numbers in items for number in numbers]
    paths = [path for names, _ in items for path in names]
    paths = paths if cells.each_map else list(dict.fromkeys(paths))
    layers = [_read_layer(cells.root / "images" / path, cells.size, known) for path in paths]
    if cells.each_map:
        shown = [*listed, *(number for _, present in layers for number in present.tolist())]
        several = [number for number in listed if shown.count(number) > 1]
        layers += [(np.full(n_pixels, number), np.array([number])) for number in several]
        listed = [number for number in listed if number not in several] + [0] * any(map(has_zero, row))
    whole = np.unique(np.array(listed, dtype=np.int32))
    shown = {number for _, present in layers for number in present.tolist()}
    # A whole-image label counts for the whole image, even if a map has it too.
    numbers = np.array(sorted(shown - {0} - set(whole.tolist())), dtype=np.int32)
    if len(numbers) > MOST_LABELS:
        raise BadInput(f"images/{paths[0]}: {len(numbers)} labels in one image; at most {MOST_LABELS} are possible")
    table = np.zeros(LARGEST_LABEL + 1, dtype=np.uint8)
    table[numbers] = np.arange(1, len(numbers) + 1)
    maps = _stacked([table.take(layer) for layer, _ in layers], n_pixels, cells.each_map)
    concept = np.concatenate([numbers, whole])
    local = np.concatenate([np.arange(1, len(numbers) + 1), np.zeros(len(whole))]).astype(np.uint8)
    area = np.concatenate([_areas(maps, len(numbers)), np.full(len(whole), maps.shape[1])]).astype(np.int32)
    order = np.argsort(concept)
    return _Image(maps, concept[order], local[order], area[order])


def _read_layer(
    path: Path, size: tuple[int, int], known: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The label numbers of a map, (sh * sw,), and those that occur; as intp, since they index tables."""
    layer = read_map(path, size).ravel().astype(np.intp)
    present = np.flatnonzero(np.bincount(layer))
    if not (fine := known[present]).all():
        raise BadInput(f"{path}: label number {present[~fine][0]} is not in label.csv; `probe check` lists all of them")
    return layer, present


def _stacked(maps: list[NDArray[np.uint8]], n_pixels: int, each_map: bool) -> NDArray[np.uint8]:
    """The non-empty maps, uint8 (map, n_pixels); unless `each_map`, a label is cleared where an earlier map has it."""
    kept: list[NDArray[np.uint8]] = []
    for layer in maps:
        for earlier in () if each_map else kept:
            layer = np.where(layer == earlier, np.uint8(0), layer)
        if layer.any():
            kept.append(layer)
    return np.stack(kept) if kept else np.zeros((0, n_pixels), dtype=np.uint8)


def _areas(maps: NDArray[np.uint8], n_labels: int) -> NDArray[np.int64]:
    """Pixels that show each local label, 1 to n_labels, over all maps: int64 (label,)."""
    return np.bincount(maps.ravel(), minlength=n_labels + 1)[1:]
