"""Network Dissection as its three releases compute it, against slow ports of each: thresholds, counts, IoU, labels."""

from dataclasses import replace
from functools import partial

import numpy as np
import oracles
import pytest
import released
import torch
from measured import NAMES, activations, annotated, measure, network, probe_in, scenes
from torch import nn

from n2vlib.activations.layer import read_layers
from n2vlib.errors import BadInput
from n2vlib.kernels import tally, tally_torch
from n2vlib.masks.conventions import CONVENTIONS, EVERYWHERE, HALF_PIXEL, IN_IMAGE, UNDER_MASK, Convention
from n2vlib.masks.iou import anchored
from n2vlib.methods import dissection
from n2vlib.networks.load import load_network
from n2vlib.networks.receptive_field import Window
from n2vlib.probe import load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.store import Store

COUNTED = {0: "in the image", 1: "under the mask", 2: "everywhere"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return measure(tmp_path_factory.mktemp("world"), tau_max=0.2)


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
@pytest.mark.parametrize("name", ["netdissect", "dissect"])
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
    best, labels = iou.argmax(1), dissection.filters(layer, probe, convention=name)
    sure = np.sort(iou, 1)[:, -1] - np.sort(iou, 1)[:, -2] > 4e-3
    assert (labels["concept"].to_numpy() == probe.concepts.index[best].to_numpy())[sure].all() and sure.any()


def two_category_scenes():
    """Wood is object and material, skin part and material, dusk scene and texture: by one map, by two, by none."""
    for i, scene in enumerate(scenes(40, seed=3)):
        maps, whole = dict(scene.maps), dict(scene.whole)
        rng = np.random.default_rng([4, i])
        wood, skin = (np.where(rng.random((16, 16)) < 0.3, number, 0).astype(np.uint16) for number in (7, 11))
        moved = np.roll(skin, 4, 1)
        maps["part"] = [*maps["part"], skin, moved] if i % 2 else maps["part"]  # where they overlap, twice
        maps["material"] = [*maps["material"], skin if i % 3 else moved, wood]
        maps["object"] = [*maps["object"], wood] if i % 4 == 0 else maps["object"]
        whole["texture"] = [12] if i % 3 == 0 else []
        whole["scene"] = [*whole["scene"], 12] if i % 2 == 0 else whole["scene"]
        whole["part"] = [11] if i % 10 == 1 else []  # beside a map
        yield Labelled(scene.name, scene.image, maps, whole)


@pytest.fixture(scope="module")
def two_categories(tmp_path_factory):
    root = tmp_path_factory.mktemp("two")
    write(root / "probe", two_category_scenes(), NAMES | {11: "skin", 12: "dusk"})
    index = (root / "probe" / "index.csv").read_text().split("\n")
    place = index[0].split(",").index("scene")
    for row in (3, 7, 11):  # scenes that were too rare when the set was built
        cells = index[row].split(",")
        index[row] = ",".join([*cells[:place], "0", *cells[place + 1 :]])
    (root / "probe" / "index.csv").write_text("\n".join(index))
    probe, store = load_probe(str(root / "probe")), Store(str(root / "store"))
    return probe, read_layers(network(), ["1", "3"], probe, tau=0.05, device="cpu", store=store)


@pytest.mark.parametrize("without", [("material",), (), ("part", "color")], ids=str)
@pytest.mark.parametrize("kernel", ["numba", "torch"])
def test_lite_is_the_release_count_for_count(two_categories, without, kernel, monkeypatch):
    """Enlarging 8 and 4 cells to 16 pixels is exact in float64, so masks do not depend on rounding."""
    probe, layers = two_categories
    if kernel == "torch":
        monkeypatch.setattr(tally, "dissection_counts", partial(tally_torch.dissection_counts, device="cpu"))
    way = replace(CONVENTIONS["netdissect-lite"], name=f"lite by {kernel}", left_out=without)
    for name, layer in layers.items():
        maps = oracles.upsample(activations(probe, name), probe.label_size, align_corners=False)
        theirs = released.dissect(probe.root, maps > layer.thresholds[:, None, None].astype(float), without)
        ours = dissection.count(layer, probe, convention=way)
        numbers = probe.concepts.index
        np.testing.assert_array_equal(ours.intersection, theirs["intersect"][:, numbers])
        np.testing.assert_array_equal(ours.predicted, theirs["activation"][:, numbers])
        np.testing.assert_array_equal(ours.annotated, theirs["truth"][numbers])
        found = dissection.filters(layer, probe, convention=way)
        best = theirs["iou"][:, numbers].argmax(1)
        alive = theirs["iou"][:, numbers].max(1) > 0
        np.testing.assert_allclose(found["dissection_iou"], theirs["iou"][:, numbers].max(1), atol=1e-9)
        assert (found["concept"].to_numpy() == numbers[best])[alive].all() and alive.any()
        read_as = theirs["categories"][theirs["primary"][numbers[best]]]
        assert (found["category"].to_numpy() == read_as)[alive].all()


def test_a_concept_of_two_categories_of_which_one_is_left_out_is_one_of_the_other(two_categories):
    probe, layers = two_categories
    skin, wood = probe.concept("skin"), probe.concept("wood")
    assert probe.concepts.loc[[skin, wood], "category"].tolist() == ["part", "material"]
    table = dissection.align(layers["1"], probe, convention="netdissect-lite").scores.set_index("concept")
    assert table.loc[[skin, wood], "category"].tolist() == ["part", "object"]
    assert "material" not in set(table["category"])


def test_a_set_counts_a_pixel_once_whatever_number_of_maps_show_it(two_categories):
    """`netdissect` is the paper's: annotated masks are sets, over the maps of all categories."""
    probe, layers = two_categories
    found = dissection.count(layers["1"], probe)
    union = [sum(int(probe.annotated(int(c), i).sum()) for i in range(len(probe))) for c in probe.concepts.index]
    assert found.annotated.tolist() == union
    lite = dissection.count(layers["1"], probe, convention="netdissect-lite").annotated
    assert (lite > found.annotated).any() and (lite < found.annotated).any()


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


class OpenGate(nn.Module):
    """Squeeze and excitation that always says 1."""

    def forward(self, x):
        return x * (x.mean((2, 3), keepdim=True) * 0 + 1)


@pytest.mark.parametrize("name", ["netdissect", "dissect"])
def test_cells_behind_a_gate_are_placed_as_without_it(tmp_path, name):
    probe, found = probe_in(tmp_path), []
    for gate in (nn.Identity(), OpenGate()):
        torch.manual_seed(0)
        module = nn.Sequential(nn.Conv2d(3, 5, 4, 4), gate, nn.Conv2d(5, 6, 3, 2, 1), nn.ReLU())
        shown = {"size": 32, "mean": 0.5, "std": 0.25}
        store = Store(str(tmp_path / f"store-{len(found)}"))
        layer = read_layers(load_network(module, None, shown), ["3"], probe, tau=0.05, tau_max=0.2, store=store)["3"]
        found.append(dissection.dissection_iou(layer, probe, convention=name))
    assert found[0].max() > 0.05
    np.testing.assert_array_equal(*found)


def test_upsampled_thresholds_that_lie_below_what_was_read_are_refused(tmp_path):
    probe, layers = measure(tmp_path)
    with pytest.raises(BadInput, match="tau_max"):
        dissection.count(layers["1"], probe, convention="dissect")


def test_an_unknown_convention_names_those_there_are(world):
    with pytest.raises(BadInput, match="netdissect-lite"):
        dissection.count(world[1]["1"], world[0], convention="netdissect-light")
