"""Whether what is said of a unit is true of its pixels: descriptions, labels and formulas by the same masks.

A unit's mask is counted as in the dissection IoU, on some images of a labelled probe set. What is said of it holds on
some of their pixels. Precision is the share of the unit's pixels on which it holds, recall the share of the pixels on
which it holds that the unit covers, IoU their intersection over their union.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.activations.layer import Layer
from n2vlib.masks.iou import iou_of_counts
from n2vlib.methods import dissection
from n2vlib.probe import ProbeSet
from n2vlib.words import phrases
from n2vlib.words.phrases import Meaning

Text = TypeVar("Text", bound=Hashable)
Units = Sequence[int] | NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Pixel counts over some images, of units and of texts about them.

    shared   int64, (unit, text)      fired   int64, (unit,)      held   int64, (text,)      texts   each once
    """

    shared: NDArray[np.int64] = field(repr=False)
    fired: NDArray[np.int64] = field(repr=False)
    held: NDArray[np.int64] = field(repr=False)
    texts: tuple = field(repr=False)

    @property
    def iou(self) -> NDArray[np.float64]:
        """IoU of every unit with every text: (unit, text)."""
        return iou_of_counts(self.shared, self.fired[:, None], self.held)

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of each unit's pixels on which each holds: (unit, text); 0 for a unit that does not fire."""
        return self.shared / np.maximum(self.fired, 1)[:, None]

    def of(self, texts: Sequence[Hashable]) -> pd.DataFrame:
        """How true the text of each unit is: iou, precision, recall, and by_chance, the mean IoU of the unit with the
        texts of the others."""
        at = np.array([self.texts.index(text) for text in texts])
        units, iou = np.arange(len(at)), self.iou
        others = (iou[:, at].sum(1) - iou[units, at]) / max(len(at) - 1, 1)
        recall = self.shared[units, at] / np.maximum(self.held[at], 1)
        found = {"iou": iou[units, at], "precision": self.precision[units, at], "recall": recall, "by_chance": others}
        return pd.DataFrame(found)


def overlaps(
    layer: Layer,
    probe: ProbeSet,
    units: Units,
    texts: Iterable[Text],
    holds: Callable[[Text, int], NDArray[np.bool_]],
    images: Iterable[int],
) -> Overlaps:
    """Count pixels of units, and of every text about any of them, over some images.

    texts   descriptions, labels or formulas      holds   one of them, and an image -> where it holds: bool, (sh, sw)
    """
    things, n = tuple(dict.fromkeys(texts)), np.prod(probe.label_size)
    shared, fired_on = np.zeros((len(units), len(things))), np.zeros(len(units), np.int64)
    held = np.zeros(len(things), np.int64)
    for image in images:
        masks = np.array([holds(each, int(image)) for each in things]).reshape(-1, n)
        fires = fired(layer, probe, int(image), units).reshape(-1, n)
        shared += fires.astype(np.float32) @ masks.T.astype(np.float32)
        fired_on += fires.sum(1)
        held += masks.sum(1)
    return Overlaps(shared.round().astype(np.int64), fired_on, held, things)


def of_descriptions(
    layer: Layer, probe: ProbeSet, units: Units, texts: Sequence[str], images: Iterable[int]
) -> pd.DataFrame:
    """How true one description of each unit is, by its words: `Overlaps.of`, and the unit and its description."""
    language = phrases.language(probe)
    counted = overlaps(layer, probe, units, texts, lambda text, image: language.holds(text, probe, image), images)
    return counted.of(texts).assign(unit=list(units), description=list(texts)).set_index("unit")


def fired(layer: Layer, probe: ProbeSet, image: int, units: Units | None = None) -> NDArray[np.bool_]:
    """S(A_k) > T_k of filters in one image, from what is stored of the layer: bool, (filter, sh, sw).

    units   the filters asked for, all by default
    """
    pointers, code, value = layer.entries
    start, stop = pointers[image : image + 2]
    low = layer.thresholds - np.abs(layer.thresholds) - 1  # others are below T_k, wherever a mask can be
    dense = np.repeat(low.astype(np.float64), layer.grid[0] * layer.grid[1])
    dense[code[start:stop]] = value[start:stop]
    chosen = np.arange(layer.n_filters) if units is None else np.asarray(units, np.int64)
    maps = dense.reshape(layer.shape)[chosen]
    return dissection.mask(layer, probe, maps, chosen[:, None, None])


def best(
    layer: Layer, probe: ProbeSet, units: Units, shown: Mapping[int, Mapping[Meaning, NDArray[np.bool_]]]
) -> pd.DataFrame:
    """The phrase that fits each unit best, of all that regions of some images can be called: index unit; description,
    iou, precision, recall. A search, not a describer: it reads the labels under the unit's own pixels.

    shown   {image: `regions.in_image`}
    """
    at: dict[Meaning, int] = {}
    shared, held, fired_on = np.zeros((len(units), 64)), np.zeros(64), np.zeros(len(units), np.int64)
    for image, found in shown.items():
        fires = fired(layer, probe, int(image), units).reshape(len(units), -1)
        fired_on += fires.sum(1)
        rows = [at.setdefault(meaning, len(at)) for meaning in found]
        while len(at) > len(held):
            shared, held = np.pad(shared, ((0, 0), (0, len(held)))), np.pad(held, (0, len(held)))
        if found:
            masks = np.array([*found.values()]).reshape(len(rows), -1)
            shared[:, rows] += fires.astype(np.float32) @ masks.T.astype(np.float32)
            held[rows] += masks.sum(1)
    iou = iou_of_counts(shared, fired_on[:, None], held)
    top, names, rows = iou.argmax(1), [phrases.text([meaning]) for meaning in at], np.arange(len(units))
    table = {"description": [names[i] for i in top], "iou": iou[rows, top]}
    table |= {"precision": shared[rows, top] / np.maximum(fired_on, 1), "recall": shared[rows, top] / held[top]}
    return pd.DataFrame(table, index=pd.Index([*units], name="unit"))
