"""A network's own predictions on the probe set, with filters or directions of a layer removed.

    found = evaluation.read(network, "conv5", probe, images=1000)
    margins = evaluation.without(found, "val", [[], [3], [3, 8]])          # (change, image, class)
    evaluation.balanced(margins, found.parts["val"])                       # (change, class)

Nothing is trained again. The classes are the network's outputs whose names are concepts of the probe set. Where there
are none, the classes are the outputs themselves, and the truth is what the unchanged network predicts.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from n2vlib.device import choose_device, kind_of
from n2vlib.errors import BadInput
from n2vlib.networks.downstream import Downstream, scores
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import positions, presence
from n2vlib.progress import bar
from n2vlib.zoo import shipped

LEAST = 5  # images that belong to a class, and that do not, in each split
_BATCH = {"cpu": 32, "gpu": 128}
_KIND_OF = {"scenes": "scene", "objects": "object"}


@dataclass(frozen=True)
class Part:
    """The images of one split.

    images       int64, (image,): positions in the probe set
    activations  float32, (image, filter, h, w), on the CPU;  scores  float32, (image, output), of the unchanged network
    truth        bool, (image, class);  counted  bool, (image, class): images on which the class is evaluated
    others       what no change concerns, (image, ...): class tokens and registers of the layer, what units leave of it
    """

    images: NDArray[np.int64]
    activations: Tensor
    scores: Tensor
    truth: NDArray[np.bool_]
    counted: NDArray[np.bool_]
    others: Tensor | None = None

    @property
    def own(self) -> NDArray[np.bool_]:
        """Which of the counted images belong to a class: bool, (image, class)."""
        return self.truth & self.counted

    @property
    def other(self) -> NDArray[np.bool_]:
        """Which of the counted images do not belong to a class: bool, (image, class)."""
        return ~self.truth & self.counted


@dataclass(frozen=True)
class Evaluation:
    """A network's classes, with activations, scores and truth by split.

    classes   one row per class: name, kind (scene, object, own answer), concept (number, -1 for own answers), output
    exclusive {kind: outputs}: the highest of these is predicted; classes of other kinds are predicted where score > 0
    parts     {train, val: Part}
    """

    classes: pd.DataFrame
    exclusive: dict[str, slice]
    parts: dict[str, Part]
    downstream: Downstream
    device: str

    def margins(self, scores: Tensor) -> Tensor:
        """The margin of each class: scores (..., output) to (..., class). A class is predicted where it is positive.

        Among exclusive classes, the score minus the highest other one; else the score itself.
        """
        ahead = scores[..., self.classes["output"].tolist()]
        for kind, outputs in self.exclusive.items():
            mine = np.flatnonzero(self.classes["kind"] == kind).tolist()
            first, second = scores[..., outputs].topk(2, dim=-1).values.split(1, dim=-1)
            own = ahead[..., mine]
            ahead[..., mine] = own - torch.where(own == first, second, first)
        return ahead


def read(network: Network, layer: str, probe: ProbeSet, *, images: int, device: str = "auto") -> Evaluation:
    """A layer's activations on at most so many images of each split, evenly spread over it, and the network's classes.

    Classes with fewer than five images, or fewer than five others, in either split are left out.
    Raises BadInput if no class is left, or if the network cannot be run from the layer on (`Downstream`).
    """
    device, name = choose_device(device), network.layer(layer)
    network.module.to(device)
    chosen = {split: _spread(positions(probe, split), images) for split in ("train", "val")}
    if min(map(len, chosen.values())) < 2:
        raise BadInput(f"{probe.name}: {len(chosen['val'])} validation images; nothing can be measured")
    few = network.preprocessing(np.stack([probe.image(int(i)) for i in chosen["train"][:2]])).to(device)
    downstream = Downstream(network.module, name, few)
    none = np.zeros((0, 0), np.bool_)
    parts = {}
    for split, i in chosen.items():
        activations, outputs, others = _run(network, name, probe, i, device, downstream)
        parts[split] = Part(i, activations, outputs, none, none, others)
    table, exclusive = _classes(network, probe, parts)
    return _answered(Evaluation(table, exclusive, parts, downstream, device), probe)


def _spread(images: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many of the images, evenly spaced."""
    if len(images) <= most:
        return images
    return images[np.arange(most) * len(images) // most]


def _run(
    network: Network, name: str, probe: ProbeSet, images: NDArray[np.int64], device: str, downstream: Downstream
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Activations and scores of these images, and what the layer has beside its cells."""
    activations, outputs, others = [], [], []
    batches = probe.batches(_BATCH[kind_of(device)], images.tolist())
    for batch in bar(batches, f"running {network.name}", -(-len(images) // _BATCH[kind_of(device)])):
        ready = network.preprocessing(batch).to(device, memory_format=torch.channels_last)
        seen = run_layers(network.module, [name, ""], ready)
        activations.append(seen[name].cpu().contiguous())
        outputs.append(scores(seen[""]).cpu())
        if (beside := downstream.others(ready)) is not None:
            others.append(beside.cpu())
    return torch.cat(activations), torch.cat(outputs), torch.cat(others) if others else None


def _classes(network: Network, probe: ProbeSet, parts: dict[str, Part]) -> tuple[pd.DataFrame, dict[str, slice]]:
    """All classes of the network that can be evaluated, and which outputs are exclusive."""
    known = shipped.card(network.name).get("outputs", {}) if network.name in shipped.names() else {}
    rows, exclusive, at = [], {}, 0
    number = {name: concept for concept, name in probe.concepts["name"].items()}
    for kind, names in known.items():
        if kind in _KIND_OF:
            rows += [(n, _KIND_OF[kind], number[n], at + i) for i, n in enumerate(names) if n in number]
        if kind == "scenes":
            exclusive["scene"] = slice(at, at + len(names))
        at += len(names)
    if min(part.scores.shape[1] for part in parts.values()) < 2:
        raise BadInput(f"{network.name}: it puts out one score; two or more are needed")
    if not rows:
        outputs = np.unique(np.concatenate([part.scores.argmax(1).numpy() for part in parts.values()]))
        rows, exclusive = [(f"output {o}", "own answer", -1, int(o)) for o in outputs], {"own answer": slice(0, None)}
    return pd.DataFrame(rows, columns=["name", "kind", "concept", "output"]), exclusive


def _answered(evaluation: Evaluation, probe: ProbeSet) -> Evaluation:
    """The evaluation with truth, and without the classes that have too few images."""
    held, kinds = presence(probe), evaluation.classes["kind"].to_numpy()
    one_scene = held.loc[:, (probe.concepts["category"] == "scene").to_numpy()].sum(axis=1) == 1
    parts, enough = {}, np.ones(len(kinds), np.bool_)
    for split, part in evaluation.parts.items():
        truth = (evaluation.margins(part.scores) > 0).numpy()
        labelled = np.flatnonzero(evaluation.classes["concept"] >= 0)
        truth[:, labelled] = held.loc[part.images, evaluation.classes["concept"].iloc[labelled]].to_numpy()
        counted = one_scene.loc[part.images].to_numpy()[:, None] | (kinds != "scene")
        parts[split] = replace(part, truth=truth, counted=counted)
        enough &= (parts[split].own.sum(0) >= LEAST) & (parts[split].other.sum(0) >= LEAST)
    if not enough.any():
        raise BadInput(f"{probe.name}: no class of the network has {LEAST} images in both splits; take more images")
    kept = {s: replace(p, truth=p.truth[:, enough], counted=p.counted[:, enough]) for s, p in parts.items()}
    classes = evaluation.classes[enough].reset_index(drop=True)
    exclusive = {kind: outputs for kind, outputs in evaluation.exclusive.items() if kind in set(classes["kind"])}
    return replace(evaluation, classes=classes, exclusive=exclusive, parts=kept)


def without(evaluation: Evaluation, split: str, sets: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Margins (`Evaluation.margins`) with each set of filters at zero: (set, image, class)."""
    downstream = evaluation.downstream
    return _answers(evaluation, split, len(sets), lambda *batch: downstream.without(batch[0], sets, batch[1]))


def without_directions(evaluation: Evaluation, split: str, bases: Sequence[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Margins with the directions of each basis removed: (basis, image, class).

    bases   float, (direction, filter), rows orthonormal: A - B'B A at every place
    """

    def under(activations: Tensor, others: Tensor | None) -> Iterator[Tensor]:
        return (evaluation.downstream(project_out(activations, basis), others) for basis in bases)

    return _answers(evaluation, split, len(bases), under)


def project_out(activations: Tensor, basis: NDArray[np.float64]) -> Tensor:
    """A - B'B A at every place, (image, filter, h, w).

    basis   float, (direction, filter), rows orthonormal
    """
    rows = torch.as_tensor(basis, dtype=activations.dtype, device=activations.device)
    flat = activations.flatten(2)
    return torch.baddbmm(flat, rows.T.expand(len(flat), -1, -1), rows @ flat, alpha=-1).reshape(activations.shape)


def _answers(
    evaluation: Evaluation, split: str, n: int, under: Callable[[Tensor, Tensor | None], Iterable[Tensor]]
) -> NDArray[np.float32]:
    """Margins under each of n changes; `under` gives the scores of a batch for each change."""
    part = evaluation.parts[split]
    margins = np.zeros((n, *part.truth.shape), np.float32)
    size = _BATCH[kind_of(evaluation.device)]
    starts = range(0, len(part.images) if n else 0, size)
    with _one_thread():
        for start in bar(starts, f"answering {n} times, {size} images at a time", len(starts)):
            own = slice(start, start + size)
            others = None if part.others is None else part.others[own].to(evaluation.device)
            found = torch.stack([*under(part.activations[own].to(evaluation.device), others)])
            margins[:, own] = evaluation.margins(found).cpu().numpy()
    return margins


@contextmanager
def _one_thread() -> Iterator[None]:
    """Run torch on one thread: a second one makes many small sums a little faster, but three times as slow beside
    another process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def balanced(margins: NDArray[np.float32], part: Part) -> NDArray[np.float64]:
    """Balanced accuracy, (change, class): mean of the shares of own and of other images that are predicted right."""
    return (mean_over(margins > 0, part.own) + mean_over(margins <= 0, part.other)) / 2


def mean_over(values: NDArray, images: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean of values, (change, image, class), over the images of each class, bool (image, class): (change, class)."""
    return np.einsum("sic,ic->sc", values, images, dtype=np.float64) / images.sum(0)
