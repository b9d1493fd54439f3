"""Names from phrases and a text-image model: the score against slow loops, names against what was planted."""

import math
from dataclasses import replace
from random import Random

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array

from n2vlib import charts
from n2vlib.activations.layer import read_layers
from n2vlib.compositional import explain
from n2vlib.compositional.formula import parse
from n2vlib.errors import BadInput
from n2vlib.networks.load import load_network
from n2vlib.probe import load_probe
from n2vlib.store import Store
from n2vlib.text_image import agreement, captions, load, naming, phrases, softwpmi, training, truth
from n2vlib.text_image.facts import Facts, Thing, facts
from n2vlib.text_image.model import Towers, positions
from n2vlib.words import behaviour
from n2vlib.words import phrases as language_of
from n2vlib.world import scene
from n2vlib.zoo import shipped
from n2vlib.zoo.others import TEXT_IMAGE, TextImagePairs


def slow_scores(activations, fits, count, temperature, lam):
    """SoftWPMI, one unit, phrase and image at a time."""
    n_images, n_units, n_phrases = len(fits), activations.shape[1], fits.shape[1]
    given = np.zeros((n_units, n_phrases))
    for unit in range(n_units):
        ranked = sorted(range(n_images), key=lambda i: (-activations[i, unit], i))[:count]
        for c in range(n_phrases):
            for rank, image in enumerate(ranked):
                powers = [math.exp(temperature * fits[image, other]) for other in range(n_phrases)]
                p = 0.998 - rank / len(ranked) * (0.998 - 0.97)
                given[unit, c] += math.log(1 + p * (powers[c] / sum(powers) - 1))
    for c in range(n_phrases):
        shared = math.log(sum(math.exp(given[unit, c]) for unit in range(n_units)) / n_units)
        given[:, c] = given[:, c] - lam * shared
    return given


@pytest.mark.parametrize("count, lam", [(4, 1.0), (7, 0.3), (100, 0.0)])
def test_softwpmi_is_what_a_slow_loop_gives(count, lam):
    rng = np.random.default_rng(count)
    activations, fits = rng.integers(0, 4, (12, 5)).astype(float), rng.normal(size=(12, 6))
    expected = slow_scores(activations, fits, count, 10.0, lam)
    assert np.allclose(softwpmi.scores(activations, fits, count=count, lam=lam), expected)


def test_softwpmi_in_blocks_of_units_is_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    activations, fits = rng.random((30, 9)), rng.normal(size=(30, 6))
    whole = softwpmi.scores(activations, fits, count=10)
    monkeypatch.setattr(softwpmi, "AT_ONCE", 1)
    assert np.allclose(softwpmi.scores(activations, fits, count=10), whole)


def test_softwpmi_of_other_images_says_so():
    with pytest.raises(BadInput, match="3 images of units, 2 of phrases"):
        softwpmi.scores(np.ones((3, 2)), np.ones((2, 2)))


def test_units_are_named_by_the_phrase_of_their_images():
    """Ten images of each of four phrases; a unit fires on those of one phrase."""
    kind = np.repeat(np.arange(4), 10)
    fits = np.eye(4, dtype=np.float32)[kind] + np.random.default_rng(0).normal(0, 0.05, (40, 4)).astype(np.float32)
    found = naming.Fits(["car", "dog", "sea", "sky"], [], fits)
    units = (kind[:, None] == [2, 0, 3]).astype(float)
    named = naming.names(units, found)
    assert named["name"].tolist() == ["sea", "car", "sky"] and min(named["ahead"].tolist()) > 0
    half = np.arange(0, 40, 2)
    assert naming.names(units, found, half)["name"].tolist() == ["sea", "car", "sky"]


def test_auc_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(1)
    values, there = rng.integers(0, 5, (20, 6)), rng.random((20, 6)) < 0.4
    there[:, 5] = True  # no image without it
    expected = []
    for unit in range(5):
        pairs = [(a, b) for a in values[there[:, unit], unit] for b in values[~there[:, unit], unit]]
        expected.append(np.mean([(a > b) + (a == b) / 2 for a, b in pairs]))
    found = truth.auc(values, there)
    assert np.allclose(found[:5], expected) and np.isnan(found[5])
    every = truth.every_auc(values, there)
    assert np.allclose(np.diag(every), found, equal_nan=True)
    assert every[2, 3] == pytest.approx(truth.auc(values[:, [2]], there[:, [3]])[0])


# -- captions


def test_facts_of_a_scene_are_in_its_label_maps():
    names = {}
    for index in range(30):
        drawn = scene(0, index)
        said = facts(drawn)
        assert bool(said.place) != bool(said.texture)
        assert len(said.things) <= len(drawn.objects)
        for thing in said.things:
            names.setdefault(thing.kind, []).append(thing.number)
        painted = [number for number, _ in drawn.boxes]
        assert sum(each.number for each in said.things if each.number > 1) <= len(painted)
    assert max(max(each) for each in names.values()) >= 3


def test_a_caption_says_only_what_is_there_or_a_hypernym_of_it():
    car = Thing("car", 2, "red", "metal", ("wheel",))
    said = Facts("street", "", (), (car, Thing("road", 1, "grey")))
    texts = {captions.caption(said, Random(seed)) for seed in range(400)}
    assert {"two red cars", "some cars in the street", "street", "wheel"} & texts
    allowed = "a an the two some and in with red grey metal wheel car cars road street outdoors motor vehicle vehicles"
    allowed += " land made thing things way structure built up place part of color warm dark or light worked material"
    allowed += " building barrier"
    assert {word for text in texts for word in text.split()} <= set(allowed.split())
    assert captions.caption(said, Random(3)) == captions.caption(said, Random(3))


def test_plurals():
    assert [captions.in_plural(each) for each in ("bus", "sheep", "motor vehicle", "person")] == [
        "buses", "sheep", "motor vehicles", "people",
    ]  # fmt: skip


# -- the model


def test_a_trained_model_finds_the_image_of_a_caption():
    """Features that say the color and the thing: after training, captions of images not seen find their images."""
    colors, things = ("red", "blue", "green"), ("car", "bus", "dog", "cat")

    def drawn(n, seed):
        rng = np.random.default_rng(seed)
        which = np.stack([rng.integers(0, 3, n), rng.integers(0, 4, n)], 1)
        seen = np.concatenate([np.eye(3)[which[:, 0]], np.eye(4)[which[:, 1]]], 1) + rng.normal(0, 0.1, (n, 7))
        said = [Facts("", "", (), (Thing(things[t], 1, colors[c]),)) for c, t in which]
        return torch.tensor(seen, dtype=torch.float32), said

    row = TextImagePairs("tiny", "", 0, hidden=32, size=16, epochs=10, batch=32, rate=1e-2, dropout=0.0)
    words = ["a", "an", *colors, *things]
    towers, epoch = training.fit(row, drawn(320, 0), drawn(40, 1), words)
    again, _ = training.fit(row, drawn(320, 0), drawn(40, 1), words)
    assert epoch in (5, 10)
    assert all(
        torch.equal(a, b) for a, b in zip(towers.state_dict().values(), again.state_dict().values(), strict=True)
    )
    seen, said = drawn(12, 2)
    with torch.inference_mode():
        fits = towers.of_images(seen) @ towers.of_texts(positions(["red", "blue", "green"], words)).T
    assert fits.argmax(1).tolist() == [colors.index(each.things[0].color) for each in said]


def test_recall_counts_captions_whose_image_is_among_the_best():
    towers = Towers(3, 2, 4, 3)
    seen, asked = torch.randn(6, 3), ["a b", "b", "a", "a a b", "b b", "a b b"]
    found = training.recalls(towers, ["a", "b"], seen, asked)
    with torch.inference_mode():
        fits = (towers.of_texts(positions(asked, ["a", "b"])) @ towers.of_images(seen).T).numpy()
    ranks = [sorted(-row).index(-row[i]) for i, row in enumerate(fits)]
    assert found["recall@1"] == pytest.approx(np.mean([rank < 1 for rank in ranks]))
    assert found["recall@5"] == pytest.approx(np.mean([rank < 5 for rank in ranks]))
    assert found["recall@10"] == 1


def test_the_floor_of_a_known_place_is_guessing_among_its_images():
    said = [Facts("street", "", (), ())] * 4 + [Facts("", "dotted", (), ())]
    floor = training.floors(said)
    assert floor["chance, recall@1"] == 1 / 5
    assert floor["place known, recall@1"] == pytest.approx((4 * 1 / 4 + 1) / 5)


def test_the_shipped_model_beats_a_model_that_knows_the_place_and_is_small():
    (name,) = TEXT_IMAGE
    card, size = shipped.card(name), (shipped.FOLDER / f"{name}.safetensors").stat().st_size
    assert size < 900_000 and card["seconds"] < 360
    for k in training.RECALLS:
        assert card["accuracy"][f"recall@{k}"] > card["floor"][f"place known, recall@{k}"]
    assert card["network_sha256"] == shipped.card(card["recipe"]["network"])["sha256"]


@pytest.fixture(scope="module")
def shown():
    return [scene(5, index) for index in range(60)]


def test_the_shipped_model_tells_a_street_from_a_kitchen(shown):
    model = load.load("small-text-image")
    said = [facts(each) for each in shown]
    fits = model.of_images([np.stack([each.image for each in shown])]) @ model.of_texts(["street", "kitchen"]).T
    for column, place in enumerate(("street", "kitchen")):
        there = np.array([each.place == place for each in said])
        assert truth.auc(fits[:, [column]], there[:, None])[0] > 0.95
    assert np.allclose(np.linalg.norm(model.of_texts(["a red car"]), axis=1), 1, atol=1e-5)
    assert model.unknown("a red Quokka") == ["quokka"]


# -- phrases of the user


def test_our_phrases_are_labels_groups_and_colored_things():
    ours, colored = phrases.ours(), phrases.ours(colored=True)
    assert {"car", "street", "vehicle", "striped"} <= set(ours) and "red car" not in ours
    assert {*ours, "red car"} <= set(colored) and len(set(colored)) == len(colored)


def test_phrases_of_a_file(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_text("# mine\n\na red  car\ndog\na red car\n<b>bold</b>\n", encoding="utf-8")
    assert phrases.read(str(file)) == ["a red car", "dog", "<b>bold</b>"]


@pytest.mark.parametrize(
    "content, message",
    [
        (b"one\n", "1 phrases; between 2"),
        (b"a\n" + b"x" * 300 + b"\n", "line 2: 300 characters, at most 200"),
        (b"a\nb\x07c\n", "line 2: characters that print not"),
        (b"\xff\xfe\x00", "cannot be read as UTF-8"),
    ],
)
def test_a_bad_list_of_phrases_is_named_in_one_line(tmp_path, content, message):
    file = tmp_path / "mine.txt"
    file.write_bytes(content)
    with pytest.raises(BadInput, match=message) as error:
        phrases.read(str(file))
    assert "\n" not in str(error.value)
    with pytest.raises(BadInput, match="no such file"):
        phrases.read(str(tmp_path / "other.txt"))


# -- models of the user

FUNCTION = """
import numpy as np
def model():
    vectors = {"red": [1.0, 0, 0], "green": [0, 1.0, 0], "blue": [0, 0, 1.0]}  # other texts fail
    images = lambda pixels: pixels.mean((1, 2)).astype(float) + 1e-3
    return images, (lambda texts: np.array([vectors[t] for t in texts]))
def broken():
    raise RuntimeError("no weights here")
def wrong():
    return 3
def flat():
    return (lambda images: np.ones(len(images))), (lambda texts: np.ones(len(texts)))
def short():
    return (lambda images: np.ones((len(images), 2))), (lambda texts: np.ones((len(texts), 3)))
"""


@pytest.fixture(scope="module")
def users(tmp_path_factory):
    file = tmp_path_factory.mktemp("user") / "mine.py"
    file.write_text(FUNCTION, encoding="utf-8")
    return file


def test_a_function_of_the_user_gives_a_model(users):
    model = load.load(f"{users}:model")
    images = np.zeros((3, 4, 4, 3), np.uint8)
    images[[0, 1, 2], :, :, [0, 1, 2]] = 200
    fits = model.of_images([images]) @ model.of_texts(["red", "green", "blue"]).T
    assert fits.argmax(1).tolist() == [0, 1, 2] and model.unknown("anything goes") == []


WEIGHTS = """
from pathlib import Path
import numpy as np
def model():
    weights = np.load(Path(__file__).parent / "weights.npz")
    return (lambda images: images.mean((1, 2)) @ weights["images"]), (lambda texts: weights["texts"][:len(texts)])
"""


@pytest.mark.parametrize("side", ["images", "texts"])
def test_two_models_behind_one_name_have_two_keys(tmp_path, side):
    """The function reads its weights from another file, and that file changes."""
    (tmp_path / "mine.py").write_text(WEIGHTS, encoding="utf-8")
    weights = {"images": np.eye(3, 2), "texts": np.eye(2)}

    def key():
        np.savez(tmp_path / "weights.npz", images=weights["images"], texts=weights["texts"])
        return load.load(f"{tmp_path / 'mine.py'}:model").fingerprint

    first = key()
    assert key() == first
    weights[side] = weights[side][:, ::-1]
    assert key() != first


@pytest.mark.parametrize(
    "given, message",
    [
        ("small-text-imag", "no such model; .*small-text-image"),
        ("FILE:broken", "without arguments it fails .*no weights here"),
        ("FILE:wrong", "must return two functions"),
        ("FILE:other", "TEXT_IMAGE .*no function 'other'"),
        ("open_clip:ViT-B-32", "say open_clip:ARCHITECTURE@FILE"),
    ],
)
def test_a_bad_model_is_named_in_one_line(users, given, message):
    with pytest.raises(BadInput, match=message) as error:
        load.load(given.replace("FILE", str(users)))
    assert "\n" not in str(error.value)


def test_a_model_without_open_clip_says_what_to_install():
    pytest.importorskip("torch")
    try:
        import open_clip  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError:
        with pytest.raises(BadInput, match="pip install"):
            load.load("open_clip:ViT-B-32@weights.safetensors")


def test_vectors_of_a_wrong_shape_are_named(users):
    model = load.load(f"{users}:flat")
    with pytest.raises(BadInput, match=r"images give float64 \(2,\)"):
        model.of_images([np.zeros((2, 4, 4, 3), np.uint8)])


# -- on a probe set


@pytest.fixture(scope="module")
def small():
    return load_probe("world-800").subset(np.arange(60))


def test_fits_leave_out_phrases_with_unknown_words_and_say_so(small, tmp_path, users):
    model, store = load.load("small-text-image"), Store(str(tmp_path))
    found = naming.fits(model, small, ["car", "a quokka", "street"], store)
    assert found.phrases == ["car", "street"] and found.values.shape == (60, 2)
    assert "1 of 3 phrases are left out" in found.silence and "'quokka'" in found.silence
    assert np.array_equal(naming.fits(model, small, ["car", "street"], store).values, found.values)
    with pytest.raises(BadInput, match="knows all words of 1 of them"):
        naming.fits(model, small, ["car", "a quokka"], store)
    with pytest.raises(BadInput, match="2 numbers for an image, 3 for a text"):
        naming.fits(load.load(f"{users}:short"), small, ["car", "street"], store)


def test_a_phrase_in_letters_that_the_model_lacks_is_left_out_and_capitals_make_no_second_one(small, tmp_path, users):
    model, store = load.load("small-text-image"), Store(str(tmp_path))
    assert model.unknown("猫") == ["猫"] and model.unknown("!!!") == ["!!!"]
    found = naming.fits(model, small, ["Car", "猫", "car", "street", "!!!"], store)
    assert found.phrases == ["Car", "street"] and found.left_out == [("猫", "猫"), ("!!!", "!!!")]
    other = load.load(f"{users}:model")
    assert other.unknown("猫") == [] and other.once(["Car", "car", "Car"]) == ["Car", "car"]


def test_too_many_phrases_for_so_many_images_are_refused(small, tmp_path, monkeypatch):
    model, store = load.load("small-text-image"), Store(str(tmp_path))
    monkeypatch.setattr(naming, "MOST", 120)
    assert naming.fits(model, small, ["car", "dog"], store).values.size == 120
    with pytest.raises(BadInput, match="3 phrases for the 60 images of .*; at most 2 phrases") as error:
        naming.fits(model, small, ["car", "dog", "street"], store)
    assert "\n" not in str(error.value)


def test_a_list_without_words_of_the_labels_is_refused(small):
    truth.need(small, ["car", "a red thing", "dog"])
    with pytest.raises(BadInput, match="words of 1 of 3 phrases; two are needed"):
        truth.need(small, ["car", "quokka", "writing"])


def test_related_knows_words_groups_and_kin(small):
    related = agreement.Kinship(language_of.language(small), small.concepts)
    car, bus, dog, vehicle = (related.labels(each) for each in ("a car", "bus", "dog", "anything that is a vehicle"))
    assert related.same(car, vehicle) and not related.same(car, bus)
    assert related.kin(car, bus) and not related.kin(car, dog)
    assert (
        related.of_formula(parse("(car OR dog) AND NOT bus")) == (*car, *dog, *bus) and related.of_formula(None) == ()
    )
    assert related.labels("a writing") == ()
    assert related.labels("a red car") == (*related.labels("red"), *related.labels("car"))


def test_agreement_counts_filters_that_have_both(small):
    related = agreement.Kinship(language_of.language(small), small.concepts)
    one = [related.labels(each) for each in ("car", "dog", "sea", "")]
    other = [related.labels(each) for each in ("vehicle", "cat", "table", "sky")]
    (row,) = agreement.agreement(related, {"label": one, "name": other}).to_dict("records")
    assert (row["filters"], row["same"], row["kin"]) == (3, 1 / 3, 2 / 3)
    others = [(i, j) for i in range(3) for j in range(3) if i != j]
    assert row["same_by_chance"] == np.mean([related.same(one[i], other[j]) for i, j in others])
    assert row["kin_by_chance"] == np.mean([related.kin(one[i], other[j]) for i, j in others])
    assert row["more"] == pytest.approx(row["kin"] - row["kin_by_chance"]) and row["low"] <= row["more"] <= row["high"]


def handmade() -> behaviour.Behaviour:
    """Four images of two atoms; two units."""
    fired = np.array([[[3, 1], [0, 2]], [[2, 0], [1, 3]]])
    sizes = np.array([[10, 10], [4, 16]])
    by_image = csr_array(np.array([[1.0, 0], [0, 1], [0.4, 0.6], [0, 1]]))
    return behaviour.Behaviour(
        fired, sizes, by_image, np.array([[1.0, 0], [0, 1], [2, 1], [0, 3]]), np.array([0, 0, 1, 1])
    )


def test_truth_of_names_is_counted_on_the_second_half():
    found = truth.truth(handmade(), np.array([[True, False], [True, False]]))
    assert found["pixels"].tolist() == [1, 1 / 4] and found["by_chance"].tolist() == [4 / 20, 4 / 20]
    assert found["times"].tolist() == [5, 1.25] and found["auc"].tolist() == [1, 0]


def test_planted_units_are_active_where_their_concept_is():
    clean = truth.planted(handmade(), np.array([[True, False], [False, True]]), 0.0)
    assert np.allclose(clean, [[1, 0], [0, 1], [0.4, 0.6], [0, 1]])
    noisy = truth.planted(handmade(), np.array([[True, False]]), 1.0, seed=3)
    assert np.array_equal(noisy, truth.planted(handmade(), np.array([[True, False]]), 1.0, seed=3))
    assert not np.allclose(noisy, clean[:, :1])


def test_units_planted_for_phrases_that_the_model_tells_apart_are_named_right(small, tmp_path):
    """A model that is told the areas of four concepts: all of their units are named right, and hold on other images."""
    filters = explain.Filters(read_layers(load_network("small-alexnet", None, None, 0), ["conv5"], small, tau=0.02,
                                          store=Store(str(tmp_path)))["conv5"], small, ())  # fmt: skip
    done = behaviour.behaviour(filters, behaviour.halves(60, 0))
    asked, language = ["sky", "grass", "road", "floor"], language_of.language(small)
    holds = behaviour.of_phrases(filters.atoms, language, asked)
    areas = truth.planted(done, holds, 0.0)
    fits = naming.Fits([*asked, "quokka"], [], np.c_[3 * areas, np.zeros(60)].astype(np.float32))
    table = truth.right(done, filters.atoms, fits, 0.0, lams=(1.0,))
    assert set(table["concept"]) == set(asked) and len(table) == 4 and all(table["right"].tolist())
    units = replace(done, activation=areas, fired=(done.sizes[:, None] * holds).astype(np.int64))
    (row,) = truth.by_weight(units, filters.atoms, language, fits, lams=(1.0,)).to_dict("records")
    assert (row["names"], row["nowhere"]) == (4, 1)  # grass is in no image of the second half
    assert row["auc"] == 1 and row["dealt"] < 0.8 and row["times"] > 1


def test_names_on_a_page_are_escaped():
    page = charts.table(pd.DataFrame({"name": ["<script>alert(1)</script>"]}), "names")._repr_html_()
    assert "<script>alert" not in page
