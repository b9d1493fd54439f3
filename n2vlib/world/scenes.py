"""A picture of one of the twelve scenes: light, backdrop, then its crowd from far to near."""

from dataclasses import replace
from random import Random

from n2vlib.world.backdrops import sky
from n2vlib.world.canvas import SIZE, Canvas
from n2vlib.world.crowds import CROWDS, crowd_rows
from n2vlib.world.outdoors import BACKDROPS
from n2vlib.world.palette import LIGHT_ODDS, LIGHTS, Light
from n2vlib.world.rooms import room
from n2vlib.world.stage import Stage
from n2vlib.world.things import THINGS

INDOOR = ("kitchen", "bedroom", "living_room", "office")
SMALL = {"flower": 1.25, "bird": 1.2, "ball": 1.1, "mushroom": 1.3}


COVERS = {
    "kitchen": (("tile", "tile", "plaster", "brick"), ("tile", "tile", "wood")),
    "bedroom": (("plaster", "plaster", "paper", "wood"), ("wood", "fabric")),
    "living_room": (("plaster", "paper", "brick", "wood"), ("wood", "wood", "fabric")),
    "office": (("plaster", "plaster", "brick", "wood"), ("wood", "fabric", "tile")),
}


def pick_light(rng: Random, indoors: bool) -> Light:
    """The light of a picture. Indoors there is no sky and the tint is milder."""
    light = replace(rng.choices(LIGHTS, LIGHT_ODDS)[0], side=rng.choice((-1, 1)))
    if indoors:
        tint = tuple(1 - (1 - v) * 0.55 for v in light.tint)
        return replace(light, tint=tint, shadow=0.34, power=1.0)  # type: ignore[arg-type]
    return light


def compose(rng: Random, canvas: Canvas, scene: str) -> Stage:
    """Paint one picture of `scene`: its backdrop, then its crowd from far to near."""
    if scene in INDOOR:
        return _indoors(rng, canvas, scene)
    stage = Stage(rng, canvas, rng.uniform(36, 52), rng.uniform(27, 36), rng.uniform(0.35, 0.75))
    edge = stage.horizon
    if scene == "street":  # a high camera; the sky reaches down between the houses
        stage.horizon -= 6
        edge = stage.y_at(0.34) - 8
    sky(canvas, rng, edge)
    _in_sky(stage, scene)
    BACKDROPS[scene](stage)
    _on_ground(stage, scene)
    return stage


def _drawn(rng: Random, scene: str, places: tuple[str, ...]) -> list[tuple[str, float, str]]:
    """(kind, nearness or height, place) of the things drawn at random from the crowd of `scene`."""
    out = []
    for kind, percent, fewest, most, place, low, high in crowd_rows(CROWDS[scene]):
        if rng.random() * 100 < percent and place in places:
            out += [(kind, rng.uniform(low, high), place) for _ in range(rng.randint(fewest, most))]
    return out


def _company(rng: Random, scene: str) -> list[tuple[str, float, str]]:
    """The things on the ground: of two draws the one with more, up to three counted, so that few pictures are empty."""
    return max((_drawn(rng, scene, ("ground",)) for _ in range(2)), key=lambda rows: min(len(rows), 3))


def _in_sky(stage: Stage, scene: str) -> None:
    for kind, height, _ in _drawn(stage.rng, scene, ("sky",)):
        y = stage.rng.uniform(0.08, 0.66) * stage.horizon + 2
        far = stage.rng.uniform(0.1, 0.45) if kind == "cloud" else 0.2
        stage.hang(kind, stage.rng.uniform(4, SIZE - 4), y, height, far)


def _on_ground(stage: Stage, scene: str) -> None:
    afloat = {"beach": ("boat",), "harbor": ("boat", "duck")}.get(scene, ())
    for kind, near, _ in sorted(_company(stage.rng, scene), key=lambda row: row[1]):
        size = SMALL.get(kind.split("/")[0], 1.0)
        name, box = stage.stand(kind, near, size=size, shadow=kind not in afloat)
        if name == "streetlight" and stage.canvas.light.dark:
            stage.canvas.glow(box[0] + box[2] / 2, box[1] + 0.1 * box[3], 16, 0.6)


def _indoors(rng: Random, canvas: Canvas, scene: str) -> Stage:
    edge = rng.uniform(66, 78)
    stage = Stage(rng, canvas, edge - 66, rng.uniform(46, 58), 0.0)
    room(canvas, rng, edge, *COVERS[scene])
    _on_wall(stage, scene, edge)
    wanted = [kind for kind, _, _ in _drawn(rng, scene, ("on",))]
    floor = sorted(_company(rng, scene), key=lambda row: row[1] if row[0] != "rug" else 0)
    bearers = [kind for kind, _, _ in floor if THINGS.get(kind) and THINGS[kind].top]
    for kind, near, _ in floor:
        name, box = stage.stand(kind, near, shadow=kind != "rug")
        if kind in bearers:
            share = len(wanted) // len(bearers)
            bearers.remove(kind)
            here, wanted = (wanted[: share or 1], wanted[share or 1 :]) if bearers else (wanted[:5], [])
            stage.load(name, box, here)
        if name == "lamp/floor" and (canvas.light.dark or canvas.light.name == "dusk"):
            canvas.glow(box[0] + box[2] / 2, box[1] + box[3] * 0.2, 26, 0.5)
    return stage


def _on_wall(stage: Stage, scene: str, edge: float) -> None:
    rng, hung = stage.rng, _drawn(stage.rng, scene, ("wall",))
    slots = [16 + 80 * (k + rng.uniform(0.3, 0.7)) / max(len(hung), 1) for k in range(len(hung))]
    rng.shuffle(slots)
    for (kind, height, _), x in zip(hung, slots, strict=True):
        y = rng.uniform(16, 26) if kind != "windowpane" else rng.uniform(22, 28)
        box = stage.hang(kind, x, y, height)
        if kind == "windowpane" and rng.random() < 0.5 and scene != "office":
            tall = min(edge - 6 - box[1] + 2, box[3] * rng.uniform(1.15, 1.5))
            pair = rng.getstate()  # both curtains are cut from one cloth
            for side in (box[0] - 0.1 * box[2], box[0] + box[2] * 0.86):
                rng.setstate(pair)
                stage.paint("curtain", (side, box[1] - 3, box[2] * 0.24, tall))
