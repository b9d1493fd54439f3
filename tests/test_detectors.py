"""Detectors of several layers side by side, counted from planted tables and a measured world."""

import numpy as np
import pandas as pd
import pytest
from measured import measure

from n2vlib.analysis import detectors
from n2vlib.errors import BadInput
from n2vlib.store import Store


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("world"))


def planted() -> pd.DataFrame:
    rows = [(0, 1, "dog", "object", 0.1), (1, 1, "dog", "object", 0.3), (2, 2, "cat", "object", 0.2)]
    rows.append((3, 3, "red", "color", 0.5))
    return pd.DataFrame(rows, columns=["filter", "concept", "name", "category", "dissection_iou"])


def test_a_concept_has_the_number_and_mean_iou_of_its_detectors():
    table = detectors.by_concept(planted(), "object")
    assert table[["name", "detectors"]].to_numpy().tolist() == [["dog", 2], ["cat", 1]]
    assert table["dissection_iou"].tolist() == pytest.approx([0.2, 0.2])
    assert len(detectors.by_concept(planted())) == 3


def test_correlation_is_pearsons_and_nothing_of_two_or_of_equal_numbers():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"detectors": rng.integers(1, 9, 20), "dissection_iou": rng.uniform(size=20)})
    r, low, high = detectors.correlation(table)
    assert r == pytest.approx(np.corrcoef(table["detectors"], table["dissection_iou"])[0, 1]) and low < r < high
    assert np.isnan(detectors.correlation(table.head(2))).all()
    assert np.isnan(detectors.correlation(table.assign(detectors=1))).all()


def test_every_layer_and_category_has_a_row_and_the_shares_are_of_all_filters(world):
    probe, layers = world
    found = detectors.detectors(layers, probe, iou_threshold=0.005)
    counted = detectors.unique(found, probe)
    assert len(counted) == len(layers) * probe.concepts["category"].nunique()
    assert list(detectors.wide(counted).index) == list(layers)
    shares = detectors.shares(found, layers).set_index("label")
    for label, layer in layers.items():
        assert shares.loc[label, "share"] == len(found[label]) / layer.n_filters
        assert shares.loc[label, "unique_per_filter"] == found[label]["concept"].nunique() / layer.n_filters
        assert counted.query("label == @label")["detectors"].sum() == len(found[label])
    assert (shares["low"] <= shares["share"]).all() and (shares["share"] <= shares["high"]).all()


def test_layers_of_one_network_are_read_in_one_pass_and_keep_their_order(world, tmp_path, monkeypatch):
    probe, passes = world[0], []
    reading = detectors.read_layers
    monkeypatch.setattr(detectors, "read_layers", lambda *a, **k: passes.append(a[1]) or reading(*a, **k))
    rows = [{"network": "small-alexnet", "layer": layer} for layer in ("conv2", "conv1")]
    options = {"tau": 0.05, "device": "cpu", "store": Store(str(tmp_path))}
    table, layers = detectors.read(probe, rows, **options, with_layer=True)
    assert passes == [["conv2", "conv1"]] and table["layer"].tolist() == ["conv2", "conv1"]
    assert {label: layer.name for label, layer in layers.items()} == dict(
        zip(table["label"], table["layer"], strict=True)
    )
    with pytest.raises(BadInput, match="given twice"):
        detectors.read(probe, rows, **options)


def test_no_detector_at_all_is_a_row_of_zeros(world):
    probe, layers = world
    found = detectors.detectors(layers, probe, iou_threshold=0.99)
    assert detectors.unique(found, probe)["unique_detectors"].sum() == 0
