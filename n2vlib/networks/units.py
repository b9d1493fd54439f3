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

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.errors import BadInput
from n2vlib.files.output import file_to_write
from n2vlib.files.partial import atomic
from n2vlib.networks.fingerprint import fingerprint
from n2vlib.networks.hooks import Derived, derived
from n2vlib.networks.unit_files import as_tensor, check, finite, function_in, read_tensors
from n2vlib.paths import resolve
from n2vlib.zoo import shipped
from n2vlib.zoo.others import DICTIONARIES

_DEPENDENT = 1e-4  # smallest singular value of independent weights, as a share of the largest
OPTIONAL = ("bias", "centre", "threshold", "decoder")


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
        elif self.activation != "identity":
            values = values.relu()
            values = torch.where(values > self.threshold, values, 0) if self.activation == "jumprelu" else values
        return values.movedim(-1, 1)

    def extra_repr(self) -> str:
        return f"{len(self.weight)} units, {self.activation}" + (f" {self.k}" if self.k else "")


class Found(NamedTuple):
    """Units, what to call them, and how they are decoded: base + sum of unit * its row of the decoder.

    decoder   float32, (unit, filter), or None where the file has none      base   float32, (filter,)
    """

    units: Units
    name: str
    decoder: Tensor | None
    base: Tensor

    def decoded(self, codes: Tensor) -> Tensor:
        """The layer's activations as the units give them, (image, filter, h, w), of codes (image, unit, h, w)."""
        if self.decoder is None:
            raise BadInput(f"units {self.name}: the file has no decoder; save it with one")
        added = torch.einsum("iuhw,uf->ifhw", codes, self.decoder.to(codes.device))
        return added + self.base.to(codes.device)[:, None, None]

    def added(self) -> Tensor:
        """What a unit of 1 adds to the layer, float32 (unit, filter): what is subtracted where the unit is ablated.

        The file's decoder. Without one, the pseudo-inverse of independent weights: the smallest change of the layer
        that brings W (a - c) + b of this unit to zero and moves no other unit. For orthonormal weights, such as the
        identity, a rotation or principal components, it is the weights themselves.
        Raises BadInput where there is no decoder and a unit can be written as a sum of others.
        """
        if self.decoder is not None:
            return self.decoder
        weight = self.units.weight.double().cpu()
        n_units, n_filters = weight.shape
        spread = torch.linalg.svdvals(weight) if n_units <= n_filters else torch.zeros(1)
        if spread.min() <= _DEPENDENT * spread.max():
            what = f"its {n_units} units of {n_filters} filters depend on each other"
            raise BadInput(
                f"units {self.name}: {what} and the file has no decoder, so what one of them adds to the layer is "
                "unknown; save it with decoder= (units.save), or take fewer units or the layer itself"
            )
        return torch.linalg.pinv(weight).T.float().contiguous()


def _made(tensors: Mapping[str, Tensor], activation: str, k: int = 0, name: str = "units") -> Found:
    """Units from a file's tensors, centre folded into bias. BadInput names what is missing or does not fit."""
    weight = tensors["weight"].double()
    n_units, n_filters = weight.shape
    zeros, centre = torch.zeros(n_units), tensors.get("centre", torch.zeros(n_filters))
    bias = tensors.get("bias", zeros).double() - weight @ centre.double()
    decoder, base = tensors.get("decoder"), tensors.get("base", centre).float()
    made = Units(weight, bias, tensors.get("threshold", zeros), activation, k)
    return Found(made, name, None if decoder is None else decoder.float(), base)


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
        return _made(tensors, activation, k, saelens.folder_of(path).name)
    if path.suffix != ".safetensors":
        raise BadInput(f"units {file}: no .safetensors file and no folder of SAELens; networks.units.save writes one")
    tensors, metadata = read_tensors(path, ("weight",), OPTIONAL)
    activation, k = function_in(metadata, path.name)
    check({name: values.shape for name, values in tensors.items()}, activation, k, path.name)
    return _made(tensors, activation, k, path.stem)


def derive(module: nn.Module, layer: str, file: str) -> str:
    """Make the units in a file a derived layer of a network (`hooks.run_layers`); returns its name.

    layer   dotted name of the module whose filters they are read from
    The name holds the hash of the units, so that measurements of another file, or of a changed one, are never shared.
    """
    found = load(file)
    name = f"{layer}:{fingerprint(found.units)[:24]}"
    derived(module)[name] = Derived(layer, found.units, found.name, found.added)
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
    tensors = {name: as_tensor(values, name) for name, values in given.items() if values is not None}
    check({name: values.shape for name, values in tensors.items()}, activation, k, "units")
    finite(tensors, "units")
    path = file_to_write(file)
    if path.suffix != ".safetensors":
        raise BadInput(f"units {file}: give the file the ending .safetensors")
    with atomic(path) as part:
        part.write_bytes(packed(tensors, {"activation": activation} | ({"k": str(k)} if k else {})))
    return path
