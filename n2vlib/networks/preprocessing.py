"""Preprocessing: size, mean, std and value range of a network's input, and the conversion of images to it."""

import math
import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from n2vlib.errors import BadInput

EXAMPLE = "{'size': 224, 'mean': [0.485, 0.456, 0.406], 'std': [0.229, 0.224, 0.225], 'range': 1}"
KEYS = ("size", "mean", "std", "range", "interpolation")
INTERPOLATIONS = ("bilinear", "bicubic", "nearest")
LARGEST = 4096  # pixels of a side
_HOW = (
    f"write, for instance, PREPROCESSING: {EXAMPLE} (range 1: values 0..1; range 255: values 0..255; "
    'mean and std of grey input: [0.5]; in a command: --preprocessing "{...}")'
)
_LUMA = (19595, 38470, 7471)  # ITU-R BT.601's .299, .587 and .114 in 65,536ths, as Pillow's mode L has them


@dataclass(frozen=True)
class Preprocessing:
    """x = (rgb - mean) / std, with rgb in 0..range, on images resized to `size`.

    size            (height, width) of the network's input in pixels, at most 4096
    mean, std       one number per channel (R, G, B), or a single one for grey input, in units of `range`
    range           1 or 255
    interpolation   bilinear, bicubic (both antialiased) or nearest
    Raises BadInput, in one line, for impossible numbers and for numbers of the other range.
    """

    size: tuple[int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    range: int = 1
    interpolation: str = "bilinear"

    def __post_init__(self) -> None:
        if fault := _fault(self):
            raise BadInput(f"preprocessing {fault}; {_HOW}")

    @property
    def channels(self) -> int:
        """3 for color, 1 for grey: a network's input is (image, channels, *size)."""
        return len(self.mean)

    def __call__(self, images: np.ndarray | Tensor) -> Tensor:
        """The network's input, float32, (image, channels, *size), on the device of `images`.

        images   uint8, (image, height, width, 3), R, G, B; one channel is their luma, rounded, as Pillow's convert("L")
        The whole image is resized, never cropped: label maps cover the whole image.
        """
        # torch needs writable memory, which a picture decoded by Pillow is not.
        pixels = images if isinstance(images, Tensor) else torch.from_numpy(np.require(images, requirements="W"))
        if pixels.dtype != torch.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3:
            raise BadInput(f"images: {pixels.dtype} {tuple(pixels.shape)}; expected uint8 (image, height, width, 3)")
        x = _resized((pixels if self.channels == 3 else _luma(pixels)).permute(0, 3, 1, 2).float(), self)
        # In place: allocating memory for each step costs more than the arithmetic.
        return x.mul_(self.range / 255).sub_(_per_channel(self.mean, x)).div_(_per_channel(self.std, x))

    def as_json(self) -> dict:
        """The same as JSON values, for keys of stored results and for provenance, without the default (bilinear)."""
        given = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {name: value for name, value in given.items() if (name, value) != ("interpolation", "bilinear")}


def as_preprocessing(given: "Preprocessing | Mapping | None", source: str) -> Preprocessing:
    """Preprocessing from a mapping with size, mean, std, range (1 unless given) and interpolation (bilinear).

    given    size: one number or (height, width); mean and std: one number for three channels, a list of three, or a
             list of one for a network of one (grey) input channel
    source   who gave it, for the error message
    Raises BadInput, which shows how to write it, where `given` is None or wrong.
    """
    if isinstance(given, Preprocessing):
        return given
    if given is None:
        raise BadInput(f"{source}: no preprocessing is given; {_HOW}")
    if not isinstance(given, Mapping):
        raise BadInput(f"{source}: preprocessing is {type(given).__name__}, not a mapping; {_HOW}")
    unknown, missing = set(given) - set(KEYS), set(KEYS[:3]) - set(given)
    if unknown or missing:
        what = f"unknown key {sorted(map(str, unknown))[0]!r}" if unknown else f"no {sorted(missing)[0]!r}"
        raise BadInput(f"{source}: preprocessing has {what}; {_HOW}")
    channels = 1 if any(_is_list(given[key]) and len(given[key]) == 1 for key in ("mean", "std")) else 3
    counts = {"size": 2, "mean": channels, "std": channels}
    size, mean, std = (tuple(_numbers(given[key], count, key, source)) for key, count in counts.items())
    try:
        whole = tuple(int(side) if side.is_integer() else side for side in size)
        return Preprocessing(whole, mean, std, **{key: given[key] for key in KEYS[3:] if key in given})  # pyright: ignore
    except BadInput as failure:
        raise BadInput(f"{source}: {failure}") from None


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _numbers(value: Any, count: int, name: str, source: str) -> list[float]:
    """`value` as `count` finite numbers; one number stands for all of them."""
    values = list(value) if _is_list(value) else [value] * count
    try:
        found = [float(v) for v in values if isinstance(v, Real) and not isinstance(v, bool)]
    except OverflowError:
        found = []
    if len(found) != count or len(values) != count or not all(map(math.isfinite, found)):
        raise BadInput(
            f"{source}: preprocessing {name} is {_short(value)}, not a finite number or {count} of them; {_HOW}"
        )
    return found


def _fault(given: Preprocessing) -> str:
    """What is impossible, "" where all is fine. Mean and std beyond the values' range belong to the other range."""
    size, mean, std, top = given.size, given.mean, given.std, given.range
    if not all(isinstance(side, int) and 1 <= side <= LARGEST for side in size):
        return f"size is {_short(size)}, not whole numbers from 1 to {LARGEST}"
    if len(mean) != len(std) or len(mean) not in (1, 3):
        return f"has {len(mean)} means and {len(std)} stds, not three of each, or one for grey input"
    if isinstance(top, bool) or top not in (1, 255):
        return f"has range {_short(top)}; it needs range 1 or 255"
    if given.interpolation not in INTERPOLATIONS:
        return f"interpolation is {_short(given.interpolation)}, not one of {', '.join(INTERPOLATIONS)}"
    if not all(map(math.isfinite, (*mean, *std))) or min(std) <= 0:
        return f"has mean {mean} and std {std}; it needs finite numbers and std > 0"
    if not _within(mean, std, top):
        hint = next((f": they are of range {other}" for other in (1, 255) if _within(mean, std, other)), "")
        return f"has mean {mean} and std {std}, which no values of range {top} have{hint}"
    return ""


def _within(mean: tuple[float, ...], std: tuple[float, ...], top: int) -> bool:
    """Whether values 0..top can have these means and stds; for 0..255 none may be below 1, except a mean of 0."""
    least = 0 if top == 1 else 1
    return all(m == 0 or least <= m <= top for m in mean) and all(least <= s <= top for s in std)


def _short(value: Any) -> str:
    try:
        return reprlib.repr(value)
    except ValueError:  # Python writes no integer of more than 4,300 digits
        return "a number of thousands of digits"


def _resized(x: Tensor, shown: Preprocessing) -> Tensor:
    """Images (image, channel, height, width) resized to the input's size, still in 0..255.

    Bicubic overshoots at edges; as in Pillow, values are rounded and clipped after the columns and after the rows.
    """
    if tuple(x.shape[2:]) == shown.size:
        return x
    if shown.interpolation == "nearest":
        return F.interpolate(x, size=shown.size, mode="nearest-exact")  # as in Pillow
    options = {"mode": shown.interpolation, "align_corners": False, "antialias": True}
    if shown.interpolation == "bilinear":
        return F.interpolate(x, size=shown.size, **options)
    for size in ((x.shape[2], shown.size[1]), shown.size):
        x = F.interpolate(x, size=size, **options).round().clamp(0, 255)
    return x


def _luma(pixels: Tensor) -> Tensor:
    """Grey values as in Pillow, of uint8 (image, height, width, 3), in one channel."""
    weights = torch.tensor(_LUMA, dtype=torch.int32, device=pixels.device)
    return ((pixels.int() * weights).sum(-1, keepdim=True, dtype=torch.int32) + 2**15) >> 16


def _per_channel(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device).view(1, -1, 1, 1)
