"""What a network is shown: size, mean, std and value range of its input, and images turned into that input."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from n2vlib.errors import BadInput

EXAMPLE = "{'size': 224, 'mean': [0.485, 0.456, 0.406], 'std': [0.229, 0.224, 0.225], 'range': 1}"
_HOW = f"write, for instance, PREPROCESSING: {EXAMPLE} (range 1: values 0..1; range 255: values 0..255)"


@dataclass(frozen=True)
class Preprocessing:
    """x = (rgb - mean) / std, with rgb in 0..range, on images resized to `size`.

    size        (height, width) of the network's input in pixels
    mean, std   one number per channel (R, G, B), in units of `range`
    range       1 or 255
    """

    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    range: int = 1

    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        """The network's input, float32, (image, 3, *size), on the device of `images`.

        images   uint8, (image, height, width, 3), R, G, B
        The whole image is resized (bilinear, antialiased), never cropped: label maps cover the whole image.
        """
        # torch cannot take memory it may not write to, such as a picture as Pillow decoded it.
        pixels = images if isinstance(images, Tensor) else torch.from_numpy(np.require(images, requirements="W"))
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3:
            raise BadInput(f"images: {pixels.dtype} {tuple(pixels.shape)}; expected uint8 (image, height, width, 3)")
        x = pixels.permute(0, 3, 1, 2).float()
        if tuple(x.shape[2:]) != self.size:
            x = F.interpolate(x, size=self.size, mode="bilinear", align_corners=False, antialias=True)
        return (x * (self.range / 255) - _per_channel(self.mean, x)) / _per_channel(self.std, x)

    def record(self) -> dict:
        """The same as JSON values, for keys of stored results and for provenance."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def as_preprocessing(given: "Preprocessing | Mapping | None", source: str) -> Preprocessing:
    """Preprocessing from a mapping with the keys size, mean, std and range (1 unless given).

    given    size: one number or (height, width); mean and std: one number or one per channel
    source   who gave it, for the error message
    Raises BadInput, which shows how to write it, where `given` is None or wrong.
    """
    if isinstance(given, Preprocessing):
        return given
    if given is None:
        raise BadInput(f"{source}: its preprocessing is given nowhere; {_HOW}")
    if not isinstance(given, Mapping):
        raise BadInput(f"{source}: preprocessing is {type(given).__name__}, not a mapping; {_HOW}")
    unknown, missing = set(given) - {"size", "mean", "std", "range"}, {"size", "mean", "std"} - set(given)
    if unknown or missing:
        what = f"unknown key {sorted(map(str, unknown))[0]!r}" if unknown else f"no {sorted(missing)[0]!r}"
        raise BadInput(f"{source}: preprocessing has {what}; {_HOW}")
    height, width = (int(n) for n in _numbers(given["size"], 2, "size", source))
    mean, std = _numbers(given["mean"], 3, "mean", source), _numbers(given["std"], 3, "std", source)
    top = given.get("range", 1)
    if min(height, width) < 1 or min(std) <= 0 or top not in (1, 255):
        raise BadInput(f"{source}: preprocessing needs size >= 1, std > 0 and range 1 or 255; {_HOW}")
    return Preprocessing((height, width), (mean[0], mean[1], mean[2]), (std[0], std[1], std[2]), int(top))


def _numbers(value: Any, count: int, name: str, source: str) -> list[float]:
    """`value` as `count` numbers; one number stands for all of them."""
    values = list(value) if isinstance(value, list | tuple) else [value] * count
    if len(values) != count or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        raise BadInput(f"{source}: preprocessing {name} is {value!r}, not a number or {count} numbers; {_HOW}")
    return [float(v) for v in values]


def _per_channel(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, -1, 1, 1)
