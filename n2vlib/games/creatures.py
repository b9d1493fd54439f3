"""Creatures in place of the paper's birds: drawn with attributes that we choose, described in phrases with slips.

An annotator names 2 to 4 attributes of a creature, drawn without replacement with the weights of ATTRIBUTES (what
strikes is named more often), each by one phrase: "red body", "small creature". Each phrase is a slip with probability
SLIP: it then names another value of its attribute, drawn at random. Nobody names the background.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from n2vlib.errors import BadInput
from n2vlib.games.reference import ReferenceGame
from n2vlib.world.canvas import GRID, Canvas, Mark
from n2vlib.world.palette import LIGHTS, SHADES, blend
from n2vlib.world.things import draw as draw_thing
from n2vlib.world.things import surface
from n2vlib.world.things.language import Thing, read_things

SIDE = 56  # pixels of a picture; four share one canvas
SLIP = 0.1
FEWEST, MOST = 2, 4  # phrases of a description
LEAST = 50  # creatures
SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}


class Attribute(NamedTuple):
    """What a creature may be like: the values, how phrases name them, and how often it is named against the others."""

    values: tuple[str, ...]
    noun: str
    weight: float


COLORS = ("black", "blue", "brown", "green", "orange", "red", "white", "yellow")
ATTRIBUTES = {
    "size": Attribute(("small", "large"), "creature", 4),
    "body": Attribute(COLORS, "body", 4),
    "belly": Attribute(COLORS, "belly", 2),
    "wing": Attribute(COLORS, "wings", 2),
    "pattern": Attribute(("plain", "striped", "spotted"), "wings", 2),
    "crest": Attribute(("bare", "crested"), "head", 2),
    "tail": Attribute(("short", "long"), "tail", 1),
    "beak": Attribute(("short", "long"), "beak", 1),
    "legs": Attribute(("short", "long"), "legs", 1),
    "background": Attribute(("meadow", "shore", "snow", "dusk"), "", 0),
}
NAMED = {name: each for name, each in ATTRIBUTES.items() if each.weight}
LEXICON = tuple(f"{value} {each.noun}" for each in NAMED.values() for value in each.values)
_FIRST = dict(zip(NAMED, np.cumsum([0, *(len(each.values) for each in NAMED.values())]).tolist(), strict=False))

# The drawing, in the language of the world's things: a body, b belly, w wing, m marks on the wing.
_PARTS = {
    ("tail", "short"): "poly a- 14 56 30 48 30 62",
    ("tail", "long"): "poly a- 0 84 6 94 36 66 28 50",
    ("legs", "short"): "limb orange 4 46 72 46 86\n limb orange 4 56 72 56 86",
    ("legs", "long"): "limb orange 4 46 72 44 100\n limb orange 4 56 72 58 100",
    ("crest", "crested"): "poly w 56 26 52 0 62 12 66 0 70 12 80 4 76 24",
    ("beak", "short"): "poly orange 77 26 86 31 77 36",
    ("beak", "long"): "poly orange 77 26 100 34 77 37",
    ("pattern", "striped"): "limb m 4 33 48 30 66\n limb m 4 41 46 38 67\n limb m 4 49 46 46 66",
    ("pattern", "spotted"): "disc m 34 52 3\n disc m 44 50 3\n disc m 39 60 3\n disc m 49 58 3",
}
_BODY = "blob a 22 58 38 42 60 42 72 54 68 74 48 82 28 74\n oval b 54 70 17 10"
_WING = "blob w 24 50 40 42 56 50 50 66 32 68"
_HEAD = "oval a 66 32 14 15\n disc black !flat 70 28 2.6"
_SIZES = {"small": 24.0, "large": 46.0}  # pixels
_MIST, _HOW_MUCH = (200.0, 200.0, 200.0), 0.75  # over backgrounds, so that creatures stand out
_GROUNDS = {  # two shades of the sky and two of the ground, before the mist
    "meadow": ((150, 200, 230), (214, 232, 236), (122, 164, 84), (74, 124, 70)),
    "shore": ((104, 166, 206), (58, 116, 176), (226, 196, 140), (206, 164, 112)),
    "snow": ((168, 180, 192), (206, 212, 218), (244, 246, 248), (222, 228, 236)),
    "dusk": ((92, 80, 148), (226, 146, 132), (92, 74, 84), (60, 50, 70)),
}


@dataclass(frozen=True, eq=False)
class Creatures:
    """Drawn creatures, and what was said of each.

    table      int64, (creature, attribute): which of its values in ATTRIBUTES each has
    described  float32, (creature, phrase of LEXICON): one description each, rows with sum 1
    pictures   uint8, (creature, SIDE, SIDE, 3)
    """

    table: NDArray[np.int64]
    described: NDArray[np.float32]
    pictures: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.table)

    def values(self, name: str) -> NDArray[np.int64]:
        """The places of one attribute's values, (creature,)."""
        return self.table[:, list(ATTRIBUTES).index(name)]

    def like(self, creature: int, names: Sequence[str]) -> str:
        """A creature's true values of some attributes: "small red"."""
        return " ".join(ATTRIBUTES[name].values[self.values(name)[creature]] for name in names)

    def phrases(self, creature: int) -> list[str]:
        """What was said of a creature."""
        return [LEXICON[k] for k in np.nonzero(self.described[creature])[0]]


def attributes(count: int, seed: int = 0) -> NDArray[np.int64]:
    """A table of creatures whose attributes are drawn independently and evenly, (creature, attribute)."""
    if count < LEAST:
        raise BadInput(f"CREATURES: {count}; draw {LEAST} at least, so that each fold has some")
    draws = np.random.default_rng(seed)
    return np.stack([draws.integers(0, len(each.values), count) for each in ATTRIBUTES.values()], 1)


def game(creatures: Creatures, features: NDArray[np.float32] | Tensor, origin: str = "") -> ReferenceGame:
    """The reference game of these creatures as a network sees them, (creature, feature); the first 60% are for
    training, then 20% for validation and 20% for the test.

    origin   what stands for the features in keys, see `ReferenceGame`
    """
    n = len(creatures)
    ends = [round(n * share) for share in (0, *np.cumsum(list(SHARES.values())))]
    folds = {fold: torch.arange(ends[k], ends[k + 1]) for k, fold in enumerate(SHARES)}
    described = torch.from_numpy(creatures.described)
    return ReferenceGame("creatures", torch.as_tensor(features), LEXICON, described, folds, origin)


def projected(features: Tensor, size: int, seed: int = 0) -> Tensor:
    """Features (thing, feature), each standardised, projected at random to `size` numbers if there are more, and
    standardised again, as in the released program; float32. A feature that is the same for all things becomes 0."""
    values = _standardised(features.double())
    if values.shape[1] > size:
        draws = torch.Generator().manual_seed(seed)
        values = _standardised(values @ torch.randn(values.shape[1], size, generator=draws).double())
    return values.float()


def _standardised(values: Tensor) -> Tensor:
    values = values - values.mean(0)
    spread = values.square().mean(0).sqrt()
    return torch.where(spread > 1e-9, values / spread.clamp(min=1e-9), 0.0)


def describe(table: NDArray[np.int64], seed: int = 0, slip: float = SLIP) -> NDArray[np.float32]:
    """One description of each creature, (creature, phrase of LEXICON), equal shares with sum 1."""
    draws = np.random.default_rng([seed, 1])
    weights = np.array([each.weight for each in NAMED.values()], float)
    sizes = np.array([len(each.values) for each in NAMED.values()])
    # The largest of exponential races: a draw without replacement with these weights.
    order = np.argsort(draws.exponential(size=(len(table), len(NAMED))) / weights, axis=1)
    said = np.zeros((len(table), len(NAMED)), np.bool_)
    counts = draws.integers(FEWEST, MOST + 1, len(table))
    np.put_along_axis(said, order, np.arange(len(NAMED)) < counts[:, None], axis=1)
    slips = draws.random(said.shape) < slip
    away = 1 + (draws.random(said.shape) * (sizes - 1)).astype(np.int64)  # to another value
    values = (table[:, : len(NAMED)] + away * slips) % sizes
    bags = np.zeros((len(table), len(LEXICON)), np.float32)
    np.put_along_axis(bags, values + list(_FIRST.values()), said.astype(np.float32), axis=1)
    return bags / bags.sum(1, keepdims=True)


def pictures(table: NDArray[np.int64], seed: int = 0) -> NDArray[np.uint8]:
    """Pictures of creatures, uint8 (creature, SIDE, SIDE, 3); place, facing and shades of each are drawn at random."""
    made = [picture for k in range(0, len(table), 4) for picture in _painted(table[k : k + 4], seed, k)]
    return np.stack(made)


def picture(seed: int = 0, **values: str) -> NDArray[np.uint8]:
    """One creature with these values of ATTRIBUTES, the first of each by default: picture(size="large", wing="red")."""
    row = [each.values.index(values.get(name, each.values[0])) for name, each in ATTRIBUTES.items()]
    return pictures(np.array([row]), seed)[0]


def _painted(rows: NDArray[np.int64], seed: int, first: int) -> Iterator[NDArray[np.uint8]]:
    """Up to four creatures, a quarter of a canvas each."""
    canvas = Canvas(LIGHTS[0])
    for k, row in enumerate(rows):
        values = {name: each.values[row[i]] for i, (name, each) in enumerate(ATTRIBUTES.items())}
        _paint(canvas, Random(f"{seed}/creature/{first + k}"), values, (k % 2 * SIDE, k // 2 * SIDE))
    grain = np.random.default_rng([seed, 2, first]).normal(1, 0.03, GRID * GRID).astype(np.float32)
    whole = canvas.image(grain, 1.0)
    for k in range(len(rows)):
        y, x = k // 2 * SIDE, k % 2 * SIDE
        yield whole[y : y + SIDE, x : x + SIDE]


def _paint(canvas: Canvas, rng: Random, values: dict[str, str], corner: tuple[int, int]) -> None:
    x, y = corner
    shades = [blend(shade, _MIST, _HOW_MUCH) for shade in _GROUNDS[values["background"]]]
    horizon = y + rng.uniform(24, 38)
    for top, bottom, (first, second) in ((y, horizon, shades[:2]), (horizon, y + SIDE, shades[2:])):
        edges = [(x, top), (x + SIDE - 0.5, top), (x + SIDE - 0.5, bottom - 0.5), (x, bottom - 0.5)]
        canvas.field(edges, surface("grey", first)._replace(second=second), Mark(), top, bottom)
    size = _SIZES[values["size"]] * rng.uniform(0.9, 1.1)
    left, above = x + rng.uniform(2, SIDE - 3 - size), y + rng.uniform(2, SIDE - 3 - size)
    draw_thing(canvas, rng, _thing(*(values[name] for name in NAMED if name != "size")), (left, above, size, size))


@cache
def _thing(*values: str) -> Thing:
    """A creature with these values of all attributes but size and background."""
    names = [name for name in NAMED if name != "size"]
    has = dict(zip(names, values, strict=True))
    parts = [_PARTS.get((name, has[name]), "") for name in ("tail", "legs", "beak", "crest")]
    lines = [*parts, _BODY, _WING, _PARTS.get(("pattern", has["pattern"]), ""), _HEAD]
    text = "bird 1 1\n" + "\n".join(line for line in lines if line)
    marks = "black" if has["wing"] in ("white", "yellow", "orange") else "white"
    paints = {"a": has["body"], "b": has["belly"], "w": has["wing"], "m": marks}
    assert set(paints.values()) <= set(SHADES)
    return replace(read_things(text)["bird"], slots={slot: ((name,), ("",)) for slot, name in paints.items()})
