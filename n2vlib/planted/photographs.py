"""Photographs that spell out their labels in their pixels, and probe sets with shuffled labels."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from n2vlib.errors import BadInput
from n2vlib.files.output import writing_into
from n2vlib.paths import data_root
from n2vlib.planted.plan import VIEWS, Plan
from n2vlib.probe import ProbeSet, load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.sources import sources_digest
from n2vlib.store import digest

GRID = 14  # cells along each side of the planted network's maps
SIDE = 56  # pixels of the label maps, 4 to a cell; the photographs are twice as wide


def every_nth(probe: ProbeSet, images: int) -> ProbeSet:
    """That many images of a probe set, evenly along its order (Broden's has the training images first)."""
    wanted = min(max(images, 1), len(probe))
    return probe.subset(np.linspace(0, len(probe) - 1, wanted).round().astype(np.int64))


def spell(source: ProbeSet, plan: Plan, seed: int = 0) -> ProbeSet:
    """A probe set with the planned concepts only, and with photographs that spell them out.

    A pixel of a label map covers 2 x 2 of the photograph, one for each category that has maps. Red is the concept's
    place in the plan, from 1 (0: none of them); green is its view, the same in the whole image, each view in equally
    many images; blue holds the image's number. Label maps of another size are sampled to SIDE x SIDE. Where concepts of
    a category overlap, the smaller one is shown. Written once, below `paths.data_root`; each image keeps its split.
    """
    made_by = [source.fingerprint, plan.concepts.index.tolist(), seed]
    folder = data_root() / f"planted-{digest([*made_by, sources_digest(['n2vlib.planted.photographs'])])[:12]}"
    if not folder.exists():
        with writing_into(folder.parent, "N2V_DATA"), FileLock(f"{folder}.lock"):
            if not folder.exists():
                splits = {_name(i): str(source.split[i]) for i in range(len(source))}
                names = plan.concepts["name"].to_dict()
                write(folder, _spelled(source, plan, seed), names, split=lambda name: splits[name])
    return replace(load_probe(folder), name=f"{source.name}, spelled out")


def views(source: ProbeSet, plan: Plan, seed: int) -> NDArray[np.uint8]:
    """The view of each concept in each image, (image, concept): views in turn over its images in random order."""
    shown = np.zeros((len(source), len(plan.concepts)), np.uint8)
    for at, number in enumerate(plan.concepts.index):
        holding = source.images_with(int(number))
        order = np.random.default_rng([seed, int(number)]).permutation(len(holding))
        shown[holding, at] = order % VIEWS
    return shown


def shuffled(probe: ProbeSet, seed: int = 0) -> ProbeSet:
    """The same images, with labels permuted at random within each split: nothing is left to be found.

    The frequency, sizes, typical positions and co-occurrence of concepts do not change.
    """
    rng, given = np.random.default_rng(seed), np.arange(len(probe))
    for split in ("train", "val"):
        of_split = np.flatnonzero(probe.split == split)
        given[of_split] = rng.permutation(of_split)
    own = sha256(probe.fingerprint.encode() + given.astype("<i8").tobytes()).hexdigest()
    return replace(probe, name=f"{probe.name}, shuffled", cells=tuple(probe.cells[i] for i in given), fingerprint=own)


def _spelled(source: ProbeSet, plan: Plan, seed: int) -> Iterator[Labelled]:
    categories = [c for c in source.categories if c in set(plan.concepts["category"])]
    if len(categories) > 4:
        raise BadInput(f"{source.name}: {len(categories)} categories have maps; a photograph can spell out four")
    shown, numbers = views(source, plan, seed), np.append(0, plan.concepts.index.to_numpy())
    for i in range(len(source)):
        photograph, maps = np.zeros((2 * SIDE, 2 * SIDE, 3), np.uint8), {}
        photograph[0, :4, 2] = list(i.to_bytes(4, "little"))
        for corner, (category, place) in enumerate(_places(source, plan, categories, i).items()):
            below, right = divmod(corner, 2)
            photograph[below::2, right::2, 0] = place
            photograph[below::2, right::2, 1] = np.append(0, shown[i])[place]
            maps[category] = [numbers[place].astype(np.uint16)]
        yield Labelled(_name(i), photograph, {c: layers for c, layers in maps.items() if layers[0].any()})


def _places(source: ProbeSet, plan: Plan, categories: list[str], i: int) -> dict[str, NDArray[np.uint8]]:
    """Positions in the plan, from 1, for each category: its concepts over each other, the largest first."""
    down, across = (np.arange(SIDE) * side // SIDE for side in source.label_size)
    start, stop = source.labels.pair_ptr[i : i + 2]
    held = plan.concepts.index.get_indexer(source.labels.pair_concept[start:stop])
    numbers, of_category = plan.concepts.index.to_numpy(), plan.concepts["category"].tolist()
    masks = {at: source.annotated(int(numbers[at]), i)[np.ix_(down, across)] for at in held.tolist() if at >= 0}
    places = {category: np.zeros((SIDE, SIDE), np.uint8) for category in categories}
    for at in sorted(masks, key=lambda at: -masks[at].sum()):
        places[of_category[at]][masks[at]] = at + 1
    return places


def _name(i: int) -> str:
    return f"planted/{i:06d}.png"
