"""Units that are not neurons: a linear map of a layer's filters, given as a file, is a layer of its own.

    conv5:path/to/dictionary.safetensors      the units of this file on conv5, wherever a layer's name is asked for
    conv5:small-alexnet-dictionary            those of a dictionary of our zoo

At every place of the grid, with a the activations of all filters there: unit = f(W (a - c) + b). So a sparse
autoencoder's dictionary, principal components, a rotated basis and Net2Vec's own directions are read like filters. The
file is safetensors:

    weight      W, (unit, filter)          bias        b, (unit,), optional
    centre      c, (filter,), optional     threshold   (unit,), for jumprelu
    decoder     (unit, filter), optional: what a unit of 1 adds to the reconstruction, which begins at c

with f as `activation` in the file's metadata: identity; relu; jumprelu (the value where it is above the unit's
threshold and above 0, else 0); or topk with a number `k` (at each place the k largest units, those below 0 set to 0).
`save` writes such a file from arrays. A folder saved by SAELens is read too (`saelens`).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.errors import BadInput, near
from n2vlib.files.output import file_to_write
from n2vlib.files.partial import atomic
from n2vlib.files.userfiles import plain
from n2vlib.networks.fingerprint import fingerprint
from n2vlib.networks.hooks import Derived, derived
from n2vlib.paths import resolve
from n2vlib.zoo import shipped
from n2vlib.zoo.recipes import DICTIONARIES

ACTIVATIONS = ("identity", "relu", "jumprelu", "topk")
OPTIONAL = ("bias", "centre", "threshold", "decoder")
MOST = 2**28  # numbers in one file


class Units(nn.Module):
    """Units of a layer: from its grid, float32 (image, filter, h, w), to (image, unit, h, w)."""

    weight: Tensor
    bias: Tensor
    threshold: Tensor

    def __init__(self, weight: Tensor, bias: Tensor, threshold: Tensor, activation: str, k: int):
        """weight (unit, filter); bias and threshold (unit,); activation as in the file; k for topk, else 0."""
        super().__init__()
        for name, values in {"weight": weight, "bias": bias, "threshold": threshold}.items():
            self.register_buffer(name, values.float().contiguous())
        self.activation, self.k = activation, k

    def forward(self, grid: Tensor) -> Tensor:
        if grid.shape[1] != self.weight.shape[1]:
            has, takes = f"{grid.shape[1]} filters", f"its weight is {tuple(self.weight.shape)}, (unit, filter)"
            raise BadInput(f"units: the layer has {has}, and {takes}; choose the layer that the file was made for")
        values = F.linear(grid.movedim(1, -1), self.weight, self.bias)
        if self.activation == "topk":
            largest = values.topk(self.k, dim=-1)
            values = torch.zeros_like(values).scatter_(-1, largest.indices, largest.values.relu())
        elif self.activation != "identity":  # the threshold of relu is 0
            values = torch.where(values > self.threshold, values.relu(), 0.0)
        return values.movedim(-1, 1)

    def extra_repr(self) -> str:
        return f"{len(self.weight)} units, {self.activation}" + (f" {self.k}" if self.k else "")


class Found(NamedTuple):
    """Units, what to call them, and their decoder, (unit, filter), if the file has one."""

    units: Units
    name: str
    decoder: Tensor | None


def made(tensors: Mapping[str, Tensor], activation: str, k: int = 0, name: str = "units") -> Found:
    """Units from a file's tensors, centre folded into bias. BadInput names what is missing or does not fit."""
    weight = tensors["weight"].double()
    n_units, n_filters = weight.shape
    zeros, centre = torch.zeros(n_units, dtype=torch.float64), tensors.get("centre")
    bias = tensors.get("bias", zeros).double()
    if centre is not None:
        bias = bias - weight @ centre.double()
    threshold = tensors["threshold"] if activation == "jumprelu" else zeros
    return Found(Units(weight, bias, threshold, activation, k), name, tensors.get("decoder"))


def load(file: str | Path) -> Found:
    """The units in a file as `save` writes it, or in a folder of SAELens.

    file   a path: `~` and variables expanded, relative to the repository root; or a dictionary of the zoo by its name
    Raises BadInput for a file that is missing, damaged or no safetensors, for tensors that are missing, do not fit
    together, are too large or not finite: before more than its header is read, where the header shows it.
    """
    from n2vlib.networks import saelens

    path = shipped.dictionary(str(file)) if str(file) in DICTIONARIES else resolve(file)
    if saelens.is_one(path):
        tensors, activation, k = saelens.read(path)
        return made(tensors, activation, k, saelens.folder_of(path).name)
    if path.suffix != ".safetensors":
        raise BadInput(f"units {file}: no .safetensors file and no folder of SAELens; networks.units.save writes one")
    tensors, metadata = read_tensors(path, ("weight",), OPTIONAL)
    activation, k = _function(metadata, path.name)
    check({name: values.shape for name, values in tensors.items()}, activation, k, path.name)
    return made(tensors, activation, k, path.stem)


def derive(module: nn.Module, layer: str, file: str) -> str:
    """Make the units in a file a derived layer of a network (`hooks.run_layers`); returns its name.

    layer   dotted name of the module whose filters they are read from
    The name holds the hash of the units, so that measurements of another file, or of a changed one, are never shared.
    """
    found = load(file)
    name = f"{layer}:{fingerprint(found.units)[:24]}"
    derived(module)[name] = Derived(layer, found.units, found.name)
    return name


def save(
    file: str | Path,
    weight: ArrayLike,
    *,
    activation: str = "identity",
    k: int = 0,
    bias: ArrayLike | None = None,
    centre: ArrayLike | None = None,
    threshold: ArrayLike | None = None,
    decoder: ArrayLike | None = None,
) -> Path:
    """Write units as a file that every `LAYER` takes behind a colon; returns its path.

        units.save("pca.safetensors", pca.components_, centre=pca.mean_)              scikit-learn
        units.save("concepts.safetensors", found.weights, activation="relu")          an Alignment of ours
        units.save("sae.safetensors", encoder.weight, bias=encoder.bias, activation="topk", k=32)

    file     relative to the repository root; it appears complete or not at all
    weight   (unit, filter): arrays, tensors or tables of numbers, kept in float16 or float32
    Raises BadInput for arrays that do not fit together or are not finite.
    """
    from safetensors.torch import save as packed

    given = {"weight": weight, "bias": bias, "centre": centre, "threshold": threshold, "decoder": decoder}
    tensors = {name: _tensor(values, name) for name, values in given.items() if values is not None}
    check({name: values.shape for name, values in tensors.items()}, activation, k, "units")
    finite(tensors, "units")
    path = file_to_write(file)
    if path.suffix != ".safetensors":
        raise BadInput(f"units {file}: give the file the ending .safetensors")
    with atomic(path) as part:
        part.write_bytes(packed(tensors, {"activation": activation} | ({"k": str(k)} if k else {})))
    return path


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
    sizes = {"bias": weight[:1], "centre": weight[1:], "threshold": weight[:1], "decoder": weight}
    for each, shape in shapes.items():
        if tuple(shape) != sizes.get(each, weight):
            raise BadInput(f"units {name}: {each} is {tuple(shape)}; with a weight of {weight} it is {sizes[each]}")
    if activation not in ACTIVATIONS:
        raise BadInput(f"units {name}: activation {activation!r} is none of {', '.join(ACTIVATIONS)}")
    if (activation == "jumprelu") != ("threshold" in shapes):
        raise BadInput(f"units {name}: activation jumprelu, and no other, has a threshold")
    if activation == "topk" and not 0 < k <= weight[0] or activation != "topk" and k:
        raise BadInput(
            f"units {name}: k = {k}; topk has a k from 1 to its {weight[0]} units, no other activation has one"
        )


def _function(metadata: Mapping[str, str], name: str) -> tuple[str, int]:
    """Activation and k as the metadata say them."""
    if "activation" not in metadata:
        raise BadInput(f"units {name}: no activation in its metadata ({', '.join(ACTIVATIONS)}); see networks.units")
    k = metadata.get("k", "0")
    if not (k.isascii() and k.isdecimal() and len(k) < 10):
        raise BadInput(f"units {name}: k = {k[:20]!r} in its metadata is no number of units")
    return metadata["activation"], int(k)


def _tensor(values: ArrayLike, name: str) -> Tensor:
    """A copy in float16 if it is in that type, else in float32."""
    if isinstance(values, Tensor):
        values = values.detach().cpu().float() if values.dtype != torch.float16 else values.detach().cpu()
    try:
        array = np.array(values)
        return torch.from_numpy(np.ascontiguousarray(array, np.float16 if array.dtype == np.float16 else np.float32))
    except (TypeError, ValueError):
        raise BadInput(f"units: {name} is no array of numbers") from None
