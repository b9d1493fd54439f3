"""The bootstrap over images against images that are really drawn again, one loop at a time."""

import numpy as np
import pandas as pd
import pytest
from measured import annotated, measure

from n2vlib import tables
from n2vlib.analysis import uncertainty
from n2vlib.masks.iou import single_filter_mask
from n2vlib.methods import classification, segmentation, single_filter


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def found(world):
    probe, layers = world
    methods = single_filter, segmentation, classification
    return [method.align(layers["1"], probe) for method in methods]


def drawn(probe, split: str, draws: int, seed: int) -> list[np.ndarray]:
    """The images of every draw, each as often as it comes up."""
    times = uncertainty.image_draws(probe, split, draws, seed)
    return [np.repeat(np.arange(len(probe.images)), row) for row in times]


def test_a_draw_has_as_many_images_as_the_split_and_only_its_own(world):
    probe, _ = world
    for images in drawn(probe, "val", 20, seed=3):
        assert len(images) == (probe.split == "val").sum()
        assert set(probe.split[images]) == {"val"}


def test_a_resampled_set_iou_is_the_set_iou_of_the_images_drawn(world, found):
    probe, layers = world
    number, truth = probe.concept("cat"), annotated(probe)
    k = int(found[0].weights.loc[number].idxmax())
    column = uncertainty.resample(found[:1], probe, draws=5, seed=1)["1", "segmentation", "single filter", 1, number]
    for value, images in zip(column, drawn(probe, "val", 5, seed=1), strict=True):
        intersection = union = 0
        for i in images:
            marked = truth[i, probe.concepts.index.get_loc(number)]
            if marked.any():
                mask = single_filter_mask(layers["1"].fired_in(i)[k], probe.label_size, align_corners=True)
                intersection, union = intersection + (mask & marked).sum(), union + (mask | marked).sum()
        assert value == pytest.approx(intersection / union)


def test_a_resampled_accuracy_is_the_share_of_right_answers_among_those_drawn(world, found):
    probe, _ = world
    number = probe.concept("cat")
    answers = found[2].pairs.query("concept == @number and split == 'val'").set_index("image")["right"]
    column = uncertainty.resample(found[2:], probe, draws=5, seed=1)["1", "classification", "combination", 5, number]
    for value, images in zip(column, drawn(probe, "val", 5, seed=1), strict=True):
        assert value == pytest.approx(np.mean([answers[i] for i in images if i in answers.index]))


def test_all_alignments_see_the_same_draws(world, found):
    probe, _ = world
    both = uncertainty.resample([found[1], found[0]], probe, draws=4)
    np.testing.assert_array_equal(
        both["1", "segmentation", "single filter"], uncertainty.resample(found[:1], probe, draws=4)
    )


def test_intervals_hold_the_middle_of_the_draws_and_leave_out_missing_ones():
    draws = pd.DataFrame({"a": np.arange(101.0), "b": [np.nan] * 100 + [7.0]})
    assert uncertainty.interval(draws, confidence=0.9).loc["a"].tolist() == pytest.approx([5, 95])
    assert uncertainty.interval(draws).loc["b"].tolist() == [7, 7]


def test_means_get_their_intervals_from_the_images(world, found):
    probe, _ = world
    scores = pd.concat([one.scores for one in found])
    again = uncertainty.resample(found, probe, draws=50)
    means = tables.by_category(scores, resampled=again).query("method == 'combination' and category == 'part'")
    parts = probe.concepts.index[probe.concepts["category"] == "part"]
    by_hand = again["1", "segmentation", "combination", 5][parts].mean(axis=1)
    row = means.query("task == 'segmentation'").iloc[0]
    assert row[["low", "high"]].tolist() == pytest.approx(by_hand.quantile([0.025, 0.975]).tolist())


def test_a_filter_that_is_best_in_every_group_of_images_is_best_in_every_draw(world):
    probe, layers = world
    table = uncertainty.best_filter_stability(layers["1"], probe, draws=100).set_index("concept")
    train = single_filter.set_iou(layers["1"], probe, "train")
    for number, row in table.iterrows():
        column = probe.concepts.index.get_loc(number)
        assert row["filter"] == train[:, column].argmax()
        assert row["low"] <= train[row["filter"], column] <= row["high"]
    assert table["share"].between(0, 1).all() and table["share"].nunique() > 1
    assert ((table["runner_up"] >= 0) == (table["share"] < 1)).all()
    won = uncertainty.best_filter_draws(layers["1"], probe, draws=100)[table.index]
    held = won[won >= 0]
    assert (held == table["filter"]).sum().div(held.count()).to_numpy() == pytest.approx(table["share"].to_numpy())


def test_an_interval_around_keeps_the_spread_of_the_draws_and_leaves_their_bias():
    assert uncertainty.recentred_interval(10.0, np.arange(101.0), confidence=0.8) == pytest.approx((10 - 40, 10 + 40))
