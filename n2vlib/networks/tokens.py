"""Tokens: which of them is which cell of the picture's grid, exactly, also behind a class token and registers.

Vision transformers flatten a grid to tokens, put class tokens and registers before or behind them, and cut them off
again. Every axis of tokens keeps the cell of each of its entries. Functions that choose, reverse or roll entries are
called on the entries' numbers, so that nothing is guessed from a size.
"""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves, tree_map

from n2vlib.networks.axes import CELLS, Axes, Axis, Part, is_unknown, labels, size_of, unknown

# Functions that choose entries of an axis, or reverse or roll them.
CHOOSING = {"__getitem__", "narrow", "split", "split_with_sizes", "chunk", "tensor_split", "unbind", "index_select"}
CHOOSING |= {"select", "roll", "flip", "fliplr", "flipud", "rot90"}
JOINING = {"cat", "concat", "concatenate"}
# Functions that can move entries of an axis to where the image's content says.
SHUFFLING = {"gather", "take_along_dim", "sort", "argsort", "scatter", "index_copy", "index_put", "masked_select"}


def joined(axes: list[Axis]) -> Axis | None:
    """The axis that tensors with these axes have when they are put together along it; None where none has cells."""
    held = [_cells(axis) for axis in axes]
    grids = {(part.whole, part.step) for part in held if part and part.whole}
    if not grids:
        return None
    size = sum(map(size_of, axes))
    if len(grids) != 1 or not all(held):
        return unknown((size,))[0]
    ((whole, columns),) = grids
    return _tokens([cell for part in held if part for cell in part.cells], whole // columns, columns)


def chosen(func: Callable, args: tuple, kwargs: dict, value: Tensor, axes: Axes, at: int, found: Axes) -> Axes:
    """The axes `found` of output number `at` of a function in CHOOSING, said exactly where they hold cells.

    value, axes   the function's one input that is followed
    """
    for number, axis in enumerate(axes):
        if size_of(axis) > 1 and labels(axis) & {"n", "h", "w", CELLS}:
            others = labels(*axes[:number], *axes[number + 1 :])
            places = _places(func, args, kwargs, value, number, at)
            along = None if places is None else _runs_along(places, number if places.ndim == value.ndim else None)
            if places is None or along is None:
                found = unknown(tuple(map(size_of, found)))
            elif along >= 0:
                entries = places.movedim(along, 0).reshape(places.shape[along], -1)[:, 0].tolist()
                found = (*found[:along], _of(axis, entries, others), *found[along + 1 :])
    return found


def _places(func: Callable, args: tuple, kwargs: dict, value: Tensor, axis: int, at: int) -> Tensor | None:
    """The function's output for a tensor that holds each entry's number along an axis; None where it fails."""
    shape = [-1 if i == axis else 1 for i in range(value.ndim)]
    numbers = torch.arange(value.shape[axis], device="cpu").view(shape).expand(value.shape)
    given = tree_map(lambda each: numbers if each is value else _on_cpu(each), (args, kwargs))
    try:
        return tree_leaves(func(*given[0], **given[1]))[at]
    except Exception:  # an index on the meta device has no values
        return None


def _on_cpu(value: Any) -> Any:
    return value.cpu() if isinstance(value, Tensor) else value


def _runs_along(places: Tensor, same: int | None) -> int | None:
    """Along which axis the numbers run; -1 where one entry was chosen and its axis removed; None where along several.

    same   the axis that the entries had before, if there still is one
    """
    if places.numel() == 0:
        return None
    if bool((places == places.flatten()[0]).all()):
        return -1 if same is None else same
    lines = [
        places[tuple(slice(None if i == along else 1) for i in range(places.ndim))] for along in range(places.ndim)
    ]
    return next((along for along, line in enumerate(lines) if bool((places == line).all())), None)


def _of(axis: Axis, entries: list[int], others: set[str]) -> Axis:
    """The axis with these of its entries, in that order; `others` are the labels of the other axes."""
    size, nothing = size_of(axis), unknown((len(entries),))[0]
    if entries == list(range(size)):
        return axis
    if labels(axis) <= {"h", "w"} and not others & {"h", "w"} or labels(axis) == {CELLS}:
        held = _cells(axis)
        return _tokens([held.cells[i] for i in entries], held.whole // held.step, held.step) if held else nothing
    if len(axis) != 1 or axis[0].size * axis[0].step != axis[0].whole:
        return nothing
    part, by = axis[0], entries[0]
    if entries == [(i + by) % size for i in range(size)] and not (part.shift and part.step > 1):
        return (Part(part.label, size, 1, size, (), (part.shift + by) % size),)
    if part.shift or entries != sorted(entries):
        return nothing
    return (Part(part.label, len(entries), 1, len(entries)),)  # a cropped picture, or every n-th row, counts as a whole


def _cells(axis: Axis) -> Part | None:
    """The axis as one part of tokens with their cells; None where it is neither tokens of a picture nor unknown."""
    if len(axis) == 1 and axis[0].cells:
        return axis[0]
    if is_unknown(axis):
        size = size_of(axis)
        return Part(CELLS, size, 0, 0, (-1,) * size)
    if not labels(axis) <= {"h", "w"} or any(part.shift for part in axis):
        return None
    rows, columns = (_along(axis, label) for label in "hw")
    grid = max(rows) + 1, max(columns) + 1
    cells = tuple(row * grid[1] + column for row, column in zip(rows, columns, strict=True))
    return Part(CELLS, len(cells), grid[1], grid[0] * grid[1], cells)


def _along(axis: Axis, label: str) -> list[int]:
    """The row (or column) of the grid of every entry of an axis."""
    least = min((part.step for part in axis if part.label == label), default=1)
    ranges = [[i * (part.step // least) if part.label == label else 0 for i in range(part.size)] for part in axis]
    return [sum(each) for each in itertools.product(*ranges)]


def _tokens(cells: list[int], rows: int, columns: int) -> Axis:
    """The axis of tokens with these cells: rows and columns again where it is exactly the grid, unknown without any."""
    if max(cells, default=0) < 0:  # class tokens cut off, which the next stage may put before a coarser grid
        return unknown((len(cells),))[0]
    if cells == list(range(rows * columns)):
        return whole(rows, columns)
    return (Part(CELLS, len(cells), columns, rows * columns, tuple(cells)),)


def whole(rows: int, columns: int) -> Axis:
    """The axis of the tokens of a whole grid, row by row."""
    return tuple(Part(label, n, 1, n) for label, n in (("h", rows), ("w", columns)) if n > 1)
