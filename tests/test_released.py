"""Preset "released" against tests/released.py, a slow port of the released Net2Vec program that shares no code with us.

Where the library differs on purpose, both numbers are computed and the test says what makes the difference.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import released
import torch
from numpy.typing import NDArray
from torch import nn

from n2vlib import charts, tables
from n2vlib.activations.layer import Layer, read_layers
from n2vlib.analysis import correlation, embeddings, expressions
from n2vlib.analysis import released as rules
from n2vlib.masks.iou import single_filter_mask
from n2vlib.methods import classification, segmentation, single_filter
from n2vlib.methods.alignment import unit
from n2vlib.methods.segmentation import Options
from n2vlib.networks.load import Network
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.probe import ProbeSet, load_probe
from n2vlib.probe.broden import Labelled, write
from n2vlib.store import Store

WORDS = ["red-c", "blue-c", "grey-c", "cat", "dog", "head", "leg", "fur", "woven", "day-s", "night-s"]
NAMES = dict(enumerate(WORDS, start=1))
RED, CAT, DOG, HEAD, LEG, FUR, WOVEN, DAY = 1, 4, 5, 6, 7, 8, 9, 10
FILTERS, TAU = 12, 0.05  # tau large enough for maps of 169 places


def scenes(n_images: int, side: int):
    """A red cat or a blue dog on grey, or neither; its head and legs are two layers that share a row of pixels."""
    rng = np.random.default_rng(7)
    for i in range(n_images):
        night = rng.random() < 0.5
        color, thing, head, leg, fur = np.zeros((5, side, side), np.uint16)
        height, width = rng.integers(side // 4, side // 2, 2)
        y, x = rng.integers(0, side - height), rng.integers(0, side - width)
        body, middle = np.s_[y : y + height, x : x + width], y + height // 2
        which, pixels = int(rng.integers(2)), rng.integers(0, 60, (side, side, 3)) + (20 if night else 90)
        color[:] = 3
        if i % 8:
            color[body], thing[body] = 1 + which, (CAT, DOG)[which]
            head[y : middle + 1, body[1]], leg[middle : y + height, body[1]] = HEAD, LEG
            leg[middle, body[1]] = HEAD  # the second layer repeats the head's last row
            fur[body] = np.where(rng.random((height, width)) < 0.5, FUR, 0)
            pixels[body] += np.array([[90, 0, 0], [0, 0, 90]])[which]
        # Fur is a part in every second image, and a material in two of three.
        maps = {"color": [color], "object": [thing], "part": [head, leg, *([fur] if i % 2 else [])]}
        maps |= {"material": [fur]} if i % 3 else {}
        whole = {"scene": [11 if night else 10], "texture": [WOVEN] if rng.random() < 0.5 else []}
        image = pixels.astype(np.uint8).repeat(2, 0).repeat(2, 1)
        yield Labelled(f"made/{i:03}.png", image, maps, whole)


def network(side: int) -> Network:
    """One layer of 12 filters on 13 x 13, the last one dead. Weights are small integers over a power of two, so that
    sums are exact in float32 whatever their order, and library and port see the same activations to the last bit."""
    stride = 2 * side // 13
    rng, kernel = np.random.default_rng(1), 2 * side - 12 * stride
    weights = rng.integers(-2, 3, (FILTERS, 3, 1, 1)) + rng.integers(-2, 3, (FILTERS, 3, kernel, kernel))
    weights[-1] = 0
    module = nn.Sequential(nn.Conv2d(3, FILTERS, kernel, stride), nn.ReLU(inplace=True))
    with torch.no_grad():
        module[0].weight[:] = torch.tensor(weights) / 2**14
        module[0].bias[:] = torch.tensor([0.0] * (FILTERS - 1) + [-1.0])
    return Network("planted", module, Preprocessing((2 * side,) * 2, (0.0,) * 3, (1.0,) * 3, 255), "by hand")


class World:
    """The same images read twice: by the library and by the port."""

    def __init__(self, folder: Path, n_images: int, side: int):
        write(folder / "probe", scenes(n_images, side), NAMES)
        self.probe: ProbeSet = load_probe(folder / "probe")
        self.data = released.read(folder / "probe")
        store, options = Store(str(folder / "store")), {"device": "cpu", "quantile": "released", "tau_max": TAU}
        net = network(side)
        self.layer: Layer = read_layers(net, ["1"], self.probe, tau=TAU, store=store, **options)["1"]
        images = np.stack([self.probe.image(i) for i in range(n_images)])
        with torch.inference_mode():
            self.activations = net.module(torch.tensor(images).permute(0, 3, 1, 2).float()).numpy()
        self.fired = released.fired(self.activations, released.thresholds(self.activations, TAU))

    def union(self, c: int, images: NDArray) -> NDArray[np.bool_]:
        """Where any layer of any category shows the concept: the library's rule."""
        every = [[(layers == c).any(0) for layers in self.data.layers[i].values()] for i in images]
        return np.array([np.any(masks, axis=0) for masks in every])


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The port's tensors are small: several threads would mostly wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> World:
    """Maps of 57 x 57: like 113, with pixels where an enlarged filter is exactly one half. Fewer than one batch of
    the concepts' images is left over, so that the last batch is a short one."""
    return World(tmp_path_factory.mktemp("masks"), 48, 57)


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> World:
    """More than 64 images in a balanced validation set."""
    return World(tmp_path_factory.mktemp("presence"), 240, 16)


# --- what is annotated


def test_images_and_masks_are_the_same_where_a_concept_has_one_category(world):
    assert list(world.probe.images) == world.data.images and list(world.probe.split) == list(world.data.split)
    for c in NAMES:
        for split in ("train", "val"):
            assert world.probe.images_with(c, split).tolist() == world.data.images_with(c, split).tolist()
        for i in world.data.images_with(c) if c != FUR else ():
            np.testing.assert_array_equal(world.probe.annotated(c, int(i)), world.data.target(c, i))


def test_a_concept_of_two_categories_is_their_union_here_and_the_first_annotated_one_in_the_released_code(world):
    with_fur = world.data.images_with(FUR)
    ours = np.array([world.probe.annotated(FUR, int(i)) for i in with_fur])
    np.testing.assert_array_equal(ours, world.union(FUR, with_fur))
    part_first = world.data.targets(FUR, with_fur, order=["part", "material"])
    material_first = world.data.targets(FUR, with_fur, order=["material", "part"])
    # Heads and legs are parts in every image with fur, so that a furry material is never looked up.
    lost = ~part_first.any((1, 2))
    assert 0 < lost.sum() == sum(not (world.data.layers[i]["part"] == FUR).any() for i in with_fur)
    np.testing.assert_array_equal(ours[~lost], part_first[~lost])
    np.testing.assert_array_equal(ours, material_first)  # nothing but fur is a material here


def test_where_the_released_code_looks_a_concept_up_and_how_it_adds_layers_is_measured_as_it_does_it(world):
    found = rules.areas(world.probe).set_index(["concept", "image"])
    for c in (RED, HEAD, LEG, FUR, DAY):
        images, order = world.data.images_with(c), world.probe.concepts["categories"][c]
        rows = found.loc[c].loc[images]
        assert rows["united"].tolist() == world.union(c, images).sum((1, 2)).tolist()
        assert rows["looked_up"].tolist() == world.data.targets(c, images, order).sum((1, 2)).tolist()
        assert rows["summed"].tolist() == [world.data.annotated(c, i, order).sum() for i in images]
        summed = rules.alphas(world.probe, found["summed"].to_numpy())
        assert summed[c] == pytest.approx(released.alpha(world.data, c, order), abs=1e-12)
    np.testing.assert_allclose(
        rules.alphas(world.probe, found["united"].to_numpy()), segmentation.alphas(world.probe), atol=1e-12
    )


# --- thresholds


@pytest.mark.parametrize("tau", [0.005, 0.01, TAU])
def test_released_thresholds_are_read_out_of_1000_quantiles(world, tau):
    ours, theirs = world.layer.at(tau).thresholds, released.thresholds(world.activations, tau)
    for k in range(FILTERS):
        values = world.activations[:, k]
        low, high = sorted((float(ours[k]), float(theirs[k])))
        # The table interpolates between two values that follow each other; ours is one of the two.
        assert ours[k] in values and not ((values > low) & (values < high)).any()


@pytest.mark.parametrize("tau", [0.005, 0.01, TAU])
def test_the_same_places_fire_at_the_released_quantile(world, tau):
    layer = world.layer.at(tau)
    ours = np.array([layer.fired_in(i) for i in range(len(world.probe))])
    np.testing.assert_array_equal(ours, released.fired(world.activations, released.thresholds(world.activations, tau)))


# --- one filter


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("split", ["train", "val"])
def test_intersections_and_unions_of_every_filter_are_equal_to_the_pixel(world, split, align_corners):
    found = single_filter.set_counts(world.layer, world.probe, split, align_corners=align_corners)
    for c in (RED, CAT, HEAD, LEG, DAY):
        images, row = world.data.images_with(c, split), c - 1
        masks = released.filter_masks(world.fired[images], world.data.size, align_corners)
        intersection, union = released.overlaps(masks, world.data.targets(c, images))
        ours = found.predicted[:, row] + found.annotated[row] - found.intersection[:, row]
        np.testing.assert_array_equal(found.intersection[:, row], intersection.sum(0))
        np.testing.assert_array_equal(ours, union.sum(0))
        np.testing.assert_allclose(found.iou[:, row], released.set_iou(intersection, union), rtol=1e-12)


@pytest.mark.parametrize("align_corners", [True, False])
def test_individual_iou_is_equal_image_by_image(world, align_corners):
    found = single_filter.align(world.layer, world.probe, align_corners=align_corners)
    for c in (RED, DOG, HEAD):
        images, k = world.data.images_with(c), int(found.weights.loc[c].to_numpy().argmax())
        masks = released.filter_masks(world.fired[images][:, [k]], world.data.size, align_corners)
        intersection, union = released.overlaps(masks, world.data.targets(c, images))
        pairs = found.pairs.query("concept == @c")
        assert pairs["image"].tolist() == images.tolist()
        np.testing.assert_array_equal(pairs["intersection"], intersection[:, 0])
        np.testing.assert_allclose(pairs["individual_iou"], released.individual_iou(intersection, union)[:, 0])


@pytest.mark.parametrize("size", [(113, 113), (57, 57), (40, 61)])
@pytest.mark.parametrize("align_corners", [True, False])
def test_masks_in_integers_are_those_of_float32_but_for_pixels_at_exactly_one_half(size, align_corners):
    fired = np.random.default_rng(0).random((20, 6, 13, 13)) < 0.3
    ours = single_filter_mask(fired, size, align_corners)
    theirs = released.filter_masks(fired, size, align_corners)
    value = released.upsample(torch.tensor(fired), size, align_corners, torch.float64).numpy()
    assert np.abs(value[ours != theirs] - 0.5).max(initial=0) < 1e-12  # float32 rounds a tie up or down


def test_the_best_filter_is_chosen_on_training_images_and_reported_on_validation_images(world):
    scores = single_filter.align(world.layer, world.probe).scores.set_index(["concept", "split"])
    for c in (RED, CAT, DOG, LEG):
        iou = {}
        for split in ("train", "val"):
            images = world.data.images_with(c, split)
            masks = released.filter_masks(world.fired[images], world.data.size)
            iou[split] = released.set_iou(*released.overlaps(masks, world.data.targets(c, images)))
        best = int(iou["train"].argmax())
        for split in ("train", "val"):
            assert scores.loc[(c, split), "filter"] == best
            assert scores.loc[(c, split), "set_iou"] == pytest.approx(iou[split][best], rel=1e-12)


# --- filters together


def segmented(world: World, c: int, alpha: float | None = None, **options) -> tuple[NDArray, NDArray]:
    """The port's weights for one concept from the library's first weights, and those first weights."""
    given = Options(preset="released", n_filters=options.pop("n_filters", None))
    images = world.data.images_with(c, "train")
    first, plan = segmentation.start(world.layer, len(images), c, given)
    assert (plan == np.arange(len(images))).all()  # the order of the index in every epoch
    alpha = released.alpha(world.data, c) if alpha is None else alpha
    return released.learn_to_segment(
        world.fired[images], world.data.targets(c, images), first, alpha=alpha, **options
    ), first


def test_alpha_is_the_same_unless_layers_overlap(world):
    ours = segmentation.alphas(world.probe)
    for c in (RED, CAT, DOG, LEG):
        assert ours[c - 1] == pytest.approx(released.alpha(world.data, c), abs=1e-12)
    # Layers that repeat a pixel: the released code adds them up, and so takes the head for larger than it is.
    train = world.data.images_with(HEAD, "train")
    twice = np.mean([(world.data.annotated(HEAD, i) == 2).mean() for i in train])
    assert twice > 0
    assert ours[HEAD - 1] - released.alpha(world.data, HEAD) == pytest.approx(twice)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("c", [RED, CAT, DOG, LEG])
def test_segmentation_weights_after_30_epochs_are_within_1e_6(world, c, align_corners):
    found = segmentation.align(world.layer, world.probe, preset="released", align_corners=align_corners)
    expected, first = segmented(world, c, align_corners=align_corners)
    assert found.settings["rate"] == 1e-4 and np.abs(expected - first).max() > 0.5
    np.testing.assert_allclose(found.weights.loc[c], expected, rtol=0, atol=1e-6)


def test_where_layers_overlap_the_weights_differ_by_alpha_alone(world):
    ours = segmentation.align(world.layer, world.probe, preset="released").weights.loc[HEAD].to_numpy()
    summed, _ = segmented(world, HEAD)
    united, _ = segmented(world, HEAD, alpha=float(segmentation.alphas(world.probe)[HEAD - 1]))
    np.testing.assert_allclose(ours, united, rtol=0, atol=1e-6)
    assert 1e-3 < np.abs(ours - summed).max() < 0.1


@pytest.mark.parametrize("align_corners", [True, False])
def test_the_combinations_set_iou_is_equal_to_the_pixel(world, align_corners):
    found = segmentation.align(world.layer, world.probe, preset="released", align_corners=align_corners)
    scores = found.scores.set_index(["concept", "split"])["set_iou"]
    for c in (RED, CAT, DOG, LEG):
        weights, pairs = found.weights.loc[c].to_numpy(), found.pairs.query("concept == @c").set_index("image")
        for split in ("train", "val"):
            images = world.data.images_with(c, split)
            masks = released.combination_masks(world.fired[images], weights, world.data.size, align_corners)
            intersection, union = released.overlaps(masks, world.data.targets(c, images))
            np.testing.assert_array_equal(pairs.loc[images, "intersection"], intersection[:, 0])
            assert scores[c, split] == pytest.approx(released.set_iou(intersection, union)[0], rel=1e-12)


def test_with_alpha_zero_the_released_code_learns_to_fire_everywhere_and_we_learn_nothing(world):
    """Labels of whole images: weights 1 and 1 reward M wherever anything fires, and nothing speaks against it."""
    assert released.alpha(world.data, DAY) == 0
    theirs, first = segmented(world, DAY)
    alive = world.fired[world.data.images_with(DAY, "train")].any((0, 2, 3))
    assert (theirs > first)[alive].all() and (theirs == first)[~alive].all()
    assert DAY not in segmentation.align(world.layer, world.probe, preset="released").weights.index


@pytest.mark.parametrize("n", [1, 4])
def test_a_subset_is_the_strongest_filters_of_the_full_solution_learned_again(world, n):
    full = segmentation.align(world.layer, world.probe, preset="released").weights
    found = segmentation.align(world.layer, world.probe, preset="released", n_filters=n)
    for c in (RED, LEG):
        kept = released.strongest(full.loc[c].to_numpy(), n)
        expected, first = segmented(world, c, n_filters=n, kept=kept)
        _, first_of_all = segmented(world, c, epochs=0)
        assert np.abs(first).max() <= 1 / np.sqrt(FILTERS) and not np.isin(first, first_of_all).any()
        ours = found.weights.loc[c].to_numpy()
        assert ((ours != 0) == (kept == 1)).all()
        np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-6)


# --- is it there?


def recognised(world: World, c: int, n_filters: int | None, kept: NDArray | None) -> tuple[NDArray, float]:
    """The port's weights and bias, from the library's first weights and on the images that the library visits."""
    truth = np.isin(np.arange(len(world.probe)), world.data.images_with(c))
    given = classification.Options(n_filters)
    first, bias, samples, begins = classification.start(world.layer, truth, world.data.split == "train", c, given)
    return released.learn_to_recognise(
        world.activations, truth, first, bias, np.split(samples, begins[1:-1]), kept=kept
    )


@pytest.mark.parametrize("n", [None, 1, 4])
def test_classification_weights_on_the_same_images_are_within_1e_6(many, n):
    full = classification.align(many.layer, many.probe).weights
    found = classification.align(many.layer, many.probe, n_filters=n)
    for c in (CAT, DAY):
        kept = None if n is None else released.strongest(full.loc[c].to_numpy(), n)
        expected, bias = recognised(many, c, n, kept)
        np.testing.assert_allclose(found.weights.loc[c], expected, rtol=0, atol=1e-6)
        assert found.bias.loc[c] == pytest.approx(bias, abs=1e-6)


def test_accuracy_by_batches_differs_from_that_of_the_whole_set_by_the_weight_of_the_short_batch(many):
    found = classification.align(many.layer, many.probe)
    ours = found.scores.query("split == 'val'").set_index("concept")["accuracy"]
    by_batches = rules.accuracy_by_batches(found, many.probe)
    validation = many.data.split == "val"
    for c in (DOG, WOVEN):
        weights, bias = found.weights.loc[c].to_numpy(), float(found.bias.loc[c])
        truth = np.isin(np.arange(len(many.probe)), many.data.images_with(c))
        chosen = classification.balanced_set(truth, validation, 0, c)
        chosen = chosen[np.argsort(~truth[chosen], kind="stable")]  # those with the concept first
        answers, n = released.outputs(many.activations, weights, bias)[chosen], len(chosen)
        assert 64 < n < 128 and truth[chosen].sum() * 2 == n
        right = np.abs(truth[chosen] - answers) < 0.5
        theirs = released.accuracy_by_batches(answers, truth[chosen])
        assert ours[c] == pytest.approx(right.mean()) and theirs == pytest.approx(by_batches[c])
        # The last n - 64 images, none with the concept, count for one half instead of (n - 64) / n.
        expected = (right[:64].mean() - right[64:].mean()) * (0.5 - 64 / n)
        assert theirs - ours[c] == pytest.approx(expected, abs=1e-12)
        assert released.accuracy_by_batches(answers, truth[chosen], batch=n) == pytest.approx(ours[c])
        # Whoever always says no is right half the time, and better than that by the released count.
        never = released.accuracy_by_batches(np.zeros(n), truth[chosen])
        assert never == pytest.approx(((64 - n / 2) / 64 + 1) / 2) and never > 0.7


# --- what the figures and tables are made of


def test_correlations_of_weights_with_single_filter_set_iou_are_the_same(world):
    """Of max(w, 0), with the set IoU of every filter on validation images."""
    together = segmentation.align(world.layer, world.probe, preset="released")
    iou = pd.DataFrame(single_filter.set_iou(world.layer, world.probe, "val").T, world.probe.concepts.index)
    found = correlation.of_weights(together.weights, iou.loc[together.weights.index])
    for c in (RED, CAT, DOG, LEG):
        images = world.data.images_with(c, "val")
        masks = released.filter_masks(world.fired[images], world.data.size)
        theirs = released.set_iou(*released.overlaps(masks, world.data.targets(c, images)))
        r, p = released.correlation(together.weights.loc[c].to_numpy(), theirs)
        assert found.loc[c].tolist() == pytest.approx([r, p], rel=1e-6)
        assert (found.loc[c, "p"] < 0.01) == (p < 0.01)


def spaces(world: World) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two embeddings with concepts in common: by segmentation, and by classification."""
    masks = segmentation.align(world.layer, world.probe, preset="released")
    presence = classification.align(world.layer, world.probe)
    shared = masks.weights.index.intersection(presence.weights.index)
    return masks.weights.loc[shared], presence.weights.loc[shared]


def test_distances_between_embeddings_are_the_same_whole_and_concept_by_concept(world):
    one, other = spaces(world)
    whole, each = released.distance(one.to_numpy(), other.to_numpy())
    ours = unit(one), unit(other)
    assert len(one) >= 4 and whole > 0.1
    assert embeddings.distance(*ours) == pytest.approx(whole, rel=1e-6)
    np.testing.assert_allclose(embeddings.distance_by_concept(*ours), each, rtol=1e-6)


def test_nearest_concepts_and_arithmetic_are_the_same(world):
    vectors, _ = spaces(world)
    space, rows = unit(vectors), vectors.to_numpy()
    found = embeddings.neighbours(space, n=3)
    for at, c in enumerate(space.index):
        near = found.loc[found["concept"] == c]
        theirs = released.nearest(rows, [at], n=3)
        assert near["neighbour"].tolist() == [space.index[k] for k, _ in theirs]
        np.testing.assert_allclose(near["cosine"], [score for _, score in theirs], rtol=1e-6)
    terms = [(1, int(space.index[0])), (1, int(space.index[2])), (-1, int(space.index[1]))]
    ours, theirs = expressions.arithmetic(space, terms, n=3), released.nearest(rows, [0, 2], [1], n=3)
    assert ours["neighbour"].tolist() == [space.index[k] for k, _ in theirs]
    np.testing.assert_allclose(ours["score"], [score for _, score in theirs], rtol=1e-6)


def test_our_standard_error_has_the_number_of_the_categorys_concepts_under_the_root(world):
    scores = single_filter.align(world.layer, world.probe).scores
    means = tables.by_category(scores).set_index("category")
    for category, rows in scores.query("split == 'val'").groupby("category"):
        values = rows["set_iou"].dropna().to_numpy()
        if len(values) > 1:  # ours also divides by n - 1 in the deviation, as of a sample
            theirs = released.standard_error(values) * np.sqrt(len(values) / (len(values) - 1))
            assert means.loc[category, "standard_error"] == pytest.approx(theirs)
            assert released.standard_error(values, over=1198) < 0.1 * theirs


def test_a_difference_of_two_recipes_is_a_mean_over_concepts_and_nothing_differs_from_itself(world):
    one, other = (
        segmentation.align(world.layer, world.probe, preset="released", align_corners=a) for a in (True, False)
    )
    found = rules.difference(one, other, world.probe, draws=50)
    gap = other.scores["set_iou"] - one.scores["set_iou"]
    gap = gap[one.scores["split"] == "val"].dropna()
    assert found["difference"] == pytest.approx(gap.mean()) == pytest.approx(found["other"] - found["one"])
    assert found["moved"] == (gap.abs() > 0.01).mean() and found["low"] < found["high"]
    same = rules.difference(one, one, world.probe, draws=50)
    assert same["difference"] == same["low"] == same["high"] == same["moved"] == 0


def test_a_chart_of_differences_has_a_row_for_each_and_a_line_at_zero():
    table = pd.DataFrame({"rule": ["a", "b.c"], "difference": [0.1, -0.2], "low": [0.0, -0.3], "high": [0.2, -0.1]})
    drawn = charts.differences(table, "b.c is largest", "rule", "one minus the other").to_dict()
    values = [row for data in drawn["datasets"].values() for row in data]
    assert [row["rule"] for row in values if "rule" in row] == ["a", "b.c"] and {"x": 0.0} in values
    assert drawn["description"].startswith("b.c is largest")
