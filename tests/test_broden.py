"""What the writer puts on disk, against values worked out by hand and against hashlib and Pillow."""

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
from handmade import NAMES, build, draw
from PIL import Image

from n2vlib.errors import BadInput
from n2vlib.probe import load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.probe.check import check
from n2vlib.probe.layout import decoded, encoded, place_of, split_of


@pytest.fixture(autouse=True)
def caches_lie_in_a_folder_of_the_test(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("N2V_DATA", str(tmp_path_factory.mktemp("data")))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def two_images() -> list[Labelled]:
    """Two 4 x 4 images with 2 x 2 maps, small enough to work out the tables by hand."""
    grey = np.full((4, 4, 3), 128, dtype=np.uint8)
    maps = {
        "object": [np.array([[3, 3], [0, 0]], np.uint16), np.array([[3, 0], [0, 700]], np.uint16)],
        "part": [np.array([[5, 0], [0, 0]], np.uint16)],
        "material": [np.array([[5, 0], [0, 0]], np.uint16)],
    }
    return [
        Labelled("a/one.png", grey, maps, {"scene": [9]}),
        Labelled("a/two.jpg", grey, {"object": [np.array([[3, 0], [0, 0]], np.uint8)]}, {"texture": [6, 8, 0]}),
    ]


FIVE = {3: "dog", 5: "fur", 6: "knitted", 8: "woven", 9: "field-s", 700: "tail, thin", 20: "never seen"}


def test_order_and_split_are_those_of_the_released_index():
    # The first and the last rows of Broden's index that come from ADE20K: ascending place, all train, all val.
    first = ["train_00003891", "train_00006107", "train_00010928", "train_00018550", "train_00019640"]
    last = ["train_00018677", "train_00013592", "train_00012144", "train_00014744", "train_00013008"]
    names = [f"ade20k/ADE_{name}.jpg" for name in first + last]
    assert sorted(names, key=place_of) == names
    assert [split_of(name) for name in names] == ["train"] * 5 + ["val"] * 5


def test_an_image_trains_if_the_start_of_its_md5_is_at_most_seven_tenths():
    names = [f"source/{i}.png" for i in range(2000)]
    hexadecimal = [int(hashlib.md5(name.encode()).hexdigest()[:16], 16) / 16**16 for name in names]
    assert [split_of(name) == "train" for name in names] == [place <= 0.7 for place in hexadecimal]
    assert 0.66 < np.mean([place <= 0.7 for place in hexadecimal]) < 0.74


def test_the_tables_are_the_ones_worked_out_by_hand(tmp_path):
    write(tmp_path / "set", two_images(), FIVE)
    assert {path.name for path in (tmp_path / "set").iterdir()} == {
        *("images", "index.csv", "label.csv", "category.csv", "c_object.csv", "c_part.csv", "c_material.csv"),
        *("c_scene.csv", "c_texture.csv"),
    }
    # md5('a/one.png') starts with 0x31, md5('a/two.jpg') with 0x3d (md5sum says so): one comes first, both train.
    assert (tmp_path / "set/index.csv").read_text() == (
        "image,split,ih,iw,sh,sw,object,part,material,texture,scene\n"
        "a/one.png,train,4,4,2,2,a/one_object_1.png;a/one_object_2.png,a/one_part.png,a/one_material.png,,9\n"
        "a/two.jpg,train,4,4,2,2,a/two_object.png,,,6;8,\n"
    )
    # dog: half of one image (two layers, which overlap), a quarter of the other. fur: a quarter, in two categories.
    assert (tmp_path / "set/label.csv").read_text() == (
        "number,name,category,frequency,coverage,syns\n"
        "3,dog,object(2),2,0.750000,\n"
        "5,fur,part(1);material(1),2,0.500000,\n"
        "6,knitted,texture(1),1,1.000000,\n"
        "8,woven,texture(1),1,1.000000,\n"
        "9,field-s,scene(1),1,1.000000,\n"
        '700,"tail, thin",object(1),1,0.250000,\n'
    )
    # By smallest label; part and material, which share theirs, in Broden's own order.
    assert (tmp_path / "set/category.csv").read_text() == (
        "name,first,last,count,frequency\n"
        "object,3,700,2,3\npart,5,5,1,1\nmaterial,5,5,1,1\ntexture,6,8,2,2\nscene,9,9,1,1\n"
    )
    assert (tmp_path / "set/c_object.csv").read_text() == (
        'code,number,name,frequency,coverage\n1,3,dog,2,0.750000\n2,700,"tail, thin",1,0.250000\n'
    )


def test_a_label_is_red_plus_256_green(tmp_path):
    write(tmp_path / "set", two_images(), FIVE)
    with Image.open(tmp_path / "set/images/a/one_object_2.png") as file:
        assert file.mode == "RGB"
        assert file.getpixel((1, 1)) == (700 - 2 * 256, 2, 0)
        assert file.getpixel((0, 0)) == (3, 0, 0)
    every = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    assert np.array_equal(decoded(encoded(every)), every)  # uint8 * 256 would lose the green


def test_images_are_png_or_jpeg_by_their_suffix(tmp_path):
    write(tmp_path / "set", two_images(), FIVE)
    for name, kind in {"one.png": "PNG", "two.jpg": "JPEG"}.items():
        with Image.open(tmp_path / "set/images/a" / name) as file:
            assert file.format == kind and file.size == (4, 4)


@pytest.mark.parametrize(("ih", "sh"), [(224, 112), (227, 113), (384, 192)])
def test_label_maps_are_half_the_image_rounded_down(tmp_path, ih, sh):
    image = np.zeros((ih, ih, 3), dtype=np.uint8)
    write(tmp_path / "set", [Labelled("x.jpg", image, {"object": [np.ones((sh, sh), np.uint16)]})], {1: "all"})
    [row] = rows(tmp_path / "set/index.csv")
    assert (row["ih"], row["iw"], row["sh"], row["sw"]) == (str(ih), str(ih), str(sh), str(sh))
    assert load_probe(tmp_path / "set").label_size == (sh, sh)


def test_what_is_written_is_read_back_to_the_pixel(tmp_path):
    world = build(tmp_path / "set")
    probe = load_probe(tmp_path / "set")
    assert sorted(probe.images) == sorted(world.images)
    for i, image in enumerate(probe.images):
        assert np.array_equal(probe.image(i), world.images[image])
        for number in NAMES:
            expected = world.masks[image].get(number, np.zeros(probe.label_size, dtype=bool))
            assert np.array_equal(probe.annotated(number, i), expected), (image, NAMES[number])


def test_rows_are_in_md5_order_and_the_split_may_be_given(tmp_path):
    build(tmp_path / "set", n_images=40)
    names = [row["image"] for row in rows(tmp_path / "set/index.csv")]
    assert names == sorted(names, key=lambda name: hashlib.md5(name.encode()).hexdigest())
    assert {row["split"] for row in rows(tmp_path / "set/index.csv")} == {"train", "val"}
    scenes = [draw(i, 32, 0)[0] for i in range(6)]
    write(tmp_path / "own", scenes, NAMES, split=lambda name: "val" if "003" in name else "train")
    assert [row["image"] for row in rows(tmp_path / "own/index.csv") if row["split"] == "val"] == ["shapes/003.png"]


def test_renumbering_orders_by_frequency_then_coverage_and_changes_nothing_else(tmp_path):
    scenes = [draw(i, 48, 0)[0] for i in range(24)]
    write(tmp_path / "given", scenes, NAMES)
    write(tmp_path / "anew", scenes, NAMES, renumber=True)
    given, anew = load_probe(tmp_path / "given"), load_probe(tmp_path / "anew")
    assert anew.concepts.index.tolist() == list(range(1, len(given.concepts) + 1))
    sizes = list(zip(anew.concepts["frequency"], anew.concepts["coverage"], strict=True))
    assert sizes == sorted(sizes, reverse=True)
    for number, name in zip(given.concepts.index.tolist(), given.concepts["name"].tolist(), strict=True):
        assert np.array_equal(given.images_with(number), anew.images_with(name))
        for i in given.images_with(number):
            assert np.array_equal(given.annotated(number, i), anew.annotated(name, i))


GREY = np.zeros((4, 4, 3), dtype=np.uint8)
BAD_SCENES = {
    "two files of one name": [Labelled("a.png", GREY), Labelled("a.png", GREY)],
    "map of the image's size": [Labelled("a.png", GREY, {"object": [np.ones((4, 4), np.uint16)]})],
    "label without a name": [Labelled("a.png", GREY, {"object": [np.full((2, 2), 21, np.uint16)]})],
    "whole label without a name": [Labelled("a.png", GREY, whole={"scene": [-1]})],
    "two sizes": [Labelled("a.png", GREY), Labelled("b.png", np.zeros((6, 6, 3), np.uint8))],
    "floats": [Labelled("a.png", GREY.astype(np.float32))],  # type: ignore[arg-type]
    "out of the folder": [Labelled("../a.png", GREY)],
    "category as a path": [Labelled("a.png", GREY, whole={"../c": [3]})],
    "no image": [],
}


@pytest.mark.parametrize("scenes", BAD_SCENES.values(), ids=BAD_SCENES.keys())
def test_a_scene_that_does_not_fit_is_one_error_and_leaves_nothing(tmp_path, scenes):
    with pytest.raises(BadInput):
        write(tmp_path / "set", scenes, FIVE)
    assert list(tmp_path.iterdir()) == []


def test_a_drawing_that_is_interrupted_leaves_nothing(tmp_path):
    def scenes():
        yield two_images()[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "set", scenes(), FIVE)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_files_is_never_written_over(tmp_path):
    (tmp_path / "set").mkdir()
    write(tmp_path / "set", two_images(), FIVE)  # an empty one may be used
    before = (tmp_path / "set/index.csv").read_text()
    with pytest.raises(BadInput, match="already there"):
        write(tmp_path / "set", [draw(0, 32, 0)[0]], NAMES)
    assert (tmp_path / "set/index.csv").read_text() == before


TOO_MANY = np.arange(1, 257, dtype=np.uint16).reshape(16, 16)


@pytest.mark.parametrize(
    "scenes",
    [
        [Labelled("a.png", np.zeros((1, 4, 3), np.uint8))],  # a map without rows
        [Labelled(" a.png", GREY)],
        [Labelled("b\\a.png", GREY)],
        [Labelled("C:a.png", GREY)],
        [Labelled("b\na.png", GREY)],
        [Labelled("a.png", GREY, whole={"scene ": [3]})],
        [Labelled("a.png", np.zeros((32, 32, 3), np.uint8), {"object": [TOO_MANY]})],
    ],
)
def test_what_the_reader_would_refuse_is_not_written(tmp_path, scenes):
    with pytest.raises(BadInput):
        write(tmp_path / "set", scenes, {number: f"concept {number}" for number in range(1, 300)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", " ", "dog ", "a\nb", "\ud800"])
def test_a_name_that_a_table_would_not_give_back_is_not_written(tmp_path, name):
    with pytest.raises(BadInput, match="label number 3: .* is no name"):
        write(tmp_path / "set", [Labelled("a.png", GREY, whole={"scene": [3]})], {3: name})
    with pytest.raises(BadInput, match="split 'test' must be train or val"):
        write(tmp_path / "set", [Labelled("a.png", GREY)], FIVE, split=lambda _: "test")


def test_whatever_is_written_is_read(tmp_path):
    names = ['a, "b".png', "images/1.0.png", "12:30.jpg", "ünï/#%&.png", "a b/.png.png"]
    layer = np.array([[1, 65535], [0, 256]], np.uint16)
    scenes = [Labelled(name, GREY + i, {"my things": [layer, layer[::-1]]}, {"k": [7]}) for i, name in enumerate(names)]
    write(tmp_path / "set", scenes, {1: "nan", 256: "=1;", 65535: "é", 7: "0"}, split=lambda _: "val")
    assert check(tmp_path / "set") == []
    probe = load_probe(tmp_path / "set")
    assert sorted(probe.images) == sorted(names) and probe.concepts["name"].tolist() == ["nan", "0", "=1;", "é"]
    assert probe.annotated("é", 0).tolist() == [[False, True], [False, True]]
