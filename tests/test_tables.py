"""Tables of the papers from tidy scores, against sums done by hand, scipy's bootstrap and the printed numbers."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from n2vlib import published, tables
from n2vlib.errors import BadInput

NAMES = {1: ("red", "color"), 2: ("blue", "color"), 3: ("dog", "object"), 4: ("cat", "object"), 5: ("sofa", "object")}
#              red        blue       dog         cat        sofa (no validation image)
SINGLE = {1: 0.30, 2: 0.10, 3: 0.20, 4: 0.40, 5: np.nan}
COMBINED = {1: 0.50, 2: 0.10, 3: 0.10, 4: 0.60, 5: np.nan}


def tidy(
    values: dict[int, float], method: str, layer="conv1", task="segmentation", split="val", **more
) -> pd.DataFrame:
    """Scores of one method as every method returns them."""
    measure = "set_iou" if task == "segmentation" else "accuracy"
    rows = [
        {"concept": c, "name": NAMES[c][0], "category": NAMES[c][1], measure: value, "images": 10 * c}
        for c, value in values.items()
    ]
    same = {"probe": "hand", "network": "hand", "layer": layer, "task": task, "method": method, "split": split}
    return pd.DataFrame(rows).assign(**(same | {"n_filters": 1, "seed": 0, "filter": 7} | more))


@pytest.fixture
def scores() -> pd.DataFrame:
    single = tidy(SINGLE, "single filter")
    combined = tidy(COMBINED, "combination", n_filters=64, filter=None)
    train = tidy(dict.fromkeys(NAMES, 0.9), "single filter", split="train")
    return pd.concat([single, combined, train], ignore_index=True)


def test_side_by_side_keeps_the_concepts_with_a_number_and_counts_the_others(scores):
    wide = tables.side_by_side(scores, "conv1", "segmentation")
    assert list(wide.columns) == ["concept", "name", "category", "images", "single filter", "combination"]
    assert list(wide["name"]) == ["red", "blue", "dog", "cat"]
    assert list(wide["combination"]) == [0.5, 0.1, 0.1, 0.6]
    assert wide.attrs["dropped"] == 1


def test_a_combination_of_fewer_filters_does_not_stand_for_the_combination(scores):
    few = tidy(dict.fromkeys(NAMES, 0.01), "combination", n_filters=2)
    wide = tables.side_by_side(pd.concat([scores, few]), "conv1", "segmentation")
    assert list(wide["combination"]) == [0.5, 0.1, 0.1, 0.6]


def test_several_seeds_are_averaged(scores):
    other = tidy({c: v + 0.2 for c, v in COMBINED.items()}, "combination", n_filters=64, seed=1)
    wide = tables.side_by_side(pd.concat([scores, other]), "conv1", "segmentation")
    assert list(wide["combination"]) == pytest.approx([0.6, 0.2, 0.2, 0.7])


def test_by_concept_is_one_column_of_one_split():
    both = pd.concat([tidy(SINGLE, "single filter"), tidy(COMBINED, "single filter", split="train")])
    assert tables.by_concept(both).equals(pd.Series(SINGLE, name="set_iou").rename_axis("concept"))
    assert tables.by_concept(both, split="train")[2] == 0.10 and set(tables.by_concept(both, "filter")) == {7}


def test_by_category_is_mean_and_standard_error_over_the_concepts_of_the_category(scores):
    means = tables.by_category(scores).set_index(["category", "method"])
    objects = means.loc[("object", "combination")]
    assert objects["mean"] == pytest.approx((0.1 + 0.6) / 2)
    # two values: their standard deviation is half their difference times the square root of 2
    assert objects["standard_error"] == pytest.approx(abs(0.6 - 0.1) / 2)
    assert (objects["n"], objects["dropped"]) == (2, 1)
    assert (means.loc[("color", "combination"), "n"], means.loc[("color", "combination"), "dropped"]) == (2, 0)


def test_the_bootstrap_interval_is_scipys():
    values = np.random.default_rng(1).beta(2, 5, 80)
    low, high = tables.bootstrap_mean(values, seed=0, draws=6000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=6000, method="percentile", rng=3).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.05 * (high - low))
    assert tables.bootstrap_mean(values, seed=0) == tables.bootstrap_mean(values, seed=0)


def test_a_category_whose_concepts_all_agree_has_no_interval_to_speak_of():
    assert tables.bootstrap_mean(np.full(5, 0.25)) == (0.25, 0.25)
    assert all(np.isnan(tables.bootstrap_mean(np.array([]))))


def test_the_interval_of_a_few_draws_is_students():
    values = np.array([62.0, 71.0, 55.0, 68.0, 60.0])
    low, high = stats.t.interval(0.95, 4, values.mean(), stats.sem(values))
    assert tables.half_width(values) == pytest.approx((high - low) / 2)
    assert np.isnan(tables.half_width(values[:1])) and np.isnan(tables.half_width(values[:1, None]))
    assert tables.widened(5.0, 2.0, 9.0, 3.0) == pytest.approx((5 - 18**0.5, 10))


def test_the_chance_of_single_images_is_not_counted_as_that_of_the_rotations():
    """The component of the rotations in a two-way analysis of variance, from its textbook sums."""
    rng = np.random.default_rng(1)
    for spread in (0.0, 2.0):
        values = spread * rng.normal(size=(5, 1)) + rng.normal(size=30) + rng.normal(size=(5, 30))
        of_row = sum(30 * (values[i].mean() - values.mean()) ** 2 for i in range(5)) / 4
        rest = 0.0
        for i in range(5):
            for j in range(30):
                rest += (values[i, j] - values[i].mean() - values[:, j].mean() + values.mean()) ** 2 / (4 * 29)
        component = max(0.0, (of_row - rest) / 30)
        assert tables.half_width(values) == pytest.approx(stats.t.ppf(0.975, 4) * (component / 5) ** 0.5)


def test_at_least_as_good_counts_ties_for_the_combination(scores):
    row = tables.at_least_as_good(scores).iloc[0]
    assert row["percent"] == 75.0  # red and cat better, blue equal, dog worse
    assert (row["concepts"], row["dropped"]) == (4, 1)
    assert row["low"] <= 75.0 <= row["high"]


def test_beside_published_matches_layers_by_the_papers_names(scores):
    ours = tables.at_least_as_good(scores.assign(layer="features.1"))
    theirs = published.table("net2vec_table1_percent_better")
    beside = tables.beside_published(ours, theirs, aliases={"conv1": "features.1"})
    first = beside.iloc[0]
    assert list(first[["task", "layer", "published", "this run"]]) == ["segmentation", "conv1", 91.6, 75.0]
    assert first["difference"] == pytest.approx(75.0 - 91.6)
    assert len(beside) == 10 and beside["this run"].isna().sum() == 9


def test_a_layer_the_paper_does_not_have_keeps_its_name(scores):
    ours = tables.at_least_as_good(scores.assign(layer="features.1"))
    beside = tables.beside_published(ours, published.table("net2vec_table1_percent_better"))
    assert beside.iloc[0]["layer"] == "features.1" and np.isnan(beside.iloc[0]["published"])
    assert len(beside) == 11


def test_best_filters_and_how_many_concepts_each_is_best_for(scores):
    chosen = tables.best_filters(scores.assign(filter=[3, 3, 3, 5, 5] * 3), "conv1")
    assert list(chosen["name"][:4]) == ["cat", "red", "dog", "blue"]
    counts = tables.concepts_per_filter(chosen)
    assert list(counts["filter"]) == [3, 5] and list(counts["concepts"]) == [3, 2]


def test_a_filter_is_one_detector_and_a_concept_one_unique_detector():
    rows = [  # filter, concept, dissection IoU
        (0, 3, 0.20), (0, 4, 0.30),  # counts for cat alone
        (1, 4, 0.10),                # a second detector of cat
        (2, 1, 0.05),                # red
        (3, 2, 0.04),                # not above the threshold
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["filter", "concept", "dissection_iou"]).assign(layer="conv5")
    table = table.assign(
        name=table["concept"].map(lambda c: NAMES[c][0]), category=lambda t: t["concept"].map(_category)
    )
    found = tables.detectors(table)
    assert sorted(zip(found["filter"], found["name"], strict=True)) == [(0, "cat"), (1, "cat"), (2, "red")]
    counts = tables.unique_detectors(found).set_index("category")
    assert tuple(counts.loc["object"][["detectors", "unique_detectors"]]) == (2, 1)
    assert tuple(counts.loc["color"][["detectors", "unique_detectors"]]) == (1, 1)


def _category(concept: int) -> str:
    return NAMES[concept][1]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda s: tables.side_by_side(s, "conv11", "segmentation"), "near matches: conv1"),
        (lambda s: tables.side_by_side(s, "conv1", "segmentation", split="valid"), "near matches: val"),
        (lambda s: tables.by_category(s.drop(columns="category")), "no column 'category'"),
        (lambda s: tables.by_category(pd.concat([s, s.assign(network="other")])), "several values of 'network'"),
        (lambda s: tables.by_category(s, measure="set_iuo"), "vocabulary.py has no 'set_iuo'; near matches: set_iou"),
        (lambda s: published.table("net2vec_table1"), "net2vec_table1_percent_better"),
    ],
)
def test_bad_input_is_one_clear_line(scores, call, said):
    with pytest.raises(BadInput, match=said):
        call(scores)


def test_published_tables_are_as_printed():
    table = published.table("net2vec_table1_percent_better").set_index(["task", "layer"])
    assert table.loc[("segmentation", "conv5"), "percent_concepts_equal_or_better"] == 75.7
    counts = published.table("net2vec_dataset_counts").set_index("quantity")
    assert counts.loc["concepts_total", "value"] == 1197
    assert all(len(published.table(name)) for name in published.names())
