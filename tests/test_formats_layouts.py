"""Formats of data sets, on folders of their published layout: field by field as the formats' docstrings cite it."""

import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csc_array
from torchvision.datasets import SBDataset

from n2vlib.errors import BadInput
from n2vlib.probe.sources.annotated import Annotated, Note, Region
from n2vlib.probe.sources.formats import ade20k, color_png, pascal_part, sbd, sceneparse150

SIZE = (4, 6)
CHAIR, LEG, TREE = 71, 256, 355  # numbers of classes above and below 256
NAMES = {CHAIR: "chair", LEG: "leg, limb", TREE: "tree, woody plant"}


def picture(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", SIZE[::-1], "gray").save(file)


def masks(one: Annotated) -> dict[tuple[str, str], np.ndarray]:
    found = defaultdict(lambda: np.zeros(SIZE, bool))
    for region in one.regions():
        if isinstance(region, Region):
            found[region.category, region.concept] |= region.mask
    return dict(found)


# --- CamVid's colors

ANIMAL, ARCHWAY, UNSURE = (64, 128, 64), (192, 0, 128), (0, 0, 0)
TABLES = {
    "label_colors.txt": "64 128 64\tAnimal\n192 0 128\tArchway\n0 0 0\tVoid\n",  # CamVid
    "class_dict.csv": "name,r,g,b\nAnimal, 64, 128, 64\nArchway, 192, 0, 128\nVoid, 0, 0, 0\n",  # its copies
    "labelmap.txt": "# label:color_rgb:parts:actions\nAnimal:64,128,64::\nArchway:192,0,128::\nVoid:0,0,0::\n",  # CVAT
    "groups.csv": "category,red,green,blue,class\n,64,128,64,Animal\nobject,192,0,128,Archway\n,0,0,0,void\n",
}


def camvid(folder: Path, table: str, mode: str = "RGB") -> np.ndarray:
    """An image with its mask, and one without; where the mask has an animal."""
    for stem in ("0001TP_006690", "0001TP_006720"):
        picture(folder / f"701_StillsRaw_full/{stem}.png")
    colors = np.full((*SIZE, 3), ARCHWAY, np.uint8)
    colors[1:, :2], colors[0, 3:] = ANIMAL, UNSURE
    (folder / "LabeledApproved_full").mkdir()
    mask = Image.fromarray(colors)
    mask = mask.quantize(colors=3) if mode == "P" else mask.convert(mode)
    mask.save(folder / "LabeledApproved_full/0001TP_006690_L.png")
    (folder / table).write_text(TABLES[table])
    return (colors == ANIMAL).all(axis=2)


@pytest.mark.parametrize(
    ("table", "mode"), [*((name, "RGB") for name in TABLES), *((next(iter(TABLES)), m) for m in ("P", "RGBA"))]
)
def test_camvid_by_its_table_of_colors(tmp_path, table, mode):
    animal = camvid(tmp_path, table, mode)
    folders = tmp_path / "701_StillsRaw_full", tmp_path / "LabeledApproved_full"
    one, bare = color_png.read(*folders, names=tmp_path / table, suffix="_L")
    assert (one.name, bare.name, masks(bare)) == ("0001TP_006690.png", "0001TP_006720.png", {})
    found = masks(one)
    assert found.keys() == {("object", "Animal"), ("object", "Archway")}
    assert np.array_equal(found["object", "Animal"], animal)
    assert not found["object", "Archway"][0, 3:].any() and found["object", "Archway"].sum() == 24 - 3 - animal.sum()


def test_colors_without_a_name_are_one_line_that_says_which_and_where(tmp_path):
    camvid(tmp_path, "label_colors.txt")
    folders = tmp_path / "701_StillsRaw_full", tmp_path / "LabeledApproved_full"
    names, mask = tmp_path / "label_colors.txt", folders[1] / "0001TP_006690_L.png"
    names.write_text("64 128 64\tAnimal\n192 0 128\tArchway\n")
    one, _ = color_png.read(*folders, names=names, suffix="_L")
    with pytest.raises(
        BadInput, match="0001TP_006690_L.png: the color 0,0,0 at row 0, column 3 has no name; add it to lab"
    ):
        masks(one)
    one, _ = color_png.read(*folders, names=names, suffix="_L", void="0,0,0; 9,9,9")
    assert len(masks(one)) == 2 and Note("void color 0,0,0 is unlabelled") in [*one.regions()]
    Image.fromarray(np.array([[ANIMAL, (65, 128, 63)]], np.uint8)).save(mask)
    one, _ = color_png.read(*folders, names=names, suffix="_L")
    with pytest.raises(BadInput, match=r"65,128,63 at row 0, column 1 .* \(nearest: 64,128,64 'Animal'; was it a JPEG"):
        masks(one)
    for text, why in {
        "64 128 64 a\n64 128 64 b": "64,128,64 has two names, 'a' and 'b'",
        "64 128 64 a\n0 0 1 a": "'a' names both 64,128,64 and 0,0,1",
        "64 128 256 a": "'64 128 256' is no color",
        "64 128 a": "'64 128 a' must be a color and a name",
        "": "has no name",
    }.items():
        names.write_text(text)
        with pytest.raises(BadInput, match=why):
            [*color_png.read(*folders, names=names)]
    for given, why in (
        ({"names": names, "void": "black"}, "option void: 'black' must be a color"),
        ({}, "needs the option names"),
    ):
        names.write_text("64 128 64 a")
        with pytest.raises(BadInput, match=why):
            [*color_png.read(*folders, **given)]


# --- ADE20K


def coded(classes: np.ndarray, instances: np.ndarray) -> Image.Image:
    """loadAde20K.m backwards: class = R / 10 * 256 + G, instances in B."""
    return Image.fromarray(np.stack([classes // 256 * 10, classes % 256, instances], axis=-1).astype(np.uint8))


def ade(folder: Path, stem: str) -> tuple[np.ndarray, np.ndarray]:
    """An image with two chairs and a tree, and legs on one chair; their values rise, but are not 1, 2, 3."""
    classes, instances, parts = np.zeros((3, *SIZE), int)
    classes[:, :2], classes[:, 3], classes[0, 4:] = CHAIR, CHAIR, TREE
    instances[:, :2], instances[:, 3], instances[0, 4:] = 40, 90, 200
    parts[3, :2] = LEG
    picture(folder / f"{stem}.jpg")
    coded(classes, instances).save(folder / f"{stem}_seg.png")
    coded(parts, (parts > 0) * 128).save(folder / f"{stem}_parts_1.png")
    return classes, parts


def check_ade(one: Annotated, classes: np.ndarray, parts: np.ndarray, tree: str = "tree") -> None:
    found = masks(one)
    assert found.keys() == {("object", "chair"), ("object", tree), ("part", "leg")}
    assert np.array_equal(found["object", "chair"], classes == CHAIR)
    assert np.array_equal(found["object", tree], classes == TREE)
    assert np.array_equal(found["part", "leg"], parts == LEG)


def test_ade20k_of_2021_with_json(tmp_path):
    drawn = ade(tmp_path / "ADE/training/urban/street", "ADE_train_00000001")
    objects = [{"id": n, "name": NAMES[c], "name_ndx": c} for n, c in enumerate([CHAIR, LEG, TREE, CHAIR])]
    record = {"annotation": {"scene": ["outdoor", "urban", "street"], "object": objects}}
    file = tmp_path / "ADE/training/urban/street/ADE_train_00000001.json"
    file.write_text(json.dumps(record))
    [one] = ade20k.read(tmp_path)
    assert (one.name, one.whole) == ("ADE/training/urban/street/ADE_train_00000001.jpg", (("scene", "street"),))
    check_ade(one, *drawn)
    del objects[2]
    file.write_text(json.dumps(record))
    [one] = ade20k.read(tmp_path, tmp_path)
    assert masks(one).keys() == {("object", "chair"), ("part", "leg")}
    assert Note("classes that have no name are unlabelled") in one.regions()


ATR = """001 # 0 # 0 # chair # armchair # "wooden, brown"
002 # 0 # 1 # chair # chair # ""
003 # 0 # 0 # tree, woody plant # tree # ""
001 # 1 # 0 # leg, limb # leg # ""
"""


def test_ade20k_of_2016_with_text(tmp_path):
    drawn = ade(tmp_path / "training/s/street", "ADE_train_00000001")
    rows = tmp_path / "training/s/street/ADE_train_00000001_atr.txt"
    rows.write_text(ATR)
    [one] = ade20k.read(tmp_path, tmp_path, synonyms=False)
    assert one.whole == (("scene", "street"),)
    check_ade(one, *drawn)
    rows.write_text(ATR.replace("002 # 0 # 1 # chair", "002 # 0 # 1 # sofa"))
    with pytest.raises(BadInput, match="_atr.txt, row 2: class 71 is 'chair' elsewhere and 'sofa' here"):
        masks(one)


def test_ade20k_of_2016_with_its_index(tmp_path):
    drawn = ade(tmp_path / "images", "ADE_train_00000001")
    names = np.array([NAMES.get(number, f"class {number}") for number in range(1, 400)], object)
    savemat(tmp_path / "index_ade20k.mat", {"index": {"objectnames": names, "filename": "x"}})
    [one] = ade20k.read(tmp_path / "images", tmp_path / "images", index=tmp_path / "index_ade20k.mat", synonyms=True)
    found = masks(one)
    assert one.whole == () and found.keys() == {("object", "chair"), ("object", NAMES[TREE]), ("part", NAMES[LEG])}
    assert np.array_equal(found["object", NAMES[TREE]], drawn[0] == TREE)


def test_a_photograph_is_no_map_of_ade20k(tmp_path):
    picture(tmp_path / "a.jpg")
    Image.new("RGB", SIZE[::-1], (12, 0, 0)).save(tmp_path / "a_seg.png")
    (tmp_path / "a_atr.txt").touch()
    [one] = ade20k.read(tmp_path, tmp_path)
    with pytest.raises(BadInput, match="a_seg.png: red must be a multiple of 10"):
        masks(one)


# --- SceneParse150

TABLE = """Idx\tRatio\tTrain\tVal\tName
1\t0.1576\t11664\t1172\twall
8\t0.0231\t1906\t199\tbed 
22 \t0.0074\t709\t75\twater
59\t0.0015\t139\t18\tscreen, door
131\t0.0003\t108\t13\tscreen, silver screen
"""


def test_sceneparse150(tmp_path):
    picture(tmp_path / "images/training/ADE_train_00000001.jpg")
    values = np.array([[0, 1, 8, 22, 59, 131]] * 4, np.uint8)
    (labels := tmp_path / "annotations/training").mkdir(parents=True)
    Image.fromarray(values).save(labels / "ADE_train_00000001.png")
    (tmp_path / "objectInfo150.txt").write_text(TABLE)
    (tmp_path / "sceneCategories.txt").write_text("ADE_train_00000001 airport_terminal\n")
    [one] = sceneparse150.read(tmp_path / "images", tmp_path / "annotations")
    assert (one.name, one.whole) == ("training/ADE_train_00000001.jpg", (("scene", "airport_terminal"),))
    names = {1: "wall", 8: "bed", 22: "water", 59: "screen, door", 131: "screen, silver screen"}
    found = masks(one)
    assert found.keys() == {("object", name) for name in names.values()}  # 0, other objects, is none
    assert all(np.array_equal(found["object", name], values == number) for number, name in names.items())


def test_sceneparse150_without_its_table_or_with_other_values(tmp_path):
    picture(tmp_path / "images/a.jpg")
    (tmp_path / "annotations").mkdir()
    Image.new("L", SIZE[::-1], 7).save(tmp_path / "annotations/a.png")
    with pytest.raises(BadInput, match="give it as names"):
        next(sceneparse150.read(tmp_path / "images", tmp_path / "annotations"))
    (tmp_path / "info.txt").write_text(TABLE)
    [one] = sceneparse150.read(tmp_path / "images", tmp_path / "annotations", names=tmp_path / "info.txt")
    with pytest.raises(BadInput, match="a.png: 24 pixels have the value 7"):
        masks(one)


# --- SBD and PASCAL-Part


def test_sbd_as_torchvision_reads_it(tmp_path):
    picture(tmp_path / "img/2008_000002.jpg")
    (tmp_path / "cls").mkdir()
    (tmp_path / "train.txt").write_text("2008_000002\n")
    values = np.array([[0, 0, 1, 15, 20, 20]] * 4, np.uint8)
    edges = np.array([csc_array(values == number) for number in range(1, 21)], object)[:, None]
    fields = {"Segmentation": values, "Boundaries": edges, "CategoriesPresent": [[1, 15, 20]]}
    savemat(tmp_path / "cls/2008_000002.mat", {"GTcls": fields})
    theirs = np.asarray(SBDataset(tmp_path, mode="segmentation")[0][1])
    [one] = sbd.read(tmp_path / "img", tmp_path / "cls")
    found = masks(one)
    assert found.keys() == {("object", "aeroplane"), ("object", "person"), ("object", "tvmonitor")}
    assert np.array_equal(found["object", "person"], theirs == 15)
    assert np.array_equal(found["object", "tvmonitor"], theirs == 20)


def structures(*rows: dict) -> np.ndarray:
    """A MATLAB structure array of one row."""
    found = np.zeros((1, len(rows)), [(name, object) for name in rows[0]])
    for n, row in enumerate(rows):
        for name, value in row.items():
            found[name][0, n] = value
    return found


@pytest.mark.parametrize("sides", [False, True])
def test_pascal_part(tmp_path, sides):
    picture(tmp_path / "JPEGImages/2008_000003.jpg")
    whole, left, right, wheel = np.zeros((4, *SIZE), np.uint8)
    whole[1:], left[2, 0], right[2, 3], wheel[3] = 1, 1, 1, 1
    parts = structures({"part_name": "lfuleg", "mask": left}, {"part_name": "rblleg", "mask": right})
    horse = {"class": "horse", "class_ind": 13, "mask": whole, "parts": parts}
    car = {"class": "car", "class_ind": 7, "mask": wheel, "parts": structures({"part_name": "wheel_2", "mask": wheel})}
    boat = {"class": "boat", "class_ind": 4, "mask": wheel, "parts": np.zeros((0, 0))}
    (labels := tmp_path / "Annotations_Part").mkdir()
    anno = structures({"imname": "2008_000003", "objects": structures(horse, car, boat)})
    savemat(labels / "2008_000003.mat", {"anno": anno}, do_compression=True)
    [one] = pascal_part.read(tmp_path / "JPEGImages", labels, sides=sides)
    found = masks(one)
    legs = [("part", "lfuleg"), ("part", "rblleg")] if sides else [("part", "leg")]
    assert found.keys() == {("object", "horse"), ("object", "car"), ("object", "boat"), ("part", "wheel"), *legs}
    assert np.array_equal(np.any([found[leg] for leg in legs], axis=0), left + right > 0)
    assert np.array_equal(found["object", "horse"], whole > 0) and np.array_equal(found["part", "wheel"], wheel > 0)


def test_names_of_parts():
    """Names of part2ind.m; what is left, right, front, back, upper or lower is one concept with the others."""
    means = {
        "leye reye": "eye", "lear rear": "ear", "lebrow rebrow": "eyebrow", "lwing rwing": "wing",
        "lleg rleg lfleg lbleg rfuleg rflleg lbuleg lblleg ruleg rlleg luleg llleg": "leg", "lfoot rfoot": "foot",
        "luarm llarm ruarm rlarm": "arm", "lhand": "hand", "lfpa rbpa": "paw", "lfho rbho": "hoof", "lhorn": "horn",
        "fwheel bwheel wheel_3": "wheel", "chainwheel": "chainwheel", "leftmirror rightmirror": "mirror",
        "fliplate bliplate": "license plate", "head": "head", "body": "body", "handlebar": "handlebar",
        "headlight_1": "headlight", "window_12": "window", "cleftside_1": "cleftside", "hbackside": "hbackside",
        "torso": "torso", "tail": "tail", "beak": "beak", "nose": "nose", "muzzle": "muzzle", "plant": "plant",
    }  # fmt: skip
    for names, concept in means.items():
        assert {pascal_part.part_name(name, sides=False) for name in names.split()} == {concept}
        assert pascal_part.part_name(names.split()[0], sides=True) == names.split()[0].split("_")[0]
