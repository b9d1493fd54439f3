"""Upsampling and IoU: the only definitions in the project. The kernels compute the same counts, faster.

Two ways from a filter's activations to a mask of the labels' size:

    set IoU (Net2Vec)        threshold, then upsample: S(1[A_k > T_k]) > 1/2
    dissection IoU           upsample, then threshold: S(A_k) > T_k

S is bilinear. Where the cells lie on the mask is a convention: corners aligned or half-pixel centres (`taps`), on the
centres of their receptive fields (`anchored`), or on these with zeros outside the grid (`zero_padded`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from n2vlib.networks.receptive_field import Window


@dataclass(frozen=True)
class Taps:
    """Bilinear upsampling along one axis, in integers: output y reads (w0 a[i0] + w1 a[i1]) / den, where
    w0 + w1 = den, except for pixels outside the grid in a convention with zeros there.

    i0, i1, w0, w1   int64, (output,)       den   int, the common denominator
    first            int64, (input + 1,)    outputs with i0 == c are first[c] .. first[c + 1]
    """

    i0: NDArray[np.int64]
    i1: NDArray[np.int64]
    w0: NDArray[np.int64]
    w1: NDArray[np.int64]
    den: int
    first: NDArray[np.int64]

    def matrix(self) -> NDArray[np.float64]:
        """The taps as a matrix U, (output, input): upsampled = U_h a U_w^T."""
        rows, matrix = np.arange(len(self.i0)), np.zeros((len(self.i0), len(self.first) - 1))
        np.add.at(matrix, (rows, self.i0), self.w0 / self.den)
        np.add.at(matrix, (rows, self.i1), self.w1 / self.den)
        return matrix

    def exact(self, kind: type = np.int64) -> tuple:
        """As the kernels that count take them: i0, i1, w0, w1 as `kind`, den, first."""
        return self.i0, self.i1, self.w0.astype(kind), self.w1.astype(kind), self.den, self.first

    def shares(self) -> tuple:
        """As the kernels that train take them: i0, i1, and the weights divided by den, float32."""
        return self.i0, self.i1, np.float32(self.w0 / self.den), np.float32(self.w1 / self.den)


def taps_of(grid: tuple[int, int], size: tuple[int, int], align_corners: bool) -> tuple[Taps, Taps]:
    """`taps` along both axes, from a layer's grid to label maps."""
    down, across = (taps(n, m, align_corners) for n, m in zip(grid, size, strict=True))
    return down, across


def taps(n_in: int, n_out: int, align_corners: bool) -> Taps:
    """Integer taps from n_in cells to n_out pixels, as torch's bilinear interpolation places them.

    align_corners   True: the first and last pixel lie on the first and last cell (torch before 0.4, so the released
                    Net2Vec). False: half-pixel centres, clamped at the border (PIL, NetDissect-Lite).
    """
    x = np.arange(n_out, dtype=np.int64)
    if align_corners:
        return _at(x * (n_in - 1), max(n_out - 1, 1), n_in)
    return _at((2 * x + 1) * n_in - n_out, 2 * n_out, n_in)


def anchored(n_in: int, n_out: int, n_input: int, window: "Window") -> Taps:
    """Taps with each cell on the centre of its receptive field, constant beyond the outermost (Network Dissection 2.2).

    n_out, n_input   pixels of the label map and of the network's input     window   of the layer's cells on the input
    If the input's size is a multiple of the label map's, to within one label pixel, centres are rounded down to whole
    label pixels as in the released code; otherwise they are not rounded.
    """
    x, ratio = np.arange(n_out, dtype=np.int64), max(round(n_input / n_out), 1)
    centre, step = int(window.size) // 2 + int(window.offset), int(window.step)
    if abs(n_input - ratio * n_out) < ratio:
        return _at((x - centre // ratio) * ratio, step, n_in)
    return _at(x * n_input - centre * n_out, step * n_out, n_in)


def zero_padded(n_in: int, n_out: int, n_input: int, window: "Window | None") -> Taps:
    """Taps with cells on the centres of receptive fields, offset + (size - 1) / 2 on the input, and zeros around them.

    The first and last pixel of the label map lie on those of the input (the `dissect` release). Without a window the
    cells are spaced evenly.
    """
    x = np.arange(n_out, dtype=np.int64)
    if window is None:
        return _at((2 * x + 1) * n_in - n_out, 2 * n_out, n_in, zeros=True)
    twice, step = int(2 * window.offset + window.size - 1), int(window.step)
    scale = max(n_out - 1, 1)
    return _at(2 * x * (n_input - 1) - twice * scale, 2 * step * scale, n_in, zeros=True)


def _at(position: NDArray[np.int64], den: int, n_in: int, zeros: bool = False) -> Taps:
    """Taps of outputs at `position` / den, in cells; outside the grid they read the outermost cell, or zeros."""
    inside = np.clip(position, 0, (n_in - 1) * den)
    i0 = inside // den
    w1 = inside - i0 * den
    w0 = den - w1
    if zeros:
        w0 = np.maximum(w0 - np.abs(position - inside), 0)
    first = np.searchsorted(i0, np.arange(n_in + 1)).astype(np.int64)
    return Taps(i0, np.minimum(i0 + 1, n_in - 1), w0, w1, den, first)


def upsample(maps: NDArray, size: tuple[int, int], align_corners: bool) -> NDArray:
    """Bilinear upsampling of the last two axes to `size` (height, width)."""
    down, across = (taps(n, m, align_corners).matrix() for n, m in zip(maps.shape[-2:], size, strict=True))
    return down @ maps @ across.T


def single_filter_mask(fired: NDArray[np.bool_], size: tuple[int, int], align_corners: bool) -> NDArray[np.bool_]:
    """S(1[A_k > T_k]) > 1/2 (Net2Vec 3.1.1), decided in integers.

    fired   bool, (..., h, w)     Returns bool, (..., *size)
    With align_corners there are exact ties at 1/2; in integers the outcome does not depend on rounding.
    """
    down, across = (taps(n, m, align_corners) for n, m in zip(fired.shape[-2:], size, strict=True))
    cells = fired.astype(np.int64)
    rows = cells[..., down.i0, :] * down.w0[:, None] + cells[..., down.i1, :] * down.w1[:, None]
    total = rows[..., across.i0] * across.w0 + rows[..., across.i1] * across.w1
    return 2 * total > down.den * across.den


def predicted_mask(
    fired: NDArray[np.bool_], weights: NDArray, size: tuple[int, int], align_corners: bool, bias: float = 0.0
) -> NDArray[np.bool_]:
    """Where sigma(S(sum_k w_k 1[A_k > T_k]) + b) > 1/2 (Net2Vec equation 2).

    fired bool, (filter, h, w); weights float, (filter,)      Returns bool, size
    Upsampling is linear, so one combined map is upsampled instead of one for each filter.
    """
    combined = np.tensordot(weights, fired.astype(np.float32), axes=1)
    return upsample(combined, size, align_corners) + bias > 0


def set_iou(predicted: NDArray[np.bool_], annotated: NDArray[np.bool_]) -> float:
    """IoU of one concept pooled over the images of one split that contain it (Net2Vec equation 1).

    predicted, annotated   bool, (image, height, width)     Returns a fraction in [0, 1], 0 where both are empty
    """
    return float(_ratio((predicted & annotated).sum(), (predicted | annotated).sum()))


def individual_iou(predicted: NDArray[np.bool_], annotated: NDArray[np.bool_]) -> NDArray[np.float64]:
    """One IoU for each image: bool, (image, height, width) twice, to float, (image,)."""
    return _ratio((predicted & annotated).sum((1, 2)), (predicted | annotated).sum((1, 2)))


def iou_of_counts(intersection: NDArray, predicted: NDArray, annotated: NDArray) -> NDArray[np.float64]:
    """IoU from pixel counts of any broadcastable shapes; 0 where both masks are empty."""
    return _ratio(intersection, predicted + annotated - intersection)


def _ratio(intersection: NDArray, union: NDArray) -> NDArray[np.float64]:
    union = np.asarray(union, dtype=np.float64)
    return np.divide(intersection, union, out=np.zeros(np.broadcast(intersection, union).shape), where=union > 0)
