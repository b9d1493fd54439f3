"""The tensors of a file of units: what is in it, checked before it is used, and most of it before it is read."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from n2vlib.errors import BadInput, near
from n2vlib.files.userfiles import plain

ACTIVATIONS = ("identity", "relu", "jumprelu", "topk")
MOST = 2**28  # numbers in one file


def read_tensors(
    path: Path, needed: Iterable[str], optional: Iterable[str] = ()
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors of a safetensors file by their names, and its metadata; others are not read.

    Raises BadInput where one is missing, not of finite floats, or where they are too large.
    """
    from safetensors import SafetensorError, safe_open

    if not plain(path, path.name).exists():
        raise BadInput(f"units {path.name}: no such file")
    try:
        with safe_open(path, framework="pt") as opened:
            names = list(opened.keys())
            if missing := [name for name in needed if name not in names]:
                raise BadInput(f"units {path.name}: no tensor {missing[0]!r}; {near(missing[0], names)}")
            wanted = [name for name in (*needed, *optional) if name in names]
            sizes = [int(np.prod(opened.get_slice(name).get_shape(), dtype=object)) for name in wanted]
            if sum(sizes) > MOST:
                raise BadInput(
                    f"units {path.name}: {sum(sizes):,} numbers; at most {MOST:,} are read; take fewer units"
                )
            tensors = {name: opened.get_tensor(name) for name in wanted}
            metadata = opened.metadata() or {}
    except (SafetensorError, OSError) as failure:
        why = str(failure).splitlines()[0][:80]
        raise BadInput(f"units {path.name}: cannot be read as safetensors ({why}); write it with units.save") from None
    finite(tensors, path.name)
    return tensors, metadata


def finite(tensors: Mapping[str, Tensor], name: str) -> None:
    """BadInput where a tensor is not of floats, or has one that is infinite or none."""
    for each, values in tensors.items():
        if not values.is_floating_point():
            raise BadInput(f"units {name}: {each} is of {values.dtype}, not of floats")
        if not torch.isfinite(values).all():
            raise BadInput(f"units {name}: {each} has values that are infinite or no numbers (NaN)")


def check(shapes: Mapping[str, torch.Size], activation: str, k: int, name: str) -> None:
    """BadInput where tensors of these shapes are no units."""
    weight = tuple(shapes["weight"])
    if len(weight) != 2 or not min(weight):
        raise BadInput(f"units {name}: weight is {weight}, not (unit, filter)")
    sizes: dict[str, tuple[int, ...]] = {
        "bias": weight[:1],
        "centre": weight[1:],
        "base": weight[1:],
        "threshold": weight[:1],
    }
    for each, shape in shapes.items():
        if tuple(shape) != sizes.setdefault(each, weight):
            raise BadInput(f"units {name}: {each} is {tuple(shape)}; with a weight of {weight} it is {sizes[each]}")
    if activation not in ACTIVATIONS:
        raise BadInput(f"units {name}: activation {activation!r} is none of {', '.join(ACTIVATIONS)}")
    if (activation == "jumprelu") != ("threshold" in shapes):
        raise BadInput(f"units {name}: activation jumprelu, and no other, has a threshold")
    if activation == "topk" and not 0 < k <= weight[0] or activation != "topk" and k:
        raise BadInput(
            f"units {name}: k = {k}; topk has a k from 1 to its {weight[0]} units, no other activation has one"
        )


def function_in(metadata: Mapping[str, str], name: str) -> tuple[str, int]:
    """Activation and k as the metadata say them."""
    if "activation" not in metadata:
        raise BadInput(
            f"units {name}: no activation in its metadata ({', '.join(ACTIVATIONS)}); networks.units.save writes it"
        )
    k = metadata.get("k", "0")
    if not (k.isascii() and k.isdecimal() and len(k) < 10):
        raise BadInput(f"units {name}: k = {k[:20]!r} in its metadata is no number of units")
    return metadata["activation"], int(k)


def as_tensor(values: ArrayLike, name: str) -> Tensor:
    """A copy in float16 if it is in that type, else in float32."""
    if isinstance(values, Tensor):
        values = (values if values.dtype == torch.float16 else values.float()).detach().cpu().numpy()
    try:
        array = np.array(values)
        return torch.from_numpy(np.ascontiguousarray(array, np.float16 if array.dtype == np.float16 else np.float32))
    except (TypeError, ValueError):
        raise BadInput(f"units: {name} is no array of numbers") from None
