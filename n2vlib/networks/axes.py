"""The axes of a tensor: what its rows, columns and so on are, in terms of the picture that it was computed from.

An axis is made of parts. Reshaping splits and joins them; tokens from several tensors (a class token before those of
the picture) keep, for every entry, the cell of the picture's grid that it belongs to.
"""

import itertools
import math
from typing import NamedTuple

CELLS = "cells"


class Part(NamedTuple):
    """Part of an axis after a reshape: `size` entries, `step` apart, of the `whole` that the axis had.

    label   "n" of images; "c", "h" or "w" of a picture; "?1", "?2" ... for axes of unknown meaning; "cells" for tokens
    cells   of tokens only: for every entry its cell, row * columns + column, or -1 where it is none (class tokens,
            registers); `step` is then the number of columns and `whole` the number of cells of the grid
    shift   entry i is row i + shift (modulo `whole`) of the picture: rolled, as in shifted windows
    """

    label: str
    size: int
    step: int
    whole: int
    cells: tuple[int, ...] = ()
    shift: int = 0


Axis = tuple[Part, ...]  # parts joined by a reshape, outer parts first; () for an axis of size 1
Axes = tuple[Axis, ...]

_numbers = itertools.count()


def size_of(axis: Axis) -> int:
    return math.prod(part.size for part in axis)


def axis(label: str, size: int) -> Axis:
    return () if size == 1 and label.startswith("?") else (Part(label, size, 1, size),)


def unknown(shape: tuple[int, ...]) -> Axes:
    return tuple(axis(f"?{next(_numbers)}", size) for size in shape)


def is_unknown(of: Axis) -> bool:
    return all(part.label.startswith("?") for part in of)


def labels(*axes: Axis) -> set[str]:
    return {part.label for each in axes for part in each}


def is_whole(of: Axis) -> bool:
    """Whether it is one axis, or every n-th entry of one, that no reshape split."""
    return len(of) == 1 and not of[0].cells and not of[0].shift and of[0].size * of[0].step == of[0].whole


def as_picture(axes: Axes) -> Axes:
    """The four axes, with unknown ones taken as those of (image, filter, h, w)."""
    named = zip(axes, "nchw", strict=True)
    return tuple(axis(label, size_of(each)) if is_unknown(each) else each for each, label in named)


def resized(axes: Axes, shape: tuple[int, ...], first: str = "") -> Axes:
    """The axes with their new sizes; an axis that was cropped or padded counts as a whole axis again."""
    found = []
    for each, size in zip(axes, shape, strict=True):
        cut = axis(each[0].label, size) if is_whole(each) else unknown((size,))[0]
        found.append(each if size_of(each) == size else cut)
    if first and is_unknown(found[0]):
        found[0] = axis(first, shape[0])
    return tuple(found)


def regrouped(axes: Axes, shape: tuple[int, ...]) -> Axes:
    """Axes after a reshape; all unknown where it does not split them evenly, or splits tokens."""
    parts, grouped = [part for each in axes for part in each if part.size > 1], []
    for size in shape:
        taken, left = [], size
        while left > 1:
            part = parts.pop(0)
            if left % part.size == 0:
                taken.append(part)
                left //= part.size
            elif part.size % left == 0 and not part.cells:
                inner = part.size // left
                taken.append(part._replace(size=left, step=part.step * inner))
                parts.insert(0, part._replace(size=inner))
                left = 1
            else:
                return unknown(shape)
        grouped.append(_joined(taken))
    return tuple(grouped)


def _joined(parts: list[Part]) -> Axis:
    """Neighbouring parts that were split from one axis, merged again."""
    joined: list[Part] = []
    for part in parts:
        last = joined[-1] if joined else None
        if last and last[:1] + last[2:] == (part.label, part.size * part.step, part.whole, (), part.shift):
            joined[-1] = part._replace(size=last.size * part.size)
        else:
            joined.append(part)
    return tuple(joined)


def aligned(inputs: list[tuple[tuple[int, ...], Axes]], shape: tuple[int, ...]) -> Axes:
    """Axes of an elementwise result; the inputs, (shape, axes), are broadcast to `shape`."""
    found = []
    for at, n in zip(range(-len(shape), 0), shape, strict=True):
        here = [(size[at], axes[at]) for size, axes in inputs if len(size) >= -at]
        same = [each for was, each in here if was == n]
        cut = [resized((each,), (n,))[0] for was, each in here if was != 1]
        found.append(_least_doubtful([*same, *cut]) if same or cut else unknown((n,))[0])
    return tuple(found)


def _least_doubtful(axes: list[Axis]) -> Axis:
    """The axis that is known best; unknown where tokens of different cells meet."""
    chosen = min(axes, key=_doubt)
    known = {each for each in axes if not is_unknown(each)}
    moved = any(part.cells or part.shift for each in known for part in each)
    return unknown((size_of(chosen),))[0] if moved and len(known) > 1 else chosen


def _doubt(of: Axis) -> int:
    if not of or is_unknown(of):
        return 3 - bool(of)
    return 0 if len(of) == 1 else 1
