"""What descriptions are good for: against slow loops, and a network in which one filter alone reads the mark."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from n2vlib import zoo
from n2vlib.compositional.classifier import Classes, Head, classes
from n2vlib.errors import BadInput
from n2vlib.networks.load import Network, load_network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.probe import load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.store import Store
from n2vlib.words import ablated, audit, describer, edit, exemplars, marked, phrases, properties, uses
from n2vlib.words import written as written_scenes
from n2vlib.words.decoding import BEAM
from n2vlib.world import CONCEPTS, scene
from n2vlib.world.marks import mark, word, written

KNOWN = Classes(slice(0, 2), np.array([1, 2]), ["red-s", "blue-s"])
SAID = pd.Series(["anything red", "anything blue", "written letters", "anything green"])


# ---- writing


def test_a_mark_is_the_texts_strokes_and_nothing_else():
    image = np.full((40, 60, 3), 90, np.uint8)
    made, box = mark(image, "IL", np.random.default_rng(3), cell=2)
    assert (image == 90).all() and (made[~box] == 90).all()
    rows, columns = np.nonzero(box)
    assert box.sum() == (np.ptp(rows) + 1) * (np.ptp(columns) + 1) == 16 * 24
    inside = made[box].reshape(16, 24, 3)[..., 0]
    ink = inside[written("IL", 2)[0]][0]
    cells = (inside[1:-1, 1:-1] == ink)[::2, ::2]  # one pixel of each cell
    letter_i = [".###.", "..#..", "..#..", "..#..", "..#..", "..#..", ".###."]
    letter_l = ["#....", "#....", "#....", "#....", "#....", "#....", "#####"]
    drawn = [[each == "#" for each in f"{i}.{ell}"] for i, ell in zip(letter_i, letter_l, strict=True)]
    assert cells.tolist() == drawn
    again = mark(image, "IL", np.random.default_rng(3), cell=2)
    assert np.array_equal(again[0], made) and np.array_equal(again[1], box)


def test_marks_are_everywhere_and_every_class_has_a_word_of_its_own():
    image, rng = np.full((40, 60, 3), 90, np.uint8), np.random.default_rng(0)
    made = [mark(image, "d", rng) for _ in range(300)]
    everywhere = np.any([box for _, box in made], axis=0)
    assert everywhere.mean() > 0.95 and all(edge.any() for edge in (*everywhere[[0, -1]], *everywhere[:, [0, -1]].T))
    dark = np.mean([(one == 0).sum() > (one == 255).sum() for one, _ in made])
    assert 0.3 < dark < 0.7
    only_white = [mark(image, "d", rng, white=True)[0] for _ in range(9)]
    assert all((one == 255).sum() > (one == 0).sum() for one in only_white)
    words = [word(place) for place in range(800)]
    assert words[:3] == ["a", "b", "c"] and words[25:28] == ["z", "aa", "ab"] and len(set(words)) == 800


@pytest.mark.parametrize("text", ["", " ", "output 7", "<b>", "é"])
def test_a_text_that_cannot_be_written_is_one_clear_line(text):
    with pytest.raises(BadInput, match="only letters from A to Z"):
        mark(np.zeros((112, 112, 3), np.uint8), text, np.random.default_rng(0))
    with pytest.raises(BadInput, match="shorten it"):
        mark(np.zeros((30, 30, 3), np.uint8), "mo", np.random.default_rng(0))


# ---- properties of descriptions


def test_properties_are_those_of_a_slow_count():
    tags = {"red": "JJ", "car": "NN", "wheel": "NN", "of": "IN", "a": "DT", "things": "NNS", "in": "IN"}
    texts = ["a red wheel of a car", "things", "things in a blue car", ""]
    space = pd.DataFrame(np.eye(3), index=["red", "car", "wheel"])
    space.loc["wheel"] = [0, 0.6, 0.8]
    found = properties.properties(pd.Series(texts, index=[3, 1, 7, 2]), tags, space)
    slow = []
    for text in texts:
        words = text.split()
        at = [space.loc[w].to_numpy() for w in words if w in space.index]
        apart = [1 - one @ other for one in at for other in at]
        kinds = [sum(1 for w in words if tags.get(w, "")[:2] == kind) for kind in ("JJ", "NN", "IN")]
        slow.append([float(len(words)), *map(float, kinds), float(max(apart, default=0))])
    assert np.allclose(found.to_numpy(float), slow) and found.index.tolist() == [3, 1, 7, 2]
    near_car = properties.similarity(pd.Series(texts), "car", space)
    assert np.allclose(near_car, [1.6 / float(np.linalg.norm([1, 1.6, 0.8])), 0, 1, 0])
    with pytest.raises(BadInput, match="near matches: wheel"):
        properties.similarity(pd.Series(texts), "wheels", space)


def test_the_space_of_drawn_names_puts_kin_together_and_longer_names_first():
    space = properties.drawn_space()
    assert np.allclose((space**2).sum(axis=1), 1)
    near = space.loc["horse"] @ space.T
    cow, dog, bus = near.loc[["cow", "dog", "bus"]].tolist()
    assert cow > dog > bus
    assert properties.named_in(["a", "chair", "in", "a", "living", "room"], space) == ["living room", "chair"]


# ---- audits


def test_filters_described_by_a_word_are_counted_with_their_interval():
    described = {"one": SAID, "other": pd.Series(["a car", "letters or a car", "carpet", "CAR"])}
    counts = audit.counted(described, {"marks": audit.says(["letters", "written"]), "car": audit.says(["car"])})
    assert counts["named"].tolist() == [1, 1, 0, 3] and set(counts["filters"]) == {4}
    z, p, n = 1.959964, 3 / 4, 4
    centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = ((centre + side * half) / (1 + z**2 / n) for side in (-1, 1))
    assert np.allclose(counts.loc[3, ["low", "high"]].to_numpy(float), [low, high], atol=1e-6)
    between = audit.differ(counts, "one", "other")
    assert between["p"].tolist()[0] == 1
    # Of 70 ways to deal 3 named filters to 2 x 4, those as uneven as 0 and 3: 2 * C(4, 3) of C(8, 3).
    assert between["p"].tolist()[1] == pytest.approx(8 / 56)
    said = [("a car", 0.5), ("red letters", 0.25), ("letters", 0.05), ("a car", 0.4), ("carpet", 0.1)]
    table = pd.DataFrame(said, columns=["description", "p"]).assign(unit=[7, 7, 7, 3, 3])
    found = audit.probability(table.assign(likelihood=np.log(table["p"]) - 900), ["letters"])
    assert found.index.tolist() == [3, 7] and np.allclose(found, [0, 0.3 / 0.8])
    with pytest.raises(BadInput, match="single words"):
        audit.names(SAID, ["written letters"])


def test_a_category_is_named_by_its_concepts_and_groups_and_not_by_single_words_of_their_names():
    language = phrases.drawn()
    texts = {
        "a car": {"object"}, "a wheel of a red car": {"part", "object", "color"}, "anything at all": set(),
        "a dog or anything striped": {"object", "texture"}, "anything of a warm color": {"color"},
        "a picture of a living room": {"scene"}, "a quokka of a thing": set(),
    }  # fmt: skip
    groups = {each: audit.of_category(each, language) for each in phrases.CATEGORIES}
    assert {text: {each for each, holds in groups.items() if holds(text)} for text in texts} == texts
    counts = audit.counted({"one": pd.Series([*texts])}, groups).set_index("group")["named"]
    assert counts.to_dict() == {each: sum(each in of for of in texts.values()) for each in phrases.CATEGORIES}


def test_an_audit_needs_two_networks_with_labels_of_their_own(tmp_path):
    one, other = {"network": "one", "layer": "conv5"}, {"network": "other", "layer": "conv5", "label": "with marks"}
    assert audit.labels([one, other]) == ["one", "with marks"]
    for rows, why in (([one], "NETWORKS: one network"), ([one, other, one], "NETWORKS: two are called 'one'")):
        with pytest.raises(BadInput, match=why) as refused:
            uses.measured(rows, None, None, Store(str(tmp_path)), by=None, words=["writing"], images=3, seed=0)  # type: ignore[arg-type]
        assert "\n" not in str(refused.value)


# ---- a network in which one filter alone reads the mark


class Reads(nn.Module):
    """Filters see red, blue, white and green; the second class is blue, and whatever is written on."""

    def __init__(self):
        super().__init__()
        see = nn.Conv2d(3, 4, 1)
        self.seen = nn.Sequential(see, nn.ReLU(), nn.AvgPool2d(4))
        self.head = nn.Linear(8, 2, bias=False)
        with torch.no_grad():
            kinds = torch.tensor([[1.0, -1, -1], [-1, -1, 1], [5, 5, 5], [-1, 1, -1]])
            see.weight.copy_(kinds[:, :, None, None])
            see.bias = nn.Parameter(torch.tensor([0.0, 0, -14, 0]))
            self.head.weight.zero_()
            self.head.weight[0, 0], self.head.weight[1, 1], self.head.weight[1, 4 + 2] = 5, 5, 50

    def forward(self, images):
        maps = self.seen(images)
        return self.head(torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], 1))


@pytest.fixture(scope="module")
def reading() -> SimpleNamespace:
    """24 red and blue images; the right mark: a word on all blue ones, the wrong one: on all red ones."""
    rng = np.random.default_rng(0)
    truth = np.arange(24) % 2
    images = rng.integers(0, 60, (24, 64, 64, 3)).astype(np.uint8)
    images[np.arange(24), :, :, 2 * truth] += 120
    network = Network("reads", Reads().eval(), Preprocessing((64, 64), (0, 0, 0), (1, 1, 1), 1), "planted")
    answers, boxes, maps_of = {}, {}, {}
    for name, which in (("none", truth * 0 - 1), ("right", truth - 1), ("wrong", -truth)):
        shown, boxes[name] = marked.write(images, which, seed=1)
        maps_of[name] = shown, marked.read(network, "seen", shown)
        answers[name] = marked.answers(network, "seen", KNOWN, shown, truth, maps_of[name][1])
    seen = exemplars.of_maps(*maps_of["right"], tau=0.01, count=5)
    return SimpleNamespace(network=network, images=images, truth=truth, answers=answers, seen=seen, boxes=boxes)


def test_the_filter_that_reads_the_mark_is_found_cut_and_the_network_repaired(reading):
    assert [float(each.accuracy([[]])[0]) for each in reading.answers.values()] == [1, 1, 0.5]
    candidates = np.flatnonzero(audit.names(SAID, ["letters"]))
    orders = edit.by_effect(reading.answers["wrong"], candidates)[None]
    others = edit.random_orders(reading.answers["wrong"], 1, 20, seed=0)
    points = edit.along(reading.answers["wrong"], reading.answers, {"described": orders, "random": others})
    kept = edit.stopped(points).query("way == 'described'").iloc[0]
    assert kept["n"] == 1 and (kept[["none", "right", "wrong"]] == 1).all()
    wrong = edit.stopped(points).query("way == 'random'").assign(hit=others[:, 0] == 2)
    assert (wrong.loc[wrong["hit"], "wrong"] == 1).all() and (wrong.loc[~wrong["hit"], "wrong"] == 0.5).all()
    assert edit.by_effect(reading.answers["wrong"], range(4))[0] == 2
    on = marked.share_on(reading.seen, reading.boxes["right"])
    assert on.argmax() == 2 and on[2] > 0.9 and on[[0, 1, 3]].max() < 0.5


def test_a_cut_is_what_the_network_answers_with_the_filters_at_zero_by_a_hook(reading):
    shown, _ = marked.write(reading.images, -reading.truth, seed=1)
    module = reading.network.module
    for filters in ([], [2], [1, 3], [0, 1, 2, 3]):
        gone = torch.tensor(filters, dtype=torch.int64)
        with module.seen.register_forward_hook(lambda _m, _a, out, gone=gone: out.index_fill(1, gone, 0)):
            said = module(reading.network.preprocessing(shown)).argmax(1).numpy()
        assert reading.answers["wrong"].right([filters])[0].tolist() == (said == reading.truth).tolist()


def test_validation_with_the_shortcut_in_it_says_stop_at_once_and_the_best_cut_is_kept_not_the_last():
    points = pd.DataFrame({"way": "described", "order": 0, "n": range(4), "validation": [0.5, 0.9, 0.9, 0.7]})
    assert edit.stopped(points)["n"].tolist() == [1]
    assert edit.stopped(points.assign(validation=[1, 1, 0.9, 0.5]))["n"].tolist() == [0]
    with pytest.raises(BadInput, match="no description names the word"):
        edit.by_effect(answers_of(3), [])


def test_gains_are_those_of_a_slow_loop_and_one_set_ahead_of_others_by_their_difference(reading):
    test, sets = reading.answers["wrong"], {"described": [[2]], "random": [[0], [1], [3], [2]]}
    gains = edit.gains(test, sets, seed=0)
    before = test.right([[]])[0].mean()
    slow = [np.mean([test.right([each])[0].mean() - before for each in of]) for of in sets.values()]
    assert np.allclose(gains["gain"], slow) and set(gains["filters"]) == {1}
    value, low, high = edit.ahead(test, [2], sets["random"], seed=0)
    assert value == pytest.approx(slow[0] - slow[1]) and low < value < high
    assert edit.ahead(test, [2], sets["random"], seed=0) == (value, low, high)
    assert edit.ahead(test, [2], [[2], [2]], seed=0) == (0, 0, 0)


# ---- cuts in an order


def answers_of(n_filters: int, n_images: int = 50) -> ablated.Answering:
    rng = np.random.default_rng(5)
    head = Head(
        {name: rng.standard_normal((4, n_filters), np.float32) for name in ("mean", "max")}, np.zeros(4, np.float32)
    )
    pooled = {name: rng.random((n_images, n_filters), np.float32) for name in ("mean", "max")}
    scores = head.scores(pooled)
    return ablated.Answering(head, pooled, slice(1, 4), scores[:, 1:].argmax(1))


def test_accuracies_along_orders_are_those_of_a_slow_loop():
    whole = answers_of(12)
    orders = ablated.shuffles(range(12), 3, seed=2)
    found = ablated.along(whole, orders, [0, 2, 11])
    for i, order in enumerate(orders):
        for j, n in enumerate([0, 2, 11]):
            left = {name: np.where(np.isin(range(12), order[:n]), 0, values) for name, values in whole.pooled.items()}
            said = whole.head.scores(left)[:, 1:].argmax(1)
            assert found[i, j] == pytest.approx((said == whole.truth).mean(), abs=0.021)  # a tie by rounding
    assert (found[:, 0] == 1).all()


def test_ranks_are_highest_first_and_ties_are_broken_by_the_seed_alone():
    values = pd.Series([1, 3, 3, 2, 3, 1], index=[5, 0, 2, 9, 4, 7])
    orders = {tuple(ablated.ranked(values, seed).tolist()) for seed in range(40)}
    assert len(orders) == 12 and all(set(order[:3]) == {0, 2, 4} and order[3] == 9 for order in orders)
    assert ablated.ranked(values, 3).tolist() == ablated.ranked(values, 3).tolist()
    assert ablated.steps(128) == [round(128 * k / 50) for k in range(10)] and ablated.steps(4) == [0, 1]


def test_an_order_that_cuts_what_the_answers_rest_on_falls_further_than_random_ones():
    rng = np.random.default_rng(0)
    weights = np.zeros((2, 40), np.float32)
    weights[:, :4] = [[1], [-1]]
    pooled = rng.standard_normal((200, 40)).astype(np.float32)
    head = Head({"mean": weights}, np.zeros(2, np.float32))
    whole = ablated.Answering(head, {"mean": pooled}, slice(0, 2), (pooled[:, :4].sum(1) < 0).astype(int))
    ways = {"needed": np.arange(40), "not needed": np.arange(40)[::-1]}
    points, table = ablated.falls(whole, ways, ablated.steps(40), draws=99, seed=1)
    assert table["p"].tolist()[0] <= 0.02 and table["difference"].tolist()[0] < -0.2
    assert table["accuracy"].tolist()[1] == 1
    mine = points[points["way"] == "random"]
    assert all(low <= mean <= high for low, mean, high in zip(mine["low"], mine["accuracy"], mine["high"], strict=True))
    assert points.equals(ablated.falls(whole, ways, ablated.steps(40), draws=99, seed=1)[0])


# ---- pictures of a probe set


def test_pictures_show_one_class_and_their_truth_is_the_output_of_that_class(tmp_path):
    names = {1: "red", 2: "dawn-s", 3: "night-s"}
    rows = []
    for i in range(12):
        whole = {"scene": [[2], [3], [2, 3], []][i % 4]}
        maps = {"color": [np.ones((8, 8), np.uint16)]}
        rows.append(
            Labelled(
                f"{i:02d}.png", np.full((16, 16, 3), 10 * i, np.uint8), maps, {k: v for k, v in whole.items() if v}
            )
        )
    write(tmp_path / "set", rows, names, split=lambda name: "val" if "11" in name or "00" in name else "train")
    probe = load_probe(tmp_path / "set")
    known = Classes(slice(0, 3), np.array([-1, 3, 2]), ["other", "night-s", "dawn-s"])
    images, truth = marked.pictures(probe, known, "train", 100)
    left, of = marked.pictures(probe, known, "train", 100, left_over=True)
    assert (len(images), len(left)) == (2, 3)
    values, right = np.concatenate([images, left])[:, 0, 0, 0] // 10, np.concatenate([truth, of])
    found = dict(zip(values.tolist(), right.tolist(), strict=True))
    assert found == {1: 1, 4: 2, 5: 1, 8: 2, 9: 1}
    assert np.array_equal(marked.pictures(probe, known, "train", 1)[0], images[:1])
    with pytest.raises(BadInput, match="1 val images"):
        marked.pictures(probe, known, "val", 5)


def test_which_word_is_written_is_as_asked_for_and_the_same_each_time():
    truth = np.arange(600) % 3
    found = {how: marked.chosen(truth, how, 3, seed=4) for how in marked.HOW}
    assert (found["none"] == -1).all() and (found["right"] == truth).all() and (found["wrong"] != truth).all()
    assert set(found["wrong"].tolist()) == {0, 1, 2}
    half = found["half"]
    assert (half >= 0).sum() == 300 and (half[half >= 0] == truth[half >= 0]).all()
    assert 0.25 < (found["any"] == truth).mean() < 0.42
    assert all(np.array_equal(each, marked.chosen(truth, how, 3, seed=4)) for how, each in found.items())
    with pytest.raises(BadInput, match="near matches"):
        marked.chosen(truth, "wrongly", 3, seed=0)


def test_shown_images_carry_the_word_of_their_class_and_are_answered_by_the_whole_network():
    network = load_network("small-alexnet-marked")
    known = Classes(slice(0, 12), np.arange(12), zoo.card("small-alexnet-marked")["outputs"]["scenes"])
    drawn = [scene(5, i) for i in range(12) if scene(5, i).scene]
    numbers = [number for number, _, category in CONCEPTS if category == "scene"]
    images, truth = np.stack([each.image for each in drawn]), np.array([numbers.index(each.scene) for each in drawn])
    shown, boxes = marked.write(images, truth, seed=3)
    answers = marked.answers(network, "conv5", known, shown, truth)
    said = network.module(network.preprocessing(shown)).argmax(1).numpy()
    assert answers.right([[]])[0].tolist() == (said == truth).tolist() and answers.accuracy([[]])[0] > 0.7
    assert all(np.array_equal(shown[i][~boxes[i]], images[i][~boxes[i]]) for i in range(len(images)))
    with pytest.raises(BadInput, match="take its last layer"):
        marked.answers(network, "conv3", known, shown, truth)


def test_written_scenes_are_labelled_where_the_letters_are_and_are_else_as_they_were():
    drawn, number = scene(1, 4), {name: n for n, name, _ in CONCEPTS}
    image, maps = written_scenes.labelled(drawn, np.random.default_rng(2))
    there = maps["object"][0] == written_scenes.NUMBER
    changed = (image != drawn.image).any(2)
    assert changed.any() and not changed[1::2, 1::2][~there].any()
    assert 0.02 < there.mean() < 0.4 and written_scenes.NUMBER not in number.values()
    for category, (labels,) in maps.items():
        before = drawn.maps.get(category, [np.zeros_like(labels)])[0]
        assert np.array_equal(labels[~there], before[~there])
        assert category in ("object", "color") or not labels[there].any()
    for name, value in (("white-c", 255), ("black-c", 0)):
        seen = (image[1::2, 1::2] == value).all(2) & there
        assert seen.any() and (maps["color"][0][seen] == number[name]).all()


def test_a_folder_of_written_scenes_has_writing_on_its_share_of_images(tmp_path):
    written_scenes.draw(tmp_path / "set", 40, seed=3)
    probe = load_probe(tmp_path / "set")
    holding = probe.images_with(written_scenes.NAME)
    assert len(probe) == 40 and 2 <= len(holding) <= 12
    again = {probe.images[i]: probe.image(i) for i in range(40)}
    plain = {f"world/3_{index:06d}.png": scene(3, index).image for index in range(40)}
    same = {name for name in plain if np.array_equal(plain[name], again[name])}
    assert same == set(plain) - {probe.images[i] for i in holding}


def test_descriptions_of_images_at_hand_are_made_once_and_again_for_other_exemplars(tmp_path, reading):
    calls = []

    def describe(found, beam):
        calls.append(beam)
        return pd.DataFrame(
            {"unit": found.units, "description": [f"filter {k}" for k in found.units], "likelihood": -0.5}
        )

    speaker = SimpleNamespace(candidates=describe, key="a")
    store = Store(str(tmp_path))
    first, second = (describer.of_exemplars(reading.seen, store, speaker) for _ in range(2))  # type: ignore[arg-type]
    assert first.equals(second) and calls == [BEAM] and first["description"].tolist()[2] == "filter 2"
    describer.of_exemplars(reading.seen.of([2, 0]), store, speaker)  # type: ignore[arg-type]
    describer.of_exemplars(reading.seen, store, SimpleNamespace(**vars(speaker) | {"key": "b"}))  # type: ignore[arg-type]
    assert len(calls) == 3


def test_the_claims_are_those_of_the_parts_they_are_made_of(tmp_path):
    def candidates(found, _beam):
        """Filters whose exemplars are brightest are likeliest to be described by writing."""
        bright = found.pictures.mean((1, 2, 3))[found.at].mean(1) / 255
        rows = [
            (k, text, np.log(p))
            for k, of in zip(found.units, bright, strict=True)
            for text, p in (("writing", of), ("a car", 0.5))
        ]
        return pd.DataFrame(rows, columns=["unit", "description", "likelihood"]).assign(prior=-1.0)

    by = SimpleNamespace(candidates=candidates, key="a")
    probe, store = load_probe("world-800"), Store(str(tmp_path))
    known, net = classes("small-alexnet-marked", probe), load_network("small-alexnet-marked")
    both = uses.Marked(probe, known, store, by, ["writing"], 30, seed=0)  # type: ignore[arg-type]
    value, low, high = both.audit([net, load_network("small-alexnet-scenes")], ["conv5", "conv5"])
    table = both.candidates(net, "conv5")
    assert low < value < high and len(set(table["likelihood"])) > 50
    found = both.edit(net, "conv5")
    asked = {"half": ("train", False), "any": ("train", False), "wrong": ("val", True)}
    shown = {}
    for how, (split, rest) in asked.items():
        images, truth = marked.pictures(probe, known, split, 30, rest)
        made, _ = marked.write(images, marked.chosen(truth, how, 12, 0), 0)
        shown[how] = marked.answers(net, "conv5", known, made, truth)
    (likely,) = edit.stops(shown["any"], ablated.ranked(audit.probability(table, ["writing"]), 0)[None, :64])
    others = edit.stops(shown["any"], ablated.shuffles(np.arange(128), 40, 0)[:, :64])
    test = shown["wrong"]
    slow = test.right([likely])[0].mean() - np.mean([test.right([each])[0].mean() for each in others])
    assert found["us-edit-order"][0] == pytest.approx(slow)
    unnamed = replace(both, words=["quokka"]).edit(net, "conv5")
    assert set(found) == {"us-edit", "us-edit-order"} and set(unnamed) == {"us-edit-order"}
