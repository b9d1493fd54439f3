"""The device where networks run and pixels are counted: its name, checked once."""

import re
from typing import Literal

from n2vlib.errors import BadInput


def named(device: str) -> str:
    """`device` itself; ValueError for a word that names none."""
    if not re.fullmatch(r"auto|cpu|mps|cuda(:\d+)?", device):
        raise ValueError("say 'auto', 'cpu', 'cuda', 'cuda:1' or 'mps'")
    return device


def choose_device(device: str) -> str:
    """The torch device that `device` stands for: "cpu", "mps", "cuda" or "cuda:1"; "auto" is "cuda" where available.

    Raises BadInput for any other word, and for a device that torch does not see here.
    """
    try:
        named(device)
    except ValueError as fault:
        raise BadInput(f"DEVICE = {device!r}: {fault}") from None
    import torch  # chapters' parameters are checked without it

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "mps" and not torch.backends.mps.is_available():
        raise BadInput("DEVICE = 'mps': torch sees no Apple GPU here; say 'auto' or 'cpu'")
    at, there = int(device.partition(":")[2] or 0), torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device.startswith("cuda") and at >= there:
        raise BadInput(f"DEVICE = {device!r}: torch sees {there} CUDA devices here; say 'auto' or 'cpu'")
    return device


def kind_of(device: str) -> Literal["cpu", "gpu"]:
    """The kind of a device, which sets the batch size."""
    return "cpu" if device == "cpu" else "gpu"


def counts_on(device: str) -> bool:
    """Whether our torch kernels run there; outputs of an Apple GPU, which has no float64, are counted on the CPU."""
    return device.startswith("cuda")
