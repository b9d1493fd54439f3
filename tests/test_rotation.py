"""A layer turned in the space of its filters: powers are powers, and the library measures what plain numpy computes."""

import numpy as np
import pandas as pd
import pytest
from measured import TAU, activations, measure, network
from scipy.linalg import block_diag

from n2vlib import tables
from n2vlib.activations.layer import read_layers
from n2vlib.analysis import rotation, top_images
from n2vlib.errors import BadInput
from n2vlib.methods import dissection
from n2vlib.store import Store

SIZES = [2, 5, 6, 33]


@pytest.mark.parametrize("n", SIZES)
def test_a_random_rotation_is_orthogonal_with_determinant_one_and_its_seeds_own(n):
    q = rotation.random_rotation(n, 0)
    np.testing.assert_allclose(q @ q.T, np.eye(n), atol=1e-12)
    assert np.linalg.det(q) == pytest.approx(1)
    assert (q == rotation.random_rotation(n, 0)).all() and not np.allclose(q, rotation.random_rotation(n, 1))


def test_random_rotations_of_the_plane_turn_by_every_angle_alike():
    angles = [np.arctan2(q[1, 0], q[0, 0]) for q in (rotation.random_rotation(2, seed) for seed in range(4000))]
    counts = np.histogram(angles, bins=8, range=(-np.pi, np.pi))[0]
    assert abs(counts - 500).max() < 100


@pytest.mark.parametrize("n", SIZES)
def test_powers_of_a_rotation(n):
    q = rotation.random_rotation(n, 3)
    np.testing.assert_allclose(rotation.power(q, 0), np.eye(n), atol=1e-10)
    np.testing.assert_allclose(rotation.power(q, 1), q, atol=1e-10)
    half, third = rotation.power(q, 0.5), rotation.power(q, 0.3)
    np.testing.assert_allclose(half @ half, q, atol=1e-10)
    np.testing.assert_allclose(third @ rotation.power(q, 0.7), q, atol=1e-10)
    np.testing.assert_allclose(half @ half.T, np.eye(n), atol=1e-10)


def test_every_plane_is_turned_by_its_share_of_the_angle():
    def turn(*angles):
        return block_diag(*([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]] for a in angles))

    basis = rotation.random_rotation(4, 0)
    for alpha in (0.2, 0.5, 1):
        found = rotation.power(basis @ turn(3.1, -0.4) @ basis.T, alpha)
        np.testing.assert_allclose(found, basis @ turn(3.1 * alpha, -0.4 * alpha) @ basis.T, atol=1e-10)


def test_every_rotation_is_measured_fully_and_the_first_ones_part_of_the_way():
    found = rotation.copies([0.0, 0.5, 0.2], 5)
    assert [(alpha, i) for _, alpha, i in found if alpha == 1] == [(1.0, i) for i in range(5)]
    assert [(alpha, i) for _, alpha, i in found if alpha < 1] == [(0.2, 0), (0.5, 0), (0.2, 1), (0.5, 1)]
    assert len({label for label, *_ in found}) == len(found) and found[1] == ("rotation 0, alpha 0.5", 0.5, 0)
    assert rotation.copies([1.0], 1) == [("rotation 0, alpha 1", 1.0, 0)]


@pytest.mark.parametrize("matrix", [np.diag([1.0, -1]), np.diag([1.0, -1, 1, -1]), 2 * np.eye(3), -np.eye(2)])
def test_a_reflection_half_a_turn_and_what_is_not_orthogonal_have_no_real_powers(matrix):
    with pytest.raises(BadInput, match="orthogonal"):
        rotation.power(matrix, 0.5)


@pytest.fixture(scope="module")
def turned(tmp_path_factory):
    """The probe set, the layer as it is, and its copies turned by I and by Q in one pass; and Q."""
    folder = tmp_path_factory.mktemp("turned")
    probe, layers = measure(folder)
    q = rotation.random_rotation(6, 0)
    ways = {"no turn": np.eye(6), "Q": q}
    store = Store(str(folder / "store"))
    copies = read_layers(rotation.rotated(network(), "3", ways), list(ways), probe, tau=TAU, device="cpu", store=store)
    return probe, layers["3"], copies, q


def test_the_turned_layer_is_the_matrix_times_the_activations(turned):
    probe, layer, copies, q = turned
    dense = np.einsum("jk,nkhw->njhw", q, activations(probe, "3"))
    assert (dense < 0).any()
    np.testing.assert_allclose(copies["Q"].highest, dense.max((2, 3)), atol=1e-5)
    above = np.sort(dense.transpose(1, 0, 2, 3).reshape(6, -1))[:, ::-1][:, int(TAU * layer.n_places)]
    np.testing.assert_allclose(copies["Q"].thresholds, above, atol=1e-5)
    sure = abs(dense - above[:, None, None]) > 1e-5
    fired = np.stack([copies["Q"].fired_in(i) for i in range(len(probe))])
    assert (fired == (dense > above[:, None, None]))[sure].all() and sure.mean() > 0.9


def test_spatial_means_are_turned_likewise(turned):
    _, layer, copies, q = turned
    np.testing.assert_allclose(copies["Q"].pooled, layer.pooled @ q.T, atol=1e-5)


def test_receptive_fields_do_not_change(turned):
    _, layer, copies, _ = turned
    assert layer.windows is not None and copies["Q"].windows == layer.windows and copies["Q"].grid == layer.grid


def test_no_turn_leaves_every_detector_as_it_was(turned):
    probe, layer, copies, _ = turned
    plain, same = (dissection.filters(each, probe) for each in (layer, copies["no turn"]))
    columns = ["filter", "concept", "dissection_iou"]
    assert plain[columns].equals(same[columns])
    assert len(tables.detectors(plain, 0.04)) == len(tables.detectors(same, 0.04)) > 0


def test_a_turned_network_is_another_network(turned):
    _, layer, copies, _ = turned
    other = rotation.rotated(network(), "3", {"Q": rotation.random_rotation(6, 1)})
    assert len({layer.network_fingerprint, copies["Q"].network_fingerprint, other.fingerprint}) == 3


def test_the_mask_in_the_pictures_covers_what_is_counted(turned):
    probe, layer, _, _ = turned
    counted = dissection.count(layer, probe)
    color = probe.concepts.index.get_loc(probe.concept("red-c"))  # every image holds a color, so every image counts
    everywhere = range(len(probe))
    area = [np.sum(top_images.masks(layer, probe, k, everywhere)) for k in range(6)]
    np.testing.assert_allclose(area, counted.predicted[:, color], atol=0.002 * max(area))


def test_a_linear_head_does_as_well_on_a_turned_space_and_both_heads_learn(turned):
    rng = np.random.default_rng(0)
    concept = rng.integers(0, 4, 600)
    pooled = (2 * np.eye(8)[concept] + rng.normal(0, 0.8, (600, 8))).astype(np.float32)
    train, answers = rng.random(600) < 0.7, pd.Series(concept)
    other_axes = (pooled @ rotation.random_rotation(8, 0).T).astype(np.float32)
    plain, other = (rotation.linear_head(each, concept, train) for each in (pooled, other_axes))
    assert (plain == other).mean() > 0.98 and plain.mean() > 0.8
    assert rotation.deep_head(pooled, concept, train, epochs=10, seed=0).mean() > 0.8
    told = rotation.heads({"as trained": [pooled], "turned": [other_axes]}, answers, train, epochs=10, seed=0)
    assert told["accuracy"].between(told["low"], told["high"]).all() and told.iloc[0]["accuracy"] == 100 * plain.mean()
    assert rotation.heads({"as trained": [pooled]}, answers * 0, train, epochs=1, seed=0).empty
