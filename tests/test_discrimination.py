"""A linear classifier on a layer's spatial means: planted answers, and its decisions added up by hand."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from measured import probe_in
from scipy import optimize

from n2vlib.analysis import discrimination
from n2vlib.errors import BadInput


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    return probe_in(tmp_path_factory.mktemp("probe"), 80)


def layer(pooled) -> Any:
    return SimpleNamespace(pooled=np.asarray(pooled, np.float32))


def test_questions_are_the_one_scene_and_the_largest_object_of_an_image(probe):
    asked = discrimination.tasks(probe)
    assert set(asked) == {"scene", "largest object"}
    for image in (0, 1, 7):
        assert probe.annotated(int(asked["scene"][image]), image).all()
        largest = probe.annotated(int(asked["largest object"][image]), image).sum()
        assert largest == max(probe.annotated(probe.concept(name), image).sum() for name in ("cat", "dog")) > 0


def test_every_image_of_the_made_world_has_its_one_scene_and_none_a_texture(probe):
    scenes = discrimination.whole_image(probe, "scene")
    assert scenes.index.tolist() == list(range(len(probe)))
    assert set(probe.concepts.loc[scenes.unique(), "name"]) == {"field-s", "town-s"}
    assert discrimination.whole_image(probe, "texture").empty


def test_features_that_give_the_class_are_classified_right_and_noise_at_chance(probe):
    answers, rng = discrimination.tasks(probe)["scene"], np.random.default_rng(0)
    noise = rng.random((len(probe), 3))
    clear = np.column_stack([noise, answers.reindex(range(len(probe))) == answers.min()])
    assert discrimination.linear_classifier(layer(clear), probe, answers, 1.0).accuracy == 1
    assert discrimination.linear_classifier(layer(clear), probe, answers, 1.0, np.arange(3)).accuracy < 0.85


@pytest.mark.parametrize("C", [0.001, 0.01, 1.0])
def test_the_classifier_is_at_the_minimum_of_its_objective_as_another_library_finds_it(probe, C):
    answers, noise = discrimination.tasks(probe)["scene"], np.random.default_rng(2).random((len(probe), 5))
    found = discrimination.linear_classifier(layer(noise), probe, answers, C)
    truth, train = answers.to_numpy(), probe.split[answers.index] == "train"
    x = noise.astype(np.float32)[answers.index.to_numpy()].astype(float)
    x = (x - x[train].mean(0)) / x[train].std(0)
    sign = np.where(truth[train] == found.classes[1], 1.0, -1.0)

    def objective(w):
        return (w**2).sum() / 2 + C * (np.maximum(0, 1 - sign * (x[train] @ w[:-1] + w[-1])) ** 2).sum()

    best = optimize.minimize(objective, np.zeros(6), method="BFGS", options={"gtol": 1e-8}).x
    np.testing.assert_allclose(found.weights[1], best[:-1], atol=1e-3 * np.abs(best).max())


def test_contributions_rank_the_classes_and_the_planted_filter_comes_first(probe):
    answers, rng = discrimination.tasks(probe)["largest object"], np.random.default_rng(1)
    planted = (answers.reindex(range(len(probe))) == answers.max()).to_numpy(float)
    features = np.column_stack([rng.random((len(probe), 4)), planted])
    found = discrimination.linear_classifier(layer(features), probe, answers, 1.0)
    assert all(found.contributions(at).index[0] == 4 for at in range(len(found.images)))
    np.testing.assert_array_equal(found.classes[(found.features @ found.weights.T).argmax(1)], found.truth)


def test_accuracy_is_the_mean_over_classes_and_its_interval_holds_it():
    truth = np.array([1] * 8 + [2] * 2)
    said = np.array([1] * 8 + [1, 2])
    features = np.zeros((2, 1)), np.zeros((10, 1))
    found = discrimination.LinearClassifier(np.arange(10), truth, said, np.array([1, 2]), *features)
    assert found.accuracy == 0.75
    low, high = found.interval(seed=0)
    assert low < 0.75 < high <= 1


def test_a_question_needs_two_classes_and_errors_a_weight(probe, tmp_path):
    answers = pd.Series(3, index=range(10))
    with pytest.raises(BadInput, match="C = 0"):
        discrimination.linear_classifier(layer(np.ones((80, 2))), probe, answers, 0)
    with pytest.raises(BadInput, match="nothing to classify"):
        discrimination.tasks(probe_in(tmp_path, 4))
