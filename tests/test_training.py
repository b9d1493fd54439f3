"""Hand-written gradients against autograd, and the methods against planted answers and scikit-learn."""

from dataclasses import replace

import numpy as np
import oracles
import pytest
import torch
from measured import annotated, measure

from n2vlib.device import choose_device
from n2vlib.errors import BadInput
from n2vlib.kernels import training
from n2vlib.methods import classification, segmentation
from n2vlib.methods.alignment import largest_weights
from n2vlib.methods.segmentation import Options


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("world"))


def oracle_weights(layer, probe, name: str, options: Options, kept=1) -> np.ndarray:
    """Autograd on the same first weights and the same order of examples; `kept` is 0 for filters left out."""
    number = probe.concept(name)
    column = probe.concepts.index.get_loc(number)
    images = probe.images_with(number, "train")
    masks, fired = annotated(probe)[images, column], np.array([layer.fired_in(i) for i in images])
    preset = segmentation.PRESETS[options.preset]
    weights, plan = segmentation.start(layer, len(images), number, options)
    batches = [order[a : a + preset.batch] for order in plan for a in range(0, len(order), preset.batch)]
    rate = options.rate * (113 * 113 / np.prod(probe.label_size) if preset.scaled else 1)
    return oracles.train_segmentation(
        fired * np.reshape(kept, (1, -1, 1, 1)), masks, kept * weights, batches,
        alpha=oracles.balance(masks), loss=options.loss, rate=rate, momentum=options.momentum,
        align_corners=options.align_corners, dtype=torch.float64,
    )  # fmt: skip


@pytest.mark.parametrize("loss", ["equation 4", "log"])
@pytest.mark.parametrize("preset", ["paper", "released"])
@pytest.mark.parametrize("align_corners", [True, False])
def test_segmentation_weights_equal_autograd_after_30_epochs(world, loss, preset, align_corners):
    probe, layers = world
    options = Options(preset, loss, align_corners=align_corners)
    found = segmentation.align(layers["1"], probe, preset=preset, loss=loss, align_corners=align_corners)
    for name in ("cat", "head", "red-c", "fur"):
        expected = oracle_weights(layers["1"], probe, name, options)
        np.testing.assert_allclose(found.weights.loc[probe.concept(name)], expected, atol=2e-6)


def test_a_subset_learns_again_with_the_filters_of_largest_weight_and_leaves_the_others_at_zero(world):
    probe, layers = world
    full = segmentation.align(layers["1"], probe).weights
    found = segmentation.align(layers["1"], probe, n_filters=2)
    for name in ("cat", "red-c"):
        number = probe.concept(name)
        kept = np.abs(full.loc[number]).rank(ascending=False).to_numpy() <= 2
        expected = oracle_weights(layers["1"], probe, name, Options(n_filters=2), kept.astype(float))
        np.testing.assert_allclose(found.weights.loc[number], expected, atol=2e-6)
        assert not found.weights.loc[number][~kept].any()
    assert set(found.scores["n_filters"]) == {2}


def test_of_chosen_filters_only_what_fired_in_the_concepts_images_is_kept():
    fired = np.zeros((5, 3, 2, 2), np.bool_)  # image, filter, row, column
    fired[[0, 1, 1, 1, 2, 3, 4], [0, 0, 1, 2, 2, 2, 2], [0, 1, 0, 1, 0, 1, 1], [0, 0, 1, 1, 0, 0, 1]] = True
    image, code = np.nonzero(fired.reshape(5, 12))
    pointers = np.searchsorted(image, np.arange(6))
    chosen = np.array([True, False, True])
    ends, kept = training.fired_of(chosen, np.array([1, 3]), pointers, code.astype(np.uint32), 4)
    found = np.zeros((5, 12), np.bool_)
    found[np.repeat(np.arange(5), np.diff(ends)), kept] = True
    expected = fired & chosen[:, None, None]
    expected[[0, 2, 4]] = False
    np.testing.assert_array_equal(found.reshape(fired.shape), expected)
    assert (ends[0], ends[-1], len(kept)) == (0, 3, 3)


def test_of_equal_weights_the_lower_filters_are_kept():
    assert largest_weights(np.array([[-2.0, 1.0, 2.0, 2.0]]), 2).tolist() == [[True, False, True, False]]
    with pytest.raises(BadInput, match="n_filters = 5: the layer has 4"):
        largest_weights(np.ones((1, 4)), 5)


def test_the_combinations_set_iou_is_that_of_its_masks(world):
    probe, layers = world
    layer = layers["1"]
    found = segmentation.align(layer, probe)
    number = probe.concept("dog")
    images = probe.images_with(number, "val")
    fired = np.array([layer.fired_in(i) for i in images])
    weights = found.weights.loc[number].to_numpy().astype(np.float64)
    masks = oracles.combination_mask(fired, weights, probe.label_size, True)
    expected = oracles.set_iou(masks, annotated(probe)[images, probe.concepts.index.get_loc(number)])
    score = found.scores.query("name == 'dog' and split == 'val'")["set_iou"].item()
    assert score == pytest.approx(expected, abs=2e-3)  # float32 sums may move a pixel at the edge


def test_labels_of_whole_images_are_left_out_of_segmentation(world):
    probe, layers = world
    names = set(segmentation.align(layers["1"], probe).scores["name"])
    assert "wood" not in names  # a material only ever given to whole images: alpha = 0
    assert "town-s" not in names and {"cat", "head", "fur", "red-c"} <= names


def test_the_torch_kernel_trains_to_the_same_weights(world, monkeypatch):
    probe, layers = world
    here = segmentation.align(layers["3"], probe, epochs=5)
    monkeypatch.setattr(segmentation, "counts_on", lambda device: True)  # without a GPU, torch computes on the CPU
    on_torch = replace(layers["3"], device=choose_device("auto"), fingerprint="torch")
    there = segmentation.align(on_torch, probe, epochs=5)
    np.testing.assert_allclose(here.weights, there.weights, atol=1e-6)
    np.testing.assert_allclose(here.scores["set_iou"], there.scores["set_iou"], atol=1e-3)


def test_same_seed_same_numbers_and_another_seed_others(world):
    probe, layers = world
    first = segmentation.align(layers["3"], probe, epochs=2, seed=1).weights
    assert not np.allclose(first, segmentation.align(layers["3"], probe, epochs=2, seed=2).weights)
    again = segmentation.align(replace(layers["3"], fingerprint="again"), probe, epochs=2, seed=1).weights
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("n_filters", [None, 2])
def test_classification_weights_equal_autograd(world, n_filters):
    probe, layers = world
    layer, name = layers["1"], "cat"
    found = classification.align(layer, probe, n_filters=n_filters, epochs=8)
    number = probe.concept(name)
    truth = np.isin(np.arange(len(probe.images)), probe.images_with(number))
    full = classification.align(layer, probe, epochs=8).weights.loc[number]
    options = classification.Options(n_filters, epochs=8)
    weights, bias, samples, epoch_ptr = classification.start(layer, truth, probe.split == "train", number, options)
    kept = np.ones(layer.n_filters) if n_filters is None else np.zeros(layer.n_filters)
    kept[np.argsort(-np.abs(full))[:n_filters]] = 1
    epochs = [
        [samples[a : min(a + 64, e)] for a in range(s, e, 64)]
        for s, e in zip(epoch_ptr[:-1], epoch_ptr[1:], strict=True)
    ]
    expected, expected_bias = oracles.train_classification(
        layer.pooled, truth, weights, bias, epochs, decay_every=4, kept=kept
    )
    np.testing.assert_allclose(found.weights.loc[number], expected, atol=1e-6)
    assert found.bias.loc[number] == pytest.approx(expected_bias, abs=1e-6)


def test_learning_starts_from_uniform_weights_within_one_over_the_root_of_the_filters(world):
    _, layers = world
    layer = layers["1"]
    segmenting = [segmentation.start(layer, 0, c, Options())[0] for c in range(400)]
    nothing = np.zeros(4, np.bool_)
    classifying = [classification.start(layer, nothing, nothing, c, classification.Options()) for c in range(400)]
    for drawn in (np.array(segmenting), np.array([one[0] for one in classifying])):
        ends = drawn * np.sqrt(layer.n_filters)
        assert np.abs(ends).max() <= 1 and np.abs(ends).max() > 0.99 and abs(ends.mean()) < 0.05
        assert ends.std() == pytest.approx(1 / np.sqrt(3), rel=0.05)
    biases = np.array([one[1] for one in classifying])
    assert 0 <= biases.min() < 0.02 and 0.98 < biases.max() < 1


def test_every_epoch_sees_all_of_the_smaller_class_and_as_many_of_the_larger():
    truth, usable = np.arange(50) < 8, np.arange(50) % 5 > 0
    samples, epoch_ptr = classification.sample_plan(truth, usable, 3, np.random.default_rng(0))
    positives = np.flatnonzero(truth & usable)
    for start, stop in zip(epoch_ptr[:-1], epoch_ptr[1:], strict=True):
        epoch = samples[start:stop]
        assert sorted(epoch[truth[epoch]]) == positives.tolist()
        assert len(set(epoch)) == len(epoch) == 2 * len(positives) and usable[epoch].all()


def test_classification_nears_scikit_learns_optimum_where_it_has_converged(world):
    from sklearn.linear_model import LogisticRegression

    probe, layers = world
    layer = layers["1"]
    found = classification.align(layer, probe, features="standardised", epochs=400, rate=0.5)
    number = probe.concept("town-s")
    train = probe.split == "train"
    truth = np.isin(np.arange(len(probe.images)), probe.images_with(number))
    pooled = np.array(layer.pooled)
    features = (pooled - pooled[train].mean(0)) / pooled[train].std(0)
    best = LogisticRegression(C=1e6, class_weight="balanced", max_iter=10_000).fit(features[train], truth[train])
    ours = features @ found.weights.loc[number].to_numpy() + found.bias.loc[number]
    theirs = best.decision_function(features)
    assert np.corrcoef(ours[train], theirs[train])[0, 1] > 0.99


def test_accuracy_is_the_share_of_right_answers_on_the_balanced_set(world):
    probe, layers = world
    found = classification.align(layers["1"], probe)
    number = probe.concept("cat")
    images = classification.balanced_set(
        np.isin(np.arange(len(probe.images)), probe.images_with(number)), probe.split == "val", 0, number
    )
    answers = np.array(layers["1"].pooled)[images] @ found.weights.loc[number].to_numpy() + found.bias.loc[number] > 0
    right = answers == np.isin(images, probe.images_with(number))
    rows = found.pairs.query("concept == @number and split == 'val'")
    assert rows["image"].tolist() == images.tolist() and rows["right"].tolist() == right.tolist()
    assert found.scores.query("name == 'cat' and split == 'val'")["accuracy"].item() == right.mean()


def test_a_concept_without_validation_images_has_no_accuracy():
    truth, usable = np.array([True, True, False, False]), np.array([False, False, True, True])
    assert np.isnan(classification.balanced_accuracy(truth, truth, usable, seed=0, number=1))
