"""Train the text-image model of the zoo on drawn scenes and captions that are drawn anew for every pass."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from n2vlib.progress import bar
from n2vlib.text_image import pairs
from n2vlib.text_image.captions import caption, vocabulary
from n2vlib.text_image.facts import Facts
from n2vlib.text_image.model import Towers, positions, stages
from n2vlib.zoo import data, shipped
from n2vlib.zoo.architectures.resnet import SmallResNet
from n2vlib.zoo.others import TEXT_IMAGE, TextImagePairs
from n2vlib.zoo.recipes import PREPROCESSING

HELD_OUT = 1_000
SOONEST, RECALLS = 5, (1, 5, 10)  # every so many epochs the held-out pairs are asked
DRAWS = 20  # captions of each image from which the vocabulary is made


def train(name: str, device: str = "cpu", out: Path | None = None) -> dict[str, Any]:
    """Train the model `name` of the zoo, write <name>.safetensors and <name>.json into `out`, return the JSON.

    device   not read: so small a model is trained on the CPU      out   folder; None: where the zoo ships from
    """
    from safetensors.torch import load, save

    row, started = TEXT_IMAGE[name], time.monotonic()
    network = cast(SmallResNet, shipped.load(row.network)[0])
    (learn, shown), (held_out, asked) = (
        (features(network, images), facts)
        for images, facts in (pairs.drawn(row.images, data.TRAIN_SEED), pairs.drawn(HELD_OUT, data.HELD_OUT_SEED))
    )
    words = vocabulary(caption(each, Random(f"{i}/{n}")) for i, each in enumerate(shown) for n in range(DRAWS))
    towers, epoch = fit(row, (learn, shown), (held_out, asked), words)
    weights = save({key: values.half().contiguous() for key, values in towers.state_dict().items()})
    found = recalls(filled(row, words, load(weights)), words, held_out, texts(asked, 0, one=0))
    card = {
        "name": name,
        "recipe": asdict(row),
        "data": {"world_sources": data.world_digest(),
                 "train": {"seed": data.TRAIN_SEED, "images": row.images},
                 "held_out": {"seed": data.HELD_OUT_SEED, "images": HELD_OUT}},
        "network_sha256": shipped.card(row.network)["sha256"],
        "seconds": round(time.monotonic() - started),
        "device": "cpu",
        "epoch": epoch,
        "accuracy": {key: round(value, 4) for key, value in found.items()},
        "floor": {key: round(value, 4) for key, value in floors(asked).items()},
        "words": words,
        "weights": sum(values.numel() for values in towers.state_dict().values()),
        "sha256": hashlib.sha256(weights).hexdigest(),
        "torch": str(torch.__version__),
    }  # fmt: skip
    shipped.write(out or shipped.FOLDER, name, weights, card)
    return card


def features(
    network: SmallResNet, images: NDArray[np.uint8], order: torch.memory_format = torch.preserve_format
) -> Tensor:
    """What the image's side reads, float32 (image, feature), of uint8 (image, height, width, 3).

    order   of the images in memory: with channels_last the network is faster and rounds otherwise; with the default as
            in the training of the shipped model
    """
    batches = (PREPROCESSING(images[at : at + 64]).to(memory_format=order) for at in range(0, len(images), 64))
    with torch.inference_mode():
        return torch.cat([stages(network, each) for each in batches]).clone()


def texts(facts: list[Facts], draw: int, **options: float) -> list[str]:
    """One caption of each image; options of `captions.caption`."""
    return [caption(each, Random(f"{i}/{draw}"), **options) for i, each in enumerate(facts)]


def fit(
    row: TextImagePairs, learn: tuple[Tensor, list[Facts]], held_out: tuple[Tensor, list[Facts]], words: list[str]
) -> tuple[Towers, int]:
    """The two sides, trained by Adam so that each caption fits its own image best among a batch, and the reverse.

    learn, held_out   features and facts of images
    Returns           the weights that were best on the held-out pairs, and after how many epochs
    """
    torch.manual_seed(row.seed)
    seen, shown = learn
    towers = Towers(seen.shape[1], len(words), row.hidden, row.size)
    towers.get_buffer("mean").copy_(seen.mean(0))
    towers.get_buffer("deviation").copy_(seen.std(0).clamp(min=1e-4))
    steps = row.epochs * (len(seen) // row.batch)
    optimizer = torch.optim.AdamW(towers.parameters(), lr=row.rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, row.rate, total_steps=steps, pct_start=0.1)
    best, state, at, asked = -1.0, {}, 0, texts(held_out[1], 0, one=0)
    for epoch in bar(range(1, row.epochs + 1), f"training {row.name}", row.epochs):
        towers.train()
        for loss in losses(row, towers, seen, positions(texts(shown, epoch), words), epoch):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        reached = sum(recalls(towers, words, held_out[0], asked).values()) if epoch % SOONEST == 0 else -1
        if reached > best:
            best, at = reached, epoch
            state = {key: values.clone() for key, values in towers.state_dict().items()}
    towers.load_state_dict(state or towers.state_dict())
    return towers.eval(), at or row.epochs


def losses(row: TextImagePairs, towers: Towers, seen: Tensor, shown: Tensor, epoch: int) -> Iterator[Tensor]:
    """The contrastive loss of each batch of an epoch: mean cross-entropy of captions by image, and of images."""
    order = np.random.default_rng([row.seed, epoch]).permutation(len(seen))
    for start in range(0, len(order) - row.batch + 1, row.batch):
        chosen = torch.from_numpy(order[start : start + row.batch])
        dropped = F.dropout(seen[chosen] - towers.get_buffer("mean"), row.dropout) + towers.get_buffer("mean")
        fits = towers.scale.exp() * towers.of_images(dropped) @ towers.of_texts(shown[chosen]).T
        own = torch.arange(len(chosen))
        yield (F.cross_entropy(fits, own) + F.cross_entropy(fits.T, own)) / 2


def recalls(towers: Towers, words: list[str], seen: Tensor, asked: list[str]) -> dict[str, float]:
    """Share of captions whose own image is among the k that fit best, for each k; ties count half.

    seen   features, (image, feature)      asked   a caption of each image
    """
    with torch.inference_mode():
        fits = towers.eval().of_texts(positions(asked, words)) @ towers.of_images(seen).T
    own = fits.diagonal()[:, None]
    better = (fits > own).sum(1) + ((fits == own).sum(1) - 1) / 2
    return {f"recall@{k}": float((better < k).float().mean()) for k in RECALLS}


def floors(facts: list[Facts]) -> dict[str, float]:
    """recall@k of guessing, and of guessing among the images of the same place (or texture)."""
    kinds = [each.place or each.texture for each in facts]
    alike = np.array([kinds.count(each) for each in kinds])
    chance = {f"chance, recall@{k}": k / len(facts) for k in RECALLS}
    return chance | {f"place known, recall@{k}": float(np.minimum(k / alike, 1).mean()) for k in RECALLS}


def filled(row: TextImagePairs, words: list[str], state: dict[str, Tensor]) -> Towers:
    """The two sides with the weights of a file, float32 in evaluation mode."""
    towers = Towers(len(state["mean"]), len(words), row.hidden, row.size)
    towers.load_state_dict({key: values.float() for key, values in state.items()})
    return towers.eval()
