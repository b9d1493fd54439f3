"""Descriptions of units: phrases, exemplars, features, decoding and truth, against slow loops and planted answers."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
import torch

from n2vlib.activations.layer import read_layers
from n2vlib.errors import BadInput
from n2vlib.methods import dissection
from n2vlib.networks.load import load_network
from n2vlib.probe import load_probe
from n2vlib.store import Store
from n2vlib.words import (
    decoding,
    describer,
    exemplars,
    features,
    generalisation,
    held_out,
    phrases,
    regions,
    training,
    truth,
)
from n2vlib.words.model import PAD, START, STOP, Decoder, LanguageModel, Sizes, likelihood, numbers, vocabulary
from n2vlib.words.overlap import bleu
from n2vlib.world import draw
from n2vlib.zoo import shipped
from n2vlib.zoo.others import DESCRIBERS, OTHERS

NAME = "small-describer"
LANGUAGE = phrases.drawn()
RED_ROOF = frozenset({("color", "red"), ("part", "roof"), ("object", "house")})


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world") / "scenes"
    draw(folder, 48, seed=5)
    return load_probe(folder)


@pytest.fixture(scope="module")
def layer(probe, tmp_path_factory):
    store = Store(str(tmp_path_factory.mktemp("store")))
    found = read_layers(load_network("small-alexnet"), ["conv5"], probe, tau=0.005, tau_max=0.01, store=store)
    return found["conv5"]


# ---- phrases


def every_meaning():
    alone = [frozenset({each}) for each in LANGUAGE.members]
    return [frozenset(), *alone, RED_ROOF, RED_ROOF - {("color", "red")}, RED_ROOF - {("object", "house")}]


@pytest.mark.parametrize("style", range(phrases.STYLES))
def test_every_meaning_is_read_again_from_its_text(style):
    for meaning in every_meaning():
        assert LANGUAGE.parse(phrases.text([meaning], style)) == {meaning}, phrases.text([meaning], style)


def test_alternatives_longest_names_and_unknown_words():
    both = LANGUAGE.parse("a red car or anything that is a traffic light")
    assert both == {frozenset({("color", "red"), ("object", "car")}), frozenset({("object", "traffic light")})}
    assert LANGUAGE.parse("xyzzy a the of") == {frozenset()}
    assert phrases.text([frozenset({("color", "orange"), ("object", "grass")})]) == "orange grass"
    assert phrases.text([frozenset({("color", "orange"), ("object", "car")})]) == "an orange car"


def test_every_word_that_can_be_said_has_a_part_of_speech():
    said = {word for text in training._texts(LANGUAGE) for word in phrases.words_of(text)} - {"b"}
    tags = LANGUAGE.tags()
    assert said <= set(tags) and (tags["red"], tags["striped"], tags["car"]) == ("JJ", "JJ", "NN")


def test_groups_hold_where_a_member_does(probe):
    vehicles = {
        probe.concept(name) for name in ("car", "bus", "truck", "tractor") if name in set(probe.concepts["name"])
    }
    for image in range(len(probe)):
        slow = np.zeros(probe.label_size, bool)
        for number in vehicles:
            slow |= probe.annotated(number, image)
        assert np.array_equal(phrases.holds("anything that is a motor vehicle", probe, image), slow)


def flood(mask: np.ndarray) -> list[np.ndarray]:
    """Connected regions of a mask, four neighbors, by a slow fill."""
    left, found = {(y, x) for y, x in np.argwhere(mask).tolist()}, []
    while left:
        waiting, region = [left.pop()], np.zeros_like(mask)
        while waiting:
            y, x = waiting.pop()
            region[y, x] = True
            for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if near in left:
                    left.remove(near)
                    waiting.append(near)
        found.append(region)
    return found


def test_a_colored_thing_holds_on_regions_whose_commonest_color_it_is(probe):
    colors = probe.concepts.index[probe.concepts["category"] == "color"].tolist()
    checked = 0
    for image in range(len(probe)):
        for name in ("car", "house", "tree", "person"):
            if name not in set(probe.concepts["name"]):
                continue
            found = {number: np.zeros(probe.label_size, bool) for number in colors}
            for region in flood(probe.annotated(name, image)):
                areas = [(region & probe.annotated(number, image)).sum() for number in colors]
                if max(areas):
                    found[colors[int(np.argmax(areas))]] |= region
            for number, wanted in found.items():
                color = phrases.plain(probe.concepts.loc[number, "name"], "color")
                assert np.array_equal(phrases.holds(f"a {color} {name}", probe, image), wanted)
                checked += wanted.any()
    assert checked > 10


def test_colors_and_materials_alone_hold_pixel_by_pixel_and_anything_everywhere(probe):
    for image in range(8):
        assert np.array_equal(phrases.holds("anything green", probe, image), probe.annotated("green-c", image))
        assert np.array_equal(phrases.holds("things made of wood", probe, image), probe.annotated("wood", image))
        assert phrases.holds("anything", probe, image).all()
        either = probe.annotated("sky", image) | probe.annotated("grass", image)
        assert np.array_equal(phrases.holds("the sky or grass", probe, image), either)


# ---- exemplars and features


def test_exemplars_of_a_stored_layer_are_those_of_whole_maps(layer, probe):
    found = exemplars.of_layer(layer, probe, units=[3, 77], count=6)
    maps = layer.maps(range(len(probe)), [3, 77])
    for row, unit in enumerate((3, 77)):
        highest = maps[:, row].max((1, 2))
        assert found.which[row].tolist() == sorted(range(len(probe)), key=lambda i: (-highest[i], i))[:6]
        wanted = dissection.mask(layer.at(0.01), probe, maps[found.which[row], row].astype(np.float64), unit)
        assert np.array_equal(found.masks[row], wanted)
        assert np.array_equal(found.images[row, 2], probe.image(int(found.which[row, 2])))
    assert found.of([1]).images.shape == (1, 6, *probe.image_size, 3)
    assert np.array_equal(found.of([1]).images[0], found.images[1])


def test_exemplars_of_maps_cut_each_unit_at_its_own_quantile():
    rng = np.random.default_rng(0)
    maps = rng.random((20, 3, 4, 4)).astype(np.float32) * np.array([1, 10, 100], np.float32)[:, None, None]
    images = rng.integers(0, 255, (20, 8, 8, 3)).astype(np.uint8)
    found = exemplars.of_maps(images, maps, tau=0.1, count=5, size=(4, 4))
    for unit in range(3):
        threshold = np.sort(maps[:, unit].ravel())[::-1][32]  # a tenth of 320 places is above it
        assert (maps[:, unit] > threshold).sum() == 32
        assert np.array_equal(found.masks[unit], maps[found.which[unit], unit] > threshold)


def test_more_exemplars_than_images_or_units_that_are_not_there_are_refused(layer, probe):
    with pytest.raises(BadInput, match="15 images a unit"):
        exemplars.of_maps(np.zeros((3, 8, 8, 3), np.uint8), np.zeros((3, 1, 2, 2), np.float32))
    with pytest.raises(BadInput, match="0 to 127"):
        exemplars.of_layer(layer, probe, units=[500])


def test_pooling_is_the_mean_of_a_map_under_the_shrunk_mask():
    rng = np.random.default_rng(1)
    maps = [torch.from_numpy(rng.random((5, side, side)).astype(np.float32)) for side in (8, 4)]
    masks = np.zeros((2, 16, 16), bool)
    masks[0, 2:9, 4:13] = True  # the second stays empty
    pooled = features.pool(maps, torch.from_numpy(masks)).numpy()
    wanted = []
    for each in maps:
        side, step = each.shape[1], 16 // each.shape[1]
        weights = np.zeros((side, side))
        for y, x in product(range(side), range(side)):  # bilinear: the mean of the four pixels around the cell's centre
            top, left = y * step + step // 2 - 1, x * step + step // 2 - 1
            weights[y, x] = masks[0, top : top + 2, left : left + 2].mean()
        wanted += [(weights * channel).sum() / weights.sum() for channel in each.numpy()]
    assert np.allclose(pooled[0], wanted, atol=1e-5)
    assert not pooled[1].any()


# ---- decoding


@pytest.fixture(scope="module")
def small():
    """A tiny decoder and language model with random weights, large enough that choices differ."""
    torch.manual_seed(0)
    words = vocabulary(["a b c"])
    sizes = Sizes(features=4, projected=6, embedding=5, hidden=7, attention=3, language=6)
    decoder, model = Decoder(len(words), sizes).eval(), LanguageModel(len(words), sizes).eval()
    with torch.no_grad():
        decoder.out.bias[STOP] += 1.0
        for parameter in [*decoder.parameters(), *model.parameters()]:
            parameter.mul_(3)
    return words, decoder, model


def all_texts(words: list[str], longest: int) -> list[str]:
    return [" ".join(each) for n in range(longest + 1) for each in product(words[3:], repeat=n)]


def test_beam_search_with_room_for_all_finds_what_trying_all_finds(small, monkeypatch):
    words, decoder, model = small
    monkeypatch.setattr(decoding, "LONGEST", 4)
    shown = torch.rand(3, 5, 4)
    table = decoding.candidates(decoder, model, words, shown.numpy(), beam=200)
    texts = all_texts(words, 3)
    rows = numbers(texts, words)
    for unit in range(3):
        with torch.inference_mode():
            log_p, _ = decoder(shown[unit : unit + 1].expand(len(texts), -1, -1), rows[:, :-1])
        wanted = pd.Series(likelihood(log_p, rows[:, 1:]).numpy(), texts)
        own = table[table["unit"] == unit].set_index("description")["likelihood"]
        assert np.allclose(own[texts], wanted[texts], atol=1e-4)
        assert own.index[0] == wanted.idxmax() or own.iloc[0] > wanted.max()


def test_the_prior_is_the_language_models_sum_over_words_and_the_stop(small):
    words, _, model = small
    for text in ("", "a", "b b c"):
        row = [START, *(words.index(word) for word in text.split()), STOP]
        with torch.inference_mode():
            log_p = model(torch.tensor([row[:-1]]))[0]
        wanted = sum(float(log_p[at, word]) for at, word in enumerate(row[1:]))
        assert decoding.prior(model, words, [text])[0] == pytest.approx(wanted, abs=1e-5)


def test_reranking_takes_the_largest_score():
    rows = [(0, "short", -1.0, -1.0), (0, "telling", -1.4, -9.0), (1, "only", -2.0, -3.0)]
    table = pd.DataFrame(rows, columns=["unit", "description", "likelihood", "prior"])
    assert decoding.reranked(table, 0)["description"].tolist() == ["short", "only"]
    again = decoding.reranked(table, 0.2)
    assert again["description"].tolist() == ["telling", "only"]
    assert again.loc[0, "score"] == pytest.approx(-1.4 + 0.2 * 9)


def test_an_unknown_word_is_refused_by_name(small):
    with pytest.raises(BadInput, match="no word 'zebra'"):
        numbers(["a zebra"], small[0])


# ---- regions, training


def test_regions_are_where_their_phrases_hold(probe):
    checked = 0
    for image in range(10):
        for meaning, mask in regions.in_image(probe, image).items():
            assert np.array_equal(mask, phrases.language(probe).mask(meaning, probe, image)), meaning
            checked += 1
    assert checked > 100


def test_a_region_as_a_filter_fires_on_it_lies_mostly_on_it():
    masks = np.zeros((200, 56, 56), bool)
    masks[:, 10:40, 20:50] = True
    found = regions.fired(masks, np.random.default_rng(0))
    assert found.any((1, 2)).all()
    assert np.mean((found & masks).sum((1, 2)) / found.sum((1, 2))) > 0.7
    assert len({each.tobytes() for each in found}) > 150


@pytest.fixture(scope="module")
def bank(probe):
    return regions.Bank.of(probe, features.encoder("small-alexnet", ["conv1", "conv5"]), 0)


def test_units_show_what_their_descriptions_say_and_held_out_combinations_are_left_out(bank):
    draws, source = np.random.default_rng(0), regions.Units(bank)
    language = bank.language
    of_row = {int(row): meaning for meaning, rows in bank.rows.items() for row in rows}
    for _ in range(200):
        unit = source.draw(draws, stray=0)
        assert all(language.parse(unit.described(draws)) == set(unit.meanings) for _ in range(3))
        assert not any(regions.held_out(meaning) for meaning in unit.meanings)
        wanted = set().union(*({frozenset({each}) for each in meaning} for meaning in unit.meanings))
        for row in unit.rows:
            shown = of_row[int(row)] | {group for each in of_row[int(row)] for group in language.kin[each]}
            assert not wanted or any(each <= shown for each in wanted)


def test_held_out_combinations_are_a_share_and_always_the_same():
    triples = [
        frozenset({("color", color), ("part", part), ("object", thing)})
        for color in ("red", "blue", "green", "white", "black", "yellow")
        for part in ("wheel", "door", "roof", "leg", "head")
        for thing in ("car", "house", "dog", "bus", "barn", "cow")
    ]
    share = np.mean([regions.held_out(each) for each in triples])
    assert 0.1 < share < 0.3
    assert not regions.held_out(frozenset({("color", "red"), ("object", "car")}))


def test_training_keeps_the_best_weights_and_not_the_last(bank, monkeypatch):
    monkeypatch.setattr(training, "CHECKED", 64)
    row = replace(DESCRIBERS[NAME], steps=4, batch=4, check=1, patience=9, rate=0.5)  # far too fast: it gets worse
    weights, card = training.fit(row, bank, bank)
    curve = pd.DataFrame(card["curve"])
    assert curve["held_out"].to_numpy().argmin() < len(curve) - 1
    found = training.filled(
        "it", card, training._floats(weights), features.encoder("small-alexnet", ["conv1", "conv5"])
    )
    looked = training._batch(bank, regions.Units(bank), training.CHECKED, card["words"], np.random.default_rng(1))
    both = torch.nn.ModuleDict({"decoder": found.decoder, "model": found.model})
    with torch.inference_mode():
        again = float(training.losses(both, looked)[0])
    assert again == pytest.approx(curve["held_out"].min(), rel=0.02)
    assert training.fit(row, bank, bank)[1]["sha256"] == card["sha256"]


def test_a_right_description_scores_one_and_a_groups_name_is_true_of_its_members():
    shown = frozenset({frozenset({("object", "dog")})})
    assert held_out._right(LANGUAGE.parse("the dog"), shown, LANGUAGE) == {"exact": 1, "words": 1, "named": 1}
    assert held_out._right(LANGUAGE.parse("a pet"), shown, LANGUAGE) == {"exact": 0, "words": 1, "named": 0}
    assert held_out._right(LANGUAGE.parse("a red dog"), shown, LANGUAGE) == {"exact": 0, "words": 0.5, "named": 1}


# ---- the describer that ships


@pytest.fixture(scope="module")
def shipped_describer():
    return describer.load()


def test_it_ships_small_with_its_floor_and_the_best_of_its_curve():
    card = shipped.card(NAME)
    assert NAME in OTHERS and (shipped.FOLDER / f"{NAME}.safetensors").stat().st_size < 1_400_000
    assert {"seen", "their_like", "held_out", "floor"} <= set(card["accuracy"])
    assert card["accuracy"]["seen"]["exact"] > 5 * card["accuracy"]["floor"]["exact"]
    assert card["seconds"] > 0 and card["weights"] < 700_000


def test_it_describes_planted_units_and_batches_agree_with_one_by_one(shipped_describer, probe):
    shown = [(image, probe.annotated("sky", image)) for image in probe.images_with("sky")[:15]]
    images = np.array([probe.image(int(image)) for image, _ in shown])
    masks = np.array([[mask for _, mask in shown]] * 2)
    masks[1] = ~masks[1]
    at = np.tile(np.arange(len(shown)), (2, 1))
    both = exemplars.Exemplars(images, at, masks, np.array([4, 9]), at)
    table = shipped_describer.describe(both)
    assert table.index.tolist() == [4, 9] and [*table] == ["description", "likelihood", "prior", "score"]
    assert "sky" in table.loc[4, "description"]
    alone = shipped_describer.describe(both.of([1]))
    assert alone.loc[9, "description"] == table.loc[9, "description"]
    again = shipped_describer.likelihood(both, table["description"].tolist())
    assert np.allclose(again, table["likelihood"], atol=1e-3)
    assert np.allclose(shipped_describer.prior(table["description"].tolist()), table["prior"], atol=1e-4)


def test_the_key_of_a_describer_is_of_its_weights_words_language_and_eyes(shipped_describer):
    found, eyes = shipped_describer, shipped_describer.encoder
    other = replace(eyes.network.preprocessing, mean=(0, 0, 0))
    networks = [replace(eyes.network, preprocessing=other), replace(eyes.network, fingerprint="another")]
    changed = [replace(found, encoder=replace(eyes, network=each)) for each in networks]
    changed += [replace(found, encoder=replace(eyes, layers=eyes.layers[1:])), replace(found, words=found.words[:-1])]
    changed += [replace(found, card=found.card | {"sha256": ""}), replace(found, language=phrases.Language({}, {}))]
    assert describer.load().key == found.key and len({found.key, *(each.key for each in changed)}) == 7


def test_an_encoder_with_other_features_is_refused_in_one_line(shipped_describer, layer, probe):
    other = replace(shipped_describer, encoder=features.encoder("small-vgg", ["conv4_3"]))
    with pytest.raises(BadInput, match="was trained on 472") as refused:
        other.describe(exemplars.of_layer(layer, probe, [0], count=3))
    assert "\n" not in str(refused.value)


def test_descriptions_of_a_layer_are_kept_and_their_weight_can_change(shipped_describer, layer, probe):
    first = describer.described(layer, probe, layer.store, shipped_describer, units=[3, 5], beam=10)
    again = describer.described(layer, probe, layer.store, shipped_describer, units=[3, 5], beam=10)
    pd.testing.assert_frame_equal(first, again)
    assert first.index.tolist() == [3, 5]
    plain = describer.described(layer, probe, layer.store, shipped_describer, units=[3, 5], weight=0, beam=10)
    assert (plain["likelihood"] >= first["likelihood"]).to_numpy().all()


def test_overlap_by_chance_is_the_mean_over_pairings_with_other_units():
    texts, wanted = ["a red car", "the sky", "grass"], ["a red bus", "the sky", "a car"]
    found = generalisation._overlap(texts, wanted, LANGUAGE)
    ways = [[phrases.text(LANGUAGE.parse(each), style) for style in range(3)] for each in wanted]
    one, two = (bleu(texts, [ways[i] for i in order]) for order in ([1, 2, 0], [2, 0, 1]))
    assert found == {"bleu": bleu(texts, ways), "bleu_by_chance": pytest.approx((one + two) / 2)} and one != two
    assert np.isnan(generalisation._overlap(texts[:1], wanted[:1], LANGUAGE)["bleu_by_chance"])


# ---- truth


def test_masks_from_what_is_stored_are_those_of_whole_maps(layer, probe):
    at = layer.at(0.01)
    for image in (0, 7):
        maps = at.maps([image])[0].astype(np.float64)
        found = truth.fired(at, probe, image)
        for unit in (0, 5, 99):
            assert np.array_equal(found[unit], dissection.mask(at, probe, maps[unit], unit))
        assert np.array_equal(truth.fired(at, probe, image, [5, 0]), found[[5, 0]])


def test_truth_of_descriptions_is_counted_pixel_by_pixel(layer, probe):
    at, images, texts = layer.at(0.01), [1, 4, 9, 20], ["the sky", "a red car or grass", "anything"]
    table = truth.of_descriptions(at, probe, [2, 3, 4], texts, images)
    for unit, text in zip((2, 3, 4), texts, strict=True):
        fires = np.array([truth.fired(at, probe, image)[unit] for image in images])
        holds = np.array([phrases.holds(text, probe, image) for image in images])
        both, either = (fires & holds).sum(), (fires | holds).sum()
        assert table.loc[unit, "iou"] == pytest.approx(both / max(either, 1))
        assert table.loc[unit, "precision"] == pytest.approx(both / max(fires.sum(), 1))
        assert table.loc[unit, "recall"] == pytest.approx(both / max(holds.sum(), 1))


def test_the_best_phrase_is_at_least_as_good_as_any_label(layer, probe):
    at, images = layer.at(0.01), range(0, 48, 4)
    found = truth.best(at, probe, range(6), regions.in_images(probe, images))
    again = truth.of_descriptions(at, probe, range(6), found["description"].tolist(), images)
    for name in ("the sky", "grass", "a tree", "anything green"):
        other = truth.of_descriptions(at, probe, range(6), [name] * 6, images)
        assert (found["iou"] + 0.02 >= other["iou"]).to_numpy().all()
    assert np.allclose(found["iou"], again["iou"], atol=0.05)  # small regions are no regions


def test_a_describer_of_a_users_probe_set_is_trained_and_kept(probe, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "CHECKED", 32)
    monkeypatch.setattr(held_out, "MEASURED", 32)
    network, store = load_network("small-alexnet"), Store(str(tmp_path))
    found = training.of_probe(probe, network, ["conv5"], store, steps=3, batch=4, check=1)
    again = training.of_probe(probe, network, ["conv5"], store, steps=3, batch=4, check=1)
    assert found.words == again.words and found.fingerprint == again.fingerprint
    kept = next(tmp_path.glob("describers/*/describer.json"))
    assert json.loads(kept.read_text())["name"] == probe.name
    assert torch.equal(found.decoder.out.weight, again.decoder.out.weight)
    assert PAD == 0
