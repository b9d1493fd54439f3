"""Formats of masks and bad input: one line that names the file and the field, before anything large is allocated."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from formats import planted
from PIL import Image
from scipy.io import savemat

from n2vlib.errors import BadInput
from n2vlib.probe.sources import runlengths
from n2vlib.probe.sources.formats import cvat, label_studio, labelme, sbd

FIXTURES = Path(__file__).parent / "formats"
H, W = planted.SIZE


@pytest.fixture
def images(tmp_path) -> Path:
    (tmp_path / "images").mkdir()
    for name in ("photo.png", "empty.png"):
        Image.new("RGB", (W, H)).save(tmp_path / "images" / name)
    return tmp_path / "images"


def refused(read: Callable, match: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(BadInput, match=match) as error:
            for one in read() or ():
                [*one.regions()]
        assert "\n" not in str(error.value)
        assert tracemalloc.get_traced_memory()[1] < 2**27
    finally:
        tracemalloc.stop()


# --- run-lengths


@pytest.mark.parametrize("lengths", [[], [5], [7], [-1, 7], [3.0, 3], [True, 5], ["6"], [2**62, 2**62], [10**400]])
def test_run_lengths_must_add_up(lengths):
    refused(lambda: runlengths.alternating(lengths, (2, 3), "a.xml, rle"), r"^a\.xml, rle: .*add up to 3 x 2 pixels")


def stream(n: int, *blocks: str) -> list[int]:
    bits = f"{n:032b}{7:05b}" + "0010" * 4 + "".join(blocks)
    return [*int(bits.ljust(-8 * (-len(bits) // 8), "0"), 2).to_bytes(-(-len(bits) // 8), "big")]


@pytest.mark.parametrize(
    ("listed", "why"),
    [
        ([], "holds 0 values"),
        ([0, 1, 256], "list of bytes"),
        ([0.5], "list of bytes"),
        (stream(2**32 - 1, "1"), "holds 4294967295 values of 8 bits, not 4 for each of 3 x 2"),
        (stream(24), "is damaged"),
        (stream(24, "10011111111111"), "is damaged"),  # 8 of 24 values
        (stream(24, *["10011100000001"] * 2, "10011000000001", "000010"), "is damaged"),  # a literal is cut off
        (stream(24, *["000111" + "1" * 64] * 2, "000111" + "1" * 8), "is damaged"),
    ],
)
def test_bit_streams_must_be_whole(listed, why):
    refused(lambda: runlengths.packed(listed, (2, 3), "a.json, rle"), rf"^a\.json, rle: .*{why}")


# --- annotation tools


def changed_labelme(images: Path, folder: Path, change: Callable[[dict], object]) -> Callable:
    record = json.loads((FIXTURES / "labelme.json").read_text())
    change(record)
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(record))
    return lambda: labelme.read(images, folder)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda record: record.pop("imagePath"), "a.json: imagePath is missing"),
        (lambda record: record.update(imagePath="../../etc/passwd"), "a.json, imagePath: '.*passwd' is no file in"),
        (lambda record: record.update(imagePath="x" * 9999), r"a.json, imagePath: '\./x+' is no file in"),
        (lambda record: record.update(imageHeight=10**9, imageWidth=10**9), "imageHeight and imageWidth: .*at most"),
        (lambda record: record.update(imageHeight=-1), "imageHeight and imageWidth: -1 and 24 must be whole"),
        (lambda record: record.update(imageHeight=10**999), "imageHeight and imageWidth: 1000.* must be a number"),
        (lambda record: record.update(shapes={}), "a.json: shapes is missing, or is not what it must be"),
        (lambda record: record["shapes"][1].pop("label"), r"a.json, shapes\[1\]: label is missing"),
        (lambda record: record["shapes"][0].update(points=[[1, 2], [3]]), r"shapes\[0\]: points must be a list of"),
        (lambda record: record["shapes"][0].update(points=[[1, float("inf")]]), "Infinity is no number of JSON"),
        (lambda record: record["shapes"][0].update(points=[[1, 1e300]]), r"shapes\[0\]: 1e\+300 must be a number"),
        (lambda record: record["shapes"][1].update(points=[[1, 2]]), r"shapes\[1\]: a rectangle must have 2 points"),
        (lambda record: record["shapes"][0].update(shape_type="cube"), r"shapes\[0\]: shape_type 'cube' is not known"),
        (lambda record: record["shapes"][0].update(shape_type=["cube"]), r"shapes\[0\]: shape_type .* is not known"),
        (
            lambda record: record["shapes"][3].update(points=[[4, 3], [24, 13]]),
            r"shapes\[3\]: the mask's box .* is not",
        ),
        (
            lambda record: record["shapes"][3].update(points=[[4, 3], [22, 13]]),
            r"shapes\[3\]: mask is 11 x 20, its",
        ),
        (lambda record: record["shapes"][3].update(mask="iVBO"), r"shapes\[3\]: mask cannot be read as a PNG"),
        (lambda record: record["shapes"][3].update(mask="%%%"), r"shapes\[3\]: mask cannot be read as a PNG"),
        (lambda record: record["shapes"][3].update(mask=None), r"shapes\[3\]: mask is missing"),
    ],
)
def test_labelme(images, tmp_path, change, why):
    refused(changed_labelme(images, tmp_path / "labels", change), why)


def test_a_shape_outside_is_clipped_and_said(images, tmp_path):
    far = [[-500, 2], [500, 2], [500, 5], [-500, 5]]
    [one] = changed_labelme(images, tmp_path / "labels", lambda record: record["shapes"][0].update(points=far))()
    *_, note, region = one.regions()
    assert note.text == "shapes reach outside the image: clipped"
    assert np.array_equal(region.mask, np.repeat([[False], [True], [False]], [2, 3, H - 5], axis=0).repeat(W, axis=1))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('width="24" height="16">', 'width="24">', r"cvat.xml, image 'photo.png': None must be a number"),
        ('width="24" height="16">', 'width="99999999" height="99999999">', "at most 89,478,485 pixels"),
        ('rle="', 'rle="-1, ', r"shape 1 \(mask\), rle: run-lengths must be whole numbers that add up"),
        ('rle="', 'rle="99999999999999999999, ', "add up to 20 x 11 pixels"),
        ('rle="', 'rle="a, ', r"shape 1 \(mask\): rle must be whole numbers"),
        ('left="4"', 'left="5"', r"shape 1 \(mask\): left, top, width and height are not inside"),
        ('left="4"', 'left="4.5"', r"shape 1 \(mask\): left 4.5 must be a whole number"),
        ('xtl="5.70"', 'xtl="nan"', r"shape 3 \(box\), xtl: 'nan' must be a number"),
        ('points="2.00,1.00', 'points="2.00', r"shape 2 \(polygon\): points must be"),
        ('points="2.00,1.00', 'points="2.00,x', r"shape 2 \(polygon\), points: 'x' must be a number"),
        ('label="box"', "", r"shape 3 \(box\): has no label"),
        ("<polyline", "<cube", "cvat.xml: cannot be read as XML: mismatched tag"),
        ("<meta>", "<track/><meta>", "cvat.xml: is an export for video; choose 'CVAT for images 1.1'"),
        ("<annotations>", "<!DOCTYPE a [<!ENTITY b 'b'>]><annotations>", r"cvat.xml: has a document type"),
        ("utf-8", "klingon", "cvat.xml: cannot be read as XML: unknown encoding"),
        ('name="photo.png"', 'name="/etc/passwd"', "image '/etc/passwd': '/etc/passwd' is no file in"),
        ("<annotations>", "<annotations>" + "<image>" * 99, "cvat.xml: elements are nested too deeply"),
    ],
)
def test_cvat(images, tmp_path, old, new, why):
    text = (FIXTURES / "cvat.xml").read_text()
    assert old in text
    (tmp_path / "cvat.xml").write_text(text.replace(old, new, 1))
    refused(lambda: cvat.read(images, tmp_path / "cvat.xml"), why)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda task, results: task.pop("annotations"), "a.json, task 1: has no list of annotations; .*JSON-MIN"),
        (lambda task, results: task["annotations"][0].pop("result"), "task 1, annotation: result is missing"),
        (
            lambda task, results: task["data"].update(image="http://127.0.0.1:1/no.png"),
            "1, data: .* is no file in",
        ),
        (
            lambda task, results: task.update(data={"a": "b", "c": 1}),
            r"which of the data's keys \(a, c\) is the",
        ),
        (lambda task, results: results[0].update(image_rotation=90), "result 1: was drawn on a turned image"),
        (lambda task, results: results[0].update(original_width=None), "result 1, original_height and original_width"),
        (lambda task, results: results[0].update(original_width=25), "result 1, rle: holds 1536 values of 8 bits"),
        (lambda task, results: results[0]["value"]["rle"].pop(0), "result 1, rle: holds"),
        (lambda task, results: results[0]["value"].update(rle=[0] * 9), "result 1, rle: holds 0 values"),
        (lambda task, results: results[1]["value"].update(width="wide"), "result 2, width: 'wide' must be a number"),
        (lambda task, results: results[1]["value"].pop("x"), "result 2, x: None must be a number"),
        (
            lambda task, results: results[2]["value"].update(points=[[1]]),
            "result 3: points must be a list of",
        ),
        (lambda task, results: results.append(None), "result 4: type is missing"),
    ],
)
def test_label_studio(images, tmp_path, change, why):
    tasks = json.loads((FIXTURES / "label_studio.json").read_text())
    change(tasks[0], tasks[0]["annotations"][0]["result"])
    (tmp_path / "a.json").write_text(json.dumps(tasks))
    refused(lambda: label_studio.read(images, tmp_path / "a.json"), why)


def test_which_annotations_of_label_studio_count(images, tmp_path):
    [task] = json.loads((FIXTURES / "label_studio.json").read_text())
    [first] = task["annotations"]
    _, box, _ = first["result"]
    skipped, truth = {**first, "was_cancelled": True}, {**first, "ground_truth": True, "result": [box]}
    chosen = {"type": "choices", "value": {"choices": ["street"]}}
    key_point = {"type": "keypointlabels", "value": {"x": 1, "y": 2, "width": 3, "keypointlabels": ["nose"]}}
    place = {"original_width": W, "original_height": H, "id": "a"}
    egg = {"x": 50, "y": 25, "radiusX": 12.5, "radiusY": 12.5, "rotation": 90, "ellipselabels": ["egg"]}
    area = {"x": 25, "y": 50, "width": 50, "height": 25}
    split = [{"type": "rectangle", "value": area}, {"type": "labels", "value": {**area, "labels": ["a", "b"]}}]
    others = [key_point, {"type": "ellipselabels", "value": egg}, *split]
    listed = [
        {**task, "annotations": [skipped]},
        {**task, "annotations": []},
        {**task, "annotations": [skipped, first, truth]},
        {"data": {"note": "x", "picture": "empty.png"}, "annotations": [{"result": [chosen]}]},
        {"data": {"image": "third.png"}, "completions": [{"result": [{**place, **each} for each in others]}]},
    ]
    (tmp_path / "a.json").write_text(json.dumps(listed))
    Image.new("RGB", (W, H)).save(images / "third.png")
    one, empty, third = label_studio.read(images, tmp_path / "a.json", choices="scene")
    note, region = one.regions()
    assert note.text.startswith("several annotations") and region.concept == "box"
    assert (empty.name, empty.whole, [*empty.regions()]) == ("empty.png", (("scene", "street"),), [])
    first, second, egg, note = third.regions()
    assert (first.concept, second.concept, egg.concept) == ("a", "b", "egg")
    assert np.array_equal(np.argwhere(first.mask)[[0, -1]], [[8, 6], [11, 17]]) and first.mask.sum() == 4 * 12
    rows, columns = np.indices(planted.SIZE) + 0.5
    assert np.array_equal(egg.mask, ((rows - 4) / 3) ** 2 + ((columns - 12) / 2) ** 2 <= 1)  # turned: wide is now high
    assert note.text == "results of type keypointlabels are no masks: left out"


# --- all


@pytest.mark.parametrize("value", [{"Segmentation": np.zeros((2, 2))}, {"Segmentation": []}, {"x": 1}, 1, "text"])
def test_sbd_with_other_fields(images, tmp_path, value):
    (tmp_path / "labels").mkdir()
    (images / "photo.jpg").write_bytes(b"")
    savemat(tmp_path / "labels/photo.mat", {"GTcls": value})
    refused(lambda: sbd.read(images, tmp_path / "labels"), r"photo\.mat: (field Segmentation|GTcls) must be")


def test_changed_bytes_are_read_or_refused(images, tmp_path):
    """Random changes of files that are read: no other error than BadInput, in one line."""
    rng = np.random.default_rng(0)
    (images / "photo.jpg").write_bytes(b"")
    for compressed in (False, True):
        variable = {"GTcls": {"Segmentation": np.eye(5, dtype=np.uint8)}}
        savemat(tmp_path / f"{compressed}.mat", variable, do_compression=compressed)
    mats = {tmp_path / f"{compressed}.mat": (sbd.read, "photo.mat", "") for compressed in (False, True)}
    tools = {
        FIXTURES / "label_studio.json": (label_studio.read, "a.json", "a.json"),
        FIXTURES / "labelme.json": (labelme.read, "a.json", ""),
        FIXTURES / "cvat.xml": (cvat.read, "a.xml", "a.xml"),
    }
    for n, (file, (read, name, labels)) in enumerate((mats | tools).items()):
        (folder := tmp_path / str(n)).mkdir()
        refusals = 0
        for _ in range(40):
            content = bytearray(file.read_bytes())
            for at in rng.integers(len(content), size=rng.integers(1, 4)):
                content[at] = rng.integers(256) if rng.random() < 0.5 else ord(rng.choice([*'0-9.,;"{}[]e']))
            (folder / name).write_bytes(content)
            try:
                for one in read(images, folder / labels):
                    [*one.regions()]
            except BadInput as error:
                refusals += 1
                assert "\n" not in str(error)
        assert refusals > 5, file
