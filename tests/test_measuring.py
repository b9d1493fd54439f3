"""The library's fast path against slow loops, from the same images: thresholds, fired, set and dissection IoU."""

import numpy as np
import oracles
import pytest
from measured import TAU, activations, annotated, measure, network, probe_in

from n2vlib.activations.layer import read_layers
from n2vlib.errors import BadInput
from n2vlib.kernels import tally, tally_torch
from n2vlib.masks import counts
from n2vlib.masks.conventions import CONVENTIONS
from n2vlib.masks.iou import taps_of
from n2vlib.methods import dissection, single_filter
from n2vlib.probe.occurrences import judged
from n2vlib.probe.reader import items_of
from n2vlib.store import Store


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("name", ["1", "3"])
def test_thresholds_and_what_fired_equal_the_sorted_definition(world, name):
    probe, layers = world
    expected = activations(probe, name)
    thresholds = oracles.thresholds(expected, TAU)
    np.testing.assert_allclose(layers[name].thresholds, thresholds, rtol=1e-5)
    fired = np.array([layers[name].fired_in(i) for i in range(len(probe.images))])
    assert (fired != oracles.fired(expected, thresholds)).mean() < 1e-4  # rounding of another batch size
    np.testing.assert_allclose(layers[name].realised, fired.mean((0, 2, 3)))
    np.testing.assert_allclose(layers[name].pooled, expected.mean((2, 3)), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(layers[name].highest, expected.max((2, 3)), rtol=1e-4, atol=1e-6)


def test_the_dead_filter_never_fires(world):
    layer = world[1]["3"]
    assert layer.thresholds[0] == 0 and layer.realised[0] == 0


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("name", ["1", "3"])
def test_set_iou_of_every_filter_and_concept_equals_the_loop(world, name, align_corners):
    probe, layers = world
    layer, masks, train = layers[name], annotated(probe), probe.split == "train"
    fired = np.array([layer.fired_in(i) for i in np.flatnonzero(train)])
    predicted = oracles.single_filter_mask(fired, probe.label_size, align_corners)
    ours = single_filter.set_iou(layer, probe, "train", align_corners=align_corners)
    for k, c in np.ndindex(ours.shape):
        expected = oracles.set_iou(predicted[:, k], masks[train][:, c])
        assert ours[k, c] == pytest.approx(expected, abs=1e-12)


def test_counts_of_both_kernels_are_equal_to_the_pixel(world):
    probe, layers = world
    for layer in layers.values():
        images, pairs = np.arange(len(probe.images)), counts.concept_positions(probe)
        labels, sizes = counts._labels(probe, pairs), (len(probe.concepts),)
        for align_corners in (True, False):
            taps = [each.exact() for each in taps_of(layer.grid, probe.label_size, align_corners)]
            arguments = (images, *layer.fired, layer.grid, labels, *taps, layer.n_filters, *sizes)
            for ours, theirs in zip(
                tally.set_counts(*arguments), tally_torch.set_counts(*arguments, device="cpu"), strict=True
            ):
                np.testing.assert_array_equal(ours, theirs)
        category = np.array([probe.categories.index(name) for name in probe.concepts["category"]])
        arguments = (
            images, layer.entries, layer.thresholds, layer.grid, labels,
            *(each.exact() for each in taps_of(layer.grid, probe.label_size, False)),
            category, len(probe.categories), *sizes,
        )  # fmt: skip
        for counted in (0, 1, 2):
            ours = tally.dissection_counts(*arguments, counted)
            theirs = tally_torch.dissection_counts(*arguments, counted, device="cpu")
            np.testing.assert_array_equal(ours[0], theirs[0])
            np.testing.assert_array_equal(ours[1], theirs[1])


@pytest.mark.parametrize("threads", [2, 5, 99])
def test_counts_do_not_depend_on_the_number_of_threads(world, threads, monkeypatch):
    probe, layers = world
    some, way, layer = np.arange(7), CONVENTIONS["netdissect"], layers["1"]
    best = np.arange(len(probe.concepts)) % layer.n_filters

    def all_of_them(number: int) -> list[np.ndarray]:
        monkeypatch.setenv("OMP_NUM_THREADS", str(number))
        found = counts.set_counts(layer, probe, some, True), counts.dissection_counts(layer, probe, way)
        both = [array for each in found for array in (each.intersection, each.predicted)]
        return [*both, *counts.pair_counts(layer, probe, best, True)]

    for one, several in zip(all_of_them(1), all_of_them(threads), strict=True):
        assert one.any()
        np.testing.assert_array_equal(one, several)


def test_the_best_filter_is_chosen_on_training_images_and_scored_on_both_splits(world):
    probe, layers = world
    layer = layers["1"]
    found = single_filter.align(layer, probe)
    cat = found.scores.query("name == 'cat'").set_index("split")
    train = single_filter.set_iou(layer, probe, "train")
    column = probe.concepts.index.get_loc(probe.concept("cat"))
    assert cat.loc["train", "filter"] == train[:, column].argmax()
    chosen = int(cat.loc["val", "filter"])
    assert cat.loc["val", "set_iou"] == pytest.approx(single_filter.set_iou(layer, probe, "val")[chosen, column])
    assert found.weights.loc[probe.concept("cat")].idxmax() == chosen


def test_individual_iou_is_that_of_each_image(world):
    probe, layers = world
    layer = layers["3"]
    pairs = single_filter.align(layer, probe).pairs
    row = pairs.query("concept == @probe.concept('head')").iloc[3]
    filters = single_filter.align(layer, probe).weights.loc[int(row["concept"])]
    fired = layer.fired_in(int(row["image"]))[None, filters.idxmax()]
    mask = oracles.single_filter_mask(fired, probe.label_size, True)
    expected = oracles.individual_iou(mask, probe.annotated("head", int(row["image"]))[None])[0]
    assert row["individual_iou"] == pytest.approx(expected)


def test_a_layer_read_for_a_larger_tau_serves_every_smaller_one(tmp_path):
    probe, layers = measure(tmp_path, tau_max=0.2)
    dense = activations(probe, "1")
    for tau in (0.01, 0.05, 0.2):
        np.testing.assert_allclose(layers["1"].at(tau).thresholds, oracles.thresholds(dense, tau), rtol=1e-5)
    assert layers["1"].at(0.01).fingerprint != layers["1"].at(0.05).fingerprint
    with pytest.raises(BadInput, match="tau_max=0.3"):
        layers["1"].at(0.3)


def test_a_layer_under_two_of_its_names_is_read_once_and_answered_by_both(tmp_path):
    probe, named = probe_in(tmp_path), network()
    named.aliases = {"conv2": "3"}
    store = Store(str(tmp_path / "store"))
    layers = read_layers(named, ["conv2", "1", "3"], probe, tau=TAU, device="cpu", store=store)
    assert [layer.name for layer in layers.values()] == ["conv2", "1", "3"]
    assert layers["conv2"].folder == layers["3"].folder != layers["1"].folder
    np.testing.assert_allclose(layers["conv2"].thresholds, oracles.thresholds(activations(probe, "3"), TAU), rtol=1e-5)


def test_the_released_quantile_is_994_of_999(tmp_path):
    probe, layers = measure(tmp_path, tau=0.005, quantile="released")
    dense = activations(probe, "1")
    places = dense[:, 0].size
    above = -(-5 * (places - 1) // 999)  # the upper of the two values that the table interpolates between, and more
    expected = [np.sort(dense[:, k].ravel())[-above - 1] for k in range(5)]
    np.testing.assert_allclose(layers["1"].thresholds, expected, rtol=1e-5)


@pytest.mark.parametrize("damaged", [False, True])
def test_an_interrupted_pass_resumes_and_ends_the_same(tmp_path, monkeypatch, damaged):
    from n2vlib.activations import streaming as module

    monkeypatch.setattr(module, "SHARD", 8)
    monkeypatch.setitem(module.BATCH, "cpu", 4)
    probe = probe_in(tmp_path)
    whole = read_layers(network(), ["1"], probe, tau=TAU, device="cpu", store=Store(str(tmp_path / "whole")))["1"]
    calls, run = [], module.run_layers

    def failing(*arguments):
        calls.append(1)
        if len(calls) == 6:  # in the third shard
            raise KeyboardInterrupt
        return run(*arguments)

    monkeypatch.setattr(module, "run_layers", failing)
    store = Store(str(tmp_path / "resumed"))
    with pytest.raises(KeyboardInterrupt):
        read_layers(network(), ["1"], probe, tau=TAU, device="cpu", store=store)
    done = len(calls)
    if damaged:
        entries = next(store.root.glob("activations/*.work/shard-0.raw"))
        entries.write_bytes(bytes([entries.read_bytes()[0] ^ 1]) + entries.read_bytes()[1:])
    resumed = read_layers(network(), ["1"], probe, tau=TAU, device="cpu", store=store)["1"]
    assert len(calls) - done == (8 if damaged else 6)  # of ten; one shard or two were kept, of two batches each
    np.testing.assert_array_equal(resumed.thresholds, whole.thresholds)
    assert not list(resumed.folder.glob("shard*"))
    for ours, theirs in zip(resumed.entries, whole.entries, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_activations_that_are_not_finite_are_refused_and_leave_no_entry(tmp_path):
    broken = network()
    broken.module[0].weight.data[0] = float("nan")
    store = Store(str(tmp_path / "store"))
    with pytest.raises(BadInput, match="layer 1: activations are not finite"):
        read_layers(broken, ["1"], probe_in(tmp_path), tau=TAU, device="cpu", store=store)
    assert not list(store.root.glob("activations/*/record.json"))


def test_filters_that_are_dead_or_tied_are_counted_and_a_tau_at_which_none_can_fire_is_an_error(tmp_path):
    probe, layers = measure(tmp_path)
    layer = layers["3"]
    above = [(activations(probe, "3")[:, k] > layer.thresholds[k]).sum() for k in range(layer.n_filters)]
    wanted = int(layer.tau * layer.n_places)
    assert layer.state.tolist() == ["dead" if n == 0 else "tied" if n < wanted else "" for n in above]
    assert layer.state[0] == "dead" and layer.silence.startswith("3: of 6 filters 1 never fire")
    with pytest.raises(BadInput, match="less than one, so no filter can fire; take tau of at least 0.0016"):
        layer.at(0.001)
    named = dissection.filters(layer, probe)
    assert named.loc[0, ["concept", "name", "category", "dissection_iou"]].tolist() == [0, "", "", 0]
    assert (named["concept"].isin(probe.concepts.index) == (named["dissection_iou"] > 0)).all()


def test_a_ceiling_that_more_than_tau_of_places_reach_leaves_a_filter_dead(tmp_path):
    probe, ceiling = probe_in(tmp_path), 0.2
    layer = read_layers(network(ceiling), ["1"], probe, tau=TAU, device="cpu", store=Store(str(tmp_path / "s")))["1"]
    capped = (np.minimum(activations(probe, "1"), ceiling) == np.float32(ceiling)).sum((0, 2, 3))
    at_the_top = capped > int(TAU * layer.n_places)
    assert at_the_top.any() and (layer.state[at_the_top] == "dead").all()


def test_absence_is_known_only_where_the_category_is_annotated(world):
    probe, _ = world
    wood, fur, field = (probe.concept(name) for name in ("wood", "fur", "field-s"))
    material, part = (
        [any(items_of(row[probe.categories.index(c)])) for row in probe.cells] for c in ("material", "part")
    )
    assert judged(probe, wood).tolist() == material and 0 < sum(material) < len(probe)
    assert judged(probe, fur).tolist() == [a or b for a, b in zip(material, part, strict=True)]
    assert judged(probe, field).all()
