"""Train a network of the zoo on drawn images for its task (n2vlib.zoo.tasks), and write it as it ships."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.device import choose_device
from n2vlib.errors import BadInput
from n2vlib.progress import bar
from n2vlib.zoo import data, shipped
from n2vlib.zoo.architectures import folded_state
from n2vlib.zoo.recipes import ARCHITECTURES, PREPROCESSING, Recipe
from n2vlib.zoo.tasks import TASKS, Labels, Task

HELD_OUT = 2_000


def train(name: str, device: str = "auto", out: Path | None = None) -> dict[str, Any]:
    """Train the network `name`, write <name>.safetensors and <name>.json into `out`, and return its card (the JSON).

    The same two files are written for each of its snapshots.

    device   "auto" (a GPU where there is one), "cpu" or "cuda"
    out      folder; None: where the zoo ships from
    """
    row = shipped.recipe(name)
    _task(row)
    learn, held_out = data.drawn(row.images, data.TRAIN_SEED), data.drawn(HELD_OUT, data.HELD_OUT_SEED)
    started = time.monotonic()
    states = fit(row, learn, torch.device(choose_device(device))).items()
    seconds = time.monotonic() - started
    start = {"start_sha256": shipped.card(row.start)["sha256"]} if row.start else {}
    facts = start | {
        "data": {
            "world_sources": data.world_digest(),
            "train": {"seed": data.TRAIN_SEED, "images": len(learn.images)},
            "held_out": {"seed": data.HELD_OUT_SEED, "images": len(held_out.images)},
        },
        "seconds": round(seconds),
        "device": choose_device(device),
    }
    cards = [
        ship(row, file, state, held_out, {"steps": steps, **facts}, out or shipped.FOLDER)
        for file, (steps, state) in zip(row.files, states, strict=True)
    ]
    return cards[-1]


def fit(row: Recipe, learn: data.Drawn, device: torch.device) -> dict[int, dict[str, Tensor]]:
    """Weights after each of the recipe's snapshots and after the last step, by the number of steps.

    Batch norm folded in, rounded to float16. AdamW on a one-cycle schedule.
    """
    steps = row.epochs * (len(learn.images) // row.batch)
    if list(row.snapshots) != sorted({s for s in row.snapshots if 0 < s < steps}):
        raise BadInput(
            f"{row.name}: snapshots {row.snapshots} must rise and lie below the {steps} steps of the training"
        )
    torch.manual_seed(row.seed)
    task, found = _task(row), {}
    module = _untrained(row, outputs=sum(map(len, task.outputs(learn).values())))
    module = module.to(device, memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.AdamW(module.parameters(), lr=row.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, row.rate, total_steps=steps, pct_start=0.2)
    for step, (images, target) in enumerate(bar(batches(row, learn, device), f"training {row.name}", steps), start=1):
        loss = task.loss(module(images), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step in (*row.snapshots, steps):
            found[step] = {name: values.half() for name, values in folded_state(module).items()}
    return found


def _untrained(row: Recipe, outputs: int) -> nn.Module:
    """The module before its first step: new weights, or those of the network it starts from under a new head."""
    norm = {"batch_norm": True} if row.batch_norm else {}
    module = ARCHITECTURES[row.architecture](outputs=outputs, **norm, **row.options)
    if not row.batch_norm:
        _spread(module)
    if row.start:
        start = shipped.load(row.start)[0].state_dict()
        module.load_state_dict(module.state_dict() | {k: v for k, v in start.items() if not k.startswith("head.")})
    if row.dropout:
        head = module.get_submodule("head")
        head.register_forward_pre_hook(lambda head, seen: F.dropout(seen[0], row.dropout, head.training))
    return module


def _spread(module: nn.Module) -> None:
    """He's initial weights for convolutions: without batch norm, torch's own make activations shrink layer by layer."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_uniform_(part.weight, nonlinearity="relu")


def batches(row: Recipe, learn: data.Drawn, device: torch.device) -> Iterator[tuple[Tensor, Any]]:
    """Augmented batches of all epochs as the task shows them: (float32 (image, 3, side, side), the task's target)."""
    rng, labels = np.random.default_rng(row.seed), Labels.of(learn, device)
    for epoch in range(row.epochs):
        order = rng.permutation(len(learn.images))
        side = row.small_side if epoch < row.small_epochs else learn.images.shape[1]
        for start in range(0, len(order) - row.batch + 1, row.batch):
            chosen = np.sort(order[start : start + row.batch])
            pixels = torch.from_numpy(learn.images[chosen]).to(device)
            seen = labels.at(torch.from_numpy(chosen).to(device))
            yield _task(row).batch(augmented(pixels, rng, side), seen, rng)


def augmented(pixels: Tensor, rng: np.random.Generator, side: int) -> Tensor:
    """A batch as the network's input of `side` x `side`: one random crop for all; flips and brightness vary by image.

    pixels   uint8, (image, height, width, 3)
    """
    height = pixels.shape[1]
    window = int(rng.integers(round(0.85 * height), height + 1))
    top, left = (int(v) for v in rng.integers(0, height - window + 1, 2))
    x = PREPROCESSING(pixels[:, top : top + window, left : left + window])
    if x.shape[-1] != side:
        x = F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False, antialias=True)
    flip = torch.from_numpy(rng.random(len(x)) < 0.5).to(x.device)
    x = torch.where(flip.view(-1, 1, 1, 1), x.flip(3), x)
    gain = torch.from_numpy(rng.uniform(0.8, 1.2, (len(x), 1, 1, 1))).to(x)
    shift = torch.from_numpy(rng.uniform(-0.3, 0.3, (len(x), 1, 1, 1))).to(x)
    return (x * gain + shift).contiguous(memory_format=torch.channels_last)


def ship(
    row: Recipe, file: str, state: dict[str, Tensor], held_out: data.Drawn, facts: dict, out: Path
) -> dict[str, Any]:
    """Measure float16 weights on held-out images and write them and their card, the weights first.

    file   one of `row.files`
    """
    from safetensors.torch import save

    module = ARCHITECTURES[row.architecture](outputs=len(state["head.bias"]), **row.options)
    module.load_state_dict({name: values.float() for name, values in state.items()})
    weights = save(state)
    card = {
        "name": file,
        "recipe": asdict(row),
        **facts,
        "accuracy": accuracy(row, module.eval(), held_out),
        "outputs": _task(row).outputs(held_out),
        "weights": sum(values.numel() for values in state.values()),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "torch": str(torch.__version__),
    }
    shipped.write(out, file, weights, card)
    return card


def accuracy(row: Recipe, module: nn.Module, held_out: data.Drawn) -> dict[str, float]:
    """The task's scores on held-out images at their own size; random parts of a task are drawn from seed 0."""
    scores = _task(row).score(_answers(row, module, held_out))
    return {name: round(value, 4) for name, value in scores.items()}


def _answers(row: Recipe, module: nn.Module, held_out: data.Drawn) -> Iterator[tuple[Tensor, Any]]:
    rng, labels = np.random.default_rng(0), Labels.of(held_out)
    for places in torch.arange(len(held_out.images)).split(200):
        with torch.inference_mode():
            images, target = _task(row).batch(PREPROCESSING(held_out.images[places]), labels.at(places), rng)
            yield module(images), target


def _task(row: Recipe) -> Task:
    if row.task is None:
        raise BadInput(f"zoo: {row.name} is randomly initialised, a seed without a file; there is nothing to train")
    return TASKS[row.task]
