"""The concepts of the drawn world and their numbers.

Numbers run from 1 in the order color, object, part, material, scene, texture. Names follow Broden: colors end
in -c, scenes in -s. No name occurs twice, so every concept has exactly one category.
"""

_COLORS = "black blue brown grey green orange pink purple red white yellow"
_OBJECTS = (
    "sky wall floor grass road sidewalk sea sand mountain hill cloud "
    "house skyscraper barn lighthouse tent fence "
    "car bus truck bicycle boat airplane tractor "
    "dog cat cow horse sheep camel bird duck person "
    "tree pine palm bush cactus flower mushroom rock "
    "bench umbrella streetlight traffic_light ball kite balloon "
    "table chair sofa bed cabinet bookcase lamp refrigerator stove "
    "windowpane curtain painting rug clock monitor book bottle cup vase"
)
_PARTS = (
    "wheel window door roof chimney headlight handlebar sail hull wing tail head eye ear leg arm torso hair "
    "beak horn trunk crown drawer handle screen back seat pillow shade petal"
)
_MATERIALS = "brick wood foliage stone metal glass fabric tile fur plaster"
_SCENES = "beach street park forest farm mountain_snowy harbor desert kitchen bedroom living_room office"
_TEXTURES = "striped dotted chequered zigzagged woven honeycombed cracked marbled scaly bubbly crosshatched swirly"


def _numbered() -> list[tuple[int, str, str, str]]:
    """(number, plain name, name with Broden's ending, category) of every concept, in order."""
    kinds = (("color", _COLORS, "-c"), ("object", _OBJECTS, ""), ("part", _PARTS, ""))
    kinds += (("material", _MATERIALS, ""), ("scene", _SCENES, "-s"), ("texture", _TEXTURES, ""))
    plain = [(name, ending, category) for category, names, ending in kinds for name in names.split()]
    return [
        (number, name, (name + ending).replace("traffic_", "traffic "), category)
        for number, (name, ending, category) in enumerate(plain, start=1)
    ]


_ROWS = _numbered()

CONCEPTS: list[tuple[int, str, str]] = [(number, name, category) for number, _, name, category in _ROWS]


def _plain(category: str) -> dict[str, int]:
    return {plain: number for number, plain, _, of in _ROWS if of == category}


COLOR, OBJECT, PART = _plain("color"), _plain("object"), _plain("part")
MATERIAL, SCENE, TEXTURE = _plain("material"), _plain("scene"), _plain("texture")
