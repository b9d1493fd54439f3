"""Train a dictionary of the zoo: a sparse autoencoder on a layer's activations for drawn training images.

With a the activations of all filters at one place, z = topk(W (a - c) + b) and the reconstruction is D'z + c: the top-k
autoencoder of Gao et al. (2024, "Scaling and evaluating sparse autoencoders"), with their auxiliary loss, which has
units that are never among the k learn what the others leave.
"""

import hashlib
import json
import time
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.device import choose_device
from n2vlib.files.partial import atomic
from n2vlib.networks import units
from n2vlib.networks.downstream import Downstream
from n2vlib.networks.hooks import run_layers
from n2vlib.networks.load import Network, load_network
from n2vlib.progress import bar
from n2vlib.zoo import data, shipped
from n2vlib.zoo.others import DICTIONARIES, Dictionary
from n2vlib.zoo.recipes import RECIPES
from n2vlib.zoo.tasks import TASKS, Labels

HELD_OUT, AT_ONCE = 2_000, 50  # images
SILENT = 50  # batches without being above 0, after which the auxiliary loss trains a unit
AUXILIARY, AMONG = 1 / 32, 32  # weight of that loss, and how many silent units it takes at a place


def train(name: str, device: str = "auto", out: Path | None = None) -> dict[str, Any]:
    """Train the dictionary `name`, write <name>.safetensors and <name>.json into `out`, and return the JSON's values.

    device   "auto" (a GPU where there is one), "cpu" or "cuda"; out: folder, None: where the zoo ships from
    On one machine and device the same bytes come again.
    """
    row, started, folder = DICTIONARIES[name], time.monotonic(), out or shipped.FOLDER
    chosen, network = choose_device(device), load_network(row.network)
    network.module.to(chosen)
    learn, held_out = data.drawn(row.images, data.TRAIN_SEED), data.drawn(HELD_OUT, data.HELD_OUT_SEED)
    found = {name: values.half() for name, values in fit(row, activations(network, row, learn)).items()}
    folder.mkdir(parents=True, exist_ok=True)
    file = units.save(folder / f"{name}.safetensors", **found, activation="topk", k=row.k)
    card = {
        "name": name,
        "recipe": asdict(row),
        "network_sha256": shipped.card(row.network)["sha256"],
        "data": {"world_sources": data.world_digest(), "train": {"seed": data.TRAIN_SEED, "images": row.images},
                 "held_out": {"seed": data.HELD_OUT_SEED, "images": HELD_OUT}},
        "seconds": round(time.monotonic() - started),
        "device": chosen,
        "held_out": measured(row, network, file, held_out),
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "torch": str(torch.__version__),
    }  # fmt: skip
    with atomic(folder / f"{name}.json") as part:
        part.write_text(f"{json.dumps(card, indent=1)}\n", encoding="utf-8")
    return card


def activations(network: Network, row: Dictionary, learn: data.Drawn) -> Tensor:
    """What the layer computes at some places of every image, drawn at random: float32, (sample, filter)."""
    draws, samples, starts = np.random.default_rng(row.seed), [], range(0, len(learn.images), AT_ONCE)
    for start in bar(starts, f"reading {row.network} {row.layer}", len(starts)):
        maps = _maps(network, row, learn.images[start : start + AT_ONCE]).flatten(2)
        places = draws.integers(0, maps.shape[2], (len(maps), row.places))
        samples += [of[:, at].T for of, at in zip(maps, places, strict=True)]
    return torch.cat(samples)


def fit(row: Dictionary, samples: Tensor) -> dict[str, Tensor]:
    """weight, bias, centre and decoder as `units.save` takes them, float32, learned by Adam from random weights.

    samples   float32, (sample, filter)
    """
    draws, mean = torch.Generator().manual_seed(row.seed), samples.mean(0)
    scale = (samples - mean).square().mean().sqrt()
    learner = _Autoencoder(row, samples.shape[1], draws).to(samples.device)
    optimizer = torch.optim.Adam(learner.parameters(), row.rate)
    batches = max(1, len(samples) // row.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, partial(_rate, steps=row.epochs * batches))
    for _ in bar(range(row.epochs), f"training {row.name}", row.epochs):
        for chosen in torch.randperm(len(samples), generator=draws).split(row.batch)[:batches]:
            optimizer.zero_grad()
            learner((samples[chosen] - mean) / scale).backward()
            optimizer.step()
            schedule.step()
            learner.normalise()
    own = {name: values.detach() for name, values in learner.named_parameters()}
    # In the layer's own units; what a unit of 1 adds has length `scale`.
    own = {"weight": own["weight"] / scale, "bias": own["bias"], "centre": mean + scale * own["centre"],
           "decoder": own["decoder"] * scale}  # fmt: skip
    return {name: values.cpu() for name, values in own.items()}


def _rate(step: int, steps: int) -> float:
    """Share of the highest learning rate: it rises in the first twentieth of the steps and falls in the last fifth."""
    return min(1, 20 * (step + 1) / steps, 5 * (1 - step / steps))


class _Autoencoder(nn.Module):
    """Its forward pass is the loss of a batch, (sample, filter)."""

    silent: Tensor  # batches since each unit was above 0

    def __init__(self, row: Dictionary, filters: int, draws: torch.Generator):
        super().__init__()
        start = F.normalize(torch.randn(row.units, filters, generator=draws), dim=1)
        self.k, self.weight, self.decoder = row.k, nn.Parameter(start.clone()), nn.Parameter(start)
        self.bias, self.centre = nn.Parameter(torch.zeros(row.units)), nn.Parameter(torch.zeros(filters))
        self.register_buffer("silent", torch.zeros(row.units))

    def forward(self, batch: Tensor) -> Tensor:
        values = F.linear(batch - self.centre, self.weight, self.bias)
        codes = _largest(values, self.k)
        left = batch - codes @ self.decoder - self.centre
        loss = left.square().mean()
        self.silent = torch.where((codes > 0).any(0), 0, self.silent + 1)
        if n := min(AMONG, int((asleep := self.silent > SILENT).sum())):
            codes = _largest(values.masked_fill(~asleep, -torch.inf), n)
            loss = loss + AUXILIARY * (left.detach() - codes @ self.decoder).square().mean()
        return loss

    def normalise(self) -> None:
        """Rows of the decoder have length one, so that the size of a unit means something."""
        with torch.no_grad():
            self.decoder.copy_(F.normalize(self.decoder, dim=1))


def _largest(values: Tensor, k: int) -> Tensor:
    """The k largest values of each row, those below 0 set to 0, and 0 elsewhere."""
    kept = values.topk(k, dim=1)
    return torch.zeros_like(values).scatter(1, kept.indices, kept.values.relu())


def measured(row: Dictionary, network: Network, file: Path, held_out: data.Drawn) -> dict[str, Any]:
    """The shipped file on held-out images, all places.

    variance_explained   by the reconstruction;  l0: mean number of units above 0 at a place
    silent               units that are above 0 at fewer than one place in ten thousand
    scores, reconstructed   of the network at its task, as it is and with the reconstruction in the layer's place
    """
    found, starts = units.load(file), range(0, len(held_out.images), AT_ONCE)
    few = network.preprocessing(held_out.images[:2]).to(_device(network))
    downstream, labels, sums = Downstream(network.module, network.layer(row.layer), few), Labels.of(held_out), _Sums()
    answers: dict[str, list[tuple[Tensor, Labels]]] = {"scores": [], "reconstructed": []}
    for start in bar(starts, f"measuring {row.name}", len(starts)):
        maps = _maps(network, row, held_out.images[start : start + AT_ONCE])
        codes = found.units.to(maps.device)(maps)
        again, seen = found.decoded(codes), labels.at(torch.arange(start, start + len(maps)))
        sums.add(maps, codes, again)
        for what, shown in (("scores", maps), ("reconstructed", again)):
            answers[what].append((downstream(shown).cpu(), seen))
    task = TASKS[str(RECIPES[row.network].task)]
    scores = {what: task.score(rows) for what, rows in answers.items()}
    return sums.facts() | {what: {name: round(value, 4) for name, value in own.items()} for what, own in scores.items()}


class _Sums:
    """Sums over places, from which variance and sparsity follow."""

    def __init__(self) -> None:
        self.places, self.error, self.squares = 0, 0.0, 0.0
        self.total, self.above = np.zeros(1), np.zeros(1)  # by filter, by unit

    def add(self, maps: Tensor, codes: Tensor, again: Tensor) -> None:
        self.places += maps[:, 0].numel()
        self.error += float((maps - again).double().square().sum())
        self.squares += float(maps.double().square().sum())
        self.total = self.total + maps.double().sum((0, 2, 3)).cpu().numpy()
        self.above = self.above + (codes > 0).sum((0, 2, 3)).cpu().numpy()

    def facts(self) -> dict[str, float]:
        spread = self.squares - float((self.total**2).sum()) / self.places
        silent = int((self.above < self.places / 10_000).sum())
        l0 = round(float(self.above.sum()) / self.places, 4)
        return {"variance_explained": round(1 - self.error / spread, 4), "l0": l0, "silent": silent}


def _maps(network: Network, row: Dictionary, images: np.ndarray) -> Tensor:
    """The layer's activations, float32, (image, filter, h, w)."""
    name, ready = network.layer(row.layer), network.preprocessing(np.asarray(images)).to(_device(network))
    return run_layers(network.module, [name], ready)[name].clone()


def _device(network: Network) -> torch.device:
    return next(network.module.parameters()).device
