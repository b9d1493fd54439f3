"""What the trainings of the generator and the segmenter share: pixels, and files as the zoo ships them."""

import hashlib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from n2vlib.zoo import shipped
from n2vlib.zoo.data import HELD_OUT_SEED, TRAIN_SEED, world_digest
from n2vlib.zoo.others import SceneGenerator, SceneSegmenter


def as_pixels(images: NDArray[np.uint8]) -> Tensor:
    """float32 in -1 .. 1, (image, 3, height, width), of uint8 (image, height, width, 3)."""
    pixels = torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return pixels.contiguous(memory_format=torch.channels_last)


def as_images(pixels: Tensor) -> NDArray[np.uint8]:
    """uint8 (image, height, width, 3), of pixels in -1 .. 1."""
    levels = ((pixels.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).contiguous().cpu().numpy()


def facts(row: SceneGenerator | SceneSegmenter, seconds: int, held_out: int) -> dict[str, Any]:
    """What every card says: recipe, data, time."""
    data = {"world_sources": world_digest(), "train": {"seed": TRAIN_SEED, "images": row.images},
            "held_out": {"seed": HELD_OUT_SEED, "images": held_out}}  # fmt: skip
    return {"name": row.name, "recipe": asdict(row), "data": data, "seconds": seconds, "device": "cpu"}


def write(folder: Path, name: str, state: dict[str, Tensor], card: dict[str, Any]) -> dict[str, Any]:
    """Write <name>.safetensors and then <name>.json, and return what the JSON says."""
    from safetensors.torch import save

    weights = save({key: values.contiguous() for key, values in state.items()})
    card = card | {
        "weights": sum(values.numel() for values in state.values()),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "torch": str(torch.__version__),
    }
    shipped.write(folder, name, weights, card)
    return card
