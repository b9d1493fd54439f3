"""Claims of Network Dissection: effects on planted tables whose answers are known by hand."""

from dataclasses import replace

import measured as small
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from n2vlib import claims, published
from n2vlib.analysis import concept_similarity
from n2vlib.claims import claim, detectors, dissected, training
from n2vlib.claims.claim import NETWORKS, of_concepts, of_filters, of_rotations
from n2vlib.claims.dissected import Dissected

TABLE = claims.table("netdissect").set_index("id")
KINDS = {1: "color", 2: "texture", 3: "object", 4: "object", 5: "part", 6: "scene"}
COLUMNS = ["label", "network", "filter", "concept", "name", "category", "dissection_iou", "detector"]


def group(**layers: str) -> pd.DataFrame:
    """Layers as words: a digit for the concept that a filter detects, a letter a to f where it is no detector."""
    rows = [
        (
            label.replace("_", " "),
            f"small-alexnet-{label.replace('_', '-')}",
            k,
            c,
            f"concept {c}",
            KINDS[c],
            0.5 if letter.isdigit() else 0.01,
            letter.isdigit(),
        )
        for label, word in layers.items()
        for k, letter in enumerate(word)
        for c in [int(letter) if letter.isdigit() else "abcdef".index(letter) + 1]
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def told(*rows: tuple[str, str, str, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["label", "training", "task", "architecture"])


def value(measure, d: Dissected, **options) -> float:
    effect = measure(d, **options)
    assert effect.low <= effect.value <= effect.high
    return effect.value


# -- the table


def test_every_claim_has_a_measure_and_every_measure_a_claim():
    assert sorted(TABLE.index) == sorted(claims.OF_DISSECTION) and TABLE.index.is_unique
    assert set(TABLE["side"]) == {"above", "below"} and set(TABLE["unit"]) <= set(claim.UNITS)
    assert set(TABLE["decided_by"]) == {"network", ""} and (TABLE["doubt"] != "").all()
    assert set(TABLE["experiment"]) <= set(published.table("experiments")["id"])
    assert TABLE["criterion"].notna().all()
    assert set(TABLE["section"]) <= {"3.2", "3.3", "3.4", "3.6", "3.7", "3.8", "3.9", "4"}


def test_published_numbers_are_the_printed_ones():
    stated = published.table("netdissect_quantitative_claims").set_index("claim_id")["value"].astype(float)
    ours = TABLE["published"]
    assert ours["rotation-fewer"] == stated["nd_c5"] and ours["how-many-how-good"] == stated["nd_c11"]
    assert ours["rotation-head"] == pytest.approx(stated["nd_c8"] - stated["nd_c7"])
    assert [ours["keep-to-scenes"], ours["keep-to-objects"]] == [stated["nd_c24"], stated["nd_c26"]]
    evolved = stated[["nd_c28", "nd_c29", "nd_c30", "nd_c31"]].sum()
    assert ours["alike"] == pytest.approx(100 * evolved / stated["nd_c27"], abs=0.05)


def test_published_counts_are_those_of_the_release():
    rows = published.table("netdissect_cvpr_release_detectors").set_index(["category", "network_printed"])
    unique, detectors, ratio = (rows[c] for c in ("num_unique_detectors", "num_detectors", "ratio_detectors"))
    every = unique["total"]
    pairs = {
        "resnet-alexnet": ("AlexNet-Places365", "ResNet152-Places365"),
        "vgg-googlenet": ("GoogLeNet-Places365", "VGG-Places365"),
        "scenes-objects": ("AlexNet-ImageNet", "AlexNet-Places365"),
        "batch-norm": ("AlexNet-Places205-BatchNorm", "AlexNet-Places205"),
        "wider": ("AlexNet-Places365", "AlexNet-Places365-GAP"),
    }
    for name, (less, more) in pairs.items():
        assert TABLE.loc[name, "published"] == pytest.approx(100 * (1 - every[less] / every[more]), abs=0.05), name
    selves = [name for name in every.index if "-" not in name]
    best = 100 * (1 - every[selves].max() / every["AlexNet-Places365"])
    assert TABLE.loc["supervised-most", "published"] == pytest.approx(best, abs=0.06)
    filters = detectors["total"] / ratio["total"]
    rate = (100 * every / filters)[["VGG-Places365", "AlexNet-Places365", "GoogLeNet-Places365", "ResNet152-Places365"]]
    assert TABLE.loc["vgg-per-filter", "published"] == pytest.approx(rate.iloc[0] - rate.iloc[1:].max(), abs=0.05)
    shares = 100 * detectors["texture"] / detectors["total"]
    taught_by = [name for name in every.index if name.startswith("AlexNet-") and name != "AlexNet-random"]
    apart = shares[selves].mean() - shares[taught_by].mean()
    assert TABLE.loc["self-supervised-textures", "published"] == pytest.approx(apart, abs=0.05)
    assert TABLE.loc["colorization-colors", "published"] == unique["color"]["colorization"] == 0


# -- intervals


def test_leaving_out_filters_gives_the_standard_error_of_a_difference_of_means():
    rng = np.random.default_rng(3)
    one, other = (pd.DataFrame({"x": rng.normal(size=n)}) for n in (100, 200))
    found = of_filters(lambda a, b: a["x"].mean() - b["x"].mean(), [one, other])
    error = np.hypot(one["x"].std() / 10, other["x"].std() / np.sqrt(200))
    assert found.over == "filters" and found.value == pytest.approx(one["x"].mean() - other["x"].mean())
    assert found.high - found.value == pytest.approx(1.96 * error, rel=0.2)


def test_draws_without_a_number_do_not_make_the_interval_unknown():
    found = of_filters(lambda a: np.nan if a["x"].sum() < 4 else a["x"].sum(), [pd.DataFrame({"x": [1.0] * 5})])
    assert found.value == 5 and found.low == found.high == 5
    assert of_concepts(np.mean, [1.0, 3.0], over=NETWORKS).note == "2 networks"


# -- effects


def test_unique_detectors_count_concepts_and_only_detectors():
    layer = group(x="1133ab5")
    assert detectors.unique(layer) == 3 and detectors.unique(layer, "color", "part") == 2
    assert detectors.share(layer, "object") == pytest.approx(100 / 3) and detectors.fewer(1, 4) == 75
    assert np.isnan(detectors.share(group(x="abc"), "color")) and np.isnan(detectors.fewer(1, 0))


def test_a_rotation_is_compared_with_the_mean_of_the_rotations():
    d = Dissected({"rotations": group(plain="12345566", one="11abcdef", two="1233abcd")})
    assert value(detectors.rotated, d) == pytest.approx(100 * (1 - 2 / 6))
    right = np.array([[[1, 1], [1, 1], [0, 0], [1, 1]], [[1, 1], [1, 0], [0, 0], [1, 1]]], bool)
    effect = detectors.rotated_head(replace(d, right=right))
    assert effect is not None and effect.value == pytest.approx(-12.5) and effect.over == "images and rotations"
    effect = detectors.rotated_head(replace(d, right=right[1:]))
    assert effect is not None and effect.value == pytest.approx(-25) and effect.over == "images"
    assert detectors.rotated_head(d) is None


def test_rotations_that_differ_widen_the_interval_and_directions_are_counted_once():
    plain = "".join(str(k % 6 + 1) for k in range(60))
    alike, apart = ["1234" * 15] * 5, ["1" * 60, "12" * 30, "123" * 20, "1234" * 15, "12345" * 12]
    layers = [group(plain=plain, **dict(zip("vwxyz", words, strict=True))) for words in (alike, apart)]
    same, differ = (detectors.rotated(Dissected({"rotations": each})) for each in layers)
    assert same is not None and differ is not None
    assert list(same[:3]) == pytest.approx([100 / 3] * 3)  # no filter decides, no rotation differs
    each = [100 * (1 - n / 6) for n in range(1, 6)]
    low, high = stats.t.interval(0.95, 4, np.mean(each), stats.sem(each))
    assert differ.over == "filters and rotations" and [differ.low, differ.high] == pytest.approx([low, high])
    once = detectors.rotated(Dissected({"rotations": group(plain=plain, one="123" * 20)}))
    assert once is not None and once.over == "filters"


@pytest.mark.parametrize("between, within", [(3, 1), (1, 3), (0, 3)])
def test_an_interval_over_images_and_rotations_holds_the_mean_as_often_as_it_says(between, within):
    """Rotations, images, and single images in single rotations each add chance of their own; the mean is 0."""
    rng, inside = np.random.default_rng(0), []
    for _ in range(400):
        gaps = between * rng.normal(size=(5, 1)) + 10 * rng.normal(size=200) + 10 * within * rng.normal(size=(5, 200))
        effect = of_rotations(of_concepts(np.mean, gaps.mean(axis=0), over=claim.IMAGES), gaps)
        inside.append(effect.low <= 0 <= effect.high)
    assert 0.92 <= np.mean(inside) <= 0.985


def test_kinds_and_numbers_by_depth():
    d = Dissected({"own layers": group(low="1122abcd", middle="11111111", high="13456abc")})
    assert value(detectors.by_depth, d, categories=detectors.LOW, rising=False) == pytest.approx(100 - 20)
    assert value(detectors.by_depth, d, categories=detectors.HIGH, rising=True) == pytest.approx(80)
    assert value(detectors.deeper_more, d) == pytest.approx(100 * (1 - 2 / 5))


ENDS = told(
    ("mine", "supervised", "both", "alexnet"),
    ("scenic", "supervised", "scenes", "alexnet"),
    ("things", "supervised", "objects", "alexnet"),
    ("res", "supervised", "both", "resnet"),
    ("v", "supervised", "both", "vgg"),
    ("g", "supervised", "both", "googlenet"),
    ("grey", "self-supervised", "colorization", "alexnet"),
    ("turn", "self-supervised", "turns", "alexnet"),
)
OF_ALEXNETS = group(mine="123455", scenic="1234aa", things="33ffff", grey="2213ab", turn="22aaaa")
OF_OTHERS = group(res="12345611", v="1234", g="11345f")
HERE = Dissected({"networks": pd.concat([OF_ALEXNETS, OF_OTHERS])}, ENDS)


def test_architectures_are_compared_with_those_trained_on_the_same_task():
    assert value(detectors.architectures, HERE, less="alexnet", more="resnet") == pytest.approx(100 * (1 - 5 / 6))
    assert value(detectors.architectures, HERE, less="googlenet", more="vgg") == pytest.approx(0)
    assert value(detectors.per_filter, HERE, architecture="vgg") == pytest.approx(100 * (4 / 4 - 5 / 6))
    other = replace(HERE, networks=ENDS.assign(task=["else", *ENDS["task"][1:]]))
    assert detectors.architectures(other, less="alexnet", more="resnet") is None


def test_training_tasks_are_compared_within_one_architecture():
    assert value(detectors.training_tasks, HERE, less="objects", more="scenes") == pytest.approx(75)
    assert value(detectors.supervised_most, HERE) == pytest.approx(100 * (1 - 3 / 5))
    shares = [100 * 1 / 6, 100 / 4, 0, 100 * 2 / 4, 100]
    assert value(detectors.textures, HERE) == pytest.approx(np.mean(shares[3:]) - np.mean(shares[:3]))
    assert value(detectors.colors, HERE, task="colorization") == pytest.approx(25)


def test_networks_without_detectors_have_no_share_of_textures():
    networks = told(*(
        (name, how, name, "alexnet")
        for name, how in (("mine", "supervised"), ("a", "self-supervised"), ("b", "self-supervised"))
    ))  # fmt: skip
    d = Dissected({"networks": group(mine="1234", a="2223", b="abcd")}, networks=networks)
    assert value(detectors.textures, d) == pytest.approx(75 - 25)


def test_accuracy_is_ranked_with_unique_object_detectors():
    d = replace(HERE, accuracy=pd.Series({"mine": 0.9, "things": 0.8, "turn": 0.1, "grey": 0.85}))
    effect = detectors.accurate(d)  # 2, 1, 0 and 1 objects
    expected = pd.Series([2, 1, 0, 1]).corr(d.accuracy.reset_index(drop=True), method="spearman")
    assert effect is not None and effect.value == pytest.approx(expected) and effect.over == "networks"
    assert detectors.accurate(replace(d, accuracy=d.accuracy[:2])) is None


def test_the_size_of_a_correlation_has_an_interval_from_zero_where_its_sign_is_open():
    rows = group(mine="333344" + "a" * 4)
    more = pd.concat([rows, group(mine="55").assign(category="object", concept=[7, 8], filter=[10, 11])])
    more["dissection_iou"] = np.linspace(0.1, 0.6, len(more))
    effect = detectors.how_many_how_good(Dissected({"networks": more}))
    counts, means = [4, 2, 1, 1], more[more["detector"]].groupby("concept")["dissection_iou"].mean()
    assert effect is not None and effect.value == pytest.approx(abs(np.corrcoef(counts, means)[0, 1]))
    assert 0 <= effect.low <= effect.value <= effect.high <= 1


def test_names_at_another_threshold_are_compared_where_both_detect():
    d = Dissected({"taus": group(tight="1234ab", loose="1335a2")})
    assert value(detectors.renamed, d) == pytest.approx(50)  # of four, the second and the fourth


def test_conditions_are_compared_with_the_mean_of_the_repeats():
    layers = group(repeat_1="12234ab", repeat_2="123ab33", no_dropout="1111222", batch_norm="1abcdef")
    d = Dissected({"trainings": layers})
    assert value(training.repeats_alike, d) == pytest.approx(100 * 1 / 3.5)
    assert value(training.condition, d, name="no dropout", category="texture") == 0
    assert value(training.condition, d, name="no dropout", category="object") == pytest.approx(0 - 1.5)
    assert value(training.condition_fewer, d, name="batch norm") == pytest.approx(100 * (1 - 1 / 3.5))
    assert training.condition_fewer(d, name="something else") is None
    effect = training.repeats_alike(d)
    assert effect is not None and effect.note == "2 repeats, 3 to 4"


def test_growth_is_from_the_first_to_the_last():
    d = Dissected({"along": group(early="11223abc", between="12345612", late="12345612")})
    assert value(training.gained, d, group="along") == pytest.approx(50)
    assert value(training.gained, d, group="along", lost=True) == pytest.approx(-100)
    assert value(training.late, d) == pytest.approx(100 * (3 / 6 - 1 / 3))


def test_a_filter_keeps_its_concept_whether_or_not_it_detects():
    d = Dissected({"to scenes": group(before="12345a", after="1245fa")})
    assert value(training.kept, d, group="to scenes") == pytest.approx(50)  # the first, the second and the last
    silent = group(before="12345a", after="1245fa")
    silent.loc[silent["filter"] == 5, "dissection_iou"] = 0  # overlaps with nothing: its first concept is no name
    assert value(training.kept, Dissected({"to scenes": silent}), group="to scenes") == pytest.approx(100 * 2 / 6)


def test_changed_detectors_are_alike_where_their_concepts_are_near_in_a_kind():
    near = pd.DataFrame(0.0, index=[1, 2, 3, 4], columns=[1, 2, 3, 4])
    near.loc[1, 2] = near.loc[2, 1] = 0.95
    near = near.mask(np.eye(4, dtype=bool), 1.0)  # a concept is nearest to itself
    d = Dissected({"to scenes": group(before="1233a6", after="2141b5")}, near={"color": near, "shape": 0 * near})
    effect = training.similar(d, group="to scenes")  # 1 to 2 and 2 to 1 are; 3 to 4 and 3 to 1 are not; 6 is not known
    assert effect is not None and effect.value == pytest.approx(50) and effect.note.startswith("4 filters")


def test_by_chance_concepts_are_permuted_and_never_keep_their_place():
    before, after = np.array([1, 2, 3]), np.array([2, 3, 1])
    alone = pd.DataFrame(np.eye(3), index=[1, 2, 3], columns=[1, 2, 3])
    assert concept_similarity.if_permuted({"color": alone}, before, after) == 0
    one = alone.copy()
    one.loc[1, 2] = 1.0
    # of the six pairs of different concepts one is alike
    assert concept_similarity.if_permuted({"color": one}, before, after, draws=2000) == pytest.approx(1 / 6, abs=0.02)
    assert np.isnan(concept_similarity.if_permuted({"color": alone}, before[:1], before[:1]))


def test_the_narrow_layer_is_compared_with_the_least_of_the_wider():
    d = Dissected({"widths": group(narrow="123", wide="12345a", wider="1234ab")})
    assert value(training.wider, d) == pytest.approx(25)


# -- together


def test_what_was_not_measured_is_reported_as_such():
    for empty in (Dissected({}), Dissected({"networks": group(mine="aaaa")}, told(("mine", "random", "", "net")))):
        found = claims.check(empty)
        assert list(found["id"]) == list(TABLE.index) and set(found["holds"]) == {claims.NOT_MEASURED}


def test_claims_are_checked_and_twice_the_same():
    found = claims.check(HERE)
    pd.testing.assert_frame_equal(found, claims.check(HERE))
    known = found[found["holds"] != claims.NOT_MEASURED]
    assert len(known) >= 6 and (known["low"] <= known["high"]).all()
    assert (known.loc[known["unit"] == "fewer", "high"] <= 100).all()
    assert list(claims.check(HERE, ["vgg-googlenet"])["id"]) == ["vgg-googlenet"]


def test_layers_of_a_small_run_give_their_tables(tmp_path):
    probe, layers = small.measure(tmp_path)
    networks = told(("mine", "random", "nothing", "net"))
    d = dissected.of_layers(
        {"networks": {"mine": layers["3"]}, "own layers": layers, "widths": {}}, probe, 0.1, networks
    )
    assert set(d.names) == {"networks", "own layers"} and list(d.layers("own layers")) == ["1", "3"]
    assert len(d.layers("own layers")["3"]) == layers["3"].n_filters and d.layers("widths") == {}
    right = dissected.heads(layers["3"], {"turned": layers["3"], "again": layers["3"]}, probe, epochs=2, seed=0)
    assert right is not None and (right[..., 0] == right[..., 1]).all() and right.dtype == bool and len(right) == 2
    told_right = dissected.scene_accuracy({"mine": layers["3"]}, probe, 0.001)
    assert list(told_right.index) == ["mine"] and 0 <= told_right["mine"] <= 1
