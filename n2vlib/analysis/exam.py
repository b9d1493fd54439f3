"""A network's own answers on the probe set, while filters or directions of a layer are taken away.

    asked = exam.read(network, "conv5", probe, images=1000)
    leads = exam.without(asked, "val", [[], [3], [3, 8]])          # (change, image, class)
    exam.balanced(leads, asked.parts["val"])                       # (change, class)

Nothing is trained again. The classes are the network's own: what its outputs are called where the probe set knows these
words, else the outputs themselves, and then the right answer is what the unchanged network says.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from n2vlib.activations import choose_device
from n2vlib.errors import BadInput
from n2vlib.networks import Network
from n2vlib.probe import ProbeSet
from n2vlib.probe.occurrences import positions, presence
from n2vlib.progress import bar
from n2vlib.record import run_layers
from n2vlib.rest import Rest, scores
from n2vlib.zoo import shipped

LEAST = 5  # images that belong to a class, and that do not, in each split
_BATCH = {"cpu": 32, "cuda": 128}
_KIND_OF = {"scenes": "scene", "objects": "object"}


@dataclass(frozen=True)
class Part:
    """The images of one split.

    images       int64, (image,): positions in the probe set
    activations  float32, (image, filter, h, w), on the CPU;  scores  float32, (image, output), of the unchanged network
    truth        bool, (image, class);  counted  bool, (image, class): images on which the class is asked
    """

    images: NDArray[np.int64]
    activations: Tensor
    scores: Tensor
    truth: NDArray[np.bool_]
    counted: NDArray[np.bool_]

    @property
    def own(self) -> NDArray[np.bool_]:
        """Which images belong to a class, of those counted: bool, (image, class)."""
        return self.truth & self.counted

    @property
    def other(self) -> NDArray[np.bool_]:
        """Which do not."""
        return ~self.truth & self.counted


@dataclass(frozen=True)
class Exam:
    """A network's classes, and the right answers.

    classes   one row per class: name, kind (scene, object, own answer), concept (number, -1 for own answers), output
    rivals    {kind: outputs}: the answer is the highest of these; a kind that is not here says yes where a score > 0
    parts     {train, val: Part}
    """

    classes: pd.DataFrame
    rivals: dict[str, slice]
    parts: dict[str, Part]
    rest: Rest
    device: str

    def leads(self, scores: Tensor) -> Tensor:
        """By how much each class is ahead of what would be said instead: scores (..., output) to (..., class).

        Of rivals the highest other one, so that the class is told where its lead is positive; else the score itself.
        """
        ahead = scores[..., self.classes["output"].tolist()]
        for kind, outputs in self.rivals.items():
            mine = np.flatnonzero(self.classes["kind"] == kind).tolist()
            first, second = scores[..., outputs].topk(2, dim=-1).values.split(1, dim=-1)
            own = ahead[..., mine]
            ahead[..., mine] = own - torch.where(own == first, second, first)
        return ahead


def read(network: Network, layer: str, probe: ProbeSet, *, images: int, device: str = "auto") -> Exam:
    """A layer's activations on at most so many images of each split, evenly spread over it, and the network's classes.

    Left out are classes with fewer than five images, or fewer than five others, in either split.
    Raises BadInput where no class is left, and where the network cannot be run from the layer on (`Rest`).
    """
    device, name = choose_device(device), network.layer(layer)
    network.module.to(device)
    chosen = {split: _spread(positions(probe, split), images) for split in ("train", "val")}
    if min(map(len, chosen.values())) < 2:
        raise BadInput(f"{probe.name}: {len(chosen['val'])} validation images; nothing can be measured")
    few = network.preprocessing(np.stack([probe.image(int(i)) for i in chosen["train"][:2]])).to(device)
    rest = Rest(network.module, name, few)
    none = np.zeros((0, 0), np.bool_)
    parts = {s: Part(i, *_run(network, name, probe, i, device), none, none) for s, i in chosen.items()}
    table, rivals = _classes(network, probe, parts)
    return _answered(Exam(table, rivals, parts, rest, device), probe)


def _spread(images: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """At most so many, at even distances."""
    if len(images) <= most:
        return images
    return images[np.arange(most) * len(images) // most]


def _run(network: Network, name: str, probe: ProbeSet, images: NDArray[np.int64], device: str) -> tuple[Tensor, Tensor]:
    """Activations and scores of these images."""
    activations, told = [], []
    batches = probe.batches(_BATCH[device], images.tolist())
    for batch in bar(batches, f"running {network.name}", -(-len(images) // _BATCH[device])):
        seen = run_layers(network.module, [name, ""], network.preprocessing(batch).to(device))
        activations.append(seen[name].cpu().contiguous())
        told.append(scores(seen[""]).cpu())
    return torch.cat(activations), torch.cat(told)


def _classes(network: Network, probe: ProbeSet, parts: dict[str, Part]) -> tuple[pd.DataFrame, dict[str, slice]]:
    """Every class that could be asked, and the rivals."""
    known = shipped.record(network.name).get("outputs", {}) if network.name in shipped.names() else {}
    rows, rivals, at = [], {}, 0
    number = {name: concept for concept, name in probe.concepts["name"].items()}
    for kind, names in known.items():
        if kind in _KIND_OF:
            rows += [(n, _KIND_OF[kind], number[n], at + i) for i, n in enumerate(names) if n in number]
        if kind == "scenes":
            rivals["scene"] = slice(at, at + len(names))
        at += len(names)
    if min(part.scores.shape[1] for part in parts.values()) < 2:
        raise BadInput(f"{network.name}: it puts out one score; there is nothing to choose between")
    if not rows:
        outputs = np.unique(np.concatenate([part.scores.argmax(1).numpy() for part in parts.values()]))
        rows, rivals = [(f"output {o}", "own answer", -1, int(o)) for o in outputs], {"own answer": slice(0, None)}
    return pd.DataFrame(rows, columns=["name", "kind", "concept", "output"]), rivals


def _answered(exam: Exam, probe: ProbeSet) -> Exam:
    """With the right answers, and without the classes that too few images belong to."""
    held, kinds = presence(probe), exam.classes["kind"].to_numpy()
    one_scene = held.loc[:, (probe.concepts["category"] == "scene").to_numpy()].sum(axis=1) == 1
    parts, enough = {}, np.ones(len(kinds), np.bool_)
    for split, part in exam.parts.items():
        truth = (exam.leads(part.scores) > 0).numpy()
        labelled = np.flatnonzero(exam.classes["concept"] >= 0)
        truth[:, labelled] = held.loc[part.images, exam.classes["concept"].iloc[labelled]].to_numpy()
        counted = one_scene.loc[part.images].to_numpy()[:, None] | (kinds != "scene")
        parts[split] = replace(part, truth=truth, counted=counted)
        enough &= (parts[split].own.sum(0) >= LEAST) & (parts[split].other.sum(0) >= LEAST)
    if not enough.any():
        raise BadInput(f"{probe.name}: no class of the network has {LEAST} images in both splits; take more images")
    kept = {s: replace(p, truth=p.truth[:, enough], counted=p.counted[:, enough]) for s, p in parts.items()}
    classes = exam.classes[enough].reset_index(drop=True)
    rivals = {kind: outputs for kind, outputs in exam.rivals.items() if kind in set(classes["kind"])}
    return replace(exam, classes=classes, rivals=rivals, parts=kept)


def without(exam: Exam, split: str, sets: Sequence[Sequence[int]]) -> NDArray[np.float32]:
    """Leads (`Exam.leads`) with each set of filters at zero: (set, image, class)."""
    return _answers(exam, split, len(sets), lambda activations: exam.rest.without(activations, sets))


def without_directions(exam: Exam, split: str, bases: Sequence[NDArray[np.float64]]) -> NDArray[np.float32]:
    """Leads without the directions of each basis: (basis, image, class).

    bases   float, (direction, filter), rows orthonormal: A - B'B A at every place
    """
    return _answers(exam, split, len(bases), lambda activations: (exam.rest(taken_out(activations, b)) for b in bases))


def taken_out(activations: Tensor, basis: NDArray[np.float64]) -> Tensor:
    """A - B'B A at every place, (image, filter, h, w).

    basis   float, (direction, filter), rows orthonormal
    """
    rows = torch.as_tensor(basis, dtype=activations.dtype, device=activations.device)
    flat = activations.flatten(2)
    return torch.baddbmm(flat, rows.T.expand(len(flat), -1, -1), rows @ flat, alpha=-1).reshape(activations.shape)


def _answers(exam: Exam, split: str, n: int, under: Callable[[Tensor], Iterable[Tensor]]) -> NDArray[np.float32]:
    """Leads under each of n changes; `under` gives the scores of a batch under each."""
    part = exam.parts[split]
    leads = np.zeros((n, *part.truth.shape), np.float32)
    size = _BATCH[exam.device]
    starts = range(0, len(part.images) if n else 0, size)
    with _one_thread():
        for start in bar(starts, f"answering {n} times, {size} images at a time", len(starts)):
            batch = part.activations[start : start + size].to(exam.device)
            leads[:, start : start + size] = exam.leads(torch.stack([*under(batch)])).cpu().numpy()
    return leads


@contextmanager
def _one_thread() -> Iterator[None]:
    """Many small sums: beside another process a second thread makes them three times as slow, alone a little faster."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def balanced(leads: NDArray[np.float32], part: Part) -> NDArray[np.float64]:
    """Balanced accuracy, (change, class): mean of the share of a class's images told to be of it, and of others not."""
    return (mean_over(leads > 0, part.own) + mean_over(leads <= 0, part.other)) / 2


def mean_over(values: NDArray, images: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Of values (change, image, class) over the images of each class, bool (image, class): (change, class)."""
    return np.einsum("sic,ic->sc", values, images, dtype=np.float64) / images.sum(0)
