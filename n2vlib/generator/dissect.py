"""Which things a generator's units draw: their masks against what a segmenter sees in the pictures (Bau et al. 2019).

Every picture counts, also those without the thing. A unit's level is the 1 - tau quantile of its own maps, brought to
the grid of the segmenter's answers first, as in the program `dissect`.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from n2vlib.generator.edits import activations
from n2vlib.generator.shipping import as_images
from n2vlib.generator.sources import BATCH, Generator, Segmenter, answers
from n2vlib.world.palette import SHADES

TAU = 0.01
IOU = 0.04  # above it a unit is called a detector, as in Network Dissection
HALF = 0.5
COLORS = list(SHADES)
_PAINTS = np.array([shade for name in COLORS for shade in SHADES[name]], np.float32)
_OF_PAINT = np.array([number for number, name in enumerate(COLORS) for _ in SHADES[name]])


@dataclass(frozen=True)
class Pictures:
    """Pictures and what they show.

    pixels    -1 .. 1, (image, 3, height, width)
    things    int64, (image, h, w) on the grid of the segmenter's answers: positions in `classes`, 0 for none of them
    paints    int64, of the same shape: positions in COLORS, of the paint that is nearest to the mean of the pixels
    classes   the segmenter's
    """

    pixels: Tensor
    things: NDArray[np.int64]
    paints: NDArray[np.int64]
    classes: list[str]

    @cached_property
    def images(self) -> NDArray[np.uint8]:
        """The pixels as uint8, (image, height, width, 3)."""
        return as_images(self.pixels)

    @property
    def colors(self) -> list[str]:
        """The colors, but for those that are a class, too (an orange): such a word is the class."""
        classes = {name.lower() for name in self.classes[1:]}
        return [color for color in COLORS if color not in classes]

    @property
    def words(self) -> list[str]:
        """What can be measured in them: the classes and the colors."""
        return [*self.classes[1:], *self.colors]

    def where(self, word: str) -> NDArray[np.bool_]:
        """Where the pictures show a class or a color: bool, (image, h, w)."""
        if word in self.classes[1:]:
            return self.things == self.classes.index(word)
        return self.paints == COLORS.index(word)

    def share(self, word: str) -> NDArray[np.float64]:
        """How much of each picture shows it, (image,)."""
        return self.where(word).mean((1, 2))


def nearest_paint(colors: NDArray[np.float32]) -> NDArray[np.int64]:
    """Positions in COLORS of the drawn world's paint that is nearest in red, green and blue: (..., 3) to (...)."""
    flat = colors.reshape(-1, 3).astype(np.float32)
    apart = (flat**2).sum(1)[:, None] - 2 * flat @ _PAINTS.T + (_PAINTS**2).sum(1)
    return _OF_PAINT[apart.argmin(1)].reshape(colors.shape[:-1])


@torch.inference_mode()
def seen(segmenter: Segmenter, pixels: Tensor) -> Pictures:
    """What pictures show, of their pixels in -1 .. 1."""
    things = answers(segmenter.module, pixels)
    colors = (F.adaptive_avg_pool2d(pixels, things.shape[1:]) + 1) * 127.5
    paints = [nearest_paint(part.permute(0, 2, 3, 1).numpy()) for part in colors.split(BATCH)]
    return Pictures(pixels, things, np.concatenate(paints), segmenter.classes)


@dataclass(frozen=True)
class Dissection:
    """Units of a layer beside what the pictures show.

    codes        (image, ...), that the pictures were drawn from      layer   its name
    maps         float32, (image, unit, h, w), the layer's own grid
    masks        bool, (image, unit, h, w) on the grid of the segmenter's answers
    tau          share of all places that a unit's masks cover
    table        of `table_of`: unit, word, kind (class or color), IoU, covers, share, a row for each unit and word
    """

    codes: Tensor
    layer: str
    pictures: Pictures
    maps: Tensor
    masks: NDArray[np.bool_]
    tau: float
    table: pd.DataFrame

    @property
    def key(self) -> dict:
        """What it depends on beside generator and segmenter, for keys of the store."""
        codes = hashlib.sha256(self.codes.contiguous().numpy().tobytes()).hexdigest()
        return {"codes": [*self.codes.shape, codes], "layer": self.layer, "tau": self.tau}

    @property
    def best(self) -> pd.DataFrame:
        """The word of the highest IoU of each unit and kind: unit, class, class IoU, color, color IoU."""
        top = self.table.loc[self.table.groupby(["unit", "kind"])["IoU"].idxmax()]
        wide = top.pivot(index="unit", columns="kind", values=["word", "IoU"])
        names = {"word": "{}", "IoU": "{} IoU"}
        return wide.set_axis([names[a].format(b) for a, b in wide.columns], axis=1).infer_objects()

    @property
    def detectors(self) -> dict[str, list[int]]:
        """Units by the class that they fit best, where its IoU is above IOU; the best unit first."""
        best = self.best
        fit = best.loc[best["class IoU"].astype(float) > IOU].sort_values("class IoU", ascending=False)
        return {str(name): mine.index.tolist() for name, mine in fit.groupby("class")}


def dissect(
    generator: Generator, segmenter: Segmenter, layer: str, n_images: int, seed: int = 0, tau: float = TAU
) -> Dissection:
    """Draw pictures and compare the units' masks with what they show, over all pictures.

    layer   dotted name of a module whose output is a grid      seed   of the codes
    """
    codes = generator.draw(n_images, seed)
    maps, pixels = activations(generator, codes, layer)
    pictures = seen(segmenter, pixels)
    masks = masks_of(maps, pictures.things.shape[1:], tau)
    return Dissection(codes, layer, pictures, maps, masks, tau, table_of(masks, pictures))


def masks_of(maps: Tensor, grid: tuple[int, ...], tau: float) -> NDArray[np.bool_]:
    """Where each unit is above its own 1 - tau quantile, (image, unit, *grid).

    Maps are interpolated (half-pixel bilinear) before both; a unit that is the same everywhere has an empty mask.
    """
    large = F.interpolate(maps, size=grid, mode="bilinear", align_corners=False).numpy()
    each = np.ascontiguousarray(large.transpose(1, 0, 2, 3)).reshape(large.shape[1], -1)
    levels = np.quantile(each, 1 - tau, axis=1, overwrite_input=True).astype(np.float32)
    return large > levels[:, None, None]


def table_of(masks: NDArray[np.bool_], pictures: Pictures) -> pd.DataFrame:
    """Every unit's masks against every word's, pooled over all pictures: unit, word, kind, IoU, covers, share.

    covers   share of the unit's masks that shows the word      share   of all pictures, what chance would cover
    """
    words = pictures.words
    there = np.stack([pictures.where(word).ravel() for word in words]).astype(np.float32)
    fired = masks.transpose(1, 0, 2, 3).reshape(masks.shape[1], -1).astype(np.float32)
    both = fired @ there.T
    either = fired.sum(1)[:, None] + there.sum(1) - both
    iou = np.divide(both, either, out=np.zeros_like(both), where=either > 0)
    kinds = ["class"] * (len(pictures.classes) - 1) + ["color"] * len(pictures.colors)
    unit, word = np.indices(iou.shape)
    columns = {"unit": unit.ravel(), "word": np.array(words)[word.ravel()], "kind": np.array(kinds)[word.ravel()]}
    covers = np.divide(both, fired.sum(1)[:, None], out=np.zeros_like(both), where=fired.sum(1)[:, None] > 0)
    share = np.broadcast_to(there.mean(1), iou.shape)
    return pd.DataFrame(columns | {"IoU": iou.ravel(), "covers": covers.ravel(), "share": share.ravel()})


def stand_in(found: Dissection) -> pd.DataFrame:
    """Descriptions made of labels, where no describer is at hand: each unit's color and class of the most IoU.

    A label counts where its IoU is above IOU, or where it covers at least HALF of the unit's mask: at a small tau no
    mask can have a large IoU with what is nearly everywhere.
    Returns  index unit: description, likelihood, prior, score (NaN)
    """
    table = found.table.query("IoU > @IOU or covers >= @HALF").sort_values(["unit", "kind", "IoU"])
    words = table.groupby(["unit", "kind"])["word"].last().unstack().reindex(range(found.maps.shape[1]))
    texts = [" ".join(each.dropna().iloc[::-1]) or "nothing" for _, each in words.iterrows()]
    numbers = dict.fromkeys(("likelihood", "prior", "score"), np.nan)
    return pd.DataFrame({"description": texts, **numbers}, words.index)
