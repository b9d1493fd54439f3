"""Where a network's module comes from: torchvision, a function of the user's, and weight files.

No weight file is unpickled with code in it: safetensors, or torch.load with weights_only.
"""

import contextlib
import hashlib
import importlib
import importlib.util
import os
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from n2vlib.errors import BadInput, near
from n2vlib.paths import resolve
from n2vlib.preprocessing import Preprocessing


class Found(NamedTuple):
    """A module, the preprocessing it brings (None: it brings none), and where its weights come from."""

    module: nn.Module
    preprocessing: Preprocessing | Mapping | None
    weights: str


def from_torchvision(name: str, weights: str | None, seed: int, also: list[str]) -> Found:
    """torchvision's network `name`; preprocessing from its weights' transforms, random twins from the default's.

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
    member = members.get(weights.rpartition(".")[2]) if not _is_file(weights) else None
    if member is not None:
        return Found(_trained(name, member), _of_transforms(member), member.name)
    if not _is_file(weights):
        hint = f"{name} has {', '.join(m.name for m in enum)}; or give a file (.safetensors, .pth)"
        raise BadInput(f"WEIGHTS {weights!r}: unknown; {hint}")
    state = read_weights(resolve(weights))
    with torch.device("meta"):  # shapes without values
        last = list(_random(name, seed).state_dict())[-1]
    options = {"num_classes": len(state[last])} if last in state else {}
    return Found(_filled(_random(name, seed, **options), state, weights), _of_transforms(default), weights)


def from_function(network: str | nn.Module | Callable, weights: str | None, seed: int) -> Found:
    """What a function returns: a module or the pair (module, preprocessing); a module stands for itself.

    network   "package.module:function", "path/file.py:function", the function, or a module
    weights   a file with a state dict to load into the module, or None
    """
    name = network if isinstance(network, str) else getattr(network, "__name__", type(network).__name__)
    made = network
    if not isinstance(network, nn.Module):
        function = _function(network) if isinstance(network, str) else network
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made = function()
    module, preprocessing = made if isinstance(made, tuple) and len(made) == 2 else (made, None)
    if not isinstance(module, nn.Module):
        what = type(made).__name__
        raise BadInput(f"NETWORK {name}: it returned {what}, not a torch module or the pair (module, preprocessing)")
    if weights is None:
        return Found(module, preprocessing, f"as {name} gives them, seed {seed}")
    return Found(_filled(module, read_weights(resolve(weights)), weights), preprocessing, weights)


def read_weights(path: Path) -> dict[str, Tensor]:
    """A state dict from a .safetensors file, or from a torch file that holds tensors only.

    A dict under the key state_dict is taken out, and the "module." that DataParallel writes before names is dropped.
    """
    if not path.is_file():
        raise BadInput(f"WEIGHTS {path}: no such file")
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state: Any = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as failure:  # whatever a damaged or hostile file makes the readers raise
        kind = type(failure).__name__
        raise BadInput(f"WEIGHTS {path}: not a readable file of tensors only ({kind}); save a state dict") from failure
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise BadInput(f"WEIGHTS {path}: it holds no state dict (names and tensors); save network.state_dict()")
    return {str(name).removeprefix("module."): values for name, values in state.items()}


def _filled(module: nn.Module, state: dict[str, Tensor], weights: str) -> nn.Module:
    try:
        module.load_state_dict(state)
    except RuntimeError as failure:
        first = str(failure).splitlines()[1:2] or [str(failure)]
        raise BadInput(f"WEIGHTS {weights}: it does not fit this network ({first[0].strip()[:200]})") from failure
    return module


def _random(name: str, seed: int, **options: int) -> nn.Module:
    from torchvision.models import get_model

    backbone = {"weights_backbone": None} if re.search(r"^(fcn|deeplab|lraspp)|rcnn|ssd|fcos|retinanet", name) else {}
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # GoogLeNet and Inception announce a change of initialisation
        torch.manual_seed(seed)
        return get_model(name, weights=None, **backbone, **options)


def _trained(name: str, member: Any) -> nn.Module:
    """torchvision's network with the weights of an enum member, downloaded once into torch's own cache."""
    from torchvision.models import get_model

    path = Path(torch.hub.get_dir()) / "checkpoints" / member.url.rpartition("/")[2]
    if path.exists():
        _verify(path)
    try:
        with _tensors_only():
            return get_model(name, weights=member, progress=os.environ.get("N2V_PROGRESS") != "0")
    except (OSError, RuntimeError) as failure:
        hint = f"get {member.url} by hand and put it at {path}"
        raise BadInput(f"WEIGHTS {member.name}: cannot be downloaded or read ({failure}); {hint}") from failure


def _verify(path: Path) -> None:
    """Compare a cached file with the start of its sha256, which torch writes into its name."""
    wanted = re.search(r"-([0-9a-f]{8,})\.[a-z]+$", path.name)
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if wanted and not found.startswith(wanted[1]):
        raise BadInput(f"WEIGHTS {path}: damaged (its sha256 starts with {found[:8]}, not {wanted[1]}); delete it")


@contextlib.contextmanager
def _tensors_only() -> Iterator[None]:
    """torch.load inside the block refuses code: torchvision's own call leaves weights_only off."""
    name = "TORCH_FORCE_WEIGHTS_ONLY_LOAD"
    before = os.environ.get(name)
    os.environ[name] = "1"
    try:
        yield
    finally:
        os.environ.pop(name) if before is None else os.environ.update({name: before})


def _of_transforms(member: Any) -> Preprocessing | None:
    """Size, mean and std of torchvision's transforms of these weights; None where they have none (detection, video).

    torchvision resizes and crops; the probe set's whole image is resized to the size of that crop instead.
    """
    transforms = member.transforms() if member is not None else None
    size = getattr(transforms, "crop_size", None) or getattr(transforms, "resize_size", None)
    if transforms is None or size is None or not hasattr(transforms, "mean"):
        return None
    sides = tuple(size) * 2 if len(size) == 1 else tuple(size)
    return Preprocessing((sides[0], sides[1]), tuple(transforms.mean), tuple(transforms.std), 1)


def _is_file(weights: str) -> bool:
    return weights.endswith((".safetensors", ".pth", ".pt", ".bin", ".tar"))


def _function(network: str) -> Callable:
    """The function named by "package.module:function" or "path/file.py:function"."""
    where, _, name = network.rpartition(":")
    source = _run_file(resolve(where), network) if where.endswith(".py") else _import(where, network)
    function = getattr(source, name, None)
    if not callable(function):
        known = [known for known, value in vars(source).items() if callable(value) and not known.startswith("_")]
        raise BadInput(f"NETWORK {network}: {where} has no function {name!r}; {near(name, known)}")
    return function


def _import(where: str, network: str) -> ModuleType:
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as failure:
        raise BadInput(f"NETWORK {network}: {failure}; install it, or write path/file.py:function") from failure


def _run_file(path: Path, network: str) -> ModuleType:
    """The module of a Python file; files beside it can be imported from it."""
    if not path.is_file():
        raise BadInput(f"NETWORK {network}: no file {path}")
    name = f"n2v_network_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise BadInput(f"NETWORK {network}: {path} is not a Python file")
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(path.parent))
    return module
