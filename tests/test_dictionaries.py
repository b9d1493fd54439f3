"""Dictionaries: training finds planted directions, what ships is what its card says, and sets of units are compared."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
import torch
from measured import TAU, measure, network
from safetensors.numpy import load_file
from sklearn.decomposition import PCA

from n2vlib.analysis import directions
from n2vlib.errors import BadInput
from n2vlib.methods import dissection
from n2vlib.networks import units
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import load_network
from n2vlib.store import Store
from n2vlib.world import scene
from n2vlib.zoo import data, dictionaries, shipped
from n2vlib.zoo.others import DICTIONARIES, OTHERS, Dictionary

SMALL = Dictionary("small", "small-alexnet", "conv5", units=24, k=2, images=6, epochs=12, batch=100)
CARDS = list(DICTIONARIES)


@pytest.fixture(autouse=True)
def quiet_and_on_one_thread(monkeypatch):
    monkeypatch.setenv("N2V_PROGRESS", "0")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def planted(n: int = 4_000, filters: int = 16, seed: int = 0) -> tuple[torch.Tensor, np.ndarray]:
    """Samples that are sums of two of 24 directions, and the directions: (sample, filter), (direction, filter)."""
    rng = np.random.default_rng(seed)
    true = directions.at_random(SMALL.units, filters, seed=seed)
    codes = np.zeros((n, SMALL.units))
    for row in codes:
        row[rng.permutation(SMALL.units)[:2]] = rng.uniform(1, 3, 2)
    return torch.from_numpy(codes @ true + 0.7).float(), true


def test_training_finds_more_planted_directions_than_there_are_filters():
    samples, true = planted()
    found = dictionaries.fit(SMALL, samples)["decoder"].float().numpy()
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    closest = (true @ found.T).max(1)
    assert (closest > 0.9).mean() > 0.7
    by_chance = directions.at_random(SMALL.units, true.shape[1], seed=9)
    assert ((true @ by_chance.T).max(1) > 0.9).sum() == 0


def test_training_is_the_same_twice_and_another_with_another_seed():
    samples = planted(600)[0]
    one, again = (dictionaries.fit(replace(SMALL, epochs=2), samples) for _ in range(2))
    other = dictionaries.fit(replace(SMALL, epochs=2, seed=1), samples)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["weight"], other["weight"])


def by_hand(images: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Activations, units and reconstructions at every place, (place, filter or unit), from the file's own tensors."""
    row, own = DICTIONARIES[name], load_file(shipped.FOLDER / f"{name}.safetensors")
    own = {each: values.astype(np.float64) for each, values in own.items()}
    net = load_network(row.network)
    module = net.layer(row.layer)
    maps = run_layers(net.module, [module], net.preprocessing(images))[module].numpy()
    places = maps.transpose(0, 2, 3, 1).reshape(-1, maps.shape[1]).astype(np.float64)
    values = (places - own["centre"]) @ own["weight"].T + own["bias"]
    least = np.sort(values, axis=1)[:, -row.k][:, None]
    codes = np.where(values >= least, np.maximum(values, 0), 0)
    return places, codes, codes @ own["decoder"] + own["centre"]


@pytest.mark.parametrize("name", CARDS)
def test_a_shipped_dictionary_is_small_and_does_on_new_images_what_its_card_says(name):
    row, card = DICTIONARIES[name], shipped.card(name)
    assert (shipped.FOLDER / f"{name}.safetensors").stat().st_size < 500_000
    assert card["recipe"] == json.loads(json.dumps(vars(row)))
    assert card["network_sha256"] == shipped.card(row.network)["sha256"]
    images = np.stack([scene(5, i).image for i in range(12)])
    places, codes, again = by_hand(images, name)
    explained = 1 - ((places - again) ** 2).sum() / ((places - places.mean(0)) ** 2).sum()
    assert explained == pytest.approx(card["held_out"]["variance_explained"], abs=0.06)
    assert (codes > 0).sum(1).mean() == pytest.approx(card["held_out"]["l0"], abs=0.1)
    found = units.load(name)
    net = load_network(row.network)
    layer = net.layer(f"{row.layer}:{name}")
    maps = run_layers(net.module, [layer], net.preprocessing(images))[layer].numpy()
    np.testing.assert_allclose(maps.transpose(0, 2, 3, 1).reshape(codes.shape), codes, atol=2e-3)
    assert found.decoder is not None and net.called(f"{row.layer}:{name}") == f"{row.layer}:{name}"
    assert net.describe(layer) == f"{net.describe(row.layer)}, {row.units} units, topk {row.k} of {name}"


def test_one_command_trains_a_dictionary_writes_it_and_measures_what_it_wrote(tmp_path, monkeypatch):
    def few(n, seed):
        drawn = [scene(seed, i) for i in range(min(n, 40))]
        labels = np.array([i % 2 for i in range(len(drawn))])
        objects = np.zeros((len(drawn), 67), bool)
        objects[::2] = True
        return data.Drawn(np.stack([one.image for one in drawn]), labels, objects, [], [])

    row = replace(SMALL, k=4, epochs=3)
    monkeypatch.setattr(data, "drawn", few)
    monkeypatch.setitem(DICTIONARIES, "small", row)
    monkeypatch.setitem(OTHERS, "small", row)
    card = dictionaries.train("small", "cpu", tmp_path)
    assert json.loads((tmp_path / "small.json").read_text()) == card
    assert 0 < card["held_out"]["variance_explained"] < 1 and 0 < card["held_out"]["l0"] <= 4
    assert set(card["held_out"]["scores"]) == set(card["held_out"]["reconstructed"])
    assert units.load(shipped.dictionary("small", tmp_path)).units.k == 4
    file = tmp_path / "small.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(BadInput, match="small.safetensors is damaged"):
        shipped.dictionary("small", tmp_path)


# Sets of units beside a layer


def test_components_are_those_of_sklearn_with_both_signs():
    seen = np.random.default_rng(0).standard_normal((300, 5)).astype(np.float32) * [5, 4, 3, 2, 1]
    found, expected = directions.components(seen), PCA().fit(seen).components_
    np.testing.assert_allclose(np.abs((found[::2] * expected).sum(1)), 1, atol=1e-5)
    np.testing.assert_array_equal(found[::2], -found[1::2])


def test_concepts_among_equally_many_units_are_the_mean_over_all_choices():
    concepts = pd.Series([3, 3, 3, 7, 8, 8])  # of six detectors among eight units
    units_ = [*concepts, None, None]
    chosen = [len({*some} - {None}) for some in combinations(units_, 3)]
    assert directions.among(concepts, 8, 3) == pytest.approx(np.mean(chosen))
    assert directions.among(concepts, 8, 8) == 3 and directions.among(concepts[:0], 8, 3) == 0


def test_sets_of_units_are_compared_by_the_concepts_they_detect(tmp_path):
    probe, layers = measure(tmp_path, ["1"])
    net, threshold = network(), 0.02
    seen = directions.samples(net, "1", probe)
    assert seen.shape == ((probe.split == "train").sum() * 64, 5)
    sets = {"twice": np.concatenate([np.eye(5), np.eye(5)]), "none": np.zeros((5, 5))}
    files = directions.write(tmp_path, sets)
    options = {"tau": TAU, "device": "cpu", "store": Store(str(tmp_path / "store"))}
    read = directions.read(net, "1", files, probe, **options)
    table, draws = directions.compared(read, probe, iou_threshold=threshold)
    table = table.set_index("label")
    iou = dissection.dissection_iou(layers["1"], probe)
    best = iou.argmax(1)[iou.max(1) > threshold]
    assert table.loc["filters", "concepts"] == len({*best}) > 0
    assert table.loc["filters", "equally_many"] == pytest.approx(table.loc["filters", "concepts"])
    assert table.loc["twice", "concepts"] == table.loc["filters", "concepts"]
    assert table.loc["twice", "detectors"] == 2 * table.loc["filters", "detectors"] == 2 * len(best)
    assert table.loc["twice", "held_out"] == pytest.approx(table.loc["filters", "held_out"])
    assert table.loc["none", ["detectors", "concepts", "held_out"]].tolist() == [0, 0, 0]
    more = directions.differences(table.reset_index(), draws, "twice").set_index("against")
    assert more.loc["filters"].tolist() == [0, 0, 0] and more.loc["none", "low"] > 0


def test_a_layer_has_the_zoos_dictionary_or_one_learned_from_samples(tmp_path):
    zoos = load_network("small-alexnet")
    assert directions.dictionary(tmp_path, zoos, "features.11", np.zeros((1, 128))) == "small-alexnet-dictionary"
    seen = np.random.default_rng(0).standard_normal((2100, 5)).astype(np.float32)
    file = directions.dictionary(tmp_path, network(), "1", seen)
    assert tuple(units.load(file).units.weight.shape) == (10, 5)
    few = directions.dictionary(tmp_path, network(), "1", seen[:30, :2])
    assert tuple(units.load(few).units.weight.shape) == (4, 2)
