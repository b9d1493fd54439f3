"""Where a unit fires, is the network right? Against loops over units and images, and answers planted in a network."""

import numpy as np
import pandas as pd
import pytest
import torch
from measured import NAMES, TAU, measure, probe_in
from measured import network as small_network
from scipy import stats
from torch import nn

from n2vlib.activations.layer import read_layers
from n2vlib.compositional import accuracy, beam, classifier, contributions, explain, trust
from n2vlib.errors import BadInput
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network
from n2vlib.store import Store

FIELD, TOWN = 8, 9
SCENES = ["field-s", "town-s", "elsewhere"]


class Pooled(nn.Module):
    """The small network with a linear head on means, on maxima, or on both; or with one that is not linear."""

    def __init__(self, reads: str):
        super().__init__()
        self.body, self.reads = small_network().module, reads
        self.head = nn.Linear(6 * (1 + (reads == "both")), 3)
        self.deep = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        grid = self.body(images)
        mean, highest = grid.mean((2, 3)), grid.amax((2, 3))
        if self.reads == "deep":
            return self.deep(mean)
        return self.head({"mean": mean, "max": highest, "both": torch.cat([highest, mean], 1)}[self.reads])


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    return probe_in(tmp_path_factory.mktemp("answers"))


def layer_of(probe, reads: str, folder):
    torch.manual_seed(3)
    base = small_network()
    made = Network(reads, Pooled(reads), base.preprocessing, "random")
    store = Store(str(folder / "store"))
    return read_layers(made, ["body.3"], probe, tau=TAU, device="cpu", store=store)["body.3"]


def scores_by_hand(layer) -> np.ndarray:
    """One image at a time through the network."""
    made, probe = layer.source
    with torch.inference_mode():
        images = (made.preprocessing(probe.image(i)[None]) for i in range(len(probe)))
        return np.concatenate([made.module(image).numpy() for image in images])


@pytest.mark.parametrize("reads", ["mean", "max", "both", "deep"])
def test_answers_are_those_of_the_network_run_image_by_image(probe, reads, tmp_path):
    layer = layer_of(probe, reads, tmp_path)
    known = classifier.classes(layer.source[0].name, probe, SCENES)
    answered, slow = classifier.answers(layer, known), scores_by_hand(layer)
    linear = classifier.head(layer)
    assert (linear is None) == (reads == "deep")
    if linear is not None:
        assert set(linear.weights) == {"mean", "max"} if reads == "both" else {reads}
    np.testing.assert_allclose(answered.scores, slow, atol=1e-5)
    assert answered.inputs.tolist() == list(range(len(probe)))  # every image has one scene
    for at, image in enumerate(answered.inputs):
        truth = [number for number in (FIELD, TOWN) if probe.annotated(number, int(image)).all()]
        assert [answered.truth[at]] == truth
        assert answered.predicted[at] == [FIELD, TOWN, -1][slow[image].argmax()]
        assert answered.right[at] == (SCENES[slow[image].argmax()] == NAMES[truth[0]])


def test_images_with_two_of_the_classes_or_none_are_left_out(probe, tmp_path):
    layer = layer_of(probe, "mean", tmp_path)
    # wood labels some images as a whole, cat others in part
    known = classifier.classes(layer.source[0].name, probe, ["wood", "cat", "cat"])
    answered = classifier.answers(layer, known)
    held = [[bool(probe.annotated(number, i).any()) for number in (7, 3)] for i in range(len(probe))]
    assert answered.inputs.tolist() == [i for i, each in enumerate(held) if sum(each) == 1]
    assert answered.truth.tolist() == [3 if held[i][1] else 7 for i in answered.inputs]
    slow = scores_by_hand(layer)[answered.inputs].argmax(1)
    assert answered.predicted.tolist() == [[7, 3, 3][place] for place in slow]  # two outputs are one concept


def test_a_filter_fires_in_an_image_where_any_place_exceeds_its_threshold(probe, tmp_path):
    layer = layer_of(probe, "mean", tmp_path)
    found = classifier.fires(layer)
    for image in range(len(probe)):
        assert (found[image] == layer.fired_in(image).any((1, 2))).all()


def test_accuracy_where_a_unit_fires_is_a_loop_over_units_and_inputs():
    rng = np.random.default_rng(0)
    fired, right, truth = rng.random((200, 7)) < 0.2, rng.random(200) < 0.7, rng.integers(0, 4, 200)
    fired[:, 3] = False
    table = accuracy.by_unit(fired, right, truth)
    for unit, row in table.iterrows():
        inputs = [i for i in range(200) if fired[i, unit]]
        assert row["inputs"] == len(inputs) and row["rate"] == len(inputs) / 200
        if not inputs:
            assert np.isnan([row["accuracy"], row["expected"], row["beyond"]]).all()
            continue
        by_class = {c: np.mean([right[i] for i in range(200) if truth[i] == c]) for c in range(4)}
        assert row["accuracy"] == pytest.approx(np.mean([right[i] for i in inputs]))
        assert row["expected"] == pytest.approx(np.mean([by_class[truth[i]] for i in inputs]))
        assert row["beyond"] == pytest.approx(row["accuracy"] - row["expected"])


def test_a_unit_that_fires_on_one_class_has_the_accuracy_of_the_class():
    truth = np.repeat([0, 1], 50)
    right = np.concatenate([np.ones(50, bool), np.arange(50) < 10])
    found = accuracy.by_unit(np.stack([truth == 0, truth == 1], 1), right, truth)
    assert found["accuracy"].tolist() == [1, 0.2]
    np.testing.assert_allclose(found["beyond"], 0, atol=1e-12)


@pytest.mark.parametrize("held", [0, 1, 2])
def test_the_correlation_is_that_of_residuals_and_its_p_is_students(held):
    rng = np.random.default_rng(held)
    common, n = rng.normal(size=(held, 60)), 60
    x, y = rng.normal(size=n) + common.sum(0), 0.4 * rng.normal(size=n) + common.sum(0)
    found = accuracy.correlation(x, y, list(common), draws=300)
    design = np.column_stack([np.ones(n), *common])
    left = [each - design @ np.linalg.lstsq(design, each)[0] for each in (x, y)]
    r = np.corrcoef(*left)[0, 1]
    t = r * np.sqrt((n - 2 - held) / (1 - r**2))
    assert found["r"] == pytest.approx(r) and found["p"] == pytest.approx(2 * stats.t.sf(abs(t), n - 2 - held))
    assert found["low"] < r < found["high"] and found["n"] == n
    if not held:
        assert found["p"] == pytest.approx(stats.pearsonr(x, y)[1])


def test_a_correlation_that_another_quantity_makes_vanishes_when_it_is_held_constant():
    rng = np.random.default_rng(5)
    rate = rng.random(400)
    x, y = rate + 0.1 * rng.normal(size=400), rate + 0.1 * rng.normal(size=400)
    assert accuracy.correlation(x, y)["low"] > 0.8
    alone = accuracy.correlation(x, y, [rate])
    assert alone["low"] < 0 < alone["high"]
    same = accuracy.correlation(x, y, [x])  # nothing of x is left
    assert np.isnan(same["r"])


def test_a_correlation_without_units_or_without_variation_has_no_number():
    nothing = accuracy.correlation(np.full(9, np.nan), np.arange(9))
    assert nothing["n"] == 0 and np.isnan([nothing[each] for each in ("r", "p", "low", "high")]).all()
    assert np.isnan(accuracy.correlation(np.ones(9), np.arange(9))["r"])
    assert np.isnan(accuracy.correlation(np.array([1.0, 2]), np.array([2.0, 1]))["r"])


def test_reliability_is_near_one_where_units_differ_and_near_zero_where_they_do_not():
    rng = np.random.default_rng(1)
    fired = rng.random((4000, 40)) < 0.2
    sure = np.clip(fired @ rng.normal(size=40) * 0.3 + 0.5, 0, 1)
    assert accuracy.reliability(fired, rng.random(4000) < sure) > 0.8
    assert abs(accuracy.reliability(fired, rng.random(4000) < 0.7)) < 0.35


@pytest.mark.parametrize("reads", ["max", "both"])
def test_contributions_of_a_linear_head_are_weights_times_what_a_filter_adds_where_it_fires(probe, reads, tmp_path):
    layer = layer_of(probe, reads, tmp_path)
    made, known = layer.source[0], classifier.classes(layer.network, probe, SCENES)
    answered = classifier.answers(layer, known)
    table, sense = contributions.contributions(layer, known, answered)
    assert sense == "weight" and list(table.columns) == [FIELD, TOWN]
    grid = run_layers(
        made.module, ["body.3"], made.preprocessing(np.stack([probe.image(i) for i in range(len(probe))]))
    )
    maps, weight = grid["body.3"].numpy(), made.module.head.weight.detach().numpy()
    features = {"max": maps.max((2, 3)), "mean": maps.mean((2, 3))}
    for k in range(6):
        fires = [i for i in range(len(probe)) if layer.fired_in(i)[k].any()]
        others = [i for i in range(len(probe)) if i not in fires]
        if not fires:
            assert table.loc[k].isna().all()
            continue
        for place, concept in enumerate((FIELD, TOWN)):
            total = 0.0
            for block, name in enumerate(["max"] if reads == "max" else ["max", "mean"]):
                own = weight[:, 6 * block + k]
                rise = features[name][fires, k].mean() - features[name][others, k].mean()
                total += rise * (own[place] - own.mean())
            assert table.loc[k, concept] == pytest.approx(total, abs=1e-5)


def test_without_a_linear_head_contributions_are_correlations(probe, tmp_path):
    layer = layer_of(probe, "deep", tmp_path)
    known = classifier.classes(layer.source[0].name, probe, ["field-s", "town-s", "town-s"])
    table, sense = contributions.contributions(layer, known, classifier.answers(layer, known))
    assert sense == "correlation"
    slow = scores_by_hand(layer)
    ahead = slow - slow.mean(1, keepdims=True)
    for k in range(6):
        if np.ptp(layer.pooled[:, k]) == 0:
            assert table.loc[k].isna().all()
            continue
        r = [np.corrcoef(layer.pooled[:, k], ahead[:, o])[0, 1] for o in range(3)]
        assert table.loc[k, FIELD] == pytest.approx(r[0], abs=1e-5)
        assert table.loc[k, TOWN] == pytest.approx(max(r[1:]), abs=1e-5)


def test_how_much_more_often_a_formula_holds_is_a_difference_of_shares():
    holds = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [1, 0]], bool)
    truth = np.array([4, 4, 6, 6, 6])
    found = contributions.more_often(holds, truth, np.array([4, 6]))
    expected = [[1 - 1 / 3, 1 / 3 - 1], [1 / 2 - 1 / 3, 1 / 3 - 1 / 2]]
    np.testing.assert_allclose(found.to_numpy(), expected)


def test_the_zoo_knows_its_scenes_and_only_these(tmp_path):
    class World:
        name = "w"
        concepts = pd.DataFrame({"name": ["beach-s", "sky", "office-s"]}, index=[3, 5, 7])

    known = classifier.classes("small-alexnet", World())  # type: ignore[arg-type]
    assert known.outputs == slice(0, 12) and known.known.tolist() == [3, 7] and known.concept[0] == 3
    rows = [{"network": name, "layer": "conv5"} for name in ("small-alexnet-rotation", "small-alexnet-scenes", "x")]
    assert classifier.classifiers(rows, World()) == rows[1:2]  # type: ignore[arg-type]


def test_correlations_are_those_of_each_length_and_way(probe, tmp_path):
    layer = layer_of(probe, "mean", tmp_path)
    measured = explain.Filters(layer, probe)
    answered = classifier.answers(layer, classifier.classes(layer.network, probe, SCENES))
    table = accuracy.explained(measured, answered, 2, splits=1, seed=1)
    found = beam.search(measured.counts(), 2)
    halves = trust.held_out(measured, 2, splits=1, seed=1)
    fired = classifier.fires(layer)[answered.inputs]
    alone = accuracy.by_unit(fired, answered.right, answered.truth).set_index("unit")
    assert len(table) == 12
    for row in table.itertuples():
        mine = found.query("unit == @row.unit and allowed == @row.allowed").iloc[0]
        assert row.iou == mine["iou"] and row.formula == mine["formula"]
        there = halves.query("unit == @row.unit and allowed == @row.allowed")["held_out"]
        assert len(there) == 2 and row.held_out == pytest.approx(there.mean())
        np.testing.assert_equal(row.accuracy, alone.loc[row.unit, "accuracy"])
    r = accuracy.correlations(table, draws=0).set_index(["way", "allowed"])
    assert len(r) == 8
    for allowed, each in table.groupby("allowed"):
        kept = each.dropna(subset=["accuracy"])
        slow = [np.corrcoef(kept["iou"], kept[right])[0, 1] for right in ("accuracy", "beyond")]
        slow.append(np.corrcoef(kept["held_out"], kept["accuracy"])[0, 1])
        ways = ("IoU", "accuracy beyond the classes", "IoU on images not searched")
        np.testing.assert_allclose([r.loc[(way, allowed), "r"] for way in ways], slow)
        partial = accuracy.correlation(kept["iou"], kept["accuracy"], [kept["rate"]], draws=0)["r"]
        assert r.loc[("firing rate held constant", allowed), "r"] == pytest.approx(partial)
    assert set(accuracy.correlations(table.drop(columns="held_out"), draws=0)["way"]) == set(accuracy.WAYS) - {ways[2]}


def test_what_has_no_right_answer_is_said_in_one_line(probe, tmp_path):
    with pytest.raises(BadInput, match=r"small-alexnet-rotation: no output is known to be a scene.*CLASSES"):
        classifier.classes("small-alexnet-rotation", probe)
    made = layer_of(probe, "mean", tmp_path)
    with pytest.raises(BadInput, match="1 of its 2 classes are concepts"):
        classifier.classes(made.source[0].name, probe, ["field-s", "fields"])
    known = classifier.classes(made.source[0].name, probe, [*SCENES, "unknown"])
    with pytest.raises(BadInput, match="4 classes are named.*3 outputs"):
        classifier.answers(made, known)
    red_and_blue = classifier.classes(made.source[0].name, probe, ["red-c", "blue-c", "x"])
    with pytest.raises(BadInput, match="0 images show exactly one"):
        classifier.answers(made, red_and_blue)


def test_a_layer_before_the_last_has_no_linear_head(tmp_path):
    _, layers = measure(tmp_path)
    assert classifier.head(layers["1"]) is None
