"""Directions learned again, against loops over concepts, planted answers and sets whose halves are the same images."""

from dataclasses import replace
from itertools import chain

import numpy as np
import oracles
import pandas as pd
import pytest
from measured import NAMES, TAU, measure, network, scenes

from n2vlib.activations.layer import read_layers
from n2vlib.analysis import embeddings, rsa, stability
from n2vlib.methods import segmentation
from n2vlib.methods.alignment import unit
from n2vlib.probe import load_probe
from n2vlib.probe.broden import write
from n2vlib.store import Store


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    probe, layers = measure(tmp_path_factory.mktemp("stable"))
    return probe, layers["3"]


def space(seed: int, numbers: list[int], dimensions: int = 4) -> pd.DataFrame:
    rows = np.random.default_rng(seed).normal(size=(len(numbers), dimensions))
    return unit(pd.DataFrame(rows, index=numbers))


def test_halves_share_no_training_image_and_have_them_all(measured):
    probe, _ = measured
    training = [set(np.flatnonzero(half.split == "train")) for half in stability.halves(probe, 0)]
    assert not training[0] & training[1] and abs(len(training[0]) - len(training[1])) <= 1
    assert training[0] | training[1] == set(np.flatnonzero(probe.split == "train"))
    others = {half.fingerprint for seed in (0, 1) for half in stability.halves(probe, seed)}
    assert len(others | {probe.fingerprint}) == 5
    assert all(
        half.labels is probe.labels and set(half.split) == {"train", "val"} for half in stability.halves(probe, 0)
    )


@pytest.mark.parametrize("name", ["cat", "red-c"])
def test_a_half_learns_from_its_own_images_only(measured, name):
    """Autograd on the images of the half, which are chosen here by hand."""
    probe, layer = measured
    half, number = stability.halves(probe, 3)[0], probe.concept(name)
    own = np.random.default_rng(3).permutation(np.flatnonzero(probe.split == "train"))[::2]
    images = [i for i in sorted(own) if probe.annotated(number, i).any()]
    masks, fired = np.array([probe.annotated(number, i) for i in images]), np.array([layer.fired_in(i) for i in images])
    options = segmentation.Options(epochs=6, seed=5)
    weights, plan = segmentation.start(layer, len(images), number, options)
    rate = options.rate * 113 * 113 / np.prod(probe.label_size)
    expected = oracles.train_segmentation(fired, masks, weights, plan, alpha=oracles.balance(masks), rate=rate)
    found = segmentation.align(layer, half, epochs=6, seed=5).weights
    np.testing.assert_allclose(found.loc[number], expected, atol=2e-6)


def test_a_row_is_what_a_loop_over_concepts_finds(measured):
    probe, _ = measured
    numbers = list(probe.concepts.index)
    pairs = {"a": (space(0, numbers), space(1, numbers[::-1][2:])), "b": (space(2, numbers[:2]), space(3, numbers))}
    found = stability.by_concept(pairs, probe, n=2)
    assert set(found["comparison"]) == {"a"} and sorted(found["concept"]) == sorted(numbers[:-2])
    one, other = pairs["a"]
    for row in found.to_dict("records"):
        c, shared = row["concept"], sorted(numbers[:-2])
        across = {o: sum(x * y for x, y in zip(one.loc[c], other.loc[o], strict=True)) for o in shared}
        assert row["cosine"] == pytest.approx(across[c]) and row["nearest"] == (
            max(across, key=across.__getitem__) == c
        )
        assert any(row["two concepts"] == pytest.approx(across[o]) for o in shared if o != c)
        near = [
            sorted((o for o in shared if o != c), key=lambda o: -np.dot(each.loc[c], each.loc[o]))[:2]
            for each in (one, other)
        ]
        assert row["again"] == len(set(near[0]) & set(near[1])) / 2 and row["chance"] == 2 / (len(shared) - 1)
        assert row["images"] == len(probe.images_with(c, "train")) and row["few"] == (row["images"] < 30)


def test_the_same_space_comes_again_and_an_unrelated_one_by_chance(measured):
    probe, _ = measured
    one = space(0, list(probe.concepts.index))
    same = stability.by_concept({"same": (one, one)}, probe, n=2)
    assert same["cosine"].to_numpy() == pytest.approx(1) and same["nearest"].all() and (same["again"] == 1).all()
    apart = [stability.by_concept({"x": (one, space(k, list(one.index)))}, probe, n=2) for k in range(1, 300)]
    rows = pd.concat(apart)
    assert rows["again"].mean() == pytest.approx(rows["chance"].mean(), abs=0.02)
    assert abs(rows["cosine"].mean()) < 0.05 and abs(rows["two concepts"].mean()) < 0.05


def test_two_halves_of_the_same_images_give_the_same_directions(tmp_path):
    """Each image twice: one copy in each half. Only starts and orders differ, and the starts are subtracted."""
    twice = chain.from_iterable(
        (each, replace(each, name=each.name.replace(".png", "-copy.png"))) for each in scenes(40)
    )
    write(tmp_path / "probe", twice, NAMES)
    probe = load_probe(str(tmp_path / "probe"))
    layer = read_layers(network(), ["3"], probe, tau=TAU, device="cpu", store=Store(str(tmp_path / "store")))["3"]
    copied = np.array([name.endswith("-copy.png") for name in probe.images])
    halves = [stability._trained_on(probe, np.flatnonzero(mine)) for mine in (copied, ~copied)]
    learned = [segmentation.align(layer, half, epochs=20, seed=k) for k, half in enumerate(halves)]
    one, other = map(embeddings.without_start, learned)
    found = stability.by_concept({"copies": (one, other)}, probe)
    assert (found["cosine"] > 0.95).all() and found["two concepts"].mean() < found["cosine"].min()


def test_what_is_learned_again_and_its_summary(measured):
    probe, layer = measured
    pairs = stability.again(layer, probe, epochs=5, seed=0)
    assert list(pairs) == ["other images", "other start", "other loss", "other task"]
    found = stability.by_concept(pairs, probe)
    starts = found.query("comparison == 'other start'")
    told = rsa.repeated(*pairs["other start"])
    assert starts["cosine"].median() == pytest.approx(told["itself"])
    assert starts["again"].mean() == pytest.approx(told["neighbours"])
    table = stability.summary(found)
    assert table["concepts"].sum() == len(found) and set(table["training images"]) <= {"under 30", "30 or more"}
    assert table["again"].between(table["low"], table["high"]).all()
    row = table.query("comparison == 'other images' and `training images` == 'under 30'").iloc[0]
    mine = found.query("comparison == 'other images' and few")
    assert row["cosine"] == mine["cosine"].median() and row["nearest"] == mine["nearest"].mean()
    nothing = stability.by_concept({}, probe)
    assert nothing.empty and stability.summary(nothing).empty
