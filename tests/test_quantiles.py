"""T_k in one pass equals the sorted definition, whatever the order, the batches and the ties."""

import numpy as np
import oracles
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from n2vlib.activations.quantiles import RunningQuantile, n_above
from n2vlib.kernels import digits, sparse


def stream(activations: np.ndarray, tau: float, batch: int) -> np.ndarray:
    n_images, n_filters, height, width = activations.shape
    running = RunningQuantile(n_filters, n_above(tau, n_images * height * width))
    filters = np.broadcast_to(np.arange(n_filters, dtype=np.uint32)[None, :, None, None], activations.shape)
    for start in range(0, n_images, batch):
        part = slice(start, start + batch)
        running.add(filters[part].ravel(), activations[part].ravel())
        assert (running.bounds <= oracles.thresholds(activations, tau)).all()  # nothing that matters is lost
    return running.settle([kept(activations, running.bounds)])


def kept(activations: np.ndarray, bounds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """All that a pass has on disk: filter and value of what is above the bounds."""
    above = activations > bounds[:, None, None]
    return np.nonzero(above)[1].astype(np.uint32), activations[above]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.005, 0.04, 0.2]), st.integers(1, 7), st.booleans())
def test_one_pass_finds_the_order_statistic(seed, tau, batch, ties):
    rng = np.random.default_rng(seed)
    activations = rng.normal(size=(12, 3, 5, 4)).astype(np.float32)
    if ties:
        activations = np.maximum(activations.round(), 0)  # flat areas and dead places, as a ReLU leaves them
    np.testing.assert_array_equal(stream(activations, tau, batch), oracles.thresholds(activations, tau))


def test_exactly_floor_tau_m_values_lie_above_without_ties():
    activations = np.random.default_rng(0).permutation(2 * 40 * 25).reshape(40, 2, 5, 5).astype(np.float32)
    threshold = stream(activations, 0.005, 8)
    assert ((activations > threshold[:, None, None]).sum((0, 2, 3)) == 5).all()  # 0.005 * 1000, though 0.005 is inexact


def test_a_dead_filter_has_threshold_zero_and_never_fires():
    activations = np.zeros((4, 1, 10, 10), np.float32)
    assert stream(activations, 0.005, 2)[0] == 0
    assert not (activations > 0).any()


def test_a_filter_tied_at_its_ceiling_fires_less_than_tau():
    activations = np.full((4, 1, 10, 10), 6, np.float32)  # a saturated ReLU6
    threshold = stream(activations, 0.005, 2)
    assert threshold[0] == 6 and (activations > threshold).mean() < 0.005


@pytest.mark.parametrize("ties", [False, True])
def test_an_interrupted_stream_goes_on_from_its_bounds(ties):
    activations = np.random.default_rng(1).normal(size=(20, 2, 6, 6)).astype(np.float32)
    if ties:
        activations = np.maximum(activations.round() - 2, 0)  # T_k is the zero that no bound lets through
    first, parts = RunningQuantile(2, n_above(0.02, 20 * 36)), []
    for start in range(0, 15, 5):
        part = kept(activations[start : start + 5], first.bounds)
        first.add(*part)
        parts.append((first.bounds, part))
    second = RunningQuantile(2, n_above(0.02, 20 * 36))
    for bounds, part in parts:
        second.rise(bounds)
        second.add(*part)
    np.testing.assert_array_equal(second.bounds, first.bounds)
    last = kept(activations[15:], second.bounds)
    second.add(*last)
    found = second.settle([*(part for _, part in parts), last])
    np.testing.assert_array_equal(found, oracles.thresholds(activations, 0.02))


@pytest.mark.parametrize("scale", [1e-40, 1e-3, 1e30])
def test_numbers_of_every_size_and_sign_keep_their_order(scale):
    values = (np.random.default_rng(2).normal(size=2000) * scale).astype(np.float32)
    ordered = np.sort(np.concatenate([values, [np.float32(0), np.float32(-0.0)]]))
    keys = digits.keys(ordered)
    np.testing.assert_array_equal(np.diff(keys) > 0, np.diff(ordered) > 0)
    np.testing.assert_array_equal(digits.number(keys), ordered)
    np.testing.assert_array_equal([digits.key(bits) for bits in ordered.view(np.uint32)], keys)


@pytest.mark.parametrize(("tau", "values", "above"), [(0.005, 200, 1), (0.04, 75, 3), (0.29, 100, 29)])
def test_the_number_above_is_counted_on_the_decimal_written(tau, values, above):
    assert n_above(tau, values) == above


def dense_neighbours(activations: np.ndarray, bounds: np.ndarray) -> np.ndarray:
    kept = np.zeros(activations.shape, bool)
    for i, k, y, x in np.argwhere(activations > bounds[:, None, None]):
        kept[i, k, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = True
    return kept


def extract(activations: np.ndarray, bounds: np.ndarray) -> sparse.Extracted:
    return sparse.extract(np.ascontiguousarray(activations.transpose(0, 2, 3, 1)), bounds)


@pytest.mark.parametrize("seed", range(3))
def test_every_corner_of_a_cell_that_can_fire_is_kept_and_nothing_else(seed):
    rng = np.random.default_rng(seed)
    activations = rng.normal(size=(5, 18, 7, 6)).astype(np.float32)
    bounds = rng.uniform(0.5, 3, 18).astype(np.float32)
    pointers, code, value, pooled, highest = extract(activations, bounds)
    np.testing.assert_allclose(pooled, activations.mean((2, 3)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(highest, activations.max((2, 3)))
    expected = dense_neighbours(activations, bounds)
    np.testing.assert_array_equal(np.diff(pointers), expected.sum((1, 2, 3)))
    np.testing.assert_array_equal(value, activations[expected])
    places = np.concatenate([np.flatnonzero(image) for image in expected])
    np.testing.assert_array_equal(code, places)


def test_pruning_equals_extracting_with_the_higher_bounds():
    rng = np.random.default_rng(5)
    activations = rng.normal(size=(6, 3, 8, 8)).astype(np.float32)
    low, high = np.full(3, 0.5, np.float32), np.array([1.0, 2.0, 9.0], np.float32)
    pruned = sparse.prune(*extract(activations, low)[:3], high, (8, 8))
    for ours, expected in zip(pruned, extract(activations, high)[:3], strict=True):
        np.testing.assert_array_equal(ours, expected)
