"""Facts about the zoo: what ships, how it is loaded, folded, drawn at random and trained."""

import hashlib
import inspect
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from n2vlib import zoo
from n2vlib.activations.layer import read_layers
from n2vlib.device import choose_device
from n2vlib.errors import BadInput
from n2vlib.methods import dissection
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network, load_network, randomly_initialised
from n2vlib.probe import load_probe
from n2vlib.store import Store
from n2vlib.zoo import data, shipped, training
from n2vlib.zoo.architectures import SmallAlexNet, folded_state
from n2vlib.zoo.others import OTHERS
from n2vlib.zoo.random_init import random_state
from n2vlib.zoo.recipes import ARCHITECTURES, PREPROCESSING, RECIPES, Recipe

CONCEPTS = [
    (1, "red", "color"),
    (7, "night", "scene"),
    (5, "day", "scene"),
    (9, "disc", "object"),
    (8, "bar", "object"),
]
TRAINED = [row for row in RECIPES.values() if row.task]
FILES = [(row, file) for row in TRAINED for file in row.files]
SHIPPED_FILE = "28f7a12258889582430d083f2092729004021dd7788e111ca3d8bc39d1bcb689"
SHIPPED_CLASS = "0eb93b4342dcbddc1c1c5455337d3299191d085c09aee161d7b74b5ee016591e"


def scene(index: int) -> SimpleNamespace:
    """Night or day (dark or bright), with or without a red disc and a blue bar; every seventh is a grey swatch."""
    rng = np.random.default_rng(index)
    day, disc, bar = (bool(v) for v in rng.integers(0, 2, 3))
    image = np.full((112, 112, 3), 190 if day else 60, np.uint8)
    if index % 7 == 0:
        image[:] = 128
        return SimpleNamespace(image=image, scene=0, objects=set())
    rows, columns = np.mgrid[:112, :112]
    at = rng.integers(30, 80, 4)
    if disc:
        image[(rows - at[0]) ** 2 + (columns - at[1]) ** 2 < 15**2] = (200, 0, 0)
    if bar:
        image[(abs(rows - at[2]) < 4) & (abs(columns - at[3]) < 28)] = (0, 0, 220)
    objects = {number for number, there in ((9, disc), (8, bar)) if there}
    return SimpleNamespace(image=image, scene=5 if day else 7, objects=objects)


@pytest.fixture(autouse=True)
def one_thread():
    """Tensors here are too small for two threads; on a busy machine the threads wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def learn() -> data.Drawn:
    return data.gather((scene(i) for i in range(210)), CONCEPTS)


@pytest.fixture(scope="module")
def held_out() -> data.Drawn:
    return data.gather((scene(i) for i in range(1000, 1070)), CONCEPTS)


# -- what ships


@pytest.mark.parametrize("row, file", FILES, ids=[file for _, file in FILES])
def test_a_shipped_network_is_small_verified_and_has_its_accuracy_on_its_card(row: Recipe, file: str):
    assert (shipped.FOLDER / f"{file}.safetensors").stat().st_size < 3_000_000
    card = zoo.card(file)
    assert card["name"] == file
    assert {"recipe", "data", "accuracy", "sha256", "seconds", "device"} <= set(card)
    assert card["recipe"]["seed"] == row.seed
    module, preprocessing = zoo.load(file)
    assert sum(p.numel() for p in module.parameters()) == card["weights"]
    assert preprocessing.size == (112, 112)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in module.modules())


def test_small_alexnet_predicts_scenes_of_the_world_it_has_not_seen():
    assert zoo.card("small-alexnet")["accuracy"]["scene_accuracy"] >= 0.85


def test_all_shipped_files_are_those_of_recipes_with_a_task_and_fit_in_30_mb():
    names = {path.name for path in shipped.FOLDER.iterdir()}
    shipped_files = [*(file for _, file in FILES), *OTHERS]
    assert names == {f"{file}.{kind}" for file in shipped_files for kind in ("safetensors", "json")}
    assert sum(path.stat().st_size for path in shipped.FOLDER.iterdir()) < 36_000_000


@pytest.mark.parametrize("row", [row for row in TRAINED if row.snapshots], ids=lambda row: row.name)
def test_snapshots_are_in_the_order_of_training_and_their_network_is_the_last(row: Recipe):
    steps = [zoo.card(file)["steps"] for file in row.files]
    assert steps == [*row.snapshots, row.epochs * (row.images // row.batch)] and steps == sorted(steps)


def test_the_first_networks_file_and_class_are_what_stored_measurements_were_made_with():
    """The weights' file and the text of the class are in the network's fingerprint: a change is a new network."""
    assert zoo.card("small-alexnet")["sha256"] == SHIPPED_FILE
    assert hashlib.sha256((shipped.FOLDER / "small-alexnet.safetensors").read_bytes()).hexdigest() == SHIPPED_FILE
    assert hashlib.sha256(inspect.getsource(SmallAlexNet).encode()).hexdigest() == SHIPPED_CLASS


GRIDS = {
    "small-alexnet": {"conv1": 56, "conv2": 28, "conv3": 14, "conv4": 14, "conv5": 14},
    "small-vgg": {"conv1_1": 112, "conv1_2": 112, "conv2_2": 56, "conv3_3": 28, "conv4_1": 14, "conv4_3": 14},
    "small-googlenet": {"inception_4a": 14, "inception_4c": 14, "inception_5a": 7, "inception_5b": 7},
    "small-resnet": {"conv2_x": 28, "conv3_x": 14, "conv4_x": 14},
}
LAST = {"small-vgg": "conv4_3", "small-googlenet": "inception_5b", "small-resnet": "conv4_x"}
LAST |= {"small-resnet-captions": "conv4_x"}


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name.startswith(tuple(GRIDS))])
def test_layers_of_the_zoo_are_named_as_in_the_papers_and_measured_after_the_relu(architecture: str):
    network = randomly_initialised(untrained(architecture))
    table = network.layers().set_index("alias")
    grids = next(grids for name, grids in GRIDS.items() if architecture.startswith(name))
    assert {alias: table.loc[alias, "shape"][1:] for alias in grids} == {a: (side, side) for a, side in grids.items()}
    assert table.loc[LAST.get(architecture, "conv5"), "shape"][0] == 128
    seen = run_layers(network.module, list(network.aliases.values()), torch.randn(2, 3, 112, 112))
    assert all(activations.min() == 0 and activations.max() > 0 for activations in seen.values())
    assert table.loc[list(grids), "receptive_field"].is_monotonic_increasing


def untrained(architecture: str) -> Network:
    return Network(architecture, ARCHITECTURES[architecture](), PREPROCESSING, "as torch initialises")


# -- randomly initialised networks


def random_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    return random_state(shipped.new_state(RECIPES["small-alexnet-random"]), seed)


def test_a_randomly_initialised_network_of_any_network_keeps_its_shape_and_leaves_it_alone():
    network = load_network("small-alexnet-random")
    before = network.fingerprint
    other = randomly_initialised(network, seed=3)
    assert other.fingerprint != before == load_network("small-alexnet-random").fingerprint
    assert (
        other.layer("conv5") == network.layer("conv5") and randomly_initialised(network, seed=0).fingerprint == before
    )


def test_a_randomly_initialised_network_is_drawn_from_its_seed_alone():
    torch.manual_seed(1)
    first = load_network("small-alexnet-random").fingerprint
    torch.manual_seed(2)
    np.random.seed(2)
    assert load_network("small-alexnet-random", seed=9).fingerprint == first
    assert not torch.equal(random_weights(seed=1)["features.0.weight"], random_weights()["features.0.weight"])


def test_a_randomly_initialised_network_has_he_variance_uniform_weights_and_no_bias():
    state = random_weights()
    weight = state["features.8.weight"].double()
    fan_in = 128 * 9
    assert weight.var().item() == pytest.approx(2 / fan_in, rel=0.02)
    assert weight.abs().max().item() == pytest.approx((6 / fan_in) ** 0.5, rel=0.001)
    assert all((values == 0).all() for name, values in state.items() if name.endswith("bias"))


def test_the_first_weights_of_a_randomly_initialised_network_follow_from_the_raw_stream():
    raw = [int(v) for v in np.random.PCG64(0).random_raw(3)]
    bound = (6 / (3 * 7 * 7)) ** 0.5
    slow = [np.float16((2 * ((value >> 11) / 2**53) - 1) * bound) for value in raw]
    state = random_weights()
    assert state["features.0.weight"].flatten()[:3].tolist() == [float(value) for value in slow]


def test_a_randomly_initialised_network_is_not_trained_and_ships_no_file():
    with pytest.raises(BadInput, match="nothing to train"):
        zoo.train("small-alexnet-random")
    assert zoo.card("small-alexnet-random")["task"] is None


def test_an_unknown_name_is_an_error_with_near_matches():
    with pytest.raises(BadInput, match="near matches: small-alexnet"):
        zoo.train("small-alexnte")


# -- architecture and data


NORMED = [name for name, made in ARCHITECTURES.items() if "batch_norm" in inspect.signature(made).parameters]


@pytest.mark.parametrize("architecture", NORMED)
def test_folding_removes_batch_norm_and_changes_no_output(architecture: str):
    """Also where a convolution's output is added to another (residual blocks) or set beside it (inception)."""
    torch.manual_seed(0)
    make = ARCHITECTURES[architecture]
    widths = tuple(max(4, width // 8) for width in inspect.signature(make).parameters["widths"].default)
    normed = make(outputs=5, widths=widths, batch_norm=True)
    images = torch.randn(6, 3, 64, 64)
    for part in normed.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.weight, -1, 2)
            nn.init.normal_(part.bias)
    for _ in range(3):
        normed(images)  # fills the running statistics
    folded = make(outputs=5, widths=widths)
    folded.load_state_dict(folded_state(normed))
    assert not any(isinstance(part, nn.BatchNorm2d) for part in folded.modules())
    with torch.inference_mode():
        torch.testing.assert_close(folded.eval()(images), normed.eval()(images), rtol=1e-4, atol=1e-4)


def test_scenes_are_gathered_by_concept_number_and_swatches_have_none(learn: data.Drawn):
    assert (learn.scenes, learn.object_names) == (["night", "day"], ["disc", "bar"])
    for i in range(30):
        one = scene(i)
        assert learn.scene[i] == {0: -1, 7: 0, 5: 1}[one.scene]
        assert learn.objects[i].tolist() == [9 in one.objects, 8 in one.objects]


def test_images_drawn_once_are_read_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from n2vlib import world

    monkeypatch.setenv("N2V_DATA", str(tmp_path))
    first = data.drawn(3, 5)
    monkeypatch.setattr(data, "_draw_to", lambda *_: pytest.fail("drawn twice"))
    again = data.drawn(3, 5)
    for i in range(3):
        direct = world.scene(5, i)
        assert np.array_equal(first.images[i], direct.image) and np.array_equal(again.images[i], direct.image)
        names = {name for number, name, _ in world.CONCEPTS if number in direct.objects}
        assert {name for name, there in zip(again.object_names, again.objects[i], strict=True) if there} == names
    assert {path.suffix for path in tmp_path.iterdir()} == {".npy", ".npz", ".lock"}


# -- training


def test_augmentation_keeps_shape_range_and_what_is_there():
    pixels = torch.from_numpy(np.stack([scene(i).image for i in range(1, 7)]))
    for side in (112, 80):
        x = training.augmented(pixels, np.random.default_rng(side), side)
        assert x.shape == (6, 3, side, side) and x.abs().max() < 3.5
    bright = [scene(i).scene == 5 for i in range(1, 7)]
    means = x.mean((1, 2, 3))
    assert means[torch.tensor(bright)].min() > means[~torch.tensor(bright)].max()


def test_training_learns_a_made_up_world_and_what_is_written_is_what_loads(
    learn: data.Drawn, held_out: data.Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("N2V_PROGRESS", "0")
    options = {"widths": (8, 8, 12, 12, 16)}
    row = replace(RECIPES["small-alexnet"], epochs=6, small_epochs=3, batch=15, images=210, options=options)
    (state,) = training.fit(row, learn, torch.device("cpu")).values()
    card = training.ship(row, row.name, state, held_out, {}, tmp_path)
    assert card["accuracy"]["scene_accuracy"] > 0.95
    assert card["accuracy"]["object_balanced_accuracy"] > 0.8
    assert yaml.safe_load(yaml.safe_dump(card)) == json.loads(json.dumps(card))  # the command prints it
    monkeypatch.setitem(RECIPES, "small-alexnet", row)
    module, _ = shipped.load("small-alexnet", tmp_path)
    again = training.accuracy(row, module, held_out)
    assert again == json.loads((tmp_path / "small-alexnet.json").read_text())["accuracy"]
    weights = tmp_path / "small-alexnet.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(BadInput, match="damaged"):
        shipped.load("small-alexnet", tmp_path)
    weights.unlink()
    with pytest.raises(BadInput, match="missing; run python -m n2vlib zoo small-alexnet"):
        shipped.load("small-alexnet", tmp_path)
    (tmp_path / "small-alexnet.json").write_text('{"name":')
    with pytest.raises(BadInput, match="no JSON"):
        shipped.load("small-alexnet", tmp_path)


def test_training_is_the_same_twice_on_one_machine(learn: data.Drawn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("N2V_PROGRESS", "0")
    row = replace(RECIPES["small-alexnet"], epochs=1, small_epochs=0, batch=70, options={"widths": (4, 4, 4, 4, 4)})
    one, two = (training.fit(row, learn, torch.device("cpu"))[3] for _ in range(2))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_snapshot_after_one_step_is_one_step_of_adamw_by_hand(learn: data.Drawn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("N2V_PROGRESS", "0")
    options, cpu = {"widths": (4, 4, 4, 4, 4)}, torch.device("cpu")
    plain = {"dropout": 0.0, "epochs": 2, "small_epochs": 0, "batch": 70, "rate": 0.5, "options": options}
    row = replace(RECIPES["small-alexnet-repeat-1"], **plain, snapshots=(1,))
    kept = training.fit(row, learn, cpu)
    whole = training.fit(replace(row, snapshots=()), learn, cpu)
    assert list(kept) == [1, 6] and all(torch.equal(kept[6][name], whole[6][name]) for name in whole[6])
    torch.manual_seed(row.seed)
    task = training._task(row)
    module = training._untrained(row, outputs=sum(map(len, task.outputs(learn).values()))).train()
    images, target = next(training.batches(row, learn, cpu))
    task.loss(module(images), target).backward()
    rate = row.rate / 25  # where the one-cycle schedule starts
    for name, weights in module.named_parameters():
        assert weights.grad is not None
        moments = weights.grad / (weights.grad.abs() + 1e-8)  # both moments are those of the first gradient alone
        stepped = weights.detach() * (1 - 0.02 * rate) - rate * moments
        torch.testing.assert_close(kept[1][name].float(), stepped, atol=2e-3, rtol=0)


@pytest.mark.parametrize("snapshots", [(3, 2), (0,), (6,), (7,)])
def test_snapshots_that_a_training_cannot_have_are_refused_before_it_starts(learn: data.Drawn, snapshots: tuple):
    row = replace(RECIPES["small-alexnet"], epochs=2, small_epochs=0, batch=70, snapshots=snapshots)
    with pytest.raises(BadInput, match="below the 6 steps"):
        training.fit(row, learn, torch.device("cpu"))


def test_tuning_starts_from_the_other_networks_weights_under_a_new_head(
    learn: data.Drawn, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("N2V_PROGRESS", "0")
    row = replace(RECIPES["small-alexnet-scenes-to-objects"], epochs=1, small_epochs=0, batch=105, rate=1e-9)
    (tuned,) = training.fit(replace(row, snapshots=()), learn, torch.device("cpu")).values()
    start = zoo.load("small-alexnet-scenes")[0].state_dict()
    assert tuned["head.bias"].shape != start["head.bias"].shape
    body = [name for name in start if not name.startswith("head.")]
    assert all(torch.allclose(tuned[name].float(), start[name], atol=1e-3) for name in body)


def test_dropout_leaves_out_its_share_of_the_heads_inputs_while_training_only():
    row = replace(RECIPES["small-alexnet-repeat-1"], dropout=0.25)
    module = training._untrained(row, outputs=3)
    seen = []
    module.get_submodule("head").forward = lambda inputs: seen.append(inputs) or inputs
    torch.manual_seed(0)
    pictures = torch.randn(40, 3, 32, 32)
    for training_now in (True, False):
        module.train(training_now)(pictures)
    dropped, whole = seen
    alive = whole != 0
    assert abs((dropped[alive] == 0).float().mean().item() - 0.25) < 0.02
    assert torch.allclose(dropped[dropped != 0], whole[dropped != 0] / 0.75)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_training_runs_on_a_gpu(learn: data.Drawn, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("N2V_PROGRESS", "0")
    assert choose_device("auto") == "cuda"
    row = replace(RECIPES["small-alexnet"], epochs=1, small_epochs=0, batch=70, options={"widths": (4, 4, 4, 4, 4)})
    assert all(values.device.type == "cpu" for values in training.fit(row, learn, torch.device("cuda"))[3].values())


def test_the_trained_network_has_many_unique_detectors_in_conv5_and_its_randomly_initialised_network_few(tmp_path):
    probe, store = load_probe("world-800"), Store(str(tmp_path))
    unique = {}
    for name in ("small-alexnet", "small-alexnet-random"):
        layer = read_layers(load_network(name), ["conv5"], probe, tau=0.005, store=store)["conv5"]
        found = dissection.filters(layer, probe)
        unique[name] = found[found["dissection_iou"] > 0.04]["name"].nunique()
    assert unique["small-alexnet"] >= 20 and unique["small-alexnet-random"] < unique["small-alexnet"] / 3
    assert zoo.card("small-alexnet")["accuracy"]["scene_accuracy"] > 0.85
