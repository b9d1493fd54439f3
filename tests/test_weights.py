"""Facts about weight files: which fit and how, what torchvision sets with weights, and what is refused."""

import os
import re
import shutil
import warnings
import zipfile
from argparse import Namespace
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torchvision.models import get_model, get_model_weights
from torchvision.models._api import WeightsEnum

from n2vlib.errors import BadInput
from n2vlib.networks import factories, weights
from n2vlib.networks.factories import _of_transforms, from_torchvision
from n2vlib.networks.load import Network, load_network
from n2vlib.zoo import shipped

SHOWN = {"size": 32, "mean": 0.5, "std": 0.25}


class Net(nn.Module):
    """A small network with a batch norm, a head, and two parts."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))


class Wrap(nn.Module):
    """A network with a part that is called as DataParallel's wrapper."""

    def __init__(self):
        super().__init__()
        self.module, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 1)


class Tied(nn.Module):
    """One tensor under two names."""

    def __init__(self):
        super().__init__()
        self.b, self.c = nn.Conv2d(3, 3, 3), nn.Conv2d(3, 3, 3)
        self.c.weight = self.b.weight


def trained(make: Callable[[], nn.Module] = Net) -> nn.Module:
    """A network of other weights than a new one has."""
    torch.manual_seed(7)
    module = make()
    for values in module.state_dict().values():
        values.copy_(torch.randint(1, 9, values.shape))
    return module


def read(make: Callable[[], nn.Module], path: Path) -> Network:
    return load_network(make, str(path), SHOWN)


def same(found: nn.Module, wanted: nn.Module) -> bool:
    both = found.state_dict(), wanted.state_dict()
    return list(both[0]) == list(both[1]) and all(
        torch.equal(both[0][name], values) for name, values in both[1].items()
    )


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: values for name, values in state.items()}


# -- files as people have them

STATE = dict(trained().state_dict())
OTHER = {name: values + 1 for name, values in STATE.items()}
FILES: dict[str, Any] = {
    "as it is": STATE,
    "DataParallel": prefixed("module.", STATE),
    "DataParallel of the features": {name.replace("features.", "features.module."): v for name, v in STATE.items()},
    "torch.compile": prefixed("_orig_mod.", STATE),
    "DataParallel of a compiled network": prefixed("module._orig_mod.", STATE),
    "torch.compile of the features": {name.replace("features.", "features._orig_mod."): v for name, v in STATE.items()},
    "ImageNet example": {"state_dict": prefixed("module.", STATE), "epoch": 3, "arch": "net"},
    "Lightning": {"state_dict": prefixed("model.", STATE), "hyper_parameters": {"rate": 0.1}},
    "Lightning, with a loss": {"state_dict": {**prefixed("net.", STATE), "loss.weight": torch.ones(2)}},
    "torchvision's references": {"model": STATE, "optimizer": {"state": {0: {"step": torch.ones(1)}}}, "epoch": 1},
    "timm": {"state_dict_ema": STATE, "epoch": 1},
    "averaged": AveragedModel(trained()).state_dict(),
    "averaged and compiled": {**prefixed("module._orig_mod.", STATE), "n_averaged": torch.tensor(3)},
    "a detector's backbone": {**prefixed("backbone.", STATE), "rpn.weight": torch.ones(1)},
    "without counters": {name: values for name, values in STATE.items() if "num_batches" not in name},
    "values beside the names": {**STATE, "epoch": 4, "classes": ["a", "b"]},
    "numpy beside": {"state_dict": STATE, "best": np.float64(56.5), "history": np.arange(3)},
    "options beside": {"model": STATE, "args": Namespace(rate=0.1, path=Path("a"))},
    "parameters": OrderedDict((name, nn.Parameter(v) if v.is_floating_point() else v) for name, v in STATE.items()),
    "double precision": {
        name: values.double() if values.is_floating_point() else values for name, values in STATE.items()
    },
}


@pytest.mark.parametrize("name", list(FILES))
def test_files_as_people_have_them_fill_the_network_in_full(name: str, tmp_path: Path):
    torch.save(FILES[name], tmp_path / "file.pth")
    wanted = trained()
    if name == "without counters":
        wanted.get_buffer("features.1.num_batches_tracked").zero_()
    assert same(read(Net, tmp_path / "file.pth").module, wanted)


def unwrapped(module: nn.Module) -> nn.Module:
    """The network that is measured for one that runs in parallel: itself."""
    return module.module if isinstance(module, nn.DataParallel) else module


@pytest.mark.parametrize(
    "make",
    [Wrap, lambda: nn.DataParallel(Net()), lambda: nn.Sequential(OrderedDict(whole=Net()))],
    ids=["a part called module", "DataParallel", "deeper"],
)
def test_wrappers_of_the_network_itself_are_kept_or_added(make: Callable[[], nn.Module], tmp_path: Path):
    module = trained(make)
    torch.save(module.state_dict(), tmp_path / "own.pth")
    assert same(read(make, tmp_path / "own.pth").module, unwrapped(module))
    if make is not Wrap:
        torch.save(trained().state_dict(), tmp_path / "plain.pth")
        inner = next(module.children())
        assert same(inner, trained()) and same(read(make, tmp_path / "plain.pth").module, unwrapped(module))


def test_a_tied_tensor_has_one_name_in_the_file_and_both_in_the_network(tmp_path: Path):
    module = trained(Tied)
    save_model(module, str(tmp_path / "tied.safetensors"))
    found = read(Tied, tmp_path / "tied.safetensors").module
    assert same(found, module) and found.get_parameter("c.weight") is found.get_parameter("b.weight")


def test_what_lies_beside_the_network_in_a_file_is_reported(tmp_path: Path):
    torch.save(FILES["Lightning, with a loss"], tmp_path / "file.ckpt")
    assert read(Net, tmp_path / "file.ckpt").weights == f"{tmp_path}/file.ckpt, without loss.weight beside the network"
    torch.save(FILES["averaged"], tmp_path / "file.ckpt")
    assert read(Net, tmp_path / "file.ckpt").weights == f"{tmp_path}/file.ckpt"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            prefixed("encoder.", {k: v for k, v in STATE.items() if "classifier" not in k}),
            r"lacks classifier.1.weight, classifier.1.bias; it has nothing more \(encoder.\*\)",
        ),
        ({**STATE, "features.9.weight": torch.ones(2)}, "lacks nothing more; it has features.9.weight"),
        (
            {"a.b": torch.ones(1), "c.d": torch.ones(1)},
            "lacks features.0.weight, features.0.bias, features.1.weight and 5 more; it has a.b, c.d",
        ),
        ({**STATE, "classifier.1.bias": torch.ones(3)}, r"classifier.1.bias is \(3,\) in the file and \(2,\)"),
        ({**STATE, "classifier.1.bias": torch.ones(2, dtype=torch.int8)}, "torch.int8 in the file and torch.float32"),
        ({**STATE, "classifier.1.bias": torch.ones(2, dtype=torch.complex64)}, "torch.complex64 in the file"),
        ({**STATE, "classifier.1.bias": torch.ones(2, device="meta")}, "lacks classifier.1.bias"),
        ({**prefixed("student.", STATE), **prefixed("teacher.", OTHER)}, r"fit \(student.\*, teacher.\*\)"),
        ({"model": STATE, "model_ema": OTHER}, r"several that fit \(model, model_ema\)"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_one_line_with_both_lists_and_change_nothing(state, message: str, tmp_path: Path):
    torch.save(state, tmp_path / "file.pth")
    module = trained()
    with pytest.raises(BadInput, match=message) as raised:
        load_network(module, str(tmp_path / "file.pth"), SHOWN)
    assert "\n" not in str(raised.value) and same(module, trained())


def test_a_file_that_fits_twice_with_the_same_values_fits(tmp_path: Path):
    torch.save({"model": STATE, "model_ema": {k: v.clone() for k, v in STATE.items()}}, tmp_path / "file.pth")
    assert same(read(Net, tmp_path / "file.pth").module, trained())


def test_a_network_of_one_layer_is_not_sought_under_each_of_many_prefixes():
    state = OrderedDict((f"block.{i}.weight", torch.ones(2, 2)) for i in range(8_000))
    with pytest.raises(BadInput, match="lacks weight; it has block.0.weight"):
        weights.fill(nn.Linear(2, 2, bias=False), {"": state}, "file.pth")


# -- torchvision


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch):
    """Weights are not drawn: torchvision's initial ones take seconds, and the files here replace them."""
    for name in ("kaiming_normal_", "kaiming_uniform_", "trunc_normal_", "normal_", "uniform_", "xavier_uniform_"):
        monkeypatch.setattr(nn.init, name, lambda tensor, *_, **__: tensor)


def as_torchvision_builds_it(name: str, member: Any, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """What torchvision's own builder makes of these weights, with random numbers in place of the download."""
    with monkeypatch.context() as patched, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patched.setattr(WeightsEnum, "get_state_dict", lambda *_, **__: {})
        patched.setattr(nn.Module, "load_state_dict", lambda *_, **__: None)
        module = get_model(name, weights=member)
    torch.manual_seed(3)
    for key, values in module.state_dict().items():
        if values.is_floating_point():
            values.uniform_(0.5, 1.5) if "running_var" in key else values.normal_(0, 0.05)
    return module.eval()


def published(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict under the names that torchvision's published file has."""
    if name.startswith("densenet"):
        return {re.sub(r"(denselayer\d+\.(?:norm|relu|conv))([12])\.", r"\1.\2.", k): v for k, v in state.items()}
    if name.startswith("fasterrcnn"):
        names = {k: re.sub(r"((inner|layer)_blocks\.\d)\.0\.", r"\1.", k) for k in state}
        return {re.sub(r"rpn\.head\.conv\.0\.0\.", "rpn.head.conv.", names[k]): v for k, v in state.items()}
    return state


TORCHVISION = [
    ("inception_v3", "IMAGENET1K_V1"),  # transform_input
    ("googlenet", "IMAGENET1K_V1"),  # transform_input, auxiliary heads taken away
    ("deeplabv3_mobilenet_v3_large", "COCO_WITH_VOC_LABELS_V1"),  # an auxiliary classifier
    ("fasterrcnn_resnet50_fpn", "COCO_V1"),  # batch norms frozen, with eps=0, older names
    ("densenet121", "IMAGENET1K_V1"),  # names of LuaTorch
    ("regnet_y_400mf", "IMAGENET1K_V2"),  # cannot be made without values
    ("mnasnet0_5", "IMAGENET1K_V1"),  # wants the version of its file
    ("squeezenet1_1", "IMAGENET1K_V1"),
]


@pytest.mark.parametrize(("name", "member"), TORCHVISION)
def test_a_file_gives_what_torchvisions_own_builder_gives(
    name: str, member: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_drawing: None
):
    wanted = as_torchvision_builds_it(name, get_model_weights(name)[member], monkeypatch)
    torch.save(published(name, wanted.state_dict()), tmp_path / "file.pth")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = from_torchvision(name, str(tmp_path / "file.pth"), 0, [])
    aloud = [str(one.message) for one in said if str(one.message).startswith("WEIGHTS")]
    special = {"inception_v3": "transform_input", "googlenet": "transform_input", "fasterrcnn_resnet50_fpn": "eps=0"}
    assert bool(aloud) == (name in special) and special.get(name, "") in "".join(aloud)
    assert all("set NETWORK to a function" in line for line in aloud)
    assert found.preprocessing == _of_transforms(get_model_weights(name)[member])
    part = "backbone" if name.startswith("fasterrcnn") else ""
    images = torch.randn(1, 3, 96, 96)
    with torch.inference_mode():
        ours, theirs = (module.eval().get_submodule(part)(images) for module in (found.module, wanted))
    torch.testing.assert_close(ours, theirs)


def test_a_safetensors_file_of_mnasnet_has_no_version_and_loads(tmp_path: Path, no_drawing: None):
    module = trained(lambda: get_model("mnasnet0_5", weights=None))
    save_file(module.state_dict(), tmp_path / "mnasnet.safetensors")
    assert same(load_network("mnasnet0_5", str(tmp_path / "mnasnet.safetensors")).module, module)


@pytest.mark.parametrize(
    "name", ["ssdlite320_mobilenet_v3_large", "lraspp_mobilenet_v3_large", "squeezenet1_1", "googlenet"]
)
@pytest.mark.filterwarnings("ignore:WEIGHTS")
def test_a_file_of_another_number_of_classes_gives_a_network_of_that_number(
    name: str, tmp_path: Path, no_drawing: None
):
    backbone = {} if name in ("squeezenet1_1", "googlenet") else {"weights_backbone": None}
    backbone |= {"init_weights": False} if name == "googlenet" else {}
    state = get_model(name, weights=None, num_classes=6, **backbone).state_dict()
    torch.save(state, tmp_path / "six.pth")
    found = from_torchvision(name, str(tmp_path / "six.pth"), 0, []).module.state_dict()
    assert {k: v.shape for k, v in found.items()} == {k: v.shape for k, v in state.items()}


@pytest.mark.parametrize(("size", "member"), [(384, "IMAGENET1K_SWAG_E2E_V1"), (224, None), (64, None)])
def test_a_transformers_image_size_is_the_files_and_its_preprocessing_that_sizes(size: int, member: str | None):
    """Of 224 pixels there are bilinear and bicubic weights, of 64 none: PREPROCESSING has to say."""
    members = list(get_model_weights("vit_b_16"))
    with torch.device("meta"):  # shapes without values
        usual = get_model("vit_b_16", weights=None)
        other = get_model("vit_b_16", weights=None, num_classes=3, image_size=size)
    sizes = {"num_classes": 3} | ({"image_size": size} if size != 224 else {})
    assert factories._sizes(usual, other.state_dict(), members) == sizes
    wanted = _of_transforms(get_model_weights("vit_b_16")[member]) if member else None
    assert factories._of_file(other, None, members) == wanted


def test_weights_that_differ_in_preprocessing_are_distinguished_by_the_published_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_drawing: None
):
    torch.save(get_model("efficientnet_b1", weights=None).state_dict(), tmp_path / "file.pth")
    path = str(tmp_path / "file.pth")
    assert from_torchvision("efficientnet_b1", path, 0, []).preprocessing is None
    for member, interpolation in (("IMAGENET1K_V1", "bicubic"), ("IMAGENET1K_V2", "bilinear")):
        wanted = get_model_weights("efficientnet_b1")[member]
        start = re.search(r"-([0-9a-f]{8})", wanted.url)
        monkeypatch.setattr("n2vlib.networks.factories.hashlib.file_digest", lambda *_, s=start: Digest(s[1]))  # pyright: ignore
        shown = from_torchvision("efficientnet_b1", path, 0, []).preprocessing
        assert shown == _of_transforms(wanted) and shown.interpolation == interpolation  # pyright: ignore


class Digest(str):
    """A sha256 that starts as the test needs."""

    def hexdigest(self) -> str:
        return self + "0" * 56


def test_quantized_weights_are_refused_in_one_line():
    with pytest.raises(BadInput, match="quantized weights are not measured; take resnet18"):
        load_network("quantized_resnet18", "DEFAULT")


# -- what is refused before it is read


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


@pytest.mark.parametrize("name", ["file.pth", "file.safetensors"])
def test_a_file_far_larger_than_the_network_is_not_read(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(weights, "_tensors", lambda _: pytest.fail("read"))
    sparse(tmp_path / name, 2**40)
    with pytest.raises(BadInput, match=r"1,048,576 MiB for a network of 0 MiB, more than 16 times as much; save"):
        read(Net, tmp_path / name)


def test_a_zip_is_measured_by_what_it_unpacks_to(tmp_path: Path):
    torch.save(STATE, tmp_path / "file.pth")
    with zipfile.ZipFile(tmp_path / "file.pth", "a", zipfile.ZIP_DEFLATED) as parts:
        for i in range(3):
            parts.writestr(f"archive/data/{90 + i}", bytes(2**25))
    assert (tmp_path / "file.pth").stat().st_size < 2**20
    with pytest.raises(BadInput, match=r"96 MiB for a network of 0 MiB"):
        read(Net, tmp_path / "file.pth")


class Hostile:
    """Unpickling it removes a folder, or creates a file."""

    def __init__(self, function: Callable, path: Path):
        self.call = function, (path,)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("function", [shutil.rmtree, Path.touch, os.remove])
def test_objects_beside_the_weights_are_replaced_or_refused_and_never_made(
    function: Callable, legacy: bool, tmp_path: Path
):
    (tmp_path / "kept").mkdir()
    path = tmp_path / ("kept" if function is shutil.rmtree else "trace")
    before = set(torch.serialization.get_safe_globals())
    beside = {"state_dict": STATE, "extra": Hostile(function, path)}
    torch.save(beside, tmp_path / "file.pth", _use_new_zipfile_serialization=not legacy)
    if function is shutil.rmtree and not legacy:
        assert same(read(Net, tmp_path / "file.pth").module, trained())
    else:  # what objects there are in files from before 2020, torch does not list
        with pytest.raises(BadInput, match="file of tensors only"):
            read(Net, tmp_path / "file.pth")
    assert {each.name for each in tmp_path.iterdir()} == {"kept", "file.pth"}
    assert set(torch.serialization.get_safe_globals()) == before


def test_an_older_file_with_a_number_of_numpy_beside_the_weights_is_read(tmp_path: Path):
    best = {"state_dict": STATE, "best_prec1": np.float64(56.5)}
    torch.save(best, tmp_path / "file.pth.tar", _use_new_zipfile_serialization=False)
    assert same(read(Net, tmp_path / "file.pth.tar").module, trained())


def test_a_whole_network_a_folder_and_a_name_too_long_are_one_line(tmp_path: Path):
    torch.save(trained(), tmp_path / "whole.pth")
    (tmp_path / "folder.pth").mkdir()
    for name, message in (
        ("whole.pth", "save network.state_dict"),
        ("folder.pth", "no regular"),
        ("a" * 300, "cannot be a path"),
    ):
        with pytest.raises(BadInput, match=message) as raised:
            read(Net, tmp_path / (name if name.endswith("pth") else name + ".pth"))
        assert "\n" not in str(raised.value)


# -- the zoo


def test_a_zoo_file_under_another_networks_name_is_refused(tmp_path: Path):
    for kinds, message in (((".safetensors", ".json"), "card of 'small-alexnet-objects'"), ((".json",), "card of")):
        for kind in (".safetensors", ".json"):
            source = "small-alexnet-objects" if kind in kinds else "small-alexnet-scenes"
            (tmp_path / f"small-alexnet-scenes{kind}").write_bytes((shipped.FOLDER / f"{source}{kind}").read_bytes())
        with pytest.raises(BadInput, match=message):
            shipped.load("small-alexnet-scenes", tmp_path)
    (tmp_path / "small-alexnet-scenes.json").write_text('["small-alexnet-scenes"]')
    with pytest.raises(BadInput, match="damaged"):
        shipped.load("small-alexnet-scenes", tmp_path)


def test_weights_of_another_network_of_the_zoo_are_refused(tmp_path: Path):
    for kind, source in ((".json", "small-alexnet-scenes"), (".safetensors", "small-alexnet-objects")):
        (tmp_path / f"small-alexnet-scenes{kind}").write_bytes((shipped.FOLDER / f"{source}{kind}").read_bytes())
    with pytest.raises(BadInput, match="sha256 differs"):
        shipped.load("small-alexnet-scenes", tmp_path)
