"""Claims decide by effect, interval and criterion; effects are checked on tables whose answers are known by hand."""

from dataclasses import replace

import measured as small
import numpy as np
import pandas as pd
import pytest

from n2vlib import charts, claims, published
from n2vlib.analysis import comparison
from n2vlib.claims import claim, filters, networks, spaces, sufficient
from n2vlib.claims.claim import Effect, holds, left_out, of_concepts, of_draws
from n2vlib.claims.images import of_images
from n2vlib.claims.measured import HYPERNYMS, MANY, ONE, TASKS, Measured, part, samples
from n2vlib.errors import BadInput
from n2vlib.methods import segmentation, single_filter

TABLE = claims.table().set_index("id")
CATEGORY = {1: "color", 2: "color", 3: "object", 4: "object", 5: "part"}
ROWS = 4  # as measured, then three draws


def scores(values: dict[tuple[str, str, str], list[float]]) -> pd.DataFrame:
    """(row; layer, task, method, concept), every draw as measured."""
    columns = {(*key, c): value for key, some in values.items() for c, value in zip(CATEGORY, some, strict=True)}
    names = ["layer", "task", "method", "concept"]
    return pd.DataFrame([columns] * ROWS).set_axis(pd.MultiIndex.from_tuples(columns, names=names), axis=1)


def by_hand(**more) -> Measured:
    concepts = pd.DataFrame(
        {"name": list("abcde"), "category": list(CATEGORY.values()), "training": [9, 80, 3, 70, 60], "area": 0.1},
        index=pd.Index(CATEGORY, name="concept"),
    )
    values = {
        ("conv1", TASKS[0], ONE): [0.10, 0.20, 0.10, 0.10, 0.10],
        ("conv1", TASKS[0], MANY): [0.50, 0.30, 0.20, 0.20, 0.15],
        ("conv2", TASKS[0], ONE): [0.10, 0.10, 0.40, 0.40, 0.30],
        ("conv2", TASKS[0], MANY): [0.05, 0.10, 0.30, 0.60, np.nan],
        ("conv1", TASKS[1], ONE): [0.5] * 5,
        ("conv1", TASKS[1], MANY): [0.8, 0.8, 0.6, 0.6, 0.7],
        ("conv2", TASKS[1], ONE): [0.5] * 5,
        ("conv2", TASKS[1], MANY): [0.7, 0.7, 0.9, 0.9, 0.8],
    }
    return Measured("by hand", ["conv1", "conv2"], 8, concepts, scores(values), **more)


# -- the rule


@pytest.mark.parametrize(
    ("low", "high", "side", "answer"),
    [
        (51, 60, "above", "yes"),
        (50, 60, "above", "undecided"),
        (40, 50, "above", "no"),
        (40, 49, "below", "yes"),
        (40, 60, "below", "undecided"),
        (50, 60, "below", "no"),
        (np.nan, np.nan, "above", "not measured"),
    ],
)
def test_a_claim_holds_where_the_whole_interval_is_beyond_the_criterion(low, high, side, answer):
    assert holds(Effect((low + high) / 2, low, high, "images"), side, 50) == answer


def test_what_cannot_be_measured_is_neither_true_nor_false():
    assert holds(None, "above", 0) == "not measured"


def test_every_claim_has_a_measure_and_every_measure_a_claim():
    assert sorted(TABLE.index) == sorted(claims.MEASURES) and TABLE.index.is_unique
    assert set(TABLE["side"]) == {"above", "below"} and set(TABLE["unit"]) <= set(claim.UNITS)
    assert set(TABLE["decided_by"]) == {"layer", ""}
    assert set(TABLE["experiment"]) <= set(published.table("experiments")["id"])
    by_lot = TABLE.index[TABLE["criterion"].isna()]
    assert all(name.startswith(("busy", "never")) for name in by_lot)


def test_published_numbers_are_the_printed_ones():
    printed = published.table("net2vec_table1_percent_better")
    for task, rows in printed.groupby("task"):
        ours = [TABLE.loc[f"table-1-{task}-{i}", "published"] for i in range(1, 6)]
        assert ours == list(rows["percent_concepts_equal_or_better"])
    correlations = published.table("net2vec_table4_correlation")["percent_concepts_significant"]
    assert [TABLE.loc[f"correlated-{i}", "published"] for i in range(1, 6)] == list(correlations)
    assert TABLE.loc["correlated-depth", "published"] == pytest.approx(correlations.iloc[-1] - correlations.iloc[0])
    stated = published.table("net2vec_quantitative_claims").set_index("claim_id")["value"].astype(float)
    assert TABLE.loc["losing", "published"] == stated["n2v_c2"]
    assert TABLE.loc["fourfold", "criterion"] == TABLE.loc["fourfold", "published"] == stated["n2v_c1"]
    assert TABLE.loc["busy-segmentation", "published"] == stated["n2v_c9"]
    assert TABLE.loc["times-supervised", "criterion"] == stated["n2v_c17"]
    assert TABLE.loc["times-self-supervised", "criterion"] == stated["n2v_c15"]


# -- intervals


def test_an_interval_of_draws_is_their_spread_around_their_median_laid_around_the_number():
    draws = np.random.default_rng(0).normal(3, 1, 4000)
    found = of_draws(np.append(5.0, draws))
    assert found.value == 5 and found.over == "images"
    assert (found.low, found.high) == pytest.approx((5 - 1.96, 5 + 1.96), abs=0.15)


def test_drawing_concepts_again_gives_the_standard_error_of_a_mean():
    values = np.random.default_rng(1).exponential(size=200)
    found = of_concepts(np.mean, values)
    error = values.std(ddof=1) / np.sqrt(200)
    assert found.value == values.mean()
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_leaving_a_fifth_of_the_concepts_out_gives_the_standard_error_of_a_mean():
    values = np.random.default_rng(2).normal(size=100)
    found = left_out(np.mean, values)
    assert found.high - found.value == pytest.approx(1.96 * values.std(ddof=1) / 10, rel=0.2)


# -- effects


def test_the_worst_mean_decides_whether_the_combination_is_ahead_everywhere():
    found = sufficient.ahead_everywhere(by_hand(), TASKS[0])
    assert found.value == pytest.approx(100 * (0.075 - 0.1))  # colors in conv2
    assert "ahead in 4 of 5 means; least for color in conv2" in found.note  # conv2 has no part with both numbers


def test_a_tie_is_as_good_but_not_a_gain():
    m = by_hand()
    assert sufficient.at_least_as_good(m, TASKS[0], 1).value == 50  # a loses, b ties, c loses, d wins
    assert sufficient.at_least_as_good(m, TASKS[0], 2) is None
    assert sufficient.losing(m).value == pytest.approx((0 + 0 + 50 + 0) / 4)
    assert sufficient.several_filters(m).value == pytest.approx((100 + 100 + 25 + 100) / 4)


def test_depth_and_the_best_color():
    m = by_hand()
    assert sufficient.color_gain(m).value == pytest.approx(5) and sufficient.color_gain(m).note == "a in conv1"
    assert sufficient.with_depth(m, TASKS[0], colors=False).value == pytest.approx(100 * (0.45 - 0.2))
    assert sufficient.with_depth(m, TASKS[0], colors=True).value == pytest.approx(100 * (0.075 - 0.4))
    shallow = replace(m, layers=["conv1"])
    assert sufficient.with_depth(shallow, TASKS[0], colors=True) is None


def test_concepts_that_lose_are_compared_with_those_that_do_not():
    # a (9 images) and c (3) lose, b (80) and d (70) do not: fewer in every pair.
    assert sufficient.failures(by_hand(), TASKS[0], "training").value == 1
    assert sufficient.failures(by_hand(), TASKS[0], "area").value == 0.5  # all of one size


def curve(values: dict[int, list[float]], concepts: list[int]) -> pd.DataFrame:
    columns = {(size, c): value for size, some in values.items() for c, value in zip(concepts, some, strict=True)}
    index = pd.MultiIndex.from_tuples(columns, names=["n_filters", "concept"])
    return pd.DataFrame([columns] * ROWS).set_axis(index, axis=1)


def test_the_fall_after_the_peak_is_measured_on_concepts_that_did_not_choose_the_peak():
    # c peaks at 2 filters, d at 4. At the other's peak c is 0.1 above its end and d 0.2 below it.
    runs = curve({2: [0.5, 0.1], 4: [0.4, 0.4], 8: [0.3, 0.3]}, [3, 4])
    m = by_hand(fewer={"segmentation": runs})
    assert sufficient.falls(m, "object").value == pytest.approx(100 * (0.1 - 0.2) / 2)
    assert sufficient.peak(m, "object").value == 50  # 0.4 on average with 4 of 8 filters
    assert sufficient.falls(m, "material") is None


def test_saturation_is_the_share_of_what_the_best_number_of_filters_has_above_chance():
    runs = curve({1: [0.6, 0.6, 0.8], 8: [0.6, 0.6, 1.0]}, [3, 4, 5])
    m = by_hand(fewer={"classification": runs})
    assert sufficient.saturated(m, filters=50).value == 50  # objects are there with 1 of 8 filters, the part is not
    assert sufficient.saturated(m, filters=50, category="part").value == pytest.approx(
        60 + 40 * np.log(50 * 8 / 256) / np.log(8)  # 60 with one filter, 100 with eight, straight over log F
    )


def test_a_handful_of_failures_decides_nothing():
    m = by_hand()
    effect = sufficient.failures(m, TASKS[0], "training")
    assert (effect.low, effect.high) == (0, 1) and holds(effect, "above", 0.5) == claims.UNDECIDED


def chosen(best: dict[str, list[int]], filters: int) -> pd.DataFrame:
    rows = [
        {"task": TASKS[0], "layer": layer, "n_filters": filters, "concept": c, "filter": k}
        for layer, some in best.items()
        for c, k in enumerate(some)
    ]
    return pd.DataFrame(rows)


def test_sharing_is_counted_among_chosen_filters_and_against_chance():
    m = by_hand(chosen=chosen({"conv1": [0] * 8 + [1, 2], "conv2": [0, 0, 1, 1, 2, 3, 4, 5, 6, 7]}, 10))
    assert filters.shared(m, TASKS[0]).value == pytest.approx(100 * 2 / 8)
    busy = filters.busy(m, TASKS[0])  # the paper's 20 are 1.88 times the mean; the mean here is 1
    assert busy.value == 10 and "2 concepts or more" in busy.note
    assert busy.against == pytest.approx(100 * (1 - 0.9**10 - 10 * 0.1 * 0.9**9))
    never = filters.never(m, TASKS[0], first=False)
    assert never.value == 20 and never.against == pytest.approx(100 * 0.9**10)
    assert filters.never(m, TASKS[0], first=True).value == 70


def test_correlations_count_where_p_is_below_one_in_a_hundred():
    p = {"conv1": [0.5, 0.001, 0.5, np.nan], "conv2": [0.001, 0.009, 0.02, 0.001]}
    rows = [{"layer": layer, "concept": c, "r": 0.0, "p": v} for layer, some in p.items() for c, v in enumerate(some)]
    m = by_hand(correlations=pd.DataFrame(rows))
    assert filters.correlated(m, 1).value == 75
    assert filters.correlated_with_depth(m).value == pytest.approx(100 * (2 - 1) / 3)


def test_networks_are_compared_by_the_ratio_of_their_means():
    both = {"a": ([0.1, 0.3], [0.4, 0.4]), "b": ([0.1, 0.1], [0.5, 0.5]), "c": ([0.2, 0.2], [0.1, 0.1])}
    tables = {}
    for name, values in both.items():
        found = dict(zip((ONE, MANY), values, strict=True))
        columns = {(TASKS[0], method, c): v for method, some in found.items() for c, v in enumerate(some)}
        tables[name] = pd.DataFrame([columns] * ROWS).set_axis(pd.MultiIndex.from_tuples(columns), axis=1)
    training = {"a": "supervised", "b": "self-supervised", "c": "random"}
    m = by_hand(networks=tables, training=training)
    assert networks.times(m, "supervised").value == pytest.approx(2)
    assert networks.self_supervised_gain_more(m).value == pytest.approx(2.5)
    assert networks.ahead_in_all(m, TASKS[0]).value == pytest.approx(20)  # random networks are not asked
    assert networks.map_size(m) is None
    assert networks.map_size(replace(m, maps=["b", "a"])).value == pytest.approx(10)


def turned(*degrees: float) -> pd.DataFrame:
    angles = np.deg2rad(degrees)
    return pd.DataFrame({"x": np.cos(angles), "y": np.sin(angles)}, index=pd.Index(CATEGORY))


def test_neighbours_of_a_kind_and_neighbours_seen_together(monkeypatch):
    monkeypatch.setattr(spaces, "NEAREST", 1)
    kinds, seen_together = turned(0, 10, 90, 100, 45), turned(0, 90, 10, 100, 45)
    together = pd.DataFrame(0.0, CATEGORY, CATEGORY)
    together.loc[1, 3] = together.loc[3, 1] = together.loc[2, 4] = together.loc[4, 2] = 1.0
    m = by_hand(
        spaces={("by hand", TASKS[0]): kinds, ("by hand", TASKS[1]): seen_together},
        together=together,
        words={HYPERNYMS: kinds},
    )
    # Four of five have a nearest concept of their category in one space, none in the other.
    assert spaces.kin(m).value == pytest.approx(80)
    assert spaces.context(m).value == pytest.approx(80)
    assert spaces.kin_in_words(m).value > 0
    other = replace(m, training={"by hand": "supervised"}, words={HYPERNYMS: turned(0, 80, 10, 100, 45)})
    assert spaces.nearer(other, HYPERNYMS).value > 0  # nearly the classification space
    assert spaces.nearer(m, "word vectors") is None


# -- measured


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    probe, layers = small.measure(tmp_path_factory.mktemp("claims"))
    m = claims.measure(
        "random", layers, probe, epochs=2, seed=0, subsets={"segmentation": [2, 6], "classification": [2, 6]}
    )
    return probe, layers, m


def test_the_first_row_is_as_measured_and_the_draws_are_the_bootstraps(run):
    probe, layers, m = run
    found = segmentation.align(layers["3"], probe, epochs=2)
    known = found.scores.query("split == 'val'").set_index("concept")["set_iou"]
    row = part(m.scores, "3", TASKS[0], MANY).iloc[0]
    pd.testing.assert_series_equal(row, known.loc[row.index], check_names=False)
    assert len(m.scores) == 201 and m.scores.iloc[1:].std().max() > 0


def test_individual_iou_are_summed_image_by_image(run):
    probe, layers, m = run
    one = single_filter.align(layers["3"], probe).pairs.query("split == 'val'")
    share = (one["individual_iou"] == 0).groupby(one["concept"]).mean()
    rest = one[one["individual_iou"] > 0].groupby("concept")["individual_iou"].mean()
    found = m.images[ONE]
    pd.testing.assert_series_equal(found["zero"].iloc[0], share, check_names=False)
    pd.testing.assert_series_equal(found["nonzero"].iloc[0].dropna(), rest, check_names=False)
    dead = of_images(one.assign(silent=True), probe, draws=3)
    pd.testing.assert_frame_equal(dead["zero"], dead["silent"])


def test_all_claims_are_checked_and_twice_the_same(run):
    _, _, m = run
    found = claims.check(m)
    assert list(found["id"]) == list(TABLE.index)
    pd.testing.assert_frame_equal(found, claims.check(m))
    assert set(found["holds"]) <= {"yes", "no", "undecided", "not measured"}
    known = found[found["holds"] != "not measured"]
    assert len(known) > 25 and (known["low"] <= known["high"]).all()
    percent = known[known["unit"] == "percent"]
    assert percent[["low", "high", "value"]].min().min() >= 0 and percent[["low", "high", "value"]].max().max() <= 100
    assert list(claims.check(m, ["zeros"])["id"]) == ["zeros"]


def test_other_networks_join_with_their_own_layers(run, tmp_path):
    probe, layers, m = run
    rows = [
        comparison.Measured(
            name, training, "", small.network(), layer, list(claims.aligned(layer, probe, 2, 0).values())
        )
        for name, training, layer in (("one", "supervised", layers["1"]), ("two", "self-supervised", layers["3"]))
    ]
    joined = claims.with_networks(m, rows, rows, probe)
    assert list(joined.networks) == ["one", "two", "one, 1", "two, 3"] and joined.maps == ["one, 1", "two, 3"]
    assert joined.trained() == ["one", "two"]
    first = samples(rows[0].alignments, probe).droplevel(["layer", "n_filters"], axis=1)
    pd.testing.assert_frame_equal(joined.networks["one"], first)
    assert networks.map_size(joined).note == "one, 1; two, 3"


def test_the_forest_is_drawn_in_silence_and_says_what_it_shows(run, capfd):
    found = claims.check(run[2])
    rows = found[(found["holds"] != claims.NOT_MEASURED) & (found["unit"] == "percent")]
    chart = charts.forest(rows, "t", "percent")
    spec = chart.to_dict()
    assert spec["description"].startswith("t.") and len(next(iter(spec["datasets"].values()))) == len(rows)
    assert "image/png" in chart._repr_mimebundle_()
    assert capfd.readouterr() == ("", "")


def test_a_table_links_the_cells_that_have_an_address():
    frame = pd.DataFrame({"id": ["a", "b"], "section": ["x < y", "none"]})
    html = charts.table(frame, links={"section": ["p.html#x&y", ""]})._repr_html_()
    assert '<a href="p.html#x&amp;y">x &lt; y</a>' in html and html.count("<a ") == 1


def test_where_no_claim_is_asked_for_the_table_has_its_columns_and_no_row():
    found = claims.check(by_hand(), [])
    assert found.empty and list(found) == list(claims.check(by_hand(), ["several-filters"]))


def test_a_claim_without_a_function_is_named():
    with pytest.raises(BadInput, match="^claims.csv: no function for busy-classification, zeros; name it in MEASURES"):
        claim.check({"silent": lambda m: None}, None, ["zeros", "silent", "busy-classification"])


def test_answers_are_counted_by_section_and_compared_with_published_numbers():
    rows = [
        ("b", "4.1", "no", 1.0, 5, 0, 2, 7.0),  # below, and published above the criterion
        ("a", "4.1", "yes", 9.0, 5, 8, 10, 9.5),
        ("c", "3", "undecided", 6.0, 5, 4, 8, np.nan),
        ("d", "3", "no", 2.0, 5, 1, 3, 2.5),
        ("e", "3", "no", 3.0, 5, 2, 4, 4.5),
    ]
    columns = ["id", "section", "holds", "value", "criterion", "low", "high", "published"]
    found = pd.DataFrame(rows, columns=columns)
    counted = claims.by_section(found)
    assert list(counted) == ["section", "yes", "undecided", "no", "which not"]
    assert counted.to_numpy().tolist() == [["4.1", 1, 0, 1, "b"], ["3", 0, 1, 2, "d, e"]]
    assert claims.by_section(found.iloc[[1]])["which not"].tolist() == [""]
    assert claims.beside_published(found).startswith("4 claims have a published number: 3 are")
    assert claims.beside_published(found).endswith("2 are in our interval")
