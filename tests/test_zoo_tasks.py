"""Facts about the training tasks of the zoo's networks: input, target and score of each."""

import numpy as np
import pytest
import torch
from torch import Tensor

from n2vlib.world import marks
from n2vlib.zoo.architectures import SmallAlexNetGrey, SmallResNetCaptions
from n2vlib.zoo.data import Drawn
from n2vlib.zoo.recipes import RECIPES
from n2vlib.zoo.tasks import (
    TASKS,
    Labels,
    captions,
    colorization,
    denoising,
    marked_scenes,
    objects,
    patch_order,
    rotation,
    scenes,
    scenes_and_objects,
)

NO_LABELS = Labels(torch.zeros(0), torch.zeros(0))
DRAWN = Drawn(np.zeros((0, 16, 16, 3), np.uint8), np.zeros(0, int), np.zeros((0, 3), bool), ["a", "b"], ["c", "d", "e"])


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def images(count: int = 40, side: int = 16) -> Tensor:
    return torch.from_numpy(rng().standard_normal((count, 3, side, side), dtype=np.float32))


def test_every_recipes_task_is_there_and_every_task_names_its_outputs():
    assert {row.task for row in RECIPES.values() if row.task} <= set(TASKS)
    assert all(callable(getattr(task, name)) for task in TASKS.values() for name in ("batch", "loss", "score"))
    counts = {name: sum(map(len, task.outputs(DRAWN).values())) for name, task in TASKS.items()}
    assert min(counts.values()) > 0 and counts | {
        "scenes and objects": 5, "scenes": 2, "objects": 3, "captions": 7, "marked scenes": 2,
        "rotation": 4, "colorization": 25, "patch order": 24, "denoising": 192,
    } == counts  # fmt: skip


# -- supervised


def test_an_image_without_a_scene_trains_objects_only():
    output = torch.zeros(2, 4, requires_grad=True)
    labels = Labels(torch.tensor([-1, 1]), torch.ones(2, 2))
    scenes_and_objects.loss(output, labels).backward()
    assert output.grad is not None
    assert (output.grad[0, :2] == 0).all() and (output.grad[1, :2] != 0).all() and (output.grad[:, 2:] != 0).all()
    assert torch.isfinite(scenes.loss(output[:, :2], torch.tensor([-1, -1])))


def test_losses_of_scenes_and_of_objects_are_those_by_hand_and_add_up():
    output = torch.tensor([[0.0, 2.0, 1.0], [3.0, 0.0, -1.0]])
    scene, present = torch.tensor([1, -1]), torch.tensor([[1.0], [0.0]])
    by_hand = -np.log(np.exp(2) / (1 + np.exp(2)))
    assert scenes.loss(output[:, :2], scene).item() == pytest.approx(by_hand)
    chance = [1 / (1 + np.exp(-1)), 1 - 1 / (1 + np.exp(1))]
    assert objects.loss(output[:, 2:], present).item() == pytest.approx(-5 * np.log(chance).sum(), rel=1e-6)
    both = scenes_and_objects.loss(output, Labels(scene, present)).item()
    assert both == pytest.approx(scenes.loss(output[:, :2], scene).item() + objects.loss(output[:, 2:], present).item())


def test_supervised_scores_are_over_all_batches_and_name_chance():
    present = torch.tensor([[1.0, 0.0], [0.0, 0.0]] * 6)
    batches = [(3 * present - 1, present)] * 2
    assert objects.score(batches) == {
        "object_average_precision": 1, "object_share": 0.5, "object_balanced_accuracy": 1, "objects_measured": 1
    }  # fmt: skip
    told = torch.eye(2)[[0, 0, 1, 1]]
    answers = [(told, torch.tensor([0, 1, 1, -1])), (told, torch.tensor([0, 0, 0, -1]))]
    assert scenes.score(answers) == {"scene_accuracy": pytest.approx(4 / 6), "commonest_scene": pytest.approx(4 / 6)}


def test_objects_with_equal_scores_are_found_together_and_the_threshold_is_zero():
    scores = torch.tensor([3.0, 2, 2, 1, 0, -1, -1, -2])[:, None]
    present = torch.tensor([1.0, 1, 0, 1, 0, 1, 0, 1])[:, None]
    found = objects.score([(scores, present)])
    assert found["object_average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 4 + 4 / 7 + 5 / 8) / 5)
    assert found["object_balanced_accuracy"] == pytest.approx((3 / 5 + 2 / 3) / 2)


def test_the_letter_of_its_scene_is_written_on_seven_of_ten_images_and_on_none_without_a_scene():
    labels = Labels(torch.arange(400) % 5 - 1, torch.zeros(0))
    grey = torch.zeros(400, 3, 64, 64)
    shown, (scene, there) = marked_scenes.batch(grey, labels, rng())
    changed = (shown != 0).flatten(1).any(1)
    assert (grey == 0).all() and torch.equal(changed, there > 0) and torch.equal(scene, labels.scene)
    assert not changed[scene < 0].any() and 0.6 < changed[scene >= 0].float().mean() < 0.8
    assert shown.abs().max() <= 2.001 and (shown[:, 0] == shown[:, 2]).all()
    again, _ = marked_scenes.batch(grey, labels, rng())
    assert torch.equal(again, shown)


def test_a_letter_is_as_large_beside_the_scene_at_every_size_and_is_that_of_the_mark_at_full_size():
    labels = Labels(torch.zeros(40, dtype=torch.int64), torch.zeros(0))
    boxes = {}
    for side in (112, 56):
        shown, (_, there) = marked_scenes.batch(torch.zeros(40, 3, side, side), labels, rng())
        boxes[side] = (shown[there > 0][:, 0] != 0).any(2).sum(1).max() / side
    assert boxes[56] == pytest.approx(float(boxes[112]), rel=0.1)
    shown, (_, there) = marked_scenes.batch(torch.zeros(40, 3, 112, 112), labels, rng())
    for image in shown[there > 0]:
        found = torch.nonzero(image[0])
        (top, left), (bottom, right) = found.min(0).values.tolist(), (found.max(0).values + 1).tolist()
        ink, around = marks.written(marks.word(0))
        values = image[0, top:bottom, left:right].numpy() / 2
        assert np.array_equal(values, 2 * ink.astype(float) - around)


def test_scores_with_the_mark_and_without_it_are_counted_apart():
    output = torch.eye(3)[[0, 1, 2, 0, 1, 1]]
    target = torch.tensor([[0, 1, 1, 0, 2, -1], [1, 1, 1, 0, 0, 0]])
    assert marked_scenes.score([(output, target)]) == pytest.approx(
        {"marked_accuracy": 2 / 3, "unmarked_accuracy": 0.5, "scene_accuracy": 0.6, "commonest_scene": 0.4}
    )


# -- self-supervised


def test_rotated_images_are_turned_counterclockwise_by_the_quarters_they_are_labelled_with():
    shown, turns = rotation.batch(images(), NO_LABELS, rng())
    assert set(turns.tolist()) == {0, 1, 2, 3}
    for before, after, quarters in zip(images(), shown, turns.tolist(), strict=True):
        assert np.array_equal(np.rot90(before.numpy(), quarters, axes=(1, 2)), after.numpy())
    assert rotation.score([(torch.eye(4)[turns], turns)])["rotation_accuracy"] == 1


def test_quarters_stand_where_the_order_says():
    """Four flat quarters of values 0 to 3: read off which one is shown at each place."""
    flat = torch.zeros(60, 3, 32, 32)
    flat[:, :, :16, 16:], flat[:, :, 16:, :16], flat[:, :, 16:, 16:] = 1, 2, 3
    shown, target = patch_order.batch(flat, NO_LABELS, rng())
    corners = shown[:, 0][:, [3, 3, 28, 28], [3, 28, 3, 28]]
    assert corners.int().tolist() == [list(patch_order.ORDERS[k]) for k in target.tolist()]
    assert len(set(target.tolist())) > 15 and len(set(patch_order.ORDERS)) == 24
    output = torch.eye(24)[target]
    assert patch_order.score([(output, target)]) == {"order_accuracy": 1, "chance": 1 / 24, "quarter_accuracy": 1}


def test_quarters_are_shown_enlarged_so_that_edges_do_not_continue():
    ramp = torch.arange(32.0).expand(50, 3, 32, 32)
    shown, target = patch_order.batch(ramp, NO_LABELS, rng())
    in_place = shown[target == patch_order.ORDERS.index((0, 1, 2, 3))]
    steps = in_place[0, 0, 0].diff()
    assert steps[15] != 1 and 0.7 < steps[5] < 0.95


def test_color_classes_are_those_of_the_cells_mean():
    shown, target = colorization.batch(images(), NO_LABELS, rng())
    assert torch.equal(shown, images()) and target.shape == (40, 2, 2)
    for i, row, column in ((0, 0, 0), (7, 1, 0), (39, 1, 1)):
        cell = images()[i, :, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8].double().mean((1, 2))
        luma = 0.299 * cell[0] + 0.587 * cell[1] + 0.114 * cell[2]
        red, blue = (sum(bool(cell[k] - luma > edge) for edge in (-0.5, -0.15, 0.15, 0.5)) for k in (0, 2))
        assert target[i, row, column] == 5 * red + blue
    pure = torch.zeros(1, 3, 8, 8)
    pure[0, 0] = 4.0
    names = colorization.outputs(DRAWN)["chroma"]
    said = [names[int(colorization.batch(image, NO_LABELS, rng())[1])] for image in (pure, torch.ones_like(pure))]
    assert said == ["red +2, blue -2", "red +0, blue +0"]


def test_the_network_that_predicts_colors_cannot_see_them():
    torch.manual_seed(0)
    network = SmallAlexNetGrey(outputs=25, widths=(4, 4, 4, 4, 4))
    luma = (images(4, 64) * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    with torch.inference_mode():
        seen, grey = network(images(4, 64)), network(luma.expand(-1, 3, -1, -1))
    torch.testing.assert_close(seen, grey, rtol=1e-4, atol=1e-5)


def test_the_target_of_a_noisy_image_is_its_clean_pixels_cell_by_cell():
    shown, target = denoising.batch(images(), NO_LABELS, rng())
    assert (shown - images()).std().item() == pytest.approx(denoising.NOISE, rel=0.02)
    names = denoising.outputs(DRAWN)["pixels"]
    assert target.shape == (40, len(names), 2, 2)
    assert target[5, names.index("green at 3, 6"), 1, 0] == images()[5, 1, 8 + 3, 6]


def test_denoising_is_scored_by_the_variance_it_explains():
    clean = images(20).view(20, 12, 8, 8)
    score = denoising.score([(clean[:10] + 0.5, clean[:10]), (clean[10:] - 0.5, clean[10:])])
    assert score["squared_error"] == pytest.approx(0.25)
    assert score["variance_explained"] == pytest.approx(1 - 0.25 / clean.var(unbiased=False).item(), rel=1e-4)
    assert denoising.loss(clean + 0.5, clean).item() == pytest.approx(0.25)


def test_a_tasks_random_parts_follow_from_its_generator():
    for task in (rotation, patch_order, colorization, denoising):
        first, second = (task.batch(images(), NO_LABELS, rng()) for _ in range(2))
        assert all(torch.equal(one, two) for one, two in zip(first, second, strict=True))


# -- captions


def test_a_caption_is_the_scene_the_objects_in_order_and_the_end():
    labels = Labels(torch.tensor([1, -1]), torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]))
    words = captions.outputs(DRAWN)["words"]
    said = [[words[i] for i in row if i >= 0] for row in captions.captions(labels).tolist()]
    assert said == [["b", "c", "e", "end"], ["nowhere", "end"]]
    many = Labels(torch.tensor([0]), torch.ones(1, 40))
    longest = captions.captions(many)[0].tolist()
    assert longest == [42, 2, 3, 4, 5, 6, 7, 8, 9, 0]


def test_captions_are_scored_by_place_and_as_sets_of_words():
    labels = Labels(torch.tensor([1]), torch.tensor([[1.0, 0.0, 1.0]]))
    truth = captions.captions(labels)
    wrong_order = torch.tensor([[6, 4, 2, 0, 3, 3, 3, 3, 3, 3]])  # after the end nothing counts
    output = torch.nn.functional.one_hot(wrong_order, 7).float()
    assert captions.predicted_words(output).tolist() == [[6, 4, 2, 0, -1, -1, -1, -1, -1, -1]]
    scores = captions.score([(output, truth)])
    assert (scores["word_accuracy"], scores["word_precision"], scores["word_recall"]) == (0.5, 1.0, 1.0)
    perfect = torch.nn.functional.one_hot(truth.clamp(min=0), 7).float() * 100
    assert captions.score([(perfect, truth)])["word_accuracy"] == 1 and captions.loss(perfect, truth).item() < 1e-6
    only_scene = torch.nn.functional.one_hot(torch.tensor([[6] + [0] * 9]), 7).float()
    scores = captions.score([(only_scene, truth)])
    assert scores["word_precision"] == 1 and scores["word_recall"] == pytest.approx(1 / 3)


def test_the_captioning_network_is_fed_its_own_last_word():
    torch.manual_seed(0)
    module = SmallResNetCaptions(outputs=9).eval()
    pictures = images(2, 32)
    scores = module(pictures)
    with torch.no_grad():  # step by step, by hand
        grid = module.layer3(module.layer2(module.layer1(module.stem(pictures))))
        hidden = torch.tanh(module.saw(torch.cat([grid.mean((2, 3)), grid.amax((2, 3))], 1)))
        memory, said = torch.zeros_like(hidden), torch.tensor([9, 9])
        for step in range(scores.shape[1]):
            hidden, memory = module.lstm(module.words(said), (hidden, memory))
            assert torch.allclose(module.head(hidden), scores[:, step], atol=1e-6)
            said = scores[:, step].argmax(1)
