"""Networks side by side: means over the same concepts, drawn by the same images, and what they are compared by."""

import measured as small
import numpy as np
import pandas as pd
import pytest
from torch import nn

from n2vlib import charts
from n2vlib.analysis import comparison
from n2vlib.errors import BadInput
from n2vlib.store import Store
from n2vlib.zoo.recipes import RECIPES

SHOWN = {"size": 32, "mean": 0.5, "std": 0.25}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A random network on an 8 x 8 and on a 4 x 4 map, the first of them twice."""
    folder = tmp_path_factory.mktemp("comparison")
    probe, module = small.probe_in(folder), small.network().module
    row = {"network": module, "preprocessing": SHOWN, "layer": "1", "training": "random"}
    rows = [
        {**row, "label": "fine"},
        {**row, "label": "coarse", "layer": "3", "training": "self-supervised"},
        {**row, "label": "again"},
    ]
    options = {"tau": small.TAU, "epochs": 3, "device": "cpu", "store": Store(str(folder / "store"))}
    return probe, [comparison.measure(probe, row, **options) for row in rows]


@pytest.fixture(scope="module")
def result(made):
    probe, networks = made
    return comparison.means(networks, probe, draws=50)


def test_a_mean_is_over_the_concepts_that_every_network_has_a_number_for(made, result):
    _, networks = made
    means, _ = result
    for at, column in ((1, "set_iou"), (3, "accuracy")):
        scores = [one.alignments[at].scores.query("split == 'val'").set_index("concept")[column] for one in networks]
        shared = set.intersection(*(set(values.dropna().index) for values in scores))
        task = networks[0].alignments[at].scores["task"].iloc[0]
        found = means[(means["task"] == task) & (means["method"] == "combination")]
        assert (found["concepts"] == len(shared)).all() and len(shared) > 3
        by_hand = [np.mean([values[concept] for concept in shared]) for values in scores]
        np.testing.assert_allclose(found["mean"], by_hand)
    assert (means["low"] <= means["high"]).all() and means["label"].unique().tolist() == ["fine", "coarse", "again"]


def test_one_category_alone_is_averaged_over_its_own_concepts(made):
    probe, networks = made
    colors, _ = comparison.means(networks, probe, category="color", draws=5)
    scores = networks[1].alignments[0].scores.query("split == 'val' and category == 'color'")
    found = colors.query("label == 'coarse' and task == 'segmentation' and method == 'single filter'")
    assert found["mean"].item() == pytest.approx(scores["set_iou"].mean()) and found["concepts"].item() == 2


def test_all_networks_meet_the_same_draws_so_a_network_differs_from_itself_by_nothing(result):
    same = comparison.difference(*result, "fine", "again")
    assert (same[["difference", "low", "high"]] == 0).all(axis=None) and len(same) == 4
    means, draws = result
    other = comparison.difference(means, draws, "fine", "coarse").query("task == 'segmentation'").iloc[1]
    column = draws["fine", "segmentation", "combination"] - draws["coarse", "segmentation", "combination"]
    assert other["low"] == pytest.approx(np.quantile(column, 0.025)) and other["low"] <= other["difference"]


def test_the_gain_is_the_combinations_mean_in_multiples_of_the_single_filters():
    index = pd.MultiIndex.from_product([["net"], ["segmentation"], ["single filter", "combination"]])
    draws = pd.DataFrame([[0.1, 0.2], [0.1, 0.4]], columns=index)
    rows = [("single filter", 0.1), ("combination", 0.3)]
    same = {"label": "net", "training": "supervised", "task": "segmentation"}
    gain = comparison.gains(pd.DataFrame([{**same, "method": m, "mean": v} for m, v in rows]), draws).iloc[0]
    assert gain["gain"] == pytest.approx(3) and 2 <= gain["low"] < 2.2 and 3.8 < gain["high"] <= 4
    nothing = pd.DataFrame([{**same, "method": m, "mean": v} for m, v in (("single filter", 0.0), rows[1])])
    assert comparison.gains(nothing, draws)[["gain", "low", "high"]].isna().all(axis=None)  # multiples of 0
    draws.loc[0, ("net", "segmentation", "single filter")] = 0.0
    left = comparison.gains(pd.DataFrame([{**same, "method": m, "mean": v} for m, v in rows]), draws).iloc[0]
    assert left["gain"] == gain["gain"] and left["low"] == left["high"] == pytest.approx(4)  # of the other draw


def test_two_entries_need_two_labels_and_layers_can_name_them(made):
    probe, networks = made
    with pytest.raises(BadInput, match="label 'fine' is given twice"):
        comparison.means([networks[0], networks[0]], probe)
    assert [one.label for one in comparison.by_layer(networks)] == [
        "8 x 8: fine 1",
        "4 x 4: coarse 3",
        "8 x 8: again 1",
    ]


def test_the_training_task_of_a_network_of_the_zoo_is_known(made):
    kinds = {
        "small-alexnet": "supervised", "small-alexnet-random": "random", "small-alexnet-scenes": "supervised",
        "small-alexnet-objects": "supervised", "small-alexnet-rotation": "self-supervised",
        "small-alexnet-colorization": "self-supervised", "small-alexnet-patch-order": "self-supervised",
        "small-alexnet-denoising": "self-supervised", "small-resnet-captions": "supervised",
    }  # fmt: skip
    assert {name: RECIPES[name].training for name in kinds} == kinds
    probe, networks = made
    options = {"tau": small.TAU, "epochs": 1, "device": "cpu", "store": networks[0].layer.store}
    one = comparison.measure(probe, {"network": "small-alexnet", "layer": "conv5"}, **options)
    assert (one.label, one.training, one.task) == (
        "small-alexnet", "supervised", "scenes and objects: scene accuracy 0.98, object average precision 0.75"
    )  # fmt: skip
    stranger = comparison.measure(probe, _stranger(), **options)
    assert (stranger.label, stranger.training, stranger.task) == ("Sequential", "supervised", "")
    table = comparison.described([one, stranger])
    assert table["grid"].tolist() == ["14 x 14", "8 x 8"] and table["filters"].tolist() == [128, 4]


def _stranger() -> dict:
    return {"network": nn.Sequential(nn.Conv2d(3, 4, 4, 4), nn.ReLU()), "layer": "1", "preprocessing": SHOWN}


def test_charts_of_networks_keep_their_order_and_say_what_they_show(result):
    means, draws = result
    drawn = charts.by_network(means, "t").to_dict()
    assert [part["layer"][0]["encoding"]["y"]["sort"] for part in drawn["vconcat"]] == [["fine", "coarse", "again"]] * 2
    assert drawn["vconcat"][1]["layer"][2]["encoding"]["x"]["scale"]["domainMin"] <= 0.5
    published = pd.DataFrame({"training": ["self-supervised"], "low": [5.0], "high": [6.0]})
    gains = charts.gains_by_network(comparison.gains(means, draws), published, "t").to_dict()
    frames = gains["datasets"][gains["layer"][0]["data"]["name"]]
    assert frames == [{"label": "coarse", "training": "self-supervised", "low": 5.0, "high": 6.0}]
    for spec in (drawn, gains):
        assert spec["description"].startswith("t. ") and spec["title"]["text"] == ["t"]
