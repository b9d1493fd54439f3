"""What a drawn scene shows, from its label maps: its place, and things with their number, color, material and parts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from n2vlib.words.phrases import plain
from n2vlib.world import CONCEPTS, Scene

VISIBLE = 12  # pixels of a label map (of 56 x 56) from which on something counts as visible


_SAID = {number: plain(name, category) for number, name, category in CONCEPTS}


@dataclass(frozen=True)
class Thing:
    """One kind of thing in a scene: kind, how many of it; color, material and parts, empty where it has none."""

    kind: str
    number: int
    color: str = ""
    material: str = ""
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What can be said: place and texture ("" for none), colors (of a texture), things."""

    place: str
    texture: str
    colors: tuple[str, ...]
    things: tuple[Thing, ...]


def facts(scene: Scene) -> Facts:
    """What the label maps of a drawn scene show."""
    maps = {category: found[0] for category, found in scene.maps.items()}
    place, texture = (_SAID[scene.whole[kind][0]] if kind in scene.whole else "" for kind in ("scene", "texture"))
    colors = tuple(_SAID[n] for n in _largest(maps.get("color"), None)[:2]) if texture else ()
    shown = _largest(maps.get("object"), None)
    return Facts(place, texture, colors, tuple(_thing(scene, maps, number) for number in shown))


def _thing(scene: Scene, maps: dict[str, NDArray], number: int) -> Thing:
    where = maps["object"] == number
    color, material = (_main(maps.get(kind), where) for kind in ("color", "material"))
    parts = tuple(_SAID[part] for part in _largest(maps.get("part"), where))
    return Thing(_SAID[number], _count(scene, where, number), color, material, parts)


def _largest(labels: NDArray | None, where: NDArray[np.bool_] | None) -> list[int]:
    """The labels of a map (inside a mask) that are visible, the largest first."""
    if labels is None:
        return []
    found, pixels = np.unique(labels if where is None else labels[where], return_counts=True)
    seen = [(-n, int(each)) for each, n in zip(found, pixels, strict=True) if each and n >= VISIBLE]
    return [each for _, each in sorted(seen)]


def _main(labels: NDArray | None, where: NDArray[np.bool_]) -> str:
    """The label of more than half of a mask; "" where there is none."""
    first = _largest(labels, where)[:1]
    return _SAID[first[0]] if first and labels is not None and (labels == first[0])[where].mean() > 0.5 else ""


def _count(scene: Scene, where: NDArray[np.bool_], number: int) -> int:
    """How many boxes of this object still show it on a seventh of their area, at least one."""
    half, seen = scene.image.shape[0] // where.shape[0], 0
    for of, box in scene.boxes:
        left, top, right, bottom = (max(0, round(edge / half)) for edge in box)
        inside = where[top:bottom, left:right]
        seen += of == number and inside.size > 0 and inside.mean() > 1 / 7
    return max(1, int(seen))
