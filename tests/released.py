"""What the released Net2Vec program, and NetDissect-Lite, compute, as slow loops over images, filters and concepts.

The independent reference of tests/test_released.py: it imports nothing of n2vlib, reads a Broden folder by itself, and
keeps every rule of the released program, also those that the library changes on purpose. It is written from a
description of what that program does, not from its text. Section numbers are the paper's (Fong and Vedaldi 2018).

The program ran in float32, and on a torch in which "bilinear" aligned the corners; `dtype` and `align_corners` ask for
something else. Random draws (it set no seed) come in as arguments: first weights, and the images of every epoch.
"""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.special import betainc

EPSILON = 1e-20

# --- the probe set


@dataclass
class Broden:
    """A Broden folder, whole in memory.

    split        (image,) of 'train' and 'val'
    size         (sh, sw) of every label map
    categories   label number -> its categories, as label.csv lists them
    layers       image -> category -> label numbers, int (layer, sh, sw); a label of the whole image fills a layer
    """

    images: list[str]
    split: NDArray[np.str_]
    size: tuple[int, int]
    categories: dict[int, list[str]]
    layers: list[dict[str, NDArray[np.int64]]]

    def images_with(self, c: int, split: str = "") -> NDArray[np.int64]:
        """Images that show concept c in any category, in the order of the index."""
        holds = [any((layers == c).any() for layers in image.values()) for image in self.layers]
        return np.flatnonzero(np.array(holds) & ((self.split == split) | (split == "")))

    def annotated(self, c: int, image: int, order: Sequence[str] = ()) -> NDArray[np.int64]:
        """How many layers show concept c at each pixel, int (sh, sw).

        Looked up in one category only: the first of c's categories with *any* annotation in this image, whether or not
        c is in it. First in the order of a Python 2 dictionary, which is unknown: `order`, else as in label.csv.
        """
        candidates = order or self.categories[c]
        first = next((name for name in candidates if name in self.layers[image]), None)
        return np.zeros(self.size, np.int64) if first is None else (self.layers[image][first] == c).sum(0)

    def target(self, c: int, image: int, order: Sequence[str] = ()) -> NDArray[np.bool_]:
        """L_c of one image: the maximum over the layers of that category."""
        return self.annotated(c, image, order) > 0

    def targets(self, c: int, images: Iterable[int], order: Sequence[str] = ()) -> NDArray[np.bool_]:
        return np.array([self.target(c, i, order) for i in images])


def read(root: Path) -> Broden:
    """index.csv, label.csv and every label map; a pixel's label is R + 256 G."""
    with (root / "label.csv").open(newline="", encoding="utf-8") as file:
        names = {int(row["number"]): re.findall(r"([^;(]+)\(", row["category"]) for row in csv.DictReader(file)}
    with (root / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    size = int(rows[0]["sh"]), int(rows[0]["sw"])
    found = {category for listed in names.values() for category in listed}
    layers = [{name: _layers(root, row[name], size) for name in sorted(found) if row[name]} for row in rows]
    return Broden([row["image"] for row in rows], np.array([row["split"] for row in rows]), size, names, layers)


def _layers(root: Path, cell: str, size: tuple[int, int]) -> NDArray[np.int64]:
    layers = []
    for item in cell.split(";"):
        if item.isdecimal():
            layers.append(np.full(size, int(item)))
        else:
            with Image.open(root / "images" / item) as file:
                pixels = np.asarray(file).astype(np.int64)
            layers.append(pixels[..., 0] + 256 * pixels[..., 1])
    return np.array(layers)


# --- dissection by NetDissect-Lite


def dissect(root: Path, masks: NDArray[np.bool_], without: Sequence[str] = ("material",)) -> dict[str, NDArray]:
    """The tallies of NetDissect-Lite, unit by unit and image by image.

    masks     (image, unit, sh, sw), in the order of the index
    without   categories that are not read: neither their column of the index nor their table of labels
    A label's primary category is the one where it covers most, the last on a tie (so of label 0, and of a label of
    categories that are not read). Pixels are counted over all maps, so several times where maps repeat each other; a
    label of the whole image counts all pixels of it, label 0 among them. A unit's pixels count for a category if the
    mask covers a label of it.
    Returns   intersect, activation and iou (unit, label), truth (label,), primary (label,), categories
    """
    with (root / "category.csv").open(newline="", encoding="utf-8") as file:
        categories = [row["name"] for row in csv.DictReader(file) if row["name"] not in without]
    with (root / "label.csv").open(newline="", encoding="utf-8") as file:
        n_labels = 1 + max(int(row["number"]) for row in csv.DictReader(file))
    coverage = np.zeros((n_labels, len(categories)))
    for c, category in enumerate(categories):
        with (root / f"c_{category}.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                coverage[int(row["number"]), c] = float(row["coverage"])
    primary = np.array([max(range(len(categories)), key=lambda c: (row[c], c)) for row in coverage])
    both, truth = np.zeros((masks.shape[1], n_labels), np.int64), np.zeros(n_labels, np.int64)
    area = np.zeros((masks.shape[1], len(categories)), np.int64)
    with (root / "index.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row, mask in zip(rows, masks, strict=True):
        items = [item for category in categories for item in row[category].split(";") if item]
        scalars = [int(item) for item in items if item.isdecimal()]
        maps = [_layers(root, item, mask.shape[1:])[0] for item in items if not item.isdecimal()]
        for label in scalars:
            truth[label] += mask[0].size
        for pixels in maps:
            for label in pixels[pixels > 0]:
                truth[label] += 1
        for k in range(len(mask)):
            met = set()
            for label in scalars:
                both[k, label] += mask[k].sum()
                met.add(primary[label])
            for pixels in maps:
                for label in pixels[mask[k] & (pixels > 0)]:
                    both[k, label] += 1
                    met.add(primary[label])
            for c in met if mask[k].any() else ():
                area[k, c] += mask[k].sum()
    iou = both / (area[:, primary] + truth - both + 1e-10)
    tallies = {"intersect": both, "activation": area[:, primary], "iou": iou, "truth": truth}
    return {**tallies, "primary": primary, "categories": np.array(categories)}


# --- thresholds and masks (3.1.1)


def thresholds(activations: NDArray, tau: float = 0.005) -> NDArray[np.float64]:
    """T_k from a table of 1,000 quantiles of all values of filter k, of training and validation images alike.

    The table runs from the largest value to the smallest, in 999 equal steps, and interpolates linearly as
    numpy.percentile does; T_k is its column round(1000 tau). For 0.005 that is the level 1 - 5/999.
    The program filled the table from a random sketch, which holds every value only of a small set such as ours.
    """
    table = [np.quantile(activations[:, k].astype(float), np.linspace(1, 0, 1000)) for k in range(activations.shape[1])]
    return np.array(table)[:, round(1000 * tau)]


def fired(activations: NDArray, threshold: NDArray) -> NDArray[np.bool_]:
    """1[A_k > T_k], strictly, on the layer's own grid: (image, filter, h, w)."""
    return activations > threshold[:, None, None]


def upsample(
    maps: torch.Tensor, size: tuple[int, int], align_corners: bool = True, dtype: torch.dtype = torch.float32
) -> torch.Tensor:
    """(image, map, h, w) -> (image, map, *size)."""
    resize = torch.nn.functional.interpolate
    return resize(maps.to(dtype), size=size, mode="bilinear", align_corners=align_corners)


def filter_masks(
    fired: NDArray, size: tuple[int, int], align_corners: bool = True, dtype: torch.dtype = torch.float32
) -> NDArray[np.bool_]:
    """Threshold first, then enlarge, then threshold at one half: (image, filter, h, w) -> (image, filter, *size)."""
    return (upsample(torch.tensor(fired), size, align_corners, dtype) > 0.5).numpy()


# --- intersection over union (equations 1 and 3)


def overlaps(masks: NDArray[np.bool_], targets: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels of intersection and union, image by image: masks (image, filter, sh, sw) -> two of (image, filter)."""
    intersection, union = np.zeros((2, *masks.shape[:2]), np.int64)
    for i, k in np.ndindex(*masks.shape[:2]):
        intersection[i, k] = (masks[i, k] & targets[i]).sum()
        union[i, k] = (masks[i, k] | targets[i]).sum()
    return intersection, union


def set_iou(intersection: NDArray[np.int64], union: NDArray[np.int64]) -> NDArray[np.float64]:
    """Both summed over the images of a split that show the concept: (image, filter) -> (filter,)."""
    return intersection.sum(0) / (union.sum(0) + EPSILON)


def individual_iou(intersection: NDArray[np.int64], union: NDArray[np.int64]) -> NDArray[np.float64]:
    return intersection / (union + EPSILON)


# --- segmentation (3.1.2, equations 2 and 4)


def alpha(data: Broden, c: int, order: Sequence[str] = ()) -> float:
    """1 - mean over c's training images of its share of the pixels; a pixel shown by two layers counts twice."""
    shares = [data.annotated(c, i, order).sum() / np.prod(data.size) for i in data.images_with(c, "train")]
    return 1 - float(np.mean(shares))


def learn_to_segment(
    fired: NDArray[np.bool_],
    targets: NDArray[np.bool_],
    first: NDArray,
    *,
    alpha: float,
    kept: NDArray | None = None,
    epochs: int = 30,
    batch: int = 16,
    rate: float = 1e-4,
    momentum: float = 0.9,
    align_corners: bool = True,
    dtype: torch.dtype = torch.float32,
) -> NDArray:
    """The weights after the last epoch, (filter,), on training images in the order of the index.

    first   (filter,), drawn from U(-1/sqrt(K), 1/sqrt(K)), K all filters of the layer also where only some are kept
    kept    0/1, (filter,), for a subset (3.2.2)
    The reward of a pixel is linear in M: alpha M where the concept is, (1 - alpha)(1 - M) elsewhere; it is summed over
    pixels and divided by the images of the batch. alpha = 0 (labels of whole images only) means weights 1 and 1.
    """
    inside, outside = (1.0, 1.0) if alpha == 0 else (alpha, 1 - alpha)
    x, truth = torch.tensor(fired).to(dtype), torch.tensor(targets).to(dtype)
    mask = torch.ones(len(first), dtype=dtype) if kept is None else torch.tensor(kept).to(dtype)
    w, velocity = torch.tensor(first).to(dtype), torch.zeros(len(first), dtype=dtype)
    for _ in range(epochs):
        for begin in range(0, len(x), batch):
            images, wanted = x[begin : begin + batch], truth[begin : begin + batch]
            w.requires_grad_(True)
            combined = (images * (mask * w)[:, None, None]).sum(1, keepdim=True)
            m = torch.sigmoid(upsample(combined, targets.shape[1:], align_corners, dtype)[:, 0])
            loss = -(inside * m * wanted + outside * (1 - m) * (1 - wanted)).sum() / len(images)
            (slope,) = torch.autograd.grad(loss, w)
            velocity = momentum * velocity + slope
            w = w.detach() - rate * velocity
    return (mask * w).numpy()


def combination_masks(
    fired: NDArray[np.bool_],
    weights: NDArray,
    size: tuple[int, int],
    align_corners: bool = True,
    dtype: torch.dtype = torch.float32,
) -> NDArray[np.bool_]:
    """M > 1/2: (image, 1, *size), as of a single filter."""
    combined = (torch.tensor(fired).to(dtype) * torch.tensor(weights).to(dtype)[:, None, None]).sum(1, keepdim=True)
    return (torch.sigmoid(upsample(combined, size, align_corners, dtype)) > 0.5).numpy()


def strongest(weights: NDArray, n: int) -> NDArray[np.float64]:
    """0/1, (filter,): the n filters of largest |w| (3.2.2)."""
    kept = np.zeros(len(weights))
    kept[sorted(range(len(weights)), key=lambda k: -abs(float(weights[k])))[:n]] = 1
    return kept


# --- classification (3.2.1, equation 5)


def learn_to_recognise(
    activations: NDArray,
    contains: NDArray[np.bool_],
    first: NDArray,
    bias: float,
    epochs: Sequence[Sequence[int]],
    *,
    kept: NDArray | None = None,
    batch: int = 64,
    rate: float = 0.1,
    momentum: float = 0.9,
    step: int = 15,
    dtype: torch.dtype = torch.float32,
) -> tuple[NDArray, float]:
    """Weights (filter,) and bias after the last epoch: mean cross entropy of f = b + sum_k mean_ij(w_k A_ijk).

    activations   float, (image, filter, h, w), as they are: no threshold, no scaling
    first, bias   drawn from U(-1/sqrt(K), 1/sqrt(K)) and from U(0, 1)
    epochs        the images of every epoch, in the order visited: all of the smaller class, as many of the larger
    The rate falls to a tenth after every 15 epochs.
    """
    x, y = torch.tensor(activations).to(dtype), torch.tensor(contains).to(dtype)
    mask = torch.ones(len(first), dtype=dtype) if kept is None else torch.tensor(kept).to(dtype)
    parameters = [torch.tensor(first).to(dtype), torch.tensor(float(bias), dtype=dtype)]
    velocities = [torch.zeros_like(each) for each in parameters]
    for epoch, visited in enumerate(epochs):
        for begin in range(0, len(visited), batch):
            chosen = torch.as_tensor(np.asarray(visited[begin : begin + batch]))
            w, b = (each.requires_grad_(True) for each in parameters)
            f = b + (x[chosen] * (mask * w)[:, None, None]).mean((2, 3)).sum(1)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(f, y[chosen])
            slopes = torch.autograd.grad(loss, parameters)
            velocities = [momentum * v + slope for v, slope in zip(velocities, slopes, strict=True)]
            now = rate * 0.1 ** (epoch // step)
            parameters = [p.detach() - now * v for p, v in zip(parameters, velocities, strict=True)]
    w, b = parameters
    return (mask * w).numpy(), float(b)


def outputs(activations: NDArray, weights: NDArray, bias: float) -> NDArray[np.float64]:
    """sigma(f) of every image, in float64."""
    f = bias + (activations.astype(float) * weights.astype(float)[:, None, None]).mean((2, 3)).sum(1)
    return 1 / (1 + np.exp(-f))


def accuracy_by_batches(answers: NDArray, contains: NDArray[np.bool_], batch: int = 64) -> float:
    """Share of |target - answer| < 1/2 in every batch, then the plain mean over the batches, the short last one alike.

    answers, contains   of a balanced set, images with the concept first, then as many without; nothing is shuffled
    An empty set has no accuracy: nan.
    """
    right = np.abs(contains - answers) < 0.5
    shares = [right[begin : begin + batch].mean() for begin in range(0, len(right), batch)]
    return float(np.mean(shares)) if shares else float("nan")


# --- what the figures are made of


def standard_error(values: NDArray, over: int | None = None) -> float:
    """Deviation over sqrt(n). `over`: the number under the root, where it was not that of the values (1,198 labels)."""
    return float(np.std(values)) / sqrt(over or len(values))


def correlation(weights: NDArray, iou: NDArray) -> tuple[float, float]:
    """Pearson's r of max(w_k, 0) with the filters' set IoU, and its two-sided p (5.2)."""
    x, y = np.maximum(np.asarray(weights, float), 0), np.asarray(iou, float)
    x, y = x - x.mean(), y - y.mean()
    r = float((x * y).sum() / sqrt((x * x).sum() * (y * y).sum()))
    # t = r sqrt(n - 2) / sqrt(1 - r^2) has n - 2 degrees of freedom; P(|T| > t) is the incomplete beta function.
    return r, float(betainc((len(x) - 2) / 2, 0.5, 1 - r * r))


# --- embeddings (5.3)


def unit(weights: NDArray) -> NDArray[np.float64]:
    """Each row of (concept, filter) at length one."""
    return np.array([row / sqrt(float((row.astype(float) ** 2).sum())) for row in weights])


def distance(one: NDArray, other: NDArray) -> tuple[float, NDArray[np.float64]]:
    """D = ||d(W) - d(W')||^2 with d(W) = W W^T of unit rows; and its share for every concept, the row's square.

    one, other   (concept, filter) of the same concepts; the numbers of filters need not be equal
    """
    between = [unit(each) @ unit(each).T for each in (one, other)]
    rows = np.array([((a - b) ** 2).sum() for a, b in zip(*between, strict=True)])
    return float(rows.sum()), rows


def nearest(weights: NDArray, plus: Sequence[int], minus: Sequence[int] = (), n: int = 5) -> list[tuple[int, float]]:
    """The n concepts of largest dot product with the mean of the signed unit vectors; the terms themselves left out.

    The mean is divided by the number of terms and not scaled to length one, so that scores fall with every term added.
    plus, minus   rows of weights, (concept, filter). One term makes Table 2, several make Table 3.
    """
    rows = unit(weights)
    query = (sum(rows[c] for c in plus) - sum((rows[c] for c in minus), np.zeros(rows.shape[1]))) / len([*plus, *minus])
    scored = [(c, float(row @ query)) for c, row in enumerate(rows) if c not in (*plus, *minus)]
    return sorted(scored, key=lambda each: -each[1])[:n]
