"""Where the combination loses: thresholds and areas against slow loops over pixels, and answers planted by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from measured import annotated, measure

from n2vlib.analysis import failures
from n2vlib.errors import BadInput
from n2vlib.masks.iou import upsample
from n2vlib.methods import classification, segmentation, single_filter

THRESHOLDS = [0.0, 0.02, 0.1, 0.4]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    probe, layers = measure(tmp_path_factory.mktemp("failures"))
    layer = layers["1"]
    return probe, layer, single_filter.align(layer, probe), segmentation.align(layer, probe, epochs=4)


def test_masks_above_each_threshold_are_counted_as_a_loop_over_images_counts_them(measured):
    probe, layer, _, found = measured
    counted = failures.at_thresholds(layer, probe, found.weights, THRESHOLDS).set_index(
        ["concept", "threshold", "split"]
    )
    truth = annotated(probe)
    for row, concept in enumerate(probe.concepts.index):
        if concept not in found.weights.index:
            continue
        weights = found.weights.loc[concept].to_numpy(float)
        sums = {(threshold, split): np.zeros(3) for threshold in THRESHOLDS for split in ("train", "val")}
        for i in probe.images_with(concept):
            z = upsample(np.tensordot(weights, layer.fired_in(i).astype(float), 1), probe.label_size, True)
            for threshold in THRESHOLDS:
                mask, mine = z > threshold, truth[i, row]
                sums[threshold, probe.split[i]] += [(mask & mine).sum(), mask.sum(), mine.sum()]
        for (threshold, split), slow in sums.items():
            fast = counted.loc[(concept, threshold, split)]
            # float32 in the kernel: a pixel whose sum is almost the threshold may fall on the other side
            np.testing.assert_allclose(fast[["intersection", "predicted", "annotated"]].to_numpy(float), slow, atol=8)
            if slow[2]:
                assert fast["set_iou"] == pytest.approx(slow[0] / (slow[1] + slow[2] - slow[0]), abs=0.02)


def test_at_level_zero_the_counts_are_the_methods_own(measured):
    probe, layer, _, found = measured
    at_zero = failures.at_thresholds(layer, probe, found.weights, [0.0]).set_index(["split", "concept"])
    for split in ("train", "val"):
        own = found.scores.query("split == @split").set_index("concept")["set_iou"]
        np.testing.assert_allclose(at_zero.loc[split, "set_iou"].reindex(own.index), own)


def test_the_best_threshold_is_chosen_on_training_images_and_never_worse_there(measured):
    probe, layer, _, found = measured
    counted = failures.at_thresholds(layer, probe, found.weights, THRESHOLDS)
    best = failures.best_threshold(counted)
    for concept, row in best.iterrows():
        curves = counted[counted["concept"] == concept].pivot(index="threshold", columns="split", values="set_iou")
        assert row["train"] == curves["train"].max() and row["threshold"] == curves["train"].idxmax()
        assert row["val"] == curves.loc[row["threshold"], "val"] or np.isnan(row["val"])


def validation_iou(found, concept: int) -> float:
    return found.scores.query("split == 'val'").set_index("concept").loc[concept, "set_iou"]


def test_the_table_of_cases_agrees_with_scores_images_and_pixels(measured):
    probe, _, alone, together = measured
    table, truth = failures.table(alone, together, probe).set_index("concept"), annotated(probe)
    for concept, case in table.iterrows():
        scores = [validation_iou(found, concept) for found in (alone, together)]
        assert case["gain"] == pytest.approx(scores[1] - scores[0]) and case["loses"] == (scores[1] < scores[0])
        training = probe.images_with(concept, "train")
        assert case["training"] == len(training)
        masks = truth[training, list(probe.concepts.index).index(concept)]
        assert case["area"] == pytest.approx(masks.mean())
        pairs = together.pairs[(together.pairs["concept"] == concept) & (together.pairs["split"] == "train")]
        assert case["times_in_training"] == pytest.approx(pairs["predicted"].sum() / pairs["annotated"].sum())


def test_classification_has_cases_without_areas(measured):
    probe, layer, _, _ = measured
    one, every = (classification.align(layer, probe, epochs=2, n_filters=n) for n in (1, None))
    table = failures.table(one, every, probe)
    assert "times" not in table and {"gain", "training", "loses"} <= set(table)
    assert (table["loses"] == (table["gain"] < 0)).all()


def test_one_place_of_a_grid_of_three_reaches_to_its_neighbours(measured):
    """On a 5 x 5 grid, upsampled to 41 x 41, the slopes of the middle cell end just before its neighbours' centres."""
    probe, layer, _, _ = measured
    small, seen = replace(layer, shape=(1, 5, 5)), replace(probe, label_size=(41, 41))
    slopes, top = failures.smallest_mask(small, seen)
    assert slopes == (2 * 9 + 1) ** 2 / 41**2  # ten pixels from place to place, none at the neighbours themselves
    ramp = 1 - np.abs(np.arange(-9, 10)) / 10
    assert top == (np.outer(ramp, ramp) > 0.5).sum() / 41**2


def test_levels_out_of_order_are_refused(measured):
    probe, layer, _, found = measured
    with pytest.raises(BadInput, match="ascending"):
        failures.at_thresholds(layer, probe, found.weights, [0.1, 0.0])


def test_a_concept_that_is_not_there_in_a_split_has_no_number():
    counted = pd.DataFrame(
        {
            "concept": 1,
            "threshold": [0.0, 0.0, 0.1, 0.1],
            "split": ["train", "val"] * 2,
            "set_iou": [0.2, np.nan, 0.3, np.nan],
        }
    )
    best = failures.best_threshold(counted).loc[1]
    assert best["threshold"] == 0.1 and np.isnan(best["val"])


def test_remedies_count_who_changes_sides_and_by_how_much():
    cases = pd.DataFrame({"concept": [1, 2, 3], "single filter": [0.3, 0.2, 0.1], "combination": [0.1, 0.1, 0.4]})
    cases["loses"] = cases["combination"] < cases["single filter"]
    changed = pd.Series({3: 0.05, 1: 0.4, 2: 0.15})
    row = failures.remedies(cases, {"changed": changed}).iloc[0]
    assert (row["no longer lose"], row["still lose"], row["newly lose"]) == (1, 1, 1)
    assert row["change, losers"] == pytest.approx((0.3 + 0.05) / 2)
    assert row["change, others"] == pytest.approx(-0.35)
