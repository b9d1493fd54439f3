"""COCO's files, VOC's boxes and labels of whole images become probe sets; COCO's own tool is the oracle for masks."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from n2vlib.errors import BadInput
from n2vlib.probe import load_probe
from n2vlib.probe.sources.annotated import Region
from n2vlib.probe.sources.formats import coco, coco_panoptic, voc_boxes
from n2vlib.probe.sources.make import make

SIZE = (20, 30)
CATEGORIES = [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}]
SQUARE = [2, 3, 12, 3, 12, 9, 2, 9]


@pytest.fixture(autouse=True)
def caches_lie_in_a_folder_of_the_test(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("N2V_DATA", str(tmp_path_factory.mktemp("data")))


def images(root: Path, *names: str) -> None:
    for name in names:
        (root / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((*SIZE, 3), 99, np.uint8)).save(root / "images" / name)


def instances(root: Path, *annotations: dict, **changed) -> Path:
    """A COCO file with two images, the second without annotations."""
    images(root, "a.png", "b.png")
    listed = [{"id": i, "file_name": f"{name}.png", "height": 20, "width": 30} for i, name in enumerate("ab")]
    numbered = [{"id": i, "image_id": 0, "category_id": 18, "iscrowd": 0} | each for i, each in enumerate(annotations)]
    file = root / "coco.json"
    file.write_text(json.dumps({"images": listed, "annotations": numbered, "categories": CATEGORIES} | changed))
    return file


def regions(root: Path, *annotations: dict, **options) -> list[Region]:
    first = next(coco.read(root / "images", instances(root, *annotations), **options))
    return [each for each in first.regions() if isinstance(each, Region)]


def counted(mask: np.ndarray) -> list[int]:
    """Run-lengths column by column, 0 first, by a loop over pixels."""
    counts, value = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            counts, value = [*counts, 0], pixel
        counts[-1] += 1
    return counts


def ring() -> np.ndarray:
    """A mask with a hole, touching the right border."""
    mask = np.zeros(SIZE, bool)
    mask[4:16, 10:] = True
    mask[8:12, 15:20] = False
    return mask


def test_the_parts_of_an_instance_are_joined_and_not_cut_out_of_each_other(tmp_path):
    (found,) = regions(tmp_path, {"segmentation": [SQUARE, [4, 4, 10, 4, 10, 8, 4, 8], [20, 0, 25, 0, 25, 5, 20, 5]]})
    wanted = np.zeros(SIZE, bool)
    wanted[3:9, 2:12] = wanted[0:5, 20:25] = True
    assert (found.mask == wanted).all()
    assert (found.category, found.concept) == ("object", "dog")


def test_run_lengths_of_a_crowd_go_column_by_column_and_keep_their_hole(tmp_path):
    crowd = {"segmentation": {"size": [*SIZE], "counts": counted(ring())}, "iscrowd": 1, "category_id": 3}
    (found,) = regions(tmp_path, crowd)
    assert (found.mask == ring()).all()
    assert found.concept == "car"
    assert not regions(tmp_path, crowd, crowds=False)


def test_compressed_run_lengths_are_what_coco_wrote(tmp_path):
    tool = pytest.importorskip("faster_coco_eval.core.mask")
    for mask in (ring(), np.random.default_rng(0).random(SIZE) < 0.4):
        encoded = tool.encode(np.asfortranarray(mask.astype(np.uint8)))
        text = {"size": [*SIZE], "counts": encoded["counts"].decode()}
        (found,) = regions(tmp_path, {"segmentation": text})
        assert (found.mask == mask).all()
    for damaged in (text["counts"][:9], text["counts"] + "zzz", "ooooooooooooooooooooo", "\u00ff"):
        with pytest.raises(BadInput, match=r"annotations\[0\]: counts cannot be read"):
            regions(tmp_path, {"segmentation": {"size": [*SIZE], "counts": damaged}})


def test_without_the_extra_compressed_run_lengths_name_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval.core", None)
    with pytest.raises(BadInput, match=r"n2vlib\[masks\]"):
        regions(tmp_path, {"segmentation": {"size": [*SIZE], "counts": "abc"}})


def test_a_box_is_a_mask_only_where_that_is_asked_for(tmp_path):
    box = {"bbox": [2, 3, 10, 6]}
    with pytest.raises(BadInput, match="the option boxes"):
        regions(tmp_path, box)
    assert regions(tmp_path, box, boxes=True)[0].mask.sum() == 60


def test_a_coco_file_becomes_a_probe_set_and_what_is_clipped_is_said(tmp_path):
    file = instances(
        tmp_path, {"segmentation": [[20, 5, 90, 5, 90, 15, 20, 15]]}, {"segmentation": [SQUARE], "category_id": 3}
    )
    result = make(tmp_path / "out", tmp_path / "images", file, format="coco", size=SIZE, label_size=SIZE)
    probe = load_probe(tmp_path / "out")
    assert any(line.startswith("polygons reach outside the image: clipped (1 of 2 images") for line in result.notes)
    assert probe.annotated("dog", probe.images.index("a.png")).sum() == 100
    assert probe.annotated("car", probe.images.index("a.png")).sum() == 60
    assert not probe.images_with("dog").tolist().count(probe.images.index("b.png"))


BAD = {
    "image outside": ({"images": [{"id": 0, "file_name": "../a.png", "height": 20, "width": 30}]}, "no path below"),
    "image missing": (
        {"images": [{"id": 0, "file_name": "c.png", "height": 20, "width": 30}]},
        "there is no file c.png",
    ),
    "image unknown": ({"images": []}, "not among its images"),
    "too many pixels": ({"images": [{"id": 0, "file_name": "a.png", "height": 10**6, "width": 10**6}]}, "at most"),
    "no categories": ({"categories": 7}, "categories is missing"),
    "category unknown": ({"categories": []}, "not among the categories"),
    "another size": ({"images": [{"id": 0, "file_name": "a.png", "height": 90, "width": 30}]}, "another shape"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_coco_file_is_one_line_and_leaves_nothing(tmp_path, kind):
    changed, message = BAD[kind]
    file = instances(tmp_path, {"segmentation": [SQUARE]}, **changed)
    with pytest.raises(BadInput, match=message) as error:
        make(tmp_path / "out", tmp_path / "images", file, format="coco")
    assert "\n" not in str(error.value)
    assert not [path.name for path in tmp_path.iterdir() if "out" in path.name]


@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [9, 9], "counts": [81]},
        {"size": [20, 30], "counts": [5]},
        {"size": [20, 30], "counts": [-1, 601]},
        [[1]],
        [3],
    ],
)
def test_bad_masks_name_their_annotation(tmp_path, segmentation):
    with pytest.raises(BadInput, match=r"coco.json, annotations\[0\]"):
        regions(tmp_path, {"segmentation": segmentation})


def panoptic(root: Path, ids: np.ndarray, *segments: dict) -> Path:
    images(root, "a.png")
    (root / "panoptic").mkdir(exist_ok=True)
    Image.fromarray(np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8)).save(
        root / "panoptic/a.png"
    )
    record = {
        "images": [{"id": 7, "file_name": "a.png"}],
        "annotations": [{"image_id": 7, "file_name": "a.png", "segments_info": segments}],
        "categories": CATEGORIES,
    }
    (root / "panoptic.json").write_text(json.dumps(record))
    return root / "panoptic.json"


def test_panoptic_segments_go_by_their_ids_and_void_is_no_region(tmp_path):
    ids = np.zeros(SIZE, int)
    ids[:5], ids[5:9], ids[9:12] = 70_000, 300, 5
    segments = [
        {"id": 70_000, "category_id": 18},
        {"id": 300, "category_id": 3},
        {"id": 5, "category_id": 3, "iscrowd": 1},
    ]
    (each,) = coco_panoptic.read(tmp_path / "images", panoptic(tmp_path, ids, *segments))
    found = {(region.concept, int(region.mask.sum())) for region in each.regions()}
    assert found == {("dog", 5 * 30), ("car", 4 * 30), ("car", 3 * 30)}
    (each,) = coco_panoptic.read(tmp_path / "images", tmp_path / "panoptic.json", crowds=False)
    assert ("car", 90) not in {(region.concept, int(region.mask.sum())) for region in each.regions()}
    (each,) = coco_panoptic.read(tmp_path / "images", panoptic(tmp_path, ids, *segments[1:]))
    with pytest.raises(BadInput, match="segment 70000 is not in segments_info"):
        list(each.regions())


XML = """<annotation><filename>a.png</filename><object><name>dog</name><difficult>{difficult}</difficult>
<bndbox><xmin>3</xmin><ymin>4</ymin><xmax>12</xmax><ymax>9</ymax></bndbox>
<part><name>head</name><bndbox><xmin>3</xmin><ymin>4</ymin><xmax>4</xmax><ymax>5</ymax></bndbox></part></object></annotation>"""


def test_voc_boxes_count_from_one_and_hold_their_last_pixel_and_parts_are_parts(tmp_path):
    images(tmp_path, "a.png")
    (tmp_path / "xml").mkdir()
    (tmp_path / "xml/a.xml").write_text(XML.format(difficult=1))
    (each,) = voc_boxes.read(tmp_path / "images", tmp_path / "xml")
    whole, head = (region for region in each.regions() if isinstance(region, Region))
    assert (whole.category, whole.concept, head.category, head.concept) == ("object", "dog", "part", "head")
    assert whole.mask[3:9, 2:12].all()
    assert (whole.mask.sum(), head.mask.sum()) == (60, 4)
    (each,) = voc_boxes.read(tmp_path / "images", tmp_path / "xml", difficult=False)
    assert not list(each.regions())


def test_folders_and_tables_label_whole_images_and_the_missing_masks_are_said(tmp_path):
    images(tmp_path, "dog/1.png", "train/cat/2.png", "3.png")
    result = make(tmp_path / "out", tmp_path / "images", format="image-folders", size=SIZE)
    assert any("category class has no masks" in line for line in result.notes)
    assert any("unlabelled (1 of 3 images, first 3.png)" in line for line in result.notes)
    table = load_probe(tmp_path / "out").concepts
    assert set(table["name"]) == {"dog", "cat"}
    assert not table["segmentable"].any()


@pytest.mark.parametrize(
    "text",
    ["image,label\ndog/1.png,dog;wet\ndog/1.png,old\n", "file,dog,cat,wet,old\ndog/1.png,1,-1,1,1\n"],
)
def test_a_table_lists_labels_or_marks_them(tmp_path, text):
    images(tmp_path, "dog/1.png")
    (tmp_path / "labels.csv").write_text(text)
    make(tmp_path / "out", tmp_path / "images", tmp_path / "labels.csv", format="image-csv", size=SIZE)
    assert set(load_probe(tmp_path / "out").concepts["name"]) == {"dog", "wet", "old"}


def test_a_table_may_not_name_files_outside(tmp_path):
    images(tmp_path, "1.png")
    (tmp_path / "labels.csv").write_text("image,label\n/etc/hostname,dog\n")
    with pytest.raises(BadInput, match="row 2: '/etc/hostname' is no path below"):
        make(tmp_path / "out", tmp_path / "images", tmp_path / "labels.csv", format="image-csv")
