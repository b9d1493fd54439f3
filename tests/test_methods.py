"""The contract of every method in n2vlib/methods that aligns concepts with filters, which its function `align` shows:
the same tables, and the concept that was planted is found. The tables (`alignment`) and the translation of messages
have no such function and are not its subject."""

import importlib
import pkgutil

import numpy as np
import pytest
import torch
from handmade import NUMBERS, build
from torch import nn

from n2vlib import methods
from n2vlib.activations.layer import read_layers
from n2vlib.errors import BadInput
from n2vlib.networks.load import Network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.probe import load_probe
from n2vlib.store import Store
from n2vlib.vocabulary import MEASURES

KEYS = [
    "probe",
    "network",
    "layer",
    "task",
    "method",
    "n_filters",
    "seed",
    "concept",
    "name",
    "category",
    "split",
    "images",
]
MODULES = [module.name for module in pkgutil.iter_modules(methods.__path__)]
NAMES = [name for name in MODULES if hasattr(importlib.import_module(f"n2vlib.methods.{name}"), "align")]
PLANTED = {"red-c": 0, "blue-c": 1}


def color_network() -> Network:
    """Filter 0 responds to red only and filter 1 to blue only, pixel by pixel; the third to nothing in particular."""
    convolution = nn.Conv2d(3, 3, 1)
    with torch.no_grad():
        colors = torch.tensor([[1.0, -1, -1], [-1, -1, 1], [0.02, 0.05, 0.03]])
        # Raw pooled activations must be of order one to be learned from in 30 epochs at the paper's rate.
        convolution.weight[:] = 40 * colors[:, :, None, None]
        convolution.bias[:] = torch.tensor([0.0, 0, 0])
    module = nn.Sequential(nn.AvgPool2d(2), convolution, nn.ReLU())
    return Network("colors", module, Preprocessing((48, 48), (0.0,) * 3, (1.0,) * 3, 1), "set by hand")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    build(folder / "probe", n_images=90)
    probe = load_probe(str(folder / "probe"))
    # tau is larger than the papers': a mask of a share tau of all pixels cannot cover a concept that is larger.
    return probe, read_layers(color_network(), ["2"], probe, tau=0.3, device="cpu", store=Store(str(folder / "store")))[
        "2"
    ]


@pytest.fixture(params=NAMES)
def found(request, planted):
    probe, layer = planted
    return importlib.import_module(f"n2vlib.methods.{request.param}").align(layer, probe)


def test_every_module_aligns_or_is_known_not_to():
    assert set(MODULES) - set(NAMES) == {"alignment", "translation"}


def test_scores_are_tidy_and_measures_are_fractions(found):
    scores = found.scores
    assert set(KEYS) <= set(scores) and not scores.duplicated(["concept", "split"]).any()
    measures = [name for name in MEASURES if name in scores]
    assert measures and all(scores[name].dropna().between(0, 1).all() for name in measures)
    assert set(scores["split"]) <= {"train", "val", "all"} and set(scores["task"]) <= {"segmentation", "classification"}


def test_weights_are_one_row_a_concept_and_one_column_a_filter(found, planted):
    assert found.weights.index.equals(found.bias.index) and found.weights.shape[1] == planted[1].n_filters
    assert set(found.scores["concept"]) == set(found.weights.index) and np.isfinite(found.weights).all(axis=None)
    assert np.allclose((found.unit_weights() ** 2).sum(axis=1), 1)


def test_the_planted_concepts_are_found_in_their_filters(found):
    measure = next(name for name in MEASURES if name in found.scores)
    for name, k in PLANTED.items():
        rows = found.scores.query("name == @name and split in ['val', 'all']")
        assert rows[measure].max() > 0.8
        assert found.weights.loc[NUMBERS[name]].idxmax() == k


def test_masks_are_counted_for_each_image(found, planted):
    if "intersection" not in found.pairs:  # an answer for a whole image has no pixels
        return
    probe, pairs = planted[0], found.pairs
    assert (pairs["intersection"] <= np.minimum(pairs["predicted"], pairs["annotated"])).all()
    red = pairs[pairs["concept"] == NUMBERS["red-c"]]
    assert red["image"].tolist() == probe.images_with("red-c").tolist()


def test_a_fully_connected_layer_classifies_and_is_refused_in_one_line_where_masks_are_asked_for(tmp_path):
    build(tmp_path / "probe", n_images=60)
    probe = load_probe(str(tmp_path / "probe"))
    module = nn.Sequential(color_network().module, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 4))
    network = Network("connected", module, Preprocessing((48, 48), (0.0,) * 3, (1.0,) * 3, 1), "random")
    layer = read_layers(network, ["3"], probe, tau=0.3, device="cpu", store=Store(str(tmp_path / "store")))["3"]
    assert layer.shape == (4, 1, 1)
    scores = methods.classification.align(layer, probe, epochs=1).scores
    assert set(scores["task"]) == {"classification"} and len(scores)
    for method in ("dissection", "segmentation", "single_filter"):
        with pytest.raises(BadInput, match=r"^layer 3: its grid is 1 x 1, as of a fully connected layer[^\n]*$"):
            importlib.import_module(f"n2vlib.methods.{method}").align(layer, probe)
