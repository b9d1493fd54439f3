"""Network Dissection as its three releases compute it, against slow ports of each: thresholds, counts, IoU, labels."""

import numpy as np
import oracles
import pytest
from measured import activations, annotated, measure

from n2vlib.conventions import CONVENTIONS, EVERYWHERE, HALF_PIXEL, IN_IMAGE, UNDER_MASK, Convention
from n2vlib.errors import BadInput
from n2vlib.iou import anchored
from n2vlib.methods import dissection
from n2vlib.receptive import Window

COUNTED = {0: "in the image", 1: "under the mask", 2: "everywhere"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("world"), floor=0.2)


def upsampled(layer, probe, way) -> np.ndarray:
    """All maps enlarged as the release does, (image, filter, height, width)."""
    dense, size = activations(probe, layer.name).astype(np.float64), probe.label_size
    windows = [(int(w.offset), int(w.size), int(w.step)) for w in layer.windows]
    if way.name == "netdissect":
        return oracles.anchored_spline(dense, size, windows, layer.input_size)
    if way.name == "dissect":
        return oracles.zero_padded_grid(dense, size, windows, layer.input_size)
    return oracles.upsample(dense, size, align_corners=False)


@pytest.mark.parametrize("layer", ["1", "3"])
@pytest.mark.parametrize("name", CONVENTIONS)
def test_counts_iou_and_labels_equal_the_release(world, name, layer):
    probe, layers = world
    layer, way, primary = layers[layer], CONVENTIONS[name], probe.concepts["category"].tolist()
    maps = upsampled(layer, probe, way)
    cut = oracles.thresholds(maps, layer.tau) if way.upsampled else layer.thresholds
    predicted = maps > np.asarray(cut, np.float64)[:, None, None]
    iou, intersection, area = oracles.dissection_counts(predicted, annotated(probe), primary, COUNTED[way.counts])
    found = dissection.count(layer, probe, convention=name)
    # T_k itself is one of the values: rounding moves a place here and there.
    np.testing.assert_allclose(found.intersection, intersection, atol=0.002 * intersection.max())
    np.testing.assert_allclose(found.predicted, area, atol=0.002 * area.max())
    np.testing.assert_allclose(found.iou, iou, atol=2e-3)
    asked = np.array([category not in way.left_out for category in primary])
    best = np.flatnonzero(asked)[iou[:, asked].argmax(1)]
    labels = dissection.filters(layer, probe, convention=name)
    sure = np.sort(iou[:, asked], 1)[:, -1] - np.sort(iou[:, asked], 1)[:, -2] > 4e-3
    assert (labels["concept"].to_numpy() == probe.concepts.index[best].to_numpy())[sure].all() and sure.any()


def test_lite_knows_no_materials_and_counts_area_only_where_its_mask_meets_the_category(world):
    probe, layers = world
    assert "material" not in set(dissection.filters(layers["1"], probe, convention="netdissect-lite")["category"])
    under, image, every = (
        dissection.count(layers["1"], probe, convention=Convention(f"counts {rule}", HALF_PIXEL, rule)).predicted
        for rule in (UNDER_MASK, IN_IMAGE, EVERYWHERE)
    )
    assert (under <= image).all() and (image <= every).all()
    assert (under < image).any() and (every == every[:, :1]).all()


@pytest.mark.parametrize(
    ("window", "first", "step"), [((-64, 163, 16), 8, 8), ((0, 11, 4), 2, 2), ((-90, 196, 16), 4, 8)]
)
def test_the_cells_of_the_papers_networks_lie_where_the_release_puts_them(window, first, step):
    """AlexNet conv5 and conv1 and VGG-16 conv5_3 on 224-pixel images with 112-pixel label maps."""
    matrix = anchored(13, 112, 224, Window(*window)).matrix()
    assert matrix[first].tolist() == [1] + 12 * [0]
    assert matrix[first + 3 * step].tolist() == [0, 0, 0, 1] + 9 * [0]
    assert matrix[0].tolist() == [1] + 12 * [0]  # beyond the first centre its value holds


def test_upsampled_thresholds_that_lie_below_what_was_read_are_refused(tmp_path):
    probe, layers = measure(tmp_path)
    with pytest.raises(BadInput, match="floor"):
        dissection.count(layers["1"], probe, convention="dissect")


def test_an_unknown_convention_names_those_there_are(world):
    with pytest.raises(BadInput, match="netdissect-lite"):
        dissection.count(world[1]["1"], world[0], convention="netdissect-light")
