"""LIME: a linear model of how an answer depends on which superpixels are seen (Ribeiro et al. 2016, equation 1).

    drawn = lime.sample(network, image, samples=1000, seed=0)
    explained = lime.explain(drawn, class_c)
    explained.weights                                     # (superpixel,), with low and high

The linear model is fitted by captum. Its `Lime` is another method by default: it weighs samples by the cosine of
pixels, not of what is hidden, hides with zeros, fits by Lasso, and draws from torch's global seed. So `LimeBase` is
given what the authors' code does. One seed decides everything, and every call begins with it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logit
from torch import Tensor

from n2vlib.compositional.classifier import class_names
from n2vlib.device import choose_device
from n2vlib.errors import BadInput
from n2vlib.local import superpixels
from n2vlib.networks.downstream import scores
from n2vlib.networks.load import Network
from n2vlib.progress import bar
from n2vlib.store import Store, load_array, save_arrays

MODULES = ["n2vlib.local.lime"]
WIDTH, PENALTY = 0.25, 1.0  # of the kernel; of ridge regression
SAMPLES = 1000  # of the authors' code
INTERVAL = 1.96  # standard errors on each side: 95%
_LEAST = 1e-9  # of a probability, in log-odds
_BATCH = 32


def log_odds(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """log(p / (1 - p)), of probabilities kept away from 0 and 1."""
    return logit(np.clip(p, _LEAST, 1 - _LEAST))


SCALES = {"probability": np.asarray, "log-odds": log_odds}


@dataclass(frozen=True)
class Samples:
    """Pictures with superpixels hidden, and the answers to them.

    segments   int64, (height, width)
    rows       bool, (sample, superpixel): which superpixels are seen; row 0 sees all
    outputs    float64, (sample, class): the softmax over the network's classes
    """

    segments: NDArray[np.int64]
    rows: NDArray[np.bool_]
    outputs: NDArray[np.float64]

    def part(self, which: slice) -> "Samples":
        """Row 0 and those others."""
        chosen = np.r_[0, np.arange(1, len(self.rows))[which]]
        return Samples(self.segments, self.rows[chosen], self.outputs[chosen])


@dataclass(frozen=True)
class Explanation:
    """What the linear model says about one class.

    segments    int64, (height, width)
    weights     float64, (superpixel,): by how much the output is higher if the superpixel is seen
    low, high   (superpixel,), 95%: where the weight would be with very many samples
    intercept   the output with all superpixels hidden, by the model
    fit         R squared, weighted as the samples are: 1 where a linear model says all
    """

    segments: NDArray[np.int64]
    weights: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    intercept: float
    fit: float

    @property
    def map(self) -> NDArray[np.float64]:
        """The weights shared out evenly onto pixels: (height, width), of the same sum."""
        return (self.weights / np.bincount(self.segments.ravel()))[self.segments]


def draw(samples: int, n: int, seed: int) -> NDArray[np.bool_]:
    """Which superpixels are seen: bool, (sample, superpixel). Row 0 sees all, others each with probability 1/2.

    Raises BadInput where there are too few samples for a linear model of n superpixels with an interval.
    """
    if samples < n + 10:
        raise BadInput(
            f"{samples} samples: too few for {n} superpixels; take at least {n + 10} (SAMPLES, SAMPLES_EACH)"
        )
    rows = np.random.default_rng(seed).integers(0, 2, (samples, n)).astype(np.bool_)
    rows[0] = True
    return rows


def similarity(rows: NDArray[np.bool_], width: float = WIDTH) -> NDArray[np.float64]:
    """sqrt(exp(-d^2 / width^2)) with d the cosine distance of a row to the row of ones: (sample,).

    The cosine of k ones among n is sqrt(k / n), and that of no ones counts as 0.
    """
    distance = 1 - np.sqrt(rows.mean(1))
    return np.sqrt(np.exp(-((distance / width) ** 2)))


def sample(
    network: Network,
    image: NDArray[np.uint8],
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    kernel: float = superpixels.KERNEL,
    device: str = "auto",
    store: Store | None = None,
) -> Samples:
    """Hide superpixels of a picture at random and ask the network.

    image   uint8, (height, width, 3), of the size that the network sees (`picture.as_seen`)
    """
    return of_images(network, [image], samples=samples, seed=seed, kernel=kernel, device=device, store=store)[0]


def of_images(
    network: Network,
    images: Sequence[NDArray[np.uint8]],
    *,
    samples: int,
    seed: int = 0,
    kernel: float = superpixels.KERNEL,
    device: str = "auto",
    store: Store | None = None,
) -> list[Samples]:
    """`sample` of each of several pictures of one size. The same picture has the same samples, whatever the others are.

    store   where the answers are kept; None: nowhere
    """
    device, found = choose_device(device), np.stack(images)
    inputs = {"weights": network.fingerprint, "code": network.code, "preprocessing": network.preprocessing.as_json()}
    inputs |= {"images": sha256(f"{found.shape}".encode() + found.tobytes()).hexdigest()}
    inputs |= {"samples": samples, "seed": seed, "kernel": kernel}

    def make(folder: Path) -> None:
        save_arrays(folder, **_asked(network, found, samples, seed, kernel, device))

    if store is None:
        arrays = _asked(network, found, samples, seed, kernel, device)
    else:
        folder = store.entry("hidden-superpixels", inputs, MODULES, make, device)
        arrays = {name: np.asarray(load_array(folder, name)) for name in ("segments", "outputs")}
    both = zip(arrays["segments"], arrays["outputs"], strict=True)
    return [Samples(each, draw(samples, each.max() + 1, seed), answers) for each, answers in both]


def _asked(
    network: Network, images: NDArray[np.uint8], samples: int, seed: int, kernel: float, device: str
) -> dict[str, NDArray]:
    segments = [superpixels.find(image, seed=seed, kernel=kernel) for image in images]
    rows = [draw(samples, each.max() + 1, seed) for each in segments]
    fills = [superpixels.mean_colors(image, own) for image, own in zip(images, segments, strict=True)]
    starts = [(i, start) for i in range(len(images)) for start in range(0, samples, _BATCH)]
    outputs, found = class_names(network)[1], []
    for i, start in bar(starts, f"{network.name} answers, parts hidden", len(starts)):
        shown = superpixels.hide(images[i], fills[i], segments[i], rows[i][start : start + _BATCH])
        with torch.inference_mode():
            ready = network.preprocessing(shown).to(device, memory_format=torch.channels_last)
            answers = scores(network.module.to(device)(ready))[:, outputs]
        found.append(answers.double().softmax(1).cpu().numpy())
    answered = np.concatenate(found).reshape(len(images), samples, -1)
    return {"segments": np.stack(segments), "outputs": answered}


def explain(drawn: Samples, class_c: int, *, scale: str = "probability") -> Explanation:
    """Fit ridge regression to the outputs of a class, samples like the picture weighing more.

    scale   "probability", as in the authors' code, or "log-odds", in which a sure network's answers still differ
    """
    if scale not in SCALES:
        raise BadInput(f"scale {scale!r}: choose {' or '.join(SCALES)}")
    rows, outputs, like = drawn.rows, SCALES[scale](drawn.outputs[:, class_c]), similarity(drawn.rows)
    weights, intercept = _fitted(rows, outputs, like)
    left = outputs - intercept - rows @ weights
    spread = outputs - np.average(outputs, weights=like)
    total = float((like * spread**2).sum())
    fit = 1 - float((like * left**2).sum()) / total if total else np.nan
    return Explanation(drawn.segments, weights, *interval(rows, outputs, like), intercept, fit)


def _fitted(
    rows: NDArray[np.bool_], outputs: NDArray[np.float64], like: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Weights and intercept by captum. It asks for one row after another, and for all answers at once."""
    # Imports matplotlib: half a second that only those pay who explain something.
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import LimeBase

    model = SkLearnRidge(alpha=PENALTY)
    likeness, seen = iter(like.tolist()), torch.from_numpy(rows.astype(np.float32))
    answers = torch.tensor(outputs)

    def drawn(_image: Tensor, **_: Any) -> Iterator[Tensor]:
        yield from seen.split(1)

    base = LimeBase(
        forward_func=lambda _rows: answers,
        interpretable_model=model,
        similarity_func=lambda *_, **__: next(likeness),
        perturb_func=drawn,
        perturb_interpretable_space=True,
        from_interp_rep_transform=lambda row, *_, **__: row,
        to_interp_rep_transform=None,
    )
    weights = base.attribute(seen[:1], n_samples=len(rows), perturbations_per_eval=len(rows))
    bias = model.bias()
    assert bias is not None
    return weights.flatten().double().numpy(), float(bias)


def interval(
    rows: NDArray[np.bool_], outputs: NDArray[np.float64], like: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """95% intervals (low, high), each (superpixel,), of the weights that very many samples would give.

    Weighted least squares without the penalty, which very many samples would outweigh, with standard errors that let
    the residuals differ in size and are corrected for leverage (MacKinnon and White's HC3): a nonlinear network's
    residuals depend on what is hidden.
    """
    z = np.column_stack([np.ones(len(rows)), rows])
    inverse = np.linalg.pinv(z.T @ (z * like[:, None]))
    b = inverse @ (z.T @ (like * outputs))
    leverage = like * np.einsum("ij,jk,ik->i", z, inverse, z)
    left = like * (outputs - z @ b) / np.maximum(1 - leverage, 1e-6)
    spread = inverse @ (z.T * left**2) @ z @ inverse
    half = INTERVAL * np.sqrt(np.diag(spread))
    return (b - half)[1:], (b + half)[1:]
