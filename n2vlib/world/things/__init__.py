"""The things of the drawn world, and a function that paints one into a box of the canvas."""

from random import Random

from n2vlib.world.canvas import Canvas, Mark, Surface
from n2vlib.world.catalog import COLOR, MATERIAL
from n2vlib.world.palette import RGB, SHADES, lighter, paint
from n2vlib.world.surfaces import LOOKS
from n2vlib.world.things.animals import ANIMALS
from n2vlib.world.things.buildings import BUILDINGS
from n2vlib.world.things.indoors import INDOORS
from n2vlib.world.things.language import Shape, Thing, read_things
from n2vlib.world.things.plants import PLANTS
from n2vlib.world.things.vehicles import VEHICLES

THINGS: dict[str, Thing] = {}
for _text in (VEHICLES, ANIMALS, PLANTS, BUILDINGS, INDOORS):
    THINGS |= read_things(_text)

KINDS: dict[str, tuple[str, ...]] = {}  # "boat" -> ("boat/sail", "boat/motor")
for _name in THINGS:
    KINDS[_name.split("/")[0]] = (*KINDS.get(_name.split("/")[0], ()), _name)

Chosen = dict[str, tuple[str, RGB, str]]


def surface(color: str, rgb: RGB, material: str = "", pattern: str = "", glow: bool = False) -> Surface:
    """The surface of a paint (color name, RGB) on a material, or with a printed pattern."""
    if pattern:
        return Surface(COLOR[color], rgb, lighter(rgb, 3), MATERIAL.get(material, 0), pattern, 0.8, glow)
    amount, steps = LOOKS.get(material, (0.0, 0))
    return Surface(COLOR[color], rgb, lighter(rgb, steps), MATERIAL.get(material, 0), material or "none", amount, glow)


def choose_paints(rng: Random, thing: Thing) -> Chosen:
    """A paint and a material for every slot of `thing`: letter -> (color, RGB, material)."""
    chosen = {}
    for letter, (paints, materials) in thing.slots.items():
        chosen[letter] = (*paint(rng, rng.choice(paints)), rng.choice(materials))
    return chosen


def _fill(rng: Random, shape: Shape, chosen: Chosen, lit: bool) -> Surface:
    if shape.fill not in chosen:
        fixed = (shape.fill, SHADES[shape.fill][0]) if shape.fill in SHADES else paint(rng, shape.fill)
        chosen[shape.fill] = (*fixed, "")
    color, rgb, material = chosen[shape.fill]
    material = shape.material or material
    if shape.glow and lit and material == "glass":  # lamps behind some of the windows
        return (
            surface("yellow", (250, 214, 128), material, glow=True)
            if rng.random() < 0.6
            else surface(color, rgb, material)
        )
    return surface(color, lighter(rgb, shape.steps), material, shape.pattern, shape.glow and lit)


def draw(
    canvas: Canvas,
    rng: Random,
    thing: Thing,
    box: tuple[float, float, float, float],
    far: float = 0.0,
    lean: float = 0.0,
) -> None:
    """Paint `thing` into `box` (left, top, width, height in image pixels), mirrored half of the time.

    far    0 near .. 1 hidden by haze
    lean   sideways shift of the top, in widths
    """
    left, top, width, height = box
    chosen = choose_paints(rng, thing)
    mirrored, variant = rng.random() < 0.5, rng.choice(thing.variants) if thing.variants else ""
    lit = canvas.light.dark or canvas.light.name == "dusk"
    scale = min(1.0, max(0.25, height / thing.height / 22))
    sx, sy = (-width if mirrored else width) / 100, height / 100
    x0 = left + width if mirrored else left
    for shape in thing.shapes:
        if shape.variant and shape.variant != variant:
            continue
        mark = Mark(thing.number, shape.part, far, False, scale)
        fill = _fill(rng, shape, chosen, lit)
        points = [(x0 + (x + lean * (100 - y)) * sx, top + y * sy) for x, y in shape.points]
        if shape.kind == "oval":
            rx, ry = shape.numbers
            canvas.oval(*points[0], rx * width / 100, ry * sy, fill, mark, 0 if shape.flat else 1)
        elif shape.kind == "ring":
            canvas.ring(*points[0], shape.numbers[0] * width / 100, shape.numbers[1] * width / 100, fill, mark)
        else:
            canvas.polygon(
                points, fill, mark, round=0.8 if shape.kind == "blob" and not shape.flat else 0, lean=not shape.flat
            )
