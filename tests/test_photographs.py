"""Real photographs and a real ImageNet network, one layer end to end. Runs where N2V_PHOTOGRAPHS names the folder.

The facts were measured first (benchmarks/PHOTOGRAPHS.md) and are asserted with a margin.
"""

import os

import numpy as np
import oracles
import pytest
import yaml

from n2vlib.activations.layer import read_layers
from n2vlib.methods import dissection, segmentation, single_filter
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import load_network
from n2vlib.paths import ROOT
from n2vlib.probe import load_probe
from n2vlib.store import Store

pytestmark = pytest.mark.skipif("N2V_PHOTOGRAPHS" not in os.environ, reason="N2V_PHOTOGRAPHS names no folder")
LAYER = "features.12"


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    values = yaml.safe_load((ROOT / "params" / "photographs-squeezenet.yml").read_text(encoding="utf-8"))
    network = load_network(os.path.expandvars(values["NETWORK"]), None, values["PREPROCESSING"])
    probe = load_probe(values["PROBE"])
    store = Store(str(tmp_path_factory.mktemp("store")))
    return network, probe, read_layers(network, [LAYER], probe, tau=values["TAU"], store=store)[LAYER]


def test_single_filter_iou_agrees_with_the_slow_oracle_on_a_sample(photographs):
    network, probe, layer = photographs
    face = probe.concept("face")
    best = single_filter.align(layer, probe)
    k = int(best.weights.loc[face].to_numpy().argmax())
    images = [int(i) for i in probe.images_with(face)[:8]]
    pixels = network.preprocessing(np.stack([probe.image(i) for i in images]))
    dense = run_layers(network.module.cpu(), [LAYER], pixels)[LAYER].numpy()[:, [k]]
    masks = oracles.single_filter_mask(oracles.fired(dense, layer.thresholds[[k]]), probe.label_size, True)[:, 0]
    annotated = np.stack([probe.annotated(face, i) for i in images])
    ours = best.pairs.query("concept == @face").set_index("image").loc[images, "individual_iou"]
    np.testing.assert_allclose(ours, oracles.individual_iou(masks, annotated), atol=0.01)


def test_a_share_tau_of_places_fires(photographs):
    _, _, layer = photographs
    assert layer.realised.max() <= 0.005
    assert np.median(layer.realised) > 0.0049  # a few filters tie at the top, on flat areas


def test_a_good_part_of_the_filters_detect_a_concept(photographs):
    _, probe, layer = photographs
    found = dissection.filters(layer, probe).query("dissection_iou > 0.04")
    assert 140 < len(found) < 260 and 25 < found["name"].nunique() < 60


def test_combinations_segment_most_concepts_better_than_single_filters(photographs):
    _, probe, layer = photographs
    both = [single_filter.align(layer, probe), segmentation.align(layer, probe, epochs=10)]
    one, many = (found.scores.query("split == 'val'").set_index("concept")["set_iou"] for found in both)
    shared = one.index.intersection(many.index)
    assert (many[shared] >= one[shared]).mean() > 0.6 and many[shared].mean() > 1.5 * one[shared].mean()


def test_materials_of_whole_images_have_no_masks_to_learn(photographs):
    _, probe, layer = photographs
    names = set(segmentation.align(layer, probe, epochs=10).scores["name"])
    assert not names & {"glass", "paper", "metal", "plastic", "cardboard"} and {"skin", "hair"} <= names
