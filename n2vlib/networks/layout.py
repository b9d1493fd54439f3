"""How a module's output holds its grid: read it as (image, filter, h, w), and put a changed grid back.

An output can be (image, filter, h, w), another order of these axes, tokens (image, token, channel) with or without
class tokens and registers, or windows of a picture. What its axes are is followed through a pass (`following`).
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from n2vlib.networks.axes import CELLS, Axes, Axis, Part, is_unknown, labels, size_of

STANDS = (0, 1, 2, 3)  # the order of an output that already is (image, filter, h, w)
_ORDERS = [STANDS, (0, 3, 1, 2), (0, 1, 3, 2), (0, 3, 2, 1), (0, 2, 1, 3), (0, 2, 3, 1)]


class Layout(NamedTuple):
    """Where an output has the entries of a grid (image, filter, h, w).

    shape   of the output for `images` images      split   the same with each axis divided into its parts
    order   the parts' positions: images, filters, rows and columns, each outer parts first
    grid    (filter, h, w)
    at, cells   of tokens among which are others than the grid's: their position in `split`, and the token of each cell
    shift   rows and columns by which the picture was rolled
    """

    images: int
    shape: tuple[int, ...]
    split: tuple[int, ...]
    order: tuple[int, ...]
    grid: tuple[int, int, int]
    at: int = 0
    cells: tuple[int, ...] = ()
    shift: tuple[int, int] = (0, 0)

    @property
    def stands(self) -> bool:
        """Whether the output already is (image, filter, h, w)."""
        return self.order == STANDS and self.split == self.shape

    @property
    def n_others(self) -> int:
        """Number of tokens that are no cells: class tokens and registers."""
        return self.split[self.at] - len(self.cells) if self.cells else 0

    def shape_of(self, images: int) -> tuple[int, ...]:
        """The output's shape for so many images."""
        whole, parts, found = iter(self.shape), iter(self._split(images)), []
        for size in whole:
            was, now = 1, 1
            while was < size:
                part = next(parts)
                was, now = was * part[0], now * part[1]
            found.append(now)
        return tuple(found)

    def _split(self, images: int) -> list[tuple[int, int]]:
        return [(n, images if at == self.order[0] else n) for at, n in enumerate(self.split)]

    def read(self, output: Tensor) -> Tensor:
        """The grid (image, filter, h, w) of an output."""
        if self.stands:
            return output
        parts = self._parts(output)
        if self.cells:
            parts = parts.index_select(self.at, torch.tensor(self.cells, device=output.device))
        grid = parts.permute(self.order).reshape(parts.shape[self.order[0]], *self.grid)
        return grid.roll(self.shift, (2, 3)) if any(self.shift) else grid

    def others(self, output: Tensor) -> Tensor:
        """The tokens of an output that are no cells, (image, ...): class tokens and registers."""
        parts = self._parts(output)
        return parts.index_select(self.at, self._others(output)).movedim(self.order[0], 0)

    def write(self, grid: Tensor, others: Tensor | None = None) -> Tensor:
        """The output that has this grid; others are needed where there are such tokens (`n_others`)."""
        if self.stands:
            return grid
        sizes = [n for _, n in self._split(len(grid))]
        back = grid.roll([-by for by in self.shift], (2, 3)) if any(self.shift) else grid
        taken = [len(self.cells) if self.cells and at == self.at else n for at, n in enumerate(sizes)]
        inverse = [self.order.index(at) for at in range(len(self.order))]
        parts = back.reshape([taken[at] for at in self.order]).permute(inverse)
        if self.cells:
            whole = parts.new_empty(sizes)
            whole.index_copy_(self.at, torch.tensor(self.cells, device=grid.device), parts)
            if others is not None:
                whole.index_copy_(self.at, self._others(grid), others.to(grid).movedim(0, self.order[0]))
            parts = whole
        return parts.reshape(self.shape_of(len(grid)))

    def _parts(self, output: Tensor) -> Tensor:
        images = output.numel() * self.images // math.prod(self.shape)
        return output.reshape([n for _, n in self._split(images)])

    def _others(self, like: Tensor) -> Tensor:
        return torch.tensor(sorted({*range(self.split[self.at])} - {*self.cells}), device=like.device)


def layout_of(axes: Axes, images: int) -> Layout | None:
    """The layout of an output with these axes, of so many images; None where it is no grid, or none that is known."""
    shape = tuple(map(size_of, axes))
    if len(axes) == 4 and (order := next((order for order in _ORDERS if _fits(axes, order)), None)):
        filters, height, width = (shape[at] for at in order[1:])
        return Layout(images, shape, shape, order, (filters, height, width))
    return _of_parts(axes, shape, images)


def _of_parts(axes: Axes, shape: tuple[int, ...], images: int) -> Layout | None:
    """The layout by the parts of the axes: every image, every cell of the grid and every filter exactly once."""
    filters = [axis for axis in axes if axis and not labels(axis) <= {"n", "h", "w", CELLS}]
    numbered = list(enumerate((part, axis in filters) for axis in axes for part in axis))
    parts = {at: part for at, (part, is_filter) in numbered if not is_filter}
    kept = [at for at, (_, is_filter) in numbered if is_filter]
    n, rows, columns, tokens = ([at for at in parts if parts[at].label == label] for label in ("n", "h", "w", CELLS))
    if [parts[at].size for at in n] != [images] or not _can_be_filters(filters) or not (rows or columns or tokens):
        return None
    split = tuple(part.size for _, (part, _) in numbered)
    n_filters = math.prod(split[at] for at in kept)
    if tokens:
        cells = _every_cell(parts[tokens[0]]) if len(tokens) == 1 and not rows + columns else None
        part = parts[tokens[0]]
        grid = n_filters, part.whole // part.step, part.step
        return Layout(images, shape, split, (*n, *kept, *tokens), grid, tokens[0], cells) if cells else None
    rows, columns = (sorted(each, key=lambda at: -parts[at].step) for each in (rows, columns))
    if not all(_tile([parts[at] for at in each]) for each in (rows, columns)):
        return None
    height, width = (math.prod(split[at] for at in each) for each in (rows, columns))
    shift = tuple(parts[each[0]].shift if each else 0 for each in (rows, columns))
    return Layout(images, shape, split, (*n, *kept, *rows, *columns), (n_filters, height, width), shift=shift)


def _can_be_filters(axes: list[Axis]) -> bool:
    """Whether axes that are none of the picture's can be its filters, alone or together."""
    if any("n" in labels(axis) for axis in axes):
        return False
    return all("c" in labels(axis) for axis in axes) or (len(axes) == 1 and is_unknown(axes[0])) if axes else False


def _every_cell(tokens: Part) -> tuple[int, ...] | None:
    """The token of each cell of the grid, row by row; None where a cell has none, or two."""
    found = sorted((cell, token) for token, cell in enumerate(tokens.cells) if cell >= 0)
    return tuple(token for _, token in found) if [c for c, _ in found] == list(range(tokens.whole)) else None


def _tile(parts: list[Part]) -> bool:
    """Whether parts of one axis, outer parts first, make all of it, or every n-th of its rows."""
    if not parts:
        return True
    inner = [*parts[1:], Part("", 1, parts[-1].step, 0)]
    steps = all(part.step == next_.size * next_.step for part, next_ in zip(parts[:-1], inner[:-1], strict=True))
    return steps and parts[0].size * parts[0].step == parts[0].whole and len({p.shift for p in parts}) == 1


def _fits(axes: Axes, order: tuple[int, ...]) -> bool:
    """Whether four axes in that order can be (image, filter, h, w)."""
    image, filters, height, width = (axes[at] for at in order)
    if "n" in labels(filters, height, width) or (labels(image) - {"n"} and not is_unknown(image)):
        return False
    usual = order in _ORDERS[:2]
    if _is(height, "h") and _is(width, "w"):
        return bool(height and width) or (usual and ("c" in labels(filters) or not labels(filters) & {"h", "w", CELLS}))
    if not usual or not len(height) == len(width) == 1 or not is_unknown(height):
        return False
    rows, columns = height[0], width[0]  # tokens, some of them removed, laid out as a grid again
    laid_out = rows.label == columns.label and rows.step == columns.size and columns.step == 1
    return laid_out and rows.size * rows.step == rows.whole


def _is(axis: Axis, label: str) -> bool:
    """Whether an axis can be the height or the width (`label`): all of it, or every n-th row in order."""
    whole = all(part.label == label and part.size * part.step == part.whole and not part.shift for part in axis)
    return whole and len(axis) < 2
