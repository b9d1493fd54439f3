"""Train the zoo's generator of drawn scenes.

It is the decoder of a variational autoencoder (Kingma and Welling 2014) whose loss also compares what the first layers
of a network of the zoo see of the picture and of what is drawn (a perceptual loss): an average of many pictures, which
the squared error would choose, has no edges. Afterwards one Gaussian is fitted to the codes of each kind of scene, and
new codes are drawn from these. A generative adversarial network may draw sharper; it was not tried for long enough to
tell.
"""

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from n2vlib.generator.models import Decoder, Encoder
from n2vlib.generator.scenes import Scenes, drawn
from n2vlib.generator.shipping import as_pixels, facts, write
from n2vlib.progress import bar
from n2vlib.zoo import shipped
from n2vlib.zoo.architectures import folded_state
from n2vlib.zoo.data import HELD_OUT_SEED, TRAIN_SEED
from n2vlib.zoo.others import GENERATORS, SceneGenerator

HELD_OUT = 600  # scenes
_SEES = "small-alexnet"  # its first two convolutions compare pictures
_LOOKS = 8  # at held-out scenes while it is trained: the best weights are kept


def train(name: str, device: str = "cpu", out: Path | None = None) -> dict[str, Any]:
    """Train the generator `name`, write <name>.safetensors and <name>.json into `out`, return the JSON.

    device   not read: it is trained on the CPU      out   folder; None: where the zoo ships from
    """
    row = GENERATORS[name]
    learn, held_out = (drawn(row.scenes, n, s) for n, s in ((row.images, TRAIN_SEED), (HELD_OUT, HELD_OUT_SEED)))
    started = time.process_time()
    encoder, decoder, best = fit(row, learn, held_out)
    spread = codes_of(row, encoder, learn)
    state = {name: values.half() for name, values in (folded_state(decoder) | spread).items()}
    seconds = round(time.process_time() - started)
    card = facts(row, seconds, HELD_OUT) | {"held_out": measured(row, encoder, decoder, learn, held_out), "best": best}
    return write(out or shipped.FOLDER, name, state, card)


def fit(row: SceneGenerator, learn: Scenes, held_out: Scenes) -> tuple[Encoder, Decoder, int]:
    """An encoder and a decoder trained together; of a few looks at held-out scenes the best, and after which step."""
    torch.manual_seed(row.seed)
    encoder, decoder = Encoder(row.code), Decoder(row.code, row.widths, batch_norm=True)
    both = torch.nn.ModuleList([encoder, decoder]).train()
    both.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.Adam(both.parameters(), row.rate, betas=(0.8, 0.99))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, row.rate, total_steps=row.steps, pct_start=0.15)
    sees, looks = _Sees(), np.linspace(0, row.steps, _LOOKS + 1)[1:].round().astype(int).tolist()
    best = (np.inf, {}, 0)
    for step, pixels in enumerate(bar(_batches(row, learn), "training the generator", row.steps), start=1):
        loss = _loss(row, sees, both, pixels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step in looks:
            found = _held_out_loss(row, sees, both, held_out)
            best = min(best, (found, copy.deepcopy(both.state_dict()), step), key=lambda each: each[0])
    both.load_state_dict(best[1])
    both.eval()
    return encoder, decoder, best[2]


def _loss(row: SceneGenerator, sees: "_Sees", both: torch.nn.ModuleList, pixels: Tensor) -> Tensor:
    mean, log_variance = both[0](pixels)
    codes = mean + torch.randn_like(mean) * (log_variance / 2).exp() if both.training else mean
    apart = (1 + log_variance - mean**2 - log_variance.exp()).sum(1).mean() / -2
    return _distance(row, sees, both[1](codes), pixels) + row.prior * apart


def _distance(row: SceneGenerator, sees: "_Sees", made: Tensor, pixels: Tensor) -> Tensor:
    return 2 * (made - pixels).abs().mean() + row.features * sees.apart(made, pixels)


@torch.no_grad()
def _held_out_loss(row: SceneGenerator, sees: "_Sees", both: torch.nn.ModuleList, held_out: Scenes) -> float:
    both.eval()
    found = [float(_loss(row, sees, both, part)) for part in as_pixels(held_out.images).split(100)]
    both.train()
    return float(np.mean(found))


class _Sees:
    """What the first layers of a network of the zoo see of pictures."""

    def __init__(self):
        self.features = [*shipped.load(_SEES)[0].requires_grad_(False).get_submodule("features").children()]

    def apart(self, made: Tensor, pixels: Tensor) -> Tensor:
        """Mean absolute difference of each layer, as a share of the layer's mean, summed over layers.

        Both are shifted at random first: the layers look at every fourth pixel, and a decoder learns such a grid.
        """
        down, right = torch.randint(0, 4, (2,)).tolist() if made.requires_grad else (0, 0)
        made, pixels = made[:, :, down:, right:], pixels[:, :, down:, right:]
        with torch.no_grad():
            wanted = self._of(pixels)
        both = zip(self._of(made), wanted, strict=True)
        return torch.stack([(one - other).abs().mean() / (other.mean() + 1e-6) for one, other in both]).sum()

    def _of(self, pixels: Tensor) -> list[Tensor]:
        one = F.relu(self.features[0](2 * pixels))  # 2: as its own preprocessing scales pixels
        two = F.relu(self.features[3](self.features[2](one)))
        return [one, two]


def _batches(row: SceneGenerator, learn: Scenes) -> Iterator[Tensor]:
    """Pixels in -1 .. 1, (batch, 3, 56, 56); each picture is mirrored or not."""
    rng, order = np.random.default_rng(row.seed), np.zeros(0, np.int64)
    for _ in range(row.steps):
        if len(order) < row.batch:
            order = rng.permutation(len(learn.images))
        chosen, order = np.sort(order[: row.batch]), order[row.batch :]
        images = learn.images[chosen]
        flip = rng.random(row.batch) < 0.5
        images[flip] = images[flip, :, ::-1]
        yield as_pixels(images)


@torch.no_grad()
def codes_of(row: SceneGenerator, encoder: Encoder, learn: Scenes) -> dict[str, Tensor]:
    """A Gaussian for the codes of each kind of scene: mean (kind, code), and spread (kind, code, code), whose product
    with a standard normal, added to the mean, is a code."""
    codes = torch.cat([encoder(as_pixels(part))[0] for part in np.array_split(learn.images, 20)]).double()
    means, spreads = [], []
    for kind in np.unique(learn.scene):
        mine = codes[torch.from_numpy(learn.scene == kind)]
        means.append(mine.mean(0))
        spreads.append(torch.linalg.cholesky(torch.cov(mine.T) + 1e-4 * torch.eye(row.code)))
    return {"mean": torch.stack(means).float(), "spread": torch.stack(spreads).float()}


@torch.no_grad()
def measured(
    row: SceneGenerator, encoder: Encoder, decoder: Decoder, learn: Scenes, held_out: Scenes
) -> dict[str, float]:
    """How far drawn pictures are from held-out scenes (mean absolute difference, grey levels of 255), how far the mean
    training picture is (floor), and how much of the scenes' sharpness is left: the mean step between neighbors."""
    pixels = as_pixels(held_out.images)
    made = torch.cat([decoder(encoder(part)[0]) for part in pixels.split(100)])
    floor = (pixels - as_pixels(learn.images).mean(0)).abs().mean()
    levels = 127.5
    found = {"difference": (made - pixels).abs().mean() * levels, "floor": floor * levels}
    found |= {"sharpness": steps(made).mean() / steps(pixels).mean()}
    return {name: round(float(value), 4) for name, value in found.items()}


def steps(pixels: Tensor) -> Tensor:
    """Mean absolute difference between neighboring pixels of each picture, (image,): small where it is blurred."""
    across, down = (pixels.diff(dim=d).abs().mean((1, 2, 3)) for d in (-1, -2))
    return (across + down) / 2
