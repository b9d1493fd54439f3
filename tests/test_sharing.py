"""Shared filters, correlations and individual IoU, against slow loops, scipy and counting by hand."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from measured import activations, annotated, measure
from scipy import stats

from n2vlib import charts
from n2vlib.analysis import correlation, per_image, sharing, top_images, uncertainty
from n2vlib.display import style
from n2vlib.errors import BadInput
from n2vlib.masks.iou import individual_iou, predicted_mask, single_filter_mask
from n2vlib.methods import classification, segmentation, single_filter
from n2vlib.methods.alignment import Alignment
from n2vlib.probe.occurrences import presence
from n2vlib.vocabulary import METHODS, OUTCOMES

RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    probe, layers = measure(tmp_path_factory.mktemp("sharing"))
    layer = layers["1"]
    alone, together = single_filter.align(layer, probe), segmentation.align(layer, probe, epochs=2)
    return probe, layer, alone, together


def chosen(filters: list[int], n_filters: int = 6, task: str = "segmentation", layer: str = "conv1") -> pd.DataFrame:
    """The best filters of concepts, by hand; categories alternate."""
    concepts = range(1, len(filters) + 1)
    names, kinds = [f"concept {c}" for c in concepts], [("part", "object")[c % 2] for c in concepts]
    told = {"concept": concepts, "name": names, "category": kinds, "filter": filters}
    return pd.DataFrame({"task": task, "layer": layer, "n_filters": n_filters, **told})


def test_the_strongest_filter_is_the_best_single_filter_and_the_largest_weight(measured):
    probe, layer, alone, _ = measured
    train = single_filter.set_iou(layer, probe, "train")
    for row in sharing.strongest_filters(alone).itertuples():
        assert row.filter == train[:, probe.concepts.index.get_loc(row.concept)].argmax()
    full = classification.align(layer, probe, epochs=2)
    by_hand = {
        c: max(range(layer.n_filters), key=lambda k, c=c: abs(full.weights.loc[c, k])) for c in full.weights.index
    }
    found = sharing.strongest_filters(full)
    assert dict(zip(found["concept"], found["filter"], strict=True)) == by_hand
    assert set(found["n_filters"]) == {layer.n_filters}
    again = classification.align(layer, probe, epochs=2, n_filters=1).scores.query("split == 'val'")
    assert dict(zip(again["concept"], again["filter"], strict=True)) == by_hand


def test_filters_never_chosen_are_counted_and_bins_are_those_of_the_figure():
    filters = [0] * 31 + [1] * 11 + [2] * 5 + [3]
    served = sharing.concepts_served(chosen(filters))
    assert list(served["concepts"]) == [31, 11, 5, 1, 0, 0]
    bins = sharing.in_bins(served).set_index("concepts")["filters"]
    assert dict(bins) == {"0": 2, "1": 1, "2-5": 1, "6-10": 0, "11-20": 1, "21-30": 0, ">30": 1}
    edges = sharing.in_bins(sharing.concepts_served(chosen([0] * 2 + [1] * 10 + [2] * 20 + [3] * 30 + [4] * 6)))
    assert dict(edges.set_index("concepts")["filters"]) == {
        "0": 1, "1": 0, "2-5": 1, "6-10": 2, "11-20": 1, "21-30": 1, ">30": 0
    }  # fmt: skip


def test_a_summary_of_two_layers_counts_each_by_itself():
    both = pd.concat([chosen([0, 0, 3]), chosen([1, 1], n_filters=4, layer="conv2")])
    found = sharing.summary(sharing.concepts_served(both)).set_index("layer")
    assert list(found["concepts_per_filter"]) == [3 / 6, 2 / 4] and list(found["most"]) == [2, 2]
    assert list(found["never"]) == [4 / 6, 3 / 4]
    assert found.loc["conv1", "never_at_random"] == pytest.approx((5 / 6) ** 3)


def test_at_random_the_bins_are_those_of_the_binomial_distribution():
    concepts, filters = 90, 30
    found = sharing.if_at_random(chosen(RNG.integers(0, filters, concepts).tolist(), filters), draws=4000)
    law = stats.binom(concepts, 1 / filters)
    expected = [law.pmf(0), law.pmf(1), *(law.cdf(b) - law.cdf(a) for a, b in ((1, 5), (5, 10), (10, 20), (20, 30)))]
    assert list(found["share"]) == pytest.approx([*expected, law.sf(30)], abs=0.004)
    common = found[found["share"] > 0.02]
    assert (common["low"] <= common["share"]).all() and (common["share"] <= common["high"]).all()


def test_busy_filters_are_those_at_or_above_the_threshold():
    served = sharing.concepts_served(chosen([0] * 3 + [1] * 2 + [2], n_filters=4))
    assert sharing.busy(served, {"segmentation": 2})["share"].item() == 0.5
    assert sharing.busy(served, {"segmentation": 2.5})["share"].item() == 0.25
    with pytest.raises(BadInput, match="segmentation"):
        sharing.busy(served, {"classification": 2})


def test_alike_counts_pairs_of_concepts_one_by_one():
    table = chosen(RNG.integers(0, 5, 25).tolist(), 5)
    pairs = list(combinations(table.itertuples(), 2))
    sharing_pairs = [(a, b) for a, b in pairs if a.filter == b.filter]
    found = sharing.same_category(table).iloc[0]
    assert found["pairs"] == len(sharing_pairs)
    assert found["same"] == pytest.approx(np.mean([a.category == b.category for a, b in sharing_pairs]))
    assert found["any_two"] == pytest.approx(np.mean([a.category == b.category for a, b in pairs]))
    assert np.isnan(sharing.same_category(chosen([0, 1, 2]))["same"].item())


def test_the_group_shown_is_as_large_as_can_be_and_its_worst_member_the_best():
    rows = [  # concept, category, filter, value
        (1, "object", 7, 0.9), (2, "object", 7, 0.8), (3, "object", 7, 0.1), (4, "part", 7, 0.95),
        (5, "object", 9, 0.4), (6, "object", 9, 0.3), (7, "object", 9, 0.2), (8, "object", 9, 0.05),
    ]  # fmt: skip
    best = pd.DataFrame(rows, columns=["concept", "category", "filter", "value"]).assign(name="n")
    assert list(sharing.most_shared(best)["concept"]) == [5, 6, 7]
    assert list(sharing.most_shared(best, concepts=2)["concept"]) == [1, 2]
    assert list(sharing.most_shared(best[best["concept"] == 4])["concept"]) == [4]
    with pytest.raises(BadInput):
        sharing.most_shared(best[:0])


def test_filters_to_show_come_from_each_category_in_turn_and_none_twice():
    rows = [  # concept, category, filter, set IoU
        (1, "object", 7, 0.9), (2, "object", 7, 0.8), (3, "object", 2, 0.7), (4, "part", 7, 0.6), (5, "part", 3, 0.5),
        (6, "color", 4, 0.1), (7, "color", 4, 0.05),
    ]  # fmt: skip
    scores = pd.DataFrame(rows, columns=["concept", "category", "filter", "set_iou"]).assign(name="n", split="train")
    found = Alignment(scores, pd.DataFrame(), pd.Series(), pd.DataFrame(), {})
    assert list(sharing.best_of_categories(found, 3)["concept"]) == [1, 5, 6]
    assert list(sharing.best_of_categories(found, 9)["concept"]) == [1, 5, 6, 3]


def tables_of_weights(concepts: int = 9, filters: int = 40) -> tuple[pd.DataFrame, pd.DataFrame]:
    iou = RNG.beta(0.4, 4, (concepts, filters))
    weights = RNG.normal(0, 1, (concepts, filters)) + 3 * iou
    index = pd.Index(range(10, 10 + concepts), name="concept")
    return pd.DataFrame(weights, index), pd.DataFrame(iou, index)


def test_correlation_and_p_are_scipys():
    weights, iou = tables_of_weights()
    found = correlation.of_weights(weights, iou)
    for c in weights.index:
        theirs = stats.pearsonr(np.maximum(weights.loc[c], 0), iou.loc[c])
        assert found.loc[c, "r"] == pytest.approx(theirs.statistic, abs=1e-12)
        assert found.loc[c, "p"] == pytest.approx(theirs.pvalue, rel=1e-9, abs=1e-300)


def test_the_correlation_needed_has_exactly_the_level():
    for n in (5, 24, 256):
        r = correlation.r_needed(n, 0.01)
        assert correlation.p_values(np.array([r]), n)[0] == pytest.approx(0.01)
    assert correlation.r_needed(102, 0.05) == pytest.approx(0.1946, abs=1e-4)  # as printed in tables, df = 100


def test_where_one_side_does_not_vary_there_is_no_correlation():
    weights, iou = tables_of_weights(4)
    weights.iloc[0], iou.iloc[1] = -1, 0.1  # no positive weight; the same IoU everywhere
    iou.iloc[2] = 2 * np.maximum(weights.iloc[2], 0)
    found = correlation.of_weights(weights, iou)
    assert found["r"].isna().tolist() == [True, True, False, False] == found["p"].isna().tolist()
    assert found["r"].iloc[2] == pytest.approx(1) and found["p"].iloc[2] < 1e-100
    kept = correlation.significant(found)
    assert not any(flags[:2].any() for flags in kept.values()) and all(flags[2] for flags in kept.values())
    with pytest.raises(BadInput, match="same concepts"):
        correlation.of_weights(weights, iou[:3])


def test_corrections_are_those_of_the_textbook():
    p = np.array([0.0001, 0.0008, 0.0035, 0.0041, 0.02, 0.5, np.nan])
    found = correlation.significant(pd.DataFrame({"r": 0.1, "p": p}), alpha=0.01)
    known = np.sort(p[:6])
    largest = max(i for i, value in enumerate(known, 1) if value <= 0.01 * i / 6)  # Benjamini and Hochberg, step up
    assert found["Benjamini-Hochberg"].sum() == largest
    assert found["Bonferroni"].tolist() == [6 * value < 0.01 for value in p[:6]] + [False]
    assert found["as published"].sum() == 4


def test_the_controls_keep_values_and_break_the_link():
    _, iou = tables_of_weights()
    filters, concepts = correlation.other_filters(iou), correlation.other_concepts(iou)
    assert np.array_equal(np.sort(filters, axis=1), np.sort(iou, axis=1)) and filters.index.equals(iou.index)
    assert np.array_equal(np.sort(concepts, axis=0), np.sort(iou, axis=0)) and concepts.index.equals(iou.index)
    assert not (concepts == iou).all(axis=1).any()  # no concept keeps its own


def test_both_contributions_by_hand(measured):
    probe, _, alone, together = measured
    found = correlation.contributions(alone, together).set_index("concept")
    single, combined = (m.scores.query("split == 'val'").set_index("concept")["set_iou"] for m in (alone, together))
    assert len(found)
    for c, row in found.iterrows():
        w, k = together.weights.loc[c], int(alone.weights.loc[c].argmax())
        assert row["filter"] == k and row["of_weight"] == pytest.approx(abs(w[k]) / sum(abs(w)))
        assert row["largest"] == pytest.approx(max(abs(w)) / sum(abs(w))) and row["largest"] >= row["of_weight"]
        if combined[c] > 0:
            assert row["of_iou"] == pytest.approx(single[c] / combined[c])
        else:
            assert np.isnan(row["of_iou"])


def test_silence_of_a_filter_is_an_empty_map_and_of_a_combination_an_empty_mask(measured):
    probe, layer, alone, together = measured
    fires = (activations(probe, "1") > layer.thresholds[:, None, None]).any(axis=(2, 3))
    single = per_image.with_silence(alone, layer)
    filters = alone.scores.query("split == 'val'").set_index("concept")["filter"]
    assert [not fires[r.image, filters[r.concept]] for r in single.itertuples()] == single["silent"].tolist()
    for row in per_image.with_silence(together, layer).itertuples():
        w = together.weights.loc[row.concept].to_numpy()
        mask = predicted_mask(layer.fired_in(row.image), w, probe.label_size, align_corners=True)
        assert row.silent == (not mask.any())
    assert set(single["split"]) == {"val"} and 0 < single["silent"].mean() < 1


def test_the_summary_of_individual_iou_by_hand(measured):
    probe, layer, alone, _ = measured
    pairs = per_image.with_silence(alone, layer)
    truth, numbers = annotated(probe), list(probe.concepts.index)
    for row in per_image.summary(pairs, ["concept"]).itertuples():
        mine, values = pairs[pairs["concept"] == row.concept], []
        for pair in mine.itertuples():
            k = int(alone.weights.loc[row.concept].argmax())
            mask = single_filter_mask(layer.fired_in(pair.image)[k], probe.label_size, align_corners=True)
            values.append(individual_iou(mask[None], truth[pair.image, numbers.index(row.concept)][None])[0])
        rest = [value for value in values if value > 0]
        assert row.images == len(values) and row.zero == pytest.approx(1 - len(rest) / len(values))
        assert row.silent <= row.zero
        assert len(rest) == 0 or row.mean == pytest.approx(np.mean(rest))
        assert len(rest) < 2 or row.std == pytest.approx(np.std(rest, ddof=1))


def test_a_share_and_its_interval_when_images_are_drawn_again(measured):
    probe, layer, alone, _ = measured
    pairs = per_image.with_silence(alone, layer)
    found = per_image.shares(pairs, "silent", ["category"], probe, draws=50, seed=3)
    times = uncertainty.image_draws(probe, "val", 50, 3)
    for row in found.itertuples():
        mine = pairs[pairs["category"] == row.category]
        again = [np.repeat(mine["silent"], times[draw][mine["image"]]).mean() for draw in range(50)]
        assert (row.low, row.high) == pytest.approx(tuple(np.nanquantile(again, [0.025, 0.975])))
        assert row.share == pytest.approx(mine["silent"].mean())


def by_hand(values: list[float], silent: list[bool] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"concept": 1, "image": range(len(values)), "individual_iou": values}).assign(
        silent=silent if silent is not None else False
    )


def test_bins_of_individual_iou_keep_the_zeros_apart():
    bins = per_image.in_bins(by_hand([0, 0, 0, 0.05, 0.051, 0.3, 1.0], [True, False, True] + [False] * 4), ["concept"])
    told = {(row.low, row.high, row.outcome): row.images for row in bins.itertuples()}
    hit, missed, silent = OUTCOMES
    zeros = {(0, 0, silent): 2, (0, 0, missed): 1}
    assert told == zeros | {(0, 0.05, hit): 1, (0.05, 0.1, hit): 1, (0.25, 0.3, hit): 1, (0.95, 1, hit): 1}
    assert bins["share"].sum() == pytest.approx(1)


def test_deciles_are_values_of_the_non_zero_part_and_the_last_is_the_largest():
    values = RNG.permutation(np.concatenate([np.zeros(30), np.arange(1, 24) / 25]))
    found = per_image.at_deciles(by_hand(values.tolist()))
    assert list(found["decile"]) == pytest.approx(np.arange(1, 11) / 10)
    expected = np.quantile(values[values > 0], np.arange(1, 11) / 10, method="inverted_cdf")
    assert (
        list(found["individual_iou"]) == pytest.approx(expected.tolist())
        and found["individual_iou"].iloc[-1] == 23 / 25
    )
    assert per_image.at_deciles(by_hand([0.0, 0.0])).empty
    assert set(per_image.at_deciles(by_hand([0.0, 0.4]))["individual_iou"]) == {0.4}


def test_the_two_concepts_looked_at_are_the_best_and_the_most_ordinary_of_those_with_enough_images():
    def rows(concept: int, category: str, overlaps: int, images: int, intersection: int) -> pd.DataFrame:
        iou = np.where(np.arange(images) < overlaps, 0.5, 0.0)
        told = {"concept": concept, "category": category, "image": range(images), "individual_iou": iou}
        return pd.DataFrame(told).assign(intersection=intersection, predicted=100, annotated=100)

    made = [rows(1, "object", 12, 14, 5), rows(2, "object", 11, 40, 9), rows(3, "object", 20, 80, 6)]
    made += [rows(4, "object", 9, 10, 99), rows(5, "color", 30, 30, 99)]  # too few images; another category
    pairs = pd.concat([each.assign(method=m) for each in made for m in METHODS])
    overall = (12 + 11 + 20 + 9 + 30) / (14 + 40 + 80 + 10 + 30)
    nearest = min([(1, 12 / 14), (3, 20 / 80)], key=lambda pair: abs(pair[1] - overall))[0]
    assert per_image.two_concepts(pairs) == [2, nearest]
    assert per_image.two_concepts(pairs, least=25) == [5, 3]  # no two will do: those that overlap most
    assert per_image.two_concepts(pairs[pairs["concept"] == 4]) == [4]


def test_the_masks_shown_are_those_that_are_scored(measured):
    probe, layer, alone, together = measured
    for found in (alone, together):
        for (concept, image), pair in found.pairs.groupby(["concept", "image"]):
            mask = per_image.masks(found, layer, probe, int(concept), [int(image)])[0]
            assert mask.sum() == pair["predicted"].item()
            assert (mask & probe.annotated(int(concept), int(image))).sum() == pair["intersection"].item()


def test_top_images_are_those_with_the_largest_activation(measured):
    probe, layer, *_ = measured
    acts = activations(probe, "1").max(axis=(2, 3))
    found = top_images.top_images(layer, [3, 0], 4)
    assert list(found["filter"]) == [3] * 4 + [0] * 4 and list(found["rank"]) == [1, 2, 3, 4] * 2
    for k, rows in found.groupby("filter"):
        assert list(rows["image"]) == list(np.argsort(-acts[:, k], kind="stable")[:4])
        assert rows["activation"].tolist() == pytest.approx(acts[rows["image"], k].tolist(), abs=1e-5)


def test_the_strength_of_an_image_is_its_largest_activation_or_largest_sum(measured):
    probe, layer, alone, together = measured
    images = np.flatnonzero(probe.split == "val")
    acts = activations(probe, "1")
    single, combined = (top_images.strengths(found, layer, images) for found in (alone, together))
    for c in together.weights.index:
        w, k = together.weights.loc[c].to_numpy(), int(alone.weights.loc[c].argmax())
        assert single[c].tolist() == pytest.approx([acts[i, k].max() for i in images], abs=1e-5)
        sums = [np.tensordot(w, layer.fired_in(i).astype(float), 1).max() for i in images]
        assert combined[c].tolist() == pytest.approx(sums, abs=1e-5)


def test_coherence_is_the_share_of_the_strongest_images_that_hold_the_concept(measured):
    probe, layer, alone, _ = measured
    images = np.flatnonzero(probe.split == "val")
    strength, holds = top_images.strengths(alone, layer, images), presence(probe)
    found = top_images.coherence(strength, holds, 3)
    for c in strength:
        three = sorted(images, key=lambda i, c=c: (-strength.loc[i, c], i))[:3]
        assert found[c] == pytest.approx(np.mean([bool((probe.images_with(int(c)) == i).any()) for i in three]))
    with pytest.raises(BadInput, match="count"):
        top_images.coherence(strength, holds, len(images) + 1)


def test_concepts_without_validation_images_have_no_part_in_the_shares(measured):
    _, _, alone, _ = measured
    scores = alone.scores.copy()
    gone = scores["concept"].iloc[0]
    scores.loc[(scores["concept"] == gone) & (scores["split"] == "val"), "images"] = 0
    fewer = Alignment(scores, alone.weights, alone.bias, alone.pairs, alone.settings)
    assert set(sharing.strongest_filters(alone)["concept"]) - set(sharing.strongest_filters(fewer)["concept"]) == {gone}


def every_chart() -> dict[str, charts.Chart]:
    both = pd.concat([chosen([0] * 7 + [1]), chosen([1, 1, 2], task="classification")])
    shares = sharing.in_bins(sharing.concepts_served(both))
    pairs = pd.concat([by_hand([0, 0, 0.31, 0.62], [True, False, False, False]).assign(panel=p) for p in "ab"])
    bins = per_image.in_bins(pairs, ["panel"]).assign(mean=0.4567891)
    points = pd.DataFrame({"filter": range(8), "set_iou": np.linspace(0, 0.7, 8) ** 2, "weight": np.linspace(-1, 3, 8)})
    points = pd.concat([points.assign(panel=p, category="object", best=points["filter"] == 7) for p in "ab"])
    lines = pd.DataFrame({"layer": ["conv1", "conv2"] * 2, "series": ["all"] * 2 + ["chance"] * 2, "share": 1 / 3})
    return {
        "concepts_per_filter": charts.concepts_per_filter(shares, "t"),
        "concepts_per_filter, chance": charts.concepts_per_filter(shares, "t", sharing.if_at_random(both)),
        "individual_iou": charts.individual_iou(bins, "t"),
        "weights_scatter": charts.weights_scatter(points, "t"),
        "by_layer": charts.by_layer(lines.assign(low=0.1, high=0.5), "share", "t", "share", "series", fmt=".0%"),
    }


CHARTS = every_chart()


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_of_filters_is_drawn_and_says_what_it_shows(name, capfd):
    bundle = CHARTS[name]._repr_mimebundle_()
    shown = bundle[0] if isinstance(bundle, tuple) else bundle
    assert shown["text/plain"].startswith("<chart: t") and shown[style.MIME]["title"]["text"] == ["t"]
    rows = [row for data in shown[style.MIME]["datasets"].values() for row in data]
    floats = [value for row in rows for value in row.values() if isinstance(value, float)]
    assert floats and all(x == float(f"{x:.4g}") for x in floats)
    assert capfd.readouterr() == ("", "")
