"""The papers' own settings, params/broden-*.yml, on a Broden folder of a few images with networks of random weights."""

import numpy as np
import pytest

from n2vlib.activations.layer import read_layers
from n2vlib.errors import BadInput
from n2vlib.files.userfiles import yaml_mapping
from n2vlib.methods import segmentation, single_filter
from n2vlib.networks import factories
from n2vlib.networks.load import load_network
from n2vlib.parameters import RULES, check_value
from n2vlib.paths import ROOT
from n2vlib.probe import load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.store import Store

FILES = sorted((ROOT / "params").glob("broden-*.yml"))
NAMES = {1: "red-c", 2: "blue-c", 3: "dog", 4: "cat", 5: "street-s", 6: "field-s"}
CONVS = [f"conv{i}" for i in range(1, 6)]
# Side of images and of label maps, and filters and places of each layer, as the papers' networks have them.
GEOMETRY = {
    "broden-alexnet": (227, 113, dict(zip(CONVS, [(64, 56), (192, 27), (384, 13), (256, 13), (256, 13)], strict=True))),
    "broden-vgg16": (224, 112, {"conv5_3": (512, 14)}),
    "broden-googlenet": (224, 112, {"inception_4e": (832, 14), "inception_5b": (1024, 7)}),
}


def scenes(side: int, n_images: int = 6):
    """Random blocks of color; an animal in a rectangle; a scene for each image."""
    rng, half = np.random.default_rng(side), side // 2
    for i in range(n_images):
        coarse = rng.integers(0, 256, (8, 8, 3), np.uint8)
        image = np.kron(coarse, np.ones((32, 32, 1), np.uint8))[:side, :side]
        animal = np.zeros((half, half), np.uint16)
        top, left = rng.integers(0, half // 2, 2)
        animal[top : top + half // 2, left : left + half // 2] = 3 + i % 2
        color = np.where(rng.random((half, half)) < 0.5, 1, 2).astype(np.uint16)
        yield Labelled(f"ade20k/{i:03}.jpg", image, {"object": [animal], "color": [color]}, {"scene": [5 + i % 2]})


@pytest.fixture
def broden(tmp_path, monkeypatch):
    """Both folders of Broden, small; no weights are fetched: each network gets random ones."""
    for side in (224, 227):
        write(tmp_path / f"broden1_{side}", scenes(side), NAMES)
    monkeypatch.setenv("N2V_BRODEN", str(tmp_path))
    monkeypatch.setenv("N2V_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(factories, "_trained", lambda name, member: factories._random(name, seed=0))
    return tmp_path


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_setting_reads_broden_at_the_networks_own_size_and_measures_the_papers_layers(file, broden):
    values = yaml_mapping(file)
    probe = load_probe(values["PROBE"])
    network = load_network(values["NETWORK"], values["WEIGHTS"], values["PREPROCESSING"], values["SEED"])
    side, label_side, shapes = GEOMETRY[file.stem]
    assert network.weights == "IMAGENET1K_V1"
    assert [network.alias(name) for name in values["LAYERS"]] == values["LAYERS"]  # the papers' names
    assert probe.image_size == network.preprocessing.size == (side, side)  # so nothing is resized
    assert probe.label_size == (label_side, label_side)
    layers = read_layers(
        network, values["LAYERS"], probe, tau=values["TAU"], device="cpu", store=Store(str(broden / "store"))
    )
    assert {name: layer.shape for name, layer in layers.items()} == {k: (f, n, n) for k, (f, n) in shapes.items()}
    assert all(layer.realised.max() <= values["TAU"] and layer.realised.sum() > 0 for layer in layers.values())
    last = layers[values["LAYERS"][-1]]
    found = [single_filter.align(last, probe), segmentation.align(last, probe, epochs=1)]
    assert all(set(each.scores["name"]) == {"red-c", "blue-c", "dog", "cat"} for each in found)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_values_keep_the_rules(file):
    for name, value in yaml_mapping(file).items():
        check_value(name, value, RULES[name])


def test_without_the_folder_the_error_names_the_variable_to_set(monkeypatch):
    monkeypatch.delenv("N2V_BRODEN", raising=False)
    with pytest.raises(BadInput, match=r"N2V_BRODEN") as caught:
        load_probe(yaml_mapping(FILES[0])["PROBE"])
    assert "\n" not in str(caught.value)
