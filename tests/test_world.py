"""The drawn world: the same everywhere, consistent labels, the frequencies the papers' analyses need."""

from functools import lru_cache

import numpy as np
import pytest

from n2vlib import world
from n2vlib.errors import BadInput
from n2vlib.probe import load_probe
from n2vlib.world.catalog import CONCEPTS, OBJECT, PART, SCENE, TEXTURE
from n2vlib.world.things import THINGS

N = 300
NUMBERS = {category: {n for n, _, c in CONCEPTS if c == category} for category in {c for _, _, c in CONCEPTS}}


@lru_cache
def scenes() -> list[world.Scene]:
    return [world.scene(0, index) for index in range(N)]


def pixels(drawn: world.Scene, category: str) -> np.ndarray:
    return drawn.maps[category][0] if category in drawn.maps else np.zeros((56, 56), np.uint16)


def test_label_maps_are_those_of_the_committed_digest():
    assert world.labels_digest(0, 40) == world.DIGEST


def test_a_scene_depends_on_its_seed_and_index_alone():
    first = world.scene(3, 7)
    world.scene(3, 1), world.scene(4, 7)
    again = world.scene(3, 7)
    assert np.array_equal(first.image, again.image) and first.boxes == again.boxes
    assert all(np.array_equal(first.maps[c][0], again.maps[c][0]) for c in first.maps)
    assert not np.array_equal(first.image, world.scene(4, 7).image)


def test_catalogue_has_the_promised_sizes_and_unique_names():
    assert {c: len(numbers) for c, numbers in NUMBERS.items()} == {
        "color": 11, "object": len(OBJECT), "part": 30, "material": 10, "scene": 12, "texture": 12,
    }  # fmt: skip
    assert 55 <= len(OBJECT) <= 70
    assert len({name for _, name, _ in CONCEPTS}) == len(CONCEPTS)
    assert [number for number, _, _ in CONCEPTS] == list(range(1, len(CONCEPTS) + 1))


def test_images_and_maps_have_their_shapes_and_known_numbers():
    for drawn in scenes():
        assert drawn.image.shape == (112, 112, 3) and drawn.image.dtype == np.uint8
        for category, (labels,) in drawn.maps.items():
            assert labels.shape == (56, 56) and labels.dtype == np.uint16
            assert set(np.unique(labels).tolist()) <= NUMBERS[category] | {0}
        assert drawn.objects == set(np.unique(pixels(drawn, "object")).tolist()) - {0}


def test_every_pixel_has_a_color_and_in_a_scene_an_object():
    for drawn in scenes():
        assert pixels(drawn, "color").all()
        assert pixels(drawn, "object").all() == bool(drawn.scene)


def test_an_image_is_either_a_scene_or_a_swatch_of_one_texture():
    for drawn in scenes():
        if drawn.scene:
            assert drawn.whole == {"scene": [drawn.scene]} and drawn.scene in SCENE.values()
        else:
            assert set(drawn.whole) == {"texture"} and drawn.whole["texture"][0] in TEXTURE.values()
            assert not drawn.objects and "part" not in drawn.maps
    assert 0.07 < np.mean([not drawn.scene for drawn in scenes()]) < 0.18


def test_parts_lie_on_objects_that_have_them():
    has = {(thing.number, shape.part) for thing in THINGS.values() for shape in thing.shapes}
    for drawn in scenes():
        part, whole = pixels(drawn, "part"), pixels(drawn, "object")
        assert {(int(o), int(p)) for o, p in zip(whole[part > 0], part[part > 0], strict=True)} <= has
    shared = [part for part in PART.values() if len({o for o, p in has if p == part}) > 1]
    assert len(shared) >= 10 and {p for _, p in has} - {0} == set(PART.values())


def test_things_are_visible_inside_their_boxes():
    standing = {thing.number for thing in THINGS.values()}
    for drawn in scenes()[:100]:
        for number in drawn.objects & standing:
            rows, columns = np.nonzero(pixels(drawn, "object") == number)
            inside = np.zeros(len(rows), dtype=bool)
            for kind, (left, top, right, bottom) in drawn.boxes:
                slack_x, slack_y = 4 + 0.2 * (right - left), 4 + 0.2 * (bottom - top)
                across = (columns * 2 + 1 > left - slack_x) & (columns * 2 + 1 < right + slack_x)
                down = (rows * 2 + 1 > top - slack_y) & (rows * 2 + 1 < bottom + slack_y)
                inside |= (kind == number) & across & down
            assert inside.all(), (number, drawn.boxes)


def test_most_objects_and_parts_are_in_under_a_tenth_of_the_images():
    for category in ("object", "part"):
        counts = np.array([sum((pixels(s, category) == n).any() for s in scenes()) for n in NUMBERS[category]])
        assert (counts < 0.1 * N).mean() > 0.55


def test_pixels_of_a_color_have_it_in_daylight():
    """Labels come from paint: under neutral light a red pixel is redder than it is blue, and so on."""
    sums: dict[str, list[np.ndarray]] = {}
    names = {n: name for n, name, c in CONCEPTS if c == "color"}
    for drawn in scenes():
        small = drawn.image.reshape(56, 2, 56, 2, 3).mean(axis=(1, 3))
        for number in np.unique(pixels(drawn, "color")):
            sums.setdefault(names[int(number)], []).append(small[pixels(drawn, "color") == number].mean(axis=0))
    mean = {name: np.mean(values, axis=0) for name, values in sums.items()}
    assert mean["red-c"].argmax() == 0 and mean["green-c"].argmax() == 1 and mean["blue-c"].argmax() == 2
    assert mean["white-c"].min() > mean["grey-c"].min() > mean["black-c"].min()
    assert mean["yellow-c"][2] < mean["yellow-c"][1] and mean["pink-c"][0] > mean["purple-c"][0]


def test_drawing_twice_gives_equal_folders_that_load(tmp_path, monkeypatch):
    monkeypatch.setenv("N2V_DATA", str(tmp_path / "data"))
    for name in ("one", "two"):
        world.draw(tmp_path / name, n_images=12, seed=5)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert len(files) > 12 * 3
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
    probe = load_probe(str(tmp_path / "one"))
    names = {number: name for number, name, _ in CONCEPTS}
    assert len(probe.images) == 12 and all(names[n] == probe.concepts.name[n] for n in probe.concepts.index)
    position = probe.images.index("world/5_000003.png")
    drawn = world.scene(5, 3)
    assert np.array_equal(probe.image(position), drawn.image)
    for labels in (layer for layers in drawn.maps.values() for layer in layers):
        for number in set(np.unique(labels).tolist()) - {0}:
            assert np.array_equal(probe.annotated(number, position), labels == number)


def test_a_folder_with_files_is_not_overwritten(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").write_text("mine")
    with pytest.raises(BadInput, match="already there"):
        world.draw(tmp_path / "there", n_images=1)
