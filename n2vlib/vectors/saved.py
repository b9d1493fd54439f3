"""Concept vectors as a safetensors file that says what they belong to.

Tensors    weights float32 (concept, filter), bias float32 (concept,), thresholds float32 (filter,), the T_k;
           centre and scale float32 (filter,), of a classifier's features; outputs float32 (filter, 2), the mean and the
           maximum of each filter for one fixed image, which show whether another network computes the same
Metadata   the fields of `About`, each as JSON
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as as_bytes

from n2vlib.activations.layer import Layer
from n2vlib.errors import BadInput, near
from n2vlib.files.output import file_to_write
from n2vlib.files.partial import atomic
from n2vlib.files.userfiles import plain
from n2vlib.masks.conventions import CONVENTIONS, convention
from n2vlib.masks.counts import dissection_thresholds
from n2vlib.methods.alignment import Alignment
from n2vlib.networks.behaviour import close
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network
from n2vlib.networks.preprocessing import as_preprocessing
from n2vlib.paths import resolve
from n2vlib.probe import ProbeSet
from n2vlib.probe.layout import LARGEST_MAP
from n2vlib.zoo.others import DICTIONARIES

FORMAT = "net2vec vectors 1"
DISSECTION = "dissection"
ONE_FILTER = ("single filter", DISSECTION)
METHODS, TASKS = ("combination", *ONE_FILTER), ("segmentation", "classification")
_PER_FILTER = ("thresholds", "centre", "scale")
_MOST = 2**28  # numbers in a tensor


@dataclass(frozen=True)
class About:
    """What vectors belong to, and how they were learned; hashes are sha256.

    network                its name, without the folders of a user's own file
    layer, module          the name asked for, likewise, and the module's; of units, a colon and their hash behind it
    shape                  (filter, h, w)
    preprocessing          `Preprocessing.as_json`
    tau, quantile          of the thresholds
    task, method           segmentation or classification; combination, single filter or dissection
    settings               options of the method: preset, loss, epochs, seed ...
    concepts               (number, name, category) of every row of the weights
    probe, label_size      the probe set, and (height, width) of its label maps
    versions               of Python and of packages, and the device, that measured the layer
    """

    format: str
    network: str
    network_fingerprint: str
    layer: str
    module: str
    shape: tuple[int, int, int]
    preprocessing: dict[str, Any]
    tau: float
    quantile: str
    task: str
    method: str
    settings: dict[str, Any]
    concepts: list[tuple[int, str, str]]
    probe: str
    probe_fingerprint: str
    label_size: tuple[int, int]
    versions: dict[str, str]


@dataclass(frozen=True)
class Vectors:
    """Vectors read from a file, or about to be written; the arrays are those of the module's docstring."""

    about: About
    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    thresholds: NDArray[np.float32]
    centre: NDArray[np.float32]
    scale: NDArray[np.float32]
    outputs: NDArray[np.float32]

    def __repr__(self) -> str:
        about, (concepts, filters) = self.about, self.weights.shape
        return f"Vectors({about.network} {about.layer}, {about.task}, {concepts} concepts, {filters} filters)"

    @property
    def filters(self) -> list[int]:
        """The filter of each concept by a method that gives it one; empty for others."""
        return [int(row.argmax()) for row in self.weights] if self.about.method in ONE_FILTER else []

    @property
    def layer(self) -> str:
        """The name by which a network gives the layer. BadInput for units of a user's file, whose place is unknown."""
        base, units, _ = self.about.module.partition(":")
        file = self.about.layer.rpartition(":")[2]
        if units and file not in DICTIONARIES:
            raise BadInput(
                f"the vectors are of units: say where their file is, layer={base}:FILE (--layer {base}:FILE)"
            )
        return f"{base}:{file}" if units else base

    def only(self, names: Sequence[str | int]) -> "Vectors":
        """The vectors of some concepts, by name or label number; BadInput for one that is not there."""
        rows = [self._row(name) for name in names]
        about = replace(self.about, concepts=[self.about.concepts[row] for row in rows])
        return replace(self, about=about, weights=self.weights[rows], bias=self.bias[rows])

    def _row(self, wanted: str | int) -> int:
        known = self.about.concepts
        found = [row for row, (_, name, _) in enumerate(known) if name == wanted]
        found = found or [row for row, (number, _, _) in enumerate(known) if str(number) == str(wanted)]
        if len(found) > 1:
            numbers = [known[row][0] for row in found]
            raise BadInput(f"concept {wanted!r}: several have this name, give a number: {numbers}")
        if not found:
            raise BadInput(
                f"concept {wanted!r}: has no vector here; {near(str(wanted), [name for _, name, _ in known])}"
            )
        return found[0]


def save(out: str | Path, found: Alignment, layer: Layer, probe: ProbeSet) -> Path:
    """Write what `segmentation`, `single_filter`, `dissection` or `classification` found; returns the file's path.

    out   the file, relative to the repository root; it appears complete or not at all
    Raises BadInput for another method's results, and where there are no vectors.
    """
    file = file_to_write(out)
    vectors = of(found, layer, probe)
    tensors = {each.name: getattr(vectors, each.name) for each in fields(vectors) if each.name != "about"}
    metadata = {name: json.dumps(value) for name, value in asdict(vectors.about).items()}
    with atomic(file) as part:
        part.write_bytes(as_bytes({name: np.ascontiguousarray(each) for name, each in tensors.items()}, metadata))
    return file


def of(found: Alignment, layer: Layer, probe: ProbeSet) -> Vectors:
    """The vectors of an alignment, with all that applying them needs."""
    if found.scores.empty:
        raise BadInput(
            f"layer {layer.name}: no concept has a vector; the probe set {probe.name} has nothing to learn from"
        )
    task, method = (str(found.scores[column].iloc[0]) for column in ("task", "method"))
    if method not in METHODS or task not in TASKS:
        raise BadInput(f"{task} by {method}: has no vectors to save; take {' or '.join(METHODS)}")
    thresholds = layer.thresholds
    if method == DISSECTION:
        thresholds = dissection_thresholds(layer, probe, convention(found.settings["convention"])).astype(np.float32)
        some = (found.scores["dissection_iou"] > 0).to_numpy()
        found = replace(found, weights=found.weights[some], bias=found.bias[some])
    network, rows = layer.source[0], probe.concepts.loc[found.weights.index]
    concepts = list(zip(rows.index.tolist(), rows["name"].tolist(), rows["category"].tolist(), strict=True))
    about = About(
        FORMAT, _public(layer.network), layer.network_fingerprint, _public(layer.name), layer.module, layer.shape,
        network.preprocessing.as_json(), layer.tau, layer.quantile, task, method, found.settings, concepts,
        probe.name, probe.fingerprint, probe.label_size, layer.made,
    )  # fmt: skip
    centre, scale = _standardised(found, layer, probe)
    weights, bias = found.weights.to_numpy(np.float32), found.bias.to_numpy(np.float32)
    return Vectors(about, weights, bias, thresholds, centre, scale, fixed_outputs(network, layer.module))


def load(file: str | Path) -> Vectors:
    """Vectors that `save` wrote. BadInput for any other file, a damaged one, and numbers that are not finite."""
    path = resolve(file)
    if not path.exists():
        raise BadInput(f"{file}: no such file; `export vectors` writes one")
    try:
        with safe_open(plain(path, file), "numpy") as opened:
            about = _about(opened.metadata() or {}, str(file))
            names = [each.name for each in fields(Vectors) if each.name != "about"]
            _check_shapes({name: opened.get_slice(name).get_shape() for name in names}, about, str(file))
            arrays = {name: opened.get_tensor(name).astype(np.float32) for name in names}
    except (SafetensorError, OSError, TypeError) as error:
        raise BadInput(f"{file}: cannot be read as saved vectors: {' '.join(str(error).split())}") from None
    for name, array in arrays.items():
        if not (np.isfinite(array) | ((array == -np.inf) & (name == "thresholds"))).all():
            raise BadInput(f"{file}: {name} has numbers that are not finite; save the vectors again")
    return Vectors(about, **arrays)


def check_same(vectors: Vectors, network: Network, layer: str | None = None, device: str = "cpu") -> str:
    """How a network, or a layer of it, differs from the one that the vectors were learned on, in words; "" for not."""
    about, name = vectors.about, _public(network.name)
    if network.fingerprint != about.network_fingerprint:
        was, now = about.network_fingerprint[:12], network.fingerprint[:12]
        return f"the vectors are of network {about.network} (sha256 {was}), not of {name} (sha256 {now})"
    if (here := network.layer(layer or vectors.layer)) != about.module:
        return f"the vectors are of layer {about.module}, not of {here}"
    if (shown := network.preprocessing.as_json()) != about.preprocessing:
        return f"the vectors were learned with preprocessing {about.preprocessing}, the network has {shown}"
    if not close(vectors.outputs[None], fixed_outputs(network, here, device)[None]):
        return f"network {name} has the same weights as the vectors' own, but its layer {here} puts out something else"
    return ""


def fixed_outputs(network: Network, module: str, device: str = "cpu") -> NDArray[np.float32]:
    """Mean and maximum of every filter for one image of noise, the same everywhere: float32, (filter, 2)."""
    noise = np.random.default_rng(0).integers(0, 256, (1, *network.preprocessing.size, 3), np.uint8)
    shown = network.preprocessing(noise).to(device, memory_format=torch.channels_last)
    maps = run_layers(network.module.to(device), [module], shown)[module].float().flatten(2)[0].cpu()
    return torch.stack([maps.mean(1), maps.amax(1)], 1).numpy()


def _standardised(found: Alignment, layer: Layer, probe: ProbeSet) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What is subtracted from a classifier's features and what they are divided by, both (filter,)."""
    if found.settings.get("features") != "standardised":
        return np.zeros(layer.n_filters, np.float32), np.ones(layer.n_filters, np.float32)
    pooled = np.array(layer.pooled, np.float32)[probe.split == "train"]
    mean, deviation = pooled.mean(0), pooled.std(0)
    return mean, np.where(deviation > 0, deviation, 1).astype(np.float32)


def _public(name: str) -> str:
    """A network's or layer's name without the folders of a user's file: file.py:function, conv5:units.safetensors."""
    return ":".join(Path(part).name for part in name.split(":"))


def _about(metadata: dict[str, str], file: str) -> About:
    if json.dumps(FORMAT) != metadata.get("format"):
        raise BadInput(f"{file}: holds no concept vectors (its metadata have no format {FORMAT!r})")
    try:
        about = _ABOUT.validate_python({name: json.loads(text) for name, text in metadata.items()})
    except ValidationError as error:
        raise BadInput(f"{file}: metadata {error.errors()[0]['loc'][0]}: {error.errors()[0]['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file}: metadata are damaged ({error})") from None
    as_preprocessing(about.preprocessing, file)
    if fault := _fault(about):
        raise BadInput(f"{file}: {fault}; save the vectors again")
    return about


_ABOUT = TypeAdapter(About)


def _fault(about: About) -> str:
    """What is impossible in metadata of the right types, "" for nothing."""
    if about.method not in METHODS or about.task not in TASKS:
        return f"its task and method are {about.task!r} and {about.method!r}"
    if about.method == DISSECTION:
        if about.settings.get("convention") not in [*CONVENTIONS]:
            return f"its convention is {about.settings.get('convention')!r}"
    elif about.task == "segmentation" and not isinstance(about.settings.get("align_corners"), bool):
        return "its settings do not say how masks are upsampled (align_corners)"
    if min(*about.shape, *about.label_size) < 1 or about.label_size[0] * about.label_size[1] > LARGEST_MAP:
        return f"its shape {about.shape} or label size {about.label_size} cannot be"
    return ""


def _check_shapes(shapes: dict[str, list[int]], about: About, file: str) -> None:
    filters, concepts = about.shape[0], len(about.concepts)
    wanted = {"weights": [concepts, filters], "bias": [concepts], "outputs": [filters, 2]}
    wanted |= {name: [filters] for name in _PER_FILTER}
    for name, shape in wanted.items():
        if shapes[name] != shape or np.prod(shape) > _MOST:
            raise BadInput(f"{file}: {name} has shape {shapes[name]}, its metadata say {shape}; save the vectors again")
