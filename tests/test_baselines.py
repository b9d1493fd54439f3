"""Baselines beside a set IoU, against loops over pixels, scikit-learn, and planted answers."""

import dataclasses

import numpy as np
import oracles
import pandas as pd
import pytest
from measured import activations, annotated, measure
from sklearn.linear_model import LogisticRegression, Ridge

from n2vlib import tables
from n2vlib.analysis import uncertainty
from n2vlib.baselines import cells, joined, linear, places, summary, threshold
from n2vlib.baselines.aligned import trainable
from n2vlib.errors import BadInput
from n2vlib.masks.iou import taps_of
from n2vlib.methods import segmentation, single_filter
from n2vlib.store import Store


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    probe, layers = measure(tmp_path_factory.mktemp("world"))
    return probe, layers["1"], annotated(probe)


@pytest.fixture(scope="module")
def solved(world):
    probe, layer, _ = world
    return {features: linear.align(layer, probe, features=features) for features in cells.FEATURES}


def iou(predicted, marked) -> float:
    return (predicted & marked).sum() / (predicted | marked).sum()


def held(world, row: int, split: str) -> np.ndarray:
    probe, _, truth = world
    return np.flatnonzero(truth[:, row].any((1, 2)) & (probe.split == split))


def rows_of(probe) -> list[int]:
    return np.flatnonzero(trainable(probe)).tolist()


def score(found, probe, row: int, split: str) -> float:
    own = found.scores[(found.scores["concept"] == probe.concepts.index[row]) & (found.scores["split"] == split)]
    return own["set_iou"].item()


def test_everything_scores_the_share_of_the_concept_in_its_images(world):
    probe, layer, truth = world
    found = places.everything(layer, probe)
    for row in rows_of(probe):
        for split in ("train", "val"):
            assert score(found, probe, row, split) == pytest.approx(truth[held(world, row, split), row].mean())


def test_the_usual_place_is_the_best_level_of_the_mean_mask_of_training_images(world):
    probe, layer, truth = world
    found, (means, masks) = places.usual_place(layer, probe), places.mean_masks(layer.store, probe)
    for row in rows_of(probe):
        training = truth[held(world, row, "train"), row]
        mean = training.mean(0)
        np.testing.assert_allclose(means[row], mean)
        best = max(iou(np.broadcast_to(mean >= level, training.shape), training) for level in np.unique(mean))
        assert score(found, probe, row, "train") == pytest.approx(best)
        unseen = truth[held(world, row, "val"), row]
        assert score(found, probe, row, "val") == pytest.approx(iou(np.broadcast_to(masks[row], unseen.shape), unseen))


def test_the_usual_place_is_the_same_for_every_layer(world, tmp_path):
    probe, layer, _ = world
    other = dataclasses.replace(layer, name="other", fingerprint="other")
    assert places.usual_place(layer, probe).pairs.equals(places.usual_place(other, probe).pairs)


def test_the_second_filter_is_the_one_that_adds_most_on_training_images(world):
    probe, layer, truth = world
    found = joined.two_filters(layer, probe)
    fired = np.array([layer.fired_in(i) for i in range(len(probe))])
    masks = oracles.single_filter_mask(fired, probe.label_size, align_corners=True)
    for row in rows_of(probe):
        training, unseen = held(world, row, "train"), held(world, row, "val")
        marked = truth[training, row]
        first = int(np.argmax([iou(masks[training, k], marked) for k in range(layer.n_filters)]))
        both = masks[:, [first]] | masks
        second = int(np.argmax([iou(both[training, k], marked) for k in range(layer.n_filters)]))
        assert score(found, probe, row, "train") == pytest.approx(iou(both[training, second], marked))
        assert score(found, probe, row, "val") == pytest.approx(iou(both[unseen, second], truth[unseen, row]))
        assert {first, second} >= set(np.flatnonzero(found.weights.to_numpy()[rows_of(probe).index(row)]))


def test_two_filters_are_never_worse_than_one_on_training_images(world):
    probe, layer, _ = world
    one, two = (f.scores.query("split == 'train'").set_index("concept")["set_iou"] for f in (
        single_filter.align(layer, probe), joined.two_filters(layer, probe)
    ))  # fmt: skip
    assert (two >= one).all() and (two > one).any()


@pytest.mark.parametrize("align_corners", [True, False])
def test_a_cells_share_is_that_of_the_pixels_nearest_to_it(world, align_corners):
    probe, layer, truth = world
    found = cells.Annotation(layer, probe, align_corners)
    down, across = (each.matrix() for each in taps_of(layer.grid, probe.label_size, align_corners))
    for image in range(3):
        start, stop = probe.labels.pair_ptr[image : image + 2]
        pairs = np.arange(start, stop)
        shares = found.shares(image, pairs)
        for pair, own in zip(pairs, shares, strict=True):
            mask = truth[image, probe.concepts.index.get_loc(probe.labels.pair_concept[pair])]
            total, pixels = np.zeros(layer.grid), np.zeros(layer.grid)
            for y, x in np.ndindex(*probe.label_size):
                cell = down[y].argmax(), across[x].argmax()  # a pixel half-way is of the first
                total[cell] += mask[y, x]
                pixels[cell] += 1
            np.testing.assert_allclose(own.reshape(layer.grid), total / pixels, rtol=1e-6)
            np.testing.assert_array_equal(found.share(image, pair), own)


def test_raw_cells_are_the_networks_own_activations_and_their_file_is_deleted(world, tmp_path):
    probe, layer, _ = world
    truth = activations(probe, "1")
    with cells.raw(layer, tmp_path) as of:
        for image in (0, 17, len(probe) - 1):
            np.testing.assert_allclose(of(image), truth[image].reshape(layer.n_filters, -1), atol=1e-5)
    assert not list(tmp_path.iterdir())


def by_hand(world, features: str, row: int):
    """x (cell, filter) and y (cell,) of all training images that hold the concept."""
    probe, layer, truth = world
    whole = np.array([layer.fired_in(i) for i in range(len(probe))]) if features == "fired" else activations(probe, "1")
    x, y, annotation = [], [], cells.Annotation(layer, probe, True)
    pairs = probe.labels.pair_ptr
    for image in held(world, row, "train"):
        pair = pairs[image] + list(probe.labels.pair_concept[pairs[image] : pairs[image + 1]]).index(
            probe.concepts.index[row]
        )
        x.append(whole[image].reshape(layer.n_filters, -1).T.astype(float))
        y.append(annotation.shares(image, np.array([pair]))[0])
    return np.concatenate(x), np.concatenate(y).astype(float)


@pytest.mark.parametrize("features", cells.FEATURES)
def test_mean_difference_and_ridge_are_those_of_all_cells_at_once(world, solved, features):
    probe, _, _ = world
    for place, row in enumerate(rows_of(probe)):
        x, y = by_hand(world, features, row)
        weights = {solver: found.weights.to_numpy()[place] for solver, found in solved[features].items()}
        if (y == 1).all():  # a label of whole images
            assert not any(w.any() for w in weights.values())
            continue
        difference = np.average(x, axis=0, weights=y) - np.average(x, axis=0, weights=1 - y)
        np.testing.assert_allclose(weights["mean difference"], difference, rtol=1e-3, atol=1e-5)
        deviation = np.where(x.std(0) > 0, x.std(0), np.inf)
        machine = Ridge(alpha=linear.PENALTY * len(x)).fit((x - x.mean(0)) / deviation, y)
        np.testing.assert_allclose(weights["ridge"], machine.coef_ / deviation, rtol=1e-2, atol=1e-4)


def test_logistic_regression_counts_a_cell_once_for_each_part_of_it(world, solved):
    probe, layer, _ = world
    fit = linear._Fit(layer, probe, cells.fired(layer), trainable(probe), True, 0)
    x, y = fit.sample(0)
    whole_x, whole_y = by_hand(world, "fired", rows_of(probe)[0])
    assert len(x) == len(whole_x) and y.sum() == pytest.approx(whole_y.sum())  # few images: every cell is in the sample
    times = np.rint(16 * y).astype(int)
    weights = linear.logistic(x, times / 16)
    again = np.repeat(np.concatenate([x, x]), np.concatenate([times, 16 - times]), axis=0)
    deviation = np.where(x.std(0) > 0, x.std(0), np.inf)
    target = np.repeat([1, 0], [times.sum(), (16 - times).sum()])
    machine = LogisticRegression(C=1 / 16, max_iter=1000, tol=1e-6).fit((again - x.mean(0)) / deviation, target)
    np.testing.assert_allclose(weights * np.where(np.isfinite(deviation), deviation, 0), machine.coef_[0], atol=0.02)


def test_sums_in_several_passes_are_those_of_one(world, solved, monkeypatch, tmp_path):
    probe, layer, _ = world
    monkeypatch.setattr(linear, "MOST_BYTES", 8 * layer.n_filters**2 * 2)  # two concepts in a pass, an image a block
    again = linear.align(dataclasses.replace(layer, store=Store(str(tmp_path))), probe)
    for solver, found in solved["fired"].items():
        np.testing.assert_allclose(again[solver].weights, found.weights, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("features", cells.FEATURES)
def test_the_threshold_is_the_best_on_training_images_and_masks_are_counted_at_it(world, solved, features):
    probe, layer, truth = world
    whole = np.array([layer.fired_in(i) for i in range(len(probe))]) if features == "fired" else activations(probe, "1")
    everything = places.everything(layer, probe)
    for found in solved[features].values():
        for place, row in enumerate(rows_of(probe)):
            training, unseen = held(world, row, "train"), held(world, row, "val")
            summed = np.einsum("ikhw,k->ihw", whole.astype(float), found.weights.to_numpy(float)[place])
            z = oracles.upsample(summed, probe.label_size, align_corners=True)
            marked = truth[training, row]
            exact = max(iou(z[training] > level, marked) for level in np.unique(z[training])[::7])
            mine = score(found, probe, row, "train")
            assert mine >= exact - 0.01 and mine >= score(everything, probe, row, "train") - 1e-3
            level = -found.bias.iloc[place]
            for images, split in ((training, "train"), (unseen, "val")):
                by_loop = iou(z[images] > level, truth[images, row])
                assert score(found, probe, row, split) == pytest.approx(by_loop, abs=0.005)


def test_the_papers_training_gains_on_training_images_where_its_threshold_is_moved(world):
    probe, layer, _ = world
    trained = segmentation.align(layer, probe, epochs=2)
    moved = threshold.at_best_threshold(trained, layer, probe)
    before, after = (f.scores.query("split == 'train'").set_index("concept")["set_iou"] for f in (trained, moved))
    assert (after >= before - 0.005).all() and (after > before + 0.01).any()
    assert moved.weights.equals(trained.weights) and set(moved.scores["method"]) == {"combination, best threshold"}


def test_red_is_found_by_every_solver_in_the_filter_that_sees_red(tmp_path):
    from handmade import NUMBERS, build
    from test_methods import PLANTED, color_network

    from n2vlib.activations.layer import read_layers
    from n2vlib.probe import load_probe

    build(tmp_path / "probe", n_images=90)
    probe = load_probe(str(tmp_path / "probe"))
    options = {"tau": 0.3, "device": "cpu", "store": Store(str(tmp_path / "store"))}
    layer = read_layers(color_network(), ["2"], probe, **options)["2"]
    for features in cells.FEATURES:
        for found in linear.align(layer, probe, features=features).values():
            for name, k in PLANTED.items():
                assert found.scores.query("name == @name and split == 'val'")["set_iou"].item() > 0.8
                assert found.weights.loc[NUMBERS[name]].idxmax() == k


def test_every_baseline_can_be_resampled_and_put_beside_the_methods(world, solved):
    probe, layer, _ = world
    own = [*summary.untrained(layer, probe), *solved["fired"].values(), *solved["raw"].values()]
    found = [single_filter.align(layer, probe), *own]
    again = uncertainty.resample(found, probe, draws=20)
    scores = pd.concat([each.scores for each in found])
    wide = tables.side_by_side(scores, layer.name, "segmentation")
    assert len(wide) > 3 and scores["method"].nunique() == len(found)
    assert scores["set_iou"].dropna().between(0, 1).all() and np.isfinite(scores["set_iou"]).any()
    table = summary.steps(found, again)
    assert table["method"].tolist() == list(scores["method"].unique())
    assert table["difference"][1:].sum() == pytest.approx(table["mean"].iloc[-1] - table["mean"].iloc[0])
    assert (table["low"][1:] <= table["high"][1:]).all()
    by_category = summary.beside(found, probe)
    red = wide[wide["category"] == "color"]["everything"].mean()
    assert by_category.set_index("category").loc["color", "everything"] == pytest.approx(red)


def test_concepts_with_few_training_images_are_marked(world, monkeypatch):
    probe, layer, truth = world
    n = truth[probe.split == "train"].any((2, 3)).sum(0)
    monkeypatch.setattr(summary, "FEW", int(np.median(n)))
    np.testing.assert_array_equal(summary.few(probe), n < np.median(n))
    table = summary.marked(places.everything(layer, probe).scores, probe)
    assert table["name"].str.endswith(" *").any() and not table["name"].str.endswith(" *").all()


def test_unknown_features_are_refused(world):
    with pytest.raises(BadInput, match="features 'both'"):
        linear.align(world[1], world[0], features="both")
