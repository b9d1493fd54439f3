"""The drawn world: scenes with objects, parts, materials, colors and textures, drawn by our own code as a probe set.

Scene `index` of `seed` depends on these two numbers alone. Its label maps are the same on every machine; its
pixels agree to within one grey level.

catalog     the concepts and their numbers
scenes      a picture of one of the twelve scenes, from far to near
crowds      which things appear in each scene, how often and where
stage       things placed in a picture: size, haze, shadows
things      how each thing is painted
canvas      painting with labels
backdrops   sky, ridges, water, grounds
outdoors    the ground and the background of the eight scenes under the sky
rooms       wall, floor and the light from the window
surfaces    patterns of materials and grounds
textures    pictures filled by one texture
palette     paints and light
edited      scenes drawn again with one thing more, or without the things of one kind
marks       writing on images
digest      the digest of the label maps, which every machine must give
"""

from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random

import numpy as np

from n2vlib.probe.broden import Labelled, write
from n2vlib.progress import bar
from n2vlib.workers.pool import in_processes
from n2vlib.world.canvas import GRID, Canvas
from n2vlib.world.catalog import CONCEPTS, SCENE, TEXTURE
from n2vlib.world.digest import DIGEST
from n2vlib.world.scenes import INDOOR, compose, pick_light
from n2vlib.world.stage import Box, Placed
from n2vlib.world.textures import swatch

__all__ = ["CONCEPTS", "DIGEST", "Painting", "Scene", "draw", "labels_digest", "painting", "scene"]
_WORTH_PROCESSES = 500  # with fewer scenes, starting processes costs more than it saves
SWATCHES = 0.12  # share of images that show a texture and nothing else


@dataclass
class Scene:
    """One drawn image and its labels.

    image    uint8, (112, 112, 3)
    maps     category -> one uint16 map (56, 56) of concept numbers, 0 = unlabelled
    whole    "scene" or "texture" -> the number that holds for the whole image
    scene    the scene's number; 0 for a swatch
    objects  numbers of the objects that are visible in the object map
    boxes    (object number, (left, top, right, bottom)) of every thing painted, in image pixels and not clipped,
             far to near; things behind others may be hidden
    """

    image: np.ndarray
    maps: dict[str, list[np.ndarray]]
    whole: dict[str, list[int]]
    scene: int
    objects: set[int]
    boxes: list[tuple[int, Box]]


@dataclass
class Painting:
    """An image that is painted, before light makes pixels of it.

    whole      as of `Scene`      placed     its things, far to near
    film       float32, (GRID * GRID,): paper grain and lens      exposure   factor of the brightness
    """

    canvas: Canvas
    whole: dict[str, list[int]]
    placed: list[Placed]
    film: np.ndarray
    exposure: float

    def shown(self) -> Scene:
        """Its pixels and labels."""
        labels = self.canvas.label_maps()
        maps = {category: [found] for category, found in labels.items() if found.any()}
        objects = set(np.unique(labels["object"]).tolist()) - {0}
        boxes = [(each.object, each.box) for each in self.placed]
        number = self.whole.get("scene", [0])[0]
        return Scene(self.canvas.image(self.film, self.exposure), maps, self.whole, number, objects, boxes)


def _make_grain() -> np.ndarray:
    """Brightness of paper and film on the sample grid, mean 1: fine noise over coarse noise."""
    rng = Random("paper")
    fine = np.array(rng.choices(range(-100, 101), k=GRID * GRID), dtype=np.float32).reshape(GRID, GRID)
    coarse = np.array(rng.choices(range(-100, 101), k=28 * 28), dtype=np.float32).reshape(28, 28)
    return 1 + fine * np.float32(0.00032) + np.kron(coarse, np.ones((8, 8), dtype=np.float32)) * np.float32(0.00005)


_GRAIN = _make_grain()
_RADIUS = ((np.arange(GRID, dtype=np.float32) - GRID / 2) / (GRID / 2)) ** 2
_VIGNETTE = 1 - np.float32(0.05) * (_RADIUS[:, None] + _RADIUS[None, :])


def _film(rng: Random) -> np.ndarray:
    """float32 (GRID * GRID,): a shifted copy of the grain, darker towards the corners."""
    shift = rng.randrange(GRID), rng.randrange(GRID)
    return (np.roll(_GRAIN, shift, axis=(0, 1)) * _VIGNETTE).ravel()


def scene(seed: int, index: int) -> Scene:
    """Draw image `index` of the world `seed`."""
    return painting(seed, index).shown()


def painting(seed: int, index: int, canvas: type[Canvas] = Canvas) -> Painting:
    """Image `index` of the world `seed`, painted on such a canvas."""
    rng = Random(f"{seed}/{index}")
    if rng.random() < SWATCHES:
        name = rng.choice(list(TEXTURE))
        painted, whole, placed = canvas(pick_light(rng, indoors=True)), {"texture": [TEXTURE[name]]}, []
        swatch(rng, painted, name)
    else:
        name = rng.choice(list(SCENE))
        painted, whole = canvas(pick_light(rng, name in INDOOR)), {"scene": [SCENE[name]]}
        placed = compose(rng, painted, name).placed
    return Painting(painted, whole, placed, _film(rng), rng.uniform(0.92, 1.06))


def labels_digest(seed: int, n_scenes: int) -> str:
    """sha256 hex over the label maps and whole-image labels of the first `n_scenes` scenes of `seed`.

    Compared with `digest.DIGEST` to check that the world is the same on this machine.
    """
    seen = sha256()
    for index in range(n_scenes):
        drawn = scene(seed, index)
        for category, (labels,) in sorted(drawn.maps.items()):
            seen.update(f"{index} {category} ".encode() + labels.astype("<u2").tobytes())
        seen.update(repr(sorted(drawn.whole.items())).encode())
    return seen.hexdigest()


def draw(path: Path | str, n_images: int = 4000, seed: int = 0) -> None:
    """Write the first `n_images` scenes of world `seed` to a new folder `path` in Broden's format (PNG images).

    Many scenes are drawn in several processes; what is drawn does not depend on their number.
    Raises BadInput if `path` already holds files.
    """
    names = {number: name for number, name, _ in CONCEPTS}
    workers = None if n_images >= _WORTH_PROCESSES else 1
    with in_processes(partial(_labelled, seed), range(n_images), workers, chunk=50) as scenes:
        write(path, bar(scenes, "drawing the world", n_images), names)


def _labelled(seed: int, index: int) -> Labelled:
    drawn = scene(seed, index)
    return Labelled(f"world/{seed}_{index:06d}.png", drawn.image, drawn.maps, drawn.whole)
