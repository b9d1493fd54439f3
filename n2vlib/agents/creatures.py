"""Drawn creatures as a network of the zoo sees them: the reference game that stands in for the paper's birds."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from n2vlib.errors import BadInput
from n2vlib.games import captioned, creatures
from n2vlib.games.creatures import SIDE, Creatures
from n2vlib.games.reference import ReferenceGame
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network, load_network
from n2vlib.probe.kept import kept
from n2vlib.progress import bar
from n2vlib.sources import code_of, sources_digest
from n2vlib.store import Store, digest, load_array, save_arrays

MODULES = ["n2vlib.agents.creatures"]
COUNT, NETWORK, LAYERS = 3_000, "small-alexnet", ("conv3", "conv4", "conv5")
SIZE = 64  # numbers that a creature is seen as
_AT_ONCE = 100
PAINTERS = ["n2vlib.world.canvas", "n2vlib.world.palette", "n2vlib.world.things"]  # what creatures are painted with


class Seen(NamedTuple):
    """Creatures with their pictures, and the reference game of what the network makes of them."""

    creatures: Creatures
    game: ReferenceGame


def named(
    features: str | None, captions: str | None, count: int, store: Store
) -> tuple[Creatures | None, ReferenceGame]:
    """Drawn creatures, `count` of them; or, where files of the user's are named, None and the game of its things."""
    if features is None and captions is None:
        return seen(count, store=store)
    if features is None or captions is None:
        one, other = ("FEATURES", "CAPTIONS") if features is None else ("CAPTIONS", "FEATURES")
        raise BadInput(f"{one}: is not given, but {other} is; name both files, or none for drawn creatures")
    return None, captioned.from_files(features, captions)


def drawn(count: int = COUNT, seed: int = 0, store: Store | None = None) -> ReferenceGame:
    """The reference game of drawn creatures."""
    return seen(count, seed, store).game


def seen(count: int = COUNT, seed: int = 0, store: Store | None = None) -> Seen:
    """Creatures drawn, described, and seen by small-alexnet; the features are kept in the store."""
    network = load_network(NETWORK)
    inputs = {"count": count, "seed": seed, "network": network.fingerprint, "layers": list(LAYERS), "size": SIZE}
    table, drawn_by = creatures.attributes(count, seed), drawing()
    pictures = _pictures(table, seed, drawn_by)

    def make(folder: Path) -> None:
        save_arrays(folder, features=creatures.projected(features(network, pictures), SIZE, seed).numpy())

    folder = (store or Store()).entry("creatures", inputs, MODULES, make)
    found = Creatures(table, creatures.describe(table, seed), pictures)
    return Seen(found, creatures.game(found, np.array(load_array(folder, "features")), digest([inputs, drawn_by])))


def _pictures(table: NDArray[np.int64], seed: int, drawn_by: list[str]) -> NDArray[np.uint8]:
    """Pictures of creatures, drawn on first use, then read from data_root(), as probe sets are."""
    what = {"count": len(table), "seed": seed, "drawn_by": drawn_by}

    def write(folder: Path) -> None:
        save_arrays(folder, pictures=creatures.pictures(table, seed))

    return load_array(kept("creatures", digest(what)[:12], what, write), "pictures")


def drawing() -> list[str]:
    """The code that draws and describes creatures; it stands for pictures in keys, since pixels may differ by a grey
    level from machine to machine."""
    return [sources_digest(PAINTERS), code_of(Path(creatures.__file__).read_bytes())]


def features(network: Network, pictures: np.ndarray) -> Tensor:
    """Mean and maximum over places of every filter of LAYERS, float32 (picture, feature).

    pictures   uint8, (picture, SIDE, SIDE, 3). The network reads them at this size, which is half of its own: its
               layers are convolutions, and creatures are then as large as things in the scenes it was trained on
    """
    names = [network.layer(layer) for layer in LAYERS]
    shown = replace(network.preprocessing, size=(SIDE, SIDE))
    rows = []
    for start in bar(range(0, len(pictures), _AT_ONCE), "creatures", -(-len(pictures) // _AT_ONCE)):
        maps = run_layers(network.module, names, shown(pictures[start : start + _AT_ONCE]))
        pooled = [pool for name in names for pool in (maps[name].mean((2, 3)), maps[name].amax((2, 3)))]
        rows.append(torch.cat(pooled, 1))
    return torch.cat(rows)
