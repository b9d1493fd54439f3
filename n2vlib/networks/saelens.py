"""Sparse autoencoders as SAELens saves them: a folder with `cfg.json` and `sae_weights.safetensors`.

Read are the architectures standard, topk, jumprelu (batch-topk is saved as one) and gated, of version 6 and, as far as
its documented defaults go, before. Fields of `cfg.json`: architecture, k (before 6: activation_fn_str and
activation_fn_kwargs), apply_b_dec_to_input, normalize_activations, reshape_activations, rescale_acts_by_decoder_norm.
Tensors: W_enc (filter, unit), b_enc, b_dec, W_dec (unit, filter), threshold; of gated ones r_mag, b_mag and b_gate.
Tried on folders that SAELens 6.54 wrote with random weights, where units and reconstructions agree with its own; not
tried on published weights.
"""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from n2vlib.errors import BadInput
from n2vlib.files.userfiles import plain
from n2vlib.networks.unit_files import check, read_tensors

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
LARGEST = 2**20  # bytes of cfg.json
_NEEDED = {
    "standard": ("b_enc",),
    "topk": ("b_enc",),
    "jumprelu": ("b_enc", "threshold"),
    "gated": ("r_mag", "b_mag", "b_gate"),
}


def is_one(path: Path) -> bool:
    """Whether a path is such a folder, or its file of weights."""
    return path.is_dir() or path.name == WEIGHTS


def folder_of(path: Path) -> Path:
    return path if path.is_dir() else path.parent


def read(path: Path) -> tuple[dict[str, Tensor], str, int]:
    """Tensors as `units.load` takes them, the activation, and k.

    Raises BadInput for another architecture, and for options that are no linear map (activations that are normalised).
    """
    folder = folder_of(path)
    name, options = folder.name, _options(folder / CONFIG, folder.name)
    kind = _architecture(options, name)
    own = read_tensors(folder / WEIGHTS, ("W_enc", "W_dec", "b_dec", *_NEEDED[kind]))[0]
    _check(own, name)
    own = {each: values.double() for each, values in own.items()}
    tensors = {"weight": own["W_enc"].T, "decoder": own["W_dec"], "base": own["b_dec"]}
    if options.get("apply_b_dec_to_input", True):
        tensors["centre"] = own["b_dec"]
    if kind == "gated":
        # Magnitude and gate are two thresholds of one direction: the gate opens where the magnitude exceeds one.
        scale = own["r_mag"].exp()
        tensors["weight"] = tensors["weight"] * scale[:, None]
        tensors["bias"], tensors["threshold"] = own["b_mag"], own["b_mag"] - scale * own["b_gate"]
    else:
        tensors |= {"bias": own["b_enc"]} | ({"threshold": own["threshold"]} if kind == "jumprelu" else {})
    if kind == "topk" and options.get("rescale_acts_by_decoder_norm"):
        norm = own["W_dec"].norm(dim=1)
        tensors["weight"], tensors["bias"] = tensors["weight"] * norm[:, None], tensors["bias"] * norm
        tensors["decoder"] = own["W_dec"] / norm.clamp(min=1e-8)[:, None]
    activation = {"standard": "relu", "gated": "jumprelu"}.get(kind, kind)
    k = options.get("k", 0) if kind == "topk" else 0
    check({each: values.shape for each, values in tensors.items()}, activation, k, name)
    return tensors, activation, k


def _options(path: Path, name: str) -> dict[str, Any]:
    try:
        with plain(path, f"{name}/{CONFIG}").open("rb") as file:
            text = file.read(LARGEST + 1)
        found = json.loads(text) if len(text) <= LARGEST else None
    except FileNotFoundError:
        raise BadInput(f"units {name}: no {CONFIG} in the folder; SAELens saves it beside {WEIGHTS}") from None
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise BadInput(f"units {name}: {CONFIG} is no JSON object of at most {LARGEST:,} bytes")
    return found


def _architecture(options: dict[str, Any], name: str) -> str:
    """One of `_NEEDED`; before version 6, topk was an activation of the standard one."""
    kind = options.get("architecture", "standard")
    if options.get("activation_fn_str", options.get("activation_fn")) == "topk" and kind == "standard":
        kind, given = "topk", options.get("activation_fn_kwargs")
        options.setdefault("k", given.get("k") if isinstance(given, dict) else None)
    if not isinstance(kind, str) or kind not in _NEEDED:
        raise BadInput(f"units {name}: architecture {kind!r} is none of {', '.join(_NEEDED)}")
    if kind == "topk" and type(options.get("k")) is not int:
        raise BadInput(f"units {name}: {CONFIG} has no whole number k")
    for option in ("normalize_activations", "reshape_activations"):
        if options.get(option) not in (None, False, "none"):
            hint = "fold it into the weights before saving" if option.startswith("n") else "it is of single heads"
            raise BadInput(f"units {name}: {option} = {options[option]!r} is no linear map of filters; {hint}")
    return kind


def _check(own: dict[str, Tensor], name: str) -> None:
    """BadInput where the shapes are not SAELens'."""
    first = tuple(own["W_enc"].shape)
    if len(first) != 2 or not min(first):
        raise BadInput(f"units {name}: W_enc is {first}, not (filter, unit)")
    shapes = {"W_enc": first, "W_dec": first[::-1], "b_dec": first[:1]}
    for each, values in own.items():
        wanted = torch.Size(shapes.get(each, first[1:]))
        if values.shape != wanted:
            raise BadInput(
                f"units {name}: {each} is {tuple(values.shape)}; with a W_enc of {first} it is {tuple(wanted)}"
            )
