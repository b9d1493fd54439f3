"""Saved vectors: applied to the probe set's own images they give the masks that were counted; others are refused."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from measured import measure, network
from PIL import Image

from n2vlib import vectors
from n2vlib.activations.layer import read_layers
from n2vlib.activations.streaming import BATCH
from n2vlib.errors import BadInput
from n2vlib.files import cells
from n2vlib.masks.iou import predicted_mask
from n2vlib.methods import classification, dissection, segmentation, single_filter
from n2vlib.networks import units
from n2vlib.networks.load import Network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.probe.occurrences import presence
from n2vlib.vectors import folder, pictures, word2vec
from n2vlib.vectors.pictures import read_displayed

LAYER = "1"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """(folder, probe, layer, {method: what it found}, {method: file})."""
    place = tmp_path_factory.mktemp("vectors")
    probe, layers = measure(place, layers=[LAYER])
    layer = layers[LAYER]
    found = {
        "combination": segmentation.align(layer, probe, epochs=3),
        "single filter": single_filter.align(layer, probe),
        "dissection": dissection.align(layer, probe),
        "classifier": classification.align(layer, probe, epochs=3, features="standardised"),
    }
    files = {name: vectors.save(place / f"{name}.safetensors", each, layer, probe) for name, each in found.items()}
    return place, probe, layer, found, files


def images_of(probe):
    return (probe.image(i) for i in range(len(probe)))


@pytest.mark.parametrize("method", ["combination", "single filter"])
def test_masks_on_the_probe_sets_images_are_those_that_were_counted(made, method):
    _, probe, layer, found, files = made
    saved = vectors.load(files[method])
    pairs = found[method].pairs.set_index(["concept", "image"])
    for i, seen in enumerate(vectors.applied(saved, network(), images_of(probe), device="cpu")):
        assert np.array_equal(np.sort(seen.code), np.flatnonzero(layer.fired_in(i)))
        for row, (number, _, _) in enumerate(saved.about.concepts):
            mask = seen.mask(row)
            slow = predicted_mask(
                layer.fired_in(i), saved.weights[row].astype(float), probe.label_size, True, float(saved.bias[row])
            )
            assert (mask == slow).all()
            if (number, i) in pairs.index:
                counted = pairs.loc[(number, i)]
                assert mask.sum() == counted["predicted"]
                assert (mask & probe.annotated(number, i)).sum() == counted["intersection"]


def test_masks_of_dissection_are_those_of_the_filter_that_was_found_for_the_concept(made, photographs, tmp_path):
    _, probe, layer, found, files = made
    saved, counted = vectors.load(files["dissection"]), found["dissection"].scores.set_index("concept")
    maps, pixels = layer.maps(range(len(probe))), np.zeros((len(saved.weights), 2), int)
    assert saved.filters == counted.loc[[number for number, *_ in saved.about.concepts], "filter"].tolist()
    for i, seen in enumerate(vectors.applied(saved, network(), images_of(probe), device="cpu")):
        for row, ((number, *_), k) in enumerate(zip(saved.about.concepts, saved.filters, strict=True)):
            mask, truth = seen.mask(row), probe.annotated(number, i)
            assert (mask == dissection.mask(layer, probe, maps[i, k], k)).all()
            held = any(probe.annotated(c, i).any() for c in probe.concepts.index[same_category(probe, number)])
            pixels[row] += [(mask & truth).sum(), (mask & held | truth).sum()]
    np.testing.assert_allclose(
        pixels[:, 0] / pixels[:, 1], counted.loc[[n for n, *_ in saved.about.concepts]]["dissection_iou"]
    )
    done = vectors.apply(tmp_path / "out", saved.only(["cat"]), network(), [photographs], size="image", device="cpu")
    assert {row["filter"] for row in rows_of(done)} == {str(counted.loc[3, "filter"])}
    with Image.open(done / "masks" / "3-cat" / "grey.png") as mask:
        assert mask.size == (50, 20)


def same_category(probe, number):
    return probe.concepts["category"] == probe.concepts.loc[number, "category"]


def test_a_classifier_gives_the_answers_that_it_is_scored_with(made):
    _, probe, _, found, files = made
    saved, truth = vectors.load(files["classifier"]), presence(probe)
    seen = list(vectors.applied(saved, network(), images_of(probe), device="cpu"))
    scores = np.array([each.scores for each in seen])
    row_of = {number: row for row, (number, _, _) in enumerate(saved.about.concepts)}
    pairs = found["classifier"].pairs
    assert len(pairs)
    for concept, image, right in zip(pairs["concept"], pairs["image"], pairs["right"], strict=True):
        assert ((scores[image, row_of[concept]] > 0) == truth.loc[image, concept]) == right
    with pytest.raises(BadInput, match="scores, no masks"):
        seen[0].mask(0)


def test_a_mask_of_another_size_is_upsampled_from_the_layers_grid(made):
    _, probe, layer, _, files = made
    saved = vectors.load(files["combination"])
    (seen,) = vectors.applied(saved, network(), [probe.image(3)], device="cpu")
    for row in range(len(saved.weights)):
        slow = predicted_mask(layer.fired_in(3), saved.weights[row].astype(float), (37, 90), True)
        assert (seen.mask(row, (37, 90)) == slow).all()


def test_another_network_layer_or_preprocessing_is_one_error_that_names_both(made, tmp_path):
    _, probe, layer, _, files = made
    saved, own = vectors.load(files["combination"]), network()
    other = network(ceiling=1.0)
    with pytest.raises(BadInput, match=f"{own.fingerprint[:12]}.*{other.fingerprint[:12]}.*--anyway"):
        vectors.applied(saved, other, ())
    with pytest.raises(BadInput, match="layer 1, not of 3"):
        vectors.applied(saved, own, (), layer="3")
    shown = Preprocessing((32, 32), (0.4,) * 3, (0.25,) * 3, 1)
    with pytest.raises(BadInput, match=r"0\.5.*0\.4"):
        vectors.applied(saved, Network(own.name, own.module, shown, "random"), ())
    changed = network()
    changed.module[0].register_forward_hook(lambda _module, _given, output: output + 1)
    with pytest.raises(BadInput, match="puts out something else"):
        vectors.applied(saved, changed, ())
    assert len(list(vectors.applied(saved, changed, [probe.image(0)], anyway=True, device="cpu"))) == 1
    with pytest.raises(BadInput, match="weigh 5 filters, the layer has 6"):
        list(vectors.applied(saved, own, [probe.image(0)], layer="3", anyway=True, device="cpu"))
    with pytest.raises(BadInput, match="linear: has no vectors"):
        found = dissection.align(layer, probe)
        vectors.save(tmp_path / "x", replace(found, scores=found.scores.assign(method="linear")), layer, probe)


def test_vectors_of_units_say_where_their_file_must_be_named(made, tmp_path):
    probe, file = made[1], tmp_path / "rotated.safetensors"
    units.save(file, np.random.default_rng(0).normal(size=(4, 5)))
    own = network()
    layer = read_layers(own, [f"1:{file}"], probe, tau=0.05, device="cpu", store=made[2].store)[f"1:{file}"]
    found = segmentation.align(layer, probe, epochs=1)
    data = vectors.save(tmp_path / "v.safetensors", found, layer, probe).read_bytes()
    assert str(tmp_path).encode() not in data and b"1:rotated" in data
    saved = vectors.load(tmp_path / "v.safetensors")
    with pytest.raises(BadInput, match="--layer 1:FILE"):
        vectors.applied(saved, network(), ())
    (seen,) = vectors.applied(saved, network(), [probe.image(2)], layer=f"1:{file}", device="cpu")
    assert np.array_equal(np.sort(seen.code), np.flatnonzero(layer.fired_in(2)))


@pytest.fixture
def photographs(made, tmp_path):
    """Images of three sizes: grey, turned by EXIF, and one that is not named like an image."""
    place, rng = tmp_path / "in", np.random.default_rng(5)
    (place / "sub").mkdir(parents=True)
    Image.fromarray(rng.integers(0, 256, (20, 50), np.uint8)).save(place / "grey.png")
    turned = Image.fromarray(rng.integers(0, 256, (30, 64, 3), np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(place / "sub" / "turned.jpg", exif=exif)
    Image.fromarray(made[1].image(0)).save(place / "sub" / "own.png")
    (place / "notes.txt").write_text("no image")
    return place


def rows_of(done):
    with (done / "scores.csv").open(encoding="utf-8", newline="") as text:
        return [{name: cells.original(value) for name, value in row.items()} for row in csv.DictReader(text)]


def test_a_folder_of_images_becomes_masks_of_their_own_sizes_and_a_table(made, photographs, tmp_path):
    saved = vectors.load(made[4]["combination"]).only(["red-c", 3])
    done = vectors.apply(tmp_path / "out", saved, network(), [photographs], size="image", device="cpu")
    rows = rows_of(done)
    assert [(row["image"], row["name"]) for row in rows[::2]] == [
        ("grey", "red-c"),
        ("sub/own", "red-c"),
        ("sub/turned", "red-c"),
    ]
    for name, size in {"grey": (50, 20), "sub/own": (32, 32), "sub/turned": (30, 64)}.items():
        mask = Image.open(done / "masks" / "1-red-c" / f"{name}.png")
        assert (mask.mode, mask.size) == ("1", size)
        row = next(row for row in rows if (row["image"], row["concept"]) == (name, "1"))
        assert np.asarray(mask).sum() == int(row["pixels"])
    # Turned by hand, the picture gives the same mask.
    upright = np.asarray(Image.open(photographs / "sub" / "turned.jpg").rotate(-90, expand=True))
    (seen,) = vectors.applied(saved, network(), [upright], device="cpu")
    assert (
        np.asarray(Image.open(done / "masks" / "1-red-c" / "sub" / "turned.png")) == seen.mask(0, (64, 30)).T.T
    ).all()
    about = json.loads((done / "about.json").read_text())
    assert about["left out"] == [] and str(tmp_path) not in json.dumps(about)


def test_a_damaged_image_is_an_error_first_and_a_stopped_run_continues(made, photographs, tmp_path, monkeypatch):
    saved, out = vectors.load(made[4]["classifier"]), tmp_path / "out"
    (photographs / "z.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(BadInput, match=r"z\.png.*--skip-damaged"):
        vectors.apply(out, saved, network(), [photographs], device="cpu")
    assert not [*tmp_path.glob("out*")]
    monkeypatch.setitem(BATCH, "cpu", 2)
    whole = (photographs / "grey.png").read_bytes()
    (photographs / "z.png").write_bytes(whole[:-200])  # its header is whole
    with pytest.raises(BadInput, match=r"z\.png"):
        vectors.apply(out, saved, network(), [photographs], device="cpu")
    assert not out.exists()
    log = tmp_path / "out.work" / "log.jsonl"
    log.write_bytes(log.read_bytes()[:-9])  # killed while it wrote the last line
    asked = []
    monkeypatch.setattr(pictures, "read_displayed", lambda file: asked.append(file.name) or read_displayed(file))
    done = vectors.apply(out, saved, network(), [photographs], device="cpu", skip_damaged=True)
    assert asked == ["turned.jpg", "z.png"]
    assert folder.left_out(done) == ["z"] and {path.name for path in done.iterdir()} == {"about.json", "scores.csv"}
    fresh = vectors.apply(tmp_path / "new", saved, network(), [photographs], device="cpu", skip_damaged=True)
    assert [row["image"] for row in rows_of(done)][:: len(saved.weights)] == ["grey", "sub/own", "sub/turned"]
    assert (done / "scores.csv").read_bytes() == (fresh / "scores.csv").read_bytes()
    with pytest.raises(BadInput, match="exists already"):
        vectors.apply(out, saved, network(), [photographs], device="cpu")


def test_names_keep_their_suffix_only_where_they_must(photographs):
    shutil.copy(photographs / "grey.png", photographs / "grey.PNG")
    assert list(pictures.find([photographs])) == ["grey.PNG", "grey.png", "sub/own", "sub/turned"]
    with pytest.raises(BadInput, match="same name grey.png"):
        pictures.find([photographs, photographs / "grey.png"])


@pytest.mark.parametrize(
    ("files", "names"),
    [
        (["x.jpg", "x.png/y.jpg"], ["x.jpg", "x.png/y"]),  # x.png/ is a folder of masks, so x's mask is x.jpg.png
        (["x.jpg", "x.jpg.png", "x.png"], ["x.jpg", "x.jpg.png", "x.png"]),
        (["x.jpg", "x.jpg.png"], ["x", "x.jpg.png"]),
    ],
)
def test_every_image_has_a_mask_file_of_its_own(tmp_path, files, names):
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    assert list(pictures.find([tmp_path])) == names
    for name in names:
        mask = tmp_path / "masks" / f"{name}.png"
        mask.parent.mkdir(parents=True, exist_ok=True)
        mask.touch(exist_ok=False)


def test_a_mask_that_would_have_a_folders_name_is_refused(tmp_path):
    for file in ("x.jpg", "x.png/y.jpg", "x.jpg.png/y.jpg"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).touch()
    with pytest.raises(BadInput, match=r"x\.jpg: its mask x\.jpg\.png would have a folder's name"):
        pictures.find([tmp_path])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data[:40], "cannot be read as saved vectors"),
        (lambda data: b"PK\x03\x04" + data, "cannot be read as saved vectors"),
        (lambda data: data.replace(b"net2vec vectors 1", b"net2vec vectors 9"), "holds no concept vectors"),
        (lambda data: data.replace(b'"task":"\\"segmentation\\""', b'"task":"\\"segmentatio\\"n"'), "metadata"),
        (lambda data: data.replace(b'"task":"\\"segmentation\\""', b'"task":"\\"segmentatiom\\""'), "task and method"),
        (lambda data: data.replace(b'"label_size":"[16, 16]"', b'"label_size":"[16, -1]"'), "label size"),
        (lambda data: data[:-4] + np.float32(np.nan).tobytes(), "not finite"),
    ],
)
def test_a_file_that_is_something_else_is_refused(made, tmp_path, change, said):
    file = tmp_path / "v.safetensors"
    file.write_bytes(change(made[4]["combination"].read_bytes()))
    with pytest.raises(BadInput, match=said):
        vectors.load(file)


def test_words_are_single_and_without_spaces(made, tmp_path):
    saved, names = vectors.load(made[4]["combination"]), ["red-c", "red", "traffic light", "a\u2003b\n", "red"]
    about = replace(saved.about, concepts=[(number, name, "object") for number, name in enumerate(names, 1)])
    odd = replace(saved, about=about, weights=np.resize(saved.weights, (5, 5)))
    header, *lines = word2vec.write(tmp_path / "words.txt", odd).read_text(encoding="utf-8").splitlines()
    assert header == "5 5"
    assert [line.split(" ")[0] for line in lines] == ["red-c", "red_2", "traffic_light", "a_b_", "red_5"]
    read = np.array([[float(number) for number in line.split(" ")[1:]] for line in lines], np.float32)
    assert (read == odd.weights).all()
