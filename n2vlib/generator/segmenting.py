"""Train the zoo's segmenter of drawn scenes, which also answers "nothing of these": the label maps are drawn with them.

It will be asked about drawn and blurred pictures, so that its training pictures are blurred at random.
"""

import copy
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from n2vlib.generator.models import Segmenter
from n2vlib.generator.scenes import NAMES, Scenes, drawn
from n2vlib.generator.shipping import as_images, as_pixels, facts, write
from n2vlib.generator.sources import Segmenter as Judge
from n2vlib.generator.sources import answers
from n2vlib.progress import bar
from n2vlib.zoo import shipped
from n2vlib.zoo.architectures import folded_state
from n2vlib.zoo.data import HELD_OUT_SEED, TRAIN_SEED
from n2vlib.zoo.others import SEGMENTERS, SceneSegmenter

HELD_OUT = 600  # scenes
NEW_SEED = 3  # of scenes that neither training nor its choice of weights has seen
NOTHING = "nothing of these"
_LOOKS = 8  # at held-out scenes while it is trained: the best weights are kept


def train(name: str, device: str = "cpu", out: Path | None = None) -> dict[str, Any]:
    """Train the segmenter `name`, write <name>.safetensors and <name>.json into `out`, return the JSON.

    device   not read: it is trained on the CPU      out   folder; None: where the zoo ships from
    """
    row = SEGMENTERS[name]
    learn, held_out = (drawn(row.scenes, n, s) for n, s in ((row.images, TRAIN_SEED), (HELD_OUT, HELD_OUT_SEED)))
    started, names = time.process_time(), frequent(learn, row.least)
    state, best = fit(row, learn, held_out, names)
    state = {name: values.half() for name, values in state.items()}
    seconds = round(time.process_time() - started)
    module = Segmenter(len(names))
    module.load_state_dict({name: values.float() for name, values in state.items()})
    truth = labels(held_out.object, names)
    said = answers(module.eval(), as_pixels(held_out.images), truth.shape[1:])
    found = pd.Series(errors(said, truth, names).set_index("class")["IoU"])
    right = (said == truth).mean()
    commonest = (truth == np.bincount(truth.ravel()).argmax()).mean()
    card = facts(row, seconds, HELD_OUT) | {"classes": names, "best": best}
    card["held_out"] = {"accuracy": round(float(right), 4), "floor": round(float(commonest), 4)}
    card["held_out"] |= {"IoU": {name: round(float(value), 4) for name, value in found.items()}}
    return write(out or shipped.FOLDER, name, state, card)


def frequent(learn: Scenes, least: float) -> list[str]:
    """NOTHING, and the objects that cover at least so large a share of all pixels, the commonest first."""
    numbers, counts = np.unique(learn.object, return_counts=True)
    found = sorted(zip((-counts / learn.object.size).tolist(), numbers.tolist(), strict=True))
    return [NOTHING, *(NAMES[number] for share, number in found if number and -share >= least)]


def labels(objects: NDArray[np.uint16], names: list[str]) -> NDArray[np.uint8]:
    """Positions in `names` of what each pixel shows, 0 where it shows none of them; shape of `objects`."""
    found = np.zeros(max(NAMES) + 1, np.uint8)
    for number, name in NAMES.items():
        found[number] = names.index(name) if name in names else 0
    return found[objects]


def fit(row: SceneSegmenter, learn: Scenes, held_out: Scenes, names: list[str]) -> tuple[dict[str, Tensor], int]:
    """The best weights of a few looks at held-out scenes, batch norm folded in, and after which step they were."""
    torch.manual_seed(row.seed)
    module = Segmenter(len(names), batch_norm=True).train()
    module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    optimizer = torch.optim.AdamW(module.parameters(), row.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, row.rate, total_steps=row.steps, pct_start=0.15)
    looks = np.linspace(0, row.steps, _LOOKS + 1)[1:].round().astype(int).tolist()
    truth, best = labels(held_out.object, names), (-1.0, {}, 0)
    seen = as_pixels(held_out.images)
    batches = bar(_batches(row, learn, labels(learn.object, names)), "training the segmenter", row.steps)
    for step, (pixels, target) in enumerate(batches, start=1):
        loss = F.cross_entropy(module(pixels), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step in looks:
            right = float((answers(module.eval(), seen, truth.shape[1:]) == truth).mean())
            best = max(best, (right, copy.deepcopy(module.state_dict()), step), key=lambda each: each[0])
            module.train()
    module.load_state_dict(best[1])
    return folded_state(module.eval()), best[2]


def _batches(row: SceneSegmenter, learn: Scenes, truth: NDArray[np.uint8]) -> Iterator[tuple[Tensor, Tensor]]:
    """Pixels in -1 .. 1, (batch, 3, 56, 56), mirrored, blurred and lit at random, and the class of every second one."""
    rng, order = np.random.default_rng(row.seed), np.zeros(0, np.int64)
    for _ in range(row.steps):
        if len(order) < row.batch:
            order = rng.permutation(len(truth))
        chosen, order = np.sort(order[: row.batch]), order[row.batch :]
        pixels, target = as_pixels(learn.images[chosen]), torch.from_numpy(truth[chosen][:, 1::2, 1::2]).long()
        if rng.random() < 0.5:
            pixels, target = pixels.flip(3), target.flip(2)
        pixels = blurred(pixels, float(rng.choice([0, 0, 0.5, 1])))
        gain, shift = (
            torch.from_numpy(rng.uniform(*ends, (row.batch, 1, 1, 1))) for ends in ((0.85, 1.15), (-0.15, 0.15))
        )
        yield (pixels * gain.float() + shift.float()).contiguous(memory_format=torch.channels_last), target


def blurred(pixels: Tensor, share: float) -> Tensor:
    """Pixels mixed with their means over 5 x 5; share: of the means."""
    around = F.avg_pool2d(pixels, 5, 1, 2, count_include_pad=False)
    return pixels + share * (around - pixels) if share else pixels


def blur(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The pictures as means over 5 x 5 pixels, uint8 (image, height, width, 3)."""
    return as_images(blurred(as_pixels(images), 1.0))


def stated(segmenter: Judge, n_images: int, seed: int = NEW_SEED) -> tuple[pd.DataFrame, str]:
    """A zoo segmenter's errors on new drawn scenes, sharp and blurred, by class; and how many pixels are right.

    Another's errors are not known to us: an empty table that says so.
    """
    if segmenter.name not in SEGMENTERS:
        return pd.DataFrame(columns=["class", "IoU"]), f"{segmenter.name}: its errors are its maker's to state"
    new, names = drawn(SEGMENTERS[segmenter.name].scenes, n_images, seed), segmenter.classes
    truth = labels(new.object, names)
    pictures = [as_pixels(images) for images in (new.images, blur(new.images))]
    said = [answers(segmenter.module, pixels, truth.shape[1:]) for pixels in pictures]
    sharp, soft = (errors(each, truth, names) for each in said)
    sharp.insert(3, "IoU, blurred", soft["IoU"])
    right = [f"{(each == truth).mean():.1%}" for each in said]
    return sharp, f"{right[0]} of the pixels of {n_images} new scenes are right, {right[1]} if they are blurred"


def errors(answered: NDArray, truth: NDArray, names: list[str]) -> pd.DataFrame:
    """How right a segmenter is, by class: class, share (of the true pixels), IoU, precision, recall."""
    rows = []
    for number, name in enumerate(names):
        said, there = answered == number, truth == number
        both, either = (said & there).sum(), (said | there).sum()
        with np.errstate(invalid="ignore"):
            rates = both / np.float64(either), both / np.float64(said.sum()), both / np.float64(there.sum())
        rows.append((name, there.mean(), *rates))
    return pd.DataFrame(rows, columns=["class", "share", "IoU", "precision", "recall"])
