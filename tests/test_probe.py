"""Reading a probe set: against the hand-made world's own masks, and against a slow reader of one image at a time."""

import csv
import multiprocessing
import os
import pickle
import re
import shutil
import struct
import zlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from handmade import NAMES, NUMBERS, PIXEL_CATEGORIES, HandMade, build
from PIL import Image

import n2vlib.world
from n2vlib.errors import BadInput
from n2vlib.probe import ProbeSet, labels, load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.probe.layout import encoded


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> HandMade:
    return build(tmp_path_factory.mktemp("handmade") / "shapes")


@pytest.fixture(autouse=True)
def data(tmp_path_factory, monkeypatch) -> Path:
    """Caches of one test, not shared with others."""
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("N2V_DATA", str(folder))
    return folder


@pytest.fixture
def copy(world, tmp_path) -> Path:
    """A copy of the hand-made world that a test may damage."""
    return Path(shutil.copytree(world.root, tmp_path / "copy"))


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def slow_masks(root: Path, row: dict[str, str], number: int) -> np.ndarray:
    """One concept in one image, read with csv and Pillow, pixel by pixel."""
    found = np.zeros((int(row["sh"]), int(row["sw"])), dtype=bool)
    for category in ("color", "object", "part", "material", "scene", "texture"):
        for item in filter(None, row[category].split(";")):
            if item.isdigit():
                found |= int(item) == number
                continue
            with Image.open(root / "images" / item) as file:
                for place in np.ndindex(found.shape):
                    red, green, _ = file.getpixel(place[::-1])  # type: ignore[misc]
                    found[place] |= red + 256 * green == number
    return found


def test_masks_agree_with_a_slow_reader_of_the_files(world):
    probe = load_probe(world.root)
    with (world.root / "index.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == list(probe.images)
    assert [row["split"] for row in rows] == probe.split.tolist()
    for i in (0, 7, 15):
        for number in NAMES:
            assert np.array_equal(probe.annotated(number, i), slow_masks(world.root, rows[i], number))


def test_which_images_hold_a_concept(world):
    probe = load_probe(world.root)
    for number, name in NAMES.items():
        expected = [i for i, image in enumerate(probe.images) if number in world.masks[image]]
        assert probe.images_with(name).tolist() == expected
        for split in ("train", "val"):
            assert probe.images_with(number, split).tolist() == [i for i in expected if probe.split[i] == split]
    with pytest.raises(BadInput, match="split 'test'"):
        probe.images_with("disc", "test")


def test_the_label_cache_is_as_documented(world):
    probe = load_probe(world.root)
    decoded = probe.labels
    assert decoded.maps.dtype == np.uint8 and decoded.maps.shape[1] == 24 * 24
    for i, image in enumerate(probe.images):
        pairs = slice(decoded.pair_ptr[i], decoded.pair_ptr[i + 1])
        maps = decoded.maps[decoded.map_ptr[i] : decoded.map_ptr[i + 1]]
        truth = world.masks[image]
        assert decoded.pair_concept[pairs].tolist() == sorted(truth)
        assert decoded.pair_area[pairs].tolist() == [truth[number].sum() for number in sorted(truth)]
        whole = [NAMES[number] in ("striped", "day-s", "night-s") for number in sorted(truth)]
        assert (decoded.pair_local[pairs] == 0).tolist() == whole
        # Every value in a map is 0 or one pair's, and no map is there twice.
        assert set(np.unique(maps)) - {0} == set(decoded.pair_local[pairs].tolist()) - {0}
        assert len(np.unique(maps, axis=0)) == len(maps)
        # The rim is in part and in material; where nothing else is material, that is one map.
        expected = 1 + bool({4, 5} & set(truth)) + (6 in truth) + (8 in truth) + (300 in truth)
        assert len(maps) == expected
    assert "memmap" in type(decoded.maps).__name__


def test_a_map_named_twice_is_kept_once_and_an_empty_one_not_at_all(tmp_path):
    layer = np.array([[1, 0], [2, 0]], np.uint16)
    image = np.zeros((4, 4, 3), np.uint8)
    scene = Labelled("a.png", image, {"object": [layer], "part": [layer.copy()], "color": [layer[:, ::-1]]})
    write(tmp_path / "set", [scene], {1: "left", 2: "low"})
    Image.fromarray(np.zeros((2, 2, 3), np.uint8)).save(tmp_path / "set/images/blank.png")
    edit(tmp_path / "set/index.csv", "a_object.png", "a_object.png;blank.png")
    decoded = load_probe(tmp_path / "set").labels
    # Category order is color, object, part: the mirrored map comes first.
    assert decoded.maps.tolist() == [[0, 1, 0, 2], [1, 0, 2, 0]]
    assert decoded.pair_area.tolist() == [2, 2]  # the union of both


def test_a_concept_both_in_a_map_and_of_the_whole_image_is_whole(tmp_path):
    layer = np.array([[1, 2], [2, 0]], np.uint16)
    scene = Labelled("a.png", np.zeros((4, 4, 3), np.uint8), {"object": [layer]}, {"texture": [2]})
    write(tmp_path / "set", [scene], {1: "dog", 2: "fur"})
    probe = load_probe(tmp_path / "set")
    assert probe.annotated("fur", 0).all() and probe.annotated("dog", 0).tolist() == [[True, False], [False, False]]
    assert probe.labels.pair_local.tolist() == [1, 0] and probe.labels.pair_area.tolist() == [1, 4]
    assert probe.labels.maps.tolist() == [[1, 0, 0, 0]]


def test_zero_as_a_whole_image_label_is_no_label(copy, world):
    row = next(line for line in (copy / "index.csv").read_text().splitlines() if line.endswith((",10", ",10,")))
    edit(copy / "index.csv", row, row.replace(",10", ",0"))
    image = row.split(",")[0]
    before, after = load_probe(world.root), load_probe(copy)
    i = before.images.index(image)
    assert i in before.images_with("day-s")
    assert set(before.images_with("day-s")) - set(after.images_with("day-s")) == {i}
    assert 0 not in after.concepts.index and not after.annotated("day-s", i).any()


def test_whole_numbers_may_be_written_as_pandas_does_beside_empty_cells(copy, world):
    for path in (copy / "index.csv", copy / "label.csv", copy / "c_scene.csv"):
        table = pd.read_csv(path)
        names = table.columns.intersection(["scene", "texture", "number", "frequency", "ih", "sw"])
        table.astype(dict.fromkeys(names, float)).to_csv(path, index=False)
    assert ",10.0" in (copy / "index.csv").read_text() and "\n10.0," in (copy / "label.csv").read_text()
    before, after = load_probe(world.root), load_probe(copy)
    assert after.concepts.equals(before.concepts) and after.images == before.images
    for name in ("day-s", "night-s", "striped"):
        assert after.images_with(name).tolist() == before.images_with(name).tolist()


def test_the_primary_category_covers_most_and_the_last_one_wins_a_tie(world):
    concepts = load_probe(world.root).concepts
    assert concepts.loc[NUMBERS["rim"], "categories"] == ("part", "material")
    assert concepts.loc[NUMBERS["rim"], "category"] == "material"  # covers the same in both
    assert concepts.loc[NUMBERS["red square"], "category"] == "object"


def test_coverage_decides_the_primary_category(copy):
    text = (copy / "c_part.csv").read_text()
    line = next(line for line in text.splitlines() if ",rim," in line)
    (copy / "c_part.csv").write_text(text.replace(line, line.rpartition(",")[0] + ",99.0"))
    assert load_probe(copy).concepts.loc[NUMBERS["rim"], "category"] == "part"


def test_a_concept_is_segmentable_where_its_primary_category_has_maps(world):
    concepts = load_probe(world.root).concepts
    assert concepts.loc[concepts["segmentable"], "category"].isin(PIXEL_CATEGORIES).all()
    assert set(concepts.loc[~concepts["segmentable"], "name"]) == {"striped", "day-s", "night-s"}


def test_lines_may_end_in_crlf_and_a_byte_order_mark_is_no_name(copy, world):
    for path in copy.glob("*.csv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    before, after = load_probe(world.root), load_probe(copy)
    assert after.images == before.images and after.concepts.equals(before.concepts)
    assert np.array_equal(after.labels.maps, before.labels.maps)


def test_label_maps_may_have_any_size_that_the_rows_state(copy, world):
    edit(copy / "index.csv", "48,48,24,24", "48,48,12,6")
    before = load_probe(world.root)
    for path in (copy / "images/shapes").glob("*_*.png"):
        with Image.open(path) as file:
            small = np.asarray(file)[::2, ::4]
        Image.fromarray(small).save(path)
    after = load_probe(copy)
    assert after.label_size == (12, 6) and after.image_size == (48, 48)
    i = int(after.images_with("disc")[0])
    assert np.array_equal(after.annotated("disc", i), before.annotated("disc", i)[::2, ::4])


def test_the_fingerprint_is_of_the_content_and_not_of_the_place(copy, world, data):
    original = load_probe(world.root).fingerprint
    assert load_probe(copy).fingerprint == original and len(original) == 64
    times = (copy / "images/shapes/003.png").stat()
    with Image.open(copy / "images/shapes/003.png") as file:
        file.load()
        file.putpixel((0, 0), (1, 2, 3))
        file.save(copy / "images/shapes/003.png")
    os.utime(copy / "images/shapes/003.png", ns=(times.st_atime_ns, times.st_mtime_ns))  # as some copying tools do
    changed = load_probe(copy).fingerprint
    assert changed != original
    edit(copy / "label.csv", "disc", "disk")
    assert len({original, changed, load_probe(copy).fingerprint}) == 3


def test_the_fingerprint_is_remembered(copy, monkeypatch):
    first = load_probe(copy).fingerprint

    def forbidden(*_):
        raise AssertionError("the files were read again")

    monkeypatch.setattr("n2vlib.probe.files._hash_files", forbidden)
    assert load_probe(copy).fingerprint == first


def in_another_process(probe: ProbeSet) -> tuple:
    """Everything lazy, asked of an unpickled probe set."""
    i = int(probe.images_with("disc")[0])
    return probe.fingerprint, i, int(probe.annotated("disc", i).sum()), int(probe.image(i).sum())


def test_worker_processes_can_be_sent_a_probe_set(world):
    probe = load_probe(world.root)
    _ = probe.labels  # an open memory map must not travel
    assert len(pickle.dumps(probe)) < 20_000
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(in_another_process, probe).result() == in_another_process(probe)


def test_two_processes_at_once_decode_into_one_cache(world, data):
    probe = load_probe(world.root)
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = [task.result() for task in [pool.submit(in_another_process, probe) for _ in range(4)]]
    assert len(set(found)) == 1
    assert [path.name for path in (data / "labels").iterdir() if path.is_dir()] == [
        f"{probe.fingerprint[:16]}-{labels.FORMAT}"
    ]


def test_decoding_that_fails_leaves_no_cache_and_can_be_repeated(world, data, monkeypatch):
    probe, calls = load_probe(world.root), []

    def fails_late(path, size):
        calls.append(path)
        if len(calls) > 30:
            raise OSError("disk full")
        return read_map(path, size)

    read_map = labels.read_map
    monkeypatch.setattr(labels, "read_map", fails_late)
    with pytest.raises(OSError, match="disk full"):
        _ = probe.labels
    assert [path for path in (data / "labels").iterdir() if path.is_dir()] == []
    monkeypatch.undo()
    monkeypatch.setenv("N2V_DATA", str(data))
    assert len(probe.labels.map_ptr) == len(probe) + 1


def test_every_fourth_image_can_be_asked_for_by_name(world):
    whole, part = load_probe(world.root), load_probe(f"{world.root}[::4]")
    assert part.images == whole.images[::4] and part.fingerprint == whole.subset(range(0, len(whole), 4)).fingerprint


def test_a_subset_has_the_same_concepts_and_its_own_fingerprint(world):
    probe = load_probe(world.root)
    part = probe.subset(np.arange(0, len(probe), 4))
    assert part.images == probe.images[::4] and part.split.tolist() == probe.split[::4].tolist()
    assert part.concepts.equals(probe.concepts)
    assert part.fingerprint not in (probe.fingerprint, probe.subset([0, 4]).fingerprint)
    assert part.fingerprint == load_probe(world.root).subset(range(0, 24, 4)).fingerprint
    assert np.array_equal(part.annotated("grey-c", 3), probe.annotated("grey-c", 12))
    held = probe.images_with("disc")
    assert part.images_with("disc").tolist() == [i // 4 for i in held if i % 4 == 0]
    for bad in ([], [24], [-1], [1, 1], [0.5]):
        with pytest.raises(BadInput, match="positions"):
            probe.subset(bad)


@pytest.mark.parametrize("most", [0, 2**30])
def test_batches_give_the_images_in_order_decoded_now_or_before(world, monkeypatch, most):
    monkeypatch.setattr("n2vlib.probe.MOST_PIXELS", most)
    probe = load_probe(world.root)
    found = np.concatenate([*probe.batches(5)])
    assert found.shape == (24, 48, 48, 3) and found.dtype == np.uint8
    assert all(np.array_equal(found[i], world.images[image]) for i, image in enumerate(probe.images))
    assert [len(batch) for batch in probe.batches(2, [9, 3, 5])] == [2, 1]
    assert np.array_equal(next(probe.batches(2, [9, 3, 5])), found[[9, 3]])
    monkeypatch.setattr("n2vlib.probe.read_image", None)  # what was decoded before is not decoded again
    if most:
        assert np.array_equal(next(load_probe(world.root).batches(24)), found)


def test_a_concept_is_found_by_name_or_number(copy, world):
    probe = load_probe(world.root)
    assert probe.concept("red square") == probe.concept(6) == probe.concept(np.int32(6)) == 6
    with pytest.raises(BadInput, match="red square"):
        probe.concept("redsquare")
    with pytest.raises(BadInput, match="7"):
        probe.concept(7)
    edit(copy / "label.csv", "disc", "square")
    with pytest.raises(BadInput, match=r"\[4, 5\]"):
        load_probe(copy).concept("square")


def test_a_set_of_whole_image_labels_only(tmp_path):
    scenes = [Labelled(f"{i}.png", np.full((6, 4, 3), i, np.uint8), whole={"scene": [1 + i % 2]}) for i in range(4)]
    write(tmp_path / "set", scenes, {1: "street-s", 2: "sea-s"})
    probe = load_probe(tmp_path / "set")
    assert probe.labels.maps.shape == (0, 6) and probe.label_size == (3, 2)
    assert len(probe.images_with("sea-s")) == 2 and probe.concepts["segmentable"].tolist() == [False] * 2
    assert probe.annotated("sea-s", int(probe.images_with("sea-s")[0])).all()


def test_more_labels_in_one_image_than_a_byte_can_count(tmp_path):
    layer = np.arange(256, dtype=np.uint16).reshape(16, 16)
    names = {number: f"concept {number}" for number in range(1, 300)}
    write(tmp_path / "most", [Labelled("a.png", np.zeros((32, 32, 3), np.uint8), {"object": [layer]})], names)
    assert load_probe(tmp_path / "most").labels.pair_local.tolist() == list(range(1, 256))
    Image.fromarray(encoded(layer + 1)).save(tmp_path / "most/images/a_object.png")
    edit(
        tmp_path / "most/label.csv",
        "255,concept 255,object(1),1,",
        "256,last,object(1),1,0,\n255,concept 255,object(1),1,",
    )
    with pytest.raises(BadInput, match="256 labels in one image"):
        _ = load_probe(tmp_path / "most").labels


# --- bad sets: one clear error


def delete_maps(root: Path) -> None:
    for path in (root / "images/shapes").glob("*_*.png"):
        path.unlink()


def replace_path(new: str):
    def damage(root: Path) -> None:
        text = (root / "index.csv").read_text()
        path = next(item for item in text.split(",") if item.endswith("_material.png"))
        (root / "index.csv").write_text(text.replace(path, new, 1))

    return damage


def coverage(new: str):
    def damage(root: Path) -> None:
        text = (root / "c_part.csv").read_text()
        (root / "c_part.csv").write_text(f"{text.rstrip().rpartition(',')[0]},{new}\n")

    return damage


def images_in_front(root: Path) -> None:
    text = (root / "index.csv").read_text()
    (root / "index.csv").write_text(re.sub(r"([,;])(shapes/\d+_)", r"\1images/\2", text))


def link_out(root: Path) -> None:
    (root.parent / "secret.png").write_bytes((root / "images/shapes/000_color.png").read_bytes())
    (root / "images/shapes/000_color.png").unlink()
    (root / "images/shapes/000_color.png").symlink_to(root.parent / "secret.png")


def link_folder_out(root: Path) -> None:
    shutil.move(root / "images/shapes", root.parent / "elsewhere")
    (root / "images/shapes").symlink_to(root.parent / "elsewhere")


def link_table_out(root: Path) -> None:
    shutil.move(root / "label.csv", root.parent / "label.csv")
    (root / "label.csv").symlink_to(root.parent / "label.csv")


DAMAGE = {
    "no index": (lambda root: (root / "index.csv").unlink(), "has no index.csv"),
    "no labels": (lambda root: (root / "label.csv").unlink(), "label.csv: is missing"),
    "no c_part": (lambda root: (root / "c_part.csv").unlink(), "c_part.csv: is missing"),
    "no split column": (
        lambda root: edit(root / "index.csv", "image,split", "image,part of"),
        "column 'split' is missing",
    ),
    "no category column": (
        lambda root: edit(root / "index.csv", ",material", ",stuff"),
        "column 'material' is missing",
    ),
    "no coverage": (lambda root: edit(root / "c_part.csv", "coverage", "c"), "c_part.csv row 1: column 'coverage'"),
    "split test": (lambda root: edit(root / "index.csv", ",val,", ",test,"), "split 'test' must be train or val"),
    "size": (
        lambda root: edit(root / "index.csv", "000.png,train,48", "000.png,train,64"),
        "must be numbers, 48,48,24,24",
    ),
    "unknown number": (
        lambda root: edit(root / "index.csv", ",11", ",12"),
        "scene: label number 12 is not in label.csv",
    ),
    "missing image": (lambda root: (root / "images/shapes/004.png").unlink(), "shapes/004.png: no such file"),
    "images only": (delete_maps, r"images only: none of the \d+ label maps \(PNG\) it names is there"),
    "absolute path": (replace_path("/etc/hostname"), "outside the probe set"),
    "absolute path of one part": (replace_path("/hostname.png"), "outside the probe set"),
    "dots": (replace_path("../../../x.png"), "outside the probe set"),
    "dots within": (replace_path("shapes/../../../x.png"), "outside the probe set"),
    "nul": (replace_path("shapes/\0.png"), "no such file"),
    "folder as a file": (replace_path("shapes/.."), "no such file"),
    "linked file": (link_out, "link to a file outside"),
    "linked folder": (link_folder_out, "outside the probe set"),
    "linked table": (link_table_out, "link out of the probe set"),
    "category as a path": (lambda root: edit(root / "category.csv", "part,", "../part,"), "cannot be a category"),
    "not UTF-8": (lambda root: (root / "label.csv").write_bytes(b"number,name\n1,\xff\n"), "cannot be read as UTF-8"),
    "ragged": (lambda root: edit(root / "label.csv", ",disc,", ",disc,round,"), "has 7 fields, the header has 6"),
    "label twice": (lambda root: edit(root / "label.csv", "5,disc", "4,disc"), "number 4 is listed twice"),
    "absolute path inside": (
        lambda root: replace_path(f"{root}/images/shapes/000_color.png")(root),
        "an absolute path",
    ),
    "a drive of Windows": (replace_path("C:/data/x.png"), "an absolute path"),
    "Windows path": (replace_path("shapes\\000_color.png"), r"no such file .*; write / between folders"),
    "images in front": (replace_path("images/shapes/000_color.png"), "; paths start below images/, leave it out"),
    "half a number": (replace_path("6.5"), "6.5: no such file .*; nor is it a label number"),
    "a number below zero": (replace_path("-1"), "-1: no such file .*; nor is it a label number"),
    "nan": (replace_path("nan"), "nan: no such file .*; nor is it a label number"),
    "every map with images in front": (images_in_front, "; paths start below images/, leave it out"),
    "no name": (lambda root: edit(root / "label.csv", "5,disc,", "5, ,"), r"label\.csv row \d+: number 5 has no name"),
    "coverage nan": (coverage("nan"), r"c_part\.csv row 2: .*coverage 'nan': no number"),
    "coverage below zero": (coverage("-1"), r"c_part\.csv row 2: .*coverage '-1': no number"),
    "column twice": (lambda root: edit(root / "index.csv", ",material", ",part"), "column 'part' is there twice"),
    "large maps": (
        lambda root: (root / "index.csv").write_text(
            (root / "index.csv").read_text().replace(",24,24,", ",65536,65536,")
        ),
        "sh,sw 65536,65536: label maps have at most 16,777,216 pixels",
    ),
    "large file": (
        lambda root: os.truncate(root / "images/shapes/004.png", 2**30 + 1),
        "has more than 1,073,741,824 bytes",
    ),
    "empty": (lambda root: (root / "index.csv").write_text(""), "index.csv row 1: column 'image' is missing"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE.keys())
def test_a_bad_set_is_one_error_that_names_the_file(copy, data, damage, message):
    damage(copy)
    with pytest.raises(BadInput, match=message) as error:
        load_probe(copy)
    assert "\n" not in str(error.value) and str(copy) in str(error.value)
    assert list(data.iterdir()) == []


def test_a_link_that_stays_inside_is_followed(copy, world):
    (copy / "images/shapes/000.png").rename(copy / "images/real.png")
    (copy / "images/shapes/000.png").symlink_to(copy / "images/real.png")
    assert load_probe(copy).fingerprint == load_probe(world.root).fingerprint


def test_a_name_that_is_no_probe_set(tmp_path):
    for name in (tmp_path / "nothing", "world-0", "world-x", "worlds"):
        with pytest.raises(BadInput, match="'world-<number of images>'"):
            load_probe(name)


def png_that_claims(width: int, height: int) -> bytes:
    """A few bytes whose header promises a huge picture."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("side", [10_000, 60_000])  # Pillow warns of the first and refuses the second
def test_a_decompression_bomb_is_an_error_also_if_the_index_announces_it(tmp_path, side):
    write(tmp_path / "set", [Labelled("a.png", np.zeros((4, 4, 3), np.uint8), whole={"scene": [1]})], {1: "sea-s"})
    (tmp_path / "set/images/a.png").write_bytes(png_that_claims(side, side))
    with pytest.raises(BadInput, match="a.png"):
        load_probe(tmp_path / "set").image(0)
    edit(tmp_path / "set/index.csv", ",4,4,", f",{side},{side},")
    with pytest.raises(BadInput, match="a.png"):
        load_probe(tmp_path / "set").image(0)


def test_a_map_that_cannot_be_what_it_should_is_an_error(copy):
    probe = load_probe(copy)
    path = copy / "images" / "shapes/000_color.png"
    grey = Image.new("L", (24, 24), 1)
    grey.save(path)
    with pytest.raises(BadInput, match="000_color.png: a label map is an 8-bit RGB PNG"):
        _ = probe.labels
    Image.new("RGB", (25, 24), (1, 0, 0)).save(path)
    with pytest.raises(BadInput, match="is 24 x 25 .* index.csv says 24 x 24"):
        _ = probe.labels
    Image.new("RGB", (24, 24), (0, 200, 0)).save(path)
    with pytest.raises(BadInput, match="label number 51200 is not in label.csv"):
        _ = probe.labels
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(BadInput, match="cannot be read as PNG"):
        _ = probe.labels


# --- the drawn world by name


def test_the_world_is_drawn_once_and_kept_by_number_and_sources(monkeypatch, data):
    drawn = []

    def draw(path, n_images, seed=0, progress=True):
        drawn.append(n_images)
        build(path, n_images)

    monkeypatch.setattr("n2vlib.world.draw", draw)
    probe = load_probe("world-12")
    assert len(probe) == 12 and probe.name == "world-12"
    assert load_probe("world-12").fingerprint == probe.fingerprint and drawn == [12]
    assert probe.root.parent == data and probe.root.name.startswith("world-12-")
    assert len(load_probe("world-13")) == 13 and drawn == [12, 13]


@pytest.mark.parametrize("damage", ["one bit of an image", "an empty map", "a lost table", "another split", "the note"])
def test_a_world_that_was_changed_is_reported_and_drawn_again(damage, data, capsys):
    probe = load_probe("world-12")
    hurt = {
        "one bit of an image": probe.root / "images" / probe.images[3],
        "an empty map": next(probe.root.glob("images/**/*_color*.png")),
        "a lost table": probe.root / "label.csv",
        "another split": probe.root / "index.csv",
        "the note": probe.root / "drawn.txt",
    }[damage]
    whole = hurt.read_bytes()
    if damage == "a lost table":
        hurt.unlink()
    elif damage == "an empty map":
        hurt.write_bytes(b"")
    elif damage == "another split":
        hurt.write_bytes(whole.replace(b",train,", b",val,", 1))
    else:
        hurt.write_bytes(whole[:-20] + bytes([whole[-20] ^ 1]) + whole[-19:])
    again = load_probe("world-12")
    assert again.fingerprint == probe.fingerprint and hurt.read_bytes() == whole
    assert "damaged on disk" in capsys.readouterr().out


def test_a_world_drawn_by_a_run_that_died_before_it_was_written_down_is_used(data, capsys):
    probe = load_probe("world-12")
    (probe.root / "drawn.txt").unlink()
    assert load_probe("world-12").fingerprint == probe.fingerprint and (probe.root / "drawn.txt").exists()
    assert capsys.readouterr().out == ""


def test_a_drawing_that_fails_is_not_taken_for_a_world(monkeypatch, data):
    draw = n2vlib.world.scene

    def interrupted(seed, index):
        if index == 5:
            raise KeyboardInterrupt
        return draw(seed, index)

    monkeypatch.setattr("n2vlib.world.scene", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load_probe("world-12")
    assert [path for path in data.iterdir() if path.is_dir()] == []


# --- photographs


@pytest.mark.skipif("N2V_PHOTOGRAPHS" not in os.environ, reason="N2V_PHOTOGRAPHS names no folder of photographs")
def test_the_tables_of_the_photographs_say_what_their_maps_say():
    # The tables were made by another program: an oracle for frequency and area of every concept in one category.
    probe = load_probe(Path(os.environ["N2V_PHOTOGRAPHS"]) / "probe")
    assert len(probe) == 3041 and (probe.split == "train").sum() == 2127
    assert probe.label_size == (113, 113) and probe.image(0).shape == (227, 227, 3)
    decoded = probe.labels
    areas = np.bincount(decoded.pair_concept, weights=decoded.pair_area) / (113 * 113)
    for number, concept in probe.concepts.iterrows():
        share = len(concept["categories"])  # skin and hair: the same map in part and in material, counted twice
        assert len(probe.images_with(int(str(number)))) * share == concept["frequency"]
        assert areas[int(str(number))] * share == pytest.approx(concept["coverage"], abs=2e-6)
