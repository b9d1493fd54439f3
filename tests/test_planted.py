"""Planted encodings: photographs, network and noise are as specified, and the methods find what is planted."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from n2vlib import charts, planted
from n2vlib.activations.layer import read_layers
from n2vlib.analysis import mask_bias
from n2vlib.errors import BadInput
from n2vlib.masks.iou import predicted_mask, set_iou
from n2vlib.methods import segmentation, single_filter
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import load_network
from n2vlib.probe import load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.probe.check import check
from n2vlib.store import Store

IMAGES, SIDE, CELL = 240, planted.SIDE, planted.SIDE // planted.GRID
CATEGORIES = ("object", "part", "material")
NOISE = [0, 30]


def scenes():
    """Blocks of whole cells: 18 concepts, six of each category; categories overlap, concepts of one do not."""
    rng = np.random.default_rng(3)
    for i in range(IMAGES):
        maps = {}
        for c, category in enumerate(CATEGORIES):
            layer = np.zeros((SIDE, SIDE), np.uint16)
            for half, number in enumerate(rng.permutation(6)[:2]):
                row, column = rng.integers(0, 11), rng.integers(0, 4) + 7 * half
                layer[row * CELL : (row + 3) * CELL, column * CELL : (column + 3) * CELL] = 1 + 6 * c + number
            maps[category] = [layer]
        grey = np.full((2 * SIDE, 2 * SIDE, 3), 128, np.uint8)
        yield Labelled(f"blocks/{i:03}.png", grey, maps)


@pytest.fixture(scope="module")
def blocks(tmp_path_factory):
    """The made probe set, its plan and the spelled-out set, and the layers of the planted network."""
    folder, patch = tmp_path_factory.mktemp("blocks"), pytest.MonkeyPatch()
    patch.setenv("N2V_DATA", str(folder / "data"))
    write(folder / "probe", scenes(), {n: f"concept {n}" for n in range(1, 19)})
    source = load_probe(str(folder / "probe"))
    plan = planted.assign(planted.eligible(source, 0.02), spread=[1, 2, 4], shared=[3], idle=8)
    spelled = planted.spell(source, plan)
    module = planted.network(plan, NOISE)
    network = load_network(module, None, planted.PREPROCESSING)
    # A concept covers 1.5% of all places, three that share a filter 4.6%: at this tau there is room for all of them.
    layers = read_layers(network, module.levels, spelled, tau=0.05, device="cpu", store=Store(str(folder / "store")))
    yield source, plan, spelled, network, list(layers.values())
    patch.undo()


def test_every_round_plants_every_kind_and_views_are_parted(blocks):
    plan = blocks[1]
    assert plan.kinds == [
        "one filter",
        "spread over 2",
        "spread over 4",
        "copied in 2",
        "copied in 4",
        "shared by 3",
        "absent",
    ]
    for row, (_, concept) in enumerate(plan.concepts.iterrows()):
        answering = plan.answers[row]
        assert answering.sum() == concept["planted"]
        times = plan.encoding[row].sum(1)  # filters that answer to each view
        assert (times == {"copied": concept["planted"], "absent": 0}.get(concept["plant"], 1)).all()
        if concept["plant"] == "spread":
            assert (plan.encoding[row].sum(0)[answering] == planted.VIEWS / concept["planted"]).all()
    assert plan.idle == 8 and plan.concepts.index.is_monotonic_increasing
    shared = plan.answers[plan.concepts["plant"] == "shared"]
    assert set(shared.sum(0)) == {0, 3}


def test_too_few_concepts_for_a_round_are_refused(blocks):
    concepts = planted.eligible(blocks[0], 0.02)
    with pytest.raises(BadInput, match="too few"):
        planted.assign(concepts.head(3))
    with pytest.raises(BadInput, match="divide"):
        planted.assign(concepts, spread=[3])


def test_the_spelled_out_set_is_broden_with_the_same_labels_and_splits(blocks):
    source, plan, spelled, *_ = blocks
    assert not [problem for problem in check(spelled.root) if problem.severity == "error"]
    place = {name: i for i, name in enumerate(spelled.images)}
    for i in range(0, IMAGES, 17):
        at = place[f"planted/{i:06d}.png"]
        assert spelled.split[at] == source.split[i]
        for number in plan.concepts.index:
            assert np.array_equal(spelled.annotated(int(number), at), source.annotated(int(number), i))


def test_activations_are_occupancy_through_the_planted_matrix(blocks):
    _, plan, spelled, network, _ = blocks
    views = planted.views(blocks[0], plan, 0)
    for at in (0, 100):
        i = int(spelled.images[at].removeprefix("planted/").removesuffix(".png"))
        wanted = np.zeros((plan.n_filters, planted.GRID, planted.GRID), np.float32)
        for row, number in enumerate(plan.concepts.index):
            mask = spelled.annotated(int(number), at)
            cells = mask.reshape(planted.GRID, CELL, planted.GRID, CELL).mean((1, 3))
            wanted += plan.encoding[row, views[i, row]][:, None, None] * cells
        seen = run_layers(network.module, ["noise_0"], network.preprocessing(spelled.image(at)[None]))["noise_0"][0]
        assert np.allclose(seen, wanted)


def test_every_view_is_shown_about_equally_often(blocks):
    source, plan, *_ = blocks
    views = planted.views(source, plan, 0)
    for at, number in enumerate(plan.concepts.index):
        shown = np.bincount(views[source.images_with(int(number)), at], minlength=planted.VIEWS)
        assert shown.max() - shown.min() <= 1


def test_noise_has_the_stated_deviation_and_is_independent(blocks):
    _, plan, spelled, network, _ = blocks
    images = network.preprocessing(np.stack([spelled.image(i) for i in range(len(spelled))]))
    idle = ~plan.answers.any(0)
    drawn = network.module._noise(images)[:, idle]
    assert abs(float(drawn.std()) - 1) < 0.006 and abs(float(drawn.mean())) < 0.008  # 5 deviations
    by_filter = np.corrcoef(drawn.transpose(0, 1).flatten(1))
    by_image = np.corrcoef(drawn.flatten(1))
    for together, n in ((by_filter, IMAGES * 196), (by_image, 8 * 196)):  # deviation of a correlation: 1 / sqrt(n)
        assert np.abs(together[~np.eye(len(together), dtype=bool)]).max() < 5 / np.sqrt(n)
    # After the ReLU: the part of a normal variable above 0 has mean sigma / sqrt(2 pi).
    loud = run_layers(network.module, ["noise_30"], images)["noise_30"][:, idle]
    assert float(loud.mean()) == pytest.approx(0.3 / np.sqrt(2 * np.pi), rel=0.02)


def test_an_image_has_the_same_activations_alone_and_in_a_batch_and_in_a_second_network(blocks):
    _, plan, spelled, network, _ = blocks
    images = network.preprocessing(np.stack([spelled.image(i) for i in range(5)]))
    together = run_layers(network.module, ["noise_30"], images)["noise_30"]
    alone = run_layers(planted.network(plan, [30]).eval(), ["noise_30"], images[3:4])["noise_30"]
    other = run_layers(planted.network(plan, [30], seed=1).eval(), ["noise_30"], images[3:4])["noise_30"]
    assert torch.equal(together[3:4], alone) and not torch.equal(alone, other)


def test_without_noise_the_best_filter_is_a_planted_one_at_the_bound_of_the_grid(blocks):
    _, plan, spelled, _, (quiet, _) = blocks
    found = single_filter.align(quiet, spelled, align_corners=False).scores.query("split == 'val'").set_index("concept")
    bound = planted.ceiling(spelled, align_corners=False)
    for row, (number, concept) in enumerate(plan.concepts.iterrows()):
        if concept["plant"] in ("one filter", "copied"):
            assert plan.answers[row, int(found.loc[number, "filter"])]
            assert found.loc[number, "set_iou"] == pytest.approx(bound[number])
            assert bound[number] > 0.9  # blocks of whole cells lose their corners only
        if concept["plant"] == "spread":
            assert found.loc[number, "set_iou"] < 1.5 / concept["planted"]


def test_weights_gather_on_the_planted_filters_and_a_bias_recovers_what_is_spread(blocks):
    _, plan, spelled, _, (quiet, _) = blocks
    learned = segmentation.align(quiet, spelled, epochs=30)
    kinds = plan.concepts["plant"]
    squares = learned.weights.to_numpy(float) ** 2
    planned = plan.answers[plan.concepts.index.get_indexer(learned.weights.index)]
    share = pd.Series((squares * planned).sum(1) / squares.sum(1), learned.weights.index)
    assert (share[kinds == "absent"] == 0).all()
    assert (share[kinds.isin(["one filter", "copied", "spread"])] > 0.7).all()
    held = planted.effective_filters(learned.weights)
    for number, concept in plan.concepts[kinds.isin(["one filter", "copied", "spread"])].iterrows():
        assert 0.8 * concept["planted"] <= held[number] < 1.8 * concept["planted"] + 0.5
    with_bias = mask_bias.at_best_bias(learned, quiet, spelled)
    ious = {run.scores["method"].iloc[0]: run.scores.query("split == 'val'").set_index("concept")["set_iou"]
            for run in (single_filter.align(quiet, spelled), learned, with_bias)}  # fmt: skip
    spread = kinds == "spread"
    assert (ious[mask_bias.named("combination")][spread] > 1.3 * ious["single filter"][spread]).all()
    assert (ious[mask_bias.named("combination")] >= ious["combination"] - 0.05).all()


def test_the_bias_is_never_worse_on_training_images(blocks):
    _, _, spelled, _, (_, loud) = blocks
    learned = segmentation.align(loud, spelled, epochs=3)
    found = mask_bias.at_best_bias(learned, loud, spelled)
    train = [run.scores.query("split == 'train'")["set_iou"].to_numpy() for run in (learned, found)]
    assert (train[1] >= train[0]).all() and (found.bias <= 0).all()
    number = int(found.bias.idxmin())
    images = spelled.images_with(number, "val")
    weights, bias = learned.weights.loc[number].to_numpy(), float(found.bias[number])
    masks = [predicted_mask(loud.fired_in(int(i)), weights, spelled.label_size, True, bias) for i in images]
    truth = [spelled.annotated(number, int(i)) for i in images]
    row = found.scores.query("split == 'val' and concept == @number")
    assert float(row["set_iou"].iloc[0]) == pytest.approx(set_iou(np.array(masks), np.array(truth)), abs=1e-3)


def test_numbers_of_filters_are_recovered_where_they_are_planted(blocks):
    _, plan, spelled, _, (quiet, _) = blocks
    runs = [segmentation.align(quiet, spelled, epochs=30, n_filters=n) for n in (1, 2, 4, 8)]
    runs.append(segmentation.align(quiet, spelled, epochs=30))
    found = planted.number_of_filters(runs, spelled, plan)
    peaks = found[found["counted"] == planted.CURVE].set_index(["plant", "planted"])["recovered"]
    assert peaks["spread"].to_dict() == {1: 1, 2: 2, 4: 4}
    equal = [run.scores.query("split == 'val'").set_index("concept")["set_iou"] for run in runs[:3]]
    for number, concept in plan.concepts[plan.concepts["plant"] == "copied"].iterrows():  # one copy is enough
        assert equal[0][number] >= 0.9 * max(iou[number] for iou in equal[: 1 + int(np.log2(concept["planted"]))])
    table = planted.means(runs, spelled, plan)
    assert (table["low"] <= table["high"]).all() and set(table["noise"]) == {0}
    assert table["kind"].drop_duplicates().tolist() == plan.kinds


def test_shared_filters_are_counted_for_their_concepts_and_absent_concepts_have_none(blocks):
    _, plan, *_ = blocks
    filters = pd.Series(
        {number: int(answers.argmax()) for number, answers in zip(plan.concepts.index, plan.answers, strict=True)}
    )
    counted = planted.sharing(filters, plan)
    assert (counted["planted"] == plan.answers.sum(0)).all() and counted["found"].sum() == len(plan.concepts)
    shared = counted[counted["kind"] == "shared by 3"]
    assert (shared["found"] >= 3).all() and (shared["right"] == 3).all()
    assert (counted[counted["kind"] == "idle"]["planted"] == 0).all()


def test_shuffled_labels_leave_nothing_to_be_found(blocks):
    _, plan, spelled, _, (quiet, _) = blocks
    wrong = planted.shuffled(spelled)
    assert wrong.fingerprint != spelled.fingerprint and planted.shuffled(spelled).fingerprint == wrong.fingerprint
    for split in ("train", "val"):
        of_split = [sorted(np.array(probe.cells)[probe.split == split].tolist()) for probe in (spelled, wrong)]
        assert of_split[0] == of_split[1]
    own, found = (
        single_filter.align(quiet, labels).scores.query("split == 'val'")["set_iou"] for labels in (spelled, wrong)
    )
    assert found.mean() < 0.1 * own.mean()


def test_images_are_taken_evenly_so_that_both_splits_are_there(blocks):
    some = planted.every_nth(blocks[0], 60)
    assert len(some) == 60 and set(some.split) == {"train", "val"}
    assert len(planted.every_nth(blocks[0], 10**6)) == IMAGES


def test_a_gain_moves_activations_and_nothing_that_fires(blocks):
    _, plan, spelled, network, (quiet, _) = blocks
    loud = load_network(planted.network(plan, [0], gain=100.0), None, planted.PREPROCESSING)
    layer = read_layers(loud, ["noise_0"], spelled, tau=quiet.tau, device="cpu", store=quiet.store)["noise_0"]
    assert np.allclose(layer.thresholds, 100 * quiet.thresholds)
    assert np.array_equal(layer.fired[1], replace(quiet).fired[1])


def test_charts_of_recovery_keep_order_and_say_what_they_show():
    rows = pd.DataFrame({"noise": [0, 20] * 2, "mean": [0.5, 0.4, 0.6, 0.7], "low": 0.3, "high": 0.8})
    rows = rows.assign(kind=["one filter"] * 2 + ["absent"] * 2, method=["single filter", "combination"] * 2)
    lines = charts.small_lines(rows, "noise", "mean", "kind", "method", "What is seen", ("noise", "set IoU")).to_dict()
    assert lines["facet"]["sort"] == ["one filter", "absent"] and "What is seen" in lines["description"]
    told = {"concept": [1, 2], "name": ["a", "b"], "category": "part", "tau": [0.01, 0.02]}
    points = pd.DataFrame({**told, "ratio": [0.5, 4.0], "set_iou": [0.4, 0.2]})
    bound = charts.tau_bound(points, "Bounded").to_dict()
    line = next(data for data in bound["datasets"].values() if "name" not in data[0])
    assert all(row["set_iou"] == pytest.approx(min(1, 1 / row["ratio"]), rel=1e-3) for row in line)
