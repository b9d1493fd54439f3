"""Networks of timm and of Hugging Face's transformers, from local files only.

    load_network("timm:vit_small_patch16_224.augreg_in1k")     a name of timm, random weights or those of a file
    load_network("hf:path/to/folder")                          config.json, safetensors and an image processor

Both are optional: pip install "n2vlib[timm]" or "n2vlib[transformers]". Nothing is downloaded, no code in a folder is
run, and no pickle is read.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from n2vlib.errors import BadInput, near, one_line
from n2vlib.networks.factories import Found
from n2vlib.networks.preprocessing import INTERPOLATIONS
from n2vlib.networks.weights import fill, read_weights
from n2vlib.paths import resolve

TIMM, FOLDER = "timm:", "hf:"
_RESAMPLING = {0: "nearest", 2: "bilinear", 3: "bicubic"}  # Pillow's numbers


def from_timm(name: str, weights: str | None, seed: int) -> Found:
    """timm's network of that name, preprocessed as timm says of these weights.

    name      "timm:NAME" or "timm:NAME.TAG"; the tag chooses the preprocessing
    weights   a file with a state dict, or None for random weights
    Raises BadInput for an unknown name, and for weights that are not a file.
    """
    timm = _library("timm", name)
    architecture = name.removeprefix(TIMM)
    known = timm.list_models()
    if architecture.partition(".")[0] not in known:
        raise BadInput(f"NETWORK {name!r}: timm has no such network; {near(architecture, known)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            module = timm.create_model(architecture, pretrained=False)
        except Exception as failure:  # an unknown tag, a package that this network needs
            raise BadInput(f"NETWORK {name}: timm cannot make it ({one_line(failure)})") from failure
    shown = timm.data.resolve_model_data_config(module)
    how = shown["interpolation"] if shown["interpolation"] in INTERPOLATIONS else "bilinear"
    preprocessing = {"size": shown["input_size"][1:], "mean": shown["mean"], "std": shown["std"], "interpolation": how}
    if weights is None:
        return Found(module, preprocessing, f"random, seed {seed}")
    return Found(module, preprocessing, fill(module, read_weights(resolve(weights), module), weights))


def from_folder(name: str, weights: str | None) -> Found:
    """The network in a folder that `save_pretrained` of transformers wrote, with its image processor.

    name   "hf:PATH"; the class is that of `architectures` in its config.json
    Raises BadInput for a folder without these files, weights that are not all there, and networks of other things than
    images.
    """
    if weights is not None:
        raise BadInput(f"WEIGHTS: the folder of {name} has its own weights; leave WEIGHTS empty")
    transformers = _library("transformers", name)
    folder = resolve(name.removeprefix(FOLDER))
    kind = _class_of(transformers, folder, name)
    options = {"local_files_only": True, "use_safetensors": True, "trust_remote_code": False}
    try:
        with _quiet(transformers.logging):
            module, report = kind.from_pretrained(folder, output_loading_info=True, **options)
    except Exception as failure:  # whatever a damaged file makes the reader raise
        raise BadInput(f"NETWORK {name}: transformers cannot read it ({one_line(failure)})") from failure
    if missing := sorted(map(str, report.get("missing_keys", ()))):
        raise BadInput(f"NETWORK {name}: {len(missing)} tensors have no weights in the folder, such as {missing[0]}")
    module.register_forward_hook(_scores_alone)
    return Found(module.float(), _processor(transformers, folder, name), f"as {name} has them")


def _library(package: str, name: str) -> ModuleType:
    try:
        return import_module(package)
    except ImportError as failure:
        raise BadInput(f'NETWORK {name}: {one_line(failure)}; pip install "n2vlib[{package}]"') from failure


@contextmanager
def _quiet(logging: Any) -> Iterator[None]:
    """Without the library's own report and bar: what is wrong is said in one line."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def _class_of(transformers: ModuleType, folder: Path, name: str) -> Any:
    """The class that the folder's config.json names, if it is one of the library and takes images."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (architecture,) = config["architectures"]
        own_code = config.get("auto_map")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as failure:
        what = "no config.json with one name in architectures"
        raise BadInput(f"NETWORK {name}: {what} in {folder}; write it with save_pretrained") from failure
    kind = getattr(transformers, str(architecture), None)
    if own_code or not isinstance(kind, type) or not issubclass(kind, transformers.PreTrainedModel):
        what = "code of its own, which is not run" if own_code else f"{architecture}, no network of transformers"
        raise BadInput(f"NETWORK {name}: it needs {what}; set NETWORK to a function that returns it")
    if kind.main_input_name != "pixel_values":
        hint = "set NETWORK to a function that returns the part that takes images, such as its vision_model"
        raise BadInput(f"NETWORK {name}: {architecture} takes {kind.main_input_name}, not images alone; {hint}")
    if not any(folder.glob("*.safetensors")):
        raise BadInput(f"NETWORK {name}: no .safetensors in {folder}; other files can hold code, so convert them")
    return kind


def _scores_alone(_module: nn.Module, _given: tuple, output: Any) -> Any:
    """A classifier's scores instead of the record that holds them."""
    logits = output.get("logits") if isinstance(output, dict) else None
    return output if logits is None else logits


def _processor(transformers: ModuleType, folder: Path, name: str) -> dict | None:
    """The preprocessing that the folder's image processor makes; None where it has none."""
    if not (folder / "preprocessor_config.json").is_file():
        return None
    try:
        shown = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as failure:  # a damaged file, a missing package
        raise BadInput(
            f"NETWORK {name}: transformers cannot read its image processor ({one_line(failure)})"
        ) from failure
    return _as_ours(shown.to_dict(), name)


def _as_ours(given: Mapping[str, Any], name: str) -> dict:
    """An image processor's settings as our preprocessing, whose images have values from 0 to 1."""
    sides = given.get("crop_size") if given.get("do_center_crop") else None
    sides = sides or given.get("size")
    size = sides if isinstance(sides, int) else _sides(dict(sides or {}))
    if size is None or given.get("do_flip_channel_order"):
        what = "B, G, R images" if size else f"images of size {sides}"
        raise BadInput(f"NETWORK {name}: its image processor makes {what}; give PREPROCESSING")
    scale = 255 * given.get("rescale_factor", 1 / 255) if given.get("do_rescale") else 255
    mean, std = (given["image_mean"], given["image_std"]) if given.get("do_normalize") else ([0.0], [1.0])
    offset = 1 if given.get("rescale_offset") else 0
    mean, std = [(m + offset) / scale for m in mean], [s / scale for s in std]
    if len(mean) == 1 and not given.get("do_normalize"):
        mean, std = mean * 3, std * 3
    how = _RESAMPLING.get(given.get("resample", 2), "bilinear")
    return {"size": size, "mean": mean, "std": std, "interpolation": how}


def _sides(given: Mapping[str, Any]) -> list[int] | None:
    """Height and width; the shortest edge makes a square, since whole images are shown."""
    height, width = given.get("height"), given.get("width")
    if height and width:
        return [height, width]
    return [given["shortest_edge"]] * 2 if given.get("shortest_edge") else None
