"""Sources of a network's module: torchvision, a user's function (`functions`), and weight files.

Weight files are read without running code in them: safetensors, or torch.load with weights_only.
"""

import contextlib
import hashlib
import inspect
import math
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from n2vlib.errors import BadInput, near, one_line
from n2vlib.networks.functions import function_named
from n2vlib.networks.preprocessing import Preprocessing
from n2vlib.networks.weights import fill, fitting, read_weights
from n2vlib.paths import resolve

# Object detectors for whose trained weights torchvision's builders set eps=0 in batch norms.
_WITHOUT_EPS = [f"{kind}_resnet50_fpn" for kind in ("fasterrcnn", "maskrcnn", "keypointrcnn", "retinanet")]
_START = re.compile(r"-([0-9a-f]{8,})\.[a-z]+$")  # of a file's sha256, in the names of torch's published files
_FILES = (".safetensors", ".pth", ".pt", ".bin", ".tar", ".ckpt")


class Found(NamedTuple):
    """A module, its preprocessing (None: it has none), and where its weights come from."""

    module: nn.Module
    preprocessing: Preprocessing | Mapping | None
    weights: str


def from_torchvision(name: str, weights: str | None, seed: int, also: list[str]) -> Found:
    """torchvision's network `name`, preprocessed as its weights' transforms say (random weights: as the default's say).

    weights   a member of the network's weights enum, a file with a state dict, or None for random weights
    also      further known names, for the message about an unknown name
    """
    from torchvision.models import get_model_weights, list_models

    if name not in list_models():
        hint = f"{near(name, [*also, *list_models()])}; yours: package.module:function or path/file.py:function"
        raise BadInput(f"NETWORK {name!r}: no such network; {hint}")
    enum = get_model_weights(name)
    members = {member.name: member for member in enum} | {"DEFAULT": getattr(enum, "DEFAULT", None)}
    default = members["DEFAULT"]
    if weights is None:
        return Found(_random(name, seed), _of_transforms(default), f"random, seed {seed}")
    if weights.lower().endswith(_FILES):
        return _from_file(name, weights, seed)
    member = members.get(weights.rpartition(".")[2])
    if member is None:
        hint = f"{name} has {', '.join(m.name for m in enum)}; or give a file (.safetensors, .pth)"
        raise BadInput(f"WEIGHTS {weights!r}: unknown; {hint}")
    if name.startswith("quantized_"):
        raise BadInput(
            f"WEIGHTS {weights!r}: quantized weights are not measured; take {name.removeprefix('quantized_')}"
        )
    return Found(_trained(name, member), _of_transforms(member), member.name)


def from_function(network: str | nn.Module | Callable, weights: str | None, seed: int) -> Found:
    """The module that a function returns, alone or in the pair (module, preprocessing); a module is taken as it is.

    network   "package.module:function", "path/file.py:function", the function, or a module
    weights   a file with a state dict to load into the module, or None
    """
    name = network if isinstance(network, str) else getattr(network, "__name__", type(network).__name__)
    made = network
    if not isinstance(network, nn.Module):
        function = function_named(network) if isinstance(network, str) else network
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                made = function()
            except Exception as failure:  # it is the user's code
                raise BadInput(f"NETWORK {name}: called without arguments, it fails ({one_line(failure)})") from failure
    module, preprocessing = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(module, nn.Module):
        what = type(made).__name__
        raise BadInput(f"NETWORK {name}: it returned {what}, not a torch module or the pair (module, preprocessing)")
    if weights is None:
        return Found(module, preprocessing, f"as {name} gives them, seed {seed}")
    return Found(module, preprocessing, fill(module, read_weights(resolve(weights), module), weights))


def _from_file(name: str, weights: str, seed: int) -> Found:
    """torchvision's network with weights from a file, set up as torchvision does for its own trained weights."""
    from torchvision.models import get_model_weights

    members, path, module = list(get_model_weights(name)), resolve(weights), _random(name, seed)
    states = read_weights(path, module)
    for heads in _heads(module):
        made = _random(name, seed, **heads) if heads else module
        if fit := fitting(states, made, weights):
            sizes = _sizes(made, fit.state, members)
            module = _random(name, seed, **heads, **sizes) if sizes else made
            break
    words = fill(module, states, weights)
    member = _published(path, members)
    if what := _as_trained(name, module, member.name if member else ""):
        words += f", with {what}"
    if what and member is None:
        hint = "for weights trained without it, set NETWORK to a function that returns the network"
        warnings.warn(
            f"WEIGHTS {weights}: taken as torchvision's own weights of {name}, with {what}; {hint}", stacklevel=2
        )
    return Found(module, _of_file(module, member, members), words)


def _heads(module: nn.Module) -> Iterator[dict[str, bool]]:
    """torchvision's options for auxiliary heads, which a file may have or lack; the default first."""
    yield {}
    if hasattr(module, "aux_logits"):
        yield {"aux_logits": False}
    if hasattr(module, "aux_classifier"):
        yield {"aux_loss": True}


def _sizes(module: nn.Module, state: Mapping[str, Tensor], members: list[Any]) -> dict[str, int]:
    """The number of classes, and a vision transformer's image size, where the file's shapes differ."""
    usual = next((len(member.meta["categories"]) for member in members if member.meta.get("categories")), 0)
    shapes = []
    own = {name: values.shape for name, values in module.state_dict().items()}
    for name, values in state.items():
        if values.shape != own[name] and values.shape[1:] == own[name][1:]:
            shapes.append((usual * values.shape[0], own[name][0]))
    classes = {part // whole for part, whole in shapes if part and part % whole == 0}
    found = {"num_classes": min(classes)} if len(classes) == 1 else {}
    places, patch = state.get("encoder.pos_embedding"), getattr(module, "patch_size", 0)
    if patch and places is not None and places.ndim == 3 and places.shape != own["encoder.pos_embedding"]:
        found["image_size"] = math.isqrt(places.shape[1] - 1) * patch
    return found


def _published(path: Path, members: list[Any]) -> Any:
    """The member of the enum whose published file this is, by the hash in that file's name; None for any other file."""
    found = _sha256(path)
    hashes = {member: _START.search(member.url) for member in members}
    return next((member for member, wanted in hashes.items() if wanted and found.startswith(wanted[1])), None)


def _as_trained(name: str, module: nn.Module, member: str) -> str:
    """Set what torchvision sets for trained weights and no state dict holds; returns it in words ("": nothing)."""
    if hasattr(module, "transform_input"):
        module.transform_input = True  # pyright: ignore[reportArgumentType]
        return "transform_input"
    if name in _WITHOUT_EPS and member != "COCO_LEGACY":
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.eps = 0.0
        return "eps=0 in batch norms"
    return ""


def _of_file(module: nn.Module, member: Any, members: list[Any]) -> Preprocessing | None:
    """The preprocessing of the published file, or the one shared by all trained weights of this size; else None."""
    if member is not None:
        return _of_transforms(member)
    found = {_of_transforms(member) for member in members if member.meta.get("categories")}
    side = getattr(module, "image_size", None)
    known = [shown for shown in found if shown and (side is None or shown.size == (side, side))]
    return known[0] if len(known) == 1 else None


def _random(name: str, seed: int, **options: int) -> nn.Module:
    from torchvision.models import get_model, get_model_builder

    known = inspect.signature(get_model_builder(name)).parameters
    backbone = {"weights_backbone": None} if "weights_backbone" in known else {}
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # GoogLeNet and Inception announce a change of initialisation
        torch.manual_seed(seed)
        return get_model(name, weights=None, **backbone, **options)


def weights_missing(name: str, weights: str | None) -> str:
    """Where torchvision's trained weights will be put that are not here yet; "" for others, and where they are here."""
    from torchvision.models import get_model_weights, list_models

    if name not in list_models() or weights is None or weights.lower().endswith(_FILES):
        return ""
    members = {member.name: member for member in get_model_weights(name)}
    member = members.get(weights.rpartition(".")[2]) or getattr(get_model_weights(name), weights, None)
    return str(_place(member)) if member is not None and not _place(member).exists() else ""


def _place(member: Any) -> Path:
    """The file of trained weights in torch's own cache."""
    return Path(torch.hub.get_dir()) / "checkpoints" / member.url.rpartition("/")[2]


def _trained(name: str, member: Any) -> nn.Module:
    """torchvision's network with the weights of an enum member, downloaded once into torch's own cache."""
    from torchvision.models import get_model

    path = _place(member)
    wanted = _START.search(path.name)
    if path.exists() and wanted and not (found := _sha256(path)).startswith(wanted[1]):
        raise BadInput(f"WEIGHTS {path}: damaged (its sha256 starts with {found[:8]}, not {wanted[1]}); delete it")
    try:
        with _tensors_only():
            return get_model(name, weights=member, progress=os.environ.get("N2V_PROGRESS") != "0")
    except (OSError, RuntimeError) as failure:
        hint = f"get {member.url} by hand and put it at {path}"
        raise BadInput(f"WEIGHTS {member.name}: cannot be downloaded or read ({failure}); {hint}") from failure


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _tensors_only() -> Iterator[None]:
    """torch.load inside the block refuses code; torchvision's own call does not set weights_only."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})


def _of_transforms(member: Any) -> Preprocessing | None:
    """Size, mean, std and interpolation of these weights' transforms; None where they have none (detection, video).

    torchvision resizes and crops; the probe set's whole image is resized to the size of that crop instead.
    """
    transforms = member.transforms() if member is not None else None
    size = getattr(transforms, "crop_size", None) or getattr(transforms, "resize_size", None)
    if transforms is None or size is None or not hasattr(transforms, "mean"):
        return None
    sides = tuple(size) * 2 if len(size) == 1 else tuple(size)
    how = transforms.interpolation.value
    return Preprocessing((sides[0], sides[1]), tuple(transforms.mean), tuple(transforms.std), 1, how)
