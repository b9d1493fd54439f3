"""Train a network of the zoo on drawn images, for scenes and objects together, and write it as it ships."""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from n2vlib.errors import BadInput
from n2vlib.progress import bar
from n2vlib.zoo import data, measures, shipped
from n2vlib.zoo.architectures import ARCHITECTURES, folded_state
from n2vlib.zoo.recipes import PREPROCESSING, Recipe

HELD_OUT = 2_000
_SMALL = 80


def train(name: str, device: str = "auto", out: Path | None = None) -> dict[str, Any]:
    """Train the network `name`, write <name>.safetensors and <name>.json into `out`, and return what the JSON says.

    device   "auto" (a GPU where there is one), "cpu" or "cuda"
    out      folder; None: where the zoo ships from
    """
    row = shipped.recipe(name)
    if row.task is None:
        raise BadInput(f"zoo: {name} is a random twin, a seed without a file; there is nothing to train")
    learn, held_out = data.drawn(row.images, data.TRAIN_SEED), data.drawn(HELD_OUT, data.HELD_OUT_SEED)
    started = time.monotonic()
    state = fit(row, learn, choose_device(device))
    seconds = time.monotonic() - started
    facts = {"data": _facts_of(learn, held_out), "seconds": round(seconds), "device": str(choose_device(device))}
    return ship(row, state, held_out, facts, out or shipped.FOLDER)


def choose_device(device: str) -> torch.device:
    """The device of that name; "auto" is a GPU where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)


def fit(row: Recipe, learn: data.Drawn, device: torch.device) -> dict[str, Tensor]:
    """Weights after training, batch norm folded in, rounded to float16.

    AdamW on a one-cycle schedule; cross-entropy over scenes (images without a scene left out) plus the mean logistic
    loss over objects, times ten.
    """
    torch.manual_seed(row.seed)
    outputs = len(learn.scenes) + len(learn.object_names)
    module = ARCHITECTURES[row.architecture](outputs=outputs, batch_norm=True, **row.options)
    module = module.to(device, memory_format=torch.channels_last).train()  # pyright: ignore[reportCallIssue]
    steps = row.epochs * (len(learn.images) // row.batch)
    optimizer = torch.optim.AdamW(module.parameters(), lr=row.rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, row.rate, total_steps=steps, pct_start=0.2)
    for images, scene, objects in bar(batches(row, learn, device), f"training {row.name}", steps):
        loss = joint_loss(module(images), scene, objects)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return {name: values.half() for name, values in folded_state(module).items()}


def joint_loss(scores: Tensor, scene: Tensor, objects: Tensor) -> Tensor:
    """Cross-entropy of the scene (-1: none) plus ten times the mean logistic loss of the objects.

    scores (image, scene + object); scene int64 (image,); objects float (image, object)
    """
    n_scenes = scores.shape[1] - objects.shape[1]
    of_scenes = F.cross_entropy(scores[:, :n_scenes], scene, ignore_index=-1, reduction="sum")
    of_objects = F.binary_cross_entropy_with_logits(scores[:, n_scenes:], objects)
    return of_scenes / (scene >= 0).sum().clamp(min=1) + 10 * of_objects


def batches(row: Recipe, learn: data.Drawn, device: torch.device) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Augmented batches of all epochs: (images float32 (image, 3, h, w), scene (image,), objects (image, object))."""
    rng = np.random.default_rng(row.seed)
    scene, objects = torch.from_numpy(learn.scene).to(device), torch.from_numpy(learn.objects).float().to(device)
    for epoch in range(row.epochs):
        order = rng.permutation(len(learn.images))
        side = _SMALL if epoch < row.small_epochs else learn.images.shape[1]
        for start in range(0, len(order) - row.batch + 1, row.batch):
            chosen = np.sort(order[start : start + row.batch])
            pixels = torch.from_numpy(learn.images[chosen]).to(device)
            at = torch.from_numpy(chosen).to(device)
            yield augmented(pixels, rng, side), scene[at], objects[at]


def augmented(pixels: Tensor, rng: np.random.Generator, side: int) -> Tensor:
    """A batch as the network's input of `side` x `side`: one random window for all, mirrored and lit one by one.

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


def scores_of(module: nn.Module, images: np.ndarray) -> np.ndarray:
    """Outputs (image, output) of uint8 images (image, height, width, 3)."""
    with torch.inference_mode():
        parts = [module(PREPROCESSING(images[i : i + 200])) for i in range(0, len(images), 200)]
    return torch.cat(parts).numpy()


def ship(row: Recipe, state: dict[str, Tensor], held_out: data.Drawn, facts: dict, out: Path) -> dict[str, Any]:
    """Measure float16 weights on held-out images and write them and their record, the weights first."""
    from safetensors.torch import save

    module = ARCHITECTURES[row.architecture](outputs=len(state["head.bias"]), **row.options)
    module.load_state_dict({name: values.float() for name, values in state.items()})
    weights = save(state)
    record = {
        "name": row.name,
        "recipe": asdict(row),
        **facts,
        "accuracy": accuracy(module.eval(), held_out),
        "outputs": {"scenes": held_out.scenes, "objects": held_out.object_names},
        "weights": sum(values.numel() for values in state.values()),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "torch": torch.__version__,
    }
    out.mkdir(parents=True, exist_ok=True)
    _replace(out / f"{row.name}.safetensors", weights)
    _replace(out / f"{row.name}.json", (json.dumps(record, indent=1) + "\n").encode())
    return record


def accuracy(module: nn.Module, held_out: data.Drawn) -> dict[str, float]:
    """Scene accuracy and, as means over objects with 5 images or more, average precision and balanced accuracy."""
    scores, n_scenes = scores_of(module, held_out.images), len(held_out.scenes)
    frequent = [k for k in range(held_out.objects.shape[1]) if held_out.objects[:, k].sum() >= 5]
    pairs = [(scores[:, n_scenes + k], held_out.objects[:, k]) for k in frequent]
    return {
        "scene_accuracy": round(measures.scene_accuracy(scores[:, :n_scenes], held_out.scene), 4),
        "object_average_precision": round(float(np.mean([measures.average_precision(*pair) for pair in pairs])), 4),
        "object_balanced_accuracy": round(float(np.mean([measures.balanced_accuracy(*pair) for pair in pairs])), 4),
        "objects_measured": len(frequent),
    }


def _facts_of(learn: data.Drawn, held_out: data.Drawn) -> dict[str, Any]:
    return {
        "world_sources": data.world_digest(),
        "train": {"seed": data.TRAIN_SEED, "images": len(learn.images)},
        "held_out": {"seed": data.HELD_OUT_SEED, "images": len(held_out.images)},
    }


def _replace(path: Path, content: bytes) -> None:
    part = path.with_suffix(path.suffix + ".part")
    part.write_bytes(content)
    part.replace(path)
