"""What a network answers, and whether it is right (Mu and Andreas 5).

known = classes(network.name, probe)         # which output is which concept
answered = answers(layer, known)             # the images that show one class, and what the network says
fires(layer)[answered.inputs]                # (input, filter)
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from n2vlib.activations.layer import Layer
from n2vlib.device import kind_of
from n2vlib.errors import BadInput, near
from n2vlib.networks.behaviour import behaviours, fixed_images
from n2vlib.networks.downstream import scores
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import presence
from n2vlib.progress import bar
from n2vlib.store import Store, load_array, save_arrays
from n2vlib.zoo import shipped

MODULES = ["n2vlib.compositional.classifier"]
_BATCH = {"cpu": 32, "gpu": 128}
_POOLED = (("mean",), ("max",), ("mean", "max"), ("max", "mean"))  # what a linear head may read of a layer
_ROUNDING = 1e-3  # of the largest score: two ways to the same scores


@dataclass(frozen=True)
class Classes:
    """Which concept each output of a network stands for.

    outputs   slice: the outputs of which the highest is the answer
    concept   int64, (output,): concept numbers of the probe set, -1 for a class that it does not have
    names     (output,)
    """

    outputs: slice
    concept: NDArray[np.int64]
    names: list[str]

    @property
    def known(self) -> NDArray[np.int64]:
        """The concepts among them, in the order of the outputs."""
        return np.array(list(dict.fromkeys(self.concept[self.concept >= 0].tolist())), np.int64)


@dataclass(frozen=True)
class Answers:
    """What a network answers for the images that show exactly one of its classes.

    inputs              int64, (input,): positions in the probe set
    truth, predicted    int64, (input,): concept numbers; predicted is -1 for a class that the probe set does not have
    scores              float32, (input, output), of `Classes.outputs`
    """

    inputs: NDArray[np.int64]
    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    scores: NDArray[np.float32]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the answer is the class that the image shows, (input,)."""
        return self.predicted == self.truth


@dataclass(frozen=True)
class Head:
    """A network's scores as a linear map of a layer's spatial means and maxima.

    weights   float32, {"mean", "max"}: (output, unit)      bias   float32, (output,)
    """

    weights: dict[str, NDArray[np.float32]]
    bias: NDArray[np.float32]

    def scores(self, pooled: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """(input, output), of what each input has in "mean" and "max", (input, unit)."""
        found = np.tile(self.bias, (len(next(iter(pooled.values()))), 1))
        for name, weights in self.weights.items():
            found += pooled[name] @ weights.T
        return found


def scenes_of(network: str) -> tuple[list[str], slice] | None:
    """The scenes among the outputs of a network of the zoo, and their places; None where it has none, or is another."""
    at = 0
    for kind, names in _outputs(network).items():
        if kind == "scenes":
            return list(names), slice(at, at + len(names))
        at += len(names)
    return None


def class_names(network: Network) -> tuple[list[str], slice]:
    """The classes that exclude each other, and their outputs: a zoo network's scenes, else all outputs by number.

    BadInput for a network of the zoo that classifies no scenes.
    """
    if found := scenes_of(network.name):
        return found
    if known := _outputs(network.name):
        raise BadInput(f"{network.name}: its outputs are {', '.join(known)}; take a network that classifies scenes")
    few = network.preprocessing(np.zeros((1, *network.preprocessing.size, 3), np.uint8))
    with torch.inference_mode():
        n = scores(network.module.cpu()(few)).shape[1]
    return [f"output {i}" for i in range(n)], slice(0, n)


def _outputs(network: str) -> dict[str, list[str]]:
    """{kind: names} of the outputs of a network of the zoo, in their order; empty for another."""
    return shipped.card(network).get("outputs", {}) if network in shipped.names() else {}


def classes(network: str, probe: ProbeSet, named: Sequence[str] | None = None) -> Classes:
    """The classes of a network that answers with one of several.

    network  its name
    named    names of all of its outputs, as the probe set calls them; a name may stand several times. None: the scenes
             that the zoo knows of its network
    Raises BadInput where the names are not known, or where fewer than two are concepts of the probe set.
    """
    outputs = scenes_of(network) if named is None else (list(named), slice(0, len(named)))
    if outputs is None:
        raise BadInput(
            f"network {network}: no output is known to be a scene, so no answer is right or wrong; "
            "name its outputs (CLASSES), or take one that was trained on scenes, such as small-alexnet"
        )
    names, places = outputs
    number = dict(zip(probe.concepts["name"].tolist(), probe.concepts.index.tolist(), strict=True))
    concept = np.array([number.get(name, -1) for name in names], np.int64)
    found = Classes(places, concept, names)
    if len(found.known) < 2:
        hint = near(names[0], list(number)) if names else "CLASSES is empty"
        raise BadInput(
            f"network {network}: {len(found.known)} of its {len(names)} classes are concepts of the probe set "
            f"{probe.name}, two are needed; {hint}"
        )
    return found


def classifiers(rows: Sequence[Mapping[str, Any]], probe: ProbeSet) -> list[Mapping[str, Any]]:
    """Those of the rows, networks and layers, whose network answers with scenes of the probe set."""
    found = []
    for row in rows:
        with suppress(BadInput):
            classes(row["network"], probe)
            found.append(row)
    return found


def fires(layer: Layer) -> NDArray[np.bool_]:
    """Whether a filter fires anywhere in an image, M_n(x) = 1: (image, filter)."""
    return np.asarray(layer.highest) > layer.thresholds


def answers(layer: Layer, known: Classes) -> Answers:
    """The network's answers, on the images that show exactly one of the classes.

    The scores follow from the layer's stored means and maxima where the network's head reads nothing else (`head`);
    otherwise the network runs over all images once, and the store keeps its scores.
    Raises BadInput where such images show fewer than two classes.
    """
    network, probe = layer.source
    shown = presence(probe)[known.known].to_numpy()
    inputs = np.flatnonzero(shown.sum(1) == 1)
    truth = known.known[shown[inputs].argmax(1)]
    if len(np.unique(truth)) < 2:
        raise BadInput(
            f"probe set {probe.name}: {len(inputs)} images show exactly one class of {network.name}, and these fewer "
            "than two different ones: there is nothing to get right or wrong"
        )
    linear = head(layer)
    found = _run(layer) if linear is None else linear.scores(pooled(layer))
    if found.shape[1] < known.outputs.stop:
        raise BadInput(
            f"network {network.name}: {len(known.names)} classes are named (CLASSES), it has {found.shape[1]} outputs"
        )
    own = found[inputs, known.outputs]
    return Answers(inputs, truth, known.concept[own.argmax(1)], own)


def head(layer: Layer) -> Head | None:
    """The linear map from a layer's spatial means, maxima, or both to the network's scores; None where it is none."""
    network, probe = layer.source
    return head_of(network, layer.module, fixed_images(probe))


def head_of(network: Network, name: str, images: NDArray[np.uint8]) -> Head | None:
    """The same of a module by its dotted name.

    It is looked for among the network's linear layers and 1 x 1 convolutions, and taken where it gives the scores of
    these images, uint8 (image, height, width, 3).
    """
    module = network.module.cpu()
    seen = run_layers(module, [name, ""], network.preprocessing(images))
    maps, wanted = seen[name], scores(seen[""])
    pooled = {"mean": maps.mean((2, 3)), "max": maps.amax((2, 3))}
    for part in module.modules():
        flat = _matrix(part)
        if flat is None or len(flat) != wanted.shape[1]:
            continue
        bias = flat.new_zeros(len(flat)) if part.bias is None else part.bias.detach().float()  # type: ignore[union-attr]
        for names in (each for each in _POOLED if len(each) * maps.shape[1] == flat.shape[1]):
            found = torch.cat([pooled[name] for name in names], 1) @ flat.T + bias
            if (found - wanted).abs().max() <= _ROUNDING * wanted.abs().max():
                return Head(dict(zip(names, map(_array, flat.chunk(len(names), 1)), strict=True)), _array(bias))
    return None


def _matrix(part: nn.Module) -> torch.Tensor | None:
    """The weights (output, input) of a linear layer or of a 1 x 1 convolution."""
    if isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1) and part.groups == 1 or isinstance(part, nn.Linear):
        return part.weight.detach().float().flatten(1)
    return None


def _array(values: torch.Tensor) -> NDArray[np.float32]:
    return values.cpu().numpy()


def pooled(layer: Layer) -> dict[str, NDArray[np.float32]]:
    """What a `Head` may read of a layer: {"mean", "max"}: (image, filter)."""
    return {"mean": np.asarray(layer.pooled), "max": np.asarray(layer.highest)}


def _run(layer: Layer) -> NDArray[np.float32]:
    """The network's scores for every image, (image, output), kept in the store."""
    network, probe = layer.source
    inputs = {"layer": layer.fingerprint, "probe": probe.fingerprint}
    inputs["outputs"] = behaviours(network, {"": dict(inputs)}, probe, layer.device, layer.store)[""]

    def make(folder: Path) -> None:
        size, module = _BATCH[kind_of(layer.device)], network.module.to(layer.device)
        batches = bar(probe.batches(size), f"answers of {network.name}", -(-len(probe) // size))
        ready = (network.preprocessing(batch).to(layer.device, memory_format=torch.channels_last) for batch in batches)
        save_arrays(folder, scores=np.concatenate([_array(scores(run_layers(module, [""], x)[""])) for x in ready]))

    store: Store = layer.store
    return load_array(store.entry("answers", inputs, MODULES, make, layer.device), "scores")
