"""How many filters are enough, against the rules written out in loops and against curves whose answer is known."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from n2vlib.analysis import saturation
from n2vlib.errors import BadInput
from n2vlib.parameters import check_value

SIZES = [1, 2, 4, 8]


def runs(values: dict[str, list[list[float]]], task: str = "segmentation") -> pd.DataFrame:
    """Scores of one layer: values[category] holds one curve over SIZES for each of its concepts."""
    measure = "set_iou" if task == "segmentation" else "accuracy"
    rows, concept = [], 0
    for category, curves in values.items():
        for curve in curves:
            concept += 1
            rows += [(concept, category, size, value) for size, value in zip(SIZES, curve, strict=True)]
    table = pd.DataFrame(rows, columns=["concept", "category", "n_filters", measure])
    return table.assign(task=task, layer="conv5", method="combination", split="val")


def draws_around(scores: pd.DataFrame, noise: float, n: int = 400, seed: int = 0) -> pd.DataFrame:
    """As `uncertainty.resample` returns them: each score with noise of its own in every draw."""
    keys = ["layer", "task", "method", "n_filters", "concept"]
    columns = pd.MultiIndex.from_frame(scores[keys])
    value = scores["set_iou"].to_numpy()
    moved = value + noise * np.random.default_rng(seed).standard_normal((n, len(value)))
    return pd.DataFrame(moved, columns=columns).rename_axis("draw")


def enough(scores: pd.DataFrame, noise: float, **options) -> pd.DataFrame:
    categories = dict(zip(scores["concept"], scores["category"], strict=True))
    drawn = saturation.category_means(draws_around(scores, noise), categories)
    return saturation.enough(saturation.means(scores), drawn, **options).set_index("category")


def test_the_sizes_end_with_the_width_of_the_layer():
    assert saturation.subset_sizes([8, 2, 128, 2, 256], 128) == [2, 8, 128]
    assert saturation.subset_sizes([64], 16) == [16]


def test_means_and_standard_errors_are_those_of_the_concepts_with_a_number():
    scores = runs({"part": [[0.1, 0.2, 0.3, 0.4], [0.3, 0.2, 0.1, np.nan], [np.nan] * 4]})
    means = saturation.means(scores).set_index("n_filters")
    assert means.loc[1, "mean"] == pytest.approx(0.2) and means.loc[1, "concepts"] == 2
    assert means.loc[1, "standard_error"] == pytest.approx(np.std([0.1, 0.3], ddof=1) / np.sqrt(2))
    assert means.loc[8, "mean"] == pytest.approx(0.4) and means.loc[8, "concepts"] == 1


def test_means_of_draws_are_those_of_a_loop_and_pass_over_missing_concepts():
    scores = runs({"part": [[0.1, 0.2, 0.3, 0.4]] * 3, "object": [[0.5] * 4]})
    draws = draws_around(scores, 0.1, n=5)
    draws.iloc[2, 1] = np.nan
    categories = dict(zip(scores["concept"], scores["category"], strict=True))
    found = saturation.category_means(draws, categories)
    for draw in range(5):
        for task, layer, category, size in found.columns:
            mine = [draws.iloc[draw][c] for c in draws.columns if categories[c[4]] == category and c[3] == size]
            assert found.loc[draw, (task, layer, category, size)] == pytest.approx(np.nanmean(mine))


def test_without_noise_enough_is_the_peak_and_nearly_a_fraction_of_it():
    found = enough(runs({"part": [[0.10, 0.39, 0.40, 0.30]], "color": [[0.1, 0.2, 0.3, 0.4]]}), noise=0.0)
    assert tuple(found.loc["part", ["peak", "no_loss", "nearly"]]) == (4, 4, 2)
    assert tuple(found.loc["color", ["peak", "no_loss", "nearly"]]) == (8, 8, 8)
    assert found.loc["part", "fall"] == pytest.approx(0.1) and found.loc["color", "fall"] == 0


def test_with_noise_a_smaller_number_that_is_indistinguishable_from_the_peak_is_enough():
    scores = runs({"part": [[0.10, 0.39, 0.40, 0.30]]})
    found = enough(scores, noise=0.02).loc["part"]
    assert (found["no_loss"], found["peak"]) == (2, 4)
    assert found["peak_low"] == 2 and found["peak_high"] == 4
    assert found["low"] > 0  # a fall of five deviations
    assert enough(scores, noise=0.2).loc["part", "low"] < 0


def test_what_is_nearly_enough_is_measured_from_chance():
    values = {"scene": [[0.5, 0.60, 0.69, 0.70]]}
    present = runs(values, "classification")
    draws = draws_around(present.assign(set_iou=present["accuracy"]), 0.0)
    drawn = saturation.category_means(draws, {1: "scene"})
    found = saturation.enough(saturation.means(present), drawn, share=0.9).iloc[0]
    assert found["nearly"] == 4  # 0.60 is 86% of 0.70, but half of what lies above chance


def test_differences_are_paired():
    """Noise that moves all sizes of a concept together says nothing about which is best."""
    scores = runs({"part": [[0.10, 0.39, 0.40, 0.30]]})
    draws = draws_around(scores, 0.0)
    together = draws.add(0.2 * np.random.default_rng(1).standard_normal(len(draws)), axis=0)
    drawn = saturation.category_means(together, {1: "part"})
    assert saturation.enough(saturation.means(scores), drawn)["no_loss"].item() == 4


@pytest.mark.parametrize("sizes", [[], [0], [2, 2], [1.5]])
def test_sizes_given_as_parameters_are_positive_numbers_each_once(sizes):
    with pytest.raises(BadInput, match="^SUBSETS_SEGMENTATION"):
        check_value("SUBSETS_SEGMENTATION", sizes, list)


def test_the_run_with_all_filters_is_the_full_solution():
    asked = []
    layer = SimpleNamespace(n_filters=16)
    found = saturation.runs(lambda *_, **options: asked.append(options), layer, None, [4, 1, 64], epochs=2)
    assert list(found) == [1, 4, 16]
    assert asked == [{"n_filters": n, "epochs": 2} for n in (1, 4, None)]
