"""Losses without filters or directions: planted dependencies, naive passes with weights at zero, slow projections."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from measured import network, probe_in
from sklearn.metrics import balanced_accuracy_score
from torch import nn

from n2vlib import charts, load_network
from n2vlib.analysis import ablation, concept_ablation, evaluation
from n2vlib.errors import BadInput
from n2vlib.networks import units
from n2vlib.networks.downstream import Downstream, scores
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.probe import load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.probe.occurrences import presence

COLORS = ("red-s", "green-s", "blue-s")


# ---- the downstream part of a network


def pixels(n: int = 4, side: int = 32) -> torch.Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def zeroed(module: nn.Module, convolution: str, filters: list[int]) -> nn.Module:
    """The same network with these filters' weights and biases at zero."""
    changed = copy.deepcopy(module)
    conv = changed.get_submodule(convolution)
    assert isinstance(conv, nn.Conv2d) and conv.bias is not None
    with torch.no_grad():
        conv.weight[filters] = 0
        conv.bias[filters] = 0
    return changed


@pytest.mark.parametrize(("layer", "convolution"), [("conv4", "features.8"), ("conv5", "features.10")])
def test_filters_at_zero_are_what_a_whole_pass_says_with_their_weights_at_zero(layer, convolution):
    net = load_network("small-alexnet-random")
    images, name = pixels(side=112), net.layer(layer)
    activations = run_layers(net.module, [name], images)[name]
    sets = [[], [3], [5, 0, 77], list(range(1, 128))]
    for filters, told in zip(sets, Downstream(net.module, name, images).without(activations, sets), strict=True):
        torch.testing.assert_close(told, zeroed(net.module, convolution, filters)(images), rtol=1e-4, atol=1e-4)


def test_a_map_of_scores_is_averaged_over_its_places():
    net = network().module
    activations = run_layers(net, ["1"], pixels())["1"]
    (told,) = Downstream(net, "1", pixels()).without(activations, [[2]])
    torch.testing.assert_close(told, zeroed(net, "0", [2])(pixels()).mean((2, 3)), rtol=1e-4, atol=1e-6)


class Counted(nn.Conv2d):
    """A convolution that counts how often it computes."""

    computed = 0

    def forward(self, input):
        self.computed += 1
        return super().forward(input)


class Forked(nn.Module):
    """After `first`, a convolution and a path that bypasses it; one ReLU, used three times, works in place."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second, self.head = Counted(3, 6, 3), nn.Conv2d(6, 6, 3, padding=1), nn.Linear(6, 4)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images):
        x = self.relu(self.first(images))
        y = self.relu(self.second(x))
        return self.head(self.relu(x + y).mean((2, 3)))


def test_a_layer_that_feeds_two_paths_loses_its_filters_on_both():
    net = Forked().eval().requires_grad_(False)
    activations = run_layers(net, ["first"], pixels())["first"]
    before = activations.clone()
    downstream = Downstream(net, "first", pixels())
    for filters, told in zip([[1], [4, 2]], downstream.without(activations, [[1], [4, 2]]), strict=True):
        torch.testing.assert_close(told, zeroed(net, "first", filters)(pixels()))
    torch.testing.assert_close(activations, before)


def test_what_comes_before_the_layer_is_not_computed_and_the_network_is_left_as_it_was():
    net = Forked().eval().requires_grad_(False)
    whole, activations = net(pixels()), run_layers(net, ["relu"], pixels())["relu"]
    downstream = Downstream(net, "relu", pixels())
    computed = net.first.computed
    torch.testing.assert_close(downstream(activations), whole)
    assert net.first.computed == computed
    torch.testing.assert_close(net(pixels()), whole)
    assert net.first.computed == computed + 1


def test_a_layer_that_a_path_bypasses_is_refused():
    with pytest.raises(BadInput, match="layer second: a path of the network bypasses it"):
        Downstream(Forked().eval(), "second", pixels())


def test_what_is_no_score_is_refused():
    with pytest.raises(BadInput, match="a dict, not scores"):
        scores({"out": torch.zeros(2, 3)})
    with pytest.raises(BadInput, match=r"shape \(2, 3, 4\)"):
        scores(torch.zeros(2, 3, 4))


# ---- the evaluation of a network that needs one filter for each class


def colored(n: int):
    """Images of one color each, the scene; the object is there where the color's brightness is even."""
    rng = np.random.default_rng(0)
    for i in range(n):
        image = np.zeros((16, 16, 3), np.uint8)
        image[..., i % 3] = rng.integers(150, 250)
        objects = np.full((8, 8), 4 if i % 4 else 0, np.uint16)
        yield Labelled(f"made/{i:03}.png", image, {"object": [objects]}, {"scene": [1 + i % 3]})


class Seeing(nn.Module):
    """Filters 0 to 2 see red, green and blue; 3 to 5 the same, unused; each scene depends on one filter."""

    def __init__(self):
        super().__init__()
        self.conv, self.relu, self.head = nn.Conv2d(3, 6, 1), nn.ReLU(), nn.Linear(6, 4)
        with torch.no_grad():
            self.conv.weight[:, :, 0, 0] = torch.eye(3).repeat(2, 1)
            self.conv.bias.zero_()
            self.head.weight.zero_()
            self.head.weight[:3, :3] = torch.eye(3)
            self.head.bias.copy_(torch.tensor([0.0, 0.0, 0.0, -1.0]))

    def forward(self, images):
        return self.head(self.relu(self.conv(images)).mean((2, 3)))


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probe") / "colors"
    write(folder, colored(80), {1: "red-s", 2: "green-s", 3: "blue-s", 4: "cat"})
    return load_probe(str(folder))


@pytest.fixture
def asked(probe, monkeypatch):
    net = Network("seeing", Seeing(), Preprocessing((16, 16), (0, 0, 0), (1, 1, 1), 1), "planted")
    known = SimpleNamespace(
        names=lambda: ["seeing"], card=lambda _: {"outputs": {"scenes": [*COLORS], "objects": ["cat"]}}
    )
    monkeypatch.setattr(evaluation, "shipped", known)
    return evaluation.read(net, "relu", probe, images=60, device="cpu")


def test_a_class_that_depends_on_one_filter_is_lost_with_it_and_no_other_is(asked):
    hurt = ablation.damage(asked, "train")
    for c, name in enumerate(COLORS):
        assert asked.classes["name"][c] == name and hurt.order(c)[0] == c
        assert hurt.accuracy[c, c] == 0.5 and np.abs(np.delete(hurt.accuracy[:, c], c)).max() == 0
    lost = ablation.removed(asked, hurt, [0, 1, 2], [1], seed=0).set_index(["way", "class"])
    assert (lost.loc["most damaging", "accuracy"] == 0.5).all() and (lost.loc["most damaging", "others"] == 1).all()
    assert (lost.loc["least damaging", "accuracy"] == 1).all() and (lost["before"] == 1).all()
    assert ablation.important_for(hurt, among=1)[:3].tolist() == [2, 1, 1]  # the object, not predicted, draws filter 0


def test_support_is_the_mean_of_what_margins_lose_where_a_filter_fires(asked):
    part = asked.parts["val"]
    rng = np.random.default_rng(0)
    fires = rng.random((len(part.images), part.activations.shape[1])) < 0.4
    fires[:, 2] = np.arange(len(fires)) < 4  # too few to say
    found = ablation.support(asked, "val", fires)
    margins = evaluation.without(asked, "val", [[], *([k] for k in range(fires.shape[1]))])
    for k in range(fires.shape[1]):
        for c in range(len(asked.classes)):
            lost = [margins[0, i, c] - margins[k + 1, i, c] for i in range(len(fires)) if fires[i, k]]
            assert found[k, c] == (pytest.approx(np.mean(lost), abs=1e-5) if k != 2 else -np.inf)
    assert (found[0] > 0).any()


def test_scenes_exclude_each_other_and_objects_are_predicted_by_their_sign(asked, probe):
    margins = asked.margins(torch.tensor([[3.0, 1.0, 2.0, -1.0], [0.0, 0.0, -5.0, 0.5]]))
    torch.testing.assert_close(margins, torch.tensor([[1.0, -2.0, -1.0, -1.0], [0.0, 0.0, -5.0, 0.5]]))
    part = asked.parts["val"]
    cat = [bool(probe.annotated("cat", int(i)).any()) for i in part.images]
    assert part.truth[:, 3].tolist() == cat and asked.classes["kind"].tolist() == ["scene"] * 3 + ["object"]


def test_balanced_accuracy_is_that_of_scikit_learn(asked):
    part, rng = asked.parts["val"], np.random.default_rng(3)
    margins = rng.standard_normal((2, *part.truth.shape)).astype(np.float32)
    ours = evaluation.balanced(margins, part)
    for change, c in np.ndindex(ours.shape):
        theirs = balanced_accuracy_score(part.truth[:, c], margins[change, :, c] > 0)
        assert ours[change, c] == pytest.approx(theirs)


def test_filters_are_chosen_on_training_images_and_measured_on_validation_images(asked, probe):
    for split, part in asked.parts.items():
        assert set(probe.split[part.images]) == {split}
    val = asked.parts["val"]
    blind = replace(asked, parts=asked.parts | {"val": replace(val, truth=np.roll(val.truth, 1, axis=0))})
    ours, theirs = ablation.damage(asked, "train"), ablation.damage(blind, "train")
    np.testing.assert_array_equal(ours.margin, theirs.margin)
    rows = [ablation.removed(each, ours, [0], [1, 2], seed=0)["before"].iloc[0] for each in (asked, blind)]
    assert rows[0] == 1 and rows[1] < 0.7


def test_the_curve_is_the_order_cut_off_and_measured_again(asked):
    hurt = ablation.damage(asked, "train")
    rows = ablation.removed(asked, hurt, [1], [2], seed=5).set_index("way")
    for way, filters in (("most damaging", hurt.order(1)[:2]), ("least damaging", hurt.order(1)[-2:])):
        again = evaluation.balanced(evaluation.without(asked, "val", [filters.tolist()]), asked.parts["val"])[0]
        assert rows.loc[way, "accuracy"] == again[1] and rows.loc[way, "others"] == again[[0, 2]].mean()
    points = ablation.curve(rows.reset_index())
    assert points["accuracy"].tolist() == rows["accuracy"].tolist() and points["low"].equals(points["accuracy"])
    axis = charts.accuracy_by_removed(points, "t").to_dict()["layer"][0]["encoding"]["y"]["scale"]
    assert axis["domain"] == [0.5, 1]
    kept = ablation.kept_and_gone(ablation.removed(asked, hurt, [1], [1, 5], seed=0), 1, 6)
    assert kept["accuracy"].tolist() == [1, 0.5, 1] and kept["filters"].tolist()[1:] == ["without its 1", "its 1 alone"]


def test_equal_accuracies_are_ordered_by_the_margin():
    hurt = ablation.Damage(np.array([[0.0], [0.1], [0.0], [-0.1]]), np.array([[0.2], [0.0], [0.7], [9.0]]))
    assert hurt.order(0).tolist() == [1, 2, 0, 3]


def test_shares_of_a_concept_in_a_class_and_elsewhere(asked, probe):
    own, other = ablation.shown(asked, probe)
    assert own.loc[0, probe.concept("red-s")] == 1 and other.loc[0, probe.concept("red-s")] == 0
    images = asked.parts["val"].images
    red = [i for i in images if probe.annotated("red-s", int(i)).any()]
    cat = np.mean([probe.annotated("cat", int(i)).any() for i in red])
    assert own.loc[0, probe.concept("cat")] == pytest.approx(cat)


def test_a_network_whose_outputs_have_no_names_is_evaluated_on_its_own_predictions(probe):
    net = Network("nameless", Seeing(), Preprocessing((16, 16), (0, 0, 0), (1, 1, 1), 1), "planted")
    own = evaluation.read(net, "relu", probe, images=60, device="cpu")
    assert set(own.classes["kind"]) == {"own answer"} and own.classes["output"].tolist() == [0, 1, 2]
    whole, without = evaluation.balanced(evaluation.without(own, "val", [[], [0]]), own.parts["val"])
    assert (whole == 1).all() and without.tolist() == [0.5, 1, 1]


def test_a_kind_of_which_no_class_is_left_has_no_rivals(probe, monkeypatch):
    outputs = {"scenes": ["moon-s", "sun-s", "sky-s"], "objects": ["cat"]}
    monkeypatch.setattr(
        evaluation, "shipped", SimpleNamespace(names=lambda: ["seeing"], card=lambda _: {"outputs": outputs})
    )
    net = Network("seeing", Seeing(), Preprocessing((16, 16), (0, 0, 0), (1, 1, 1), 1), "planted")
    left = evaluation.read(net, "relu", probe, images=60, device="cpu")
    assert left.classes["kind"].tolist() == ["object"] and left.exclusive == {}


def test_images_are_spread_over_a_split_and_too_few_are_refused(probe, tmp_path):
    net = Network("nameless", Seeing(), Preprocessing((16, 16), (0, 0, 0), (1, 1, 1), 1), "planted")
    some = evaluation.read(net, "relu", probe, images=20, device="cpu").parts["train"].images
    every = np.flatnonzero(probe.split == "train")
    assert len(some) == 20 and set(some) <= set(every) and np.ptp(some) > 0.8 * np.ptp(every)
    with pytest.raises(BadInput, match="no class of the network has 5 images in both splits"):
        evaluation.read(network(), "1", probe_in(tmp_path, 24), images=100, device="cpu")


def test_numbers_of_filters_hold_the_papers_and_all_but_it():
    assert ablation.sizes(512) == [1, 2, 4, 8, 20, 40, 80, 160, 492]
    assert ablation.sizes(24) == [1, 2, 4, 8, 12] and ablation.sizes(64)[-1] == 44


# ---- directions


def test_a_direction_is_taken_out_at_every_place():
    rng = np.random.default_rng(0)
    activations, w = torch.from_numpy(rng.standard_normal((2, 5, 3, 4))), rng.standard_normal(5)
    left = evaluation.project_out(activations, w[None] / np.linalg.norm(w)).numpy()
    for i, y, x in np.ndindex(2, 3, 4):
        a = activations[i, :, y, x].numpy()
        np.testing.assert_allclose(left[i, :, y, x], a - (a @ w) * w / (w @ w))


def test_axes_taken_out_are_filters_at_zero(asked):
    axes = np.eye(6)[[1, 4]]
    directions = evaluation.without_directions(asked, "val", [axes, axes[:0]])
    np.testing.assert_allclose(directions, evaluation.without(asked, "val", [[1, 4], []]), atol=1e-5)
    assert len(evaluation.without_directions(asked, "val", [])) == 0


def test_a_network_is_evaluated_without_units_of_the_identity_as_without_filters(asked, probe, tmp_path):
    net = Network("seeing", Seeing(), Preprocessing((16, 16), (0, 0, 0), (1, 1, 1), 1), "planted")
    file = units.save(tmp_path / "turned.safetensors", np.eye(6)[[2, 1, 0, 5, 4, 3]])
    other = evaluation.read(net, f"relu:{file}", probe, images=60, device="cpu")
    told, expected = (
        evaluation.without(other, "val", [[], [2], [1, 3]]),
        evaluation.without(asked, "val", [[], [0], [1, 5]]),
    )
    np.testing.assert_allclose(told, expected, atol=1e-5)
    assert ablation.damage(other, "train").accuracy[2, 0] == 0.5
    told, expected = (evaluation.without_directions(each, "val", [np.eye(6)[[1, 4]]]) for each in (other, asked))
    np.testing.assert_allclose(told, expected, atol=1e-5)


def test_the_share_of_squares_is_that_of_a_slow_sum(asked):
    part, w = asked.parts["val"], np.full((1, 6), 6**-0.5)
    products = concept_ablation.gram_matrix(part)
    slow = sum(float((w[0] @ a) ** 2) for a in part.activations.double().permute(0, 2, 3, 1).reshape(-1, 6).numpy())
    assert np.trace(w @ products @ w.T) == pytest.approx(slow, rel=1e-5)
    assert np.trace(products) == pytest.approx(float(part.activations.double().square().sum()), rel=1e-5)


def two_filters_for_one_concept(copies: int) -> evaluation.Evaluation:
    """Noise on two filters hides the concept from each; their sum shows it. `copies` of both follow, unused."""
    rng, n = np.random.default_rng(0), 400
    there, noise = rng.random(n) < 0.5, 3 * rng.standard_normal(n)
    pair = np.stack([there + noise, there - noise], 1)
    values = np.tile(pair, copies + 1).astype(np.float32)[:, :, None, None]
    head = nn.Linear(values.shape[1], 2)
    module = nn.Sequential(nn.Identity(), nn.Flatten(), head)
    with torch.no_grad():
        head.weight.zero_()
        head.weight[0, :2] = head.weight[1, 0] = 1
        head.bias.copy_(torch.tensor([-1.0, 0.0]))
    downstream = Downstream(module.eval().requires_grad_(False), "0", torch.from_numpy(values[:4]))
    classes = pd.DataFrame({"name": ["thing", "other"], "kind": "object", "concept": [7, 8], "output": [0, 1]})
    parts = {}
    for split, images in (("train", np.arange(200)), ("val", np.arange(200, n))):
        activations = torch.from_numpy(values[images])
        truth = np.stack([there[images], pair[images, 0] > 0], 1)
        parts[split] = evaluation.Part(images, activations, downstream(activations), truth, np.ones_like(truth))
    return evaluation.Evaluation(classes, {}, parts, downstream, "cpu")


@pytest.fixture
def presence_of_both(monkeypatch):
    held = pd.DataFrame(
        np.concatenate([p.truth for p in two_filters_for_one_concept(0).parts.values()]), columns=[7, 8]
    )
    monkeypatch.setattr(concept_ablation, "presence", lambda _: held)


@pytest.mark.parametrize(("copies", "still_read"), [(0, False), (1, True)])
def test_the_direction_that_holds_a_concept_takes_it_along_unless_others_hold_it_too(
    copies, still_read, presence_of_both
):
    planted = two_filters_for_one_concept(copies)
    n = planted.parts["val"].activations.shape[1]
    chosen = pd.DataFrame({"concept": [7], "name": ["thing"], "detectors": [[0]]})
    weights = pd.DataFrame([[1.0, 1.0] + [0.0] * (n - 2)], index=[7])
    probe = SimpleNamespace(concepts=pd.DataFrame(index=[7]))
    ways = concept_ablation.bases(chosen, pd.Series({7: 0}), weights, weights, seed=0)
    rows = concept_ablation.lost(planted, chosen, ways, probe).set_index("way")  # type: ignore[arg-type]
    assert rows.loc["nothing", "probe_accuracy"] > 0.99
    assert rows.loc["nothing", ["removed", "own", "others"]].eq(0).all()
    assert rows.loc["direction, segmentation", "own"] == 0.5
    assert (rows.loc["direction, segmentation", "probe_accuracy"] > 0.9) == still_read
    assert rows.loc["direction, segmentation", "removed"] < 0.05 < 0.2 < rows.loc["best filter", "removed"]
    assert rows.loc["detectors", "own"] == rows.loc["best filter", "own"] > 0.3
    assert rows["shown"].isna().all()  # no classes that exclude each other


def test_losses_are_set_beside_those_of_the_other_classes(presence_of_both):
    rows = pd.DataFrame({"way": ["a", "a", "b"], "own": [0.1, 0.3, np.nan], "others": [0.0, 0.0, 0.2]})
    table = concept_ablation.by_way(rows, {"own": "its own", "others": "the others"})
    assert table["way"].tolist() == ["a", "a", "b"] and table["mean"].tolist() == pytest.approx([0.2, 0.0, 0.2])
    assert (table["low"] <= table["mean"] + 1e-12).all() and (table["high"] >= table["mean"] - 1e-12).all()
    spec = charts.in_rows(table, "way", "mean", "measure", "t", "lost", at=0.0).to_dict()
    assert spec["description"] == "t." and len(spec["layer"]) == 3


def test_concepts_are_objects_with_detectors_that_the_network_predicts(asked, probe):
    cat = probe.concept("cat")
    named = pd.DataFrame(
        {"filter": range(3), "concept": [cat, cat, 1], "name": ["cat", "cat", "red-s"],
         "category": ["object", "object", "scene"], "dissection_iou": [0.5, 0.03, 0.9]}
    )  # fmt: skip
    weights = pd.DataFrame(np.ones((1, 6)), index=[cat])
    chosen = concept_ablation.concepts(asked, named, weights, probe, iou_threshold=0.04, most=8)
    assert chosen["name"].tolist() == ["cat"] and chosen["detectors"].tolist() == [[0]]
    assert concept_ablation.concepts(asked, named, weights, probe, iou_threshold=0.6, most=8).empty
    assert concept_ablation.concepts(asked, named, weights.iloc[:0], probe, iou_threshold=0.04, most=8).empty


def test_a_concept_that_every_image_shows_has_no_linear_probe_and_is_left_out(asked, probe, monkeypatch):
    everywhere = presence(probe).copy()
    cat = probe.concept("cat")
    everywhere[cat] = True
    monkeypatch.setattr(concept_ablation, "presence", lambda _: everywhere)
    named = {"filter": [0], "concept": [cat], "name": ["cat"], "category": ["object"], "dissection_iou": [0.5]}
    weights = pd.DataFrame(np.ones((1, 6)), index=[cat])
    assert concept_ablation.concepts(asked, pd.DataFrame(named), weights, probe, iou_threshold=0.04, most=8).empty
