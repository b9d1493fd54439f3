"""Slow reference functions: each one is its definition written as a loop, in float64 or exact fractions.

They are independent of the library: this file imports nothing of n2vlib. Section and equation numbers
are those of Net2Vec (Fong and Vedaldi 2018, "N2V") and Network Dissection (Bau et al. 2017, "ND").
Arrays are numpy; the two trainings take and return numpy and differentiate with torch.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import ceil, lcm

import numpy as np
import scipy.interpolate
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray

# --- thresholds and upsampling


def thresholds(activations: NDArray, tau: float) -> NDArray:
    """T_k, the j-th smallest of the M values of filter k, j = ceil((1 - tau) M)  (N2V 3.1.1, ND 2.2).

    activations   float, (image, filter, h, w)      Returns (filter,), values that occur in `activations`
    At most tau * M values lie strictly above T_k; exactly floor(tau * M) do when no two values are equal.
    """
    found = []
    for k in range(activations.shape[1]):
        ascending = np.sort(activations[:, k].ravel())
        # tau is read as the decimal that was typed: 1 - 0.005 in binary times 200 is not 199.
        j = ceil((1 - Fraction(str(tau))) * len(ascending))
        found.append(ascending[j - 1])
    return np.array(found)


def fired(activations: NDArray, threshold: ArrayLike) -> NDArray:
    """1[A_k > T_k], strictly: bool, (image, filter, h, w)."""
    return activations > np.asarray(threshold)[:, None, None]


def corners(
    place: tuple[int, int], grid: tuple[int, int], size: tuple[int, int], align_corners: bool
) -> list[tuple[int, int, Fraction]]:
    """The four grid places around output pixel `place`, as (row, column, exact bilinear weight).

    align_corners True    the outer pixel centres coincide (Net2Vec's upsampling as released)
    align_corners False   pixels are areas of equal size; places beyond the border repeat the edge (PIL's resize)
    """
    ends = []
    for i, n_in, n_out in zip(place, grid, size, strict=True):
        if align_corners:
            position = Fraction(i * (n_in - 1), n_out - 1) if n_out > 1 else Fraction(0)
        else:
            position = Fraction(2 * i + 1, 2 * n_out) * n_in - Fraction(1, 2)
        position = min(max(position, Fraction(0)), Fraction(n_in - 1))
        low = int(position)
        ends.append([(low, 1 - (position - low)), (min(low + 1, n_in - 1), position - low)])
    return [(row, column, a * b) for row, a in ends[0] for column, b in ends[1]]


def upsample(grid: NDArray, size: tuple[int, int], align_corners: bool) -> NDArray:
    """Bilinear upsampling in float64, one output pixel at a time: (..., h, w) -> (..., *size)."""
    out = np.zeros((*grid.shape[:-2], *size))
    for y, x in np.ndindex(*size):
        for row, column, weight in corners((y, x), grid.shape[-2:], size, align_corners):
            out[..., y, x] += float(weight) * grid[..., row, column].astype(np.float64)
    return out


def single_filter_mask(fired: NDArray, size: tuple[int, int], align_corners: bool) -> NDArray:
    """Where the upsampled 1[A_k > T_k] exceeds 1/2, strictly and in exact arithmetic  (N2V 3.1.1).

    fired   bool, (..., h, w)      Returns bool, (..., *size)
    """
    out = np.zeros((*fired.shape[:-2], *size), dtype=bool)
    for y, x in np.ndindex(*size):
        around = corners((y, x), fired.shape[-2:], size, align_corners)
        whole = lcm(*(weight.denominator for _, _, weight in around))
        total = sum(int(weight * whole) * fired[..., row, column].astype(np.int64) for row, column, weight in around)
        out[..., y, x] = 2 * total > whole
    return out


# --- intersection, union


def set_iou(predicted: NDArray, annotated: NDArray) -> float:
    """Intersections over unions, both summed over the images of a split that contain the concept  (N2V equation 1).

    predicted, annotated   bool, (image, height, width); images where nothing is annotated are skipped
    Returns nan if no image contains the concept.
    """
    intersection = union = 0
    for mask, truth in zip(predicted, annotated, strict=True):
        if truth.any():
            intersection += int((mask & truth).sum())
            union += int((mask | truth).sum())
    return intersection / union if union else float("nan")


def individual_iou(predicted: NDArray, annotated: NDArray) -> NDArray:
    """IoU of every image on its own, nan where neither mask has a pixel  (N2V 3.1.1): float, (image,)."""
    found = []
    for mask, truth in zip(predicted, annotated, strict=True):
        union = int((mask | truth).sum())
        found.append(int((mask & truth).sum()) / union if union else float("nan"))
    return np.array(found)


def single_filter_set_iou(
    activations: NDArray, threshold: ArrayLike, annotated: NDArray, align_corners: bool
) -> NDArray:
    """Set IoU of every filter for one concept: threshold, upsample, threshold at 1/2, pool over images  (N2V 3.1.1).

    activations   float, (image, filter, h, w);   annotated   bool, (image, height, width)      Returns (filter,)
    """
    masks = single_filter_mask(fired(activations, threshold), annotated.shape[-2:], align_corners)
    return np.array([set_iou(masks[:, k], annotated) for k in range(masks.shape[1])])


def dissection_iou(
    activations: NDArray, threshold: ArrayLike, annotated: NDArray, primary: Sequence[str]
) -> tuple[NDArray, NDArray, NDArray]:
    """IoU_k,c over the whole probe set: upsample (half-pixel), then A > T_k  (ND 2.3, 2.4).

    activations   float, (image, filter, h, w)
    annotated     bool, (image, concept, height, width), the union of all maps of a concept
    primary       the primary category of each concept: a filter's area counts only on images that contain a concept
                  of the same primary category
    Returns dissection IoU (filter, concept), intersections (filter, concept), areas that count (filter, concept)
    """
    # Subtracting T_k first is the same test, as weights sum to one, and four corners that equal T_k then give 0
    # exactly instead of T_k times a rounded sum of weights.
    above = activations.astype(np.float64) - np.asarray(threshold, dtype=np.float64)[:, None, None]
    predicted = upsample(above, annotated.shape[-2:], align_corners=False) > 0
    return dissection_counts(predicted, annotated, primary)


def dissection_counts(
    predicted: NDArray, annotated: NDArray, primary: Sequence[str], counted: str = "in the image"
) -> tuple[NDArray, NDArray, NDArray]:
    """Dissection IoU of masks  (ND 2.4, 2.6, 2.7): predicted, bool, (image, filter, height, width); others as above.

    counted   a filter's area counts for a category "in the image", "under the mask" or "everywhere"
    """
    shape = (predicted.shape[1], annotated.shape[1])
    intersection, area = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for masks, truths in zip(predicted, annotated, strict=True):
        for k, c in np.ndindex(*shape):
            seen = [truth & masks[k] if counted == "under the mask" else truth for truth in truths]
            present = {category for truth, category in zip(seen, primary, strict=True) if truth.any()}
            intersection[k, c] += int((masks[k] & truths[c]).sum())
            area[k, c] += int(masks[k].sum()) if counted == "everywhere" or primary[c] in present else 0
    union = area + annotated.sum(axis=(0, 2, 3)) - intersection
    return intersection / np.maximum(union, 1), intersection, area


def anchored_spline(maps: NDArray, size: tuple[int, int], windows: Sequence, n_input: Sequence[int]) -> NDArray:
    """Upsampling of the first release  (ND 2.3): a spline of degree one through the receptive fields' centres.

    windows   (offset, size, step) of the height and of the width
    """
    axes = []
    for n, pixels, whole, (offset, extent, step) in zip(maps.shape[-2:], size, n_input, windows, strict=True):
        ratio = round(whole / pixels)
        axes.append(((extent // 2 + offset) // ratio + step // ratio * np.arange(n), np.arange(pixels)))
    (rows, y), (columns, x) = axes
    flat = maps.reshape(-1, *maps.shape[-2:]).astype(np.float64)
    found = [scipy.interpolate.RectBivariateSpline(rows, columns, one, kx=1, ky=1, s=0)(y, x) for one in flat]
    return np.reshape(found, (*maps.shape[:-2], *size))


def zero_padded_grid(maps: NDArray, size: tuple[int, int], windows: Sequence, n_input: Sequence[int]) -> NDArray:
    """Upsampling of `dissect`  (ND 2.3): torch's grid_sample with zeros outside, centres scaled to the smaller map."""
    axes = []
    for n, pixels, whole, (offset, extent, step) in zip(maps.shape[-2:], size, n_input, windows, strict=True):
        smaller = (pixels - 1) / (whole - 1)
        cell = (torch.arange(pixels, dtype=torch.float64) - (offset + (extent - 1) / 2) * smaller) / (step * smaller)
        axes.append(2 * cell / (n - 1) - 1)
    y, x = torch.meshgrid(*axes, indexing="ij")
    grid = torch.stack([x, y], -1).expand(len(maps), -1, -1, -1)
    values = torch.as_tensor(maps, dtype=torch.float64)
    return F.grid_sample(values, grid, padding_mode="zeros", align_corners=True).numpy()


# --- filter combinations


def balance(annotated: NDArray) -> float:
    """alpha = 1 - mean over the training images of the annotated fraction  (N2V 3.1.2): annotated (image, h, w)."""
    return 1 - float(np.mean([truth.mean() for truth in annotated]))


def combination_mask(fired: NDArray, weights: NDArray, size: tuple[int, int], align_corners: bool) -> NDArray:
    """M > 1/2 for M = sigma(S(sum_k w_k 1[A_k > T_k])), that is S(...) > 0  (N2V equation 2): bool, (image, *size)."""
    combined = sum(weights[k].astype(np.float64) * fired[:, k] for k in range(len(weights)))
    return upsample(np.asarray(combined), size, align_corners) > 0


def train_segmentation(
    fired: NDArray,
    annotated: NDArray,
    weights: NDArray,
    batches: Iterable[Sequence[int]],
    *,
    alpha: float,
    loss: str = "equation 4",
    rate: float = 1e-4,
    momentum: float = 0.9,
    align_corners: bool = True,
    dtype: torch.dtype = torch.float64,
) -> NDArray:
    """Segmentation embedding of one concept by autograd and torch's SGD  (N2V 3.1.2).

    fired     bool, (image, filter, h, w);   annotated   bool, (image, height, width);   weights   initial, (filter,)
    batches   positions of the images of every step, all epochs in one sequence
    loss      "equation 4": -1/B sum over images and pixels of alpha M L + (1 - alpha)(1 - M)(1 - L);
              "log": the same with log M and log(1 - M), the weighted cross entropy of the paper's text
    Returns the weights after the last step, float64 (filter,)
    """
    size = annotated.shape[-2:]
    rows, columns = (_interpolation(n, m, align_corners, dtype) for n, m in zip(fired.shape[-2:], size, strict=True))
    learnt = torch.tensor(weights, dtype=dtype, requires_grad=True)
    optimiser = torch.optim.SGD([learnt], lr=rate, momentum=momentum)
    x, truth = torch.tensor(fired, dtype=dtype), torch.tensor(annotated, dtype=dtype)
    for batch in batches:
        chosen = torch.as_tensor(np.asarray(batch))
        z = rows @ torch.einsum("ikhw,k->ihw", x[chosen], learnt) @ columns.T
        yes, no = torch.sigmoid(z), torch.sigmoid(-z)  # 1 - sigmoid(z), without its cancellation
        if loss == "log":
            yes, no = torch.nn.functional.logsigmoid(z), torch.nn.functional.logsigmoid(-z)
        reward = alpha * yes * truth[chosen] + (1 - alpha) * no * (1 - truth[chosen])
        optimiser.zero_grad()
        (-reward.sum() / len(chosen)).backward()
        optimiser.step()
    return learnt.detach().double().numpy()


def _interpolation(n_in: int, n_out: int, align_corners: bool, dtype: torch.dtype) -> torch.Tensor:
    """(n_out, n_in) matrix of bilinear weights along one axis."""
    matrix = torch.zeros(n_out, n_in, dtype=dtype)
    for i in range(n_out):
        for row, _, weight in corners((i, 0), (n_in, 1), (n_out, 1), align_corners):
            matrix[i, row] += float(weight)
    return matrix


# --- classification


def train_classification(
    pooled: NDArray,
    contains: NDArray,
    weights: NDArray,
    bias: float,
    epochs: Iterable[Iterable[Sequence[int]]],
    *,
    rate: float = 0.1,
    momentum: float = 0.9,
    decay_every: int = 15,
    kept: NDArray | None = None,
    dtype: torch.dtype = torch.float64,
) -> tuple[NDArray, float]:
    """Classification embedding of one concept: logistic regression on mean activations by autograd  (N2V 3.2.1).

    pooled    float, (image, filter), spatial means;   contains   bool, (image,);   kept   0/1 mask of filters, or all
    epochs    for every epoch its batches, each the positions of its images (already balanced and shuffled)
    rate      of SGD, times 0.1 after every `decay_every` epochs; the loss is the mean cross entropy of a batch
    Returns weights float64 (filter,), 0 where not kept, and the bias
    """
    x, y = torch.tensor(pooled, dtype=dtype), torch.tensor(contains, dtype=dtype)
    mask = torch.ones(pooled.shape[1], dtype=dtype) if kept is None else torch.tensor(kept, dtype=dtype)
    w = torch.tensor(weights, dtype=dtype, requires_grad=True)
    b = torch.tensor(bias, dtype=dtype, requires_grad=True)
    optimiser = torch.optim.SGD([w, b], lr=rate, momentum=momentum)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, step_size=decay_every, gamma=0.1)
    for batches in epochs:
        for batch in batches:
            chosen = torch.as_tensor(np.asarray(batch))
            optimiser.zero_grad()
            torch.nn.BCEWithLogitsLoss()(x[chosen] @ (w * mask) + b, y[chosen]).backward()
            optimiser.step()
        schedule.step()
    return (w * mask).detach().double().numpy(), float(b.detach())


def balanced_accuracy(logits: NDArray, contains: NDArray) -> float:
    """Mean of the accuracies on images with and without the concept  (N2V 3.2.1, pooled over the whole set).

    An image is right if |target - sigmoid(logit)| < 1/2: a logit of exactly 0 is wrong either way.
    """
    right: dict[bool, list[bool]] = {True: [], False: []}
    for logit, target in zip(logits.tolist(), contains.tolist(), strict=True):
        right[bool(target)].append(logit > 0 if target else logit < 0)
    return (sum(right[True]) / len(right[True]) + sum(right[False]) / len(right[False])) / 2
