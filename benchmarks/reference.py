"""What the papers' released programs do, ported plainly for the benchmark: same loops, same data read as often.

Written from the papers and from facts about the programs; none of their code is here. Where two of them disagree the
port takes the rule our library has, so that results can be compared: it says so in place. The ports read the probe
set from its files by themselves, they use nothing of n2vlib.

    bare_forward       nothing but decode and forward pass
    lite_probe         NetDissect-Lite: whole forward pass, every activation to a float64 file
    QuantileSketch     NetDissect, Net2Vec: thresholds from a sketch of sorted samples
    lite_tally         NetDissect-Lite: one resize and one count for every filter and image
    label_probe        Net2Vec 3.1.1: one concept at a time, label maps decoded for each
    linear_probe       Net2Vec 3.1.2: autograd, one concept at a time, label maps decoded again in every epoch
    disc_probe         Net2Vec 3.2.1: autograd, one concept at a time, activations read again in every epoch
"""

import csv
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from torchvision.io import decode_image

Plan = Sequence[NDArray[np.int64]]  # for every epoch, the images to visit in order


class Broden:
    """The files of a probe set, read as the programs read them; label numbers are the columns of every result."""

    def __init__(self, root: Path):
        self.root = root
        self.rows = self._table("index.csv")
        self.categories = [row["name"] for row in self._table("category.csv")]
        self.category_of: dict[int, str] = {}
        for category in self.categories:  # every concept of the generated set has one category
            self.category_of |= {int(row["number"]): category for row in self._table(f"c_{category}.csv")}
        self.n_labels = max(self.category_of) + 1
        self.size = (int(self.rows[0]["sh"]), int(self.rows[0]["sw"]))

    def image(self, i: int) -> NDArray[np.uint8]:
        return np.asarray(Image.open(self.root / "images" / self.rows[i]["image"]))

    def maps(self, i: int, category: str) -> list[NDArray[np.int32]]:
        """Label maps of an image in one category, decoded: label = red + 256 green."""
        names = [item for item in self.rows[i][category].split(";") if item and not item.isdigit()]
        coded = (np.asarray(Image.open(self.root / "images" / name)).astype(np.int32) for name in names)
        return [rgb[..., 0] + 256 * rgb[..., 1] for rgb in coded]

    def whole(self, i: int, category: str) -> list[int]:
        """Labels of the whole image in one category."""
        return [int(item) for item in self.rows[i][category].split(";") if item.isdigit() and int(item)]

    def mask(self, i: int, concept: int) -> NDArray[np.bool_]:
        """Annotated mask of a concept, the union of its category's maps (or everywhere)."""
        category = self.category_of[concept]
        if concept in self.whole(i, category):
            return np.ones(self.size, dtype=bool)
        return np.any([labels == concept for labels in self.maps(i, category)], axis=0)

    @cached_property
    def contains(self) -> NDArray[np.bool_]:
        """Which image contains which label, (image, label)."""
        found = np.zeros((len(self.rows), self.n_labels), dtype=bool)
        for i in range(len(self.rows)):
            for category in self.categories:
                found[i, self.whole(i, category)] = True
                for labels in self.maps(i, category):
                    found[i, np.unique(labels)] = True
        found[:, 0] = False
        return found

    def images_of(self, concept: int, split: str) -> list[int]:
        return [i for i, row in enumerate(self.rows) if row["split"] == split and self.contains[i, concept]]

    def _table(self, name: str) -> list[dict[str, str]]:
        with (self.root / name).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))


# --- probe


def network_input(broden: Broden, images: Sequence[int], mean: Sequence[float], std: Sequence[float]) -> torch.Tensor:
    """Decoded and normalised images, float32 (image, 3, height, width)."""
    pixels = torch.from_numpy(np.stack([broden.image(i) for i in images])).permute(0, 3, 1, 2) * (1 / 255)
    return (pixels - torch.tensor(mean)[:, None, None]) / torch.tensor(std)[:, None, None]


def bare_forward(
    broden: Broden, layers: nn.Module, batch: int, mean: Sequence[float], std: Sequence[float]
) -> NDArray[np.float32]:
    """Decode and forward pass up to the layer, nothing else: float32 (image, filter, h, w).

    channels_last, small batches and torchvision's decoder: the fastest plain way found on a CPU.
    """
    middle, spread = (torch.tensor(numbers)[:, None, None] for numbers in (mean, std))
    parts = []
    with torch.inference_mode():
        for start in range(0, len(broden.rows), batch):
            files = [str(broden.root / "images" / row["image"]) for row in broden.rows[start : start + batch]]
            images = (torch.stack([decode_image(file) for file in files]) * (1 / 255) - middle) / spread
            parts.append(layers(images.contiguous(memory_format=torch.channels_last)).contiguous().numpy())
    return np.concatenate(parts)


def lite_probe(
    broden: Broden,
    network: nn.Module,
    layer: nn.Module,
    file: Path,
    images: range,
    mean: Sequence[float],
    std: Sequence[float],
) -> NDArray[np.float64]:
    """Forward pass of the whole network in batches of 128, the layer's output written to a float64 file."""
    seen: list[torch.Tensor] = []
    hook = layer.register_forward_hook(lambda *call: seen.append(call[-1]))
    out = None
    with torch.no_grad():
        for start in range(0, len(images), 128):
            seen.clear()
            network(network_input(broden, images[start : start + 128], mean, std))
            batch = seen[0].numpy()
            if out is None:
                out = np.memmap(file, dtype=np.float64, mode="w+", shape=(len(images), *batch.shape[1:]))
            out[start : start + len(batch)] = batch
    hook.remove()
    assert out is not None
    out.flush()
    return out


class QuantileSketch:
    """Quantiles of a stream in little memory: full buffers are sorted and every second value moves up a level.

    A value on level l stands for 2 ** l values. Capacities fall by 0.67 from the topmost level down.
    """

    def __init__(self, n_filters: int, resolution: int = 24 * 1024, seed: int = 1):
        self.resolution, self.rng = resolution, np.random.default_rng(seed)
        self.levels: list[NDArray[np.float32]] = [np.empty((0, n_filters), np.float32)]

    def add(self, rows: NDArray[np.float32]) -> None:
        """rows   float, (value, filter)"""
        self.levels[0] = np.concatenate([self.levels[0], rows])
        for level in range(64):
            if level == len(self.levels):
                return
            if len(self.levels[level]) <= self.resolution * 0.67 ** (len(self.levels) - 1 - level):
                continue
            ordered = np.sort(self.levels[level], axis=0)
            even = ordered[: len(ordered) // 2 * 2]
            if level + 1 == len(self.levels):
                self.levels.append(even[:0])
            self.levels[level + 1] = np.concatenate([self.levels[level + 1], even[self.rng.integers(2) :: 2]])
            self.levels[level] = ordered[len(even) :]

    def quantile(self, fraction: float) -> NDArray[np.float32]:
        values = np.concatenate(self.levels)
        weight = np.repeat(2.0 ** np.arange(len(self.levels)), [len(level) for level in self.levels])
        order = np.argsort(values, axis=0)
        reached = np.cumsum(weight[order], axis=0) / weight.sum()
        return np.take_along_axis(values, order, 0)[(reached < fraction).sum(0), np.arange(values.shape[1])]


# --- dissection IoU


def cached_labels(broden: Broden) -> tuple[list[NDArray[np.int32]], list[list[int]]]:
    """Every image's label maps, int32 (map, pixel), and its whole-image labels, decoded once.

    A label that two maps have at the same pixel is kept in the first only: our rule, where the program counts twice.
    """
    maps, whole = [], []
    for i in range(len(broden.rows)):
        layers = np.stack([m.ravel() for category in broden.categories for m in broden.maps(i, category)])
        for d in range(1, len(layers)):
            layers[d, (layers[:d] == layers[d]).any(0)] = 0
        maps.append(layers)
        whole.append([concept for category in broden.categories for concept in broden.whole(i, category)])
    return maps, whole


def lite_tally(
    broden: Broden,
    activations: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    maps: list[NDArray[np.int32]],
    whole: list[list[int]],
) -> NDArray[np.float64]:
    """Dissection IoU (filter, label): for every image and filter, resize the map, cut it, count labels under it.

    A filter's area counts for a category on images that have any label of it, as in the first program; the port's
    model looks for such a label under the mask only.
    """
    n_filters, (height, width) = activations.shape[1], broden.size
    number = {category: j for j, category in enumerate(broden.categories)}
    category = np.array([number.get(broden.category_of.get(c, ""), 0) for c in range(broden.n_labels)])
    both = np.zeros((n_filters, broden.n_labels), np.int64)
    area = np.zeros((n_filters, len(number)), np.int64)
    labelled = np.zeros(broden.n_labels, np.int64)
    for maps_i, whole_i, activations_i in zip(maps, whole, activations, strict=True):
        here = np.bincount(maps_i.ravel(), minlength=broden.n_labels)
        here[whole_i] = maps_i.shape[1]
        here[0] = 0
        labelled += here
        present = np.unique(category[here > 0])
        for k in range(n_filters):
            if not activations_i[k].max() > thresholds[k]:
                continue
            resized = np.asarray(Image.fromarray(activations_i[k]).resize((width, height), Image.Resampling.BILINEAR))
            mask = (resized > thresholds[k]).ravel()
            pixels = int(mask.sum())
            both[k] += np.bincount(maps_i[:, mask].ravel(), minlength=broden.n_labels)
            both[k, whole_i] += pixels
            area[k, present] += pixels
    return both / (area[:, category] + labelled - both + 1e-10)


# --- one concept at a time


def label_probe(
    broden: Broden, activations: NDArray[np.float32], thresholds: NDArray[np.float32], concept: int
) -> dict[str, NDArray[np.float64]]:
    """Set IoU of every filter for a concept: {split: (filter,)}. Batches of 16, every filter upsampled for each."""
    cut, found = torch.from_numpy(thresholds)[:, None, None], {}
    for split in ("train", "val"):
        images = broden.images_of(concept, split)
        both, union = (torch.zeros(len(thresholds), dtype=torch.float64) for _ in range(2))
        for start in range(0, len(images), 16):
            chosen = images[start : start + 16]
            annotated = torch.from_numpy(np.stack([broden.mask(i, concept) for i in chosen]))[:, None]
            fired = (torch.from_numpy(activations[chosen]) > cut).float()
            masks = nn.functional.interpolate(fired, broden.size, mode="bilinear", align_corners=True) > 0.5
            both += (masks & annotated).sum((2, 3)).sum(0)
            union += (masks | annotated).sum((2, 3)).sum(0)
        found[split] = (both / (union + 1e-20)).numpy()
    return found


def linear_probe(
    broden: Broden,
    activations: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    concept: int,
    weights: NDArray[np.float32],
    *,
    epochs: int,
    batch: int,
    rate: float,
    order: Plan | None = None,
) -> tuple[NDArray[np.float32], float]:
    """Segmentation embedding of a concept, weights (filter,), and its set IoU on validation images.

    Training and validation images are visited in every epoch and their label maps decoded each time.
    order   for every epoch the training images in order; index order where None
    """
    train, val = broden.images_of(concept, "train"), broden.images_of(concept, "val")
    alpha = 1 - float(np.mean([broden.mask(i, concept).mean() for i in train]))
    w = torch.tensor(weights, requires_grad=True)
    optimiser, cut = torch.optim.SGD([w], lr=rate, momentum=0.9), torch.from_numpy(thresholds)[:, None, None]

    def visit(images: Sequence[int] | NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        fired = (torch.from_numpy(activations[images]) > cut).float()
        combined = (fired * w[:, None, None]).sum(1, keepdim=True)
        up = nn.functional.interpolate(combined, broden.size, mode="bilinear", align_corners=True)[:, 0]
        mask, truth = (
            torch.sigmoid(up),
            torch.from_numpy(np.stack([broden.mask(int(i), concept) for i in images])).float(),
        )
        reward = alpha * mask * truth + (1 - alpha) * (1 - mask) * (1 - truth)
        return -reward.sum() / len(images), mask > 0.5, truth > 0.5

    both = union = 0
    for epoch in range(epochs):
        visited = train if order is None else order[epoch]
        for start in range(0, len(visited), batch):
            optimiser.zero_grad()
            visit(visited[start : start + batch])[0].backward()
            optimiser.step()
        both = union = 0
        with torch.no_grad():
            for start in range(0, len(val), batch):
                _, mask, truth = visit(val[start : start + batch])
                both, union = both + int((mask & truth).sum()), union + int((mask | truth).sum())
    return w.detach().numpy(), both / (union + 1e-20)


def disc_probe(
    activations: NDArray[np.float32],
    contains: NDArray[np.bool_],
    train: Plan,
    val: NDArray[np.int64],
    weights: NDArray[np.float32],
    bias: float,
    *,
    kept: NDArray[np.float32] | None = None,
    batch: int = 64,
    rate: float = 0.1,
    decay_every: int = 15,
) -> tuple[NDArray[np.float32], float, float]:
    """Classification embedding of a concept, weights (filter,) and bias, and its accuracy on the images `val`.

    contains   which image contains the concept, bool (image,)        kept   0/1 mask of filters
    """
    w, b = torch.tensor(weights, requires_grad=True), torch.tensor(float(bias), requires_grad=True)
    mask = torch.ones(len(weights)) if kept is None else torch.from_numpy(kept)
    optimiser = torch.optim.SGD([w, b], lr=rate, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimiser, decay_every, 0.1)

    def logits(images: NDArray[np.int64]) -> torch.Tensor:
        return (torch.from_numpy(activations[images]) * (w * mask)[:, None, None]).mean((2, 3)).sum(1) + b

    right = 0
    for order in train:
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            optimiser.zero_grad()
            nn.BCEWithLogitsLoss()(logits(chosen), torch.from_numpy(contains[chosen]).float()).backward()
            optimiser.step()
        schedule.step()
        right = 0
        with torch.no_grad():
            for start in range(0, len(val), batch):
                chosen = val[start : start + batch]
                wrong = (torch.from_numpy(contains[chosen]).float() - torch.sigmoid(logits(chosen))).abs()
                right += int((wrong < 0.5).sum())
    return (w * mask).detach().numpy(), float(b.detach()), right / len(val)
