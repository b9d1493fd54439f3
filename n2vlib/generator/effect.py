"""The causal effect of a generator's units on a class (GAN dissection, Bau et al. 2019, section 3.2).

What of a class s_c appears at a place where units are forced on, minus what is left of it where they are forced off:

    effect(a) = E[ s_c(x (1 - a) + k a at a place without it) ] - E[ s_c(x (1 - a) at a place that shows it) ]

The share a of each unit is learned in 0 .. 1: the effect minus a penalty on |a|^2 is maximised. k is the mean of the
units where the class is seen. Each term is read where its edit was made. The released program reads the inserted one at
the place of the *other* picture of the pair; `released=True` does so, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from n2vlib.errors import BadInput
from n2vlib.generator.dissect import Dissection
from n2vlib.generator.edits import Edit, editing
from n2vlib.generator.sources import Generator, Segmenter

PENALTY = 0.005  # on the sum of squares of the shares, as in the released program
_SHOWS = 0.5  # of a cell, to count as a place that shows the class
LEAST = 8  # pairs that are needed


@dataclass(frozen=True)
class Pairs:
    """A picture that shows a class at a cell, and one that does not show it there, each pair.

    shows, lacks               int64, (pair,): positions of the pictures
    at, into                   int64, (pair, 2): the cell of each, row and column on the layer's grid
    """

    shows: NDArray[np.int64]
    at: NDArray[np.int64]
    lacks: NDArray[np.int64]
    into: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.shows)

    def some(self, which: NDArray) -> "Pairs":
        """Some of the pairs."""
        return Pairs(self.shows[which], self.at[which], self.lacks[which], self.into[which])


def presence(where: NDArray[np.bool_], grid: Sequence[int]) -> NDArray[np.float32]:
    """How much of each cell of a grid shows it: (image, h, w) to (image, *grid), means over the cells."""
    maps = torch.from_numpy(where.astype(np.float32))[:, None]
    return F.adaptive_avg_pool2d(maps, (grid[0], grid[1]))[:, 0].numpy()


def mean_where_shown(found: Dissection, name: str) -> Tensor:
    """k: the mean of every unit over all cells, weighted by how much of a cell shows the class, (unit,)."""
    weight = torch.from_numpy(presence(found.pictures.where(name), found.maps.shape[-2:]))
    return torch.einsum("iuhw,ihw->u", found.maps, weight) / weight.sum().clamp(min=1e-9)


def pairs_of(found: Dissection, name: str, *, seed: int = 0) -> Pairs:
    """Of every picture that shows a class its best cell; beside it a picture and a cell that do not show it.

    The cell is drawn by how often the class sits there, among the cells where the other picture lacks it: cars are not
    asked of the sky. Raises BadInput where fewer than LEAST pictures show the class.
    """
    rng, there = np.random.default_rng(seed), presence(found.pictures.where(name), found.maps.shape[-2:])
    flat = there.reshape(len(there), -1)
    shows = np.flatnonzero(flat.max(1) >= _SHOWS)
    often = flat.mean(0)
    absent = (flat == 0) & (often > 0)
    free = np.flatnonzero(absent.any(1))
    if min(len(shows), len(free)) < LEAST:
        counted = f"{len(shows)} of {len(flat)} pictures show it, {len(free)} lack it somewhere"
        raise BadInput(f"{name}: {counted}; {LEAST} of each are needed: draw more PICTURES")
    shows = rng.permutation(shows)
    lacks = np.resize(rng.permutation(free), len(shows))
    odds = absent[lacks] * often
    into = np.array([rng.choice(len(each), p=each / each.sum()) for each in odds])
    cells = [np.stack(np.divmod(cell, there.shape[2]), axis=1) for cell in (flat[shows].argmax(1), into)]
    return Pairs(shows, cells[0], lacks, cells[1])


def at_one_cell(alpha: Tensor, value: Tensor, cells: NDArray[np.int64], grid: tuple[int, ...]) -> Edit:
    """Units set to a value by a share, each image at its own cell: alpha, value (unit,), cells (image, 2)."""
    where = torch.zeros(len(cells), 1, *grid)
    where[range(len(cells)), 0, cells[:, 0], cells[:, 1]] = 1
    return Edit(alpha[:, None, None] * where, value[:, None, None].expand(len(cells), -1, *grid))


@dataclass(frozen=True)
class _Reader:
    """Draws pictures with an edit at a cell each, and reads the probability of a class at a cell each."""

    generator: Generator
    segmenter: Segmenter
    found: Dissection
    number: int

    def shown(self, images: NDArray, edit: Edit, hard: bool = False) -> Tensor:
        """(image, *grid): mean probability of the class over the pixels of a cell; hard: their share that shows it."""
        with editing(self.generator.module, self.found.layer, edit):
            scores = self.segmenter.module(self.generator.module(self.found.codes[torch.from_numpy(images)]))
        there = (scores.argmax(1) == self.number).float() if hard else scores.softmax(1)[:, self.number]
        return F.adaptive_avg_pool2d(there[:, None], self.grid)[:, 0]

    @property
    def grid(self) -> tuple[int, int]:
        return self.found.maps.shape[2], self.found.maps.shape[3]

    def terms(self, pairs: Pairs, alpha: Tensor, value: Tensor, hard: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """What is left of the class where units are off, what appears where they are on, and what is seen of it in
        the same pictures at the cell of the other picture of the pair, as the released program reads it: (pair,) each.
        """
        off = at_one_cell(alpha, torch.zeros_like(value), pairs.at, self.grid)
        on = at_one_cell(alpha, value, pairs.into, self.grid)
        left, appears = self.shown(pairs.shows, off, hard), self.shown(pairs.lacks, on, hard)
        return at_cells(left, pairs.at), at_cells(appears, pairs.into), at_cells(appears, pairs.at)


def at_cells(maps: Tensor, cells: NDArray[np.int64]) -> Tensor:
    """The value of each map (image, h, w) at its own cell (image, 2)."""
    return maps[range(len(cells)), cells[:, 0], cells[:, 1]]


def learned(
    generator: Generator,
    segmenter: Segmenter,
    found: Dissection,
    name: str,
    pairs: Pairs,
    *,
    steps: int = 60,
    batch: int = 6,
    rate: float = 0.05,
    released: bool = False,
    seed: int = 0,
) -> NDArray[np.float64]:
    """The share of every unit in 0 .. 1 that maximises the effect on a class minus PENALTY, (unit,): a ranking.

    It starts from the units' IoU with the class, as a share of the largest. Adam; shares are clipped to 0 .. 1.
    released   read the inserted term at the cell of the other picture, as the released program does
    """
    reader = _Reader(generator, segmenter, found, segmenter.classes.index(name))
    iou = found.table.query("word == @name and kind == 'class'").sort_values("unit")["IoU"].to_numpy()
    alpha = torch.tensor(iou / max(iou.max(), 1e-9), dtype=torch.float32).requires_grad_()
    value, optimizer = mean_where_shown(found, name), torch.optim.Adam([alpha], rate)
    rng, frozen = np.random.default_rng(seed), [(p, p.requires_grad) for p in _weights(generator, segmenter)]
    for weight, _ in frozen:
        weight.requires_grad_(False)
    for _ in range(steps):
        left, appears, elsewhere = reader.terms(pairs.some(rng.integers(0, len(pairs), batch)), alpha, value)
        loss = (left - (elsewhere if released else appears)).mean() + PENALTY * (alpha**2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            alpha.clamp_(0, 1)
    for weight, before in frozen:
        weight.requires_grad_(before)
    return alpha.detach().double().numpy()


def _weights(generator: Generator, segmenter: Segmenter) -> list[torch.nn.Parameter]:
    return [*generator.module.parameters(), *segmenter.module.parameters()]


@torch.inference_mode()
def effect(
    generator: Generator,
    segmenter: Segmenter,
    found: Dissection,
    name: str,
    units: NDArray | list[int],
    pairs: Pairs,
) -> pd.DataFrame:
    """Removal and insertion of a class by units that are set fully, in hard pixels of the cells: one row a pair.

    Returns  before (share of the cell that shows the class), left (after the units are cut), appears (where they are
             forced on and it was absent), released (the same pictures, read as the released program does), removal
             (before - left), effect (appears - left, the paper's)
    """
    there = torch.from_numpy(presence(found.pictures.where(name), found.maps.shape[-2:]))
    before, absent = there[torch.from_numpy(pairs.shows)], there[torch.from_numpy(pairs.lacks)]
    read = at_cells(before, pairs.at), at_cells(absent, pairs.into), at_cells(absent, pairs.at)
    if len(units):
        alpha = torch.zeros(found.maps.shape[1])
        alpha[torch.as_tensor(np.asarray(units, np.int64))] = 1
        reader = _Reader(generator, segmenter, found, segmenter.classes.index(name))
        read = reader.terms(pairs, alpha, mean_where_shown(found, name), hard=True)
    columns = [at_cells(before, pairs.at), *read]
    names = ["before", "left", "appears", "released"]
    table = pd.DataFrame({n: each.double().numpy() for n, each in zip(names, columns, strict=True)})
    return table.assign(removal=table["before"] - table["left"], effect=table["appears"] - table["left"])
