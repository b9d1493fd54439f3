"""Names against other images and against chance, beside loops over pixels; planted names convict, dealt ones clear."""

from dataclasses import replace

import numpy as np
import oracles
import pandas as pd
import pytest
from measured import NAMES, TAU, annotated, measure, network, scenes
from sklearn.metrics import average_precision_score, balanced_accuracy_score, f1_score
from test_planted import blocks  # noqa: F401

from n2vlib.activations.layer import read_layers
from n2vlib.errors import BadInput
from n2vlib.masks.conventions import CONVENTIONS
from n2vlib.methods import dissection
from n2vlib.probe import load_probe
from n2vlib.probe.broden import write
from n2vlib.significance import chance, held_out, names, sanity
from n2vlib.significance.family import family
from n2vlib.store import Store

COUNTED = {0: "in the image", 1: "under the mask", 2: "everywhere"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("world"), tau_max=0.2)


def predicted(probe, layer, way) -> np.ndarray:
    """The library's masks, image by image: bool, (image, filter, height, width)."""
    maps = layer.maps(range(len(probe)))
    return np.stack(
        [dissection.mask(layer, probe, maps[:, k], k, convention=way) for k in range(layer.n_filters)], axis=1
    )


@pytest.mark.parametrize("counts_on", [0, 1, 2])
@pytest.mark.parametrize("layer", ["1", "3"])
def test_counts_of_deals_equal_loops_over_pixels(world, layer, counts_on):
    probe, layers = world
    way = replace(CONVENTIONS["netdissect"], name=f"counted on {counts_on}", counts=counts_on)
    everything, primary = family(layers[layer], probe, way), probe.concepts["category"].tolist()
    truth, masks = annotated(probe), predicted(probe, layers[layer], way)
    rng = np.random.default_rng(0)
    permutations = np.stack([np.arange(len(probe)), rng.permutation(len(probe)), np.where(np.arange(40) % 2, -1, 7)])
    found = everything.count(permutations)
    assert found.intersection.any()
    for d, order in enumerate(permutations):
        kept = order >= 0
        _, intersection, area = oracles.dissection_counts(masks[order[kept]], truth[kept], primary, COUNTED[counts_on])
        np.testing.assert_array_equal(found.intersection[d], intersection)
        np.testing.assert_array_equal(found.predicted[d], area)
        np.testing.assert_array_equal(found.annotated[d, 0], truth[kept].sum((0, 2, 3)))


@pytest.mark.parametrize("name", ["netdissect", "netdissect-lite"])
def test_undealt_counts_are_those_of_the_dissection(world, name):
    """In this set one map is part and material, and two part maps overlap, where conventions differ."""
    probe, layers = world
    for layer in layers.values():
        found, whole = family(layer, probe, name), dissection.count(layer, probe, convention=name)
        kept = probe.concepts.index.isin(found.candidates.index)
        one = found.count(np.arange(len(probe))[None])
        np.testing.assert_array_equal(one.intersection[0], whole.intersection[:, kept])
        np.testing.assert_array_equal(one.predicted[0], whole.predicted[:, kept])
        np.testing.assert_array_equal(one.annotated[0, 0], whole.annotated[kept])


def test_whole_numbers_that_do_not_fit_two_bytes_are_counted(world, monkeypatch):
    """Where a label can occur more often than 65,535 times in an image, or 2^31 times in all, larger types count."""
    probe, layers = world
    everything, permutations = family(layers["1"], probe), np.arange(len(probe))[None]
    small = everything.count(permutations)
    maps, map_ptr, *rest = everything.labels
    padded = np.pad(np.asarray(maps), ((0, 0), (0, (1 << 27) // len(probe))))  # unlabelled pixels that no mask covers
    large = replace(everything, labels=(padded[:, : 1 << 17], map_ptr, *rest)).count(permutations)
    np.testing.assert_array_equal(small.intersection, large.intersection)
    assert small.intersection.dtype == np.int32


def test_a_deal_stays_within_its_groups_and_gives_no_image_two():
    groups = np.array([2, 0, 0, -1, 2, 0, 2, -1, 0])
    seen = {tuple(chance.permutation(groups, number, 5)) for number in range(50)}
    assert len(seen) > 20  # of 4! x 3! = 144
    for order in map(np.array, seen):
        assert sorted(order) == list(range(9))
        np.testing.assert_array_equal(groups[order], groups)
        assert order[3] == 3 and order[7] == 7
    assert (
        tuple(chance.permutation(groups, 3, 5))
        == tuple(chance.permutation(groups, 3, 5))
        != tuple(chance.permutation(groups, 3, 6))
    )


@pytest.mark.parametrize("among", list(chance.AMONG))
def test_the_highest_iou_by_chance_equals_loops_over_pixels(world, among):
    probe, layers = world
    layer, primary = layers["1"], np.array(probe.concepts["category"])
    everything, truth = family(layer, probe), annotated(probe)
    masks = predicted(probe, layer, "netdissect")
    found = chance.highest(everything, among=among, permutations=12, seed=3)
    assert found.shape == (12, layer.n_filters, len(everything.categories))
    for d in (0, 11):
        for c, category in enumerate(everything.categories):
            own = primary == category
            shows = truth[:, own].any((1, 2, 3))
            order = chance.permutation(np.where(shows | (among == "any"), 0, -1), d, 3)
            iou, *_ = oracles.dissection_counts(masks[order], truth[:, own], primary[own].tolist())
            np.testing.assert_allclose(found[d, :, c], iou.max(1), rtol=1e-6)


def test_sources_are_the_first_folders():
    class Listed:
        images = ("ade/a.jpg", "dtd/x/b.jpg", "ade/x/c.jpg", "alone.jpg")

    assert len(set(chance.sources(Listed).tolist())) == 3  # pyright: ignore[reportArgumentType]
    assert chance.sources(Listed)[0] == chance.sources(Listed)[2]  # pyright: ignore[reportArgumentType]


def test_halves_are_named_and_scored_as_loops_over_their_images_do(world):
    probe, layers = world
    layer, primary = layers["1"], probe.concepts["category"].tolist()
    found, truth = held_out.halves(family(layer, probe), splits=2, seed=4), annotated(probe)
    masks, order = predicted(probe, layer, "netdissect"), np.random.default_rng(4).permutation(held_out.GROUPS)
    group = np.arange(len(probe)) % held_out.GROUPS
    here, there = (np.isin(group, half) for half in (order[:20], order[20:]))
    ious = [oracles.dissection_counts(masks[half], truth[half], primary)[0] for half in (here, there)]
    for (one, other), rows in zip(
        (ious, ious[::-1]), (found.iloc[: layer.n_filters], found.iloc[layer.n_filters :]), strict=False
    ):
        for k, row in enumerate(rows.to_dict("records")[: layer.n_filters]):
            best, *_, second = one[k].argmax(), *sorted(one[k])[:-1]
            assert row["concept"] == probe.concepts.index[best] and row["filter"] == k
            assert row["iou"] == pytest.approx(one[k, best])
            assert row["margin"] == pytest.approx(one[k, best] - second)
            assert row["held_out"] == pytest.approx(other[k, best])
            assert row["again"] == (best == other[k].argmax())


def test_an_interval_holds_the_iou_of_images_drawn_again(world):
    probe, layers = world
    everything = family(layers["1"], probe)
    chosen = np.arange(layers["1"].n_filters) % 4
    low, high = held_out.intervals(everything, chosen, draws=400)
    iou = everything.count(np.arange(len(probe))[None]).iou[0][np.arange(len(chosen)), chosen]
    assert (low <= iou).all() and (iou <= high).all() and (low < high).any()


def test_p_counts_the_deals_that_reach_the_value_and_the_truth_as_one_more():
    by_chance = np.array([[0.1, 0.5], [0.2, 0.4], [0.3, 0.6]], np.float32)
    np.testing.assert_allclose(chance.p_values(np.array([0.2, 0.7]), by_chance), [3 / 4, 1 / 4])


def test_adjusted_p_is_the_step_up_rule():
    p = np.array([0.001, 0.04, 0.03, 0.2, 0.008])
    ranked = np.argsort(p)
    expected = np.zeros(5)
    for place, at in enumerate(ranked):
        expected[at] = min(p[other] * 5 / (k + 1) for k, other in enumerate(ranked) if k >= place)
    np.testing.assert_allclose(chance.adjusted(p), expected)


@pytest.mark.parametrize(("filters", "permutations"), [(128, 200), (512, 200), (30, 99), (5, 200)])
def test_fewer_names_than_needed_cannot_be_sure(filters, permutations):
    least = chance.needed(filters, permutations)
    p = np.ones(filters)
    p[:least] = 1 / (permutations + 1)
    assert chance.adjusted(p).min() <= 0.05
    p[least - 1] = 1
    assert chance.adjusted(p).min() > 0.05


def test_false_rates_and_thresholds_are_counted_by_category():
    by_chance = np.zeros((10, 10, 2), np.float32)
    by_chance[..., 0] = np.linspace(0, 0.099, 100).reshape(10, 10)
    found = chance.false_rates(by_chance, ["color", "object"], 0.0495).set_index("category")
    assert found.loc["color", "false_rate"] == pytest.approx(0.5)
    assert found.loc["object", "false_rate"] == 0
    threshold = found.loc["color", "threshold"]
    assert (by_chance[..., 0] > threshold).mean() == pytest.approx(0.05)
    assert found.loc["any", "threshold"] == threshold


def test_names_that_chance_made_are_cleared_at_the_stated_rate(world):
    """The annotations of the whole set are dealt once, and that is called the truth: every name is then chance's."""
    probe, layers = world
    convicted = tried = 0
    for layer in layers.values():
        everything = family(layer, probe)
        by_chance = chance.highest(everything, among="any", permutations=99, seed=1).max(-1)
        orders = np.stack([chance.permutation(np.zeros(len(probe), int), number, 2) for number in range(100)])
        untrue = everything.count(orders).iou.max(-1)[:, layer.realised > 0]
        p = np.array([chance.p_values(each, by_chance[:, layer.realised > 0]) for each in untrue])
        convicted, tried = convicted + (p <= 0.1).sum(), tried + p.size
    assert tried == 1000  # 10 filters that fire
    assert 0.05 < convicted / tried < 0.15


def test_planted_names_are_convicted_and_filters_without_one_are_cleared(blocks):  # noqa: F811
    _, plan, spelled, _, layers = blocks
    found = names.how_sure(layers[0], spelled, among="any", permutations=99).set_index("filter")
    own = {int(np.flatnonzero(plan.answers[row])[0]): number for row, number in enumerate(plan.concepts.index)
           if plan.concepts.loc[number, "plant"] == "one filter"}  # fmt: skip
    for k, number in own.items():
        row = found.loc[k]
        assert row["concept"] == number and row["sure"] and row["p"] == 0.01 and row["again"] == 1
        assert row["low"] <= row["dissection_iou"] <= row["high"]
        assert row["effect"] == pytest.approx(row["dissection_iou"] - row["chance"]) and row["effect"] > 0.3
    idle = found.loc[~plan.answers.any(0)]
    assert len(idle) == plan.idle and not idle["sure"].any() and (idle["p"] == 1).all() and (idle["name"] == "").all()


def test_layers_come_again_as_their_detectors_do(world):
    probe, layers = world
    found = names.come_again(layers, probe, 0.02).set_index("label")
    for label, layer in layers.items():
        rows = names.how_sure(layer, probe, permutations=1)
        detectors = rows.loc[rows["dissection_iou"] > 0.02]
        assert found.loc[label, "detectors"] == len(detectors) > 0
        assert found.loc[label, "again"] == pytest.approx(detectors["again"].mean())
    nothing = names.come_again(layers, probe, 1.0)
    assert (nothing["detectors"] == 0).all() and nothing["again"].isna().all()


def test_survivors_count_each_test_and_both():
    rows = [("object", 3, 1.0, 0.01), ("object", 3, 0.2, 0.01), ("object", 4, 0.9, 0.3), ("part", 5, 1.0, 0.01)]
    named = pd.DataFrame(rows, columns=["category", "concept", "again", "q"])
    named = named.assign(
        filter=range(4), dissection_iou=[0.1, 0.1, 0.1, 0.01], sure=(named["again"] > 0.5) & (named["q"] <= 0.05)
    )
    found = names.survivors(named, 0.04).to_dict("records")
    counts = {"detectors": 3, "again": 2, "above_chance": 2, "sure": 1, "concepts": 2, "concepts_sure": 1}
    assert found == [{"category": "object", **counts}]


def test_between_trainings_counts_the_concepts_that_both_detect():
    one = pd.DataFrame({"concept": [1, 2, 2, 3], "dissection_iou": [0.1, 0.1, 0.2, 0.01]})
    other = pd.DataFrame({"concept": [2, 4, 5], "dissection_iou": [0.1, 0.1, 0.1]})
    found = names.between_trainings({"a": one, "b": other}, 0.04).set_index(["one", "other"])
    assert found.loc[("a", "b"), "again"] == 1 / 2 and found.loc[("b", "a"), "again"] == pytest.approx(1 / 3)


def test_chance_is_kept_and_continues_after_an_interruption(tmp_path, monkeypatch):
    probe, layers = measure(tmp_path)
    everything, done = family(layers["1"], probe), []
    together = [(everything, np.zeros(len(probe), np.int64))]
    whole = chance._highest(together, everything.categories, 9, range(100))["highest"]
    counted = type(everything).count

    def breaking(self, permutations):
        if len(done) == 4:
            raise KeyboardInterrupt
        done.append(1)
        return counted(self, permutations)

    monkeypatch.setattr(type(everything), "count", breaking)
    with pytest.raises(KeyboardInterrupt):
        chance.highest(everything, among="any", permutations=100, seed=9)
    done.clear()
    np.testing.assert_array_equal(chance.highest(everything, among="any", permutations=100, seed=9), whole)
    assert len(done) == 1  # of five: four were kept


@pytest.mark.parametrize(("option", "said"), [({"among": "categori"}, "category"), ({"permutations": 0}, "at least 1")])
def test_a_wrong_option_is_one_clear_error(world, option, said):
    probe, layers = world
    with pytest.raises(BadInput, match=said):
        chance.highest(family(layers["1"], probe), **option)


def test_deals_within_sources_keep_to_them(tmp_path):
    def two_sources():
        for i, scene in enumerate(scenes(40)):
            yield replace(scene, name=f"{'ab'[i % 2]}/{i:03}.png")

    write(tmp_path / "probe", two_sources(), NAMES)
    probe, store = load_probe(str(tmp_path / "probe")), Store(str(tmp_path / "store"))
    layer = read_layers(network(), ["1"], probe, tau=TAU, device="cpu", store=store)["1"]
    found = [chance.highest(family(layer, probe), among=among, permutations=5) for among in ("category", "source")]
    assert (found[0] != found[1]).any()


def test_average_precision_is_scikit_learns_also_with_ties():
    rng = np.random.default_rng(0)
    values, held = rng.integers(0, 5, 60).astype(np.float32), rng.random((60, 4)) < 0.3
    found = sanity.average_precision(values, held)
    np.testing.assert_allclose(found, [average_precision_score(held[:, c], values) for c in range(4)])


def test_scores_are_the_measures_of_pixels_one_by_one(world):
    probe, layers = world
    layer, truth = layers["1"], annotated(probe)
    everything, masks = family(layer, probe), predicted(probe, layers["1"], "netdissect")
    held = np.asarray(truth.any((2, 3)))
    found = sanity.scores(everything, held, *sanity._both(everything.count(np.arange(len(probe))[None])))
    for k, c in [(0, 0), (1, 4), (3, 9)]:
        mine, theirs = masks[:, k].ravel(), truth[:, c].ravel()
        assert found["IoU"][k, c] == pytest.approx((mine & theirs).sum() / (mine | theirs).sum())
        assert found["F1"][k, c] == pytest.approx(f1_score(theirs, mine))
        assert found["correlation"][k, c] == pytest.approx(np.corrcoef(mine, theirs)[0, 1])
        assert found["cosine"][k, c] == pytest.approx(mine @ theirs.astype(int) / np.sqrt(mine.sum() * theirs.sum()))
        assert found["balanced accuracy"][k, c] == pytest.approx(balanced_accuracy_score(theirs, mine))
        shown = truth[:, c].any((1, 2))
        both, either = masks[shown, k] & truth[shown, c], masks[shown, k] | truth[shown, c]
        assert found["set IoU"][k, c] == pytest.approx(both.sum() / either.sum())
    np.testing.assert_allclose(found["dissection IoU"], dissection.dissection_iou(layer, probe))
    chosen = sanity.names_by_measure(everything)["dissection IoU"]
    np.testing.assert_array_equal(chosen, dissection.filters(layer, probe)["concept"])


def test_missing_and_extra_labels_are_noticed_as_known(blocks):  # noqa: F811
    """A planted filter answers wherever its concept is: recall and set IoU, which look only at annotated images, cannot
    see that half of them are missing, and precision cannot see one too many where the filter does not answer."""
    _, _, spelled, _, layers = blocks
    found = sanity.sanity(family(layers[0], spelled)).set_index("measure")
    both = found.loc[["IoU", "F1", "cosine", "correlation", "dissection IoU"]]
    assert (both[["notices_missing", "notices_extra"]] > 0.9).to_numpy().all()
    assert both[["missing", "extra"]].stack().between(0.3, 0.9).all()
    blind = found.loc[["recall", "set IoU"]]
    np.testing.assert_allclose(blind["missing"], 1, atol=0.05)
    assert bool((blind["notices_missing"] < 0.5).all() & (blind["notices_extra"] == 1).all())
    precision = found.loc["precision"]
    assert precision["notices_missing"] == 1 and precision["notices_extra"] == 0
    assert precision["missing"] == pytest.approx(0.5, abs=0.05)


def test_without_names_no_measure_notices_anything(blocks, monkeypatch):  # noqa: F811
    _, _, spelled, _, layers = blocks
    monkeypatch.setattr(sanity, "iou_of_counts", lambda intersection, *_: np.zeros(intersection.shape))
    found = sanity.sanity(family(layers[0], spelled)).set_index("measure")
    assert list(found) == ["missing", "extra", "notices_missing", "notices_extra"] and found.isna().all(axis=None)
