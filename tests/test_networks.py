"""Facts about networks: names, preprocessing, receptive fields, fingerprints, and what is refused."""

import os
import pickle
import random
import sys
import urllib.error
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import reach
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel
from torchvision.models import get_model, squeezenet1_1

from n2vlib import cli
from n2vlib.errors import BadInput
from n2vlib.networks.downstream import Downstream
from n2vlib.networks.fingerprint import fingerprint
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network, aliases_of, load_network
from n2vlib.networks.preprocessing import Preprocessing, as_preprocessing
from n2vlib.networks.receptive_field import Window

PREPROCESSING = {"size": 32, "mean": 0.5, "std": 0.25}
CODE = """
from torch import nn
from beside import WIDTH
def build():
    return nn.Sequential(nn.Conv2d(3, WIDTH, 3), nn.ReLU())
def pair():
    return build(), {"size": (20, 30), "mean": [1, 2, 3], "std": 1, "range": 255}
def wrong():
    return "a network"
"""


@pytest.fixture
def net_file(tmp_path: Path) -> Path:
    (tmp_path / "beside.py").write_text("WIDTH = 4\n")
    (tmp_path / "nets.py").write_text(CODE)
    return tmp_path / "nets.py"


# -- preprocessing


def test_preprocessing_is_rgb_minus_mean_over_std_in_the_range_it_names():
    pixels = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    mean, std = np.array([0.4, 0.5, 0.6]), np.array([0.1, 0.2, 0.3])
    for top in (1, 255):
        x = Preprocessing((5, 7), tuple(mean * top), tuple(std * top), top)(pixels)
        assert x.dtype == torch.float32 and x.shape == (2, 3, 5, 7)
        np.testing.assert_allclose(x.permute(0, 2, 3, 1), (pixels / 255 - mean) / std, rtol=1e-5, atol=1e-5)


def test_images_are_resized_whole_as_pillow_does_it():
    ramp = np.add.outer(np.arange(60) * 2, np.arange(80) * 1.5)[..., None] * [1.0, 0.5, 0.25]
    pixels = np.minimum(ramp, 255).astype(np.uint8)
    ours = Preprocessing((30, 50), (0, 0, 0), (1, 1, 1), 255)(pixels[None])[0].permute(1, 2, 0).numpy()
    pillow = np.asarray(Image.fromarray(pixels).resize((50, 30), Image.Resampling.BILINEAR), dtype=float)
    assert np.abs(ours - pillow).max() <= 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "no preprocessing is given; write, for instance, PREPROCESSING: {'size'"),
        ({"size": 3, "mean": 0}, "no 'std'"),
        ({"size": 3, "mean": 0, "std": 1, "scale": 2}, "unknown key 'scale'"),
        ({"size": 3, "mean": [0, 0], "std": 1}, "mean is"),
        ({"size": 3, "mean": 0, "std": 0}, "std > 0"),
        ({"size": 3, "mean": 0, "std": 1, "range": 256}, "range 1 or 255"),
        ([224], "not a mapping"),
    ],
)
def test_wrong_preprocessing_is_an_error_that_shows_how_to_write_it(given: object, message: str):
    with pytest.raises(BadInput, match=message) as raised:
        as_preprocessing(given, "mynet")  # pyright: ignore[reportArgumentType]
    assert str(raised.value).startswith("mynet: ") and "'range': 1}" in str(raised.value)


def test_images_that_are_not_bytes_are_refused():
    with pytest.raises(BadInput, match="expected uint8"):
        Preprocessing((4, 4), (0, 0, 0), (1, 1, 1))(np.zeros((1, 4, 4, 3)))


# -- names


def without_values(name: str, size: int = 224) -> Network:
    """torchvision's network on torch's meta device: shapes only, nothing is initialised."""
    with torch.device("meta"):
        module = get_model(name, weights=None)
    return Network(name, module, Preprocessing((size, size), (0, 0, 0), (1, 1, 1)), "none", fingerprint="none")


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1", "googlenet", "resnet18"])
def test_an_alias_names_a_module_after_the_relu(name: str):
    network = load_network(name)
    seen = run_layers(network.module, list(network.aliases.values()), torch.randn(1, 3, 64, 64))
    assert len(seen) == {"googlenet": 9, "resnet18": 4}.get(name, 9)
    for activations in seen.values():
        assert activations.min() == 0 and activations.max() > 0


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn"])
def test_the_aliases_of_a_plain_network_are_the_relus_of_its_convolutions_one_each(name: str):
    network = without_values(name)
    features = network.module.features
    relus = [f"features.{i}" for i, part in enumerate(features) if isinstance(part, nn.ReLU)]
    assert list(network.aliases.values()) == relus
    assert len(relus) == sum(isinstance(part, nn.Conv2d) for part in features)
    pools = [i for i, part in enumerate(features) if isinstance(part, nn.MaxPool2d)]
    block_ends = [dotted for dotted in relus if int(dotted[9:]) + 1 in pools]
    named = [network.alias(dotted) for dotted in block_ends]
    deepest = {"11": "conv5_2", "13": "conv5_2", "16": "conv5_3", "19": "conv5_4"}.get(name[3:5], "conv5")
    assert named[-1] == deepest
    assert [alias[:5] for alias in named] == [f"conv{i}" for i in ((1, 2, 5) if name == "alexnet" else range(1, 6))]


def test_layers_are_found_by_dotted_name_and_by_the_papers_name():
    network = without_values("alexnet")
    assert network.layer("conv5") == network.layer("features.11") == "features.11"
    assert network.describe("features.11") == network.describe("conv5") == "conv5 (features.11)"
    assert network.describe("features.10") == "features.10"
    with pytest.raises(BadInput, match="layer 'conv6': alexnet has no such module or alias; near matches: conv"):
        network.layer("conv6")


def test_where_an_alias_is_also_a_module_the_module_wins():
    torch.manual_seed(0)
    net = type("GoogLeNet", (nn.Module,), {})()
    for i in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        net.add_module(f"inception{i}", nn.ReLU())
    net.add_module("inception_5b", nn.ReLU())
    assert aliases_of(net)["inception_4e"] == "inception4e"
    assert "inception_5b" not in aliases_of(net)


def test_an_unknown_network_is_an_error_with_near_matches():
    with pytest.raises(BadInput, match="near matches: .*small-alexnet"):
        load_network("small-alexnte")
    with pytest.raises(BadInput, match="near matches: .*resnet50"):
        load_network("resnet5")


def test_random_weights_depend_on_the_seed_and_on_nothing_else():
    torch.manual_seed(5)
    first = load_network("squeezenet1_1", seed=1).fingerprint
    state = torch.random.get_rng_state()
    assert load_network("squeezenet1_1", seed=1).fingerprint == first
    assert load_network("squeezenet1_1", seed=2).fingerprint != first
    assert torch.equal(torch.random.get_rng_state(), state)


def test_a_random_torchvision_network_has_the_preprocessing_of_the_trained_one():
    shown = load_network("squeezenet1_0").preprocessing
    assert shown == Preprocessing((224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 1)


# -- your own networks


def test_a_function_in_a_file_gives_a_network_and_may_give_its_preprocessing(net_file: Path):
    network = load_network(f"{net_file}:pair")
    assert network.preprocessing == Preprocessing((20, 30), (1, 2, 3), (1, 1, 1), 255)
    assert not network.module.training and not any(p.requires_grad for p in network.module.parameters())
    assert run_layers(network.module, ["1"], torch.zeros(1, 3, 20, 30))["1"].shape == (1, 4, 18, 28)
    assert str(net_file.parent) not in sys.path


def test_the_parameter_wins_over_the_functions_preprocessing_and_without_either_it_is_an_error(net_file: Path):
    assert load_network(f"{net_file}:pair", preprocessing=PREPROCESSING).preprocessing.size == (32, 32)
    assert load_network(f"{net_file}:build", preprocessing=PREPROCESSING).preprocessing.range == 1
    with pytest.raises(BadInput, match="nets.py:build: no preprocessing is given; write"):
        load_network(f"{net_file}:build")


def test_a_function_of_a_package_a_function_and_a_module_do_as_well(net_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(net_file.parent)
    by_name = load_network("nets:pair", seed=3)
    import nets  # pyright: ignore[reportMissingImports]

    assert load_network(nets.pair, seed=3).fingerprint == by_name.fingerprint
    assert load_network(nets.pair, seed=4).fingerprint != by_name.fingerprint
    assert load_network(by_name.module, preprocessing=PREPROCESSING).fingerprint == by_name.fingerprint


@pytest.mark.parametrize(
    ("name", "message"),
    [("nets.py:biuld", "near matches: build"), ("nets.py:wrong", "returned str"), ("gone.py:build", "no file")],
)
def test_what_is_wrong_with_a_function_is_reported(net_file: Path, name: str, message: str):
    with pytest.raises(BadInput, match=message):
        load_network(f"{net_file.parent}/{name}", preprocessing=PREPROCESSING)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("\nLAYERS = sizes\n", r"NameError: name 'sizes' is not defined; broken.py, line 2\)$"),
        ("def build(:\n", r"SyntaxError: .*broken.py, line 1\)\)$"),
        ("import no_such_module_of_mine\n", r"No module named 'no_such_module_of_mine'"),
        ("raise RuntimeError('no GPU here')\n", r"RuntimeError: no GPU here; broken.py, line 1\)$"),
    ],
)
@pytest.mark.parametrize("name", ["{folder}/broken.py:build", "broken:build"])
def test_a_file_that_cannot_be_run_is_one_line_with_its_place(tmp_path: Path, name, source, message, monkeypatch):
    (tmp_path / "broken.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(BadInput, match=message):
        load_network(name.format(folder=tmp_path), preprocessing=PREPROCESSING)


def test_layers_behind_a_failure_are_said_to_be_missing(tmp_path: Path, capsys: pytest.CaptureFixture):
    source = "import torch\nfrom torch import nn\nclass Fails(nn.Sequential):\n    def forward(self, x):\n"
    source += "        return self[1](self[0](x).flatten(1))\n"
    source += "def build():\n    return Fails(nn.Conv2d(3, 4, 8, 8), nn.Conv2d(4, 5, 1)), PREPROCESSING\n"
    shown = "PREPROCESSING = {'size': [32, 32], 'mean': [0, 0, 0], 'std': [1, 1, 1], 'range': 1}\n"
    (tmp_path / "fails.py").write_text(shown + source)
    cli.networks.layers(f"{tmp_path}/fails.py:build")
    table, said = capsys.readouterr().out.splitlines()[1:]
    assert table.split()[0] == "0" and said.startswith("layers after these are not listed: network: its pass over an")


def test_what_tqdm_says_in_a_kernel_without_ipywidgets_does_not_stop_a_network(tmp_path: Path):
    imports = "import warnings\nfrom torch import nn\nfrom tqdm import TqdmWarning, notebook\n"
    says = "warnings.warn(notebook.WARN_NOIPYW, TqdmWarning)\n"
    (tmp_path / "says.py").write_text(f"{imports}{says}def build():\n    return nn.Sequential(nn.ReLU())\n")
    network = load_network(f"{tmp_path}/says.py:build", preprocessing=PREPROCESSING)
    assert list(network.layers()["name"]) == ["0"]


def test_a_package_that_is_not_installed_is_reported():
    with pytest.raises(BadInput, match="no_such_package"):
        load_network("no_such_package.nets:build")


# -- weights


def test_weights_from_a_file_fill_the_network_whatever_its_number_of_classes(tmp_path: Path):
    state = {f"module.{name}": values for name, values in squeezenet1_1(num_classes=7).state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "seven.pth.tar")
    save_file(state, tmp_path / "seven.safetensors")
    both = [load_network("squeezenet1_1", str(tmp_path / name)) for name in ("seven.pth.tar", "seven.safetensors")]
    assert both[0].fingerprint == both[1].fingerprint
    assert torch.equal(both[0].module.state_dict()["classifier.1.bias"], state["module.classifier.1.bias"])


class Hostile:
    """Unpickling it creates a file."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


def test_a_weight_file_with_code_in_it_is_refused_and_the_code_not_run(tmp_path: Path, net_file: Path):
    path, trace = tmp_path / "hostile.pth", tmp_path / "trace"
    torch.save({"weight": Hostile(trace)}, path)
    with pytest.raises(BadInput, match="file of tensors only"):
        load_network(f"{net_file}:pair", str(path))
    path.write_bytes(pickle.dumps(Hostile(trace)))
    with pytest.raises(BadInput, match="file of tensors only"):
        load_network("squeezenet1_1", str(path))
    assert not trace.exists()


def test_weights_that_do_not_fit_or_are_unknown_are_one_error(tmp_path: Path, net_file: Path):
    torch.save({"0.weight": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(BadInput, match="does not fit this network"):
        load_network(f"{net_file}:pair", str(tmp_path / "other.pt"))
    with pytest.raises(BadInput, match="alexnet has IMAGENET1K_V1"):
        load_network("alexnet", "IMAGENET22K")
    with pytest.raises(BadInput, match="no such file"):
        load_network("alexnet", str(tmp_path / "gone.pth"))
    with pytest.raises(BadInput, match="leave WEIGHTS empty"):
        load_network("small-alexnet-random", "DEFAULT")


def test_a_download_that_fails_says_where_torch_looks_for_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def offline(*_: object, **__: object) -> None:
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    wanted = tmp_path / "checkpoints" / "squeezenet1_1-b8a52dc0.pth"
    with pytest.raises(BadInput) as raised:
        load_network("squeezenet1_1", "IMAGENET1K_V1")
    assert f"put it at {wanted}" in str(raised.value)
    assert "https://download.pytorch.org/models/squeezenet1_1-b8a52dc0.pth" in str(raised.value)
    wanted.write_bytes(b"half a file")
    with pytest.raises(BadInput, match="damaged"):
        load_network("squeezenet1_1", "IMAGENET1K_V1")


def test_torchvisions_own_download_cannot_run_code_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def hostile(_url: str, path: str, *_: object, **__: object) -> None:
        torch.save({"weight": Hostile(tmp_path / "trace")}, path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", hostile)
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    with pytest.raises((BadInput, pickle.UnpicklingError)):
        load_network("squeezenet1_1", "DEFAULT")
    assert not (tmp_path / "trace").exists()
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


# -- fingerprints


def test_a_fingerprint_changes_with_one_weight_and_not_with_preprocessing(net_file: Path):
    network = load_network(f"{net_file}:pair")
    assert load_network(f"{net_file}:pair", preprocessing=PREPROCESSING).fingerprint == network.fingerprint
    with torch.no_grad():
        network.module[0].weight[0, 0, 0, 0] += 1e-6
    assert fingerprint(network.module) != network.fingerprint


def test_a_fingerprint_changes_with_what_the_forward_pass_does(tmp_path: Path):
    code = (
        "from torch import nn\nclass Net(nn.Module):\n    def forward(self, x):\n        return x.{}()\nbuild = Net\n"
    )
    found = set()
    for name in ("relu", "sigmoid"):
        (tmp_path / f"{name}.py").write_text(code.format(name))
        found.add(load_network(f"{tmp_path}/{name}.py:build", preprocessing=PREPROCESSING).fingerprint)
    assert len(found) == 2


# -- networks that cannot be read as they are


class TwoInputs(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return self.conv(x) + y


class OneSize(TwoInputs):
    def forward(self, x: torch.Tensor) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        assert x.shape[-1] == 224, f"it takes 224 pixels, not {x.shape[-1]}"
        return self.conv(x)


class TakesADict(TwoInputs):
    def forward(self, batch: dict) -> torch.Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        return self.conv(batch["image"])


def plain() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())


UNREADABLE = {
    "two inputs": (TwoInputs, "TypeError: .* missing 1 required positional argument: 'y'.* take one batch"),
    "one size": (OneSize, r"3x32x32 fails \(AssertionError: it takes 224 pixels, not 32; test_networks.py, line"),
    "a dict": (TakesADict, "IndexError"),
    "lazy": (lambda: nn.Sequential(nn.LazyConv2d(8, 3)), "LazyConv2d has no weight yet; run it on one image"),
    "lazy statistics": (lambda: nn.Sequential(nn.LazyBatchNorm2d()), "LazyBatchNorm2d has no"),
    "scripted": (lambda: torch.jit.script(plain()), "scripted or traced .* give the module it was made of"),
    "traced": (lambda: torch.jit.trace(plain(), torch.zeros(1, 3, 32, 32)), "scripted or traced"),
    "a part scripted": (lambda: nn.Sequential(torch.jit.script(plain())), "no module has an output"),
    "no grid": (lambda: nn.Sequential(nn.Flatten(), nn.Linear(3072, 5)), "no module has an output"),
    "needs an argument": (lambda name: plain(), "without arguments, it fails .TypeError: .*'name'"),
    "grey": (lambda: nn.Sequential(nn.Conv2d(1, 8, 3)), "to have 1 channels, but got 3.*one number for each channel"),
    "half": (lambda: nn.Sequential(nn.Conv2d(3, 8, 3), Spectra()).half(), "half precision; let your function return"),
}  # fmt: skip


class Spectra(nn.Module):
    """A function that the CPU computes in single precision only."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.linalg.svdvals(x)[..., None]


@pytest.mark.filterwarnings("ignore")  # torch calls scripts deprecated
@pytest.mark.parametrize(("make", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_network_that_cannot_be_read_is_one_line_that_says_what_to_do(make, message: str):
    with pytest.raises(BadInput, match=message) as raised:
        network = load_network(make, preprocessing=PREPROCESSING)
        network.layers()
        run_layers(network.module, [""], torch.zeros(1, 3, 32, 32))
    assert "\n" not in str(raised.value)


def test_the_command_says_it_in_one_line_with_exit_code_two(tmp_path: Path, monkeypatch, capsys):
    (tmp_path / "odd.py").write_text("from torch import nn\ndef lazy():\n    return nn.LazyConv2d(3, 2), None\n")
    given = ["n2v", "layers", f"{tmp_path}/odd.py:lazy", "--preprocessing", "{size: 9, mean: 0, std: 1}"]
    monkeypatch.setattr(sys, "argv", given)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and said.count("\n") == 1 and "LazyConv2d" in said


@pytest.mark.filterwarnings("ignore")  # torch warns of itself while it compiles
def test_what_is_compiled_or_made_parallel_is_read_as_what_it_was_made_of():
    """Their own names for modules, `_orig_mod.` and `module.`, are gone at every depth."""
    x, whole = torch.randn(2, 3, 32, 32), load_network(plain(), preprocessing=PREPROCESSING)
    expected = run_layers(whole.module, ["0", "2"], x)
    in_place, method, part = plain(), plain(), plain()
    in_place.compile(backend="eager")
    method.forward = torch.compile(method.forward, backend="eager")
    part[2] = nn.DataParallel(torch.compile(part[2], backend="eager"))  # pyright: ignore[reportArgumentType]
    compiled = torch.compile(plain(), backend="eager")
    made: list[nn.Module] = [compiled, in_place, method, part]  # pyright: ignore[reportAssignmentType]
    for module in (*made, nn.DataParallel(plain()), AveragedModel(plain())):
        module.eval()(x)  # compiled code is kept from now on, without hooks
        network = load_network(module, preprocessing=PREPROCESSING)
        assert list(network.layers()["name"]) == ["0", "1", "2", "3"]
        seen = run_layers(network.module, ["0", "2"], x)
        assert all(torch.equal(seen[name], expected[name]) for name in expected)
        for told in Downstream(network.module, "1", x).without(seen["0"].relu(), [[]]):
            torch.testing.assert_close(told, whole.module(x))
    assert load_network(compiled, preprocessing=PREPROCESSING).fingerprint == whole.fingerprint


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_networks_in_other_precisions_are_shown_images_of_theirs_and_read_in_ours(kind: torch.dtype):
    x, by_hand = torch.randn(2, 3, 32, 32), plain().to(kind)
    network = load_network(plain().to(kind), preprocessing=PREPROCESSING)
    seen = run_layers(network.module, ["1", ""], x)
    with torch.inference_mode():
        assert torch.equal(seen["1"], by_hand[:2](x.to(kind)).float())
        assert torch.equal(seen[""][..., 0, 0], by_hand(x.to(kind)).float())
        assert all(maps.dtype == torch.float32 for maps in seen.values())
        (told,) = Downstream(network.module, "1", x).without(seen["1"], [[2]])
        maps = by_hand[:2](x.to(kind))
        maps[:, 2] = 0
        torch.testing.assert_close(told, by_hand[2:](maps).float(), atol=2e-2, rtol=0)
    assert list(network.layers()["name"]) == ["0", "1", "2", "3"]
    again = load_network(network.module, preprocessing=PREPROCESSING)
    assert again.fingerprint == network.fingerprint and len(network.module._forward_pre_hooks) == 1


def test_a_network_for_grey_pictures_is_shown_one_channel():
    module = nn.Sequential(nn.Conv2d(1, 8, 3))
    network = load_network(module, preprocessing={"size": 32, "mean": [0.5], "std": [0.25]})
    assert network.layers()["shape"].tolist() == [(8, 30, 30)]
    grey = np.full((1, 32, 32, 3), 51, np.uint8)  # 0.2, or -1.2 when it is shown
    with torch.inference_mode():
        seen = run_layers(network.module, ["0"], network.preprocessing(grey))["0"]
        torch.testing.assert_close(seen, module(torch.full((1, 1, 32, 32), -1.2)))


# -- receptive fields


def test_windows_are_those_network_dissection_published():
    """Offset, size and step of its field maps for VGG-16; AlexNet's with Caffe's padding (none in conv1)."""
    vgg = without_values("vgg16")
    assert vgg.windows("conv4_3") == (Window(-42, 92, 8),) * 2
    assert vgg.windows("conv5_3") == (Window(-90, 196, 16),) * 2
    alexnet = without_values("alexnet", 227)
    alexnet.module.features[0].padding = (0, 0)
    published = [(0, 11, 4), (-16, 51, 8), (-32, 99, 16), (-48, 131, 16), (-64, 163, 16)]
    for i, window in enumerate(published, start=1):
        assert alexnet.windows(f"conv{i}") == (Window(*window),) * 2


class Branches(nn.Module):
    """Residual paths, a dilated and a flat kernel, padding and pooling called as functions, channels shuffled."""

    def __init__(self):
        super().__init__()
        self.stem, self.wide = nn.Conv2d(3, 4, (3, 5), 2), nn.Conv2d(4, 4, 3, padding="same", dilation=2)
        self.flat, self.down = nn.Conv2d(4, 4, (1, 5), padding=(0, 2)), nn.Conv2d(8, 4, 3, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.stem(F.pad(x, (1, 2, 0, 1)))), 3, stride=1, padding=1)
        x = torch.cat([x + self.wide(x), F.relu6(self.flat(x))], 1)
        image, filters, h, w = x.shape
        x = x.view(image, 2, 4, h, w).transpose(1, 2).reshape(image, filters, h, w)
        return F.avg_pool2d(self.down(x), 2)


def by_gradient(net: nn.Module, size: tuple[int, int], cell: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the input that the gradient of one output cell reaches, on a copy made linear."""
    for part in net.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.uniform_(part.weight, 0.5, 1)
    image = torch.rand(1, 3, *size, requires_grad=True)
    with linear_functions():
        net(image)[0, :, cell[0], cell[1]].sum().backward()
    reached = image.grad[0].sum(0).nonzero()  # pyright: ignore[reportOptionalSubscript]
    (top, left), (bottom, right) = reached.amin(0).tolist(), reached.amax(0).tolist()
    return slice(top, bottom + 1), slice(left, right + 1)


class linear_functions(torch.overrides.TorchFunctionMode):
    """ReLUs become the identity, and maxima means: the gradient then reaches all a cell can see."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        name = getattr(func, "__name__", "")
        if name in ("relu", "relu_", "relu6", "hardtanh", "hardtanh_"):
            return args[0] * 1
        if name in ("max_pool2d", "_max_pool2d"):
            kwargs = {"kernel_size": args[1] if len(args) > 1 else None, **(kwargs or {})}
            chosen = {k: kwargs[k] for k in ("kernel_size", "stride", "padding", "ceil_mode") if kwargs.get(k)}
            chosen |= dict(zip(("stride", "padding"), args[2:4], strict=False))
            return F.avg_pool2d(args[0], **chosen)
        return func(*args, **(kwargs or {}))


def small_vgg() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 4, 7, 2, 3), nn.ReLU(True), nn.MaxPool2d(3, 2, 1), nn.Conv2d(4, 4, 3), nn.ReLU6(), nn.MaxPool2d(2)
    )


@pytest.mark.parametrize("make", [small_vgg, Branches])
def test_windows_are_the_pixels_that_gradients_reach(make: type[nn.Module]):
    size = (61, 67)
    network = load_network(make(), preprocessing={"size": size, "mean": 0, "std": 1})
    shown = []
    network.module.register_forward_hook(lambda _m, _i, output: shown.append(output))
    from n2vlib.networks.receptive_field import walk, windows_of

    image = torch.zeros(1, 3, *size)
    with walk(image):
        network.module(image)
    windows = windows_of(shown[-1])
    assert windows is not None
    height, width = shown[-1].shape[2:]
    for cell in [(0, 0), (height // 2, width // 2), (height - 1, 1)]:
        for axis, reached in enumerate(by_gradient(network.module, size, cell)):
            start = windows[axis].offset + cell[axis] * windows[axis].step
            assert (reached.start, reached.stop) == (max(start, 0), min(start + windows[axis].size, size[axis]))


class Gate(nn.Module):
    """Something computed from a pooled branch acts on every cell."""

    def __init__(self, kind: str):
        super().__init__()
        self.kind, self.deep, self.wide = kind, nn.Conv2d(4, 4, 1), nn.Conv2d(2, 1, 7, padding=3)
        self.shared, self.across = nn.Linear(4, 4), nn.Conv1d(1, 1, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return getattr(self, self.kind.replace(" ", "_"))(x)

    def squeeze_and_excitation(self, x):
        return x * self.deep(F.adaptive_avg_pool2d(x, 1)).sigmoid()

    def mean_of_the_grid(self, x):
        return x * x.mean((2, 3), keepdim=True).sigmoid()

    def global_maximum(self, x):
        return x + F.adaptive_max_pool2d(x, (1, 1))

    def fully_connected(self, x):
        return x * self.shared(x.mean((2, 3)))[:, :, None, None].sigmoid()

    def maximum_of_flat(self, x):
        return x.mul(x.flatten(2).amax(2).view(-1, 4, 1, 1).sigmoid())

    def channels_then_places(self, x):  # CBAM
        pooled = F.adaptive_avg_pool2d(x, 1), x.amax((2, 3), keepdim=True)
        x = x * sum(self.deep(each) for each in pooled).sigmoid()
        return x * self.wide(torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)).sigmoid()

    def efficient_channel_attention(self, x):
        squeezed = F.adaptive_avg_pool2d(x, 1).squeeze(-1).transpose(-1, -2)
        return x * self.across(squeezed).transpose(-1, -2).unsqueeze(-1).sigmoid().expand_as(x)

    def rows_and_columns(self, x):  # coordinate attention
        return x * x.mean(3, keepdim=True).sigmoid() * x.mean(2, keepdim=True).sigmoid()

    def pooled_and_enlarged(self, x):  # DeepLab
        pooled = self.deep(F.adaptive_avg_pool2d(x, 1))
        return torch.cat([x, F.interpolate(pooled, x.shape[-2:], mode="bilinear")], 1)[:, 2:6]

    def pooled_and_repeated(self, x):
        return x - F.avg_pool2d(x, x.shape[-2:]).expand(-1, -1, *x.shape[2:])

    def pyramid(self, x):
        return torch.stack([x, F.interpolate(F.adaptive_avg_pool2d(x, 2), x.shape[-2:])]).sum(0)

    def two_gates(self, x):
        return self.global_maximum(self.squeeze_and_excitation(x))

    def norm_over_the_grid(self, x):
        return F.group_norm(x, 2)

    def without_a_gate(self, x):
        return x


GATES = [name.replace("_", " ") for name in vars(Gate) if name.islower() and not name.startswith(("_", "forward"))]


def behind(kind: str) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), Gate(kind), nn.Conv2d(4, 6, 3, 2, 1), nn.ReLU())


@pytest.mark.parametrize("kind", GATES)
def test_a_gate_widens_what_a_cell_sees_and_leaves_it_where_it_lies(kind: str):
    torch.manual_seed(0)
    network = load_network(behind(kind), preprocessing={"size": 64, "mean": 0, "std": 1})
    size = {"channels then places": 19}.get(kind, 7)  # CBAM's 7 x 7 convolution is a path of its own
    further = kind != "without a gate"
    assert network.windows("2") == (Window((1 - size) // 2, size, 4, further),) * 2
    row = network.layers().set_index("name").loc["2"]
    assert row["stride"] == 4 and (row["receptive_field"] is pd.NA) == further


@pytest.mark.parametrize("kind", [kind for kind in GATES if kind not in ("norm over the grid", "without a gate")])
def test_gradients_reach_everything_through_a_gate_and_a_window_beside_it(kind: str):
    """By torch's own gradients, with the weights as they are: all of the image, and most where the window lies."""
    torch.manual_seed(0)
    network = load_network(behind(kind), preprocessing={"size": 64, "mean": 0, "std": 1})
    window = (network.windows("2") or (Window(),))[0]
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    network.module[:3](image)[0, :, 8, 8].sum().backward()
    slope = image.grad[0].abs().sum((0, 1))  # pyright: ignore[reportOptionalSubscript]
    inside = slice(int(window.offset + 8 * window.step), int(window.offset + 8 * window.step + window.size))
    assert slope[inside].min() > 0 and slope[inside].sum() > slope.sum() * window.size / 64
    if kind not in ("global maximum", "maximum of flat", "pyramid"):  # a maximum has one place
        assert (slope > 0).all()


def test_lost_tracks_are_reported():
    class Moved(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.excited, self.moved = nn.Conv2d(3, 4, 3, 2), nn.Identity(), nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            x = self.excited(x * x.mean((2, 3), keepdim=True).sigmoid())
            return self.moved(F.interpolate(self.conv(x[:, :3]), scale_factor=2))

    network = load_network(Moved(), preprocessing={"size": 30, "mean": 0, "std": 1})
    assert network.windows("excited") == (Window(0, 3, 2, further=True),) * 2
    assert network.windows("moved") is None
    assert network.layers().set_index("name")["receptive_field"].isna().tolist() == [True, True, True]


GATED = ["mobilenet_v3_small", "efficientnet_b0", "regnet_y_400mf"]
OTHERS = ["resnet18", "squeezenet1_1", "mnasnet0_5", "shufflenet_v2_x0_5", "vgg11", "mobilenet_v2"]
OTHERS += ["resnext50_32x4d", "regnet_x_400mf", "alexnet", "mobilenet_v3_large", "efficientnet_b1"]


@pytest.mark.parametrize("name", GATED + random.Random(11).sample(OTHERS, 3))
def test_strides_and_receptive_fields_of_torchvision_are_those_of_gradients(name: str):
    """Some layers of six networks; benchmarks/receptive_fields.py compares every layer of all of them."""
    module = get_model(name, weights=None) if name.startswith("regnet") else without_values(name).module
    size = (768, 32)
    layers = Network(name, module, Preprocessing(size, (0, 0, 0), (1, 1, 1)), "none", fingerprint="none")._grids
    chosen = random.Random(name).sample(list(layers), 8)
    cells, differing = reach.differences(module, {each: layers[each] for each in chosen}, size)
    assert cells >= 8 and not differing


class Then(nn.Module):
    """A convolution, and after it something that keeps the size of the grid."""

    def __init__(self, what):
        super().__init__()
        self.conv, self.what, self.after = nn.Conv2d(3, 4, 3, padding=1), what, nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.after(self.what(self.conv(x)))


BACK = torch.arange(29, -1, -1)
MOVES = {
    "rot90": lambda x: x.rot90(1, (2, 3)), "swapaxes": lambda x: x.swapaxes(2, 3), "mT": lambda x: x.mT,
    "movedim": lambda x: x.movedim(2, 3), "index": lambda x: x[:, :, BACK], "behind ...": lambda x: x[..., BACK],
    "array": lambda x: x[..., BACK.numpy()],
    "sample": lambda x: F.grid_sample(x, torch.zeros(1, 30, 30, 2), align_corners=False),
}  # fmt: skip
MIXES = {
    "softmax": lambda x: x.softmax(-1), "cumsum": lambda x: x.cumsum(2), "norm": lambda x: F.layer_norm(x, x.shape[1:])
}  # fmt: skip
KEEPS = {
    "softmax of filters": lambda x: x.softmax(1), "filters chosen": lambda x: x[:, torch.tensor([2, 0])],
    "all of it": lambda x: x[..., :], "one image": lambda x: x[:1], "cut to its own size": lambda x: x[:, :, :30, 0:30],
    "an axis more": lambda x: x[:, :, None].squeeze(2),
}  # fmt: skip


@pytest.mark.parametrize(
    ("what", "windows"),
    [
        *((what, None) for what in MOVES.values()),
        *((what, (Window(-1, 3, 1, further=True),) * 2) for what in MIXES.values()),
        *((what, (Window(-1, 3, 1),) * 2) for what in KEEPS.values()),
    ],
    ids=[*MOVES, *MIXES, *KEEPS],
)
def test_what_keeps_the_grids_size_may_move_or_mix_its_cells(what, windows):
    network = load_network(Then(what), preprocessing={"size": 30, "mean": 0, "std": 1})
    assert network.windows("after") == windows


def test_the_table_of_layers_has_shape_stride_and_receptive_field_in_order_of_the_pass():
    table = without_values("alexnet").layers().set_index("name")
    assert table.loc["features.11", ["alias", "module", "shape", "stride", "receptive_field"]].tolist() == [
        "conv5",
        "ReLU",
        (256, 13, 13),
        16,
        163,
    ]
    assert list(table.index)[:3] == ["features.0", "features.1", "features.2"]
    assert "classifier.1" not in table.index  # not a grid


# -- real networks, where the tests are given them


@pytest.mark.skipif("N2V_PHOTOGRAPHS" not in os.environ, reason="N2V_PHOTOGRAPHS names no folder of real networks")
def test_real_networks_load_by_file_and_their_layers_have_the_known_shapes():
    file = Path(os.environ["N2V_PHOTOGRAPHS"]).resolve() / "networks.py"
    shown = {"size": 227, "mean": [123, 117, 104], "std": 1, "range": 255}
    squeezenet = load_network(f"{file}:squeezenet_imagenet", preprocessing=shown)
    assert squeezenet.layer("fire9") == "features.12"
    table = squeezenet.layers().set_index("name")
    assert [table.loc[f"features.{i}", "shape"][1] for i in (3, 5, 8, 10, 12)] == [55, 55, 27, 27, 13]
    mobilenet = load_network(
        f"{file}:mobilenet_v2_imagenet", preprocessing={"size": 224, "mean": 127.5, "std": 127.5, "range": 255}
    )
    names = ["expanded_conv_2_expand", "Conv_1"]
    seen = run_layers(mobilenet.module, names, torch.randn(1, 3, 224, 224))
    assert seen["Conv_1"].shape == (1, 1280, 7, 7)
    assert all(seen[name].min() >= 0 and seen[name].max() <= 6 for name in names)
    assert mobilenet.windows("Conv_1") is not None
