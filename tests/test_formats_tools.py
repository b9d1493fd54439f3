"""Formats of annotation tools, on files that the tools' own code wrote (formats/write.py): masks with known answers."""

import json
import shutil
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from formats import planted
from PIL import Image

from n2vlib.probe import load_probe
from n2vlib.probe.sources import addresses, runlengths, shapes
from n2vlib.probe.sources.annotated import Annotated, Note, Region
from n2vlib.probe.sources.formats import cityscapes, cvat, label_studio, labelme
from n2vlib.probe.sources.make import make

FIXTURES = Path(__file__).parent / "formats"
ROWS, COLUMNS = np.indices(planted.SIZE) + 0.5


def pictures(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", planted.SIZE[::-1], "gray").save(folder / name)
    return folder


def masks(one: Annotated) -> dict[str, np.ndarray]:
    found = defaultdict(lambda: np.zeros(planted.SIZE, bool))
    for region in one.regions():
        if isinstance(region, Region):
            found[region.concept] |= region.mask
    return found


def notes(one: Annotated) -> list[str]:
    return [each.text for each in one.regions() if isinstance(each, Note)]


def test_labelme(tmp_path):
    images = pictures(tmp_path / "pictures", "photo.png")
    (labels := tmp_path / "labels").mkdir()
    shutil.copy(FIXTURES / "labelme.json", labels)
    [one] = labelme.read(images, labels, flags="scene")
    assert (one.name, one.whole) == ("photo.png", (("scene", "street"),))
    assert notes(one) == ["lines and points have no area: left out"]
    [without] = labelme.read(images, labels)
    assert without.whole == () and notes(without)[0].startswith("flags are left out")
    found = masks(one)
    assert np.array_equal(found.pop("brush"), planted.MASK)
    assert np.array_equal(found.pop("polygon"), planted.inside(planted.POLYGON))
    assert np.array_equal(found.pop("circle"), np.hypot(COLUMNS - 11, ROWS - 8) <= 5)
    rectangle = np.zeros(planted.SIZE, bool)
    rectangle[4:12, 5:20] = True
    assert np.array_equal(found.pop("rectangle"), rectangle)
    assert not found


@pytest.mark.parametrize("concept", ["polygon", "rectangle", "circle"])
def test_labelme_itself_draws_the_same_but_for_the_outline(tmp_path, concept):
    images = pictures(tmp_path, "photo.png")
    shutil.copy(FIXTURES / "labelme.json", tmp_path)
    [one] = labelme.read(images)
    theirs, ours = np.asarray(Image.open(FIXTURES / f"labelme_{concept}.png")) > 0, masks(one)[concept]
    around = [np.roll(np.pad(ours, 1), (y, x), (0, 1))[1:-1, 1:-1] for y in (-1, 0, 1) for x in (-1, 0, 1)]
    differ, at_outline = theirs ^ ours, np.any(around, axis=0) & ~np.all(around, axis=0)
    assert differ.any() and not (differ & ~at_outline).any()


def test_label_studio(tmp_path):
    [one] = label_studio.read(pictures(tmp_path, "photo.png"), FIXTURES / "label_studio.json")
    assert one.name == "photo.png"
    assert [each.concept for each in one.regions()] == ["polygon", "box", "brush"]  # the last one is in front
    found = masks(one)
    assert np.array_equal(found["brush"], planted.MASK)
    assert np.array_equal(found["polygon"], planted.inside(planted.POLYGON))
    assert np.array_equal(found["box"], planted.inside(planted.CORNERS))


def test_cvat(tmp_path):
    one, empty = cvat.read(pictures(tmp_path, "photo.png", "empty.png"), FIXTURES / "cvat.xml", tags="scene")
    assert (one.name, one.whole, empty.whole, [*empty.regions()]) == ("photo.png", (("scene", "street"),), (), [])
    assert [each.concept for each in one.regions() if isinstance(each, Region)] == [
        "box",
        "brush",
        "ellipse",
        "polygon",
    ]
    found = masks(one)
    assert np.array_equal(found["brush"], planted.MASK)
    assert np.array_equal(found["polygon"], planted.inside(planted.POLYGON))
    assert np.array_equal(found["ellipse"], ((COLUMNS - 11) / 5) ** 2 + ((ROWS - 8) / 3) ** 2 <= 1)
    # The box is (12, 6) about (11.7, 7.6): planted.CORNERS, turned about its centre and rounded to hundredths.
    assert np.array_equal(found["box"], planted.inside(planted.CORNERS))
    assert notes(one) == ["polylines, points, cuboids and skeletons are no masks: left out"]
    shutil.copy(FIXTURES / "cvat.xml", tmp_path / "annotations.xml")
    without, _ = cvat.read(tmp_path, tmp_path)
    assert without.whole == () and notes(without)[0].startswith("tags are left out")


def test_a_project_of_cvat_has_a_folder_for_each_subset(tmp_path):
    text = (FIXTURES / "cvat.xml").read_text()
    (tmp_path / "annotations.xml").write_text(text.replace('name="photo.png"', 'name="photo.png" subset="Train"'))
    images = pictures(tmp_path / "images", "Train/photo.png", "photo.png", "empty.png")
    assert [one.name for one in cvat.read(images, tmp_path)] == ["Train/photo.png", "empty.png"]


def test_cityscapes(tmp_path):
    stem = "train/aachen/aachen_000000_000019"
    images = pictures(tmp_path / "leftImg8bit", f"{stem}_leftImg8bit.png")
    file = tmp_path / "gtFine" / f"{stem}_gtFine_labelIds.png"
    file.parent.mkdir(parents=True)
    shutil.copy(FIXTURES / "cityscapes_labelIds.png", file)
    shutil.copytree(tmp_path / "gtFine/train", tmp_path / "gtFine/test")  # whose labels are void in the original
    [one] = cityscapes.read(images, tmp_path / "gtFine")
    assert one.name == f"{stem}_leftImg8bit.png"
    found, ids = masks(one), np.asarray(Image.open(file))
    assert sorted(found) == ["car", "road", "sky"] and (ids == 3).any()  # void is no concept
    for concept, number in {"car": 26, "road": 7, "sky": 23}.items():
        assert np.array_equal(found[concept], ids == number)


def test_the_ids_of_cityscapes_are_those_of_its_scripts():
    table = {int(number): row for number, row in json.loads((FIXTURES / "cityscapes_ids.json").read_text()).items()}
    assert cityscapes._names() == {n: None if kind == "void" else ("object", name) for n, (name, kind) in table.items()}


@pytest.mark.parametrize("format", ["labelme", "label-studio", "cvat"])
def test_a_probe_set_is_made_of_them(tmp_path, monkeypatch, format):
    monkeypatch.setenv("N2V_DATA", str(tmp_path / "data"))
    images = pictures(tmp_path / "images", "photo.png", "empty.png")
    (folder := tmp_path / "labelme").mkdir()
    shutil.copy(FIXTURES / "labelme.json", folder)
    files = {"labelme": folder, "label-studio": FIXTURES / "label_studio.json", "cvat": FIXTURES / "cvat.xml"}
    made = make(tmp_path / "set", images, files[format], format=format, size=planted.SIZE, label_size=planted.SIZE)
    probe = load_probe(tmp_path / "set")
    assert [each for each in made.problems if each.severity == "error"] == []
    assert np.array_equal(probe.annotated("brush", probe.images.index("photo.png")), planted.MASK)
    assert np.array_equal(probe.annotated("polygon", probe.images.index("photo.png")), planted.inside(planted.POLYGON))


def encoded(values: np.ndarray, sizes: tuple[int, ...], rng: np.random.Generator) -> list[int]:
    """Bytes in Label Studio's coding, written bit by bit from its description: runs and literals in turn."""
    bits = f"{len(values):032b}{7:05b}" + "".join(f"{size - 1:04b}" for size in sizes)
    at = 0
    while at < len(values):
        which = int(rng.integers(4))
        n = int(min(rng.integers(1, 2 ** sizes[which] + 1), len(values) - at))
        run = 1
        while run < n and values[at + run] == values[at]:
            run += 1
        repeated = run > 1
        n = run if repeated else n
        listed = values[at : at + 1] if repeated else values[at : at + n]
        bits += f"{int(repeated)}{which:02b}{n - 1:0{sizes[which]}b}" + "".join(f"{value:08b}" for value in listed)
        at += n
    bits += "0" * (-len(bits) % 8)
    return [int(bits[i : i + 8], 2) for i in range(0, len(bits), 8)]


@pytest.mark.parametrize("seed", range(5))
def test_bit_streams_with_runs_and_literals(seed):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, (7, 9, 4)) * (rng.random((7, 9, 1)) < 0.5)
    values[2:4] = values[2, 0]
    stream = encoded(values.ravel(), (3, 4, 8, 2), rng)
    assert np.array_equal(runlengths.packed(stream, (7, 9), "x"), values[..., 3] > 0)


def test_run_lengths_go_row_by_row_and_begin_with_0():
    mask = np.array([[0, 0, 1], [1, 0, 1]], bool)
    assert np.array_equal(runlengths.alternating([2, 2, 1, 1], (2, 3), "x"), mask)
    assert np.array_equal(runlengths.alternating([0, 2, 2, 1, 1], (2, 3), "x"), ~mask)


def test_turned_boxes_and_ellipses():
    assert np.allclose(shapes.rotated([(1, 0)], (0, 0), 90), [(0, 1)])  # from right to down
    for degrees in (0, 30, 90, 200):
        found = shapes.ellipse((9.3, 6.1), (8, 3), degrees, planted.SIZE)
        for y, x in np.ndindex(planted.SIZE):
            [(u, v)] = shapes.rotated([(x + 0.5, y + 0.5)], (9.3, 6.1), -degrees)
            assert found[y, x] == (((u - 9.3) / 8) ** 2 + ((v - 6.1) / 3) ** 2 <= 1)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("a/b.png", "a/b.png"),
        ("C:\\data\\a\\b.png", "a/b.png"),
        ("../../x/a/b.png", "a/b.png"),
        ("https://host/x/a/b.png?X-Amz-Signature=1", "a/b.png"),
        ("https://host/x/c%20d.png", "c d.png"),
        ("s3://bucket/c d.png", "c d.png"),
        ("/data/local-files/?d=x/a/b.png", "a/b.png"),
        ("/data/upload/3/0a1b2c3d-c d.png", "c d.png"),
        ("100%.png", "100%.png"),
    ],
)
def test_an_address_means_the_file_by_the_end_of_its_path(tmp_path, address, name):
    images = pictures(tmp_path, "a/b.png", "c d.png", "100%.png")
    assert addresses.meant(images, address, "x") == name
