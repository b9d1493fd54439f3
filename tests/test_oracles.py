"""The slow reference functions against other people's code and numbers worked out by hand."""

import numpy as np
import oracles
import pytest
import torch
from PIL import Image
from torchmetrics.classification import BinaryJaccardIndex

RNG = np.random.default_rng(0)


def square(size: int, rows: slice, columns: slice) -> np.ndarray:
    mask = np.zeros((size, size), dtype=bool)
    mask[rows, columns] = True
    return mask


# --- thresholds and upsampling


def test_threshold_is_the_order_statistic_and_leaves_floor_tau_m_above():
    activations = RNG.permutation(200).astype(np.float32).reshape(2, 1, 10, 10)
    assert oracles.thresholds(activations, 0.005) == [198]  # j = ceil(0.995 * 200) = 199, counted from one
    assert oracles.fired(activations, [198]).sum() == 1
    for tau, above in [(0.02, 4), (0.0125, 2), (0.004, 0)]:
        assert oracles.fired(activations, oracles.thresholds(activations, tau)).sum() == above


def test_values_equal_to_the_threshold_do_not_fire():
    activations = np.array([0, 1, 2, 5, 5, 5], dtype=np.float32).reshape(1, 1, 2, 3)
    assert oracles.thresholds(activations, 0.34) == [5]
    assert not oracles.fired(activations, [5]).any()


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize(
    ("grid", "size"), [((13, 13), (113, 113)), ((3, 5), (7, 20)), ((1, 4), (6, 6)), ((4, 4), (4, 4))]
)
def test_upsampling_is_that_of_torch(grid, size, align_corners):
    maps = RNG.normal(size=(2, 3, *grid))
    theirs = torch.nn.functional.interpolate(
        torch.tensor(maps), size=size, mode="bilinear", align_corners=align_corners
    )
    assert np.allclose(oracles.upsample(maps, size, align_corners), theirs.numpy(), rtol=0, atol=1e-12)


def test_half_pixel_upsampling_is_that_of_pillow():
    grid = RNG.normal(size=(13, 13)).astype(np.float32)
    theirs = np.asarray(Image.fromarray(grid).resize((113, 113), Image.Resampling.BILINEAR))
    assert np.allclose(oracles.upsample(grid, (113, 113), align_corners=False), theirs, rtol=0, atol=1e-6)


def test_two_points_upsampled_by_hand():
    grid = np.array([[0.0, 4.0]])
    assert oracles.upsample(grid, (1, 5), align_corners=True).tolist() == [[0, 1, 2, 3, 4]]
    assert oracles.upsample(grid, (1, 4), align_corners=False).tolist() == [[0, 1, 3, 4]]


def test_exactly_one_half_is_not_in_the_mask():
    one = np.array([[True, False]])
    assert oracles.single_filter_mask(one, (1, 5), align_corners=True).tolist() == [[True, True, False, False, False]]
    diagonal = np.eye(2, dtype=bool)  # the middle pixel is 1/4 + 1/4
    assert oracles.single_filter_mask(diagonal, (3, 3), align_corners=True)[1].tolist() == [False, False, False]


@pytest.mark.parametrize("align_corners", [True, False])
def test_single_filter_mask_is_the_rounded_upsampling_away_from_ties(align_corners):
    maps = RNG.random((3, 13, 13)) < 0.3
    exact = oracles.single_filter_mask(maps, (56, 56), align_corners)
    rounded = oracles.upsample(maps, (56, 56), align_corners)
    clear = np.abs(rounded - 0.5) > 1e-9
    assert clear.mean() > 0.9
    assert np.array_equal(exact[clear], rounded[clear] > 0.5)
    assert not exact[~clear].any()


# --- intersection, union


def test_set_iou_pools_pixels_and_is_that_of_torchmetrics():
    predicted, annotated = RNG.random((2, 6, 8, 8)) < 0.4
    annotated[4] = False  # not annotated: firing there is not punished
    shown = annotated.any(axis=(1, 2))
    theirs = BinaryJaccardIndex()(torch.tensor(predicted[shown]), torch.tensor(annotated[shown]))
    assert oracles.set_iou(predicted, annotated) == pytest.approx(theirs.item(), abs=1e-7)


def test_individual_iou_gives_every_image_the_same_weight():
    annotated = np.stack([np.ones((4, 4), dtype=bool), square(4, slice(0, 1), slice(0, 1))])
    predicted = annotated.copy()
    predicted[1] = False
    assert oracles.set_iou(predicted, annotated) == pytest.approx(16 / 17)
    assert oracles.individual_iou(predicted, annotated).tolist() == [1, 0]
    for mask, truth, iou in zip(predicted, annotated, oracles.individual_iou(predicted, annotated), strict=True):
        assert BinaryJaccardIndex()(torch.tensor(mask), torch.tensor(truth)).item() == pytest.approx(iou)


def test_a_filter_that_segments_the_concept_has_set_iou_one():
    activations = np.zeros((2, 2, 2, 2), dtype=np.float32)
    activations[:, 0, 0, 0] = 9  # filter 0 fires in the upper left, filter 1 in the lower right
    activations[:, 1, 1, 1] = 9
    annotated = oracles.single_filter_mask(activations[:, 0] > 0, (8, 8), align_corners=False)
    found = oracles.single_filter_set_iou(activations, [0, 0], annotated, align_corners=False)
    assert found.tolist() == [1, 0]


def test_dissection_iou_counts_area_only_where_the_category_is_labelled():
    activations = np.ones((3, 1, 2, 2), dtype=np.float32)  # fires everywhere: 16 pixels of each image
    annotated = np.zeros((3, 3, 4, 4), dtype=bool)
    annotated[0, 0, :2] = True  # image 0: a dog, on 8 pixels
    annotated[1, 1, :1] = True  # image 1: a cat, on 4
    annotated[2, 2] = True  # image 2: red everywhere, no object
    iou, intersection, area = oracles.dissection_iou(activations, [0.5], annotated, ["object", "object", "color"])
    assert intersection.tolist() == [[8, 4, 16]]
    assert area.tolist() == [[32, 32, 16]]
    assert iou.tolist() == [[8 / 32, 4 / 32, 1]]


def test_dissection_upsamples_before_the_threshold():
    activations = np.array([[0.0, 8.0]], dtype=np.float32).reshape(1, 1, 1, 2)
    annotated = np.ones((1, 1, 1, 4), dtype=bool)  # upsampled values are 0, 2, 6, 8
    for threshold, pixels in [(0, 3), (1, 3), (2, 2), (4, 2), (7, 1), (8, 0)]:
        assert oracles.dissection_iou(activations, [threshold], annotated, ["object"])[1].item() == pixels


def test_corners_equal_to_the_threshold_give_no_mask():
    value = np.float32(0.1)
    activations = np.full((1, 1, 13, 13), value)
    annotated = np.ones((1, 1, 113, 113), dtype=bool)
    assert oracles.dissection_iou(activations, [value], annotated, ["object"])[1].item() == 0


# --- filter combinations


def test_alpha_is_the_mean_share_of_pixels_not_annotated():
    annotated = np.stack([square(4, slice(0, 4), slice(0, 1)), np.zeros((4, 4), dtype=bool)])
    assert oracles.balance(annotated) == 1 - 0.125


@pytest.mark.parametrize(("loss", "slope"), [("equation 4", 0.25), ("log", 0.5)])
def test_one_segmentation_step_by_hand(loss, slope):
    # One place, one pixel, w = 0: M = 1/2; d sigma / dz = 1/4 and d log sigma / dz = 1/2.
    x, alpha = np.ones((2, 1, 1, 1), dtype=bool), 0.75
    annotated = np.array([True, False]).reshape(2, 1, 1)
    found = oracles.train_segmentation(x, annotated, np.zeros(1), [[0, 1]], alpha=alpha, loss=loss, rate=1.0)
    assert found == pytest.approx((alpha - (1 - alpha)) * slope / 2)


def test_momentum_is_torchs():
    x, annotated = np.ones((1, 1, 1, 1), dtype=bool), np.ones((1, 1, 1), dtype=bool)
    w = v = 0.0
    for _ in range(3):
        m = 1 / (1 + np.exp(-w))
        v = 0.9 * v - 0.5 * m * (1 - m)
        w -= 0.1 * v
    found = oracles.train_segmentation(x, annotated, np.zeros(1), [[0]] * 3, alpha=0.5, rate=0.1)
    assert found == pytest.approx(w)


@pytest.mark.parametrize("loss", ["equation 4", "log"])
def test_segmentation_learns_the_filter_that_segments_the_concept(loss):
    x = RNG.random((12, 3, 4, 4)) < 0.3
    annotated = oracles.upsample(x[:, 1], (8, 8), align_corners=True) > 0
    batches = [list(range(i, i + 4)) for i in (0, 4, 8)] * 60
    alpha = oracles.balance(annotated)
    w = oracles.train_segmentation(x, annotated, np.full(3, 0.1), batches, alpha=alpha, loss=loss, rate=0.02)
    assert w.argmax() == 1
    assert oracles.set_iou(oracles.combination_mask(x, w, (8, 8), True), annotated) > 0.8


def test_float32_training_stays_close_to_float64():
    x, annotated = RNG.random((8, 5, 4, 4)) < 0.4, RNG.random((8, 9, 9)) < 0.3
    start, batches = RNG.uniform(-0.4, 0.4, 5), [[0, 1, 2, 3], [4, 5, 6, 7]] * 10
    both = [
        oracles.train_segmentation(x, annotated, start, batches, alpha=0.7, rate=1e-3, dtype=dtype)
        for dtype in (torch.float32, torch.float64)
    ]
    assert np.abs(both[1] - start).max() > 1e-2
    assert np.allclose(*both, rtol=0, atol=1e-6)


def test_combination_with_a_single_weight_is_where_its_upsampling_is_positive():
    x = np.zeros((1, 2, 1, 2), dtype=bool)
    x[0, 1, 0, 0] = True
    mask = oracles.combination_mask(x, np.array([5.0, 1.0]), (1, 5), align_corners=True)
    assert mask.tolist() == [[[True, True, True, True, False]]]


# --- classification


def test_one_classification_step_by_hand():
    pooled, contains = np.array([[2.0], [4.0]]), np.array([True, False])
    w, b = oracles.train_classification(pooled, contains, np.zeros(1), 0.0, [[[0, 1]]], rate=0.1)
    # d/dw mean of (sigmoid - target) x = (-0.5 * 2 + 0.5 * 4) / 2 = 0.5; d/db = 0
    assert w == pytest.approx(-0.05)
    assert b == pytest.approx(0)


def test_the_rate_falls_tenfold_after_decay_every_epochs():
    pooled, contains, plan = np.zeros((1, 1)), np.array([True]), [[[0]]] * 2
    bias = [0.0]
    for rate in (0.1, 0.01):
        bias.append(bias[-1] + rate * (1 - 1 / (1 + np.exp(-bias[-1]))))
    _, b = oracles.train_classification(pooled, contains, np.zeros(1), 0.0, plan, decay_every=1, momentum=0.0)
    assert b == pytest.approx(bias[-1])


def test_filters_not_kept_have_no_weight():
    pooled, contains = RNG.random((6, 3)), np.array([True, False] * 3)
    kept = np.array([0, 1, 0])
    w, _ = oracles.train_classification(pooled, contains, np.ones(3), 0.0, [[list(range(6))]] * 5, kept=kept)
    assert w[0] == w[2] == 0
    assert w[1] != 1


def test_balanced_accuracy_weighs_both_answers_alike():
    logits = np.array([1.0, -1.0, -1.0, -1.0, 0.0])
    contains = np.array([True, False, False, False, False])
    assert oracles.balanced_accuracy(logits, contains) == (1 + 3 / 4) / 2
