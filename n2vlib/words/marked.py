"""Images with a written mark, and what a network makes of them: for networks that may read it (MILAN, section 6).

images, truth = marked.pictures(probe, known, "val", 400)
shown, boxes = marked.write(images, marked.chosen(truth, "wrong", len(known.names), seed=0), seed=0)
marked.answers(network, "conv5", known, shown, truth).accuracy([[], [3]])       # an `ablated.Answering`
found = exemplars.of_maps(shown, marked.read(network, "conv5", shown))
describer.of_exemplars(found, store, describer.load())                          # what may be said of the filters
"""

import numpy as np
import torch
from numpy.typing import NDArray

from n2vlib.compositional.classifier import Classes, head_of
from n2vlib.errors import BadInput, near
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import presence
from n2vlib.words import ablated
from n2vlib.words.ablated import Answering
from n2vlib.words.exemplars import Exemplars
from n2vlib.world.marks import mark, word

Images, Maps = NDArray[np.uint8], NDArray[np.float32]
HOW = ("none", "right", "half", "wrong", "any")
_BATCH, _FEW = 32, 8  # images


def pictures(
    probe: ProbeSet, known: Classes, split: str, most: int, left_over: bool = False
) -> tuple[Images, NDArray[np.int64]]:
    """At most so many images of a split that show exactly one of a network's classes, evenly spread, and at most half.

    left_over at most so many of those that the same call without it leaves
    Returns   images uint8 (image, height, width, 3); truth int64 (image,): which of the classes' outputs is right
    """
    held = presence(probe, split)
    shown = held[known.known].to_numpy()
    one = np.flatnonzero(shown.sum(1) == 1)
    picked = _spread(one, min(most, len(one) // 2))
    picked = _spread(np.setdiff1d(one, picked), most) if left_over else picked
    if len(one) < 4:
        raise BadInput(f"probe set {probe.name}: {len(one)} {split} images show exactly one class; take a larger set")
    place = {int(number): at for at, number in reversed([*enumerate(known.concept)])}
    truth = np.array([place[int(known.known[at])] for at in shown[picked].argmax(1)], np.int64)
    return np.concatenate([*probe.batches(64, held.index.to_numpy()[picked].tolist())]), truth


def _spread(images: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the images, evenly spaced."""
    n = min(most, len(images))
    return images[np.arange(n) * len(images) // max(n, 1)]


def chosen(truth: NDArray[np.int64], how: str, n_classes: int, seed: int) -> NDArray[np.int64]:
    """Of which class the word is written on each image, (image,); -1: nothing is written.

    how   none; right: the image's class; half: that on half of the images, as in training; wrong: another class; any: a
          class drawn at random, so that the word says nothing
    """
    if how not in HOW:
        raise BadInput(f"how = {how!r}: must be one of {', '.join(HOW)}; {near(how, list(HOW))}")
    rng = np.random.default_rng([seed, HOW.index(how)])
    others = (truth + rng.integers(1, n_classes, len(truth))) % n_classes
    half = np.where(rng.permutation(len(truth)) % 2, truth, -1)
    anyone = rng.integers(0, n_classes, len(truth))
    return {"none": np.full_like(truth, -1), "right": truth, "half": half, "wrong": others, "any": anyone}[how]


def write(images: Images, which: NDArray[np.int64], seed: int) -> tuple[Images, NDArray[np.bool_]]:
    """The images with the words of classes (`world.marks.word`) on them, and their boxes: bool (image, height, width).

    which   of `chosen`, int64 (image,): places of classes; -1 for none
    """
    rng, made = np.random.default_rng(seed), images.copy()
    boxes = np.zeros(images.shape[:3], np.bool_)
    for i in np.flatnonzero(which >= 0):
        made[i], boxes[i] = mark(images[i], word(int(which[i])), rng, white=True)
    return made, boxes


def read(network: Network, layer: str, images: Images) -> Maps:
    """The activation maps of a layer's filters on images at hand, on the CPU: float32, (image, filter, h, w)."""
    name, module = network.layer(layer), network.module.cpu()
    parts = (images[at : at + _BATCH] for at in range(0, len(images), _BATCH))
    ready = (network.preprocessing(part).to(memory_format=torch.channels_last) for part in parts)
    return np.concatenate([run_layers(module, [name], each)[name].contiguous().numpy() for each in ready])


def answers(
    network: Network, layer: str, known: Classes, shown: Images, truth: NDArray[np.int64], maps: Maps | None = None
) -> Answering:
    """What a network answers to images at hand, for filters of a layer to be cut.

    maps   of `read`, where they are there already
    Raises BadInput where the network's scores are not linear in the means and maxima of this layer.
    """
    head = ablated.linear(head_of(network, network.layer(layer), shown[:_FEW]), layer)
    maps = read(network, layer, shown) if maps is None else maps
    return Answering(head, {"mean": maps.mean((2, 3)), "max": maps.max((2, 3))}, known.outputs, truth)


def share_on(exemplars: Exemplars, boxes: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of each unit's exemplar masks that lies on the writing, (unit,); 0 where they are empty.

    boxes   of the set that the exemplars are of: bool, (image, height, width), sampled at the masks' size
    """
    rows, columns = (
        ((np.arange(n) + 0.5) * of / n).astype(np.int64)
        for n, of in zip(exemplars.masks.shape[2:], boxes.shape[1:], strict=True)
    )
    there = boxes[:, rows][:, :, columns][exemplars.which]
    inside, of = (each.sum((1, 2, 3)) for each in (exemplars.masks & there, exemplars.masks))
    return inside / np.maximum(of, 1)
