"""What explanations account for: sums over atoms against slow loops over pixels, ceilings and floors by hand."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array

from n2vlib.activations.layer import read_layers
from n2vlib.compositional import explain
from n2vlib.compositional.formula import parse
from n2vlib.errors import BadInput
from n2vlib.networks.load import load_network
from n2vlib.probe import load_probe
from n2vlib.store import Store
from n2vlib.words import behaviour, grice, shares
from n2vlib.words import phrases as language_of

IMAGES, PIXELS, ATOMS, UNITS = 12, 9, 5, 4


@pytest.fixture(scope="module")
def pixels():
    """Images of a few pixels: the atom of each, (image, pixel), and where units fire, (unit, image, pixel)."""
    rng = np.random.default_rng(3)
    atom, fires = rng.integers(0, ATOMS, (IMAGES, PIXELS)), rng.random((UNITS, IMAGES, PIXELS)) < 0.3
    fires[0] |= atom == 2  # unit 0 likes atom 2
    return atom, fires


@pytest.fixture(scope="module")
def done(pixels) -> behaviour.Behaviour:
    atom, fires = pixels
    half = behaviour.halves(IMAGES, 0)
    sizes = np.array([[(atom[half == h] == a).sum() for a in range(ATOMS)] for h in (0, 1)])
    fired = np.array(
        [[[(f[half == h] & (atom[half == h] == a)).sum() for a in range(ATOMS)] for f in fires] for h in (0, 1)]
    )
    by_image = csr_array(np.array([[(row == a).mean() for a in range(ATOMS)] for row in atom]))
    activation = fires.mean(2).T + np.random.default_rng(0).normal(0, 0.05, (IMAGES, UNITS))
    return behaviour.Behaviour(fired, sizes, by_image, activation, half)


def slow(pixels, done, scores, mask):
    """The same measures of one unit with every pixel and image at hand, by numpy's own least squares."""
    atom, fires = pixels
    rows = []
    for unit in range(UNITS):
        x, y = scores[unit][atom], fires[unit].astype(float)
        made, held = done.half == 0, done.half == 1
        slope, start = np.polyfit(x[made].ravel(), y[made].ravel(), 1) if x[made].std() else (0, y[made].mean())
        error = ((y[held] - slope * x[held] - start) ** 2).sum()
        holds, on = mask[unit][atom][held], fires[unit][held]
        both = (holds & on).sum()
        x, y_image = x.mean(1), done.activation[:, unit]
        line = np.polyfit(x[made], y_image[made], 1) if x[made].std() else (0, y_image[made].mean())
        left = ((y_image[held] - np.polyval(line, x[held])) ** 2).sum()
        rows.append({
            "iou": both / (holds | on).sum(), "precision": both / holds.sum() if holds.sum() else 0.0,
            "recall": both / on.sum(), "mask": 1 - error / ((y[held] - y[held].mean()) ** 2).sum(),
            "image": 1 - left / ((y_image[held] - y_image[held].mean()) ** 2).sum(),
            "r": np.corrcoef(x[held], y_image[held])[0, 1] if x[held].std() else 0.0,
        })  # fmt: skip
    return pd.DataFrame(rows)


def test_sums_over_atoms_are_what_loops_over_pixels_give(pixels, done):
    truth = np.random.default_rng(1).random((UNITS, ATOMS)) < 0.5
    truth[3] = False  # a name that holds nowhere
    found = shares.accounted(done, truth)
    assert list(found) == list(shares.MEASURES)
    pd.testing.assert_frame_equal(found, slow(pixels, done, truth, truth), check_names=False)


def test_scores_that_are_numbers_have_the_mask_of_the_largest_iou_on_the_first_half(pixels, done):
    scores = np.random.default_rng(2).integers(0, 4, (UNITS, ATOMS)).astype(float)
    masks = []
    for unit in range(UNITS):
        fired, sizes = done.fired[0][unit], done.sizes[0]
        tried = [scores[unit] >= level for level in sorted(set(scores[unit]), reverse=True)]
        iou = [fired[each].sum() / (fired.sum() + sizes[each].sum() - fired[each].sum()) for each in tried]
        masks.append(tried[int(np.argmax(iou))])
    found = shares.accounted(done, scores)
    pd.testing.assert_frame_equal(found, slow(pixels, done, scores, np.array(masks)), check_names=False)


def test_the_truth_about_a_unit_accounts_for_all_of_it():
    fired = np.array([[[5, 0, 0]], [[7, 0, 0]]])
    sizes, area = np.array([[5, 5, 10], [7, 3, 10]]), csr_array(np.eye(4, 3) * 0.9 + 0.1 / 3)
    done = behaviour.Behaviour(fired, sizes, area, area.toarray()[:, [0]] * 3 + 1, np.array([0, 0, 1, 1]))
    found = shares.accounted(done, np.array([[True, False, False]])).loc[0]
    assert found[["iou", "precision", "recall", "mask"]].tolist() == pytest.approx([1, 1, 1, 1])
    nothing = shares.accounted(done, np.array([[False, False, False]])).loc[0]
    assert nothing["iou"] == 0 and abs(nothing["mask"]) < 0.05


def test_a_unit_that_is_silent_on_the_second_half_is_left_out_of_the_table(done):
    fired = done.fired.copy()
    fired[1, 2] = 0
    quiet = behaviour.Behaviour(fired, done.sizes, done.by_image, done.activation, done.half)
    found = shares.accounted(quiet, np.ones((UNITS, ATOMS), bool))
    assert np.isnan(found.loc[2, ["iou", "mask"]].to_numpy(float)).all()
    assert set(shares.table({"a": found})["filter"]) == {0, 1, 3}


def test_the_linear_ceiling_is_ridge_regression_of_every_pixel(pixels, done):
    from sklearn.linear_model import Ridge

    atom, fires = pixels
    members = csr_array(np.random.default_rng(5).random((3, ATOMS)) < 0.5)
    found = shares.linear(done, members)
    x = members.toarray().astype(float)[:, atom[done.half == 0]].reshape(3, -1).T
    for unit in range(UNITS):
        y = fires[unit][done.half == 0].ravel().astype(float)
        deviation = x.std(0)
        model = Ridge(alpha=shares.PENALTY * len(y)).fit((x - x.mean(0)) / deviation, y)
        weights = model.coef_ / deviation
        assert np.allclose(found[unit], weights @ members.toarray())


def test_joined_explanations_are_least_squares_of_both(pixels, done):
    atom, fires = pixels
    rng = np.random.default_rng(7)
    one, other = rng.random((2, UNITS, ATOMS)) < 0.5
    found = shares.joined(done, [one, other])
    made = done.half == 0
    for unit in range(UNITS):
        x = np.stack([each[unit][atom[made]].ravel() for each in (one, other)], 1).astype(float)
        y = fires[unit][made].ravel() - fires[unit][made].mean()
        best = np.linalg.lstsq(x - x.mean(0), y, rcond=None)[0]
        assert np.allclose(found[unit], best @ np.stack([one[unit], other[unit]]).astype(float))
    of_one, alone = (shares.accounted(done, each)[["mask", "image"]] for each in (shares.joined(done, [one]), one))
    assert np.allclose(of_one, alone)


def test_combinations_are_rates_drawn_towards_the_overall_rate(done):
    found = shares.combinations(done, 0.0)
    assert np.allclose(found, done.fired[0] / done.sizes[0])
    flat = shares.combinations(done, 1e12)
    assert np.allclose(flat, done.fired[0].sum(1, keepdims=True) / done.sizes[0].sum(), rtol=1e-6)


def test_no_filter_keeps_its_own_explanation_when_they_are_dealt(done, monkeypatch):
    dealt = []
    monkeypatch.setattr(
        shares, "accounted", lambda done, scores: dealt.append(scores[:, 0]) or pd.DataFrame([[0.0] * 6])
    )
    shares.dealt(done, np.arange(UNITS)[:, None], 0, deals=30)
    assert all((each != np.arange(UNITS)).all() and sorted(each) == list(range(UNITS)) for each in dealt)
    assert len({tuple(each) for each in dealt}) > 2
    one = behaviour.Behaviour(done.fired[:, :1], done.sizes, done.by_image, done.activation[:, :1], done.half)
    with pytest.raises(BadInput, match="one filter only"):
        shares.dealt(one, np.zeros((1, ATOMS)), 0)


def test_means_and_differences_have_intervals_over_filters():
    shown = pd.DataFrame(
        {"explanation": ["a"] * 4 + ["b"] * 4, "filter": [0, 1, 2, 3] * 2, "iou": [1, 1, 1, 1, 0, 0.5, 0, 0.5]}
    )
    found = shares.means(shown, "iou").set_index("explanation")
    assert found.loc["a"].tolist() == [1, 1, 1] and found.loc["b", "low"] < 0.25 < found.loc["b", "high"]
    mean, low, high = shares.more(shown, "a", "b", "iou")
    assert mean == 0.75 and 0.5 <= low < mean < high <= 1


def test_sets_of_explanations_gain_over_one_of_them(done):
    rng = np.random.default_rng(8)
    one, other = rng.random((2, UNITS, ATOMS)) < 0.5
    joint = shares.together(done, {"one": [one], "both": [one, other]})
    (row,) = shares.gains(joint, "one", ["mask"]).to_dict("records")
    wide = joint.pivot(index="filter", columns="explanation", values="mask")
    assert row["with"] == "both, mask" and row["difference"] == pytest.approx((wide["both"] - wide["one"]).mean())
    assert row["low"] <= row["difference"] <= row["high"]


def test_halves_are_equal_drawn_once_and_need_images():
    half = behaviour.halves(11, 4)
    assert np.bincount(half).tolist() == [6, 5] and np.array_equal(half, behaviour.halves(11, 4))
    assert not np.array_equal(half, behaviour.halves(11, 5))
    with pytest.raises(BadInput, match="four at least"):
        behaviour.halves(3, 0)


# -- on a probe set


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    probe, store = load_probe("world-800").subset(np.arange(80)), Store(str(tmp_path_factory.mktemp("store")))
    network = load_network("small-alexnet", None, None, 0)
    return explain.Filters(read_layers(network, ["conv5"], probe, tau=0.02, store=store)["conv5"], probe, ())


@pytest.fixture(scope="module")
def half(measured):
    return behaviour.halves(len(measured.probe), 0)


def test_phrases_hold_on_the_atoms_where_their_pixels_hold(measured):
    """Without a color beside a noun, which `holds` reads by regions."""
    language, probe = language_of.language(measured.probe), measured.probe
    texts = [
        "a car",
        "anything that is a vehicle",
        "a wheel of a car",
        "anything red",
        "a picture of a street",
        "anything",
    ]
    texts += ["sky or grass", "a quokka"]
    holds = behaviour.of_phrases(measured.atoms, language, texts)
    for image in range(20):
        for text, mask in zip(texts[:-1], holds, strict=False):
            seen = mask[measured.atoms.of[image]].reshape(probe.label_size)
            assert np.array_equal(seen, language.holds(text, probe, image)), text
    assert not behaviour.of_phrases(measured.atoms, language, ["a writing"])[0].any()  # a word that no label has
    assert not holds[-1].any() and not behaviour.judged(language, "a quokka") and not behaviour.judged(language, " ")
    red = behaviour.of_phrases(measured.atoms, language, ["a red car"])[0]
    both = measured.atoms.concepts["name"].isin(["car", "red-c"]).to_numpy()
    assert np.array_equal(red, measured.atoms.members[np.flatnonzero(both)].sum(0) == 2)


def test_behaviour_at_places_is_that_of_the_masks(measured, half):
    done, by_atom = behaviour.places(measured, half), behaviour.behaviour(measured, half)
    assert np.array_equal(done.fired.sum(2), by_atom.fired.sum(2))
    masks, expected = measured.masks, np.zeros_like(done.fired)
    for image in range(len(half)):
        for m in range(masks.ptr[image], masks.ptr[image + 1]):
            for start, stop in masks.runs[masks.run_ptr[m] : masks.run_ptr[m + 1]]:
                expected[half[image], masks.filters[m], start:stop] += 1
    assert np.array_equal(done.fired, expected)
    found = shares.accounted(done, shares.combinations(done, 10.0))
    assert set(found["r"].dropna()) == {0} and max(found["image"].dropna().tolist()) <= 1e-9


def test_areas_are_shares_of_each_image(measured):
    found = behaviour.areas(measured.atoms).toarray()
    assert np.allclose(found.sum(1), 1)
    own = measured.atoms.of[7]
    assert np.allclose(found[7], np.bincount(own, minlength=measured.atoms.n_atoms) / len(own))


def test_formulas_and_labels_beat_those_of_other_filters(measured, half):
    done, counts = behaviour.behaviour(measured, half), measured.halves(half)[0]
    best = {n: behaviour.of_formulas(counts, behaviour.best(counts, n)) for n in (1, 3)}
    found = {n: np.mean(shares.accounted(done, each)["iou"].to_numpy()) for n, each in best.items()}
    floor = np.mean(shares.dealt(done, best[3], 0)["iou"].to_numpy())
    assert found[3] > 2 * floor and found[1] > 2 * floor
    assert not behaviour.of_formulas(counts, [None, parse("sky")])[0].any()


# -- Grice


def test_shorter_parts_leave_out_one_concept_after_the_other(measured):
    language = language_of.language(measured.probe)
    parts = [grice.spelled(each) for each in grice.shorter(language.parse("a red car or a bus"))]
    assert set(parts[:3]) == {"red car", "red or bus", "bus or car"} and parts[-1] == "anything"
    assert set(parts[3:]) == {"bus", "car", "red", "anything"}
    assert grice.shorter(grice.ANYTHING) == []
    many = "sky or grass or car or bus or dog or cat or road or sea or sand"
    assert len(grice.shorter(language.parse(many))) == grice.MOST


def test_a_word_too_many_gains_nothing_and_one_that_is_needed_does(measured, half):
    """A unit that fires on cars: `car` is relevant, `car or lamp` has a word too many, `anything` is true and empty."""
    language, atoms = language_of.language(measured.probe), measured.atoms
    plain = behaviour.behaviour(measured, half)
    car = behaviour.of_phrases(atoms, language, ["car"])[0]
    fired = np.repeat((plain.sizes * car)[:, None], 4, axis=1)
    done = behaviour.Behaviour(fired, plain.sizes, plain.by_image, plain.activation[:, :4], plain.half)
    found = grice.scores(done, atoms, language, ["a car", "a car or a sky", "anything", "a quokka"])
    assert found["words"].tolist() == [2, 5, 1, 2]
    assert found["true"].tolist()[:3] == [1, 1, 1] and found["times"].tolist()[2] == pytest.approx(1)
    assert found.loc[0, "gain"] > 0.5 and found.loc[0, "shorter"] == "anything" and found.loc[0, "iou"] == 1
    assert found.loc[1, "gain"] < 0 and found.loc[1, "shorter"] == "car"
    assert found.loc[2, "shorter"] == "" and found.loc[2, "gain"] == 0 < found.loc[2, "iou"]
    assert np.isnan(found.loc[3, "true"]) and found.loc[3, "shorter"] == ""


def test_forms_of_phrases():
    texts = ("jockey", "sides of cylinders", "bird legs and beaks", "high-contrast diagonals")
    forms = ["one word", "a part of something", "a list", "a modifier and a noun"]
    assert [grice.form(each) for each in texts] == forms
