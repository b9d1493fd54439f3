"""Scenes drawn again without one thing: what the thing really does to the answer.

    found = removals.removed(drawings)                        # every scene without every thing that it shows
    asked = removals.asked(network, found, device="cpu", store=store)
    asked.effects                                             # by how much the log-odds of the answer fall

What explanations predict of this is in `effects`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from n2vlib.compositional.moved import probabilities
from n2vlib.errors import BadInput
from n2vlib.local.lime import log_odds
from n2vlib.networks.load import Network
from n2vlib.progress import bar
from n2vlib.store import Store
from n2vlib.world import CONCEPTS, Scene
from n2vlib.world.edited import Drawing


@dataclass(frozen=True)
class Removals:
    """Scenes, and each of them without each kind of thing that it shows.

    originals   uint8, (scene, height, width, 3)
    images      uint8, (pair, height, width, 3): without the thing
    masks       bool, (pair, height, width): where the thing was seen, and what stood on it
    table       one row for each pair: scene (its position in originals), thing, area (share of the picture)
    """

    originals: NDArray[np.uint8]
    images: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    table: pd.DataFrame


@dataclass(frozen=True)
class Asked:
    """A network's answers.

    classes   int64, (scene,): the answer, as a position among the network's classes
    before    float64, (scene,): log-odds of the answer      effects   (pair,): by how much they fall without the thing
    names     of the classes
    """

    classes: NDArray[np.int64]
    before: NDArray[np.float64]
    effects: NDArray[np.float64]
    names: list[str]


def removed(drawings: Sequence[Drawing]) -> Removals:
    """Every scene without each kind of thing that it shows; BadInput where no scene shows any."""
    pairs = [(scene, thing) for scene, drawing in enumerate(drawings) for thing in drawing.shows]
    if not pairs:
        raise BadInput(f"{len(drawings)} scenes show no thing that could be removed; take more (SCENES)")
    edits = [drawings[scene].without(thing) for scene, thing in bar(pairs, "removing things")]
    masks = np.stack([edit.mask for edit in edits])
    table = pd.DataFrame(pairs, columns=["scene", "thing"]).assign(area=masks.mean((1, 2)))
    originals = np.stack([drawing.scene.image for drawing in drawings])
    return Removals(originals, np.stack([edit.scene.image for edit in edits]), masks, table)


def asked(network: Network, found: Removals, *, device: str = "auto", store: Store | None = None) -> Asked:
    """The network's answers to the scenes, and what the removals do to them."""
    before = probabilities(network, [*found.originals], device, store)
    classes, scenes = before.to_numpy().argmax(1), found.table["scene"].to_numpy()
    after = probabilities(network, [*found.images], device, store).to_numpy()
    own = log_odds(before.to_numpy()[np.arange(len(classes)), classes])
    left = log_odds(after[np.arange(len(after)), classes[scenes]])
    return Asked(classes, own, own[scenes] - left, [*before])


def shown_in(scene: Scene) -> dict[str, NDArray[np.bool_]]:
    """Where the objects of a scene are, by its label map: {name: bool, (56, 56)}."""
    labels = scene.maps["object"][0]
    return {name: labels == number for number, name, _ in CONCEPTS if number in scene.objects}


def filled(found: Removals) -> NDArray[np.uint8]:
    """The scenes with each thing's own pixels in their mean color, as LIME hides: uint8, (pair, height, width, 3)."""
    shown = found.originals[found.table["scene"]].copy()
    for image, mask in zip(shown, found.masks, strict=True):
        image[mask] = image[mask].mean(0).astype(np.uint8)
    return shown
